"""scikit-learn: modules that have moved, names and arguments that were renamed."""

from __future__ import annotations

import functools
import importlib
from types import ModuleType
from typing import Any

from ae_audit.runtime.compat.arguments import DROPPED, Renamed, take_old_arguments
from ae_audit.runtime.compat.names import OldNames, Successor
from ae_audit.runtime.compat.uses import REFUSED, Uses
from ae_audit.runtime.host.imports import ImportWatch

_HERE = "ae_audit.runtime.compat.sklearn"

_INSIDE = {
    "cluster": ("k_means_", "hierarchical", "dbscan_", "spectral", "mean_shift_"),
    "covariance": ("elliptic_envelope", "robust_covariance", "empirical_covariance_"),
    "datasets": ("base", "samples_generator", "mldata", "lfw", "olivetti_faces"),
    "decomposition": ("pca", "nmf", "fastica_", "truncated_svd", "incremental_pca", "kernel_pca"),
    "ensemble": ("forest", "gradient_boosting", "iforest", "bagging", "weight_boosting"),
    "feature_extraction": ("stop_words",),
    "linear_model": ("logistic", "base", "coordinate_descent", "ridge", "stochastic_gradient", "bayes"),
    "manifold": ("t_sne", "isomap", "mds", "locally_linear"),
    "metrics": ("classification", "ranking", "regression", "scorer"),
    "mixture": ("gaussian_mixture", "bayesian_mixture"),
    "neighbors": ("kde", "lof", "classification", "regression", "unsupervised", "nearest_centroid"),
    "neural_network": ("multilayer_perceptron", "rbm"),
    "preprocessing": ("data", "label", "imputation"),
    "svm": ("classes",),
    "tree": ("tree", "export"),
}
MODULES: dict[str, str] = {
    "sklearn.cross_validation": "sklearn.model_selection",
    "sklearn.grid_search": "sklearn.model_selection",
    "sklearn.learning_curve": "sklearn.model_selection",
    "sklearn.lda": "sklearn.discriminant_analysis",
    "sklearn.externals.joblib": "joblib",
    "sklearn.externals.six": "six",
    "sklearn.utils.testing": "sklearn.utils._testing",
    "sklearn.utils.linear_assignment_": "sklearn.utils",
    **{f"sklearn.{package}.{old}": f"sklearn.{package}" for package, names in _INSIDE.items() for old in names},
}
NAMES: dict[str, dict[str, str | Successor]] = {
    "sklearn.utils.linear_assignment_": {
        "linear_assignment": Successor(f"{_HERE}:linear_assignment", "scipy.optimize.linear_sum_assignment")
    },
    "sklearn.lda": {"LDA": "sklearn.discriminant_analysis:LinearDiscriminantAnalysis"},
    "sklearn.preprocessing": {"Imputer": Successor(f"{_HERE}:imputer", "sklearn.impute.SimpleImputer")},
    "sklearn.datasets": {
        "fetch_mldata": Successor(f"{_HERE}:fetch_mldata", "fetch_openml('mnist_784')"),
    },
    "sklearn.metrics": {
        "calinski_harabaz_score": "sklearn.metrics:calinski_harabasz_score",
    },
}
ARGUMENTS: dict[str, dict[str, Renamed]] = {
    "sklearn.preprocessing": {
        "OneHotEncoder": {"sparse": "sparse_output", "categorical_features": DROPPED, "n_values": DROPPED}
    },
    "sklearn.cluster": {
        "KMeans": {"n_jobs": DROPPED, "precompute_distances": DROPPED},
        "AgglomerativeClustering": {"affinity": "metric"},
    },
    "sklearn.ensemble": {"IsolationForest": {"behaviour": DROPPED}},
    "sklearn.manifold": {"TSNE": {"n_iter": "max_iter"}},
}


def install(watch: ImportWatch, names: OldNames, uses: Uses) -> None:
    """Answer what scikit-learn has renamed."""
    names.module("sklearn.externals", "sklearn")
    for old, new in MODULES.items():
        names.module(old, new)
    for module, table in NAMES.items():
        names.names(module, table)
    watch.when_imported("sklearn.preprocessing", functools.partial(_encode_some_columns, uses=uses))
    for module, classes in ARGUMENTS.items():
        watch.when_imported(module, functools.partial(_arguments, classes=classes, uses=uses))


def _arguments(module: ModuleType, classes: dict[str, Renamed], uses: Uses) -> None:
    for name, renamed in classes.items():
        cls = getattr(module, name, None)
        if cls is not None:
            shown = f"{module.__name__}.{name}"
            take_old_arguments(cls, "__init__", renamed, uses, shown=shown, library="sklearn")


def _encode_some_columns(module: ModuleType, uses: Uses) -> None:
    """``OneHotEncoder(categorical_features=[0])``, which left the other columns as they were, behind the encoded."""
    cls = module.OneHotEncoder

    def new(kind: Any, *args: Any, **kwargs: Any) -> Any:
        chosen = kwargs.get("categorical_features")
        if chosen is None or isinstance(chosen, str):
            return object.__new__(kind)
        from sklearn.compose import ColumnTransformer

        what = "a ColumnTransformer of that encoder stood in for it"
        uses.tell("OneHotEncoder(categorical_features=…)", "sklearn", what, gone=REFUSED)
        return ColumnTransformer([("encoded", cls(), chosen)], remainder="passthrough", sparse_threshold=1.0)

    cls.__new__ = new


def linear_assignment(costs: Any) -> Any:
    """Pairs of row and column as an array of two columns."""
    import numpy as np

    optimize: Any = importlib.import_module("scipy.optimize")
    return np.stack(optimize.linear_sum_assignment(costs), axis=1)


def imputer(missing_values: Any = "NaN", strategy: str = "mean", axis: int = 0, **kwargs: Any) -> Any:
    """Along columns, which is all that its successor does.

    Raises:
        ValueError: along rows.
    """
    import numpy as np
    from sklearn.impute import SimpleImputer

    if axis != 0:
        raise ValueError("Imputer(axis=1) has no successor in scikit-learn")
    missing = np.nan if missing_values == "NaN" else missing_values
    known = {name: value for name, value in kwargs.items() if name in {"copy"}}
    return SimpleImputer(missing_values=missing, strategy=strategy, **known)


def fetch_mldata(dataname: str, *_: Any, **__: Any) -> Any:
    """The digits, the one set of that site that is still to be had.

    Raises:
        ValueError: for another.
    """
    from sklearn import datasets

    if dataname.lower().replace("-", " ").replace("_", " ") not in {"mnist original", "mnist (original)"}:
        raise ValueError(f"the site that fetch_mldata({dataname!r}) read from is gone")
    found = datasets.fetch_openml("mnist_784", version=1, as_frame=False)
    found.target = found.target.astype(float)
    return found
