"""The GitHub action: its inputs, handed over in the environment, become a command line.

``python -m ae_audit.cli.github_action`` reads ``AUDIT_PATHS``, ``AUDIT_ARGS``, ``AUDIT_SARIF`` and ``AUDIT_ISOLATED``.
Inputs never pass through a shell, so that no path can become a command.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence

from ae_audit.base.errors import UsageError

_FROM_OTHERS = frozenset({"pull_request", "pull_request_target"})
"""events whose configuration a contributor may have written"""


def command_line(inputs: Mapping[str, str]) -> list[str]:
    """The arguments of the command, given the action's environment.

    A block of several lines names one path a line, spaces and all; a single line is split as a shell would split it.

    Raises:
        UsageError: for a quote that is never closed, or an ``isolated`` that is none of ``auto``, ``true``, ``false``.
    """
    options = ["--output-format", "github", *_words("args", inputs.get("AUDIT_ARGS", ""))]
    isolated = inputs.get("AUDIT_ISOLATED", "").strip().lower() or "auto"
    if isolated not in {"auto", "true", "false"}:
        raise UsageError(f"isolated: {isolated!r} is none of auto, true, false.")
    chosen = any(option == "--isolated" or option.partition("=")[0] == "--config" for option in options)
    wanted = isolated == "true" or (isolated == "auto" and inputs.get("GITHUB_EVENT_NAME") in _FROM_OTHERS)
    if wanted and not chosen:
        options.append("--isolated")
    if inputs.get("GITHUB_EVENT_NAME") in _FROM_OTHERS and "--untrusted" not in options:
        options.append("--untrusted")
    if inputs.get("AUDIT_SARIF"):
        options += ["--sarif-output", inputs["AUDIT_SARIF"]]
    return [*options, "--", *_paths(inputs.get("AUDIT_PATHS", ""))]


def _paths(text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return [os.curdir]
    return lines if len(lines) > 1 else _words("paths", lines[0])


def _words(name: str, text: str) -> list[str]:
    posix = os.name != "nt"  # on Windows a backslash separates folders
    try:
        words = shlex.split(text, posix=posix)
    except ValueError:
        raise UsageError(f"{name}: a quote in {text!r} is never closed.") from None
    return words if posix else [word.strip("\"'") for word in words]


def main(inputs: Mapping[str, str] | None = None) -> int:
    """Run the command as the action asks for it; the exit code is the command's."""
    from ae_audit.cli.command import main as audit

    try:
        arguments: Sequence[str] = command_line(os.environ if inputs is None else inputs)
    except UsageError as error:
        print(f"::error title=ae-audit::{error}")
        return 2
    return audit(list(arguments))


if __name__ == "__main__":
    sys.exit(main())
