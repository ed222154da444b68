"""Runs one network of networks.py on the event backend, float32, and prints one line of JSON.

    python benchmarks/on_neuro.py CASE [--duration MS] [--repeats N] [--start]

--start: a single run, as in a script that one starts; else one to compile, N timed, and N of parts of the
network, from which follow the costs of a neuron, a Poisson number and a synaptic event.
"""

import argparse
import dataclasses
import json
from typing import Any

import numpy as np
from networks import DT, NETWORKS, SEED, Cell, PlasticNetwork, RandomNetwork

from neuro import (
    Counts,
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


def best(arguments: dict[str, Any], duration: float, repeats: int) -> Counts:
    """The counts of the fastest of some runs, after one that compiles."""
    simulate(**arguments, duration=DT, seed=SEED)
    counts = [simulate(**arguments, duration=duration, seed=SEED).counts for _ in range(repeats)]
    return min(counts, key=lambda count: count.wall_s)


def parts(arguments: dict[str, Any], repeats: int) -> dict[str, float]:
    """Seconds of the set-up alone; ns a neuron and step of the neurons alone, and of their drives on top."""
    net = arguments["net"]
    setup_s = best(arguments, DT, repeats).wall_s
    # One synapse of weight 0 stays: the dtype of the weights is that of the simulation.
    first = net.projections[0]
    silent = dataclasses.replace(first, connect=FromArrays([0], [0]), rule=None)
    alone = dataclasses.replace(net, projections=(silent,), drives=())
    weights = connect(alone, {first.name: 0.0}, SEED)[first.name]._replace(weights=np.zeros(1, np.float32))
    silenced = {**arguments, "weights": {first.name: weights}}
    neuron_ns = step_ns({**silenced, "net": alone}, repeats)
    driven_ns = step_ns({**silenced, "net": dataclasses.replace(alone, drives=net.drives)}, repeats)
    return {"setup_s": setup_s, "neuron_step_ns": neuron_ns, "drive_step_ns": max(0.0, driven_ns - neuron_ns)}


def step_ns(arguments: dict[str, Any], repeats: int) -> float:
    """ns a neuron and step of a run of PART, without its set-up."""
    neurons = sum(p.size for p in arguments["net"].populations if not isinstance(p.model, Source))
    seconds = best(arguments, PART, repeats).wall_s - best(arguments, DT, repeats).wall_s
    return 1e9 * seconds / (neurons * (PART / DT - 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=NETWORKS)
    parser.add_argument("--duration", type=float)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--start", action="store_true")
    options = parser.parse_args()
    case = NETWORKS[options.case]
    duration = options.duration or case.duration
    build = plastic_network if isinstance(case, PlasticNetwork) else random_network
    arguments = build(case, duration)
    if options.start:
        print(json.dumps({"spikes": simulate(**arguments, duration=duration, seed=SEED).counts.spikes}))
        return
    counts = best(arguments, duration, options.repeats)
    result = {"seconds": counts.wall_s, "spikes": counts.spikes, "counted_events": counts.synaptic_events}
    print(json.dumps(result | parts(arguments, options.repeats)))


if __name__ == "__main__":
    main()
