"""Losses seen as a whole: the one tensor of the model's that all of a term is computed from, and its target.

A structural similarity on several scales, or one of filtered images, lets prediction and target meet in many places,
none of which is the prediction itself. Two things are then looked for instead: the tensor through which all that the
model says reaches the term, and data of its size among those that everything else in the term was made of.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from ae_audit.runtime.torch.loss_targets import equal, unique, varies
from ae_audit.runtime.torch.nodes import Kind, Leaf, Node, Ref

MOST_MADE = 400
"""data among which a target is looked for"""
WHOLE = frozenset({torch.int64, torch.int32, torch.int16, torch.uint8})

Place = tuple[int, int]


def passes_through(region: Sequence[Node], tensor: Ref) -> bool:
    """Whether all that the model says in these calls, which are in order, goes through one tensor."""
    return _place(tensor) in {_place(ref) for ref in _bottlenecks(region)}


def whole_of(region: Sequence[Node]) -> tuple[Ref, tuple[Leaf, ...]] | None:
    """Prediction and target of the term that the calls lead to; None where either is not the only one.

    Where the target goes through the same calls as the prediction, as images do that are filtered before they are
    compared, that tensor is the prediction to which is done first what is done to the target first.
    """
    made = _made_of(ref.source for node in region for ref in node.refs())
    for prediction in _bottlenecks(region):
        shape = _shape(prediction)
        found = [] if shape is None else [leaf for leaf in made if _could_be(leaf, shape)]
        first = unique([leaf for leaf in found if not leaf.made_of] or found)
        if len(first) > 1 and not all(equal(leaf, first[0]) for leaf in first):
            return None
        takers = {node.name for node in region if any(_place(ref) == _place(prediction) for ref in _models(node))}
        if first and not takers.isdisjoint(_takers(first, region, made)):
            return prediction, tuple(first)
    return None


def _takers(targets: Sequence[Leaf], region: Sequence[Node], made: Sequence[Leaf]) -> set[str]:
    """The names of the calls that take a target."""
    here = {node.name for node in region if any(ref.source is leaf for ref in node.refs() for leaf in targets)}
    before = {leaf.made_by for leaf in made if any(part is target for part in leaf.made_of for target in targets)}
    return here | {name for name in before if name is not None}


def _models(node: Node) -> list[Ref]:
    return [ref for ref in node.refs() if ref.kind is Kind.MODEL and isinstance(ref.source, Node)]


def class_indices(values: torch.Tensor, shape: Sequence[int]) -> bool:
    """Whether values are whole numbers below the extent of a prediction's second axis, one for each of its places."""
    if len(shape) < 2 or shape[1] < 2 or values.dtype not in WHOLE:
        return False
    places = ((shape[0], *shape[2:]), (shape[0], 1, *shape[2:]))
    return tuple(values.shape) in places and values.nelement() > 1 and int(values.max()) < shape[1]


def _bottlenecks(region: Sequence[Node]) -> list[Ref]:
    """The tensors through which all goes, in order: nothing else that the model made is needed after them."""
    inside = {node.serial for node in region}
    born: dict[Place, int] = {}
    needed: dict[Place, int] = {}
    refs: dict[Place, Ref] = {}
    for step, node in enumerate(region):
        for ref in _models(node):
            place = _place(ref)
            refs.setdefault(place, ref)
            needed[place] = step
            if place[0] not in inside:
                born.setdefault(place, -1)
        for index in node.shapes:
            born[node.serial, index] = step
    found = []
    for place in sorted(refs, key=lambda place: (born.get(place, -1), place)):
        birth = born.get(place, -1)
        if not any(
            other != place and born.get(other, -1) <= birth < last for other, last in needed.items() if other in refs
        ):
            found.append(refs[place])
    return found


def _made_of(sources: Iterable[Node | Leaf]) -> list[Leaf]:
    """Data that enter the calls, and what these were made of."""
    waiting = [source for source in sources if isinstance(source, Leaf)]
    found: dict[int, Leaf] = {}
    while waiting and len(found) < MOST_MADE:
        leaf = waiting.pop()
        if id(leaf) not in found:
            found[id(leaf)] = leaf
            waiting.extend(leaf.made_of)
    return list(found.values())


def _could_be(leaf: Leaf, shape: torch.Size) -> bool:
    """Whether it could be the target of a prediction of that shape."""
    leaf.fill_again()
    value = leaf.value
    if value is None or not varies(leaf):
        return False
    if value.dtype is torch.bool or not (value.nelement() == shape.numel() and value.shape[:1] == shape[:1]):
        return class_indices(value, shape)
    return True


def _shape(ref: Ref) -> torch.Size | None:
    """Of a tensor that holds more than a figure for each sample."""
    shape = ref.source.shapes.get(ref.index) if isinstance(ref.source, Node) else None
    return shape if shape and shape.numel() > 1 else None


def _place(ref: Ref) -> Place:
    assert isinstance(ref.source, Node)
    return ref.source.serial, ref.index
