"""Measure the figures of which-loss-which-activation.md: its table, docs/pairings.json and two plots.

usage: python docs/measure_pairings.py

Needs torch and, for the plots, matplotlib (in no extra of this package: ``pip install matplotlib``). Takes a minute or
two on one CPU core. The floors and bounds are computed by ``ae_audit.theory``; nothing is trained for them.

Every pairing fits the same 784-64-784 net from the same initial weights on the same batches of the digits that ship
with ae-audit, and is scored by R² of its predictions on digits that it was not fitted on. Binary cross-entropy on
probabilities is computed as Keras does it (the prediction clipped to [1e-7, 1 - 1e-7], the target taken as it is), so
that pairings can be measured that ``torch.nn.BCELoss`` refuses; whether it refuses is noted beside.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ae_audit.theory.activations import find
from ae_audit.theory.bounds import attainable_r2
from ae_audit.theory.floors import floor, mean_prediction_loss
from ae_audit.theory.losses import find_loss

Floats = NDArray[np.float64]

DOCS = Path(__file__).resolve().parent
DIGITS = DOCS.parent / "ae_audit" / "runtime" / "data" / "mnist_sample.npz"
FITTED = 1600  # of the 2,000 digits; the others are for the score
STEPS, LONG, BATCH, CODE, SEED = 300, 3000, 100, 64, 0
EPSILON = 1e-7  # Keras's

HEADS: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": lambda logits: logits.softmax(dim=1),
    "sigmoid": torch.sigmoid,
    "linear": lambda logits: logits,
    "relu": torch.relu,
    "tanh": torch.tanh,
}
FROM_LOGITS = "bce from logits"
"""What Keras on TensorFlow computes for a softmax or a sigmoid: it takes what stands before the activation."""
SCALES = {"[0, 1]": 255.0, "[0, 255]": 1.0}
SUITED = (("sigmoid", "bce"), ("sigmoid", "mse"), ("linear", "mse"), ("relu", "mse"))
"""What is fitted for longer too, on [0, 1]: which of the pairings that suit is ahead depends on the steps."""


def bce(p: Tensor, y: Tensor) -> Tensor:
    """Binary cross-entropy on probabilities, as ``keras.losses.binary_crossentropy`` computes it."""
    q = p.clamp(EPSILON, 1.0 - EPSILON)
    return -(y * q.log() + (1.0 - y) * (1.0 - q).log()).mean()


def loss_value(head: str, loss: str, logits: Tensor, y: Tensor) -> Tensor:
    """The training loss of a batch."""
    if loss == FROM_LOGITS:
        return F.binary_cross_entropy_with_logits(logits, y)
    predictions = HEADS[head](logits)
    return F.mse_loss(predictions, y) if loss == "mse" else bce(predictions, y)


def torch_refuses(head: str, logits: Tensor, y: Tensor) -> bool:
    """Whether ``torch.nn.BCELoss`` raises on these predictions and targets (on the CPU)."""
    try:
        nn.BCELoss()(HEADS[head](logits), y)
    except RuntimeError:
        return True
    return False


def r2(predictions: Tensor, targets: Tensor) -> float:
    """Share of the variance around the mean image that the predictions explain."""
    p, y = predictions.double().numpy(), targets.double().numpy()
    return 1.0 - float(np.square(y - p).sum() / np.square(y - y.mean(axis=0)).sum())


def fit(head: str, loss: str, images: Tensor, steps: int = STEPS) -> dict[str, Any]:
    """Train one pairing and score it."""
    torch.manual_seed(SEED)
    net = nn.Sequential(nn.Linear(784, CODE), nn.ReLU(), nn.Linear(CODE, 784))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    batches = torch.Generator().manual_seed(SEED)
    train, held_out = images[:FITTED], images[FITTED:]
    with torch.no_grad():
        logits = net(train[:BATCH])
        first = float(loss_value(head, loss, logits, train[:BATCH]))
        refused = torch_refuses(head, logits, train[:BATCH]) if loss == "bce" else None
    for _ in range(steps):
        batch = train[torch.randperm(FITTED, generator=batches)[:BATCH]]
        value = loss_value(head, loss, net(batch), batch)
        optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.no_grad():
        logits = net(held_out)
        predictions = HEADS[head](logits)
        return {
            "first_loss": rounded(first),
            "last_loss": rounded(float(loss_value(head, loss, logits, held_out))),
            "r2": rounded(r2(predictions, held_out)),
            "largest_prediction": rounded(float(predictions.max())),
            "mean_sum_of_prediction": rounded(float(predictions.sum(dim=1).mean())),
            "torch_bceloss_refuses": refused,
        }


def rounded(value: float) -> float | None:
    """To five significant digits; None where it is not finite (JSON knows no NaN)."""
    return float(f"{value:.5g}") if math.isfinite(value) else None


def pairings(digits: Floats) -> Iterator[dict[str, Any]]:
    """A record for each scale, head and loss."""
    for scale, divisor in SCALES.items():
        images = torch.tensor(digits / divisor, dtype=torch.float32)
        held_out = images[FITTED:].double().numpy()
        for head in HEADS:
            bound = attainable_r2(find(head).range, held_out)
            for loss in ("bce", "mse", *([FROM_LOGITS] if head in {"softmax", "sigmoid"} else [])):
                found = fit(head, loss, images)
                print(f"{scale:9} {head:8} {loss:16} R² {found['r2']}  loss {found['last_loss']}", flush=True)
                yield {
                    "scale": scale,
                    "head": head,
                    "loss": loss,
                    "bound_r2": None if bound is None else rounded(bound),
                    **found,
                }


def longer(digits: Floats) -> Iterator[dict[str, Any]]:
    """A record for each pairing that suits, fitted for ``LONG`` steps."""
    images = torch.tensor(digits / 255.0, dtype=torch.float32)
    for head, loss in SUITED:
        found = fit(head, loss, images, LONG)
        print(f"{LONG} steps: {head} {loss} R² {found['r2']}  loss {found['last_loss']}", flush=True)
        yield {"head": head, "loss": loss, "r2": found["r2"], "last_loss": found["last_loss"]}


def analytic(digits: Floats) -> dict[str, Any]:
    """What needs no training: floors, the loss of the mean image, bounds, facts about the data."""
    cross_entropy, squared = find_loss("bce"), find_loss("mse")
    assert cross_entropy is not None
    assert squared is not None
    y = digits / 255.0
    four = np.array([[0.5, 0.3, 0.5, 0.9]])
    return {
        "digits": len(digits),
        "mean_sum_of_pixels": rounded(float(y.sum(axis=1).mean())),
        "share_of_pixels_strictly_between_0_and_1": rounded(float(((y > 0) & (y < 1)).mean())),
        "bce_floor": rounded(floor(cross_entropy, y)),
        "bce_of_mean_image": rounded(mean_prediction_loss(cross_entropy, y)),
        "bce_floor_of_0.5_0.3_0.5_0.9": rounded(floor(cross_entropy, four)),
        "bce_floor_of_black_and_white": rounded(floor(cross_entropy, (y > 0.5).astype(np.float64))),
        "bce_floor_on_0_255": repr(floor(cross_entropy, digits)),
        "mse_floor": rounded(floor(squared, y)),
        "mse_of_mean_image": rounded(mean_prediction_loss(squared, y)),
        "bound_r2": {
            scale: {head: rounded(attainable_r2(find(head).range, digits / divisor) or 0.0) for head in HEADS}
            for scale, divisor in SCALES.items()
        },
    }


def table(records: list[dict[str, Any]], later: list[dict[str, Any]]) -> str:
    """The measured pairings, in Markdown; a row for each head and loss."""
    rows = [f"| output | loss | R², [0, 1] | R², [0, 255] | R², [0, 1], {LONG} steps |", "|---|---|---|---|---|"]
    of = {(record["scale"], record["head"], record["loss"]): record["r2"] for record in records}
    long = {(record["head"], record["loss"]): record["r2"] for record in later}
    for head, loss in dict.fromkeys((record["head"], record["loss"]) for record in records):
        scores = (*(of[scale, head, loss] for scale in SCALES), long.get((head, loss)))
        cells = ("" if score is None else f"{score:.2f}".replace("-", "−") for score in scores)
        rows.append(f"| {head} | {loss} | {' | '.join(cells)} |".replace("  ", " "))
    return "\n".join(rows)


def plot_curves(path: Path) -> None:
    """BCE(y, p) over p, for five targets: the minimum is at p = y, its height the entropy of y."""
    from matplotlib import pyplot, rcParams

    rcParams["svg.hashsalt"] = path.name  # the same file from the same figures

    p = 1.0 / (1.0 + np.exp(-np.linspace(-30.0, 30.0, 1999)))  # dense where the curves are steep
    figure, axes = pyplot.subplots(figsize=(7, 4.2), layout="constrained")
    for y in (0.0, 0.3, 0.5, 0.9, 1.0):
        (line,) = axes.plot(p, -(y * np.log(p) + (1 - y) * np.log(1 - p)), label=f"y = {y:g}")
        least = -sum(part * math.log(part) for part in (y, 1 - y) if part > 0)
        axes.plot([y], [least], "o", color=line.get_color(), clip_on=False, zorder=3)
        if least:
            axes.plot([0, y], [least, least], ":", color=line.get_color(), linewidth=1)
            axes.annotate(f"{least:.3f}", (y, least), (0, -13), textcoords="offset points", ha="center", fontsize=9)
    axes.set(xlim=(0, 1), ylim=(0, 2.5), xlabel="prediction p", ylabel="binary cross-entropy")
    axes.set_title("The loss is least at p = y; what is left there is the floor (dots)", fontsize=11)
    axes.legend(loc="upper center")
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def plot_scores(records: list[dict[str, Any]], path: Path) -> None:
    """Bars of R², a panel for each scale; what lies below the axis is cut off and written out."""
    from matplotlib import pyplot, rcParams

    rcParams["svg.hashsalt"] = path.name  # the same file from the same figures

    lowest = -1.0
    figure, panels = pyplot.subplots(1, 2, figsize=(10, 5.2), sharex=True, layout="constrained")
    for panel, scale in zip(panels, SCALES, strict=True):
        shown = [record for record in records if record["scale"] == scale][::-1]
        for place, record in enumerate(shown):
            score = -math.inf if record["r2"] is None else record["r2"]
            good = score > 0
            panel.barh(place, max(score, lowest), color="#2e7d32" if good else "#c62828")
            label = f"{score:.2f}" if score > -1e4 else f"{score:.1e}"
            panel.text(0.03 if not good else score + 0.03, place, label, va="center", fontsize=9)
        panel.set_yticks(range(len(shown)), [f"{record['head']} + {record['loss']}" for record in shown], fontsize=9)
        panel.axvline(0, color="black", linewidth=0.8)
        panel.set(xlim=(lowest, 1.0), title=f"pixels on {scale}", xlabel="R² on held-out digits (0: the mean image)")
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def main() -> None:
    """Measure, write, plot."""
    torch.set_num_threads(1)
    with np.load(DIGITS) as file:
        digits = file["images"].reshape(-1, 784).astype(np.float64)
    records, later = list(pairings(digits)), list(longer(digits))
    setup = {"net": f"784-{CODE}-784", "optimizer": "Adam(0.001)", "steps": STEPS, "batch": BATCH, "seed": SEED}
    setup |= {"fitted_on": FITTED, "scored_on": len(digits) - FITTED, "torch": torch.__version__}
    figures = {"setup": setup, "analytic": analytic(digits), "pairings": records, "longer": later}
    (DOCS / "pairings.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    page = DOCS / "which-loss-which-activation.md"
    fresh = f"<!-- pairings -->\n{table(records, later)}\n<!-- end of pairings -->"
    text = page.read_text("utf-8")
    page.write_text(re.sub(r"<!-- pairings -->.*?<!-- end of pairings -->", fresh, text, flags=re.S), encoding="utf-8")
    plot_curves(DOCS / "bce-curves.svg")
    plot_scores(records, DOCS / "pairings.svg")


if __name__ == "__main__":
    main()
