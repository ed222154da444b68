"""Tasks of events: batches are the samples asked for, and learners learn from them through the harness."""

import dataclasses

import numpy as np
import pytest
import torch

from neuro.events import Events, EventStore, make_events
from neuro.learners import LEARNERS
from neuro.learners.base import Batch, Problem
from neuro.learners.bptt import BPTT
from neuro.learners.eprop import EProp
from neuro.learners.forward_forward_spiking import ForwardForwardSpiking
from simulations.recipes import training
from tasks import TASKS
from tasks.base import Split, make_task, split_off, stream
from tasks.harness import Budget, open_training, train

N_UNITS, DURATION = 12, 20.0


def store(n, seed=0):
    """Samples of 0 to 30 events, each class of three with its own third of the units at twice the rate."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    counts = rng.integers(0, 31, n)
    counts[: min(n, 4)] = 0
    own = labels.repeat(counts) * 4 + rng.integers(0, 4, counts.sum())
    units = np.where(rng.random(counts.sum()) < 0.5, own, rng.integers(0, N_UNITS, counts.sum()))
    times_us = rng.integers(0, int(1000 * DURATION), counts.sum())
    firsts = np.cumsum(counts) - counts
    order = np.lexsort((times_us, np.repeat(np.arange(n), counts)))
    return EventStore(times_us[order].astype(np.uint32), units[order].astype(np.uint16), firsts, counts), labels


def task():
    samples = Split(*store(400))
    rest, test = split_off(samples, 80, 0, "test")
    train_, val = split_off(rest, 60, 0, "validation")
    return make_task(
        "blinks", train_, val, test, shape=(1, 3, 4), n_steps=20, dt=1.0, source="chosen: made up", licence="none",
        data="made up", checksum="",
    )  # fmt: skip


def one_by_one(events, rows):
    """The definition, in a loop."""
    return [(events.sample(row).times.tolist(), events.sample(row).units.tolist()) for row in rows]


ROWS = ([], [5], [0, 1, 2], [9, 3, 3, 0, 17, 9])


@pytest.mark.parametrize("rows", ROWS)
def test_taken_samples_are_those_taken_one_by_one(rows):
    held, _ = store(20)
    rows = np.array(rows, int)
    every = held.take(np.arange(20))
    for found in (every.take(rows), held.take(rows), held.keep(rows).take(np.arange(len(rows)))):
        assert isinstance(found, Events) and found.n_samples == len(rows)
        assert one_by_one(found, range(len(rows))) == one_by_one(every, rows)
        assert found.times.dtype == np.float64 and found.units.dtype == np.int32
        for given, checked in zip(found, make_events(*found), strict=True):
            assert len(given) == len(checked)
    np.testing.assert_array_equal(np.diff(every.offsets), held.counts)


def test_microseconds_become_milliseconds():
    held = EventStore(np.array([0, 1, 999, 314_999], np.uint32), np.zeros(4, np.uint16), np.array([0]), np.array([4]))
    assert held.take(np.array([0])).times.tolist() == [0.0, 0.001, 0.999, 314.999]


def test_cutting_copies_no_events_and_loses_no_sample():
    samples = Split(*store(100))
    rest, held = split_off(samples, 30, 0, "x")
    assert isinstance(rest.inputs, EventStore) and isinstance(held.inputs, EventStore)
    assert rest.inputs.times_us is samples.inputs.times_us
    firsts = np.concatenate([rest.inputs.firsts, held.inputs.firsts])
    assert len(held.labels) == 30 and sorted(firsts.tolist()) == sorted(samples.inputs.firsts.tolist())


def test_events_and_images_come_in_the_same_order():
    held, labels = store(50)
    images = Split(np.arange(50, dtype=np.float32)[:, None], labels)
    for (seen, batch), (seen_too, of_images) in zip(
        stream(Split(held, labels), 120, 32, 7), stream(images, 120, 32, 7), strict=True
    ):
        assert seen == seen_too and torch.equal(batch.labels, of_images.labels)
        rows = of_images.inputs[:, 0].long().numpy()
        assert one_by_one(batch.inputs, range(len(rows))) == one_by_one(held.take(np.arange(50)), rows)


def test_the_problem_of_a_task_of_events():
    problem = task().problem
    assert (problem.n_inputs, problem.n_classes, problem.input_mean, problem.input_std) == (12, 3, 0.0, 1.0)


def test_images_are_cut_as_before():
    images = Split(np.arange(40, dtype=np.uint8).reshape(20, 2), np.arange(20))
    rest, held = split_off(images, 5, 3, "y")
    for part in (rest, held):
        np.testing.assert_array_equal(part.inputs, images.inputs[part.labels])
        assert part.inputs.dtype == np.uint8


def test_augmentation_of_events_is_refused():
    assert task().augmentation("task") is None and task().augmentation("none") is None
    with pytest.raises(ValueError, match="'shift' alters images, and the task blinks gives events; choose none"):
        task().augmentation("shift")


SMALL = {
    "bptt": BPTT(hidden=(32,), batch_size=32),
    "eprop": EProp(hidden=32, batch_size=32),
    "forward-forward-spiking": ForwardForwardSpiking(hidden=(32,), batch_size=32),
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A function that trains a learner on the task of events through the harness."""
    monkeypatch.setitem(TASKS, "digits", task)

    def trained(name, learner, samples):
        budget = Budget(samples=samples, evaluations=2)
        chosen = dataclasses.replace(training("digits", name), learner=learner, budget=budget)
        folder = open_training(chosen, "events", tmp_path)
        train(folder)
        return folder.manifest()["results"]

    return trained


@pytest.mark.parametrize("name", SMALL)
def test_learners_in_time_learn_from_events(run, name):
    """A third is chance; counting the spikes of each third of the units gets above 0.7."""
    results = run(name, SMALL[name], 6000)
    assert results["test_accuracy"] > 0.5
    assert results["spikes_per_sample"] > 0 and results["synaptic_events_per_sample"] > 0


@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_takes_events_or_says_that_it_does_not(name):
    """Learners that live in time do; at least those that are tested above."""
    problem = Problem(512, 3, 20, 1.0, 0.0, 1.0, (2, 16, 16), 100)
    rng = np.random.default_rng(0)
    many = make_events(rng.uniform(0.0, 20.0, 6000), rng.integers(0, 512, 6000), np.arange(0, 6001, 2000))
    batch = Batch(many, torch.tensor([0, 1, 2]))
    learner = LEARNERS[name]()
    state = learner.init(problem, 0)
    try:
        learner.update(state, batch)
    except ValueError as error:
        assert name not in SMALL
        assert "takes static samples, and the task gives events; choose a static task" in str(error)
