"""Additive STDP makes weights bimodal and firing irregular, and regulates its rate; all as in an event loop."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from numba import njit

from neuro import simulate as run_network
from neuro import vary
from simulations.song_abbott import A_RATIO, G_MAX, N_EXC, NEURON, RULE, Recipe, balance, models, network, simulate

pytestmark = pytest.mark.slow  # minutes of simulated time; a short run is among those of test_run_simulation.py

# Steps twice as large as published, from half of g_max: the competition takes a fourth of the time.
RECIPE = Recipe(rates=(20.0, 40.0), duration=200000.0, every=10000.0, a_plus=0.01, w_start=0.5)


@pytest.fixture(scope="module")
def record():
    return simulate(RECIPE)


@njit
def event_loop(rate, n_steps, a_plus, a_minus, w_start, seed):
    """The publication in other words: all in units of the leak, traces brought up to date when they are read, and
    the number of input spikes in a step drawn before which ones they are. Spikes of the last half (ms), weights.
    """
    np.random.seed(seed)
    dt, tau, tau_syn = 0.1, 20.0, 5.0
    w, x, last = np.full(1000, w_start), np.zeros(1000), np.zeros(1000)
    y, last_out, v, g_exc, g_inh = 0.0, 0.0, -70.0, 0.0, 0.0
    spikes = []
    for step in range(n_steps):
        t = step * dt
        g = 1.0 + g_exc + g_inh
        rest = -70.0 * (1.0 + g_inh) / g
        v = rest + (v - rest) * math.exp(-g * dt / 20.0)
        g_exc *= math.exp(-dt / tau_syn)
        g_inh *= math.exp(-dt / tau_syn)
        for _ in range(np.random.poisson(1000 * rate * dt / 1e3)):
            i = np.random.randint(1000)
            g_exc += 0.015 * w[i]
            x[i] = 1.0 + x[i] * math.exp((last[i] - t) / tau)
            last[i] = t
            w[i] = max(0.0, w[i] - a_minus * y * math.exp((last_out - t) / tau))
        g_inh += 0.05 * np.random.poisson(200 * 10.0 * dt / 1e3)
        if v >= -54.0:
            v = -60.0
            y = 1.0 + y * math.exp((last_out - t) / tau)
            last_out = t
            w = np.minimum(1.0, w + a_plus * x * np.exp((last - t) / tau))
            if step >= n_steps // 2:
                spikes.append(t)
    return np.array(spikes), w


def test_weights_stay_within_bounds_and_reach_both(record):
    weights_RMI = record["weights_RMI"]
    np.testing.assert_array_equal(weights_RMI[:, 0], 0.5)
    assert weights_RMI.min() == 0.0 and weights_RMI.max() <= 1.0 + 1e-6  # float32 of a quotient
    assert (weights_RMI[:, -1].max(axis=1) > 0.98).all()


def test_the_distribution_of_weights_is_bimodal(record):
    """Of ten bins the outer ones have more synapses than those beside the strong one, three standard deviations."""
    for weights_I in record["weights_RMI"][:, -1]:
        counts = np.histogram(weights_I, 10, (0.0, 1.0))[0]
        beside = counts[6:9].mean()
        assert counts[-1] - beside > 3.0 * np.sqrt(beside / 3.0)
        assert counts[0] - beside > 3.0 * np.sqrt(beside / 3.0)
    assert record["weak_R"][1] > record["weak_R"][0]  # faster inputs: fewer strong synapses are enough
    assert record["strong_R"][1] < record["strong_R"][0]


def test_the_rate_of_the_output_is_regulated(record):
    """Inputs twice as fast; without plasticity the output is ten times as fast."""
    regulated, frozen = (record[name][1] / record[name][0] for name in ("output_R", "frozen_R"))
    assert regulated < 2.0 < 5.0 < frozen


def test_firing_becomes_irregular_as_excitation_falls_until_inhibition_balances_it(record):
    assert (record["balance_RM"][:, 0] < 0.75).all()
    assert (record["cv_RK"][0, 0] < 0.7) and (record["cv_R"] > 0.65).all()
    assert (np.abs(record["balance_R"] - 1.03) < 0.08).all()


def test_an_event_loop_gives_the_same(record):
    """The mean of 3 runs of it, and ours within 4 standard deviations of one run, as 8 runs gave them."""
    deviations = {"output_R": 0.9, "cv_R": 0.018, "weak_R": 0.012, "strong_R": 0.005}
    a_minus = 0.0105 * math.exp(0.1 / 20.0)
    for r, rate in enumerate(RECIPE.rates):
        loops = [event_loop(rate, 2000000, 0.01, a_minus, 0.5, seed) for seed in range(3)]
        found = {
            "output_R": [len(spikes) / 100.0 for spikes, _ in loops],
            "cv_R": [np.diff(spikes).std() / np.diff(spikes).mean() for spikes, _ in loops],
            "weak_R": [np.mean(w < 0.2) for _, w in loops],
            "strong_R": [np.mean(w > 0.8) for _, w in loops],
        }
        for name, deviation in deviations.items():
            assert record[name][r] == pytest.approx(np.mean(found[name]), abs=4.0 * deviation), name


def without_balance(a_ratio):
    return simulate(Recipe(rates=(20.0,), duration=40000.0, every=5000.0, a_plus=0.02, a_ratio=a_ratio, w_start=0.4))


def test_where_potentiation_outweighs_depression_all_synapses_become_strong():
    record = without_balance(0.2)
    assert record["strong_R"][0] > 0.99
    assert record["output_R"][0] > 300.0 and record["cv_R"][0] < 0.15


def test_where_depression_is_much_stronger_the_neuron_falls_silent():
    record = without_balance(2.0)
    assert record["output_RK"][0, 0] > 1.0 and record["output_R"][0] < 0.2
    assert record["balance_RM"][0, -1] > 1.15


def test_balance_is_that_of_the_currents_of_a_neuron_that_does_not_fire():
    """The mean conductance of 100000 excitatory spikes varies by 0.3 %, that of 20000 inhibitory ones by 0.7 %."""
    silent = vary(NEURON, source="chosen: no threshold", v_th=1000.0)
    weights = np.full((1, N_EXC), 0.5 * G_MAX)
    record = run_network(
        network(RECIPE, 10.0, silent), {"exc->out": weights}, {}, duration=10000.0, record=("out.g_exc", "out.g_inh")
    )
    g_exc, g_inh = (np.asarray(record.traces[f"out.{name}"])[1000:].mean() for name in ("g_exc", "g_inh"))
    outward = NEURON.g_leak * 16.0 + g_inh * 16.0  # mV from rest, and from e_inh, to the threshold
    assert balance(weights.sum(axis=1), 10.0)[0] == pytest.approx(outward / (g_exc * 54.0), rel=0.02)


def test_pairs_of_one_step_do_not_shift_the_ratio_of_depression_to_potentiation():
    """Summed over whole steps, with pairs of one step causal."""
    for dt in (0.1, 0.5):
        rule: Any = network(dataclasses.replace(RECIPE, dt=dt), 10.0, NEURON).projections[0].rule
        steps = np.arange(round(400.0 / dt)) * dt
        up, down = (np.exp(-times / 20.0).sum() for times in (steps, steps[1:]))
        assert rule.a_minus * down / (rule.a_plus * up) == pytest.approx(1.05, rel=1e-6)


def test_parameters_in_units_of_the_leak():
    assert G_MAX / NEURON.g_leak == pytest.approx(0.015)
    assert NEURON.c_m / NEURON.g_leak == pytest.approx(20.0)
    assert RULE.w_max == G_MAX and A_RATIO == pytest.approx(1.05)


@pytest.mark.parametrize(
    ("change", "words"), [({"duration": 30000.0}, "even multiple"), ({"rates": ()}, "at least one")]
)
def test_recipes_that_do_not_fit_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        models(dataclasses.replace(RECIPE, **change))


def test_published_numbers_are_given_for_the_published_parameters_alone(record):
    assert np.isnan(record["published_output_R"]).all()  # a_plus is another one
    short = simulate(Recipe(rates=(10.0, 12.0), duration=1000.0, every=500.0))
    assert short["published_cv_R"][0] == 0.89 and np.isnan(short["published_cv_R"][1])


@pytest.mark.slow
def test_published_parameters_give_the_published_figure():
    record = simulate(Recipe())
    of_paper = {name: record[f"published_{name}_R"] for name in ("output", "cv", "balance", "strong")}
    np.testing.assert_allclose(record["output_R"], of_paper["output"], atol=4.0)  # Hz; ours is 2 Hz faster at 10 Hz
    np.testing.assert_allclose(record["cv_R"], of_paper["cv"], atol=0.07)
    np.testing.assert_allclose(record["balance_R"], of_paper["balance"], atol=0.12)
    np.testing.assert_allclose(record["strong_R"], of_paper["strong"], atol=0.06)
    per_5_hz = 5.0 * (record["output_R"][-1] - record["output_R"][0]) / 30.0
    assert 0.3 < per_5_hz < 1.5  # the paper: about 1
    assert 5.0 * (record["frozen_R"][1] - record["frozen_R"][0]) / 10.0 > 90.0  # the paper: over 100
    assert (record["weak_R"] + record["strong_R"] > 0.85).all()
