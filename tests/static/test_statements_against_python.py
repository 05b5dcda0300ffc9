"""What reading claims after statements that write, delete, choose and repeat, against what Python makes of them."""

from __future__ import annotations

import textwrap

import numpy as np
import pytest

from ae_audit.schema.training_setup import Relation
from ae_audit.static import analyse_file

START = """
import numpy as np
import keras
(x, labels), _ = keras.datasets.mnist.load_data()
g = np.random.rand(6, 8, 8)
"""
TRAINED = """
model = keras.Sequential([keras.layers.Dense(3)])
model.compile("adam", "mse")
model.fit(g, made)
"""
PROGRAMS = {
    "bytes written into floating zeros": """
        made = np.zeros((6, 28, 28))
        for i in range(6):
            made[i] = x[i]
        made = made - 128
        """,
    "bytes written into floats left empty": """
        made = np.empty((6, 28, 28))
        made[:] = x
        made = made - 1
        """,
    "floats written into bytes": """
        made = np.zeros_like(x)
        made[:] = x / 255.0
        """,
    "all of an array written": """
        made = x.astype("float32")
        made[:] = made / 255.0
        """,
    "all of an array written, with an ellipsis": """
        made = x.astype("float32")
        made[...] = made / 255.0
        """,
    "all of an array written, axis by axis": """
        made = x.astype("float32")
        made[:, :] = made / 255.0
        """,
    "a constant written everywhere": """
        made = np.zeros(20)
        made[:] = 0.9
        """,
    "a constant written into half": """
        made = np.zeros(20)
        made[:10] = 1
        """,
    "an image on a canvas": """
        made = np.full((6, 20, 20), 5.0)
        made[:, :8, :8] = g
        """,
    "an element deleted": """
        parts = [g, g * 5]
        del parts[-1]
        made = np.concatenate(parts)
        """,
    "elements deleted": """
        parts = [g, g * 5, g * 7]
        del parts[1:]
        made = np.concatenate(parts)
        """,
    "an entry deleted": """
        parts = {"a": g, "b": g * 5}
        del parts["b"]
        made = np.concatenate(list(parts.values()))
        """,
    "an entry taken out": """
        parts = {"a": 5, "b": 2}
        parts.pop("a")
        made = g * sum(parts.values())
        """,
    "a default that stays": """
        parts = {}
        parts.setdefault("a", 3)
        made = g * parts["a"]
        """,
    "some elements replaced": """
        parts = [g * 9, g * 5, g * 7]
        parts[1:] = [g]
        made = np.concatenate(parts)
        """,
    "an element removed": """
        parts = [1, 300, 2]
        parts.remove(300)
        made = np.array(parts)
        """,
    "a list sorted": """
        parts = [3, 1, 2]
        parts.sort()
        made = g * parts[0]
        """,
    "a list sorted backwards": "made = g * sorted([1, 2, 3], reverse=True)[0]",
    "a list sorted by a key": "made = g * sorted([1, 2, 3], key=lambda v: -v)[0]",
    "the greatest by a key": "made = g * max([1, 2, 3], key=lambda v: -v)",
    "elements filtered": "made = g * list(filter(lambda v: v > 1, [1, 2]))[0]",
    "a long list after an empty one": "made = np.array([] + [" + "0, " * 1100 + "7])",
    "a long list after a short one": "made = np.array([5] + [" + "0, " * 1100 + "7])",
    "what is left by a star": """
        def last(*given):
            first, *middle, end = given
            return end
        made = last(g, g, g * 3)
        """,
    "an object that keeps twice what it is given": """
        class Store:
            def __init__(self):
                self.kept = {}
            def __setitem__(self, key, value):
                self.kept[key] = value * 2
        store = Store()
        store["a"] = 3
        made = g * store.kept["a"]
        """,
    "an array unpacked": """
        made, other = np.stack([g, 1 - g])
        g = other
        """,
    "a generator that yields twice": """
        def parts():
            yield g
            yield g * 5
        made = np.concatenate(list(parts()))
        """,
    "the second of a generator": """
        def parts():
            yield g
            yield g * 5
        left = parts()
        next(left)
        made = next(left)
        """,
    "a property set in a class below": """
        class Above:
            @property
            def factor(self):
                return self._factor
            @factor.setter
            def factor(self, value):
                self._factor = 2 * value
        class Below(Above):
            pass
        below = Below()
        below.factor = 3
        made = g * below.factor
        """,
    "a class changed by its decorators": """
        def offset(by):
            def changed(cls):
                cls.by = by
                return cls
            return changed
        def doubled(cls):
            cls.factor = 2
            return cls
        @offset(3)
        @doubled
        class Scale:
            factor, by = 255, 255
        made = g * Scale.factor + Scale.by
        """,
    "truth values inverted": """
        above = g > 2
        made = g if (~above).any() else g * 255
        """,
    "bytes inverted": "made = (~x) / 255.0",
    "any along an axis": "made = (x > 1).any(axis=1) * 1.0",
    "any along an axis, as a function": "made = np.any(x > 1, axis=1) * 1.0",
    "the greatest along an axis": """
        made = g - 0.5
        made = made / made.max(axis=0)
        """,
    "the greatest of what is negative": """
        made = g - 5
        made = made / made.max()
        """,
    "data changed in every turn": """
        made = g
        for _ in range(100):
            made = made + 1
        """,
    "data changed in every turn until a test": """
        made, turns = g, 0
        while turns < 50:
            made += 1
            turns += 1
        """,
    "data added up": """
        made = np.zeros((28, 28))
        for image in x:
            made += image
        made /= 10
        """,
    "a list of unknown length": """
        parts = []
        for i in range(100):
            parts.append(x[i % 6] / 255.0)
        made = np.array(parts)
        """,
    "parts on different scales": "made = np.concatenate([g, g * 3])",
    "either of two values": """
        match "b":
            case "c" | "d":
                made = g * 255
            case "a" | "b":
                made = g
        """,
    "a guarded case": """
        match 3:
            case n if n > 5:
                made = g * 255
            case _:
                made = g
        """,
    "the case of None": """
        match None:
            case True:
                made = g * 255
            case None:
                made = g
        """,
    "a case of two parts": """
        match (1, 2):
            case [one]:
                made = g * 255
            case [one, two]:
                made = g * two
        """,
    "a case with a star": """
        match [1, 2, 3]:
            case [one, two]:
                made = g * 255
            case [one, *others]:
                made = g * others[1]
        """,
    "a case of a class": """
        class Scale:
            def __init__(self, by):
                self.by = by
        match Scale(3):
            case str():
                made = g * 255
            case Scale(by=4):
                made = g * 200
            case Scale(by=factor):
                made = g * factor
        """,
    "a case of a type": """
        match 3:
            case str():
                made = g * 255
            case int(factor):
                made = g * factor
        """,
    "a case of a dictionary": """
        match {"a": 1, "b": 3}:
            case {"a": 2}:
                made = g * 255
            case {"a": 1, **others}:
                made = g * others["b"]
        """,
    "a named case": """
        match "x":
            case "y" as found:
                made = g * 255
            case _ as found:
                made = g
        """,
    "no case": """
        made = g
        match 5:
            case 4:
                made = g * 255
        """,
    "a function that changes its argument": """
        def scale(images):
            images /= 255.0
        made = x.astype("float32")
        scale(made)
        """,
    "a function that writes into its argument": """
        def scale(images):
            images[:] = images / 255.0
        made = x.astype("float32")
        scale(made)
        """,
    "a function that has numpy write into its argument": """
        def scale(images, by):
            np.divide(images, by, out=images)
        made = x.astype("float32")
        scale(made, by=255.0)
        """,
    "a function that binds its parameter anew": """
        def scale(images):
            images = images / 255.0
            images -= 3
        made = x.astype("float32")
        scale(made)
        """,
    "a function that changes its argument for a function": """
        def scale(images):
            images /= 255.0
        def prepared(images):
            scale(images)
        made = x.astype("float32")
        prepared(made)
        """,
    "a method that changes what its object holds": """
        class Data:
            def __init__(self, images):
                self.images = images
                self.scale(self.images)
            def scale(self, images):
                images /= 255.0
        data = Data(x.astype("float32"))
        made = data.images
        """,
    "a second name of what is changed": """
        made = x.astype("float32")
        other = made
        other /= 255.0
        """,
    "a copy of what is changed": """
        made = x.astype("float32")
        other, another, third = made.copy(), np.array(made), made.astype("float32")
        other /= 255.0
        another /= 510.0
        third -= 3
        """,
    "arrays changed in turn": """
        made, other = x.astype("float32"), g * 200
        for each in (made, other):
            each /= 255.0
        """,
    "a greatest value among values of both signs": """
        made = x.astype("float32") / 100 - 1
        made = made / made.max()
        """,
    "a number is no array": """
        top = x.max()
        other = top
        other = other - 100
        made = x / top
        """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_claims_hold_after_statements(name: str) -> None:
    program = textwrap.dedent(PROGRAMS[name])
    result = analyse_file("program.py", f"{START}{program}{TRAINED}".encode())
    assert not [item for item in result.undecided if "please report it" in item.why]
    (setup,) = result.setups
    claimed = setup.target
    draw = np.random.default_rng(0)
    bytes_ = draw.integers(0, 256, (6, 28, 28)).astype("uint8")
    names = {"np": np, "x": bytes_, "labels": draw.integers(0, 10, 6), "g": draw.random((6, 8, 8))}
    exec(program, names)
    made = np.asarray(names["made"])
    assert claimed.wrapped is None
    assert claimed.dtype is None or (claimed.dtype == "uint8") == (made.dtype == np.uint8)
    if claimed.shape is not None:
        assert len(claimed.shape) == made.ndim
        assert all(known in {None, real, 60_000} for known, real in zip(claimed.shape, made.shape, strict=True))
    low, high = float(made.min()), float(made.max())
    assert claimed.values.hull.lo - 0.01 <= low
    assert high <= claimed.values.hull.hi + 0.01
    reach = claimed.values.reach
    assert reach is None or (low - 0.1 <= reach.lo and reach.hi <= high + 0.1)
    if setup.relation is Relation.SAME:
        assert made.shape != names["g"].shape or np.array_equal(made, names["g"])
