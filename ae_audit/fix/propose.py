"""From a finding's remedies to a fix: a sentence, and the edits where the source shows where to make them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import groupby

from ae_audit.fix.activation import quoted, swap_activation
from ae_audit.fix.advice import follow
from ae_audit.fix.data import rescale
from ae_audit.fix.loss import expect_logits, swap_loss
from ae_audit.fix.origin import at_origin
from ae_audit.fix.source import SourceOf, Text, Texts, parse
from ae_audit.fix.twice import scale_once
from ae_audit.schema.findings import Edit, Finding, Fix
from ae_audit.schema.location import Location
from ae_audit.schema.remedies import Advice, DropMetric, ExpectLogits, Remedy, Rescale, SwapActivation, SwapLoss
from ae_audit.schema.training_setup import Framework, Head, Structure, TrainingSetup
from ae_audit.source.edits import apply
from ae_audit.theory.ranges import Tri


def propose(finding: Finding, setup: TrainingSetup | None, source_of: SourceOf) -> Fix | None:
    """The fix for ``finding``; None where it has no remedy.

    A fix has edits only where all remedies have a place, the edits do not overlap, and the source still parses after
    them. It is safe where it changes nothing that the program computes but a metric, and nothing in the file looks
    that metric up by its name.
    """
    if not finding.remedies:
        return None
    description = " and ".join(str(remedy) for remedy in finding.remedies)
    texts = Texts(source_of)
    edits: list[Edit] = []
    for remedy in finding.remedies:
        part = None if setup is None else _edits(remedy, finding, setup, texts)
        if part is None:
            return Fix(description, safe=False)
        edits += part
    kept = tuple(dict.fromkeys(edits))
    edits = list(kept) if _sound(kept, texts) else []
    metrics = [remedy.metric for remedy in finding.remedies if isinstance(remedy, DropMetric)]
    only_shown = len(metrics) == len(finding.remedies) and not _looked_up(metrics, finding.location, texts)
    safe = bool(edits) and only_shown and setup is not None and _holds_quantities(setup)
    return Fix(description, safe=safe, edits=tuple(edits))


def _holds_quantities(setup: TrainingSetup) -> bool:
    """Whether the target is known to hold no labels, of which a metric of classes tells something after all."""
    return setup.target.structure is Structure.CONTINUOUS or setup.reconstruction is Tri.YES


def _edits(remedy: Remedy, finding: Finding, setup: TrainingSetup, texts: Texts) -> tuple[Edit, ...] | None:
    framework = setup.framework
    match remedy:
        case SwapActivation(to):
            return _swap_head(to, setup.head, framework, texts)
        case SwapLoss(to, from_logits):
            return swap_loss(to, from_logits, setup.loss.location, framework, texts)
        case ExpectLogits(from_logits):
            return expect_logits(setup.loss.name, from_logits, setup.loss.location, framework, texts)
        case Rescale():
            if remedy.undo:
                return scale_once(remedy, setup, texts)
            edits = rescale(remedy, setup, texts)
            return edits if edits is not None else at_origin(remedy, setup, texts)
        case DropMetric(name, to):
            known = any(metric.location == finding.location for metric in setup.metrics)
            twice = any(metric.name == to for metric in setup.metrics)
            edits = _metric(to, finding.location, texts) if known and not twice else None
            return None if edits is None or to is None else (*edits, *_renamed(name, to, finding.location, texts))
        case Advice(_, change):
            return None if change is None else follow(change, finding.location, setup, texts)


def _swap_head(to: str, head: Head, framework: Framework, texts: Texts) -> tuple[Edit, ...] | None:
    """Another output activation; what is applied directly before or behind the old one is taken out with it."""
    edits = swap_activation(to, head.location, framework, texts)
    for place in dict.fromkeys(head.others):
        if edits is None or (place == head.location and to != "linear"):
            return None
        taken_out = swap_activation("linear", place, framework, texts)
        edits = None if taken_out is None else (*edits, *taken_out)
    return edits


def _metric(to: str | None, place: Location, texts: Texts) -> tuple[Edit, ...] | None:
    text = texts.at(place)
    node = text.node_at(place) if text is not None else None
    if text is None or not isinstance(node, ast.Constant | ast.Call | ast.Attribute) or to is None:
        return None
    if isinstance(node, ast.Constant):
        edit = quoted(to, node, text) if isinstance(node.value, str) else None
        return None if edit is None else (edit,)
    return (text.replace(node, f'"{to}"'),)


def _renamed(metric: str, to: str, place: Location, texts: Texts) -> Iterator[Edit]:
    """The keys by which the history of the training, or a callback, is asked for the metric that goes.

    None where another model has such a metric too: whose history it is cannot be told.
    """
    names = dict.fromkeys((metric, "acc"), "") | {f"val_{name}": "val_" for name in (metric, "acc")}
    nodes = [(text, node) for text in texts.pieces(place) for node in _strings(text) if node.value in names]
    if sum(_is_listed(node, text) for text, node in nodes) > 1:
        return
    for text, node in nodes:
        parent = text.parents.get(node)
        key = isinstance(parent, ast.Subscript) or _is_monitored(parent, text)
        edit = quoted(f"{names[str(node.value)]}{to}", node, text) if key else None
        if edit is not None:
            yield edit


def _is_monitored(parent: ast.AST | None, text: Text) -> bool:
    """Whether a callback watches it, and finds out by its name whether more or less of it is better."""
    if not isinstance(parent, ast.keyword) or parent.arg != "monitor":
        return False
    call = text.parents.get(parent)
    return isinstance(call, ast.Call) and not any(word.arg in {"mode", None} for word in call.keywords)


def _strings(text: Text) -> Iterator[ast.Constant]:
    for node in ast.walk(text.tree) if text.tree is not None else ():
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node


def _is_listed(node: ast.Constant, text: Text) -> bool:
    """Whether a string is one of the ``metrics`` of a model."""
    parent = text.parents.get(node)
    holder = text.parents.get(parent) if isinstance(parent, ast.List | ast.Tuple) else None
    return isinstance(holder, ast.keyword) and holder.arg == "metrics"


def _looked_up(metrics: list[str], place: Location, texts: Texts) -> bool:
    """Whether a string elsewhere in the file may name one of ``metrics``: a key of the history, what is monitored."""
    text = texts.at(place)
    if text is None or text.cell is not None or text.tree is None:
        return True  # other cells may look it up
    here = text.node_at(place)
    stems = {"acc", *metrics}
    return any(
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node is not here
        and any(stem in node.value for stem in stems)
        for node in ast.walk(text.tree)
    )


def _sound(edits: tuple[Edit, ...], texts: Texts) -> bool:
    """Whether every source that is touched still parses."""

    def place(edit: Edit) -> tuple[str, int]:
        return edit.location.path, -1 if edit.location.cell is None else edit.location.cell

    for _, group in groupby(sorted(edits, key=place), key=place):
        touched = list(group)
        text = texts.at(touched[0].location)
        if text is None:
            return False
        try:
            changed = apply(text.source, touched, text.cell)
        except ValueError:
            return False
        if parse(changed, notebook=text.cell is not None) is None:
            return False
    return True
