"""``PresentedComparison``: a comparison that shows itself, in an interpreter and in a notebook."""

from __future__ import annotations

from dataclasses import dataclass

from ae_audit.report.comparison import comparison_json, comparison_lines
from ae_audit.report.text_layout import plain
from ae_audit.schema.comparison import Comparison, ComparisonReport


@dataclass(frozen=True, slots=True, repr=False)
class PresentedComparison(Comparison):
    """Heads and losses compared on one training; ``str`` is the table, ``cells`` the figures."""

    def to_json(self) -> str:
        """The comparison in the JSON format of ``ae-audit compare``, ``schema_version`` 1."""
        return comparison_json(ComparisonReport((self,)))

    def to_html(self) -> str:
        """A page of its own, with the curves and the pictures."""
        from ae_audit.report.comparison_html import comparison_html

        return comparison_html(ComparisonReport((self,)))

    def __str__(self) -> str:
        return plain(comparison_lines(ComparisonReport((self,)))).rstrip("\n")

    def __repr__(self) -> str:
        best = "none of them trains" if self.best is None else f"best: {self.best.name}"
        return f"<Comparison of {len(self.cells)} heads and losses; {best}>"

    def _repr_html_(self) -> str:
        """For notebooks."""
        from ae_audit.report.comparison_html import notebook_html

        return notebook_html(ComparisonReport((self,)))
