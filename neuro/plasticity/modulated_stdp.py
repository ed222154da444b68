"""Spike-timing-dependent plasticity that acts later: pairs mark a synapse, and a third factor makes marks count.

    dx/dt = -x / tau_pre    a presynaptic spike arrives:    x <- memory x + 1,  e <- e - a_minus w_max y
    dy/dt = -y / tau_post   the postsynaptic neuron fires:  y <- memory y + 1,  e <- e + a_plus  w_max x
    every interval:  w <- w + drift w_max + (baseline + m) e,  then  e <- e exp(-interval / tau_eligibility)

e is the eligibility of a synapse, m the third factor: the output of a modulator population, such as dopamine above its
baseline, 1 where there is none. memory 1 counts all pairs, 0 the nearest neighbours alone. w stays in [0, w_max].

on_pre reads y before a postsynaptic spike of the same step is added, on_post reads x after a presynaptic spike of
the same step was: a pair that coincides counts as causal.

References: izhikevich2007b (eligibility and dopamine), izhikevich2006 (the same without a modulator).
Deviation: in the publications' programs a pair that coincides counts as causal and as acausal.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from neuro.dialect import maximum, minimum
from neuro.plasticity.stdp import PostTraces, PreTraces, decay_post, decay_pre, spike_post, spike_pre
from neuro.units import decay, param, reference


class Synapse(NamedTuple):
    w: float  # weight
    eligibility: float  # change that waits, in the unit of the weight


class ModulatedSTDPCoefficients(NamedTuple):
    p_pre: float  # decay of x over dt
    p_post: float  # decay of y over dt
    p_eligibility: float  # decay of the eligibility over an interval
    a_plus: float  # times w_max, as is a_minus
    a_minus: float
    memory: float
    drift: float  # times w_max
    baseline: float
    w_min: float
    w_max: float
    one: float


def on_pre(s, x, y, m, c):
    """A presynaptic spike arrives. s: Synapse, x: PreTraces, y: PostTraces, m: third factor."""
    return Synapse(s.w, s.eligibility - c.a_minus * y.y)


def on_post(s, x, y, m, c):
    """The postsynaptic neuron fires."""
    return Synapse(s.w, s.eligibility + c.a_plus * x.x)


def on_interval(s, y, m, c):
    """An interval ends."""
    w = s.w + c.drift + (c.baseline + m) * s.eligibility
    return Synapse(maximum(c.w_min, minimum(c.w_max, w)), c.p_eligibility * s.eligibility)


@dataclass(frozen=True)
class ModulatedSTDP:
    """STDP that changes eligibilities, from which a third factor makes weights."""

    tau_pre: float = param("ms", "time constant of the presynaptic trace", above=0)
    tau_post: float = param("ms", "time constant of the postsynaptic trace", above=0)
    a_plus: float = param("1", "what a causal pair adds to the eligibility, relative to w_max", minimum=0)
    a_minus: float = param("1", "what an acausal pair takes from it, relative to w_max", minimum=0)
    w_max: float = param("1", "largest weight, in the unit of the weights", above=0)
    memory: float = param("1", "1: all pairs count, 0: nearest neighbours alone", minimum=0, maximum=1)
    tau_eligibility: float = param("ms", "time constant of the eligibility", above=0)
    interval: float = param("ms", "time between two changes of the weights, a multiple of dt", above=0)
    drift: float = param("1", "what every weight gains in an interval, relative to w_max")
    baseline: float = param("1", "what is added to the third factor")
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
    on_interval: ClassVar = staticmethod(on_interval)

    EQUATIONS: ClassVar[str] = """
        dx/dt = -x / tau_pre : 1 (event-driven)
        dy/dt = -y / tau_post : 1 (event-driven)
    """
    ON_PRE: ClassVar[str] = """
        x = memory * x + 1
        eligibility -= a_minus * w_max * y
    """
    ON_POST: ClassVar[str] = """
        eligibility += a_plus * w_max * x
        y = memory * y + 1
    """
    ON_INTERVAL: ClassVar[str] = """
        w = clip(w + drift * w_max + (baseline + 1) * eligibility, 0, w_max)
        eligibility *= exp(-interval / tau_eligibility)
    """

    def coefficients(self, dt: float) -> ModulatedSTDPCoefficients:
        """All that depends on parameters and dt (ms)."""
        return ModulatedSTDPCoefficients(
            p_pre=decay(dt, self.tau_pre),
            p_post=decay(dt, self.tau_post),
            p_eligibility=decay(self.interval, self.tau_eligibility),
            a_plus=self.a_plus * self.w_max,
            a_minus=self.a_minus * self.w_max,
            memory=self.memory,
            drift=self.drift * self.w_max,
            baseline=self.baseline,
            w_min=0.0,
            w_max=self.w_max,
            one=1.0,
        )


# The program daspnet.m: A+ = 0.1 mV and A- = 0.15 mV, at most 4 mV; every 10 ms weights change by 0.002 + dopamine
# times the eligibility, which then loses 1 %. The time constants are those of the text; the program multiplies traces
# by 0.95 a ms (19.5 ms).
DISTAL_REWARD = ModulatedSTDP(
    tau_pre=20.0, tau_post=20.0, a_plus=0.1 / 4.0, a_minus=0.15 / 4.0, w_max=4.0, memory=0.0, tau_eligibility=1000.0,
    interval=10.0, drift=0.0, baseline=0.002, source="izhikevich2007b",
)  # fmt: skip

# Text and program spnet: A+ = 0.1 mV and A- = 0.12 mV, at most 10 mV; every second weights change by 0.01 mV plus what
# has gathered, of which 90 % are kept.
POLYCHRONIZATION = ModulatedSTDP(
    tau_pre=20.0, tau_post=20.0, a_plus=0.1 / 10.0, a_minus=0.12 / 10.0, w_max=10.0, memory=0.0,
    tau_eligibility=-1000.0 / math.log(0.9), interval=1000.0, drift=0.01 / 10.0, baseline=0.0, source="izhikevich2006",
)  # fmt: skip

SETS = {"DISTAL_REWARD": DISTAL_REWARD, "POLYCHRONIZATION": POLYCHRONIZATION}
