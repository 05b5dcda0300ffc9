"""Networks and losses of MONAI, ``segmentation_models_pytorch`` and ``timm``, which nobody needs to have installed."""

from __future__ import annotations

import pytest

from ae_audit.rules.runner import check
from ae_audit.theory.ranges import Tri
from tests.static.torch_programs import setup_of

PROGRAM = """
import timm
import segmentation_models_pytorch as smp
import monai
from monai.networks import nets
x = torch.rand(64, 3, 32, 32)
y = (x > 0.5).float()
labels = torch.randint(0, 10, (64,))
model = MODEL
optimizer = torch.optim.Adam(model.parameters())
for epoch in range(9):
    loss = LOSS
    optimizer.zero_grad(); loss.backward(); optimizer.step()
"""


@pytest.mark.parametrize(
    ("model", "loss", "head", "name", "shape"),
    [
        ('smp.Unet("resnet34", classes=3)', "F.mse_loss(model(x), x)", "linear", "mse", (None, 3, 32, 32)),
        ('smp.FPN(classes=3, activation="sigmoid")', "F.mse_loss(model(x), x)", "sigmoid", "mse", (None, 3, 32, 32)),
        ('smp.Unet(activation="softmax2d", classes=3)', "F.mse_loss(model(x), x)", "softmax", "mse", (None, 3, 32, 32)),
        ("smp.Unet(classes=3)", "smp.losses.SoftBCEWithLogitsLoss()(model(x), y)", "linear", "bce", (None, 3, 32, 32)),
        ("nets.UNet(2, 3, 1, (4, 8), (2,))", "F.mse_loss(model(x), x)", "linear", "mse", (None, 1, 32, 32)),
        (
            "nets.DenseNet121(spatial_dims=2, in_channels=3, out_channels=10)", "F.cross_entropy(model(x), labels)",
            "linear", "sparse_cce", (None, 10),
        ),
        (
            "nets.VarAutoEncoder(2, (3, 32, 32), 3, 2, (4,), (2,))", "F.mse_loss(model(x)[0], x)", "sigmoid", "mse",
            (None, 3, 32, 32),
        ),
        (
            'timm.create_model("resnet18", num_classes=10)',
            "timm.loss.LabelSmoothingCrossEntropy()(model(x), labels)", "linear", "sparse_cce", (None, 10),
        ),
    ],
)  # fmt: skip
def test_heads_and_losses(model: str, loss: str, head: str, name: str, shape: tuple[int | None, ...]) -> None:
    setup = setup_of(PROGRAM.replace("MODEL", model).replace("LOSS", loss))
    assert (setup.head.activation, setup.loss.name, setup.head.shape) == (head, name, shape)


@pytest.mark.parametrize(
    ("loss", "logits"),
    [
        ("monai.losses.DiceLoss(sigmoid=True)", Tri.YES),
        ("monai.losses.DiceLoss()", Tri.NO),
        ('smp.losses.DiceLoss("binary")', Tri.YES),
        ('smp.losses.DiceLoss("binary", from_logits=False)', Tri.NO),
    ],
)
def test_overlaps_of_scores_and_of_probabilities(loss: str, logits: Tri) -> None:
    setup = setup_of(PROGRAM.replace("MODEL", "smp.Unet(classes=3)").replace("LOSS", f"{loss}(model(x), y)"))
    assert (setup.loss.name, setup.loss.from_logits) == ("dice", logits)


def test_a_sigmoid_before_a_loss_on_logits() -> None:
    model, loss = 'smp.Unet(classes=3, activation="sigmoid")', "smp.losses.SoftBCEWithLogitsLoss()(model(x), y)"
    findings, _ = check([setup_of(PROGRAM.replace("MODEL", model).replace("LOSS", loss))])
    assert "AE104" in {finding.code for finding in findings}


def test_an_activation_that_is_chosen_elsewhere_is_unknown() -> None:
    program = PROGRAM.replace("MODEL", "smp.Unet(classes=3, activation=options.last)").replace(
        "LOSS", "F.mse_loss(model(x), x)"
    )
    assert setup_of("from elsewhere import options", program).head.activation is None
