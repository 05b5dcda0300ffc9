"""Programs written for several processes, run in this one: a group of one member, and modules without wrappers."""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils.data.distributed import DistributedSampler

from ae_audit.runtime.host.patching import replaced
from ae_audit.runtime.host.user_code import UserCode

NOTE = "the program is written for several processes: it was run as the first of one, without the others"
_LAUNCHED = {
    **dict.fromkeys(("RANK", "LOCAL_RANK", "GROUP_RANK"), "0"),
    **dict.fromkeys(("WORLD_SIZE", "LOCAL_WORLD_SIZE"), "1"),
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "29500",
}
"""what ``torchrun`` tells the processes that it starts"""


class OneProcess:
    """Stands in for the launcher, the other processes and the connections between them.

    Args:
        user: tells the program's own questions of its environment from those of libraries, which would take an answer
            for a launcher.

    Attributes:
        asked: whether the program wanted to be several.
    """

    def __init__(self, user: UserCode) -> None:
        self._user = user
        self.asked = False

    @contextlib.contextmanager
    def pretending(self) -> Iterator[None]:
        """Let the program set up its processes, with none but this one."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(replaced(torch.multiprocessing, "spawn", self._spawn))
            stack.enter_context(replaced(type(os.environ), "__getitem__", self._told(type(os.environ).__getitem__)))
            stack.enter_context(
                replaced(
                    torch.nn.SyncBatchNorm, "convert_sync_batchnorm", staticmethod(lambda module, *_, **__: module)
                )
            )
            stack.enter_context(replaced(DistributedSampler, "__init__", _whole(DistributedSampler.__init__)))
            if torch.distributed.is_available():
                group = torch.distributed.init_process_group
                stack.enter_context(replaced(torch.distributed, "init_process_group", self._group(group)))
                for module in (torch.nn.parallel, torch.nn.parallel.distributed):
                    stack.enter_context(replaced(module, "DistributedDataParallel", DistributedDataParallel))
            try:
                yield
            finally:
                if self.asked and torch.distributed.is_available() and torch.distributed.is_initialized():
                    torch.distributed.destroy_process_group()

    def _spawn(self, fn: Callable[..., Any], args: tuple[Any, ...] = (), *_: Any, **__: Any) -> None:
        """``torch.multiprocessing.spawn`` with one process: this."""
        self.asked = True
        fn(0, *args)

    def _group(self, original: Callable[..., None]) -> Callable[..., None]:
        def init_process_group(*_: Any, **__: Any) -> None:
            from torch.testing._internal.distributed.fake_pg import FakeStore

            self.asked = True
            if torch.distributed.is_initialized():
                torch.distributed.destroy_process_group()
            original(backend="fake", rank=0, world_size=1, store=FakeStore())

        return init_process_group

    def _told(self, original: Callable[[Any, str], str]) -> Callable[[Any, str], str]:
        def get(environment: Any, name: str) -> str:
            try:
                return original(environment, name)
            except KeyError:
                caller = sys._getframe(1).f_code.co_filename
                if name not in _LAUNCHED or self._user.place(caller) is None:
                    raise
                self.asked = True
                return _LAUNCHED[name]

        return get


class DistributedDataParallel(torch.nn.Module):
    """The wrapper of that name without its machinery: it passes on what it is called with."""

    def __init__(self, module: torch.nn.Module, *_: Any, **__: Any) -> None:
        super().__init__()
        self.module = module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    @contextlib.contextmanager
    def no_sync(self) -> Iterator[None]:
        yield

    @classmethod
    def _get_active_ddp_module(cls) -> None:
        """None is active. torch's compiler, if it is imported meanwhile, keeps this class and asks it ever after."""


def _whole(original: Callable[..., None]) -> Callable[..., None]:
    """The whole data set is the first process's share."""
    signature = inspect.signature(original)

    def init(*args: Any, **kwargs: Any) -> None:
        bound = signature.bind(*args, **kwargs)
        bound.arguments.update(num_replicas=1, rank=0)
        original(*bound.args, **bound.kwargs)

    return init
