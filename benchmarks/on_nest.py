"""Runs one network of networks.py on NEST, and prints one line of JSON.

    python -m benchmarks.on_nest NETWORK --duration MS [--threads N]

Timed is nest.Simulate, after the network is built and has run for 1 ms, in which NEST sorts its connections;
float64, which is all it has. Synapses of equal weight share it (static_synapse_hom_w).

STDP: stdp_synapse changes w / w_max by lambda k_plus at a postsynaptic and by -alpha lambda k_minus at a
presynaptic spike where mu_plus = mu_minus = 0; so lambda = a_plus, alpha = a_minus / a_plus. Its delay is
dendritic, ours axonal; at one step the two differ little. Inputs pass through parrot neurons, because a
generator cannot have plastic synapses.
"""

# pyright: reportAttributeAccessIssue=false
# (nest makes its names when it is imported)

import json
import time
from typing import Any

import nest
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


def drive(group: Any, rate: float, weight: float, delay: float) -> None:
    """Poisson spikes for each neuron, independent of each other."""
    generator = nest.Create("poisson_generator", params={"rate": rate})
    nest.Connect(generator, group, "all_to_all", {"weight": weight, "delay": delay})


def random_network(case: RandomNetwork, duration: float) -> Any:
    """Build the network; the neurons whose spikes count. The sign of a weight chooses the synapse in NEST."""
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
        drive(group, case.drive_rate, case.drive_weight, case.delay)
    return None


def izhikevich_network(case: IzhikevichNetwork, duration: float) -> Any:
    """Build the network. A weight is a jump of v; without a lower bound of v, as elsewhere."""
    values = case.parameters()
    group = nest.Create("izhikevich", case.size, params={"consistent_integration": True, "V_th": case.v_peak})
    group.set({name: values[name] for name in "abcd"} | {"I_e": values["i_ext"]})
    group.set({"V_m": case.v_start, "U_m": values["b"] * case.v_start})
    synapse = {"synapse_model": "static_synapse", "weight": case.weights().T, "delay": case.delay}
    nest.Connect(group, group, "all_to_all", synapse)
    for part in (slice(None, case.n_exc), slice(case.n_exc, None)):
        drive(group[part], case.drive_rate, float(case.drive_weights()[part][0]), case.delay)
    return None


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


BUILDERS = {
    RandomNetwork: random_network,
    PlasticNetwork: plastic_network,
    IzhikevichNetwork: izhikevich_network,
}


def run(case: AnyNetwork, duration: float, threads: int) -> dict[str, float]:
    """Build the network and run it."""
    start = time.perf_counter()
    nest.set(resolution=DT, local_num_threads=threads, rng_seed=SEED, print_time=False)
    recorder = BUILDERS[type(case)](case, duration)  # pyright: ignore[reportArgumentType]
    nest.Simulate(WARM_UP)
    built = time.perf_counter()
    before = recorder.n_events if recorder else 0
    nest.Simulate(duration)
    done = time.perf_counter()
    spikes = recorder.n_events - before if recorder else nest.local_spike_counter
    return {"build_s": built - start, "compile_s": 0.0, "run_s": done - built, "spikes": int(spikes)}


if __name__ == "__main__":
    options = script_parser(__doc__).parse_args()
    nest.verbosity = nest.VerbosityLevel.ERROR
    print(json.dumps(run(NETWORKS[options.network], options.duration, options.threads)))
