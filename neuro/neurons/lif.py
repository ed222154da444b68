"""Leaky integrate-and-fire neuron with exponential current synapses.

    tau_m dv/dt = -(v - v_rest) + r_m (i_syn + i_ext)
    tau_syn di_syn/dt = -i_syn            a spike of weight w (pA) arrives:  i_syn <- i_syn + w
    v >= v_th:  spike, v <- v_reset, held there for t_ref

A step: exact flow over dt, add arrivals, threshold, reset. v is held for t_ref after a spike, so the
shortest interval is t_ref + dt (as in NEST's iaf_psc_exp).

References: rotter1999 (exact integration).
"""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from neuro.dialect import heaviside, where
from neuro.neurons.exact import phi1
from neuro.units import decay, param, reference


class LIFState(NamedTuple):
    v: float  # membrane potential, mV
    i_syn: float  # synaptic current, pA
    refrac: float  # time left in refractoriness, ms


class LIFCoefficients(NamedTuple):
    v_inf: float  # potential towards which v decays when i_syn = 0, mV
    p_vv: float  # decay of v over dt
    p_vi: float  # effect of i_syn on v over dt, GOhm
    p_ii: float  # decay of i_syn over dt
    v_th: float
    v_reset: float
    t_ref: float
    dt: float
    half_dt: float


def lif_step(s, x, c):
    """One step of dt. s: LIFState, x: arriving current (pA), c: LIFCoefficients.

    Returns (spike, state).
    """
    v = c.v_inf + c.p_vv * (s.v - c.v_inf) + c.p_vi * s.i_syn
    i_syn = c.p_ii * s.i_syn + x
    free = s.refrac <= c.half_dt
    v = where(free, v, c.v_reset)
    spike = heaviside(v - c.v_th)
    fired = spike > 0.5
    refrac = where(fired, c.t_ref, where(free, s.refrac, s.refrac - c.dt))
    return spike, LIFState(where(fired, c.v_reset, v), i_syn, refrac)


@dataclass(frozen=True, eq=False)
class LIF:
    """Leaky integrate-and-fire with exponential current synapses (exact integration)."""

    tau_m: float = param("ms", "membrane time constant", above=0)
    tau_syn: float = param("ms", "time constant of the synaptic current", above=0)
    r_m: float = param("GOhm", "membrane resistance", above=0)
    v_rest: float = param("mV", "resting potential")
    v_th: float = param("mV", "spike when v >= v_th")
    v_reset: float = param("mV", "potential after a spike")
    t_ref: float = param("ms", "refractory period, a multiple of dt", minimum=0)
    i_ext: float = param("pA", "constant external current")
    source: str = reference()

    State: ClassVar = LIFState
    Coefficients: ClassVar = LIFCoefficients
    step: ClassVar = staticmethod(lif_step)
    graded: ClassVar[bool] = False
    receptors: ClassVar[tuple[str, ...]] = ("input",)
    ADDS_TO: ClassVar[dict[str, str]] = {"input": "i_syn"}
    arrival_unit: ClassVar[str] = "pA"

    EQUATIONS: ClassVar[str] = """
        dv/dt = (-(v - v_rest) + r_m * (i_syn + i_ext)) / tau_m : volt (unless refractory)
        di_syn/dt = -i_syn / tau_syn : amp
    """
    THRESHOLD: ClassVar[str] = "v >= v_th"
    RESET: ClassVar[str] = "v = v_reset"
    ON_ARRIVAL: ClassVar[dict[str, str]] = {"input": "i_syn_post += w * pA"}
    METHOD: ClassVar[str] = "exact"
    # In closed form between spikes: the current of each receptor, in order, and its time constant. See lif_delta.py
    # for a model whose spikes move v at once.
    FLOW: ClassVar[dict[str, str]] = {"i_syn": "tau_syn"}

    def coefficients(self, dt: float) -> LIFCoefficients:
        """All that depends on parameters and dt (ms).

        The propagator r_m tau_syn / (tau_m - tau_syn) (p_vv - p_ii) is written with phi1, which stays
        exact where tau_m approaches tau_syn.
        """
        p_vv, p_ii = decay(dt, self.tau_m), decay(dt, self.tau_syn)
        p_vi: Any = self.r_m * dt / self.tau_m * p_ii * phi1(dt / self.tau_syn - dt / self.tau_m)
        return LIFCoefficients(
            v_inf=self.v_rest + self.r_m * self.i_ext,
            p_vv=p_vv,
            p_vi=p_vi,
            p_ii=p_ii,
            v_th=self.v_th,
            v_reset=self.v_reset,
            t_ref=self.t_ref,
            dt=dt,
            half_dt=0.5 * dt,
        )

    def initial(self) -> LIFState:
        return LIFState(v=self.v_rest, i_syn=0.0, refrac=0.0)


# Defaults of NEST's iaf_psc_exp, whose c_m of 250 pF gives r_m = tau_m / c_m = 0.04 GOhm.
NEST_DEFAULT = LIF(
    tau_m=10.0, tau_syn=2.0, r_m=0.04, v_rest=-70.0, v_th=-55.0, v_reset=-70.0, t_ref=2.0, i_ext=0.0,
    source="nest",
)  # fmt: skip

SETS = {"NEST_DEFAULT": NEST_DEFAULT}
