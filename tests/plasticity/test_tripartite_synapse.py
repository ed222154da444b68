"""Tripartite synapses: release by hand, three backends, and the limits in which they are plain Tsodyks-Markram ones."""

import numpy as np
import pytest

from neuro import Dense, Network, Population, Projection, Source, make_events, simulate, vary
from neuro.neurons.leaky_integrator import LeakyIntegrator
from neuro.neurons.li_rinzel import DE_PITTA_FM, STIMBERG
from neuro.neurons.lif_delta import NORMALISED
from neuro.plasticity.stdp import SONG_ABBOTT
from neuro.plasticity.tsodyks_markram import RELEASE_DECREASING, RELEASE_INCREASING, TRIPARTITE, TsodyksMarkram

BACKENDS = ["event", "torch_dense", "brian"]
# A membrane that forgets nothing and never fires: it adds up what arrives.
SUM = vary(NORMALISED, source="test", tau_m=1e30, v_th=1e30)
DT, DURATION = 0.5, 400.0
RELEASE = {"decreasing": RELEASE_DECREASING, "increasing": RELEASE_INCREASING}
# Calcium rises through the threshold after some 10 ms.
RISING = {"astrocyte.calcium": 0.4, "astrocyte.h": 0.8, "astrocyte.ip3": 1.0, "astrocyte.gamma_synapse": 0.1}


def spikes(n=3, per_neuron=20, seed=0):
    rng = np.random.default_rng(seed)
    return make_events(rng.uniform(0.0, DURATION - 5.0, n * per_neuron), rng.integers(0, n, n * per_neuron))


def network(short_term, modulator="astrocyte", delay=0.0, astrocyte=DE_PITTA_FM, is_last=False, feeds=False):
    """Three sources onto two cells that add up what arrives; feeds: onto the astrocyte too, by such synapses."""
    populations = [Population("in", 3, Source()), Population("post", 2, SUM)]
    populations.insert(2 if is_last else 1, Population("astrocyte", 1, astrocyte))
    targets = ("post", "astrocyte") if feeds else ("post",)
    projections = tuple(
        Projection("in", name, Dense(), delay=delay, short_term=short_term, modulator=modulator) for name in targets
    )
    weights = {"in->post": np.random.default_rng(1).uniform(0.5, 1.0, (2, 3)), "in->astrocyte": np.full((1, 3), 20.0)}
    return Network(tuple(populations), projections, DT), {p.name: weights[p.name] for p in projections}


def run(net, weights, backend, record=("post.v",), **options):
    options = {"initial": RISING, "duration": DURATION} | options
    traces = simulate(net, weights, {"in": spikes()}, backend=backend, record=record, **options).traces
    return {name: np.asarray(values)[:, 0] for name, values in traces.items()}


@pytest.mark.parametrize(("delay", "is_last"), [(0.0, False), (2.0, True)])
@pytest.mark.parametrize("backend", BACKENDS)
def test_release_by_hand(backend, delay, is_last):
    """From the recorded gamma, as it is before the step of each spike: a sum of the weights times u r."""
    short_term = RELEASE_DECREASING
    net, weights = network(short_term, delay=delay, is_last=is_last)
    found = run(net, weights, backend, ("post.v", "astrocyte.gamma_synapse"))
    gamma = np.concatenate([[0.1], found["astrocyte.gamma_synapse"][:, 0]])
    assert np.ptp(gamma) > 0.5  # gliotransmitter was released
    events = spikes()
    wanted = np.zeros((len(found["post.v"]) + 10, 2))
    for neuron in range(3):
        u, r, last = 0.0, 1.0, -np.inf
        for step in np.unique((events.times[events.units == neuron] / DT + 1e-9).astype(int)):
            elapsed = (step - last) * DT
            r = 1.0 - (1.0 - r) * np.exp(-elapsed / short_term.tau_rec)
            release = (1.0 - gamma[step]) * short_term.u_release + short_term.alpha * gamma[step]
            u = u * np.exp(-elapsed / short_term.tau_facil)
            u += release * (1.0 - u)
            wanted[step + round(delay / DT)] += weights["in->post"][:, neuron] * u * r
            r, last = r - u * r, step
    wanted = np.cumsum(wanted, axis=0)[: len(found["post.v"])]
    np.testing.assert_allclose(found["post.v"], wanted, rtol=1e-10)  # some 60 additions and exponentials


@pytest.mark.parametrize("short_term", RELEASE.values(), ids=RELEASE)
@pytest.mark.parametrize("backend", ["event", "torch_dense"])
def test_without_gliotransmission_it_is_plain_tsodyks_markram_bit_for_bit(backend, short_term):
    """Without a modulator, and with one whose calcium never reaches the threshold."""
    options = {"initial": RISING | {"astrocyte.gamma_synapse": 0.0}}
    quiet = vary(DE_PITTA_FM, source="test", c_threshold=10.0)
    plain = TsodyksMarkram(short_term.u_release, short_term.tau_rec, short_term.tau_facil, source="test")
    wanted = run(*network(plain, None), backend, **options)["post.v"]
    for modulator in (None, "astrocyte"):
        found = run(*network(short_term, modulator, astrocyte=quiet), backend, **options)["post.v"]
        np.testing.assert_array_equal(found, wanted)
    changed = run(*network(short_term), backend, **options)["post.v"]
    assert (np.sign(changed[-1] - wanted[-1]) == np.sign(short_term.alpha - short_term.u_release)).all()


def test_a_closed_loop_is_the_same_on_all_backends():
    """Synapses feed the astrocyte that modulates them. brian2 solves the cell by another method, of fourth order: with
    this step both are right to 1e-8."""
    driven = vary(STIMBERG, source="test", glutamate_ext=5.0)
    net, weights = network(TRIPARTITE, delay=1.0, astrocyte=driven, feeds=True)
    record = ("post.v", *(f"astrocyte.{field}" for field in driven.initial()._fields))
    found = {backend: run(net, weights, backend, record) for backend in BACKENDS}
    assert found["event"]["astrocyte.gliotransmitter"].max() == pytest.approx(78.0)
    for name, wanted in found["event"].items():
        np.testing.assert_allclose(found["torch_dense"][name], wanted, rtol=1e-12, atol=1e-15, err_msg=name)
        np.testing.assert_allclose(found["brian"][name], wanted, rtol=1e-6, atol=1e-7, err_msg=name)


def test_a_run_in_two_parts_is_one_run():
    """What modulates release is part of the state."""
    net, weights = network(RELEASE_DECREASING, delay=2.0)
    whole = run(net, weights, "event")["post.v"]
    inputs = {"in": spikes()}
    first = simulate(net, weights, inputs, duration=150.0, initial=RISING, record=("post.v",))
    second = simulate(net, weights, inputs, duration=DURATION - 150.0, resume=first.final, record=("post.v",))
    parts = np.concatenate([part.traces["post.v"][:, 0] for part in (first, second)])
    np.testing.assert_array_equal(parts, whole)


def test_what_does_not_fit_is_refused():
    def refused(words, net_options, **options):
        with pytest.raises(ValueError, match=words):
            run(*network(**net_options), "event", **options)

    slow = LeakyIntegrator(tau_m=50.0, v_rest=0.0, source="test")
    plain = TsodyksMarkram(0.5, 100.0, 0.0, source="test")
    refused("'gamma_synapse'.*take an astrocyte", {"short_term": TRIPARTITE, "astrocyte": slow})
    refused("needs a rule to act on, or a short_term", {"short_term": plain})
    refused("one graded neuron", {"short_term": TRIPARTITE, "modulator": "post"})
    refused("which acts without delay", {"short_term": TRIPARTITE}, threads=2)


def test_one_modulator_serves_a_rule_and_release():
    """The rule reads its output, calcium, and the synapse its bound receptors; on both backends alike."""
    net, weights = network(RELEASE_DECREASING)
    (projection,) = net.projections
    rule = vary(SONG_ABBOTT, source="test", w_max=1.0)
    learning = Projection("in", "post", Dense(), rule=rule, short_term=RELEASE_DECREASING, modulator="astrocyte")
    assert projection.name == learning.name
    relay = vary(NORMALISED, source="test", tau_m=20.0, v_th=0.5)
    populations = (net.population("in"), net.population("astrocyte"), Population("post", 2, relay))
    net = Network(populations, (learning,), DT)
    after = {}
    for backend in ("event", "torch_dense"):
        options = {"duration": DURATION, "initial": RISING, "backend": backend, "plastic": True}
        after[backend] = simulate(net, weights, {"in": spikes(per_neuron=60)}, **options).weights["in->post"]
    assert np.abs(after["event"] - weights["in->post"]).max() > 1e-3
    np.testing.assert_allclose(after["event"], after["torch_dense"], rtol=1e-13)
