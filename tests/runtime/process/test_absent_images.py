"""What stands in for OpenCV and scikit-image gives what they give, as far as an audit looks at it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ae_audit.runtime.host.accommodations.absent_images import NAMES
from ae_audit.runtime.host.accommodations.inert import AbsentValue

OURS = NAMES["cv2"]
COLOUR = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
GREY = COLOUR[..., 0]


def ours(name: str, *args: Any, **kwargs: Any) -> Any:
    return OURS[name](*args, **kwargs)


@pytest.fixture(scope="module")
def cv2() -> Any:
    return pytest.importorskip("cv2")


@pytest.mark.parametrize("code", sorted(name for name in OURS if name.startswith("COLOR_")))
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_colours(cv2: Any, code: str, kind: type) -> None:
    image = COLOUR if kind is np.uint8 else COLOUR.astype(kind) / 255
    if code.startswith("COLOR_GRAY"):
        image = image[..., 0]
    if code.startswith(("COLOR_BGRA", "COLOR_RGBA")):
        image = np.concatenate([image, image[..., :1]], axis=-1)
    if "LAB2" in code.upper() or "HSV2" in code:
        image = cv2.cvtColor(image, 45 if "LAB" in code.upper() else 41)
    number = getattr(cv2, code)
    real, made = cv2.cvtColor(image, number), ours("cvtColor", image, OURS[code])
    assert (made.dtype, made.shape) == (real.dtype, real.shape)
    apart = np.abs(made.astype(float) - real.astype(float))
    scale = 255 if kind is np.uint8 else 360 if "2HSV" in code else 127 if "2LAB" in code.upper() else 1
    assert np.median(apart) <= scale * 0.01
    assert np.quantile(apart, 0.95) <= scale * 0.03


def test_constants_are_those_of_opencv(cv2: Any) -> None:
    for name, value in OURS.items():
        if isinstance(value, int):
            assert value == getattr(cv2, name), name


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("resize", (COLOUR, (60, 40))),
        ("resize", (GREY.astype(np.float32), None, None, 2, 2)),
        ("resize", (COLOUR[..., :1], (15, 10))),
        ("resize", (COLOUR, (15, 10), None, 0, 0, 0)),
        ("resize", (COLOUR, (15, 10), None, 0, 0, 3)),
        ("GaussianBlur", (COLOUR, (5, 5), 0)),
        ("GaussianBlur", (GREY, (5, 3), 1.2)),
        ("blur", (GREY.astype(np.float32), (3, 3))),
        ("flip", (COLOUR, 1)),
        ("flip", (COLOUR, -1)),
        ("rotate", (COLOUR, 0)),
        ("rotate", (COLOUR, 2)),
        ("transpose", (COLOUR,)),
        ("normalize", (GREY, None, 0, 255, 32)),
        ("normalize", (GREY.astype(np.float32), None, 1.0, 0.0, 4)),
        ("add", (COLOUR, COLOUR)),
        ("subtract", (COLOUR, COLOUR[::-1])),
        ("absdiff", (COLOUR, COLOUR[::-1])),
        ("addWeighted", (COLOUR, 0.7, COLOUR[::-1], 0.6, 3)),
        ("bitwise_not", (COLOUR,)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_arithmetic(cv2: Any, name: str, arguments: tuple[Any, ...]) -> None:
    real, made = getattr(cv2, name)(*arguments), ours(name, *arguments)
    assert (made.dtype, made.shape) == (real.dtype, real.shape)
    inner = (slice(4, -4), slice(4, -4))  # at the edges they differ
    apart = np.abs(made[inner].astype(float) - real[inner].astype(float))
    assert np.median(apart) <= 0.02 * max(1.0, float(np.ptp(real)))


@pytest.mark.parametrize("kind", range(5))
def test_thresholds(cv2: Any, kind: int) -> None:
    real, made = cv2.threshold(GREY, 100, 200, kind), ours("threshold", GREY, 100, 200, kind)
    assert made[0] == real[0]
    assert np.array_equal(made[1], real[1])


def test_what_is_not_done_is_refused() -> None:
    for call in (
        lambda: ours("threshold", GREY, 0, 255, 8),
        lambda: ours("cvtColor", COLOUR, 46),
        lambda: ours("normalize", GREY, None, 1, 0, 8),
    ):
        with pytest.raises(AbsentValue, match="computes with what `cv2"):
            call()


def test_a_picture_is_read_in_the_order_of_each_package(cv2: Any, tmp_path: Any) -> None:
    from PIL import Image

    path = tmp_path / "x.png"
    Image.fromarray(COLOUR).save(path)
    for flags in (-1, 0, 1):
        apart = np.abs(ours("imread", str(path), flags).astype(int) - cv2.imread(str(path), flags).astype(int))
        assert apart.max() <= 1
    assert ours("imread", str(tmp_path / "none.png")) is None
    read = NAMES["skimage.io"]["imread"]
    assert np.array_equal(read(path), COLOUR)
    assert 0 <= read(path, as_gray=True).min() < read(path, as_gray=True).max() <= 1
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none.png")


def test_ranges_of_scikit_image() -> None:
    """Figures of the documentation of each function."""
    resize, color = NAMES["skimage.transform"]["resize"], NAMES["skimage.color"]
    smaller = resize(COLOUR, (10, 10))
    assert (smaller.shape, smaller.dtype) == ((10, 10, 3), np.float64)
    assert smaller.max() <= 1 < resize(COLOUR, (10, 10), preserve_range=True).max() <= 255
    assert resize(GREY, (10, 10, 1)).shape == (10, 10, 1)
    white, blue = color["rgb2lab"](np.array([[[255, 255, 255], [0, 0, 255]]], dtype=np.uint8))[0]
    assert np.allclose(white, [100, 0, 0], atol=0.02)
    assert np.allclose(blue, [32.3, 79.19, -107.86], atol=0.1)
    assert np.allclose(color["lab2rgb"](color["rgb2lab"](COLOUR)), COLOUR / 255, atol=1e-6)
    assert np.allclose(color["hsv2rgb"](color["rgb2hsv"](COLOUR)), COLOUR / 255, atol=1e-9)
    assert color["rgb2gray"](COLOUR).max() <= 1
    noise = NAMES["skimage.util"]["random_noise"]
    for mode in ("gaussian", "speckle", "s&p"):
        made = noise(COLOUR, mode)
        assert 0 <= made.min() < made.max() <= 1
        assert not np.allclose(made, COLOUR / 255)
    assert noise(COLOUR, clip=False).max() > 1
