"""What ``ae_audit.Watch()`` costs whole trainings, and that it changes no figure: Keras, Lightning and Hugging Face.

usage: python benchmarks/watching_overhead.py [--what keras|lightning|hugging_face]... [--seconds 20] [--pairs 3]

Each training runs in a process of its own, by turns without and with the watch, for about ``--seconds`` of processor
time: how many steps that is, is tried first. The Keras script sets no seed; its weights are given to it and its data
come in order, so its losses can be compared all the same. The trainings are right ones, and with ``--fault`` ones that
something is found in. Told are the processor's seconds of the pairs, the median of their ratios, and whether all losses
are equal. Exit code 1: losses differ, or a median is above 3 %.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

MOST = 0.03
"""the overhead that is promised"""
TRIAL_STEPS = 200


def keras_losses(steps: int, fault: bool, watched: bool) -> list[float]:
    """A dense autoencoder, without a seed."""
    import keras
    import numpy as np

    import ae_audit

    random = np.random.default_rng(0)
    x = random.random((64 * 50, 256), dtype=np.float32) * (255 if fault else 1)
    last = keras.layers.Dense(256, "sigmoid")
    model = keras.Sequential([keras.Input((256,)), keras.layers.Dense(512, "relu"), last])
    model.compile("adam", "mse")
    model.set_weights([random.normal(0, 0.05, weight.shape) for weight in model.get_weights()])
    callbacks = [ae_audit.Watch(log=None)] if watched else []
    history = model.fit(x, x, batch_size=64, epochs=max(1, steps // 50), shuffle=False, verbose=0, callbacks=callbacks)
    return list(map(float, history.history["loss"]))


def lightning_losses(steps: int, fault: bool, watched: bool) -> list[float]:
    """The same in Lightning."""
    import lightning
    import torch

    import ae_audit

    torch.manual_seed(0)
    x = torch.rand(64 * 50, 256) * (255 if fault else 1)
    losses: list[float] = []

    class Net(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = torch.nn.Sequential(
                torch.nn.Linear(256, 512), torch.nn.ReLU(), torch.nn.Linear(512, 256), torch.nn.Sigmoid()
            )

        def training_step(self, batch: Any, index: int) -> Any:
            loss = torch.nn.functional.mse_loss(self.net(batch[0]), batch[0])
            losses.append(float(loss))
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters())

    with tempfile.TemporaryDirectory() as folder:
        trainer = lightning.Trainer(
            max_epochs=max(1, steps // 50),
            callbacks=[ae_audit.Watch(log=None)] if watched else [],
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
        )
        data = torch.utils.data.TensorDataset(x)
        trainer.fit(Net(), torch.utils.data.DataLoader(data, batch_size=64))
    return losses


def hugging_face_losses(steps: int, fault: bool, watched: bool) -> list[float]:
    """A small encoder that sorts sequences, by transformers' ``Trainer``."""
    import torch
    import transformers

    import ae_audit

    torch.manual_seed(0)
    labels = 3 if not fault else 1
    config = transformers.BertConfig(
        vocab_size=99,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=128,
        num_labels=labels,
    )
    model = transformers.BertForSequenceClassification(config)
    words = torch.randint(0, 99, (512, 32))
    data = [{"input_ids": row, "labels": row.sum() % 3 if not fault else (row.sum() % 3).float()} for row in words]
    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            folder, max_steps=steps, per_device_train_batch_size=16, logging_steps=max(1, steps // 20), report_to=[]
        )
        trainer = transformers.Trainer(
            model, arguments, train_dataset=data, callbacks=[ae_audit.Watch(log=None)] if watched else []
        )
        trainer.train()
    return [float(entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]


TRAININGS: dict[str, Callable[[int, bool, bool], list[float]]] = {
    "keras": keras_losses,
    "lightning": lightning_losses,
    "hugging_face": hugging_face_losses,
}


def measured(what: str, steps: int, fault: bool, watched: bool) -> tuple[float, list[float]]:
    """Seconds of the processor that a training took in a process of its own, after its imports, and its losses."""
    command = [sys.executable, __file__, "--one", json.dumps([what, steps, fault, watched])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, losses = json.loads(done.stdout.splitlines()[-1])
    return seconds, losses


def one(what: str, steps: int, fault: bool, watched: bool) -> None:
    """Train once, and print what :func:`measured` reads. A short training comes first, which imports and compiles."""
    import ae_audit

    ae_audit.Watch  # noqa: B018 - imported with what it needs
    TRAININGS[what](4, fault, False)
    began = time.process_time()
    losses = TRAININGS[what](steps, fault, watched)
    print(json.dumps([time.process_time() - began, losses]))


def main() -> int:
    """Measure, and compare with what is promised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", choices=TRAININGS, action="append")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--fault", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        one(*json.loads(given.one))
        return 0
    kept = True
    for what in given.what or TRAININGS:
        took, _ = measured(what, TRIAL_STEPS, given.fault, False)
        steps = max(TRIAL_STEPS, int(TRIAL_STEPS * given.seconds / took))
        pairs = [[measured(what, steps, given.fault, watched) for watched in (False, True)] for _ in range(given.pairs)]
        equal = all(pair[0][1] == pair[1][1] for pair in pairs)
        ratios = [pair[1][0] / pair[0][0] - 1 for pair in pairs]
        shown = ", ".join(f"{pair[0][0]:.2f} → {pair[1][0]:.2f} s" for pair in pairs)
        middle = statistics.median(ratios)
        print(f"{what:13s} {steps} steps: {shown}: {middle:+.1%}, losses {'equal' if equal else 'DIFFER'}", flush=True)
        kept = kept and equal and middle <= MOST
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
