"""Losses against the frameworks' own functions: values, minimisers, floors."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ae_audit.theory import array_losses
from ae_audit.theory.loss import TargetKind
from ae_audit.theory.losses import LOSSES, SYMMETRIC, Link, Loss, find_loss
from ae_audit.theory.pointwise_losses import POINTWISE

Parameters = dict[str, Any]
GENERATOR = np.random.default_rng(11)
UNITS = 5


def loss_of(name: str, from_logits: bool = False, **parameters: Any) -> Loss:
    found = find_loss(name, from_logits=from_logits, **parameters)
    assert found is not None
    return found


def _draw(kind: str, size: int) -> np.ndarray:
    draws: dict[str, Callable[[], np.ndarray]] = {
        "any": lambda: GENERATOR.normal(0, 3, size),
        "unit": lambda: GENERATOR.uniform(0.02, 0.98, size),
        "binary": lambda: GENERATOR.integers(0, 2, size).astype(float),
        "sign": lambda: GENERATOR.choice([-1.0, 1.0], size),
        "positive": lambda: GENERATOR.uniform(0.05, 6, size),
    }
    return draws[kind]()


# canonical, from_logits, parameters, targets, predictions, Keras function (arguments by name)
KERAS_POINTWISE: list[tuple[str, bool, Parameters, str, str, str]] = [
    ("mse", False, {}, "any", "any", "mean_squared_error"),
    ("mae", False, {}, "any", "any", "mean_absolute_error"),
    ("mape", False, {}, "positive", "any", "mean_absolute_percentage_error"),
    ("msle", False, {}, "positive", "positive", "mean_squared_logarithmic_error"),
    ("msle", False, {}, "any", "any", "mean_squared_logarithmic_error"),
    ("huber", False, {"delta": 0.7}, "any", "any", "huber"),
    ("log_cosh", False, {}, "any", "any", "log_cosh"),
    ("bce", False, {}, "unit", "unit", "binary_crossentropy"),
    ("bce", True, {}, "unit", "any", "binary_crossentropy"),
    ("bce", False, {"label_smoothing": 0.2}, "binary", "unit", "binary_crossentropy"),
    ("binary_focal", False, {}, "binary", "unit", "binary_focal_crossentropy"),
    ("binary_focal", False, {"gamma": 3.0}, "unit", "unit", "binary_focal_crossentropy"),
    ("binary_focal", True, {"apply_class_balancing": True, "alpha": 0.3}, "unit", "any", "binary_focal_crossentropy"),
    ("poisson", False, {}, "positive", "positive", "poisson"),
    ("hinge", False, {}, "sign", "any", "hinge"),
    ("squared_hinge", False, {}, "sign", "any", "squared_hinge"),
]
TORCH_POINTWISE: list[tuple[str, bool, Parameters, str, str, str, Parameters]] = [
    ("mse", False, {}, "any", "any", "mse_loss", {}),
    ("mae", False, {}, "any", "any", "l1_loss", {}),
    ("huber", False, {"delta": 2.0}, "any", "any", "huber_loss", {"delta": 2.0}),
    ("smooth_l1", False, {"beta": 0.5}, "any", "any", "smooth_l1_loss", {"beta": 0.5}),
    ("smooth_l1", False, {"beta": 0.0}, "any", "any", "smooth_l1_loss", {"beta": 0.0}),
    ("bce", False, {}, "unit", "unit", "binary_cross_entropy", {}),
    ("bce", True, {}, "unit", "any", "binary_cross_entropy_with_logits", {}),
    ("poisson", False, {"log_input": True}, "positive", "any", "poisson_nll_loss", {}),
    ("poisson", False, {"log_input": True, "full": True}, "positive", "any", "poisson_nll_loss", {"full": True}),
    ("poisson", False, {}, "positive", "positive", "poisson_nll_loss", {"log_input": False}),
    ("soft_margin", False, {}, "sign", "any", "soft_margin_loss", {}),
]


@pytest.mark.parametrize(("name", "from_logits", "parameters", "ys", "ps", "function"), KERAS_POINTWISE)
def test_pointwise_values_are_keras(
    keras: ModuleType, name: str, from_logits: bool, parameters: Parameters, ys: str, ps: str, function: str
) -> None:
    y, p = _draw(ys, 40), _draw(ps, 40)
    arguments = {**parameters, "from_logits": True} if from_logits else parameters
    tensors = [keras.ops.convert_to_tensor(a[:, None], "float64") for a in (y, p)]
    theirs = keras.ops.convert_to_numpy(getattr(keras.losses, function)(*tensors, **arguments))
    loss = loss_of(name, from_logits, **parameters)
    ours = [loss.value(float(a), float(b)) for a, b in zip(y, p, strict=True)]
    np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6)  # Keras adds 1e-7 inside its logarithms
    np.testing.assert_allclose(array_losses.values(loss, y, p), ours, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("name", "from_logits", "parameters", "ys", "ps", "function", "theirs"), TORCH_POINTWISE)
def test_pointwise_values_are_torchs(
    torch: ModuleType,
    name: str,
    from_logits: bool,
    parameters: Parameters,
    ys: str,
    ps: str,
    function: str,
    theirs: Parameters,
) -> None:
    y, p = _draw(ys, 40), _draw(ps, 40)
    computed = getattr(torch.nn.functional, function)(torch.tensor(p), torch.tensor(y), reduction="none", **theirs)
    loss = loss_of(name, from_logits, **parameters)
    ours = [loss.value(float(a), float(b)) for a, b in zip(y, p, strict=True)]
    np.testing.assert_allclose(ours, computed.numpy(), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(array_losses.values(loss, y, p), ours, rtol=1e-9, atol=1e-12)


def test_pos_weight_is_torchs(torch: ModuleType) -> None:
    y, p = _draw("unit", 40), _draw("any", 40)
    computed = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.tensor(p), torch.tensor(y), pos_weight=torch.tensor(3.0), reduction="none"
    )
    loss = loss_of("bce", True, pos_weight=3.0)
    np.testing.assert_allclose(array_losses.values(loss, y, p), computed.numpy(), rtol=1e-9)
    assert not loss.suits


def test_gaussian_nll_is_torchs(torch: ModuleType) -> None:
    y, p = _draw("any", 20), _draw("any", 20)
    computed = torch.nn.functional.gaussian_nll_loss(
        torch.tensor(p), torch.tensor(y), torch.full((20,), 0.3, dtype=torch.float64), full=True, reduction="none"
    )
    loss = loss_of("gaussian_nll", variance=0.3, full=True)
    ours = [loss.value(float(a), float(b)) for a, b in zip(y, p, strict=True)]
    np.testing.assert_allclose(ours, computed.numpy(), rtol=1e-9)
    assert loss.floor(0.0) == pytest.approx(0.5 * math.log(2 * math.pi * 0.3))


def test_the_density_of_laplace_is_torchs(torch: ModuleType) -> None:
    y, p = _draw("any", 20), _draw("any", 20)
    computed = -torch.distributions.Laplace(torch.tensor(p), 0.3).log_prob(torch.tensor(y))
    loss = loss_of("mae", scale=0.3, full=True)
    np.testing.assert_allclose(array_losses.values(loss, y, p), computed.numpy(), rtol=1e-9)
    np.testing.assert_allclose(array_losses.floors(loss, y), math.log(0.6))


def test_the_probability_of_a_count_is_torchs(torch: ModuleType) -> None:
    y, p = np.arange(20.0), _draw("positive", 20)
    loss = loss_of("poisson", factorial=True)
    for rates, ours in ((p, array_losses.values(loss, y, p)), (np.maximum(y, 1e-12), array_losses.floors(loss, y))):
        computed = -torch.distributions.Poisson(torch.tensor(rates)).log_prob(torch.tensor(y))
        np.testing.assert_allclose(ours, computed.numpy(), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose([loss.floor(float(value)) for value in y], array_losses.floors(loss, y))


@pytest.mark.parametrize("name", ["gaussian_nll", "mae"])
def test_no_number_is_the_floor_of_a_likelihood_of_unknown_scale(name: str) -> None:
    loss = loss_of(name, full=True)
    assert loss.floor_unknown is not None
    assert math.isnan(loss.floor(0.0))
    assert np.isnan(array_losses.floors(loss, np.zeros(3))).all()


def _distributions(count: int) -> np.ndarray:
    return GENERATOR.dirichlet(np.ones(UNITS), count)


def _one_hots(count: int) -> np.ndarray:
    return np.eye(UNITS)[GENERATOR.integers(0, UNITS, count)]


KERAS_VECTOR: list[tuple[str, bool, Parameters, str, str]] = [
    ("cce", False, {}, "distribution", "categorical_crossentropy"),
    ("cce", True, {}, "distribution", "categorical_crossentropy"),
    ("cce", True, {"label_smoothing": 0.1}, "one-hot", "categorical_crossentropy"),
    ("categorical_focal", False, {}, "one-hot", "categorical_focal_crossentropy"),
    ("categorical_focal", True, {"gamma": 1.0, "alpha": 0.5}, "distribution", "categorical_focal_crossentropy"),
    ("kl_divergence", False, {}, "distribution", "kl_divergence"),
    ("categorical_hinge", False, {}, "one-hot", "categorical_hinge"),
    ("cosine_similarity", False, {}, "distribution", "cosine_similarity"),
    ("dice", False, {"axis": -1}, "binary", "dice"),
    ("tversky", False, {"alpha": 0.3, "beta": 0.6, "axis": -1}, "binary", "tversky"),
]


@pytest.mark.parametrize(("name", "from_logits", "parameters", "ys", "function"), KERAS_VECTOR)
def test_vector_values_are_keras(
    keras: ModuleType, name: str, from_logits: bool, parameters: Parameters, ys: str, function: str
) -> None:
    count = 30
    y = {
        "distribution": lambda: _distributions(count),
        "one-hot": lambda: _one_hots(count),
        "binary": lambda: GENERATOR.integers(0, 2, (count, UNITS)).astype(float),
    }[ys]()
    p = GENERATOR.normal(0, 2, (count, UNITS)) if from_logits or name == "categorical_hinge" else _distributions(count)
    arguments = {**parameters, "from_logits": True} if from_logits else parameters
    tensors = [keras.ops.convert_to_tensor(a, "float64") for a in (y, p)]
    theirs = keras.ops.convert_to_numpy(getattr(keras.losses, function)(*tensors, **arguments))
    loss = loss_of(name, from_logits, **parameters)
    ours = [loss.value(a, b) for a, b in zip(y.tolist(), p.tolist(), strict=True)]
    np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(array_losses.values(loss, y, p), ours, rtol=1e-9, atol=1e-12)


def test_index_values_are_the_frameworks(keras: ModuleType, torch: ModuleType) -> None:
    indices, logits = GENERATOR.integers(0, UNITS, 30), GENERATOR.normal(0, 2, (30, UNITS))
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    functional = torch.nn.functional
    tensor, target = torch.tensor(logits), torch.tensor(indices)
    cases: list[tuple[Loss, np.ndarray, Any]] = [
        (loss_of("cross_entropy", True), logits, functional.cross_entropy(tensor, target, reduction="none")),
        (
            loss_of("cross_entropy", True, label_smoothing=0.2),
            logits,
            functional.cross_entropy(tensor, target, reduction="none", label_smoothing=0.2),
        ),
        (loss_of("nll"), np.log(probabilities), functional.nll_loss(tensor.log_softmax(-1), target, reduction="none")),
        (loss_of("multi_margin"), logits, functional.multi_margin_loss(tensor, target, reduction="none")),
        (
            loss_of("multi_margin", p=2, margin=0.5),
            logits,
            functional.multi_margin_loss(tensor, target, p=2, margin=0.5, reduction="none"),
        ),
        (
            loss_of("sparse_cce"),
            probabilities,
            keras.losses.sparse_categorical_crossentropy(indices, keras.ops.convert_to_tensor(probabilities)),
        ),
        (
            loss_of("generalized_cross_entropy", q=0.7),
            probabilities,
            keras.losses.categorical_generalized_cross_entropy(
                indices, keras.ops.convert_to_tensor(probabilities), 0.7
            ),
        ),
    ]
    for loss, predictions, theirs in cases:
        ours = [loss.value(int(y), p) for y, p in zip(indices, predictions.tolist(), strict=True)]
        np.testing.assert_allclose(ours, np.asarray(theirs), rtol=2e-5, atol=2e-6, err_msg=loss.name)
        np.testing.assert_allclose(array_losses.values(loss, indices, predictions), ours, rtol=1e-9, atol=1e-12)


def test_torch_divergences_and_margins(torch: ModuleType) -> None:
    y, p = _distributions(20), _distributions(20)
    functional = torch.nn.functional
    for log_target in (False, True):
        theirs = functional.kl_div(
            torch.tensor(np.log(p)),
            torch.tensor(np.log(y) if log_target else y),
            reduction="none",
            log_target=log_target,
        ).sum(-1)
        loss = loss_of("kl_divergence", log_input=True, log_target=log_target)
        targets = (np.log(y) if log_target else y).tolist()
        ours = [loss.value(a, b) for a, b in zip(targets, np.log(p).tolist(), strict=True)]
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-9, atol=1e-12)
    scores, targets_ = GENERATOR.normal(size=(1, 4)), [3, 0, -1, 1]
    theirs = functional.multilabel_margin_loss(torch.tensor(scores), torch.tensor([targets_]), reduction="none")
    assert loss_of("multilabel_margin").value(targets_, scores[0].tolist()) == pytest.approx(float(theirs[0]))
    both = functional.multilabel_soft_margin_loss(
        torch.tensor(scores), torch.tensor([[1.0, 0, 0, 1]]), reduction="none"
    )
    bce = array_losses.values(loss_of("bce", True), np.array([[1.0, 0, 0, 1]]), scores).mean(-1)
    np.testing.assert_allclose(bce, both.numpy())


def test_sigmoid_focal_loss_is_torchvisions(torch: ModuleType) -> None:
    try:
        import torchvision
    except (ImportError, RuntimeError) as error:  # RuntimeError: built for another torch than the installed one
        pytest.skip(f"torchvision cannot be imported: {error}")
    y, p = _draw("binary", 20), _draw("any", 20)
    theirs = torchvision.ops.sigmoid_focal_loss(torch.tensor(p), torch.tensor(y))
    loss = loss_of("binary_focal", True, apply_class_balancing=True)
    np.testing.assert_allclose(array_losses.values(loss, y, p), theirs.numpy(), rtol=1e-6)


TARGETS: dict[str, tuple[float, float]] = {
    "unit": (0.0, 1.0),
    "any": (-5.0, 5.0),
    "non-negative": (0.0, 6.0),
    "positive": (0.5, 5.0),
    "signed": (-1.0, 1.0),
    "binary": (0.0, 1.0),
}
MINIMISERS: list[tuple[Loss, str]] = [
    *((loss_of(name), "any") for name in ("mse", "mae", "huber", "smooth_l1", "log_cosh")),
    (loss_of("gaussian_nll", variance=0.3, full=True), "any"),
    (loss_of("mae", scale=0.3, full=True), "any"),
    (loss_of("mape"), "positive"),
    (loss_of("msle"), "non-negative"),
    (loss_of("bce"), "unit"),
    (loss_of("bce", True), "unit"),
    (loss_of("bce", label_smoothing=0.2), "unit"),
    (loss_of("bce", True, pos_weight=4.0), "unit"),
    (loss_of("binary_focal"), "unit"),
    (loss_of("binary_focal", True, apply_class_balancing=True, gamma=1.0), "unit"),
    (loss_of("poisson"), "non-negative"),
    (loss_of("poisson", log_input=True, full=True), "non-negative"),
    (loss_of("hinge"), "signed"),
    (loss_of("squared_hinge"), "signed"),
    (loss_of("soft_margin"), "signed"),
    (loss_of("hinge", converts_binary=True), "binary"),
]


@given(st.sampled_from(MINIMISERS), st.floats(0, 1), st.floats(0, 1))
def test_no_prediction_scores_below_the_floor(chosen: tuple[Loss, str], at: float, other: float) -> None:
    loss, kind = chosen
    low, high = TARGETS[kind]
    y = low + at * (high - low) if kind not in {"signed", "binary"} else (low if at < 0.5 else high)
    floor = loss.floor(y)
    lo, hi = max(loss.prediction.lo, -30.0), min(loss.prediction.hi, 30.0)
    margin = 1e-9 if loss.prediction.lo_open else 0.0
    grid = np.linspace(lo + margin, hi - margin, 2001)
    candidates = [*grid.tolist(), lo + margin + other * (hi - lo - 2 * margin)]
    values = array_losses.values(loss, np.full(len(candidates), y), np.array(candidates))
    assert values.min() >= floor - 1e-9 * max(1.0, abs(floor))
    minimiser = loss.minimiser(y)
    assert isinstance(minimiser, float)
    assert loss.value(y, minimiser) == pytest.approx(floor, abs=1e-9)
    slack = 5.0 if loss.name == "mape" else 0.05  # MAPE counts in per cent
    assert values.min() <= floor + slack * max(1.0, abs(floor)), "the floor is never approached"


@given(st.sampled_from(MINIMISERS), st.floats(0, 1))
def test_a_loss_that_suits_is_least_at_its_target(chosen: tuple[Loss, str], at: float) -> None:
    loss, kind = chosen
    low, high = TARGETS[kind]
    y = low + at * (high - low)
    if loss.target_kind.value == "0 or 1":
        y = float(round(at))
    if loss.link is Link.SIGN:
        y = 1.0 if dict(loss.parameters).get("converts_binary") or at > 0.5 else -1.0
    if loss.suits:
        assert recovers(loss, y)


def recovers(loss: Loss, y: float | list[float], tolerance: float = 1e-6) -> bool:
    """Whether the loss's minimiser for ``y``, in data space, is ``y`` (a class index: the vector's largest)."""
    if isinstance(y, int) and not loss.pointwise:
        found = loss.to_data(loss.minimiser(y, y + 2))
        return found.index(max(found)) == y
    return loss.to_data(loss.minimiser(y)) == pytest.approx(y, abs=tolerance)


def test_targets_that_a_loss_does_not_give_back() -> None:
    assert not recovers(loss_of("bce", True, pos_weight=2.0), 0.3)
    assert not recovers(loss_of("bce", label_smoothing=0.1), 1.0)
    assert not recovers(loss_of("binary_focal"), 0.3)
    assert not recovers(loss_of("hinge"), 0.3)
    assert not recovers(loss_of("cce"), [0.4, 0.4])
    assert recovers(loss_of("cce"), [0.4, 0.6])
    assert recovers(loss_of("cce", True), [0.4, 0.6])
    assert recovers(loss_of("cross_entropy", True), 3)
    assert not recovers(loss_of("dice"), [0.2, 0.7, 0.4])
    assert recovers(loss_of("dice"), [0.0, 1.0, 1.0])
    assert not recovers(loss_of("categorical_focal"), [0.2, 0.8])
    assert recovers(loss_of("categorical_focal"), [0.0, 1.0])


@pytest.mark.parametrize("name", ["bce", "binary_focal", "poisson"])
@pytest.mark.parametrize("from_logits", [False, True])
def test_outside_the_domain_there_is_no_floor(name: str, from_logits: bool) -> None:
    loss = loss_of(name, from_logits, log_input=from_logits)
    assert loss.floor(-0.5) == -math.inf
    if name == "bce":
        assert loss.floor(255.0) == -math.inf
        towards = 1e6 if from_logits else 1 - 1e-12
        assert loss.value(255.0, towards) < -1000


VECTOR_LOSSES: list[tuple[Loss, str]] = [
    (loss_of("cce"), "simplex"),
    (loss_of("cce", True), "logits"),
    (loss_of("cce", True, label_smoothing=0.3), "logits"),
    (loss_of("kl_divergence"), "simplex"),
    (loss_of("kl_divergence", log_input=True), "log-simplex"),
    (loss_of("categorical_focal"), "simplex"),
    (loss_of("categorical_focal", True, gamma=0.5), "logits"),
    (loss_of("categorical_hinge"), "logits"),
    (loss_of("dice"), "cube"),
    (loss_of("tversky", alpha=0.7, beta=0.2), "cube"),
    (loss_of("cosine_similarity"), "logits"),
]


@given(st.sampled_from(VECTOR_LOSSES), st.integers(0, 2**32 - 1), st.booleans())
def test_no_vector_scores_below_the_floor(chosen: tuple[Loss, str], seed: int, hard: bool) -> None:
    loss, space = chosen
    generator = np.random.default_rng(seed)
    y = np.eye(4)[generator.integers(4)] if hard else generator.dirichlet(np.ones(4) * 0.7)
    floor = loss.floor(y.tolist())
    around = loss.minimiser(y.tolist())
    assert not isinstance(around, float)
    assert loss.value(y.tolist(), around) == pytest.approx(floor, abs=1e-6)
    for _ in range(40):
        # Random points of the domain, far and near the minimiser.
        near = np.clip(np.asarray(loss.to_data(around)), 1e-9, 1.0)
        weights = generator.dirichlet(np.ones(4) * generator.choice([0.3, 1.0, 5.0]))
        mixed = near / near.sum() + generator.choice([1.0, 0.1, 0.01]) * weights
        simplex = np.maximum(mixed / mixed.sum(), 1e-12)
        point = {
            "simplex": simplex,
            "logits": np.log(simplex) + generator.normal(),
            "log-simplex": np.log(simplex),
            "cube": generator.uniform(0, 1, 4),
        }[space]
        assert loss.value(y.tolist(), point.tolist()) >= floor - 1e-6


def test_every_loss_states_its_domains() -> None:
    for name in LOSSES:
        for from_logits in (False, True):
            loss = loss_of(name, from_logits)
            assert loss.name == name
            assert loss.pointwise == (name in POINTWISE)
            assert loss.prediction.lo < loss.prediction.hi
            assert loss.target.lo < loss.target.hi


def test_array_floors_are_the_losses_floors() -> None:
    for loss, kind in MINIMISERS:
        low, high = TARGETS[kind]
        y = GENERATOR.uniform(low, high, (3, 7))
        expected = [[loss.floor(float(v)) for v in row] for row in y]
        np.testing.assert_allclose(array_losses.floors(loss, y), expected, atol=1e-9)
    for loss, _ in VECTOR_LOSSES:
        vectors = _distributions(6)
        expected_rows = [loss.floor(row) for row in vectors.tolist()]
        np.testing.assert_allclose(array_losses.floors(loss, vectors), expected_rows, atol=1e-7)
        moved = np.moveaxis(vectors.reshape(2, 3, UNITS), -1, 1)
        np.testing.assert_allclose(array_losses.floors(loss, moved, axis=1).reshape(-1), expected_rows, atol=1e-7)
    smoothed = loss_of("cross_entropy", True, label_smoothing=0.1)
    assert array_losses.floors(smoothed, np.array([2]), units=4)[0] == pytest.approx(smoothed.floor(2, 4))


def test_unknown_names_and_parameters() -> None:
    assert find_loss("frobnicate") is None
    assert find_loss("ctc") is None
    assert find_loss("bce", **{"name": "binary_crossentropy"}) == find_loss("bce"), "Keras's configurations hold a name"
    assert find_loss("mse", reduction="sum", frobnication=object()) == find_loss("mse")
    assert loss_of("huber", delta=2.0) != loss_of("huber")


def test_arguments_of_the_wrong_kind_are_refused() -> None:
    with pytest.raises(TypeError, match="numbers"):
        loss_of("mse").value([1.0], [1.0])
    with pytest.raises(TypeError, match="vectors"):
        loss_of("dice").value(1.0, 1.0)
    with pytest.raises(ValueError, match="number of units"):
        loss_of("nll").minimiser(1)


@pytest.mark.parametrize("name", sorted(set(POINTWISE) - {"gaussian_nll"}))  # which a variance stands beside
def test_distances_are_listed_as_the_same_with_prediction_and_target_exchanged(name: str) -> None:
    loss = loss_of(name)
    pairs = [(y, p) for y in (0.2, 0.5, 0.9) for p in (0.1, 0.4, 0.8)]
    same = all(loss.value(y, p) == pytest.approx(loss.value(p, y), abs=1e-12) for y, p in pairs)
    quantities = loss.target_kind is TargetKind.ANY
    assert (name in SYMMETRIC) is (same and quantities)
