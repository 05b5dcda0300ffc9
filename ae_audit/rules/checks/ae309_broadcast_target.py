"""Prediction and target differ in shape and are broadcast silently.

## What it finds

An output of shape (N, 1) against targets of shape (N,) in torch; images as (N, 28, 28, 1) against (N, 1, 28, 28); a
sequence of outputs (N, 30, 1) against one value a sample. Losses written out (`tf.square(y - prediction)`) as well as
those of the libraries; and shapes with which the loss raises: ten sigmoids against class indices, class indices under
`categorical_crossentropy`, one-hot vectors under its sparse form.

## Why it hurts

Elementwise losses follow the rules of broadcasting: (N, 1) against (N,) compares every prediction with every target, N²
pairs. The best prediction is then the mean of all targets for every sample, so the loss falls to their variance and
stays there: R² is 0 at best. torch warns once for `MSELoss`, Keras says nothing; only torch's binary cross-entropy
refuses, and shapes that cannot be broadcast end the program.

## How it is decided

- *static* and *runtime*: both shapes are known but for the batch, they differ, and broadcasting makes them one, or the
  loss refuses them.
- *runtime*: also where the loss raised and the program ended there; the message quotes the error.
- *ideal network*: where even a network that could output anything misses its target, it is proved, and so it is where
  the loss raised.
- *probe*: none: which of the two shapes is meant is for the author to say.

## When it stays silent

Where an extent is unknown; where Keras itself drops or adds a last axis of extent 1; where every sample still meets
its own target, in a loss of the program's own: quantiles or the members of an ensemble (N, Q) against (N, 1); and
where all values of the target are the same, as the labels 1 of "all of these are real".

## Fix safety

There is no automatic fix. `squeeze(1)` on the prediction or `unsqueeze(1)` on the target is the usual one.

## References

- [NumPy: broadcasting](https://numpy.org/doc/stable/user/basics.broadcasting.html)
- [torch: MSELoss](https://docs.pytorch.org/docs/stable/generated/torch.nn.MSELoss.html)
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.checks.ae307_target_is_labels import reconstructs_labels
from ae_audit.rules.predicates import class_count, evidence, loss_words, raised, shown_by_the_run, spans
from ae_audit.rules.repair import one_shape
from ae_audit.schema.findings import Severity, UnknownFact, Violation
from ae_audit.schema.remedies import Advice, Change, Remedy, SwapLoss
from ae_audit.schema.training_setup import Framework, TrainingSetup
from ae_audit.theory.loss_families import BINARY, POINTWISE
from ae_audit.theory.ranges import Tri

Shape = tuple[int | None, ...]
_REFUSED = "torch's binary cross-entropy raises where the two differ"


KERAS = """\
import keras
import numpy as np
from keras import layers

windows = np.random.rand(512, 30, 1).astype("float32")
following = np.random.rand(512, 1).astype("float32")

forecaster = keras.Sequential([
    keras.Input(shape=(30, 1)),
    layers.LSTM(8, return_sequences=True),
    layers.Dense(1),
])
forecaster.compile(optimizer="adam", loss="mse")
forecaster.fit(windows, following, epochs=1, batch_size=64)
"""

TORCH = """\
import torch
from torch import nn

x = torch.rand(512, 8)
y = torch.rand(512)

model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters())

for epoch in range(20):
    loss = criterion(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


class BroadcastTarget(Rule):
    """Prediction and target differ in shape and are broadcast."""

    code = "AE309"
    name = "broadcast-target"
    severity = Severity.ERROR
    probed = False
    bad = (
        Example(Framework.KERAS, KERAS, codes=("AE309",)),
        Example(Framework.TORCH, TORCH, codes=("AE309",)),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace("return_sequences=True", "return_sequences=False")),
        Example(Framework.TORCH, TORCH.replace("model(x), y", "model(x).squeeze(1), y")),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        text, remedies = _fault(setup)
        if text is None or reconstructs_labels(setup):
            return
        place = setup.location
        yield Violation(
            message=text,
            location=place,
            remedies=remedies,
            spans=spans(setup, but=place),
            evidence=(*evidence(setup, "target"), *raised(setup)),
            proved=shown_by_the_run(setup),
        )


Fault = tuple[str | None, tuple[Remedy, ...]]
_NONE: Fault = (None, ())


def _fault(setup: TrainingSetup) -> Fault:
    """What is wrong with the shapes, and what mends it."""
    made, wanted = setup.head.shape, setup.target.shape
    if made is None or wanted is None:
        return _NONE
    meet = f"the prediction is {_words(made)} and its target {_words(wanted)}"
    if setup.loss.name in POINTWISE | BINARY:
        elementwise = _elementwise(setup, made, wanted)
        return _NONE if elementwise is None else (f"{meet}: {elementwise}", (one_shape(setup, made, wanted),))
    if not setup.loss.custom:
        return _categorical(setup, made, wanted, meet)
    raised_on_shapes = (f"{meet}: no broadcasting makes them one", (one_shape(setup, made, wanted),))
    return _NONE if setup.loss.raises is None else raised_on_shapes


def _elementwise(setup: TrainingSetup, made: Shape, wanted: Shape) -> str | None:
    """The harm of comparing value with value."""
    library = not setup.loss.custom
    if setup.framework is Framework.KERAS and library:
        made, wanted = _same_rank(made, wanted)
    torch_bce = setup.framework is Framework.TORCH and setup.loss.name == "bce" and library
    same_everywhere = setup.target.values.reach is not None and setup.target.values.hull.width == 0
    if _broadcasts(made, wanted) or (setup.target.batched and _apart(made, wanted)):
        if torch_bce:
            return _REFUSED
        if same_everywhere or (setup.loss.custom and _each_meets_its_own(made, wanted)):
            return None
        return "broadcasting compares values that do not belong together"
    if (library or setup.framework is Framework.TORCH) and _clash(made, wanted):
        return "the loss raises, for no broadcasting makes them one"
    return None


def _apart(made: Shape, wanted: Shape) -> bool:
    """Whether samples meet one axis of the other: of (N, 48, 48) and (N, 1, 48, 48) all with each."""
    shorter, longer = sorted((made, wanted), key=len)
    if len(longer) != len(shorter) + 1 or len(shorter) < 2 or not made[0] is wanted[0] is None:
        return False
    return longer[1] == 1 and None not in shorter[1:] and longer[2:] == shorter[1:]


def _each_meets_its_own(made: Shape, wanted: Shape) -> bool:
    """Whether several predictions of a sample, (N, Q), are compared with its one value, (N, 1)."""
    return len(made) == len(wanted) == 2 and wanted[1] == 1


def _clash(made: Shape, wanted: Shape) -> bool:
    """Whether no broadcasting makes the two one, whatever the batch (but for one that is as long as another axis)."""
    if len(made) < 2 or not wanted or None in made[1:] or None in wanted[1:]:
        return False
    if len(made) == len(wanted):
        return any(a != b and 1 not in {a, b} for a, b in zip(made[1:], wanted[1:], strict=True))
    if len(wanted) == 1:  # (N, 10) and (N,)
        return made[-1] != 1 and (wanted[0] is None or (wanted[0] == made[0] and wanted[0] != made[-1]))
    # (N, 24, 12) and (N, 12): one output for each step, where one for each sample is wanted
    return len(made) == 3 and wanted == (made[0], made[2]) and 1 not in made[1:]


def _categorical(setup: TrainingSetup, made: Shape, wanted: Shape, meet: str) -> Fault:
    """A loss over classes whose target is of the other kind: an index for a vector, or a vector for an index."""
    name, classes = setup.loss.name, class_count(setup)
    if classes is None or classes < 2 or None in made[1:] or None in wanted[1:]:
        return _NONE
    if setup.framework is Framework.KERAS:
        indices = len(wanted) == len(made) - 1 or (len(wanted) == len(made) and wanted[-1] == 1)
        if name == "cce" and indices:
            return f"{meet}: {loss_words(setup)} needs one-hot vectors, and raises on class indices", (
                SwapLoss("sparse_cce", setup.loss.from_logits is Tri.YES),
            )
        if name == "sparse_cce" and len(wanted) == len(made) == 2 and wanted[1] == made[1]:
            return f"{meet}: sparse categorical cross-entropy needs class indices, and raises on vectors", (
                SwapLoss("cce", setup.loss.from_logits is Tri.YES),
            )
    elif name == "sparse_cce" and len(wanted) == len(made) and wanted[1] == 1:
        return f"{meet}: cross-entropy takes class indices without an axis of their own, and raises", (
            Advice("squeeze(1) on the target", Change.SHAPE),
        )
    return _NONE


def _same_rank(made: Shape, wanted: Shape) -> tuple[Shape, Shape]:
    """What Keras makes of two shapes: a last axis of extent 1 is dropped where that makes the ranks equal."""
    if len(made) == len(wanted) + 1 and made[-1] == 1:
        return made[:-1], wanted
    if len(wanted) == len(made) + 1 and wanted[-1] == 1:
        return made, wanted[:-1]
    return made, wanted


def _broadcasts(made: Shape, wanted: Shape) -> bool:
    """Whether the two surely differ, and surely broadcast to one shape. The first axis of each is the batch."""
    if not made or not wanted or None in made[1:] or None in wanted[1:]:
        return False
    if len(made) == len(wanted):
        pairs = list(zip(made[1:], wanted[1:], strict=True))
        return any(a != b for a, b in pairs) and all(a == b or 1 in {a, b} for a, b in pairs)
    longer, shorter = (made, wanted) if len(made) > len(wanted) else (wanted, made)
    if len(shorter) > 1:
        return _grows(longer, shorter)
    # (N, 1) and (N,) become (N, N); a shorter shape of which more is known may be one sample without its batch axis
    return (
        len(shorter) == 1 and len(longer) >= 2 and longer[-1] == 1 and (shorter[0] is None or shorter[0] == longer[0])
    )


def _grows(longer: Shape, shorter: Shape) -> bool:
    """Whether a batch of fewer axes, as (N, 28, 28), makes every sample of (N, 1, 28, 28) meet every other one's."""
    if shorter[0] is None or shorter[0] != longer[0]:
        return False  # perhaps one sample without its batch axis
    pairs = list(zip(longer[-len(shorter) :], shorter, strict=True))
    return all(a == b or 1 in {a, b} for a, b in pairs) and any(a == 1 and b not in {1, None} for a, b in pairs)


def _words(shape: Shape | None) -> str:
    extents = ["N" if not index else str(extent) for index, extent in enumerate(shape or ())]
    return f"({', '.join(extents)}{',' if len(extents) == 1 else ''})"


RULE = BroadcastTarget()
