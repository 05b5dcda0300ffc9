"""The plugin costs nothing until it is used."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ae_audit.pytest_plugin.options import SWITCHES, VALUES
from ae_audit.settings.options import OPTIONS

from .conftest import Run

pytest_plugins = ["pytester"]


LOADED = [
    "ae_audit",
    "ae_audit.base",
    "ae_audit.base.version",
    "ae_audit.pytest_plugin",
    "ae_audit.pytest_plugin.hooks",
    "ae_audit.pytest_plugin.options",
]
"""what the plugin costs a session that does not use it"""


def test_importing_the_plugin_imports_nothing_of_the_audit() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import ae_audit.pytest_plugin.hooks\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == LOADED


def test_a_session_without_audits_imports_nothing_of_it(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makeconftest(
        "import sys\n\ndef pytest_unconfigure():\n"
        "    print('loaded:', *sorted(name for name in sys.modules if name.startswith(('ae_audit', 'numpy'))))\n"
    )
    pytester.makepyfile("def test_one():\n    pass\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "ae_audit.pytest_plugin.hooks"],
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # Zarr's, for one, imports NumPy
        capture_output=True,
        text=True,
        cwd=pytester.path,
        check=True,
    )
    loaded = next(line for line in done.stdout.splitlines() if line.startswith("loaded:"))
    assert loaded.split()[1:] == LOADED


def test_options_are_the_commands_own() -> None:
    flags = {option.key for option in OPTIONS if option.flag} | {"config", "isolated"}
    flags |= {f"no-{option.key}" for option in OPTIONS if option.negatable}
    assert {*VALUES, *SWITCHES} <= flags


def test_the_marker_is_registered_and_help_lists_the_options(pytester: pytest.Pytester, run: Run) -> None:
    run("--markers").stdout.fnmatch_lines(["@pytest.mark.ae_audit(select, ignore, fail_on, probe): *"])
    run("--help").stdout.fnmatch_lines(["ae-audit: *:", "*--ae-audit-select=RULES*"])
    run("--fixtures").stdout.fnmatch_lines(["ae_audit -- *"])
