"""Spikes that come from outside, for asynchronous updating: those of sources, and of drives; block by block."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neuro.backends.job import Job
from neuro.events import Events
from neuro.network import PoissonSource, Source
from neuro.seeds import child

BLOCK = 4096  # spikes

Blocks = Iterator[tuple[NDArray[np.float64], NDArray[np.int64]]]


class Stream(NamedTuple):
    """Spikes of a source, or of a drive, whose units are the neurons that it reaches.

    population: place in the order. receptor, weight: of a drive; None for a source. blocks: (times (ms), units) of
    at most BLOCK spikes each, in the order of time.
    """

    population: int
    receptor: str | None
    weight: float
    blocks: Blocks


def streams_of(job: Job, sample: int) -> list[Stream]:
    """All streams of one sample."""
    place = {population.name: p for p, population in enumerate(job.order)}
    found = []
    for p, population in enumerate(job.order):
        if isinstance(population.model, Source):
            found.append(Stream(p, None, 0.0, _given(job.inputs[population.name].sample(sample))))
        elif isinstance(population.model, PoissonSource):
            rng = child(job.seed, "asynchronous", population.name, sample)
            rate_N = np.broadcast_to(np.asarray(population.model.rate, float), population.size)
            found.append(Stream(p, None, 0.0, _poisson(rate_N, rng)))
    for drive in job.net.drives:
        receptor = job.net.receptor(drive)
        rng = child(job.seed, "asynchronous", f"{drive.post}.{receptor}", sample)
        rate_N = np.full(job.net.population(drive.post).size, drive.rate)
        found.append(Stream(place[drive.post], receptor, drive.weight, _poisson(rate_N, rng)))
    return found


def _given(events: Events) -> Blocks:
    for start in range(0, len(events.times), BLOCK):
        yield events.times[start : start + BLOCK], events.units[start : start + BLOCK].astype(np.int64)


def _poisson(rate_N: Any, rng: np.random.Generator) -> Blocks:
    """Independent Poisson processes of rates rate_N (Hz), drawn as one whose spikes are shared out."""
    total = rate_N.sum() / 1000.0
    uniform = rate_N.min() == rate_N.max()
    share_N = np.cumsum(rate_N) / rate_N.sum() if total > 0 and not uniform else None
    now = 0.0
    while total > 0:
        times = now + np.cumsum(rng.exponential(1.0 / total, BLOCK))
        now = float(times[-1])
        if share_N is None:
            yield times, rng.integers(len(rate_N), size=BLOCK)
        else:
            yield times, np.searchsorted(share_N, rng.random(BLOCK), side="right")
