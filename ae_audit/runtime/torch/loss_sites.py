"""The places of a torch program at which losses are computed, and what was seen there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch.nn.modules.loss import _Loss

from ae_audit.runtime.host.user_code import UserCode
from ae_audit.runtime.torch import functions, losses
from ae_audit.runtime.torch.events import weights_behind
from ae_audit.runtime.torch.graph import Tape, ancestors, getting_gradients
from ae_audit.runtime.torch.handwritten_losses import DIFFERENCES, custom_losses, recognise
from ae_audit.runtime.torch.heads import HeadTracker
from ae_audit.runtime.torch.modules import ModelWatch, spelled
from ae_audit.runtime.torch.nodes import Kind, LossEvent, Node, RecordedLoss, Ref, SiteKey
from ae_audit.schema.location import Location

MOST_TRAININGS = 8
"""of other models at one place that are told apart: a grid search makes hundreds"""
EVALUATIONS = 4
"""computations of a loss outside training that are kept"""


class LossSites:
    """The sites of one recording, each with the losses computed there.

    Args:
        user: what is the program's own code.
        models: the modules that are running.
        heads: what tensors were made by.
        news: called when a site is met for the first time.
    """

    def __init__(self, user: UserCode, models: ModelWatch, heads: HeadTracker, news: Callable[[], None]) -> None:
        self._user = user
        self._models = models
        self._heads = heads
        self._news = news
        self._met: set[SiteKey] = set()
        self.found: dict[SiteKey, RecordedLoss] = {}

    def at(self, location: Location | None, name: str, prediction: Ref, via: Location | None = None) -> RecordedLoss:
        """The site of a loss of that name at that place, where it is called from ``via``.

        One that was recorded to its end is left to the model that it trained: another model's training is another one.
        """
        key = (
            SiteKey(None, 0, 0, None, name, via)
            if location is None
            else SiteKey(location.path, location.line, location.column, location.cell, name, via)
        )
        while (known := self.found.get(key)) is not None and known.complete and known.weights:
            others = weights_behind(prediction)
            if not others or key.training >= MOST_TRAININGS or not known.weights.isdisjoint(others):
                break
            key = replace(key, training=key.training + 1)
        if key not in self.found:
            self.found[key] = RecordedLoss(key, None, None, None)
            if key not in self._met:
                self._met.add(key)
                self._news()
        return self.found[key]

    def told_apart(self, losses: Sequence[LossEvent]) -> None:
        """Give losses of which the gradients are taken now sites by where the code that takes them calls for them."""
        now = self._user.callers()
        for loss in losses:
            before = loss.site
            via = self._user.where_they_meet(loss.callers, now)
            if before is None or before.key.via is not None or via is None or via == before.location:
                continue
            site = loss.site = self.at(before.location, before.key.name, loss.prediction, via)
            if site.location is None:
                site.location, site.named_at, site.written = before.location, before.named_at, before.written
            site.raises = site.raises or before.raises
            before.unused[:] = [event for event in before.unused if event is not loss]
            if not (before.trained or before.evaluated or before.unused):
                self.found.pop(before.key, None)

    def note(self, call: losses.LossCall, prediction: Ref, target: Ref, node: Node | None, refusal: str | None) -> None:
        """A loss function was called; ``node`` is its record on the tape, where it is on it."""
        location = self._user.location()
        module = self._models.innermost
        is_criterion = isinstance(module, _Loss)
        named_at = self._models.built_at(module) if is_criterion and module is not None else None
        site = self.at(location, call.spec.name or functions.short_name(call.function), prediction)
        if site.location is None:
            site.location, site.named_at = location, named_at or location
            site.written = self._user.text(named_at) or (spelled(module) if is_criterion else self._user.text(location))
        site.raises = site.raises or refusal
        event = LossEvent(
            node,
            prediction,
            target,
            call.spec,
            self._heads.head(call.prediction),
            tuple(call.prediction.shape),
            (call.prediction_index, call.target_index),
            self._heads.variational,
            site=site,
            callers=self._user.callers(),
        )
        if node is None or not call.prediction.requires_grad:
            if len(site.evaluated) < EVALUATIONS:
                site.evaluated.append(event)
            return
        node.loss = event
        if not site.trained and not site.unused:
            site.unused.append(event)

    def clash(self, tape: Tape, function: functions.Function, args: tuple[Any, ...], error: Exception) -> None:
        """A call of the program raised: a loss by hand, if data are subtracted that no broadcasting brings in shape."""
        tensors = sorted((arg for arg in args if isinstance(arg, torch.Tensor)), key=tape.kind)
        if functions.short_name(function) not in DIFFERENCES or len(tensors) != 2:
            return
        target, prediction = tensors
        if tape.kind(target) is not Kind.DATA or not prediction.requires_grad or _fit(prediction, target):
            return
        place, location = tape.ref(prediction), self._user.location()
        if not isinstance(place.source, Node):
            return  # weights and constants
        site = self.at(location, "hand-written", place)
        site.custom, site.spec, site.raises = True, losses.LossSpec(None, reduction=None), " ".join(str(error).split())
        site.location = site.named_at = location
        site.written = self._user.text(location)
        shape, head = tuple(prediction.shape), self._heads.head(prediction)
        event = LossEvent(
            None, place, tape.ref(target), site.spec, head, shape, site=site, callers=self._user.callers()
        )
        site.evaluated[:] = [event]

    def hand_written(self, root: Ref, known: list[Node], weights: Mapping[int, float]) -> list[LossEvent]:
        """The losses of ``root`` that no loss function computed; ``weights`` are those of its nodes, by serial."""
        found = []
        now = self._user.callers()
        learning = getting_gradients(root)
        for loss in custom_losses(root, known):
            if isinstance(loss.prediction.source, Node) and loss.prediction.source.serial not in learning:
                continue  # a network's answers have a part in the target (a value that is bootstrapped)
            calls = [node.call for node in ancestors([Ref(loss.value)]) if node.serial in loss.region]
            if any(isinstance(call, torch.nn.Module) and self._models.transparent(call) for call in calls):
                continue  # a loss with a name was seen inside: the next step shows it
            factor = weights.get(loss.value.serial)
            if loss.constant is not None and recognise(loss, factor) is None:
                continue  # a norm that is to be 1, a margin: no loss of a prediction
            via = self._user.where_they_meet(loss.value.callers, now)
            via = None if via == loss.value.location else via
            site = self.at(loss.value.location, "hand-written", loss.prediction, via)
            if site.spec is None:
                recognised = recognise(loss, factor)
                site.spec, site.weight = recognised or (losses.LossSpec(None, reduction=None), factor)
                site.custom = True
                site.location = site.named_at = loss.value.location
                site.written = self._user.text(site.location)
            shape = loss.prediction_shape
            found.append(
                LossEvent(
                    loss.value,
                    loss.prediction,
                    loss.drawn or Ref(loss.target),
                    site.spec,
                    loss.origin,
                    tuple(shape or ()),
                    variational=self._heads.variational,
                    weight=site.weight,
                    factor=factor,
                    region=loss.region,
                    targets=() if loss.drawn else loss.targets,
                    site=site,
                )
            )
        return found


def _fit(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether broadcasting makes them one."""
    try:
        torch.broadcast_shapes(one.shape, other.shape)  # type: ignore[no-untyped-call]
    except RuntimeError:
        return False
    return True
