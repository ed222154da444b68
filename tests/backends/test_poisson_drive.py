"""Poisson drives: the right distribution, the same numbers on every backend, Campbell's theorem."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from neuro import FixedProbability, Network, PoissonDrive, Population, Projection, connect, simulate, vary
from neuro.neurons import leaky_integrator, lif
from neuro.poisson import draw, key, thresholds


@pytest.mark.parametrize("mean", [0.0, 0.01, 0.5, 2.0, 30.0])
def test_draws_follow_the_poisson_distribution(mean):
    """Chi-square over 400,000 draws; p above 1e-4, so that a sound generator fails once in 10,000 seeds."""
    bounds = thresholds(mean)
    draws = np.concatenate([draw(bounds, 2000, step, key(0, "x", 0)) for step in range(200)])
    if mean == 0:
        assert not draws.any()
        return
    top = int(stats.poisson.ppf(1 - 1e-4, mean))
    found = np.bincount(np.minimum(draws, top), minlength=top + 1)
    expected = stats.poisson.pmf(np.arange(top + 1), mean)
    expected[-1] = stats.poisson.sf(top - 1, mean)
    kept = expected * len(draws) > 5
    found, expected = np.append(found[kept], found[~kept].sum()), np.append(expected[kept], expected[~kept].sum())
    if expected[-1] * len(draws) < 5:
        found, expected = found[:-1], expected[:-1] / expected[:-1].sum()
    assert stats.chisquare(found, expected / expected.sum() * found.sum()).pvalue > 1e-4


def test_draws_of_neurons_steps_seeds_and_samples_are_independent():
    """Correlations of 200 x 500 draws lie within five standard errors, 5 / sqrt(n), of 0."""
    bounds = thresholds(2.0)

    def block(seed, sample):
        return np.array([draw(bounds, 200, step, key(seed, "x", sample)) for step in range(500)], float) - 2.0

    a, b, c = block(0, 0), block(1, 0), block(0, 1)
    pairs = [(a, b), (a, c), (a[:, 1:], a[:, :-1]), (a[1:], a[:-1]), (a[7:], a[:-7]), (a[1:, 1:], a[:-1, :-1])]
    for left, right in pairs:
        assert abs((left * right).mean() / 2.0) < 5 / np.sqrt(left.size)


def test_thresholds_are_the_cumulative_distribution():
    bounds = thresholds(3.0)
    np.testing.assert_allclose(bounds / 2**32, stats.poisson.cdf(np.arange(len(bounds)), 3.0), atol=2**-32)
    with pytest.raises(ValueError, match="smaller dt"):
        thresholds(1e4)


def driven(size=100, rate=8000.0, weight=40.0):
    return Network(
        (Population("exc", size, lif.NEST_DEFAULT),),
        (Projection("exc", "exc", FixedProbability(0.1), delay=1.5),),
        0.1,
        (PoissonDrive("exc", rate, weight),),
    )


def test_backends_draw_the_same_numbers():
    net = driven()
    weights = connect(net, {"exc->exc": lambda rng, n: rng.uniform(-50, 30, n)}, 0)
    options = {"duration": 150.0, "record": ("exc.spikes",), "seed": 3}
    event, torch = (simulate(net, weights, {}, backend=name, **options) for name in ("event", "torch_dense"))
    assert event.counts.spikes > 500
    assert dataclasses.replace(event.counts, wall_s=0) == dataclasses.replace(torch.counts, wall_s=0)
    np.testing.assert_array_equal(event.spikes["exc"].times, torch.spikes["exc"].times)
    np.testing.assert_array_equal(event.spikes["exc"].units, torch.spikes["exc"].units)
    again = simulate(net, weights, {}, backend="event", **options | {"seed": 4})
    assert not np.array_equal(again.spikes["exc"].times, event.spikes["exc"].times)


@pytest.mark.parametrize("backend", ["event", "torch_dense"])
def test_membrane_under_poisson_drive_obeys_campbells_theorem(backend):
    """A leaky integrator: mean rate w tau, variance rate w^2 tau / 2, in steps of dt.

    Exact for the discrete sum: mean n w / (1 - p), variance n w^2 / (1 - p^2), p = exp(-dt / tau).
    """
    model = vary(leaky_integrator.NORMALISED, source="chosen: a short test", tau_m=10.0)
    net = Network((Population("v", 2000, model),), (), 0.5, (PoissonDrive("v", 1000.0, 0.3),))
    v = np.asarray(simulate(net, {}, {}, duration=150.0, backend=backend, record=("v.v",)).traces["v.v"])
    v = v[200::50, 0]  # 10 time constants in, and one every 2.5 after that
    mean, p = 1000.0 * 0.5 / 1000.0, np.exp(-0.05)
    variance = mean * 0.3**2 / (1 - p**2)
    error = np.sqrt(variance / v.size)
    assert abs(v.mean() - mean * 0.3 / (1 - p)) < 5 * error * 1.2  # neighbours in time correlate by exp(-2.5)
    assert abs(v.var() / variance - 1) < 5 * np.sqrt(2 / v.size) * 1.2


def test_bad_drives_are_refused():
    population = (Population("exc", 5, lif.NEST_DEFAULT),)
    for drives, text in (
        ((PoissonDrive("exc", -1.0, 1.0),), "at least 0 Hz"),
        ((PoissonDrive("inh", 1.0, 1.0),), "unknown population"),
        ((PoissonDrive("exc", 1.0, 1.0, "gaba"),), "unknown receptor"),
        ((PoissonDrive("exc", 1.0, 1.0), PoissonDrive("exc", 2.0, 1.0)), "add their rates up"),
        ((PoissonDrive("exc", float("nan"), 1.0),), "not finite"),
    ):
        with pytest.raises(ValueError, match=text):
            Network(population, (), 0.1, drives)
    with pytest.raises(ValueError, match="Poisson drives"):
        net = driven(5)
        simulate(net, connect(net, {"exc->exc": 0.0}, 0), {}, duration=1.0, backend="brian")
