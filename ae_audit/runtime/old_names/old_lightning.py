"""Lightning: names that have moved."""

from __future__ import annotations

from ae_audit.runtime.imports import ImportWatch
from ae_audit.runtime.old_names.names import OldNames, Successor
from ae_audit.runtime.old_names.uses import Uses

_FABRIC = {"lightning.pytorch": "lightning.fabric", "pytorch_lightning": "lightning_fabric"}


def install(watch: ImportWatch, names: OldNames, uses: Uses) -> None:
    """Answer what Lightning has moved."""
    for package, fabric in _FABRIC.items():
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
