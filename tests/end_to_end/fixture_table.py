"""What is right to say of each program in ``fixtures/``: codes of errors and warnings, by reading and by running."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"


@dataclass(frozen=True)
class Expected:
    """``codes``: every error and warning that must stand after a full audit. ``static``: by reading alone, if other."""

    path: str
    codes: frozenset[str] = frozenset()
    static: frozenset[str] | None = None
    floor: bool = False
    """whether AE203 gives the floor of the loss"""

    @property
    def by_reading(self) -> frozenset[str]:
        return self.codes if self.static is None else self.static


def _expected(path: str, *codes: str, static: tuple[str, ...] | None = None, floor: bool = False) -> Expected:
    return Expected(path, frozenset(codes), None if static is None else frozenset(static), floor)


BOTH = [
    ("dense_softmax_raw.py", ("AE101", "AE102", "AE201", "AE301"), False),
    ("dense_softmax_scaled.py", ("AE101",), False),
    ("dense_sigmoid_raw.py", ("AE102", "AE201", "AE301"), False),
    ("dense_sigmoid_scaled.py", (), True),
    ("dense_sigmoid_mse.py", (), False),
    ("dense_relu_output.py", ("AE105",), False),
    ("tutorial_simple.py", (), True),
    ("tutorial_deep.py", (), True),
    ("tutorial_denoising.py", (), True),
    ("tutorial_variational.py", (), True),
    ("perfect_prediction.py", (), True),
    ("right_segmentation.py", (), False),
    ("right_classifier_beside_autoencoder.py", (), True),
    ("right_one_hot_sequences.py", (), False),
    ("right_grey_levels.py", (), False),
    ("right_tanh_symmetric.py", (), False),
    ("right_scaled_sigmoid.py", (), False),
]

FIXTURE_TABLE = [
    *(
        _expected(f"{framework}/{name}", *codes, floor=floor)
        for framework in ("keras", "torch")
        for name, codes, floor in BOTH
    ),
    _expected("keras/tutorial_convolutional.py", floor=True),
    _expected("torch/tutorial_convolutional.py"),
    _expected("keras/sigmoid_from_logits.py", static=("AE104",)),
    _expected("torch/sigmoid_before_logits_loss.py", "AE104"),
]
