"""TensorFlow's settings of a GPU that is not there, on modules made for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ae_audit.runtime.host.accommodations.absent_gpu import NOTE, without_gpu
from ae_audit.runtime.host.imports import ImportWatch


def test_the_first_gpu_can_be_set_up_where_there_is_none() -> None:
    cpu, set_up, told = object(), list[Any](), list[str]()

    def devices(kind: str | None = None) -> list[Any]:
        return [] if kind == "GPU" else [cpu]

    config = SimpleNamespace(
        list_physical_devices=devices,
        set_memory_growth=lambda device, enable: set_up.append(device),
        set_visible_devices=lambda several, kind: set_up.append(several),
        experimental=SimpleNamespace(list_physical_devices=devices),
    )
    watch = ImportWatch(lambda name, error: None)
    watch.when_imported = lambda name, callback: callback(SimpleNamespace(config=config))  # type: ignore[method-assign, arg-type]
    without_gpu(watch, told.append)
    found = config.list_physical_devices("GPU")
    assert not found
    assert list(found) == found[:1] == []
    assert told == []
    for place in (0, 1):
        config.set_memory_growth(config.experimental.list_physical_devices("GPU")[place], True)
    config.set_visible_devices(found, "GPU")
    assert (set_up, told) == ([], [NOTE])
    config.set_memory_growth(config.list_physical_devices("CPU")[0], True)
    config.set_visible_devices([], "GPU")
    assert set_up == [cpu, []]
