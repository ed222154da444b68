"""The measured f-I curve lies within one step of its closed form, and on the grid of steps exactly."""

import dataclasses

import numpy as np
import pytest

from neuro.neurons import lif
from simulations.lif_fi_curve import Recipe, simulate


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(),
        Recipe(dt=0.5, t_ref=0.0, n_currents=101),
        Recipe(dt=0.25, t_ref=5.0, n_currents=101, duration=500.0),
        Recipe(backend="torch_dense", n_currents=101, duration=200.0),
    ],
)
def test_intervals_are_within_one_step_of_the_closed_form(recipe):
    record = simulate(recipe)
    drive = lif.NEST_DEFAULT.r_m * record["i_ext_N"]
    above = drive > 15.0  # mV from rest to threshold
    rise = 10.0 * np.log(drive[above] / (drive[above] - 15.0))  # tau_m = 10 ms
    closed = recipe.t_ref + recipe.dt + rise
    np.testing.assert_allclose(record["closed_interval_N"][above], closed, rtol=1e-12)  # rounding
    shorter = closed - record["interval_MN"][:, above]
    assert (shorter > -1e-9).all() and (shorter < recipe.dt).all()  # times of spikes are sums of rounded steps
    assert (record["max_deviation_M"] < recipe.dt).all()
    assert (record["max_grid_deviation_M"] < 1e-9).all()
    assert np.nanmax(record["interval_spread_MN"]) < 1e-9  # all intervals of a neuron are equal
    np.testing.assert_allclose(record["rate_MN"][:, above], 1e3 / record["interval_MN"][:, above], rtol=1e-12)


def test_neurons_below_rheobase_are_silent_and_rates_rise_above():
    record = simulate(Recipe())
    rheobase = 15.0 / 0.04
    silent = record["i_ext_N"] <= rheobase  # at rheobase itself v approaches the threshold and never reaches it
    assert (record["rate_MN"][:, silent] == 0.0).all() and (record["closed_rate_N"][silent] == 0.0).all()
    assert (record["rate_MN"][:, ~silent] > 0.0).all()
    assert (np.diff(record["rate_MN"], axis=1) >= -1e-9).all()


def test_both_synapse_models_have_the_same_membrane():
    record = simulate(Recipe(n_currents=101))
    np.testing.assert_array_equal(record["interval_MN"][0], record["interval_MN"][1])


def test_refractory_period_is_added_to_every_interval():
    short, long = (simulate(Recipe(n_currents=51, t_ref=t_ref)) for t_ref in (2.0, 6.0))
    fires = np.isfinite(short["interval_MN"])
    longer = long["interval_MN"][fires] - short["interval_MN"][fires]
    np.testing.assert_allclose(longer, 4.0, atol=1e-9)  # spike times are rounded sums


def test_deviation_shrinks_with_the_step():
    deviations = [simulate(Recipe(dt=dt, n_currents=101))["max_deviation_M"].max() for dt in (0.4, 0.1, 0.025)]
    assert deviations[0] > 2.0 * deviations[1] > 4.0 * deviations[2]


def test_same_recipe_same_bits_on_both_backends():
    recipe = Recipe(n_currents=51, duration=200.0)
    first, second = simulate(recipe), simulate(recipe)
    other = simulate(dataclasses.replace(recipe, backend="torch_dense"))
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
        np.testing.assert_array_equal(first[name], other[name])


def test_currents_that_are_all_too_weak_are_refused():
    with pytest.raises(ValueError, match="larger i_max"):
        simulate(Recipe(i_max=300.0, n_currents=11, duration=50.0))
