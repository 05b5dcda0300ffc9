"""Into how many names a program takes apart what it reads: ``(x, y), (x_test, y_test) = pickle.load(file)``.

The byte code after the call tells: it is all that Python itself goes by.
"""

from __future__ import annotations

import dis
import linecache
from collections.abc import Iterator
from types import FrameType

Parts = tuple["str | Parts", ...]
"""names, in the tuples in which they stand"""


def unpacked_by(frame: FrameType) -> Parts:
    """The names that take the result of the call in which ``frame`` is; none where it is not taken apart at once."""
    every = dis.get_instructions(frame.f_code)
    after = (one for one in every if one.offset > frame.f_lasti and one.opname not in {"CACHE", "EXTENDED_ARG"})
    first = next(after, None)
    if first is None or first.opname != "UNPACK_SEQUENCE":
        return ()
    stored = _stored(after)
    try:
        return _taken(first.arg or 0, stored)
    except StopIteration:  # into an attribute or an element
        return ()


def line_of(frame: FrameType | None) -> str:
    """The line of the program that ``frame`` is at; empty where nobody has its text."""
    return "" if frame is None else linecache.getline(frame.f_code.co_filename, frame.f_lineno)


def _stored(after: Iterator[dis.Instruction]) -> Iterator[str | int]:
    """Names that are stored to, and the lengths of what is taken apart further, up to anything else."""
    for one in after:
        if one.opname == "UNPACK_SEQUENCE":
            yield one.arg or 0
        elif one.opname == "STORE_FAST_STORE_FAST":  # Python 3.13
            yield from one.argval
        elif one.opname == "STORE_FAST_LOAD_FAST":
            yield one.argval[0]
            return
        elif one.opname.startswith("STORE_") and isinstance(one.argval, str) and one.opname != "STORE_ATTR":
            yield one.argval
        else:
            return


def _taken(count: int, stored: Iterator[str | int]) -> Parts:
    """The next ``count`` parts.

    Raises:
        StopIteration: if there are not so many.
    """
    parts: list[str | Parts] = []
    for _ in range(count):
        part = next(stored)
        parts.append(part if isinstance(part, str) else _taken(part, stored))
    return tuple(parts)
