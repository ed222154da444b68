"""Weights in memristive crossbars: the neurons of `torch_dense`, behind devices that err, drift and are noisy.

    simulate(net, weights, inputs, duration=..., backend="crossbar", arithmetic=Crossbar(PCM_JOSHI_2020, age=86.4e6))

The weights of each projection are programmed once, from the seed of the simulation, and read at an age. In every step a
column's sum is drawn with the noise of its reads, then rounded by its converter; `Counts.saturations` says how many
sums left the converter's range. With IDEAL devices it is torch_dense, bit for bit up to the rounding of the scale.

Axes: B sample, I presynaptic, J postsynaptic.
References: joshi2020, rasch2021, rasch2023. Deviations: inputs are exact, where hardware converts them as well.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear

from neuro.backends import torch_dense
from neuro.backends.job import Job
from neuro.backends.torch_projection import dense
from neuro.crossbar import Read, program, read
from neuro.crossbar_devices import Crossbar, Device, check_crossbar
from neuro.network import Network, Projection, Synapses
from neuro.record import Record
from neuro.seeds import child


def unsupported(net: Network, plastic: bool) -> list[str]:
    """Reasons, in words, why this backend cannot run a network."""
    if not plastic:
        return []
    learning = [projection.name for projection in net.projections if projection.rule is not None]
    return [f"projection {name!r} learns, and devices are programmed once; use plastic=False" for name in learning]


def run(job: Job, surrogate: Callable[[Tensor], Tensor] = torch_dense.step_function) -> Record:
    """Run a job on the devices that it names. The Record has the weights as they are read, without a read's noise."""
    crossbar = job.arithmetic
    if not isinstance(crossbar, Crossbar):
        raise ValueError(f"arithmetic = {crossbar!r} is no crossbar; give arithmetic=Crossbar(device, age)")
    check_crossbar(crossbar)
    columns, weights = {}, {}
    for projection in job.net.projections:
        given = job.weights[projection.name]
        found = read_weights(given, crossbar, job.seed, projection.name)
        weights[projection.name] = _like(given, found.w)
        if crossbar.device.adc_bits or found.variance.any():
            columns[projection.name] = _Column(projection, job, found, crossbar.device)
    record = torch_dense.run(replace(job, weights=weights), surrogate, columns)
    clipped = sum(column.n_clipped for column in columns.values())
    return replace(record, counts=replace(record.counts, saturations=clipped))


def read_weights(given: Any, crossbar: Crossbar, seed: int, name: str) -> Read:
    """What is read of weights, w_JI or Synapses, that were programmed from a seed."""
    values = given.weights if isinstance(given, Synapses) else given
    values = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    return read(program(values, crossbar.device, child(seed, "crossbar", name)), crossbar)


class _Column:
    """The linear map of a projection: sums of columns, with noise, through the converter."""

    def __init__(self, projection: Projection, job: Job, found: Read, device: Device):
        given = job.weights[projection.name]
        if isinstance(given, Synapses) and given.delays is not None and len(np.unique(given.delays)) > 1:
            raise ValueError(f"projection {projection.name!r}: delays differ, and an array has one; split it by delay")
        variances = _like(given, found.variance)
        values = given.weights if isinstance(given, Synapses) else given
        like = torch.as_tensor(values).detach().new_empty(0)
        n_pre, n_post = job.net.population(projection.pre).size, job.net.population(projection.post).size
        self.variance_JI = dense(variances, n_pre, n_post, like, 0)[0]
        largest = float(np.abs(values.detach().cpu().numpy() if isinstance(values, Tensor) else values).max(initial=0))
        self.n_steps = 2 ** (device.adc_bits - 1) - 1 if device.adc_bits else 0
        # The converter comes before the factor that makes up for drift.
        self.unit = found.gain * device.adc_range * largest / self.n_steps if self.n_steps and largest else 0.0
        seed = int(child(job.seed, "crossbar", projection.name, "reads").integers(2**62))
        self.rng = torch.Generator(like.device).manual_seed(seed)
        self.n_clipped = 0
        self.last: tuple[Any, Any, Any] = (None, None, None)  # a direct current is the same tensor in every step

    def __call__(self, x_BI: Tensor, w_JI: Tensor) -> Tensor:
        if x_BI is not self.last[0]:
            variance_BJ = linear(x_BI * x_BI, self.variance_JI)
            self.last = x_BI, linear(x_BI, w_JI), variance_BJ.sqrt()
        _, mean_BJ, spread_BJ = self.last
        noise_BJ = torch.randn(mean_BJ.shape, generator=self.rng, dtype=mean_BJ.dtype, device=mean_BJ.device)
        sum_BJ = mean_BJ + spread_BJ * noise_BJ
        if not self.unit:
            return sum_BJ
        code_BJ = torch.round(sum_BJ / self.unit)
        self.n_clipped += int((code_BJ.abs() > self.n_steps).sum())
        return code_BJ.clamp(-self.n_steps, self.n_steps) * self.unit


def _like(given: Any, values: np.ndarray) -> Any:
    """Numbers in the form and the dtype of given weights."""
    if isinstance(given, Synapses):
        return given._replace(weights=values.astype(given.weights.dtype))
    return torch.from_numpy(values).to(given) if isinstance(given, Tensor) else values.astype(given.dtype)
