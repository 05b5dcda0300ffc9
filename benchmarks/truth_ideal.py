"""The truth table once more, with what an ideal network makes of each cell, against what training did.

usage: python benchmarks/truth_ideal.py try BACKEND [DATA …] | page

``try`` asks the ideal network of a live model (``torch`` or ``keras-tensorflow``; Keras's backend is chosen when it is
imported) and keeps its outcome in docs/truth-ideal.json; ``page`` holds the outcomes against the fits of
docs/truth-table.json, whose cells these are, and writes docs/truth-ideal.md.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from truth_cells import BATCH, FITTED, Data, cells, data_sets
from truth_table import Judged, everything, load, number

ROOT = Path(__file__).resolve().parents[1]
OUTCOMES = ROOT / "docs" / "truth-ideal.json"
PAGE = ROOT / "docs" / "truth-ideal.md"
ACCUSES = frozenset({"unreachable", "beaten", "blind", "dead", "undefined"})
SILENT = frozenset({"elsewhere", "not judged"})
"""outcomes that accuse nobody and promise nothing"""

REASONS = {
    "scale": "The loss leaves the scale of its prediction open (cosine similarity, and a cross-entropy that divides by "
    "the sum), and the ideal network is judged by correlation there: it arrives, but R² is a matter of luck.",
    "hard labels": "An output on another scale than the loss's: against hard labels it saturates at the right end all "
    "the same, and read as a decision it is right, though the loss cannot fall to its floor.",
    "small": "Sixty-four shares of 1 are so small that what lies out of reach hardly counts, or that R² counts every "
    "thousandth of an output that starts far too high.",
    "optimisation": "The pair is right on paper, and a network of free outputs arrives. Weights do not within these "
    "steps: units of a relu or a hard sigmoid die, a loss is flat or weighs errors by 1/|y|, 32 codes do not suffice, "
    "or 255 times a sigmoid starts at 127. AE103, AE108, AE206 and the probe speak of such things.",
    "seen through": "Keras on TensorFlow trains the logits behind a sigmoid or softmax, and another function of them "
    "is what comes out: the decision is right, its values are less so.",
}
"""why an ideal network and training part, for the page"""


def reason_of(cell: Judged) -> str:
    """The cause of a disagreement; "" where there is none known."""
    works = cell.trained != "fails"
    if cell.loss == "cosine" or (cell.loss in {"cce", "kl"} and works):
        return "scale"
    if cell.data == "shares":
        return "small"
    if works and cell.data in {"one label", "one-hot", "{0, 1}", "class index"}:
        return "seen through" if cell.backend == "keras-tensorflow" and cell.loss == "bce" else "hard labels"
    return "" if works else "optimisation"


def parts(outcome: str, cell: Judged) -> bool:
    """Whether an outcome and training say the opposite of each other."""
    if outcome in SILENT:
        return False
    return (outcome in ACCUSES) == (cell.trained != "fails")


def try_all(backend: str, names: list[str]) -> None:
    """The outcome of every cell of these kinds of data."""
    told: dict[str, Any] = json.loads(OUTCOMES.read_text(encoding="utf-8")) if OUTCOMES.exists() else {}
    for name in names or list(data_sets()):
        data = data_sets()[name]
        told.setdefault(backend, {})[name] = {
            f"{head} | {loss}": _outcome(backend, head, loss, data) for head, loss in cells(backend, data)
        }
        OUTCOMES.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        print(backend, name, Counter(told[backend][name].values()), flush=True)


def _outcome(backend: str, head: str, loss: str, data: Data) -> str:
    from ae_audit.probe.ideal import ideal_of

    x, y = data.x[:FITTED], data.y[:FITTED]
    try:
        if backend == "torch":
            from truth_fits import torch_loss, torch_net

            from ae_audit.runtime.torch.live import capture_live as torch_live

            capture: Any = torch_live(torch_net(data, head), x, y, torch_loss(loss), batch_size=BATCH, max_batches=2)
        else:
            import keras
            from truth_fits import keras_activation, keras_loss

            from ae_audit.runtime.keras.live import capture_live as keras_live

            inputs = keras.Input((64,))
            last = keras.layers.Dense(data.units)(keras.layers.Dense(32, activation="relu")(inputs))
            model = keras.Model(inputs, keras_activation(head)(last))
            model.compile(optimizer="adam", loss=keras_loss(loss, data))
            (capture,) = keras_live(model, x, y, batch_size=BATCH)
    except Exception as error:  # the loss itself refuses such values
        return f"refused: {type(error).__name__}"
    return str(ideal_of(capture, capture.setup).outcome.value)


def compared() -> list[tuple[str, Judged]]:
    """Each cell that was tried, with its outcome; those that the loss refused are left out."""
    told = json.loads(OUTCOMES.read_text(encoding="utf-8"))
    found = []
    for cell in everything(load()):
        outcome = told.get(cell.backend, {}).get(cell.data, {}).get(f"{cell.head} | {cell.loss}")
        if outcome is not None and not outcome.startswith("refused"):
            found.append((outcome, cell))
    return found


def page() -> str:
    """docs/truth-ideal.md."""
    every = compared()
    apart = [(outcome, cell) for outcome, cell in every if parts(outcome, cell)]
    silent = sum(outcome in SILENT for outcome, _ in every)
    lines = [
        "# The ideal network on the truth table\n",
        "Written by `python benchmarks/truth_ideal.py page`. The cells are those of [the truth table](truth-table.md); "
        "here a network that could output anything is fitted to 100 digits by each cell's own loss, and what it "
        "says is held against what training did.\n",
        f"Of {len(every):,} cells it agrees with training in {len(every) - silent - len(apart):,}, says nothing of "
        f"{silent:,} (nothing that was found costs less than the target, or the loss is not judged), and differs in "
        f"{len(apart)}. Those are listed, with the cause.\n",
        "| outcome | training works | fails |",
        "|---|---|---|",
    ]
    counts = Counter((outcome, cell.trained != "fails") for outcome, cell in every)
    for outcome in dict.fromkeys(outcome for outcome, _ in every):
        lines.append(f"| {outcome} | {counts[outcome, True]} | {counts[outcome, False]} |")
    grouped: dict[str, list[tuple[str, Judged]]] = {}
    for outcome, cell in apart:
        grouped.setdefault(reason_of(cell), []).append((outcome, cell))
    for reason, found in sorted(grouped.items(), key=lambda item: -len(item[1])):
        lines += [f"\n**{len(found)}.** {REASONS.get(reason, 'Not explained.')}\n"]
        lines += ["| backend | data | head | loss | ideal network | R² after training |", "|---|---|---|---|---|---|"]
        lines += [
            f"| {cell.backend} | {cell.data} | {cell.head} | {cell.loss} | {outcome} | {number(cell.r2)} |"
            for outcome, cell in found
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["try", backend, *names]:
            try_all(backend, names)
        case _:
            PAGE.write_text(page(), encoding="utf-8")
