"""The registry of plasticity rules, and what a rule must offer."""

from typing import Any, ClassVar, Protocol

from neuro.plasticity import activity_stdp, liquid_stdp, modulated_stdp, post_stdp, scaled_stdp, stdp, triplet_stdp
from neuro.units import steps


class Rule(Protocol):
    """A frozen dataclass of parameters plus scalar functions of one synapse (see stdp.py).

    Synapse: what a synapse holds, the weight w first. A rule with a field `interval` (ms) also has a function
    on_interval(s, y, m, c) -> Synapse, which acts on all its synapses at the end of every interval.
    EQUATIONS, ON_PRE, ON_POST (and ON_INTERVAL): the same rule a second time, for brian2.
    """

    Synapse: ClassVar[Any]
    PreTraces: ClassVar[Any]
    PostTraces: ClassVar[Any]
    decay_pre: ClassVar[Any]
    decay_post: ClassVar[Any]
    spike_pre: ClassVar[Any]
    spike_post: ClassVar[Any]
    on_pre: ClassVar[Any]
    on_post: ClassVar[Any]
    EQUATIONS: ClassVar[str]
    ON_PRE: ClassVar[str]
    ON_POST: ClassVar[str]

    @property
    def source(self) -> str: ...
    def coefficients(self, dt: float) -> Any: ...


def interval_steps(rule: Any, dt: float) -> int:
    """Steps between two calls of a rule's on_interval; 0 if it has none."""
    if not hasattr(rule, "on_interval"):
        return 0
    found = steps(rule.interval, dt, f"{type(rule).__name__}: interval")
    if found < 1:
        raise ValueError(f"{type(rule).__name__}: interval {rule.interval} ms must be at least dt = {dt} ms")
    return found


RULES = {
    "pair_stdp": stdp.PairSTDP,
    "triplet_stdp": triplet_stdp.TripletSTDP,
    "modulated_stdp": modulated_stdp.ModulatedSTDP,
    "scaled_stdp": scaled_stdp.ScaledSTDP,
    "post_stdp": post_stdp.PostSTDP,
    "liquid_stdp": liquid_stdp.LiquidSTDP,
    "activity_stdp": activity_stdp.ActivitySTDP,
}

# Named parameter sets of each rule, each with its source.
SETS = {
    "pair_stdp": stdp.SETS,
    "triplet_stdp": triplet_stdp.SETS,
    "modulated_stdp": modulated_stdp.SETS,
    "scaled_stdp": scaled_stdp.SETS,
    "post_stdp": post_stdp.SETS,
    "liquid_stdp": liquid_stdp.SETS,
    "activity_stdp": activity_stdp.SETS,
}
