"""Leaky integrate-and-fire neuron with delta synapses and a threshold that adapts, within a second or over hours.

    tau_m dv/dt = -(v - v_rest) + r_m i_ext      a spike of weight w (mV) arrives:  v <- v + w
    tau_theta dtheta/dt = -theta
    v >= v_th + theta:  spike, theta <- theta + theta_plus, v <- v_reset, held there for t_ref; what arrives
                        meanwhile is lost

A step: exact flow over dt, add arrivals, threshold, reset. The threshold decays in refractoriness too. Over hours it is
homeostasis: a neuron that fires often is harder to excite from then on, and leaves input to others. Over a second, this
is the neuron of alif.py without the synaptic current.

References: diehl2015 (adaptive threshold, set), bellec2018 (set), rotter1999 (exact integration).
"""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from neuro.dialect import heaviside, where
from neuro.units import decay, param, reference


class ThresholdLIFState(NamedTuple):
    v: float  # membrane potential, mV
    theta: float  # rise of the threshold, mV
    refrac: float  # time left in refractoriness, ms


class ThresholdLIFCoefficients(NamedTuple):
    v_inf: float  # potential towards which v decays, mV
    p_vv: float  # decay of v over dt
    p_theta: float  # decay of theta over dt
    theta_plus: float
    v_th: float
    v_reset: float
    t_ref: float
    dt: float
    half_dt: float


def threshold_lif_step(s, x, c):
    """One step of dt. s: ThresholdLIFState, x: arriving jumps (mV), c: ThresholdLIFCoefficients.

    Returns (spike, state).
    """
    v = c.v_inf + c.p_vv * (s.v - c.v_inf) + x
    theta = c.p_theta * s.theta
    free = s.refrac <= c.half_dt
    v = where(free, v, c.v_reset)
    spike = heaviside(v - (c.v_th + theta))
    fired = spike > 0.5
    refrac = where(fired, c.t_ref, where(free, s.refrac, s.refrac - c.dt))
    theta = theta + c.theta_plus * spike  # a product, so that a surrogate's gradient knows what a spike costs later
    return spike, ThresholdLIFState(where(fired, c.v_reset, v), theta, refrac)


@dataclass(frozen=True, eq=False)
class ThresholdLIF:
    """Leaky integrate-and-fire with delta synapses, whose threshold rises with each spike."""

    tau_m: float = param("ms", "membrane time constant", above=0)
    tau_theta: float = param("ms", "time constant of the threshold's decay", above=0)
    theta_plus: float = param("mV", "rise of the threshold at a spike", minimum=0)
    r_m: float = param("GOhm", "membrane resistance", above=0)
    v_rest: float = param("mV", "resting potential")
    v_th: float = param("mV", "threshold of a neuron that has not fired for long")
    v_reset: float = param("mV", "potential after a spike")
    t_ref: float = param("ms", "refractory period, a multiple of dt", minimum=0)
    i_ext: float = param("pA", "constant external current")
    source: str = reference()

    State: ClassVar = ThresholdLIFState
    step: ClassVar = staticmethod(threshold_lif_step)
    graded: ClassVar[bool] = False
    receptors: ClassVar[tuple[str, ...]] = ("input",)
    arrival_unit: ClassVar[str] = "mV"

    EQUATIONS: ClassVar[str] = """
        dv/dt = (-(v - v_rest) + r_m * i_ext) / tau_m : volt (unless refractory)
        dtheta/dt = -theta / tau_theta : volt
    """
    THRESHOLD: ClassVar[str] = "v >= v_th + theta"
    RESET: ClassVar[str] = "v = v_reset; theta += theta_plus"
    ON_ARRIVAL: ClassVar[dict[str, str]] = {"input": "v_post += w * mV * int(not_refractory_post)"}
    METHOD: ClassVar[str] = "exact"

    def coefficients(self, dt: float) -> ThresholdLIFCoefficients:
        """All that depends on parameters and dt (ms)."""
        return ThresholdLIFCoefficients(
            v_inf=self.v_rest + self.r_m * self.i_ext,
            p_vv=decay(dt, self.tau_m),
            p_theta=decay(dt, self.tau_theta),
            theta_plus=self.theta_plus,
            v_th=self.v_th,
            v_reset=self.v_reset,
            t_ref=self.t_ref,
            dt=dt,
            half_dt=0.5 * dt,
        )

    def initial(self) -> ThresholdLIFState:
        return ThresholdLIFState(v=self.v_rest, theta=0.0, refrac=0.0)


# Excitatory neurons of the authors' program (peter-u-diehl/stdp-mnist), whose theta starts at 20 mV above an offset
# of 20 mV. Deviation: their synapses are conductances. r_m = 1 GOhm makes 1 pA of a constant current 1 mV.
DIEHL_COOK = ThresholdLIF(
    tau_m=100.0, tau_theta=1e7, theta_plus=0.05, r_m=1.0, v_rest=-65.0, v_th=-52.0, v_reset=-65.0, t_ref=5.0, i_ext=0.0,
    source="diehl2015",
)  # fmt: skip

# IGITUGraz/LSNN-official, sequential MNIST, in units of its threshold, 0.01 V: a spike raises that by
# beta (1 - exp(-1 ms / tau_a)), beta = 1.8 V; 5 steps of 1 ms of refractoriness. Their current lasts one step, as here.
# Deviation: a spike subtracts v_th from v there, and v runs on in refractoriness.
BELLEC_2018 = ThresholdLIF(
    tau_m=20.0, tau_theta=700.0, theta_plus=-180.0 * math.expm1(-1.0 / 700.0), r_m=1.0, v_rest=0.0, v_th=1.0,
    v_reset=0.0, t_ref=5.0, i_ext=0.0, source="bellec2018",
)  # fmt: skip

SETS = {"DIEHL_COOK": DIEHL_COOK, "BELLEC_2018": BELLEC_2018}
