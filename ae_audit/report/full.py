"""The full report: the answer for each training first, then each finding's place, sentence, evidence and fix."""

from __future__ import annotations

from collections.abc import Sequence

from ae_audit.base.records import replace
from ae_audit.report.answers import MOST_IN_FULL, add_answer, answers
from ae_audit.report.diff import add_diff, add_fix
from ae_audit.report.evidence import add_evidence
from ae_audit.report.excerpt import Mark, add_excerpts
from ae_audit.report.phrases import count, setup_in_words, summary
from ae_audit.report.text_layout import DEFAULT_WIDTH, Line, Page, Segment, in_code
from ae_audit.schema.findings import Arm, Evidence, Finding, Severity, Verdict
from ae_audit.schema.location import Location, address
from ae_audit.schema.report import Note, Report
from ae_audit.source.text import Sources, is_model_file

_SCREEN = 50
"""lines that most terminals show at once"""


def full(
    report: Report,
    sources: Sources,
    *,
    width: int = DEFAULT_WIDTH,
    ascii_only: bool = False,
    hints: bool = True,
    interrupted: bool = False,
    verbose: bool = True,
    narrated: bool = False,
) -> list[Line]:
    """The lines of the full report; ``hints`` adds the line that says how to go on.

    Without ``verbose``, more than :data:`~ae_audit.report.answers.MOST_IN_FULL` findings are written as answers alone.
    """
    page = Page(width, ascii_only, narrated)
    main = at_length(report)
    first = answers(report)
    for answer in first:
        page.blank()
        add_answer(page, answer)
    brief = len(main) > MOST_IN_FULL and not verbose
    tables: dict[Arm, str] = {}
    for answer in () if brief else first:
        _add_training(page, answer.findings, sources, tables)
    _add_rest(page, report)
    if len(first) > 1 and len(page.lines) > _SCREEN:  # what scrolled away is what matters most
        _add_heading(page, "The worst of them")
        add_answer(page, min(first, key=lambda answer: (answer.worst.severity.rank, not answer.fails)))
    page.blank()
    if interrupted:
        page.line(Segment("Interrupted: this is what was found until then.", "bold"))
    page.segments(summary(report))
    if brief and hints:
        page.paragraph(f"The {len(main)} findings in full, with excerpts and evidence: --verbose.", style="dim")
    hint = _hint(report, main) if hints and not interrupted else None
    if hint is not None:
        page.paragraph(hint, style="dim")
    return page.lines


def at_length(report: Report) -> list[Finding]:
    """The findings that are told at length: errors and warnings that stand."""
    return [finding for finding in report.standing if finding.severity is not Severity.INFO]


def _add_rest(page: Page, report: Report) -> None:
    _add_brief(page, "Worth knowing", [finding for finding in report.standing if finding.severity is Severity.INFO])
    refuted = [finding for finding in report.findings if finding.verdict is Verdict.REFUTED]
    _add_brief(page, "Withdrawn: the fix made no difference", refuted)
    _add_undecided(page, report)
    _add_errors(page, report)
    _add_setups(page, report)
    _add_notes(page, report.notes)


def title(finding: Finding) -> list[Segment]:
    """``path:line:column: AE101 softmax-on-per-pixel-target  error, proved``."""
    severity = finding.severity.value
    style = "withdrawn" if finding.verdict is Verdict.REFUTED else severity
    return [
        Segment(f"{finding.location}:", "place"),
        Segment(f" {finding.code}", style),
        Segment(f" {finding.name}", "bold"),
        Segment(f" [{severity}, {finding.verdict.value}]", style),
    ]


def _add_training(page: Page, findings: Sequence[Finding], sources: Sources, tables: dict[Arm, str]) -> None:
    """All that is found in one training: one excerpt, each piece of evidence once, one diff."""
    if len(findings) == 1:
        _add_finding(page, findings[0], sources, tables)
    else:
        page.blank()
        add_excerpts(page, common_marks(findings), sources)
        told: set[Evidence] = set()
        for finding in findings:
            page.blank()
            page.segments(title(finding), hang=2)
            fresh = tuple(item for item in finding.evidence if item not in told)
            told.update(fresh)
            _add_reasons(page, replace(finding, evidence=fresh), tables)
    _add_edits(page, findings, sources)


def common_marks(findings: Sequence[Finding]) -> list[Mark]:
    """A mark for each place: under a finding's own place its code, under the others what they are."""
    own: dict[Location, list[str]] = {}
    others: dict[Location, list[str]] = {}
    for finding in findings:
        own.setdefault(finding.location, []).append(finding.code)
    for span in (span for finding in findings for span in finding.spans):
        labels = own if span.location in own else others
        labels.setdefault(span.location, [])
        if span.label and labels is others and span.label not in labels[span.location]:
            labels[span.location].append(span.label)
    marks = [Mark(place, " ".join(dict.fromkeys(codes)), True) for place, codes in own.items()]
    return marks + [Mark(place, "; ".join(labels)) for place, labels in others.items()]


def _add_finding(page: Page, finding: Finding, sources: Sources, tables: dict[Arm, str]) -> None:
    page.blank()
    page.segments(title(finding), hang=2)
    page.blank()
    marks = [Mark(finding.location, _own_label(finding), True)]
    marks += [Mark(span.location, span.label) for span in finding.spans if span.location != finding.location]
    add_excerpts(page, marks, sources)
    page.blank()
    _add_reasons(page, finding, tables)


def _add_reasons(page: Page, finding: Finding, tables: dict[Arm, str]) -> None:
    page.paragraph(finding.message, indent=2, hang=2)
    if finding.condition is not None:
        page.paragraph(f"This holds when `{finding.condition}`.", indent=2, hang=2)
    if finding.evidence:
        page.blank()
        add_evidence(page, finding, tables)
    if finding.fix is not None:
        page.blank()
        add_fix(page, finding.fix)
    elif finding.remedies:
        page.blank()
        page.paragraph("; ".join(map(str, finding.remedies)), lead=[Segment("  remedy  ", "bold")])


def _add_edits(page: Page, findings: Sequence[Finding], sources: Sources) -> None:
    """The edits of all fixes of one training, as one diff."""
    fixes = [finding.fix for finding in findings if finding.fix is not None and finding.fix.edits]
    if not fixes:
        return
    if len(findings) > 1:
        page.blank()
        page.line(Segment("  all edits", "bold"))
    add_diff(page, fixes, sources)


def _own_label(finding: Finding) -> str:
    return next((span.label for span in finding.spans if span.location == finding.location), "")


def _add_brief(page: Page, heading: str, findings: Sequence[Finding]) -> None:
    if not findings:
        return
    _add_heading(page, heading)
    for finding in findings:
        page.segments(title(finding), indent=2, hang=4)
        condition = f" (when `{finding.condition}`)" if finding.condition is not None else ""
        page.paragraph(finding.message + condition, indent=4, hang=4)
        for evidence in finding.evidence:
            if evidence.kind in {"certificate", "ideal", "probe"} or _is_reason(evidence):
                page.paragraph(evidence.text, indent=4, hang=4, style="dim")


def _is_reason(evidence: Evidence) -> bool:
    """Whether it explains, as `why backends differ` does; a step of a trail has a place."""
    return evidence.kind == "static" and evidence.location is None


def _add_undecided(page: Page, report: Report) -> None:
    if not report.undecided:
        return
    _add_heading(page, "Not decided")
    for item in report.undecided:
        place = f"{address(item.path, item.cell, item.line)}:"
        rules = f" ({', '.join(item.rules)})" if item.rules else ""
        lead = [Segment(place, "place"), Segment(f" {item.what}{rules}", "bold"), Segment(": ")]
        page.segments([*lead, *in_code(item.why)], indent=2, hang=4)


def _add_errors(page: Page, report: Report) -> None:
    if not report.errors:
        return
    _add_heading(page, "Could not be done")
    for error in report.errors:
        place = f"{address(error.path, error.cell, error.line)}:"
        lead = [Segment(place, "place"), Segment(f" {error.stage} stage", "bold"), Segment(": ")]
        page.segments([*lead, *in_code(error.message)], indent=2, hang=4)


def _add_setups(page: Page, report: Report) -> None:
    if not report.setups:
        return
    _add_heading(page, "Audited")
    for setup in report.setups:
        place = address(setup.location.path, setup.location.cell, setup.location.line)
        page.segments([Segment(f"{place}: ", "place"), *in_code(setup_in_words(setup))], indent=2, hang=4)


def _add_notes(page: Page, notes: Sequence[Note]) -> None:
    if not notes:
        return
    _add_heading(page, "Notes")
    for note in notes:
        page.segments([Segment(f"{note.path}: ", "place"), *in_code(note.text)], indent=2, hang=4)


def _add_heading(page: Page, text: str) -> None:
    page.blank()
    page.line(Segment(f"{text}:", "bold"))


def _hint(report: Report, main: Sequence[Finding]) -> str | None:
    if main:
        codes = list(dict.fromkeys(finding.code for finding in main))
        if all(is_model_file(finding.location.path) for finding in main):  # there is no line to write a comment on
            return f"`ae-audit rule {codes[0]}` explains the rule; `--ignore {codes[0]}` leaves it out."
        comment = f"# ae-audit: ignore[{codes[0]}] reason"
        return f"`ae-audit rule {codes[0]}` explains the rule; `{comment}` suppresses it."
    if report.undecided:
        number = len(report.undecided)
        unknown = f"{count(number, 'fact')} {'is' if number == 1 else 'are'} unknown"
        return f"{unknown}; no finding there does not mean the code is correct."
    return None
