"""Fixes in words, and their edits as a unified diff of the source."""

from __future__ import annotations

from collections.abc import Sequence

from ae_audit.report.narration import add_change
from ae_audit.report.text_layout import Page, Segment, broken
from ae_audit.schema.findings import Fix
from ae_audit.source.edits import apply
from ae_audit.source.text import Sources, split_lines


def add_fix(page: Page, fix: Fix, *, indent: int = 2) -> None:
    """Write what the fix does, and whether it is safe."""
    nature = "safe: what is computed stays the same" if fix.safe else "changes what the program computes"
    if fix.withheld is not None:
        nature = f"no edit: {fix.withheld}"
    lead = Segment("fix  ", "bold")
    page.segments(
        [lead, Segment(fix.description.rstrip(".")), Segment(f" ({nature})", "dim")],
        indent=indent,
        lead=1,
        hang=indent + 5,
    )


def add_diff(page: Page, fixes: Sequence[Fix], sources: Sources, *, indent: int = 7) -> None:
    """Write the edits of ``fixes`` as one unified diff without context; one after the other where they overlap."""
    edits = list(dict.fromkeys(edit for fix in fixes for edit in fix.edits))
    places = dict.fromkeys((edit.location.path, edit.location.cell) for edit in edits)
    for path, cell in places:
        before = sources.text(path, cell)
        if before is None:
            continue
        here = [edit for edit in edits if edit.location.path == path]
        try:
            _add_diff(page, path, cell, before, apply(before, here, cell), indent)
        except ValueError:  # they overlap, or the file has changed since: the sentences above say what to do
            if len(fixes) > 1:
                for fix in fixes:
                    add_diff(page, [fix], sources, indent=indent)
                return


def _add_diff(page: Page, path: str, cell: int | None, before: str, after: str, indent: int) -> None:
    from difflib import SequenceMatcher, unified_diff

    old, new = split_lines(before), split_lines(after)
    if page.narrated:
        for kind, start, end, first, last in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            if kind != "equal":
                add_change(page, path, cell, min(start + 1, len(old)), old[start:end], new[first:last])
        return
    name = path if cell is None else f"{path} (cell {cell})"
    for line in unified_diff(old, new, name, name, n=0, lineterm=""):
        style = "added" if line[0] == "+" else "removed" if line[0] == "-" else "dim"
        _add_line(page, line.rstrip("\n"), style, indent)


def _add_line(page: Page, line: str, style: str, indent: int) -> None:
    """A line of a diff; what does not fit goes on below, further in than the code began."""
    text = page.clean(line)
    hang = min(1 + len(text[1:]) - len(text[1:].lstrip()) + _HANG, max((page.width - indent) // 2, 1))
    pieces = broken(text, page.width - indent, page.width - indent - hang)
    for number, piece in enumerate(pieces):
        page.line(Segment(" " * (indent + hang if number else indent)), Segment(piece, style))


_HANG = 4
