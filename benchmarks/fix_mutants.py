"""Faults for the study of fixes: what people get wrong, put into right programs, whether or not the tool will see it.

:mod:`mutations` makes only faults that certainly are one and says what each must be found as; here it suffices that
somebody might write it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

import mutations

from ae_audit.fix.activation import swap_activation
from ae_audit.fix.files import rewritten
from ae_audit.fix.loss import expect_logits, swap_loss
from ae_audit.fix.source import Texts
from ae_audit.schema.findings import Edit
from ae_audit.schema.training_setup import TrainingSetup
from ae_audit.source.text import Sources
from ae_audit.static import analyse_file
from ae_audit.theory.ranges import Tri

HEADS = ("softmax", "relu", "tanh", "sigmoid", "linear")
LOSSES = ("bce", "cce", "mse", "mae", "kl_divergence", "cosine_similarity")
TEXTUAL = (
    ("no zero_grad", r"^[ \t]*\w+\.zero_grad\(\)\n", ""),
    ("classes over the batch", r"\bdim=1\b", "dim=0"),
    ("classes over the batch", r"\baxis=-1\b", "axis=0"),
    (
        "indices for one-hot",
        r"(?<!import )\b(?:\w+\.)*(?:to_categorical|one_hot)\(((?:[^(),]|\([^()]*\))+)[^()]*\)",
        r"\1",
    ),
    ("one-hot for indices", r"\bsparse_categorical_crossentropy\b", "categorical_crossentropy"),
    ("indices for one-hot", r"(?<!sparse_)\bcategorical_crossentropy\b", "sparse_categorical_crossentropy"),
    ("tanh for [0, 1]", r"/ 127\.5 - 1(?:\.0)?", "/ 255.0"),
    ("scaled to [-1, 1]", r"/ 255(?:\.0?)?$", "/ 127.5 - 1.0"),
    ("left unscaled", r" / 255(?:\.0?)?", ""),
    ("accuracy", r"(\.compile\([^()]*)\)", r'\1, metrics=["accuracy"])'),
)
"""what is looked for in every line of a program, and what takes the place of its first occurrence and of all"""


@dataclass(frozen=True)
class Variant:
    """A program with one fault in it."""

    name: str
    source: bytes


def variants(path: str, source: bytes) -> Iterator[Variant]:
    """Programs made from ``source`` by one fault each; no two are the same, and none is the program itself."""
    seen = {source}
    for words, changed in _changed(path, source):
        if changed not in seen and _parses(changed):
            seen.add(changed)
            yield Variant(words, changed)


def _parses(source: bytes) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


def _changed(path: str, source: bytes) -> Iterator[tuple[str, bytes]]:
    for words, edits in _edited(path, source):
        try:
            yield words, rewritten(path, source, edits)
        except ValueError:
            continue
    text = source.decode()
    for words, pattern, instead in TEXTUAL:
        for count in (1, 0):
            yield words, re.sub(pattern, instead, text, count=count, flags=re.MULTILINE).encode()


def _edited(path: str, source: bytes) -> Iterator[tuple[str, tuple[Edit, ...]]]:
    texts = Texts(Sources({path: source}).text)
    yield from ((mutant.words, mutant.edits) for mutant in mutations.mutants(path, source))
    for setup in analyse_file(path, source).setups:
        for words, edits in _of_setup(setup, texts):
            if edits:
                yield words, edits


def _of_setup(setup: TrainingSetup, texts: Texts) -> Iterator[tuple[str, tuple[Edit, ...] | None]]:
    head, loss, framework = setup.head, setup.loss, setup.framework
    for to in HEADS:
        yield f"{head.activation} → {to}", swap_activation(to, head.location, framework, texts)
    for to in LOSSES:
        yield f"{loss.name} → {to}", swap_loss(to, False, loss.location, framework, texts)
    for logits in (True, False):
        if loss.from_logits is not Tri.UNKNOWN:
            yield f"from_logits={logits}", expect_logits(loss.name, logits, loss.location, framework, texts)
