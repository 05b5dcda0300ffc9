"""A page of styled lines: laid out once, then painted plain, in ANSI colours, as HTML or by rich, with equal text.

Nothing heavy is imported, which is why reports are not built with rich: importing it costs more than a static audit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from ae_audit.base.records import dataclass

DEFAULT_WIDTH = 100
"""columns where the output is no terminal"""


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of text in one style; the empty style is plain."""

    text: str
    style: str = ""

    def __iter__(self) -> Iterator[str]:
        """Text and style, for unpacking."""
        return iter((self.text, self.style))


Line = tuple[Segment, ...]

ANSI = {
    "": "",
    "error": "1;31",
    "warning": "1;33",
    "info": "1;36",
    "withdrawn": "2",
    "good": "32",
    "bad": "31",
    "bold": "1",
    "dim": "2",
    "code": "36",
    "place": "1",
    "mark": "1;31",
    "note": "1;34",
    "added": "32",
    "removed": "31",
}

_ASCII = str.maketrans(
    {
        **dict(zip("▁▂▃▄▅▆▇█", "_.-~=+*#", strict=True)),
        "│": "|", "─": "-", "└": "`", "┘": "'", "…": "...", "·": "-", "—": "-", "–": "-", "−": "-", "→": "->",
        "←": "<-", "↦": "->",
        "«": '"', "»": '"', "“": '"', "”": '"', "‘": "'", "’": "'", "²": "^2", "³": "^3", "⁻": "^-", "±": "+/-",
        "×": "x", "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~", "∞": "inf", "ℝ": "R", "∈": "in", "σ": "sigma", "μ": "mu",
        "Σ": "sum", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "⋅": "*", "✓": "ok", "✗": "x",
    }
)  # fmt: skip
_OUR_SPACES = "\n\u00a0\u2009\u202f"
"""what we write ourselves of what :meth:`str.isprintable` refuses"""
_CODE = re.compile(r"(``?)(?=\S)(.+?)(?<=\S)\1")
_PIECE = re.compile(r"\s+|(?:[\[(][^\s,()\[\]]+, [^\s,()\[\]]+[\])]|\S)+")  # an interval such as [0, 255] is one word


class Page:
    """Collects lines; ``ascii_only`` spells every sign that ASCII lacks.

    Control characters are shown, never emitted: source text and exception messages must not steer a terminal. What is
    ``narrated`` has sentences in place of boxes, underlines and bars, for screen readers.
    """

    def __init__(self, width: int = DEFAULT_WIDTH, ascii_only: bool = False, narrated: bool = False) -> None:
        self.width = max(width, 40)
        self.ascii_only = ascii_only
        self.narrated = narrated
        self.lines: list[Line] = []

    def clean(self, text: str) -> str:
        """``text`` as this page may show it."""
        text = text.replace("\t", "    ")
        if not text.isprintable():
            mark = "?" if self.ascii_only else "\ufffd"
            text = "".join(char if char.isprintable() or char in _OUR_SPACES else mark for char in text)
        if self.ascii_only:
            text = text.translate(_ASCII).encode("ascii", "replace").decode("ascii")
        return text

    def line(self, *segments: Segment | str) -> None:
        """One line as it is, neither wrapped nor cut."""
        pieces = [Segment(segment) if isinstance(segment, str) else segment for segment in segments]
        self.lines.append(tuple(Segment(self.clean(text).replace("\n", " "), style) for text, style in pieces if text))

    def blank(self) -> None:
        """An empty line, unless the last one is empty or there is none."""
        if self.lines and self.lines[-1]:
            self.lines.append(())

    def paragraph(
        self, text: str, *, lead: Sequence[Segment] = (), indent: int = 0, style: str = "", hang: int | None = None
    ) -> None:
        """Wrapped text after ``lead`` on its first line; later lines begin at column ``hang``.

        ``hang`` is where ``lead`` ends unless it is given. Code between backticks is set apart.
        """
        self.segments([*lead, *in_code(self.clean(text), style)], indent=indent, hang=hang, lead=len(lead))

    def segments(self, segments: Sequence[Segment], *, indent: int = 0, hang: int | None = None, lead: int = 0) -> None:
        """Wrapped segments; the first ``lead`` of them are not broken."""
        head = [Segment(self.clean(text), style) for text, style in segments[:lead]]
        used = indent + sum(display_width(text) for text, _ in head)
        margin = Segment(" " * min(used if hang is None else hang, self.width - 20))
        current: list[Segment] = [Segment(" " * indent), *head]
        fresh = True
        for gap, word in _words([Segment(self.clean(text), style) for text, style in segments[lead:]]):
            size = sum(display_width(text) for text, _ in word)
            space = 0 if gap is None or fresh else 1
            if used + space + size > self.width and not fresh:
                self.lines.append(_trimmed(current))
                current, used, space = [margin], len(margin.text), 0
            if space and gap is not None:
                current.append(gap)
                used += 1
            for text, style in word:
                for index, part in enumerate(broken(text, self.width - used, self.width - len(margin.text))):
                    if index:
                        self.lines.append(_trimmed(current))
                        current, used = [margin], len(margin.text)
                    current.append(Segment(part, style))
                    used += display_width(part)
            fresh = False
        self.lines.append(_trimmed(current))

    def table(self, rows: Sequence[Sequence[Segment]], *, indent: int = 0, right: frozenset[int] = frozenset()) -> None:
        """Columns as wide as their widest entry; those in ``right`` are set flush right."""
        cleaned = [[Segment(self.clean(text), style) for text, style in row] for row in rows]
        columns = max((len(row) for row in cleaned), default=0)
        widths = [
            max((display_width(row[i].text) for row in cleaned if i < len(row)), default=0) for i in range(columns)
        ]
        for row in cleaned:
            pieces = [Segment(" " * indent)]
            for index, (text, style) in enumerate(row):
                padding = " " * (widths[index] - display_width(text))
                last = index == len(row) - 1
                if index in right:
                    pieces += [Segment(padding), Segment(text, style)]
                else:
                    pieces += [Segment(text, style), Segment("" if last else padding)]
                if not last:
                    pieces.append(Segment("  "))
            self.lines.append(_trimmed(pieces))


def in_code(text: str, style: str = "") -> list[Segment]:
    """Segments of ``text``, with what stands between backticks in the style of code; the backticks stay."""
    pieces: list[Segment] = []
    end = 0
    for found in _CODE.finditer(text):
        pieces += [Segment(text[end : found.start()], style), Segment(f"`{found.group(2)}`", "code")]
        end = found.end()
    return [*pieces, Segment(text[end:], style)]


def display_width(text: str) -> int:
    """Columns that ``text`` takes on a terminal: East Asian wide characters two, combining marks none."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def plain(lines: Iterable[Line]) -> str:
    """The text alone; it ends with a line break."""
    return "".join(f"{''.join(text for text, _ in line)}\n" for line in lines)


def ansi(lines: Iterable[Line]) -> str:
    """The same text with ANSI colours."""
    painted = []
    for line in lines:
        for text, style in line:
            code = ANSI[style]
            painted.append(f"\x1b[{code}m{text}\x1b[0m" if code and text else text)
        painted.append("\n")
    return "".join(painted)


def _trimmed(segments: Sequence[Segment]) -> Line:
    """The line without trailing space, neighbours of one style joined."""
    kept: list[Segment] = []
    for segment in segments:
        if kept and kept[-1].style == segment.style:
            kept[-1] = Segment(kept[-1].text + segment.text, segment.style)
        elif segment.text:
            kept.append(segment)
    while kept and not kept[-1].text.rstrip():
        kept.pop()
    if kept:
        kept[-1] = Segment(kept[-1].text.rstrip(), kept[-1].style)
    return tuple(kept)


def _words(segments: Iterable[Segment]) -> Iterator[tuple[Segment | None, list[Segment]]]:
    """Words, each with the gap before it; a word may have pieces in several styles."""
    gap: Segment | None = None
    word: list[Segment] = []
    for segment in segments:
        for piece in _PIECE.findall(segment.text):
            if piece.isspace():
                if word:
                    yield gap, word
                gap, word = Segment(" ", segment.style), []
            else:
                word.append(Segment(piece, segment.style))
    if word:
        yield gap, word


def broken(word: str, room: int, full: int) -> list[str]:
    """``word`` in pieces that fit: the first in ``room`` columns, the others in ``full``."""
    if display_width(word) <= room:
        return [word]
    pieces, size, left = [""], 0, max(room, 1)
    for char in word:
        wide = display_width(char)
        if size + wide > left:
            pieces.append("")
            size, left = 0, full
        pieces[-1] += char
        size += wide
    return pieces
