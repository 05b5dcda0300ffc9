"""No construct costs more than its steps: values that double line by line stay small, and so does the work on them."""

from __future__ import annotations

import sys
import tracemalloc
from types import FrameType

import pytest

from ae_audit.static import analyse_file
from ae_audit.static.interpreter.budget import MAX_STEPS
from ae_audit.static.interpreter.program import execute
from ae_audit.static.interpreter.run import Run
from ae_audit.static.knowledge import registry
from ae_audit.static.source.projects import Project, parse

START = "import functools\nimport keras\nimport numpy as np\nimport torch\nfrom somewhere import u\n"
LINES = 48
"""doublings: what is not bounded would need a billion times what it needs after 18"""
CALLS_A_STEP = 400
"""calls inside the interpreter and the libraries below it for one step of a program, at the most"""
MEGABYTES = 12.0
GROWTH = {
    "text": ("s = 'a'", "s = s + s"),
    "bytes": ("s = b'a'", "s += s"),
    "text by a number": ("s = 'a'", "s = s * 2"),
    "formatted text": ("s = 'a'", "s = f'{s}{s}'"),
    "nested formatted text": ("s = 'a'", "s = f\"{f'{s}{s}'}{s}\""),
    "wide text": ("s = 'a'", "s = f'{s:>1000000000}' + '%1000000000d' % 3 + s.zfill(10**9)"),
    "replaced text": ("s = 'aa'", "s = s.replace('a', s)"),
    "joined text": ("s = 'a'", "s = s.join([s, s, s])"),
    "integer": ("s = 3", "s = s * s"),
    "power": ("s = 10", "s = s ** 10 ** 6"),
    "shift": ("s = 3", "s = s << 64"),
    "parsed integer": ("s = 3", "s = int('9' * 399) * int('9' * 399)"),
    "list": ("s = [u]", "s = s + s"),
    "list in place": ("s = [u]", "s += s"),
    "extended list": ("s = [u]", "s.extend(s)"),
    "list by a number": ("s = [u]", "s = s * 2"),
    "huge list": ("s = 1", "s = [0] * 10**9 + list(range(10**9))"),
    "starred list": ("s = [u]", "s = [*s, *s]"),
    "starred tuple": ("s = (1,)", "s = (*s, *s)"),
    "starred set": ("s = {1}", "s = {*s, *s}"),
    "slice at the front": ("s = [1]", "s[0:0] = s"),
    "slice at the end": ("s = [1]", "s[len(s):] = s"),
    "starred arguments": ("def f(*a): return a\ns = (1,)", "s = f(*s, *s)"),
    "sum of lists": ("s = [1]", "s = sum([s, s], [])"),
    "comprehension": ("s = [1, 2]", "s = [(a, b) for a in s for b in s]"),
    "list in a list": ("s = [1]", "s = [s, s]\nt = str(s) + repr(s)\nt = s == s"),
    "tuple as a key": ("s = (1,)\nd = {}", "s = (s, s)\nd[s] = 1\nd.get(s)"),
    "tuple as a shape": ("s = (1,)\nx = np.load('x')", "s = (s, s)\nx.reshape(s)"),
    "tuple as an argument": ("s = (1,)", "s = (s, s)\nt = np.zeros(s)\nt = keras.layers.Reshape(s)"),
    "tuple as data": ("s = (1,)", "s = (s, s)\nx = np.array(s)"),
    "list as data": ("s = [u]", "s = [s, s]\nx = np.array(s) + s"),
    "dictionary": ("s = {'a': 1}", "s = {'a': s, 'b': {**s, **s}, len(s): s}"),
    "unknown": ("s = u", "s = u(s, s) + s.a(s)[s]"),
    "sum of calls": ("s = u(1)", "s = s + s"),
    "data": ("s = np.load('x')", "s = np.concatenate([s, s + s * s - s])"),
    "noise": ("s = np.random.rand(3)\nt = np.random.rand(3)", "s = s + t\nt = s + np.random.rand(3)"),
    "loss": ("p = torch.nn.Linear(3, 3)(u)\ns = torch.nn.functional.mse_loss(p, u)", "s = s + s + u"),
    "loss of an unknown": ("s = u", "s = u(s, s)\nt = torch.nn.functional.mse_loss(s, s)"),
    "output": ("s = torch.nn.Linear(3, 3)(u)", "s = torch.cat([s, s]) + s.exp()"),
    "model": ("s = keras.Sequential([keras.layers.Dense(1)])", "s = keras.Sequential([s, s])\ns(keras.Input((3,)))"),
    "model in torch": ("s = torch.nn.Sequential(torch.nn.Linear(3, 3))", "s = torch.nn.Sequential(s, s)\nt = s(u)"),
    "function": ("s = lambda x: x", "s = lambda x, s=s: s(s(x))\ns(1)"),
    "partial": ("s = u", "s = functools.partial(s, 1, 2)\ns(s, s)"),
    "classes": ("class A: pass\ns = t = A", "class B(s, t): pass\nclass C(t, s): pass\ns, t = B, C\ns().x"),
    "branches": ("if u == 0:\n    s = 0", "elif u == 1:\n    s = 1"),
}  # fmt: skip


def work(source: str) -> tuple[int, int]:
    """Calls made while a program is read, and the steps that it took."""
    program = parse("growing.py", source.encode())
    run = Run(registry(), Project("growing.py"))
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        execute(run, program)
    finally:
        sys.setprofile(before)
    return calls, MAX_STEPS - max(run.steps, 0)


@pytest.mark.parametrize("name", GROWTH)
def test_the_work_on_a_value_is_bounded_by_the_steps(name: str) -> None:
    first, line = GROWTH[name]
    calls, steps = work("\n".join([START + first, *[line] * LINES]))
    assert calls / (steps + 100) < CALLS_A_STEP


@pytest.mark.parametrize("name", GROWTH)
def test_a_value_that_grows_line_by_line_stays_small(name: str) -> None:
    first, line = GROWTH[name]
    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    try:
        analyse_file("growing.py", "\n".join([START + "loss = 1", first, *[line] * LINES]).encode())
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        if not tracing:
            tracemalloc.stop()
    assert peak / 1e6 < MEGABYTES


def test_what_is_trained_beside_a_value_that_grows_is_still_known() -> None:
    growing = "s = (1,)\nd = {}\n" + "s = (s, s)\nd[s] = s\nt = [*s, *s]\n" * 40
    training = (
        "(x, _), _ = keras.datasets.mnist.load_data()\n"
        "model = keras.Sequential([keras.layers.Dense(784, activation='sigmoid')])\n"
        "model.compile(loss='mse')\nmodel.fit(x, x)\n"
    )
    (setup,) = analyse_file("growing.py", (START + growing + training).encode()).setups
    assert setup.head.activation == "sigmoid"
    assert str(setup.target.values) == "[0, 255]"


HEAVY = "    return [a + b + c + d for a in range(40) for b in range(40) for c in range(40) for d in range(40)]\n"
TRAINING = (
    "def train(scale=255.0):\n    (x, _), _ = keras.datasets.mnist.load_data()\n    x = x / scale\n"
    "    model = keras.Sequential([keras.layers.Dense(784, activation='sigmoid')])\n"
    "    model.compile(loss='mse')\n    model.fit(x, x)\n"
)


@pytest.mark.parametrize(
    "heavy", ["def count():\n" + HEAVY, "class Count:\n    def count(self):\n    " + HEAVY,
              "class Count:\n    def __init__(self):\n        self.n = len(range(3))\n    " + HEAVY]
)  # fmt: skip
def test_what_nothing_calls_leaves_steps_to_what_comes_after_it(heavy: str) -> None:
    result = analyse_file("growing.py", (START + heavy + TRAINING).encode())
    assert [str(setup.target.values) for setup in result.setups] == ["[0, 1]"]
    assert not result.undecided


def test_a_training_that_is_cut_short_is_told() -> None:
    training = TRAINING.replace("    model.compile", HEAVY.replace("return", "y =") + "    model.compile")
    result = analyse_file("growing.py", (START + training + "def other():\n    print(1)\n").encode())
    assert result.setups == ()
    assert [(item.line, item.why.partition(":")[0]) for item in result.undecided] == [
        (6, "this function is longer than the static stage follows")
    ]
