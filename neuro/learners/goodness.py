"""Goodness of a layer's activity, and the losses that train a layer on it; shared by the forward-forward learners.

    goodness    g = mean of a_j^2 over the units j of a layer
    logistic    - log p of a true sample - log(1 - p) of a false one,   p = sigmoid(s (g - threshold))
    symba       log(1 + exp(- s (g_true - g_false)))
    peer        (1 / J) sum_j (mean_i m_i - m_j)^2,     m_j <- mu m_j + (1 - mu) <a_j over true samples>

s is the sharpness: the slope of the log-odds over goodness. SymBa compares the two samples of a pair with
each other, so it needs no threshold, and pushes both with the same force. The peer term pulls each unit's
mean activity to that of its layer, so that no unit falls silent or is always on.

Axes: P pass (0 true, 1 false; or one for each label), B sample, I input, J unit of a layer, C class.
References: hinton2022 (logistic: eq. 1; peer), lee2023 (symba).
Deviations: goodness is a mean of squares (hinton2022: a sum), so that s does not depend on the width. The
peer term is given in words in hinton2022; the formula, its weight 0.03 and mu 0.9 are those of
loweX/Forward-Forward.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear, softplus


class Objective(NamedTuple):
    """What every layer of a network is trained on."""

    loss: str
    sharpness: float
    threshold: float
    peer_weight: float = 0.0
    peer_momentum: float = 0.9


def goodness(a_J: Tensor) -> Tensor:
    """Mean square over the last axis, in float32: its small differences decide."""
    return a_J.float().square().mean(-1)


def normalise(a_J: Tensor) -> Tensor:
    """Activity scaled to a mean square of 1: only its direction reaches the next layer. No gradient passes."""
    a_J = a_J.detach()
    return a_J / (goodness(a_J).sqrt()[..., None] + 1e-6).to(a_J.dtype)


def logistic(true_B: Tensor, false_B: Tensor, sharpness: float, threshold: float) -> Tensor:
    """Two classes, true and false, told apart by the threshold."""
    return softplus(sharpness * (threshold - true_B)).mean() + softplus(sharpness * (false_B - threshold)).mean()


def symba(true_B: Tensor, false_B: Tensor, sharpness: float, threshold: float) -> Tensor:
    """The true sample of a pair against its false one; the threshold plays no part."""
    return softplus(sharpness * (false_B - true_B)).mean()


LOSSES: dict[str, Callable[[Tensor, Tensor, float, float], Tensor]] = {"logistic": logistic, "symba": symba}


def peer_loss(mean_J: Tensor, a_BJ: Tensor, momentum: float) -> tuple[Tensor, Tensor]:
    """Spread of the units' mean activities. a_BJ: of true samples. Returns the loss and the new running means."""
    mean_J = momentum * mean_J + (1 - momentum) * a_BJ.float().mean(0)
    return (mean_J.mean() - mean_J).square().mean(), mean_J.detach()


def peer_memory(objective: Objective, hidden: Sequence[int]) -> dict[str, Tensor]:
    """The running means before learning, 0.5 as in loweX/Forward-Forward; none where the term has no weight."""
    if not objective.peer_weight:
        return {}
    return {f"mean_activity_{k}": torch.full((n,), 0.5) for k, n in enumerate(hidden, 1)}


def network_loss(objective: Objective, activities: Sequence[Tensor], memory: dict[str, Tensor]) -> Tensor:
    """The sum of all layers' losses, which share no weight. activities: [P, B, J] of the true and the false pass."""
    losses = []
    for k, a_PBJ in enumerate(activities, 1):
        true_B, false_B = goodness(a_PBJ)
        losses.append(LOSSES[objective.loss](true_B, false_B, objective.sharpness, objective.threshold))
        if objective.peer_weight:
            name = f"mean_activity_{k}"
            spread, memory[name] = peer_loss(memory[name], a_PBJ[0], objective.peer_momentum)
            losses.append(objective.peer_weight * spread)
    return torch.stack(losses).sum()


def run_layers(weights: dict[str, Tensor], drive_J: Tensor, n_layers: int) -> list[Tensor]:
    """Activities of all layers. drive_J: that of the first; the layers above see directions without gradients."""
    activities = [torch.relu(drive_J)]
    for k in range(2, n_layers + 1):
        driven = linear(normalise(activities[-1]), weights[f"layer_{k}"], weights[f"bias_{k}"])
        activities.append(torch.relu(driven))
    return activities


def read_layers(layers: Sequence) -> Sequence:
    """The layers that are read out: all but the first, or the only one."""
    return layers[1:] or layers


def softmax_logits(weights: dict[str, Tensor], activities: Sequence[Tensor]) -> Tensor:
    """Logits [B, C] of a softmax over the directions of the layers that are read. It trains no layer."""
    h_BJ = torch.cat([normalise(a_BJ) for a_BJ in read_layers(activities)], dim=-1)
    return linear(h_BJ, weights["softmax"], weights["softmax_bias"]).float()
