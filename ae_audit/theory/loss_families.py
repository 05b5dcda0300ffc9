"""Families of losses: what several stages ask of a loss by its canonical name."""

from __future__ import annotations

BINARY = frozenset({"bce", "binary_focal"})
"""losses that read each predicted value as the probability of a 1"""

CATEGORICAL = frozenset({"cce", "sparse_cce", "nll", "cross_entropy", "kl_divergence", "categorical_focal"})
"""losses that read the predictions along an axis as one distribution"""

TAKES_CLASS_INDEX = frozenset({"sparse_cce", "nll", "cross_entropy"})
"""losses whose target is a class index"""

POINTWISE = frozenset(
    {"mse", "rmse", "mae", "huber", "smooth_l1", "log_cosh", "mape", "msle", "gaussian_nll", "distance"}
)
"""losses that compare a value with a value: their minimiser is the target itself, on its own scale; ``distance``
is one of the program's own of which that was measured"""
