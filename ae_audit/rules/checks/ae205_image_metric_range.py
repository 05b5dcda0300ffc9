"""SSIM or PSNR that assumes another range of values than the images have.

## What it finds

`max_val` or `data_range` of SSIM and PSNR, as a metric or in a loss, that is not the span of the images: 255 for images
in [0, 1], 1 for images in [0, 255] or in [-1, 1]. `tf.image`, torchmetrics, scikit-image, pytorch-msssim (whose default
is 255), kornia and piq are known.

## Why it hurts

Both are ratios to the span. With 255 for images in [0, 1], PSNR is 20 · log₁₀ 255 = 48.1 dB too high: predicting
nothing but black looks like a perfect copy. In SSIM the constants (0.01 · 255)² and (0.03 · 255)² swamp every variance
of such images, so it is close to 1 whatever is compared, and as a loss it has next to no gradient. With 1 for images in
[-1, 1], PSNR is 6.0 dB too low.

## How it is decided

- *static*: the images that reach the call, and the span that it is given or assumes. They must differ by half or more.

## When it stays silent

Where no span is given and the library takes it from the images; where the images are standardised, and have no span.
Where the images or the span are unknown, it is undecided.

## Fix safety

The number of the metric changes; of a loss, what the program computes. There is no automatic fix.

## References

- Wang et al., *Image quality assessment: from error visibility to structural similarity* (2004), section III.
- [tf.image.ssim](https://www.tensorflow.org/api_docs/python/tf/image/ssim): `max_val` is the dynamic range.
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import Scale, scale_of, top_of, values_words
from ae_audit.schema.findings import Evidence, Severity, Span, UnknownFact, Violation
from ae_audit.schema.remedies import Advice
from ae_audit.schema.training_setup import DataFacts, Framework, TrainingSetup
from ae_audit.theory.intervals import format_number

CLEAR = 1.5
"""by what factor the two must differ: [-1, 1] taken for [0, 1] is a factor of 2, and 256 for 255 is none"""

KERAS = """\
import keras
import tensorflow as tf
from keras import layers

(x_train, _), _ = keras.datasets.mnist.load_data()
x_train = x_train.reshape(-1, 28, 28, 1).astype("float32") / 255.0


def psnr(y_true, y_pred):
    return tf.image.psnr(y_true, y_pred, max_val=255)


autoencoder = keras.Sequential([
    keras.Input(shape=(28, 28, 1)),
    layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
    layers.Conv2DTranspose(1, 3, strides=2, padding="same", activation="sigmoid"),
])
autoencoder.compile(optimizer="adam", loss="mse", metrics=[psnr])
autoencoder.fit(x_train, x_train, epochs=1, batch_size=256)
"""

TORCH = """\
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchmetrics.functional.image import peak_signal_noise_ratio
from torchvision import datasets, transforms

data = datasets.MNIST("data", train=True, download=True, transform=transforms.ToTensor())
loader = DataLoader(data, batch_size=256, shuffle=True)

model = nn.Sequential(
    nn.Conv2d(1, 8, 3, padding=1),
    nn.ReLU(),
    nn.Conv2d(8, 1, 3, padding=1),
    nn.Sigmoid(),
)
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters())

for images, _ in loader:
    output = model(images)
    loss = criterion(output, images)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(peak_signal_noise_ratio(output.detach(), images, data_range=255.0))
"""


class ImageMetricRange(Rule):
    """SSIM or PSNR is told of another span of values than the images have."""

    code = "AE205"
    name = "image-metric-range"
    severity = Severity.ERROR
    probed = False
    bad = (
        Example(Framework.KERAS, KERAS, codes=("AE205",)),
        Example(Framework.TORCH, TORCH, codes=("AE205",)),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace("max_val=255", "max_val=1.0")),
        Example(Framework.TORCH, TORCH.replace("data_range=255.0", "data_range=1.0")),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        for metric in setup.metrics:
            if metric.span is None:
                continue
            data = setup.target if metric.data is None else metric.data
            span = _span_of(data)
            if span is None:
                why = f"the span of the images that {metric.name.upper()} compares is not known"
                yield UnknownFact("image metric", why)
                continue
            if 1 / CLEAR < metric.span / span < CLEAR:
                continue
            place = metric.location or setup.location
            told, true = format_number(metric.span), format_number(span)
            yield Violation(
                message=f"{metric.name.upper()} takes the images to span {told}, but they are {values_words(data)}, "
                f"which spans {true}",
                location=place,
                remedies=(Advice(f"tell {metric.name.upper()} a span of {true}"),),
                spans=() if place == setup.location else (Span(setup.location, "trained here"),),
                evidence=tuple(Evidence("static", step.text, step.location) for step in data.trail),
            )


def _span_of(data: DataFacts) -> float | None:
    """The span of the scale that images surely are on; None where that is not known."""
    reach = data.values.reach
    if reach is None:
        return None
    scale = scale_of(data)
    if scale is Scale.UNIT:
        return 1.0 if reach.hi > 1 / CLEAR else None
    if scale is Scale.SIGNED:
        return 2.0 if reach.lo < -1 / CLEAR else None
    return top_of(data)


RULE = ImageMetricRange()
