"""What theory says of an arm before it is fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ae_audit.rules.remedies import ExpectLogits, Remedy, Rescale, SwapActivation, SwapLoss
from ae_audit.runtime.captures import Capture
from ae_audit.runtime.facts import certify
from ae_audit.theory.ranges import Tri


def bound_of(capture: Capture, remedies: Sequence[Remedy]) -> float | None:
    """The best R² that any weights reach in this arm, by the certificate; None where another head is put in."""
    targets, loss = capture.targets, capture.setup.loss
    for remedy in remedies:
        match remedy:
            case SwapActivation():
                return None
            case SwapLoss(to=to, from_logits=from_logits):  # another loss may put another link behind the head
                loss = replace(loss, name=to, from_logits=Tri.of(from_logits), parameters=())
            case ExpectLogits(from_logits=from_logits):
                loss = replace(loss, from_logits=Tri.of(from_logits))
            case Rescale(scale=scale, shift=shift, target=True):
                targets = scale * targets + shift
    certificate = certify(replace(capture.setup, loss=loss), targets)
    return None if certificate is None else certificate.attainable_r2
