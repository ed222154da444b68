"""The arrays of a job for the kernel of the event backend, by the names of its arguments.

`shared` are those that all threads see, `own` those of each thread: its neurons' part of an array, its buffers.
"""

import sys
from typing import Any

import numpy as np

from neuro import poisson
from neuro.backends.event_dialect import PADDED
from neuro.backends.event_kinds import (
    DriveKind,
    PopulationKind,
    ProjectionKind,
    drive_arguments,
    population_arguments,
    projection_arguments,
)
from neuro.backends.event_source import kernel
from neuro.backends.job import Job
from neuro.backends.rows import Rows, parts, rows
from neuro.connectors import Dense
from neuro.events import Events, from_raster
from neuro.network import PoissonSource, Population, Source, Synapses
from neuro.plasticity import interval_steps

BLOCK = 1024  # neurons whose Poisson numbers are drawn together
LONG_AGO = -(2**40)  # steps; when a neuron that never fired did
NEVER = 1000  # steps between two meetings of threads that need not meet
PAGE = 4096  # bytes
APART = 16  # numbers of 8 bytes between those of different threads, so that they share no cache line


class Arrays:
    """The kernel of a job, and its arguments. live: whether weights may be changed from outside between samples."""

    def __init__(self, job: Job, live: bool = False):
        self.job, self.live = job, live
        self.place = {population.name: p for p, population in enumerate(job.order)}
        dtypes = {array_of(w.weights if isinstance(w, Synapses) else w).dtype for w in job.weights.values()}
        if len(dtypes) > 1:
            raise ValueError(f"weights have different dtypes {sorted(map(str, dtypes))}; give all the same")
        self.dtype = dtypes.pop() if dtypes else np.dtype(np.float64)
        if self.dtype not in (np.float32, np.float64):
            raise ValueError(f"weights are {self.dtype}; give float32 or float64")
        self.n_arrays = 0
        self.shared: dict[str, Any] = {}
        self.own: list[dict[str, Any]] = [{} for _ in range(job.threads)]
        self.counts = np.zeros((job.threads, APART), np.int64)
        self.inputs = {name: as_input(name, given, job.net.dt) for name, given in job.inputs.items()}
        self.starts = {p.name: parts(p.size, job.threads) for p in job.order}
        self.rows = {k.name: self._rows(k.name) for k in job.net.projections}
        self.block = _block(job, self.rows)
        populations = [self._population(p) for p in job.order]
        projections = [self._projection(k) for k in range(len(job.net.projections))]
        drives = [self._drive(d) for d in range(len(job.net.drives))]
        self.kernel = kernel(populations, projections, drives).run
        names = [name for kind in populations for name in population_arguments(kind)]
        names += [name for kind in projections for name in projection_arguments(kind)]
        self.names = names + [name for kind in drives for name in drive_arguments(kind)]

    def _zeros(self, size: int, dtype: Any) -> np.ndarray:
        """Zeros for a loop over neurons: arrays begin quarters of a page apart, one after the other.

        A load waits for a recent store that agrees with it in the low 12 bits of the address, though it is to another
        array: a loop over four arrays took up to 3.7 times as long as with these places (AMD Zen 4). It also keeps
        threads, whose parts begin at multiples of 64 neurons, off each other's cache lines.
        """
        n_bytes = size * np.dtype(dtype).itemsize
        memory = np.zeros(n_bytes + PAGE, np.uint8)
        start = (self.n_arrays % 4 * PAGE // 4 - memory.ctypes.data) % PAGE
        self.n_arrays += 1
        return memory[start : start + n_bytes].view(dtype)

    def _rows(self, name: str) -> Rows:
        projection = next(k for k in self.job.net.projections if k.name == name)
        given = self.job.weights[name]
        if not isinstance(given, Synapses):
            n_post, n_pre = given.shape  # the weights themselves are not copied here
            given = Synapses(*Dense().connect(n_pre, n_post, None), None)
        return rows(given, self.job.net.delay_steps(projection), self.starts[projection.post])

    def _number(self, value: Any) -> Any:
        return self.dtype.type(value) if np.ndim(value) == 0 else np.asarray(value, self.dtype)

    def longest_delay(self, population: str) -> int:
        """Steps until the last spike of a population has arrived."""
        found = [self.rows[k.name].delays[-1] for k in self.job.net.projections if k.pre == population]
        return int(max(found, default=0))

    def ring_depth(self, projection: str) -> int:
        """Steps that rings of presynaptic neurons hold: the delay, one before it, and what others may run ahead."""
        return int(self.rows[projection].delays[-1]) + 1 + self.block

    def _population(self, population: Population) -> PopulationKind:
        job, p, size, put = self.job, self.place[population.name], population.size, self.shared
        fields = job.recorded.get(population.name, [])
        if isinstance(population.model, Source):
            return PopulationKind(p, None, None, frozenset(), (), False)
        starts = put[f"parts{p}"] = self.starts[population.name]
        depth = put[f"depth{p}"] = self.longest_delay(population.name) + self.block
        put[f"size{p}"] = size
        put[f"history{p}"] = self._zeros(depth * size, np.int32)
        put[f"fired{p}"] = np.zeros((job.threads, depth + APART), np.int64)
        for own, first, last in zip(self.own, starts[:-1], starts[1:], strict=True):
            own[f"first{p}"], own[f"last{p}"] = int(first), int(last)
            if "spikes" in fields:
                capacity = max(2 * int(last - first) * self.block, 1 << 16)
                own[f"spike_steps{p}"] = np.empty(capacity, np.int64)
                own[f"spike_units{p}"] = np.empty(capacity, np.int32)
                own[f"n_kept{p}"] = np.zeros(1, np.int64)
        keep = tuple(field for field in fields if field != "spikes")
        if isinstance(population.model, PoissonSource):
            bound = np.minimum(np.rint(population.model.probability(job.net.dt) * 2**32), 2**32 - 1)
            self._share_out(f"bound{p}", np.broadcast_to(bound, (size,)).astype(np.uint32), starts)
            self._share_out(f"output{p}", self._zeros(size, np.uint8), starts)
            return PopulationKind(p, "poisson", None, frozenset(), keep, "spikes" in fields)
        model = population.model
        c = model.coefficients(job.net.dt)
        for field, value in zip(c._fields, c, strict=True):
            if np.ndim(value):
                self._share_out(f"c{p}_{field}", self._number(value), starts)
            else:
                put[f"c{p}_{field}"] = self._number(value)
        for receptor in () if hasattr(model, "ADDS_TO") else model.receptors:
            x = put[f"x{p}_{receptor}"] = self._zeros(size, self.dtype)
            self._share_out(f"own_x{p}_{receptor}", x, starts)
        self._share_out(f"output{p}", self._zeros(size, self.dtype if model.graded else np.uint8), starts)
        for field in model.State._fields:
            self._share_out(f"{field}{p}", self._zeros(size, self.dtype), starts)
        per_neuron = frozenset(f for f, value in zip(c._fields, c, strict=True) if np.ndim(value))
        return PopulationKind(p, model, c, per_neuron, keep, "spikes" in fields)

    def _share_out(self, name: str, whole: np.ndarray, starts: np.ndarray) -> None:
        """Keep an array of neurons in shared, and a thread's part of it in own; bytes are padded for `collect`."""
        if whole.dtype == np.uint8:
            starts = -(-starts // PADDED) * PADDED
            whole = self._zeros(int(starts[-1]), np.uint8)
        self.shared[f"all_{name}"] = whole
        for own, first, last in zip(self.own, starts[:-1], starts[1:], strict=True):
            own[name] = whole[first:last]

    def _projection(self, k: int) -> ProjectionKind:
        job, projection, put = self.job, self.job.net.projections[k], self.shared
        pre, post = job.net.population(projection.pre), job.net.population(projection.post)
        rule, short_term = projection.rule if job.plastic else None, projection.short_term
        row, targets, delays, group, _ = self.rows[projection.name]
        values = self.inputs.get(projection.pre)
        constant = isinstance(values, np.ndarray) and rule is None
        if isinstance(values, np.ndarray) and (rule is not None or short_term is not None):
            raise ValueError(f"projection {projection.name!r} changes, but its input is direct current; give Events")
        put[f"row{k}"], put[f"target{k}"], put[f"delays{k}"], put[f"delay{k}"] = row, targets, delays, int(delays[0])
        put[f"w{k}"] = w = self._weights(projection.name, copy=rule is not None or self.live)
        fixed = rule is None and short_term is None and not constant and not self.live
        uniform = fixed and len(w) > 0 and w.min() == w.max()
        if uniform:
            put[f"w{k}"] = w[0]
        places = self.place[pre.name], self.place[post.name], job.net.receptor(projection)
        modulator = None if rule is None or projection.modulator is None else self.place[projection.modulator]
        c = None if rule is None else self._prepare_rule(k, rule, pre.size, post)
        q = None if short_term is None else self.prepare_short_term(k, short_term, pre.size)
        several = group is not None
        interval = rule is not None and interval_steps(rule, job.net.dt) > 0
        bound = None
        if projection.modulator is not None and short_term is not None and short_term.MODULATOR:
            bound = f"{short_term.MODULATOR}{self.place[projection.modulator]}"
        return ProjectionKind(
            k, *places, constant, uniform, several, rule, c, modulator, interval, short_term, q, bound
        )  # fmt: skip

    def _weights(self, name: str, copy: bool) -> np.ndarray:
        """The weights in the order of rows."""
        given, order = self.job.weights[name], self.rows[name].order
        flat = given.weights if isinstance(given, Synapses) else array_of(given).T
        w = np.array(flat, self.dtype, order="C", copy=copy or None).ravel()
        return w if order is None else w[order]

    def _prepare_rule(self, k: int, rule: Any, n_pre: int, post: Population) -> Any:
        """Coefficients, traces, synaptic variables and the column index of a plastic projection."""
        put, name = self.shared, self.job.net.projections[k].name
        row, targets, _, group, _ = self.rows[name]
        c = rule.coefficients(self.job.net.dt)
        for field, value in zip(c._fields, c, strict=True):
            put[f"r{k}_{field}"] = self._number(value)
        for field in rule.Synapse._fields[1:]:
            put[f"s{k}_{field}"] = np.zeros(len(targets), self.dtype)
        for field in rule.PreTraces._fields:
            self._ring(f"pre{k}_{field}", k, n_pre)
        for field in rule.PostTraces._fields:
            trace = put[f"post{k}_{field}"] = self._zeros(post.size, self.dtype)
            self._share_out(f"own_post{k}_{field}", trace, self.starts[post.name])
        order = np.argsort(targets, kind="stable")
        put[f"column{k}"] = np.searchsorted(targets[order], np.arange(post.size + 1))
        put[f"column_synapse{k}"] = order.astype(np.uint32 if len(order) < 2**32 else np.int64)
        n_segments = (len(row) - 1) // n_pre
        put[f"column_pre{k}"] = np.repeat(np.arange(n_pre, dtype=np.uint32), np.diff(row[::n_segments]))[order]
        put[f"interval{k}"] = interval_steps(rule, self.job.net.dt)
        if group is not None:
            put[f"column_delay{k}"] = group[order]
        return c

    def begin_traces(self, k: int, kept: frozenset[str]) -> None:
        """A new sample begins at step 0: traces that are kept go on from the last sample's end, others from 0."""
        projection = self.job.net.projections[k]
        rule: Any = projection.rule
        before = -np.arange(1, self.ring_depth(projection.name))  # steps
        for field in rule.PreTraces._fields:
            for own in self.keepers(k):
                ring = own[f"pre{k}_{field}"].reshape(self.shared[f"ring{k}"], -1)
                last = ring[(self.job.n_steps + before) % len(ring)]
                ring[:] = 0
                if f"{projection.name}.{field}" in kept:
                    ring[before % len(ring)] = last
        for field in rule.PostTraces._fields:
            if f"{projection.name}.{field}" not in kept:
                self.shared[f"post{k}_{field}"][:] = 0

    def prepare_short_term(self, k: int, short_term: Any, n_pre: int) -> Any:
        """Coefficients, and fresh resources of the presynaptic neurons."""
        c = short_term.coefficients()
        for field, value in zip(c._fields, c, strict=True):
            self.shared[f"q{k}_{field}"] = self._number(value)
        self._ring(f"released{k}", k, n_pre)
        for own in self.keepers(k):
            own[f"last_sent{k}"] = np.full(n_pre, LONG_AGO)
            for field, value in zip(short_term.State._fields, short_term.initial(), strict=True):
                own[f"state{k}_{field}"] = np.full(n_pre, value, self.dtype)
        return c

    def keepers(self, k: int) -> list[dict[str, Any]]:
        """Where arrays of presynaptic neurons are kept: one for all, or one a thread of a source, which nobody owns."""
        pre = self.job.net.population(self.job.net.projections[k].pre)
        return self.own if isinstance(pre.model, Source) else [self.shared]

    def _ring(self, name: str, k: int, n_pre: int) -> None:
        depth = self.ring_depth(self.job.net.projections[k].name)
        self.shared[f"ring{k}"], self.shared[f"n_pre{k}"] = depth, n_pre
        for own in self.keepers(k):
            own[name] = np.zeros(depth * n_pre, self.dtype)

    def _drive(self, d: int) -> DriveKind:
        drive, put = self.job.net.drives[d], self.shared
        put[f"d{d}_weight"] = self.dtype.type(drive.weight)
        put[f"d{d}_bounds"] = poisson.thresholds(drive.mean(self.job.net.dt))
        for own in self.own:
            own[f"d{d}_bits"], own[f"d{d}_counts"] = np.empty(BLOCK, np.uint32), np.empty(BLOCK, np.int32)
        return DriveKind(d, self.place[drive.post], self.job.net.receptor(drive))

    def arguments(self) -> list[tuple]:
        """What each thread's kernel takes after the steps."""
        numbers = [self.dtype.type(value) for value in (0, 1, self.job.net.dt)]
        meeting = self._zeros(4 * APART, np.int64)
        self.barrier, full = meeting[APART : APART + 1], meeting[2 * APART : 2 * APART + 1]
        full[:] = -1
        return [
            (*numbers, thread, self.job.threads, self.block, self.counts[thread], self.barrier, full)
            + tuple(own.get(name, self.shared.get(name)) for name in self.names)
            for thread, own in enumerate(self.own)
        ]

    def as_given(self, k: int, values: np.ndarray) -> np.ndarray:
        """Values of the synapses of a projection, in the order and shape in which its weights were given."""
        projection = self.job.net.projections[k]
        given, order = self.job.weights[projection.name], self.rows[projection.name].order
        if order is not None:
            values, ordered = np.empty_like(values), values
            values[order] = ordered
        return values if isinstance(given, Synapses) else values.reshape(given.shape[::-1]).T

    def live_weights(self, k: int, values: np.ndarray) -> np.ndarray:
        """Weights as given: a view of those that are stored, or, where the order differs, a read-only copy."""
        weights = self.as_given(k, values)
        if self.rows[self.job.net.projections[k].name].order is not None:
            weights.flags.writeable = False
        return weights

    def as_stored(self, k: int, values: np.ndarray) -> np.ndarray:
        """The inverse of `as_given`."""
        name = self.job.net.projections[k].name
        flat, order = values.T.ravel() if values.ndim == 2 else values, self.rows[name].order
        return flat if order is None else flat[order]


def _block(job: Job, rows_of: dict[str, Rows]) -> int:
    """Steps between two meetings of the threads: the least delay. 1 for one thread."""
    if job.threads == 1:
        return 1
    delays = []
    for projection in job.net.projections:
        if not isinstance(job.net.population(projection.pre).model, Source):
            delays.append(int(rows_of[projection.name].delays[0]))
            if delays[-1] == 0:
                raise ValueError(
                    f"threads = {job.threads}: projection {projection.name!r} has no delay, and threads meet once per"
                    " least delay; give it a delay of at least dt, or use one thread"
                )
        releases = projection.short_term is not None and projection.short_term.MODULATOR
        if (releases or (job.plastic and projection.rule is not None)) and projection.modulator is not None:
            raise ValueError(
                f"threads = {job.threads}: projection {projection.name!r} has a modulator, which acts without delay;"
                " use one thread"
            )
    return min(delays, default=NEVER)


def as_input(name: str, given: Any, dt: float) -> Events | np.ndarray:
    """Events, or values [B, N] of a direct current."""
    if isinstance(given, Events):
        return given
    values = array_of(given)
    if values.ndim == 2:
        return values
    if not np.isin(values, (0, 1)).all():
        raise ValueError(f"input {name!r}: a raster for the event backend holds 0 and 1 only; use torch_dense")
    return from_raster(values, dt)


def array_of(values: Any) -> np.ndarray:
    return values.detach().cpu().numpy() if is_tensor(values) else np.asarray(values)


def is_tensor(values: Any) -> bool:
    """Without importing torch, which takes a second, where nobody has."""
    return "torch" in sys.modules and isinstance(values, sys.modules["torch"].Tensor)
