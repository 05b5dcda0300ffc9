"""The errors that users see: one tree, so that callers catch one class.

The text of each is one or two sentences for the user: what is wrong, where, and what was probably meant.
"""

from __future__ import annotations

import os
from collections.abc import Iterable


class AuditError(Exception):
    """Base of every error that ``ae-audit`` raises on purpose."""


class UsageError(AuditError):
    """The command, its configuration or its paths are wrong; the command line exits with 2."""


class FindingsError(AuditError, AssertionError):
    """Findings stand at or above the asked severity; the text is the report."""


class AuditWarning(UserWarning):
    """What is told of a training while it runs: its findings, and why it could not be watched."""


def did_you_mean(word: str, known: Iterable[str], folder: str = "") -> str:
    """``" Did you mean 'select'?"`` where something in ``known`` is close to ``word``, else an empty string.

    Of names in a ``folder``, which is no part of the comparison, the whole path is told.
    """
    from difflib import SequenceMatcher, get_close_matches

    wanted = word.casefold()
    names = {name.casefold(): name for name in known}

    def likeness(name: str) -> tuple[float, int]:
        same_places = sum(a == b for a, b in zip(name, wanted, strict=False))  # AE1O1 is AE101, as near as AE211 is
        return SequenceMatcher(None, name, wanted).ratio(), same_places

    close = max(get_close_matches(wanted, list(names), n=5, cutoff=0.6), key=likeness, default=None)
    return f" Did you mean '{os.path.join(folder, names[close])}'?" if close is not None else ""


def own_failure(error: BaseException) -> str:
    """The sentence that tells of a failure of ae-audit itself, with the place in its own source."""
    text = " ".join(str(error).split())[:300]
    place, trace = "", error.__traceback__
    while trace is not None:
        path = trace.tb_frame.f_code.co_filename.replace("\\", "/")
        if "/ae_audit/" in path:
            place = f" at {path.rpartition('/ae_audit/')[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"ae-audit itself failed here ({type(error).__name__}: {text}{place}); please report it."
