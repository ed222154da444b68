"""The dialect of the event backend, and the loops that every kernel shares, for numba.

`where` must be an inlined function of two scalars: np.where on scalars allocates, and costs a thousand
times as much.
"""

import numpy as np
from numba import njit

from neuro.backends.fast_exp import exp
from neuro.backends.intrinsics import prefetch
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


@njit(nogil=True)
def collect(output, size, first, ids, start):
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
            for j in range(8 * word, min(8 * word + PADDED, size)):
                if output[j]:
                    ids[start + n] = first + j
                    n += 1
    return n


NEAR, FAR = 3, 8  # spikes ahead of which synapses, and their place, are asked for
LINE = 16  # synapses of 4 bytes in a cache line


@njit(nogil=True)
def _look_ahead(ids, q, end, row, stride, place, target):
    """Ask for what the next spikes will need: rows lie far apart, and memory is slow to find them."""
    if q + FAR < end:
        prefetch(row, ids[q + FAR] * stride + place)
    if q + NEAR < end:
        segment = ids[q + NEAR] * stride + place
        for e in range(row[segment], min(row[segment + 1], row[segment] + 8 * LINE), LINE):
            prefetch(target, e)


@njit(nogil=True)
def deliver(ids, start, n, row, stride, place, target, w, arrivals):
    """Send n spikes, ids[start] and those after it, along the rows of their neurons; returns the synaptic events.

    Neuron i's synapses of a delay and a thread are those from row[i * stride + place] on.
    """
    events = 0
    for q in range(start, start + n):
        _look_ahead(ids, q, start + n, row, stride, place, target)
        first, last = row[ids[q] * stride + place], row[ids[q] * stride + place + 1]
        for e in range(first, last):
            arrivals[target[e]] += w[e]
        events += last - first
    return events


@njit(nogil=True)
def deliver_uniform(ids, start, n, row, stride, place, target, w, arrivals):
    """As `deliver`, where all synapses have the one weight w; half the memory traffic."""
    events = 0
    for q in range(start, start + n):
        _look_ahead(ids, q, start + n, row, stride, place, target)
        first, last = row[ids[q] * stride + place], row[ids[q] * stride + place + 1]
        for e in range(first, last):
            arrivals[target[e]] += w
        events += last - first
    return events


@njit(nogil=True)
def deliver_share(ids, start, n, row, stride, place, target, w, arrivals, released, sent):
    """As `deliver`, where a spike of neuron i carries the share released[sent + i] of a weight."""
    events = 0
    for q in range(start, start + n):
        share = released[sent + ids[q]]
        first, last = row[ids[q] * stride + place], row[ids[q] * stride + place + 1]
        for e in range(first, last):
            arrivals[target[e]] += w[e] * share
        events += last - first
    return events


_hash = njit(inline="always")(hash_bits)


@njit(nogil=True)
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


@njit(nogil=True)
def draw_spikes(output, place, size, bound, step, key):
    """1 where a neuron's 32 bits of this step lie below its bound; the first neuron is number `place`."""
    for j in range(size):
        output[j] = _hash(np.uint32(place + j), step, key) < bound[j]
