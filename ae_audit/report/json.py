"""The JSON report: ``schema_version`` 1, described by ``schema/ae-audit-report-1.schema.json`` beside this module.

Lines and columns are 1-based, columns count characters, ``cell`` is 0-based over all cells of a notebook. Infinite
numbers are the strings ``"Infinity"`` and ``"-Infinity"``, which both JavaScript's ``Number`` and Python's ``float``
read; NaN is null. A version only ever gains keys.
"""

from __future__ import annotations

import json
import math

from ae_audit.base.version import __version__
from ae_audit.report.phrases import counts
from ae_audit.schema.findings import Arm, Evidence, Finding, Fix, Severity, Verdict
from ae_audit.schema.ideal import Ideal
from ae_audit.schema.location import Location, TrailStep
from ae_audit.schema.report import Report
from ae_audit.schema.training_setup import Certificate, DataFacts, Head, LossUse, TrainingSetup
from ae_audit.theory.intervals import Interval
from ae_audit.theory.ranges import ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.schema.shards import Shard

    Json = dict[str, Any]

SCHEMA_VERSION = 1


def to_json(report: Report, *, interrupted: bool = False, ascii_only: bool = False, shard: Shard | None = None) -> str:
    """The report as JSON text, indented, with a line break at the end; ``ascii_only`` escapes all other characters.

    ``shard`` is what ``ae-audit merge`` needs of the report of a part.
    """
    document = as_dict(report, interrupted=interrupted)
    if shard is not None:
        from ae_audit.schema.codec import to_json as encoded

        document["shard"] = _finite(encoded(shard))
    return json.dumps(document, indent=2, ensure_ascii=ascii_only, allow_nan=False) + "\n"


def as_dict(report: Report, *, interrupted: bool = False) -> Json:
    """The report as plain dictionaries, lists, strings and finite numbers."""
    number = counts(report)
    document: Json = {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "ae-audit", "version": __version__},
        "findings": [_finding(finding) for finding in report.findings],
        "setups": [_setup(setup) for setup in report.setups],
        "undecided": [
            {
                "path": item.path,
                "line": item.line,
                "cell": item.cell,
                "what": item.what,
                "why": item.why,
                "rules": list(item.rules),
            }
            for item in report.undecided
        ],
        "errors": [
            {
                "path": error.path,
                "stage": error.stage,
                "message": error.message,
                "line": error.line,
                "cell": error.cell,
                "internal": error.internal,
            }
            for error in report.errors
        ],
        "notes": [{"path": note.path, "text": note.text} for note in report.notes],
        "suppressed": [
            {"reason": excused.reason, "finding": _finding(excused.finding)} for excused in report.suppressed
        ],
        "summary": {
            "files": len(report.files),
            "setups": len(report.setups),
            "errors": number[Severity.ERROR],
            "warnings": number[Severity.WARNING],
            "infos": number[Severity.INFO],
            "refuted": sum(1 for finding in report.findings if finding.verdict is Verdict.REFUTED),
            "undecided": len(report.undecided),
            "suppressed": len(report.suppressed),
            "interrupted": interrupted,
        },
    }
    finite: Json = _finite(document)
    return finite


def _finding(finding: Finding) -> Json:
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity.value,
        "verdict": finding.verdict.value,
        "message": finding.message,
        **_place(finding.location),
        "condition": finding.condition,
        "setup": finding.setup,
        "spans": [{"label": span.label, **_place(span.location)} for span in finding.spans],
        "evidence": [_evidence(evidence) for evidence in finding.evidence],
        "remedies": [str(remedy) for remedy in finding.remedies],
        "fix": None if finding.fix is None else _fix(finding.fix),
    }


def _evidence(evidence: Evidence) -> Json:
    own = {"kind", "text", "location", "arms"}
    document: Json = {
        "kind": evidence.kind,
        "text": evidence.text,
        "location": None if evidence.location is None else _place(evidence.location),
        "arms": [_arm(arm) for arm in evidence.arms],
    }
    for name, value in evidence.figures:
        document[f"figure_{name}" if name in own else name] = value
    return document


def _arm(arm: Arm) -> Json:
    return {
        "name": arm.name,
        "r2": list(arm.r2),
        "curve": list(arm.curve),
        "loss": list(arm.loss),
        "failed": arm.failed,
        "bound": arm.bound,
        "curves": [list(run) for run in arm.curves],
        "losses": [list(run) for run in arm.losses],
        "floor": arm.floor,
    }


def _fix(fix: Fix) -> Json:
    edits = [{**_place(edit.location), "text": edit.text} for edit in fix.edits]
    return {"description": fix.description, "safe": fix.safe, "edits": edits, "withheld": fix.withheld}


def _place(location: Location) -> Json:
    return {
        "path": location.path,
        "line": location.line,
        "column": location.column,
        "end_line": location.end_line,
        "end_column": location.end_column,
        "cell": location.cell,
    }


def _optional_place(location: Location | None) -> Json | None:
    return None if location is None else _place(location)


def _setup(setup: TrainingSetup) -> Json:
    certificate = setup.certificate
    return {
        **_place(setup.location),
        "framework": setup.framework.value,
        "backend": setup.backend,
        "head": _head(setup.head),
        "loss": _loss(setup.loss),
        "target": _data(setup.target),
        "input": _data(setup.input),
        "relation": setup.relation.value,
        "metrics": [metric.name for metric in setup.metrics],
        "optimizer": setup.optimizer,
        "condition": None if setup.condition is None else setup.condition.text,
        "floor": None if certificate is None else certificate.floor,
        "certificate": None if certificate is None else _certificate(certificate),
        "ideal": None if setup.ideal is None else _ideal(setup.ideal),
        "seen_by": list(setup.seen_by),
    }


def _head(head: Head) -> Json:
    return {
        "activation": head.activation,
        "written": head.written,
        "parameters": dict(head.parameters),
        "range": _range(head.range.values),
        "constraint": None if head.range.constraint is None else head.range.constraint.value,
        "axis": head.axis,
        "units": head.units,
        "shape": None if head.shape is None else list(head.shape),
        "after": list(head.after),
        "location": _optional_place(head.location),
        "trail": _trail(head.trail),
    }


def _loss(loss: LossUse) -> Json:
    return {
        "name": loss.name,
        "written": loss.written,
        "from_logits": loss.from_logits.value,
        "parameters": dict(loss.parameters),
        "reduction": loss.reduction,
        "custom": loss.custom,
        "location": _optional_place(loss.location),
        "trail": _trail(loss.trail),
    }


def _data(data: DataFacts) -> Json:
    return {
        "range": _range(data.values),
        "dtype": data.dtype,
        "shape": None if data.shape is None else list(data.shape),
        "structure": data.structure.value,
        "structure_axis": data.structure_axis,
        "source": data.source,
        "standardised": data.standardised.value,
        "stand_in": data.stand_in,
        "location": _optional_place(data.location),
        "trail": _trail(data.trail),
    }


def _range(values: ValueRange) -> Json:
    return {"hull": _interval(values.hull), "reach": None if values.reach is None else _interval(values.reach)}


def _interval(interval: Interval) -> Json:
    return {"lo": interval.lo, "hi": interval.hi, "lo_open": interval.lo_open, "hi_open": interval.hi_open}


def _certificate(certificate: Certificate) -> Json:
    return {
        "samples": certificate.samples,
        "unreachable_share": certificate.unreachable_share,
        "attainable_r2": certificate.attainable_r2,
        "floor": certificate.floor,
        "mean_prediction_loss": certificate.mean_prediction_loss,
    }


def _ideal(ideal: Ideal) -> Json:
    return {
        "outcome": ideal.outcome.value,
        "samples": ideal.samples,
        "of_samples": ideal.of_samples,
        "values": ideal.values,
        "r2": ideal.r2,
        "correlation": ideal.correlation,
        "start_loss": ideal.start_loss,
        "end_loss": ideal.end_loss,
        "target_loss": ideal.target_loss,
        "shuffled_loss": ideal.shuffled_loss,
        "reachable": ideal.reachable,
        "dead_share": ideal.dead_share,
        "why": ideal.why,
    }


def _trail(trail: tuple[TrailStep, ...]) -> list[Json]:
    return [{"text": step.text, "location": _optional_place(step.location)} for step in trail]


def _finite(value: Any) -> Any:
    """``value`` with infinite numbers as strings and NaN as None; lone surrogates, which no UTF-8 holds, replaced."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {_finite(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value
