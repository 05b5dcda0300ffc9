"""Functions of ``torch`` and ``torch.nn.functional`` and methods of ``Tensor``, grouped by what they do to values.

One name stands for all its spellings: ``torch.clamp(x, …)``, ``x.clamp(…)`` and the in-place ``x.clamp_(…)``.
"""

from __future__ import annotations


def names(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


DTYPES: dict[str, str] = {
    "float": "float32",
    "float32": "float32",
    "double": "float64",
    "float64": "float64",
    "half": "float16",
    "float16": "float16",
    "bfloat16": "bfloat16",
    "uint8": "uint8",
    "int8": "int8",
    "short": "int16",
    "int16": "int16",
    "int": "int32",
    "int32": "int32",
    "long": "int64",
    "int64": "int64",
    "bool": "bool",
}
"""``torch.NAME`` as a dtype."""

CAST_METHODS: dict[str, str] = {
    "float": "float32",
    "double": "float64",
    "half": "float16",
    "bfloat16": "bfloat16",
    "byte": "uint8",
    "char": "int8",
    "short": "int16",
    "int": "int32",
    "long": "int64",
    "bool": "bool",
}
"""``x.NAME()``: the dtype that it casts to."""

TENSOR_TYPES: dict[str, str] = {
    "FloatTensor": "float32",
    "DoubleTensor": "float64",
    "HalfTensor": "float16",
    "BFloat16Tensor": "bfloat16",
    "ByteTensor": "uint8",
    "CharTensor": "int8",
    "ShortTensor": "int16",
    "IntTensor": "int32",
    "LongTensor": "int64",
    "BoolTensor": "bool",
    "Tensor": "float32",
}
"""Legacy constructors ``torch.NAME(data)`` and ``torch.cuda.NAME(data)``; of sizes they make uninitialised memory."""

WRAPPING = names("tensor as_tensor from_numpy asarray autograd.Variable autograd.variable.Variable")
"""Functions that hand their first argument on as a tensor."""

SAME_VALUES = names(
    """
    cuda cpu to detach detach_ clone contiguous requires_grad_ pin_memory numpy tolist item share_memory_
    retain_grad resolve_conj xpu mps ipu hpu coalesce to_dense data type_as type real __array__
    nan_to_num nan_to_num_
    """
)
"""Methods that return the tensor itself, elsewhere or as another type."""

REARRANGING = names(
    """
    view reshape view_as reshape_as resize resize_ flatten unflatten ravel squeeze squeeze_ unsqueeze unsqueeze_
    permute transpose transpose_ swapaxes swapdims movedim moveaxis t t_ T mT expand expand_as repeat
    repeat_interleave tile broadcast_to flip fliplr flipud roll rot90 sort unfold pixel_shuffle pixel_unshuffle
    channel_shuffle atleast_1d atleast_2d atleast_3d upsample_nearest
    """
)
"""The same values at other places."""

SELECTING = names(
    """
    select narrow index_select gather take take_along_dim masked_select diagonal diag tril triu max_pool1d
    max_pool2d max_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d fractional_max_pool2d
    fractional_max_pool3d chunk split unbind tensor_split hsplit vsplit dsplit topk msort unique
    """
)
"""Some of the values; those that return several tensors are in :data:`SPLITTING` too."""

SPLITTING = names("chunk split unbind tensor_split hsplit vsplit dsplit")

AVERAGING = names(
    """
    avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d
    upsample_bilinear grid_sample
    """
)

JOINING = names("cat concat concatenate stack hstack vstack dstack column_stack row_stack")
"""One tensor from a sequence of tensors."""

WEIGHING = names(
    """
    linear bilinear conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d matmul mm bmm mv
    addmm addbmm baddbmm einsum tensordot dot inner outer ger embedding embedding_bag cdist kron
    multi_head_attention_forward scaled_dot_product_attention
    """
)
"""Sums of products: from weights, any real number."""
MATRIX_PRODUCTS = names("matmul mm mv")

NORMALISING = names("batch_norm instance_norm layer_norm group_norm local_response_norm rms_norm")

DROPPING = names("dropout dropout1d dropout2d dropout3d")

ACTIVATIONS = names(
    """
    relu relu6 leaky_relu prelu rrelu elu selu celu gelu silu mish softplus softsign softmax softmin log_softmax
    gumbel_softmax sigmoid expit logsigmoid log_sigmoid tanh tanhshrink hardtanh hardsigmoid hardswish
    hardshrink softshrink threshold glu
    """
)
"""Also with a trailing underscore, in place."""

BINARY: dict[str, str] = {
    "add": "+", "sub": "-", "subtract": "-", "mul": "*", "multiply": "*", "div": "/", "divide": "/", "true_divide": "/",
    "pow": "**", "float_power": "**", "remainder": "%", "fmod": "%", "floor_divide": "//", "matmul": "@",
}  # fmt: skip
"""Arithmetic spelled as a function or method (in place with an underscore): the operator."""

COMPARISONS = names("gt lt ge le eq ne greater less isnan isfinite logical_and")

REDUCING = names(
    """
    mean sum max min amax amin median mode std var norm prod nanmean nansum logsumexp all any quantile
    """
)

CLASS_PICKING = names("argmax argmin argsort multinomial bincount searchsorted")
"""Indices: no gradient flows through them."""

CREATING: dict[str, tuple[float, float] | None] = {
    "zeros": (0.0, 0.0), "ones": (1.0, 1.0), "zeros_like": (0.0, 0.0), "ones_like": (1.0, 1.0), "empty": None,
    "empty_like": None, "eye": (0.0, 1.0), "new_zeros": (0.0, 0.0), "new_ones": (1.0, 1.0), "new_empty": None,
    "new": None,
    "rand": (0.0, 1.0), "rand_like": (0.0, 1.0), "randn": None, "randn_like": None, "normal": None, "randint": None,
    "randint_like": None, "randperm": None, "arange": None, "range": None, "linspace": None, "full": None,
    "full_like": None, "new_full": None, "bernoulli": (0.0, 1.0), "poisson": None, "logspace": None,
    "new_tensor": None,
}  # fmt: skip
"""Tensors made from nothing, with the two ends of their values where they are fixed."""

RANDOM = names(
    """
    rand rand_like randn randn_like normal randint randint_like bernoulli poisson randperm
    """
)

FILLING: dict[str, tuple[float, float] | None] = {
    "normal_": None, "uniform_": (0.0, 1.0), "bernoulli_": (0.0, 1.0), "random_": None, "exponential_": None,
    "cauchy_": None, "log_normal_": None, "geometric_": None, "zero_": (0.0, 0.0),
}  # fmt: skip
"""In-place methods that overwrite a tensor with random values (or zeros)."""
