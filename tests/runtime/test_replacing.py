"""Detours: every call is caught, by whatever reference, and afterwards nothing of it is left."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

from ae_audit.runtime.host.patching import can_be_detoured, detoured


def power(base: float, exponent: float = 2.0, *, scale: float = 1.0) -> float:
    return scale * float(base**exponent)


def test_calls_by_stored_references_are_caught_and_go_on_to_the_original() -> None:
    seen: list[tuple[Any, Any]] = []

    def watched(original: FunctionType) -> Callable[..., Any]:
        def instead(*args: Any, **kwargs: Any) -> Any:
            seen.append((args, kwargs))
            return original(*args, **kwargs)

        return instead

    stored, signature = {"loss": power}, inspect.signature(power)
    with detoured(power, watched):
        assert stored["loss"](3.0) == 9.0
        assert stored["loss"](2.0, 3.0, scale=10.0) == 80.0
        assert inspect.signature(power) == signature
        with detoured(power, lambda original: lambda base: -original(base)):
            assert stored["loss"](3.0) == -9.0
    assert seen == [((3.0,), {}), ((2.0, 3.0), {"scale": 10.0}), ((3.0,), {})]
    assert power(3.0) == 9.0
    assert len(seen) == 3
    assert "__signature__" not in vars(power)


def test_what_closes_over_something_is_not_taken() -> None:
    factor = 2.0
    assert can_be_detoured(power)
    assert not can_be_detoured(lambda value: factor * value)
    assert not can_be_detoured(len)
