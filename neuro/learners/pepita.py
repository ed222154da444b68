"""PEPITA: two forward passes, the second with the output's error added to the input.

    first pass     h_0 = x,           h_k = relu(W_k h_{k-1}),   k = 1 .. L-1,   h_L = softmax(W_L h_{L-1})
    error          e = h_L - label
    second pass    g_0 = x + F e,     g_k as h_k, with the same weights and the same dropout masks
    hidden         dW_k = m_k (h_k - g_k) g_{k-1}^T,   k < L;   m_k: the layer's mask, 1 without dropout
    output         dW_L = (g_L - label) g_{L-1}^T
    update         momentum, then W_k <- W_k - rate dW_k, averaged over the batch

F is fixed and random. No error travels backwards: a layer compares its own activity in the two passes.

Axes: B sample, C class, I input or presynaptic unit, J unit of a layer.
References: dellaferrera2022 (method; numbers of main.py in GiorgiaD/PEPITA), loshchilov2017 (cosine).
Deviations: the rate falls with a cosine over the budget (paper: by 10 after 60 and 90 of its 100 passes). The
output's error in dW_L is that of the second pass, and h_k - g_k, masked already, is masked once more, both as in the
authors' code (paper, algorithm 1: the first's, and no m_k).
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import linear, one_hot

from neuro.events import Events
from neuro.learners.base import Batch, LearnerState, Problem, flat, follow
from neuro.record import Counts
from neuro.units import param


@dataclass(frozen=True)
class PEPITA:
    """Present the error to perturb the input, to modulate activity."""

    hidden: tuple[int, ...] = param("1", "units of each hidden layer", default=(1024,), minimum=1)
    lr: float = param("1", "learning rate at the start", default=0.1, above=0, search=(1e-2, 1.0))
    momentum: float = param("1", "share of the last step that is kept", default=0.9, minimum=0, maximum=0.999)
    dropout: float = param("1", "share of the hidden units silent in an update", default=0.1, minimum=0, maximum=0.9)
    feedback_scale: float = param("1", "bound of F, over sqrt(6 / inputs)", default=0.05, above=0, search=(5e-3, 0.5))
    batch_size: int = param("samples", "samples of one update", default=64, minimum=1)

    uses: ClassVar[frozenset[str]] = frozenset({"labels", "global_error", "whole_pass"})
    source: ClassVar[str] = "dellaferrera2022"

    def init(self, problem: Problem, seed: int) -> LearnerState:
        """Weights and F drawn from the seed, and the optimiser's state."""
        rng = torch.Generator().manual_seed(seed)
        sizes = (problem.n_inputs, *self.hidden, problem.n_classes)
        weights = {}
        for k, (n_pre, n_post) in enumerate(pairwise(sizes), 1):
            weights[f"layer_{k}"] = _he_uniform(n_post, n_pre, n_pre, rng).requires_grad_()
        feedback_IC = self.feedback_scale * _he_uniform(problem.n_inputs, problem.n_classes, problem.n_inputs, rng)
        sgd = torch.optim.SGD(weights.values(), lr=self.lr, momentum=self.momentum, fused=True)
        memory = {"feedback": feedback_IC, "seen": torch.zeros((), dtype=torch.int64)}
        return LearnerState(problem, weights, {"sgd": sgd}, rng, tuple((name,) for name in weights), memory)

    @torch.no_grad()
    def update(self, state: LearnerState, batch: Batch) -> dict[str, float]:
        """Learn from one batch, in place; returns the loss of the first pass."""
        masks = self._masks(state, len(batch.labels))
        found, loss = gradients(state, flat(batch.inputs), batch.labels, masks)
        follow(state, found, len(batch.labels))
        return {"loss": loss}

    @torch.no_grad()
    def predict(self, state: LearnerState, inputs: Tensor | Events) -> Tensor:
        """Scores [B, C], the output before the softmax; the work done is added to state.counts."""
        activities = run(state, flat(inputs), None)
        fan_outs = [*self.hidden, state.problem.n_classes]
        events = sum(int(a.count_nonzero()) * n for a, n in zip(activities[:-1], fan_outs, strict=True))
        state.counts += Counts(synaptic_events=events)
        return activities[-1]

    def _masks(self, state: LearnerState, n_samples: int) -> list[Tensor] | None:
        """Dropout of both passes of an update: 0, or 1 / kept share, for each hidden unit."""
        if not self.dropout:
            return None
        kept = 1.0 - self.dropout
        return [torch.empty(n_samples, n).bernoulli_(kept, generator=state.rng) / kept for n in self.hidden]


def run(state: LearnerState, input_BI: Tensor, masks: list[Tensor] | None) -> list[Tensor]:
    """Activities from the input to the output before its softmax."""
    activities, n_layers = [input_BI], len(state.weights)
    for k in range(1, n_layers + 1):
        drive_BJ = linear(activities[-1], state.weights[f"layer_{k}"])
        if k < n_layers:
            drive_BJ = drive_BJ.relu_() if masks is None else drive_BJ.relu_().mul_(masks[k - 1])
        activities.append(drive_BJ)
    return activities


def gradients(
    state: LearnerState, input_BI: Tensor, labels_B: Tensor, masks: list[Tensor] | None
) -> tuple[dict[str, Tensor], float]:
    """dW_k by names, averaged over the batch, and the cross-entropy of the first pass."""
    labels_BC = one_hot(labels_B, state.problem.n_classes)
    first = run(state, input_BI, masks)
    log_output_BC = first[-1].log_softmax(1)
    error_BC = log_output_BC.exp() - labels_BC
    second = run(state, input_BI + error_BC @ state.memory["feedback"].T, masks)
    mismatches = [h_BJ - g_BJ for h_BJ, g_BJ in zip(first[1:-1], second[1:-1], strict=True)]
    if masks is not None:
        mismatches = [mismatch_BJ * mask_BJ for mismatch_BJ, mask_BJ in zip(mismatches, masks, strict=True)]
    mismatches.append(second[-1].softmax(1) - labels_BC)
    pairs = zip(mismatches, second[:-1], strict=True)
    found = {f"layer_{k}": d_BJ.T @ g_BI / len(labels_B) for k, (d_BJ, g_BI) in enumerate(pairs, 1)}
    return found, -(log_output_BC * labels_BC).sum(1).mean().item()


def _he_uniform(n_rows: int, n_columns: int, fan_in: int, rng: torch.Generator) -> Tensor:
    """Uniform within +-sqrt(6 / fan_in)."""
    bound = math.sqrt(6.0 / fan_in)
    return torch.empty(n_rows, n_columns).uniform_(-bound, bound, generator=rng)
