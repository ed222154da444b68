"""Learned synaptic delays in a feedforward spiking network: dilated convolutions with learnable spacings.

    input -> [delayed synapses, batch normalisation, LIF, dropout] a hidden layer -> delayed synapses -> integrators

1. A synapse has a weight and a place p, 0 <= p <= D - 1 steps; in learning its spike arrives spread over the delays
   as a Gaussian around p (delay_convolution.py), so that p has a gradient.
2. The Gaussians' width falls exponentially from half the longest delay to 0.5 steps in the first quarter of the budget.
3. The score of a class is the softmax of the integrators' potentials, summed over time. The cross-entropy of scores
   over a temperature is differentiated through time with an arctan surrogate; the reset passes no gradient
   (delay_layers.py).
4. Adam; the rate of weights follows one cycle, up to lr and down to nearly 0, that of places half a cosine to 0.
5. In the last part of the budget places are whole and fixed, and weights alone go on.
6. Answers come from whole delays and folded normalisation (delay_export.py), as a network of neuro that any backend
   runs (`as_network`), with the same bits.

delays: "learned"; "random": the same draw, rounded and fixed; "none": every spike arrives at once.

A unit's spikes in a step are counted (event_counts.py); static samples enter by latency. Where the budget is not known
(sequences of tasks), rates stay at the cycle's first values, and the width is 0.5 steps.

Axes: T step, B sample, I input, J output, C class, D delay.
References: hammouamri2024 (and its code), khalfaoui2023, he2015 (weights at the start), smith2019 (one cycle),
kingma2015 (Adam), fang2021 (surrogate).
Deviations: the code steps v <- v - v / 1.005, a decay of 0.005 in 10 ms, which exp(-dt / tau_m) has at 1.886 ms. It
has two hidden layers of 256, batches of 256, delays up to 240 ms, dropout 0.4, a surrogate of sharpness 5 and a
temperature of 1; it draws places between -13 and 12 around 12 steps, and clips them. It rounds places for its answers
alone, and its fixed random delays are spread over neighbouring steps in learning. Rates change with every batch, not
every epoch. All samples have the same number of steps, and none follow the last.
Defaults were chosen on FSDD's validation split.
"""

import math
import sys
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from neuro import encode
from neuro.events import Events, raster
from neuro.learners import delay_export, delay_layers
from neuro.learners.base import Batch, LearnerState, Problem
from neuro.learners.delay_convolution import bumps, convolve
from neuro.learners.event_counts import counts, one_a_step
from neuro.learners.layers import PRECISIONS
from neuro.network import Network, Synapses
from neuro.neurons import leaky_integrator, lif_delta
from neuro.record import Counts
from neuro.units import choice, decay, param, vary

DELAYS = ("learned", "random", "none")
WIDTH_LAST = 0.5  # steps: 0.23 of the authors' schedule, and 0.27 that their kernel adds to it
WIDTH_WHOLE = 1e-3  # steps: all of a weight lies on one whole delay


@dataclass(frozen=True)
class Delays:
    """Surrogate gradients for weights and delays at once."""

    hidden: tuple[int, ...] = param("1", "neurons in each hidden layer", default=(160, 160, 160), minimum=1)
    delays: str = choice("which delays the synapses have", DELAYS, default="learned")
    longest: float = param("ms", "longest delay, rounded down to steps of the task", default=150.0, minimum=0)
    duration: float = param("ms", "part of a sample that is seen; what comes later is dropped", default=640.0, above=0)
    most: int = param("1", "spikes of a unit in a step that count", default=8, minimum=1)
    tau_m: float = param("ms", "membrane time constant of all layers", default=1.886, above=0)
    v_th: float = param("mV", "threshold of the hidden neurons; they rest and reset at 0", default=1.0, above=0)
    slope: float = param("1", "sharpness of the surrogate", default=2.0, above=0)
    dropout: float = param("1", "share of hidden neurons silenced in a sample", default=0.1, minimum=0, maximum=0.99)
    temperature: float = param("1", "scores are divided by it in the loss", default=5.0, above=0)
    lr: float = param("1", "highest learning rate of weights (Adam)", default=5e-3, above=0, search=(1e-3, 2e-2))
    lr_places: float = param("1", "learning rate of places at the start (Adam)", default=0.1, above=0)
    whole_from: float = param("1", "part of the budget after which delays are whole and fixed", default=0.7, minimum=0)
    weight_decay: float = param("1", "of weights, added to their gradient", default=1e-5, minimum=0)
    precision: str = choice("type in which products of convolutions are formed", PRECISIONS, default="bfloat16")
    batch_size: int = param("samples", "samples a step of learning", default=64, minimum=2)

    source: ClassVar[str] = "hammouamri2024"
    uses: ClassVar[frozenset[str]] = frozenset(
        {"labels", "global_error", "weight_transport", "unrolled_time", "whole_pass"}
    )

    def init(self, problem: Problem, seed: int) -> LearnerState:
        """Weights and places drawn from the seed, and the optimisers' state."""
        rng = torch.Generator().manual_seed(seed)
        sizes = [problem.n_inputs, *self.hidden, problem.n_classes]
        weights, memory = {}, {"seen": torch.zeros((), dtype=torch.int64)}
        for k, (n_in, n_out) in enumerate(zip(sizes, sizes[1:], strict=False)):
            bound = math.sqrt(6.0 / n_in)  # he2015, as the authors draw them
            weights[f"layer_{k}"] = torch.empty(n_out, n_in).uniform_(-bound, bound, generator=rng).requires_grad_()
            places_JI = torch.rand(n_out, n_in, generator=rng) * (self._n_delays(problem) - 1)
            if self.delays == "learned":
                weights[f"places_{k}"] = places_JI.requires_grad_()
            else:
                memory[f"places_{k}"] = places_JI.round()
            if k < len(self.hidden):
                weights[f"gain_{k}"] = torch.ones(n_out, requires_grad=True)
                weights[f"shift_{k}"] = torch.zeros(n_out, requires_grad=True)
                memory |= {f"mean_{k}": torch.zeros(n_out), f"var_{k}": torch.ones(n_out)}
        layers = tuple(
            tuple(name for name in weights if name.endswith(f"_{k}")) for k in range(len(sizes) - 1)
        )  # a layer's matrix comes first
        return LearnerState(problem, weights, self._optimisers(weights), rng, layers, memory)

    def update(self, state: LearnerState, batch: Batch) -> dict[str, float]:
        """Learn from one batch, in place; returns its loss and the width of the Gaussians."""
        width = self._set_rates(state)
        z_TBI = self._counted(state.problem, batch.inputs)
        scores_BC = self._learning_scores(state, z_TBI, width)
        loss = torch.nn.functional.cross_entropy(scores_BC / self.temperature, batch.labels)
        for optimiser in state.optimisers.values():
            optimiser.zero_grad()
        loss.backward()
        for optimiser in state.optimisers.values():
            optimiser.step()
        state.memory["seen"] = state.memory["seen"] + len(batch.labels)
        if self.delays == "learned":
            with torch.no_grad():
                for k in range(len(self.hidden) + 1):
                    state.weights[f"places_{k}"].clamp_(0.0, self._n_delays(state.problem) - 1)
        return {"loss": loss.item(), "width": width}

    @torch.no_grad()
    def predict(self, state: LearnerState, inputs: Tensor | Events) -> Tensor:
        """Scores [B, C]; the work done is added to state.counts."""
        problem = state.problem
        layers = self._folded(state)
        cells, readout = self._cells(problem, layers)
        spikes_TBI, _ = raster(
            self.entering(problem, inputs), self.most * problem.n_inputs, self.n_steps(problem), problem.dt
        )
        spikes_BTI = np.ascontiguousarray(spikes_TBI.transpose(1, 0, 2)) > 0
        found = delay_export.potentials(layers, cells, readout, problem.dt, spikes_BTI)
        state.counts += Counts(found.n_spikes, found.n_events)
        return delay_layers.summed_shares(torch.from_numpy(found.v_TBC)).float()

    def as_network(self, state: LearnerState) -> tuple[Network, dict[str, Synapses]]:
        """The network that answers, and its weights.

        Its input takes what `entering` makes of samples; `summed_shares` of its "readout.output" are the scores.
        """
        layers = self._folded(state)
        return delay_export.network(layers, *self._cells(state.problem, layers), state.problem.dt)

    def entering(self, problem: Problem, inputs: Tensor | Events) -> Events:
        """Samples as the network that answers takes them: each unit is `most` units, of one spike a step each."""
        return one_a_step(self._events(problem, inputs), problem.n_inputs, problem.dt, self.most)

    def n_steps(self, problem: Problem) -> int:
        """Steps of a sample that are seen. ValueError where `duration` is less than one."""
        n_steps = int(self.duration / problem.dt + 1e-6)
        if n_steps < 1:
            raise ValueError(f"duration = {self.duration} ms is less than a step, {problem.dt} ms; give at least that")
        return min(n_steps, problem.n_steps)

    def _learning_scores(self, state: LearnerState, z_TBI: Tensor, width: float) -> Tensor:
        membrane = delay_layers.Membrane(float(decay(state.problem.dt, self.tau_m)), self.v_th, self.slope)
        for k in range(len(self.hidden)):
            x_TBJ = delay_layers.normalised(self._arrivals(state, k, z_TBI, width), *self._normalisation(state, k))
            z_TBI = delay_layers.dropped(delay_layers.spikes(x_TBJ, membrane), self.dropout, state.rng)
        x_TBC = self._arrivals(state, len(self.hidden), z_TBI, width)
        return delay_layers.summed_shares(delay_layers.integrated(x_TBC, membrane.decay))

    def _arrivals(self, state: LearnerState, k: int, z_TBI: Tensor, width: float) -> Tensor:
        spread_DJI = bumps(self._places(state, k), width, self._n_delays(state.problem))
        return convolve(z_TBI, state.weights[f"layer_{k}"] * spread_DJI, PRECISIONS[self.precision])

    def _set_rates(self, state: LearnerState) -> float:
        """Set the rates of the next step, and round places once they are whole; returns the Gaussians' width."""
        is_known = state.problem.samples < sys.maxsize
        part = min(state.memory["seen"].item() / state.problem.samples, 1.0) if is_known else 0.0
        for group in state.optimisers["weights"].param_groups:
            group["lr"] = self.lr * one_cycle(part)
        if self.delays != "learned":
            return WIDTH_WHOLE
        if part >= self.whole_from:
            state.optimisers["places"].param_groups[0]["lr"] = 0.0
            for k in range(len(self.hidden) + 1):
                self._places(state, k).detach().round_()
            return WIDTH_WHOLE
        state.optimisers["places"].param_groups[0]["lr"] = self.lr_places * 0.5 * (1.0 + math.cos(math.pi * part))
        first = max((self._n_delays(state.problem) - 1) / 2, WIDTH_LAST)
        return first * (WIDTH_LAST / first) ** min(4.0 * part, 1.0) if is_known else WIDTH_LAST

    def _optimisers(self, weights: dict[str, Tensor]) -> dict[str, torch.optim.Optimizer]:
        """Adam for weights and normalisation, which does not shrink, and for places."""
        matrices = [w for name, w in weights.items() if name.startswith("layer")]
        others = [w for name, w in weights.items() if name.startswith(("gain", "shift"))]
        groups = [{"params": matrices, "weight_decay": self.weight_decay}, {"params": others}]
        optimisers: dict[str, torch.optim.Optimizer] = {"weights": torch.optim.Adam(groups, lr=self.lr, fused=True)}
        if self.delays == "learned":
            places = [w for name, w in weights.items() if name.startswith("places")]
            optimisers["places"] = torch.optim.Adam(places, lr=self.lr_places, fused=True)
        return optimisers

    def _n_delays(self, problem: Problem) -> int:
        """Delays from 0 to the longest, which no sample outlasts."""
        if self.delays == "none":
            return 1
        return min(int(self.longest / problem.dt + 1e-6), self.n_steps(problem) - 1) + 1

    def _counted(self, problem: Problem, inputs: Tensor | Events) -> Tensor:
        """How often each unit fires in each step of the part that is seen [T, B, I]."""
        events = self._events(problem, inputs)
        return torch.from_numpy(counts(events, problem.n_inputs, self.n_steps(problem), problem.dt, self.most))

    def _events(self, problem: Problem, inputs: Tensor | Events) -> Events:
        """Static samples enter by latency."""
        if isinstance(inputs, Events):
            return inputs
        return encode.latency(inputs.flatten(1).numpy(), self.n_steps(problem) * problem.dt)

    def _places(self, state: LearnerState, k: int) -> Tensor:
        return (state.weights if self.delays == "learned" else state.memory)[f"places_{k}"]

    def _normalisation(self, state: LearnerState, k: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Gain, shift, running mean and running variance."""
        weights, memory = state.weights, state.memory
        return weights[f"gain_{k}"], weights[f"shift_{k}"], memory[f"mean_{k}"], memory[f"var_{k}"]

    def _folded(self, state: LearnerState) -> list[delay_export.Folded]:
        last = len(self.hidden)
        layers = [
            delay_export.folded(
                state.weights[f"layer_{k}"],
                self._places(state, k),
                self._normalisation(state, k) if k < last else None,
            )
            for k in range(last + 1)
        ]
        return [delay_export.repeated(layers[0], self.most), *layers[1:]]

    def _cells(
        self, problem: Problem, layers: list[delay_export.Folded]
    ) -> tuple[list[lif_delta.LIFDelta], leaky_integrator.LeakyIntegrator]:
        """The neurons of every hidden layer, with the currents of their normalisation, and the readout's."""
        shrink = 1.0 - decay(problem.dt, self.tau_m)
        same = {"source": self.source, "tau_m": self.tau_m}
        cells = [
            vary(lif_delta.NORMALISED, **same, v_th=self.v_th, i_ext=layer.shift_J / shrink)
            for layer in layers
            if layer.shift_J is not None
        ]
        return cells, vary(leaky_integrator.NORMALISED, **same)


def one_cycle(part: float) -> float:
    """Share of the highest rate after a part of the budget: 1/25 to 1 in the first 0.3, then to 1/250,000 (cosines)."""
    first, top, last = 0.04, 1.0, 4e-6
    if part < 0.3:
        return top + (first - top) * 0.5 * (1.0 + math.cos(math.pi * part / 0.3))
    return last + (top - last) * 0.5 * (1.0 + math.cos(math.pi * (part - 0.3) / 0.7))
