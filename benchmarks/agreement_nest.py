"""What agreement.py needs of NEST: its conventions of time, and the chaotic networks with a recorder.

A spike of step k, from k dt to (k + 1) dt, has the time k dt here; NEST stamps it with the end of the step.
"""

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.networks import DT, RandomNetwork
from neuro.events import Events, make_events


def start_nest(seed: int) -> Any:
    """NEST with an empty kernel, on one thread. seed: from 1."""
    nest: Any = importlib.import_module("nest")
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    nest.set(resolution=DT, local_num_threads=1, rng_seed=seed)
    return nest


def stamps(steps: NDArray) -> NDArray:
    """The times (ms) of a generator's spikes that belong to these steps."""
    return np.round((steps + 1) * DT, 1)


def simulate_all(nest: Any, duration: float) -> None:
    """Run one step longer, since devices do not see the last one."""
    nest.Simulate(duration + DT)


def recorded(device: Any, cells: Any, duration: float) -> tuple[NDArray, NDArray, NDArray]:
    """Step and neuron of what a device has recorded before `duration` (ms), and which of its entries these are."""
    steps = np.rint(device.events["times"] / DT).astype(np.int64) - 1
    inside = steps < round(duration / DT)
    return steps[inside], np.asarray(device.events["senders"], np.int64)[inside] - cells[0].global_id, inside


def run_nest(case: RandomNetwork, duration: float, seed: int) -> Events:
    """The spikes of a network; connections, by NEST's own rule, and background are drawn by NEST."""
    from benchmarks.on_nest import random_network

    nest = start_nest(seed + 1)
    random_network(case, duration)
    cells, recorder = nest.GetNodes({"element_type": "neuron"}), nest.Create("spike_recorder")
    nest.Connect(cells, recorder)
    simulate_all(nest, duration)
    steps, neuron, _ = recorded(recorder, cells, duration)
    return make_events(steps * DT, neuron)
