"""Short-term plasticity: depression and facilitation of what a spike releases.

    du/dt = -u / tau_facil        a spike is sent:  u <- u + u_release (1 - u)
    dr/dt = (1 - r) / tau_rec                       it carries w u r,  then  r <- r - u r

u is the share of the resources r that a spike uses. tau_facil 0 leaves depression alone, with u = u_release.
Both are advanced only at spikes, in closed form over the time since the last one. They belong to the presynaptic
neuron: all its synapses of a projection release alike.

References: tsodyks1998 (the equations), tsodyks2000 (parameter sets).
Deviation: there, what was released is active for the few ms of the synaptic current before it begins to recover; here
it begins at once, as in NEST's tsodyks2_synapse.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from neuro.dialect import exp
from neuro.units import param, reference


class TsodyksMarkramState(NamedTuple):
    u: float  # after the last spike
    r: float


class TsodyksMarkramCoefficients(NamedTuple):
    u_release: float
    k_facil: float  # -1 / tau_facil, 1/ms
    k_rec: float  # -1 / tau_rec, 1/ms
    one: float


def send(s, elapsed, c):
    """A spike is sent `elapsed` ms after the last one. Returns the share of the weight it carries, and the state."""
    u = s.u * exp(c.k_facil * elapsed)
    u = u + c.u_release * (c.one - u)
    r = c.one - (c.one - s.r) * exp(c.k_rec * elapsed)
    return u * r, TsodyksMarkramState(u, r - u * r)


@dataclass(frozen=True)
class TsodyksMarkram:
    """Short-term depression and facilitation of Tsodyks and Markram."""

    u_release: float = param("1", "share of the resources that the first spike uses", above=0, maximum=1)
    tau_rec: float = param("ms", "time constant of the recovery of resources", above=0)
    tau_facil: float = param("ms", "time constant of facilitation; 0: none", minimum=0)
    source: str = reference()

    State: ClassVar = TsodyksMarkramState
    send: ClassVar = staticmethod(send)

    EQUATIONS: ClassVar[str] = """
        du/dt = -u / tau_facil : 1 (event-driven)
        dr/dt = (1 - r) / tau_rec : 1 (event-driven)
    """
    ON_PRE: ClassVar[str] = """
        u = u + u_release * (1 - u)
        released = u * r
        r = r - released
    """

    def coefficients(self) -> TsodyksMarkramCoefficients:
        """All that depends on parameters alone."""
        # A facilitation that decays at once: exp(-1e6 / ms * dt) is 0 for any step that is not below 1e-3 ms.
        tau_facil = np.maximum(self.tau_facil, 1e-6)
        return TsodyksMarkramCoefficients(self.u_release, -1.0 / tau_facil, -1.0 / self.tau_rec, 1.0)

    def initial(self) -> TsodyksMarkramState:
        """Resources are full, and nothing is facilitated."""
        return TsodyksMarkramState(u=0.0, r=1.0)


# Means of the distributions in its simulations, as its reimplementations for NEST and ANNarchy give them: synapses
# onto excitatory neurons depress, whatever they come from, and those onto inhibitory neurons facilitate.
DEPRESSING = TsodyksMarkram(u_release=0.5, tau_rec=800.0, tau_facil=0.0, source="tsodyks2000")
FACILITATING = TsodyksMarkram(u_release=0.04, tau_rec=100.0, tau_facil=1000.0, source="tsodyks2000")
