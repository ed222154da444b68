"""Backpropagation through time in spiking layers that are recurrent, adaptive or heterogeneous.

    v_j[t] = p_j v_j[t-1] + sum_i W_ji x_i[t] + sum_k R_jk z_k[t-1]          k != j: no neuron sends to itself
    z_j[t] = [v_j[t] >= v_th + theta_j[t]],   v_j <- 0 where z_j[t] = 1
    theta_j[t] = exp(-dt / tau_a) (theta_j[t-1] + beta z_j[t-1])             neuron "alif"; "lif": theta = 0
    p_j = exp(-dt / tau_j)

1. Input, readout, scores, loss, surrogate and Adam are those of bptt.py; without any of these options it is the same
   learner. Gradients pass through spikes to other neurons and to thresholds, and not through the reset.
2. Time constants tau_j are tau_m, or drawn from a gamma distribution of mean tau_m (tau_shape), and may be learned
   (learn_tau; time_constants.py).
3. Dropout: in learning, some neurons of each sample send nothing in all its steps, the others more in return.

Axes: B sample, C class, I input, J hidden neuron (post), K hidden neuron of the same layer (pre).
References: bellec2018 (recurrence without self-connections, one step of delay; adaptive thresholds), cramer2020
(recurrence on spoken digits), pereznieves2021b (gamma distribution, learned time constants), srivastava2014 (dropout),
neftci2019, eshraghian2023, kingma2015, loshchilov2017 (as in bptt.py).
Deviations: all neurons of "alif" adapt (bellec2018: 100 of 220), a spike resets v to 0 (v_th is subtracted), none is
refractory (5 ms). In cramer2020 and pereznieves2021b neurons send to themselves too. Of time constants only those of
hidden membranes differ; pereznieves2021b have synaptic currents, whose effect on a membrane is scaled by 1 - p_j.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear

from neuro.backends import torch_dense
from neuro.backends.job import make_job
from neuro.connectors import Dense, FixedProbability
from neuro.events import Events
from neuro.learners.base import Batch, LearnerState, Problem, descend, n_given
from neuro.learners.layers import uniform
from neuro.learners.spiking_input import CODES, encoded
from neuro.learners.surrogate import SURROGATES, spike_function
from neuro.learners.time_constants import drawn, tau_at
from neuro.network import Network, Population, Projection, Source, Synapses
from neuro.neurons import leaky_integrator, lif_adaptive_threshold, lif_delta
from neuro.record import Record
from neuro.units import choice, param, vary

NEURONS = ("lif", "alif")


@dataclass(frozen=True)
class RecurrentBPTT:
    """Surrogate-gradient training of spiking layers, recurrent or not, with neurons of one kind or heterogeneous."""

    hidden: tuple[int, ...] = param("1", "neurons in each hidden layer", default=(512,), above=0)
    recurrent: bool = param("1", "whether the neurons of a layer send to each other, one step later", default=True)
    neuron: str = choice(
        "hidden neurons: leaky integrate-and-fire, or with adaptive thresholds", NEURONS, default="lif"
    )
    tau_m: float = param("ms", "membrane time constant, or the mean of those drawn", default=20.0, above=0)
    tau_shape: float = param(
        "1", "shape of the gamma distribution of hidden time constants (3 in the source); 0: all are tau_m",
        default=0.0, minimum=0,
    )  # fmt: skip
    learn_tau: bool = param("1", "whether time constants of hidden neurons are learned, one a neuron", default=False)
    tau_a: float = param("ms", "time constant of adaptive thresholds", default=700.0, above=0)
    beta: float = param("mV", "rise of an adaptive threshold at a spike", default=0.257, minimum=0)
    v_th: float = param("mV", "threshold of neurons that have not fired for long", default=1.0, above=0)
    dropout: float = param("1", "share of hidden neurons silenced in a sample", default=0.0, minimum=0, maximum=0.99)
    code: str = choice("how static inputs enter", CODES, default="direct")
    surrogate: str = choice("derivative of the spike", SURROGATES, default="atan")
    slope: float = param("1", "sharpness of the surrogate", default=2.0, above=0)
    lr: float = param("1", "learning rate of Adam at the start", default=1e-3, above=0, search=(1e-4, 1e-2))
    batch_size: int = param("samples", "samples a step of learning", default=128, minimum=1)

    source: ClassVar[str] = "bellec2018"
    uses: ClassVar[frozenset[str]] = frozenset(
        {"labels", "global_error", "weight_transport", "unrolled_time", "whole_pass"}
    )

    def init(self, problem: Problem, seed: int) -> LearnerState:
        """Weights and time constants drawn from the seed, and the optimiser's state."""
        rng = torch.Generator().manual_seed(seed)
        sizes = [problem.n_inputs, *self.hidden, problem.n_classes]
        names = self._names()
        weights = {
            f"{pre}->{post}": uniform((n_post, n_pre), rng)
            for pre, post, n_pre, n_post in zip(names, names[1:], sizes, sizes[1:], strict=False)
        }
        memory = {"seen": torch.zeros((), dtype=torch.int64)}
        for name, size in zip(names[1:-1], self.hidden, strict=True):
            if self.recurrent:
                weights[f"{name}->{name}"] = uniform((size, size), rng)
                weights[f"{name}->{name}"].detach().fill_diagonal_(0.0)  # no neuron sends to itself
            if self.tau_shape or self.learn_tau:
                place_J = drawn(self.tau_m, self.tau_shape, size, problem.dt, rng).requires_grad_(self.learn_tau)
                (weights if self.learn_tau else memory)[f"{name}.tau_place"] = place_J
        optimiser = torch.optim.Adam(weights.values(), lr=self.lr, fused=True)
        layers = tuple(
            tuple(name for name in weights if name.endswith(f"->{post}") or name.startswith(f"{post}."))
            for post in names[1:]
        )
        return LearnerState(problem, weights, {"adam": optimiser}, rng, layers, memory)

    def update(self, state: LearnerState, batch: Batch) -> dict[str, float]:
        """Learn from one batch, in place; returns its loss."""
        seed = int(torch.randint(2**62, (1,), generator=state.rng))
        columns = self._dropped(n_given(batch.inputs), state.rng) if self.dropout else None
        scores_BC, _ = self._run(state, batch.inputs, np.random.default_rng(seed), columns)
        loss = torch.nn.functional.cross_entropy(scores_BC, batch.labels)
        descend(state, loss, len(batch.labels))
        return {"loss": loss.item()}

    @torch.no_grad()
    def predict(self, state: LearnerState, inputs: Tensor | Events) -> Tensor:
        """Scores [B, C]; the work done is added to state.counts."""
        scores_BC, record = self._run(state, inputs, np.random.default_rng(state.rng.initial_seed()))
        state.counts += record.counts
        return scores_BC

    @torch.no_grad()
    def as_network(self, state: LearnerState) -> tuple[Network, dict[str, Any]]:
        """The network that answers, which any backend runs, and its weights. Scores are means of "readout.output"."""
        return self._network(state, lambda tensor: tensor.double().numpy())

    def _run(
        self, state: LearnerState, inputs: Any, rng: np.random.Generator, columns: Any = None
    ) -> tuple[Tensor, Record]:
        problem = state.problem
        net, weights = self._network(state, lambda tensor: tensor)
        given = {"input": encoded(inputs, problem, self.code, rng)}
        job = make_job(net, weights, given, problem.n_steps * problem.dt, record=("readout.output",))
        record = torch_dense.run(job, spike_function(self.surrogate, self.slope), columns)
        return record.traces["readout.output"].mean(0), record

    def _network(self, state: LearnerState, numbers: Callable[[Tensor], Any]) -> tuple[Network, dict[str, Any]]:
        """numbers: what weights and time constants become, tensors with gradients or arrays."""
        problem, held = state.problem, state.weights | state.memory
        readout = vary(leaky_integrator.NORMALISED, source=self.source, tau_m=self.tau_m)
        populations, projections = [Population("input", problem.n_inputs, Source())], []
        weights: dict[str, Any] = {}
        for pre, post in zip(self._names(), self._names()[1:], strict=False):
            projections.append(Projection(pre, post, Dense()))
            weights[f"{pre}->{post}"] = numbers(held[f"{pre}->{post}"])
            if post == "readout":
                break
            place_J = held.get(f"{post}.tau_place")
            tau_m = self.tau_m if place_J is None else numbers(tau_at(place_J, problem.dt))
            populations.append(Population(post, len(held[f"{pre}->{post}"]), self._cell(tau_m)))
            if self.recurrent:
                projections.append(Projection(post, post, FixedProbability(1.0, autapses=False), delay=problem.dt))
                weights[f"{post}->{post}"] = without_autapses(held[f"{post}->{post}"], numbers)
        populations.append(Population("readout", problem.n_classes, readout))
        return Network(tuple(populations), tuple(projections), problem.dt), weights

    def _cell(self, tau_m: Any) -> Any:
        if self.neuron == "lif":
            return vary(lif_delta.NORMALISED, source=self.source, tau_m=tau_m, v_th=self.v_th)
        return vary(
            lif_adaptive_threshold.BELLEC_2018, source=self.source, tau_m=tau_m, tau_theta=self.tau_a,
            theta_plus=self.beta, v_th=self.v_th, t_ref=0.0,
        )  # fmt: skip

    def _dropped(self, n_samples: int, rng: torch.Generator) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
        """For each projection of a hidden layer, what sums its inputs without those that are silenced."""
        columns = {}
        names = self._names()
        for pre, post, size in zip(names[1:-1], names[2:], self.hidden, strict=True):
            kept_BK = (torch.rand(n_samples, size, generator=rng) >= self.dropout) / (1.0 - self.dropout)
            columns[f"{pre}->{post}"] = columns[f"{pre}->{pre}"] = _of_kept(kept_BK)
        return columns

    def _names(self) -> list[str]:
        return ["input", *(f"hidden{k}" for k in range(len(self.hidden))), "readout"]


def without_autapses(w_JK: Tensor, numbers: Callable[[Tensor], Any]) -> Synapses:
    """All weights but those on the diagonal, which get no gradient. numbers: what the weights become."""
    n = len(w_JK)
    is_other_KJ = ~torch.eye(n, dtype=torch.bool)
    targets = is_other_KJ.nonzero()[:, 1].numpy().astype(np.int32)
    return Synapses(np.arange(n + 1) * (n - 1), targets, numbers(w_JK.T[is_other_KJ]))


def _of_kept(kept_BK: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda z_BK, w_JK: linear(z_BK * kept_BK.to(z_BK), w_JK)
