"""Current-based leaky integrate-and-fire neuron of neuromorphic chips: what arrives acts within its step.

    tau_syn di_syn/dt = -i_syn                       a spike of weight w (pA) arrives:  i_syn <- i_syn + w
    tau_m dv/dt = -(v - v_rest) + r_m (i_syn + i_ext)
    v >= v_th:  spike, v <- v_reset; no second spike for t_ref, but v goes on

A step: the current decays and takes up what arrives, then v takes an Euler step with it, threshold, reset. lif.py
solves the same equations exactly, lets arrivals act from the next step on and holds v while refractory.

References: davies2018 (the order of a step: Loihi's), ivanov2021 (a liquid of such neurons, whose code has both Euler
step and refractoriness).
"""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from neuro.dialect import heaviside, where
from neuro.units import decay, param, reference


class CubaLIFState(NamedTuple):
    v: float  # membrane potential, mV
    i_syn: float  # synaptic current, pA
    refrac: float  # time left in refractoriness, ms


class CubaLIFCoefficients(NamedTuple):
    p_ii: float  # decay of i_syn over dt
    p_vv: float  # decay of v over dt, 1 - dt / tau_m
    p_vi: float  # r_m dt / tau_m, GOhm
    v_rest: float
    i_ext: float
    v_th: float
    v_reset: float
    t_ref: float
    dt: float
    half_dt: float


def cuba_lif_step(s, x, c):
    """One step of dt. s: CubaLIFState, x: arriving current (pA), c: CubaLIFCoefficients. Returns (spike, state)."""
    i_syn = c.p_ii * s.i_syn + x
    v = c.v_rest + c.p_vv * (s.v - c.v_rest) + c.p_vi * (i_syn + c.i_ext)
    free = s.refrac <= c.half_dt
    spike = heaviside(where(free, v, c.v_th - c.dt) - c.v_th)
    fired = spike > 0.5
    refrac = where(fired, c.t_ref, where(free, s.refrac, s.refrac - c.dt))
    return spike, CubaLIFState(where(fired, c.v_reset, v), i_syn, refrac)


def current_first(equations: Any, variables: Any, options: Any) -> str:
    """The code of a step for brian2, from EQUATIONS: exact flow of the current, then an Euler step of v."""
    slope = dict(equations.get_substituted_expressions(variables))
    return f"i_syn *= exp(-dt / tau_syn)\nv += dt * ({slope['v']})"


@dataclass(frozen=True, eq=False)
class CubaLIF:
    """Leaky integrate-and-fire with exponential currents that act within the step of their arrival."""

    tau_m: float = param("ms", "membrane time constant", above=0)
    tau_syn: float = param("ms", "time constant of the synaptic current", above=0)
    r_m: float = param("GOhm", "membrane resistance", above=0)
    v_rest: float = param("mV", "resting potential")
    v_th: float = param("mV", "spike when v >= v_th")
    v_reset: float = param("mV", "potential after a spike")
    t_ref: float = param("ms", "refractory period, a multiple of dt", minimum=0)
    i_ext: float = param("pA", "constant external current")
    source: str = reference()

    State: ClassVar = CubaLIFState
    step: ClassVar = staticmethod(cuba_lif_step)
    graded: ClassVar[bool] = False
    receptors: ClassVar[tuple[str, ...]] = ("input",)
    arrival_unit: ClassVar[str] = "pA"

    EQUATIONS: ClassVar[str] = """
        dv/dt = (-(v - v_rest) + r_m * (i_syn + i_ext)) / tau_m : volt
        di_syn/dt = -i_syn / tau_syn : amp
        r_step = r_m * dt / tau_m : ohm
    """
    THRESHOLD: ClassVar[str] = "v >= v_th"
    RESET: ClassVar[str] = "v = v_reset"
    ON_ARRIVAL: ClassVar[dict[str, str]] = {"input": "i_syn_post += w * pA; v_post += r_step_post * w * pA"}
    METHOD: ClassVar[Any] = staticmethod(current_first)

    def coefficients(self, dt: float) -> CubaLIFCoefficients:
        """All that depends on parameters and dt (ms)."""
        return CubaLIFCoefficients(
            p_ii=decay(dt, self.tau_syn),
            p_vv=1.0 - dt / self.tau_m,
            p_vi=self.r_m * dt / self.tau_m,
            v_rest=self.v_rest,
            i_ext=self.i_ext,
            v_th=self.v_th,
            v_reset=self.v_reset,
            t_ref=self.t_ref,
            dt=dt,
            half_dt=0.5 * dt,
        )

    def initial(self) -> CubaLIFState:
        return CubaLIFState(v=self.v_rest, i_syn=0.0, refrac=0.0)


# generate_spatial_network.py: tau_v 64, tau_u 1 and refractoriness 2 ms, threshold 20, no bias. A weight adds itself to
# v in the step of its arrival, which is r_m = 64 GOhm at dt = 1 ms.
# Deviation: there a second spike of a neuron replaces what is left of the current of its first, at most
# exp(-3) = 5 % (its neurons fire every third step at most); here the two add up.
NALSM = CubaLIF(
    tau_m=64.0, tau_syn=1.0, r_m=64.0, v_rest=0.0, v_th=20.0, v_reset=0.0, t_ref=2.0, i_ext=0.0, source="ivanov2021",
)  # fmt: skip

SETS = {"NALSM": NALSM}
