"""What a program's own failure says of the data that it was given instead of its own: their width, names and number.

Made-up data suit what a program writes of its model; what it only computes shows when it runs. A program that fails on
them before it trains has then told how they should have been, and is given others.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ae_audit.runtime.stand_ins.shape_clues import USUAL_SIDE

SAMPLES = 512
"""of an array or rows of a table: a few batches of the usual sizes"""
MOST_ROWS = 20_000
"""of a table that is made longer: enough for what programs cut off by number, and quick to make"""
LONG = 4_096
"""rows where a program kept none of the usual number"""
MOST_LABELLED = 2_000_000
"""rows of a table that a program takes by their numbers"""
MOST_COLUMNS = 5_000
_MOST_NAMES = 64


@dataclass(frozen=True, slots=True)
class Lessons:
    """What was learnt."""

    columns: int = 0
    """how many more a table should have; negative: fewer"""
    rows: int = 0
    """how many samples there should be; 0: as many as there are by default"""
    names: tuple[str, ...] = ()
    """columns and arrays that were asked for"""
    prose: bool = False
    """whether columns that are named hold text"""
    all_prose: bool = False
    """whether columns that are not named do, too"""
    numbers: bool = False
    """whether no column that is named holds text, whatever its name"""
    there: bool = False
    """whether files of data look existing to a program that asks before it reads"""
    picture: tuple[int, int, int] | None = None
    """height, width and channels of pictures, where the program writes no shape"""

    def to_request(self) -> dict[str, Any]:
        """As it is sent to the child."""
        return asdict(self)

    @classmethod
    def from_request(cls, sent: dict[str, Any] | None) -> Lessons:
        """As the child was sent it."""
        if not sent:
            return cls()
        picture = sent.get("picture")
        return cls(**{**sent, "names": tuple(sent["names"]), "picture": None if picture is None else tuple(picture)})

    def learnt(self, sentence: str) -> Lessons | None:
        """What a failure teaches besides; None where that is nothing new.

        Args:
            sentence: ``ValueError at line 12, raised by keras 3.15.1: …``.
        """
        kind = sentence.partition(" ")[0].rstrip(":")
        rows = self.rows or SAMPLES
        for pattern, learn in _PATTERNS:
            found = pattern.search(sentence)
            learnt = None if found is None else learn(self, [part or "" for part in found.groups()], rows)
            if learnt is not None and learnt != self and abs(learnt.columns) < MOST_COLUMNS:
                return learnt
        attribute = _COLUMN.search(sentence) if kind == "AttributeError" else None
        names = _asked_for(sentence) if kind == "KeyError" else [] if attribute is None else [attribute[1]]
        new = [name for name in names if name not in self.names]
        more = len(new) and len(self.names) + len(new) <= _MOST_NAMES
        return replace(self, names=(*self.names, *new)) if more else None


def _width(wanted: int, given: int) -> Callable[[Lessons, Sequence[str], int], Lessons | None]:
    """The places of two numbers in a message: columns that are wanted, and those that were given."""

    def learn(so_far: Lessons, parts: Sequence[str], rows: int) -> Lessons | None:
        return replace(so_far, columns=so_far.columns + int(parts[wanted]) - int(parts[given]))

    return learn


def _features(so_far: Lessons, parts: Sequence[str], rows: int) -> Lessons | None:
    """Values of a sample that a layer was given, and those that it takes: columns of a table, or a picture's pixels."""
    given, wanted = map(int, parts)
    if given != math.prod(_USUAL_PICTURE) or so_far.picture is not None:
        return replace(so_far, columns=so_far.columns + wanted - given)
    channels = next((number for number in (1, 3) if math.isqrt(wanted // number) ** 2 * number == wanted), 0)
    side = math.isqrt(wanted // channels) if channels else 0
    return replace(so_far, picture=(side, side, channels)) if side > 1 else None


def _channels(so_far: Lessons, parts: Sequence[str], rows: int) -> Lessons | None:
    """Channels of pictures that a convolution takes, where it was given three."""
    wanted, given = map(int, parts)
    height, width, before = so_far.picture or _USUAL_PICTURE
    usable = wanted in (1, 3) and given == before
    return replace(so_far, picture=(height, width, wanted)) if usable else None


def _labelled(so_far: Lessons, parts: Sequence[str], rows: int) -> Lessons | None:
    """Rows by their numbers that there are not: a table that may be long, as it is told apart by nothing else."""
    wanted = max((int(number) for number in re.findall(r"\d+", " ".join(parts))), default=0)
    return replace(so_far, rows=min(2 * wanted, MOST_LABELLED)) if rows <= wanted <= MOST_LABELLED else None


def _multiple(so_far: Lessons, parts: Sequence[str], rows: int) -> Lessons | None:
    """Values that are to be cut into pieces: so many rows more that they can be."""
    shape, size = (parts[0], parts[1]) if "," in parts[0] or not parts[1].strip().startswith("(") else parts[::-1]
    piece = math.prod(int(number) for number in re.findall(r"(?<![-\d])\d+", shape))
    values = int(re.sub(r"\D", "", size) or 0)
    lacking = -values % piece if piece else 0
    return replace(so_far, rows=rows + lacking) if 0 < lacking < MOST_ROWS - rows else None


def _beyond(so_far: Lessons, parts: Sequence[str], rows: int) -> Lessons | None:
    """A row that there is not: so many that there are some after it, too."""
    wanted = next((int(part) for part in parts if part), LONG)
    return replace(so_far, rows=min(2 * wanted, MOST_ROWS)) if rows <= wanted < MOST_ROWS else None


def _column(so_far: Lessons, parts: Sequence[str], rows: int) -> Lessons | None:
    """A column that there is not, beside those that the model takes: the target, most often."""
    wanted, given = map(int, parts)
    return replace(so_far, columns=so_far.columns + wanted + 1 - given)


def _longer(so_far: Lessons, parts: Sequence[str], rows: int) -> Lessons | None:
    """None were left."""
    return replace(so_far, rows=LONG) if rows < LONG else None


def _there(so_far: Lessons, parts: Sequence[str], rows: int) -> Lessons | None:
    return replace(so_far, there=True)


def _text(so_far: Lessons, parts: Sequence[str], rows: int) -> Lessons | None:
    """Words, in columns that are named; where they are there already, in the others."""
    return replace(so_far, prose=True, all_prose=so_far.prose) if not so_far.numbers else None


def _no_text(so_far: Lessons, parts: Sequence[str], rows: int) -> Lessons | None:
    return replace(so_far, numbers=True) if not so_far.prose else None


NOTHING = Lessons()
_USUAL_PICTURE = (USUAL_SIDE, USUAL_SIDE, 3)
"""as pictures are made for a program that writes no shape"""
_COLUMN = re.compile(r"'DataFrame' object has no attribute '(\w+)'")

_FOR_WANT = r"(?:FileNotFoundError|OSError|RuntimeError|Exception) at line \d+(?: of cell \d+)?"
"""an error that the program itself raises"""
_PATTERNS: tuple[tuple[re.Pattern[str], Callable[[Lessons, Sequence[str], int], Lessons | None]], ...] = (
    (re.compile(r"to have value (\d+), but received input with shape \((?:[^)]*, )?(\d+)\)"), _width(0, 1)),
    (re.compile(r"mat1 and mat2 shapes cannot be multiplied \(\d+x(\d+) and (\d+)x\d+\)"), _features),
    (re.compile(r"to have (\d+) channels, but got (\d+) channels instead"), _channels),
    (re.compile(r"^KeyError at [^:]*: .*?\[((?:\d+,? ?)+)(?:\.\.\.|\]).*(?:not in index|in the \[index\])"), _labelled),
    (re.compile(r"X has (\d+) features, but \w+ is expecting (\d+) features"), _width(1, 0)),
    (re.compile(r"Expected axis has (\d+) elements, new values have (\d+) elements"), _width(1, 0)),
    (re.compile(r"shape '(\[[-\d, ]+\])' is invalid for input of size (\d+)"), _multiple),
    (re.compile(r"cannot reshape array of size (\d+) into shape (\([-\d, ]+\))"), _multiple),
    (re.compile(r"index (\d+) is out of bounds for (?:axis|dimension) 0 with size \d+"), _beyond),
    (re.compile(r"index (\d+) is out of bounds for (?:axis|dimension) 1 with size (\d+)"), _column),
    (re.compile(r"single positional indexer is out-of-bounds"), _longer),
    (
        re.compile(r"n_samples=0|0 sample\(s\)|0 samples|zero-size array|need at least one array to (?:conc|st)"),
        _longer,
    ),
    (re.compile(r"'(?:float|int|numpy\.\w+)' object has no attribute '(?:lower|split|strip|replace|upper)'"), _text),
    (
        re.compile(r"expected string or bytes-like object|argument of type '(?:numpy\.)?float\d*' is not iterable"),
        _text,
    ),
    (re.compile(r"could not convert string to float"), _no_text),
    (re.compile(r"^AssertionError at line \d+(?: of cell \d+)?(?:: .*(?:exist|found|missing|path|file))?$"), _there),
    (re.compile(r"^AssertionError at line \d+(?: of cell \d+)?: .*(?:not exist|not (?:be )?found|missing)"), _there),
    (re.compile(rf"^{_FOR_WANT}: (?!\[Errno).*(?:not (?:be )?f[io]u?nd|not exist|missing)"), _there),
)


def _asked_for(sentence: str) -> list[str]:
    """Names that a table was asked for in vain."""
    asked = sentence.partition(": ")[2].strip()
    listed = re.search(r"\[[^\]]*\]", asked)
    index = re.search(r"Index\(\[(.*?)(?:\], dtype|$)", asked, re.DOTALL)
    if index is not None:
        return re.findall(r"'([^']+)'", index[1])
    for text in (asked, listed.group() if listed else ""):
        try:
            value = ast.literal_eval(text)
        except (SyntaxError, ValueError):
            continue
        if isinstance(value, list) or (isinstance(value, str) and not value.startswith(("[", "None of", "Index"))):
            names = value if isinstance(value, list) else [value]
            return [name for name in names if isinstance(name, str) and name]
        if isinstance(value, str) and (inner := re.search(r"\[[^\]]*\]", value)):
            return re.findall(r"'([^']+)'", inner.group())
    return []
