"""The options of the pytest plugin, and the arguments of the command that they stand for."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from collections.abc import Sequence

    import pytest

VALUES = {
    "select": "RULES",
    "extend-select": "RULES",
    "ignore": "RULES",
    "fail-on": "SEVERITY",
    "timeout": "SECONDS",
    "seed": "N",
    "device": "DEVICE",
    "baseline": "FILE",
    "config": "FILE",
}
"""options of the command that pytest has too, as ``--ae-audit-KEY`` and in its configuration as ``ae_audit_KEY``"""
SWITCHES = ("static", "no-probe", "fail-on-undecided", "isolated")
PROPERTY = "ae_audit."
"""begins the names of the properties by which results reach JUnit files and, from xdist's workers, the terminal"""


def add_options(parser: pytest.Parser) -> None:
    """Declare the options, under the names that the command has."""
    group = parser.getgroup("ae-audit", "ae-audit: output activation, loss and data of your models")
    group.addoption("--ae-audit", action="store_true", default=None, help="audit model files and notebooks too")
    group.addoption("--ae-audit-run", action="store_true", default=None, help="run those files, in the sandbox")
    parser.addini("ae_audit", "as --ae-audit", type="bool", default=False)
    for key, metavar in VALUES.items():
        words = f"as --{key} of the command ae-audit"
        group.addoption(f"--ae-audit-{key}", metavar=metavar, help=words)
        parser.addini(f"ae_audit_{key.replace('-', '_')}", words)
    for key in SWITCHES:
        words = f"as --{key} of the command ae-audit"
        group.addoption(f"--ae-audit-{key}", action="store_true", default=None, help=words)
        parser.addini(f"ae_audit_{key.replace('-', '_')}", words, type="bool", default=False)


def check_option(argument: str) -> None:
    """Make sure that ``argument``, which begins like our options, is one of them.

    Raises:
        pytest.UsageError: with what was probably meant.
    """
    flag = argument.partition("=")[0]
    known = ["--ae-audit", "--ae-audit-run", *(f"--ae-audit-{key}" for key in (*VALUES, *SWITCHES))]
    if flag not in known:
        import pytest

        from ae_audit.base.errors import did_you_mean

        raise pytest.UsageError(f"unknown option '{flag}'.{did_you_mean(flag, known)}")


def flags(config: pytest.Config) -> Sequence[str]:
    """The command's arguments for what the options and the ini file ask for; options win."""
    arguments: list[str] = []
    for key in VALUES:
        name = f"ae_audit_{key.replace('-', '_')}"
        value = config.getoption(name)
        value = config.getini(name) if value is None else value
        if value:
            arguments.append(f"--{key}={value}")
    for key in SWITCHES:
        name = f"ae_audit_{key.replace('-', '_')}"
        if config.getoption(name) or config.getini(name):
            arguments.append(f"--{key}")
    return arguments
