"""Source that loops, nests, grows or lies: always an answer, soon, and never an exception."""

from __future__ import annotations

import time

import pytest

from ae_audit.base.progress import Progress
from ae_audit.engine.assembly import assemble
from ae_audit.engine.discovery import AuditTarget
from ae_audit.engine.static_stage import audit_statically
from ae_audit.settings.options import Settings
from ae_audit.source.text import Sources
from ae_audit.static import StaticResult, analyse_file

START = b"import keras\nloss = 1\n"
HOSTILE = {
    "deep parentheses": b"x=" + b"(" * 3000 + b"1" + b")" * 3000,
    "long sum": b"x=" + b"+".join([b"1"] * 20_000),
    "long chain": b"x=a" + b".b" * 5000,
    "huge numbers": b"x=" + b"9" * 5000 + b"\ny=10**10**10\nz='a'*10**12\nw=[1]*10**9\nv=1<<10**9\n",
    "null bytes": b"x=1\x00\ny=2",
    "recursion": b"def f(x): return f(x) + f(x)\nf(1)\nclass A:\n  def __init__(self): self.a = A()\nA()\n",
    "mutual recursion": b"def f(x): return g(x) * g(x)\ndef g(x): return f(x) * f(x)\nf(1)\n",
    "endless loop": b"while True:\n  while True:\n    x = 1\n",
    "comprehensions": b"x=[1 for a in range(60) for b in range(60) for c in range(60) for d in range(60)]\n",
    "list in itself": b"l=[]\nl.append(l)\nm=keras.Sequential(l)\nm.add(m)\nm.compile(loss='mse')\nm.fit(l, l)\n",
    "doubling list": b"l=[1]\n" + b"l=l+l\n" * 60 + b"for a in l: l.append(a)\n",
    "doubling text": b"s='a'\n" + b"s=s+s\n" * 100,
    "binary": b"import keras loss \xff\xfe\x00\x01" * 100,
    "inherits itself": b"class A(A): pass\nA()\nclass C: pass\nC.__bases__ = (C,)\n",
    "property of itself": b"class A:\n  @property\n  def x(self): return self.x\nA().x\n",
    "yields itself": b"class A:\n  def __iter__(self): return self\n  def __getitem__(self, i): return self\n"
    b"for x in A(): pass\na, b = A()\n",
    "fixed point": b"Y=lambda f:(lambda x:f(lambda v:x(x)(v)))(lambda x:f(lambda v:x(x)(v)))\n"
    b"Y(lambda s:lambda n:s(n))(3)\n",
    "many branches": b"def f(a):\n" + b"".join(b"  if a == %d: x = %d\n" % (i, i) for i in range(300))
    + b"  m = keras.Sequential([keras.layers.Dense(3)]); m.compile(loss='mse'); m.fit(a, a)\n",
    "models in models": b"m=keras.Sequential([keras.layers.Dense(1)])\n" + b"m=keras.Sequential([m, m])\n" * 30
    + b"m.compile(loss='mse'); m.fit(x, x)\n",
    "numbers that are none": b"import numpy as np\nimport torch\nfrom torch import nn\n"
    b"x = np.zeros((-1, 784))[1:5]\n"
    b"import tensorflow as tf\nr = tf.random.uniform((8, 1e400))\n"
    b"y = np.zeros((8, 784)).reshape(8, 1e400)\nz = np.zeros(8)[::0]\nt = torch.rand(8, 1, 28, 28)\n"
    b"net = nn.Sequential(nn.LeakyReLU(1e400), nn.Upsample(scale_factor='x'), nn.Flatten(), nn.Linear(784, 0),"
    b" nn.Unflatten(1, (1, b'x', 28)), nn.LogSoftmax(1), nn.Sigmoid())\n"
    b"loss = nn.BCELoss()(net(t), torch.ones_like(t))\nloss.backward()\n",
    "a model in itself": b"m=keras.models.Sequential()\nn=keras.models.Sequential([m])\nm.add(n)\n"
    b"m.compile(loss='mse')\n"
    b"m.fit(x, x)\nn.add(n)\nn.compile(loss='mse')\nn.fit(x, x)\n",
    "an empty range of integers": b"import torch\nx = torch.randint(0, 0.2, (128,))\nloss.backward()\n",
    "a range without end": b"import torch\ny = torch.arange(10**40)\n"
    b"for i in range(0, 800000000000000000000000000000000, 50):\n  x = i\n",
    "an infinite size": b"import numpy as np\nx = np.random.rand(125, 1e400)\ny = np.zeros((1e400, 2))\n"
    b"z = np.random.normal(size=(3, float('nan')))\n",
    "extents that are none": b"import torch\nfrom torch import nn\nx = torch.rand(8, 3, 9, 9)\n"
    b"net = nn.Sequential(nn.Conv2d(3, 16, 5, padding=0.5, stride='a'), nn.MaxPool2d((2, 'x')), nn.Flatten(nn))\n"
    b"loss = nn.MSELoss()(net(x), x)\nloss.backward()\n",
    "not numbers": b"import numpy as np\nx=np.load('a')*float('inf')/float('nan')\ny=np.clip(x, float('nan'), 3)\n"
    b"w=np.linspace(float('nan'), 1)\nx=x*1e308*1e308-1e308*1e308\n",
    "wrong arguments": b"from keras.layers import *\nm=keras.Sequential([Dense(-1, activation=5),"
    b" Conv2D('a', 'b', strides=0),"
    b" Reshape((-1, -1)), Dense(1e400), UpSampling2D(0), MaxPooling2D(0), Permute((9, 9)),"
    b" Softmax(axis='x'), Lambda(3),"
    b" Rescaling('a'), TimeDistributed(3), Activation(None), Concatenate(), Embedding()])\n"
    b"m.compile(loss=['a', 3], metrics=5)\nm.fit(1, 2, validation_data=3)\n"
    b"m.fit()\nm()\nkeras.Model()\nkeras.losses.mse()\n",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_source_is_answered_soon(name: str) -> None:
    begun = time.process_time()
    result = analyse_file("hostile.py", START + HOSTILE[name])
    assert time.process_time() - begun < 5.0
    assert result.relevant
    assert not [item for item in result.undecided if "please report it" in item.why]


@pytest.mark.parametrize(
    "source", [b"\xff\xfe\x00keras loss", b"{}", b'{"cells": 3}', b'{"cells": [7, {"cell_type": "code"}]}', b"[" * 5000]
)
def test_hostile_notebooks(source: bytes) -> None:
    result = analyse_file("hostile.ipynb", source + b" ")
    assert result.setups == ()


NO_RANGE = """
import cv2, keras, numpy as np, tensorflow as tf, torch
from sklearn.preprocessing import MinMaxScaler
from torchvision import datasets, transforms as T
inf, nan, huge = float("inf"), float("nan"), 10**400
x, t = np.random.uniform(0.1, inf, 3), torch.empty(3).uniform_(0.1, inf)
k = tf.random.uniform((3, 1), 0.1, 1e309)
a = tf.random.uniform((3, 1), -1e308, 1e308), np.random.default_rng(0).uniform(-1e308, 1e308, 4), np.full(3, nan)
a = torch.rand(3) * nan + inf, torch.full((3,), nan), np.linspace(0, inf, 3), np.arange(0, nan), torch.arange(0, inf)
a = np.random.normal(inf, inf, 3), tf.random.normal((3,), inf, inf), torch.normal(inf, inf, (3,)), torch.rand(3) * inf
a = np.random.normal(nan, 1, 3), np.random.normal(1e308, 1e308, 3), torch.randint(0, huge, (3,))
a = np.clip(x, nan, nan), torch.clamp(t, inf, -inf), tf.clip_by_value(k, inf, -inf), np.array([nan, inf, -inf]).mean()
a = np.array([inf]) - np.array([inf]), np.array([0.0]) * inf, (x - inf) / inf, x**inf, x % inf, x // 0, np.exp(x)
a = keras.layers.Rescaling(inf, nan)(k), keras.layers.Rescaling(0.0, inf)(k), keras.layers.GaussianNoise(inf)(k)
a = keras.layers.Normalization(mean=inf, variance=inf)(k), keras.layers.RandomBrightness(inf, (nan, inf))(k)
a = MinMaxScaler((nan, inf)).fit_transform(x), MinMaxScaler((0, huge)).fit_transform(x)
a = MinMaxScaler("ab").fit_transform(x), MinMaxScaler((0, inf)).fit_transform(x)
a = cv2.normalize(x, None, nan, inf, cv2.NORM_MINMAX), T.Normalize((nan,), (inf,))(t), T.Normalize((inf,), (0.0,))(t)
a = T.RandomErasing(value=nan)(t), T.RandomErasing(value=huge)(t), T.Pad(2, nan)(t), t.masked_fill(t > 0, nan)
a = np.zeros((10**30, 4))[:, 1:], np.stack([np.zeros((10**30, 4)) for _ in range(9)])[:, 5:]
a = len(range(huge)), [i for i in range(huge)], x[huge:]
b = np.random.default_rng(0).integers(0, 256, (9, 1e308, 4, 3)).astype("uint8"), torch.zeros(huge, 3).view(-1)[1:]
a = torch.nn.Hardtanh(inf, -inf)(t), torch.nn.ELU(nan)(t), torch.nn.Threshold(nan, inf)(t), keras.layers.ReLU(nan)(k)
steps = T.Compose([T.ToTensor(), T.Normalize(0.5, 1e-320)])
for image, _ in torch.utils.data.DataLoader(datasets.MNIST(".", transform=steps)):
    net = torch.nn.Linear(784, 784)
    torch.nn.MSELoss()(net(image), image).backward()
    torch.optim.Adam(net.parameters()).step()
model = keras.Sequential([keras.layers.Dense(huge)])
model.compile(loss="mse")
model.fit(b[0], b[0])
"""


def test_numbers_without_a_range_are_followed_and_judged() -> None:
    """Infinite, not a number, or past any float: a range of them is none, which an interval would refuse."""
    sources = Sources({"numbers.py": NO_RANGE.encode()})
    report = assemble([*audit_statically([AuditTarget("numbers.py")], Settings(static=True), Progress(), sources)])
    assert len(report.setups) == 2
    assert not report.errors
    assert not [item for item in report.undecided if "please report it" in item.why]


PROGRAM = """
import numpy as np
import keras

(x, _), _ = keras.datasets.mnist.load_data()
x = x.reshape(-1, 784)
{line}
model = keras.Sequential([keras.layers.Dense(784, activation="sigmoid")])
{more}
model.compile(loss="mse")
model.fit(x, x)
"""


def trained(line: str = "", more: str = "") -> StaticResult:
    return analyse_file("long.py", PROGRAM.format(line=line, more=more).encode())


@pytest.mark.parametrize("line", ["x = x / 255." + " + 0" * 2500, "x = (x / 255.)" + ".copy()" * 1200])
def test_what_is_longer_than_python_recurses_is_followed_to_its_end(line: str) -> None:
    result = trained(line)
    assert [str(setup.target.values) for setup in result.setups] == ["[0, 1]"]
    assert result.undecided == result.errors == ()


def test_the_last_of_many_layers_is_the_head() -> None:
    (setup,) = trained(more="model.add(keras.layers.Dense(9))\n" * 500 + "model.add(keras.layers.Softmax())").setups
    assert setup.head.activation == "softmax"


@pytest.mark.parametrize(("end", "values"), [("", "[0, 200]"), ("\ny += [7] * 40 + [210] * 2", "[0, 210]")])
def test_the_last_of_many_numbers_counts(end: str, values: str) -> None:
    many = "y = [" + "0, " * 1020 + f"200]{end}\nx = np.array(y)"
    (setup,) = trained(many).setups
    assert str(setup.target.values) == values


@pytest.mark.parametrize(
    "line",
    ["x = " + "-" * 1800 + "x", "x = x.clip(0, " + "-" * 1800 + "1)", "x.clip(0, " + "-" * 1800 + "1, out=x)"],
    ids=["assigned", "argument", "in place"],
)
def test_what_a_line_too_deep_has_changed_is_unknown_and_said_to_be(line: str) -> None:
    result = trained(line)
    assert [setup.target.values.unknown for setup in result.setups] == [True]
    assert ("this line is nested too deeply to be followed", 7) in [(item.why, item.line) for item in result.undecided]


def test_a_model_that_a_line_too_deep_has_changed_is_unknown() -> None:
    result = trained(more="model.add(keras.layers.Dense(" + "-" * 1800 + "9))")
    assert [setup.head.activation for setup in result.setups] in ([], [None])


DEEP = "-" * 1800 + "1"


@pytest.mark.parametrize(
    "line",
    [f"def other(a={DEEP}):\n    x = a", f"class Other:\n    x = {DEEP}", f"other({DEEP})", f"y[0] = {DEEP}"],
    ids=["function", "class", "call", "element"],
)
def test_what_a_line_too_deep_has_not_changed_stays_known(line: str) -> None:
    (setup,) = trained(f"def other(a):\n    pass\ny = [1]\n{line}").setups
    assert str(setup.target.values) == "[0, 255]"


@pytest.mark.parametrize(
    "line",
    [f"box.x[0][1] = {DEEP}", f"box.x = {DEEP}", f"box.x.update({DEEP})"],
    ids=["element of an attribute", "attribute", "method of an attribute"],
)
def test_an_attribute_that_a_line_too_deep_has_changed_is_unknown(line: str) -> None:
    source = f"class Box: pass\nbox = Box()\nbox.x, box.y = x, x\n{line}\nx = box.x if 'x' in changed else box.y"
    assert trained(source.replace("'x' in changed", "True")).setups[0].target.values.unknown
    assert not trained(source.replace("'x' in changed", "False")).setups[0].target.values.unknown
