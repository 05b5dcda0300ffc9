"""Captures of a live Keras model, for ``ae_audit.audit(model, x, y)``: nothing of the user's is changed."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from ae_audit.runtime.keras.batches import read
from ae_audit.runtime.keras.capture import KerasCapture
from ae_audit.runtime.keras.model_state import compiled_as, torch_modes
from ae_audit.runtime.keras.program import KerasProgram
from ae_audit.runtime.keras.setups import FitContext, captures_of
from ae_audit.schema.location import Location

LIVE = Location("<live model>", 1)


def capture_live(
    model: Any,
    x: Any,
    y: Any = None,
    loss: Any = None,
    *,
    optimizer: Any = None,
    batch_size: int | None = None,
    location: Location = LIVE,
) -> list[KerasCapture]:
    """A capture for each loss of ``model``, compiled or not, on the given data.

    The model is left as it was, weights, optimizer, activation and compile state included, when this returns and after
    every step of a trial.

    Args:
        y: the target; by default the input, where a loss is given or compiled.
        loss: as for ``compile``; by default the compiled one.
        optimizer: as for ``compile``; by default the compiled one, or Adam.
        location: of the caller, for the report.

    Raises:
        ValueError: if there is no loss: neither given, nor compiled, nor in a training step of the model's own.
        ae_audit.runtime.keras.batches.Unreadable: if the data cannot be read.
    """
    import keras

    compiled = bool(getattr(model, "compiled", False))
    own_step = type(model).train_step is not keras.Model.train_step
    if loss is None and not own_step and (not compiled or model._compile_loss is None):
        raise ValueError("the model has no compiled loss: pass one as loss=…")

    def compile_model() -> None:
        chosen = optimizer or (_copy(model.optimizer) if compiled and model.optimizer is not None else "adam")
        kept = model._compile_loss._user_loss if compiled and model._compile_loss is not None else None
        model.compile(optimizer=chosen, loss=loss if loss is not None else kept)

    as_given = compiled and loss is None and optimizer is None
    with torch_modes(model), nullcontext() if as_given else compiled_as(model, compile_model):
        if y is None and model._compile_loss is not None:
            y = x
        batches = read(x, y, batch_size=batch_size)
        program = KerasProgram(model=model, batches=batches, borrowed=True)
        return captures_of(program, FitContext(location=location))


def _copy(optimizer: Any) -> Any:
    return type(optimizer).from_config(optimizer.get_config())
