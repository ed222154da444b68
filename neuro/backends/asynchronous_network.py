"""The arrays of asynchronous updating, from a network and its weights."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro import memory
from neuro.backends import closed_form
from neuro.backends.asynchronous_kernels import Neurons, Synaptic
from neuro.backends.closed_form import BASE, DUE, FIRES, FIRST, J_1, J_2, NEVER, QUEUED, R_M, SECOND, START, WAKES, A
from neuro.backends.job import Job
from neuro.backends.rows import Rows, rows
from neuro.network import Projection, Synapses, all_to_all

EPOCH = 32.0  # between base times, in the shortest time constant: factors grow to exp(32), and keep their digits


def neurons_of(job: Job) -> Neurons:
    """All neurons, without a state."""
    sizes = [population.size for population in job.order]
    first = np.cumsum([0, *sizes])
    row, rates = np.full(first[-1], -1, np.int32), [0.0]
    parameters = [np.empty((0, closed_form.N_PARAMETERS))]
    for p, population in enumerate(job.order):
        if not population.is_source:
            own = closed_form.parameters(population.model, population.size)
            row[first[p] : first[p + 1]] = sum(map(len, parameters)) + np.arange(population.size) % len(own)
            parameters.append(own)
            rates += [
                own[:, k].max() for k in (closed_form.RATE_M, FIRST + closed_form.RATE, SECOND + closed_form.RATE)
            ]
    return Neurons(
        state=np.empty((first[-1], 8)),
        row=row,
        population=np.repeat(np.arange(len(sizes)), sizes),
        parameters=np.concatenate(parameters),
        first=first,
        epoch=float(EPOCH / (max(rates) or 1.0)),
    )


def start(job: Job, neurons: Neurons) -> NDArray[np.int64]:
    """Set the state of all neurons at 0 ms. Returns those that have one; each is due at once, or when it wakes."""
    neurons.state[:, : BASE + 1] = 0.0
    neurons.state[:, BASE + 1 :] = NEVER
    for p, population in enumerate(job.order):
        if population.is_source:
            continue
        model: Any = population.model
        own = slice(neurons.first[p], neurons.first[p + 1])
        s, c, values = neurons.state[own], neurons.parameters[neurons.row[own]], job.initial[population.name]
        s[:, A] = values.v - model.v_rest - np.asarray(model.r_m) * model.i_ext
        for column, current, tau in zip((J_1, J_2), model.FLOW, (FIRST, SECOND), strict=False):
            s[:, column] = getattr(values, current)
            s[:, A] -= c[:, R_M] * c[:, tau + START] * s[:, column]
        is_refractory = np.broadcast_to(values.refrac, len(s)) > 0.0
        s[:, WAKES] = np.where(is_refractory, values.refrac, NEVER)
        s[is_refractory, FIRES] = 0.0
        s[:, DUE] = s[:, QUEUED] = np.where(is_refractory, values.refrac, 0.0)
    return np.flatnonzero(neurons.row >= 0)


def synaptic_of(job: Job, first: NDArray[np.int64]) -> Synaptic:
    """All projections. first: neuron of each population."""
    place = {population.name: p for p, population in enumerate(job.order)}
    projections = sorted(job.net.projections, key=lambda projection: place[projection.pre])
    n_synapses = sum(np.size(_weights(job.weights[projection.name])) for projection in projections)
    memory.demand(12.0 * n_synapses, f"the {n_synapses:,} synapses need another", "use fewer of them")
    found = [_projection(job, projection) for projection in projections]
    row, target, n_segments, n_delays, begin = [], [], [0], [0], 0
    for projection, (synapses, delays, _) in zip(projections, found, strict=True):
        row.append(synapses.row + begin)
        target.append(synapses.targets + np.uint32(first[place[projection.post]]))
        n_segments.append(len(synapses.row))
        n_delays.append(len(delays))
        begin += len(synapses.targets)
    leaving = np.bincount([place[projection.pre] for projection in projections], minlength=len(job.order))
    return Synaptic(
        leaving=np.cumsum([0, *leaving]),
        first_segment=np.cumsum(n_segments),
        receptor=np.array([receptor(job, k.post, job.net.receptor(k)) for k in projections], np.int64),
        first_delay=np.cumsum(n_delays),
        delays=_joined([delays for _, delays, _ in found], np.float64),
        row=_joined(row, np.int64),
        target=_joined(target, np.uint32),
        weight=_joined([weights for _, _, weights in found], np.float64),
        longest=4 + max([sum(n_delays), *(int(np.diff(synapses.row).max(initial=0)) for synapses, _, _ in found)]),
    )


def receptor(job: Job, post: str, name: str) -> int:
    """What the kernel adds to: 1 and 2 for currents, 0 for v."""
    model: Any = job.net.population(post).model
    return model.receptors.index(name) + 1 if model.FLOW else 0


def _projection(job: Job, projection: Projection) -> tuple[Rows, NDArray, NDArray]:
    """Synapses in the order of their segments, the delays (ms) of these, and the weights."""
    given = job.weights[projection.name]
    delays = None
    if isinstance(given, Synapses):
        weights, delays = _weights(given), given.delays
    else:
        given = all_to_all(_weights(given))
        weights = given.weights
    size = job.net.population(projection.post).size
    found = rows(given, job.net.delay_steps(projection), np.array([0, size]))
    # A delay that all synapses share as it was given, and not as a rounded product of steps and dt.
    ms = np.array([projection.delay]) if delays is None else found.delays * job.net.dt
    return found, ms, weights if found.order is None else weights[found.order]


def _weights(given: Any) -> NDArray[np.float64]:
    values = given.weights if isinstance(given, Synapses) else given
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values, float)


def _joined(arrays: list[NDArray], dtype: Any) -> NDArray:
    return np.concatenate([np.empty(0, dtype), *arrays])
