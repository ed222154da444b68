"""The event camera against closed forms and a second, slow implementation; the saccades; a recording of N-MNIST."""

import dataclasses
import math
import os
from pathlib import Path

import numpy as np
import pytest

from tasks import mnist, nmnist, saccades
from tasks.event_camera import EventCamera, Pixels, make_pixels, watch

SAMPLE = Path(os.environ.get("NEURO_DATA", "/nonexistent")) / "nmnist" / "sample_nmnist.bin"
SAMPLE_IMAGE = 6271  # the training image that the sample shows
IDEAL = EventCamera(0.2, 0.2, mismatch=0.0, t_ref=0.0, leak_rate=0.0, shot_rate=0.0, source="chosen: no faults")
TIMES = np.arange(0.0, 101.0)
N = saccades.FIELD**2


def one_pixel(camera, log_luminance_T, start=0.0, times=TIMES, noise=0):
    """Times in ms and polarities of the events of a pixel."""
    pixels = make_pixels(camera, 1, 0)
    times_us, units = watch(camera, pixels, np.exp(log_luminance_T)[None], times, noise, np.array([start]))
    return times_us / 1000.0, units


@pytest.mark.parametrize("rate", [0.011, -0.03])
@pytest.mark.parametrize("t_ref", [0.0, 2.5])
def test_a_ramp_of_the_logarithm_makes_events_at_equal_intervals(rate, t_ref):
    camera = dataclasses.replace(IDEAL, t_ref=t_ref)
    times, units = one_pixel(camera, rate * TIMES - (1.2 if rate > 0 else 0.0))
    interval = 0.2 / abs(rate)
    expected = interval + (interval + t_ref) * np.arange(len(times))
    np.testing.assert_allclose(times, expected, atol=1e-3)  # times are cut to whole microseconds
    assert set(units) == {int(rate > 0)} and expected[-1] + interval + t_ref > 100.0


def test_events_count_the_thresholds_that_are_crossed():
    """Up by 1.1: 5 ON events, which leave the reference 1.0 above the start; down to 0.05 below it: 5 OFF events."""
    course = np.interp(TIMES, [0, 40, 100], [-1.15, -0.05, -1.2])
    _, units = one_pixel(IDEAL, course)
    assert units.tolist() == [1] * 5 + [0] * 5


def by_small_steps(log_luminance_T, times_T, camera, on, off, start, dt=2e-4):
    """The model written a second time: d is followed in steps far below a microsecond per threshold."""
    d, free, found = start, 0.0, []
    for k in range(round(times_T[-1] / dt)):
        t = (k + 1) * dt
        rise = np.interp([t - dt, t], times_T, log_luminance_T)
        d += rise[1] - rise[0] + camera.leak_rate * on * dt
        if t < free:
            d = 0.0
        elif d >= on or d <= -off:
            found.append((t, int(d > 0)))
            d, free = 0.0, t + camera.t_ref
    return found


@pytest.mark.parametrize("seed", range(3))
def test_an_independent_implementation_finds_the_same_events(seed):
    rng = np.random.default_rng(seed)
    camera = dataclasses.replace(IDEAL, t_ref=0.7, leak_rate=0.02)
    times_T = np.arange(0.0, 21.0)
    log_luminance_T = np.minimum(-1.5 + 0.25 * np.cumsum(rng.normal(size=21)), 0.0)
    on, off, start = 0.17, 0.23, 0.05
    pixels = Pixels(np.array([on]), np.array([off]))
    times_us, units = watch(camera, pixels, np.exp(log_luminance_T)[None], times_T, 0, np.array([start]))
    expected = by_small_steps(log_luminance_T, times_T, camera, on, off, start)
    assert units.tolist() == [polarity for _, polarity in expected] and len(units) > 3
    # each event of the slow one is late by up to a step of 2e-4 ms, and the lags add up; 1e-3: whole microseconds
    np.testing.assert_allclose(times_us / 1000.0, [t for t, _ in expected], atol=2e-4 * len(expected) + 1e-3)


def test_leak_alone_makes_on_events_at_its_rate():
    camera = dataclasses.replace(IDEAL, leak_rate=0.05)
    times, units = one_pixel(camera, np.zeros(101), start=0.1)
    np.testing.assert_allclose(times, [10.0, 30.0, 50.0, 70.0, 90.0], atol=1e-3)
    assert set(units) == {1}
    slow = dataclasses.replace(IDEAL, leak_rate=1e-3)
    _, units = watch(slow, make_pixels(slow, 10_000, 0), np.ones((10_000, 2)), np.array([0.0, 300.0]), 1)
    assert abs(len(units) - 3000) < 4 * math.sqrt(10_000 * 0.3 * 0.7)  # d begins anywhere: 3 of 10 pixels cross


@pytest.mark.parametrize(("luminance", "share"), [(1.0, 0.25), (1e-9, 1.0)])
def test_shot_noise_is_a_poisson_process_that_light_weakens(luminance, share):
    camera = dataclasses.replace(IDEAL, shot_rate=0.05)
    pixels = make_pixels(camera, 4000, 0)
    times_us, units = watch(camera, pixels, np.full((4000, 2), luminance), np.array([0.0, 100.0]), 3)
    expected = 0.05 * share * 100.0
    counts = np.bincount(units % 4000, minlength=4000)
    assert abs(counts.mean() - expected) < 4 * math.sqrt(expected / 4000)
    assert abs(counts.var() / expected - 1.0) < 4 * math.sqrt(3 / 4000)  # of a Poisson number: variance is the mean
    assert abs((units >= 4000).mean() - 0.5) < 2 / math.sqrt(len(units))
    assert abs(times_us.mean() / 1000.0 - 50.0) < 4 * 29 / math.sqrt(len(units))


def test_refractory_time_thins_noise_as_it_thins_any_poisson_process():
    """Renewal theory: a dead time of t after each event leaves r / (1 + r t)."""
    camera = dataclasses.replace(IDEAL, shot_rate=0.4, t_ref=5.0)
    _, units = watch(camera, make_pixels(camera, 2000, 0), np.full((2000, 2), 1e-9), np.array([0.0, 500.0]), 0)
    assert len(units) / 2000 / 500.0 == pytest.approx(0.4 / (1.0 + 0.4 * 5.0), rel=0.01)


def test_pixels_differ_by_the_mismatch_and_belong_to_the_camera():
    camera = dataclasses.replace(IDEAL, mismatch=0.03)
    pixels = make_pixels(camera, 20_000, 5)
    for thresholds in pixels:
        assert abs(thresholds.mean() - 0.2) < 4 * 0.03 / math.sqrt(20_000)
        assert thresholds.std() == pytest.approx(0.03, rel=0.03)
    np.testing.assert_array_equal(make_pixels(camera, 20_000, 5), pixels)
    assert abs(np.corrcoef(pixels)[0, 1]) < 0.03
    assert not np.array_equal(make_pixels(camera, 20_000, 6).on_N, pixels.on_N)


def test_events_are_sorted_by_time():
    camera = dataclasses.replace(IDEAL, shot_rate=0.1)
    times_us, units = watch(camera, make_pixels(camera, 50, 0), np.full((50, 2), 0.5), np.array([0.0, 100.0]), 0)
    assert (np.diff(times_us.astype(np.int64)) >= 0).all() and times_us.max() < 100_000 and units.max() < 100


@pytest.mark.parametrize(
    ("luminance", "times", "message"),
    [
        (np.zeros((1, 101)), TIMES, "logarithm of 0"),
        (np.full((1, 101), 1.5), TIMES, "must lie in"),
        (np.full((1, 101), np.nan), TIMES, "must lie in"),
        (np.ones((2, 101)), TIMES, "pixels x times"),
        (np.ones((1, 101)), TIMES[::-1], "must rise"),
        (np.ones((40_000, 2)), np.array([0.0, 1.0]), "40000 pixels are 80000 units"),
    ],
)
def test_bad_light_is_refused(luminance, times, message):
    with pytest.raises(ValueError, match=message):
        watch(IDEAL, make_pixels(IDEAL, len(luminance) if len(luminance) > 2 else 1, 0), luminance, times, 0)


def bar():
    """A vertical stroke in the middle."""
    image = np.zeros((saccades.SIDE, saccades.SIDE), np.uint8)
    image[6:22, 12:16] = 255
    return image


def shown(images, numbers, part="train"):
    return list(saccades.recordings(images, np.asarray(numbers), part))


def column_and_saccade(times_us, units):
    return units % N % saccades.FIELD, times_us // 105_000


def test_the_path_runs_through_the_published_corners_and_stops_there():
    corners = saccades.path(saccades.ORCHARD_2015, np.array([0.0, 105.0, 210.0, 315.0, 400.0]))
    np.testing.assert_allclose(corners, [[0, 0], [3.5, 7], [7, 0], [0, 0], [0, 0]], atol=1e-12)
    middle = saccades.path(saccades.ORCHARD_2015, np.array([52.5, 157.5, 262.5]))
    np.testing.assert_allclose(middle, [[1.75, 3.5], [5.25, 3.5], [3.5, 0]], atol=1e-12)
    t = np.arange(0.0, 315.0, 1e-3)
    speed_T = np.linalg.norm(np.gradient(saccades.path(saccades.ORCHARD_2015, t), 1e-3, axis=0), axis=1)
    assert speed_T[[0, 105_000, 210_000]].max() < 1e-6
    assert speed_T.max() == pytest.approx(1.875 * math.hypot(3.5, 7.0) / 105.0, rel=1e-6)  # of minimum jerk


def test_a_dark_stroke_darkens_what_it_moves_onto_and_returns_the_light():
    ((times_us, units),) = shown([bar()], [0])
    column, saccade = column_and_saccade(times_us, units)
    is_on = units >= N
    for k, direction in enumerate((1, 1, -1)):
        on, off = (column[(saccade == k) & chosen].mean() for chosen in (is_on, ~is_on))
        assert direction * (off - on) > 1.0, k
    changes = np.bincount(units[is_on] - N, minlength=N) - np.bincount(units[~is_on], minlength=N)
    # The image ends where it began: the thresholds crossed upwards are those crossed downwards, but for what is left
    # over at the ends, mismatch of the two thresholds (15 % each of up to 30 events) and what t_ref hides.
    assert abs(changes).max() <= 9 and abs(changes.mean()) < 1.0


def test_an_image_has_the_same_events_alone_and_among_others():
    images = [bar(), bar().T.copy(), bar()]
    together, alone = shown(images, [0, 1, 2]), shown(images[1:2], [1])
    for found, expected in zip(alone[0], together[1], strict=True):
        np.testing.assert_array_equal(found, expected)
    assert not np.array_equal(together[0][0], together[2][0])  # the same image; the noise belongs to the number
    assert not np.array_equal(shown(images[:1], [0], "test")[0][0], together[0][0])


def test_no_image_no_events_but_the_noise():
    blank = np.zeros((200, saccades.SIDE, saccades.SIDE), np.uint8)
    recordings = shown(blank, np.arange(200))
    n_on = sum(int((units >= N).sum()) for _, units in recordings)
    n_off = sum(len(units) for _, units in recordings) - n_on
    seconds = 200 * N * 0.315
    assert n_on / seconds == pytest.approx(0.42 + 0.0125, rel=0.02)  # Hz; leak, and a quarter of half of 0.1 Hz
    assert n_off / seconds == pytest.approx(0.0125, abs=4 * math.sqrt(0.0125 / seconds))


@pytest.mark.skipif(not SAMPLE.exists(), reason="no recording of N-MNIST in $NEURO_DATA/nmnist")
@pytest.mark.skipif(not (SAMPLE.parents[1] / "mnist").exists(), reason="real MNIST is not in $NEURO_DATA")
def test_the_simulation_resembles_the_recording_of_the_same_digit():
    images = mnist.parse_idx(mnist.read("train images"), "train images")
    real = nmnist.parse(SAMPLE.read_bytes(), SAMPLE.name)
    ((times_us, units),) = shown(images[SAMPLE_IMAGE : SAMPLE_IMAGE + 1], [SAMPLE_IMAGE])
    assert len(units) == pytest.approx(len(real[1]), rel=0.1)  # calibrated to it; one recording says no more
    assert (units >= N).mean() == pytest.approx((real[1] >= N).mean(), abs=0.05)
    for k in range(3):
        of_k, real_of_k = (each[0][each[0] // 105_000 == k] / 1000.0 - 105.0 * k for each in ((times_us,), real))
        # The platform moved less far in the first saccade than published, and unevenly in the second: hence 40 %
        # of the number, 8 ms of the mean and 6 ms of the standard deviation, both 53 and 20 ms in the simulation.
        assert len(of_k) == pytest.approx(len(real_of_k), rel=0.4)
        assert of_k.mean() == pytest.approx(real_of_k.mean(), abs=8.0)
        assert of_k.std() == pytest.approx(real_of_k.std(), abs=6.0)
    maps = [_map(*each) for each in ((times_us, units), real)]
    assert np.corrcoef(*maps)[0, 1] > 0.75  # 0.80 when written
    others = [shown(images[n : n + 1], [n])[0] for n in range(20)]
    assert max(np.corrcoef(_map(*each), maps[1])[0, 1] for each in others) < 0.7  # up to 0.65 of 100 digits


def _map(times_us, units):
    """Events of each unit in each saccade."""
    return np.bincount(units + 2 * N * (times_us // 105_000).astype(int), minlength=6 * N)[: 6 * N]
