"""What stands in for the gradient of a spiking network of `neuro.learners.spiking_layers`, by one of several methods.

    "bptt"               of the cross-entropy of the mean output, back through all steps,   p = x,   B = W
    "feedback-alignment" the same with B_k random and fixed
    in windows           of the mean over windows of the cross-entropy of a window's mean output, or of the mean output
                         of all steps, which a run before finds; errors stay within a window
        length 1         nothing goes back in time, and a step is forgotten at once (SLTT, meng2023)
        "online"         the same with traces of the inputs, p[t] = decay p[t-1] + x[t]      (OTTT, xiao2022)
        length T         "bptt"
    "dsr"                of the map between the rates a_k of spikes, weighted by decay^(steps left): an input of rate a
                         makes a layer send A clamp(W a / v_th, 0, 1). Rates are those that the spikes have; only their
                         derivatives are the map's (meng2022)

A constant input is multiplied and learned from once, not once a step; it has no trace. Of events a window is binned
when it comes. So memory does not grow with the number of steps in windows and in "dsr". Windows may be left out of
learning (SLTT-K: all steps but K random ones): they run without gradients.

Axes: T step, B sample, I input, J output of a layer, C class.
References: neftci2019 (bptt), lillicrap2016 (fixed feedback), xiao2022 (traces), meng2023 (one step), meng2022 (dsr).
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from neuro.learners.spiking_layers import (
    LearnedFrom,
    SpikingNetwork,
    as_it_is,
    at_rest,
    learning_linear,
    run_above,
)

AT_ONCE = 100  # samples whose steps are multiplied together where nothing is learned: faster, and little memory
Window = Callable[[int, int], Tensor]  # (first step, step after the last) -> spikes_TBI


class Learned(NamedTuple):
    """loss, what stands in for its gradient, and the mean input of each layer over time [B, I]."""

    loss: Tensor
    gradients: list[Tensor]
    rates: list[Tensor]


class Windows(NamedTuple):
    """length: steps through which errors go back. traced: weights learn from traces of inputs, in windows of one step.

    learned: first steps of the windows that are learned from; None: all. of_mean: errors are those of the mean output
    of all steps, not of a window's.
    """

    length: int = 1
    traced: bool = False
    learned: frozenset[int] | None = None
    of_mean: bool = False


def gradients_at_once(net: SpikingNetwork, x_BI: Tensor, labels_B: Tensor, learned_from: LearnedFrom) -> Learned:
    """Of the loss of the mean output, through all steps; the activities of all steps are kept."""
    x_1BI = x_BI[None]
    drive_1BJ = learning_linear(x_1BI, learned_from(0, x_1BI), net.weights[0], net.backs[0])
    drive_TBJ = drive_1BJ.expand(net.n_steps, -1, -1)
    output_TBC, inputs, _ = run_above(net, drive_TBJ, at_rest(net, len(x_BI)), learned_from)
    loss = cross_entropy(output_TBC.mean(0), labels_B)
    found = torch.autograd.grad(loss, list(net.weights))
    return Learned(loss.detach(), list(found), [x_BI, *(x_TBI.detach().mean(0) for x_TBI in inputs)])


def gradients_in_windows(
    net: SpikingNetwork, x: Tensor | Window, labels_B: Tensor, learned_from: LearnedFrom, windows: Windows
) -> Learned:
    """Of the losses of windows; nothing of earlier windows is kept but potentials and traces."""
    u = at_rest(net, len(labels_B))
    rates = [weight.new_zeros(len(labels_B), weight.shape[1]) for weight in net.weights]
    traces = [torch.zeros_like(rate) for rate in rates]
    found, total = [torch.zeros_like(weight) for weight in net.weights], u[0].new_zeros(())
    error_BJ = torch.zeros_like(u[0])  # at a constant input, which learns once, at the end
    cost = _cost(net, x, labels_B, windows)

    def learned_through(k: int, x_TBI: Tensor) -> Tensor:
        rates[k] += x_TBI.sum(0) / net.n_steps
        if windows.traced:
            traces[k] = net.decay * traces[k] + x_TBI[0]
            x_TBI = traces[k][None]
        return learned_from(k, x_TBI)

    for first, x_TBI, drive_TBJ in _in_turn(net, x, windows.length):
        from_TBI = None if x_TBI is None else learned_through(0, x_TBI)
        is_learned = windows.learned is None or first in windows.learned
        with torch.set_grad_enabled(is_learned):
            drive_TBJ.requires_grad_(is_learned)
            output_TBC, _, u = run_above(net, drive_TBJ, u, learned_through)
            loss = cost(output_TBC.mean(0)) * len(output_TBC) / net.n_steps
        total += loss.detach()
        if not is_learned:
            continue
        part_TBJ, *parts = torch.autograd.grad(loss, [drive_TBJ, *net.weights[1:]])
        for sum_, part in zip(found[1:], parts, strict=True):
            sum_ += part
        if from_TBI is None:
            error_BJ += part_TBJ.sum(0)
        else:
            found[0].addmm_(part_TBJ.flatten(0, 1).T, from_TBI.flatten(0, 1))
    if isinstance(x, Tensor):
        rates[0], found[0] = x, error_BJ.T @ learned_from(0, x[None])[0]
    return Learned(total, found, rates)


def _in_turn(net: SpikingNetwork, x: Tensor | Window, length: int) -> Iterator[tuple[int, Tensor | None, Tensor]]:
    """First step, events if that is the input, and drive of the lowest layer, of one window after the other."""
    lowest_JI = net.weights[0].detach()
    once_BJ = x @ lowest_JI.T if isinstance(x, Tensor) else lowest_JI
    for first in range(0, net.n_steps, length):
        n = min(length, net.n_steps - first)
        x_TBI = None if isinstance(x, Tensor) else x(first, first + n)
        yield first, x_TBI, once_BJ.expand(n, -1, -1) if x_TBI is None else x_TBI @ lowest_JI.T


def _cost(net: SpikingNetwork, x: Tensor | Window, labels_B: Tensor, windows: Windows) -> Callable[[Tensor], Tensor]:
    """A window's mean output [B, C] -> its loss; or the loss of the mean of all, straight on from where it lies."""
    if not windows.of_mean:
        return lambda output_BC: cross_entropy(output_BC, labels_B)
    u = at_rest(net, len(labels_B))
    mean_BC = torch.zeros_like(u[-1])
    with torch.no_grad():
        for _, _, drive_TBJ in _in_turn(net, x, windows.length):
            output_TBC, _, u = run_above(net, drive_TBJ, u, as_it_is)
            mean_BC += output_TBC.sum(0) / net.n_steps
    loss = cross_entropy(mean_BC.requires_grad_(), labels_B)
    (slope_BC,) = torch.autograd.grad(loss, mean_BC)
    return lambda output_BC: loss.detach() + (slope_BC * (output_BC - mean_BC.detach())).sum()


def gradients_online(net: SpikingNetwork, x_BI: Tensor, labels_B: Tensor, learned_from: LearnedFrom) -> Learned:
    """Of the loss of each step's output, with traces of the inputs."""
    return gradients_in_windows(net, x_BI, labels_B, learned_from, Windows(traced=True))


class _Represented(torch.autograd.Function):
    """Rates that spikes have, with the derivative of A clamp(drive / v_th, 0, 1)."""

    @staticmethod
    def forward(ctx: Any, drive_BJ: Tensor, rate_BJ: Tensor, net: SpikingNetwork) -> Tensor:
        ctx.save_for_backward((drive_BJ > 0) & (drive_BJ < net.v_th))
        ctx.gain = net.amplitude / net.v_th
        return rate_BJ.clone()

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None, None]:
        (is_inside_BJ,) = ctx.saved_tensors
        return upstream[0] * is_inside_BJ * ctx.gain, None, None


def gradients_of_rates(net: SpikingNetwork, x_BI: Tensor, labels_B: Tensor, learned_from: LearnedFrom) -> Learned:
    """Of the loss of the fading mean of the output, through the map between rates. No surrogate is used."""
    rates = weighted_rates(net, x_BI)
    drive_1BJ = learning_linear(x_BI[None], learned_from(0, x_BI[None]), net.weights[0], net.backs[0])
    for k, (weight, back) in enumerate(zip(net.weights[1:], net.backs[1:], strict=True), 1):
        rate_1BI = _Represented.apply(drive_1BJ, rates[k][None], net)
        from_k = learned_from(k, rates[k][None])
        drive_1BJ = learning_linear(rate_1BI, from_k, weight, back, net.products)  # type: ignore[arg-type]
    loss = cross_entropy(drive_1BJ[0], labels_B)
    return Learned(loss.detach(), list(torch.autograd.grad(loss, list(net.weights))), rates)


@torch.no_grad()
def weighted_rates(net: SpikingNetwork, x_BI: Tensor) -> list[Tensor]:
    """The input of each layer [B, I], averaged over time with the weights of the steps."""
    drive_1BJ, u = (x_BI @ net.weights[0].T)[None], at_rest(net, len(x_BI))
    rates = [weight.new_zeros(len(x_BI), weight.shape[1]) for weight in net.weights[1:]]
    weights_T = step_weights(net)
    for weight in weights_T:
        _, inputs, u = run_above(net, drive_1BJ, u, as_it_is)
        for rate_BI, x_1BI in zip(rates, inputs, strict=True):
            rate_BI.add_(x_1BI[0], alpha=weight / sum(weights_T))
    return [x_BI, *rates]


@torch.no_grad()
def layer_inputs(net: SpikingNetwork, x_BI: Tensor) -> list[Tensor]:
    """What each layer multiplies: x_BI, the same in all steps, then what is sent [T, B, I]."""
    drive_TBJ = (x_BI @ net.weights[0].T).expand(net.n_steps, -1, -1)
    return [x_BI, *run_above(net, drive_TBJ, at_rest(net, len(x_BI)), as_it_is)[1]]


def step_weights(net: SpikingNetwork) -> list[float]:
    """How much each step counts in a mean over time."""
    return [net.decay**left if net.fading else 1.0 for left in range(net.n_steps - 1, -1, -1)]


@torch.no_grad()
def scores(net: SpikingNetwork, x_BI: Tensor) -> tuple[Tensor, list[int]]:
    """Scores [B, C] of constant inputs, and the number of spikes of each hidden layer."""
    weights_T = torch.tensor(step_weights(net)) / sum(step_weights(net))
    parts, counts = [], [0] * (len(net.weights) - 1)
    for part_BI in x_BI.split(AT_ONCE):
        drive_TBJ = (part_BI @ net.weights[0].T).expand(net.n_steps, -1, -1)
        output_TBC, inputs, _ = run_above(net, drive_TBJ, at_rest(net, len(part_BI)), as_it_is)
        parts.append(torch.tensordot(weights_T.to(output_TBC), output_TBC, 1))
        counts = [count + int(x.count_nonzero()) for count, x in zip(counts, inputs, strict=True)]
    return torch.cat(parts), counts


GRADIENTS = {
    "bptt": gradients_at_once,
    "online": gradients_online,
    "feedback-alignment": gradients_at_once,
    "dsr": gradients_of_rates,
}
