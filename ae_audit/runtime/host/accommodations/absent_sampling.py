"""What programs take from imbalanced-learn, where it is not installed: as many samples of each class, drawn again.

SMOTE and its kin make new samples between known ones; here known ones are repeated. Shapes, labels and ranges are those
that the program would train on; how often a value comes is not.
"""

from __future__ import annotations

from typing import Any


class Sampler:
    """As many samples of each class as the largest, or the smallest, has."""

    fewer = False
    """whether the larger classes lose samples"""

    def __init__(self, *_: Any, random_state: Any = None, **__: Any) -> None:
        self._seed = random_state if isinstance(random_state, int) else 0

    def fit_resample(self, X: Any, y: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
        """Samples and labels, of the kinds that were given."""
        import numpy as np

        labels = np.asarray(y).ravel()
        random = np.random.default_rng(self._seed)
        classes, counts = np.unique(labels, return_counts=True)
        wanted = counts.min() if self.fewer else counts.max()
        kept = []
        for name in classes:
            places = np.flatnonzero(labels == name)
            drawn = random.choice(places, max(0, int(wanted) - len(places)))
            kept.append(random.permutation(places)[:wanted] if self.fewer else np.concatenate([places, drawn]))
        order = np.concatenate(kept) if kept else np.arange(0)
        self.sample_indices_ = order
        return _taken(X, order), _taken(y, order)

    fit_sample = fit_resample

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """scikit-learn's question."""
        return {}

    def set_params(self, **_: Any) -> Sampler:
        """scikit-learn's setting."""
        return self


class Fewer(Sampler):
    """Of the smallest class's size."""

    fewer = True


def _taken(values: Any, order: Any) -> Any:
    import numpy as np

    if hasattr(values, "iloc"):
        return values.iloc[order].reset_index(drop=True)
    return values[order] if hasattr(values, "shape") else np.asarray(values)[order]


_MORE = dict.fromkeys(
    ("SMOTE", "SMOTENC", "SMOTEN", "BorderlineSMOTE", "SVMSMOTE", "KMeansSMOTE", "ADASYN", "RandomOverSampler"), Sampler
)
_LESS = dict.fromkeys(
    ("RandomUnderSampler", "NearMiss", "TomekLinks", "ClusterCentroids", "EditedNearestNeighbours"), Fewer
)
_BOTH = dict.fromkeys(("SMOTETomek", "SMOTEENN"), Sampler)

NAMES: dict[str, dict[str, Any]] = {
    "imblearn.over_sampling": _MORE,
    "imblearn.under_sampling": _LESS,
    "imblearn.combine": _BOTH,
}
"""what each module has besides what does nothing"""
