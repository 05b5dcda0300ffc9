"""The transforms of torchvision, classes and functions, v1 and v2: what each does to the values of an image.

Values are what matters here: a flip and a rotation differ only in that the second fills corners with zeros.
"""

from __future__ import annotations

from enum import Enum

from ae_audit.base.records import dataclass


class Step(Enum):
    """What a transform does to the values."""

    KEEPS = "the same values, moved about, or averages of them"
    FILLS = "the same values, and the fill value where nothing is left"
    RESIZES = "averages of the values on another grid"
    GREY = "averages of the channels"
    RECOLOURS = "other values of the same valid range: 0 to 255 for integers, 0 to 1 for floats"
    NOISES = "adds random noise"
    TO_UNIT = "integers 0 to 255 become floats 0 to 1; floats stay as they are"
    TO_TENSOR_RAW = "a tensor of the same integers"
    TO_PIL = "floats 0 to 1 become integers 0 to 255; integers stay"
    TO_DTYPE = "another dtype; scaled to its valid range where asked for"
    NORMALISES = "(x - mean) / std, channel by channel"
    CALLS = "a function of the user's own"
    SEQUENCE = "several, one after another"
    MAYBE = "several, or nothing, at random"
    ONE_OF = "one of several, at random"
    MIXES = "mixtures of two images, and of their labels"
    UNKNOWN = "anything"


@dataclass(frozen=True, slots=True)
class TransformSpec:
    """``signature`` gives the positional parameters of the constructor; of a function, those after the image."""

    step: Step
    signature: tuple[str, ...] = ()


def _spec(step: Step, signature: str = "") -> TransformSpec:
    return TransformSpec(step, tuple(signature.split()))


def _all(step: Step, names: str) -> dict[str, TransformSpec]:
    return {name: TransformSpec(step) for name in names.split()}


TRANSFORMS: dict[str, TransformSpec] = {
    **_all(Step.KEEPS, "RandomHorizontalFlip RandomVerticalFlip FiveCrop TenCrop Identity ToPureTensor RGB"),
    **_all(Step.KEEPS, "RandomChannelPermutation GaussianBlur SanitizeBoundingBoxes ClampBoundingBoxes"),
    **_all(Step.KEEPS, "ConvertBoundingBoxFormat UniformTemporalSubsample RandomIoUCrop RandomShortestSize JPEG"),
    **_all(Step.FILLS, "RandomRotation RandomAffine RandomPerspective ElasticTransform RandomZoomOut RandomErasing"),
    **_all(Step.RECOLOURS, "ColorJitter RandomInvert RandomPosterize RandomSolarize RandomAdjustSharpness"),
    **_all(Step.RECOLOURS, "RandomAutocontrast RandomEqualize RandomPhotometricDistort AutoAugment RandAugment"),
    **_all(Step.RECOLOURS, "TrivialAugmentWide AugMix"),
    **_all(Step.MIXES, "CutMix MixUp"),
    "Pad": _spec(Step.FILLS, "padding fill padding_mode"),
    "Resize": _spec(Step.RESIZES, "size interpolation"),
    "Scale": _spec(Step.RESIZES, "size interpolation"),
    "RandomResize": _spec(Step.RESIZES, "min_size max_size"),
    "ScaleJitter": _spec(Step.RESIZES, "target_size"),
    "CenterCrop": _spec(Step.RESIZES, "size"),
    "RandomCrop": _spec(Step.RESIZES, "size padding"),
    "RandomResizedCrop": _spec(Step.RESIZES, "size scale ratio interpolation"),
    "RandomSizedCrop": _spec(Step.RESIZES, "size"),
    "Grayscale": _spec(Step.GREY, "num_output_channels"),
    "RandomGrayscale": _spec(Step.KEEPS, "p"),
    "GaussianNoise": _spec(Step.NOISES, "mean sigma clip"),
    "ToTensor": _spec(Step.TO_UNIT),
    "PILToTensor": _spec(Step.TO_TENSOR_RAW),
    "ToImage": _spec(Step.TO_TENSOR_RAW),
    "ToImageTensor": _spec(Step.TO_TENSOR_RAW),
    "ToPILImage": _spec(Step.TO_PIL, "mode"),
    "ToDtype": _spec(Step.TO_DTYPE, "dtype scale"),
    "ConvertImageDtype": _spec(Step.TO_DTYPE, "dtype"),
    "ConvertDtype": _spec(Step.TO_DTYPE, "dtype"),
    "ConvertImageDType": _spec(Step.TO_DTYPE, "dtype"),
    "Normalize": _spec(Step.NORMALISES, "mean std inplace"),
    "LinearTransformation": _spec(Step.UNKNOWN, "transformation_matrix mean_vector"),
    "Lambda": _spec(Step.CALLS, "lambd"),
    "Compose": _spec(Step.SEQUENCE, "transforms"),
    "RandomOrder": _spec(Step.SEQUENCE, "transforms"),
    "RandomApply": _spec(Step.MAYBE, "transforms p"),
    "RandomChoice": _spec(Step.ONE_OF, "transforms p"),
}

ALWAYS_SCALE = frozenset({"ConvertImageDtype", "ConvertDtype", "ConvertImageDType"})
"""Dtype conversions that scale to the valid range of the new dtype without being asked."""

FUNCTIONS: dict[str, TransformSpec] = {
    **_all(Step.KEEPS, "hflip vflip horizontal_flip vertical_flip crop gaussian_blur five_crop ten_crop"),
    **_all(Step.KEEPS, "to_pure_tensor"),
    **_all(Step.FILLS, "rotate affine perspective elastic elastic_transform erase"),
    **_all(Step.RECOLOURS, "adjust_brightness adjust_contrast adjust_saturation adjust_hue adjust_gamma"),
    **_all(Step.RECOLOURS, "adjust_sharpness autocontrast equalize invert posterize solarize"),
    "pad": _spec(Step.FILLS, "padding fill padding_mode"),
    "resize": _spec(Step.RESIZES, "size interpolation"),
    "center_crop": _spec(Step.RESIZES, "output_size"),
    "resized_crop": _spec(Step.RESIZES, "top left height width size"),
    "to_grayscale": _spec(Step.GREY, "num_output_channels"),
    "rgb_to_grayscale": _spec(Step.GREY, "num_output_channels"),
    "gaussian_noise": _spec(Step.NOISES, "mean sigma clip"),
    "to_tensor": _spec(Step.TO_UNIT),
    "pil_to_tensor": _spec(Step.TO_TENSOR_RAW),
    "to_image": _spec(Step.TO_TENSOR_RAW),
    "to_pil_image": _spec(Step.TO_PIL, "mode"),
    "to_dtype": _spec(Step.TO_DTYPE, "dtype scale"),
    "convert_image_dtype": _spec(Step.TO_DTYPE, "dtype"),
    "normalize": _spec(Step.NORMALISES, "mean std inplace"),
}

ALWAYS_SCALE_FUNCTIONS = frozenset({"convert_image_dtype"})

MODULES = ("torchvision.transforms", "torchvision.transforms.transforms", "torchvision.transforms.v2")
FUNCTION_MODULES = ("torchvision.transforms.functional", "torchvision.transforms.v2.functional")
