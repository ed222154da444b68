"""Variations of recorded events, for learning from few of them: mixtures, other tempo, other pitch, missing spikes.

    with probability `blending`, half of the spikes of a sample and half of those of another of its class, moved so that
        both have the same mean time (Nowotny et al. 2025)
    t <- s t,   s uniform in [1 - stretch, 1 + stretch]      one s a sample (as ko2015 change a speaker's tempo)
    unit <- unit + k,   k uniform in -shift .. shift         one k a sample; what leaves the range is lost
    each spike is kept with probability 1 - q,   q uniform in [0, thinning], one q a sample

Axes: B sample.
References: nowotny2025 (mixtures), ko2015 (speed perturbation), jaitly2013 (shifts of the frequency axis).
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from neuro.events import Events


class Variation(NamedTuple):
    """How far a sample may be changed."""

    blending: float
    stretch: float
    shift: int
    thinning: float


def varied(events: Events, labels_B: NDArray, n_units: int, how: Variation, rng: np.random.Generator) -> Events:
    """Samples as they might have been spoken another time."""
    n = events.n_samples
    other_B = np.arange(n)
    for label in np.unique(labels_B):
        rows = np.flatnonzero(labels_B == label)
        other_B[rows] = rng.permutation(rows)
    other_B = np.where(rng.random(n) < how.blending, other_B, np.arange(n))
    scale_B = rng.uniform(1.0 - how.stretch, 1.0 + how.stretch, n)
    shift_B = rng.integers(-how.shift, how.shift + 1, n)
    lost_B = rng.uniform(0.0, how.thinning, n)
    return Events(*_vary(*events, other_B, scale_B, shift_B, lost_B, n_units, rng))


@njit(cache=True)
def _vary(times, units, offsets, other_B, scale_B, shift_B, lost_B, n_units, rng):
    """Times, units and offsets of what is left."""
    n_most = len(times)
    for b in range(len(other_B)):
        n_most += offsets[other_B[b] + 1] - offsets[other_B[b]]
    new_times, new_units, new_offsets = np.empty(n_most), np.empty(n_most, np.int32), np.zeros_like(offsets)
    n = 0
    for b in range(len(other_B)):
        first, alone = n, other_B[b] == b
        for turn in range(1 if alone else 2):
            a = b if turn == 0 else other_B[b]
            low, high = offsets[a], offsets[a + 1]
            later = 0.0 if turn == 0 else times[offsets[b] : offsets[b + 1]].mean() - times[low:high].mean()
            kept = (1.0 - lost_B[b]) * (1.0 if alone else 0.5)
            for k in range(low, high):
                unit, time = units[k] + shift_B[b], scale_B[b] * (times[k] + later)
                if 0 <= unit < n_units and time >= 0 and rng.random() < kept:
                    new_times[n], new_units[n] = time, unit
                    n += 1
        order = np.argsort(new_times[first:n], kind="mergesort")
        new_times[first:n], new_units[first:n] = new_times[first:n][order], new_units[first:n][order]
        new_offsets[b + 1] = n
    return new_times[:n], new_units[:n], new_offsets
