"""The event-driven backend: neurons step by dt, synapses act at spikes; compiled by numba, on the CPU.

A spike that left a delay ago is delivered along the row of its neuron (CSR), so that a silent synapse
costs nothing and a plastic one is read when the spike arrives. Spikes wait in a ring of the last steps.
A column index serves on_post. Each thread owns a part of every population. Same seed and machine: same bits,
for any number of threads, and in one run or several.
"""

import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from neuro import memory, poisson
from neuro.backends.event_arrays import Arrays, array_of, is_tensor
from neuro.backends.event_state import restore, save
from neuro.backends.job import Job
from neuro.backends.output import REMEDY, SpikeOutput, new_array
from neuro.events import Events, bin_times
from neuro.network import Network, PoissonSource, Synapses
from neuro.progress import Progress
from neuro.record import Counts, Record

CHUNK, LONGEST_CHUNK = 1000, 64_000  # steps between two looks at the state, which take some 0.1 ms
CHUNK_S = 0.05  # seconds that these steps should take


def unsupported(net: Network, plastic: bool) -> list[str]:
    """Reasons, in words, why this backend cannot run a network."""
    reasons = []
    for projection in net.projections:
        if net.population(projection.pre).model.graded:
            reasons.append(f"projection {projection.name!r} sends graded values, and events are spikes")
    return reasons


def run(job: Job) -> Record:
    """Run a job, sample after sample."""
    start = time.perf_counter()
    simulation = Simulation(job)
    inputs = simulation.arrays.inputs
    spikes, traces = joined([simulation.sample(index, one_sample(inputs, index)) for index in range(job.n_samples)])
    n_spikes, n_events = (int(count) for count in simulation.arrays.counts.sum(0)[:2])
    final = save(simulation.arrays, simulation.step) if job.n_samples == 1 else None
    counts = Counts(n_spikes, n_events, wall_s=time.perf_counter() - start - simulation.compile_s)
    return Record(spikes, traces, simulation.final_weights(), counts, final)


Recorded = tuple[dict[str, Events], dict[str, np.ndarray]]


def joined(samples: list[Recorded]) -> Recorded:
    """The spikes and traces of samples, each as one batch."""
    spikes = {name: _join([spikes[name] for spikes, _ in samples]) for name in samples[0][0]}
    traces = {
        name: values if "->" in name else np.stack([traces[name] for _, traces in samples], axis=1)
        for name, values in samples[0][1].items()
    }
    return spikes, traces


def one_sample(inputs: Mapping[str, Any], index: int) -> dict[str, Events | np.ndarray]:
    """The inputs of one sample of a batch: Events, or values [N]."""
    return {name: given.sample(index) if isinstance(given, Events) else given[index] for name, given in inputs.items()}


def _join(batch: list[Events]) -> Events:
    if len(batch) == 1:
        return batch[0]
    offsets = np.concatenate([[0], np.cumsum([len(events.times) for events in batch])])
    return Events(
        np.concatenate([events.times for events in batch]),
        np.concatenate([events.units for events in batch]),
        offsets.astype(np.int64),
    )


class Simulation:
    """A job under way, sample by sample. compile_s: seconds that went into compiling or loading the kernel.

    keep: "population.field" and "projection.trace" that go on from sample to sample.
    live: whether weights may be changed from outside between samples.
    """

    def __init__(self, job: Job, keep: frozenset[str] = frozenset(), live: bool = False):
        self.job, self.arrays, self.keep = job, Arrays(job, live), keep
        self.outputs: dict[str, SpikeOutput] = {}
        self.step, self.compile_s, self.n_presented = job.first_step, 0.0, 0

    def sample(self, index: int, inputs: Mapping[str, Events | np.ndarray]) -> Recorded:
        """Run sample number `index` from the initial state; weights stay as the last one left them.

        inputs: of this sample alone. Returns its spikes and its traces, [T, N] or [K, synapses].
        """
        self._reset(index, inputs)
        traces = self._new_traces()
        self._advance(traces)
        return {name: output.events() for name, output in self.outputs.items()}, traces

    def _new_traces(self) -> dict[str, np.ndarray]:
        """Arrays for what is recorded."""
        job, traces = self.job, {}
        for name, fields in job.recorded.items():
            if "->" in name:
                given = job.weights[name]
                w = given.weights if isinstance(given, Synapses) else array_of(given)
                shape = (job.n_steps // job.weights_every, *w.shape)
                traces[f"{name}.weights"] = new_array(f"{name}.weights", shape, w.dtype, job.stream)
                traces[f"{name}.weights"][:] = w  # as they stay where nothing is plastic
                continue
            shape = (job.n_steps, job.net.population(name).size)
            if "spikes" in fields:
                self.outputs[name] = SpikeOutput(name, job.net.dt, job.stream)
            for field in fields:
                if field != "spikes":
                    array = new_array(f"{name}.{field}", shape, self.arrays.dtype, job.stream)
                    traces[f"{name}.{field}"] = array
                    self.arrays.shared[f"trace{self.arrays.place[name]}_{field}"] = np.asarray(array)
        return traces

    def _reset(self, index: int, inputs: Mapping[str, Events | np.ndarray]) -> None:
        job, put = self.job, self.arrays.shared
        self.step = job.first_step
        kept = self.keep if self.n_presented else frozenset()
        self.n_presented += 1
        for name, state in job.initial.items():
            p = self.arrays.place[name]
            for field, value in zip(state._fields, state, strict=True):
                if f"{name}.{field}" not in kept:
                    put[f"all_{field}{p}"][:] = value
            if job.net.population(name).model.graded:
                put[f"all_output{p}"][:] = 0
        for population in job.order:
            p = self.arrays.place[population.name]
            if isinstance(population.model, PoissonSource):
                put[f"key{p}"] = np.uint32(poisson.key(job.seed, population.name, index))
            if f"fired{p}" in put:
                put[f"fired{p}"][:] = 0
        for d, drive in enumerate(job.net.drives):
            name = f"{drive.post}.{job.net.receptor(drive)}"
            put[f"d{d}_key"] = np.uint32(poisson.key(job.seed, name, index))
        for k, projection in enumerate(job.net.projections):
            if projection.short_term is not None:
                self.arrays.prepare_short_term(k, projection.short_term, job.net.population(projection.pre).size)
            if projection.rule is not None and job.plastic:
                self.arrays.begin_traces(k, kept)
        for name, given in inputs.items():
            self._reset_input(name, given)
        if job.resume is not None:
            restore(self.arrays, job.resume)

    def _reset_input(self, name: str, given: Events | np.ndarray) -> None:
        job, put, p = self.job, self.arrays.shared, self.arrays.place[name]
        base = put[f"base{p}"] = job.first_step - self.arrays.longest_delay(name) - 1
        if isinstance(given, Events):
            last = job.first_step + job.n_steps
            put[f"units{p}"], put[f"offsets{p}"] = by_step(given, base, last, job.net.dt)
            return
        put[f"units{p}"], put[f"offsets{p}"] = np.empty(0, np.int32), np.zeros(1, np.int64)
        for k, projection in enumerate(job.net.projections):
            if projection.pre == name:
                row, target, w = (put[f"{part}{k}"] for part in ("row", "target", "w"))
                fan_out = np.diff(row[:: (len(row) - 1) // len(given)])
                sent = np.repeat(given, fan_out) * w
                put[f"drive{k}"] = np.bincount(target, sent, job.net.population(projection.post).size).astype(
                    self.arrays.dtype
                )
                put[f"drive_events{k}"] = int(fan_out[given != 0].sum())

    def _advance(self, traces: dict[str, np.ndarray]) -> None:
        """Run the kernel, part by part, on all threads."""
        job, n_bytes = self.job, 0
        last, every = job.first_step + job.n_steps, job.weights_every
        arguments, start = self.arrays.arguments(), time.perf_counter()
        if self.n_presented == 1:
            self.arrays.kernel(self.step, self.step, job.first_step, *arguments[0])  # compiles it, or loads it; no step
            self.compile_s += time.perf_counter() - start
        # The pool has the threads beside this one; it starts none before there is work for it.
        with (
            Progress("simulating", job.n_steps * job.net.dt, "ms") as progress,
            ThreadPoolExecutor(job.threads) as pool,
        ):
            chunk = CHUNK
            while self.step < last:
                stop, start = min(self.step + chunk, last), time.perf_counter()
                if every:
                    stop = min(stop, job.first_step + ((self.step - job.first_step) // every + 1) * every)
                self.step = self._run(pool, [(self.step, stop, job.first_step, *own) for own in arguments])
                if time.perf_counter() - start < CHUNK_S:
                    chunk = min(2 * chunk, LONGEST_CHUNK)
                n_bytes += self._keep_spikes()
                done = self.step - job.first_step
                if every and done % every == 0:
                    self._keep_weights(traces, done // every - 1)
                now = self.step * job.net.dt
                if n_bytes:
                    memory.demand(n_bytes, f"the spikes recorded until {now:g} ms need another", REMEDY)
                self._check_finite(now)
                progress.update(done * job.net.dt)

    def _run(self, pool: ThreadPoolExecutor, calls: list[tuple]) -> int:
        """The kernel on all threads, of which this is the first; returns the step at which all have stopped."""
        try:
            others = [pool.submit(self.arrays.kernel, *call) for call in calls[1:]]
            step = self.arrays.kernel(*calls[0])
            for other in others:
                other.result()
        except BaseException:
            self.arrays.barrier += 2**40  # an interrupt: nobody may wait for a thread that will not come
            raise
        return step

    def _keep_spikes(self) -> int:
        """Move the spikes of the last part from the threads' buffers to the outputs; returns bytes of memory."""
        n_bytes = 0
        for name, output in self.outputs.items():
            p = self.arrays.place[name]
            found = [(own[f"spike_steps{p}"], own[f"spike_units{p}"], own[f"n_kept{p}"]) for own in self.arrays.own]
            steps = np.concatenate([steps[: n[0]] for steps, _, n in found])
            units = np.concatenate([units[: n[0]] for _, units, n in found])
            if len(found) > 1:
                order = np.argsort(steps, kind="stable")
                steps, units = steps[order], units[order]
            n_bytes += output.append(steps, units)
            for _, _, n in found:
                n[0] = 0
        return n_bytes

    def _keep_weights(self, traces: dict[str, np.ndarray], row: int) -> None:
        for k, projection in enumerate(self.job.net.projections):
            if f"{projection.name}.weights" in traces and projection.rule is not None and self.job.plastic:
                traces[f"{projection.name}.weights"][row] = self.arrays.as_given(k, self.arrays.shared[f"w{k}"])

    def _check_finite(self, now: float) -> None:
        for name, state in self.job.initial.items():
            for field in state._fields:
                values = self.arrays.shared[f"all_{field}{self.arrays.place[name]}"]
                if not np.isfinite(values).all():
                    neuron = int(np.flatnonzero(~np.isfinite(values))[0])
                    raise FloatingPointError(
                        f"{field} of neuron {neuron} in population {name!r} is {values[neuron]} before {now:g} ms;"
                        " lower the weights or dt"
                    )

    def final_weights(self) -> dict[str, Any]:
        """The weights at the end, in the form in which they were given."""
        final = {}
        for k, projection in enumerate(self.job.net.projections):
            given = final[projection.name] = self.job.weights[projection.name]
            if projection.rule is not None and self.job.plastic:
                w = self.arrays.as_given(k, self.arrays.shared[f"w{k}"])
                if isinstance(given, Synapses):
                    final[projection.name] = given._replace(weights=w)
                else:
                    final[projection.name] = sys.modules["torch"].tensor(w) if is_tensor(given) else w.copy()
        return final


def by_step(events: Events, first: int, last: int, dt: float) -> tuple[np.ndarray, np.ndarray]:
    """Units in the order of their steps, each once a step, and where each step from first to last begins."""
    step, units = bin_times(events.times, dt), events.units
    n_units = int(units.max(initial=0)) + 1
    place = step * n_units + units
    if not (place[1:] > place[:-1]).all():
        place = np.unique(place)
        step, units = np.divmod(place, n_units)
    return units.astype(np.int32), np.searchsorted(step, np.arange(first, last + 1))
