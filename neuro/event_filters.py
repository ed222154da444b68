"""Filters of the events of an event camera, event by event, as a camera's own logic would run them.

    background activity   an event at a pixel is kept if a neighbour had one, of any polarity, less than `dt` before
    refractory            an event is kept if its pixel's last one, kept or not, is more than `t_ref` ago

Noise comes alone: shot noise and leak make events that no neighbour shares. An edge that moves makes neighbours fire
one after the other. The first event of an edge is dropped with the noise.

A pixel is a row and a column; its polarities share it. Events at the same time are taken by their order.

References: delbruck2008 (background activity filter), lenz2021 (the filters of the program tonic, which tests compare).
Deviations: in delbruck2008 an event marks its 8 neighbours, and here an event asks them, which is the same. tonic asks
the 4 that share an edge, and lets all pass in the first `dt` of a recording.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from neuro.events import Events, check_units

NEIGHBOURS = {
    4: ((-1, 0), (0, -1), (0, 1), (1, 0)),
    8: ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)),
}  # (rows down, columns right)


def without_background(events: Events, shape: tuple[int, int, int], dt: float, n_neighbours: int = 8) -> Events:
    """Events that a neighbour supports. shape: (polarities, height, width); dt: ms; n_neighbours: 8 or 4."""
    if n_neighbours not in NEIGHBOURS:
        raise ValueError(f"a pixel has 4 or 8 neighbours, not {n_neighbours}")
    _check(events, shape, "dt", dt)
    around = np.array(NEIGHBOURS[n_neighbours])
    return _kept(events, _is_supported(*_arrays(events), shape[1], shape[2], around, dt))


def without_bursts(events: Events, shape: tuple[int, int, int], t_ref: float) -> Events:
    """Events that come more than t_ref (ms) after the one before at their pixel. shape: as above."""
    _check(events, shape, "t_ref", t_ref)
    return _kept(events, _is_rested(*_arrays(events), shape[1] * shape[2], t_ref))


def _check(events: Events, shape: tuple[int, int, int], name: str, value: float) -> None:
    if not (np.isfinite(value) and value > 0):
        raise ValueError(f"{name} = {value} ms must be above 0")
    check_units(events, int(np.prod(shape)), f"a camera of {shape}")


def _arrays(events: Events) -> tuple[NDArray, NDArray, NDArray]:
    return np.ascontiguousarray(events.times), np.ascontiguousarray(events.units), np.asarray(events.offsets)


def _kept(events: Events, is_kept: NDArray[np.bool_]) -> Events:
    offsets = np.concatenate(([0], np.cumsum(is_kept)))[events.offsets]
    return Events(events.times[is_kept], events.units[is_kept], offsets)


@njit(cache=True)
def _is_supported(times: Any, units: Any, offsets: Any, height: int, width: int, around: Any, dt: float) -> Any:
    is_kept = np.zeros(len(times), np.bool_)
    for b in range(len(offsets) - 1):
        last = np.full((height, width), -np.inf)
        for e in range(offsets[b], offsets[b + 1]):
            row, column = units[e] % (height * width) // width, units[e] % width
            for n in range(len(around)):
                y, x = row + around[n, 0], column + around[n, 1]
                if 0 <= y < height and 0 <= x < width and times[e] < last[y, x] + dt:
                    is_kept[e] = True
            last[row, column] = times[e]
    return is_kept


@njit(cache=True)
def _is_rested(times: Any, units: Any, offsets: Any, n_pixels: int, t_ref: float) -> Any:
    is_kept = np.zeros(len(times), np.bool_)
    for b in range(len(offsets) - 1):
        last = np.full(n_pixels, -np.inf)
        for e in range(offsets[b], offsets[b + 1]):
            pixel = units[e] % n_pixels
            is_kept[e] = times[e] - last[pixel] > t_ref
            last[pixel] = times[e]
    return is_kept
