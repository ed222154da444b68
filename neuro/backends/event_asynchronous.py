"""Asynchronous updating: no steps; a neuron is touched only when a spike reaches it or when it is due to fire.

For models that declare their FLOW, the closed form of v between spikes (LIF, LIFDelta, LIFExcInh). Spike times are
those of the differential equations within 1e-9 ms (a time of 1e6 ms is itself rounded to 1e-10), and a peak is told
from a spike to 1e-13 mV; dt is only what delays and the duration are multiples of. All in float64, to which weights of
float32 are converted. How it is done: asynchronous_kernels.py.

Conventions. Input spikes act at their own times, each of them. What arrives at t comes before thresholds at t. v is
held for exactly t_ref after a spike, so the shortest interval is t_ref, not t_ref + dt; delta synapses lose what
arrives during that time and at its end. A simulation covers [0, duration). Poisson drives and sources are processes
in continuous time, drawn from `seeds.child`: not the spikes that update="clock" has for the same seed. Same seed and
machine: same bits.

Its cost is one of spikes and of what they reach, that of update="clock" mostly one of neurons and steps; where the
two meet: simulations/update_cost.py.
"""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro import memory
from neuro.backends import asynchronous_kernels as kernels
from neuro.backends.asynchronous_kernels import STREAM, THRESHOLD, Output, Streams
from neuro.backends.asynchronous_network import neurons_of, receptor, start, synaptic_of
from neuro.backends.asynchronous_streams import BLOCK, Stream, streams_of
from neuro.backends.calendar_queue import DAY, HEAP, WAITING, Queue, empty_queue, move, push, push_all
from neuro.backends.closed_form import BASE, DUE
from neuro.backends.job import Job
from neuro.events import Events
from neuro.network import Network
from neuro.progress import Progress
from neuro.record import Counts, Record

RECORDED = 1 << 16  # spikes between two looks
BUDGET = 5_000_000  # events and arrivals between two looks: a tenth of a second
FIRST_WIDTH = 0.1  # ms, of a day
ENOUGH = 2000  # events and days to judge the width by
FEWEST, WANTED, MOST = 1.0, 4.0, 16.0  # events a day, outside of which the calendar gets days of another width
REMEDY = "record fewer populations, or simulate in parts"


def unsupported(net: Network, plastic: bool) -> list[str]:
    """Reasons, in words, why this backend cannot run a network."""
    reasons = []
    for population in net.populations:
        model: Any = population.model
        where = f"population {population.name!r}"
        if population.is_source:
            continue
        if model.graded:
            reasons.append(f"{where} sends graded values, which change all the time; use update='clock'")
        elif getattr(model, "FLOW", None) is None:
            reasons.append(
                f"{where} has a model without a closed-form FLOW, {type(model).__name__}; use update='clock'"
            )
        elif np.any((np.asarray(model.t_ref) == 0.0) & (np.asarray(model.v_reset) >= model.v_th)):
            reasons.append(f"{where} has t_ref = 0 and v_reset >= v_th, so it fires without end; give it a t_ref")
    for projection in net.projections:
        where = f"projection {projection.name!r}"
        if plastic and projection.rule is not None:
            reasons.append(f"{where} is plastic, and the traces of its rule decay by steps of dt; use update='clock'")
        if projection.short_term is not None:
            reasons.append(f"{where} has short-term plasticity; use update='clock'")
    return reasons


def run(job: Job) -> Record:
    """Run a job, sample after sample."""
    began = time.perf_counter()
    _check(job)
    simulation = _Simulation(job)
    samples = [simulation.sample(index) for index in range(job.n_samples)]
    spikes = {}
    for p, population in enumerate(job.order):
        if job.records(population.name, "spikes"):
            parts = [
                _of_population(*sample, simulation.neurons.first[p], simulation.neurons.first[p + 1])
                for sample in samples
            ]
            offsets = np.cumsum([0, *(len(times) for times, _ in parts)])
            times, units = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
            spikes[population.name] = Events(times, units, offsets)
    n_spikes, n_events = int(simulation.counts[kernels.SPIKES]), int(simulation.counts[kernels.ARRIVALS])
    counts = Counts(spikes=n_spikes, synaptic_events=n_events, wall_s=time.perf_counter() - began)
    return Record(spikes=spikes, traces={}, weights=dict(job.weights), counts=counts)


def _check(job: Job) -> None:
    """Raise ValueError for what a job asks for, though the network could be run."""
    for name, fields in job.recorded.items():
        for field in fields:
            if field != "spikes":
                raise ValueError(
                    f"cannot record '{name}.{field}' with update='asynchronous', which has no steps; record"
                    f" '{name}.spikes', or use update='clock'"
                )
    for name, given in job.inputs.items():
        if not isinstance(given, Events):
            raise ValueError(
                f"input {name!r} holds values a step, and update='asynchronous' has no steps; give Events, for a"
                " constant current the model's i_ext (one value a neuron), or use update='clock'"
            )


def _of_population(times: NDArray, neurons: NDArray, first: int, last: int) -> tuple[NDArray, NDArray]:
    own = (neurons >= first) & (neurons < last)
    return times[own], (neurons[own] - first).astype(np.int32)


class _Simulation:
    """The arguments of the kernel; those of a sample are made for each."""

    def __init__(self, job: Job):
        self.job, self.end = job, job.n_steps * job.net.dt
        self.neurons = neurons_of(job)
        self.synaptic = synaptic_of(job, self.neurons.first)
        self.counts = np.zeros(5, np.int64)
        recorded = np.array([job.records(population.name, "spikes") for population in job.order])
        self.output = Output(np.empty(RECORDED), np.empty(RECORDED, np.int64), recorded, self.counts)

    def sample(self, index: int) -> tuple[NDArray, NDArray]:
        """Times and neurons of the recorded spikes of one sample."""
        due = start(self.job, self.neurons)
        outside = streams_of(self.job, index)
        streams = self._streams(outside)
        queue = empty_queue(len(due) + len(outside) + self.synaptic.longest, FIRST_WIDTH, 0.0)
        soon = due[self.neurons.state[due, DUE] < self.end]
        push_all(queue, self.neurons.state[soon, DUE], soon | THRESHOLD)
        for n in range(len(outside)):
            self._refill(n, outside, streams, queue)
        kept: list[tuple[NDArray, NDArray]] = [(np.empty(0), np.empty(0, np.int32))]
        status, now, seen = kernels.STOPPED, 0.0, int(self.counts[kernels.EVENTS])
        with Progress("simulating", self.end, "ms") as progress:
            while status != kernels.DONE:
                status = kernels.run(self.neurons, self.synaptic, streams, queue, self.output, self.end, BUDGET)
                n_events = int(self.counts[kernels.EVENTS]) - seen
                if status == kernels.STREAM_EMPTY:
                    self._refill(int(self.counts[kernels.PLACE]), outside, streams, queue)
                    if n_events < len(due):
                        continue  # to look at all neurons would take longer than these events did
                before, now = now, float(queue.counters[DAY] * queue.width)
                self._keep_spikes(kept, now)
                self._check_state(status, now)
                queue = self._adapted(queue, n_events, now - before, now)
                seen += n_events
                progress.update(now)
        times, neurons = zip(*kept, strict=True)
        return np.concatenate(times), np.concatenate(neurons)

    def _streams(self, outside: list[Stream]) -> Streams:
        n, first = len(outside), self.neurons.first
        posts = [self.job.order[stream.population].name for stream in outside]
        to = [
            0 if s.receptor is None else receptor(self.job, p, s.receptor) for s, p in zip(outside, posts, strict=True)
        ]
        return Streams(
            times=np.empty((n, BLOCK)),
            units=np.empty((n, BLOCK), np.int64),
            position=np.zeros(n, np.int64),
            stop=np.zeros(n, np.int64),
            population=np.array([stream.population if stream.receptor is None else -1 for stream in outside], np.int64),
            receptor=np.array(to, np.int64),
            weight=np.array([stream.weight for stream in outside], float),
            first=np.array([first[stream.population] for stream in outside], np.int64),
        )

    def _refill(self, n: int, outside: list[Stream], streams: Streams, queue: Queue) -> None:
        """Get the next block of a stream, if there is one, and put its first spike onto the calendar."""
        times, units = next(outside[n].blocks, (np.empty(0), np.empty(0, np.int64)))
        streams.position[n], streams.stop[n] = 0, len(times)
        streams.times[n, : len(times)], streams.units[n, : len(times)] = times, units
        if len(times) and times[0] < self.end:
            push(queue, times[0], STREAM | n)

    def _keep_spikes(self, kept: list[tuple[NDArray, NDArray]], now: float) -> None:
        n = int(self.counts[kernels.KEPT])
        if n:
            kept.append((self.output.times[:n].copy(), self.output.neurons[:n].astype(np.int32)))
            self.counts[kernels.KEPT] = 0
            n_bytes = 12 * sum(len(times) for times, _ in kept)
            memory.demand(n_bytes, f"the spikes recorded until {now:g} ms need another", REMEDY)

    def _adapted(self, queue: Queue, n_events: int, elapsed: float, now: float) -> Queue:
        """The queue, or a new one with its content if it is nearly full, or if its days are too full or too empty."""
        capacity, width = len(queue.heap_time), queue.width
        waiting = int(queue.counters[HEAP] + queue.counters[WAITING])
        n_days = elapsed / width
        if n_events + n_days > ENOUGH and not FEWEST * n_days <= n_events <= MOST * n_days:
            width *= WANTED * max(n_days, 1.0) / max(n_events, 1)
        if waiting + self.synaptic.longest > capacity:
            capacity = 2 * (waiting + self.synaptic.longest)
        if (capacity, width) == (len(queue.heap_time), queue.width):
            return queue
        new = empty_queue(capacity, width, now)
        move(queue, new)
        return new

    def _check_state(self, status: int, now: float) -> None:
        job, first = self.job, self.neurons.first
        wrong = ~np.isfinite(self.neurons.state[:, : BASE + 1]).all(axis=1)
        if status == kernels.WITHOUT_END:
            wrong[self.counts[kernels.PLACE]] = True
        if wrong.any():
            neuron = int(np.flatnonzero(wrong)[0])
            p = int(self.neurons.population[neuron])
            what = "fires without end" if status == kernels.WITHOUT_END else "has a state that is not finite"
            raise FloatingPointError(
                f"neuron {neuron - first[p]} of population {job.order[p].name!r} {what} before {now:g} ms;"
                " lower the weights"
            )
