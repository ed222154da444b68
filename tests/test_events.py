"""Events and rasters: binning, round trips, and what is refused."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from neuro.event_frames import count_frames
from neuro.events import Events, bin_times, from_raster, make_events, raster
from neuro.learners.base import Problem
from neuro.learners.event_counts import counts, one_a_step
from neuro.learners.spiking_input import in_windows

rasters = arrays(np.float32, array_shapes(min_dims=3, max_dims=3, max_side=6), elements=st.sampled_from([0.0, 1.0]))
steps_of_dt = st.sampled_from([0.1, 0.3, 0.7, 1.0, 1 / 3])


@given(spikes_TBN=rasters, dt=steps_of_dt)
def test_a_raster_survives_the_way_to_events_and_back(spikes_TBN, dt):
    n_steps, n_samples, n_units = spikes_TBN.shape
    events = from_raster(spikes_TBN, dt)
    assert events.n_samples == n_samples
    again_TBN, dropped = raster(events, n_units, n_steps, dt)
    np.testing.assert_array_equal(again_TBN, spikes_TBN)
    assert dropped == 0


@given(spikes_TBN=rasters, dt=steps_of_dt)
def test_events_of_a_raster_are_in_the_order_that_make_events_gives(spikes_TBN, dt):
    events = from_raster(spikes_TBN, dt)
    for found, wanted in zip(make_events(*events), events, strict=True):
        np.testing.assert_array_equal(found, wanted)


@given(
    times=st.lists(st.floats(0.0, 100.0), max_size=40),
    cuts=st.lists(st.integers(0, 40), max_size=4),
    dt=st.sampled_from([0.1, 1.0]),
    data=st.data(),
)
def test_every_event_is_in_its_bin_or_counted_as_dropped(times, cuts, dt, data):
    units = data.draw(st.lists(st.integers(0, 3), min_size=len(times), max_size=len(times)))
    offsets = np.sort(np.clip([0, *cuts, len(times)], 0, len(times)))
    events = make_events(np.array(times), np.array(units, int), offsets)
    n_steps = round(50.0 / dt)
    spikes_TBN, dropped = raster(events, 4, n_steps, dt)
    assert spikes_TBN.shape == (n_steps, len(cuts) + 1, 4)
    wanted = np.zeros_like(spikes_TBN)
    late = 0
    for b in range(events.n_samples):
        for time, unit in zip(times[offsets[b] : offsets[b + 1]], units[offsets[b] : offsets[b + 1]], strict=True):
            k = int(time / dt + 1e-6)
            late += k >= n_steps
            if k < n_steps:
                wanted[k, b, unit] = 1.0
    np.testing.assert_array_equal(spikes_TBN, wanted)
    assert dropped == late


def test_a_multiple_of_dt_belongs_to_the_step_that_it_begins():
    """0.3 / 0.1 is 2.9999999999999996."""
    assert bin_times(np.array([0.3, 0.1 + 0.2, 0.29999, 0.0]), 0.1).tolist() == [3, 3, 2, 0]
    for dt in (0.1, 0.3, 0.7, 1 / 3):
        k = np.arange(100_000)
        np.testing.assert_array_equal(bin_times(k * dt, dt), k)


def test_events_at_the_end_are_dropped_and_counted():
    events = make_events(np.array([0.0, 0.95, 1.0, 7.0]), np.array([0, 1, 0, 1]))
    spikes_TBN, dropped = raster(events, 2, 10, 0.1)
    assert np.argwhere(spikes_TBN).tolist() == [[0, 0, 0], [9, 0, 1]]
    assert dropped == 2


def test_two_events_of_a_unit_in_one_step_are_one_spike():
    events = make_events(np.array([0.11, 0.19]), np.array([0, 0]))
    assert raster(events, 1, 5, 0.1)[0].sum() == 1.0


def test_events_are_sorted_within_their_sample():
    times, units = np.array([3.0, 1.0, 1.0, 0.5, 9.0]), np.array([5, 4, 2, 7, 1])
    events = make_events(times, units, np.array([0, 3, 5]))
    assert events.times.tolist() == [1.0, 1.0, 3.0, 0.5, 9.0]
    assert events.units.tolist() == [2, 4, 5, 7, 1]
    assert times.tolist() == [3.0, 1.0, 1.0, 0.5, 9.0]  # what was given stays
    second = events.sample(1)
    assert (second.times.tolist(), second.units.tolist(), second.offsets.tolist()) == ([0.5, 9.0], [7, 1], [0, 2])


def test_no_events_are_events():
    events = make_events(np.array([]), np.array([]), np.array([0, 0, 0]))
    assert events.n_samples == 2
    spikes_TBN, dropped = raster(events, 3, 4, 1.0)
    assert spikes_TBN.shape == (4, 2, 3) and not spikes_TBN.any() and dropped == 0


REFUSED = {
    "negative time": (([-0.1], [0]), "not negative"),
    "time not finite": (([np.nan], [0]), "finite"),
    "infinite time": (([np.inf], [0]), "finite"),
    "negative unit": (([1.0], [-1]), "unit -1 is negative"),
    "fraction of a unit": (([1.0], [0.5]), "whole numbers"),
    "different lengths": (([1.0, 2.0], [0]), r"\(2,\) and units \(1,\)"),
    "not flat": (([[1.0]], [[0]]), "flat"),
    "offsets too short": (([1.0], [0], [0, 0]), "number of events, 1"),
    "offsets that fall": (([1.0, 2.0], [0, 0], [0, 2, 1, 2]), "rise"),
    "offsets not from 0": (([1.0], [0], [1, 1]), "rise from 0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused(case):
    arguments, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        make_events(*(np.array(argument) for argument in arguments))


def test_a_unit_beyond_the_population_is_refused():
    events = Events(np.array([1.0]), np.array([3], np.int32), np.array([0, 1]))
    with pytest.raises(ValueError, match="unit 3 does not exist among 3 units"):
        raster(events, 3, 10, 1.0)


@pytest.mark.parametrize("unit", [-1, 6])
def test_what_reads_events_refuses_units_that_do_not_exist(unit):
    """Compiled loops would read beyond their arrays, and flat indices would reach the next sample."""
    events = Events(np.array([1.0, 2.0]), np.array([0, unit], np.int32), np.array([0, 2, 2]))
    problem = Problem(6, 2, 10, 1.0, 0.0, 1.0, (6,), 100)
    readers = (
        lambda: raster(events, 6, 10, 1.0),
        lambda: in_windows(events, problem, torch.zeros(1)),
        lambda: counts(events, 6, 10, 1.0, 2),
        lambda: one_a_step(events, 6, 1.0, 2),
        lambda: count_frames(events, (1, 2, 3), 10, 1.0),
    )
    for read in readers:
        with pytest.raises(ValueError, match=f"unit {unit} does not exist among 6 units"):
            read()
