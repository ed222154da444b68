"""Images of events and filters of events: against slow loops, closed forms for noise, and the program tonic.

Axes: K image, B sample, C polarity, Y row, X column, E event.
"""

import dataclasses

import numpy as np
import pytest

from neuro.event_filters import NEIGHBOURS, without_background, without_bursts
from neuro.event_frames import count_frames, time_surfaces, voxel_grid
from neuro.events import Events, make_events
from tasks.event_camera import HU_2021, make_pixels, watch

SHAPE = (2, 5, 6)  # polarities, rows, columns
N = 60


def drawn(seed, counts=(40, 0, 1, 300), duration=100.0):
    """Random events of several samples; one has none."""
    rng = np.random.default_rng(seed)
    n_events = sum(counts)
    times = 0.001 * rng.integers(1, int(1000 * duration), n_events)
    return make_events(times, rng.integers(0, N, n_events), np.concatenate(([0], np.cumsum(counts))))


def each_event(events):
    """(sample, time, polarity, row, column)."""
    for b in range(events.n_samples):
        for e in range(events.offsets[b], events.offsets[b + 1]):
            yield b, events.times[e], *(int(i) for i in np.unravel_index(events.units[e], SHAPE))


EVENTS = drawn(0)


def test_counts_equal_a_loop_and_lose_only_what_comes_too_late():
    found = count_frames(EVENTS, SHAPE, 7, 12.5)
    expected = np.zeros((7, 4, *SHAPE))
    for b, t, *place in each_event(EVENTS):
        if t < 7 * 12.5:
            expected[int(t // 12.5), b, *place] += 1
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.float32 and 0 < (EVENTS.times >= 87.5).sum() == len(EVENTS.times) - found.sum()
    np.testing.assert_array_equal(count_frames(EVENTS, SHAPE, 8, 12.5).sum((0, 2, 3, 4)), [40, 0, 1, 300])


@pytest.mark.parametrize("window", [None, (0.0, 100.0)])
def test_voxel_grids_equal_a_loop_and_share_each_event_out_whole(window):
    found = voxel_grid(EVENTS, SHAPE, 5, window)
    expected = np.zeros((5, 4, *SHAPE))
    for b, t, *place in each_event(EVENTS):
        of_b = EVENTS.sample(b).times
        start, end = window or (of_b[0], of_b[-1])
        at = 4 * (t - start) / (end - start) if end > start else 0.0
        for k in range(5):
            expected[k, b, *place] += max(0.0, 1.0 - abs(k - at))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)  # float32
    np.testing.assert_allclose(found.sum((0, 2, 3, 4)), [40, 0, 1, 300], rtol=1e-6)


def test_a_voxel_grid_by_hand():
    events = make_events(np.array([10.0, 11.0, 15.0, 30.0]), np.array([3, 3, 3, 9]))
    grid = voxel_grid(events, SHAPE, 3).reshape(3, N)  # points at 10, 20 and 30 ms
    np.testing.assert_allclose(grid[:, 3], [1.0 + 0.9 + 0.5, 0.1 + 0.5, 0.0], rtol=1e-6)
    np.testing.assert_allclose(grid[:, 9], [0, 0, 1], atol=1e-12)


def test_time_surfaces_equal_a_loop():
    times, tau = [0.0, 12.5, 50.0, 50.0, 99.9], 20.0
    found = time_surfaces(EVENTS, SHAPE, times, tau)
    expected = np.zeros((5, 4, *SHAPE))
    for b, t, *place in each_event(EVENTS):  # a later event is the fresher one
        for k, at in enumerate(times):
            if t <= at:
                expected[k, b, *place] = np.exp((t - at) / tau)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    assert found[:, 1].max() == 0.0 == found[0].max() < found[-1].max() <= 1.0


def test_a_time_surface_by_hand():
    """An event counts from its own time on, and the newest one alone."""
    events = make_events(np.array([10.0, 20.0]), np.array([3, 3]))
    surface = time_surfaces(events, SHAPE, [9.99, 10.0, 15.0, 20.0, 40.0], 10.0).reshape(5, N)
    np.testing.assert_allclose(surface[:, 3], [0.0, 1.0, np.exp(-0.5), 1.0, np.exp(-2.0)], rtol=1e-6)
    assert (np.delete(surface, 3, axis=1) == 0).all()


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="unit 59 does not exist among 50 units of images of .2, 5, 5."):
        count_frames(make_events(np.array([1.0]), np.array([59])), (2, 5, 5), 2, 1.0)
    with pytest.raises(ValueError, match="give at least 2"):
        voxel_grid(EVENTS, SHAPE, 1)
    with pytest.raises(ValueError, match="outside the window"):
        voxel_grid(EVENTS, SHAPE, 3, (0.0, 50.0))
    with pytest.raises(ValueError, match="must rise"):
        time_surfaces(EVENTS, SHAPE, [2.0, 1.0], 10.0)
    with pytest.raises(ValueError, match="tau = 0"):
        time_surfaces(EVENTS, SHAPE, [1.0], 0.0)
    with pytest.raises(ValueError, match="4 or 8 neighbours, not 5"):
        without_background(EVENTS, SHAPE, 1.0, 5)
    with pytest.raises(ValueError, match="t_ref = -1"):
        without_bursts(EVENTS, SHAPE, -1.0)


# Filters.


@pytest.mark.parametrize("n_neighbours", NEIGHBOURS)
def test_the_background_filter_equals_a_search_through_all_earlier_events(n_neighbours):
    kept = without_background(EVENTS, SHAPE, 1.5, n_neighbours)
    listed, expected = list(each_event(EVENTS)), []
    for e, (b, t, _, row, column) in enumerate(listed):
        before = [each for each in listed[:e] if each[0] == b and t - each[1] < 1.5]
        distances = [(abs(row - y), abs(column - x)) for *_, y, x in before]
        near = [sum(d) == 1 if n_neighbours == 4 else max(d) == 1 for d in distances]
        expected.append(any(near))
    same_events(kept, EVENTS, np.array(expected))
    assert 20 < len(kept.times) < 250


def test_the_refractory_filter_equals_a_search_through_all_earlier_events():
    kept = without_bursts(EVENTS, SHAPE, 7.0)
    listed = list(each_event(EVENTS))
    expected = [
        not any(o[0] == b and o[3:] == (row, column) and t - o[1] <= 7.0 for o in listed[:e])
        for e, (b, t, _, row, column) in enumerate(listed)
    ]
    same_events(kept, EVENTS, np.array(expected))
    assert 20 < len(kept.times) < 300


def same_events(found, events, is_kept):
    np.testing.assert_array_equal(found.times, events.times[is_kept])
    np.testing.assert_array_equal(found.units, events.units[is_kept])
    owners = np.repeat(np.arange(events.n_samples), np.diff(events.offsets))[is_kept]
    np.testing.assert_array_equal(np.diff(found.offsets), np.bincount(owners, minlength=events.n_samples))


SIDE, DURATION, RATE = 40, 400.0, 2e-3  # RATE: noise a pixel, both polarities, 1/ms
CAMERA = dataclasses.replace(HU_2021, mismatch=0.0, leak_rate=0.0, shot_rate=0.0)


def seen(luminance_NT, times_T, shot_rate=0.0):
    camera = dataclasses.replace(CAMERA, shot_rate=shot_rate)
    pixels = make_pixels(camera, SIDE * SIDE, 0)
    times_us, units = watch(camera, pixels, luminance_NT, times_T, 5, np.zeros(SIDE * SIDE))
    return make_events(times_us / 1000.0, units.astype(np.int32))


NOISE = seen(np.full((SIDE**2, 2), 1e-9), np.array([0.0, DURATION]), RATE)  # in the dark, where shot noise is full


def inside(events):
    """Events of pixels that have all 8 neighbours."""
    rows, columns = np.divmod(events.units % SIDE**2, SIDE)
    return (np.minimum(rows, columns) > 0) & (np.maximum(rows, columns) < SIDE - 1)


@pytest.mark.parametrize("dt", [5.0, 20.0])
@pytest.mark.parametrize("n_neighbours", NEIGHBOURS)
def test_noise_passes_the_background_filter_as_often_as_neighbours_are_there_by_chance(n_neighbours, dt):
    """Of independent Poisson processes: 1 - exp(-n rate dt), in the middle and once dt has passed."""
    kept = without_background(NOISE, (2, SIDE, SIDE), dt, n_neighbours)
    n_before, n_after = (np.count_nonzero(inside(each) & (each.times > dt)) for each in (NOISE, kept))
    expected = 1.0 - np.exp(-n_neighbours * RATE * dt)
    # Neighbours share their support, so kept events come in pairs: 6 instead of 4 standard errors.
    assert n_after / n_before == pytest.approx(expected, abs=6 * np.sqrt(expected * (1 - expected) / n_before))


@pytest.mark.parametrize("t_ref", [20.0, 200.0])
def test_noise_passes_the_refractory_filter_when_its_pixel_rested(t_ref):
    """Of a Poisson process: exp(-rate t_ref), once t_ref has passed."""
    kept = without_bursts(NOISE, (2, SIDE, SIDE), t_ref)
    n_before, n_after = (np.count_nonzero(each.times > t_ref) for each in (NOISE, kept))
    expected = np.exp(-RATE * t_ref)
    assert n_after / n_before == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / n_before))


def test_a_moving_edge_stays_and_isolated_noise_goes():
    """An edge crosses the field at 0.1 px/ms; its events are merged with those of noise, so their origin is known."""
    times_T = np.arange(0.0, DURATION + 1)
    columns_N = np.tile(np.arange(SIDE), SIDE)
    edge = seen(0.2 + 0.8 / (1.0 + np.exp(2.0 * (columns_N[:, None] - 0.1 * times_T))), times_T)
    assert len(edge.times) == pytest.approx(SIDE**2 * int(np.log(5.0) / CAMERA.threshold_on), rel=0.1)
    is_noise = np.repeat([False, True], [len(edge.times), len(NOISE.times)])
    times, units = np.concatenate([edge.times, NOISE.times]), np.concatenate([edge.units, NOISE.units])
    order = np.lexsort((units, times))
    both = Events(times[order], units[order], np.array([0, len(order)]))
    is_noise = is_noise[order]
    # Times are whole microseconds, of which noise and edge rarely share one at a unit: events are told by both.
    kept = set(zip(*without_background(both, (2, SIDE, SIDE), 5.0)[:2], strict=True))
    is_kept = np.array([each in kept for each in zip(both.times, both.units, strict=True)])
    assert is_kept[~is_noise].mean() > 0.97
    is_far = is_noise & (abs(both.units % SIDE - 0.1 * both.times) > 6.0) & inside(both)
    expected = 1.0 - np.exp(-8 * RATE * 5.0)  # noise beside the edge has its support, that far from it only chance
    assert is_kept[is_far].mean() == pytest.approx(expected, abs=6 * np.sqrt(expected / np.count_nonzero(is_far)))
    assert np.count_nonzero(is_far) > 0.5 * np.count_nonzero(is_noise)


# The program tonic. Its quirks are avoided: it keeps everything in the first moments of a recording.


def recorded(events):
    """One sample as tonic has it; times in microseconds."""
    dtype = np.dtype([("x", int), ("y", int), ("t", int), ("p", int)])
    polarity, y, x = np.unravel_index(events.units, SHAPE)
    rows = zip(x, y, np.rint(1000 * events.times).astype(int), polarity, strict=True)
    return np.array(list(rows), dtype)


SAMPLE = drawn(7, (400,), 100.0)
LATE = SAMPLE._replace(times=SAMPLE.times + 50.0)
SENSOR = (6, 5, 2)  # columns, rows, polarities


def test_count_frames_are_those_of_tonic():
    functional = pytest.importorskip("tonic.functional")
    start = SAMPLE._replace(times=SAMPLE.times - SAMPLE.times[0])
    expected = functional.to_frame_numpy(recorded(start), SENSOR, time_window=20_000, include_incomplete=True)
    np.testing.assert_array_equal(count_frames(start, SHAPE, len(expected), 20.0)[:, 0], expected)


def test_voxel_grids_are_those_of_tonic():
    """tonic's n images are the first n of n + 1; it drops the share of the last."""
    functional = pytest.importorskip("tonic.functional")
    expected = functional.to_voxel_grid_numpy(recorded(SAMPLE), SENSOR, 6)
    off, on = voxel_grid(SAMPLE, SHAPE, 7)[:6, 0].swapaxes(0, 1)
    np.testing.assert_allclose(on - off, expected[:, 0], atol=1e-5)


def test_time_surfaces_are_those_of_tonic():
    functional = pytest.importorskip("tonic.functional")
    start = SAMPLE.times[0]
    expected = functional.to_timesurface_numpy(recorded(SAMPLE), SENSOR, dt=20_000, tau=30_000)
    found = time_surfaces(SAMPLE, SHAPE, start + 20.0 * np.arange(1, len(expected) + 1), 30.0)[:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_filters_are_those_of_tonic():
    functional = pytest.importorskip("tonic.functional")
    pairs = (
        (functional.denoise_numpy(recorded(LATE), 2000), without_background(LATE, SHAPE, 2.0, 4)),
        (functional.refractory_period_numpy(recorded(LATE), 7000), without_bursts(LATE, SHAPE, 7.0)),
    )
    for expected, found in pairs:
        np.testing.assert_array_equal(recorded(found), expected)
        assert 50 < len(expected) < 390
