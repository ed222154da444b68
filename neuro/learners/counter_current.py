"""Counter-current learning: a forward and a feedback network run anti-parallel and teach each other.

    forward    a_0 = x,   a_k = elu(W_k a_{k-1}),  k = 1 .. L-1,   a_L = W_L a_{L-1}
    feedback   c_L = one label a row,  c_{k-1} = elu(V_k c_k),  k = L .. 2,   c_0 = V_1 c_1
    local      loss_k = scale / n_k  mean_{B,C} (a_k . c_k - [label of sample B is C])^2,   k = 0 .. L-1
    output     loss_L = cross-entropy of softmax(a_L) with the labels

1. The image runs up the forward network, all labels (a one-hot row for each class) run down the
   feedback network; the input of every layer is detached in both.
2. In layer k the product of a sample's activity and each class's feedback is pulled to 1 for its own
   class and to 0 for the others. loss_k changes W_k and V_{k+1} and nothing else.
3. loss_0 trains V_1 alone, and nothing reads V_1. At this learning rate V_1 comes to oscillate (on MNIST
   after about 6 passes; 11 with batches of 256), and the feedback's clip, idle before, acts from then on.
   Without loss_0 the validation accuracy stayed within 0.15 % (24 passes, batches of 256).
4. Gradients are clipped to a norm, each network on its own; plain gradient descent.
Only the forward network answers: argmax of a_L.

Axes: B sample, C class, I input of a layer, J its output (in the forward sense, both networks).
References: kao2024 (method; the numbers are those of mnist_ccl.yaml in IandRover/CCL-NeurIPS24).
Deviations: batches of 64 samples (authors: 256; on MNIST, 12 passes with 64 reach what takes more than
40 with 256). Inputs are standardised by the mean and deviation of the training images at hand (authors:
0.1307 and 0.3081, those of MNIST). The weights left by the last update answer; the authors keep those
of the epoch with the best validation loss.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, elu, linear, one_hot
from torch.nn.utils import clip_grad_norm_

from neuro.events import Events
from neuro.learners.base import Batch, LearnerState, Problem, flat
from neuro.record import Counts
from neuro.units import param


@dataclass(frozen=True)
class CounterCurrent:
    """Two networks without biases that learn from each other's activity, layer by layer."""

    hidden: tuple[int, ...] = param("1", "units of each hidden layer", default=(256,) * 5, minimum=1)
    lr_forward: float = param("1", "learning rate of the forward network", default=1.0, above=0)
    lr_feedback: float = param("1", "learning rate of the feedback network", default=1.0, above=0)
    loss_scale: float = param("1", "weight of the local losses, over a layer's width", default=128.0, above=0)
    clip_norm: float = param("1", "largest norm of each network's gradient", default=1.0, above=0)
    batch_size: int = param("samples", "samples of one update", default=64, minimum=1)

    # whole_pass: only the norm in the gradient's clip needs all layers; the losses do not
    uses: ClassVar[frozenset[str]] = frozenset({"labels", "feedback_network", "whole_pass"})
    source: ClassVar[str] = "kao2024"

    def init(self, problem: Problem, seed: int) -> LearnerState:
        """Weights drawn from the seed, and the optimisers' state."""
        if not self.hidden:
            raise ValueError("CounterCurrent.hidden is empty; give at least one layer, as in (256, 256)")
        rng = torch.Generator().manual_seed(seed)
        sizes = (problem.n_inputs, *self.hidden, problem.n_classes)
        forward = {f"forward_{k}": _uniform(j, i, rng) for k, (i, j) in enumerate(pairwise(sizes), 1)}
        feedback = {f"feedback_{k}": _uniform(i, j, rng) for k, (i, j) in enumerate(pairwise(sizes), 1)}
        optimisers: dict[str, torch.optim.Optimizer] = {
            "forward": torch.optim.SGD(forward.values(), lr=self.lr_forward),
            "feedback": torch.optim.SGD(feedback.values(), lr=self.lr_feedback),
        }
        layers = tuple((name,) for name in forward)
        return LearnerState(problem, forward | feedback, optimisers, rng, layers)

    def update(self, state: LearnerState, batch: Batch) -> dict[str, float]:
        """Learn from one batch, in place; returns its losses."""
        input_loss, *hidden_losses, output_loss = self._losses(state, batch)
        hidden_loss = torch.stack(hidden_losses).sum()
        for optimiser in state.optimisers.values():
            optimiser.zero_grad()
        (input_loss + hidden_loss + output_loss).backward()
        for optimiser in state.optimisers.values():
            clip_grad_norm_(optimiser.param_groups[0]["params"], self.clip_norm)
            optimiser.step()
        return {"loss": output_loss.item(), "local_loss": hidden_loss.item(), "input_loss": input_loss.item()}

    @torch.no_grad()
    def predict(self, state: LearnerState, inputs: Tensor | Events) -> Tensor:
        """Scores [B, C]; the work done is added to state.counts."""
        activities = _run_forward(state, inputs)
        fan_outs = [*self.hidden, state.problem.n_classes]
        events = sum(int(a.count_nonzero()) * n for a, n in zip(activities[:-1], fan_outs, strict=True))
        state.counts += Counts(synaptic_events=events)
        return activities[-1]

    def _losses(self, state: LearnerState, batch: Batch) -> list[Tensor]:
        """The local losses of layers 0 to L-1, then the cross-entropy of the output."""
        forward = _run_forward(state, batch.inputs)
        feedback = _run_feedback(state)
        is_own_class_BC = one_hot(batch.labels, state.problem.n_classes).float()
        losses = []
        for a_BJ, c_CJ in zip(forward[:-1], feedback[:-1], strict=True):
            mismatch_BC = a_BJ @ c_CJ.T - is_own_class_BC
            losses.append(mismatch_BC.square().mean() * self.loss_scale / a_BJ.shape[1])
        return [*losses, cross_entropy(forward[-1], batch.labels)]


def _run_forward(state: LearnerState, inputs: Tensor | Events) -> list[Tensor]:
    """Activities a_0 (the standardised input) to a_L (scores) of the forward network."""
    problem = state.problem
    activities = [(flat(inputs) - problem.input_mean) / problem.input_std]
    n_layers = len(state.weights) // 2
    for k in range(1, n_layers + 1):
        drive_BJ = linear(activities[-1].detach(), state.weights[f"forward_{k}"])
        activities.append(drive_BJ if k == n_layers else elu(drive_BJ))
    return activities


def _run_feedback(state: LearnerState) -> list[Tensor]:
    """Activities c_0 to c_L of the feedback network, one row for each class."""
    n_layers = len(state.weights) // 2
    top = state.weights[f"feedback_{n_layers}"]
    signals = [torch.eye(state.problem.n_classes, device=top.device)]
    for k in range(n_layers, 0, -1):
        drive_CI = linear(signals[-1].detach(), state.weights[f"feedback_{k}"])
        signals.append(drive_CI if k == 1 else elu(drive_CI))
    return signals[::-1]


def _uniform(n_post: int, n_pre: int, rng: torch.Generator) -> Tensor:
    """A learned weight_JI, uniform within +-1/sqrt(n_pre), as torch.nn.Linear draws it."""
    weight_JI = torch.rand(n_post, n_pre, generator=rng).mul_(2).sub_(1) / math.sqrt(n_pre)
    return weight_JI.requires_grad_()
