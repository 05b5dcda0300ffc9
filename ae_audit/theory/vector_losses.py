"""Losses over vectors along an axis: distributions, class indices, sets, directions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from ae_audit.theory.intervals import INFINITY, NON_NEGATIVE, REAL_LINE, UNIT, Interval
from ae_audit.theory.loss import (
    Link,
    Loss,
    Prediction,
    PredictionKind,
    Target,
    TargetKind,
    Vector,
    known,
    log,
    log_softmax,
    number,
    softmax,
    times,
    vector,
)

Parameters = Mapping[str, object]
HALF_OPEN_UNIT = Interval(0.0, 1.0, True, False)
NON_POSITIVE = Interval(-INFINITY, 0.0)
SMALL = 1e-7
"""Keras's epsilon, in the denominators of the set losses"""


def _log_probabilities(p: Prediction, from_logits: bool) -> Vector:
    """Keras divides probabilities by their sum; logits go through the log-softmax."""
    values = vector(p)
    if from_logits:
        return log_softmax(values)
    total = math.fsum(values)
    return tuple(log(x / total) if x >= 0 < total else math.nan for x in values)


def _one_hot(index: int, units: int | None) -> Vector:
    if units is None:
        raise ValueError("a class index has a minimiser only where the number of units is known")
    return tuple(1.0 if i == index else 0.0 for i in range(units))


def _normalised(y: Vector) -> Vector:
    """On the simplex: negative entries dropped, divided by the sum; uniform where nothing is left."""
    kept = tuple(max(x, 0.0) for x in y)
    total = math.fsum(kept)
    return tuple(x / total for x in kept) if total > 0 else tuple(1.0 / len(y) for _ in y)


def _logs(p: Sequence[float]) -> Vector:
    return tuple(log(x) for x in p)


def _cross_entropy(name: str, target_kind: TargetKind, from_logits: bool, parameters: Parameters) -> Loss:
    """Cross-entropy with a distribution or a class index as the target."""
    smoothing = number(parameters, "label_smoothing", 0.0)

    def weights(y: Target, units: int | None) -> Vector:
        hard = vector(y) if isinstance(y, Sequence) else _one_hot(int(y), units)
        return tuple(x * (1.0 - smoothing) + smoothing / len(hard) for x in hard)

    def value(y: Target, p: Prediction) -> float:
        logs = _log_probabilities(p, from_logits)
        return -math.fsum(times(w, x) for w, x in zip(weights(y, len(logs)), logs, strict=True))

    def minimiser(y: Target, units: int | None) -> Prediction:
        best = _normalised(weights(y, units))
        return _logs(best) if from_logits else best

    def floor(y: Target, units: int | None) -> float:
        if not isinstance(y, Sequence) and units is None:
            return 0.0 if smoothing == 0 else math.nan
        found = weights(y, units)
        if min(found) < 0:
            return -INFINITY
        return value(y, minimiser(y, units))

    return Loss(
        name,
        prediction=REAL_LINE if from_logits else HALF_OPEN_UNIT,
        prediction_kind=PredictionKind.LOGIT_VECTOR if from_logits else PredictionKind.SIMPLEX,
        target=NON_NEGATIVE if target_kind is not TargetKind.DISTRIBUTION else UNIT,
        target_kind=target_kind,
        pointwise=False,
        value_of=value,
        minimiser_of=minimiser,
        floor_of=floor,
        link=Link.SOFTMAX if from_logits else Link.IDENTITY,
        suits=smoothing == 0.0,
        from_logits=from_logits,
        parameters=known(parameters, "label_smoothing", "axis"),
    )


def _cce(from_logits: bool, parameters: Parameters) -> Loss:
    return _cross_entropy("cce", TargetKind.DISTRIBUTION, from_logits, parameters)


def _sparse_cce(from_logits: bool, parameters: Parameters) -> Loss:
    return _cross_entropy("sparse_cce", TargetKind.CLASS_INDEX, from_logits, parameters)


def _either_cross_entropy(from_logits: bool, parameters: Parameters) -> Loss:
    return _cross_entropy("cross_entropy", TargetKind.DISTRIBUTION_OR_INDEX, from_logits, parameters)


def _nll(_: bool, parameters: Parameters) -> Loss:
    """torch's NLLLoss: minus the log-probability at the class index."""

    def value(y: Target, p: Prediction) -> float:
        assert not isinstance(y, Sequence)
        return -vector(p)[int(y)]

    def minimiser(y: Target, units: int | None) -> Prediction:
        assert not isinstance(y, Sequence)
        return _logs(_one_hot(int(y), units))

    return Loss(
        "nll",
        prediction=NON_POSITIVE,
        prediction_kind=PredictionKind.LOG_SIMPLEX,
        target=NON_NEGATIVE,
        target_kind=TargetKind.CLASS_INDEX,
        pointwise=False,
        value_of=value,
        minimiser_of=minimiser,
        floor_of=lambda y, units: 0.0,
        link=Link.EXP,
    )


def _kl_divergence(_: bool, parameters: Parameters) -> Loss:
    """``Σ y (log y − log p)``; torch gives the prediction, and with ``log_target`` the target, as logarithms."""
    log_input, log_target = bool(parameters.get("log_input", False)), bool(parameters.get("log_target", False))

    def weights(y: Target) -> Vector:
        return tuple(math.exp(x) for x in vector(y)) if log_target else vector(y)

    def value(y: Target, p: Prediction) -> float:
        logs = vector(p) if log_input else _logs(vector(p))
        found = weights(y)
        return math.fsum(times(w, log(w) - x) if w > 0 else 0.0 for w, x in zip(found, logs, strict=True))

    def minimiser(y: Target, _: int | None) -> Prediction:
        best = _normalised(weights(y))
        return _logs(best) if log_input else best

    def floor(y: Target, units: int | None) -> float:
        return -INFINITY if min(weights(y)) < 0 else value(y, minimiser(y, units))

    return Loss(
        "kl_divergence",
        prediction=NON_POSITIVE if log_input else HALF_OPEN_UNIT,
        prediction_kind=PredictionKind.LOG_SIMPLEX if log_input else PredictionKind.SIMPLEX,
        target=NON_POSITIVE if log_target else UNIT,
        target_kind=TargetKind.LOG_DISTRIBUTION if log_target else TargetKind.DISTRIBUTION,
        pointwise=False,
        value_of=value,
        minimiser_of=minimiser,
        floor_of=floor,
        link=Link.EXP if log_input and not log_target else Link.IDENTITY,
        parameters=known(parameters, "log_input", "log_target"),
    )


def _categorical_focal(from_logits: bool, parameters: Parameters) -> Loss:
    """``−Σ α (1 − p)^γ y log p`` (Keras); exact at one-hot targets, flattened or sharpened between them."""
    gamma, alpha = number(parameters, "gamma", 2.0), number(parameters, "alpha", 0.25)
    smoothing = number(parameters, "label_smoothing", 0.0)

    def weights(y: Target) -> Vector:
        hard = vector(y)
        return tuple(x * (1.0 - smoothing) + smoothing / len(hard) for x in hard)

    def term(p: float) -> float:
        return -alpha * times((1.0 - p) ** gamma, log(p))

    def slope(p: float) -> float:
        if p >= 1.0:
            return 0.0 if gamma > 0 else -1.0
        return float(-((1.0 - p) ** gamma) / p + gamma * (1.0 - p) ** (gamma - 1.0) * math.log(p))

    def value(y: Target, p: Prediction) -> float:
        values = softmax(vector(p)) if from_logits else vector(p)
        total = math.fsum(values)
        return math.fsum(times(w, term(x / total)) for w, x in zip(weights(y), values, strict=True))

    def minimiser(y: Target, _: int | None) -> Prediction:
        best = _separable_minimiser(tuple(max(w, 0.0) for w in weights(y)), slope)
        return _logs(best) if from_logits else best

    def floor(y: Target, units: int | None) -> float:
        return -INFINITY if min(weights(y)) < 0 else value(y, minimiser(y, units))

    return Loss(
        "categorical_focal",
        prediction=REAL_LINE if from_logits else HALF_OPEN_UNIT,
        prediction_kind=PredictionKind.LOGIT_VECTOR if from_logits else PredictionKind.SIMPLEX,
        target=UNIT,
        target_kind=TargetKind.ONE_HOT,
        pointwise=False,
        value_of=value,
        minimiser_of=minimiser,
        floor_of=floor,
        link=Link.SOFTMAX if from_logits else Link.IDENTITY,
        suits=smoothing == 0.0,
        from_logits=from_logits,
        parameters=known(parameters, "gamma", "alpha", "label_smoothing", "axis"),
    )


def _separable_minimiser(weights: Vector, slope: Callable[[float], float]) -> Vector:
    """The point of the simplex where ``Σ w g(p)`` is least, for a convex falling ``g`` with derivative ``slope``.

    There all ``w slope(p)`` are equal (Lagrange); bisection finds the common value.
    """
    if sum(w > 0 for w in weights) <= 1:
        return _normalised(weights)

    def at(multiplier: float) -> Vector:
        return tuple(_root(w, multiplier) if w > 0 else 0.0 for w in weights)

    def _root(w: float, multiplier: float) -> float:
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2.0
            if middle == 0.0 or w * slope(middle) < -multiplier:
                low = middle
            else:
                high = middle
        return (low + high) / 2.0

    low, high = 0.0, 1.0
    while math.fsum(at(high)) > 1.0:
        high *= 2.0
    for _ in range(60):
        middle = (low + high) / 2.0
        if math.fsum(at(middle)) > 1.0:
            low = middle
        else:
            high = middle
    return _normalised(at((low + high) / 2.0))


def _generalized_cross_entropy(_: bool, parameters: Parameters) -> Loss:
    """``(1 − p_y^q) / q`` (Zhang and Sabuncu 2018)."""
    q = number(parameters, "q", 0.5)

    def value(y: Target, p: Prediction) -> float:
        assert not isinstance(y, Sequence)
        return float((1.0 - vector(p)[int(y)] ** q) / q)

    def minimiser(y: Target, units: int | None) -> Prediction:
        assert not isinstance(y, Sequence)
        return _one_hot(int(y), units)

    return Loss(
        "generalized_cross_entropy",
        prediction=UNIT,
        prediction_kind=PredictionKind.SIMPLEX,
        target=NON_NEGATIVE,
        target_kind=TargetKind.CLASS_INDEX,
        pointwise=False,
        value_of=value,
        minimiser_of=minimiser,
        floor_of=lambda y, units: 0.0,
        parameters=known(parameters, "q"),
    )


def _categorical_hinge(_: bool, parameters: Parameters) -> Loss:
    """``max(0, 1 + max((1 − y) p) − Σ y p)``."""

    def value(y: Target, p: Prediction) -> float:
        target, scores = vector(y), vector(p)
        positive = math.fsum(t * s for t, s in zip(target, scores, strict=True))
        negative = max((1.0 - t) * s for t, s in zip(target, scores, strict=True))
        return max(0.0, negative - positive + 1.0)

    def minimiser(y: Target, _: int | None) -> Prediction:
        target = vector(y)
        for extreme in (max(target), min(target)):
            if extreme >= 1.0 or extreme < 0.0:
                at = target.index(extreme)
                return tuple(1.0 / extreme if i == at else 0.0 for i in range(len(target)))
        # Scores s / (1 - y) make every (1 - y) p equal to s; then the loss is 1 - s (Σ y / (1 - y) - 1).
        slope = math.fsum(t / (1.0 - t) for t in target) - 1.0
        if abs(slope) < 1e-12:
            return tuple(0.0 for _ in target)
        return tuple(1.0 / slope / (1.0 - t) for t in target)

    return Loss(
        "categorical_hinge",
        prediction=REAL_LINE,
        prediction_kind=PredictionKind.SCORE_VECTOR,
        target=UNIT,
        target_kind=TargetKind.ONE_HOT,
        pointwise=False,
        value_of=value,
        minimiser_of=minimiser,
    )


def _multi_margin(_: bool, parameters: Parameters) -> Loss:
    """``Σ_{i≠y} max(0, margin − p_y + p_i)^p / units``."""
    margin, power = number(parameters, "margin", 1.0), number(parameters, "p", 1.0)

    def value(y: Target, p: Prediction) -> float:
        assert not isinstance(y, Sequence)
        scores, index = vector(p), int(y)
        gaps: list[float] = [max(0.0, margin - scores[index] + s) ** power for i, s in enumerate(scores) if i != index]
        return math.fsum(gaps) / len(scores)

    def minimiser(y: Target, units: int | None) -> Prediction:
        assert not isinstance(y, Sequence)
        return tuple(margin * x for x in _one_hot(int(y), units))

    return Loss(
        "multi_margin",
        prediction=REAL_LINE,
        prediction_kind=PredictionKind.SCORE_VECTOR,
        target=NON_NEGATIVE,
        target_kind=TargetKind.CLASS_INDEX,
        pointwise=False,
        value_of=value,
        minimiser_of=minimiser,
        floor_of=lambda y, units: 0.0,
        parameters=known(parameters, "margin", "p"),
    )


def _multilabel_margin(_: bool, parameters: Parameters) -> Loss:
    """``Σ_{j target, i not} max(0, 1 − p_j + p_i) / units``; targets are class indices, −1 ends them."""

    def indices(y: Target) -> tuple[int, ...]:
        found = []
        for x in vector(y):
            if x < 0:
                break
            found.append(int(x))
        return tuple(found)

    def value(y: Target, p: Prediction) -> float:
        scores, wanted = vector(p), indices(y)
        others = [i for i in range(len(scores)) if i not in wanted]
        return math.fsum(max(0.0, 1.0 - scores[j] + scores[i]) for j in wanted for i in others) / len(scores)

    def minimiser(y: Target, units: int | None) -> Prediction:
        wanted = indices(y)
        return tuple(1.0 if i in wanted else 0.0 for i in range(units or len(vector(y))))

    return Loss(
        "multilabel_margin",
        prediction=REAL_LINE,
        prediction_kind=PredictionKind.SCORE_VECTOR,
        target=Interval(-1.0, INFINITY),
        target_kind=TargetKind.MULTI_INDEX,
        pointwise=False,
        value_of=value,
        minimiser_of=minimiser,
        floor_of=lambda y, units: 0.0,
    )


def _cosine_similarity(_: bool, parameters: Parameters) -> Loss:
    """Minus the cosine of the angle (Keras); any positive multiple of the target is as good as the target."""

    def value(y: Target, p: Prediction) -> float:
        target, prediction = vector(y), vector(p)
        lengths = math.hypot(*target) * math.hypot(*prediction)
        return -math.fsum(a * b for a, b in zip(target, prediction, strict=True)) / lengths if lengths else 0.0

    return Loss(
        "cosine_similarity",
        prediction=REAL_LINE,
        prediction_kind=PredictionKind.ANY,
        target=REAL_LINE,
        target_kind=TargetKind.ANY,
        pointwise=False,
        value_of=value,
        minimiser_of=lambda y, _: vector(y),
        suits=False,
        parameters=known(parameters, "axis"),
    )


def _overlap(name: str, missed: float, invented: float, parameters: Parameters) -> Loss:
    """``1 − I / (I + missed · Σ y (1 − p) + invented · Σ p (1 − y))`` with ``I = Σ y p``; dice has both at 1/2.

    For a fixed target this is a quotient of linear functions of the prediction, so it is least at a corner of the unit
    cube: the largest targets at 1, the others at 0. Only a binary target is its own minimiser.
    """

    def value(y: Target, p: Prediction) -> float:
        target, prediction = vector(y), vector(p)
        both = math.fsum(a * b for a, b in zip(target, prediction, strict=True))
        false = missed * (math.fsum(target) - both) + invented * (math.fsum(prediction) - both)
        small = SMALL / 2.0 if name == "dice" else SMALL
        return 1.0 - both / (both + false + small)

    def minimiser(y: Target, _: int | None) -> Prediction:
        target = vector(y)
        order = sorted(range(len(target)), key=lambda i: -target[i])
        corners = [
            tuple(1.0 if i in set(order[:k]) else 0.0 for i in range(len(target))) for k in range(len(order) + 1)
        ]
        return min(corners, key=lambda corner: value(target, corner))

    return Loss(
        name,
        prediction=UNIT,
        prediction_kind=PredictionKind.PROBABILITY,
        target=UNIT,
        target_kind=TargetKind.BINARY,
        pointwise=False,
        value_of=value,
        minimiser_of=minimiser,
        parameters=known(parameters, "alpha", "beta", "axis"),
    )


def _dice(_: bool, parameters: Parameters) -> Loss:
    return _overlap("dice", 0.5, 0.5, parameters)


def _tversky(_: bool, parameters: Parameters) -> Loss:
    return _overlap("tversky", number(parameters, "alpha", 0.5), number(parameters, "beta", 0.5), parameters)


OVER_VECTORS: dict[str, Callable[[bool, Parameters], Loss]] = {
    "cce": _cce,
    "sparse_cce": _sparse_cce,
    "cross_entropy": _either_cross_entropy,
    "nll": _nll,
    "kl_divergence": _kl_divergence,
    "categorical_focal": _categorical_focal,
    "generalized_cross_entropy": _generalized_cross_entropy,
    "categorical_hinge": _categorical_hinge,
    "multi_margin": _multi_margin,
    "multilabel_margin": _multilabel_margin,
    "cosine_similarity": _cosine_similarity,
    "dice": _dice,
    "tversky": _tversky,
}
"""Canonical name to the loss, from its logits convention and its parameters."""
