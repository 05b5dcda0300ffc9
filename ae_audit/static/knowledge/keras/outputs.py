"""Several outputs of a Keras model: their names, and what of losses and targets belongs to which."""

from __future__ import annotations

from ae_audit.static.domain.values import Const, Mapping, Seq, Unknown, Value
from ae_audit.static.knowledge.keras.memory import LAYER_CALLS

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run


def count_of(given: Value | None) -> int:
    """How many outputs a model out of reach has, by the targets or the losses that it is given."""
    if not isinstance(given, Seq) or given.rest is not None:
        return 1
    numbers = any(isinstance(item, Const) and not isinstance(item.value, str) for item in given.items)
    return 1 if numbers else max(1, len(given.items))


def layer_names(run: Run, outputs: list[Value]) -> list[str]:
    """The names of the layers that give the outputs; empty texts where they have none."""
    known = LAYER_CALLS.of(run)
    names: list[str] = []
    for output in outputs:
        entry = known.get(output)
        name = None
        if entry is not None and entry.layer.call is not None:
            name = entry.layer.call.constant(None, "name")
        names.append(name if isinstance(name, str) else "")
    return names


def for_output(value: Value | None, index: int, names: list[str], count: int) -> Value | None:
    """What of a loss or its weight, given for each output, concerns one of them."""
    if isinstance(value, Mapping):
        if index < len(names) and names[index] in value.items:
            return value.items[names[index]]
        entries = list(value.items.values())
        return (
            entries[index]
            if index < len(entries) and not any(names)
            else (entries[0] if count == 1 and entries else None)
        )
    if isinstance(value, Seq) and value.rest is None:
        return value.items[index] if index < len(value.items) else None
    return value


def part(run: Run, value: Value | None, index: int, names: list[str], count: int) -> Value | None:
    """The target of one output."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        return for_output(value, index, names, count)
    if isinstance(value, Seq) and (count > 1 or len(value.items) == 1):
        return value.items[index] if index < len(value.items) else value.rest
    if isinstance(value, Seq):
        return run.as_array(value) or Unknown("it is a list of what is no number")
    if isinstance(value, Unknown):
        return run.as_array(value) if count == 1 else value
    return value
