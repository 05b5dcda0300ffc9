"""Fit the cells of the truth table: ``python truth_fits.py BACKEND STEPS`` answers each line with one.

One process has one backend (Keras's is chosen when it is imported). Nets that share nothing but the optimizer are
trained as one alone is: Adam treats each weight for itself, and each net has a loss of its own. So the nets of one kind
of data are trained together: in Keras by one ``fit`` of one model with an output for each, which spares tracing and
compiling a program for each (``tests/benchmarks`` fits some of them alone and compares).
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from truth_cells import BATCH, CODE, FITTED, RATE, SEED, STEPS, Array, Data, data_sets, r2

Cell = tuple[str, str]
Record = dict[str, Any]


def rounded(value: float) -> float | None:
    """To four significant digits; None where it is not finite (JSON knows no NaN)."""
    return float(f"{value:.4g}") if math.isfinite(value) else None


def batches(data: Data, steps: int) -> list[Array]:
    """The indices of each step's batch, the same for every cell and backend."""
    random = np.random.default_rng(SEED)
    return [random.permutation(FITTED)[:BATCH] for _ in range(steps)]


def start(data: Data) -> list[Array]:
    """The initial weights of every net: Glorot's, the same for every cell and backend."""
    random = np.random.default_rng(SEED)

    def dense(fan_in: int, fan_out: int) -> list[Array]:
        bound = math.sqrt(6.0 / (fan_in + fan_out))
        return [random.uniform(-bound, bound, (fan_in, fan_out)).astype(np.float32), np.zeros(fan_out, np.float32)]

    return [*dense(64, CODE), *dense(CODE, data.units)]


# PyTorch


def torch_net(data: Data, head: str) -> Any:
    """A net of the table, as its author would have written it."""
    import torch
    from torch import nn

    class Scaled(nn.Module):
        """An activation, stretched and moved."""

        def __init__(self, activation: nn.Module, scale: float, shift: float) -> None:
            super().__init__()
            self.activation, self.scale, self.shift = activation, scale, shift

        def forward(self, x: Any) -> Any:
            return self.activation(x) * self.scale + self.shift

    last: dict[str, Callable[[], list[nn.Module]]] = {
        "linear": list,
        "relu": lambda: [nn.ReLU()],
        "softplus": lambda: [nn.Softplus()],
        "sigmoid": lambda: [nn.Sigmoid()],
        "hard_sigmoid": lambda: [nn.Hardsigmoid()],
        "tanh": lambda: [nn.Tanh()],
        "(tanh + 1) / 2": lambda: [Scaled(nn.Tanh(), 0.5, 0.5)],
        "255 sigmoid": lambda: [Scaled(nn.Sigmoid(), 255.0, 0.0)],
        "softmax": lambda: [nn.Softmax(dim=1)],
        "log_softmax": lambda: [nn.LogSoftmax(dim=1)],
    }
    net = nn.Sequential(nn.Linear(64, CODE), nn.ReLU(), nn.Linear(CODE, data.units), *last[head]())
    with torch.no_grad():
        for parameter, value in zip(net.parameters(), start(data), strict=True):
            parameter.copy_(torch.from_numpy(value.T.copy() if value.ndim == 2 else value))
    return net


def torch_loss(name: str) -> Any:
    """torch's own criterion where there is one, a function of prediction and target otherwise."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    def mape(p: Any, y: Any) -> Any:
        return ((p - y) / y).abs().mean()

    def cce(p: Any, y: Any) -> Any:
        return -(y * torch.log(p)).sum(dim=1).mean()

    def cosine(p: Any, y: Any) -> Any:
        return 1.0 - F.cosine_similarity(p, y, dim=1).mean()

    return {
        "mse": nn.MSELoss(),
        "mae": nn.L1Loss(),
        "mape": mape,
        "poisson": nn.PoissonNLLLoss(log_input=False),
        "poisson on log-rates": nn.PoissonNLLLoss(),
        "bce": nn.BCELoss(),
        "bce on logits": nn.BCEWithLogitsLoss(),
        "cce": cce,
        "cce on logits": nn.CrossEntropyLoss(),
        "kl": nn.KLDivLoss(reduction="batchmean"),
        "nll": nn.NLLLoss(),
        "cosine": cosine,
        "soft margin": nn.SoftMarginLoss(),
    }[name]


def one_line(error: Exception) -> str:
    """The first line of what an exception says."""
    return " ".join(str(error).split("\n")[0].split())


def fit_torch(data: Data, chosen: list[Cell], steps: int = STEPS) -> dict[Cell, Record]:
    """Train all cells side by side; a cell that raises is out of it from there on, with the weights that it has."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # operations as small as these wait for each other's threads
    x, y = torch.from_numpy(data.x), torch.from_numpy(data.y)
    many = len(chosen)
    into, bias, out, last_bias = (torch.from_numpy(weights) for weights in start(data))
    packed = [into.repeat(1, many), bias.repeat(many), out.repeat(many, 1, 1), last_bias.repeat(many, 1, 1)]
    weights = [torch.nn.Parameter(value) for value in packed]
    activations = [torch_net(data, head)[3:] for head, _ in chosen]
    criteria = [torch_loss(loss) for _, loss in chosen]

    def outputs(inputs: Any) -> list[Any]:
        hidden = torch.relu(inputs @ weights[0] + weights[1]).reshape(len(inputs), many, CODE).transpose(0, 1)
        last = torch.baddbmm(weights[3], hidden, weights[2])
        return [activation(z) for activation, z in zip(activations, last.unbind(), strict=True)]

    optimizer = torch.optim.Adam(weights, lr=RATE)
    raised: dict[int, str] = {}
    for batch in batches(data, steps):
        total = torch.zeros(())
        for n, prediction in enumerate(outputs(x[batch])):
            if n not in raised:
                try:
                    total = total + criteria[n](prediction, y[batch])
                except (RuntimeError, IndexError, ValueError) as error:
                    raised[n] = one_line(error)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    with torch.no_grad():
        predicted = outputs(x[FITTED:])
    torch.set_num_threads(threads)
    return {
        cell: {"r2": rounded(r2(*cell, predicted[n].numpy(), data.y[FITTED:])), "raised": raised.get(n)}
        for n, cell in enumerate(chosen)
    }


# Keras


def keras_activation(head: str) -> Any:
    """The output layer's activation, as a layer."""
    import keras
    from keras import layers

    own: dict[str, Any] = {
        "(tanh + 1) / 2": lambda x: (keras.ops.tanh(x) + 1.0) / 2.0,
        "255 sigmoid": lambda x: 255.0 * keras.ops.sigmoid(x),
    }
    return layers.Activation(own.get(head, head))


def keras_loss(name: str, data: Data) -> Any:
    """What the author would give to ``compile``."""
    import keras

    if data.y.ndim == 1:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=name == "cce on logits")
    return {
        "mse": "mse",
        "mae": "mae",
        "msle": "msle",
        "mape": "mape",
        "poisson": "poisson",
        "bce": "binary_crossentropy",
        "bce on logits": keras.losses.BinaryCrossentropy(from_logits=True),
        "cce": "categorical_crossentropy",
        "cce on logits": keras.losses.CategoricalCrossentropy(from_logits=True),
        "kl": "kl_divergence",
        "cosine": "cosine_similarity",
        "hinge": "hinge",
    }[name]


def fit_keras(data: Data, chosen: list[Cell], steps: int = STEPS) -> dict[Cell, Record]:
    """Train all cells side by side: one model, an output and a loss for each; their weights are kept in one array.

    A cell that raises, as some do with torch behind Keras, is out of it from there on, with the weights that it has.
    """
    import keras
    from keras import layers

    many = len(chosen)
    losses = [keras.losses.get(keras_loss(loss, data)) for _, loss in chosen]
    raised: dict[int, str] = {}

    class Table(keras.Model):  # type: ignore[misc]
        """Its loss is the sum of the cells' losses."""

        def compute_loss(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None, training: bool = True) -> Any:
            total = keras.ops.zeros(())
            for n, loss in enumerate(losses):
                if n not in raised:
                    try:
                        total = total + keras.ops.mean(loss(y, y_pred[n]))
                    except RuntimeError as error:
                        raised[n] = one_line(error)
            return total

    inputs = keras.Input((64,))
    hidden = layers.Reshape((many, CODE))(layers.Dense(many * CODE, activation="relu")(inputs))
    last = layers.EinsumDense("bki,kio->bko", (many, data.units), bias_axes="ko")(hidden)
    model = Table(inputs, [keras_activation(head)(last[:, n]) for n, (head, _) in enumerate(chosen)])
    into, bias, out, last_bias = start(data)
    model.set_weights([np.tile(into, many), np.tile(bias, many), *(np.stack([w] * many) for w in (out, last_bias))])
    compiled = keras.config.backend() == "jax"
    model.compile(optimizer=keras.optimizers.Adam(RATE), jit_compile=compiled)
    order = np.concatenate(batches(data, steps))
    model.fit(data.x[order], data.y[order], batch_size=BATCH, shuffle=False, epochs=1, verbose=0)
    predicted = model.predict(data.x[FITTED:], batch_size=len(data.x), verbose=0)
    return {
        cell: {"r2": rounded(r2(*cell, np.asarray(predicted[n]), data.y[FITTED:])), "raised": raised.get(n)}
        for n, cell in enumerate(chosen)
    }


def main() -> None:
    """Fit the cells of each job on one backend: a line of JSON in (data, head and loss of each cell), one out."""
    backend, steps = sys.argv[1], int(sys.argv[2])
    if backend.endswith("torch"):
        import torch

        torch.set_num_threads(1)
    for line in sys.stdin:
        name, chosen = json.loads(line)
        data, wanted = data_sets()[name], [(head, loss) for head, loss in chosen]
        if not wanted:
            print("\n" + json.dumps([name, {}]), flush=True)
            continue
        fitted = (fit_torch if backend == "torch" else fit_keras)(data, wanted, steps)
        answer = {f"{head} | {loss}": [each["r2"], each["raised"]] for (head, loss), each in fitted.items()}
        print("\n" + json.dumps([name, answer]), flush=True)


if __name__ == "__main__":
    main()
