"""The two terms of a variational loss of a torch program: the calls behind it played again on values of our choice."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from ae_audit.runtime.measure import variational
from ae_audit.runtime.torch.events import observed
from ae_audit.runtime.torch.graph import Player, plain_value
from ae_audit.runtime.torch.handwritten_losses import region_of
from ae_audit.runtime.torch.nodes import Kind, LossEvent, Node, Ref
from ae_audit.schema.location import Location
from ae_audit.schema.training_setup import VariationalTerms

SCALING = frozenset({"mul", "div", "true_divide", "neg", "mean", "sum", "to", "float", "squeeze", "view", "reshape"})
"""what may follow the sum of the two terms: it changes both alike"""

_Key = tuple[int, int]


def variational_terms(root: Ref, loss: LossEvent) -> VariationalTerms | None:
    """What the divergence of a normal code counts beside ``loss`` in ``root``; None where there is none to be seen."""
    total = _sum_of_terms(root)
    shape = loss.prediction_shape
    target = observed(loss.target)
    if total is None or target is None or not isinstance(loss.prediction.source, Node) or len(shape) < 2:
        return None
    region = region_of(total)
    inside = {node.serial for node in region}
    tensors = _tensors(region, inside, loss.prediction)
    if len(tensors) < 3:  # a prediction, a mean and a spread
        return None
    drawn = [
        played
        for bounds in variational.DRAWS
        if (played := _played(region, inside, tensors, loss.prediction, total, bounds, target.device)) is not None
    ]
    if len(drawn) < len(variational.DRAWS):
        return None
    own = [_key(ref) for ref in tensors].index(_key(loss.prediction))
    found = variational.measured(drawn, own, _numbers(target), loss.spec.name, loss.spec.from_logits)
    if found is None:
        return None
    code, factor = found
    location = _place(region, tensors[code.mean], math.prod(code.shape))
    return variational.terms(code, factor, tuple(shape), location)


def _sum_of_terms(root: Ref) -> Node | None:
    """The call that adds the terms up, behind what is done to their sum."""
    node = root.source
    while isinstance(node, Node) and not node.is_module and node.name in SCALING:
        parts = [ref for ref in node.refs() if ref.kind is Kind.MODEL]
        if len(parts) != 1 or not isinstance(parts[0].source, Node):
            break
        behind = parts[0].source
        if behind.shapes.get(parts[0].index, torch.Size([0])).numel() != 1:
            break
        node = behind
    return node if isinstance(node, Node) else None


def _tensors(region: Sequence[Node], inside: set[int], prediction: Ref) -> list[Ref]:
    """The tensors of the model's that enter the calls, those that none of them made first."""
    found = {_key(prediction): prediction}
    for node in region:
        for ref in node.refs():
            if ref.kind is Kind.MODEL and isinstance(ref.source, Node):
                found.setdefault(_key(ref), ref)
    return sorted(found.values(), key=lambda ref: (_key(ref)[0] in inside, _key(ref)))


def _played(
    region: Sequence[Node],
    inside: set[int],
    tensors: Sequence[Ref],
    prediction: Ref,
    total: Node,
    bounds: tuple[float, float],
    device: torch.device,
) -> list[variational.Sample | None] | None:
    """Each tensor with its gradient, where those that the calls begin with are drawn between bounds."""
    generator = torch.Generator().manual_seed(0)
    player = Player(lambda node, place, leaf: plain_value(leaf))
    cut = _key(prediction)
    low, high = bounds
    for ref in tensors:
        assert isinstance(ref.source, Node)
        shape = ref.source.shapes.get(ref.index)
        if shape is None:
            return None
        if _key(ref)[0] not in inside or _key(ref) == cut:
            value = low + (high - low) * torch.rand(shape, generator=generator)
            player.preset(ref, value.to(device).requires_grad_())
    for node in region:
        for ref in node.refs():
            if isinstance(ref.source, Node) and ref.kind is Kind.NOISE and ref.source.sample is not None:
                player.preset(ref, ref.source.sample)
    try:
        with torch.enable_grad():
            player.run(_needed(region, total, cut))
            reached = [(place, player.value(ref)) for place, ref in enumerate(tensors) if player.has(ref)]
            inputs = [value for _, value in reached if value.requires_grad]
            summed = player.value(Ref(total)).sum()
            gradients = torch.autograd.grad(summed, inputs, allow_unused=True)
    except Exception:  # whatever the program's own arithmetic raises on values that are not its own
        return None
    slopes = {id(value): gradient for value, gradient in zip(inputs, gradients, strict=True)}
    found: list[variational.Sample | None] = [None] * len(tensors)
    for place, value in reached:
        slope = slopes.get(id(value))
        if slope is not None and value.dim() > 1:
            found[place] = variational.Sample(_numbers(value), _numbers(slope))
    return found


def _needed(region: Sequence[Node], total: Node, cut: _Key) -> list[Node]:
    """The calls that lead from what was given to the sum."""
    inside = {node.serial for node in region}
    wanted: set[int] = set()
    stack = [total]
    while stack:
        node = stack.pop()
        if node.serial in wanted:
            continue
        wanted.add(node.serial)
        for ref in node.refs():
            if isinstance(ref.source, Node) and _key(ref) != cut and ref.source.serial in inside:
                stack.append(ref.source)
    return [node for node in region if node.serial in wanted]


def _place(region: Sequence[Node], mean: Ref, elements: int) -> Location | None:
    """Where the elements of the divergence are first summed up."""
    of_code: set[int] = set()
    for node in region:
        keys = [_key(ref) for ref in node.refs() if isinstance(ref.source, Node)]
        if any(key == _key(mean) or key[0] in of_code for key in keys):
            of_code.add(node.serial)
            if all(shape.numel() < elements for shape in node.shapes.values()):
                return node.location
    return None


def _numbers(tensor: torch.Tensor) -> variational.Array:
    return np.asarray(tensor.detach().cpu().to(torch.float64))


def _key(ref: Ref) -> _Key:
    assert isinstance(ref.source, Node)
    return ref.source.serial, ref.index
