"""Mono-forward: every hidden layer learns alone, by the cross-entropy of scores that it projects itself.

    a_0 = x,   a_k = relu(W_k a_{k-1} + b_k)       k = 1 .. L
    scores     G_k = a_k M_k^T                      the layer's own projection, one row a class
    loss_k     = cross-entropy of softmax(G_k) with the labels

1. One forward pass. a_{k-1} is detached before layer k reads it, so that loss_k changes W_k, b_k and M_k and
   nothing else; all layers learn from every batch.
2. Prediction "sum" (the paper's FF type): argmax of G_1 + .. + G_L. "last" (its BP type): argmax of G_L, where
   the lower projections are left out of the network.
The error reaches W_k through the transposed M_k: within its own layer, weights are transported.

Axes: B sample, C class, J unit of a layer.
References: gong2025 (method), spyra2025 (2 x 1000 units on MNIST), kingma2015 (Adam), loshchilov2017 (cosine).
Deviations: Adam's rate, batches of 50 and the rate's fall with a cosine over the budget were chosen here, on MNIST's
validation split (spyra2025: constant at 1.6e-3, batches of 128, early stopping, and one layer after another instead
of all at once). Inputs are standardised.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear

from neuro.events import Events
from neuro.learners.base import Batch, LearnerState, Problem, descend, standardised
from neuro.learners.layers import check_filled, uniform
from neuro.record import Counts
from neuro.units import choice, param


@dataclass(frozen=True)
class MonoForward:
    """A stack of ReLU layers, each with a classifier of its own and no error from above."""

    hidden: tuple[int, ...] = param("1", "units of each hidden layer", default=(1000, 1000), minimum=1)
    prediction: str = choice(
        "whose scores answer: all layers' sum, or the last layer's", ("sum", "last"), default="sum"
    )
    lr: float = param("1", "learning rate at the start (Adam)", default=2e-3, above=0, search=(1e-4, 1e-2))
    batch_size: int = param("samples", "samples of one update", default=50, minimum=1)

    uses: ClassVar[frozenset[str]] = frozenset({"labels", "weight_transport"})
    source: ClassVar[str] = "gong2025"

    def init(self, problem: Problem, seed: int) -> LearnerState:
        """Weights drawn from the seed, and the optimiser's state."""
        check_filled(self, "hidden")
        rng = torch.Generator().manual_seed(seed)
        weights, layers, n_pre = {}, [], problem.n_inputs
        for k, n_post in enumerate(self.hidden, 1):
            weights[f"layer_{k}"] = uniform((n_post, n_pre), rng)
            weights[f"bias_{k}"] = torch.zeros(n_post, requires_grad=True)
            weights[f"projection_{k}"] = uniform((problem.n_classes, n_post), rng)
            answers = self.prediction == "sum" or k == len(self.hidden)
            layers.append((f"layer_{k}", f"bias_{k}") + (f"projection_{k}",) * answers)
            n_pre = n_post
        adam = torch.optim.Adam(weights.values(), lr=self.lr, fused=True)
        memory = {"seen": torch.zeros((), dtype=torch.int64)}
        return LearnerState(problem, weights, {"adam": adam}, rng, tuple(layers), memory)

    def update(self, state: LearnerState, batch: Batch) -> dict[str, float]:
        """Learn from one batch, in place; returns the sum of the layers' losses and the last one."""
        activities = self._activities(state, batch.inputs)
        layers = range(1, len(activities))
        losses = torch.stack([cross_entropy(_scores(state, activities, k), batch.labels) for k in layers])
        descend(state, losses.sum(), len(batch.labels))  # of terms that share no weight
        return {"loss": losses.sum().item(), "last_loss": losses[-1].item()}

    @torch.no_grad()
    def predict(self, state: LearnerState, inputs: Tensor | Events) -> Tensor:
        """Scores [B, C]; the work done is added to state.counts."""
        activities = self._activities(state, inputs)
        n_layers = len(self.hidden)
        read = range(1 if self.prediction == "sum" else n_layers, n_layers + 1)
        n_active = [int(a_BJ.count_nonzero()) for a_BJ in activities]
        passed_on = sum(n * fan_out for n, fan_out in zip(n_active[:-1], self.hidden, strict=True))
        n_read = sum(n_active[k] for k in read) * state.problem.n_classes
        state.counts += Counts(synaptic_events=passed_on + n_read)
        return torch.stack([_scores(state, activities, k) for k in read]).sum(0)

    def _activities(self, state: LearnerState, inputs: Tensor | Events) -> list[Tensor]:
        """Activities a_0 (the standardised input) to a_L. No gradient passes from one layer to the one below."""
        problem = state.problem
        activities = [standardised(problem, inputs)]
        for k in range(1, len(self.hidden) + 1):
            below_BJ = activities[-1].detach()
            activities.append(torch.relu(linear(below_BJ, state.weights[f"layer_{k}"], state.weights[f"bias_{k}"])))
        return activities


def _scores(state: LearnerState, activities: list[Tensor], k: int) -> Tensor:
    """G_k [B, C], the scores that layer k projects."""
    return linear(activities[k], state.weights[f"projection_{k}"])
