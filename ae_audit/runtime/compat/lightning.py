"""Lightning: names that have moved."""

from __future__ import annotations

import argparse
import functools
import inspect
from types import ModuleType
from typing import Any

from ae_audit.runtime.compat.arguments import with_signature_of
from ae_audit.runtime.compat.names import OldNames, Successor
from ae_audit.runtime.compat.uses import REFUSED, Uses
from ae_audit.runtime.host.imports import ImportWatch

_FABRIC = {"lightning.pytorch": "lightning.fabric", "pytorch_lightning": "lightning_fabric"}


def install(watch: ImportWatch, names: OldNames, uses: Uses) -> None:
    """Answer what Lightning has moved."""
    for package, fabric in _FABRIC.items():
        watch.when_imported(f"{package}.trainer.trainer", functools.partial(_arguments, uses=uses))
        watch.when_imported(
            f"{package}.core.datamodule", lambda module: _make_from_arguments(module.LightningDataModule, uses)
        )
        moved: dict[str, str | Successor] = {
            "utilities.apply_func": "lightning_utilities.core.apply_func",
            "utilities.cloud_io": f"{fabric}.utilities.cloud_io",
            "utilities.distributed": f"{package}.utilities.rank_zero",
            "utilities.xla_device": f"{package}.accelerators",
            "metrics": "torchmetrics",
            "metrics.functional": "torchmetrics.functional",
            "core.lightning": f"{package}.core",
            "core.decorators": f"{package}.utilities",
            "callbacks.base": f"{package}.callbacks",
            "loggers.base": f"{package}.loggers.logger",
        }
        for old, new in moved.items():
            names.module(f"{package}.{old}", new)
        names.names(
            f"{package}.utilities.apply_func",
            {
                name: f"{fabric}.utilities.apply_func:{name}"
                for name in ("move_data_to_device", "convert_to_tensors", "convert_tensors_to_scalars")
            },
        )
        names.names(f"{package}.utilities.seed", {"seed_everything": f"{fabric}.utilities.seed:seed_everything"})
        names.names(f"{package}.loggers.base", {"LightningLoggerBase": f"{package}.loggers:Logger"})
        names.names(f"{package}.loggers", {"LightningLoggerBase": f"{package}.loggers:Logger"})


def _arguments(module: ModuleType, uses: Uses) -> None:
    """``Trainer.add_argparse_args`` and ``from_argparse_args``, which took every argument from the command line."""
    trainer = module.Trainer

    def add_argparse_args(parser: argparse.ArgumentParser, **_: Any) -> argparse.ArgumentParser:
        uses.tell("Trainer.add_argparse_args", "lightning", "the arguments that Trainer has now were added")
        made = argparse.ArgumentParser(parents=[parser], add_help=False)
        for name, parameter in _parameters(trainer).items():
            if f"--{name}" not in parser._option_string_actions:
                made.add_argument(f"--{name}", default=parameter.default)
        return made

    original = trainer.__init__

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        if "max_steps" in kwargs and kwargs["max_steps"] is None:
            uses.tell("Trainer(max_steps=None)", "lightning", "-1, for no limit, was given", gone=REFUSED)
            kwargs["max_steps"] = -1
        original(self, *args, **kwargs)

    trainer.__init__ = with_signature_of(original, init)
    if not hasattr(trainer, "add_argparse_args"):
        trainer.add_argparse_args = staticmethod(add_argparse_args)
    _make_from_arguments(trainer, uses)


def _make_from_arguments(cls: Any, uses: Uses) -> None:
    def from_argparse_args(made: Any, args: Any, /, **kwargs: Any) -> Any:
        uses.tell(f"{made.__name__}.from_argparse_args", "lightning", "it was called with those arguments")
        given = args if isinstance(args, dict) else vars(args)
        return made(**{name: given[name] for name in _parameters(made) if name in given} | kwargs)

    if not hasattr(cls, "from_argparse_args"):
        cls.from_argparse_args = classmethod(from_argparse_args)


def _parameters(cls: Any) -> dict[str, inspect.Parameter]:
    """Those of its making that have a name."""
    found = list(inspect.signature(cls.__init__).parameters.items())[1:]
    named = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    return {name: parameter for name, parameter in found if parameter.kind in named}
