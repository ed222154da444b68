"""Backpropagation through time of the network of bptt.py, at the cost of its spikes; on the CPU.

The gradient is that of bptt.py, computed as in Perez-Nieves & Goodman (2021):

1. Forward, a spike adds a row of weights; lists of spikes are kept, no rasters.
2. Backward, the error of a spike is computed where the surrogate's derivative is not 0 ("active" neurons).
   Surrogates of compact support, triangle and rectangle, leave little to do, and nothing out. Of the others,
   derivatives up to `prune` are taken for 0; with the default of 0, nothing is left out and little is saved.
3. The gradient of a weight is summed over the spikes of its input.
4. The readout is linear: its mean over time is a weighted count of spikes, and so is the gradient of its weights.
5. A few samples at a time go forward and backward, before others begin; so memory does not grow with the batch.

Direct current is not sparse: it is multiplied once, and so are its errors, summed over time.

Axes: B sample, S sample of a group, T step, I input, J neuron, C class.
References: pereznieves2021 (sparsity of the backward pass), neftci2019, eshraghian2023, kingma2015, loshchilov2017.
Deviations: the neuron, its reset and its readout are bptt.py's, not the paper's. The default surrogate is a triangle of
support |v - v_th| < 1 mV (bptt.py: atan): the narrower it is, the less is computed, but where neurons of a higher layer
are silent at the start, a narrow one finds nothing to begin with. float32 sums have another order than in bptt.py.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neuro.events import Events
from neuro.learners import sparse_bptt_kernels as kernels
from neuro.learners.base import Batch, LearnerState, Problem, follow
from neuro.learners.bptt import BPTT
from neuro.learners.layers import check_filled
from neuro.learners.sparse_bptt_passes import Net, forward, given_inputs, groups, learn, parts
from neuro.learners.spiking_input import encoded
from neuro.learners.surrogate import SURROGATES
from neuro.record import Counts
from neuro.threads import in_threads
from neuro.units import choice, decay, param


@dataclass(frozen=True)
class SparseBPTT(BPTT):
    """Surrogate-gradient training of a feedforward spiking network, at the cost of its spikes."""

    surrogate: str = choice("derivative of the spike", SURROGATES, default="triangle")
    slope: float = param("1", "sharpness of the surrogate", default=1.0, above=0)
    prune: float = param("1", "derivatives of the spike up to this are taken for 0", default=0.0, minimum=0)

    source: ClassVar[str] = "pereznieves2021"

    def init(self, problem: Problem, seed: int) -> LearnerState:
        """As BPTT. ValueError if there is no hidden layer."""
        check_filled(self, "hidden")
        return super().init(problem, seed)

    @torch.no_grad()
    def update(self, state: LearnerState, batch: Batch) -> dict[str, float]:
        """Learn from one batch, in place; returns its loss and the share of neurons and steps with a derivative."""
        seed = int(torch.randint(2**62, (1,), generator=state.rng))
        inputs = encoded(batch.inputs, state.problem, self.code, np.random.default_rng(seed))
        found, measured = self.gradients(state.problem, state.weights, inputs, batch.labels)
        follow(state, found, len(batch.labels))
        return measured

    @torch.no_grad()
    def predict(self, state: LearnerState, inputs: Tensor | Events) -> Tensor:
        """Scores [B, C]; the work done is added to state.counts."""
        given = encoded(inputs, state.problem, self.code, np.random.default_rng(state.rng.initial_seed()))
        net, lowest = self._net(state.problem, state.weights), given_inputs(state.weights, given)

        def score(group: slice) -> tuple[NDArray, list[int]]:
            passed = forward(net, lowest, group)
            return passed.counts_SJ @ net.readout_CJ.T, [int(s.offsets_SQ[:, -1].sum()) for s in passed.below]

        scores, counts = zip(*in_threads(score, groups(slice(0, len(lowest.drive_BJ)))), strict=True)
        n_in, *n_spikes = np.sum(counts, axis=0)
        if isinstance(given, Tensor):
            n_in = int(given.count_nonzero()) * state.problem.n_steps
        sizes = [*self.hidden, state.problem.n_classes]
        events = sum(int(n) * size for n, size in zip([n_in, *n_spikes], sizes, strict=True))
        state.counts += Counts(spikes=int(sum(n_spikes)), synaptic_events=events)
        return torch.from_numpy(np.concatenate(scores))

    @torch.no_grad()
    def gradients(
        self, problem: Problem, weights: dict[str, Tensor], inputs: Tensor | Events, labels_B: Tensor
    ) -> tuple[dict[str, Tensor], dict[str, float]]:
        """The gradient of the mean cross-entropy in each weight, and what was measured on the way."""
        net, given = self._net(problem, weights), given_inputs(weights, inputs)
        labels, n = labels_B.numpy(), len(labels_B)
        learned = in_threads(lambda part: learn(net, given, labels, part), parts(n))
        layers = [np.sum([part.layers[k] for part in learned], axis=0) for k in range(len(net.weights))]
        found = [torch.from_numpy(gradient_IJ.T / n) for gradient_IJ in layers]
        if isinstance(inputs, Tensor):  # `learn` left the errors of the drive in its place
            found[0] = torch.from_numpy(given.drive_BJ).T @ inputs.to(found[0]) / n
        found.append(torch.from_numpy(np.sum([part.readout_CJ for part in learned], axis=0) / n))
        places = n * problem.n_steps * sum(self.hidden)
        measured = {"loss": sum(p.loss for p in learned) / n, "active": sum(p.active for p in learned) / places}
        return dict(zip(weights, found, strict=True)), measured

    def _net(self, problem: Problem, weights: dict[str, Tensor]) -> Net:
        *layers, readout = (weight.detach().numpy() for weight in weights.values())
        p, number = float(decay(problem.dt, self.tau_m)), readout.dtype.type
        share_T = (1.0 - p ** np.arange(problem.n_steps, 0, -1)) / ((1.0 - p) * problem.n_steps)
        cell = kernels.cell(number, p, self.v_th, self.surrogate, self.slope, self.prune)
        return Net([np.ascontiguousarray(w_JI.T) for w_JI in layers], readout, cell, share_T.astype(number), problem.dt)
