"""Runs one network of networks.py on NEST, and prints one line of JSON.

    python benchmarks/on_nest.py CASE [--duration MS] [--repeats N]

Timed is nest.Simulate, after the network is built and has run for 1 ms; one thread; float64, which is all
it has. Synapses of equal weight share it (static_synapse_hom_w).

STDP: stdp_synapse changes w / w_max by lambda k_plus at a postsynaptic and by -alpha lambda k_minus at a
presynaptic spike where mu_plus = mu_minus = 0; so lambda = a_plus, alpha = a_minus / a_plus. Its delay is
dendritic, ours axonal; at one step the two differ little. Inputs pass through parrot neurons, because a
generator cannot have plastic synapses.
"""

import argparse
import json
import time
from typing import Any

import nest
import numpy as np
from networks import DT, NETWORKS, SEED, Cell, PlasticNetwork, RandomNetwork

WARM_UP = 1.0
MODELS = {"delta": "iaf_psc_delta", "current": "iaf_psc_exp", "conductance": "iaf_cond_exp"}


def neurons(cell: Cell, size: int) -> Any:
    parameters = {
        "C_m": cell.c_m,
        "E_L": cell.v_rest,
        "V_m": cell.v_rest,
        "V_th": cell.v_th,
        "V_reset": cell.v_reset,
        "t_ref": cell.t_ref,
    }
    if cell.synapses == "conductance":
        parameters |= {"g_L": cell.c_m / cell.tau_m, "E_ex": cell.e_exc, "E_in": cell.e_inh}
    else:
        parameters |= {"tau_m": cell.tau_m}
    if cell.synapses != "delta":
        parameters |= {"tau_syn_ex": cell.tau_exc, "tau_syn_in": cell.tau_inh}
    return nest.Create(MODELS[cell.synapses], size, params=parameters)


def random_network(case: RandomNetwork, duration: float) -> None:
    """Build the network. The sign of a weight chooses the synapse in NEST."""
    group = neurons(case.cell, case.size)
    fields = {"v": "V_m", "exc": "g_ex", "inh": "g_in"}
    for name, values in case.start_values().items():
        group.set({fields[name]: values})
    for name, pre, degree, weight in (
        ("exc", group[: case.n_exc], case.k_exc, case.w_exc),
        ("inh", group[case.n_exc :], case.k_inh, -abs(case.w_inh)),
    ):
        nest.CopyModel("static_synapse_hom_w", name, {"weight": weight})
        rule = {"rule": "fixed_indegree", "indegree": degree, "allow_multapses": False}
        nest.Connect(pre, group, rule, {"synapse_model": name, "delay": case.delay})
    if case.drive_rate:
        drive = nest.Create("poisson_generator", params={"rate": case.drive_rate})
        nest.Connect(drive, group, "all_to_all", {"weight": case.drive_weight, "delay": case.delay})


def plastic_network(case: PlasticNetwork, duration: float) -> Any:
    """Build the network; returns the recorder of the neurons' spikes."""
    group = neurons(case.cell, case.size)
    group.set(tau_minus=case.tau_trace)
    steps, units = case.inputs(duration)
    order = np.argsort(units, kind="stable")
    trains = np.split(steps[order], np.searchsorted(units[order], np.arange(1, case.n_inputs)))
    # Step 0 is not allowed: a spike at t belongs to the step that ends there. The warm-up lies before.
    times = [{"spike_times": np.round(train * DT + WARM_UP + DT, 1)} for train in trains]
    inputs = nest.Create("parrot_neuron", case.n_inputs)
    nest.Connect(nest.Create("spike_generator", case.n_inputs, params=times), inputs, "one_to_one", {"delay": DT})
    rule = {"lambda": case.a_plus, "alpha": case.a_minus / case.a_plus, "mu_plus": 0.0, "mu_minus": 0.0}
    rule |= {"Wmax": case.w_max, "tau_plus": case.tau_trace}
    synapse = {"synapse_model": "stdp_synapse", "delay": case.delay, "weight": case.start_weights().T, **rule}
    nest.Connect(inputs, group, "all_to_all", synapse)
    recorder = nest.Create("spike_recorder")
    nest.Connect(group, recorder)
    return recorder


def timed(case: RandomNetwork | PlasticNetwork, duration: float) -> tuple[float, int]:
    """Seconds of one run of a network that is built anew, and the spikes of its neurons."""
    nest.ResetKernel()
    nest.set(resolution=DT, local_num_threads=1, rng_seed=SEED, print_time=False)
    recorder = None
    if isinstance(case, PlasticNetwork):
        recorder = plastic_network(case, duration)
    else:
        random_network(case, duration)
    nest.Simulate(WARM_UP)
    start = time.perf_counter()
    nest.Simulate(duration)
    seconds = time.perf_counter() - start
    return seconds, int(recorder.n_events if recorder else nest.local_spike_counter)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=NETWORKS)
    parser.add_argument("--duration", type=float)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    nest.verbosity = nest.VerbosityLevel.ERROR
    case = NETWORKS[options.case]
    runs = [timed(case, options.duration or case.duration) for _ in range(options.repeats)]
    print(json.dumps({"seconds": min(seconds for seconds, _ in runs), "spikes": runs[0][1]}))


if __name__ == "__main__":
    main()
