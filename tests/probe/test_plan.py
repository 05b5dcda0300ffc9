from ae_audit.probe.plan import ALL_FIXES, AS_WRITTEN, plan
from ae_audit.schema.findings import Finding, Severity
from ae_audit.schema.location import Location
from ae_audit.schema.remedies import DropMetric, Remedy, Rescale, SwapActivation

SIGMOID, LINEAR, SCALE = SwapActivation("sigmoid"), SwapActivation("linear"), Rescale(1 / 255)


def finding(code: str, *remedies: Remedy) -> Finding:
    return Finding(code, code.lower(), Severity.ERROR, "", Location("a.py", 1), remedies=remedies)


def test_a_finding_is_judged_with_every_other_fault_mended() -> None:
    outline = plan([finding("AE101", SIGMOID), finding("AE201", SCALE), finding("AE301", SCALE)])
    assert outline is not None
    assert outline.as_written.name == AS_WRITTEN
    assert outline.all_fixes.name == ALL_FIXES
    assert set(outline.all_fixes.remedies) == {SIGMOID, SCALE}
    decisive = outline.comparisons[0][0]
    assert decisive.with_fix == outline.all_fixes
    assert decisive.without_fix.remedies == (SCALE,)
    assert outline.comparisons[1] == outline.comparisons[2]
    assert outline.comparisons[1][0].without_fix.remedies == (SIGMOID,)


def test_a_single_remedy_is_compared_with_the_program_as_written() -> None:
    outline = plan([finding("AE101", SIGMOID)])
    assert outline is not None
    (contest,) = outline.comparisons[0]
    assert contest.with_fix.remedies == (SIGMOID,)
    assert contest.without_fix == outline.as_written


def test_of_two_contradicting_remedies_the_worst_finding_is_served_and_the_other_judged_alone() -> None:
    outline = plan([finding("AE101", SIGMOID), finding("AE102", LINEAR)])
    assert outline is not None
    assert outline.all_fixes.remedies == (SIGMOID,)
    (alone,) = outline.comparisons[1]
    assert alone.with_fix.remedies == (LINEAR,)
    assert alone.without_fix == outline.as_written


def test_what_no_experiment_can_settle_is_left_alone() -> None:
    assert plan([finding("AE203"), finding("AE401", DropMetric("accuracy"))]) is None
    assert plan([finding("AE103", SIGMOID)]) is None, "its harm shows late: a short fit would refute it"
    outline = plan([finding("AE101", SIGMOID), finding("AE401", DropMetric("accuracy"))])
    assert outline is not None
    assert set(outline.comparisons) == {0}
