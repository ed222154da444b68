"""E-prop: a recurrent spiking layer learns online from eligibility traces and a learning signal.

    hidden     v_j^t = a v_j^{t-1} + sum_i W_ji x_i^t + sum_i R_ji z_i^{t-1}
               v_j^t >= v_th:  z_j^t = 1, v_j^t <- 0;   else z_j^t = 0
    readout    y_k^t = a y_k^{t-1} + sum_j O_kj z_j^t                               a = exp(-dt / tau_m)
    error      d_k^t = dE / dy_k^t,  E the cross-entropy of mean_t y^t, or the mean over t of that of y^t
    trace      x'_i^t = a x'_i^{t-1} + x_i^t  (z' likewise)                         a synapse's past input
    eligible   e_ji^t = psi_j^t x'_i^t,  psi_j = the surrogate derivative of z_j at v_j - v_th         eq. 22 f.
    signal     L_j^t = sum_k B_jk d_k^t,  B = O^T (symmetric), fixed (random), or learned as O is (adaptive)
    update     dW_ji = sum_t L_j^t sum_{s <= t} a^{t-s} e_ji^s,  dO_kj = sum_t d_k^t sum_{s <= t} a^{t-s} z_j^s

No state is differentiated through time, and nothing is kept of past steps but traces. Of a batch, the sum over s
and t is taken in the other order: with f_k^s = sum_{t >= s} a^{t-s} d_k^t, which is known once the output is,
    dW_ji = sum_s (psi_j^s sum_k B_jk f_k^s) x'_i^s,
a matrix product over samples in each step. Hence the batch is run twice, first for d, then for the sum, and no
array of the shape samples x synapses exists. With constant input x' is x times a number: one product in all. Only
error "steps" keeps something of each step, its outputs: T x C numbers a sample.

Axes: T step, B sample, C class, I input, J hidden neuron (post), K hidden neuron (pre).
References: bellec2020 (method), neftci2019 (surrogates), kingma2015 (Adam), loshchilov2017 (cosine).
Deviations: the neuron is lif_delta, which resets to 0 (paper: v_th is subtracted; both resets count as jumps of
given size, through which no gradient passes) and is never refractory (paper: 2 to 5 ms). One time constant for
neurons and readout, which has no bias. No regularisation of firing rates. psi lacks the factor 0.3, which Adam undoes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear, one_hot

from neuro.events import Events
from neuro.learners.base import Batch, LearnerState, Problem, follow
from neuro.learners.layers import uniform
from neuro.learners.spiking_input import CODES, as_current, encoded
from neuro.learners.surrogate import SURROGATES
from neuro.neurons import lif_delta
from neuro.record import Counts
from neuro.units import choice, param, vary

FEEDBACK = ("symmetric", "random", "adaptive")


class Step(NamedTuple):
    """One step of the hidden layer: what arrived, the potential before the reset, the spikes before and after."""

    x_BI: Tensor
    before_BK: Tensor
    v_BJ: Tensor
    z_BJ: Tensor


@dataclass(frozen=True)
class EProp:
    """One layer of leaky integrate-and-fire neurons, recurrent or not, and a leaky readout."""

    hidden: int = param("1", "neurons of the hidden layer", default=256, minimum=1)
    recurrent: bool = param("1", "whether hidden neurons send to each other, one step later", default=True)
    tau_m: float = param("ms", "membrane time constant of neurons and readout", default=20.0, above=0)
    v_th: float = param("mV", "threshold of the neurons; they rest and reset at 0", default=1.0, above=0)
    code: str = choice("how static inputs enter", CODES, default="direct")
    feedback: str = choice("how the learning signal reaches the neurons", FEEDBACK, default="random")
    error: str = choice("whose cross-entropy: of the mean output, or of each step's", ("mean", "steps"), default="mean")
    surrogate: str = choice("derivative of the spike", SURROGATES, default="triangle")
    slope: float = param("1", "sharpness of the surrogate", default=1.0, above=0)
    lr: float = param("1", "learning rate of Adam at the start", default=1e-3, above=0, search=(1e-4, 1e-2))
    decay: float = param("1", "weight decay of O and B, as in AdamW; adaptive feedback only", default=1e-2, minimum=0)
    batch_size: int = param("samples", "samples a step of learning", default=128, minimum=1)

    source: ClassVar[str] = "bellec2020"

    @property
    def uses(self) -> frozenset[str]:
        """Symmetric feedback is the transposed readout; the error of each step needs the outputs of all."""
        uses = {"labels", "global_error", "whole_pass"}
        uses |= {"weight_transport"} if self.feedback == "symmetric" else set()
        uses |= {"unrolled_time"} if self.error == "steps" else set()
        return frozenset(uses)

    def init(self, problem: Problem, seed: int) -> LearnerState:
        """Weights and feedback drawn from the seed, and the optimiser's state."""
        rng = torch.Generator().manual_seed(seed)
        weights = {"input": uniform((self.hidden, problem.n_inputs), rng)}
        if self.recurrent:
            weights["recurrent"] = uniform((self.hidden, self.hidden), rng)
            weights["recurrent"].detach().fill_diagonal_(0.0)  # no neuron sends to itself
        read = {"readout": uniform((problem.n_classes, self.hidden), rng)}
        memory = {"seen": torch.zeros((), dtype=torch.int64)}
        layers = (tuple(weights), ("readout",))
        if self.feedback == "adaptive":
            read["feedback"] = uniform((problem.n_classes, self.hidden), rng)
        if self.feedback == "random":
            memory["feedback"] = uniform((problem.n_classes, self.hidden), rng).detach()
        decay = self.decay if self.feedback == "adaptive" else 0.0
        groups = [{"params": [*weights.values()]}, {"params": [*read.values()], "weight_decay": decay}]
        adam = torch.optim.AdamW(groups, lr=self.lr, weight_decay=0.0, fused=True)
        return LearnerState(problem, weights | read, {"adam": adam}, rng, layers, memory)

    @torch.no_grad()
    def update(self, state: LearnerState, batch: Batch) -> dict[str, float]:
        """Learn from one batch, in place; returns its loss."""
        seed = int(torch.randint(2**62, (1,), generator=state.rng))
        current = self._current(state, batch.inputs, np.random.default_rng(seed))
        found, loss = self.gradients(state, current, batch.labels)
        follow(state, found, len(batch.labels))
        return {"loss": loss}

    @torch.no_grad()
    def predict(self, state: LearnerState, inputs: Tensor | Events) -> Tensor:
        """Scores [B, C], the mean output; the work done is added to state.counts."""
        current = self._current(state, inputs, np.random.default_rng(state.rng.initial_seed()))
        scores_BC, spikes, last = torch.zeros(()), 0, 0
        for step, y_BC in self._outputs(state, current):
            scores_BC = scores_BC + y_BC / state.problem.n_steps
            last = int(step.z_BJ.sum())
            spikes += last
        arrived = int(current.count_nonzero()) * (state.problem.n_steps if current.ndim == 2 else 1)
        sent_on = (spikes - last) * (self.hidden - 1) * self.recurrent  # the last step's spikes are still under way
        events = arrived * self.hidden + sent_on + spikes * state.problem.n_classes
        state.counts += Counts(spikes=spikes, synaptic_events=events)
        return scores_BC

    @torch.no_grad()
    def gradients(self, state: LearnerState, current: Tensor, labels_B: Tensor) -> tuple[dict[str, Tensor], float]:
        """The update of each weight before Adam, averaged over the batch, and the loss."""
        later_error, loss = self._later_errors(state, current, labels_B)
        feedback_CJ = (state.memory | state.weights)["readout" if self.feedback == "symmetric" else "feedback"]
        derivative, decay = SURROGATES[self.surrogate].derivative, self._decay(state.problem)
        found = {name: torch.zeros_like(weight) for name, weight in state.weights.items()}
        is_constant = current.ndim == 2
        signals_BJ = torch.zeros(len(labels_B), self.hidden).to(current)  # of constant input: summed over steps
        trace_of_one, trace_BI, trace_BK = 0.0, torch.zeros(()).to(current), torch.zeros_like(signals_BJ)
        for t, step in enumerate(self._steps(state, current)):
            error_BC = later_error(t)
            signal_BJ = (error_BC @ feedback_CJ) * derivative(step.v_BJ - self.v_th, self.slope)
            found["readout"].addmm_(error_BC.T, step.z_BJ)
            if is_constant:
                trace_of_one = decay * trace_of_one + 1.0
                signals_BJ.add_(signal_BJ, alpha=trace_of_one)
            else:
                trace_BI = decay * trace_BI + step.x_BI
                found["input"].addmm_(signal_BJ.T, trace_BI)
            if self.recurrent:
                trace_BK = decay * trace_BK + step.before_BK
                found["recurrent"].addmm_(signal_BJ.T, trace_BK)
        if is_constant:
            found["input"] = signals_BJ.T @ current
        if self.recurrent:
            found["recurrent"].fill_diagonal_(0.0)
        if self.feedback == "adaptive":
            found["feedback"] = found["readout"].clone()
        return found, loss

    def _later_errors(
        self, state: LearnerState, current: Tensor, labels_B: Tensor
    ) -> tuple[Callable[[int], Tensor], float]:
        """f^s, the error that a spike of step s makes in all steps to come, as a function of s; and the loss."""
        n_steps, decay = state.problem.n_steps, self._decay(state.problem)
        labels_BC = one_hot(labels_B, state.problem.n_classes).to(current)
        share = 1.0 / (n_steps * len(labels_B))
        outputs = (y_BC for _, y_BC in self._outputs(state, current))
        if self.error == "mean":
            mean_BC = sum(outputs, torch.zeros_like(labels_BC)) / n_steps
            error_BC = (mean_BC.softmax(1) - labels_BC) * share
            left_T = (1.0 - decay ** np.arange(n_steps, 0, -1)) / (1.0 - decay)
            return lambda s: error_BC * left_T[s], cross_entropy(mean_BC, labels_B).item()
        outputs_TBC = torch.stack([*outputs])
        later_TBC = (outputs_TBC.softmax(2) - labels_BC) * share
        for s in range(n_steps - 2, -1, -1):
            later_TBC[s] += decay * later_TBC[s + 1]
        losses = -(outputs_TBC.log_softmax(2) * labels_BC).sum(2)
        return lambda s: later_TBC[s], losses.mean().item()

    def _outputs(self, state: LearnerState, current: Tensor) -> Iterator[tuple[Step, Tensor]]:
        """Each step of the hidden layer and the readout's potentials y_BC after it."""
        decay, y_BC = self._decay(state.problem), torch.zeros(()).to(current)
        for step in self._steps(state, current):
            y_BC = decay * y_BC + linear(step.z_BJ, state.weights["readout"])
            yield step, y_BC

    def _steps(self, state: LearnerState, current: Tensor) -> Iterator[Step]:
        """The hidden layer from rest, step by step; lif_delta's dynamics, written out."""
        decay, is_constant = self._decay(state.problem), current.ndim == 2
        drive_BJ = linear(current, state.weights["input"]) if is_constant else torch.zeros(())
        v_BJ = z_BJ = torch.zeros(current.shape[-2], self.hidden).to(current)
        for t in range(state.problem.n_steps):
            x_BI = current if is_constant else current[t]
            before_BK = z_BJ
            v_BJ = decay * v_BJ * (1.0 - before_BK)  # the reset of the step before
            v_BJ += drive_BJ if is_constant else linear(x_BI, state.weights["input"])
            if self.recurrent and t > 0:
                v_BJ.addmm_(before_BK, state.weights["recurrent"].T)
            z_BJ = (v_BJ >= self.v_th).to(v_BJ)
            yield Step(x_BI, before_BK, v_BJ, z_BJ)

    def _current(self, state: LearnerState, inputs: Tensor | Events, rng: np.random.Generator) -> Tensor:
        return as_current(encoded(inputs, state.problem, self.code, rng), state.problem, state.weights["input"])

    def _decay(self, problem: Problem) -> float:
        cell = vary(lif_delta.NORMALISED, source=self.source, tau_m=self.tau_m, v_th=self.v_th)
        return float(cell.coefficients(problem.dt).p_vv)
