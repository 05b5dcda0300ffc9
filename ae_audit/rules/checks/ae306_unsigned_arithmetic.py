"""Arithmetic on bytes that overflows.

## What it finds

`uint8` data from which a whole number is subtracted (`x - 128`), that is multiplied (`x * 2`), added to another array
of bytes (noise cast to `uint8`), or made of floats that do not fit, and that the model then trains on.

## Why it hurts

NumPy, TensorFlow and torch keep `uint8` and wrap around silently: 127 - 128 is 255, 2 * 128 is
0. Scaled by `(x - 128) / 128`, the dark half of an image becomes the bright one: 0 comes out as 1, 127 as 1.99, 128 as
0. Neighbouring greys lie at opposite ends, and what should have been [-1, 1] runs from 0 to 1.99.

## How it is decided

- *static*: the type and the values of the data are followed to the arithmetic, and the true result surely leaves
  [0, 255] where the type stays `uint8`. A number with a point (`x - 127.5`), a float or a wider array makes a wider
  result.

## When it stays silent

With `255 - x`, `x / 255` and whatever else stays in range; where the data were turned into floats first; where the type
or the values are unknown, as those of image files are, which may be masks whose labels count from 1 (`mask - 1`,
`mask * 255`); where running measured data whose values cannot have wrapped around; where the images are only shown or
saved.

## Fix safety

Turn the data into floats before the arithmetic: `x.astype("float32") - 128`, `x.float() - 128`. There is no automatic
fix: the values that the program trains on change.

## References

- [NumPy: type promotion, and integers that overflow](https://numpy.org/doc/stable/reference/arrays.promotion.html)
- [torch: type promotion](https://pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc)
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import evidence
from ae_audit.rules.programs import dense_keras
from ae_audit.schema.findings import Severity, Span, UnknownFact, Violation
from ae_audit.schema.location import TrailStep
from ae_audit.schema.remedies import Advice
from ae_audit.schema.training_setup import Framework, TrainingSetup

KERAS = dense_keras("layers.Dense(784)", data=["x_train = (x_train.reshape(-1, 784) - 128) / 128.0"])

TORCH = """\
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision import datasets

data = datasets.MNIST("data", train=True, download=True)
images = (data.data.flatten(1) - 128) / 128
loader = DataLoader(TensorDataset(images), batch_size=256, shuffle=True)

model = nn.Sequential(
    nn.Linear(784, 32),
    nn.ReLU(),
    nn.Linear(32, 784),
)
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters())

for (batch,) in loader:
    loss = criterion(model(batch), batch)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


class UnsignedArithmetic(Rule):
    """Arithmetic on unsigned bytes wraps round."""

    code = "AE306"
    name = "unsigned-arithmetic"
    severity = Severity.ERROR
    probed = False
    bad = (
        Example(Framework.KERAS, KERAS, codes=("AE306",)),
        Example(Framework.TORCH, TORCH, codes=("AE306",)),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace("784) - 128", '784).astype("float32") - 128')),
        Example(
            Framework.KERAS, KERAS.replace("784) - 128) / 128.0", "784) - 127.5) / 127.5"), note="a number with a point"
        ),
        Example(Framework.TORCH, TORCH.replace("flatten(1) - 128", "flatten(1).float() - 128")),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        found: dict[TrailStep, list[str]] = {}
        parts = (
            ("target", setup.target),
            ("input", setup.input),
            ("validation target", setup.validation_target),
            ("validation input", setup.validation_input),
        )
        for part, data in parts:
            if data is not None and data.wrapped is not None:
                found.setdefault(data.wrapped, []).append(part)
        for step, names in found.items():
            place = step.location or setup.location
            hold = "holds" if len(names) == 1 else "hold"
            yield Violation(
                message=f"{step.text}: the {' and the '.join(names[:2])} {hold} scrambled values",
                location=place,
                remedies=(Advice("convert to float before the arithmetic"),),
                spans=() if place == setup.location else (Span(setup.location, "trained here"),),
                evidence=evidence(setup, *(name for name in names if name in {"target", "input"})),
            )


RULE = UnsignedArithmetic()
