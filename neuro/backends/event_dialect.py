"""The dialect of the event backend, and the two loops that every kernel shares, for numba.

`where` must be an inlined function of two scalars: np.where on scalars allocates, and costs a thousand
times as much.
"""

import math

import numpy as np
from numba import njit


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
    "exp": math.exp,
    "heaviside": _heaviside,
    "minimum": _minimum,
    "maximum": _maximum,
}


@njit(nogil=True)
def collect(output, size, ids):
    """Write the indices of non-zero bytes to ids, and return how many there are.

    output: uint8, padded with zeros to a multiple of 8, so that eight neurons are looked at together.
    """
    words = output.view(np.uint64)
    n = 0
    for word in range(words.shape[0]):
        if words[word] != 0:
            for j in range(8 * word, min(8 * word + 8, size)):
                if output[j]:
                    ids[n] = j
                    n += 1
    return n


@njit(nogil=True)
def deliver(ids, n, row, target, w, arrivals):
    """Send n spikes along the rows of their neurons; returns the number of synaptic events."""
    events = 0
    for q in range(n):
        first, last = row[ids[q]], row[ids[q] + 1]
        for e in range(first, last):
            arrivals[target[e]] += w[e]
        events += last - first
    return events
