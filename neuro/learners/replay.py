"""Experience replay: samples of old tasks are learned again beside new ones.

    replay    of each task and class, a few samples kept by a reservoir; each batch is followed by batch_size old
              samples, and the two losses count alike
    joint     every sample is kept, and the old ones count as much as there are old tasks: on average the gradient
              is that of all tasks learned together. It breaks the rule that old data are gone: an upper bound

References: chaudhry2019 (old samples in every batch), xiao2024 (50 a class and task), vitter1985 (the reservoir).
Deviations: xiao2024 takes the first samples of each class, and learns from them in one pass at a rate of 0.01 after
each task. Here no one says that the last task ended, so old samples are learned all along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from neuro.learners.base import LearnerState, Problem
from neuro.learners.protection import Protection, Rehearsal, Step, check_room, old_tasks
from neuro.learners.reservoir import keep, kept, reservoir

if TYPE_CHECKING:
    from neuro.learners.spiking_mlp import SpikingMLP


def memory(learner: SpikingMLP, problem: Problem) -> dict[str, Tensor]:
    """A reservoir whose groups are task x class."""
    return reservoir("replay", learner.n_tasks * problem.n_classes, learner.kept_per_class, problem.n_inputs)


def begin_task(learner: SpikingMLP, state: LearnerState, task: int) -> None:
    """ValueError if there is no room for the task."""
    check_room(learner.n_tasks, task, "replay")


def rehearse(learner: SpikingMLP, state: LearnerState) -> Rehearsal | None:
    """Samples of old tasks, drawn with replacement."""
    ended = old_tasks(state)
    if not ended:
        return None
    x_nI, labels_n = kept(state, "replay", ended * state.problem.n_classes)
    rows = torch.randint(len(labels_n), (learner.batch_size,), generator=state.rng)
    return Rehearsal(x_nI[rows], labels_n[rows], 0.5)


def after_update(learner: SpikingMLP, state: LearnerState, step: Step) -> None:
    """Show the batch to the reservoir."""
    groups_B = old_tasks(state) * state.problem.n_classes + step.labels_B
    keep(state, "replay", groups_B, step.x_BI, step.labels_B)


FIRST_ROOM = 4096  # samples
REPLAY = Protection(memory, begin_task, rehearse=rehearse, after_update=after_update)


def memory_of_all(learner: SpikingMLP, problem: Problem) -> dict[str, Tensor]:
    """Room that doubles when it is full, the number of samples there, and of those from old tasks."""
    count = torch.zeros((), dtype=torch.int64)
    return {
        "all_inputs": torch.zeros(FIRST_ROOM, problem.n_inputs),
        "all_labels": torch.zeros(FIRST_ROOM, dtype=torch.int64),
        "all_count": count,
        "all_old": count.clone(),
    }


def close_task(learner: SpikingMLP, state: LearnerState, task: int) -> None:
    """All samples so far are of old tasks."""
    state.memory["all_old"] = state.memory["all_count"].clone()


def rehearse_all(learner: SpikingMLP, state: LearnerState) -> Rehearsal | None:
    """Samples of all old tasks, drawn with replacement."""
    n_old, ended = int(state.memory["all_old"]), old_tasks(state)
    if not n_old:
        return None
    rows = torch.randint(n_old, (learner.batch_size,), generator=state.rng)
    return Rehearsal(state.memory["all_inputs"][rows], state.memory["all_labels"][rows], ended / (ended + 1))


def keep_all(learner: SpikingMLP, state: LearnerState, step: Step) -> None:
    """Add the batch."""
    start = int(state.memory["all_count"])
    stop = start + len(step.labels_B)
    for name, rows in (("all_inputs", step.x_BI), ("all_labels", step.labels_B)):
        there = state.memory[name]
        if stop > len(there):
            room = there.new_zeros(max(2 * len(there), stop), *there.shape[1:])
            room[:start] = there[:start]
            state.memory[name] = there = room
        there[start:stop] = rows
    state.memory["all_count"] = torch.tensor(stop)


JOINT = Protection(memory_of_all, close_task, rehearse=rehearse_all, after_update=keep_all)
