"""Faults put into clean programs: how many are found, and what was reported before.

usage: python benchmarks/mutations.py [--labels LABELS.jsonl] [--show] FOLDER …

Takes every program (.py, .ipynb) of the folders of which reading reports no error and no warning; with ``--labels``
(one JSON object a line, with ``file`` and ``issues``) those that a careful reader found clean. Into each it puts one
fault at a time, where what is known of the program makes it certain that it is one: another output activation, another
loss, the scaling of the data left out or made twice, logits taken for probabilities and the reverse. What a fault must
be found as is said beside it; any of the codes will do, as an error or a warning. No program is run. Prints a table;
ends with 1 where less than 98 % is found or anything was reported of a clean program.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ae_audit.fix.activation import swap_activation
from ae_audit.fix.files import rewritten
from ae_audit.fix.loss import expect_logits, swap_loss
from ae_audit.fix.source import Text, Texts
from ae_audit.rules.runner import check
from ae_audit.schema.findings import Edit, Severity
from ae_audit.schema.training_setup import Framework, Structure, TrainingSetup
from ae_audit.source.text import Sources
from ae_audit.static import analyse_file
from ae_audit.theory.intervals import UNIT
from ae_audit.theory.ranges import Tri, ValueRange

ENOUGH = 0.98
SQUARED = {"mse", "mae"}
NOT_A_DISTRIBUTION = frozenset({"AE101", "AE106", "AE202", "AE209"})
NO_PROBABILITY = frozenset({"AE105", "AE209"})
OUT_OF_RANGE = frozenset({"AE102", "AE201"})


@dataclass(frozen=True)
class Mutant:
    """One fault in one program."""

    kind: str
    words: str
    edits: tuple[Edit, ...]
    expected: frozenset[str]


def reported(path: str, source: bytes) -> set[str]:
    """Codes of errors and warnings, by reading alone."""
    findings, _ = check(analyse_file(path, source).setups)
    return {finding.code for finding in findings if finding.severity is not Severity.INFO}


def mutants(path: str, source: bytes) -> Iterator[Mutant]:
    """Every fault that certainly is one, for what is known of each training of the program."""
    texts = Texts(Sources({path: source}).text)
    setups = analyse_file(path, source).setups
    for setup in setups:
        if setup.condition is None and setup.location.path == path and not setup.head.after:
            yield from _activations(setup, texts)
            yield from _losses(setup, texts)
    yield from _scalings(setups, path, texts)


def _mutant(kind: str, words: str, edits: tuple[Edit, ...] | None, expected: frozenset[str]) -> Iterator[Mutant]:
    if edits:
        yield Mutant(kind, words, edits, expected)


def _painted(setup: TrainingSetup) -> bool:
    """Whether the prediction holds separate quantities, more than one of them."""
    return setup.target.structure is Structure.CONTINUOUS and setup.head.units not in {None, 1}


def _activations(setup: TrainingSetup, texts: Texts) -> Iterator[Mutant]:
    head, loss, reach = setup.head, setup.loss, setup.target.values.reach
    wrong: dict[str, frozenset[str]] = {}
    if _painted(setup) and head.range.constraint is None and loss.name in {"mse", "mae", "bce"}:
        wrong["softmax"] = NOT_A_DISTRIBUTION
    follows_weights = head.range.values.reach is not None
    if loss.name == "bce" and loss.from_logits is Tri.NO and head.activation == "sigmoid" and follows_weights:
        wrong |= {"tanh": NO_PROBABILITY, "relu": NO_PROBABILITY, "linear": NO_PROBABILITY}
    if loss.name == "bce" and loss.from_logits is Tri.YES and head.activation == "linear":
        wrong["sigmoid"] = frozenset({"AE104"})
    if loss.name in SQUARED and reach is not None and reach.lo < -0.05:
        wrong |= {"sigmoid": OUT_OF_RANGE, "relu": OUT_OF_RANGE}
    for to, expected in wrong.items():
        if to != head.activation:
            edits = swap_activation(to, head.location, setup.framework, texts)
            yield from _mutant("output activation", f"{head.activation} → {to}", edits, expected)


def _losses(setup: TrainingSetup, texts: Texts) -> Iterator[Mutant]:
    head, loss, reach = setup.head, setup.loss, setup.target.values.reach

    def swapped(to: str, from_logits: bool, expected: frozenset[str]) -> Iterator[Mutant]:
        edits = swap_loss(to, from_logits, loss.location, setup.framework, texts)
        yield from _mutant("loss", f"{loss.name} → {to}", edits, expected)

    if _painted(setup) and loss.name in {"mse", "mae", "bce"} and setup.framework is Framework.KERAS:
        yield from swapped("cce", False, NOT_A_DISTRIBUTION)
    no_probability = head.range.constraint is None and head.range.values.leaves(UNIT, 0.05) is Tri.YES
    out_of_range = reach is not None and (reach.lo < -0.05 or reach.hi > 1.05)
    if loss.name in SQUARED and (no_probability or out_of_range):
        yield from swapped("bce", False, NO_PROBABILITY | OUT_OF_RANGE)
    if loss.name == "bce":
        to_logits = loss.from_logits is Tri.NO and head.activation == "sigmoid"
        to_probability = loss.from_logits is Tri.YES and head.activation == "linear"
        if to_logits or to_probability:
            edits = expect_logits(loss.name, to_logits, loss.location, setup.framework, texts)
            words, expected = ("on", frozenset({"AE104"})) if to_logits else ("off", NO_PROBABILITY)
            yield from _mutant("from logits", f"turned {words}", edits, expected)


def _scalings(setups: Iterable[TrainingSetup], path: str, texts: Texts) -> Iterator[Mutant]:
    """All places where a program scales bytes to [0, 1], where they are what scales the target of a training."""
    for setup in setups:
        target = setup.target
        certain = target.values == ValueRange.exactly(UNIT) and not any(
            "comparison" in step.text for step in target.trail
        )
        if setup.condition is not None or setup.head.activation is None or not certain:
            continue
        places = {(step.location.cell, step.location.line) for step in target.trail if step.location is not None}
        every = [(text, node) for text in _texts(path, texts) for node in _scaling(text)]
        if any("taken for bytes" in step.text for step in target.trail):
            continue  # data from a file, of which the division alone says that they are bytes
        if not any((text.cell, node.lineno) in places for text, node in every):
            continue
        bounded = setup.head.activation in {"sigmoid", "tanh"} or setup.loss.name == "bce"
        raw = (OUT_OF_RANGE if bounded else frozenset({"AE301"})) | {"AE302"}
        dropped = tuple(_dropped(text, node) for text, node in every)
        doubled = tuple(_doubled(text, node) for text, node in every)
        yield from _mutant("scaling left out", "no scaling", dropped, raw)
        yield from _mutant("scaling twice", "scaled twice", doubled, frozenset({"AE303"}))
        return


def _texts(path: str, texts: Texts) -> Iterator[Text]:
    cells: Iterable[int | None] = range(1000) if path.endswith(".ipynb") else [None]
    for cell in cells:
        text = texts.get(path, cell)
        if text is None:
            return
        yield text


def _scaling(text: Text) -> Iterator[ast.BinOp | ast.AugAssign | ast.Call]:
    """Divisions by 255, and ``ToTensor()``, which makes one of its own."""
    for node in ast.walk(text.tree) if text.tree is not None else ():
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            by = node.right if isinstance(node, ast.BinOp) else node.value
            if isinstance(by, ast.Constant) and by.value == 255:
                yield node
        elif isinstance(node, ast.Call) and text.text(node.func) in {"transforms.ToTensor", "T.ToTensor"}:
            yield node


def _dropped(text: Text, node: ast.BinOp | ast.AugAssign | ast.Call) -> Edit:
    if isinstance(node, ast.Call):
        return _followed(text, node, "x * 255.0")
    by = node.right if isinstance(node, ast.BinOp) else node.value
    return text.replace(by, "1.0")


def _doubled(text: Text, node: ast.BinOp | ast.AugAssign | ast.Call) -> Edit:
    if isinstance(node, ast.Call):
        return _followed(text, node, "x / 255.0")
    if isinstance(node, ast.BinOp):
        return text.replace(node.right, f"{text.text(node.right)} / 255.0")
    start, end = text.span(node)
    return text.edit(end, end, f"; {text.source[start:end]}")


def _followed(text: Text, node: ast.Call, step: str) -> Edit:
    """``ToTensor()`` and a step after it."""
    module = text.text(node.func).rpartition(".")[0]
    return text.replace(node, f"{module}.Compose([{text.text(node)}, {module}.Lambda(lambda x: {step})])")


def programs(folders: Iterable[Path], labels: Path | None) -> Iterator[Path]:
    """The programs to put faults into; ``labels`` name those of which a reader found nothing."""
    clean: set[str] | None = None
    if labels is not None:
        rows = [json.loads(line) for line in labels.read_text("utf-8").splitlines() if line.strip()]
        clean = {Path(row["file"]).name for row in rows if not row["issues"]}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix in {".py", ".ipynb"} and (clean is None or path.name in clean):
                yield path


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--labels", type=Path, help="labels that say which programs are clean")
    parser.add_argument("--show", action="store_true", help="name each fault that was missed")
    given = parser.parse_args()
    read = clean = before = 0
    made: Counter[str] = Counter()
    found: Counter[str] = Counter()
    missed: dict[str, list[str]] = defaultdict(list)
    for file in programs(given.folders, given.labels):
        path, source = str(file), file.read_bytes()
        read += 1
        codes = reported(path, source)
        if codes:
            before += 1
            if given.labels is not None:
                print(f"  reported of a clean program: {file.name} {sorted(codes)}")
            continue
        clean += 1
        tried: set[tuple[Edit, ...]] = set()
        for mutant in mutants(path, source):
            if mutant.edits in tried:
                continue
            tried.add(mutant.edits)
            try:
                changed = rewritten(path, source, mutant.edits)
            except ValueError:
                continue
            made[mutant.kind] += 1
            told = reported(path, changed)
            if told & mutant.expected:
                found[mutant.kind] += 1
            else:
                place = mutant.edits[0].location
                missed[mutant.kind].append(f"{file.name}:{place.line} {mutant.words}: told {sorted(told) or 'nothing'}")
    print(f"{read} programs, {clean} of them clean, {before} reported before")
    print(f"{'fault':20s} {'made':>6s} {'found':>6s} {'rate':>7s}")
    for kind in sorted(made):
        print(f"{kind:20s} {made[kind]:6d} {found[kind]:6d} {found[kind] / made[kind]:7.1%}")
        for line in missed[kind] if given.show else ():
            print(f"    missed: {line}")
    total, right = made.total(), found.total()
    print(f"{'all':20s} {total:6d} {right:6d} {right / total if total else 0:7.1%}")
    return int(not total or right / total < ENOUGH or (given.labels is not None and before > 0))


if __name__ == "__main__":
    sys.exit(main())
