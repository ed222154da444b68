"""Sequences of tasks: what is shown when, what is tested after each task, and that no interruption changes a bit."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest
import torch

from neuro.learners import LEARNERS
from neuro.learners.backprop import Backprop
from neuro.learners.base import LearnerState
from neuro.runs import read_metrics
from tasks import TASKS, digits, harness, permuted, sequence, split_classes
from tasks.base import stream
from tasks.harness import Budget, Training, open_training, train
from tasks.metrics import evaluate

PERMUTED = permuted.load_digits()
SPLIT = split_classes.load_digits()
THREE = dataclasses.replace(PERMUTED, stages=PERMUTED.stages[:3])
LEARNER = Backprop(hidden=(32,))
SHARE = 1500  # samples for each task
TIMES = ("train_s", "waited_s", "samples_per_s", "peak_mb")


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    for n_stages in (2, 3):
        short = dataclasses.replace(THREE, stages=THREE.stages[:n_stages])
        monkeypatch.setitem(TASKS, f"{n_stages}-orders", lambda task=short: task)


def opened(folder, n_stages, kind="training", patience=0):
    budget = Budget(samples=n_stages * SHARE, evaluations=2 * n_stages, patience=patience)
    return open_training(
        Training(f"{n_stages}-orders", "small", LEARNER, budget, seed=4), "small", folder, kind=kind, threads=1
    )


def rows_of(run):
    return [{k: v for k, v in row.items() if k not in TIMES} for row in read_metrics(run.path)]


def outcome(run):
    """What must not depend on interruptions: tensors, rows and results, but not seconds and memory."""
    from safetensors.numpy import load_file

    tensors = {key: value.tobytes() for key, value in load_file(run.path / "checkpoint.safetensors").items()}
    return tensors, rows_of(run), {k: v for k, v in run.manifest()["results"].items() if k not in TIMES}


def done(folder, n_stages):
    run = opened(folder, n_stages)
    train(run)
    return run


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A training on three tasks that was left alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TASKS, "3-orders", lambda: THREE)
        return done(tmp_path_factory.mktemp("whole"), 3)


@pytest.mark.parametrize("batch_size", [1, 7, 100, 400])
def test_order_depends_on_the_seed_alone_and_can_be_entered_anywhere(batch_size):
    def shown(size, start=0, seed=3):
        batches = [batch for _, batch in sequence.stream_stages(SPLIT, 1001, size, seed, start, None)]
        contexts = np.concatenate([np.full(len(batch.labels), batch.context) for batch in batches])
        return contexts, torch.cat([batch.inputs for batch in batches]), torch.cat([batch.labels for batch in batches])

    contexts, inputs, labels = shown(1001)
    assert np.bincount(contexts).tolist() == [200, 200, 200, 200, 201]  # floor(1001 k / 5)
    for k, stage in enumerate(SPLIT.stages):
        assert set(labels[contexts == k].tolist()) == set(stage.classes)
    for start in (0, 333):
        other = shown(batch_size, start)
        assert np.array_equal(other[0], contexts[start:])
        assert torch.equal(other[1], inputs[start:]) and torch.equal(other[2], labels[start:])
    assert not torch.equal(shown(1001, seed=5)[1], inputs)


def test_no_batch_reaches_over_the_end_of_a_stage():
    seen = [seen for seen, _ in sequence.stream_stages(SPLIT, 1000, 64, 0, 0, None)]
    assert set(sequence.ends(SPLIT, 1000)) == {200, 400, 600, 800, 1000} <= set(seen)


def test_stages_of_equal_size_come_in_orders_of_their_own():
    labels = [batch.labels for _, batch in sequence.stream_stages(PERMUTED, 5 * 1287, 1287, 0, 0, None)]
    assert not any(torch.equal(labels[0], other) for other in labels[1:])


def test_a_task_that_is_no_sequence_is_shown_as_before():
    task = digits.load()
    ours, plain = sequence.stream_stages(task, 3000, 64, 1, 100, None), stream(task.train, 3000, 64, 1, 100)
    for (seen, batch), (seen_before, before) in zip(ours, plain, strict=True):
        assert seen == seen_before and batch.context == 0 and torch.equal(batch.inputs, before.inputs)
    assert sequence.told(task, 3000).samples == 3000


def test_a_task_added_behind_changes_nothing_that_was_reported(whole, tmp_path):
    """The rows of two tasks are those of the first two of three, but for the column of the third."""
    two = done(tmp_path, 2)
    short, long = rows_of(two), rows_of(whole)
    for row, other in zip(short[:-1], long, strict=False):
        cut = {"accuracies": other["accuracies"][:2]} if "accuracies" in other else {}
        assert row | {"accuracy": 0} == other | cut | {"accuracy": 0}
        assert "accuracies" in row or row["accuracy"] == other["accuracy"]
    matrix = np.array(whole.manifest()["results"]["accuracy_matrix"])
    assert np.array_equal(two.manifest()["results"]["accuracy_matrix"], matrix[:2, :2])


def test_rows_are_noted_before_learning_and_after_each_task(whole):
    rows, results = rows_of(whole), whole.manifest()["results"]
    tested = [(row["split"], row["seen"]) for row in rows if "accuracies" in row]
    assert tested == [("before", 0), ("stage", SHARE), ("stage", 2 * SHARE), ("test", 3 * SHARE)]
    assert [row["accuracies"] for row in rows if "accuracies" in row][1:] == results["accuracy_matrix"]
    validated = [(row["stage"], row["seen"]) for row in rows if row["split"] == "val"]
    assert validated == [
        (k, k * SHARE + due) for k in range(3) for due in (800, 1500)
    ]  # with the batch that reaches 750
    assert results["test_accuracy"] == results["average_accuracy"] == pytest.approx(np.mean(rows[-1]["accuracies"]))
    assert np.sum(results["confusion"]) == 3 * 360
    assert whole.manifest()["data"]["stages"] == ["order 0", "order 1", "order 2"]


# A checkpoint after each of the 45 batches: the first, within a stage, at its end (after its row of R was noted), last.
@pytest.mark.parametrize("moments", [(1,), (15,), (16, 22), (30, 31), (45,)])
def test_an_interrupted_sequence_ends_with_the_same_bits(whole, tmp_path, monkeypatch, moments):
    run = opened(tmp_path, 3)
    save, calls = harness._save_checkpoint, []

    def interrupt(*arguments):
        calls.append(arguments)
        if len(calls) in moments:
            raise KeyboardInterrupt
        save(*arguments)

    monkeypatch.setattr(harness, "CHECKPOINT_S", 0.0)
    monkeypatch.setattr(harness, "_save_checkpoint", interrupt)
    for _ in moments:
        with pytest.raises(KeyboardInterrupt):
            train(run)
    train(run)
    assert len(calls) == 45 + len(moments)
    assert outcome(run) == outcome(whole)


def test_a_trial_reads_no_test_split(whole, tmp_path, monkeypatch):
    class Trap:
        source = None  # looked for by neuro.references

        def __getattr__(self, name):
            raise AssertionError(f"{name} of the test split was read")

    stages = tuple(stage._replace(test=Trap()) for stage in THREE.stages)
    monkeypatch.setitem(TASKS, "3-orders", lambda: dataclasses.replace(THREE, stages=stages))
    run = opened(tmp_path, 3, kind="trial")
    train(run)
    assert rows_of(run) == [row for row in rows_of(whole) if row["split"] == "val"]
    assert run.manifest()["results"]["val_accuracy"] == whole.manifest()["results"]["val_accuracy"]


def test_what_a_sequence_cannot_be_trained_with_is_refused(tmp_path):
    with pytest.raises(ValueError, match="early stopping has no meaning; give patience 0"):
        train(opened(tmp_path, 3, patience=2))
    with pytest.raises(ValueError, match="4 samples are fewer than the 5 tasks of split-digits"):
        sequence.check_budget(SPLIT, 4, 0)


def test_rates_stay_as_they_are_at_first(whole):
    state = LEARNER.init(sequence.told(SPLIT, 500), 0)
    for _, batch in sequence.stream_stages(SPLIT, 500, 50, 0, 0, None):
        LEARNER.update(state, batch)
    assert state.optimisers["adam"].param_groups[0]["lr"] == LEARNER.lr


@dataclasses.dataclass(frozen=True)
class LastSeen:
    """Answers with the lowest label of its last batch, whatever is asked; notes the contexts that it was shown."""

    batch_size: int = 60
    uses: ClassVar[frozenset[str]] = frozenset({"labels"})
    source: ClassVar[str] = "rumelhart1986"
    contexts: ClassVar[list[int]] = []

    def init(self, problem, seed):
        weights = {"answer_C": torch.zeros(problem.n_classes)}
        return LearnerState(problem, weights, {}, torch.Generator())

    def update(self, state, batch):
        self.contexts.append(batch.context)
        state.weights["answer_C"].zero_()[batch.labels.min()] = 1.0
        return {}

    def predict(self, state, inputs):
        return state.weights["answer_C"].expand(len(inputs), -1)


@pytest.mark.parametrize("scenario", ["class-incremental", "task-incremental"])
def test_the_matrix_of_a_learner_whose_answers_are_known(tmp_path, monkeypatch, scenario):
    """After stage k it answers 2 k. Told the classes of stage j, all of whose scores are 0, the first one answers."""
    monkeypatch.setitem(LEARNERS, "last-seen", LastSeen)
    monkeypatch.setitem(TASKS, "split-digits", lambda: dataclasses.replace(SPLIT, scenario=scenario))
    run = open_training(Training("split-digits", "last-seen", LastSeen(), Budget(600, 5)), "x", tmp_path, threads=1)
    LastSeen.contexts.clear()
    train(run)
    share = [float(np.mean(stage.test.labels == stage.classes[0])) for stage in SPLIT.stages]
    expected = np.diag(share) if scenario == "class-incremental" else np.tile(share, (5, 1))
    np.testing.assert_allclose(run.manifest()["results"]["accuracy_matrix"], expected, atol=1e-12)
    assert LastSeen.contexts[:10] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    before = [share[0], 0, 0, 0, 0] if scenario == "class-incremental" else share  # all scores 0: class 0 answers
    np.testing.assert_allclose(run.manifest()["results"]["accuracies_before"], before, atol=1e-12)


def test_knowing_the_task_never_lowers_accuracy():
    """Other tasks' classes are wrong answers all, so taking them out of the contest can only help."""
    state = LEARNER.init(sequence.told(SPLIT, 2000), 1)
    for _, batch in sequence.stream_stages(SPLIT, 2000, 50, 1, 0, None):
        LEARNER.update(state, batch)
    for stage in SPLIT.stages:
        alone, among_all = (evaluate(LEARNER, state, stage.test, c) for c in (stage.classes, ()))
        assert alone.accuracy >= among_all.accuracy
        others = np.delete(alone.confusion_CC.sum(0), stage.classes)
        assert others.sum() == 0
