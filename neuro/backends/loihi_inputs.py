"""Inputs of a network of Loihi compartments: spikes of sources, and values that act as constant arrivals.

A value stands for a graded spike that is sent at every step, as Loihi 2 has them: a whole number, times the mantissas.

Axes: B sample, I presynaptic, J postsynaptic, T step.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.backends.event_arrays import array_of
from neuro.backends.job import Job, is_direct
from neuro.backends.loihi_weights import Mantissas
from neuro.events import Events, bin_times, from_raster
from neuro.network import Projection, Synapses

LARGEST_VALUE = 2**23 - 1  # 24 bits, the widest payload of a graded spike


def whole(values: Any, what: str, low: int, high: int) -> NDArray[np.int64]:
    """Numbers that must be whole and within bounds."""
    numbers = np.asarray(values)
    wrong = (numbers != np.rint(numbers)) | (numbers < low) | (numbers > high)
    if wrong.any():
        raise ValueError(
            f"{what} = {numbers[wrong].ravel()[0]:g} is no whole number from {low} to {high}; scale and round it first"
        )
    return numbers.astype(np.int64)


def direct_projections(job: Job) -> list[Projection]:
    """Projections from inputs that are values."""
    return [p for p in job.net.projections if is_direct(job.inputs.get(p.pre))]


class Inputs:
    """The inputs of a job. drives: constant arrivals [B, J] and synaptic events a step [B], by direct projection."""

    def __init__(self, job: Job, grids: dict[str, Mantissas]):
        self.job = job
        self.drives = [_drive(job, p, grids[p.name]) for p in direct_projections(job)]
        self.events = {
            name: _events(name, given, job.net.dt) for name, given in job.inputs.items() if not is_direct(given)
        }

    def spikes(
        self, index: int, place: dict[str, int], first: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Spikes of a sample: units in the common numbering, and where each step begins, by population."""
        n_steps, dt = self.job.n_steps, self.job.net.dt
        units, n = [np.empty(0, np.int32)], 0
        offsets = np.zeros((len(place), n_steps + 1), np.int64)
        for name, events in self.events.items():
            sample = events.sample(index)
            step = bin_times(sample.times, dt)
            found = np.unique(step * 2**32 + sample.units)  # each unit once a step
            found = found[found < n_steps * 2**32]
            units.append((found % 2**32 + first[place[name]]).astype(np.int32))
            offsets[place[name]] = n + np.searchsorted(found // 2**32, np.arange(n_steps + 1))
            n += len(found)
        return np.concatenate(units), offsets


def _drive(job: Job, projection: Projection, grid: Mantissas) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Constant arrivals [B, J] of a projection, and its synaptic events in a step [B]."""
    given = job.weights[projection.name]
    what = f"input {projection.pre!r}"
    values_BI = whole(array_of(job.inputs[projection.pre]), what, -LARGEST_VALUE, LARGEST_VALUE)
    if isinstance(given, Synapses):
        from scipy.sparse import csr_array

        shape = len(given.offsets) - 1, job.net.population(projection.post).size
        sums_BJ = values_BI @ csr_array((grid.values.astype(np.int64), given.targets, given.offsets), shape)
        fan_out = np.diff(given.offsets)
    else:
        # Sums of at most 2^22 products of 2^31 are exact in float64, whose product of matrices is the fast one.
        sums_BJ = (values_BI.astype(float) @ grid.values.T.astype(float)).astype(np.int64)
        fan_out = np.full(given.shape[1], given.shape[0])
    exponent = grid.exponent
    return sums_BJ << exponent if exponent >= 0 else sums_BJ >> -exponent, (values_BI != 0) @ fan_out


def _events(name: str, given: Any, dt: float) -> Events:
    if isinstance(given, Events):
        return given
    values = array_of(given)
    if not np.isin(values, (0, 1)).all():
        raise ValueError(
            f"input {name!r}: a raster for backend 'fixed_point' holds 0 and 1 only; give values [samples, units]"
        )
    return from_raster(values, dt)
