"""Recorded events altered as a whole: tempo, pitch, lost spikes and mixtures, the same wherever training is entered."""

import numpy as np
import pytest

from neuro.events import EventStore, make_events
from tasks.augment import N_NUMBERS
from tasks.augment_events import EVENT_AUGMENTATIONS, Variation, partners, varied
from tasks.base import Augmentation, Split, make_task, stream


def numbers(n, seed=0):
    return np.random.default_rng(seed).random((n, N_NUMBERS))


def recordings(n, n_events=40, seed=6):
    rng = np.random.default_rng(seed)
    return make_events(
        rng.uniform(0, 200, n * n_events), rng.integers(0, 12, n * n_events), np.arange(n + 1) * n_events
    )


def split(n):
    events = recordings(n)
    store = EventStore(
        (events.times * 1000).astype(np.uint32), events.units.astype(np.uint16), events.offsets[:-1],
        np.diff(events.offsets),
    )  # fmt: skip
    return Split(store, np.arange(n) % 3)


def test_without_variation_events_stay_as_they_are():
    given = recordings(20)
    same = varied(Variation(), given, given, 12, numbers(20))
    assert all(np.array_equal(a, b) for a, b in zip(same, given, strict=True))


def test_tempo_and_pitch_change_for_a_whole_sample():
    given = recordings(200)
    slower = varied(Variation(stretch=0.2), given, given, 12, numbers(200))
    tempi = np.array([slower.sample(b).times[-1] / given.sample(b).times[-1] for b in range(200)])
    np.testing.assert_allclose(slower.times, given.times * np.repeat(tempi, 40))
    assert 0.8 <= tempi.min() < 0.82 and 1.18 < tempi.max() <= 1.2
    higher = varied(Variation(shift=0.2), given, given, 12, numbers(200))  # 2.4 units: at most 2
    moved = set()
    for b in range(200):
        own, found = given.sample(b), higher.sample(b)
        fits = [
            k for k in range(-2, 3)
            if np.array_equal(found.units, own.units[(own.units + k >= 0) & (own.units + k < 12)] + k)
        ]  # fmt: skip
        assert len(fits) == 1
        moved |= set(fits)
    assert moved == {-2, -1, 0, 1, 2}


def test_each_sample_loses_its_own_share_of_spikes():
    given, u = recordings(50, n_events=2000), numbers(50)
    fewer = varied(Variation(thinning=0.6), given, given, 12, u)
    kept = np.diff(fewer.offsets) / 2000
    np.testing.assert_allclose(kept, 1 - 0.6 * u[:, 2], atol=0.05)  # a deviation of 0.011 at most
    for b in range(50):
        assert np.isin(fewer.sample(b).times, given.sample(b).times).all()


def test_a_mixture_has_half_of_the_spikes_of_two_samples_of_one_class():
    """Class k has units 4k to 4k + 3, and its two samples lie 100 ms apart: mixtures stay in class and in place."""
    rng = np.random.default_rng(1)
    labels_B, offsets = np.repeat(np.arange(3), 2), np.arange(7) * 400
    units = rng.integers(0, 4, 2400) + np.repeat(4 * labels_B, 400)
    begins = 50.0 + 100.0 * np.tile(np.repeat([0, 1], 400), 3)
    given = make_events(begins + rng.uniform(0, 50, 2400), units, offsets)
    other_B = np.array([1, 0, 3, 2, 5, 4])
    mixed = varied(Variation(blending=1.0), given, given.take(other_B), 12, numbers(6))
    for b in range(6):
        found, own = mixed.sample(b), given.sample(b)
        assert set(found.units // 4) == {labels_B[b]} and (np.diff(found.times) >= 0).all()
        assert len(found.times) == pytest.approx(400, abs=60)  # 800 draws: a deviation of 14
        assert found.times.mean() == pytest.approx(own.times.mean(), abs=4)
        assert 0.4 < np.isin(found.times, own.times).mean() < 0.6


def test_partners_are_of_the_same_class_and_any_of_it():
    labels = np.random.default_rng(2).integers(0, 3, 30)
    rows = np.repeat(np.arange(30), 100)
    found = partners(labels, rows, numbers(3000))
    assert (labels[found] == labels[rows]).all()
    for row in (0, 17):
        assert set(found[rows == row]) == set(np.flatnonzero(labels == labels[row]))


@pytest.mark.parametrize("name", EVENT_AUGMENTATIONS)
@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_training_sees_the_same_whatever_the_batch_and_wherever_it_is_entered(name, batch_size):
    data, augment = split(30), Augmentation(name, (12,))

    def seen(size, seed, start=0):
        parts = [batch.inputs for _, batch in stream(data, 90, size, seed, start, augment)]
        return [(s.times, s.units) for part in parts for s in map(part.sample, range(part.n_samples))]

    def same(found, expected):
        return all(
            np.array_equal(a, b) for f, e in zip(found, expected, strict=True) for a, b in zip(f, e, strict=True)
        )

    whole = seen(90, seed=1)
    assert same(seen(batch_size, seed=1), whole) and same(seen(batch_size, seed=1, start=47), whole[47:])
    assert not same(seen(batch_size, seed=2), whole)
    assert all((np.diff(times) >= 0).all() and units.min() >= 0 and units.max() < 12 for times, units in whole)


def test_the_two_families_are_not_mistaken_for_each_other():
    def task(shape):
        return make_task(
            "sounds", split(9), split(9), split(9), shape=shape, n_steps=20, dt=10.0, source="jackson2018",
            licence="", data="", checksum="", augment="recording",
        )  # fmt: skip

    assert task((12,)).augmentation("task") == Augmentation("recording", (12,))
    with pytest.raises(ValueError, match="'crop-flip' alters images, and the task sounds gives events"):
        task((12,)).augmentation("crop-flip")
    with pytest.raises(ValueError, match="along one row.*choose none"):
        task((2, 3, 2)).augmentation("task")
