"""How operations on tensors are declared: once, for functions, methods and their in-place forms alike."""

from __future__ import annotations

from collections.abc import Callable

from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import Array, Tensor, Value
from ae_audit.static.knowledge.torch import heads

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run

Operation = Callable[["Run", Value, Call, str], Value]

OPERATIONS: dict[str, Operation] = {}


def operation(*given: str) -> Callable[[Operation], Operation]:
    """Register an operation under its names."""

    def register(handler: Operation) -> Operation:
        for name in given:
            OPERATIONS[name] = handler
        return handler

    return register


def apply(run: Run, name: str, value: Value, call: Call) -> Value:
    """An operation by name, on a value of any kind."""
    plain = name.rstrip("_") if not name.startswith("_") else name
    handler = OPERATIONS.get(name) or OPERATIONS.get(plain)
    if handler is None:
        return heads.undetermined(run, value, f"what `{name}` returns is not known", call.where)
    return handler(run, value, call, plain)


def carried(run: Run, value: Value) -> Array | Tensor | None:
    """Data or a tensor of the network."""
    return heads.carried(run, value)
