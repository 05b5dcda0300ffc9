"""Reports: one module per format; this one picks the format and the way of painting it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TextIO

from ae_audit.source_text import Sources

if TYPE_CHECKING:
    from ae_audit.report.page import Line
    from ae_audit.results import Report

__all__ = ["render", "to_terminal"]


def render(
    report: Report,
    format: str = "full",
    sources: Sources | None = None,
    *,
    width: int | None = None,
    hints: bool = False,
    interrupted: bool = False,
) -> str:
    """The report as plain text in ``format`` (``full``, ``concise`` or ``json``), ending in a line break.

    ``sources`` gives the text for excerpts (by default what is on disk); ``hints`` adds the line on how to go on.

    Raises:
        ValueError: for a format that does not exist.
    """
    if format == "json":
        from ae_audit.report.json import to_json

        return to_json(report, interrupted=interrupted)
    from ae_audit.report.page import plain

    return plain(lines(report, format, sources, width=width, hints=hints, interrupted=interrupted))


def lines(
    report: Report,
    format: str = "full",
    sources: Sources | None = None,
    *,
    width: int | None = None,
    ascii_only: bool = False,
    hints: bool = False,
    interrupted: bool = False,
) -> list[Line]:
    """The styled lines of a text format.

    Raises:
        ValueError: for a format that is none.
    """
    from ae_audit.report.page import DEFAULT_WIDTH

    if format == "concise":
        from ae_audit.report.concise import concise

        return concise(report, ascii_only=ascii_only, interrupted=interrupted)
    if format == "full":
        from ae_audit.report.full import full

        return full(
            report,
            sources or Sources(),
            width=width or DEFAULT_WIDTH,
            ascii_only=ascii_only,
            hints=hints,
            interrupted=interrupted,
        )
    raise ValueError(f"no such report format: {format!r}")


def to_terminal(
    stream: TextIO,
    report: Report,
    format: str,
    sources: Sources,
    *,
    color: str = "auto",
    hints: bool = True,
    interrupted: bool = False,
) -> None:
    """Write the report to ``stream``, coloured, sized and spelt as the stream can show it."""
    if format == "json":
        from ae_audit.report.json import to_json

        utf8 = (stream.encoding or "utf-8").lower().replace("_", "-") in {"utf-8", "utf8"}
        stream.write(to_json(report, interrupted=interrupted, ascii_only=not utf8))
        stream.flush()
        return
    from ae_audit.report.page import ansi, plain

    page = lines(
        report,
        format,
        sources,
        width=_width(stream),
        ascii_only=not _shows_signs(stream),
        hints=hints,
        interrupted=interrupted,
    )
    colored = wants_color(stream, color)
    if colored and os.name == "nt":
        os.system("")  # makes the Windows console understand ANSI colours
    text = ansi(page) if colored else plain(page)
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding))
    stream.flush()


def wants_color(stream: TextIO, color: str = "auto") -> bool:
    """Whether to colour: ``always`` and ``never`` decide, then NO_COLOR, FORCE_COLOR, and whether it is a terminal."""
    if color != "auto":
        return color == "always"
    if os.environ.get("NO_COLOR"):
        return False
    forced = os.environ.get("FORCE_COLOR")
    if forced:
        return forced != "0"
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _width(stream: TextIO) -> int | None:
    if not stream.isatty():
        return None
    import shutil

    return shutil.get_terminal_size().columns


def _shows_signs(stream: TextIO) -> bool:
    """Whether the stream's encoding has the signs that reports use; where not, ASCII spells them."""
    try:
        "▁█│└…²×±−→≤∞«é".encode(stream.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
