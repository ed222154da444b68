"""Liquid state machine: a recurrent spiking network that is not trained by the task, and a linear readout of it.

    image    p_i = input_rate x_i / sum(x): in each ms input neuron i is driven to fire with probability p_i
    liquid   see liquid.py; spikes for `duration` ms; x_j: spikes of neuron j, or sum over them exp(-(T - t) / tau)
    readout  softmax(w x + b), fitted to all (x, label) so far, see readout.py

1. Plasticity, if there is any, prepares the liquid without labels: `snapshots` samples of the first batch, each for
   `snapshot` ms (of events: anywhere in the sample), one after another; neurons begin anew at each, weights and the
   traces of the rules go on.
2. Each sample is shown to the liquid, which for plasticity "stdp" and "astrocyte" goes on to change while it
   looks, from the same weights for every sample, at rates that fall by 1 % a ms.
3. x is stored. The readout is fitted whenever a fifth more samples are stored than last time, and after the last one.
   The end of a sequence of tasks is not known: there a task may be over before the readout has learned from it.

Plasticity "astrocyte" is NALSM: the rate of depression is A, which integrates the liquid's spikes minus the input's,
    A <- A + (w_astrocyte (liquid spikes - input spikes) + 0.15 - A) / 100  each ms
which keeps the liquid as active as its input. "none", "stdp" and "ap-stdp" are the publication's baselines.
Events enter as they are, for all steps of the problem.

Axes: B sample, I input, N neuron of the liquid, C class.
References: maass2002 (liquids), ivanov2021 (NALSM, its baselines, all numbers).
Deviations: images for step 1 come from the first batch (publication: 50,000 images, once each), so that all have the
same budget. Traces begin at 0 in step 2 (publication: as the last sample left them). input_rate is that of MNIST's
training set (publication: such that the largest p is 1, in the training set and in the test set alike). The readout's
labels are not smoothed (publication: Adadelta, and of 5,000 epochs the best in validation). See also cuba_lif.py.
"""

import warnings
import zlib
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neuro import encode
from neuro.backends.session import Session
from neuro.events import Events
from neuro.learners import readout
from neuro.learners.base import Batch, LearnerState, Problem, n_given
from neuro.learners.liquid import PLASTIC, PLASTICITIES, TYPES, Liquid, Plasticity, Rules, unslowed
from neuro.network import Network
from neuro.neurons.leaky_integrator import NALSM_ASTROCYTE
from neuro.record import Counts, Record
from neuro.seeds import child
from neuro.units import choice, param

DT = 1.0  # ms
T_REF = 2.0  # ms, of input neurons, which are those of the liquid
DEAD_HZ, SATURATED = 0.1, 0.9  # rate below which a liquid is dead; share of the largest rate above which it is full
REFIT = 1.2  # the readout is fitted when so many times more samples are stored
FEATURES = {"counts": torch.uint8, "filtered": torch.float16}
SNAPSHOTS_AT_ONCE = 500


@dataclass(frozen=True)
class LiquidStateMachine:
    """A liquid, plastic or not, and a linear readout."""

    shape: tuple[int, int, int] = param("1", "of the lattice of neurons", default=(10, 10, 10), minimum=1)
    plasticity: str = choice("what prepares and changes the liquid", PLASTICITIES, default="none")
    weight: float = param("1", "of all synapses at first; 0: the plasticity's own", default=0.0, minimum=0)
    w_astrocyte: float = param("1", "influence of a spike on the astrocyte", default=0.015, minimum=0)
    p_input: float = param("1", "share of all inputs that reach a neuron", default=0.15, minimum=0, maximum=1)
    length: float = param("1", "distance at which connectivity falls to 1 / e, in neurons", default=3.0, above=0)
    c_ee: float = param("1", "connectivity at distance 0, excitatory to excitatory", default=0.2, minimum=0, maximum=1)
    c_ei: float = param("1", "the same, excitatory to inhibitory", default=0.1, minimum=0, maximum=1)
    c_ie: float = param("1", "the same, inhibitory to excitatory", default=0.3, minimum=0, maximum=1)
    c_ii: float = param("1", "the same, inhibitory to inhibitory", default=0.05, minimum=0, maximum=1)
    input_rate: float = param("1", "spikes that drive all inputs in a ms", default=19.945, above=0)
    duration: float = param("ms", "for which an image is shown", default=250.0, above=0)
    snapshots: int = param("1", "images that prepare a plastic liquid", default=50_000, minimum=0)
    snapshot: float = param("ms", "for which each of these is shown", default=20.0, above=0)
    features: str = choice("what the readout sees", FEATURES, default="counts")
    tau: float = param("ms", "time constant of filtered features", default=50.0, above=0)
    l2: float = param("1", "penalty on squared weights of the readout", default=3e-3, minimum=0, search=(1e-4, 1e-1))
    stored: int = param("samples", "whose features are kept; the oldest make room", default=60_000, above=0)
    batch_size: int = param("samples", "shown at once", default=500, above=0)

    source: ClassVar[str] = "ivanov2021"
    uses: ClassVar[frozenset[str]] = frozenset({"labels"})  # in the readout alone

    def init(self, problem: Problem, seed: int) -> LearnerState:
        """The readout, and a plastic liquid's weights as they are at first; all is drawn from the seed."""
        n, n_stored = int(np.prod(self.shape)), min(self.stored, problem.samples)
        weights = {"readout": torch.zeros(problem.n_classes, n), "bias": torch.zeros(problem.n_classes)}
        memory = {
            "seed": torch.tensor(seed),
            "seen": torch.zeros((), dtype=torch.int64),
            "fitted": torch.zeros((), dtype=torch.int64),
            "rare_macs": torch.zeros((), dtype=torch.int64),
            "features": torch.zeros(n_stored, n, dtype=FEATURES[self.features]),
            "labels": torch.zeros(n_stored, dtype=torch.uint8),
        }
        state = LearnerState(problem, weights, {}, torch.Generator(), (("readout", "bias"),), memory)
        if self._plasticity.rules is not None:
            _, begin = self.network(state, self._plasticity.rules)
            state.weights |= {name: torch.from_numpy(begin[name].weights) for name in PLASTIC}
        return state

    def update(self, state: LearnerState, batch: Batch) -> dict[str, float]:
        """Prepare the liquid if this is the first batch, store features of the batch, and fit the readout if due."""
        memory = state.memory
        seen = int(memory["seen"])
        if seen == 0 and self._plasticity.rules is not None:
            self._prepare(state, batch.inputs)
        features, record = self.respond(state, batch.inputs, seen + np.arange(len(batch.labels)) + 1)
        place = (seen + torch.arange(len(batch.labels))) % len(memory["labels"])
        memory["features"][place], memory["labels"][place] = features, batch.labels.to(torch.uint8)
        memory["seen"] = memory["seen"] + len(batch.labels)
        state.learning += record.counts
        measured = self._activity(record.counts, len(batch.labels) * self._duration(state, batch.inputs), state)
        if self._is_due(state):
            n = min(int(memory["seen"]), len(memory["labels"]))
            labels = memory["labels"][:n].long()
            fit = readout.fit(state.weights["readout"], state.weights["bias"], memory["features"][:n], labels, self.l2)
            measured["loss"] = fit.loss
            memory["fitted"], memory["rare_macs"] = memory["seen"].clone(), memory["rare_macs"] + fit.macs
        return measured

    @torch.no_grad()
    def predict(self, state: LearnerState, inputs: Tensor | Events) -> Tensor:
        """Scores [B, C]; the work done is added to state.counts."""
        features, record = self.respond(state, inputs, np.zeros(n_given(inputs), np.int64))
        # A spike of the liquid adds its weights to the scores: so counted, and no matrix product of torch.
        n_spikes = sum(len(record.spikes[name].units) for name in TYPES)
        state.counts += record.counts + Counts(synaptic_events=n_spikes * state.problem.n_classes)
        weight_CN, bias_C = state.weights["readout"].numpy(), state.weights["bias"].numpy()
        return torch.from_numpy(features.float().numpy() @ weight_CN.T + bias_C)

    def liquid(self, problem: Problem, seed: int) -> Liquid:
        """The liquid of a seed."""
        c = {(pre, post): getattr(self, f"c_{pre[0]}{post[0]}") for pre in TYPES for post in TYPES}
        return Liquid(self.shape, problem.n_inputs, self.p_input, c, self.length, DT, seed)

    @property
    def _plasticity(self) -> Plasticity:
        return PLASTICITIES[self.plasticity]

    def _is_due(self, state: LearnerState) -> bool:
        seen, fitted, last = int(state.memory["seen"]), int(state.memory["fitted"]), state.problem.samples
        return seen >= REFIT * fitted or fitted < last <= seen

    def network(self, state: LearnerState, rules: Rules | None) -> tuple[Network, dict[str, Any]]:
        """The liquid of a state with some rules, and its weights as they are at first."""
        liquid, plasticity = self.liquid(state.problem, int(state.memory["seed"])), self._plasticity
        net = liquid.network(rules, NALSM_ASTROCYTE if rules is not None and plasticity.has_astrocyte else None)
        w_astrocyte = self.w_astrocyte / NALSM_ASTROCYTE.tau_m
        return net, liquid.weights(net, self.weight or plasticity.weight, w_astrocyte)

    def _session(self, state: LearnerState, kind: str, rules: Rules | None, **options: Any) -> Session:
        """The compiled liquid with the weights of the state; it is made once for each kind."""
        key = f"{kind} {int(state.memory['seed'])}"
        if key not in state.scratch:
            net, weights = self.network(state, rules)
            keep = _traces(net) if kind == "preparing" else ()
            state.scratch[key] = Session(net, weights, plastic=rules is not None, seed=0, keep=keep, **options)
        session = state.scratch[key]
        for name in PLASTIC:
            if name in state.weights:
                session.weights[name][:] = state.weights[name].numpy()
        return session

    def _prepare(self, state: LearnerState, inputs: Tensor | Events) -> None:
        """Let plasticity change the liquid while it sees snapshots."""
        plasticity, seed = self._plasticity, int(state.memory["seed"])
        assert plasticity.rules is not None
        session = self._session(state, "preparing", unslowed(plasticity.rules), duration=self.snapshot)
        rng = child(seed, "snapshots")
        for first in range(0, self.snapshots, SNAPSHOTS_AT_ONCE):
            n = min(SNAPSHOTS_AT_ONCE, self.snapshots - first)
            numbers = first + np.arange(n)
            shown = self.encoded(inputs, rng.integers(n_given(inputs), size=n), numbers, seed)
            if isinstance(inputs, Events):
                latest = self._duration(state, inputs) - self.snapshot
                shown = _windows(shown, rng.uniform(0.0, max(latest, 0.0), n), self.snapshot)
            session.present({"input": shown})
        for name in PLASTIC:
            state.weights[name].copy_(torch.from_numpy(session.weights[name]))

    def respond(self, state: LearnerState, inputs: Tensor | Events, numbers_B: NDArray) -> tuple[Tensor, Record]:
        """What the readout sees of samples, [B, N], and the record of the liquid.

        numbers_B: which showing of a sample it is; the same number gives the same spikes of the input.
        """
        plasticity, problem = self._plasticity, state.problem
        is_events = isinstance(inputs, Events)
        duration = self._duration(state, inputs)
        session = self._session(
            state,
            "events" if is_events else "images",
            plasticity.rules if plasticity.is_lasting else None,
            duration=duration,
            record=tuple(f"{name}.spikes" for name in TYPES),
            independent=True,
            threads=torch.get_num_threads(),
        )
        rows = np.arange(n_given(inputs))
        record = session.present({"input": self.encoded(inputs, rows, numbers_B, int(state.memory["seed"]))})
        columns = []
        for name, size in self.liquid(problem, 0).sizes.items():
            events = record.spikes[name]
            weights = np.exp((events.times - duration) / self.tau) if self.features == "filtered" else None
            columns.append(
                np.bincount(events.samples * size + events.units, weights, len(rows) * size).reshape(len(rows), size)
            )
        features, kind = torch.from_numpy(np.concatenate(columns, axis=1)), FEATURES[self.features]
        return (features.clamp(max=255) if kind == torch.uint8 else features).to(kind), record

    def encoded(self, inputs: Tensor | Events, rows: NDArray, numbers: NDArray, seed: int) -> Events:
        """The events of some samples: as they are, or images in rate code."""
        if isinstance(inputs, Events):
            return inputs.take(rows)
        values_BI = inputs.flatten(1).numpy().astype(float)[rows]
        total = np.maximum(values_BI.sum(1, keepdims=True), np.finfo(float).tiny)
        probability_BI = np.minimum(self.input_rate * DT * values_BI / total, 1.0)
        seeds_B = np.array([_seed(seed, row, int(k)) for row, k in zip(values_BI, numbers, strict=True)], np.uint64)
        return encode.refractory_rate(probability_BI, round(self.duration / DT), DT, seeds_B, T_REF)

    def _duration(self, state: LearnerState, inputs: Tensor | Events) -> float:
        """For which a sample is shown, ms."""
        return state.problem.n_steps * state.problem.dt if isinstance(inputs, Events) else self.duration

    def _activity(self, counts: Counts, time: float, state: LearnerState) -> dict[str, float]:
        """Mean rate of the liquid's neurons in some time (ms), Hz, and the share that is silent in all samples stored.

        ValueError if the liquid dies out; a warning if it saturates.
        """
        rate = 1000.0 * counts.spikes / (int(np.prod(self.shape)) * time)
        silent = float((state.memory["features"].amax(0) == 0).float().mean())
        at_most = 1000.0 / (T_REF + DT)
        if rate < DEAD_HZ:
            raise ValueError(
                f"the liquid fires at {rate:.3f} Hz, and {100 * silent:.0f} % of its neurons never: there is nothing to"
                f" read; raise weight (now {self.weight or self._plasticity.weight:g}), p_input ({self.p_input:g}) or"
                f" input_rate ({self.input_rate:g})"
            )
        if rate > SATURATED * at_most:
            warnings.warn(
                f"the liquid fires at {rate:.0f} Hz, of at most {at_most:.0f}: all samples look alike to the readout;"
                " lower weight, or let an astrocyte hold it (plasticity='astrocyte')",
                stacklevel=2,
            )
        return {"rate_hz": rate, "silent": silent}


def _traces(net: Network) -> tuple[str, ...]:
    """All traces of a plastic liquid."""
    return tuple(
        f"{projection.name}.{field}"
        for projection in net.projections
        if projection.rule is not None
        for field in (*projection.rule.PreTraces._fields, *projection.rule.PostTraces._fields)
    )


def _windows(events: Events, starts_B: NDArray, length: float) -> Events:
    """The events of each sample in a window of some length (ms), from a start of its own."""
    sample = events.samples
    times = events.times - starts_B[sample]
    kept = (times >= 0.0) & (times < length)
    return Events(times[kept], events.units[kept], np.searchsorted(sample[kept], np.arange(events.n_samples + 1)))


def _seed(seed: int, row: NDArray, number: int) -> np.uint64:
    """Of a sample's spikes: from what it is, not from where it stands."""
    words = np.random.SeedSequence([seed, zlib.crc32(row.tobytes()), number])
    return words.generate_state(1, np.uint64)[0]
