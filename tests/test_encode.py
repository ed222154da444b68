"""Codes: the rate code's binomial counts, the latency code's exact times, and what they refuse."""

import numpy as np
import pytest

from neuro import encode
from neuro.events import raster


def test_rate_code_fires_with_the_probability_of_its_value():
    """Counts over n steps are binomial: within five standard deviations of n p."""
    values = np.array([[0.0, 0.1, 0.5, 1.0], [1.0, 0.9, 0.0, 0.3]])
    n_steps, dt, max_rate = 4000, 0.5, 0.4
    events = encode.rate(values, n_steps, dt, np.random.default_rng(0), max_rate)
    spikes_TBN, dropped = raster(events, 4, n_steps, dt)
    p = values * max_rate * dt
    counts = spikes_TBN.sum(0)
    assert dropped == 0 and events.n_samples == 2
    assert np.all(np.abs(counts - n_steps * p) <= 5 * np.sqrt(n_steps * p * (1 - p)))
    assert counts[0, 0] == counts[1, 2] == 0


def test_rate_code_is_fixed_by_its_generator():
    draws = [encode.rate(np.full((3, 5), 0.3), 50, 1.0, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert np.array_equal(draws[0].times, draws[1].times) and np.array_equal(draws[0].units, draws[1].units)
    assert not np.array_equal(draws[0].units, draws[2].units)


def test_latency_code_is_linear_and_silent_at_the_threshold():
    values = np.array([[1.0, 0.75, 0.2, 0.0], [0.2, 0.3, 0.4, 0.5]])
    events = encode.latency(values, 20.0, threshold=0.2)
    first, second = events.sample(0), events.sample(1)
    np.testing.assert_array_equal(first.times, [0.0, 5.0])
    np.testing.assert_array_equal(first.units, [0, 1])
    np.testing.assert_allclose(second.times, [10.0, 12.0, 14.0])
    np.testing.assert_array_equal(second.units, [3, 2, 1])


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: encode.rate(np.full((2, 2), 1.5), 5, 1.0, np.random.default_rng(0)), r"\[0, 1\]"),
        (lambda: encode.rate(np.full((2, 2), np.nan), 5, 1.0, np.random.default_rng(0)), r"\[0, 1\]"),
        (lambda: encode.rate(np.zeros(4), 5, 1.0, np.random.default_rng(0)), "samples, units"),
        (lambda: encode.rate(np.zeros((2, 2)), 5, 1.0, np.random.default_rng(0), max_rate=2.0), "lower either"),
        (lambda: encode.latency(np.zeros((2, 2)), -1.0), "positive"),
        (lambda: encode.latency(-np.ones((2, 2)), 1.0), r"\[0, 1\]"),
    ],
)
def test_bad_values_are_refused(call, text):
    with pytest.raises(ValueError, match=text):
        call()
