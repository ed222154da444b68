"""The event-driven backend: neurons step by dt, synapses act at spikes; compiled by numba, on the CPU.

A spike that left a delay ago is delivered along the row of its neuron (CSR), so that a silent synapse
costs nothing and a plastic one is read when the spike arrives. Spikes wait in a ring of the last steps.
A column index serves on_post. Same seed and machine: same bits.
"""

import sys
import time
from typing import Any

import numpy as np

from neuro import memory, poisson
from neuro.backends.event_source import (
    DriveKind,
    PopulationKind,
    ProjectionKind,
    drive_arguments,
    kernel,
    population_arguments,
    projection_arguments,
)
from neuro.backends.job import Job
from neuro.events import Events, bin_times, from_raster
from neuro.network import Network, Source, Synapses
from neuro.progress import Progress
from neuro.record import Counts, Record

CHUNK = 1000  # steps between two looks at the state
REMEDY = "record fewer populations, or simulate in parts, each from the last state (`initial`)"
BLOCK = 1024  # neurons whose Poisson numbers are drawn together


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
    simulation = _Simulation(job)
    samples = [simulation.sample(index) for index in range(job.n_samples)]
    spikes = {
        name: _join([spikes[name] for spikes, _ in samples])
        for name, fields in job.recorded.items()
        if "spikes" in fields
    }
    traces = {
        f"{name}.{field}": np.stack([traces[f"{name}.{field}"] for _, traces in samples], axis=1)
        for name, fields in job.recorded.items()
        for field in fields
        if field != "spikes"
    }
    n_spikes, n_events = (int(count) for count in simulation.counts)
    counts = Counts(n_spikes, n_events, wall_s=time.perf_counter() - start)
    return Record(spikes, traces, simulation.final_weights(), counts)


def _array(values: Any) -> np.ndarray:
    return values.detach().cpu().numpy() if _is_tensor(values) else np.asarray(values)


def _is_tensor(values: Any) -> bool:
    """Without importing torch, which takes a second, where nobody has."""
    return "torch" in sys.modules and isinstance(values, sys.modules["torch"].Tensor)


def _join(batch: list[Events]) -> Events:
    offsets = np.concatenate([[0], np.cumsum([len(events.times) for events in batch])])
    return Events(
        np.concatenate([events.times for events in batch]),
        np.concatenate([events.units for events in batch]),
        offsets.astype(np.int64),
    )


class _Simulation:
    """The kernel of a job, and its arguments by name."""

    def __init__(self, job: Job):
        self.job = job
        self.place = {population.name: p for p, population in enumerate(job.order)}
        dtypes = {_array(w.weights if isinstance(w, Synapses) else w).dtype for w in job.weights.values()}
        if len(dtypes) > 1:
            raise ValueError(f"weights have different dtypes {sorted(map(str, dtypes))}; give all the same")
        self.dtype = dtypes.pop() if dtypes else np.dtype(np.float64)
        if self.dtype not in (np.float32, np.float64):
            raise ValueError(f"weights are {self.dtype}; give float32 or float64")
        self.arguments: dict[str, Any] = {}
        self.counts = np.zeros(2, np.int64)
        self.inputs = {name: _as_input(name, given, job.net.dt) for name, given in job.inputs.items()}
        populations = [self._population(p) for p in range(len(job.order))]
        projections = [self._projection(k) for k in range(len(job.net.projections))]
        drives = [self._drive(d) for d in range(len(job.net.drives))]
        self.run = kernel(populations, projections, drives).run
        names = [name for kind in populations for name in population_arguments(kind)]
        names += [name for kind in projections for name in projection_arguments(kind)]
        self.names = names + [name for kind in drives for name in drive_arguments(kind)]

    def _number(self, value: Any) -> Any:
        return self.dtype.type(value) if np.ndim(value) == 0 else np.asarray(value, self.dtype)

    def _population(self, p: int) -> PopulationKind:
        job, population = self.job, self.job.order[p]
        fields = job.recorded.get(population.name, [])
        if isinstance(population.model, Source):
            return PopulationKind(p, None, None, frozenset(), (), False)
        model, size, put = population.model, population.size, self.arguments
        c = model.coefficients(job.net.dt)
        for field, value in zip(c._fields, c, strict=True):
            put[f"c{p}_{field}"] = self._number(value)
        delays = [job.net.delay_steps(k) for k in job.net.projections if k.pre == population.name]
        depth = max(delays, default=0) + 1
        for receptor in model.receptors:
            put[f"x{p}_{receptor}"] = np.zeros(size, self.dtype)
        put[f"output{p}"] = np.zeros(size, self.dtype) if model.graded else np.zeros(-(-size // 8) * 8, np.uint8)
        put[f"history{p}"] = np.empty((depth, size), np.int32)
        put[f"fired{p}"] = np.zeros(depth, np.int64)
        for field in model.State._fields:
            put[f"{field}{p}"] = np.empty(size, self.dtype)
        if "spikes" in fields:
            capacity = max(2 * size, 1 << 16)
            put[f"spike_steps{p}"] = np.empty(capacity, np.int64)
            put[f"spike_units{p}"] = np.empty(capacity, np.int32)
            put[f"n_kept{p}"] = np.zeros(1, np.int64)
        per_neuron = frozenset(f for f, value in zip(c._fields, c, strict=True) if np.ndim(value))
        keep = tuple(field for field in fields if field != "spikes")
        return PopulationKind(p, model, c, per_neuron, keep, "spikes" in fields)

    def _projection(self, k: int) -> ProjectionKind:
        job, projection, put = self.job, self.job.net.projections[k], self.arguments
        pre, post = job.net.population(projection.pre), job.net.population(projection.post)
        rule = projection.rule if job.plastic else None
        put[f"delay{k}"] = job.net.delay_steps(projection)
        row, target, w = self._synapses(projection.name, pre.size, post.size)
        # As unsigned numbers: for signed ones numba asks at every synaptic event whether an index counts from the end.
        put[f"row{k}"], put[f"target{k}"], put[f"w{k}"] = row, np.asarray(target, np.int32).view(np.uint32), w
        values = self.inputs.get(projection.pre)
        constant = isinstance(values, np.ndarray) and rule is None
        places = self.place[pre.name], self.place[post.name], job.net.receptor(projection)
        if rule is None:
            uniform = not constant and len(w) > 0 and w.min() == w.max()
            if uniform:
                put[f"w{k}"] = w[0]
            return ProjectionKind(k, *places, constant, uniform, None, None, None)
        if isinstance(values, np.ndarray):
            raise ValueError(f"projection {projection.name!r} is plastic, but its input is direct current; give Events")
        c = rule.coefficients(job.net.dt)
        for field, value in zip(c._fields, c, strict=True):
            put[f"r{k}_{field}"] = self._number(value)
        for side, traces, size in (("pre", rule.PreTraces, pre.size), ("post", rule.PostTraces, post.size)):
            for field in traces._fields:
                put[f"{side}{k}_{field}"] = np.zeros(size, self.dtype)
        order = np.argsort(target, kind="stable")
        put[f"column{k}"] = np.searchsorted(target[order], np.arange(post.size + 1))
        put[f"column_synapse{k}"] = order
        put[f"column_pre{k}"] = np.repeat(np.arange(pre.size, dtype=np.int32), np.diff(row))[order]
        modulator = None if projection.modulator is None else self.place[projection.modulator]
        return ProjectionKind(k, *places, False, False, rule, c, modulator)

    def _drive(self, d: int) -> DriveKind:
        drive, put = self.job.net.drives[d], self.arguments
        put[f"d{d}_weight"] = self.dtype.type(drive.weight)
        put[f"d{d}_bounds"] = poisson.thresholds(drive.mean(self.job.net.dt))
        put[f"d{d}_bits"], put[f"d{d}_counts"] = np.empty(BLOCK, np.uint32), np.empty(BLOCK, np.int32)
        return DriveKind(d, self.place[drive.post], self.job.net.receptor(drive))

    def _synapses(self, name: str, n_pre: int, n_post: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        given = self.job.weights[name]
        if isinstance(given, Synapses):
            return given.offsets, given.targets, np.array(_array(given.weights), self.dtype)
        target = np.tile(np.arange(n_post, dtype=np.int32), n_pre)
        return np.arange(n_pre + 1) * n_post, target, np.array(_array(given).T, self.dtype, order="C").ravel()

    def sample(self, index: int) -> tuple[dict[str, Events], dict[str, np.ndarray]]:
        """Run one sample from the initial state. Returns its spikes and its traces [T, N]."""
        job, put = self.job, self.arguments
        self._reset(index)
        traces: dict[str, np.ndarray] = {}
        kept: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
        for name, fields in job.recorded.items():
            p, size = self.place[name], job.net.population(name).size
            if "spikes" in fields:
                kept[name] = []
            for field in fields:
                if field != "spikes":
                    traces[f"{name}.{field}"] = put[f"trace{p}_{field}"] = np.empty((job.n_steps, size), self.dtype)
        self._advance(kept)
        spikes = {}
        for name, parts in kept.items():
            steps = np.concatenate([steps for steps, _ in parts] or [np.empty(0, np.int64)])
            units = np.concatenate([units for _, units in parts] or [np.empty(0, np.int32)])
            spikes[name] = Events(steps.astype(np.float64) * job.net.dt, units, np.array([0, len(steps)]))
        return spikes, traces

    def _reset(self, index: int) -> None:
        job, put = self.job, self.arguments
        for name, state in job.initial.items():
            for field, value in zip(state._fields, state, strict=True):
                put[f"{field}{self.place[name]}"][:] = value
            put[f"fired{self.place[name]}"][:] = 0
        for d, drive in enumerate(job.net.drives):
            name = f"{drive.post}.{job.net.receptor(drive)}"
            put[f"d{d}_key"] = np.uint32(poisson.key(job.seed, name, index))
        for name, given in self.inputs.items():
            p = self.place[name]
            if isinstance(given, Events):
                put[f"units{p}"], put[f"offsets{p}"] = _by_step(given.sample(index), job.n_steps, job.net.dt)
                continue
            put[f"units{p}"], put[f"offsets{p}"] = np.empty(0, np.int32), np.zeros(1, np.int64)
            for k, projection in enumerate(job.net.projections):
                if projection.pre == name:
                    row, target, w = (put[f"{part}{k}"] for part in ("row", "target", "w"))
                    fan_out = np.diff(row)
                    size = job.net.population(projection.post).size
                    sent = np.repeat(given[index], fan_out) * w
                    put[f"drive{k}"] = np.bincount(target, sent, size).astype(self.dtype)
                    put[f"drive_events{k}"] = int(fan_out[given[index] != 0].sum())

    def _advance(self, kept: dict[str, list[tuple[np.ndarray, np.ndarray]]]) -> None:
        job, put = self.job, self.arguments
        values = [put[name] for name in self.names]
        one = self.dtype.type(1)
        with Progress("simulating", job.n_steps * job.net.dt, "ms") as progress:
            step = n_bytes = 0
            while step < job.n_steps:
                step = self.run(step, min(step + CHUNK, job.n_steps), one, self.counts, *values)
                for name, parts in kept.items():
                    p = self.place[name]
                    n = int(put[f"n_kept{p}"][0])
                    parts.append((put[f"spike_steps{p}"][:n].copy(), put[f"spike_units{p}"][:n].copy()))
                    put[f"n_kept{p}"][0] = 0
                    n_bytes += 12 * n
                memory.demand(n_bytes, f"the spikes recorded until {step * job.net.dt:g} ms need another", REMEDY)
                self._check_finite(step * job.net.dt)
                progress.update(step * job.net.dt)

    def _check_finite(self, now: float) -> None:
        for name, state in self.job.initial.items():
            for field in state._fields:
                values = self.arguments[f"{field}{self.place[name]}"]
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
            given, w = self.job.weights[projection.name], self.arguments[f"w{k}"]
            if projection.rule is None or not self.job.plastic:
                final[projection.name] = given
            elif isinstance(given, Synapses):
                final[projection.name] = given._replace(weights=w)
            else:
                w_JI = w.reshape(given.shape[::-1]).T.copy()
                final[projection.name] = sys.modules["torch"].as_tensor(w_JI) if _is_tensor(given) else w_JI
        return final


def _as_input(name: str, given: Any, dt: float) -> Events | np.ndarray:
    """Events, or values [B, N] of a direct current."""
    if isinstance(given, Events):
        return given
    values = _array(given)
    if values.ndim == 2:
        return values
    if not np.isin(values, (0, 1)).all():
        raise ValueError(f"input {name!r}: a raster for the event backend holds 0 and 1 only; use torch_dense")
    return from_raster(values, dt)


def _by_step(events: Events, n_steps: int, dt: float) -> tuple[np.ndarray, np.ndarray]:
    """Units in the order of their steps, each once a step, and where each step begins."""
    step = bin_times(events.times, dt)
    order = np.lexsort((events.units, step))
    step, units = step[order], events.units[order]
    new = np.ones(len(step), bool)
    new[1:] = (np.diff(step) != 0) | (np.diff(units) != 0)
    step, units = step[new], units[new]
    return units.astype(np.int32), np.searchsorted(step, np.arange(n_steps + 1))
