"""Weights and delays of a network: drawing them, checking them, and the memory that they take."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro import memory
from neuro.connectors import Dense, FromArrays, FromSparse
from neuro.network import Network, Population, Projection, Synapses, all_to_all
from neuro.seeds import child
from neuro.units import unknown

Values = float | NDArray | Callable[[np.random.Generator, int], NDArray]


def connect(
    net: Network, values: Mapping[str, Values], seed: int, delays: Mapping[str, Values] | None = None
) -> dict[str, Any]:
    """Draw the connectivity of every projection and give it weights, and delays where synapses differ in them.

    values: projection name -> one number for all synapses, an array (w_JI for Dense, else one a synapse, in
    the order of the pairs given or of rising presynaptic, then postsynaptic neurons), or a function of
    (generator, number of synapses). Only FromSparse needs none. The unit is that of what arrives at the
    postsynaptic model, per spike. delays: projection name -> likewise, in ms, rounded to steps of dt, none below
    the delay of the projection. Returns the weights, float64: w_JI for Dense without delays, else Synapses.
    """
    delays = delays or {}
    for name in [*values, *delays]:
        if name not in [projection.name for projection in net.projections]:
            raise ValueError(unknown("projection", name, [p.name for p in net.projections]))
    for projection in net.projections:
        if projection.name not in values and not isinstance(projection.connect, FromSparse):
            raise ValueError(f"projection {projection.name!r} has no weights; give values[{projection.name!r}]")
    _demand_memory(net, values)
    weights = {}
    for projection in net.projections:
        weights[projection.name] = _connect(projection, net, values.get(projection.name), seed)
        if projection.name in delays:
            weights[projection.name] = _delay(projection, net, weights[projection.name], delays[projection.name], seed)
    check_weights(net, weights)
    return weights


def _connect(projection: Projection, net: Network, value: Values | None, seed: int) -> Any:
    connector, name = projection.connect, projection.name
    n_pre, n_post = net.population(projection.pre).size, net.population(projection.post).size
    rng = child(seed, name, "weights")
    if isinstance(connector, Dense):
        if callable(value):
            value = np.reshape(value(rng, n_pre * n_post), (n_post, n_pre))
        w_JI = np.asarray(value, float)
        return np.full((n_post, n_pre), value, float) if w_JI.ndim == 0 else w_JI
    offsets, targets = connector.connect(n_pre, n_post, child(seed, name, "connectivity"))
    if value is None and isinstance(connector, FromSparse):
        value = connector.weights()
    return Synapses(offsets, targets, _per_synapse(value, rng, projection, net, len(targets)))


def _per_synapse(value: Any, rng: np.random.Generator, projection: Projection, net: Network, n: int) -> NDArray:
    """One number a synapse, in the order of rising presynaptic, then postsynaptic neurons."""
    connector = projection.connect
    array = np.asarray(value(rng, n) if callable(value) else value, float)
    if array.ndim == 0:
        return np.full(n, array, float)
    if isinstance(connector, FromArrays | FromSparse) and array.shape == (n,):
        return array[connector.order(net.population(projection.pre).size, net.population(projection.post).size)]
    return array


def _delay(projection: Projection, net: Network, given: Any, delays: Values, seed: int) -> Synapses:
    """Synapses with delays of their own; w_JI becomes them."""
    if not isinstance(given, Synapses):
        given = all_to_all(given)
        if not callable(delays) and np.ndim(delays) == 2:
            delays = np.asarray(delays).T.ravel()
    rng = child(seed, projection.name, "delays")
    delays_ms = _per_synapse(delays, rng, projection, net, len(given.targets))
    if not np.isfinite(delays_ms).all():
        raise ValueError(f"projection {projection.name!r}: delays are not finite; give milliseconds")
    in_steps = np.rint(delays_ms / net.dt)
    if in_steps.size and not (in_steps.min() >= net.delay_steps(projection) and in_steps.max() < 2**16):
        raise ValueError(
            f"projection {projection.name!r}: delays lie from {delays_ms.min():g} to {delays_ms.max():g} ms; give"
            f" {projection.delay:g} ms (the least, as Projection.delay says) to {(2**16 - 1) * net.dt:g} ms"
        )
    return given._replace(delays=in_steps.astype(np.uint16))


def memory_estimate(net: Network) -> int:
    """Bytes of the synapses and the state of a network, before it is built; the mean where these are drawn.

    Counts 8 for a weight, and 4 more for the target of a sparse one, the offsets, and 8 for every trace of a
    rule and every field, arrival and output of a neuron. Backends take more: copies of weights that change,
    an index of columns for rules, spikes under way, records; torch_dense makes sparse projections dense.
    """
    return sum(_state_bytes(population) for population in net.populations) + sum(
        _synapse_bytes(projection, net) for projection in net.projections
    )


def _state_bytes(population: Population) -> int:
    model: Any = population.model
    if population.is_source:
        return 0
    return 8 * population.size * (len(model.State._fields) + len(model.receptors) + 1)


def _synapse_bytes(projection: Projection, net: Network) -> int:
    n_pre, n_post = net.population(projection.pre).size, net.population(projection.post).size
    n_synapses = projection.connect.n_synapses(n_pre, n_post)
    rule: Any = projection.rule
    traces = 0 if rule is None else 8 * (len(rule.PreTraces._fields) * n_pre + len(rule.PostTraces._fields) * n_post)
    if isinstance(projection.connect, Dense):
        return round(8 * n_synapses) + traces
    return round(12 * n_synapses) + 8 * (n_pre + 1) + traces


def _demand_memory(net: Network, values: Mapping[str, Values]) -> None:
    """Refuse a network that does not fit into memory. Arrays that are given are there already."""
    if not net.projections:
        return
    given = sum(value.nbytes for value in values.values() if isinstance(value, np.ndarray))
    largest = max(net.projections, key=lambda projection: _synapse_bytes(projection, net))
    memory.demand(
        memory_estimate(net) - given,
        f"projection {largest.name!r} needs {_synapse_bytes(largest, net) / 2**30:.3g} GiB, the whole network",
        "use fewer synapses, or a machine with more memory",
    )


def check_weights(net: Network, weights: Mapping[str, Any]) -> None:
    """Raise ValueError unless every projection has finite weights of its shape."""
    names = {projection.name for projection in net.projections}
    if set(weights) != names:
        wrong = sorted(set(weights) ^ names)
        raise ValueError(f"weights and projections differ in {wrong}; give weights for exactly {sorted(names)}")
    for projection in net.projections:
        given = weights[projection.name]
        n_pre, n_post = net.population(projection.pre).size, net.population(projection.post).size
        if not isinstance(given, Synapses):
            if not isinstance(projection.connect, Dense):
                raise ValueError(f"Projection {projection.name!r}: weights must be Synapses; use network.connect")
            found, wanted = tuple(given.shape), (n_post, n_pre)
            numbers = given
        else:
            found = (len(given.offsets) - 1, len(given.weights), int(given.offsets[-1]))
            wanted = (n_pre, len(given.targets), len(given.targets))
            numbers = given.weights
        if found != wanted:
            raise ValueError(
                f"Projection {projection.name!r}: weights have shape {found}, the network needs {wanted}"
                f" (post x pre for Dense); transpose them or change the populations"
            )
        if isinstance(given, Synapses):
            _check_synapses(given, n_post, f"Projection {projection.name!r}")
            _check_delays(given, net.delay_steps(projection), f"Projection {projection.name!r}")
        finite = np.isfinite(numbers) if isinstance(numbers, np.ndarray) else numbers.isfinite()
        if not finite.all():
            raise ValueError(f"Projection {projection.name!r}: weights are not finite; look at how they were made")


def _check_synapses(synapses: Synapses, n_post: int, where: str) -> None:
    offsets, targets = np.asarray(synapses.offsets), np.asarray(synapses.targets)
    if offsets[0] != 0 or np.any(np.diff(offsets) < 0):
        raise ValueError(f"{where}: offsets must rise from 0 to the number of synapses, {len(targets)}")
    if targets.size and not (targets.min() >= 0 and targets.max() < n_post):
        raise ValueError(f"{where}: targets lie from {targets.min()} to {targets.max()}; there are {n_post} neurons")
    rises = np.diff(targets) > 0
    rises[offsets[1:-1][(offsets[1:-1] > 0) & (offsets[1:-1] < len(targets))] - 1] = True
    if not rises.all():
        raise ValueError(f"{where}: targets must rise within a row, each at most once; sort them, or add the weights")


def _check_delays(synapses: Synapses, least: int, where: str) -> None:
    delays = synapses.delays
    if delays is None:
        return
    if delays.shape != synapses.targets.shape or delays.dtype != np.uint16:
        raise ValueError(
            f"{where}: delays must be uint16, one a synapse ({len(synapses.targets)}); use network.connect"
        )
    if delays.size and delays.min() < least:
        raise ValueError(f"{where}: a delay of {delays.min()} steps is below the projection's, {least}; lower that one")
