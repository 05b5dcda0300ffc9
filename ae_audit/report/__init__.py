"""Reports: one module per format; this one picks the format and the way of painting it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from ae_audit.source.text import Sources

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import TextIO

    from ae_audit.report.text_layout import Line
    from ae_audit.schema.findings import Severity
    from ae_audit.schema.report import Report
    from ae_audit.schema.shards import Shard

__all__ = ["TEXT_FORMATS", "render", "to_folder", "to_terminal"]

TEXT_FORMATS = ("full", "concise")
"""formats for people; the others are for programs, and are written whatever was found"""


def render(
    report: Report,
    format: str = "full",
    sources: Sources | None = None,
    *,
    width: int | None = None,
    hints: bool = False,
    interrupted: bool = False,
    fail_on: Severity | None = None,
    verbose: bool = True,
    shard: Shard | None = None,
) -> str:
    """The report as plain text in ``format`` (one of ``settings.FORMATS``), ending in a line break.

    ``sources`` gives the text for excerpts (by default what is on disk); ``hints`` adds the line on how to go on;
    ``fail_on`` is the severity from which a finding is a failure, for formats that know failures; without ``verbose``
    more than a handful of findings are written as answers alone; ``shard`` goes into the JSON report of a part.

    Raises:
        ValueError: for a format that does not exist.
    """
    if format not in TEXT_FORMATS:
        return _structured(report, format, sources or Sources(), interrupted=interrupted, fail_on=fail_on, shard=shard)
    from ae_audit.report.text_layout import plain

    return plain(lines(report, format, sources, width=width, hints=hints, interrupted=interrupted, verbose=verbose))


def lines(
    report: Report,
    format: str = "full",
    sources: Sources | None = None,
    *,
    width: int | None = None,
    ascii_only: bool = False,
    hints: bool = False,
    interrupted: bool = False,
    verbose: bool = True,
    narrated: bool = False,
) -> list[Line]:
    """The styled lines of a text format; ``narrated`` has sentences in place of boxes and bars.

    Raises:
        ValueError: for a format that is none.
    """
    from ae_audit.report.text_layout import DEFAULT_WIDTH

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
            verbose=verbose,
            narrated=narrated,
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
    fail_on: Severity | None = None,
    statistics: bool = False,
    verbose: bool = False,
    shard: Shard | None = None,
) -> None:
    """Write the report to ``stream``, coloured, sized and spelt as the stream can show it."""
    if format not in TEXT_FORMATS:
        utf8 = (stream.encoding or "utf-8").lower().replace("_", "-") in {"utf-8", "utf8"}
        text = _structured(
            report,
            format,
            sources,
            interrupted=interrupted,
            fail_on=fail_on,
            ascii_only=format == "json" and not utf8,
            shard=shard,
        )
        encoding = stream.encoding or "utf-8"
        stream.write(
            text.encode(encoding, "xmlcharrefreplace" if format in {"junit", "html"} else "replace").decode(encoding)
        )
        stream.flush()
        return
    if statistics:
        from ae_audit.report.statistics import statistics as counted

        paint(stream, lambda width, ascii_only: counted(report, ascii_only=ascii_only), color)
        return
    paint(
        stream,
        lambda width, ascii_only: lines(
            report,
            format,
            sources,
            width=width,
            ascii_only=ascii_only,
            hints=hints,
            interrupted=interrupted,
            verbose=verbose,
            narrated=wants_narration(),
        ),
        color,
    )


def paint(stream: TextIO, page: Callable[[int | None, bool], Sequence[Line]], color: str = "auto") -> None:
    """Write what ``page(width, ascii_only)`` lays out, coloured, sized and spelt as the stream can show it."""
    from ae_audit.report.links import has_links, linked
    from ae_audit.report.text_layout import ansi, plain

    laid_out = page(_width(stream), not _shows_signs(stream))
    colored = wants_color(stream, color)
    if colored and os.name == "nt":
        os.system("")  # makes the Windows console understand ANSI colours
    text = ansi(laid_out) if colored else plain(laid_out)
    if has_links(stream):
        text = linked(text)
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding))
    stream.flush()


def _structured(
    report: Report,
    format: str,
    sources: Sources,
    *,
    interrupted: bool = False,
    fail_on: Severity | None = None,
    ascii_only: bool = False,
    shard: Shard | None = None,
) -> str:
    """The report in a format for programs.

    Raises:
        ValueError: for a format that is none.
    """
    if format == "json":
        from ae_audit.report.json import to_json

        return to_json(report, interrupted=interrupted, ascii_only=ascii_only, shard=shard)
    if format == "sarif":
        from ae_audit.report.sarif import to_sarif

        return to_sarif(report, sources, interrupted=interrupted)
    if format == "github":
        from ae_audit.report.github import to_github

        return to_github(report, sources, interrupted=interrupted)
    if format == "gitlab":
        from ae_audit.report.gitlab import to_gitlab

        return to_gitlab(report, sources)
    if format == "junit":
        from ae_audit.report.junit import to_junit
        from ae_audit.schema.findings import Severity

        return to_junit(report, fail_on=fail_on or Severity.ERROR)
    if format == "html":
        from ae_audit.report.html import to_html

        return to_html(report, sources, interrupted=interrupted)
    raise ValueError(f"no such report format: {format!r}")


def to_folder(report: Report, sources: Sources, *, interrupted: bool = False) -> dict[str, str]:
    """The page and its style sheet, each under its file's name."""
    from ae_audit.report.html import to_folder as files

    return files(report, sources, interrupted=interrupted)


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


def wants_narration() -> bool:
    """Whether the reader wants sentences in place of boxes, underlines and bars: NO_GRAPHICS is set."""
    return bool(os.environ.get("NO_GRAPHICS"))


def _width(stream: TextIO) -> int | None:
    if not stream.isatty():
        return None
    import shutil

    return shutil.get_terminal_size().columns


def _shows_signs(stream: TextIO) -> bool:
    """Whether the stream's encoding has the signs that reports use; where not, ASCII spells them."""
    try:
        "▁█│└…²×±−→≤∞é".encode(stream.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
