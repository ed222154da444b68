"""Feedback alignment, layer by layer or direct: errors come back through fixed random weights.

    forward    h_0 = x,   z_k = W_k h_{k-1} + b_k,   h_k = pool(act(z_k)),   k = 1 .. L-1,   scores = z_L
    output     delta_L = softmax(z_L) - label                       the gradient of the cross-entropy
    feedback   FA:   e_k = B_{k+1}^T delta_{k+1}                    B_k has the shape of W_k
               DFA:  e_k = B_{k+1}^T delta_L                        B_{k+1} is classes x units of h_k
    hidden     delta_k = e_k  d h_k / d z_k                         act and pooling are local
    update     dW_k = delta_k h_{k-1}^T,   db_k = delta_k           averaged over the batch, into Adam

With W_k in place of B_k, FA is backpropagation. The feedback never changes; the forward weights come to
align with it. Of a convolution, B_k is a kernel too, and carries errors as the transposed convolution does.
The networks, their forward pass and the optimiser are those of Backprop, so that only the feedback differs.

Axes: B sample, C class.
References: lillicrap2016 (FA), nokland2016 (DFA), kingma2015 (Adam), loshchilov2017 (the rate falls with a cosine).
Deviations: Adam (lillicrap2016: gradient descent; nokland2016: RMSprop). B_k is uniform within
+-1/sqrt(fan-in of W_k) for FA, and +-1/sqrt(units of h_k) for DFA as in anokland/dfa-torch. Forward weights
start random (nokland2016: from 0 with tanh and DFA). Inputs are standardised; no dropout (nokland2016: best with).
Layers of 1000 units (nokland2016's best: 800); tanh as there, which on MNIST's validation split, after 3 passes, was
0.2 % (FA) and 0.3 % (DFA) better than ReLU.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot
from torch.nn.grad import conv2d_input, conv2d_weight

from neuro.events import Events
from neuro.learners.backprop import ACTIVATIONS, Backprop
from neuro.learners.base import Batch, LearnerState, Problem, follow, standardised
from neuro.learners.layers import Layer, drive, pooled, shape_out, stack, uniform
from neuro.units import choice, param

Feedback = Callable[[int, Tensor, Tensor], Tensor]  # (k, delta_k, delta_L) -> e_{k-1}


@dataclass(frozen=True)
class FeedbackAlignment:
    """Each layer's error passes to the one below through a random matrix of the forward matrix's shape."""

    conv: tuple[int, ...] = param("1", "channels of each convolution, 3 x 3", default=(), minimum=1)
    stride: int = param("px", "step of each convolution", default=1, minimum=1)
    pool: int = param("px", "side of the max pooling after each convolution; 1: none", default=2, minimum=1)
    hidden: tuple[int, ...] = param("1", "units of each dense hidden layer", default=(1000, 1000), minimum=1)
    activation: str = choice("activation of the hidden layers", ACTIVATIONS, default="tanh")
    lr: float = param("1", "learning rate at the start (Adam)", default=1e-3, above=0, search=(1e-4, 1e-2))
    batch_size: int = param("samples", "samples of one update", default=100, minimum=1)

    uses: ClassVar[frozenset[str]] = frozenset({"labels", "global_error", "whole_pass"})
    source: ClassVar[str] = "lillicrap2016"

    def init(self, problem: Problem, seed: int) -> LearnerState:
        """Forward weights and fixed feedback drawn from the seed, and the optimiser's state."""
        state = forward_network(self).init(problem, seed)
        for name, weight in list(state.weights.items())[2::2]:  # all matrices but the lowest
            state.memory[f"feedback_{name}"] = uniform(tuple(weight.shape), state.rng).detach()
        return state

    def update(self, state: LearnerState, batch: Batch) -> dict[str, float]:
        """Learn from one batch, in place; returns its loss."""
        return learn_from_feedback(self, state, batch)

    def predict(self, state: LearnerState, inputs: Tensor | Events) -> Tensor:
        """Scores [B, C]; the work done is added to state.counts."""
        return forward_network(self).predict(state, inputs)

    def feedback(self, state: LearnerState) -> Feedback:
        """How an error passes from layer k to the activity h_{k-1} below it."""
        layers = layers_of(self, state.problem)
        return lambda k, delta, output_BC: _transposed(layers[k - 1], delta, state.memory[f"feedback_layer_{k}"])


@dataclass(frozen=True)
class DirectFeedbackAlignment:
    """The output's error reaches every hidden layer at once, through a random matrix for each."""

    conv: tuple[int, ...] = param("1", "channels of each convolution, 3 x 3", default=(), minimum=1)
    stride: int = param("px", "step of each convolution", default=1, minimum=1)
    pool: int = param("px", "side of the max pooling after each convolution; 1: none", default=2, minimum=1)
    hidden: tuple[int, ...] = param("1", "units of each dense hidden layer", default=(1000, 1000), minimum=1)
    activation: str = choice("activation of the hidden layers", ACTIVATIONS, default="tanh")
    lr: float = param("1", "learning rate at the start (Adam)", default=1e-3, above=0, search=(1e-4, 1e-2))
    batch_size: int = param("samples", "samples of one update", default=100, minimum=1)

    uses: ClassVar[frozenset[str]] = frozenset({"labels", "global_error", "whole_pass"})
    source: ClassVar[str] = "nokland2016"

    def init(self, problem: Problem, seed: int) -> LearnerState:
        """Forward weights and fixed feedback drawn from the seed, and the optimiser's state."""
        state = forward_network(self).init(problem, seed)
        for k, layer in enumerate(layers_of(self, problem)[:-1], 2):
            shape = (problem.n_classes, math.prod(shape_out(layer)))
            state.memory[f"feedback_layer_{k}"] = uniform(shape, state.rng).detach()
        return state

    def update(self, state: LearnerState, batch: Batch) -> dict[str, float]:
        """Learn from one batch, in place; returns its loss."""
        return learn_from_feedback(self, state, batch)

    def predict(self, state: LearnerState, inputs: Tensor | Events) -> Tensor:
        """Scores [B, C]; the work done is added to state.counts."""
        return forward_network(self).predict(state, inputs)

    def feedback(self, state: LearnerState) -> Feedback:
        """How the output's error reaches the activity h_{k-1}."""
        return lambda k, delta, output_BC: output_BC @ state.memory[f"feedback_layer_{k}"]


Aligned = FeedbackAlignment | DirectFeedbackAlignment


def forward_network(learner: Aligned) -> Backprop:
    """The learner that has the same forward network."""
    return Backprop(**asdict(learner))


def layers_of(learner: Aligned, problem: Problem) -> tuple[Layer, ...]:
    """The layers of the forward network, lowest first."""
    return stack(problem, learner.conv, learner.hidden, stride=learner.stride, pool=learner.pool)


@torch.no_grad()
def learn_from_feedback(learner: Aligned, state: LearnerState, batch: Batch) -> dict[str, float]:
    """One step of Adam along the aligned gradients."""
    found, loss = gradients(learner, state, batch)
    follow(state, found, len(batch.labels))
    return {"loss": loss}


@torch.no_grad()
def gradients(learner: Aligned, state: LearnerState, batch: Batch) -> tuple[dict[str, Tensor], float]:
    """What stands in for the gradient of the mean loss, by names of weights, and that loss."""
    problem, layers = state.problem, layers_of(learner, state.problem)
    act, feedback = ACTIVATIONS[learner.activation], learner.feedback(state)
    below, inputs, driven = standardised(problem, batch.inputs), [], []
    for k, layer in enumerate(layers, 1):
        inputs.append(below)
        driven.append(drive(layer, below, state.weights[f"layer_{k}"], state.weights[f"bias_{k}"]))
        below = pooled(layer, act(driven[-1])) if k < len(layers) else driven[-1]
    labels_BC = one_hot(batch.labels, problem.n_classes)
    delta = output_BC = (below.softmax(1) - labels_BC) / len(labels_BC)
    found = {}
    for k in range(len(layers), 0, -1):
        found[f"layer_{k}"], found[f"bias_{k}"] = _weight_gradient(layers[k - 1], inputs[k - 1], delta)
        if k > 1:
            delta = _through_activation(layers[k - 2], act, driven[k - 2], feedback(k, delta, output_BC))
    return found, cross_entropy(below, batch.labels).item()


def _weight_gradient(layer: Layer, below: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
    """dW = delta h^T and db = delta, summed over the batch and, of a convolution, over pixels."""
    if not layer.kernel:
        return delta.T @ below.flatten(1), delta.sum(0)
    images = below.reshape(len(below), *layer.shape_in)
    shape = (layer.n_out, layer.shape_in[0], layer.kernel, layer.kernel)
    weight = conv2d_weight(images, shape, delta, layer.stride, layer.kernel // 2)
    return weight, delta.sum((0, 2, 3))


@torch.enable_grad()
def _through_activation(layer: Layer, act: Callable[[Tensor], Tensor], driven: Tensor, error: Tensor) -> Tensor:
    """The error at z_k from that at h_k: autograd differentiates act and pooling, and no weight."""
    driven = driven.detach().requires_grad_()
    activity = pooled(layer, act(driven))
    return torch.autograd.grad(activity, driven, error.reshape(activity.shape))[0]


def _transposed(layer: Layer, delta: Tensor, feedback: Tensor) -> Tensor:
    """The error at a layer's input: what the transposed weights would carry, were they the feedback."""
    if not layer.kernel:
        return delta @ feedback
    shape = (len(delta), *layer.shape_in)
    return conv2d_input(shape, feedback, delta, layer.stride, layer.kernel // 2)
