"""What a recorded training step is made of: calls and their values, the heads that they make, and the losses there.

These classes know each other: a node has the origins of its results and the loss that it computes, both of which name
the nodes that they come from.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

import torch

from ae_audit.runtime.host.user_code import Caller
from ae_audit.runtime.torch.functions import short_name, writes_in_place
from ae_audit.runtime.torch.losses import LossSpec
from ae_audit.runtime.torch.tensor_refs import size_in_bytes, version
from ae_audit.schema.location import Location
from ae_audit.schema.training_setup import Parameters, VariationalTerms
from ae_audit.theory.activations import ActivationRange
from ae_audit.theory.ranges import Tri

LARGE_LEAF = 64 << 20
"""A leaf of more bytes is kept by reference, not copied: nobody writes into a whole data set between two steps."""


class Kind(IntEnum):
    """What a tensor depends on; a call's result has the greatest kind of its arguments."""

    DATA = 0
    NOISE = 1
    MODEL = 2


class Leaf:
    """A value that the graph starts from.

    ``derived`` says how it was computed from another leaf by arithmetic, where that is known, and ``lineage`` of which
    leaves it was made by anything else; ``opaque`` that it has a gradient whose origin was not seen.
    """

    __slots__ = ("_place", "depth", "derived", "lineage", "opaque", "value")
    kind = Kind.DATA

    def __init__(self, made: Derived | Lineage | None = None) -> None:
        self.value: torch.Tensor | None = None
        self.derived: Derived | None = made if isinstance(made, Derived) else None
        self.lineage: Lineage | None = made if isinstance(made, Lineage) else None
        self.depth: int = 0 if made is None else 1 + max((leaf.depth for leaf in made.leaves), default=0)
        """calls between it and what nothing is known of"""
        self.opaque = False
        self._place: tuple[weakref.ref[torch.Tensor], int] | None = None

    @property
    def made_of(self) -> Sequence[Leaf]:
        """The leaves that it was made of, as far as that is known."""
        if self.derived is not None:
            return self.derived.leaves
        return () if self.lineage is None else self.lineage.leaves

    @property
    def made_by(self) -> str | None:
        """The name of the call that made it of those."""
        if self.derived is not None:
            return short_name(self.derived.function)
        return None if self.lineage is None else self.lineage.name

    def stand_for(self, tensor: torch.Tensor) -> None:
        """Remember whose value it is, without keeping that."""
        self._place = weakref.ref(tensor), version(tensor)

    def fill_again(self) -> None:
        """Take the value of what it stands for, if that is still there and was not written to since."""
        if self.value is None and self._place is not None:
            place, then = self._place
            tensor = place()
            if tensor is not None and version(tensor) == then:
                self.fill(tensor)

    def fill(self, tensor: torch.Tensor) -> None:
        if self.value is None:
            value = tensor.detach()
            self.value = value if size_in_bytes(value) > LARGE_LEAF else value.clone()


class Derived:
    """Arithmetic on data: the function, and its arguments with leaves in place of tensors."""

    __slots__ = ("args", "depth", "function", "kwargs")

    def __init__(self, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> None:
        self.function, self.args, self.kwargs = function, args, kwargs
        before = [leaf.derived for leaf in args if isinstance(leaf, Leaf)]
        self.depth: int = 1 + max((derived.depth for derived in before if derived is not None), default=0)

    @property
    def leaves(self) -> list[Leaf]:
        return [leaf for leaf in self.args if isinstance(leaf, Leaf)]


class Lineage:
    """Data that a tensor of data was made of, by a call that nobody will repeat."""

    __slots__ = ("leaves", "name")

    def __init__(self, name: str, leaves: Sequence[Leaf]) -> None:
        self.name, self.leaves = name, leaves


class Ref:
    """One tensor of the graph: a leaf, or the ``index``-th flattened output of a node."""

    __slots__ = ("index", "source")

    def __init__(self, source: Leaf | Node, index: int = 0) -> None:
        self.source, self.index = source, index

    @property
    def kind(self) -> Kind:
        return self.source.kind


class Node:
    """One recorded call."""

    __slots__ = (
        "autocast",
        "call",
        "callers",
        "in_place",
        "is_module",
        "kind",
        "leaves",
        "location",
        "loss",
        "name",
        "origins",
        "sample",
        "serial",
        "shapes",
        "spec",
        "tick",
        "weights",
        "with_grad",
    )

    def __init__(self, serial: int, tick: int, call: Callable[..., Any], leaves: list[Any], spec: Any) -> None:
        self.serial, self.tick, self.call, self.leaves, self.spec = serial, tick, call, leaves, spec
        self.kind = Kind.DATA
        self.is_module = isinstance(call, torch.nn.Module)
        self.name = type(call).__name__ if self.is_module else short_name(call)
        self.in_place = not self.is_module and writes_in_place(call)
        self.with_grad = torch.is_grad_enabled()
        self.autocast = _autocast()
        self.weights = _weights(call) if isinstance(call, torch.nn.Module) else ()
        """of the module, each with whether it was to get gradients"""
        self.location: Location | None = None
        self.callers: tuple[Caller, ...] = ()
        """the user's frames in which it ran"""
        self.loss: LossEvent | None = None
        self.shapes: dict[int, torch.Size] = {}
        """of its results, by their place among the flattened outputs"""
        self.origins: dict[int, HeadState] = {}
        """of its results: how they came about"""
        self.sample: torch.Tensor | None = None
        """the first output as it was, for nodes of chance that enter a model or a loss"""

    def refs(self) -> Iterable[Ref]:
        return (leaf for leaf in self.leaves if isinstance(leaf, Ref))


@dataclass(eq=False, slots=True)
class Holder:
    """The call on the tape in the course of which something happened; its node is known once it has ended."""

    node: Node | None = None
    calls: dict[str, int] = field(default_factory=dict)
    """number of activation calls so far, by canonical name"""


@dataclass(frozen=True, slots=True)
class ActivationCall:
    """One activation call of a training step: the ``index``-th of its name within a node of the tape."""

    holder: Holder
    name: str
    index: int


@dataclass(frozen=True, slots=True)
class HeadState:
    """How a tensor came about."""

    activation: str | None
    range: ActivationRange
    parameters: Parameters = ()
    axis: int | None = None
    shape: tuple[int, ...] | None = None
    """of the activation's own output"""
    after: tuple[str, ...] = ()
    written: str | None = None
    location: Location | None = None
    last: tuple[ActivationCall, ...] = ()
    """the last activation before the output, one for each part of a joined tensor; none where no call is known"""
    inner: tuple[ActivationCall, ...] = ()
    """the activations directly before those, which make one chain with them"""
    others: tuple[Location | None, ...] = ()
    """where the activations of the chain stand besides the one at ``location``"""
    fixed: str | None = None
    """why a part of the chain can be neither exchanged nor taken out"""
    trail: tuple[str, ...] = ()
    """how it is known, where it was tried out"""
    sampled: bool = False
    """whether the range was found by trying"""
    bare: bool = False
    """what a layer with weights gave, moved at most"""
    cut: float | None = None
    """share of the values that a clip of it cut off"""

    @property
    def bounded(self) -> bool:
        return self.activation not in {None, "linear"} and self.range.values.hull.bounded

    @property
    def outermost(self) -> str | None:
        """The activation that was applied last, by canonical name."""
        return self.last[0].name if self.last else self.activation

    def then(self, name: str, range: ActivationRange | None = None) -> HeadState:
        """This origin after one more operation; an empty name is not worth showing."""
        after = (*self.after, name) if name else self.after
        return replace(self, after=after, range=self.range if range is None else range)


@dataclass(eq=False, slots=True)
class LossEvent:
    """One computation of a loss: where prediction and target stand on the tape.

    ``node`` is the loss call; of a loss spelled out by hand the call that gives its value.
    """

    node: Node | None
    prediction: Ref
    target: Ref
    spec: LossSpec
    origin: HeadState | None
    prediction_shape: tuple[int, ...]
    places: tuple[int, int] = (0, 1)
    """of prediction and target among the node's flattened arguments"""
    variational: bool = False
    weight: float | None = None
    factor: float | None = None
    """with which ``node`` enters what is minimised"""
    alone: Tri = Tri.UNKNOWN
    """whether nothing else is minimised with it"""
    region: frozenset[int] = frozenset()
    """of a loss spelled out by hand: the calls between prediction and ``node``"""
    targets: tuple[Leaf, ...] = ()
    """of a loss spelled out by hand: the leaves that hold the target"""
    site: RecordedLoss | None = None
    callers: tuple[Caller, ...] = ()
    """the user's frames in which it was computed"""


@dataclass(frozen=True, slots=True)
class SiteKey:
    """What tells one loss of a program from another."""

    path: str | None
    line: int
    column: int
    cell: int | None
    name: str
    via: Location | None = None
    """of a function that computes several losses: where what takes the gradients calls it"""
    training: int = 0
    """which of several trainings of other models at that place, counted from 0"""


@dataclass(eq=False, slots=True)
class RecordedLoss:
    """One loss of the program, with all that was seen of it."""

    key: SiteKey
    location: Location | None
    """of the call"""
    named_at: Location | None
    """of the expression that names the loss: the criterion's construction, or the call"""
    written: str | None
    custom: bool = False
    """spelled out by hand"""
    spec: LossSpec | None = None
    """of a loss spelled out by hand: which one it was found to be"""
    weight: float | None = None
    raises: str | None = None
    """what the program's own loss says to these values, where it refuses them"""
    trained: list[LossEvent] = field(default_factory=list)
    evaluated: list[LossEvent] = field(default_factory=list)
    unused: list[LossEvent] = field(default_factory=list)
    """the first computation with gradients, as long as none were taken"""
    held: int = 0
    """bytes of the batches that are kept for it"""
    complete: bool = False
    weights: frozenset[int] = frozenset()
    """of the model that it trains, by identity"""
    variational: VariationalTerms | None = None
    """measured, where a divergence of a code is minimised with it"""
    looked_for_divergence: int = 0
    """how often"""

    @property
    def lines(self) -> set[tuple[str, int | None, int]]:
        """Every line at which a static reading might place this loss."""
        return {
            (place.path, place.cell, line)
            for place in (self.location, self.named_at)
            if place is not None
            for line in range(place.line, (place.end_line or place.line) + 1)
        }


def _weights(module: torch.nn.Module) -> tuple[tuple[torch.nn.Parameter, bool], ...]:
    return tuple((parameter, parameter.requires_grad) for parameter in module.parameters())


def _autocast() -> tuple[tuple[str, torch.dtype], ...]:
    """The autocast regions that are active: device and dtype."""
    return tuple((device, _dtype(device)) for device in ("cuda", "cpu") if torch.is_autocast_enabled(device))


def _dtype(device: str) -> torch.dtype:
    return torch.get_autocast_dtype(device)
