"""Noise schedules of NoProp: how much of the label is left in a noised label.

    z_t = sqrt(abar_t) u + sqrt(1 - abar_t) noise,   SNR_t = abar_t / (1 - abar_t)

abar rises with t, from 0 (noise) to nearly 1 (the label's embedding u): the opposite of most diffusion papers.

    cosine      abar_t = cos^2(pi/2 ((T - t) / T + s) / (1 + s)),   t = 0 .. T
    posterior   z_after | z_before, u  ~  N(a u + b z_before, c),   alpha = abar_before / abar_after
                a = sqrt(abar_after) (1 - alpha) / (1 - abar_before)
                b = sqrt(alpha) (1 - abar_after) / (1 - abar_before)
                c = (1 - abar_after) (1 - alpha) / (1 - abar_before)
    learned     abar(t) = sigmoid(-gamma(t)),   gamma(t) = gamma_0 + (gamma_1 - gamma_0) (1 - rise(t)),   0 <= t <= 1
                rise(t) = (g(t) - g(0)) / (g(1) - g(0)),   g(t) = slope t + sum_k size_k sigmoid(steep_k t + place_k)
                with slope, size and steep positive, so that SNR(t) = exp(-gamma(t)) never falls

Axes: T step, K unit of the learned schedule; t may have any shape.
References: li2025 (posterior: section 2; learned: its appendix), nichol2021 (cosine, s), kingma2021 (g).
Deviations: the cosine is not divided by its value at t = T, which would make SNR_T infinite; s leaves it at 6,435.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

from neuro.learners.layers import uniform

OFFSET = 0.008  # s: nichol2021, section 3.2


class Step(NamedTuple):
    """Mean a u + b z and variance c of the next noised label."""

    a: Tensor
    b: Tensor
    c: Tensor


class Level(NamedTuple):
    """A learned schedule at some times: abar, and dSNR/dt."""

    abar: Tensor
    snr_slope: Tensor


def cosine(n_steps: int) -> Tensor:
    """abar_0 to abar_T in float64, T + 1 values."""
    left = torch.arange(n_steps, -1, -1, dtype=torch.float64) / n_steps
    return torch.cos(math.pi / 2 * (left + OFFSET) / (1 + OFFSET)) ** 2


def snr(abar: Tensor) -> Tensor:
    """Signal-to-noise ratio."""
    return abar / (1 - abar)


def noised(clean_BN: Tensor, abar: Tensor, noise_BN: Tensor) -> Tensor:
    """A noised label, drawn directly from its embedding."""
    return abar.sqrt() * clean_BN + (1 - abar).sqrt() * noise_BN


def posterior(before: Tensor, after: Tensor) -> Step:
    """The step from abar = before to abar = after, given the clean label; before < after."""
    alpha = before / after
    left = 1 - before
    return Step(after.sqrt() * (1 - alpha) / left, alpha.sqrt() * (1 - after) / left, (1 - after) * (1 - alpha) / left)


def learned(rng: torch.Generator, n_units: int) -> dict[str, Tensor]:
    """Weights of a learned schedule. gamma runs from 5 (noise) to -5 at the start; positive weights pass softplus."""
    return {
        "gamma_0": torch.tensor([-5.0], requires_grad=True),
        "gamma_1": torch.tensor([5.0], requires_grad=True),
        "slope": torch.zeros(1, requires_grad=True),
        "size": torch.full((n_units,), -3.0, requires_grad=True),
        "steep": torch.full((n_units,), 1.0, requires_grad=True),
        "place": uniform((n_units,), rng, fan_in=1),
    }


def level(weights: dict[str, Tensor], times: Tensor) -> Level:
    """The learned schedule at some times in [0, 1]. Both values pass gradients to the weights."""
    edge = times.new_tensor([0.0, 1.0])
    (first, last), _ = _rise(weights, edge)
    value, slope = _rise(weights, times)
    span = weights["gamma_1"] - weights["gamma_0"]
    gamma = weights["gamma_0"] + span * (1 - (value - first) / (last - first))
    gamma_slope = -span * slope / (last - first)
    return Level(torch.sigmoid(-gamma), -gamma_slope * torch.exp(-gamma))


def _rise(weights: dict[str, Tensor], times: Tensor) -> tuple[Tensor, Tensor]:
    """g(t) and dg/dt."""
    slope, size_K, steep_K = (softplus(weights[name]) for name in ("slope", "size", "steep"))
    unit_K = torch.sigmoid(steep_K * times[..., None] + weights["place"])
    value = slope * times + (size_K * unit_K).sum(-1)
    return value, slope + (size_K * steep_K * unit_K * (1 - unit_K)).sum(-1)
