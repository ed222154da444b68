"""Networks of Loihi compartments on the backend `fixed_point`: set up, run sample by sample, gather.

One run is in the chip's integers throughout; what is recorded of u, v and the output are whole numbers.
"""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.backends.event import joined
from neuro.backends.fixed_point_formats import Loihi, SaturationError
from neuro.backends.job import Job
from neuro.backends.loihi_arrays import ROOM, ChipArrays
from neuro.backends.loihi_kernels import Changing, run_steps
from neuro.backends.loihi_learning import learn
from neuro.backends.output import SpikeOutput
from neuro.events import Events
from neuro.record import Counts, Record

FIELDS = {"u": 0, "v": 1, "refrac": 2, "output": 3}  # places in the kernel's traces


def run(job: Job, arithmetic: Loihi) -> Record:
    """Run a job whose neurons are Loihi's."""
    arrays = ChipArrays(job, stops_at_saturation=not arithmetic.allow_saturation)
    _compile(arrays)
    start, total = time.perf_counter(), np.zeros(4, np.int64)
    samples = []
    for index in range(job.n_samples):
        now = arrays.changing()
        samples.append(_sample(arrays, now, index))
        total += now.counts
    spikes, traces = joined(samples)
    n_spikes, n_events, n_saturations, _ = (int(count) for count in total)
    counts = Counts(n_spikes, n_events, n_saturations, time.perf_counter() - start)
    return Record(spikes, traces, arrays.final_weights(), counts)


def _compile(arrays: ChipArrays) -> None:
    """Call the kernel for no step."""
    offsets = np.zeros((len(arrays.job.order), 1), np.int64)
    now = arrays.changing()
    run_steps(0, 0, 0, arrays.chip, now, np.empty(0, np.int32), offsets)
    if arrays.learns:
        nobody = arrays.plastic._replace(projection=arrays.plastic.projection[:0])
        learn(0, arrays.chip, now, nobody)


def _sample(arrays: ChipArrays, now: Changing, index: int) -> tuple[dict[str, Events], dict[str, NDArray]]:
    job = arrays.job
    units, offsets = arrays.sample(now, index)
    outputs = {name: SpikeOutput(name, job.net.dt, None) for name in job.recorded if job.records(name, "spikes")}
    step = 0
    while step < job.n_steps:
        last = step + 1 if arrays.learns else job.n_steps
        step = run_steps(step, last, job.n_steps, arrays.chip, now, units, offsets)
        _check(arrays, now)
        if arrays.learns:
            learn(step - 1, arrays.chip, now, arrays.plastic)
            if now.counts[3] < ROOM and step < job.n_steps:
                continue
        steps, ids = now.kept_steps[: now.counts[3]], now.kept_units[: now.counts[3]]
        for name, output in outputs.items():
            first, last = arrays.first[arrays.place[name]], arrays.first[arrays.place[name] + 1]
            own = (ids >= first) & (ids < last)
            output.append(steps[own], (ids[own] - first).astype(np.int32))
        now.counts[3] = 0
    return {name: output.events() for name, output in outputs.items()}, _traces(arrays, now)


def _check(arrays: ChipArrays, now: Changing) -> None:
    step, neuron, field, stops = now.clipped
    if stops and step >= 0:
        p = int(np.searchsorted(arrays.first, neuron, side="right")) - 1
        raise SaturationError(
            f"{'uv'[field]} of neuron {neuron - arrays.first[p]} in population {arrays.job.order[p].name!r} left 24"
            f" bits in step {step}; scale weights and thresholds down, or allow it with"
            " arithmetic=Loihi(allow_saturation=True)"
        )


def _traces(arrays: ChipArrays, now: Changing) -> dict[str, Any]:
    """What was recorded, [T, N]."""
    traces = {}
    for name, start in arrays.columns.items():
        own = now.traces[:, start : start + arrays.job.net.population(name).size]
        for field in arrays.job.recorded[name]:
            if field != "spikes":
                values = own[..., FIELDS[field]]
                traces[f"{name}.{field}"] = values * arrays.job.net.dt if field == "refrac" else values.astype(np.int64)
    return traces
