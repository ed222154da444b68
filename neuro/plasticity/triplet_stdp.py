"""Triplet spike-timing-dependent plasticity, all to all.

    two traces a side:  dx/dt = -x / tau_pre   dx_slow/dt = -x_slow / tau_pre_slow    (likewise y, y_slow)
    a presynaptic spike arrives:    w <- w - m w_max y (a2_minus + a3_minus x_slow),  x <- x + 1, x_slow <- x_slow + 1
    the postsynaptic neuron fires:  w <- w + m w_max x (a2_plus + a3_plus y_slow),    y <- y + 1, y_slow <- y_slow + 1

The slow traces are read before the spike's own contribution (the publication's t - epsilon). Of a pair that
coincides, the presynaptic spike is the earlier. w stays in [0, w_max]. m is the third factor.

References: pfister2006, eqs. 1-4 (there r1, r2, o1, o2 for x, x_slow, y, y_slow).
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from neuro.dialect import maximum, minimum
from neuro.units import decay, param, reference


class Synapse(NamedTuple):
    w: float  # weight


class PreTraces(NamedTuple):
    x: float
    x_slow: float


class PostTraces(NamedTuple):
    y: float
    y_slow: float


class TripletSTDPCoefficients(NamedTuple):
    p_pre: float
    p_pre_slow: float
    p_post: float
    p_post_slow: float
    a2_plus: float  # times w_max, as are the other three
    a2_minus: float
    a3_plus: float
    a3_minus: float
    w_min: float
    w_max: float
    one: float


def decay_pre(x, c):
    return PreTraces(c.p_pre * x.x, c.p_pre_slow * x.x_slow)


def decay_post(y, c):
    return PostTraces(c.p_post * y.y, c.p_post_slow * y.y_slow)


def spike_pre(x, c):
    return PreTraces(x.x + c.one, x.x_slow + c.one)


def spike_post(y, c):
    return PostTraces(y.y + c.one, y.y_slow + c.one)


def on_pre(s, x, y, m, c):
    """A presynaptic spike arrives. s: Synapse, x: PreTraces, y: PostTraces, m: third factor."""
    return Synapse(maximum(c.w_min, minimum(c.w_max, s.w - m * y.y * (c.a2_minus + c.a3_minus * x.x_slow))))


def on_post(s, x, y, m, c):
    """The postsynaptic neuron fires."""
    return Synapse(maximum(c.w_min, minimum(c.w_max, s.w + m * x.x * (c.a2_plus + c.a3_plus * y.y_slow))))


@dataclass(frozen=True)
class TripletSTDP:
    """Triplet STDP, all to all: potentiation and depression also depend on the spike before the last."""

    tau_pre: float = param("ms", "time constant of the fast presynaptic trace", above=0)
    tau_pre_slow: float = param("ms", "time constant of the slow presynaptic trace", above=0)
    tau_post: float = param("ms", "time constant of the fast postsynaptic trace", above=0)
    tau_post_slow: float = param("ms", "time constant of the slow postsynaptic trace", above=0)
    a2_plus: float = param("1", "potentiation of a pair, relative to w_max", minimum=0)
    a2_minus: float = param("1", "depression of a pair, relative to w_max", minimum=0)
    a3_plus: float = param("1", "potentiation of a post-pre-post triplet, relative to w_max", minimum=0)
    a3_minus: float = param("1", "depression of a pre-post-pre triplet, relative to w_max", minimum=0)
    w_max: float = param("1", "largest weight, in the unit of the weights", above=0)
    source: str = reference()

    Synapse: ClassVar = Synapse
    PreTraces: ClassVar = PreTraces
    PostTraces: ClassVar = PostTraces
    decay_pre: ClassVar = staticmethod(decay_pre)
    decay_post: ClassVar = staticmethod(decay_post)
    spike_pre: ClassVar = staticmethod(spike_pre)
    spike_post: ClassVar = staticmethod(spike_post)
    on_pre: ClassVar = staticmethod(on_pre)
    on_post: ClassVar = staticmethod(on_post)

    EQUATIONS: ClassVar[str] = """
        dx/dt = -x / tau_pre : 1 (event-driven)
        dx_slow/dt = -x_slow / tau_pre_slow : 1 (event-driven)
        dy/dt = -y / tau_post : 1 (event-driven)
        dy_slow/dt = -y_slow / tau_post_slow : 1 (event-driven)
    """
    ON_PRE: ClassVar[str] = """
        w = clip(w - w_max * y * (a2_minus + a3_minus * x_slow), 0, w_max)
        x += 1
        x_slow += 1
    """
    ON_POST: ClassVar[str] = """
        w = clip(w + w_max * x * (a2_plus + a3_plus * y_slow), 0, w_max)
        y += 1
        y_slow += 1
    """

    def coefficients(self, dt: float) -> TripletSTDPCoefficients:
        """All that depends on parameters and dt (ms)."""
        return TripletSTDPCoefficients(
            p_pre=decay(dt, self.tau_pre),
            p_pre_slow=decay(dt, self.tau_pre_slow),
            p_post=decay(dt, self.tau_post),
            p_post_slow=decay(dt, self.tau_post_slow),
            a2_plus=self.a2_plus * self.w_max,
            a2_minus=self.a2_minus * self.w_max,
            a3_plus=self.a3_plus * self.w_max,
            a3_minus=self.a3_minus * self.w_max,
            w_min=0.0,
            w_max=self.w_max,
            one=1.0,
        )


# Table 4, all-to-all, full model fitted to visual cortex; also the defaults of NEST's stdp_triplet_synapse.
# Deviation: the publication has no bounds; w_max of 1 makes the amplitudes relative to it.
VISUAL_CORTEX = TripletSTDP(
    tau_pre=16.8, tau_pre_slow=101.0, tau_post=33.7, tau_post_slow=125.0, a2_plus=5e-10, a2_minus=7e-3, a3_plus=6.2e-3,
    a3_minus=2.3e-4, w_max=1.0, source="pfister2006",
)  # fmt: skip

SETS = {"VISUAL_CORTEX": VISUAL_CORTEX}
