"""Short-term plasticity: depression and facilitation of what a spike releases, and how an astrocyte changes them.

    du/dt = -u / tau_facil        a spike is sent:  u <- u + U (1 - u)
    dr/dt = (1 - r) / tau_rec                       it carries w u r,  then  r <- r - u r
    U = u_release, and at a tripartite synapse  (1 - m) u_release + alpha m

u is the share of the resources r that a spike uses. tau_facil 0 leaves depression alone, with u = U.
Both are advanced only at spikes, in closed form over the time since the last one. They belong to the presynaptic
neuron: all its synapses of a projection release alike. m is the bound share of its receptors of gliotransmitter, a
field of the state of the projection's modulator (see li_rinzel.py), as it is before the step in which the spike is
sent; 0 where there is no modulator. With alpha below u_release gliotransmission decreases release, else increases it.

References: tsodyks1998 (the equations), tsodyks2000 (parameter sets), depitta2011 (tripartite synapse), stimberg2019,
depitta2019 (its parameter sets).
Deviation: in tsodyks1998 what was released is active for the few ms of the synaptic current before it begins to
recover; here it begins at once, as in NEST's tsodyks2_synapse.
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
    alpha: float
    k_facil: float  # -1 / tau_facil, 1/ms
    k_rec: float  # -1 / tau_rec, 1/ms
    one: float


def send(s, elapsed, m, c):
    """A spike is sent `elapsed` ms after the last one. Returns the share of the weight it carries, and the state."""
    u = s.u * exp(c.k_facil * elapsed)
    u = u + ((c.one - m) * c.u_release + c.alpha * m) * (c.one - u)
    r = c.one - (c.one - s.r) * exp(c.k_rec * elapsed)
    return u * r, TsodyksMarkramState(u, r - u * r)


def coefficients(u_release: float, alpha: float, tau_rec: float, tau_facil: float) -> TsodyksMarkramCoefficients:
    """All that depends on parameters alone."""
    # A facilitation that decays at once: exp(-1e6 / ms * dt) is 0 for any step that is not below 1e-3 ms.
    return TsodyksMarkramCoefficients(u_release, alpha, -1.0 / np.maximum(tau_facil, 1e-6), -1.0 / tau_rec, 1.0)


def initial() -> TsodyksMarkramState:
    """Resources are full, and nothing is facilitated."""
    return TsodyksMarkramState(u=0.0, r=1.0)


RECOVERY = """
    du/dt = -u / tau_facil : 1 (event-driven)
    dr/dt = (1 - r) / tau_rec : 1 (event-driven)
"""
RELEASE = """
    released = u * r
    r = r - released
"""


@dataclass(frozen=True)
class TsodyksMarkram:
    """Short-term depression and facilitation of Tsodyks and Markram."""

    u_release: float = param("1", "share of the resources that the first spike uses", above=0, maximum=1)
    tau_rec: float = param("ms", "time constant of the recovery of resources", above=0)
    tau_facil: float = param("ms", "time constant of facilitation; 0: none", minimum=0)
    source: str = reference()

    State: ClassVar = TsodyksMarkramState
    send: ClassVar = staticmethod(send)
    initial: ClassVar = staticmethod(initial)
    MODULATOR: ClassVar[str] = ""

    EQUATIONS: ClassVar[str] = RECOVERY
    ON_PRE: ClassVar[str] = "u = u + u_release * (1 - u)" + RELEASE

    def coefficients(self) -> TsodyksMarkramCoefficients:
        """All that depends on parameters alone; alpha is that of no effect."""
        return coefficients(self.u_release, self.u_release, self.tau_rec, self.tau_facil)


@dataclass(frozen=True)
class TripartiteSynapse:
    """The same, with a release probability that gliotransmission changes.

    MODULATOR: the field of the modulator's state that is m.
    """

    u_release: float = param("1", "share that the first spike uses without gliotransmission", above=0, maximum=1)
    alpha: float = param("1", "that share where all presynaptic receptors are bound", minimum=0, maximum=1)
    tau_rec: float = param("ms", "time constant of the recovery of resources", above=0)
    tau_facil: float = param("ms", "time constant of facilitation; 0: none", minimum=0)
    source: str = reference()

    State: ClassVar = TsodyksMarkramState
    send: ClassVar = staticmethod(send)
    initial: ClassVar = staticmethod(initial)
    MODULATOR: ClassVar[str] = "gamma_synapse"

    EQUATIONS: ClassVar[str] = RECOVERY + "m : 1"
    ON_PRE: ClassVar[str] = "u = u + ((1 - m) * u_release + alpha * m) * (1 - u)" + RELEASE

    def coefficients(self) -> TsodyksMarkramCoefficients:
        """All that depends on parameters alone."""
        return coefficients(self.u_release, self.alpha, self.tau_rec, self.tau_facil)


ShortTerm = TsodyksMarkram | TripartiteSynapse

# Means of the distributions in its simulations, as its reimplementations for NEST and ANNarchy give them: synapses
# onto excitatory neurons depress, whatever they come from, and those onto inhibitory neurons facilitate.
DEPRESSING = TsodyksMarkram(u_release=0.5, tau_rec=800.0, tau_facil=0.0, source="tsodyks2000")
FACILITATING = TsodyksMarkram(u_release=0.04, tau_rec=100.0, tau_facil=1000.0, source="tsodyks2000")

# The tables of its appendix.
TRIPARTITE = TripartiteSynapse(
    u_release=0.6, alpha=0.0, tau_rec=1000.0 / 2.0, tau_facil=1000.0 / 3.33, source="stimberg2019"
)

# The depressing synapse whose release gliotransmission decreases, and the facilitating one whose release it increases,
# in the program of the chapter's figures (Ch10.DePitta/code/figures.py).
RELEASE_DECREASING = TripartiteSynapse(u_release=0.5, alpha=0.0, tau_rec=500.0, tau_facil=300.0, source="depitta2019")
RELEASE_INCREASING = TripartiteSynapse(u_release=0.05, alpha=1.0, tau_rec=300.0, tau_facil=1000.0, source="depitta2019")
