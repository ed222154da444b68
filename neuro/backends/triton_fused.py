"""The fused backend: all steps of a population in one GPU kernel, its state in registers, with gradients.

In a feedforward network what arrives at a population is known for all steps before it takes the first:

    x[t] = sum over projections of  W s[t - d],   one matrix product over all T B rows

then one kernel runs its neurons through time (triton_source.py), and one kernel runs their adjoint backwards. The torch
backend instead launches some ten kernels a step, and as many for its gradient. Results are those of torch_dense: spikes
bit for bit in float32 where the sums of arrivals are exact, gradients to rounding.

Axes: T step, B sample, I presynaptic, J postsynaptic.
Deviations: exp and / on a GPU, see triton_dialect.py. A matrix product of T B rows sums in another order than one of B.
"""

import functools
import importlib.util
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from neuro.backends.job import Job
from neuro.backends.torch_dense import Drive, PoissonSpikes, input_tensor, reference_tensor, step_function
from neuro.backends.torch_projection import dense
from neuro.backends.triton_neurons import FusedNeurons
from neuro.events import Events, from_raster
from neuro.network import Network, PoissonSource, Population, Projection, Source, Synapses
from neuro.record import Counts, Record

MISSING = "Triton is not installed; pip install 'neuro[gpu]'"


def is_installed() -> bool:
    return importlib.util.find_spec("triton") is not None


def unsupported(net: Network, plastic: bool) -> list[str]:
    """Reasons, in words, why this backend cannot run a network."""
    reasons = [] if is_installed() else [MISSING]
    done = {population.name for population in layers(net)}
    loop = [population.name for population in net.populations if population.name not in done]
    if loop:
        reasons.append(
            f"populations {loop} lie on a loop or behind one, so that their input is not known beforehand; use"
            " torch_dense or triton_event"
        )
    for projection in net.projections:
        if plastic and projection.rule is not None:
            reasons.append(f"projection {projection.name!r} learns step by step; use triton_event or event")
        if projection.short_term is not None:
            reasons.append(f"projection {projection.name!r} has short-term plasticity; use torch_dense or event")
    return reasons


def layers(net: Network) -> list[Population]:
    """Populations, each after all that project to it; those on loops, and behind them, are left out."""
    order: list[Population] = []
    while True:
        done = {population.name for population in order}
        blocked = {projection.post for projection in net.projections if projection.pre not in done}
        ready = [p for p in net.populations if p.name not in done | blocked]
        if not ready:
            return order
        order += ready


def demand_device(like: Tensor) -> None:
    """Refuse tensors on the CPU, unless Triton interprets its kernels there."""
    from neuro.backends.triton_dialect import interpreted

    if not like.is_cuda and not interpreted():
        raise ValueError(
            f"the weights are on {str(like.device)!r}, and Triton compiles for GPUs; move them with .to('cuda'), or set"
            " TRITON_INTERPRET=1 before Python starts to run the kernels on the CPU, slowly"
        )


def run(job: Job, surrogate: Callable[[Tensor], Tensor] = step_function) -> Record:
    """Run a job. surrogate: the spike function, whose derivative the adjoint uses; as in torch_dense.run."""
    start = time.perf_counter()
    like = reference_tensor(job)
    demand_device(like)
    incoming = {p.name: [_FusedProjection(k, job, like) for k in job.net.projections if k.post == p.name]
                for p in job.order}  # fmt: skip
    sent: dict[str, Tensor] = {}  # [T, B, N], or [B, N] for direct current
    traces: dict[str, Tensor] = {}
    n_spikes = n_events = like.new_zeros((), dtype=torch.float64)  # on the device, read once at the end
    for population in layers(job.net):
        if population.is_source:
            found = {"output": _given(population, job, like)}
        else:
            x, n_driven = _arrivals(population, job, like, incoming[population.name], sent)
            learns = torch.is_grad_enabled() and any(values.requires_grad for values in x)
            found = FusedNeurons(population, job, like, learns, surrogate).advance(x)
            n_events = n_events + n_driven
            if not population.model.graded:
                n_spikes = n_spikes + found["output"].detach().sum(dtype=torch.float64)
        sent[population.name] = found["output"]
        for field in job.recorded.get(population.name, []):
            values = found["output" if field == "spikes" else field]
            traces[f"{population.name}.{field}"] = values.expand(job.n_steps, *values.shape[-2:])
    for projection in (k for ks in incoming.values() for k in ks):
        n_events = n_events + projection.n_events(sent[projection.projection.pre])
    n_spikes, n_events = (int(count) for count in torch.stack([n_spikes, n_events]).tolist())
    counts = Counts(n_spikes, n_events, wall_s=time.perf_counter() - start)
    spikes = {name.removesuffix(".spikes"): _events(traces.pop(name), job) for name in list(traces)
              if name.endswith(".spikes")}  # fmt: skip
    for projection in job.net.projections:
        if job.records(projection.name, "weights"):
            traces[f"{projection.name}.weights"] = _unchanging(job.weights[projection.name], job)
    return Record(spikes, traces, {p.name: job.weights[p.name] for p in job.net.projections}, counts)


def _events(spikes_TBN: Tensor, job: Job) -> Events:
    return from_raster(spikes_TBN.detach().cpu().numpy(), job.net.dt)


def _given(population: Population, job: Job, like: Tensor) -> Tensor:
    """What a source sends."""
    if isinstance(population.model, PoissonSource):
        drawn = PoissonSpikes(population, job, like)
        return torch.stack([drawn.spikes(step) for step in range(job.n_steps)])
    assert isinstance(population.model, Source)
    return input_tensor(job, population, like)


def _arrivals(
    population: Population, job: Job, like: Tensor, incoming: list["_FusedProjection"], sent: dict[str, Tensor]
) -> tuple[list[Tensor], int]:
    """What arrives at each receptor [T, B, J], and how many events of drives are in it."""
    model: Any = population.model
    found: dict[str, Tensor] = {}
    n_driven = 0
    for projection in incoming:
        x_TBJ = projection.arrivals(sent[projection.projection.pre])
        found[projection.receptor] = found[projection.receptor] + x_TBJ if projection.receptor in found else x_TBJ
    for drive in (Drive(d, job, like) for d in job.net.drives if d.post == population.name):
        x_TBJ = torch.stack([drive.receive(step) for step in range(job.n_steps)])
        found[drive.receptor] = found[drive.receptor] + x_TBJ if drive.receptor in found else x_TBJ
        n_driven += drive.n_events
    silence = like.new_zeros(job.n_samples, population.size).expand(job.n_steps, -1, -1)
    return [found.get(receptor, silence) for receptor in model.receptors], n_driven


class _FusedProjection:
    """The weights of a projection.

    pathways: a delay (steps), w_JI of the synapses that have it, and how many of them each presynaptic neuron has.
    """

    def __init__(self, projection: Projection, job: Job, like: Tensor):
        self.projection, self.n_steps, self.receptor = projection, job.n_steps, job.net.receptor(projection)
        n_pre, n_post = job.net.population(projection.pre).size, job.net.population(projection.post).size
        given, delay = job.weights[projection.name], job.net.delay_steps(projection)
        if not isinstance(given, Synapses):
            self.pathways = [(delay, torch.as_tensor(given).to(like), like.new_full((n_pre,), n_post))]
            return
        w_JI, exists_JI, delay_JI = dense(given, n_pre, n_post, like, delay)
        masks = {int(d): exists_JI & (delay_JI == d) for d in delay_JI[exists_JI].unique().tolist() or [delay]}
        self.pathways = [(d, w_JI * mask_JI, mask_JI.sum(0)) for d, mask_JI in masks.items()]

    def arrivals(self, sent: Tensor) -> Tensor:
        """What arrives [T, B, J]. sent: [T, B, I], or [B, I] at every step."""
        found = []
        for delay, w_JI, _ in self.pathways:
            n = max(self.n_steps - delay, 0)
            if sent.ndim == 2:
                x_TBJ = torch.nn.functional.linear(sent, w_JI).expand(n, -1, -1)
            else:
                x_TBJ = torch.nn.functional.linear(sent[:n], w_JI)
            if delay:
                x_TBJ = torch.cat([x_TBJ.new_zeros(self.n_steps - n, *x_TBJ.shape[1:]), x_TBJ])
            found.append(x_TBJ)
        return functools.reduce(torch.add, found)

    def n_events(self, sent: Tensor) -> Tensor:
        """Spikes that arrived times the synapses that each crossed."""
        found, is_sent = sent.new_zeros((), dtype=torch.float64), sent.detach() != 0
        for delay, _, fan_out_I in self.pathways:
            n = max(self.n_steps - delay, 0)
            count_I = is_sent.sum(0) * n if sent.ndim == 2 else is_sent[:n].sum((0, 1))
            found = found + (count_I.double() * fan_out_I).sum()
        return found


def _unchanging(given: Any, job: Job) -> Any:
    """The record of weights that stay as they are, [K, ...]."""
    values = torch.as_tensor(given.weights if hasattr(given, "weights") else given).detach().cpu().numpy()
    return values[None].repeat(job.n_steps // job.weights_every, 0)
