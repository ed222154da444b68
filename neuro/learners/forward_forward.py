"""Forward-forward: every layer learns alone to tell true pairs of image and label from false ones.

    input      a_0 = [image, label_strength * label]
    activity   a_k = relu(W_k h_{k-1} + b_k)       h_0 = a_0,   h_k = a_k / rms(a_k)
    goodness   g_k = mean of a_k^2 over units
    layer      loss_k = log(1 + exp(- sharpness (g_k of the true pair - g_k of the false pair)))      symba
               or - log p_k of the true pair - log(1 - p_k) of the false pair                         logistic
               with p_k = sigmoid(sharpness (g_k - threshold)), eq. 1
    softmax    q = softmax(S [h_2 .. h_K] + s) of a pass with the neutral label, 1/C in each place

1. A neutral pass of the batch gives q. Each image's false label is drawn in proportion to q among the
   wrong ones: what the network confuses now is what it must learn to reject (section 3.3).
2. The true and the false pairs pass together. Every h_k is detached and has mean square 1, so a layer
   cannot read its predecessor's goodness, and loss_k changes W_k and b_k and nothing else.
3. S and s learn by cross-entropy on the neutral pass and reach no layer below them.
4. Adam takes a step, at a rate that falls with a cosine over the budget.
Inference "goodness": one pass with each label; the goodness of all layers but the first is summed and
the largest wins. "softmax": one neutral pass; the largest of q wins. A single layer stands for "all but
the first". The image's part of the first drive is the same for every label: computed and counted once.

Axes: P pass (true and false; or one for each label), B sample, C class, I input, J unit of a layer.
References: hinton2022 (section 3.3), lee2023 (SymBa's loss), kingma2015 (Adam), loshchilov2017 (cosine).
Deviations: the loss is SymBa's (paper: logistic): on MNIST's validation split after 3 passes it reached
97.4 % where the logistic one had 93.9 % (both with a sharpness of 10 and a rate of 3e-3). The label has C
inputs of its own beside the image, of strength 5 (paper: it replaces the first 10 pixels, black in MNIST,
with a strength of 1; then learning is slower). Two layers of 500 units (paper: four of 2000). Goodness is a
mean of squares (paper: a sum). Sharpness, threshold, Adam and its rates are chosen here (paper: not given;
loweX/Forward-Forward: momentum SGD at 1e-3, weight decay, wrong labels drawn evenly, the gradient passed
through silent units, the input normalised; none of these here, and its peer normalisation, weight 0.03, is
off by default). Dropout of pixels is ours.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear, one_hot

from neuro.events import Events
from neuro.learners.base import Batch, LearnerState, Problem, descend, flat
from neuro.learners.goodness import (
    LOSSES,
    Objective,
    goodness,
    network_loss,
    peer_memory,
    read_layers,
    run_layers,
    softmax_logits,
)
from neuro.learners.layers import PRECISIONS, check_filled, products_in
from neuro.record import Counts
from neuro.units import choice, param

if TYPE_CHECKING:
    from neuro.learners.forward_forward_unsupervised import ForwardForwardUnsupervised


@dataclass(frozen=True)
class ForwardForward:
    """A stack of ReLU layers, each trained on the goodness of its own activity."""

    hidden: tuple[int, ...] = param("1", "units of each hidden layer", default=(500, 500), minimum=1)
    lr: float = param(
        "1", "learning rate of the layers at the start (Adam)", default=3e-3, above=0, search=(1e-4, 1e-2)
    )
    lr_softmax: float = param("1", "learning rate of the softmax at the start (Adam)", default=1e-3, above=0)
    label_strength: float = param("1", "input of a given label; pixels reach 1", default=5.0, above=0)
    loss: str = choice("loss of a layer", LOSSES, default="symba")
    threshold: float = param("1", "goodness as likely true as false, if the loss has one", default=1.0, above=0)
    sharpness: float = param("1", "slope of the log-odds over goodness", default=30.0, above=0, search=(3.0, 100.0))
    peer_weight: float = param("1", "weight of the peer normalisation; 0: none", default=0.0, minimum=0)
    peer_momentum: float = param("1", "of the units' mean activities", default=0.9, minimum=0, maximum=1)
    dropout: float = param("1", "share of pixels silenced at random in training", default=0.0, minimum=0, maximum=0.9)
    inference: str = choice("how a class is read out", ("goodness", "softmax"), default="goodness")
    precision: str = choice("of products of matrices in training", PRECISIONS, default="float32")
    batch_size: int = param("samples", "samples of one update", default=100, minimum=1)

    # whole_pass: the false label is drawn from the softmax, which sits on top of the neutral pass
    uses: ClassVar[frozenset[str]] = frozenset({"labels", "negative_samples", "whole_pass"})
    source: ClassVar[str] = "hinton2022"

    def init(self, problem: Problem, seed: int) -> LearnerState:
        """Weights drawn from the seed, and the optimisers' state."""
        return start(self, problem, problem.n_inputs + problem.n_classes, seed)

    def update(self, state: LearnerState, batch: Batch) -> dict[str, float]:
        """Learn from one batch, in place; returns its losses."""
        with products_in(self.precision):
            image_BJ = _image_drive(state, self._silenced(flat(batch.inputs), state.rng))
            logits_BC = self._neutral_logits(state, image_BJ.detach())
            wrong_B = _draw_wrong(logits_BC.detach(), batch.labels, state.rng)
            labels_PBC = one_hot(torch.stack([batch.labels, wrong_B]), state.problem.n_classes).float()
            activities = self._run(state, image_BJ, labels_PBC)
        loss = network_loss(self.objective(), activities, state.memory)
        softmax_loss = cross_entropy(logits_BC, batch.labels)
        descend(state, loss + softmax_loss, len(batch.labels))
        return {"loss": loss.item(), "softmax_loss": softmax_loss.item()}

    @torch.no_grad()
    def predict(self, state: LearnerState, inputs: Tensor | Events) -> Tensor:
        """Scores [B, C]; the work done is added to state.counts."""
        image_BI = flat(inputs)
        image_BJ = _image_drive(state, image_BI)
        if self.inference == "softmax":
            labels_PBC = _neutral(state)
            activities = self._run(state, image_BJ, labels_PBC)
            scores_BC = softmax_logits(state.weights, [a_PBJ[0] for a_PBJ in activities])
            n_read = sum(_non_zero(read_layers(activities))) * state.problem.n_classes
        else:
            labels_PBC = torch.eye(state.problem.n_classes, device=image_BJ.device)[:, None]
            activities = self._run(state, image_BJ, labels_PBC)
            scores_BC = torch.stack([goodness(a_PBJ).T for a_PBJ in read_layers(activities)]).sum(0)
            n_read = 0
        n_first = int(image_BI.count_nonzero()) + int(labels_PBC.count_nonzero()) * len(image_BI)
        sent = zip([n_first, *_non_zero(activities[:-1])], self.hidden, strict=True)
        state.counts += Counts(synaptic_events=n_read + sum(active * fan_out for active, fan_out in sent))
        return scores_BC

    def objective(self) -> Objective:
        """What each layer learns."""
        return Objective(self.loss, self.sharpness, self.threshold, self.peer_weight, self.peer_momentum)

    def _silenced(self, image_BI: Tensor, rng: torch.Generator) -> Tensor:
        """Images with pixels silenced at random, and the others raised to keep the mean."""
        if not self.dropout:
            return image_BI
        is_kept_BI = torch.empty_like(image_BI).bernoulli_(1 - self.dropout, generator=rng)
        return image_BI * is_kept_BI / (1 - self.dropout)

    def _run(self, state: LearnerState, image_BJ: Tensor, labels_PBC: Tensor) -> list[Tensor]:
        """Activities [P, B, J] of every layer. In labels_PBC, B may be 1: one label for all samples."""
        label_PBJ = linear(self.label_strength * labels_PBC, state.weights["layer_1"][:, -state.problem.n_classes :])
        return run_layers(state.weights, image_BJ + label_PBJ, len(self.hidden))

    def _neutral_logits(self, state: LearnerState, image_BJ: Tensor) -> Tensor:
        """The softmax's logits of a neutral pass; only its own weights get a gradient."""
        with torch.no_grad():
            activities = self._run(state, image_BJ, _neutral(state))
        return softmax_logits(state.weights, [a_PBJ[0] for a_PBJ in activities])


def start(
    learner: "ForwardForward | ForwardForwardUnsupervised", problem: Problem, n_inputs: int, seed: int
) -> LearnerState:
    """Layers on so many inputs, and a softmax that reads them, drawn from the seed. ValueError if there is no layer."""
    check_filled(learner, "hidden")
    rng = torch.Generator().manual_seed(seed)
    layers = {}
    for k, (n_pre, n_post) in enumerate(pairwise((n_inputs, *learner.hidden)), 1):
        layers[f"layer_{k}"] = torch.randn(n_post, n_pre, generator=rng) / math.sqrt(n_pre)
        layers[f"bias_{k}"] = torch.zeros(n_post)
    n_read = sum(read_layers(learner.hidden))
    readout = {"softmax": torch.zeros(problem.n_classes, n_read), "softmax_bias": torch.zeros(problem.n_classes)}
    weights = {name: weight.requires_grad_() for name, weight in (layers | readout).items()}
    optimisers: dict[str, torch.optim.Optimizer] = {
        "layers": torch.optim.Adam([weights[name] for name in layers], lr=learner.lr, fused=True),
        "softmax": torch.optim.Adam([weights[name] for name in readout], lr=learner.lr_softmax, fused=True),
    }
    names = tuple((f"layer_{k}", f"bias_{k}") for k in range(1, len(learner.hidden) + 1))
    memory = {"seen": torch.zeros((), dtype=torch.int64)} | peer_memory(learner.objective(), learner.hidden)
    return LearnerState(problem, weights, optimisers, rng, names, memory)


def _image_drive(state: LearnerState, image_BI: Tensor) -> Tensor:
    """The image's part of the first layer's drive, shared by all passes."""
    return linear(image_BI, state.weights["layer_1"][:, : image_BI.shape[1]], state.weights["bias_1"])


def _neutral(state: LearnerState) -> Tensor:
    n_classes = state.problem.n_classes
    return state.weights["layer_1"].new_full((1, 1, n_classes), 1.0 / n_classes)


def _draw_wrong(logits_BC: Tensor, labels_B: Tensor, rng: torch.Generator) -> Tensor:
    """A wrong label for each sample, in proportion to the softmax's probabilities."""
    wrong_BC = logits_BC.scatter(1, labels_B[:, None], -math.inf).softmax(1)
    return torch.multinomial(wrong_BC, 1, generator=rng)[:, 0]


def _non_zero(activities: Sequence[Tensor]) -> list[int]:
    return [int(a_PBJ.count_nonzero()) for a_PBJ in activities]
