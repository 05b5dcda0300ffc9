"""A model, data and a loss in hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from ae_audit.runtime.torch.live import capture_live
from ae_audit.schema.location import Location
from ae_audit.schema.remedies import SwapActivation
from ae_audit.schema.training_setup import Relation, Structure
from ae_audit.theory.ranges import Tri

IMAGES = np.random.default_rng(0).random((300, 12)).astype(np.float32)


def _model(head: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(12, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.2), nn.Linear(6, 12), head)


def test_the_callers_model_stays_as_it_is() -> None:
    model = _model(nn.Softmax(dim=1)).eval()
    model[0].weight.grad = torch.ones_like(model[0].weight)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    capture = capture_live(model, IMAGES, None, nn.BCELoss())
    first, second = capture.trial((), 0), capture.trial((SwapActivation("sigmoid"),), 1)
    first.advance(5)
    second.advance(5)
    second.evaluate()
    np.testing.assert_array_equal(torch.rand(3), expected)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module.training for module in model.modules())
    assert torch.equal(model[0].weight.grad, torch.ones_like(model[0].weight))
    assert all(parameter.grad is None for parameter in list(model.parameters())[1:])


@pytest.mark.parametrize(
    "loss", ["bce", "BCELoss", "binary_crossentropy", nn.BCELoss(), nn.functional.binary_cross_entropy]
)
def test_ways_of_naming_a_loss(loss: object) -> None:
    capture = capture_live(_model(nn.Sigmoid()), IMAGES, IMAGES, loss)
    assert (capture.setup.loss.name, capture.setup.loss.from_logits) == ("bce", Tri.NO)
    assert capture.setup.relation is Relation.SAME
    assert capture.setup.head.activation == "sigmoid"


def test_unknown_losses_are_refused() -> None:
    for loss in ("nonesuch", 3, None):
        with pytest.raises(ValueError, match="loss"):
            capture_live(_model(nn.Sigmoid()), IMAGES, None, loss)


def test_loaders_of_images_and_labels() -> None:
    labels = torch.arange(300) % 12
    loader = DataLoader(TensorDataset(torch.tensor(IMAGES), labels), batch_size=32)
    against_itself = capture_live(_model(nn.Sigmoid()), loader, None, nn.MSELoss())
    assert against_itself.setup.relation is Relation.SAME
    assert against_itself.batch_size == 32
    classes = capture_live(_model(nn.Identity()), loader, None, nn.CrossEntropyLoss())
    assert (classes.setup.loss.name, classes.setup.target.structure) == ("sparse_cce", Structure.CLASS_INDEX)
    assert classes.setup.relation is Relation.LABELS


def test_bytes_hand_written_loss_place_and_optimizer() -> None:
    model = _model(nn.Sigmoid())
    place = Location("notebook.py", 7)
    capture = capture_live(
        model,
        (255 * IMAGES).astype(np.uint8),
        IMAGES,
        lambda p, y: ((p - y) ** 2).mean(),
        optimizer=torch.optim.SGD(model.parameters(), lr=0.5),
        location=place,
    )
    assert (capture.setup.location, capture.setup.optimizer) == (place, "SGD")
    assert (capture.setup.loss.name, capture.setup.loss.custom) == ("mse", True)
    assert capture.setup.input.values.hull.hi > 200
    assert capture.trial((), 0).advance(40) > 0
