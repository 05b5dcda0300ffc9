"""Data that a hand-written loss compares a prediction with: what a target was, before what was done to it."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ae_audit.runtime.torch.functions import short_name
from ae_audit.runtime.torch.graph import plain_value
from ae_audit.runtime.torch.nodes import Leaf

MOST_MADE = 200
"""data among which what a target was made of is looked for"""


def argument_of(leaf: Leaf, name: str) -> Leaf | None:
    """What a function of data was taken of; None where they are no such thing, or what it was is not kept."""
    made = leaf.derived
    if made is None or short_name(made.function) != name or len(made.leaves) != 1:
        return None
    return None if made.leaves[0].value is None else made.leaves[0]


def as_they_were(targets: tuple[Leaf, ...], values: int) -> tuple[Leaf, ...]:
    """Targets that were filtered or made smaller as the prediction was, as they were before: of its own size."""
    if plain_value(targets[0]).nelement() == values:
        return targets
    waiting, found = list(targets), []
    for leaf in waiting:
        if leaf.derived is not None and len(waiting) < MOST_MADE:
            waiting.extend(leaf.derived.leaves)
        if leaf.value is not None and leaf.value.nelement() == values and varies(leaf):
            found.append(leaf)
    sources = unique([leaf for leaf in found if leaf.derived is None] or found)
    return tuple(sources) if sources and all(equal(leaf, sources[0]) for leaf in sources) else targets


def varies(leaf: Leaf) -> bool:
    """Whether it holds values that are not all the same."""
    value = leaf.value
    return value is not None and value.nelement() > 1 and bool((value != value.reshape(-1)[0]).any())


def base(leaf: Leaf, joined: Sequence[Leaf]) -> Leaf:
    """The leaf that this one was computed from, if that meets the prediction itself: ``y`` for ``1 - y``.

    What is but negated is data as they are: ``-y * log(p)``.
    """
    while leaf.derived is not None and short_name(leaf.derived.function) == "neg":
        parts = [part for part in leaf.derived.leaves if part.value is not None or part.derived is not None]
        if len(parts) != 1 or (parts[0].value is None and leaf.value is None):
            break
        if parts[0].value is None:  # no call on the tape took it as it was
            parts[0].fill(-plain_value(leaf))
        leaf = parts[0]
    found = leaf
    while leaf.derived is not None:
        parts = [part for part in leaf.derived.leaves if part.value is not None or part.derived is not None]
        if len(parts) != 1:
            break
        leaf = parts[0]
        if any(equal(leaf, other) for other in joined):
            found = leaf
    return found


def equal(leaf: Leaf, other: Leaf) -> bool:
    """Whether both hold the same values in the same shape and type."""
    if leaf is other:
        return True
    a, b = leaf.value, other.value
    return a is not None and b is not None and a.shape == b.shape and a.dtype == b.dtype and torch.equal(a, b)


def unique(leaves: Sequence[Leaf]) -> list[Leaf]:
    """Each leaf once."""
    return list({id(leaf): leaf for leaf in leaves}.values())
