"""The window measured through a backend equals the closed form of pair STDP."""

import dataclasses

import numpy as np
import pytest

from simulations.stdp_window import Recipe, simulate

COARSE = Recipe(spacing=10.0)

# Rounding: traces decay by at most 1300 products of p = exp(-dt / tau), each wrong by 1e-16 of itself.
ROUNDING = 1e-9


@pytest.mark.parametrize("backend", ["event", "torch_dense"])
def test_window_equals_the_closed_form(backend):
    record = simulate(dataclasses.replace(COARSE, backend=backend))
    for s, softness in enumerate(record["softness_S"]):
        for k, w in enumerate(record["w_start_W"]):
            for d, difference in enumerate(record["differences_D"]):
                if difference >= 0:
                    expected = 0.005 * np.exp(-difference / 20.0) * (1.0 - softness * w)
                else:
                    expected = -0.00525 * np.exp(difference / 20.0) * (1.0 - softness + softness * w)
                assert abs(record["change_SWD"][s, k, d] - expected) < ROUNDING
    assert record["max_deviation"] < ROUNDING
    assert (record["fired_SWD"] == 1).all()


def test_full_window_is_within_rounding():
    record = simulate(Recipe())
    assert record["change_SWD"].shape == (3, 5, 61)
    assert record["max_deviation"] < ROUNDING
    causal = record["differences_D"] >= 0
    assert (record["change_SWD"][..., causal] > 0).all() and (record["change_SWD"][..., ~causal] < 0).all()


def test_a_pair_within_one_step_counts_as_causal():
    record = simulate(COARSE)
    coincident = record["change_SWD"][0, :, record["differences_D"] == 0.0]
    np.testing.assert_allclose(coincident, 0.005, rtol=0, atol=ROUNDING)


def test_additive_rule_ignores_the_weight_and_the_multiplicative_one_is_proportional_to_it():
    record = simulate(COARSE)
    additive, multiplicative = record["change_SWD"][0], record["change_SWD"][2]
    assert np.ptp(additive, axis=0).max() < ROUNDING
    w = record["w_start_W"][:, None]
    causal = record["differences_D"] >= 0
    assert np.ptp(multiplicative[:, ~causal] / w, axis=0).max() < ROUNDING
    assert np.ptp(multiplicative[:, causal] / (1.0 - w), axis=0).max() < ROUNDING


def test_weights_stay_within_their_bounds():
    record = simulate(dataclasses.replace(COARSE, softness=(0.0,), w_start=(0.0, 0.001, 0.999, 1.0)))
    w_end = record["w_start_W"][:, None] + record["change_SWD"][0]
    assert w_end.min() == 0.0 and w_end.max() == 1.0
    assert record["max_deviation"] < ROUNDING


@pytest.mark.parametrize("backend", ["event", "torch_dense"])
def test_same_recipe_same_bits(backend):
    recipe = dataclasses.replace(COARSE, backend=backend, softness=(0.5,))
    first, second = simulate(recipe), simulate(recipe)
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"duration": 100.0}, "too short"),
        ({"spacing": 0.25}, "spacing"),
        ({"span": 55.0}, "span"),
        ({"softness": ()}, "at least one"),
    ],
)
def test_recipes_that_do_not_fit_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        simulate(dataclasses.replace(COARSE, **change))
