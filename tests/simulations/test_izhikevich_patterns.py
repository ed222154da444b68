"""Each cell type fires in its own pattern: the record shows what the paper says of it."""

import dataclasses

import numpy as np
import pytest

from neuro import Network, Population, vary
from neuro import simulate as run_network
from neuro.neurons import izhikevich
from simulations.izhikevich_patterns import CELLS, Recipe, simulate

RECIPE = Recipe()


@pytest.fixture(scope="module")
def record():
    return simulate(RECIPE)


def spike_times(record, label):
    (cell,) = [n for n, name in enumerate(record["labels_N"]) if label in name]
    return record["spike_times"][record["spike_units"] == cell]


def trace(record, name, label):
    (cell,) = [n for n, found in enumerate(record["labels_N"]) if label in found]
    return record[name][:, cell]


def between(record, start, stop):
    return (record["times_T"] > start) & (record["times_T"] <= stop)


def test_every_cell_rests_until_the_current_changes(record):
    silent = between(record, 0.0, RECIPE.onset)
    # the fixed point of the equations is one of Euler's method too, to rounding of v (1e-14 mV a step, 500 steps)
    assert np.ptp(record["v_TN"][silent], axis=0).max() < 1e-9
    assert record["spike_times"].min() >= RECIPE.onset


def test_current_is_switched_at_its_times(record):
    times = record["times_T"]
    for label, steps in (
        ("RS", {60.0: 10.0}),
        ("released", {40.0: -36.0, 60.0: 0.0}),
        ("RZ", {140.0: 0.2, 151.0: 5.2}),
    ):
        for time, current in steps.items():
            assert trace(record, "i_ext_TN", label)[np.argmin(np.abs(times - time))] == current
    pulse = trace(record, "i_ext_TN", "RZ") > 1.0
    assert np.count_nonzero(pulse) * RECIPE.dt == pytest.approx(RECIPE.pulse_length)


def test_regular_spiking_adapts(record):
    intervals = np.diff(spike_times(record, "RS"))
    assert intervals[-1] > 2.0 * intervals[0]
    assert np.ptp(intervals[-3:]) <= 2.0 * RECIPE.dt  # settled, to the step


def test_fast_spiking_is_fast_and_hardly_adapts(record):
    fast, regular = np.diff(spike_times(record, "FS")), np.diff(spike_times(record, "RS"))
    assert fast[-1] < 0.25 * regular[-1]
    assert np.ptp(fast[3:]) < 0.1 * fast[-1]


def test_intrinsically_bursting_fires_one_burst_and_then_single_spikes(record):
    intervals = np.diff(spike_times(record, "IB"))
    assert (intervals[:2] < 5.0).all()
    assert (intervals[2:] > 20.0).all()


def test_chattering_fires_bursts_again_and_again(record):
    intervals = np.diff(spike_times(record, "CH"))
    pauses = np.flatnonzero(intervals > 30.0)
    assert len(pauses) >= 3
    bursts = np.diff([-1, *pauses, len(intervals)])
    assert (bursts >= 4).all()  # spikes of each burst
    assert (np.delete(intervals, pauses) < 8.0).all()


def test_low_threshold_spiking_is_fast_and_adapts(record):
    intervals = np.diff(spike_times(record, "LTS"))
    assert intervals[0] < 5.0 and intervals[-1] > 3.0 * intervals[0]
    assert intervals[-1] < 0.5 * np.diff(spike_times(record, "RS"))[-1]


def test_low_threshold_spiking_has_a_lower_threshold_than_fast_spiking():
    """A current that makes LTS fire and leaves RS, IB, CH and FS silent."""
    times = simulate(dataclasses.replace(RECIPE, i_step=2.0))
    assert len(spike_times(times, "LTS")) >= 3
    for label in ("RS", "IB", "CH", "FS"):
        assert len(spike_times(times, label)) == 0


def test_thalamo_cortical_fires_on_from_rest_and_one_burst_from_hyperpolarisation(record):
    tonic, rebound = spike_times(record, "from rest"), spike_times(record, "released")
    assert tonic[-1] > RECIPE.duration - 30.0
    assert trace(record, "v_TN", "released")[between(record, 40.0, 50.0)].max() < -85.0
    assert len(rebound) >= 4 and rebound[-1] < RECIPE.onset + 60.0
    assert np.diff(rebound)[0] < 0.5 * np.diff(tonic)[0]
    assert trace(record, "i_ext_TN", "released")[between(record, 50.0, 300.0)].max() == 0.0  # no current drives it


def test_resonator_oscillates_below_threshold_and_a_pulse_switches_it_to_firing(record):
    times = spike_times(record, "RZ")
    assert times[0] >= RECIPE.pulse_at and len(times) >= 3
    v = trace(record, "v_TN", "RZ")[between(record, RECIPE.onset, RECIPE.pulse_at)]
    turns = np.count_nonzero(np.diff(np.sign(np.diff(v))))
    assert turns >= 3 and 1.0 < np.ptp(v) < 10.0
    unpulsed = simulate(dataclasses.replace(RECIPE, i_pulse=0.0))
    assert len(spike_times(unpulsed, "RZ")) == 0


def test_spikes_and_traces_agree(record):
    step = np.rint(record["spike_times"] / RECIPE.dt).astype(int)
    c = np.array([cell.c for _, cell in CELLS])
    np.testing.assert_array_equal(record["v_TN"][step, record["spike_units"]], c[record["spike_units"]])
    assert record["v_TN"].max() < record["v_peak"]


def test_phases_join_without_a_seam(record):
    """RS, whose current does not change after onset, equals one simulation from there."""
    rest = (record["v_TN"][499, 0], record["u_TN"][499, 0])
    model = vary(izhikevich.REGULAR_SPIKING, source="chosen: the recipe's step", i_ext=RECIPE.i_step)
    net = Network((Population("cell", 1, model),), (), dt=RECIPE.dt)
    initial = {"cell.v": rest[0], "cell.u": rest[1]}
    whole = run_network(net, {}, {}, duration=250.0, record=("cell.v",), initial=initial)
    np.testing.assert_array_equal(whole.traces["cell.v"][:, 0, 0], record["v_TN"][500:, 0])


@pytest.mark.parametrize("backend", ["event", "torch_dense"])
def test_same_recipe_same_bits_on_each_backend(record, backend):
    short = dataclasses.replace(RECIPE, duration=80.0, pulse_at=60.0, backend=backend)
    first, second = simulate(short), simulate(short)
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    until = len(first["times_T"][first["times_T"] <= 60.0])
    np.testing.assert_array_equal(first["v_TN"][:until], record["v_TN"][:until])


def test_phases_out_of_order_are_refused():
    with pytest.raises(ValueError, match="later than the one before"):
        simulate(dataclasses.replace(RECIPE, pulse_at=40.0))
