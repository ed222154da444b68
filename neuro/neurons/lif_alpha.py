"""Leaky integrate-and-fire neuron with alpha-shaped current synapses.

    tau_m dv/dt = -(v - v_rest) + r_m (i_syn + i_ext)
    tau_syn di_syn/dt = i_rise - i_syn
    tau_syn di_rise/dt = -i_rise          a spike of weight w (pA) arrives:  i_rise <- i_rise + e w
    v >= v_th:  spike, v <- v_reset, held there for t_ref

So a spike at t = 0 gives i_syn = w (t / tau_syn) exp(1 - t / tau_syn), which peaks at w after tau_syn.
A step: exact flow over dt, add arrivals, threshold, reset (as in NEST's iaf_psc_alpha).

References: rotter1999 (exact integration), brunel2000 (the network of the set).
"""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from neuro.dialect import heaviside, where
from neuro.neurons.exact import phi1, phi2
from neuro.units import decay, param, reference


class LIFAlphaState(NamedTuple):
    v: float  # membrane potential, mV
    i_syn: float  # synaptic current, pA
    i_rise: float  # what i_syn follows, pA
    refrac: float  # time left in refractoriness, ms


class LIFAlphaCoefficients(NamedTuple):
    v_inf: float  # potential towards which v decays without synaptic current, mV
    p_vv: float  # decay of v over dt
    p_vi: float  # effect of i_syn on v over dt, GOhm
    p_vr: float  # effect of i_rise on v over dt, GOhm
    p_ii: float  # decay of i_syn, and of i_rise, over dt
    p_ir: float  # effect of i_rise on i_syn over dt
    jump: float  # of i_rise for a spike of weight 1: e
    v_th: float
    v_reset: float
    t_ref: float
    dt: float
    half_dt: float


def lif_alpha_step(s, x, c):
    """One step of dt. s: LIFAlphaState, x: arriving peaks of current (pA), c: LIFAlphaCoefficients.

    Returns (spike, state).
    """
    v = c.v_inf + c.p_vv * (s.v - c.v_inf) + c.p_vi * s.i_syn + c.p_vr * s.i_rise
    i_syn = c.p_ii * s.i_syn + c.p_ir * s.i_rise
    i_rise = c.p_ii * s.i_rise + c.jump * x
    free = s.refrac <= c.half_dt
    v = where(free, v, c.v_reset)
    spike = heaviside(v - c.v_th)
    fired = spike > 0.5
    refrac = where(fired, c.t_ref, where(free, s.refrac, s.refrac - c.dt))
    return spike, LIFAlphaState(where(fired, c.v_reset, v), i_syn, i_rise, refrac)


@dataclass(frozen=True, eq=False)
class LIFAlpha:
    """Leaky integrate-and-fire with alpha-shaped current synapses (exact integration)."""

    tau_m: float = param("ms", "membrane time constant", above=0)
    tau_syn: float = param("ms", "rise time of the synaptic current", above=0)
    r_m: float = param("GOhm", "membrane resistance", above=0)
    v_rest: float = param("mV", "resting potential")
    v_th: float = param("mV", "spike when v >= v_th")
    v_reset: float = param("mV", "potential after a spike")
    t_ref: float = param("ms", "refractory period, a multiple of dt", minimum=0)
    i_ext: float = param("pA", "constant external current")
    source: str = reference()

    State: ClassVar = LIFAlphaState
    step: ClassVar = staticmethod(lif_alpha_step)
    graded: ClassVar[bool] = False
    receptors: ClassVar[tuple[str, ...]] = ("input",)
    arrival_unit: ClassVar[str] = "pA"

    EQUATIONS: ClassVar[str] = """
        dv/dt = (-(v - v_rest) + r_m * (i_syn + i_ext)) / tau_m : volt (unless refractory)
        di_syn/dt = (i_rise - i_syn) / tau_syn : amp
        di_rise/dt = -i_rise / tau_syn : amp
    """
    THRESHOLD: ClassVar[str] = "v >= v_th"
    RESET: ClassVar[str] = "v = v_reset"
    ON_ARRIVAL: ClassVar[dict[str, str]] = {"input": "i_rise_post += exp(1) * w * pA"}
    METHOD: ClassVar[str] = "exact"

    def coefficients(self, dt: float) -> LIFAlphaCoefficients:
        """All that depends on parameters and dt (ms)."""
        p_ii, x = decay(dt, self.tau_syn), dt / self.tau_syn - dt / self.tau_m
        effect = self.r_m * dt / self.tau_m * p_ii
        return LIFAlphaCoefficients(
            v_inf=self.v_rest + self.r_m * self.i_ext,
            p_vv=decay(dt, self.tau_m),
            p_vi=effect * phi1(x),
            p_vr=effect * dt / self.tau_syn * phi2(x),
            p_ii=p_ii,
            p_ir=dt / self.tau_syn * p_ii,
            jump=math.e,
            v_th=self.v_th,
            v_reset=self.v_reset,
            t_ref=self.t_ref,
            dt=dt,
            half_dt=0.5 * dt,
        )

    def initial(self) -> LIFAlphaState:
        return LIFAlphaState(v=self.v_rest, i_syn=0.0, i_rise=0.0, refrac=0.0)


# NEST's brunel_alpha_nest.py (Brunel's network with alpha synapses); c_m of 250 pF gives r_m = 0.08 GOhm.
# Deviation: brunel2000 has delta synapses and a reset to 10 mV; NEST's script has these.
BRUNEL_ALPHA = LIFAlpha(
    tau_m=20.0, tau_syn=0.5, r_m=0.08, v_rest=0.0, v_th=20.0, v_reset=0.0, t_ref=2.0, i_ext=0.0, source="brunel2000",
)  # fmt: skip

# Defaults of NEST's iaf_psc_alpha, whose c_m of 250 pF gives r_m = 0.04 GOhm.
NEST_DEFAULT = LIFAlpha(
    tau_m=10.0, tau_syn=2.0, r_m=0.04, v_rest=-70.0, v_th=-55.0, v_reset=-70.0, t_ref=2.0, i_ext=0.0, source="nest",
)  # fmt: skip

SETS = {"BRUNEL_ALPHA": BRUNEL_ALPHA, "NEST_DEFAULT": NEST_DEFAULT}
