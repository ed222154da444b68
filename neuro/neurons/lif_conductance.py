"""Leaky integrate-and-fire neuron with exponential conductance synapses (COBA).

    c_m dv/dt = g_leak (v_rest - v) + g_exc (e_exc - v) + g_inh (e_inh - v) + i_ext
    tau_exc dg_exc/dt = -g_exc            a spike of weight w (nS) arrives at exc:  g_exc <- g_exc + w
    tau_inh dg_inh/dt = -g_inh            a spike of weight w (nS) arrives at inh:  g_inh <- g_inh + w
    v >= v_th:  spike, v <- v_reset, held there for t_ref

All weights are positive: the reversal potential makes a synapse inhibitory. A step: exponential Euler over dt, add
arrivals, threshold, reset. Exponential Euler lets v relax exactly towards the potential that the conductances at
the start of the step pull it to. It is of first order in dt, and its v is a mean of v and the reversal potentials
with positive weights: so v cannot leave their range, however strong a synapse and however long dt, where forward
Euler overshoots as soon as dt (g_leak + g_exc + g_inh) > c_m. The conductances decay exactly.

References: vogels2005, brette2007 (set).
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from neuro.dialect import exp, heaviside, where
from neuro.units import decay, param, reference


class LIFConductanceState(NamedTuple):
    v: float  # membrane potential, mV
    g_exc: float  # excitatory conductance, nS
    g_inh: float  # inhibitory conductance, nS
    refrac: float  # time left in refractoriness, ms


class LIFConductanceArrivals(NamedTuple):
    exc: float  # nS
    inh: float  # nS


class LIFConductanceCoefficients(NamedTuple):
    g_leak: float
    i_leak: float  # g_leak v_rest + i_ext, pA
    e_exc: float
    e_inh: float
    rate: float  # dt / c_m, 1/nS
    p_ee: float  # decay of g_exc over dt
    p_ii: float  # decay of g_inh over dt
    v_th: float
    v_reset: float
    t_ref: float
    dt: float
    half_dt: float


def lif_conductance_step(s, x, c):
    """One step of dt. s: LIFConductanceState, x: LIFConductanceArrivals (nS), c: LIFConductanceCoefficients.

    Returns (spike, state).
    """
    g = c.g_leak + s.g_exc + s.g_inh
    v_inf = (c.i_leak + s.g_exc * c.e_exc + s.g_inh * c.e_inh) / g
    v = v_inf + exp(-c.rate * g) * (s.v - v_inf)
    g_exc = c.p_ee * s.g_exc + x.exc
    g_inh = c.p_ii * s.g_inh + x.inh
    free = s.refrac <= c.half_dt
    v = where(free, v, c.v_reset)
    spike = heaviside(v - c.v_th)
    fired = spike > 0.5
    refrac = where(fired, c.t_ref, where(free, s.refrac, s.refrac - c.dt))
    return spike, LIFConductanceState(where(fired, c.v_reset, v), g_exc, g_inh, refrac)


@dataclass(frozen=True, eq=False)
class LIFConductance:
    """Leaky integrate-and-fire with two exponential conductance synapses (exponential Euler)."""

    c_m: float = param("pF", "membrane capacitance", above=0)
    g_leak: float = param("nS", "leak conductance", above=0)
    tau_exc: float = param("ms", "time constant of the excitatory conductance", above=0)
    tau_inh: float = param("ms", "time constant of the inhibitory conductance", above=0)
    e_exc: float = param("mV", "reversal potential of excitation")
    e_inh: float = param("mV", "reversal potential of inhibition")
    v_rest: float = param("mV", "resting potential")
    v_th: float = param("mV", "spike when v >= v_th")
    v_reset: float = param("mV", "potential after a spike")
    t_ref: float = param("ms", "refractory period, a multiple of dt", minimum=0)
    i_ext: float = param("pA", "constant external current")
    source: str = reference()

    State: ClassVar = LIFConductanceState
    Arrivals: ClassVar = LIFConductanceArrivals
    step: ClassVar = staticmethod(lif_conductance_step)
    graded: ClassVar[bool] = False
    receptors: ClassVar[tuple[str, ...]] = ("exc", "inh")
    ADDS_TO: ClassVar[dict[str, str]] = {"exc": "g_exc", "inh": "g_inh"}
    arrival_unit: ClassVar[str] = "nS"

    EQUATIONS: ClassVar[str] = """
        dv/dt = (g_leak * (v_rest - v) + g_exc * (e_exc - v) + g_inh * (e_inh - v) + i_ext) / c_m
                : volt (unless refractory)
        dg_exc/dt = -g_exc / tau_exc : siemens
        dg_inh/dt = -g_inh / tau_inh : siemens
    """
    THRESHOLD: ClassVar[str] = "v >= v_th"
    RESET: ClassVar[str] = "v = v_reset"
    ON_ARRIVAL: ClassVar[dict[str, str]] = {"exc": "g_exc_post += w * nS", "inh": "g_inh_post += w * nS"}
    METHOD: ClassVar[str] = "exponential_euler"

    def coefficients(self, dt: float) -> LIFConductanceCoefficients:
        """All that depends on parameters and dt (ms)."""
        return LIFConductanceCoefficients(
            g_leak=self.g_leak,
            i_leak=self.g_leak * self.v_rest + self.i_ext,
            e_exc=self.e_exc,
            e_inh=self.e_inh,
            rate=dt / self.c_m,
            p_ee=decay(dt, self.tau_exc),
            p_ii=decay(dt, self.tau_inh),
            v_th=self.v_th,
            v_reset=self.v_reset,
            t_ref=self.t_ref,
            dt=dt,
            half_dt=0.5 * dt,
        )

    def initial(self) -> LIFConductanceState:
        return LIFConductanceState(v=self.v_rest, g_exc=0.0, g_inh=0.0, refrac=0.0)


# Benchmark 1 (COBA) of the review, as in NEST's brette_et_al_2007/coba.py; weights there are 6 and 67 nS.
VOGELS_ABBOTT_COBA = LIFConductance(
    c_m=200.0, g_leak=10.0, tau_exc=5.0, tau_inh=10.0, e_exc=0.0, e_inh=-80.0, v_rest=-60.0, v_th=-50.0,
    v_reset=-60.0, t_ref=5.0, i_ext=0.0, source="brette2007",
)  # fmt: skip

# Defaults of NEST's iaf_cond_exp.
NEST_DEFAULT = LIFConductance(
    c_m=250.0, g_leak=16.6667, tau_exc=0.2, tau_inh=2.0, e_exc=0.0, e_inh=-85.0, v_rest=-70.0, v_th=-55.0,
    v_reset=-60.0, t_ref=2.0, i_ext=0.0, source="nest",
)  # fmt: skip

SETS = {"VOGELS_ABBOTT_COBA": VOGELS_ABBOTT_COBA, "NEST_DEFAULT": NEST_DEFAULT}
