"""Augmentation: what stays of an image, where crops lie, and the same draws wherever training is entered."""

import numpy as np
import pytest
import torch

from tasks import digits
from tasks.augment import AUGMENTATIONS, N_NUMBERS, augmented, crop, cutout, flip, rotate
from tasks.base import Augmentation, Split, stream


def numbers(n, seed=0):
    return torch.rand(n, N_NUMBERS, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def images(n, channels=3, side=8, seed=1):
    return torch.randint(1, 256, (n, channels, side, side), generator=torch.Generator().manual_seed(seed)).to(
        torch.uint8
    )


def test_a_shift_keeps_the_pixels_of_an_image_with_a_blank_margin():
    x = torch.zeros(200, 3, 12, 12, dtype=torch.uint8)
    x[:, :, 2:-2, 2:-2] = images(200)
    moved = crop(x, numbers(200), padding=2)
    np.testing.assert_array_equal(moved.flatten(1).sort(1)[0], x.flatten(1).sort(1)[0])
    assert not torch.equal(moved, x) and moved.dtype == torch.uint8


def test_a_crop_is_the_window_that_its_numbers_say():
    x = images(9)
    u = numbers(9)
    u[:, :2] = torch.tensor([[0.0, 0.0], [0.999, 0.999], [0.5, 0.5]]).repeat(3, 1)
    cropped = crop(x, u, padding=4)
    for b in range(0, 9, 3):
        assert torch.equal(cropped[b, :, 4:, 4:], x[b, :, :4, :4]) and cropped[b, :, :4].sum() == 0
        assert torch.equal(cropped[b + 1, :, :4, :4], x[b + 1, :, 4:, 4:]) and cropped[b + 1, :, 4:].sum() == 0
        assert torch.equal(cropped[b + 2], x[b + 2])


def test_places_of_crops_are_uniform():
    """81 places, 20,000 draws: chi-square of 80 degrees of freedom stays below its 0.999 quantile, 124.8."""
    x = torch.zeros(20_000, 1, 9, 9, dtype=torch.uint8)
    x[:, :, 4, 4] = 1
    place = crop(x, numbers(20_000), padding=4).flatten(1).int().argmax(1)
    expected = 20_000 / 81
    assert ((torch.bincount(place, minlength=81) - expected) ** 2 / expected).sum() < 124.8


def test_flipping_twice_is_nothing_and_half_of_the_images_flip():
    x, u = images(1000), numbers(1000)
    once = flip(x, u)
    assert torch.equal(flip(once, u), x)
    flipped = (once != x).flatten(1).any(1)
    assert abs(int(flipped.sum()) - 500) < 60  # 3.8 standard deviations
    assert torch.equal(once[flipped], x[flipped].flip(3))


def test_rotation_by_nothing_is_nothing_and_by_a_right_angle_is_exact():
    x, u = images(5).float(), numbers(5)
    u[:, 3] = 0.5
    torch.testing.assert_close(rotate(x, u, degrees=10.0), x, rtol=0, atol=1e-3)
    u[:, 3] = 1.0
    turned = rotate(x, u, degrees=90.0)
    quarter = torch.rot90(x, 1, (2, 3))
    assert torch.allclose(turned, quarter, atol=1e-2) or torch.allclose(turned, quarter.flip(2, 3), atol=1e-2)
    assert rotate(x.to(torch.uint8), u, degrees=90.0).dtype == torch.uint8


def test_a_hole_is_a_square_within_the_image():
    x = torch.ones(500, 2, 16, 16)
    holes = cutout(x, numbers(500), side=6) == 0
    assert torch.equal(holes[:, 0], holes[:, 1])
    n_rows, n_columns = holes[:, 0].any(2).sum(1), holes[:, 0].any(1).sum(1)
    assert torch.equal(holes[:, 0].sum((1, 2)), n_rows * n_columns)
    assert n_rows.max() == 6 and n_rows.min() == 3 and torch.all(holes[:, 0].sum((1, 2)) >= 9)


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_training_sees_the_same_whatever_the_batch_and_wherever_it_is_entered(name, batch_size):
    split = Split(images(50, side=32).reshape(50, -1).numpy(), np.arange(50))
    augment = Augmentation(name, (3, 32, 32))

    def seen(size, seed, start=0):
        return torch.cat([batch.inputs for _, batch in stream(split, 150, size, seed, start, augment)])

    whole = seen(150, seed=1)
    assert torch.equal(seen(batch_size, seed=1), whole)
    assert torch.equal(seen(batch_size, seed=1, start=77), whole[77:])
    assert not torch.equal(seen(batch_size, seed=2), whole)
    assert 0.0 <= whole.min() and whole.max() <= 1.0 and whole.dtype == torch.float32


def test_each_pass_alters_a_sample_anew():
    split = Split(images(50).reshape(50, -1).numpy(), np.arange(50))
    batches = [batch for _, batch in stream(split, 100, 50, 0, 0, Augmentation("crop-flip", (3, 8, 8)))]
    first, second = (batch.inputs[batch.labels.argsort()] for batch in batches)
    assert (first != second).any(1).sum() > 45


def test_bytes_are_255ths():
    split = Split(np.array([[0, 51, 255]], np.uint8), np.array([0]))
    np.testing.assert_array_equal(split.batch(np.array([0])).inputs, np.array([[0.0, 0.2, 1.0]], np.float32))


def test_a_task_without_images_is_refused_and_none_alters_nothing():
    with pytest.raises(ValueError, match="images"):
        augmented("shift", torch.zeros(2, 5), (5,), numbers(2))
    task = digits.load()
    assert task.augmentation("none") is None and task.augmentation("task") is None
    assert task.augmentation("shift") == Augmentation("shift", (1, 8, 8))
