"""``keras.backend``: the functions of Keras 1 and 2, which are ``keras.ops`` and ``keras.random`` today."""

from __future__ import annotations

from ae_audit.runtime.old_names.names import Successor

_HERE = "ae_audit.runtime.old_names.keras_functions"

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

_OWN = {
    "argmax": "keras.ops.argmax along the last axis",
    "argmin": "keras.ops.argmin along the last axis",
    "batch_flatten": "keras.ops.reshape",
    "binary_crossentropy": "keras.ops.binary_crossentropy",
    "categorical_crossentropy": "keras.ops.categorical_crossentropy",
    "concatenate": "keras.ops.concatenate along the last axis",
    "expand_dims": "keras.ops.expand_dims",
    "flatten": "keras.ops.reshape",
    "gather": "keras.ops.take",
    "get_session": "nothing, as there are no sessions,",
    "image_dim_ordering": "keras.backend.image_data_format",
    "int_shape": "the tensor's shape",
    "l2_normalize": "keras.ops.normalize",
    "ndim": "the length of the tensor's shape",
    "one_hot": "keras.ops.one_hot",
    "random_normal": "keras.random.normal",
    "random_uniform": "keras.random.uniform",
    "relu": "keras.ops.leaky_relu",
    "set_image_dim_ordering": "keras.backend.set_image_data_format",
    "set_session": "nothing, as there are no sessions,",
    "set_value": "Variable.assign",
    "softmax": "keras.ops.softmax",
    "sparse_categorical_crossentropy": "keras.ops.sparse_categorical_crossentropy",
    "switch": "keras.ops.where",
    "truncated_normal": "keras.random.truncated_normal",
}

NAMES: dict[str, str | Successor] = {
    **{name: f"keras.ops:{name}" for name in SAME},
    **_OTHERS,
    **{name: Successor(f"{_HERE}:{name}", shown) for name, shown in _OWN.items()},
}

SYMBOLIC = frozenset(NAMES) - {"get_session", "set_session", "get_value", "eval", "set_value", "variable", "constant"}
"""names that ``tf.keras.backend`` still has, but which take no symbolic tensors any more"""
