"""What the static stage knows of losses in torch programs: their name, logits, reduction, arguments and place."""

from __future__ import annotations

import textwrap

import pytest

from ae_audit.rules.runner import check
from ae_audit.schema.training_setup import Relation, TrainingSetup
from ae_audit.static import analyse_file
from ae_audit.theory.ranges import Tri

HEAD = """
import torch
import torch.nn as nn
import torch.nn.functional as F
from torchvision import datasets, transforms

loader = torch.utils.data.DataLoader(datasets.MNIST("data", transform=transforms.ToTensor()), batch_size=64)
net = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 784), nn.Sigmoid())
"""


def setups_of(body: str) -> tuple[TrainingSetup, ...]:
    result = analyse_file("program.py", (HEAD + textwrap.dedent(body)).encode())
    assert not result.errors
    return result.setups


def setup_of(expression: str, before: str = "") -> TrainingSetup:
    body = f"""
for data, _ in loader:
    x = data.view(-1, 784)
    y = net(x)
    loss = {expression}
    loss.backward()
"""
    setups = setups_of(before + body)
    assert len(setups) == 1, setups
    return setups[0]


EXPRESSIONS = {
    "nn.MSELoss()(y, x)": ("mse", Tri.NO, "mean"),
    "nn.MSELoss(reduction='sum')(y, x)": ("mse", Tri.NO, "sum"),
    "nn.MSELoss(size_average=False)(y, x)": ("mse", Tri.NO, "sum"),
    "F.mse_loss(y, x, reduction='none').sum(dim=1).mean()": ("mse", Tri.NO, None),
    "F.l1_loss(y, x)": ("mae", Tri.NO, "mean"),
    "F.smooth_l1_loss(y, x)": ("smooth_l1", Tri.NO, "mean"),
    "nn.HuberLoss()(y, x)": ("huber", Tri.NO, "mean"),
    "F.binary_cross_entropy(y, x)": ("bce", Tri.NO, "mean"),
    "nn.BCELoss(reduction='sum')(y, x)": ("bce", Tri.NO, "sum"),
    "F.binary_cross_entropy(y, x, size_average=False)": ("bce", Tri.NO, "sum"),
    "nn.BCEWithLogitsLoss()(y, x)": ("bce", Tri.YES, "mean"),
    "F.binary_cross_entropy_with_logits(y, x)": ("bce", Tri.YES, "mean"),
    "torch.nn.functional.binary_cross_entropy(input=y, target=x)": ("bce", Tri.NO, "mean"),
    "F.poisson_nll_loss(y, x, log_input=False)": ("poisson", Tri.NO, "mean"),
    "((y - x) ** 2).mean()": ("mse", Tri.NO, "mean"),
    "((x - y) ** 2).sum()": ("mse", Tri.NO, "sum"),
    "torch.mean((y - x).pow(2))": ("mse", Tri.NO, "mean"),
    "torch.mean(torch.pow(y - x, 2))": ("mse", Tri.NO, "mean"),
    "torch.mean(torch.square(y - x))": ("mse", Tri.NO, "mean"),
    "(y - x).abs().mean()": ("mae", Tri.NO, "mean"),
    "torch.mean(torch.abs(x - y))": ("mae", Tri.NO, "mean"),
    "-(x * torch.log(y) + (1 - x) * torch.log(1 - y)).mean()": ("bce", Tri.NO, "mean"),
    "-torch.sum(x * torch.log(y + 1e-8) + (1 - x) * torch.log(1 - y + 1e-8))": ("bce", Tri.NO, "sum"),
}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_spellings_of_losses(expression: str) -> None:
    setup = setup_of(expression)
    name, from_logits, reduction = EXPRESSIONS[expression]
    assert setup.loss.name == name
    assert setup.loss.from_logits is from_logits
    if reduction is not None:
        assert setup.loss.reduction == reduction
    assert setup.head.activation == "sigmoid"
    assert setup.relation is Relation.SAME


def test_cross_entropy_against_the_image_itself() -> None:
    setup = setup_of("F.cross_entropy(y, x)")
    assert setup.loss.name in {"cross_entropy", "cce"}
    assert setup.loss.from_logits is Tri.YES


@pytest.mark.parametrize("expression", ["F.mse_loss(x, y)", "criterion(x, y)", "F.binary_cross_entropy(x, y)"])
def test_swapped_arguments_are_told_apart_by_the_model(expression: str) -> None:
    setup = setup_of(expression, "criterion = nn.MSELoss()\n")
    assert setup.head.activation == "sigmoid"
    assert setup.target.values.hull.hi == 1.0
    assert setup.target.source is not None


def test_the_place_of_the_loss() -> None:
    setup = setup_of("criterion(y, x)", "criterion = nn.BCELoss()\n")
    source = (HEAD + "criterion = nn.BCELoss()\n").splitlines()
    assert setup.loss.location is not None
    assert source[setup.loss.location.line - 1][setup.loss.location.column - 1 :] == "nn.BCELoss()"
    assert setup.loss.written == "nn.BCELoss()"
    assert setup.location.line == len(source) + 5


def test_a_loss_function_of_a_vae() -> None:
    setups = setups_of(
        """
        class VAE(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc1 = nn.Linear(784, 400)
                self.fc21 = nn.Linear(400, 20)
                self.fc22 = nn.Linear(400, 20)
                self.fc3 = nn.Linear(20, 400)
                self.fc4 = nn.Linear(400, 784)

            def encode(self, x):
                h1 = F.relu(self.fc1(x))
                return self.fc21(h1), self.fc22(h1)

            def reparameterize(self, mu, logvar):
                std = torch.exp(0.5 * logvar)
                eps = torch.randn_like(std)
                return mu + eps * std

            def decode(self, z):
                h3 = F.relu(self.fc3(z))
                return torch.sigmoid(self.fc4(h3))

            def forward(self, x):
                mu, logvar = self.encode(x.view(-1, 784))
                z = self.reparameterize(mu, logvar)
                return self.decode(z), mu, logvar

        model = VAE().to("cpu")

        def loss_function(recon_x, x, mu, logvar):
            BCE = F.binary_cross_entropy(recon_x, x.view(-1, 784), reduction='sum')
            KLD = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
            return BCE + KLD

        def train(epoch):
            model.train()
            for batch_idx, (data, _) in enumerate(loader):
                recon_batch, mu, logvar = model(data)
                loss = loss_function(recon_batch, data, mu, logvar)
                loss.backward()

        if __name__ == "__main__":
            for epoch in range(1, 11):
                train(epoch)
        """
    )
    assert len(setups) == 1
    setup = setups[0]
    assert setup.head.activation == "sigmoid"
    assert (setup.loss.name, setup.loss.reduction) == ("bce", "sum")
    assert setup.relation is Relation.SAME
    assert setup.model.variational is Tri.YES


def test_a_sum_of_losses_and_a_penalty_is_one_setup_each() -> None:
    setup = setup_of("F.mse_loss(y, x) + 1e-4 * sum(p.abs().sum() for p in net.parameters())")
    assert setup.loss.name == "mse"


def test_a_latent_loss_between_two_codes_is_no_setup() -> None:
    setups = setups_of(
        """
        encoder, decoder = nn.Linear(784, 32), nn.Linear(32, 784)
        for data, _ in loader:
            x = data.view(-1, 784)
            z = encoder(x)
            y = decoder(z)
            again = encoder(y)
            loss = F.mse_loss(y, x) + 0.1 * F.mse_loss(again, z.detach())
            loss.backward()
        """
    )
    assert [setup.target.source is not None for setup in setups] == [True]


def test_a_loss_picked_by_a_dictionary() -> None:
    setup = setup_of("losses['bce'](y, x)", "losses = {'mse': nn.MSELoss(), 'bce': nn.BCELoss()}\n")
    assert setup.loss.name == "bce"


def test_a_loss_of_the_users_own_stays_unnamed() -> None:
    setup = setup_of("odd(y, x)", "from elsewhere import odd\n")
    assert setup.loss.name is None


def test_two_models_two_setups() -> None:
    setups = setups_of(
        """
        classifier = nn.Linear(784, 10)
        for data, label in loader:
            x = data.view(-1, 784)
            a = F.mse_loss(net(x), x)
            b = F.cross_entropy(classifier(x), label)
            (a + b).backward()
        """
    )
    assert {setup.loss.name for setup in setups} == {"mse", "sparse_cce"}
    by_loss = {setup.loss.name: setup for setup in setups}
    assert by_loss["mse"].head.activation == "sigmoid"
    assert by_loss["sparse_cce"].head.activation == "linear"
    assert by_loss["sparse_cce"].relation is Relation.LABELS


def test_the_rate_of_a_sparse_code_is_no_target() -> None:
    setups = setups_of("""
    rate = torch.FloatTensor([0.05 for _ in range(32)])
    for data, _ in loader:
        x = data.view(-1, 784)
        y = net(x)
        seen = torch.mean(net[0](x), dim=0)
        sparsity = torch.sum(rate * torch.log(rate / seen)) + torch.sum((1 - rate) * torch.log((1 - rate) / (1 - seen)))
        loss = F.mse_loss(y, x) + 3 * sparsity
        loss.backward()
    """)
    assert [setup.loss.name for setup in setups] == ["mse"]


@pytest.mark.parametrize(
    ("loss", "name"),
    [("nn.MSELoss()", "mse"), ("nn.L1Loss()", "mae"), ("nn.BCELoss()", None), ("nn.BCEWithLogitsLoss()", None)],
)
def test_arguments_the_wrong_way_round(loss: str, name: str | None) -> None:
    """They make no difference to a distance; of another loss nothing is claimed that holds the right way round."""
    source = f"""
import torch
from torch import nn
x = torch.rand(512, 64)
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 64), nn.Sigmoid())
optimizer = torch.optim.Adam(model.parameters())
criterion = {loss}
for epoch in range(300):
    optimizer.zero_grad()
    loss = criterion(x, model(x))
    loss.backward()
    optimizer.step()
"""
    result = analyse_file("program.py", source.encode())
    (setup,) = result.setups
    assert (setup.loss.name, setup.head.activation) == (name, "sigmoid")
    reasons = {item.why for item in result.undecided if item.what == "loss"}
    assert reasons == (set() if name else {"prediction and target are given to `bce` the wrong way round"})
    assert not {finding.code for finding in check(result.setups)[0]}


@pytest.mark.parametrize(
    "loss",
    [
        "criterion(output, images)",
        "criterion(output, images) + weight * output.norm()",
        "0.5 * criterion(output, images) - bonus(output, weight) / 2",
    ],
)
def test_a_loss_that_is_handed_in_is_said_to_be_unknown_whatever_is_added_to_it(loss: str) -> None:
    source = f"""
import torch
def train(model, loader, optimizer, criterion, bonus, weight):
    for images, label in loader:
        optimizer.zero_grad()
        output = model(images)
        loss = {loss}
        loss.backward()
        optimizer.step()
"""
    result = analyse_file("program.py", source.encode())
    assert result.setups
    assert ("loss", "the parameter `criterion` of train()") in {(item.what, item.why) for item in result.undecided}
