"""A fix as a unified diff of the source."""

from __future__ import annotations

from contextlib import suppress

from ae_audit.report.text_layout import Page, Segment
from ae_audit.schema.findings import Fix
from ae_audit.source.edits import apply
from ae_audit.source.text import Sources, split_lines


def add_fix(page: Page, fix: Fix, sources: Sources, *, shown_under: str | None = None, indent: int = 2) -> None:
    """Write what the fix does, whether it is safe, and its edits as a unified diff without context lines.

    ``shown_under`` is the code of the finding that the same diff was shown for; it is not shown again.
    """
    nature = "safe: what is computed stays the same" if fix.safe else "changes what the program computes"
    lead = Segment("fix  ", "bold")
    page.segments(
        [lead, Segment(fix.description.rstrip(".")), Segment(f" ({nature})", "dim")],
        indent=indent,
        lead=1,
        hang=indent + 5,
    )
    if shown_under is not None:
        page.line(" " * (indent + 5), Segment(f"the same edit as for {shown_under} above", "dim"))
        return
    places = dict.fromkeys((edit.location.path, edit.location.cell) for edit in fix.edits)
    for path, cell in places:
        before = sources.text(path, cell)
        if before is not None:
            with suppress(ValueError):  # the file has changed since: the sentence above says what to do
                after = apply(before, (edit for edit in fix.edits if edit.location.path == path), cell)
                _add_diff(page, path, cell, before, after, indent + 5)


def _add_diff(page: Page, path: str, cell: int | None, before: str, after: str, indent: int) -> None:
    from difflib import unified_diff

    margin = " " * indent
    name = path if cell is None else f"{path} (cell {cell})"
    for line in unified_diff(split_lines(before), split_lines(after), name, name, n=0, lineterm=""):
        style = "added" if line[0] == "+" else "removed" if line[0] == "-" else "dim"
        page.line(Segment(margin), Segment(line.rstrip("\n"), style))
