"""Leaky integrator: a membrane without threshold, which sends its potential as a graded output.

    tau_m dv/dt = -(v - v_rest)      a spike of weight w (mV) arrives:  v <- v + w

It serves as the readout of a spiking network. The astrocyte of NALSM is such an integrator too: spikes of its liquid
raise v, those of the input lower it, and v is the depression rate of the liquid's STDP. A step: exact flow over dt, add
arrivals.

References: eshraghian2023, ivanov2021 (the astrocyte).
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from neuro.units import decay, param, reference


class LeakyIntegratorState(NamedTuple):
    v: float  # membrane potential, mV


class LeakyIntegratorCoefficients(NamedTuple):
    v_rest: float
    p_vv: float  # decay of v over dt


def leaky_integrator_step(s, x, c):
    """One step of dt. s: LeakyIntegratorState, x: arriving jumps (mV). Returns (output, state)."""
    v = c.v_rest + c.p_vv * (s.v - c.v_rest) + x
    return v, LeakyIntegratorState(v)


@dataclass(frozen=True, eq=False)
class LeakyIntegrator:
    """Membrane without threshold; its output is its potential."""

    tau_m: float = param("ms", "membrane time constant", above=0)
    v_rest: float = param("mV", "resting potential")
    source: str = reference()

    State: ClassVar = LeakyIntegratorState
    step: ClassVar = staticmethod(leaky_integrator_step)
    graded: ClassVar[bool] = True
    receptors: ClassVar[tuple[str, ...]] = ("input",)
    arrival_unit: ClassVar[str] = "mV"

    EQUATIONS: ClassVar[str] = "dv/dt = -(v - v_rest) / tau_m : volt"
    THRESHOLD: ClassVar[str] = ""
    RESET: ClassVar[str] = ""
    ON_ARRIVAL: ClassVar[dict[str, str]] = {"input": "v_post += w * mV"}
    METHOD: ClassVar[str] = "exact"

    def coefficients(self, dt: float) -> LeakyIntegratorCoefficients:
        """All that depends on parameters and dt (ms)."""
        return LeakyIntegratorCoefficients(self.v_rest, decay(dt, self.tau_m))

    def initial(self) -> LeakyIntegratorState:
        return LeakyIntegratorState(v=self.v_rest)


# The same decay as the spiking set of that name in lif_delta.py.
NORMALISED = LeakyIntegrator(tau_m=9.4912, v_rest=0.0, source="eshraghian2023")

# The publication has A <- A + (w_astro (liquid spikes - input spikes) + b - A) / tau each ms, with A = b = 0.15 at the
# start, which is also the fixed potentiation rate: so a spike's weight here is w_astro / tau_m. v is a depression rate,
# a pure number, in place of mV. Deviation: A decays by exp(-dt / tau_m) in place of 1 - dt / tau_m.
NALSM_ASTROCYTE = LeakyIntegrator(tau_m=100.0, v_rest=0.15, source="ivanov2021")

SETS = {"NORMALISED": NORMALISED, "NALSM_ASTROCYTE": NALSM_ASTROCYTE}
