"""Networks are data: populations, projections between them, and their weights.

All checks happen at construction; a Network that exists can be run. Weights are a plain dict beside it:
a projection called "pre->post" has either w_JI (post x pre, where the connector is Dense) or Synapses.

Axes: I presynaptic neuron, J postsynaptic neuron.
"""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neuro import poisson
from neuro.connectors import Connector, Dense
from neuro.neurons import Model
from neuro.plasticity import Rule, interval_steps
from neuro.plasticity.tsodyks_markram import ShortTerm
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


def all_to_all(w_JI: Any) -> Synapses:
    """The synapses of a whole matrix."""
    n_post, n_pre = w_JI.shape
    return Synapses(*Dense().connect(n_pre, n_post, None), w_JI.T.ravel())


@dataclass(frozen=True)
class Projection:
    """Synapses from one population to another.

    delay: ms, a multiple of dt; the least one where synapses have delays of their own (see `connect`).
    rule: how the weights change when a simulation is plastic. modulator: name of a graded population of
    size 1 whose output is the rule's third factor, and whose gliotransmitter a tripartite synapse binds. receptor:
    which input of the postsynaptic model it reaches; None: its first. short_term: how what a spike carries depends
    on the spikes before it.
    """

    pre: str
    post: str
    connect: Connector
    delay: float = 0.0
    rule: Rule | None = None
    modulator: str | None = None
    receptor: str | None = None
    short_term: ShortTerm | None = None

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
            _check_scalars(drive)
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
    _check_reset(population.model, dt, where)


def _check_reset(model: Any, dt: float, where: str) -> None:
    """ValueError if a neuron would fire in each step of its refractory period, in which v is held at v_reset.

    A model with a coefficient `below` takes that for v - v_th then, and cannot.
    """
    if not {"t_ref", "v_reset", "v_th"} <= vars(model).keys() or hasattr(model.coefficients(dt), "below"):
        return
    t_ref, v_reset, v_th = (
        np.asarray(getattr(value, "detach", lambda value=value: value)())
        for value in (model.t_ref, model.v_reset, model.v_th)
    )
    if np.any((t_ref > 0) & (v_reset >= v_th)):
        raise ValueError(
            f"{where}: v_reset = {np.max(v_reset):g} mV is not below v_th = {np.min(v_th):g} mV, so that a refractory"
            " neuron would fire in every step; lower v_reset, or give t_ref = 0"
        )


def _check_scalars(part: Any) -> None:
    """ValueError if a rule, a short_term or a drive has an array for a parameter: they have one number for all."""
    for name, value in vars(part).items():
        if getattr(value, "ndim", 0):
            raise ValueError(f"{type(part).__name__}.{name} has shape {tuple(value.shape)}; give one number")


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
            _check_scalars(projection.rule)
            for end, does in ((pre, "sends"), (post, "computes")):
                if end.model.graded:
                    raise ValueError(f"{end.name!r} {does} graded values, and a rule needs spikes; leave it out")
            interval_steps(projection.rule, net.dt)
        if projection.short_term is not None:
            check(projection.short_term)
            _check_scalars(projection.short_term)
            if pre.model.graded:
                raise ValueError(f"{pre.name!r} sends graded values, and short_term needs spikes; leave it out")
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    if projection.modulator is not None:
        modulator = net.population(projection.modulator)
        if not modulator.model.graded or modulator.size != 1:
            raise ValueError(f"{where}: modulator {modulator.name!r} must be one graded neuron")
        _check_modulation(projection, modulator.model, where)


def _check_modulation(projection: Projection, modulator: Any, where: str) -> None:
    field = projection.short_term.MODULATOR if projection.short_term is not None else ""
    if projection.rule is None and not field:
        raise ValueError(
            f"{where}: a modulator needs a rule to act on, or a short_term that it changes; give one of them"
        )
    if field and field not in modulator.State._fields:
        raise ValueError(
            f"{where}: short_term reads {field!r} of the modulator {projection.modulator!r}, which has only"
            f" {', '.join(modulator.State._fields)}; take an astrocyte"
        )


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
