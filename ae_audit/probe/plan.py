"""Which arms the probe has to fit, and which two of them decide about a finding.

A finding is judged by ablation: the program with every remedy against the program with every remedy but the finding's
own. That is the context in which the fault can show; beside another fault it may be masked (softmax on raw [0, 255]
data learns nothing with or without the division by 255). Where that does not show it, the finding's remedy alone is
compared with the program as written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ae_audit.rules.registry import find_rule
from ae_audit.schema.findings import Finding
from ae_audit.schema.remedies import Advice, DropMetric, ExpectLogits, Remedy, Rescale, SwapActivation, SwapLoss

AS_WRITTEN = "as written"
ALL_FIXES = "all fixes"


@dataclass(frozen=True, slots=True)
class VariantPlan:
    """One way of running the program: its name in the report, and the remedies applied."""

    name: str
    remedies: tuple[Remedy, ...]


@dataclass(frozen=True, slots=True)
class FixComparison:
    """The two variants that decide about a finding: it is confirmed where ``with_fix`` beats ``without_fix``."""

    with_fix: VariantPlan
    without_fix: VariantPlan


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """All variants, and for each finding (by its place in the sequence given) its comparisons, the decisive first."""

    as_written: VariantPlan
    all_fixes: VariantPlan
    comparisons: dict[int, tuple[FixComparison, ...]]


def plan(findings: Sequence[Finding]) -> ProbePlan | None:
    """The plan for the findings of one setup, worst first; None where no finding has a remedy that can be tried."""
    tried = {index: remedies for index, finding in enumerate(findings) if (remedies := _experimental(finding))}
    if not tried:
        return None
    sure = [remedies for index, remedies in tried.items() if findings[index].awaits is None]
    combined = _combined(sure or tried.values())
    as_written = VariantPlan(AS_WRITTEN, ())
    all_fixes = _variant(combined, combined, as_written)
    comparisons: dict[int, tuple[FixComparison, ...]] = {}
    for index, remedies in tried.items():
        alone = FixComparison(_variant(remedies, combined, as_written), as_written)
        rest = tuple(remedy for remedy in combined if remedy not in remedies)
        adopted = all(remedy in combined for remedy in remedies)
        if sure and findings[index].awaits is not None:  # what may be no fault has no part in the trials of others
            both = _combined((combined, remedies))
            fixed = VariantPlan(", ".join(map(str, both)), both)
            comparisons[index] = (FixComparison(fixed, all_fixes),)
            continue
        if adopted and rest:
            comparisons[index] = (FixComparison(all_fixes, _variant(rest, combined, as_written)), alone)
        else:
            comparisons[index] = (alone,)
    return ProbePlan(as_written, all_fixes, comparisons)


def _experimental(finding: Finding) -> tuple[Remedy, ...]:
    """The remedies that can be tried; none where the harm does not show in a short fit, as the rule says of itself."""
    if not find_rule(finding.code).probed:
        return ()
    return tuple(remedy for remedy in finding.remedies if not isinstance(remedy, (Advice, DropMetric)))


def _combined(groups: Iterable[tuple[Remedy, ...]]) -> tuple[Remedy, ...]:
    """Every remedy that does not contradict an earlier one; the findings come worst first, so the worst is served."""
    taken: dict[str, Remedy] = {}
    for group in groups:
        if all(taken.get(slot, remedy) == remedy for remedy in group for slot in _slots(remedy)):
            for remedy in group:
                taken.update(dict.fromkeys(_slots(remedy), remedy))
    return tuple(dict.fromkeys(taken.values()))


def _slots(remedy: Remedy) -> tuple[str, ...]:
    """What a remedy decides; two remedies that decide the same thing differently cannot be combined."""
    match remedy:
        case SwapActivation():
            return ("activation",)
        case SwapLoss():
            return ("loss", "logits")
        case ExpectLogits():
            return ("logits",)
        case Rescale():
            return tuple(name for name, used in (("input", remedy.input), ("target", remedy.target)) if used)
        case DropMetric():
            return ("metric",)
        case Advice():
            return ()


def _variant(remedies: tuple[Remedy, ...], combined: tuple[Remedy, ...], as_written: VariantPlan) -> VariantPlan:
    if not remedies:
        return as_written
    if set(remedies) == set(combined) and len(combined) > 1:
        return VariantPlan(ALL_FIXES, combined)
    return VariantPlan(", ".join(str(remedy) for remedy in remedies), remedies)
