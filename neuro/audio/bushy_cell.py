"""Bushy cell: a LIF neuron of the cochlear nucleus that hears many fibres of one place.

    dv/dt = -v / tau_m + weight i / n_fibres        v >= v_th:  spike, v <- 0 for t_ref
    di/dt = -i / tau_syn                            a spike of a fibre:  i <- i + 1

In a step: v and i decay exactly, spikes arrive, v grows by dt weight i / n_fibres, threshold. Each fibre fires with the
probability that its hair cell gives, and then not for t_ref_fibre. Fibres of a place are alike, so their number that
fires in a step is drawn at once: binomial, of those that are not refractory.
Axes: C channel, T step, S spike.

References: cramer2020.
"""

from dataclasses import dataclass
from math import ceil

import numba
import numpy as np
from numpy.typing import NDArray

from neuro.units import decay, param, reference


@dataclass(frozen=True)
class BushyCell:
    """A cell and its fibres."""

    n_fibres: int = param("1", "fibres that converge on a cell", above=0)
    tau_m: float = param("ms", "membrane time constant", above=0)
    tau_syn: float = param("ms", "synaptic time constant", above=0)
    t_ref: float = param("ms", "refractory time of the cell", minimum=0)
    t_ref_fibre: float = param("ms", "refractory time of a fibre", minimum=0)
    weight: float = param("mV/ms", "of all fibres together", above=0)
    v_th: float = param("mV", "threshold", above=0)
    source: str = reference()


CRAMER_2020 = BushyCell(
    n_fibres=40, tau_m=1.0, tau_syn=0.5, t_ref=1.0, t_ref_fibre=1.0, weight=13.0, v_th=1.0, source="cramer2020"
)


def fibre_spikes(
    cell: BushyCell, probability_CT: NDArray[np.float64], dt: float, rng: np.random.Generator
) -> NDArray[np.uint16]:
    """arrivals_CT: how many fibres of each channel fire in each step."""
    # a fibre that fired in step t is ready again in the first step at t_ref_fibre or later
    n_held = max(_steps(cell.t_ref_fibre, dt) - 1, 0)
    return _fibres(probability_CT, cell.n_fibres, n_held, rng)


def spikes(cell: BushyCell, arrivals_CT: NDArray[np.uint16], dt: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Steps and channels of all spikes, channel by channel."""
    kick = cell.weight * dt / cell.n_fibres
    constants = (float(decay(dt, cell.tau_m)), float(decay(dt, cell.tau_syn)), kick, cell.v_th)
    found = _integrate(arrivals_CT, constants, _steps(cell.t_ref, dt))
    return found[0], found[1]


def _steps(time: float, dt: float) -> int:
    return ceil(time / dt - 1e-9)


@numba.njit(cache=True)
def _fibres(probability_CT, n_fibres, n_held, rng):
    n_channels, n_steps = probability_CT.shape
    arrivals_CT = np.empty((n_channels, n_steps), np.uint16)
    for channel in range(n_channels):
        ready = n_fibres
        for step in range(n_steps):
            if step > n_held:
                ready += arrivals_CT[channel, step - n_held - 1]
            fired = _binomial(ready, probability_CT[channel, step], rng)
            arrivals_CT[channel, step] = fired
            ready -= fired
    return arrivals_CT


@numba.njit(cache=True)
def _binomial(n, p, rng):
    """Number of successes of n trials, by inversion of one uniform draw."""
    if p > 0.5:
        return n - _smaller_binomial(n, max(1.0 - p, 0.0), rng.random())
    return _smaller_binomial(n, p, rng.random())


@numba.njit(cache=True)
def _smaller_binomial(n, p, uniform):
    chance = (1.0 - p) ** n
    found = 0
    while uniform > chance and found < n:
        uniform -= chance
        found += 1
        chance *= p / (1.0 - p) * (n - found + 1) / found
    return found


@numba.njit(cache=True)
def _integrate(arrivals_CT, constants, n_refractory):
    decay_m, decay_syn, kick, v_th = constants
    steps_S, channels_S, n = np.empty(arrivals_CT.size, np.int64), np.empty(arrivals_CT.size, np.int64), 0
    for channel in range(arrivals_CT.shape[0]):
        v, i_syn, held = 0.0, 0.0, 0
        for step in range(arrivals_CT.shape[1]):
            i_syn = i_syn * decay_syn + arrivals_CT[channel, step]
            if held > 0:
                held -= 1
                continue
            v = v * decay_m + kick * i_syn
            if v >= v_th:
                steps_S[n], channels_S[n] = step, channel
                n += 1
                v, held = 0.0, n_refractory
    return steps_S[:n], channels_S[:n]
