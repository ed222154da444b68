"""Membrane time constants that differ from neuron to neuron, drawn and learned within bounds.

    p_j = exp(-dt / tau_j) = p_low + (p_high - p_low) sigmoid(a_j)         a_j, the place of tau_j, is what is learned

Places run over all numbers, and every one has a gradient.

Axes: J neuron.
References: pereznieves2021b (gamma distribution, upper bound), fang2021 (sigmoid).
Deviations: pereznieves2021b change p_j itself, and cut it off at 0.736 and 0.995. fang2021 have p_low = 0, p_high = 1.
"""

import math

import numpy as np
import torch
from torch import Tensor

# Bounds of tau, in steps. The upper one is a decay of 0.995. The lower one is chosen: 2 % is left after a step, since
# steps may be as long as tau, where those of pereznieves2021b last 0.5 ms.
SHORTEST, LONGEST = 0.25, 200.0
P_LOW, P_HIGH = math.exp(-1.0 / SHORTEST), math.exp(-1.0 / LONGEST)


def drawn(mean: float, shape: float, size: int, dt: float, rng: torch.Generator) -> Tensor:
    """Places of time constants from a gamma distribution; shape 0: all are the mean. What lies outside is cut off."""
    if not SHORTEST * dt < mean < LONGEST * dt:
        raise ValueError(
            f"tau_m = {mean} ms: time constants that differ lie between {SHORTEST * dt:g} and {LONGEST * dt:g} ms where"
            f" a step lasts {dt:g} ms; give one between"
        )
    tau_J = np.full(size, mean)
    if shape:
        seed = int(torch.randint(2**62, (1,), generator=rng))
        tau_J = np.random.default_rng(seed).gamma(shape, mean / shape, size)
    tau_J = np.clip(tau_J, 1.01 * SHORTEST * dt, 0.99 * LONGEST * dt)  # the bounds themselves have no finite place
    share_J = (np.exp(-dt / tau_J) - P_LOW) / (P_HIGH - P_LOW)
    return torch.from_numpy(np.log(share_J / (1.0 - share_J))).float()


def tau_at(place_J: Tensor, dt: float) -> Tensor:
    """Time constants (ms) at these places, with a gradient."""
    return -dt / torch.log(P_LOW + (P_HIGH - P_LOW) * torch.sigmoid(place_J))
