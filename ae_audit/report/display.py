"""``PresentedReport``: a report that shows itself, in an interpreter, in a notebook and under rich."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from ae_audit.base.errors import FindingsError
from ae_audit.report import lines, render
from ae_audit.report.html import fragment
from ae_audit.report.live_cells import named
from ae_audit.schema.findings import Severity
from ae_audit.schema.report import Report
from ae_audit.source.text import Sources

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.text import Text

_RICH = {
    "error": "bold red",
    "warning": "bold yellow",
    "info": "bold cyan",
    "withdrawn": "dim",
    "good": "green",
    "bad": "red",
    "bold": "bold",
    "dim": "dim",
    "code": "cyan",
    "place": "bold",
    "mark": "bold red",
    "note": "bold blue",
    "added": "green",
    "removed": "red",
}


@dataclass(frozen=True, slots=True, repr=False)
class PresentedReport(Report):
    """A :class:`~ae_audit.schema.report.Report` with its sources, so that it can show excerpts."""

    sources: Sources = field(default_factory=Sources, compare=False)

    @classmethod
    def of(cls, report: Report, sources: Sources | None = None) -> PresentedReport:
        """``report``, with the texts that its excerpts are taken from (by default what is on disk).

        Places in a running notebook are named as their author sees them: `In [3]`.
        """
        shown, cells = named(Report(**{part.name: getattr(report, part.name) for part in fields(Report)}))
        content: dict[str, Any] = {part.name: getattr(shown, part.name) for part in fields(Report)}
        return cls(**content, sources=sources or Sources(cells))

    def raise_for_findings(self, fail_on: Severity | str = Severity.ERROR) -> None:
        """Raise where a finding of ``fail_on`` or worse stands; do nothing otherwise.

        Raises:
            FindingsError: an ``AssertionError`` whose text is the report.
            ValueError: if ``fail_on`` is no severity.
        """
        if self.at_or_above(Severity(fail_on)):
            raise FindingsError(f"\n{self}")

    def to_json(self) -> str:
        """The report in the JSON format of the command line, ``schema_version`` 1."""
        return render(self, "json")

    def __str__(self) -> str:
        return render(self, "full", self.sources).rstrip("\n")

    def __repr__(self) -> str:
        from ae_audit.report.phrases import summary

        return f"<Report: {''.join(segment.text for segment in summary(self)).rstrip('.')}>"

    def _repr_html_(self) -> str:
        """For notebooks: the tiles of the page, then the full report in a ``<pre>``; every text is escaped."""
        return fragment(self, self.sources, lines(self, "full", self.sources))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """For ``rich.print(report)``."""
        from rich.text import Text

        for line in lines(self, "full", self.sources, width=options.max_width):
            text = Text(no_wrap=True)
            for piece, style in line:
                text.append(piece, _RICH.get(style))
            yield text
