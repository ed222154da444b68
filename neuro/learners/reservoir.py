"""Samples kept by reservoir sampling, in groups: each sample of a group has had the same chance to be kept.

The n-th sample of a group is kept if n <= K, else it replaces one of the K with probability K / n (vitter1985,
algorithm R). A reservoir NAME is three tensors in state.memory: NAME_inputs, NAME_labels, NAME_seen.

Axes: G group, K place, B sample, I input.
References: vitter1985.
"""

import torch
from torch import Tensor

from neuro.learners.base import LearnerState


def reservoir(name: str, n_groups: int, places: int, n_inputs: int) -> dict[str, Tensor]:
    """An empty one."""
    return {
        f"{name}_inputs": torch.zeros(n_groups, places, n_inputs),
        f"{name}_labels": torch.zeros(n_groups, places, dtype=torch.int64),
        f"{name}_seen": torch.zeros(n_groups, dtype=torch.int64),
    }


def keep(state: LearnerState, name: str, groups_B: Tensor, x_BI: Tensor, labels_B: Tensor) -> None:
    """Show samples to the reservoir, in place."""
    kept_GKI, kept_GK, seen_G = (state.memory[f"{name}_{part}"] for part in ("inputs", "labels", "seen"))
    draws = torch.rand(len(groups_B), generator=state.rng, dtype=torch.float64).tolist()
    for row, (group, draw) in enumerate(zip(groups_B.tolist(), draws, strict=True)):
        before = int(seen_G[group])
        seen_G[group] += 1
        place = before if before < kept_GK.shape[1] else int(draw * (before + 1))
        if place < kept_GK.shape[1]:
            kept_GKI[group, place] = x_BI[row]
            kept_GK[group, place] = labels_B[row]


def kept(state: LearnerState, name: str, n_groups: int) -> tuple[Tensor, Tensor]:
    """Inputs and labels of all that the first n_groups hold."""
    inputs_GKI, labels_GK, seen_G = (state.memory[f"{name}_{part}"][:n_groups] for part in ("inputs", "labels", "seen"))
    is_filled_GK = torch.arange(labels_GK.shape[1]) < seen_G[:, None]
    return inputs_GKI[is_filled_GK], labels_GK[is_filled_GK]


def empty(state: LearnerState, name: str) -> None:
    """Forget all samples, in place."""
    for part in ("inputs", "labels", "seen"):
        state.memory[f"{name}_{part}"].zero_()
