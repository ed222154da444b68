"""Events: the spikes of a batch of samples, as flat arrays. The only place where time is binned.

A data set of events is held as an EventStore, which makes Events of a batch at a time.

Axes: T step, B sample, N unit.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Events(NamedTuple):
    """Spikes of B samples.

    times: ms from the start of the sample, float64. units: which unit fired, int32.
    offsets: int64 [B + 1]; sample b owns entries offsets[b] to offsets[b + 1], sorted by time.
    """

    times: NDArray[np.float64]
    units: NDArray[np.int32]
    offsets: NDArray[np.int64]

    @property
    def n_samples(self) -> int:
        return len(self.offsets) - 1

    @property
    def samples(self) -> NDArray[np.int64]:
        """The sample of each entry."""
        return np.repeat(np.arange(self.n_samples), np.diff(self.offsets))

    def sample(self, index: int) -> "Events":
        """The events of one sample, as a batch of one."""
        window = slice(self.offsets[index], self.offsets[index + 1])
        times, units = self.times[window], self.units[window]
        return Events(times, units, np.array([0, len(times)]))

    def take(self, rows: NDArray) -> "Events":
        """The events of the samples of some rows, in their order."""
        entries, offsets = _entries(self.offsets[:-1][rows], np.diff(self.offsets)[rows])
        return Events(self.times[entries], self.units[entries], offsets)


class EventStore(NamedTuple):
    """Spikes of very many samples, in 6 bytes each; the arrays may be files in memory.

    times_us: microseconds from the start of the sample, uint32. units: which unit fired, uint16.
    firsts, counts: int64 [B]; sample b owns `counts[b]` entries from `firsts[b]` on, sorted by time.
    """

    times_us: NDArray[np.uint32]
    units: NDArray[np.uint16]
    firsts: NDArray[np.int64]
    counts: NDArray[np.int64]

    def keep(self, rows: NDArray) -> "EventStore":
        """The samples of some rows; their spikes are not copied."""
        return self._replace(firsts=self.firsts[rows], counts=self.counts[rows])

    def take(self, rows: NDArray) -> Events:
        """The events of the samples of some rows, in their order, times in ms."""
        entries, offsets = _entries(self.firsts[rows], self.counts[rows])
        return Events(self.times_us[entries] / 1000.0, self.units[entries].astype(np.int32), offsets)


def _entries(firsts: NDArray, counts: NDArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the entries of samples lie, one sample after the other, and the samples' new offsets."""
    offsets = np.concatenate(([0], np.cumsum(counts)))
    return np.arange(offsets[-1]) + np.repeat(firsts - offsets[:-1], counts), offsets


def make_events(times: NDArray, units: NDArray, offsets: NDArray | None = None) -> Events:
    """Events from arrays, checked and sorted by time within each sample; one sample by default."""
    times, units = np.asarray(times, float), np.asarray(units)
    if times.ndim != 1 or times.shape != units.shape:
        raise ValueError(f"times {times.shape} and units {units.shape} must be flat, of equal length")
    if times.size and not (np.isfinite(times).all() and times.min() >= 0):
        raise ValueError("event times must be finite and not negative (ms from the sample's start)")
    if units.size and not np.issubdtype(units.dtype, np.integer):
        raise ValueError(f"units are {units.dtype}; give whole numbers")
    if units.size and units.min() < 0:
        raise ValueError(f"unit {units.min()} is negative; units are counted from 0")
    offsets = np.array([0, len(times)]) if offsets is None else np.asarray(offsets, np.int64)
    if offsets[0] != 0 or offsets[-1] != len(times) or np.any(np.diff(offsets) < 0):
        raise ValueError(f"offsets must rise from 0 to the number of events, {len(times)}")
    samples = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    order = np.lexsort((units, times, samples))
    return Events(times[order], units[order].astype(np.int32), offsets)


def bin_times(times: NDArray, dt: float) -> NDArray[np.int64]:
    """The step of each time: k where k dt <= t < (k + 1) dt.

    A time within 1e-6 dt below a boundary counts as on it, so that 0.3 ms is step 3 of 0.1 ms.
    """
    return np.floor(times / dt + 1e-6).astype(np.int64)


def raster(events: Events, n_units: int, n_steps: int, dt: float) -> tuple[NDArray[np.float32], int]:
    """Bin events. Returns spikes_TBN, 1 where at least one event fell into [t, t + dt), and the
    number of events dropped because they lay at or after n_steps * dt."""
    check_units(events, n_units)
    spikes_TBN = np.zeros((n_steps, events.n_samples, n_units), np.float32)
    step = bin_times(events.times, dt)
    kept = step < n_steps
    spikes_TBN[step[kept], events.samples[kept], events.units[kept]] = 1.0
    return spikes_TBN, int(np.count_nonzero(~kept))


def check_units(events: Events, n_units: int, where: str = "") -> None:
    """ValueError where an event comes from a unit that does not exist; compiled code would read beyond its arrays."""
    for unit in (events.units.min(initial=0), events.units.max(initial=0)):
        if not 0 <= unit < n_units:
            of_where = f" of {where}" if where else ""
            raise ValueError(f"unit {unit} does not exist among {n_units} units{of_where} (0 to {n_units - 1})")


def from_raster(spikes_TBN: NDArray, dt: float) -> Events:
    """Events of a raster; a spike of step k is stamped k * dt."""
    spikes_BTN = np.asarray(spikes_TBN).transpose(1, 0, 2)
    samples, step, units = np.nonzero(spikes_BTN)
    offsets = np.searchsorted(samples, np.arange(spikes_BTN.shape[0] + 1))
    return Events(step.astype(np.float64) * dt, units.astype(np.int32), offsets.astype(np.int64))
