"""The three tiles of a training: what the head reaches, pictures of samples, and what the cure brings."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ae_audit.report.html.svg import (
    Axis,
    Series,
    Tone,
    bars,
    chart,
    decades,
    drawing,
    line,
    pixels,
    rectangle,
    room_for,
    safe,
    signal,
    words,
)
from ae_audit.report.phrases import figure, mean_and_spread, r2
from ae_audit.schema.findings import Arm
from ae_audit.schema.sights import Counted, Gallery, Histogram, Kind, Row

AS_WRITTEN, ALL_FIXES = "as written", "all fixes"
"""names of arms, as the probe gives them"""
OWN_ROWS = ("target", "input", "error")
"""rows of pictures that show no arm"""
FIXED = "fixed"
"""how the arm with what mends the program is called, whatever that is"""
_HATCH = (
    '<defs><pattern id="{id}" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<path d="M0 0v5" stroke="#d9483b" stroke-width="3"/></pattern></defs>'
)


def tile(heading: str, told: str, body: str) -> str:
    """A ``<figure>``: a heading, one sentence, and what is drawn."""
    return f"<figure><figcaption><b>{safe(heading)}</b> {safe(told)}</figcaption>{body}</figure>"


# Reach --------------------------------------------------------------------------------------------------------------

_UNITS = {Counted.VALUES: "values of the target", Counted.SUMS: "sums of target vectors", Counted.CLASSES: "classes"}


def reach_tile(seen: Histogram, number: int) -> str:
    """The histogram of the target, and the span that the head reaches; ``number`` tells tiles of one page apart."""
    return tile("Reach", reach_in_words(seen), _histogram(seen, f"hatch-{number}"))


def reach_in_words(seen: Histogram) -> str:
    """How much of the target no weights reach."""
    what = _UNITS[seen.counted]
    share = _percent(seen.outside)
    span = _span(seen)
    if seen.outside <= 0:
        return f"Every one of the {what} lies in what the output can reach ({span})."
    return f"{share} of the {what} lie outside what the output can reach ({span})."


def _percent(share: float) -> str:
    if share >= 0.9995 or share == 0:
        return f"{share:.0%}"
    return "less than 0.1%" if share < 0.001 else f"{share:.1%}"


def _span(seen: Histogram) -> str:
    low, high = seen.reach_low, seen.reach_high
    if seen.counted is Counted.SUMS:
        return f"a sum of {figure(low)}"
    if math.isinf(low) and math.isinf(high):
        return "every value"
    if math.isinf(high):
        return f"{figure(low)} and above"
    if math.isinf(low):
        return f"{figure(high)} and below"
    return f"{figure(low)} to {figure(high)}"


def _histogram(seen: Histogram, hatch: str) -> str:
    width, height, left, right, top, bottom = 380.0, 190.0, 10.0, 370.0, 34.0, 150.0
    span = seen.high - seen.low or 1.0

    def x(value: float) -> float:
        return left + (right - left) * min(max((value - seen.low) / span, 0.0), 1.0)

    step = (right - left) / max(len(seen.counts), 1)
    most = max(seen.counts, default=1) or 1
    drawn = [_HATCH.format(id=hatch)]
    inside = outside = 0
    for index, count in enumerate(seen.counts):
        if not count:
            continue
        tall = max((bottom - top) * count / most, 1.0)
        start, end = (seen.low + span * edge / len(seen.counts) for edge in (index, index + 1))
        within = not seen.outside or (seen.outside < 1 and start <= seen.reach_high and end >= seen.reach_low)
        inside, outside = inside + within, outside + (not within)
        fill = Tone.FIRST.colour if within else f"url(#{hatch})"
        more = "" if within else f' stroke="{Tone.BAD.colour}"'
        drawn.append(rectangle(left + step * index, bottom - tall, max(step - 1, 0.8), tall, fill, more))
    drawn.append(line(left, bottom, right, bottom))
    drawn += [words(left, bottom + 15, figure(seen.low)), words(right, bottom + 15, figure(seen.high), anchor="end")]
    label = "the outputs sum to 1" if seen.counted is Counted.SUMS else "the output reaches"
    drawn.append(_bracket(x(seen.reach_low), x(seen.reach_high), left, right, label))
    drawn.append(words(left, height - 6, _key(inside, outside, seen)))
    return drawing("Reach", reach_in_words(seen), width, height, "\n".join(drawn), name="histogram")


def _bracket(start: float, end: float, left: float, right: float, label: str) -> str:
    """Above the bars: the span that the output reaches."""
    middle = min(max((start + end) / 2, left + room_for(label) / 2), right - room_for(label) / 2)
    end = max(end, start + 2)
    path = f"M{start:.1f} 28v-6H{end:.1f}v6"
    return f'<path fill="none" stroke="{Tone.GOOD.colour}" stroke-width="2" d="{path}"/>' + words(
        middle, 14, label, anchor="middle"
    )


def _key(inside: int, outside: int, seen: Histogram) -> str:
    if not outside:
        return "plain bars: within reach"
    share = f"hatched bars: outside, {_percent(seen.outside)}"
    return f"{share}; plain bars: within reach" if inside else share


# Pictures -----------------------------------------------------------------------------------------------------------


def pictures_tile(gallery: Gallery) -> str:
    """A table of pictures: a row for each way of looking at the samples, a column for each sample."""
    return tile("Pictures", pictures_in_words(gallery), pictures(gallery))


def pictures_in_words(gallery: Gallery) -> str:
    """How the samples were chosen, and what the drawings leave out."""
    kinds = {Kind.IMAGE: "images", Kind.MASK: "masks", Kind.SIGNAL: "signals", Kind.TABLE: "rows of a table"}
    chosen = f"{len(gallery.rows[0].pictures) if gallery.rows else 0} of {gallery.samples} {kinds[gallery.kind]}"
    how = ", from the least error as written to the greatest" if gallery.columns else ""
    note = f" {gallery.note[:1].upper()}{gallery.note[1:]}." if gallery.note else ""
    return f"{chosen}{how}.{note}"


def pictures(gallery: Gallery) -> str:
    """The table alone."""
    names = _column_names(len(gallery.columns))
    head = ""
    if gallery.columns:
        cells = "".join(
            f'<th scope="col">{name}<br>{figure(float(f"{error:.2g}"))}</th>'
            for name, error in zip(names, gallery.columns, strict=True)
        )
        head = f'<thead><tr><th scope="row">error</th>{cells}</tr></thead>'
    target = gallery.rows[0].pictures if gallery.rows else ()
    body = "".join(_picture_row(gallery, row, names, target) for row in gallery.rows)
    return f'<table class="pictures">{head}<tbody>{body}</tbody></table>'


def _column_names(number: int) -> list[str]:
    if number == 1:
        return ["sample"]
    marks = {0: "least", number - 1: "greatest", (number - 1) / 2: "median"}
    return [marks.get(index, f"{index / (number - 1):.0%}") for index in range(number)]


def _picture_row(gallery: Gallery, row: Row, names: Sequence[str], target: Sequence[str]) -> str:
    cells = []
    for index, picture in enumerate(row.pictures):
        which = f"sample of the {names[index]} error" if index < len(names) else f"sample {index + 1}"
        values = bytes.fromhex(picture)
        behind = bytes.fromhex(target[index]) if row.pictures is not target and row.name != "error" else None
        cells.append(f"<td>{_picture(gallery, row, values, behind, f'{row.name}, {which}')}</td>\n")
    name = row.name if row.name in {*OWN_ROWS, AS_WRITTEN} else FIXED
    return f'<tr><th scope="row">{safe(name)}</th>{"".join(cells)}</tr>\n'


def _picture(gallery: Gallery, row: Row, values: bytes, behind: bytes | None, title: str) -> str:
    told = f"values from {figure(gallery.low)} to {figure(gallery.high)}"
    tone = Tone.BAD if row.name in {AS_WRITTEN, "error"} else Tone.FIRST if behind is None else Tone.GOOD
    if gallery.kind is Kind.SIGNAL:
        return drawing(
            title, f"{told}; the target in grey behind" if behind else told, 64, 64, signal(values, behind, tone)
        )
    if gallery.kind is Kind.TABLE:
        return drawing(title, f"{told}; a notch for the target" if behind else told, 64, 64, bars(values, behind, tone))
    classes = gallery.kind is Kind.MASK and row.name != "error"
    told = "a colour for each class" if classes else told
    body = pixels(values, gallery.height, gallery.width, row.channels, classes=classes)
    sized = drawing(title, told, gallery.width, gallery.height, body)
    scale = 64 / max(gallery.width, gallery.height)
    return sized.replace(
        f'width="{gallery.width}" height="{gallery.height}"',
        f'width="{round(gallery.width * scale)}" height="{round(gallery.height * scale)}"',
        1,
    )


# Cure ---------------------------------------------------------------------------------------------------------------


def cure_tile(arms: Sequence[Arm], steps: object, *, mean: str = "mean image") -> str:
    """R², and what the loss stands above its floor, of each arm over its steps; ``mean`` names what R² 0 is."""
    drawn = [arm for arm in arms if any(len(run) > 1 for run in runs_of(arm))]
    labels = short_names(drawn)
    tones = _tones(drawn)
    under = f"{safe(str(steps))} steps" if steps else "steps"
    marks = [(1.0, "1"), (0.0, mean), (-1.0, "−1")]
    series = [
        Series(f"{label} {r2(run_end(arm))}", runs_of(arm), tone)
        for arm, label, tone in zip(drawn, labels, tones, strict=True)
    ]
    body = chart(f"R² over {under}", cure_in_words(arms), series, Axis(-1.0, 1.0, tuple(marks)), f"R² over {under}")
    body += _losses(drawn, labels, tones, under)
    body += _legend(drawn, labels)
    return tile("Cure", cure_in_words(arms), body)


def runs_of(arm: Arm) -> tuple[tuple[float, ...], ...]:
    """R² of each seed over the steps; of a report that knows only the mean, that."""
    return arm.curves or ((arm.curve,) if arm.curve else ())


def run_end(arm: Arm) -> float:
    """Mean R² at the end."""
    return sum(arm.r2) / len(arm.r2) if arm.r2 else math.nan


def cure_in_words(arms: Sequence[Arm]) -> str:
    """R² as written and with the best that was tried."""
    fitted = [arm for arm in arms if arm.r2]
    written = next((arm for arm in fitted if arm.name == AS_WRITTEN), None)
    others = [arm for arm in fitted if arm is not written]
    if written is None or not others:
        return "; ".join(f"{arm.name}: R² {mean_and_spread(arm.r2)}" for arm in fitted) + "."
    best = next((arm for arm in others if arm.name == ALL_FIXES), max(others, key=run_end))
    return f"R² {mean_and_spread(written.r2)} as written, {mean_and_spread(best.r2)} with {best.name}."


def short_names(arms: Sequence[Arm]) -> list[str]:
    """What stands at the end of a line: ``as written``, ``fixed``, and letters for the others."""
    best = fixed_arm(arms)
    letters = iter("ABCDEFGH")
    return [AS_WRITTEN if arm.name == AS_WRITTEN else FIXED if arm is best else next(letters, "?") for arm in arms]


def fixed_arm(arms: Sequence[Arm]) -> Arm | None:
    """The arm with all fixes; where one fix is all, that one."""
    others = [arm for arm in arms if arm.name != AS_WRITTEN]
    whole = next((arm for arm in others if arm.name == ALL_FIXES), None)
    return whole or (max(others, key=run_end) if others else None)


def _tones(arms: Sequence[Arm]) -> list[Tone]:
    best = fixed_arm(arms)
    spare = iter((Tone.FIRST, Tone.SECOND))
    return [
        Tone.BAD if arm.name == AS_WRITTEN else Tone.GOOD if arm is best else next(spare, Tone.PLAIN) for arm in arms
    ]


def _losses(arms: Sequence[Arm], labels: Sequence[str], tones: Sequence[Tone], under: str) -> str:
    """What the printed loss stands above its floor, where floors are known of all that is drawn."""
    above: list[Series] = []
    for arm, label, tone in zip(arms, labels, tones, strict=True):
        losses = arm.losses or ((arm.loss,) if len(arm.loss) > 1 else ())
        if arm.floor is None or not math.isfinite(arm.floor) or not losses:
            continue
        runs = tuple(tuple(value - arm.floor for value in run) for run in losses)
        if all(value >= 0 for run in runs for value in run):  # else the printed loss holds more than the theory knows
            above.append(Series(label, runs, tone))
    if not above:
        return ""
    axis = decades(value for one in above for run in one.runs for value in run)
    told = "; ".join(
        f"{one.label}: {figure(float(f'{one.runs[0][0]:.2g}'))} → {figure(float(f'{one.runs[0][-1]:.2g}'))}"
        for one in above
    )
    return chart("Loss above its floor", told, above, axis, f"loss minus its floor, over {under}", height=160)


def _legend(arms: Sequence[Arm], labels: Sequence[str]) -> str:
    named = [
        f"<li><b>{label}</b> {safe(arm.name)}</li>"
        for arm, label in zip(arms, labels, strict=True)
        if label != AS_WRITTEN
    ]
    return f'<ul class="legend">{"".join(named)}</ul>' if named else ""
