"""How samples enter a spiking network: events as they are, static values in one of three codes.

Axes: T step, B sample, I input.
"""

import numpy as np
import torch
from torch import Tensor

from neuro import encode
from neuro.events import Events, raster
from neuro.learners.base import Problem

CODES = ("direct", "rate", "latency")


def encoded(inputs: Tensor | Events, problem: Problem, code: str, rng: np.random.Generator) -> Tensor | Events:
    """Events, or values_BI that act as a current in every step (code "direct")."""
    if isinstance(inputs, Events):
        return inputs
    values_BI = inputs.flatten(1)
    if code == "direct":
        return values_BI
    if code == "rate":
        return encode.rate(values_BI.numpy(), problem.n_steps, problem.dt, rng, max_rate=1.0 / problem.dt)
    return encode.latency(values_BI.numpy(), problem.n_steps * problem.dt)


def as_current(given: Tensor | Events, problem: Problem, like: Tensor) -> Tensor:
    """What arrives in each step: values_BI, the same in all, or spikes_TBI."""
    if isinstance(given, Events):
        given = torch.as_tensor(raster(given, problem.n_inputs, problem.n_steps, problem.dt)[0])
    return given.to(like)
