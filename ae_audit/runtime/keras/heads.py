"""What made a prediction: from a watched call to the output activation, its range, and where it can be exchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ae_audit.runtime.keras.custom_functions import custom_activation
from ae_audit.runtime.keras.trace import Watch, WatchedCall, function_symbol, symbol_of
from ae_audit.runtime.measure.affine import affine_map
from ae_audit.runtime.measure.custom_activations import CustomActivation, sentence
from ae_audit.schema.location import Location, TrailStep
from ae_audit.schema.training_setup import Head, Parameters
from ae_audit.theory import activations
from ae_audit.theory.activations import LINEAR_RANGE, UNKNOWN_ACTIVATION_RANGE, Activation, ActivationRange
from ae_audit.theory.intervals import REAL_LINE, Interval
from ae_audit.theory.ranges import Tri, ValueRange

_BY_RANK = ("UpSampling", "Cropping", "ZeroPadding", "MaxPooling", "AveragePooling", "SpatialDropout")
_SHAPES = ("Reshape", "Flatten", "Permute", "reshape", "transpose", "moveaxis", "swapaxes")
_GLOBAL = ("GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D")
_PLAIN = ("RepeatVector", "Dropout", "AlphaDropout", "Resizing", "Identity", "ActivityRegularization", "Masking")
_OPERATIONS = ("squeeze", "expand_dims", "get_item", "flip", "cast")

RANGE_PRESERVING = frozenset(
    {*_SHAPES, *_GLOBAL, *_PLAIN, *_OPERATIONS, *(f"{name}{rank}D" for name in _BY_RANK for rank in (1, 2, 3))}
)
"""layers and operations whose values stay within the range of their input's"""
SHAPE_CHANGING = frozenset(_SHAPES)
"""of those, the ones after which a softmax no longer runs along the axis it was written for"""
_ONLY_MOVED = SHAPE_CHANGING | {"squeeze", "expand_dims", "cast", "Identity"}
"""what may stand between two activations that are one directly behind the other"""
_NORMALISATIONS = ("Batch", "Layer", "Group", "Unit", "Spectral", "RMS")
DISTURBING = frozenset({*(f"{name}Normalization" for name in _NORMALISATIONS), "GaussianNoise", "GaussianDropout"})
"""layers after an activation that take its range away"""
ARITHMETIC = frozenset(
    {"Rescaling", "Normalization", "Lambda", "multiply", "add", "subtract", "true_divide", "divide", "negative"}
)
"""layers and operations that may be affine maps; looked at in numbers"""
RECURRENT = frozenset(["LSTM", "GRU", "SimpleRNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "Bidirectional", "RNN"])
DEEPEST = 64
"""layers that are walked back through at most"""

Array = NDArray[Any]


@dataclass(slots=True)
class Traced:
    """The head of one prediction, and the call to exchange where the activation is to be swapped."""

    head: Head
    call: WatchedCall | None = None
    inner: tuple[WatchedCall, ...] = ()
    """those that apply an activation directly before it, one chain with it"""


@dataclass(slots=True)
class _Path:
    """What stands between the activation and the prediction, outermost first."""

    after: list[str] = field(default_factory=list)
    scale: float = 1.0
    shift: float = 0.0
    disturbed: bool = False
    clip: tuple[float, float, float] | None = None
    """the bounds of a clip of a layer's own output, and the share of the values that it cut off"""
    reshaped: bool = False


def trace_head(
    watch: Watch,
    prediction: Any,
    *,
    place_of: Callable[[Any], Location | None] = lambda _: None,
    logits_recoverable: Tri = Tri.UNKNOWN,
) -> Traced:
    """The head of ``prediction``, a tensor that the watched call produced.

    Args:
        place_of: the source line that made a layer or operation.
        logits_recoverable: as observed (:func:`ae_audit.runtime.keras.logits.logits_recoverable`).
    """
    path = _Path()
    found = _walk(watch.calls, prediction, path)
    shape = (None, *(int(extent) for extent in prediction.shape[1:]))
    own = _own(watch.calls, prediction) if found is None else None
    if found is None and own is None:
        found = _search(watch.calls, prediction, path)
    if own is not None and own[1].name is not None:
        if (own[1].scale, own[1].shift) != (1.0, 0.0):
            path.after.append(f"{own[1].scale:g} · output + {own[1].shift:g}")
        path.scale, path.shift = own[1].scale, own[1].shift
        found = own[0], own[1].name, activations.find_activation(own[1].name)
    after = tuple(reversed(path.after))
    if own is not None and found is None:
        call, location = own[0], place_of(own[0].owner) or own[0].location
        name = call.symbol.rpartition(".")[2]
        step = TrailStep(sentence(name, own[1]), location)
        head = Head(
            written=_written(call), shape=shape, range=own[1].range, units=_units(shape, None), location=location,
            trail=(step,), logits_recoverable=logits_recoverable, sampled=True,
        )  # fmt: skip
        return Traced(head, call)
    if found is None:
        values = _seen_range(prediction)
        step = TrailStep(f"the output was seen between {values.reach}; what activates it is not known")
        head = Head(shape=shape, after=after, range=ActivationRange(values), units=_units(shape, None), trail=(step,))
        return Traced(replace(head, logits_recoverable=logits_recoverable))
    call, name, activation = found
    axis = activation.axis if activation is not None else None
    if activation is not None and axis is None and activation.constraint is not None:
        axis = -1
    inner = tuple(_directly_before(watch.calls, call)) if name != "linear" else ()
    location, *others = (
        (place_of(each.owner) if each.owner is not None else None) or each.location for each in (call, *inner)
    )
    written = _written(call)
    described = "no activation" if name == "linear" else written
    head = Head(
        activation=name,
        written=written,
        parameters=_parameters(activation),
        range=_range(watch.calls, call, activation, path),
        axis=axis,
        units=_units(shape, axis),
        shape=shape,
        after=after,
        logits_recoverable=logits_recoverable,
        location=location,
        others=tuple(others),
        cut=path.clip[2] if path.clip is not None else _cut_by(call, activation),
        trail=(TrailStep(f"the model's output comes from {described}", location),),
    )
    return Traced(head, call, inner)


Found = tuple[WatchedCall, str, Activation | None]


def _walk(calls: Sequence[WatchedCall], tensor: Any, path: _Path) -> Found | None:
    """Follow the tensor back, layer by layer, to a known activation."""
    for _ in range(DEEPEST):
        makers = [call for call in calls if call.gives(tensor)]
        found = _activation_among(makers)
        if found is not None and found[1] != "linear":
            return None if path.clip is not None else found
        step = next((call for call in makers if _kind(call) is not None and _source(call, tensor) is not None), None)
        if step is not None:
            source = _source(step, tensor)
            kind = _kind(step)
            name = step.symbol.rpartition(".")[2]
            if kind == "affine":
                affine = _affine(_numbers(source), _numbers(tensor))
                if affine is None and path.clip is None and (path.scale, path.shift) == (1.0, 0.0):
                    path.clip = _clip(_numbers(source), _numbers(tensor))
                    affine = None if path.clip is None else (1.0, 0.0)
                if affine is None:
                    return None
                path.shift += path.scale * affine[1]
                path.scale *= affine[0]
            else:
                path.disturbed |= kind == "disturbing"
                path.reshaped |= name in SHAPE_CHANGING
            path.after.append(name)
            tensor = source
            continue
        if found is not None:
            # a layer of weights without an activation: whatever follows it is part of the linear head
            return found
        for maker in makers:
            if _class_name(maker) in RECURRENT:
                return _recurrent(maker)
            if _class_name(maker) == "TimeDistributed":
                return _activation_among([_last_call(maker.owner.layer, tensor)])
        return None
    return None


def _directly_before(calls: Sequence[WatchedCall], call: WatchedCall) -> Iterator[WatchedCall]:
    """The calls that apply an activation whose result, at most in another shape, enters that of ``call``."""
    for _ in range(DEEPEST):
        if not call.inputs or (call.owner is not None and _class_name(call) in RECURRENT):
            return
        path = _Path()
        found = _walk([earlier for earlier in calls if earlier.finished < call.finished], call.inputs[0], path)
        if found is None or found[0] is call or found[1] == "linear" or not _ONLY_MOVED.issuperset(path.after):
            return
        call = found[0]
        yield call


def _search(calls: Sequence[WatchedCall], prediction: Any, path: _Path) -> Found | None:
    """The last activation whose values the prediction is an affine map of: arithmetic outside any layer is unseen."""
    values = _numbers(prediction)
    for call in reversed(calls):
        found = _activation_among([call])
        if found is None:
            continue
        for output in call.outputs:
            if output is prediction or int(np.prod(output.shape)) != values.size:
                continue
            affine = _affine(_numbers(output), values)
            if affine is None:
                continue
            path.after.clear()
            path.scale, path.shift = affine
            if affine != (1.0, 0.0):
                path.after.append(f"{affine[0]:g} · output + {affine[1]:g}")
            if tuple(output.shape) != tuple(prediction.shape):
                path.after.append("reshape")
                path.reshaped = True
            return found
    return None


def _own(calls: Sequence[WatchedCall], tensor: Any) -> tuple[WatchedCall, CustomActivation] | None:
    """The program's own function that a layer applied last, and what its values show it to be."""
    for call in calls:
        if call.site == "attribute" and call.gives(tensor):
            known = activations.canonical("keras", call.symbol) is not None
            found = None if known else custom_activation(call.owner.activation)
            return None if found is None else (call, found)
    return None


def _activation_among(makers: Sequence[WatchedCall]) -> Found | None:
    """The activation that gave the tensor: an exchangeable attribute before an operation, before a bare function."""
    best: Found | None = None
    for site in ("attribute", "operation", "function"):
        for call in makers:
            if call.site != site:
                continue
            named = activations.canonical("keras", call.symbol)
            if named is None:
                continue
            name, defaults = named
            activation = activations.find_activation(name, **(defaults | _given(call)))
            if name == "linear":
                best = best or (call, name, activation)
            else:
                return call, name, activation
    return best


def _given(call: WatchedCall) -> dict[str, Any]:
    """The parameters that this call or layer was given, as plain values."""
    given = dict(call.arguments)
    if call.site == "operation":
        for name in activations.arguments("keras", call.symbol) or ():
            if hasattr(call.owner, name):
                given[name] = getattr(call.owner, name)
    plain: dict[str, Any] = {}
    for name, value in given.items():
        if isinstance(value, (list, tuple)) and len(value) == 1:
            value = value[0]
        if isinstance(value, (bool, int, float, str)):
            plain[name] = value
        elif hasattr(value, "ndim") and getattr(value, "ndim", 1) == 0:
            plain[name] = float(value)
    return plain


def _kind(call: WatchedCall) -> str | None:
    if call.site != "operation":
        return None
    name = call.symbol.rpartition(".")[2]
    if name in RANGE_PRESERVING:
        return "preserving"
    if name in DISTURBING:
        return "disturbing"
    if name in {
        "Rescaling",
        "Lambda",
        "multiply",
        "add",
        "subtract",
        "true_divide",
        "divide",
        "negative",
        "Normalization",
        "Clip",
        "clip",
    }:
        return "affine"
    return None


def _source(call: WatchedCall, tensor: Any) -> Any:
    """The one tensor that entered an operation, other than the one that came out."""
    inputs = [item for item in call.inputs if item is not tensor]
    big = [item for item in inputs if int(np.prod(item.shape)) > 1] or inputs
    return big[0] if len(big) == 1 else None


def _class_name(call: WatchedCall) -> str:
    return type(call.owner).__name__ if call.site == "operation" else ""


def _last_call(layer: Any, tensor: Any) -> WatchedCall:
    """The call of the layer that a ``TimeDistributed`` ends with, which is never called as a layer itself."""
    while getattr(layer, "layers", None):
        layer = layer.layers[-1]
    function = vars(layer).get("activation")
    if function is not None and callable(function):
        return WatchedCall("attribute", layer, function_symbol(function), 0, (), (tensor,))
    return WatchedCall("operation", layer, symbol_of(layer), 0, (), (tensor,))


def _recurrent(call: WatchedCall) -> Found | None:
    """A recurrent layer's output: LSTM and GRU gate their activation, which leaves its range as it is."""
    layer = getattr(call.owner, "forward_layer", call.owner)
    function = getattr(layer, "activation", None) or getattr(getattr(layer, "cell", None), "activation", None)
    name = getattr(function, "__name__", None)
    named = activations.canonical("keras", f"keras.activations.{name}") if name else None
    return None if named is None else (call, named[0], activations.find_activation(named[0], **named[1]))


def _range(
    calls: Sequence[WatchedCall], call: WatchedCall, activation: Activation | None, path: _Path
) -> ActivationRange:
    if activation is None:
        return UNKNOWN_ACTIVATION_RANGE
    if activation.name == "linear":
        return LINEAR_RANGE if path.clip is None else LINEAR_RANGE.clip(path.clip[0], path.clip[1])
    units = None
    if call.outputs and activation.constraint is not None:
        units = int(call.outputs[0].shape[activation.axis if activation.axis is not None else -1])
    result = activation.range_of(_input_range(calls, call), units)
    if path.disturbed:
        return LINEAR_RANGE
    result = result.affine(path.scale, path.shift)
    # the axis counts in the shape that the softmax saw; after a reshape it is no axis of the prediction
    return replace(result, axis=None) if path.reshaped and result.constraint is not None else result


def _input_range(calls: Sequence[WatchedCall], call: WatchedCall) -> ActivationRange:
    """The range of what entered the activation: another activation's, or a linear layer's, which is everything."""
    if not call.inputs or (call.owner is not None and _class_name(call) in RECURRENT):
        return LINEAR_RANGE
    inner = _Path()
    found = _walk([earlier for earlier in calls if earlier.finished < call.finished], call.inputs[0], inner)
    if found is None or found[0] is call:
        return LINEAR_RANGE
    return _range(calls, found[0], found[2], inner)


def _written(call: WatchedCall) -> str:
    name = call.symbol.rpartition(".")[2]
    if call.site == "attribute":
        layer = type(call.owner).__name__
        if name == "linear":
            return f"{layer}(…)"
        return f'{layer}("{name}")' if layer == "Activation" else f'{layer}(…, activation="{name}")'
    if call.site == "operation" and ".layers." in call.symbol:
        given = ", ".join(f"{key}={value}" for key, value in _given(call).items() if key == "axis")
        return f"{name}({given})"
    return call.symbol


def _parameters(activation: Activation | None) -> Parameters:
    return () if activation is None else tuple(pair for pair in activation.parameters if pair[0] != "axis")


def _units(shape: tuple[int | None, ...], axis: int | None) -> int | None:
    try:
        return shape[axis if axis is not None else -1]
    except IndexError:
        return None


def _seen_range(prediction: Any) -> ValueRange:
    values = _numbers(prediction)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return ValueRange()
    return ValueRange(REAL_LINE, Interval(float(finite.min()), float(finite.max())))


def _numbers(tensor: Any) -> Array:
    import keras

    try:
        return np.asarray(keras.ops.convert_to_numpy(tensor), dtype=np.float64)
    except (NotImplementedError, RuntimeError):  # a symbolic tensor of a layer that was being built
        return np.empty(0)


def _affine(x: Array, y: Array) -> tuple[float, float] | None:
    """``(scale, shift)`` with ``y == scale * x + shift`` for every element, up to float32 rounding."""
    if x.size < 2 or np.ptp(x) <= 1e-6 * max(1.0, float(np.abs(x).max())):
        return None
    size = float(np.abs(y).max()) if y.size else 0.0
    found = affine_map(x, y, 1e-5 * max(1.0, size))
    if found is None:
        return None
    scale, shift = found
    return _rounded(scale, abs(scale)), _rounded(shift, max(size, abs(shift)))


def _clip(x: Array, y: Array) -> tuple[float, float, float] | None:
    """Bounds, and the share of ``x`` outside them, where ``y`` is ``x`` clipped."""
    x, y = x.reshape(-1), y.reshape(-1)
    if x.size != y.size or x.size < 2 or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    low, high = float(y.min()), float(y.max())
    outside = float(np.mean((x < low) | (x > high)))
    if not outside or not np.array_equal(np.clip(x, low, high), y):
        return None
    return low if (y == low).sum() > 1 else -np.inf, high if (y == high).sum() > 1 else np.inf, outside


def _cut_by(call: WatchedCall, activation: Activation | None) -> float | None:
    """The share of a layer's own output that an activation which is a clip cuts off."""
    hull = None if activation is None else activation.range.values.hull
    if hull is None or activation is None or activation.name not in {"hard_tanh", "relu"} or not hull.bounded:
        return None
    values = _numbers(call.inputs[0]) if call.inputs else np.empty(0)
    return float(np.mean((values < hull.lo) | (values > hull.hi))) if values.size else None


def _rounded(value: float, size: float) -> float:
    """The short decimal number that float32 arithmetic on values of ``size`` stands for."""
    if abs(value) <= 2e-6 * size:
        return 0.0
    short = float(f"{value:.5g}")
    return short if abs(short - value) <= 2e-6 * size else value
