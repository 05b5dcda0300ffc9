"""A loss named by a user, outside any program: ``--loss bce``."""

from __future__ import annotations

from ae_audit.base.errors import UsageError, did_you_mean
from ae_audit.theory.loss_names import RELATIONAL, canonical, class_of, spellings

_OTHER = {"keras": "torch", "torch": "keras"}
_SHOWN = {"keras": "Keras", "torch": "PyTorch"}


def check_loss(written: str) -> None:
    """Make sure that ``written`` is a loss of Keras or of PyTorch.

    Raises:
        UsageError: if there is none of that name, or it compares no prediction with a target.
    """
    found = canonical("keras", written) or canonical("torch", written)
    if found is None:
        known = sorted({*spellings("keras"), *spellings("torch")})
        raise UsageError(
            f"There is no loss '{written}' in Keras or PyTorch."
            f"{did_you_mean(written, known) or ' For example: --loss binary_crossentropy, --loss BCEWithLogitsLoss.'}"
        )
    if found[0] in RELATIONAL:
        raise UsageError(f"--loss {written}: it {RELATIONAL[found[0]]}, which an audit of a saved model cannot judge.")


def loss_class(framework: str, written: str) -> tuple[str, bool]:
    """The class of ``framework`` that computes the loss ``written`` in either framework's way, and whether on logits.

    ``loss_class("keras", "BCEWithLogitsLoss")`` is ``("BinaryCrossentropy", True)``.

    Raises:
        UsageError: if that framework has no class for it.
    """
    found = canonical(framework, written) or canonical(_OTHER[framework], written)
    if found is not None:
        name, implied = found
        symbol = class_of(framework, name, implied)
        if symbol is not None:
            return symbol, bool(implied.get("from_logits", False))
    raise UsageError(
        f"--loss {written} has no counterpart in {_SHOWN[framework]}, which the model is of: name a loss of "
        f"{_SHOWN[framework]}."
    )
