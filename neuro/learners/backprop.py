"""Backpropagation in a feedforward network without spikes: the baseline of every local learner.

    a_0 = x,   a_k = pool(act(W_k a_{k-1} + b_k)),  k = 1 .. L-1,   a_L = W_L a_{L-1} + b_L
    loss = cross-entropy of softmax(a_L) with the labels,  differentiated through all layers

x: standardised images. pool: the maximum over squares, after convolutions alone.
Its fields describe the networks of the other learners, so that the same architecture is trained both ways.

Axes: B sample, C class.
References: rumelhart1986, kingma2015 (Adam), loshchilov2017 (the rate falls with a cosine over the budget).
Deviations: no one paper is followed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, elu

from neuro.events import Events
from neuro.learners.base import Batch, LearnerState, Problem, descend, standardised
from neuro.learners.layers import (
    PRECISIONS,
    Layer,
    drive,
    pooled,
    products_in,
    stack,
    synaptic_events,
    uniform,
    weight_shape,
)
from neuro.record import Counts
from neuro.units import choice, param

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": torch.relu, "elu": elu, "tanh": torch.tanh}


@dataclass(frozen=True)
class Backprop:
    """The exact gradient of the output's cross-entropy, carried down through the transposed weights."""

    conv: tuple[int, ...] = param("1", "channels of each convolution, 3 x 3", default=(), minimum=1)
    stride: int = param("px", "step of each convolution", default=1, minimum=1)
    pool: int = param("px", "side of the max pooling after each convolution; 1: none", default=2, minimum=1)
    hidden: tuple[int, ...] = param("1", "units of each dense hidden layer", default=(1000, 1000), minimum=1)
    activation: str = choice("activation of the hidden layers", ACTIVATIONS, default="relu")
    lr: float = param("1", "learning rate at the start (Adam)", default=1e-3, above=0, search=(1e-4, 1e-2))
    batch_size: int = param("samples", "samples of one update", default=100, minimum=1)
    precision: str = choice("of activities in learning; weights and loss are float32", PRECISIONS, default="float32")

    uses: ClassVar[frozenset[str]] = frozenset({"labels", "global_error", "weight_transport", "whole_pass"})
    source: ClassVar[str] = "rumelhart1986"

    def init(self, problem: Problem, seed: int) -> LearnerState:
        """Weights drawn from the seed, and the optimiser's state."""
        rng = torch.Generator().manual_seed(seed)
        weights = {}
        for k, layer in enumerate(self._layers(problem), 1):
            weights[f"layer_{k}"] = uniform(weight_shape(layer), rng)
            weights[f"bias_{k}"] = torch.zeros(layer.n_out, requires_grad=True)
        names = tuple((f"layer_{k}", f"bias_{k}") for k in range(1, len(weights) // 2 + 1))
        adam = torch.optim.Adam(weights.values(), lr=self.lr, fused=True)
        memory = {"seen": torch.zeros((), dtype=torch.int64)}
        return LearnerState(problem, weights, {"adam": adam}, rng, names, memory)

    def update(self, state: LearnerState, batch: Batch) -> dict[str, float]:
        """Learn from one batch, in place; returns its loss."""
        with products_in(self.precision):
            scores_BC = self._run(state, batch.inputs)[-1].float()
        loss = cross_entropy(scores_BC, batch.labels)
        descend(state, loss, len(batch.labels))
        return {"loss": loss.item()}

    @torch.no_grad()
    def predict(self, state: LearnerState, inputs: Tensor | Events) -> Tensor:
        """Scores [B, C]; the work done is added to state.counts."""
        activities = self._run(state, inputs)
        events = sum(map(synaptic_events, self._layers(state.problem), activities[:-1]))
        state.counts += Counts(synaptic_events=events)
        return activities[-1]

    def _run(self, state: LearnerState, inputs: Tensor | Events) -> list[Tensor]:
        """Activities a_0 (the standardised input) to a_L (scores)."""
        problem = state.problem
        activities = [standardised(problem, inputs)]
        layers = self._layers(problem)
        for k, layer in enumerate(layers, 1):
            driven = drive(layer, activities[-1], state.weights[f"layer_{k}"], state.weights[f"bias_{k}"])
            if k < len(layers):
                driven = pooled(layer, ACTIVATIONS[self.activation](driven))
            activities.append(driven)
        return activities

    def _layers(self, problem: Problem) -> tuple[Layer, ...]:
        return stack(problem, self.conv, self.hidden, stride=self.stride, pool=self.pool)
