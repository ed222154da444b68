"""The reference backend: a time loop over tensors [B, N], with autograd, on CPU and GPU.

Sparse projections are made dense. Within a step, population by population: traces decay, arrivals,
on_pre, neuron step, on_post.

Axes: T step, B sample, N neuron, I presynaptic, J postsynaptic.
"""

import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neuro import poisson
from neuro.backends.job import Job
from neuro.backends.torch_projection import DenseProjection, on_device
from neuro.dialect import rebind
from neuro.events import Events, from_raster, raster
from neuro.network import Network, PoissonDrive, PoissonSource, Population, Source, Synapses
from neuro.record import Counts, Record


def step_function(x: Tensor) -> Tensor:
    """1 where x >= 0, else 0; without a gradient."""
    return torch.ge(x.detach(), 0, out=torch.empty_like(x))  # writing floats is ten times as fast as booleans


def _maximum(a, b):
    if not isinstance(b, Tensor):
        return torch.clamp(a, min=b)
    return torch.maximum(a, b) if isinstance(a, Tensor) else torch.clamp(b, min=a)


def _minimum(a, b):
    if not isinstance(b, Tensor):
        return torch.clamp(a, max=b)
    return torch.minimum(a, b) if isinstance(a, Tensor) else torch.clamp(b, max=a)


def _dialect(surrogate: Callable[[Tensor], Tensor], like: Tensor) -> dict[str, Any]:
    """The names of a step. like: a tensor of the dtype and on the device of the simulation."""

    def where(condition, a, b):
        """Chooses at once where there is nothing to compute: a refractory period of 0 then costs nothing."""
        if isinstance(condition, bool):
            return a if condition else b
        if not isinstance(a, Tensor) and not isinstance(b, Tensor):
            return a if a == b else torch.where(condition, like.new_tensor(a), b)
        return torch.where(condition, a, b)

    return {
        "dialect": "torch",
        "where": where,
        "exp": torch.exp,
        "heaviside": surrogate,
        "maximum": _maximum,
        "minimum": _minimum,
    }


@functools.cache
def _compiled(
    step: Callable, surrogate: Callable[[Tensor], Tensor], dtype: torch.dtype, device: torch.device
) -> Callable:
    """A step for which torch.compile writes one kernel; kept, since a copy would be compiled again."""
    names = _dialect(surrogate, torch.empty(0, dtype=dtype, device=device))
    return torch.compile(rebind(step, names), fullgraph=True)


def unsupported(net: Network, plastic: bool) -> list[str]:
    """Reasons, in words, why this backend cannot run a network."""
    return []


def run(
    job: Job,
    surrogate: Callable[[Tensor], Tensor] = step_function,
    columns: Mapping[str, Callable[[Tensor, Tensor], Tensor]] | None = None,
    compiled: bool = False,
) -> Record:
    """Run a job. surrogate: the spike function, whose derivative autograd uses.

    columns: projection -> what makes sums [B, J] of inputs [B, I] and weights w_JI, in place of the exact product.
    compiled: torch.compile makes one kernel of each model's step, once a process for each surrogate, dtype and device.
    It pays on a GPU, where a step is some ten kernels otherwise; on a CPU it is no faster.

    Weights, values and rasters may be tensors that require gradients; traces then carry them.
    """
    start = time.perf_counter()
    like = reference_tensor(job)
    names = _dialect(surrogate, like)

    def translated(step: Callable) -> Callable:
        return _compiled(step, surrogate, like.dtype, like.device) if compiled else rebind(step, names)

    populations = {p.name: _Population(p, job, like, translated) for p in job.order}
    columns = columns or {}
    projections = [DenseProjection(p, job, like, names, populations, columns.get(p.name)) for p in job.net.projections]
    incoming = {name: [p for p in projections if p.post == name] for name in populations}
    drives = {name: [Drive(d, job, like) for d in job.net.drives if d.post == name] for name in populations}
    for step in range(job.n_steps):
        for name, population in populations.items():
            arrivals: dict[str, Tensor] = {}
            for sender in [*incoming[name], *drives[name]]:
                x, receptor = sender.receive(step), sender.receptor
                arrivals[receptor] = arrivals[receptor] + x if receptor in arrivals else x
            population.advance(arrivals, step)
            for projection in incoming[name]:
                projection.learn_from_post(population.output, step)
    counts = Counts(
        spikes=sum(int(p.sent_N.sum()) for p in populations.values() if p.spikes),
        synaptic_events=sum(p.n_events() for p in projections) + sum(d.n_events for ds in drives.values() for d in ds),
        wall_s=time.perf_counter() - start,
    )
    spikes: dict[str, Events] = {}
    traces: dict[str, Tensor] = {}
    for name, population in populations.items():
        for field, values in population.kept.items():
            values_TBN = torch.stack(values) if values else like.new_zeros(0, *population.output.shape)
            if field == "spikes":
                spikes[name] = from_raster(values_TBN.detach().cpu().numpy(), job.net.dt)
            else:
                traces[f"{name}.{field}"] = values_TBN
    for projection in projections:
        if job.records(projection.name, "weights"):
            traces[f"{projection.name}.weights"] = projection.recorded_weights()
    return Record(spikes, traces, {p.name: p.final_weights() for p in projections}, counts)


def reference_tensor(job: Job) -> Tensor:
    """An empty tensor on the device and of the dtype of the weights (float64 on the CPU without any)."""
    for given in job.weights.values():
        values = given.weights if isinstance(given, Synapses) else given
        return torch.as_tensor(values).detach().new_empty(0)
    return torch.empty(0, dtype=torch.float64)


class _Population:
    """The state of a population while a job runs."""

    def __init__(self, population: Population, job: Job, like: Tensor, translated: Callable[[Callable], Callable]):
        self.kept: dict[str, list[Tensor]] = {field: [] for field in job.recorded.get(population.name, [])}
        self.n_steps = job.n_steps
        delays = [job.longest_delay(p) for p in job.net.projections if p.pre == population.name]
        self.model: Any = population.model
        self.output = self.silence = like.new_zeros(job.n_samples, population.size)
        self.history = [self.output] * (max(delays, default=0) + 1)
        self.sent_N = like.new_zeros(population.size, dtype=torch.float64)  # non-zero outputs, all samples
        self.spikes = not population.is_source and not population.model.graded
        self.is_counted = self.spikes or bool(delays)
        self.counted: tuple[Any, Any] = (None, None)  # the last output that was counted, and its count
        self.input = self.state = self.drawn = None
        if isinstance(population.model, PoissonSource):
            self.drawn = PoissonSpikes(population, job, like)
            return
        if isinstance(population.model, Source):
            self.input = input_tensor(job, population, like)
            return
        c = self.model.coefficients(job.net.dt)
        self.coefficients = type(c)(*on_device(like, c))
        start = job.initial[population.name]
        # The time left in refractoriness stays a number while all are free: see `where`.
        values = {
            field: value + self.output for field, value in zip(start._fields, on_device(like, start), strict=True)
        }
        if not np.any(getattr(start, "refrac", True)):
            values["refrac"] = 0.0
        self.state = type(start)(**values)
        self.step = translated(self.model.step)

    def advance(self, arrivals: dict[str, Tensor], step: int) -> None:
        """Step the neurons, count what they send, and keep what is recorded. arrivals: by receptor."""
        if self.drawn is not None:
            self.output = self.drawn.spikes(step)
        elif self.input is not None:
            self.output = self.input if self.input.ndim == 2 else self.input[step]
        else:
            x = [arrivals.get(receptor, self.silence) for receptor in self.model.receptors]
            given = x[0] if len(x) == 1 else self.model.Arrivals(*x)
            self.output, self.state = self.step(self.state, given, self.coefficients)
        if self.is_counted:
            self.sent_N += self._count(self.output)
        self.history[step % len(self.history)] = self.output
        for field, values in self.kept.items():
            value = self.output if field in ("output", "spikes") else getattr(self.state, field)
            values.append(value if isinstance(value, Tensor) else torch.full_like(self.output, value))

    def _count(self, output_BN: Tensor) -> Tensor:
        """How many samples have a non-zero output, for each neuron; a spike is a 1, so a sum counts it."""
        if output_BN is self.counted[0]:  # direct current: the same tensor in every step
            return self.counted[1]
        count_N = output_BN.detach().sum(0) if self.spikes else (output_BN.detach() != 0).sum(0)
        self.counted = output_BN, count_N
        return count_N

    def delivered(self, delay: int) -> Tensor:
        """sent_N without what was sent in the last `delay` steps and did not arrive."""
        n = min(delay, self.n_steps)
        late = [self._count(self.history[(self.n_steps - 1 - k) % len(self.history)]) for k in range(n)]
        return self.sent_N - sum(late) if late else self.sent_N

    def sent(self, step: int) -> Tensor:
        """What was sent in an earlier step, or in this one if the population has advanced."""
        return self.history[step % len(self.history)]


class PoissonSpikes:
    """The spikes of a Poisson source; the numbers are those of neuro/poisson.py."""

    def __init__(self, population: Population, job: Job, like: Tensor):
        model: Any = population.model
        bound = np.minimum(np.rint(model.probability(job.net.dt) * 2**32), 2**32 - 1)
        self.bound_N, self.like = np.broadcast_to(bound, (population.size,)), like
        self.keys = [poisson.key(job.seed, population.name, sample) for sample in range(job.n_samples)]

    def spikes(self, step: int) -> Tensor:
        size = len(self.bound_N)
        fired_BN = np.stack([poisson.bits(size, step, key) < self.bound_N for key in self.keys])
        return torch.from_numpy(fired_BN).to(self.like)


def input_tensor(job: Job, population: Population, like: Tensor) -> Tensor:
    given = job.inputs[population.name]
    if isinstance(given, Events):
        given, _ = raster(given, population.size, job.n_steps, job.net.dt)
    return torch.as_tensor(given).to(like)


class Drive:
    """A Poisson drive while a job runs; the numbers are those of neuro/poisson.py."""

    def __init__(self, drive: PoissonDrive, job: Job, like: Tensor):
        self.receptor, self.weight, self.like = job.net.receptor(drive), drive.weight, like
        self.bounds = poisson.thresholds(drive.mean(job.net.dt))
        self.size = job.net.population(drive.post).size
        name = f"{drive.post}.{self.receptor}"
        self.keys = [poisson.key(job.seed, name, sample) for sample in range(job.n_samples)]
        self.n_events = 0

    def receive(self, step: int) -> Tensor:
        """What arrives in a step [B, J]."""
        counts_BJ = np.stack([poisson.draw(self.bounds, self.size, step, key) for key in self.keys])
        self.n_events += int(counts_BJ.sum())
        return torch.from_numpy(counts_BJ).to(self.like) * self.weight
