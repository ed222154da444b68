"""The time loop of a network of Loihi compartments, in integers, compiled by numba.

All compartments and sources have one numbering, population by population in the order in which they advance. A spike
is sent when its neuron fires: each synapse adds its mantissa to a slot `delay` steps ahead of a ring, so that the
weight is read when the spike reaches the core, before its synaptic delay, and a silent synapse costs nothing.

Axes: N compartment or source, D slot of the ring, A accumulator, K projection, P population.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from neuro.backends.event_dialect import inner
from neuro.neurons.loihi_lif import LARGEST, SHIFT

LEAST = -LARGEST


class Chip(NamedTuple):
    """What does not change. Arrays by compartment, by population (in order), and by projection.

    keep_u, keep_v: what a step leaves of u and v, of 4096. first: where a population begins (its end is the next).
    sends: projections of a population, from sends[out[p]] on. Projection k has the rows of its senders in `row`, from
    row_base[k] on, each a piece of `target` (accumulators), `delay` and the changing `values`; one_delay: of all its
    synapses, -1 where they differ. Population p adds up the accumulators from channel[c] on, shifted down by
    channel_shift[c], for c from channels[p] on. drive_post, drive_from: population at which constant arrivals act, and
    from which step on. column: where u and v are recorded; -1: nowhere.
    """

    keep_u: NDArray[np.int64]
    keep_v: NDArray[np.int64]
    bias: NDArray[np.int64]
    v_th: NDArray[np.int64]
    refractory: NDArray[np.int64]
    first: NDArray[np.int64]
    is_source: NDArray[np.bool_]
    out: NDArray[np.int64]
    sends: NDArray[np.int64]
    row_base: NDArray[np.int64]
    row: NDArray[np.int64]
    target: NDArray[np.uint32]
    delay: NDArray[np.int32]
    one_delay: NDArray[np.int64]
    channels: NDArray[np.int64]
    channel: NDArray[np.int64]
    channel_shift: NDArray[np.int64]
    drive_post: NDArray[np.int64]
    drive_from: NDArray[np.int64]
    drive_events: NDArray[np.int64]
    column: NDArray[np.int64]


class Changing(NamedTuple):
    """What changes. ring_DA: arrivals. kept: steps and units of spikes. counts: spikes, synaptic events, saturations,
    spikes kept. clipped: step (-1: never), compartment and field (0: u, 1: v) of the first saturation, and whether to
    stop at it. traces: u, v, time left and spike of what is recorded, by step and column."""

    u: NDArray[np.int32]
    v: NDArray[np.int32]
    left: NDArray[np.int32]
    fired: NDArray[np.uint8]
    values: NDArray[np.int32]
    ring_DA: NDArray[np.int64]
    drive_KN: NDArray[np.int64]
    arrivals: NDArray[np.int64]
    ids: NDArray[np.int64]
    kept_steps: NDArray[np.int64]
    kept_units: NDArray[np.int32]
    counts: NDArray[np.int64]
    clipped: NDArray[np.int64]
    traces: NDArray[np.int32]


@njit(cache=True, nogil=True, inline="always")
def decayed(x, keep):
    """x keep / 4096, rounded towards zero."""
    product = np.int64(x) * keep
    return (product + ((product >> 63) & 4095)) >> 12


@inner
def step_neurons(chip, now, first, last, step):
    """Advance compartments `first` to `last` by what arrives; returns the number that fired, whose ids are in ids."""
    own = slice(first, last)
    fired = now.fired[own]
    arithmetic(
        now.u[own], now.v[own], now.left[own], fired, now.arrivals[own],
        chip.keep_u[own], chip.keep_v[own], chip.bias[own], chip.v_th[own], chip.refractory[own],
    )  # fmt: skip
    n_fired = 0
    for j in range(fired.shape[0]):
        if fired[j]:
            if fired[j] > 1:
                if now.clipped[0] < 0:
                    now.clipped[0], now.clipped[1], now.clipped[2] = step, first + j, 0 if fired[j] & 2 else 1
                now.counts[2] += (fired[j] >> 1 & 1) + (fired[j] >> 2)
                fired[j] &= 1
            if fired[j]:
                now.ids[n_fired] = first + j
                n_fired += 1
    return n_fired


@inner
def arithmetic(u, v, left, fired, arrivals, keep_u, keep_v, bias, v_th, refractory):
    """The equations, without branches. fired: 1 for a spike, plus 2 where u saturates, plus 4 where v does."""
    for j in range(u.shape[0]):
        full_u = decayed(u[j], keep_u[j]) + (arrivals[j] << SHIFT)
        new_u = min(max(full_u, LEAST), LARGEST)
        full_v = decayed(v[j], keep_v[j]) + new_u + bias[j]
        new_v = min(max(full_v, LEAST), LARGEST)
        held = np.int64(left[j] > 0)
        fires = np.int64(new_v > v_th[j]) & (1 - held)
        u[j] = new_u
        v[j] = new_v * (1 - (fires | held))
        left[j] = fires * refractory[j] + (1 - fires) * (left[j] - held)
        fired[j] = fires + 2 * np.int64(full_u != new_u) + 4 * (np.int64(full_v != new_v) & (1 - held))


@inner
def gather(chip, now, p, slot, step):
    """What arrives at population p in this step, from the ring and from constant drives."""
    first, last = chip.first[p], chip.first[p + 1]
    for c in range(chip.channels[p], chip.channels[p + 1]):
        start, shift = chip.channel[c] - first, chip.channel_shift[c]
        arrived = now.ring_DA[slot]
        if c == chip.channels[p]:
            for j in range(first, last):
                now.arrivals[j] = arrived[start + j]
                arrived[start + j] = 0
        else:
            for j in range(first, last):
                now.arrivals[j] += arrived[start + j] >> shift
                arrived[start + j] = 0
    for k in range(chip.drive_from.shape[0]):
        if chip.drive_post[k] == p and step >= chip.drive_from[k]:
            for j in range(first, last):
                now.arrivals[j] += now.drive_KN[k, j]


@inner
def add_row(arriving, target, values, first, last):
    for e in range(first, last):
        arriving[target[e]] += values[e]


@inner
def send(chip, now, p, ids, n, step, n_steps):
    """Send the spikes of n neurons of population p over all their synapses."""
    depth, events = now.ring_DA.shape[0], 0
    for q in range(chip.out[p], chip.out[p + 1]):
        k = chip.sends[q]
        base, one_delay = chip.row_base[k] - chip.first[p], chip.one_delay[k]
        for i in range(n):
            first, last = chip.row[base + ids[i]], chip.row[base + ids[i] + 1]
            if one_delay >= 0:
                add_row(now.ring_DA[(step + one_delay) % depth], chip.target, now.values, first, last)
                if step + one_delay < n_steps:  # else it comes after the end
                    events += last - first
                continue
            for e in range(first, last):
                now.ring_DA[(step + chip.delay[e]) % depth, chip.target[e]] += now.values[e]
                events += step + chip.delay[e] < n_steps
    now.counts[1] += events


@njit(cache=True, nogil=True, error_model="numpy")
def run_steps(step, last, n_steps, chip, now, units, offsets):
    """Advance until `last`, or until spikes have no room, or to the end of a step that saturates; returns the step.

    units, offsets: of the sources' spikes, by step.
    """
    n_populations = chip.is_source.shape[0]
    while step < last and now.counts[3] + now.u.shape[0] <= now.kept_steps.shape[0]:
        slot = step % now.ring_DA.shape[0]
        for p in range(n_populations):
            if chip.is_source[p]:
                first, end = offsets[p, step], offsets[p, step + 1]
                for j in range(chip.first[p], chip.first[p + 1]):
                    now.fired[j] = 0
                for q in range(first, end):
                    now.fired[units[q]] = 1
                send(chip, now, p, units[first:end], end - first, step, n_steps)
                continue
            gather(chip, now, p, slot, step)
            n = step_neurons(chip, now, chip.first[p], chip.first[p + 1], step)
            _keep(now, n, step)
            send(chip, now, p, now.ids, n, step, n_steps)
        for k in range(chip.drive_from.shape[0]):
            if step >= chip.drive_from[k]:
                now.counts[1] += chip.drive_events[k]
        for j in range(chip.column.shape[0]):
            if chip.column[j] >= 0:
                now.traces[step, chip.column[j], 0] = now.u[j]
                now.traces[step, chip.column[j], 1] = now.v[j]
                now.traces[step, chip.column[j], 2] = now.left[j]
                now.traces[step, chip.column[j], 3] = now.fired[j]
        step += 1
        if now.clipped[3] and now.clipped[0] >= 0:
            break
    return step


@inner
def _keep(now, n, step):
    start = now.counts[3]
    for i in range(n):
        now.kept_steps[start + i] = step
        now.kept_units[start + i] = now.ids[i]
    now.counts[3] += n
    now.counts[0] += n
