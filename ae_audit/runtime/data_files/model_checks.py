"""What loaders of model files share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ae_audit.runtime.data_files.samples import DataProblem

Shape = tuple[int | None, ...]


class CannotLoad(Exception):
    """The model cannot be loaded; the text says why, without a full stop."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in hand, as :mod:`ae_audit.runtime.keras.live` and :mod:`ae_audit.runtime.torch.live` take it."""

    model: Any
    loss: Any = None
    """to be trained under; None: the one that the model was compiled with"""
    output: Shape | None = None
    """of a batch of predictions; None where unknown or where there are several"""
    batch: int | None = None
    """number of samples that every batch must have; None: any"""


def first_line(error: Exception) -> str:
    """The first line of an error's text that says anything."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")[:300]


def check_target(output: Shape | None, data: tuple[str, Shape], target: tuple[str, Shape] | None, index: bool) -> None:
    """Make sure that the targets can be what predictions of the shape ``output`` are compared with.

    Args:
        output: batch axis first.
        data: name and shape of what the model is fed.
        target: likewise; None: the data are the target.
        index: whether the loss takes one class number for a vector of predictions.

    Raises:
        DataProblem: with both shapes.
    """
    if output is None or any(extent is None for extent in output[1:]):
        return
    units = math.prod(extent or 0 for extent in output[1:])
    if target is None:
        if math.prod(extent or 0 for extent in data[1][1:]) != units:
            raise DataProblem(
                f"the model turns {in_words(data[1])} into {in_words(output)}, so {data[0]} cannot be its target too: "
                "name the target with --target FILE."
            )
    elif not index and math.prod(extent or 0 for extent in target[1][1:]) != units and target[1][1:] not in {(), (1,)}:
        raise DataProblem(
            f"{target[0]} holds targets of the shape {in_words(target[1])}, and the model gives {in_words(output)}."
        )


def in_words(shape: Shape) -> str:
    """``(…, 28, 28)``: the batch axis is any number."""
    return f"({', '.join(['…', *('?' if extent is None else str(extent) for extent in shape[1:])])})"
