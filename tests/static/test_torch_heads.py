"""What the static stage knows of the heads of torch models, however the model is spelled."""

from __future__ import annotations

import textwrap

import pytest

from ae_audit.schema.training_setup import TrainingSetup
from ae_audit.static import analyse_file
from ae_audit.theory.ranges import Tri

IMPORTS = """
import torch
import torch.nn as nn
import torch.nn.functional as F
from torchvision import datasets, transforms
"""

LOOP = """
loader = torch.utils.data.DataLoader(datasets.MNIST("data", transform=transforms.ToTensor()), batch_size=64)
criterion = nn.MSELoss()
for epoch in range(3):
    for img, _ in loader:
        img = img.view(-1, 784)
        out = model(img)
        loss = criterion(out, img)
        loss.backward()
"""


def setup_of(model: str, loop: str = LOOP) -> TrainingSetup:
    source = IMPORTS + textwrap.dedent(model) + loop
    result = analyse_file("program.py", source.encode())
    assert not result.errors
    assert len(result.setups) == 1, result
    return result.setups[0]


HEADS = {
    "nn.Sigmoid()": ("sigmoid", 0.0, 1.0),
    "nn.Tanh()": ("tanh", -1.0, 1.0),
    "nn.ReLU()": ("relu", 0.0, float("inf")),
    "nn.ReLU6()": ("relu6", 0.0, 6.0),
    "nn.Softmax(dim=1)": ("softmax", 0.0, 1.0),
    "nn.LogSoftmax(dim=-1)": ("log_softmax", float("-inf"), 0.0),
    "nn.ELU()": ("elu", -1.0, float("inf")),
    "nn.Softplus()": ("softplus", 0.0, float("inf")),
    "nn.Hardtanh(0, 1)": ("hard_tanh", 0.0, 1.0),
    "nn.Identity()": ("linear", float("-inf"), float("inf")),
}


@pytest.mark.parametrize("layer", HEADS)
def test_the_last_layer_of_a_sequential_is_the_head(layer: str) -> None:
    setup = setup_of(f"model = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 784), {layer})\n")
    activation, lo, hi = HEADS[layer]
    assert setup.head.activation == activation
    assert setup.head.range.values.hull.closure().lo == lo
    assert setup.head.range.values.hull.closure().hi == hi


FORWARDS = {
    "torch.sigmoid(self.out(h))": "sigmoid",
    "F.sigmoid(self.out(h))": "sigmoid",
    "self.out(h).sigmoid()": "sigmoid",
    "torch.tanh(self.out(h))": "tanh",
    "F.softmax(self.out(h), dim=1)": "softmax",
    "F.relu(self.out(h))": "relu",
    "self.out(h)": "linear",
    "self.out(h).view(-1, 784)": "linear",
    "self.act(self.out(h))": "tanh",
    "F.dropout(torch.sigmoid(self.out(h)), 0.1)": "sigmoid",
    "nn.Sigmoid()(self.out(h))": "sigmoid",
    "torch.nn.functional.leaky_relu(self.out(h), 0.2)": "leaky_relu",
}


@pytest.mark.parametrize("expression", FORWARDS)
def test_activations_called_in_forward(expression: str) -> None:
    setup = setup_of(
        f"""
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.enc = nn.Linear(784, 32)
                self.out = nn.Linear(32, 784)
                self.act = nn.Tanh()

            def forward(self, x):
                h = F.relu(self.enc(x))
                return {expression}

        model = Net()
        """
    )
    assert setup.head.activation == FORWARDS[expression]


def test_softmax_with_its_axis_and_units() -> None:
    head = setup_of("model = nn.Sequential(nn.Linear(784, 32), nn.Linear(32, 784), nn.Softmax(dim=1))\n").head
    assert (head.activation, head.axis, head.units) == ("softmax", 1, 784)


def test_softmax_without_dim_takes_the_implicit_axis() -> None:
    head = setup_of("model = nn.Sequential(nn.Linear(784, 32), nn.Linear(32, 784), nn.Softmax())\n").head
    assert (head.activation, head.axis) == ("softmax", 1)


def test_the_head_is_located_at_the_activation() -> None:
    source = IMPORTS + "model = nn.Sequential(\n    nn.Linear(784, 784),\n    nn.Softmax(dim=1),\n)\n" + LOOP
    setup = analyse_file("program.py", source.encode()).setups[0]
    assert setup.head.location is not None
    line = source.splitlines()[setup.head.location.line - 1]
    assert line[setup.head.location.column - 1 :].startswith("nn.Softmax(dim=1)")
    assert setup.head.written == "nn.Softmax(dim=1)"


def test_encoder_and_decoder_as_modules_of_a_module() -> None:
    setup = setup_of(
        """
        class Encoder(nn.Module):
            def __init__(self, width):
                super(Encoder, self).__init__()
                self.net = nn.Sequential(nn.Linear(784, width), nn.ReLU(True))

            def forward(self, x):
                return self.net(x)

        class Decoder(nn.Module):
            def __init__(self, width, act_fn=nn.Sigmoid):
                super(Decoder, self).__init__()
                self.net = nn.Sequential(nn.Linear(width, 784), act_fn())

            def forward(self, z):
                return self.net(z)

        class AE(nn.Module):
            def __init__(self):
                super().__init__()
                self.encoder = Encoder(32)
                self.decoder = Decoder(32)

            def forward(self, x):
                return self.decoder(self.encoder(x))

        model = AE().cuda()
        """
    )
    assert setup.head.activation == "sigmoid"
    assert setup.model.first_layers[0] == "Linear"


def test_several_returned_values_of_which_one_reaches_the_loss() -> None:
    loop = LOOP.replace("out = model(img)", "logits, out = model(img)")
    model = """
        class AE(nn.Module):
            def __init__(self):
                super().__init__()
                self.net = nn.Linear(784, 784)

            def forward(self, x):
                logits = self.net(x)
                return logits, torch.sigmoid(logits)

        model = AE()
        """
    assert setup_of(model, loop).head.activation == "sigmoid"
    assert setup_of(model, loop.replace("logits, out = ", "out, probabilities = ")).head.activation == "linear"


def test_layers_built_in_a_loop() -> None:
    setup = setup_of(
        """
        class AE(nn.Module):
            def __init__(self, sizes=(784, 128, 32)):
                super().__init__()
                layers = []
                for a, b in zip(sizes[:-1], sizes[1:]):
                    layers += [nn.Linear(a, b), nn.ReLU()]
                for a, b in zip(sizes[:0:-1], sizes[-2::-1]):
                    layers.append(nn.Linear(a, b))
                    layers.append(nn.ReLU())
                layers[-1] = nn.Sigmoid()
                self.net = nn.Sequential(*layers)

            def forward(self, x):
                return self.net(x)

        model = AE()
        """
    )
    assert setup.head.activation == "sigmoid"


def test_a_module_list_walked_in_forward() -> None:
    setup = setup_of(
        """
        class AE(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = nn.ModuleList([nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 784)])
                self.layers.append(nn.Tanh())

            def forward(self, x):
                for layer in self.layers:
                    x = layer(x)
                return x

        model = AE()
        """
    )
    assert setup.head.activation == "tanh"


def test_activation_from_a_dictionary() -> None:
    setup = setup_of(
        """
        ACTIVATIONS = {"sigmoid": nn.Sigmoid(), "tanh": nn.Tanh(), "none": nn.Identity()}

        class AE(nn.Module):
            def __init__(self, out):
                super().__init__()
                self.net = nn.Linear(784, 784)
                self.out = ACTIVATIONS[out]

            def forward(self, x):
                return self.out(self.net(x))

        model = AE("tanh")
        """
    )
    assert setup.head.activation == "tanh"


def test_what_follows_the_activation_is_told() -> None:
    setup = setup_of("model = nn.Sequential(nn.Linear(784, 784), nn.Sigmoid(), nn.Dropout(0.5), nn.Flatten())\n")
    assert setup.head.activation == "sigmoid"
    assert "Dropout" in setup.head.after


def test_batch_norm_after_the_activation_unbinds_it() -> None:
    setup = setup_of("model = nn.Sequential(nn.Linear(784, 784), nn.Sigmoid(), nn.BatchNorm1d(784))\n")
    assert setup.head.range.values.hull.is_real_line
    assert "BatchNorm1d" in setup.head.after


def test_an_affine_map_of_a_sigmoid() -> None:
    loop = LOOP.replace("out = model(img)", "out = 2 * model(img) - 1")
    head = setup_of("model = nn.Sequential(nn.Linear(784, 784), nn.Sigmoid())\n", loop).head
    assert head.activation == "sigmoid"
    assert (head.range.values.hull.lo, head.range.values.hull.hi) == (-1.0, 1.0)


def test_a_model_with_batch_norm_first_normalises_its_input() -> None:
    normal = setup_of("model = nn.Sequential(nn.BatchNorm1d(784), nn.Linear(784, 784))\n")
    assert normal.model.normalises_input is Tri.YES
    plain = setup_of("model = nn.Sequential(nn.Linear(784, 784), nn.BatchNorm1d(784))\n")
    assert plain.model.normalises_input is Tri.NO


def test_a_model_from_a_function() -> None:
    setup = setup_of(
        """
        def block(a, b, act=nn.ReLU()):
            return nn.Sequential(nn.Linear(a, b), act)

        def build():
            return nn.Sequential(block(784, 32), block(32, 784, act=nn.Sigmoid()))

        model = build().to("cuda")
        """
    )
    assert setup.head.activation == "sigmoid"


def test_a_users_own_activation_module() -> None:
    setup = setup_of(
        """
        class Scaled(nn.Module):
            def forward(self, x):
                return torch.sigmoid(x) * 255.0

        model = nn.Sequential(nn.Linear(784, 784), Scaled())
        """
    )
    assert setup.head.activation == "sigmoid"
    assert setup.head.range.values.hull.hi == 255.0


def test_a_model_loaded_from_elsewhere_is_unknown() -> None:
    setup = setup_of('from my_models import make\nmodel = make("ae")\n')
    assert setup.head.activation is None
