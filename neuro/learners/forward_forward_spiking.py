"""Spiking forward-forward: every layer of spiking neurons learns alone to tell true labels from false ones.

    layer k     LIF with delta synapses:  spikes s_k(t) from the drive W_k h_{k-1}(t),  t = 1 .. T
    input       h_0(t) = [image, label], as direct current or as the task's own events
    rate        r_k = (1 / T) sum_t s_k(t),   spikes a step
    above       h_k(t) = s_k(t) / rms(r_k):   a sample's spikes, all scaled alike
    goodness    g_k = mean of r_k^2 over neurons
    loss        loss_k = log(1 + exp(- sharpness (g_k of the true pair - g_k of the false pair)))

1. Each sample makes a true pair with its label and a false one with another label, drawn evenly.
2. A layer runs all T steps on the recorded spikes of the layer below, which are detached.
3. loss_k is differentiated through the layer's own T steps, with a surrogate for the spike's derivative,
   and changes W_k and nothing else. Adam takes a step, at a rate that falls with a cosine.
Inference: one pass with each label; the goodness of all layers is summed and the largest wins.

Axes: T step, P pass (true and false; or one for each label), B sample, C class, I input, J neuron of a layer.
References: ghader2025 (goodness from spike counts, layer by layer), hinton2022, lee2023 (loss), neftci2019
(surrogate gradients), kingma2015 (Adam), loshchilov2017 (cosine).
Deviations: from ghader2025 are the two passes with true and false labels, the goodness from spike counts and
the training of each layer for itself; the loss is SymBa's (paper: one like Swish), the label has C inputs of
its own (paper: it replaces the first C), the task says how many steps there are (paper: 10), and neurons,
scaling between layers, widths and rates are chosen here. The scale of h_k needs a sample's whole run of T
steps, so layers run one after the other.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from neuro.backends import torch_dense
from neuro.backends.job import make_job
from neuro.connectors import Dense
from neuro.events import Events, raster
from neuro.learners.base import Batch, LearnerState, Problem, descend, n_given
from neuro.learners.goodness import LOSSES, Objective, goodness, network_loss
from neuro.learners.layers import check_filled
from neuro.learners.surrogate import SURROGATES, spike_function
from neuro.network import Network, Population, Projection, Source
from neuro.neurons import lif_delta
from neuro.record import Counts
from neuro.units import choice, param, vary


@dataclass(frozen=True)
class ForwardForwardSpiking:
    """A stack of layers of leaky integrate-and-fire neurons, each trained on its own goodness."""

    hidden: tuple[int, ...] = param("1", "neurons of each hidden layer", default=(200, 200), minimum=1)
    label_strength: float = param("1", "input of a given label; pixels reach 1", default=5.0, above=0)
    tau_m: float = param("ms", "membrane time constant", default=20.0, above=0)
    v_th: float = param("mV", "threshold; neurons rest and reset at 0", default=1.0, above=0)
    surrogate: str = choice("derivative of the spike", SURROGATES, default="atan")
    slope: float = param("1", "sharpness of the surrogate", default=2.0, above=0)
    lr: float = param("1", "learning rate at the start (Adam)", default=3e-3, above=0, search=(1e-4, 1e-2))
    loss: str = choice("loss of a layer", LOSSES, default="symba")
    threshold: float = param("1", "goodness that is as likely true as false, if the loss has one", default=0.1, above=0)
    sharpness: float = param("1", "slope of the log-odds over goodness", default=100.0, above=0, search=(10.0, 500.0))
    batch_size: int = param("samples", "samples of one update", default=100, minimum=1)

    uses: ClassVar[frozenset[str]] = frozenset({"labels", "negative_samples", "unrolled_time"})
    source: ClassVar[str] = "ghader2025"

    def init(self, problem: Problem, seed: int) -> LearnerState:
        """Weights drawn from the seed, and the optimiser's state."""
        check_filled(self, "hidden")
        rng = torch.Generator().manual_seed(seed)
        weights, names = {}, []
        for k in range(1, len(self.hidden) + 1):
            sources, size = self._sources(problem, k), self.hidden[k - 1]
            fan_in = sum(sources.values())
            for source, n_pre in sources.items():
                w_JI = torch.randn(size, n_pre, generator=rng) / math.sqrt(fan_in)
                weights[f"{source}->hidden{k}"] = w_JI.requires_grad_()
            names.append(tuple(f"{source}->hidden{k}" for source in sources))
        adam = torch.optim.Adam(weights.values(), lr=self.lr, fused=True)
        memory = {"seen": torch.zeros((), dtype=torch.int64)}
        return LearnerState(problem, weights, {"adam": adam}, rng, tuple(names), memory)

    def update(self, state: LearnerState, batch: Batch) -> dict[str, float]:
        """Learn from one batch, in place; returns its loss."""
        n_classes = state.problem.n_classes
        shift_B = torch.randint(1, n_classes, batch.labels.shape, generator=state.rng)
        labels_PBC = one_hot(torch.stack([batch.labels, (batch.labels + shift_B) % n_classes]), n_classes).float()
        rates, _ = self._run(state, batch.inputs, labels_PBC)
        loss = network_loss(Objective(self.loss, self.sharpness, self.threshold), rates, state.memory)
        descend(state, loss, len(batch.labels))
        return {"loss": loss.item()}

    @torch.no_grad()
    def predict(self, state: LearnerState, inputs: Tensor | Events) -> Tensor:
        """Scores [B, C]; the work done is added to state.counts."""
        n_classes = state.problem.n_classes
        labels_PBC = torch.eye(n_classes)[:, None].expand(-1, n_given(inputs), -1)
        rates, counts = self._run(state, inputs, labels_PBC)
        state.counts += counts
        return torch.stack([goodness(r_PBJ).T for r_PBJ in rates]).sum(0)

    def _run(self, state: LearnerState, inputs: Tensor | Events, labels_PBC: Tensor) -> tuple[list[Tensor], Counts]:
        """Rates [P, B, J] of every layer, and the work done."""
        n_passes, n_samples = labels_PBC.shape[:2]
        sent = {
            "input": _repeated(inputs, state.problem, n_passes),
            "label": self.label_strength * labels_PBC.flatten(0, 1),
        }
        rates, counts = [], Counts()
        for k in range(1, len(self.hidden) + 1):
            weights = {f"{source}->hidden{k}": state.weights[f"{source}->hidden{k}"] for source in sent}
            duration = state.problem.n_steps * state.problem.dt
            job = make_job(self.network(state.problem, k), weights, sent, duration, record=(f"hidden{k}.output",))
            record = torch_dense.run(job, spike_function(self.surrogate, self.slope))
            spikes_TNJ = record.traces[f"hidden{k}.output"]
            rate_NJ = spikes_TNJ.mean(0)
            rates.append(rate_NJ.unflatten(0, (n_passes, n_samples)))
            counts += record.counts
            scale_N = goodness(rate_NJ.detach()).sqrt() + 1e-3  # a silent layer stays silent
            sent = {f"hidden{k}": spikes_TNJ.detach() / scale_N[:, None]}
        return rates, counts

    def network(self, problem: Problem, k: int) -> Network:
        """Layer k with the populations below it as sources; it runs on any backend."""
        cell = vary(lif_delta.NORMALISED, source=self.source, tau_m=self.tau_m, v_th=self.v_th)
        layer = Population(f"hidden{k}", self.hidden[k - 1], cell)
        sources = [Population(name, size, Source()) for name, size in self._sources(problem, k).items()]
        projections = tuple(Projection(source.name, layer.name, Dense()) for source in sources)
        return Network((*sources, layer), projections, problem.dt)

    def _sources(self, problem: Problem, k: int) -> dict[str, int]:
        """What layer k listens to, with its number of units."""
        if k == 1:
            return {"input": problem.n_inputs, "label": problem.n_classes}
        return {f"hidden{k - 1}": self.hidden[k - 2]}


def _repeated(inputs: Tensor | Events, problem: Problem, n_passes: int) -> Tensor:
    """The samples once for each pass: direct current [P B, I], or the raster [T, P B, I] of events."""
    if isinstance(inputs, Events):
        spikes_TBI, _ = raster(inputs, problem.n_inputs, problem.n_steps, problem.dt)
        return torch.from_numpy(spikes_TBI).repeat(1, n_passes, 1)
    return inputs.flatten(1).repeat(n_passes, 1)
