"""Every spelling of a loss in Keras (1, 2, 3, ``tf.keras``, ``tf.nn``, ``tf.losses``) and PyTorch."""

from __future__ import annotations

from ae_audit.theory.spellings import Default, Spelling, split

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from collections.abc import Mapping

PARAMETER_ALIASES: dict[str, dict[str, str]] = {
    "smooth_l1": {"delta": "beta"},
    "gaussian_nll": {"var": "variance"},
}
"""By canonical loss: the frameworks' parameter names to the canonical ones."""

SYMMETRIC = frozenset({"mse", "mae", "smooth_l1", "huber", "log_cosh", "cosine_similarity"})
"""Losses that are the same with prediction and target exchanged."""
GENERAL = {"cce": "cross_entropy", "sparse_cce": "cross_entropy"}
"""Losses that torch has under one name: which of them ``cross_entropy`` is, its target says."""
RELATIONAL: dict[str, str] = {
    "ctc": "aligns a sequence of class scores with a shorter sequence of labels",
    "circle": "compares the embeddings of pairs of samples",
    "critic_score": "raises or lowers the mean of what a network gives, and has no target",
    "cosine_embedding": "compares two predictions, with a label that says whether they belong together",
    "gradient_penalty": "draws the length of a derivative of the output to a number",
    "hinge_embedding": "takes its prediction for a distance between two samples",
    "margin_ranking": "ranks two predictions",
    "policy_gradient": "makes what pays more likely, and has no target",
    "residual": "draws an expression in derivatives of the output to zero: a differential equation",
    "triplet_margin": "compares the embeddings of three samples",
    "own_output_layer": "applies its own output layer: the prediction that meets the target never leaves it",
    "pairwise_mse": "compares differences between the values of one sample",
    "sampled_softmax": "applies its own output layer to a sample of the classes",
    "wasserstein": "sets the mean of what a network gives for some samples against that for others",
}
"""Losses without a prediction that could be compared with a target value by value: named, but without theory."""
WITHOUT_TARGET = frozenset({"critic_score", "gradient_penalty", "policy_gradient", "residual", "wasserstein"})
"""Those among them that compare the output with no data at all."""


def canonical(framework: str, symbol: str) -> tuple[str, dict[str, Default]] | None:
    """The canonical name of a loss and the parameters that this spelling implies.

    ``canonical("torch", "nn.BCEWithLogitsLoss")`` is ``("bce", {"from_logits": True, "reduction": "mean"})``. The keys
    ``from_logits`` and ``reduction`` are there wherever the spelling decides them; what a call may override (Keras's
    ``from_logits=False``) is the caller's to fill in. Keras's function forms return one loss a sample or vector:
    ``reduction`` is ``none``. The name may be one of :data:`RELATIONAL`. None where the symbol is no loss of that
    framework.

    Args:
        framework: ``keras`` (TensorFlow's functions included) or ``torch`` (torchvision's included).
        symbol: a string as given to ``loss=``, or a dotted name, resolved or with the usual short forms.
    """
    spelling = _find(framework, symbol)
    return None if spelling is None else (spelling.name, dict(spelling.defaults))


def arguments(framework: str, symbol: str) -> tuple[str, ...] | None:
    """Canonical names of the positional arguments, ``prediction`` and ``target`` among them; None where unknown."""
    spelling = _find(framework, symbol)
    return None if spelling is None else spelling.arguments


def _find(framework: str, symbol: str) -> Spelling | None:
    namespace, last = split(symbol)
    if framework == "torch":
        if namespace in {"", "torchvision.ops", "torchvision.ops.focal_loss"} and last == "sigmoid_focal_loss":
            return _TORCHVISION_FOCAL
        if namespace in {"", "torch", "torch.nn", "torch.nn.functional"}:
            return _TORCH_MODULES.get(last) or _TORCH_FUNCTIONS.get(last)
        return None
    if framework != "keras":
        return None
    if namespace == "keras.objectives":  # Keras 1
        namespace = "keras.losses"
    if namespace == "" and last in _KERAS_STRINGS:
        return _KERAS_STRINGS[last]
    if namespace in {"", "keras.losses", "keras.metrics"}:
        return _KERAS_CLASSES.get(last) or _KERAS_FUNCTIONS.get(last)
    if namespace in {"keras.backend", "keras.ops"}:
        return _KERAS_BACKEND.get(last)
    if namespace in {"tf.nn", "tf.compat.v1.nn"}:
        return _TF_NN.get(last)
    if namespace in {"tf.losses", "tf.compat.v1.losses"}:
        # In TensorFlow 2, tf.losses is keras.losses.
        return _TF1_LOSSES.get(last) or _KERAS_CLASSES.get(last) or _KERAS_FUNCTIONS.get(last)
    return None


def _aliased(table: dict[str, Spelling], aliases: dict[str, str]) -> dict[str, Spelling]:
    return table | {alias: table[name] for alias, name in aliases.items()}


_Y_P = ("target", "prediction")


def _keras_class(name: str, *arguments: str, **defaults: Default) -> Spelling:
    return Spelling(name, {**defaults, "reduction": "sum_over_batch_size"}, arguments)


def _keras_function(name: str, *arguments: str, **defaults: Default) -> Spelling:
    return Spelling(name, {**defaults, "reduction": "none"}, (*_Y_P, *arguments))


_RN = ("reduction", "name")
_KERAS_CLASSES: dict[str, Spelling] = {
    "MeanSquaredError": _keras_class("mse", *_RN),
    "MeanAbsoluteError": _keras_class("mae", *_RN),
    "MeanAbsolutePercentageError": _keras_class("mape", *_RN),
    "MeanSquaredLogarithmicError": _keras_class("msle", *_RN),
    "Huber": _keras_class("huber", "delta", *_RN, delta=1.0),
    "LogCosh": _keras_class("log_cosh", *_RN),
    "CosineSimilarity": _keras_class("cosine_similarity", "axis", *_RN, axis=-1),
    "BinaryCrossentropy": _keras_class("bce", "from_logits", "label_smoothing", "axis", *_RN),
    "BinaryFocalCrossentropy": _keras_class(
        "binary_focal", "apply_class_balancing", "alpha", "gamma", "from_logits", "label_smoothing", "axis", *_RN
    ),
    "CategoricalCrossentropy": _keras_class("cce", "from_logits", "label_smoothing", "axis", *_RN, axis=-1),
    "CategoricalFocalCrossentropy": _keras_class(
        "categorical_focal", "alpha", "gamma", "from_logits", "label_smoothing", "axis", *_RN, axis=-1
    ),
    "CategoricalGeneralizedCrossEntropy": _keras_class("generalized_cross_entropy", "q", *_RN, q=0.5),
    "SparseCategoricalCrossentropy": _keras_class(
        "sparse_cce", "from_logits", "ignore_class", "reduction", "axis", "name", axis=-1
    ),
    "CategoricalHinge": _keras_class("categorical_hinge", *_RN),
    "Hinge": _keras_class("hinge", *_RN, converts_binary=True),
    "SquaredHinge": _keras_class("squared_hinge", *_RN, converts_binary=True),
    "KLDivergence": _keras_class("kl_divergence", *_RN),
    "Poisson": _keras_class("poisson", *_RN),
    "Dice": _keras_class("dice", *_RN),
    "Tversky": _keras_class("tversky", "alpha", "beta", *_RN),
    "CTC": _keras_class("ctc", *_RN),
    "Circle": _keras_class("circle", "gamma", "margin", "remove_diagonal", *_RN),
}

_KERAS_FUNCTIONS: dict[str, Spelling] = _aliased(
    {
        "mean_squared_error": _keras_function("mse"),
        "mean_absolute_error": _keras_function("mae"),
        "mean_absolute_percentage_error": _keras_function("mape"),
        "mean_squared_logarithmic_error": _keras_function("msle"),
        "huber": _keras_function("huber", "delta", delta=1.0),
        "log_cosh": _keras_function("log_cosh"),
        "cosine_similarity": _keras_function("cosine_similarity", "axis", axis=-1),
        "binary_crossentropy": _keras_function("bce", "from_logits", "label_smoothing", "axis"),
        "binary_focal_crossentropy": _keras_function(
            "binary_focal", "apply_class_balancing", "alpha", "gamma", "from_logits", "label_smoothing", "axis"
        ),
        "categorical_crossentropy": _keras_function("cce", "from_logits", "label_smoothing", "axis", axis=-1),
        "categorical_focal_crossentropy": _keras_function(
            "categorical_focal", "alpha", "gamma", "from_logits", "label_smoothing", "axis", axis=-1
        ),
        "categorical_generalized_cross_entropy": _keras_function("generalized_cross_entropy", "q"),
        "sparse_categorical_crossentropy": _keras_function(
            "sparse_cce", "from_logits", "ignore_class", "axis", axis=-1
        ),
        "categorical_hinge": _keras_function("categorical_hinge"),
        "hinge": _keras_function("hinge", converts_binary=True),
        "squared_hinge": _keras_function("squared_hinge", converts_binary=True),
        "kl_divergence": _keras_function("kl_divergence"),
        "poisson": _keras_function("poisson"),
        "dice": _keras_function("dice", "axis"),
        "tversky": _keras_function("tversky", "alpha", "beta", "axis"),
        "ctc": _keras_function("ctc"),
        "circle": _keras_function("circle"),
    },
    {
        "mse": "mean_squared_error",
        "MSE": "mean_squared_error",
        "mae": "mean_absolute_error",
        "MAE": "mean_absolute_error",
        "mape": "mean_absolute_percentage_error",
        "MAPE": "mean_absolute_percentage_error",
        "msle": "mean_squared_logarithmic_error",
        "MSLE": "mean_squared_logarithmic_error",
        "bce": "binary_crossentropy",
        "BCE": "binary_crossentropy",
        "kld": "kl_divergence",
        "KLD": "kl_divergence",
        "kullback_leibler_divergence": "kl_divergence",
        "cosine": "cosine_similarity",
        "cosine_proximity": "cosine_similarity",
        "logcosh": "log_cosh",
        "huber_loss": "huber",
    },
)

_KERAS_STRINGS: dict[str, Spelling] = {
    name: Spelling(spelling.name, {**spelling.defaults, "reduction": "sum_over_batch_size"}, spelling.arguments)
    for name, spelling in _KERAS_FUNCTIONS.items()
}
"""A string given to ``compile(loss=…)``: the function, averaged over the batch."""

_KERAS_BACKEND: dict[str, Spelling] = {
    "binary_crossentropy": _keras_function("bce", "from_logits"),
    "binary_focal_crossentropy": _keras_function(
        "binary_focal", "apply_class_balancing", "alpha", "gamma", "from_logits"
    ),
    "categorical_crossentropy": _keras_function("cce", "from_logits", "axis", axis=-1),
    "categorical_focal_crossentropy": _keras_function(
        "categorical_focal", "alpha", "gamma", "from_logits", "axis", axis=-1
    ),
    "sparse_categorical_crossentropy": _keras_function("sparse_cce", "from_logits", "axis", axis=-1),
    "ctc_batch_cost": _keras_function("ctc"),
    "ctc_loss": _keras_function("ctc"),
}
"""Of ``keras.backend`` and ``keras.ops``; ``binary_crossentropy`` here is one loss a value."""

_TF_NN: dict[str, Spelling] = {
    "sigmoid_cross_entropy_with_logits": _keras_function("bce", from_logits=True),
    "weighted_cross_entropy_with_logits": _keras_function("bce", "pos_weight", from_logits=True),
    "softmax_cross_entropy_with_logits": _keras_function("cce", "axis", from_logits=True, axis=-1),
    "softmax_cross_entropy_with_logits_v2": _keras_function("cce", "axis", from_logits=True, axis=-1),
    "sparse_softmax_cross_entropy_with_logits": _keras_function("sparse_cce", from_logits=True, axis=-1),
    "log_poisson_loss": _keras_function("poisson", log_input=True),
    "l2_loss": Spelling("mse", {"reduction": "sum", "scale": 0.5}, ("difference",)),
    "ctc_loss": _keras_function("ctc"),
    "nce_loss": _keras_function("sampled_softmax"),
    "sampled_softmax_loss": _keras_function("sampled_softmax"),
}
"""One loss a value or vector; only ``l2_loss`` takes a single argument, the difference of prediction and target."""


def _tf1(name: str, *arguments: str, **defaults: Default) -> Spelling:
    return Spelling(name, {**defaults, "reduction": "mean"}, arguments or (*_Y_P, "weights"))


_LABELS_LOGITS = ("target", "prediction", "weights", "label_smoothing")
_TF1_LOSSES: dict[str, Spelling] = {
    "mean_squared_error": _tf1("mse"),
    "absolute_difference": _tf1("mae"),
    "huber_loss": _tf1("huber", "target", "prediction", "weights", "delta", delta=1.0),
    "log_loss": _tf1("bce"),
    "sigmoid_cross_entropy": _tf1("bce", *_LABELS_LOGITS, from_logits=True),
    "softmax_cross_entropy": _tf1("cce", *_LABELS_LOGITS, from_logits=True, axis=-1),
    "sparse_softmax_cross_entropy": _tf1("sparse_cce", from_logits=True, axis=-1),
    "hinge_loss": _tf1("hinge", converts_binary=True),
    "cosine_distance": _tf1("cosine_similarity", "target", "prediction", "axis"),
    "mean_pairwise_squared_error": _tf1("pairwise_mse"),
}


def _torch_class(name: str, *arguments: str, **defaults: Default) -> Spelling:
    return Spelling(name, {**defaults, "reduction": "mean"}, arguments)


def _torch_function(name: str, *arguments: str, **defaults: Default) -> Spelling:
    return Spelling(name, {**defaults, "reduction": "mean"}, ("prediction", "target", *arguments))


_OLD = ("size_average", "reduce", "reduction")
_CLASSES = ("weight", "size_average", "ignore_index", "reduce", "reduction")
_TORCH: tuple[tuple[str, str, str, tuple[str, ...], dict[str, Default]], ...] = (
    ("MSELoss", "mse_loss", "mse", _OLD, {}),
    ("L1Loss", "l1_loss", "mae", _OLD, {}),
    ("HuberLoss", "huber_loss", "huber", ("reduction", "delta"), {"delta": 1.0}),
    ("SmoothL1Loss", "smooth_l1_loss", "smooth_l1", (*_OLD, "beta"), {"beta": 1.0}),
    ("BCELoss", "binary_cross_entropy", "bce", ("weight", *_OLD), {}),
    ("BCEWithLogitsLoss", "binary_cross_entropy_with_logits", "bce", ("weight", *_OLD, "pos_weight"),
     {"from_logits": True}),
    ("MultiLabelSoftMarginLoss", "multilabel_soft_margin_loss", "bce", ("weight", *_OLD), {"from_logits": True}),
    ("CrossEntropyLoss", "cross_entropy", "cross_entropy", (*_CLASSES, "label_smoothing"),
     {"from_logits": True, "axis": 1}),
    ("NLLLoss", "nll_loss", "nll", _CLASSES, {"axis": 1}),
    ("KLDivLoss", "kl_div", "kl_divergence", (*_OLD, "log_target"), {"log_input": True}),
    ("PoissonNLLLoss", "poisson_nll_loss", "poisson",
     ("log_input", "full", "size_average", "eps", "reduce", "reduction"), {"log_input": True}),
    ("SoftMarginLoss", "soft_margin_loss", "soft_margin", _OLD, {}),
    ("MultiMarginLoss", "multi_margin_loss", "multi_margin", ("p", "margin", "weight", *_OLD), {}),
    ("MultiLabelMarginLoss", "multilabel_margin_loss", "multilabel_margin", _OLD, {}),
    ("HingeEmbeddingLoss", "hinge_embedding_loss", "hinge_embedding", ("margin", *_OLD), {}),
)  # fmt: skip
"""Losses that torch has as a class and as a function: both names, ours, what comes after prediction and target, and
what is implied. ``CrossEntropyLoss`` takes class indices or distributions; ``cross_entropy`` stands for both. Its class
axis is 1."""

_TORCH_MODULES: dict[str, Spelling] = {
    **{module: _torch_class(name, *given, **implied) for module, _, name, given, implied in _TORCH},
    "NLLLoss2d": _torch_class("nll", *_CLASSES, axis=1),
    "GaussianNLLLoss": _torch_class("gaussian_nll"),
    "CosineEmbeddingLoss": _torch_class("cosine_embedding", "margin", *_OLD),
    "MarginRankingLoss": _torch_class("margin_ranking", "margin", *_OLD),
    "TripletMarginLoss": _torch_class("triplet_margin", "margin", "p", "eps", "swap", *_OLD),
    "TripletMarginWithDistanceLoss": _torch_class("triplet_margin"),
    "CTCLoss": _torch_class("ctc", "blank", "reduction", "zero_infinity"),
    "CosineSimilarity": Spelling("cosine_similarity", {"axis": 1, "reduction": "none"}, ("axis", "eps")),
    "LinearCrossEntropyLoss": _torch_class("own_output_layer"),
    "AdaptiveLogSoftmaxWithLoss": _torch_class("own_output_layer"),
}

_TORCH_FUNCTIONS: dict[str, Spelling] = {
    **{function: _torch_function(name, *given, **implied) for _, function, name, given, implied in _TORCH},
    "gaussian_nll_loss": _torch_function("gaussian_nll", "variance", "full", "eps", "reduction"),
    "cosine_similarity": Spelling(
        "cosine_similarity", {"axis": 1, "reduction": "none"}, ("prediction", "target", "axis", "eps")
    ),
    "cosine_embedding_loss": Spelling("cosine_embedding", {"reduction": "mean"}, ("input1", "input2", "target")),
    "margin_ranking_loss": Spelling("margin_ranking", {"reduction": "mean"}, ("input1", "input2", "target")),
    "triplet_margin_loss": Spelling("triplet_margin", {"reduction": "mean"}, ("anchor", "positive", "negative")),
    "triplet_margin_with_distance_loss": Spelling(
        "triplet_margin", {"reduction": "mean"}, ("anchor", "positive", "negative")
    ),
    "ctc_loss": _torch_function("ctc"),
    "linear_cross_entropy": _torch_function("own_output_layer"),
}

_TORCHVISION_FOCAL = Spelling(
    "binary_focal",
    {"from_logits": True, "apply_class_balancing": True, "alpha": 0.25, "gamma": 2.0, "reduction": "none"},
    ("prediction", "target", "alpha", "gamma", "reduction"),
)


def spellings(framework: str) -> tuple[str, ...]:
    """The short names of that framework's losses: strings, functions and classes."""
    if framework == "torch":
        return (*_TORCH_MODULES, *_TORCH_FUNCTIONS)
    return (*_KERAS_STRINGS, *_KERAS_CLASSES)


def backend_functions() -> tuple[str, ...]:
    """The losses of ``keras.backend`` and ``keras.ops``, by their names there."""
    return tuple(_KERAS_BACKEND)


def class_of(framework: str, name: str, implied: dict[str, Default]) -> str | None:
    """The class of a framework that computes the canonical loss ``name`` with the ``implied`` parameters, if any does.

    Whether it takes logits is part of a class in torch and a parameter in Keras.
    """
    table = _TORCH_MODULES if framework == "torch" else _KERAS_CLASSES
    wanted = _essential(implied, framework)
    same = (symbol for symbol, spelling in table.items() if spelling.name == name)
    return next((symbol for symbol in same if _essential(table[symbol].defaults, framework) == wanted), None)


def class_named(framework: str, name: str, *, from_logits: bool = False) -> str | None:
    """The first class of a framework that computes the canonical loss ``name``, with its parameters as they may be.

    ``class_named("torch", "bce", from_logits=True)`` is ``"BCEWithLogitsLoss"``; in Keras logits are a parameter, so
    ``from_logits`` asks there for a class that has it.
    """
    return _named(framework, name, _TORCH_MODULES if framework == "torch" else _KERAS_CLASSES, from_logits)


def function_named(framework: str, name: str, *, from_logits: bool = False) -> str | None:
    """As :func:`class_named`, the function: of ``torch.nn.functional``, of ``keras.losses`` (there a string, too)."""
    return _named(framework, name, _TORCH_FUNCTIONS if framework == "torch" else _KERAS_FUNCTIONS, from_logits)


def _named(framework: str, name: str, table: Mapping[str, Spelling], from_logits: bool) -> str | None:
    torch = framework == "torch"
    wanted = {name, GENERAL[name]} if torch and name in GENERAL else {name}
    for symbol, spelling in table.items():
        told = bool(spelling.defaults.get("from_logits", False))
        same = told == from_logits if torch else not from_logits or "from_logits" in spelling.arguments
        if spelling.name in wanted and same:
            return symbol
    return None


def _essential(parameters: Mapping[str, Default], framework: str) -> dict[str, Default]:
    """What tells two spellings of one loss apart: not the reduction, nor the class axis, which differs by custom."""
    kept = {key: value for key, value in parameters.items() if key not in {"reduction", "axis", "from_logits"}}
    return kept | {"from_logits": framework == "torch" and bool(parameters.get("from_logits", False))}
