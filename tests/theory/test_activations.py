"""Activation ranges against the frameworks' own functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ae_audit.theory.activations import (
    ELEMENTWISE,
    LINEAR_RANGE,
    UNKNOWN_ACTIVATION_RANGE,
    ActivationRange,
    Constraint,
    find_activation,
)
from ae_audit.theory.bounds import project_simplex
from ae_audit.theory.intervals import BYTE, NON_NEGATIVE, OPEN_UNIT, REAL_LINE, UNIT, Interval
from ae_audit.theory.ranges import ValueRange

Parameters = dict[str, Any]
VARIANTS: list[tuple[str, Parameters, str, Parameters]] = [
    # canonical, parameters, torch.nn module, its parameters
    ("linear", {}, "Identity", {}),
    ("relu", {}, "ReLU", {}),
    ("relu6", {}, "ReLU6", {}),
    ("leaky_relu", {"negative_slope": 0.01}, "LeakyReLU", {}),
    ("leaky_relu", {"negative_slope": 0.3}, "LeakyReLU", {"negative_slope": 0.3}),
    ("leaky_relu", {"negative_slope": -0.5}, "LeakyReLU", {"negative_slope": -0.5}),
    ("elu", {"alpha": 1.0}, "ELU", {}),
    ("elu", {"alpha": 2.5}, "ELU", {"alpha": 2.5}),
    ("selu", {}, "SELU", {}),
    ("celu", {"alpha": 0.5}, "CELU", {"alpha": 0.5}),
    ("gelu", {}, "GELU", {}),
    ("gelu", {"approximate": "tanh"}, "GELU", {"approximate": "tanh"}),
    ("silu", {}, "SiLU", {}),
    ("mish", {}, "Mish", {}),
    ("softplus", {"beta": 1.0, "threshold": 20.0}, "Softplus", {}),
    ("softplus", {"beta": 3.0, "threshold": 2.0}, "Softplus", {"beta": 3.0, "threshold": 2.0}),
    ("softsign", {}, "Softsign", {}),
    ("sigmoid", {}, "Sigmoid", {}),
    ("hard_sigmoid", {}, "Hardsigmoid", {}),
    ("log_sigmoid", {}, "LogSigmoid", {}),
    ("tanh", {}, "Tanh", {}),
    ("hard_tanh", {}, "Hardtanh", {}),
    ("hard_tanh", {"min_val": 0.0, "max_val": 255.0}, "Hardtanh", {"min_val": 0.0, "max_val": 255.0}),
    ("hard_silu", {}, "Hardswish", {}),
    ("tanh_shrink", {}, "Tanhshrink", {}),
    ("hard_shrink", {}, "Hardshrink", {}),
    ("hard_shrink", {"lambd": 2.0}, "Hardshrink", {"lambd": 2.0}),
    ("soft_shrink", {"lambd": 1.5}, "Softshrink", {"lambd": 1.5}),
    ("threshold", {"threshold": 0.5, "value": -2.0}, "Threshold", {"threshold": 0.5, "value": -2.0}),
    ("prelu", {}, "PReLU", {}),
    ("rrelu", {"lower": 0.1, "upper": 0.3}, "RReLU", {"lower": 0.1, "upper": 0.3}),
]
KERAS_VARIANTS: list[tuple[str, Parameters, str, Parameters]] = [
    (name, {}, name, {})
    for name in [
        *("linear", "elu", "selu", "celu", "gelu", "relu", "relu6", "silu", "mish", "softplus", "softsign", "sigmoid"),
        *("hard_sigmoid", "sparse_sigmoid", "log_sigmoid", "tanh", "hard_tanh", "hard_silu", "tanh_shrink"),
        *("hard_shrink", "soft_shrink", "squareplus", "sparse_plus", "exponential"),
    ]
] + [
    ("leaky_relu", {"negative_slope": 0.2}, "leaky_relu", {}),
    ("gelu", {"approximate": True}, "gelu", {"approximate": True}),
    ("squareplus", {"b": 1.0}, "squareplus", {"b": 1.0}),
    ("threshold", {"threshold": 1.0, "default_value": 3.0}, "threshold", {"threshold": 1.0, "default_value": 3.0}),
    *(
        ("relu", parameters, "relu", parameters)
        for parameters in (
            {"negative_slope": 0.1, "max_value": 6.0, "threshold": 1.0},
            {"negative_slope": 0.5, "threshold": -1.0},
            {"max_value": 2.0, "threshold": 1.5},
            {"max_value": 1.0},
        )
    ),
]

POINTS = np.unique(
    np.concatenate(
        [
            np.linspace(-8, 8, 401),
            np.array([-3.0, -1.5, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 6.0]),
            np.array([-2.0, -1.0, 1.0]) + 1e-9,
            np.array([-1e4, -100, -30, 30, 80, 300]),
        ]
    )
)


def _torch_values(torch: ModuleType, module: str, parameters: Parameters, x: np.ndarray) -> np.ndarray:
    made = getattr(torch.nn, module)(**parameters).double().eval()
    with torch.no_grad():
        return np.asarray(made(torch.tensor(x, dtype=torch.float64)).numpy())


def _keras_values(keras: ModuleType, name: str, parameters: Parameters, x: np.ndarray) -> np.ndarray:
    function = getattr(keras.activations, name)
    return np.asarray(keras.ops.convert_to_numpy(function(keras.ops.convert_to_tensor(x, "float64"), **parameters)))


def _check(name: str, parameters: Parameters, x: np.ndarray, values: np.ndarray, tolerance: float = 1e-9) -> None:
    activation = find_activation(name, **parameters)
    assert activation is not None
    ours = np.array([activation.evaluate(float(point)) for point in x])
    np.testing.assert_allclose(ours, values, rtol=tolerance, atol=tolerance)
    hull = activation.range.values.hull
    # The frameworks' own rounding may step over a limit by one unit in the last place.
    assert hull.covers(Interval(float(values.min()), float(values.max())), 1e-6)
    for end, extreme in ((hull.lo, values.min()), (hull.hi, values.max())):
        if math.isfinite(end):
            assert abs(end - extreme) < 1e-2, "an end of the range that is never approached"
        else:
            assert abs(extreme) > 15, "an unbounded range whose values stay small"


@pytest.mark.parametrize(("name", "parameters", "module", "theirs"), VARIANTS)
def test_elementwise_activations_are_torchs(
    torch: ModuleType, name: str, parameters: Parameters, module: str, theirs: Parameters
) -> None:
    _check(name, parameters, POINTS, _torch_values(torch, module, theirs, POINTS))


@pytest.mark.parametrize(("name", "parameters", "function", "theirs"), KERAS_VARIANTS)
def test_elementwise_activations_are_keras(
    keras: ModuleType, name: str, parameters: Parameters, function: str, theirs: Parameters
) -> None:
    # TensorFlow computes some of them in float32 steps or with constants of that precision.
    _check(name, parameters, POINTS, _keras_values(keras, function, theirs, POINTS), tolerance=2e-6)


def _every_elementwise() -> list[tuple[str, Parameters]]:
    listed = [(name, parameters) for name, parameters, *_ in VARIANTS + KERAS_VARIANTS]
    return listed + [(name, {}) for name in sorted(ELEMENTWISE)]


ends = st.one_of(
    st.floats(-12, 12), st.sampled_from([-math.inf, -3.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0, math.inf])
)


@given(st.sampled_from(_every_elementwise()), ends, ends, st.booleans(), st.booleans())
def test_images_of_intervals_are_exact(
    chosen: tuple[str, Parameters], a: float, b: float, lo_open: bool, hi_open: bool
) -> None:
    name, parameters = chosen
    if name == "log":
        a, b = abs(a), abs(b) + 0.1
    if a == b and (lo_open or hi_open or math.isinf(a)):
        return
    activation = find_activation(name, **parameters)
    assert activation is not None
    interval = Interval(min(a, b), max(a, b), lo_open, hi_open)
    image = activation.range_of(ActivationRange.exactly(interval)).values.hull
    low, high = max(interval.lo, -40.0), min(interval.hi, 40.0)
    inside = np.linspace(low, high, 301)[1:-1] if low < high else np.array([low])
    if name == "prelu":  # the learned slope only widens the image
        values = np.array([activation.evaluate(float(x)) for x in inside])
        assert image.covers(Interval(float(values.min()), float(values.max())), 1e-12)
        return
    values = np.array([activation.evaluate(float(x)) for x in inside])
    assert image.covers(Interval(float(values.min()), float(values.max())), 1e-12)
    # an end that does not belong to the interval is approached from inside, where the activation may jump at it
    lo, hi = interval.lo, interval.hi
    first = math.nextafter(lo, hi) if interval.lo_open and math.isfinite(lo) else lo
    last = math.nextafter(hi, lo) if interval.hi_open and math.isfinite(hi) else hi
    limits = [activation.evaluate(x) for x in (first, last) if math.isfinite(x) or name not in {"sine", "cosine"}]
    knots = [
        k
        for k in (-1.2784645427610738, -1.1924312145154952, -0.7517915246935645, -0.7524614220710162)
        if low < k < high
    ]
    reached = np.concatenate([values, [x for x in limits if math.isfinite(x)], [activation.evaluate(k) for k in knots]])
    if name == "rrelu":
        return
    for end, extreme in ((image.lo, reached.min()), (image.hi, reached.max())):
        if math.isfinite(end):
            step = (high - low) / 300
            assert abs(end - extreme) <= 1e-9 + 3.0 * step * max(1.0, abs(end)), (image, extreme)


@given(st.sampled_from(_every_elementwise()), st.floats(-20, 20))
def test_a_point_has_the_image_of_its_value(chosen: tuple[str, Parameters], x: float) -> None:
    name, parameters = chosen
    if name in {"prelu", "rrelu"} or (name == "log" and x <= 0):
        return
    activation = find_activation(name, **parameters)
    assert activation is not None
    image = activation.range_of(ActivationRange.exactly(Interval(x, x))).values.hull
    assert image.lo == image.hi == pytest.approx(activation.evaluate(x), abs=1e-12)


RANGES = {
    "linear": REAL_LINE,
    "sigmoid": OPEN_UNIT,
    "tanh": Interval(-1.0, 1.0, True, True),
    "relu": NON_NEGATIVE,
    "relu6": Interval(0.0, 6.0),
    "elu": Interval(-1.0, math.inf, True, True),
    "softplus": Interval(0.0, math.inf, True, True),
    "hard_sigmoid": UNIT,
    "hard_tanh": Interval(-1.0, 1.0),
    "softsign": Interval(-1.0, 1.0, True, True),
    "log_sigmoid": Interval(-math.inf, 0.0, True, True),
    "exponential": Interval(0.0, math.inf, True, True),
    "log_softmax": Interval(-math.inf, 0.0),
}


@pytest.mark.parametrize("name", sorted(RANGES))
def test_ranges_after_a_layer_with_weights(name: str) -> None:
    activation = find_activation(name)
    assert activation is not None
    assert activation.range.values == ValueRange.exactly(RANGES[name])


def _after(*names: str, start: ActivationRange = LINEAR_RANGE, units: int | None = None) -> ActivationRange:
    found = start
    for name in names:
        activation = find_activation(name)
        assert activation is not None
        found = activation.range_of(found, units)
    return found


def test_compositions() -> None:
    assert _after("sigmoid", "relu").values.hull == OPEN_UNIT
    assert _after("relu", "sigmoid").values.hull == Interval(0.5, 1.0, False, True)
    double = _after("sigmoid", "sigmoid").values.hull
    assert (double.lo, double.hi) == (0.5, pytest.approx(1 / (1 + math.exp(-1))))
    assert double.lo_open
    assert double.hi_open


def test_an_unknown_input_leaves_the_hull_and_no_reach() -> None:
    values = _after("sigmoid", start=UNKNOWN_ACTIVATION_RANGE).values
    assert values == ValueRange(OPEN_UNIT, None)


def test_softmax_gives_a_simplex_whatever_comes_in() -> None:
    for start in (LINEAR_RANGE, UNKNOWN_ACTIVATION_RANGE, ActivationRange.exactly(BYTE)):
        assert _after("softmax", start=start).constraint is Constraint.SIMPLEX
    assert _after("softmax", units=10).values.hull == OPEN_UNIT


@pytest.mark.parametrize(
    ("name", "value"), [("softmax", 1.0), ("softmin", 1.0), ("sparsemax", 1.0), ("log_softmax", 0.0)]
)
def test_over_one_unit_it_is_a_constant(name: str, value: float) -> None:
    assert _after(name, units=1) == ActivationRange.exactly(Interval(value, value))


def test_constraints_survive_affine_maps_alone() -> None:
    simplex = find_activation("softmax", dim=1)
    assert simplex is not None
    mapped = simplex.range.affine(2.0, -1.0)
    assert (mapped.constraint, mapped.scale, mapped.shift, mapped.axis) == (Constraint.SIMPLEX, 2.0, -1.0, 1)
    again = mapped.affine(-3.0, 4.0)
    assert (again.scale, again.shift) == (-6.0, 7.0)
    assert _after("linear", start=mapped) == mapped
    assert _after("relu", start=simplex.range) == simplex.range, "relu is the identity on a simplex"
    assert _after("relu", start=mapped).constraint is None
    assert _after("sigmoid", start=simplex.range).constraint is None
    assert simplex.range.affine(0.0, 0.5) == ActivationRange.exactly(Interval(0.5, 0.5))


def test_the_exponential_of_log_probabilities_are_probabilities() -> None:
    assert _after("log_softmax", "exponential").constraint is Constraint.SIMPLEX
    assert _after("softmax", "log").constraint is Constraint.LOG_SIMPLEX


def test_a_guarding_clip_keeps_the_constraint_and_a_real_one_drops_it() -> None:
    simplex = _after("softmax")
    assert simplex.clip(1e-7, 1 - 1e-7).constraint is Constraint.SIMPLEX
    assert simplex.clip(0.1, 0.9).constraint is None
    assert simplex.clip(0.1, 0.9).values.hull == Interval(0.1, 0.9)


def test_alternatives_keep_what_they_share() -> None:
    softmax, sigmoid = _after("softmax"), _after("sigmoid")
    assert softmax.either(softmax) == softmax
    assert softmax.either(sigmoid).constraint is None


def test_unreachable_values() -> None:
    sigmoid = _after("sigmoid")
    assert sigmoid.values.hull.covers(Interval(1.0, 1.0)), "approached as closely as floats can tell"
    assert not sigmoid.values.hull.covers(Interval(255.0, 255.0))


VECTOR_FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "softmax": lambda torch, x: torch.softmax(x, -1),
    "softmin": lambda torch, x: torch.nn.functional.softmin(x, -1),
    "log_softmax": lambda torch, x: torch.log_softmax(x, -1),
    "unit_norm": lambda torch, x: torch.nn.functional.normalize(x, dim=-1),
    "glu": lambda torch, x: torch.nn.functional.glu(x, -1),
}


@pytest.mark.parametrize("name", [*VECTOR_FUNCTIONS, "sparsemax"])
@pytest.mark.parametrize("scale", [0.3, 3.0, 50.0])
def test_vector_activations_and_their_ranges(keras: ModuleType, torch: ModuleType, name: str, scale: float) -> None:
    generator = np.random.default_rng(7)
    x = generator.uniform(-scale, scale, (400, 6))
    if name == "sparsemax":
        values = project_simplex(x)
        alone = (values == 1.0).any(axis=-1)  # where several survive, Keras 3.15 is wrong (keras issue 23425)
        theirs = keras.ops.convert_to_numpy(
            keras.activations.sparsemax(keras.ops.convert_to_tensor(x[alone], "float64"))
        )
        np.testing.assert_allclose(theirs, values[alone], atol=1e-9)
    else:
        values = VECTOR_FUNCTIONS[name](torch, torch.tensor(x)).numpy()
    activation = find_activation(name)
    assert activation is not None
    np.testing.assert_allclose([activation.evaluate_vector(row) for row in x.tolist()], values, rtol=1e-6, atol=1e-6)
    for units in (None, 6):
        bounded = activation.range_of(ActivationRange.exactly(Interval(-scale, scale)), units).values.hull
        assert bounded.covers(Interval(float(values.min()), float(values.max())), 1e-6)
    if name in {"softmax", "softmin", "log_softmax", "sparsemax"}:
        corner = np.full(6, -scale)
        corner[0] = scale
        top = activation.evaluate_vector((-corner if name == "softmin" else corner).tolist())[0]
        bottom = activation.evaluate_vector((corner if name == "softmin" else -corner).tolist())[0]
        assert (bounded.lo, bounded.hi) == (pytest.approx(bottom, abs=1e-9), pytest.approx(top, abs=1e-9))


def test_elementwise_evaluation_of_a_vector_activation_is_refused() -> None:
    activation = find_activation("softmax")
    assert activation is not None
    with pytest.raises(TypeError, match="vectors"):
        activation.evaluate(0.0)


def test_what_is_no_activation_is_not_found() -> None:
    assert find_activation("frobnicate") is None
    assert find_activation("celu", alpha=0.0) is None, "torch refuses it as well"
    assert find_activation("sigmoid", frobnication=3) is not None
    assert find_activation("elu", alpha=None) == find_activation("elu")


def test_a_logarithm_of_negative_values_accuses_nobody() -> None:
    log = find_activation("log")
    assert log is not None
    assert log.range.values.reach is None
    assert math.isnan(log.evaluate(-1.0))
    assert log.range_of(ActivationRange.exactly(Interval(1.0, math.e))).values.reach == Interval(0.0, 1.0)
