"""Splits of made-up data by the numbers of samples that the program's own data have, in the same proportions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any


def install(module: ModuleType, stand_in: Callable[[], bool]) -> None:
    """Have ``random_split`` take lengths that add up to those of the data that a program is meant for.

    Args:
        module: where ``random_split`` is looked up.
        stand_in: whether any data stood in so far.
    """
    original = module.random_split

    @functools.wraps(original)
    def random_split(dataset: Any, lengths: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        counts = [length for length in lengths if type(length) is int and length >= 0]
        if len(counts) == len(lengths) and sum(counts) not in (0, len(dataset)) and stand_in():
            lengths = in_proportion(counts, len(dataset))
        return original(dataset, lengths, *args, **kwargs)

    module.random_split = random_split  # type: ignore[attr-defined]


def in_proportion(counts: Sequence[int], total: int) -> list[int]:
    """Parts of ``total`` that are as large beside each other as ``counts``; they add up to it."""
    ends = [total * sum(counts[: place + 1]) // sum(counts) for place in range(len(counts))]
    return [end - begin for begin, end in zip([0, *ends], ends, strict=False)]
