"""The only training loop: one configuration, one run folder, the same treatment for every learner.

The test split is read once, at the end; a trial of tuning never reads it. Only of a sequence of tasks are all test
splits read after each task (tasks/sequence.py). One rule stops early: with patience > 0 training ends after so many
evaluations in a row without a better validation accuracy, and the weights of the best one (of equal ones the first)
answer on the test split. With patience 0 it uses its whole budget and the last answer.

A run killed at any moment goes on from its last checkpoint and ends with the same bits: the order of samples
depends on the seed and on how many were seen, and all else that changes lies in the checkpoint. The best weights
lie in a file of their own, written before the checkpoint: after a kill in between they are written again.
"""

import dataclasses
import json
import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from neuro.files import write_whole
from neuro.learners.base import LearnerState, n_weights
from neuro.progress import Progress
from neuro.references import sources
from neuro.runs import Run, RunError, lock, open_run, read_metrics
from neuro.units import check, unknown
from tasks import TASKS, sequence
from tasks.base import Task
from tasks.checkpoint import load_tensors, save_tensors
from tasks.energy import Energy, EnergyMeter, Inference, estimate, watch
from tasks.metrics import Evaluation, PeakMemory, architecture, settle, waited_s
from tasks.neurobench import neurobench
from tasks.training import Budget, Training, from_json, to_json

CHECKPOINT_S = 20.0  # seconds of training between checkpoints
N_WATCHED = 64  # validation samples in whose inference spikes are told from graded inputs


class Diverged(ValueError):
    """A loss that is no longer finite."""


def load_task(name: str) -> Task:
    """A task by name; ValueError names the nearest one that exists."""
    if name not in TASKS:
        raise ValueError(unknown("task", name, TASKS))
    return TASKS[name]()


def open_training(
    training: Training, name: str, parent: Path, *, kind: str = "training", threads: int | None = None
) -> Run:
    """A run folder for a training, once its parameters are checked. kind: "training", or "trial" (validation only).

    threads: of torch, by default those that it has now.
    """
    check(training.learner)
    check(training.budget)
    return open_run(
        parent,
        name,
        to_json(training),
        kind=kind,
        threads=threads or torch.get_num_threads(),
        references=sources(training.learner),
    )


def train(run: Run) -> None:
    """Do, or go on with, the training of a run folder, and close it with its results."""
    with lock(run):
        manifest = run.manifest()
        if manifest["status"] == "finished":
            raise RunError(f"{run.path} is finished; look at it with `neuro plot {run.path}`")
        torch.set_num_threads(manifest["threads"])
        training = from_json(manifest["configuration"])
        run.update(status="running", process=os.getpid(), error=None)
        try:
            task = load_task(training.task)
            sequence.check_budget(task, training.budget.samples, training.budget.patience)
            data = {"name": task.name, "data": task.data, "licence": task.licence, "checksum": task.checksum}
            if task.stages:
                data |= {"scenario": task.scenario, "stages": [stage.name for stage in task.stages]}
            run.update(data=data, references=sources(training.learner, task))
            results = {"trial": _trial, "training": _results}[manifest["kind"]](training, task, run)
        except KeyboardInterrupt:
            run.finish("interrupted")
            raise
        except Exception as error:
            run.finish("failed", error=str(error))
            raise
        run.finish("finished", results=results)


@dataclass
class _Progress:
    """How far a training has come; saved with every checkpoint."""

    seen: int = 0
    train_s: float = 0.0
    waited_s: float = 0.0  # of train_s, for a core
    peak_mb: float = 0.0
    measured_j: float = 0.0  # by NVML; 0 without it
    val_accuracy: float = 0.0
    best_accuracy: float = -1.0
    best_seen: int = 0
    n_worse: int = 0  # evaluations since the best


def fit(training: Training, task: Task, run: Run) -> tuple[LearnerState, _Progress]:
    """Train within the budget from the last checkpoint on; returns the state that answers."""
    learner, budget, memory = training.learner, training.budget, PeakMemory()
    state = learner.init(sequence.told(task, budget.samples), training.seed)
    progress = _load_checkpoint(run, state)
    if sequence.note_before(run, learner, state, task):
        memory.resume()
    energy = EnergyMeter(state)
    n_samples = progress.seen if _has_stopped(progress, budget) else budget.samples
    altered = task.augmentation(budget.augment)
    batches = sequence.stream_stages(task, n_samples, learner.batch_size, training.seed, progress.seen, altered)
    title = f"{run.manifest()['name']}, seed {training.seed}"
    last_checkpoint = start = time.perf_counter()
    waited = waited_s()
    with Progress(title, budget.samples, "samples") as bar:
        for seen, batch in batches:
            measured = learner.update(state, batch)
            _check_finite(measured, seen)
            is_due = _is_due(progress.seen, seen, budget) or sequence.is_end(task, budget.samples, seen)
            progress.seen = seen
            bar.update(seen, f"{title}, validation {100 * progress.val_accuracy:.1f} %")
            if not is_due and time.perf_counter() - last_checkpoint < CHECKPOINT_S:
                continue
            settle(state)
            progress.train_s += time.perf_counter() - start
            progress.waited_s += waited_s() - waited
            memory.pause()
            energy.pause()
            progress.peak_mb = max(progress.peak_mb, memory.peak)
            progress.measured_j, energy.joules = progress.measured_j + energy.joules, 0.0
            if is_due:
                _look(training, state, task, run, progress, measured)
            _save_checkpoint(run, state, progress)
            if _has_stopped(progress, budget):
                break
            memory.resume()
            energy.resume()
            last_checkpoint = start = time.perf_counter()
            waited = waited_s()
    if budget.patience:
        load_tensors(run.path / "best.safetensors", state)
    if task.stages:
        progress.val_accuracy = sequence.validate_all(learner, state, task)
    return state, progress


def _look(
    training: Training, state: LearnerState, task: Task, run: Run, progress: _Progress, measured: Mapping[str, float]
) -> None:
    """Evaluate on the validation split, and with patience keep the weights if none were better."""
    learner, samples = training.learner, training.budget.samples
    k = sequence.stage_at(task, samples, progress.seen)
    accuracy = progress.val_accuracy = sequence.validate(learner, state, task, sequence.stages_of(task)[k])
    row = {"seen": progress.seen, "train_s": progress.train_s}
    run.metrics(split="val", **row, accuracy=accuracy, **({"stage": k} if task.stages else {}), **measured)
    if k < len(task.stages) - 1 and sequence.is_end(task, samples, progress.seen):
        sequence.note_stage(run, learner, state, task, stage=k, **row)
    progress.n_worse += 1
    if accuracy > progress.best_accuracy:
        progress.best_accuracy, progress.best_seen, progress.n_worse = accuracy, progress.seen, 0
        if training.budget.patience:
            save_tensors(run.path / "best.safetensors", state, {})


def _has_stopped(progress: _Progress, budget: Budget) -> bool:
    return 0 < budget.patience <= progress.n_worse


def _trial(training: Training, task: Task, run: Run) -> dict[str, Any]:
    """The results of a trial of tuning: accuracy on the validation split, 0 where learning diverged."""
    try:
        _, progress = fit(training, task, run)
    except Diverged as error:
        return {"val_accuracy": 0.0, "diverged": str(error)}
    return _of_training(training, progress)


def _of_training(training: Training, progress: _Progress) -> dict[str, Any]:
    """What a training has come to, without the test split."""
    stops_early = training.budget.patience > 0
    return {
        "val_accuracy": progress.best_accuracy if stops_early else progress.val_accuracy,
        "seen": progress.seen,
        "answers_seen": progress.best_seen if stops_early else progress.seen,
        "train_s": progress.train_s,
        "waited_s": progress.waited_s,
        "samples_per_s": progress.seen / progress.train_s,
        "peak_mb": progress.peak_mb,
    }


def _results(training: Training, task: Task, run: Run) -> dict[str, Any]:
    """Train, then read the test split: the results that stand in tables."""
    learner = training.learner
    state, progress = fit(training, task, run)
    meter = EnergyMeter(state)
    accuracies, found = sequence.test(learner, state, task)
    meter.pause()
    confusion = found.confusion_CC.tolist()
    inference = watch(learner, state, sequence.watched(task, N_WATCHED))
    row = {"seen": progress.seen, "train_s": progress.train_s, "accuracy": found.accuracy, "confusion": confusion}
    run.metrics(split="test", **row, **({"accuracies": accuracies} if task.stages else {}))
    return {
        "test_accuracy": found.accuracy,
        **_of_training(training, progress),
        "architecture": architecture(state),
        "n_weights": n_weights(state),
        "spikes_per_sample": found.spikes_per_sample,
        "synaptic_events_per_sample": found.synaptic_events_per_sample,
        **_energy(training, state, task, progress, meter, inference, found),
        **neurobench(state, inference, found),
        "uses": sorted(learner.uses),
        **(sequence.results(run, accuracies) if task.stages else {}),
        "confusion": confusion,
    }


def _energy(
    training: Training,
    state: LearnerState,
    task: Task,
    progress: _Progress,
    meter: EnergyMeter,
    inference: Inference,
    found: Evaluation,
) -> dict[str, Any]:
    """Joules of training and of inference, a sample and in all (inference: of the test split)."""
    n_test = sum(len(stage.test.labels) for stage in sequence.stages_of(task))
    if meter.works and progress.measured_j > 0:
        energy = Energy(progress.measured_j / progress.seen, meter.joules / n_test, "measured")
    else:
        batch = sequence.example(task, training.budget.samples, training.learner.batch_size, training.seed)
        events = found.synaptic_events_per_sample
        sums = inference.sums_among(events)
        energy = estimate(training.learner, state, batch, sums, events, training.seed)
    return {
        "energy": energy.how,
        "training_j_per_sample": energy.training_j,
        "training_j": energy.training_j * progress.seen,
        "inference_j_per_sample": energy.inference_j,
        "inference_j": energy.inference_j * n_test,
    }


def _is_due(before: int, seen: int, budget: Budget) -> bool:
    """Whether one of the evenly spaced points of evaluation lies in (before, seen]."""
    return before * budget.evaluations // budget.samples < seen * budget.evaluations // budget.samples


def _check_finite(measured: Mapping[str, float], seen: int) -> None:
    for name, value in measured.items():
        if not math.isfinite(value):
            raise Diverged(f"{name} is {value} after {seen} samples; lower the learning rate")


def _save_checkpoint(run: Run, state: LearnerState, progress: _Progress) -> None:
    header = {key: repr(value) for key, value in dataclasses.asdict(progress).items()}
    save_tensors(run.path / "checkpoint.safetensors", state, header)


def _load_checkpoint(run: Run, state: LearnerState) -> _Progress:
    """Put the last checkpoint into a fresh state, and drop evaluations that came after it."""
    path = run.path / "checkpoint.safetensors"
    progress = _Progress()
    if path.exists():
        header = load_tensors(path, state)
        values = {f.name: f.type(header.get(f.name, f.default)) for f in dataclasses.fields(_Progress)}  # type: ignore[operator]
        progress = _Progress(**values)
    rows = [row for row in read_metrics(run.path) if row["seen"] <= progress.seen and row["split"] != "test"]
    write_whole(run.path / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    return progress
