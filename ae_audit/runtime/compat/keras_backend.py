"""``keras.backend``: the functions of Keras 1 and 2, which are ``keras.ops`` and ``keras.random`` today."""

from __future__ import annotations

from ae_audit.runtime.compat.names import Successor

_HERE = "ae_audit.runtime.compat.keras_functions"

SAME = (
    "abs",
    "all",
    "any",
    "arange",
    "cast",
    "clip",
    "cos",
    "cumprod",
    "cumsum",
    "dot",
    "equal",
    "exp",
    "eye",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "log",
    "logsumexp",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "not_equal",
    "ones",
    "ones_like",
    "prod",
    "repeat",
    "reshape",
    "round",
    "shape",
    "sigmoid",
    "sign",
    "sin",
    "softplus",
    "softsign",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "stop_gradient",
    "sum",
    "tanh",
    "tile",
    "transpose",
    "var",
    "zeros",
    "zeros_like",
)
"""names that ``keras.ops`` has too, with the same arguments in the same order"""

_OTHERS = {
    "constant": "keras.ops:convert_to_tensor",
    "eval": "keras.ops:convert_to_numpy",
    "get_value": "keras.ops:convert_to_numpy",
    "permute_dimensions": "keras.ops:transpose",
    "pow": "keras.ops:power",
    "variable": "keras:Variable",
}

_OWN = (
    "argmax",
    "argmin",
    "batch_flatten",
    "binary_crossentropy",
    "categorical_crossentropy",
    "concatenate",
    "elu",
    "expand_dims",
    "flatten",
    "gather",
    "in_test_phase",
    "in_train_phase",
    "int_shape",
    "l2_normalize",
    "ndim",
    "one_hot",
    "random_normal",
    "random_uniform",
    "relu",
    "repeat_elements",
    "set_value",
    "softmax",
    "sparse_categorical_crossentropy",
    "switch",
    "truncated_normal",
)
"""names whose arguments or defaults are not quite those of their successors"""

_SETTINGS = {
    "get_session": "nothing, as there are no sessions,",
    "learning_phase": "1, that of training,",
    "set_learning_phase": "nothing, as a model is told with each call whether it trains,",
    "image_dim_ordering": "keras.backend.image_data_format",
    "set_image_dim_ordering": "keras.backend.set_image_data_format",
    "set_session": "nothing, as there are no sessions,",
}


def _successor(path: str) -> Successor:
    """All told of as one: a VAE's loss uses a dozen."""
    return Successor(path, "keras.ops and keras.random", "most of keras.backend")


NAMES: dict[str, str | Successor] = {
    **{name: _successor(f"keras.ops:{name}") for name in SAME},
    **{name: _successor(path) for name, path in _OTHERS.items()},
    **{name: _successor(f"{_HERE}:{name}") for name in _OWN},
    **{name: Successor(f"{_HERE}:{name}", shown) for name, shown in _SETTINGS.items()},
    "tf": "tensorflow",
}

SYMBOLIC = frozenset(NAMES) - {*_SETTINGS, "tf", "get_value", "eval", "set_value", "variable", "constant"}
"""names that ``tf.keras.backend`` still has, but which take no symbolic tensors any more"""
