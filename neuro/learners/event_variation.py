"""Variations of recorded events, for learning from few of them: other tempo, other pitch, missing spikes.

    t <- s t,   s uniform in [1 - stretch, 1 + stretch]      one s a sample (as ko2015 change a speaker's tempo)
    unit <- unit + k,   k uniform in -shift .. shift         one k a sample; what leaves the range is lost
    each spike is kept with probability 1 - q,   q uniform in [0, thinning], one q a sample

Axes: B sample.
References: ko2015 (speed perturbation), jaitly2013 (shifts of the frequency axis).
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from neuro.events import Events


class Variation(NamedTuple):
    """How far a sample may be changed."""

    stretch: float
    shift: int
    thinning: float


def varied(events: Events, n_units: int, how: Variation, rng: np.random.Generator) -> Events:
    """Samples as they might have been spoken another time."""
    n = events.n_samples
    scale_B = rng.uniform(1.0 - how.stretch, 1.0 + how.stretch, n)
    shift_B = rng.integers(-how.shift, how.shift + 1, n)
    lost_B = rng.uniform(0.0, how.thinning, n)
    return Events(*_vary(*events, scale_B, shift_B, lost_B, n_units, rng))


@njit(cache=True)
def _vary(times, units, offsets, scale_B, shift_B, lost_B, n_units, rng):
    """Times, units and offsets of what is left."""
    new_times, new_units, new_offsets = np.empty_like(times), np.empty_like(units), np.zeros_like(offsets)
    n = 0
    for b in range(len(scale_B)):
        for k in range(offsets[b], offsets[b + 1]):
            unit = units[k] + shift_B[b]
            if 0 <= unit < n_units and rng.random() >= lost_B[b]:
                new_times[n], new_units[n] = scale_B[b] * times[k], unit
                n += 1
        new_offsets[b + 1] = n
    return new_times[:n], new_units[:n], new_offsets
