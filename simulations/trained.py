"""A finished training as what it left: its task, its learner, and the state that answers."""

from typing import Any, NamedTuple

from neuro.learners.base import LearnerState
from neuro.runs import Run, RunError
from tasks.base import Task
from tasks.checkpoint import load_tensors
from tasks.harness import load_task
from tasks.training import Training, from_json


class Trained(NamedTuple):
    """learner: of the training, of the kind that was asked for."""

    training: Training
    learner: Any
    task: Task
    state: LearnerState


def load_trained(run: Run, kind: type, wanted: str) -> Trained:
    """What a finished training of one task left. RunError where it is none, or not of a learner of this kind.

    wanted: what is done with such learners, for the error.
    """
    manifest = run.manifest()
    if manifest.get("kind") != "training" or manifest["status"] != "finished":
        raise RunError(f"{run.path} is no finished training; name one that `neuro train` has finished")
    training = from_json(manifest["configuration"])
    if not isinstance(training.learner, kind):
        raise RunError(f"{run.path} trained {training.name!r}; {wanted}")
    task = load_task(training.task)
    if task.stages:
        raise RunError(f"{run.path}: {training.task!r} is a sequence of tasks, which has no one test split")
    state = training.learner.init(task.problem, training.seed)
    load_tensors(run.path / ("best.safetensors" if training.budget.patience else "checkpoint.safetensors"), state)
    return Trained(training, training.learner, task, state)
