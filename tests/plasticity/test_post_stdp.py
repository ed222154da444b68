"""The rule that acts at postsynaptic spikes: closed forms of its changes, and the same weights on every backend."""

import functools

import numpy as np
import pytest

from neuro import Dense, Network, Population, Projection, Source, make_events, simulate, vary
from neuro.neurons import lif_adaptive_threshold, lif_delta
from neuro.plasticity import post_stdp

RULE = vary(post_stdp.DIEHL_COOK, source="test", a_plus=0.1, a_minus=0.05, x_target=0.3, w_max=2.0, softness=0.5)
DT = 0.5


def change(rule, pre, post, w=0.8):
    """The weight after spikes at given times (ms) of one synapse, on the event backend; a driver makes post fire."""
    net = Network(
        (
            Population("pre", 1, Source()),
            Population("driver", 1, Source()),
            Population("post", 1, vary(lif_delta.NORMALISED, source="test", v_th=20.0)),
        ),
        (Projection("pre", "post", Dense(), rule=rule), Projection("driver", "post", Dense())),
        DT,
    )
    weights = {"pre->post": np.full((1, 1), w), "driver->post": np.full((1, 1), 50.0)}
    inputs = {
        name: make_events(np.array(t, float), np.zeros(len(t), int)) for name, t in (("pre", pre), ("driver", post))
    }
    record = simulate(net, weights, inputs, duration=200.0, plastic=True, record=("post.spikes",))
    assert record.spikes["post"].times.tolist() == sorted(post)
    return record.weights["pre->post"][0, 0] - w


@pytest.mark.parametrize("lag", [0.0, 10.0, 40.0])
def test_a_postsynaptic_spike_compares_the_trace_with_its_target(lag):
    x = np.exp(-lag / RULE.tau_pre)
    expected = RULE.a_plus * (x - RULE.x_target) * (RULE.w_max - RULE.softness * 0.8)
    assert change(RULE, [50.0], [50.0 + lag]) == pytest.approx(expected, rel=1e-12)
    assert (expected > 0) == (lag < 24.0)  # 20 ms ln(1 / 0.3)


def test_an_input_that_is_silent_is_depressed():
    expected = -RULE.a_plus * RULE.x_target * (RULE.w_max - RULE.softness * 0.8)
    assert change(RULE, [], [50.0]) == pytest.approx(expected, rel=1e-12)


def test_traces_do_not_add_up():
    """Two presynaptic spikes count as the last one; without depression at them."""
    rule = vary(RULE, source="test", a_minus=0.0)
    assert change(rule, [45.0, 50.0], [60.0]) == change(rule, [50.0], [60.0])


def test_a_presynaptic_spike_depresses_in_proportion_to_the_postsynaptic_trace():
    after_one = change(RULE, [], [50.0])
    expected = -RULE.a_minus * RULE.w_max * np.exp(-15.0 / RULE.tau_post)
    assert change(RULE, [65.0], [50.0]) - after_one == pytest.approx(expected, rel=1e-11)


@functools.cache
def outcome(backend):
    """Weights and thresholds of twelve neurons with adaptive thresholds, forty noisy inputs and lateral inhibition."""
    rng = np.random.default_rng(3)
    neuron = vary(lif_adaptive_threshold.DIEHL_COOK, source="test", theta_plus=1.0, tau_theta=300.0)
    net = Network(
        (Population("in", 40, Source()), Population("exc", 12, neuron)),
        (Projection("in", "exc", Dense(), rule=RULE), Projection("exc", "exc", Dense(), delay=DT)),
        DT,
    )
    weights = {"in->exc": rng.uniform(0.0, 2.0, (12, 40)), "exc->exc": np.full((12, 12), -2.0)}
    inputs = {"in": make_events(rng.integers(0, 400, 800) * DT, rng.integers(0, 40, 800))}
    record = ("exc.spikes", "exc.theta")
    return simulate(net, weights, inputs, duration=200.0, plastic=True, record=record, backend=backend)


@pytest.mark.parametrize("backend", ["event", "brian"])
def test_every_backend_learns_the_same(backend):
    """Sums of 40 arrivals in another order, and equations solved by brian: rounding of values of some ten."""
    found, wanted = outcome(backend), outcome("torch_dense")
    np.testing.assert_array_equal(found.spikes["exc"].units, wanted.spikes["exc"].units)
    np.testing.assert_allclose(found.spikes["exc"].times, wanted.spikes["exc"].times, rtol=0, atol=1e-9)
    assert len(found.spikes["exc"].times) > 50
    np.testing.assert_allclose(np.asarray(found.weights["in->exc"]), np.asarray(wanted.weights["in->exc"]), atol=1e-11)
    theta = np.asarray(found.traces["exc.theta"])
    np.testing.assert_allclose(theta, np.asarray(wanted.traces["exc.theta"]), rtol=0, atol=1e-11)
    assert theta[-1].min() > 1.0
