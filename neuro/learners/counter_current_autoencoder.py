"""Counter-current learning without labels: a convolutional autoencoder whose target is its own input.

    encoder    a_0 = x,   a_k = relu(norm(W_k * a_{k-1})),                stride 2,   k = 1 .. K
    decoder    a_k = relu(norm(W_k * up(a_{k-1}))),   k = K+1 .. 2K-1;   a_2K = W_2K * up(a_{2K-1}) + b
    feedback   c_2K = x,  c_{k-1} = relu(norm(V_k * c_k)),                stride 2,   k = 2K .. K+1
                          c_{k-1} = relu(norm(V_k * up(c_k))),  k = K .. 2;   c_0 = V_1 * up(c_1) + d
    local      loss_k = h_k [scale mean (a_k - c_k)^2 + scale_shape mean (A_k - C_k)^2],   k = 1 .. 2K-1
    ends       loss_k = h_k scale mean (a_k - c_k)^2,   k = 0 and 2K

1. norm makes every channel's mean 0 and variance 1 over the batch and the pixels (in `reconstruct`, with
   running moments). A_k, C_k: each channel's map of a sample, its mean taken off, over its length.
   h_k: height of the maps. up: the value of the nearest neighbour, to the size of the mirrored layer.
2. The feedback network is an autoencoder too, and runs the other way. The input of every layer is detached in
   both; loss_k changes W_k and V_{k+1} and nothing else. At the ends each network learns to be the image.
3. Over the first `warmup` updates the losses grow to their full size. Gradients are centralised, and clipped to a
   norm, each network on its own; then momentum, weight decay, and a rate that falls with a cosine.
Only the forward network answers: a_2K. Rule "backpropagation" trains that network alone, with the gradient
of mean (a_2K - x)^2 through all layers.

Axes: activities are [B, channel, height, width], B sample.
References: kao2024 (method; the numbers are those of cnn_ae/stl10_ccl_legacy.yaml in IandRover/CCL-NeurIPS24),
loshchilov2017 (cosine).
Deviations: 32, 64 and 128 channels for small images (authors: 128, 256, 1024 and 2048 for 96 x 96 pixels in
colour). The rate falls to 0, batch by batch (authors: to 0.001, epoch by epoch). Biases stand in the last layer of
each network alone, since norm would take off the others; both start at 0 (authors: the feedback's is drawn).
The weights left by the last update answer (authors: those of the epoch with the best validation loss).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import mse_loss, normalize

from neuro.learners.base import LearnerState, Problem
from neuro.learners.counter_current import descend_clipped, feedback_drive, feedback_shape, set_rates, warmed_up
from neuro.learners.layers import Layer, check_filled, check_images, drive, normalised, shape_out, weight_shape
from neuro.units import choice, param

RULES = ("counter-current", "backpropagation")
UP_SCALE = 0.001  # of the first weights of every layer that enlarges; the last ones start at 0


@dataclass(frozen=True)
class CounterCurrentAutoencoder:
    """Two convolutional autoencoders, anti-parallel, each of whose layers is the target of one of the other's."""

    channels: tuple[int, ...] = param("1", "channels of each encoding convolution", default=(32, 64, 128), minimum=1)
    rule: str = choice("what the forward network learns from", RULES, default="counter-current")
    lr: float = param("1", "learning rate of both networks at the start", default=0.01, above=0, search=(1e-3, 0.3))
    momentum: float = param("1", "momentum of the descent", default=0.9, minimum=0, maximum=1)
    weight_decay: float = param("1", "decay of the weights, over the learning rate", default=1e-4, minimum=0)
    warmup: int = param("1", "updates over which the losses grow to their full size", default=100, minimum=1)
    scale: float = param("1", "weight of the difference of activities", default=1.0, above=0)
    scale_shape: float = param("1", "weight of the difference of the maps' shapes", default=1.0, minimum=0)
    clip_norm: float = param("1", "largest norm of each network's gradient", default=0.2, above=0)
    batch_size: int = param("samples", "samples of one update", default=32, minimum=1)

    source: ClassVar[str] = "kao2024"

    def init(self, problem: Problem, seed: int) -> LearnerState:
        """Weights drawn from the seed, running moments, and the optimisers' state."""
        rng = torch.Generator().manual_seed(seed)
        layers = self._layers(problem)
        weights, memory = {}, {"seen": torch.zeros((), dtype=torch.int64)}
        optimisers: dict[str, torch.optim.Optimizer] = {}
        for network in ("forward", "feedback")[: 1 + (self.rule == "counter-current")]:
            own = _draw_network(layers, network, rng)
            for k, weight in enumerate(list(own.values())[:-2], 1):
                memory[f"{network}_mean_{k}"] = torch.zeros(len(weight))
                memory[f"{network}_variance_{k}"] = torch.ones(len(weight))
            optimisers[network] = torch.optim.SGD(
                own.values(), lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay, fused=True
            )
            weights |= own
        names: list[tuple[str, ...]] = [(f"forward_{k}",) for k in range(1, 2 * len(layers))]
        names.append((f"forward_{2 * len(layers)}", "forward_bias"))
        return LearnerState(problem, weights, optimisers, rng, tuple(names), memory)

    def update(self, state: LearnerState, inputs_BI: Tensor) -> dict[str, float]:
        """Learn from one batch of images (rows), in place; returns the losses."""
        images = inputs_BI.reshape(-1, *state.problem.shape)
        layers = self._layers(state.problem)
        is_local = self.rule == "counter-current"
        forward = run_network(layers, state, "forward", images, is_local=is_local, is_learning=True)
        output_loss = mse_loss(forward[-1], images)
        loss = output_loss
        if is_local:
            feedback = run_network(layers, state, "feedback", images, is_local=True, is_learning=True)[::-1]
            loss = torch.stack(self._losses(forward, feedback)).sum()
        warm_loss = loss * warmed_up(state, self.warmup, self.batch_size)
        set_rates(state, "cosine", len(images))
        descend_clipped(state, warm_loss, self.clip_norm, is_centralised=True)
        return {"loss": loss.item(), "output_loss": output_loss.item()}

    @torch.no_grad()
    def reconstruct(self, state: LearnerState, inputs_BI: Tensor) -> Tensor:
        """The forward network's images, as rows [B, I]."""
        images = inputs_BI.reshape(-1, *state.problem.shape)
        layers = self._layers(state.problem)
        return run_network(layers, state, "forward", images, is_local=True, is_learning=False)[-1].flatten(1)

    def _losses(self, forward: list[Tensor], feedback: list[Tensor]) -> list[Tensor]:
        """loss_0 to loss_2K of activities a_0 to a_2K and c_0 to c_2K."""
        losses = []
        for k, (a, c) in enumerate(zip(forward, feedback, strict=True)):
            loss = self.scale * mse_loss(a, c)
            if 0 < k < len(forward) - 1:
                loss = loss + self.scale_shape * mse_loss(map_shapes(a), map_shapes(c))
            losses.append(a.shape[2] * loss)
        return losses

    def _layers(self, problem: Problem) -> tuple[Layer, ...]:
        """The encoder's layers; the decoder has the same, mirrored."""
        check_filled(self, "channels")
        check_images(problem.shape)
        shape, layers = problem.shape, []
        for n_out in self.channels:
            layers.append(Layer(shape, n_out, kernel=3, stride=2))
            shape = shape_out(layers[-1])
        return tuple(layers)


def run_network(
    layers: tuple[Layer, ...],
    state: LearnerState,
    network: str,
    images: Tensor,
    *,
    is_local: bool,
    is_learning: bool,
) -> list[Tensor]:
    """Activities of one of the two autoencoders, in the order it runs: its input first, its image last.

    is_local: the input of every layer is detached. is_learning: moments are those of the batch, and the running
    ones follow.
    """
    activities = [images]
    maps = [(layer, drive) for layer in layers] + [(layer, feedback_drive) for layer in layers[::-1]]
    for k, (layer, apply) in enumerate(maps, 1):
        before = activities[-1].detach() if is_local else activities[-1]
        weight = state.weights[f"{network}_{k}"]
        if k == len(maps):
            activities.append(apply(layer, before, weight, state.weights[f"{network}_bias"]))
        else:
            moments = state.memory[f"{network}_mean_{k}"], state.memory[f"{network}_variance_{k}"]
            activities.append(normalised(apply(layer, before, weight), moments, is_learning=is_learning).relu())
    return activities


def map_shapes(images: Tensor) -> Tensor:
    """Every channel's map of a sample with its mean taken off, over its length."""
    return normalize((images - images.mean((2, 3), keepdim=True)).flatten(2), dim=2, eps=1e-8)


def _draw_network(layers: tuple[Layer, ...], network: str, rng: torch.Generator) -> Mapping[str, Tensor]:
    """Orthogonal weights of one of the two, small where it enlarges, and the bias of its last layer."""
    down = [orthogonal(weight_shape(layer), rng) for layer in layers]
    up = [orthogonal(feedback_shape(layer), rng) * UP_SCALE for layer in layers[::-1]]
    up[-1].zero_()
    weights = {f"{network}_{k}": weight for k, weight in enumerate(down + up, 1)}
    weights[f"{network}_bias"] = torch.zeros(len(up[-1]))
    return {name: weight.requires_grad_() for name, weight in weights.items()}


def orthogonal(shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
    """Weights that are orthonormal between outputs (between inputs, where there are more), as far as they can be."""
    if shape[0] >= shape[1]:
        return torch.nn.init.orthogonal_(torch.empty(shape), generator=rng)
    swapped = torch.empty(shape[1], shape[0], *shape[2:])
    return torch.nn.init.orthogonal_(swapped, generator=rng).transpose(0, 1).contiguous()
