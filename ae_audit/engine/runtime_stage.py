"""The part of an audit that runs programs: one child a file, and what it saw put into the file's results."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ae_audit.base.errors import UsageError
from ae_audit.base.progress import Progress
from ae_audit.engine.discovery import ModelInput
from ae_audit.engine.settling import with_verdicts
from ae_audit.engine.static_stage import FileAudit, judge, rules_for
from ae_audit.runtime.sandbox.launch import ChildOutcome, Ending, run_child
from ae_audit.schema.codec import from_json, to_json
from ae_audit.schema.findings import Finding
from ae_audit.schema.report import Note, StageError, Undecided
from ae_audit.schema.training_setup import Framework, TrainingSetup
from ae_audit.settings.data_paths import DataPath
from ae_audit.settings.options import Settings
from ae_audit.source.text import is_model_file

CHILD = "ae_audit.engine.child"
MODEL_CHILD = "ae_audit.engine.model_child"
_FOLDERS = frozenset({"os.mkdir", "os.makedirs"})
"""skipped calls that are not told: an empty folder is no result, and frameworks try to make theirs on import"""
_WITHOUT_TRAINING = {
    "completed": "the program ran to its end without a training step",
    "stopped": "the program was ended before a training step could be judged",
}
Event = dict[str, Any]


@dataclass
class _Heard:
    """What the child has said so far."""

    setups: dict[int, tuple[int | None, TrainingSetup]] = field(default_factory=dict)
    settled: list[Finding] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)
    blocked: dict[str, None] = field(default_factory=dict)
    skipped: dict[str, None] = field(default_factory=dict)
    program: Event | None = None
    failures: list[tuple[str, str, bool]] = field(default_factory=list)
    """stage, sentence, and whether ae-audit itself failed"""
    unconfined: str | None = None
    refused: str | None = None
    unloaded: bool = False
    """whether a model file was not loaded: what reading left open of it stays open"""


def run_file(audit: FileAudit, settings: Settings, progress: Progress) -> FileAudit:
    """Run one program and complete what reading it found (``audit``, not judged yet).

    Whatever becomes of the child, the static results stand.
    """
    path = audit.target.path
    heard = _Heard()
    request = _request(audit, settings)
    if audit.target.model is not None:
        request["model"] = _model_request(audit.target.path, audit.target.model)
    with progress.waiting(path, "running"):
        outcome = run_child(
            request,
            module=CHILD if audit.target.model is None else MODEL_CHILD,
            timeout=settings.timeout,
            script=path,
            on_event=_listener(heard, lambda text: progress.step(path, text)),
            env=_environment(settings),
            allow_write=settings.allow_write,
            allow_network=settings.allow_network,
            working_folders=(os.getcwd(),),
        )
    if heard.refused is not None:
        raise UsageError(f"{path}: {heard.refused}")
    completed = replace(audit, setups=_completed(audit.setups, heard), undecided=_still_undecided(audit, heard))
    judged = judge(completed, settings)
    return replace(
        judged,
        findings=with_verdicts(judged.findings, heard.settled),
        relevant=audit.relevant or bool(heard.setups),
        errors=(*judged.errors, *_errors(path, outcome, heard, settings, audit.setups)),
        notes=(*judged.notes, *(Note(path, text) for text in _notes(heard))),
    )


def _environment(settings: Settings) -> dict[str, str]:
    """Variables of the child that its libraries read when they are loaded."""
    # OpenMP's threads spin while they wait; where other work keeps a core busy that made a fit forty times as slow
    chosen = {} if "OMP_WAIT_POLICY" in os.environ else {"OMP_WAIT_POLICY": "PASSIVE"}
    return {**chosen, "CUDA_VISIBLE_DEVICES": ""} if settings.device == "cpu" else chosen


def _request(audit: FileAudit, settings: Settings) -> Event:
    path = audit.target.path
    return {
        "path": os.path.realpath(path),
        "shown": path,
        "folder": os.getcwd(),
        "project_root": audit.target.project_root,
        "argv": [],
        "notebook": path.endswith(".ipynb"),
        "setups": [to_json(setup) for setup in audit.setups],
        "rules": sorted(rules_for(path, replace(settings, rules=())) or ()),  # the child knows ours alone
        "probe": settings.probe,
        "seed": settings.seed,
        "device": settings.device,
        "timeout": settings.timeout,
        "stand_in": settings.stand_in,
    }


def _model_request(path: str, given: ModelInput) -> Event:
    """What the child needs to know of a model file and of what it is audited with."""
    from ae_audit.static.model_files.models import read_model
    from ae_audit.theory.loss_choice import loss_class

    model = read_model(path, given.loss).model
    if model is None:
        raise UsageError(f"{path}: it changed while it was being audited.")

    def named(data: DataPath | None) -> Event | None:
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


def _listener(heard: _Heard, step: Callable[[str], None]) -> Callable[[Event], None]:
    def listen(event: Event) -> None:
        # The program shares the child's process and might send anything: what does not fit is not believed.
        try:
            _take(event, heard, step)
        except (KeyError, TypeError, ValueError, AttributeError):
            heard.failures.append(("runtime", "the child sent an event that makes no sense; it was left out.", False))

    return listen


def _take(event: Event, heard: _Heard, step: Callable[[str], None]) -> None:
    match event["event"]:
        case "setup":
            index = event["static"]
            setup = from_json(TrainingSetup, event["setup"])
            heard.setups[int(event["number"])] = (None if index is None else int(index), setup)
        case "settled":
            heard.settled += [from_json(Finding, item) for item in event["findings"]]
        case "note" | "stand_in":
            heard.notes[str(event["text"])] = None
        case "skipped":
            if event["call"] not in _FOLDERS:
                heard.skipped[str(event["call"])] = None
        case "not_intercepted":
            heard.notes[f"{event['module']} could not be watched: {event['why']}"] = None
        case "step":
            step(str(event["text"]))
        case "program":
            heard.program = event
        case "failed":
            internal = event.get("internal") is True
            heard.failures.append((str(event["stage"]), str(event["message"]), internal))
        case "measured":
            heard.unloaded = True
        case "refused":
            heard.refused = str(event["message"])
        case "blocked":
            heard.blocked[f"{event['kind']}: {event['what']}"] = None
        case "confined":
            heard.unconfined = _weak_spot(event)


def _weak_spot(event: Event) -> str | None:
    parts = {"writes": event["kernel_writes"], "network connections": event["kernel_network"]}
    unheld = [part for part, held in parts.items() if held is False]  # None: the user allows it
    if not unheld:
        return None
    return (
        f"this kernel cannot confine {' and '.join(unheld)}; Python's audit hooks did, which stops honest programs only"
    )


def _completed(static: tuple[TrainingSetup, ...], heard: _Heard) -> tuple[TrainingSetup, ...]:
    """The static setups, each replaced by what was seen of it; what only running showed comes after."""
    setups = list(static)
    taken: set[int] = set()
    for number in sorted(heard.setups):
        index, setup = heard.setups[number]
        if index is None or not 0 <= index < len(static) or index in taken:
            setups.append(setup)
        else:
            taken.add(index)
            setups[index] = setup
    return tuple(setups)


def _still_undecided(audit: FileAudit, heard: _Heard) -> tuple[Undecided, ...]:
    """What reading left open, without what it left open of setups that were then seen running."""
    if heard.unloaded:
        return audit.undecided
    seen = {audit.setups[index].location for index, _ in heard.setups.values() if index is not None}
    settled = {(place.path, place.line, place.cell) for place in seen}
    return tuple(item for item in audit.undecided if (item.path, item.line, item.cell) not in settled)


def _errors(
    path: str, outcome: ChildOutcome, heard: _Heard, settings: Settings, expected: Sequence[TrainingSetup] = ()
) -> list[StageError]:
    """What cost the program its stages; ``expected`` are the trainings that reading found."""
    errors = [
        StageError(path, stage, message, internal=internal)
        for stage, message, internal in dict.fromkeys(heard.failures)
    ]
    program = heard.program
    if program is not None and program.get("how") in {"raised", "exited"}:
        sentence, internal = str(program["sentence"]), program.get("internal") is True
        message = None
        if not _trained(heard):
            why = f"{sentence}, before any training step was seen; what stands here was found by reading"
            message = f"{why}{_advice(sentence, settings)}."
        elif program.get("exit_code") != 0:
            message = f"{_how_many(heard, expected)} before the program stopped: {sentence}."
        if message is not None:
            errors.append(
                StageError(path, "runtime", message, program.get("line"), program.get("cell"), internal=internal)
            )
    if outcome.ending is not Ending.FINISHED:
        stage = "probe" if program is not None else "runtime"
        left = "what had been captured by then stands" if heard.setups else "what stands here was found by reading"
        more = "; --timeout gives it more time" if outcome.ending is Ending.TIMED_OUT else ""
        what = "the audit of the model" if is_model_file(path) else "the program"
        errors.append(StageError(path, stage, f"{what} {outcome.sentence(path)}; {left}{more}.", outcome.line_in(path)))
    elif program is not None and program.get("how") in _WITHOUT_TRAINING and not heard.setups:
        if not errors:
            errors.append(StageError(path, "runtime", f"{_WITHOUT_TRAINING[str(program['how'])]}."))
        why = errors[-1].message  # of a training that was seen, why nothing came of it
        if "found by reading" not in why:
            errors[-1] = replace(errors[-1], message=f"{why.rstrip('.')}; only what was found by reading stands here.")
    return errors


def _how_many(heard: _Heard, expected: Sequence[TrainingSetup]) -> str:
    """How many trainings were seen, and of how many, where reading found more."""
    seen = {setup.location for _, setup in heard.setups.values()}
    known = {index for index, _ in heard.setups.values() if index is not None}
    every = len(seen) + len({setup.location for n, setup in enumerate(expected) if n not in known} - seen)
    if every > len(seen):
        return f"{len(seen)} of {every} trainings {'was' if len(seen) == 1 else 'were'} seen"
    return "1 training was seen" if len(seen) == 1 else f"{len(seen)} trainings were seen"


def _trained(heard: _Heard) -> bool:
    """Whether a step was seen; in torch a loss may have been computed without one (a sanity check, a validation)."""
    setups = (setup for _, setup in heard.setups.values())
    return any(setup.framework is not Framework.TORCH or setup.optimizer is not None for setup in setups)


def _advice(sentence: str, settings: Settings) -> str:
    """How to go on where a program found no data."""
    if settings.stand_in or not sentence.startswith(("FileNotFoundError", "NotFoundError")):
        return ""
    return "; --stand-in makes up arrays, tables and folders of pictures that are not there"


def _notes(heard: _Heard) -> list[str]:
    notes = list(heard.notes)
    if heard.skipped:
        notes.append(f"nothing was written by {_listed(heard.skipped)}")
    if heard.blocked:
        notes.append(f"the sandbox blocked {_listed(heard.blocked)}")
    if heard.unconfined:
        notes.append(heard.unconfined)
    return notes


def _listed(items: Iterable[str]) -> str:
    """The first three, and how many more there are."""
    shown = list(items)
    more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
    return f"{'; '.join(shown[:3])}{more}"
