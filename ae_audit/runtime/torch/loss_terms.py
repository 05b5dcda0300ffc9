"""The part of what is minimised that a loss is: its term, with sign and weight, and the calls that lead to it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ae_audit.runtime.capture import NotJudged
from ae_audit.runtime.torch.events import LossEvent, weight_of_part
from ae_audit.runtime.torch.graph import Kind, Leaf, Node, Ref, ancestors

WINDOWS = ("conv", "unfold", "avg_pool", "max_pool", "interpolate")
"""calls, by how their names begin"""


@dataclass(frozen=True, slots=True)
class LossTerm:
    """The summands of what is minimised in which a loss takes part.

    Attributes:
        parts: each summand with its factor.
        nodes: the calls that depend on the prediction and lead to them, in the order in which they ran.
        beside: whether another summand depends on the same prediction.
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
    beside = False
    for ref, factor in summands(root):
        before = ancestors([ref])
        if loss.node in before:
            mine.append((ref, factor))
        elif start in before:
            beside = True
    if not mine:
        raise NotJudged("the loss is no part of what is minimised")
    depends = _depending(ancestors([ref for ref, _ in mine]), loss.prediction)
    if any(_has_weights(node) for node in depends):
        raise NotJudged("the prediction also enters the loss through another network's weights")
    return LossTerm(tuple(mine), tuple(depends), beside)


def summands(root: Ref) -> list[tuple[Ref, float]]:
    """The single numbers that ``root`` is a sum of, with the factor of each."""
    found: list[tuple[Ref, float]] = []
    waiting = [(root, 1.0)]
    while waiting:
        ref, factor = waiting.pop()
        node = ref.source
        parts = weight_of_part(node, factor) if isinstance(node, Node) and not node.is_module else []
        parts = [(part, weight) for part, weight in parts if part.kind is Kind.MODEL]
        if isinstance(node, Node) and parts and all(_numel(part) == 1 for part, _ in parts):
            waiting.extend(parts)
        else:
            found.append((ref, factor))
    return found


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
