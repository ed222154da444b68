"""Any network in a Q-format: the time loop of the backend `fixed_point` over arrays [B, N] of integers.

Within a step, population by population: what was sent a delay ago arrives, then the neuron steps. What arrives at a
neuron is summed exactly, in 64 bits, and saturates where it enters the neuron; a graded value is multiplied by its
weight within that sum, which is then rounded once.

Axes: T step, B sample, N neuron, I presynaptic, J postsynaptic.
"""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from neuro.backends.event_arrays import array_of
from neuro.backends.fixed_point_dialect import FIXED, Fixed, Meter
from neuro.backends.fixed_point_formats import QFormat, SaturationError
from neuro.backends.job import Job
from neuro.dialect import rebind
from neuro.events import Events, from_raster, raster
from neuro.network import Network, Population, Projection, Source, Synapses
from neuro.record import Counts, Record


def unsupported(net: Network, plastic: bool) -> list[str]:
    """Reasons, in words, why the projections of a network cannot be run in a Q-format."""
    reasons = []
    for projection in net.projections:
        where = f"projection {projection.name!r}"
        if projection.short_term is not None:
            reasons.append(f"{where} has short-term plasticity, which is not in integers here")
        if plastic and projection.rule is not None:
            reasons.append(f"{where} learns, which in integers only networks of LoihiLIF do")
    return reasons


def run(job: Job, form: QFormat) -> Record:
    """Run a job in a format."""
    start, meter = time.perf_counter(), Meter(form, job.seed)
    populations = {p.name: _Cells(p, job, meter) for p in job.order}
    projections = [_Pathways(p, job, meter, populations[p.pre]) for p in job.net.projections]
    for step in range(job.n_steps):
        for name, cells in populations.items():
            arrivals: dict[str, Any] = {}
            for projection in projections:
                if projection.post == name:
                    sums_BJ, receptor = projection.receive(step), projection.receptor
                    arrivals[receptor] = arrivals.get(receptor, 0) + sums_BJ
            cells.advance(arrivals, step)
            if meter.saturations and not form.allow_saturation:
                raise SaturationError(
                    f"a number in population {name!r} left {form} in step {step}; give more bits, or allow it:"
                    " QFormat(..., allow_saturation=True)"
                )
    counts = Counts(
        spikes=sum(cells.n_sent for cells in populations.values() if cells.spikes),
        synaptic_events=sum(projection.n_events for projection in projections),
        saturations=meter.saturations,
        wall_s=time.perf_counter() - start,
    )
    spikes, traces = _recorded(job, populations, form)
    return Record(spikes, traces, dict(job.weights), counts)


def _recorded(job: Job, populations: dict[str, "_Cells"], form: QFormat) -> tuple[dict[str, Events], dict[str, Any]]:
    spikes, traces = {}, {}
    for name, cells in populations.items():
        for field, values in cells.kept.items():
            values_TBN = np.stack(values) if values else np.zeros((0, job.n_samples, cells.size))
            if field == "spikes":
                spikes[name] = from_raster(values_TBN, job.net.dt)
            else:
                traces[f"{name}.{field}"] = values_TBN * (1.0 if values_TBN.dtype == bool else 2.0**-form.fraction)
    return spikes, traces


class _Cells:
    """The state of a population while a job runs. What it sends: spikes (booleans), or raw integers."""

    def __init__(self, population: Population, job: Job, meter: Meter):
        self.name, self.size, self.meter = population.name, population.size, meter
        self.model: Any = population.model
        self.kept: dict[str, list[NDArray]] = {field: [] for field in job.recorded.get(population.name, [])}
        self.spikes = not population.is_source and not self.model.graded
        self.n_sent, self.given, shape = 0, None, (job.n_samples, population.size)
        self.silence = np.zeros(shape, np.int64)
        longest = [job.longest_delay(p) for p in job.net.projections if p.pre == population.name]
        self.history: list[Any] = [np.zeros(shape, bool)] * (max(longest, default=0) + 1)
        if isinstance(self.model, Source):
            self.given = _given(job, population, meter)
            return
        c = self.model.coefficients(job.net.dt)
        where = f"of population {population.name!r}"
        self.c = type(c)(*(meter.fixed(value, f"{field} {where}") for field, value in c._asdict().items()))
        first = job.initial[population.name]._asdict()
        self.state = type(job.initial[population.name])(
            *(Fixed(meter.fixed(value, f"{field} {where}").raw + self.silence, meter) for field, value in first.items())
        )
        self.step = rebind(self.model.step, FIXED)

    def advance(self, arrivals: dict[str, NDArray[np.int64]], step: int) -> None:
        """Step the neurons and keep what is recorded. arrivals: exact sums, by receptor."""
        if self.given is not None:
            output = self.given if self.given.ndim == 2 else self.given[step]
        else:
            x = [self.meter.bounded(arrivals.get(receptor, self.silence)) for receptor in self.model.receptors]
            sent, self.state = self.step(self.state, x[0] if len(x) == 1 else self.model.Arrivals(*x), self.c)
            raw, sent_type = (sent.raw, np.int64) if isinstance(sent, Fixed) else (sent, np.bool_)
            output = raw + np.zeros_like(self.history[0], dtype=sent_type)
            self.n_sent += int(np.count_nonzero(output))
        self.history[step % len(self.history)] = output
        for field, values in self.kept.items():
            value = output if field in ("spikes", "output") else getattr(self.state, field).raw
            values.append(value if isinstance(value, np.ndarray) and value.ndim == 2 else value + self.silence)


class _Pathways:
    """The weights of a projection as raw integers, one matrix for each delay."""

    def __init__(self, projection: Projection, job: Job, meter: Meter, pre: _Cells):
        self.post, self.receptor, self.pre, self.meter = projection.post, job.net.receptor(projection), pre, meter
        given, least = job.weights[projection.name], job.net.delay_steps(projection)
        n_post = job.net.population(projection.post).size
        self.n_events, self.matrices = 0, []
        where = f"a weight of projection {projection.name!r}"
        if isinstance(given, Synapses):
            raw = meter.fixed(given.weights, where).raw
            delays = np.full(len(raw), least) if given.delays is None else given.delays.astype(int)
            for delay in np.unique(delays):
                own, shape = delays == delay, (len(given.offsets) - 1, n_post)
                pairs = (given.sources[own], given.targets[own])
                self.matrices.append((int(delay), csr_array((raw[own], pairs), shape)))
        else:
            self.matrices.append((least, meter.fixed(array_of(given), where).raw.T.copy()))
        # Synapses of weight 0 are synapses.
        self.fan_out = [
            np.full(len(m), n_post) if isinstance(m, np.ndarray) else np.diff(m.indptr) for _, m in self.matrices
        ]
        self._check_sums(projection.name)
        self.constant: Any = None

    def _check_sums(self, name: str) -> None:
        """The largest possible sum must fit 64 bits."""
        is_binary = self.pre.spikes or (self.pre.given is not None and self.pre.given.dtype == bool)
        factor = 1.0 if is_binary else float(self.meter.form.largest + 1)
        bound = factor * sum(float(np.max(abs(m).sum(0), initial=0.0)) for _, m in self.matrices)
        if bound >= 2.0**62:
            raise ValueError(f"projection {name!r}: sums of up to {bound:.3g} leave 64 bits; give fewer bits in all")

    def receive(self, step: int) -> Any:
        """The exact sums of what arrives [B, J]; of graded values, rounded once."""
        total: Any = 0
        for (delay, matrix), fan_out in zip(self.matrices, self.fan_out, strict=True):
            if step < delay:
                continue
            sent = self.pre.history[(step - delay) % len(self.pre.history)]
            is_constant = self.pre.given is not None and self.pre.given.ndim == 2
            self.n_events += int(((sent != 0) @ fan_out).sum())
            if is_constant and self.constant is not None and len(self.matrices) == 1:
                return self.constant
            total = total + (_spike_sums(sent, matrix) if sent.dtype == bool else self._graded_sums(sent, matrix))
            if is_constant:
                self.constant = total
        return total

    def _graded_sums(self, sent_BI: NDArray[np.int64], matrix: Any) -> NDArray[np.int64]:
        n_bits = self.meter.form.fraction
        sums = np.asarray(sent_BI @ matrix)
        if n_bits and self.meter.form.rounding == "nearest":
            sums = sums + (1 << (n_bits - 1))
        elif n_bits and self.meter.form.rounding == "stochastic":
            sums = sums + self.meter.draw(sums.shape, n_bits)
        return sums >> n_bits


def _spike_sums(sent_BI: NDArray[np.bool_], matrix: Any) -> NDArray[np.int64]:
    """Sums over spikes. Those of dense matrices go through float64, exact below 2^53, for its fast product."""
    if not isinstance(matrix, np.ndarray):
        return np.asarray(sent_BI.astype(np.int64) @ matrix)
    return (sent_BI.astype(float) @ matrix.astype(float)).astype(np.int64)


def _given(job: Job, population: Population, meter: Meter) -> NDArray:
    """Spikes [T, B, I], or raw integers of values, [B, I] or [T, B, I]."""
    given = job.inputs[population.name]
    if isinstance(given, Events):
        return raster(given, population.size, job.n_steps, job.net.dt)[0] > 0
    values = array_of(given)
    if np.isin(values, (0, 1)).all():
        return values > 0
    return meter.fixed(values, f"input {population.name!r}").raw
