"""Leaky integrate-and-fire neuron with intrinsic plasticity: a threshold that brings the rate to a target.

    tau_m dv/dt = -(v - v_rest) + r_m (i_syn + i_ext)
    tau_syn di_syn/dt = -i_syn            a spike of weight w (pA) arrives:  i_syn <- i_syn + w
    da/dt = -eta rate_target
    v >= v_th + a:  spike, a <- a + eta, v <- v_reset, held there for t_ref

A step: exact flow over dt, add arrivals, threshold, reset. The threshold moves in refractoriness too. n spikes in a
time T move it by a(T) - a(0) = eta (n - rate_target T), so that the rate is rate_target + (a(T) - a(0)) / (eta T):
the target in the long run, if the threshold stays within bounds. A neuron without input gets there as well, since
its threshold falls until v_rest is above it.

References: lazar2009 (the rule, for binary units), miner2016 (the same for LIF, and the set), rotter1999.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from neuro.dialect import heaviside, where
from neuro.neurons.exact import phi1
from neuro.units import decay, param, reference


class IntrinsicLIFState(NamedTuple):
    v: float  # membrane potential, mV
    i_syn: float  # synaptic current, pA
    a: float  # what intrinsic plasticity has added to the threshold, mV
    refrac: float  # time left in refractoriness, ms


class IntrinsicLIFCoefficients(NamedTuple):
    v_inf: float  # potential towards which v decays when i_syn = 0, mV
    p_vv: float  # decay of v over dt
    p_vi: float  # effect of i_syn on v over dt, GOhm
    p_ii: float  # decay of i_syn over dt
    fall: float  # of the threshold over dt, mV
    eta: float
    v_th: float
    below: float  # distance from the threshold that a refractory neuron pretends to have, mV
    v_reset: float
    t_ref: float
    dt: float
    half_dt: float


def intrinsic_lif_step(s, x, c):
    """One step of dt. s: IntrinsicLIFState, x: arriving current (pA), c: IntrinsicLIFCoefficients.

    Returns (spike, state).
    """
    v = c.v_inf + c.p_vv * (s.v - c.v_inf) + c.p_vi * s.i_syn
    i_syn = c.p_ii * s.i_syn + x
    a = s.a - c.fall
    free = s.refrac <= c.half_dt
    v = where(free, v, c.v_reset)
    spike = heaviside(where(free, v - (c.v_th + a), c.below))
    fired = spike > 0.5
    refrac = where(fired, c.t_ref, where(free, s.refrac, s.refrac - c.dt))
    return spike, IntrinsicLIFState(where(fired, c.v_reset, v), i_syn, where(fired, a + c.eta, a), refrac)


@dataclass(frozen=True, eq=False)
class IntrinsicLIF:
    """Leaky integrate-and-fire whose threshold rises at a spike and falls in between (exact integration)."""

    tau_m: float = param("ms", "membrane time constant", above=0)
    tau_syn: float = param("ms", "time constant of the synaptic current", above=0)
    eta: float = param("mV", "rise of the threshold at a spike", minimum=0)
    rate_target: float = param("Hz", "rate at which the threshold rests", minimum=0)
    r_m: float = param("GOhm", "membrane resistance", above=0)
    v_rest: float = param("mV", "resting potential")
    v_th: float = param("mV", "threshold at the start")
    v_reset: float = param("mV", "potential after a spike")
    t_ref: float = param("ms", "refractory period, a multiple of dt", minimum=0)
    i_ext: float = param("pA", "constant external current")
    source: str = reference()

    State: ClassVar = IntrinsicLIFState
    step: ClassVar = staticmethod(intrinsic_lif_step)
    graded: ClassVar[bool] = False
    receptors: ClassVar[tuple[str, ...]] = ("input",)
    ADDS_TO: ClassVar[dict[str, str]] = {"input": "i_syn"}
    arrival_unit: ClassVar[str] = "pA"

    EQUATIONS: ClassVar[str] = """
        dv/dt = (-(v - v_rest) + r_m * (i_syn + i_ext)) / tau_m : volt (unless refractory)
        di_syn/dt = -i_syn / tau_syn : amp
        da/dt = -eta * rate_target : volt
    """
    THRESHOLD: ClassVar[str] = "v >= v_th + a"
    RESET: ClassVar[str] = "v = v_reset; a += eta"
    ON_ARRIVAL: ClassVar[dict[str, str]] = {"input": "i_syn_post += w * pA"}
    METHOD: ClassVar[str] = "rk4"  # brian2's "exact" divides by the rate of decay of a, which is 0

    def coefficients(self, dt: float) -> IntrinsicLIFCoefficients:
        """All that depends on parameters and dt (ms)."""
        p_ii = decay(dt, self.tau_syn)
        return IntrinsicLIFCoefficients(
            v_inf=self.v_rest + self.r_m * self.i_ext,
            p_vv=decay(dt, self.tau_m),
            p_vi=self.r_m * dt / self.tau_m * p_ii * phi1(dt / self.tau_syn - dt / self.tau_m),
            p_ii=p_ii,
            fall=self.eta * self.rate_target * dt / 1000.0,
            eta=self.eta,
            v_th=self.v_th,
            below=-1.0,
            v_reset=self.v_reset,
            t_ref=self.t_ref,
            dt=dt,
            half_dt=0.5 * dt,
        )

    def initial(self) -> IntrinsicLIFState:
        return IntrinsicLIFState(v=self.v_rest, i_syn=0.0, a=0.0, refrac=0.0)


# Excitatory neurons of the LIF-SORN. The publication could not be opened here: these are the numbers in public programs
# of networks after it, in which a target of 3 Hz and steps of 0.1 mV agree. Deviations: their synapses move v by
# mV, or are conductances; tau_syn is the 3 ms of the latter, and r_m = 1 GOhm makes 1 pA of a constant current 1 mV.
LIF_SORN = IntrinsicLIF(
    tau_m=20.0, tau_syn=3.0, eta=0.1, rate_target=3.0, r_m=1.0, v_rest=-60.0, v_th=-54.0, v_reset=-70.0, t_ref=0.0,
    i_ext=0.0, source="miner2016",
)  # fmt: skip

SETS = {"LIF_SORN": LIF_SORN}
