"""Lightning's ``Trainer``, made to run on this machine alone: one process, one device, nobody told of the results.

A trainer asks for GPUs, several processes, a logging service. Its loop is what is wanted here, not where it runs:
arguments that only say where are replaced, and those that the installed release no longer takes are left out.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ae_audit.runtime.host.imports import ImportWatch

_PACKAGES = ("lightning.pytorch", "pytorch_lightning")
_HERE = {"accelerator": "auto", "devices": 1, "num_nodes": 1, "strategy": "auto", "plugins": None}
"""where and by how many it is run; what the others would have done is not part of the audit"""
_LOCAL_LOGGERS = frozenset({"CSVLogger", "TensorBoardLogger", "DummyLogger"})
_ELSEWHERE = "a Lightning Trainer that asks for {asked} was run in one process on what this machine has"
_OUTDATED = "the installed Lightning knows no Trainer({names}): left out"

Note = Callable[[str], None]


def tame_trainers(watch: ImportWatch, note: Note) -> None:
    """Adapt every ``Trainer`` that the program makes; ``note`` is told what the reader must know of it."""
    for package in _PACKAGES:
        watch.when_imported(f"{package}.trainer.trainer", functools.partial(_tame, note=note))


def _tame(module: ModuleType, note: Note) -> None:
    cls = module.Trainer
    original = cls.__init__
    known = frozenset(inspect.signature(original).parameters)
    unwatched = _silent_logger(module.__name__.removesuffix(".trainer.trainer"))

    @functools.wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        kept = {name: value for name, value in kwargs.items() if name in known}
        outdated = [name for name in kwargs if name not in known]
        if outdated:
            note(_OUTDATED.format(names=", ".join(f"{name}=…" for name in outdated)))
        asked = [f"{name}={kept[name]!r}" for name in _HERE if _asks_for_more(name, kept.get(name))]
        if asked:
            note(_ELSEWHERE.format(asked=", ".join(asked)))
        kept.update({name: value for name, value in _HERE.items() if name in known})
        if kept.get("logger"):
            kept["logger"] = unwatched(kept["logger"])
        original(self, *args, **kept)

    cls.__init__ = init


def _asks_for_more(name: str, value: Any) -> bool:
    """Whether an argument asks for something else than any trainer does that is given none."""
    return value not in (None, "auto", "cpu", 1, "1", -1, "-1", [0], _HERE[name])


def _silent_logger(package: str) -> Callable[[Any], Any]:
    """Loggers that write to files stay; one that would report to a service is replaced by one that takes everything."""

    def replaced(logger: Any) -> Any:
        import importlib

        if isinstance(logger, (list, tuple)):
            return [replaced(each) for each in logger]
        if logger is True or type(logger).__name__ in _LOCAL_LOGGERS:
            return logger
        return importlib.import_module(f"{package}.loggers.logger").DummyLogger()

    return replaced
