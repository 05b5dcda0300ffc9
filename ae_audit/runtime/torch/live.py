"""A model, data and a loss in hand: the same capture as of a running program, without one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ae_audit.runtime.measure.large_arrays import totals_of_whole, with_totals
from ae_audit.runtime.measure.sliced_arrays import SlicedArray, is_sliceable, places_of_sample, sliced_array
from ae_audit.runtime.torch import losses
from ae_audit.runtime.torch.capture import TorchCapture
from ae_audit.runtime.torch.recorder import TorchRecorder
from ae_audit.schema.location import Location
from ae_audit.schema.training_setup import DataFacts, Relation
from ae_audit.theory import losses as theory
from ae_audit.theory.loss_families import TAKES_CLASS_INDEX

MOST_BATCHES = 24
"""batches of a live model that are recorded: of the usual 100 samples, a few more than a certificate wants"""

LossFunction = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def capture_live(
    model: torch.nn.Module,
    x: Any,
    y: Any = None,
    loss: Any = None,
    *,
    optimizer: torch.optim.Optimizer | None = None,
    batch_size: int = 100,
    location: Location | None = None,
    max_batches: int = MOST_BATCHES,
) -> TorchCapture:
    """The training setup of ``model`` on ``x`` against ``y`` (``x`` itself where None) under ``loss``.

    Nothing of the caller's is changed: weights, buffers, gradients, training flags and random state are as before.

    Args:
        model: takes a batch and returns its prediction (of a tuple, the first tensor counts).
        x: array, tensor, an array that is read by slices (Dask, Zarr, HDF5), or an iterable of batches such as a
            ``DataLoader`` (of tensors, or of pairs). Of more rows than are recorded, a spread sample is trained on.
        y: array or tensor of targets; with batches of pairs the pair's second part is the target if it can be one.
        loss: a criterion module, a function of prediction and target, or a name (``"bce"``, ``"BCELoss"``).
        optimizer: whose settings the probe takes over; Adam with its defaults where None.
        batch_size: of arrays and tensors.
        location: where the report places the finding; by default the caller's line.
        max_batches: batches recorded at most.

    Raises:
        ValueError: if the loss is none that is known, or no loss could be computed.
    """
    criterion = _criterion(loss)
    if optimizer is None:
        optimizer = torch.optim.Adam([parameter for parameter in model.parameters() if parameter.requires_grad])
    recorder = TorchRecorder(
        location.path if location is not None else "<live>", max_steps=max_batches, cut_loops=False
    )
    takes_index = _takes_index(loss)
    fed, given_data = _Fed.of(x, y, max_batches * batch_size)
    with _untouched(model), torch.enable_grad():
        model.train()
        for number, (batch, given) in enumerate(_batches(model, fed.rows, given_data.rows, batch_size)):
            if number >= max_batches:
                break
            with recorder:
                value = _step(model, batch, given, criterion, takes_index)
                optimizer_zeroed = [parameter for group in optimizer.param_groups for parameter in group["params"]]
                recorder.zeroed(optimizer_zeroed)
                recorder.note_backward(recorder.tape.ref(value))
                recorder.note_step(optimizer)
                recorder.tape.tick += 1
        captures = recorder.captures()
    if not captures:
        raise ValueError("no loss was seen that compares the model's prediction with the target")
    best = max(captures, key=lambda capture: len(capture.setup.target.shape or ()))
    same = y is None or best.setup.relation is Relation.SAME
    best.setup = replace(
        best.setup,
        input=fed.of_whole(best.setup.input),
        target=(fed if same else given_data).of_whole(best.setup.target),
    )
    if location is not None:
        best.setup = replace(best.setup, location=location)
    return best


@dataclass(frozen=True, slots=True)
class _Fed:
    """What is trained on, and all of what it is a sample of."""

    rows: Any
    whole: np.ndarray | SlicedArray | None = None
    """None where ``rows`` are all, or batches"""

    @classmethod
    def of(cls, x: Any, y: Any, most: int) -> tuple[_Fed, _Fed]:
        """Input and target: where there are more than ``most`` rows, the same ones of both, spread over all."""
        wholes = [_array(x), None if y is None or y is x else _array(y)]
        lengths = [len(whole) for whole in wholes if whole is not None]
        if wholes[0] is None or (y is not None and y is not x and wholes[1] is None):
            return cls(x), cls(y)
        kept = places_of_sample([whole for whole in wholes if whole is not None], min(lengths), most)
        fed = [
            cls(None) if whole is None else cls(whole[kept], whole if len(kept) < len(whole) else None)
            for whole in wholes
        ]
        return fed[0], fed[1]

    def of_whole(self, facts: DataFacts) -> DataFacts:
        """``facts`` of the sample with what is counted over all, where it is the sample that they are of."""
        if self.whole is None or facts.measured is None or facts.measured.samples != len(self.rows):
            return facts
        ends = (np.float32(self.rows.min()), np.float32(self.rows.max()))
        if ends != (np.float32(facts.measured.quantiles[0]), np.float32(facts.measured.quantiles[-1])):
            return facts  # the loss was given something else, which was computed from it
        return with_totals(facts, totals_of_whole(self.whole), len(self.whole))


def _array(value: Any) -> np.ndarray | SlicedArray | None:
    """Rows that can be picked: an array, or a tensor that shares its memory with one; None of anything else."""
    if is_sliceable(value):
        return sliced_array(value)
    if isinstance(value, torch.Tensor) and value.device.type == "cpu" and value.dtype != torch.bfloat16:
        value = value.detach().numpy()
    return value if isinstance(value, np.ndarray) and value.ndim else None


def _step(
    model: torch.nn.Module, batch: torch.Tensor, given: torch.Tensor | None, criterion: LossFunction, takes_index: bool
) -> torch.Tensor:
    prediction = _first_tensor(model(batch))
    target = batch if given is None else given
    if given is not None and not takes_index and not _could_be_target(given, prediction):
        target = batch
    if target.shape != prediction.shape and target.nelement() == prediction.nelement() and not takes_index:
        target = target.reshape(prediction.shape)
    if not takes_index and not target.is_floating_point():
        target = target.to(prediction.dtype)
    value = criterion(prediction, target)
    return value if value.dim() == 0 else value.mean()


def _could_be_target(given: torch.Tensor, prediction: torch.Tensor) -> bool:
    return given.nelement() == prediction.nelement()


def _first_tensor(result: Any) -> torch.Tensor:
    if isinstance(result, torch.Tensor):
        return result
    if isinstance(result, dict):
        result = list(result.values())
    for part in result:
        if isinstance(part, torch.Tensor):
            return part
    raise ValueError("the model's output holds no tensor")


def _takes_index(loss: Any) -> bool:
    """Whether the loss, a name or one of torch's own, has class indices for its target."""
    if isinstance(loss, str):
        found = theory.canonical("torch", loss) or theory.canonical("keras", loss)
        return (loss if found is None else found[0]) in TAKES_CLASS_INDEX
    named = type(loss) if isinstance(loss, torch.nn.Module) else loss
    if not str(getattr(named, "__module__", "")).startswith("torch."):
        return False
    found = theory.canonical("torch", str(getattr(named, "__name__", "")))
    return found is not None and found[0] in TAKES_CLASS_INDEX


def _criterion(loss: Any) -> LossFunction:
    if not isinstance(loss, str):
        if not callable(loss):
            raise ValueError(f"a loss is a module, a function or a name, not {type(loss).__name__}")
        function: LossFunction = loss
        return function
    found = theory.canonical("torch", loss) or theory.canonical("keras", loss)
    name, implied = found if found is not None else (loss, {})
    if name == "cross_entropy":
        return torch.nn.functional.cross_entropy
    if not losses.computable(name):
        raise ValueError(f"`{loss}` is no loss that is known here; pass the criterion itself")
    spec = losses.LossSpec(name, bool(implied.get("from_logits", False)))
    return lambda prediction, target: losses.compute(spec, prediction, target)


def _batches(
    model: torch.nn.Module, x: Any, y: Any, batch_size: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor | None]]:
    weights = next(model.parameters(), None)
    if isinstance(x, (np.ndarray, torch.Tensor, list)):
        inputs = _tensor(x, weights)
        targets = None if y is None or y is x else _tensor(y, weights)
        for start in range(0, len(inputs), batch_size):
            part = slice(start, start + batch_size)
            yield inputs[part], None if targets is None else targets[part]
        return
    if not isinstance(x, Iterable):
        raise ValueError(f"data are an array, a tensor or batches of them, not {type(x).__name__}")
    for batch in x:
        parts = list(batch.values()) if isinstance(batch, dict) else batch
        if isinstance(parts, (np.ndarray, torch.Tensor)):
            yield _tensor(parts, weights), None
        else:
            yield _tensor(parts[0], weights), _tensor(parts[1], weights) if len(parts) > 1 else None


def _tensor(array: Any, weights: torch.nn.Parameter | None) -> torch.Tensor:
    """The array where the model is; what is no index becomes a number of the weights' own type."""
    tensor = torch.as_tensor(array)
    if weights is None:
        return tensor
    if tensor.is_floating_point() or tensor.dtype in {torch.uint8, torch.bool}:
        return tensor.to(weights.device, weights.dtype)
    return tensor.to(weights.device)


@contextlib.contextmanager
def _untouched(model: torch.nn.Module) -> Iterator[None]:
    """Put back whatever a forward pass may change."""
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    devices = sorted({parameter.device.index or 0 for parameter in model.parameters() if parameter.is_cuda})
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)
        for module, mode in modes:
            module.training = mode
