"""Pair-based STDP with synaptic scaling, which drives the rate of the postsynaptic neuron to a goal.

    dx/dt = -x / tau_pre    a presynaptic spike arrives:    x <- x + 1,  w <- w - m a_minus w y
    dy/dt = -y / tau_post   the postsynaptic neuron fires:  y <- y + 1,  w <- w + m a_plus w_max x
    da/dt = -a / tau_activity                               a <- a + 1 / tau_activity
    every interval:  w <- w + beta w (goal - a) interval

a is the activity of the postsynaptic neuron, whose mean is its rate. Potentiation does not depend on the weight,
depression and scaling are in proportion to it; all pairs count. w stays in [0, w_max]. m is the third factor of STDP.

on_pre reads y before a postsynaptic spike of the same step is added, on_post reads x after a presynaptic spike of
the same step was: a pair that coincides counts as causal.

References: vanrossum2000 (scaling: eq. 3).
Deviations: without its second term, gamma w times the integral of goal - a; without the noise of its STDP; with w_max.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from neuro.dialect import maximum, minimum
from neuro.plasticity.stdp import PreTraces, Synapse, decay_pre
from neuro.units import decay, param, reference


class PostTraces(NamedTuple):
    y: float  # of spikes of the postsynaptic neuron
    activity: float  # its rate of late, Hz


class ScaledSTDPCoefficients(NamedTuple):
    p_pre: float  # decay of x over dt
    p_post: float  # decay of y over dt
    p_activity: float  # decay of the activity over dt
    jump: float  # of the activity at a spike, Hz
    a_plus: float  # times w_max
    a_minus: float
    beta_interval: float  # relative change of w in an interval, for each Hz
    goal: float
    w_min: float
    w_max: float
    one: float


def decay_post(y, c):
    return PostTraces(c.p_post * y.y, c.p_activity * y.activity)


def spike_pre(x, c):
    return PreTraces(x.x + c.one)


def spike_post(y, c):
    return PostTraces(y.y + c.one, y.activity + c.jump)


def on_pre(s, x, y, m, c):
    """A presynaptic spike arrives. s: Synapse, x: PreTraces, y: PostTraces, m: third factor."""
    return Synapse(maximum(c.w_min, minimum(c.w_max, s.w - m * c.a_minus * y.y * s.w)))


def on_post(s, x, y, m, c):
    """The postsynaptic neuron fires."""
    return Synapse(maximum(c.w_min, minimum(c.w_max, s.w + m * c.a_plus * x.x)))


def on_interval(s, y, m, c):
    """An interval ends."""
    return Synapse(maximum(c.w_min, minimum(c.w_max, s.w + c.beta_interval * (c.goal - y.activity) * s.w)))


@dataclass(frozen=True)
class ScaledSTDP:
    """Pair-based STDP, and scaling of all weights of a neuron that keeps its rate near a goal."""

    tau_pre: float = param("ms", "time constant of the presynaptic trace", above=0)
    tau_post: float = param("ms", "time constant of the postsynaptic trace", above=0)
    a_plus: float = param("1", "potentiation of a pair, relative to w_max", minimum=0)
    a_minus: float = param("1", "depression of a pair, relative to the weight", minimum=0)
    w_max: float = param("1", "largest weight, in the unit of the weights", above=0)
    tau_activity: float = param("ms", "time constant of the activity", above=0)
    goal: float = param("Hz", "rate that the activity is driven to", minimum=0)
    beta: float = param("1", "relative change of the weights in a second, for each Hz off the goal", minimum=0)
    interval: float = param("ms", "time between two scalings, a multiple of dt", above=0)
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
        dactivity/dt = -activity / tau_activity : hertz (clock-driven)
    """
    ON_PRE: ClassVar[str] = """
        x += 1
        w = clip(w - a_minus * y * w, 0, w_max)
    """
    ON_POST: ClassVar[str] = """
        w = clip(w + a_plus * w_max * x, 0, w_max)
        y += 1
        activity += 1 / tau_activity
    """
    ON_INTERVAL: ClassVar[str] = """
        w = clip(w + beta * w * (goal - activity) * interval, 0, w_max)
    """

    def coefficients(self, dt: float) -> ScaledSTDPCoefficients:
        """All that depends on parameters and dt (ms)."""
        return ScaledSTDPCoefficients(
            p_pre=decay(dt, self.tau_pre),
            p_post=decay(dt, self.tau_post),
            p_activity=decay(dt, self.tau_activity),
            jump=1000.0 / self.tau_activity,
            a_plus=self.a_plus * self.w_max,
            a_minus=self.a_minus,
            beta_interval=self.beta * self.interval / 1000.0,
            goal=self.goal,
            w_min=0.0,
            w_max=self.w_max,
            one=1.0,
        )


# beta and tau_activity are the publication's, as public implementations of its eq. 3 give them. Chosen: both amplitudes
# (the publication's are in pS), the goal of 10 Hz, and an interval that is short beside 100 s.
VAN_ROSSUM = ScaledSTDP(
    tau_pre=20.0, tau_post=20.0, a_plus=0.001, a_minus=0.003, w_max=1.0, tau_activity=100_000.0, goal=10.0, beta=4e-5,
    interval=1000.0, source="vanrossum2000",
)  # fmt: skip

SETS = {"VAN_ROSSUM": VAN_ROSSUM}
