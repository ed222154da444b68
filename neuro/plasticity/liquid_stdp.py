"""Additive STDP of a liquid, whose depression is a third factor: an astrocyte holds the liquid at the edge of chaos.

    dx/dt = -x / tau    a presynaptic spike arrives:    x <- x + 1
    dy/dt = -y / tau    the postsynaptic neuron fires:  y <- y + 1
    excitatory synapses     arrival:  w <- w - g m a_minus y      postsynaptic spike:  w <- w + g a_plus x
    inhibitory synapses     arrival:  w <- w + g a_plus y         postsynaptic spike:  w <- w - g m a_minus x
    g = exp(-slowing t), t since the sample began, this step included: learning comes to rest

Inhibitory weights are negative. w stays in [w_min, w_max]. m is the third factor: the output of a modulator
population, 1 where there is none. A step: the traces decay, arrivals, postsynaptic spikes. on_post reads x after an
arrival of the same step was added. A postsynaptic spike enters y with a value of 1 one step late: so a presynaptic
spike that needs a step to arrive, and was fired together with it, is no pair.

References: ivanov2021 (the rule, as in its code).
"""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from neuro.dialect import maximum, minimum
from neuro.plasticity.stdp import PreTraces, Synapse
from neuro.units import decay, param, reference, vary


class PostTraces(NamedTuple):
    y: float  # of spikes of the postsynaptic neuron
    fired: float  # 1 if it fired in this step
    fired_before: float  # 1 if it fired in the step before
    rest: float  # 1 - g


class LiquidSTDPCoefficients(NamedTuple):
    p: float  # decay of x and y over dt
    p_g: float  # decay of g over dt
    arrival: float  # change at an arrival, relative to y
    arrival_m: float  # that times m
    spike: float  # change at a postsynaptic spike, relative to x
    spike_m: float  # that times m
    w_min: float
    w_max: float
    zero: float
    one: float


def decay_pre(x, c):
    return PreTraces(c.p * x.x)


def decay_post(y, c):
    return PostTraces(c.p * y.y + y.fired_before, c.zero, y.fired, c.one - c.p_g * (c.one - y.rest))


def spike_pre(x, c):
    return PreTraces(x.x + c.one)


def spike_post(y, c):
    return PostTraces(y.y, c.one, y.fired_before, y.rest)


def on_pre(s, x, y, m, c):
    """A presynaptic spike arrives. s: Synapse, x: PreTraces, y: PostTraces, m: third factor."""
    w = s.w + (c.one - y.rest) * (c.arrival + m * c.arrival_m) * y.y
    return Synapse(maximum(c.w_min, minimum(c.w_max, w)))


def on_post(s, x, y, m, c):
    """The postsynaptic neuron fires."""
    w = s.w + (c.one - y.rest) * (c.spike + m * c.spike_m) * x.x
    return Synapse(maximum(c.w_min, minimum(c.w_max, w)))


@dataclass(frozen=True)
class LiquidSTDP:
    """Additive STDP of signed weights, with depression by a third factor."""

    tau: float = param("ms", "time constant of both traces", above=0)
    a_plus: float = param("1", "potentiation of a pair, in the unit of the weights", minimum=0)
    a_minus: float = param("1", "depression of a pair for each unit of the third factor", minimum=0)
    slowing: float = param("1/ms", "rate at which learning comes to rest after the sample began", minimum=0)
    inhibitory: float = param("1", "1: of inhibitory synapses, 0: of excitatory ones", minimum=0, maximum=1)
    w_min: float = param("1", "least weight, in the unit of the weights")
    w_max: float = param("1", "largest weight, in the unit of the weights")
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

    # Here y holds a spike from the start, and what must not count yet is taken off.
    EQUATIONS: ClassVar[str] = """
        dx/dt = -x / tau : 1 (event-driven)
        dy/dt = -y / tau : 1 (event-driven)
        fired_at : second
    """
    ON_PRE: ClassVar[str] = """
        older = (y - int(y > 0) * int(t - fired_at < 1.5 * dt) * exp(-(t - fired_at) / tau)) * exp(2 * dt / tau)
        g = exp(-slowing * (t + dt))
        w = clip(w + g * (inhibitory * a_plus - (1 - inhibitory) * a_minus) * older, w_min, w_max)
        x += 1
    """
    ON_POST: ClassVar[str] = """
        g = exp(-slowing * (t + dt))
        w = clip(w + g * ((1 - inhibitory) * a_plus - inhibitory * a_minus) * x, w_min, w_max)
        y += 1
        fired_at = t
    """

    def coefficients(self, dt: float) -> LiquidSTDPCoefficients:
        """All that depends on parameters and dt (ms)."""
        excitatory = 1.0 - self.inhibitory
        return LiquidSTDPCoefficients(
            p=decay(dt, self.tau),
            p_g=decay(dt * self.slowing, 1.0),
            arrival=self.inhibitory * self.a_plus,
            arrival_m=-excitatory * self.a_minus,
            spike=excitatory * self.a_plus,
            spike_m=-self.inhibitory * self.a_minus,
            w_min=self.w_min,
            w_max=self.w_max,
            zero=0.0,
            one=1.0,
        )


# NALSM_STDP.py: a spike adds 0.1 to a trace, which decays by exp(-1 / 10) a ms, once before it is first read; the fixed
# rate is 0.15, that of depression is m; weights up to 3; rates fall by 1 % a ms (not while the liquid is initialised).
TRACE = 0.1 * math.exp(-0.1)
NALSM_EXCITATORY = LiquidSTDP(
    tau=10.0, a_plus=0.15 * TRACE, a_minus=TRACE, slowing=-math.log(0.99), inhibitory=0.0, w_min=0.0, w_max=3.0,
    source="ivanov2021",
)  # fmt: skip
NALSM_INHIBITORY = vary(NALSM_EXCITATORY, source="ivanov2021", inhibitory=1.0, w_min=-3.0, w_max=0.0)
# Synapses from the input, of either sign, learn as excitatory ones.
NALSM_INPUT = vary(NALSM_EXCITATORY, source="ivanov2021", w_min=-3.0)

SETS = {"NALSM_EXCITATORY": NALSM_EXCITATORY, "NALSM_INHIBITORY": NALSM_INHIBITORY, "NALSM_INPUT": NALSM_INPUT}
