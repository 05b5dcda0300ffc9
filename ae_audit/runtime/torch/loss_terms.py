"""The part of what is minimised that a loss is: its term, with sign and weight, and the calls that lead to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch

from ae_audit.runtime.capture import NotJudged
from ae_audit.runtime.torch.events import weight_of_part
from ae_audit.runtime.torch.graph import ancestors
from ae_audit.runtime.torch.loss_targets import equal
from ae_audit.runtime.torch.nodes import Kind, Leaf, LossEvent, Node, Ref

WINDOWS = ("conv", "unfold", "avg_pool", "max_pool", "interpolate")
"""calls, by how their names begin"""
PICKING = frozenset({"gather", "take", "take_along_dim", "index_select", "masked_select"})
"""calls that hand on some values of their first argument, those that another one names"""
INDEXING = frozenset({"__getitem__", "getitem"})
"""calls that pick values where they are given a tensor of places, and cut evenly where they are given slices"""
ORDERING = frozenset(
    {"argsort", "sort", "msort", "topk", "searchsorted", "lt", "gt", "le", "ge", "eq", "ne", "sign"}
    | {"less", "less_equal", "greater", "greater_equal", "not_equal", "__lt__", "__gt__", "__le__", "__ge__"}
)
"""calls that ask which of two values is the greater, as rankings and survival times are compared"""


@dataclass(frozen=True, slots=True)
class LossTerm:
    """The summands of what is minimised in which a loss takes part.

    Attributes:
        parts: each summand with its factor.
        nodes: the calls that depend on the prediction and lead to them, in the order in which they ran.
        beside: whether another summand depends on the same prediction, or on the output that it was made of.
    """

    parts: tuple[tuple[Ref, float], ...]
    nodes: tuple[Node, ...]
    beside: bool

    @property
    def divisible(self) -> bool:
        """Whether the loss of some of the samples can be computed: no figure of all of them enters it."""
        leaves = [ref.source for node in self.nodes for ref in node.refs() if isinstance(ref.source, Leaf)]
        return all(leaf.value is None or leaf.value.dim() > 0 for leaf in leaves)

    @property
    def windowed(self) -> bool:
        """Whether a window is moved over the prediction."""
        return any(node.name.startswith(WINDOWS) for node in self.nodes)

    @property
    def refs(self) -> list[Ref]:
        return [ref for ref, _ in self.parts]

    @property
    def serials(self) -> frozenset[int]:
        return frozenset(node.serial for node in self.nodes)


def term_of(root: Ref, loss: LossEvent) -> LossTerm:
    """The term of a loss in ``root``.

    Raises:
        NotJudged: where the prediction reaches it through weights as well.
    """
    assert loss.node is not None
    start = loss.prediction.source
    assert isinstance(start, Node)
    mine: list[tuple[Ref, float]] = []
    others: list[tuple[Ref, float]] = []
    output = _output_of(loss.prediction)
    inside = {node.serial for node in ancestors([Ref(loss.node)])}
    for ref, factor in summands(root):
        before = ancestors([ref])
        part = isinstance(ref.source, Node) and ref.source.serial in inside and start in before
        part = part and (ref.source is not start or ref.index == loss.prediction.index)  # no other output of the model
        if loss.node in before or part:  # a loss that ends in a sum or a reshaping is taken apart as well
            mine.append((ref, factor))
            continue
        used = _places([ref, *(part for node in before for part in node.refs())])
        if start in before or not output.isdisjoint(used):
            others.append((ref, factor))
    if not mine:
        raise NotJudged("the loss is no part of what is minimised")
    beside = not {_form(*other) for other in others} <= {_form(*one) for one in mine}
    depends = _depending(ancestors([ref for ref, _ in mine]), loss.prediction)
    beside = beside or _by_another_way([ref for ref, _ in mine], depends, loss.prediction, output)
    if any(_has_weights(node) for node in depends):
        raise NotJudged("the prediction also enters the loss through another network's weights")
    return LossTerm(tuple(mine), tuple(depends), beside)


def _form(term: Ref, factor: float) -> tuple[float, tuple[str, ...]]:
    """What is computed, whatever of: a loss that is summed up over classes says the same of each part of an output."""
    return factor, tuple(node.name for node in _after_weights(term))


def _by_another_way(terms: list[Ref], depends: list[Node], prediction: Ref, output: frozenset[tuple[int, int]]) -> bool:
    """Whether what the prediction was made of enters its terms in another way too, as the scale of a flow does."""
    known = {node.serial for node in (*depends, *ancestors([prediction]))}
    others = [node for node in ancestors(terms) if node.serial not in known]
    return any(not output.isdisjoint(_places(node.refs())) for node in others)


def from_network(loss: LossEvent) -> bool:
    """Whether weights had a part in the target: a teacher's answers, or a value that was bootstrapped."""
    if isinstance(loss.target.source, Leaf) and loss.target.source.value is not None:
        return False
    return any(_has_weights(node) for node in ancestors([loss.target]))


def takes_values(nodes: Iterable[Node], target: Ref) -> bool:
    """Whether one of the calls takes the target's values, or what was made of them: an order alone is made of none."""
    for source in _valued(ref.source for node in nodes if not _orders(node) for ref in node.refs()):
        if source is target.source:
            return True
        if isinstance(source, Leaf) and isinstance(target.source, Leaf) and equal(source, target.source):
            return True
    return False


def _valued(found: Iterable[Node | Leaf]) -> Iterator[Node | Leaf]:
    """What these were made of, themselves included, but for what only their order was made of."""
    waiting, met = list(found), set[int]()
    while waiting:
        source = waiting.pop()
        if id(source) in met:
            continue
        met.add(id(source))
        yield source
        if _orders(source):
            continue
        if isinstance(source, Node):
            waiting.extend(ref.source for ref in source.refs())
        else:
            waiting.extend(source.made_of)


def _orders(source: Node | Leaf) -> bool:
    if isinstance(source, Leaf):
        return source.made_by in ORDERING
    return not source.is_module and source.name in ORDERING


def picks(prediction: Ref, loss_nodes: Iterable[Node]) -> bool:
    """Whether data say which values of the output are compared, between its weights and the end of the loss."""
    return any(_picking(node, _samples(prediction)) for node in [*_after_weights(prediction), *loss_nodes])


def _samples(prediction: Ref) -> int:
    source = prediction.source
    shape = source.shapes.get(prediction.index) if isinstance(source, Node) else None
    return shape[0] if shape else 1


def _picking(node: Node, samples: int) -> bool:
    if node.is_module or node.name not in PICKING | INDEXING:
        return False
    taken, *_ = node.refs()
    if taken.kind is not Kind.MODEL:
        return False  # labels in the order of their errors, or a value of a table
    if 0 < _numel(taken) < samples:
        return False  # figures of all samples, which have no value left to pick
    if node.name in PICKING:
        return True
    return any(ref is not taken and (ref.source is not taken.source or ref.index != taken.index) for ref in node.refs())


def _after_weights(prediction: Ref) -> list[Node]:
    """The calls without weights that made the prediction of what the last weights gave."""
    found: list[Node] = []
    waiting = [prediction]
    met: set[int] = set()
    while waiting:
        node = waiting.pop().source
        if not isinstance(node, Node) or node.kind is not Kind.MODEL or node.serial in met or _has_weights(node):
            continue
        met.add(node.serial)
        found.append(node)
        waiting.extend(node.refs())
    return found


def _output_of(prediction: Ref) -> frozenset[tuple[int, int]]:
    """What the prediction was made of since the last weights, that too which these gave."""
    made = [part for node in _after_weights(prediction) for part in node.refs() if part.kind is Kind.MODEL]
    return _places([prediction, *made])


def _places(refs: Iterable[Ref]) -> frozenset[tuple[int, int]]:
    return frozenset((ref.source.serial, ref.index) for ref in refs if isinstance(ref.source, Node))


def summands(root: Ref) -> list[tuple[Ref, float]]:
    """The single numbers that ``root`` is a sum of, with the factor of each."""
    found: list[tuple[Ref, float]] = []
    waiting = [(root, 1.0)]
    while waiting:
        ref, factor = waiting.pop()
        node = ref.source
        parts = weight_of_part(node, factor) if isinstance(node, Node) and not node.is_module else []
        if isinstance(node, Node) and len(parts) == 1 and node.name in {"mean", "sum"}:
            parts = _stacked(node, parts[0][0], factor) or parts
        parts = [(part, weight) for part, weight in parts if part.kind is Kind.MODEL]
        if isinstance(node, Node) and parts and all(_numel(part) == 1 for part, _ in parts):
            waiting.extend(parts)
        else:
            found.append((ref, factor))
    return found


def _stacked(node: Node, joined: Ref, factor: float) -> list[tuple[Ref, float]]:
    """The single numbers of which a stack was made whose mean or sum a node is, with their factors."""
    source = joined.source
    if not isinstance(source, Node) or source.is_module or source.name != "stack":
        return []
    parts = list(source.refs())
    return [(part, factor / len(parts) if node.name == "mean" else factor) for part in parts]


def _numel(ref: Ref) -> int:
    source = ref.source
    if isinstance(source, Node):
        return source.shapes[ref.index].numel() if ref.index in source.shapes else 0
    return 0 if source.value is None else source.value.nelement()


def _depending(nodes: list[Node], prediction: Ref) -> list[Node]:
    """Those of ``nodes``, which are in order, that take the prediction or what was made of it."""
    made: set[int] = set()
    found = []
    for node in nodes:
        takes = any(
            (ref.source is prediction.source and ref.index == prediction.index)
            or (isinstance(ref.source, Node) and ref.source.serial in made)
            for ref in node.refs()
        )
        if takes:
            made.add(node.serial)
            found.append(node)
    return found


def _has_weights(node: Node) -> bool:
    if isinstance(node.call, torch.nn.Module):
        return next(node.call.parameters(), None) is not None
    return any(isinstance(leaf, torch.Tensor) and leaf.nelement() > 1 for leaf in node.leaves)
