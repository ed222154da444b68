"""The registry of plasticity rules, and what a rule must offer."""

from typing import Any, ClassVar, Protocol

from neuro.plasticity import stdp, triplet_stdp


class Rule(Protocol):
    """A frozen dataclass of parameters plus scalar functions of one synapse (see stdp.py).

    EQUATIONS, ON_PRE, ON_POST: the same rule a second time, for brian2.
    """

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


RULES = {
    "pair_stdp": stdp.PairSTDP,
    "triplet_stdp": triplet_stdp.TripletSTDP,
}

# Named parameter sets of each rule, each with its source.
SETS = {
    "pair_stdp": stdp.SETS,
    "triplet_stdp": triplet_stdp.SETS,
}
