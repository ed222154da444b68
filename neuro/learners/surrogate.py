"""Surrogate gradients: the spike is a step forward and a smooth function backward.

Each surrogate is given by the derivative that replaces that of the step, and by the smooth function of
which it is the derivative (tests hold one against the other). slope sharpens them; x is v - v_th.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from neuro.backends.torch_dense import step_function


class Surrogate(NamedTuple):
    """smooth(x, slope), its derivative(x, slope), and where it comes from."""

    smooth: Callable[[Tensor, float], Tensor]
    derivative: Callable[[Tensor, float], Tensor]
    source: str


SURROGATES = {
    "fast_sigmoid": Surrogate(
        lambda x, slope: x / (1 + slope * x.abs()),
        lambda x, slope: (1 + slope * x.abs()).reciprocal().square(),
        "zenke2018",
    ),
    "sigmoid": Surrogate(
        lambda x, slope: torch.sigmoid(slope * x),
        lambda x, slope: slope * torch.sigmoid(slope * x) * torch.sigmoid(-slope * x),
        "neftci2019",
    ),
    "atan": Surrogate(
        lambda x, slope: torch.atan(torch.pi / 2 * slope * x) / torch.pi,
        lambda x, slope: 0.5 * slope / (1 + (torch.pi / 2 * slope * x).square()),
        "fang2021",
    ),
    "triangle": Surrogate(
        lambda x, slope: _inside(x, slope) - slope / 2 * _inside(x, slope) * _inside(x, slope).abs(),
        lambda x, slope: torch.clamp(1 - slope * x.abs(), min=0),
        "esser2016",
    ),
    "rectangle": Surrogate(
        lambda x, slope: slope * torch.clamp(x, -0.5 / slope, 0.5 / slope),
        lambda x, slope: slope * (x.abs() < 0.5 / slope).to(x.dtype),
        "wu2018",
    ),
    "straight_through": Surrogate(lambda x, slope: x, lambda x, slope: torch.ones_like(x), "bengio2013"),
}


def _inside(x: Tensor, slope: float) -> Tensor:
    return torch.clamp(x, -1 / slope, 1 / slope)


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, derivative: Callable, slope: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.derivative, ctx.slope = derivative, slope
        return step_function(x)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        return upstream[0] * ctx.derivative(x, ctx.slope), None, None


@functools.cache
def spike_function(name: str, slope: float) -> Callable[[Tensor], Tensor]:
    """The step function of x = v - v_th whose derivative is the named surrogate's; the same object for the same."""
    derivative = SURROGATES[name].derivative
    return lambda x: _Spike.apply(x, derivative, slope)  # type: ignore[return-value]
