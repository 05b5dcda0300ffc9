"""The parent believes nothing that it cannot check: forged, malformed and excessive messages change nothing."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ae_audit.engine.child_results import (
    MOST_FINDINGS,
    MOST_SETUPS,
    MOST_TEXTS,
    AuditedPlaces,
    ChildResults,
)
from ae_audit.schema.audited import AuditedSetup
from ae_audit.schema.codec import to_json
from ae_audit.schema.comparison import Cell, CellRun, Comparison, GridOptions, LossChoice
from ae_audit.schema.findings import Edit, Evidence, Finding, Fix, Severity, Undecided, Verdict
from ae_audit.schema.location import Location
from ae_audit.schema.messages import (
    CellFitted,
    ComparisonBegun,
    Finished,
    HowItEnded,
    InputRefused,
    Message,
    ModelNotLoaded,
    Noted,
    ProgramEnded,
    SandboxClosed,
    SetupSeen,
    SetupSettled,
    SetupShown,
)
from ae_audit.schema.report import Suppressed
from ae_audit.schema.sights import Counted, Gallery, Histogram, Kind, Row, Sight
from ae_audit.schema.training_setup import Condition, Framework, Head, TrainingSetup

Forge = Callable[[SetupSeen], object]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "train.py").write_text("x = 1\n")
    monkeypatch.chdir(folder)
    return "train.py"


READ = TrainingSetup(Framework.TORCH, Location("train.py", 3))
FOUND = Finding("AE101", "softmax-on-per-pixel-target", Severity.ERROR, "text", Location("train.py", 2))
SETTLED = replace(FOUND, verdict=Verdict.REFUTED, evidence=(Evidence("probe", "no difference"),))
AUDITED = AuditedSetup(READ, (FOUND,), (Undecided("train.py", "loss", "unknown", 3, rules=("AE201",)),))
SEEN = SetupSeen(0, 0, AUDITED)


def results(program: str, **options: Any) -> ChildResults:
    return ChildResults((READ,), ("AE101", "AE201"), AuditedPlaces(program, None, (READ,)), **options)


def told(results: ChildResults, *messages: Message) -> ChildResults:
    for message in messages:
        results.handle_event(to_json(message))
    return results


def test_what_the_child_says_is_kept(program: str) -> None:
    heard = told(results(program), SandboxClosed(True, None), SEEN, SetupSettled(0, (SETTLED,)), Noted("a"), Finished())
    assert heard.seen == (replace(SEEN, audited=replace(AUDITED, findings=(SETTLED,))),)
    assert (heard.notes, heard.ignored) == (("a",), 0)


def moved(seen: SetupSeen, path: str, line: int = 1) -> SetupSeen:
    head = replace(seen.audited.setup.head, location=Location(path, line))
    return replace(seen, audited=replace(seen.audited, setup=replace(seen.audited.setup, head=head)))


def changed(seen: SetupSeen, **changes: Any) -> SetupSeen:
    return replace(seen, audited=replace(seen.audited, findings=(replace(FOUND, **changes),)))


FORGED: dict[str, Forge] = {
    "no object": lambda _: [1],
    "an unknown kind": lambda _: {"type": "Format", "drive": "C"},
    "a class that is no message": lambda _: to_json(READ),
    "a field too many": lambda seen: {**to_json(seen), "more": 1},
    "a field too few": lambda _: {"type": "SetupSeen", "number": 0},
    "a number of the wrong type": lambda seen: {**to_json(seen), "number": True},
    "a set-up of a number too large": lambda seen: to_json(replace(seen, number=MOST_SETUPS)),
    "a set-up that reading never found": lambda seen: to_json(replace(seen, read=1)),
    "a set-up counted from the end": lambda seen: to_json(replace(seen, read=-1)),
    "a condition": lambda seen: to_json(
        replace(seen, audited=replace(AUDITED, setup=replace(READ, condition=Condition("x"))))
    ),
    "an excuse": lambda seen: to_json(replace(seen, audited=replace(AUDITED, suppressed=(Suppressed(FOUND),)))),
    "a device": lambda seen: to_json(moved(seen, "/dev/zero")),
    "a file of somebody else": lambda seen: to_json(moved(seen, "/etc/passwd")),
    "a way out of the project": lambda seen: to_json(moved(seen, "../../../../../../../etc/passwd")),
    "a path with a zero byte": lambda seen: to_json(moved(seen, "train.py\0")),
    "a line beyond all files": lambda seen: to_json(moved(seen, "train.py", 10**12)),
    "a line before the first": lambda seen: to_json(moved(seen, "train.py", -1)),
    "an undecided fact elsewhere": lambda seen: to_json(
        replace(seen, audited=replace(AUDITED, undecided=(Undecided("/etc/passwd", "loss", "unknown", 1),)))
    ),
    "a rule that did not take part": lambda seen: to_json(changed(seen, code="AE999")),
    "a fix": lambda seen: to_json(changed(seen, fix=Fix("harmless", True, (Edit(Location("train.py", 1), "evil()"),)))),
    "a verdict before any experiment": lambda seen: to_json(changed(seen, verdict=Verdict.REFUTED)),
    "findings without end": lambda seen: to_json(
        replace(seen, audited=replace(AUDITED, findings=(FOUND,) * (MOST_FINDINGS + 1)))
    ),
    "evidence about somebody else's file": lambda seen: to_json(
        changed(seen, evidence=(Evidence("static", "see", Location("/etc/shadow", 1)),))
    ),
}


@pytest.mark.parametrize("kind", FORGED)
def test_a_forged_set_up_is_ignored_and_the_next_one_kept(program: str, kind: str) -> None:
    heard = results(program)
    heard.handle_event(FORGED[kind](SEEN))
    assert (heard.seen, heard.ignored) == ((), 1)
    told(heard, SEEN)
    assert (heard.seen, heard.ignored) == ((SEEN,), 1)


@pytest.mark.parametrize("link", ["/dev/zero", "/etc/passwd"])
def test_a_link_out_of_the_project_is_no_place_of_it(program: str, link: str) -> None:
    os.symlink(link, "own.py")
    assert told(results(program), moved(SEEN, "own.py")).ignored == 1


def test_a_pipe_in_the_project_is_no_source(program: str) -> None:
    os.mkfifo("pipe.py")
    assert told(results(program), moved(SEEN, "pipe.py")).ignored == 1


def test_modules_of_the_project_are_places_of_it(program: str) -> None:
    os.mkdir("package")
    Path("package/model.py").write_text("")
    heard = told(results(program), moved(SEEN, "package/model.py"), moved(replace(SEEN, number=1), "<string>"))
    assert (len(heard.seen), heard.ignored) == (2, 0)


@pytest.mark.parametrize(
    "forged",
    [
        SetupSettled(1, (SETTLED,)),
        SetupSettled(0, ()),
        SetupSettled(0, (SETTLED, SETTLED)),
        SetupSettled(0, (replace(SETTLED, severity=Severity.INFO),)),
        SetupSettled(0, (replace(SETTLED, location=Location("train.py", 1)),)),
        SetupSettled(0, (replace(SETTLED, evidence=(Evidence("probe", "x", Location("/dev/zero", 1)),)),)),
    ],
)
def test_an_experiment_changes_verdicts_alone_and_of_what_was_told(program: str, forged: SetupSettled) -> None:
    heard = told(results(program), SEEN, forged)
    assert (heard.seen, heard.ignored) == ((SEEN,), 1)


def test_what_the_ideal_network_shows_stands_until_the_fits_have_their_say(program: str) -> None:
    early = SetupSettled(0, (replace(SETTLED, verdict=Verdict.INCONCLUSIVE),), final=False)
    for messages, verdict, ignored in (
        ((early,), Verdict.INCONCLUSIVE, 0),
        ((early, SetupSettled(0, (SETTLED,))), SETTLED.verdict, 0),
        ((early, early), Verdict.INCONCLUSIVE, 1),
        ((SetupSettled(0, (SETTLED,)), early), SETTLED.verdict, 1),
    ):
        heard = told(results(program), SEEN, *messages)
        (seen,) = heard.seen
        assert [finding.verdict for finding in seen.audited.findings] == [verdict]
        assert heard.ignored == ignored


@pytest.mark.parametrize(
    "twice",
    [SEEN, SetupSettled(0, (SETTLED,)), ProgramEnded(HowItEnded.COMPLETED, ""), SandboxClosed(False, False)],
)
def test_what_is_said_once_cannot_be_said_again(program: str, twice: Message) -> None:
    first = () if isinstance(twice, SetupSeen) else (SEEN,)
    assert told(results(program), *first, twice).ignored == 0
    assert told(results(program), *first, twice, twice).ignored == 1


def test_nothing_counts_after_the_end(program: str) -> None:
    heard = told(results(program), Finished(), SEEN, Noted("late"))
    assert (heard.seen, heard.notes, heard.ignored) == ((), (), 2)


@pytest.mark.parametrize("message", [InputRefused("no"), ModelNotLoaded()])
def test_a_program_cannot_speak_for_a_model_file(program: str, message: Message) -> None:
    heard = told(results(program), message)
    assert (heard.refused, heard.not_loaded, heard.ignored) == (None, False, 1)
    heard = told(results(program, of_model=True), message)
    assert heard.ignored == 0


def test_texts_are_bounded_in_number_and_length(program: str) -> None:
    heard = told(results(program), *(Noted(f"{number} " + "x" * 100_000) for number in range(2 * MOST_TEXTS)))
    assert len(heard.notes) == MOST_TEXTS
    assert max(map(len, heard.notes)) <= 2000


def test_a_head_of_nan_and_infinite_numbers_is_heard(program: str) -> None:
    setup = replace(READ, head=Head("leaky_relu", parameters=(("slope", float("inf")),)))
    assert told(results(program), replace(SEEN, audited=replace(AUDITED, setup=setup))).ignored == 0


HISTOGRAM = Histogram(Counted.VALUES, 0.0, 255.0, (3, 4), 0.0, 1.0, 0.5)
GALLERY = Gallery(Kind.IMAGE, 1, 2, 0.0, 1.0, (0.5,), (Row("target", ("00ff",)), Row("error", ("0102",))), 9)
SIGHT = Sight(HISTOGRAM, GALLERY)


def test_what_there_is_to_look_at_is_kept(program: str) -> None:
    heard = told(results(program), SEEN, SetupSettled(0, (SETTLED,)), SetupShown(0, SIGHT))
    (seen,) = heard.seen
    assert (seen.audited.sight, seen.audited.findings, heard.ignored) == (SIGHT, (SETTLED,), 0)


@pytest.mark.parametrize(
    "sight",
    [
        Sight(replace(HISTOGRAM, counts=(1,) * 65)),
        Sight(replace(HISTOGRAM, counts=())),
        Sight(replace(HISTOGRAM, counts=(-1,))),
        Sight(replace(HISTOGRAM, high=math.inf)),
        Sight(replace(HISTOGRAM, low=300.0)),
        Sight(replace(HISTOGRAM, reach_low=math.nan)),
        Sight(replace(HISTOGRAM, outside=1.5)),
        Sight(gallery=replace(GALLERY, height=65)),
        Sight(gallery=replace(GALLERY, kind=Kind.SIGNAL, height=2, width=1)),
        Sight(gallery=replace(GALLERY, rows=())),
        Sight(gallery=replace(GALLERY, rows=GALLERY.rows * 5)),
        Sight(gallery=replace(GALLERY, columns=(0.1, 0.2))),
        Sight(gallery=replace(GALLERY, columns=(math.nan,))),
        Sight(gallery=replace(GALLERY, low=math.inf)),
        Sight(gallery=replace(GALLERY, rows=(Row("target", ("00f",)),))),
        Sight(gallery=replace(GALLERY, rows=(Row("target", ("00<>",)),))),
        Sight(gallery=replace(GALLERY, rows=(Row("target", ("00ff",) * 9),), columns=())),
        Sight(gallery=replace(GALLERY, rows=(Row("n" * 201, ("00ff",)),))),
        Sight(gallery=replace(GALLERY, rows=(Row("target", ("00ff00ff",), 2),))),
        Sight(gallery=replace(GALLERY, note="n" * 201)),
    ],
)
def test_what_cannot_be_drawn_is_ignored(program: str, sight: Sight) -> None:
    heard = told(results(program), SEEN, SetupShown(0, sight))
    assert (heard.seen, heard.ignored) == ((SEEN,), 1)


def test_a_set_up_is_shown_once_and_after_it_was_told(program: str) -> None:
    assert told(results(program), SetupShown(0, SIGHT), SEEN).ignored == 1
    assert told(results(program), SEEN, SetupShown(0, SIGHT), SetupShown(0, Sight())).ignored == 1
    assert told(results(program), replace(SEEN, audited=replace(AUDITED, sight=SIGHT))).ignored == 1


COMPARED = Comparison(
    Location("train.py", 3),
    "torch",
    "cpu",
    "Adam",
    2000,
    600,
    100,
    3,
    cells=(Cell("sigmoid", LossChoice("bce")), Cell("relu", LossChoice("mse"))),
)
RUN = CellRun(0, (50, 100), (0.2, 0.5), (0.4, 0.3), 0.0, 0.3, 0.1, 0.01)
FITTED = Cell("sigmoid", LossChoice("bce"), runs=(RUN,))
DRAWN = Gallery(Kind.TABLE, 1, 2, 0.0, 1.0, (), (Row("target", ("00ff",)), Row("sigmoid × bce", ("10f0",))), 9)
ASKED = GridOptions(seeds=3, steps=100)


def test_a_comparison_that_was_asked_for_is_kept_cell_by_cell(program: str) -> None:
    again = replace(FITTED, runs=(replace(RUN, seed=1),))
    first = replace(FITTED, pictures=DRAWN)
    messages = ComparisonBegun(0, COMPARED), CellFitted(0, again), CellFitted(0, first), Finished()
    heard = told(results(program, grid=ASKED), *messages)
    assert heard.comparisons == (COMPARED.with_cell(replace(first, runs=(RUN, *again.runs))),)
    assert heard.comparisons[0].gallery == DRAWN
    assert heard.ignored == 0


FORGED_COMPARISONS: dict[str, Comparison] = {
    "what a cell did before any did": replace(COMPARED, cells=(FITTED,)),
    "no cells": replace(COMPARED, cells=()),
    "a cell twice": replace(COMPARED, cells=COMPARED.cells * 2),
    "another training": replace(COMPARED, training=1),
    "more steps than asked for": replace(COMPARED, steps=101),
    "other seeds than asked for": replace(COMPARED, seeds=4),
    "a file of somebody else": replace(COMPARED, location=Location("/etc/passwd", 1)),
    "no samples": replace(COMPARED, scored=0),
    "another threshold than asked for": replace(COMPARED, reach=0.5),
}


@pytest.mark.parametrize("kind", FORGED_COMPARISONS)
def test_a_forged_comparison_is_ignored(program: str, kind: str) -> None:
    heard = told(results(program, grid=ASKED), ComparisonBegun(0, FORGED_COMPARISONS[kind]))
    assert (heard.comparisons, heard.ignored) == ((), 1)


FORGED_RUNS: dict[str, CellRun] = {
    "R² above 1": replace(RUN, r2=(0.2, 1.5)),
    "R² that is no number": replace(RUN, r2=(0.2, math.nan)),
    "a curve of another length": replace(RUN, loss=(0.1,)),
    "steps that go back": replace(RUN, steps=(100, 50)),
    "more steps than there are": replace(RUN, steps=(50, 101)),
    "a share above 1": replace(RUN, dead=1.5),
    "a negative sharpness": replace(RUN, sharpness=-1.0),
    "nothing, and no reason": CellRun(0),
    "more evaluations than anybody makes": CellRun(0, tuple(range(1, 100)), (0.1,) * 99, (0.1,) * 99),
}


@pytest.mark.parametrize("kind", FORGED_RUNS)
def test_a_forged_fit_is_ignored_and_the_next_one_kept(program: str, kind: str) -> None:
    forged = replace(FITTED, runs=(FORGED_RUNS[kind],))
    heard = told(
        results(program, grid=ASKED), ComparisonBegun(0, COMPARED), CellFitted(0, forged), CellFitted(0, FITTED)
    )
    assert heard.comparisons == (COMPARED.with_cell(FITTED),)
    assert heard.ignored == 1


def test_a_comparison_that_nobody_asked_for_and_cells_told_twice_are_ignored(program: str) -> None:
    assert told(results(program), ComparisonBegun(0, COMPARED)).ignored == 1
    heard = told(
        results(program, grid=ASKED), CellFitted(0, FITTED), ComparisonBegun(0, COMPARED), CellFitted(0, FITTED)
    )
    refused = Cell("relu", LossChoice("mse"), refused="it has none")
    unknown = Cell("tanh", LossChoice("bce"), runs=(RUN,))
    both = replace(refused, runs=(RUN,))
    assert told(heard, *(CellFitted(0, one) for one in (FITTED, unknown, both, refused, refused))).ignored == 1 + 4
    large = replace(DRAWN, rows=(DRAWN.rows[0], Row("sigmoid × bce", ("00" * 99,))))
    for drawn in (large, replace(DRAWN, rows=DRAWN.rows[:1])):
        told_it = CellFitted(0, replace(FITTED, pictures=drawn))
        assert told(results(program, grid=ASKED), ComparisonBegun(0, COMPARED), told_it).ignored == 1
