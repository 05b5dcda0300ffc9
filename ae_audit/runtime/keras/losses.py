"""Keras losses: reading the one a program uses, recognising a hand-written one, making the one a remedy asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ae_audit.runtime.capture import CannotApply
from ae_audit.runtime.keras.custom_functions import lowest_points
from ae_audit.runtime.measure.named_losses import KINKS_OUTSIDE, FixedGaussian, fixed_gaussian
from ae_audit.schema.location import Location, TrailStep
from ae_audit.schema.remedies import ExpectLogits, SwapLoss
from ae_audit.schema.training_setup import LossUse, Parameter
from ae_audit.theory.loss import TargetKind
from ae_audit.theory.loss_families import CATEGORICAL, POINTWISE
from ae_audit.theory.loss_names import canonical, class_named
from ae_audit.theory.losses import IN_ORDER, find_loss
from ae_audit.theory.ranges import Tri

NOT_RECOGNISED = {
    "sparse_cce": "what takes class indices is drawn no targets here",
    "generalized_cross_entropy": "what takes class indices is drawn no targets here",
    "categorical_focal": "its exponent and weight are the author's own, and no two are alike",
    "categorical_hinge": "its kinks lie outside what is drawn, where it is a plain product",
    **KINKS_OUTSIDE,
    "dice": "the constant that smooths it is the author's own, and no two are alike",
    "tversky": "the constant that smooths it is the author's own, and no two are alike",
}
"""Losses of Keras that a function of the program's own is not compared with, and why."""
DRAWS = 6
"""random batches that a hand-written loss must agree on with a known one"""
VARIED = 1e-3
"""relative: values of a known loss that differ by less in all draws tell nothing"""

SAMPLES = 8
ANY_SHAPES = ((SAMPLES, 12), (SAMPLES, 12))
"""of target and prediction, for a loss that takes any"""

Array = NDArray[Any]
Shapes = tuple[tuple[int, ...], tuple[int, ...]]


def describe(
    loss: Any,
    written: str | None = None,
    *,
    arguments: dict[str, Any] | None = None,
    weight: float | None = None,
    location: Location | None = None,
    symbol: str | None = None,
    shapes: Shapes | None = None,
    fixed: bool = False,
    seen: tuple[Array, Array] | None = None,
) -> LossUse:
    """The use of a loss: a ``keras.losses.Loss`` object, a loss function, or any callable ``f(y_true, y_pred)``.

    Args:
        written: as in the source, where known.
        arguments: what a bare function was called with beside target and prediction.
        weight: in ``loss_weights``.
        symbol: dotted name of a function, where its object does not tell.
        shapes: of target and prediction as they meet in the program, for a loss of its own.
        fixed: whether the loss takes no other shapes.
        seen: target and prediction as they met, for a loss of the program's own that is no known one.
    """
    function = _function_of(loss)
    config = _config(loss) | (arguments or {})
    name, defaults = _canonical(loss, function, symbol)
    parameters = {key: value for key, value in (defaults | config).items() if key not in {"reduction", "name"}}
    from_logits = Tri.of(bool(parameters.pop("from_logits", False)))
    reduction = getattr(loss, "reduction", None) or defaults.get("reduction")
    trail: tuple[TrailStep, ...] = ()
    custom = name is None
    label = written or _label(loss, function)
    if name is None:
        # of many values the squared errors are much the same in every draw, beside which a constant is not seen
        gaussian = gaussian_of(loss, shapes, fixed)
        recognised = recognise(loss, shapes, fixed) if gaussian is None else None
        if gaussian is not None:
            name = "gaussian_nll"
            parameters = {"eps": 0.0, "full": gaussian.full, "variance": gaussian.variance}
            text = (
                f"{label} gives the values of a Gaussian likelihood of variance {gaussian.variance:.4g} on random data"
            )
            trail = (TrailStep(text, location),)
        elif recognised is not None:
            name, on_logits, factor = recognised
            from_logits = Tri.of(on_logits)
            times = "" if abs(factor - 1.0) < 1e-3 else f" times {factor:.4g}"
            on = " on logits" if on_logits else ""
            trail = (TrailStep(f"{label} gives the values of {name}{on}{times} on random data", location),)
        else:
            from_logits = Tri.UNKNOWN
            trail = (TrailStep(f"{label} is the program's own and equals no known loss", location),)
            lowest = None if seen is None else lowest_points(loss, *seen)
            if lowest is not None:
                trail = (*trail, TrailStep(lowest, location))
    return LossUse(
        name=name,
        written=label,
        from_logits=from_logits,
        parameters=tuple(sorted((key, _plain(value)) for key, value in parameters.items() if _is_plain(value)))
        if not custom or name == "gaussian_nll"
        else (),
        reduction=None if reduction is None else str(reduction),
        weight=weight,
        custom=custom,
        location=location,
        trail=trail,
    )


def recognise(loss: Any, shapes: Shapes | None = None, fixed: bool = False) -> tuple[str, bool, float] | None:
    """The known loss that ``loss`` equals up to a constant factor: its name, whether on logits, and the factor.

    Args:
        shapes: of target and prediction as the program has them; a function may take no others.
        fixed: whether it is known to take no others.
    """
    for shape in _tried(shapes, fixed):
        found = _recognised(loss, shape)
        if found is not None:
            return found
    return None


def gaussian_of(loss: Any, shapes: Shapes | None = None, fixed: bool = False) -> FixedGaussian | None:
    """The Gaussian likelihood of fixed variance that ``loss`` is.

    Args:
        shapes: as for :func:`recognise`.
        fixed: as for :func:`recognise`.
    """
    found = (_gaussian(loss, shape) for shape in _tried(shapes, fixed))
    return next((gaussian for gaussian in found if gaussian is not None), None)


def _tried(shapes: Shapes | None, fixed: bool) -> list[Shapes]:
    tried = [ANY_SHAPES] if shapes is None else [shapes] if fixed else [_small(shapes), ANY_SHAPES, shapes]
    return list(dict.fromkeys(tried))


def _gaussian(loss: Any, shapes: Shapes) -> FixedGaussian | None:
    import keras

    random = np.random.default_rng(0)
    squares, values = [], []
    for draw in range(DRAWS):
        target, prediction = _example(random, "mse", False, shapes)
        prediction *= 1.0 + draw
        try:
            own = _scalar(loss(keras.ops.convert_to_tensor(target), keras.ops.convert_to_tensor(prediction)))
            squares.append(float(np.sum(np.square(target.reshape(prediction.shape) - prediction))))
        except Exception:  # the user's function may refuse these values or shapes for any reason
            return None
        values.append(own)
    return fixed_gaussian(squares, values, shapes[1])


def _small(shapes: Shapes) -> Shapes:
    """The same with fewer samples, where the first extent is the batch of both."""
    (target, prediction) = shapes
    if target and prediction and target[0] == prediction[0] > SAMPLES:
        return (SAMPLES, *target[1:]), (SAMPLES, *prediction[1:])
    return shapes


def _recognised(loss: Any, shapes: Shapes) -> tuple[str, bool, float] | None:
    import keras

    random = np.random.default_rng(0)
    for name, on_logits in recognised_losses():
        known = make(name, from_logits=on_logits)
        ratios: list[float] = []
        values: list[float] = []
        for _ in range(DRAWS):
            target, prediction = _example(random, name, on_logits, shapes)
            try:
                own = _scalar(loss(keras.ops.convert_to_tensor(target), keras.ops.convert_to_tensor(prediction)))
                expected = _scalar(known(target.reshape(prediction.shape), prediction))
            except Exception:  # the user's function may refuse these values or shapes for any reason
                break
            if not np.isfinite(own) or not np.isfinite(expected) or abs(expected) < 1e-9:
                break
            ratios.append(own / expected)
            values.append(expected)
            if not np.isclose(ratios[-1], ratios[0], rtol=1e-3):
                break
        # over the classes of one unit every draw is the same, and so is whatever is compared with it
        varied = len(ratios) == DRAWS and float(np.ptp(values)) > VARIED * max(map(abs, values))
        if varied and ratios[0] > 0 and np.allclose(ratios, ratios[0], rtol=1e-3):
            return name, on_logits, float(ratios[0])
    return None


def make(name: str, *, from_logits: bool = False, like: Any = None, **parameters: Any) -> Any:
    """The ``keras.losses.Loss`` object of a canonical name.

    Args:
        like: a loss whose reduction is taken over.

    Raises:
        CannotApply: if Keras ships no such loss, or it takes no logits.
    """
    import keras

    cls = getattr(keras.losses, class_named("keras", name) or "", None)
    if cls is None:
        raise CannotApply(f"Keras has no loss `{name}`")
    if from_logits:
        if not takes_logits(name):
            raise CannotApply(f"{name} does not accept logits in Keras")
        parameters["from_logits"] = True
    reduction = getattr(like, "reduction", None)
    if reduction is not None:
        parameters["reduction"] = reduction
    return cls(**parameters)


def takes_logits(name: str | None) -> bool:
    """Whether Keras' class of that canonical loss has ``from_logits``."""
    return name is not None and class_named("keras", name, from_logits=True) is not None


def recognised_losses() -> tuple[tuple[str, bool], ...]:
    """What a user's own function is compared with, and whether on logits: the distances first, as the most frequent."""
    import keras

    here = {name for name in IN_ORDER if hasattr(keras.losses, class_named("keras", name) or "")}  # as its release goes
    names = [name for name in IN_ORDER if name in here and name not in NOT_RECOGNISED]
    names.sort(key=lambda name: name not in POINTWISE)
    return tuple((name, logits) for name in names for logits in ((False, True) if takes_logits(name) else (False,)))


def changed(loss: Any, remedy: SwapLoss | ExpectLogits, recognised: str | None = None) -> Any:
    """The loss object that stands in for ``loss`` under a remedy.

    Args:
        recognised: the known loss that one of the program's own was found to be.

    Raises:
        CannotApply: if this loss cannot be changed so.
    """
    if isinstance(remedy, SwapLoss):
        return make(remedy.to, from_logits=remedy.from_logits, like=loss)
    name = canonical_name(loss) or recognised
    if name is None or not takes_logits(name):
        raise CannotApply("the loss has no from_logits argument")
    config = _config(loss)
    config.pop("from_logits", None)
    allowed = {key: value for key, value in config.items() if key in {"label_smoothing", "axis", "alpha", "gamma"}}
    if name == "sparse_cce":
        allowed.clear()
    return make(name, from_logits=remedy.from_logits, like=loss, **allowed)


def per_sample(loss: Any, rank: int | None = None) -> Callable[..., Any]:
    """The function form of a loss object: one value a sample and position, without reduction.

    Args:
        rank: axes of what the function in whose place it stands gives: with as many as the prediction has, the values
            are spread over the last axis.
    """

    def function(y_true: Any, y_pred: Any, *_: Any, **__: Any) -> Any:
        import keras

        values = loss.call(y_true, y_pred)
        if rank is None or rank != len(y_pred.shape) or len(values.shape) != rank - 1:
            return values
        return keras.ops.expand_dims(values, -1) + keras.ops.zeros_like(y_pred)

    return function


def canonical_name(loss: Any, symbol: str | None = None) -> str | None:
    """The canonical name of one of Keras' losses."""
    return _canonical(loss, _function_of(loss), symbol)[0]


def _function_of(loss: Any) -> Any:
    return getattr(loss, "fn", loss)


def _canonical(loss: Any, function: Any, symbol: str | None) -> tuple[str | None, dict[str, Any]]:
    candidates = []
    if _is_keras(type(loss).__module__) and type(loss).__name__ != "LossFunctionWrapper":
        candidates.append(f"keras.losses.{type(loss).__name__}")
    if _is_keras(getattr(function, "__module__", "")):
        candidates.append(f"keras.losses.{getattr(function, '__name__', '')}")
    if symbol is not None:
        candidates.append(symbol)
    for candidate in candidates:
        named = canonical("keras", candidate)
        if named is not None:
            return named[0], dict(named[1])
    return None, {}


def _is_keras(module: str | None) -> bool:
    return (module or "").partition(".")[0] in {"keras", "tf_keras"}


def _config(loss: Any) -> dict[str, Any]:
    return dict(getattr(loss, "_fn_kwargs", None) or {})


def _label(loss: Any, function: Any) -> str:
    if type(loss).__name__ not in {"function", "LossFunctionWrapper", "partial"}:
        logits = "from_logits=True" if _config(loss).get("from_logits") else ""
        return f"{type(loss).__name__}({logits})"
    return str(getattr(function, "__name__", type(function).__name__))


def _plain(value: Any) -> Parameter:
    return value if isinstance(value, (bool, int, str)) or value is None else float(value)


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str, np.number))


def _example(random: np.random.Generator, name: str, on_logits: bool, shapes: Shapes) -> tuple[Array, Array]:
    """A target and a prediction inside the domain of the loss."""
    shape, known = shapes[1], find_loss(name)
    assert known is not None
    target = random.uniform(0.05, 0.95, shape)
    prediction = random.normal(0, 2, shape) if on_logits else random.uniform(0.05, 0.95, shape)
    if name in CATEGORICAL:
        target /= target.sum(axis=-1, keepdims=True)
        if not on_logits:
            prediction /= prediction.sum(axis=-1, keepdims=True)
    if name in POINTWISE and known.target.is_real_line and known.target_kind is TargetKind.ANY:
        target, prediction = target * 6 - 3, prediction * 6 - 3
    return target.astype(np.float32).reshape(shapes[0]), prediction.astype(np.float32)


def _scalar(value: Any) -> float:
    import keras

    return float(np.mean(np.asarray(keras.ops.convert_to_numpy(value), dtype=np.float64)))
