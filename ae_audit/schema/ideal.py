"""What became of the ideal network: one that could output anything, fitted by the program's own loss."""

from __future__ import annotations

from enum import Enum

from ae_audit.base.records import dataclass


class Outcome(Enum):
    """How it ended, and what that says of head and loss."""

    ARRIVES = "arrives"
    """at the target, or as near as a monotone function of it"""
    ELSEWHERE = "elsewhere"
    """not at the target, but nothing that was found costs less than the target does: that accuses nobody"""
    UNREACHABLE = "unreachable"
    """the output layer cannot produce what the loss rewards most: the target in the loss's own encoding"""
    BEATEN = "beaten"
    """something that does not resemble the target costs materially less than the target itself"""
    BLIND = "blind"
    """the targets of other samples cost as little as a sample's own, and a constant costs no more"""
    DEAD = "dead"
    """where the network starts, the loss has no gradient by which to improve"""
    UNDEFINED = "undefined"
    """where the network starts, the loss is no number, though the target itself has a cost"""
    NOT_JUDGED = "not judged"


MISSES = frozenset({Outcome.UNREACHABLE, Outcome.BEATEN, Outcome.BLIND, Outcome.DEAD, Outcome.UNDEFINED})


@dataclass(frozen=True, slots=True)
class Ideal:
    """The figures of one fit.

    Losses are as the program computes them on the samples that were taken, with the sign and the weight with which the
    term enters what is minimised.
    """

    outcome: Outcome
    samples: int = 0
    of_samples: int = 0
    """in the captured batch; more than ``samples`` where only a part was taken"""
    values: int = 0
    """free values"""
    r2: float | None = None
    """of what the free network ends at, in the target's own space"""
    correlation: float | None = None
    """in [-1, 1]; of several monotone readings of the output (as it is, through sigmoid, softmax, exp) the greatest"""
    start_loss: float | None = None
    """of the program's own network as it starts"""
    end_loss: float | None = None
    target_loss: float | None = None
    """of the target itself, in the encoding in which the loss rewards it most"""
    shuffled_loss: float | None = None
    """of the targets of other samples"""
    reachable: float | None = None
    """R² at which the output layer comes nearest to the target in that encoding; 1 where it can produce it"""
    dead_share: float | None = None
    """share of values without gradient where the program's own network starts"""
    why: str | None = None
    """why it is not judged"""

    @property
    def misses(self) -> bool:
        """Whether one of the cases that accuse holds."""
        return self.outcome in MISSES
