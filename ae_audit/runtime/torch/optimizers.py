"""Watching optimizers: their steps, the resetting of gradients, and the scaling of losses for half precision."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import torch
from torch.optim import optimizer as optimizer_module

from ae_audit.runtime.torch.graph import Tape


class Listener(Protocol):
    """What is told of optimizers; the recorder is one."""

    tape: Tape

    def begin(self) -> None:
        """A model, a loss or an optimizer is in use."""

    def quietly(self) -> contextlib.AbstractContextManager[None]:
        """Nothing is recorded inside."""

    def zeroed(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Gradients are being reset."""

    def before_step(
        self, optimizer: torch.optim.Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """An optimizer is about to step."""

    def after_step(self) -> None:
        """The step is done."""


@contextlib.contextmanager
def watched_optimizers(recorder: Listener) -> Iterator[None]:
    """Tell the recorder of steps and of resets; a loss scaled for half precision stands for the loss itself."""
    construct = torch.optim.Optimizer.__init__
    backward: Callable[..., None] = torch.Tensor.backward
    zero_grad, module_zero_grad = torch.optim.Optimizer.zero_grad, torch.nn.Module.zero_grad
    scale = torch.amp.GradScaler.scale

    def watched_construct(self: torch.optim.Optimizer, *args: Any, **kwargs: Any) -> None:
        recorder.begin()
        with recorder.quietly():
            construct(self, *args, **kwargs)

    @functools.wraps(backward)
    def watched_backward(self: torch.Tensor, *args: Any, **kwargs: Any) -> None:
        recorder.begin()
        backward(self, *args, **kwargs)

    def watched_zero(self: torch.optim.Optimizer, set_to_none: bool = True) -> None:
        recorder.zeroed([parameter for group in self.param_groups for parameter in group["params"]])
        with recorder.quietly():
            zero_grad(self, set_to_none)

    def watched_module_zero(self: torch.nn.Module, set_to_none: bool = True) -> None:
        recorder.zeroed(list(self.parameters()))
        with recorder.quietly():
            module_zero_grad(self, set_to_none)

    def watched_scale(self: Any, outputs: Any) -> Any:
        with recorder.quietly():
            scaled = scale(self, outputs)
        if isinstance(outputs, torch.Tensor) and isinstance(scaled, torch.Tensor):
            recorder.tape.same(scaled, outputs)
        return scaled

    before = optimizer_module.register_optimizer_step_pre_hook(recorder.before_step)
    after = optimizer_module.register_optimizer_step_post_hook(lambda *_: recorder.after_step())
    torch.optim.Optimizer.__init__ = watched_construct  # type: ignore[method-assign]
    torch.Tensor.backward = watched_backward  # type: ignore[method-assign]
    torch.optim.Optimizer.zero_grad = watched_zero  # type: ignore[method-assign]
    torch.nn.Module.zero_grad = watched_module_zero  # type: ignore[method-assign]
    torch.amp.GradScaler.scale = watched_scale  # type: ignore[method-assign]
    try:
        yield
    finally:
        before.remove()
        after.remove()
        torch.optim.Optimizer.__init__ = construct  # type: ignore[method-assign]
        torch.Tensor.backward = backward  # type: ignore[method-assign]
        torch.optim.Optimizer.zero_grad = zero_grad  # type: ignore[method-assign]
        torch.nn.Module.zero_grad = module_zero_grad  # type: ignore[method-assign]
        torch.amp.GradScaler.scale = scale  # type: ignore[method-assign]
