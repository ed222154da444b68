"""How projections connect. A connector is data; `connect` draws offsets and targets (CSR by presynaptic neuron).

The random ones hold nothing but these two arrays while they draw, and follow their distribution exactly.
One 64-bit word of the generator that they are given seeds all their draws.

References: maass2002 (probability that falls with distance).
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuro.seeds import child
from neuro.units import check, param

Rows = tuple[NDArray[np.int64], NDArray[np.int32]]


class Connector(Protocol):
    """How a projection connects."""

    def check(self, n_pre: int, n_post: int) -> None:
        """Raise ValueError if populations of these sizes cannot be connected so."""
        ...

    def n_synapses(self, n_pre: int, n_post: int) -> float:
        """The number of synapses, or its mean; for a forecast of memory."""
        ...

    def connect(self, n_pre: int, n_post: int, rng: np.random.Generator) -> Rows:
        """Offsets [n_pre + 1] and targets: neuron i reaches targets[offsets[i] : offsets[i + 1]], which rise."""
        ...


@dataclass(frozen=True)
class Dense:
    """All to all. Its weights are one matrix w_JI."""

    def check(self, n_pre, n_post):
        pass

    def n_synapses(self, n_pre, n_post):
        return n_pre * n_post

    def connect(self, n_pre, n_post, rng):
        return np.arange(n_pre + 1) * n_post, np.tile(np.arange(n_post, dtype=np.int32), n_pre)


@dataclass(frozen=True)
class OneToOne:
    """Neuron i to neuron i, between populations of one size."""

    def check(self, n_pre, n_post):
        if n_pre != n_post:
            raise ValueError(f"one-to-one needs populations of one size, got {n_pre} and {n_post}")

    def n_synapses(self, n_pre, n_post):
        return n_pre

    def connect(self, n_pre, n_post, rng):
        return np.arange(n_pre + 1), np.arange(n_post, dtype=np.int32)


@dataclass(frozen=True)
class FixedProbability:
    """Each pair is connected with probability p, independently of all others.

    autapses: whether a neuron may connect to itself, where a population projects onto itself.
    """

    p: float = param("1", "probability that a pair is connected", minimum=0, maximum=1)
    autapses: bool = True

    def check(self, n_pre, n_post):
        check(self)

    def n_synapses(self, n_pre, n_post):
        return self.p * (n_pre * n_post - (0 if self.autapses else min(n_pre, n_post)))

    def connect(self, n_pre, n_post, rng):
        from neuro.connector_kernels import bernoulli

        nowhere = np.empty((n_pre, 0)), np.empty((n_post, 0)), np.empty(0)
        return bernoulli(_seed(rng), float(self.p), *nowhere, self.autapses)


@dataclass(frozen=True)
class FixedInDegree:
    """Each postsynaptic neuron receives from k presynaptic ones, all different, every choice equally likely.

    autapses: whether a neuron may connect to itself, where a population projects onto itself.
    """

    k: int = param("1", "number of presynaptic partners of a neuron", minimum=0)
    autapses: bool = True

    def check(self, n_pre, n_post):
        _check_degree(self, "in-degree", n_pre, "presynaptic")

    def n_synapses(self, n_pre, n_post):
        return self.k * n_post

    def connect(self, n_pre, n_post, rng):
        from neuro.connector_kernels import in_degree

        return in_degree(_seed(rng), int(self.k), n_pre, n_post, self.autapses)


@dataclass(frozen=True)
class FixedOutDegree:
    """Each presynaptic neuron sends to k postsynaptic ones, all different, every choice equally likely.

    autapses: whether a neuron may connect to itself, where a population projects onto itself.
    """

    k: int = param("1", "number of postsynaptic partners of a neuron", minimum=0)
    autapses: bool = True

    def check(self, n_pre, n_post):
        _check_degree(self, "out-degree", n_post, "postsynaptic")

    def n_synapses(self, n_pre, n_post):
        return self.k * n_pre

    def connect(self, n_pre, n_post, rng):
        from neuro.connector_kernels import out_degree

        return out_degree(_seed(rng), int(self.k), n_pre, n_post, self.autapses)


@dataclass(frozen=True, eq=False)
class DistanceDependent:
    """Each pair is connected with probability c exp(-(distance / length)^2), independently of all others.

    The rule of maass2002. positions_pre, positions_post: one row of 1 to 3 coordinates a neuron, in one unit
    with length. periodic: sides of the box beyond which space repeats, one a dimension; None: no such box.
    autapses: as above. The time it takes grows with c times the number of pairs, not with that of synapses.
    """

    positions_pre: NDArray[Any]
    positions_post: NDArray[Any]
    c: float = param("1", "probability at distance 0", minimum=0, maximum=1)
    length: float = param("1", "distance at which it has fallen to c / e, in the unit of the positions", above=0)
    periodic: tuple[float, ...] | None = None
    autapses: bool = True

    def check(self, n_pre, n_post):
        """ValueError unless there is a position for every neuron and distances have a meaning."""
        check(self)
        for name, n in (("positions_pre", n_pre), ("positions_post", n_post)):
            x = np.asarray(getattr(self, name))
            if x.ndim != 2 or x.shape[0] != n or not 1 <= x.shape[1] <= 3:
                raise ValueError(
                    f"{name} has shape {x.shape}; give {n} rows of 1 to 3 coordinates, one row a neuron, as in ({n}, 3)"
                )
            if not np.isfinite(x).all():
                row = int(np.flatnonzero(~np.isfinite(x).all(1))[0])
                raise ValueError(f"{name}[{row}] = {x[row]} is not finite; give finite coordinates")
        d_pre, d_post = np.shape(self.positions_pre)[1], np.shape(self.positions_post)[1]
        if d_pre != d_post:
            raise ValueError(f"positions have {d_pre} coordinates before and {d_post} after; give as many for both")
        sides = self.periodic
        if sides is not None and (np.shape(sides) != (d_pre,) or not all(0 < side < np.inf for side in sides)):
            raise ValueError(f"periodic = {sides}: give {d_pre} positive sides, one a dimension, or None")

    def n_synapses(self, n_pre, n_post):
        """Estimated from at most 100 presynaptic neurons; autapses count."""
        from neuro.connector_kernels import distance_probability

        x_pre, x_post, sides = self._scaled()
        some = child(0, "n_synapses").choice(n_pre, min(n_pre, 100), replace=False)
        return self.c * distance_probability(x_pre[some], x_post, sides) * n_pre / len(some)

    def connect(self, n_pre, n_post, rng):
        from neuro.connector_kernels import bernoulli

        return bernoulli(_seed(rng), float(self.c), *self._scaled(), self.autapses)

    def _scaled(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Positions and sides in units of length; a side of 0 means no border."""
        x_pre, x_post = (np.array(x, float, order="C") for x in (self.positions_pre, self.positions_post))
        sides = np.zeros(x_pre.shape[1]) if self.periodic is None else np.array(self.periodic, float)
        return x_pre / self.length, x_post / self.length, sides / self.length


@dataclass(frozen=True, eq=False)
class FromArrays:
    """The pairs (sources[n], targets[n]), each at most once. An array of weights follows their order."""

    sources: ArrayLike
    targets: ArrayLike

    def check(self, n_pre, n_post):
        """ValueError unless every source and target is the number of a neuron."""
        sources, targets = _whole(self.sources, "sources"), _whole(self.targets, "targets")
        if len(sources) != len(targets):
            raise ValueError(f"{len(sources)} sources and {len(targets)} targets; a pair has one of each")
        for name, numbers, n in (("source", sources, n_pre), ("target", targets, n_post)):
            if numbers.size and not (numbers.min() >= 0 and numbers.max() < n):
                wrong = int(np.flatnonzero((numbers < 0) | (numbers >= n))[0])
                raise ValueError(f"{name} {numbers[wrong]} of pair {wrong} does not exist; give 0 to {n - 1}")
        order = self.order(n_pre, n_post)
        repeats = _is_repeated(sources, order) & _is_repeated(targets, order)
        if repeats.any():
            first = order[np.argmax(repeats)]
            raise ValueError(
                f"pair {sources[first]} -> {targets[first]} appears more than once; give each once, or add the weights"
            )

    def n_synapses(self, n_pre, n_post):
        return np.size(self.sources)

    def connect(self, n_pre, n_post, rng):
        from neuro.connector_kernels import pick

        offsets = np.zeros(n_pre + 1, np.int64)
        np.cumsum(np.bincount(_whole(self.sources, "sources"), minlength=n_pre), out=offsets[1:])
        return offsets, pick(_whole(self.targets, "targets"), self.order(n_pre, n_post))

    def order(self, n_pre: int, n_post: int) -> NDArray[Any]:
        """The place of each synapse among the pairs given."""
        from neuro.connector_kernels import order_by

        sources, targets = _whole(self.sources, "sources"), _whole(self.targets, "targets")
        order = np.arange(len(sources), dtype=np.int32 if len(sources) < 2**31 else np.int64)
        by_target = np.empty_like(order)
        order_by(targets, n_post, order, by_target)
        order_by(sources, n_pre, by_target, order)
        return order


@dataclass(frozen=True, eq=False)
class FromSparse:
    """The entries of a scipy.sparse matrix, post x pre, also those that are stored as 0.

    The entries are the weights too, where none are given; an array of weights follows `matrix.tocoo()`.
    """

    matrix: Any

    def check(self, n_pre, n_post):
        if not hasattr(self.matrix, "tocoo"):
            raise ValueError(f"{type(self.matrix).__name__} is no sparse matrix; give one of scipy.sparse, post x pre")
        if self.matrix.shape != (n_post, n_pre):
            raise ValueError(f"matrix has shape {self.matrix.shape}; give post x pre, {(n_post, n_pre)}")
        self.pairs().check(n_pre, n_post)

    def n_synapses(self, n_pre, n_post):
        return self.matrix.nnz

    def connect(self, n_pre, n_post, rng):
        return self.pairs().connect(n_pre, n_post, rng)

    def order(self, n_pre: int, n_post: int) -> NDArray[Any]:
        return self.pairs().order(n_pre, n_post)

    def pairs(self) -> FromArrays:
        coo = self.matrix.tocoo()
        return FromArrays(coo.col, coo.row)

    def weights(self) -> NDArray[Any]:
        return self.matrix.tocoo().data


def _seed(rng: np.random.Generator) -> np.uint64:
    return rng.integers(2**64, dtype=np.uint64)


def _check_degree(connector: FixedInDegree | FixedOutDegree, what: str, n: int, side: str) -> None:
    check(connector)
    k, n_choices = connector.k, n if connector.autapses else n - 1
    if k != int(k):
        raise ValueError(f"{what} {k} is not a whole number; use {int(k)} or {int(k) + 1}")
    if k > n_choices:
        raise ValueError(f"{what} {k} is more than the {n_choices} {side} neurons that can be chosen; use fewer")


def _whole(numbers: ArrayLike, name: str) -> NDArray[Any]:
    array = np.asarray(numbers)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(f"{name} have shape {array.shape} and dtype {array.dtype}; give whole numbers, one a pair")
    return array if array.dtype in (np.int32, np.int64) else array.astype(np.int64)


def _is_repeated(numbers: NDArray[Any], order: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether each number, in this order, is followed by the same again."""
    ordered = numbers[order]
    return ordered[:-1] == ordered[1:]
