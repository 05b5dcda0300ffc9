"""Edits that replace the loss, or say whether it expects logits."""

from __future__ import annotations

import ast

from ae_audit.fix.activation import quoted
from ae_audit.fix.source import Text, Texts, dotted
from ae_audit.schema.findings import Edit
from ae_audit.schema.location import Location
from ae_audit.schema.training_setup import Framework

_KERAS_STRINGS = {
    "bce": "binary_crossentropy",
    "cce": "categorical_crossentropy",
    "sparse_cce": "sparse_categorical_crossentropy",
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
}
_KERAS_CLASSES = {
    "bce": "BinaryCrossentropy",
    "cce": "CategoricalCrossentropy",
    "sparse_cce": "SparseCategoricalCrossentropy",
    "mse": "MeanSquaredError",
    "mae": "MeanAbsoluteError",
}
# by canonical name and whether it takes logits; CrossEntropyLoss only comes on logits
_TORCH_MODULES = {
    ("bce", False): "BCELoss",
    ("bce", True): "BCEWithLogitsLoss",
    ("cce", True): "CrossEntropyLoss",
    ("sparse_cce", True): "CrossEntropyLoss",
    ("mse", False): "MSELoss",
    ("mae", False): "L1Loss",
}
_TORCH_FUNCTIONS = {
    ("bce", False): "binary_cross_entropy",
    ("bce", True): "binary_cross_entropy_with_logits",
    ("cce", True): "cross_entropy",
    ("sparse_cce", True): "cross_entropy",
    ("mse", False): "mse_loss",
    ("mae", False): "l1_loss",
}
_SHORT = {"mean_squared_error": "mse", "mean_absolute_error": "mae"}


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
    if to not in _KERAS_CLASSES:
        return None
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        if not from_logits:
            name = _KERAS_STRINGS[to]
            return quoted(_SHORT.get(name, name) if len(node.value) <= len("mape") else name, node, text)
        root = next((root for root in ("keras", "tf") if texts.binds(text, root)), None)
        if root is None:
            return None
        library = "keras" if root == "keras" else "tf.keras"
        return text.replace(node, f"{library}.losses.{_KERAS_CLASSES[to]}(from_logits=True)")
    if isinstance(node, ast.Attribute) and not from_logits and node.attr in _KERAS_STRINGS.values():
        return text.replace(node, f"{text.text(node.value)}.{_KERAS_STRINGS[to]}")
    if not isinstance(node, ast.Call):
        return None
    prefix, _, last = (dotted(node.func) or "").rpartition(".")
    if last in _KERAS_CLASSES.values():
        name, arguments = _KERAS_CLASSES[to], "from_logits=True" if from_logits else ""
        return text.replace(node, f"{prefix}.{name}({arguments})") if prefix else None
    if last in _KERAS_STRINGS.values() and prefix and len(node.args) == 2:
        tensors = ", ".join(text.text(argument) for argument in node.args)
        logits = ", from_logits=True" if from_logits else ""
        return text.replace(node, f"{prefix}.{_KERAS_STRINGS[to]}({tensors}{logits})")
    return None


def _torch(to: str, from_logits: bool, node: ast.expr, text: Text, texts: Texts) -> Edit | None:
    call = node if isinstance(node, ast.Call) else text.parents.get(node)
    if not isinstance(call, ast.Call):
        return None
    prefix, _, last = (dotted(call.func) or "").rpartition(".")
    for table, tensors in ((_TORCH_MODULES, 0), (_TORCH_FUNCTIONS, 2)):
        name = table.get((to, from_logits))
        if last not in table.values() or name is None:
            continue
        if not prefix and not texts.binds(text, name):
            return None
        kept = _kept_arguments(last, name, call, tensors, text)
        if kept is None:
            return None
        return text.replace(call, f"{prefix}.{name}({kept})" if prefix else f"{name}({kept})")
    return None


def _kept_arguments(old: str, new: str, call: ast.Call, tensors: int, text: Text) -> str | None:
    """The arguments that mean the same for both losses; None where one is given that does not carry over."""
    if len(call.args) != tensors or any(isinstance(argument, ast.Starred) for argument in call.args):
        return None
    common = {"reduction", "size_average", "reduce"}
    if "b" in (old[:1].casefold(), new[:1].casefold()) and old[:1] == new[:1]:
        common.add("weight")  # both are binary cross-entropies
    kept = [text.text(argument) for argument in call.args]
    for keyword in call.keywords:
        if keyword.arg not in common:
            return None
        kept.append(f"{keyword.arg}={text.text(keyword.value)}")
    return ", ".join(kept)
