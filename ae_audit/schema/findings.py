"""Findings: what a rule says of a setup, and what the stages add to it."""

from __future__ import annotations

from enum import Enum

from ae_audit.base.records import dataclass
from ae_audit.schema.location import Location
from ae_audit.schema.remedies import Remedy


class Severity(Enum):
    """How bad it is; ordered, the worst first."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Severity).index(self)


class Verdict(Enum):
    """How sure the tool is, and by which means."""

    STATIC = "static"
    """follows from the facts of the setup; nothing was computed on data"""
    PROVED = "proved"
    """the certificate or the ideal network decides: no weights can do better"""
    CONFIRMED = "confirmed"
    """with the fix the program beat that without it by a margin, in every seed that it took to tell"""
    REFUTED = "refuted"
    """as written it did as well as fixed: withdrawn to a note"""
    INCONCLUSIVE = "inconclusive"


Figure = bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm of the probe: a way of running the program, over all seeds.

    ``r2`` holds one value a seed: the fraction of the target's variance that the predictions explain after the fit.
    ``curve`` is R² over training, the mean over seeds, at equal steps. ``loss`` likewise: the printed loss.
    """

    name: str
    """``as written``, ``all fixes``, or the remedies in words"""
    r2: tuple[float, ...]
    curve: tuple[float, ...] = ()
    loss: tuple[float, ...] = ()
    failed: str | None = None
    """why the arm could not be fitted: the exception's sentence"""
    bound: float | None = None
    """the best R² that any weights reach in the arm, at or below 0, where that decided and the arm was not fitted"""
    curves: tuple[tuple[float, ...], ...] = ()
    """R² of each seed over training, at the steps of ``curve``"""
    losses: tuple[tuple[float, ...], ...] = ()
    """likewise the printed loss"""
    floor: float | None = None
    """the least that the arm's loss can print on this data, in the unit of ``loss``; None where it is not known"""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One piece of evidence. ``kind`` is ``static``, ``runtime``, ``certificate``, ``ideal`` or ``probe``."""

    kind: str
    text: str
    location: Location | None = None
    figures: tuple[tuple[str, Figure], ...] = ()
    arms: tuple[Arm, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """A labelled place that a finding speaks of besides its own: `softmax here`, `the loss`, `data scaled here`."""

    location: Location
    label: str


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the text at ``location`` (from its start to its end) by ``text``."""

    location: Location
    text: str


@dataclass(frozen=True, slots=True)
class Fix:
    """The remedy as edits of the user's source; ``safe`` when it cannot change what the program computes."""

    description: str
    safe: bool
    edits: tuple[Edit, ...] = ()
    withheld: str | None = None
    """why there are no edits where the source showed how to make them: what reading found after them"""


@dataclass(frozen=True, slots=True)
class Violation:
    """What a rule's check yields where the rule is broken; the engine makes a :class:`Finding` of it."""

    message: str
    location: Location
    remedies: tuple[Remedy, ...] = ()
    """applied together they mend this violation"""
    spans: tuple[Span, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    severity: Severity | None = None
    """None: the rule's own"""
    proved: bool = False
    """the certificate of the setup decides it"""
    awaits: int | None = None
    """optimizer steps after which an experiment must have confirmed it before it is reported; None: reported at once"""


@dataclass(frozen=True, slots=True)
class UnknownFact:
    """What a rule's check yields where a fact that it needs is unknown."""

    what: str
    """the fact: ``target range``, ``output activation``, ``loss``"""
    why: str
    """why it is unknown, and what would settle it"""


@dataclass(frozen=True, slots=True)
class Undecided:
    """A fact that was not decided, why, and what would settle it: silence must never be read as approval."""

    path: str
    what: str
    why: str
    line: int | None = None
    cell: int | None = None
    rules: tuple[str, ...] = ()
    """codes of the rules that could not decide for want of this fact"""


@dataclass(frozen=True, slots=True)
class Finding:
    """A violation as it is reported."""

    code: str
    name: str
    severity: Severity
    message: str
    location: Location
    verdict: Verdict = Verdict.STATIC
    evidence: tuple[Evidence, ...] = ()
    spans: tuple[Span, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    fix: Fix | None = None
    condition: str | None = None
    awaits: int | None = None
    """of a candidate: optimizer steps after which an experiment must have confirmed it, without which it is not
    reported; None once it is a finding"""
    setup: int | None = None
    """index into ``Report.setups``"""
