"""Pair-based spike-timing-dependent plasticity.

    dx/dt = -x / tau_pre    a presynaptic spike arrives:    x <- memory x + 1,  w <- w - m a_minus y f_-(w)
    dy/dt = -y / tau_post   the postsynaptic neuron fires:  y <- memory y + 1,  w <- w + m a_plus  x f_+(w)

    f_-(w) = (1 - softness) w_max + softness w          f_+(w) = w_max - softness w

memory 1 counts all pairs, 0 the nearest neighbours alone (both sides: the symmetric scheme). softness 0 is
the additive rule with hard bounds, 1 the multiplicative one. w stays in [0, w_max].
m is the third factor: the output of a modulator population, 1 where there is none.

on_pre reads y before a postsynaptic spike of the same step is added, on_post reads x after a
presynaptic spike of the same step was: a pair that coincides counts as causal.

References: song2000 (additive set), vanrossum2000, gutig2003 (dependence on the weight), morrison2008 (schemes).
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from neuro.dialect import maximum, minimum
from neuro.units import decay, param, reference


class Synapse(NamedTuple):
    w: float  # weight


class PreTraces(NamedTuple):
    x: float  # of spikes that arrived from the presynaptic neuron


class PostTraces(NamedTuple):
    y: float  # of spikes of the postsynaptic neuron


class PairSTDPCoefficients(NamedTuple):
    p_pre: float  # decay of x over dt
    p_post: float  # decay of y over dt
    a_plus: float
    a_minus: float
    memory: float
    softness: float
    hard: float  # (1 - softness) w_max
    w_min: float
    w_max: float
    one: float


def decay_pre(x, c):
    return PreTraces(c.p_pre * x.x)


def decay_post(y, c):
    return PostTraces(c.p_post * y.y)


def spike_pre(x, c):
    return PreTraces(c.memory * x.x + c.one)


def spike_post(y, c):
    return PostTraces(c.memory * y.y + c.one)


def on_pre(s, x, y, m, c):
    """A presynaptic spike arrives. s: Synapse, x: PreTraces, y: PostTraces, m: third factor."""
    return Synapse(maximum(c.w_min, minimum(c.w_max, s.w - m * c.a_minus * y.y * (c.hard + c.softness * s.w))))


def on_post(s, x, y, m, c):
    """The postsynaptic neuron fires."""
    return Synapse(maximum(c.w_min, minimum(c.w_max, s.w + m * c.a_plus * x.x * (c.w_max - c.softness * s.w))))


@dataclass(frozen=True)
class PairSTDP:
    """Pair-based STDP, all pairs or nearest neighbours, additive to multiplicative."""

    tau_pre: float = param("ms", "time constant of the presynaptic trace", above=0)
    tau_post: float = param("ms", "time constant of the postsynaptic trace", above=0)
    a_plus: float = param("1", "potentiation of a pair, relative to w_max", minimum=0)
    a_minus: float = param("1", "depression of a pair, relative to w_max", minimum=0)
    w_max: float = param("1", "largest weight, in the unit of the weights", above=0)
    memory: float = param("1", "1: all pairs count, 0: nearest neighbours alone", minimum=0, maximum=1)
    softness: float = param("1", "0: additive, 1: multiplicative", minimum=0, maximum=1)
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
        x = memory * x + 1
        w = clip(w - a_minus * y * ((1 - softness) * w_max + softness * w), 0, w_max)
    """
    ON_POST: ClassVar[str] = """
        w = clip(w + a_plus * x * (w_max - softness * w), 0, w_max)
        y = memory * y + 1
    """

    def coefficients(self, dt: float) -> PairSTDPCoefficients:
        """All that depends on parameters and dt (ms)."""
        return PairSTDPCoefficients(
            p_pre=decay(dt, self.tau_pre),
            p_post=decay(dt, self.tau_post),
            a_plus=self.a_plus,
            a_minus=self.a_minus,
            memory=self.memory,
            softness=self.softness,
            hard=(1.0 - self.softness) * self.w_max,
            w_min=0.0,
            w_max=self.w_max,
            one=1.0,
        )


# Figure 1 and text: A+ = 0.005, A- = 1.05 A+, both time constants 20 ms, weights from 0 to g_max (here 1).
SONG_ABBOTT = PairSTDP(
    tau_pre=20.0, tau_post=20.0, a_plus=0.005, a_minus=0.00525, w_max=1.0, memory=1.0, softness=0.0, source="song2000",
)  # fmt: skip

SETS = {"SONG_ABBOTT": SONG_ABBOTT}
