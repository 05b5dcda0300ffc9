"""scikit-learn's interface to Keras models, which Keras 3 no longer has and scikeras provides.

``KerasClassifier(build_fn=make, epochs=5)`` makes a model and fits it when it is fitted itself, with those of its
arguments that the function that makes it and ``fit`` take.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

_OF_FIT = frozenset(
    {"batch_size", "epochs", "nb_epoch", "verbose", "callbacks", "validation_split", "validation_data", "shuffle"}
    | {"class_weight", "sample_weight", "initial_epoch", "steps_per_epoch", "validation_steps"}
)
_OF_COMPILE = ("loss", "optimizer", "metrics")


class _KerasEstimator(BaseEstimator):  # type: ignore[misc]
    """What both have in common."""

    def __init__(self, build_fn: Any = None, **arguments: Any) -> None:
        self.build_fn = build_fn
        self.arguments = arguments

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {"build_fn": self.build_fn, **self.arguments}

    def set_params(self, **params: Any) -> Any:
        self.build_fn = params.pop("build_fn", self.build_fn)
        self.arguments.update(params)
        return self

    def fit(self, x: Any, y: Any, **kwargs: Any) -> Any:
        """Make the model and fit it; what ``fit`` of the model gives."""
        build = self.build_fn if self.build_fn is not None else self.arguments.get("model", self)
        if callable(build) and not hasattr(build, "fit"):
            wanted = inspect.signature(build).parameters
            model = build(**{name: value for name, value in self._plain().items() if name in wanted})
        else:
            model = build
        compiled = {name: self.arguments[name] for name in _OF_COMPILE if name in self.arguments}
        if not getattr(model, "compiled", True):
            model.compile(**compiled)
        given = {name: value for name, value in self._plain().items() if name in _OF_FIT}
        self.model = self.model_ = model
        self.history_ = model.fit(x, self._target(model, y), **{**given, **kwargs})
        return self.history_

    def _plain(self) -> dict[str, Any]:
        """The arguments by the names that functions have for them: scikeras puts the part before the name."""
        return {name.rpartition("__")[2]: value for name, value in self.arguments.items()}

    def _target(self, model: Any, y: Any) -> Any:
        return y


class KerasClassifier(ClassifierMixin, _KerasEstimator):  # type: ignore[misc]
    """A classifier."""

    def _target(self, model: Any, y: Any) -> Any:
        values = np.asarray(y)
        if values.ndim == 2 and values.shape[1] > 1:
            self.classes_ = np.arange(values.shape[1])
            return y
        self.classes_ = np.unique(values)
        numbers = np.searchsorted(self.classes_, values)
        loss = getattr(model.loss, "name", getattr(model.loss, "__name__", model.loss))
        if loss != "categorical_crossentropy":
            return numbers
        return np.eye(len(self.classes_), dtype="float32")[numbers.ravel()]

    def predict_proba(self, x: Any, **_: Any) -> Any:
        found = np.asarray(self.model.predict(x, verbose=0))
        return np.hstack([1 - found, found]) if found.ndim == 2 and found.shape[1] == 1 else found

    def predict(self, x: Any, **kwargs: Any) -> Any:
        return self.classes_[self.predict_proba(x, **kwargs).argmax(axis=-1)]


class KerasRegressor(RegressorMixin, _KerasEstimator):  # type: ignore[misc]
    """A regressor."""

    def predict(self, x: Any, **_: Any) -> Any:
        return np.squeeze(np.asarray(self.model.predict(x, verbose=0)), axis=-1)


class _Fluent:
    """As scikeras has it: ``fit`` gives the estimator itself."""

    def fit(self, x: Any, y: Any, **kwargs: Any) -> Any:
        super().fit(x, y, **kwargs)  # type: ignore[misc]
        return self


class ScikerasClassifier(_Fluent, KerasClassifier):
    """``scikeras.wrappers.KerasClassifier``."""


class ScikerasRegressor(_Fluent, KerasRegressor):
    """``scikeras.wrappers.KerasRegressor``."""
