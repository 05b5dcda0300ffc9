"""The part of an audit that runs programs: one child a file, and what it saw put in the place of what was read."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ae_audit.base.errors import UsageError
from ae_audit.base.progress import Progress
from ae_audit.engine.child_results import MALFORMED, AuditedPlaces, ChildResults
from ae_audit.engine.discovery import AuditTarget, ModelInput
from ae_audit.engine.doubt import Doubted
from ae_audit.engine.grids import joined, lost, unfitted
from ae_audit.engine.merge import contradictions
from ae_audit.engine.nursery import Nursery
from ae_audit.engine.static_stage import Reading, Run, is_shipped, selected_rules
from ae_audit.engine.weak_spots import weak_spot
from ae_audit.runtime.sandbox.interpreters import FRAMEWORKS, Interpreter, NoInterpreter, choose
from ae_audit.runtime.sandbox.launch import ChildOutcome, Ending, run_child
from ae_audit.runtime.stand_ins.lessons import NOTHING, Lessons
from ae_audit.schema.audited import AuditedSetup
from ae_audit.schema.codec import to_json
from ae_audit.schema.comparison import ComparisonReport, GridOptions, GridPart
from ae_audit.schema.messages import HowItEnded, ProgramEnded
from ae_audit.schema.report import Note, StageError, Undecided
from ae_audit.schema.training_setup import Framework, TrainingSetup
from ae_audit.settings.data_paths import DataPath
from ae_audit.settings.options import Settings
from ae_audit.settings.programs import module_of_file
from ae_audit.source.text import is_model_file
from ae_audit.theory.loss_names import WITHOUT_TARGET

CHILD = "ae_audit.engine.child"
MODEL_CHILD = "ae_audit.engine.model_child"
_WITHOUT_TRAINING = {
    HowItEnded.COMPLETED: "the program ran to its end without a training step",
    HowItEnded.STOPPED: "the program was ended before a training step could be judged",
}
MOST_LESSONS = 4
"""runs after the first, each on data that the one before has taught how to make; most end at once"""
FROM_READING = "; the results below are from reading alone"
Request = dict[str, Any]


def run_file(reading: Reading, settings: Settings, progress: Progress, nursery: Nursery | None = None) -> Run:
    """Run one program and complete what reading it found.

    Whatever becomes of the child, the static results stand. It comes from ``nursery``, if there is one.

    Raises:
        UsageError: if the data do not go with the model file.
    """
    target, path = reading.target, reading.target.path
    ran = _ran(reading, settings, progress, nursery=nursery)
    results, outcome = ran.results, ran.outcome
    return Run(
        target,
        reading.relevant or bool(results.seen),
        _completed(reading.setups, results, settings.untrusted),
        reading.reasons if settings.untrusted else _still_unknown(reading, results),
        (*reading.errors, *_errors(path, outcome, results, settings, reading.setups)),
        (
            *reading.notes,
            *ran.notes(path),
            *(Note(path, text) for text in _contradictions(reading.setups, results)),
        ),
    )


def compare_file(reading: Reading, settings: Settings, grid: GridOptions, progress: Progress) -> ComparisonReport:
    """Run one program and compare heads and losses on what each of its trainings is trained on.

    A fit that ends the process costs its cell; what is left is fitted by another process, in the time that is left.

    Raises:
        UsageError: if the data do not go with the model file.
    """
    path, end = reading.target.path, time.monotonic() + settings.timeout
    report: ComparisonReport | None = None
    while True:
        ran = _ran(reading, settings, progress, grid)
        # nothing here is from reading, which compares nothing
        errors = tuple(
            replace(error, message=error.message.replace(FROM_READING, ""))
            for error in _errors(path, ran.outcome, ran.results, settings)
        )
        found = ComparisonReport(ran.results.comparisons, errors, ran.notes(path))
        died = ran.outcome.ending in _DEATHS
        survivors = _after_death(found, grid, settings.seed, ran.outcome.sentence(path)) if died else None
        if survivors is not None:
            found, grid = survivors
        # of a child that died, errors are those of the fit
        report = found if report is None else joined(_added(report, found), (found,))
        settings = replace(settings, timeout=end - time.monotonic())
        if survivors is None or not _is_left(grid) or settings.timeout <= 0.0:
            return report


_DEATHS = frozenset({Ending.EXITED, Ending.SIGNALLED, Ending.MEMORY, Ending.PROCESSES})


def _after_death(
    found: ComparisonReport, grid: GridOptions, seed: int, how: str
) -> tuple[ComparisonReport, GridOptions] | None:
    """What a child that died in a fit had found out, the death told of that fit's cell; and what is left to be done.

    None where it died over anything else.
    """
    open_ = [fit for comparison in found.comparisons for fit in unfitted(comparison, grid, seed)]
    if not open_:
        return None
    dead = [fit for fit in open_ if (fit.training, fit.cell) == (open_[0].training, open_[0].cell)]
    comparisons = tuple(
        lost(comparison, dead, seed, how) if comparison.training == dead[0].training else comparison
        for comparison in found.comparisons
    )
    known = {comparison.training: comparison.steps for comparison in comparisons}
    part = grid.part or GridPart(whole_from=0)
    further = part.whole_from if part.whole_from is None else max(part.whole_from, *(one + 1 for one in known))
    later = [fit for fit in part.fits if fit.training not in known]
    steps = tuple(known.get(training, 0) for training in range(max(known) + 1))
    left = GridPart((*open_[len(dead) :], *later), further, part.steps or steps, part.among)
    errors = tuple(error for error in found.errors if error.stage != "probe")
    return ComparisonReport(comparisons, errors, found.notes), replace(grid, part=left)


def _is_left(grid: GridOptions) -> bool:
    return grid.part is not None and (bool(grid.part.fits) or grid.part.whole_from is not None)


def _added(report: ComparisonReport, found: ComparisonReport) -> ComparisonReport:
    """``report``, with the comparisons that only ``found`` has."""
    known = {comparison.training for comparison in report.comparisons}
    more = tuple(comparison for comparison in found.comparisons if comparison.training not in known)
    return replace(report, comparisons=(*report.comparisons, *more))


@dataclass(frozen=True, slots=True)
class _Ran:
    """A child that is over: what it said, how it ended, and what it ran with."""

    results: ChildResults
    outcome: ChildOutcome
    interpreter: Interpreter
    lessons: Lessons
    """what earlier runs taught of the data that stand in"""

    def notes(self, path: str) -> tuple[Note, ...]:
        texts = _notes(self.results, self.outcome.ignored)
        return tuple(
            Note(path, text) for text in (*texts, *(() if self.interpreter.own else (_run_by(self.interpreter),)))
        )


def _ran(
    reading: Reading,
    settings: Settings,
    progress: Progress,
    grid: GridOptions | None = None,
    nursery: Nursery | None = None,
) -> _Ran:
    """Run one program; again, on other data, where it failed on data that are made up and said how they should be.

    Raises:
        UsageError: if the data do not go with the model file, or there is no such interpreter.
    """
    first = ran = _ran_once(reading, settings, progress, grid, nursery, NOTHING)
    for _ in range(MOST_LESSONS):
        lessons = _learnt(ran) if settings.stand_in else None
        if lessons is None:
            break
        ran = _ran_once(reading, settings, progress, grid, nursery, lessons)
        if ran.results.seen:
            return ran
    return first


def _learnt(ran: _Ran) -> Lessons | None:
    """What a run teaches of the data that stood in; None where it trained, or did not fail on them."""
    ended = ran.results.program
    failed = ended is not None and ended.how is HowItEnded.RAISED and not ended.internal
    if ended is None or not failed or ran.results.seen:
        return None
    learnt = ran.lessons.learnt(ended.sentence)
    asked_first = learnt is not None and learnt.there and not ran.lessons.there  # before anything could stand in
    return learnt if ran.results.stood_in or asked_first else None


def _ran_once(
    reading: Reading,
    settings: Settings,
    progress: Progress,
    grid: GridOptions | None,
    nursery: Nursery | None,
    lessons: Lessons,
) -> _Ran:
    """Run one program in its child, to be audited, or for ``grid`` to be compared.

    Raises:
        UsageError: if the data do not go with the model file, or there is no such interpreter.
    """
    target = reading.target
    path = target.path
    try:
        interpreter = choose(settings.python, target.project_root)
    except NoInterpreter as error:
        raise UsageError(f"--python: {settings.python} {error}.") from None
    rules = [rule.code for rule in selected_rules(path, settings) if is_shipped(rule)]
    request = {**_request(reading, settings, rules), "lessons": lessons.to_request()}
    request["compare"] = None if grid is None else to_json(grid)
    if target.model is not None:
        request["model"] = _model_request(path, target.model)
    results = ChildResults(
        reading.setups,
        rules,
        AuditedPlaces(path, target.project_root, reading.setups),
        of_model=target.model is not None,
        grid=grid,
        on_progress=lambda now: progress.step(path, now.text, now.done, now.of),
    )
    variables = _environment(settings)
    with progress.waiting(path, "running"):
        outcome = run_child(
            request,
            module=CHILD if target.model is None else MODEL_CHILD,
            timeout=settings.timeout,
            memory_bytes=settings.memory,
            script=path,
            on_event=results.handle_event,
            env={**variables, **dict(target.start.environment)},
            allow_write=settings.allow_write,
            allow_network=settings.allow_network,
            working_folders=(os.getcwd(),),
            home=_home(target),
            interpreter=interpreter,
            zygote=None if nursery is None else nursery.zygote_for(target, interpreter, variables),
        )
    if results.refused is not None:
        raise UsageError(f"{path}: {results.refused}")
    return _Ran(results, outcome, interpreter, lessons)


def _home(target: AuditTarget) -> str | None:
    """The folder that the program works in, where it is not its own: a module is started from outside its package."""
    if target.start.folder is not None or target.start.module is None:
        return target.start.folder
    return os.getcwd()


def _run_by(interpreter: Interpreter) -> str:
    return f"run with {interpreter.path} (Python {'.'.join(map(str, interpreter.version))})"


def _environment(settings: Settings) -> dict[str, str]:
    """Variables of the child that its libraries read when they are loaded."""
    # OpenMP's threads spin while they wait; where other work keeps a core busy that made a fit forty times as slow
    chosen = {} if "OMP_WAIT_POLICY" in os.environ else {"OMP_WAIT_POLICY": "PASSIVE"}
    return {**chosen, "CUDA_VISIBLE_DEVICES": ""} if settings.device == "cpu" else chosen


def _request(reading: Reading, settings: Settings, rules: Sequence[str]) -> Request:
    path = reading.target.path
    return {
        "path": os.path.realpath(path),
        "shown": path,
        "folder": os.getcwd(),
        "project_root": reading.target.project_root,
        "argv": list(reading.target.start.arguments),
        "module": reading.target.start.module,
        "home": _home(reading.target),
        "notebook": path.endswith(".ipynb"),
        "setups": [to_json(setup) for setup in reading.setups],
        "rules": list(rules),
        "probe": settings.probe,
        "seed": settings.seed,
        "device": settings.device,
        "timeout": settings.timeout,
        "stand_in": settings.stand_in,
    }


def _model_request(path: str, given: ModelInput) -> Request:
    """What the child needs to know of a model file and of what it is audited with."""
    from ae_audit.static.model_files.models import read_model
    from ae_audit.theory.loss_choice import loss_class

    model = read_model(path, given.loss).model
    if model is None:
        raise UsageError(f"{path}: it changed while it was being audited.")

    def named(data: DataPath | None) -> Request | None:
        return None if data is None else {"path": os.path.realpath(data.path), "part": data.part, "name": str(data)}

    return {
        "framework": model.framework,
        "inputs": model.inputs,
        "outputs": model.outputs,
        "foreign": model.foreign,
        "compiled": model.loss,
        "loss": None if given.loss is None else loss_class(model.framework, given.loss),
        "data": named(given.data),
        "target": named(given.target),
        "scale": given.scale,
    }


def _completed(
    read: Sequence[TrainingSetup], results: ChildResults, untrusted: bool
) -> tuple[TrainingSetup | AuditedSetup | Doubted, ...]:
    """What reading found, each set-up replaced by what was seen of it; what only running showed comes after.

    Of an ``untrusted`` program what was seen is put beside it.
    """
    taken: dict[int, AuditedSetup | Doubted] = {}
    more: list[AuditedSetup] = []
    for seen in results.seen:
        if seen.read is None or seen.read in taken:
            more.append(seen.audited)
        else:
            taken[seen.read] = Doubted(read[seen.read], seen.audited) if untrusted else seen.audited
    return (*(taken.get(position, setup) for position, setup in enumerate(read)), *more)


def _contradictions(read: Sequence[TrainingSetup], results: ChildResults) -> Iterator[str]:
    """What reading took for known and the run showed to be otherwise; the report goes by the run, and says so."""
    told = {
        text
        for seen in results.seen
        if seen.read is not None
        for text in contradictions(read[seen.read], seen.audited.setup)
    }
    return (f"{text}; this report goes by the run" for text in sorted(told))


def _still_unknown(reading: Reading, results: ChildResults) -> tuple[Undecided, ...]:
    """What reading left undecided, without what it left so of set-ups that were then seen running."""
    if results.not_loaded:
        return reading.reasons
    places = [reading.setups[seen.read].location for seen in results.seen if seen.read is not None]
    known = {(place.path, place.line, place.cell) for place in places}
    return tuple(item for item in reading.reasons if (item.path, item.line, item.cell) not in known)


def _errors(
    path: str,
    outcome: ChildOutcome,
    results: ChildResults,
    settings: Settings,
    expected: Sequence[TrainingSetup] = (),
) -> list[StageError]:
    """What cost the program its stages; ``expected`` are the trainings that reading found."""
    errors = [
        StageError(path, failure.stage.value, failure.message, internal=failure.internal)
        for failure in results.failures
    ]
    program = results.program
    how = None if program is None else program.how
    if program is not None and how in {HowItEnded.RAISED, HowItEnded.EXITED}:
        message = None
        if not _trained(results):
            why = f"{program.sentence}, before any training step was seen{FROM_READING}"
            message = f"{why}{_advice(path, program, settings)}."
        elif program.exit_code != 0:
            message = f"{_how_many(results, expected)} before the program stopped: {program.sentence}."
        if message is not None:
            errors.append(StageError(path, "runtime", message, program.line, program.cell, internal=program.internal))
    if outcome.ending is not Ending.FINISHED:
        stage = "probe" if program is not None else "runtime"
        left = "; what had been captured by then is kept" if results.seen else FROM_READING
        more = "; --timeout gives it more time" if outcome.ending is Ending.TIMED_OUT else ""
        what = "the audit of the model" if is_model_file(path) else "the program"
        errors.append(StageError(path, stage, f"{what} {outcome.sentence(path)}{left}{more}.", outcome.line_in(path)))
    elif how in _WITHOUT_TRAINING and not results.seen:
        compares = not expected or any(setup.loss.name not in WITHOUT_TARGET for setup in expected)
        if not errors and compares:
            errors.append(StageError(path, "runtime", f"{_WITHOUT_TRAINING[how]}{_for_want_of(results.absent)}."))
        why = errors[-1].message if errors else FROM_READING  # of a training that was seen, why nothing came of it
        if FROM_READING.strip("; ") not in why:
            errors[-1] = replace(errors[-1], message=f"{why.rstrip('.')}{FROM_READING}.")
    return errors


def _how_many(results: ChildResults, expected: Sequence[TrainingSetup]) -> str:
    """How many trainings were seen, and of how many, where reading found more."""
    seen = {one.audited.setup.location for one in results.seen}
    known = {one.read for one in results.seen}
    every = len(seen) + len({setup.location for n, setup in enumerate(expected) if n not in known} - seen)
    if every > len(seen):
        return f"{len(seen)} of {every} trainings {'was' if len(seen) == 1 else 'were'} seen"
    return "1 training was seen" if len(seen) == 1 else f"{len(seen)} trainings were seen"


def _for_want_of(packages: Sequence[str]) -> str:
    """Why there may have been none: what something that does nothing stood in for."""
    names = _listed([f"`{package}`" for package in packages], ", ")
    return f", perhaps for want of {names}, not installed here" if names else ""


def _trained(results: ChildResults) -> bool:
    """Whether a step was seen; in torch a loss may have been computed without one (a sanity check, a validation)."""
    setups = (seen.audited.setup for seen in results.seen)
    return any(setup.framework is not Framework.TORCH or setup.optimizer is not None for setup in setups)


def _advice(path: str, ended: ProgramEnded, settings: Settings) -> str:
    """How to go on where a program did not get to its training."""
    sentence = ended.sentence
    if sentence.startswith(("FileNotFoundError", "NotFoundError")) and not settings.stand_in:
        return "; --stand-in generates arrays, tables and image folders that do not exist"
    if "attempted relative import" in sentence:
        module = module_of_file(path, os.getcwd())
        return f"; run it as a part of its package: ae-audit -m {module}" if module is not None else ""
    if ended.how is HowItEnded.EXITED and ended.exit_code == 2:
        program = path if settings.module is None else f"-m {settings.module}"
        return f"; arguments of the program go after --: ae-audit {program} -- ARGUMENTS"
    if sentence.startswith("ModuleNotFoundError") and any(f"'{name}'" in sentence for name in FRAMEWORKS):
        return "; install it beside ae-audit, or name the interpreter of the project with --python"
    return ""


def _notes(results: ChildResults, unreadable: int) -> list[str]:
    """What the reader must know of the run; ``unreadable`` counts what could not be taken for a message at all."""
    notes = list(results.notes)
    if results.absent:
        names = ", ".join(f"`{package}`" for package in results.absent)
        one = "{} is not installed here: a module that does nothing stood in for it"
        several = "{} are not installed here: modules that do nothing stood in for them"
        notes.append((one if len(results.absent) == 1 else several).format(names))
    if results.skipped:
        notes.append(f"nothing was written by {_listed(results.skipped)}")
    if results.blocked:
        notes.append(f"the sandbox blocked {_listed(results.blocked)}")
    weak = None if results.confinement is None else weak_spot(results.confinement)
    if weak is not None:
        notes.append(weak)
    ignored = results.ignored + unreadable
    if ignored:
        notes.append(MALFORMED if ignored == 1 else f"{MALFORMED}, {ignored} in all")
    return notes


def _listed(shown: Sequence[str], separator: str = "; ") -> str:
    """The first three, and how many more there are."""
    more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
    return f"{separator.join(shown[:3])}{more}"
