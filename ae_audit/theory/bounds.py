"""What no weights can do: reachability of targets, and the R² that the activation range permits.

The targets are projected on the closure of the activation range: clipped to a box, projected on a simplex along an axis
(Duchi, Shalev-Shwartz, Singer and Chandra 2008), on a sphere, or on the logarithms of a simplex. No prediction in the
range is closer, so the R² of the projection bounds that of any model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ae_audit.theory.activation_ranges import ActivationRange, Constraint
from ae_audit.theory.intervals import Interval

Floats = NDArray[np.float64]
Array = NDArray[Any]

TOLERANCE = 1e-3
"""Share of the range's extent that a target may lie outside and still count as reachable: rounding, and resampling."""
_CHUNK = 1 << 16
"""values taken at a time: half a MiB in float64, which stays in a core's cache"""


def project_box(x: Array, box: Interval) -> Floats:
    """The nearest values in the closure of ``box``, of the shape of ``x``."""
    return np.clip(np.asarray(x, np.float64), box.lo, box.hi)


def project_simplex(x: Array, axis: int = -1, total: float = 1.0) -> Floats:
    """The nearest vectors along ``axis`` that are non-negative and sum to ``total``: Duchi et al. 2008, by sorting.

    Args:
        x: of any shape, all finite.
        axis: of the vectors.
        total: 0 or more.

    Returns:
        Of the shape of ``x``.

    Raises:
        ValueError: if ``total`` is negative.
    """
    if total < 0:
        raise ValueError("non-negative values have no negative sum")
    moved = np.moveaxis(np.asarray(x, np.float64), axis, -1)
    descending = -np.sort(-moved, axis=-1)
    excess = np.cumsum(descending, axis=-1) - total
    ranks = np.arange(1, moved.shape[-1] + 1)
    support = np.maximum(np.count_nonzero(descending * ranks > excess, axis=-1), 1)
    tau = np.take_along_axis(excess, support[..., None] - 1, axis=-1) / support[..., None]
    return np.moveaxis(np.maximum(moved - tau, 0.0), -1, axis)


def reachability(range_: ActivationRange, targets: Array) -> float:
    """The share of target values outside the activation range's closure; of target vectors for a constrained range.

    0 where nothing is known of the range; where a constraint's axis is unknown, the axis that suits the targets best.
    Non-finite values count as outside.

    Args:
        range_: of the predictions, in the targets' space.
        targets: batch axis first, of the prediction's shape.

    Returns:
        Between 0 and 1.
    """
    x = np.asarray(targets, np.float64)
    if x.size == 0:
        return 0.0
    hull = range_.values.hull
    slack = TOLERANCE * (hull.width if hull.bounded else 1.0)
    inside = (x >= hull.lo - slack) & (x <= hull.hi + slack) & np.isfinite(x)
    outside = 1.0 - float(inside.mean())
    if range_.constraint is None or x.ndim < 1:
        return outside
    return min(_constrained_share(range_, x, axis) for axis in _axes(range_, x))


def _constrained_share(range_: ActivationRange, x: Floats, axis: int) -> float:
    base = (np.moveaxis(x, axis, -1) - range_.shift) / range_.scale
    if range_.constraint is Constraint.SIMPLEX:
        fits = (base >= -TOLERANCE).all(axis=-1) & (np.abs(base.sum(axis=-1) - 1.0) <= TOLERANCE)
    elif range_.constraint is Constraint.LOG_SIMPLEX:
        fits = np.abs(np.exp(np.minimum(base, 700.0)).sum(axis=-1) - 1.0) <= TOLERANCE
    else:
        fits = np.abs(np.linalg.norm(base, axis=-1) - 1.0) <= TOLERANCE
    return 1.0 - float(np.mean(fits))


def attainable_r2(range_: ActivationRange, targets: Array) -> float | None:
    """The best fraction of the targets' variance that any prediction in the range can explain.

    Against the mean target (for images the mean image): 1 − Σ‖t − P t‖² / Σ‖t − t̄‖². At or below 0, no weights beat
    predicting the mean. Exact for a box, a simplex and a sphere, affinely mapped or not, where the axis is known; an
    upper bound otherwise.

    Args:
        range_: of the predictions, in the targets' space.
        targets: batch axis first, of the prediction's shape.

    Returns:
        None where the targets do not vary, or are not all finite.
    """
    x = np.asarray(targets, np.float64)
    if x.ndim == 0 or x.shape[0] < 2 or not np.isfinite(x).all():
        return None
    mean, box = x.mean(axis=0), range_.values.hull
    total = _sum_of_squares(x, lambda part: part - mean)
    if total <= 1e-12 * max(1.0, total + len(x) * float(np.square(mean).sum())):  # the latter: the sum of all squares
        return None
    least = 0.0
    if not _holds_simplex(box, range_):
        least = _sum_of_squares(x, lambda part: part - project_box(part, box))
    if range_.constraint is not None:
        least = max(least, min(_constrained_error(range_, x, axis) for axis in _axes(range_, x)))
    return 1.0 - least / total


def _holds_simplex(box: Interval, range_: ActivationRange) -> bool:
    """Whether the constraint is a simplex that lies in ``box`` whole: then nothing in the box alone is nearer."""
    if range_.constraint is not Constraint.SIMPLEX:
        return False
    ends = range_.shift, range_.shift + range_.scale
    return box.lo <= min(ends) and max(ends) <= box.hi


def _sum_of_squares(x: Floats, residual: Callable[[Floats], Floats]) -> float:
    """Σ residual(x)², for a residual of each sample (axis 0) that does not depend on the others."""
    step = max(1, _CHUNK // max(1, x[0].size))
    residuals = (residual(x[start : start + step]) for start in range(0, len(x), step))
    return sum(float(np.square(part).sum()) for part in residuals)  # a dot product would wake the threads of BLAS


def _axes(range_: ActivationRange, x: Floats) -> list[int]:
    """The axis of the constraint, or all that it could be; axis 0 is the batch."""
    if range_.axis is not None and -x.ndim <= range_.axis < x.ndim:
        return [range_.axis]
    return list(range(1, x.ndim)) or [0]


def _constrained_error(range_: ActivationRange, x: Floats, axis: int) -> float:
    """Summed squared distance of the vectors along ``axis`` from the range."""
    base = (np.moveaxis(x, axis, -1) - range_.shift) / range_.scale
    vectors = base.reshape(-1, base.shape[-1])
    step = max(1, _CHUNK // vectors.shape[-1])
    return range_.scale**2 * sum(
        float(_squared_distance(range_.constraint, vectors[start : start + step]).sum())
        for start in range(0, len(vectors), step)
    )


def _squared_distance(constraint: Constraint | None, vectors: Floats) -> Floats:
    if constraint is Constraint.SIMPLEX:
        return np.asarray(np.square(vectors - project_simplex(vectors)).sum(axis=-1))
    if constraint is Constraint.UNIT_NORM:
        return np.asarray(np.square(np.linalg.norm(vectors, axis=-1) - 1.0))
    return log_simplex_distance(vectors) ** 2


def log_simplex_distance(vectors: Floats) -> Floats:
    """Distance of each row from the set {z : Σ exp z = 1}; a lower bound of it for rows with Σ exp < 1.

    ``vectors`` has one row a vector, (n, units); the result has one distance a row, (n,).

    Rows with Σ exp > 1 lie outside the convex set {log Σ exp z ≤ 0}, whose border this is: their projection is
    z = t − λ exp z, that is z = t − ω(t + log λ) with Wright's ω (w + log w = x), and λ such that Σ exp z = 1. For rows
    inside, log Σ exp has gradients of norm at most 1, so the border is at least −log Σ exp away.
    """
    level = _log_sum_exp(vectors)
    distance = np.abs(level)
    outside = level > 0.0
    if not outside.any():
        return distance
    t = vectors[outside]
    low, high = np.full(len(t), -30.0), np.full(len(t), 1.0)
    while True:
        above = _log_sum_exp(t - wright_omega(t + high[:, None])) > 0.0
        if not above.any():
            break
        high = np.where(above, 2.0 * high, high)
    s = high.copy()
    for _ in range(100):
        w = wright_omega(t + s[:, None])
        z = t - w
        value = _log_sum_exp(z)
        low, high = np.where(value > 0.0, s, low), np.where(value > 0.0, high, s)
        if np.abs(value).max() < 1e-10:
            break
        weights = np.exp(z - value[:, None])
        slope = -(weights * (w / (1.0 + w))).sum(axis=-1)
        newton = s - value / np.minimum(slope, -1e-300)
        s = np.where((newton > low) & (newton < high), newton, (low + high) / 2.0)
    distance[outside] = np.linalg.norm(wright_omega(t + s[:, None]), axis=-1)
    return distance


def wright_omega(x: Floats) -> Floats:
    """The solution w > 0 of ``w + log w = x`` for each finite ``x``, by Newton's method on ``log w``.

    Wright's ω of real arguments: Corless and Jeffrey 2002. Six steps reach double precision from the asymptotic start.
    """
    u = np.where(x > 1.0, np.log(np.maximum(x - np.log(np.maximum(x, 1.0)), 1e-300)), np.minimum(x, 1.0))
    for _ in range(6):
        w = np.exp(u)
        u = u - (w + u - x) / (w + 1.0)
    return np.exp(u)


def _log_sum_exp(x: Floats) -> Floats:
    top = x.max(axis=-1)
    return np.asarray(top + np.log(np.exp(x - top[..., None]).sum(axis=-1)))
