"""Torch programs whose model, data set or loss is not the usual: parts out of reach, likelihoods, constants."""

from __future__ import annotations

import math
import textwrap

import pytest

from ae_audit.schema.training_setup import Relation, TrainingSetup
from ae_audit.static import analyse_file
from ae_audit.theory.ranges import Tri

HEAD = """
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torchvision import datasets, transforms
from torch.distributions import Bernoulli, Categorical, Independent, Laplace, Normal, Poisson, StudentT

loader = torch.utils.data.DataLoader(datasets.MNIST("data", transform=transforms.ToTensor()), batch_size=64)
net = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 784))
optimizer = torch.optim.Adam(net.parameters())
"""


def setups_of(body: str) -> tuple[TrainingSetup, ...]:
    result = analyse_file("program.py", (HEAD + textwrap.dedent(body)).encode())
    assert not result.errors
    return result.setups


def setup_of(body: str) -> TrainingSetup:
    setups = setups_of(body)
    assert len(setups) == 1, setups
    return setups[0]


LIKELIHOODS = {
    "Normal(y, 1.0)": ("gaussian_nll", Tri.NO),
    "Normal(loc=torch.sigmoid(y), scale=0.1)": ("gaussian_nll", Tri.NO),
    "torch.distributions.Normal(y, torch.exp(y))": ("gaussian_nll", Tri.NO),
    "Independent(Normal(y, 1.0), 1)": ("gaussian_nll", Tri.NO),
    "Laplace(y, 1.0)": ("mae", Tri.NO),
    "Poisson(F.softplus(y))": ("poisson", Tri.NO),
    "Bernoulli(torch.sigmoid(y))": ("bce", Tri.NO),
    "Bernoulli(probs=torch.sigmoid(y))": ("bce", Tri.NO),
    "Bernoulli(logits=y)": ("bce", Tri.YES),
    "Bernoulli(None, y)": ("bce", Tri.YES),
    "StudentT(3.0, y)": (None, Tri.UNKNOWN),
}


@pytest.mark.parametrize("distribution", LIKELIHOODS)
def test_a_negative_log_likelihood_of_data_is_a_loss(distribution: str) -> None:
    setup = setup_of(f"""
    for img, _ in loader:
        x = img.view(-1, 784)
        y = net(x)
        loss = -{distribution}.log_prob(x).sum(-1).mean()
        loss.backward()
    """)
    assert (setup.loss.name, setup.loss.from_logits) == LIKELIHOODS[distribution]
    assert setup.relation is Relation.SAME


SCALES = {
    "1.0": 1.0,
    "torch.ones_like(y)": 1.0,
    "0.1 * torch.ones(784)": 0.1,
    "torch.tensor(0.5)": 0.5,
    "torch.exp(torch.full_like(y, 0.0))": 1.0,
    "torch.exp(y)": None,
    "nn.Parameter(torch.ones(1))": None,
    "torch.ones(1, requires_grad=True)": None,
    "torch.ones(1).requires_grad_()": None,
    "torch.rand(784)": None,
}


@pytest.mark.parametrize("loss", ["-Normal(y, scale).log_prob(x)", "F.gaussian_nll_loss(y, x, scale**2, True)"])
@pytest.mark.parametrize("scale", SCALES)
def test_the_scale_of_a_likelihood_is_known_where_it_is_fixed(scale: str, loss: str) -> None:
    setup = setup_of(f"""
    for img, _ in loader:
        x = img.view(-1, 784)
        y = net(x)
        scale = {scale}
        loss = ({loss}).mean()
        loss.backward()
    """)
    assert setup.loss.theory is not None
    expected, least = SCALES[scale], setup.loss.theory.floor(0.0)
    assert math.isnan(least) if expected is None else least == pytest.approx(0.5 * math.log(2 * math.pi * expected**2))


def test_the_log_likelihood_of_a_code_is_no_comparison_with_data() -> None:
    setup = setup_of("""
    for img, _ in loader:
        x = img.view(-1, 784)
        q = Normal(net(x)[:, :20], 1.0)
        z = q.rsample()
        latent = q.log_prob(z).sum(-1) - Normal(0.0, 1.0).log_prob(z).sum(-1)
        loss = F.mse_loss(net(x), x) + latent.mean()
        loss.backward()
    """)
    assert setup.loss.name == "mse"


def test_a_policy_gradient_compares_nothing_with_data() -> None:
    setup = setup_of("""
    for img, _ in loader:
        policy = Categorical(logits=net(img.view(-1, 784)))
        action = policy.sample()
        loss = -(policy.log_prob(action) * 2.0).mean()
        loss.backward()
    """)
    assert setup.loss.name == "policy_gradient"
    assert setup.target.values.unknown


def test_a_parameter_without_gradient_is_the_data_in_it() -> None:
    setup = setup_of("""
    for img, _ in loader:
        valid = nn.Parameter(torch.FloatTensor(64, 1).fill_(1.0), requires_grad=False)
        loss = F.binary_cross_entropy(torch.sigmoid(net(img.view(-1, 784))), valid)
        loss.backward()
    """)
    assert setup.target.values.hull.lo == setup.target.values.hull.hi == 1.0


def test_a_parameter_with_gradient_is_weights() -> None:
    setup = setup_of("""
    weights = nn.Parameter(torch.rand(784))
    for img, _ in loader:
        x = img.view(-1, 784)
        loss = F.mse_loss(torch.sigmoid(x * weights), x)
        loss.backward()
    """)
    assert setup.head.activation == "sigmoid"
    assert setup.relation is Relation.SAME


@pytest.mark.parametrize("attribute", ["sample", "mean", "logits", "last_hidden_state"])
def test_an_attribute_of_what_an_unknown_model_returns_is_its_prediction(attribute: str) -> None:
    setup = setup_of(f"""
    from somewhere import Model
    model = Model()
    for img, _ in loader:
        loss = F.mse_loss(model(img, 0).{attribute}, img)
        loss.backward()
    """)
    assert setup.head.activation is None
    assert (setup.target.values.hull.lo, setup.target.values.hull.hi) == (0.0, 1.0)


@pytest.mark.parametrize("spread", ["F.softplus(net(x))", "net(x).mul(0.5).exp()", "x.std()", "(x.std() + 1e-6)"])
def test_an_error_divided_by_a_spread_is_the_same_error(spread: str) -> None:
    setup = setup_of(f"""
    for img, _ in loader:
        x = img.view(-1, 784)
        sigma = {spread}
        loss = torch.sum(((x - torch.sigmoid(net(x))) / sigma) ** 2) / 64 + torch.sum(sigma)
        loss.backward()
    """)
    assert (setup.loss.name, setup.head.activation) == ("mse", "sigmoid")


UNKNOWN_RESULTS = {
    "recon, mu, logvar = vae(x)": "recon",
    "result = vae(x)": "result[0]",
    "result = vae(x, 3)": "result['recon']",
    "result = vae(x).to('cpu')": "result.reconstruction",
}


@pytest.mark.parametrize("call", UNKNOWN_RESULTS)
def test_one_of_several_things_that_an_unknown_model_returns_was_computed_from_its_input(call: str) -> None:
    setup = setup_of(f"""
    from models import VAE
    vae = VAE()
    for x, _ in loader:
        {call}
        loss = F.mse_loss({UNKNOWN_RESULTS[call]}, x * 255)
        loss.backward()
    """)
    assert setup.relation is Relation.RESCALED
    assert setup.input.values.hull.hi == 1.0
    assert setup.target.values.hull.hi == 255.0


def test_an_activation_of_a_part_of_what_an_unknown_model_returns_is_the_head() -> None:
    setup = setup_of("""
    from models import VAE
    vae = VAE()
    for x, _ in loader:
        recon, mu, logvar = vae(x)
        loss = F.binary_cross_entropy_with_logits(torch.sigmoid(recon), x)
        loss.backward()
    """)
    assert setup.head.activation == "sigmoid"
    assert setup.loss.from_logits is Tri.YES


def test_a_batch_from_an_unknown_function_is_data_not_a_prediction() -> None:
    setup = setup_of("""
    from data import get_batch, corpus
    model = nn.Sequential(nn.Linear(784, 784), nn.Sigmoid())
    for step in range(100):
        x, y = get_batch(corpus, step)
        loss = F.mse_loss(y, model(x))
        loss.backward()
    """)
    assert setup.head.activation == "sigmoid"
    assert setup.relation is Relation.UNKNOWN


def test_noise_that_an_unknown_function_mixes_into_the_input_is_not_the_input() -> None:
    setup = setup_of("""
    from diffusers import DDPMScheduler, UNet2DModel
    unet, scheduler = UNet2DModel(), DDPMScheduler(1000)
    for x, _ in loader:
        noise = torch.randn_like(x)
        t = torch.randint(0, 1000, (64,))
        loss = F.mse_loss(unet(scheduler.add_noise(x, noise, t), t).sample, noise)
        loss.backward()
    """)
    assert setup.relation is not Relation.SAME


def test_a_number_computed_from_an_unknown_number_is_no_distribution() -> None:
    setup = setup_of("""
    from data import load
    images = load()
    class Sets(torch.utils.data.Dataset):
        def __getitem__(self, i):
            return images[i], images[i].shape[0] - 1
    model = nn.Linear(10, 10)
    for sets, labels in torch.utils.data.DataLoader(Sets(), batch_size=8):
        loss = F.cross_entropy(model(sets), labels)
        loss.backward()
    """)
    assert setup.loss.name == "cross_entropy"
