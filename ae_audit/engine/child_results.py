"""What a child has said, received in one place and believed as far as it can be checked.

The program shares the child's process: it can send anything that the child can send. So every message must have the
declared form (:mod:`ae_audit.schema.messages`), come in an order that makes sense, and keep to bounds; its places must
be those of this audit. What does not fit is ignored and counted, and costs nothing that was known before.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from ae_audit.schema.audited import AuditedSetup
from ae_audit.schema.codec import Malformed, from_json
from ae_audit.schema.comparison import Cell, CellRun, Comparison, GridOptions
from ae_audit.schema.findings import Finding, Verdict
from ae_audit.schema.location import Location
from ae_audit.schema.messages import (
    AccessBlocked,
    CellFitted,
    ComparisonBegun,
    Finished,
    InputRefused,
    Message,
    ModelNotLoaded,
    Noted,
    NotIntercepted,
    PackageAbsent,
    ProgramEnded,
    Progressed,
    SandboxClosed,
    SetupSeen,
    SetupSettled,
    SetupShown,
    StageFailed,
    StoodIn,
    WriteSkipped,
)
from ae_audit.schema.sights import Gallery, Sight, can_be_drawn
from ae_audit.schema.training_setup import TrainingSetup

MOST_SETUPS = 64
"""of one program; the child itself looks at a dozen"""
MOST_FINDINGS = 256
"""of one set-up; every rule has a few at most"""
MOST_TEXTS = 256
"""notes, refusals, failures, each: nobody reads more"""
MOST_CELLS = 1024
"""of one comparison; a grid that somebody reads has a dozen"""
MOST_EVALUATIONS = 64
"""of one fit"""
LONGEST_TEXT = 2000
"""characters of one sentence"""
MOST_LINES = 10_000_000
"""of a source file"""
MALFORMED = "ignored a malformed message from the audited process"
_FOLDERS = frozenset({"os.mkdir", "os.makedirs"})
"""skipped calls that are not told: an empty folder is no result, and frameworks try to make theirs on import"""
_SCRATCH = "ae-audit-"
"""how the folders begin in which children may write"""


class AuditedPlaces:
    """Which places a child may speak of: regular files of the audited project, and what it wrote into its own scratch.

    The report quotes the lines at these places, so a place must never lead to another user's file or to a device.

    Args:
        program: path of what is audited.
        project_root: folder within which its modules lie.
        read: set-ups that reading found, whose paths are known to be the audit's.
    """

    def __init__(self, program: str, project_root: str | None, read: Sequence[TrainingSetup]) -> None:
        roots = {os.path.dirname(os.path.realpath(program)), os.path.realpath(os.getcwd())}
        if project_root is not None:
            roots.add(os.path.realpath(project_root))
        self._roots = tuple(root.rstrip(os.sep) + os.sep for root in roots)
        self._scratch = os.path.join(os.path.realpath(tempfile.gettempdir()), _SCRATCH)
        self._known = {program: True, **{place.path: True for place in locations_in(tuple(read))}}

    def holds(self, location: Location) -> bool:
        """Whether ``location`` is a place of this audit."""
        ends = (location.line, location.column, location.end_line, location.end_column, location.cell)
        if any(number is not None and not 0 <= number <= MOST_LINES for number in ends):
            return False
        if location.path not in self._known:
            self._known[location.path] = self._inside(location.path)
        return self._known[location.path]

    def _inside(self, path: str) -> bool:
        try:
            real = os.path.realpath(path)
            allowed = real.startswith((*self._roots, self._scratch))
            return allowed and (os.path.isfile(real) or not os.path.exists(real))
        except (ValueError, OSError):  # a zero byte, a name too long
            return False


def locations_in(value: Any) -> Iterator[Location]:
    """Every place inside a record."""
    if isinstance(value, Location):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from locations_in(item)
    elif is_dataclass(value) and not isinstance(value, type):
        for item in fields(value):
            yield from locations_in(getattr(value, item.name))


class ChildResults:
    """What one child has said so far.

    Args:
        read: the set-ups that reading found, in the order in which the child got them.
        rules: codes of the rules that the child judges by.
        places: what it may speak of.
        of_model: whether it audits a model file, and no program.
        grid: what heads and losses it was asked to compare; None: none.
        on_progress: hears what is being done.
    """

    def __init__(
        self,
        read: Sequence[TrainingSetup],
        rules: Collection[str],
        places: AuditedPlaces,
        *,
        of_model: bool = False,
        grid: GridOptions | None = None,
        on_progress: Callable[[Progressed], None] = lambda _: None,
    ) -> None:
        self._read = read
        self._rules = frozenset(rules)
        self._places = places
        self._of_model = of_model
        self._grid = grid
        self._comparisons: dict[int, Comparison] = {}
        self._on_progress = on_progress
        self._seen: dict[int, SetupSeen] = {}
        self._settled: set[tuple[int, bool]] = set()
        """set-ups, and whether their verdicts were final"""
        self._notes: dict[str, None] = {}
        self.stood_in = False
        """whether data that are made up took the place of absent ones"""
        self._blocked: dict[str, None] = {}
        self._skipped: dict[str, None] = {}
        self._absent: dict[str, None] = {}
        self._failures: dict[StageFailed, None] = {}
        self._finished = False
        self.program: ProgramEnded | None = None
        """how the program ended, once that is known"""
        self.refused: str | None = None
        """why the data do not go with the model file"""
        self.not_loaded = False
        """whether a model file was not loaded: what reading left undecided of it stays so"""
        self.confinement: SandboxClosed | None = None
        self.ignored = 0
        """messages that made no sense"""

    @property
    def seen(self) -> tuple[SetupSeen, ...]:
        """What was captured, in the child's own order."""
        return tuple(self._seen[number] for number in sorted(self._seen))

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Heads and losses compared, as far as that came, in the child's own order."""
        return tuple(self._comparisons[number] for number in sorted(self._comparisons))

    @property
    def failures(self) -> tuple[StageFailed, ...]:
        return tuple(self._failures)

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(self._notes)

    @property
    def blocked(self) -> tuple[str, ...]:
        """What the sandbox refused."""
        return tuple(self._blocked)

    @property
    def skipped(self) -> tuple[str, ...]:
        """Calls that would have written something."""
        return tuple(self._skipped)

    @property
    def absent(self) -> tuple[str, ...]:
        """Packages that the program imports and that are not installed."""
        return tuple(self._absent)

    def handle_event(self, event: object) -> None:
        """Receive one message, as :func:`json.loads` gives it; one that makes no sense is counted, no more."""
        try:
            message = from_json(Message, event)
            if self._finished or not self._handle(message):
                self.ignored += 1
        except Malformed:
            self.ignored += 1

    def _handle(self, message: Any) -> bool:
        """Whether the message fits what came before it."""
        match message:
            case Progressed(text, done, of):
                self._on_progress(Progressed(text[:LONGEST_TEXT], done, of))
            case Noted(text) | StoodIn(_, text):
                self.stood_in = self.stood_in or isinstance(message, StoodIn)
                _add(self._notes, text[:LONGEST_TEXT])
            case NotIntercepted(module, why):
                _add(self._notes, f"{module} could not be watched: {why}"[:LONGEST_TEXT])
            case PackageAbsent(package):
                _add(self._absent, package[:LONGEST_TEXT])
            case AccessBlocked(kind, what):
                _add(self._blocked, f"{kind}: {what}"[:LONGEST_TEXT])
            case WriteSkipped(call, _):
                if call not in _FOLDERS:
                    _add(self._skipped, call[:LONGEST_TEXT])
            case StageFailed(_, text):
                _add(self._failures, replace(message, message=text[:LONGEST_TEXT]))
            case SetupSeen():
                return self._keep(message)
            case SetupSettled():
                return self._settle(message)
            case SetupShown(number, sight):
                return self._show(number, sight)
            case ComparisonBegun():
                return self._begin_comparison(message)
            case CellFitted():
                return self._add_cell(message)
            case ProgramEnded(_, sentence) if self.program is None and not self._of_model:
                self.program = replace(message, sentence=sentence[:LONGEST_TEXT])
            case SandboxClosed() if self.confinement is None:
                self.confinement = message
            case ModelNotLoaded() if self._of_model:
                self.not_loaded = True
            case InputRefused(text) if self._of_model:
                self.refused = text[:LONGEST_TEXT]
            case Finished():
                self._finished = True
            case _:
                return False
        return True

    def _keep(self, seen: SetupSeen) -> bool:
        audited = seen.audited
        fits = (
            0 <= seen.number < MOST_SETUPS
            and seen.number not in self._seen
            and (seen.read is None or 0 <= seen.read < len(self._read))
            and audited.setup.condition is None  # it ran
            and not audited.suppressed
            and audited.sight is None
            and len(audited.findings) <= MOST_FINDINGS
            and len(audited.undecided) <= MOST_FINDINGS
            and all(map(self._is_judgement, audited.findings))
            and all(set(one.rules) <= self._rules for one in audited.undecided)
            and self._is_of_this_audit(audited)
        )
        if fits:
            self._seen[seen.number] = seen
        return fits

    def _settle(self, settled: SetupSettled) -> bool:
        """Whether the findings are those of before, with nothing but their verdicts and evidence changed."""
        seen = self._seen.get(settled.number)
        if seen is None or (settled.number, True) in self._settled or (settled.number, settled.final) in self._settled:
            return False
        before = seen.audited.findings
        after = settled.findings
        same = len(before) == len(after) and all(
            replace(new, verdict=old.verdict, evidence=old.evidence) == old
            for old, new in zip(before, after, strict=True)
        )
        audited = replace(seen.audited, findings=after)
        if not same or not self._is_of_this_audit(audited):
            return False
        self._settled.add((settled.number, settled.final))
        self._seen[settled.number] = replace(seen, audited=audited)
        return True

    def _show(self, number: int, sight: Sight) -> bool:
        """Whether it can be drawn, and of a set-up that was told and not shown yet."""
        seen = self._seen.get(number)
        if seen is None or seen.audited.sight is not None or not can_be_drawn(sight):
            return False
        self._seen[number] = replace(seen, audited=replace(seen.audited, sight=sight))
        return True

    def _begin_comparison(self, begun: ComparisonBegun) -> bool:
        told, asked = begun.comparison, self._grid
        fits = (
            asked is not None
            and 0 <= begun.number < MOST_SETUPS
            and begun.number not in self._comparisons
            and told.training == begun.number
            and 0 < len(told.cells) <= MOST_CELLS
            and len({(cell.head, cell.loss, cell.as_written) for cell in told.cells}) == len(told.cells)
            and all(cell == cell.bare == _shortened(cell) for cell in told.cells)
            and len(told.data) <= LONGEST_TEXT
            and told.seeds == asked.seeds
            and 0 < told.steps <= asked.steps
            and told.reach == asked.reach
            and told.scored > 0
            and told.samples > 0
            and len(told.notes) <= MOST_TEXTS
            and self._places.holds(told.location)
        )
        if fits:
            self._comparisons[begun.number] = replace(told, notes=tuple(text[:LONGEST_TEXT] for text in told.notes))
        return fits

    def _add_cell(self, fitted: CellFitted) -> bool:
        comparison, cell = self._comparisons.get(fitted.number), fitted.cell
        known = None if comparison is None else comparison.of(cell)
        if comparison is None or known is None:
            return False
        seeds = {run.seed for run in (*known.runs, *cell.runs)}
        fits = (
            cell.reached
            and known.refused is None
            and len(seeds) == len(known.runs) + len(cell.runs) <= comparison.seeds
            and (cell.refused is None or not seeds)
            and all(_is_fit(run, comparison.steps) for run in cell.runs)
            and (cell.pictures is None or _shows_a_fit(cell.pictures))
        )
        if fits:
            self._comparisons[fitted.number] = comparison.with_cell(_shortened(cell))
        return fits

    def _is_judgement(self, finding: Finding) -> bool:
        """Whether it is what a rule of this audit says, before any experiment and any proposal of ours."""
        untouched = finding.fix is None and finding.condition is None and finding.setup is None
        return untouched and finding.code in self._rules and finding.verdict in {Verdict.STATIC, Verdict.PROVED}

    def _is_of_this_audit(self, audited: AuditedSetup) -> bool:
        undecided = (Location(one.path, one.line or 1, cell=one.cell) for one in audited.undecided)
        return all(map(self._places.holds, (*locations_in(audited), *undecided)))


def _is_fit(run: CellRun, most_steps: int) -> bool:
    """Whether its curves have one value for each evaluation, and its figures are such figures."""
    count = len(run.steps)
    rising = all(a < b for a, b in zip((0, *run.steps), run.steps, strict=False))
    return (
        count <= MOST_EVALUATIONS
        and len(run.r2) == len(run.loss) == count
        and rising
        and (not count or run.steps[-1] <= most_steps)
        and all(value <= 1.0 for value in run.r2)
        and (count > 0 or run.failed is not None)
        and (run.dead is None or 0.0 <= run.dead <= 1.0)
        and not any(value is not None and value < 0.0 for value in (run.sharpness, run.step_seconds))
    )


def _shows_a_fit(pictures: Gallery) -> bool:
    return len(pictures.rows) == 2 and can_be_drawn(Sight(gallery=pictures))


def _shortened(cell: Cell) -> Cell:
    runs = tuple(replace(run, failed=run.failed and run.failed[:LONGEST_TEXT]) for run in cell.runs)
    return replace(
        cell,
        head=cell.head[:LONGEST_TEXT],
        loss=cell.loss and replace(cell.loss, name=cell.loss.name[:LONGEST_TEXT]),
        runs=runs,
        refused=cell.refused and cell.refused[:LONGEST_TEXT],
    )


def _add(texts: dict[Any, None], text: Any) -> None:
    """Keep a text once, unless there are more already than anybody reads."""
    if len(texts) < MOST_TEXTS:
        texts[text] = None
