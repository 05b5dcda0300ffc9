"""``pytest --ae-audit``: a test item for each model file and notebook, read and, only if asked for, run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from ae_audit.engine.discovery import SUFFIXES, AuditTarget, discover, excluded
from ae_audit.engine.gate import fails, nothing_audited
from ae_audit.pytest_plugin.session import audited, configured_of, properties, settings_of, shown
from ae_audit.report.display import PresentedReport

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any


class ModelFiles:
    """The part of the plugin that only a session with ``--ae-audit`` has."""

    def __init__(self, config: pytest.Config) -> None:
        self._settings = settings_of(config)
        self._configured = configured_of(config)

    def pytest_report_header(self) -> str:
        """What will happen to the files that are found."""
        return f"ae-audit: model files are {'run in the sandbox' if self._settings.run else 'read, never run'}"

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> ModelFile | None:
        """An item for a file that could hold a training, and for every file that is named."""
        named = parent.session.isinitpath(file_path)
        if file_path.suffix not in SUFFIXES:
            return None
        if not named and (excluded(str(file_path), self._configured) or not _may_train(file_path)):
            return None
        return ModelFile.from_parent(parent, path=file_path)

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makemodule(self, module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
        """Keep pytest from importing, and so from running, a program that is named in order to be audited."""
        patterns = parent.config.getini("python_files")
        if any(module_path.match(pattern) for pattern in patterns) or module_path.name == "__init__.py":
            return None
        return _NotATestModule.from_parent(parent, path=module_path)


class _NotATestModule(pytest.Module):
    def collect(self) -> list[pytest.Item | pytest.Collector]:
        return []


class ModelFile(pytest.File):
    """A program or notebook."""

    def collect(self) -> Iterator[ModelAudit]:
        yield ModelAudit.from_parent(self, name="ae-audit")


class ModelAudit(pytest.Item):
    """The audit of one file; fails where the command would exit with 1, or where the file cannot be read."""

    funcargs: Mapping[str, object] = MappingProxyType({})
    """none; hooks of other plugins (pytest-lsp 1.0) ask every item for them, and break a session where one has not"""

    def runtest(self) -> None:
        settings = settings_of(self.config)
        report = audited([self._target()], settings)
        self.user_properties += properties(report)
        unread = any(error.stage == "static" and error.path == shown(str(self.path)) for error in report.errors)
        if unread or report.broken or (fails(report, settings) and not settings.exit_zero):
            raise AuditFailed(report)
        if nothing_audited(report):
            pytest.skip("no training of a Keras or PyTorch model was found")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The report, without a traceback."""
        if isinstance(excinfo.value, AuditFailed):
            return str(excinfo.value.report)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, f"ae-audit: {shown(str(self.path))}"

    def _target(self) -> AuditTarget:
        configured = configured_of(self.config)
        (target,) = discover([shown(os.fspath(self.path))], configured)
        own = target.governed(configured.root)
        return AuditTarget(target.path, own.run and not own.static, target.project_root, settings=target.settings)


class AuditFailed(Exception):
    """The findings of one file stand at or above the asked severity."""

    def __init__(self, report: PresentedReport) -> None:
        super().__init__(str(report))
        self.report = report


def _may_train(path: Path) -> bool:
    from ae_audit.static.source.prefilter import may_train

    try:
        return may_train(path.read_bytes())
    except OSError:
        return True  # the item says why it cannot be read
