"""Fixes written into files: the edits of many findings made one set, and every other byte left as it was."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from ae_audit.base.records import dataclass
from ae_audit.fix.source import Text, diff, parse
from ae_audit.schema.findings import Edit, Finding
from ae_audit.source.edits import apply
from ae_audit.source.text import Sources, decode

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class FixPlan:
    """Which edits are made in which file."""

    edits: Mapping[str, tuple[Edit, ...]]
    """by path"""
    mended: tuple[Finding, ...] = ()
    """findings whose fix is among the edits"""
    unsafe: int = 0
    """how many findings have a fix that was left out because it changes what the program computes"""


def plan(findings: Iterable[Finding], paths: Collection[str], *, unsafe: bool) -> FixPlan:
    """The edits that mend ``findings`` (the worst first) in the files at ``paths``.

    A fix is taken whole or not at all: not where it overlaps one that was taken before, lies partly in another file, or
    mends what holds only under a condition. Edits that several findings ask for are made once.
    """
    taken: dict[str, dict[Edit, None]] = {}
    mended: list[Finding] = []
    left_out = 0
    for finding in sorted(findings, key=lambda finding: finding.severity.rank):
        fix = finding.fix
        if fix is None or not fix.edits or finding.condition is not None:
            continue
        if any(edit.location.path not in paths for edit in fix.edits):
            continue
        if not (fix.safe or unsafe):
            left_out += 1
            continue
        if any(_overlap(edit, other) for edit in fix.edits for other in taken.get(edit.location.path, ())):
            continue
        for edit in fix.edits:
            taken.setdefault(edit.location.path, {})[edit] = None
        mended.append(finding)
    return FixPlan({path: tuple(edits) for path, edits in taken.items()}, tuple(mended), left_out)


def rewritten(path: str, raw: bytes, edits: Collection[Edit]) -> bytes:
    """The bytes of the file at ``path`` after ``edits``.

    Raises:
        ValueError: if the edits do not fit the file, it would not parse after them, or its encoding is not clear.
    """
    encoding, text = _decoded(raw)
    newline = "\r\n" if "\r\n" in text else "\n"
    bom = _BOM if raw.startswith(_BOM) else b""
    if path.endswith(".ipynb"):
        return bom + _notebook(text, edits).encode(encoding)
    spelt = [Edit(edit.location, edit.text.replace("\n", newline)) for edit in edits]
    changed = apply(text, spelt)
    if parse(changed) is None:
        raise ValueError("it would not parse after the fix")
    return bom + changed.encode(encoding)


def write(path: str, before: bytes, after: bytes) -> None:
    """Put ``after`` in the place of ``before``; a link stays a link, and the file's mode stays.

    Raises:
        OSError: if it cannot be written, or the file does not hold ``before`` any more.
    """
    import shutil
    import tempfile

    real = os.path.realpath(path)
    with open(real, "rb") as file:
        if file.read() != before:
            raise OSError(0, "it has changed since it was read")
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(real), prefix=".ae-audit-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(after)
        shutil.copymode(real, temporary)
        os.replace(temporary, real)
    except BaseException:
        os.unlink(temporary)
        raise


def diffs(edits: Mapping[str, Collection[Edit]], sources: Sources) -> Iterator[str]:
    """A unified diff for each file, or each cell of a notebook, that ``edits`` touch.

    Raises:
        ValueError: if the edits do not fit.
    """
    for path, in_file in edits.items():
        for cell in sorted({edit.location.cell for edit in in_file}, key=lambda cell: -1 if cell is None else cell):
            text = sources.text(path, cell) or ""
            changed = apply(text, in_file, cell)
            yield diff(path if cell is None else f"{path}:cell {cell}", text, changed)


def _overlap(edit: Edit, other: Edit) -> bool:
    one, two = edit.location, other.location
    if edit == other or one.cell != two.cell:
        return False
    one_start, one_end = (one.line, one.column), (one.end_line or one.line, one.end_column or one.column)
    two_start, two_end = (two.line, two.column), (two.end_line or two.line, two.end_column or two.column)
    return (one_start < two_end and two_start < one_end) or one_start == two_start


def _decoded(raw: bytes) -> tuple[str, str]:
    """Encoding and text (without the byte-order mark), such that encoding the text gives the same bytes again."""
    body = raw.removeprefix(_BOM)
    text = decode(raw)
    cookie = re.match(rb"(?:[^\n]*\n)?[ \t\f]*#[^\n]*?coding[:=][ \t]*([-\w.]+)", body)
    for encoding in ("utf-8", cookie.group(1).decode("ascii") if cookie else "utf-8", "latin-1"):
        try:
            if text.encode(encoding) == body:
                return encoding, text
        except (LookupError, UnicodeError):
            continue
    raise ValueError("its encoding is not clear")


def _notebook(raw: str, edits: Collection[Edit]) -> str:
    from ae_audit.source.notebook_offsets import cell_texts  # programs that are no notebook do without JSON

    cells = cell_texts(raw)
    changes: list[tuple[int, int, str]] = []
    for edit in edits:
        place = edit.location
        if place.cell is None or place.cell >= len(cells):
            raise ValueError("there is no such cell")
        cell = cells[place.cell]
        text = Text("", place.cell, cell.text)
        start = text.offset(place.line, place.column)
        end = text.offset(place.end_line or place.line, place.end_column or place.column)
        if not 0 <= start <= end <= len(cell.text):
            raise ValueError("an edit lies outside its cell")
        spelt = cell.spelt(edit.text, start, raw)
        pieces = _pieces(cell.starts[start:end], cell.ends[start:end]) or [(cell.start(start), cell.start(start))]
        changes += [(first, last, spelt if number == 0 else "") for number, (first, last) in enumerate(pieces)]
    result, position = [], 0
    for first, last, spelt in sorted(changes):
        if first < position:
            raise ValueError("the edits overlap")
        result += [raw[position:first], spelt]
        position = last
    changed = "".join((*result, raw[position:]))
    for index in {edit.location.cell for edit in edits}:
        after = cell_texts(changed)
        if len(after) != len(cells) or index is None or parse(after[index].text, notebook=True) is None:
            raise ValueError("it would not parse after the fix")
    return changed


def _pieces(starts: tuple[int, ...], ends: tuple[int, ...]) -> list[tuple[int, int]]:
    """Runs of characters that stand side by side in the file; a new string of the list begins a new run."""
    pieces: list[tuple[int, int]] = []
    for start, end in zip(starts, ends, strict=True):
        if pieces and pieces[-1][1] == start:
            pieces[-1] = (pieces[-1][0], end)
        else:
            pieces.append((start, end))
    return pieces
