"""TensorFlow programs that set up the first GPU (``list_physical_devices("GPU")[0]``) where there is none.

The list stays empty for who counts or iterates; its first entry is one that settings do nothing with, and what the
program puts on a GPU is computed on the CPU.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

from ae_audit.runtime.host.imports import ImportWatch

NOTE = "there is no GPU here: what the program sets up for one was left out, and it ran on the CPU"
_LISTS = ("list_physical_devices", "list_logical_devices")
_SETTINGS = (
    "set_memory_growth",
    "set_visible_devices",
    "set_logical_device_configuration",
    "set_virtual_device_configuration",
)


class AbsentDevice(SimpleNamespace):
    """The GPU that there is not."""


class NoDevices(list[Any]):
    """No devices, of which the first can be named."""

    def __init__(self, on_named: Callable[[], None]) -> None:
        super().__init__()
        self._on_named = on_named

    def __getitem__(self, index: Any) -> Any:
        """The absent device at its place; slices are empty."""
        if isinstance(index, slice):
            return self
        self._on_named()
        return AbsentDevice(name=f"/physical_device:GPU:{index}", device_type="GPU")


def without_gpu(watch: ImportWatch, note: Callable[[str], None]) -> None:
    """Have TensorFlow's settings take a GPU that is not there; ``note`` is told once."""
    told: list[str] = []

    def on_named() -> None:
        if not told:
            told.append(NOTE)
            note(NOTE)

    watch.when_imported("tensorflow", functools.partial(_adapt, on_named=on_named))


def _adapt(tensorflow: Any, on_named: Callable[[], None]) -> None:
    for module in (tensorflow.config, tensorflow.config.experimental):
        for name in _LISTS:
            if hasattr(module, name):
                setattr(module, name, _listing(getattr(module, name), on_named))
        for name in _SETTINGS:
            if hasattr(module, name):
                setattr(module, name, _setting(getattr(module, name)))


def _listing(original: Callable[..., list[Any]], on_named: Callable[[], None]) -> Callable[..., list[Any]]:
    @functools.wraps(original)
    def listed(device_type: Any = None) -> list[Any]:
        found = original(device_type)
        return NoDevices(on_named) if not found and device_type == "GPU" else found

    return listed


def _setting(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def setting(device: Any, *args: Any, **kwargs: Any) -> Any:
        several: Iterable[Any] = device if isinstance(device, (list, tuple)) else [device]
        absent = isinstance(device, NoDevices) or any(isinstance(one, AbsentDevice) for one in several)
        return None if absent else original(device, *args, **kwargs)

    return setting
