"""Remedies as changes of a replay: another activation, another loss, data on another scale."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from ae_audit.runtime.capture import CannotApply
from ae_audit.runtime.torch import bce, functions, losses
from ae_audit.runtime.torch.graph import Player, ancestors, plain_value, rederived
from ae_audit.runtime.torch.nodes import ActivationCall, HeadState, Kind, Leaf, LossEvent, Node, Ref
from ae_audit.schema.remedies import Advice, DropMetric, ExpectLogits, Remedy, Rescale, SwapActivation, SwapLoss
from ae_audit.theory.loss_families import takes_log_probabilities


@dataclass(frozen=True, slots=True)
class Affine:
    """``x -> scale * x + shift``."""

    scale: float = 1.0
    shift: float = 0.0

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        x = x if x.is_floating_point() else x.float()
        scaled = x * self.scale
        return scaled + self.shift if self.shift else scaled

    def after(self, other: Affine) -> Affine:
        return Affine(self.scale * other.scale, self.scale * other.shift + self.shift)


IDENTITY = Affine()


class TorchVariant:
    """What the remedies change at one loss of the program.

    Raises:
        CannotApply: if one of them cannot be applied to that loss.
    """

    def __init__(
        self, remedies: Sequence[Remedy], origin: HeadState | None, spec: losses.LossSpec, custom: bool
    ) -> None:
        self._origin = origin
        self.activation: str | None = None
        self.spec = spec
        self.input = IDENTITY
        self.target = IDENTITY
        for remedy in remedies:
            match remedy:
                case SwapActivation(to=to):
                    if not functions.can_apply(to):
                        raise CannotApply(f"torch has no activation `{to}`")
                    if origin is None or origin.activation is None:
                        raise CannotApply("the activation that produces the prediction was not recognised")
                    if origin.fixed is not None:
                        raise CannotApply(origin.fixed)
                    self.activation = to
                case SwapLoss(to=to, from_logits=from_logits):
                    if not losses.computable(to):
                        raise CannotApply(f"the loss `{to}` cannot be tried in torch")
                    reduction = spec.reduction if spec.reduction in {"mean", "sum", "none"} else "mean"
                    self.spec = losses.LossSpec(to, from_logits, reduction)
                case ExpectLogits(from_logits=from_logits):
                    if not losses.computable(self.spec.name):
                        raise CannotApply("the loss knows no logits")
                    self.spec = replace(self.spec, from_logits=from_logits)
                case Rescale(scale=scale, shift=shift, input=inputs, target=targets):
                    affine = Affine(scale, shift)
                    self.input = affine.after(self.input) if inputs else self.input
                    self.target = affine.after(self.target) if targets else self.target
                case DropMetric():
                    raise CannotApply("a metric has no influence on training")
                case Advice():
                    raise CannotApply("the change is for the author to make")
        self.changes_loss = self.spec != spec
        if custom and self.changes_loss and spec.name is None:
            raise CannotApply("the loss is the program's own and cannot be exchanged")

    @property
    def head(self) -> str | None:
        """The activation of the prediction under this arm."""
        if self.activation is not None:
            return self.activation
        return self._origin.outermost if self._origin is not None else None

    def in_data_space(self, prediction: torch.Tensor) -> torch.Tensor:
        """A prediction as the user would take it from the model, on the scale of its targets."""
        bare = self.head in {None, "linear"}
        if takes_log_probabilities(self.spec.name, torch=True):
            return losses.link(self.spec, prediction) if bare or self.head == "log_softmax" else prediction
        return losses.link(self.spec, prediction) if bare else prediction


class VariantPlayer:
    """Plays nodes under an arm.

    Args:
        losses_here: the loss computations that the arm is about.
        evaluating: leave out dropout.
        cut: takes the part of a recorded value that belongs to the samples that are played; all by default.
    """

    def __init__(
        self,
        arm: TorchVariant,
        losses_here: Sequence[LossEvent],
        *,
        evaluating: bool = False,
        cut: Callable[[torch.Tensor], torch.Tensor] = lambda value: value,
    ) -> None:
        self._arm = arm
        self._cut = cut
        self._evaluating = evaluating
        self._player = Player(lambda node, place, leaf: cut(self._leaf_value(node, place, leaf)), self._perform)
        self._losses = {loss.node.serial: loss for loss in losses_here if loss.node is not None}
        self._swaps: dict[int, dict[tuple[str, int], str]] = {}
        self._heads: dict[int, list[Ref]] = {}
        self._done: set[int] = set()
        self._inputs: dict[int, Leaf] = {}
        self._regions: list[LossEvent] = []
        for loss in losses_here:
            self._prepare(loss)

    def run(self, nodes: Sequence[Node]) -> None:
        """Run what has not been run yet."""
        if not self._heads:
            self._player.run(nodes)
            return
        for node in nodes:
            if node.serial in self._done:
                continue
            self._done.add(node.serial)
            self._player.run([node])
            for ref in self._heads.get(node.serial, ()):
                assert self._arm.activation is not None
                self._player.put(ref, functions.apply_activation(self._arm.activation, self._player.value(ref)))

    def value(self, ref: Ref) -> torch.Tensor:
        return self._player.value(ref)

    def preset(self, ref: Ref, value: torch.Tensor) -> None:
        """Give a result instead of running its node."""
        self._player.preset(ref, value)

    def arguments(self, node: Node) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """With which a node is called here; what it depends on must have run."""
        return self._player.arguments(node)

    def target(self, loss: LossEvent) -> torch.Tensor:
        """The target as the loss sees it under this arm."""
        if isinstance(loss.target.source, Leaf):
            return self._cut(self._target_value(loss.target.source))
        return self._player.value(loss.target)

    def _prepare(self, loss: LossEvent) -> None:
        arm = self._arm
        if loss.region:
            self._regions.append(loss)
        if arm.input != IDENTITY:
            leaf = input_leaf(loss)
            if leaf is None:
                raise CannotApply("the input that the prediction depends on was not found")
            self._inputs[id(leaf)] = leaf
        if arm.activation is None:
            return
        if loss.origin is not None and loss.origin.last:
            for call in loss.origin.last:
                self._swap(call, arm.activation)
            for call in loss.origin.inner:
                self._swap(call, "linear")
        elif isinstance(loss.prediction.source, Node):
            refs = self._heads.setdefault(loss.prediction.source.serial, [])
            if all(ref.index != loss.prediction.index for ref in refs):
                refs.append(loss.prediction)

    def _swap(self, call: ActivationCall, to: str) -> None:
        if call.holder.node is None:
            raise CannotApply(f"the call of {call.name} that activates the output cannot be played again")
        places = self._swaps.setdefault(call.holder.node.serial, {})
        if places.setdefault((call.name, call.index), to) != to:
            raise CannotApply(f"{call.name} activates one output, and enters the activation of another")

    def _leaf_value(self, node: Node, place: int, leaf: Leaf) -> torch.Tensor:
        arm = self._arm
        loss = self._losses.get(node.serial)
        if loss is not None and not loss.region and place == loss.places[1]:
            return self._target_value(leaf)
        for spelled in self._regions:
            if node.serial in spelled.region:
                value = rederived(leaf, self._scaled_targets(spelled))
                return plain_value(leaf) if value is None else value
        if self._inputs and loss is None:
            changed = rederived(leaf, lambda part: arm.input(plain_value(part)) if id(part) in self._inputs else None)
            if changed is not None:
                return changed
        return plain_value(leaf)

    def _scaled_targets(self, loss: LossEvent) -> Callable[[Leaf], torch.Tensor | None]:
        return lambda leaf: self._target_value(leaf) if leaf in loss.targets else None

    def _target_value(self, leaf: Leaf) -> torch.Tensor:
        value = plain_value(leaf)
        if self._arm.target == IDENTITY or not (value.is_floating_point() or value.dtype == torch.uint8):
            return value
        return self._arm.target(value)

    def _perform(self, node: Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        loss = self._losses.get(node.serial)
        if loss is not None:
            return self._loss(node, loss, args, kwargs)
        if self._evaluating and node.name in functions.DROPPING and not node.is_module:
            return args[0]
        swaps = self._swaps.get(node.serial)
        if swaps is None:
            return node.call(*args, **kwargs)
        if not node.is_module:
            return functions.apply_activation(next(iter(swaps.values())), args[0], _axis(args, kwargs))
        with _Swapping(swaps):
            return node.call(*args, **kwargs)

    def _loss(self, node: Node, loss: LossEvent, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if loss.region:
            return self._spelled_out(node, loss, args, kwargs)
        flat = pytree.tree_leaves((args, kwargs))
        prediction, target = flat[loss.places[0]], flat[loss.places[1]]
        if not self._arm.changes_loss:
            if loss.spec.name == "bce" and not loss.spec.from_logits:
                if prediction.is_cuda:
                    bce.refuse_outside_unit(prediction, target)
                return bce.replayed(node.call, args, kwargs)
            return node.call(*args, **kwargs)
        value = losses.compute(self._arm.spec, prediction, target)
        is_similarity = node.name == "cosine_similarity" and loss.factor is not None and loss.factor < 0
        return -value if is_similarity else value  # a similarity is maximised, what stands in for it is a loss

    def _spelled_out(self, node: Node, loss: LossEvent, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The value of a hand-written loss, or of the one in its place."""
        value = node.call(*args, **kwargs)
        if not self._arm.changes_loss:
            return value
        prediction, target = self._player.value(loss.prediction), self.target(loss)
        reduction = self._arm.spec.reduction or ("none" if value.shape == prediction.shape else "mean")
        if value.dim() and reduction != "none":
            raise CannotApply("the hand-written loss is added up later, and cannot be exchanged")
        spec = replace(self._arm.spec, reduction=reduction)
        return losses.compute(spec, prediction, target) / (loss.factor or 1.0)


class _Swapping(TorchFunctionMode):
    """Replaces the results of given activation calls, counted by name, by other activations of the same input."""

    def __init__(self, places: Mapping[tuple[str, int], str]) -> None:
        super().__init__()
        self._places = places
        self._names = frozenset(name for name, _ in places)
        self._count: dict[str, int] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        found = functions.activation_call(func, args, kwargs) if functions.activation_of(func) else None
        if found is None or found[0] not in self._names:
            return func(*args, **kwargs)
        name = found[0]
        index = self._count.get(name, 0)
        self._count[name] = index + 1
        to = self._places.get((name, index))
        if to is None:
            return func(*args, **kwargs)
        x = args[0] if args else kwargs["input"]
        return functions.apply_activation(to, x, found[1].get("axis"))


def _axis(args: tuple[Any, ...], kwargs: dict[str, Any]) -> int | None:
    axis = kwargs.get("dim", args[1] if len(args) > 1 else None)
    return axis if isinstance(axis, int) and not isinstance(axis, bool) else None


def input_leaf(loss: LossEvent) -> Leaf | None:
    """The data that the prediction is made from: of the leaves behind it the one with most values."""
    found: Leaf | None = None
    most = 0
    for node in ancestors([loss.prediction]):
        for ref in node.refs():
            leaf = ref.source
            value = leaf.value if isinstance(leaf, Leaf) else None
            if not isinstance(leaf, Leaf) or value is None or not value.dim() or value.nelement() <= most:
                continue
            if value.is_floating_point() or value.dtype == torch.uint8:
                found, most = leaf, value.nelement()
    return found


def input_ref(loss: LossEvent) -> Ref | None:
    """What enters the model: the largest argument, no product of weights, of the first call that has weights."""
    for node in ancestors([loss.prediction]):
        if node.kind is not Kind.MODEL:
            continue
        refs = [ref for ref in node.refs() if ref.kind is not Kind.MODEL]
        sized = [(_size(ref), place, ref) for place, ref in enumerate(refs)]
        if sized and max(sized)[0] > 0:
            return max(sized)[2]
    return None


def _size(ref: Ref) -> int:
    source = ref.source
    value = source.value if isinstance(source, Leaf) else source.sample
    return value.nelement() if value is not None else 0
