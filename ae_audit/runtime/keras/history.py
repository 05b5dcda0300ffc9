"""What ``fit`` and ``train_on_batch`` give back when nothing was trained: the right keys, and figures that fall."""

from __future__ import annotations

import contextlib
import re
from typing import Any

_SHORT = {
    "acc": "accuracy",
    "mae": "mean_absolute_error",
    "mse": "mean_squared_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "cosine_proximity": "cosine_similarity",
    "lr": "learning_rate",
}
"""names of figures that releases of Keras spell in one way or the other"""
_SHORT_NAME = re.compile(rf"(?<![a-z])({'|'.join(_SHORT)})$")
_COUNTED = re.compile(r"_[0-9]+$")
_SCHEDULES = frozenset({"ReduceLROnPlateau", "LearningRateScheduler"})


def plausible_history(model: Any, arguments: dict[str, Any]) -> Any:
    """A ``History`` with an entry an epoch for the loss and each metric, as code that plots it expects."""
    import keras

    first = int(arguments.get("initial_epoch") or 0)
    epochs = list(range(first, max(first, int(arguments.get("epochs") or 1))))
    validated = arguments.get("validation_data") is not None or bool(arguments.get("validation_split"))
    names = log_names(model)
    history = keras.callbacks.History()
    history.set_model(model)
    history.set_params({"epochs": len(epochs), "steps": None, "verbose": 0})
    history.epoch = epochs
    history.history = Figures(
        {
            f"{prefix}{name}": [_figure(name, epoch - first) for epoch in epochs]
            for prefix in (("", "val_") if validated else ("",))
            for name in names
        }
    )
    if any(type(callback).__name__ in _SCHEDULES for callback in _callbacks(arguments.get("callbacks"))):
        rate = getattr(model.optimizer, "learning_rate", 0.0)
        history.history["learning_rate"] = [float(rate)] * len(epochs)
    model.history = history
    model.stop_training = False
    _begin(arguments.get("callbacks"), model, len(epochs))
    return history


class Figures(dict[str, Any]):
    """What a history holds, found also by the names that other releases of Keras give the same figure.

    ``acc`` for ``accuracy``, and ``auc`` for ``auc_1``: how the metrics of one class are counted depends on all that
    were made before, of which a run that is cut short makes fewer.
    """

    def __missing__(self, name: str) -> Any:
        for same in (_long, lambda each: _COUNTED.sub("", _long(each))):
            for known, figures in self.items():
                if same(known) == same(name):
                    return figures
        raise KeyError(name)


def _long(name: str) -> str:
    return _SHORT_NAME.sub(lambda found: _SHORT[found[1]], name)


def plausible_logs(model: Any, as_dict: bool) -> Any:
    """What ``train_on_batch`` returns."""
    names = log_names(model)
    if as_dict:
        return {name: _figure(name, 0) for name in names}
    values = [_figure(name, 0) for name in names]
    return values[0] if len(values) == 1 else values


def log_names(model: Any) -> list[str]:
    """The keys under which the training of ``model`` is logged."""
    import keras

    own_step = type(model).train_step is not keras.Model.train_step
    tracked = [metric.name for metric in model.metrics if type(metric).__name__ != "CompileMetrics"]
    if own_step and tracked:
        return list(dict.fromkeys(tracked))
    compiled = getattr(model, "_compile_metrics", None)
    names = [*(tracked or ["loss"]), *_losses_of_outputs(model)]
    if compiled is not None:
        names.extend(_metric_names(compiled))
    return list(dict.fromkeys(["loss", *(name for name in names if name != "loss")]))


def _losses_of_outputs(model: Any) -> list[str]:
    """A loss for each of several outputs is logged beside their sum, once the first batch has shown which they are."""
    loss = getattr(model, "loss", None)
    outputs = list(getattr(model, "output_names", None) or ())
    if loss is None or len(outputs) < 2:
        return []
    given = loss if isinstance(loss, dict) else dict(zip(outputs, loss, strict=False)) if isinstance(loss, list) else {}
    return [f"{name}_loss" for name in outputs if not given or given.get(name) is not None]


def _metric_names(compiled: Any) -> list[str]:
    import keras

    if compiled.built:
        return list(compiled.result()) if not compiled.metrics else [metric.name for metric in compiled.metrics]
    names = []
    for item in keras.tree.flatten(compiled._user_metrics or ()):
        if item is not None:
            names.append(item if isinstance(item, str) else getattr(item, "name", getattr(item, "__name__", "metric")))
    return ["accuracy" if name == "acc" else str(name) for name in names]


def _figure(name: str, epoch: int) -> float:
    return 1.0 - 0.5 / (1.0 + epoch) if "acc" in name or "auc" in name.lower() else 1.0 / (1.0 + epoch)


def _begin(callbacks: Any, model: Any, epochs: int) -> None:
    """Let the user's own callbacks set up what the program may read afterwards; Keras' own are left alone."""
    for callback in _callbacks(callbacks):
        if type(callback).__module__.startswith("keras"):
            continue
        with contextlib.suppress(Exception):  # a callback may expect anything of a training that does not happen
            callback.set_params({"epochs": epochs, "steps": None, "verbose": 0})
            callback.set_model(model)
            callback.on_train_begin()


def _callbacks(given: Any) -> Any:
    return given if isinstance(given, (list, tuple)) else ()
