"""Watching a real training: ``with ae_audit.watch() as report:`` round a loop, ``ae_audit.Watch()`` as a callback.

The first batches are audited in the training's own process and on its own data; then torch and Keras are left as they
were. A training that is watched gives the same figures as one that is not.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ae_audit.base.errors import UsageError
from ae_audit.watching.loggers import Loggers, open_loggers
from ae_audit.watching.session import LiveAudit, Log, WatchedReport, to_standard_error
from ae_audit.watching.torch import TorchWatching

if TYPE_CHECKING:
    from ae_audit.watching.keras import KerasWatching

__all__ = ["Watch", "watch"]

BATCHES = 8
"""training steps that are looked at, where nothing else is asked for"""


def watch(
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    probe: bool = False,
    strict: bool = False,
    batches: int = BATCHES,
    log: Log | None = to_standard_error,
    seed: int = 0,
) -> contextlib.AbstractContextManager[WatchedReport]:
    """Watch torch trainings inside a block: ``with ae_audit.watch() as report:``.

    The first ``batches`` steps of each optimizer are inspected as they run; later steps run without ae-audit. Each
    finding is issued once, as a warning of the category :class:`ae_audit.AuditWarning`, and is in the report when the
    block ends. From time to time the log says how far the loss is above its floor, if the floor is not 0. Loss, floor,
    excess, R² of the predictions and the findings also go to the program's own loggers: TensorBoard's writers, or the
    run of Weights & Biases or MLflow.

    Args:
        select: codes, code prefixes or names of the rules to apply; empty for all.
        ignore: codes, code prefixes or names of the rules to skip.
        probe: confirm or refute findings with short fits from the initial weights when the block ends (a copy of all
            weights is kept until then); findings are issued only afterwards.
        strict: raise when an error is found: before the first step, if the first batch shows it.
        batches: training steps to inspect, 1 or more.
        log: called with each line of the log; by default it goes to standard error; None for no log.
        seed: of the short fits; the same seed gives the same figures.

    Raises:
        UsageError: if a rule is unknown, ``batches`` is not positive, or torch is not installed.
        FindingsError: when a step begins or the block ends, if ``strict`` and an error was found.
    """
    _check(batches)
    audit = LiveAudit(_caller(), select=select, ignore=ignore, probe=probe, seed=seed, strict=strict)
    return _watch(audit, log, batches)


@contextlib.contextmanager
def _watch(audit: LiveAudit, log: Log | None, batches: int) -> Iterator[WatchedReport]:
    report = WatchedReport()
    watching = TorchWatching(audit, report, log, batches, loggers=open_loggers)
    try:
        watching.begin()
    except ImportError:
        raise UsageError("ae_audit.watch() watches torch loops, and torch is not installed here.") from None
    try:
        yield report
    except BaseException as error:
        watching.end(error)
        raise
    watching.end()


class Watch:
    """A callback for Keras' ``fit``, Lightning's and Hugging Face's ``Trainer``: ``callbacks=[ae_audit.Watch()]``.

    It takes the arguments of :func:`watch`. ``report`` is filled in when the training ends. With Keras the log has a
    line per epoch. Import Lightning or ``transformers`` before you create it: it then is a callback of their kind.

    Attributes:
        report: the :class:`ae_audit.Report`; empty until the training ends.
    """

    async_safe = True
    """for Keras: nothing here needs a batch's figures, so they need not be fetched after each"""

    def __new__(cls, **_: Any) -> Watch:
        """An instance that is also a callback of the frameworks that are imported."""
        return object.__new__(_as_callback(cls))

    def __init__(
        self,
        *,
        select: Sequence[str] = (),
        ignore: Sequence[str] = (),
        probe: bool = False,
        strict: bool = False,
        batches: int = BATCHES,
        log: Log | None = to_standard_error,
        seed: int = 0,
    ) -> None:
        for base in type(self).__mro__[2:-1]:
            if "__init__" in vars(base) and base is not Watch:
                vars(base)["__init__"](self)
        _check(batches)
        self._options = {"select": select, "ignore": ignore, "probe": probe, "seed": seed, "strict": strict}
        self._path = _caller()
        LiveAudit(self._path, **self._options)  # type: ignore[arg-type]  # an unknown rule is told here
        self._log = log
        self._batches = batches
        self._torch: TorchWatching | None = None
        self._keras: KerasWatching | None = None
        self.report = WatchedReport()

    # --- Keras ------------------------------------------------------------------------------------------------------

    def set_model(self, model: Any) -> None:
        """Keras: the model that is trained."""
        self._model = model

    def set_params(self, params: Any) -> None:
        """Keras: how it is trained."""
        self.params = params

    def on_train_begin(self, *given: Any, **more: Any) -> None:
        """Keras: ``fit`` begins. Hugging Face: the trainer begins."""
        if len(given) == 3:  # arguments, state and control
            state = given[1]
            self._begin_torch(open_loggers, lambda: int(state.global_step))
            return
        from ae_audit.watching.keras import KerasWatching

        audit = LiveAudit(self._path, **self._options)  # type: ignore[arg-type]
        self.report = WatchedReport()
        self._keras = KerasWatching(audit, self.report, self._log, self._batches)
        self._keras.begin(self._model)

    def on_epoch_end(self, epoch: Any = None, logs: Any = None, *_: Any, **__: Any) -> None:
        """Keras: an epoch is over."""
        if self._keras is not None and isinstance(epoch, int):
            self._keras.epoch(epoch, logs or {})

    # --- Lightning --------------------------------------------------------------------------------------------------

    def on_train_start(self, trainer: Any = None, module: Any = None) -> None:
        """Lightning: the training begins."""
        loggers = list(getattr(trainer, "loggers", None) or ())
        self._begin_torch(lambda: open_loggers(lightning=loggers), lambda: int(trainer.global_step))

    def _begin_torch(self, loggers: Callable[[], Loggers], step: Callable[[], int]) -> None:
        audit = LiveAudit(self._path, **self._options)  # type: ignore[arg-type]
        self.report = WatchedReport()
        self._torch = TorchWatching(audit, self.report, self._log, self._batches, loggers=loggers, step=step)
        self._torch.begin()

    def on_exception(self, trainer: Any = None, module: Any = None, exception: BaseException | None = None) -> None:
        """Lightning: the training was broken off."""
        watching, self._torch = self._torch, None
        if watching is not None:
            watching.end(exception)

    # --- both -------------------------------------------------------------------------------------------------------

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """The training is over."""
        watching, self._torch = self._torch, None
        if watching is not None:
            watching.end()
        fitting, self._keras = self._keras, None
        if fitting is not None:
            fitting.end()

    def __getattr__(self, name: str) -> Any:
        """What Keras asks of a callback that was made before Keras was imported."""
        if name.startswith("on_"):
            return _nothing
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def _nothing(*_: Any, **__: Any) -> None:
    return None


_nothing._is_default = True  # type: ignore[attr-defined]  # Keras: not worth a call after each batch


_ASKED_BY_LIGHTNING = frozenset(
    {
        "on_train_batch_start",
        "on_before_zero_grad",
        "on_before_backward",
        "on_after_backward",
        "on_before_optimizer_step",
    }
)
"""hooks of each step that only Lightning has: it asks whether they can be called, and a None costs it nothing"""


def _as_callback(cls: type) -> type:
    """``cls``, as a callback of those frameworks that this process has imported."""
    bases: list[type] = []
    for module, name in (
        ("keras.callbacks", "Callback"),
        ("lightning.pytorch", "Callback"),
        ("pytorch_lightning", "Callback"),
        ("transformers.trainer_callback", "TrainerCallback"),
    ):
        found = getattr(sys.modules.get(module), name, None)
        if isinstance(found, type) and not any(issubclass(base, found) for base in (cls, *bases)):
            bases.append(found)
    if not bases:
        return cls
    # hooks of one name take other arguments in each framework: those that are not ours do nothing, whoever calls them
    hooks = {name for base in bases for name in dir(base) if name.startswith("on_")} - set(vars(cls))
    body: dict[str, Any] = dict.fromkeys(hooks, _nothing)
    body.update(dict.fromkeys(_ASKED_BY_LIGHTNING & hooks))
    return type(cls.__name__, (cls, *bases), {**body, "__module__": cls.__module__, "__doc__": cls.__doc__})


def _check(batches: int) -> None:
    if isinstance(batches, bool) or not isinstance(batches, int) or batches < 1:
        raise UsageError(f"batches is the number of training steps to look at, 1 or more, not {batches!r}.")


def _caller() -> str:
    """The file of the function that calls this one's caller."""
    return sys._getframe(2).f_code.co_filename
