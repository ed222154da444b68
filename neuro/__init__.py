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
    "Dense": "neuro.network",
    "OneToOne": "neuro.network",
    "FixedProbability": "neuro.network",
    "FixedInDegree": "neuro.network",
    "Synapses": "neuro.network",
    "connect": "neuro.network",
    "simulate": "neuro.backends",
    "BACKENDS": "neuro.backends",
    "NEURONS": "neuro.neurons",
    "RULES": "neuro.plasticity",
    "LEARNERS": "neuro.learners",
    "Events": "neuro.events",
    "make_events": "neuro.events",
    "Record": "neuro.record",
    "Counts": "neuro.record",
    "vary": "neuro.units",
    "cite": "neuro.references",
}

__all__ = [
    "Population",
    "Projection",
    "Network",
    "Source",
    "Dense",
    "OneToOne",
    "FixedProbability",
    "FixedInDegree",
    "Synapses",
    "connect",
    "simulate",
    "BACKENDS",
    "NEURONS",
    "RULES",
    "LEARNERS",
    "Events",
    "make_events",
    "Record",
    "Counts",
    "vary",
    "cite",
    "__version__",
]

if TYPE_CHECKING:
    from neuro.backends import BACKENDS, simulate
    from neuro.events import Events, make_events
    from neuro.learners import LEARNERS
    from neuro.network import (
        Dense,
        FixedInDegree,
        FixedProbability,
        Network,
        OneToOne,
        Population,
        Projection,
        Source,
        Synapses,
        connect,
    )
    from neuro.neurons import NEURONS
    from neuro.plasticity import RULES
    from neuro.record import Counts, Record
    from neuro.references import cite
    from neuro.units import vary


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'neuro' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
