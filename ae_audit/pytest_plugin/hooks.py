"""The pytest plugin: the fixture and the marker ``ae_audit``, and ``pytest --ae-audit``, which audits model files.

Every pytest run of an environment imports this module, so nothing of ae-audit is imported before it is used.
"""

from __future__ import annotations

import pytest

from ae_audit.pytest_plugin.options import PROPERTY, add_options, check_option, flags

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.pytest_plugin.session import ModelAuditor

_MARKER = "ae_audit(select, ignore, fail_on, probe): how the fixture ae_audit judges in this test"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options, under the names that the command has."""
    add_options(parser)


def pytest_load_initial_conftests(args: list[str]) -> None:
    """Suggest what was meant by a misspelt option of ours, which pytest would only call unrecognized."""
    for argument in args:
        if argument.startswith("--ae-"):
            check_option(argument)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker; look for model files only where that is asked for."""
    config.addinivalue_line("markers", _MARKER)
    given = flags(config)
    wanted = bool(config.getoption("ae_audit") or config.getini("ae_audit"))
    if not wanted and config.getoption("ae_audit_run"):
        raise pytest.UsageError("--ae-audit-run runs the files that --ae-audit finds; give that too.")
    if not (wanted or given):
        return
    from ae_audit.pytest_plugin.session import settings_of

    settings_of(config)  # a wrong value is told before anything is collected
    if wanted:
        from ae_audit.pytest_plugin.items import ModelFiles

        config.pluginmanager.register(ModelFiles(config), "ae-audit-files")


@pytest.fixture(name="ae_audit")
def _ae_audit(request: pytest.FixtureRequest) -> ModelAuditor:
    """Audit a model with its data, ``ae_audit(model, x, y, loss=...)``, or a program, ``ae_audit("model.py")``.

    Fails the test with the report as its message if there is an error; otherwise returns the report.
    """
    from ae_audit.pytest_plugin.session import ModelAuditor

    return ModelAuditor(request.node)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Make sure that the arguments of every marker make sense, before any test runs."""
    for item in items:
        for mark in item.iter_markers("ae_audit"):
            from ae_audit.pytest_plugin.session import check_mark

            check_mark(mark, item)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One section over all audits, the worst first; nothing where nothing was audited."""
    told: dict[tuple[str, str], None] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if name.startswith(PROPERTY):
                    told[name.removeprefix(PROPERTY), value] = None
    if told:
        from ae_audit.pytest_plugin.session import write_section

        write_section(terminalreporter, list(told))
