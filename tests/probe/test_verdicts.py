import math

import pytest

from ae_audit.probe.verdicts import Scores, compare
from ae_audit.schema.findings import Verdict


@pytest.mark.parametrize(
    ("fixed", "faulty", "verdict"),
    [
        ((0.5, 0.45, 0.52), (-0.67, -0.7, -0.66), Verdict.CONFIRMED),
        ((0.5, 0.45, 0.52), (-0.67, 0.44, -0.66), Verdict.INCONCLUSIVE),
        ((0.5, 0.45, 0.52), (0.5, 0.46, 0.51), Verdict.REFUTED),
        ((0.5, 0.45, 0.52), (0.6, 0.66, 0.58), Verdict.REFUTED),
        ((0.01, 0.02, 0.0), (0.0, 0.02, 0.01), Verdict.INCONCLUSIVE),
        ((0.05, 0.05, 0.05), (-3.0, -3.0, -3.0), Verdict.INCONCLUSIVE),
        ((0.5, 0.5, 0.5), (0.44, 0.44, 0.44), Verdict.INCONCLUSIVE),
        # near 1 ten points cannot be won: what is left unexplained decides
        ((0.95, 0.94, 0.95), (0.88, 0.89, 0.89), Verdict.CONFIRMED),
        ((0.89, 0.88, 0.88), (0.86, 0.85, 0.87), Verdict.INCONCLUSIVE),
        ((0.95, 0.94, 0.95), (0.93, 0.92, 0.93), Verdict.INCONCLUSIVE),
        ((0.95, 0.94, 0.95), (0.945, 0.935, 0.947), Verdict.REFUTED),
        ((0.999, 0.999, 0.999), (0.99, 0.99, 0.99), Verdict.INCONCLUSIVE),
        ((0.5, 0.5, 0.5), (-math.inf, -math.inf, -math.inf), Verdict.CONFIRMED),
    ],
)
def test_the_verdict_follows_from_the_paired_differences(
    fixed: tuple[float, ...], faulty: tuple[float, ...], verdict: Verdict
) -> None:
    assert compare(Scores(fixed), Scores(faulty)).verdict is verdict


@pytest.mark.parametrize(
    ("fixed", "faulty", "reason"),
    [
        ((-0.77, -0.53), (-7.0, -7.0), "the fix is ahead, but"),
        ((-0.77, -0.53), (-0.8, -0.5), "neither variant learned"),
        ((-0.77, 0.3), (-7.0, 0.3), "too small to call"),
        ((0.5, 0.5), (0.44, 0.44), "too small to call"),
    ],
)
def test_why_nothing_is_concluded(fixed: tuple[float, ...], faulty: tuple[float, ...], reason: str) -> None:
    assert reason in compare(Scores(fixed), Scores(faulty)).reason


def test_gain_and_spread_are_over_the_pairs() -> None:
    comparison = compare(Scores((0.5, 0.6, 0.7)), Scores((0.1, 0.1, 0.1)))
    assert comparison.gain == pytest.approx(0.5)
    assert comparison.spread == pytest.approx(0.1)


def test_an_arm_that_raises_loses_to_one_that_learns() -> None:
    raised = Scores((), "RuntimeError: all elements of target should be between 0 and 1")
    assert compare(Scores((0.4, 0.5, 0.4)), raised).verdict is Verdict.CONFIRMED
    assert "all elements of target" in compare(Scores((0.4, 0.5, 0.4)), raised).reason
    assert compare(raised, Scores((0.4, 0.5, 0.4))).verdict is Verdict.INCONCLUSIVE
