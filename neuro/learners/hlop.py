"""Hebbian learning based orthogonal projection (HLOP): lateral synapses find what old tasks need, and protect it.

1. Each layer's input x meets lateral neurons y = H x. While a task is learned, the rows of H that are new learn by
   the Hebbian and anti-Hebbian pair (`neuro.learners.hebbian`): they come to span the principal subspace of x.
2. When the next task begins, those rows are old and stay, and new rows are added.
3. Weights learn from x less what old rows return:   p = x - H^T f(H x),   dW = delta p^T.   So an input that lies
   in the old subspace meets the weights as they were.
   f is linear, or a spiking neuron: signed spikes in a number of steps.
4. With linear neurons the projection can be made of the gradient, for the sum over samples is linear:
   sum delta (x - H^T H x)^T = G (I - H^T H). This is done where x is not constant, because it costs once a
   batch, not once a sample and step; with a matrix I - H^T H made once a task where H has more than half as many
   rows as columns. The constant input of the lowest layer is projected itself, once a batch.

Rows: 80, 200, 100 in the three layers at first; 70 more a task, 20 fewer from every third task on.

Axes: M lateral neuron, H old lateral neuron, I input, B sample.
References: xiao2024 (numbers: spiking_train_pmnist.py and models/spiking_mlp_hlop.py of pkuxmq/HLOP-SNN).
Deviations: H learns from the mean of x over time, as its authors do it where x is the weighted firing rate (their
default network); their networks under BPTT and online learning take the spikes of all steps, and the Hebbian updates
then cost about as much as the training itself. Under online learning, too, H learns once a batch, not once a step.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from neuro.learners.base import LearnerState, Problem
from neuro.learners.hebbian import hebbian_pair, linear_response, quantised_response
from neuro.learners.protection import Protection, Step, check_room, old_tasks, orthogonal
from neuro.learners.spiking_network import LearnedFrom

if TYPE_CHECKING:
    from neuro.learners.spiking_mlp import SpikingMLP


def subspace_ends(learner: SpikingMLP, layer: int) -> list[int]:
    """Number of lateral neurons of a layer after each task."""
    rows, growth = [learner.subspaces[layer]], learner.subspace_growth
    for task in range(1, learner.n_tasks):
        growth -= learner.subspace_shrink if task % 3 == 0 else 0
        rows.append(rows[-1] + max(growth, 0))
    return rows


def rows_of(learner: SpikingMLP, layer: int, task: int) -> slice:
    """The rows that learn during a task; those before them are old."""
    ends = subspace_ends(learner, layer)
    return slice(ends[task - 1] if task else 0, ends[task])


def memory(learner: SpikingMLP, problem: Problem) -> dict[str, Tensor]:
    """Lateral weights and their momentum, with room for all tasks. ValueError if the subspaces do not fit."""
    sizes = (problem.n_inputs, *learner.hidden)
    if len(learner.subspaces) != len(sizes):
        raise ValueError(
            f"subspaces {learner.subspaces} are for {len(learner.subspaces)} layers of {len(sizes)}; give one a layer"
        )
    tensors = {}
    for layer, size in enumerate(sizes):
        rows = subspace_ends(learner, layer)[-1]
        if rows > size:
            raise ValueError(
                f"{learner.n_tasks} tasks need {rows} lateral neurons at layer {layer + 1}, which has {size} inputs;"
                " lower subspaces, subspace_growth or n_tasks"
            )
        most = max(learner.subspaces[layer], learner.subspace_growth)
        tensors |= {f"lateral_{layer}": torch.zeros(rows, size), f"momentum_{layer}": torch.zeros(most, size)}
    return tensors


def begin_task(learner: SpikingMLP, state: LearnerState, task: int) -> None:
    """New rows start orthonormal; those there become old."""
    check_room(learner.n_tasks, task, "HLOP")
    for layer in range(len(state.layers)):
        state.memory[f"momentum_{layer}"].zero_()
        new_MI = state.memory[f"lateral_{layer}"][rows_of(learner, layer, task)]
        if len(new_MI):
            torch.nn.init.orthogonal_(new_MI, generator=state.rng)


def old_rows(learner: SpikingMLP, state: LearnerState, layer: int) -> Tensor:
    """Lateral weights [H, I] that no longer change."""
    return state.memory[f"lateral_{layer}"][: rows_of(learner, layer, old_tasks(state)).start]


def response_of(learner: SpikingMLP) -> Callable[[Tensor], Tensor]:
    """What the lateral neurons make of their input."""
    if learner.lateral == "linear":
        return linear_response
    return functools.partial(quantised_response, largest=learner.lateral_largest, n_steps=learner.lateral_steps)


def learned_from(learner: SpikingMLP, state: LearnerState) -> LearnedFrom:
    """Inputs less their old subspace, where the gradient is not projected instead."""
    response = response_of(learner)

    def unprotected(layer: int, x_TBI: Tensor) -> Tensor:
        old_HI = old_rows(learner, state, layer)
        if not len(old_HI) or (layer > 0 and learner.lateral == "linear"):
            return x_TBI
        return x_TBI - response(x_TBI @ old_HI.T) @ old_HI

    return unprotected


def transform(learner: SpikingMLP, state: LearnerState, found: list[Tensor]) -> list[Tensor]:
    """Gradients less their old subspace, where the inputs were not projected."""
    if learner.lateral != "linear" or not old_tasks(state):
        return found
    return found[:1] + [_projected(learner, state, layer, gradient) for layer, gradient in enumerate(found[1:], 1)]


def _projected(learner: SpikingMLP, state: LearnerState, layer: int, gradient_JI: Tensor) -> Tensor:
    """G (I - H^T H), by the cheaper of two ways."""
    old_HI, name = old_rows(learner, state, layer), f"projector_{layer}"
    if 2 * len(old_HI) <= old_HI.shape[1] or len(gradient_JI) < len(old_HI):
        return orthogonal(gradient_JI, old_HI)
    made_for, projector_II = state.scratch.get(name, (0, gradient_JI))
    if made_for != len(old_HI):
        projector_II = orthogonal(torch.eye(old_HI.shape[1]), old_HI)
        state.scratch[name] = (len(old_HI), projector_II)
    return gradient_JI @ projector_II


@torch.no_grad()
def after_update(learner: SpikingMLP, state: LearnerState, step: Step) -> None:
    """The new rows learn from the batch."""
    for layer, rates_BI in enumerate(step.rates):
        new, old_HI = rows_of(learner, layer, old_tasks(state)), old_rows(learner, state, layer)
        lateral_MI = state.memory[f"lateral_{layer}"][new]
        momentum_MI = state.memory[f"momentum_{layer}"][: len(lateral_MI)]
        learned_MI, moved_MI = hebbian_pair(
            lateral_MI,
            momentum_MI,
            rates_BI,
            learner.lr_lateral if layer else learner.lr_lateral_input,
            old_HI=old_HI,
            n_steps=learner.hebbian_steps,
            response=response_of(learner),
        )
        lateral_MI.copy_(learned_MI)
        momentum_MI.copy_(moved_MI)


HLOP = Protection(memory, begin_task, learned_from, transform, after_update=after_update)
