"""Whole torch programs of the shapes that people write: the facts of the one set-up that each trains."""

from __future__ import annotations

import textwrap

import pytest

from ae_audit.static import analyse_file
from ae_audit.theory.ranges import Tri
from ae_audit.training_setup import Relation, Structure, TrainingSetup

IMPORTS = """
import argparse
from collections import OrderedDict
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.autograd import Variable
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchvision import datasets, models, transforms
from torchvision.datasets import MNIST
from tqdm import tqdm
"""

LOADER = """
transform = transforms.ToTensor()
train_loader = DataLoader(MNIST("data", train=True, transform=transform), batch_size=64, shuffle=True)
test_loader = DataLoader(MNIST("data", train=False, transform=transform), batch_size=64)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
"""

NET = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(784, 32), nn.ReLU(True))
        self.decoder = nn.Sequential(nn.Linear(32, 784), nn.Sigmoid())

    def forward(self, x):
        return self.decoder(self.encoder(x))
"""


def setups_of(*parts: str) -> tuple[TrainingSetup, ...]:
    source = IMPORTS + "".join(textwrap.dedent(part) for part in parts)
    compile(source, "program.py", "exec")
    result = analyse_file("program.py", source.encode())
    assert not result.errors
    return result.setups


def setup_of(*parts: str) -> TrainingSetup:
    setups = setups_of(*parts)
    assert len(setups) == 1, setups
    return setups[0]


def assert_plain(setup: TrainingSetup, loss: str = "mse") -> None:
    """Sigmoid against MNIST in [0, 1], the input itself."""
    assert setup.head.activation == "sigmoid"
    assert setup.loss.name == loss
    assert (setup.target.values.hull.lo, setup.target.values.hull.hi) == (0.0, 1.0)
    assert setup.target.values.reach is not None
    assert setup.relation is Relation.SAME


LOOPS = {
    "in functions": """
        def train(model, loader, criterion, optimizer, device):
            model.train()
            total = 0.0
            for images, _ in tqdm(loader):
                images = images.view(images.size(0), -1).to(device)
                optimizer.zero_grad()
                outputs = model(images)
                loss = criterion(outputs, images)
                loss.backward()
                optimizer.step()
                total += loss.item()
            return total / len(loader)

        def evaluate(model, loader, criterion):
            model.eval()
            with torch.no_grad():
                for images, _ in loader:
                    images = images.view(images.size(0), -1)
                    criterion(model(images), images)

        def main():
            model = Net().to(device)
            criterion = nn.MSELoss()
            optimizer = optim.Adam(model.parameters(), lr=1e-3)
            for epoch in range(10):
                train(model, train_loader, criterion, optimizer, device)
                evaluate(model, test_loader, criterion)

        if __name__ == "__main__":
            main()
        """,
    "a trainer class": """
        class Trainer:
            def __init__(self, model, criterion=nn.MSELoss()):
                self.model = model
                self.criterion = criterion
                self.optimizer = optim.Adam(self.model.parameters())

            def step(self, batch):
                x = batch[0].view(-1, 28 * 28)
                self.optimizer.zero_grad()
                loss = self.criterion(self.model(x), x)
                loss.backward()
                self.optimizer.step()
                return loss

            def fit(self, loader, epochs):
                for _ in range(epochs):
                    for batch in loader:
                        self.step(batch)

        Trainer(Net()).fit(train_loader, 5)
        """,
    "legacy variables": """
        model = Net().cuda()
        criterion = nn.MSELoss().cuda()
        for epoch in range(5):
            for i, data in enumerate(train_loader, 0):
                img, _ = data
                img = img.view(img.size(0), -1)
                img = Variable(img).cuda()
                output = model(img)
                loss = criterion(output, img)
                loss.backward()
        """,
    "an iterator": """
        model = Net()
        batches = iter(train_loader)
        for step in range(1000):
            try:
                x, y = next(batches)
            except StopIteration:
                batches = iter(train_loader)
                x, y = next(batches)
            x = x.flatten(start_dim=1)
            loss = F.mse_loss(model(x), x)
            loss.backward()
        """,
    "a closure": """
        model = Net()
        optimizer = optim.LBFGS(model.parameters())
        for x, _ in train_loader:
            x = x.reshape(x.shape[0], -1)

            def closure():
                optimizer.zero_grad()
                loss = F.mse_loss(model(x), x)
                loss.backward()
                return loss

            optimizer.step(closure)
        """,
    "mixed precision": """
        model = Net().to(device)
        scaler = torch.cuda.amp.GradScaler()
        for x, _ in train_loader:
            x = x.view(-1, 784).to(device, non_blocking=True)
            with torch.cuda.amp.autocast():
                loss = F.mse_loss(model(x), x)
            scaler.scale(loss).backward()
            scaler.step(optim.Adam(model.parameters()))
            scaler.update()
        """,
    "phases": """
        model = Net()
        loaders = {"train": train_loader, "val": test_loader}
        for epoch in range(2):
            for phase in ["train", "val"]:
                for x, _ in loaders[phase]:
                    x = x.view(-1, 784)
                    with torch.set_grad_enabled(phase == "train"):
                        loss = F.mse_loss(model(x), x)
                        if phase == "train":
                            loss.backward()
        """,
    "accelerate": """
        from accelerate import Accelerator

        accelerator = Accelerator()
        model = Net()
        optimizer = optim.Adam(model.parameters())
        model, optimizer, train_loader = accelerator.prepare(model, optimizer, train_loader)
        for x, _ in train_loader:
            x = x.view(-1, 784)
            loss = F.mse_loss(model(x), x)
            accelerator.backward(loss)
        """,
    "ignite": """
        from ignite.engine import Engine

        model = Net()

        def update(engine, batch):
            x, _ = batch
            x = x.view(-1, 784)
            loss = F.mse_loss(model(x), x)
            loss.backward()
            return loss.item()

        Engine(update).run(train_loader, max_epochs=3)
        """,
    "parallel": """
        model = nn.DataParallel(Net()).cuda()
        for x, _ in train_loader:
            x = x.view(-1, 784)
            loss = F.mse_loss(model(x), x)
            loss.backward()
        """,
    "encoder and decoder": """
        model = Net()
        encoder, decoder = model.encoder, model.decoder
        for x, _ in train_loader:
            x = x.view(-1, 784)
            code = encoder(x)
            loss = F.mse_loss(decoder(code), x)
            loss.backward()
        """,
    "options": """
        parser = argparse.ArgumentParser()
        parser.add_argument("--epochs", type=int, default=10)
        parser.add_argument("--no-cuda", action="store_true")
        args = parser.parse_args()
        args.cuda = not args.no_cuda and torch.cuda.is_available()
        model = Net()
        if args.cuda:
            model.cuda()
        for epoch in range(1, args.epochs + 1):
            for x, _ in train_loader:
                x = x.view(-1, 784)
                if args.cuda:
                    x = x.cuda()
                loss = F.mse_loss(model(x), x)
                loss.backward()
        """,
}


@pytest.mark.parametrize("name", LOOPS)
def test_training_loops(name: str) -> None:
    assert_plain(setup_of(LOADER, NET, LOOPS[name]))


LIGHTNING = """
import lightning.pytorch as pl


class LitAE(pl.LightningModule):
    def __init__(self, lr=1e-3):
        super().__init__()
        self.save_hyperparameters()
        self.encoder = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 3))
        self.decoder = nn.Sequential(nn.Linear(3, 64), nn.ReLU(), nn.Linear(64, 784), nn.Sigmoid())

    def forward(self, x):
        return self.decoder(self.encoder(x))

    def training_step(self, batch, batch_idx):
        x, y = batch
        x = x.view(x.size(0), -1)
        z = self.encoder(x)
        x_hat = self.decoder(z)
        loss = F.mse_loss(x_hat, x)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        x = x.view(x.size(0), -1)
        self.log("val_loss", F.mse_loss(self(x), x))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)
"""


def test_lightning_with_a_loader() -> None:
    setup = setup_of(LOADER, LIGHTNING, "pl.Trainer(max_epochs=3).fit(LitAE(), train_loader, test_loader)\n")
    assert_plain(setup)


def test_lightning_with_a_data_module() -> None:
    module = """
        class Data(pl.LightningDataModule):
            def __init__(self, batch_size=32):
                super().__init__()
                self.batch_size = batch_size
                self.transform = transforms.Compose([transforms.ToTensor()])

            def setup(self, stage):
                full = MNIST("data", train=True, transform=self.transform)
                self.train, self.val = torch.utils.data.random_split(full, [55000, 5000])

            def train_dataloader(self):
                return DataLoader(self.train, batch_size=self.batch_size)

            def val_dataloader(self):
                return DataLoader(self.val, batch_size=self.batch_size)

        trainer = pl.Trainer(max_epochs=3)
        trainer.fit(LitAE(), datamodule=Data())
        trainer.test(datamodule=Data())
        """
    assert_plain(setup_of(LIGHTNING, module))


def test_a_lightning_module_that_nothing_trains() -> None:
    setup = setup_of(LIGHTNING)
    assert setup.head.activation == "sigmoid"
    assert setup.relation is Relation.SAME
    assert setup.target.values.unknown


def test_layers_named_by_an_ordered_dict() -> None:
    model = """
        model = nn.Sequential(OrderedDict([("fc", nn.Linear(784, 784)), ("act", nn.Sigmoid())]))
        for x, _ in train_loader:
            x = x.view(-1, 784)
            F.mse_loss(model(x), x).backward()
        """
    assert_plain(setup_of(LOADER, model))


def test_layers_added_by_name() -> None:
    model = """
        class AE(nn.Module):
            def __init__(self):
                super(AE, self).__init__()
                self.main = nn.Sequential()
                self.main.add_module("fc", nn.Linear(784, 784))
                self.main.add_module("act", nn.Sigmoid())

            def forward(self, x):
                return self.main(x)

        model = AE()
        for x, _ in train_loader:
            x = x.view(-1, 784)
            F.mse_loss(model(x), x).backward()
        """
    assert_plain(setup_of(LOADER, model))


def test_an_activation_found_by_its_name() -> None:
    model = """
        def make(act):
            return nn.Sequential(nn.Linear(784, 784), getattr(nn, act)())

        model = make("Sigmoid")
        for x, _ in train_loader:
            x = x.view(-1, 784)
            F.mse_loss(model(x), x).backward()
        """
    assert_plain(setup_of(LOADER, model))


@pytest.mark.parametrize("given", ["", "activation='tanh'", "activation='sigmoid'"])
def test_an_activation_chosen_by_a_branch(given: str) -> None:
    model = f"""
        class AE(nn.Module):
            def __init__(self, activation="sigmoid"):
                super().__init__()
                self.fc = nn.Linear(784, 784)
                if activation == "sigmoid":
                    self.act = nn.Sigmoid()
                elif activation == "tanh":
                    self.act = nn.Tanh()
                else:
                    raise ValueError(activation)

            def forward(self, x):
                return self.act(self.fc(x))

        model = AE({given})
        for x, _ in train_loader:
            x = x.view(-1, 784)
            F.mse_loss(model(x), x).backward()
        """
    assert setup_of(LOADER, model).head.activation == ("tanh" if "tanh" in given else "sigmoid")


def test_a_convolutional_autoencoder_with_shapes() -> None:
    model = """
        class ConvAE(nn.Module):
            def __init__(self):
                super().__init__()
                self.enc = nn.Sequential(
                    nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(),
                )
                self.dec = nn.Sequential(
                    nn.ConvTranspose2d(32, 16, 3, stride=2, padding=1, output_padding=1), nn.ReLU(),
                    nn.ConvTranspose2d(16, 1, 3, stride=2, padding=1, output_padding=1), nn.Sigmoid(),
                )

            def forward(self, x):
                return self.dec(self.enc(x))

        model = ConvAE()
        for x, _ in train_loader:
            nn.BCELoss()(model(x), x).backward()
        """
    setup = setup_of(LOADER, model)
    assert_plain(setup, "bce")
    assert setup.head.shape == (None, 1, 28, 28)
    assert setup.target.shape == (None, 1, 28, 28)


def test_a_u_net_with_skips() -> None:
    model = """
        class UNet(nn.Module):
            def __init__(self):
                super().__init__()
                self.down = nn.Conv2d(1, 8, 3, padding=1)
                self.pool = nn.MaxPool2d(2)
                self.up = nn.Upsample(scale_factor=2, mode="bilinear")
                self.mid = nn.Conv2d(8, 8, 3, padding=1)
                self.out = nn.Conv2d(16, 1, 1)

            def forward(self, x):
                d = F.relu(self.down(x))
                m = F.relu(self.mid(self.pool(d)))
                return torch.sigmoid(self.out(torch.cat([self.up(m), d], dim=1)))

        model = UNet()
        for x, _ in train_loader:
            noisy = x + 0.2 * torch.randn(*x.shape)
            loss = F.mse_loss(model(noisy), x)
            loss.backward()
        """
    setup = setup_of(LOADER, model)
    assert setup.head.activation == "sigmoid"
    assert setup.relation is Relation.NOISED_INPUT


def test_a_segmentation_model_with_softmax_over_channels() -> None:
    model = """
        class Masks(Dataset):
            def __init__(self, images, masks):
                self.images, self.masks = images, masks

            def __getitem__(self, i):
                return torch.tensor(self.images[i]).float() / 255, torch.tensor(self.masks[i]).long()

        loader = DataLoader(Masks(np.load("images.npy"), np.load("masks.npy")), batch_size=8)
        model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 5, 1), nn.LogSoftmax(dim=1))
        for x, mask in loader:
            F.nll_loss(model(x), mask).backward()
        """
    setup = setup_of(model)
    assert (setup.head.activation, setup.head.axis, setup.head.units) == ("log_softmax", 1, 5)
    assert setup.loss.name == "nll"
    assert setup.target.structure is Structure.CLASS_INDEX


def test_a_classifier_with_softmax_before_cross_entropy() -> None:
    model = """
        class Classifier(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc1 = nn.Linear(784, 100)
                self.fc2 = nn.Linear(100, 10)

            def forward(self, x):
                x = F.relu(self.fc1(x.view(-1, 784)))
                return F.softmax(self.fc2(x), dim=1)

        model = Classifier()
        criterion = nn.CrossEntropyLoss()
        for x, y in train_loader:
            out = model(x)
            loss = criterion(out, y)
            loss.backward()
            accuracy = (out.argmax(1) == y).float().mean()
        """
    setup = setup_of(LOADER, model)
    assert (setup.head.activation, setup.head.axis, setup.head.units) == ("softmax", 1, 10)
    assert (setup.loss.name, setup.loss.from_logits) == ("sparse_cce", Tri.YES)
    assert setup.relation is Relation.LABELS


def test_one_hot_labels_with_a_regression_loss() -> None:
    model = """
        model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.Softmax(dim=1))
        for x, y in train_loader:
            target = F.one_hot(y, 10).float()
            F.mse_loss(model(x), target).backward()
        """
    setup = setup_of(LOADER, model)
    assert setup.target.structure is Structure.ONE_HOT
    assert setup.relation is Relation.LABELS


def test_a_pretrained_backbone_with_a_new_head() -> None:
    model = """
        model = models.resnet18(pretrained=True)
        model.fc = nn.Sequential(nn.Linear(512, 1), nn.Sigmoid())
        criterion = nn.BCEWithLogitsLoss()
        for x, y in train_loader:
            criterion(model(x).squeeze(1), y.float()).backward()
        """
    setup = setup_of(LOADER, model)
    assert setup.head.activation == "sigmoid"
    assert setup.loss.from_logits is Tri.YES


def test_a_recurrent_autoencoder_of_which_tanh_is_the_head() -> None:
    model = """
        class LSTMAE(nn.Module):
            def __init__(self):
                super().__init__()
                self.enc = nn.LSTM(28, 64, batch_first=True)
                self.dec = nn.LSTM(64, 28, batch_first=True)

            def forward(self, x):
                _, (h, _) = self.enc(x)
                h = h[-1].unsqueeze(1).repeat(1, x.size(1), 1)
                out, _ = self.dec(h)
                return out

        model = LSTMAE()
        for x, _ in train_loader:
            x = x.squeeze(1)
            F.mse_loss(model(x), x).backward()
        """
    setup = setup_of(LOADER, model)
    assert setup.head.activation == "tanh"
    assert setup.relation is Relation.SAME


def test_targets_rescaled_for_a_tanh_head() -> None:
    model = """
        model = nn.Sequential(nn.Linear(784, 784), nn.Tanh())
        for x, _ in train_loader:
            x = x.view(-1, 784)
            out = (model(x) + 1) / 2
            F.binary_cross_entropy(out, x).backward()
        """
    setup = setup_of(LOADER, model)
    assert (setup.head.range.values.hull.lo, setup.head.range.values.hull.hi) == (0.0, 1.0)


def test_a_generator_against_a_discriminator_is_no_reconstruction() -> None:
    model = """
        G = nn.Sequential(nn.Linear(100, 784), nn.Tanh())
        D = nn.Sequential(nn.Linear(784, 1), nn.Sigmoid())
        criterion = nn.BCELoss()
        for real, _ in train_loader:
            n = real.size(0)
            ones, zeros = torch.ones(n, 1), torch.zeros(n, 1)
            fake = G(torch.randn(n, 100))
            loss_d = criterion(D(real.view(n, -1)), ones) + criterion(D(fake.detach()), zeros)
            loss_d.backward()
            loss_g = criterion(D(fake), ones)
            loss_g.backward()
        """
    setups = setups_of(LOADER, model)
    assert {setup.head.activation for setup in setups} == {"sigmoid"}
    assert not [setup for setup in setups if setup.reconstruction is Tri.YES]


def test_a_gaussian_code_drawn_from_a_distribution() -> None:
    model = """
        class VAE(nn.Module):
            def __init__(self):
                super().__init__()
                self.enc = nn.Linear(784, 64)
                self.mu, self.sigma = nn.Linear(64, 8), nn.Linear(64, 8)
                self.dec = nn.Sequential(nn.Linear(8, 784), nn.Sigmoid())

            def forward(self, x):
                h = torch.relu(self.enc(x))
                q = torch.distributions.Normal(self.mu(h), F.softplus(self.sigma(h)))
                return self.dec(q.rsample()), q

        model = VAE()
        prior = torch.distributions.Normal(0, 1)
        for x, _ in train_loader:
            x = x.view(-1, 784)
            recon, q = model(x)
            kl = torch.distributions.kl_divergence(q, prior).sum()
            loss = F.binary_cross_entropy(recon, x, reduction="sum") + kl
            loss.backward()
        """
    setup = setup_of(LOADER, model)
    assert_plain(setup, "bce")
    assert setup.model.variational is Tri.YES


def test_a_loss_that_the_model_returns() -> None:
    model = """
        class AE(nn.Module):
            def __init__(self):
                super().__init__()
                self.net = nn.Sequential(nn.Linear(784, 784), nn.Sigmoid())

            def forward(self, x):
                out = self.net(x)
                return F.mse_loss(out, x)

        model = AE()
        for x, _ in train_loader:
            loss = model(x.view(-1, 784))
            loss.backward()
        """
    assert_plain(setup_of(LOADER, model))


def test_a_loss_as_a_module_of_the_users_own() -> None:
    model = """
        class VAELoss(nn.Module):
            def __init__(self, beta=1.0):
                super().__init__()
                self.beta = beta
                self.mse = nn.MSELoss(reduction="sum")

            def forward(self, recon, x, extra):
                return self.mse(recon, x) + self.beta * extra

        model = Net()
        criterion = VAELoss()
        for x, _ in train_loader:
            x = x.view(-1, 784)
            loss = criterion(model(x), x, 0.0)
            loss.backward()
        """
    assert_plain(setup_of(LOADER, NET, model))


def test_tabular_data_from_arrays() -> None:
    model = """
        X = np.random.rand(1000, 30).astype(np.float32)
        tensor = torch.from_numpy(X)
        loader = DataLoader(TensorDataset(tensor), batch_size=32)
        model = nn.Sequential(nn.Linear(30, 8), nn.ReLU(), nn.Linear(8, 30), nn.Sigmoid())
        for (x,) in loader:
            F.mse_loss(model(x), x).backward()
        """
    setup = setup_of(model)
    assert setup.relation is Relation.SAME
    assert setup.target.values.hull.closure().hi == 1.0
