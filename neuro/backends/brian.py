"""The independent reference: the models' EQUATIONS, run by brian2 with its own integrators, in float64.

brian2 never sees a model's step; it is slower than the other backends and exists to check them. For equal
results step by step, these of its conventions had to be matched:

- Order of a step. Ours: flow, arrivals, threshold, reset, on_post. The default schedule of brian2 puts
  thresholds before synapses; here it is groups, synapses, thresholds, resets.
- Delays. A spike is queued when the synapses are next visited, which is now the step after it: a delay d
  is d - dt in brian2, for every synapse by itself. Sources fire before the synapses of the same step, and keep d.
- Refractoriness. brian2 counts from the step of the spike: t_ref + dt in brian2 holds v for t_ref.
- STDP. The post pathway acts at "resets", in the step of the spike; by default it would be a step late.
- What acts at the end of every interval. Clocks of brian2 tick at its beginning, the first at 0; so we call it.
- Short-term plasticity. Here every synapse has a copy of its neuron's resources, used when the spike arrives: the
  same numbers, since the time between two spikes is that between their arrivals. What modulates release is therefore
  written down at the start of each step, and given to a synapse a delay later.
- Direct current is a spike in every step, over weights multiplied by the values.
- Arrivals are summed in another order, and exponentials taken of other products: results agree to rounding.

References: Stimberg M, Brette R, Goodman DFM (2019), eLife 8:e47314, doi:10.7554/eLife.47314.
"""

import re
import time
from typing import Any

import brian2 as b2
import numpy as np

from neuro.backends import brian_units
from neuro.backends.job import Job, is_direct
from neuro.events import Events, bin_times
from neuro.network import Network, PoissonSource, Population, Projection, Source, Synapses
from neuro.plasticity import interval_steps
from neuro.record import Counts, Record

SCHEDULE = ["start", "groups", "synapses", "thresholds", "resets", "end"]


def unsupported(net: Network, plastic: bool) -> list[str]:
    """Reasons, in words, why this backend cannot run a network."""
    reasons = []
    for population in net.populations:
        if isinstance(population.model, PoissonSource):
            reasons.append(
                f"population {population.name!r} is a Poisson source, for which brian2 draws numbers of its own"
            )
        elif not population.is_source and not getattr(population.model, "EQUATIONS", ""):
            reasons.append(f"the model of population {population.name!r} has no EQUATIONS")
    if net.drives:
        reasons.append("it has Poisson drives, for which brian2 draws numbers of its own")
    for projection in net.projections:
        where, pre = f"projection {projection.name!r}", net.population(projection.pre).model
        if pre.graded:
            reasons.append(f"{where} sends graded values, and this backend sends spikes")
        elif not isinstance(pre, Source) and net.delay_steps(projection) == 0:
            reasons.append(f"{where} has no delay, and brian2 delivers a spike in the next step at the earliest")
        if plastic and projection.rule is not None and projection.modulator is not None:
            reasons.append(f"{where} has a modulator, which its equations do not know")
        if plastic and projection.rule is not None and not getattr(projection.rule, "EQUATIONS", ""):
            reasons.append(f"the rule of {where} has no EQUATIONS")
    return reasons


def run(job: Job) -> Record:
    """Run a job of one sample."""
    _check(job)
    start, target = time.perf_counter(), b2.prefs.codegen.target
    b2.prefs.codegen.target = "numpy"
    try:
        simulation = _Simulation(job)
        simulation.run()
    finally:
        b2.prefs.codegen.target = target
    spikes = {name: simulation.events(name) for name in job.recorded if job.records(name, "spikes")}
    fields = [(name, field) for name, known in job.recorded.items() for field in known if field != "spikes"]
    traces = {
        f"{name}.{field}": simulation.looks(name) if "->" in name else simulation.trace(name, field)
        for name, field in fields
    }
    n_spikes, n_events = simulation.counts()
    counts = Counts(n_spikes, n_events, wall_s=time.perf_counter() - start)
    return Record(spikes, traces, simulation.final_weights(), counts)


class _Simulation:
    """The brian2 objects of a job, by the names of populations and projections.

    fired: population -> steps and units of its spikes. intervals: projection -> steps between two calls of its
    rule's ON_INTERVAL, and what calls it. released: projection -> what modulates its release, see _start_step. kept:
    projection -> its weights at each look.
    """

    def __init__(self, job: Job):
        self.job, self.dt = job, job.net.dt * b2.ms
        self.clock = b2.Clock(dt=self.dt)
        self.fired = {name: _sent(job, name) for name in job.inputs}
        self.groups = {p.name: self._source(p) if p.name in job.inputs else self._group(p) for p in job.order}
        self.intervals: dict[str, tuple[int, Any]] = {}
        self.released: dict[str, tuple[str, str, np.ndarray, np.ndarray]] = {}
        self.synapses = {p.name: self._synapses(p) for p in job.net.projections}
        self.kept: dict[str, list[np.ndarray]] = {name: [] for name in job.recorded if "->" in name}
        spiking = [p.name for p in job.order if not p.model.graded and p.name not in job.inputs]
        self.spikes = {name: b2.SpikeMonitor(self.groups[name]) for name in spiking}
        self.states = {name: self._monitor(name) for name in job.recorded if "->" not in name}

    def run(self) -> None:
        """Let brian2 simulate, in our order of operations."""
        parts = (self.groups, self.synapses, self.spikes, self.states)
        network = b2.Network([thing for part in parts for thing in part.values() if thing is not None])
        if self.intervals or self.kept:
            network.add(b2.NetworkOperation(self._end_step, clock=self.clock, when="end"))
        if self.released:
            network.add(b2.NetworkOperation(self._start_step, clock=self.clock, when="start"))
        network.schedule = SCHEDULE
        for _, runner in self.intervals.values():
            runner.before_run({})  # brian2 prepares only what its clocks call
        network.run(self.job.n_steps * self.dt, namespace={})
        for name, monitor in self.spikes.items():
            step = np.rint(np.asarray(monitor.t) / float(self.dt)).astype(np.int64)
            self.fired[name] = step, np.array(monitor.i, np.int32)
        for name, state in self.job.initial.items():
            for field in state._fields:
                if field in self.groups[name].variables and not np.isfinite(self._values(name, field)).all():
                    raise FloatingPointError(f"{field} of population {name!r} is not finite; lower the weights or dt")

    def _start_step(self) -> None:
        """Write down what modulates release, and give each synapse what was written when the spike was sent."""
        step = self._step()
        for name, (modulator, field, past, delays) in self.released.items():
            past[step] = self._values(modulator, field)[0]
            self.synapses[name].variables["m"].set_value(past[np.maximum(step - delays, 0)])

    def _step(self) -> int:
        return int(self.clock.variables["timestep"].get_value()[0])

    def _end_step(self) -> None:
        """Call what is due at the end of a step, then look at the weights if that is due."""
        done = self._step() + 1
        for every, runner in self.intervals.values():
            if done % every == 0:
                runner.run()
        for name, kept in self.kept.items():
            if done % self.job.weights_every == 0:
                kept.append(self.weights(name))

    def _values(self, name: str, field: str) -> np.ndarray:
        return self.groups[name].variables[field].get_value()

    def _source(self, population: Population) -> Any:
        step, units = self.fired[population.name]
        times = step * self.dt
        return b2.SpikeGeneratorGroup(population.size, units, times, clock=self.clock, when="start", sorted=True)

    def _group(self, population: Population) -> Any:
        name, model = population.name, _model(self.job, population.name)
        parameters, declared = brian_units.parameters(model)
        refractory: Any = "t_ref + dt" if "t_ref" in parameters else False
        threshold, reset = model.THRESHOLD, model.RESET
        if hasattr(model, "CROSSING"):
            threshold, reset = model.CROSSING
            refractory = threshold  # while it holds, brian2 sees no other crossing
        group = b2.NeuronGroup(
            population.size,
            "\n".join([model.EQUATIONS, *(f"{key} : {unit} (constant)" for key, unit in declared.items())]),
            method=model.METHOD,
            threshold=threshold or None,
            reset=reset or None,
            refractory=refractory,
            namespace={key: value for key, value in parameters.items() if key not in declared},
            clock=self.clock,
        )
        for key in declared:
            setattr(group, key, parameters[key])
        for field, value in self.job.initial[name]._asdict().items():
            if field in group.variables:
                setattr(group, field, value * brian_units.unit_of(group, field))
        return group

    def _synapses(self, projection: Projection) -> Any:
        pre, rule = projection.pre, projection.rule if self.job.plastic else None
        sources, targets, w, delays = self._sparse(projection)
        if is_direct(self.job.inputs.get(pre)):
            w = w * np.asarray(self.job.inputs[pre], float)[0, sources]
        if not len(targets):
            return None
        equations, on_pre = ["w : 1"], [self._on_arrival(projection)]
        namespace = dict(self.groups[projection.post].namespace)
        if projection.short_term is not None:
            equations.append(projection.short_term.EQUATIONS)
            on_pre.insert(0, projection.short_term.ON_PRE)
            namespace |= brian_units.short_term_parameters(projection.short_term)
        if rule is not None:
            equations += [f"{name} : 1" for name in rule.Synapse._fields[1:]] + [rule.EQUATIONS]
            on_pre.append(rule.ON_PRE)
            namespace |= brian_units.parameters(rule)[0]
        synapses = b2.Synapses(
            self.groups[pre],
            self.groups[projection.post],
            "\n".join(equations),
            on_pre="\n".join(on_pre),
            on_post=None if rule is None else rule.ON_POST,
            namespace=namespace,
            clock=self.clock,
        )
        synapses.connect(i=sources, j=targets)
        synapses.pre.delay = (delays - (pre not in self.job.inputs)) * self.dt
        synapses.w = w
        if projection.short_term is not None:
            for field, value in projection.short_term.initial()._asdict().items():
                setattr(synapses, field, value)
            field = projection.short_term.MODULATOR
            if field and projection.modulator is not None:
                self.released[projection.name] = projection.modulator, field, np.zeros(self.job.n_steps), delays
        if rule is not None:
            synapses.post.when = "resets"
            self._prepare_interval(projection.name, rule, synapses)
        return synapses

    def _on_arrival(self, projection: Projection) -> str:
        """What an arriving spike does to its target; short-term plasticity multiplies w by what was released."""
        code = _model(self.job, projection.post).ON_ARRIVAL[self.job.net.receptor(projection)]
        return code if projection.short_term is None else re.sub(r"\bw\b", "(w * released)", code)

    def _prepare_interval(self, name: str, rule: Any, synapses: Any) -> None:
        every = interval_steps(rule, self.job.net.dt)
        if every:
            runner = synapses.run_regularly(rule.ON_INTERVAL, clock=self.clock)
            runner.active = False  # see _end_step
            self.intervals[name] = every, runner

    def _sparse(self, projection: Projection) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Presynaptic neuron, postsynaptic neuron, weight, and delay in steps, of each synapse."""
        given, delay = self.job.weights[projection.name], self.job.net.delay_steps(projection)
        if isinstance(given, Synapses):
            delays = np.full(len(given.targets), delay) if given.delays is None else given.delays.astype(np.int64)
            return given.sources, given.targets, np.asarray(given.weights, float), delays
        n_post, n_pre = given.shape
        sources, targets = np.divmod(np.arange(n_pre * n_post), n_post)
        return sources, targets, np.asarray(given, float).T.ravel(), np.full(n_pre * n_post, delay)

    def _monitor(self, name: str) -> Any:
        fields = [field for field in self.job.recorded[name] if field not in ("spikes", "output")]
        if not fields:
            return None
        return b2.StateMonitor(self.groups[name], fields, record=True, when="end", clock=self.clock)

    def events(self, name: str) -> Events:
        step, units = self.fired[name]
        return Events(step * self.job.net.dt, units, np.array([0, len(step)]))

    def trace(self, name: str, field: str) -> np.ndarray:
        """Values [T, B = 1, N] in our units."""
        if field != "output":
            values = getattr(self.states[name], field) / brian_units.unit_of(self.groups[name], field)
            return np.asarray(values).T[:, None, :]
        spikes_TBN = np.zeros((self.job.n_steps, 1, self.job.net.population(name).size))
        step, units = self.fired[name]
        spikes_TBN[step, 0, units] = 1.0
        return spikes_TBN

    def looks(self, name: str) -> np.ndarray:
        """The recorded weights of a projection: [K, synapses], or [K, J, I]."""
        return np.stack(self.kept[name]) if self.kept[name] else np.empty((0, *self.weights(name).shape))

    def weights(self, name: str) -> np.ndarray:
        """The weights of a projection as they are: one a synapse, or w_JI."""
        synapses, given = self.synapses[name], self.job.weights[name]
        start = np.asarray(given.weights if isinstance(given, Synapses) else given)
        if not self.learns(name):
            return start
        w = np.array(synapses.w)
        return (w if isinstance(given, Synapses) else w.reshape(given.shape[::-1]).T).astype(start.dtype)

    def learns(self, name: str) -> bool:
        rule = next(projection.rule for projection in self.job.net.projections if projection.name == name)
        return self.job.plastic and rule is not None and self.synapses[name] is not None

    def final_weights(self) -> dict[str, Any]:
        """The weights at the end, in the form in which they were given."""
        final = dict(self.job.weights)
        for name, given in self.job.weights.items():
            if self.learns(name):
                w = self.weights(name)
                final[name] = given._replace(weights=w) if isinstance(given, Synapses) else w
        return final

    def counts(self) -> tuple[int, int]:
        """Spikes, and synaptic events: spikes of a neuron that arrived before the end, for each of its synapses."""
        n_events = 0
        for projection in self.job.net.projections:
            step, units = self.fired[projection.pre]
            sources, _, _, delays = self._sparse(projection)
            for delay in np.unique(delays):
                fan_out = np.bincount(sources[delays == delay], minlength=units.max(initial=0) + 1)
                n_events += int(fan_out[units[step + delay < self.job.n_steps]].sum())
        return sum(len(self.fired[name][0]) for name in self.spikes), n_events


def _check(job: Job) -> None:
    """Raise ValueError for what brian2 cannot do with this job, though it could run the network."""
    if job.n_samples > 1:
        raise ValueError(f"backend 'brian' runs one sample at a time, got {job.n_samples}; pass them one by one")
    for name, state in job.initial.items():
        model = _model(job, name)
        known = b2.Equations(model.EQUATIONS).diff_eq_names | (set() if model.graded else {"spikes", "output"})
        for field in job.recorded.get(name, []):
            if field not in known:
                raise ValueError(f"cannot record '{name}.{field}': brian2 has no such variable; leave it out")
        for field, value in state._asdict().items():
            if field not in known and np.any(value):
                raise ValueError(f"initial '{name}.{field}': brian2 has no such variable; leave it at 0")


def _model(job: Job, name: str) -> Any:
    """The model of a population that is not a source."""
    return job.net.population(name).model


def _sent(job: Job, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and units of the spikes of a source, each once a step."""
    given, n_units = job.inputs[name], job.net.population(name).size
    if isinstance(given, Events):
        step, units = bin_times(given.times, job.net.dt), given.units
        pairs = np.unique(step * n_units + units)
        pairs = pairs[pairs < job.n_steps * n_units]
        return pairs // n_units, (pairs % n_units).astype(np.int32)
    values = np.asarray(given)
    if values.ndim == 3 and not np.isin(values, (0, 1)).all():
        raise ValueError(f"input {name!r}: a raster for this backend holds 0 and 1 only; use torch_dense")
    step, units = np.nonzero(values[:, 0] if values.ndim == 3 else np.repeat(values, job.n_steps, axis=0))
    return step, units.astype(np.int32)
