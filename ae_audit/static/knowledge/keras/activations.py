"""The activation of a Keras layer: a name, a function, a layer; given where the layer is made, or set later."""

from __future__ import annotations

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import Framework
from ae_audit.static.domain import array_api, tensors
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import Const, Function, Instance, Library, Object, Partial, Tensor, Unknown, Value
from ae_audit.static.knowledge.spellings import activation as canonical
from ae_audit.static.source.sources import Where

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.interpreter.run import Run

KERAS = Framework.KERAS

ACTIVATION = "activation"
"""the attribute that a program may set anew"""


def activation_of(run: Run, value: Value | None, where: Where) -> tuple[str, dict[str, Any], Where] | None:
    """Canonical name and parameters of what was given as ``activation=``; None for none and for what is unknown."""
    if isinstance(value, Const) and isinstance(value.value, str):
        found = canonical("keras", value.value)
        return None if found is None else (found[0], dict(found[1]), value.where or where)
    if isinstance(value, Library):
        found = canonical("keras", value.name)
        return None if found is None else (found[0], dict(found[1]), where)
    return None


def activate(run: Run, tensor: Value, given: Value | None, call: Call, where: Where) -> Value:
    """Apply what was given as an activation: a name, a function, a layer, a lambda, nothing."""
    if given is None or (isinstance(given, Const) and given.value is None):
        return tensor
    place = given.where if isinstance(given, Const) and given.where is not None else _place_of(call, where)
    found = activation_of(run, given, place)
    if found is not None:
        name, defaults, place = found
        axis = defaults.pop("axis", None)
        return tensors.activated(run, tensor, name, where, framework=KERAS, parameters=defaults, axis=axis,
                                 written=place.written, where_name=place)  # fmt: skip
    if isinstance(given, Object) and given.where is not None:
        place = given.where
    if isinstance(given, (Function, Partial, Object, Instance)):
        made = run.call(given, Call(place, [tensor]))
        if isinstance(made, Tensor):
            return replace(made, head=replace(made.head, location=place.location, written=place.written))
        return tensors.opaque(run, KERAS, [tensor], "the activation is a function that is not understood")
    reason = given.reason if isinstance(given, Unknown) else f"the activation `{place.written}` is not known"
    return tensors.opaque(run, KERAS, [tensor], reason, shape=array_api.shape_of(tensor))


def _place_of(call: Call, where: Where) -> Where:
    """The expression after ``activation=`` in a call."""
    for keyword in getattr(call.where.node, "keywords", []):
        if keyword.arg == "activation":
            return Where(call.where.text, keyword.value)
    return where


def with_activation(call: Call, activation: Value, position: int | None, where: Where) -> Call:
    """The call that makes a layer, as if the activation that it was given later, at ``where``, had stood there."""
    if position is None or position >= len(call.args):
        return Call(where, list(call.args), {**call.kwargs, ACTIVATION: activation}, call.open)
    args = [activation if place == position else value for place, value in enumerate(call.args)]
    return Call(where, args, call.kwargs, call.open)
