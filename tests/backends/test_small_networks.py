"""Networks small enough to work out by hand, on every backend.

The neurons integrate and fire with jumps of 1 mV at a threshold of 1 mV, so that one spike of weight 1
makes a neuron fire at once, and weight 0.6 takes two.
"""

import functools
import inspect
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from neuro import (
    Dense,
    FixedProbability,
    Network,
    OneToOne,
    Population,
    Projection,
    Source,
    Synapses,
    connect,
    make_events,
    simulate,
    vary,
)
from neuro.backends import generated
from neuro.neurons.leaky_integrator import NORMALISED as READOUT
from neuro.neurons.leaky_integrator import LeakyIntegrator
from neuro.neurons.lif import NEST_DEFAULT
from neuro.neurons.lif_delta import NORMALISED
from neuro.plasticity.post_stdp import DIEHL_COOK
from neuro.plasticity.stdp import SONG_ABBOTT

BACKENDS = ["torch_dense", "event", "brian"]
DT = 0.5
RELAY = vary(NORMALISED, source="test", tau_m=100.0)


def train(*pairs):
    """Events of one sample from (step, unit)."""
    return make_events(np.array([step * DT for step, _ in pairs]), np.array([unit for _, unit in pairs], int))


def fired(record, name):
    """(step, unit) of every spike."""
    events = record.spikes[name]
    return list(zip(np.rint(events.times / DT).astype(int).tolist(), events.units.tolist(), strict=True))


@functools.cache
def pair(delay, plastic=False):
    """Two sources, three relays: source 0 reaches relays 0 and 1, source 1 reaches relays 1 and 2."""
    rule = vary(SONG_ABBOTT, source="test", a_plus=0.1, a_minus=0.1, w_max=2.0) if plastic else None
    net = Network(
        (Population("in", 2, Source()), Population("out", 3, RELAY)),
        (Projection("in", "out", FixedProbability(0.5), delay, rule),),
        DT,
    )
    synapses = Synapses(np.array([0, 2, 4]), np.array([0, 1, 1, 2], np.int32), np.array([1.0, 0.6, 0.6, 1.0]))
    return net, {"in->out": synapses}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("delay_steps", [0, 1, 7])
def test_five_neurons_by_hand(backend, delay_steps):
    net, weights = pair(delay_steps * DT)
    inputs = {"in": train((2, 0), (3, 1), (9, 0), (19, 1))}
    record = simulate(net, weights, inputs, duration=20 * DT, backend=backend, record=("out.spikes",))
    # Relay 1 fires at the second of two spikes of 0.6, which come one step apart; the third is alone, and
    # the spike of step 19 comes to relay 1 as the second one, if it comes before the end.
    wanted = [(2, 0), (3, 1), (3, 2), (9, 0), (19, 1), (19, 2)]
    wanted = [(step + delay_steps, unit) for step, unit in wanted if step + delay_steps < 20]
    assert fired(record, "out") == wanted
    assert record.counts.spikes == len(wanted)
    assert record.counts.synaptic_events == 2 * (4 if delay_steps == 0 else 3)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_chain_adds_its_delays(backend):
    """in -> a -> b -> a: five neurons, delays of 0, 1 and 5 steps; each spike goes around until the end."""
    net = Network(
        (Population("in", 1, Source()), Population("a", 2, RELAY), Population("b", 2, RELAY)),
        (
            Projection("in", "a", Dense()),
            Projection("a", "b", OneToOne(), delay=DT),
            Projection("b", "a", OneToOne(), delay=5 * DT),
        ),
        DT,
    )
    weights = connect(net, {"in->a": np.array([[1.0], [0.0]]), "a->b": 1.0, "b->a": 1.0}, seed=0)
    wanted = ("a.spikes", "b.spikes", "b.output")
    record = simulate(net, weights, {"in": train((3, 0))}, duration=20 * DT, backend=backend, record=wanted)
    assert fired(record, "a") == [(3, 0), (9, 0), (15, 0)]
    assert fired(record, "b") == [(4, 0), (10, 0), (16, 0)]
    assert np.argwhere(np.asarray(record.traces["b.output"])).tolist() == [[4, 0, 0], [10, 0, 0], [16, 0, 0]]
    # 2 over the dense projection, one for each spike over the others; that of step 16 comes after the end.
    assert record.counts.spikes == 6
    assert record.counts.synaptic_events == 2 + 3 + 2


@pytest.mark.parametrize("backend", ["torch_dense", "event"])
def test_zero_delay_passes_a_chain_within_one_step(backend):
    net = Network(
        (Population("b", 1, RELAY), Population("a", 1, RELAY), Population("in", 1, Source())),
        (Projection("in", "a", Dense()), Projection("a", "b", Dense())),
        DT,
    )
    weights = {"in->a": np.ones((1, 1)), "a->b": np.ones((1, 1))}
    inputs = {"in": train((3, 0))}
    record = simulate(net, weights, inputs, duration=5.0, backend=backend, record=("a.spikes", "b.spikes"))
    assert fired(record, "a") == fired(record, "b") == [(3, 0)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_unit_sends_once_a_step(backend):
    """Two events of one unit within a step are one spike, as in a raster."""
    net, weights = pair(0.0)
    twice = make_events(np.array([1.0, 1.2]), np.array([0, 0]))
    record = simulate(net, weights, {"in": twice}, duration=5.0, backend=backend, record=("out.spikes",))
    assert fired(record, "out") == [(2, 0)]
    assert record.counts.synaptic_events == 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_raster_is_its_events(backend):
    net, weights = pair(7 * DT)
    raster_TBN = np.zeros((40, 1, 2))
    raster_TBN[[2, 3, 9], 0, [0, 1, 0]] = 1
    for given in (raster_TBN, train((2, 0), (3, 1), (9, 0))):
        record = simulate(net, weights, {"in": given}, duration=40 * DT, backend=backend, record=("out.spikes",))
        assert fired(record, "out") == [(9, 0), (10, 1), (10, 2), (16, 0)]


@functools.cache
def dense_and_sparse():
    """The same plastic weights as a matrix and as rows, with noise for input."""
    rng = np.random.default_rng(5)
    w_JI = rng.uniform(0.0, 1.0, (6, 20))
    rule = vary(SONG_ABBOTT, source="test", a_plus=0.05, a_minus=0.05)
    pre, post = Population("in", 20, Source()), Population("out", 6, RELAY)
    dense = Network((pre, post), (Projection("in", "out", Dense(), DT, rule),), DT)
    sparse = Network((pre, post), (Projection("in", "out", FixedProbability(1.0), DT, rule),), DT)
    rows = connect(sparse, {"in->out": 0.0}, seed=0)["in->out"]._replace(weights=w_JI.T.ravel())
    spikes = make_events(rng.uniform(0, 100.0, 300), rng.integers(0, 20, 300))
    return (dense, {"in->out": w_JI}), (sparse, {"in->out": rows}), {"in": spikes}


@pytest.mark.parametrize("backend", BACKENDS)
def test_dense_and_sparse_are_the_same(backend):
    """Bit for bit: both forms meet the synapses in one order."""
    dense, sparse, inputs = dense_and_sparse()
    one, other = (
        simulate(*given, inputs, duration=100.0, backend=backend, plastic=True, record=("out.spikes",))
        for given in (dense, sparse)
    )
    assert fired(one, "out") == fired(other, "out")
    assert len(fired(one, "out")) > 50
    assert one.counts.synaptic_events == other.counts.synaptic_events
    np.testing.assert_array_equal(one.weights["in->out"].T.ravel(), other.weights["in->out"].weights)
    assert np.abs(one.weights["in->out"] - dense[1]["in->out"]).max() > 0.1


@pytest.mark.parametrize("backend", ["event", "brian"])
def test_plastic_matrix_equals_that_of_torch(backend):
    dense, _, inputs = dense_and_sparse()
    w_JI, reference_JI = (
        simulate(*dense, inputs, duration=100.0, backend=name, plastic=True).weights["in->out"]
        for name in (backend, "torch_dense")
    )
    # event does the same arithmetic; brian2 takes exp of the time since the last spike, which rounds elsewhere.
    np.testing.assert_allclose(w_JI, reference_JI, rtol=0, atol=0 if backend == "event" else 1e-13)


@pytest.mark.parametrize("backend", ["torch_dense", "event"])
def test_a_batch_is_its_samples_one_by_one(backend):
    net, weights = pair(7 * DT)
    rng = np.random.default_rng(4)
    sizes = [10, 0, 25]
    batch = make_events(rng.uniform(0, 30.0, 35), rng.integers(0, 2, 35), np.cumsum([0, *sizes]))
    record = ("out.spikes", "out.v")
    together = simulate(net, weights, {"in": batch}, duration=30.0, backend=backend, record=record)
    assert together.spikes["out"].n_samples == 3
    counts = []
    for b in range(3):
        alone = simulate(net, weights, {"in": batch.sample(b)}, duration=30.0, backend=backend, record=record)
        assert fired(alone, "out") == list(
            zip(
                np.rint(together.spikes["out"].sample(b).times / DT).astype(int).tolist(),
                together.spikes["out"].sample(b).units.tolist(),
                strict=True,
            )
        )
        np.testing.assert_array_equal(
            np.asarray(together.traces["out.v"])[:, b], np.asarray(alone.traces["out.v"])[:, 0]
        )
        counts.append((alone.counts.spikes, alone.counts.synaptic_events))
    assert tuple(np.sum(counts, 0)) == (together.counts.spikes, together.counts.synaptic_events)


@pytest.mark.parametrize("backend", BACKENDS)
def test_direct_current_fills_the_membrane(backend):
    """Jumps of x in every step from step d on: v = x (1 - p^n) / (1 - p), p the decay over dt."""
    model = vary(RELAY, source="test", v_th=1000.0)
    net = Network(
        (Population("in", 2, Source()), Population("out", 2, model)),
        (Projection("in", "out", Dense(), delay=3 * DT),),
        DT,
    )
    w_JI = np.array([[1.0, 2.0], [0.0, 4.0]])
    record = simulate(
        net, {"in->out": w_JI}, {"in": np.array([[0.5, 0.25]])}, duration=10.0, backend=backend, record=("out.v",)
    )
    p, n = np.exp(-DT / 100.0), np.maximum(np.arange(20) - 2, 0)
    wanted = np.outer((1 - p**n) / (1 - p), [1.0, 1.0])
    # 20 steps of a few roundings each, on values of 20.
    np.testing.assert_allclose(np.asarray(record.traces["out.v"])[:, 0], wanted, rtol=0, atol=1e-12)
    # Unit 1 has a synapse of weight 0, which is a synapse: 4 deliveries a step in 17 steps.
    assert record.counts.synaptic_events == 4 * 17


def test_a_kernel_depends_on_modules_from_which_a_rule_takes_functions():
    """Else a change of one would leave the machine code of the other as it was."""
    shared = {inspect.getmodule(f.__func__) for f in vars(type(DIEHL_COOK)).values() if isinstance(f, staticmethod)}
    assert len(shared) > 1
    assert shared <= set(generated.modules_of(type(DIEHL_COOK)))


def test_direct_current_through_several_delays_is_refused():
    """The same current would have to begin at several times."""
    net = Network(
        (Population("in", 2, Source()), Population("out", 1, READOUT)), (Projection("in", "out", Dense(), 1.0),), 1.0
    )
    weights = {"in->out": Synapses(np.arange(3), np.zeros(2, np.int32), np.ones(2), np.array([1, 4], np.uint16))}
    with pytest.raises(
        ValueError, match="input 'in' is direct current, and synapses of 'in->out' differ in their delays"
    ):
        simulate(net, weights, {"in": np.ones((1, 2))}, duration=8.0)
    weights["in->out"] = weights["in->out"]._replace(delays=np.array([4, 4], np.uint16))
    trace = simulate(net, weights, {"in": np.ones((1, 2))}, duration=8.0, record=("out.output",)).traces["out.output"]
    assert np.flatnonzero(trace)[0] == 4


@pytest.mark.parametrize("backend", ["torch_dense", "event"])
def test_direct_current_has_a_value_for_each_sample(backend):
    net, weights = pair(0.0)
    values_BN = np.array([[0.1, 0.0], [0.0, 0.3], [0.2, 0.2]])
    record = simulate(net, weights, {"in": values_BN}, duration=20.0, backend=backend, record=("out.spikes",))
    first = [int(np.rint(record.spikes["out"].sample(b).times.min() / DT)) for b in range(3)]
    p = np.exp(-DT / 100.0)
    for b, x in enumerate([0.1, 0.3, 0.24]):  # relay 0, relay 2, and relay 1 with 0.6 of both
        steps = np.arange(1, 40)
        assert first[b] == np.argmax(x * (1 - p**steps) / (1 - p) >= 1.0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_parameters_of_each_neuron_are_those_of_separate_runs(backend):
    changes = {"i_ext": [390.0, 500.0], "tau_m": [10.0, 14.0], "t_ref": [0.0, 3.0], "v_reset": [-70.0, -60.0]}
    arrays = {name: np.array(values) for name, values in changes.items()}

    def spikes(model, size):
        net = Network((Population("cells", size, model),), (), DT)
        return fired(simulate(net, {}, {}, duration=200.0, backend=backend, record=("cells.spikes",)), "cells")

    together = spikes(vary(NEST_DEFAULT, source="test", **arrays), 2)
    for j in range(2):
        alone = spikes(vary(NEST_DEFAULT, source="test", **{name: v[j] for name, v in changes.items()}), 1)
        assert len(alone) > 3
        assert [step for step, unit in together if unit == j] == [step for step, _ in alone]


@pytest.mark.parametrize("backend", ["torch_dense", "event"])
def test_third_factor_scales_learning(backend):
    """The modulator is a membrane that one spike of weight 2 lifts to 2 at step 10, slowly decaying. Source 0
    fires just before the relay does, once before and once after: only the second pair is learnt from."""
    rule = vary(SONG_ABBOTT, source="test", a_plus=0.01, a_minus=0.0, w_max=10.0)
    slow = LeakyIntegrator(tau_m=50.0, v_rest=0.0, source="test")
    net = Network(
        (
            Population("in", 1, Source()),
            Population("reward", 1, Source()),
            Population("m", 1, slow),
            Population("out", 1, RELAY),
        ),
        (Projection("in", "out", Dense(), rule=rule, modulator="m"), Projection("reward", "m", Dense())),
        DT,
    )
    weights = {"in->out": np.array([[1.0]]), "reward->m": np.array([[2.0]])}
    inputs = {"in": train((4, 0), (30, 0)), "reward": train((10, 0))}
    record = simulate(net, weights, inputs, duration=50 * DT, backend=backend, plastic=True, record=("m.output",))
    m_30 = np.asarray(record.traces["m.output"])[30, 0, 0]
    assert m_30 == pytest.approx(2.0 * np.exp(-20 * DT / 50.0), rel=1e-13)  # 20 products, an ulp each
    x_30 = 1.0 + np.exp(-26 * DT / 20.0)
    # m has advanced before `out` in this step; the first pair was gated by m = 0.
    assert record.weights["in->out"][0, 0] == pytest.approx(1.0 + m_30 * 0.01 * x_30 * 10.0, rel=1e-13)


@pytest.mark.parametrize("backend", ["torch_dense", "event"])
def test_more_spikes_than_the_buffer_holds(backend):
    """Two populations that fire at every step: 300 * 1200 and 200 * 1200 spikes, buffers of 65,536."""
    busy = vary(RELAY, source="test", i_ext=1000.0)
    net = Network((Population("a", 300, busy), Population("b", 200, busy)), (), DT)
    record = simulate(net, {}, {}, duration=1200 * DT, backend=backend, record=("a.spikes", "b.spikes"))
    for name, size in (("a", 300), ("b", 200)):
        np.testing.assert_array_equal(record.spikes[name].units, np.tile(np.arange(size), 1200))
        np.testing.assert_allclose(record.spikes[name].times, np.repeat(np.arange(1200) * DT, size))
    assert record.counts.spikes == 500 * 1200


@pytest.mark.parametrize("backend", ["event", "brian"])
def test_overflow_is_reported(backend):
    slow = LeakyIntegrator(tau_m=50.0, v_rest=0.0, source="test")
    net = Network((Population("in", 3000, Source()), Population("m", 2, slow)), (Projection("in", "m", Dense()),), DT)
    weights = {"in->m": np.full((2, 3000), 1e308)}  # leaves float64 even where brian2 counts in volts
    with pytest.raises(FloatingPointError, match="population 'm'"), np.errstate(all="ignore"):
        simulate(net, weights, {"in": np.ones((10, 1, 3000))}, duration=5.0, backend=backend)


REFUSED = {
    "no delay": (Projection("a", "b", Dense()), {}, "has no delay"),
    "graded": (Projection("m", "b", Dense(), DT), {}, "sends graded values"),
    "modulator": (Projection("a", "b", Dense(), DT, SONG_ABBOTT, "m"), {"plastic": True}, "has a modulator"),
    "hidden variable": (Projection("a", "b", Dense(), DT), {"record": ("a.refrac",)}, "cannot record 'a.refrac'"),
    "hidden start": (Projection("a", "b", Dense(), DT), {"initial": {"a.refrac": 1.0}}, "initial 'a.refrac'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_brian_says_what_it_cannot_do(case):
    projection, options, message = REFUSED[case]
    slow = LeakyIntegrator(tau_m=50.0, v_rest=0.0, source="test")
    net = Network((Population("a", 1, RELAY), Population("b", 1, RELAY), Population("m", 1, slow)), (projection,), DT)
    with pytest.raises(ValueError, match=message):
        simulate(net, {projection.name: np.ones((1, 1))}, {}, duration=5.0, backend="brian", **options)


def test_brian_refuses_a_batch():
    net, weights = pair(0.0)
    with pytest.raises(ValueError, match="one sample at a time"):
        simulate(net, weights, {"in": np.ones((2, 2))}, duration=5.0, backend="brian")


def test_event_refuses_graded_values():
    slow = LeakyIntegrator(tau_m=50.0, v_rest=0.0, source="test")
    net = Network((Population("m", 1, slow), Population("b", 1, RELAY)), (Projection("m", "b", Dense()),), DT)
    with pytest.raises(ValueError, match="sends graded values"):
        simulate(net, {"m->b": np.ones((1, 1))}, {}, duration=5.0, backend="event")


def test_sources_are_not_recorded():
    net, weights = pair(0.0)
    with pytest.raises(ValueError, match="is a source"):
        simulate(net, weights, {"in": train((1, 0))}, duration=5.0, record=("in.spikes",))


# Run in a process of its own: a network of one relay; the second argument is added to the model's file.
START = """
import sys
import numba.core.event
from neuro import Network, Population, simulate
from neuro.neurons.lif_delta import NORMALISED
net = Network((Population("a", 1, NORMALISED),), (), 1.0)
with numba.core.event.install_recorder("numba:compile") as recorder:
    simulate(net, {}, {}, duration=2.0)
print(len(recorder.buffer))
"""


def test_a_second_start_compiles_nothing_and_a_changed_model_does(tmp_path):
    """Numba tells of every function that it compiles; kernels are files in a folder of this test."""
    import neuro

    copy = tmp_path / "neuro"
    copy.symlink_to(os.path.dirname(neuro.__file__))
    environment = {**os.environ, "NEURO_CACHE": str(tmp_path / "cache")}

    def start(folder):
        output = subprocess.run(
            [sys.executable, "-c", START], env={**environment, "PYTHONPATH": str(folder)}, check=True,
            capture_output=True, text=True, cwd=folder,
        ).stdout  # fmt: skip
        kernels = sorted(path.name for path in (tmp_path / "cache" / "kernels").glob("*.py"))
        return int(output), kernels

    compiled, kernels = start(tmp_path)
    assert compiled > 0 and len(kernels) == 2  # the loop over time, and that over neurons
    compiled, again = start(tmp_path)
    assert compiled == 0 and again == kernels

    changed = tmp_path / "changed" / "neuro"
    shutil.copytree(os.path.dirname(neuro.__file__), changed)
    model = changed / "neurons" / "lif_delta.py"
    model.write_text(model.read_text().replace("+ c.p_vv * (s.v", "+ c.p_vv * (x + s.v"))
    compiled, more = start(changed.parent)
    assert compiled > 0 and len(more) == 4
