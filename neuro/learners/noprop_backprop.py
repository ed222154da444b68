"""NoProp's chain of blocks, trained end to end by backpropagation: the baseline of neuro.learners.noprop.

    z_0 ~ N(0, 1),   v_t = softmax(f_t(x, z_{t-1})) W,   z_t = a_t v_t + b_t z_{t-1} + sqrt(c_t) noise,   t = 1 .. T
    loss = cross-entropy of softmax(W_out z_T + b_out) with the label, differentiated through all blocks

The same blocks, noise schedule, answer and optimiser; each sample has its own noise while learning.

Axes: B sample, C class.
References: li2025 (section 4: the baseline), rumelhart1986, loshchilov2019 (AdamW), loshchilov2017 (cosine).
Deviations: those of neuro.learners.noprop.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from neuro.events import Events
from neuro.learners import label_embedding
from neuro.learners.base import Batch, LearnerState, Problem, descend, flat
from neuro.learners.denoising_block import as_images
from neuro.learners.layers import PRECISIONS
from neuro.learners.noprop import adamw, answer, outputs, run_chain, start_chain
from neuro.units import choice, param


@dataclass(frozen=True)
class NoPropBackprop:
    """The chain of NoProp with one loss at its end."""

    blocks: int = param("1", "denoising blocks, T", default=10, minimum=1)
    conv: tuple[int, ...] = param("1", "channels of each convolution of a block", default=(32, 64, 128), minimum=1)
    width: int = param("1", "features of the image, and of the noised label", default=256, minimum=1)
    joined: tuple[int, ...] = param("1", "units of each layer behind the join", default=(256, 128), minimum=1)
    dropout: float = param("1", "part of the channels silenced in learning", default=0.2, minimum=0, maximum=0.9)
    embedding: str = choice("embedding of the labels", label_embedding.EMBEDDINGS, default="one-hot")
    embedding_size: int = param("1", "components of a learned embedding", default=20, minimum=1)
    lr: float = param("1", "learning rate at the start (AdamW)", default=1e-3, above=0, search=(1e-4, 1e-2))
    weight_decay: float = param("1", "decay of the weights, in units of lr", default=1e-3, minimum=0)
    draws: int = param("1", "answers that are averaged; the paper has one", default=1, minimum=1)
    precision: str = choice("numbers in the matrix products of learning", PRECISIONS, default="float32")
    batch_size: int = param("samples", "samples of one update", default=128, minimum=1)

    uses: ClassVar[frozenset[str]] = frozenset({"labels", "global_error", "weight_transport", "whole_pass"})
    source: ClassVar[str] = "li2025"

    def init(self, problem: Problem, seed: int) -> LearnerState:
        """Weights drawn from the seed, as those of NoProp, and one optimiser."""
        state = start_chain(self, problem, seed)
        state.optimisers["chain"] = adamw(self, state.weights.values())
        return state

    def update(self, state: LearnerState, batch: Batch) -> dict[str, float]:
        """Learn from one batch, in place; returns its loss."""
        label_embedding.set_prototypes(self.embedding, state, batch)
        images = as_images(state.problem, flat(batch.inputs))
        z_BN = run_chain(self, state, images, is_learning=True)
        loss = cross_entropy(outputs(state, z_BN), batch.labels)
        descend(state, loss, len(batch.labels))
        return {"loss": loss.item()}

    @torch.no_grad()
    def predict(self, state: LearnerState, inputs: Tensor | Events) -> Tensor:
        """Probabilities [B, C]; the work done is added to state.counts."""
        return answer(self, state, as_images(state.problem, flat(inputs)))
