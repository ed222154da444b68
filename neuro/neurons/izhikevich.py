"""Izhikevich neuron of 2003.

    dv/dt = 0.04 v^2 + 5 v + 140 - u + i_ext
    du/dt = a (b v - u)                          v >= v_peak:  spike, v <- c,  u <- u + d
    a spike of weight w (mV) arrives:  v <- v + w

A step: forward Euler over dt (v and u both from the values at the start of the step), add arrivals,
threshold, reset. A weight is a jump of v, so it does not depend on dt; it equals the publication's
current of the same number that lasts for 1 ms.

References: izhikevich2003 (equations and sets; its script takes dt = 1 ms with two half steps of v).
Deviation: single Euler steps throughout; take dt <= 0.5 ms for stability.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from neuro.dialect import heaviside, where
from neuro.units import param, reference


class IzhikevichState(NamedTuple):
    v: float  # membrane potential, mV
    u: float  # recovery variable, mV/ms


class IzhikevichCoefficients(NamedTuple):
    quadratic: float  # 0.04 dt, 1/mV
    linear: float  # 5 dt
    constant: float  # (140 + i_ext) dt, mV
    a_dt: float
    b: float
    c: float
    d: float
    v_peak: float
    dt: float


def izhikevich_step(s, x, c):
    """One step of dt. s: IzhikevichState, x: arriving jumps (mV). Returns (spike, state)."""
    v = s.v + c.quadratic * s.v * s.v + c.linear * s.v + c.constant - c.dt * s.u + x
    u = s.u + c.a_dt * (c.b * s.v - s.u)
    spike = heaviside(v - c.v_peak)
    fired = spike > 0.5
    return spike, IzhikevichState(where(fired, c.c, v), where(fired, u + c.d, u))


@dataclass(frozen=True, eq=False)
class Izhikevich:
    """Two-variable neuron that fires in the patterns of cortical cells."""

    a: float = param("1/ms", "rate of recovery", above=0)
    b: float = param("1/ms", "sensitivity of recovery to v")
    c: float = param("mV", "potential after a spike")
    d: float = param("mV/ms", "jump of recovery at a spike")
    v_peak: float = param("mV", "spike when v >= v_peak")
    i_ext: float = param("mV/ms", "constant external current")
    source: str = reference()

    State: ClassVar = IzhikevichState
    step: ClassVar = staticmethod(izhikevich_step)
    graded: ClassVar[bool] = False
    receptors: ClassVar[tuple[str, ...]] = ("input",)
    arrival_unit: ClassVar[str] = "mV"

    EQUATIONS: ClassVar[str] = """
        dv/dt = 0.04/ms/mV * v**2 + 5/ms * v + 140*mV/ms - u + i_ext : volt
        du/dt = a * (b * v - u) : volt/second
    """
    THRESHOLD: ClassVar[str] = "v >= v_peak"
    RESET: ClassVar[str] = "v = c; u += d"
    ON_ARRIVAL: ClassVar[dict[str, str]] = {"input": "v_post += w * mV"}
    METHOD: ClassVar[str] = "euler"

    def coefficients(self, dt: float) -> IzhikevichCoefficients:
        """All that depends on parameters and dt (ms)."""
        return IzhikevichCoefficients(
            quadratic=0.04 * dt,
            linear=5.0 * dt,
            constant=(140.0 + self.i_ext) * dt,
            a_dt=self.a * dt,
            b=self.b,
            c=self.c,
            d=self.d,
            v_peak=self.v_peak,
            dt=dt,
        )

    def initial(self) -> IzhikevichState:
        """v = -65 mV and u = b v, as in the publication's script."""
        return IzhikevichState(v=-65.0, u=-65.0 * self.b)


def _cell(a: float, b: float, c: float, d: float) -> Izhikevich:
    return Izhikevich(a=a, b=b, c=c, d=d, v_peak=30.0, i_ext=0.0, source="izhikevich2003")


# Figure 2 of the publication; the resonator's d and the thalamo-cortical set from its text.
REGULAR_SPIKING = _cell(a=0.02, b=0.2, c=-65.0, d=8.0)
INTRINSICALLY_BURSTING = _cell(a=0.02, b=0.2, c=-55.0, d=4.0)
CHATTERING = _cell(a=0.02, b=0.2, c=-50.0, d=2.0)
FAST_SPIKING = _cell(a=0.1, b=0.2, c=-65.0, d=2.0)
LOW_THRESHOLD_SPIKING = _cell(a=0.02, b=0.25, c=-65.0, d=2.0)
THALAMO_CORTICAL = _cell(a=0.02, b=0.25, c=-65.0, d=0.05)
RESONATOR = _cell(a=0.1, b=0.26, c=-65.0, d=2.0)

SETS = {
    "REGULAR_SPIKING": REGULAR_SPIKING,
    "INTRINSICALLY_BURSTING": INTRINSICALLY_BURSTING,
    "CHATTERING": CHATTERING,
    "FAST_SPIKING": FAST_SPIKING,
    "LOW_THRESHOLD_SPIKING": LOW_THRESHOLD_SPIKING,
    "THALAMO_CORTICAL": THALAMO_CORTICAL,
    "RESONATOR": RESONATOR,
}
