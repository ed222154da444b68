"""The only training loop: one configuration, one run folder, the same treatment for every learner.

The test split is read once, at the end. A run killed at any moment goes on from its last checkpoint and
ends with the same bits: the order of samples depends on the seed and on how many were seen, and all else
that changes lies in the checkpoint.
"""

import dataclasses
import json
import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from neuro.files import write_whole
from neuro.learners import LEARNERS
from neuro.learners.base import Learner, LearnerState, from_tensors, n_weights, to_tensors
from neuro.progress import Progress
from neuro.references import sources
from neuro.runs import Run, RunError, lock, open_run, read_metrics
from neuro.units import check, param, unknown
from tasks import TASKS
from tasks.base import Task, stream
from tasks.metrics import PeakMemory, evaluate

CHECKPOINT_S = 20.0  # seconds of training between checkpoints


class Diverged(ValueError):
    """A loss that is no longer finite."""


@dataclass(frozen=True)
class Budget:
    """How much a learner may see, and how often it is looked at."""

    samples: int = param("samples", "training samples shown in all, repeats included", default=50_000, above=0)
    evaluations: int = param("1", "evaluations on the validation split, evenly spaced", default=15, above=0)


@dataclass(frozen=True)
class Training:
    """A complete configuration of one training."""

    task: str
    learner: Any
    budget: Budget = field(default_factory=Budget)
    seed: int = 0


def to_json(training: Training) -> dict[str, Any]:
    """A configuration as plain data; `from_json` is its inverse."""
    name = next(name for name, cls in LEARNERS.items() if cls is type(training.learner))
    return {
        "task": training.task,
        "learner": {"name": name, **dataclasses.asdict(training.learner)},
        "budget": dataclasses.asdict(training.budget),
        "seed": training.seed,
    }


def from_json(data: Mapping[str, Any]) -> Training:
    """A configuration from a manifest."""
    fields = dict(data["learner"])
    name = fields.pop("name")
    if name not in LEARNERS:
        raise ValueError(unknown("learner", name, LEARNERS))
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}
    return Training(data["task"], LEARNERS[name](**fields), Budget(**data["budget"]), data["seed"])


def load_task(name: str) -> Task:
    """A task by name; ValueError names the nearest one that exists."""
    if name not in TASKS:
        raise ValueError(unknown("task", name, TASKS))
    return TASKS[name]()


def open_training(training: Training, name: str, parent: Path) -> Run:
    """A run folder for a training, after its parameters have been checked."""
    check(training.learner)
    check(training.budget)
    return open_run(
        parent,
        name,
        to_json(training),
        kind="training",
        threads=torch.get_num_threads(),
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
        run.update(status="running", process=os.getpid())
        try:
            task = load_task(training.task)
            data = {"name": task.name, "data": task.data, "licence": task.licence, "sha256": task.checksum}
            run.update(data=data, references=sources(training.learner, task))
            results = fit(training, task, run)
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
    peak_mb: float = 0.0
    val_accuracy: float = 0.0


def fit(training: Training, task: Task, run: Run) -> dict[str, Any]:
    """Train within the budget from the last checkpoint on; returns the results that stand in tables."""
    learner, budget = training.learner, training.budget
    memory = PeakMemory()
    state = learner.init(task.problem._replace(samples=budget.samples), training.seed)
    progress = _load_checkpoint(run, state)
    batches = stream(task.train, budget.samples, learner.batch_size, training.seed, progress.seen)
    title = f"{run.manifest()['name']}, seed {training.seed}"
    last_checkpoint = start = time.perf_counter()
    with Progress(title, budget.samples, "samples") as bar:
        for seen, batch in batches:
            measured = learner.update(state, batch)
            _check_finite(measured, seen)
            is_due = _is_due(progress.seen, seen, budget)
            progress.seen = seen
            bar.update(seen, f"{title}, validation {100 * progress.val_accuracy:.1f} %")
            now = time.perf_counter()
            if not is_due and now - last_checkpoint < CHECKPOINT_S:
                continue
            progress.train_s += now - start
            memory.pause()
            progress.peak_mb = max(progress.peak_mb, memory.peak)
            if is_due:
                found = evaluate(learner, state, task.val)
                progress.val_accuracy = found.accuracy
                times = {"seen": seen, "train_s": progress.train_s}
                run.metrics(split="val", **times, accuracy=found.accuracy, **measured)
            _save_checkpoint(run, state, progress)
            memory.resume()
            last_checkpoint = start = time.perf_counter()
    return _results(learner, state, task, run, progress)


def _results(learner: Learner, state: LearnerState, task: Task, run: Run, progress: _Progress) -> dict[str, Any]:
    found = evaluate(learner, state, task.test)
    confusion = found.confusion_CC.tolist()
    times = {"seen": progress.seen, "train_s": progress.train_s}
    run.metrics(split="test", **times, accuracy=found.accuracy, confusion=confusion)
    return {
        "test_accuracy": found.accuracy,
        "val_accuracy": progress.val_accuracy,
        "train_s": progress.train_s,
        "samples_per_s": progress.seen / progress.train_s,
        "peak_mb": progress.peak_mb,
        "n_weights": n_weights(state),
        "spikes_per_sample": found.spikes_per_sample,
        "synaptic_events_per_sample": found.synaptic_events_per_sample,
        "uses": sorted(learner.uses),
        "confusion": confusion,
    }


def _is_due(before: int, seen: int, budget: Budget) -> bool:
    """Whether one of the evenly spaced points of evaluation lies in (before, seen]."""
    return before * budget.evaluations // budget.samples < seen * budget.evaluations // budget.samples


def _check_finite(measured: Mapping[str, float], seen: int) -> None:
    for name, value in measured.items():
        if not math.isfinite(value):
            raise Diverged(f"{name} is {value} after {seen} samples; lower the learning rate")


def _save_checkpoint(run: Run, state: LearnerState, progress: _Progress) -> None:
    temporary = run.path / "checkpoint.tmp"
    tensors = {name: tensor.contiguous() for name, tensor in to_tensors(state).items()}
    header = {key: repr(value) for key, value in dataclasses.asdict(progress).items()}
    save_file(tensors, temporary, metadata=header)
    os.replace(temporary, run.path / "checkpoint.safetensors")


def _load_checkpoint(run: Run, state: LearnerState) -> _Progress:
    """Put the last checkpoint into a fresh state, and drop evaluations that came after it."""
    path = run.path / "checkpoint.safetensors"
    progress = _Progress()
    if path.exists():
        try:
            with safe_open(path, "pt") as file:
                header = file.metadata()
                from_tensors(state, {name: file.get_tensor(name) for name in file.keys()})
        except (SafetensorError, KeyError, RuntimeError) as error:
            raise RunError(f"{path} is damaged ({error}); remove it to start this run from its beginning") from None
        values = {f.name: f.type(header[f.name]) for f in dataclasses.fields(_Progress)}  # type: ignore[operator]
        progress = _Progress(**values)
    rows = [row for row in read_metrics(run.path) if row["seen"] <= progress.seen and row["split"] == "val"]
    write_whole(run.path / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    return progress
