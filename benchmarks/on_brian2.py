"""Runs one network of networks.py on brian2's C++ standalone device, and prints one line of JSON.

    python benchmarks/on_brian2.py CASE [--dtype float32] [--duration MS] [--repeats N] [--folder FOLDER]

Timed is what brian2 itself reports as the time of the run, without compilation and set-up; one thread. brian2
compiles with its own flags. --folder: where the C++ lies; kept, so that a second start need not compile.

Two choices in brian2's favour: a delay of one step is given as none, since brian2's spikes act on the step
after theirs without any queue; and synapses of equal weight share it.
"""

import argparse
import json
import tempfile
from typing import Any

import brian2 as b2
import numpy as np
from brian2 import ms, mV, nS, pA, pF
from networks import DT, NETWORKS, SEED, Cell, PlasticNetwork, RandomNetwork

from neuro.connectors import FixedInDegree
from neuro.seeds import child

# Equations, integration, and per synapse: what it adds to, and the unit.
MODELS = {
    "delta": (
        "dv/dt = (v_rest - v) / tau_m : volt (unless refractory)",
        "exact",
        {"exc": ("v", mV), "inh": ("v", mV)},
    ),
    "current": (
        """dv/dt = (v_rest - v + tau_m / c_m * (i_exc + i_inh)) / tau_m : volt (unless refractory)
        di_exc/dt = -i_exc / tau_exc : amp
        di_inh/dt = -i_inh / tau_inh : amp""",
        "exact",
        {"exc": ("i_exc", pA), "inh": ("i_inh", pA)},
    ),
    "conductance": (
        """dv/dt = (v_rest - v) / tau_m + (g_exc * (e_exc - v) + g_inh * (e_inh - v)) / c_m : volt (unless refractory)
        dg_exc/dt = -g_exc / tau_exc : siemens
        dg_inh/dt = -g_inh / tau_inh : siemens""",
        "exponential_euler",
        {"exc": ("g_exc", nS), "inh": ("g_inh", nS)},
    ),
}
UNITS = {"tau": ms, "v": mV, "c": pF, "e": mV}


def neurons(cell: Cell, size: int) -> b2.NeuronGroup:
    """A group that counts its spikes. A refractory period of t_ref + dt holds v for t_ref, as elsewhere."""
    equations, method, _ = MODELS[cell.synapses]
    constants = {name: getattr(cell, name) * UNITS[name.split("_")[0]] for name in cell._fields if name[0] in "vce"}
    constants |= {name: getattr(cell, name) * ms for name in ("tau_m", "tau_exc", "tau_inh")}
    group = b2.NeuronGroup(
        size,
        equations + "\nn_spikes : integer",
        threshold="v >= v_th",
        reset="v = v_reset; n_spikes += 1",
        refractory=(cell.t_ref + DT) * ms,
        method=method,
        namespace=constants,
    )
    group.v = cell.v_rest * mV
    return group


def random_network(case: RandomNetwork, duration: float) -> list[Any]:
    """The objects of the network; the group of neurons comes first."""
    group = neurons(case.cell, case.size)
    targets = MODELS[case.cell.synapses][2] | {"v": ("v", mV)}
    for name, values in case.start_values().items():
        variable, unit = targets[name]
        setattr(group, variable, values * unit)
    parts: list[Any] = [group]
    for name, pre, degree, weight in (
        ("exc", group[: case.n_exc], case.k_exc, case.w_exc),
        ("inh", group[case.n_exc :], case.k_inh, case.w_inh),
    ):
        variable, unit = targets[name]
        synapses = b2.Synapses(
            pre, group, on_pre=f"{variable}_post += w", delay=delay(case.delay), namespace={"w": weight * unit}
        )
        offsets, posts = FixedInDegree(degree).connect(pre.N, case.size, child(SEED, name))
        synapses.connect(i=np.repeat(np.arange(pre.N), np.diff(offsets)), j=posts)
        parts.append(synapses)
    if case.drive_rate:
        rate = case.drive_rate / 1000 * b2.Hz
        parts.append(b2.PoissonInput(group, "v", N=1000, rate=rate, weight=case.drive_weight * mV))
    return parts


def plastic_network(case: PlasticNetwork, duration: float) -> list[Any]:
    """The objects of the network; the group of neurons comes first."""
    group = neurons(case.cell, case.size)
    steps, units = case.inputs(duration)
    inputs = b2.SpikeGeneratorGroup(case.n_inputs, units, steps * DT * ms)
    synapses = b2.Synapses(
        inputs,
        group,
        """w : volt
        dx/dt = -x / tau : 1 (event-driven)
        dy/dt = -y / tau : 1 (event-driven)""",
        on_pre="v_post += w; x += 1; w = clip(w - a_minus * y * w_max, 0 * volt, w_max)",
        on_post="y += 1; w = clip(w + a_plus * x * w_max, 0 * volt, w_max)",
        delay=delay(case.delay),
        namespace={
            "tau": case.tau_trace * ms,
            "w_max": case.w_max * mV,
            "a_plus": case.a_plus,
            "a_minus": case.a_minus,
        },
    )
    synapses.connect()
    synapses.w = case.start_weights().ravel() * mV
    return [group, inputs, synapses]


def delay(time: float) -> Any:
    return None if time <= DT else time * ms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=NETWORKS)
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--duration", type=float)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder")
    options = parser.parse_args()
    if options.folder:
        print(json.dumps(run(options, options.folder)))
        return
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(run(options, folder)))


def run(options: argparse.Namespace, folder: str) -> dict[str, float]:
    case = NETWORKS[options.case]
    duration = options.duration or case.duration
    b2.prefs.core.default_float_dtype = getattr(np, options.dtype)
    b2.prefs.devices.cpp_standalone.openmp_threads = 0
    b2.set_device("cpp_standalone", directory=folder, build_on_run=False)
    b2.defaultclock.dt = DT * ms
    b2.seed(SEED)
    parts = (plastic_network if isinstance(case, PlasticNetwork) else random_network)(case, duration)
    b2.Network(parts).run(duration * ms)
    b2.device.build(directory=folder, with_output=False)
    seconds = [b2.device._last_run_time]
    for _ in range(options.repeats - 1):
        b2.device.run(folder, with_output=False, run_args=[])
        seconds.append(b2.device._last_run_time)
    return {"seconds": min(seconds), "spikes": int(np.sum(parts[0].n_spikes[:]))}


if __name__ == "__main__":
    main()
