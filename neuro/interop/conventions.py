"""What a NIR file leaves open, and the numbers that follow from it: step, discretisation, spikes, units, reset.

NIR defines a neuron by tau dv/dt = (v_leak - v) + r I, without a step. Every simulator chooses one, and with it

    what is left of v after a step    exact: p = exp(-dt / tau)      euler: p = 1 - dt / tau
    what an input of 1 adds to v      step: r (1 - p), it is held for dt      impulse: r / (tau in s), of area 1 s

and for v' = r I, where p = 1: r (dt in s), and r. "exact" with "step" is the exact propagator of an input that is held
for dt; "euler" with "step" is what snnTorch, Norse and SpikingJelly compute. Both are the neurons of this project, by
the time constant -dt / ln(p) and by a factor of the weights. SI: seconds, volts, amperes, ohms; normalised: one unit of
voltage is 1 mV, of current 1 pA.

References: pedersen2024, rotter1999 (exact integration).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from neuro.units import choice, param

MS = 1000.0  # in a second
INSTANT = 1e-3  # of a step: a time constant so short that exp(-dt / tau) is 0
FOREVER = 1e30  # of a step: so long that it is 1


@dataclass(frozen=True)
class Conventions:
    """How a NIR graph is read or written."""

    dt: float = param("ms", "step of the network", default=0.1, above=0)
    discretisation: str = choice("how an equation becomes a step", ("exact", "euler"), default="exact")
    spikes: str = choice(
        "a spike is a 1 held for a step, or an impulse of area 1 s", ("step", "impulse"), default="step"
    )
    units: str = choice("of voltage, current and resistance in the file", ("si", "normalised"), default="si")
    reset: str = choice("to v_reset, as NIR says, or by subtraction", ("value", "subtract"), default="value")
    layer_delay: float = param("ms", "added to what neurons send, a multiple of dt", default=0.0, minimum=0)

    @property
    def voltage(self) -> float:
        """mV in the file's unit of voltage."""
        return 1e3 if self.units == "si" else 1.0

    @property
    def current(self) -> float:
        """pA in the file's unit of current."""
        return 1e12 if self.units == "si" else 1.0

    def left(self, tau_s: Any, what: str) -> Any:
        """p: what is left after a step. tau_s: seconds. ValueError, which names `what`, where Euler is unstable."""
        ratio = self.dt / (np.asarray(tau_s, float) * MS)
        if self.discretisation == "exact":
            return np.exp(-ratio)
        if np.any(ratio > 1.0):
            raise ValueError(
                f"{what} = {np.min(tau_s):g} s is shorter than a step of {self.dt:g} ms, which Euler does not bear;"
                " take a smaller dt, or discretisation 'exact'"
            )
        return 1.0 - ratio

    def time_constant(self, tau_s: Any, what: str) -> Any:
        """ms, of which exp(-dt / tau) is p."""
        if self.discretisation == "exact":
            return np.asarray(tau_s, float) * MS
        p = np.maximum(self.left(tau_s, what), np.exp(-1.0 / INSTANT))
        with np.errstate(divide="ignore"):
            return np.where(p > 0.0, -self.dt / np.log(np.where(p > 0.0, p, 0.5)), INSTANT * self.dt)

    def gain(self, tau_s: Any, what: str) -> Any:
        """What an input of 1 adds to v over tau dv/dt = -v + I."""
        if self.spikes == "impulse":
            return 1.0 / np.asarray(tau_s, float)
        return 1.0 - self.left(tau_s, what)

    @property
    def gain_without_leak(self) -> float:
        """What an input of 1 adds to v over dv/dt = I."""
        return 1.0 if self.spikes == "impulse" else self.dt / MS
