"""Polychronous groups: neurons that fire in an order of their own, again and again, because delays make spikes meet.

The search of Izhikevich (2006), whose C++ program does this: only synapses of more than 0.95 of the largest weight
count, and inhibitory ones. For each excitatory neuron, and each three of those that have such a synapse onto it, the
three are made to fire such that their spikes arrive together. The network is at rest but for them. What then fires is
a group if

- its longest path, of spikes that each were reached by the one before within LATENCY, has at least MIN_PATH spikes;
- none of the three has just the one synapse within the group that was chosen.

Deviations from the program: a spike's place in a path follows the spikes that reached it, not the neurons; a group ends
after LONGEST ms, as in the author's MATLAB version.

Axes: N neuron, S synapse, A anchor (the three), G group, R ring of steps.
"""

from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from neuro.backends.event_dialect import NUMBA
from neuro.dialect import rebind
from neuro.neurons.izhikevich_half_steps import IzhikevichHalfSteps, IzhikevichHalfStepsState

N_ANCHORS = 3
MIN_PATH = 7  # spikes
STRONG = 0.95  # of the largest weight
LATENCY = 20  # ms, between the arrival of a spike and the firing that it is held to take part in
LONGEST = 150  # ms
REST = -70.0  # mV
RING = 64  # steps, more than two of the longest delays

_advance = njit(rebind(IzhikevichHalfSteps.step, NUMBA))


class Graph(NamedTuple):
    """Synapses of all neurons, ordered by presynaptic neuron (CSR); the first n_exc neurons are excitatory.

    delays_S: steps of 1 ms. weights_S: mV.
    """

    offsets: NDArray[np.int64]
    targets_S: NDArray[np.int64]
    delays_S: NDArray[np.int64]
    weights_S: NDArray[np.float64]
    n_exc: int


class Cells(NamedTuple):
    """The coefficients of both kinds of neurons, and b, which is the same."""

    exc: Any
    inh: Any
    b: float


class Scratch(NamedTuple):
    """What a run needs. Zero between runs, but for v and u, which are at rest, and heard, which is of old."""

    v_N: NDArray[np.float64]
    u_N: NDArray[np.float64]
    jump_N: NDArray[np.float64]
    is_active_N: NDArray[np.bool_]
    active_N: NDArray[np.int64]  # neurons that something was sent to
    wakes_N: NDArray[np.int64]  # when the first of it arrives
    arrivals_NR: NDArray[np.float64]  # mV
    heard_NR: NDArray[np.int64]  # when a spike arrived, counted over all runs
    layer_NR: NDArray[np.int64]  # the longest path that ends with it


class Spikes(NamedTuple):
    """Of one run, in their order: who, when (steps), and length of the longest path that ends there."""

    units: NDArray[np.int64]
    times: NDArray[np.int64]
    layers: NDArray[np.int64]


class Groups(NamedTuple):
    """The groups that were found. sizes: spikes. paths: spikes of the longest path. durations: ms to the last spike."""

    anchors_GA: NDArray[np.int64]
    starts_GA: NDArray[np.int64]  # when they fire, ms
    least_GA: NDArray[np.int64]  # the delay by which each reaches the neuron where they meet, ms
    sizes: NDArray[np.int64]
    paths: NDArray[np.int64]
    durations: NDArray[np.int64]


def strong_part(graph: Graph, w_max: float) -> Graph:
    """Without excitatory synapses that are not strong."""
    sources = np.repeat(np.arange(len(graph.offsets) - 1), np.diff(graph.offsets))
    kept = (sources >= graph.n_exc) | (graph.weights_S > STRONG * w_max)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(sources[kept], minlength=len(graph.offsets) - 1))])
    return Graph(offsets, graph.targets_S[kept], graph.delays_S[kept], graph.weights_S[kept], graph.n_exc)


def search(graph: Graph, exc: IzhikevichHalfSteps, inh: IzhikevichHalfSteps, mothers: int) -> Groups:
    """All groups that begin with three spikes that meet at one of the first `mothers` neurons."""
    size = len(graph.offsets) - 1
    cells, scratch, spikes = _cells(exc, inh), _scratch(size, exc.b), _spikes(size)
    sources = np.repeat(np.arange(size), np.diff(graph.offsets))
    found = []
    epoch = 0
    for mother in range(mothers):
        onto = np.flatnonzero((graph.targets_S == mother) & (sources < graph.n_exc))
        triples = np.array(list(combinations(range(len(onto)), N_ANCHORS)), np.int64).reshape(-1, N_ANCHORS)
        anchors_GA, least_GA = sources[onto][triples], graph.delays_S[onto][triples]
        starts_GA = least_GA.max(axis=1, initial=0, keepdims=True) - least_GA
        rows = np.empty((len(triples), 3), np.int64)
        epoch = _try(graph, cells, anchors_GA, starts_GA, least_GA, scratch, spikes, rows, epoch)
        is_group = rows[:, 1] >= MIN_PATH
        found.append((anchors_GA[is_group], starts_GA[is_group], least_GA[is_group], *rows[is_group].T))
    return Groups(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def replay(graph: Graph, exc: IzhikevichHalfSteps, inh: IzhikevichHalfSteps, groups: Groups, g: int) -> Spikes:
    """The spikes of one group."""
    size = len(graph.offsets) - 1
    spikes = _spikes(size)
    chosen = groups.anchors_GA[g], groups.starts_GA[g], groups.least_GA[g]
    n, _ = _run(graph, _cells(exc, inh), *chosen, _scratch(size, exc.b), spikes, 0)
    return Spikes(*(values[:n] for values in spikes))


def links(graph: Graph, spikes: Spikes) -> NDArray[np.int64]:
    """Who made whom fire: rows of spike, arrival (ms), spike, of excitatory synapses within LATENCY of a firing."""
    rows = []
    for k, (unit, time) in enumerate(zip(spikes.units, spikes.times, strict=True)):
        if unit < graph.n_exc:
            for e in range(graph.offsets[unit], graph.offsets[unit + 1]):
                arrival = time + graph.delays_S[e]
                after = (spikes.times > arrival) & (spikes.times <= arrival + LATENCY)
                hit = np.flatnonzero((spikes.units == graph.targets_S[e]) & after)
                rows += [(k, arrival, j) for j in hit if j >= N_ANCHORS]
    return np.array(rows, np.int64).reshape(-1, 3)


def _cells(exc: IzhikevichHalfSteps, inh: IzhikevichHalfSteps) -> Cells:
    c_exc, c_inh = exc.coefficients(1.0), inh.coefficients(1.0)
    return Cells(type(c_exc)(*map(float, c_exc)), type(c_inh)(*map(float, c_inh)), exc.b)


def _scratch(size: int, b: float) -> Scratch:
    return Scratch(
        v_N=np.full(size, REST),
        u_N=np.full(size, REST * b),
        jump_N=np.zeros(size),
        is_active_N=np.zeros(size, np.bool_),
        active_N=np.zeros(size, np.int64),
        wakes_N=np.zeros(size, np.int64),
        arrivals_NR=np.zeros((size, RING)),
        heard_NR=np.full((size, RING), -1, np.int64),
        layer_NR=np.zeros((size, RING), np.int64),
    )


def _spikes(size: int) -> Spikes:
    return Spikes(*(np.zeros(size, np.int64) for _ in range(3)))


@njit
def _try(graph, cells, anchors_GA, starts_GA, least_GA, scratch, spikes, rows, epoch):
    """Size, longest path (0 where it is no group) and duration of each three, into rows; returns the next epoch."""
    for g in range(anchors_GA.shape[0]):
        n, path = _run(graph, cells, anchors_GA[g], starts_GA[g], least_GA[g], scratch, spikes, epoch)
        epoch += 2 * LONGEST
        if path >= MIN_PATH and _is_anchor_idle(graph, anchors_GA[g], starts_GA[g], spikes, n):
            path = 0
        rows[g, 0], rows[g, 1], rows[g, 2] = n, path, spikes.times[n - 1]
    return epoch


@njit
def _run(graph, cells, anchors_A, starts_A, least_A, scratch, spikes, epoch):
    """Let three neurons fire; returns the number of spikes, theirs included, and the longest path."""
    n_active, n, path, last = 0, 0, 1, 0
    for a in range(N_ANCHORS):
        spikes.units[n], spikes.times[n], spikes.layers[n] = anchors_A[a], starts_A[a], 1
        n += 1
        n_active, last = _send(graph, anchors_A[a], starts_A[a], least_A[a], 1, scratch, n_active, last, epoch)
    step = 0
    while step <= last + LATENCY and step < LONGEST and n < spikes.units.shape[0]:
        for q in range(n_active):
            i = scratch.active_N[q]
            if step < scratch.wakes_N[i]:
                continue
            state = IzhikevichHalfStepsState(scratch.v_N[i], scratch.u_N[i], scratch.jump_N[i])
            c = cells.exc if i < graph.n_exc else cells.inh
            fired, state = _advance(state, scratch.arrivals_NR[i, step % RING], c)
            scratch.v_N[i], scratch.u_N[i], scratch.jump_N[i] = state.v, state.u, state.jump
            scratch.arrivals_NR[i, step % RING] = 0.0
            if fired and n < spikes.units.shape[0]:
                layer = 1
                for arrival in range(max(0, step - LATENCY), step):
                    if scratch.heard_NR[i, arrival % RING] == epoch + arrival:
                        layer = max(layer, scratch.layer_NR[i, arrival % RING] + 1)
                path = max(path, layer)
                spikes.units[n], spikes.times[n], spikes.layers[n] = i, step, layer
                n += 1
                n_active, last = _send(graph, i, step, 0, layer, scratch, n_active, last, epoch)
        step += 1
    for q in range(n_active):
        i = scratch.active_N[q]
        scratch.v_N[i], scratch.u_N[i], scratch.jump_N[i] = REST, REST * cells.b, 0.0
        scratch.arrivals_NR[i] = 0.0
        scratch.is_active_N[i] = False
    return n, path


@njit
def _send(graph, i, step, least, layer, scratch, n_active, last, epoch):
    """A spike leaves neuron i by its synapses of a delay of at least `least`."""
    for e in range(graph.offsets[i], graph.offsets[i + 1]):
        if graph.delays_S[e] >= least:
            j, arrival = graph.targets_S[e], step + graph.delays_S[e]
            scratch.arrivals_NR[j, arrival % RING] += graph.weights_S[e]
            last = max(last, arrival)
            if i < graph.n_exc:
                is_first = scratch.heard_NR[j, arrival % RING] != epoch + arrival
                scratch.heard_NR[j, arrival % RING] = epoch + arrival
                if is_first or layer > scratch.layer_NR[j, arrival % RING]:
                    scratch.layer_NR[j, arrival % RING] = layer
            if not scratch.is_active_N[j]:
                scratch.is_active_N[j] = True
                scratch.active_N[n_active] = j
                scratch.wakes_N[j] = arrival
                n_active += 1
            scratch.wakes_N[j] = min(scratch.wakes_N[j], arrival)
    return n_active, last


@njit
def _is_anchor_idle(graph, anchors_A, starts_A, spikes, n):
    """Whether one of the three takes part in the firing of just one excitatory neuron."""
    for a in range(N_ANCHORS):
        used = 0
        for e in range(graph.offsets[anchors_A[a]], graph.offsets[anchors_A[a] + 1]):
            if graph.targets_S[e] < graph.n_exc:
                arrival = starts_A[a] + graph.delays_S[e]
                for k in range(N_ANCHORS, n):
                    is_after = arrival < spikes.times[k] <= arrival + LATENCY
                    used += spikes.units[k] == graph.targets_S[e] and is_after
        if used == 1:
            return True
    return False
