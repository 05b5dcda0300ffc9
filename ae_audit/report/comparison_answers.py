"""What a comparison of heads and losses says of the questions people have about them, each with its figures."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ae_audit.report.phrases import count, figure, r2
from ae_audit.schema.comparison import Cell, Comparison
from ae_audit.schema.ideal import Outcome
from ae_audit.theory.uncertainty import Estimate, difference, estimate

MATERIAL_BIAS = 0.02
"""of the mean intensity: what nobody sees on a screen"""


def answers(comparison: Comparison) -> tuple[tuple[str, str], ...]:
    """Questions with their answers; only those that the cells bear on."""
    found = []
    for question, sentences in (
        ("Which is best?", _best(comparison)),
        ("Do bce and mse have the same optimum?", _same_optimum(comparison)),
        ("Does bce dim the image?", _dims(comparison)),
        ("Can relu be the output?", _relu(comparison)),
        ("Why is the loss not zero at a perfect reconstruction?", _floor(comparison)),
        ("What cannot work?", _hopeless(comparison)),
    ):
        text = " ".join(sentences)
        if text:
            found.append((question, text))
    return tuple(found)


def plus_minus(value: Estimate | None, percent: bool = False) -> str:
    """``0.52 ± 0.01``, ``−1.2 % ± 0.4``; without an interval the mean alone, as of one seed."""
    if value is None:
        return "–"
    if percent:
        text = f"{100 * value.mean:.1f}".replace("-", "−") + " %"
        return text if value.half_width is None else f"{text} ± {100 * value.half_width:.1f}"
    return r2(value.mean) if value.half_width is None else f"{r2(value.mean)} ± {r2(value.half_width)}"


def signed(value: Estimate, percent: bool = False) -> str:
    """A difference, with its sign also where it is positive."""
    return f"{'+' if value.mean > 0 else ''}{plus_minus(value, percent)}"


def _best(comparison: Comparison) -> Iterator[str]:
    best = comparison.best
    if best is None:
        return
    level = [cell.name for cell in comparison.ranked if cell is not best and comparison.level_with_best(cell)]
    yield f"`{best.name}`: R² {plus_minus(estimate(best.final_r2))} after {count(comparison.steps, 'step')}."
    if level:
        yield f"{_listed(level)} cannot be told from it with {count(comparison.seeds, 'seed')}."
    written = next((cell for cell in comparison.cells if cell.as_written), None)
    if written is not None and written is not best and not comparison.level_with_best(written):
        gap = comparison.behind(written)
        if gap is not None and written.final_r2 and math.isfinite(gap.mean):
            yield f"The program as written (`{written.name}`) is {plus_minus(gap)} behind."
        elif written.failed is not None:
            yield f"The program as written (`{written.name}`) does not train: {written.failed.rstrip('.')}."
    yield "Few steps say who learns fastest, not who ends best: --steps asks for more."


def _pairs(comparison: Comparison) -> tuple[Cell | None, Cell | None]:
    """Binary cross-entropy on a sigmoid (its own or the loss's), and the mean squared error on a sigmoid."""
    bce = comparison.find("sigmoid", "bce") or comparison.find("linear", "bce", from_logits=True)
    return bce, comparison.find("sigmoid", "mse")


def _same_optimum(comparison: Comparison) -> Iterator[str]:
    bce, mse = _pairs(comparison)
    if bce is None or mse is None or bce.ideal is None or mse.ideal is None:
        return
    if bce.ideal.r2 is None or mse.ideal.r2 is None:
        return
    arrived = bce.ideal.outcome is mse.ideal.outcome is Outcome.ARRIVES
    start = "Yes: a" if arrived else "Not here: a"
    yield (
        f"{start} network that could output anything ends at R² {_precise(bce.ideal.r2)} under `{bce.name}` and at "
        f"{_precise(mse.ideal.r2)} under `{mse.name}`; the minimum of bce is at the prediction y itself."
    )
    gap = difference(bce.final_r2, mse.final_r2)
    if gap is not None:
        after = f"This network, after {count(comparison.steps, 'step')}"
        yield f"{after}: R² {signed(gap)} with bce against mse{_told(gap)}."


def _dims(comparison: Comparison) -> Iterator[str]:
    bce, mse = _pairs(comparison)
    if bce is None or mse is None:
        return
    ones, others = bce.over_seeds("bias"), mse.over_seeds("bias")
    gap, bias = difference(ones, others), estimate(ones)
    if gap is None or bias is None or not ones or not bce.over_seeds("sharpness"):  # no image to dim
        return
    unit = "of its mean" if comparison.bias_unit == "mean" else "standard deviations"
    percent = comparison.bias_unit == "mean"
    dims = gap.high < 0.0 and bias.high < -MATERIAL_BIAS
    verdict = "Yes" if dims else "No" if bias.low > -MATERIAL_BIAS else "Not that these seeds could tell"
    yield (
        f"{verdict}: the mean of the predictions is {signed(bias, percent)} off the target's under `{bce.name}` and "
        f"{signed(estimate(others) or bias, percent)} under `{mse.name}` ({unit}); difference {signed(gap, percent)}."
    )
    sharp = difference(bce.over_seeds("sharpness"), mse.over_seeds("sharpness"))
    if sharp is not None and bce.over_seeds("sharpness"):
        yield (
            f"Sharpness {plus_minus(estimate(bce.over_seeds('sharpness')))} against "
            f"{plus_minus(estimate(mse.over_seeds('sharpness')))}: {signed(sharp)}{_told(sharp)}."
        )


def _relu(comparison: Comparison) -> Iterator[str]:
    for loss in ("mse", "bce", "mae"):
        relu = comparison.find("relu", loss)
        sigmoid = comparison.find("sigmoid", loss) or comparison.find("linear", loss)
        if relu is None:
            continue
        if relu.failed is not None:
            yield f"With {loss} no: {relu.failed.rstrip('.')}."
            continue
        gap = None if sigmoid is None else difference(relu.final_r2, sigmoid.final_r2)
        text = f"With {loss} R² {plus_minus(estimate(relu.final_r2))}"
        if gap is not None and sigmoid is not None and math.isfinite(gap.mean):
            text += f", {signed(gap)} against `{sigmoid.name}`{_told(gap)}"
        dead = estimate(relu.over_seeds("dead"))
        if dead is not None and dead.mean > 0.0:
            text += f"; {plus_minus(dead, percent=True)} of the outputs are dead"
        yield f"{text}."


def _floor(comparison: Comparison) -> Iterator[str]:
    cell, _ = _pairs(comparison)
    if cell is None or cell.floor is None or not math.isfinite(cell.floor) or cell.floor <= 0.0:
        return
    floor = Estimate(cell.floor, cell.floor_error)
    yield f"Under bce the target itself costs {_of_loss(floor)} (over samples), its entropy."
    printed = estimate(cell.final_loss())
    if printed is not None and math.isfinite(printed.mean):
        above = figure(float(f"{printed.mean - cell.floor:.3g}"))
        yield f"`{cell.name}` printed {_of_loss(printed)} at the end, {above} above that."
    yield "Under mse and mae it costs 0."


def _hopeless(comparison: Comparison) -> Iterator[str]:
    for cell in comparison.cells:
        if cell.refused is not None:
            continue
        name = f"`{comparison.label(cell)}`"
        if cell.bound is not None and cell.bound < 0.01:
            yield f"{name}: with any weights R² ≤ {r2(cell.bound)}."
        elif cell.ideal is not None and cell.ideal.misses:
            end = "" if cell.ideal.r2 is None else f" ends at R² {r2(cell.ideal.r2)}"
            yield f"{name}: even a network that could output anything{end or ' does not come to the target'}."
        elif cell.failed is not None and "time ran out" not in cell.failed:
            yield f"{name}: {cell.failed.rstrip('.')}."


def _of_loss(value: Estimate) -> str:
    """A loss to four significant digits, and its interval to as many decimals."""
    decimals = max(0, 3 - math.floor(math.log10(abs(value.mean)))) if value.mean else 4
    text = f"{value.mean:.{decimals}f}".replace("-", "−")
    return text if value.half_width is None else f"{text} ± {value.half_width:.{decimals}f}"


def _told(gap: Estimate) -> str:
    if gap.half_width is None:
        return ", from one seed"
    return "" if gap.tells_from_zero else ", which these seeds do not tell from 0"


def _precise(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


def _listed(names: list[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
