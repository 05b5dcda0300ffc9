"""What theory says of an arm before it is fitted."""

from __future__ import annotations

from collections.abc import Sequence

from ae_audit.rules.remedies import Remedy, Rescale, SwapActivation
from ae_audit.runtime.captures import Capture
from ae_audit.runtime.facts import certify


def bound_of(capture: Capture, remedies: Sequence[Remedy]) -> float | None:
    """The best R² that any weights reach in this arm, by the certificate; None where another head is put in."""
    targets = capture.targets
    for remedy in remedies:
        if isinstance(remedy, SwapActivation):
            return None
        if isinstance(remedy, Rescale) and remedy.target:
            targets = remedy.scale * targets + remedy.shift
    certificate = certify(capture.setup, targets)
    return None if certificate is None else certificate.attainable_r2
