"""Layers of feedforward networks, dense and convolutional, shared by learners that differ in how they learn.

A network is a tuple of layers; its weights lie in a LearnerState under names that the learner gives.

Axes: B sample, I input, J output of a layer; images are [B, channel, height, width].
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from neuro.learners.base import Problem

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}  # of the factors of matrix products, in learners


class Layer(NamedTuple):
    """One learned linear map: dense where kernel is 0, else a convolution padded with kernel // 2 zeros.

    shape_in: (units,) or (channels, height, width) of its input. pool: side of the square over which
    the maximum is taken after the activation.
    """

    shape_in: tuple[int, ...]
    n_out: int
    kernel: int = 0
    stride: int = 1
    pool: int = 1


def stack(
    problem: Problem,
    conv: tuple[int, ...],
    hidden: tuple[int, ...],
    *,
    kernel: int = 3,
    stride: int = 1,
    pool: int = 2,
) -> tuple[Layer, ...]:
    """Convolutions with the given channels, dense layers with the given units, then one unit a class.

    ValueError if the samples are no images, or smaller than the convolutions need.
    """
    shape, layers = problem.shape, []
    if conv:
        check_images(shape)
    for channels in conv:
        # One pixel needs no stride, with which torch 2.13's bfloat16 weight gradient is not a number.
        is_pixel = shape[1:] == (1, 1)
        layers.append(Layer(shape, channels, kernel, 1 if is_pixel else stride, pool))
        shape = shape_out(layers[-1])
        if min(shape) < 1:
            raise ValueError(
                f"images of {problem.shape[1]} x {problem.shape[2]} are too small for {len(conv)} convolutions"
                f" with stride {stride} and pooling by {pool}; give fewer"
            )
    for units in (*hidden, problem.n_classes):
        layers.append(Layer((math.prod(shape),), units))
        shape = (units,)
    return tuple(layers)


def check_images(shape: tuple[int, ...]) -> None:
    """ValueError if samples of a shape are no images."""
    if len(shape) != 3:
        raise ValueError(
            f"convolutions need images [channels, height, width], and samples have the shape {shape}; choose a task of"
            " images, or a network without convolutions"
        )


def check_filled(learner: Any, field: str) -> None:
    """ValueError if a field of a learner that gives one number for each layer is empty."""
    if not getattr(learner, field):
        name, example = type(learner).__name__, getattr(type(learner)(), field)
        raise ValueError(f"{name}.{field} is empty; give at least one layer, as in {example}")


def shape_out(layer: Layer) -> tuple[int, ...]:
    """Shape of one sample's activity after the layer, pooling included."""
    if not layer.kernel:
        return (layer.n_out,)
    sides = [(side + 2 * (layer.kernel // 2) - layer.kernel) // layer.stride + 1 for side in layer.shape_in[1:]]
    return (layer.n_out, *(side // layer.pool for side in sides))


def weight_shape(layer: Layer) -> tuple[int, ...]:
    """(J, I), or (channels out, channels in, kernel, kernel)."""
    return (layer.n_out, layer.shape_in[0]) + (layer.kernel, layer.kernel) * bool(layer.kernel)


def uniform(shape: tuple[int, ...], rng: torch.Generator, fan_in: int | None = None) -> Tensor:
    """A learned tensor, uniform within +-1/sqrt(fan_in), as torch's layers draw it; fan_in is that of the shape.

    Kernels lie in memory with their channels last; activities follow them, and pooling is several times faster.
    """
    bound = 1 / math.sqrt(fan_in or math.prod(shape[1:]))
    drawn = torch.empty(shape).uniform_(-bound, bound, generator=rng)
    drawn = drawn.contiguous(memory_format=torch.channels_last) if len(shape) == 4 else drawn
    return drawn.requires_grad_()


def drive(layer: Layer, activity: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The linear map of a layer. A dense layer takes images too, as rows."""
    if not layer.kernel:
        return functional.linear(activity.flatten(1), weight, bias)
    images = activity.reshape(len(activity), *layer.shape_in)
    return functional.conv2d(images, weight, bias, layer.stride, layer.kernel // 2)


def products_in(precision: str) -> torch.autocast:
    """A context in which the factors of matrix products are rounded to one of PRECISIONS."""
    return torch.autocast("cpu", PRECISIONS[precision], enabled=precision != "float32")


def normalised(
    activity: Tensor,
    moments: tuple[Tensor, Tensor],
    gain: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    is_learning: bool,
    momentum: float = 0.1,
    floor: float = 1e-5,
) -> Tensor:
    """Batch normalisation (ioffe2015) over all axes but the second.

    moments: running means and variances, which learning updates, with a weight of momentum for the batch's own, and
    which stand in for them otherwise, and where there is one value a channel, which has no variance. floor: is added
    to variances.
    """
    is_learning = is_learning and activity.numel() > activity.shape[1]
    return functional.batch_norm(activity, *moments, gain, bias, is_learning, momentum, floor)


def pooled(layer: Layer, activity: Tensor) -> Tensor:
    """The activity after the layer's max pooling."""
    return functional.max_pool2d(activity, layer.pool) if layer.pool > 1 else activity


def synaptic_events(layer: Layer, activity: Tensor) -> int:
    """Multiply-accumulates of `drive` whose input is not 0. activity: the layer's input."""
    is_active = activity != 0
    if not layer.kernel:
        return int(is_active.sum()) * layer.n_out
    per_pixel = is_active.reshape(len(activity), *layer.shape_in).sum(1, keepdim=True).float()
    ones = per_pixel.new_ones(1, 1, layer.kernel, layer.kernel)
    return int(functional.conv2d(per_pixel, ones, None, layer.stride, layer.kernel // 2).double().sum()) * layer.n_out
