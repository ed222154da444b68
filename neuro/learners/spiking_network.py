"""A feedforward spiking network without biases, and three ways to get what stands in for its gradient.

    drive     d_k[t] = W_k x_k[t],       x_1 constant, x_k = z_{k-1}
    potential v_k[t] = decay u_k[t-1] + d_k[t],   z_k[t] = [v_k[t] >= v_th],   u_k[t] = v_k[t] - v_th z_k[t]
    output    o[t] = W_L z_{L-1}[t],     scores = mean of o over time
    error     e_L[t] = d loss / d o[t],  e_{k-1}[t] = B_k^T delta_k[t]
    learning  dW_k = sum_t delta_k[t] p_k[t]^T

    "bptt"               delta_k[t] = e_k[t] h(v_k[t]) + decay delta_k[t+1],   p = x,   B = W     h: the surrogate
    "feedback-alignment" the same with B_k random and fixed
    "online"             delta_k[t] = e_k[t] h(v_k[t]), of the loss of o[t] alone,  p[t] = decay p[t-1] + x[t],   B = W
                         (OTTT: nothing of earlier steps is kept but traces; x_1 has no trace, as its authors run it)

The reset passes no gradient. A method may replace p by another `learned_from(k, p)`, such as a part of it. A constant
input is multiplied and learned from once, not once a step.

Axes: T step, B sample, I input, J output of a layer, C class.
References: xiao2022 (online), neftci2019 (surrogates), lillicrap2016 (fixed feedback).
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from neuro.learners.surrogate import SURROGATES

LearnedFrom = Callable[[int, Tensor], Tensor]  # (layer, its input p_TBI) -> what its weights learn from


class SpikingNetwork(NamedTuple):
    """decay: of a potential in a step. backs: matrices that carry errors down, one a layer, the lowest unused."""

    weights: Sequence[Tensor]
    backs: Sequence[Tensor]
    decay: float
    v_th: float
    slope: float
    n_steps: int
    surrogate: str = "sigmoid"


class Learned(NamedTuple):
    """loss, what stands in for its gradient, and the mean input of each layer over time [B, I]."""

    loss: Tensor
    gradients: list[Tensor]
    rates: list[Tensor]


class _LearningLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, x_learn: Tensor, weight: Tensor, weight_back: Tensor) -> Tensor:
        ctx.save_for_backward(x_learn, weight_back)
        return x @ weight.T

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, None, Tensor, None]:
        x_learn, weight_back = ctx.saved_tensors
        error = upstream[0].contiguous()
        below = error @ weight_back if ctx.needs_input_grad[0] else None
        return below, None, error.flatten(0, -2).T @ x_learn.flatten(0, -2), None


def learning_linear(x: Tensor, x_learn: Tensor, weight: Tensor, weight_back: Tensor) -> Tensor:
    """x W^T, whose weights learn from x_learn, and whose error goes down through weight_back."""
    return _LearningLinear.apply(x, x_learn, weight, weight_back)  # type: ignore[return-value]


class _Spikes(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, drive_TBJ: Tensor, u_BJ: Tensor, net: SpikingNetwork) -> tuple[Tensor, Tensor]:
        x_TBJ, z_TBJ = torch.empty(drive_TBJ.shape), torch.empty(drive_TBJ.shape)
        for t, drive_BJ in enumerate(drive_TBJ):
            v_BJ = drive_BJ + net.decay * u_BJ
            torch.sub(v_BJ, net.v_th, out=x_TBJ[t])
            torch.ge(v_BJ, net.v_th, out=z_TBJ[t])
            u_BJ = v_BJ.sub_(z_TBJ[t], alpha=net.v_th)
        ctx.save_for_backward(x_TBJ)
        ctx.net = net
        ctx.mark_non_differentiable(u_BJ)
        return z_TBJ, u_BJ

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None, None]:
        (x_TBJ,) = ctx.saved_tensors
        delta_TBJ = SURROGATES[ctx.net.surrogate].derivative(x_TBJ, ctx.net.slope).mul_(upstream[0])
        for t in range(len(delta_TBJ) - 2, -1, -1):
            delta_TBJ[t].add_(delta_TBJ[t + 1], alpha=ctx.net.decay)
        return delta_TBJ, None, None


def spikes(net: SpikingNetwork, drive_TBJ: Tensor, u_BJ: Tensor) -> tuple[Tensor, Tensor]:
    """Spikes of a layer, and its potentials after the last step. u_BJ: potentials before the first."""
    return _Spikes.apply(drive_TBJ, u_BJ, net)  # type: ignore[return-value]


def at_rest(net: SpikingNetwork, n_samples: int) -> list[Tensor]:
    """Potentials of the hidden layers before a sample."""
    return [torch.zeros(n_samples, len(weight)) for weight in net.weights[:-1]]


def run_above(
    net: SpikingNetwork, drive_TBJ: Tensor, u: list[Tensor], learned_from: LearnedFrom
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """From the drive of the lowest layer to the output [T, B, C], the inputs of the layers above it, the potentials."""
    inputs, after = [], []
    for k, (weight, back) in enumerate(zip(net.weights[1:], net.backs[1:], strict=True), 1):
        x_TBI, u_BJ = spikes(net, drive_TBJ, u[k - 1])
        inputs.append(x_TBI)
        after.append(u_BJ)
        drive_TBJ = learning_linear(x_TBI, learned_from(k, x_TBI.detach()), weight, back)
    return drive_TBJ, inputs, after


def as_it_is(k: int, x_TBI: Tensor) -> Tensor:
    """Weights learn from the inputs of their layer."""
    return x_TBI


def gradients_at_once(net: SpikingNetwork, x_BI: Tensor, labels_B: Tensor, learned_from: LearnedFrom) -> Learned:
    """Of the loss of the mean output, through all steps; the activities of all steps are kept."""
    x_1BI = x_BI[None]
    drive_1BJ = learning_linear(x_1BI, learned_from(0, x_1BI), net.weights[0], net.backs[0])
    drive_TBJ = drive_1BJ.expand(net.n_steps, -1, -1)
    output_TBC, inputs, _ = run_above(net, drive_TBJ, at_rest(net, len(x_BI)), learned_from)
    loss = cross_entropy(output_TBC.mean(0), labels_B)
    found = torch.autograd.grad(loss, list(net.weights))
    return Learned(loss.detach(), list(found), [x_BI, *(x_TBI.detach().mean(0) for x_TBI in inputs)])


def gradients_online(net: SpikingNetwork, x_BI: Tensor, labels_B: Tensor, learned_from: LearnedFrom) -> Learned:
    """Of the loss of each step's output, with traces of the inputs; nothing else of earlier steps is kept."""
    traces = [torch.zeros(len(x_BI), weight.shape[1]) for weight in net.weights]
    totals = [torch.zeros_like(trace) for trace in traces]

    def traced(k: int, x_1BI: Tensor) -> Tensor:
        totals[k] += x_1BI[0] / net.n_steps
        traces[k] = net.decay * traces[k] + x_1BI[0]
        return learned_from(k, traces[k][None])

    x_1BI = x_BI[None]
    drive_1BJ = learning_linear(x_1BI, learned_from(0, x_1BI), net.weights[0], net.backs[0])
    below = drive_1BJ.detach().requires_grad_()  # its error is summed over time, and then goes down once
    error_1BJ, found = torch.zeros_like(below), [torch.zeros_like(weight) for weight in net.weights[1:]]
    u, total = at_rest(net, len(x_BI)), torch.zeros(())
    for _ in range(net.n_steps):
        output_1BC, _, u = run_above(net, below, u, traced)
        loss = cross_entropy(output_1BC[0], labels_B) / net.n_steps
        step = torch.autograd.grad(loss, [below, *net.weights[1:]])
        for sum_, part in zip([error_1BJ, *found], step, strict=True):
            sum_ += part
        total += loss.detach()
    lowest = torch.autograd.grad(drive_1BJ, net.weights[0], error_1BJ)
    return Learned(total, [*lowest, *found], [x_BI, *totals[1:]])


@torch.no_grad()
def layer_inputs(net: SpikingNetwork, x_BI: Tensor) -> list[Tensor]:
    """What each layer multiplies: x_BI, then spikes [T, B, I]."""
    drive_TBJ = (x_BI @ net.weights[0].T).expand(net.n_steps, -1, -1)
    return [x_BI, *run_above(net, drive_TBJ, at_rest(net, len(x_BI)), as_it_is)[1]]


@torch.no_grad()
def scores(net: SpikingNetwork, x_BI: Tensor) -> tuple[Tensor, list[int]]:
    """Scores [B, C], and the number of spikes of each hidden layer."""
    below_1BJ, u = (x_BI @ net.weights[0].T)[None], at_rest(net, len(x_BI))
    total_BC, counts = 0.0, [0] * len(u)
    for _ in range(net.n_steps):
        output_1BC, inputs, u = run_above(net, below_1BJ, u, as_it_is)
        total_BC = total_BC + output_1BC[0]
        counts = [count + int(x.sum()) for count, x in zip(counts, inputs, strict=True)]
    return torch.as_tensor(total_BC) / net.n_steps, counts


GRADIENTS = {
    "bptt": gradients_at_once,
    "online": gradients_online,
    "feedback-alignment": gradients_at_once,
}
