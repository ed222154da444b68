"""The spiking multilayer perceptron of HLOP, under several training methods and protections of old tasks.

    standardised image as a constant current -> LIF -> LIF -> weighted spikes, averaged over time: scores

1. `neuro.learners.spiking_network` gives the network's equations and what stands in for the gradient of the
   cross-entropy: through time, online, with fixed random feedback, or of firing rates (`method`).
2. `neuro.learners.protection` says how a protection of old tasks acts on it. A new task has begun when
   `Batch.context` has grown; nothing else is known of tasks, and `predict` knows nothing at all.
3. Gradient descent at a constant rate takes a step.

References: xiao2024 (network and numbers: models/spiking_mlp_hlop_bptt.py, spiking_train_pmnist_bptt.py of
pkuxmq/HLOP-SNN: 784-800-800-10, no biases, decay 0.5, threshold 1, soft reset passes no gradient, sigmoid surrogate of
slope 4, SGD at 0.1, 64 samples a batch), and those of the modules named above. Their default network learns from rates
("dsr"; modules/neuron_dsr.py, spiking_train_pmnist.py): m <- b m + (1 - b) i, b = exp(-0.05); a spike at m >= 0.09
takes 0.3 off and sends 0.3 / 0.05. As m = (1 - b) v: tau_m = 20 steps, v_th = 0.3 / (1 - b), fires_at 0.3, amplitude 6.
Deviations: the number of steps is the task's (theirs: 6 under BPTT, 20 in their default network). In "dsr" thresholds
stay as they are (theirs learn during the first task); all means over time are weighted (theirs are plain where hidden
layers learn from their inputs); a rate rises with (1 - b) / 0.05 = 0.975 times the drive, as the spikes do (theirs: 1).
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from neuro.events import Events
from neuro.learners.base import Batch, LearnerState, Problem, standardised
from neuro.learners.layers import PRECISIONS, uniform
from neuro.learners.protection import Protection, Step
from neuro.learners.protections import PROTECTIONS
from neuro.learners.spiking_network import GRADIENTS, SpikingNetwork, as_it_is, scores
from neuro.record import Counts
from neuro.units import choice, param


@dataclass(frozen=True)
class SpikingMLP:
    """LIF layers without biases, trained by SGD while old tasks are protected, or not."""

    hidden: tuple[int, ...] = param("1", "neurons in each hidden layer", default=(800, 800), above=0)
    tau_m: float = param("ms", "membrane time constant: a step of 1 ms halves", default=1 / math.log(2), above=0)
    v_th: float = param("mV", "threshold, taken off at a spike", default=1.0, above=0)
    slope: float = param("1", "sharpness of the sigmoid whose derivative is the spike's", default=4.0, above=0)
    fires_at: float = param("1", "part of the threshold at which a neuron fires", default=1.0, above=0, maximum=1)
    amplitude: float = param("1", "what a spike sends; 1 in the publication's other networks", default=1.0, above=0)
    method: str = choice("what stands in for the gradient", GRADIENTS, default="bptt")
    protection: str = choice("what protects old tasks", PROTECTIONS, default="none")
    lr: float = param("1", "learning rate (SGD, constant)", default=0.1, above=0, search=(1e-2, 0.5))
    batch_size: int = param("samples", "samples of one update", default=64, minimum=1)
    precision: str = choice(
        "of factors and results of products above the lowest layer, summed in float32",
        PRECISIONS,
        default="float32",
    )
    n_tasks: int = param("1", "hlop, replay: tasks that there is room for", default=10, minimum=1)
    subspaces: tuple[int, ...] = param(
        "1", "hlop: lateral neurons of each layer for the first task", default=(80, 200, 100), minimum=1
    )
    subspace_growth: int = param("1", "hlop: lateral neurons that each later task adds", default=70, minimum=0)
    subspace_shrink: int = param("1", "hlop: how many fewer from every third task on", default=20, minimum=0)
    lateral: str = choice("hlop: lateral neurons", ("linear", "spiking"), default="linear")
    lateral_largest: float = param("1", "hlop, spiking: largest response", default=20.0, above=0)
    lateral_steps: int = param("1", "hlop, spiking: steps for it", default=40, minimum=1)
    lr_lateral_input: float = param("1", "hlop: Hebbian rate at the inputs", default=0.001, above=0)
    lr_lateral: float = param("1", "hlop: Hebbian rate at hidden layers", default=0.01, above=0)
    hebbian_steps: int = param("1", "hlop: Hebbian steps a batch", default=5, minimum=1)
    ewc_strength: float = param("1", "ewc: stiffness of the springs (chosen)", default=30.0, above=0, search=(1, 1e4))
    si_strength: float = param(
        "1", "synaptic-intelligence: strength of the penalty", default=3.0, above=0, search=(1e-3, 10)
    )
    si_damping: float = param("1", "synaptic-intelligence: damping of importances", default=0.1, above=0)
    gpm_threshold_input: float = param("1", "gpm: part of the inputs that is kept", default=0.95, above=0, maximum=1)
    gpm_threshold: float = param("1", "gpm: part of hidden activity that is kept", default=0.99, above=0, maximum=1)
    kept_samples: int = param("samples", "ewc, gpm: kept of the running task", default=300, minimum=1)
    kept_per_class: int = param("samples", "replay: kept of each class of a task", default=50, minimum=1)

    source: ClassVar[str] = "xiao2024"

    @property
    def uses(self) -> frozenset[str]:
        """What the training method needs."""
        needs = {"labels", "global_error", "whole_pass"}
        needs |= {"unrolled_time"} if self.method not in ("online", "dsr") else set()
        return frozenset(needs | ({"weight_transport"} if self.method != "feedback-alignment" else set()))

    def init(self, problem: Problem, seed: int) -> LearnerState:
        """Weights and fixed feedback drawn from the seed, and what the protection keeps."""
        rng = torch.Generator().manual_seed(seed)
        weights = {f"layer_{k}": uniform(shape, rng) for k, shape in enumerate(self.shapes(problem), 1)}
        memory = {name: torch.zeros((), dtype=torch.int64) for name in ("tasks", "context")}
        if self.method == "feedback-alignment":
            for k, weight in list(enumerate(weights.values(), 1))[1:]:
                memory[f"feedback_{k}"] = uniform(tuple(weight.shape), rng).detach()
        memory |= PROTECTIONS[self.protection].memory(self, problem)
        optimiser = torch.optim.SGD(weights.values(), lr=self.lr)
        return LearnerState(problem, weights, {"sgd": optimiser}, rng, tuple((name,) for name in weights), memory)

    def update(self, state: LearnerState, batch: Batch) -> dict[str, float]:
        """Learn from one batch, in place; returns its loss."""
        protection = PROTECTIONS[self.protection]
        self._notice(state, batch.context, protection)
        x_BI, net = standardised(state.problem, batch.inputs), self.network(state)
        learned = GRADIENTS[self.method](net, x_BI, batch.labels, protection.learned_from(self, state))
        applied = protection.transform(self, state, learned.gradients)
        old = protection.rehearse(self, state)
        if old:
            again = GRADIENTS[self.method](net, old.x_BI, old.labels_B, as_it_is).gradients
            applied = [(1 - old.part) * new + old.part * back for new, back in zip(applied, again, strict=True)]
        for weight, gradient in zip(net.weights, applied, strict=True):
            weight.grad = gradient
        state.optimisers["sgd"].step()
        step = Step(x_BI, batch.labels, learned.rates, learned.gradients, applied)
        protection.after_update(self, state, step)
        return {"loss": learned.loss.item()}

    def predict(self, state: LearnerState, inputs: Tensor | Events) -> Tensor:
        """Scores [B, C]; the work done is added to state.counts."""
        x_BI, net = standardised(state.problem, inputs), self.network(state)
        scores_BC, spikes = scores(net, x_BI)
        fan_out = [len(weight) for weight in net.weights]
        events = int(x_BI.count_nonzero()) * fan_out[0] * net.n_steps
        events += sum(count * n for count, n in zip(spikes, fan_out[1:], strict=True))
        state.counts += Counts(spikes=sum(spikes), synaptic_events=events)
        return scores_BC

    def shapes(self, problem: Problem) -> list[tuple[int, int]]:
        """Shapes [J, I] of the weights, lowest layer first."""
        sizes = (problem.n_inputs, *self.hidden, problem.n_classes)
        return [(n_post, n_pre) for n_pre, n_post in zip(sizes, sizes[1:], strict=False)]

    def network(self, state: LearnerState) -> SpikingNetwork:
        """The network with the state's weights."""
        weights, memory = list(state.weights.values()), state.memory
        backs = [memory.get(f"feedback_{k}", weight.detach()) for k, weight in enumerate(weights, 1)]
        decay = math.exp(-state.problem.dt / self.tau_m)
        return SpikingNetwork(
            weights, backs, decay, self.v_th, self.slope, state.problem.n_steps,
            fires_at=self.fires_at, amplitude=self.amplitude, fading=self.method == "dsr",
            products=PRECISIONS[self.precision],
        )  # fmt: skip

    def _notice(self, state: LearnerState, context: int, protection: Protection) -> None:
        """Begin a new task if the context has grown."""
        began, last = int(state.memory["tasks"]), int(state.memory["context"])
        if began and context < last:
            raise ValueError(f"a batch of task {context} came after one of task {last}; tasks follow in order")
        if not began or context > last:
            state.memory["tasks"] = torch.tensor(began + 1)
            state.memory["context"] = torch.tensor(context)
            protection.begin_task(self, state, began)
