"""One arm with one seed: recorded steps played again from the initial weights, under remedies."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from ae_audit.runtime.capture import Array, CannotApply, Evaluation
from ae_audit.runtime.host.accommodations.cuda_on_cpu import CpuInstead
from ae_audit.runtime.torch.events import Backward, Chunk, Event, OptimizerRecord, OptimizerStep, Zeroed
from ae_audit.runtime.torch.graph import ancestors, leaves_of
from ae_audit.runtime.torch.nodes import Node
from ae_audit.runtime.torch.randomness import seed
from ae_audit.runtime.torch.variant import TorchVariant, VariantPlayer
from ae_audit.runtime.torch.weights import Weights

EVALUATED = 512
"""samples on which a trial is scored, rounded up to whole batches"""

ONE_THREAD = 1_000_000
"""weights of a dense model up to which one thread fits it faster than several that must be woken at every product"""


@dataclass(frozen=True, slots=True)
class Recording:
    """What trials of one loss start from."""

    chunks: tuple[Chunk, ...]
    parameters: tuple[tuple[torch.nn.Parameter, torch.Tensor], ...]
    buffers: tuple[tuple[torch.nn.Module, str, torch.Tensor], ...]
    modes: tuple[tuple[torch.nn.Module, bool], ...]
    models: tuple[torch.nn.Module, ...]
    device: torch.device
    custom: bool
    devices: CpuInstead = field(default_factory=CpuInstead)
    """what the program's own modules may still ask for while they are played"""

    @property
    def is_small(self) -> bool:
        """Whether this is a dense model on the CPU, and so small that more threads than one are of no use to it."""
        parameters = [parameter for parameter, _ in self.parameters]
        dense = all(parameter.ndim <= 2 for parameter in parameters)
        return self.device.type == "cpu" and dense and sum(map(torch.numel, parameters)) <= ONE_THREAD

    @contextlib.contextmanager
    def threads(self) -> Iterator[None]:
        """Small models are fitted by one thread of the CPU; the caller's number is restored."""
        if not self.is_small:
            yield
            return
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def weights(self, seed: int) -> Weights:
        return Weights(self.parameters, self.buffers, self.modes, self.models, seed)


class TorchTrial:
    """Implements :class:`ae_audit.runtime.capture.Trial` by replay."""

    def __init__(self, recording: Recording, arm: TorchVariant, seed: int) -> None:
        if not recording.chunks:
            raise CannotApply("no optimizer step on this loss was seen, so there is nothing to fit again")
        self._recording = recording
        self._arm = arm
        self._random = _Random(recording.device, seed)
        with recording.threads(), self._random.drawing():
            self._weights = recording.weights(seed)
        self._optimizers: dict[int, torch.optim.Optimizer] = {}
        self._nodes: dict[int, list[Node]] = {}
        self._order = _endless(len(recording.chunks), seed)

    def advance(self, steps: int) -> float:
        """Take optimizer steps; the mean of the program's own loss over them."""
        total = torch.zeros((), dtype=torch.float64)
        with self._playing(), self._random.drawing(), torch.enable_grad():
            for _ in range(steps):
                chunk = self._recording.chunks[next(self._order)]
                total += self._step(chunk).detach().to("cpu", torch.float64)
        return float(total) / max(steps, 1)

    def evaluate(self) -> Evaluation:
        """Predictions in evaluation mode on the first recorded batches."""
        predictions, targets = [], []
        seen = 0
        batches: set[tuple[int, ...]] = set()
        with self._playing(training=False), self._random.fixed(), torch.no_grad():
            for chunk in self._recording.chunks:
                for loss in chunk.losses[:1]:
                    nodes = ancestors([loss.prediction, loss.target])
                    batch = tuple(id(leaf) for leaf in leaves_of(nodes))
                    if batch and batch in batches:
                        continue  # the program trains on one batch throughout
                    batches.add(batch)
                    player = VariantPlayer(self._arm, [loss], evaluating=True)
                    player.run(nodes)
                    prediction = self._arm.in_data_space(player.value(loss.prediction))
                    predictions.append(_array(prediction))
                    targets.append(_array(player.target(loss)))
                    seen += len(predictions[-1])
                if seen >= EVALUATED:
                    break
        return Evaluation(_joined(predictions), _joined(targets))

    @contextlib.contextmanager
    def _playing(self, *, training: bool | None = None) -> Iterator[None]:
        recording = self._recording
        with recording.threads(), recording.devices.pretending(), self._weights.installed(training=training):
            yield

    def _step(self, chunk: Chunk) -> torch.Tensor:
        player = VariantPlayer(self._arm, chunk.losses)
        return self._play(chunk.events, chunk, player)

    def _play(self, events: Sequence[Event], chunk: Chunk, player: VariantPlayer) -> torch.Tensor:
        """Play events; the value of the loss that the chunk is about."""
        value: torch.Tensor | None = None
        last = next((event for event in reversed(events) if isinstance(event, Backward)), None)
        for event in events:
            if isinstance(event, Zeroed):
                for parameter in event.parameters:
                    parameter.grad = None
            elif isinstance(event, Backward):
                result = self._backward(event, player, retain=event is not last)
                if value is None or any(loss in chunk.losses for loss in event.losses):
                    value = result
            else:
                inner = self._take(event, chunk)
                value = inner if inner is not None else value
        return torch.zeros(()) if value is None else value

    def _backward(self, event: Backward, player: VariantPlayer, *, retain: bool) -> torch.Tensor:
        nodes = self._nodes_of(event)
        if event.fresh:
            for node in nodes:
                for parameter, _ in node.weights:
                    parameter.grad = None
                for leaf in node.leaves:
                    if isinstance(leaf, torch.nn.Parameter):
                        leaf.grad = None
        player.run(nodes)
        root = player.value(event.root)
        root = root if root.nelement() == 1 else root.sum()
        if root.requires_grad:
            torch.autograd.backward([root], retain_graph=retain)
        return root.detach().reshape(())

    def _take(self, event: OptimizerStep, chunk: Chunk) -> torch.Tensor | None:
        optimizer = self._optimizer(event.optimizer)
        if event.inner is None:
            optimizer.step()
            return None
        values: list[torch.Tensor] = []
        inner = event.inner

        def closure() -> torch.Tensor:
            with torch.enable_grad():
                values.append(self._play(inner, chunk, VariantPlayer(self._arm, chunk.losses)))
            return values[-1]

        optimizer.step(closure)  # type: ignore[arg-type]
        return values[0] if values else None

    def _optimizer(self, record: OptimizerRecord) -> torch.optim.Optimizer:
        if id(record) not in self._optimizers:
            self._optimizers[id(record)] = record.fresh()
        return self._optimizers[id(record)]

    def _nodes_of(self, event: Backward) -> list[Node]:
        if id(event) not in self._nodes:
            self._nodes[id(event)] = ancestors([event.root])
        return self._nodes[id(event)]


class _Random:
    """A random state of the trial's own, so that trials neither disturb each other nor the caller."""

    def __init__(self, device: torch.device, seed: int) -> None:
        self._devices = [device] if device.type == "cuda" else []
        self._seed = seed
        self._states: tuple[torch.Tensor, list[torch.Tensor]] | None = None

    @contextlib.contextmanager
    def drawing(self) -> Iterator[None]:
        """Go on from where the trial's own state was left."""
        with torch.random.fork_rng(self._devices):
            if self._states is None:
                seed(self._seed)
            else:
                torch.set_rng_state(self._states[0])
                for device, state in zip(self._devices, self._states[1], strict=True):
                    torch.cuda.set_rng_state(state, device)
            try:
                yield
            finally:
                cuda = [torch.cuda.get_rng_state(device) for device in self._devices]
                self._states = torch.get_rng_state(), cuda

    @contextlib.contextmanager
    def fixed(self) -> Iterator[None]:
        """The same draws every time."""
        with torch.random.fork_rng(self._devices):
            seed(0)
            yield


def _endless(count: int, seed: int) -> Iterator[int]:
    """Places of the batches, in an order of its own for every epoch and seed."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield from torch.randperm(count, generator=generator).tolist()


def is_whole(chunk: Chunk) -> bool:
    """Whether everything on the chunk's tape can be played again."""
    from ae_audit.runtime.torch.events import backwards

    nodes = ancestors([backward.root for backward in backwards(chunk.events)])
    return not any(leaf.opaque for leaf in leaves_of(nodes))


def _array(tensor: torch.Tensor) -> Array:
    tensor = tensor.detach().to("cpu")
    return tensor.float().numpy() if tensor.dtype == torch.bfloat16 else tensor.numpy()


def _joined(arrays: Sequence[Array]) -> Array:
    return np.concatenate(arrays) if arrays and arrays[0].ndim else np.asarray(arrays)
