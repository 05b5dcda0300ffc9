"""The evidence of a training, each piece once, under the stage that found it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ae_audit.report.evidence import failure_in_words, loss_in_figures, not_fitted
from ae_audit.report.html.marked import coded
from ae_audit.report.html.svg import safe
from ae_audit.report.phrases import count, figure, mean_and_spread, r2
from ae_audit.schema.findings import Arm, Evidence, Finding
from ae_audit.schema.location import address

_STAGES = {
    "static": "Reading the source",
    "runtime": "Running the program",
    "certificate": "Certificate: what holds for any weights",
    "ideal": "Ideal network: what the loss rewards",
    "probe": "Experiment: short fits",
}


def evidence(findings: Sequence[Finding]) -> str:
    """A ``<details>`` for each stage that found something."""
    by_stage: dict[str, dict[Evidence, list[str]]] = {}
    for finding in findings:
        for item in finding.evidence:
            codes = by_stage.setdefault(item.kind, {}).setdefault(item, [])
            if finding.code not in codes:
                codes.append(finding.code)
    stages = [
        *(stage for stage in _STAGES if stage in by_stage),
        *(stage for stage in by_stage if stage not in _STAGES),
    ]
    several = len({finding.code for finding in findings}) > 1
    return "".join(_stage(stage, by_stage[stage], several) for stage in stages)


def _stage(stage: str, items: dict[Evidence, list[str]], several: bool) -> str:
    told = []
    for item, codes in items.items():
        place = ""
        if item.location is not None:
            where = address(item.location.path, item.location.cell, item.location.line)
            place = f' <span class="dim">[{safe(where)}]</span>'
        figures = ""
        if item.figures and not any(map(str.isdigit, item.text)):
            words = ", ".join(f"{name.replace('_', ' ')} {figure(value)}" for name, value in item.figures)
            figures = f' <span class="dim">({safe(words)})</span>'
        code = f"<b>{safe(' '.join(codes))}</b> " if several else ""
        told.append(f"<li>{code}{coded(item.text)}{figures}{place}</li>\n")
    drawn = _arms(arms_of(items)[0])
    title = f"{_STAGES.get(stage, stage)} ({count(len(told), 'piece')} of evidence)"
    return f"<details><summary>{safe(title)}</summary><ul>{''.join(told)}</ul>{drawn}</details>\n"


def arms_of(items: Iterable[Evidence]) -> tuple[tuple[Arm, ...], object]:
    """All variants that were tried, each once, the longest fit of each; and how many steps the longest took."""
    best: dict[str, tuple[Arm, object]] = {}
    for item in items:
        for arm in item.arms:
            known = best.get(arm.name)
            if known is None or _length(arm) > _length(known[0]):
                best[arm.name] = arm, dict(item.figures).get("steps")
    steps = [number for _, number in best.values() if isinstance(number, int)]
    return tuple(arm for arm, _ in best.values()), max(steps, default=None)


def _length(arm: Arm) -> tuple[int, int]:
    return max((len(run) for run in (*arm.curves, arm.curve)), default=0), len(arm.r2)


def _arms(arms: Sequence[Arm]) -> str:
    fitted = [arm for arm in arms if arm.r2]
    rows = "".join(
        f'<tr><th scope="row">{safe(arm.name)}</th><td>{" ".join(map(r2, arm.r2))}</td>'
        f"<td>{mean_and_spread(arm.r2)}</td><td>{safe(loss_in_figures(arm.loss))}</td></tr>\n"
        for arm in fitted
    )
    head = "<tr><th>variant</th><th>R² of each seed</th><th>mean ± sd</th><th>printed loss</th></tr>"
    table = f'<div class="scroll"><table class="figures">{head}{rows}</table></div>' if fitted else ""
    rest = [f"{arm.name}: {failure_in_words(arm)}: {arm.failed}" for arm in arms if arm.failed is not None]
    rest += [not_fitted(arm) for arm in arms if arm.failed is None and arm.bound is not None]
    return table + (f"<ul>{''.join(f'<li>{safe(text)}</li>' for text in rest)}</ul>" if rest else "")
