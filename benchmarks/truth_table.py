"""The truth table: output layer x loss x data on four backends, each cell fitted, against theory and rules.

usage: python benchmarks/truth_table.py [fit | page | check]

``fit`` trains what is not yet in docs/truth-table.json (one process for each kind of data and backend; needs torch,
tensorflow, jax, keras and scikit-learn, and about twenty minutes of one core), ``page`` judges the figures and writes
docs/truth-table.md, ``check`` (neither fits nor writes) ends with an error where a disagreement is not explained.
Without a word it does the first two.
"""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from truth_cells import BACKENDS, BATCH, CODE, FITTED, LONG, MARGIN, RATE, SEED, STEPS, Data, cells, data_sets
from truth_reasons import reason_of
from truth_rules import findings_of
from truth_theory import Theory, theory_of

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "docs" / "truth-table.json"
PAGE = ROOT / "docs" / "truth-table.md"
ORDER = ("one label", "class index", "[0, 1]", "one-hot", "[0, 255]", "{0, 1}", "shares", "[-1, 1]", "standardised")
"""in which the kinds of data are fitted: those on which backends differ come first"""


@dataclass(frozen=True)
class Judged:
    """One cell with everything that is said of it."""

    backend: str
    data: str
    head: str
    loss: str
    r2: float
    """on held-out digits; −inf where a prediction is not finite"""
    raised: str | None
    trained: str
    """``works``, ``slow`` (works after ``LONG`` steps) or ``fails``"""
    theory: Theory
    codes: tuple[str, ...]
    """rules that find an error or a warning"""
    rules: str
    """``works``, ``fragile`` (a warning, or AE208's note) or ``fails`` (an error)"""

    @property
    def theory_says(self) -> str:
        return "fragile" if self.theory.fragile else "works" if self.theory.suits else "fails"

    def agrees(self, said: str) -> bool:
        """Whether training did what was said of it; `fragile` promises neither."""
        return said == "fragile" or (said == "works") == (self.trained != "fails")

    @property
    def disagreements(self) -> tuple[str, ...]:
        """Who was wrong about this cell: ``theory``, ``rules``."""
        said = (("theory", self.theory_says), ("rules", self.rules))
        return tuple(who for who, what in said if not self.agrees(what))


# Fitting


def fit_all() -> None:
    """Everything that has no figures yet; then, for longer, what is behind although theory or rules call it right."""
    figures = load()
    for backend in BACKENDS:
        known = figures["fits"].setdefault(backend, {})
        jobs = {name: cells(backend, data_sets()[name]) for name in ORDER if name not in known}
        for name, found in fitted(backend, STEPS, jobs):
            known[name] = found
            save(figures)
        known = figures["longer"].setdefault(backend, {})
        jobs = {name: behind(figures, backend, data_sets()[name]) for name in ORDER if name not in known}
        for name, found in fitted(backend, LONG, jobs):
            known[name] = found
            save(figures)


def behind(figures: dict[str, Any], backend: str, data: Data) -> list[tuple[str, str]]:
    """The right pairings and what did not work although theory or rules call it right; empty where all did."""
    found = [
        (cell.head, cell.loss)
        for cell in judged({**figures, "longer": {}}, backend, data)
        if cell.trained == "fails" and "works" in {cell.theory_says, cell.rules} and cell.raised is None
    ]
    return list(dict.fromkeys([*found, *data.right])) if found else []


def fitted(backend: str, steps: int, jobs: dict[str, list[tuple[str, str]]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The figures of each kind of data as they come, from one process of ``truth_fits.py``."""
    if not any(jobs.values()):
        yield from ((name, {}) for name in jobs)
        return
    environment = {**os.environ, "KERAS_BACKEND": backend.split("-")[-1], "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["OMP_NUM_THREADS"] = "1"
    command = [sys.executable, str(Path(__file__).with_name("truth_fits.py")), backend, str(steps)]
    began = time.monotonic()
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for name, chosen in jobs.items():
            process.stdin.write(json.dumps([name, chosen]) + "\n")
        process.stdin.close()
        for line in process.stdout:
            if line.startswith("["):
                name, found = json.loads(line)
                at = time.monotonic() - began
                print(f"{backend}, {name}, {steps} steps: {len(found)} cells, at {at:.0f} s", flush=True)
                yield name, found
    if process.returncode:
        raise SystemExit(f"{backend}: the process ended with {process.returncode}")


def load() -> dict[str, Any]:
    """What has been measured so far."""
    if FIGURES.exists():
        found: dict[str, Any] = json.loads(FIGURES.read_text("utf-8"))
        return found
    setup = {"net": f"64-{CODE}-units", "optimizer": f"Adam({RATE})", "steps": STEPS, "long": LONG, "batch": BATCH}
    setup |= {"seed": SEED, "fitted_on": FITTED, "margin": MARGIN}
    return {"setup": setup, "fits": {}, "longer": {}}


def save(figures: dict[str, Any]) -> None:
    """After every process, so that it can be broken off."""
    text = json.dumps(figures, indent=0)
    FIGURES.write_text(re.sub(r"\[\n([^\[\]]*?),\n([^\[\]]*?)\n\]", r"[\1, \2]", text) + "\n", encoding="utf-8")


# Judging


def judged(figures: dict[str, Any], backend: str, data: Data) -> Iterator[Judged]:
    """Every cell of one kind of data on one backend."""
    fits, longer = figures["fits"][backend][data.name], figures["longer"].get(backend, {}).get(data.name, {})
    yardstick, long_yardstick = _best(fits, data), _best(longer, data)
    for head, loss in cells(backend, data):
        score, raised = fits[f"{head} | {loss}"]
        r2 = -math.inf if score is None else score
        trained = "works" if raised is None and r2 >= yardstick - MARGIN else "fails"
        later = longer.get(f"{head} | {loss}", [None])[0]
        if trained == "fails" and later is not None and later >= long_yardstick - MARGIN:
            trained = "slow"
        severities = said_by_rules(backend, data.name, head, loss)
        loud = {severity for _, severity in severities}
        warned = "warning" in loud or any(code == "AE208" for code, _ in severities)
        rules = "fails" if "error" in loud else "fragile" if warned else "works"
        codes = tuple(sorted({code for code, severity in severities if severity != "info"}))
        theory = said_by_theory(backend, data.name, head, loss)
        yield Judged(backend, data.name, head, loss, r2, raised, trained, theory, codes, rules)


def _best(fits: dict[str, list[Any]], data: Data) -> float:
    scores = [fits[key][0] for head, loss in data.right if (key := f"{head} | {loss}") in fits]
    return max((score for score in scores if score is not None), default=math.inf)


@cache
def said_by_theory(backend: str, data: str, head: str, loss: str) -> Theory:
    """Which framework's loss it is matters, and whether TensorFlow computes it; torch and JAX do not differ in it."""
    alike = "keras-jax" if backend == "keras-torch" else backend
    if alike != backend:
        return said_by_theory(alike, data, head, loss)
    return theory_of(backend, head, loss, data_sets()[data])


@cache
def said_by_rules(backend: str, data: str, head: str, loss: str) -> tuple[tuple[str, str], ...]:
    """Code and severity of each finding."""
    return tuple((each.code, each.severity.value) for each in findings_of(backend, head, loss, data_sets()[data]))


def everything(figures: dict[str, Any]) -> list[Judged]:
    """Every cell that has been fitted."""
    return [
        cell
        for backend in BACKENDS
        for name, data in data_sets().items()
        if name in figures["fits"].get(backend, {})
        for cell in judged(figures, backend, data)
    ]


# The page


def number(value: float) -> str:
    """An R², short."""
    if not math.isfinite(value):
        return "nan"
    return (f"{value:.2f}" if value > -10 else "< −10").replace("-", "−")


MARKS = {"works": "✓", "slow": "(✓)", "fails": "✗"}


def table(of_data: list[Judged]) -> Iterator[str]:
    """Heads x losses of one kind of data: what training did, over the backends, and which rules speak."""
    losses = list(dict.fromkeys(cell.loss for cell in of_data))
    yield f"| | {' | '.join(losses)} |"
    yield "|---" * (len(losses) + 1) + "|"
    for head in dict.fromkeys(cell.head for cell in of_data):
        row = []
        for loss in losses:
            here = [cell for cell in of_data if (cell.head, cell.loss) == (head, loss)]
            row.append(_entry(here) if here else "")
        yield f"| {head} | {' | '.join(row)} |"


def _entry(here: list[Judged]) -> str:
    outcomes = {MARKS[cell.trained] for cell in here}
    mark = outcomes.pop() if len(outcomes) == 1 else "≠"
    codes = " ".join(dict.fromkeys(code for cell in here for code in cell.codes))
    return f"{mark} {number(median(cell.r2 for cell in here))} {codes}".strip()


def differences(every: list[Judged]) -> Iterator[str]:
    """Cells of one source that Keras's backends do not train alike."""
    groups: dict[tuple[str, str, str], dict[str, Judged]] = {}
    for cell in every:
        if cell.backend != "torch":
            groups.setdefault((cell.data, cell.head, cell.loss), {})[cell.backend] = cell
    yield "| data | head | loss | TensorFlow | torch | JAX | why |"
    yield "|---|---|---|---|---|---|---|"
    for (data, head, loss), by_backend in groups.items():
        scores = [by_backend[name].r2 for name in BACKENDS[1:] if name in by_backend]
        if len({cell.trained != "fails" for cell in by_backend.values()}) < 2 and not _apart(scores):
            continue
        shown = [number(by_backend[name].r2) if name in by_backend else "" for name in BACKENDS[1:]]
        yield f"| {data} | {head} | {loss} | {' | '.join(shown)} | {_why_different(head, loss)} |"


def _apart(scores: list[float]) -> bool:
    """Whether scores that are worth something differ by more than the margin."""
    return max(scores) > 0 and max(scores) - min(scores) > MARGIN


def _why_different(head: str, loss: str) -> str:
    if head in {"sigmoid", "softmax"} and loss.split()[0] in {"bce", "cce"}:
        return f"TensorFlow takes the logits behind the {head}"
    return "the loss has no value there, and the backends round and clip differently"


def disagreements(every: list[Judged]) -> dict[str, list[Judged]]:
    """Cells that theory or rules were wrong about, by reason; the reason "" is none."""
    grouped: dict[str, list[Judged]] = {}
    for cell in every:
        if cell.disagreements:
            grouped.setdefault(reason_of(cell.head, cell.loss, cell.data, cell.trained) or "", []).append(cell)
    return grouped


def page(figures: dict[str, Any]) -> str:
    """docs/truth-table.md."""
    every = everything(figures)
    grouped = disagreements(every)
    wrong = sum(map(len, grouped.values()))
    agreeing = len(every) - wrong
    slow = sum(cell.trained == "slow" for cell in every)
    parts = [
        INTRODUCTION.format(
            cells=f"{len(every):,}", steps=STEPS, long=LONG, code=CODE, rate=RATE, margin=f"{MARGIN:.2f}", fitted=FITTED
        ),
        f"Of {len(every):,} cells, theory and rules agree with what training did in {agreeing:,}"
        f" ({slow} of them only after {LONG:,} steps); in {wrong} one of the two does not. "
        "Those are listed below, with the cause.\n",
        *_missing(figures),
    ]
    for name, data in data_sets().items():
        of_data = [cell for cell in every if cell.data == name]
        if not of_data:
            continue
        best = {b: _best(figures["fits"][b][name], data) for b in BACKENDS if name in figures["fits"].get(b, {})}
        right = ", ".join(f"{head} × {loss}" for head, loss in data.right)
        scores = ", ".join(f"{backend} {number(score)}" for backend, score in best.items())
        parts.append(
            f"## {name}\n\n{data.about[0].upper()}{data.about[1:]}. Right: {right}. The best of them: {scores}.\n"
        )
        parts.append("\n".join(table(of_data)) + "\n")
    parts.append("## Where Keras's backends differ\n\n" + "\n".join(differences(every)) + "\n")
    parts.append("## Where theory or rules and training part\n")
    for reason, found in sorted(grouped.items(), key=lambda item: -len(item[1])):
        parts.append(f"**{len(found)} {'cell' if len(found) == 1 else 'cells'}.** {reason or 'Not explained.'}\n")
        parts.append("\n".join(_listed(found)) + "\n")
    return "\n".join(parts)


def _missing(figures: dict[str, Any]) -> Iterator[str]:
    """What has not been fitted yet."""
    for backend in BACKENDS:
        absent = [name for name in data_sets() if name not in figures["fits"].get(backend, {})]
        if absent:
            yield f"Not fitted yet on {backend}: {', '.join(absent)}.\n"


def _listed(found: list[Judged]) -> Iterator[str]:
    """The cells of one reason, those of a head, loss and data on one line."""
    yield "| data | head | loss | R² | who was wrong |"
    yield "|---|---|---|---|---|"
    groups: dict[tuple[str, str, str], list[Judged]] = {}
    for cell in found:
        groups.setdefault((cell.data, cell.head, cell.loss), []).append(cell)
    for (data, head, loss), here in groups.items():
        scores = ", ".join(f"{cell.backend} {number(cell.r2)}" for cell in here)
        who = ", ".join(dict.fromkeys(who for cell in here for who in cell.disagreements))
        yield f"| {data} | {head} | {loss} | {scores} | {who} |"


INTRODUCTION = """# The truth table

Which output layer suits which loss on which data is what the rules of ae-audit claim to know. Here every claim is put
to the test: {cells} cells, an output layer, a loss and a kind of data on one backend each, and each of them trained.
Written by `python benchmarks/truth_table.py` from docs/truth-table.json.

**What is trained.** A net 64-{code}-units with one hidden relu layer, on {fitted:,} of scikit-learn's digits of 8 × 8
pixels, {steps} steps of Adam({rate}) on batches of 100, from the same initial weights on the same batches on every
backend. The score is R² of its predictions on the 297 other digits, against the mean of the targets. A head under a
loss on logits is read both as it is and through the loss's own sigmoid or softmax, and the better reading counts.

**What `works` means**, fixed before anything was fitted: R² is at most {margin} below that of the best right pairing on
the same data and backend (the margin by which the probe confirms a finding). What is behind although theory or rules
call it right is trained again, for {long:,} steps beside the right pairings; where it is level then, it is slow, not
wrong.

**What theory says**: a pairing suits where the output stays in the loss's domain, the targets too, and the predictions
that the loss rewards most, among those that the head can produce, explain at least nine tenths of the targets'
variance. Fragile are an output a third of whose range no target uses, the absolute error where one value makes up half
of the targets, and raw input (these cautions, unlike the margin, were added where the first fits showed the need).
**What the rules say**: an error, a warning or AE208's note (fragile), or nothing. Theory
or rules are wrong where they promise and training fails, or accuse and it works; `fragile` promises neither.

In the tables: ✓ works, (✓) works after {long:,} steps, ✗ fails, ≠ differs from backend to backend; the figure is the
median R² over the backends; then the rules that speak. In Keras `kl` takes probabilities, in torch log-probabilities.
"""


def main() -> None:
    """Fit, judge, write."""
    what = sys.argv[1:] or ["fit", "page"]
    if "fit" in what:
        fit_all()
    if "page" in what:
        PAGE.write_text(page(load()), encoding="utf-8")
    if "check" in what:
        open_ = disagreements(everything(load())).get("", [])
        for cell in open_:
            print(
                cell.backend,
                cell.data,
                cell.head,
                cell.loss,
                cell.r2,
                cell.trained,
                cell.theory_says,
                cell.rules,
                cell.codes,
                cell.theory.why,
            )
        sys.exit(1 if open_ else 0)


if __name__ == "__main__":
    main()
