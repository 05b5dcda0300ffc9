"""One front for both frameworks: what the engine and the Python interface ask of Keras and of torch, and who answers.

Nothing of a framework is imported before it is asked. Beyond this front the two sides share data, not code: Keras is
watched at its layers and TensorFlow's operations, torch at its functions, so what they record differs in kind.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ae_audit.runtime.capture import COMPARES_NOTHING, Capture
from ae_audit.runtime.data_files.model_checks import LoadedModel
from ae_audit.runtime.interception import StopProgram
from ae_audit.schema.location import Location

PATIENCE = 8.0
"""seconds that hand-written Keras loops may go on without anything new, once all that were seen are captured"""


class Frontend(Protocol):
    """What one framework can do with models that are there."""

    def load_saved(self, path: str, loss: tuple[str, bool] | None, compiled: Any) -> LoadedModel:
        """The model in a file.

        Args:
            path: of the file.
            loss: class and whether it takes logits, of ``--loss``; goes before the model's own.
            compiled: the loss in the file, for models that Keras leaves uncompiled.

        Raises:
            CannotLoad: if the framework refuses it.
        """

    def capture_live(
        self, model: Any, x: Any, y: Any, loss: Any, *, optimizer: Any = None, batch_size: int, location: Location
    ) -> Sequence[Capture]:
        """A capture for each loss of ``model`` on the data; the model is left as it was.

        Args:
            model: of the framework.
            x: what it is fed.
            y: the target; the input where None.
            loss: to train with; the compiled one where None and the framework has such.
            optimizer: to train with; Adam, or the compiled one, where None.
            batch_size: samples a step.
            location: at which findings are reported.
        """


class KerasFrontend:
    """Keras models on any backend."""

    def load_saved(self, path: str, loss: tuple[str, bool] | None, compiled: Any) -> LoadedModel:
        from ae_audit.runtime.keras.load import load_saved

        return load_saved(path, loss, compiled)

    def capture_live(
        self, model: Any, x: Any, y: Any, loss: Any, *, optimizer: Any = None, batch_size: int, location: Location
    ) -> Sequence[Capture]:
        from ae_audit.runtime.keras.live import capture_live

        return capture_live(model, x, y, loss, optimizer=optimizer, batch_size=batch_size, location=location)


class TorchFrontend:
    """Modules of torch; a saved one may have been exported for batches of one size."""

    def load_saved(self, path: str, loss: tuple[str, bool] | None, compiled: Any) -> LoadedModel:
        from ae_audit.runtime.torch.load import load_saved

        return load_saved(path, loss)

    def capture_live(
        self, model: Any, x: Any, y: Any, loss: Any, *, optimizer: Any = None, batch_size: int, location: Location
    ) -> Sequence[Capture]:
        from ae_audit.runtime.torch.live import capture_live

        return [capture_live(model, x, y, loss, optimizer=optimizer, batch_size=batch_size, location=location)]


FRONTENDS: dict[str, Frontend] = {"keras": KerasFrontend(), "torch": TorchFrontend()}


def framework_of(model: Any) -> str | None:
    """``keras`` or ``torch``, by the classes that a model inherits from; None for what is of neither."""
    for base in type(model).__mro__:
        module = base.__module__.split(".")
        if module[0] in {"keras", "tf_keras"} or module[:3] == ["tensorflow", "python", "keras"]:
            return "keras"
        if base.__name__ == "Module" and module[:2] == ["torch", "nn"]:
            return "torch"
    return None


class Recorder(Protocol):
    """Watches the training of one framework, from the moment when the program has imported it."""

    def close(self) -> None:
        """The program has ended: stop watching."""

    def captures(self) -> Sequence[Capture]: ...

    @property
    def notes(self) -> Sequence[str]:
        """What the reader must know of how the program was run."""


class TorchRecording:
    """Torch's recorder, which ends the program by itself once every loss has been recorded."""

    def __init__(
        self,
        path: str,
        expected: Sequence[Location],
        deadline: float,
        on_problem: Callable[[str, Location | None], None],
        on_failure: Callable[[Exception], None],
        elsewhere: Callable[[], bool],
    ) -> None:
        from ae_audit.runtime.torch.recorder import TorchRecorder

        self._recorder = TorchRecorder(
            path, expected, deadline=deadline, stop=StopProgram, on_failure=on_failure, elsewhere=elsewhere
        )
        self._on_problem = on_problem
        self._recorder.__enter__()

    def close(self) -> None:
        self._recorder.__exit__(None, None, None)
        place = self._recorder.blind_spot
        if place is not None:
            self._on_problem(COMPARES_NOTHING, place)

    def captures(self) -> Sequence[Capture]:
        return self._recorder.captures()

    @property
    def notes(self) -> Sequence[str]:
        return self._recorder.notes


class KerasRecording:
    """Keras' recorder, which hands on each capture as it is made."""

    def __init__(
        self,
        path: str,
        on_capture: Callable[[Capture], None],
        on_problem: Callable[[str, Location | None], None],
        on_failure: Callable[[Exception], None],
        stand_in: Callable[[], str | None],
    ) -> None:
        from ae_audit.runtime.keras.recorder import KerasRecorder

        self._captures: list[Capture] = []
        self._on_capture = on_capture
        self._recorder = KerasRecorder(
            path,
            self._keep,
            on_problem=on_problem,
            on_failure=on_failure,
            stand_in=stand_in,
            on_idle=_stop_after_patience,
        )
        self._recorder.attach()

    def close(self) -> None:
        with contextlib.suppress(StopProgram):
            self._recorder.finish()
        self._recorder.detach()

    def captures(self) -> Sequence[Capture]:
        return self._captures

    @property
    def notes(self) -> Sequence[str]:
        return ()

    def has_caught(self) -> bool:
        return self._recorder.has_caught()

    def _keep(self, capture: Capture) -> None:
        self._captures.append(capture)
        self._on_capture(capture)


def _stop_after_patience(seconds: float) -> None:
    """End a program whose loops were all captured, where nothing new has come for a while."""
    if seconds > PATIENCE:
        raise StopProgram
