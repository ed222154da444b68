"""neuro: spiking and biologically plausible learning, side by side, with dynamics one can trust.

Names are imported when first used, so that `import neuro` costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "Population": "neuro.network",
    "Projection": "neuro.network",
    "Network": "neuro.network",
    "Source": "neuro.network",
    "Dense": "neuro.connectors",
    "PoissonDrive": "neuro.network",
    "PoissonSource": "neuro.network",
    "OneToOne": "neuro.connectors",
    "FixedProbability": "neuro.connectors",
    "FixedInDegree": "neuro.connectors",
    "FixedOutDegree": "neuro.connectors",
    "DistanceDependent": "neuro.connectors",
    "FromArrays": "neuro.connectors",
    "FromSparse": "neuro.connectors",
    "Synapses": "neuro.network",
    "connect": "neuro.weights",
    "memory_estimate": "neuro.weights",
    "simulate": "neuro.backends",
    "Session": "neuro.backends.session",
    "BACKENDS": "neuro.backends",
    "NEURONS": "neuro.neurons",
    "RULES": "neuro.plasticity",
    "LEARNERS": "neuro.learners",
    "Events": "neuro.events",
    "make_events": "neuro.events",
    "Record": "neuro.record",
    "Counts": "neuro.record",
    "State": "neuro.record",
    "save_state": "neuro.record",
    "load_state": "neuro.record",
    "vary": "neuro.units",
    "cite": "neuro.references",
}

__all__ = [
    "Population",
    "Projection",
    "Network",
    "Source",
    "Dense",
    "PoissonDrive",
    "PoissonSource",
    "OneToOne",
    "FixedProbability",
    "FixedInDegree",
    "FixedOutDegree",
    "DistanceDependent",
    "FromArrays",
    "FromSparse",
    "Synapses",
    "connect",
    "memory_estimate",
    "simulate",
    "Session",
    "BACKENDS",
    "NEURONS",
    "RULES",
    "LEARNERS",
    "Events",
    "make_events",
    "Record",
    "Counts",
    "State",
    "save_state",
    "load_state",
    "vary",
    "cite",
    "__version__",
]

if TYPE_CHECKING:
    from neuro.backends import BACKENDS, simulate
    from neuro.backends.session import Session
    from neuro.connectors import (
        Dense,
        DistanceDependent,
        FixedInDegree,
        FixedOutDegree,
        FixedProbability,
        FromArrays,
        FromSparse,
        OneToOne,
    )
    from neuro.events import Events, make_events
    from neuro.learners import LEARNERS
    from neuro.network import (
        Network,
        PoissonDrive,
        PoissonSource,
        Population,
        Projection,
        Source,
        Synapses,
    )
    from neuro.neurons import NEURONS
    from neuro.plasticity import RULES
    from neuro.record import Counts, Record, State, load_state, save_state
    from neuro.references import cite
    from neuro.units import vary
    from neuro.weights import connect, memory_estimate


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'neuro' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
