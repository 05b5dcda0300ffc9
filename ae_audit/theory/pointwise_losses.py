"""Losses that are a mean over values: each prediction meets its own target."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from ae_audit.base.records import replace
from ae_audit.theory.elementwise import sigmoid, softplus
from ae_audit.theory.intervals import INFINITY, NON_NEGATIVE, OPEN_UNIT, POSITIVE, REAL_LINE, UNIT, Interval
from ae_audit.theory.loss import (
    Link,
    Loss,
    Prediction,
    PredictionKind,
    Target,
    TargetKind,
    known,
    log,
    number,
    scalar,
    times,
)

Parameters = Mapping[str, object]
SIGNS = Interval(-1.0, 1.0)
UNKNOWN_SCALE = "it depends on the scale of the likelihood, which is learned or not known"
GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


def _distance(
    name: str,
    distance: Callable[[float, float], float],
    parameters: Parameters,
    *names: str,
    target_kind: TargetKind = TargetKind.ANY,
) -> Loss:
    """A loss that is least, and 0, where the prediction is the target."""
    return Loss(
        name,
        prediction=REAL_LINE,
        prediction_kind=PredictionKind.ANY,
        target=REAL_LINE,
        target_kind=target_kind,
        pointwise=True,
        value_of=lambda y, p: distance(scalar(y), scalar(p)),
        minimiser_of=lambda y, _: scalar(y),
        floor_of=lambda y, _: 0.0,
        parameters=known(parameters, *names),
    )


def _mse(_: bool, parameters: Parameters) -> Loss:
    return _distance("mse", lambda y, p: (y - p) ** 2, parameters)


def _mae(_: bool, parameters: Parameters) -> Loss:
    """With ``full`` the whole negative logarithm of a Laplace density of width ``scale``, as the Gaussian's below."""
    plain = _distance("mae", lambda y, p: abs(y - p), parameters)
    if not parameters.get("full"):
        return plain
    scale = number(parameters, "scale", math.nan)
    given = scale > 0.0
    width = scale if given else 1.0
    constant = math.log(2.0 * width)
    return replace(
        plain,
        value_of=lambda y, p: abs(scalar(y) - scalar(p)) / width + constant,
        floor_of=lambda y, _: constant if given else math.nan,
        floor_unknown=None if given else UNKNOWN_SCALE,
        parameters=known(parameters, "full", "scale"),
    )


def _mape(_: bool, parameters: Parameters) -> Loss:
    def value(y: float, p: float) -> float:
        return 100.0 * abs(y - p) / max(abs(y), 1e-7)

    return _distance("mape", value, parameters, target_kind=TargetKind.NON_ZERO)


def _huber(_: bool, parameters: Parameters) -> Loss:
    delta = number(parameters, "delta", 1.0)

    def value(y: float, p: float) -> float:
        error = abs(y - p)
        return 0.5 * error * error if error <= delta else delta * error - 0.5 * delta * delta

    return _distance("huber", value, parameters, "delta")


def _smooth_l1(_: bool, parameters: Parameters) -> Loss:
    beta = number(parameters, "beta", 1.0)

    def value(y: float, p: float) -> float:
        error = abs(y - p)
        return 0.5 * error * error / beta if error < beta else error - 0.5 * beta

    return _distance("smooth_l1", value, parameters, "beta")


def _log_cosh(_: bool, parameters: Parameters) -> Loss:
    def value(y: float, p: float) -> float:
        error = abs(y - p)
        return error + softplus(-2.0 * error) - math.log(2.0)

    return _distance("log_cosh", value, parameters)


def _msle(_: bool, parameters: Parameters) -> Loss:
    """Keras takes both sides as at least 0 (1e-7) before the logarithm."""

    def value(y: Target, p: Prediction) -> float:
        return (math.log1p(max(scalar(y), 0.0)) - math.log1p(max(scalar(p), 0.0))) ** 2

    return Loss(
        "msle",
        prediction=NON_NEGATIVE,
        prediction_kind=PredictionKind.ANY,
        target=NON_NEGATIVE,
        target_kind=TargetKind.NON_NEGATIVE,
        pointwise=True,
        value_of=value,
        minimiser_of=lambda y, _: max(scalar(y), 0.0),
    )


def _bce(from_logits: bool, parameters: Parameters) -> Loss:
    smoothing = number(parameters, "label_smoothing", 0.0)
    weight = number(parameters, "pos_weight", 1.0)

    def smoothed(y: Target) -> float:
        return scalar(y) * (1.0 - smoothing) + 0.5 * smoothing

    def value(y: Target, p: Prediction) -> float:
        q, x = smoothed(y), scalar(p)
        if from_logits:
            return times(weight * q, softplus(-x)) + times(1.0 - q, softplus(x))
        return -times(weight * q, log(x)) - times(1.0 - q, log(1.0 - x))

    def minimiser(y: Target, _: int | None) -> float:
        q = smoothed(y)
        if weight * q <= 0.0 or q >= 1.0:  # outside [0, 1] the loss falls without end towards that side
            best = 0.0 if weight * q <= 0.0 else 1.0
        else:
            best = weight * q / (weight * q + 1.0 - q)
        return logit(best) if from_logits else best

    def floor(y: Target, units: int | None) -> float:
        return value(y, minimiser(y, units)) if 0.0 <= smoothed(y) <= 1.0 else -INFINITY

    return Loss(
        "bce",
        prediction=REAL_LINE if from_logits else OPEN_UNIT,
        prediction_kind=PredictionKind.LOGIT if from_logits else PredictionKind.PROBABILITY,
        target=UNIT,
        target_kind=TargetKind.UNIT_INTERVAL,
        pointwise=True,
        value_of=value,
        minimiser_of=minimiser,
        floor_of=floor,
        link=Link.SIGMOID if from_logits else Link.IDENTITY,
        suits=smoothing == 0.0 and weight == 1.0,
        from_logits=from_logits,
        parameters=known(parameters, "label_smoothing", "pos_weight"),
    )


def logit(p: float) -> float:
    """``log(p / (1 − p))`` for p in [0, 1]: −∞ at 0, ∞ at 1.

    Raises:
        ValueError: outside [0, 1].
    """
    return log(p) - log(1.0 - p)


def _binary_focal(from_logits: bool, parameters: Parameters) -> Loss:
    """Lin et al. 2017, for targets between 0 and 1 as Keras computes it."""
    gamma, alpha = number(parameters, "gamma", 2.0), number(parameters, "alpha", 0.25)
    smoothing = number(parameters, "label_smoothing", 0.0)
    balanced = bool(parameters.get("apply_class_balancing", False))

    def on_probability(q: float, p: float) -> float:
        weight = q * alpha + (1.0 - q) * (1.0 - alpha) if balanced else 1.0
        entropy = -times(q, log(p)) - times(1.0 - q, log(1.0 - p))
        return weight * times(max(1.0 - q * p - (1.0 - q) * (1.0 - p), 0.0) ** gamma, entropy)

    def smoothed(y: Target) -> float:
        return scalar(y) * (1.0 - smoothing) + 0.5 * smoothing

    def value(y: Target, p: Prediction) -> float:
        return on_probability(smoothed(y), sigmoid(scalar(p)) if from_logits else scalar(p))

    def minimiser(y: Target, _: int | None) -> float:
        q = smoothed(y)
        best = (0.0 if q <= 0 else 1.0) if not 0.0 < q < 1.0 else minimise_on_unit(lambda p: on_probability(q, p))
        return logit(best) if from_logits else best

    def floor(y: Target, units: int | None) -> float:
        return value(y, minimiser(y, units)) if 0.0 <= smoothed(y) <= 1.0 else -INFINITY

    return Loss(
        "binary_focal",
        prediction=REAL_LINE if from_logits else OPEN_UNIT,
        prediction_kind=PredictionKind.LOGIT if from_logits else PredictionKind.PROBABILITY,
        target=UNIT,
        target_kind=TargetKind.BINARY,
        pointwise=True,
        value_of=value,
        minimiser_of=minimiser,
        floor_of=floor,
        link=Link.SIGMOID if from_logits else Link.IDENTITY,
        suits=smoothing == 0.0,
        from_logits=from_logits,
        parameters=known(parameters, "gamma", "alpha", "apply_class_balancing", "label_smoothing"),
    )


def minimise_on_unit(function: Callable[[float], float], grid: int = 64) -> float:
    """The argument in (0, 1) of the least value: the best of a grid, refined by golden section."""
    best = min(range(1, grid), key=lambda i: function(i / grid))
    low, high = (best - 1) / grid, (best + 1) / grid
    for _ in range(80):
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        if function(left) <= function(right):
            high = right
        else:
            low = left
    return (low + high) / 2.0


def _poisson(_: bool, parameters: Parameters) -> Loss:
    """With ``factorial`` the whole negative logarithm of the probability, log y! included; ``full`` approximates it."""
    log_input, full = bool(parameters.get("log_input", False)), bool(parameters.get("full", False))
    factorial = bool(parameters.get("factorial", False))

    def value(y: Target, p: Prediction) -> float:
        target, x = scalar(y), scalar(p)
        found = math.exp(x) - times(target, x) if log_input else x - times(target, log(x))
        if factorial:
            return found + math.lgamma(target + 1.0)
        if full and target > 1.0:  # Stirling's approximation of log y!
            found += target * math.log(target) - target + 0.5 * math.log(2.0 * math.pi * target)
        return found

    def minimiser(y: Target, _: int | None) -> float:
        rate = max(scalar(y), 0.0)
        return log(rate) if log_input else rate

    def floor(y: Target, units: int | None) -> float:
        return value(y, minimiser(y, units)) if scalar(y) >= 0 else -INFINITY

    return Loss(
        "poisson",
        prediction=REAL_LINE if log_input else POSITIVE,
        prediction_kind=PredictionKind.LOG_RATE if log_input else PredictionKind.RATE,
        target=NON_NEGATIVE,
        target_kind=TargetKind.NON_NEGATIVE,
        pointwise=True,
        value_of=value,
        minimiser_of=minimiser,
        floor_of=floor,
        link=Link.EXP if log_input else Link.IDENTITY,
        parameters=known(parameters, "log_input", "full", "factorial"),
    )


def _gaussian_nll(_: bool, parameters: Parameters) -> Loss:
    """The mean's prediction at the variance ``variance``, which is not below ``eps``.

    Where it is not given the model may predict it too: no number is the floor, and values are those at variance 1.
    """
    eps = number(parameters, "eps", 1e-6)
    constant = 0.5 * math.log(2.0 * math.pi) if parameters.get("full") else 0.0
    variance = max(number(parameters, "variance", 1.0), eps)
    given = "variance" in parameters and variance > 0.0
    least = 0.5 * math.log(variance) + constant if given else math.nan

    def value(y: Target, p: Prediction) -> float:
        return 0.5 * (math.log(variance) + (scalar(y) - scalar(p)) ** 2 / variance) + constant

    return Loss(
        "gaussian_nll",
        prediction=REAL_LINE,
        prediction_kind=PredictionKind.ANY,
        target=REAL_LINE,
        target_kind=TargetKind.ANY,
        pointwise=True,
        value_of=value,
        minimiser_of=lambda y, _: scalar(y),
        floor_of=lambda y, _: least,
        floor_unknown=None if given else UNKNOWN_SCALE,
        parameters=known(parameters, "eps", "full", "variance"),
    )


def _margin(name: str, loss_of_margin: Callable[[float], float], parameters: Parameters) -> Loss:
    """A loss of the product of target and score, where the target is −1 or 1.

    Keras turns targets that are all 0 or 1 into −1 and 1 (``converts_binary``).
    """
    converts = bool(parameters.get("converts_binary", False))

    def signed(y: Target) -> float:
        target = scalar(y)
        return 2.0 * target - 1.0 if converts and target in (0.0, 1.0) else target

    def value(y: Target, p: Prediction) -> float:
        return loss_of_margin(times(signed(y), scalar(p)))

    def minimiser(y: Target, _: int | None) -> float:
        target = signed(y)
        if target == 0:
            return 0.0
        return math.copysign(INFINITY, target) if name == "soft_margin" else 1.0 / target

    return Loss(
        name,
        prediction=REAL_LINE,
        prediction_kind=PredictionKind.SIGN_SCORE,
        target=SIGNS,
        target_kind=TargetKind.SIGN,
        pointwise=True,
        value_of=value,
        minimiser_of=minimiser,
        link=Link.SIGN,
        parameters=known(parameters, "converts_binary"),
    )


def _hinge(_: bool, parameters: Parameters) -> Loss:
    return _margin("hinge", lambda margin: max(0.0, 1.0 - margin), parameters)


def _squared_hinge(_: bool, parameters: Parameters) -> Loss:
    return _margin("squared_hinge", lambda margin: max(0.0, 1.0 - margin) ** 2, parameters)


def _soft_margin(_: bool, parameters: Parameters) -> Loss:
    return _margin("soft_margin", lambda margin: softplus(-margin), parameters)


POINTWISE: dict[str, Callable[[bool, Parameters], Loss]] = {
    "mse": _mse,
    "mae": _mae,
    "mape": _mape,
    "msle": _msle,
    "huber": _huber,
    "smooth_l1": _smooth_l1,
    "log_cosh": _log_cosh,
    "bce": _bce,
    "binary_focal": _binary_focal,
    "poisson": _poisson,
    "gaussian_nll": _gaussian_nll,
    "hinge": _hinge,
    "squared_hinge": _squared_hinge,
    "soft_margin": _soft_margin,
}
"""Canonical name to the loss, from its logits convention and its parameters."""
