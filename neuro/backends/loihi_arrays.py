"""The arrays of a job for the kernel of Loihi networks, and what such a network may not have.

Axes: B sample, J postsynaptic, K projection, N compartment or source.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.backends.job import Job
from neuro.backends.loihi_inputs import Inputs, direct_projections, whole
from neuro.backends.loihi_kernels import Changing, Chip
from neuro.backends.loihi_learning import Plastic, plastic_of
from neuro.backends.loihi_synapses import accumulators, flat_synapses, grid_of
from neuro.network import Network, Synapses
from neuro.neurons.loihi_lif import LARGEST, ONE_ARRIVAL, UNITY, LoihiLIF
from neuro.plasticity.sum_of_products import SumOfProducts
from neuro.units import steps

LONGEST_REFRACTORINESS = 63  # steps, 6 bits
ROOM = 2**16  # spikes kept between two looks, at least


def is_chip(net: Network) -> bool:
    """Whether all neurons are Loihi's, and there are some."""
    models = [population.model for population in net.populations if not population.is_source]
    return bool(models) and all(isinstance(model, LoihiLIF) for model in models)


def unsupported(net: Network, plastic: bool) -> list[str]:
    """Reasons, in words, why the projections of a network of Loihi neurons cannot be run."""
    reasons = []
    for projection in net.projections:
        where = f"projection {projection.name!r}"
        if projection.short_term is not None:
            reasons.append(f"{where} has short-term plasticity, which the chip has not")
        if plastic and projection.rule is not None and not isinstance(projection.rule, SumOfProducts):
            reasons.append(f"{where}: learning in integers is a SumOfProducts (neuro/plasticity/sum_of_products.py)")
    return reasons


class ChipArrays:
    """A job's network as arrays. columns: population -> its first column in the recorded traces."""

    def __init__(self, job: Job, stops_at_saturation: bool):
        self.job, self.stops = job, stops_at_saturation
        sizes = [population.size for population in job.order]
        self.first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self.place = {population.name: p for p, population in enumerate(job.order)}
        self.grids = {projection.name: grid_of(job, projection) for projection in job.net.projections}
        self.inputs = Inputs(job, self.grids)
        self.places = accumulators(job, self.grids)
        self.chip = self._chip()
        self.plastic = self._plastic()
        self.learns = len(self.plastic.projection) > 0

    def _chip(self) -> Chip:
        job, synapses = self.job, flat_synapses(self.job, self.grids, self.places)
        self.values, self.depth = synapses.values, int(synapses.delay.max(initial=0)) + 1
        pre = np.array([self.place[projection.pre] for projection in job.net.projections], np.int64)
        order = np.argsort(pre, kind="stable")
        direct = direct_projections(job)
        return Chip(
            **self._compartments(),
            first=self.first,
            is_source=np.array([population.is_source for population in job.order]),
            out=np.searchsorted(pre[order], np.arange(len(job.order) + 1)).astype(np.int64),
            sends=order.astype(np.int64),
            **{field: value for field, value in synapses._asdict().items() if field != "values"},
            channels=self.places.channels,
            channel=self.places.start,
            channel_shift=self.places.shift,
            drive_post=np.array([self.place[p.post] for p in direct], np.int64),
            drive_from=np.array([job.net.delay_steps(p) for p in direct], np.int64),
            drive_events=np.zeros(len(direct), np.int64),
            column=self._columns(),
        )

    def _compartments(self) -> dict[str, NDArray]:
        """The registers of all compartments; 0 for sources."""
        names = ("keep_u", "keep_v", "bias", "v_th", "refractory")
        found = {name: np.zeros(int(self.first[-1]), np.int64) for name in names}
        for p, population in enumerate(self.job.order):
            if not population.is_source:
                for name, values in _registers(population.model, population.name, self.job.net.dt).items():
                    found[name][self.first[p] : self.first[p + 1]] = values
        return found

    def _columns(self) -> NDArray[np.int64]:
        column, n = np.full(int(self.first[-1]), -1, np.int64), 0
        self.columns: dict[str, int] = {}
        for name, fields in self.job.recorded.items():
            if "->" in name or set(fields) <= {"spikes"}:
                continue
            p = self.place[name]
            size = int(self.first[p + 1] - self.first[p])
            column[self.first[p] : self.first[p + 1]] = n + np.arange(size)
            self.columns[name], n = n, n + size
        self.n_columns = n
        return column

    def _plastic(self) -> Plastic:
        """The projections that learn."""
        rules = []
        for k, projection in enumerate(self.job.net.projections):
            if self.job.plastic and isinstance(projection.rule, SumOfProducts):
                if projection in direct_projections(self.job):
                    raise ValueError(
                        f"Projection {projection.name!r} learns from spikes; give Events in place of values"
                    )
                pre, post = self.place[projection.pre], self.place[projection.post]
                offset = self.places.of[projection.name] - int(self.first[post])
                rules.append((k, pre, post, projection.rule, self.grids[projection.name], offset, projection.name))
        return plastic_of(rules, int(self.first[-1]), self.job.net.dt, self.job.seed)

    def changing(self) -> Changing:
        """Arrays of a sample before its first step."""
        n, job = int(self.first[-1]), self.job
        now = Changing(
            u=np.zeros(n, np.int32), v=np.zeros(n, np.int32), left=np.zeros(n, np.int32), fired=np.zeros(n, np.uint8),
            values=self.values, ring_DA=np.zeros((self.depth, self.places.size), np.int64),
            drive_KN=np.zeros((len(self.chip.drive_from), n), np.int64), arrivals=np.zeros(n, np.int64),
            ids=np.zeros(n, np.int64), kept_steps=np.zeros(ROOM + n, np.int64), kept_units=np.zeros(ROOM + n, np.int32),
            counts=np.zeros(4, np.int64), clipped=np.array([-1, 0, 0, self.stops]),
            traces=np.zeros((job.n_steps if self.n_columns else 0, self.n_columns, 4), np.int32),
        )  # fmt: skip
        for name, state in job.initial.items():
            part = slice(self.first[self.place[name]], self.first[self.place[name] + 1])
            now.u[part] = whole(state.u, f"initial '{name}.u'", -LARGEST, LARGEST)
            now.v[part] = whole(state.v, f"initial '{name}.v'", -LARGEST, LARGEST)
            now.left[part] = np.rint(np.asarray(state.refrac) / job.net.dt)
        return now

    def sample(self, now: Changing, index: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Set the constant arrivals of a sample; returns its spikes, as Inputs.spikes does."""
        for k, projection in enumerate(direct_projections(self.job)):
            p, (sums_BJ, events_B) = self.place[projection.post], self.inputs.drives[k]
            now.drive_KN[k, self.first[p] : self.first[p + 1]] = sums_BJ[index]
            self.chip.drive_events[k] = events_B[index]
        return self.inputs.spikes(index, self.place, self.first)

    def final_weights(self) -> dict[str, Any]:
        """The weights at the end, as plain numbers, in the form in which they were given."""
        final, job = dict(self.job.weights), self.job
        for q, k in enumerate(self.plastic.projection):
            name = job.net.projections[k].name
            grid, given = self.grids[name], job.weights[name]
            start = self.chip.row[self.chip.row_base[k]]
            w = (self.values[start : start + grid.values.size] >> self.plastic.up[q]) * 2.0**grid.exponent
            final[name] = given._replace(weights=w) if isinstance(given, Synapses) else w.reshape(given.shape[::-1]).T
        return final


def _registers(model: Any, name: str, dt: float) -> dict[str, Any]:
    """The registers of a population as the kernel takes them; their ranges were checked with the network."""
    where = f"Population {name!r}"

    def read(field: str) -> NDArray[np.int64]:
        return whole(getattr(model, field), f"{where}: {field}", -(2**17), 2**17)

    t_ref = np.array([steps(float(t), dt, f"{where}: t_ref") for t in np.atleast_1d(model.t_ref)])
    return {
        "keep_u": UNITY - 1 - read("current_decay"),
        "keep_v": UNITY - read("voltage_decay"),
        "bias": read("bias_mantissa") << read("bias_exponent"),
        "v_th": read("v_th") * ONE_ARRIVAL,
        "refractory": whole(t_ref, f"{where}: t_ref in steps", 0, LONGEST_REFRACTORINESS),
    }
