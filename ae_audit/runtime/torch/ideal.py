"""The ideal network of a torch program: free values before its output layer, under the loss on its tape."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ae_audit.runtime.capture import Array, FloatArray, NotJudged, Played
from ae_audit.runtime.torch import functions
from ae_audit.runtime.torch.events import Chunk, backwards
from ae_audit.runtime.torch.graph import ancestors
from ae_audit.runtime.torch.head_path import HeadPath, NoPath, path_to
from ae_audit.runtime.torch.loss_terms import LossTerm, from_network, picks, takes_values, term_of
from ae_audit.runtime.torch.nodes import LossEvent, Node, Ref
from ae_audit.runtime.torch.randomness import seed
from ae_audit.runtime.torch.trial import Recording
from ae_audit.runtime.torch.variant import TorchVariant, VariantPlayer
from ae_audit.schema.remedies import Remedy, SwapActivation

MOST_VALUES = 1 << 14
"""free values; where a batch has more, its first samples are taken, as many as hold that many"""
WINDOWED = 8
"""times as dear as others are losses that look at each value together with those round it (a structural similarity)"""
MOST_WINDOWED = 1 << 13
"""values on which such a loss is tried, where its images have a part that can be looked at by itself"""
SMALLEST_WINDOW = 32
"""rows and columns that are kept of an image: the windows of a structural similarity have 11"""
MOST_WHOLE = 1 << 18
"""of a batch that cannot be divided, since its loss holds a figure of all of it"""
FEWEST_SAMPLES = 4
MOST_SAMPLES = 256


class FreeTorch:
    """Implements :class:`ae_audit.runtime.capture.FreeNetwork` by playing the first recorded step."""

    def __init__(self, recording: Recording, chunk: Chunk, remedies: Sequence[Remedy]) -> None:
        """Raises: CannotApply, NotJudged."""
        loss = chunk.losses[0]
        loss_remedies = [remedy for remedy in remedies if not isinstance(remedy, SwapActivation)]
        TorchVariant(remedies, loss.origin, loss.spec, recording.custom)  # raises where one of them cannot be applied
        self._recording = recording
        self._chunk = chunk
        self._loss = loss
        self._arm = TorchVariant(loss_remedies, loss.origin, loss.spec, recording.custom)
        self._swapped = next((remedy.to for remedy in remedies if isinstance(remedy, SwapActivation)), None)
        if loss.node is None or not isinstance(loss.prediction.source, Node):
            raise NotJudged("the loss is computed out of sight, inside a model")
        if from_network(loss):
            raise NotJudged("the target comes from a network, and is not the truth")
        self._term: LossTerm = term_of(_root_of(chunk, loss), loss)
        if picks(loss.prediction, self._term.nodes):
            raise NotJudged("only picked values of the prediction are compared")
        self._observe()

    # --- what a free network is asked -------------------------------------------------------------------------------

    own: FloatArray
    target: Array
    direct: bool
    of_samples: int

    @property
    def beside(self) -> bool:
        return self._term.beside

    @property
    def by_value(self) -> bool:
        return takes_values(self._term.nodes, self._loss.target)

    @property
    def is_slow(self) -> bool:
        return self._term.windowed

    def play(self, free: FloatArray) -> Played:
        with self._ready():
            parts = self._parts(free)
            prediction = self._produce(parts)
            value = self._value(prediction)
            return _played(value, parts, prediction)

    def cost(self, prediction: FloatArray) -> Played:
        with self._ready():
            given = self._tensor(prediction, self._prediction).requires_grad_()
            return _played(self._value(given), [given], given)

    def approach(self, free: FloatArray, wanted: FloatArray) -> Played:
        with self._ready():
            parts = self._parts(free)
            prediction = self._produce(parts)
            goal = self._tensor(wanted, self._prediction)
            return _played(0.5 * (prediction - goal).square().sum(), parts, prediction)

    # --- from the tape ----------------------------------------------------------------------------------------------

    def _observe(self) -> None:
        """Run the step once as it was, and keep what the loss and the output layer need of it."""
        loss, recording = self._loss, self._recording
        weights = recording.weights(0)
        path: HeadPath | None = None
        with recording.devices.pretending(), weights.installed(), torch.random.fork_rng(), torch.enable_grad():
            seed(0)
            player = self._player()
            player.run(ancestors([*self._term.refs, loss.prediction, loss.target]))
            with torch.no_grad(), contextlib.suppress(NoPath):
                path = path_to(loss.prediction, player.arguments)
            self._known = {
                (ref.source.serial, ref.index): player.value(ref).detach()
                for node in self._term.nodes
                for ref in node.refs()
                if isinstance(ref.source, Node) and ref.source.serial not in self._term.serials
            }
            prediction = player.value(loss.prediction).detach()
            target = player.target(loss).detach()
        if not prediction.is_floating_point() or not prediction.dim():
            raise NotJudged("the prediction is no array of numbers")
        self._batch = len(prediction)
        self.of_samples = self._batch
        self._path = path
        self._taken = self._batch
        self._choose_part(prediction, target)

    def _choose_part(self, prediction: torch.Tensor, target: torch.Tensor) -> None:
        """Take the first samples where all of them are too many, if the loss lets itself be asked about a part."""
        per_sample = max(1, prediction.nelement() // max(1, self._batch))
        most = MOST_VALUES // WINDOWED if self._term.windowed else MOST_VALUES
        wanted = min(MOST_SAMPLES, max(FEWEST_SAMPLES, most // per_sample), self._batch)
        for taken, part in self._sizes(prediction, wanted):
            if taken > wanted and part is None and prediction.nelement() > MOST_WHOLE:
                raise NotJudged(f"a batch of {prediction.nelement()} values is too large, and its loss has no parts")
            self._taken, self._places = taken, part
            self._prediction = self._cut(prediction)
            self.target = _array(self._cut(target))
            self._make_free(prediction)
            try:
                made = self.play(self.own)
            except Exception:
                if taken == self._batch and part is None:
                    raise
                continue
            if made.prediction.shape == tuple(self._prediction.shape):
                return
        raise NotJudged("the step gives another prediction when it is played again")

    def _sizes(self, prediction: torch.Tensor, wanted: int) -> Iterator[tuple[int, tuple[int, int] | None]]:
        """How many samples to try, and which rows and columns of them, the cheapest first."""
        for taken in dict.fromkeys((wanted, self._batch)) if self._term.divisible else ():
            window = self._window(prediction, taken)
            if window is not None:
                yield taken, window
            if taken == wanted:
                yield taken, None
        yield self._batch, None

    def _window(self, prediction: torch.Tensor, taken: int) -> tuple[int, int] | None:
        """The rows and columns in the middle of images on which the loss is tried; None where all of them will do."""
        shape = prediction.shape
        most = MOST_WINDOWED if self._term.windowed else MOST_VALUES
        values = prediction.nelement() * taken // max(1, self._batch)
        if values <= most or len(shape) != 4 or min(shape[-2:]) <= SMALLEST_WINDOW:
            return None
        ends = [] if self._path is None else [end for _, end in self._path.ends]
        if self._swapped is not None or any(end.shape[-2:] != shape[-2:] for end in ends):
            return None
        share = (most / values) ** 0.5
        rows, columns = (min(extent, max(SMALLEST_WINDOW, int(extent * share))) for extent in shape[-2:])
        self._extents = (shape[-2], shape[-1])
        return rows, columns

    def _make_free(self, prediction: torch.Tensor) -> None:
        if self._swapped is not None:
            self._ends = [self._cut(self._before_activation(prediction))]
        elif self._path is not None:
            self._ends = [self._cut(value) for _, value in self._path.ends]
            if sum(end.nelement() for end in self._ends) > 8 * self._prediction.nelement() + MOST_VALUES:
                self._path = None
        if self._swapped is None and self._path is None:
            self._ends = [self._prediction]
        self.direct = self._swapped in {None, "linear"} and (self._path is None or not self._path.nodes)
        self.own = np.concatenate([_array(end).ravel() for end in self._ends]).astype(np.float64)

    def _before_activation(self, prediction: torch.Tensor) -> torch.Tensor:
        """What an exchanged activation is given: what the last weights gave, where that has the prediction's shape."""
        if self._path is not None and len(self._path.ends) == 1:
            value = self._path.ends[0][1]
            if value.shape == prediction.shape:
                return value
            if value.nelement() == prediction.nelement():
                return value.reshape(prediction.shape)
        return 0.1 * torch.randn(prediction.shape, generator=torch.Generator().manual_seed(0)).to(prediction)

    def _produce(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        if self._swapped is not None:
            axis = None if self._loss.origin is None else self._loss.origin.axis
            return functions.apply_activation(self._swapped, parts[0], axis)
        if self._path is None:
            return parts[0]
        return self._path.prediction(parts, self._loss.prediction, self._cut)

    def _value(self, prediction: torch.Tensor) -> torch.Tensor:
        """The loss of a prediction; of several values their sum."""
        player = self._player()
        player.preset(self._loss.prediction, prediction)
        for node in self._term.nodes:
            for ref in node.refs():
                source = ref.source
                if isinstance(source, Node) and (source.serial, ref.index) in self._known:
                    player.preset(ref, self._cut(self._known[source.serial, ref.index]))
        player.preset(self._loss.prediction, prediction)
        player.run(self._term.nodes)
        total = torch.zeros((), dtype=torch.float64, device=prediction.device)
        for ref, factor in self._term.parts:
            value = prediction if ref.source is self._loss.prediction.source else player.value(ref)
            total = total + factor * value.sum().double()
        return total

    def _player(self) -> VariantPlayer:
        return VariantPlayer(self._arm, self._chunk.losses, cut=self._cut)

    def _cut(self, tensor: torch.Tensor) -> torch.Tensor:
        """The part of a tensor that belongs to the samples taken."""
        taken, batch = getattr(self, "_taken", 0), getattr(self, "_batch", 0)
        places: tuple[int, int] | None = getattr(self, "_places", None)
        if places is not None and tensor.dim() >= 3 and tuple(tensor.shape[-2:]) == self._extents:
            for axis, kept in zip((-2, -1), places, strict=True):
                tensor = tensor.narrow(axis, (tensor.shape[axis] - kept) // 2, kept)
        if taken == batch or not tensor.dim():
            return tensor
        first = next((axis for axis, extent in enumerate(tensor.shape) if extent == batch), None)
        if first is None:
            return tensor
        # spread evenly: the first of many may all be background, or of one class
        return tensor.index_select(first, torch.linspace(0, batch - 1, taken, device=tensor.device).long())

    def _parts(self, free: FloatArray) -> list[torch.Tensor]:
        parts, start = [], 0
        for end in self._ends:
            values = free[start : start + end.nelement()]
            start += end.nelement()
            parts.append(self._tensor(values, end).requires_grad_())
        return parts

    def _tensor(self, values: NDArray[Any], like: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(np.asarray(values), dtype=like.dtype).reshape(like.shape).to(like.device)

    @contextlib.contextmanager
    def _ready(self) -> Iterator[None]:
        with self._recording.devices.pretending(), torch.random.fork_rng(), torch.enable_grad():
            seed(0)
            threads = torch.get_num_threads()
            torch.set_num_threads(1)  # so few values are done sooner than other threads are woken
            try:
                yield
            finally:
                torch.set_num_threads(threads)


def _root_of(chunk: Chunk, loss: LossEvent) -> Ref:
    for backward in backwards(chunk.events):
        if any(one is loss for one in backward.losses):
            return backward.root
    raise NotJudged("what is minimised was not seen")


def _played(value: torch.Tensor, parts: Sequence[torch.Tensor], prediction: torch.Tensor) -> Played:
    gradients: Sequence[torch.Tensor | None] = [None] * len(parts)
    if value.requires_grad:
        gradients = torch.autograd.grad(value, list(parts), allow_unused=True)
    flat = [
        np.zeros(part.nelement()) if gradient is None else _array(gradient).astype(np.float64).ravel()
        for part, gradient in zip(parts, gradients, strict=True)
    ]
    return Played(float(value.detach()), np.concatenate(flat), _array(prediction).astype(np.float64))


def _array(tensor: torch.Tensor) -> NDArray[Any]:
    tensor = tensor.detach().to("cpu")
    return (tensor.float() if tensor.dtype in {torch.bfloat16, torch.float16} else tensor).numpy()
