"""How often a unit fires in a step, for networks whose inputs send at most one spike a step.

    c[t, b, i] = min(number of spikes of unit i in step t, most)

The n-th spike of unit i in a step is given to a unit of its own, most i + n; what comes after the `most`-th is lost.
A network whose weights are the same for the `most` units of i receives c, on any backend (thermometer code).

Axes: T step, B sample, I unit.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from neuro.events import Events, bin_times, check_units


def one_a_step(events: Events, n_units: int, dt: float, most: int) -> Events:
    """Events of most * n_units units, none of which fires twice in a step of dt (ms)."""
    check_units(events, n_units)
    rank_E = _ranks(bin_times(events.times, dt), events.units, events.offsets, n_units)
    kept_E = rank_E < most
    offsets = np.concatenate(([0], np.cumsum(kept_E)))[events.offsets]
    units = most * events.units[kept_E] + rank_E[kept_E]
    return Events(events.times[kept_E], units.astype(np.int32), offsets)


def counts(events: Events, n_units: int, n_steps: int, dt: float, most: int) -> NDArray[np.float32]:
    """c_TBI."""
    check_units(events, n_units)
    c_TBI = np.zeros((n_steps, events.n_samples, n_units), np.float32)
    _count(bin_times(events.times, dt), events.units, events.offsets, most, c_TBI)
    return c_TBI


@njit(cache=True)
def _ranks(step_E, units, offsets, n_units):
    """How many spikes of the same unit came before, in the same step of the same sample."""
    rank_E = np.zeros(len(units), np.int64)
    last_I, n_I = np.empty(n_units, np.int64), np.empty(n_units, np.int64)
    for b in range(len(offsets) - 1):
        last_I[:] = -1
        for k in range(offsets[b], offsets[b + 1]):
            i = units[k]
            n_I[i] = n_I[i] + 1 if last_I[i] == step_E[k] else 0
            last_I[i] = step_E[k]
            rank_E[k] = n_I[i]
    return rank_E


@njit(cache=True)
def _count(step_E, units, offsets, most, c_TBI):
    for b in range(len(offsets) - 1):
        for k in range(offsets[b], offsets[b + 1]):
            t, i = step_E[k], units[k]
            if t < len(c_TBI) and c_TBI[t, b, i] < most:
                c_TBI[t, b, i] += 1
