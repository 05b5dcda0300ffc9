"""A denoiser whose target is noisy.

## What it finds

`fit(x_noisy, x_noisy)` and `criterion(model(noisy), noisy)`: the noise was mixed into the target as well. Or the
arguments are the wrong way round, `fit(x_clean, x_noisy)`.

## Why it hurts

Such a network is rewarded for giving the noise back. Noise of standard deviation 0.5 on [0, 1] images has a variance of
0.25, four times that of the pixels about their mean (0.067 on MNIST): most of what the loss asks for is noise, and what
comes out is as noisy as what went in.

## How it is decided

- *static*: random numbers were mixed into the target: the same that the input holds, or others than it holds.
- *runtime*: in PyTorch, random numbers were seen to join the input to make the target. Values alone prove nothing: two
  arrays that vary together may be a regression, a forecast or a deblurring.

## When it stays silent

Where the input is noisy and the target is not (a denoiser as it should be), where noise comes from a layer of the
model, where the target is noise itself (diffusion models), and where a sample is a few numbers or made by the program
itself: a curve through noisy points is what regression is for.

## Fix safety

There is no automatic fix: which variable holds the clean data is for the author to say.

## References

- Vincent et al., *Extracting and Composing Robust Features with Denoising Autoencoders* (2008).
- Lehtinen et al., *Noise2Noise* (2018): noisy targets work where their noise is independent of the input's.
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import evidence, spans
from ae_audit.rules.programs import SCALED, dense_keras, dense_torch
from ae_audit.schema.findings import Severity, UnknownFact, Violation
from ae_audit.schema.remedies import Advice
from ae_audit.schema.training_setup import Framework, Relation, TrainingSetup
from ae_audit.theory.ranges import Tri

KERAS = dense_keras(
    'layers.Dense(784, activation="sigmoid")',
    data=[SCALED, "x_noisy = np.clip(x_train + 0.5 * np.random.normal(size=x_train.shape), 0.0, 1.0)"],
    fitted="x_train, x_noisy",
    model="denoiser",
).replace("import keras\n", "import keras\nimport numpy as np\n")

TORCH = dense_torch(
    "nn.Linear(32, 784)",
    "nn.Sigmoid()",
    step=[
        "noisy = (images + 0.5 * torch.randn_like(images)).clamp(0.0, 1.0)",
        "loss = criterion(model(images), noisy.flatten(1))",
    ],
)


class NoisyTarget(Rule):
    """The noise was mixed into the target."""

    code = "AE308"
    name = "noisy-target"
    severity = Severity.WARNING
    probed = False
    bad = (
        Example(Framework.KERAS, KERAS, codes=("AE308",)),
        Example(Framework.TORCH, TORCH, codes=("AE308",)),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace("fit(x_train, x_noisy", "fit(x_noisy, x_train")),
        Example(Framework.TORCH, TORCH.replace("model(images), noisy.flatten(1)", "model(noisy), images.flatten(1)")),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        if setup.head.units == 1 and setup.head.shape is not None and len(setup.head.shape) <= 2:
            return  # a curve through noisy points is what regression is for
        if setup.relation is Relation.NOISED_TARGET:
            fault = "the input is clean and its target is noisy: the arguments seem to be the wrong way round"
            cure = "the noisy data as the input, the clean data as the target"
        elif setup.relation in {Relation.SAME, Relation.RESCALED} and setup.target.noised is Tri.YES:
            fault = "the target holds the same noise as the input, so the network is rewarded for giving it back"
            cure = "the clean data as the target"
        elif _only_in_validation(setup):
            fault = "the validation target is noisy, the training target is not: the validation loss measures noise"
            cure = "the clean data as the validation target"
        else:
            return
        place = setup.location
        yield Violation(
            message=fault,
            location=place,
            remedies=(Advice(cure),),
            spans=spans(setup, but=place),
            evidence=evidence(setup, "input", "target"),
        )


def _only_in_validation(setup: TrainingSetup) -> bool:
    validation = setup.validation_target
    return setup.target.noised is Tri.NO and validation is not None and validation.noised is Tri.YES


RULE = NoisyTarget()
