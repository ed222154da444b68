"""The loops of encoding, compiled by numba. Only `neuro.encode` imports them, when it draws."""

import math

import numpy as np
from numba import njit

from neuro.connector_kernels import uniform


@njit(cache=True, nogil=True)
def refractory_trains(values, n_steps, shortest, seed):
    """Steps and units of one sample's spikes, ordered by step, then unit; see `encode.refractory_rate`.

    values: float64 [N]. shortest: steps between two spikes of a unit, at least. seed: uint64, of SplitMix64.
    """
    state = np.array([seed], np.uint64)
    room = values.shape[0] * ((n_steps - 1) // shortest + 1)
    step, unit = np.empty(room, np.int32), np.empty(room, np.int32)
    first = np.zeros(n_steps + 1, np.int64)
    n = 0
    for i in range(values.shape[0]):
        if values[i] <= 0.0:
            continue
        log_silent = math.log1p(-values[i]) if values[i] < 1.0 else -math.inf
        now, least = -1.0, 1.0
        while True:
            # A geometric number of steps: 1 + floor(log(u) / log(1 - p)), u from (0, 1].
            now += max(least, 1.0 + math.floor(math.log(1.0 - uniform(state)) / log_silent))
            if now >= n_steps:
                break
            step[n], unit[n] = int(now), i
            first[step[n] + 1] += 1
            least = shortest
            n += 1
    first[:] = np.cumsum(first)
    place = first[:-1].copy()
    ordered_step, ordered_unit = np.empty(n, np.int32), np.empty(n, np.int32)
    for k in range(n):
        q = place[step[k]]
        ordered_step[q], ordered_unit[q] = step[k], unit[k]
        place[step[k]] += 1
    return ordered_step, ordered_unit
