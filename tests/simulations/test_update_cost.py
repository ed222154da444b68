"""Both ways to let time pass simulate the same networks; each is the cheaper one where it should be."""

import numpy as np
import pytest

from figures.update_cost import costs, crossing
from simulations import update_cost
from simulations.run import run_simulation

pytestmark = pytest.mark.slow  # a short run is among those of test_run_simulation.py
RECIPE = update_cost.Recipe(n_drives=3, repeats=2)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_simulation("update_cost", RECIPE, tmp_path_factory.mktemp("runs")).path


@pytest.fixture(scope="module")
def record(run):
    with np.load(run / "record.npz") as file:
        return dict(file)


def test_all_ways_simulate_the_same_rates(record):
    """The same spikes drive them; a clock shifts times by up to a step, and chaos makes of it different spikes."""
    clock_MK, single_MK, asynchronous_MK = record["rate_MWK"].transpose(1, 0, 2)
    np.testing.assert_allclose(single_MK, clock_MK, rtol=0.02)
    np.testing.assert_allclose(asynchronous_MK, clock_MK, rtol=0.03)
    assert (np.diff(clock_MK, axis=1) > 0).all() and clock_MK.min() < 0.3 and clock_MK.max() > 25


def test_synaptic_events_are_those_of_the_spikes_and_the_drive(record):
    """Each spike crosses the mean number of synapses, to the spread of fan-outs, and each of the drive one."""
    expected = record["rate_MWK"] * RECIPE.inputs + record["drive_K"]
    np.testing.assert_allclose(record["events_MWK"], expected, rtol=0.1)


def test_asynchronous_updating_wins_where_spikes_are_few_and_loses_where_they_are_many(record):
    """By a factor of ten either way on a quiet machine."""
    clock_MK, _, asynchronous_MK = record["wall_s"].transpose(1, 0, 2)
    assert (3 * asynchronous_MK[:, 0] < clock_MK[:, 0]).all()
    assert (asynchronous_MK[:, -1] > 1.5 * clock_MK[:, -1]).all()


def test_costs_are_seconds_per_neuron_and_time(run, record):
    cost_MWK = costs(run)
    timed = record["wall_s"] > 0
    np.testing.assert_allclose(cost_MWK[timed] * 1e-9 * 4000 * 1000, record["wall_s"][timed], rtol=1e-12)
    assert np.isnan(cost_MWK[~timed]).all()


def test_crossing_of_two_lines():
    """A cost of 8 and one of twice the rate meet at 4, between drives as well as on one; some lines do not."""
    for rate_K in (np.array([0.5, 1.0, 3.0, 9.0]), np.array([1.0, 2.0, 4.0, 8.0])):
        assert crossing(rate_K, np.full(4, 8.0), 2 * rate_K) == pytest.approx(4.0, rel=1e-12)
    assert crossing(rate_K, np.full(4, 80.0), 2 * rate_K) is None
    assert crossing(rate_K, np.full(4, np.nan), 2 * rate_K) is None


def test_more_inputs_than_neurons_are_refused():
    with pytest.raises(ValueError, match="600 inputs of 500 neurons"):
        update_cost.simulate(update_cost.Recipe(size=500, inputs=600))
