"""Cascaded-forward: a chain of convolution blocks, each read by a linear predictor of its own.

    h_0 = x,   h_k = norm(pool(relu(V_k * h_{k-1} + c_k)))      block k: convolution 3 x 3, maximum of 2 x 2
    o_k = W_k h_k                                              its predictor
    loss_k = cross-entropy of softmax(o_k), squares |o_k - label|^2, or the sparsemax loss
    dW_k = (dloss_k / do_k) h_k^T                              softmax(o_k) - label,  2 (o_k - label),
                                                               sparsemax(o_k) - label
    answer: sum over k of softmax(o_k), or of sparsemax(o_k) where that is the loss

1. blocks "random": V_k and c_k are drawn once and fixed; only the predictors learn, each for itself.
2. blocks "dfa": the error of the topmost predictor, softmax(o_K) - label, reaches every block through a fixed
   random matrix B_k (direct feedback alignment); within a block it passes norm, pool and relu.
norm is batch normalisation without learned scale: statistics of the batch in an update, their running mean
in an answer. No error passes from one block to another.

Axes: B sample, C class, F feature (a value of h_k).
References: zhao2023 (method; shapes and losses of Graph-ZKY/CaFo), nokland2016 (DFA), martins2016 (sparsemax),
ioffe2015 (batch normalisation), kingma2015 (Adam), loshchilov2017 (cosine), spyra2025 (both kinds of blocks).
Deviations: predictors start at 0 and learn online by Adam (paper: from 1, gradient descent of 5,000 passes over
kept features; for squares the closed form, whose three Gram matrices here take 400 MB). Blocks and predictors
learn at once (paper: blocks first). The normalisation's variance is kept from 0 by 1e-4 as in the authors' code.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from neuro.events import Events
from neuro.learners.base import Batch, LearnerState, Problem, anneal, set_gradient, standardised
from neuro.learners.layers import (
    Layer,
    check_filled,
    drive,
    normalised,
    pooled,
    shape_out,
    stack,
    synaptic_events,
    uniform,
    weight_shape,
)
from neuro.record import Counts
from neuro.units import choice, param

VARIANCE_FLOOR = 1e-4


@dataclass(frozen=True)
class CascadedForward:
    """Convolution blocks, random or aligned by feedback, and one linear predictor for each."""

    conv: tuple[int, ...] = param("1", "channels of each block", default=(32, 128, 512), minimum=1)
    blocks: str = choice("how the convolutions come about", ("random", "dfa"), default="random")
    loss: str = choice(
        "what the predictors minimise", ("cross_entropy", "squares", "sparsemax"), default="cross_entropy"
    )
    lr: float = param("1", "predictors' learning rate at the start (Adam)", default=1e-3, above=0, search=(1e-4, 1e-2))
    lr_blocks: float = param(
        "1", "blocks' learning rate at the start (Adam)", default=1e-3, above=0, search=(1e-4, 1e-2)
    )
    batch_size: int = param("samples", "samples of one update", default=100, minimum=2)

    source: ClassVar[str] = "zhao2023"

    @property
    def uses(self) -> frozenset[str]:
        """Of random blocks, only the labels; the error of the topmost predictor reaches aligned ones."""
        return frozenset({"labels"} if self.blocks == "random" else {"labels", "global_error", "whole_pass"})

    def init(self, problem: Problem, seed: int) -> LearnerState:
        """Weights, fixed convolutions and feedback drawn from the seed, and the optimisers' state."""
        rng = torch.Generator().manual_seed(seed)
        blocks, predictors, layers = {}, {}, []
        memory = {"seen": torch.zeros((), dtype=torch.int64)}
        for k, block in enumerate(self._blocks(problem), 1):
            n_features = math.prod(shape_out(block))
            blocks[f"block_{k}"] = uniform(weight_shape(block), rng)
            blocks[f"block_bias_{k}"] = uniform((block.n_out,), rng, fan_in=math.prod(weight_shape(block)[1:]))
            predictors[f"predictor_{k}"] = torch.zeros(problem.n_classes, n_features, requires_grad=True)
            memory[f"mean_{k}"], memory[f"variance_{k}"] = torch.zeros(block.n_out), torch.ones(block.n_out)
            learned = (f"block_{k}", f"block_bias_{k}") if self.blocks == "dfa" else ()
            layers.append((*learned, f"predictor_{k}"))
            if self.blocks == "dfa":
                memory[f"feedback_{k}"] = uniform((problem.n_classes, n_features), rng).detach()
        optimisers: dict[str, torch.optim.Optimizer] = {}
        optimisers["predictors"] = torch.optim.Adam(predictors.values(), lr=self.lr, fused=True)
        if self.blocks == "dfa":
            optimisers["blocks"] = torch.optim.Adam(blocks.values(), lr=self.lr_blocks, fused=True)
            return LearnerState(problem, blocks | predictors, optimisers, rng, tuple(layers), memory)
        memory |= {name: weight.detach() for name, weight in blocks.items()}
        return LearnerState(problem, predictors, optimisers, rng, tuple(layers), memory)

    def update(self, state: LearnerState, batch: Batch) -> dict[str, float]:
        """Learn from one batch, in place; returns the predictors' mean cross-entropy and the topmost one's."""
        activities = self._run(state, batch.inputs, is_learning=True)
        labels_BC = one_hot(batch.labels, state.problem.n_classes).float()
        anneal(state, len(labels_BC))
        with torch.no_grad():
            losses = torch.stack(self._fit_predictors(state, activities, labels_BC))
            if self.blocks == "dfa":
                top_output_BC = activities[-1].flatten(1) @ state.weights[f"predictor_{len(self.conv)}"].T
                self._align(state, activities, (top_output_BC.softmax(1) - labels_BC) / len(labels_BC))
        for optimiser in state.optimisers.values():
            optimiser.step()
        return {"loss": losses.mean().item(), "top_loss": losses[-1].item()}

    @torch.no_grad()
    def predict(self, state: LearnerState, inputs: Tensor | Events) -> Tensor:
        """Scores [B, C]; the work done is added to state.counts."""
        activities = self._run(state, inputs, is_learning=False)
        share = sparsemax if self.loss == "sparsemax" else lambda output_BC: output_BC.softmax(1)
        scores_BC, events = torch.zeros(len(activities[0]), state.problem.n_classes), 0
        for k, (block, below) in enumerate(zip(self._blocks(state.problem), activities[:-1], strict=True), 1):
            features_BF = activities[k].flatten(1)
            scores_BC = scores_BC + share(features_BF @ state.weights[f"predictor_{k}"].T)
            events += synaptic_events(block, below) + int(features_BF.count_nonzero()) * state.problem.n_classes
        state.counts += Counts(synaptic_events=events)
        return scores_BC

    def _fit_predictors(self, state: LearnerState, activities: list[Tensor], labels_BC: Tensor) -> list[Tensor]:
        """Set the gradient of every predictor; returns their cross-entropies."""
        losses = []
        for k, activity in enumerate(activities[1:], 1):
            predictor_CF, features_BF = state.weights[f"predictor_{k}"], activity.flatten(1)
            output_BC = features_BF @ predictor_CF.T
            predictor_CF.grad = ERRORS[self.loss](output_BC, labels_BC).T @ features_BF / len(labels_BC)
            losses.append(-(output_BC.log_softmax(1) * labels_BC).sum(1).mean())
        return losses

    def _align(self, state: LearnerState, activities: list[Tensor], top_error_BC: Tensor) -> None:
        """Set the gradients of every block to what its feedback says."""
        for k, activity in enumerate(activities[1:], 1):
            error = (top_error_BC @ state.memory[f"feedback_{k}"]).reshape(activity.shape)
            learned = [state.weights[f"block_{k}"], state.weights[f"block_bias_{k}"]]
            for weight, gradient in zip(learned, torch.autograd.grad(activity, learned, error), strict=True):
                set_gradient(weight, gradient)

    def _run(self, state: LearnerState, inputs: Tensor | Events, *, is_learning: bool) -> list[Tensor]:
        """Activities h_0 (the standardised input) to h_K. No gradient passes from one block to the one below."""
        problem, memory = state.problem, state.memory
        activities = [standardised(problem, inputs)]
        fixed_or_learned = memory | state.weights
        for k, block in enumerate(self._blocks(problem), 1):
            weight, bias = fixed_or_learned[f"block_{k}"], fixed_or_learned[f"block_bias_{k}"]
            driven = pooled(block, torch.relu(drive(block, activities[-1].detach(), weight, bias)))
            moments = memory[f"mean_{k}"], memory[f"variance_{k}"]
            activities.append(normalised(driven, moments, is_learning=is_learning, floor=VARIANCE_FLOOR))
        return activities

    def _blocks(self, problem: Problem) -> tuple[Layer, ...]:
        check_filled(self, "conv")
        return stack(problem, self.conv, ())[:-1]


def sparsemax(output_BC: Tensor) -> Tensor:
    """The point of the probability simplex nearest to each row."""
    sorted_BC = output_BC.sort(1, descending=True)[0]
    excess_BC = sorted_BC.cumsum(1) - 1.0
    rank_C = torch.arange(1, output_BC.shape[1] + 1)
    n_support_B = (rank_C * sorted_BC > excess_BC).sum(1, keepdim=True)
    return torch.relu(output_BC - excess_BC.gather(1, n_support_B - 1) / n_support_B)


ERRORS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {  # of an output: the derivative of its loss
    "cross_entropy": lambda output_BC, labels_BC: output_BC.softmax(1) - labels_BC,
    "squares": lambda output_BC, labels_BC: 2.0 * (output_BC - labels_BC),
    "sparsemax": lambda output_BC, labels_BC: sparsemax(output_BC) - labels_BC,
}
