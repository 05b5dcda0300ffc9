"""Readings of a torch training: the value of a loss beside its floor on the same batch, without a trace left behind."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.overrides import TorchFunctionMode

from ae_audit.runtime.torch import losses
from ae_audit.runtime.torch.functions import Function
from ae_audit.runtime.torch.mode_stack import insert_mode, remove_mode
from ae_audit.theory.floors import NEGLIGIBLE_FLOOR, Reduction, floor
from ae_audit.theory.loss import Link, Loss
from ae_audit.theory.losses import find_loss

WITH_FLOORS = frozenset({"bce", "cce", "sparse_cce"})
"""losses whose floor may be above 0 and is exact: of the others (focal, Poisson) nobody watches the distance to it;
a choice of this stage, of names that the theory knows"""
AT_ZERO = frozenset({"mse", "mae", "huber", "smooth_l1"})
"""losses whose floor is 0 whatever the target, again a choice: of the theory's others few are watched"""
MOST_VALUES = 1 << 18
"""of a batch's targets that its floor is computed on; the rest is taken to be like them"""
ROUNDED = 1e-2
"""share of its floor by which a value may lie below it: the forward pass may run in half precision"""
FIRST_WAIT, LAST_WAIT, GROWTH = 0.25, 5.0, 1.5
"""seconds between readings: the first, the most, and by how much each is longer than the one before"""


@dataclass(frozen=True, slots=True)
class Reading:
    """One computation of a loss: its value, and the lowest that it could have been on that batch."""

    name: str
    value: float
    floor: float
    r2: float | None = None
    """of the batch's predictions, through the loss's link, against their mean target; None where that has no meaning"""

    @property
    def has_floor(self) -> bool:
        """Whether its floor is above 0, and worth a word."""
        return self.floor > NEGLIGIBLE_FLOOR


def read(function: Function, args: Sequence[Any], kwargs: dict[str, Any], result: Any) -> Reading | None:
    """The reading of one call of a loss function; None for a loss that was not trained on or has no exact floor."""
    call = losses.read_call(function, args, kwargs, lambda tensor: tensor.requires_grad)
    if call is None or call.spec.name not in WITH_FLOORS | AT_ZERO or not call.prediction.requires_grad:
        return None
    if not isinstance(result, torch.Tensor) or _weighted(args, kwargs):
        return None
    spec, target, shape = call.spec, call.target.detach(), call.prediction.shape
    loss = find_loss(spec.name or "", from_logits=spec.from_logits, **dict(spec.parameters))
    if loss is None or not len(target.shape) or not target.nelement():
        return None
    if spec.name != "bce" and "ignore_index" in dict(spec.parameters):
        return None
    part = target[: max(1, MOST_VALUES * len(target) // target.nelement())]
    y = part.to("cpu", torch.int64 if spec.name == "sparse_cce" else torch.float64).numpy()
    if not np.isfinite(y).all() or (y.min() < 0 and spec.name in WITH_FLOORS):
        return None
    least = floor(loss, y, 1 if y.ndim > 1 else -1, Reduction(spec.reduction), shape[1] if len(shape) > 1 else None)
    if spec.reduction == "sum":
        least *= len(target) / len(part)
    value = float(result.detach().mean())
    sane = np.isfinite(value) and np.isfinite(least) and value >= least * (1 - ROUNDED)
    if not sane:
        return None
    return Reading(spec.name or "", value, least, _r2(loss, call.prediction.detach(), y, len(part)))


def _r2(loss: Loss, prediction: torch.Tensor, y: NDArray[Any], samples: int) -> float | None:
    """R² of the first samples of a batch, for losses that compare value by value."""
    if not loss.pointwise or prediction.shape[1:] != y.shape[1:] or samples < 2:
        return None
    p = prediction[:samples].to("cpu", torch.float64)
    p = torch.sigmoid(p) if loss.link is Link.SIGMOID else p
    total = float(np.square(y - y.mean(axis=0, keepdims=True)).sum())
    left = float(np.square(p.numpy() - y).sum())
    return 1.0 - left / total if total > 0.0 and np.isfinite(left) else None


def _weighted(args: Sequence[Any], kwargs: dict[str, Any]) -> bool:
    """Whether some values count more than others."""
    tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor)]
    return len(tensors) > 2


class Readings:
    """Takes a reading now and then for as long as a training runs.

    Between two readings nothing is in the training's way: a timer of a thread of its own exchanges ``Tensor.backward``
    until its next call, which in the training's thread has the losses of one step looked at.

    Args:
        tell: told of the readings of a step, in the thread that trains.
    """

    def __init__(self, tell: Callable[[list[Reading]], None]) -> None:
        self._tell = tell
        self._wait = FIRST_WAIT
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()
        self._closed = False
        self._look: _Look | None = None
        self._undo: Callable[[], None] | None = None

    def begin(self) -> None:
        """Take the first reading after a moment, and others ever less often."""
        with self._lock:
            if self._closed:
                return
            self._timer = threading.Timer(self._wait, self._wake)
            self._timer.daemon = True
            self._timer.start()
            self._wait = min(LAST_WAIT, self._wait * GROWTH)

    def close(self) -> None:
        """Take no more, and leave torch as it is meant to be."""
        with self._lock:
            self._closed = True
            if self._timer is not None:
                self._timer.cancel()
            if self._undo is not None:
                self._undo()
                self._undo = None
        if self._look is not None:
            remove_mode(self._look)
            self._look = None

    def _wake(self) -> None:
        """In the timer's thread: have the next call of ``backward`` begin a reading."""
        with self._lock:
            if self._closed or compiles():
                return
            original: Callable[..., None] = torch.Tensor.backward

            def undo() -> None:
                torch.Tensor.backward = original  # type: ignore[method-assign]

            running = False

            def backward(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> None:
                nonlocal running
                if running:  # under a function mode torch comes back here for what it is to run
                    original(tensor, *args, **kwargs)
                    return
                running = True
                try:
                    original(tensor, *args, **kwargs)
                finally:
                    running = False
                self._after_backward()

            torch.Tensor.backward = backward  # type: ignore[assignment,method-assign]
            self._undo = undo

    def _after_backward(self) -> None:
        if self._undo is None:
            return
        if self._look is None:
            self._look = _Look()
            insert_mode(self._look)
            return
        look, self._look = self._look, None
        remove_mode(look)
        with self._lock:
            if self._undo is not None:
                self._undo()
                self._undo = None
        if look.found:
            self._tell(look.found)
        self.begin()


class _Look(TorchFunctionMode):
    """Looks at the losses of one step."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Reading] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if losses.is_loss(func):
            try:
                reading = read(func, args, kwargs or {}, result)
            except Exception:  # a reading is a courtesy; the training goes on
                reading = None
            if reading is not None:
                self.found.append(reading)
        return result


def compiles() -> bool:
    """Whether torch has compiled anything: what it compiled must not meet a function mode."""
    module = sys.modules.get("torch._dynamo.utils")
    counters = getattr(module, "counters", None)
    return bool(counters and counters["frames"].get("total"))
