"""The chaotic networks of agreement.py in brian2, at run time with compiled code, in float64.

Unlike on_brian2.py, which lets brian2 run as it would by itself, this matches our conventions step by step: the
schedule has synapses before thresholds; a delay is one step shorter, since a queue is next visited in the step after
the spike; refractoriness is one step longer; and jumps of v that arrive in refractoriness are lost. Such a background
is no PoissonInput, whose spikes are never lost, but numbers from brian2's poisson() in each step.
"""

from typing import Any

import brian2 as b2
import numpy as np
from brian2 import ms, mV

from benchmarks.networks import DT, RandomNetwork
from benchmarks.on_brian2 import MODELS, neurons
from neuro.backends.brian import SCHEDULE
from neuro.events import Events, make_events


def run_brian2(case: RandomNetwork, duration: float, seed: int) -> Events:
    """The spikes of a network; connections and background are drawn by brian2."""
    b2.prefs.codegen.target = "cython"
    b2.defaultclock.dt = DT * ms
    b2.seed(seed)
    group = neurons(case.cell, case.size)
    targets = MODELS[case.cell.synapses][2] | {"v": ("v", mV)}
    for name, values in case.start_values().items():
        variable, unit = targets[name]
        setattr(group, variable, values * unit)
    monitor = b2.SpikeMonitor(group)
    network = b2.Network([group, monitor, *synapses(case, group, targets)])
    network.schedule = SCHEDULE
    network.run(duration * ms, namespace={})
    return make_events(np.rint(np.asarray(monitor.t / ms) / DT) * DT, np.asarray(monitor.i))


def synapses(case: RandomNetwork, group: Any, targets: dict[str, Any]) -> list[Any]:
    """The projections within the network, and the background if it has one; targets as in on_brian2.MODELS."""
    heard = " * int(not_refractory{})" if case.cell.synapses == "delta" else ""
    parts: list[Any] = []
    for name, pre, degree, weight in (
        ("exc", group[: case.n_exc], case.k_exc, case.w_exc),
        ("inh", group[case.n_exc :], case.k_inh, case.w_inh),
    ):
        variable, unit = targets[name]
        projection = b2.Synapses(
            pre,
            group,
            on_pre=f"{variable}_post += w{heard.format('_post')}",
            delay=(case.delay - DT) * ms,
            namespace={"w": weight * unit},
        )
        projection.connect(i=f"each for each in sample(0, N_pre, size={degree})")
        parts.append(projection)
    if case.drive_rate:
        group.namespace.update(w_drive=case.drive_weight * mV, mean_drive=case.drive_rate * DT / 1000.0)
        parts.append(group.run_regularly(f"v += w_drive * poisson(mean_drive){heard.format('')}", when="synapses"))
    return parts
