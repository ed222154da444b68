"""Unsupervised learning of digits by STDP: neurons that inhibit each other, with thresholds that adapt.

    input     a pixel of value p fires in each step with probability p rate dt, for `duration`
    neuron    lif_adaptive_threshold: v jumps by w at an input spike; theta rises by theta_plus at each own spike
    rivals    a neuron that fires takes `inhibition` off v of all others, a step later: the winner goes on firing
    weights   post_stdp: at an own spike, w <- w + lr (x - x_target) (w_max - w), x the trace of the input
    after     a sample, the weights of each neuron that fired are scaled to the sum `total`
    names     a neuron has the class for which it fired most, on average over the last `memory` samples
    answer    the class whose neurons fire most, on average

So the winner comes to resemble what it won, and theta makes it share: who wins often is harder to excite. Labels do
nothing but name neurons. To answer, weights and thresholds stay as they are. Samples begin with the network at rest,
but for the thresholds.

Trouble with batches, and what is done here, stands in winner_take_all.py. `update` returns what shows that learning
fails: the mean rate over the last `memory` samples, and the share of neurons that have not fired in them.

Axes: B sample, C class, I input, J neuron.
References: diehl2015 (architecture, adaptive threshold, rule of eq. 2, names and answer).
Deviations: synapses are jumps of v (paper: conductances), rivals inhibit each other directly (paper: through as many
inhibitory neurons); samples of 250 ms with dt = 1 ms, without the rest between them (paper: 350 ms and 150 ms of rest,
dt 0.5 ms); samples that evoke few spikes are not shown again at higher rates; names come from the responses during
learning (paper: from another pass). theta_plus is 0.2 mV (paper's program: 0.05), so that thresholds find their level
within one pass; chosen on validation images, as were lr and x_target. theta_plus times tau_theta has to grow with the
number of neurons, since each fires less often. total and inhibition are those of BindsNET's examples.
"""

import functools
import math
import warnings
import zlib
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot

from neuro import poisson
from neuro.events import Events
from neuro.learners.base import Batch, LearnerState, Problem, flat
from neuro.learners.winner_take_all import DT, ENGINES, WinnerTakeAll, encoded, learn, normalise, respond
from neuro.neurons import lif_adaptive_threshold
from neuro.plasticity import post_stdp
from neuro.record import Counts
from neuro.units import choice, param, steps, vary

FEW = 0.5  # share of samples without a spike that is reported


@dataclass(frozen=True)
class STDPWinnerTakeAll:
    """One layer of spiking neurons, winner take all, that learns by STDP without labels."""

    hidden: int = param("1", "neurons", default=400, minimum=2)
    batch_size: int = param("1", "samples learned from at once; 1: one after the other", default=1, above=0)
    engine: str = choice(
        "batched: fast; event: the event backend, one sample after the other", ENGINES, default="batched"
    )
    duration: float = param("ms", "a sample is shown for", default=250.0, above=0)
    rate: float = param("Hz", "rate of an input of value 1", default=63.75, above=0, maximum=1000, search=(30.0, 200.0))
    inhibition: float = param(
        "mV", "jump of v of all rivals at a spike", default=120.0, minimum=0, search=(20.0, 500.0)
    )
    theta_plus: float = param("mV", "rise of the threshold at a spike", default=0.2, minimum=0, search=(0.05, 2.0))
    tau_theta: float = param("ms", "time constant of the threshold's decay", default=1e7, above=0)
    lr: float = param(
        "1", "change of a weight at a spike, relative to w_max", default=0.02, above=0, search=(2e-3, 0.1)
    )
    x_target: float = param(
        "1", "trace of an input at which its weight stays", default=0.1, minimum=0, search=(0.01, 0.5)
    )
    total: float = param("mV", "sum of a neuron's weights", default=78.4, above=0, search=(20.0, 300.0))
    peak: float = param("1", "largest weight, relative to the mean of all", default=10.0, above=1)
    memory: float = param("samples", "over which responses are remembered for names", default=10_000, above=0)

    source: ClassVar[str] = "diehl2015"
    uses: ClassVar[frozenset[str]] = frozenset({"labels"})

    def init(self, problem: Problem, seed: int) -> LearnerState:
        """Weights drawn evenly from 0 to twice their mean, no names, thresholds 0."""
        rng = torch.Generator().manual_seed(seed)
        w_IJ = torch.rand((problem.n_inputs, self.hidden), generator=rng, dtype=torch.float64)
        normalise(w_IJ.numpy(), np.arange(self.hidden), self.layer(problem))
        responses_JC = torch.zeros((self.hidden, problem.n_classes), dtype=torch.float64)
        weights = {"input": w_IJ.T, "responses": responses_JC}
        memory = {"theta": torch.zeros(self.hidden, dtype=torch.float64)}
        memory["shown"] = torch.zeros(problem.n_classes, dtype=torch.float64)
        return LearnerState(problem, weights, {}, rng, (("input",),), memory)

    @functools.lru_cache(maxsize=8)  # noqa: B019 - a learner is a value; checking its numbers takes as long as a sample
    def layer(self, problem: Problem) -> WinnerTakeAll:
        """The layer of a problem. float64, since a threshold of 100 mV loses 1e-5 mV a step."""
        neuron = vary(
            lif_adaptive_threshold.DIEHL_COOK, source=self.source, theta_plus=self.theta_plus, tau_theta=self.tau_theta
        )
        w_max = self.peak * self.total / problem.n_inputs
        rule = vary(
            post_stdp.DIEHL_COOK, source=self.source, a_plus=self.lr, a_minus=0.0, x_target=self.x_target, w_max=w_max
        )
        return WinnerTakeAll(neuron, rule, -self.inhibition, steps(self.duration, DT, "duration"), self.total)

    @torch.no_grad()
    def update(self, state: LearnerState, batch: Batch) -> dict[str, float]:
        """Learn from one batch, in place; returns the mean rate and the share of silent neurons of late."""
        seed = int(torch.randint(2**31, (1,), generator=state.rng))
        layer, values_BI = self.layer(state.problem), flat(batch.inputs).numpy()
        samples = encoded(values_BI, [poisson.key(seed, "sample", b) for b in range(len(values_BI))], self.rate, layer)
        counts_BJ, n_events = learn(layer, self.engine, *_arrays(state), samples)
        state.learning += Counts(spikes=int(counts_BJ.sum()), synaptic_events=n_events)
        labels_BC = one_hot(batch.labels, state.problem.n_classes).double()
        kept = math.exp(-len(labels_BC) / self.memory)
        state.weights["responses"].mul_(kept).addmm_(torch.from_numpy(counts_BJ).double().T, labels_BC)
        state.memory["shown"].mul_(kept).add_(labels_BC.sum(0))
        spikes_J, n_samples = state.weights["responses"].sum(1), state.memory["shown"].sum()
        return {
            "rate_hz": float(spikes_J.mean() / n_samples) / self.duration * 1000.0,
            "silent_neurons": float((spikes_J < math.exp(-1.0)).double().mean()),
        }

    @torch.no_grad()
    def predict(self, state: LearnerState, inputs: Tensor | Events) -> Tensor:
        """Scores [B, C], mean spikes of the neurons of each class; the work done is added to state.counts.

        Warns where half of the samples or more make no neuron fire, since their scores are all 0.
        """
        layer, values_BI = self.layer(state.problem), flat(inputs).numpy()
        seed = state.rng.initial_seed() & poisson.MASK
        samples = encoded(values_BI, [zlib.crc32(row.tobytes(), seed) for row in values_BI], self.rate, layer)
        counts_BJ, n_events = respond(layer, self.engine, *_arrays(state), samples)
        state.counts += Counts(spikes=int(counts_BJ.sum()), synaptic_events=n_events)
        n_mute = int((counts_BJ.sum(1) == 0).sum())
        if n_mute >= FEW * len(counts_BJ):
            warnings.warn(
                f"{n_mute} of {len(counts_BJ)} samples make no neuron fire, so that nothing is known of them;"
                " raise rate, duration or total, or lower theta_plus",
                stacklevel=2,
            )
        return torch.from_numpy(counts_BJ @ voters(state).numpy())


def voters(state: LearnerState) -> Tensor:
    """The weight of each neuron's vote [J, C]: 1 over the number of neurons of its class, 0 without a name."""
    mean_JC = state.weights["responses"] / state.memory["shown"].clamp(min=1e-9)
    named_JC = one_hot(mean_JC.argmax(1), state.problem.n_classes) * (mean_JC.sum(1, keepdim=True) > 0)
    return named_JC / named_JC.sum(0).clamp(min=1.0).double()


def _arrays(state: LearnerState) -> tuple[NDArray, NDArray]:
    """Weights w_IJ and thresholds, which lie where those of the state lie."""
    return state.weights["input"].T.numpy(), state.memory["theta"].numpy()
