"""The event backend on a GPU: spikes are compacted into a list, and each is delivered along its row of synapses.

A step, for all populations at once:

1. traces of plastic synapses decay; spikes that left a delay ago arrive at them, w acts, then on_pre; traces jump;
2. spikes of sources and Poisson drives arrive;
3. neurons of one model take their step in one kernel, which appends those that fired to the list;
4. on_post changes the columns of those that fired; traces jump;
5. spikes go along the rows of synapses that do not learn, into a ring of arrivals [step modulo depth, slot].

Everything is launched with the same arguments at every step, because kernels read the step from memory; so on a GPU the
launches of a step are recorded once, as a CUDA graph, and replayed. Results are those of `event`; atomic additions take
the arrivals of a neuron in any order, so that two runs agree bit for bit only where these sums are exact.

Deviations: exp and / on a GPU, see triton_dialect.py.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neuro.backends.job import Job
from neuro.backends.torch_dense import reference_tensor
from neuro.backends.triton_fused import MISSING, demand_device, is_installed
from neuro.events import Events
from neuro.network import Network, PoissonSource, Source
from neuro.plasticity import interval_steps
from neuro.record import Counts, Record

CHUNK = 200  # steps between two looks at how many spikes there are


def unsupported(net: Network, plastic: bool) -> list[str]:
    """Reasons, in words, why this backend cannot run a network."""
    reasons = [] if is_installed() else [MISSING]
    for population in net.populations:
        if isinstance(population.model, PoissonSource):
            reasons.append(f"population {population.name!r} draws its spikes; use event, or give Events to a Source")
    for projection in net.projections:
        pre, where = net.population(projection.pre).model, f"projection {projection.name!r}"
        if pre.graded:
            reasons.append(f"{where} sends graded values, and events are spikes")
        if not isinstance(pre, Source) and net.delay_steps(projection) == 0:
            reasons.append(f"{where} has no delay; give it at least dt = {net.dt} ms, or use event")
        if projection.short_term is not None:
            reasons.append(f"{where} has short-term plasticity; use event")
        if plastic and projection.rule is not None:
            if projection.modulator is not None:
                reasons.append(f"{where} has a modulator; use event")
            if interval_steps(projection.rule, net.dt):
                reasons.append(f"{where} learns at intervals; use event")
    return reasons


def run(job: Job) -> Record:
    """Run a job of one sample, on the first GPU wherever its weights are; the Record is in NumPy."""
    from neuro.backends.triton_dialect import interpreted

    if job.n_samples != 1:
        raise ValueError(f"triton_event runs one sample at a time, and {job.n_samples} were given; use triton_fused")
    like = reference_tensor(job)
    if torch.cuda.is_available() and not interpreted():
        like = like.cuda()
    demand_device(like)
    simulation = _Simulation(job, like)
    start = time.perf_counter()
    simulation.advance()
    arrays = simulation.arrays
    n_spikes, n_events = int(simulation.offsets[job.n_steps]), int(arrays.events)  # waits for the GPU
    traces = {}
    for name, fields in job.recorded.items():
        for field in fields:
            if "->" in name:
                traces[f"{name}.weights"] = np.stack(simulation.kept[name])
            elif field != "spikes":
                traces[f"{name}.{field}"] = arrays.trace(name, field).cpu().numpy()[:, None]
    spikes = {name: _events(simulation, name) for name, fields in job.recorded.items() if "spikes" in fields}
    counts = Counts(n_spikes, n_events, wall_s=time.perf_counter() - start)
    weights = {**job.weights, **{k.name: k.final_weights() for k in arrays.plastic}}
    return Record(spikes, traces, weights, counts)


class _Simulation:
    """A job under way. ids, offsets: the spikes of all steps so far, see triton_event_kernels.py."""

    def __init__(self, job: Job, like: Tensor):
        from neuro.backends.triton_network import Arrays

        self.job, self.arrays = job, Arrays(job, like)
        self.clock = torch.zeros(1, dtype=torch.int32, device=like.device)
        self.offsets = torch.zeros(job.n_steps + 2, dtype=torch.int32, device=like.device)
        self.ids = self.offsets.new_zeros(0)
        self.kept: dict[str, list[np.ndarray]] = {p.name: [] for p in job.net.projections}

    def advance(self) -> None:
        """All steps."""
        job, done, step = self.job, 0, self._step
        n_neurons = sum(group.size for group in self.arrays.groups)
        while done < job.n_steps:
            stop = min(done + CHUNK, job.n_steps)
            if job.weights_every:
                stop = min(stop, (done // job.weights_every + 1) * job.weights_every)
            room = int(self.offsets[done]) + n_neurons * (stop - done)
            if room > len(self.ids):
                grown = self.ids.new_zeros(2 * room)
                grown[: len(self.ids)] = self.ids
                self.ids, step = grown, self._step
            for _ in range(stop - done):
                step()
                if step == self._step and self.ids.is_cuda:
                    step = _recorded(self._step)  # all kernels are compiled now
            done = stop
            if job.weights_every and done % job.weights_every == 0:
                for projection in job.net.projections:
                    self.kept[projection.name].append(self.arrays.weights_now(projection.name))

    def _step(self) -> None:
        from neuro.backends import triton_event_kernels

        kernels: Any = triton_event_kernels
        arrays, clock, own = self.arrays, self.clock, (self.ids, self.offsets)
        where, options = kernels.spread()
        for plastic in arrays.plastic:
            plastic.receive(clock, own, arrays)
        for slots, values in arrays.direct:
            arrays.add_direct(clock, slots, values)
        for rows, spikes in arrays.from_sources:
            kernels.deliver[where](clock, self.job.n_steps, *spikes, *rows, *arrays.ring, arrays.events, **options)
        for drive in arrays.drives:
            drive.send(clock, arrays)
        for group in arrays.groups:
            group.advance(clock, own, arrays)
        for plastic in arrays.plastic:
            plastic.learn(clock, own)
        if arrays.rows is not None:
            kernels.deliver[where](clock, self.job.n_steps, *own, *arrays.rows, *arrays.ring, arrays.events, **options)
        kernels.tick[(1,)](clock, self.offsets)


def _recorded(step: Callable[[], None]) -> Callable[[], None]:
    """What a step launches, as one CUDA graph."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def _events(simulation: _Simulation, name: str) -> Events:
    """The spikes of a population, ordered by step and neuron."""
    offsets = simulation.offsets.cpu().numpy()[: simulation.job.n_steps + 1]
    ids = simulation.ids.cpu().numpy()[: offsets[-1]]
    step = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    first, size = simulation.arrays.place(name)
    mine = (ids >= first) & (ids < first + size)
    step, units = step[mine], ids[mine] - first
    order = np.lexsort((units, step))
    times = np.asarray(step[order] * simulation.job.net.dt, np.float64)
    return Events(times, units[order].astype(np.int32), np.array([0, len(times)]))
