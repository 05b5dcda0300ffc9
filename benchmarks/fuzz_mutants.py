"""Mutants of programs for :mod:`fuzz`: of their syntax trees, of their bytes, of a notebook's JSON."""

from __future__ import annotations

import ast
import copy
import json
import random
from typing import Any

_BYTES = (
    b"\0",
    b"\xff",
    b"\r",
    b"\t",
    b"\x0c",
    b"\xef\xbb\xbf",
    b"#coding: idna\n",
    b"'''",
    b"\\\n",
    b"(",
    b"]",
    b"0x",
    b"\xe2\x80\xae",
)
_VALUES: tuple[Any, ...] = (
    0, 1, -1, 2, 7, 255, 256, -0.0, 0.2, -0.8, 1e-320, 1e308, float("inf"), 10**30, True, 1j, "", "x", b"x", "mse",
    "sigmoid",
    "softmax", "same", None, ...,
)  # fmt: skip
_ODD: tuple[Any, ...] = (None, 7, -1, 1e308, "", "x" * 3000, [], {}, [[]], {"a": [{}]}, True, "\ud800")


def of_tree(source: str, chance: random.Random) -> str:
    """The program with some nodes of its tree replaced by others of it, left out, doubled or set into each other."""
    tree = ast.parse(source)
    if chance.random() < 0.4:
        constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value is not None]
        for constant in chance.sample(constants, min(len(constants), chance.randint(1, 4))):
            constant.value = chance.choice(_VALUES)
        return ast.unparse(tree)
    for _ in range(chance.randint(1, 6)):
        nodes = [node for node in ast.walk(tree) if hasattr(node, "_fields")]
        places = [
            (node, name, position)
            for node in nodes
            for name, value in ast.iter_fields(node)
            for position in (range(len(value)) if isinstance(value, list) else (None,))
            if isinstance(value, (ast.AST, list))
        ]
        if not places:
            break
        node, name, position = chance.choice(places)
        held = getattr(node, name)
        old = held if position is None else held[position]
        kind = ast.expr if isinstance(old, ast.expr) else ast.stmt if isinstance(old, ast.stmt) else type(old)
        new = copy.deepcopy(chance.choice([other for other in nodes if isinstance(other, kind)] or [old]))
        if position is None:
            setattr(node, name, new)
            continue
        step = chance.randrange(4)
        if step == 0:
            held[position] = new
        elif step == 1 and len(held) > 1 and isinstance(old, ast.stmt):
            del held[position]
        elif (
            step == 2
            and isinstance(old, (ast.stmt, ast.expr))
            and name not in {"keys", "values", "defaults", "comparators"}
        ):
            held.insert(position, new)
        else:
            held[position] = copy.deepcopy(chance.choice(held))
    return ast.unparse(ast.fix_missing_locations(tree))


def of_bytes(source: bytes, chance: random.Random) -> bytes:
    """The bytes with some changed, cut, moved, doubled, or odd ones put in."""
    data = bytearray(source)
    for _ in range(chance.randint(1, 8)):
        if not data:
            break
        at, length = chance.randrange(len(data)), chance.choice((1, 1, 2, 8, 64, 400))
        step = chance.randrange(6)
        if step == 0:
            data[at] = chance.randrange(256)
        elif step == 1:
            del data[at : at + length]
        elif step == 2:
            data[at:at] = data[at : at + length] * chance.choice((1, 2, 30))
        elif step == 3:
            data[at:at] = chance.choice(_BYTES) * chance.choice((1, 1, 3, 200))
        elif step == 4:
            piece = data[at : at + length]
            del data[at : at + length]
            other = chance.randrange(len(data) + 1)
            data[other:other] = piece
        else:
            lines = data.split(b"\n")
            line = chance.randrange(len(lines))
            lines[line] = b" " * chance.choice((0, 1, 4, 8)) + lines[line].lstrip()
            data = bytearray(b"\n".join(lines))
    return bytes(data)


def of_json(text: str, chance: random.Random) -> str:
    """A notebook of which some values are of another kind, absent, or stand elsewhere."""
    document = json.loads(text)
    for _ in range(chance.randint(1, 4)):
        places: list[tuple[Any, Any]] = []
        pending = [document]
        while pending:
            value = pending.pop()
            keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
            for key in keys:
                places.append((value, key))
                pending.append(value[key])
        if not places:
            break
        holder, key = chance.choice(places)
        step = chance.randrange(3)
        if step == 0:
            holder[key] = copy.deepcopy(chance.choice(_ODD))
        elif step == 1:
            other, name = chance.choice(places)
            try:
                holder[key] = copy.deepcopy(other[name])
            except (KeyError, IndexError):  # taken away in between
                continue
        else:
            del holder[key]
    return json.dumps(document)
