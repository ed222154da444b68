"""The dialect of the event backend, and the loops that every kernel shares, for numba.

`where` must be an inlined function of two scalars: np.where on scalars allocates, and costs a thousand
times as much.
"""

import numpy as np
from numba import njit

from neuro.backends.fast_exp import exp
from neuro.backends.intrinsics import inner, kept
from neuro.dialect import rebind
from neuro.poisson import hash_bits


@njit(inline="always")
def _where(condition, a, b):
    return a if condition else b


@njit(inline="always")
def _heaviside(x):
    return x >= 0


@njit(inline="always")
def _minimum(a, b):
    return a if a < b else b


@njit(inline="always")
def _maximum(a, b):
    return a if a > b else b


NUMBA = {
    "dialect": "numba",
    "where": _where,
    "exp": exp,
    "heaviside": _heaviside,
    "minimum": _minimum,
    "maximum": _maximum,
}


PADDED = 64  # bytes of a cache line


@kept
def collect(output, first, ids, start):
    """Write the places of non-zero bytes, counted from `first`, to ids from `start` on; returns how many there are.

    output: uint8, padded with zeros to a multiple of PADDED, so that many neurons are looked at together.
    """
    words = output.view(np.uint64)
    n = 0
    for word in range(0, words.shape[0], 8):
        some = words[word]
        for other in range(word + 1, word + 8):
            some |= words[other]
        if some != 0:
            for other in range(word, word + 8):
                if words[other] != 0:
                    for j in range(8 * other, 8 * other + 8):
                        if output[j]:
                            ids[start + n] = first + j
                            n += 1
    return n


@kept
def keep(trace, row, first, values, size):
    """Write the first values to a row of a trace, from place `first` on. A slice would take a second to compile."""
    for j in range(size):
        trace[row, first + j] = values[j]


@kept
def _deliver(ids, start, n, row, stride, place, sent, target, arrivals, w):
    """Send n spikes, ids[start] and those after it, along the rows of their neurons; returns the synaptic events.

    Neuron i's synapses of a delay and a thread are those from row[i * stride + place] on. sent: the step of the spikes.
    """
    events = 0
    for q in range(start, start + n):
        first, last = row[ids[q] * stride + place], row[ids[q] * stride + place + 1]
        for e in range(first, last):
            arrivals[target[e]] += w[e]
        events += last - first
    return events


@kept
def _deliver_uniform(ids, start, n, row, stride, place, sent, target, arrivals, w):
    """As `_deliver`, where all synapses have the one weight w; half the memory traffic."""
    events = 0
    for q in range(start, start + n):
        first, last = row[ids[q] * stride + place], row[ids[q] * stride + place + 1]
        for e in range(first, last):
            arrivals[target[e]] += w
        events += last - first
    return events


@kept
def _deliver_share(ids, start, n, row, stride, place, sent, target, arrivals, w, released, ring, n_pre):
    """As `_deliver`, where a spike of neuron i carries the share of a weight that `released` holds for its step."""
    events, now = 0, sent % ring * n_pre
    for q in range(start, start + n):
        share = released[now + ids[q]]
        first, last = row[ids[q] * stride + place], row[ids[q] * stride + place + 1]
        for e in range(first, last):
            arrivals[target[e]] += w[e] * share
        events += last - first
    return events


deliver = _deliver  # in the two functions below; copies have another one


def receive_from_neurons(step, history, fired, depth, size, parts, thread, n_threads, delays, row, *rest):
    """Deliver what arrives in a step from a population that is simulated, by all its threads."""
    events, stride = 0, delays.shape[0] * n_threads
    for g in range(delays.shape[0]):
        sent = step - delays[g]
        slot = sent % depth
        for part in range(n_threads):
            n = fired[part, slot]
            if n > 0:
                place = g * n_threads + thread
                events += deliver(history, slot * size + parts[part], n, row, stride, place, sent, *rest)
    return events


def receive_from_events(step, units, offsets, base, thread, n_threads, delays, row, *rest):
    """As `receive_from_neurons`, for spikes that are given: units[offsets[step - base]] and those after it."""
    events, stride = 0, delays.shape[0] * n_threads
    for g in range(delays.shape[0]):
        sent = step - delays[g]
        start = offsets[sent - base]
        n = offsets[sent - base + 1] - start
        if n > 0:
            events += deliver(units, start, n, row, stride, g * n_threads + thread, sent, *rest)
    return events


def receiver(receive, deliver, name):
    """A compiled copy of one of the two, with a way to deliver like `_deliver`. name: tells copies apart on disk.

    A closure would do but for numba, which never finds on disk what has closed over a function.
    """
    return kept(rebind(receive, {"dialect": name, "deliver": deliver}))


from_neurons = receiver(receive_from_neurons, _deliver, "plain")
from_neurons_uniform = receiver(receive_from_neurons, _deliver_uniform, "uniform")
from_neurons_share = receiver(receive_from_neurons, _deliver_share, "share")
from_events = receiver(receive_from_events, _deliver, "plain")
from_events_uniform = receiver(receive_from_events, _deliver_uniform, "uniform")
from_events_share = receiver(receive_from_events, _deliver_share, "share")

_hash = njit(inline="always")(hash_bits)


@inner
def add_poisson(arrivals, place, weight, thresholds, step, key, bits, counts):
    """Add weight times a Poisson number to every neuron, of which the first is number `place`; returns the events.

    bits (uint32) and counts (int32) are scratch of equal length: neurons are taken in blocks of it, and
    each pass over a block is one that the compiler turns into vector instructions.
    """
    total = 0
    block = bits.shape[0]
    for first in range(0, arrivals.shape[0], block):
        n = min(block, arrivals.shape[0] - first)
        for j in range(n):
            bits[j] = _hash(np.uint32(place + first + j), step, key)
            counts[j] = 0
        for q in range(thresholds.shape[0]):
            threshold = thresholds[q]
            for j in range(n):
                counts[j] += bits[j] >= threshold
        for j in range(n):
            arrivals[first + j] += weight * counts[j]
            total += counts[j]
    return total


@inner
def draw_spikes(output, place, size, bound, step, key):
    """1 where a neuron's 32 bits of this step lie below its bound; the first neuron is number `place`."""
    for j in range(size):
        output[j] = _hash(np.uint32(place + j), step, key) < bound[j]
