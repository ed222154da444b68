"""Spike-timing-dependent plasticity that acts where the postsynaptic neuron fires, towards a target of the trace.

    dx/dt = -x / tau_pre    a presynaptic spike arrives:    x <- 1,  w <- w - m a_minus w_max y
    dy/dt = -y / tau_post   the postsynaptic neuron fires:  y <- 1,  w <- w + m a_plus (x - x_target) f(w)

    f(w) = w_max - softness w

Inputs that were silent for long before a spike (x < x_target) are depressed by it, all others potentiated; so a
neuron that fires for a pattern comes to resemble it. With a_minus = 0 presynaptic spikes change nothing, and a
simulation has to visit the synapses of the few neurons that fire alone. softness 0 is additive with hard bounds, 1
slows down near w_max. w stays in [0, w_max]. m is the third factor, 1 where there is none. Traces do not add up.

on_pre reads y before a postsynaptic spike of the same step is set, on_post reads x after a presynaptic spike of the
same step was: a pair that coincides counts as causal.

References: diehl2015 (eq. 2, and the rule with presynaptic depression).
Deviation: the paper has (w_max - w)^mu, of which softness 1 is mu = 1 and softness 0 is mu = 0.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from neuro.dialect import maximum, minimum
from neuro.plasticity.stdp import PostTraces, PreTraces, Synapse, decay_post, decay_pre
from neuro.units import decay, param, reference


class PostSTDPCoefficients(NamedTuple):
    p_pre: float  # decay of x over dt
    p_post: float  # decay of y over dt
    a_plus: float
    a_minus: float  # times w_max
    x_target: float
    softness: float
    w_min: float
    w_max: float
    one: float


def spike_pre(x, c):
    return PreTraces(c.one)


def spike_post(y, c):
    return PostTraces(c.one)


def on_pre(s, x, y, m, c):
    """A presynaptic spike arrives. s: Synapse, x: PreTraces, y: PostTraces, m: third factor."""
    return Synapse(maximum(c.w_min, minimum(c.w_max, s.w - m * c.a_minus * y.y)))


def on_post(s, x, y, m, c):
    """The postsynaptic neuron fires."""
    change = m * c.a_plus * (x.x - c.x_target) * (c.w_max - c.softness * s.w)
    return Synapse(maximum(c.w_min, minimum(c.w_max, s.w + change)))


@dataclass(frozen=True)
class PostSTDP:
    """STDP at postsynaptic spikes, towards a target of the presynaptic trace."""

    tau_pre: float = param("ms", "time constant of the presynaptic trace", above=0)
    tau_post: float = param("ms", "time constant of the postsynaptic trace", above=0)
    a_plus: float = param("1", "change at a postsynaptic spike, relative to w_max", minimum=0)
    a_minus: float = param("1", "depression at a presynaptic spike, relative to w_max", minimum=0)
    x_target: float = param("1", "presynaptic trace at which a postsynaptic spike changes nothing", minimum=0)
    w_max: float = param("1", "largest weight, in the unit of the weights", above=0)
    softness: float = param("1", "0: additive, 1: in proportion to the distance from w_max", minimum=0, maximum=1)
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
        dy/dt = -y / tau_post : 1 (event-driven)
    """
    ON_PRE: ClassVar[str] = """
        x = 1
        w = clip(w - a_minus * w_max * y, 0, w_max)
    """
    ON_POST: ClassVar[str] = """
        w = clip(w + a_plus * (x - x_target) * (w_max - softness * w), 0, w_max)
        y = 1
    """

    def coefficients(self, dt: float) -> PostSTDPCoefficients:
        """All that depends on parameters and dt (ms)."""
        return PostSTDPCoefficients(
            p_pre=decay(dt, self.tau_pre),
            p_post=decay(dt, self.tau_post),
            a_plus=self.a_plus,
            a_minus=self.a_minus * self.w_max,
            x_target=self.x_target,
            softness=self.softness,
            w_min=0.0,
            w_max=self.w_max,
            one=1.0,
        )


# Time constants, traces that do not add up, w_max and both rates are those of the authors' program (which has the
# triplet rule), in peter-u-diehl/stdp-mnist. Chosen: x_target and softness, which the paper does not give.
DIEHL_COOK = PostSTDP(
    tau_pre=20.0, tau_post=20.0, a_plus=0.01, a_minus=0.0001, x_target=0.1, w_max=1.0, softness=1.0, source="diehl2015",
)  # fmt: skip

SETS = {"DIEHL_COOK": DIEHL_COOK}
