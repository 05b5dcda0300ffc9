"""A prediction that is clipped while the network is trained.

## What it finds

`torch.clamp(x, 0, 1)`, `nn.Hardtanh(0, 1)`, `ops.clip` or `ReLU(max_value=1.0)` as the last thing that is done to the
prediction in training.

## Why it hurts

Where a value is cut off, no gradient passes: a pixel that starts below 0 stays 0 unless others happen to lift it. A
layer without activation starts with a mean of 0, so about half of all values are dead from the first step. Networks for
super resolution ended at R² 0.60 and 0.23 with the clip, where the same without it reached 0.86.

## How it is decided

- *static*: a layer's own output, whose mean is 0 as the training starts, is clipped at a lower bound of 0 or more.
- *runtime*: the clip is measured as the training starts: a warning where it cuts off a quarter of the values or more,
  or a tenth of them and not even free outputs, moved by the loss from where the network starts, arrive at the target.
- *probe*: none: no experiment can take the clip out of a running program and know that the author meant it.

## When it stays silent

Outside training (`no_grad`, evaluation, `x if self.training else x.clamp(0, 1)`); after a sigmoid, where it cuts off
nothing; with `clamp(x + f(x))`, whose values start where the input's are; and where the clip cuts off little.

## Fix safety

There is no automatic fix: clip what is shown, not what is trained, or end in a sigmoid.

## References

- [torch: clamp](https://docs.pytorch.org/docs/stable/generated/torch.clamp.html)
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import evidence, head_place, spans
from ae_audit.rules.programs import dense_keras, dense_torch
from ae_audit.schema.findings import Severity, UnknownFact, Violation
from ae_audit.schema.ideal import Outcome
from ae_audit.schema.remedies import Advice
from ae_audit.schema.training_setup import Framework, TrainingSetup
from ae_audit.theory.loss_families import BINARY, POINTWISE

MATERIAL = 0.25
"""share of dead values from which on it is told"""
MISSED = 0.1
"""the same where not even free outputs arrive at the target from where the network starts"""

KERAS = dense_keras("layers.Dense(784)", "layers.ReLU(max_value=1.0)")

TORCH = dense_torch("nn.Linear(32, 784)", "nn.Hardtanh(0.0, 1.0)")


class ClippedOutput(Rule):
    """The prediction is clipped in training, and what is cut off gets no gradient."""

    code = "AE108"
    name = "clipped-output"
    severity = Severity.WARNING
    probed = False
    bad = (
        Example(Framework.KERAS, KERAS, codes=("AE108",)),
        Example(Framework.TORCH, TORCH, codes=("AE108",)),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace("ReLU(max_value=1.0)", 'Activation("sigmoid")')),
        Example(Framework.TORCH, TORCH.replace("Hardtanh(0.0, 1.0)", "Sigmoid()")),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        cut = setup.head.cut
        stuck = setup.ideal is not None and setup.ideal.outcome is Outcome.ELSEWHERE
        if cut is None or cut < (MISSED if stuck else MATERIAL) or setup.loss.name not in POINTWISE | BINARY:
            return
        place = head_place(setup)
        share = f"{cut:.0%} of its values" if "runtime" in setup.seen_by else "about half of its values"
        yield Violation(
            message=f"the prediction is clipped to {setup.head.range.values.hull} in training: as it starts, {share} "
            "are cut off and get no gradient",
            location=place,
            remedies=(Advice("clip what is shown, not what is trained; or a sigmoid at the output"),),
            spans=spans(setup, but=place),
            evidence=evidence(setup, "head"),
        )


RULE = ClippedOutput()
