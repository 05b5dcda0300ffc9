"""Names of metrics: every spelling of Keras of a metric that is no loss, and the one name that rules speak of."""

from __future__ import annotations

from ae_audit.theory.loss_names import canonical as canonical_loss

METRICS: dict[str, str] = {
    "acc": "accuracy", "accuracy": "accuracy", "Accuracy": "accuracy",
    "binary_accuracy": "binary_accuracy", "BinaryAccuracy": "binary_accuracy",
    "categorical_accuracy": "categorical_accuracy", "CategoricalAccuracy": "categorical_accuracy",
    "sparse_categorical_accuracy": "sparse_categorical_accuracy",
    "SparseCategoricalAccuracy": "sparse_categorical_accuracy",
    "auc": "auc", "AUC": "auc", "Precision": "precision", "Recall": "recall",
    "cosine": "cosine_similarity", "cosine_proximity": "cosine_similarity",
    "RootMeanSquaredError": "rmse", "ssim": "ssim", "psnr": "psnr",
}  # fmt: skip
"""by a string given to ``compile(metrics=…)``, or the name of a class"""


def canonical(symbol: str) -> str:
    """A metric's canonical name, that of a loss where it is one; its own last name where it has none."""
    last = symbol.rpartition(".")[2]
    if last in METRICS:
        return METRICS[last]
    found = canonical_loss("keras", last)
    return last if found is None else found[0]
