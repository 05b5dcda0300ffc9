"""Successors of our own do what the functions did that they stand in for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ae_audit.runtime.compat.methods import OldAttributes
from ae_audit.runtime.compat.numpy import in1d
from ae_audit.runtime.compat.python import getargspec
from ae_audit.runtime.compat.scientific import imresize, toimage
from ae_audit.runtime.compat.uses import Uses


def test_getargspec_gives_the_four_things_that_programs_unpack() -> None:
    def fit(self, x, batch=32, *rest, **more):  # type: ignore[no-untyped-def]
        pass

    args, varargs, keywords, defaults = getargspec(fit)
    assert (args, varargs, keywords, defaults) == (["self", "x", "batch"], "rest", "more", (32,))

    def fit_today(x, *, batch=32):  # type: ignore[no-untyped-def]
        pass

    with pytest.raises(ValueError, match="keyword-only"):
        getargspec(fit_today)


def test_in1d_is_of_one_axis() -> None:
    assert in1d(np.arange(6).reshape(2, 3), [1, 4], invert=True).tolist() == [True, False, True, True, False, True]


def test_a_picture_is_stretched_to_the_bytes_that_are_given() -> None:
    pytest.importorskip("PIL")
    ramp = np.array([[0.0, 0.5, 1.0]])
    assert np.asarray(toimage(ramp)).tolist() == [[0, 128, 255]]
    assert np.asarray(toimage(ramp, high=128, low=64, cmin=0.5, cmax=1.5)).tolist() == [[64, 64, 96]]
    channels_first = np.zeros((3, 2, 5), np.uint8)
    assert toimage(channels_first).size == (5, 2)
    assert toimage(channels_first, cmin=0.0, cmax=1.0, mode="YCbCr", channel_axis=0).mode == "YCbCr"
    assert np.asarray(toimage(ramp, pal=np.full((256, 3), 7)).convert("RGB")).max() == 7
    with pytest.raises(ValueError, match="no picture"):
        toimage(channels_first, mode="L")


def test_a_picture_of_floats_keeps_its_values_when_it_is_resized() -> None:
    pytest.importorskip("PIL")
    assert imresize(np.full((4, 4), -0.25), 0.5, mode="F").tolist() == [[-0.25, -0.25], [-0.25, -0.25]]
    assert imresize(np.array([[0.0, 1.0]] * 2), (2, 2)).tolist() == [[0, 255], [0, 255]]


def test_an_old_attribute_is_there_for_who_writes_its_name(tmp_path: Path) -> None:
    class Basket:
        prices = (1, 2)
        kept = "as it is"

    uses = Uses(tmp_path / "program.py")
    old = OldAttributes(uses, "shop", {"shop"})
    old.method(Basket, "total", lambda self, tip=0: sum(self.prices) + tip, "sum(prices)")
    old.attribute(Basket, "count", lambda self: len(self.prices), "len(prices)")
    old.attribute(Basket, "kept", lambda self: "changed", "")
    basket = Basket()
    assert not hasattr(basket, "total")
    assert getattr(basket, "count", None) is None
    assert uses.notes == ()
    assert basket.total(tip=4) == 7  # type: ignore[attr-defined]
    assert basket.count == 2  # type: ignore[attr-defined]
    assert basket.kept == "as it is"
    assert uses.notes == (
        "Basket.total is gone from shop; sum(prices) stood in for it",
        "Basket.count is gone from shop; len(prices) stood in for it",
    )


def test_the_digits_of_the_tutorials(monkeypatch: pytest.MonkeyPatch) -> None:
    keras = pytest.importorskip("keras")
    from ae_audit.runtime.compat import tensorflow_tutorials

    images, labels = np.full((20, 28, 28), 255, np.uint8), np.arange(20) % 10
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: ((images, labels), (images[:5], labels[:5])))
    digits = tensorflow_tutorials.input_data.read_data_sets("MNIST_data", one_hot=True, validation_size=4)
    assert [part.num_examples for part in (digits.train, digits.validation, digits.test)] == [16, 4, 5]
    x, y = digits.train.next_batch(10)
    assert (x.shape, x.dtype, x.max(), y.shape) == ((10, 784), np.float32, 1.0, (10, 10))
    assert digits.train.epochs_completed == 0
    digits.train.next_batch(10)
    assert digits.train.epochs_completed == 1
