"""Hebbian rules on rates: each takes weights and rows of inputs, and returns the new weights.

Every rule is averaged over the rows; a convolution gives its patches as rows. With y = W x:

    Oja             dw_j = lr y_j (x - y_j w_j)
        Each neuron alone turns to the first principal component of x (oja1982, eq. 3).
    Sanger          dw_j = lr y_j (x - sum_{l <= j} y_l w_l)
        Neuron j sees what those before it leave: the components in their order (sanger1989, eq. 4).
    Hebbian and anti-Hebbian pair     x^ = W^T y,   g = y (x - x^)^T,   m <- 0.9 m + 0.1 clip(g, +-10),   W <- W + lr m
        y comes from Hebbian lateral synapses; x^ returns through anti-Hebbian ones. The rows of W come to span the
        principal subspace, in no order (xiao2024, eq. 5 and 6). Rows marked as old stay, and count in x^.
        Averaged over rows it is W S (I - W^T W), S = <x x^T>. Of B rows with I inputs and n new neurons, the step
        costs 3 B I n multiplications from the rows, I I n + 2 I n n from S; the cheaper form is chosen.
    BCM             y = max(W x, 0),   dw_j = lr y_j (y_j - theta_j) x,   theta_j <- theta_j + rate (y_j^2 - theta_j)
        Potentiation above, depression below a threshold that slides with <y^2>: neurons become selective
        (bienenstock1982; the square and the mean over time: intrator1992).
    SoftHebb        u = W x,   y = softmax(u / temperature),   dw_j = lr y_j (x - u_j w_j)
        A soft winner-take-all; each row goes to a norm of 1 (moraitis2022, eq. 5). With `is_anti`, y_j of all
        neurons but the winner is taken negative (journe2023, for hidden layers).

Axes: B row, I input, J neuron (post), H old neuron.
References: oja1982, sanger1989, xiao2024, bienenstock1982, intrator1992, moraitis2022, journe2023.
Deviations: in xiao2024 the momentum of old rows is kept for later; here it is dropped, for they never move again.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import unfold

from neuro.learners.layers import Layer

MOMENTUM = 0.9  # these two: modules/hlop_module.py of pkuxmq/HLOP-SNN
LARGEST = 10.0


def oja(w_JI: Tensor, x_BI: Tensor, lr: float) -> Tensor:
    """Each neuron learns alone."""
    y_BJ = x_BI @ w_JI.T
    return w_JI + lr / len(x_BI) * (y_BJ.T @ x_BI - y_BJ.square().sum(0)[:, None] * w_JI)


def sanger(w_JI: Tensor, x_BI: Tensor, lr: float) -> Tensor:
    """Each neuron learns from what those before it leave."""
    y_BJ = x_BI @ w_JI.T
    return w_JI + lr / len(x_BI) * (y_BJ.T @ x_BI - (y_BJ.T @ y_BJ).tril() @ w_JI)


def linear_response(y_BJ: Tensor) -> Tensor:
    """Lateral neurons that pass on what they receive."""
    return y_BJ


def quantised_response(y_BJ: Tensor, largest: float, n_steps: int) -> Tensor:
    """Lateral neurons that fire up to n_steps signed spikes, whose sum stands for `largest` (xiao2024, sec. 4.4)."""
    return (y_BJ.clamp(-largest, largest) * (n_steps / largest)).round() * (largest / n_steps)


def hebbian_pair(
    w_JI: Tensor,
    momentum_JI: Tensor,
    x_BI: Tensor,
    lr: float,
    *,
    old_HI: Tensor,
    n_steps: int = 1,
    response: Callable[[Tensor], Tensor] = linear_response,
) -> tuple[Tensor, Tensor]:
    """Small steps of the Hebbian and anti-Hebbian pair on the same rows; returns weights and momentum.

    old_HI: rows learned before. response: of the lateral neurons; unless linear, the sums over rows must be made.
    """
    n_rows, n_inputs = x_BI.shape
    n_new, rest_BI = len(w_JI), x_BI - response(x_BI @ old_HI.T) @ old_HI
    from_rows = 3 * n_rows * n_inputs * n_new * n_steps
    from_moments = n_inputs**2 * 2 * n_rows + (n_inputs**2 * n_new + 2 * n_inputs * n_new**2) * n_steps
    if response is linear_response and from_moments < from_rows:
        moment_II, rest_II = x_BI.T @ x_BI / n_rows, x_BI.T @ rest_BI / n_rows
        change = lambda w: w @ rest_II - (w @ moment_II @ w.T) @ w  # noqa: E731
    else:
        change = lambda w: _change_from_rows(w, x_BI, rest_BI, response)  # noqa: E731
    for _ in range(n_steps):
        momentum_JI = MOMENTUM * momentum_JI + (1 - MOMENTUM) * change(w_JI).clamp(-LARGEST, LARGEST)
        w_JI = w_JI + lr * momentum_JI
    return w_JI, momentum_JI


def _change_from_rows(w_JI: Tensor, x_BI: Tensor, rest_BI: Tensor, response: Callable[[Tensor], Tensor]) -> Tensor:
    """<y (x - x^)^T>; rest_BI: x less what the old rows return."""
    y_BJ = response(x_BI @ w_JI.T)
    return y_BJ.T @ (rest_BI - y_BJ @ w_JI) / len(x_BI)


def bcm(w_JI: Tensor, theta_J: Tensor, x_BI: Tensor, lr: float, rate: float) -> tuple[Tensor, Tensor]:
    """Weights and thresholds after the rows; rate: of the thresholds' sliding, a row."""
    y_BJ = (x_BI @ w_JI.T).clamp(min=0)
    w_JI = w_JI + lr / len(x_BI) * (y_BJ * (y_BJ - theta_J)).T @ x_BI
    return w_JI, theta_J + rate * (y_BJ.square().mean(0) - theta_J)


def soft_winner_take_all(
    w_JI: Tensor, x_BI: Tensor, lr: float, *, temperature: float = 1.0, is_anti: bool = False
) -> Tensor:
    """SoftHebb."""
    u_BJ = x_BI @ w_JI.T
    y_BJ = (u_BJ / temperature).softmax(1)
    if is_anti:
        y_BJ = torch.where(u_BJ == u_BJ.amax(1, keepdim=True), y_BJ, -y_BJ)
    return w_JI + lr / len(x_BI) * (y_BJ.T @ x_BI - (y_BJ * u_BJ).sum(0)[:, None] * w_JI)


def patches(images: Tensor, layer: Layer) -> Tensor:
    """What a convolution multiplies its kernels with: rows [images x pixels, channels x kernel x kernel]."""
    images = images.reshape(len(images), *layer.shape_in)
    return unfold(images, layer.kernel, padding=layer.kernel // 2, stride=layer.stride).mT.flatten(0, 1)
