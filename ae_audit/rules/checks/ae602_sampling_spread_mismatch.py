"""A variational code drawn with another spread than its divergence charges.

## What it finds

`mean + exp(log_var) * eps` or `mean + log_var * eps` beside a divergence of `exp(log_var)`: the sampler scales the
noise by something other than the square root of the variance in the loss.

## Why it hurts

The divergence keeps the variance that it sees near 1, but the code is drawn with another one. With `exp(log_var)` for
the deviation, a code that is charged for a variance of 0.01 is drawn with a deviation of 0.01 instead of 0.1: ten times
less noise than was paid for, and one of variance 4 with 4 instead of 2. With `log_var` itself, a variance of 1 draws no
noise at all (its logarithm is 0): the prior, from which samples come later, is the one code that the decoder was never
shown.

## How it is decided

- *static*: the spread that multiplies the noise and the variance in the divergence are followed back to one layer, with
  the factors on the way.
- *runtime*: none of its own; what reading found stands beside what was seen.

## When it stays silent

Where the two are `exp(k · v)` and `exp(2 k · v)` of one layer, and wherever one of them is not followed: a deviation by
softplus, a distribution of a library, clipped logarithms.

## Fix safety

There is no automatic fix: `exp(0.5 * log_var)` is meant, or the layer is to be read as a log-deviation in the
divergence.

## References

- Kingma, Welling, *Auto-Encoding Variational Bayes* (2013), section 2.4 and appendix B.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.checks.ae204_vae_loss_reduction_imbalance import KERAS as AVERAGED_KERAS
from ae_audit.rules.checks.ae204_vae_loss_reduction_imbalance import TORCH as AVERAGED_TORCH
from ae_audit.schema.findings import Evidence, Severity, Span, UnknownFact, Violation
from ae_audit.schema.remedies import Advice
from ae_audit.schema.training_setup import Framework, TrainingSetup
from ae_audit.theory.intervals import format_number

KERAS = AVERAGED_KERAS.replace("error = tf", "error = 784 * tf").replace("exp(0.5 * log_var)", "exp(log_var)")
TORCH = AVERAGED_TORCH.replace("(output, target)", '(output, target, reduction="sum")').replace(
    "exp(0.5 * log_var)", "exp(log_var)"
)


class SamplingSpreadMismatch(Rule):
    """The sampler's spread is not the one whose divergence is charged."""

    code = "AE602"
    name = "sampling-spread-mismatch"
    severity = Severity.WARNING
    probed = False
    bad = (
        Example(Framework.KERAS, KERAS, codes=("AE602",)),
        Example(Framework.TORCH, TORCH, codes=("AE602",)),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace("exp(log_var) * tf", "exp(log_var / 2) * tf")),
        Example(Framework.TORCH, TORCH.replace("exp(log_var) * torch", "exp(0.5 * log_var) * torch")),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        found = setup.sampler
        if found is None or found.charged == 0:
            return
        if found.drawn is not None and math.isclose(2 * found.drawn, found.charged, rel_tol=1e-6):
            return
        place = found.location or setup.location
        spread = "v itself" if found.drawn is None else _exponential(found.drawn)
        yield Violation(
            message=f"the code is drawn with a deviation of {spread}, but its divergence is that of a variance of "
            f"{_exponential(found.charged)}, whose deviation is {_exponential(found.charged / 2)} (v: the output of "
            "the layer)",
            location=place,
            remedies=(Advice(f"a deviation of {_exponential(found.charged / 2)}"),),
            spans=(Span(setup.location, "trained here"),) if setup.location != place else (),
            evidence=(Evidence("static", "both are computed from the output of one layer", place),),
        )


def _exponential(factor: float) -> str:
    return "exp(v)" if factor == 1 else f"exp({format_number(factor)} v)"


RULE = SamplingSpreadMismatch()
