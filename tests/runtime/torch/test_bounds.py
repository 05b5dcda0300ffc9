"""The certificate of an arm against fits of it: since an arm that is ruled out is not fitted, its bound has to hold."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from ae_audit.probe.bounds import bound_of
from ae_audit.probe.score import r2_score
from ae_audit.runtime.capture import CannotApply
from ae_audit.runtime.torch.live import capture_live
from ae_audit.schema.remedies import ExpectLogits, Remedy, Rescale, SwapActivation, SwapLoss


class Affine(nn.Module):
    def __init__(self, scale: float, shift: float) -> None:
        super().__init__()
        self.scale, self.shift = scale, shift

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * x + self.shift


HEADS: dict[str, list[nn.Module]] = {
    "softmax": [nn.Softmax(1)],
    "linear": [],
    "255 * sigmoid": [nn.Sigmoid(), Affine(255.0, 0.0)],
    "1 - sigmoid": [nn.Sigmoid(), Affine(-1.0, 1.0)],
}
LOSSES = [nn.MSELoss(), nn.BCEWithLogitsLoss()]
ARMS: list[tuple[Remedy, ...]] = [
    (),
    (SwapActivation("sigmoid"),),
    (SwapActivation("tanh"),),
    (SwapLoss("bce", True),),
    (ExpectLogits(False),),
    (Rescale(1 / 255, 0.0, input=True, target=True),),
    (SwapActivation("linear"), SwapLoss("bce", True)),
]


@pytest.mark.slow
@pytest.mark.parametrize("head", HEADS)
def test_no_arm_scores_above_its_bound(head: str) -> None:
    torch.manual_seed(0)
    data = torch.rand(200, 2) @ torch.rand(2, 12)
    tried = 0
    for loss, scale in itertools.product(LOSSES, (1.0, 255.0)):
        model = nn.Sequential(nn.Linear(12, 12), *HEADS[head])
        capture = capture_live(model, scale * data / data.max(), None, loss)
        for remedies in ARMS:
            bound = bound_of(capture, remedies)
            if bound is None:
                continue
            try:
                trial = capture.trial(remedies, 0)
                trial.advance(30)
            except (CannotApply, RuntimeError):  # a step that torch refuses
                continue
            tried += 1
            assert r2_score(trial.evaluate()) <= bound + 1e-6, (loss, scale, remedies)
    assert tried >= 10
