"""How sure a mean of few values is: Student's interval."""

from __future__ import annotations

import math

from ae_audit.base.records import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from collections.abc import Sequence

NORMAL = 1.959964
"""quantile of the normal distribution at 97.5 %"""
_STUDENT = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622)
"""of Student's distribution, with 1 to 9 degrees of freedom"""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean, and half the width of its 95 % interval; None for one value, which says nothing of its own spread."""

    mean: float
    half_width: float | None = None

    @property
    def low(self) -> float:
        """The lower end of the interval; −∞ where there is none."""
        return -math.inf if self.half_width is None else self.mean - self.half_width

    @property
    def high(self) -> float:
        """The upper end of the interval; ∞ where there is none."""
        return math.inf if self.half_width is None else self.mean + self.half_width

    @property
    def tells_from_zero(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low > 0.0 or self.high < 0.0


def student(freedom: int) -> float:
    """Quantile of Student's distribution at 97.5 %; from ten degrees of freedom on to three digits."""
    if freedom <= len(_STUDENT):
        return _STUDENT[freedom - 1]
    z = NORMAL
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )


def estimate(values: Sequence[float]) -> Estimate | None:
    """The mean of independent ``values`` with its 95 % interval; None without any.

    Where one of them is not finite the mean is not either, and has no interval.
    """
    if not values:
        return None
    mean = math.fsum(values) / len(values) if all(map(math.isfinite, values)) else sum(values)
    if len(values) == 1 or not math.isfinite(mean):
        return Estimate(mean)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return Estimate(mean, student(len(values) - 1) * math.sqrt(variance / len(values)))


def difference(ones: Sequence[float], others: Sequence[float]) -> Estimate | None:
    """The mean of ``ones[i] − others[i]``, values that were measured in pairs; None where they do not pair up."""
    if len(ones) != len(others):
        return None
    return estimate([one - other for one, other in zip(ones, others, strict=True)])
