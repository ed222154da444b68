"""NoProp in continuous time: one block, told the time, denoises labels of any noise (CT) or points at them (FM).

CT, with abar(t) and SNR(t) of a learned schedule, 0 <= t <= 1:
    noised     z_t = sqrt(abar(t)) u_y + sqrt(1 - abar(t)) noise,   t uniform,   v = softmax(f(x, z_t, t)) W
    loss       eta/2 mean SNR'(t) |v - u_y|^2  +  cross-entropy of softmax(W_out z_1 + b_out) with y
               + KL,   KL = 1/2 (abar(0) (|u_y|^2 - N) - N log(1 - abar(0))): divergence of z_0 from N(0, 1)
    answer     z_0 ~ N(0, 1); the posterior step of neuro.learners.noise_schedule from t to t + 1/S, S times;
               then softmax(W_out z_1 + b_out)
FM:
    between    z_t = (1 - t) z_0 + t u_y,   z_0 ~ N(0, 1),   t uniform,   velocity v = f(x, z_t, t)
    loss       mean |v - (u_y - z_0)|^2, and where W is learned: cross-entropy of p(c | z_t + (1 - t) v) with y
    answer     z <- z + v / S, S times; then p(c | z) = softmax_c(-|z - u_c|^2 / 2)

The features of the image do not depend on z or t: they are computed once. In an answer all samples share their
noise; the answers of several draws are averaged.

Axes: B sample and draw, C class, N component of a label's embedding, S step.
References: li2025 (sections on continuous time and flow matching; hyper-parameters as quoted by DanielHalachev/NoProp),
kingma2021 (times), kingma2015 (Adam), loshchilov2017 (the rate falls with a cosine over the budget).
Deviations: 50 steps in an answer (paper: 1,000), which in CT follow the exact posterior (paper: an Euler step). FM has
no noise around the line from z_0 to u_y, and p by distance for every embedding (paper: a small noise; a linear map).
The times of a batch lie at equal distances (kingma2021; paper: each is drawn), so that losses vary less. The rate
falls (paper: constant). In CT it starts at 3e-4 (paper: 1e-3): SNR' is up to 1,400, and at 1e-3 the softmax of v was
driven to one class for good in two of three seeds on MNIST. Those of neuro.learners.denoising_block, noise_schedule and
label_embedding.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from neuro.events import Events
from neuro.learners import label_embedding, noise_schedule
from neuro.learners.base import Batch, LearnerState, Problem, descend, flat
from neuro.learners.denoising_block import Block, Run, as_images, generator, named, part, start_blocks
from neuro.learners.label_embedding import embedding
from neuro.learners.layers import PRECISIONS, products_in
from neuro.learners.noise_schedule import noised
from neuro.learners.noprop import outputs
from neuro.record import Counts
from neuro.units import choice, param


@dataclass(frozen=True)
class NoPropCT:
    """A denoising block for all times, and the noise schedule that it learns."""

    conv: tuple[int, ...] = param("1", "channels of each convolution", default=(32, 64, 128), minimum=1)
    width: int = param("1", "features of the image, of the noised label and of the time", default=256, minimum=1)
    joined: tuple[int, ...] = param("1", "units of each layer behind the join", default=(256, 128), minimum=1)
    dropout: float = param("1", "part of the channels silenced in learning", default=0.2, minimum=0, maximum=0.9)
    n_time: int = param("1", "sines and cosines of the time", default=64, minimum=4)
    schedule: int = param("1", "sigmoid units of the learned schedule", default=64, minimum=1)
    embedding: str = choice("embedding of the labels", label_embedding.EMBEDDINGS, default="one-hot")
    embedding_size: int = param("1", "components of a learned embedding", default=20, minimum=1)
    eta: float = param("1", "weight of the denoising loss", default=1.0, above=0)
    lr: float = param("1", "learning rate at the start (Adam)", default=3e-4, above=0, search=(1e-4, 1e-2))
    weight_decay: float = param("1", "decay of the weights, added to the gradient", default=1e-3, minimum=0)
    steps: int = param("1", "steps of an answer, S", default=50, minimum=1)
    draws: int = param("1", "answers that are averaged; the paper has one", default=1, minimum=1)
    precision: str = choice("numbers in the matrix products of learning", PRECISIONS, default="float32")
    batch_size: int = param("samples", "samples of one update", default=128, minimum=1)

    # global_error and weight_transport: inside the one block
    uses: ClassVar[frozenset[str]] = frozenset({"labels", "global_error", "weight_transport"})
    source: ClassVar[str] = "li2025"

    def init(self, problem: Problem, seed: int) -> LearnerState:
        """Weights drawn from the seed, and the optimiser."""
        state = start_blocks(self, _block(self, problem, problem.n_classes), problem, seed, 1)
        schedule = noise_schedule.learned(state.rng, self.schedule)
        state.weights |= named(schedule, "schedule")
        return _with_adam(self, state)

    def update(self, state: LearnerState, batch: Batch) -> dict[str, float]:
        """Learn from one batch, in place; returns its losses."""
        rng = generator(state, "part", 1, int(state.memory["seen"]))
        images, u_BN = _targets(self, state, batch)
        schedule = part(state.weights, "schedule")
        times_B = spread_times(len(images), rng)
        level = noise_schedule.level(schedule, times_B)
        z_BN = noised(u_BN, level.abar[:, None], torch.randn(u_BN.shape, generator=rng))
        v_BN = _learning_scores(self, state, images, z_BN, times_B, rng).softmax(1) @ embedding(state)
        denoising = 0.5 * self.eta * (level.snr_slope * (v_BN - u_BN).square().sum(1)).mean()
        first, last = noise_schedule.level(schedule, torch.tensor([0.0, 1.0])).abar
        z_1_BN = noised(u_BN, last, torch.randn(u_BN.shape, generator=rng))
        output = cross_entropy(outputs(state, z_1_BN), batch.labels)
        n = u_BN.shape[1]
        divergence = 0.5 * (first * (u_BN.square().sum(1).mean() - n) - n * torch.log1p(-first))
        descend(state, denoising + output + divergence, len(images))
        return {"loss": denoising.item(), "output_loss": output.item(), "divergence": divergence.item()}

    @torch.no_grad()
    def predict(self, state: LearnerState, inputs: Tensor | Events) -> Tensor:
        """Probabilities [B, C]; the work done is added to state.counts."""
        images = as_images(state.problem, flat(inputs))
        run, features_BF = _looked(self, state, images)
        W_CN = embedding(state)
        noise_SBN = _answer_noise(self, state, len(images), self.steps + 1)
        times_S = torch.linspace(0, 1, self.steps + 1)
        abar_S = noise_schedule.level(part(state.weights, "schedule"), times_S).abar.double()
        z_BN = noise_SBN[0]
        for k in range(self.steps):
            v_BN = run.scores(features_BF, z_BN, times_S[k].expand(len(z_BN))).softmax(1) @ W_CN
            a, b, c = (float(number) for number in noise_schedule.posterior(abar_S[k], abar_S[k + 1]))
            z_BN = a * v_BN + b * z_BN + c**0.5 * noise_SBN[k + 1]
            state.counts += Counts(synaptic_events=run.take_events())
        state.counts += Counts(synaptic_events=int(z_BN.count_nonzero()) * state.problem.n_classes)
        return outputs(state, z_BN).softmax(1).reshape(self.draws, len(images), -1).mean(0)


@dataclass(frozen=True)
class NoPropFM:
    """A block that learns the velocity from noise to the label's embedding."""

    conv: tuple[int, ...] = param("1", "channels of each convolution", default=(32, 64, 128), minimum=1)
    width: int = param("1", "features of the image, of the noised label and of the time", default=256, minimum=1)
    joined: tuple[int, ...] = param("1", "units of each layer behind the join", default=(256, 128), minimum=1)
    dropout: float = param("1", "part of the channels silenced in learning", default=0.2, minimum=0, maximum=0.9)
    n_time: int = param("1", "sines and cosines of the time", default=64, minimum=4)
    embedding: str = choice("embedding of the labels", label_embedding.EMBEDDINGS, default="one-hot")
    embedding_size: int = param("1", "components of a learned embedding", default=20, minimum=1)
    lr: float = param("1", "learning rate at the start (Adam)", default=1e-3, above=0, search=(1e-4, 1e-2))
    weight_decay: float = param("1", "decay of the weights, added to the gradient", default=1e-3, minimum=0)
    steps: int = param("1", "steps of an answer, S", default=50, minimum=1)
    draws: int = param("1", "answers that are averaged; the paper has one", default=1, minimum=1)
    precision: str = choice("numbers in the matrix products of learning", PRECISIONS, default="float32")
    batch_size: int = param("samples", "samples of one update", default=128, minimum=1)

    # global_error and weight_transport: inside the one block
    uses: ClassVar[frozenset[str]] = frozenset({"labels", "global_error", "weight_transport"})
    source: ClassVar[str] = "li2025"

    def init(self, problem: Problem, seed: int) -> LearnerState:
        """Weights drawn from the seed, and the optimiser."""
        n_out = label_embedding.size(self.embedding, problem, self.embedding_size)
        state = start_blocks(self, _block(self, problem, n_out), problem, seed, 1, has_output=False)
        return _with_adam(self, state)

    def update(self, state: LearnerState, batch: Batch) -> dict[str, float]:
        """Learn from one batch, in place; returns its losses."""
        rng = generator(state, "part", 1, int(state.memory["seen"]))
        images, u_BN = _targets(self, state, batch)
        times_B = spread_times(len(images), rng)
        z_0_BN = torch.randn(u_BN.shape, generator=rng)
        z_BN = torch.lerp(z_0_BN, u_BN, times_B[:, None])
        v_BN = _learning_scores(self, state, images, z_BN, times_B, rng)
        loss = (v_BN - (u_BN - z_0_BN)).square().sum(1).mean()
        anchor = loss.new_zeros(())
        if u_BN.requires_grad:
            anchor = cross_entropy(_nearness(state, z_BN + (1 - times_B[:, None]) * v_BN), batch.labels)
        descend(state, loss + anchor, len(images))
        return {"loss": loss.item(), "anchor_loss": anchor.item()}

    @torch.no_grad()
    def predict(self, state: LearnerState, inputs: Tensor | Events) -> Tensor:
        """Probabilities [B, C]; the work done is added to state.counts."""
        images = as_images(state.problem, flat(inputs))
        run, features_BF = _looked(self, state, images)
        z_BN = _answer_noise(self, state, len(images), 1)[0]
        for k in range(self.steps):
            z_BN = z_BN + run.scores(features_BF, z_BN, torch.full((len(z_BN),), k / self.steps)) / self.steps
            state.counts += Counts(synaptic_events=run.take_events())
        return _nearness(state, z_BN).softmax(1).reshape(self.draws, len(images), -1).mean(0)


def _block(learner: NoPropCT | NoPropFM, problem: Problem, n_out: int) -> Block:
    n_latent = label_embedding.size(learner.embedding, problem, learner.embedding_size)
    sizes = (problem.shape, n_latent, n_out, learner.conv, learner.width, learner.joined, learner.dropout)
    return Block(*sizes, has_norm=False, n_time=learner.n_time)


def _with_adam(learner: NoPropCT | NoPropFM, state: LearnerState) -> LearnerState:
    adam = torch.optim.Adam(state.weights.values(), lr=learner.lr, weight_decay=learner.weight_decay, fused=True)
    state.optimisers["adam"] = adam
    return state


def _targets(learner: NoPropCT | NoPropFM, state: LearnerState, batch: Batch) -> tuple[Tensor, Tensor]:
    """The images of a batch, and the embeddings of its labels."""
    label_embedding.set_prototypes(learner.embedding, state, batch)
    return as_images(state.problem, flat(batch.inputs)), embedding(state)[batch.labels]


def _run(learner: NoPropCT | NoPropFM, state: LearnerState, rng: torch.Generator | None = None) -> Run:
    block = _block(learner, state.problem, len(state.weights["block_1.scores_bias"]))
    return Run(block, part(state.weights, "block_1"), {}, rng)


def _learning_scores(
    learner: NoPropCT | NoPropFM,
    state: LearnerState,
    images: Tensor,
    z_BN: Tensor,
    times_B: Tensor,
    rng: torch.Generator,
) -> Tensor:
    run = _run(learner, state, rng)
    with products_in(learner.precision):
        return run.scores(run.features(images), z_BN, times_B)


def spread_times(n_samples: int, rng: torch.Generator) -> Tensor:
    """Times from 0 to 1, one in each of n_samples equal parts, all as far into their parts."""
    return (torch.arange(n_samples) + torch.rand(1, generator=rng)) / n_samples


def _looked(learner: NoPropCT | NoPropFM, state: LearnerState, images: Tensor) -> tuple[Run, Tensor]:
    """A pass of inference, and the features of its images, repeated for every draw."""
    run = _run(learner, state)
    return run, run.features(images).repeat(learner.draws, 1)


def _answer_noise(learner: NoPropCT | NoPropFM, state: LearnerState, n_samples: int, n_times: int) -> Tensor:
    """noise [time, draw * sample, N]: one noise for each draw, the same for all samples."""
    n_latent = embedding(state).shape[1]
    noise_TRN = torch.randn(n_times, learner.draws, n_latent, generator=generator(state, "answer"))
    return noise_TRN[:, :, None].expand(-1, -1, n_samples, -1).flatten(1, 2)


def _nearness(state: LearnerState, z_BN: Tensor) -> Tensor:
    """-|z - u_c|^2 / 2 of every class c, without the |z|^2 that all classes share."""
    W_CN = embedding(state)
    return z_BN @ W_CN.T - 0.5 * W_CN.square().sum(1)
