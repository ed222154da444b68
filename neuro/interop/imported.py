"""What an import returns, and how weights of other tools become projections.

Axes: I presynaptic neuron, J postsynaptic neuron.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neuro.connectors import Dense, FromSparse
from neuro.network import Network, Projection, Synapses


class Imported(NamedTuple):
    """A network that came from elsewhere; `neuro.simulate(net, weights, inputs, initial=initial, ...)` runs it.

    inputs: source population -> shape of what it is given, whose units are numbered in C order. outputs: name of an
    output -> the population whose spikes, or graded output, it is.
    """

    net: Network
    weights: dict[str, Any]
    initial: dict[str, Any]
    inputs: dict[str, tuple[int, ...]]
    outputs: dict[str, str]


def plain(values: Any) -> Any:
    """One number where all are equal, else an array, one a neuron."""
    values = np.asarray(values, float).ravel()
    return float(values[0]) if values.size and np.all(values == values[0]) else values


def projection(pre: str, post: str, by_delay: Mapping[int, Any], dt: float) -> tuple[Projection, Any]:
    """A projection and its weights. by_delay: steps -> scipy.sparse matrix, post x pre.

    ValueError where a pair of neurons is connected with two delays.
    """
    least = min(by_delay)
    if len(by_delay) == 1:
        matrix = by_delay[least].tocsc()
        n_post, n_pre = matrix.shape
        if matrix.nnz == n_post * n_pre:
            return Projection(pre, post, Dense(), delay=least * dt), np.ascontiguousarray(matrix.toarray())
        matrix.sort_indices()
        return Projection(pre, post, FromSparse(matrix), delay=least * dt), _synapses(matrix)
    import scipy.sparse

    parts = {steps: matrix.tocoo() for steps, matrix in by_delay.items()}
    rows = np.concatenate([part.row for part in parts.values()])
    columns = np.concatenate([part.col for part in parts.values()])
    values = np.concatenate([part.data for part in parts.values()])
    steps = np.concatenate([np.full(part.nnz, delay) for delay, part in parts.items()])
    order = np.lexsort((rows, columns))
    rows, columns, values, steps = rows[order], columns[order], values[order], steps[order]
    twice = (np.diff(rows) == 0) & (np.diff(columns) == 0)
    if twice.any():
        pair = int(np.argmax(twice))
        raise ValueError(
            f"{pre!r} reaches {post!r} twice between one pair of neurons ({columns[pair]} -> {rows[pair]}), with delays"
            f" of {steps[pair] * dt:g} and {steps[pair + 1] * dt:g} ms, but a pair has one synapse; put a population in"
            " between"
        )
    matrix = scipy.sparse.csc_array((values, (rows, columns)), shape=next(iter(parts.values())).shape)
    given = _synapses(matrix)._replace(delays=steps.astype(np.uint16))
    return Projection(pre, post, FromSparse(matrix), delay=least * dt), given


def _synapses(matrix: Any) -> Synapses:
    """CSR by presynaptic neuron is the CSC of post x pre."""
    return Synapses(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), np.asarray(matrix.data, float))


def matrix_of(net: Network, projection: Projection, weights: Any) -> NDArray[np.float64]:
    """w_JI of a projection, whatever its connectivity. ValueError where synapses differ in their delays."""
    if not isinstance(weights, Synapses):
        w_JI = weights.detach().cpu().numpy() if hasattr(weights, "detach") else weights
        return np.asarray(w_JI, float)
    if weights.delays is not None and len(weights.delays) and np.any(weights.delays != weights.delays[0]):
        raise ValueError(
            f"projection {projection.name!r}: synapses differ in their delays, and other tools have one for all; split"
            " the population by delays"
        )
    w_JI = np.zeros((net.population(projection.post).size, net.population(projection.pre).size))
    w_JI[weights.targets, weights.sources] = weights.weights
    return w_JI
