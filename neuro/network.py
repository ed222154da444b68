"""Networks are data: populations, projections between them, and how these connect.

All checks happen at construction; a Network that exists can be run. Weights are a plain dict beside it:
a projection called "pre->post" has either w_JI (post x pre, where the connector is Dense) or Synapses.

Axes: I presynaptic neuron, J postsynaptic neuron.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from neuro.neurons import Model
from neuro.plasticity import Rule
from neuro.seeds import child
from neuro.units import check, param, steps, unknown


@dataclass(frozen=True)
class Source:
    """The model of a population that is driven from outside: by Events, or by values for direct current."""

    graded = False


@dataclass(frozen=True)
class Population:
    """`size` neurons of one model. Any parameter of the model may be an array, one value a neuron."""

    name: str
    size: int
    model: Model | Source


class Synapses(NamedTuple):
    """Sparse connectivity with its weights, ordered by presynaptic neuron (CSR).

    offsets: int64 [n_pre + 1]; neuron i owns synapses offsets[i] to offsets[i + 1].
    targets: int32, postsynaptic neuron of each synapse, rising within a row. weights: one a synapse.
    """

    offsets: NDArray[np.int64]
    targets: NDArray[np.int32]
    weights: Any

    @property
    def sources(self) -> NDArray[np.int64]:
        """Presynaptic neuron of each synapse."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))


class Connector(Protocol):
    """How a projection connects."""

    def check(self, n_pre: int, n_post: int) -> None:
        """Raise ValueError if populations of these sizes cannot be connected so."""
        ...

    def connect(self, n_pre: int, n_post: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Offsets and targets, as in Synapses."""
        ...


@dataclass(frozen=True)
class Dense:
    """All to all. Its weights are one matrix w_JI."""

    def check(self, n_pre, n_post):
        pass

    def connect(self, n_pre, n_post, rng):
        targets = np.tile(np.arange(n_post, dtype=np.int32), n_pre)
        return np.arange(n_pre + 1) * n_post, targets


@dataclass(frozen=True)
class OneToOne:
    """Neuron i to neuron i, between populations of one size."""

    def check(self, n_pre, n_post):
        if n_pre != n_post:
            raise ValueError(f"one-to-one needs populations of one size, got {n_pre} and {n_post}")

    def connect(self, n_pre, n_post, rng):
        return np.arange(n_pre + 1), np.arange(n_post, dtype=np.int32)


@dataclass(frozen=True)
class FixedProbability:
    """Each pair is connected with probability p, independently of all others."""

    p: float = param("1", "probability that a pair is connected", minimum=0, maximum=1)

    def check(self, n_pre, n_post):
        check(self)

    def connect(self, n_pre, n_post, rng):
        n_pairs = n_pre * n_post
        pairs = np.arange(n_pairs) if self.p == 1.0 else _bernoulli(n_pairs, self.p, rng)
        offsets = np.searchsorted(pairs, np.arange(n_pre + 1) * n_post)
        return offsets.astype(np.int64), (pairs % n_post).astype(np.int32)


@dataclass(frozen=True)
class FixedInDegree:
    """Each postsynaptic neuron receives from k presynaptic ones, all different, drawn uniformly."""

    k: int = param("1", "number of presynaptic partners of a neuron", minimum=0)

    def check(self, n_pre, n_post):
        check(self)
        if self.k > n_pre:
            raise ValueError(f"in-degree {self.k} is more than the {n_pre} presynaptic neurons; use fewer")

    def connect(self, n_pre, n_post, rng):
        pre = np.concatenate([rng.choice(n_pre, self.k, replace=False) for _ in range(n_post)])
        post = np.repeat(np.arange(n_post), self.k)
        order = np.lexsort((post, pre))
        offsets = np.searchsorted(pre[order], np.arange(n_pre + 1))
        return offsets.astype(np.int64), post[order].astype(np.int32)


def _bernoulli(n: int, p: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """The successes among n Bernoulli trials, drawn through the geometric gaps between them."""
    found, last = [np.empty(0, np.int64)], -1
    while p > 0 and last < n:
        gaps = rng.geometric(p, size=int((n - last) * p + 10 * math.sqrt((n - last) * p) + 10))
        gaps = np.minimum(gaps, n + 1)  # their sum must not overflow where p is tiny
        places = last + np.cumsum(gaps)
        found.append(places[places < n])
        last = int(places[-1])
    return np.concatenate(found)


@dataclass(frozen=True)
class Projection:
    """Synapses from one population to another.

    delay: ms, a multiple of dt, the same for all synapses. rule: how the weights change when a
    simulation is plastic. modulator: name of a graded population of size 1 whose output is the rule's
    third factor. receptor: which input of the postsynaptic model it reaches; None: its first.
    """

    pre: str
    post: str
    connect: Connector
    delay: float = 0.0
    rule: Rule | None = None
    modulator: str | None = None
    receptor: str | None = None

    @property
    def name(self) -> str:
        return f"{self.pre}->{self.post}"


@dataclass(frozen=True)
class Network:
    """Populations and projections, stepped by dt (ms). Every check happens here, once."""

    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    dt: float

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
        update_order(self)

    def population(self, name: str) -> Population:
        for population in self.populations:
            if population.name == name:
                return population
        raise ValueError(unknown("population", name, [population.name for population in self.populations]))

    def receptor(self, projection: Projection) -> str:
        """The input of the postsynaptic model that a projection reaches."""
        model: Any = self.population(projection.post).model
        return projection.receptor or model.receptors[0]

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
    for t_ref in np.atleast_1d(getattr(population.model, "t_ref", 0.0)):
        steps(float(t_ref), dt, f"{where}: refractory period t_ref")


def _check_projection(projection: Projection, net: Network) -> None:
    where = f"Projection {projection.name!r}"
    pre, post = net.population(projection.pre), net.population(projection.post)
    if isinstance(post.model, Source):
        raise ValueError(f"{where}: {post.name!r} is a source and receives nothing; choose another target")
    if projection.receptor is not None and projection.receptor not in post.model.receptors:
        raise ValueError(f"{where}: {unknown('receptor', projection.receptor, post.model.receptors)}")
    net.delay_steps(projection)
    try:
        projection.connect.check(pre.size, post.size)
        if projection.rule is not None:
            check(projection.rule)
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


def connect(net: Network, values: Mapping[str, Values], seed: int) -> dict[str, Any]:
    """Draw the connectivity of every projection and give it weights.

    values: projection name -> one number for all synapses, an array (w_JI for Dense, else one a
    synapse), or a function of (generator, number of synapses). The unit is that of what arrives at the
    postsynaptic model, per spike. Returns the weights, float64: w_JI for Dense, else Synapses.
    """
    weights: dict[str, Any] = {}
    for name in values:
        if name not in [projection.name for projection in net.projections]:
            raise ValueError(unknown("projection", name, [p.name for p in net.projections]))
    for projection in net.projections:
        if projection.name not in values:
            raise ValueError(f"projection {projection.name!r} has no weights; give values[{projection.name!r}]")
        n_pre, n_post = net.population(projection.pre).size, net.population(projection.post).size
        value = values[projection.name]
        if isinstance(projection.connect, Dense):
            if callable(value):
                value = value(child(seed, projection.name, "weights"), n_pre * n_post).reshape(n_post, n_pre)
            w_JI = np.asarray(value, float)
            weights[projection.name] = np.full((n_post, n_pre), value, float) if w_JI.ndim == 0 else w_JI
        else:
            rng = child(seed, projection.name, "connectivity")
            offsets, targets = projection.connect.connect(n_pre, n_post, rng)
            if callable(value):
                value = value(child(seed, projection.name, "weights"), len(targets))
            w = np.asarray(value, float)
            w = np.full(len(targets), value, float) if w.ndim == 0 else w
            weights[projection.name] = Synapses(offsets, targets, w)
    check_weights(net, weights)
    return weights


def check_weights(net: Network, weights: Mapping[str, Any]) -> None:
    """Raise ValueError unless every projection has finite weights of its shape."""
    names = {projection.name for projection in net.projections}
    if set(weights) != names:
        wrong = sorted(set(weights) ^ names)
        raise ValueError(f"weights and projections differ in {wrong}; give weights for exactly {sorted(names)}")
    for projection in net.projections:
        given = weights[projection.name]
        n_pre, n_post = net.population(projection.pre).size, net.population(projection.post).size
        if isinstance(projection.connect, Dense):
            found, wanted = tuple(given.shape), (n_post, n_pre)
            numbers = given
        else:
            if not isinstance(given, Synapses):
                raise ValueError(f"Projection {projection.name!r}: weights must be Synapses; use network.connect")
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
