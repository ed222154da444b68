"""Leaky integrate-and-fire neuron with separate exponential currents for excitation and inhibition.

    tau_m dv/dt = -(v - v_rest) + r_m (i_exc + i_inh + i_ext)
    tau_exc di_exc/dt = -i_exc            a spike of weight w (pA) arrives at exc:  i_exc <- i_exc + w
    tau_inh di_inh/dt = -i_inh            a spike of weight w (pA) arrives at inh:  i_inh <- i_inh + w
    v >= v_th:  spike, v <- v_reset, held there for t_ref

An inhibitory weight is negative. A step: exact flow over dt, add arrivals, threshold, reset (as in NEST's
iaf_psc_exp, whose sign of a weight chooses what here a receptor does).

References: rotter1999 (exact integration), vogels2005, brette2007, potjans2014 (sets).
"""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from neuro.dialect import heaviside, where
from neuro.neurons.exact import phi1
from neuro.units import decay, param, reference


class LIFExcInhState(NamedTuple):
    v: float  # membrane potential, mV
    i_exc: float  # excitatory synaptic current, pA
    i_inh: float  # inhibitory synaptic current, pA, negative
    refrac: float  # time left in refractoriness, ms


class LIFExcInhArrivals(NamedTuple):
    exc: float  # pA
    inh: float  # pA


class LIFExcInhCoefficients(NamedTuple):
    v_inf: float  # potential towards which v decays without synaptic currents, mV
    p_vv: float  # decay of v over dt
    p_ve: float  # effect of i_exc on v over dt, GOhm
    p_vi: float  # effect of i_inh on v over dt, GOhm
    p_ee: float  # decay of i_exc over dt
    p_ii: float  # decay of i_inh over dt
    v_th: float
    v_reset: float
    t_ref: float
    dt: float
    half_dt: float


def lif_exc_inh_step(s, x, c):
    """One step of dt. s: LIFExcInhState, x: LIFExcInhArrivals (pA), c: LIFExcInhCoefficients.

    Returns (spike, state).
    """
    v = c.v_inf + c.p_vv * (s.v - c.v_inf) + c.p_ve * s.i_exc + c.p_vi * s.i_inh
    i_exc = c.p_ee * s.i_exc + x.exc
    i_inh = c.p_ii * s.i_inh + x.inh
    free = s.refrac <= c.half_dt
    v = where(free, v, c.v_reset)
    spike = heaviside(v - c.v_th)
    fired = spike > 0.5
    refrac = where(fired, c.t_ref, where(free, s.refrac, s.refrac - c.dt))
    return spike, LIFExcInhState(where(fired, c.v_reset, v), i_exc, i_inh, refrac)


@dataclass(frozen=True, eq=False)
class LIFExcInh:
    """Leaky integrate-and-fire with two exponential current synapses (exact integration)."""

    tau_m: float = param("ms", "membrane time constant", above=0)
    tau_exc: float = param("ms", "time constant of the excitatory current", above=0)
    tau_inh: float = param("ms", "time constant of the inhibitory current", above=0)
    r_m: float = param("GOhm", "membrane resistance", above=0)
    v_rest: float = param("mV", "resting potential")
    v_th: float = param("mV", "spike when v >= v_th")
    v_reset: float = param("mV", "potential after a spike")
    t_ref: float = param("ms", "refractory period, a multiple of dt", minimum=0)
    i_ext: float = param("pA", "constant external current")
    source: str = reference()

    State: ClassVar = LIFExcInhState
    Arrivals: ClassVar = LIFExcInhArrivals
    step: ClassVar = staticmethod(lif_exc_inh_step)
    graded: ClassVar[bool] = False
    receptors: ClassVar[tuple[str, ...]] = ("exc", "inh")
    ADDS_TO: ClassVar[dict[str, str]] = {"exc": "i_exc", "inh": "i_inh"}
    arrival_unit: ClassVar[str] = "pA"

    EQUATIONS: ClassVar[str] = """
        dv/dt = (-(v - v_rest) + r_m * (i_exc + i_inh + i_ext)) / tau_m : volt (unless refractory)
        di_exc/dt = -i_exc / tau_exc : amp
        di_inh/dt = -i_inh / tau_inh : amp
    """
    THRESHOLD: ClassVar[str] = "v >= v_th"
    RESET: ClassVar[str] = "v = v_reset"
    ON_ARRIVAL: ClassVar[dict[str, str]] = {"exc": "i_exc_post += w * pA", "inh": "i_inh_post += w * pA"}
    METHOD: ClassVar[str] = "exact"
    FLOW: ClassVar[dict[str, str]] = {"i_exc": "tau_exc", "i_inh": "tau_inh"}  # see lif.py

    def coefficients(self, dt: float) -> LIFExcInhCoefficients:
        """All that depends on parameters and dt (ms)."""
        p_ee, p_ii = decay(dt, self.tau_exc), decay(dt, self.tau_inh)
        return LIFExcInhCoefficients(
            v_inf=self.v_rest + self.r_m * self.i_ext,
            p_vv=decay(dt, self.tau_m),
            p_ve=self._effect(dt, self.tau_exc, p_ee),
            p_vi=self._effect(dt, self.tau_inh, p_ii),
            p_ee=p_ee,
            p_ii=p_ii,
            v_th=self.v_th,
            v_reset=self.v_reset,
            t_ref=self.t_ref,
            dt=dt,
            half_dt=0.5 * dt,
        )

    def _effect(self, dt: float, tau: Any, p: Any) -> Any:
        """What a current that decays with tau adds to v over dt, GOhm."""
        return self.r_m * dt / self.tau_m * p * phi1(dt / tau - dt / self.tau_m)

    def initial(self) -> LIFExcInhState:
        return LIFExcInhState(v=self.v_rest, i_exc=0.0, i_inh=0.0, refrac=0.0)


# Benchmark 2 (CUBA) of the review. v_rest lies above v_th, so that a cell alone fires. Membrane and synapses as in
# brian2's examples/CUBA.py; c_m of 200 pF, that is r_m = tau_m / c_m = 0.1 GOhm, as in NEST's
# brette_et_al_2007/cuba.py: 16.2 pA there are 1.62 mV in brian2.
VOGELS_ABBOTT_CUBA = LIFExcInh(
    tau_m=20.0, tau_exc=5.0, tau_inh=10.0, r_m=0.1, v_rest=-49.0, v_th=-50.0, v_reset=-60.0, t_ref=5.0, i_ext=0.0,
    source="brette2007",
)  # fmt: skip

# The neurons of the cortical microcircuit; its c_m of 250 pF gives r_m = 0.04 GOhm.
POTJANS_DIESMANN_2014 = LIFExcInh(
    tau_m=10.0, tau_exc=0.5, tau_inh=0.5, r_m=0.04, v_rest=-65.0, v_th=-50.0, v_reset=-65.0, t_ref=2.0, i_ext=0.0,
    source="potjans2014",
)  # fmt: skip

# Defaults of NEST's iaf_psc_exp, whose c_m of 250 pF gives r_m = 0.04 GOhm.
NEST_DEFAULT = LIFExcInh(
    tau_m=10.0, tau_exc=2.0, tau_inh=2.0, r_m=0.04, v_rest=-70.0, v_th=-55.0, v_reset=-70.0, t_ref=2.0, i_ext=0.0,
    source="nest",
)  # fmt: skip

SETS = {
    "VOGELS_ABBOTT_CUBA": VOGELS_ABBOTT_CUBA,
    "POTJANS_DIESMANN_2014": POTJANS_DIESMANN_2014,
    "NEST_DEFAULT": NEST_DEFAULT,
}
