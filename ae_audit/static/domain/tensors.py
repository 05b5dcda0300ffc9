"""Tensors of a network: what layers, activations and arithmetic do to the facts of the head."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache

from ae_audit.base.records import replace
from ae_audit.schema.location import Location, TrailStep
from ae_audit.schema.training_setup import Framework, Head, Parameter
from ae_audit.static.domain import arrays, divergences, indexing, overlaps
from ae_audit.static.domain.stores import Store
from ae_audit.static.domain.values import Array, Difference, Exponent, Meeting, Seq, Tensor, Unknown, Value
from ae_audit.static.source.sources import Where
from ae_audit.theory.activations import (
    LINEAR_RANGE,
    UNKNOWN_ACTIVATION_RANGE,
    Activation,
    ActivationRange,
    Constraint,
    find_activation,
)
from ae_audit.theory.intervals import Interval
from ae_audit.theory.ranges import Tri, ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.domain.evaluator import Evaluator

FIRST_LAYERS = 3
"""layers after the input among which a normalisation is looked for: a reshape, a convolution and the one behind it"""
HALF = 0.5
"""of a layer's own output, as the training starts, what lies below 0"""
DERIVATIVE = "it is a derivative of an output"
MAX_BOUNDED = 8
"""bounded outputs on the way through a network that are remembered: a generator's, and a few hidden ones"""
ENTERED: Store[dict[Location, list[Array]]] = Store(dict)
"""the data that enter each first layer"""
MAX_ENTERED = 12
CLOSE = 1e-3
"""what is added to or cut from a prediction without moving it: the 1e-7 of a logarithm, up to a visible change"""
_MOVES = {"reshape", "view", "flatten", "unflatten", "squeeze", "unsqueeze", "expand_dims", "permute", "transpose"}
"""what may stand between two activations that are one directly behind the other"""
Shape = tuple[int | None, ...] | None


def entering(run: Evaluator, framework: Framework, values: Iterable[Value]) -> Tensor:
    """The values as one tensor whose head is unknown: all data fed, all layers passed on the way."""
    fed: tuple[Array, ...] = ()
    first: tuple[str, ...] = ()
    normalises: Tri | None = None
    variational = Tri.NO
    why: str | None = None
    model: str | None = None
    latent: Head | None = None
    met: Meeting | None = None
    drawn: Exponent | None = None
    entry: Location | None = None
    derived = False
    bounded: tuple[tuple[Location, Head], ...] = ()
    for value in values:
        if isinstance(value, Difference):
            value = as_tensor(value)
        if isinstance(value, Seq):
            value = entering(run, framework, [*value.items, *([] if value.rest is None else [value.rest])])
        if isinstance(value, Tensor):
            fed = (*fed, *(a for a in value.fed if a not in fed))[:8]
            first = first or value.first_layers
            if normalises is not Tri.YES:
                normalises = value.normalises if normalises is None else normalises
            if value.variational is Tri.YES:
                variational = Tri.YES
            why = why or value.why
            model = model or value.model
            latent = latent or value.latent
            met = value.met if met is None or met.moved or met.target is None else met
            drawn = drawn or value.drawn
            entry = entry or value.entry
            derived = derived or value.derived
            bounded = (*bounded, *(item for item in value.bounded if item not in bounded))[:MAX_BOUNDED]
        else:
            array = run.as_array(value)
            if array is not None and array.shape != () and array not in fed:
                fed = (*fed, array)[:8]
            elif array is None and isinstance(value, Unknown):
                why = why or value.reason
    return Tensor(
        framework, Head(), fed, first, Tri.UNKNOWN if normalises is None else normalises, variational, why, model,
        latent=latent, met=met, drawn=drawn, entry=entry, bounded=bounded, derived=derived,
    )  # fmt: skip


def through_weights(
    run: Evaluator,
    framework: Framework,
    value: Value | list[Value],
    layer: str,
    where: Where,
    *,
    units: int | None = None,
    shape: Shape = None,
) -> Tensor:
    """After a layer with weights (dense, convolution, recurrent): every value can come out, no activation yet."""
    base = entering(run, framework, value if isinstance(value, list) else [value])
    if base.entry is None and base.fed:
        _note_entry(run, where.location, base.fed)
    if isinstance(value, Tensor) and value.first_layers and value.head.activation not in {None, "linear"} and (
        value.head.range.values.hull.bounded
    ) and not value.mixed:  # fmt: skip
        base = replace(base, bounded=(*base.bounded, (where.location, value.head))[:MAX_BOUNDED])
    made = _after(base, layer, False, Head(
        activation="linear", written=where.written, range=LINEAR_RANGE, units=units, shape=shape,
        location=where.location, trail=(TrailStep(f"{layer} without activation produces every value", where.location),),
    ))  # fmt: skip
    return replace(made, bare=True)


def _note_entry(run: Evaluator, layer: Location, fed: tuple[Array, ...]) -> None:
    """Remember which data enter a network, and at which layer."""
    known = ENTERED.of(run).setdefault(layer, [])
    for array in fed:
        if not array.placeholder and len(known) < MAX_ENTERED and array not in known:
            known.append(array)


def weights(framework: Framework, shape: Shape, units: int | None = None) -> Tensor:
    """Weights by themselves: ``tf.Variable(tf.zeros(…))``, ``nn.Parameter(…)``."""
    return Tensor(framework, Head(activation="linear", range=LINEAR_RANGE, shape=shape, units=units,
                                  logits_recoverable=Tri.NO))  # fmt: skip


def _after(base: Tensor, layer: str, normalising: bool, head: Head) -> Tensor:
    first = (*base.first_layers, layer) if len(base.first_layers) < FIRST_LAYERS else base.first_layers
    normalises = base.normalises
    if normalises is not Tri.YES and not base.first_layers:
        scaled_inside = any(array.placeholder and array.scalings for array in base.fed)
        passed_unknown = base.why is not None  # what came before the first layer is out of reach
        normalises = Tri.YES if normalising or scaled_inside else Tri.UNKNOWN if passed_unknown else Tri.NO
    return replace(base, head=head, first_layers=first, normalises=normalises, why=None, log_of=None, complement=False,
                   met=None, entry=base.entry or head.location)  # fmt: skip


def opaque(
    run: Evaluator,
    framework: Framework,
    values: Iterable[Value],
    why: str,
    layer: str | None = None,
    shape: Shape = None,
) -> Tensor:
    """After something of which nothing is known but that the network goes through it."""
    base = entering(run, framework, values)
    first = base.first_layers
    if layer is not None and len(first) < FIRST_LAYERS:
        first = (*first, layer)
    return replace(base, head=Head(shape=shape), first_layers=first, why=why, log_of=None, complement=False)


def derivative(run: Evaluator, value: Tensor, shape: Shape, where: Where) -> Tensor:
    """The derivative of an output by something of that shape."""
    made = opaque(run, value.framework, [value], DERIVATIVE, shape=shape)
    return replace(made, head=replace(made.head, location=where.location), derived=True, met=None, model=value.model)


def activated(
    run: Evaluator, value: Value, name: str, where: Where, *, framework: Framework, written: str | None = None,
    parameters: dict[str, Parameter] | None = None, axis: int | None = None, where_name: Where | None = None,
) -> Tensor:  # fmt: skip
    """After an activation, by canonical name. ``where_name`` is the expression that names it."""
    base = value if isinstance(value, Tensor) else through_nothing(run, framework, value)
    parameters = dict(parameters or {})
    if axis is not None:
        parameters["axis"] = axis
    activation = find_activation(name, **parameters)
    place = where_name or where
    head = base.head
    before = head.range
    if activation is None:
        return replace(base, head=replace(head, activation=None, range=UNKNOWN_ACTIVATION_RANGE,
            location=place.location),
                       why=f"the activation `{name}` is not known")  # fmt: skip
    units = head.units
    if activation.axis is not None and head.shape is not None:
        units = extent(head.shape, activation.axis)
    range_, produced = _produced(activation, before, units)
    trail = head.trail if head.activation not in {None, "linear"} else ()
    if name == "linear":
        return replace(base, head=replace(head, written=written or head.written, location=place.location))
    exponent = None
    if name == "exponential" and head.activation == "linear" and head.location is not None:
        exponent = Exponent(head.location, base.multiple, where)
    previous = f" applied to the output of {head.activation}" if head.activation not in {None, "linear"} else ""
    made = Head(
        activation=name,
        written=written if written is not None else place.written,
        parameters=tuple(sorted((k, v) for k, v in parameters.items() if k != "axis")),
        range=range_,
        axis=activation.axis,
        units=units,
        shape=head.shape,
        logits_recoverable=Tri.YES if framework is Framework.KERAS else Tri.UNKNOWN,
        location=place.location,
        others=_chain(head) if previous else (),
        cut=HALF if base.bare and clips(name, range_) else None,
        trail=(*trail, TrailStep(f"{name}{previous} produces {produced}", place.location))[-8:],
    )
    base = without_number(base)
    return replace(base, head=made, why=base.why if before.unknown and range_.unknown else None, log_of=None,
                   complement=False, bare=False, mixed=False, activation_of=base, divergence=None, multiple=1.0,
                   exponent=exponent,
                   parts=((divergences.EXPONENTIAL, 1.0),) if name == "exponential" else ())  # fmt: skip


def clips(name: str, range_: ActivationRange) -> bool:
    """Whether an activation is a clip whose lower end is 0 or more: a hard tanh, or a relu that ends somewhere."""
    hull = range_.values.hull
    return name in {"hard_tanh", "relu"} and hull.bounded and hull.width > 0 and hull.lo >= 0.0


def _chain(head: Head) -> tuple[Location | None, ...]:
    """The places of the activations with which one applied to ``head`` makes a chain; None where it is further off."""
    near = all(layer.rpartition(".")[2].casefold() in _MOVES for layer in head.after)
    return (*head.others, head.location if near else None) if near or head.range.values.hull.bounded else ()


@lru_cache(maxsize=512)
def _produced(activation: Activation, before: ActivationRange, units: int | None) -> tuple[ActivationRange, str]:
    """The range after an activation, and in words."""
    made = activation.range_of(before, units)
    return made, str(made)


def through_nothing(run: Evaluator, framework: Framework, value: Value) -> Tensor:
    """Data that enters a network as it is."""
    base = entering(run, framework, [value])
    array = run.as_array(value)
    if array is None:
        return base
    return replace(base, head=Head(range=ActivationRange(ValueRange(array.values.hull)), shape=array.shape))


def kept(value: Tensor, layer: str, shape: Shape = None, *, units: int | None = None, untouched: bool = False,
         axis: int | None = None, permuted: bool = False) -> Tensor:  # fmt: skip
    """After a layer that only moves, selects or repeats values: the activation and its range stay the head's."""
    head = value.head
    new_axis = axis if axis is not None else head.axis
    return replace(
        value,
        head=replace(
            head, shape=shape, units=units if units is not None else (head.units if not permuted else None),
            after=(*head.after, layer)[:8], axis=new_axis,
            logits_recoverable=head.logits_recoverable if untouched else Tri.NO,
        ),
    )  # fmt: skip


def spread(value: Tensor, layer: str, range_: ActivationRange, where: Where, *, normalising: bool = False) -> Tensor:
    """After a layer that changes the range (batch normalisation, dropout, noise): the activation stays the head's."""
    head = value.head
    first = (*value.first_layers, layer) if len(value.first_layers) < FIRST_LAYERS else value.first_layers
    normalises = value.normalises
    if normalises is not Tri.YES and not value.first_layers:
        normalises = Tri.YES if normalising else Tri.NO
    return replace(
        value,
        head=replace(
            head, range=range_, after=(*head.after, layer)[:8], logits_recoverable=Tri.NO,
            trail=(*head.trail, TrailStep(f"{layer} after it: {range_}", where.location))[-8:],
        ),
        first_layers=first, normalises=normalises, log_of=None, complement=False,
    )  # fmt: skip


def normalised(run: Evaluator, framework: Framework, value: Value, layer: str, where: Where) -> Tensor:
    """After batch normalisation and its relatives: everything can come out."""
    if isinstance(value, Tensor):
        if value.head.activation in {None, "linear"}:
            return replace(value, head=replace(value.head, range=LINEAR_RANGE, activation="linear"),
                           first_layers=(*value.first_layers, layer)[:FIRST_LAYERS])  # fmt: skip
        return spread(value, layer, LINEAR_RANGE, where)
    base = entering(run, framework, [value])
    array = run.as_array(value)
    return _after(base, layer, True, Head(
        activation="linear", written=where.written, range=LINEAR_RANGE, location=where.location,
        shape=None if array is None else array.shape,
    ))  # fmt: skip


def indexed(value: Tensor, parts: Sequence[indexing.Part]) -> Tensor:
    """``prediction[parts]``: the same activation under another shape."""
    head = value.head
    shape = indexing.indexed(head.shape, parts)
    if head.axis is not None or head.range.constraint is not None:
        return replace(value, head=replace(head, shape=shape))
    return replace(value, head=replace(head, shape=shape, units=features(shape, value.framework)))


def features(shape: Shape, framework: Framework) -> int | None:
    """The extent of the axis that counts features: the last in Keras, the second in torch."""
    if shape is None or len(shape) < 2:
        return None
    return shape[-1] if framework is Framework.KERAS else shape[1]


def extent(shape: tuple[int | None, ...], axis: int) -> int | None:
    """The extent along an axis; None where the shape has no such axis."""
    return shape[axis] if -len(shape) <= axis < len(shape) else None


def as_tensor(value: Value) -> Tensor:
    """``x - net(x)`` used as a prediction, not as an error: what it can produce."""
    assert isinstance(value, Difference)
    tensor = value.prediction
    if value.power != 1.0 or value.absolute:
        return replace(tensor, head=Head(), why="an error, not a prediction")
    if value.scaled and tensor.head.range != LINEAR_RANGE:
        return unknown_range(tensor, value.where)
    return combined(tensor, value.target if isinstance(value.target, Array) else None, -1.0, value.where)


def combined(tensor: Tensor, array: Array | None, sign: float, where: Where) -> Tensor:
    """A prediction with data added to it, or (``sign`` -1) taken away from it."""
    head = tensor.head if array is None or array.random else broadcast_head(tensor.head, array.shape)
    tensor = replace(tensor, head=head)
    fed = tensor.fed if array is None or array in tensor.fed or array.random else (*tensor.fed, array)[:8]
    variational = Tri.YES if array is not None and array.random else tensor.variational
    if head.activation == "linear" and head.range == LINEAR_RANGE:
        return replace(tensor, fed=fed, variational=variational, bare=False)
    hull = head.range.values.hull
    mixed = tensor.mixed or (array is not None and not array.random)
    how = "noise" if array is not None and array.random else where.written
    if array is not None:
        hull = hull.add(array.values.affine(sign, 0.0).hull)
    return replace(
        tensor, fed=fed, variational=variational, log_of=None, complement=False, mixed=mixed,
        head=replace(head, range=ActivationRange(ValueRange(hull)), after=(*head.after, how)[:8],
                     logits_recoverable=Tri.NO),
    )  # fmt: skip


def rescaled(tensor: Tensor, scale: float, shift: float, where: Where) -> Tensor:
    """``scale · prediction + shift``."""
    head = tensor.head
    if scale == 1.0 and shift == 0.0:
        return tensor
    if head.activation == "linear" and head.range == LINEAR_RANGE and scale != 0:
        multiple = None if shift != 0.0 or tensor.multiple is None else tensor.multiple * scale
        return replace(tensor, multiple=multiple, bare=tensor.bare and shift == 0.0)
    if scale == 0:
        return replace(tensor, head=replace(head, range=ActivationRange.exactly(Interval(shift, shift))))
    range_ = head.range.affine(scale, shift)
    change = where.written
    return replace(
        tensor, log_of=None,
        head=replace(
            head, range=range_, after=(*head.after, change)[:8], logits_recoverable=Tri.NO,
            trail=(*head.trail, TrailStep(f"`{change}` maps it to {range_}", where.location))[-8:],
        ),
    )  # fmt: skip


def clipped(tensor: Tensor, lo: float | None, hi: float | None) -> Tensor:
    """After a clip; a clip that cuts only an epsilon off leaves the head as it is."""
    if tensor.divergence is not None:  # a divergence that is left alone up to a bound weighs as its author chose
        tensor = replace(tensor, divergence=replace(tensor.divergence, weight=None))
    low, high, known = arrays.ends(lo, hi)
    head = tensor.head
    if low > high or overlaps.clipped(tensor, low, high):
        return tensor
    range_ = head.range.clip(low, high)
    if not known:
        range_ = replace(range_, values=ValueRange(range_.values.hull))
    hull = head.range.values.hull
    if known and hull.bounded and low <= hull.lo + CLOSE and high >= hull.hi - CLOSE:
        return replace(tensor, head=replace(head, logits_recoverable=Tri.NO))
    cut = HALF if tensor.bare and known and 0.0 <= low < high else None
    return replace(tensor, bare=False, head=replace(head, range=range_, after=(*head.after, "clip")[:8], cut=cut,
                                                    logits_recoverable=Tri.NO))  # fmt: skip


def unknown_range(tensor: Tensor, where: Where) -> Tensor:
    """After arithmetic whose range is not followed."""
    return replace(tensor, head=Head(shape=tensor.head.shape), why=f"the range of `{where.written}` is not known",
                   log_of=None, complement=False)  # fmt: skip


def remembering(made: Tensor, outputs: Iterable[Value], where: Where) -> Tensor:
    """``made`` of outputs in a way that is not followed, with the first of them: a loss may end there."""
    seen = [v.log_of or v for v in outputs if isinstance(v, Tensor)]
    first = next((v for v in seen if v.fed and v.head.activation is not None), None)
    return made if made.met is not None or first is None else replace(made, met=Meeting(first, None, where))


def without_number(tensor: Tensor) -> Tensor:
    """The tensor after something that makes of ``p - 1`` no error any more."""
    return replace(tensor, met=None) if tensor.met is not None and tensor.met.moved else tensor


def broadcast_head(head: Head, other: Shape, units: int | None = None) -> Head:
    """The head after elementwise arithmetic with something of the shape ``other``: extents of 1 are broadcast."""
    shape = indexing.broadcast(head.shape, other)
    if head.units != 1 or (shape is not None and shape == head.shape):
        return replace(head, shape=shape)
    if shape is not None and head.shape is not None and len(shape) == len(head.shape):
        wider = [after for before, after in zip(head.shape, shape, strict=True) if before == 1 != after]
        units = wider[0] if len(wider) == 1 else units
    return replace(head, shape=shape, units=units)


def averaged(tensor: Tensor, made: Tensor, shape: Shape) -> Tensor:
    """``made``, the mean of an output along some of its axes: it lies where the output lies."""
    head = tensor.head
    if head.activation is None or head.range.constraint is not None:
        return made
    range_ = head.range if head.range == LINEAR_RANGE else ActivationRange(ValueRange(head.range.values.hull))
    after = (*head.after, "mean")[:8]
    moved = replace(head, range=range_, after=after, shape=shape, units=None, axis=None, logits_recoverable=Tri.NO)
    return replace(made, head=moved, why=None)


LOGARITHMS = {"log": 1.0, "log1p": 1.0, "log2": 1.0 / math.log(2.0), "log10": 1.0 / math.log(10.0)}
"""by name: how many natural logarithms its unit is the inverse of"""


def in_logarithms(values: ActivationRange, name: str) -> ActivationRange:
    """What a logarithm makes of a range; nothing is known where some values may be negative."""
    activation = find_activation("log")
    moved = values.affine(1.0, 1.0) if name == "log1p" else values
    if activation is None or not moved.values.hull.lo >= 0.0:
        return UNKNOWN_ACTIVATION_RANGE
    found = activation.range_of(moved)
    return found if LOGARITHMS[name] == 1.0 else found.affine(LOGARITHMS[name], 0.0)


def logarithm(tensor: Tensor, where: Where, name: str = "log") -> Tensor:
    """``log(p)``: remembered, for cross-entropies written out; after a softmax, a log-softmax."""
    head = tensor.head
    range_ = in_logarithms(head.range, name)
    if name != "log1p" and head.range.constraint is Constraint.SIMPLEX and not head.after:
        return replace(tensor, log_of=tensor, head=replace(head, activation="log_softmax", range=range_,
                                                           location=where.location))  # fmt: skip
    after = (*head.after, name)[:8]
    known = not range_.values.unknown
    logged = replace(head, range=range_, activation=head.activation if known else None, after=after,
                     logits_recoverable=Tri.NO)  # fmt: skip
    made = replace(tensor, log_of=None if name == "log1p" else tensor, head=logged,
                   why=None if known else "a logarithm of the output")  # fmt: skip
    return remembering(made, [tensor], where)


def concatenated(run: Evaluator, values: list[Value], where: Where, framework: Framework) -> Value:
    """Several tensors side by side: the head of all where they agree."""
    found = [v for v in values if isinstance(v, Tensor)]
    base = entering(run, framework, values)
    if found and len(found) == len(values):
        first = found[0].head
        if all((t.head.activation, t.head.range) == (first.activation, first.range) for t in found):
            shape = first.shape
            return replace(base, head=replace(first, shape=None if shape is None else (*shape[:-1], None), units=None))
        range_ = first.range
        for tensor in found[1:]:
            range_ = ActivationRange(range_.values.either(tensor.head.range.values))
        return replace(base, head=Head(range=range_, location=where.location), why="outputs of several heads joined")
    return replace(base, head=Head(), why="an output joined with data")


def unknown_head(value: Value) -> str | None:
    """Why the head of a prediction is unknown, where the value says so."""
    if isinstance(value, Unknown):
        return value.reason
    if not isinstance(value, Tensor):
        return None
    return DERIVATIVE if value.derived else value.why
