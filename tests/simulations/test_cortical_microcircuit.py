"""The cortical microcircuit: its numbers are the published ones, scaling keeps the input, and NEST fires alike."""

import dataclasses
import functools

import numpy as np
import pytest
from scipy.stats import truncnorm

from neuro import make_events
from neuro.neurons.lif_exc_inh import POTJANS_DIESMANN_2014
from neuro.record import Counts, Record
from simulations import cortical_microcircuit as column
from simulations.cortical_microcircuit import NEURON, POPULATIONS, Recipe, mean_weights, psc, simulate, synapse_numbers

SMALL = Recipe(scale=0.05)  # 3858 neurons


def place(name):
    """Row (postsynaptic) and column (presynaptic) of a projection in the tables."""
    pre, _, post = name.partition("->")
    return POPULATIONS.index(post), POPULATIONS.index(pre)


@functools.cache
def synapses():
    return column.connections(SMALL, column.network(SMALL))


@functools.cache
def record(scale):
    return simulate(Recipe(scale=scale))


def test_size_and_number_of_synapses_are_the_published_ones():
    """77169 neurons, and 0.3 billion synapses; 55 of the 64 pairs of populations are connected."""
    assert column.SIZES_P.sum() == 77169
    assert synapse_numbers().sum() == pytest.approx(0.3e9, rel=0.005)
    assert len(column.network(SMALL).projections) == 55


def test_neurons_are_those_of_the_named_set():
    for name in ("tau_m", "r_m", "v_rest", "v_th", "v_reset", "t_ref", "i_ext", "source"):
        assert getattr(NEURON, name) == getattr(POTJANS_DIESMANN_2014, name)
    assert NEURON.tau_syn == POTJANS_DIESMANN_2014.tau_exc == POTJANS_DIESMANN_2014.tau_inh


def test_a_spike_makes_the_psp_of_the_paper():
    """The current starts at the weight; the highest step of 0.01 ms lies within 1e-5 of the peak."""
    state, coefficients, highest = NEURON.initial()._replace(i_syn=psc(column.PSP)), NEURON.coefficients(0.01), -np.inf
    for _ in range(500):
        _, state = NEURON.step(state, 0.0, coefficients)
        highest = max(highest, state.v)
    assert highest - NEURON.v_rest == pytest.approx(0.15, rel=1e-5)
    assert psc(column.PSP) == pytest.approx(87.81, abs=0.005)  # pA, as the reference implementation states


@pytest.mark.parametrize("background", ["poisson", "dc"])
@pytest.mark.parametrize(("scale", "k_scale"), [(0.1, None), (0.05, 0.3), (1.0, None)])
def test_scaling_keeps_mean_and_variance_of_the_input(scale, k_scale, background):
    """At the rates of the full network, summed over what the scaled network consists of."""
    recipe = Recipe(scale=scale, k_scale=k_scale, background=background)
    net, weights_JI = column.network(recipe), mean_weights() / np.sqrt(recipe.k)
    mean_P, variance_P = np.array([vars(each.model)["i_ext"] for each in net.populations]), np.zeros(8)
    for (pre, post), multiplicity in column.multiplicities(recipe).items():
        j, i = place(f"{pre}->{post}")
        spikes = multiplicity * net.population(pre).size * column.FULL_RATES_P[i] / 1e3  # a ms
        mean_P[j] += NEURON.tau_syn * weights_JI[j, i] * spikes
        variance_P[j] += weights_JI[j, i] ** 2 * spikes
    for drive in net.drives:
        mean_P[POPULATIONS.index(drive.post)] += NEURON.tau_syn * drive.weight * drive.rate / 1e3
        variance_P[POPULATIONS.index(drive.post)] += drive.weight**2 * drive.rate / 1e3
    spikes_JI = synapse_numbers() / column.SIZES_P[:, None] * column.FULL_RATES_P / 1e3
    outside_P = column.K_EXT_P * column.BACKGROUND_RATE / 1e3
    wanted_P = NEURON.tau_syn * ((mean_weights() * spikes_JI).sum(axis=1) + psc(column.PSP) * outside_P)
    # sizes are whole numbers: 53 of 53.25 neurons; excitation and inhibition nearly cancel, by a factor of 30
    np.testing.assert_allclose(mean_P, wanted_P, atol=1e-9 if scale == 1.0 else 8.0)
    wanted_P = (mean_weights() ** 2 * spikes_JI).sum(axis=1)
    wanted_P += psc(column.PSP) ** 2 * outside_P if background == "poisson" else 0.0
    np.testing.assert_allclose(variance_P, wanted_P, rtol=1e-9 if scale == 1.0 else 0.005)


def test_nothing_is_compensated_in_the_full_network():
    np.testing.assert_array_equal(column.direct_current(1.0, "poisson"), 0.0)
    expected_P = NEURON.tau_syn * psc(column.PSP) * column.K_EXT_P * column.BACKGROUND_RATE / 1e3
    np.testing.assert_allclose(column.direct_current(1.0, "dc"), expected_P, rtol=1e-12)


def multiplicity(name, drawn):
    """How many synapses of the paper each is: its weight is their sum, with a standard deviation of 10 % each."""
    return np.rint(drawn.weights / (mean_weights()[place(name)] / np.sqrt(SMALL.k)))


def test_number_of_synapses_is_that_of_the_paper():
    """Each projection within 4.5 standard deviations of a Poisson number; 4 of 10000 draws of all 55 exceed them."""
    expected_JI = synapse_numbers() * SMALL.scale * SMALL.k
    for name, drawn in synapses().items():
        expected = expected_JI[place(name)]
        assert abs(multiplicity(name, drawn).sum() - expected) <= 4.5 * np.sqrt(expected), name


def test_in_degrees_are_as_spread_as_those_of_pairs_drawn_with_replacement():
    """Binomial in-degrees have a variance of their mean, which over n neurons has a standard error of sqrt(2 / n)."""
    for name in ("L23E->L23E", "L4I->L4E", "L6I->L6E"):
        drawn = synapses()[name]
        size = column.network(SMALL).population(name.partition("->")[2]).size
        degrees = np.bincount(drawn.targets, multiplicity(name, drawn), size)
        assert degrees.var() / degrees.mean() == pytest.approx(1.0, abs=4.5 * np.sqrt(2 / size)), name


def test_weights_and_delays_have_their_distributions():
    for name, drawn in synapses().items():
        mean = mean_weights()[place(name)] / np.sqrt(SMALL.k)
        single = drawn.weights[multiplicity(name, drawn) == 1] / mean
        if len(single) < 1000:
            continue
        # standard errors: 0.1 / sqrt(n) of the mean and 1 / sqrt(2 n) of the deviation
        assert single.mean() == pytest.approx(1.0, abs=5 * column.WEIGHT_SD / np.sqrt(len(single))), name
        assert single.std() == pytest.approx(column.WEIGHT_SD, rel=5 / np.sqrt(2 * len(single))), name
        delay = column.DELAYS[name.partition("->")[0][-1]]
        least = (0.5 * SMALL.dt / delay - 1.0) / column.DELAY_SD
        edges = (np.arange(1, 60) + 0.5) * SMALL.dt  # of the steps to which delays are rounded
        expected = truncnorm.cdf(edges, least, np.inf, loc=delay, scale=column.DELAY_SD * delay)
        delays = np.sort(np.asarray(drawn.delays))
        found = np.searchsorted(delays, np.arange(2, 61)) / len(delays)
        assert delays[0] == 1
        assert np.abs(found - expected).max() < 2.5 / np.sqrt(len(delays)), name  # Kolmogorov: once in 1e5


@pytest.mark.slow
def test_rates_approach_the_published_ones_as_the_network_grows():
    """Few and strong inputs are no white noise: at scale 0.05 neurons fire a third less, in NEST too (see below)."""
    distances = [np.abs(record(scale)["rate_P"] / column.FULL_RATES_P - 1.0).mean() for scale in (0.02, 0.05, 0.1)]
    assert distances[0] > distances[1] > distances[2]
    assert distances[2] < 0.25
    rate_P = record(0.1)["rate_P"]
    assert (rate_P > 0.4 * column.FULL_RATES_P).all() and (rate_P < 1.05 * column.FULL_RATES_P).all()
    assert (rate_P[1::2] > rate_P[::2]).all()  # in each layer inhibitory neurons fire more, as in the paper
    assert set(np.argsort(rate_P[::2])[:2]) == {0, 3}  # and layers 2/3 and 6 least


@pytest.mark.slow
def test_firing_is_irregular_and_asynchronous():
    """As in the full network, but for few intervals (3 s), which make CV too low, and for inputs in common."""
    found = simulate(Recipe(duration=3500.0))
    frequent_P = found["rate_P"] > 3.0
    cv_P, synchrony_P = found["cv_P"] / found["published_cv_P"], found["synchrony_P"] / found["published_synchrony_P"]
    assert (cv_P[frequent_P] > 0.8).all() and (cv_P < 1.02).all()
    assert (synchrony_P > 0.8).all() and (synchrony_P < 2.5).all()


@pytest.mark.slow
def test_without_noise_from_outside_neurons_fire_together_or_not_at_all():
    with_noise, without = (simulate(Recipe(scale=0.2, background=name)) for name in ("poisson", "dc"))
    assert (without["synchrony_P"] > with_noise["synchrony_P"]).all()
    silenced = simulate(Recipe(background="dc"))
    reaches_threshold_P = NEURON.r_m * silenced["current_P"] > NEURON.v_th - NEURON.v_rest
    np.testing.assert_array_equal(silenced["rate_P"] > 0.0, reaches_threshold_P)
    assert 0 < np.count_nonzero(reaches_threshold_P) < 8


def test_record_fits_together():
    found = record(0.1)
    assert found["sizes_P"].sum() == 7717 and found["drawn_P"].sum() == pytest.approx(column.N_DRAWN, abs=4)
    # the last bin is cut off: 1 ms of 1000
    np.testing.assert_allclose(found["rate_PK"].mean(axis=1), found["rate_P"], rtol=0.02)
    assert found["raster_times"].min() >= 500.0 and found["raster_units"].max() < found["drawn_P"].sum()
    drawn = float(found["drawn_P"] @ found["rate_P"])  # spikes in one second
    # rates of single neurons vary about as much as their counts do
    assert len(found["raster_times"]) == pytest.approx(drawn, abs=6 * np.sqrt(drawn))
    assert found["wall_s"] > 0.0 and found["synaptic_events"] > 300 * found["spikes"]


def test_threads_do_not_change_the_result():
    recipe = Recipe(scale=0.02, duration=300.0, settle=100.0)
    one, two = simulate(recipe), simulate(dataclasses.replace(recipe, threads=2))
    for name in one.keys() - {"wall_s"}:
        np.testing.assert_array_equal(one[name], two[name])


def test_recipes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="too short"):
        column.models(Recipe(duration=500.0))


def run_nest(nest, recipe):
    """The same network built and run by NEST, measured alike."""
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    nest.set(resolution=recipe.dt, rng_seed=recipe.seed + 1, local_num_threads=1)
    current_P, weights_JI = column.direct_current(recipe.k, recipe.background), mean_weights() / np.sqrt(recipe.k)
    numbers_JI = np.rint(synapse_numbers() * recipe.scale * recipe.k).astype(int)
    cells, recorders = [], []
    for p in range(8):
        parameters = {"C_m": 250.0, "tau_m": 10.0, "tau_syn_ex": 0.5, "tau_syn_in": 0.5, "t_ref": 2.0, "E_L": -65.0,
                      "V_reset": -65.0, "V_th": -50.0, "I_e": float(current_P[p])}  # fmt: skip
        cells.append(nest.Create("iaf_psc_exp", round(column.SIZES_P[p] * recipe.scale), parameters))
        cells[p].V_m = nest.random.normal(float(column.V_MEAN_P[p]), float(column.V_SD_P[p]))
        outside = nest.Create(
            "poisson_generator", params={"rate": float(column.K_EXT_P[p] * recipe.k * column.BACKGROUND_RATE)}
        )
        nest.Connect(outside, cells[p], syn_spec={"weight": psc(column.PSP) / np.sqrt(recipe.k), "delay": 1.5})
        recorders.append(nest.Create("spike_recorder"))
        nest.Connect(cells[p], recorders[p])
    for j, i in np.argwhere(numbers_JI > 0):
        weight, delay = float(weights_JI[j, i]), column.DELAYS[POPULATIONS[i][-1]]
        drawn = nest.math.redraw(nest.random.normal(delay, column.DELAY_SD * delay), 0.5 * recipe.dt, np.inf)
        total = {"rule": "fixed_total_number", "N": int(numbers_JI[j, i])}
        own = {"weight": nest.random.normal(weight, column.WEIGHT_SD * abs(weight)), "delay": drawn}
        nest.Connect(cells[i], cells[j], total, own)
    nest.Simulate(recipe.duration)
    found = [recorder.events for recorder in recorders]
    spikes = {
        name: make_events(events["times"] - recipe.dt, events["senders"] - cell[0].global_id)
        for name, events, cell in zip(POPULATIONS, found, cells, strict=True)
    }
    return column.measure(recipe, Record(spikes, {}, {}, Counts()))


@pytest.mark.slow
def test_nest_fires_alike():
    """Rates, CV and synchrony of three networks in NEST and ten here, within 4 standard errors of their difference."""
    nest = pytest.importorskip("nest", reason="nest-simulator is not installed (extra: dev)")
    recipe = Recipe(scale=0.05, duration=2500.0)
    ours = [simulate(dataclasses.replace(recipe, seed=seed)) for seed in range(10)]
    theirs = [run_nest(nest, dataclasses.replace(recipe, seed=seed)) for seed in range(3)]
    for name in ("rate_P", "rate_sd_P", "cv_P", "synchrony_P"):
        ours_P, theirs_P = (np.mean([run[name] for run in runs], axis=0) for runs in (ours, theirs))
        error_P = np.std([run[name] for run in ours], axis=0, ddof=1) * np.sqrt(1 / 10 + 1 / 3)
        assert (np.abs(ours_P - theirs_P) <= 4 * error_P).all(), (name, ours_P, theirs_P, error_P)
