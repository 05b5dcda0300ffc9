"""What the subcommands share: exit codes, progress, complaints, standard input."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from ae_audit.base.progress import Progress
    from ae_audit.engine.discovery import AuditTarget
    from ae_audit.settings.options import Settings

EXIT_OK, EXIT_FINDINGS, EXIT_USAGE, EXIT_NOTHING_AUDITED, EXIT_INTERRUPTED = 0, 1, 2, 3, 130


def progress_of(settings: Settings) -> Progress:
    """What tells the user what goes on, as standard error can show it."""
    import os

    from ae_audit.base.progress import LineProgress, Progress, TerminalProgress

    if settings.quiet:
        return Progress()
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        import shutil

        return TerminalProgress(sys.stderr, shutil.get_terminal_size().columns)
    if settings.verbose or os.environ.get("CI"):  # a job that is silent for minutes looks as if it hung
        return LineProgress(sys.stderr, reading=settings.verbose)
    return Progress()


def say(sentence: str) -> None:
    """One sentence on standard error."""
    shown = "".join(char if char.isprintable() else "?" for char in sentence)
    try:
        sys.stderr.write(f"ae-audit: {shown}\n")
    except OSError:  # nobody to tell
        return


def standard_input() -> bytes:
    """What comes through standard input.

    Raises:
        UsageError: if it is closed, or more than a source file may have.
    """
    from ae_audit.base.errors import UsageError
    from ae_audit.source.text import MOST_BYTES

    if sys.stdin is None:
        raise UsageError("Standard input is closed, so - stands for nothing.")
    source = sys.stdin.buffer.read(MOST_BYTES + 1)
    if len(source) > MOST_BYTES:
        raise UsageError(f"Standard input holds more than {MOST_BYTES >> 20} MiB, which no program has.")
    return source


def cleaned_up(targets: Sequence[AuditTarget]) -> AbstractContextManager[None]:
    """While a program runs, a signal to end ends its processes first."""
    from contextlib import nullcontext

    if not any(target.run for target in targets):
        return nullcontext()
    from ae_audit.cli.ends import cleaning_up

    return cleaning_up()
