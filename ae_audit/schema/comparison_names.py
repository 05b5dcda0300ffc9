"""Heads and losses in the words of users, as a comparison takes them."""

from __future__ import annotations

from ae_audit.base.errors import UsageError, did_you_mean
from ae_audit.schema.comparison import LossChoice
from ae_audit.theory import activation_names, loss_names
from ae_audit.theory.activations import find_activation
from ae_audit.theory.loss_choice import check_loss
from ae_audit.theory.losses import find_loss


def head_named(written: str) -> str:
    """The canonical name of an activation in any spelling.

    Raises:
        UsageError: if there is none of that name.
    """
    if written.lower() in {"none", "linear", "identity"}:
        return "linear"
    for framework in ("keras", "torch"):
        found = activation_names.canonical(framework, written)
        if found is not None:
            return found[0]
    if find_activation(written) is not None:
        return written
    known = ("sigmoid", "linear", "relu", "tanh", "softmax", "softplus", "elu", "gelu", "leaky_relu")
    raise UsageError(
        f"There is no activation '{written}' in Keras or PyTorch."
        f"{did_you_mean(written, known) or ' For example: sigmoid, linear, relu.'}"
    )


def loss_named(written: str) -> LossChoice:
    """The loss of any spelling, and whether it expects logits.

    Raises:
        UsageError: if there is none of that name, or it compares no prediction with a target.
    """
    bare, on_logits = written.strip(), False
    for ending in (" on logits", "-logits", "_with_logits", "_logits"):
        if bare.lower().endswith(ending) and loss_names.canonical("torch", bare) is None:
            bare, on_logits = bare[: -len(ending)], True
    for spelling in (bare, f"{bare.lower()}_loss"):
        found = loss_names.canonical("keras", spelling) or loss_names.canonical("torch", spelling)
        if found is not None and find_loss(found[0]) is not None:
            return LossChoice(found[0], on_logits or bool(found[1].get("from_logits", False)))
    if find_loss(bare) is not None:
        return LossChoice(bare, on_logits)
    check_loss(bare)
    raise UsageError(f"The loss {written} cannot be compared with others.")
