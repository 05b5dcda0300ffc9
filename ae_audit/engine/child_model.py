"""What happens in the child of a model file: data are measured, the model is captured on a part of them, settled."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ae_audit.engine.merge import match
from ae_audit.engine.settling import certified, judged
from ae_audit.engine.telling import Emit, compare_and_tell, settle_and_tell
from ae_audit.probe import tried
from ae_audit.rules.registry import select_rules
from ae_audit.runtime.capture import Capture
from ae_audit.runtime.data_files.model_checks import CannotLoad, LoadedModel, Shape, check_target, in_words
from ae_audit.runtime.data_files.readers import open_data
from ae_audit.runtime.data_files.samples import DataFile, DataProblem, Gathered, gather
from ae_audit.runtime.frontend import FRONTENDS, Frontend
from ae_audit.runtime.measure.facts import facts_of
from ae_audit.runtime.measure.large_arrays import with_totals
from ae_audit.runtime.measure.relations import relation_of
from ae_audit.schema.audited import AuditedSetup
from ae_audit.schema.location import Location
from ae_audit.schema.messages import InputRefused, ModelNotLoaded, Noted, Progressed, RunStage, SetupSeen, StageFailed
from ae_audit.schema.training_setup import DataFacts, Relation, TrainingSetup
from ae_audit.settings.data_paths import is_zarr
from ae_audit.theory.loss_families import TAKES_CLASS_INDEX

BATCH = 100
"""samples of a step, as the other ways to audit a model without a program of its own take them"""


@dataclass(frozen=True, slots=True)
class _Data:
    """One file of data, opened and looked through."""

    file: DataFile
    gathered: Gathered

    @property
    def shape(self) -> Shape:
        return (None, *self.gathered.sample.shape[1:])

    def facts(self, role: str | None = None) -> DataFacts:
        """What the whole file holds, as the model is fed with it."""
        return self.of_whole(facts_of(self.gathered.sample, source=self.file.name, role=role))

    def of_whole(self, facts: DataFacts) -> DataFacts:
        """``facts`` of the sample, with what was counted over the whole file."""
        return with_totals(replace(facts, source=self.file.name), self.gathered.totals, self.file.length)


class ModelRecording:
    """Audits one model file with its data."""

    def __init__(self, request: dict[str, Any], static: Sequence[TrainingSetup], emit: Emit) -> None:
        self._request = request
        self._model = request["model"]
        self._static = static
        self._emit = emit
        self._rules = select_rules(tuple(request["rules"]))
        self._place = Location(request["shown"], 1)
        self._began = time.monotonic()

    def run(self) -> None:
        """Measure, load, capture, settle; what cannot be done is told, and what was done before stands."""
        try:
            fed = self._fed()
            target = self._target(fed)
            if not self._trainable():
                self._measured_only(fed, target)
                return
            try:
                captures = self._captures(fed, target)
            except CannotLoad as problem:
                self._fail(f"{problem}; the results below are from reading alone.")
                self._measured_only(fed, target)
                return
        except DataProblem as problem:
            self._emit(InputRefused(str(problem)))
            return
        for number, capture in enumerate(captures):
            setup = self._described(capture.setup, fed, target)
            index = match(setup, self._static)
            setup = certified(setup, capture.targets, None if index is None else self._static[index])
            if self._request["compare"] is not None:
                self._emit(SetupSeen(number, index, judged(setup, self._rules)))
                left = (self._request["timeout"] - (time.monotonic() - self._began)) / (len(captures) - number)
                compare_and_tell(number, capture, setup, self._request, left, self._emit)
                continue
            audited = judged(tried(capture, setup), self._rules)
            self._emit(SetupSeen(number, index, audited))
            self._settle(number, capture, audited, 1 / (len(captures) - number))

    def _fed(self) -> _Data:
        if len(self._model["inputs"]) != 1:
            raise DataProblem(
                f"the model expects {len(self._model['inputs'])} inputs, and --data names one; audit it from Python "
                "with ae_audit.audit(model, [x1, x2], y)."
            )
        shape = self._model["inputs"][0]
        expected = None if shape is None else tuple(shape)
        file = self._open(self._model["data"], expected)
        if expected is not None:
            file = _fitting(file, expected, keras=self._model["framework"] == "keras")
        return self._gather(file)

    def _target(self, fed: _Data) -> _Data | None:
        if self._model["target"] is None:
            return None
        target = self._gather(self._open(self._model["target"], None))
        if target.file.length != fed.file.length:
            raise DataProblem(
                f"{fed.file.name} holds {fed.file.length} samples, and {target.file.name} holds {target.file.length}."
            )
        return target

    def _open(self, data: dict[str, Any], expected: Shape | None) -> DataFile:
        if os.path.isdir(data["path"]) and not is_zarr(data["path"]):
            from ae_audit.runtime.data_files.images import pictures

            file = pictures(data["path"], data["name"], expected, channels_first=self._model["framework"] == "torch")
            if file.note is not None:
                self._emit(Noted(file.note))
            return file
        return open_data(data["path"], data["part"], data["name"])

    def _gather(self, file: DataFile) -> _Data:
        self._emit(Progressed(f"reading {file.name}"))
        scale = self._model["scale"]
        labels = self._model["target"] is not None and file.name == self._model["target"]["name"]
        return _Data(file, gather(file, None if scale is None or labels else tuple(scale)))

    def _trainable(self) -> bool:
        """Whether the model may be loaded and has a loss to be trained under."""
        if self._model["foreign"] is not None:
            self._fail(
                f"it holds {self._model['foreign']}: it is not loaded; the results below are from reading alone. "
                "ae_audit.audit(model, x) audits the model in the program that has its code."
            )
            return False
        if self._model["outputs"] > 1:
            self._fail(
                f"it has {self._model['outputs']} outputs, and the command names one target; the results below "
                "are from reading alone. ae_audit.audit(model, x, [y1, y2]) audits all of them."
            )
            return False
        return self._model["loss"] is not None or bool(self._model["compiled"])

    def _measured_only(self, fed: _Data, target: _Data | None) -> None:
        """Without the model in hand: what reading found of it, with the data as they are."""
        against = target or fed
        self._emit(ModelNotLoaded())
        if len(self._static) != 1 or not _alike(self._static[0], fed, target):
            return
        relation, scale = (
            (Relation.SAME, None)
            if target is None
            else relation_of(fed.gathered.sample, target.gathered.sample, target.facts().structure)
        )
        role = "class index" if self._static[0].loss.name in TAKES_CLASS_INDEX else None
        role = "reconstruction" if role is None and relation is Relation.SAME else role
        setup = replace(
            self._static[0],
            target=against.facts(role),
            input=fed.facts(),
            relation=relation,
            relation_scale=scale,
            seen_by=("file", "runtime"),
        )
        setup = certified(setup, against.gathered.sample)
        self._emit(SetupSeen(0, 0, judged(setup, self._rules)))

    def _captures(self, fed: _Data, target: _Data | None) -> Sequence[Capture]:
        self._emit(Progressed("loading the model"))
        loss = None if self._model["loss"] is None else (self._model["loss"][0], bool(self._model["loss"][1]))
        frontend = FRONTENDS[self._model["framework"]]
        loaded = frontend.load_saved(self._request["path"], loss, self._model.get("compiled"))
        named = None if target is None else (target.file.name, target.shape)
        index = any(setup.loss.name in TAKES_CLASS_INDEX for setup in self._static)
        check_target(loaded.output, (fed.file.name, fed.shape), named, index)
        x, y = fed.gathered.sample, None if target is None else target.gathered.sample
        try:
            return self._live(frontend, loaded, x, y)
        except Exception as error:  # whatever the model's own step raises on data that do not suit it
            shapes = f"data of the shape {in_words(fed.shape)}"
            if target is not None:
                shapes += f" and targets of the shape {in_words(target.shape)}"
            text = " ".join(str(error).split())[:300]
            raise CannotLoad(f"it could not be trained on {shapes} ({type(error).__name__}: {text})") from None

    def _live(self, frontend: Frontend, loaded: LoadedModel, x: Any, y: Any) -> Sequence[Capture]:
        size = loaded.batch or BATCH
        if loaded.batch is not None:
            whole = len(x) // size * size
            if not whole:
                raise ValueError(f"it was exported for batches of {size}, and there are {len(x)} samples")
            x, y = x[:whole], None if y is None else y[:whole]
        return frontend.capture_live(loaded.model, x, y, loaded.loss, batch_size=size, location=self._place)

    def _described(self, setup: TrainingSetup, fed: _Data, target: _Data | None) -> TrainingSetup:
        """The captured setup, with what holds of the whole files."""
        against = target or fed
        same = len(self._static) <= 1
        return replace(
            setup, input=fed.of_whole(setup.input), target=against.of_whole(setup.target) if same else setup.target
        )

    def _settle(self, number: int, capture: Capture, audited: AuditedSetup, share: float) -> None:
        left = self._request["timeout"] - (time.monotonic() - self._began)
        settle_and_tell(number, capture, audited, self._request, share * left, self._emit)

    def _fail(self, message: str) -> None:
        self._emit(StageFailed(RunStage.RUNTIME, message))


def _alike(setup: TrainingSetup, fed: _Data, target: _Data | None) -> bool:
    """Whether the data can be the target of the head that reading found."""
    named = None if target is None else (target.file.name, target.shape)
    check_target(setup.head.shape, (fed.file.name, fed.shape), named, setup.loss.name in TAKES_CLASS_INDEX)
    return True


def _fitting(file: DataFile, expected: Shape, *, keras: bool) -> DataFile:
    """``file`` with samples of the shape that the model takes.

    Raises:
        DataProblem: with both shapes, where they are not.
    """
    wanted = expected[1:]
    if _same(file.sample_shape, wanted):
        return file
    if keras and (*file.sample_shape, 1) == wanted:  # as Keras itself takes it

        def blocks() -> Any:
            return (block[..., None] for block in file.blocks())

        return replace(file, sample_shape=(*file.sample_shape, 1), blocks=blocks)
    hint = ""
    if None not in wanted and _size(file.sample_shape) == _size(wanted):
        hint = " Both hold as many values: reshape the data as the program does."
    raise DataProblem(
        f"{file.name} holds samples of the shape {in_words(file.shape)}, and the model expects {in_words(expected)}."
        f"{hint}"
    )


def _same(shape: tuple[int, ...], wanted: Shape) -> bool:
    return len(shape) == len(wanted) and all(b is None or a == b for a, b in zip(shape, wanted, strict=True))


def _size(shape: Shape) -> int:
    size = 1
    for extent in shape:
        size *= extent or 1
    return size
