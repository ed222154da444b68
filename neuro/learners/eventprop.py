"""EventProp: the exact gradient of a spiking network in continuous time, from event to event.

    hidden      tau_m dv/dt = -v + r_m i,  tau_syn di/dt = -i;   v reaches v_th:  spike, v <- 0
    arrival     i <- i + w, at once: there are no delays, no steps of time, and as many layers as one likes
    readout     the same without a threshold; the score of a class is the highest v that it reaches    r_m = 1 GOhm
    loss        cross-entropy of the scores
    gradient    a neuron's dL/dv and dL/di go back in time by the same exponentials and jump at its spikes and its
                arrivals (eventprop_kernels.py), which are the adjoint equations of the paper

Spike times depend smoothly on weights, until spikes appear or vanish; there the gradient knows nothing. So a neuron
that never fires does not learn, and weights must be large enough at the start for all to fire. A spike for which v
barely reaches the threshold has a gradient without bound, hence Adam, whose steps are bounded.

Static samples enter as a latency code: the brighter, the earlier. Events enter with their own times.

Axes: B sample, C class, I input, J neuron, M spike.
References: wunderlich2021 (equations, the highest potential as score), kingma2015 (Adam), loshchilov2017 (cosine).
Deviations: initial weights and learning rate were chosen here, on digits' validation split. Where the highest
potential is reached because an arrival ends the rise of v, the time of this arrival has a derivative too.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neuro import encode
from neuro.backends import closed_form
from neuro.events import Events, check_units
from neuro.learners import eventprop_kernels as kernels
from neuro.learners.base import Batch, LearnerState, Problem, follow
from neuro.learners.eventprop_kernels import Peaks, Spikes
from neuro.learners.sparse_bptt_passes import cross_entropy, parts
from neuro.neurons.lif import LIF
from neuro.record import Counts
from neuro.threads import in_threads
from neuro.units import check, param


class Net(NamedTuple):
    """Weights of the layers, readout last, the parameters of all neurons, and how long a sample lasts, ms."""

    weights: list[NDArray]
    p: NDArray
    duration: float


class Passed(NamedTuple):
    """A sample after its way forward: the spikes of the input and of each hidden layer, and the readout's peaks."""

    spikes: list[Spikes]
    peaks: Peaks


@dataclass(frozen=True)
class EventProp:
    """Exact gradients of a feedforward network of LIF neurons with exponential synapses."""

    hidden: tuple[int, ...] = param("1", "neurons in each hidden layer", default=(200,), above=0)
    tau_m: float = param("ms", "membrane time constant of all layers", default=20.0, above=0)
    tau_syn: float = param("ms", "time constant of synaptic currents", default=5.0, above=0)
    v_th: float = param("mV", "threshold of the hidden neurons; they rest and reset at 0", default=1.0, above=0)
    w_sum: float = param("1", "sum of a hidden neuron's initial weights on average, in v_th / r_m", default=20.0)
    w_spread: float = param("1", "deviation of initial weights, in v_th / r_m over the root of inputs", default=3.0,
                            minimum=0)  # fmt: skip
    lr: float = param("1", "learning rate of Adam at the start", default=1e-2, above=0, search=(1e-3, 5e-2))
    batch_size: int = param("samples", "samples a step of learning", default=32, above=0)

    source: ClassVar[str] = "wunderlich2021"
    uses: ClassVar[frozenset[str]] = frozenset(
        {"labels", "global_error", "weight_transport", "unrolled_time", "whole_pass"}
    )

    def init(self, problem: Problem, seed: int) -> LearnerState:
        """Weights drawn from the seed, and the optimiser's state."""
        rng = torch.Generator().manual_seed(seed)
        sizes = [problem.n_inputs, *self.hidden, problem.n_classes]
        names = ["input", *(f"hidden{k}" for k in range(len(self.hidden))), "readout"]
        weights = {}
        for k in range(len(sizes) - 1):
            w_JI = torch.randn((sizes[k + 1], sizes[k]), generator=rng, dtype=torch.float64)
            w_JI *= self.v_th * self.w_spread / sizes[k] ** 0.5
            if k < len(self.hidden):
                w_JI += self.v_th * self.w_sum / sizes[k]
            weights[f"{names[k]}->{names[k + 1]}"] = w_JI.requires_grad_()
        adam = torch.optim.Adam(weights.values(), lr=self.lr, fused=True)
        memory = {"seen": torch.zeros((), dtype=torch.int64)}
        return LearnerState(problem, weights, {"adam": adam}, rng, tuple((name,) for name in weights), memory)

    @torch.no_grad()
    def update(self, state: LearnerState, batch: Batch) -> dict[str, float]:
        """Learn from one batch, in place; returns its loss."""
        found, loss = self.gradients(state, batch.inputs, batch.labels)
        follow(state, found, len(batch.labels))
        return {"loss": loss}

    @torch.no_grad()
    def predict(self, state: LearnerState, inputs: Tensor | Events) -> Tensor:
        """Scores [B, C]; the work done is added to state.counts."""
        net, events = self._net(state), self._events(state.problem, inputs)
        passed = in_threads(lambda b: forward(net, events, b), range(events.n_samples))
        n_spikes = np.sum([[len(s.times_M) for s in one.spikes] for one in passed], axis=0)
        n_events = sum(int(n) * len(w_JI) for n, w_JI in zip(n_spikes, net.weights, strict=True))
        state.counts += Counts(spikes=int(n_spikes[1:].sum()), synaptic_events=n_events)
        return torch.from_numpy(np.stack([one.peaks.v_C for one in passed])).float()

    @torch.no_grad()
    def gradients(
        self, state: LearnerState, inputs: Tensor | Events, labels_B: Tensor
    ) -> tuple[dict[str, Tensor], float]:
        """The gradient of the mean cross-entropy in each weight, and the loss."""
        net, events = self._net(state), self._events(state.problem, inputs)
        labels, n = labels_B.numpy(), len(labels_B)
        learned = in_threads(lambda part: _learn(net, events, labels, part), parts(n))
        found = [np.sum([one[0][k] for one in learned], axis=0) / n for k in range(len(net.weights))]
        tensors = map(torch.from_numpy, found)
        return dict(zip(state.weights, tensors, strict=True)), sum(loss for _, loss in learned) / n

    def neuron(self) -> LIF:
        """The hidden neurons."""
        neuron = LIF(
            tau_m=self.tau_m, tau_syn=self.tau_syn, r_m=1.0, v_rest=0.0, v_th=self.v_th, v_reset=0.0, t_ref=0.0,
            i_ext=0.0, source=self.source,
        )  # fmt: skip
        check(neuron)
        return neuron

    def _net(self, state: LearnerState) -> Net:
        weights = [weight.detach().numpy() for weight in state.weights.values()]
        return Net(weights, closed_form.parameters(self.neuron(), 1), state.problem.n_steps * state.problem.dt)

    def _events(self, problem: Problem, inputs: Tensor | Events) -> Events:
        if isinstance(inputs, Events):
            check_units(inputs, problem.n_inputs)
            return inputs
        return encode.latency(inputs.flatten(1).numpy(), problem.n_steps * problem.dt)


def forward(net: Net, events: Events, sample: int) -> Passed:
    """One sample through the network; events at or after its end are dropped."""
    times, units, _ = events.sample(sample)
    n = int(np.searchsorted(times, net.duration))
    spikes = [Spikes(times[:n], units[:n].astype(np.int64), np.zeros(n))]
    for w_JI in net.weights[:-1]:
        spikes.append(Spikes(*kernels.fire(spikes[-1], w_JI, net.p, net.duration)))
    return Passed(spikes, Peaks(*kernels.find_peaks(spikes[-1], net.weights[-1], net.p, net.duration)))


def backward(net: Net, passed: Passed, error_C: NDArray, gradients: list[NDArray]) -> NDArray:
    """Adds the gradients of a sample, whose scores' are error_C, and returns those of the times of its input."""
    below, peaks, nothing = passed.spikes[-1], passed.peaks, Spikes(np.empty(0), np.empty(0, np.int64), np.empty(0))
    dtimes = kernels.send_back(
        below, net.weights[-1], net.p, nothing, nothing.times_M, peaks.times_C, error_C, gradients[-1]
    )
    is_cut = peaks.arrivals_C >= 0
    np.add.at(dtimes, peaks.arrivals_C[is_cut], (error_C * peaks.slopes_C)[is_cut])
    for k in reversed(range(len(net.weights) - 1)):
        w_JI = net.weights[k]
        ends_J, none_J = np.full(len(w_JI), net.duration), np.zeros(len(w_JI))
        own, below = passed.spikes[k + 1], passed.spikes[k]
        dtimes = kernels.send_back(below, w_JI, net.p, own, dtimes, ends_J, none_J, gradients[k])
    return dtimes


def _learn(net: Net, events: Events, labels_B: NDArray, part: slice) -> tuple[list[NDArray], float]:
    """Sums over the samples of a part: gradients and losses."""
    gradients = [np.zeros_like(w_JI) for w_JI in net.weights]
    passed = [forward(net, events, b) for b in range(part.start, part.stop)]
    loss, error_BC = cross_entropy(np.stack([one.peaks.v_C for one in passed]), labels_B[part])
    for one, error_C in zip(passed, error_BC, strict=True):
        backward(net, one, error_C, gradients)
    return gradients, loss
