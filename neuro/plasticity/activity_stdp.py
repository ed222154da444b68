"""Activity-dependent STDP: pairs count only while the activity of the postsynaptic neuron is near a goal.

    traces, signs and pairs as in liquid_stdp.py, both rates fixed
    dc/dt = -c / tau_activity    the postsynaptic neuron fires:  c <- c + 1
    a change upwards counts where goal < c < goal + spread, one downwards where goal - spread < c < goal

c is the calcium of the postsynaptic neuron, whose mean is its rate times tau_activity. So active neurons gain, quiet
ones lose, and those far from the goal stay. A spike of this step is in c when its changes are judged.

References: jin2016 (the rule, in which changes are drawn at random), ivanov2021 (its code and
numbers).
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from neuro.dialect import maximum, minimum, where
from neuro.plasticity.liquid_stdp import TRACE, decay_pre, spike_pre
from neuro.plasticity.stdp import PreTraces, Synapse
from neuro.units import decay, param, reference, vary


class PostTraces(NamedTuple):
    y: float  # of spikes of the postsynaptic neuron
    fired: float  # 1 if it fired in this step
    fired_before: float  # 1 if it fired in the step before
    calcium: float  # c


class ActivitySTDPCoefficients(NamedTuple):
    p: float  # decay of x and y over dt
    p_calcium: float  # decay of c over dt
    arrival_up: float  # change at an arrival, relative to y, if it is upwards; else 0
    arrival_down: float  # if it is downwards; else 0
    spike_up: float  # likewise at a postsynaptic spike, relative to x
    spike_down: float
    low: float  # goal - spread
    goal: float
    high: float  # goal + spread
    w_min: float
    w_max: float
    zero: float
    one: float


def decay_post(y, c):
    return PostTraces(c.p * y.y + y.fired_before, c.zero, y.fired, c.p_calcium * y.calcium)


def spike_post(y, c):
    return PostTraces(y.y, c.one, y.fired_before, y.calcium + c.one)


def on_pre(s, x, y, m, c):
    """A presynaptic spike arrives. s: Synapse, x: PreTraces, y: PostTraces, m: third factor (not used)."""
    up = where((c.goal < y.calcium) & (y.calcium < c.high), c.arrival_up, c.zero)
    down = where((c.low < y.calcium) & (y.calcium < c.goal), c.arrival_down, c.zero)
    return Synapse(maximum(c.w_min, minimum(c.w_max, s.w + (up + down) * y.y)))


def on_post(s, x, y, m, c):
    """The postsynaptic neuron fires; its calcium has not taken the spike up yet."""
    calcium = y.calcium + c.one
    up = where((c.goal < calcium) & (calcium < c.high), c.spike_up, c.zero)
    down = where((c.low < calcium) & (calcium < c.goal), c.spike_down, c.zero)
    return Synapse(maximum(c.w_min, minimum(c.w_max, s.w + (up + down) * x.x)))


@dataclass(frozen=True)
class ActivitySTDP:
    """Additive STDP of signed weights, while the postsynaptic activity is near a goal."""

    tau: float = param("ms", "time constant of both traces", above=0)
    a_plus: float = param("1", "potentiation of a pair, in the unit of the weights", minimum=0)
    a_minus: float = param("1", "depression of a pair, in the unit of the weights", minimum=0)
    tau_activity: float = param("ms", "time constant of the calcium", above=0)
    goal: float = param("1", "calcium above which weights rise and below which they fall", minimum=0)
    spread: float = param("1", "distance from the goal beyond which they stay", minimum=0)
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
        dcalcium/dt = -calcium / tau_activity : 1 (event-driven)
        fired_at : second
    """
    ON_PRE: ClassVar[str] = """
        older = (y - int(y > 0) * int(t - fired_at < 1.5 * dt) * exp(-(t - fired_at) / tau)) * exp(2 * dt / tau)
        up = int(calcium > goal) * int(calcium < goal + spread)
        down = int(calcium < goal) * int(calcium > goal - spread)
        w = clip(w + (up * inhibitory * a_plus - down * (1 - inhibitory) * a_minus) * older, w_min, w_max)
        x += 1
    """
    ON_POST: ClassVar[str] = """
        calcium += 1
        up = int(calcium > goal) * int(calcium < goal + spread)
        down = int(calcium < goal) * int(calcium > goal - spread)
        w = clip(w + (up * (1 - inhibitory) * a_plus - down * inhibitory * a_minus) * x, w_min, w_max)
        y += 1
        fired_at = t
    """

    def coefficients(self, dt: float) -> ActivitySTDPCoefficients:
        """All that depends on parameters and dt (ms)."""
        excitatory = 1.0 - self.inhibitory
        return ActivitySTDPCoefficients(
            p=decay(dt, self.tau),
            p_calcium=decay(dt, self.tau_activity),
            arrival_up=self.inhibitory * self.a_plus,
            arrival_down=-excitatory * self.a_minus,
            spike_up=excitatory * self.a_plus,
            spike_down=-self.inhibitory * self.a_minus,
            low=self.goal - self.spread,
            goal=self.goal,
            high=self.goal + self.spread,
            w_min=self.w_min,
            w_max=self.w_max,
            zero=0.0,
            one=1.0,
        )


# LSM_APSTDP_CONSTRUCTOR_MNIST.py: calcium decays with 1000 ms; rates of 0.15 both ways and traces as in liquid_stdp.py;
# the results' table has a goal of 37 for MNIST, and spreads of 19 to 25, most often 23.
AP_EXCITATORY = ActivitySTDP(
    tau=10.0, a_plus=0.15 * TRACE, a_minus=0.15 * TRACE, tau_activity=1000.0, goal=37.0, spread=23.0, inhibitory=0.0,
    w_min=0.0, w_max=3.0, source="ivanov2021",
)  # fmt: skip
AP_INHIBITORY = vary(AP_EXCITATORY, source="ivanov2021", inhibitory=1.0, w_min=-3.0, w_max=0.0)
AP_INPUT = vary(AP_EXCITATORY, source="ivanov2021", w_min=-3.0)

SETS = {"AP_EXCITATORY": AP_EXCITATORY, "AP_INHIBITORY": AP_INHIBITORY, "AP_INPUT": AP_INPUT}
