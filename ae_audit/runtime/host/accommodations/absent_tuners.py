"""What calls the program's own functions, where it is not installed: searches over settings, and fire.

optuna and Keras Tuner run one trial, with the first of each choice: what is trained is seen, and the next
would be trained alike.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any


class TrialPruned(Exception):
    """A trial gave up."""


class Trial:
    """The one trial of a study: the first value of each choice."""

    number = 0
    value: Any = None

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}
        self.user_attrs: dict[str, Any] = {}

    def suggest_int(self, name: str, low: int, high: int, *_: Any, **__: Any) -> Any:
        return self.params.setdefault(name, low)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self.params.setdefault(name, choices[0])

    def suggest_float(self, name: str, low: float, high: float, *_: Any, **__: Any) -> Any:
        return self.params.setdefault(name, low)

    suggest_uniform = suggest_loguniform = suggest_discrete_uniform = suggest_float

    def report(self, *_: Any) -> None:
        """Nobody compares it."""

    def should_prune(self) -> bool:
        return False

    def set_user_attr(self, key: str, value: Any) -> None:
        self.user_attrs[key] = value


class Study:
    """A study of one trial."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.best_trial = Trial()
        self.trials = [self.best_trial]
        self.user_attrs: dict[str, Any] = {}

    @property
    def best_params(self) -> dict[str, Any]:
        return self.best_trial.params

    @property
    def best_value(self) -> Any:
        return self.best_trial.value

    def optimize(self, objective: Callable[[Trial], Any], *_: Any, **__: Any) -> None:
        try:
            self.best_trial.value = objective(self.best_trial)
        except TrialPruned:
            self.best_trial.value = None


class HyperParameters:
    """Settings of Keras Tuner: the first value of each choice."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def Int(self, name: str, min_value: int, *_: Any, **__: Any) -> Any:
        return self.values.setdefault(name, min_value)

    def Float(self, name: str, min_value: float, *_: Any, **__: Any) -> Any:
        return self.values.setdefault(name, min_value)

    def Choice(self, name: str, values: Sequence[Any], *_: Any, **__: Any) -> Any:
        return self.values.setdefault(name, values[0])

    def Boolean(self, name: str, default: bool = False, **_: Any) -> Any:
        return self.values.setdefault(name, default)

    def Fixed(self, name: str, value: Any, **_: Any) -> Any:
        return self.values.setdefault(name, value)

    def get(self, name: str) -> Any:
        return self.values[name]

    __getitem__ = get


class HyperModel:
    """What programs build their search spaces on."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def build(self, hp: HyperParameters) -> Any:
        raise NotImplementedError

    def fit(self, hp: HyperParameters, model: Any, *args: Any, **kwargs: Any) -> Any:
        return model.fit(*args, **kwargs)


class _Built(HyperModel):
    def __init__(self, build: Callable[[HyperParameters], Any]) -> None:
        super().__init__()
        self._build = build

    def build(self, hp: HyperParameters) -> Any:
        return self._build(hp)


class Tuner:
    """A search of one trial."""

    def __init__(self, hypermodel: Any = None, *_: Any, **__: Any) -> None:
        self.hypermodel: Any = hypermodel if hasattr(hypermodel, "build") else _Built(hypermodel)
        self._settings = HyperParameters()
        self._model: Any = None

    def search(self, *args: Any, **kwargs: Any) -> None:
        self._model = self.hypermodel.build(self._settings)
        fit = getattr(self.hypermodel, "fit", None)
        if fit is None:
            self._model.fit(*args, **kwargs)
        else:
            fit(self._settings, self._model, *args, **kwargs)

    def get_best_models(self, num_models: int = 1) -> list[Any]:
        return [self._model]

    def get_best_hyperparameters(self, num_trials: int = 1) -> list[HyperParameters]:
        return [self._settings]

    def results_summary(self, *_: Any) -> None:
        """Nothing is printed."""

    search_space_summary = results_summary

    def reload(self) -> None:
        """There is nothing from before."""


def fire(component: Any = None, command: Any = None, **_: Any) -> Any:
    """``fire.Fire``: calls a function, or a method of a class that is named first, with the program's arguments."""
    words = list(command.split() if isinstance(command, str) else command or sys.argv[1:])
    component = sys.modules["__main__"].__dict__ if component is None else component
    while words and not words[0].startswith("-") and not inspect.isroutine(component):
        name = words.pop(0).replace("-", "_")
        component = component() if inspect.isclass(component) else component
        component = component[name] if isinstance(component, dict) else getattr(component, name)
    if not callable(component):
        return component
    given: list[Any] = []
    named: dict[str, Any] = {}
    while words:
        word = words.pop(0)
        if not word.startswith("--"):
            given.append(_read(word))
            continue
        name, equals, value = word[2:].partition("=")
        if not equals:
            value = "True" if not words or words[0].startswith("--") else words.pop(0)
        named[name.replace("-", "_")] = _read(value)
    return component(*given, **named)


def _read(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


_TUNER = {
    **dict.fromkeys(("Tuner", "RandomSearch", "Hyperband", "BayesianOptimization", "GridSearch"), Tuner),
    "HyperParameters": HyperParameters,
    "HyperModel": HyperModel,
}
NAMES: dict[str, dict[str, Any]] = {
    "fire": {"Fire": fire},
    "optuna": {"create_study": Study, "load_study": Study, "Study": Study, "TrialPruned": TrialPruned},
    "optuna.exceptions": {"TrialPruned": TrialPruned},
    **dict.fromkeys(("keras_tuner", "kerastuner", "keras_tuner.tuners", "kerastuner.tuners"), _TUNER),
    **dict.fromkeys(("keras_tuner.engine.hyperparameters", "kerastuner.engine.hyperparameters"), _TUNER),
}
"""what each module has besides what does nothing"""
