"""Every stage knows every loss and every activation, or says here why it deliberately does not.

A stage is asked of each name of the theory's registries that its framework has. Whoever adds a loss or an activation
and forgets a stage sees it here, and so does whoever teaches a stage a name that is still excused. What a stage
compares or applies itself it excuses itself (``NOT_RECOGNISED``, ``NOT_APPLIED``), with the reason.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable

import pytest

from ae_audit.static import analyse_file
from ae_audit.theory import activation_names, array_losses, loss_families, loss_names
from ae_audit.theory.activations import ELEMENTWISE, VECTOR, find_activation
from ae_audit.theory.losses import IN_ORDER, find_loss

ACTIVATIONS = sorted(ELEMENTWISE | VECTOR)
FRAMEWORKS = ("keras", "torch")

LOSS_FREE_OF_RULES = {
    "cosine_similarity": "AE207 alone speaks of it, by its name: it is the one loss without a scale",
    "categorical_hinge": "it takes any scores, and every head gives some that meet its margin",
}
"""Losses that belong to no family by which a rule judges heads or targets, and why."""

_ARITHMETIC = "it is read as arithmetic on the range of the output, and names no activation"
NOT_READ = {
    ("keras", "abs"): _ARITHMETIC,
    ("keras", "log"): _ARITHMETIC,
    ("keras", "square"): _ARITHMETIC,
    ("torch", "log"): _ARITHMETIC,
    ("torch", "square"): _ARITHMETIC,
}
"""Functions that reading does not call the activation of an output, and why."""

KERAS = """
import keras
from keras import layers
(x, y), _ = keras.datasets.mnist.load_data()
x = x.reshape(-1, 784).astype("float32") / 255.0
model = keras.Sequential([keras.Input((784,)), layers.Dense(784), ACTIVATION])
model.compile("adam", "mse")
model.fit(x, x)
"""
TORCH = """
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision import datasets, transforms
loader = DataLoader(datasets.MNIST(".", transform=transforms.ToTensor()), 32)
model = nn.Sequential(nn.Flatten(), nn.Linear(784, 784))
optimizer = torch.optim.Adam(model.parameters())
for images, labels in loader:
    optimizer.zero_grad()
    loss = F.mse_loss(ACTIVATION, images.flatten(1))
    loss.backward()
    optimizer.step()
"""
PLAIN_MATHEMATICS = {"exponential", "log", "abs", "square", "erf", "arctan", "sine", "cosine"}
"""functions of ``torch`` that ``torch.nn.functional`` has not"""
ARGUMENTS = {"threshold": "0.1, 0.0", "softmax": "dim=1", "softmin": "dim=1", "log_softmax": "dim=1", "glu": "dim=1"}


def _has_loss(framework: str, name: str) -> bool:
    named = (loss_names.class_named(framework, name, from_logits=logits) for logits in (False, True))
    return any(symbol is not None for symbol in named)


def _has_activation(framework: str, name: str) -> bool:
    return bool(activation_names.layer_named(framework, name) or activation_names.function_named(framework, name))


@pytest.mark.parametrize("name", IN_ORDER)
def test_the_rules_know_a_loss(name: str) -> None:
    families = {family for family, value in vars(loss_families).items() if isinstance(value, loss_families.Family)}
    families -= {"TAKES_CLASS_INDEX", "ONLY_CLASS_INDEX", "UNNORMALISED"}  # which say nothing of the prediction
    known = any(name in getattr(loss_families, family) for family in families)
    assert known != (name in LOSS_FREE_OF_RULES)


@pytest.mark.parametrize("name", IN_ORDER)
def test_arrays_and_numbers_agree(name: str) -> None:
    loss = find_loss(name)
    assert loss is not None
    if loss.pointwise:
        found = array_losses.values(loss, [0.3], [0.6])  # type: ignore[arg-type]
        assert float(found[0]) == pytest.approx(loss.value(0.3, 0.6))
        return
    target = 1 if loss.target_kind.name in {"CLASS_INDEX", "DISTRIBUTION_OR_INDEX"} else (0.0, 1.0, 0.0)
    if loss.target_kind.name == "MULTI_INDEX":
        target = (1, -1, -1)
    prediction = [0.2, 0.5, 0.3]
    given = [target] if isinstance(target, int) else [list(target)]
    found = array_losses.values(loss, given, [prediction])  # type: ignore[arg-type]
    assert float(found.reshape(-1)[0]) == pytest.approx(loss.value(target, prediction))


@pytest.mark.parametrize("name", IN_ORDER)
def test_running_keras_makes_a_loss_and_recognises_one_written_by_hand(name: str) -> None:
    keras = pytest.importorskip("keras")
    from ae_audit.runtime.keras import losses

    symbol = loss_names.class_named("keras", name)
    if symbol is None or not hasattr(keras.losses, symbol):
        pytest.skip("Keras has no such loss")
    assert losses.describe(losses.make(name)).name == name
    compared = name in {known for known, _ in losses.recognised_losses()}
    assert compared != (name in losses.NOT_RECOGNISED)


@pytest.mark.parametrize("name", IN_ORDER)
def test_running_torch_computes_a_loss_and_recognises_one_written_by_hand(name: str) -> None:
    pytest.importorskip("torch")
    from ae_audit.runtime.torch import handwritten_losses, losses

    if _has_loss("torch", name):
        # the variance of a Gaussian likelihood is a third tensor, of which an arm that is made anew knows nothing
        assert losses.computable(name) == (name != "gaussian_nll")
    loss = find_loss(name)
    assert loss is not None
    if loss.pointwise:
        compared = name in {spec.name for spec, _ in handwritten_losses._candidates(2)}
        assert compared != (name in handwritten_losses.NOT_RECOGNISED)


@pytest.mark.parametrize("name", IN_ORDER)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_fix_can_name_a_loss(framework: str, name: str) -> None:
    from ae_audit.fix.loss import _takes_both

    for logits in (False, True):
        symbol = loss_names.class_named(framework, name, from_logits=logits)
        if symbol is None or name in {"gaussian_nll", "cosine_similarity"}:  # a third tensor; a similarity in torch
            continue
        assert _takes_both(framework, symbol) is False
        assert ast.parse(symbol)


def _read(source: str) -> str | None:
    (setup,) = analyse_file("program.py", source.encode()).setups
    return setup.head.activation


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_reading_keras_knows_an_activation(name: str) -> None:
    layer, function = activation_names.layer_named("keras", name), activation_names.function_named("keras", name)
    if layer is not None:
        assert _read(KERAS.replace("ACTIVATION", f"layers.{layer}()")) == name
    if function is not None and function not in {"threshold", "l2_normalize"}:  # with arguments of their own
        found = _read(KERAS.replace("ACTIVATION", f"layers.Lambda(lambda t: keras.ops.{function}(t))"))
        assert (found == name) != (("keras", name) in NOT_READ)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_reading_torch_knows_an_activation(name: str) -> None:
    layer, function = activation_names.layer_named("torch", name), activation_names.function_named("torch", name)
    given = ARGUMENTS.get(name, "")
    if layer is not None:
        assert _read(TORCH.replace("ACTIVATION", f"nn.{layer}({given})(model(images))")) == name
    if function is not None and name != "prelu":  # whose weight is a tensor
        home = "torch" if name in PLAIN_MATHEMATICS else "F"
        found = _read(TORCH.replace("ACTIVATION", f"{home}.{function}(model(images){', ' if given else ''}{given})"))
        assert (found == name) != (("torch", name) in NOT_READ)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_running_torch_applies_an_activation_as_the_theory_does(name: str) -> None:
    torch = pytest.importorskip("torch")
    from ae_audit.runtime.torch import functions

    if not _has_activation("torch", name):
        pytest.skip("torch has no such activation")
    assert functions.can_apply(name) != (name in functions.NOT_APPLIED)
    if not functions.can_apply(name):
        return
    activation = find_activation(name)
    assert activation is not None
    xs = [0.3, 1.2, 2.5]
    found = functions.apply_activation(name, torch.tensor([xs]))[0].tolist()
    assert found == pytest.approx(list(activation.evaluate_vector(xs)), abs=1e-5)


@pytest.mark.parametrize("name", sorted(ELEMENTWISE))
def test_running_recognises_an_activation_written_by_hand(name: str) -> None:
    pytest.importorskip("numpy")
    import numpy as np

    from ae_audit.runtime.measure import custom_activations as custom

    assert (name in custom.recognised()) != (name in custom.NOT_RECOGNISED)
    activation = find_activation(name)
    assert activation is not None
    if name in custom.recognised():
        evaluate: Callable[[float], float] = activation.evaluate
        found = custom.by_values(lambda values: np.asarray([2.0 * evaluate(float(x)) - 1.0 for x in values]))
        assert found is not None
        assert found.name is not None
        same = find_activation(found.name)
        assert same is not None
        assert same.evaluate(1.7) == pytest.approx(evaluate(1.7))  # elu and celu are one function by default


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_rules_know_the_range_of_an_activation(name: str) -> None:
    activation = find_activation(name)
    assert activation is not None
    assert activation.range.values.reach is not None or name == "log"  # NaN below 0


SLOPES: dict[tuple[str, bool], Callable[[float, float], float]] = {
    ("mse", False): lambda p, y: 2 * (p - y),
    ("mae", False): lambda p, y: math.copysign(1.0, p - y),
    ("huber", False): lambda p, y: p - y,
    ("smooth_l1", False): lambda p, y: p - y,
    ("log_cosh", False): lambda p, y: math.tanh(p - y),
    ("bce", False): lambda p, y: (p - y) / (p * (1 - p)),
    ("bce", True): lambda p, y: 1 / (1 + math.exp(-p)) - y,
    ("poisson", False): lambda p, y: 1 - y / p,
}
"""by hand, for values between 0 and 1"""


@pytest.mark.parametrize("name", [name for name in IN_ORDER if (loss := find_loss(name)) and loss.pointwise])
def test_the_measurement_of_a_divergence_knows_a_loss_of_single_values(name: str) -> None:
    np = pytest.importorskip("numpy")
    from ae_audit.runtime.measure import variational

    targets, predictions = (0.2, 0.9, 0.4), (0.6, 0.3, 0.45)
    slopes = {logits: variational.slope_of(name, logits) for logits in (False, True)}
    assert any(slopes.values()) != (name in variational.NOT_MEASURED)
    for logits, slope in slopes.items():
        if slope is None:
            assert (name, logits) not in SLOPES
            continue
        found = slope(np.array(predictions), np.array(targets))
        assert np.isfinite(found).all()
        by_hand = SLOPES.get((name, logits))
        expected = None if by_hand is None else list(map(by_hand, predictions, targets))
        assert expected is None or found == pytest.approx(expected, rel=1e-6)


def test_names_of_losses_beside_the_registry_are_the_registrys() -> None:
    from ae_audit.rules.predicates import LOSS_WORDS
    from ae_audit.static.knowledge.keras import segmentation_models

    known = {*IN_ORDER, *loss_names.GENERAL.values(), loss_families.OWN_DISTANCE}
    assert set(LOSS_WORDS) <= known
    tables = (segmentation_models.CLASSES, segmentation_models.SUMS, segmentation_models.OTHERS)
    assert {name for table in tables for name in table.values()} <= known


def test_running_watches_functions_that_the_theory_knows() -> None:
    pytest.importorskip("keras")
    from ae_audit.runtime.keras import trace
    from ae_audit.runtime.keras.graph import program

    seen = [loss_names.canonical("keras", f"keras.ops.{name}") for name in trace.ENTROPIES]
    seen += [loss_names.canonical("keras", f"tf.nn.{name}") for name in trace.TENSORFLOW_ENTROPIES]
    assert {found[0] for found in seen if found} >= {"bce", "cce", "sparse_cce"}
    assert None not in seen
    assert all(activation_names.canonical("keras", f"keras.ops.{name.lower()}") for name in program._PLAIN)


def test_readings_of_torch_watch_losses_with_a_floor() -> None:
    pytest.importorskip("torch")
    from ae_audit.runtime.torch.readings import AT_ZERO, WITH_FLOORS

    for name in WITH_FLOORS | AT_ZERO:
        loss = find_loss(name)
        assert loss is not None
        assert loss.floor_of is not None or name in AT_ZERO
    losses = [find_loss(name) for name in sorted(AT_ZERO)]
    assert [loss.floor(0.3) for loss in losses if loss is not None] == [0.0] * len(losses)
