"""Loops that a library runs: Lightning, Accelerate and Ignite, each with its own ways of stepping."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ae_audit.runtime.host.accommodations.lightning_trainer import tame_trainers
from ae_audit.runtime.host.imports import ImportWatch
from ae_audit.schema.messages import HowItEnded
from ae_audit.schema.remedies import SwapActivation
from ae_audit.schema.training_setup import Relation

Record = Callable[..., Any]

AUTOENCODER = """
import lightning as L
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

class Data(L.LightningDataModule):
    def setup(self, stage=None):
        data = torch.utils.data.TensorDataset(images)
        self.train, self.held_out = torch.utils.data.random_split(data, [300, 100])

    def train_dataloader(self):
        return torch.utils.data.DataLoader(self.train, 50, shuffle=True, num_workers=2, persistent_workers=True)

    def val_dataloader(self):
        return torch.utils.data.DataLoader(self.held_out, 50)

class Autoencoder(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 16), nn.Softmax(dim=1))
        self.criterion = nn.MSELoss()

    def training_step(self, batch, number):
        (x,) = batch
        loss = self.criterion(self.layers(x), x)
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch, number):
        (x,) = batch
        self.log("val_loss", F.mse_loss(self.layers(x), x))

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=0.01)
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "monitor": "val_loss"}}

trainer = L.Trainer(
    max_epochs=50, accelerator="gpu", devices=4, strategy="ddp", precision="bf16-mixed", gpus=4,
    gradient_clip_val=1.0, logger=CSVLogger("logs"), default_root_dir="logs",
    callbacks=[ModelCheckpoint(monitor="val_loss"), EarlyStopping("val_loss"), LearningRateMonitor()],
)
trainer.fit(Autoencoder(), datamodule=Data())
raise RuntimeError("never reached")
"""

ADVERSARIAL = """
import lightning.pytorch as pl

class Adversarial(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.generator = nn.Sequential(nn.Linear(3, 16), nn.Sigmoid())
        self.critic = nn.Linear(16, 1)

    def training_step(self, batch, number):
        (x,) = batch
        first, second = self.optimizers()
        self.toggle_optimizer(first)
        fooled = F.binary_cross_entropy_with_logits(self.critic(self.generator(torch.randn(50, 3))), torch.ones(50, 1))
        self.manual_backward(fooled)
        first.step()
        first.zero_grad()
        self.untoggle_optimizer(first)
        self.toggle_optimizer(second)
        fake = self.generator(torch.randn(50, 3)).detach()
        logits, labels = self.critic(torch.cat([x, fake])), torch.cat([torch.ones(50, 1), torch.zeros(50, 1)])
        told = F.binary_cross_entropy_with_logits(logits, labels)
        self.manual_backward(told)
        second.step()
        second.zero_grad()
        self.untoggle_optimizer(second)

    def configure_optimizers(self):
        return [torch.optim.SGD(part.parameters(), lr=0.1) for part in (self.generator, self.critic)]

data = torch.utils.data.TensorDataset(images)
trainer = pl.Trainer(max_epochs=9, accelerator="cpu", enable_checkpointing=False, logger=False)
trainer.fit(Adversarial(), torch.utils.data.DataLoader(data, 50))
"""


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> list[str]:
    """Lightning as a program in the child finds it; what the reader is told."""
    from lightning.pytorch import Trainer

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Trainer, "__init__", Trainer.__init__)
    said: list[str] = []
    tame_trainers(ImportWatch(lambda name, error: pytest.fail(f"{name}: {error}")), said.append)
    return said


def test_lightning_optimises_by_itself(record: Record, notes: list[str]) -> None:
    run = record(AUTOENCODER)
    setup = run.only.setup
    assert run.outcome.how is HowItEnded.STOPPED
    assert setup.location.line == run.line_of("loss = self.criterion(")
    assert (setup.head.activation, setup.loss.name, setup.loss.weight) == ("softmax", "mse", 1.0)
    assert (setup.relation, setup.optimizer, setup.model.name) == (Relation.SAME, "Adam", "Sequential")
    assert setup.validation_target is not None
    assert any("accelerator='gpu', devices=4, strategy='ddp'" in note for note in notes)
    assert any("gpus=…" in note for note in notes)
    written, mended = run.only.trial((), 0), run.only.trial((SwapActivation("sigmoid"),), 0)
    assert mended.advance(60) < written.advance(60)


def test_lightning_optimised_by_hand(record: Record, notes: list[str]) -> None:
    run = record(ADVERSARIAL)
    fooled, told = run.captures
    assert fooled.setup.location.line == run.line_of("fooled = F.")
    assert told.setup.location.line == run.line_of("told = F.")
    assert np.isfinite(told.trial((), 0).advance(30))
    assert np.isfinite(fooled.trial((), 1).advance(30))
    assert notes == []


def test_accelerate(record: Record) -> None:
    run = record("""
    from accelerate import Accelerator
    accelerator = Accelerator(mixed_precision="bf16", gradient_accumulation_steps=2)
    model = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 16), nn.Sigmoid())
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images), batch_size=50, shuffle=True)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    for epoch in range(50):
        for (x,) in loader:
            with accelerator.accumulate(model):
                loss = F.mse_loss(model(x), x)
                accelerator.backward(loss)
                optimizer.step()
                optimizer.zero_grad()
    """)
    setup = run.only.setup
    assert (setup.head.activation, setup.loss.weight, setup.optimizer) == ("sigmoid", 0.5, "AdamW")
    trial = run.only.trial((), 0)
    assert trial.advance(60) > trial.advance(60)


def test_ignite(record: Record) -> None:
    run = record("""
    from ignite.engine import Events, create_supervised_evaluator, create_supervised_trainer
    from ignite.metrics import MeanSquaredError
    model = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 16), nn.Sigmoid())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    criterion = nn.BCELoss()
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images, images), batch_size=50, shuffle=True)
    trainer = create_supervised_trainer(model, optimizer, criterion)
    evaluator = create_supervised_evaluator(model, metrics={"mse": MeanSquaredError()})
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda _: evaluator.run(loader))
    trainer.run(loader, max_epochs=50)
    """)
    setup = run.only.setup
    assert setup.location.line == run.line_of("trainer.run(")
    assert setup.loss.location is not None
    assert setup.loss.location.line == run.line_of("nn.BCELoss()")
    assert (setup.head.activation, setup.loss.name, setup.relation) == ("sigmoid", "bce", Relation.SAME)
    trial = run.only.trial((), 0)
    assert trial.advance(60) > trial.advance(60)
