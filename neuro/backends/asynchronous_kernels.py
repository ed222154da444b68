"""The loop of asynchronous updating, compiled: spikes reach neurons, which are looked at when they are due to fire.

All neurons share their base times (closed_form.py), so an arrival adds two products to its neuron and no exponential
is taken per synapse. After an arrival that raises v, `bound` says until when v stays below threshold, and the neuron
is looked at then; only if nothing has put that off is the crossing searched for. What lowers v leaves that time as it
is. A look that was overtaken by an earlier one is known by its time, and dropped.

Order of equal times: arrivals by projection and presynaptic neuron, then thresholds by population and neuron.
"""

import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from neuro.backends import calendar_queue, closed_form
from neuro.backends.calendar_queue import HEAP, WAITING, next_day, pop, push
from neuro.backends.closed_form import (
    BASE,
    DUE,
    FIRES,
    J_1,
    J_2,
    NEVER,
    QUEUED,
    R_M,
    RATE_M,
    RHO,
    T_REF,
    THETA,
    WAKES,
    A,
    bound,
    compiled,
    crossing,
    factors,
    gains,
    inlined,
    now,
    rebase,
)  # fmt: skip

# What the time of an event stands for, from high bits of its key; a delivery's is projection << SEGMENT | segment.
THRESHOLD, STREAM, SEGMENT = 1 << 62, 1 << 61, 40

SLACK = 2e-15  # of v_th - v_inf: jumps that add up to it in decimals reach it, though their sum is rounded
ROUNDING = 2.3e-16  # of a time

# Counts of a simulation (PLACE: the stream or neuron because of which a run ended), and how a run ends.
SPIKES, ARRIVALS, EVENTS, KEPT, PLACE = range(5)
DONE, STOPPED, SPIKES_FULL, QUEUE_FULL, STREAM_EMPTY, WITHOUT_END = range(6)


class Neurons(NamedTuple):
    """All neurons, population after population; those of sources have no state.

    state: [N, 8]. row: of parameters, -1 for sources, and population: [N]. parameters: [rows, N_PARAMETERS].
    first: neuron of each population. epoch: ms between base times.
    """

    state: Any
    row: Any
    population: Any
    parameters: Any
    first: Any
    epoch: float


class Synaptic(NamedTuple):
    """Projections, by presynaptic population in their order; segments as in neuro/backends/rows.py, one after another.

    leaving: [populations + 1], the first projection of each. first_segment, receptor, first_delay: of each
    projection. delays: ms, of its segments. row: where segments begin. target, weight: of each synapse. longest: how
    many events a spike can make.
    """

    leaving: Any
    first_segment: Any
    receptor: Any
    first_delay: Any
    delays: Any
    row: Any
    target: Any
    weight: Any
    longest: int


class Streams(NamedTuple):
    """Spikes that come from outside, in blocks: those of sources, and of drives, which go to one neuron each.

    times (ms), units: [streams, block]. position, stop: in the block. population: of a source, or -1. receptor,
    weight: of a drive. first: neuron of the population that sends or is driven.
    """

    times: Any
    units: Any
    position: Any
    stop: Any
    population: Any
    receptor: Any
    weight: Any
    first: Any


class Output(NamedTuple):
    """times, neurons: [capacity] of recorded spikes. recorded: of each population. counts: see SPIKES and others."""

    times: Any
    neurons: Any
    recorded: Any
    counts: Any


@inlined
def _schedule(j, s, due, queue, end):
    """Look at a neuron at `due` (ms), or earlier where it is on the calendar already."""
    s[j, DUE] = due
    if due < s[j, QUEUED] and due < end:
        s[j, QUEUED] = due
        push(queue, due, THRESHOLD | j)


@inlined
def _arrive(j, w, receptor, time, base, gain, f, neurons, row, queue, end):
    """A spike of weight w reaches neuron j."""
    s, p = neurons.state, neurons.parameters
    if s[j, BASE] != base:
        rebase(s, j, p, row, base)
    if receptor > 0:
        s[j, receptor] += w * gain[0]
    if s[j, WAKES] != NEVER:
        return  # v is held, and will be set
    is_above = receptor == 0 and s[j, A] * f[0] + w >= p[row, THETA] - SLACK * abs(p[row, THETA])
    s[j, A] += w * gain[1]
    if is_above:
        s[j, FIRES] = time
        _schedule(j, s, time, queue, end)
    elif receptor == 0 or time < s[j, FIRES]:
        s[j, FIRES] = NEVER
        if w > 0.0:
            x, c_1, c_2 = now(s, j, f, p[row, R_M])
            _schedule(j, s, time + bound(x, c_1, c_2, p, row), queue, end)


@compiled
def _deliver(segment, receptor, time, neurons, synaptic, queue, end):
    """A spike reaches the targets of a segment; returns their number."""
    first, last = synaptic.row[segment], synaptic.row[segment + 1]
    base = np.floor(time / neurons.epoch) * neurons.epoch
    row = neurons.row[synaptic.target[first]]
    p = neurons.parameters
    f = factors(time - base, p, row)
    gain = gains(f, receptor)
    for e in range(first, last):
        j = synaptic.target[e]
        if neurons.row[j] != row:
            row = neurons.row[j]
            f = factors(time - base, p, row)
            gain = gains(f, receptor)
        _arrive(j, synaptic.weight[e], receptor, time, base, gain, f, neurons, row, queue, end)
    return last - first


@compiled
def _send(population, unit, neuron, time, synaptic, queue, output, end):
    """A neuron or a source fires: its spike is recorded, and leaves."""
    if output.recorded[population]:
        kept = output.counts[KEPT]
        output.times[kept], output.neurons[kept] = time, neuron
        output.counts[KEPT] = kept + 1
    for k in range(synaptic.leaving[population], synaptic.leaving[population + 1]):
        n_delays = synaptic.first_delay[k + 1] - synaptic.first_delay[k]
        segment = synaptic.first_segment[k] + unit * n_delays
        for d in range(n_delays):
            arrival = time + synaptic.delays[synaptic.first_delay[k] + d]
            if synaptic.row[segment + d] < synaptic.row[segment + d + 1] and arrival < end:
                push(queue, arrival, (k << SEGMENT) | (segment + d))


@compiled
def _reset(j, s, p, row, f, time, late, queue, end):
    """v starts from v_reset at `time` - late."""
    e_m, _, _, q_1, q_2 = f
    _, c_1, c_2 = now(s, j, f, p[row, R_M])
    x = p[row, RHO] + late * p[row, RATE_M] * (c_1 + c_2 - p[row, RHO])
    s[j, A] = (x - s[j, J_1] * q_1 - s[j, J_2] * q_2) / e_m
    s[j, WAKES] = s[j, FIRES] = NEVER
    _schedule(j, s, time + bound(x, c_1, c_2, p, row), queue, end)


@compiled
def _fire(j, s, p, row, f, time, queue, end):
    """v is held, or reset. What `time` was rounded by is made up for at the reset, or it would add up."""
    x, c_1, c_2 = now(s, j, f, p[row, R_M])
    slope, ulp = (c_1 + c_2 - x) * p[row, RATE_M], ROUNDING * time
    late = min(max((x - p[row, THETA]) / slope, -ulp), ulp) if slope > 0.0 else 0.0
    if p[row, T_REF] == 0.0:
        _reset(j, s, p, row, f, time, late, queue, end)
        return
    wakes = time + p[row, T_REF]
    s[j, WAKES], s[j, FIRES] = wakes, late + (wakes - time - p[row, T_REF])  # in FIRES until then
    _schedule(j, s, wakes, queue, end)


@compiled
def _look(j, time, neurons, queue, end):
    """A neuron is due: it wakes from refractoriness, or finds when it will fire. Returns whether it fires now."""
    s, p, row = neurons.state, neurons.parameters, neurons.row[j]
    if s[j, QUEUED] != time:
        return False  # overtaken by an earlier look
    s[j, QUEUED] = NEVER
    if s[j, DUE] > time:
        _schedule(j, s, s[j, DUE], queue, end)
        return False
    base = np.floor(time / neurons.epoch) * neurons.epoch
    if s[j, BASE] != base:
        rebase(s, j, p, row, base)
    f = factors(time - base, p, row)
    if s[j, WAKES] != NEVER:
        _reset(j, s, p, row, f, time, s[j, FIRES], queue, end)
        return False
    if s[j, FIRES] != time:
        x, c_1, c_2 = now(s, j, f, p[row, R_M])
        wait, is_exact = crossing(x, c_1, c_2, p, row)
        if time + wait > time:
            s[j, FIRES] = time + wait if is_exact else NEVER
            _schedule(j, s, time + wait, queue, end)
            return False
    _fire(j, s, p, row, f, time, queue, end)
    return True


@compiled
def _stream(n, time, neurons, synaptic, streams, queue, output, end):
    """The next spike of a source or a drive, and the one after it onto the calendar."""
    place = streams.position[n]
    population, unit = streams.population[n], streams.units[n, place]
    neuron = streams.first[n] + unit
    if population >= 0:
        _send(population, unit, neuron, time, synaptic, queue, output, end)
    else:
        base = np.floor(time / neurons.epoch) * neurons.epoch
        p, row = neurons.parameters, neurons.row[neuron]
        f = factors(time - base, p, row)
        receptor = streams.receptor[n]
        gain = gains(f, receptor)
        _arrive(neuron, streams.weight[n], receptor, time, base, gain, f, neurons, row, queue, end)
        output.counts[ARRIVALS] += 1
    streams.position[n] = place + 1
    if place + 1 < streams.stop[n] and streams.times[n, place + 1] < end:
        push(queue, streams.times[n, place + 1], STREAM | n)


@compiled
def _run(neurons, synaptic, streams, queue, output, end, budget):
    counters, counts, work = queue.counters, output.counts, 0
    while work < budget:
        work += 1
        if counters[HEAP] == 0:
            if counters[WAITING] == 0:
                return DONE
            next_day(queue)
            continue
        if counts[KEPT] == output.times.shape[0]:
            return SPIKES_FULL
        if counters[HEAP] + counters[WAITING] + synaptic.longest > queue.heap_time.shape[0]:
            return QUEUE_FULL
        time, key = queue.heap_time[0], queue.heap_key[0]
        pop(queue)
        counts[EVENTS] += 1
        if key & THRESHOLD:
            j = key ^ THRESHOLD
            if _look(j, time, neurons, queue, end):
                population = neurons.population[j]
                counts[SPIKES] += 1
                _send(population, j - neurons.first[population], j, time, synaptic, queue, output, end)
                if neurons.state[j, DUE] == time:
                    counts[PLACE] = j
                    return WITHOUT_END
        elif key & STREAM:
            n = key ^ STREAM
            _stream(n, time, neurons, synaptic, streams, queue, output, end)
            if streams.position[n] == streams.stop[n]:
                counts[PLACE] = n
                return STREAM_EMPTY
        else:
            segment, receptor = key & ((1 << SEGMENT) - 1), synaptic.receptor[key >> SEGMENT]
            arrived = _deliver(segment, receptor, time, neurons, synaptic, queue, end)
            counts[ARRIVALS] += arrived
            work += arrived
    return STOPPED


def _entry(version: int) -> Any:
    """numba's cache looks at one file, and at what a closure holds: here, a hash of the files that it calls."""

    def run(neurons, synaptic, streams, queue, output, end, budget):
        """Work through the calendar until `end` (ms), or until something is full or empty, and return which.

        budget: how many events, arrivals and days to work through before looking up.
        """
        _ = version
        return _run(neurons, synaptic, streams, queue, output, end, budget)

    return njit(cache=True, nogil=True, error_model="numpy")(run)


run = _entry(zlib.crc32(b"".join(Path(str(module.__file__)).read_bytes() for module in (calendar_queue, closed_form))))
