"""Whether a report lets a build pass."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.schema.report import Report
    from ae_audit.settings.options import Settings


def fails(report: Report, settings: Settings) -> bool:
    """Whether something stands at or above ``fail_on``, or stayed undecided or unread where that counts too."""
    unread = any(error.stage == "static" for error in report.errors)
    return bool(report.at_or_above(settings.fail_on)) or (
        settings.fail_on_undecided and (bool(report.undecided) or unread)
    )


def nothing_audited(report: Report) -> bool:
    """Whether nothing was found that could be judged: silence that is no approval."""
    return not (report.setups or report.undecided)
