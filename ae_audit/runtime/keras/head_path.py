"""From the last weights to the prediction of a Keras model: the calls between them, made again on others."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ae_audit.runtime.keras.graph.record import OpNode
from ae_audit.runtime.keras.trace import WatchedCall

MOST_CALLS = 32
RecordedStep = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class HeadPath:
    """``start`` is the tensor that the last weights gave, ``steps`` what is done to it, in order."""

    start: Any
    steps: tuple[RecordedStep, ...]

    def __call__(self, values: Any) -> Any:
        for step in self.steps:
            values = step(values)
        return values


def path_to(calls: Sequence[WatchedCall], prediction: Any) -> HeadPath:
    """Follow a prediction back through calls without weights, as far as each has one tensor behind it."""
    steps: list[RecordedStep] = []
    tensor = prediction
    for _ in range(MOST_CALLS):
        found = next((step for step in _steps_to(calls, tensor)), None)
        if found is None:
            break
        step, tensor = found
        steps.append(step)
    return HeadPath(tensor, tuple(reversed(steps)))


def _steps_to(calls: Sequence[WatchedCall], tensor: Any) -> list[tuple[RecordedStep, Any]]:
    """The ways in which the calls that gave a tensor can be made again, the most particular first."""
    makers = [call for call in calls if call.gives(tensor) and call.inputs and not _passes(call, tensor)]
    ways: list[tuple[RecordedStep, Any]] = []
    for site in ("attribute", "function", "operation"):
        for call in makers:
            way = _again(call, tensor) if call.site == site else None
            if way is not None:
                ways.append(way)
    return ways


def _passes(call: WatchedCall, tensor: Any) -> bool:
    """Whether the call hands its input on as it is."""
    return any(item is tensor for item in call.inputs)


def _again(call: WatchedCall, tensor: Any) -> tuple[RecordedStep, Any] | None:
    inputs = [item for item in call.inputs if int(np.prod(item.shape)) > 1]
    if len(inputs) != 1:
        return None
    source = inputs[0]
    if call.site == "attribute":
        return call.owner.activation, source
    if call.site == "function":
        function = _function(call.symbol)
        if function is None:
            return None
        return lambda values: function(values, **call.arguments), source
    if isinstance(call.owner, OpNode):
        return _operation(call.owner, source)
    if getattr(call.owner, "variables", ()) or getattr(call.owner, "layers", ()):
        return None
    return call.owner, source


def _operation(node: OpNode, source: Any) -> tuple[RecordedStep, Any] | None:
    play = node.play
    if play is None or node.what != "operation":
        return None

    def step(values: Any) -> Any:
        return play([values if item is source else item for item in node.inputs])[0]

    return step, source


def _function(symbol: str) -> Callable[..., Any] | None:
    """A function by its dotted name, where the module that holds it can be found."""
    module, _, name = symbol.rpartition(".")
    try:
        holder: Any = importlib.import_module(module)
    except ImportError:
        parent, _, inner = module.rpartition(".")
        try:
            holder = getattr(importlib.import_module(parent), inner, None) if parent else None
        except ImportError:
            return None
    found = getattr(holder, name, None)
    return found if callable(found) else None
