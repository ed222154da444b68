"""Integrate-and-fire neuron without leak: it adds up what arrives until it fires.

    c_m dv/dt = i_ext      a spike of weight w (mV) arrives:  v <- v + w
    v >= v_th:  spike, v <- v_reset, held there for t_ref; what arrives meanwhile is lost

A step: exact flow over dt, add arrivals, threshold, reset. There is no rest; v starts at v_reset.

References: abbott1999 (Lapicque's model), pedersen2024 (the set: neurons of its network for N-MNIST).
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from neuro.dialect import heaviside, where
from neuro.units import param, reference


class IntegrateAndFireState(NamedTuple):
    v: float  # membrane potential, mV
    refrac: float  # time left in refractoriness, ms


class IntegrateAndFireCoefficients(NamedTuple):
    rise: float  # of v over dt by the constant current, mV
    v_th: float
    v_reset: float
    t_ref: float
    dt: float
    half_dt: float


def integrate_and_fire_step(s, x, c):
    """One step of dt. s: IntegrateAndFireState, x: arriving jumps (mV), c: IntegrateAndFireCoefficients.

    Returns (spike, state).
    """
    v = s.v + c.rise + x
    free = s.refrac <= c.half_dt
    v = where(free, v, c.v_reset)
    spike = heaviside(v - c.v_th)
    fired = spike > 0.5
    refrac = where(fired, c.t_ref, where(free, s.refrac, s.refrac - c.dt))
    return spike, IntegrateAndFireState(where(fired, c.v_reset, v), refrac)


@dataclass(frozen=True, eq=False)
class IntegrateAndFire:
    """Integrate-and-fire without leak, with delta synapses."""

    c_m: float = param("pF", "membrane capacitance", above=0)
    v_th: float = param("mV", "spike when v >= v_th")
    v_reset: float = param("mV", "potential after a spike, and at the start")
    t_ref: float = param("ms", "refractory period, a multiple of dt", minimum=0)
    i_ext: float = param("pA", "constant external current")
    source: str = reference()

    State: ClassVar = IntegrateAndFireState
    step: ClassVar = staticmethod(integrate_and_fire_step)
    graded: ClassVar[bool] = False
    receptors: ClassVar[tuple[str, ...]] = ("input",)
    arrival_unit: ClassVar[str] = "mV"

    EQUATIONS: ClassVar[str] = "dv/dt = i_ext / c_m : volt (unless refractory)"
    THRESHOLD: ClassVar[str] = "v >= v_th"
    RESET: ClassVar[str] = "v = v_reset"
    ON_ARRIVAL: ClassVar[dict[str, str]] = {"input": "v_post += w * mV * int(not_refractory_post)"}
    METHOD: ClassVar[str] = "euler"  # without error, since the slope is constant

    def coefficients(self, dt: float) -> IntegrateAndFireCoefficients:
        """All that depends on parameters and dt (ms)."""
        return IntegrateAndFireCoefficients(
            rise=self.i_ext * dt / self.c_m,
            v_th=self.v_th,
            v_reset=self.v_reset,
            t_ref=self.t_ref,
            dt=dt,
            half_dt=0.5 * dt,
        )

    def initial(self) -> IntegrateAndFireState:
        return IntegrateAndFireState(v=self.v_reset, refrac=0.0)


# Its graph has r = 1, threshold 1 and reset to 0, without units: here a spike of weight 1 moves v by 1 mV.
NORMALISED = IntegrateAndFire(c_m=1.0, v_th=1.0, v_reset=0.0, t_ref=0.0, i_ext=0.0, source="pedersen2024")

SETS = {"NORMALISED": NORMALISED}
