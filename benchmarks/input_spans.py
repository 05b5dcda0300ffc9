"""From which span raw inputs hurt which networks: the table of docs/input-spans.md, on which AE301's thresholds rest.

usage: python benchmarks/input_spans.py

Needs torch; takes some minutes on one core. The same network is fitted from the same initial weights, by the same
steps, on inputs standardised and on [0, span]; targets stay as they are. The score is the share of the variance of
targets held out that is explained (R², of class probabilities for the classifier), the mean of three seeds.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "input-spans.md"
DIGITS = ROOT / "ae_audit" / "runtime" / "data" / "mnist_sample.npz"
SPANS = (1, 3, 10, 30, 100, 255, 1000)
SEEDS, STEPS, BATCH, FITTED = 3, 400, 64, 1600
HARM = 0.1
"""of R², by which raw inputs must fall behind standardised ones to count as hurt"""
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
OPTIMIZERS = {"Adam 1e-3": (torch.optim.Adam, 1e-3), "SGD 1e-2": (torch.optim.SGD, 1e-2)}
Floats = NDArray[np.float64]


def table(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """A table of eight correlated columns on [0, 1], and a smooth function of four of them, standardised."""
    x = rng.normal(size=(2000, 4)) @ rng.normal(size=(4, 8)) / 2 + 0.3 * rng.normal(size=(2000, 8))
    x = (x - x.min(axis=0)) / (x.max(axis=0) - x.min(axis=0))
    y = np.sin(4 * x[:, 0]) + 3 * x[:, 1] * x[:, 2] + x[:, 3]
    return x, ((y - y.mean()) / y.std())[:, None]


def digits() -> Floats:
    """2,000 digits on [0, 1]."""
    held = np.load(DIGITS)
    images = held[held.files[0]][:2000]
    return images.reshape(len(images), -1) / 255.0


def problem(task: str, seed: int) -> tuple[Floats, Floats]:
    """Inputs on [0, 1] and targets."""
    if task == "autoencoder, 784 pixels":
        images = digits()
        return images, images
    x, y = table(np.random.default_rng(seed))
    return x, y if task.startswith("regression") else (y > np.median(y)).astype(float)


def score(task: str, activation: str, optimizer: str, span: float | None, seed: int) -> float:
    """R² on what was held out; ``span`` None: inputs standardised. What diverged counts as -1."""
    torch.manual_seed(seed)
    x, y = problem(task, seed)
    scaled = x * span if span is not None else (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-2)
    inputs, targets = (torch.tensor(part, dtype=torch.float32) for part in (scaled, y))
    act = ACTIVATIONS[activation]
    net = nn.Sequential(nn.Linear(x.shape[1], 32), act(), nn.Linear(32, 32), act(), nn.Linear(32, y.shape[1]))
    classes = task.startswith("classification")
    criterion: nn.Module = nn.BCEWithLogitsLoss() if classes else nn.MSELoss()
    make, rate = OPTIMIZERS[optimizer]
    steps = make(net.parameters(), lr=rate)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(STEPS):
        chosen = torch.randint(0, FITTED, (BATCH,), generator=generator)
        loss = criterion(net(inputs[chosen]), targets[chosen])
        steps.zero_grad()
        loss.backward()
        steps.step()
    with torch.no_grad():
        made, wanted = net(inputs[FITTED:]), targets[FITTED:]
        made = torch.sigmoid(made) if classes else made
        found = 1 - (made - wanted).square().mean() / (wanted - wanted.mean(dim=0)).square().mean()
    return max(-1.0, float(torch.nan_to_num(found, nan=-1.0)))


def rows() -> Iterator[tuple[str, str, str, list[float]]]:
    """Task, activation, optimizer, and the scores: standardised first, then each span."""
    for task in ("regression, 8 columns", "classification, 8 columns", "autoencoder, 784 pixels"):
        for activation in ACTIVATIONS:
            for optimizer in OPTIMIZERS:
                scores = [
                    float(np.mean([score(task, activation, optimizer, span, seed) for seed in range(SEEDS)]))
                    for span in (None, *SPANS)
                ]
                print(task, activation, optimizer, [f"{each:.2f}" for each in scores], file=sys.stderr, flush=True)
                yield task, activation, optimizer, scores


def page(found: list[tuple[str, str, str, list[float]]]) -> str:
    """The page with the table: what falls behind by HARM is bold."""
    head = ["network", "hidden", "optimizer", "standardised", *(f"[0, {span}]" for span in SPANS)]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for task, activation, optimizer, (base, *scores) in found:
        cells = [f"**{each:.2f}**" if base - each > HARM else f"{each:.2f}" for each in scores]
        lines.append("| " + " | ".join([task, activation, optimizer, f"{base:.2f}", *cells]) + " |")
    return TEXT.format(table="\n".join(lines), harm=HARM, steps=STEPS, seeds=SEEDS)


TEXT = """\
# From which span raw inputs hurt

Written by `benchmarks/input_spans.py`: R² on data held out after {steps} steps, mean of {seeds} seeds; bold where raw
inputs fall behind standardised ones by more than {harm}. Targets are the same in each row. What decides is the sum of
the absolute values of a sample, by which the first step of Adam moves what enters an activation: 400 on eight columns
up to 100, 26,000 on the pixels of a digit up to 255. AE301 speaks from a sum of 400 on, of values beyond 100.

{table}
"""


def main() -> None:
    """Measure, and write the page."""
    torch.set_num_threads(1)
    PAGE.write_text(page(list(rows())), encoding="utf-8")


if __name__ == "__main__":
    main()
