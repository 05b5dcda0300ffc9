"""Proposed fixes are tried before anybody sees them: the program is read again as it would be after all of them.

An edit that leaves what it is to mend, or brings an error in, is withheld, and the fix says why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from ae_audit.base.records import replace
from ae_audit.engine.assembly import FileAudit
from ae_audit.fix.files import plan, rewritten
from ae_audit.schema.audited import AuditedSetup
from ae_audit.schema.findings import Edit, Finding, Fix, Severity, Verdict
from ae_audit.schema.report import Note
from ae_audit.source.edits import apply
from ae_audit.source.text import Sources

MOST_TRIED = 6
"""fixes that are each left out in turn, to find the one that does harm; of more, all are withheld"""
_CLEAN = "read again with every proposed edit, the program has no error and no warning left"

ReadAgain = Callable[[Sources], FileAudit]
"""Reads and judges the file that was audited, with the texts that it is given"""


def with_sound_edits(audit: FileAudit, before: FileAudit, sources: Sources, read_again: ReadAgain) -> FileAudit:
    """``audit`` without the edits that would leave an error or make one, as far as reading shows.

    ``before`` is what reading alone has against the file: a run sees more, of which reading could not tell whether it
    is gone.
    """
    path = audit.target.path
    found = [one for item in audit.audited for one in item.findings if one.verdict is not Verdict.REFUTED]
    mended = plan(found, {path}, unsafe=True).mended
    if not mended:
        return audit
    check = _Check(path, sources, read_again, before)
    withheld = check.to_be_withheld(_by_edits(mended))
    if withheld:
        return replace(audit, audited=tuple(_without(item, withheld) for item in audit.audited))
    if audit.target.run and before.audited and not check.left:
        return replace(audit, notes=(*audit.notes, Note(path, _CLEAN)))
    return audit


def _by_edits(findings: Sequence[Finding]) -> list[tuple[Finding, ...]]:
    """The findings in groups that ask for the same edits."""
    groups: dict[tuple[Edit, ...], list[Finding]] = {}
    for finding in findings:
        assert finding.fix is not None
        groups.setdefault(finding.fix.edits, []).append(finding)
    return [tuple(group) for group in groups.values()]


class _Check:
    """What reading says of one file, before and after some of its fixes."""

    def __init__(self, path: str, sources: Sources, read_again: ReadAgain, before: FileAudit) -> None:
        self._path, self._sources, self._read_again = path, sources, read_again
        self._before = before
        self.left = 0
        """how many errors and warnings were left in the program as it was last read"""

    def to_be_withheld(self, groups: Sequence[tuple[Finding, ...]]) -> dict[Finding, str]:
        """The findings whose edits do harm, each with the reason; none where all edits together do none."""
        harm = self._harm(groups)
        if harm is None:
            return {}
        alone: list[tuple[int, int]] = []
        for index in range(len(groups)) if 1 < len(groups) <= MOST_TRIED else ():
            if self._harm([*groups[:index], *groups[index + 1 :]]) is None:
                alone.append((self.left, index))
        if alone:
            return dict.fromkeys(groups[min(alone)[1]], harm)
        return {finding: harm for group in groups for finding in group}

    def _harm(self, groups: Sequence[tuple[Finding, ...]]) -> str | None:
        """What reading has against the program after the fixes of ``groups`` that it had not, or still has."""
        mended = [finding for group in groups for finding in group]
        edits = {edit: None for finding in mended if finding.fix is not None for edit in finding.fix.edits}
        try:
            changed = _edited(self._path, self._sources, tuple(edits))
        except (OSError, ValueError) as error:
            return f"the file cannot be edited so: {error}"
        after = self._read_again(Sources({self._path: changed}))
        if len(after.errors) > len(self._before.errors):
            return f"with it the program could not be read: {after.errors[-1].message.rstrip('.')}"
        had, has = Counter(_loud(self._before)), Counter(_loud(after))
        self.left = has.total()
        known = {(one.code, one.location) for item in self._before.audited for one in item.findings}
        for finding in mended:
            if (finding.code, finding.location) in known and had[finding.code]:
                had[finding.code] -= 1
        worse = sorted((has - had).keys())
        return f"with it {' and '.join(worse)} would be reported" if worse else None


def _edited(path: str, sources: Sources, edits: Sequence[Edit]) -> bytes:
    """The file after ``edits``; of a notebook its cells alone, without the pictures that it may hold.

    Raises:
        OSError: if it cannot be read.
        ValueError: if the edits do not fit.
    """
    if not path.endswith(".ipynb"):
        return rewritten(path, sources.read(path), edits)
    import json

    from ae_audit.source.notebook_cells import all_cells

    cells = [
        {"cell_type": "code" if cell.is_code else "markdown", "source": apply(cell.source, edits, index)}
        for index, cell in enumerate(all_cells(sources.text(path) or ""))
    ]
    return json.dumps({"cells": cells, "nbformat": 4}).encode()


def _loud(audit: FileAudit) -> Iterator[str]:
    """The codes of errors and warnings that hold without a condition."""
    for item in audit.audited:
        for finding in item.findings:
            if finding.severity is not Severity.INFO and finding.condition is None:
                yield finding.code


def _without(item: AuditedSetup, withheld: dict[Finding, str]) -> AuditedSetup:
    return replace(item, findings=tuple(_stripped(finding, withheld.get(finding)) for finding in item.findings))


def _stripped(finding: Finding, why: str | None) -> Finding:
    if why is None or finding.fix is None:
        return finding
    return replace(finding, fix=Fix(finding.fix.description, safe=False, withheld=why))
