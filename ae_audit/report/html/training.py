"""One training on the page: what is wrong with it, its three tiles, the diff, and the evidence; in full or in brief."""

from __future__ import annotations

from collections.abc import Sequence

from ae_audit.base.records import dataclass
from ae_audit.report.answers import Answer, cure, place_in_file, setup_of, why
from ae_audit.report.diff import add_diff
from ae_audit.report.full import common_marks
from ae_audit.report.html.evidence import arms_of, evidence
from ae_audit.report.html.marked import coded, excerpts, preformatted
from ae_audit.report.html.reading import reading_tile
from ae_audit.report.html.svg import safe
from ae_audit.report.html.tiles import cure_tile, pictures_tile, reach_tile, runs_of
from ae_audit.report.links import published
from ae_audit.report.phrases import data_in_words, figure, head_in_words, loss_in_words
from ae_audit.report.text_layout import Page
from ae_audit.schema.findings import Arm, Finding, Severity, Verdict
from ae_audit.schema.ideal import Outcome
from ae_audit.schema.location import address
from ae_audit.schema.sights import Kind, Sight
from ae_audit.schema.training_setup import TrainingSetup
from ae_audit.source.text import Sources

SIGNS = {"error": "✗", "warning": "!", "sound": "–"}
_SETTLED = frozenset({Verdict.PROVED, Verdict.CONFIRMED})


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page holds of trainings: the sources of their excerpts, and how much there is room for."""

    sources: Sources
    pictures: bool = True


def heading(answer: Answer) -> str:
    """``model.py:17 cannot learn (proved)``, as text."""
    return f"{answer.worst.location.path}:{place_in_file(answer.worst)} {answer.headline}"


def classes(answer: Answer) -> str:
    """By which the filters know it."""
    settled = "settled" if answer.worst.verdict in _SETTLED else "static"
    return f"training {answer.worst.severity.value} {settled}"


def training(answer: Answer, sight: Sight | None, shown: Shown, number: int, *, headed: bool) -> str:
    """The whole of it; ``headed`` where the band above does not speak of it already."""
    parts = []
    if headed:
        sign = SIGNS[answer.worst.severity.value]
        parts.append(f'<h2><span class="sign">{sign}</span> {safe(heading(answer))}</h2><p>{coded(why(answer))}</p>')
    words = setup_of(answer)
    if words:
        parts.append(f'<p class="words">{safe(words)}</p>')
    parts.append(tiles(answer.setup, sight, fitted(answer.findings), shown, number))
    remedy = cure(answer)
    if remedy is not None:
        parts.append(f"<p><b>Cure:</b> {coded(remedy)}</p>")
    parts.append(_diff(answer.findings, shown.sources))
    parts.append("<h3>Where</h3>" + excerpts(common_marks(answer.findings), shown.sources))
    parts += [_finding(finding) for finding in answer.findings]
    parts.append(evidence(answer.findings))
    return f'<section class="{classes(answer)}" id="training-{number}">{"".join(parts)}</section>\n'


def brief(answer: Answer, number: int) -> str:
    """Three lines, for pages of hundreds."""
    sign = SIGNS[answer.worst.severity.value]
    codes = " ".join(dict.fromkeys(one.code for one in answer.findings))
    remedy = cure(answer)
    told = f"<p><b>Cure:</b> {coded(remedy)}</p>" if remedy is not None else ""
    return (
        f'<section class="brief {classes(answer)}" id="training-{number}"><h2><span class="sign">{sign}</span> '
        f"{safe(heading(answer))}</h2><p><b>{safe(codes)}</b> {coded(why(answer))}</p>{told}</section>\n"
    )


def fitted(findings: Sequence[Finding]) -> tuple[tuple[Arm, ...], object]:
    """What was fitted for a training, and over how many steps."""
    return arms_of(item for finding in findings for item in finding.evidence)


def tiles(
    setup: TrainingSetup | None, sight: Sight | None, tried: tuple[tuple[Arm, ...], object], shown: Shown, number: int
) -> str:
    """Reach, pictures and cure, as far as they are known."""
    drawn = []
    if sight is not None and sight.histogram is not None:
        drawn.append(reach_tile(sight.histogram, number))
    elif setup is not None:
        drawn.append(reading_tile(setup))
    gallery = None if sight is None else sight.gallery
    if gallery is not None and shown.pictures:
        drawn.append(pictures_tile(gallery))
    arms, steps = tried
    if any(len(run) > 1 for arm in arms for run in runs_of(arm)):
        image = gallery is not None and gallery.kind is Kind.IMAGE
        drawn.append(cure_tile(arms, steps, mean="mean image" if image else "mean target"))
    return f'<div class="tiles">{"".join(drawn)}</div>' if any(drawn) else ""


def _diff(findings: Sequence[Finding], sources: Sources) -> str:
    fixes = [finding.fix for finding in findings if finding.fix is not None and finding.fix.edits]
    page = Page(width=1000)
    add_diff(page, fixes, sources)
    return preformatted(page.lines, "diff")


def _finding(finding: Finding) -> str:
    severity = finding.severity.value
    nature = f"{severity}, {finding.verdict.value}"
    place = address(finding.location.path, finding.location.cell, finding.location.line)
    condition = f" This holds when {coded(f'`{finding.condition}`')}." if finding.condition is not None else ""
    head = f'<b class="{severity}">{_rule_link(finding.code)} {safe(finding.name)}</b> [{safe(nature)}] {safe(place)}'
    return f"<p>{head}<br>{coded(finding.message)}{condition}{_remedy(finding)}</p>\n"


def _rule_link(code: str) -> str:
    return f'<a href="#rule-{safe(code)}">{safe(code)}</a>'


def _remedy(finding: Finding) -> str:
    if finding.fix is not None:
        nature = "safe: what is computed stays the same" if finding.fix.safe else "changes what the program computes"
        return f"<br><b>Fix:</b> {coded(finding.fix.description.rstrip('.'))} ({nature})."
    if finding.remedies:
        return f"<br><b>Remedy:</b> {coded('; '.join(map(str, finding.remedies)))}."
    return ""


def told_briefly(finding: Finding) -> str:
    """An entry of a list: what is only worth knowing, and what was withdrawn."""
    reasons = "".join(
        f'<br><span class="dim">{coded(item.text)}</span>'
        for item in finding.evidence
        if item.kind in {"certificate", "ideal", "probe"} or (item.kind == "static" and item.location is None)
    )
    place = address(finding.location.path, finding.location.cell, finding.location.line)
    condition = f" (when {coded(f'`{finding.condition}`')})" if finding.condition is not None else ""
    told = f"{safe(place)} <b>{_rule_link(finding.code)} {safe(finding.name)}</b> [{finding.verdict.value}]"
    return f"<li>{told}: {coded(finding.message)}{condition}{reasons}</li>\n"


# Where nothing is wrong ---------------------------------------------------------------------------------------------

_IDEAL = {
    Outcome.ARRIVES: "a network that could output anything arrives at the target under this loss",
    Outcome.ELSEWHERE: "a network that could output anything ends elsewhere, at what costs no less than the target",
}


def sound(setup: TrainingSetup, sight: Sight | None, shown: Shown, number: int) -> str:
    """A training without a finding: what was looked at."""
    place = address(setup.location.path, setup.location.cell, setup.location.line)
    title = f'<h2><span class="sign">{SIGNS["sound"]}</span> {safe(place)} no fault found</h2>'
    rows = "".join(f"<dt>{name}</dt><dd>{coded(text)}</dd>" for name, text in looked_at(setup))
    drawn = tiles(setup, sight, ((), None), shown, number)
    settled = "settled" if "runtime" in setup.seen_by else "static"
    return f'<section class="training sound {settled}" id="training-{number}">{title}{drawn}<dl>{rows}</dl></section>\n'


def looked_at(setup: TrainingSetup) -> list[tuple[str, str]]:
    """What is known of a set-up, and by which stages."""
    told = [
        ("Looked at", _how_it_was_seen(setup)),
        ("Output", head_in_words(setup.head)),
        ("Loss", loss_in_words(setup.loss)),
        ("Target", data_in_words(setup.target)),
        ("Input", data_in_words(setup.input)),
    ]
    if setup.condition is not None:
        told.insert(0, ("Holds when", f"`{setup.condition.text}`"))
    certificate, ideal = setup.certificate, setup.ideal
    if certificate is not None and certificate.floor is not None:
        told.append(("A perfect prediction would print", figure(certificate.floor)))
    if certificate is not None and certificate.attainable_r2 is not None:
        told.append(("The best that any weights reach", f"R² {figure(certificate.attainable_r2)}"))
    if ideal is not None:
        told.append(("Ideal network", _IDEAL.get(ideal.outcome) or ideal.why or ideal.outcome.value))
    return told


def _how_it_was_seen(setup: TrainingSetup) -> str:
    if "runtime" not in setup.seen_by:
        return "read only: no data was seen"
    if setup.target.stand_in or setup.input.stand_in:
        return "read, and run on data that stand in for its own"
    return "read, and run on the program's own data"


def rule_entry(code: str, name: str, summary: str) -> str:
    """What the codes on the page stand for."""
    page = published(code)
    told = safe(code) if page is None else f'<a href="{safe(page)}">{safe(code)}</a>'
    return (
        f'<dt id="rule-{safe(code)}">{told} {safe(name)}</dt>'
        f"<dd>{coded(summary.rstrip('.'))}. <code>ae-audit rule {safe(code)}</code> tells more.</dd>\n"
    )


def severity_rank(answer: Answer) -> tuple[int, int]:
    """The worst first, and of equals the surest."""
    order = (Verdict.PROVED, Verdict.CONFIRMED, Verdict.INCONCLUSIVE, Verdict.STATIC, Verdict.REFUTED)
    return list(Severity).index(answer.worst.severity), order.index(answer.worst.verdict)
