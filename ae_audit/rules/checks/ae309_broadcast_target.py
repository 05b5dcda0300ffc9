"""Prediction and target differ in shape and are broadcast silently.

## What it finds

An output of shape (N, 1) against targets of shape (N,) in torch; images as (N, 28, 28, 1) against (N, 1, 28, 28); a
sequence of outputs (N, 30, 1) against one value a sample.

## Why it hurts

Elementwise losses follow the rules of broadcasting: (N, 1) against (N,) compares every prediction with every target, N²
pairs. The best prediction is then the mean of all targets for every sample, so the loss falls to their variance and
stays there: R² is 0 at best. torch warns once for `MSELoss`, Keras says nothing; only torch's binary cross-entropy
refuses.

## How it is decided

- *static* and *runtime*: both shapes are known but for the batch, they differ, and broadcasting makes them one.
- *probe*: none: which of the two shapes is meant is for the author to say.

## When it stays silent

Where an extent is unknown; where Keras itself drops or adds a last axis of extent 1; with losses that take class
indices, whose target has an axis less; and where the shapes do not broadcast, since the program then stops with an
error of its own.

## Fix safety

There is no automatic fix. `squeeze(1)` on the prediction or `unsqueeze(1)` on the target is the usual one.

## References

- [NumPy: broadcasting](https://numpy.org/doc/stable/user/basics.broadcasting.html)
- [torch: MSELoss](https://docs.pytorch.org/docs/stable/generated/torch.nn.MSELoss.html)
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.checks.ae307_target_is_labels import reconstructs_labels
from ae_audit.rules.predicates import evidence, spans
from ae_audit.schema.findings import Severity, UnknownFact, Violation
from ae_audit.schema.training_setup import Framework, TrainingSetup
from ae_audit.theory.loss_families import BINARY, POINTWISE

Shape = tuple[int | None, ...]
_REFUSED = "torch's binary cross-entropy raises where the two differ"


KERAS = """\
import keras
import numpy as np
from keras import layers

windows = np.random.rand(512, 30, 1).astype("float32")
following = np.random.rand(512, 1).astype("float32")

forecaster = keras.Sequential([
    keras.Input(shape=(30, 1)),
    layers.LSTM(8, return_sequences=True),
    layers.Dense(1),
])
forecaster.compile(optimizer="adam", loss="mse")
forecaster.fit(windows, following, epochs=1, batch_size=64)
"""

TORCH = """\
import torch
from torch import nn

x = torch.rand(512, 8)
y = torch.rand(512)

model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters())

for epoch in range(20):
    loss = criterion(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


class BroadcastTarget(Rule):
    """Prediction and target differ in shape and are broadcast."""

    code = "AE309"
    name = "broadcast-target"
    severity = Severity.ERROR
    probed = False
    bad = (
        Example(Framework.KERAS, KERAS, codes=("AE309",)),
        Example(Framework.TORCH, TORCH, codes=("AE309",)),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace("return_sequences=True", "return_sequences=False")),
        Example(Framework.TORCH, TORCH.replace("model(x), y", "model(x).squeeze(1), y")),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        made, wanted = setup.head.shape, setup.target.shape
        if made is None or wanted is None or setup.loss.name not in POINTWISE | BINARY or reconstructs_labels(setup):
            return
        if setup.framework is Framework.KERAS:
            made, wanted = _same_rank(made, wanted)
        if not _broadcasts(made, wanted):
            return
        place = setup.location
        refused = setup.framework is Framework.TORCH and setup.loss.name == "bce" and not setup.loss.custom
        yield Violation(
            message=f"the prediction is {_words(setup.head.shape)} and its target {_words(setup.target.shape)}: "
            + (_REFUSED if refused else "broadcasting compares values that do not belong together"),
            location=place,
            spans=spans(setup, but=place),
            evidence=evidence(setup, "target"),
        )


def _same_rank(made: Shape, wanted: Shape) -> tuple[Shape, Shape]:
    """What Keras makes of two shapes: a last axis of extent 1 is dropped where that makes the ranks equal."""
    if len(made) == len(wanted) + 1 and made[-1] == 1:
        return made[:-1], wanted
    if len(wanted) == len(made) + 1 and wanted[-1] == 1:
        return made, wanted[:-1]
    return made, wanted


def _broadcasts(made: Shape, wanted: Shape) -> bool:
    """Whether the two surely differ, and surely broadcast to one shape. The first axis of each is the batch."""
    if not made or not wanted or None in made[1:] or None in wanted[1:]:
        return False
    if len(made) == len(wanted):
        pairs = list(zip(made[1:], wanted[1:], strict=True))
        return any(a != b for a, b in pairs) and all(a == b or 1 in {a, b} for a, b in pairs)
    longer, shorter = (made, wanted) if len(made) > len(wanted) else (wanted, made)
    if len(shorter) > 1:
        return _grows(longer, shorter)
    # (N, 1) and (N,) become (N, N); a shorter shape of which more is known may be one sample without its batch axis
    return (
        len(shorter) == 1 and len(longer) >= 2 and longer[-1] == 1 and (shorter[0] is None or shorter[0] == longer[0])
    )


def _grows(longer: Shape, shorter: Shape) -> bool:
    """Whether a batch of fewer axes, as (N, 28, 28), makes every sample of (N, 1, 28, 28) meet every other one's."""
    if shorter[0] is None or shorter[0] != longer[0]:
        return False  # perhaps one sample without its batch axis
    pairs = list(zip(longer[-len(shorter) :], shorter, strict=True))
    return all(a == b or 1 in {a, b} for a, b in pairs) and any(a == 1 and b not in {1, None} for a, b in pairs)


def _words(shape: Shape | None) -> str:
    extents = ["N" if not index else str(extent) for index, extent in enumerate(shape or ())]
    return f"({', '.join(extents)}{',' if len(extents) == 1 else ''})"


RULE = BroadcastTarget()
