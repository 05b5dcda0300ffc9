from __future__ import annotations

import numpy as np
import pytest

from ae_audit.runtime.stand_ins.samples import Pictures, digits, pictures, repeated, small_digits, word_sequences


def explained(images: np.ndarray, components: int) -> float:
    """Share of the variance that the first principal components explain."""
    flat = images.reshape(len(images), -1).astype("float32")
    flat -= flat.mean(axis=0)
    values = np.linalg.eigvalsh(flat @ flat.T)
    return float(values[-components:].sum() / values.sum())


def test_the_digits_have_the_shape_dtype_and_range_of_mnist() -> None:
    train, test = digits(60000, train=True), digits(10000, train=False)
    images = train.all_images()
    assert (images.shape, images.dtype, images.min(), images.max()) == ((60000, 28, 28), np.uint8, 0, 255)
    assert set(train.all_labels().tolist()) == set(range(10))
    assert test.all_images().shape == (10000, 28, 28)
    assert images.mean() / 255 == pytest.approx(0.1307, abs=0.005)
    assert images.std() / 255 == pytest.approx(0.3081, abs=0.005)


def test_the_test_digits_are_not_among_the_training_digits() -> None:
    train, test = digits(60000, train=True), digits(10000, train=False)
    seen = {image.tobytes() for image in train.images}
    assert not any(image.tobytes() in seen for image in test.images)


def test_the_arrays_can_be_written_to() -> None:
    images = digits(100, train=True).all_images()
    images += 1


def test_small_digits_are_those_of_usps() -> None:
    part = small_digits(7291, train=True)
    assert (part.all_images().shape, part.images.dtype, part.images.max()) == ((7291, 16, 16), np.uint8, 255)


@pytest.mark.parametrize(
    ("shape", "dark"), [((28, 28, 1), True), ((32, 32, 3), False), ((96, 96, 3), False), ((105, 105, 1), False)]
)
def test_synthetic_pictures_use_the_whole_range_and_can_be_learnt(shape: tuple[int, int, int], dark: bool) -> None:
    part = pictures(1500, *shape, 10, seed=1, train=True, dark=dark)
    images = part.all_images()
    assert images.shape == (1500, *(shape if shape[2] > 1 else shape[:2]))
    assert (images.dtype, images.min(), images.max()) == (np.uint8, 0, 255)
    assert sorted(set(part.labels.tolist())) == list(range(10))
    assert explained(part.images[:200], 32) > 0.8
    assert images.reshape(1500, -1)[:300].std(axis=0).mean() > 10
    assert bool((images == 0).mean() > 0.3) is dark


def test_classes_of_synthetic_pictures_can_be_told_apart() -> None:
    train, test = (pictures(2000, 32, 32, 3, 10, seed=3, train=part) for part in (True, False))

    def flat(part: Pictures) -> np.ndarray:
        return part.images.reshape(len(part.images), -1) / 255.0

    centres = np.stack([flat(train)[train.labels == label].mean(axis=0) for label in range(10)])
    nearest = np.linalg.norm(flat(test)[:, None] - centres, axis=2).argmin(axis=1)
    assert (nearest == test.labels).mean() > 0.6


def test_the_same_data_every_time() -> None:
    first, second = (pictures(100, 28, 28, 1, 10, seed=2, train=True) for _ in range(2))
    assert np.array_equal(first.images, second.images)
    assert not np.array_equal(first.images, pictures(100, 28, 28, 1, 10, seed=2, train=False).images)


@pytest.mark.parametrize("length", [1, 3, 4, 7])
def test_repeating_keeps_the_order(length: int) -> None:
    assert repeated(np.arange(3), length).tolist() == [i % 3 for i in range(length)]


def test_word_numbers_stay_within_the_vocabulary() -> None:
    sequences, labels = word_sequences(3000, 2, 1000, seed=1, start=1, offset=3)
    assert len(sequences) == len(labels) == 3000
    assert max(max(sequence) for sequence in sequences) < 1000
    assert all(sequence[0] == 1 for sequence in sequences)
    assert sequences[0] is not sequences[2000]
