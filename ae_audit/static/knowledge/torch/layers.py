"""The layers of ``torch.nn``: what each does to the values that pass through it, and how its constructor is called.

Activations are named here only by their class; ranges and parameters are the theory's
(:func:`ae_audit.theory.activations.canonical`).
"""

from __future__ import annotations

from enum import Enum

from ae_audit.base.records import dataclass


class Effect(Enum):
    """What a layer does to the set of values that can come out."""

    WEIGHTS = "learns an affine map: any real number can come out"
    REARRANGES = "the same values in other places"
    SELECTS = "some of the values"
    AVERAGES = "averages of the values"
    INTERPOLATES = "by its mode: the same values, averages, or (bicubic) overshoots"
    PADS = "the same values and zeros, or the given constant"
    DROPS = "zeros, and the other values scaled up while training"
    NORMALISES = "rescales to zero mean and unit variance, then learns a scale and a shift"
    RECURRENT = "a recurrent net: its hidden state is the output"
    ATTENDS = "attention and its projections: any real number can come out"


@dataclass(frozen=True, slots=True)
class Layer:
    """``signature`` gives the constructor's positional parameters in order; ``axes`` counts spatial axes."""

    effect: Effect
    signature: tuple[str, ...] = ()
    axes: int = 0
    transposed: bool = False


def _layer(effect: Effect, signature: str = "", axes: int = 0, transposed: bool = False) -> Layer:
    return Layer(effect, tuple(signature.split()), axes, transposed)


_CONV = "in_channels out_channels kernel_size stride padding dilation groups bias padding_mode"
_CONV_TRANSPOSE = "in_channels out_channels kernel_size stride padding output_padding groups bias dilation padding_mode"
_MAX_POOL = "kernel_size stride padding dilation return_indices ceil_mode"
_BATCH_NORM = "num_features eps momentum affine track_running_stats"
_RECURRENT = ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional", "proj_size")
_AVG_POOL = {
    1: "kernel_size stride padding ceil_mode count_include_pad",
    2: "kernel_size stride padding ceil_mode count_include_pad divisor_override",
    3: "kernel_size stride padding ceil_mode count_include_pad divisor_override",
}


def _without_input(signature: str) -> str:
    """Of the lazy layers: the same constructor without the input's extent."""
    return " ".join(signature.split()[1:])


def _spatial() -> dict[str, Layer]:
    """The layers that come for one, two and three spatial axes."""
    layers: dict[str, Layer] = {}
    for axes in (1, 2, 3):
        suffix = f"{axes}d"
        layers |= {
            f"Conv{suffix}": _layer(Effect.WEIGHTS, _CONV, axes),
            f"ConvTranspose{suffix}": _layer(Effect.WEIGHTS, _CONV_TRANSPOSE, axes, transposed=True),
            f"LazyConv{suffix}": _layer(Effect.WEIGHTS, _without_input(_CONV), axes),
            f"LazyConvTranspose{suffix}": _layer(
                Effect.WEIGHTS, _without_input(_CONV_TRANSPOSE), axes, transposed=True
            ),
            f"MaxPool{suffix}": _layer(Effect.SELECTS, _MAX_POOL, axes),
            f"AvgPool{suffix}": _layer(Effect.AVERAGES, _AVG_POOL[axes], axes),
            f"AdaptiveMaxPool{suffix}": _layer(Effect.SELECTS, "output_size return_indices", axes),
            f"AdaptiveAvgPool{suffix}": _layer(Effect.AVERAGES, "output_size", axes),
            f"LPPool{suffix}": _layer(Effect.WEIGHTS, "norm_type kernel_size stride ceil_mode", axes),
            f"MaxUnpool{suffix}": _layer(Effect.PADS, "kernel_size stride padding", axes),
            f"BatchNorm{suffix}": _layer(Effect.NORMALISES, _BATCH_NORM, axes),
            f"LazyBatchNorm{suffix}": _layer(Effect.NORMALISES, _without_input(_BATCH_NORM), axes),
            f"InstanceNorm{suffix}": _layer(Effect.NORMALISES, _BATCH_NORM, axes),
            f"LazyInstanceNorm{suffix}": _layer(Effect.NORMALISES, _without_input(_BATCH_NORM), axes),
            f"Dropout{suffix}": _layer(Effect.DROPS, "p inplace", axes),
            f"ZeroPad{suffix}": _layer(Effect.PADS, "padding", axes),
            f"ConstantPad{suffix}": _layer(Effect.PADS, "padding value", axes),
            f"ReflectionPad{suffix}": _layer(Effect.REARRANGES, "padding", axes),
            f"ReplicationPad{suffix}": _layer(Effect.REARRANGES, "padding", axes),
            f"CircularPad{suffix}": _layer(Effect.REARRANGES, "padding", axes),
        }
    return layers


LAYERS: dict[str, Layer] = {
    **_spatial(),
    "Linear": _layer(Effect.WEIGHTS, "in_features out_features bias"),
    "LazyLinear": _layer(Effect.WEIGHTS, "out_features bias"),
    "Bilinear": _layer(Effect.WEIGHTS, "in1_features in2_features out_features bias"),
    "Embedding": _layer(Effect.WEIGHTS, "num_embeddings embedding_dim padding_idx"),
    "EmbeddingBag": _layer(Effect.WEIGHTS, "num_embeddings embedding_dim"),
    "Identity": _layer(Effect.REARRANGES),
    "Flatten": _layer(Effect.REARRANGES, "start_dim end_dim"),
    "Unflatten": _layer(Effect.REARRANGES, "dim unflattened_size"),
    "PixelShuffle": _layer(Effect.REARRANGES, "upscale_factor", 2),
    "PixelUnshuffle": _layer(Effect.REARRANGES, "downscale_factor", 2),
    "ChannelShuffle": _layer(Effect.REARRANGES, "groups"),
    "Unfold": _layer(Effect.PADS, "kernel_size dilation padding stride"),
    "Fold": _layer(Effect.WEIGHTS, "output_size kernel_size dilation padding stride"),
    "Upsample": _layer(Effect.INTERPOLATES, "size scale_factor mode align_corners"),
    "UpsamplingNearest2d": _layer(Effect.REARRANGES, "size scale_factor", 2),
    "UpsamplingBilinear2d": _layer(Effect.AVERAGES, "size scale_factor", 2),
    "FractionalMaxPool2d": _layer(Effect.SELECTS, "kernel_size output_size output_ratio", 2),
    "FractionalMaxPool3d": _layer(Effect.SELECTS, "kernel_size output_size output_ratio", 3),
    "Dropout": _layer(Effect.DROPS, "p inplace"),
    "AlphaDropout": _layer(Effect.WEIGHTS, "p inplace"),
    "FeatureAlphaDropout": _layer(Effect.WEIGHTS, "p inplace"),
    "SyncBatchNorm": _layer(Effect.NORMALISES, _BATCH_NORM),
    "LayerNorm": _layer(Effect.NORMALISES, "normalized_shape eps elementwise_affine bias"),
    "GroupNorm": _layer(Effect.NORMALISES, "num_groups num_channels eps affine"),
    "RMSNorm": _layer(Effect.NORMALISES, "normalized_shape eps elementwise_affine"),
    "LocalResponseNorm": _layer(Effect.NORMALISES, "size alpha beta k"),
    "CrossMapLRN2d": _layer(Effect.NORMALISES, "size alpha beta k", 2),
    "RNN": Layer(Effect.RECURRENT, ("input_size", "hidden_size", "num_layers", "nonlinearity", *_RECURRENT[3:-1])),
    "LSTM": Layer(Effect.RECURRENT, _RECURRENT),
    "GRU": Layer(Effect.RECURRENT, _RECURRENT[:-1]),
    "RNNCell": _layer(Effect.RECURRENT, "input_size hidden_size bias nonlinearity"),
    "LSTMCell": _layer(Effect.RECURRENT, "input_size hidden_size bias"),
    "GRUCell": _layer(Effect.RECURRENT, "input_size hidden_size bias"),
    "MultiheadAttention": _layer(Effect.ATTENDS, "embed_dim num_heads"),
    "Transformer": _layer(Effect.ATTENDS),
    "TransformerEncoder": _layer(Effect.ATTENDS),
    "TransformerEncoderLayer": _layer(Effect.ATTENDS, "d_model"),
    "TransformerDecoder": _layer(Effect.ATTENDS),
    "TransformerDecoderLayer": _layer(Effect.ATTENDS, "d_model"),
}

FOREIGN: dict[str, Layer] = {"Rearrange": _layer(Effect.REARRANGES, "pattern")}
"""Layers of einops, which take part in torch's containers."""


WRAPPERS = frozenset({"DataParallel", "parallel.DistributedDataParallel"})
"""Modules that hand everything through to the module in them."""


def implicit_softmax_axis(rank: int) -> int:
    """The axis that torch takes where ``dim`` is not given: 0 for rank 0, 1 and 3, else 1 (``F._get_softmax_dim``)."""
    return 0 if rank in {0, 1, 3} else 1
