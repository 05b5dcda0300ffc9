"""Torch training loops of the shapes that people write, by hand and with Lightning: one set-up, plain in each."""

from __future__ import annotations

import pytest

from ae_audit.schema.training_setup import Relation
from tests.static.torch_programs import LOADER, NET, assert_plain, setup_of

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
