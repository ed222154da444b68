"""Altered copies of training images: cropped, mirrored, rotated, or with a hole. Plain torch, a batch at a time.

What happens to a sample is read off a row of numbers, uniform in [0, 1), that belongs to its place in the stream: it
depends on the seed and on how many samples were seen, neither on the batch size nor on where training was resumed.

Axes: B sample, I input, K number; images are [B, channel, height, width], uint8 or float32.
References: krizhevsky2009 (the images), devries2017 (cutout).
"""

import functools
import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, pad

N_NUMBERS = 6  # numbers a sample: 0 and 1 place a crop or shift, 2 flips, 3 rotates, 4 and 5 place a hole
Step = Callable[[Tensor, Tensor], Tensor]


def crop(images: Tensor, numbers_BK: Tensor, *, padding: int) -> Tensor:
    """Windows of the images' size, anywhere in the image with `padding` zeros around it."""
    windows = pad(images, (padding,) * 4).unfold(2, images.shape[2], 1).unfold(3, images.shape[3], 1)
    corner_B2 = (numbers_BK[:, :2] * (2 * padding + 1)).long()
    return windows[torch.arange(len(images)), :, corner_B2[:, 0], corner_B2[:, 1]]


def flip(images: Tensor, numbers_BK: Tensor) -> Tensor:
    """Each image mirrored, left to right, with a probability of 1/2."""
    return torch.where(numbers_BK[:, 2, None, None, None] < 0.5, images.flip(3), images)


def rotate(images: Tensor, numbers_BK: Tensor, *, degrees: float) -> Tensor:
    """Turned about the centre by at most `degrees` either way, interpolated, zeros from outside."""
    angle_B = (2.0 * numbers_BK[:, 3].float() - 1.0) * math.radians(degrees)
    cosine_B, sine_B, zero_B = angle_B.cos(), angle_B.sin(), torch.zeros_like(angle_B)
    turn_B6 = torch.stack([cosine_B, -sine_B, zero_B, sine_B, cosine_B, zero_B], dim=1)
    grid = affine_grid(turn_B6.reshape(-1, 2, 3), list(images.shape), align_corners=False)
    turned = grid_sample(images.float(), grid, align_corners=False)
    return turned if images.is_floating_point() else turned.round().to(images.dtype)


def cutout(images: Tensor, numbers_BK: Tensor, *, side: int) -> Tensor:
    """A square of zeros whose centre lies anywhere in the image; what of it lies outside is lost."""
    height, width = images.shape[2:]
    centre_B2 = (numbers_BK[:, 4:6] * torch.tensor([height, width])).long()
    is_row_BH = _within(torch.arange(height) - centre_B2[:, :1] + side // 2, side)
    is_column_BW = _within(torch.arange(width) - centre_B2[:, 1:] + side // 2, side)
    is_hole = is_row_BH[:, None, :, None] & is_column_BW[:, None, None, :]
    return images.masked_fill(is_hole, 0)


def _within(places: Tensor, size: int) -> Tensor:
    return (places >= 0) & (places < size)


CROP = functools.partial(crop, padding=4)
SHIFT = functools.partial(crop, padding=2)
ROTATE = functools.partial(rotate, degrees=10.0)
CUTOUT = functools.partial(cutout, side=16)

AUGMENTATIONS: dict[str, tuple[Step, ...]] = {
    "crop-flip": (CROP, flip),
    "crop-flip-cutout": (CROP, flip, CUTOUT),
    "shift": (SHIFT,),
    "shift-rotate": (SHIFT, ROTATE),
}


def augmented(name: str, rows_BI: Tensor, shape: tuple[int, ...], numbers_BK: Tensor) -> Tensor:
    """Rows of images of a shape (channels, height, width), altered by the steps of an augmentation.

    ValueError where samples are no images.
    """
    if len(shape) != 3:
        raise ValueError(f"augmentation {name!r} needs images, and samples have the shape {shape}; choose none")
    images = rows_BI.reshape(-1, *shape)
    for step in AUGMENTATIONS[name]:
        images = step(images, numbers_BK)
    return images.reshape(rows_BI.shape)
