"""What there is to look at in one training: how the target lies over what the head can reach, and samples as pictures.

Small on purpose: they travel from the child to the report, and a page of many of them stays below a megabyte.
"""

from __future__ import annotations

import math
from enum import Enum

from ae_audit.base.records import dataclass, replace

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from collections.abc import Sequence

MOST_BINS = 64
MOST_COLUMNS = 8
MOST_ROWS = 8
MOST_SIDE = 64
"""values along the height and the width of a picture"""


class Counted(Enum):
    """What a histogram counts."""

    VALUES = "values"
    """each value of the target for itself"""
    SUMS = "sums"
    """the sum of each target vector, where the outputs are tied to sum to 1"""
    CLASSES = "classes"
    """class indices, one bin for each class where there are few"""


@dataclass(frozen=True, slots=True)
class Histogram:
    """The target over what the output layer can reach, in the target's unit.

    The bins are equally wide from ``low`` to ``high``; ``reach_low`` and ``reach_high`` may be infinite, and lie beyond
    the bins. ``outside`` is the share that no weights reach, in [0, 1].
    """

    counted: Counted
    low: float
    high: float
    counts: tuple[int, ...]
    reach_low: float
    reach_high: float
    outside: float


class Kind(Enum):
    """As what a sample is drawn."""

    IMAGE = "image"
    MASK = "mask"
    """of class indices"""
    SIGNAL = "signal"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Row:
    """One way of looking at the samples: ``target``, ``as written``, ``error`` …

    ``pictures`` holds one text a column: the values of the picture, a byte each (height, width, channels, the last
    running fastest), in hexadecimal digits.
    """

    name: str
    pictures: tuple[str, ...]
    channels: int = 1


@dataclass(frozen=True, slots=True)
class Gallery:
    """A few samples and what the program makes of them; a row for each way, a column for each sample.

    A byte of 0 is ``low`` and one of 255 is ``high``, in the target's unit, of a mask the byte is the class; of a row
    of errors 0 is none, and 255 the whole span. A signal and a table have height 1.
    """

    kind: Kind
    height: int
    width: int
    low: float
    high: float
    columns: tuple[float, ...]
    """error of each sample under the program as written: the mean squared one over the target's variance; none where
    there is no prediction"""
    rows: tuple[Row, ...]
    samples: int = 0
    """from which the columns were chosen"""
    note: str = ""
    """what was left out to make pictures of them"""


@dataclass(frozen=True, slots=True)
class Sight:
    """What there is to look at in one set-up; None where there is nothing of the kind."""

    histogram: Histogram | None = None
    gallery: Gallery | None = None


LONGEST_NAME = 200
_ALIKE = 1
"""of 255: by so much the bytes of one sample may differ, in two fits on data of two scales"""
_HEX = frozenset("0123456789abcdef")


def side_by_side(named: Sequence[tuple[str, Gallery]]) -> Gallery | None:
    """One gallery of several, each of a target's row and one other, which gets the name beside it.

    The first decides on the samples; others are left out that show other samples, or do not fit on the page.
    """
    if not named:
        return None
    first = named[0][1]
    rows = [first.rows[0]]
    for name, gallery in named[: MOST_ROWS - 1]:
        if _is_of_the_same(gallery, first):
            rows.append(replace(gallery.rows[1], name=name))
    return replace(first, rows=tuple(rows))


def _is_of_the_same(gallery: Gallery, first: Gallery) -> bool:
    if (gallery.kind, gallery.height, gallery.width) != (first.kind, first.height, first.width):
        return False
    ours, theirs = ("".join(one.rows[0].pictures) for one in (gallery, first))
    pairs = zip(bytes.fromhex(ours), bytes.fromhex(theirs), strict=True) if len(ours) == len(theirs) else None
    return pairs is not None and all(abs(a - b) <= _ALIKE for a, b in pairs)


def can_be_drawn(sight: Sight) -> bool:
    """Whether everything in it keeps to the bounds, and fits together: it may come from a stranger's process."""
    histogram, gallery = sight.histogram, sight.gallery
    return (histogram is None or _is_histogram(histogram)) and (gallery is None or _is_gallery(gallery))


def _is_histogram(seen: Histogram) -> bool:
    return (
        math.isfinite(seen.low)
        and math.isfinite(seen.high)
        and seen.low < seen.high
        and seen.reach_low <= seen.reach_high  # false for NaN
        and 0.0 <= seen.outside <= 1.0
        and 0 < len(seen.counts) <= MOST_BINS
        and all(0 <= count < 1 << 53 for count in seen.counts)
    )


def _is_gallery(shown: Gallery) -> bool:
    flat = shown.kind in {Kind.SIGNAL, Kind.TABLE}
    columns = len(shown.rows[0].pictures) if shown.rows else 0
    return (
        0 < len(shown.rows) <= MOST_ROWS
        and 0 < columns <= MOST_COLUMNS
        and len(shown.columns) in {0, columns}
        and not any(math.isnan(error) for error in shown.columns)
        and 0 < shown.height <= (1 if flat else MOST_SIDE)
        and 0 < shown.width <= MOST_SIDE
        and math.isfinite(shown.low)
        and math.isfinite(shown.high)
        and 0 <= shown.samples < 1 << 53
        and len(shown.note) <= LONGEST_NAME
        and all(_is_row(row, columns, shown.height * shown.width, flat) for row in shown.rows)
    )


def _is_row(row: Row, columns: int, size: int, flat: bool) -> bool:
    return (
        len(row.name) <= LONGEST_NAME
        and row.channels in ({1} if flat else {1, 3})
        and len(row.pictures) == columns
        and all(len(one) == 2 * size * row.channels and _HEX.issuperset(one) for one in row.pictures)
    )
