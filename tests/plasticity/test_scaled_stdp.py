"""STDP with synaptic scaling: each part in closed form, and a rate that comes to its goal from above and from below."""

import numpy as np
import pytest

from neuro import (
    Dense,
    Network,
    OneToOne,
    PoissonSource,
    Population,
    Projection,
    Source,
    connect,
    make_events,
    simulate,
    vary,
)
from neuro.neurons.lif import NEST_DEFAULT
from neuro.neurons.lif_delta import NORMALISED
from neuro.plasticity.scaled_stdp import VAN_ROSSUM

BACKENDS = ["torch_dense", "event", "brian"]
DT = 0.5
RULE = vary(VAN_ROSSUM, source="test", tau_activity=400.0, goal=6.0, beta=0.05, interval=50.0, w_max=2.0)
SCALING = vary(RULE, source="test", a_plus=0.0, a_minus=0.0)
UNTOUCHED = vary(NORMALISED, source="test", v_th=1e5)  # fires when its teacher does, whatever the plastic synapses send


def run(backend, rule, pre_times, post_times, duration, w):
    """Weights of synapses that see the same spikes, after every interval [K, synapses]."""
    n = len(w)
    net = Network(
        (Population("pre", n, Source()), Population("teacher", n, Source()), Population("post", n, UNTOUCHED)),
        (Projection("pre", "post", OneToOne(), rule=rule), Projection("teacher", "post", OneToOne())),
        DT,
    )
    weights = connect(net, {"pre->post": w, "teacher->post": 1e6}, seed=0)
    inputs = {
        name: make_events(np.repeat(times, n), np.tile(np.arange(n), len(times)))
        for name, times in (("pre", pre_times), ("teacher", post_times))
    }
    options = {"record": ("pre->post.weights",), "weights_every": rule.interval, "plastic": True, "backend": backend}
    return simulate(net, weights, inputs, duration=duration, **options).traces["pre->post.weights"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_scaling_follows_the_activity(backend):
    """The activity is the sum of (1 / tau) exp(-(t - t_k) / tau) over spikes; weights are multiplied, so that their
    ratio stays. An interval ends with the step before t, so that the decay counts to t - dt."""
    post = np.array([10.0, 12.5, 60.0, 100.0, 130.5, 240.0])
    w = np.array([0.05, 0.1, 0.2])
    found = run(backend, SCALING, [1000.0], post, 400.0, w)
    ends = np.arange(50.0, 401.0, 50.0)
    since = ends[:, None] - DT - post
    activity = (np.exp(-since / SCALING.tau_activity) * (since >= 0)).sum(1) * 1000.0 / SCALING.tau_activity
    factors = 1.0 + SCALING.beta * (SCALING.goal - activity) * SCALING.interval / 1000.0
    assert factors.min() < 1.0 < factors.max()
    np.testing.assert_allclose(found, np.cumprod(factors)[:, None] * w, rtol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_pairs_add_to_the_weight_and_take_parts_of_it(backend):
    """Within the first interval: potentiation is the same for all weights, depression in proportion to them."""
    w = np.array([0.4, 0.8])
    rule = vary(RULE, source="test", beta=0.0)
    found = run(backend, rule, [20.0], [10.0, 30.0], 50.0, w)[0]
    depressed = w * (1.0 - rule.a_minus * np.exp(-10.0 / rule.tau_post))
    np.testing.assert_allclose(found, depressed + rule.w_max * rule.a_plus * np.exp(-10.0 / rule.tau_pre), rtol=1e-13)


@pytest.mark.parametrize("backend", ["torch_dense", "event"])
def test_bounds_hold(backend):
    wild = vary(SCALING, source="test", beta=1.0)
    w = run(backend, wild, [1000.0], [10.0], 2000.0, np.array([0.0, 1e-3, 1.9]))
    np.testing.assert_array_equal(w[-1], [0.0, 2.0, 2.0])  # silence: growth up to w_max; what is 0 stays 0
    often = np.arange(1.0, 100.0, 2.0)  # 500 Hz
    assert run(backend, vary(wild, source="test", beta=10.0), [1000.0], often, 100.0, np.array([1.9]))[-1] == 0.0


def homeostasis(start, rule=SCALING, duration=60_000.0):
    """Rate in the last third, and weights at the end. A LIF hears 100 Poisson processes of 20 Hz; with weights of 40 pA
    it is silent, with 140 pA it fires at 71 Hz."""
    slow = vary(rule, source="test", tau_activity=2000.0, beta=0.01, goal=20.0, w_max=200.0)
    net = Network(
        (Population("in", 100, PoissonSource(rate=20.0)), Population("out", 1, NEST_DEFAULT)),
        (Projection("in", "out", Dense(), rule=slow),),
        DT,
    )
    record = simulate(
        net, {"in->out": np.full((1, 100), start)}, {}, duration=duration, plastic=True, record=("out.spikes",), seed=2
    )
    times = record.spikes["out"].times
    return np.count_nonzero(times > duration * 2 / 3) / duration * 3 * 1000.0, record.weights["in->out"]


@pytest.mark.parametrize("start", [40.0, 140.0])
def test_the_rate_comes_to_its_goal(start):
    """20 Hz over 20 s are 400 spikes, whose number scatters by less than 5 %, as the irregular input does."""
    rate, w = homeostasis(start)
    assert rate == pytest.approx(20.0, rel=0.05)
    np.testing.assert_allclose(w, w[0, 0])  # all were multiplied by the same


def test_the_goal_is_kept_while_stdp_changes_single_weights():
    rate, w = homeostasis(60.0, vary(RULE, source="test", a_plus=1e-4, a_minus=1e-3))
    assert rate == pytest.approx(20.0, rel=0.1)
    assert w.std() > 0.01 * w.mean()
