"""Training on a sequence of tasks: which samples are shown when, and what is tested after each task.

    stage k is shown the samples from floor(S k / K) to floor(S (k + 1) / K),    K stages, S samples in all
    R[k, j] = accuracy on the test split of stage j after stage k;    b[j] = the same before any learning

Within a stage, samples come as `tasks.base.stream` gives them; no batch reaches over the end of a stage. A task that is
no sequence is one of a single stage, with the very same batches.

A learner is not told how many tasks follow: `Problem.samples` is UNKNOWN, so rates that fall over a known budget stay
as they are at first. What is reported of a task therefore never changes when others are added behind it. The index of
a stage stands in `Batch.context` while learning, and nowhere in testing; only where the scenario is "task-incremental"
are scores of classes that are not the stage's own put out of the contest, here, not in `predict`.

After every stage the test splits of all stages are read, also of those to come: forward transfer needs them. So
settings must be chosen by the validation splits alone, and early stopping has no meaning.

Axes: K stage, B sample, C class.
References: lopezpaz2017 (the matrix R), vandeven2022 (scenarios).
"""

import statistics
import sys
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

import numpy as np

from neuro.learners.base import Batch, Learner, LearnerState, Problem
from neuro.runs import Run, read_metrics
from neuro.seeds import child
from tasks.base import Augmentation, Stage, Task, stream
from tasks.continual_metrics import summary
from tasks.metrics import Evaluation, evaluate

UNKNOWN = sys.maxsize  # samples, where a learner is not told how many will follow


def stages_of(task: Task) -> tuple[Stage, ...]:
    """The stages of a sequence; of any other task, itself as the only one."""
    return task.stages or (Stage(task.name, task.train, task.val, task.test, tuple(range(task.problem.n_classes))),)


def check_budget(task: Task, samples: int, patience: int) -> None:
    """ValueError if a sequence cannot be trained so."""
    if task.stages and patience:
        raise ValueError(f"{task.name} is a sequence of tasks, in which early stopping has no meaning; give patience 0")
    if task.stages and samples < len(task.stages):
        raise ValueError(f"{samples} samples are fewer than the {len(task.stages)} tasks of {task.name}; give more")


def told(task: Task, samples: int) -> Problem:
    """The problem as a learner is told it."""
    return task.problem._replace(samples=UNKNOWN if task.stages else samples)


def ends(task: Task, samples: int) -> list[int]:
    """Samples seen at the end of each stage."""
    n_stages = len(stages_of(task))
    return [samples * k // n_stages for k in range(1, n_stages + 1)]


def stage_at(task: Task, samples: int, seen: int) -> int:
    """The stage from which the last sample seen came."""
    return bisect_left(ends(task, samples), seen)


def is_end(task: Task, samples: int, seen: int) -> bool:
    """Whether a stage has just ended."""
    return seen in ends(task, samples)


def stream_stages(
    task: Task, samples: int, batch_size: int, seed: int, start: int, augment: Augmentation | None
) -> Iterator[tuple[int, Batch]]:
    """Batches of all stages, one after the other, from any `start` on: (samples seen after the batch, batch)."""
    first = 0
    for k, (stage, end) in enumerate(zip(stages_of(task), ends(task, samples), strict=True)):
        order = seed if k == 0 else int(child(seed, "stage", k).integers(2**31))
        for seen, batch in stream(stage.train, end - first, batch_size, order, max(start - first, 0), augment):
            yield first + seen, batch._replace(context=k)
        first = end


def example(task: Task, samples: int, batch_size: int, seed: int) -> Batch:
    """The first batch of the last stage: one that a learner at the end of its training would not be surprised by."""
    before = ends(task, samples)[-2] if task.stages[1:] else 0
    return next(stream_stages(task, samples, batch_size, seed, before, None))[1]


def watched(task: Task, n: int) -> Batch:
    """Validation samples of the last stage, at most n."""
    split = stages_of(task)[-1].val
    return split.batch(np.arange(min(n, len(split.labels))))


def own_classes(task: Task, stage: Stage) -> tuple[int, ...]:
    """Among which classes an answer is sought; empty: all."""
    return stage.classes if task.scenario == "task-incremental" else ()


def validate(learner: Learner, state: LearnerState, task: Task, stage: Stage) -> float:
    """Accuracy on the validation split of a stage."""
    return evaluate(learner, state, stage.val, own_classes(task, stage)).accuracy


def validate_all(learner: Learner, state: LearnerState, task: Task) -> float:
    """Mean accuracy on the validation splits of all stages."""
    return statistics.fmean(validate(learner, state, task, stage) for stage in stages_of(task))


def test(learner: Learner, state: LearnerState, task: Task) -> tuple[list[float], Evaluation]:
    """Read the test splits: the accuracy of each stage, and all together (accuracy: their mean)."""
    before, stages = state.counts, stages_of(task)
    found = [evaluate(learner, state, stage.test, own_classes(task, stage)) for stage in stages]
    n = sum(len(stage.test.labels) for stage in stages)
    together = Evaluation(
        accuracy=statistics.fmean(each.accuracy for each in found),
        confusion_CC=np.sum([each.confusion_CC for each in found], axis=0),
        spikes_per_sample=(state.counts.spikes - before.spikes) / n,
        synaptic_events_per_sample=(state.counts.synaptic_events - before.synaptic_events) / n,
    )
    return [each.accuracy for each in found], together


def note_before(run: Run, learner: Learner, state: LearnerState, task: Task) -> bool:
    """Test a sequence before any learning: the row b. Returns whether that was still to be done."""
    is_due = bool(task.stages) and not any(row["split"] == "before" for row in read_metrics(run.path))
    if is_due:
        _note(run, learner, state, task, split="before", seen=0, train_s=0.0)
    return is_due


def note_stage(run: Run, learner: Learner, state: LearnerState, task: Task, **row: Any) -> None:
    """Test a sequence after a stage: a row of R."""
    _note(run, learner, state, task, split="stage", **row)


def _note(run: Run, learner: Learner, state: LearnerState, task: Task, **row: Any) -> None:
    """A trial of tuning reads no test split, and notes nothing."""
    if run.manifest()["kind"] != "trial":
        accuracies, found = test(learner, state, task)
        run.metrics(**row, accuracy=found.accuracy, accuracies=accuracies)


def results(run: Run, last_row: list[float]) -> dict[str, Any]:
    """What a sequence adds to the results of its training. last_row: of R, after the last stage."""
    rows = read_metrics(run.path)
    before = next(row["accuracies"] for row in rows if row["split"] == "before")
    matrix = [*(row["accuracies"] for row in rows if row["split"] == "stage"), last_row]
    return {**summary(np.array(matrix), np.array(before)), "accuracy_matrix": matrix, "accuracies_before": before}
