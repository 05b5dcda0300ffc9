"""Programs that are not trusted: what their run says is added to what reading found, and takes nothing away."""

from __future__ import annotations

from ae_audit.base.records import dataclass, replace
from ae_audit.schema.audited import AuditedSetup, explained
from ae_audit.schema.findings import Finding, Verdict
from ae_audit.schema.training_setup import TrainingSetup

_UPHOLDING = frozenset({Verdict.PROVED, Verdict.CONFIRMED})


@dataclass(frozen=True, slots=True)
class Doubted:
    """One set-up: what reading knows of it, and what the run of its program claims."""

    setup: TrainingSetup
    claimed: AuditedSetup


def only_adding(read: AuditedSetup, claimed: AuditedSetup) -> AuditedSetup:
    """``read``, with the findings and the evidence that ``claimed`` has besides.

    A finding of reading stays whatever the run claims; a verdict of the run counts only where it upholds the finding.
    """
    again = {(finding.code, finding.location): finding for finding in claimed.findings}
    kept = tuple(_upheld(finding, again.pop((finding.code, finding.location), None)) for finding in read.findings)
    return replace(
        read,
        findings=(*kept, *again.values()),
        undecided=explained(claimed.undecided, read.undecided),
    )


def _upheld(finding: Finding, claimed: Finding | None) -> Finding:
    if claimed is None:
        return finding
    more = tuple(item for item in claimed.evidence if item not in finding.evidence)
    verdict = claimed.verdict if claimed.verdict in _UPHOLDING else finding.verdict
    return replace(finding, verdict=verdict, evidence=(*finding.evidence, *more))
