"""Networks are data: populations, projections between them, and their weights.

All checks happen at construction; a Network that exists can be run. Weights are a plain dict beside it:
a projection called "pre->post" has either w_JI (post x pre, where the connector is Dense) or Synapses.

Axes: I presynaptic neuron, J postsynaptic neuron.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neuro import memory, poisson
from neuro.connectors import Connector, Dense, FromArrays, FromSparse
from neuro.neurons import Model
from neuro.plasticity import Rule, interval_steps
from neuro.plasticity.tsodyks_markram import TsodyksMarkram
from neuro.seeds import child
from neuro.units import check, param, steps, unknown


@dataclass(frozen=True)
class Source:
    """The model of a population that is driven from outside: by Events, or by values for direct current."""

    graded = False


@dataclass(frozen=True)
class PoissonSource:
    """The model of a population whose spikes the backend draws: in each step independently, with rate * dt.

    So there is at most one spike a neuron and step, and the mean rate is exact.
    """

    rate: float = param("Hz", "rate of each neuron, one number or one a neuron", minimum=0)
    graded: ClassVar[bool] = False

    def probability(self, dt: float) -> Any:
        """Of a spike in a step of dt (ms)."""
        return np.asarray(self.rate) * dt / 1000.0


@dataclass(frozen=True)
class Population:
    """`size` neurons of one model. Any parameter of the model may be an array, one value a neuron."""

    name: str
    size: int
    model: Model | Source | PoissonSource

    @property
    def is_source(self) -> bool:
        """Whether it only sends."""
        return isinstance(self.model, Source | PoissonSource)


class Synapses(NamedTuple):
    """Sparse connectivity with its weights, ordered by presynaptic neuron (CSR).

    offsets: int64 [n_pre + 1]; neuron i owns synapses offsets[i] to offsets[i + 1].
    targets: int32, postsynaptic neuron of each synapse, rising within a row. weights: one a synapse.
    delays: uint16, steps of dt, one a synapse; None: the projection's delay for all.
    """

    offsets: NDArray[np.int64]
    targets: NDArray[np.int32]
    weights: Any
    delays: NDArray[np.uint16] | None = None

    @property
    def sources(self) -> NDArray[np.int64]:
        """Presynaptic neuron of each synapse."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))


@dataclass(frozen=True)
class Projection:
    """Synapses from one population to another.

    delay: ms, a multiple of dt; the least one where synapses have delays of their own (see `connect`).
    rule: how the weights change when a simulation is plastic. modulator: name of a graded population of
    size 1 whose output is the rule's third factor. receptor: which input of the postsynaptic model it
    reaches; None: its first. short_term: how what a spike carries depends on the spikes before it.
    """

    pre: str
    post: str
    connect: Connector
    delay: float = 0.0
    rule: Rule | None = None
    modulator: str | None = None
    receptor: str | None = None
    short_term: TsodyksMarkram | None = None

    @property
    def name(self) -> str:
        return f"{self.pre}->{self.post}"


@dataclass(frozen=True)
class PoissonDrive:
    """Poisson spikes for every neuron of a population, independent of each other, drawn by the backend.

    It stands for a background of `rate` Hz in all, each spike of which has one weight (in the unit of what
    arrives). receptor: which input of the model it reaches; None: its first.
    """

    post: str
    rate: float = param("Hz", "rate of all spikes that a neuron receives", minimum=0)
    weight: float = param("1", "weight of each, in the unit of what arrives")
    receptor: str | None = None

    def mean(self, dt: float) -> float:
        """Spikes a neuron and step of dt (ms)."""
        return self.rate * dt / 1000.0


@dataclass(frozen=True)
class Network:
    """Populations, projections and background drives, stepped by dt (ms). Every check happens here, once."""

    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    dt: float
    drives: tuple[PoissonDrive, ...] = ()

    def __post_init__(self) -> None:
        if not (math.isfinite(self.dt) and self.dt > 0):
            raise ValueError(f"dt = {self.dt} ms must be finite and positive")
        names = [population.name for population in self.populations]
        for name in names:
            if names.count(name) > 1 or not name or "->" in name or "." in name:
                raise ValueError(f"population name {name!r} must be unique, not empty, without '->' or '.'")
        for population in self.populations:
            _check_population(population, self.dt)
        projections = [projection.name for projection in self.projections]
        for projection in self.projections:
            if projections.count(projection.name) > 1:
                raise ValueError(f"projection {projection.name!r} appears twice; merge the two into one")
            _check_projection(projection, self)
        for drive in self.drives:
            if [self.receptor(other) for other in self.drives if other.post == drive.post].count(
                self.receptor(drive)
            ) > 1:
                raise ValueError(f"population {drive.post!r} has two drives at one receptor; add their rates up")
            check(drive)
            poisson.thresholds(drive.mean(self.dt))
        update_order(self)

    def population(self, name: str) -> Population:
        for population in self.populations:
            if population.name == name:
                return population
        raise ValueError(unknown("population", name, [population.name for population in self.populations]))

    def receptor(self, incoming: "Projection | PoissonDrive") -> str:
        """The input of the postsynaptic model that a projection or a drive reaches."""
        post = self.population(incoming.post)
        model: Any = post.model
        if post.is_source:
            raise ValueError(f"{post.name!r} is a source and receives nothing; choose another target")
        if incoming.receptor is not None and incoming.receptor not in model.receptors:
            raise ValueError(f"population {post.name!r}: {unknown('receptor', incoming.receptor, model.receptors)}")
        return incoming.receptor or model.receptors[0]

    def delay_steps(self, projection: Projection) -> int:
        return steps(projection.delay, self.dt, f"Projection {projection.name!r}: delay")


def _check_population(population: Population, dt: float) -> None:
    where = f"Population {population.name!r}"
    if not isinstance(population.size, (int, np.integer)) or population.size < 1:
        raise ValueError(f"{where}: size {population.size!r} must be a positive whole number")
    if isinstance(population.model, Source):
        return
    try:
        check(population.model)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    for name, value in vars(population.model).items():
        shape = np.shape(value) if not isinstance(value, str) else ()
        if shape not in ((), (population.size,)):
            raise ValueError(
                f"{where}: parameter {name} has shape {shape}; give one number, or {population.size} of them"
            )
    if isinstance(population.model, PoissonSource) and np.max(population.model.probability(dt)) > 1.0:
        raise ValueError(f"{where}: at most one spike a step of {dt} ms; give a rate of at most {1000.0 / dt:g} Hz")
    for t_ref in np.atleast_1d(getattr(population.model, "t_ref", 0.0)):
        steps(float(t_ref), dt, f"{where}: refractory period t_ref")


def _check_projection(projection: Projection, net: Network) -> None:
    where = f"Projection {projection.name!r}"
    pre, post = net.population(projection.pre), net.population(projection.post)
    net.delay_steps(projection)
    try:
        net.receptor(projection)
        projection.connect.check(pre.size, post.size)
        if pre is not post and not getattr(projection.connect, "autapses", True):
            raise ValueError(f"autapses=False, but {pre.name!r} and {post.name!r} share no neuron; leave it out")
        if projection.rule is not None:
            check(projection.rule)
            interval_steps(projection.rule, net.dt)
        if projection.short_term is not None:
            check(projection.short_term)
            if pre.model.graded:
                raise ValueError(f"{pre.name!r} sends graded values, and short_term needs spikes; leave it out")
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    if projection.modulator is not None:
        modulator = net.population(projection.modulator)
        if not modulator.model.graded or modulator.size != 1:
            raise ValueError(f"{where}: modulator {modulator.name!r} must be one graded neuron")
        if projection.rule is None:
            raise ValueError(f"{where}: a modulator needs a rule to act on; give rule=...")


def update_order(net: Network) -> list[Population]:
    """The order in which populations advance: zero-delay projections run from earlier to later."""
    blockers = {population.name: set() for population in net.populations}
    for projection in net.projections:
        if net.delay_steps(projection) == 0:
            blockers[projection.post].add(projection.pre)
    order: list[Population] = []
    while len(order) < len(net.populations):
        done = {population.name for population in order}
        ready = [p for p in net.populations if p.name not in done and blockers[p.name] <= done]
        if not ready:
            stuck = sorted(set(blockers) - done)
            raise ValueError(
                f"zero-delay projections form a cycle through {stuck}; give one of them a delay >= dt = {net.dt} ms"
            )
        order.append(ready[0])
    return order


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
        n_post, n_pre = given.shape
        given = Synapses(
            np.arange(n_pre + 1) * n_post, np.tile(np.arange(n_post, dtype=np.int32), n_pre), given.T.ravel()
        )
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
