"""The synapses of a network of Loihi compartments as flat arrays, projection after projection.

Axes: I presynaptic, J postsynaptic, K projection.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neuro.backends.event_arrays import array_of
from neuro.backends.job import Job
from neuro.backends.loihi_weights import Mantissas, mantissas
from neuro.network import Projection, Synapses, all_to_all
from neuro.plasticity.sum_of_products import SumOfProducts

LONGEST_DELAY = 62  # steps; 6 bits, of which the chip keeps one value for itself (nengo_loihi)


class Accumulators(NamedTuple):
    """Where what arrives is summed: one place a compartment, one more for each projection whose sum is shifted down.

    start, shift: of each channel; those of population p are channels[p] to channels[p + 1], the first without a shift.
    of: projection -> the place of its first target. size: places in all.
    """

    channels: NDArray[np.int64]
    start: NDArray[np.int64]
    shift: NDArray[np.int64]
    of: dict[str, int]
    size: int


class FlatSynapses(NamedTuple):
    """Row i of projection k, from row[row_base[k] + i] on: accumulators, delays (steps) and mantissas, shifted up where
    the exponent is positive. one_delay: of all synapses of a projection, -1 where they differ."""

    row_base: NDArray[np.int64]
    row: NDArray[np.int64]
    target: NDArray[np.uint32]
    delay: NDArray[np.int32]
    one_delay: NDArray[np.int64]
    values: NDArray[np.int32]


def grid_of(job: Job, projection: Projection) -> Mantissas:
    """The mantissas of a projection."""
    given = job.weights[projection.name]
    rule = projection.rule if job.plastic else None
    exponent = rule.weight_exponent if isinstance(rule, SumOfProducts) else None
    w = given.weights if isinstance(given, Synapses) else array_of(given)
    return mantissas(w, f"Projection {projection.name!r}", exponent)


def accumulators(job: Job, grids: dict[str, Mantissas]) -> Accumulators:
    """Places in the order of populations."""
    channels, start, shift, size = [0], [], [], 0
    of: dict[str, int] = {}
    for population in job.order:
        incoming = [p.name for p in job.net.projections if p.post == population.name]
        lowered = [name for name in incoming if grids[name].exponent < 0]
        of |= {name: size + population.size * (1 + lowered.index(name) if name in lowered else 0) for name in incoming}
        start += [size, *(of[name] for name in lowered)]
        shift += [0, *(-grids[name].exponent for name in lowered)]
        size += population.size * (1 + len(lowered))
        channels.append(len(start))
    return Accumulators(np.array(channels), np.array(start), np.array(shift), of, size)


def flat_synapses(job: Job, grids: dict[str, Mantissas], places: Accumulators) -> FlatSynapses:
    """The synapses of all projections, in the order of the network."""
    row, target, delay, values, n = [], [], [], [], 0
    for projection in job.net.projections:
        grid = grids[projection.name]
        synapses = _by_sender(job, projection, grid)
        row.append(synapses.offsets + n)
        n += len(synapses.targets)
        target.append(synapses.targets.astype(np.int64) + places.of[projection.name])
        delay.append(_delays(job, projection, synapses))
        values.append(synapses.weights << max(grid.exponent, 0))
    return FlatSynapses(
        row_base=np.cumsum([0, *(len(rows) for rows in row)])[:-1].astype(np.int64),
        row=_joined(row, np.int64),
        target=_joined(target, np.uint32),
        delay=_joined(delay, np.int32),
        one_delay=np.array([int(d[0]) if d.size and d.min() == d.max() else -1 for d in delay], np.int64),
        values=_joined(values, np.int32),
    )


def _by_sender(job: Job, projection: Projection, grid: Mantissas) -> Synapses:
    """A projection's mantissas by presynaptic neuron."""
    given = job.weights[projection.name]
    if isinstance(given, Synapses):
        return given._replace(weights=grid.values)
    return all_to_all(grid.values)


def _delays(job: Job, projection: Projection, synapses: Synapses) -> NDArray[np.int32]:
    least = job.net.delay_steps(projection)
    delays = np.full(len(synapses.targets), least) if synapses.delays is None else synapses.delays
    if delays.size and delays.max() > LONGEST_DELAY:
        raise ValueError(
            f"Projection {projection.name!r}: a delay of {delays.max()} steps; the chip has {LONGEST_DELAY} at most"
        )
    return delays.astype(np.int32)


def _joined(parts: list[NDArray], dtype: type) -> NDArray:
    return np.concatenate([*parts, np.empty(0, dtype)]).astype(dtype)
