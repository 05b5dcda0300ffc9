"""What the readers of model files share: the architecture as read, and how plain values are written in a program."""

from __future__ import annotations

import json
import re

from ae_audit.base.records import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

Shape = tuple["int | None", ...]

LARGEST_CONFIG = 64 << 20
"""bytes of an architecture; more is no description of a model"""


class NotReadable(Exception):
    """The file holds no model that could be read; the text says why, as a sentence on `it`."""


class UnsafeModel(Exception):
    """The file could be loaded only by running code that it holds; the text says which."""


@dataclass(frozen=True, slots=True)
class SavedModel:
    """A model's architecture, its compiled loss, and the shapes of what goes in and out."""

    framework: str
    """``keras`` or ``torch``"""
    config: dict[str, Any]
    inputs: tuple[Shape | None, ...] = ()
    """one shape for each input, batch axis first; None where unknown"""
    outputs: int = 1
    loss: Any = None
    """as the file has it; None where it was saved without one"""
    compiled: dict[str, Any] = field(default_factory=dict)
    name: str | None = None
    foreign: str | None = None
    """why the model cannot be loaded without running the file's own code, where it cannot"""


def literal(value: Any) -> str | None:
    """``value`` as Python writes it; None where it is no plain value."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        parts = [literal(part) for part in value]
        return None if None in parts else f"[{', '.join(part for part in parts if part is not None)}]"
    return None


def identifier(name: object) -> str:
    """A name for a variable or class, made of one in the file."""
    text = re.sub(r"\W", "_", str(name)) or "_"
    return text if not text[0].isdigit() else f"_{text}"
