"""``TorchCapture``: one loss of a torch program, as a training setup with the means of fitting it again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol

import numpy as np
import torch

from ae_audit.runtime.capture import Array, NotJudged
from ae_audit.runtime.measure.large_arrays import facts_of_whole
from ae_audit.runtime.measure.relations import relation_of
from ae_audit.runtime.torch.corruption import corruption, mixed_with_noise
from ae_audit.runtime.torch.events import Chunk, Event, OptimizerRecord, OptimizerStep, chunks_for, observed
from ae_audit.runtime.torch.graph import ancestors
from ae_audit.runtime.torch.ideal import FreeTorch
from ae_audit.runtime.torch.losses import LossSpec
from ae_audit.runtime.torch.modules import ModelWatch, modules_of
from ae_audit.runtime.torch.nodes import HeadState, Kind, LossEvent, RecordedLoss, Ref, SiteKey
from ae_audit.runtime.torch.tensor_refs import size_in_bytes
from ae_audit.runtime.torch.trial import Recording, TorchTrial, is_whole
from ae_audit.runtime.torch.variant import TorchVariant, input_ref
from ae_audit.schema.location import Location, TrailStep
from ae_audit.schema.remedies import Remedy
from ae_audit.schema.training_setup import (
    DataFacts,
    Framework,
    Head,
    LossUse,
    ModelFacts,
    Pace,
    Relation,
    Structure,
    TrainingSetup,
)
from ae_audit.theory.loss_families import ONLY_CLASS_INDEX
from ae_audit.theory.optimizers import bounds_its_step
from ae_audit.theory.ranges import Tri

MOST_ARRAY_BYTES = 8 << 20
"""of targets, and of inputs, that facts are computed on"""
SAME_DATA = 0.25
"""of their span, by which the ends of two parts of the same data may differ"""
COMPARED = 4
"""batches of which input and target are compared"""


class TorchCapture:
    """Implements :class:`ae_audit.runtime.capture.Capture` for one loss of a torch program.

    Attributes:
        setup: what was seen.
        targets: as the loss saw them, batch axis first; where a softmax's vector was reshaped before the loss, so that
            no axis of its own is left, in the shape that it had.
        inputs: what entered the model for them.
        raises: the sentence with which the program's own loss refuses these values, or None.
    """

    def __init__(
        self,
        setup: TrainingSetup,
        targets: Array,
        inputs: Array,
        recording: Recording,
        first: LossEvent,
        raises: str | None,
    ) -> None:
        self.setup = setup
        self.targets = targets
        self.inputs = inputs
        self.raises = raises
        self._recording = recording
        self._first = first

    @property
    def batch_size(self) -> int:
        """Samples in the first recorded batch."""
        return self._first.prediction_shape[0] if self._first.prediction_shape else 1

    @property
    def parameters(self) -> int:
        """Number of trainable parameters that the program's optimizers move."""
        return sum(parameter.nelement() for parameter, _ in self._recording.parameters)

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``: where the program put its weights."""
        return self._recording.device.type

    @property
    def forks(self) -> bool:
        """Small dense models on the CPU, which one thread fits: a fork cannot take the pool of threads along."""
        return self._recording.is_small

    def trial(self, remedies: Sequence[Remedy], seed: int) -> TorchTrial:
        """A fresh trial; trials keep weights of their own and may alternate.

        Raises:
            CannotApply: if a remedy cannot be applied here, or nothing was trained.
        """
        arm = TorchVariant(remedies, self._first.origin, self._first.spec, self.setup.loss.custom)
        return TorchTrial(self._recording, arm, seed)

    def free_network(self, remedies: Sequence[Remedy]) -> FreeTorch:
        """A network that could output anything, under the loss of the first recorded step.

        Raises:
            CannotApply: if a remedy cannot be applied here.
            NotJudged: if the loss cannot be played on other predictions.
        """
        if not self._recording.chunks:
            raise NotJudged("no training step on this loss was seen")
        return FreeTorch(self._recording, self._recording.chunks[0], remedies)


class Recorded(Protocol):
    """What a recorder knows of a program; see :class:`ae_audit.runtime.torch.recorder.TorchRecorder`."""

    events: list[Event]
    models: ModelWatch
    optimizers: dict[int, OptimizerRecord]
    initial: dict[int, tuple[torch.nn.Parameter, torch.Tensor]]

    @property
    def sites(self) -> Mapping[SiteKey, RecordedLoss]:
        """Where losses were computed, in the order in which they were met."""

    def quietly(self) -> AbstractContextManager[None]:
        """Nothing is recorded inside."""


def captures_of(recorder: Recorded) -> tuple[TorchCapture, ...]:
    """One capture for each loss of the recorded program, in source order.

    A loss that was only computed, never trained on, is one of its own where the program trained on none (because it
    ended before that, say); elsewhere it is the validation of a loss that was.
    """
    trained = [site for site in recorder.sites.values() if site.trained]
    evaluated = [site for site in recorder.sites.values() if site.evaluated and not site.trained]
    unused = [site for site in recorder.sites.values() if site.unused]
    with recorder.quietly(), torch.no_grad():
        captures = [_capture(recorder, site, site.trained, evaluated) for site in trained or unused or evaluated]
    captures.sort(key=lambda capture: capture.setup.location)
    return tuple(
        capture
        for index, capture in enumerate(captures)
        if not any(_repeats(capture.setup, before.setup) for before in captures[:index])
    )


def _repeats(setup: TrainingSetup, before: TrainingSetup) -> bool:
    """Whether a set-up is one that was seen before at its place: another fold of the same data, another width."""
    if (setup.location, setup.loss, setup.optimizer) != (before.location, before.loss, before.optimizer):
        return False
    heads = [(head.activation, head.parameters, head.range, head.after) for head in (setup.head, before.head)]
    return heads[0] == heads[1] and all(map(_alike, (setup.target, setup.input), (before.target, before.input)))


def _alike(data: DataFacts, before: DataFacts) -> bool:
    """Whether two summaries may be of parts of the same data."""
    if data.structure is not before.structure or data.dtype != before.dtype:
        return False
    (low, high), (first, last) = (_ends(facts) for facts in (data, before))
    margin = SAME_DATA * max(high - low, last - first)
    return abs(low - first) <= margin and abs(high - last) <= margin


def _ends(facts: DataFacts) -> tuple[float, float]:
    return (0.0, 0.0) if facts.measured is None else (facts.measured.quantiles[0], facts.measured.quantiles[-1])


def _capture(
    recorder: Recorded, site: RecordedLoss, events: Sequence[LossEvent], validations: Sequence[RecordedLoss]
) -> TorchCapture:
    chunks = tuple(chunk for chunk in chunks_for(site, recorder.events) if is_whole(chunk)) if site.trained else ()
    if len(chunks) > 1 and _draws(chunks[0]):
        chunks = chunks[1:]  # data drawn at random before training look like noise of the first step
    events = [loss for chunk in chunks for loss in chunk.losses] or events or site.unused or site.evaluated
    first = events[0]
    recording = _recording(recorder, chunks, site)
    targets = _gathered([observed(event.target) for event in events])
    entries = [input_ref(event) for event in events]
    inputs = _gathered([None if entry is None else observed(entry) for entry in entries])
    location = site.location or Location("<live>", 1)
    setup = TrainingSetup(
        Framework.TORCH,
        location,
        backend="torch",
        head=_head(first),
        loss=_loss(site, first, recorder.sites.values()),
        model=_model(recorder.models, first),
        optimizer=_optimizer(chunks),
        pace=_pace(chunks),
        gradients_reset=_gradients_reset(chunks),
        variational=site.variational,
        seen_by=("runtime",),
    )
    if _reshaped_vector(first):
        targets = _in_layout(targets, first)
    pairs = [(entry, event.target) for entry, event in zip(entries, events, strict=True) if entry is not None]
    setup = _as_they_met(_with_data(setup, first, pairs[:COMPARED], inputs, targets), first)
    if site.trained:
        setup = _with_validation(setup, validations)
    return TorchCapture(setup, targets, inputs, recording, first, site.raises)


def _as_they_met(setup: TrainingSetup, first: LossEvent) -> TrainingSetup:
    """With the shapes of one batch in full, where prediction and target have not as many axes and are broadcast."""
    met = observed(first.target)
    made = first.prediction_shape
    if met is None or len(made) == met.dim() or min(len(made), met.dim()) < 2 or _reshaped_vector(first):
        return setup
    try:
        joined = np.broadcast_shapes(made, tuple(met.shape))
    except ValueError:  # torch refuses them
        return setup
    if joined in {tuple(made), tuple(met.shape)}:
        return setup
    return replace(setup, head=replace(setup.head, shape=made), target=replace(setup.target, shape=tuple(met.shape)))


def _draws(chunk: Chunk) -> bool:
    nodes = ancestors([loss.prediction for loss in chunk.losses] + [loss.target for loss in chunk.losses])
    return any(node.kind is Kind.NOISE for node in nodes)


def _recording(recorder: Recorded, chunks: tuple[Chunk, ...], site: RecordedLoss) -> Recording:
    used = {id(record) for chunk in chunks for event in chunk.events for record in [getattr(event, "optimizer", None)]}
    parameters: dict[int, tuple[torch.nn.Parameter, torch.Tensor]] = {}
    for record in recorder.optimizers.values():
        if id(record) in used:
            for parameter in record.parameters:
                parameters[id(parameter)] = recorder.initial[id(parameter)]
    device = next((value.device for _, value in parameters.values()), torch.device("cpu"))
    models = recorder.models
    return Recording(
        chunks,
        tuple(parameters.values()),
        tuple(models.buffers.values()),
        tuple(models.modes.values()),
        tuple(models.seen.values()),
        device,
        site.custom,
    )


def _reshaped_vector(first: LossEvent) -> bool:
    """Whether the prediction is a vector of a softmax in another shape, so that its axis is gone.

    Not where the target names classes: these lie along an axis of the prediction as the loss met it.
    """
    origin = first.origin
    if origin is None or origin.range.constraint is None or origin.range.axis is not None or origin.shape is None:
        return False
    target = observed(first.target)
    values = math.prod(first.prediction_shape)
    return math.prod(origin.shape) == values and (target is None or target.nelement() == values)


def _in_layout(targets: Array, first: LossEvent) -> Array:
    """The targets in the shape that the activation's own output has."""
    assert first.origin is not None
    assert first.origin.shape is not None
    return targets.reshape(-1, *first.origin.shape[1:])


def _head(first: LossEvent) -> Head:
    origin = first.origin
    shape = (None, *first.prediction_shape[1:])
    if origin is not None and origin.shape is not None and _reshaped_vector(first):
        shape = (None, *origin.shape[1:])
        origin = replace(origin, range=replace(origin.range, axis=origin.axis))
    if origin is None:
        return Head(shape=shape, units=_channels(first.prediction_shape))
    return Head(
        activation=origin.activation,
        written=origin.written,
        parameters=origin.parameters,
        range=origin.range,
        axis=origin.axis,
        units=_units(origin, first.prediction_shape),
        shape=shape,
        after=origin.after,
        location=origin.location,
        others=origin.others,
        trail=tuple(TrailStep(text, origin.location) for text in origin.trail),
        sampled=origin.sampled,
        cut=origin.cut,
    )


def _units(origin: HeadState, shape: tuple[int, ...]) -> int | None:
    if origin.axis is not None and origin.shape is not None and -len(origin.shape) <= origin.axis < len(origin.shape):
        return origin.shape[origin.axis]
    return _channels(shape)


def _channels(shape: tuple[int, ...]) -> int | None:
    """Extent along the channel axis: the second where there are more, as torch has it."""
    return shape[1] if len(shape) > 1 else None


def _loss(site: RecordedLoss, first: LossEvent, others: Iterable[RecordedLoss]) -> LossUse:
    shared = any(other.location == site.location for other in others if other is not site)
    trail = (TrailStep("for what this call asks of it", site.key.via),) if shared and site.key.via is not None else ()
    spec: LossSpec = first.spec
    return LossUse(
        name=spec.name,
        written=site.written,
        from_logits=Tri.of(spec.from_logits),
        parameters=spec.parameters,
        reduction=spec.reduction,
        weight=_weight(first),
        custom=site.custom,
        alone=first.alone,
        raises=site.raises if first.node is None else None,
        location=site.named_at,
        trail=trail,
    )


def _weight(first: LossEvent) -> float | None:
    """With which the loss enters what is minimised; what torch calls cosine similarity is 1 less that loss."""
    similarity = first.node is not None and first.node.name == "cosine_similarity"
    return -first.weight if similarity and first.weight is not None else first.weight


def _model(models: ModelWatch, first: LossEvent) -> ModelFacts:
    modules = modules_of(ancestors([first.prediction]))
    if not modules:
        return ModelFacts(variational=Tri.of(first.variational))
    start = models.start(modules[0])
    return ModelFacts(
        name=" + ".join(dict.fromkeys(type(module).__name__ for module in modules)),
        first_layers=tuple(start.layers),
        normalises_input=Tri.of(start.normalises),
        variational=Tri.of(first.variational),
    )


def _optimizer(chunks: Sequence[Chunk]) -> str | None:
    if not chunks:
        return None
    last = chunks[0].events[-1]
    return getattr(getattr(last, "optimizer", None), "name", None)


def _pace(chunks: Sequence[Chunk]) -> Pace | None:
    """How far the training goes, under an optimizer whose steps its learning rate bounds."""
    last = chunks[0].events[-1] if chunks else None
    if not isinstance(last, OptimizerStep) or last.optimizer.rounds is None or not bounds_its_step(last.optimizer.name):
        return None
    rates = [settings["lr"] for _, settings in last.optimizer.groups if isinstance(settings.get("lr"), (int, float))]
    return Pace(last.optimizer.rounds, float(max(rates))) if rates else None


def _gradients_reset(chunks: Sequence[Chunk]) -> Tri:
    """Whether the optimizer that steps on the loss starts each of its steps from nothing."""
    last = chunks[0].events[-1] if chunks else None
    return last.optimizer.gradients_reset if isinstance(last, OptimizerStep) else Tri.UNKNOWN


def _with_data(
    setup: TrainingSetup, first: LossEvent, pairs: Sequence[tuple[Ref, Ref]], inputs: Array, targets: Array
) -> TrainingSetup:
    is_index = setup.loss.name in ONLY_CLASS_INDEX
    role = "class index" if is_index else None
    target = facts_of_whole(targets, role=role) if targets.size else DataFacts()
    relation, scale = _relation(first, pairs, target.structure)
    if relation in IMAGES and not is_index and target.structure is not Structure.CONTINUOUS:
        target = facts_of_whole(targets, role="reconstruction")
    input_role = "reconstruction" if relation in IMAGES else None
    if relation is Relation.SAME and not is_index and inputs.shape == targets.shape:
        seen = target  # looking once is enough
    else:
        seen = facts_of_whole(inputs, role=input_role) if inputs.size else DataFacts()
    data = _array(mixed_with_noise(pairs[0][0], first.target)) if pairs else None
    mixed = None if data is None else facts_of_whole(data)
    return replace(setup, target=target, input=seen, relation=relation, relation_scale=scale, mixed=mixed)


def _relation(
    first: LossEvent, pairs: Sequence[tuple[Ref, Ref]], structure: Structure
) -> tuple[Relation, tuple[float, float] | None]:
    """How targets come from what entered the model, batch by batch."""
    arrays = [(_array(observed(entry)), _array(observed(target))) for entry, target in pairs]
    known = [(x, y) for x, y in arrays if x is not None and y is not None]
    if not known:
        return Relation.UNKNOWN, None
    if all(_is_sample_of(y, x) for x, y in known):
        return Relation.SAME, None
    alike = [(x, y) for x, y in known if x.shape[1:] == known[0][0].shape[1:] and y.shape[1:] == known[0][1].shape[1:]]
    x, y = (np.concatenate(side) for side in zip(*alike, strict=True))
    relation, scale = relation_of(x, y, structure)
    seen = None if relation is Relation.SAME else corruption(pairs[0][0], first.target)
    return (relation, scale) if seen is None else (seen, None)


def _is_sample_of(target: Array, batch: Array) -> bool:
    """Whether the target is one sample of the batch: a loss that is computed sample by sample."""
    if not len(batch) or batch[0].size != target.size or len(batch) == len(target) or target.size < 2:
        return False
    return bool((batch.reshape(len(batch), -1) == target.reshape(1, -1)).all(axis=1).any())


IMAGES = frozenset({Relation.SAME, Relation.RESCALED, Relation.NOISED_INPUT, Relation.NOISED_TARGET})


def _with_validation(setup: TrainingSetup, validations: Sequence[RecordedLoss]) -> TrainingSetup:
    """The data of a loss of the same kind on predictions of the same shape, computed outside training."""
    for site in validations:
        first = site.evaluated[0]
        shape = setup.head.shape or ()
        if first.spec.name == setup.loss.name and first.prediction_shape[1:] == tuple(shape[1:]):
            role = "class index" if setup.target.structure is Structure.CLASS_INDEX else None
            role = "reconstruction" if setup.relation in IMAGES else role
            targets = _gathered([observed(event.target) for event in site.evaluated])
            entries = [input_ref(event) for event in site.evaluated]
            inputs = _gathered([None if entry is None else observed(entry) for entry in entries])
            return replace(
                setup,
                validation_target=facts_of_whole(targets, role=role) if targets.size else None,
                validation_input=facts_of_whole(inputs) if inputs.size else None,
            )
    return setup


def _array(tensor: torch.Tensor | None) -> Array | None:
    if tensor is None:
        return None
    if tensor.is_complex():
        return None  # a spectrum is compared, of which no fact of a target holds
    tensor = tensor.detach().cpu()
    tensor = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
    return tensor.numpy() if tensor.dim() else tensor.reshape(1).numpy()


def _gathered(tensors: Sequence[torch.Tensor | None]) -> Array:
    """The batches as one array, within bounds; empty where there is none."""
    arrays: list[Array] = []
    held = 0
    seen: set[int] = set()
    for tensor in tensors:
        if tensor is None or id(tensor) in seen:
            continue
        seen.add(id(tensor))
        room = (MOST_ARRAY_BYTES - held) * max(len(tensor), 1) // max(size_in_bytes(tensor), 1) if tensor.dim() else 1
        part = _array(tensor[: max(1, room)] if tensor.dim() else tensor)
        if part is None or (arrays and part.shape[1:] != arrays[0].shape[1:]):
            continue
        arrays.append(part)
        held += part.nbytes
        if held >= MOST_ARRAY_BYTES:
            break
    return np.concatenate(arrays) if arrays else np.empty(0, dtype=np.float32)
