"""From the last weights to the prediction: the calls between them, ready to be played on other values.

A module is one call on the tape. Here it is run once more with every function inside it recorded, and the tape is
followed from the prediction back to the nearest calls that hold weights: what these give are the values that a network
could choose freely.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from ae_audit.runtime.torch import functions
from ae_audit.runtime.torch.graph import Player, Tape, plain_value
from ae_audit.runtime.torch.nodes import Kind, Leaf, Node, Ref

MOST_ENDS = 32
"""tensors of free values: a loop over time steps with a layer in each has as many"""
SPACING = 1 << 40
"""between the serials of calls inside one module and those inside another"""

Slice = Callable[[torch.Tensor], torch.Tensor]


class NoPath(Exception):
    """The calls between weights and prediction cannot be told apart."""


@dataclass(eq=False, slots=True)
class HeadPath:
    """The free values and what is made of them.

    ``ends`` are the tensors that the last weights gave, with the values that they had; ``nodes`` the calls from there
    to the prediction in the order in which they ran; ``results`` says which result of a call inside a module is the
    result of that module.
    """

    ends: list[tuple[Ref, torch.Tensor]] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    results: dict[int, tuple[Ref, Ref]] = field(default_factory=dict)

    def prediction(self, free: Sequence[torch.Tensor], wanted: Ref, cut: Slice) -> torch.Tensor:
        """What the output layer makes of free values, one tensor for each of ``ends``."""
        player = Player(lambda node, place, leaf: cut(plain_value(leaf)), _without_chance)
        for (ref, _), value in zip(self.ends, free, strict=True):
            player.preset(ref, value)
        for node in self.nodes:
            for ref in node.refs():
                source = ref.source
                if isinstance(source, Node) and source.kind is Kind.NOISE and not player.has(ref):
                    if source.sample is None:
                        raise NoPath
                    player.preset(ref, cut(source.sample))
            player.run([node])
            inside, outside = self.results.get(node.serial, (None, None))
            if inside is not None and outside is not None:
                player.preset(outside, player.value(inside))
        return player.value(wanted)


def path_to(prediction: Ref, play: Callable[[Node], tuple[tuple[Any, ...], dict[str, Any]]]) -> HeadPath:
    """The path to a prediction.

    Args:
        prediction: as the loss takes it.
        play: the arguments with which a module on the tape was called.

    Raises:
        NoPath: where it cannot be followed.
    """
    path = HeadPath()
    inner: list[Node] = []
    outer: dict[int, Node] = {}
    ends: dict[tuple[int, int], Ref] = {}
    traces: dict[int, _Trace] = {}
    waiting = [prediction]
    met: set[tuple[int, int]] = set()
    while waiting:
        ref = waiting.pop()
        node = ref.source
        if not isinstance(node, Node) or node.kind is not Kind.MODEL or (node.serial, ref.index) in met:
            continue
        met.add((node.serial, ref.index))
        if isinstance(node.call, torch.nn.Module) and _has_parameters(node.call):
            if node.serial not in traces:
                traces[node.serial] = _Trace(node, *play(node), start=SPACING * (len(traces) + 1))
            trace = traces[node.serial]
            inside = trace.result(ref.index)
            path.results[_serial(inside)] = (inside, ref)
            waiting.append(inside)
        elif _weighted(node):
            ends[node.serial, ref.index] = ref
        else:
            outer[node.serial] = node
            waiting.extend(part for part in node.refs() if part.kind is Kind.MODEL)
    if not ends or len(ends) > MOST_ENDS:
        raise NoPath
    values = [(ref, _value(ref, traces.values())) for ref in ends.values()]
    path.ends = [(ref, value) for ref, value in values if value is not None]
    if len(path.ends) < len(values):
        raise NoPath
    for ref, _ in path.ends:  # the module may end in its weights, with nothing behind them
        if isinstance(ref.source, Node) and ref.source.serial in path.results:
            inside, outside = path.results.pop(ref.source.serial)
            del inside
            path.ends = [(outside if end is ref else end, value) for end, value in path.ends]
    inner = [node for node in outer.values() if node.serial >= SPACING]
    plain = [node for node in outer.values() if node.serial < SPACING]
    path.nodes = [*sorted(inner, key=lambda node: node.serial), *sorted(plain, key=lambda node: node.serial)]
    return path


def _serial(ref: Ref) -> int:
    if not isinstance(ref.source, Node):
        raise NoPath
    return ref.source.serial


def _value(ref: Ref, traces: Iterable[_Trace]) -> torch.Tensor | None:
    for trace in traces:
        value = trace.values.get((_serial(ref), ref.index))
        if value is not None:
            return value
    return None


class _Trace(TorchFunctionMode):
    """One call of a module, recorded function by function."""

    def __init__(self, node: Node, args: tuple[Any, ...], kwargs: dict[str, Any], *, start: int) -> None:
        super().__init__()
        self.values: dict[tuple[int, int], torch.Tensor] = {}
        """what calls with weights gave, by their serial and the place of the result"""
        self._tape = Tape()
        self._tape._serial = itertools.count(start)
        with torch.enable_grad(), self:
            result = node.call(*args, **kwargs)
        self._results = [self._tape.ref(leaf) if isinstance(leaf, torch.Tensor) else None for leaf in _flat(result)]

    def result(self, index: int) -> Ref:
        """Which call inside made a result of the module.

        Raises:
            NoPath: where none was seen.
        """
        ref = self._results[index] if index < len(self._results) else None
        if ref is None or not isinstance(ref.source, Node):
            raise NoPath
        return ref

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = functions.short_name(func)
        if name in functions.SILENT:
            return func(*args, **kwargs)
        node = self._tape.begin(func, args, kwargs)
        result = func(*args, **kwargs)
        if node is not None:
            self._tape.end(node, args, result)
            if node.kind is Kind.MODEL and _weighted(node):
                for index, value in enumerate(_flat(result)):
                    if isinstance(value, torch.Tensor) and value.is_floating_point():
                        self.values[node.serial, index] = value.detach().clone()
        return result


def _flat(result: Any) -> list[Any]:
    return list(pytree.tree_leaves(result))


def _weighted(node: Node) -> bool:
    """Whether the call mixes values by weights, or by other values of the network's own."""
    if any(isinstance(leaf, torch.Tensor) and leaf.nelement() > 1 for leaf in node.leaves):
        return True
    return not node.is_module and (node.name in functions.WEIGHTED or node.name in functions.RECURRENT)


def _has_parameters(module: torch.nn.Module) -> bool:
    return next(module.parameters(), None) is not None


def _without_chance(node: Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if node.name in functions.DROPPING and not node.is_module:
        return args[0]
    return node.call(*args, **kwargs)


def has_leaf_value(ref: Ref) -> bool:
    """Whether the tensor is data, kept by value."""
    return isinstance(ref.source, Leaf) and ref.source.value is not None
