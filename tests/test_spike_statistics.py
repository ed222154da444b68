"""Statistics of spikes whose distribution is known have their closed forms."""

import numpy as np
import pytest

from neuro import make_events
from neuro import spike_statistics as statistics

WIDTH = 2.0  # ms


def poisson(rng, size, rate_hz, duration):
    """Events of independent Poisson processes."""
    n_N = rng.poisson(rate_hz * duration / 1e3, size)
    return make_events(rng.uniform(0, duration, n_N.sum()), np.repeat(np.arange(size), n_N))


@pytest.fixture(scope="module")
def irregular():
    return poisson(np.random.default_rng(0), 200, 40.0, 20000.0)


def test_poisson_process_has_its_rate_cv_1_and_no_correlation(irregular):
    # 160000 spikes: a standard error of 0.25 % of the rate; CV: one of sqrt(2 / 800) a neuron, 0.0035 of the mean
    assert statistics.mean_rate(irregular, 200, 20000.0) == pytest.approx(40.0, rel=0.01)
    assert statistics.interval_cv(irregular, 200) == pytest.approx(1.0, abs=0.015)
    # the mean over 19900 pairs of correlations with standard error 1 / sqrt(10000 bins)
    assert abs(statistics.correlation(statistics.counts(irregular, 200, WIDTH, 20000.0))) < 5 * 0.01 / np.sqrt(19900)


def test_poisson_population_has_a_flat_spectrum(irregular):
    rate_K = statistics.population_rate(irregular, 200, 0.5, 20000.0)
    assert rate_K.mean() == pytest.approx(40.0, rel=0.01)
    frequencies_F, power_F = statistics.spectrum(rate_K, 0.5, 500.0)
    level = 2.0 * 40.0 / 200
    inner = (frequencies_F > 10.0) & (frequencies_F < 990.0)
    low, high = power_F[inner & (frequencies_F < 500.0)].mean(), power_F[inner & (frequencies_F > 500.0)].mean()
    # 79 half-overlapping segments, 245 frequencies each: a standard error near 1 %
    assert low == pytest.approx(level, rel=0.05) and high == pytest.approx(level, rel=0.05)
    np.testing.assert_allclose(np.sum(power_F) * 2.0, rate_K.var(), rtol=0.02)  # Parseval, 2 Hz apart


@pytest.mark.parametrize("frequency", [20.0, 180.0])
def test_spectrum_finds_a_modulated_rate(frequency):
    """Rate r (1 + m cos): a line of variance (m r)^2 / 2, spread over the window's 1.5 bins."""
    rng, r, m = np.random.default_rng(1), 30.0, 0.5
    base = poisson(rng, 500, r * (1 + m), 10000.0)
    keep = rng.uniform(0, 1 + m, len(base.times)) < 1 + m * np.cos(2 * np.pi * frequency * base.times / 1e3)
    events = make_events(base.times[keep], base.units[keep])
    rate_K = statistics.population_rate(events, 500, 0.5, 10000.0)
    frequencies_F, power_F = statistics.spectrum(rate_K, 0.5, 500.0)
    found, power = statistics.peak(frequencies_F, power_F, lowest=5.0)
    assert found == frequency  # a multiple of the 2 Hz between frequencies
    assert power == pytest.approx((m * r) ** 2 / 2 / (1.5 * 2.0), rel=0.05)


def test_clock_has_cv_0_and_copies_of_it_correlation_1():
    times = np.tile(np.arange(1.0, 1000.0, 10.0), 5)
    events = make_events(times, np.repeat(np.arange(5), 100))
    assert statistics.interval_cv(events, 5) < 1e-9  # intervals are rounded differences
    assert statistics.correlation(statistics.counts(events, 5, WIDTH, 1000.0)) == pytest.approx(1.0, abs=1e-9)
    assert statistics.mean_rate(events, 10, 1000.0) == pytest.approx(50.0)  # five more neurons are silent


def test_cv_of_two_alternating_intervals():
    """Intervals 1 and 3 in turn: mean 2, standard deviation 1."""
    times = np.cumsum([0.0] + [1.0, 3.0] * 10)
    events = make_events(times, np.zeros(len(times), int))
    assert statistics.interval_cv(events, 1) == pytest.approx(0.5, abs=1e-12)
    assert np.isnan(statistics.interval_cv(statistics.window(events, 0.0, 5.0), 1))  # spikes at 0, 1, 4: two intervals


@pytest.mark.parametrize(("kept", "jitter"), [(1.0, 0.0), (1.0, 1.0), (0.3, 0.0), (0.5, 2.0)])
def test_jittered_thinned_copies_of_one_process(kept, jitter):
    """Two copies of a Poisson process, each spike kept with p and moved by up to j <= the bin w: p (1 - j / 3w).

    A spike kept by both (p^2 of them) falls into one bin with 1 - |d| / w, d the difference of two uniform
    moves, whose mean is j / 3; each count has the variance p of a Poisson number.
    """
    rng, size, duration = np.random.default_rng(2), 40, 20000.0
    mother = np.sort(rng.uniform(0, duration, rng.poisson(30.0 * duration / 1e3)))
    keep_NS = rng.uniform(size=(size, len(mother))) < kept
    units, which = np.nonzero(keep_NS)
    times = mother[which] + jitter * rng.uniform(size=len(which))
    events = statistics.window(make_events(times, units), 0.0, duration)
    found = statistics.correlation(statistics.counts(events, size, WIDTH, duration))
    assert found == pytest.approx(kept * (1 - jitter / (3 * WIDTH)), abs=0.02)  # 600 spikes of the mother


def test_correlation_is_the_mean_of_all_pairs(irregular):
    counts_NK = statistics.counts(irregular, 30, 20.0, 20000.0)
    counts_NK[4] = 1.0  # never changes: left out
    pairs = np.corrcoef(np.delete(counts_NK, 4, axis=0))
    assert statistics.correlation(counts_NK) == pytest.approx(pairs[np.triu_indices(29, 1)].mean(), abs=1e-12)
    assert np.isnan(statistics.correlation(counts_NK[4:5]))


def test_counts_window_and_merge_lose_no_spike():
    events = make_events(np.arange(10) * 0.1 + 0.3, np.arange(10) % 3)
    cut = statistics.window(events, 0.5, 1.0)  # spikes at 0.5, 0.6, ... 0.9, of units 2, 0, 1, 2, 0
    np.testing.assert_array_equal(cut.units, [2, 0, 1, 2, 0])
    np.testing.assert_allclose(cut.times, np.arange(5) * 0.1, atol=1e-12)
    np.testing.assert_array_equal(statistics.counts(cut, 3, 0.2, 0.5), [[1, 0], [0, 1], [1, 1]])
    both = statistics.merge([cut, cut], [3, 3])
    np.testing.assert_array_equal(np.bincount(both.units), [2, 1, 2, 2, 1, 2])
    assert (np.diff(both.times) >= 0).all()


def test_silence():
    nothing = make_events(np.empty(0), np.empty(0, int))
    assert statistics.mean_rate(nothing, 3, 100.0) == 0.0
    assert np.isnan(statistics.interval_cv(nothing, 3))
    assert np.isnan(statistics.correlation(statistics.counts(nothing, 3, WIDTH, 100.0)))
    with pytest.raises(ValueError, match="segment"):
        statistics.spectrum(np.zeros(10), 1.0, 20.0)
