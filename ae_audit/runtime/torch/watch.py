"""Watching a real torch training: the recorder without any of what it does to a program in the sandbox.

Nothing is replaced, cut short or copied back; the program's calls run exactly once and as they are, and a failure of
the recorder's own ends the watching, never the training.
"""

from __future__ import annotations

import contextlib
import gc
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from ae_audit.runtime.host.patching import replaced
from ae_audit.runtime.torch import functions, losses
from ae_audit.runtime.torch.mode_stack import insert_mode, remove_mode, without_mode
from ae_audit.runtime.torch.nodes import Ref
from ae_audit.runtime.torch.readings import Reading, read
from ae_audit.runtime.torch.recorder import FunctionMode, TorchRecorder

PATIENT_STEPS = 3
"""the watching ends after this many times the wanted steps, whatever was recognised in them"""
MOST_CALLS = 2000
"""calls of models without an optimizer's step after which the watching ends"""


class LiveTorchRecorder(TorchRecorder):
    """Records the first steps of a real training, then leaves torch as it was.

    Args:
        script: where the training is written; its folder is the user's own.
        steps: training steps recorded at each loss.
        on_first: called before the first step of an optimizer; may raise to stop the training.
        on_enough: called once all losses that were seen have been recorded, and nothing of the recorder is left.
        on_failure: told of a failure of the recorder's own; the training goes on unwatched.
        for_trials: keep copies of all weights, so that the training can be fitted again.
    """

    def __init__(
        self,
        script: str | Path,
        *,
        steps: int,
        on_first: Callable[[], None],
        on_enough: Callable[[], None],
        on_failure: Callable[[Exception], None],
        for_trials: bool = False,
    ) -> None:
        super().__init__(script, max_steps=steps, cut_loops=False, on_failure=on_failure)
        self._devices.absent = False  # what the program puts on a device is the program's own affair
        self._limit = PATIENT_STEPS * steps
        self._on_first, self._on_enough = on_first, on_enough
        self._for_trials = for_trials
        self._mode: FunctionMode | None = None
        self._call = torch.nn.Module.__call__
        self._stepped: set[int] = set()
        self._taken = self._called = 0
        self._first_told = self._leaving = self._broken = False
        self.readings: dict[str, Reading] = {}
        """the last of each loss, by its name"""
        self.keras = False
        """whether a Keras model was called, which trains in its own way"""

    # --- coming and going -------------------------------------------------------------------------------------------

    def install(self) -> None:
        self._call = torch.nn.Module.__call__
        super().install()
        stack = self._installed
        stack.enter_context(replaced(DataLoader, "__iter__", self._iterate(DataLoader.__iter__)))
        stack.enter_context(replaced(torch, "compile", self._compile(torch.compile)))

    def begin(self) -> None:
        if self._present and self._mode is None and threading.get_ident() == self._thread:
            self._mode = FunctionMode(self)
            insert_mode(self._mode)

    def remove(self) -> None:
        """Leave torch as it was; wherever the program's own modes stand on the stack, they stay."""
        self._present = False
        mode, self._mode = self._mode, None
        if mode is not None and not remove_mode(mode):
            self._mode = mode  # torch holds it while it handles a call
        self._installed.close()

    @property
    def stepped(self) -> set[int]:
        """The optimizers that stepped, by identity."""
        return self._stepped

    @property
    def optimizers_elsewhere(self) -> list[torch.optim.Optimizer]:
        """The optimizers of this process that have not stepped."""
        known = {id(record.optimizer._optimizer_step_pre_hooks) for record in self.optimizers.values()}
        # Lightning's optimizers are copies that share the hooks of the ones they stand for
        return [found for found in _optimizers() if id(getattr(found, "_optimizer_step_pre_hooks", None)) not in known]

    # --- what runs --------------------------------------------------------------------------------------------------

    def refusal(self, call: losses.LossCall) -> str | None:
        """None: the program's own loss raises, as it would without us."""
        return None

    def copy(self, parameter: torch.nn.Parameter) -> torch.Tensor:
        return super().copy(parameter) if self._for_trials else parameter.detach()

    def handle(self, function: functions.Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not self._present or self._broken:
            return function(*args, **kwargs)
        return super().handle(function, args, kwargs)

    def _note_function(self, function: functions.Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = super()._note_function(function, args, kwargs)
        if losses.is_loss(function) and not self._paused:
            self._read(function, args, kwargs, result)
        return result

    def _call_module(
        self, module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], original: Any
    ) -> Any:
        if not self._present or self._paused or threading.get_ident() != self._thread:
            return original(module, *args, **kwargs)
        if self._broken:
            self.remove()
            return original(module, *args, **kwargs)
        if _is_keras(module):
            self.keras = True
            with self.aside():
                return original(module, *args, **kwargs)
        if self.models.innermost is None:
            self._called += 1
            self._leaving = self._leaving or self._called > MOST_CALLS
            self._between_steps()
            if not self._present:
                return original(module, *args, **kwargs)
        return super()._call_module(module, args, kwargs, self._aside_if_compiled(original))

    def _aside_if_compiled(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def run(module: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
            with self.aside() if _is_compiled(module) else contextlib.nullcontext():
                return original(module, *args, **kwargs)

        return run

    # --- gradients and steps ----------------------------------------------------------------------------------------

    @property
    def steps(self) -> int:
        """Steps of optimizers so far."""
        return self._taken

    def note_backward(self, root: Ref) -> None:
        super().note_backward(root)
        self._enough.settle(self.sites.values())  # steps may be far between, and batches are kept until then

    def zeroed(self, parameters: Any) -> None:
        if self._paused or self._broken or not self._present:
            return
        self._between_steps()
        with self._guarded():
            super().zeroed(parameters)

    def before_step(
        self, optimizer: torch.optim.Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        if self._paused or self._broken or threading.get_ident() != self._thread:
            return None
        changed = None
        with self._guarded():
            changed = super().before_step(optimizer, args, kwargs)
        self._stepped.add(id(optimizer))
        self._taken += 1
        if changed is None:
            self._tell_first()
        return changed

    def after_step(self) -> None:
        with self._guarded():
            super().after_step()
        complete = self._enough.all_complete(self.sites.values())
        self._leaving = self._leaving or complete or self._taken >= self._limit

    # --- our own ----------------------------------------------------------------------------------------------------

    def _between_steps(self) -> None:
        """No optimizer iterates over its hooks now, so that they may be removed."""
        if self._taken:
            self._tell_first()
        if self._leaving and self._present and not self._paused:
            self.remove()
            self._on_enough()

    def _tell_first(self) -> None:
        if not self._first_told:
            self._first_told = True
            self._on_first()

    def _read(self, function: functions.Function, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        with contextlib.suppress(Exception):  # a courtesy
            reading = read(function, args, kwargs, result)
            if reading is not None:
                self.readings[reading.name] = reading

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Out of the way, for code that must not meet a function mode."""
        with without_mode(self._mode), self.quietly():
            yield

    def _fail(self, error: Exception) -> None:
        """Record no more; what is installed goes when the next module is called, for torch may be using it now."""
        if not self._broken:
            self._broken = True
            self._on_failure(error)

    def _iterate(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def iterate(loader: Any) -> Any:
            # workers that are forked here take this process's state with them, for as long as they live
            with self.aside():
                return original(loader)

        return iterate

    def _compile(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def compile_(*args: Any, **kwargs: Any) -> Any:
            # what is compiled keeps hold of the methods that it finds, so it must find torch's own
            with replaced(torch.nn.Module, "__call__", self._call):
                return original(*args, **kwargs)

        return compile_


def _is_compiled(module: torch.nn.Module) -> bool:
    """Whether the module, or one inside it, runs code that torch compiled."""
    return any(
        type(part).__name__ == "OptimizedModule" or getattr(part, "_compiled_call_impl", None) is not None
        for part in module.modules()
    )


def _is_keras(module: torch.nn.Module) -> bool:
    return any(base.__module__.startswith("keras.") for base in type(module).__mro__)


def _optimizers() -> list[torch.optim.Optimizer]:
    """Every optimizer that there is; one that wraps another (of ``accelerate``) has no hooks, and is none itself."""
    kinds = {torch.optim.Optimizer}
    waiting = [torch.optim.Optimizer]
    while waiting:
        more = [kind for kind in waiting.pop().__subclasses__() if kind not in kinds]
        kinds.update(more)
        waiting += more
    found = [one for one in gc.get_objects() if type(one) in kinds]  # of all objects: the quickest test there is
    return [one for one in found if hasattr(one, "_optimizer_step_pre_hooks")]
