"""Adaptive exponential integrate-and-fire neuron (AdEx) with exponential conductance synapses.

    c_m dv/dt = g_leak (v_rest - v) + g_leak delta_t exp((v - v_t) / delta_t) - i_w + i_ext
                + g_exc (e_exc - v) + g_inh (e_inh - v)
    tau_w di_w/dt = a (v - v_rest) - i_w                  v >= v_peak:  spike, v <- v_reset,  i_w <- i_w + b
    tau_exc dg_exc/dt = -g_exc            a spike of weight w (nS) arrives at exc:  g_exc <- g_exc + w
    tau_inh dg_inh/dt = -g_inh            a spike of weight w (nS) arrives at inh:  g_inh <- g_inh + w

All weights are positive. i_w is the w of the publication. A step: forward Euler over dt, all variables from the
values at the start of the step; add arrivals, threshold, reset. It is of first order in dt: take dt <= 0.1 ms, and
dt well below tau_exc and tau_inh, which decay by Euler too. The upstroke ends the step in which it crosses v_peak,
so that the spike of a sharp delta_t is late by up to dt, but the reset bounds the exponential.

References: brette2005 (equations), naud2008 (sets), nest (synapses).
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from neuro.dialect import exp, heaviside, where
from neuro.units import param, reference


class AdExState(NamedTuple):
    v: float  # membrane potential, mV
    i_w: float  # adaptation current, pA
    g_exc: float  # excitatory conductance, nS
    g_inh: float  # inhibitory conductance, nS


class AdExArrivals(NamedTuple):
    exc: float  # nS
    inh: float  # nS


class AdExCoefficients(NamedTuple):
    g_leak: float
    i_spike: float  # g_leak delta_t, pA
    per_delta_t: float  # 1 / delta_t, 1/mV
    v_rest: float
    v_t: float
    v_peak: float
    v_reset: float
    a: float
    b: float
    e_exc: float
    e_inh: float
    i_ext: float
    rate: float  # dt / c_m, 1/nS
    rate_w: float  # dt / tau_w
    p_ee: float  # 1 - dt / tau_exc
    p_ii: float  # 1 - dt / tau_inh


def adex_step(s, x, c):
    """One step of dt. s: AdExState, x: AdExArrivals (nS), c: AdExCoefficients. Returns (spike, state)."""
    i_leak = c.g_leak * (c.v_rest - s.v)
    i_spike = c.i_spike * exp((s.v - c.v_t) * c.per_delta_t)
    i_syn = s.g_exc * (c.e_exc - s.v) + s.g_inh * (c.e_inh - s.v)
    v = s.v + c.rate * (i_leak + i_spike - s.i_w + c.i_ext + i_syn)
    i_w = s.i_w + c.rate_w * (c.a * (s.v - c.v_rest) - s.i_w)
    g_exc = c.p_ee * s.g_exc + x.exc
    g_inh = c.p_ii * s.g_inh + x.inh
    spike = heaviside(v - c.v_peak)
    fired = spike > 0.5
    return spike, AdExState(where(fired, c.v_reset, v), where(fired, i_w + c.b, i_w), g_exc, g_inh)


@dataclass(frozen=True, eq=False)
class AdEx:
    """Adaptive exponential integrate-and-fire with two exponential conductance synapses (forward Euler)."""

    c_m: float = param("pF", "membrane capacitance", above=0)
    g_leak: float = param("nS", "leak conductance", above=0)
    v_rest: float = param("mV", "reversal potential of the leak (E_L)")
    v_t: float = param("mV", "potential at which the spike takes off (V_T)")
    delta_t: float = param("mV", "sharpness of the take-off", above=0)
    a: float = param("nS", "adaptation below threshold")
    tau_w: float = param("ms", "time constant of adaptation", above=0)
    b: float = param("pA", "jump of the adaptation current at a spike")
    v_reset: float = param("mV", "potential after a spike")
    v_peak: float = param("mV", "spike when v >= v_peak")
    i_ext: float = param("pA", "constant external current")
    tau_exc: float = param("ms", "time constant of the excitatory conductance", above=0)
    tau_inh: float = param("ms", "time constant of the inhibitory conductance", above=0)
    e_exc: float = param("mV", "reversal potential of excitation")
    e_inh: float = param("mV", "reversal potential of inhibition")
    source: str = reference()

    State: ClassVar = AdExState
    Arrivals: ClassVar = AdExArrivals
    step: ClassVar = staticmethod(adex_step)
    graded: ClassVar[bool] = False
    receptors: ClassVar[tuple[str, ...]] = ("exc", "inh")
    ADDS_TO: ClassVar[dict[str, str]] = {"exc": "g_exc", "inh": "g_inh"}
    arrival_unit: ClassVar[str] = "nS"

    EQUATIONS: ClassVar[str] = """
        dv/dt = (g_leak * (v_rest - v) + g_leak * delta_t * exp((v - v_t) / delta_t) - i_w + i_ext
                 + g_exc * (e_exc - v) + g_inh * (e_inh - v)) / c_m : volt
        di_w/dt = (a * (v - v_rest) - i_w) / tau_w : amp
        dg_exc/dt = -g_exc / tau_exc : siemens
        dg_inh/dt = -g_inh / tau_inh : siemens
    """
    THRESHOLD: ClassVar[str] = "v >= v_peak"
    RESET: ClassVar[str] = "v = v_reset; i_w += b"
    ON_ARRIVAL: ClassVar[dict[str, str]] = {"exc": "g_exc_post += w * nS", "inh": "g_inh_post += w * nS"}
    METHOD: ClassVar[str] = "euler"

    def coefficients(self, dt: float) -> AdExCoefficients:
        """All that depends on parameters and dt (ms)."""
        return AdExCoefficients(
            g_leak=self.g_leak,
            i_spike=self.g_leak * self.delta_t,
            per_delta_t=1.0 / self.delta_t,
            v_rest=self.v_rest,
            v_t=self.v_t,
            v_peak=self.v_peak,
            v_reset=self.v_reset,
            a=self.a,
            b=self.b,
            e_exc=self.e_exc,
            e_inh=self.e_inh,
            i_ext=self.i_ext,
            rate=dt / self.c_m,
            rate_w=dt / self.tau_w,
            p_ee=1.0 - dt / self.tau_exc,
            p_ii=1.0 - dt / self.tau_inh,
        )

    def initial(self) -> AdExState:
        return AdExState(v=self.v_rest, i_w=0.0, g_exc=0.0, g_inh=0.0)


def _pattern(**values: float) -> AdEx:
    synapses = {"tau_exc": 0.2, "tau_inh": 2.0, "e_exc": 0.0, "e_inh": -85.0}  # naud2008 has none: those of NEST
    return AdEx(**values, v_t=-50.0, delta_t=2.0, v_peak=0.0, **synapses, source="naud2008")


# Table 1 of the publication, in the version of brian2's example frompapers/Naud_et_al_2008_adex_firing_patterns.py,
# whose authors adapted some values so that they give the figures. i_ext is the step of current of the table.
TONIC = _pattern(c_m=200.0, g_leak=10.0, v_rest=-70.0, a=2.0, tau_w=30.0, b=0.0, v_reset=-58.0, i_ext=500.0)
ADAPTING = _pattern(c_m=200.0, g_leak=12.0, v_rest=-70.0, a=2.0, tau_w=300.0, b=60.0, v_reset=-58.0, i_ext=500.0)
INITIAL_BURST = _pattern(c_m=130.0, g_leak=18.0, v_rest=-58.0, a=4.0, tau_w=150.0, b=120.0, v_reset=-50.0, i_ext=400.0)
REGULAR_BURSTING = _pattern(
    c_m=200.0, g_leak=10.0, v_rest=-58.0, a=2.0, tau_w=120.0, b=100.0, v_reset=-46.0, i_ext=210.0
)
DELAYED_ACCELERATING = _pattern(
    c_m=200.0, g_leak=12.0, v_rest=-70.0, a=-10.0, tau_w=300.0, b=0.0, v_reset=-58.0, i_ext=300.0
)
DELAYED_REGULAR_BURSTING = _pattern(
    c_m=100.0, g_leak=10.0, v_rest=-65.0, a=-10.0, tau_w=90.0, b=30.0, v_reset=-47.0, i_ext=110.0
)
TRANSIENT_SPIKING = _pattern(
    c_m=100.0, g_leak=10.0, v_rest=-65.0, a=10.0, tau_w=90.0, b=100.0, v_reset=-47.0, i_ext=180.0
)
IRREGULAR_SPIKING = _pattern(
    c_m=100.0, g_leak=12.0, v_rest=-60.0, a=-11.0, tau_w=130.0, b=30.0, v_reset=-48.0, i_ext=160.0
)

# Defaults of NEST's aeif_cond_exp: the neuron of brette2005, but for its reset of -70.6 mV.
NEST_DEFAULT = AdEx(
    c_m=281.0, g_leak=30.0, v_rest=-70.6, v_t=-50.4, delta_t=2.0, a=4.0, tau_w=144.0, b=80.5, v_reset=-60.0,
    v_peak=0.0, i_ext=0.0, tau_exc=0.2, tau_inh=2.0, e_exc=0.0, e_inh=-85.0, source="nest",
)  # fmt: skip

SETS = {
    "TONIC": TONIC,
    "ADAPTING": ADAPTING,
    "INITIAL_BURST": INITIAL_BURST,
    "REGULAR_BURSTING": REGULAR_BURSTING,
    "DELAYED_ACCELERATING": DELAYED_ACCELERATING,
    "DELAYED_REGULAR_BURSTING": DELAYED_REGULAR_BURSTING,
    "TRANSIENT_SPIKING": TRANSIENT_SPIKING,
    "IRREGULAR_SPIKING": IRREGULAR_SPIKING,
    "NEST_DEFAULT": NEST_DEFAULT,
}
