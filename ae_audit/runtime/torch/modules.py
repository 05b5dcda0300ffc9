"""The modules of a running program: where each was built, which of them runs now, and how its model begins."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.modules.loss import _Loss

from ae_audit.runtime.host.user_code import UserCode
from ae_audit.runtime.torch.nodes import Node
from ae_audit.runtime.torch.tensor_refs import IdentityMap
from ae_audit.schema.location import Location

FIRST_LAYERS = 4
"""layers from the model's start that are named"""

Call = Callable[[torch.nn.Module, tuple[Any, ...], dict[str, Any], Any], Any]


@dataclass(eq=False, slots=True)
class ModelStart:
    """How a model begins, as its first call showed."""

    layers: list[str]
    normalises: bool | None = None
    complete: bool = False
    """whether the first call is over"""


class ModelWatch:
    """Follows module construction and calls."""

    def __init__(self, user: UserCode) -> None:
        self._user = user
        self._built: IdentityMap[Location] = IdentityMap()
        self._stack: list[torch.nn.Module] = []
        self._opened: IdentityMap[bool] = IdentityMap()
        self._starts: dict[int, ModelStart] = {}
        self.seen: dict[int, torch.nn.Module] = {}
        """outermost modules, by identity, in the order of their first calls"""
        self.buffers: dict[tuple[int, str], tuple[torch.nn.Module, str, torch.Tensor]] = {}
        """every buffer before the first call"""
        self.modes: dict[int, tuple[torch.nn.Module, bool]] = {}
        """training flags at the first training step"""

    @contextlib.contextmanager
    def watching(self, call: Call) -> Iterator[None]:
        """Send every module call through ``call``, and remember where modules are built."""
        original_call, original_init = torch.nn.Module.__call__, torch.nn.Module.__init__
        built, user = self._built, self._user

        def init(module: torch.nn.Module, *args: Any, **kwargs: Any) -> None:
            original_init(module, *args, **kwargs)
            location = user.location()
            if location is not None:
                built[module] = location

        def run(module: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
            return call(module, args, kwargs, original_call)

        torch.nn.Module.__call__ = run  # type: ignore[method-assign]
        torch.nn.Module.__init__ = init  # type: ignore[method-assign,assignment]
        try:
            yield
        finally:
            torch.nn.Module.__call__ = original_call  # type: ignore[method-assign]
            torch.nn.Module.__init__ = original_init  # type: ignore[method-assign]

    @property
    def innermost(self) -> torch.nn.Module | None:
        """The module whose forward runs now."""
        return self._stack[-1] if self._stack else None

    @property
    def outermost(self) -> torch.nn.Module | None:
        """The outermost module that is one node of the tape."""
        return next((module for module in self._stack if not self.transparent(module)), None)

    @contextlib.contextmanager
    def inside(self, module: torch.nn.Module) -> Iterator[None]:
        """``module`` runs."""
        outermost = self.outermost
        start = self._starts.get(id(outermost)) if outermost is not None else None
        if start is not None and not start.complete and next(module.children(), None) is None:
            start.layers.append(type(module).__name__)
            start.complete = len(start.layers) >= FIRST_LAYERS
        self._stack.append(module)
        try:
            yield
        finally:
            self._stack.pop()

    def transparent(self, module: torch.nn.Module) -> bool:
        """Whether what the module does is recorded call by call, as if it stood in the loop."""
        return isinstance(module, _Loss) or self._opened.get(module) is True

    def open(self, module: torch.nn.Module) -> None:
        """From its next call on the module is transparent."""
        self._opened[module] = True

    def open_current(self) -> None:
        """Open the module that hides what runs now."""
        module = self.outermost
        if module is not None:
            self.open(module)

    def built_at(self, module: torch.nn.Module) -> Location | None:
        """Where the user's own code constructed the module."""
        return self._built.get(module)

    def remember(self, module: torch.nn.Module) -> None:
        """A module is called from outside any other: keep its buffers if it is new."""
        if id(module) in self.seen:
            return
        self.seen[id(module)] = module
        layers = [] if next(module.children(), None) is not None else [type(module).__name__]
        self._starts[id(module)] = ModelStart(layers)
        for part in module.modules():
            for name, buffer in part.named_buffers(recurse=False):
                key = (id(part), name)
                if key not in self.buffers:
                    self.buffers[key] = (part, name, buffer.detach().clone())

    def remember_modes(self, nodes: Iterable[Node]) -> None:
        """Keep the training flags of modules that take part in a training step."""
        for module in modules_of(nodes):
            for part in module.modules():
                self.modes.setdefault(id(part), (part, part.training))

    def note_start(self, module: torch.nn.Module, normalises: bool | None) -> None:
        """A model's call is over."""
        start = self._starts.get(id(module))
        if start is not None:
            start.complete = True
            start.normalises = normalises if start.normalises is None else start.normalises

    def start(self, module: torch.nn.Module) -> ModelStart:
        return self._starts.get(id(module), ModelStart([]))

    def parameters_of(self, nodes: Iterable[Node]) -> Iterator[torch.nn.Parameter]:
        """The weights that the nodes use."""
        for node in nodes:
            if isinstance(node.call, torch.nn.Module):
                yield from node.call.parameters()
            for leaf in node.leaves:
                if isinstance(leaf, torch.nn.Parameter):
                    yield leaf


def modules_of(nodes: Iterable[Node]) -> list[torch.nn.Module]:
    """The modules that the nodes call, each once, in order."""
    found: dict[int, torch.nn.Module] = {}
    for node in nodes:
        if isinstance(node.call, torch.nn.Module):
            found.setdefault(id(node.call), node.call)
    return list(found.values())


def spelled(module: torch.nn.Module | None) -> str | None:
    """A module as its ``repr`` writes it, on one line."""
    return None if module is None else f"nn.{' '.join(repr(module).split())}"
