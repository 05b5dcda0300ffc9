"""What happens in the child: the program runs under the recorders, and their captures are judged and settled."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np

from ae_audit.base.errors import own_failure
from ae_audit.engine.merge import match, match_all, merge, relocated, to_be_seen, without_values
from ae_audit.engine.settling import certified, judged
from ae_audit.engine.telling import Emit, compare_and_tell, settle_and_tell
from ae_audit.probe import tried
from ae_audit.rules.registry import select_rules
from ae_audit.runtime.capture import COMPARES_NOTHING, Capture
from ae_audit.runtime.compat import answer_old_names
from ae_audit.runtime.frontend import KerasRecording, Recorder, TorchRecording
from ae_audit.runtime.host.accommodations.absent_packages import AbsentPackages
from ae_audit.runtime.host.accommodations.required_arguments import fill_in
from ae_audit.runtime.host.deadline import stopped_after
from ae_audit.runtime.host.first_party import FirstParty
from ae_audit.runtime.host.user_code import UserCode
from ae_audit.runtime.interception import Interception, StopProgram, run_script
from ae_audit.runtime.sandbox.clock import undisturbed
from ae_audit.runtime.sandbox.policy import Guard
from ae_audit.runtime.stand_ins.lessons import Lessons
from ae_audit.runtime.stand_ins.shape_clues import clues_of
from ae_audit.runtime.stand_ins.tfds import package
from ae_audit.runtime.stand_ins.user_files import FileStandIns
from ae_audit.schema.audited import AuditedSetup
from ae_audit.schema.location import Location
from ae_audit.schema.messages import (
    Noted,
    PackageAbsent,
    ProgramEnded,
    Progressed,
    RunStage,
    SetupSeen,
    StageFailed,
    StoodIn,
)
from ae_audit.schema.training_setup import Framework, TrainingSetup
from ae_audit.theory.loss_names import WITHOUT_TARGET

MOST_CAPTURES = 12
"""training setups of one program that are looked at; a grid search would make hundreds"""
RUN_SHARE = 0.6
"""share of the time that the program itself may take; the rest is the probe's"""


class Recording:
    """Collects captures of a running program, then certifies, judges and probes them."""

    def __init__(
        self,
        request: dict[str, Any],
        static: Sequence[TrainingSetup],
        shown: Callable[[Location], Location],
        emit: Emit,
        guard: Guard | None = None,
        working_folder: str | None = None,
    ) -> None:
        self._request = request
        self._static = static
        self._rules = select_rules(tuple(request["rules"]))
        self._shown = shown
        self._emit = emit
        self._working_folder = working_folder
        self._interception = Interception(guard=guard, emit=emit)
        self._made_up: FileStandIns | None = None
        self._recorders: list[Recorder] = []
        self._to_be_seen = to_be_seen(static)
        self._keras_seen = 0
        self._began = undisturbed()

    def run(self) -> None:
        """Run the program until every setup that reading found has been seen, or it ends."""
        self._interception.install()
        self._seed()
        self._interception.when_imported("torch", self._watch_torch)
        self._interception.when_imported("keras", self._watch_keras)
        self._interception.when_imported("tf_keras", self._refuse_legacy_keras)
        path, argv = self._request["path"], self._request["argv"]
        old_names = answer_old_names(self._interception.watch, path)
        FirstParty(path, self._request["project_root"]).install()
        if self._request["stand_in"]:
            self._make_up_files(path)
            fill_in(lambda text: self._emit(Noted(text)))
        AbsentPackages(
            UserCode(path),
            lambda name: self._emit(PackageAbsent(name)),
            lambda text: self._emit(Noted(text)),
            {
                **package(self._interception.stand_ins.note),
                **({} if self._made_up is None else self._made_up.packages()),
            },
        ).install()
        try:
            with stopped_after(RUN_SHARE * self._request["timeout"], self._has_enough, self._ended_early):
                outcome = run_script(
                    path,
                    argv,
                    is_notebook=self._request["notebook"],
                    working_folder=self._folder_of(path),
                    module=self._request["module"],
                )
        finally:
            for recorder in reversed(self._recorders):
                with _Guarded(self._emit, RunStage.RUNTIME):
                    recorder.close()
                for note in recorder.notes:
                    self._emit(Noted(note))
            for note in old_names.notes:
                self._emit(Noted(note))
        self._emit(
            ProgramEnded(outcome.how, outcome.sentence, outcome.line, outcome.cell, outcome.exit_code, outcome.internal)
        )

    def _folder_of(self, path: str) -> str | None:
        """The folder that stands for the program's own, within the one that stands for the folder it works in."""
        home = self._request["home"]
        if home is None or self._working_folder is None:
            return self._working_folder
        below = os.path.relpath(os.path.dirname(path), os.path.realpath(home))
        here = os.path.normpath(os.path.join(self._working_folder, below))
        return here if os.path.lexists(os.path.join(here, os.path.basename(path))) else None

    def _make_up_files(self, path: str) -> None:
        """Have data files that do not exist replaced, in the shape that the program's model takes."""
        with open(path, encoding="utf-8", errors="replace") as file:
            clues = clues_of(file.read(), notebook=self._request["notebook"])
        self._made_up = FileStandIns(
            self._interception.watch,
            clues,
            lambda text: self._emit(StoodIn("a file of the program's own", text)),
            Lessons.from_request(self._request.get("lessons")),
        )
        self._made_up.install()

    def settle(self) -> None:
        """Judge every capture, then probe each; a failure of one leaves the others standing.

        What costs little comes first for all of them: time may run out over the fits of the first.
        """
        captures = [capture for recorder in self._recorders for capture in self._captures_of(recorder)]
        matched = match_all([relocated(capture.setup, self._shown) for capture in captures], self._static)
        count = min(len(captures), MOST_CAPTURES)
        to_be_probed: list[tuple[int, Capture, AuditedSetup]] = []
        for number, (capture, index) in enumerate(zip(captures, matched, strict=True)):
            if number >= MOST_CAPTURES:
                self._emit(Noted(f"only the first {MOST_CAPTURES} training setups were looked at"))
                break
            with _Guarded(self._emit, RunStage.RUNTIME):
                seen = self._labelled(relocated(capture.setup, self._shown))
                known = None if index is None else self._static[index]
                if self._request["compare"] is not None:
                    setup = certified(seen, capture.targets, known)
                    self._emit(SetupSeen(number, index, judged(setup, self._rules)))
                    self._compare(number, capture, setup, 1 / (count - number))
                    continue
                if self._made_up is not None and self._made_up.used:
                    bare = without_values(seen, ranks=not self._made_up.guessed_ranks)
                    setup = bare if known is None else merge(bare, known)
                    target, fed = replace(setup.target, stand_in=True), replace(setup.input, stand_in=True)
                    setup = replace(setup, target=target, input=fed)
                    self._emit(SetupSeen(number, index, judged(setup, self._rules)))
                    continue  # an experiment on made-up values settles nothing
                audited = judged(tried(capture, certified(seen, capture.targets, known)), self._rules)
                self._emit(SetupSeen(number, index, audited))
                to_be_probed.append((number, capture, audited))
        for done, (number, capture, audited) in enumerate(to_be_probed):
            with _Guarded(self._emit, RunStage.PROBE):
                self._probe(number, capture, audited, 1 / (len(to_be_probed) - done), count)

    def _labelled(self, setup: TrainingSetup) -> TrainingSetup:
        """Say of the data that they stand in for others, where any did: which of them reached this loss is unknown."""
        if not self._interception.stand_ins.used:
            return setup
        target, fed = replace(setup.target, stand_in=True), replace(setup.input, stand_in=True)
        return replace(setup, target=target, input=fed)

    def _probe(self, number: int, capture: Capture, audited: AuditedSetup, share: float, count: int) -> None:
        left = self._request["timeout"] - (undisturbed() - self._began)
        settle_and_tell(number, capture, audited, self._request, share * left, self._emit, _cores(), count)

    def _compare(self, number: int, capture: Capture, setup: TrainingSetup, share: float) -> None:
        if self._made_up is not None and self._made_up.used:
            text = "its data are made up, and what suits made-up data says nothing of the real ones"
            self._emit(StageFailed(RunStage.PROBE, f"line {setup.location.line}: {text}."))
            return
        left = self._request["timeout"] - (undisturbed() - self._began)
        with _Guarded(self._emit, RunStage.PROBE):
            compare_and_tell(number, capture, setup, self._request, share * left, self._emit, _cores())

    def _seed(self) -> None:
        """Let the program draw the same initial weights and batches each time, unless it seeds them itself."""
        seed = self._request["seed"] % 2**32  # as much as NumPy takes
        random.seed(seed)
        np.random.seed(seed)
        self._interception.when_imported("torch", lambda torch: torch.manual_seed(seed))
        self._interception.when_imported("tensorflow", lambda tensorflow: tensorflow.random.set_seed(seed))
        self._interception.when_imported("keras", lambda keras: keras.utils.set_random_seed(seed))

    def _captures_of(self, recorder: Recorder) -> Sequence[Capture]:
        captures: Sequence[Capture] = ()
        with _Guarded(self._emit, RunStage.RUNTIME):
            captures = recorder.captures()
        return captures

    def _watch_torch(self, _: ModuleType) -> None:
        if os.environ.get("KERAS_BACKEND") != "torch":  # else the calls seen would be those of Keras itself
            deadline = self._began + RUN_SHARE * self._request["timeout"]
            expected = self._expected(Framework.TORCH)
            self._recorders.append(
                TorchRecording(
                    self._request["path"], expected, deadline, self._problem, self._failed, self._keras_is_to_come
                )
            )

    def _keras_is_to_come(self) -> bool:
        """Whether reading knows of a training with Keras that has not been seen."""
        keras = {setup.location for setup in self._static if setup.framework is Framework.KERAS}
        return any(self._to_be_seen[location] > 0 for location in keras)

    def _watch_keras(self, _: ModuleType) -> None:
        recorder = KerasRecording(self._request["path"], self._saw_keras, self._problem, self._failed, self._stand_in)
        self._recorders.append(recorder)

    def _refuse_legacy_keras(self, module: ModuleType) -> None:
        from ae_audit.runtime.host.accommodations.keras_2 import refuse_legacy

        refuse_legacy(module, self._request["path"], self._problem)

    def _saw_keras(self, capture: Capture) -> None:
        """End the program where all that reading found has been seen, or enough altogether."""
        self._keras_seen += 1
        index = match(relocated(capture.setup, self._shown), self._static)
        self._emit(
            Progressed(f"running, {self._keras_seen} of {max(self._keras_seen, len(self._static))} trainings seen")
        )
        if index is not None:
            self._to_be_seen[self._static[index].location] -= 1
        everything = bool(self._static) and all(count <= 0 for count in self._to_be_seen.values())
        if everything or self._keras_seen >= MOST_CAPTURES:
            raise StopProgram

    def _has_enough(self) -> bool:
        """Whether Keras trainings were caught, and none is being caught now; torch's recorder keeps its own time."""
        recorders = [recorder for recorder in self._recorders if isinstance(recorder, KerasRecording)]
        return any(recorder.has_caught() for recorder in recorders)

    def _ended_early(self) -> None:
        if any(count > 0 for count in self._to_be_seen.values()):
            seconds = RUN_SHARE * self._request["timeout"]
            text = f"the program was ended after {seconds:.0f} s, with some of its trainings unseen"
            self._emit(Noted(f"{text}; --timeout gives it more time"))

    def _problem(self, text: str, location: Location | None) -> None:
        where = "" if location is None else f" (line {location.line})"
        if text == COMPARES_NOTHING and any(setup.loss.name in WITHOUT_TARGET for setup in self._static):
            self._emit(Noted(f"{text}{where}, as reading says too: it is judged by reading alone"))
            return
        self._emit(StageFailed(RunStage.RUNTIME, f"{text}{where}."))

    def _failed(self, error: Exception) -> None:
        tell_own_failure(self._emit, RunStage.RUNTIME, error)

    def _stand_in(self) -> str | None:
        used = self._interception.stand_ins.used
        return used[-1].what if used else None

    def _expected(self, framework: Framework) -> list[Location]:
        """Where losses are known to be computed, in the paths that running frames have."""
        folder, script, name = self._request["folder"], self._request["path"], self._request["shown"]
        return [
            replace(
                setup.location,
                path=script
                if setup.location.path == name
                else os.path.realpath(os.path.join(folder, setup.location.path)),
            )
            for setup in self._static
            if setup.framework is framework
        ]


def _cores() -> int:
    """How many processes the machine has room for."""
    available = getattr(os, "sched_getaffinity", None)  # not everywhere
    return len(available(0)) if available is not None else os.cpu_count() or 1


class _Guarded:
    """A failure of our own inside the block is reported, and goes no further."""

    def __init__(self, emit: Emit, stage: RunStage) -> None:
        self._emit = emit
        self._stage = stage

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        tell_own_failure(self._emit, self._stage, error)
        return True


def tell_own_failure(emit: Emit, stage: RunStage, error: Exception) -> None:
    """Send that ae-audit itself failed."""
    emit(StageFailed(stage, own_failure(error), internal=True))
