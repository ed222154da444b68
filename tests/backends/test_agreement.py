"""One definition, every backend: a recurrent network runs alike on all of them, whatever its neurons.

torch_dense is the reference. event must give the same spikes and the same weights, bit for bit, because the
arithmetic of a neuron and of a synapse is the same and in the same order. Only the sum of the arrivals of
one neuron is taken in another order (a matrix product against row after row), and an exp in a step is that of another
library, which moves v by some ulps. brian solves the equations by itself, so that all of it agrees to rounding.
"""

import functools
from typing import Any, NamedTuple

import numpy as np
import pytest

from neuro import FixedProbability, Network, Population, Projection, Source, connect, make_events, simulate, vary
from neuro.neurons import (
    adex,
    alif,
    izhikevich,
    izhikevich_2007,
    izhikevich_half_steps,
    lif,
    lif_adaptive_threshold,
    lif_alpha,
    lif_conductance,
    lif_delta,
    lif_exc_inh,
    lif_intrinsic,
)
from neuro.plasticity.stdp import SONG_ABBOTT

N_IN = 50
DURATION, DT = 120.0, 0.1
RECORD = ("exc.spikes", "inh.spikes", "exc.v")


class Case(NamedTuple):
    """A network of one model. Excitation reaches the model's first receptor, inhibition its last.

    low, high: range of i_ext. weight: the size of a weight, in what arrives. inhibition: of an inhibitory weight,
    against it. size: neurons, of which one in five is inhibitory. v_atol: by how much v may differ, mV.
    """

    model: Any
    low: float
    high: float
    weight: float
    inhibition: float = -1.0
    size: int = 50
    v_atol: float = 1e-9


# LIF flows contract, so that rounding (1e-14 of 70 mV a step) stays below 1e-9 mV. The upstroke of a spike of
# Izhikevich's or of AdEx multiplies a difference by some 1e6, which leaves 1e-6 mV. i_ext lies around rheobase.
CASES = {
    "lif": Case(lif.NEST_DEFAULT, 350.0, 420.0, 300.0, size=200),
    "lif_delta": Case(lif_delta.NEST_DEFAULT, 350.0, 420.0, 3.0, size=200),
    "izhikevich": Case(izhikevich.REGULAR_SPIKING, 3.0, 8.0, 8.0, size=200, v_atol=1e-6),
    "lif_exc_inh": Case(lif_exc_inh.VOGELS_ABBOTT_CUBA, 20.0, 80.0, 60.0),
    "lif_alpha": Case(lif_alpha.NEST_DEFAULT, 350.0, 420.0, 120.0),
    "lif_conductance": Case(lif_conductance.VOGELS_ABBOTT_COBA, 80.0, 200.0, 5.0, inhibition=3.0),
    "alif": Case(alif.BELLEC_2018, 10.0, 30.0, 20.0),
    # A large eta, so that thresholds move by some mV within the run. brian takes Runge-Kutta steps of it.
    "lif_intrinsic": Case(vary(lif_intrinsic.LIF_SORN, source="test", eta=1.0), 7.0, 15.0, 20.0, v_atol=1e-6),
    # Thresholds that move by some mV within the run.
    "lif_adaptive_threshold": Case(
        vary(lif_adaptive_threshold.DIEHL_COOK, source="test", tau_m=10.0, theta_plus=0.5, tau_theta=99.0),
        20.0,
        40.0,
        3.0,
    ),
    "izhikevich_half_steps": Case(izhikevich_half_steps.REGULAR_SPIKING, 3.0, 8.0, 8.0, v_atol=1e-6),
    "izhikevich_2007": Case(izhikevich_2007.REGULAR_SPIKING, 60.0, 200.0, 5.0, v_atol=1e-6),
    "adex": Case(vary(adex.ADAPTING, source="test", tau_exc=5.0, tau_inh=10.0), 300.0, 600.0, 3.0, 3.0, v_atol=1e-6),
}
# Each neuron with plasticity, which is the harder; the first three without it too.
RUNS = [(neuron, plastic) for neuron in CASES for plastic in (False, True) if plastic or CASES[neuron].size == 200]


def network(neuron):
    model, low, high, weight, inhibition, size, _ = CASES[neuron]
    rng = np.random.default_rng(2)
    n_exc, n_inh = size * 4 // 5, size // 5
    exc = vary(model, source="test", i_ext=rng.uniform(low, high, n_exc))
    inh = vary(model, source="test", i_ext=rng.uniform(low, high, n_inh))
    # Fast learning, so that the weights of many synapses reach both bounds within the run.
    rule = vary(SONG_ABBOTT, source="test", w_max=weight, a_plus=0.05, a_minus=0.052, softness=0.5)
    p, last = 20.0 / size, model.receptors[-1]  # some 16 synapses from excitatory neurons
    net = Network(
        (Population("in", N_IN, Source()), Population("exc", n_exc, exc), Population("inh", n_inh, inh)),
        (
            Projection("in", "exc", FixedProbability(0.1)),
            Projection("exc", "exc", FixedProbability(p), delay=1.0, rule=rule),
            Projection("exc", "inh", FixedProbability(p), delay=DT),
            Projection("inh", "exc", FixedProbability(p), delay=0.5, receptor=last),
            Projection("inh", "inh", FixedProbability(2 * p), delay=2.0, receptor=last),
        ),
        DT,
    )
    values = {
        "in->exc": 0.5 * weight,
        "exc->exc": lambda rng, n: rng.uniform(0.0, 0.4 * weight, n),
        "exc->inh": 0.2 * weight,
        "inh->exc": 0.5 * inhibition * weight,
        "inh->inh": 0.4 * inhibition * weight,
    }
    return net, connect(net, values, seed=3)


def poisson(n_events=1200):
    """About 200 spikes/s from each of the sources."""
    rng = np.random.default_rng(1)
    return make_events(rng.uniform(0.0, DURATION, n_events), rng.integers(0, N_IN, n_events))


@functools.cache
def outcome(neuron, backend, plastic, dtype="float64", record=RECORD):
    net, weights = network(neuron)
    weights = {name: s._replace(weights=s.weights.astype(dtype)) for name, s in weights.items()}
    inputs = {"in": poisson()}
    return simulate(net, weights, inputs, duration=DURATION, backend=backend, plastic=plastic, record=record)


def steps_and_units(events):
    return np.rint(events.times / DT).astype(int), events.units


@pytest.mark.parametrize("backend", ["event", "brian"])
@pytest.mark.parametrize(("neuron", "plastic"), RUNS)
def test_spikes_equal_those_of_the_reference(neuron, backend, plastic):
    reference, found = outcome(neuron, "torch_dense", plastic), outcome(neuron, backend, plastic)
    assert reference.counts.spikes > 2.5 * CASES[neuron].size  # some spikes a neuron: the recurrence takes part
    for name in ("exc", "inh"):
        for wanted, given in zip(
            steps_and_units(reference.spikes[name]), steps_and_units(found.spikes[name]), strict=True
        ):
            np.testing.assert_array_equal(given, wanted)
    assert found.counts.spikes == reference.counts.spikes
    assert found.counts.synaptic_events == reference.counts.synaptic_events


@pytest.mark.parametrize("backend", ["event", "brian"])
@pytest.mark.parametrize(("neuron", "plastic"), RUNS)
def test_voltage_equals_that_of_the_reference(neuron, backend, plastic):
    reference, found = outcome(neuron, "torch_dense", plastic), outcome(neuron, backend, plastic)
    v, wanted = found.traces["exc.v"], reference.traces["exc.v"].numpy()
    np.testing.assert_allclose(v, wanted, rtol=0, atol=CASES[neuron].v_atol)


@pytest.mark.parametrize("neuron", CASES)
def test_weights_equal_bit_for_bit_on_torch_and_event(neuron):
    start, reference = network(neuron)[1]["exc->exc"], outcome(neuron, "torch_dense", True).weights["exc->exc"]
    assert np.abs(reference.weights - start.weights).max() > 0.2 * CASES[neuron].weight  # they did learn
    found = outcome(neuron, "event", True).weights["exc->exc"]
    np.testing.assert_array_equal(found.weights, reference.weights)
    np.testing.assert_array_equal(found.targets, start.targets)


@pytest.mark.parametrize("neuron", CASES)
def test_weights_equal_to_rounding_on_brian(neuron):
    """A synapse changes some hundred times by products of a few roundings each: 1e3 * 1e-16, relative to w_max."""
    reference = outcome(neuron, "torch_dense", True).weights["exc->exc"].weights
    found = outcome(neuron, "brian", True).weights["exc->exc"].weights
    np.testing.assert_allclose(found, reference, rtol=0, atol=1e-12 * CASES[neuron].weight)


@pytest.mark.parametrize("backend", ["torch_dense", "event", "brian"])
def test_weights_stay_where_the_simulation_is_not_plastic(backend):
    start = network("lif")[1]
    for name, synapses in outcome("lif", backend, False).weights.items():
        np.testing.assert_array_equal(synapses.weights, start[name].weights)


def test_single_precision_follows_double_precision():
    """In float32 the network is the same until rounding has moved one spike by one step. v is -70 mV with a
    rounding of 8e-6 mV a step, which decays over 100 steps: 1e-3 mV is 100 of them."""
    single, double = outcome("lif", "event", True, "float32"), outcome("lif", "event", True)
    assert single.traces["exc.v"].dtype == single.weights["exc->exc"].weights.dtype == np.float32
    differs = np.abs(single.traces["exc.v"] - double.traces["exc.v"]).max(axis=(1, 2)) > 1e-3
    first = int(np.argmax(differs)) if differs.any() else len(differs)
    assert first > 200  # 20 ms, by when half of the neurons have fired
    assert abs(single.counts.spikes - double.counts.spikes) < 0.02 * double.counts.spikes


def test_single_precision_is_the_same_on_torch_and_event():
    """The first 20 ms: later, the other order of summing has moved a spike."""
    event, dense = outcome("lif", "event", True, "float32"), outcome("lif", "torch_dense", True, "float32")
    early = [[part[part_of < 200] for part in steps_and_units(r.spikes["exc"])]
             for r in (event, dense) for part_of in [steps_and_units(r.spikes["exc"])[0]]]  # fmt: skip
    assert len(early[0][0]) > 50
    np.testing.assert_array_equal(early[0], early[1])


@pytest.mark.parametrize("backend", ["torch_dense", "event", "brian"])
def test_recording_changes_nothing(backend):
    full = outcome("lif", backend, True)
    bare = outcome("lif", backend, True, record=())
    assert bare.spikes == bare.traces == {}
    assert (bare.counts.spikes, bare.counts.synaptic_events) == (full.counts.spikes, full.counts.synaptic_events)
    np.testing.assert_array_equal(bare.weights["exc->exc"].weights, full.weights["exc->exc"].weights)


@pytest.mark.parametrize("backend", ["torch_dense", "event", "brian"])
def test_the_same_run_gives_the_same_bits(backend):
    first, again = outcome("lif", backend, True), outcome.__wrapped__("lif", backend, True)
    np.testing.assert_array_equal(np.asarray(again.traces["exc.v"]), np.asarray(first.traces["exc.v"]))
    np.testing.assert_array_equal(again.weights["exc->exc"].weights, first.weights["exc->exc"].weights)


@pytest.mark.parametrize("backend", ["torch_dense", "event", "brian"])
def test_given_weights_are_not_changed(backend):
    net, weights = network("lif")
    before = weights["exc->exc"].weights.copy()
    simulate(net, weights, {"in": poisson()}, duration=20.0, backend=backend, plastic=True, record=RECORD)
    np.testing.assert_array_equal(weights["exc->exc"].weights, before)
