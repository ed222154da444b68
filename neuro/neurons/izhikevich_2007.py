"""Izhikevich neuron of 2007, with dimensions.

    c_m dv/dt = k (v - v_r) (v - v_t) - u + i_ext
    du/dt = a (b (v - v_r) + cubic [v - v_b]^3 - u)          [y] is y where positive, else 0
    v >= v_peak - peak_slope u:  spike, v <- c + c_slope u,  u <- min(u + d, u_max)
    a spike of weight w (mV) arrives:  v <- v + w

k counts per mV and cubic per mV^2: k (v - v_r) is a conductance of k nS for each mV. The cubic term belongs to the
fast-spiking cell, the slopes and u_max to the low-threshold one; elsewhere they do nothing.
A step: forward Euler over dt (v and u both from the values at the start of the step), add arrivals, threshold,
reset. It is of first order in dt; the book's scripts take 1 ms for the pyramidal cells and 0.1 ms for the fast ones.

References: izhikevich2007 (chapter 8).
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from neuro.dialect import heaviside, maximum, minimum, where
from neuro.units import param, reference


class Izhikevich2007State(NamedTuple):
    v: float  # membrane potential, mV
    u: float  # recovery current, pA


class Izhikevich2007Coefficients(NamedTuple):
    quadratic: float  # k dt / c_m, 1/mV
    rate: float  # dt / c_m, 1/nS
    i_dt: float  # i_ext dt / c_m, mV
    a_dt: float
    b: float
    cubic: float
    v_r: float
    v_t: float
    v_b: float
    v_peak: float
    peak_slope: float
    c: float
    c_slope: float
    d: float
    u_max: float


def izhikevich_2007_step(s, x, c):
    """One step of dt. s: Izhikevich2007State, x: arriving jumps (mV). Returns (spike, state)."""
    above = maximum(s.v, c.v_b) - c.v_b
    v = s.v + c.quadratic * (s.v - c.v_r) * (s.v - c.v_t) - c.rate * s.u + c.i_dt + x
    u = s.u + c.a_dt * (c.b * (s.v - c.v_r) + c.cubic * above * above * above - s.u)
    spike = heaviside(v - (c.v_peak - c.peak_slope * u))
    fired = spike > 0.5
    return spike, Izhikevich2007State(where(fired, c.c + c.c_slope * u, v), where(fired, minimum(u + c.d, c.u_max), u))


@dataclass(frozen=True, eq=False)
class Izhikevich2007:
    """Two-variable neuron fitted to recordings of cortical cells (forward Euler)."""

    c_m: float = param("pF", "membrane capacitance", above=0)
    k: float = param("nS", "gain of the upstroke, for each mV", above=0)
    v_r: float = param("mV", "resting potential")
    v_t: float = param("mV", "instantaneous threshold")
    v_peak: float = param("mV", "peak of a spike")
    a: float = param("1/ms", "rate of recovery", above=0)
    b: float = param("nS", "sensitivity of recovery to v")
    c: float = param("mV", "potential after a spike")
    d: float = param("pA", "jump of recovery at a spike")
    cubic: float = param("nS", "cubic sensitivity of recovery to v above v_b, for each mV^2", minimum=0)
    v_b: float = param("mV", "where the cubic sensitivity begins")
    peak_slope: float = param("GOhm", "by how much u lowers the peak")
    c_slope: float = param("GOhm", "by how much u raises the potential after a spike")
    u_max: float = param("pA", "u is at most this after a spike")
    i_ext: float = param("pA", "constant external current")
    source: str = reference()

    State: ClassVar = Izhikevich2007State
    step: ClassVar = staticmethod(izhikevich_2007_step)
    graded: ClassVar[bool] = False
    receptors: ClassVar[tuple[str, ...]] = ("input",)
    arrival_unit: ClassVar[str] = "mV"

    EQUATIONS: ClassVar[str] = """
        dv/dt = (k * (v - v_r) * (v - v_t) / mV - u + i_ext) / c_m : volt
        du/dt = a * (b * (v - v_r) + cubic * int(v > v_b) * (v - v_b)**3 / mV**2 - u) : amp
    """
    THRESHOLD: ClassVar[str] = "v >= v_peak - peak_slope * u"
    RESET: ClassVar[str] = "v = c + c_slope * u; u = clip(u + d, -inf * pA, u_max)"
    ON_ARRIVAL: ClassVar[dict[str, str]] = {"input": "v_post += w * mV"}
    METHOD: ClassVar[str] = "euler"

    def coefficients(self, dt: float) -> Izhikevich2007Coefficients:
        """All that depends on parameters and dt (ms)."""
        return Izhikevich2007Coefficients(
            quadratic=self.k * dt / self.c_m,
            rate=dt / self.c_m,
            i_dt=self.i_ext * dt / self.c_m,
            a_dt=self.a * dt,
            b=self.b,
            cubic=self.cubic,
            v_r=self.v_r,
            v_t=self.v_t,
            v_b=self.v_b,
            v_peak=self.v_peak,
            peak_slope=self.peak_slope,
            c=self.c,
            c_slope=self.c_slope,
            d=self.d,
            u_max=self.u_max,
        )

    def initial(self) -> Izhikevich2007State:
        return Izhikevich2007State(v=self.v_r, u=0.0)


def _cell(**values: float) -> Izhikevich2007:
    plain = {"cubic": 0.0, "v_b": 0.0, "peak_slope": 0.0, "c_slope": 0.0, "u_max": 1e9}  # 1e9 pA: no bound
    return Izhikevich2007(**{**plain, **values}, i_ext=0.0, source="izhikevich2007")


# Chapter 8: figures 8.12, 8.19, 8.23, 8.27 and 8.25 (checked against suny-downstate-medical-center/netpyne).
REGULAR_SPIKING = _cell(c_m=100.0, k=0.7, v_r=-60.0, v_t=-40.0, v_peak=35.0, a=0.03, b=-2.0, c=-50.0, d=100.0)
INTRINSICALLY_BURSTING = _cell(c_m=150.0, k=1.2, v_r=-75.0, v_t=-45.0, v_peak=50.0, a=0.01, b=5.0, c=-56.0, d=130.0)
CHATTERING = _cell(c_m=50.0, k=1.5, v_r=-60.0, v_t=-40.0, v_peak=25.0, a=0.03, b=1.0, c=-40.0, d=150.0)
FAST_SPIKING = _cell(
    c_m=20.0, k=1.0, v_r=-55.0, v_t=-40.0, v_peak=25.0, a=0.2, b=0.0, c=-45.0, d=0.0, cubic=0.025, v_b=-55.0
)
LOW_THRESHOLD_SPIKING = _cell(
    c_m=100.0, k=1.0, v_r=-56.0, v_t=-42.0, v_peak=40.0, a=0.03, b=8.0, c=-53.0, d=20.0,
    peak_slope=0.1, c_slope=0.04, u_max=670.0,
)  # fmt: skip

SETS = {
    "REGULAR_SPIKING": REGULAR_SPIKING,
    "INTRINSICALLY_BURSTING": INTRINSICALLY_BURSTING,
    "CHATTERING": CHATTERING,
    "FAST_SPIKING": FAST_SPIKING,
    "LOW_THRESHOLD_SPIKING": LOW_THRESHOLD_SPIKING,
}
