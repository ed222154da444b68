"""Networks as NIR graphs: back again with the same spikes, and read by snnTorch's and SpikingJelly's own readers."""

import contextlib
import io

import nir
import numpy as np
import pytest
import torch

from neuro import (
    Dense,
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
from neuro.interop.nir import from_nir, read_nir, to_nir, write_graph
from neuro.learners.base import Batch
from neuro.learners.bptt import BPTT
from neuro.neurons import cuba_lif, integrate_and_fire, leaky_integrator, lif, lif_delta
from neuro.plasticity.stdp import SONG_ABBOTT
from tasks import digits

STEPS = 200
CELLS = {
    "lif_delta": vary(lif_delta.NORMALISED, source="test", tau_m=np.linspace(3.0, 30.0, 20), v_rest=-0.1),
    "lif_delta with a current": vary(lif_delta.NORMALISED, source="test", i_ext=np.linspace(0.0, 0.5, 20)),
    "integrate_and_fire": vary(integrate_and_fire.NORMALISED, source="test", i_ext=0.03, c_m=2.0),
    "lif": vary(lif.NEST_DEFAULT, source="test", t_ref=0.0),
    "cuba_lif": vary(cuba_lif.NALSM, source="test", t_ref=0.0),
}
STRENGTH = {"mV": 0.3, "pA": 200.0}


def network(cell, dt=0.5):
    """Events -> 20 cells, which excite each other after 1.5 ms -> leaky integrators."""
    strength = 1.0 if isinstance(cell, cuba_lif.CubaLIF) else STRENGTH[cell.arrival_unit]
    populations = (
        Population("in", 10, Source()),
        Population("cells", 20, cell),
        Population("readout", 3, leaky_integrator.NORMALISED),
    )
    random = FromArrays(np.arange(20) % 10, np.arange(20))
    projections = (
        Projection("in", "cells", random, delay=dt),
        Projection("cells", "cells", Dense(), delay=3 * dt),
        Projection("cells", "readout", Dense()),
    )
    net = Network(populations, projections, dt)
    rng = np.random.default_rng(1)
    weights = connect(
        net,
        {
            "in->cells": 10 * strength * rng.uniform(0.3, 1.0, 20),
            "cells->cells": strength * rng.normal(0.2, 0.3, (20, 20)),
            "cells->readout": rng.normal(size=(3, 20)),
        },
        0,
    )
    return net, weights


def drive(dt=0.5, n=10):
    rng = np.random.default_rng(2)
    return make_events(rng.uniform(0.0, STEPS * dt, 600), rng.integers(0, n, 600))


def outcome(net, weights, inputs, initial=None):
    record = simulate(
        net, weights, {"in": inputs}, duration=STEPS * net.dt, record=("cells.spikes", "readout.v"), initial=initial
    )
    spikes = record.spikes["cells"]
    return np.rint(spikes.times / net.dt), spikes.units, record.traces["readout.v"]


@pytest.mark.parametrize("units", ["si", "normalised"])
@pytest.mark.parametrize("name", CELLS)
def test_a_round_trip_through_a_file_gives_the_same_spikes(tmp_path, name, units):
    net, weights = network(CELLS[name])
    wanted = outcome(net, weights, drive())
    assert 100 < len(wanted[0]) < 0.5 * STEPS * 20
    write_graph(to_nir(net, weights, units=units), tmp_path / "net.nir")
    again = read_nir(tmp_path / "net.nir")
    found = outcome(again.net, again.weights, drive(), again.initial)
    np.testing.assert_array_equal(found[0], wanted[0])
    np.testing.assert_array_equal(found[1], wanted[1])
    np.testing.assert_allclose(found[2], wanted[2], rtol=1e-9, atol=1e-9)
    assert again.outputs == {"output": "readout"}


@pytest.mark.parametrize("discretisation", ["exact", "euler"])
def test_both_discretisations_lead_back(discretisation):
    net, weights = network(CELLS["lif_delta"])
    graph = to_nir(net, weights, discretisation=discretisation)
    tau = graph.nodes["cells"].tau[0]
    assert tau == pytest.approx(3e-3 if discretisation == "exact" else 0.5e-3 / (1 - np.exp(-0.5 / 3.0)), rel=1e-12)
    again = from_nir(graph)
    for found, wanted in zip(outcome(again.net, again.weights, drive()), outcome(net, weights, drive()), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)


def test_a_constant_current_behind_a_synapse_leads_back():
    """It passes the synapse in NIR; here it is i_ext and a current that starts at its negative."""
    for model in (lif.NEST_DEFAULT, cuba_lif.NALSM):
        net, weights = network(vary(model, source="test", t_ref=0.0, i_ext=20.0 if model is lif.NEST_DEFAULT else 0.05))
        initial = {"cells.i_syn": -np.max(net.population("cells").model.i_ext)}
        again = from_nir(to_nir(net, weights, initial=initial))
        assert again.initial.keys() >= {"cells.i_syn"}
        wanted = outcome(net, weights, drive(), initial)
        found = outcome(again.net, again.weights, drive(), again.initial)
        assert len(wanted[0]) > 100
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
        with pytest.raises(ValueError, match="'cells' has a current i_ext that acts at once"):
            to_nir(net, weights)


# A trained network.


@pytest.fixture(scope="module")
def trained():
    """BPTT after 8 batches of digits: learner, state, and 16 samples."""
    task = digits.load()
    learner = BPTT(hidden=(32,), tau_m=5.0)
    state = learner.init(task.problem._replace(samples=2000), 0)
    for k in range(8):
        batch = task.train.batch(np.arange(128 * k, 128 * (k + 1)))
        learner.update(state, Batch(batch.inputs, batch.labels))
    weights = {name: w.detach() for name, w in state.weights.items()}
    return learner.network(task.problem), weights, task.train.batch(np.arange(16)).inputs.flatten(1)


def spikes_of(net, weights, inputs, name="hidden0", source="input"):
    record = simulate(
        net,
        weights,
        {source: inputs},
        duration=40 * net.dt,
        backend="torch_dense",
        record=(f"{name}.output", "readout.v"),
    )
    return record.traces[f"{name}.output"].numpy(), record.traces["readout.v"].numpy()


def test_a_trained_network_keeps_every_spike_and_every_weight(trained, tmp_path):
    net, weights, inputs = trained
    write_graph(to_nir(net, weights), tmp_path / "net.nir")
    again = read_nir(tmp_path / "net.nir")
    wanted, scores = spikes_of(net, weights, inputs)
    found, found_scores = spikes_of(again.net, {k: torch.as_tensor(w) for k, w in again.weights.items()}, inputs)
    assert 500 < wanted.sum() < 0.5 * wanted.size
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_allclose(found_scores, scores, rtol=0, atol=1e-6)  # float32; the decay may differ by an ulp
    for name, w in weights.items():
        np.testing.assert_array_equal(again.weights[name], w.numpy())


def quietly(function, *arguments, **options):
    with contextlib.redirect_stdout(io.StringIO()):
        return function(*arguments, **options)


def stepped(module, inputs, steps=40):
    """A torch module of nirtorch, step by step; its output in every step."""
    state, found = None, []
    for _ in range(steps):
        output = module(inputs, state) if state is not None else module(inputs)
        output, state = output if isinstance(output, tuple) else (output, None)
        found.append(output.detach())
    return torch.stack(found).numpy()


def test_spikingjelly_reads_it_and_fires_the_same_spikes(trained):
    """Without the readout, which it has no node for; the graph ends with the weights to the readout."""
    from spikingjelly.activation_based.nir_exchange import import_from_nir

    net, weights, inputs = trained
    module = quietly(import_from_nir, to_nir(net, weights, readout=False), dt=net.dt / 1000.0, dtype=torch.float64)
    wanted, _ = spikes_of(net, {name: w.double() for name, w in weights.items()}, inputs.double())
    # Volts: a weight of 1 mV is 0.001 there.
    outputs = 1e3 * stepped(module, inputs.double())
    np.testing.assert_allclose(outputs, wanted @ weights["hidden0->readout"].numpy().T.astype(float), atol=1e-9)


def test_snntorch_reads_it_and_fires_the_same_spikes(trained):
    """It takes steps of 0.1 ms whatever the file says, so that the file is written for them. Its spikes are float32."""
    from snntorch.import_nir import import_from_nir

    net, weights, inputs = trained
    module = quietly(import_from_nir, to_nir(net, weights, readout=False, step=0.1))
    wanted, _ = spikes_of(net, weights, inputs)
    outputs = 1e3 * stepped(module, inputs)
    np.testing.assert_allclose(outputs, wanted @ weights["hidden0->readout"].numpy().T, atol=1e-5)


def test_cuba_lif_is_read_by_both():
    """An input population, cells with synaptic currents, and the weights to the readout."""
    from snntorch.import_nir import import_from_nir as snntorch_reads
    from spikingjelly.activation_based.nir_exchange import import_from_nir as spikingjelly_reads

    cell = vary(cuba_lif.NALSM, source="test", t_ref=0.0, tau_syn=3.0, tau_m=20.0, r_m=20.0, v_th=1.0)
    net = Network(
        (Population("input", 10, Source()), Population("hidden0", 20, cell),
         Population("readout", 3, leaky_integrator.NORMALISED)),
        (Projection("input", "hidden0", Dense()), Projection("hidden0", "readout", Dense())), 0.1,
    )  # fmt: skip
    rng = np.random.default_rng(3)
    weights = {"input->hidden0": rng.normal(0.1, 0.4, (20, 10)), "hidden0->readout": rng.normal(size=(3, 20))}
    inputs = torch.as_tensor(rng.uniform(size=(4, 10)))
    wanted, _ = spikes_of(net, {name: torch.as_tensor(w) for name, w in weights.items()}, inputs)
    assert 200 < wanted.sum() < 0.7 * wanted.size
    graph = to_nir(net, weights, readout=False)
    for module in (quietly(snntorch_reads, graph), quietly(spikingjelly_reads, graph)):
        found = 1e3 * stepped(module, inputs.float())
        np.testing.assert_allclose(found, wanted @ weights["hidden0->readout"].T, atol=1e-5)


# What is refused.

NET, WEIGHTS = network(CELLS["lif_delta"])


def changed(**changes):
    """NET with another population of cells, other projections or drives."""
    populations = tuple(changes.get(p.name, p) for p in NET.populations)
    return Network(populations, changes.get("projections", NET.projections), NET.dt, changes.get("drives", ()))


def cells(**values):
    return Population("cells", 20, vary(lif_delta.NORMALISED, source="test", **values))


REFUSED = {
    "refractoriness": (changed(cells=cells(t_ref=2.0)), ["'cells'", "t_ref = 2 ms", "set it to 0"]),
    "a drive": (changed(drives=(PoissonDrive("cells", 10.0, 1.0),)), ["Poisson drive", "'cells'"]),
    "plasticity": (
        changed(projections=(Projection("in", "cells", Dense(), rule=SONG_ABBOTT), *NET.projections[1:])),
        ["'in->cells' has a rule", "leave it out"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_nir_cannot_say_is_refused(case):
    net, words = REFUSED[case]
    with pytest.raises(ValueError) as error:
        to_nir(net, WEIGHTS)
    for word in words:
        assert word in str(error.value)


def test_another_neuron_is_refused_by_name():
    from neuro.neurons.izhikevich import SETS

    net = changed(cells=Population("cells", 20, next(iter(SETS.values()))))
    with pytest.raises(ValueError, match="NIR has no neuron like Izhikevich, the model of 'cells'"):
        to_nir(net, WEIGHTS)


# Faults of other readers, as they are in the versions of constraints.txt; docs/nir.md lists them.


def graph_of(node, size=4):
    return nir.NIRGraph.from_list(nir.Linear(np.eye(size)), node)


def test_snntorch_takes_an_integrate_and_fire_neuron_for_a_leaky_one():
    from snntorch.import_nir import import_from_nir

    module = quietly(import_from_nir, graph_of(nir.IF(np.ones(4), np.ones(4))))
    leaky = next(m for m in module.modules() if type(m).__name__ == "Leaky")
    assert float(leaky.beta) == pytest.approx(0.9)  # no leak would be 1


@pytest.mark.parametrize("kind", ["snntorch", "spikingjelly"])
def test_neither_reads_a_leaky_integrator(kind):
    from snntorch.import_nir import import_from_nir as snntorch_reads
    from spikingjelly.activation_based.nir_exchange import import_from_nir as spikingjelly_reads

    reads = {"snntorch": snntorch_reads, "spikingjelly": spikingjelly_reads}[kind]
    with pytest.raises(ValueError, match="Unknown node type <class 'nir.ir.neuron.LI'>"):
        quietly(reads, graph_of(nir.LI(np.full(4, 1e-2), np.ones(4), np.zeros(4))))
