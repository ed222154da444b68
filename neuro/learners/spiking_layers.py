"""A feedforward spiking network without biases, run over a window of steps, with a derivative.

    drive     d_k[t] = W_k x_k[t],   x_1 the input,   x_{k+1}[t] = A z_k[t]
    potential v_k[t] = decay u_k[t-1] + d_k[t],   z_k[t] = [v_k[t] >= f v_th]
    reset     u_k[t] = v_k[t] - v_th z_k[t],   or 0 where z_k[t] = 1
    output    o[t] = r o[t-1] + W_L x_L[t]                                  r = 0: without memory

    backward  e_{k-1}[t] = B_k^T delta_k[t],   delta_k[t] = A e_k[t] h(v_k[t] - f v_th) + decay delta_k[t+1]
              dW_k = sum_t delta_k[t] p_k[t]^T                              h: the surrogate

Within the window alone errors go back in time. The reset passes no gradient; a reset to 0 ends the path back to
earlier steps. B = W, or another matrix; p = x, or what a function `learned_from(k, x)` makes of it. What comes before
the window enters as the potentials u at its start, which pass no gradient.

Axes: T step, B sample, I input, J output of a layer, C class.
References: neftci2019 (surrogates), meng2022 (f and A).
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from neuro.learners.surrogate import SURROGATES

LearnedFrom = Callable[[int, Tensor], Tensor]  # (layer, its input p_TBI) -> what its weights learn from


class SpikingNetwork(NamedTuple):
    """decay: of a potential in a step. backs: matrices that carry errors down, one a layer, the lowest unused.

    to_zero: a spike leaves 0, not v_th less. readout_decay: r. fires_at: f. amplitude: A. fading: scores weight the
    outputs by decay^(steps left), and not equally. products: type of the factors of matrix products above the lowest
    layer, None: that of the weights.
    """

    weights: Sequence[Tensor]
    backs: Sequence[Tensor]
    decay: float
    v_th: float
    slope: float
    n_steps: int
    surrogate: str = "sigmoid"
    to_zero: bool = False
    readout_decay: float = 0.0
    fires_at: float = 1.0
    amplitude: float = 1.0
    fading: bool = False
    products: torch.dtype | None = None


def _product(a: Tensor, b: Tensor, products: torch.dtype | None) -> Tensor:
    """a @ b, in the type of a, of factors of another type."""
    return a @ b if products is None else (a.to(products) @ b.to(products)).to(a.dtype)


class _LearningLinear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, x_learn: Tensor, weight: Tensor, weight_back: Tensor, products: torch.dtype | None
    ) -> Tensor:
        ctx.save_for_backward(x_learn, weight_back)
        ctx.products = products
        return _product(x, weight.T, products)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, None, Tensor, None, None]:
        x_learn, weight_back = ctx.saved_tensors
        error = upstream[0].contiguous()
        below = _product(error, weight_back, ctx.products) if ctx.needs_input_grad[0] else None
        return below, None, _product(error.flatten(0, -2).T, x_learn.flatten(0, -2), ctx.products), None, None


def learning_linear(
    x: Tensor, x_learn: Tensor, weight: Tensor, weight_back: Tensor, products: torch.dtype | None = None
) -> Tensor:
    """x W^T, whose weights learn from x_learn, and whose error goes down through weight_back."""
    return _LearningLinear.apply(x, x_learn, weight, weight_back, products)  # type: ignore[return-value]


class _Spikes(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, drive_TBJ: Tensor, u_BJ: Tensor, net: SpikingNetwork) -> tuple[Tensor, Tensor]:
        x_TBJ, z_TBJ = drive_TBJ.new_empty(drive_TBJ.shape), drive_TBJ.new_empty(drive_TBJ.shape)
        fires_at = net.fires_at * net.v_th
        for t, drive_BJ in enumerate(drive_TBJ):
            v_BJ = drive_BJ + net.decay * u_BJ
            torch.sub(v_BJ, fires_at, out=x_TBJ[t])
            torch.ge(v_BJ, fires_at, out=z_TBJ[t])
            u_BJ = v_BJ.addcmul_(v_BJ, z_TBJ[t], value=-1) if net.to_zero else v_BJ.sub_(z_TBJ[t], alpha=net.v_th)
        ctx.save_for_backward(x_TBJ)
        ctx.net = net
        ctx.mark_non_differentiable(u_BJ)
        return z_TBJ if net.amplitude == 1.0 else z_TBJ.mul_(net.amplitude), u_BJ

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None, None]:
        (x_TBJ,), net = ctx.saved_tensors, ctx.net
        derivative, delta_TBJ = SURROGATES[net.surrogate].derivative, torch.empty_like(x_TBJ)
        for t in range(len(delta_TBJ) - 1, -1, -1):  # all of a step at once: it stays in the cache
            torch.mul(derivative(x_TBJ[t], net.slope), upstream[0][t], out=delta_TBJ[t])
            if net.amplitude != 1.0:
                delta_TBJ[t].mul_(net.amplitude)
            if t + 1 == len(delta_TBJ):
                continue
            if net.to_zero:
                delta_TBJ[t].addcmul_(delta_TBJ[t + 1], (x_TBJ[t] < 0).to(x_TBJ), value=net.decay)
            else:
                delta_TBJ[t].add_(delta_TBJ[t + 1], alpha=net.decay)
        return delta_TBJ, None, None


def spikes(net: SpikingNetwork, drive_TBJ: Tensor, u_BJ: Tensor) -> tuple[Tensor, Tensor]:
    """What a layer sends, and its potentials after the last step. u_BJ: potentials before the first."""
    return _Spikes.apply(drive_TBJ, u_BJ, net)  # type: ignore[return-value]


def at_rest(net: SpikingNetwork, n_samples: int) -> list[Tensor]:
    """Potentials of the hidden layers and of the output before a sample."""
    return [weight.new_zeros(n_samples, len(weight)) for weight in net.weights]


def run_above(
    net: SpikingNetwork, drive_TBJ: Tensor, u: list[Tensor], learned_from: LearnedFrom
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """From the drive of the lowest layer to the output [T, B, C], the inputs of the layers above it, the potentials."""
    inputs, after = [], []
    for k, (weight, back) in enumerate(zip(net.weights[1:], net.backs[1:], strict=True), 1):
        x_TBI, u_BJ = spikes(net, drive_TBJ, u[k - 1])
        inputs.append(x_TBI)
        after.append(u_BJ)
        drive_TBJ = learning_linear(x_TBI, learned_from(k, x_TBI.detach()), weight, back, net.products)
    output_TBC, o_BC = _integrated(net, drive_TBJ, u[-1])
    return output_TBC, inputs, [*after, o_BC]


def _integrated(net: SpikingNetwork, drive_TBC: Tensor, o_BC: Tensor) -> tuple[Tensor, Tensor]:
    if not net.readout_decay:
        return drive_TBC, o_BC
    outputs = []
    for drive_BC in drive_TBC:
        o_BC = net.readout_decay * o_BC + drive_BC
        outputs.append(o_BC)
    return torch.stack(outputs), o_BC.detach()


def as_it_is(k: int, x_TBI: Tensor) -> Tensor:
    """Weights learn from the inputs of their layer."""
    return x_TBI
