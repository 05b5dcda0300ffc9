"""The first of ae-audit that a command runs: Ctrl-C ends it in silence while all the rest is being imported."""

import _signal  # type: ignore[import-not-found]  # `signal` makes enumerations of it, for which it is too early
import os

_INTERRUPTED = 130
"""128 and the number of the signal, as :data:`ae_audit.cli.common.EXIT_INTERRUPTED`, which is not imported yet"""


def run() -> None:
    """The command as a whole process (:func:`ae_audit.cli.command.run`)."""
    usual = _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler  # else whoever started us has it ignored
    if usual:
        _signal.signal(_signal.SIGINT, lambda *_: os._exit(_INTERRUPTED))
    from ae_audit.cli.command import run as command

    command(interruptible=usual)
