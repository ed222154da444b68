"""The arrays of the backend triton_event: neurons by model, synapses by what they do, slots for what arrives.

Neurons are numbered through, those of one model together. Receptor r of a model's neuron j has the slot slot_r + j.
Synapses that do not learn lie in one set of rows for all neurons, and in one for each source.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from neuro import poisson
from neuro.backends.event import by_step
from neuro.backends.event_arrays import array_of, as_input
from neuro.backends.job import Job
from neuro.backends.triton_event_kernels import drive, spread
from neuro.backends.triton_event_source import neuron_kernel, rule_kernels
from neuro.backends.triton_neurons import coefficient_tensors
from neuro.backends.triton_source import NeuronKind
from neuro.events import Events
from neuro.network import PoissonDrive, Population, Projection, Source, Synapses, all_to_all


class Ring(NamedTuple):
    """What arrives: [depth, n_slots], flat."""

    arrivals: Tensor
    depth: int
    n_slots: int


class Arrays:
    """All that a job needs on the device of `like`."""

    def __init__(self, job: Job, like: Tensor):
        self.job, self.like = job, like
        self.groups: list[NeuronGroup] = []
        first = slot = 0
        models = [p for p in job.order if not isinstance(p.model, Source)]
        for kind in dict.fromkeys(type(p.model) for p in models):
            self.groups.append(NeuronGroup([p for p in models if type(p.model) is kind], job, like, first, slot))
            first += self.groups[-1].size
            slot += self.groups[-1].size * len(self.groups[-1].model.receptors)
        self.n_neurons = first
        self.events = torch.zeros((), dtype=torch.int64, device=like.device)
        self.synapses = {p.name: self._synapses(p) for p in job.net.projections}
        depth = 1 + max((int(s.delays.max(initial=0)) for s in self.synapses.values()), default=0)
        self.ring = Ring(like.new_zeros(depth * slot), depth, slot)
        learning = [p for p in job.net.projections if p.rule is not None and job.plastic]
        fixed = [p for p in job.net.projections if p not in learning]
        inputs = {name: as_input(name, given, job.net.dt) for name, given in job.inputs.items()}
        values = {name: given for name, given in inputs.items() if not isinstance(given, Events)}
        lists = {name: self._spikes(given) for name, given in inputs.items() if isinstance(given, Events)}
        self.rows = self._rows([p for p in fixed if p.pre not in inputs], self.n_neurons)
        self.from_sources = []
        for name, spikes in lists.items():
            rows = self._rows([p for p in fixed if p.pre == name], job.net.population(name).size)
            self.from_sources += [(rows, spikes)] if rows is not None else []
        self.direct = [self._direct(p, values[p.pre][0]) for p in fixed if p.pre in values]
        for projection in learning:
            if projection.pre in values:
                raise ValueError(
                    f"projection {projection.name!r} learns from spikes, and gets direct current; give Events"
                )
        self.plastic = [PlasticSynapses(p, self, lists.get(p.pre)) for p in learning]
        self.drives = [Drive(d, self) for d in job.net.drives]

    def place(self, name: str) -> tuple[int, int]:
        """The first number of a population, and its size."""
        group = next(group for group in self.groups if name in group.starts)
        return group.first + group.starts[name], self.job.net.population(name).size

    def slot(self, incoming: Projection | PoissonDrive) -> int:
        """Where what reaches the first neuron of a population lies in a step's arrivals."""
        group = next(group for group in self.groups if incoming.post in group.starts)
        return group.slots[self.job.net.receptor(incoming)] + group.starts[incoming.post]

    def trace(self, name: str, field: str) -> Tensor:
        """[T, N]"""
        group = next(group for group in self.groups if name in group.starts)
        first = group.starts[name]
        return group.kept[field][:, first : first + self.job.net.population(name).size]

    def weights_now(self, name: str) -> np.ndarray:
        """The weights of a projection, in the form in which they were given."""
        for plastic in self.plastic:
            if plastic.name == name:
                given = plastic.final_weights()
                return given.weights if isinstance(given, Synapses) else array_of(given)
        given = self.job.weights[name]
        return given.weights if isinstance(given, Synapses) else array_of(given)

    def on_device(self, values: np.ndarray, dtype: torch.dtype | None = None) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(values)).to(self.like.device, dtype or self.like.dtype)

    def _synapses(self, projection: Projection) -> Any:
        """In rows, with the delay (steps) of each."""
        given = self.job.weights[projection.name]
        if not isinstance(given, Synapses):
            given = all_to_all(array_of(given))
        delay = self.job.net.delay_steps(projection)
        delays = np.full(len(given.targets), delay, np.int32) if given.delays is None else given.delays
        return given._replace(delays=delays, weights=array_of(given.weights))

    def _rows(self, projections: list[Projection], n: int) -> tuple[Tensor, ...] | None:
        """The synapses of several projections in the rows of n neurons: row, target (slot), delay, weight."""
        if not projections:
            return None
        n_in_row = np.zeros(n, np.int64)
        places = [self._first(p) for p in projections]
        found = [self.synapses[p.name] for p in projections]
        for first, s in zip(places, found, strict=True):
            n_in_row[first : first + len(s.offsets) - 1] += np.diff(s.offsets)
        row = np.concatenate([[0], np.cumsum(n_in_row)])
        target, delay = np.empty(row[-1], np.int32), np.empty(row[-1], np.int32)
        weight, free = np.empty(row[-1], found[0].weights.dtype), row[:-1].copy()
        for first, s, p in zip(places, found, projections, strict=True):
            n_own, own = np.diff(s.offsets), slice(first, first + len(s.offsets) - 1)
            at = np.repeat(free[own] - s.offsets[:-1], n_own) + np.arange(len(s.targets))
            target[at], delay[at], weight[at] = s.targets + self.slot(p), s.delays, s.weights
            free[own] += n_own
        ends = self.on_device(target, torch.int32), self.on_device(delay, torch.int32)
        return self.on_device(row, torch.int64), *ends, self.on_device(weight)

    def _first(self, projection: Projection) -> int:
        """The number in the list of spikes of neuron 0 of the population that sends."""
        return 0 if projection.pre in self.job.inputs else self.place(projection.pre)[0]

    def _spikes(self, given: Events) -> tuple[Tensor, Tensor]:
        """ids, offsets of a source."""
        units, offsets = by_step(given, 0, self.job.n_steps, self.job.net.dt)
        return tuple(self.on_device(values, torch.int32) for values in (units, offsets))  # type: ignore[return-value]

    def _direct(self, projection: Projection, values_I: np.ndarray) -> tuple[int, Tensor]:
        """First slot, and what arrives there at every step."""
        s, n_post = self.synapses[projection.name], self.job.net.population(projection.post).size
        if s.delays.any():
            raise ValueError(f"projection {projection.name!r} delays direct current; give it no delay")
        sent = np.repeat(values_I, np.diff(s.offsets))
        self.events += int((sent != 0).sum()) * self.job.n_steps
        return self.slot(projection), self.on_device(np.bincount(s.targets, sent * s.weights, n_post))

    def add_direct(self, clock: Tensor, first: int, values: Tensor) -> None:
        slot = (clock % self.ring.depth).long() * self.ring.n_slots + first
        self.ring.arrivals.index_add_(0, slot + torch.arange(len(values), device=values.device), values)


class NeuronGroup:
    """All populations of one model. starts: population -> place of its neuron 0. first: number of place 0."""

    def __init__(self, populations: list[Population], job: Job, like: Tensor, first: int, slot: int):
        self.model: Any = populations[0].model
        self.first, self.starts, self.size = first, {}, 0
        for population in populations:
            self.starts[population.name] = self.size
            self.size += population.size
        self.slots = {receptor: slot + k * self.size for k, receptor in enumerate(self.model.receptors)}
        parts = [p.model.coefficients(job.net.dt) for p in populations]  # type: ignore[union-attr]
        sizes = [p.size for p in populations]
        whole = type(parts[0])(*(_joined(list(values), sizes) for values in zip(*parts, strict=True)))
        arrays = tuple(f for f, value in zip(whole._fields, whole, strict=True) if np.ndim(value))
        kept = {f for p in populations for f in job.recorded.get(p.name, []) if f != "spikes"}
        keep = tuple(f for f in ("output", *self.model.State._fields) if f in kept)
        self.kind = NeuronKind(type(self.model), type(whole), arrays, keep)
        self.coefficients = coefficient_tensors(self.kind, whole, like)
        starts = [job.initial[p.name] for p in populations]
        self.state = [
            torch.as_tensor(np.concatenate([np.broadcast_to(v, (n,)) for v, n in zip(values, sizes, strict=True)])).to(
                like
            )
            for values in zip(*starts, strict=True)
        ]
        self.kept = {field: like.new_empty(job.n_steps, self.size) for field in keep}
        self.advance_kernel = neuron_kernel(self.kind).advance

    def advance(self, clock: Tensor, spikes: tuple[Tensor, Tensor], arrays: Arrays) -> None:
        """All neurons take a step; those that fire are appended to the spikes."""
        from neuro.backends.triton_dialect import grid

        where, options = grid(self.size)
        self.advance_kernel[where](
            clock, self.size, self.size, self.first, *arrays.ring, *self.slots.values(), *self.state,
            *self.kept.values(), *spikes, *self.coefficients, **options,
        )  # fmt: skip


def _joined(values: list[Any], sizes: list[int]) -> Any:
    """A coefficient of several populations: one number where all have the same."""
    if all(np.ndim(value) == 0 and value == values[0] for value in values):
        return values[0]
    return np.concatenate([np.broadcast_to(value, (n,)) for value, n in zip(values, sizes, strict=True)])


class PlasticSynapses:
    """A projection that learns: rows for on_pre, columns for on_post. given: the spikes of its source, if it is one."""

    def __init__(self, projection: Projection, arrays: Arrays, given: tuple[Tensor, Tensor] | None):
        job, self.name, self.given = arrays.job, projection.name, given
        rule: Any = projection.rule
        s, put = arrays.synapses[self.name], arrays.on_device
        if len(np.unique(s.delays)) > 1:
            raise ValueError(f"projection {self.name!r} learns, and its synapses differ in their delays; use event")
        self.delay = int(s.delays[0]) if len(s.delays) else job.net.delay_steps(projection)
        self.form = job.weights[self.name]
        n_pre, n_post = (job.net.population(name).size for name in (projection.pre, projection.post))
        self.pre, self.post = (arrays._first(projection), n_pre), arrays.place(projection.post)
        order = np.argsort(s.targets, kind="stable")
        column = np.searchsorted(s.targets[order], np.arange(n_post + 1))
        self.row, self.column, self.place_of = (put(v, torch.int64) for v in (s.offsets, column, order))
        self.target, self.source = put(s.targets, torch.int32), put(s.sources[order], torch.int32)
        self.slot = arrays.slot(projection)
        self.synapse = [put(s.weights).clone(), *(arrays.like.new_zeros(len(order)) for _ in rule.Synapse._fields[1:])]
        self.x = [arrays.like.new_zeros(n_pre) for _ in rule.PreTraces._fields]
        self.y = [arrays.like.new_zeros(n_post) for _ in rule.PostTraces._fields]
        c = rule.coefficients(job.net.dt)
        if any(np.ndim(value) for value in c):
            raise ValueError(f"projection {self.name!r}: a rule's parameters are one number each here; use event")
        self.numbers = arrays.like.new_tensor([float(value) for value in c])
        self.kernels = rule_kernels(rule, c)

    def receive(self, clock: Tensor, own: tuple[Tensor, Tensor], arrays: Arrays) -> None:
        """Traces decay, what was sent a delay ago arrives, on_pre acts. own: the spikes of simulated neurons."""
        from neuro.backends.triton_dialect import grid

        spikes = own if self.given is None else self.given
        where, options = grid(max(self.pre[1], self.post[1]))
        self.kernels.decay[where](self.pre[1], self.post[1], *self.x, *self.y, self.numbers, **options)
        where, options = spread()
        arriving = (*arrays.ring, self.slot, arrays.events)
        self.kernels.receive[where](
            clock, *spikes, self.delay, *self.pre, self.row, self.target, *arriving, *self.synapse, *self.x, *self.y,
            self.numbers, **options, enable_fp_fusion=False,
        )  # fmt: skip
        self.kernels.jump_pre[where[:1]](
            clock, *spikes, self.delay, *self.pre, *self.x, self.numbers, **options, enable_fp_fusion=False
        )

    def learn(self, clock: Tensor, own: tuple[Tensor, Tensor]) -> None:
        """on_post acts at the synapses of neurons that fired in this step."""
        where, options = spread()
        self.kernels.learn[where](
            clock, *own, 0, *self.post, self.column, self.source, self.place_of, *self.synapse, *self.x, *self.y,
            self.numbers, **options, enable_fp_fusion=False,
        )  # fmt: skip
        self.kernels.jump_post[where[:1]](
            clock, *own, 0, *self.post, *self.y, self.numbers, **options, enable_fp_fusion=False
        )

    def final_weights(self) -> Any:
        """The weights, in the form in which they were given."""
        w = self.synapse[0]
        if isinstance(self.form, Synapses):
            return self.form._replace(weights=w.cpu().numpy().copy())
        w_JI = w.clone().reshape(self.form.shape[::-1]).T
        return w_JI.to(self.form.device) if isinstance(self.form, Tensor) else w_JI.cpu().numpy()


class Drive:
    """A Poisson drive; the numbers are those of neuro/poisson.py."""

    def __init__(self, given: PoissonDrive, arrays: Arrays):
        job = arrays.job
        self.slot, self.size = arrays.slot(given), job.net.population(given.post).size
        bounds = poisson.thresholds(given.mean(job.net.dt))
        key = np.array([poisson.key(job.seed, f"{given.post}.{job.net.receptor(given)}", 0)], np.uint32)
        self.key, self.bounds = (arrays.on_device(v.view(np.int32), torch.int32) for v in (key, bounds))
        self.n_bounds, self.weight = len(bounds), arrays.like.new_tensor([given.weight])

    def send(self, clock: Tensor, arrays: Arrays) -> None:
        """Add this step's spikes to what arrives."""
        from neuro.backends.triton_dialect import grid

        where, options = grid(self.size)
        drive[where](
            clock, self.size, self.slot, self.key, self.bounds, self.n_bounds, self.weight, *arrays.ring, arrays.events,
            **options,
        )  # fmt: skip
