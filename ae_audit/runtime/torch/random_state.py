"""Random draws of our own: the same every time, with the program's own state left as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch

_ACCELERATORS = ("cuda", "xpu", "mtia")


@contextlib.contextmanager
def fixed_draws(devices: Sequence[torch.device] | None = None) -> Iterator[None]:
    """The same draws every time; afterwards the state of the CPU and of the CUDA ``devices`` is what it was before.

    Without ``devices`` all of CUDA's are meant, where CUDA is in use.
    """
    if devices is None:
        in_use = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
        devices = [torch.device("cuda", index) for index in range(torch.cuda.device_count() if in_use else 0)]
    with torch.random.fork_rng(devices):
        set_seed(0)
        yield


def set_seed(value: int) -> None:
    """Seed the CPU and every accelerator in use.

    ``torch.manual_seed`` notes for each kind of accelerator that is not in use where it was called from, which takes
    longer than many a step that it comes before.
    """
    torch.default_generator.manual_seed(value)
    for name in _ACCELERATORS:
        accelerator = getattr(torch, name, None)
        if accelerator is not None and accelerator.is_initialized():
            accelerator.manual_seed_all(value)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(value)
