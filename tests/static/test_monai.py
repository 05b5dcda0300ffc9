"""Programs with MONAI: what its transforms by key make of files, and what its losses compare."""

from __future__ import annotations

import textwrap

import pytest

from ae_audit.schema.training_setup import Structure, TrainingSetup
from ae_audit.static import analyse_file

BEFORE = """
import glob
import numpy as np
import torch
from torch import nn
from monai.data import CacheDataset, DataLoader, ImageDataset, list_data_collate
from monai.inferers import DiffusionInferer
from monai.losses import DiceLoss, PatchAdversarialLoss
from monai.networks import one_hot
from monai.networks.nets import (AutoEncoder, AutoencoderKL, DiffusionModelUNet, PatchDiscriminator, Regressor,
    UNet, VQVAE)
from monai.transforms import (AsDiscreted, Compose, EnsureChannelFirstd, LoadImaged, NormalizeIntensityd,
    RandAdjustContrastd, RandCropByPosNegLabeld, RandFlipd, ScaleIntensity, ScaleIntensityd, ScaleIntensityRanged)
images, segs = sorted(glob.glob("i*.nii")), sorted(glob.glob("s*.nii"))
files = [{"image": image, "label": seg} for image, seg in zip(images, segs)]
both = ["image", "label"]
"""
AFTER = """
loader = DataLoader(CacheDataset(data=files, transform=Compose(steps)), batch_size=2, collate_fn=list_data_collate)
net = UNet(spatial_dims=3, in_channels=1, out_channels=2, channels=(16, 32), strides=(2,))
for batch in loader:
    x, y = batch["image"].cuda(), batch["label"].cuda()
    loss = {loss}
    loss.backward()
"""


def setup_of(*parts: str) -> TrainingSetup:
    result = analyse_file("program.py", "".join(map(textwrap.dedent, (BEFORE, *parts))).encode())
    assert not result.errors
    (setup,) = result.setups
    return setup


@pytest.mark.parametrize(
    ("step", "values"),
    [
        (
            'ScaleIntensityRanged(keys=["image"], a_min=-57, a_max=164, b_min=-1.0, b_max=1.0, clip=True)',
            "within [-1, 1]",
        ),
        ('ScaleIntensityd(keys="image"), RandFlipd(keys=both, prob=0.5)', "[0, 1]"),
        ('ScaleIntensityd("image", minv=-1.0, maxv=1.0)', "[-1, 1]"),
        (
            'ScaleIntensityd(keys="image"), RandCropByPosNegLabeld(keys=both, label_key="label", num_samples=4)',
            "[0, 1]",
        ),
        ('ScaleIntensityd(keys="label")', "unknown"),
        ('ScaleIntensityRanged(keys="image", a_min=0, a_max=255, b_min=0.0, b_max=1.0)', "unknown"),
        ('ScaleIntensityd(keys="image"), RandAdjustContrastd(keys="image")', "unknown"),
    ],
)
def test_an_image_lies_where_its_last_scaling_puts_it(step: str, values: str) -> None:
    steps = f"steps = [LoadImaged(keys=both), EnsureChannelFirstd(keys=both), {step}]\n"
    setup = setup_of(steps, AFTER.format(loss="nn.functional.mse_loss(net(x), x)"))
    assert str(setup.target.values) == values


@pytest.mark.parametrize(
    ("loss", "structure"),
    [
        ("DiceLoss(to_onehot_y=True, softmax=True)(net(x), y)", Structure.ONE_HOT),
        ("DiceLoss(softmax=True)(net(x), one_hot(y, num_classes=2))", Structure.ONE_HOT),
        ("DiceLoss(sigmoid=True)(net(x), y)", Structure.UNKNOWN),
    ],
)
def test_labels_are_what_their_loss_makes_of_them(loss: str, structure: Structure) -> None:
    setup = setup_of("steps = [LoadImaged(keys=both)]\n", AFTER.format(loss=loss))
    assert (setup.loss.name, setup.head.activation) == ("dice", "linear")
    assert setup.target.structure is structure


def test_an_image_data_set_hands_out_an_image_and_its_mask() -> None:
    setup = setup_of("""
    loader = DataLoader(ImageDataset(images, segs, transform=Compose([ScaleIntensity()])), batch_size=2)
    net = AutoEncoder(spatial_dims=3, in_channels=1, out_channels=1, channels=(2,), strides=(2,))
    for x, mask in loader:
        nn.functional.mse_loss(net(x), x).backward()
    """)
    assert str(setup.target.values) == "[0, 1]"


def test_a_diffusion_inferer_asks_the_network_for_the_noise() -> None:
    setup = setup_of("""
    steps = [LoadImaged(keys=both), ScaleIntensityd(keys="image")]
    loader = DataLoader(CacheDataset(data=files, transform=Compose(steps)), batch_size=2)
    net = DiffusionModelUNet(spatial_dims=2, in_channels=1, out_channels=1)
    inferer = DiffusionInferer(scheduler)
    for batch in loader:
        x = batch["image"]
        noise = torch.randn_like(x)
        predicted = inferer(inputs=x, diffusion_model=net, noise=noise, timesteps=torch.randint(0, 1000, (2,)))
        nn.functional.mse_loss(predicted, noise).backward()
    """)
    assert setup.head.activation == "linear"
    assert setup.target.standardised.value == "yes"


@pytest.mark.parametrize(
    ("made", "given"),
    [
        ("AutoencoderKL(spatial_dims=2, in_channels=1, out_channels=1)", "reconstruction, z_mu, z_sigma = net(x)"),
        ("VQVAE(spatial_dims=2, in_channels=1, out_channels=1)", "reconstruction, quantisation = net(x)"),
    ],
)
def test_a_network_that_codes_gives_a_picture_first(made: str, given: str) -> None:
    setup = setup_of(f"""
    net = {made}
    for x in torch.utils.data.DataLoader(torch.rand(100, 1, 28, 28), batch_size=2):
        {given}
        nn.functional.l1_loss(reconstruction, x).backward()
    """)
    assert (setup.head.activation, setup.head.units, setup.loss.name) == ("linear", 1, "mae")


def test_a_judge_of_patches_gives_its_scores_last() -> None:
    setup = setup_of("""
    judge, judged = PatchDiscriminator(spatial_dims=2, in_channels=1, channels=8), PatchAdversarialLoss()
    for x in torch.utils.data.DataLoader(torch.rand(100, 1, 28, 28), batch_size=2):
        judged(judge(x)[-1], target_is_real=True, for_discriminator=True).backward()
    """)
    assert (setup.head.activation, setup.loss.name) == ("leaky_relu", "mse")


def test_a_regressor_has_as_many_units_as_its_shape_of_answers_says() -> None:
    setup = setup_of("""
    net = Regressor(in_shape=[1, 96, 96, 96], out_shape=1, channels=(16, 32), strides=(2, 2))
    for x, age in DataLoader(ImageDataset(image_files=images, labels=np.array([45.0, 68.0, 29.0])), batch_size=2):
        nn.functional.mse_loss(net(x), age).backward()
    """)
    assert setup.head.units == 1
    assert setup.target.shape == (None,)  # Project-MONAI's own tutorial compares these two


@pytest.mark.parametrize(
    ("criterion", "real", "name", "answer"),
    [('"least_squares"', True, "mse", 1.0), ('"least_squares"', False, "mse", 0.0), ('"bce"', True, "bce", 1.0)],
)
def test_the_loss_of_a_judge_compares_its_scores_with_one_number(
    criterion: str, real: bool, name: str, answer: float
) -> None:
    setup = setup_of(f"""
    judge = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Conv2d(8, 1, 3))
    judged = PatchAdversarialLoss(criterion={criterion})
    loader = torch.utils.data.DataLoader(torch.rand(100, 1, 28, 28), batch_size=2)
    for x in loader:
        judged(judge(x), target_is_real={real}, for_discriminator=True).backward()
    """)
    assert setup.loss.name == name
    assert setup.target.values.hull.lo == setup.target.values.hull.hi == answer
