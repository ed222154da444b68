"""Gradient projection memory: after each task, the main directions of each layer's input are kept; later gradients
stay out of them.

    R      inputs of a layer [I, n] on samples of the task that ended, R^ = R - M M^T R
    new    the fewest left singular vectors of R^ with   |M M^T R|^2 + |R^_k|^2 >= threshold |R|^2   (Frobenius)
    M <- [M, new],     gradient G <- G - G M M^T

They are found as eigenvectors of R^ R^^T, which has the size of the layer, however many steps and samples there are.

Axes: I input, H kept direction, n sample (and step, of spikes).
References: saha2021 (sec. 5; thresholds of main_pmnist.py in sahagobinda/GPM, 300 samples).
Deviations: spikes of all steps are columns of R. The authors' program keeps one direction fewer of the first task.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from neuro.learners.base import LearnerState, Problem
from neuro.learners.protection import Protection, Step, orthogonal
from neuro.learners.reservoir import empty, keep, kept, reservoir
from neuro.learners.spiking_network import layer_inputs

if TYPE_CHECKING:
    from neuro.learners.spiking_mlp import SpikingMLP


def memory(learner: SpikingMLP, problem: Problem) -> dict[str, Tensor]:
    """Directions of each layer, the first `count` of which are there, and samples of the running task."""
    tensors = reservoir("recent", 1, learner.kept_samples, problem.n_inputs)
    for layer, (_, n_inputs) in enumerate(learner.shapes(problem)):
        tensors[f"directions_{layer}"] = torch.zeros(n_inputs, n_inputs)
        tensors[f"count_{layer}"] = torch.zeros((), dtype=torch.int64)
    return tensors


def begin_task(learner: SpikingMLP, state: LearnerState, task: int) -> None:
    """Keep the main directions of the task that ended."""
    if task == 0:
        return
    x_BI, _ = kept(state, "recent", 1)
    for layer, inputs in enumerate(layer_inputs(learner.network(state), x_BI)):
        threshold = learner.gpm_threshold if layer else learner.gpm_threshold_input
        new_HI = new_directions(inputs.flatten(0, -2), directions(state, layer), threshold)
        start = int(state.memory[f"count_{layer}"])
        state.memory[f"directions_{layer}"][start : start + len(new_HI)] = new_HI
        state.memory[f"count_{layer}"] += len(new_HI)
    empty(state, "recent")


def new_directions(rows_nI: Tensor, there_HI: Tensor, threshold: float) -> Tensor:
    """The fewest directions that, with those there, hold a part `threshold` of the rows' squares."""
    rows, there = rows_nI.double(), there_HI.double()
    rest = orthogonal(rows, there)
    sizes, vectors = torch.linalg.eigh(rest.T @ rest)
    order = sizes.argsort(descending=True)
    missing = threshold * rows.square().sum() - (rows.square().sum() - rest.square().sum())
    if missing <= 0:
        return there_HI[:0]
    n_new = int((sizes[order].cumsum(0) < missing).sum()) + 1
    return vectors[:, order[: min(n_new, len(order) - len(there))]].T.to(rows_nI)


def directions(state: LearnerState, layer: int) -> Tensor:
    """Those kept [H, I]."""
    return state.memory[f"directions_{layer}"][: int(state.memory[f"count_{layer}"])]


def transform(learner: SpikingMLP, state: LearnerState, found: list[Tensor]) -> list[Tensor]:
    """Gradients without what lies along the kept directions."""
    return [orthogonal(gradient, directions(state, layer)) for layer, gradient in enumerate(found)]


def after_update(learner: SpikingMLP, state: LearnerState, step: Step) -> None:
    """Keep samples of the running task."""
    keep(state, "recent", torch.zeros_like(step.labels_B), step.x_BI, step.labels_B)


GPM = Protection(memory, begin_task, transform=transform, after_update=after_update)
