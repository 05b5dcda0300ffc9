"""What a child tells its parent while it runs a program: one class for each kind of message.

They travel as JSON (:mod:`ae_audit.schema.codec`). The program shares the child's process and can send whatever it
likes, so every message is evidence and no more: the parent checks form and bounds
(:class:`ae_audit.engine.child_results.ChildResults`), and what does not fit is ignored.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ae_audit.schema.audited import AuditedSetup
from ae_audit.schema.comparison import Cell, Comparison
from ae_audit.schema.findings import Finding
from ae_audit.schema.sights import Sight


class RunStage(Enum):
    """A stage that takes place in the child."""

    RUNTIME = "runtime"
    PROBE = "probe"


class HowItEnded(Enum):
    """The way a program ended."""

    COMPLETED = "completed"
    STOPPED = "stopped"
    """by us: all that was wanted had been captured"""
    EXITED = "exited"
    """``sys.exit``, ``exit()``, ``os._exit``"""
    RAISED = "raised"


@dataclass(frozen=True, slots=True)
class SandboxClosed:
    """The sandbox is closed; the first message. Each is False where the kernel cannot, None where it was not asked."""

    kernel_writes: bool | None
    kernel_network: bool | None
    layers: tuple[str, ...] = ()
    """namespaces and the like that are in force besides"""


@dataclass(frozen=True, slots=True)
class AccessBlocked:
    """The sandbox refused something, once for each thing."""

    kind: str
    what: str


@dataclass(frozen=True, slots=True)
class Finished:
    """All is done; nothing comes after it."""


@dataclass(frozen=True, slots=True)
class Noted:
    """Something that the reader must know of how the program was run."""

    text: str


@dataclass(frozen=True, slots=True)
class StoodIn:
    """Data took the place of a data set or file that is absent."""

    what: str
    text: str


@dataclass(frozen=True, slots=True)
class PackageAbsent:
    """A package that the program imports is not installed: something that does nothing stood in for it."""

    package: str


@dataclass(frozen=True, slots=True)
class WriteSkipped:
    """An artefact of the program was not written."""

    call: str
    what: str


@dataclass(frozen=True, slots=True)
class NotIntercepted:
    """A module could not be watched."""

    module: str
    why: str


@dataclass(frozen=True, slots=True)
class Progressed:
    """What is being done now, for the progress line: the stage, the training, the variant and seed.

    ``done`` of ``of`` steps of it are taken, where they are counted.
    """

    text: str
    done: int = 0
    of: int = 0


@dataclass(frozen=True, slots=True)
class ProgramEnded:
    """How the program ended, with the line (of a notebook: and the cell) where that is known."""

    how: HowItEnded
    sentence: str
    line: int | None = None
    cell: int | None = None
    exit_code: int | None = None
    internal: bool = False
    """by a failure of ae-audit itself"""


@dataclass(frozen=True, slots=True)
class StageFailed:
    """A stage could not do its work."""

    stage: RunStage
    message: str
    internal: bool = False
    """whether ae-audit itself failed"""


@dataclass(frozen=True, slots=True)
class SetupSeen:
    """A set-up was captured and judged; ``read`` counts the set-ups that reading found, None where it is new."""

    number: int
    read: int | None
    audited: AuditedSetup


@dataclass(frozen=True, slots=True)
class SetupSettled:
    """The findings of the set-up ``number``, in the same order, with the verdicts that experiments reached."""

    number: int
    findings: tuple[Finding, ...]
    final: bool = True
    """False: what the ideal network shows, told before fits begin, which may take more time than there is"""


@dataclass(frozen=True, slots=True)
class SetupShown:
    """What there is to look at in the set-up ``number``."""

    number: int
    sight: Sight


@dataclass(frozen=True, slots=True)
class ModelNotLoaded:
    """The model file was not loaded, only its data were looked at."""


@dataclass(frozen=True, slots=True)
class InputRefused:
    """The data do not go with the model file, which is the user's to mend."""

    message: str


@dataclass(frozen=True, slots=True)
class ComparisonBegun:
    """Heads and losses of a training are to be compared; nothing is known yet of the cells of ``comparison``."""

    number: int
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class CellFitted:
    """One of them was fitted from some seeds, of the comparison that was told as ``number``."""

    number: int
    cell: Cell


Message = (
    SandboxClosed
    | AccessBlocked
    | Finished
    | Noted
    | StoodIn
    | PackageAbsent
    | WriteSkipped
    | NotIntercepted
    | Progressed
    | ProgramEnded
    | StageFailed
    | SetupSeen
    | SetupSettled
    | SetupShown
    | ModelNotLoaded
    | InputRefused
    | ComparisonBegun
    | CellFitted
)
