"""How samples enter a spiking network: events as they are, static values in one of three codes.

Axes: T step, B sample, I input, N input of any sample, E event.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from neuro import encode
from neuro.events import Events, bin_times, check_units, raster
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


def in_windows(events: Events, problem: Problem, like: Tensor) -> Callable[[int, int], Tensor]:
    """The raster a window at a time: (first step, step after the last) -> spikes_TBI. Events are kept, no raster is."""
    check_units(events, problem.n_inputs)
    step_E = bin_times(events.times, problem.dt).astype(np.int32)
    order_E = np.argsort(step_E, kind="stable")
    first_E = np.searchsorted(step_E[order_E], np.arange(problem.n_steps + 1))
    cell_E = (events.samples * problem.n_inputs + events.units)[order_E]
    step_E = step_E[order_E]

    def window(first: int, stop: int) -> Tensor:
        taken = slice(first_E[first], first_E[stop])
        spikes_TN = np.zeros((stop - first, events.n_samples * problem.n_inputs), np.float32)
        spikes_TN[step_E[taken] - first, cell_E[taken]] = 1.0
        return torch.from_numpy(spikes_TN).view(stop - first, events.n_samples, problem.n_inputs).to(like)

    return window
