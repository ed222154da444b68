"""A network that is shown one sample after another, without being set up anew for each: on the event backend.

    session = Session(net, weights, duration=250.0, plastic=True, record=("exc.spikes",), keep=("exc.theta",))
    for batch in batches:
        record = session.present({"input": batch})
        normalise(session.weights["input->exc"])

At each sample neurons, traces and spikes on their way begin anew, but for what `keep` names; plastic weights go on.
With independent=True weights begin anew too: each sample meets the weights as they were given, its changes are
forgotten after it, and several threads take samples in turn. Same seed, same bits, for any number of threads.
"""

import queue
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from neuro.backends.event import Recorded, Simulation, joined, one_sample, unsupported
from neuro.backends.job import Job, check_inputs, make_job
from neuro.events import Events
from neuro.network import Network, Source
from neuro.progress import Progress
from neuro.record import Counts, Record
from neuro.units import unknown

NOTHING = Events(np.empty(0), np.empty(0, np.int32), np.zeros(2, np.int64))


class Session:
    """See the module. duration: ms, of each sample. weights, record, initial, seed: as in `simulate`.

    keep: "population.field" of a state (an adaptive threshold, say) or "projection.trace" of its rule, that go on
        from sample to sample. independent, threads: as above; several threads need independent.

    self.weights: live arrays, in the order and shape in which they were given (post x pre for Dense). What is written
        to them holds from the next sample on; the samples of an independent session do not change them. Where the
        synapses of a projection have different delays, they are read-only copies, new after each `present`.
    self.n_presented: samples shown so far; the seed and this number give the Poisson spikes of a sample.

    Raises ValueError where `simulate` would, and for names in `keep` that do not exist.
    """

    def __init__(
        self,
        net: Network,
        weights: Mapping[str, Any],
        *,
        duration: float,
        plastic: bool = False,
        record: tuple[str, ...] = (),
        initial: Mapping[str, Any] | None = None,
        keep: tuple[str, ...] = (),
        seed: int = 0,
        independent: bool = False,
        threads: int = 1,
    ):
        sources = {population.name: NOTHING for population in net.populations if isinstance(population.model, Source)}
        self.job = make_job(net, weights, sources, duration, plastic, record, initial, seed)
        self.independent, self.n_presented = independent, 0
        reasons = unsupported(net, plastic)
        if reasons:
            raise ValueError(f"a session cannot run this network: {'; '.join(reasons)}")
        if not isinstance(threads, int) or threads < 1:
            raise ValueError(f"threads = {threads!r} must be a positive whole number")
        if independent and keep:
            raise ValueError(f"keep = {keep}: independent samples leave nothing behind; give independent=False")
        if threads > 1 and not independent:
            raise ValueError(f"threads = {threads}: samples that follow each other take one thread; use threads=1")
        kept = _checked(keep, self.job)
        self._simulations = [Simulation(self.job, kept, live=True) for _ in range(threads)]
        stored, arrays = self._stored(self._simulations[0]), self._simulations[0].arrays
        self._begin = [w.copy() for w in stored] if independent else stored
        self.weights = {name: arrays.live_weights(k, self._begin[k]) for k, name in enumerate(arrays.rows)}

    def present(self, inputs: Mapping[str, Events]) -> Record:
        """Show samples, in order. inputs: source -> Events of as many samples.

        Returns the Record of these samples; its weights are the live ones. Counts.wall_s includes compiling.
        """
        n_samples, start = check_inputs(self.job.net, inputs), time.perf_counter()
        for name, given in inputs.items():
            if not isinstance(given, Events):
                raise ValueError(f"input {name!r}: a session takes Events; encode values first (neuro.encode)")
        before = self._work()
        free: queue.SimpleQueue[Simulation] = queue.SimpleQueue()
        for simulation in self._simulations:
            free.put(simulation)

        def show(index: int) -> Recorded:
            simulation = free.get()
            try:
                if self.independent:
                    self._begin_anew(simulation)
                return simulation.sample(self.n_presented + index, one_sample(inputs, index))
            finally:
                free.put(simulation)

        with (
            Progress("presenting", n_samples, "samples") as progress,
            ThreadPoolExecutor(len(self._simulations)) as pool,
        ):
            alone = len(self._simulations) == 1  # then on this thread, which an interrupt stops at once
            samples = []
            for sample in (map if alone else pool.map)(show, range(n_samples)):
                samples.append(sample)
                progress.update(len(samples))
        self.n_presented += n_samples
        self._refresh()
        n_spikes, n_events = self._work() - before
        counts = Counts(int(n_spikes), int(n_events), wall_s=time.perf_counter() - start)
        return Record(*joined(samples), self.weights, counts)

    def _refresh(self) -> None:
        """Copy the weights of which `weights` has no view, because they are stored in another order."""
        arrays = self._simulations[0].arrays
        for k, (name, rows) in enumerate(arrays.rows.items()):
            if rows.order is not None:
                self.weights[name] = arrays.live_weights(k, self._begin[k])

    def _stored(self, simulation: Simulation) -> list[np.ndarray]:
        """The weights of a simulation in the order in which it holds them."""
        return [simulation.arrays.shared[f"w{k}"] for k in range(len(self.job.net.projections))]

    def _begin_anew(self, simulation: Simulation) -> None:
        """Give a simulation the session's weights, and fresh synapses."""
        for k, (w, begin) in enumerate(zip(self._stored(simulation), self._begin, strict=True)):
            rule: Any = self.job.net.projections[k].rule
            w[:] = begin
            if self.job.plastic and rule is not None:
                for field in rule.Synapse._fields[1:]:
                    simulation.arrays.shared[f"s{k}_{field}"][:] = 0

    def _work(self) -> np.ndarray:
        """Spikes and synaptic events so far."""
        return np.sum([simulation.arrays.counts.sum(0)[:2] for simulation in self._simulations], axis=0)


def _checked(keep: tuple[str, ...], job: Job) -> frozenset[str]:
    known = [f"{name}.{field}" for name, state in job.initial.items() for field in state._fields]
    for projection in job.net.projections:
        if projection.rule is not None and job.plastic:
            fields = projection.rule.PreTraces._fields + projection.rule.PostTraces._fields
            known += [f"{projection.name}.{field}" for field in fields]
    for name in keep:
        if name not in known:
            raise ValueError(unknown("what to keep", name, known))
    return frozenset(keep)
