"""Right programs, and each with one fault put in: what the study of seeds (``probe_seeds.py``) audits.

A fault is a replacement in the text of a right program: another output activation, another loss, data on another scale,
or a loss that expects logits where there are none.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

KERAS_AUTOENCODER = """\
import keras
from keras import layers

(x_train, _), _ = keras.datasets.mnist.load_data()
x_train = x_train.reshape(-1, 784).astype("float32") / 255.0

autoencoder = keras.Sequential([
    keras.Input(shape=(784,)),
    layers.Dense(CODE, activation="relu"),
    layers.Dense(784, activation="sigmoid"),
])
autoencoder.compile(optimizer="OPTIMIZER", loss="binary_crossentropy")
autoencoder.fit(x_train, x_train, epochs=1, batch_size=128)
"""

KERAS_LOGITS = KERAS_AUTOENCODER.replace(', activation="sigmoid"', "").replace(
    '"binary_crossentropy"', "keras.losses.BinaryCrossentropy(from_logits=True)"
)

KERAS_SYMMETRIC = (
    KERAS_AUTOENCODER.replace('"sigmoid"', '"tanh"')
    .replace("/ 255.0", "/ 127.5 - 1.0")
    .replace("binary_crossentropy", "mse")
)

KERAS_CLASSIFIER = """\
import keras
from keras import layers

(x_train, y_train), _ = keras.datasets.mnist.load_data()
x_train = x_train.reshape(-1, 784).astype("float32") / 255.0
y_train = keras.utils.to_categorical(y_train, 10)

inputs = keras.Input(shape=(784,))
hidden = layers.Dense(CODE, activation="relu")(inputs)
outputs = layers.Dense(10, activation="softmax")(hidden)
classifier = keras.Model(inputs, outputs)
classifier.compile(optimizer="OPTIMIZER", loss="categorical_crossentropy", metrics=["accuracy"])
classifier.fit(x_train, y_train, epochs=1, batch_size=128)
"""

KERAS_YES_OR_NO = """\
import keras
from keras import layers

(x_train, y_train), _ = keras.datasets.mnist.load_data()
x_train = x_train.reshape(-1, 784).astype("float32") / 255.0
y_train = (y_train > 4).astype("float32")

classifier = keras.Sequential([
    keras.Input(shape=(784,)),
    layers.Dense(CODE, activation="relu"),
    layers.Dense(1, activation="sigmoid"),
])
classifier.compile(optimizer="OPTIMIZER", loss="binary_crossentropy")
classifier.fit(x_train, y_train, epochs=1, batch_size=128)
"""

TORCH_AUTOENCODER = """\
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

data = datasets.MNIST("data", train=True, download=True, transform=transforms.Compose([
    transforms.ToTensor(),
]))
loader = DataLoader(data, batch_size=128, shuffle=True)

model = nn.Sequential(
    nn.Flatten(),
    nn.Linear(784, CODE),
    nn.ReLU(),
    nn.Linear(CODE, 784),
    nn.Sigmoid(),
)
criterion = nn.BCELoss()
optimizer = torch.optim.OPTIMIZER(model.parameters(), lr=1e-3)

for images, _ in loader:
    loss = criterion(model(images), images.flatten(1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""

TORCH_LOGITS = TORCH_AUTOENCODER.replace("    nn.Sigmoid(),\n", "").replace("BCELoss", "BCEWithLogitsLoss")

TORCH_SYMMETRIC = (
    TORCH_AUTOENCODER.replace("Sigmoid", "Tanh")
    .replace("BCELoss", "MSELoss")
    .replace("ToTensor(),\n", "ToTensor(),\n    transforms.Normalize((0.5,), (0.5,)),\n")
)

TORCH_CLASSIFIER = """\
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

data = datasets.MNIST("data", train=True, download=True, transform=transforms.ToTensor())
loader = DataLoader(data, batch_size=128, shuffle=True)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(784, CODE)
        self.out = nn.Linear(CODE, 10)

    def forward(self, x):
        x = F.relu(self.hidden(x.flatten(1)))
        return self.out(x)


model = Net()
optimizer = torch.optim.OPTIMIZER(model.parameters(), lr=1e-3)
for images, labels in loader:
    optimizer.zero_grad()
    loss = F.cross_entropy(model(images), labels)
    loss.backward()
    optimizer.step()
"""

TORCH_LOG_SOFTMAX = TORCH_CLASSIFIER.replace("self.out(x)", "F.log_softmax(self.out(x), dim=1)").replace(
    "cross_entropy", "nll_loss"
)

RAW_KERAS, RAW_TORCH = (
    (" / 255.0", ""),
    ("ToTensor(),\n", "PILToTensor(),\n    transforms.Lambda(lambda x: x.float()),\n"),
)
HALF = ("ToTensor(),\n", "ToTensor(),\n    transforms.Normalize((0.5,), (0.5,)),\n")
SIGMOID, SIGMOID_LAYER = 'activation="sigmoid"', "    nn.Sigmoid(),\n"
BCE = '"binary_crossentropy"'

FAULTS: dict[str, tuple[str, tuple[tuple[str, str, str], ...]]] = {
    "keras autoencoder": (
        KERAS_AUTOENCODER,
        (
            ("activation softmax", SIGMOID, 'activation="softmax"'),
            ("activation relu", SIGMOID, 'activation="relu"'),
            ("activation none", ', activation="sigmoid"', ""),
            ("activation tanh", SIGMOID, 'activation="tanh"'),
            ("loss categorical", BCE, '"categorical_crossentropy"'),
            ("loss mape", BCE, '"mape"'),
            ("loss kl", BCE, '"kl_divergence"'),
            ("scaling none", *RAW_KERAS),
            ("scaling signed", "/ 255.0", "/ 127.5 - 1.0"),
            (
                "scaling of the input alone",
                "autoencoder.fit(x_train, x_train",
                "autoencoder.fit(x_train, 255 * x_train",
            ),
        ),
    ),
    "keras logits": (
        KERAS_LOGITS,
        (
            ("logits not told", "from_logits=True", "from_logits=False"),
            ("activation relu", "Dense(784", 'Dense(784, activation="relu"'),
            ("activation tanh", "Dense(784", 'Dense(784, activation="tanh"'),
            ("activation softmax", "Dense(784", 'Dense(784, activation="softmax"'),
            ("scaling none", *RAW_KERAS),
        ),
    ),
    "keras symmetric": (
        KERAS_SYMMETRIC,
        (
            ("activation sigmoid", '"tanh"', '"sigmoid"'),
            ("activation relu", '"tanh"', '"relu"'),
            ("activation softmax", '"tanh"', '"softmax"'),
            ("loss bce", '"mse"', '"binary_crossentropy"'),
            ("scaling none", " / 127.5 - 1.0", ""),
        ),
    ),
    "keras classifier": (
        KERAS_CLASSIFIER,
        (
            ("activation sigmoid", '"softmax"', '"sigmoid"'),
            ("activation none", ', activation="softmax"', ""),
            ("activation relu", '"softmax"', '"relu"'),
        ),
    ),
    "keras yes or no": (
        KERAS_YES_OR_NO,
        (
            ("activation softmax", SIGMOID, 'activation="softmax"'),
            ("activation none", ', activation="sigmoid"', ""),
            ("activation tanh", SIGMOID, 'activation="tanh"'),
        ),
    ),
    "torch autoencoder": (
        TORCH_AUTOENCODER,
        (
            ("activation softmax", "nn.Sigmoid()", "nn.Softmax(dim=1)"),
            ("activation relu", "nn.Sigmoid()", "nn.ReLU()"),
            ("activation none", SIGMOID_LAYER, ""),
            ("activation tanh", "nn.Sigmoid()", "nn.Tanh()"),
            ("logits expected", "BCELoss", "BCEWithLogitsLoss"),
            ("loss cross-entropy", "BCELoss", "CrossEntropyLoss"),
            ("scaling none", *RAW_TORCH),
            ("scaling signed", *HALF),
        ),
    ),
    "torch logits": (
        TORCH_LOGITS,
        (
            ("logits doubled", "nn.Linear(CODE, 784),\n", "nn.Linear(CODE, 784),\n    nn.Sigmoid(),\n"),
            ("logits squeezed", "nn.Linear(CODE, 784),\n", "nn.Linear(CODE, 784),\n    nn.ReLU(),\n"),
            ("activation softmax", "nn.Linear(CODE, 784),\n", "nn.Linear(CODE, 784),\n    nn.Softmax(dim=1),\n"),
            ("logits not told", "BCEWithLogitsLoss", "BCELoss"),
            ("scaling none", *RAW_TORCH),
            ("scaling signed", *HALF),
        ),
    ),
    "torch symmetric": (
        TORCH_SYMMETRIC,
        (
            ("activation sigmoid", "nn.Tanh()", "nn.Sigmoid()"),
            ("activation relu", "nn.Tanh()", "nn.ReLU()"),
            ("activation softmax", "nn.Tanh()", "nn.Softmax(dim=1)"),
            ("loss bce", "MSELoss", "BCEWithLogitsLoss"),
            ("scaling none", HALF[1], RAW_TORCH[1]),
        ),
    ),
    "torch classifier": (
        TORCH_CLASSIFIER,
        (
            ("logits softmaxed", "return self.out(x)", "return F.softmax(self.out(x), dim=1)"),
            ("logits squeezed", "return self.out(x)", "return torch.sigmoid(self.out(x))"),
            ("loss nll", "cross_entropy", "nll_loss"),
        ),
    ),
    "torch log-softmax": (
        TORCH_LOG_SOFTMAX,
        (
            ("activation softmax", "F.log_softmax", "F.softmax"),
            ("activation none", "F.log_softmax(self.out(x), dim=1)", "self.out(x)"),
        ),
    ),
}
"""By name of the right program: its text, and each fault with its name, what it replaces, and by what."""

VARIANTS = {"keras": (("32", "adam"), ("128", "rmsprop")), "torch": (("32", "Adam"), ("128", "AdamW"))}
"""width of the hidden layer, and the optimizer"""


@dataclass(frozen=True)
class Program:
    """A program to audit."""

    name: str
    framework: str
    source: str
    faulty: bool


def programs() -> list[Program]:
    """Every right program and every faulty one, in each variant."""
    found = []
    for name, (source, faults) in FAULTS.items():
        framework = name.split()[0]
        for (code, optimizer), (fault, old, new) in product(VARIANTS[framework], (("right", "", ""), *faults)):
            if source.count(old) < 1:
                raise ValueError(f"`{fault}` does not fit {name}")
            text = (source.replace(old, new) if old else source).replace("CODE", code).replace("OPTIMIZER", optimizer)
            found.append(Program(f"{name}, {code}, {optimizer}: {fault}", framework, text, bool(old)))
    return found
