"""Losses spelled out by hand: finding where prediction and target meet on a tape, and which loss that is.

``((out - x) ** 2).mean()`` has no loss function. Behind the value that is minimised, the calls without weights of their
own form the loss; where one of them takes a tensor of the model's and one of the data's, prediction meets target. Which
loss it is shows when the calls are run again on other values and compared with the losses that have names.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from ae_audit.runtime.measure.named_losses import AGREEMENT, GUARD, KINKS_OUTSIDE, fixed_gaussian
from ae_audit.runtime.torch.graph import Player, ancestors, plain_value, rederived
from ae_audit.runtime.torch.loss_targets import argument_of, as_they_were, base, equal, unique, varies
from ae_audit.runtime.torch.losses import LossSpec
from ae_audit.runtime.torch.nodes import HeadState, Kind, Leaf, Node, Ref
from ae_audit.runtime.torch.whole_losses import passes_through, whole_of
from ae_audit.schema.training_setup import Parameters
from ae_audit.theory import array_losses
from ae_audit.theory.loss import Loss
from ae_audit.theory.losses import IN_ORDER, find_loss

DRAWS = 4
"""pairs of random prediction and target on which a loss is compared with those that have names"""

SPLIT = frozenset({"add", "sub", "neg", "__rsub__", "rsub", "mul", "div", "true_divide", "mean", "sum", "sqrt"})
DIFFERENCES = frozenset({"sub", "__rsub__", "rsub"})
PRODUCTS = frozenset({"mul", "div", "true_divide"})
"""calls that join what they take where both come of the model: an overlap over a union is one loss"""
REDUCTIONS = frozenset({"mean", "sum"})
REDUCED = frozenset({"add", "sub", *REDUCTIONS})
"""calls whose values, averaged or summed up, may be several terms"""
ELEMENTWISE_JOINS = frozenset(
    {"sub", "__rsub__", "rsub", "mul", "add", "div", "true_divide", "pow", "lerp", "where", "minimum", "maximum"}
    | {"xlogy", "dist", "pairwise_distance"}
)
PROBED = 5
"""target values, spread over those that occur, at which the least value of an unnamed loss is looked for"""
GRID = 41
"""predictions that are tried for each"""
FIGURES = 16
"""times as many values as meet elsewhere: so few are figures of whole classes or samples, which a mask may weigh"""
BEYOND = 1.0
"""how far beyond the targets the predictions go, in spans of the targets: a distance is defined there too"""


@dataclass(frozen=True, slots=True)
class CustomLoss:
    """One loss without a name of its own.

    ``value`` is the call that computes it, ``region`` the serials of the calls between prediction and value;
    ``targets`` are the leaves that hold the target (all of one value); ``drawn`` the call of chance that made it in the
    step itself, if one did: the leaf then holds what it gave.
    """

    value: Node
    prediction: Ref
    targets: tuple[Leaf, ...]
    region: frozenset[int]
    constant: float | None = None
    """the number that every prediction is compared with, where there is no target but that (a critic's 1)"""
    drawn: Ref | None = None

    @property
    def target(self) -> Leaf:
        return self.targets[0]

    @property
    def prediction_shape(self) -> torch.Size | None:
        source = self.prediction.source
        return source.shapes.get(self.prediction.index) if isinstance(source, Node) else None

    @property
    def origin(self) -> HeadState | None:
        source = self.prediction.source
        return source.origins.get(self.prediction.index) if isinstance(source, Node) else None


def custom_losses(root: Ref, known: Sequence[Node]) -> list[CustomLoss]:
    """The hand-written losses among the terms of ``root`` that hold none of the losses already ``known``."""
    taken = {node.serial for node in known}
    found = []
    for term in terms_of(root):
        if any(node.serial in taken for node in ancestors([Ref(term)])):
            continue
        loss = _loss_of(term)
        if loss is not None:
            found.append(loss)
    if found or known:
        return found
    return [loss for term in terms_of(root) if (loss := _loss_against_constant(term)) is not None]


def terms_of(root: Ref) -> list[Node]:
    """The summands of what is minimised, each once and without the factors and signs before it."""
    found: list[Node] = []
    met: set[int] = set()
    waiting: list[Ref | _Reduced] = [root]
    while waiting:  # a stack of ours: programs that sum up in a loop go deeper than Python's
        at = waiting.pop()
        if isinstance(at, _Reduced):
            if len(found) != at.before + 1 or found[-1] is at.inner:
                found[at.before :] = [at.node]
            continue
        node = at.source
        if not isinstance(node, Node) or node.kind is not Kind.MODEL or node.serial in met:
            continue
        met.add(node.serial)
        parts = _summands(node)
        inner = parts[0].source if len(parts) == 1 else None
        if isinstance(inner, Node) and node.name in REDUCTIONS and not _scalar(parts[0]):
            waiting.append(_Reduced(node, inner, len(found)))
        if parts:
            waiting.extend(reversed(parts))
        else:
            found.append(node)
    return found


@dataclass(frozen=True, slots=True)
class _Reduced:
    """A mean or sum over the values of ``inner``; it is one term unless those are one term in disguise."""

    node: Node
    inner: Node
    before: int
    """terms found before those of ``inner``"""


def _summands(node: Node) -> list[Ref]:
    """The tensors of the model's among which the terms of ``node`` are to be looked for; none where it is a term."""
    parts = [part for part in node.refs() if part.kind is Kind.MODEL]
    if node.is_module or not parts:
        return []
    if node.name in SPLIT and all(_scalar(part) for part in parts):
        return [] if node.name in PRODUCTS and len(parts) > 1 else parts
    if node.name in {"add", "sub"} and len(parts) == 2:
        joined = _data_term(parts)
        return [] if joined is None else [joined]
    if node.name in REDUCTIONS and len(parts) == 1:
        inner = parts[0].source
        sums = isinstance(inner, Node) and inner.name in REDUCED and not inner.is_module
        return parts if sums else []
    return []


def _data_term(parts: Sequence[Ref]) -> Ref | None:
    """Of two summands the one in which data take part, if the other says nothing of the same prediction."""
    losses = [_loss_of(part.source) if isinstance(part.source, Node) else None for part in parts]
    for loss, part, other in zip(losses, parts, reversed(parts), strict=True):
        if loss is not None and losses.count(None) == 1 and not _takes(other, loss.prediction):
            return part
    return None


def _takes(ref: Ref, tensor: Ref) -> bool:
    """Whether a tensor is computed from another one."""
    used = [ref, *(part for node in ancestors([ref]) for part in node.refs())]
    return any(part.source is tensor.source and part.index == tensor.index for part in used)


def _loss_of(term: Node) -> CustomLoss | None:
    region = region_of(term)
    joins = _joins(region)
    if not joins:
        return _loss_against_drawn(term, region) or _loss_as_a_whole(term, region)
    subtractions = [join for join in joins if join[0].name in DIFFERENCES]
    chosen = subtractions[-1] if subtractions else joins[0]
    joined = [leaf for _, _, leaf in joins]
    target = base(chosen[2], joined)
    bases = [base(leaf, joined) for leaf in joined]
    targets = tuple(unique([target, *(leaf for leaf in bases if equal(leaf, target))]))
    partners = [ref for _, ref, leaf in joins if any(base(leaf, joined) is one for one in targets)]
    plain = argument_of(target, "log") if chosen[0].name in DIFFERENCES else target
    prediction = _common(partners, {node.serial for node in region}, unwrapped=plain is not None)
    targets = targets if plain in {None, target} else (plain,)
    targets = as_they_were(targets, _numel(prediction))
    if _numel(prediction) != plain_value(targets[0]).nelement() or not passes_through(region, prediction):
        whole = _loss_as_a_whole(term, region)
        if whole is not None:
            return whole
    return CustomLoss(term, prediction, targets, frozenset(node.serial for node in region))


def _loss_as_a_whole(term: Node, region: Sequence[Node]) -> CustomLoss | None:
    """The loss of a term in which prediction and target meet in many places, or in none that shows."""
    whole = whole_of(region)
    return None if whole is None else CustomLoss(term, *whole, frozenset(node.serial for node in region))


def _loss_against_drawn(term: Node, region: Sequence[Node]) -> CustomLoss | None:
    """The loss of a term that takes the prediction from what the step itself has drawn: noise, or made-up data."""
    for node in reversed(region):
        if node.is_module or node.name not in DIFFERENCES:
            continue
        ours = [ref for ref in node.refs() if ref.kind is Kind.MODEL]
        for ref in node.refs() if ours else ():
            sample = ref.source.sample if isinstance(ref.source, Node) and ref.kind is Kind.NOISE else None
            if sample is None or ref.index or sample.nelement() != _numel(ours[0]):
                continue
            target = Leaf()
            target.fill(sample)
            if varies(target):
                serials = frozenset(node.serial for node in region)
                return CustomLoss(term, ours[0], (target,), serials, drawn=ref)
    return None


def _loss_against_constant(term: Node) -> CustomLoss | None:
    """The loss of a term that compares the model's output with one value: ``((critic(x) - 1) ** 2).mean()``."""
    region = region_of(term)
    serials = frozenset(node.serial for node in region)
    for node in region:
        if node.is_module or node.name not in DIFFERENCES:
            continue
        ours = [ref for ref in node.refs() if ref.kind is Kind.MODEL]
        if len(ours) != 1 or _numel(ours[0]) < 2 or not isinstance(ours[0].source, Node):
            continue
        inside = ours[0].source if ours[0].source.serial in serials else None
        if inside is not None and any(_numel(ref) > _numel(ours[0]) for ref in inside.refs()):
            continue  # what a statistic is to be, no prediction's target
        theirs = [ref.source for ref in node.refs() if isinstance(ref.source, Leaf)]
        same = [leaf for leaf in theirs if plain_value(leaf).nelement() == _numel(ours[0])]
        if same:
            return CustomLoss(term, ours[0], (same[0],), serials)
        numbers = [float(leaf) for leaf in node.leaves if isinstance(leaf, (int, float)) and not isinstance(leaf, bool)]
        numbers += [float(plain_value(leaf)) for leaf in theirs if plain_value(leaf).nelement() == 1]
        if numbers:
            target = Leaf()
            target.fill(torch.full(ours[0].source.shapes[ours[0].index], numbers[0]))
            return CustomLoss(term, ours[0], (target,), serials, numbers[0])
    return None


def region_of(term: Node) -> list[Node]:
    """The calls without weights of their own that lead to ``term``, in the order in which they ran."""
    found: dict[int, Node] = {}
    stack = [term]
    while stack:
        node = stack.pop()
        if node.serial in found or node.kind is not Kind.MODEL or _has_weights(node):
            continue
        found[node.serial] = node
        stack.extend(ref.source for ref in node.refs() if isinstance(ref.source, Node))
    return [found[serial] for serial in sorted(found)]


def _has_weights(node: Node) -> bool:
    if isinstance(node.call, torch.nn.Module):
        return next(node.call.parameters(), None) is not None
    return any(isinstance(leaf, torch.Tensor) for leaf in node.leaves)


def _joins(region: Sequence[Node]) -> list[tuple[Node, Ref, Leaf]]:
    """Where a tensor of the model's meets data that could be a target: the call, the one and the other."""
    found: list[tuple[Node, Ref, Leaf]] = []
    others: list[tuple[Node, Ref, Leaf]] = []
    most = 0
    for node in region:
        ours = [ref for ref in node.refs() if ref.kind is Kind.MODEL]
        theirs = [ref.source for ref in node.refs() if isinstance(ref.source, Leaf)]
        if not ours:
            continue
        for leaf in theirs:
            if _numel(ours[0]) == plain_value(leaf).nelement() and varies(leaf):
                usual = node.is_module or node.name in ELEMENTWISE_JOINS
                (found if usual else others).append((node, ours[0], leaf))
                most = max(most, _numel(ours[0]))
    # a product of matrices, the smaller of two values, a distance: whatever takes both
    chosen = found if any(_numel(ref) * FIGURES > most for _, ref, _ in found) else others or found
    return [join for join in chosen if _numel(join[1]) * FIGURES > most]


def _common(partners: Sequence[Ref], region: set[int], *, unwrapped: bool) -> Ref:
    """The prediction: the nearest tensor behind all the partners, without logarithms and what guards them.

    Where one logarithm is compared with another, both are taken away; with what is none, it is a prediction itself.
    """
    chains = [_chain(ref, region) for ref in partners]
    others = [{(id(ref.source), ref.index) for ref in chain} for chain in chains[1:]]
    nearest = next(
        (ref for ref in chains[0] if all((id(ref.source), ref.index) in other for other in others)), chains[0][-1]
    )
    logarithm = isinstance(nearest.source, Node) and nearest.source.name in {"log", "log_softmax"}
    if unwrapped and len(partners) == 1 and logarithm:
        for ref in _chain(nearest, region)[1:]:
            nearest = ref
            if not isinstance(ref.source, Node) or not _guards(ref.source):
                break
    return nearest


def _guards(node: Node) -> bool:
    if node.name in {"clamp", "clip", "clamp_min"}:
        return True
    constants = [leaf for leaf in node.leaves if isinstance(leaf, float)]
    return node.name == "add" and any(abs(constant) <= GUARD for constant in constants)


def _chain(ref: Ref, region: set[int]) -> list[Ref]:
    """The tensors behind ``ref`` as far as each has one tensor of the model's behind it, the nearest first."""
    chain = [ref]
    while isinstance(ref.source, Node) and ref.source.serial in region:
        behind = [part for part in ref.source.refs() if part.kind is Kind.MODEL]
        if len(behind) != 1:
            break
        ref = behind[0]
        chain.append(ref)
    return chain


def _scalar(ref: Ref) -> bool:
    return _numel(ref) == 1


def _numel(ref: Ref) -> int:
    if isinstance(ref.source, Leaf):
        return 0 if ref.source.value is None else ref.source.value.nelement()
    shapes = ref.source.shapes
    return shapes[ref.index].numel() if ref.index in shapes else 0


Pointwise = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


NOT_RECOGNISED = {
    "smooth_l1": "it is the Huber loss between 0 and 1, where it is drawn",
    "binary_focal": "its exponent and weight are the author's own, and no two are alike",
    "gaussian_nll": "its variance is the author's own",
    **KINKS_OUTSIDE,
    "soft_margin": "between 0 and 1 a margin has no side",
}
"""Losses of single values that one written out by hand is not compared with, and why. Of those over vectors, the
categorical cross-entropy alone is recognised: it is a sum of terms of one value each."""
PARAMETERS: dict[str, Parameters] = {"huber": (("delta", 1.0),), "poisson": (("log_input", False),)}
"""with which a loss is compared, and then named"""


def _candidates(dim: int) -> list[tuple[LossSpec, Pointwise]]:
    """Losses with names, value by value."""
    found: list[tuple[LossSpec, Pointwise]] = []
    for name in IN_ORDER:
        parameters = PARAMETERS.get(name, ())
        for logits in (False, True):
            loss = find_loss(name, from_logits=logits, **dict(parameters))
            if loss is not None and loss.pointwise and loss.from_logits == logits and name not in NOT_RECOGNISED:
                found.append((LossSpec(name, from_logits=logits, parameters=parameters), partial(_of_theory, loss)))
    # on probabilities it is written without the division by their sum, with which the theory has it
    found.append((LossSpec("cce"), lambda p, y: -y * p.log()))
    for axis in dict.fromkeys((1, dim - 1)) if dim > 1 else ():
        loss = find_loss("cce", from_logits=True)
        assert loss is not None
        spec = LossSpec("cce", from_logits=True, parameters=(("axis", axis),))
        found.append((spec, partial(_of_theory, loss, axis=axis)))
    return found


def _of_theory(loss: Loss, p: torch.Tensor, y: torch.Tensor, axis: int = -1) -> torch.Tensor:
    return torch.from_numpy(np.asarray(array_losses.values(loss, y.numpy(), p.numpy(), axis)))


def recognise(loss: CustomLoss, weight: float | None) -> tuple[LossSpec, float | None] | None:
    """The named loss that a hand-written one equals up to a factor, and that factor beside its reduction.

    ``weight`` is the factor with which the loss enters what is minimised.
    """
    shape = loss.prediction_shape
    if shape is None or not shape or shape.numel() != plain_value(loss.target).nelement():
        return None
    ratios: dict[int, list[float]] = {}
    drawn: list[tuple[float, float]] = []
    candidates = _candidates(len(shape))
    generator = torch.Generator().manual_seed(0)
    for draw in range(DRAWS):
        low, high = (0.05, 0.95) if draw % 2 else (0.3, 0.6)
        p = low + (high - low) * torch.rand(shape, generator=generator)
        y = low + (high - low) * torch.rand(shape, generator=generator)
        y = y if loss.constant is None else torch.full(shape, loss.constant)
        value = _value(loss, p, y)
        if value is None:
            return None
        drawn.append((float((p - y).square().sum()), value))
        for index, (_, function) in enumerate(candidates):
            ratios.setdefault(index, []).append(_ratio(value, float(function(p, y).sum())))
    for index, (spec, _) in enumerate(candidates):
        ratio = sum(ratios[index]) / DRAWS
        if math.isfinite(ratio) and ratio != 0 and all(abs(r / ratio - 1) < AGREEMENT for r in ratios[index]):
            return _scaled(spec, ratio * (1.0 if weight is None else weight), shape)
    gaussian = _gaussian(drawn, 1.0 if weight is None else weight, shape)
    if gaussian is not None:
        return gaussian
    if weight is not None and weight > 0 and _is_distance(loss, shape, generator):
        return LossSpec("distance", reduction=None), None
    return None


def _ratio(value: float, unit: float) -> float:
    """How many times a candidate's sum a value is; NaN where the candidate is 0 or undefined on such values.

    A softmax over one channel is the constant 1 and its logarithm 0, whatever the prediction.
    """
    return value / unit if unit and math.isfinite(unit) else math.nan


def _gaussian(
    drawn: Sequence[tuple[float, float]], weight: float, shape: torch.Size
) -> tuple[LossSpec, float | None] | None:
    """The Gaussian likelihood of fixed variance that a loss is, from the squared errors and the values of the draws."""
    squares, values = zip(*drawn, strict=True)
    found = fixed_gaussian(squares, values, shape, weight)
    if found is None:
        return None
    parameters = (("eps", 0.0), ("full", found.full), ("variance", found.variance))
    spec = LossSpec("gaussian_nll", False, found.reduction, parameters)
    return spec, None if found.reduction is None else 1.0


def _is_distance(loss: CustomLoss, shape: torch.Size, generator: torch.Generator) -> bool:
    """Whether the loss is least, for every target value that occurs and beside every other prediction, at the target.

    Constant targets show where it is least; the real ones, each value moved on its own, that no value pays for another.
    """
    target = plain_value(loss.target).detach().float().cpu()
    values = target[torch.isfinite(target)]
    if values.nelement() < 2 or float(values.min()) == float(values.max()):
        return False
    low, high = float(values.min()), float(values.max())
    margin = BEYOND * (high - low)
    for share in torch.linspace(0.02, 0.98, PROBED).tolist():
        y = low + share * (high - low)
        least = _value(loss, torch.full(shape, y), torch.full(shape, y))
        if least is None:
            return False
        for p in torch.linspace(low - margin, high + margin, GRID).tolist():
            value = _value(loss, torch.full(shape, p), torch.full(shape, y))
            if value is None or (abs(p - y) > 0.01 * margin and value <= least):
                return False
    y_all = target.reshape(shape)
    least = _value(loss, y_all, y_all)
    for _ in range(DRAWS):
        chosen = torch.rand(shape, generator=generator) < 0.2
        moved = torch.where(chosen, y_all + margin * (torch.rand(shape, generator=generator) - 0.5), y_all)
        value = _value(loss, moved, y_all)
        if least is None or value is None or value <= least:
            return False
    return True


def _scaled(spec: LossSpec, factor: float, shape: torch.Size) -> tuple[LossSpec, float | None] | None:
    """With the reduction that explains the factor."""
    if factor <= 0:
        return None
    values = shape.numel()
    for reduction, unit in (("mean", 1 / values), ("sum", 1.0)):
        if abs(factor / unit - 1) < 10 * AGREEMENT:
            return LossSpec(spec.name, spec.from_logits, reduction, spec.parameters), 1.0
    return LossSpec(spec.name, spec.from_logits, None, spec.parameters), None


def _value(loss: CustomLoss, p: torch.Tensor, y: torch.Tensor) -> float | None:
    """The sum of the loss's values at a prediction and a target of our choice; None where it cannot be computed."""
    target = plain_value(loss.target)
    replaced = y.reshape(target.shape).to(target.device)

    def leaf_value(node: Node, place: int, leaf: Leaf) -> torch.Tensor:
        changed = rederived(leaf, lambda part: replaced if part in loss.targets else None)
        return plain_value(leaf) if changed is None else changed

    player = Player(leaf_value)
    player.preset(loss.prediction, p.to(target.device))
    if loss.drawn is not None:
        player.preset(loss.drawn, replaced)
    try:
        with torch.no_grad():
            player.run([node for node in ancestors([Ref(loss.value)]) if _needed(node, loss)])
            result = player.value(Ref(loss.value))
    except Exception:  # whatever the program's own arithmetic raises on values that are not its own
        return None
    return float(result.sum()) if bool(torch.isfinite(result).all()) else None


def _needed(node: Node, loss: CustomLoss) -> bool:
    """Whether the node lies between prediction and value."""
    start = loss.prediction.source
    return node.serial in loss.region and (not isinstance(start, Node) or node.serial > start.serial)
