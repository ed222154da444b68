"""The embeddings of the labels that NoProp's noised labels are made of.

    one-hot     u_c is the c-th unit vector, fixed
    learned     u_c has any size; orthogonal at the start, learned with everything that reads it
    prototype   u_c has the size of a sample; at the start it is the sample of class c whose median distance
                to the others of its class is smallest, then it is learned

Axes: C class, N component of an embedding, B sample, I input.
References: li2025.
Deviations: prototypes are taken from the first batch (paper: from the training set), since a learner meets no
other samples before it starts.
"""

import math

import torch
from torch import Tensor

from neuro.learners.base import Batch, LearnerState, Problem, flat

EMBEDDINGS = ("one-hot", "learned", "prototype")


def size(kind: str, problem: Problem, n_learned: int) -> int:
    """Components N of an embedding."""
    return {"one-hot": problem.n_classes, "learned": n_learned, "prototype": problem.n_inputs}[kind]


def start(kind: str, problem: Problem, n_learned: int, rng: torch.Generator) -> Tensor:
    """embedding_CN before learning. Prototypes are zero until `set_prototypes` has seen samples."""
    if kind == "one-hot":
        return torch.eye(problem.n_classes)
    if kind == "prototype":
        return torch.zeros(problem.n_classes, problem.n_inputs)
    if n_learned < problem.n_classes:
        raise ValueError(f"{n_learned} components hold no {problem.n_classes} orthogonal embeddings; give more")
    return torch.linalg.qr(torch.randn(n_learned, problem.n_classes, generator=rng)).Q.T.contiguous()


def embedding(state: LearnerState) -> Tensor:
    """embedding_CN, learned or not."""
    return state.memory["embedding"] if "embedding" in state.memory else state.weights["output.embedding"]


@torch.no_grad()
def set_prototypes(kind: str, state: LearnerState, batch: Batch) -> None:
    """Put the most central sample of each class of the first batch into an embedding of prototypes.

    The output's map W_out starts from it, where there is one. Of other kinds, and after the first batch, nothing is
    done. ValueError where a class has no sample.
    """
    if kind != "prototype" or int(state.memory["seen"]):
        return
    inputs_BI, embedding_CN = flat(batch.inputs), state.weights["output.embedding"]
    for c in range(state.problem.n_classes):
        own_BI = inputs_BI[batch.labels == c]
        if not len(own_BI):
            raise ValueError(f"the first batch has no sample of class {c} to take as prototype; enlarge batch_size")
        to_others_BB = torch.cdist(own_BI, own_BI).fill_diagonal_(math.nan)
        embedding_CN[c] = own_BI[to_others_BB.nanmedian(1).values.argmin()]
    if "output.map" in state.weights:
        state.weights["output.map"].copy_(embedding_CN)
