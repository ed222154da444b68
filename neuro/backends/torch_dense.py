"""The reference backend: a time loop over tensors [B, N], with autograd, on CPU and GPU.

Sparse projections are made dense. Within a step, population by population: traces decay, arrivals,
on_pre, neuron step, on_post.

Axes: T step, B sample, N neuron, I presynaptic, J postsynaptic.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neuro import poisson
from neuro.backends.job import Job
from neuro.dialect import rebind
from neuro.events import Events, from_raster, raster
from neuro.network import Network, PoissonDrive, PoissonSource, Population, Projection, Source, Synapses
from neuro.plasticity import interval_steps
from neuro.record import Counts, Record


def step_function(x: Tensor) -> Tensor:
    """1 where x >= 0, else 0; without a gradient."""
    return torch.ge(x.detach(), 0, out=torch.empty_like(x))  # writing floats is ten times as fast as booleans


def _maximum(a, b):
    if not isinstance(b, Tensor):
        return torch.clamp(a, min=b)
    return torch.maximum(a, b) if isinstance(a, Tensor) else torch.clamp(b, min=a)


def _minimum(a, b):
    if not isinstance(b, Tensor):
        return torch.clamp(a, max=b)
    return torch.minimum(a, b) if isinstance(a, Tensor) else torch.clamp(b, max=a)


def _dialect(surrogate: Callable[[Tensor], Tensor], like: Tensor) -> dict[str, Any]:
    """The names of a step. like: a tensor of the dtype and on the device of the simulation."""

    def where(condition, a, b):
        """Chooses at once where there is nothing to compute: a refractory period of 0 then costs nothing."""
        if isinstance(condition, bool):
            return a if condition else b
        if not isinstance(a, Tensor) and not isinstance(b, Tensor):
            return a if a == b else torch.where(condition, like.new_tensor(a), b)
        return torch.where(condition, a, b)

    return {
        "dialect": "torch",
        "where": where,
        "exp": torch.exp,
        "heaviside": surrogate,
        "maximum": _maximum,
        "minimum": _minimum,
    }


def unsupported(net: Network, plastic: bool) -> list[str]:
    """Reasons, in words, why this backend cannot run a network."""
    return []


def run(job: Job, surrogate: Callable[[Tensor], Tensor] = step_function) -> Record:
    """Run a job. surrogate: the spike function, whose derivative autograd uses.

    Weights, values and rasters may be tensors that require gradients; traces then carry them.
    """
    start = time.perf_counter()
    like = _reference_tensor(job)
    names = _dialect(surrogate, like)
    populations = {p.name: _Population(p, job, like, names) for p in job.order}
    projections = [_Projection(p, job, like, names, populations) for p in job.net.projections]
    incoming = {name: [p for p in projections if p.post == name] for name in populations}
    drives = {name: [_Drive(d, job, like) for d in job.net.drives if d.post == name] for name in populations}
    for step in range(job.n_steps):
        for name, population in populations.items():
            arrivals: dict[str, Tensor] = {}
            for sender in [*incoming[name], *drives[name]]:
                x, receptor = sender.receive(step), sender.receptor
                arrivals[receptor] = arrivals[receptor] + x if receptor in arrivals else x
            population.advance(arrivals, step)
            for projection in incoming[name]:
                projection.learn_from_post(population.output, step)
    counts = Counts(
        spikes=sum(int(p.sent_N.sum()) for p in populations.values() if p.spikes),
        synaptic_events=sum(p.n_events() for p in projections) + sum(d.n_events for ds in drives.values() for d in ds),
        wall_s=time.perf_counter() - start,
    )
    spikes: dict[str, Events] = {}
    traces: dict[str, Tensor] = {}
    for name, population in populations.items():
        for field, values in population.kept.items():
            values_TBN = torch.stack(values) if values else like.new_zeros(0, *population.output.shape)
            if field == "spikes":
                spikes[name] = from_raster(values_TBN.detach().cpu().numpy(), job.net.dt)
            else:
                traces[f"{name}.{field}"] = values_TBN
    for projection in projections:
        if job.records(projection.name, "weights"):
            traces[f"{projection.name}.weights"] = projection.recorded_weights()
    return Record(spikes, traces, {p.name: p.final_weights() for p in projections}, counts)


def _reference_tensor(job: Job) -> Tensor:
    """An empty tensor on the device and of the dtype of the weights (float64 on the CPU without any)."""
    for given in job.weights.values():
        values = given.weights if isinstance(given, Synapses) else given
        return torch.as_tensor(values).detach().new_empty(0)
    return torch.empty(0, dtype=torch.float64)


def _on(like: Tensor, values: tuple) -> list:
    """Numbers stay floats; arrays become tensors beside `like`."""
    return [float(v) if np.ndim(v) == 0 else torch.as_tensor(v).to(like) for v in values]


class _Population:
    """The state of a population while a job runs."""

    def __init__(self, population: Population, job: Job, like: Tensor, names: dict[str, Any]):
        self.kept: dict[str, list[Tensor]] = {field: [] for field in job.recorded.get(population.name, [])}
        self.n_steps = job.n_steps
        delays = [_longest_delay(p, job) for p in job.net.projections if p.pre == population.name]
        self.model: Any = population.model
        self.output = self.silence = like.new_zeros(job.n_samples, population.size)
        self.history = [self.output] * (max(delays, default=0) + 1)
        self.sent_N = like.new_zeros(population.size, dtype=torch.float64)  # non-zero outputs, all samples
        self.spikes = not population.is_source and not population.model.graded
        self.is_counted = self.spikes or bool(delays)
        self.counted: tuple[Any, Any] = (None, None)  # the last output that was counted, and its count
        self.input = self.state = self.drawn = None
        if isinstance(population.model, PoissonSource):
            self.drawn = _PoissonSpikes(population, job, like)
            return
        if isinstance(population.model, Source):
            self.input = _input_tensor(job, population, like)
            return
        c = self.model.coefficients(job.net.dt)
        self.coefficients = type(c)(*_on(like, c))
        start = job.initial[population.name]
        # The time left in refractoriness stays a number while all are free: see `where`.
        values = {field: value + self.output for field, value in zip(start._fields, _on(like, start), strict=True)}
        if not np.any(getattr(start, "refrac", True)):
            values["refrac"] = 0.0
        self.state = type(start)(**values)
        self.step = rebind(self.model.step, names)

    def advance(self, arrivals: dict[str, Tensor], step: int) -> None:
        """Step the neurons, count what they send, and keep what is recorded. arrivals: by receptor."""
        if self.drawn is not None:
            self.output = self.drawn.spikes(step)
        elif self.input is not None:
            self.output = self.input if self.input.ndim == 2 else self.input[step]
        else:
            x = [arrivals.get(receptor, self.silence) for receptor in self.model.receptors]
            given = x[0] if len(x) == 1 else self.model.Arrivals(*x)
            self.output, self.state = self.step(self.state, given, self.coefficients)
        if self.is_counted:
            self.sent_N += self._count(self.output)
        self.history[step % len(self.history)] = self.output
        for field, values in self.kept.items():
            value = self.output if field in ("output", "spikes") else getattr(self.state, field)
            values.append(value if isinstance(value, Tensor) else torch.full_like(self.output, value))

    def _count(self, output_BN: Tensor) -> Tensor:
        """How many samples have a non-zero output, for each neuron; a spike is a 1, so a sum counts it."""
        if output_BN is self.counted[0]:  # direct current: the same tensor in every step
            return self.counted[1]
        count_N = output_BN.detach().sum(0) if self.spikes else (output_BN.detach() != 0).sum(0)
        self.counted = output_BN, count_N
        return count_N

    def delivered(self, delay: int) -> Tensor:
        """sent_N without what was sent in the last `delay` steps and did not arrive."""
        n = min(delay, self.n_steps)
        late = [self._count(self.history[(self.n_steps - 1 - k) % len(self.history)]) for k in range(n)]
        return self.sent_N - sum(late) if late else self.sent_N

    def sent(self, step: int) -> Tensor:
        """What was sent in an earlier step, or in this one if the population has advanced."""
        return self.history[step % len(self.history)]


class _PoissonSpikes:
    """The spikes of a Poisson source; the numbers are those of neuro/poisson.py."""

    def __init__(self, population: Population, job: Job, like: Tensor):
        model: Any = population.model
        bound = np.minimum(np.rint(model.probability(job.net.dt) * 2**32), 2**32 - 1)
        self.bound_N, self.like = np.broadcast_to(bound, (population.size,)), like
        self.keys = [poisson.key(job.seed, population.name, sample) for sample in range(job.n_samples)]

    def spikes(self, step: int) -> Tensor:
        size = len(self.bound_N)
        fired_BN = np.stack([poisson.bits(size, step, key) < self.bound_N for key in self.keys])
        return torch.from_numpy(fired_BN).to(self.like)


def _longest_delay(projection: Projection, job: Job) -> int:
    given = job.weights[projection.name]
    delays = given.delays if isinstance(given, Synapses) else None
    return job.net.delay_steps(projection) if delays is None or not len(delays) else int(delays.max())


def _input_tensor(job: Job, population: Population, like: Tensor) -> Tensor:
    given = job.inputs[population.name]
    if isinstance(given, Events):
        given, _ = raster(given, population.size, job.n_steps, job.net.dt)
    return torch.as_tensor(given).to(like)


class _Projection:
    """The weights, traces and arrivals of a projection while a job runs: one _Pathway for each delay."""

    def __init__(
        self,
        projection: Projection,
        job: Job,
        like: Tensor,
        names: dict[str, Any],
        populations: dict[str, _Population],
    ):
        self.name, self.post, self.receptor = projection.name, projection.post, job.net.receptor(projection)
        self.pre = populations[projection.pre]
        self.modulator = populations[projection.modulator] if projection.modulator else None
        n_pre, n_post = self.pre.output.shape[1], job.net.population(self.post).size
        self.given = job.weights[self.name]
        w_JI, exists_JI, delay_JI = _dense(self.given, n_pre, n_post, like, job.net.delay_steps(projection))
        delays = delay_JI[exists_JI].unique().tolist() or [job.net.delay_steps(projection)]
        self.pathways = [_Pathway(d, exists_JI & (delay_JI == d), like) for d in delays]
        self.silence = like.new_zeros(job.n_samples, n_post)
        self.rule = projection.rule if job.plastic else None
        self.kept: list[Any] = []
        self.weights_every = job.weights_every if job.records(self.name, "weights") else 0
        self.constant = None
        # All that a synapse holds, as matrices; the weight first.
        self.synapse: Any = (w_JI,)
        if self.rule is not None:
            self._prepare_rule(job, names, w_JI)
        elif self.pre.input is not None and self.pre.input.ndim == 2:
            self.constant = torch.nn.functional.linear(self.pre.input, w_JI)
        self.short_term = None
        if projection.short_term is not None:
            self.short_term = _ShortTerm(projection.short_term, job, like, names, n_pre, delays[-1])

    def _prepare_rule(self, job: Job, names: dict[str, Any], w_JI: Tensor) -> None:
        rule: Any = self.rule
        n_post, n_pre = w_JI.shape
        c = rule.coefficients(job.net.dt)
        self.c = type(c)(*_on(w_JI, c))
        self.interval = interval_steps(rule, job.net.dt)
        functions = ["decay_pre", "decay_post", "spike_pre", "spike_post", "on_pre", "on_post"]
        functions += ["on_interval"] if self.interval else []
        self.do = {function: rebind(getattr(rule, function), names) for function in functions}
        others = [torch.zeros_like(w_JI) for _ in rule.Synapse._fields[1:]]
        self.synapse = rule.Synapse(w_JI, *others)
        self.y = rule.PostTraces(*(w_JI.new_zeros(n_post, 1) for _ in rule.PostTraces._fields))
        for pathway in self.pathways:
            pathway.x = rule.PreTraces(*(w_JI.new_zeros(n_pre) for _ in rule.PreTraces._fields))
        self.third_factor: Any = 1.0

    def receive(self, step: int) -> Tensor:
        """Traces decay, what was sent a delay ago arrives, on_pre acts. Returns the arrivals [B, J]."""
        if self.rule is not None:
            self.y = self.do["decay_post"](self.y, self.c)
            if self.modulator is not None:
                self.third_factor = self.modulator.output[0, 0]
        if self.short_term is not None:
            # All of this step's spikes that may arrive in it are known: a delay of 0 comes from an earlier population.
            self.short_term.send(self.pre.sent(step) if self.pathways[0].delay == 0 else None, self.pre, step)
        arrivals = self.silence
        for pathway in self.pathways:
            if self.rule is not None:
                pathway.x = self.do["decay_pre"](pathway.x, self.c)
            if step >= pathway.delay:
                arrivals = arrivals + self._arrivals(pathway, step)
        return arrivals

    def _arrivals(self, pathway: "_Pathway", step: int) -> Tensor:
        if self.constant is not None:
            return self.constant
        sent_BI = self.pre.sent(step - pathway.delay)
        carried_BI = sent_BI if self.short_term is None else self.short_term.carried(step - pathway.delay)
        w_JI = self.synapse[0] if len(self.pathways) == 1 else self.synapse[0] * pathway.exists_JI
        arrivals = torch.nn.functional.linear(carried_BI, w_JI)
        if self.rule is not None:
            arrived_I = sent_BI[0] > 0
            self._change("on_pre", pathway.exists_JI & arrived_I[None, :], pathway.x, self.y, self.third_factor)
            pathway.x = _where_fired(arrived_I, self.do["spike_pre"](pathway.x, self.c), pathway.x)
        return arrivals

    def learn_from_post(self, output_BJ: Tensor, step: int) -> None:
        """on_post acts where the postsynaptic neuron fired, and on_interval when it is due."""
        if self.rule is not None:
            fired_J1 = output_BJ[0, :, None] > 0
            for pathway in self.pathways:
                self._change("on_post", pathway.exists_JI & fired_J1, pathway.x, self.y, self.third_factor)
            self.y = _where_fired(fired_J1, self.do["spike_post"](self.y, self.c), self.y)
            if self.interval and (step + 1) % self.interval == 0:
                for pathway in self.pathways:
                    self._change("on_interval", pathway.exists_JI, self.y, self.third_factor)
        if self.weights_every and (step + 1) % self.weights_every == 0:
            self.kept.append(self.final_weights())

    def _change(self, function: str, where: Tensor, *factors: Any) -> None:
        changed = self.do[function](self.synapse, *factors, self.c)
        self.synapse = type(self.synapse)(
            *(torch.where(where, new, old) for new, old in zip(changed, self.synapse, strict=True))
        )

    def n_events(self) -> int:
        """Spikes that arrived times the synapses that each crossed."""
        return int(sum((self.pre.delivered(p.delay) * p.exists_JI.sum(0)).sum() for p in self.pathways))

    def recorded_weights(self) -> Any:
        """[K, synapses], or [K, J, I]."""
        kept = [given.weights if isinstance(given, Synapses) else np.asarray(given) for given in self.kept]
        given = self.given.weights if isinstance(self.given, Synapses) else self.given
        return np.stack(kept) if kept else np.empty((0, *given.shape))

    def final_weights(self) -> Any:
        """The weights at the end, in the form in which they were given."""
        w_JI = self.synapse[0]
        if isinstance(self.given, Synapses):
            rows = torch.as_tensor(self.given.targets.astype(np.int64))
            values = w_JI[rows, torch.as_tensor(self.given.sources)].detach().cpu().numpy()
            return self.given._replace(weights=values)
        if self.rule is None:
            return self.given
        return w_JI if isinstance(self.given, Tensor) else w_JI.numpy()


class _Pathway:
    """The synapses of a projection that have one delay (steps). x: presynaptic traces, as they arrive."""

    def __init__(self, delay: int, exists_JI: Tensor, like: Tensor):
        self.delay, self.exists_JI = int(delay), exists_JI
        self.x: Any = None


class _ShortTerm:
    """What the spikes of a presynaptic population carry."""

    def __init__(self, short_term: Any, job: Job, like: Tensor, names: dict[str, Any], n_pre: int, longest: int):
        c = short_term.coefficients()
        self.c, self.dt = type(c)(*_on(like, c)), job.net.dt
        self.do = rebind(short_term.send, names)
        shape = job.n_samples, n_pre
        self.state = short_term.State(*(like.new_full(shape, value) for value in short_term.initial()))
        self.since = like.new_full(shape, 2.0**40)  # steps since the last spike; none yet
        self.history = [like.new_zeros(shape)] * (longest + 2)
        self.done = -1

    def send(self, sent_now: Tensor | None, pre: _Population, step: int) -> None:
        """Work through the spikes of the last step, or of this one where they may arrive at once."""
        newest = step if sent_now is not None else step - 1
        while self.done < newest:
            self.done += 1
            sent_BI = pre.sent(self.done)
            self.since = self.since + 1
            share, state = self.do(self.state, self.since * self.dt, self.c)
            fired = sent_BI > 0
            self.state = _where_fired(fired, state, self.state)
            self.since = torch.where(fired, 0.0, self.since)
            self.history[self.done % len(self.history)] = torch.where(fired, share, 0.0)

    def carried(self, step: int) -> Tensor:
        return self.history[step % len(self.history)]


class _Drive:
    """A Poisson drive while a job runs; the numbers are those of neuro/poisson.py."""

    def __init__(self, drive: PoissonDrive, job: Job, like: Tensor):
        self.receptor, self.weight, self.like = job.net.receptor(drive), drive.weight, like
        self.bounds = poisson.thresholds(drive.mean(job.net.dt))
        self.size = job.net.population(drive.post).size
        name = f"{drive.post}.{self.receptor}"
        self.keys = [poisson.key(job.seed, name, sample) for sample in range(job.n_samples)]
        self.n_events = 0

    def receive(self, step: int) -> Tensor:
        """What arrives in a step [B, J]."""
        counts_BJ = np.stack([poisson.draw(self.bounds, self.size, step, key) for key in self.keys])
        self.n_events += int(counts_BJ.sum())
        return torch.from_numpy(counts_BJ).to(self.like) * self.weight


def _where_fired(fired: Tensor, new: tuple, old: tuple) -> Any:
    return type(old)(*(torch.where(fired, a, b) for a, b in zip(new, old, strict=True)))


def _dense(given: Any, n_pre: int, n_post: int, like: Tensor, delay: int) -> tuple[Tensor, Tensor, Tensor]:
    """w_JI, which synapses exist, and their delays in steps."""
    if not isinstance(given, Synapses):
        every = torch.ones(n_post, n_pre, dtype=torch.bool, device=like.device)
        return torch.as_tensor(given).to(like), every, every * delay
    rows, columns = torch.as_tensor(given.targets.astype(np.int64)), torch.as_tensor(given.sources)
    w_JI, exists_JI = like.new_zeros(n_post, n_pre), torch.zeros(n_post, n_pre, dtype=torch.bool)
    w_JI[rows, columns] = torch.as_tensor(given.weights).to(like)
    exists_JI[rows, columns] = True
    delay_JI = torch.full((n_post, n_pre), delay)
    if given.delays is not None:
        delay_JI[rows, columns] = torch.as_tensor(given.delays.astype(np.int64))
    return w_JI, exists_JI.to(like.device), delay_JI.to(like.device)
