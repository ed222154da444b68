"""Altered copies of recorded events, as of another recording: another tempo, another pitch, lost spikes, mixtures.

    with probability `blending`, half of the spikes of a sample and half of those of another of its class, moved so that
        both have the same mean time (Nowotny et al. 2025)
    t <- s t,   s uniform in [1 - stretch, 1 + stretch]      one s a sample (as ko2015 change a speaker's tempo)
    unit <- unit + k,   k uniform in -K .. K                 one k a sample, K = round(shift I); what leaves is lost
    each spike is kept with probability 1 - q,   q uniform in [0, thinning], one q a sample

What happens to a sample is read off a row of numbers, as for images (tasks/augment.py): 0 stretches, 1 shifts, 2 thins,
3 blends, 4 says with which other sample, 5 is the seed of its spikes.

Axes: B sample, E event of a batch, I unit, K number.
References: nowotny2025 (mixtures), ko2015 (speed perturbation), jaitly2013 (shifts of the frequency axis).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neuro.events import Events


class Variation(NamedTuple):
    """How far a sample may be altered; all are shares."""

    blending: float = 0.0
    stretch: float = 0.0
    shift: float = 0.0  # of the units
    thinning: float = 0.0


RECORDING = Variation(stretch=0.15, shift=0.02, thinning=0.3)  # chosen on FSDD's validation split
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
    if is_blended_B.any():
        events = _joined(events, others, is_blended_B)
    most = round(how.shift * n_units)
    scale_B = 1.0 + how.stretch * (2.0 * numbers_BK[:, 0] - 1.0)
    shift_B = np.floor(numbers_BK[:, 1] * (2 * most + 1)).astype(np.int32) - most
    kept_B = (1.0 - how.thinning * numbers_BK[:, 2]) * np.where(is_blended_B, 0.5, 1.0)
    sample_E = _samples(events)
    units_E = events.units + shift_B[sample_E]
    is_kept_E = (_uniform(events, numbers_BK[:, 5]) < kept_B[sample_E]) & (units_E >= 0) & (units_E < n_units)
    return _made(
        events.times[is_kept_E] * scale_B[sample_E[is_kept_E]], units_E[is_kept_E], sample_E[is_kept_E], events
    )


def _joined(events: Events, others: Events, is_joined_B: NDArray) -> Events:
    """All events of the chosen samples and of their partners, at the same mean time; none comes before 0."""
    means_B, of_others_B = _mean_times(events), _mean_times(others)
    sample_E = _samples(others)
    moved_E = others.times + (means_B - of_others_B)[sample_E]
    taken_E = is_joined_B[sample_E] & (moved_E >= 0)
    times_E, units_E, samples_E = (
        np.concatenate((own, other[taken_E]))
        for own, other in (
            (events.times, moved_E), (events.units, others.units), (_samples(events), sample_E)
        )
    )  # fmt: skip
    order = np.lexsort((times_E, samples_E))
    return _made(times_E[order], units_E[order], samples_E[order], events)


def _mean_times(events: Events) -> NDArray[np.float64]:
    """Of each sample; 0 where it has no events."""
    sums_B = np.bincount(_samples(events), events.times, events.n_samples)
    return sums_B / np.maximum(np.diff(events.offsets), 1)


def _uniform(events: Events, seeds_B: NDArray) -> NDArray[np.float64]:
    """A number for each event that depends on its sample's seed, uniform in [0, 1), and on no other sample [E]."""
    counts_B = np.diff(events.offsets)
    rngs = [np.random.default_rng(int(seed * 2**53)) for seed in seeds_B]
    return np.concatenate([rng.random(n) for rng, n in zip(rngs, counts_B, strict=True)])


def _samples(events: Events) -> NDArray[np.int64]:
    """Which sample an event belongs to [E]."""
    return np.repeat(np.arange(events.n_samples), np.diff(events.offsets))


def _made(times_E: NDArray, units_E: NDArray, sample_E: NDArray, like: Events) -> Events:
    """Events of as many samples as others have."""
    counts_B = np.bincount(sample_E, minlength=like.n_samples)
    return Events(times_E, units_E, np.concatenate(([0], np.cumsum(counts_B))))
