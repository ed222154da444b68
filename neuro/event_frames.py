"""Images made of the events of an event camera: counts, voxel grids, time surfaces. Units are numbered as in `shape`.

    counts         n(k, u) = number of events of unit u in [k step, (k + 1) step)
    voxel grid     V(k, u) = sum_e max(0, 1 - |k - t*_e|),   t*_e = (K - 1) (t_e - start) / (end - start)
    time surface   S(k, u) = exp(-(t_k - T(k, u)) / tau),    T: time of the last event of u at or before t_k; 0 if none

e runs over the events of unit u. All are of one sample; the samples of a batch stand side by side. A unit is a
polarity, a row and a column, so the images of OFF and ON events are channels, and a signed image is their difference.

What is lost: counts forget when in its bin an event was, and a voxel grid does so with two bins that overlap; a surface
knows the last event of a unit exactly, and none before it.

Axes: K image, B sample, C channel (polarity), Y row, X column, N unit, E event.
References: zhu2019 (voxel grid, its eq. 1 and 2), lagorce2017 (time surface, its eq. 2 and 3).
Deviations: polarities have channels of their own (zhu2019: one image of signed sums, which is their difference). A
surface covers the whole sensor at times of one's choice (lagorce2017: a patch around each event, at its time).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neuro.events import Events, bin_times, check_units


def count_frames(events: Events, shape: tuple[int, ...], n_frames: int, step: float) -> NDArray[np.float32]:
    """Events of each unit in each of n_frames bins of `step` ms [K, B, *shape]; those after the last are dropped."""
    n_units = _n_units(events, shape)
    bins_E = bin_times(events.times, step)
    kept_E = bins_E < n_frames
    cells_E = _cells(events, n_units, bins_E)[kept_E]
    counts = np.bincount(cells_E, minlength=n_frames * events.n_samples * n_units)
    return counts.astype(np.float32).reshape(n_frames, events.n_samples, *shape)


def voxel_grid(
    events: Events, shape: tuple[int, ...], n_frames: int, window: tuple[float, float] | None = None
) -> NDArray[np.float32]:
    """Events shared among the two nearest of n_frames points in time [K, B, *shape].

    The points lie evenly from `window[0]` to `window[1]` (ms); without a window from each sample's first event to its
    last. ValueError for events outside.
    """
    if n_frames < 2:
        raise ValueError(f"a voxel grid of {n_frames} image(s) has no time between images; give at least 2")
    n_units = _n_units(events, shape)
    places_E = _places(events, n_frames, window)
    below_E = np.minimum(places_E.astype(np.int64), n_frames - 2)
    cells_E, share_E = _cells(events, n_units, below_E), places_E - below_E
    n_cells, to_next = n_frames * events.n_samples * n_units, events.n_samples * n_units
    grid = np.bincount(cells_E, 1.0 - share_E, minlength=n_cells)
    grid += np.bincount(cells_E + to_next, share_E, minlength=n_cells)
    return grid.astype(np.float32).reshape(n_frames, events.n_samples, *shape)


def time_surfaces(events: Events, shape: tuple[int, ...], times: Sequence[float], tau: float) -> NDArray[np.float32]:
    """How fresh the last event of each unit is at rising times (ms): 1 at once, 0 if there was none [K, B, *shape]."""
    times_K = np.asarray(times, float)
    if times_K.ndim != 1 or (np.diff(times_K) < 0).any():
        raise ValueError(f"times of the surfaces, {times}, must rise")
    if not tau > 0:
        raise ValueError(f"tau = {tau} ms must be above 0")
    n_units = _n_units(events, shape)
    last = np.full((len(times_K) + 1, events.n_samples * n_units), -np.inf)
    first_E = np.searchsorted(times_K, events.times)  # the first surface that sees an event
    # Events are sorted by time, and of several writes to a place the last one stays.
    last[first_E, _cells(events, n_units, np.zeros_like(first_E))] = events.times
    last = np.maximum.accumulate(last[:-1], axis=0)
    surfaces = np.exp((last - times_K[:, None]) / tau)
    return surfaces.astype(np.float32).reshape(len(times_K), events.n_samples, *shape)


def _n_units(events: Events, shape: tuple[int, ...]) -> int:
    n_units = int(np.prod(shape))
    check_units(events, n_units, f"images of {shape}")
    return n_units


def _cells(events: Events, n_units: int, frames_E: NDArray) -> NDArray[np.int64]:
    """Where each event lies in a flat [K, B, N]."""
    return (frames_E * events.n_samples + events.samples) * n_units + events.units


def _places(events: Events, n_frames: int, window: tuple[float, float] | None) -> NDArray[np.float64]:
    """t* of each event, 0 to n_frames - 1."""
    counts_B = np.diff(events.offsets)
    if window is None:
        some_B = counts_B > 0
        firsts_B, lasts_B = np.zeros(events.n_samples), np.ones(events.n_samples)
        firsts_B[some_B] = events.times[events.offsets[:-1][some_B]]
        lasts_B[some_B] = events.times[events.offsets[1:][some_B] - 1]
    else:
        if not window[0] < window[1]:
            raise ValueError(f"window = {window} ms does not end after it begins")
        firsts_B, lasts_B = (np.full(events.n_samples, each) for each in window)
    lengths_B = lasts_B - firsts_B
    since_E = events.times - np.repeat(firsts_B, counts_B)
    # Events that are all at once have no first and last: they lie at the first point.
    parts_E = since_E / np.repeat(np.where(lengths_B > 0, lengths_B, 1.0), counts_B)
    outside_E = (parts_E < 0) | (parts_E > 1)
    if outside_E.any():
        raise ValueError(f"an event at {events.times[outside_E][0]:g} ms lies outside the window {window} ms; widen it")
    return parts_E * (n_frames - 1)
