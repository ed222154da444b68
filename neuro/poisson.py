"""Poisson numbers that any backend can draw for itself: a hash of (key, step, neuron), no state.

A draw depends on nothing but its place, so the same seed gives the same drive on every backend, for any
number of threads, and from any step on. The hash is pcg3d; a number of events is found by comparing its
32 bits with the cumulative distribution, which is exact to 2^-32.

References: jarzynski2020 (hash functions for counters, section on pcg3d).
"""

import math
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

MASK = 0xFFFFFFFF


def thresholds(mean: float) -> NDArray[np.uint32]:
    """P(X <= k) in units of 2^-32, for k from 0 until what is left is below 2^-32.

    A draw u of 32 bits stands for as many events as there are thresholds with u >= threshold.
    """
    if not 0 <= mean <= 500:
        raise ValueError(f"{mean:g} Poisson events a step are out of range; give 0 to 500, or a smaller dt")
    probability = cumulative = math.exp(-mean)
    found = []
    while (value := round(cumulative * 2**32)) <= MASK and len(found) < 2000:
        found.append(value)
        probability *= mean / len(found)
        cumulative += probability
    return np.array(found, np.uint32)


def hash_bits(neuron: Any, step: Any, key: Any) -> Any:
    """32 bits that belong to a neuron, a step and a key; all uint32, numbers or arrays, wrapping around."""
    x = np.uint32(neuron * np.uint32(1664525) + np.uint32(1013904223))
    y = np.uint32(step * np.uint32(1664525) + np.uint32(1013904223))
    z = np.uint32(key * np.uint32(1664525) + np.uint32(1013904223))
    x = np.uint32(x + y * z)
    y = np.uint32(y + z * x)
    z = np.uint32(z + x * y)
    x = np.uint32(x ^ (x >> np.uint32(16)))
    y = np.uint32(y ^ (y >> np.uint32(16)))
    z = np.uint32(z ^ (z >> np.uint32(16)))
    return np.uint32(x + y * z)


def bits(n: int, step: int, key: int) -> NDArray[np.uint32]:
    """32 bits for each of n neurons in a step."""
    with np.errstate(over="ignore"):
        return hash_bits(np.arange(n, dtype=np.uint32), np.uint32(step & MASK), np.uint32(key))


def draw(bounds: NDArray[np.uint32], n: int, step: int, key: int) -> NDArray[np.int64]:
    """The Poisson numbers of n neurons in a step; bounds: as from `thresholds`."""
    return np.asarray(np.searchsorted(bounds, bits(n, step, key), side="right"), np.int64)


def key(seed: int, name: str, sample: int) -> int:
    """32 bits that belong to a seed, a drive and a sample."""
    return zlib.crc32(f"{seed}/{name}/{sample}".encode())
