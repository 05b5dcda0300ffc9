"""An output activation of the program's own, in torch: the functions that made it played on values of our choice.

Whatever a module, a function or a ``torch.autograd.Function`` does is made of torch functions, and each of them is
seen. From the last layer with weights on they are remembered; where they go value by value, they are tried.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.nn.parameter import is_lazy

from ae_audit.runtime.measure.custom_activations import Array, CustomActivation, by_values
from ae_audit.runtime.torch import functions
from ae_audit.runtime.torch.tensor_refs import IdentityMap
from ae_audit.schema.location import Location

MOST_CALLS = 32
"""that an activation is made of"""
PERTURBED = 5
"""values that are changed one by one to see that no other result changes"""
MOST_VALUES = 1 << 16
"""of the tensor that is played with; a wider one is not tried"""

PLAIN = frozenset(
    {"add", "sub", "mul", "rsub", "__rsub__", "multiply", "subtract", "neg", "clamp", "clip", "clamp_min", "clamp_max"}
)
"""arithmetic with constants of which the range of the result is known exactly"""

Described = tuple[str | None, Location | None]


@dataclass(eq=False, slots=True)
class Provenance:
    """How a tensor was made from the output of the last layer with weights.

    Of that output itself ``function`` is None.
    """

    shape: torch.Size
    """of that output"""
    start: object
    function: functions.Function | None = None
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    calls: int = 0
    described: Described = (None, None)
    plain: bool = True
    """whether it is made of known activations, affine maps and changes of shape alone"""

    def signature(self) -> tuple[Any, ...]:
        """Equal for two tensors that were made alike."""
        parts = (*self.args, *self.kwargs.items())
        return (
            self.shape,
            self.function,
            *(part.signature() if isinstance(part, Provenance) else str(part) for part in parts),
        )

    def played(self, start: torch.Tensor, known: dict[int, Any] | None = None) -> Any:
        """The tensor for another output of the layer."""
        known = {} if known is None else known
        if self.function is None:
            return start
        if id(self) not in known:
            args = [part.played(start, known) if isinstance(part, Provenance) else part for part in self.args]
            kwargs = {
                name: part.played(start, known) if isinstance(part, Provenance) else part
                for name, part in self.kwargs.items()
            }
            changes = functions.writes_in_place(self.function) or kwargs.get("inplace") is True
            if changes and args and isinstance(args[0], torch.Tensor):
                args[0] = args[0].clone()
            result = self.function(*args, **kwargs)
            known[id(self)] = args[0] if result is None else result
        return known[id(self)]


class ProvenanceTracker:
    """Remembers how tensors were made.

    Args:
        describe: how and where what runs now is written.
    """

    def __init__(self, describe: Callable[[], Described]) -> None:
        self._made: IdentityMap[Provenance] = IdentityMap()
        self._describe = describe
        self._known: dict[tuple[Any, ...], CustomActivation | None] = {}

    def get(self, tensor: torch.Tensor) -> Provenance | None:
        return self._made.get(tensor)

    def note(
        self, function: functions.Function, args: Sequence[Any], kwargs: dict[str, Any], outputs: Sequence[torch.Tensor]
    ) -> None:
        """Take note of a call that has just returned."""
        name = functions.short_name(function)
        made: Provenance | None = None
        if len(outputs) == 1:
            if name in functions.WEIGHTED or name in functions.NORMALISING:
                made = Provenance(outputs[0].shape, object()) if outputs[0].requires_grad else None
            elif name not in functions.RANDOM:
                made = self._call(name, function, args, kwargs)
        for output in outputs:
            if made is None:
                self._made.pop(output)
            else:
                self._made[output] = made

    def custom_activation(self, made: Provenance) -> CustomActivation | None:
        """What the functions amount to; None where they do not go value by value."""
        key = made.signature()
        if key not in self._known:
            with torch.no_grad():
                self._known[key] = _characterised(made)
        return self._known[key]

    def _call(
        self, name: str, function: functions.Function, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> Provenance | None:
        parts = [self._part(value) for value in args]
        named = {key: self._part(value) for key, value in kwargs.items()}
        found = [part for part in (*parts, *named.values()) if isinstance(part, Provenance)]
        calls = 1 + sum(part.calls for part in found)
        if not found or _UNKNOWN in parts or _UNKNOWN in named.values() or calls > MOST_CALLS:
            return None
        if any(part.start is not found[0].start for part in found):
            return None
        shaping = name in functions.RESHAPING or functions.activation_of(function) is not None
        described = found[0].described if shaping and found[0].function is not None else self._describe()
        plain = all(part.plain for part in found) and _is_plain(name, function, parts, len(found))
        return Provenance(found[0].shape, found[0].start, function, tuple(parts), named, calls, described, plain)

    def _part(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            made = self._made.get(value)
            if made is not None:
                return made
            if is_lazy(value):
                return _UNKNOWN  # the weights of a lazy module, before its first call
            constant = value.nelement() == 1 and not value.requires_grad
            return value.detach().clone() if constant else _UNKNOWN
        if isinstance(value, (tuple, list)) and any(isinstance(item, torch.Tensor) for item in value):
            parts = [self._part(item) for item in value]
            return _UNKNOWN if any(isinstance(item, Provenance) or item is _UNKNOWN for item in parts) else value
        return value


def _is_plain(name: str, function: functions.Function, args: Sequence[Any], tensors: int) -> bool:
    known = name in functions.RESHAPING or name in PLAIN or functions.activation_of(function) is not None
    divided = name in {"div", "true_divide", "divide"} and bool(args) and isinstance(args[0], Provenance)
    return tensors == 1 and (known or divided)


class _Unknown:
    """In place of what cannot be given again."""


_UNKNOWN = _Unknown()


def _characterised(made: Provenance) -> CustomActivation | None:
    for shape in dict.fromkeys((torch.Size((min(2, made.shape[0]), *made.shape[1:])), made.shape)):
        if not 0 < shape.numel() <= MOST_VALUES:
            continue
        if _goes_value_by_value(made, shape):
            return by_values(lambda values, shape=shape: _applied(made, values, shape))  # type: ignore[misc]
    return None


def _goes_value_by_value(made: Provenance, shape: torch.Size) -> bool:
    """Whether each result depends on the value in its own place alone."""
    generator = torch.Generator().manual_seed(0)
    values = 4 * torch.rand(shape, generator=generator) - 2
    try:
        before = made.played(values.clone()).reshape(-1)
        for turn, place in enumerate(torch.randint(shape.numel(), (PERTURBED,), generator=generator).tolist()):
            changed = values.clone()
            changed.view(-1)[place] += 50.0 if turn % 2 else -50.0  # beyond all others: it is a maximum or a minimum
            others = torch.ones(shape.numel(), dtype=torch.bool)
            others[place] = False
            after = made.played(changed).reshape(-1)
            if after.shape != others.shape or not torch.equal(after[others], before[others]):
                return False
    except Exception:  # it may want the size of the whole batch
        return False
    return True


def _applied(made: Provenance, values: Array, shape: torch.Size) -> Array:
    """The function on a vector, in as many tensors of the shape as it fills."""
    size = shape.numel()
    found = []
    for start in range(0, len(values), size):
        part = values[start : start + size]
        filled = torch.from_numpy(np.resize(part, size).astype(np.float32)).reshape(shape)
        found.append(made.played(filled).reshape(-1)[: len(part)].to(torch.float64).numpy())
    return np.concatenate(found)
