"""Made-up images for learning without labels: hybrids of two images, cut along a random mask.

    n       random bits on a grid that exceeds the image by `blurs` pixels on each side
    n       <- n blurred `blurs` times with [1/4, 1/2, 1/4] along both axes
    mask    m = [n > 1/2]
    hybrid  m x + (1 - m) x'        x, x': two images of a batch, the same where it has but one

Locally a hybrid looks like an image; only correlations over longer ranges than the mask's give it away.
K blurs are one convolution with the binomial distribution of 2 K throws of a coin: at a distance of d
pixels along an axis n has the correlation r(d) = binom(4 K, 2 K + d) / binom(4 K, 2 K), and the mask, as
the sign of a nearly Gaussian field, (2 / pi) arcsin r(d).

Axes: B sample, H height, W width; images are [B, channel, height, width].
References: hinton2022 (section 3.2).
Deviations: the paper gives no number of blurs, and does not say what happens at borders: here the noise
reaches beyond them, so that the mask is the same everywhere.
"""

import math

import torch
from torch import Tensor


def blur_matrix(n: int, blurs: int) -> Tensor:
    """[n, n + 2 blurs]: what takes a line of noise to one that is blurred and shorter by `blurs` on each side."""
    binomial = torch.tensor([math.comb(2 * blurs, k) / 4**blurs for k in range(2 * blurs + 1)], dtype=torch.float64)
    matrix = torch.zeros(n, n + 2 * blurs, dtype=torch.float64)
    for row in range(n):
        matrix[row, row : row + 2 * blurs + 1] = binomial
    return matrix.float()


def masks(n: int, height: int, width: int, blurs: int, rng: torch.Generator) -> Tensor:
    """n masks [n, H, W] of zeros and ones in large regions."""
    bits = torch.empty(n, height + 2 * blurs, width + 2 * blurs).bernoulli_(0.5, generator=rng)
    blurred_BHW = blur_matrix(height, blurs) @ bits @ blur_matrix(width, blurs).T
    return (blurred_BHW > 0.5).float()


def hybrids(images: Tensor, blurs: int, rng: torch.Generator) -> Tensor:
    """A hybrid of each image with the one before it in the batch, whose order is random."""
    mask = masks(len(images), images.shape[2], images.shape[3], blurs, rng)[:, None]
    others = images.roll(1, dims=0)
    return others + mask * (images - others)
