"""NoProp in discrete time: every block learns alone to recover the label from a noised label and the image.

    noised     z_{t-1} = sqrt(abar_{t-1}) u_y + sqrt(1 - abar_{t-1}) noise,   t = 1 .. T,  drawn directly
    block t    v_t = softmax(f_t(x, z_{t-1})) W          W: the embeddings u_c of the classes, one a row
    loss t     (T/2) eta (SNR_t - SNR_{t-1}) mean_B |v_t - u_y|^2        SNR_t = abar_t / (1 - abar_t)
    output     cross-entropy of softmax(W_out z_T + b_out) with y, for z_T drawn directly; and the divergence
               of z_0 from N(0, 1), which is 0 here, because abar_0 = 0
    answer     z_0 ~ N(0, 1),   z_t = a_t v_t + b_t z_{t-1} + sqrt(c_t) noise,   then softmax(W_out z_T + b_out)

1. No block sees another: its noised label is made from the label. Blocks may learn in any order, or in several
   processes, which wait for each other only when weights are read.
2. Loss t is differentiated through the layers of block t. No gradient is computed for the image.
3. In the answer each block refines what the block before it left. Its noise comes from the state's seed and
   is the same for all samples; the answers of several draws are averaged, and share the features of the image.

Every block draws noise and dropout from a generator of its own, seeded by (seed, block, samples seen).

Axes: B sample, C class, N component of an embedding, R draw, T block.
References: li2025 (equations 3 and 8; hyper-parameters as quoted by DanielHalachev/NoProp), nichol2021 (schedule),
loshchilov2019 (AdamW), loshchilov2017 (the rates fall with a cosine over the budget).
Deviations: the rates fall (paper: constant). Inputs are standardised (paper: not said). In an answer all samples
share their noise (paper: a draw for each). W_out starts as W (paper: not said). Further ones stand in
neuro.learners.denoising_block, noise_schedule and label_embedding.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear

from neuro.events import Events
from neuro.learners import label_embedding
from neuro.learners.base import Batch, LearnerState, Problem, anneal, flat
from neuro.learners.denoising_block import Block, Run, as_images, generator, part, start_blocks
from neuro.learners.label_embedding import embedding
from neuro.learners.layers import PRECISIONS, products_in
from neuro.learners.noise_schedule import cosine, noised, posterior, snr
from neuro.learners.parallel_blocks import ParallelState, learn_in_processes
from neuro.record import Counts
from neuro.units import choice, param

if TYPE_CHECKING:
    from neuro.learners.noprop_backprop import NoPropBackprop


@dataclass(frozen=True)
class NoProp:
    """A chain of denoising blocks, each trained on noised labels and on nothing that comes from another block."""

    blocks: int = param("1", "denoising blocks, T", default=10, minimum=1)
    conv: tuple[int, ...] = param("1", "channels of each convolution of a block", default=(32, 64, 128), minimum=1)
    width: int = param("1", "features of the image, and of the noised label", default=256, minimum=1)
    joined: tuple[int, ...] = param("1", "units of each layer behind the join", default=(256, 128), minimum=1)
    dropout: float = param("1", "part of the channels silenced in learning", default=0.2, minimum=0, maximum=0.9)
    embedding: str = choice("embedding of the labels", label_embedding.EMBEDDINGS, default="one-hot")
    embedding_size: int = param("1", "components of a learned embedding", default=20, minimum=1)
    eta: float = param("1", "weight of the blocks' losses", default=0.1, above=0)
    lr: float = param("1", "learning rate at the start (AdamW)", default=1e-3, above=0, search=(1e-4, 1e-2))
    weight_decay: float = param("1", "decay of the weights, in units of lr", default=1e-3, minimum=0)
    draws: int = param("1", "answers that are averaged; the paper has one", default=1, minimum=1)
    precision: str = choice("numbers in the matrix products of learning", PRECISIONS, default="float32")
    processes: int = param("1", "processes that share the blocks", default=1, minimum=1)
    batch_size: int = param("samples", "samples of one update", default=128, minimum=1)

    # global_error and weight_transport: inside a block; no error passes from one to another
    uses: ClassVar[frozenset[str]] = frozenset({"labels", "global_error", "weight_transport"})
    source: ClassVar[str] = "li2025"

    def init(self, problem: Problem, seed: int) -> LearnerState:
        """Weights drawn from the seed, and an optimiser for each block."""
        if self.processes > self.blocks:
            raise ValueError(f"{self.processes} processes cannot share {self.blocks} blocks; give fewer processes")
        if self.processes > 1 and self.embedding != "one-hot":
            raise ValueError(
                f"processes = {self.processes} needs blocks that share nothing, and all of them teach a"
                f" {self.embedding} embedding; give processes = 1 or embedding = 'one-hot'"
            )
        state = start_chain(self, problem, seed)
        for name in [f"block_{t}" for t in range(1, self.blocks + 1)] + ["output"]:
            state.optimisers[name] = adamw(self, part(state.weights, name).values())
        return state if self.processes == 1 else ParallelState(**vars(state))

    def update(self, state: LearnerState, batch: Batch) -> dict[str, float]:
        """Learn from one batch, in place; returns losses: with several processes, the last that they have reported."""
        if isinstance(state, ParallelState):
            losses = learn_in_processes(self, state, batch)
        else:
            label_embedding.set_prototypes(self.embedding, state, batch)
            losses = self.learn(state, batch, tuple(range(1, self.blocks + 2))).tolist()
        return {"loss": sum(losses[:-1]) / self.blocks, "output_loss": losses[-1]}

    def learn(self, state: LearnerState, batch: Batch, parts: Sequence[int]) -> Tensor:
        """Let some parts (blocks 1 to T, and T + 1, the output) learn from one batch; returns their losses."""
        step = int(state.memory["seen"])
        images = as_images(state.problem, flat(batch.inputs))
        anneal(state, len(batch.labels))
        losses_T = torch.zeros(self.blocks + 1)
        for t in range(1, self.blocks + 1):  # the output learns once after each block, as published
            if t in parts:
                losses_T[t - 1] = self._learn_block(state, t, images, batch.labels, generator(state, "block", t, step))
            if self.blocks + 1 in parts:
                losses_T[-1] = self._learn_output(state, batch.labels, generator(state, "output", t, step))
        return losses_T[torch.tensor(parts) - 1]

    def _learn_output(self, state: LearnerState, labels_B: Tensor, rng: torch.Generator) -> Tensor:
        u_BN = embedding(state)[labels_B]
        z_BN = noised(u_BN, cosine(self.blocks)[-1].float(), torch.randn(u_BN.shape, generator=rng))
        return _descend(state, "output", cross_entropy(outputs(state, z_BN), labels_B))

    def _learn_block(
        self, state: LearnerState, t: int, images: Tensor, labels_B: Tensor, rng: torch.Generator
    ) -> Tensor:
        u_BN = embedding(state)[labels_B]
        abar_T = cosine(self.blocks)
        z_BN = noised(u_BN, abar_T[t - 1].float(), torch.randn(u_BN.shape, generator=rng))
        run = block_run(self, state, t, rng)
        with products_in(self.precision):
            scores_BC = run.scores(run.features(images), z_BN)
        error_BN = scores_BC.softmax(1) @ embedding(state) - u_BN
        gained = float(snr(abar_T[t]) - snr(abar_T[t - 1]))
        loss = 0.5 * self.blocks * self.eta * gained * error_BN.square().sum(1).mean()
        return _descend(state, f"block_{t}", loss)  # a learned embedding keeps its gradient for the output's step

    @torch.no_grad()
    def predict(self, state: LearnerState, inputs: Tensor | Events) -> Tensor:
        """Probabilities [B, C]; the work done is added to state.counts."""
        return answer(self, state, as_images(state.problem, flat(inputs)))


def answer(learner: "NoProp | NoPropBackprop", state: LearnerState, images: Tensor) -> Tensor:
    """Probabilities [B, C]; the work done is added to state.counts."""
    z_BN = run_chain(learner, state, images, is_learning=False)
    state.counts += Counts(synaptic_events=int(z_BN.count_nonzero()) * state.problem.n_classes)
    return outputs(state, z_BN).softmax(1).reshape(learner.draws, len(images), -1).mean(0)


def run_chain(learner: "NoProp | NoPropBackprop", state: LearnerState, images: Tensor, *, is_learning: bool) -> Tensor:
    """z_T [draws * B, N] of all blocks, one after the other; their work is added to state.counts.

    is_learning: one draw, with a noise for each sample, dropout, the batch's own moments, and no count.
    """
    abar_T = cosine(learner.blocks)
    n_draws = 1 if is_learning else learner.draws
    shape = (n_draws, len(images), embedding(state).shape[1])
    rng = generator(state, "answer", int(state.memory["seen"]) if is_learning else 0)
    noise_TRBN = torch.randn(learner.blocks + 1, n_draws, len(images) if is_learning else 1, shape[2], generator=rng)
    z_BN = noise_TRBN[0].expand(shape).flatten(0, 1)
    for t in range(1, learner.blocks + 1):
        run = block_run(learner, state, t, rng if is_learning else None)
        with products_in(learner.precision if is_learning else "float32"):
            scores_BC = run.scores(run.features(images).repeat(n_draws, 1), z_BN)
        a, b, c = (float(number) for number in posterior(abar_T[t - 1], abar_T[t]))
        v_BN = scores_BC.softmax(1) @ embedding(state)
        z_BN = a * v_BN + b * z_BN + c**0.5 * noise_TRBN[t].expand(shape).flatten(0, 1)
        if not is_learning:
            state.counts += Counts(synaptic_events=run.take_events())
    return z_BN


def adamw(learner: "NoProp | NoPropBackprop", weights: Iterable[Tensor]) -> torch.optim.Optimizer:
    """An optimiser of some weights."""
    return torch.optim.AdamW(list(weights), lr=learner.lr, weight_decay=learner.weight_decay, fused=True)


def block_run(
    learner: "NoProp | NoPropBackprop", state: LearnerState, t: int, rng: torch.Generator | None = None
) -> Run:
    """A pass through block t; with rng, it learns."""
    name = f"block_{t}"
    return Run(_block(learner, state.problem), part(state.weights, name), part(state.memory, name), rng)


def outputs(state: LearnerState, z_BN: Tensor) -> Tensor:
    """W_out z + b_out."""
    return linear(z_BN, state.weights["output.map"], state.weights["output.bias"])


def start_chain(learner: "NoProp | NoPropBackprop", problem: Problem, seed: int) -> LearnerState:
    """A state with the blocks, the output and the embedding, without optimisers."""
    return start_blocks(learner, _block(learner, problem), problem, seed, learner.blocks)


def _block(learner: "NoProp | NoPropBackprop", problem: Problem) -> Block:
    n_latent = label_embedding.size(learner.embedding, problem, learner.embedding_size)
    n_classes = problem.n_classes
    return Block(problem.shape, n_latent, n_classes, learner.conv, learner.width, learner.joined, learner.dropout)


def _descend(state: LearnerState, name: str, loss: Tensor) -> Tensor:
    """One step of one optimiser; returns the loss."""
    loss.backward()
    state.optimisers[name].step()
    state.optimisers[name].zero_grad()
    return loss.detach()
