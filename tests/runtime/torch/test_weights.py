"""A loss that is weighted by a tensor has a floor that nobody computes for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch.nn import functional as F

from ae_audit.runtime.measure.facts import certify
from ae_audit.runtime.torch.losses import read_call
from ae_audit.schema.location import Location
from ae_audit.schema.training_setup import Framework, Head, LossUse, TrainingSetup
from ae_audit.theory.ranges import Tri


def test_weights_are_told_and_leave_the_floor_open() -> None:
    x, y = torch.zeros(4, 3), torch.full((4, 3), 0.25)
    function = F.binary_cross_entropy_with_logits
    plain, weighted = (
        read_call(function, (x, y), given, lambda _: False) for given in ({}, {"pos_weight": torch.ones(3)})
    )
    assert plain is not None
    assert weighted is not None
    assert plain.spec.parameters == ()
    assert weighted.spec.parameters == (("pos_weight", "tensor"),)
    loss = LossUse("bce", from_logits=Tri.YES, reduction="mean")
    setup = TrainingSetup(Framework.TORCH, Location("model.py", 1), head=Head("linear"), loss=loss)
    targets = np.full((4, 3), 0.25)
    known = certify(setup, targets)
    unknown = certify(replace(setup, loss=replace(loss, parameters=weighted.spec.parameters)), targets)
    assert known is not None
    assert known.floor is not None
    assert unknown is None or unknown.floor is None
