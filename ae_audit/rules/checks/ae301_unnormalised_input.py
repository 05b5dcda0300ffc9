"""Raw [0, 255] data fed to a network.

## What it finds

Inputs whose values run into the hundreds, in front of a model that does not normalise them itself.

## Why it hurts

Weights are initialised for inputs of about unit variance. Inputs 255 times as large give pre-activations 255 times as
large: sigmoids and tanhs saturate at once, the first updates are as many times too big, and how well the training goes
depends on the architecture and on luck. A 784-32-784 net with a tanh code ends at R² −0.31 on raw MNIST digits after
1,000 Adam steps, at 0.72 on the same digits divided by 255. A relu classifier under plain SGD stays below R² 0.1 on the
raw ones and reaches 0.72 on the others. (Relu throughout, with Adam, can bear it: a warning.)

## How it is decided

- *static*: values beyond ±100 that surely occur in the input.
- *runtime*: the first or the last percentile of the input lies beyond ±100.
- in both, where the size of a sample is known, its absolute values add up to 400 or more: the first step of Adam moves
  what enters an activation by the learning rate times that sum. Measured (docs/input-spans.md): on eight columns an R²
  of 0.98 standardised is 0.94 on [0, 30], 0.87 on [0, 100] and 0.77 on [0, 255]; on 784 pixels 0.51 falls to -0.09.
- *probe*: as written against data divided by 255.

## When it stays silent

With class indices, one-hot vectors and token indices (an `Embedding` first); where the model begins with a
normalisation (`Rescaling`, `Normalization`, batch norm) or with a pretrained network, whose own preparation decides;
where noise was mixed into the input to be predicted (AE703 speaks of the data before that);
with a few columns whose values add up to less; and up to ±100, which holds standardised data with outliers, percentages
and the lightness of Lab images. Where it is unknown whether the model normalises, it says so.

## Fix safety

Dividing the data changes what the program computes: unsafe.

## References

- LeCun, Bottou, Orr, Müller, *Efficient BackProp* (1998), section 4.3: normalising the inputs.
- Glorot, Bengio, *Understanding the difficulty of training deep feedforward neural networks* (2010).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import LABELS, evidence, spans, values_words
from ae_audit.rules.programs import RAW, dense_keras
from ae_audit.rules.repair import repair
from ae_audit.schema.findings import Severity, Span, UnknownFact, Violation
from ae_audit.schema.training_setup import DataFacts, Framework, TrainingSetup
from ae_audit.theory.intervals import Interval
from ae_audit.theory.ranges import Tri

LARGE = 100.0
"""inputs beyond it are raw: above lie 8-bit images (255), below standardised data, percentages and Lab lightness"""

SUM = 400.0
"""of the absolute values of a sample, by which the first step of Adam (1e-3) moves what enters an activation by 0.4"""

MODEST = Interval(-LARGE, LARGE)

PRETRAINED = ("vgg", "resnet", "densenet", "inception", "xception", "mobilenet", "efficientnet", "nasnet", "convnext")


KERAS = dense_keras("layers.Dense(784)", hidden="tanh", data=[RAW])

TORCH = """\
import torch
from torch import nn
from torchvision import datasets

digits = datasets.MNIST("data", train=True, download=True).data
x = digits.flatten(1).float()

model = nn.Sequential(nn.Linear(784, 32), nn.Tanh(), nn.Linear(32, 784))
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters())

for batch in x.split(256):
    loss = criterion(model(batch), batch)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


class UnnormalisedInput(Rule):
    """Raw data fed to the network."""

    code = "AE301"
    name = "unnormalised-input"
    severity = Severity.WARNING
    bad = (
        Example(
            Framework.KERAS,
            KERAS,
            codes=("AE301",),
            fixed=KERAS.replace("autoencoder.fit", "x_train = x_train / 255.0\nautoencoder.fit"),
        ),
        Example(Framework.TORCH, TORCH, codes=("AE301",)),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace('astype("float32")', 'astype("float32") / 255.0')),
        Example(Framework.TORCH, TORCH.replace(".float()", ".float() / 255.0")),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        if setup.input.structure in LABELS or not _large(setup.input):
            return
        first = [layer.casefold() for layer in setup.model.first_layers]
        if any("embedding" in layer or layer.startswith(PRETRAINED) for layer in first):
            return
        if setup.model.normalises_input is Tri.YES or setup.mixed is not None:  # of a mixture with noise, AE703 speaks
            return
        if setup.model.normalises_input is Tri.UNKNOWN:
            yield UnknownFact("input normalisation", "it is not known whether the model itself scales its raw input")
        else:
            yield self._violation(setup)

    def _violation(self, setup: TrainingSetup) -> Violation:
        place = setup.location
        change = repair(setup).rescale
        data = setup.input.location
        made = (Span(data, f"the input: {setup.input.values}"),) if data is not None and data != place else ()
        return Violation(
            message=f"the network is fed raw values: {values_words(setup.input)}",
            location=place,
            remedies=(change,) if change is not None and change.input else (),
            spans=(*made, *spans(setup, but=place, loss=False, target=False)),
            evidence=evidence(setup, "input"),
        )


def _large(data: DataFacts) -> bool:
    """Whether a share of the values that matters is large, and a step of training moves much by them."""
    return _beyond(data) and not _few(data)


def _few(data: DataFacts) -> bool:
    """Whether a sample is known to hold too little in all: a few columns of numbers up to a hundred train well."""
    if data.shape is None or None in data.shape[1:]:
        return False
    seen = data.measured
    reach = data.values.reach
    if seen is not None:
        typical = max(abs(seen.mean), 0.8 * seen.std)
    elif reach is not None:
        typical = max(abs(reach.lo), abs(reach.hi)) / 2
    else:
        return False
    return math.prod(extent or 1 for extent in data.shape[1:]) * typical < SUM


def _beyond(data: DataFacts) -> bool:
    """Whether the values reach far (a single outlier does not count where values were seen)."""
    if data.measured is not None:
        low, high = data.measured.quantiles[1], data.measured.quantiles[-2]
        return low < -LARGE or high > LARGE
    return data.values.leaves(MODEST) is Tri.YES


RULE = UnnormalisedInput()
