"""Drawings as SVG, by hand: each has a title and a text, needs no style sheet, and is read without its colours.

Words take the colour of the page around them (``currentColor``). Marks have colours of medium lightness, which stand
out from a light ground as from a dark one; what a colour says is said by a dash, a hatching or a word as well.
Nothing here is a ``style`` attribute, so that a strict content security policy leaves the drawings as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from enum import Enum
from html import escape
from itertools import groupby, pairwise

from ae_audit.base.records import dataclass
from ae_audit.report.text_layout import Page

LETTER = 0.62
"""mean width of a letter, in units of the font's size"""
SIZE = 13
"""of the letters"""


class Tone(Enum):
    """What a mark stands for: its colour, the dash of its line, and the class under which a sheet knows it."""

    BAD = ("#d9483b", "", "bad")
    GOOD = ("#2b9655", "7 3", "good")
    FIRST = ("#3b82d6", "2 3", "first")
    SECOND = ("#b9770e", "9 3 2 3", "second")
    PLAIN = ("#808080", "", "plain")

    @property
    def colour(self) -> str:
        return self.value[0]

    @property
    def dash(self) -> str:
        """Of a line, as SVG has it; empty for an unbroken one."""
        return self.value[1]


def safe(text: str) -> str:
    """Text as a page may hold it: markup escaped, and what steers a terminal or turns the reading direction shown."""
    return escape(Page().clean(text).replace("\n", " "))


def number(value: float) -> str:
    """A coordinate, as short as it can be."""
    return (
        f"{value:.1f}".removesuffix(".0").replace("-0", "0") if abs(value) < 0.05 else f"{value:.1f}".removesuffix(".0")
    )


def drawing(title: str, told: str, width: float, height: float, body: str, *, name: str = "") -> str:
    """An ``<svg>`` of that size with its title and text; ``name`` is its class."""
    kind = f' class="{name}"' if name else ""
    return (
        f'<svg{kind} viewBox="0 0 {number(width)} {number(height)}" width="{number(width)}" height="{number(height)}" '
        f'font-family="system-ui,sans-serif" font-size="{SIZE}" fill="currentColor" role="img">'
        f"<title>{safe(title)}</title><desc>{safe(told)}</desc>{body}</svg>"
    )


def words(x: float, y: float, text: str, *, anchor: str = "", bold: bool = False, name: str = "") -> str:
    """A ``<text>``."""
    more = (f' text-anchor="{anchor}"' if anchor else "") + (' font-weight="bold"' if bold else "")
    more += f' class="{name}"' if name else ""
    return f'<text x="{number(x)}" y="{number(y)}"{more}>{safe(text)}</text>\n'


def room_for(text: str, size: float = SIZE) -> float:
    """About how wide ``text`` is."""
    return LETTER * size * len(text)


def line(
    x1: float, y1: float, x2: float, y2: float, tone: Tone = Tone.PLAIN, *, width: float = 1, dash: str = ""
) -> str:
    """A straight line in the tone's colour."""
    more = f' stroke-dasharray="{dash}"' if dash else ""
    at = f'x1="{number(x1)}" y1="{number(y1)}" x2="{number(x2)}" y2="{number(y2)}"'
    return f'<line {at} stroke="{tone.colour}" stroke-width="{number(width)}"{more}/>'


def polyline(points: Iterable[tuple[float, float]], tone: Tone, *, width: float = 2, faint: bool = False) -> str:
    """A line through ``points`` in the tone's colour and dash."""
    at = " ".join(f"{number(x)},{number(y)}" for x, y in points)
    more = f' stroke-dasharray="{tone.dash}"' if tone.dash else ""
    more += ' stroke-opacity=".45"' if faint else ""
    return f'<polyline fill="none" stroke="{tone.colour}" stroke-width="{number(width)}"{more} points="{at}"/>'


def rectangle(x: float, y: float, width: float, height: float, fill: str, more: str = "") -> str:
    """A filled rectangle; ``more`` are further attributes."""
    size = f'x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}"'
    return f'<rect {size} fill="{fill}"{more}/>'


# Pictures of samples ------------------------------------------------------------------------------------------------

GREYS = 24
"""levels of a grey picture: more are not told apart at its size"""
COLOUR_LEVELS = 11
"""of each of red, green and blue"""
_CLASSES = ("#111", "#e6a817", "#3b82d6", "#2b9655", "#d9483b", "#9b59d0", "#16a2b8", "#ddd")
"""of a mask, in the order of the classes; a class beyond them begins anew"""


def pixels(values: bytes, height: int, width: int, channels: int = 1, *, classes: bool = False) -> str:
    """An image as paths, one for each colour: crisp at every size, and short, since neighbours are mostly alike.

    Args:
        values: one byte each: height, width, channels, the last running fastest.
        height: in pixels.
        width: in pixels.
        channels: 1 for grey, 3 for red, green and blue.
        classes: whether the bytes are class indices.

    Returns:
        What goes into a drawing of ``width`` × ``height`` units.
    """
    colours = [_colour(values[at : at + channels], classes) for at in range(0, height * width * channels, channels)]
    ground = max(sorted(set(colours)), key=colours.count)
    paths: dict[str, list[str]] = {}
    for y in range(height):
        x = 0
        for colour, run in groupby(colours[y * width : (y + 1) * width]):
            length = len(list(run))
            if colour != ground:
                paths.setdefault(colour, []).append(f"M{x} {y}h{length}")
            x += length
    drawn = [f'<path stroke="{colour}" d="{"".join(parts)}"/>' for colour, parts in sorted(paths.items())]
    back = f'<path fill="{ground}" d="M0 0h{width}v{height}h-{width}z"/>'
    return f'{back}<g transform="translate(0 .5)" shape-rendering="crispEdges">{"".join(drawn)}</g>'


def _colour(value: bytes, classes: bool) -> str:
    if classes:
        return _CLASSES[value[0] % len(_CLASSES)]
    if len(value) == 1:
        level = round(round(value[0] * (GREYS - 1) / 255) * 255 / (GREYS - 1))
        return f"#{level:02x}{level:02x}{level:02x}"
    return "#" + "".join(
        f"{round(round(one * (COLOUR_LEVELS - 1) / 255) * 15 / (COLOUR_LEVELS - 1)):x}" for one in value
    )


def signal(values: bytes, other: bytes | None = None, tone: Tone = Tone.FIRST) -> str:
    """A line through ``values`` (0 below, 255 above) in a drawing of 64 × 64 units, over ``other``, drawn in grey."""
    lines = [] if other is None else [polyline(_along(other), Tone.PLAIN, width=1.5)]
    return "".join([*lines, polyline(_along(values), tone, width=1.5)])


def _along(values: bytes) -> list[tuple[float, float]]:
    last = max(len(values) - 1, 1)
    return [(2 + 60 * index / last, 61 - 58 * value / 255) for index, value in enumerate(values)]


def bars(values: bytes, other: bytes | None = None, tone: Tone = Tone.FIRST) -> str:
    """A bar for each of ``values`` in a drawing of 64 × 64 units; a notch across it where ``other`` has its value."""
    step = 60 / max(len(values), 1)
    thick = max(step * 0.8, 0.5)
    drawn = [
        rectangle(2 + step * index, 61 - 58 * value / 255, thick, 58 * value / 255, tone.colour)
        for index, value in enumerate(values)
    ]
    for index, value in enumerate(other or b""):
        y = 61 - 58 * value / 255
        drawn.append(f'<path stroke="currentColor" d="M{number(2 + step * index)} {number(y)}h{number(thick)}"/>')
    return "".join(drawn)


# Curves -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart, over all seeds, at equal distances; ``label`` stands at its end."""

    label: str
    runs: tuple[tuple[float, ...], ...]
    """values of each seed; what is not finite is drawn at the lower edge"""
    tone: Tone


@dataclass(frozen=True, slots=True)
class Axis:
    """The vertical axis: its ends, what is written at which height, and whether it is logarithmic."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """How high ``value`` stands, from 0 at the lower edge to 1; beyond the ends at them."""
        if not math.isfinite(value) or (self.logarithmic and value <= 0):
            return 0.0
        low, high = self.low, self.high
        if self.logarithmic:
            value, low, high = math.log10(value), math.log10(low), math.log10(high)
        return min(max((value - low) / (high - low or 1.0), 0.0), 1.0)


def decades(values: Iterable[float]) -> Axis:
    """A logarithmic axis for those of ``values`` that are positive."""
    fit = [value for value in values if math.isfinite(value) and value > 0] or [1.0]
    low, high = math.floor(math.log10(min(fit))), math.ceil(math.log10(max(fit)))
    if low == high:
        low -= 1
    step = max(1, round((high - low) / 4))
    return Axis(10.0**low, 10.0**high, tuple((10.0**n, _power(n)) for n in range(low, high + 1, step)), True)


def _power(exponent: int) -> str:
    return f"{10.0**exponent:g}" if -3 <= exponent <= 4 else f"1e{exponent}".replace("-", "−")


def chart(
    title: str, told: str, series: Sequence[Series], axis: Axis, under: str, *, width: int = 380, height: int = 190
) -> str:
    """The series over one horizontal axis, ``under`` written below it, each with its label at its end.

    Of several seeds each is drawn, faintly where there are more than one.
    """
    ends = max((room_for(one.label) for one in series), default=0.0)
    left = 12 + max((room_for(label) for _, label in axis.ticks), default=0.0)
    right, top, bottom = max(width - 12 - ends, left + 40), 12.0, height - 26.0

    def y(value: float) -> float:
        return bottom - (bottom - top) * axis.share(value)

    drawn = [
        line(left, y(value), right, y(value)) + words(left - 5, y(value) + 4, label, anchor="end")
        for value, label in axis.ticks
    ]
    longest = max((len(run) for one in series for run in one.runs), default=1)

    def points(run: Sequence[float]) -> list[tuple[float, float]]:
        return [(left + (right - left) * (index + 1) / longest, y(value)) for index, value in enumerate(run)]

    last: list[tuple[float, float]] = []
    for one in series:
        paths = [points(run) for run in one.runs if run]
        drawn += [polyline(path, one.tone, width=1.5 if len(paths) > 1 else 2) for path in paths]
        drawn += [
            f'<circle r="2.5" cx="{number(x)}" cy="{number(at)}" fill="{one.tone.colour}"/>'
            for x, at in (path[-1] for path in paths)
        ]
        ends_at = [path[-1] for path in paths] or [(left, bottom)]
        last.append((max(x for x, _ in ends_at), sum(at for _, at in ends_at) / len(ends_at)))
    for one, end, at in zip(series, last, apart([y for _, y in last], SIZE + 3.0, bottom), strict=True):
        drawn.append(line(end[0] + 4, end[1], right + 8, at, one.tone, dash="1 3"))  # from the end to its label
        drawn.append(words(right + 11, at + 4, one.label))
    drawn.append(words(left, height - 6, under))
    return drawing(title, told, width, height, "\n".join(drawn), name="chart")


def apart(heights: Sequence[float], gap: float, most: float) -> list[float]:
    """The heights of labels, moved where they would cover one another, in the order given; none below ``most``."""
    placed = list(heights)
    order = sorted(range(len(heights)), key=heights.__getitem__)
    for above, below in pairwise(order):
        placed[below] = max(placed[below], placed[above] + gap)
    for index in reversed(order):
        placed[index] = min(placed[index], most)
        most = placed[index] - gap
    return placed
