"""Forward-forward: every layer learns alone to tell true pairs of image and label from false ones.

    input      a_0 = [image, label]
    activity   a_k = relu(W_k h_{k-1} + b_k)       h_0 = a_0,   h_k = a_k / rms(a_k)
    goodness   g_k = mean of a_k^2 over units      p_k = sigmoid(sharpness (g_k - threshold))     eq. 1
    layer      loss_k = -log p_k of the true pair - log(1 - p_k) of the false pair
    softmax    q = softmax(S [h_2 .. h_K] + s) of a pass with the neutral label, 1/C in each place

1. A neutral pass of the batch gives q. Each image's false label is drawn in proportion to q among the
   wrong ones: what the network confuses now is what it must learn to reject (section 3.3).
2. The true and the false pairs pass together. Every h_k is detached and has mean square 1, so a layer
   cannot read its predecessor's goodness, and loss_k changes W_k and b_k and nothing else.
3. S and s learn by cross-entropy on the neutral pass and reach no layer below them.
Inference "goodness": one pass with each label; the goodness of all layers but the first is summed and
the largest wins. "softmax": one neutral pass; the largest of q wins. A single layer stands for "all but
the first". The image's part of the first drive is the same for every label: computed and counted once.

Axes: P pass (true and false; or one for each label), B sample, C class, I input, J unit of a layer.
References: hinton2022 (section 3.3), kingma2015 (Adam).
Deviations: the label has C inputs of its own beside the image (paper: it replaces the first 10 pixels,
black in MNIST). Two layers of 500 units (paper: four of 2000). Goodness is a mean of squares with a
threshold of 1 and a slope of 10, that is, 10/500 on the sum (paper: the sum itself, slope 1, threshold
not given). Adam at 1e-3 in batches of 100 (paper: not given; loweX/Forward-Forward: momentum SGD at
1e-3, weight decay, peer normalisation, wrong labels drawn evenly, the gradient passed through silent
units, the input normalised; none of these here).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear, one_hot, softplus

from neuro.events import Events
from neuro.learners.base import Batch, LearnerState, Problem, flat
from neuro.record import Counts
from neuro.units import choice, param


@dataclass(frozen=True)
class ForwardForward:
    """A stack of ReLU layers, each trained on the goodness of its own activity."""

    hidden: tuple[int, ...] = param("1", "units of each hidden layer", default=(500, 500), minimum=1)
    lr: float = param("1", "learning rate of the layers (Adam)", default=1e-3, above=0)
    lr_softmax: float = param("1", "learning rate of the softmax (Adam)", default=1e-3, above=0)
    threshold: float = param("1", "goodness of a pair that is as likely true as false", default=1.0, above=0)
    sharpness: float = param("1", "slope of the log-odds of a true pair over goodness", default=10.0, above=0)
    inference: str = choice("how a class is read out", ("goodness", "softmax"), default="goodness")
    batch_size: int = param("samples", "samples of one update", default=100, minimum=1)

    # whole_pass: the false label is drawn from the softmax, which sits on top of the neutral pass
    uses: ClassVar[frozenset[str]] = frozenset({"labels", "negative_samples", "whole_pass"})
    source: ClassVar[str] = "hinton2022"

    def init(self, problem: Problem, seed: int) -> LearnerState:
        """Weights drawn from the seed, and the optimisers' state."""
        if not self.hidden:
            raise ValueError("ForwardForward.hidden is empty; give at least one layer, as in (500, 500)")
        rng = torch.Generator().manual_seed(seed)
        sizes = (problem.n_inputs + problem.n_classes, *self.hidden)
        layers = {}
        for k, (n_pre, n_post) in enumerate(pairwise(sizes), 1):
            layers[f"layer_{k}"] = torch.randn(n_post, n_pre, generator=rng) / math.sqrt(n_pre)
            layers[f"bias_{k}"] = torch.zeros(n_post)
        n_read = sum(_read_layers(self.hidden))
        readout = {
            "softmax": torch.zeros(problem.n_classes, n_read),
            "softmax_bias": torch.zeros(problem.n_classes),
        }
        weights = {name: weight.requires_grad_() for name, weight in (layers | readout).items()}
        optimisers: dict[str, torch.optim.Optimizer] = {
            "layers": torch.optim.Adam([weights[name] for name in layers], lr=self.lr),
            "softmax": torch.optim.Adam([weights[name] for name in readout], lr=self.lr_softmax),
        }
        names = tuple((f"layer_{k}", f"bias_{k}") for k in range(1, len(self.hidden) + 1))
        return LearnerState(problem, weights, optimisers, rng, names)

    def update(self, state: LearnerState, batch: Batch) -> dict[str, float]:
        """Learn from one batch, in place; returns its losses."""
        image_BJ = _image_drive(state, flat(batch.inputs))
        logits_BC = _softmax_logits(state, self._run(state, image_BJ, _neutral(state)))
        wrong_B = _draw_wrong(logits_BC.detach(), batch.labels, state.rng)
        labels_PBC = one_hot(torch.stack([batch.labels, wrong_B]), state.problem.n_classes).float()
        layer_losses = [self._loss(a_PBJ) for a_PBJ in self._run(state, image_BJ, labels_PBC)]
        loss = torch.stack(layer_losses).sum()  # of terms that share no weight
        softmax_loss = cross_entropy(logits_BC, batch.labels)
        for optimiser in state.optimisers.values():
            optimiser.zero_grad()
        (loss + softmax_loss).backward()
        for optimiser in state.optimisers.values():
            optimiser.step()
        return {"loss": loss.item(), "softmax_loss": softmax_loss.item()}

    @torch.no_grad()
    def predict(self, state: LearnerState, inputs: Tensor | Events) -> Tensor:
        """Scores [B, C]; the work done is added to state.counts."""
        image_BI = flat(inputs)
        image_BJ = _image_drive(state, image_BI)
        if self.inference == "softmax":
            labels_PBC = _neutral(state)
            activities = self._run(state, image_BJ, labels_PBC)
            scores_BC = _softmax_logits(state, activities)
            n_read = sum(_non_zero(_read_layers(activities))) * state.problem.n_classes
        else:
            labels_PBC = torch.eye(state.problem.n_classes, device=image_BJ.device)[:, None]
            activities = self._run(state, image_BJ, labels_PBC)
            goodness = [a_PBJ.square().mean(2).T for a_PBJ in _read_layers(activities)]
            scores_BC = torch.stack(goodness).sum(0)
            n_read = 0
        n_first = int(image_BI.count_nonzero()) + int(labels_PBC.count_nonzero()) * len(image_BI)
        sent = zip([n_first, *_non_zero(activities[:-1])], self.hidden, strict=True)
        state.counts += Counts(synaptic_events=n_read + sum(active * fan_out for active, fan_out in sent))
        return scores_BC

    def _run(self, state: LearnerState, image_BJ: Tensor, labels_PBC: Tensor) -> list[Tensor]:
        """Activities [P, B, J] of every layer. In labels_PBC, B may be 1: one label for all samples."""
        n_classes = state.problem.n_classes
        label_PBJ = linear(labels_PBC, state.weights["layer_1"][:, -n_classes:])
        activities = [torch.relu(image_BJ + label_PBJ)]
        for k in range(2, len(self.hidden) + 1):
            h_PBI = _normalise(activities[-1].detach())
            drive_PBJ = linear(h_PBI, state.weights[f"layer_{k}"], state.weights[f"bias_{k}"])
            activities.append(torch.relu(drive_PBJ))
        return activities

    def _loss(self, a_PBJ: Tensor) -> Tensor:
        """The loss of one layer; pass 0 is true, pass 1 is false."""
        log_odds_PB = self.sharpness * (a_PBJ.square().mean(2) - self.threshold)
        return softplus(-log_odds_PB[0]).mean() + softplus(log_odds_PB[1]).mean()


def _image_drive(state: LearnerState, image_BI: Tensor) -> Tensor:
    """The image's part of the first layer's drive, shared by all passes."""
    return linear(image_BI, state.weights["layer_1"][:, : image_BI.shape[1]], state.weights["bias_1"])


def _neutral(state: LearnerState) -> Tensor:
    n_classes = state.problem.n_classes
    return state.weights["layer_1"].new_full((1, 1, n_classes), 1.0 / n_classes)


def _normalise(a_PBJ: Tensor) -> Tensor:
    """Activity scaled to a mean square of 1: only its direction reaches the next layer."""
    return a_PBJ / (a_PBJ.square().mean(-1, keepdim=True).sqrt() + 1e-6)


def _read_layers(layers: Sequence) -> Sequence:
    """The layers that are read out: all but the first, or the only one."""
    return layers[1:] or layers


def _softmax_logits(state: LearnerState, activities: Sequence[Tensor]) -> Tensor:
    """The softmax's logits of a neutral pass. Gradients stop at its own weights."""
    h_BJ = torch.cat([_normalise(a_PBJ[0].detach()) for a_PBJ in _read_layers(activities)], dim=1)
    return linear(h_BJ, state.weights["softmax"], state.weights["softmax_bias"])


def _draw_wrong(logits_BC: Tensor, labels_B: Tensor, rng: torch.Generator) -> Tensor:
    """A wrong label for each sample, in proportion to the softmax's probabilities."""
    wrong_BC = logits_BC.scatter(1, labels_B[:, None], -math.inf).softmax(1)
    return torch.multinomial(wrong_BC, 1, generator=rng)[:, 0]


def _non_zero(activities: Sequence[Tensor]) -> list[int]:
    return [int(a_PBJ.count_nonzero()) for a_PBJ in activities]
