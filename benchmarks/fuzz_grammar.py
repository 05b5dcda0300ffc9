"""A grammar of programs for :mod:`fuzz`: strategies of Hypothesis for sources that are nearly programs about training.

What a user writes is mixed with what nobody does: every place that holds a value may hold any expression, every block
any statement, so that layers get strings, losses get models, and loops rebind what they run over.
"""

from __future__ import annotations

import json

from hypothesis import strategies as st

NAMES = (
    "x",
    "y",
    "z",
    "model",
    "encoder",
    "loss",
    "opt",
    "data",
    "f",
    "C",
    "self",
    "i",
    "np",
    "keras",
    "torch",
    "nn",
    "F",
)
ACTIVATIONS = ("sigmoid", "softmax", "relu", "tanh", "linear", "gelu", "no_such")
LOSSES = (
    "mse",
    "mae",
    "binary_crossentropy",
    "categorical_crossentropy",
    "sparse_categorical_crossentropy",
    "kld",
    "?",
)
CALLS = (
    "np.load({0})", "np.clip({0}, {1}, {2})", "np.array({0})", "np.concatenate([{0}, {1}])",
    "np.where({0}, {1}, {2})", "np.linspace({0}, {1}, {2})", "np.random.rand({0}, {1})", "np.expand_dims({0}, {1})",
    "{0}.reshape({1})", "{0}.astype({1})", "{0}.mean({1})", "{0}[{1}]", "{0}[{1}:{2}]", "{0}[..., {1}]",
    "{0}[:, None]", "({0} - {1}) / {2}", "len({0})", "range({0})", "zip({0}, {1})", "map({0}, {1})", "sum({0})",
    "max({0}, {1})", "sorted({0})", "dict(a={0})", "list({0})", "tuple({0})", "set({0})", "str({0})", "int({0})",
    "float({0})", "getattr({0}, {1})", "open({0})", "keras.Sequential([{0}, {1}])", "keras.Model({0}, {1})",
    "keras.Input(shape={0})", "keras.layers.Dense({0}, activation={1})", "keras.layers.Dense({0})({1})",
    "keras.layers.Conv2D({0}, {1}, padding={2})", "keras.layers.Flatten()({0})", "keras.layers.Reshape({0})({1})",
    "keras.layers.Rescaling({0})", "keras.layers.Softmax(axis={0})({1})", "keras.layers.Concatenate()([{0}, {1}])",
    "keras.layers.Lambda({0})({1})", "keras.layers.TimeDistributed({0})",
    "keras.losses.BinaryCrossentropy(from_logits={0})", "keras.losses.MeanSquaredError()({0}, {1})",
    "tf.data.Dataset.from_tensor_slices({0})", "{0}.map({1}).batch({2})", "nn.Sequential({0}, {1})",
    "nn.Linear({0}, {1})", "nn.Conv2d({0}, {1}, {2})", "nn.MSELoss()({0}, {1})", "nn.BCELoss()({0}, {1})",
    "nn.CrossEntropyLoss()({0}, {1})", "F.softmax({0}, dim={1})", "F.binary_cross_entropy({0}, {1})",
    "torch.sigmoid({0})", "torch.cat([{0}, {1}], {2})", "torch.rand({0})", "{0}.view({1}, -1)", "{0}.permute({1})",
    "{0}.to({1})", "DataLoader({0}, batch_size={1})", "TensorDataset({0}, {1})", "torch.optim.Adam({0})",
    "{0}.backward()", "{0}.detach()", "{0}({1})", "{0}(*{1}, **{2})", "pd.read_csv({0})", "{0}.values",
    "{0}.iloc[:, {1}]", "MinMaxScaler().fit_transform({0})", "train_test_split({0}, {1})",
    "{0}.get_layer({1}).output", "{0}.layers[{1}]", "{0}.add({1})", "{0}.append({1})", "{0}.shape[{1}]",
)  # fmt: skip
OPERATORS = ("+", "-", "*", "/", "//", "%", "**", "@", "&", "|", "^", "<<", ">>", "<", "==", "is", "in", "and", "or")
IMPORTS = (
    "import numpy as np", "import keras", "import tensorflow as tf", "from tensorflow import keras", "import torch",
    "import torch.nn as nn", "import torch.nn.functional as F",
    "from torch.utils.data import DataLoader, TensorDataset", "import pandas as pd",
    "from sklearn.preprocessing import MinMaxScaler", "from keras.layers import *", "import x.y as z",
    "from . import helper", "from sklearn.model_selection import train_test_split",
)  # fmt: skip

atoms = st.one_of(
    st.sampled_from(NAMES),
    st.integers(-3, 300).map(str),
    st.sampled_from(
        ("0", "1", "255.0", "127.5", "1e400", "10**10**8", "-1", "None", "True", "...", "1j", "1 << 10**9")
    ),
    st.sampled_from((*ACTIVATIONS, *LOSSES)).map(repr),
    st.text(max_size=6).map(repr),
    st.sampled_from(("(28, 28, 1)", "(-1, 784)", "[]", "{}", "()", "'float32'", "b'x'", "f'{x!r:>{y}}'")),
)


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    three = st.tuples(inner, inner, inner)
    return st.one_of(
        st.builds(lambda form, parts: form.format(*parts), st.sampled_from(CALLS), three),
        st.builds(lambda a, op, b: f"({a} {op} {b})", inner, st.sampled_from(OPERATORS), inner),
        st.builds(lambda a, b, c: f"({a} if {b} else {c})", inner, inner, inner),
        st.builds(lambda name, a: f"(lambda {name}: {a})", st.sampled_from(NAMES[:5]), inner),
        st.builds(
            lambda a, name, b, c: f"[{a} for {name} in {b} if {c}]", inner, st.sampled_from(NAMES[:5]), inner, inner
        ),
        st.builds(lambda a, b: f"{{{a}: {b}, **{{}}}}", inner, inner),
        st.builds(lambda name, a: f"({name} := {a})", st.sampled_from(NAMES[:5]), inner),
        st.builds(lambda op, a: f"({op}{a})", st.sampled_from(("-", "not ", "~", "*")), inner),
        st.lists(inner, max_size=4).map(lambda parts: f"[{', '.join(parts)}]"),
    )


expressions = st.recursive(atoms, _larger, max_leaves=8)
targets = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from(
        ("x, y", "(x, y), (z, _)", "x[0]", "x[:, 1]", "self.a", "model.loss", "x, *y", "C.forward", "[x, y]")
    ),
)


def _indented(block: list[str]) -> str:
    return "\n".join("    " + line for text in block or ["pass"] for line in text.split("\n"))


def _compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    block = st.lists(inner, min_size=1, max_size=4).map(_indented)
    name = st.sampled_from(NAMES)
    base = st.sampled_from(("", "(nn.Module)", "(keras.Model)", "(keras.layers.Layer)", "(C)", "(x, y)", "(*z)"))
    return st.one_of(
        st.builds(lambda a, b, c: f"if {a}:\n{b}\nelse:\n{c}", expressions, block, block),
        st.builds(lambda a, b, c: f"for {a} in {b}:\n{c}", targets, expressions, block),
        st.builds(lambda a, b: f"while {a}:\n{b}", expressions, block),
        st.builds(lambda a, b, c: f"def {a}(self, x=1, *y, z={b}, **i):\n{c}", name, expressions, block),
        st.builds(lambda a, b, c: f"class {a}{b}:\n{c}", name, base, block),
        st.builds(lambda a, b: f"try:\n{a}\nexcept {b} as i:\n{a}\nfinally:\n{a}", block, expressions),
        st.builds(lambda a, b: f"with {a} as x:\n{b}", expressions, block),
        st.builds(
            lambda a, b: f"match {a}:\n    case [x, *y]:\n{_indented([b])}\n    case _:\n        pass",
            expressions,
            block,
        ),
        st.builds(lambda a, b: f"async def {a}():\n{b}", name, block),
        st.builds(lambda a, b, c: f"@{a}\ndef {b}(x):\n{c}", expressions, name, block),
    )


simple = st.one_of(
    st.builds(lambda a, b: f"{a} = {b}", targets, expressions),
    st.builds(lambda a, op, b: f"{a} {op}= {b}", st.sampled_from(NAMES), st.sampled_from(OPERATORS[:13]), expressions),
    expressions,
    st.sampled_from(IMPORTS),
    st.builds(lambda a, b: f"model.compile(optimizer={a}, loss={b})", expressions, expressions),
    st.builds(lambda a, b, c: f"model.fit({a}, {b}, epochs={c})", expressions, expressions, expressions),
    st.builds(lambda a: f"return {a}", expressions),
    st.builds(lambda a: f"yield {a}", expressions),
    st.builds(lambda a: f"super().__init__(); self.a = {a}", expressions),
    st.sampled_from(
        ("del x", "global x", "nonlocal x", "break", "continue", "pass", "loss.backward(); opt.step()", "raise")
    ),
)
statements = st.recursive(simple, _compound, max_leaves=10)
programs = st.lists(statements, min_size=1, max_size=14).map(
    lambda body: "\n".join(
        [*IMPORTS[:8], "model = keras.Sequential([keras.layers.Dense(9)])", *body, "model.fit(x, x)", ""]
    )
)
"""whole programs, as text"""


def _notebook(cells: list[tuple[str, str]]) -> str:
    return json.dumps(
        {
            "cells": [
                {"cell_type": kind, "source": text.splitlines(keepends=True), "outputs": [], "metadata": {}}
                for kind, text in cells
            ],
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {},
        }
    )


cells = st.one_of(programs, simple, st.sampled_from(("%matplotlib inline", "!pip install x", "%%bash\nls", "x?", "")))
notebooks = st.lists(st.tuples(st.sampled_from(("code", "code", "markdown", "raw")), cells), max_size=4).map(_notebook)
"""whole notebooks, as text"""
