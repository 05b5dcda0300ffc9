"""How torch's layers and activations change a value: data stay data until weights meet them.

An :class:`Array` that passes a flatten or an activation is still data; at the first weights (or normalisation, or
dropout) it enters the network and becomes a :class:`Tensor`, which carries the facts of the head from there on.
"""

from __future__ import annotations

from collections.abc import Mapping

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import Framework, Parameter, Structure
from ae_audit.static.domain import losses, tensors
from ae_audit.static.domain.values import Array, Const, Difference, LossValue, Seq, Tensor, Unknown, Value
from ae_audit.static.knowledge.torch.layers import implicit_softmax_axis
from ae_audit.theory.activations import LINEAR_RANGE, ActivationRange, find_activation
from ae_audit.theory.intervals import REAL_LINE, Interval
from ae_audit.theory.ranges import Tri, ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.interpreter.run import Run
    from ae_audit.static.knowledge.torch.shapes import Shape
    from ae_audit.static.source.sources import Where

TORCH = Framework.TORCH


def carried(run: Run, value: Value | None) -> Array | Tensor | None:
    """The value as something that layers take: data, or a tensor of the network; None for anything else."""
    if value is None or isinstance(value, (Tensor, Array)):
        return value
    if isinstance(value, Difference):
        return tensors.as_tensor(value)
    if isinstance(value, (LossValue, Seq)):
        return None
    return run.as_array(value)


def output(run: Run, value: Value) -> Array | Tensor | None:
    """The value as what an activation is applied to: what a callable out of reach returned is taken for an output."""
    if isinstance(value, Unknown) and ("()" in value.children or losses.sources(run, value, parts=True)):
        fed = losses.fed_arrays(run, value)
        if fed:  # of what was given nothing, a callable out of reach makes data
            return tensors.opaque(run, TORCH, fed, value.reason)
    return carried(run, value)


def parameter(shape: Shape | None = None) -> Tensor:
    """Weights by themselves: ``nn.Parameter(…)``."""
    return tensors.weights(TORCH, shape, units_of(shape))


def weighed(run: Run, value: Value, layer: str, shape: Shape | None, where: Where, units: int | None = None) -> Tensor:
    """What comes out of weights: any real number, whatever went in; ``units`` where the shape is unknown."""
    known = units_of(shape) if shape is not None else units
    return tensors.through_weights(run, TORCH, value, layer, where, units=known, shape=shape)


def normalised(run: Run, value: Array | Tensor, layer: str, where: Where) -> Tensor:
    """After a layer that standardises and then learns scale and shift: any real number."""
    return tensors.normalised(run, TORCH, value, layer, where)


def dropped(run: Run, value: Array | Tensor, layer: str, probability: float | None, where: Where) -> Tensor:
    """After dropout, which while training zeroes values and divides the others by ``1 - p``."""
    inside = value if isinstance(value, Tensor) else tensors.through_nothing(run, TORCH, value)
    if probability == 0 or (isinstance(value, Tensor) and inside.head.range == LINEAR_RANGE):
        return inside
    values = inside.head.range.values
    hull = REAL_LINE
    if probability is not None and 0 < probability < 1:
        hull = values.hull.hull(values.hull.affine(1.0 / (1.0 - probability), 0.0)).hull(Interval(0.0, 0.0))
    elif values.hull.lo >= 0:
        hull = Interval(0.0, float("inf"))
    spread = ActivationRange(ValueRange(hull, values.reach))
    if isinstance(value, Array):
        return replace(inside, head=replace(inside.head, range=spread))
    return tensors.spread(inside, layer, spread, where)


def passed(value: Array | Tensor, layer: str, shape: Shape | None, *, permuted: bool = False) -> Array | Tensor:
    """After something that moves values about, takes some of them, or averages them."""
    if isinstance(value, Array):
        return replace(value, shape=shape)
    units = value.head.units if value.head.axis is not None else units_of(shape)
    return tensors.kept(value, layer, shape, units=units, permuted=permuted)


def moved(value: Array | Tensor, shape: Shape | None) -> Array | Tensor:
    """The same value under another shape, of which nobody needs to be told (``view``, ``squeeze``)."""
    if isinstance(value, Array):
        return replace(value, shape=shape)
    constrained = value.head.axis is not None or value.head.range.constraint is not None
    units = value.head.units if constrained else units_of(shape)
    return replace(value, head=replace(value.head, shape=shape, units=units))


def activated(
    run: Run,
    value: Array | Tensor,
    name: str,
    parameters: Mapping[str, Any],
    where: Where,
) -> Value:
    """After the activation of that canonical ``name``; ``where`` is the expression that names it."""
    plain: dict[str, Parameter] = {
        key: item for key, item in parameters.items() if isinstance(item, (bool, int, float, str))
    }
    shape = shape_of(value)
    if name in {"softmax", "softmin", "log_softmax"} and "axis" not in plain and shape is not None:
        plain["axis"] = implicit_softmax_axis(len(shape))
    axis = plain.get("axis")
    if isinstance(value, Tensor):
        made = tensors.activated(run, value, name, where, framework=TORCH, parameters=plain)
        head = made.head
        if name == "glu" and shape is not None and isinstance(axis, int):
            head = replace(head, shape=halved(shape, axis))
        made = replace(made, head=replace(head, logits_recoverable=Tri.NO))
        if name == "log_softmax":
            # log p, for cross-entropies written out: p is the softmax.
            p = tensors.activated(run, value, "softmax", where, framework=TORCH, parameters=plain)
            made = replace(made, log_of=replace(p, head=replace(p.head, logits_recoverable=Tri.NO)))
        return made
    activation = find_activation(name, **plain)
    if activation is None:
        return Unknown(f"the activation `{name}`", where)
    units = tensors.extent(shape, axis) if isinstance(axis, int) and shape is not None else None
    after = activation.range_of(ActivationRange(value.values), units)
    spread = name in {"softmax", "softmin"}
    return replace(
        value,
        values=after.values,
        structure=Structure.DISTRIBUTION if spread else value.structure,
        structure_axis=axis if spread and isinstance(axis, int) else value.structure_axis,
        scale=None,
        shift=None,
        scalings=(*value.scalings, name),
        standardised=Tri.UNKNOWN,
        where=where,
    )


def undetermined(run: Run, value: Value, reason: str, where: Where, layer: str | None = None) -> Value:
    """What comes out of something that is not in reach, applied to data or to a tensor."""
    if isinstance(value, (Seq, Const, LossValue)) and not run.find_tensors(value):
        return Unknown(reason, where)
    made = tensors.opaque(run, TORCH, [value], reason, layer)
    return replace(made, head=replace(made.head, location=where.location))


def units_of(shape: Shape | None) -> int | None:
    """The extent of the feature axis (rank 2) or the channel axis (rank 3 and more)."""
    return None if shape is None or len(shape) < 2 else shape[1]


def shape_of(value: Array | Tensor) -> Shape | None:
    """The shape of data or of a tensor of the network."""
    return value.shape if isinstance(value, Array) else value.head.shape


def halved(shape: Shape, axis: int) -> Shape | None:
    """The shape with one extent halved."""
    extent = tensors.extent(shape, axis)
    if extent is None:
        return None
    place = axis % len(shape)
    return (*shape[:place], extent // 2, *shape[place + 1 :])
