"""The data sets of torchvision: what one sample is before any transform, and what raw access gives.

Figures are those of the data sets' own pages and of torchvision's source (0.28); sizes are height, width.
"""

from __future__ import annotations

from enum import Enum

from ae_audit.base.records import dataclass


class Target(Enum):
    """What the second part of a sample is, by default."""

    CLASS = "class index"
    ATTRIBUTES = "0/1 attributes"
    MASK = "segmentation mask"
    OTHER = "something else"


@dataclass(frozen=True, slots=True)
class ImageSet:
    """A data set of 8-bit images, handed out as PIL images, values 0 to 255.

    ``raw`` is the axis order of ``.data`` (uint8): ``NHW``, ``NHWC``, ``NCHW``; None where there is no such attribute.
    """

    channels: int | None = 3
    size: tuple[int, int] | None = None
    classes: int | None = None
    target: Target = Target.CLASS
    raw: str | None = None
    train: int | None = None
    """number of training images"""


def _grey28(classes: int | None, train: int | None) -> ImageSet:
    return ImageSet(1, (28, 28), classes, Target.CLASS, "NHW", train)


DATASETS: dict[str, ImageSet] = {
    "MNIST": _grey28(10, 60000),
    "FashionMNIST": _grey28(10, 60000),
    "KMNIST": _grey28(10, 60000),
    "QMNIST": _grey28(10, 60000),
    "EMNIST": _grey28(None, None),
    "USPS": ImageSet(1, (16, 16), 10, raw="NHW", train=7291),
    "SEMEION": ImageSet(1, (16, 16), 10, raw="NHW"),
    "Omniglot": ImageSet(1, (105, 105), None),
    "CIFAR10": ImageSet(3, (32, 32), 10, raw="NHWC", train=50000),
    "CIFAR100": ImageSet(3, (32, 32), 100, raw="NHWC", train=50000),
    "SVHN": ImageSet(3, (32, 32), 10, raw="NCHW", train=73257),
    "STL10": ImageSet(3, (96, 96), 10, raw="NCHW", train=5000),
    "CelebA": ImageSet(3, (218, 178), 40, Target.ATTRIBUTES, train=162770),
    "Caltech101": ImageSet(None, None, 101),
    "Caltech256": ImageSet(None, None, 257),
    "Country211": ImageSet(classes=211),
    "DTD": ImageSet(classes=47),
    "EuroSAT": ImageSet(3, (64, 64), 10),
    "FER2013": ImageSet(1, (48, 48), 7),
    "FGVCAircraft": ImageSet(classes=100),
    "FakeData": ImageSet(3, (224, 224), 10),
    "Flowers102": ImageSet(classes=102),
    "Food101": ImageSet(classes=101),
    "GTSRB": ImageSet(classes=43),
    "ImageFolder": ImageSet(),
    "ImageNet": ImageSet(classes=1000),
    "Imagenette": ImageSet(classes=10),
    "INaturalist": ImageSet(),
    "LFWPeople": ImageSet(3, (250, 250), None),
    "LSUN": ImageSet(classes=10),
    "LSUNClass": ImageSet(),
    "OxfordIIITPet": ImageSet(classes=37),
    "PCAM": ImageSet(3, (96, 96), 2),
    "Places365": ImageSet(classes=365),
    "RenderedSST2": ImageSet(classes=2),
    "StanfordCars": ImageSet(classes=196),
    "SUN397": ImageSet(classes=397),
    "CLEVRClassification": ImageSet(classes=None),
    "Cityscapes": ImageSet(target=Target.MASK),
    "SBDataset": ImageSet(target=Target.MASK),
    "VOCSegmentation": ImageSet(classes=21, target=Target.MASK),
    "CocoDetection": ImageSet(target=Target.OTHER),
    "CocoCaptions": ImageSet(target=Target.OTHER),
    "Flickr8k": ImageSet(target=Target.OTHER),
    "Flickr30k": ImageSet(target=Target.OTHER),
    "Kitti": ImageSet(target=Target.OTHER),
    "SBU": ImageSet(target=Target.OTHER),
    "VOCDetection": ImageSet(target=Target.OTHER),
    "WIDERFace": ImageSet(target=Target.OTHER),
}

EMNIST_CLASSES = {"byclass": 62, "bymerge": 47, "balanced": 47, "letters": 26, "digits": 10, "mnist": 10}

RAW_IMAGES = frozenset({"data", "train_data", "test_data"})
RAW_LABELS = frozenset({"targets", "labels", "train_labels", "test_labels"})

MEDMNIST_GREY = {
    "PneumoniaMNIST": 2,
    "ChestMNIST": 14,
    "OCTMNIST": 4,
    "BreastMNIST": 2,
    "TissueMNIST": 8,
    "OrganAMNIST": 11,
    "OrganCMNIST": 11,
    "OrganSMNIST": 11,
}
MEDMNIST_COLOUR = {"PathMNIST": 9, "DermaMNIST": 7, "RetinaMNIST": 5, "BloodMNIST": 8}

MEDMNIST: dict[str, ImageSet] = {
    **{name: ImageSet(1, (28, 28), classes, raw="NHW") for name, classes in MEDMNIST_GREY.items()},
    **{name: ImageSet(3, (28, 28), classes, raw="NHWC") for name, classes in MEDMNIST_COLOUR.items()},
}
"""The data sets of the ``medmnist`` package: PIL images and an array of one class index, as in torchvision."""

KNOWN_STATISTICS: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...] = (
    ((0.1307,), (0.3081,)),
    ((0.286,), (0.353,)),
    ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    ((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)),
    ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
)
"""Mean and standard deviation of [0, 1] images, as tutorials print them: MNIST, Fashion-MNIST, CIFAR, ImageNet."""


def are_statistics(mean: tuple[float, ...], std: tuple[float, ...]) -> bool:
    """Whether ``Normalize(mean, std)`` standardises a well-known data set (within 0.01 of its statistics)."""
    return any(
        len(known_mean) == len(mean)
        and len(known_std) == len(std)
        and all(abs(a - b) <= 0.01 for a, b in zip(known_mean + known_std, mean + std, strict=True))
        for known_mean, known_std in KNOWN_STATISTICS
    )
