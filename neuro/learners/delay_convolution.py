"""Layers whose synapses have delays: a convolution in time with one Gaussian bump a synapse.

    y_j[t] = sum_i sum_d k_ji[d] x_i[t - d],      d = 0 .. D-1
    k_ji[d] = w_ji g_ji[d] / sum_d' g_ji[d'],     g_ji[d] = exp(-(d - p_ji)^2 / (2 width^2))

The place p_ji of a bump (steps) has a gradient. With a width near 0 and whole places, a synapse has one delay.

It is computed as y = C ((A x) (B k)) with constant matrices A, B, C: the discrete Fourier transform of length
F >= T + D - 1, whose complex products are made of three real ones. So all work is in matrix products, some
3 F / 2 of size B x I x J in place of T D.

Axes: T step, B sample, I input, J output, D delay, R product.
References: hammouamri2024, khalfaoui2023 (the Gaussian bumps and their normalisation).
"""

import functools
import math
from typing import NamedTuple

import torch
from torch import Tensor


def bumps(places_JI: Tensor, width: float, n_delays: int) -> Tensor:
    """[D, J, I]: how the weight of a synapse is spread over the delays; each sums to 1."""
    delays_D11 = torch.arange(n_delays, dtype=places_JI.dtype)[:, None, None]
    distance_DJI = (delays_D11 - places_JI) / width
    # Softmax is the normalised Gaussian, without its underflow at small widths.
    return torch.softmax(-0.5 * distance_DJI * distance_DJI, 0)


class Transforms(NamedTuple):
    """A, B and C of a convolution."""

    of_input_RT: Tensor
    of_kernel_RD: Tensor
    back_TR: Tensor


@functools.lru_cache(maxsize=16)
def transforms(n_steps: int, n_delays: int, dtype: torch.dtype) -> Transforms:
    """Matrices of the discrete Fourier transform, with the three products (a + b) c, a (d - c), b (c + d) of
    (a + ib)(c + id) = [(a + b) c - b (c + d)] + i [(a + b) c + a (d - c)]."""
    length = n_steps + n_delays - 1
    frequencies = torch.arange(length // 2 + 1, dtype=torch.float64)
    # A frequency stands for itself and its mirror image, except for 0 and half the rate of steps.
    twice = torch.where((frequencies == 0) | (2 * frequencies == length), 1.0, 2.0) / length

    def waves(n: int) -> tuple[Tensor, Tensor]:
        angles = 2 * math.pi / length * torch.outer(frequencies, torch.arange(n, dtype=torch.float64))
        return torch.cos(angles), -torch.sin(angles)

    (a, b), (c, d), (cosine, sine) = waves(n_steps), waves(n_delays), waves(n_steps)
    real, imaginary = (twice[:, None] * cosine).T, (twice[:, None] * sine).T
    of_input, of_kernel = torch.cat([a + b, a, b]), torch.cat([c, d - c, c + d])
    back = torch.cat([real + imaginary, imaginary, -real], 1)
    return Transforms(of_input.to(dtype), of_kernel.to(dtype), back.to(dtype))


def convolve(x_TBI: Tensor, kernel_DJI: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """y [T, B, J] in the type of x. dtype: of the factors and results of products; within one, sums are float32."""
    (n_steps, n_samples, _), (n_delays, n_out, _) = x_TBI.shape, kernel_DJI.shape
    if n_delays == 1:
        return (x_TBI.to(dtype) @ kernel_DJI[0].T.to(dtype)).to(x_TBI.dtype)
    forth_RT, kernel_RD, back_TR = transforms(n_steps, n_delays, dtype)
    x_RBI = (forth_RT @ x_TBI.to(dtype).flatten(1)).unflatten(1, x_TBI.shape[1:])
    k_RJI = (kernel_RD @ kernel_DJI.to(dtype).flatten(1)).unflatten(1, kernel_DJI.shape[1:])
    y_RBJ = x_RBI @ k_RJI.transpose(1, 2)
    return (back_TR @ y_RBJ.flatten(1)).unflatten(1, (n_samples, n_out)).to(x_TBI.dtype)
