"""scikit-learn's interface to Keras models, with models that need no Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from ae_audit.runtime.host.accommodations.keras_wrappers import KerasClassifier, KerasRegressor, ScikerasClassifier


class Model:
    """Predicts what it was told of its first column; knows what it was fitted with."""

    def __init__(self, loss: str, units: int) -> None:
        self.loss, self.units = loss, units
        self.fitted: dict[str, Any] = {}

    def fit(self, x: Any, y: Any, **arguments: Any) -> str:
        self.fitted = {"y": np.asarray(y), **arguments}
        return "history"

    def predict(self, x: Any, verbose: int = 1) -> Any:
        column = np.asarray(x)[:, :1]
        return np.hstack([1 - column, column]) if self.units == 2 else column


def make(loss: str = "binary_crossentropy", units: int = 1) -> Model:
    return Model(loss, units)


X = np.array([[0.2], [0.9], [0.7], [0.1]])


def test_a_classifier_takes_names_for_classes_and_splits_its_arguments() -> None:
    classifier = KerasClassifier(build_fn=make, epochs=5, batch_size=2, units=1, verbose=0)
    assert classifier.fit(X, np.array(["a", "b", "b", "a"]), shuffle=False) == "history"
    fitted = classifier.model.fitted
    assert {name: fitted[name] for name in fitted if name != "y"} == {
        "epochs": 5,
        "batch_size": 2,
        "verbose": 0,
        "shuffle": False,
    }
    assert fitted["y"].tolist() == [0, 1, 1, 0]
    assert classifier.predict(X).tolist() == ["a", "b", "b", "a"]
    assert classifier.score(X, np.array(["a", "b", "b", "b"])) == 0.75


def test_a_categorical_loss_gets_one_column_a_class() -> None:
    classifier = ScikerasClassifier(model=make, model__loss="categorical_crossentropy", model__units=2)
    assert classifier.fit(X, np.array([3, 7, 7, 3])) is classifier
    assert classifier.model_.fitted["y"].tolist() == [[1, 0], [0, 1], [0, 1], [1, 0]]
    assert classifier.predict(X).tolist() == [3, 7, 7, 3]


def test_folds_and_searches_make_a_model_each() -> None:
    from sklearn.model_selection import GridSearchCV, cross_val_score

    made: list[Model] = []

    def build(units: int = 1) -> Model:
        made.append(make("mse", units))
        return made[-1]

    x = np.linspace(0, 1, 12)[:, None]
    scores = cross_val_score(KerasRegressor(build_fn=build, epochs=2), x, x[:, 0], cv=3)
    assert scores.tolist() == [1.0, 1.0, 1.0]
    assert len(made) == 3
    search = GridSearchCV(KerasRegressor(build_fn=build), {"epochs": [1, 4]}, cv=2).fit(x, x[:, 0])
    assert search.best_params_ == {"epochs": 1}
    assert [model.fitted["epochs"] for model in made[3:]] == [1, 1, 4, 4, 1]


def test_an_encoder_of_some_columns_leaves_the_others_behind_them(tmp_path: Any) -> None:
    import subprocess
    import sys

    program = tmp_path / "program.py"
    program.write_text(
        "from ae_audit.runtime.compat import answer_old_names\n"
        "from ae_audit.runtime.host.imports import ImportWatch\n"
        "watch = ImportWatch(lambda name, error: print(name, error))\n"
        "watch.install()\n"
        "uses = answer_old_names(watch, __file__)\n"
        "from sklearn.preprocessing import OneHotEncoder\n"
        "x = [[0, 5.5], [2, 6.5], [1, 7.5]]\n"
        "print(OneHotEncoder(categorical_features=[0]).fit_transform(x).toarray().tolist())\n"
        "print(OneHotEncoder(sparse=False).fit_transform([[0], [1]]).tolist())\n"
        "print(OneHotEncoder(categorical_features='all').fit_transform([[0], [1]]).toarray().tolist())\n"
    )
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.splitlines() == [
        "[[1.0, 0.0, 0.0, 5.5], [0.0, 0.0, 1.0, 6.5], [0.0, 1.0, 0.0, 7.5]]",
        "[[1.0, 0.0], [0.0, 1.0]]",
        "[[1.0, 0.0], [0.0, 1.0]]",
    ], done.stderr[-2000:]
