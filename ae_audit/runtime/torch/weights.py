"""A set of weights of its own for the program's modules: put in while a trial runs, taken out again afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence

import torch

CUSTOM_SCALE = 1.4
"""A spread that differs from the default initialisation's by more than this factor is the program's own choice."""
MEASURABLE = 64
"""values from which a spread is worth comparing"""


class Weights:
    """Own values for parameters and buffers, starting from copies of the captured ones.

    Args:
        parameters: each with its captured initial value.
        buffers: module, name and captured value.
        modes: training flags while the weights are in place.
        seed: 0 keeps the captured initial values; any other seed draws new ones.
    """

    def __init__(
        self,
        parameters: Sequence[tuple[torch.nn.Parameter, torch.Tensor]],
        buffers: Sequence[tuple[torch.nn.Module, str, torch.Tensor]],
        modes: Sequence[tuple[torch.nn.Module, bool]],
        models: Sequence[torch.nn.Module],
        seed: int,
    ) -> None:
        self._parameters = [parameter for parameter, _ in parameters]
        self._values = [value.clone() for _, value in parameters]
        self._gradients: list[torch.Tensor | None] = [None] * len(self._values)
        self._buffers = [(module, name, value.clone()) for module, name, value in buffers]
        self._modes = list(modes)
        self._all = [*self._parameters, *(parameter for model in models for parameter in model.parameters())]
        if seed != 0:
            with self.installed(), torch.no_grad():
                self._redraw([value for _, value in parameters], models)

    @contextlib.contextmanager
    def installed(self, *, training: bool | None = None) -> Iterator[None]:
        """Have the program's modules use these weights; ``training`` overrides the recorded flags."""
        values = [parameter.data for parameter in self._parameters]
        gradients = [parameter.grad for parameter in self._parameters]
        present = [(module, name) for module, name, _ in self._buffers if name in module._buffers]
        buffers = [(module, name, module._buffers[name]) for module, name in present]
        modes = [(module, module.training) for module, _ in self._modes]
        flags = [(parameter, parameter.requires_grad) for parameter in self._all]
        try:
            for parameter, value, gradient in zip(self._parameters, self._values, self._gradients, strict=True):
                parameter.grad = None
                parameter.data = value
                parameter.grad = gradient
            for module, name, value in self._buffers:
                module._buffers[name] = value
            for module, flag in self._modes:
                module.training = flag if training is None else training
            yield
        finally:
            self._gradients = [parameter.grad for parameter in self._parameters]
            self._values = [parameter.data for parameter in self._parameters]
            self._buffers = [
                (module, name, current)
                for module, name, value in self._buffers
                if (current := module._buffers.get(name, value)) is not None
            ]
            for parameter, value, gradient in zip(self._parameters, values, gradients, strict=True):
                parameter.grad = None
                parameter.data = value
                parameter.grad = gradient
            for module, name, original in buffers:
                module._buffers[name] = original
            for module, flag in modes:
                module.training = flag
            for parameter, flag in flags:
                parameter.requires_grad_(flag)

    def _redraw(self, captured: Sequence[torch.Tensor], models: Iterable[torch.nn.Module]) -> None:
        """New initial values: by the layers' own initialisation, or else by shuffling the captured ones."""
        own = {id(parameter) for parameter in self._parameters}
        redrawn: set[int] = set()
        for model in models:
            for module in model.modules():
                reset = getattr(module, "reset_parameters", None)
                direct = list(module.parameters(recurse=False))
                if callable(reset) and direct and all(id(parameter) in own for parameter in direct):
                    with contextlib.suppress(TypeError):  # a method of that name that wants arguments
                        reset()
                        redrawn.update(id(parameter) for parameter in direct)
        for parameter, before in zip(self._parameters, captured, strict=True):
            if id(parameter) not in redrawn or not _same_scale(parameter.data, before):
                order = torch.randperm(before.nelement(), device="cpu").to(before.device)
                parameter.data.copy_(before.reshape(-1)[order].reshape(before.shape))


def _same_scale(drawn: torch.Tensor, captured: torch.Tensor) -> bool:
    if captured.nelement() < MEASURABLE:
        return bool(captured.any()) == bool(drawn.any())
    a, b = float(drawn.float().std()), float(captured.float().std())
    return b > 0 and 1 / CUSTOM_SCALE < a / b < CUSTOM_SCALE
