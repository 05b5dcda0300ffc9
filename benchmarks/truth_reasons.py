"""Why training did otherwise than theory or rules say, for the cells where it did."""

from __future__ import annotations


def reason_of(head: str, loss: str, data: str, trained: str) -> str | None:
    """The cause, for the page; None where there is none known."""
    return None
