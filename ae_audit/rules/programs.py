"""The program that most examples are but for a line or two: a dense autoencoder of MNIST, in Keras and in PyTorch.

A rule's example so says only where its program differs; ``ae-audit rule CODE`` and the pages show the whole.
"""

from __future__ import annotations

from collections.abc import Iterable

RAW = 'x_train = x_train.reshape(-1, 784).astype("float32")'
SCALED = f"{RAW} / 255.0"

TO_TENSOR = "transforms.ToTensor()"
SIGNED = """\
transforms.Compose([
    transforms.ToTensor(),
    transforms.Normalize((0.5,), (0.5,)),
])"""
RECONSTRUCTION = "loss = criterion(model(images), images.flatten(1))"
CLASSIFICATION = "loss = criterion(model(images), labels)"


def dense_keras(
    *head: str,
    hidden: str = "relu",
    compiled: str = 'loss="mse"',
    data: Iterable[str] = (SCALED,),
    loaded: str = "(x_train, _), _",
    fitted: str = "x_train, x_train",
    model: str = "autoencoder",
) -> str:
    """The source of a Keras program.

    Args:
        head: the layers after the hidden one of 32 units.
        hidden: the activation of that one.
        compiled: what ``compile`` is told beside the optimizer.
        data: the lines that prepare the data.
        loaded: what ``load_data()`` is unpacked to.
        fitted: what the model is trained on.
        model: the model's name.
    """
    return f"""\
import keras
from keras import layers

{loaded} = keras.datasets.mnist.load_data()
{_lines(data)}
{model} = keras.Sequential([
    keras.Input(shape=(784,)),
    layers.Dense(32, activation="{hidden}"),
{_lines((f"{layer}," for layer in head), indent=4)}])
{model}.compile(optimizer="adam", {compiled})
{model}.fit({fitted}, epochs=1, batch_size=256)
"""


def dense_torch(
    *head: str,
    criterion: str | None = "nn.MSELoss()",
    transform: str = TO_TENSOR,
    batch: str = "images, _",
    step: Iterable[str] = (RECONSTRUCTION,),
) -> str:
    """The source of a PyTorch program.

    Args:
        head: the modules after the hidden layer of 32 units and its relu.
        criterion: the loss as a module; None where the step spells it out.
        transform: what pictures pass as they are loaded.
        batch: what a batch is unpacked to.
        step: the lines from the batch to its loss.
    """
    named = "" if criterion is None else f"criterion = {criterion}\n"
    return f"""\
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

data = datasets.MNIST("data", train=True, download=True, transform={transform})
loader = DataLoader(data, batch_size=256, shuffle=True)

model = nn.Sequential(
    nn.Flatten(),
    nn.Linear(784, 32),
    nn.ReLU(),
{_lines((f"{module}," for module in head), indent=4)})
{named}optimizer = torch.optim.Adam(model.parameters())

for {batch} in loader:
{_lines(step, indent=4)}    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


def _lines(lines: Iterable[str], indent: int = 0) -> str:
    return "".join(f"{' ' * indent}{line}\n" for line in lines)
