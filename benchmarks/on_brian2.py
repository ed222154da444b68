"""Runs one network of networks.py on brian2's C++ standalone device, and prints one line of JSON.

    python -m benchmarks.on_brian2 NETWORK --duration MS --folder FOLDER [--threads N] [--dtype float32]

Timed is what brian2 itself reports as the time of the run, without compilation and set-up. brian2 compiles with
its own flags. --folder: where the C++ lies; where it lies there already, nothing is compiled again.

Its spikes act on the step after theirs, or one step later than their delay says. So delays are one step
shorter here; synapses whose delay is one step have none, and no queue. Synapses of equal weight share it.
"""

import json
import time
from typing import Any

import brian2 as b2
import numpy as np
from brian2 import ms, mV, nS, pA, pF
from numpy.typing import NDArray

from benchmarks.networks import (
    DT,
    NETWORKS,
    SEED,
    AnyNetwork,
    Cell,
    IzhikevichNetwork,
    PlasticNetwork,
    RandomNetwork,
)
from benchmarks.scripts import script_parser
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
DRIVE_SIZE = 1000  # independent spike trains that make up a drive
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
        refractory=(cell.t_ref + DT) * ms,  # pyright: ignore[reportArgumentType]
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
        sources, posts = fixed_in_degree(pre.N, case.size, degree, child(SEED, name))
        synapses.connect(i=sources, j=posts)
        parts.append(synapses)
    if case.drive_rate:
        rate = case.drive_rate / DRIVE_SIZE * b2.Hz
        parts.append(b2.PoissonInput(group, "v", N=DRIVE_SIZE, rate=rate, weight=case.drive_weight * mV))
    return parts


def fixed_in_degree(n_pre: int, n_post: int, degree: int, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
    """Pairs in the order of their sources, which is fastest to deliver. By NumPy: numba would delay the start."""
    sources = np.concatenate([rng.choice(n_pre, degree, replace=False, shuffle=False) for _ in range(n_post)])
    order = np.argsort(sources, kind="stable")
    return sources[order], np.repeat(np.arange(n_post), degree)[order]


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


def izhikevich_network(case: IzhikevichNetwork, duration: float) -> list[Any]:
    """The objects of the network; the group of neurons comes first."""
    group = b2.NeuronGroup(
        case.size,
        """dv/dt = (0.04/mV * v * v + 5 * v + 140*mV) / ms - u + i_ext : volt
        du/dt = a * (b * v - u) : volt/second
        a : hertz (constant)
        b : hertz (constant)
        c : volt (constant)
        d : volt/second (constant)
        i_ext : volt/second (constant)
        drive_weight : volt (constant)
        n_spikes : integer""",
        threshold="v >= v_peak",
        reset="v = c; u += d; n_spikes += 1",
        method="euler",
        namespace={"v_peak": case.v_peak * mV},
    )
    values, units = case.parameters(), {"a": 1 / ms, "b": 1 / ms, "c": mV, "d": mV / ms, "i_ext": mV / ms}
    for name, unit in units.items():
        setattr(group, name, values[name] * unit)
    group.drive_weight = case.drive_weights() * mV
    group.v = case.v_start * mV
    group.u = values["b"] * case.v_start * mV / ms
    synapses = b2.Synapses(group, group, "w : volt", on_pre="v_post += w", delay=delay(case.delay))
    synapses.connect()
    synapses.w = case.weights().ravel() * mV
    rate = case.drive_rate / DRIVE_SIZE * b2.Hz
    return [group, synapses, b2.PoissonInput(group, "v", N=DRIVE_SIZE, rate=rate, weight="drive_weight")]


def delay(time: float) -> Any:
    return None if time <= DT else (time - DT) * ms


BUILDERS = {
    RandomNetwork: random_network,
    PlasticNetwork: plastic_network,
    IzhikevichNetwork: izhikevich_network,
}


def run(case: AnyNetwork, duration: float, folder: str) -> dict[str, float]:
    """Generate and compile the code, where it is not there, and run it."""
    start = time.perf_counter()
    b2.set_device("cpp_standalone", directory=folder, build_on_run=False)
    b2.defaultclock.dt = DT * ms
    b2.seed(SEED)
    parts = BUILDERS[type(case)](case, duration)  # pyright: ignore[reportArgumentType]
    b2.Network(parts).run(duration * ms)
    b2.device.build(directory=folder, with_output=False)
    total_s = time.perf_counter() - start
    device: Any = b2.device
    timers = device.timers
    return {
        "build_s": total_s - timers["compile"]["make"] - timers["run_binary"],
        "compile_s": timers["compile"]["make"],
        "run_s": device._last_run_time,
        "spikes": int(np.sum(parts[0].n_spikes[:])),
    }


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--folder", required=True)
    options = parser.parse_args()
    b2.prefs.core.default_float_dtype = getattr(np, options.dtype)
    b2.prefs.devices.cpp_standalone.openmp_threads = options.threads if options.threads > 1 else 0
    print(json.dumps(run(NETWORKS[options.network], options.duration, options.folder)))


if __name__ == "__main__":
    main()
