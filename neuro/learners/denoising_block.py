"""The block of NoProp: an image and a noised label in, scores of the classes out.

    image     (conv 3 x 3, maximum over 2 x 2, ReLU, dropout)  for each entry of conv; the last without maximum
              F = norm(W_image a)                        256 features
    latent    l_1 = relu(norm(W_1 z)),  l_2 = relu(norm(W_2 l_1)),  L = l_1 + norm(W_3 l_2)
    joined    j_1 = relu(norm(W_4 [F, L])),  j_2 = relu(norm(W_5 j_1)),  scores = W_6 j_2 + bias

norm is batch normalisation. A block in continuous time has biases in its place, and its join takes the
features of a third path: [F, L, relu(W_time p(t) + bias)], with p(t) the sines and cosines of t.

Everything a block holds stands in two dicts: weights, and memory (running means and variances).

Axes: B sample, F feature, N component of the noised label, I input, J output; images are [B, channel, height, width].
References: li2025 (figure 6), ioffe2015 (batch normalisation), srivastava2014 (dropout), vaswani2017 (p),
he2015 (first weights where there is no norm).
Deviations: the maximum is taken before the ReLU (the same result, less work). It follows every convolution
but the last (public readings of the figure: the first and the third), which takes less than half the work.
Dropout silences whole channels (paper: not said). The map before a norm has no bias; the norm would remove it.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear

from neuro.learners import label_embedding
from neuro.learners.base import LearnerState, Problem, standardised
from neuro.learners.layers import (
    Layer,
    check_images,
    drive,
    normalised,
    pooled,
    shape_out,
    synaptic_events,
    uniform,
    weight_shape,
)
from neuro.seeds import child

HE = math.sqrt(6.0)  # he2015, equation 10: from +-1/sqrt(inputs) to a deviation of sqrt(2/inputs)
HIGHEST_RATE = 1e4  # of the angles of p(t), over the whole time: vaswani2017 has 10,000 positions


class Block(NamedTuple):
    """Sizes of a block. has_norm: batch normalisation, else biases. n_time: sines and cosines of time, 0: none."""

    shape: tuple[int, ...]
    n_latent: int
    n_out: int
    conv: tuple[int, ...]
    width: int
    joined: tuple[int, ...]
    dropout: float
    has_norm: bool = True
    n_time: int = 0


def layers(block: Block) -> dict[str, Layer]:
    """Every linear map of a block, by name, inputs first. ValueError for sizes that do not fit."""
    if block.n_time % 2:
        raise ValueError(f"n_time = {block.n_time}: sines and cosines come in pairs; give an even number")
    shape, maps = block.shape, {}
    if block.conv:
        check_images(shape)
    for k, channels in enumerate(block.conv, 1):
        maps[f"conv_{k}"] = Layer(shape, channels, kernel=3, pool=2 if k < len(block.conv) else 1)
        shape = shape_out(maps[f"conv_{k}"])
        if min(shape) < 1:
            raise ValueError(f"images of {block.shape[1:]} pixels are too small for {len(block.conv)} convolutions")
    maps["image"] = Layer((math.prod(shape),), block.width)
    for k, n_in in enumerate((block.n_latent, block.width, block.width), 1):
        maps[f"latent_{k}"] = Layer((n_in,), block.width)
    if block.n_time:
        maps["time"] = Layer((block.n_time,), block.width)
    n_in = block.width * (3 if block.n_time else 2)
    for k, n_out in enumerate(block.joined, 1):
        maps[f"joined_{k}"] = Layer((n_in,), n_out)
        n_in = n_out
    maps["scores"] = Layer((n_in,), block.n_out)
    return maps


def names(block: Block) -> list[tuple[str, ...]]:
    """The names of the weights of each linear map and its norm."""
    return [(name, f"{name}_bias") + (f"{name}_gain",) * is_normed(block, name) for name in layers(block)]


def is_normed(block: Block, name: str) -> bool:
    """Whether batch normalisation follows a map."""
    return block.has_norm and name.startswith(("image", "latent", "joined"))


def draw(block: Block, rng: torch.Generator) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Fresh weights and memory."""
    weights, memory = {}, {}
    for name, layer in layers(block).items():
        # without a norm, signals must keep their size through the ReLUs, or the image is not heard
        gain = 1.0 if block.has_norm or name == "scores" else HE
        weights[name] = (gain * uniform(weight_shape(layer), rng).detach()).requires_grad_()
        if is_normed(block, name):
            weights[f"{name}_gain"] = torch.ones(layer.n_out, requires_grad=True)
            memory[f"{name}_mean"], memory[f"{name}_variance"] = torch.zeros(layer.n_out), torch.ones(layer.n_out)
        weights[f"{name}_bias"] = torch.zeros(layer.n_out, requires_grad=True)
    return weights, memory


class Run:
    """One pass through a block: `features` of the images first, then `scores` of any number of noised labels.

    rng: of dropout while learning; None for inference, which uses the running means. inputs: what each map was given.
    """

    def __init__(
        self,
        block: Block,
        weights: Mapping[str, Tensor],
        memory: Mapping[str, Tensor],
        rng: torch.Generator | None = None,
    ) -> None:
        self.block, self.weights, self.memory, self.rng = block, weights, memory, rng
        self.layers = layers(block)
        self.inputs: dict[str, Tensor] = {}

    def features(self, images: Tensor) -> Tensor:
        """F, from images in the layout of `as_images`."""
        activity = images
        for k in range(1, len(self.block.conv) + 1):
            layer = self.layers[f"conv_{k}"]
            activity = self._dropped(torch.relu(pooled(layer, self._map(f"conv_{k}", activity))))
        if activity.dim() == 4:  # channels last, as they lie in memory: flattening copies nothing
            activity = activity.permute(0, 2, 3, 1).flatten(1)
        return self._map("image", activity)

    def scores(self, features_BF: Tensor, latents_BN: Tensor, times_B: Tensor | None = None) -> Tensor:
        """Scores of the block's outputs, float32."""
        first = torch.relu(self._map("latent_1", latents_BN))
        second = torch.relu(self._map("latent_2", first))
        paths = [features_BF, first + self._map("latent_3", second)]
        if times_B is not None:
            paths.append(torch.relu(self._map("time", waves(times_B, self.block.n_time))))
        activity = torch.cat(paths, 1)
        for k in range(1, len(self.block.joined) + 1):
            activity = torch.relu(self._map(f"joined_{k}", activity))
        return self._map("scores", activity).float()

    def take_events(self) -> int:
        """Work since the last call: multiply-accumulates whose input is not 0."""
        events = sum(synaptic_events(self.layers[name], given) for name, given in self.inputs.items())
        self.inputs.clear()
        return events

    def _map(self, name: str, activity: Tensor) -> Tensor:
        """A linear map and its norm."""
        self.inputs[name] = activity
        bias = self.weights[f"{name}_bias"]
        if not is_normed(self.block, name):
            return drive(self.layers[name], activity, self.weights[name], bias)
        moments = self.memory[f"{name}_mean"], self.memory[f"{name}_variance"]
        driven = linear(activity, self.weights[name])
        return normalised(driven, moments, self.weights[f"{name}_gain"], bias, is_learning=self.rng is not None)

    def _dropped(self, images: Tensor) -> Tensor:
        if self.rng is None or not self.block.dropout:
            return images
        keep = 1 - self.block.dropout
        is_kept = torch.empty(*images.shape[:2], 1, 1).bernoulli_(keep, generator=self.rng)
        return images * (is_kept / keep).to(images.dtype)


def start_blocks(
    learner: Any, block: Block, problem: Problem, seed: int, n_blocks: int, *, has_output: bool = True
) -> LearnerState:
    """A state of a learner with blocks, an output map and an embedding, without optimisers."""
    rng = torch.Generator().manual_seed(seed)
    memory = {"seen": torch.zeros((), dtype=torch.int64), "seed": torch.tensor(seed)}
    weights: dict[str, Tensor] = {}
    layers: list[tuple[str, ...]] = []
    for t in range(1, n_blocks + 1):
        drawn, running = draw(block, rng)
        weights |= named(drawn, f"block_{t}")
        memory |= named(running, f"block_{t}")
        layers += [tuple(f"block_{t}.{name}" for name in layer) for layer in names(block)]
    embedding_CN = label_embedding.start(learner.embedding, problem, learner.embedding_size, rng)
    if has_output:  # at first, the nearest of embeddings of equal length wins
        weights["output.map"] = embedding_CN.clone().requires_grad_()
        weights["output.bias"] = torch.zeros(problem.n_classes, requires_grad=True)
        layers.append(("output.map", "output.bias"))
    if learner.embedding == "one-hot":
        memory["embedding"] = embedding_CN
    else:
        weights["output.embedding"] = embedding_CN.requires_grad_()
    return LearnerState(problem, weights, {}, rng, tuple(layers), memory)


def as_images(problem: Problem, rows_BI: Tensor) -> Tensor:
    """Standardised samples; images [B, channel, height, width], with channels last in memory."""
    rows_BI = standardised(problem, rows_BI)
    if len(problem.shape) != 3:
        return rows_BI
    images = rows_BI.reshape(-1, *problem.shape).permute(0, 2, 3, 1)
    # a copy, since with one channel torch takes any layout for channels last, and then runs the slow way
    return torch.empty(images.shape).copy_(images).permute(0, 3, 1, 2)


def generator(state: LearnerState, *path: str | int) -> torch.Generator:
    """The generator that belongs to the seed in memory["seed"] and a path of names; no draw shifts another's."""
    seed = child(int(state.memory["seed"]), "noprop", *path).integers(2**62)
    return torch.Generator().manual_seed(int(seed))


def waves(times_B: Tensor, n: int) -> Tensor:
    """p(t): n/2 sines and n/2 cosines, periods evenly spaced in their logarithm."""
    rates = HIGHEST_RATE ** torch.linspace(0, 1, n // 2)
    angles = times_B[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], 1)


def part(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors of one block among those of all."""
    return {key.removeprefix(f"{name}."): tensor for key, tensor in tensors.items() if key.startswith(f"{name}.")}


def named(tensors: Mapping[str, Tensor], name: str) -> Iterator[tuple[str, Tensor]]:
    """The inverse of `part`."""
    return ((f"{name}.{key}", tensor) for key, tensor in tensors.items())
