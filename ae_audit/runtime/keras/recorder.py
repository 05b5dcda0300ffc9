"""Catching the trainings of a running Keras program.

:class:`KerasRecorder` stands in for ``fit`` and ``train_on_batch``: it captures what would be trained, hands the
captures on, and lets the program go on with a history that looks like one, without training.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ae_audit.runtime.capture import COMPARES_NOTHING
from ae_audit.runtime.host.accommodations.inert import AbsentValue, Inert
from ae_audit.runtime.host.patching import replaced
from ae_audit.runtime.host.user_code import Place, UserCode
from ae_audit.runtime.keras import batches as keras_data
from ae_audit.runtime.keras.batches import Batches
from ae_audit.runtime.keras.capture import KerasCapture
from ae_audit.runtime.keras.checkpoints import Checkpoints
from ae_audit.runtime.keras.history import plausible_history, plausible_logs
from ae_audit.runtime.keras.inference import shortened_evaluate, shortened_predict, shortened_test
from ae_audit.runtime.keras.pace import steps_of
from ae_audit.runtime.keras.program import KerasProgram, NotWatched, Stage, quiet
from ae_audit.runtime.keras.setups import FitContext, captures_of
from ae_audit.schema.location import Location

if TYPE_CHECKING:
    from ae_audit.runtime.keras.graph.recorder import TapeRecorder
    from ae_audit.runtime.keras.graph.step import RecordedStep, StepData

BATCHES_OF_A_LOOP = 8
"""calls of ``train_on_batch`` on one model that make up a capture"""

OnCapture = Callable[[KerasCapture], None]


def _raised(error: Exception) -> None:
    raise error


class KerasRecorder:
    """Catches every training of one program.

    Args:
        script: the program.
        on_capture: told of each capture as it is made; may raise to end the program.
        on_problem: told of a training that could not be captured, with a sentence and its place.
        on_failure: told of a failure of the recorder's own.
        place_of: maps the file name of a code object to a place of its own (notebook cells).
        stand_in: asked at each capture whether the data stand in for a set that is not there, and for which.
        on_idle: told, when a hand-written loop goes on, how many seconds ago anything new was seen, once every such
            loop was captured; may raise to end the program.
    """

    def __init__(
        self,
        script: str | Path,
        on_capture: OnCapture,
        *,
        on_problem: Callable[[str, Location | None], None] = lambda text, location: None,
        on_failure: Callable[[Exception], None] = _raised,
        place_of: Callable[[str], Place | None] | None = None,
        stand_in: Callable[[], str | None] = lambda: None,
        on_idle: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self._script = str(script)
        self._code = UserCode(script, place_of)
        self._on_capture = on_capture
        self._on_problem = on_problem
        self._on_failure = on_failure
        self._stand_in = stand_in
        self._stage = Stage()
        self._made: dict[int, tuple[Any, Location]] = {}
        self._compiled: dict[int, Location] = {}
        self._loops: dict[int, _Loop] = {}
        self._checkpoints = Checkpoints()
        self._replaced = contextlib.ExitStack()
        self._attached = False
        self._busy = False
        self._caught = False
        self._tapes: TapeRecorder | None = None
        self._on_idle = on_idle

    def attach(self, module: Any = None) -> None:
        """Stand in for Keras' training methods; to be called as soon as Keras is imported (``when_imported``)."""
        import keras

        if self._attached:
            return
        self._attached = True
        model = keras.Model
        self._replace(model, "fit", self._fit(model.fit))
        self._replace(model, "train_on_batch", self._train_on_batch(model.train_on_batch))
        self._replace(model, "compile", self._compile(model.compile))
        self._checkpoints.answer(self._replaced, model)
        self._replace(model, "predict", shortened_predict(model.predict, lambda: self._busy))
        self._replace(model, "evaluate", shortened_evaluate(model.evaluate, lambda: self._busy))
        self._replace(model, "test_on_batch", shortened_test(model.test_on_batch, lambda: self._busy))
        if hasattr(model, "fit_generator"):
            self._replace(model, "fit_generator", self._fit(model.fit_generator))
        self._replace(keras.Operation, "__new__", self._new(keras.Operation.__new__))
        if keras.config.backend() == "tensorflow":
            from ae_audit.runtime.keras.graph.recorder import TapeRecorder

            self._tapes = TapeRecorder(
                self._code, self._capture_loop, self._on_problem, lambda: self._busy, self._on_idle
            )
            self._tapes.attach()

    def detach(self) -> None:
        """Give Keras its own methods back."""
        if self._tapes is not None:
            self._tapes.detach()
            self._tapes = None
        self._replaced.close()
        self._attached = False

    def finish(self) -> None:
        """The program has come to its end: hand on what was being collected."""
        for loop in list(self._loops.values()):
            self._hand_on_loop(loop)
        if self._tapes is not None:
            self._tapes.finish()

    def has_caught(self) -> bool:
        """Whether there is something to hand on or handed on, and nothing is being caught at this moment."""
        collecting = self._tapes is not None and self._tapes.is_collecting
        return not self._busy and (self._caught or collecting or any(loop.parts for loop in self._loops.values()))

    # What stands in

    def _fit(self, original: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(original)

        @functools.wraps(original)
        def fit(model: Any, *args: Any, **kwargs: Any) -> Any:
            if self._busy:
                return original(model, *args, **kwargs)
            arguments = dict(signature.bind(model, *args, **kwargs).arguments)
            arguments.update(arguments.pop("kwargs", {}))
            if "generator" in arguments:
                arguments["x"] = arguments.pop("generator")
            if not model.compiled:
                return original(model, *args, **kwargs)  # which says so
            try:
                self._capture_fit(model, arguments)
            except Exception as error:
                # the program's own, if Keras' one step by itself raises too
                few = {**arguments, "epochs": arguments.get("initial_epoch", 0) + 1, "steps_per_epoch": 1}
                self._answer_for(error, lambda: original(**few))
            self._checkpoints.would_leave(arguments.get("callbacks"), model)
            return plausible_history(model, arguments)

        return fit

    def _train_on_batch(self, original: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(original)

        @functools.wraps(original)
        def train_on_batch(model: Any, *args: Any, **kwargs: Any) -> Any:
            if self._busy or not model.compiled:
                return original(model, *args, **kwargs)
            arguments = signature.bind(model, *args, **kwargs).arguments
            location = self._location()
            key = hash((id(model), location))
            loop = self._loops.setdefault(key, _Loop(model, location))
            if not loop.done:
                loop.parts.append(tuple(arguments.get(name) for name in ("x", "y", "sample_weight")))
                if len(loop.parts) >= BATCHES_OF_A_LOOP:
                    try:
                        self._hand_on_loop(loop)
                    except Exception as error:
                        self._answer_for(error, lambda: original(model, *args, **kwargs))
            return plausible_logs(model, bool(arguments.get("return_dict")))

        return train_on_batch

    def _compile(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def compile_(model: Any, *args: Any, **kwargs: Any) -> Any:
            location = self._code.location()
            if location is not None:
                self._compiled[id(model)] = location
            if args and isinstance(args[0], Inert):  # of a package that is absent: as good as any for a few steps
                args = ("adam", *args[1:])
            if isinstance(kwargs.get("optimizer"), Inert):
                kwargs["optimizer"] = "adam"
            return original(model, *args, **kwargs)

        return compile_

    def _new(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Remember the source line that makes each layer."""

        def new(cls: Any, *args: Any, **kwargs: Any) -> Any:
            made = original(cls, *args, **kwargs)
            location = self._code.location()
            if location is not None:
                with contextlib.suppress(TypeError):
                    self._made[id(made)] = (weakref.ref(made), location)
            return made

        return new

    # Capturing

    def _answer_for(self, error: Exception, own_step: Callable[[], Any]) -> None:
        """A capture failed: the program's error if its own step raises as well, else one of ours."""
        if isinstance(error, AbsentValue):
            raise error
        self._busy = True
        try:
            with quiet():
                own_step()
        finally:
            self._busy = False
        self._on_failure(error)

    def _capture_fit(self, model: Any, arguments: dict[str, Any]) -> None:
        location = self._location()
        x, y, weights = (arguments.get(name) for name in ("x", "y", "sample_weight"))
        validation = arguments.get("validation_data")
        share = arguments.get("validation_split") or 0.0
        size = arguments.get("batch_size")
        try:
            if share and validation is None:
                (x, y, weights), validation = keras_data.split(x, y, weights, share)
            batches = keras_data.read(x, y, weights, batch_size=size, class_weight=arguments.get("class_weight"))
        except keras_data.Unreadable as cause:
            self._on_problem(f"the data of this training cannot be captured: {cause}", location)
            return
        self._capture(model, batches, location, _validation(validation), steps_of(arguments))

    def _hand_on_loop(self, loop: _Loop) -> None:
        if loop.done or not loop.parts:
            return
        loop.done = True
        parts = [tuple(part[: max(i for i in range(3) if part[i] is not None) + 1]) for part in loop.parts]
        loop.parts.clear()
        try:
            batches = keras_data.join(parts)
        except keras_data.Unreadable as cause:
            self._on_problem(f"the data of this training cannot be captured: {cause}", loop.location)
            return
        self._capture(loop.model, batches, loop.location, None)

    def _capture(
        self,
        model: Any,
        batches: Batches,
        location: Location,
        validation: Batches | None,
        steps: int | None = None,
    ) -> None:
        program = KerasProgram(model=model, batches=batches, **self._context())
        context = self._fit_context(location, self._compiled.get(id(model)), validation)
        self._hand_on(program, replace(context, steps=steps))

    def _capture_loop(self, step: RecordedStep, data: StepData, location: Location) -> None:
        """A loop round ``tf.GradientTape`` was recorded."""
        from ae_audit.runtime.keras.graph.program import TapeProgram

        try:
            self._busy = True
            try:
                program = TapeProgram.of(step, data.arrays(), **self._context())
            finally:
                self._busy = False
            if program.losses:
                self._hand_on(program, self._fit_context(location, None, None))
            else:
                self._on_problem(COMPARES_NOTHING, location)
        except Exception as error:  # the program's own step has run
            self._on_failure(error)

    def _context(self) -> dict[str, Any]:
        return {
            "code": self._code,
            "locate": self._code.location,
            "place_of": self._place_of,
            "text_of": self._code.text,
            "meet": self._code.where_they_meet,
            "stage": self._stage,
        }

    def _fit_context(self, location: Location, compiled_at: Location | None, validation: Batches | None) -> FitContext:
        stand_in = self._stand_in()
        return FitContext(
            location=location,
            compiled_at=compiled_at,
            validation=validation,
            source=stand_in,
            stand_in=stand_in is not None,
        )

    def _hand_on(self, program: KerasProgram, context: FitContext) -> None:
        self._busy = True
        try:
            with quiet():
                captures = captures_of(program, context)
        except NotWatched as cause:
            self._on_problem(str(cause), context.location)
            return
        finally:
            self._busy = False
        if not captures:
            self._on_problem("no prediction and no loss were seen in this training step", context.location)
        self._caught = self._caught or bool(captures)
        with contextlib.ExitStack() as telling:  # of all outputs, though the first may be told to end the program
            for capture in reversed(captures):
                telling.callback(self._on_capture, capture)

    def _place_of(self, owner: Any) -> Location | None:
        known = self._made.get(id(owner))
        return known[1] if known is not None and known[0]() is owner else None

    def _location(self) -> Location:
        return self._code.location() or Location(self._script, 1)

    def _replace(self, owner: Any, name: str, value: Any) -> None:
        self._replaced.enter_context(replaced(owner, name, value))


class _Loop:
    """The batches of one model that is trained with ``train_on_batch``."""

    def __init__(self, model: Any, location: Location) -> None:
        self.model = model
        self.location = location
        self.parts: list[Any] = []
        self.done = False


def _validation(data: Any) -> Batches | None:
    """The validation data where they can be looked at without harm."""
    if data is None:
        return None
    try:
        if isinstance(data, (list, tuple)):
            return keras_data.read(*data[:3])
        return keras_data.read(data)
    except (keras_data.Unreadable, TypeError, ValueError):
        return None
