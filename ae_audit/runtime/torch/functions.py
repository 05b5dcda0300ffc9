"""What torch's functions mean to a recording: which are activations, which only move values, which draw at random.

A function is known by its short name (``view``, ``sigmoid``), which torch keeps the same for ``torch.f``,
``torch.nn.functional.f`` and ``Tensor.f``; activations are looked up in the theory's tables by their full name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import resolve_name

from ae_audit.theory import activations
from ae_audit.theory.activation_names import function_named

Function = Callable[..., Any]

RESHAPING = {
    "view": "Reshape",
    "view_as": "Reshape",
    "reshape": "Reshape",
    "reshape_as": "Reshape",
    "flatten": "Flatten",
    "ravel": "Flatten",
    "unflatten": "Reshape",
    "squeeze": "Squeeze",
    "unsqueeze": "Unsqueeze",
    "atleast_2d": "Reshape",
    "contiguous": "",
    "clone": "",
    "detach": "",
    "data": "",
    "alias": "",
    "requires_grad": "",
    "retain_grad": "",
    "to": "",
    "type": "",
    "type_as": "",
    "float": "",
    "double": "",
    "half": "",
    "bfloat16": "",
    "cpu": "",
    "cuda": "",
    "as_strided": "Reshape",
}
"""Keep every value in its row-major place. The name is what ``Head.after`` shows; empty: not worth saying."""

MOVING = {
    "permute": "Permute",
    "transpose": "Permute",
    "movedim": "Permute",
    "swapaxes": "Permute",
    "t": "Permute",
    "T": "Permute",
    "mT": "Permute",
    "__getitem__": "Index",
    "select": "Index",
    "narrow": "Index",
    "index_select": "Index",
    "gather": "Index",
    "take_along_dim": "Index",
    "masked_select": "Index",
    "chunk": "Index",
    "split": "Index",
    "split_with_sizes": "Index",
    "unbind": "Index",
    "unfold": "Index",
    "flip": "Flip",
    "roll": "Flip",
    "expand": "Repeat",
    "expand_as": "Repeat",
    "broadcast_to": "Repeat",
    "repeat": "Repeat",
    "repeat_interleave": "Repeat",
    "tile": "Repeat",
    "pixel_shuffle": "PixelShuffle",
    "pixel_unshuffle": "PixelShuffle",
    "channel_shuffle": "Permute",
    "max_pool1d": "MaxPool",
    "max_pool2d": "MaxPool",
    "max_pool3d": "MaxPool",
    "boolean_dispatch": "MaxPool",
}
"""Give some of the same values in other places."""

AVERAGING = {
    "avg_pool1d": "AvgPool",
    "avg_pool2d": "AvgPool",
    "avg_pool3d": "AvgPool",
    "adaptive_avg_pool1d": "AvgPool",
    "adaptive_avg_pool2d": "AvgPool",
    "adaptive_avg_pool3d": "AvgPool",
    "interpolate": "Upsample",
    "upsample": "Upsample",
    "grid_sample": "Upsample",
    "mean": "Mean",
    "lerp": "Mix",
}
"""Give convex combinations of the values (bicubic interpolation overshoots and is told apart by its mode)."""

JOINING = {"cat": "Concatenate", "concat": "Concatenate", "concatenate": "Concatenate", "stack": "Concatenate"}

DROPPING = frozenset(
    {"dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout", "feature_dropout"}
)

WEIGHTED = frozenset(
    {
        "linear",
        "bilinear",
        "conv1d",
        "conv2d",
        "conv3d",
        "conv_transpose1d",
        "conv_transpose2d",
        "conv_transpose3d",
        "convolution",
        "matmul",
        "__matmul__",
        "__rmatmul__",
        "mm",
        "bmm",
        "addmm",
        "baddbmm",
        "addmv",
        "mv",
        "einsum",
        "tensordot",
        "embedding",
        "embedding_bag",
        "multi_head_attention_forward",
        "scaled_dot_product_attention",
    }
)
"""Mix values by weights: whatever went in, every real number can come out."""

NORMALISING = {
    "batch_norm": "BatchNorm",
    "layer_norm": "LayerNorm",
    "instance_norm": "InstanceNorm",
    "group_norm": "GroupNorm",
    "rms_norm": "RMSNorm",
    "local_response_norm": "LocalResponseNorm",
}

RECURRENT = {"lstm": "tanh", "gru": "tanh", "rnn_tanh": "tanh", "rnn_relu": "relu"}
"""Recurrent layers and the activation that bounds their hidden state."""

CHOOSING = frozenset({"randint", "randint_like", "randperm", "multinomial"})
"""Draw whole numbers: which samples, which words, which moment. What they choose from data is data, taken by value."""
RANDOM = (
    frozenset(
        {
            "rand",
            "randn",
            "randint",
            "randperm",
            "rand_like",
            "randn_like",
            "randint_like",
            "normal",
            "bernoulli",
            "poisson",
            "multinomial",
            "uniform",
            "exponential",
            "geometric",
            "log_normal",
            "cauchy",
            "random",
            "gumbel_softmax",
            "rrelu",
        }
    )
    | DROPPING
)

DETACHING = frozenset({"detach", "detach_"})
"""calls behind which no gradient goes"""
FORM_ONLY = frozenset({"ones_like", "zeros_like", "full_like", "new_ones", "new_zeros", "new_full", "new_tensor"})
"""Take the form of their argument, and none of its values."""

LIKE_ANOTHER = frozenset({"view_as", "reshape_as", "type_as", "expand_as"})
"""Take the values of their first argument, and no more than the form of the other."""

ARITHMETIC = frozenset(
    {"add", "sub", "mul", "div", "true_divide", "neg", "__rsub__", "rsub", "__rdiv__", "pow", "clamp", "clip", "lgamma"}
)
"""Elementwise arithmetic: of data alone it is remembered, so that ``1 - y`` is known to come from ``y``."""

SILENT = frozenset(
    {
        "size",
        "shape",
        "dim",
        "ndim",
        "dtype",
        "device",
        "numel",
        "nelement",
        "item",
        "tolist",
        "numpy",
        "requires_grad",
        "is_leaf",
        "grad_fn",
        "grad",
        "is_sparse",
        "is_cuda",
        "is_complex",
        "is_floating_point",
        "is_nested",
        "layout",
        "stride",
        "is_contiguous",
        "__len__",
        "__bool__",
        "__float__",
        "__int__",
        "__repr__",
        "__format__",
        "__hash__",
        "__array__",
        "is_tensor",
        "is_same_size",
        "element_size",
        "data_ptr",
        "set_grad_enabled",
        "retains_grad",
        "is_all_true",
        "record_function_enter_new",
        "register_hook",
        "retain_grad",
        "set_default_dtype",
        "manual_seed",
        "version",
        "is_inference",
    }
)
"""Questions about a tensor that give no tensor that a loss could see."""

_INTERPOLATION_WITHIN = frozenset({"nearest", "nearest-exact", "bilinear", "linear", "trilinear", "area"})


@cache
def short_name(function: Function) -> str:
    """``sigmoid`` for ``torch.Tensor.sigmoid_``; ``T`` for the getter of ``Tensor.T``."""
    name = str(getattr(function, "__name__", "") or "")
    if name in {"__get__", "__set__", "__delete__"}:
        owner = getattr(function, "__self__", None)
        return str(getattr(owner, "__name__", "")) if name == "__get__" else name
    if name.endswith("_") and not name.endswith("__"):
        name = name.rstrip("_")
    return name.lstrip("_") if not name.startswith("__") else name


@cache
def writes_in_place(function: Function) -> bool:
    """Whether the function changes its first argument."""
    name = str(getattr(function, "__name__", "") or "")
    if name == "__setitem__":
        return True
    return name.endswith("_") and not name.endswith("__") and name != "requires_grad_"


@cache
def activation_of(function: Function) -> str | None:
    """The name under which the theory knows the function, or None if it is no activation."""
    try:
        symbol = resolve_name(function)
    except Exception:  # torch's resolver knows public functions only
        return None
    if symbol is None:
        return None
    symbol = symbol.replace("special_expit", "sigmoid").replace("torch.special.expit", "torch.sigmoid")
    return symbol if activations.canonical("torch", symbol) is not None else None


def activation_call(
    function: Function, args: Sequence[Any], kwargs: dict[str, Any]
) -> tuple[str, dict[str, Any]] | None:
    """Canonical name and plain parameters of an activation call."""
    symbol = activation_of(function)
    found = activations.canonical("torch", symbol) if symbol is not None else None
    if symbol is None or found is None:
        return None
    name, parameters = found[0], dict(found[1])
    names = activations.arguments("torch", symbol) or ("input",)
    given = dict(zip(names[1:], args[1:], strict=False))
    given.update({{"dim": "axis"}.get(key, key): value for key, value in kwargs.items() if key != "input"})
    for key, value in given.items():
        if isinstance(value, torch.Tensor):
            value = value.item() if value.nelement() == 1 else None
        if value is not None and isinstance(value, (bool, int, float, str)) and key not in IGNORED_ARGUMENTS:
            parameters[key] = value
    return name, parameters


IGNORED_ARGUMENTS = frozenset({"inplace", "training", "dtype", "_stacklevel", "out"})


def interpolates_within(args: Sequence[Any], kwargs: dict[str, Any]) -> bool:
    """Whether an ``interpolate`` call stays between the values that it is given."""
    mode = kwargs.get("mode", args[3] if len(args) > 3 else "nearest")
    return mode in _INTERPOLATION_WITHIN


NOT_APPLIED = {
    "prelu": "its slope is a weight",
    "rrelu": "its slope is drawn anew at every call",
    "gumbel_softmax": "it is drawn anew at every call",
    "threshold": "it has no threshold unless one is given",
    "glu": "it halves the tensor",
}
"""Activations of torch that cannot take the place of another by their name alone, and why."""


def apply_activation(name: str, x: torch.Tensor, axis: int | None = None) -> torch.Tensor:
    """``x`` after the activation of that canonical name, with its default parameters.

    Raises:
        KeyError: for a name that has no torch function here.
    """
    if not can_apply(name):
        raise KeyError(name)
    if name == "linear":
        return x
    symbol = function_named("torch", name) or ""
    function: Callable[..., torch.Tensor] = getattr(torch, symbol, None) or getattr(F, symbol)
    if name in activations.VECTOR:
        return function(x, dim=(1 if x.dim() > 1 else 0) if axis is None else axis)
    return function(x)


def can_apply(name: str) -> bool:
    """Whether :func:`apply_activation` knows the name."""
    return name == "linear" or (name not in NOT_APPLIED and function_named("torch", name) is not None)
