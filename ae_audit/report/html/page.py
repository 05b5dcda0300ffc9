"""The whole page: a verdict of one sentence, what can be filtered, each training, and what is left to say."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ae_audit.report.answers import Answer, answers, why
from ae_audit.report.html.marked import coded
from ae_audit.report.html.sheet import SHEET
from ae_audit.report.html.svg import safe
from ae_audit.report.html.training import (
    SIGNS,
    Shown,
    brief,
    heading,
    rule_entry,
    severity_rank,
    sound,
    told_briefly,
    training,
)
from ae_audit.report.phrases import count, setup_in_words, summary
from ae_audit.schema.findings import Severity, Verdict
from ae_audit.schema.location import address
from ae_audit.schema.report import Report
from ae_audit.source.text import Sources

LIMIT = 1_000_000
"""bytes of a page: what CI systems and mail still show at once"""
WITH_PICTURES, WITHOUT, BRIEFLY = 0.78, 0.82, 0.9
"""shares of it up to which a training is told with its pictures, without them, and in three lines"""
LEAST = 700
"""bytes that each training still to come is sure of"""
LONGEST = 20_000
"""bytes of one entry of a list; what is longer is cut off"""
SHEET_NAME = "ae-audit.css"


def to_html(report: Report, sources: Sources, *, interrupted: bool = False) -> str:
    """One file with everything in it."""
    return _document(report, sources, f"<style>{SHEET}</style>", interrupted)


def to_folder(report: Report, sources: Sources, *, interrupted: bool = False) -> dict[str, str]:
    """The page and its style sheet as files of a folder: for servers whose policy forbids styles within a page."""
    link = f'<link rel="stylesheet" href="{SHEET_NAME}">'
    return {"index.html": _document(report, sources, link, interrupted), SHEET_NAME: SHEET}


def _document(report: Report, sources: Sources, sheet: str, interrupted: bool) -> str:
    first = sorted(answers(report), key=severity_rank)
    told = "".join(text for text, _ in summary(report))
    room = _Room(len(sheet.encode()))
    parts = [_band(report, first, told, interrupted), _filters(report, first)]
    room.take("".join(parts))
    body = [*_trainings(report, first, sources, room), *_rest(report, room)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>ae-audit: {safe(told)}</title>{sheet}</head>\n"
        f'<body><a class="skip" href="#findings">Skip to the findings</a>\n{"".join(parts)}'
        f'<main id="findings">{"".join(body)}</main></body></html>\n'
    )


class _Room:
    """How much of the page is taken."""

    def __init__(self, taken: int) -> None:
        self._taken = taken + 2000

    def take(self, text: str) -> str:
        """Count ``text``, which is on the page now."""
        self._taken += len(text.encode())
        return text

    def fits(self, text: str, share: float, kept: int = 0) -> bool:
        """Whether the page stays below that share of its limit with ``text``, and ``kept`` bytes for what follows."""
        return self._taken + len(text.encode()) + kept <= share * LIMIT


def _band(report: Report, first: Sequence[Answer], told: str, interrupted: bool) -> str:
    """The verdict in one sentence, and what it was reached on."""
    if first:
        kind, sign = first[0].worst.severity.value, SIGNS[first[0].worst.severity.value]
        many = f"{len(first)} trainings have faults; the worst: " if len(first) > 1 else ""
        sentence = f"<strong>{many}{safe(heading(first[0]))}:</strong> {coded(why(first[0]))}"
    elif not report.setups:
        kind, sign, sentence = "none", "–", "No training of a Keras or PyTorch model was found."
    else:
        open_ends = [
            *([count(len(report.undecided), "fact") + " undecided"] if report.undecided else []),
            *([count(len(report.errors), "stage") + " failed"] if report.errors else []),
            *([count(read, "training") + " only read, not run"] if (read := _only_read(report)) else []),
            *([count(made, "training") + " run on stand-in data"] if (made := _stood_in(report)) else []),
        ]
        kind, sign = ("none", "–") if open_ends else ("good", "✓")
        sentence = f"No fault found in {count(len(report.setups), 'training')}"
        sentence += f"; {', '.join(open_ends)}, so this is no proof that all is right." if open_ends else "."
        sentence = f"<strong>{safe(sentence)}</strong>"
    stopped = "<p><b>Interrupted: this is what was found until then.</b></p>" if interrupted else ""
    return (
        f'<header class="band {kind}"><h1><span class="sign">{sign}</span> {sentence}</h1>'
        f'<p class="words">ae-audit: {safe(told)}</p>{stopped}</header>\n'
    )


def _only_read(report: Report) -> int:
    return sum(1 for setup in report.setups if "runtime" not in setup.seen_by)


def _stood_in(report: Report) -> int:
    return sum(1 for setup in report.setups if setup.target.stand_in or setup.input.stand_in)


def _sound_numbers(report: Report, first: Sequence[Answer]) -> list[int]:
    wrong = {finding.setup for answer in first for finding in answer.findings}
    return [number for number in range(len(report.setups)) if number not in wrong]


def _filters(report: Report, first: Sequence[Answer]) -> str:
    """Check boxes by which trainings are hidden, where there are several; the style sheet alone acts on them."""
    sound_ones = len(_sound_numbers(report, first))
    if len(first) + sound_ones < 2:
        return ""
    settled = sum(1 for one in first if one.worst.verdict in {Verdict.PROVED, Verdict.CONFIRMED})
    kinds = [
        ("show-error", "errors", sum(1 for one in first if one.worst.severity is Severity.ERROR)),
        ("show-warning", "warnings", sum(1 for one in first if one.worst.severity is Severity.WARNING)),
        ("show-sound", "no fault found", sound_ones),
        ("show-settled", "proved, confirmed or run", settled + sound_ones - _sound_read(report, first)),
        ("show-static", "not settled or only read", len(first) - settled + _sound_read(report, first)),
    ]
    boxes = "".join(
        f'<label><input type="checkbox" id="{name}" checked> {label} ({number})</label>'
        for name, label, number in kinds
        if number
    )
    return f"<fieldset hidden><legend>Show</legend>{boxes}</fieldset>\n"


def _sound_read(report: Report, first: Sequence[Answer]) -> int:
    return sum(1 for number in _sound_numbers(report, first) if "runtime" not in report.setups[number].seen_by)


def _trainings(report: Report, first: Sequence[Answer], sources: Sources, room: _Room) -> list[str]:
    """Each training, the worst first, as long as there is room."""
    parts: list[str] = []
    left_out = 0
    whole, bare = Shown(sources), Shown(sources, pictures=False)
    for number, answer in enumerate(first, start=1):
        sight, headed = report.sight(answer.worst.setup), len(first) > 1
        ways: list[tuple[float, Callable[[], str]]] = [
            (WITH_PICTURES, lambda: training(answer, sight, whole, number, headed=headed)),  # noqa: B023
            (WITHOUT, lambda: training(answer, sight, bare, number, headed=headed)),  # noqa: B023
            (BRIEFLY, lambda: brief(answer, number)),  # noqa: B023
        ]
        left_out += not _put(parts, ways, room, (len(report.setups) - number) * LEAST)
    lines = []
    for number in _sound_numbers(report, first):
        setup, sight = report.setups[number], report.sight(number)
        place = address(setup.location.path, setup.location.cell, setup.location.line)
        if len(report.setups) <= MOST_SOUND:
            ways = [
                (WITH_PICTURES, lambda: sound(setup, sight, whole, len(first) + number + 1)),  # noqa: B023
                (WITHOUT, lambda: sound(setup, sight, bare, len(first) + number + 1)),  # noqa: B023
            ]
            if _put(parts, ways, room, (len(report.setups) - number) * LEAST):
                continue
        lines.append(f"<li>{safe(place)}: {coded(setup_in_words(setup))}</li>\n")
    parts += _list("No fault found", lines, room, name="training sound")
    if left_out:
        parts.append(_more(left_out, "training"))
    return parts


MOST_SOUND = 24
"""trainings up to which each one without a finding is shown as a whole"""


def _put(parts: list[str], ways: Sequence[tuple[float, Callable[[], str]]], room: _Room, kept: int) -> bool:
    """Add the first of ``ways`` for which there is room, beside ``kept`` bytes for what follows; whether there was."""
    for index, (share, told) in enumerate(ways):
        reserve = kept if index < len(ways) - 1 else 0
        if not room.fits("", share, reserve):
            continue
        text = told()
        if room.fits(text, share, reserve):
            parts.append(room.take(text))
            return True
    return False


def _more(number: int, noun: str) -> str:
    return (
        f'<p class="dim">{count(number, noun)} more: this page is kept below a megabyte; the JSON report has all.</p>'
    )


def _rest(report: Report, room: _Room) -> list[str]:
    infos = [told_briefly(one) for one in report.standing if one.severity is Severity.INFO]
    refuted = [told_briefly(one) for one in report.findings if one.verdict is Verdict.REFUTED]
    undecided = []
    for item in report.undecided:
        rules = f" ({', '.join(item.rules)})" if item.rules else ""
        place = address(item.path, item.cell, item.line)
        undecided.append(f"<li>{safe(place)}: <b>{safe(item.what + rules)}</b>: {coded(item.why)}</li>\n")
    errors = [
        f"<li>{safe(place)}: <b>{safe(one.stage)} stage</b>: {coded(one.message)}</li>\n"
        for one in report.errors
        for place in (address(one.path, one.cell, one.line),)
    ]
    excused = [
        f"<li>{safe(str(one.finding.location))}: <b>{safe(one.finding.code)}</b> {safe(one.reason)}</li>\n"
        for one in report.suppressed
    ]
    notes = [f"<li>{safe(one.path)}: {coded(one.text)}</li>\n" for one in report.notes]
    return [
        *_list("Not decided", undecided, room),
        *_list("Could not be done", errors, room),
        *_list("Worth knowing", infos, room),
        *_list("Withdrawn: the fix made no difference", refuted, room),
        *_list("Suppressed", excused, room),
        *_list("Notes", notes, room),
        _rules(report, room),
    ]


def _list(title: str, items: Sequence[str], room: _Room, name: str = "") -> list[str]:
    """A heading and a list, as far as there is room."""
    kept = []
    for item in items:
        if len(item) > LONGEST or not room.fits(item, 0.97):
            continue
        kept.append(room.take(item))
    more = _more(len(items) - len(kept), "line") if len(kept) < len(items) else ""
    kind = f' class="{name}"' if name else ""
    return [f"<section{kind}><h2>{safe(title)}</h2><ul>{''.join(kept)}</ul>{more}</section>\n"] if items else []


def _rules(report: Report, room: _Room) -> str:
    from ae_audit.base.errors import UsageError
    from ae_audit.rules.registry import find_rule

    entries = []
    for code in sorted({finding.code for finding in report.findings}):
        try:
            rule = find_rule(code)
        except UsageError:  # of the user's own
            entries.append(f'<dt id="rule-{safe(code)}">{safe(code)}</dt><dd>A rule of this project.</dd>\n')
            continue
        entries.append(rule_entry(rule.code, rule.name, rule.summary))
    told = "".join(entries)
    if not entries or not room.fits(told, 1.0):
        return ""
    return room.take(f"<section><h2>Rules</h2><dl>{told}</dl></section>\n")
