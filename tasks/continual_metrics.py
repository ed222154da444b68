"""What a sequence of K tasks comes to, from its accuracies.

    R[k, j]  test accuracy of task j after task k was learned (k, j = 1 .. K);  b[j]  before any learning

    average accuracy    1/K sum_j R[K, j]
    learning accuracy   1/K sum_j R[j, j]                                    each task just after it was learned
    backward transfer   1/(K-1) sum_{j<K} (R[K, j] - R[j, j])                negative: forgotten
    forward transfer    1/(K-1) sum_{j>1} (R[j-1, j] - b[j])                 what earlier tasks gave to one not yet seen
    forgetting          1/(K-1) sum_{j<K} (max_{j<=l<K} R[l, j] - R[K, j])   from the best that a task ever was

Forgetting is at least minus the backward transfer, and equal to it where every task is best just after it was learned.

References: lopezpaz2017 (average accuracy, backward and forward transfer), chaudhry2018 (forgetting), riemer2019
(learning accuracy).
"""

import numpy as np
from numpy.typing import NDArray


def average_accuracy(accuracies_KK: NDArray) -> float:
    return float(accuracies_KK[-1].mean())


def learning_accuracy(accuracies_KK: NDArray) -> float:
    return float(np.diagonal(accuracies_KK).mean())


def backward_transfer(accuracies_KK: NDArray) -> float:
    return float((accuracies_KK[-1] - np.diagonal(accuracies_KK))[:-1].mean())


def forward_transfer(accuracies_KK: NDArray, before_K: NDArray) -> float:
    return float((np.diagonal(accuracies_KK, 1) - before_K[1:]).mean())


def forgetting(accuracies_KK: NDArray) -> float:
    last = len(accuracies_KK) - 1
    best = np.array([accuracies_KK[j:last, j].max() for j in range(last)])
    return float((best - accuracies_KK[-1, :last]).mean())


def summary(accuracies_KK: NDArray, before_K: NDArray) -> dict[str, float]:
    """All of them by name. ValueError where the matrix is not that of a sequence of at least two tasks."""
    if accuracies_KK.ndim != 2 or accuracies_KK.shape[0] != accuracies_KK.shape[1] or len(accuracies_KK) < 2:
        raise ValueError(f"accuracies of shape {accuracies_KK.shape} are not those of K tasks after K tasks, K > 1")
    if before_K.shape != (len(accuracies_KK),):
        raise ValueError(f"accuracies before learning have shape {before_K.shape}, and tasks are {len(accuracies_KK)}")
    return {
        "average_accuracy": average_accuracy(accuracies_KK),
        "learning_accuracy": learning_accuracy(accuracies_KK),
        "backward_transfer": backward_transfer(accuracies_KK),
        "forward_transfer": forward_transfer(accuracies_KK, before_K),
        "forgetting": forgetting(accuracies_KK),
    }
