"""Where people log already: TensorBoard, Weights & Biases, MLflow and Lightning's loggers.

None of them is imported here. What the program has imported and opened is found, and gets the same figures under
``ae_audit/``: loss, floor, excess, R² of the predictions, and the findings in the end. A logger that fails is let be:
nothing of this may end a training.
"""

from __future__ import annotations

import contextlib
import gc
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

PREFIX = "ae_audit/"
LONGEST_TEXT = 4000
"""characters of the findings: MLflow takes no longer tags"""


class Logger(Protocol):
    """One place to log to."""

    def figures(self, values: Mapping[str, float], step: int | None) -> None:
        """Log numbers; their names have the prefix already."""

    def text(self, name: str, text: str, step: int | None) -> None:
        """Log a text."""


class Loggers:
    """All places that were found, none of which can disturb the training."""

    def __init__(self, loggers: Sequence[Logger]) -> None:
        self._loggers = list(loggers)

    def __bool__(self) -> bool:
        return bool(self._loggers)

    def write(self, name: str, loss: float, floor: float | None, r2: float | None, step: int | None) -> None:
        """Loss, and what is known beside it; ``name`` tells several losses apart, empty for one."""
        lead = f"{PREFIX}{name}_" if name else PREFIX
        values = {f"{lead}loss": loss}
        if floor is not None and math.isfinite(floor):
            values |= {f"{lead}floor": floor, f"{lead}excess": loss - floor}
        if r2 is not None:
            values[f"{lead}r2"] = r2
        finite = {key: float(value) for key, value in values.items() if math.isfinite(value)}
        for logger in self._loggers if finite else ():
            with contextlib.suppress(Exception):
                logger.figures(finite, step)

    def findings(self, counts: Mapping[str, int], text: str, step: int | None) -> None:
        """How many findings of each severity stand, and the report's own words for them."""
        for logger in self._loggers:
            with contextlib.suppress(Exception):
                logger.figures({f"{PREFIX}{severity}s": float(number) for severity, number in counts.items()}, step)
            with contextlib.suppress(Exception):
                logger.text(f"{PREFIX}findings", text[:LONGEST_TEXT], step)


def open_loggers(model: Any = None, lightning: Sequence[Any] = (), callbacks: Sequence[Any] | None = None) -> Loggers:
    """What this process logs to now.

    Args:
        model: a Keras model that is fitted; a TensorBoard callback of another model is none of ours.
        callbacks: those of that training, where they are known: else all objects of the process are gone through.
        lightning: the loggers of a Lightning trainer; where there are any, they are all that is written to, since they
            stand for what lies behind them.
    """
    if lightning:
        return Loggers([_Lightning(logger) for logger in lightning if hasattr(logger, "log_metrics")])
    return Loggers([*_wandb(), *_mlflow(), *_tensorboard(model, callbacks)])


class _Lightning:
    """A logger of Lightning's; the text goes where its experiment takes one."""

    def __init__(self, logger: Any) -> None:
        self._logger = logger

    def figures(self, values: Mapping[str, float], step: int | None) -> None:
        self._logger.log_metrics(dict(values), step=step)

    def text(self, name: str, text: str, step: int | None) -> None:
        experiment = self._logger.experiment
        if hasattr(experiment, "add_text"):  # TensorBoard
            experiment.add_text(name, f"```\n{text}\n```", step)
        elif hasattr(experiment, "summary") and hasattr(experiment, "log"):  # Weights & Biases
            experiment.summary[name] = text
        elif hasattr(experiment, "set_tag") and hasattr(self._logger, "run_id"):  # MLflow
            experiment.set_tag(self._logger.run_id, name.replace("/", "."), text)


class _Wandb:
    """The run of Weights & Biases. Figures join the program's own next step, so its count of steps is left alone."""

    def __init__(self, run: Any) -> None:
        self._run = run

    def figures(self, values: Mapping[str, float], step: int | None) -> None:
        self._run.log(dict(values), commit=False)

    def text(self, name: str, text: str, step: int | None) -> None:
        self._run.summary[name] = text


def _wandb() -> Iterator[Logger]:
    run = getattr(sys.modules.get("wandb"), "run", None)
    if run is not None and callable(getattr(run, "log", None)):
        yield _Wandb(run)


class _Mlflow:
    """The run of MLflow that is active."""

    def __init__(self, mlflow: Any) -> None:
        self._mlflow = mlflow

    def figures(self, values: Mapping[str, float], step: int | None) -> None:
        if self._mlflow.active_run() is not None:  # else one would be started
            self._mlflow.log_metrics(dict(values), step=step)

    def text(self, name: str, text: str, step: int | None) -> None:
        if self._mlflow.active_run() is not None:
            self._mlflow.set_tag(name.replace("/", "."), text)


def _mlflow() -> Iterator[Logger]:
    mlflow = sys.modules.get("mlflow")
    with contextlib.suppress(Exception):
        if mlflow is not None and mlflow.active_run() is not None:
            yield _Mlflow(mlflow)


class _Writer:
    """A ``SummaryWriter`` of torch's or tensorboardX's."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def figures(self, values: Mapping[str, float], step: int | None) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def text(self, name: str, text: str, step: int | None) -> None:
        self._writer.add_text(name, f"```\n{text}\n```", step)


class _KerasBoard:
    """Keras' own TensorBoard callback, in the writer of its training figures."""

    def __init__(self, callback: Any) -> None:
        self._callback = callback

    def figures(self, values: Mapping[str, float], step: int | None) -> None:
        with self._callback._train_writer.as_default():
            for name, value in values.items():
                self._callback.summary.scalar(name, value, step=step or 0)

    def text(self, name: str, text: str, step: int | None) -> None:
        with self._callback._train_writer.as_default():
            self._callback.summary.text(name, f"```\n{text}\n```", step=step or 0)


_WRITERS = (("torch.utils.tensorboard.writer", "SummaryWriter"), ("tensorboardX.writer", "SummaryWriter"))
_BOARDS = (("keras.src.callbacks.tensorboard", "TensorBoard"), ("keras.callbacks", "TensorBoard"))


def _tensorboard(model: Any, callbacks: Sequence[Any] | None = None) -> Iterator[Logger]:
    writers, boards = _classes(_WRITERS), _classes(_BOARDS) if model is not None else ()
    if callbacks is not None:
        yield from (_KerasBoard(one) for one in callbacks if issubclass(type(one), boards))
        boards = ()
    if not writers and not boards:
        return
    for one in gc.get_objects():  # nobody else knows which are open
        kind = type(one)
        if writers and issubclass(kind, writers):
            if getattr(one, "file_writer", None) is not None:  # not closed
                yield _Writer(one)
        elif boards and issubclass(kind, boards) and getattr(one, "model", None) is model:
            yield _KerasBoard(one)


def _classes(places: Sequence[tuple[str, str]]) -> tuple[type, ...]:
    found = (getattr(sys.modules.get(module), name, None) for module, name in places)
    return tuple(dict.fromkeys(one for one in found if isinstance(one, type)))
