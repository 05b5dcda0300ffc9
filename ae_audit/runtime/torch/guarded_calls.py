"""The program's own calls, each run exactly once and as it is, whatever becomes of the noting of them.

A recorder stands between a program and torch. What fails in the recorder is a fault of the audit: it is told as one,
never raised at the line of the user that happened to be running, and the program gets the result it would have had.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch

from ae_audit.runtime.torch import functions

_NOTHING = object()


class GuardedCalls:
    """Runs the calls of a program under what notes them, which is left to a subclass.

    Args:
        on_failure: told of a failure in the noting.
    """

    def __init__(self, on_failure: Callable[[Exception], None]) -> None:
        self._on_failure = on_failure
        self._on_refusal: Callable[[functions.Function, tuple[Any, ...], Exception], None] = lambda *_: None
        """told of a call of the program's own that raises"""
        self._outcome: Any = _NOTHING
        self._error: BaseException | None = None

    def perform(self, function: functions.Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a torch function of the program."""
        try:
            self._outcome = function(*args, **kwargs)
        except BaseException as error:
            self._error = error
            raise
        return self._outcome

    def handle(self, function: functions.Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run one torch function of the program, and take note of it."""
        self._outcome, self._error = _NOTHING, None
        try:
            return self._note_function(function, args, kwargs)
        except Exception as error:
            if error is self._error:
                with self._guarded():
                    self._on_refusal(function, args, error)
                raise
            self._fail(error)
            return function(*args, **kwargs) if self._outcome is _NOTHING else self._outcome
        finally:
            self._outcome, self._error = _NOTHING, None

    def call_module(
        self, module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], original: Callable[..., Any]
    ) -> Any:
        """Call one module of the program, and take note of it; ``original`` is ``Module.__call__`` as torch has it."""
        outcome: Any = _NOTHING
        raised: BaseException | None = None

        def run(module: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
            nonlocal outcome, raised
            try:
                outcome = original(module, *args, **kwargs)
            except BaseException as error:
                raised = error
                raise
            return outcome

        try:
            return self._note_module(module, args, kwargs, run)
        except Exception as error:
            if error is raised:
                raise
            self._fail(error)
            return original(module, *args, **kwargs) if outcome is _NOTHING else outcome

    def _note_function(self, function: functions.Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Take note of a function while it is run through :meth:`perform`."""
        raise NotImplementedError

    def _note_module(
        self, module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], run: Callable[..., Any]
    ) -> Any:
        """Take note of a module while it is run by ``run``."""
        raise NotImplementedError

    def _fail(self, error: Exception) -> None:
        """The noting failed; it goes on with the next call."""
        self._on_failure(error)

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """A failure inside is our own."""
        try:
            yield
        except Exception as error:
            self._fail(error)
