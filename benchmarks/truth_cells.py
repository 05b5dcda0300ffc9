"""The cells of the truth table: data, output layers and losses, and what is defined before anything is fitted.

Everything here needs NumPy and scikit-learn's digits alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

FITTED = 1500
"""of the 1,797 digits of 8 x 8 pixels that come with scikit-learn; the others are for the score"""
CODE, STEPS, BATCH, RATE, SEED = 32, 250, 100, 5e-3, 0
LONG = 2000
"""steps after which a pairing that is behind is looked at again, beside the right pairings: it may only be slow"""
MARGIN = 0.10
"""A pairing works where its R² on held-out digits is at most this much below the best right pairing's on the same data:
the margin by which the probe confirms a finding (``ae_audit.probe.verdicts.CONFIRM_MARGIN``)."""

BACKENDS = ("torch", "keras-tensorflow", "keras-torch", "keras-jax")
HEADS = (
    *("linear", "relu", "softplus", "sigmoid", "hard_sigmoid", "tanh", "(tanh + 1) / 2", "255 sigmoid"),
    *("softmax", "log_softmax"),
)
LOSSES = ("mse", "mae", "msle", "mape", "poisson", "bce", "bce on logits", "cce", "cce on logits", "kl")
KERAS_LOSSES = (*LOSSES, "cosine", "hinge")
TORCH_LOSSES = (
    *(loss for loss in LOSSES if loss != "msle"),
    *("cosine", "poisson on log-rates", "soft margin"),
)
"""torch's own where it has one (its KL divergence takes log-probabilities); ``mape``, ``cce`` and ``cosine`` are
spelled out"""
INDEX_LOSSES = {
    "torch": ("cce on logits", "nll"),
    "keras": ("cce", "cce on logits"),
}
"""of class indices; the losses above compare arrays of one shape"""


@dataclass(frozen=True)
class Data:
    """What a model of the table is trained on."""

    name: str
    about: str
    x: Array
    y: Array
    units: int
    right: tuple[tuple[str, str], ...]
    """pairings of head and loss that are right by the textbook; the best of them is the yardstick"""
    labels: bool = False

    @property
    def reconstruction(self) -> bool:
        return not self.labels


@cache
def data_sets() -> dict[str, Data]:
    """The nine kinds of data, by name."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    grey = np.asarray(digits.data / 16.0, np.float32)
    black = np.asarray(grey > 0.5, np.float32)
    labels = digits.target.astype(np.int64)
    shares = grey / grey.sum(axis=1, keepdims=True)
    standard = (grey - grey[:FITTED].mean()) / grey[:FITTED].std()
    bce, softmax = (("sigmoid", "bce"), ("linear", "bce on logits")), (("softmax", "cce"), ("linear", "cce on logits"))
    grey_right = (*bce, ("sigmoid", "mse"), ("linear", "mse"))

    def same(name: str, about: str, values: Array, *right: tuple[str, str]) -> Data:
        return Data(name, about, values, values, 64, right)

    sets = (
        same("[0, 1]", "grey pixels", grey, *grey_right),
        same("{0, 1}", "pixels above one half", black, *grey_right),
        same("[0, 255]", "raw pixels", grey * 255.0, ("linear", "mse"), ("relu", "mse"), ("255 sigmoid", "mse")),
        same("[-1, 1]", "grey pixels, (x - 0.5) / 0.5", grey * 2.0 - 1.0, ("tanh", "mse"), ("linear", "mse")),
        same("standardised", "zero mean and unit variance over all pixels", standard, ("linear", "mse")),
        same("shares", "pixels divided by their sum", shares, *softmax, ("softmax", "kl")),
        Data("one-hot", "the ten classes, one-hot", grey, np.eye(10, dtype=np.float32)[labels], 10, softmax, True),
        Data("class index", "the ten classes, as an index", grey, labels, 10, softmax, True),
        Data(
            *("one label", "5 to 9 or not, one output unit", grey, (labels > 4).astype(np.float32)[:, None], 1, bce),
            labels=True,
        ),
    )
    return {data.name: data for data in sets}


def losses_of(backend: str, data: Data) -> tuple[str, ...]:
    """The losses that the backend's framework has for these targets."""
    framework = "torch" if backend == "torch" else "keras"
    if data.y.ndim == 1:
        return INDEX_LOSSES[framework]
    every = TORCH_LOSSES if framework == "torch" else KERAS_LOSSES
    # torch's cosine over one unit, and Keras's, is the sign: nothing to fit
    return tuple(loss for loss in every if not (data.units == 1 and loss == "cosine"))


def cells(backend: str, data: Data) -> list[tuple[str, str]]:
    """Head and loss of every cell."""
    return [(head, loss) for head in HEADS for loss in losses_of(backend, data)]


def readings(head: str, loss: str, output: Array) -> list[Array]:
    """The output as predictions of the target: as it is, and through the loss's link where it has one.

    A head under a loss on logits may be read either way; the better counts, so that no pairing fails for the reading.
    """
    x = np.asarray(output, np.float64)
    found = [x]
    with np.errstate(over="ignore", invalid="ignore"):
        if loss == "bce on logits":
            found.append(1.0 / (1.0 + np.exp(-x)))
        elif loss == "cce on logits":
            weights = np.exp(x - x.max(axis=1, keepdims=True))
            found.append(weights / weights.sum(axis=1, keepdims=True))
        elif loss in {"poisson on log-rates", "nll"} or (loss == "kl" and head == "log_softmax"):
            found.append(np.exp(x))
        elif loss in {"hinge", "soft margin"}:  # of {0, 1}, which Keras takes for {-1, 1}
            found += [np.sign(x), (np.sign(x) + 1.0) / 2.0]
    return found


def r2(head: str, loss: str, output: Array, targets: Array) -> float:
    """Share of the variance around the mean target that the predictions explain; −inf where they are not finite."""
    x = np.asarray(output, np.float64)
    y = np.eye(x.shape[1])[targets] if targets.ndim == 1 else np.asarray(targets, np.float64)
    total = float(np.square(y - y.mean(axis=0)).sum())
    scores = [
        1.0 - float(np.square(y - p).sum()) / total if np.isfinite(p).all() else -np.inf
        for p in readings(head, loss, x)
    ]
    return float(max(scores))
