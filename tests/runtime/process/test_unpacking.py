"""How a program takes apart what a call gives it, from its byte code."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from ae_audit.runtime.stand_ins.unpacking import Parts, unpacked_by

ONE = ("x",)
FOUR = ("x", "x_test", "y", "y_test")
PAIRS = (("x", "y"), ("x_test", "y_test"))


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("x, x_test, y, y_test = load(4)", FOUR),
        ("(x, y), (x_test, y_test) = load([2, 2])", PAIRS),
        ("[x, y] = load(2)", ("x", "y")),
        ("x, = load(1)", ONE),
        ("both = load(2)", ()),
        ("load(2)", ()),
        ("x, y = list(load(2))", ()),
        ("x, *rest = load(3)", ()),
        ("box = Box()\nbox.x, box.y = load(2)", ()),
        ("x = {}\nx['a'], x['b'] = load(2)", ()),
        ("a = x, y = load(2)", ()),
    ],
)
@pytest.mark.parametrize("inside", [False, True], ids=["module", "function"])
def test_the_names_after_a_call(source: str, parts: Parts, inside: bool) -> None:
    seen: list[Parts] = []

    def load(shape: Any) -> Any:
        seen.append(unpacked_by(sys._getframe(1)))
        return [load_nothing(one) for one in shape] if isinstance(shape, list) else load_nothing(shape)

    if inside:
        source = "def read():\n  " + source.replace("\n", "\n  ") + "\n  return locals()\nread()"
    exec(source, {"load": load, "Box": type("Box", (), {})})
    assert seen == [parts]


def load_nothing(count: int) -> list[None]:
    return [None] * count


def test_more_names_than_a_byte_counts() -> None:
    seen: list[Parts] = []
    before = "\n".join(f"name{number} = 0" for number in range(300))

    def load() -> tuple[int, int]:
        seen.append(unpacked_by(sys._getframe(1)))
        return 1, 2

    exec(f"{before}\nlate, later = load()", {"load": load})
    assert seen == [("late", "later")]
