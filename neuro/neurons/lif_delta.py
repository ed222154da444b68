"""Leaky integrate-and-fire neuron with delta synapses.

    tau_m dv/dt = -(v - v_rest) + r_m i_ext      a spike of weight w (mV) arrives:  v <- v + w
    v >= v_th:  spike, v <- v_reset, held there for t_ref; what arrives meanwhile is lost

A step: exact flow over dt, add arrivals, threshold, reset (as in NEST's iaf_psc_delta). A constant
arrival of x mV a step is a constant current of x / (r_m (1 - exp(-dt / tau_m))).

References: rotter1999 (exact integration), eshraghian2023 (the normalised set).
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from neuro.dialect import heaviside, where
from neuro.units import decay, param, reference


class LIFDeltaState(NamedTuple):
    v: float  # membrane potential, mV
    refrac: float  # time left in refractoriness, ms


class LIFDeltaCoefficients(NamedTuple):
    v_inf: float  # potential towards which v decays, mV
    p_vv: float  # decay of v over dt
    v_th: float
    v_reset: float
    t_ref: float
    dt: float
    half_dt: float


def lif_delta_step(s, x, c):
    """One step of dt. s: LIFDeltaState, x: arriving jumps (mV), c: LIFDeltaCoefficients.

    Returns (spike, state).
    """
    v = c.v_inf + c.p_vv * (s.v - c.v_inf) + x
    free = s.refrac <= c.half_dt
    v = where(free, v, c.v_reset)
    spike = heaviside(v - c.v_th)
    fired = spike > 0.5
    refrac = where(fired, c.t_ref, where(free, s.refrac, s.refrac - c.dt))
    return spike, LIFDeltaState(where(fired, c.v_reset, v), refrac)


@dataclass(frozen=True, eq=False)
class LIFDelta:
    """Leaky integrate-and-fire with delta synapses: a spike moves the membrane at once."""

    tau_m: float = param("ms", "membrane time constant", above=0)
    r_m: float = param("GOhm", "membrane resistance", above=0)
    v_rest: float = param("mV", "resting potential")
    v_th: float = param("mV", "spike when v >= v_th")
    v_reset: float = param("mV", "potential after a spike")
    t_ref: float = param("ms", "refractory period, a multiple of dt", minimum=0)
    i_ext: float = param("pA", "constant external current")
    source: str = reference()

    State: ClassVar = LIFDeltaState
    step: ClassVar = staticmethod(lif_delta_step)
    graded: ClassVar[bool] = False
    receptors: ClassVar[tuple[str, ...]] = ("input",)
    arrival_unit: ClassVar[str] = "mV"

    EQUATIONS: ClassVar[str] = "dv/dt = (-(v - v_rest) + r_m * i_ext) / tau_m : volt (unless refractory)"
    THRESHOLD: ClassVar[str] = "v >= v_th"
    RESET: ClassVar[str] = "v = v_reset"
    ON_ARRIVAL: ClassVar[dict[str, str]] = {"input": "v_post += w * mV * int(not_refractory_post)"}
    METHOD: ClassVar[str] = "exact"
    FLOW: ClassVar[dict[str, str]] = {}  # as in lif.py; no current, since a spike moves v

    def coefficients(self, dt: float) -> LIFDeltaCoefficients:
        """All that depends on parameters and dt (ms)."""
        return LIFDeltaCoefficients(
            v_inf=self.v_rest + self.r_m * self.i_ext,
            p_vv=decay(dt, self.tau_m),
            v_th=self.v_th,
            v_reset=self.v_reset,
            t_ref=self.t_ref,
            dt=dt,
            half_dt=0.5 * dt,
        )

    def initial(self) -> LIFDeltaState:
        return LIFDeltaState(v=self.v_rest, refrac=0.0)


# iaf_psc_delta's defaults: tau_m 10 ms, c_m 250 pF (r_m = tau_m / c_m = 0.04 GOhm), t_ref 2 ms.
NEST_DEFAULT = LIFDelta(
    tau_m=10.0, r_m=0.04, v_rest=-70.0, v_th=-55.0, v_reset=-70.0, t_ref=2.0, i_ext=0.0, source="nest",
)  # fmt: skip

# Normalised units of surrogate-gradient networks: rest 0, threshold 1, reset to 0.
# Deviation: the source's tutorials decay by beta = 0.9 a step; tau_m is that at dt = 1 ms, -1 / ln 0.9.
NORMALISED = LIFDelta(
    tau_m=9.4912, r_m=1.0, v_rest=0.0, v_th=1.0, v_reset=0.0, t_ref=0.0, i_ext=0.0, source="eshraghian2023",
)  # fmt: skip

SETS = {"NEST_DEFAULT": NEST_DEFAULT, "NORMALISED": NORMALISED}
