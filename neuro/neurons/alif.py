"""Leaky integrate-and-fire neuron with an adaptive threshold and exponential current synapses.

    tau_m dv/dt = -(v - v_rest) + r_m (i_syn + i_ext)
    tau_syn di_syn/dt = -i_syn            a spike of weight w (pA) arrives:  i_syn <- i_syn + w
    tau_a da/dt = -a
    v >= v_th + a:  spike, a <- a + beta, v <- v_reset, held there for t_ref

A step: exact flow over dt, add arrivals, threshold, reset. The threshold decays in refractoriness too.

References: bellec2018, bellec2020 (the adaptive threshold and its sets), rotter1999 (exact integration).
Deviations: the sources subtract v_th from v at a spike and let v run on in refractoriness, where this model resets
and holds as all of LIF do; their synaptic currents last one step.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from neuro.dialect import heaviside, where
from neuro.neurons.exact import phi1
from neuro.units import decay, param, reference


class AdaptiveLIFState(NamedTuple):
    v: float  # membrane potential, mV
    i_syn: float  # synaptic current, pA
    a: float  # rise of the threshold, mV
    refrac: float  # time left in refractoriness, ms


class AdaptiveLIFCoefficients(NamedTuple):
    v_inf: float  # potential towards which v decays when i_syn = 0, mV
    p_vv: float  # decay of v over dt
    p_vi: float  # effect of i_syn on v over dt, GOhm
    p_ii: float  # decay of i_syn over dt
    p_aa: float  # decay of a over dt
    beta: float
    v_th: float
    v_reset: float
    t_ref: float
    dt: float
    half_dt: float


def adaptive_lif_step(s, x, c):
    """One step of dt. s: AdaptiveLIFState, x: arriving current (pA), c: AdaptiveLIFCoefficients.

    Returns (spike, state).
    """
    v = c.v_inf + c.p_vv * (s.v - c.v_inf) + c.p_vi * s.i_syn
    i_syn = c.p_ii * s.i_syn + x
    a = c.p_aa * s.a
    free = s.refrac <= c.half_dt
    v = where(free, v, c.v_reset)
    spike = heaviside(v - (c.v_th + a))
    fired = spike > 0.5
    refrac = where(fired, c.t_ref, where(free, s.refrac, s.refrac - c.dt))
    a = a + c.beta * spike  # a product, so that a surrogate's gradient knows what a spike costs later
    return spike, AdaptiveLIFState(where(fired, c.v_reset, v), i_syn, a, refrac)


@dataclass(frozen=True, eq=False)
class AdaptiveLIF:
    """Leaky integrate-and-fire whose threshold rises with each spike (exact integration)."""

    tau_m: float = param("ms", "membrane time constant", above=0)
    tau_syn: float = param("ms", "time constant of the synaptic current", above=0)
    tau_a: float = param("ms", "time constant of the threshold's decay", above=0)
    beta: float = param("mV", "jump of the threshold at a spike", minimum=0)
    r_m: float = param("GOhm", "membrane resistance", above=0)
    v_rest: float = param("mV", "resting potential")
    v_th: float = param("mV", "threshold long after the last spike")
    v_reset: float = param("mV", "potential after a spike")
    t_ref: float = param("ms", "refractory period, a multiple of dt", minimum=0)
    i_ext: float = param("pA", "constant external current")
    source: str = reference()

    State: ClassVar = AdaptiveLIFState
    step: ClassVar = staticmethod(adaptive_lif_step)
    graded: ClassVar[bool] = False
    receptors: ClassVar[tuple[str, ...]] = ("input",)
    ADDS_TO: ClassVar[dict[str, str]] = {"input": "i_syn"}
    arrival_unit: ClassVar[str] = "pA"

    EQUATIONS: ClassVar[str] = """
        dv/dt = (-(v - v_rest) + r_m * (i_syn + i_ext)) / tau_m : volt (unless refractory)
        di_syn/dt = -i_syn / tau_syn : amp
        da/dt = -a / tau_a : volt
    """
    THRESHOLD: ClassVar[str] = "v >= v_th + a"
    RESET: ClassVar[str] = "v = v_reset; a += beta"
    ON_ARRIVAL: ClassVar[dict[str, str]] = {"input": "i_syn_post += w * pA"}
    METHOD: ClassVar[str] = "exact"

    def coefficients(self, dt: float) -> AdaptiveLIFCoefficients:
        """All that depends on parameters and dt (ms)."""
        p_ii = decay(dt, self.tau_syn)
        return AdaptiveLIFCoefficients(
            v_inf=self.v_rest + self.r_m * self.i_ext,
            p_vv=decay(dt, self.tau_m),
            p_vi=self.r_m * dt / self.tau_m * p_ii * phi1(dt / self.tau_syn - dt / self.tau_m),
            p_ii=p_ii,
            p_aa=decay(dt, self.tau_a),
            beta=self.beta,
            v_th=self.v_th,
            v_reset=self.v_reset,
            t_ref=self.t_ref,
            dt=dt,
            half_dt=0.5 * dt,
        )

    def initial(self) -> AdaptiveLIFState:
        return AdaptiveLIFState(v=self.v_rest, i_syn=0.0, a=0.0, refrac=0.0)


# The sources' code steps by 1 ms. tau_syn = 1 ms gives a spike the charge of their current, which lasts one step.

# IGITUGraz/LSNN-official, sequential MNIST: threshold 0.01 V, beta 1.8, tau_a 700 ms, 5 steps of refractoriness.
# Its threshold jumps by beta (1 - exp(-1 ms / tau_a)) volts.
BELLEC_2018 = AdaptiveLIF(
    tau_m=20.0, tau_syn=1.0, tau_a=700.0, beta=-1800.0 * math.expm1(-1.0 / 700.0), r_m=1.0, v_rest=0.0, v_th=10.0,
    v_reset=0.0, t_ref=5.0, i_ext=0.0, source="bellec2018",
)  # fmt: skip

# IGITUGraz/eligibility_propagation, evidence accumulation: threshold 0.6, tau_a 2000 ms, and a threshold that jumps
# by 1.7 (1 - exp(-1 ms / tau_a)) / (1 - exp(-1 ms / tau_m)).
BELLEC_2020 = AdaptiveLIF(
    tau_m=20.0, tau_syn=1.0, tau_a=2000.0, beta=1.7 * math.expm1(-1.0 / 2000.0) / math.expm1(-1.0 / 20.0), r_m=1.0,
    v_rest=0.0, v_th=0.6, v_reset=0.0, t_ref=5.0, i_ext=0.0, source="bellec2020",
)  # fmt: skip

SETS = {"BELLEC_2018": BELLEC_2018, "BELLEC_2020": BELLEC_2020}
