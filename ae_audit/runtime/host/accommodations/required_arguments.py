"""Arguments that a program's ``argparse`` asks for and that nobody gave: made up, where data are (``--stand-in``)."""

from __future__ import annotations

import argparse
import functools
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

_LACKING = "the following arguments are required: "
_SIZE = re.compile(r"size|width|height|dim|units|hidden|features|channels|length", re.IGNORECASE)
_PLACE = re.compile(r"path|dir|folder|file|root|data|input|output|csv|image", re.IGNORECASE)
_FEW, _SOME, _RATE = "2", "32", "0.01"


class _LackingError(Exception):
    """Raised in a parser's place of saying what is missing."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(*names)
        self.names = frozenset(names)


def fill_in(note: Callable[[str], None]) -> None:
    """Have each parser given values for what it requires; ``note`` hears which."""
    cls: Any = argparse.ArgumentParser
    parse, error = cls.parse_known_args, cls.error
    trying: list[Any] = []

    @functools.wraps(error)
    def say(parser: Any, message: str) -> Any:
        if parser in trying and message.startswith(_LACKING):
            raise _LackingError(message.removeprefix(_LACKING).split(", "))
        return error(parser, message)

    @functools.wraps(parse)
    def parse_known_args(parser: Any, args: Any = None, namespace: Any = None) -> Any:
        given = list(sys.argv[1:] if args is None else args)
        trying.append(parser)
        try:
            return parse(parser, given, namespace)
        except _LackingError as lacking:
            made = _made_up(parser._actions, lacking.names)
        finally:
            trying.remove(parser)
        note(f"required arguments were made up: {' '.join(made)} (--stand-in)")
        return parse(parser, [*given, *made], namespace)

    cls.parse_known_args, cls.error = parse_known_args, say


def _made_up(actions: Sequence[Any], names: frozenset[str]) -> list[str]:
    """Arguments for the actions that are named as in argparse's own message."""
    made: list[str] = []
    for action in actions:
        shown = "/".join(action.option_strings) or action.metavar or action.dest
        if shown not in names:
            continue
        count = action.nargs if isinstance(action.nargs, int) else 1
        made += [*action.option_strings[-1:], *[_value(action)] * count]
    return made


def _value(action: Any) -> str:
    if action.choices:
        return str(next(iter(action.choices)))
    if action.type is int:
        return _SOME if _SIZE.search(action.dest) else _FEW
    if action.type is float:
        return _RATE
    return "data" if _PLACE.search(action.dest) or action.type is None else _FEW
