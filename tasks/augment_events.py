"""Altered copies of recorded events, as of another recording: another tempo, another pitch, lost spikes, mixtures.

    with probability `blending`, half of the spikes of a sample and half of those of another of its class, moved so that
        both have the same mean time (Nowotny et al. 2025)
    t <- s t,   s uniform in [1 - stretch, 1 + stretch]      one s a sample (as ko2015 change a speaker's tempo)
    unit <- unit + k,   k uniform in -K .. K                 one k a sample, K = round(shift I); what leaves is lost
    each spike is kept with probability 1 - q,   q uniform in [0, thinning], one q a sample

What happens to a sample is read off a row of numbers, as for images (tasks/augment.py): 0 stretches, 1 shifts, 2 thins,
3 blends, 4 says with which other sample, 5 is the seed of its spikes.

Axes: B sample, I unit, K number.
References: nowotny2025 (mixtures), ko2015 (speed perturbation), jaitly2013 (shifts of the frequency axis).
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from neuro.events import Events


class Variation(NamedTuple):
    """How far a sample may be altered; all are shares."""

    blending: float = 0.0
    stretch: float = 0.0
    shift: float = 0.0  # of the units
    thinning: float = 0.0


RECORDING = Variation(stretch=0.15, shift=0.03, thinning=0.3)  # chosen on FSDD's validation split
EVENT_AUGMENTATIONS: dict[str, Variation] = {
    "recording": RECORDING,
    "recording-blend": RECORDING._replace(blending=0.5),
}


def partners(labels_n: NDArray, rows_B: NDArray, numbers_BK: NDArray) -> NDArray[np.int64]:
    """For each sample of some rows, the row of any sample of its class [B]."""
    order = np.argsort(labels_n, kind="stable")
    first_B, last_B = (np.searchsorted(labels_n[order], labels_n[rows_B], side) for side in ("left", "right"))
    return order[first_B + (numbers_BK[:, 4] * (last_B - first_B)).astype(np.int64)]


def varied(how: Variation, events: Events, others: Events, n_units: int, numbers_BK: NDArray) -> Events:
    """Samples as they might have been recorded another time. others: a partner for each."""
    is_blended_B = numbers_BK[:, 3] < how.blending
    most = round(how.shift * n_units)
    shift_B = np.floor(numbers_BK[:, 1] * (2 * most + 1)).astype(np.int32) - most
    scale_B = 1.0 + how.stretch * (2.0 * numbers_BK[:, 0] - 1.0)
    kept_B = (1.0 - how.thinning * numbers_BK[:, 2]) * np.where(is_blended_B, 0.5, 1.0)
    seeds_B = (numbers_BK[:, 5] * 2**32).astype(np.uint32)
    return Events(*_vary(events, others, is_blended_B, scale_B, shift_B, kept_B, seeds_B, n_units))


@njit(cache=True)
def _vary(events, others, is_blended_B, scale_B, shift_B, kept_B, seeds_B, n_units):
    """Times, units and offsets of what is kept; a sample and its partner are merged in the order of their times."""
    times, units = (
        np.empty(len(events.times) + len(others.times)),
        np.empty(len(events.units) + len(others.units), np.int32),
    )
    offsets = np.zeros_like(events.offsets)
    n = 0
    for b in range(len(seeds_B)):
        np.random.seed(seeds_B[b])  # numba's own generator
        i, end = events.offsets[b], events.offsets[b + 1]
        j, end_other = others.offsets[b], others.offsets[b + 1]
        later = 0.0
        if not is_blended_B[b]:
            j = end_other
        elif i < end and j < end_other:
            later = events.times[i:end].mean() - others.times[j:end_other].mean()
        while i < end or j < end_other:
            if j == end_other or (i < end and events.times[i] <= others.times[j] + later):
                time, unit = events.times[i], events.units[i]
                i += 1
            else:
                time, unit = others.times[j] + later, others.units[j]
                j += 1
            unit += shift_B[b]
            if np.random.random() < kept_B[b] and time >= 0 and 0 <= unit < n_units:
                times[n], units[n] = scale_B[b] * time, unit
                n += 1
        offsets[b + 1] = n
    return times[:n], units[:n], offsets
