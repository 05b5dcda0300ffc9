"""Every spelling of the frameworks is in the tables, or left out for a stated reason."""

from __future__ import annotations

import inspect
from types import ModuleType

import pytest

from ae_audit.theory import activations, losses
from ae_audit.theory.activations import ELEMENTWISE, VECTOR, find_activation
from ae_audit.theory.losses import LOSSES, RELATIONAL, find_loss

NOT_ACTIVATIONS = {
    "deserialize": "reads a configuration",
    "serialize": "writes a configuration",
    "get": "looks a name up",
    "MultiheadAttention": "a layer with weights of its own: its output is unbounded",
}
NOT_LOSSES = {
    "deserialize": "reads a configuration",
    "serialize": "writes a configuration",
    "get": "looks a name up",
    "Loss": "the abstract base class",
    "LossFunctionWrapper": "the base class of Keras's own losses",
}
ACTIVATION_LAYERS = ("ReLU", "LeakyReLU", "PReLU", "ELU", "Softmax", "UnitNormalization", "Identity")


def _public(module: ModuleType) -> list[str]:
    return [name for name in dir(module) if not name.startswith("_") and callable(getattr(module, name))]


def _assert_activation(framework: str, symbol: str) -> None:
    found = activations.canonical(framework, symbol)
    assert found is not None, f"{symbol} is missing"
    name, parameters = found
    assert name in ELEMENTWISE | VECTOR
    assert find_activation(name, **parameters) is not None
    assert activations.arguments(framework, symbol) is not None


def _assert_loss(framework: str, symbol: str) -> None:
    found = losses.canonical(framework, symbol)
    assert found is not None, f"{symbol} is missing"
    name, parameters = found
    assert name in LOSSES | set(RELATIONAL)
    assert (find_loss(name, **parameters) is None) == (name in RELATIONAL)  # type: ignore[arg-type]
    assert losses.arguments(framework, symbol) is not None


def test_every_keras_activation(keras: ModuleType) -> None:
    for name in _public(keras.activations):
        if name not in NOT_ACTIVATIONS:
            for symbol in (name, f"keras.activations.{name}", f"tf.keras.activations.{name}"):
                _assert_activation("keras", symbol)
    for name in ACTIVATION_LAYERS:
        assert hasattr(keras.layers, name)
        _assert_activation("keras", f"keras.layers.{name}")


def test_every_keras_activation_operation(keras: ModuleType) -> None:
    shared = set(_public(keras.ops)) & set(_public(keras.activations))
    assert "softmax" in shared
    for name in shared:
        _assert_activation("keras", f"keras.ops.{name}")


def test_every_string_that_keras_takes(keras: ModuleType) -> None:
    from keras.src.activations import ALL_OBJECTS_DICT as ACTIVATIONS
    from keras.src.losses import ALL_OBJECTS_DICT as LOSS_STRINGS

    for name in ACTIVATIONS:
        _assert_activation("keras", str(name))
    for name in LOSS_STRINGS:
        if name not in NOT_LOSSES:
            _assert_loss("keras", str(name))


def test_every_torch_activation(torch: ModuleType) -> None:
    names = torch.nn.modules.activation.__all__
    for name in names:
        if name not in NOT_ACTIVATIONS:
            for symbol in (f"nn.{name}", f"torch.nn.{name}", f"torch.nn.modules.activation.{name}"):
                _assert_activation("torch", symbol)
    functions = {name.lower() for name in names} & set(_public(torch.nn.functional))
    functions |= {"leaky_relu", "log_softmax", "gumbel_softmax", "logsigmoid"}
    for function in functions:
        for symbol in (f"F.{function}", f"torch.nn.functional.{function}"):
            _assert_activation("torch", symbol)
        if hasattr(torch.nn.functional, function + "_"):
            _assert_activation("torch", f"F.{function}_")


def test_every_keras_loss(keras: ModuleType) -> None:
    for name in _public(keras.losses):
        if name not in NOT_LOSSES:
            for symbol in (f"keras.losses.{name}", f"tf.keras.losses.{name}", f"tensorflow.keras.losses.{name}"):
                _assert_loss("keras", symbol)


def test_every_torch_loss(torch: ModuleType) -> None:
    for name in torch.nn.modules.loss.__all__:
        _assert_loss("torch", f"nn.{name}")
    functions = [name for name in _public(torch.nn.functional) if name.endswith("_loss") or "cross_entropy" in name]
    assert len(functions) > 15
    for name in [*functions, "kl_div"]:
        _assert_loss("torch", f"torch.nn.functional.{name}")


def test_every_tensorflow_loss() -> None:
    tensorflow = pytest.importorskip("tensorflow")
    for name in _public(tensorflow.nn):
        if "cross_entropy" in name or (name.endswith("_loss") and name not in {"scale_regularization_loss"}):
            if name == "compute_average_loss":  # an average of losses that were computed before
                continue
            _assert_loss("keras", f"tf.nn.{name}")
    computing = [name for name in _public(tensorflow.compat.v1.losses) if not name.startswith(("get_", "add_"))]
    for name in computing:
        if name not in {"Reduction", "compute_weighted_loss"}:
            _assert_loss("keras", f"tf.compat.v1.losses.{name}")


@pytest.mark.parametrize(
    ("framework", "symbols", "expected"),
    [
        (
            "torch",
            "softmax nn.Softmax torch.nn.functional.softmax F.softmax torch.softmax Tensor.softmax "
            "torch.special.softmax",
            ("softmax", {}),
        ),
        (
            "keras",
            "softmax keras.layers.Softmax tf.nn.softmax keras.activations.softmax keras.ops.softmax K.softmax "
            "tf.keras.activations.softmax tensorflow.keras.layers.Softmax keras.src.activations.activations.softmax",
            ("softmax", {"axis": -1}),
        ),
        ("torch", "nn.LeakyReLU F.leaky_relu F.leaky_relu_", ("leaky_relu", {"negative_slope": 0.01})),
        ("keras", "keras.layers.LeakyReLU", ("leaky_relu", {"negative_slope": 0.3})),
        ("keras", "leaky_relu tf.nn.leaky_relu keras.ops.leaky_relu", ("leaky_relu", {"negative_slope": 0.2})),
        ("torch", "nn.Softmax2d", ("softmax", {"axis": -3})),
        ("torch", "torch.sigmoid F.sigmoid nn.Sigmoid torch.Tensor.sigmoid_ torch.special.expit", ("sigmoid", {})),
    ],
)
def test_activations_under_their_many_names(framework: str, symbols: str, expected: tuple[str, object]) -> None:
    for symbol in symbols.split():
        assert activations.canonical(framework, symbol) == expected, symbol


@pytest.mark.parametrize(
    ("framework", "symbol", "name", "from_logits"),
    [
        ("keras", "mse", "mse", False),
        ("keras", "MSE", "mse", False),
        ("keras", "mean_squared_error", "mse", False),
        ("keras", "keras.objectives.mean_squared_error", "mse", False),
        ("keras", "kullback_leibler_divergence", "kl_divergence", False),
        ("keras", "cosine_proximity", "cosine_similarity", False),
        ("keras", "keras.backend.binary_crossentropy", "bce", False),
        ("keras", "tf.keras.backend.binary_crossentropy", "bce", False),
        ("keras", "tf.nn.sigmoid_cross_entropy_with_logits", "bce", True),
        ("keras", "tf.losses.BinaryCrossentropy", "bce", False),
        ("keras", "tf.compat.v1.losses.sigmoid_cross_entropy", "bce", True),
        ("keras", "tf.nn.sparse_softmax_cross_entropy_with_logits", "sparse_cce", True),
        ("torch", "nn.BCELoss", "bce", False),
        ("torch", "nn.BCEWithLogitsLoss", "bce", True),
        ("torch", "F.binary_cross_entropy_with_logits", "bce", True),
        ("torch", "nn.CrossEntropyLoss", "cross_entropy", True),
        ("torch", "nn.NLLLoss", "nll", False),
        ("torch", "torchvision.ops.sigmoid_focal_loss", "binary_focal", True),
        ("torch", "nn.MultiLabelSoftMarginLoss", "bce", True),
    ],
)
def test_losses_under_their_many_names(framework: str, symbol: str, name: str, from_logits: bool) -> None:
    found = losses.canonical(framework, symbol)
    assert found is not None
    assert (found[0], found[1].get("from_logits", False)) == (name, from_logits)


@pytest.mark.parametrize(
    ("framework", "symbol"),
    [
        ("torch", "keras.layers.Softmax"),
        ("keras", "nn.Softmax"),
        ("keras", "keras.layers.Dense"),
        ("torch", "mymodule.softmax"),
        ("keras", "mypackage.losses.bce"),
        ("jax", "softmax"),
        ("keras", ""),
    ],
)
def test_what_is_none_of_theirs_has_no_name(framework: str, symbol: str) -> None:
    assert activations.canonical(framework, symbol) is None
    assert losses.canonical(framework, symbol) is None


ARGUMENT_ALIASES = {
    "dim": "axis", "lambd": "threshold", "min_val": "min_value", "max_val": "max_value", "default_value": "value",
    "theta": "threshold", "x": "input", "features": "input", "logits": "input", "alpha_initializer": "initializer",
    "y_true": "target", "y_pred": "prediction", "var": "variance",
}  # fmt: skip


def test_positional_arguments_are_the_frameworks(keras: ModuleType, torch: ModuleType) -> None:
    """The order of arguments in the tables is that of the installed signatures."""
    checked = 0
    for framework, module, prefix, table in (
        ("keras", keras.activations, "keras.activations", activations),
        ("keras", keras.losses, "keras.losses", losses),
        ("torch", torch.nn, "torch.nn", activations),
        ("torch", torch.nn, "torch.nn", losses),
        ("torch", torch.nn.functional, "torch.nn.functional", activations),
        ("torch", torch.nn.functional, "torch.nn.functional", losses),
    ):
        for name in _public(module):
            symbol = f"{prefix}.{name}"
            ours = table.arguments(framework, symbol)
            found = table.canonical(framework, symbol)
            if ours is None or found is None or found[0] in RELATIONAL or name in {"prelu", "PReLU"}:
                continue
            try:
                parameters = inspect.signature(getattr(module, name)).parameters.values()
            except ValueError:
                continue
            positional = [
                p.name
                for p in parameters
                if p.kind in {p.POSITIONAL_OR_KEYWORD, p.POSITIONAL_ONLY} and p.name != "dtype"
            ]
            theirs = [ARGUMENT_ALIASES.get(p, p) for p in positional]
            if table is losses and framework == "torch" and prefix.endswith("functional"):
                theirs = ["prediction", *theirs[1:]]
                if name == "cosine_similarity":
                    theirs[1] = "target"
            for position, argument in enumerate(ours[: len(theirs)]):
                if argument in {"negative_slope", "value", "threshold"} and theirs[position] in {"alpha", "threshold"}:
                    continue
                if theirs[position] in {"args", "_stacklevel", "name"}:
                    break
                assert argument == theirs[position], (symbol, ours, theirs)
                checked += 1
    assert checked > 150
