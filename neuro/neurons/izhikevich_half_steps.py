"""Izhikevich neuron of 2003, stepped as in its author's programs.

    dv/dt = 0.04 v^2 + 5 v + 140 - u + i_ext + jump / dt
    du/dt = a (b v - u)                          v >= v_peak:  spike, v <- c,  u <- u + d
    a spike of weight w (mV) arrives: w is added to jump, which acts as a current of jump / dt for one step

A step: v takes two Euler steps of dt / 2, with u and the current as they were, then u one of dt, with the new v; what
arrives replaces jump, and acts in the next step; threshold, reset. At dt = 1 ms this is the publications' algorithm,
where a spike that leaves in one step is found at the beginning of the next. v may rise far above v_peak before it is
reset, which raises u; so the patterns are those of this step, and change with dt (see izhikevich.py for a model
that converges).

References: izhikevich2003, izhikevich2006 (their programs); also NEST's izhikevich without consistent_integration.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from neuro.dialect import heaviside, where
from neuro.neurons import izhikevich
from neuro.units import param, reference


class IzhikevichHalfStepsState(NamedTuple):
    v: float  # membrane potential, mV
    u: float  # recovery variable, mV/ms
    jump: float  # what arrived, mV


class IzhikevichHalfStepsCoefficients(NamedTuple):
    quadratic: float  # 0.04 dt / 2, 1/mV
    linear: float  # 5 dt / 2
    constant: float  # (140 + i_ext) dt / 2, mV
    half: float  # of what arrived acts in each half step
    half_dt: float
    a_dt: float
    b: float
    c: float
    d: float
    v_peak: float


def izhikevich_half_steps_step(s, x, c):
    """One step of dt. s: IzhikevichHalfStepsState, x: arriving jumps (mV). Returns (spike, state)."""
    current = c.constant - c.half_dt * s.u + c.half * s.jump
    v = s.v + c.quadratic * s.v * s.v + c.linear * s.v + current
    v = v + c.quadratic * v * v + c.linear * v + current
    u = s.u + c.a_dt * (c.b * v - s.u)
    spike = heaviside(v - c.v_peak)
    fired = spike > 0.5
    return spike, IzhikevichHalfStepsState(where(fired, c.c, v), where(fired, u + c.d, u), x)


def half_steps(equations: Any, variables: Any, options: Any) -> str:
    """The code of a step for brian2, from EQUATIONS."""
    slope = dict(equations.get_substituted_expressions(variables))
    half = f"v += 0.5 * dt * ({slope['v']})"
    return "\n".join([half, half, *(f"{name} += dt * ({slope[name]})" for name in ("u", "jump"))])


@dataclass(frozen=True, eq=False)
class IzhikevichHalfSteps:
    """Two-variable neuron that fires in the patterns of cortical cells, by the publications' algorithm."""

    a: float = param("1/ms", "rate of recovery", above=0)
    b: float = param("1/ms", "sensitivity of recovery to v")
    c: float = param("mV", "potential after a spike")
    d: float = param("mV/ms", "jump of recovery at a spike")
    v_peak: float = param("mV", "spike when v >= v_peak")
    i_ext: float = param("mV/ms", "constant external current")
    source: str = reference()

    State: ClassVar = IzhikevichHalfStepsState
    step: ClassVar = staticmethod(izhikevich_half_steps_step)
    graded: ClassVar[bool] = False
    receptors: ClassVar[tuple[str, ...]] = ("input",)
    ADDS_TO: ClassVar[dict[str, str]] = {"input": "jump"}
    arrival_unit: ClassVar[str] = "mV"

    EQUATIONS: ClassVar[str] = """
        dv/dt = 0.04/ms/mV * v**2 + 5/ms * v + 140*mV/ms - u + i_ext + jump / dt : volt
        du/dt = a * (b * v - u) : volt/second
        djump/dt = -jump / dt : volt
    """
    THRESHOLD: ClassVar[str] = "v >= v_peak"
    RESET: ClassVar[str] = "v = c; u += d"
    ON_ARRIVAL: ClassVar[dict[str, str]] = {"input": "jump_post += w * mV"}
    METHOD: ClassVar[Any] = staticmethod(half_steps)

    def coefficients(self, dt: float) -> IzhikevichHalfStepsCoefficients:
        """All that depends on parameters and dt (ms)."""
        return IzhikevichHalfStepsCoefficients(
            quadratic=0.02 * dt,
            linear=2.5 * dt,
            constant=0.5 * (140.0 + self.i_ext) * dt,
            half=0.5,
            half_dt=0.5 * dt,
            a_dt=self.a * dt,
            b=self.b,
            c=self.c,
            d=self.d,
            v_peak=self.v_peak,
        )

    def initial(self) -> IzhikevichHalfStepsState:
        """v = -65 mV and u = b v, as in the publications' programs."""
        return IzhikevichHalfStepsState(v=-65.0, u=-65.0 * self.b, jump=0.0)


# The cells of izhikevich.py, of which the network of 2006 has the regular and the fast spiking ones.
SETS = {name: IzhikevichHalfSteps(**vars(cell)) for name, cell in izhikevich.SETS.items()}
REGULAR_SPIKING, FAST_SPIKING = SETS["REGULAR_SPIKING"], SETS["FAST_SPIKING"]
