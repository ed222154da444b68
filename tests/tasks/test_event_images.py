"""Still images of recordings: values are counts, and nothing else of a task changes."""

import numpy as np

from neuro.events import EventStore
from tasks import event_images
from tasks.base import Split, make_task

SHAPE = (2, 3, 4)


def recordings(seed, n):
    """Up to 60 events among 24 units within 50 ms; some come after the sample's 40 ms."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 60, n)
    times = np.concatenate([np.sort(rng.integers(0, 50_000, count)) for count in counts])
    units = rng.integers(0, 24, counts.sum()) ** 3 // 24**2  # unit 0 has most
    store = EventStore(times.astype(np.uint32), units.astype(np.uint16), np.cumsum(counts) - counts, counts)
    return Split(store, rng.permutation(np.arange(n) % 3))


def test_images_are_counts_and_the_task_stays_the_same(monkeypatch):
    monkeypatch.setattr(event_images, "CHUNK", 7)
    splits = [recordings(seed, n) for seed, n in enumerate((30, 9, 14))]
    task = make_task(
        "x", *splits, shape=SHAPE, n_steps=40, dt=1.0, source="orchard2015", licence="", data="made up", checksum="1"
    )
    still = event_images.still(task)
    assert still.name == "x-frames" and still.problem.shape == SHAPE and still.problem.n_inputs == 24
    most = 0
    for split, plain in zip((still.train, still.val, still.test), splits, strict=True):
        np.testing.assert_array_equal(split.labels, plain.labels)
        inputs_BI = split.batch(np.arange(len(plain.labels))).inputs.numpy()
        for row, values_I in enumerate(inputs_BI):
            events = plain.inputs.take(np.array([row]))
            counts_I = np.bincount(events.units[events.times < 40.0], minlength=24)
            np.testing.assert_allclose(values_I, np.minimum(counts_I, 15) / 15, rtol=1e-6)
            most = max(most, counts_I.max())
    assert most > 15  # or the limit was not met
