"""The answer first: for each training what is wrong in one sentence, why in numbers, and the cure with its gain."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ae_audit.base.records import dataclass
from ae_audit.report.phrases import head_in_words, loss_in_words, r2, target_in_words
from ae_audit.report.text_layout import Page, Segment
from ae_audit.schema.findings import Arm, Evidence, Finding, Severity, Verdict
from ae_audit.schema.report import Report
from ae_audit.schema.training_setup import TrainingSetup

MOST_IN_FULL = 5
"""findings beyond which only the answers are written, unless the reader asks for all"""
MOST_LINES = 6
"""of an answer: more is no answer"""
BEATEN = 0.01
"""R² below which a bound proves that no weights beat the mean"""
_SURE = (Verdict.PROVED, Verdict.CONFIRMED, Verdict.INCONCLUSIVE, Verdict.STATIC)
"""from the surest on"""
_ALL_FIXES = "all fixes"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the report says of one training before anything else.

    ``findings`` are its errors and warnings, the worst first.
    """

    findings: tuple[Finding, ...]
    setup: TrainingSetup | None = None

    @property
    def worst(self) -> Finding:
        """The finding that the answer is about."""
        return self.findings[0]

    @property
    def fails(self) -> bool:
        """Whether it is about an error: something that cannot work, not something that only hurts."""
        return self.worst.severity is Severity.ERROR

    @property
    def headline(self) -> str:
        """``cannot learn (proved)``."""
        verdict = self.worst.verdict
        if not self.fails:
            return {Verdict.CONFIRMED: "learns worse than it could (confirmed)"}.get(verdict, "may learn badly")
        return {
            Verdict.PROVED: "cannot learn (proved)",
            Verdict.CONFIRMED: "does not learn (confirmed)",
            Verdict.INCONCLUSIVE: "is wrong (the experiment was inconclusive)",
        }.get(verdict, "is wrong (static analysis)")


def answers(report: Report) -> list[Answer]:
    """One answer for each training with an error or a warning, in the order of the report."""
    groups: dict[object, list[Finding]] = {}
    for finding in report.standing:
        if finding.severity is not Severity.INFO:
            known = finding.setup is not None and finding.setup < len(report.setups)
            groups.setdefault(finding.setup if known else finding.location.path, []).append(finding)
    return [
        Answer(
            tuple(sorted(group, key=lambda one: (one.severity.rank, _SURE.index(one.verdict)))),
            report.setups[key] if isinstance(key, int) else None,
        )
        for key, group in groups.items()
    ]


def add_answer(page: Page, answer: Answer) -> None:
    """Headline, reason, cure: at most :data:`MOST_LINES` lines at the usual widths.

    Where it takes more, what the report says of the set-up further down is left to it.
    """
    start = len(page.lines)
    _add_answer(page, answer, setup_of(answer))
    if len(page.lines) - start > MOST_LINES:
        del page.lines[start:]
        _add_answer(page, answer, "")


def _add_answer(page: Page, answer: Answer, words: str) -> None:
    worst = answer.worst
    style = worst.severity.value
    place = worst.location
    codes = list(dict.fromkeys(one.code for one in answer.findings))
    sign = worst.severity.value.capitalize() + ":" if page.narrated else "✗" if answer.fails else "!"
    headline = [Segment(f"{sign} {answer.headline}", style), Segment(" ")]
    headline += [Segment(f"{place.path}:{place_in_file(worst)}:", "place"), Segment(f" {' '.join(codes)}", style)]
    page.segments(headline, hang=2)
    if words:
        page.paragraph(words, indent=2, hang=4, style="dim")
    page.paragraph(why(answer), indent=2, hang=2)
    remedy = cure(answer)
    if remedy is not None:
        page.paragraph(remedy, lead=[Segment("Cure: ", "good")], indent=2, hang=8)


def setup_of(answer: Answer) -> str:
    """``softmax over 784 units × bce × target in [0, 1]``; nothing where none of it is known."""
    setup = answer.setup
    if setup is None or (setup.head.activation is None and setup.loss.name is None and setup.target.values.unknown):
        return ""
    return f"{head_in_words(setup.head)} × {loss_in_words(setup.loss)} × {target_in_words(setup.target)}"


def place_in_file(finding: Finding) -> str:
    """The line, of a notebook with its cell."""
    place = finding.location
    return str(place.line) if place.cell is None else f"cell {place.cell}:{place.line}"


def why(answer: Answer) -> str:
    """The worst finding in one sentence, with the bound that proves it."""
    text = answer.worst.message.rstrip(".")
    bound = _certified(answer)
    if bound is not None:
        text += f": with any weights R² ≤ {r2(math.ceil(bound * 100) / 100)}"
    if answer.worst.condition is not None:
        text += f" (when `{answer.worst.condition}`)"
    return f"{text}."


def _certified(answer: Answer) -> float | None:
    """The bound for any weights, where it is what proves the finding."""
    if answer.worst.verdict is not Verdict.PROVED or answer.setup is None or answer.setup.certificate is None:
        return None
    bound = answer.setup.certificate.attainable_r2
    # a proof of another kind (the ideal network) may stand beside a bound that rules nothing out
    return bound if bound is not None and math.isfinite(bound) and bound < BEATEN else None


def cure(answer: Answer) -> str | None:
    """What to do, what the experiment gained by it, and the command that does it."""
    fixes = [one.fix for one in answer.findings if one.fix is not None]
    remedies = dict.fromkeys(fix.description.rstrip(".") for fix in fixes) or dict.fromkeys(
        str(remedy) for one in answer.findings for remedy in one.remedies
    )
    if not remedies:
        return None
    text = "; ".join(remedies) + (f" ({gained(answer)})" if gained(answer) else "")
    edits = [fix for fix in fixes if fix.edits]
    if not edits:
        return f"{text}."
    unsafe = "" if all(fix.safe for fix in edits) else " --unsafe-fixes"
    return f"{text}. `ae-audit --fix{unsafe}` applies it."


def gained(answer: Answer) -> str:
    """``R² −0.68 → 0.32, 100 steps``: as written against the best variant that was fitted."""
    best: tuple[float, float, object] | None = None
    for evidence in _experiments(answer.findings):
        fitted = {arm.name: _mean(arm) for arm in evidence.arms if arm.r2}
        written = next((value for name, value in fitted.items() if name == "as written"), None)
        others = {name: value for name, value in fitted.items() if name != "as written"}
        if written is None or not others:
            continue
        reached = others.get(_ALL_FIXES, max(others.values()))
        if reached > written and (best is None or reached > best[1]):
            best = written, reached, dict(evidence.figures).get("steps")
    if best is None:
        return ""
    steps = f", {best[2]} steps" if best[2] else ""
    return f"R² {r2(best[0])} → {r2(best[1])}{steps}"


def _experiments(findings: Sequence[Finding]) -> Iterator[Evidence]:
    return (evidence for one in findings for evidence in one.evidence if evidence.arms)


def _mean(arm: Arm) -> float:
    return sum(arm.r2) / len(arm.r2)
