"""The tables of torch against torch itself: constructor signatures, shapes, the implicit axis of softmax."""

from __future__ import annotations

import ast
import inspect
import warnings
from typing import Any

import pytest

torch = pytest.importorskip("torch")
nn = torch.nn

from ae_audit.static.domain.arguments import Call  # noqa: E402
from ae_audit.static.domain.values import Const, Seq, Value  # noqa: E402
from ae_audit.static.knowledge.torch import functional, shapes  # noqa: E402
from ae_audit.static.knowledge.torch.layer_call import ACTIVATION_MODULES, Given, layer_shape  # noqa: E402
from ae_audit.static.knowledge.torch.layers import LAYERS, Effect  # noqa: E402
from ae_audit.static.knowledge.torch.tensors import OPERATIONS  # noqa: E402
from ae_audit.static.source.sources import Text, Where  # noqa: E402
from ae_audit.theory.activations import canonical  # noqa: E402

NO_SIGNATURE = {"RNN", "LSTM", "GRU"}


@pytest.mark.parametrize("name", sorted(set(LAYERS) - NO_SIGNATURE))
def test_signatures_are_torchs(name: str) -> None:
    found = [item for item in inspect.signature(getattr(nn, name).__init__).parameters if item != "self"]
    assert list(LAYERS[name].signature) == found[: len(LAYERS[name].signature)]


def test_every_module_of_torch_is_known() -> None:
    others = {
        "Container", "CosineSimilarity", "DataParallel", "Module", "ModuleDict", "ModuleList", "NLLLoss2d",
        "PairwiseDistance", "ParameterDict", "ParameterList", "RNNBase", "RNNCellBase", "Sequential",
    }  # fmt: skip
    modules = {
        name for name in dir(nn) if inspect.isclass(getattr(nn, name)) and issubclass(getattr(nn, name), nn.Module)
    }
    assert {m for m in modules if not m.endswith("Loss")} - set(LAYERS) - set(ACTIVATION_MODULES) == others


@pytest.mark.parametrize("name", sorted(ACTIVATION_MODULES))
def test_activations_have_a_theory(name: str) -> None:
    assert canonical("torch", f"torch.nn.{name}") is not None


def _call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
    """A constructor call as the tables see it, made of Python constants."""

    def value(item: Any) -> Value:
        return Seq([value(i) for i in item], "tuple") if isinstance(item, tuple) else Const(item)

    nowhere = Where(Text("program.py", ""), ast.Constant(None))
    return Call(nowhere, [value(item) for item in args], {key: value(item) for key, item in kwargs.items()})


SHAPES: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = [
    ("Linear", (12, 5), {}, (4, 7, 12)),
    ("Conv2d", (3, 8, 3), {}, (2, 3, 28, 28)),
    ("Conv2d", (3, 8), {"kernel_size": (3, 5), "stride": 2, "padding": (1, 2)}, (2, 3, 28, 30)),
    ("Conv2d", (3, 8, 3), {"padding": "same"}, (2, 3, 28, 28)),
    ("Conv2d", (3, 8, 3, 1, 0, 2), {}, (2, 3, 28, 28)),
    ("Conv1d", (3, 8, 7, 3), {}, (2, 3, 50)),
    ("Conv3d", (1, 2, 3), {"padding": 1}, (2, 1, 8, 9, 10)),
    ("ConvTranspose2d", (8, 3, 3, 2, 1, 1), {}, (2, 8, 14, 14)),
    ("ConvTranspose2d", (8, 3, 4), {"stride": 2, "padding": 1}, (2, 8, 7, 7)),
    ("ConvTranspose1d", (8, 3, 5), {"stride": 3, "output_padding": 2, "dilation": 2}, (2, 8, 9)),
    ("MaxPool2d", (2,), {}, (2, 3, 27, 28)),
    ("MaxPool2d", (3, 2, 1), {}, (2, 3, 27, 28)),
    ("AvgPool2d", (2, 2), {}, (2, 3, 27, 28)),
    ("AdaptiveAvgPool2d", (1,), {}, (2, 3, 27, 28)),
    ("AdaptiveAvgPool2d", ((5, 7),), {}, (2, 3, 27, 28)),
    ("Upsample", (), {"scale_factor": 2}, (2, 3, 13, 14)),
    ("Upsample", ((28, 28),), {}, (2, 3, 13, 14)),
    ("UpsamplingNearest2d", (), {"scale_factor": 3}, (2, 3, 5, 6)),
    ("Flatten", (), {}, (2, 3, 5, 6)),
    ("Flatten", (0, 1), {}, (2, 3, 5, 6)),
    ("Unflatten", (1, (3, 5)), {}, (2, 15, 6)),
    ("PixelShuffle", (2,), {}, (2, 12, 5, 6)),
    ("PixelUnshuffle", (2,), {}, (2, 3, 4, 6)),
    ("BatchNorm2d", (3,), {}, (2, 3, 5, 6)),
    ("Dropout", (0.5,), {}, (2, 3, 5, 6)),
    ("Embedding", (10, 4), {}, (2, 7)),
]


@pytest.mark.parametrize(("name", "args", "kwargs", "shape"), SHAPES)
def test_shapes_are_torchs(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], shape: tuple[int, ...]) -> None:
    given = torch.zeros(shape, dtype=torch.long) if name == "Embedding" else torch.zeros(shape)
    expected = tuple(getattr(nn, name)(*args, **kwargs)(given).shape)
    spec = LAYERS[name]
    found = layer_shape(name, spec, Given(_call(args, kwargs), spec.signature), shape)
    assert found == expected
    unknown_batch = layer_shape(
        name,
        spec,
        Given(_call(args, kwargs), spec.signature),
        (None, *shape[1:]),
    )
    assert unknown_batch is not None
    assert len(unknown_batch) == len(expected)
    assert all(a in {None, b} for a, b in zip(unknown_batch, expected, strict=True))


@pytest.mark.parametrize("name", [name for name, layer in LAYERS.items() if layer.effect is Effect.REARRANGES])
def test_layers_that_rearrange_make_no_new_values(name: str) -> None:
    arguments = {
        "Unflatten": (1, (2, 6)), "PixelShuffle": (2,), "PixelUnshuffle": (2,), "ChannelShuffle": (2,),
        "UpsamplingNearest2d": (None, 2),
    }.get(name, (1,) if "Pad" in name else ())  # fmt: skip
    axes = LAYERS[name].axes or 2
    value = torch.rand((1, 12, *(4,) * axes))
    if "Pad" in name and name[-2].isdigit():
        value = torch.rand((1, 12, *(4,) * int(name[-2])))
    out = getattr(nn, name)(*arguments)(value)
    assert set(out.flatten().tolist()) <= set(value.flatten().tolist())


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
def test_softmax_without_dim(rank: int) -> None:
    value = torch.randn((3, 4, 5, 6)[:rank])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        implicit = nn.Softmax()(value)
    assert torch.equal(implicit, nn.Softmax(dim=0 if rank in {1, 3} else 1)(value))


VIEWS = [((2, 3, 4), (-1,)), ((2, 3, 4), (6, -1)), ((2, 3, 4), (2, 12)), ((2, 3, 4), (4, 3, 2))]


@pytest.mark.parametrize(("shape", "sizes"), VIEWS)
def test_views(shape: tuple[int, ...], sizes: tuple[int, ...]) -> None:
    assert shapes.viewed(shape, sizes) == tuple(torch.zeros(shape).view(sizes).shape)


def test_a_view_of_batches_of_unknown_size() -> None:
    assert shapes.viewed((None, 1, 28, 28), (-1, 784)) == (None, 784)
    assert shapes.viewed((None, 1, 28, 28), (None, -1)) == (None, 784)
    assert shapes.viewed((None, 784), (-1, 1, 28, 28)) == (None, 1, 28, 28)
    assert shapes.viewed(None, (-1, 784)) == (None, 784)


def test_every_operation_is_torchs() -> None:
    places = [torch, torch.nn.functional, torch.Tensor, torch.special, torch.linalg]
    legacy = {"xpu", "mps", "ipu", "hpu", "clip", "log_sigmoid", "shape", "data", "T", "mT", "real", "ger"}
    missing = {name for name in OPERATIONS if name not in legacy and not any(hasattr(place, name) for place in places)}
    assert missing == set()


@pytest.mark.parametrize(("name", "dtype"), sorted(functional.CAST_METHODS.items()))
def test_casting_methods(name: str, dtype: str) -> None:
    assert str(getattr(torch.zeros(1), name)().dtype) == f"torch.{dtype}"
