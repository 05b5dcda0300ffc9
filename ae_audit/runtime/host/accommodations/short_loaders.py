"""Cutting loops short: loaders that yield few batches from this process, compilers that leave models as they are."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader

from ae_audit.runtime.host.patching import replaced


class FewBatches:
    """A loader's first batches; with the ``next`` method that loaders' iterators had in older releases of torch."""

    def __init__(
        self, source: Iterator[Any], most: int, quietly: Callable[[], contextlib.AbstractContextManager[None]]
    ) -> None:
        self._source, self._left, self._quietly = source, most, quietly

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self._left <= 0:
            raise StopIteration
        self._left -= 1
        with self._quietly():
            return next(self._source)

    next = __next__


@contextlib.contextmanager
def short_loops(
    batches: Callable[[], int], quietly: Callable[[], contextlib.AbstractContextManager[None]]
) -> Iterator[None]:
    """Let every ``DataLoader`` yield at most ``batches()`` batches, without worker processes.

    Args:
        batches: asked when an iteration begins.
        quietly: a context in which fetching happens (nothing that a data set does belongs to the training step).
    """
    original_init, original_iter = DataLoader.__init__, DataLoader.__iter__

    def init(self: DataLoader[Any], *args: Any, **kwargs: Any) -> None:
        names = ("dataset", "batch_size", "shuffle", "sampler", "batch_sampler", "num_workers")
        if len(args) >= len(names):
            args = (*args[: len(names) - 1], 0, *args[len(names) :])
        elif "num_workers" in kwargs:
            kwargs["num_workers"] = 0
        for name in ("prefetch_factor", "persistent_workers", "timeout", "multiprocessing_context", "pin_memory"):
            kwargs.pop(name, None)
        original_init(self, *args, **kwargs)

    def iterate(self: DataLoader[Any]) -> Iterator[Any]:
        with quietly():
            source = iter(original_iter(self))
        return FewBatches(source, batches(), quietly)

    def leave(model: Any = None, *args: Any, **kwargs: Any) -> Any:
        return model if model is not None else lambda function: function

    with contextlib.ExitStack() as stack:
        stack.enter_context(replaced(DataLoader, "__init__", init))
        stack.enter_context(replaced(DataLoader, "__iter__", iterate))
        stack.enter_context(replaced(torch, "compile", leave))
        stack.enter_context(replaced(torch.nn.Module, "compile", lambda *_, **__: None))
        stack.enter_context(replaced(torch.jit, "script", lambda code, *_, **__: code))
        yield
