from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ae_audit.schema.codec import Malformed, from_json, to_json
from ae_audit.schema.findings import Arm, Evidence, Figure, Finding, Severity
from ae_audit.schema.location import Location, TrailStep
from ae_audit.schema.remedies import DropMetric, ExpectLogits, Remedy, Rescale, SwapActivation, SwapLoss
from ae_audit.schema.report import Note, Report, StageError, Undecided
from ae_audit.schema.training_setup import DataFacts, Framework, Head, LossUse, Measurement, TrainingSetup
from ae_audit.theory.intervals import Interval
from ae_audit.theory.ranges import ValueRange

VALUES = (TrainingSetup, Finding, Evidence, Arm, Undecided, StageError, Note, Measurement, DataFacts, LossUse, Head)
OPTIONAL_LINE = st.none() | st.integers(1, 10**6)


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    lo, hi = sorted([draw(st.floats(allow_nan=False)), draw(st.floats(allow_nan=False))])
    return Interval(lo, hi, draw(st.booleans()), draw(st.booleans()))


LOCATIONS = st.builds(Location, st.text(), st.integers(1), st.integers(1), OPTIONAL_LINE, OPTIONAL_LINE, OPTIONAL_LINE)
st.register_type_strategy(Interval, intervals())
st.register_type_strategy(Location, LOCATIONS)
st.register_type_strategy(TrailStep, st.builds(TrailStep, st.text(), st.none() | LOCATIONS))


def over_the_wire(value: object) -> Any:
    return json.loads(json.dumps(to_json(value), allow_nan=False))


def same(a: object, b: object) -> bool:
    """Equality under which NaN equals NaN and 1 differs from True and from 1.0."""
    return repr(a) == repr(b)


@pytest.mark.parametrize("kind", VALUES)
@given(data=st.data())
@settings(max_examples=12, deadline=None)
def test_a_value_comes_back_as_it_was(kind: type, data: st.DataObject) -> None:
    value = data.draw(st.from_type(kind))
    assert same(from_json(kind, over_the_wire(value)), value)


@given(st.from_type(Remedy))
@settings(deadline=None)
def test_a_remedy_keeps_its_class(remedy: Remedy) -> None:
    assert same(from_json(Remedy, over_the_wire(remedy)), remedy)


@given(st.tuples(st.text(), st.from_type(Figure)))
@settings(deadline=None)
def test_a_figure_keeps_its_type(figure: tuple[str, Figure]) -> None:
    assert same(from_json(tuple[str, Figure], over_the_wire(figure)), figure)


def test_a_whole_report_comes_back() -> None:
    setup = TrainingSetup(Framework.TORCH, Location("m.py", 3), relation_scale=(1 / 255, 0.0))
    finding = Finding(
        "AE101", "softmax-on-per-pixel-target", Severity.ERROR, "text", Location("m.py", 2), remedies=REMEDIES
    )
    report = Report((finding,), (setup,), notes=(Note("m.py", "on the CPU"),), files=("m.py",))
    assert from_json(Report, over_the_wire(report)) == report


REMEDIES = (
    SwapActivation("sigmoid"),
    SwapLoss("bce", True),
    ExpectLogits(False),
    Rescale(1 / 255),
    DropMetric("accuracy", "mse"),
)


def test_numbers_like_those_of_numpy_are_taken() -> None:
    import numpy as np

    assert to_json(np.float32(0.5)) == 0.5
    assert type(to_json(np.int64(3))) is int
    assert to_json(np.float64(math.inf)) == {"float": "inf"}


def changed(path: tuple[str | int, ...], new: object) -> Any:
    setup = TrainingSetup(
        Framework.KERAS, Location("m.py", 3), target=DataFacts(ValueRange.exactly(Interval(0.0, 255.0)))
    )
    data = over_the_wire(setup)
    place = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = new
    return data


@pytest.mark.parametrize(
    ("path", "new", "where"),
    [
        (("framework",), "pickle", "framework"),
        (("location", "line"), "3", "location.line"),
        (("location", "line"), True, "location.line"),
        (("location", "line"), 3.0, "location.line"),
        (("location", "surprise"), 1, "location"),
        (("location",), None, "location"),
        (("location", "type"), "TrailStep", "location"),
        (("target", "values", "hull", "lo"), math.nan, "target.values.hull.lo"),
        (("target", "values", "hull", "lo"), 10**400, "target.values.hull.lo"),
        (("target", "values", "hull", "lo"), 256.0, "target.values.hull"),
        (("target", "values", "hull", "lo"), {"float": "huge"}, "target.values.hull.lo"),
        (("relation_scale",), [1.0], "relation_scale"),
        (("relation_scale",), [1.0, "0"], "relation_scale[1]"),
        (("seen_by",), "runtime", "seen_by"),
        (("head", "parameters"), [["alpha", [1]]], "head.parameters[0][1]"),
        (("target", "structure"), ["unknown"], "target.structure"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_path(path: tuple[str | int, ...], new: object, where: str) -> None:
    with pytest.raises(Malformed) as caught:
        from_json(TrainingSetup, changed(path, new))
    assert caught.value.path == where


def test_a_missing_field_is_refused() -> None:
    data = changed(("framework",), "keras")
    del data["loss"]
    with pytest.raises(ValueError, match="missing field loss"):
        from_json(TrainingSetup, data)


@pytest.mark.parametrize("data", [{"type": "Popen", "to": "x"}, {"to": "x"}, {}, [], "SwapLoss", None])
def test_only_the_declared_classes_of_a_union_can_be_made(data: object) -> None:
    with pytest.raises(Malformed):
        from_json(Remedy, data)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON_VALUES)
@settings(max_examples=30, deadline=None)
def test_garbage_never_raises_anything_else(data: object) -> None:
    with pytest.raises(Malformed):
        from_json(TrainingSetup, data)


def test_a_foreign_object_has_no_form() -> None:
    with pytest.raises(TypeError, match="object"):
        to_json(object())
