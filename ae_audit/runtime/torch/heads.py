"""Where a prediction comes from: every tensor's last activation, followed through what is done to it afterwards.

The follower sees each torch function, inside modules too, and keeps for its result the activation that produced it, the
exact range that it can take, and the operations since.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from ae_audit.runtime.measure.custom_activations import sentence
from ae_audit.runtime.torch import functions
from ae_audit.runtime.torch.custom_activations import Described, ProvenanceTracker
from ae_audit.runtime.torch.nodes import ActivationCall, HeadState, Holder
from ae_audit.runtime.torch.tensor_refs import IdentityMap
from ae_audit.theory.activations import LINEAR_RANGE, UNKNOWN_ACTIVATION_RANGE, ActivationRange, find_activation
from ae_audit.theory.intervals import REAL_LINE, Interval
from ae_audit.theory.ranges import ValueRange

LINEAR = HeadState("linear", LINEAR_RANGE)
WEIGHED = replace(LINEAR, bare=True)
UNKNOWN = HeadState(None, UNKNOWN_ACTIVATION_RANGE)
NOT_BY_VALUE = "what activates the output does not go value by value: what it can give is not known"
OWN_CALLS = "the program computes the activation of its output itself, which cannot be exchanged"
_LOOKED_AT = 4096
"""values of which the scale of a dropout is read off"""


class HeadTracker:
    """Keeps the origin of every tensor that comes from a model.

    Args:
        describe: how and where the activation that is running now is written; asked only for activations.
    """

    def __init__(self, describe: Callable[[], Described]) -> None:
        self._origins: IdentityMap[HeadState] = IdentityMap()
        self._noise: IdentityMap[bool] = IdentityMap()
        self._describe = describe
        self._provenance = ProvenanceTracker(describe)
        self.variational = False
        """whether a sample was drawn as mean + deviation · noise, both with gradients"""
        self.normalised: bool | None = None
        """whether the model that runs now scaled its input before its first weights; None before it got so far"""
        self._seen_weights = False

    def enter_model(self) -> None:
        """An outermost module begins."""
        self.normalised = None
        self._seen_weights = False

    def origin(self, tensor: torch.Tensor) -> HeadState | None:
        return self._origins.get(tensor)

    def head(self, tensor: torch.Tensor) -> HeadState | None:
        """The origin of a prediction; what the program made by itself is tried on values."""
        origin, made = self._origins.get(tensor), self._provenance.get(tensor)
        if made is None or made.plain:
            return origin
        found = self._provenance.custom_activation(made)
        written, location = made.described
        if found is None:
            if origin is not None and not origin.range.values.unknown:
                return origin
            return replace(UNKNOWN, written=written, location=location, trail=(NOT_BY_VALUE,))
        if found.name is None:
            if origin in {LINEAR, WEIGHED} and _covers_everything(found.range):
                return origin
            trail = (sentence(written or "the output", found),)
            shape = tuple(tensor.shape)
            return HeadState(
                None, found.range, shape=shape, written=written, location=location, trail=trail, sampled=True
            )
        activation = find_activation(found.name)
        known = origin is not None and not origin.range.values.unknown
        if activation is None or found.name == "linear" or (known and origin and origin.activation == found.name):
            return origin
        same = (found.scale, found.shift) == (1.0, 0.0)
        range = activation.range if same else activation.range.affine(found.scale, found.shift)
        after = () if same else ("Affine",)
        trail = (f"{written or 'the output'} gives the values of {found.name}{'' if same else ', scaled'}",)
        shape = tuple(tensor.shape)
        return HeadState(found.name, range, (), None, shape, after, written, location, fixed=OWN_CALLS, trail=trail)

    def is_noise(self, tensor: torch.Tensor) -> bool:
        return bool(self._noise.get(tensor))

    def follow(
        self, function: functions.Function, args: Sequence[Any], kwargs: dict[str, Any], result: Any, holder: Holder
    ) -> None:
        """Take note of one call that has just returned."""
        name = functions.short_name(function)
        if isinstance(result, torch.Tensor):
            outputs = [result]
        elif isinstance(result, (tuple, list)):
            outputs = [part for part in result if isinstance(part, torch.Tensor)]
        elif name == "__setitem__" and isinstance(args[0], torch.Tensor):
            outputs = [args[0]]
        else:
            return
        if not outputs:
            return
        self._watch_model_start(name, args)
        self._provenance.note(function, args, kwargs, outputs)
        if self._follow_noise(name, args, outputs):
            return
        try:
            origin = self._of_call(function, name, args, kwargs, outputs[0], holder)
        except Exception:  # what nobody thought of ends our understanding, not the program
            origin = UNKNOWN
        if origin is not None:
            for output in outputs:
                self._origins[output] = origin
        else:
            for output in outputs:
                self._origins.pop(output)

    def _of_call(
        self,
        function: functions.Function,
        name: str,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        output: torch.Tensor,
        holder: Holder,
    ) -> HeadState | None:
        first = _first_tensor(args, kwargs)
        if first is None:
            return None
        activation = functions.activation_call(function, args, kwargs)
        if activation is not None:
            return self._after_activation(activation, first, output, holder)
        if name in functions.WEIGHTED:
            return WEIGHED if self._from_model(args, kwargs) else None
        if name in functions.RECURRENT:
            found = find_activation(functions.RECURRENT[name])
            layer = f"nn.{name.upper()}"
            fixed = f"the activation is a part of {layer}"
            return None if found is None else HeadState(found.name, found.range, written=layer, fixed=fixed)
        if name in functions.JOINING:
            return self._joined(args, functions.JOINING[name])
        origin = self._origins.get(first)
        if name in _BINARY:
            return self._after_arithmetic(name, args, output)
        if origin is None:
            return UNKNOWN if output.requires_grad and name not in _CARRYING else None
        if name in functions.RESHAPING:
            return origin.then(functions.RESHAPING[name], _reshaped(origin.range, first, output))
        if name in functions.MOVING:
            return origin.then(functions.MOVING[name], _moved(origin.range, name, args, first))
        if name in functions.DROPPING:
            return self._dropped(origin, first, output)
        if name in functions.AVERAGING:
            inside = name not in {"interpolate", "upsample"} or functions.interpolates_within(args, kwargs)
            range = origin.range.free() if inside else LINEAR_RANGE
            nearest = kwargs.get("mode", args[3] if len(args) > 3 else "nearest") in {"nearest", "nearest-exact"}
            keeps = name in {"interpolate", "upsample"} and nearest
            return origin.then(functions.AVERAGING[name], origin.range if keeps else range)
        if name in functions.NORMALISING:
            return LINEAR if not origin.bounded else origin.then(functions.NORMALISING[name], LINEAR_RANGE)
        if name in {"clamp", "clip", "clamp_min", "clamp_max"}:
            lo, hi = _clip_bounds(name, args, kwargs)
            cut = _share_cut(first, lo, hi) if origin.bare else None
            return replace(origin.then("Clip", origin.range.clip(lo, hi)), bare=False, cut=cut)
        if name == "neg":
            return origin.then("Affine", origin.range.affine(-1.0, 0.0))
        if name == "pad":
            return origin.then("Pad", ActivationRange(_with_value(origin.range.values, kwargs.get("value") or 0.0)))
        return UNKNOWN

    def _after_activation(
        self, activation: tuple[str, dict[str, Any]], first: torch.Tensor, output: torch.Tensor, holder: Holder
    ) -> HeadState | None:
        name, parameters = activation
        index = holder.calls.get(name, 0)
        holder.calls[name] = index + 1
        found = find_activation(name, **parameters)
        before = self._origins.get(first)
        if found is None or not (first.requires_grad or before is not None or output.requires_grad):
            return None
        axis = found.axis
        if axis is None and found.constraint is not None:
            axis = _implicit_axis(output)
        units = output.shape[axis] if axis is not None and -output.dim() <= axis < output.dim() else None
        if axis is not None and found.axis is None:
            found = replace(found, axis=axis)
        range = found.range_of(before.range if before is not None else LINEAR_RANGE, units)
        if name == "linear" and before is not None:
            return before
        written, location = self._describe()
        last = (ActivationCall(holder, name, index),)
        if before is not None and before.bounded and not functions.WEIGHTED.intersection(before.after):
            others = (*before.others, location)
            return replace(before.then(name, range), last=last, inner=(*before.inner, *before.last), others=others)
        plain = tuple(sorted((key, value) for key, value in parameters.items() if key != "axis"))
        made = HeadState(name, range, plain, axis, tuple(output.shape), (), written, location, last)
        hull = range.values.hull
        if name in {"hard_tanh", "relu"} and hull.bounded and before is not None and before.bare:
            made = replace(made, cut=_share_cut(first, hull.lo, hull.hi))
        if before is None or before.activation in {None, "linear"} or not _ONLY_MOVED.issuperset(before.after):
            return made
        others = (*before.others, before.location)
        return replace(made, inner=(*before.inner, *before.last), others=others, fixed=before.fixed)

    def _after_arithmetic(self, name: str, args: Sequence[Any], output: torch.Tensor) -> HeadState | None:
        left, right = args[0], args[1] if len(args) > 1 else None
        sides = (left, right)
        origins = [self._origins.get(side) if isinstance(side, torch.Tensor) else None for side in sides]
        constants = [None if origin else _constant(side) for side, origin in zip(sides, origins, strict=True)]
        for origin, other in ((origins[0], constants[1]), (origins[1], constants[0])):
            if origin is not None and other is not None:
                affine = _affine(name, other, reverse=origin is origins[1])
                if affine is None:
                    return origin.then("Arithmetic", UNKNOWN_ACTIVATION_RANGE)
                return origin if affine == (1.0, 0.0) else origin.then("Affine", origin.range.affine(*affine))
        present = [origin for origin in origins if origin is not None]
        if not present:
            return UNKNOWN if output.requires_grad else None
        noisy = [isinstance(side, torch.Tensor) and self.is_noise(side) for side in (left, right)]
        if any(noisy) and len(present) == 1:
            return present[0].then("Noise", LINEAR_RANGE)
        if name in {"add", "sub"} and any(_covers_everything(origin.range) for origin in present):
            return LINEAR
        if len(present) == 2:
            return HeadState(None, _combined(name, present[0].range, present[1].range))
        if name == "mul":  # a mask, or an attention map over data
            return replace(present[0], activation=None, range=UNKNOWN_ACTIVATION_RANGE).then("Product")
        return LINEAR if _covers_everything(present[0].range) else UNKNOWN

    def _joined(self, args: Sequence[Any], name: str) -> HeadState | None:
        parts = args[0] if args and isinstance(args[0], (tuple, list)) else ()
        origins = [self._origins.get(part) for part in parts if isinstance(part, torch.Tensor)]
        if not origins or any(origin is None for origin in origins):
            return UNKNOWN if any(origins) else None
        first = origins[0]
        assert first is not None
        range = first.range
        joined = first
        for origin in origins[1:]:
            assert origin is not None
            if origin.activation != first.activation:
                return UNKNOWN
            range = range.either(origin.range) if range != origin.range else range
            joined = _both(joined, origin)
        return joined.then(name, range)

    def _dropped(self, origin: HeadState, first: torch.Tensor, output: torch.Tensor) -> HeadState:
        if output is first or not first.nelement():
            return origin
        # what is kept is divided by the share that is kept
        before, after = (tensor.detach().reshape(-1)[:_LOOKED_AT] for tensor in (first, output))
        # memory that nobody filled (``torch.empty``) may hold anything
        shares = (after / before)[(before != 0) & (after != 0) & torch.isfinite(after) & torch.isfinite(before)]
        factor = float(shares.max()) if shares.nelement() else 1.0
        hull = origin.range.values.hull
        wide = Interval(min(hull.lo, 0.0) * factor, max(hull.hi, 0.0) * factor)
        reach = origin.range.values.reach
        return origin.then("Dropout", ActivationRange(ValueRange(wide, reach)))

    def _watch_model_start(self, name: str, args: Sequence[Any]) -> None:
        if self._seen_weights or self.normalised:
            return
        if name in functions.WEIGHTED or name in functions.RECURRENT:
            self._seen_weights = True
            self.normalised = bool(self.normalised)
        elif name in functions.NORMALISING:
            self.normalised = True
        elif name in {"sub", "mul", "div", "true_divide"} and any(_constant(arg) is not None for arg in args):
            tensors = [arg for arg in args if isinstance(arg, torch.Tensor) and arg.dim() > 1]
            if tensors and not tensors[0].requires_grad:
                self.normalised = True

    def _follow_noise(self, name: str, args: Sequence[Any], outputs: list[torch.Tensor]) -> bool:
        """Whether the result is noise, made of chance alone or scaled by a weight-dependent deviation."""
        tensors = [arg for arg in args if isinstance(arg, torch.Tensor)]
        noisy = [tensor for tensor in tensors if self.is_noise(tensor)]
        if name in functions.RANDOM and name not in functions.DROPPING and not any(t.requires_grad for t in outputs):
            for output in outputs:
                self._noise[output] = True
            return True
        if not noisy:
            return False
        if name in {"mul", "add"} and len(tensors) == 2 and len(noisy) == 1:
            other = next(tensor for tensor in tensors if tensor is not noisy[0])
            if name == "mul" and other.requires_grad:
                self._noise[outputs[0]] = True
                return True
            if name == "add" and other.requires_grad and noisy[0].requires_grad:
                self.variational = True
                return False
        others = [tensor for tensor in tensors if not any(tensor is one for one in noisy)]
        if any(tensor.requires_grad or self._origins.get(tensor) is not None for tensor in others):
            return False
        mixed = name in functions.WEIGHTED or name in functions.RESHAPING or name in functions.MOVING
        if mixed or (name in _BINARY and all(_constant_everywhere(tensor) for tensor in others)):
            for output in outputs:
                self._noise[output] = True
            return True
        return False

    def _from_model(self, args: Sequence[Any], kwargs: dict[str, Any]) -> bool:
        tensors = [value for value in [*args, *kwargs.values()] if isinstance(value, torch.Tensor)]
        return any(
            tensor.requires_grad or isinstance(tensor, torch.nn.Parameter) or self._origins.get(tensor) is not None
            for tensor in tensors
        )


_ONLY_MOVED = frozenset(functions.RESHAPING.values()) | {"Permute", "Index", "Flip", "Repeat"}
"""what may stand between two activations that are one directly behind the other"""
_BINARY = frozenset(
    {"add", "sub", "mul", "div", "true_divide", "rsub", "__rsub__", "__rdiv__", "multiply", "subtract", "divide"}
)
_CARRYING = (
    frozenset(functions.RESHAPING) | frozenset(functions.MOVING) | functions.DROPPING | frozenset(functions.AVERAGING)
)


def _both(one: HeadState, other: HeadState) -> HeadState:
    """``one`` with the calls that made ``other``: they are exchanged together."""
    if one.last == other.last:
        return one
    last, inner = (tuple(dict.fromkeys(calls)) for calls in (one.last + other.last, one.inner + other.inner))
    others = (*one.others, *other.others)
    if other.location != one.location:
        others = (*others, other.location)
    return replace(one, last=last, inner=inner, others=tuple(dict.fromkeys(others)), fixed=one.fixed or other.fixed)


def _first_tensor(args: Sequence[Any], kwargs: dict[str, Any]) -> torch.Tensor | None:
    for value in [*args, *kwargs.values()]:
        if isinstance(value, torch.Tensor):
            return value
        if isinstance(value, (tuple, list)) and value and isinstance(value[0], torch.Tensor):
            return value[0]
    return None


def _constant(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        return float(value)
    if isinstance(value, torch.Tensor) and value.nelement() == 1 and not value.requires_grad and value.dim() == 0:
        return float(value.detach())
    return None


def _constant_everywhere(tensor: torch.Tensor) -> bool:
    return tensor.nelement() == 0 or bool((tensor == tensor.reshape(-1)[0]).all())


def _affine(name: str, constant: float, *, reverse: bool) -> tuple[float, float] | None:
    """``(scale, shift)`` of the operation on the tensor; ``reverse`` when the tensor is its second operand."""
    if name in {"__rsub__", "rsub"} or (name in {"sub", "subtract"} and reverse):
        return -1.0, constant
    if name == "add":
        return 1.0, constant
    if name in {"sub", "subtract"}:
        return 1.0, -constant
    if name in {"mul", "multiply"}:
        return constant, 0.0
    if name in {"div", "true_divide", "divide"} and not reverse and constant != 0.0:
        return 1.0 / constant, 0.0
    return None


def _combined(name: str, left: ActivationRange, right: ActivationRange) -> ActivationRange:
    a, b = left.values.hull, right.values.hull
    if name == "add":
        return ActivationRange(ValueRange(a.add(b)))
    if name in {"sub", "subtract"}:
        return ActivationRange(ValueRange(a.add(b.affine(-1.0, 0.0))))
    if name in {"mul", "multiply"}:
        return ActivationRange(ValueRange(a.multiply(b)))
    return UNKNOWN_ACTIVATION_RANGE


def _covers_everything(range: ActivationRange) -> bool:
    reach = range.values.reach
    return range.constraint is None and reach is not None and reach.is_real_line


def _clip_bounds(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[float, float]:
    if name == "clamp_min":
        low, high = kwargs.get("min", args[1] if len(args) > 1 else None), None
    elif name == "clamp_max":
        low, high = None, kwargs.get("max", args[1] if len(args) > 1 else None)
    else:
        low = kwargs.get("min", args[1] if len(args) > 1 else None)
        high = kwargs.get("max", args[2] if len(args) > 2 else None)
    lo, hi = _constant(low), _constant(high)
    return (REAL_LINE.lo if lo is None else lo), (REAL_LINE.hi if hi is None else hi)


def _share_cut(before: torch.Tensor, lo: float, hi: float) -> float | None:
    """The share of values that lie outside the bounds of a clip, which passes no gradient there."""
    values = before.detach()
    return float(((values < lo) | (values > hi)).float().mean()) if values.nelement() else None


def _with_value(values: ValueRange, value: float) -> ValueRange:
    point = Interval(value, value)
    return values.together(ValueRange(point, point))


def _implicit_axis(output: torch.Tensor) -> int:
    """The axis that torch's softmax takes when none is given."""
    return 0 if output.dim() in {0, 1, 3} else 1


def _reshaped(range: ActivationRange, before: torch.Tensor, after: torch.Tensor) -> ActivationRange:
    """A constraint along an axis survives a reshape that leaves that axis and those before it as they are."""
    if range.constraint is None or range.axis is None or before.shape == after.shape:
        return range
    axis = range.axis % before.dim()
    lead, trail = before.shape[:axis], before.shape[axis + 1 :]
    extent = before.shape[axis]
    for place, size in enumerate(after.shape):
        if size != extent:
            continue
        if after.shape[:place].numel() == lead.numel() and after.shape[place + 1 :].numel() == trail.numel():
            return replace(range, axis=place)
    return replace(range, axis=None)


def _moved(range: ActivationRange, name: str, args: Sequence[Any], before: torch.Tensor) -> ActivationRange:
    if range.constraint is None:
        return range
    if range.axis is None:
        return range.free()
    axis = range.axis % before.dim()
    if name == "permute":
        order = args[1] if len(args) > 1 and isinstance(args[1], (tuple, list)) else args[1:]
        if len(order) == before.dim() and all(isinstance(place, int) for place in order):
            return replace(range, axis=[place % before.dim() for place in order].index(axis))
    elif name in {"transpose", "swapaxes"} and len(args) > 2:
        first, second = args[1] % before.dim(), args[2] % before.dim()
        return replace(range, axis={first: second, second: first}.get(axis, axis))
    elif name in {"t", "T", "mT"} and before.dim() == 2:
        return replace(range, axis=1 - axis)
    return range.free() if name not in {"repeat", "expand", "flip", "roll"} else range
