"""What a recording keeps of a program's training: the losses, and the order of gradients and optimizer steps."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils import _foreach_utils

from ae_audit.runtime.torch.graph import ancestors, leaves_of
from ae_audit.runtime.torch.nodes import Kind, Leaf, LossEvent, Node, RecordedLoss, Ref
from ae_audit.runtime.torch.tensor_refs import size_in_bytes
from ae_audit.theory.ranges import Tri

LOOKED_AT = 4
"""parameters of an optimizer whose gradients are looked at"""


@dataclass(eq=False, slots=True)
class OptimizerRecord:
    """An optimizer as it was before its first step."""

    optimizer: torch.optim.Optimizer
    groups: list[tuple[list[torch.nn.Parameter], dict[str, Any]]]
    rounds: int | None = None
    """how often the loops round its first step bring the program there, where that is known"""
    steps: int = 0
    resets: int = 0
    """steps before which the gradients had been reset since the one before"""
    reset: bool = True
    """whether the gradients of its parameters were reset since its last step"""

    @classmethod
    def of(cls, optimizer: torch.optim.Optimizer) -> OptimizerRecord:
        groups = []
        for group in optimizer.param_groups:
            settings = {key: _own(value) for key, value in group.items() if key != "params"}
            groups.append((list(group["params"]), settings))
        return cls(optimizer, groups)

    @property
    def name(self) -> str:
        return type(self.optimizer).__name__

    @property
    def parameters(self) -> list[torch.nn.Parameter]:
        return [parameter for parameters, _ in self.groups for parameter in parameters]

    def look_for_reset(self) -> None:
        """See whether the program reset the gradients itself (``p.grad = None``), of the first few weights."""
        if self.steps and not self.reset:
            seen = [parameter.grad for parameter in self.parameters[:LOOKED_AT]]
            self.reset = all(gradient is None or not bool(gradient.any()) for gradient in seen)

    def stepped(self) -> None:
        """It is about to step."""
        self.look_for_reset()
        self.resets += bool(self.steps and self.reset)
        self.steps += 1
        self.reset = False

    @property
    def gradients_reset(self) -> Tri:
        """Whether gradients are reset between its steps."""
        return Tri.UNKNOWN if self.steps < 2 else Tri.of(self.resets > 0)

    def fresh(self) -> torch.optim.Optimizer:
        """A new optimizer of the same class and settings over the same parameters, without any state."""
        groups = [
            {"params": parameters, **{key: _own(value) for key, value in settings.items()}, **_fused(self, parameters)}
            for parameters, settings in self.groups
        ]
        try:
            return type(self.optimizer)(groups, **_accepted(self.optimizer))
        except Exception:  # a constructor of the user's own may want anything
            twin = object.__new__(type(self.optimizer))
            twin.__dict__.update(self.optimizer.__dict__)
            twin.param_groups = groups
            twin.state = type(self.optimizer.state)(dict)
            return twin


def _fused(record: OptimizerRecord, parameters: Sequence[torch.nn.Parameter]) -> dict[str, bool]:
    """Let the update be one pass over the weights where torch can: it costs as much as the gradients otherwise."""
    if type(record.optimizer) not in {torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD}:
        return {}
    devices: list[str] = getattr(_foreach_utils, "_get_fused_kernels_supported_devices", list)()
    settings = record.optimizer.defaults
    if "cpu" not in devices or isinstance(settings.get("lr"), torch.Tensor):
        return {}
    chosen = [settings.get(name) for name in ("foreach", "fused", "capturable", "differentiable")]
    plain = all(parameter.device.type == "cpu" and parameter.is_floating_point() for parameter in parameters)
    return {"fused": True} if plain and "fused" in settings and not any(chosen) else {}


def _own(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, torch.Tensor) else value


def _accepted(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The optimizer's default settings that its constructor takes."""
    names = inspect.signature(type(optimizer)).parameters
    return {key: _own(value) for key, value in optimizer.defaults.items() if key in names}


@dataclass(eq=False, slots=True)
class Backward:
    """Gradients of ``root`` were added to the parameters' own."""

    root: Ref
    losses: tuple[LossEvent, ...]
    fresh: bool
    """whether no parameter had a gradient before"""


@dataclass(eq=False, slots=True)
class Zeroed:
    """Gradients were reset."""

    parameters: tuple[torch.nn.Parameter, ...]


@dataclass(eq=False, slots=True)
class OptimizerStep:
    """The optimizer took a step; ``inner`` is what its closure did, where it was given one."""

    optimizer: OptimizerRecord
    inner: list[Event] | None = None


Event = Backward | Zeroed | OptimizerStep


@dataclass(eq=False, slots=True)
class Chunk:
    """The events between two steps of one optimizer, the closing step included."""

    events: tuple[Event, ...]
    losses: tuple[LossEvent, ...]
    """of the site in question"""


def backwards(events: Iterable[Event]) -> Iterable[Backward]:
    """The gradients among the events, those taken in closures too."""
    for event in events:
        if isinstance(event, Backward):
            yield event
        elif isinstance(event, OptimizerStep) and event.inner:
            yield from backwards(event.inner)


def chunks_for(site: RecordedLoss, events: Sequence[Event]) -> tuple[Chunk, ...]:
    """The training steps in which the site's loss took part, closed by the optimizer that steps on it."""
    mine = {id(loss) for loss in site.trained}
    optimizer = _optimizer_for(mine, events)
    if optimizer is None:
        return ()
    chunks: list[Chunk] = []
    current: list[Event] = []
    for event in events:
        current.append(event)
        if isinstance(event, OptimizerStep) and event.optimizer is optimizer:
            losses = tuple(loss for backward in backwards(current) for loss in backward.losses if id(loss) in mine)
            if losses:
                chunks.append(Chunk(tuple(current), losses))
            current = []
    return tuple(chunks)


def _optimizer_for(mine: set[int], events: Sequence[Event]) -> OptimizerRecord | None:
    seen = False
    for event in events:
        if any(id(loss) in mine for backward in backwards([event]) for loss in backward.losses):
            seen = True
        if seen and isinstance(event, OptimizerStep):
            return event.optimizer
    return None


def weights_in(root: Ref) -> dict[int, float]:
    """The factor with which each value enters ``root`` through sums and multiples, by the serial of its node.

    What is not in it enters otherwise or not at all. A value that enters twice has the factor of its first place.
    """
    found: dict[int, float] = {}
    waiting = [(root, 1.0)]
    while waiting:
        ref, factor = waiting.pop()
        node = ref.source
        if not isinstance(node, Node) or node.serial in found:
            continue
        found[node.serial] = factor
        if not node.is_module:
            waiting.extend(reversed(weight_of_part(node, factor)))
    return found


def weight_of_part(node: Node, factor: float) -> list[tuple[Ref, float]]:
    """What a sum or a multiple is made of, each with its factor; nothing where it is neither."""
    refs = [leaf for leaf in node.leaves if isinstance(leaf, Ref)]
    numbers = [_number(leaf) for leaf in node.leaves]
    constants = [number for number in numbers if number is not None]
    if node.name == "sub":
        return [(ref, -factor if ref is not node.leaves[0] else factor) for ref in refs]
    if node.name in {"__rsub__", "rsub", "neg"}:
        factor = -factor
    elif node.name == "mul" and constants:
        factor *= constants[0]
    elif node.name in {"div", "true_divide"} and constants and numbers[0] is None and constants[0]:
        factor /= constants[0]
    elif node.name not in {"add", "mean", "sum", "to", "float", "squeeze", "view", "reshape"}:
        return []
    return [(ref, factor) for ref in refs]


def _number(leaf: Any) -> float | None:
    if isinstance(leaf, bool):
        return None
    if isinstance(leaf, (int, float)):
        return float(leaf)
    if isinstance(leaf, Ref) and isinstance(leaf.source, Leaf):
        value = leaf.source.value
        if value is not None and value.nelement() == 1:
            return float(value)
    return None


def bytes_held(root: Ref) -> int:
    """Bytes of the leaves that the tape of ``root`` starts from, and of the samples kept along it."""
    nodes = ancestors([root])
    leaves = sum(size_in_bytes(leaf.value) for leaf in leaves_of(nodes) if leaf.value is not None)
    return leaves + sum(size_in_bytes(node.sample) for node in nodes if node.sample is not None)


def weights_behind(prediction: Ref) -> frozenset[int]:
    """The weights that a prediction is computed with, by identity."""
    nodes = ancestors([prediction])
    own = (id(parameter) for node in nodes for parameter, _ in node.weights)
    free = (id(leaf) for node in nodes for leaf in node.leaves if isinstance(leaf, torch.nn.Parameter))
    return frozenset((*own, *free))


def observed(ref: Ref) -> torch.Tensor | None:
    """The value of a leaf, or of a node of chance, as it was."""
    if isinstance(ref.source, Leaf):
        return ref.source.value
    return ref.source.sample if ref.source.kind is Kind.NOISE else None
