"""Where people log: what each of them is given, by their own classes where they are here, else by their interface."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

import ae_audit
from ae_audit.watching.loggers import Loggers, open_loggers

torch = pytest.importorskip("torch")
F = torch.nn.functional


class Kept:
    """A logger that keeps what it is given."""

    def __init__(self) -> None:
        self.rows: list[tuple[dict[str, float], int | None]] = []
        self.texts: dict[str, str] = {}

    def figures(self, values: Any, step: int | None) -> None:
        self.rows.append((dict(values), step))

    def text(self, name: str, text: str, step: int | None) -> None:
        self.texts[name] = text


def test_figures_have_the_prefix_and_what_is_unknown_is_left_out() -> None:
    kept = Kept()
    loggers = Loggers([kept])
    loggers.write("", 0.5, 0.2, 0.9, 7)
    loggers.write("bce", 0.5, None, None, None)
    loggers.write("", float("nan"), float("-inf"), None, 8)
    assert kept.rows == [
        (
            {
                "ae_audit/loss": 0.5,
                "ae_audit/floor": 0.2,
                "ae_audit/excess": pytest.approx(0.3),
                "ae_audit/r2": 0.9,
            },
            7,
        ),
        ({"ae_audit/bce_loss": 0.5}, None),
    ]


def test_a_logger_that_fails_disturbs_nobody() -> None:
    class Broken:
        def figures(self, values: Any, step: int | None) -> None:
            raise RuntimeError("disk full")

        text = figures

    kept = Kept()
    Loggers([Broken(), kept]).write("", 1.0, 0.0, None, 1)  # type: ignore[list-item]
    Loggers([Broken(), kept]).findings({"error": 1}, "AE101", 2)  # type: ignore[list-item]
    assert [row for row, _ in kept.rows] == [
        {"ae_audit/loss": 1.0, "ae_audit/floor": 0.0, "ae_audit/excess": 1.0},
        {"ae_audit/errors": 1.0},
    ]
    assert kept.texts == {"ae_audit/findings": "AE101"}


class Run:
    """What a run of wandb 0.28 offers of it."""

    def __init__(self) -> None:
        self.logged: list[tuple[dict[str, float], bool | None]] = []
        self.summary: dict[str, str] = {}

    def log(self, data: dict[str, float], step: int | None = None, commit: bool | None = None) -> None:
        self.logged.append((data, commit))


class Mlflow(SimpleNamespace):
    """What mlflow 3 offers at its top."""

    def __init__(self, *, active: bool) -> None:
        super().__init__(active=active, metrics=[], tags={})

    def active_run(self) -> object | None:
        return object() if self.active else None

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.metrics.append((metrics, step))

    def set_tag(self, key: str, value: str) -> None:
        self.tags[key] = value


def test_runs_that_are_open_are_found_and_others_are_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    run, mlflow = Run(), Mlflow(active=True)
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(run=run))
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    found = open_loggers()
    found.write("", 0.5, 0.2, None, 3)
    found.findings({"error": 0}, "none", 4)
    assert run.logged[0] == (
        {"ae_audit/loss": 0.5, "ae_audit/floor": 0.2, "ae_audit/excess": pytest.approx(0.3)},
        False,
    ), "the program's own steps are not counted on"
    assert run.summary == {"ae_audit/findings": "none"}
    assert [step for _, step in mlflow.metrics] == [3, 4]
    assert mlflow.tags == {"ae_audit.findings": "none"}
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(run=None))
    monkeypatch.setitem(sys.modules, "mlflow", Mlflow(active=False))
    assert not open_loggers()


def test_the_callbacks_of_a_training_are_not_looked_for_among_all_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    class TensorBoard:
        """As Keras' callback, as far as the search sees."""

    for module in ("keras.src.callbacks.tensorboard", "keras.callbacks"):
        monkeypatch.setitem(sys.modules, module, SimpleNamespace(TensorBoard=TensorBoard))
    for module in ("torch.utils.tensorboard.writer", "tensorboardX.writer", "wandb", "mlflow"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(
        "ae_audit.watching.loggers.gc.get_objects", lambda: pytest.fail("all objects were gone through")
    )
    board = TensorBoard()
    assert open_loggers(object(), callbacks=[object(), board])
    assert not open_loggers(object(), callbacks=[object()])


def test_nothing_is_imported_to_find_them() -> None:
    for name in ("wandb", "mlflow", "tensorboardX"):
        if name not in sys.modules:
            open_loggers()
            assert name not in sys.modules


def train(steps: int = 12, head: Any = None) -> Any:
    torch.manual_seed(0)
    x = torch.rand(64, 16)
    model = torch.nn.Sequential(torch.nn.Linear(16, 8), torch.nn.Linear(8, 16), head or torch.nn.Sigmoid())
    optimizer = torch.optim.Adam(model.parameters())
    with ae_audit.watch(log=None, batches=2) as report:
        for _ in range(steps):
            optimizer.zero_grad()
            F.mse_loss(model(x), x).backward()
            optimizer.step()
    return report


@pytest.mark.filterwarnings("ignore::ae_audit.AuditWarning")
def test_a_torch_loop_logs_loss_r2_and_findings_with_the_optimizers_step(monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = Mlflow(active=True)
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    train(head=torch.nn.Softmax(dim=1))
    (first, step), *_ = mlflow.metrics
    assert set(first) == {"ae_audit/loss", "ae_audit/floor", "ae_audit/excess", "ae_audit/r2"}
    assert first["ae_audit/floor"] == 0.0
    assert first["ae_audit/r2"] < 0.0, "a softmax on values that sum to eight"
    assert step is not None
    assert 2 <= step <= 12
    last, end = mlflow.metrics[-1]
    assert (last["ae_audit/errors"], end) == (1.0, 12)
    assert mlflow.tags["ae_audit.findings"].startswith("AE101 softmax-on-per-pixel-target [error, proved]")


def test_the_r2_of_logits_is_that_of_their_sigmoid() -> None:
    from ae_audit.runtime.torch.readings import read

    torch.manual_seed(0)
    y = torch.rand(64, 8)
    logits = torch.logit(0.5 * y + 0.25).requires_grad_()
    loss = F.binary_cross_entropy_with_logits
    reading = read(loss, (logits, y), {}, loss(logits, y))
    p = 0.5 * y + 0.25
    expected = 1 - float(((p - y) ** 2).sum() / ((y - y.mean(0)) ** 2).sum())
    assert reading is not None
    assert reading.r2 == pytest.approx(expected, abs=1e-6)
    assert reading.has_floor
    plain = read(F.mse_loss, (logits, y), {}, F.mse_loss(logits, y))
    assert plain is not None
    assert (plain.floor, plain.has_floor) == (0.0, False)


def test_tensorboards_own_writer_is_found_while_it_is_open(tmp_path: Any) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    writer, closed = SummaryWriter(tmp_path / "open"), SummaryWriter(tmp_path / "closed")
    closed.close()
    train()
    writer.close()
    events = EventAccumulator(str(tmp_path / "open"))
    events.Reload()
    assert {"ae_audit/loss", "ae_audit/r2", "ae_audit/errors"} <= set(events.Tags()["scalars"])
    events = EventAccumulator(str(tmp_path / "closed"))
    events.Reload()
    assert events.Tags()["scalars"] == []


def test_lightnings_loggers_stand_for_what_lies_behind_them(monkeypatch: pytest.MonkeyPatch) -> None:
    class Logger:
        """As Lightning's: ``log_metrics`` and an experiment."""

        def __init__(self, experiment: Any, run_id: str | None = None) -> None:
            self.experiment = experiment
            self.rows: list[tuple[dict[str, float], int]] = []
            if run_id is not None:
                self.run_id = run_id

        def log_metrics(self, metrics: dict[str, float], step: int) -> None:
            self.rows.append((metrics, step))

    texts: list[tuple[Any, ...]] = []
    board = Logger(SimpleNamespace(add_text=lambda *given: texts.append(given)))
    run = Run()
    tracked = Logger(SimpleNamespace(set_tag=lambda *given: texts.append(given)), "r1")
    loggers = [board, Logger(run), tracked]
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(run=run))
    found = open_loggers(lightning=loggers)
    found.write("", 0.5, 0.0, None, 3)
    found.findings({"error": 1}, "AE101", 4)
    assert [logger.rows[0][1] for logger in loggers] == [3, 3, 3]
    assert run.logged == [], "not a second time behind its logger's back"
    assert run.summary == {"ae_audit/findings": "AE101"}
    assert texts == [("ae_audit/findings", "```\nAE101\n```", 4), ("r1", "ae_audit.findings", "AE101")]


def test_it_is_a_callback_of_hugging_faces_trainer() -> None:
    transformers = pytest.importorskip("transformers.trainer_callback")
    watch = ae_audit.Watch(log=None)
    assert isinstance(watch, transformers.TrainerCallback)


def test_an_optimizer_that_wraps_another_is_no_further_training(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrapping(torch.optim.Optimizer):  # type: ignore[misc, name-defined]
        """As accelerate's: an optimizer by class that never was one by construction."""

        def __init__(self, optimizer: Any) -> None:
            self.optimizer = optimizer

    inner = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    wrapping = Wrapping(inner)
    assert train().ok
    assert wrapping.optimizer is inner
