"""Leaky integrate-and-fire neuron with delta synapses, whose spike takes a fixed part off the potential.

    tau_m dv/dt = -(v - v_rest) + r_m i_ext      a spike of weight w (mV) arrives:  v <- v + w
    v >= v_th:  spike, v <- v - v_drop

A step: exact flow over dt, add arrivals, threshold, reset. What exceeds the threshold is kept, so that the rate follows
a strong input more closely than after a reset to one value. There is one spike a step at most, and no refractoriness.

References: eshraghian2023 (reset by subtraction, the normalised set), rotter1999 (exact integration).
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from neuro.dialect import heaviside
from neuro.units import decay, param, reference


class SoftResetLIFState(NamedTuple):
    v: float  # membrane potential, mV


class SoftResetLIFCoefficients(NamedTuple):
    v_inf: float  # potential towards which v decays, mV
    p_vv: float  # decay of v over dt
    v_th: float
    v_drop: float


def soft_reset_lif_step(s, x, c):
    """One step of dt. s: SoftResetLIFState, x: arriving jumps (mV). Returns (spike, state)."""
    v = c.v_inf + c.p_vv * (s.v - c.v_inf) + x
    spike = heaviside(v - c.v_th)
    return spike, SoftResetLIFState(v - c.v_drop * spike)


@dataclass(frozen=True, eq=False)
class SoftResetLIF:
    """Leaky integrate-and-fire with delta synapses and reset by subtraction."""

    tau_m: float = param("ms", "membrane time constant", above=0)
    r_m: float = param("GOhm", "membrane resistance", above=0)
    v_rest: float = param("mV", "resting potential")
    v_th: float = param("mV", "spike when v >= v_th")
    v_drop: float = param("mV", "what a spike takes off v", above=0)
    i_ext: float = param("pA", "constant external current")
    source: str = reference()

    State: ClassVar = SoftResetLIFState
    step: ClassVar = staticmethod(soft_reset_lif_step)
    graded: ClassVar[bool] = False
    receptors: ClassVar[tuple[str, ...]] = ("input",)
    arrival_unit: ClassVar[str] = "mV"

    EQUATIONS: ClassVar[str] = "dv/dt = (-(v - v_rest) + r_m * i_ext) / tau_m : volt"
    THRESHOLD: ClassVar[str] = "v >= v_th"
    RESET: ClassVar[str] = "v -= v_drop"
    ON_ARRIVAL: ClassVar[dict[str, str]] = {"input": "v_post += w * mV"}
    METHOD: ClassVar[str] = "exact"

    def coefficients(self, dt: float) -> SoftResetLIFCoefficients:
        """All that depends on parameters and dt (ms)."""
        return SoftResetLIFCoefficients(
            v_inf=self.v_rest + self.r_m * self.i_ext,
            p_vv=decay(dt, self.tau_m),
            v_th=self.v_th,
            v_drop=self.v_drop,
        )

    def initial(self) -> SoftResetLIFState:
        return SoftResetLIFState(v=self.v_rest)


# As the set of that name in lif_delta.py: beta = 0.9 a step of 1 ms. A spike takes off the threshold.
NORMALISED = SoftResetLIF(
    tau_m=9.4912, r_m=1.0, v_rest=0.0, v_th=1.0, v_drop=1.0, i_ext=0.0, source="eshraghian2023",
)  # fmt: skip

SETS = {"NORMALISED": NORMALISED}
