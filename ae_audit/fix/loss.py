"""Edits that replace the loss, or say whether it expects logits."""

from __future__ import annotations

import ast

from ae_audit.fix.activation import quoted
from ae_audit.fix.source import Text, Texts, dotted
from ae_audit.schema.findings import Edit
from ae_audit.schema.location import Location
from ae_audit.schema.training_setup import Framework
from ae_audit.theory.loss_families import BINARY, POINTWISE
from ae_audit.theory.loss_names import arguments, canonical, class_named, function_named
from ae_audit.theory.losses import find_loss


def swap_loss(
    to: str, from_logits: bool, place: Location | None, framework: Framework, texts: Texts
) -> tuple[Edit, ...] | None:
    """The edits after which the loss at ``place`` is ``to``; None where the source does not show how."""
    text = texts.at(place) if place is not None else None
    node = text.node_at(place) if text is not None and place is not None else None
    if text is None or node is None:
        return None
    edit = (_keras if framework is Framework.KERAS else _torch)(to, from_logits, node, text, texts)
    return None if edit is None else (edit,)


def expect_logits(
    name: str | None, from_logits: bool, place: Location | None, framework: Framework, texts: Texts
) -> tuple[Edit, ...] | None:
    """The edits after which the loss ``name`` at ``place`` takes logits, or no longer does."""
    if name is None:
        return None
    text = texts.at(place) if place is not None else None
    node = text.node_at(place) if text is not None and place is not None else None
    if framework is Framework.KERAS and text is not None and isinstance(node, ast.Call):
        for keyword in node.keywords:
            if keyword.arg == "from_logits" and isinstance(keyword.value, ast.Constant):
                return (text.replace(keyword.value, str(from_logits)),)
    return swap_loss(name, from_logits, place, framework, texts)


def _keras(to: str, from_logits: bool, node: ast.expr, text: Text, texts: Texts) -> Edit | None:
    function = function_named("keras", to, from_logits=from_logits)
    cls = class_named("keras", to, from_logits=from_logits)
    if function is None or cls is None:
        return None
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        if not from_logits:
            short = to in POINTWISE and len(node.value) <= len("mape")  # "mse" in the place of "mape"
            return quoted(to if short else function, node, text)
        root = next((root for root in ("keras", "tf") if texts.binds(text, root)), None)
        if root is None:
            return None
        library = "keras" if root == "keras" else "tf.keras"
        return text.replace(node, f"{library}.losses.{cls}(from_logits=True)")
    if isinstance(node, ast.Attribute) and not from_logits and _takes_both("keras", node.attr) is True:
        return text.replace(node, f"{text.text(node.value)}.{function}")
    if not isinstance(node, ast.Call):
        return None
    prefix, _, last = (dotted(node.func) or "").rpartition(".")
    if not prefix:
        return None
    called_with_tensors = _takes_both("keras", last)
    if called_with_tensors is False:
        return text.replace(node, f"{prefix}.{cls}({'from_logits=True' if from_logits else ''})")
    if called_with_tensors and len(node.args) == 2:
        tensors = ", ".join(text.text(argument) for argument in node.args)
        logits = ", from_logits=True" if from_logits else ""
        return text.replace(node, f"{prefix}.{function}({tensors}{logits})")
    return None


def _takes_both(framework: str, last: str) -> bool | None:
    """Whether a loss is a function of target and prediction, not a class; None for a name that is no such loss.

    A Gaussian likelihood takes a third tensor, which no other loss has a place for; and what torch does not reduce is
    used in a formula, as a similarity that is subtracted from 1.
    """
    found, order = canonical(framework, last), arguments(framework, last) or ()
    if found is None or find_loss(found[0]) is None or found[0] == "gaussian_nll":
        return None
    if framework == "torch" and found[1].get("reduction") == "none":
        return None
    return {"target", "prediction"}.issubset(order)


def _torch(to: str, from_logits: bool, node: ast.expr, text: Text, texts: Texts) -> Edit | None:
    call = node if isinstance(node, ast.Call) else text.parents.get(node)
    if not isinstance(call, ast.Call):
        return None
    prefix, _, last = (dotted(call.func) or "").rpartition(".")
    function = _takes_both("torch", last)
    if function is None:
        return None
    name = (function_named if function else class_named)("torch", to, from_logits=from_logits)
    if name is None or (not prefix and not texts.binds(text, name)):
        return None
    kept = _kept_arguments(last, name, call, 2 if function else 0, text)
    if kept is None:
        return None
    return text.replace(call, f"{prefix}.{name}({kept})" if prefix else f"{name}({kept})")


def _is_batchmean(keyword: ast.keyword) -> bool:
    return isinstance(keyword.value, ast.Constant) and keyword.value.value == "batchmean"


def _kept_arguments(old: str, new: str, call: ast.Call, tensors: int, text: Text) -> str | None:
    """The arguments that mean the same for both losses; None where one is given that does not carry over."""
    if len(call.args) != tensors or any(isinstance(argument, ast.Starred) for argument in call.args):
        return None
    common = {"reduction", "size_average", "reduce"}
    if all((canonical("torch", name) or ("",))[0] in BINARY for name in (old, new)):
        common.add("weight")
    kept = [text.text(argument) for argument in call.args]
    for keyword in call.keywords:
        if keyword.arg not in common:
            return None
        if _is_batchmean(keyword):
            continue  # which the divergence alone has; the mean is every loss's own
        kept.append(f"{keyword.arg}={text.text(keyword.value)}")
    return ", ".join(kept)
