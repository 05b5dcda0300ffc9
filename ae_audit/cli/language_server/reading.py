"""What reading finds in a snapshot. Called on the one thread that reads, and on no other."""

from __future__ import annotations

import gc
import os

from ae_audit.base.errors import UsageError
from ae_audit.base.records import dataclass, replace
from ae_audit.cli.language_server.snapshots import Snapshot
from ae_audit.engine.assembly import assemble
from ae_audit.engine.discovery import AuditTarget, excluded
from ae_audit.engine.static_stage import audit_file
from ae_audit.schema.report import Report
from ae_audit.settings.options import Settings
from ae_audit.settings.pyproject import find_config, load_config
from ae_audit.source.project_root import project_root
from ae_audit.source.text import Sources, split_lines
from ae_audit.static import Modules

_FAULTY = """
import keras
x = keras.datasets.mnist.load_data()[0][0].reshape(-1, 784)
model = keras.Sequential([keras.layers.Dense(784, "softmax")])
model.compile(loss="mse")
model.fit(x, x)
"""
"""a program that takes the reader and every rule to all that they import"""


@dataclass(frozen=True, slots=True)
class Audit:
    """A snapshot, what was found in it, and what was wrong with its configuration."""

    snapshot: Snapshot
    report: Report
    settings: Settings
    problem: str | None = None
    proved: bool = False
    """whether the program was run"""
    fixed: bool = False
    """whether fixes were looked for, which takes longer than reading does"""


class Reader:
    """Reads snapshots; modules that they import are kept until :meth:`forget`."""

    def __init__(self) -> None:
        self._modules = Modules()
        self._fixed: tuple[Audit, Audit] | None = None

    def forget(self) -> None:
        """A file has changed on disk: read what is imported again."""
        self._modules = Modules()

    def warm(self) -> None:
        """Import what reading and judging needs, so that the first document does not wait for it."""
        path = os.path.abspath("warm.py")
        self.read(Snapshot(path, 0, path, _FAULTY, (path,), (tuple(split_lines(_FAULTY)),)))
        gc.freeze()  # what was imported stays: no collection need look at it while somebody waits
        gc.set_threshold(50_000, 20, 50)

    def read(self, snapshot: Snapshot) -> Audit:
        """Audit a snapshot by reading, without fixes; a wrong configuration is told, and the defaults hold."""
        settings, problem = settings_for(snapshot.path)
        if excluded(snapshot.path, settings):
            return Audit(snapshot, Report(), settings, problem, fixed=True)
        report = self._report(snapshot, settings, fixes=False)
        return Audit(snapshot, report, settings, problem, fixed=not report.standing)

    def fixed(self, audit: Audit) -> Audit:
        """``audit`` with its fixes; those found last are kept, as editors ask for them again and again."""
        if audit.fixed or audit.proved:
            return audit
        if self._fixed is None or self._fixed[0] is not audit:
            report = self._report(audit.snapshot, audit.settings, fixes=True)
            self._fixed = audit, replace(audit, report=report, fixed=True)
        return self._fixed[1]

    def _report(self, snapshot: Snapshot, settings: Settings, *, fixes: bool) -> Report:
        folder = os.path.dirname(snapshot.path)
        target = AuditTarget(snapshot.path, project_root=project_root(folder, (folder,)), named=True)
        sources = Sources({snapshot.path: snapshot.text.encode("utf-8", "surrogatepass")})
        return assemble([audit_file(target, settings, sources, self._modules, fixes=fixes)])


def settings_for(path: str) -> tuple[Settings, str | None]:
    """The settings for a file, as the nearest configuration has them now, and what is wrong with it."""
    plain = Settings(static=True, cache=False)
    folder = os.path.dirname(path)
    try:
        config = find_config(folder) if os.path.isdir(folder) else None
        return plain if config is None else replace(load_config(config), static=True, cache=False, rules=()), None
    except UsageError as error:
        return plain, str(error)
