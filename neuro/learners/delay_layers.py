"""Layers of spiking neurons between delayed synapses: batch normalisation, leaky integrate-and-fire, dropout.

    x^_j[t] = gain_j (x_j[t] - mean_j) / sqrt(var_j + 1e-5) + shift_j      mean, var: over steps and samples
    v[t] = decay u[t-1] + x^[t],    z[t] = [v[t] >= v_th],    u[t] = v[t] (1 - z[t])
    dv[t] = dz[t] h(v[t] - v_th) + decay (1 - z[t]) dv[t+1]                h: the surrogate; the reset passes none

In learning, mean and var are those of the batch; running means of them serve afterwards, when the normalisation is
folded into weights and a constant current (delay_export.py). Dropout silences a neuron for a whole sample.

Axes: T step, B sample, J neuron, N neuron of a sample.
References: hammouamri2024, ioffe2015 (batch normalisation), neftci2019 (surrogates).
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numba import njit
from torch import Tensor
from torch.nn import functional

from neuro.learners.surrogate import SURROGATES

VARIANCE_FLOOR = 1e-5  # added to variances (ioffe2015; torch's default)
MOMENTUM = 0.1  # share of a new batch in running means (torch's default)


class Membrane(NamedTuple):
    """decay: of the potential in a step. v_th: mV. slope: of the arctan surrogate."""

    decay: float
    v_th: float
    slope: float


def normalised(x_TBJ: Tensor, gain_J: Tensor, shift_J: Tensor, mean_J: Tensor, var_J: Tensor) -> Tensor:
    """x with the batch's own mean and variance; the running ones, mean_J and var_J, are advanced in place."""
    x_SJ = x_TBJ.flatten(0, 1)
    x_SJ = functional.batch_norm(x_SJ, mean_J, var_J, gain_J, shift_J, True, MOMENTUM, VARIANCE_FLOOR)
    return x_SJ.view_as(x_TBJ)


class _Spikes(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_TBJ: Tensor, membrane: Membrane) -> Tensor:
        v_TBJ, z_TBJ = torch.empty_like(x_TBJ), torch.empty_like(x_TBJ)
        x_TN, v_TN, z_TN = (tensor.flatten(1).numpy() for tensor in (x_TBJ.detach(), v_TBJ, z_TBJ))
        _fire(x_TN, v_TN, z_TN, np.float32(membrane.decay), np.float32(membrane.v_th))
        ctx.save_for_backward(v_TBJ, z_TBJ)
        ctx.membrane = membrane
        return z_TBJ

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None]:
        v_TBJ, z_TBJ = ctx.saved_tensors
        membrane = ctx.membrane
        delta_TBJ = SURROGATES["atan"].derivative(v_TBJ - membrane.v_th, membrane.slope).mul_(upstream[0])
        _carry_back(delta_TBJ.flatten(1).numpy(), z_TBJ.flatten(1).numpy(), np.float32(membrane.decay))
        return delta_TBJ, None


@njit(cache=True)
def _fire(x_TN, v_TN, z_TN, decay, v_th):
    """Potentials before the reset, and spikes."""
    u_N = np.zeros_like(x_TN[0])
    for t in range(len(x_TN)):
        for n in range(len(u_N)):
            v = decay * u_N[n] + x_TN[t, n]
            fired = v >= v_th
            v_TN[t, n] = v
            z_TN[t, n] = fired
            u_N[n] = 0 if fired else v


@njit(cache=True)
def _carry_back(delta_TN, z_TN, decay):
    """dv[t] += decay (1 - z[t]) dv[t+1], from the last step to the first."""
    for t in range(len(delta_TN) - 2, -1, -1):
        for n in range(delta_TN.shape[1]):
            delta_TN[t, n] += decay * (1 - z_TN[t, n]) * delta_TN[t + 1, n]


def spikes(x_TBJ: Tensor, membrane: Membrane) -> Tensor:
    """Spikes of neurons at rest before the first step."""
    return _Spikes.apply(x_TBJ, membrane)  # type: ignore[return-value]


def integrated(x_TBJ: Tensor, decay: float) -> Tensor:
    """Potentials of leaky integrators at rest before the first step."""
    potentials = [x_TBJ[0]]
    for x_BJ in x_TBJ[1:]:
        potentials.append(torch.add(x_BJ, potentials[-1], alpha=decay))
    return torch.stack(potentials)


def dropped(z_TBJ: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Spikes of which a share of the neurons, drawn for each sample, sends none; the others send more in return."""
    if share == 0:
        return z_TBJ
    kept_BJ = torch.rand(z_TBJ.shape[1:], generator=rng) >= share
    return z_TBJ * (kept_BJ / (1.0 - share))


def summed_shares(v_TBC: Tensor) -> Tensor:
    """Scores [B, C]: the softmax of the potentials over classes, summed over time."""
    return torch.softmax(v_TBC, 2).sum(0)
