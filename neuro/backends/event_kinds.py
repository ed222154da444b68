"""What the kernel of the event backend must know of a network, and the names of its arguments.

Networks of the same kinds share a kernel, whatever their sizes and parameters.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PopulationKind:
    """What the kernel must know of a population: p is its place in the order of updating.

    model: None for events that are given, "poisson" for spikes that are drawn.
    per_neuron: names of coefficients given as arrays. keep: fields whose trace is recorded.
    """

    p: int
    model: Any
    coefficients: Any
    per_neuron: frozenset[str]
    keep: tuple[str, ...]
    keep_spikes: bool

    @property
    def given(self) -> bool:
        return self.model is None

    @property
    def drawn(self) -> bool:
        return self.model == "poisson"

    @property
    def is_model(self) -> bool:
        return not (self.given or self.drawn)

    @property
    def adds_to(self) -> dict[str, str]:
        """Fields to which arrivals are added directly, after the step, which saves arrays for them."""
        return getattr(self.model, "ADDS_TO", {})

    def arrivals(self, receptor: str) -> str:
        """The array to which spikes deliver."""
        field = self.adds_to.get(receptor)
        return f"x{self.p}_{receptor}" if field is None else f"all_{field}{self.p}"

    def own_arrivals(self, receptor: str) -> str:
        field = self.adds_to.get(receptor)
        return f"own_x{self.p}_{receptor}" if field is None else f"{field}{self.p}"


@dataclass(frozen=True)
class ProjectionKind:
    """What the kernel must know of a projection: k is its number, pre and post are places in the order."""

    k: int
    pre: int
    post: int
    receptor: str
    constant: bool  # direct current from a source
    uniform: bool  # all weights are equal and stay so
    delays: bool  # synapses differ in their delays
    rule: Any  # None: the weights stay
    coefficients: Any
    modulator: int | None
    interval: bool  # the rule has on_interval
    short_term: Any
    short_term_coefficients: Any
    gliotransmission: str | None  # the array whose first number changes what is released

    @property
    def release_factor(self) -> str:
        """That number as it is before a step, whatever the order in which populations advance."""
        return f"gliotransmission{self.k}" if self.gliotransmission else "zero"

    @property
    def pre_traces(self) -> list[str]:
        """Arrays of the presynaptic neurons, rings of the last steps."""
        return [] if self.rule is None else [f"pre{self.k}_{field}" for field in self.rule.PreTraces._fields]

    @property
    def rings(self) -> list[str]:
        """All arrays that hold the last steps, up to the longest delay."""
        return self.pre_traces + ([f"released{self.k}"] if self.short_term is not None else [])

    @property
    def traces(self) -> list[str]:
        """Arrays of the postsynaptic neurons."""
        return [] if self.rule is None else [f"post{self.k}_{field}" for field in self.rule.PostTraces._fields]

    @property
    def synapse(self) -> list[str]:
        """Arrays of the synapses, the weight first."""
        fields = self.rule.Synapse._fields[1:] if self.rule is not None else ()
        return [f"w{self.k}", *(f"s{self.k}_{field}" for field in fields)]


@dataclass(frozen=True)
class DriveKind:
    """What the kernel must know of a Poisson drive: d is its number, post a place in the order."""

    d: int
    post: int
    receptor: str


def drive_arguments(kind: DriveKind) -> list[str]:
    """Names of the kernel's arguments that belong to one drive."""
    return [f"d{kind.d}_{part}" for part in ("weight", "bounds", "key", "bits", "counts")]


def population_arguments(kind: PopulationKind) -> list[str]:
    """Names of the kernel's arguments that belong to one population."""
    p = kind.p
    if kind.given:
        return [f"units{p}", f"offsets{p}", f"base{p}"]
    names = [f"{name}{p}" for name in ("first", "last", "parts", "size", "depth", "output", "history", "fired")]
    if kind.drawn:
        names += [f"bound{p}", f"key{p}"]
    else:
        names += [f"{field}{p}" for field in kind.model.State._fields]
        names += [f"c{p}_{field}" for field in kind.coefficients._fields]
        names += [f"all_{field}{p}" for field in kind.adds_to.values()]
        if not kind.adds_to:
            names += [f"{own}x{p}_{receptor}" for receptor in kind.model.receptors for own in ("", "own_")]
    names += [f"trace{p}_{field}" for field in kind.keep]
    return names + ([f"spike_steps{p}", f"spike_units{p}", f"n_kept{p}"] if kind.keep_spikes else [])


def projection_arguments(kind: ProjectionKind) -> list[str]:
    """Names of the kernel's arguments that belong to one projection."""
    k = kind.k
    if kind.constant:
        return [f"delay{k}", f"drive{k}", f"drive_events{k}"]
    names = [f"delays{k}", f"row{k}", f"target{k}", *kind.synapse]
    if kind.rings:
        names += [f"ring{k}", f"n_pre{k}", *kind.rings]
    if kind.short_term is not None:
        names += [f"last_sent{k}", *(f"state{k}_{field}" for field in kind.short_term.State._fields)]
        names += [f"q{k}_{field}" for field in kind.short_term_coefficients._fields]
    if kind.rule is not None:
        names += [f"column{k}", f"column_synapse{k}", f"column_pre{k}"]
        names += [f"column_delay{k}"] if kind.delays else []
        names += [f"r{k}_{field}" for field in kind.coefficients._fields]
        names += [f"{own}{trace}" for trace in kind.traces for own in ("", "own_")]
        names += [f"interval{k}"] if kind.interval else []
    return names
