"""What protects old tasks while a new one is learned: one protocol for all continual methods.

A sequence of tasks is seen only through `Batch.context`. When it grows, a new task has begun, and `begin_task` settles
what is to be kept of the old one. In each update, in this order:

    learned_from   what the weights of a layer learn from, in place of the layer's input
    transform      of the gradients of the new samples (a projection, a penalty)
    rehearse       old samples to learn from beside the new ones; their gradients are not transformed
    after_update   after the step: subspaces, importances and memories of samples learn

All that a method keeps lies in state.memory, so that a run goes on with the same bits.

Axes: B sample, I input.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

from neuro.learners.base import LearnerState, Problem
from neuro.learners.spiking_network import LearnedFrom, as_it_is

if TYPE_CHECKING:
    from neuro.learners.spiking_mlp import SpikingMLP


class Rehearsal(NamedTuple):
    """Old samples, and the part (0 to 1) that their loss has in the whole."""

    x_BI: Tensor
    labels_B: Tensor
    part: float


class Step(NamedTuple):
    """One update, as `after_update` sees it. gradients: of the new samples; applied: what the weights went down."""

    x_BI: Tensor
    labels_B: Tensor
    rates: list[Tensor]
    gradients: list[Tensor]
    applied: list[Tensor]


@dataclass(frozen=True)
class Protection:
    """The functions of a method. Those left out do nothing. task: number of tasks that ended before, from 0."""

    memory: Callable[[SpikingMLP, Problem], dict[str, Tensor]] = lambda learner, problem: {}
    begin_task: Callable[[SpikingMLP, LearnerState, int], None] = lambda learner, state, task: None
    learned_from: Callable[[SpikingMLP, LearnerState], LearnedFrom] = lambda learner, state: as_it_is
    transform: Callable[[SpikingMLP, LearnerState, list[Tensor]], list[Tensor]] = lambda learner, state, found: found
    rehearse: Callable[[SpikingMLP, LearnerState], Rehearsal | None] = lambda learner, state: None
    after_update: Callable[[SpikingMLP, LearnerState, Step], None] = lambda learner, state, step: None


def both(first: Protection, second: Protection) -> Protection:
    """Two methods at once; inputs are replaced by the first, samples rehearsed by the second."""

    def begin_task(learner: SpikingMLP, state: LearnerState, task: int) -> None:
        first.begin_task(learner, state, task)
        second.begin_task(learner, state, task)

    def after_update(learner: SpikingMLP, state: LearnerState, step: Step) -> None:
        first.after_update(learner, state, step)
        second.after_update(learner, state, step)

    return Protection(
        memory=lambda learner, problem: first.memory(learner, problem) | second.memory(learner, problem),
        begin_task=begin_task,
        learned_from=first.learned_from,
        transform=lambda learner, state, found: second.transform(
            learner, state, first.transform(learner, state, found)
        ),
        rehearse=second.rehearse,
        after_update=after_update,
    )


def old_tasks(state: LearnerState) -> int:
    """Number of tasks that ended."""
    return int(state.memory["tasks"]) - 1


def check_room(n_tasks: int, task: int, name: str) -> None:
    """ValueError if more tasks come than room was made for."""
    if task >= n_tasks:
        raise ValueError(f"task {task + 1} of the sequence began, and {name} has room for {n_tasks}; raise n_tasks")


def sprung(gradient: Tensor, stiffness: Tensor, pull: Tensor, lr: float) -> Tensor:
    """The gradient of a loss and of springs k / 2 (w - w*)^2, such that a step of -lr solves

        w' = w - lr (gradient + k (w' - w*))

    for w': springs act as they are where the step ends, so that none is too stiff for the rate. stiffness: k; pull:
    k (w - w*).
    """
    return (gradient + pull) / (1 + lr * stiffness)


def orthogonal(rows: Tensor, basis_HI: Tensor) -> Tensor:
    """Rows [.., I] less H^T H rows: what the protected subspace does not hold."""
    return rows - (rows @ basis_HI.T) @ basis_HI
