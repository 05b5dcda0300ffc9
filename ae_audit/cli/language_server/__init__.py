"""``ae-audit server``: the language server, which shows in an editor what reading finds, and proves it when asked to.

The user's code never runs in it. Reading happens on a thread of its own; a proof is the command ``ae-audit`` itself, in
a process of its own with its sandbox.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ae_audit.base.errors import UsageError

_HELP = """\
usage: ae-audit server

The language server for editors, on standard input and output: findings while you type, what is known of the data
under the pointer, fixes, and `Prove it`, which runs the program in the sandbox.
"""


def serve(arguments: Sequence[str]) -> int:
    """Serve an editor until it says that it is done; returns the exit code.

    Raises:
        UsageError: for an argument that means nothing here, and where pygls is not installed.
    """
    if arguments in (["-h"], ["--help"]):
        sys.stdout.write(_HELP)
        return 0
    if arguments not in ([], ["--stdio"]):  # editors that know several ways of talking say which one they mean
        raise UsageError(f"ae-audit server talks on standard input and output; '{arguments[0]}' means nothing to it.")
    try:
        from ae_audit.cli.language_server.server import make_server
    except ModuleNotFoundError as error:
        if error.name not in {"pygls", "lsprotocol"}:
            raise
        raise UsageError("ae-audit server needs pygls, which is not installed: pip install 'pygls>=2'.") from None
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as out:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what anything prints would be taken for a message
        make_server().start_io(sys.stdin.buffer, out)
    return 0
