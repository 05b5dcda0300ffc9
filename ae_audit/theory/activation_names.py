"""Every spelling of an activation in Keras (1, 2, 3, ``tf.keras``, ``tf.nn``) and PyTorch, and what it stands for."""

from __future__ import annotations

from ae_audit.theory.spellings import Default, Spelling, split

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from collections.abc import Mapping

PARAMETER_ALIASES: dict[str, dict[str, str]] = {
    "leaky_relu": {"alpha": "negative_slope", "leakiness": "negative_slope"},
    "relu": {"alpha": "negative_slope", "theta": "threshold"},
    "hard_tanh": {
        "min_val": "min_value",
        "max_val": "max_value",
        "min": "min_value",
        "max": "max_value",
    },
    "hard_shrink": {"lambd": "threshold", "lambda": "threshold"},
    "soft_shrink": {"lambd": "threshold", "lambda": "threshold"},
    "threshold": {"theta": "threshold", "default_value": "value"},
    "prelu": {"weight": "init"},
}
"""By canonical activation: the frameworks' parameter names to the canonical ones."""


def canonical(framework: str, symbol: str) -> tuple[str, dict[str, Default]] | None:
    """The canonical name of an activation and the parameters that this spelling implies.

    ``canonical("keras", "keras.layers.LeakyReLU")`` is ``("leaky_relu", {"negative_slope": 0.3})``. ``symbol`` is a
    string as given to ``activation=``, or a dotted name, resolved or with the usual short forms (``nn``, ``F``, ``K``,
    ``tf``, ``Tensor``). None where the symbol is no activation of that framework.

    Args:
        framework: ``keras`` (TensorFlow's functions included) or ``torch``.
    """
    spelling = _find(framework, symbol)
    return None if spelling is None else (spelling.name, dict(spelling.defaults))


def arguments(framework: str, symbol: str) -> tuple[str, ...] | None:
    """Canonical names of the positional arguments: ``("input", "axis")`` for ``F.softmax``; None where unknown."""
    spelling = _find(framework, symbol)
    return None if spelling is None else spelling.arguments


def keras_layers() -> tuple[str, ...]:
    """The layers of Keras that are an activation and nothing else."""
    return tuple(_KERAS_LAYERS)


def layer_named(framework: str, name: str) -> str | None:
    """The first layer of a framework that is the canonical activation ``name``: ``"LogSoftmax"`` of ``nn``."""
    return _named(name, _TORCH_MODULES if framework == "torch" else _KERAS_LAYERS)


def function_named(framework: str, name: str) -> str | None:
    """The first function that is: of ``torch`` or its ``nn.functional``, or of ``keras.activations``, a string, too."""
    return _named(name, _TORCH_FUNCTIONS if framework == "torch" else _KERAS_FUNCTIONS)


def _named(name: str, table: Mapping[str, Spelling]) -> str | None:
    return next((symbol for symbol, spelling in table.items() if spelling.name == name), None)


def _find(framework: str, symbol: str) -> Spelling | None:
    namespace, last = split(symbol)
    if framework == "torch":
        if namespace == "torch.special":
            return _TORCH_SPECIAL.get(last)
        if namespace in {"", "torch", "torch.nn", "torch.nn.functional", "Tensor", "torch.Tensor"}:
            return _TORCH_MODULES.get(last) or _TORCH_FUNCTIONS.get(last)
        return None
    if framework != "keras":
        return None
    if namespace == "keras.layers.advanced_activations":
        namespace = "keras.layers"
    if namespace in {"", "keras.layers"} and last in _KERAS_LAYERS:
        return _KERAS_LAYERS[last]
    if namespace == "keras.backend" and last == "hard_sigmoid":
        return _KERAS_FUNCTIONS[last]
    if namespace in {"", "keras.activations", "keras.backend", "keras.ops"}:
        return _KERAS_FUNCTIONS.get(last)
    if namespace.startswith("tf"):
        return _TF_FUNCTIONS.get(last) if namespace in _TF_NAMESPACES else None
    return None


def _elementwise(name: str, *parameters: str, **defaults: Default) -> Spelling:
    return Spelling(name, defaults, ("input", *parameters))


_KERAS_FUNCTIONS: dict[str, Spelling] = {
    "linear": _elementwise("linear"),
    "identity": _elementwise("linear"),
    "relu": _elementwise("relu", "negative_slope", "max_value", "threshold"),
    "relu6": _elementwise("relu6"),
    "leaky_relu": _elementwise("leaky_relu", "negative_slope", negative_slope=0.2),
    "elu": _elementwise("elu", "alpha", alpha=1.0),
    "selu": _elementwise("selu"),
    "celu": _elementwise("celu", "alpha", alpha=1.0),
    "gelu": _elementwise("gelu", "approximate", approximate=False),
    "silu": _elementwise("silu"),
    "swish": _elementwise("silu"),
    "mish": _elementwise("mish"),
    "softplus": _elementwise("softplus"),
    "squareplus": _elementwise("squareplus", "b", b=4.0),
    "sparse_plus": _elementwise("sparse_plus"),
    "softsign": _elementwise("softsign"),
    "soft_sign": _elementwise("softsign"),
    "exponential": _elementwise("exponential"),
    "exp": _elementwise("exponential"),
    "log": _elementwise("log"),
    "abs": _elementwise("abs"),
    "absolute": _elementwise("abs"),
    "square": _elementwise("square"),
    "erf": _elementwise("erf"),
    "arctan": _elementwise("arctan"),
    "sin": _elementwise("sine"),
    "cos": _elementwise("cosine"),
    "sigmoid": _elementwise("sigmoid"),
    "hard_sigmoid": _elementwise("hard_sigmoid"),
    "sparse_sigmoid": _elementwise("sparse_sigmoid"),
    "log_sigmoid": _elementwise("log_sigmoid"),
    "tanh": _elementwise("tanh"),
    "hard_tanh": _elementwise("hard_tanh"),
    "hard_silu": _elementwise("hard_silu"),
    "hard_swish": _elementwise("hard_silu"),
    "tanh_shrink": _elementwise("tanh_shrink"),
    "hard_shrink": _elementwise("hard_shrink", "threshold", threshold=0.5),
    "soft_shrink": _elementwise("soft_shrink", "threshold", threshold=0.5),
    "threshold": _elementwise("threshold", "threshold", "value"),
    "softmax": _elementwise("softmax", "axis", axis=-1),
    "log_softmax": _elementwise("log_softmax", "axis", axis=-1),
    "sparsemax": _elementwise("sparsemax", "axis", axis=-1),
    "glu": _elementwise("glu", "axis", axis=-1),
    "l2_normalize": _elementwise("unit_norm", "axis", axis=-1),
    "normalize": _elementwise("unit_norm", "axis", axis=-1),
}
"""Of ``keras.activations``, ``keras.ops`` and ``keras.backend``, and the strings that ``activation=`` takes."""

_KERAS_LAYERS: dict[str, Spelling] = {
    "ReLU": Spelling("relu", {}, ("max_value", "negative_slope", "threshold")),
    "LeakyReLU": Spelling("leaky_relu", {"negative_slope": 0.3}, ("negative_slope",)),
    "PReLU": Spelling("prelu", {"init": 0.0}, ("initializer",)),
    "ELU": Spelling("elu", {"alpha": 1.0}, ("alpha",)),
    "ThresholdedReLU": Spelling("threshold", {"threshold": 1.0, "value": 0.0}, ("threshold",)),
    "Softmax": Spelling("softmax", {"axis": -1}, ("axis",)),
    "UnitNormalization": Spelling("unit_norm", {"axis": -1}, ("axis",)),
    "Identity": Spelling("linear"),
}

_TF_NAMESPACES = frozenset(
    {"tf", "tf.nn", "tf.math", "tf.linalg", "tf.compat.v1", "tf.compat.v1.nn", "tf.compat.v1.math"}
)
_TF_FUNCTIONS: dict[str, Spelling] = {
    "identity": _elementwise("linear", "name"),
    "relu": _elementwise("relu", "name"),
    "relu6": _elementwise("relu6", "name"),
    "leaky_relu": _elementwise("leaky_relu", "negative_slope", "name", negative_slope=0.2),
    "elu": _elementwise("elu", "name"),
    "selu": _elementwise("selu", "name"),
    "gelu": _elementwise("gelu", "approximate", "name", approximate=False),
    "silu": _elementwise("silu", "beta", beta=1.0),
    "swish": _elementwise("silu", "beta", beta=1.0),
    "softplus": _elementwise("softplus", "name"),
    "softsign": _elementwise("softsign", "name"),
    "sigmoid": _elementwise("sigmoid", "name"),
    "log_sigmoid": _elementwise("log_sigmoid", "name"),
    "tanh": _elementwise("tanh", "name"),
    "exp": _elementwise("exponential", "name"),
    "log": _elementwise("log", "name"),
    "abs": _elementwise("abs", "name"),
    "square": _elementwise("square", "name"),
    "erf": _elementwise("erf", "name"),
    "atan": _elementwise("arctan", "name"),
    "sin": _elementwise("sine", "name"),
    "cos": _elementwise("cosine", "name"),
    "softmax": _elementwise("softmax", "axis", "name", axis=-1),
    "log_softmax": _elementwise("log_softmax", "axis", "name", axis=-1),
    "l2_normalize": _elementwise("unit_norm", "axis", "epsilon"),
}

_TORCH_MODULES: dict[str, Spelling] = {
    "Identity": Spelling("linear"),
    "ReLU": Spelling("relu", {}, ("inplace",)),
    "ReLU6": Spelling("relu6", {}, ("inplace",)),
    "LeakyReLU": Spelling("leaky_relu", {"negative_slope": 0.01}, ("negative_slope", "inplace")),
    "PReLU": Spelling("prelu", {"init": 0.25}, ("num_parameters", "init")),
    "RReLU": Spelling("rrelu", {"lower": 1.0 / 8.0, "upper": 1.0 / 3.0}, ("lower", "upper", "inplace")),
    "ELU": Spelling("elu", {"alpha": 1.0}, ("alpha", "inplace")),
    "SELU": Spelling("selu", {}, ("inplace",)),
    "CELU": Spelling("celu", {"alpha": 1.0}, ("alpha", "inplace")),
    "GELU": Spelling("gelu", {"approximate": "none"}, ("approximate",)),
    "GLU": Spelling("glu", {"axis": -1}, ("axis",)),
    "SiLU": Spelling("silu", {}, ("inplace",)),
    "Mish": Spelling("mish", {}, ("inplace",)),
    "Softplus": Spelling("softplus", {"beta": 1.0, "threshold": 20.0}, ("beta", "threshold")),
    "Softsign": Spelling("softsign"),
    "Sigmoid": Spelling("sigmoid"),
    "LogSigmoid": Spelling("log_sigmoid"),
    "Hardsigmoid": Spelling("hard_sigmoid", {}, ("inplace",)),
    "Tanh": Spelling("tanh"),
    "Hardtanh": Spelling("hard_tanh", {"min_value": -1.0, "max_value": 1.0}, ("min_value", "max_value", "inplace")),
    "Tanhshrink": Spelling("tanh_shrink"),
    "Hardswish": Spelling("hard_silu", {}, ("inplace",)),
    "Hardshrink": Spelling("hard_shrink", {"threshold": 0.5}, ("threshold",)),
    "Softshrink": Spelling("soft_shrink", {"threshold": 0.5}, ("threshold",)),
    "Threshold": Spelling("threshold", {}, ("threshold", "value", "inplace")),
    "Softmax": Spelling("softmax", {}, ("axis",)),
    "Softmin": Spelling("softmin", {}, ("axis",)),
    "Softmax2d": Spelling("softmax", {"axis": -3}),
    "LogSoftmax": Spelling("log_softmax", {}, ("axis",)),
}

_TORCH_FUNCTIONS: dict[str, Spelling] = {
    "relu": _elementwise("relu", "inplace"),
    "relu6": _elementwise("relu6", "inplace"),
    "leaky_relu": _elementwise("leaky_relu", "negative_slope", "inplace", negative_slope=0.01),
    "prelu": _elementwise("prelu", "init"),
    "rrelu": _elementwise("rrelu", "lower", "upper", "training", "inplace", lower=1.0 / 8.0, upper=1.0 / 3.0),
    "elu": _elementwise("elu", "alpha", "inplace", alpha=1.0),
    "selu": _elementwise("selu", "inplace"),
    "celu": _elementwise("celu", "alpha", "inplace", alpha=1.0),
    "gelu": _elementwise("gelu", approximate="none"),
    "glu": _elementwise("glu", "axis", axis=-1),
    "silu": _elementwise("silu", "inplace"),
    "mish": _elementwise("mish", "inplace"),
    "softplus": _elementwise("softplus", "beta", "threshold", beta=1.0, threshold=20.0),
    "softsign": _elementwise("softsign"),
    "sigmoid": _elementwise("sigmoid"),
    "logsigmoid": _elementwise("log_sigmoid"),
    "hardsigmoid": _elementwise("hard_sigmoid", "inplace"),
    "tanh": _elementwise("tanh"),
    "hardtanh": _elementwise("hard_tanh", "min_value", "max_value", "inplace", min_value=-1.0, max_value=1.0),
    "tanhshrink": _elementwise("tanh_shrink"),
    "hardswish": _elementwise("hard_silu", "inplace"),
    "hardshrink": _elementwise("hard_shrink", "threshold", threshold=0.5),
    "softshrink": _elementwise("soft_shrink", "threshold", threshold=0.5),
    "threshold": _elementwise("threshold", "threshold", "value", "inplace"),
    "softmax": _elementwise("softmax", "axis"),
    "softmin": _elementwise("softmin", "axis"),
    "log_softmax": _elementwise("log_softmax", "axis"),
    "gumbel_softmax": _elementwise("gumbel_softmax", "tau", "hard", "eps", "axis", axis=-1),
    "normalize": _elementwise("unit_norm", "p", "axis", axis=1),
    "exp": _elementwise("exponential"),
    "log": _elementwise("log"),
    "abs": _elementwise("abs"),
    "square": _elementwise("square"),
    "erf": _elementwise("erf"),
    "atan": _elementwise("arctan"),
    "arctan": _elementwise("arctan"),
    "sin": _elementwise("sine"),
    "cos": _elementwise("cosine"),
}

_TORCH_SPECIAL: dict[str, Spelling] = {
    "expit": _elementwise("sigmoid"),
    "erf": _elementwise("erf"),
    "softmax": _elementwise("softmax", "axis"),
    "log_softmax": _elementwise("log_softmax", "axis"),
}
