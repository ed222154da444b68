"""Measures of criticality on activity whose answer is known."""

import numpy as np
import pytest

from neuro import Synapses, criticality, make_events


def synapses(pairs, n, weights=None):
    pairs = np.array(sorted(pairs))
    offsets = np.searchsorted(pairs[:, 0], np.arange(n + 1))
    return Synapses(offsets, pairs[:, 1].astype(np.int32), np.ones(len(pairs)) if weights is None else weights)


@pytest.mark.parametrize("fan_out", [1, 2, 3])
def test_branching_factor_of_a_wave_is_its_fan_out(fan_out):
    """Layer after layer fires, 10 ms apart, each neuron of a layer driven by one and driving fan_out of the next."""
    layers = [np.arange(fan_out**k) + sum(fan_out**i for i in range(k)) for k in range(6)]
    n = layers[-1][-1] + 1
    pairs = [
        (pre, layers[k + 1][fan_out * i + j])
        for k in range(5)
        for i, pre in enumerate(layers[k])
        for j in range(fan_out)
    ]
    times = np.concatenate([np.full(len(layer), 40.0 + 3.0 * k) for k, layer in enumerate(layers)])
    events = make_events(times, np.arange(n))
    found = criticality.branching_factor(events, synapses(pairs, n), 100.0)
    inner, last = n - len(layers[-1]), len(layers[-1])  # those of the last layer cause nothing
    assert found == pytest.approx(fan_out * inner / (inner + last), rel=1e-12)


def test_branching_factor_looks_at_its_window_alone():
    """A partner counts within 4 ms and not in the same step; what is near the sample's ends never counts."""
    pair = synapses([(0, 1)], 2)
    for gap, wanted in ((0.0, 0.0), (1.0, 1.0), (4.0, 1.0), (5.0, 0.0)):
        events = make_events(np.array([50.0, 50.0 + gap]), np.array([0, 1]))
        assert criticality.branching_factor(events, pair, 100.0) == pytest.approx(wanted / 2)  # mean over both neurons
    early = make_events(np.array([10.0, 11.0]), np.array([0, 1]))
    assert np.isnan(criticality.branching_factor(early, pair, 100.0))


def process(m, n_trials=60, n_bins=4000, rate=100.0, seed=0):
    """A branching process with immigration: a(t + 1) ~ Poisson(m a(t) + h), begun in its stationary state."""
    rng = np.random.default_rng(seed)
    activity = np.empty((n_trials, n_bins), np.int64)
    now = rng.poisson(rate, n_trials)
    for t in range(-500, n_bins):
        now = rng.poisson(m * now + rate * (1.0 - m))
        if t >= 0:
            activity[:, t] = now
    return activity


@pytest.mark.parametrize("m", [0.5, 0.9, 0.98])
def test_multistep_finds_m_though_few_neurons_are_seen(m):
    """The slope at lag 1 alone, the conventional estimate, fails when 5 % of the spikes are seen."""
    whole = process(m)
    seen = np.random.default_rng(1).binomial(whole, 0.05)
    assert criticality.multistep(whole, 4.0, 20).branching == pytest.approx(m, abs=0.01)
    found = criticality.multistep(seen, 4.0, 40)
    assert found.branching == pytest.approx(m, abs=0.03)  # noisier: 240,000 bins of some five spikes
    assert found.slopes_K[0] < m - 0.2
    assert found.tau == pytest.approx(-4.0 / np.log(found.branching))


def test_multistep_refuses_what_does_not_vary():
    with pytest.raises(ValueError, match="does not vary"):
        criticality.multistep(np.full((2, 50), 3), 4.0, 10)


def test_activity_counts_each_spike_once():
    rng = np.random.default_rng(0)
    events = make_events(rng.uniform(0, 100, 900), rng.integers(0, 9, 900), np.array([0, 400, 900]))
    activity = criticality.activity(events, 100.0, 4.0)
    assert activity.shape == (2, 25)
    np.testing.assert_array_equal(activity.sum(1), [400, 500])


def test_avalanches_by_hand():
    """Those that begin before the sample or end after it are left out."""
    found = criticality.avalanches(np.array([[5, 0, 1, 2, 0, 0, 7, 0, 3], [0, 0, 0, 0, 4, 4, 4, 0, 0]]))
    np.testing.assert_array_equal(found.sizes, [3, 7, 12])
    np.testing.assert_array_equal(found.durations, [2, 1, 3])
    above = criticality.avalanches(np.array([[1, 2, 5, 3, 2, 2, 9, 1]]), threshold=2)
    np.testing.assert_array_equal((above.sizes, above.durations), [[8, 9], [2, 1]])


def test_sizes_of_a_critical_process_fall_with_three_halves():
    """Each avalanche a Galton-Watson tree with Poisson offspring of mean 1: P(s) ~ s^(-3/2) for large s."""
    rng, sizes = np.random.default_rng(0), []
    for _ in range(20000):
        size = now = 1
        while now and size < 10**6:
            now = rng.poisson(now)
            size += now
        sizes.append(size)
    assert criticality.power_law_exponent(np.array(sizes), least=10) == pytest.approx(1.5, abs=0.03)
    drawn = np.random.default_rng(1).zipf(2.5, 20000)
    assert criticality.power_law_exponent(drawn) == pytest.approx(2.5, abs=0.04)  # two standard errors


def test_lyapunov_of_twins_that_part_at_a_known_rate():
    """The number of neurons that fire in one run alone doubles every 10 ms: the distance grows with ln 2 / 20 a ms."""
    n, duration = 4096, 100.0
    alone = np.round(2.0 ** (np.arange(100) / 10.0)).astype(int)
    alone[:20] = 0
    times = np.repeat(np.arange(100.0), alone)
    units = np.concatenate([np.arange(k) for k in alone])
    shared = make_events(np.arange(0.0, 90.0, 7.0), np.full(13, n - 1))
    twin = make_events(np.concatenate([shared.times, times]), np.concatenate([shared.units, units]))
    rate, distance = criticality.lyapunov(shared, twin, n, duration, tau=0.2)
    assert rate == pytest.approx(np.log(2.0) / 20.0, rel=0.01)
    np.testing.assert_array_equal(distance[:20], 0.0)
    assert criticality.lyapunov(shared, shared, n, duration, tau=0.2)[0] == 0.0


def test_kernel_rank_of_responses_of_known_rank():
    rng = np.random.default_rng(0)
    responses = rng.normal(size=(200, 7)) @ rng.normal(size=(7, 50))
    labels = np.arange(200) % 10
    assert criticality.kernel_rank(responses, labels, 5, 3, rng) == 7.0
    assert criticality.kernel_rank(np.eye(200), labels, 5, 3, rng) == 50.0
    with pytest.raises(ValueError, match="some class has fewer samples"):
        criticality.kernel_rank(responses, labels, 21, 3, rng)


def test_spectral_radius_of_a_ring_and_of_joined_blocks():
    """A ring of n synapses of weight w has the eigenvalues w exp(2 pi i k / n)."""
    ring = synapses([(i, (i + 1) % 20) for i in range(20)], 20, np.full(20, -1.7))
    assert criticality.spectral_radius(ring) == pytest.approx(1.7, rel=1e-9)
    rng = np.random.default_rng(0)
    w = rng.normal(size=(5, 5))  # pre x post
    cut = [slice(0, 2), slice(2, 5)]
    blocks = []
    for a in cut:
        row = []
        for b in cut:
            part = w[a, b]
            offsets = np.arange(part.shape[0] + 1) * part.shape[1]
            row.append(
                Synapses(offsets, np.tile(np.arange(part.shape[1]), part.shape[0]).astype(np.int32), part.ravel())
            )
        blocks.append(row)
    whole = criticality.joined(blocks)
    np.testing.assert_array_equal(whole.weights.reshape(5, 5), w)
    assert criticality.spectral_radius(whole) == pytest.approx(np.abs(np.linalg.eigvals(w)).max(), rel=1e-9)
