"""Runs one network of networks.py on the event backend, float32, and prints one line of JSON.

    python -m benchmarks.on_neuro NETWORK --duration MS [--threads N] [--once | --parts]

Timed is Counts.wall_s of a run, after one of a single step which compiles the kernel, or loads it from the cache.
--once: without that step, as in a script that one starts; the kernel's loading then is part of the run.
--parts: instead, runs of parts of the network, from which follow the costs of a neuron, of a Poisson number and of
a synaptic event; and the bandwidth of the memory.
"""

import dataclasses
import json
import time
from typing import Any

import numpy as np

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
from neuro import (
    Dense,
    FixedInDegree,
    FromArrays,
    Network,
    PoissonDrive,
    Population,
    Projection,
    Source,
    connect,
    make_events,
    simulate,
    vary,
)

SOURCE = "benchmarks/networks.py"
# ms for which parts of a network run: without input, currents fall to denormal numbers, which are slow, at 400 ms.
PART = 300.0
PART_REPEATS = 3  # of which the fastest counts: the costs of parts are differences of short times
COPIED = 64_000_000  # float32 numbers, many times what caches hold


def model(cell: Cell) -> Any:
    """The neuron model of a cell."""
    membrane = {name: getattr(cell, name) for name in ("tau_m", "v_rest", "v_th", "v_reset", "t_ref")}
    if cell.synapses == "delta":
        from neuro.neurons.lif_delta import LIFDelta

        return LIFDelta(**membrane, r_m=1.0, i_ext=0.0, source=SOURCE)
    membrane |= {"tau_exc": cell.tau_exc, "tau_inh": cell.tau_inh}
    if cell.synapses == "current":
        from neuro.neurons.lif_exc_inh import LIFExcInh

        return LIFExcInh(**membrane, r_m=cell.tau_m / cell.c_m, i_ext=0.0, source=SOURCE)
    from neuro.neurons.lif_conductance import LIFConductance

    membrane |= {"e_exc": cell.e_exc, "e_inh": cell.e_inh, "c_m": cell.c_m, "g_leak": cell.c_m / membrane.pop("tau_m")}
    return LIFConductance(**membrane, i_ext=0.0, source=SOURCE)


def random_network(case: RandomNetwork, duration: float) -> dict[str, Any]:
    """The arguments of `simulate`."""
    cell = model(case.cell)
    sizes = {"exc": case.n_exc, "inh": case.n_inh}
    degrees, jumps = {"exc": case.k_exc, "inh": case.k_inh}, {"exc": case.w_exc, "inh": case.w_inh}
    projections = tuple(
        Projection(pre, post, FixedInDegree(degrees[pre]), case.delay, receptor=pre if pre in cell.receptors else None)
        for pre in sizes
        for post in sizes
    )
    drives = tuple(PoissonDrive(name, case.drive_rate, case.drive_weight) for name in sizes if case.drive_rate)
    populations = tuple(Population(name, size, cell) for name, size in sizes.items())
    net = Network(populations, projections, DT, drives)
    weights = connect(net, {projection.name: jumps[projection.pre] for projection in projections}, SEED)
    weights = {name: s._replace(weights=s.weights.astype(np.float32)) for name, s in weights.items()}
    fields = {"v": "v"} | {name: field for name in sizes for field in cell.State._fields if field.endswith(f"_{name}")}
    initial = {
        f"{population}.{fields[name]}": part
        for name, values in case.start_values().items()
        for population, part in zip(sizes, np.split(values, [case.n_exc]), strict=True)
    }
    return {"net": net, "weights": weights, "inputs": {}, "initial": initial}


def plastic_network(case: PlasticNetwork, duration: float) -> dict[str, Any]:
    """The arguments of `simulate`."""
    from neuro.plasticity.stdp import SONG_ABBOTT

    changes = {"tau_pre": case.tau_trace, "tau_post": case.tau_trace, "a_plus": case.a_plus, "a_minus": case.a_minus}
    rule = vary(SONG_ABBOTT, source=SOURCE, w_max=case.w_max, **changes)
    populations = Population("in", case.n_inputs, Source()), Population("out", case.size, model(case.cell))
    net = Network(populations, (Projection("in", "out", Dense(), case.delay, rule),), DT)
    steps, units = case.inputs(duration)
    weights = {"in->out": case.start_weights().T.astype(np.float32)}
    return {"net": net, "weights": weights, "inputs": {"in": make_events(steps * DT, units)}, "plastic": True}


def izhikevich_network(case: IzhikevichNetwork, duration: float) -> dict[str, Any]:
    """The arguments of `simulate`."""
    from neuro.neurons.izhikevich import REGULAR_SPIKING

    values, drive_weights, weights = case.parameters(), case.drive_weights(), case.weights()
    parts = {"exc": slice(None, case.n_exc), "inh": slice(case.n_exc, None)}
    populations, drives, initial = [], [], {}
    for name, part in parts.items():
        own = {parameter: value[part] for parameter, value in values.items()}
        model = vary(REGULAR_SPIKING, source=SOURCE, v_peak=case.v_peak, **own)
        populations.append(Population(name, len(own["a"]), model))
        drives.append(PoissonDrive(name, case.drive_rate, float(drive_weights[part][0])))
        initial |= {f"{name}.v": case.v_start, f"{name}.u": own["b"] * case.v_start}
    projections = tuple(Projection(pre, post, Dense(), case.delay) for pre in parts for post in parts)
    w_JI = {p.name: weights[parts[p.pre], parts[p.post]].T.astype(np.float32) for p in projections}
    net = Network(tuple(populations), projections, DT, tuple(drives))
    return {"net": net, "weights": w_JI, "inputs": {}, "initial": initial}


BUILDERS = {
    RandomNetwork: random_network,
    PlasticNetwork: plastic_network,
    IzhikevichNetwork: izhikevich_network,
}


def build(case: AnyNetwork, duration: float, threads: int) -> dict[str, Any]:
    """All arguments of `simulate` but the duration."""
    arguments = BUILDERS[type(case)](case, duration)  # pyright: ignore[reportArgumentType]
    return {**arguments, "seed": SEED, "threads": threads}


def run(case: AnyNetwork, duration: float, threads: int, once: bool) -> dict[str, Any]:
    """Build the network and run it."""
    start = time.perf_counter()
    arguments = build(case, duration, threads)
    built = time.perf_counter()
    if not once:
        simulate(**arguments, duration=DT)
    compiled = time.perf_counter()
    counts = simulate(**arguments, duration=duration).counts
    return {
        "build_s": built - start,
        "compile_s": compiled - built,
        "run_s": counts.wall_s,
        "spikes": counts.spikes,
        "counted_events": counts.synaptic_events,
    }


def parts(case: AnyNetwork) -> dict[str, float]:
    """On one thread: seconds of the set-up alone; ns a neuron and step of the neurons alone, and of drives on top."""
    arguments = build(case, PART, threads=1)
    net, first = arguments["net"], arguments["net"].projections[0]
    # One synapse of weight 0 stays: the dtype of the weights is that of the simulation.
    silent = dataclasses.replace(first, connect=FromArrays([0], [0]), rule=None)
    alone = dataclasses.replace(net, projections=(silent,), drives=())
    weights = connect(alone, {first.name: 0.0}, SEED)[first.name]._replace(weights=np.zeros(1, np.float32))
    silenced = {**arguments, "weights": {first.name: weights}}
    neuron_ns = step_ns({**silenced, "net": alone})
    driven_ns = step_ns({**silenced, "net": dataclasses.replace(alone, drives=net.drives)})
    return {
        "setup_s": best(arguments, DT),
        "neuron_step_ns": neuron_ns,
        "drive_step_ns": max(0.0, driven_ns - neuron_ns),
        "bandwidth_gb_s": memory_bandwidth(),
    }


def step_ns(arguments: dict[str, Any]) -> float:
    """ns a neuron and step of a run of PART, without its set-up."""
    neurons = sum(p.size for p in arguments["net"].populations if not isinstance(p.model, Source))
    seconds = best(arguments, PART) - best(arguments, DT)
    return 1e9 * seconds / (neurons * (PART / DT - 1))


def best(arguments: dict[str, Any], duration: float) -> float:
    """Seconds of the fastest of some runs, after one that compiles."""
    simulate(**arguments, duration=DT)
    return min(simulate(**arguments, duration=duration).counts.wall_s for _ in range(PART_REPEATS))


def memory_bandwidth() -> float:
    """GB/s of a large copy on one core, what is read and what is written both counted."""
    source = np.ones(COPIED, np.float32)
    target = np.zeros_like(source)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        np.copyto(target, source)
        seconds.append(time.perf_counter() - start)
    return 2 * source.nbytes / min(seconds) / 1e9


def main() -> None:
    parser = script_parser(__doc__)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--once", action="store_true")
    what.add_argument("--parts", action="store_true")
    options = parser.parse_args()
    case = NETWORKS[options.network]
    found = parts(case) if options.parts else run(case, options.duration, options.threads, options.once)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
