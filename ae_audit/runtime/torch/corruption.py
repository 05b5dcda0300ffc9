"""What the tape knows of a target and an input: that one of them was corrupted at random to make the other."""

from __future__ import annotations

import math

import torch

from ae_audit.runtime.measure.relations import MANY_VALUES
from ae_audit.runtime.torch.functions import DROPPING, RANDOM
from ae_audit.runtime.torch.graph import ancestors
from ae_audit.runtime.torch.nodes import Kind, Leaf, Node, Ref
from ae_audit.schema.training_setup import Relation

CORRUPTING = (
    frozenset({"add", "sub", "rsub", "mul", "clamp", "clip", "where", "masked_fill", "masked_scatter", "lerp"})
    | frozenset({"minimum", "maximum", "clamp_min", "clamp_max", "__setitem__", "index_put", "poisson", "normal"})
    | DROPPING
)
"""functions that leave each value in its place and, random numbers aside, on its scale"""
PASSING = frozenset(
    {"reshape", "view", "flatten", "unflatten", "squeeze", "unsqueeze", "contiguous", "clone", "detach", "to", "float"}
    | {"double", "half", "type", "type_as", "cpu", "cuda", "view_as", "reshape_as", "Flatten", "Unflatten"}
)
"""functions that change nothing but the form"""


def corruption(entry: Ref | None, target: Ref) -> Relation | None:
    """NOISED_INPUT, NOISED_TARGET or OTHER where the tape saw random numbers join one to make the other.

    Args:
        entry: what entered the model.
        target: what its prediction was compared with.
    """
    if entry is None:
        return None
    if entry.kind is Kind.NOISE and corrupted(entry, target):
        # of a diffusion model, the target is the noise itself: no data, and nothing that could be clean
        return Relation.OTHER if _drawn(target) else Relation.NOISED_INPUT
    if target.kind is Kind.NOISE and not _drawn(entry) and corrupted(target, entry):
        # one value a sample is measured, and measurements are noisy: that is a regression
        return Relation.NOISED_TARGET if _many_values(entry) else Relation.OTHER
    return None


def mixed_with_noise(entry: Ref | None, target: Ref) -> torch.Tensor | None:
    """The data that ``a · data + b · noise`` was made of, where the target is that noise as it was drawn.

    None where that was not seen, or the data entered as they are, as in a schedule whose noise explodes.
    """
    if entry is None or entry.kind is not Kind.NOISE or not _is_normal(target) or not corrupted(entry, target):
        return None
    size = math.prod(_shape(entry) or ())
    found: dict[int, torch.Tensor] = {}
    for node in ancestors([entry]):
        if node.name != "mul":
            continue
        for ref in node.refs():
            value = ref.source.value if isinstance(ref.source, Leaf) else None
            if value is not None and value.nelement() == size > 1:
                found[id(ref.source)] = value
    return next(iter(found.values())) if len(found) == 1 else None


def _is_normal(ref: Ref) -> bool:
    return _drawn(ref) and any(node.name in {"randn", "randn_like"} for node in ancestors([ref]))


def corrupted(made: Ref, base: Ref) -> bool:
    """Whether ``made`` is ``base`` (or a copy of it) and random numbers, each value still in its place and scale."""
    stack, seen = [made], set()
    while stack:
        ref = stack.pop()
        if ref is not made and _is(ref, base):
            return True
        node = ref.source
        if not isinstance(node, Node) or node.serial in seen or node.kind is not Kind.NOISE:
            continue
        seen.add(node.serial)
        if node.name in CORRUPTING | PASSING:
            stack.extend(node.refs())
    return False


def _is(ref: Ref, base: Ref) -> bool:
    if ref.source is base.source:
        return ref.index == base.index
    if not isinstance(ref.source, Leaf) or not isinstance(base.source, Leaf):
        return False
    one, other = ref.source.value, base.source.value
    if one is None or other is None or one.nelement() != other.nelement() or one.nelement() < 2:
        return False
    return torch.equal(one.reshape(-1), other.reshape(-1).to(one.dtype))


def _drawn(ref: Ref) -> bool:
    """Whether the tensor is random numbers and nothing else."""
    node = ref.source
    while isinstance(node, Node) and node.name in PASSING:
        node = next(iter(node.refs())).source
    if not isinstance(node, Node) or node.name not in RANDOM - DROPPING:
        return False
    return node.in_place or node.name.endswith("_like") or not any(True for _ in node.refs())


def _many_values(ref: Ref) -> bool:
    """Whether a sample holds too many values to be a measurement; where the form is unknown, yes."""
    value = ref.source.value if isinstance(ref.source, Leaf) else ref.source.sample
    shape = value.shape if value is not None else _shape(ref)
    return shape is None or math.prod(shape[1:]) >= MANY_VALUES


def _shape(ref: Ref) -> torch.Size | None:
    return ref.source.shapes.get(ref.index) if isinstance(ref.source, Node) else None
