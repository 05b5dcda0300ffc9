"""What the pytest plugin does once it is used: settings, markers, audits of live models and programs, the section."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Sequence
from dataclasses import replace

import pytest

from ae_audit.base.errors import UsageError, did_you_mean
from ae_audit.engine.gate import fails, nothing_audited
from ae_audit.engine.severity_overrides import overridden
from ae_audit.pytest_plugin.options import PROPERTY, SWITCHES, VALUES, flags
from ae_audit.report.display import PresentedReport
from ae_audit.schema.findings import Finding, Severity
from ae_audit.schema.location import address
from ae_audit.schema.report import Report
from ae_audit.settings.hierarchy import Hierarchy
from ae_audit.settings.options import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

MARK_ARGUMENTS = ("select", "ignore", "fail_on", "probe")
_SETTINGS = pytest.StashKey[Hierarchy]()
_FLAG = re.compile(rf"--({'|'.join(sorted((*VALUES, *SWITCHES, 'run'), key=len, reverse=True))})\b")


def settings_of(config: pytest.Config) -> Settings:
    """The settings of the session: options over ini file over ``[tool.ae-audit]`` over the defaults.

    Raises:
        pytest.UsageError: for what the command would refuse too.
    """
    return configured_of(config).root


def configured_of(config: pytest.Config) -> Hierarchy:
    """:func:`settings_of`, and what nearer configurations say of single files."""
    if _SETTINGS not in config.stash:
        from ae_audit.cli.arguments import read_arguments

        arguments = ["--project-rules", *flags(config)]  # pytest imports the project's code anyway
        if config.getoption("ae_audit_run"):
            arguments.append("--run")
        try:
            request = read_arguments([*arguments, "--", str(config.rootpath)])
        except UsageError as error:
            raise pytest.UsageError(_FLAG.sub(r"--ae-audit-\1", str(error))) from None
        assert not isinstance(request, str)
        config.stash[_SETTINGS] = request.configured
    return config.stash[_SETTINGS]


def check_mark(mark: pytest.Mark, item: pytest.Item) -> None:
    """Make sure that the arguments of one of an item's markers make sense.

    In a worker of xdist, which cannot end the session, the item alone fails.

    Raises:
        pytest.UsageError: naming the test, the argument, and what was probably meant.
    """
    try:
        _marked(mark)
    except UsageError as error:
        sentence = f"{item.nodeid}: {error}"
        if not hasattr(item.config, "workerinput"):
            raise pytest.UsageError(sentence) from None
        item.runtest = item.setup = lambda: pytest.fail(sentence, pytrace=False)  # type: ignore[method-assign]


class ModelAuditor:
    """The fixture ``ae_audit``: audits, and fails the test with the report as its text."""

    def __init__(self, node: pytest.Item) -> None:
        self._node = node
        changes: dict[str, Any] = {}
        for mark in reversed(list(node.iter_markers("ae_audit"))):  # the closest last, so that it wins
            changes.update(_marked(mark))
        self._settings = replace(settings_of(node.config), **changes)

    def __call__(
        self,
        model: Any,
        x: Any = None,
        y: Any = None,
        *,
        loss: Any = None,
        probe: bool | None = None,
        select: str | Sequence[str] | None = None,
        ignore: str | Sequence[str] | None = None,
        fail_on: str | Severity | None = None,
        static: bool | None = None,
        optimizer: Any = None,
        batch_size: int = 100,
    ) -> PresentedReport:
        """Audit ``model`` as if it were about to be trained on ``x`` and ``y`` with ``loss``, or the program at a path.

        Args:
            model: a Keras model, a ``torch.nn.Module``, or the path of a program or notebook (relative to the test
                file or to where pytest was started), which is run in the sandbox unless ``static``.
            x: the model's input, of shape ``(samples, …)``; not for programs.
            y: the target, of shape ``(samples, …)``; None if the model is to reconstruct ``x``.
            loss: as ``compile`` accepts it, or a torch loss.
            probe: whether to confirm or refute findings with short fits. The default of this and of the next three
                comes from the marker or the configuration.
            select: codes, code prefixes or names of the rules to apply.
            ignore: codes, code prefixes or names of the rules to skip.
            fail_on: the lowest severity that fails the test.
            static: for a program: read it without running it.
            optimizer: for a live model: the optimizer of the short fits.
            batch_size: for a live model: samples per batch of the short fits, 1 or more.

        Returns:
            The report, if it has no finding of severity ``fail_on`` or worse.

        Raises:
            UsageError: if arguments are wrong or do not go together.
        """
        __tracebackhide__ = True
        given = {"probe": probe, "select": select, "ignore": ignore, "fail_on": fail_on}
        try:
            chosen = _checked({key: value for key, value in given.items() if value is not None}, "ae_audit()")
            settings = replace(self._settings, **chosen)
            if isinstance(model, str | os.PathLike):
                if x is not None or y is not None or loss is not None:
                    raise UsageError("a program brings its own data and loss; give ae_audit() its path alone.")
                if static is not None:
                    settings = replace(settings, static=static)
                report = self._program(os.fspath(model), settings)
            else:
                report = _live(model, x, y, loss, settings, optimizer, batch_size, sys._getframe(1))
        except UsageError as error:
            raise UsageError(str(error)) from None  # the test's own line is the end of the trace
        self._node.user_properties += properties(report)
        if report.broken or fails(report, settings):
            pytest.fail(str(report), pytrace=False)
        if nothing_audited(report):
            pytest.fail(f"{report}\nNothing was audited, so nothing is approved.", pytrace=False)
        return report

    def _program(self, path: str, settings: Settings) -> PresentedReport:
        from ae_audit.engine.discovery import discover

        beside = os.path.join(self._node.path.parent, path)
        found = beside if os.path.exists(beside) else path
        return audited(discover([shown(found)], settings), settings)


def audited(targets: Sequence[Any], settings: Settings) -> PresentedReport:
    """The report of an audit of files, with their sources."""
    from ae_audit.base.progress import Progress
    from ae_audit.engine import audit_files
    from ae_audit.source.text import Sources

    sources = Sources()
    report = audit_files(targets, settings, Progress(), sources)
    if settings.baseline is not None:
        from ae_audit.engine.baseline import read_baseline, without_known

        known = read_baseline(settings.baseline)
        report = without_known(report, settings.baseline, known, sources, [target.path for target in targets])
    return PresentedReport.of(report, sources)


def shown(path: str) -> str:
    """``path`` relative to the working folder where it lies below it."""
    relative = os.path.relpath(path)
    return path if relative.startswith(os.pardir) else relative


def properties(report: Report) -> list[tuple[str, object]]:
    """Name and text of each thing that JUnit files and the terminal's section tell of a report."""
    told: list[tuple[str, object]] = []
    told += [(f"{PROPERTY}{finding.severity.value}", _line(finding)) for finding in report.standing]
    told += [
        (f"{PROPERTY}undecided", f"{address(item.path, item.cell, item.line)}: {item.what}: {item.why}")
        for item in report.undecided
    ]
    told += [
        (f"{PROPERTY}failed", f"{address(error.path, error.cell, error.line)}: {error.stage} stage: {error.message}")
        for error in report.errors
    ]
    told.append((f"{PROPERTY}setups", str(len(report.setups))))
    return told


def write_section(terminal: pytest.TerminalReporter, told: Sequence[tuple[str, str]]) -> None:
    """The section: every finding once, the worst first; with ``-v`` also what was not decided."""
    from ae_audit.report.phrases import count

    by_name: dict[str, list[str]] = {}
    for name, text in told:
        by_name.setdefault(name, []).append(text)
    if not by_name.keys() - {"setups"}:
        return
    terminal.section("ae-audit")
    paint: dict[str, dict[str, bool]] = {"error": {"red": True}, "warning": {"yellow": True}, "info": {"cyan": True}}
    undecided, failed = by_name.get("undecided", []), by_name.get("failed", [])
    for severity in Severity:
        for text in by_name.get(severity.value, ()):
            terminal.write(f"{severity.value:<8}", **paint[severity.value])
            terminal.write_line(text)
    for text in failed:
        terminal.write_line(f"failed  {text}")
    for text in undecided if terminal.verbosity > 0 else ():
        terminal.write_line(f"undecided {text}")
    counts = [
        f"{len(by_name[name])} info" if name == "info" else count(len(by_name[name]), name)
        for name in ("error", "warning", "info")
        if name in by_name
    ]
    counts += [count(len(failed), "stage") + " failed"] if failed else []
    more = "" if terminal.verbosity > 0 else " (-v lists them)"
    counts += [f"{len(undecided)} not decided{more}"] if undecided else []
    terminal.write_line(", ".join(counts) + ".")


def _marked(mark: pytest.Mark) -> dict[str, Any]:
    if mark.args:
        raise UsageError(
            f"pytest.mark.ae_audit accepts named arguments only ({', '.join(MARK_ARGUMENTS)}); got {mark.args[0]!r}."
        )
    for name in mark.kwargs:
        if name not in MARK_ARGUMENTS:
            hint = did_you_mean(name, MARK_ARGUMENTS) or f" It accepts {', '.join(MARK_ARGUMENTS)}."
            raise UsageError(f"pytest.mark.ae_audit has no argument '{name}'.{hint}")
    return _checked(dict(mark.kwargs), "pytest.mark.ae_audit")


def _checked(arguments: dict[str, Any], subject: str) -> dict[str, Any]:
    """``arguments`` in the form that :class:`Settings` holds them."""
    from ae_audit.rules.registry import all_rules
    from ae_audit.settings.options import OPTIONS
    from ae_audit.settings.pyproject import checked
    from ae_audit.settings.selection import check_selectors

    options = {option.field: option for option in OPTIONS}
    chosen: dict[str, Any] = {}
    for name, value in arguments.items():
        where = f"{name} of {subject}"
        if name in {"select", "ignore"}:
            selectors = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
            chosen[name] = checked(options[name], list(selectors) if _is_plain(selectors) else value, where)
            check_selectors(chosen[name], all_rules(), where)
        else:
            plain = value.value if isinstance(value, Severity) else value
            chosen[name] = checked(options[name], plain, where)
    return chosen


def _is_plain(value: object) -> bool:
    return isinstance(value, Collection) and not isinstance(value, str | bytes)


def _live(
    model: Any, x: Any, y: Any, loss: Any, settings: Settings, optimizer: Any, batch_size: int, caller: Any
) -> PresentedReport:
    if x is None:
        raise UsageError("ae_audit() needs the data that the model is fed: ae_audit(model, x, loss=…).")
    from ae_audit.api import audit_at
    from ae_audit.schema.location import Location

    report = audit_at(
        Location(shown(caller.f_code.co_filename), caller.f_lineno),
        model,
        x,
        y,
        loss=loss,
        probe=settings.probe,
        select=settings.select,
        ignore=settings.ignore,
        optimizer=optimizer,
        batch_size=batch_size,
        seed=settings.seed,
    )
    return replace(report, findings=overridden(report.findings, settings))


def _line(finding: Finding) -> str:
    condition = f" (when {finding.condition})" if finding.condition is not None else ""
    return f"{finding.location}: {finding.code} {finding.name} [{finding.verdict.value}] {finding.message}{condition}"
