"""The order of synapses in the event backend: by presynaptic neuron, then delay, then postsynaptic neuron.

What a thread needs of a spike that arrives now, the synapses of one delay onto neurons of its own, then lies
together. Such a piece is a segment; segment (i D + g) T + t belongs to neuron i, delay g of D and thread t of T.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from neuro.network import Synapses

ALIGNED = 64  # neurons; so that threads share no cache line of bytes


class Rows(NamedTuple):
    """Synapses in their segments.

    row: int64 [n_pre D T + 1], where segments begin. targets: uint32. delays: int64 [D], steps.
    group: of each synapse, its place in delays (None for D = 1). order: synapse -> its place in what was given
    (None: the same).
    """

    row: NDArray[np.int64]
    targets: NDArray[np.uint32]
    delays: NDArray[np.int64]
    group: NDArray[np.uint16] | None
    order: NDArray[np.int64] | None


def parts(size: int, n_threads: int) -> NDArray[np.int64]:
    """Where the neurons of each thread begin, and, last, the size."""
    even = np.arange(n_threads + 1) * size / n_threads
    return np.minimum(np.ceil(even / ALIGNED).astype(np.int64) * ALIGNED, size)


def rows(synapses: Synapses, delay: int, starts: NDArray[np.int64]) -> Rows:
    """delay: steps, where synapses have none of their own. starts: as from `parts`."""
    targets = np.asarray(synapses.targets, np.int32)
    offsets = np.asarray(synapses.offsets, np.int64)
    if synapses.delays is None or len(targets) == 0 or synapses.delays.min() == synapses.delays.max():
        if synapses.delays is not None and len(targets):
            delay = int(synapses.delays[0])
        row = offsets if len(starts) == 2 else _segments(offsets, targets, np.zeros(0, np.uint16), 1, starts)
        return Rows(row, targets.view(np.uint32), np.array([delay]), None, None)
    delays = np.flatnonzero(np.bincount(synapses.delays))
    place = np.zeros(int(delays[-1]) + 1, np.uint16)
    place[delays] = np.arange(len(delays))
    group = place[synapses.delays]
    order = _order(offsets, group, len(delays))
    group, targets = group[order], targets[order]
    row = _segments(offsets, targets, group, len(delays), starts)
    return Rows(row, targets.view(np.uint32), delays, group, order)


@njit(cache=True, nogil=True)
def _order(offsets, group, n_groups):
    """The order of synapses by row, then group, then as they were."""
    order = np.empty(group.shape[0], np.int64)
    place = np.empty(n_groups + 1, np.int64)
    for i in range(offsets.shape[0] - 1):
        place[:] = 0
        for e in range(offsets[i], offsets[i + 1]):
            place[group[e] + 1] += 1
        place[0] = offsets[i]
        for g in range(n_groups):
            place[g + 1] += place[g]
        for e in range(offsets[i], offsets[i + 1]):
            order[place[group[e]]] = e
            place[group[e]] += 1
    return order


@njit(cache=True, nogil=True)
def _segments(offsets, targets, group, n_groups, starts):
    n_threads = starts.shape[0] - 1
    row = np.empty((offsets.shape[0] - 1) * n_groups * n_threads + 1, np.int64)
    segment = 0
    for i in range(offsets.shape[0] - 1):
        e = offsets[i]
        for g in range(n_groups):
            for thread in range(n_threads):
                row[segment] = e
                segment += 1
                while e < offsets[i + 1] and targets[e] < starts[thread + 1] and (n_groups == 1 or group[e] == g):
                    e += 1
    row[segment] = offsets[-1]
    return row
