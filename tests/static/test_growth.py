"""Twice the program costs twice the work and memory, whatever it consists of: counted in calls and bytes."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest

from ae_audit.static import analyse_file

START = "import keras, numpy as np, torch\nfrom torch import nn\n(x, _), _ = keras.datasets.mnist.load_data()\n"
END = """
x = x.reshape(-1, 784)
model = keras.Sequential([keras.layers.Dense(784, activation="sigmoid")])
model.compile(loss="mse")
model.fit(x, x)
"""


def lines(form: str, number: int) -> str:
    return "".join(form.replace("@@", str(n + 1)).replace("@", str(n)) + "\n" for n in range(number))


def nested(before: str, inner: str, after: str, number: int) -> str:
    return before * number + inner + after * number


def blocks(head: str, inner: str, number: int) -> str:
    return (
        "".join(" " * depth + head.replace("@", str(depth)) + "\n" for depth in range(number))
        + " " * number
        + inner
        + "\n"
    )


def modules(number: int) -> str:
    body = "\n".join(f"        y = torch.relu(self.l{n}(y))" for n in range(number))
    made = "\n".join(f"        self.l{n} = nn.Linear(784, 784)" for n in range(number))
    return (
        f"class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n{made}\n"
        f"    def forward(self, y):\n{body}\n        return y\n"
        "net = Net()\nopt = torch.optim.Adam(net.parameters())\nt = torch.rand(8, 784)\n"
        "loss = nn.MSELoss()(net(t), t)\nloss.backward()\nopt.step()\n"
    )


# by name: the sizes that are compared, each twice the one before, and the source of a size
# ruff: noqa: E501
CONSTRUCTS: dict[str, tuple[int, Any]] = {
    "assignments": (60, lambda n: lines("a@ = 1", n)),
    "one name rebound": (60, lambda n: "a = 1\n" + lines("a = a + 1", n)),
    "arrays rebound": (40, lambda n: lines("x = x / 1.0", n)),
    "a long list": (200, lambda n: "a = [" + "1, " * n + "]"),
    "a long list of lists": (100, lambda n: "a = np.array([" + "[1, 2], " * n + "])"),
    "a long dict": (100, lambda n: "a = {" + "".join(f"'k{i}': {i}, " for i in range(n)) + "}"),
    "a long text": (200, lambda n: "a = " + " + ".join(["'x'"] * n)),
    "parentheses": (20, lambda n: "a = " + nested("(", "1", ")", n)),
    "lists in lists": (20, lambda n: "a = " + nested("[", "1", "]", n)),
    "dicts in dicts": (20, lambda n: "a = " + nested("{'k': ", "1", "}", n)),
    "calls in calls": (20, lambda n: "a = " + nested("np.abs(", "x", ")", n)),
    "lambdas in lambdas": (20, lambda n: "a = " + nested("(lambda b: ", "b", ")(1)", n)),
    "choices in choices": (12, lambda n: "a = " + nested("(1 if b else ", "2", ")", n)),
    "minus": (40, lambda n: "a = " + "-" * n + "1"),
    "not": (40, lambda n: "a = " + "not " * n + "b"),
    "a chain of attributes": (40, lambda n: "a = x" + ".T" * n),
    "a chain of calls": (40, lambda n: "a = x" + ".copy()" * n),
    "a chain of indices": (40, lambda n: "a = x" + "[0:]" * n),
    "a chain of comparisons": (40, lambda n: "a = 1" + " < 2" * n),
    "a chain of and": (40, lambda n: "a = b" + " and b" * n),
    "pieces of a formatted text": (40, lambda n: "a = f'" + "{x}" * n + "'"),
    "keywords": (40, lambda n: "a = dict(" + ", ".join(f"k{i}={i}" for i in range(n)) + ")"),
    "targets": (40, lambda n: ", ".join(f"a{i}" for i in range(n)) + f" = range({n})"),
    "branches": (30, lambda n: lines("if b@:\n    a = @", n)),
    "branches of one name": (20, lambda n: lines("if b:\n    x = x / @@.0", n)),
    "branches with two arms": (20, lambda n: lines("if b@:\n    x = x / 2.0\nelse:\n    x = x / 3.0", n)),
    "a chain of elif": (20, lambda n: "if b:\n    a = 0\n" + lines("elif b == @:\n    a = @", n)),
    "branches in branches": (10, lambda n: blocks("if b@:", "a = 1", n)),
    "loops": (20, lambda n: lines("for i in range(9):\n    a = i", n)),
    "statements in nine loops": (10, lambda n: blocks("for i@ in range(9):", "\n         ".join(["a = 1"] * n), 9)),
    "loops that wait": (20, lambda n: lines("while b:\n    a = @", n)),
    "attempts in attempts": (5, lambda n: "".join(" " * d + "try:\n" for d in range(n)) + " " * n + "a = 1\n"
                             + "".join(" " * d + "except E:\n" + " " * (d + 1) + "b = 1\n" for d in reversed(range(n)))),
    "contexts": (20, lambda n: "with " + ", ".join(f"open('a') as a{i}" for i in range(n)) + ":\n    a = 1"),
    "comprehensions in comprehensions": (5, lambda n: "a = " + nested("[", "1", " for b in z]", n)),
    "clauses of a comprehension": (5, lambda n: "a = [1" + " for b in z" * n + "]"),
    "functions": (30, lambda n: lines("def f@(a):\n    return a / 1.0\nx = f@(x)", n)),
    "a chain of functions": (40, lambda n: "def f0(a):\n    return a\n" + lines("def f@@(a):\n    return f@(a)", n) + f"x = f{n}(x)"),
    "decorators": (15, lambda n: "def d(f):\n    return f\n" + "@d\n" * n + "def g(a):\n    return a\ny = g(x)"),
    "classes": (30, lambda n: lines("class C@:\n    a = 1", n)),
    "a chain of classes": (15, lambda n: "class C0:\n    a = 1\n" + lines("class C@@(C@):\n    pass", n) + f"a = C{n}().a"),
    "imports": (40, lambda n: lines("import module@", n)),
    "a list doubled": (20, lambda n: "a = [1]\n" + lines("a = a + a", n)),
    "a text doubled": (20, lambda n: "a = 'a'\n" + lines("a = a + a", n)),
    "a number doubled": (40, lambda n: "a = 3\n" + lines("a = a * a", n)),
    "a dict doubled": (20, lambda n: "a = {}\n" + lines("a = {'l': a, 'r': a}", n)),
    "a tuple of itself": (20, lambda n: "a = (1,)\n" + lines("a = (a, a)", n)),
    "an array doubled": (20, lambda n: lines("x = np.concatenate([x, x])", n)),
    "layers": (30, lambda n: "m = keras.Sequential()\n" + lines("m.add(keras.layers.Dense(784))", n) + "m.compile(loss='mse')\nm.fit(x, x)"),
    "layers called": (30, lambda n: "y = i = keras.Input((784,))\n" + lines("y = keras.layers.Dense(784)(y)", n)
                      + "m = keras.Model(i, y)\nm.compile(loss='mse')\nm.fit(x, x)"),
    "models in models": (10, lambda n: "m = keras.Sequential([keras.layers.Dense(784)])\n" + lines("m = keras.Sequential([m])", n)
                         + "m.compile(loss='mse')\nm.fit(x, x)"),
    "layers added to themselves": (8, lambda n: "y = i = keras.Input((784,))\n" + lines("y = keras.layers.add([y, y])", n)
                                   + "m = keras.Model(i, y)\nm.compile(loss='mse')\nm.fit(x, x)"),
    "modules": (15, modules),
    "tensors doubled": (15, lambda n: "t = torch.rand(8, 784)\n" + lines("t = torch.cat([t, t])", n)),
    "trainings": (6, lambda n: lines(
        "m@ = keras.Sequential([keras.layers.Dense(784, activation='softmax')])\nm@.compile(loss='mse')\nm@.fit(x, x)", n)),
    "losses of one model": (6, lambda n: "m = keras.Sequential([keras.layers.Dense(784)])\n" + lines(
        "m.compile(loss='mse')\nm.fit(x, x)", n)),
    "lines of a cell": (100, lambda n: lines("# a comment", n)),
    "long line": (500, lambda n: "# " + "x" * n),
}  # fmt: skip
BOUNDED: dict[str, tuple[int, Any]] = {
    "functions that each call the last twice": (
        12, lambda n: "def f0(a):\n    return a\n" + lines("def f@@(a):\n    return f@(a) + f@(a)", n) + f"y = f{n}(x)"),
    "models of twice the last": (16, lambda n: "m = keras.Sequential([keras.layers.Dense(784)])\n" + lines("m = keras.Sequential([m, m])", n)
                                 + "m.compile(loss='mse')\nm.fit(x, x)"),
}  # fmt: skip
"""what would cost twice as much with each line: up to the size that stands here it may, and from there on no more"""
HEAVY = (
    "one name rebound", "a long list", "a long text", "lists in lists", "a chain of calls", "branches with two arms",
    "a list doubled", "a text doubled", "a number doubled", "a dict doubled", "a tuple of itself", "an array doubled",
    "layers", "layers added to themselves", "tensors doubled", "trainings",
)  # fmt: skip
"""whose memory is looked at: what holds values"""
LINEAR = 2.6
"""by how much more the second doubling may add than the first: 2 where work is linear, 4 where it grows with the square"""
FEW_CALLS, FEW_BYTES = 600, 60_000
"""differences below which growth is none: one table that is enlarged"""


def source(name: str, size: int) -> bytes:
    return (START + (CONSTRUCTS | BOUNDED)[name][1](size) + END).encode()


def calls(program: bytes) -> int:
    """Python functions and built-in ones that are called while the program is read."""
    count = 0

    def hear(_: FrameType, event: str, __: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    gc.collect()
    before = sys.getprofile()
    sys.setprofile(hear)
    try:
        analyse_file("growing.py", program)
    finally:
        sys.setprofile(before)
    return count


def peak(program: bytes) -> int:
    """Most bytes held at a time while the program is read."""
    gc.collect()
    tracemalloc.start()
    try:
        analyse_file("growing.py", program)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module", autouse=True)
def _warm() -> Iterator[None]:
    """Tables are made once, at the first program that needs them; what other tests left in memory is not searched."""
    for name in CONSTRUCTS:
        analyse_file("growing.py", source(name, 2))
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("name", CONSTRUCTS)
def test_work_is_linear(name: str) -> None:
    size = CONSTRUCTS[name][0]
    one, two, four = (calls(source(name, size * times)) for times in (1, 2, 4))
    assert four - two <= LINEAR * max(two - one, FEW_CALLS), (one, two, four)


@pytest.mark.parametrize("name", BOUNDED)
def test_work_is_bounded(name: str) -> None:
    size = BOUNDED[name][0]
    one, two = (calls(source(name, size * times)) for times in (1, 2))
    assert two <= 1.5 * one, (one, two)


@pytest.mark.parametrize("name", HEAVY)
def test_memory_is_linear(name: str) -> None:
    size = CONSTRUCTS[name][0]
    one, two, four = (peak(source(name, size * times)) for times in (1, 2, 4))
    assert four - two <= LINEAR * max(two - one, FEW_BYTES), (one, two, four)


def test_what_grows_with_the_square_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    import ae_audit.static.analysis as analysis

    original = analysis.parse

    def squared(path: str, text: bytes) -> Any:
        number = text.count(b"\n")
        kept = [[len(str(n)) for n in range(number)] for _ in range(number)]
        return original(path, text) if kept is not None else None

    monkeypatch.setattr(analysis, "parse", squared)
    for test in (test_work_is_linear, test_memory_is_linear):
        with pytest.raises(AssertionError):
            test("assignments")
