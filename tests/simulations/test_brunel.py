"""The four regimes of Brunel's network are told apart by numbers, and the mean field is the paper's."""

import dataclasses

import numpy as np
import pytest

from neuro import Network, PoissonDrive, Population
from neuro import simulate as run_network
from neuro import spike_statistics as statistics
from simulations.brunel import DELAY, NEURON, REGIMES, Recipe, mean_field, models, noise_cv, siegert, simulate

RECIPE = Recipe(scale=0.4)  # 5000 neurons


def of(record, regime):
    """The numbers of a regime."""
    r = list(record["regimes_R"]).index(regime)
    return {name.removesuffix("_R"): record[name][r] for name in record if name.endswith("_R")}


@pytest.fixture(scope="module")
def record():
    return simulate(RECIPE)


@pytest.mark.parametrize("regime", ["SI_fast", "AI", "SI_slow"])
def test_mean_field_gives_the_published_rates_of_the_theory(regime):
    g, eta, _, published, _ = REGIMES[regime]
    rate, _ = mean_field(g, eta, 1000, 0.1)
    assert abs(rate - published) <= 0.06  # published with one digit after the point, 38.0 of 37.95


def test_mean_field_holds_for_neurons_without_connections():
    """Only the drive: mu = J tau R and sigma^2 = J^2 tau R. dt, and that J is finite, make 2 % of difference."""
    j, mu, size, duration = 0.1, 19.0, 40, 30000.0  # 290 intervals a neuron: a CV too low by 0.3 %
    rate = mu / (j * NEURON.tau_m)
    drive = PoissonDrive("cell", 1e3 * rate, j)
    net = Network((Population("cell", size, NEURON),), (), 0.1, (drive,))
    spikes = run_network(net, {}, {}, duration=duration, record=("cell.spikes",)).spikes["cell"]
    cut = statistics.window(spikes, 200.0, duration)
    nu = siegert(mu, np.sqrt(j * mu))
    assert statistics.mean_rate(cut, size, duration - 200.0) == pytest.approx(1e3 * nu, rel=0.04)
    assert statistics.interval_cv(cut, size) == pytest.approx(noise_cv(nu, mu, np.sqrt(j * mu)), rel=0.04)


def test_synchronous_regular(record):
    numbers = of(record, "SR")
    assert numbers["cv"] < 0.05 and numbers["rate"] > 250.0
    assert numbers["correlation"] > 0.2
    # volleys of one part of the neurons follow those of the other a delay later
    assert numbers["peak_hz"] == pytest.approx(1e3 / DELAY, rel=0.01)


def test_fast_oscillation_of_irregular_neurons(record):
    numbers = of(record, "SI_fast")
    assert numbers["cv"] > 0.8
    assert 140.0 < numbers["peak_hz"] < 220.0  # published: 180
    assert numbers["rate"] < 0.5 * numbers["peak_hz"]
    assert 1.15 * of(record, "AI")["correlation"] < numbers["correlation"] < 0.2


def test_asynchronous_irregular(record):
    numbers = of(record, "AI")
    assert 0.5 < numbers["cv"] < 1.0
    assert numbers["rate"] == pytest.approx(numbers["theory_rate"], rel=0.08)  # full scale: 0.03
    others = [of(record, name) for name in ("SR", "SI_fast", "SI_slow")]
    assert all(numbers["correlation"] < other["correlation"] for other in others)
    assert all(numbers["peak_strength"] < 0.75 * other["peak_strength"] for other in others)


def test_slow_oscillation_at_low_rates(record):
    numbers = of(record, "SI_slow")
    assert numbers["rate"] < 0.7 * numbers["peak_hz"] < 35.0
    assert numbers["cv"] > 0.4
    assert numbers["rate"] < 0.5 * of(record, "AI")["rate"]


def test_record_fits_together(record):
    np.testing.assert_allclose(record["rate_RK"].mean(axis=1), record["rate_R"], rtol=1e-12)
    assert record["spectrum_RF"].shape == (4, len(record["frequencies_F"]))
    assert record["raster_times"].min() >= RECIPE.settle and record["raster_units"].max() < 50
    # 50 neurons of a homogeneous network fire like all: within 4 standard errors of independent Poisson counts
    drawn_R = np.bincount(record["raster_regimes"], minlength=4)
    expected_R = record["rate_R"] * 50
    assert (np.abs(drawn_R - expected_R) < 4 * np.sqrt(expected_R)).all()


def test_a_regime_alone_is_the_same_as_beside_others():
    recipe = Recipe(scale=0.1, duration=700.0, regimes=("AI", "SI_slow"))
    both, alone = simulate(recipe), simulate(dataclasses.replace(recipe, regimes=("SI_slow",)))
    for name in ("rate_R", "cv_R", "correlation_R", "rate_RK"):
        np.testing.assert_array_equal(both[name][1:], alone[name])


@pytest.mark.parametrize(
    ("change", "words"),
    [({"regimes": ("IA",)}, "AI"), ({"regimes": ()}, "at least one"), ({"duration": 600.0}, "too short")],
)
def test_recipes_that_do_not_fit_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        models(dataclasses.replace(RECIPE, **change))


@pytest.mark.slow
def test_full_scale_agrees_with_the_paper():
    record = simulate(Recipe(duration=2200.0))
    numbers = {name: of(record, name) for name in REGIMES}
    for name in ("SI_fast", "AI", "SI_slow"):  # one network and two seconds: the mean of slow bursts varies most
        rel = 0.15 if name == "SI_slow" else 0.05
        assert numbers[name]["rate"] == pytest.approx(numbers[name]["published_rate"], rel=rel)
    assert numbers["AI"]["rate"] == pytest.approx(numbers["AI"]["theory_rate"], rel=0.03)
    for name in ("SI_fast", "SI_slow"):
        # its own width decides where in it the largest power of a few segments lies
        assert numbers[name]["peak_hz"] == pytest.approx(numbers[name]["published_peak"], rel=0.2)
    assert numbers["SR"]["cv"] < 0.02 and numbers["SI_fast"]["cv"] > 0.7
    assert 0.3 < numbers["AI"]["cv"] < numbers["SI_fast"]["cv"]
    assert numbers["AI"]["peak_strength"] < 0.2 * numbers["SI_fast"]["peak_strength"]
    assert numbers["AI"]["correlation"] < 0.5 * numbers["SI_fast"]["correlation"]
