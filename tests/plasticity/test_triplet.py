"""Triplet STDP against its closed form for protocols of pairs and triplets, and nearest-neighbour pairs."""

import numpy as np
import pytest

from neuro import Network, OneToOne, Population, Projection, Source, connect, make_events, simulate, vary
from neuro.neurons.lif_delta import NORMALISED
from neuro.plasticity import stdp, triplet_stdp

BACKENDS = ["torch_dense", "event", "brian"]
TRIPLET = vary(triplet_stdp.VISUAL_CORTEX, source="test", a2_plus=1e-3)


def change(backend, rule, pre_times, post_times, w=0.5):
    """Weight change of one synapse; both neurons are made to fire at the times given."""
    populations = Population("pre", 1, Source()), Population("teacher", 1, Source()), Population("post", 1, NORMALISED)
    projections = Projection("pre", "post", OneToOne(), 0.0, rule), Projection("teacher", "post", OneToOne())
    net = Network(populations, projections, 0.1)
    weights = connect(net, {"pre->post": w, "teacher->post": 1.5}, seed=0)
    inputs = {
        "pre": make_events(np.asarray(pre_times), np.zeros(len(pre_times), int)),
        "teacher": make_events(np.asarray(post_times), np.zeros(len(post_times), int)),
    }
    record = simulate(net, weights, inputs, duration=300.0, backend=backend, plastic=True, record=("post.spikes",))
    np.testing.assert_allclose(record.spikes["post"].times, post_times, atol=1e-9)
    return record.weights["pre->post"].weights[0] - w


def by_hand(rule, pre_times, post_times):
    """Sums of exponentials over all earlier spikes, eqs. 3 and 4 of the publication; no bounds are met."""
    total = 0.0
    for t in pre_times:
        y = sum(np.exp(-(t - s) / rule.tau_post) for s in post_times if s < t)
        x_slow = sum(np.exp(-(t - s) / rule.tau_pre_slow) for s in pre_times if s < t)
        total -= y * (rule.a2_minus + rule.a3_minus * x_slow)
    for t in post_times:
        x = sum(np.exp(-(t - s) / rule.tau_pre) for s in pre_times if s <= t)
        y_slow = sum(np.exp(-(t - s) / rule.tau_post_slow) for s in post_times if s < t)
        total += x * (rule.a2_plus + rule.a3_plus * y_slow)
    return total


PROTOCOLS = {
    "pair, causal": ([50.0], [60.0]),
    "pair, acausal": ([60.0], [50.0]),
    "pre-post-pre": ([50.0, 70.0], [60.0]),
    "post-pre-post": ([60.0], [50.0, 70.0]),
    "together": ([50.0], [50.0]),
    "trains": ([20.0, 45.0, 61.0, 100.0, 180.0], [25.0, 44.0, 70.0, 140.0, 181.0, 260.0]),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_triplet_rule_equals_the_sums_over_spikes(backend, protocol):
    """A trace is up to 3,000 products, each rounded: 3,000 ulps of 0.01."""
    pre, post = PROTOCOLS[protocol]
    assert abs(change(backend, TRIPLET, pre, post) - by_hand(TRIPLET, pre, post)) < 1e-14


def test_triplets_prefer_high_rates():
    """The publication's point: pairs of one and the same lag depress at 1 Hz and potentiate at 50 Hz."""

    def at(rate_hz):
        pre = 5.0 + np.arange(60) * 1000.0 / rate_hz
        return by_hand(triplet_stdp.VISUAL_CORTEX, pre + 10.0, pre)

    assert at(1.0) < 0 < at(50.0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_nearest_neighbours_forget_all_but_the_last_spike(backend):
    rule = vary(stdp.SONG_ABBOTT, source="test", memory=0.0)
    pre, post = [20.0, 30.0, 100.0], [40.0, 60.0]
    potentiation = rule.a_plus * (np.exp(-10 / 20) + np.exp(-30 / 20))
    depression = rule.a_minus * np.exp(-40 / 20)
    assert abs(change(backend, rule, pre, post) - (potentiation - depression)) < 1e-14
    assert change(backend, vary(rule, source="test", memory=1.0), pre, post) > potentiation - depression
