"""Dropout, noise or batch normalisation between the output and the loss.

## What it finds

`Dropout(0.3)` after the last layer of a reconstruction, Gaussian noise there, and batch normalisation after an output
activation.

## Why it hurts

What comes after the output is the prediction. With a dropout rate of 0.3, 30 % of the reconstructed pixels are 0 in
every training step and the others are 1.43 times too large, so the loss cannot fall below the error of that lottery.
Batch normalisation turns a sigmoid's (0, 1) into values around 0 with no bounds, and what it gives for one image
depends on the other images in the batch.

## How it is decided

- *static*: the layers that the activation's output passes before it meets the loss.
- *runtime*: the same, from the modules that ran.
- *probe*: none: no experiment can take a layer out of a running program and know that the author meant it.

## When it stays silent

Behind hidden layers, where these belong; with batch normalisation after a linear output; with layers that only move
values (reshape, upsampling, cropping); and in classifiers.

## Fix safety

There is no automatic fix. Move the layer before the last dense or convolution layer.

## References

- Srivastava et al., *Dropout* (2014), section 4: dropout on hidden and input units.
- Ioffe, Szegedy, *Batch Normalization* (2015), section 3.2: before the nonlinearity of hidden layers.
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import LABELS, activation_words, evidence, head_place, spans, structure_of
from ae_audit.rules.programs import dense_keras, dense_torch
from ae_audit.schema.findings import Severity, UnknownFact, Violation
from ae_audit.schema.remedies import Advice
from ae_audit.schema.training_setup import Framework, Structure, TrainingSetup
from ae_audit.theory.ranges import Tri

KERAS = dense_keras('layers.Dense(784, activation="sigmoid")', "layers.Dropout(0.3)")

TORCH = dense_torch("nn.Linear(32, 784)", "nn.Sigmoid()", "nn.Dropout(0.3)")


class LayerAfterOutputActivation(Rule):
    """Dropout, noise or normalisation of the prediction itself."""

    code = "AE107"
    name = "layer-after-output-activation"
    severity = Severity.WARNING
    probed = False
    bad = (
        Example(Framework.KERAS, KERAS, codes=("AE107",)),
        Example(Framework.TORCH, TORCH, codes=("AE107",)),
    )
    good = (
        Example(
            Framework.KERAS,
            KERAS.replace(
                '    layers.Dense(784, activation="sigmoid"),\n    layers.Dropout(0.3),\n',
                '    layers.Dropout(0.3),\n    layers.Dense(784, activation="sigmoid"),\n',
            ),
        ),
        Example(Framework.TORCH, TORCH.replace("    nn.Dropout(0.3),\n", "")),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        structure = structure_of(setup)
        quantities = structure is Structure.CONTINUOUS or setup.reconstruction is Tri.YES
        if not quantities or structure in LABELS:
            return
        for layer in setup.head.after:
            harm = _harm(layer, setup)
            if harm is not None:
                place = head_place(setup)
                yield Violation(
                    message=f"{layer} after the output ({activation_words(setup)}) {harm}",
                    location=place,
                    remedies=(Advice(f"no {layer} after the output"),),
                    spans=spans(setup, but=place),
                    evidence=evidence(setup, "head"),
                )


def _harm(layer: str, setup: TrainingSetup) -> str | None:
    if not layer.isidentifier():
        return None  # arithmetic, as it is written: `noise_rate * output` is no layer
    kind = layer.casefold().replace("_", "")
    if "dropout" in kind:
        return "zeroes part of the prediction in every training step"
    if "noise" in kind:
        return "adds noise to the prediction in every training step"
    if "batchnorm" in kind and setup.head.activation not in {None, "linear"}:
        return "undoes its range and mixes the samples of a batch"
    return None


RULE = LayerAfterOutputActivation()
