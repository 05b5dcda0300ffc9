"""NaN or infinity in the input or the target.

## What it finds

Data with missing values that were never filled in, a division by a standard deviation of 0, a logarithm of 0.

## Why it hurts

One NaN among 60,000 samples makes the loss of its batch NaN, the gradient NaN, and with that every weight: from that
step on all predictions are NaN. Infinity does the same one step later.

## How it is decided

- *runtime*: the values that met the model are counted.
- *probe*: none: what ought to stand in their place is not for a tool to say.

## When it stays silent

Statically: whether a file holds NaN is only seen by reading it.

## Fix safety

There is no automatic fix.

## References

- [NumPy: nan_to_num](https://numpy.org/doc/stable/reference/generated/numpy.nan_to_num.html)
- [scikit-learn: imputation of missing values](https://scikit-learn.org/stable/modules/impute.html)
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import evidence, spans
from ae_audit.schema.findings import Severity, UnknownFact, Violation
from ae_audit.schema.remedies import Advice
from ae_audit.schema.training_setup import Framework, Relation, TrainingSetup

KERAS = """\
import keras
import numpy as np
from keras import layers

readings = np.random.normal(size=(512, 16)).astype("float32")
readings[3, 5] = np.nan

autoencoder = keras.Sequential([
    keras.Input(shape=(16,)),
    layers.Dense(4, activation="relu"),
    layers.Dense(16),
])
autoencoder.compile(optimizer="adam", loss="mse")
autoencoder.fit(readings, readings, epochs=1, batch_size=512)
"""

TORCH = """\
import torch
from torch import nn

readings = torch.randn(512, 16)
readings[3, 5] = float("nan")

model = nn.Sequential(nn.Linear(16, 4), nn.ReLU(), nn.Linear(4, 16))
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters())

for epoch in range(5):
    loss = criterion(model(readings), readings)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


class NonFiniteData(Rule):
    """NaN or infinity in the input or the target."""

    code = "AE305"
    name = "non-finite-data"
    severity = Severity.ERROR
    bad = (
        Example(Framework.KERAS, KERAS, codes=("AE305",)),
        Example(Framework.TORCH, TORCH, codes=("AE305",)),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace("readings[3, 5] = np.nan", "readings = np.nan_to_num(readings)")),
        Example(Framework.TORCH, TORCH.replace('readings[3, 5] = float("nan")', "readings = readings.nan_to_num()")),
    )
    needs_data = True
    probed = False

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        parts = {"target": setup.target, "input": setup.input}
        if setup.relation is Relation.SAME:
            del parts["input"]
        for part, data in parts.items():
            seen = data.measured
            if seen is not None and seen.non_finite:
                many = f"{seen.non_finite} of {seen.count} values" if seen.non_finite > 1 else "one value"
                yield Violation(
                    message=f"{many} of the {part} seen at the loss {'are' if seen.non_finite > 1 else 'is'} "
                    "NaN or infinite: so are the loss and then every weight",
                    location=data.location or setup.location,
                    remedies=(Advice("remove or replace what is NaN or infinite before the training"),),
                    spans=spans(setup, but=data.location or setup.location),
                    evidence=evidence(setup, part),
                )


RULE = NonFiniteData()
