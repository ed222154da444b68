"""The one rule of early stopping, and that neither kill nor interrupt changes what it does."""

import dataclasses
import json

import pytest

from neuro.learners.counter_current import CounterCurrent
from neuro.runs import read_metrics
from tasks import TASKS, digits, harness
from tasks.checkpoint import load_tensors
from tasks.harness import Budget, Training, open_training, train
from tasks.metrics import architecture, evaluate

TASK = digits.load()
LEARNER = CounterCurrent(hidden=(40,))
TIMES = ("train_s", "waited_s", "samples_per_s", "peak_mb")


def opened(folder, patience, kind="training"):
    budget = Budget(samples=24_000, evaluations=60, patience=patience)
    return open_training(Training("digits", "small", LEARNER, budget, seed=2), "small", folder, kind=kind, threads=1)


def outcome(run):
    """What must not depend on interruptions: tensors, curve and results, but not seconds and memory."""
    from safetensors.numpy import load_file

    tensors = {
        file.name: {key: value.tobytes() for key, value in load_file(file).items()}
        for file in run.path.glob("*.safetensors")
    }
    curve = [{k: v for k, v in row.items() if k not in TIMES} for row in read_metrics(run.path)]
    return tensors, curve, {k: v for k, v in run.manifest()["results"].items() if k not in TIMES}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A training that uses its whole budget."""
    run = opened(tmp_path_factory.mktemp("whole"), 0)
    train(run)
    return run


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    run = opened(tmp_path_factory.mktemp("stopped"), 3)
    train(run)
    return run


def accuracies(run):
    return [(row["seen"], row["accuracy"]) for row in read_metrics(run.path) if row["split"] == "val"]


def test_it_stops_after_so_many_evaluations_without_a_better_one(whole, stopped):
    curve = accuracies(whole)
    best = n_worse = 0
    for place, (_, accuracy) in enumerate(curve):
        n_worse = 0 if accuracy > curve[best][1] or place == 0 else n_worse + 1
        best = best if n_worse else place
        if n_worse == 3:
            break
    assert place + 1 < len(curve), "the training must be one that stops early"
    assert accuracies(stopped) == curve[: place + 1]
    results = stopped.manifest()["results"]
    assert (results["answers_seen"], results["val_accuracy"]) == curve[best]
    assert results["seen"] == curve[place][0]


def test_the_best_weights_answer_with_patience_and_the_last_without(whole, stopped):
    for run, file in ((whole, "checkpoint.safetensors"), (stopped, "best.safetensors")):
        state = LEARNER.init(TASK.problem, 0)
        load_tensors(run.path / file, state)
        results = run.manifest()["results"]
        assert evaluate(LEARNER, state, TASK.test).accuracy == results["test_accuracy"]
        assert evaluate(LEARNER, state, TASK.val).accuracy == results["val_accuracy"]
        assert results["architecture"] == architecture(state) == "64-40-10"
    assert not (whole.path / "best.safetensors").exists()


@pytest.mark.parametrize("moment", [1, 2, 9, "last"])
def test_a_kill_between_the_best_weights_and_the_checkpoint_changes_nothing(stopped, tmp_path, monkeypatch, moment):
    run = opened(tmp_path, 3)
    save, calls = harness._save_checkpoint, []
    moment = len(accuracies(stopped)) if moment == "last" else moment

    def interrupt(*arguments):
        calls.append(arguments)
        if len(calls) == moment:
            raise KeyboardInterrupt
        save(*arguments)

    monkeypatch.setattr(harness, "_save_checkpoint", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(run)
    train(run)
    assert outcome(run) == outcome(stopped)


def test_a_kill_after_the_last_checkpoint_does_not_train_further(stopped, tmp_path, monkeypatch):
    run = opened(tmp_path, 3)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(harness, "load_tensors", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        train(run)
    train(run)
    assert outcome(run) == outcome(stopped)


def test_a_trial_never_reads_the_test_split(stopped, tmp_path, monkeypatch):
    class Trap:
        source = None  # looked for by neuro.references

        def __getattr__(self, name):
            raise AssertionError(f"{name} of the test split was read")

    monkeypatch.setitem(TASKS, "digits", lambda: dataclasses.replace(TASK, test=Trap()))
    run = opened(tmp_path, 3, kind="trial")
    train(run)
    assert accuracies(run) == accuracies(stopped)
    assert run.manifest()["results"]["val_accuracy"] == stopped.manifest()["results"]["val_accuracy"]
    assert "test" not in json.dumps(run.manifest()["results"]) + (run.path / "metrics.jsonl").read_text()


def test_a_trial_that_diverges_scores_0(tmp_path, monkeypatch):
    monkeypatch.setattr(CounterCurrent, "update", lambda *_: {"loss": float("nan")})
    run = opened(tmp_path, 0, kind="trial")
    train(run)
    assert run.manifest()["results"]["val_accuracy"] == 0 and "nan" in run.manifest()["results"]["diverged"]
