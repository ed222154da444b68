"""Linear readout: multinomial logistic regression on stored features, by L-BFGS.

    minimise over w, b:  mean_n cross-entropy(softmax(w z_n + b), label_n) + l2 / 2 |w|^2,   z = (x - mean) / deviation

mean and deviation are those of each feature over the samples; one that hardly varies is left as it is.

Axes: n sample, N feature, C class.
References: liu1989 (L-BFGS).
"""

from typing import NamedTuple

import torch
from torch import Tensor

ITERATIONS = 100
LEAST_DEVIATION = 1e-3
PART = 8192  # samples that become float32 at once


class Fit(NamedTuple):
    """The loss that was found, and the multiply-accumulates that it took."""

    loss: float
    macs: int


def fit(weight_CN: Tensor, bias_C: Tensor, features_nN: Tensor, labels_n: Tensor, l2: float) -> Fit:
    """Fit weights and biases in place, from where they stand, so that they take features as they are.

    features_nN: of any real type.
    """
    mean_N, deviation_N = _moments(features_nN)
    weight = (weight_CN.detach() * deviation_N).requires_grad_()
    bias = (bias_C.detach() + weight_CN.detach() @ mean_N).requires_grad_()
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        total = 0.5 * l2 * weight.square().sum()
        total.backward()
        for first in range(0, len(labels_n), PART):
            z_nN = (features_nN[first : first + PART].float() - mean_N) / deviation_N
            labels = labels_n[first : first + PART]
            scores_nC = torch.nn.functional.linear(z_nN, weight, bias)
            part = torch.nn.functional.cross_entropy(scores_nC, labels, reduction="sum") / len(labels_n)
            part.backward()
            total = total + part.detach()
        return total.detach()

    optimiser.step(loss)
    n_evaluations = 1 + optimiser.state[weight]["func_evals"]
    with torch.no_grad():
        weight_CN.copy_(weight / deviation_N)
        bias_C.copy_(bias - weight_CN @ mean_N)
    return Fit(float(loss()), 2 * n_evaluations * features_nN.numel() * len(weight_CN))


def _moments(features_nN: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each feature, in float64 sums; 1 where it hardly varies."""
    sums = [torch.zeros(features_nN.shape[1], dtype=torch.float64) for _ in range(2)]
    for part in features_nN.split(PART):
        for power, total in enumerate(sums, 1):
            total += part.double().pow(power).sum(0)
    mean, square = (total / len(features_nN) for total in sums)
    deviation = (square - mean.square()).clamp_min(0.0).sqrt()
    return mean.float(), torch.where(deviation < LEAST_DEVIATION, 1.0, deviation).float()
