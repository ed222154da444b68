"""The event backend in Triton against the one in numba, and against the reference: independent code, the same network.

Weights are whole numbers at the start, so that sums of arrivals are exact in any order until plasticity acts; then a
weight differs by roundings of 1e-7, in changes of which there are some ten.
"""

import functools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from neuro import (
    Events,
    FixedProbability,
    Network,
    PoissonDrive,
    Population,
    Projection,
    Source,
    connect,
    simulate,
    vary,
)
from neuro.neurons import izhikevich, lif_delta, lif_exc_inh
from neuro.plasticity import triplet_stdp
from neuro.plasticity.stdp import SONG_ABBOTT

pytest.importorskip("triton", reason="Triton is not installed: pip install 'neuro[gpu]'")

N_IN, N_EXC, N_INH, DURATION, DT = 12, 40, 10, 15.0, 0.5
RECORD = ("exc.spikes", "inh.spikes", "exc.v", "inh.output")


def network(rule):
    """Two populations of one model and one of another, sources, delays, and plastic synapses on a loop."""
    rng = np.random.default_rng(1)
    cell = vary(lif_delta.NEST_DEFAULT, source="test", t_ref=1.0, i_ext=rng.integers(340, 400, N_EXC).astype(float))
    net = Network(
        (
            Population("in", N_IN, Source()),
            Population("exc", N_EXC, cell),
            Population("inh", N_INH, vary(cell, source="test", i_ext=370.0)),
            Population("other", 5, izhikevich.REGULAR_SPIKING),
        ),
        (
            Projection("in", "exc", FixedProbability(0.3), rule=rule),
            Projection("in", "inh", FixedProbability(0.3)),
            Projection("exc", "exc", FixedProbability(0.2), delay=1.0, rule=rule),
            Projection("exc", "inh", FixedProbability(0.3), delay=0.5),
            Projection("inh", "exc", FixedProbability(0.3), delay=0.5),
            Projection("exc", "other", FixedProbability(0.5), delay=1.5),
        ),
        DT,
    )
    values = {"in->exc": 5.0, "in->inh": 4.0, "exc->exc": 2.0, "exc->inh": 3.0, "inh->exc": -4.0, "exc->other": 8.0}
    weights = connect(net, values, seed=3, delays={"exc->inh": lambda rng, n: rng.integers(1, 4, n) * DT})
    return net, {name: s._replace(weights=s.weights.astype(np.float32)) for name, s in weights.items()}


RULES = {
    "none": None,
    # A rule that halves or doubles a weight within the run.
    "pair": vary(SONG_ABBOTT, source="test", w_max=8.0, a_plus=0.05, a_minus=0.052, softness=0.5),
    "triplet": next(iter(triplet_stdp.SETS.values())),
}


@functools.cache
def outcome(rule, backend):
    net, weights = network(RULES[rule])
    rng = np.random.default_rng(2)
    n = 60
    times = np.sort(rng.uniform(0.0, DURATION, n))
    given = Events(times, rng.integers(0, N_IN, n).astype(np.int32), np.array([0, n]))
    plastic = rule != "none"
    extra = {"record": (*RECORD, "exc->exc.weights"), "weights_every": 5.0} if plastic else {"record": RECORD}
    return simulate(net, weights, {"in": given}, duration=DURATION, backend=backend, plastic=plastic, **extra)


# The reference backend learns the same as `event`, bit for bit, which is tested elsewhere: one rule suffices.
@pytest.mark.parametrize(
    ("rule", "reference"),
    [
        ("none", "event"),
        ("pair", "event"),
        pytest.param("triplet", "event", marks=pytest.mark.slow),
        ("pair", "torch_dense"),
    ],
)
def test_spikes_and_weights_equal_those_of_other_backends(rule, reference):
    wanted, found = outcome(rule, reference), outcome(rule, "triton_event")
    assert wanted.counts.spikes > 60
    assert found.counts.spikes == wanted.counts.spikes
    assert found.counts.synaptic_events == wanted.counts.synaptic_events
    for name in ("exc", "inh"):
        np.testing.assert_array_equal(found.spikes[name].times, wanted.spikes[name].times)
        np.testing.assert_array_equal(found.spikes[name].units, wanted.spikes[name].units)
    for name, trace in wanted.traces.items():
        trace = np.asarray(trace)
        np.testing.assert_allclose(found.traces[name], trace, rtol=0, atol=1e-5 * np.abs(trace).max())
    for name, synapses in wanted.weights.items():
        w = found.weights[name].weights
        np.testing.assert_allclose(w, synapses.weights, rtol=0, atol=1e-5 * np.abs(synapses.weights).max())
    if rule != "none":
        start = network(RULES[rule])[1]["exc->exc"].weights
        assert np.abs(wanted.weights["exc->exc"].weights - start).max() > 1e-3 * start.max()  # they did learn


def test_poisson_drives_are_those_of_the_event_backend():
    """Two receptors, one driven, the other by direct current; the hash is written a second time for Triton."""
    net = Network(
        (Population("in", 3, Source()), Population("n", 30, lif_exc_inh.VOGELS_ABBOTT_CUBA)),
        (Projection("in", "n", FixedProbability(0.5), receptor="inh"),),
        DT,
        (PoissonDrive("n", rate=2000.0, weight=40.0, receptor="exc"),),
    )
    weights = connect(net, {"in->n": -2.0}, seed=1)
    values = np.array([[1.0, 2.0, 0.0]])
    runs = [
        simulate(net, weights, {"in": values}, duration=40.0, backend=backend, record=("n.spikes", "n.i_exc"), seed=5)
        for backend in ("event", "triton_event")
    ]
    assert runs[0].counts.spikes > 20
    np.testing.assert_array_equal(runs[1].spikes["n"].times, runs[0].spikes["n"].times)
    np.testing.assert_allclose(runs[1].traces["n.i_exc"], runs[0].traces["n.i_exc"], rtol=1e-12)
    assert runs[1].counts.synaptic_events == runs[0].counts.synaptic_events


def test_a_missing_delay_is_refused():
    populations = (Population("a", 3, lif_delta.NEST_DEFAULT), Population("b", 3, lif_delta.NEST_DEFAULT))
    net = Network(populations, (Projection("a", "b", FixedProbability(1.0)),), DT)
    with pytest.raises(ValueError, match="'a->b' has no delay; give it at least dt = 0.5 ms"):
        simulate(net, connect(net, {"a->b": 1.0}, seed=1), {}, duration=1.0, backend="triton_event")


COMPILE = """
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from neuro.backends import triton_event_kernels as shared
from neuro.backends.triton_event_source import neuron_kernel, rule_kernels
from neuro.backends.triton_source import NeuronKind
from neuro.neurons.lif_exc_inh import VOGELS_ABBOTT_CUBA as model
from neuro.plasticity.stdp import SONG_ABBOTT as rule
kind = NeuronKind(type(model), type(model.coefficients(0.1)), ("v_inf",), ("output", "v"))
rules = rule_kernels(rule, rule.coefficients(0.1))
kernels = [neuron_kernel(kind).advance, rules.receive, rules.learn, shared.deliver, shared.drive, shared.tick]
POINTERS = {"*i16": ["delay"], "*i32": ["clock", "ids", "offsets", "target", "key", "bounds", "other"],
            "*i64": ["row", "at", "place_of", "events"]}
WHOLE = "n size first depth n_slots n_steps n_bounds begin slot slot_exc slot_inh".split()
for kernel in kernels:
    names = {name: kind for kind, names in POINTERS.items() for name in names} | dict.fromkeys(WHOLE, "i32")
    if kernel in (rules.receive, rules.learn):
        names["delay"] = "i32"
    types = {name: names.get(name, "*fp32") for name in kernel.arg_names} | {"BLOCK": "constexpr"}
    types = {name: types[name] for name in kernel.arg_names}
    source = ASTSource(kernel, types, {"BLOCK": 256} if "BLOCK" in types else {})
    ptx = compile(source, target=GPUTarget("cuda", 90, 32), options={"enable_fp_fusion": False}).asm["ptx"]
    print(kernel.__name__, "st.global" in ptx or "red.global" in ptx, ptx.count("fma."))
"""


def test_kernels_compile_for_a_gpu(tmp_path):
    """For compute capability 9.0, which needs no GPU: they write something, and fuse no product with a sum."""
    environment = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    root = Path(__file__).parents[2]
    found = subprocess.run([sys.executable, "-c", COMPILE], capture_output=True, text=True, env=environment, cwd=root)
    assert found.returncode == 0, found.stderr
    rows = [line.split() for line in found.stdout.splitlines()]
    assert [row[0] for row in rows] == ["advance", "receive", "learn", "deliver", "drive", "tick"]
    assert all(writes == "True" and int(fused) == 0 for _, writes, fused in rows)
