"""A training step of a model's own under ``fit`` whose loss has no function: recorded as a loop round a tape is.

``fit`` itself is not run, so nothing of its step is seen operation by operation. Where no loss function is called in
it, it is run on the first batches as ``fit`` would run it, and recorded; what is trained is the recorded step.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ae_audit.runtime.keras.batches import Batches, tree
from ae_audit.runtime.keras.graph.program import TapeProgram
from ae_audit.runtime.keras.graph.recorder import TapeRecorder
from ae_audit.runtime.keras.graph.step import RecordedStep, StepData
from ae_audit.runtime.keras.program import KerasProgram, LossPoint, backend, quiet
from ae_audit.schema.location import Location

Array = NDArray[Any]

MOST_BATCHES = 16
"""that are recorded where the step makes data of its own, which nothing but its batches shows"""


def recorded_step(program: KerasProgram, points: list[LossPoint]) -> TapeProgram | None:
    """The training step of ``program`` as a step round a tape; None where that shows no more than ``points`` do."""
    if backend() != "tensorflow" or program.code is None or any(point.call is not None for point in points):
        return None
    found = _recorded(program, (0, 0))  # twice: losses inside a layer show in a second step only
    if found is None:
        return None
    step, data = found
    arrays = [_of_fit(program.batches, array) for array in data.arrays()]
    wholes = _wholes(program.batches, arrays)
    if any(array is None for array in arrays):
        size = _size(program)
        batches = min(MOST_BATCHES, program.batches.samples // size)
        more = _recorded(program, [number * size for number in range(batches)])
        step, data = more if more is not None else found
        arrays, wholes = [*data.arrays()], {}
    context = {name: getattr(program, name) for name in ("code", "locate", "place_of", "text_of", "meet", "stage")}
    tape = TapeProgram.of(step, [array for array in arrays if array is not None], wholes, **context)
    tape.model._compile_config = getattr(program.model, "_compile_config", None)
    return tape if tape.losses else None


def validation_for(tape: TapeProgram, program: KerasProgram, validation: Batches | None) -> Batches | None:
    """The validation data of ``fit`` in the order in which the recorded step takes its data."""
    if validation is None:
        return None
    leaves = tree().flatten(program.batches.data)
    given = tree().flatten((validation.whole_x, validation.whole_y))
    places = [
        next((place for place, leaf in enumerate(leaves) if leaf is array), len(given))
        for array in tree().flatten(tape.batches.data)
    ]
    return replace(validation, whole_x=[given[place] if place < len(given) else None for place in places], whole_y=None)


def _recorded(program: KerasProgram, starts: Sequence[int]) -> tuple[RecordedStep, StepData] | None:
    """The step, and what entered it in the batches that begin there; the model is left as it was."""
    found: list[tuple[RecordedStep, StepData]] = []

    def keep(step: RecordedStep, data: StepData, _: Location) -> None:
        found.append((step, data))

    assert program.code is not None
    recorder = TapeRecorder(program.code, keep, lambda *_: None, lambda: False, lambda _: None)
    model, size = program.model, _size(program)
    with ExitStack() as stack:
        for context in (quiet(), program.unchanged(), program.metrics_off()):
            stack.enter_context(context)
        stack.callback(recorder.detach)
        recorder.attach()
        try:
            for start in starts:
                part = tree().map_structure(
                    lambda leaf, start=start: None if leaf is None else leaf[start : start + size], program.batches.data
                )
                model.train_step(program.tensors(part))
            recorder.finish()
        except Exception:  # a step that only a graph can run, or that wants an optimizer's own state
            return None
    if not found:
        return None
    step, data = found[0]
    step.in_function = not model.run_eagerly
    return step, data


def _size(program: KerasProgram) -> int:
    return program.only or min(program.batches.batch_size, program.batches.samples)


def _of_fit(batches: Batches, array: Array) -> Array | None:
    """The array given to ``fit`` whose first samples these are."""
    for leaf in tree().flatten(batches.data):
        first = None if leaf is None else np.asarray(leaf[: len(array)])
        if first is None or first.shape != array.shape:
            continue
        if np.array_equal(first.astype(array.dtype), array, equal_nan=array.dtype.kind == "f"):
            return np.asarray(leaf)
    return None


def _wholes(batches: Batches, arrays: list[Array | None]) -> dict[int, Array]:
    """By the identity of captured samples, all of the array that they were taken from."""
    leaves = tree().flatten(batches.data)
    wholes = tree().flatten((batches.whole_x, batches.whole_y))
    pairs = zip(leaves, wholes, strict=False)
    return {id(leaf): whole for leaf, whole in pairs if whole is not None and any(leaf is array for array in arrays)}
