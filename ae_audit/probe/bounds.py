"""What theory says of an arm before it is fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ae_audit.runtime.capture import Array, Capture
from ae_audit.runtime.measure.facts import best_r2, certify
from ae_audit.schema.remedies import ExpectLogits, Remedy, Rescale, SwapActivation, SwapLoss
from ae_audit.schema.training_setup import TrainingSetup
from ae_audit.theory.activations import find_activation
from ae_audit.theory.ranges import Tri

_MOVES_VALUES = frozenset(
    {"reshape", "flatten", "squeeze", "unsqueeze", "permute", "transpose", "moveaxis", "swapaxes", "index", "flip"}
    | {"repeat", "maxpool", "pixelshuffle", "avgpool", "cropping1d", "cropping2d", "cropping3d"}
)
"""What may follow an activation, as ``Head.after`` names it in small letters, and gives no value outside its range."""


def bound_of(capture: Capture, remedies: Sequence[Remedy]) -> float | None:
    """The best R² that any weights reach in this arm, by the certificate.

    None where the new head is no box or is scaled by what follows it, or where the range of the head was found by
    trying, which proves nothing.
    """
    changed = _changed(capture, remedies)
    if changed is None or changed[0].head.sampled:
        return None
    return best_r2(*changed)


def floor_of(capture: Capture, remedies: Sequence[Remedy]) -> float | None:
    """The least that the loss of this arm can print on the captured targets, in the unit of :meth:`Trial.advance`.

    None where theory does not know it, and where more than the one loss is printed.
    """
    changed = _changed(capture, remedies)
    if changed is None or changed[0].variational is not None:
        return None
    certificate = certify(*changed)
    if certificate is None or certificate.floor is None:
        return None
    return certificate.floor * (capture.batch_size if changed[0].loss.reduction == "sum" else 1)


def _changed(capture: Capture, remedies: Sequence[Remedy]) -> tuple[TrainingSetup, Array] | None:
    """The set-up and the targets of an arm; None where what the new head reaches is not known."""
    head, targets, loss = capture.setup.head, capture.targets, capture.setup.loss
    for remedy in remedies:
        match remedy:
            case SwapActivation(to=to):
                activation = find_activation(to)
                scaled = any(name.lower() not in _MOVES_VALUES for name in head.after)
                if activation is None or activation.constraint is not None or scaled:
                    return None
                head = replace(head, activation=to, range=activation.range, axis=None, sampled=False)
            case SwapLoss(to=to, from_logits=from_logits):  # another loss may put another link behind the head
                loss = replace(loss, name=to, from_logits=Tri.of(from_logits), parameters=())
            case ExpectLogits(from_logits=from_logits):
                loss = replace(loss, from_logits=Tri.of(from_logits))
            case Rescale(scale=scale, shift=shift, target=True):
                targets = scale * targets + shift
    return replace(capture.setup, head=head, loss=loss), targets
