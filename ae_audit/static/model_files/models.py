"""Model files, read and not loaded: their architecture is written as a program, and the program is read as any other.

Only zip archives and JSON are opened, with the standard library: no weight is looked at, no code of the file is run.
"""

from __future__ import annotations

import os

from ae_audit.base.archives import DAMAGED, ENCRYPTED
from ae_audit.base.errors import UsageError
from ae_audit.base.records import dataclass, replace
from ae_audit.schema.location import Location, TrailStep
from ae_audit.schema.report import StageError, Undecided
from ae_audit.schema.training_setup import DataFacts, Head, LossUse, TrainingSetup
from ae_audit.static.analysis import analyse_file
from ae_audit.static.model_files.keras import keras_archive, keras_hdf5, keras_json, keras_program
from ae_audit.static.model_files.program import NotReadable, SavedModel, UnsafeModel
from ae_audit.static.model_files.torch import torch_archive, torch_program
from ae_audit.static.result import StaticResult

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from collections.abc import Iterator

_DATA = frozenset({"target range", "input range"})
"""what the static stage leaves open for want of data, told here in a sentence of its own"""


_LONGEST_CAUSE = 120
"""characters of an exception's own words that a report quotes"""


@dataclass(frozen=True, slots=True)
class ReadModel:
    """A model file as far as reading goes."""

    result: StaticResult
    model: SavedModel | None = None


def read_model(path: str, loss: str | None = None, *, data: bool = False) -> ReadModel:
    """What the file at ``path`` tells of its model's head and loss.

    Args:
        path: a model file (:data:`ae_audit.source.text.MODEL_SUFFIXES`).
        loss: of ``--loss``; goes before the one that the model was compiled with.
        data: whether data were given, so that those are no longer open.

    Raises:
        UsageError: if ``loss`` has no counterpart in the model's framework.
    """
    try:
        model = _open(path)
        text = (keras_program if model.framework == "keras" else torch_program)(model, loss)
    except NotReadable as problem:
        return ReadModel(StaticResult(errors=(StageError(path, "static", str(problem)),), relevant=False))
    except UnsafeModel as problem:
        return ReadModel(StaticResult(errors=(StageError(path, "static", str(problem)),)))
    except RecursionError:
        too_deep = "its architecture is nested too deeply to be read."
        return ReadModel(StaticResult(errors=(StageError(path, "static", too_deep),), relevant=False))
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:  # JSON of another form
        cause = f"{type(error).__name__}: {error}"[:_LONGEST_CAUSE]
        why = f"its description of the model is damaged, or of a version that is not known here ({cause})."
        return ReadModel(StaticResult(errors=(StageError(path, "static", why),)))
    read = analyse_file(path, text.encode("utf-8", "replace"))
    known = model.loss is not None or loss is not None
    setups = tuple(_placed(setup, path, model, known) for setup in read.setups)
    undecided = tuple(_undecided(path, model, known=known, data=data, read=read))
    return ReadModel(StaticResult(setups, undecided, (), True), model)


def _open(path: str) -> SavedModel:
    """The file's architecture, and the loss that it was compiled with.

    Raises:
        NotReadable: if it is no file of its kind, or holds no model.
        UnsafeModel: if it could be loaded by running code of the file alone.
    """
    suffix = os.path.splitext(path)[1].lower()
    if not os.path.isfile(path):
        raise NotReadable("it is no regular file, as a model file must be.")
    try:
        if suffix == ".json":
            return keras_json(path)
        if suffix == ".keras":
            return keras_archive(path)
        if suffix in {".h5", ".hdf5"}:
            return keras_hdf5(path)
        return torch_archive(path)
    except OSError as error:
        raise NotReadable(f"it cannot be read: {error.strerror or error}.") from None
    except DAMAGED:
        raise NotReadable("it is damaged or cut off: the archive cannot be read to its end.") from None
    except ENCRYPTED as error:
        if isinstance(error, RecursionError):
            raise
        raise NotReadable("it is an archive with a password.") from None


def _placed(setup: TrainingSetup, path: str, model: SavedModel, loss_known: bool) -> TrainingSetup:
    """``setup`` of the written program as one of the file, which has no lines."""
    place = Location(path, 1)
    head, loss = setup.head, setup.loss
    return replace(
        setup,
        location=place,
        head=replace(head, location=place, trail=_unplaced(head)),
        loss=replace(loss, location=place, trail=_unplaced(loss)) if loss_known else LossUse(),
        target=DataFacts(),
        input=DataFacts(),
        metrics=tuple(replace(metric, location=place) for metric in setup.metrics),
        model=replace(setup.model, name=model.name),
        backward_location=None,
        seen_by=("file",),
    )


def _unplaced(part: Head | LossUse) -> tuple[TrailStep, ...]:
    return tuple(TrailStep(step.text) for step in part.trail)


def _undecided(path: str, model: SavedModel, *, known: bool, data: bool, read: StaticResult) -> Iterator[Undecided]:
    told = set()
    for item in read.undecided:
        if item.what not in _DATA and not (item.what == "loss" and not known):
            told.add(item.what)
            yield Undecided(path, item.what, item.why, 1)
    if not read.setups and not told:
        yield Undecided(path, "output activation", "the architecture that the file holds has no known output layer", 1)
    if not data:
        why = "a model file holds no data: give what the model is trained on as --data FILE (.npy, .npz, .csv, …)"
        yield Undecided(path, "target range", why, 1)
    if not known:
        example = "binary_crossentropy" if model.framework == "keras" else "BCELoss"
        saved = (
            "the model was saved without a loss" if model.framework == "keras" else "an exported program has no loss"
        )
        yield Undecided(path, "loss", f"{saved}: give the one that it is trained with, as in --loss {example}", 1)


__all__ = ["ReadModel", "SavedModel", "UsageError", "read_model"]
