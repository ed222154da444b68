"""The one protocol of every learner: init, update, predict.

A learner is a frozen dataclass of hyper-parameters. What it learns is a LearnerState, which `update`
advances in place: weights are large, and torch's optimisers change them where they lie.

Axes: B sample, I input, C class.
"""

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor

from neuro.events import Events
from neuro.record import Counts

USES = {
    "labels": "the label of a sample, anywhere in learning",
    "global_error": "an error computed at the output reaches layers below it",
    "weight_transport": "feedback runs through the transposed forward weights",
    "unrolled_time": "activities of all time steps are stored for learning",
    "negative_samples": "made-up samples to be told apart from real ones",
    "feedback_network": "a second, learned network that carries targets downwards",
    "whole_pass": "a layer must wait for layers above it before it can learn",
}


class Problem(NamedTuple):
    """What a learner is told of a task. n_steps and dt (ms) matter to learners that live in time.

    shape: of a static sample, (channels, height, width) for images, whose rows [I] hold it in that order.
    samples: training samples that will be shown in all, repeats included; rates may be annealed over them. In a
        sequence of tasks, whose length a learner is not told, sys.maxsize: rates then stay as they are at first.
    """

    n_inputs: int
    n_classes: int
    n_steps: int
    dt: float
    input_mean: float
    input_std: float
    shape: tuple[int, ...]
    samples: int


class Batch(NamedTuple):
    """inputs_BI: float32 in [0, 1], or the Events of the whole batch; labels_B: int64.

    context: the number of the task in a sequence of tasks, 0 where there is only one.
    """

    inputs: Tensor | Events
    labels: Tensor
    context: int = 0


@dataclass
class LearnerState:
    """All that changes while a learner learns.

    layers: names of the weights of each layer of the network that answers, lowest layer first; weights that
        stand in none belong to feedback networks and to readouts beside it.
    memory: tensors other than weights that must survive a restart (running means, say).
    counts: of inference, summed over all calls of `predict`.
    learning: of simulations by backends other than torch's in `update`, summed over its calls since the last start.
    scratch: what can be made again from the rest, such as compiled networks; it is not saved.
    """

    problem: Problem
    weights: dict[str, Tensor]
    optimisers: dict[str, torch.optim.Optimizer]
    rng: torch.Generator
    layers: tuple[tuple[str, ...], ...] = ()
    memory: dict[str, Tensor] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    learning: Counts = field(default_factory=Counts)
    scratch: dict[str, Any] = field(default_factory=dict, repr=False)


class Learner(Protocol):
    """Frozen dataclass of hyper-parameters. Numbers in, no logic in the constructor."""

    source: ClassVar[str]  # key of neuro.references

    @property
    def uses(self) -> frozenset[str]:
        """Keys of USES: what the algorithm, with these settings, needs from the world."""
        ...

    @property
    def batch_size(self) -> int: ...
    def init(self, problem: Problem, seed: int) -> LearnerState:
        """A state before learning; all randomness comes from the seed."""
        ...

    def update(self, state: LearnerState, batch: Batch) -> dict[str, float]:
        """Learn from one batch, in place; returns what was measured (losses, say)."""
        ...

    def predict(self, state: LearnerState, inputs: Tensor | Events) -> Tensor:
        """Scores [B, C]. Reads no labels, changes nothing but state.counts."""
        ...


def n_given(inputs: Tensor | Events) -> int:
    """How many samples there are."""
    return inputs.n_samples if isinstance(inputs, Events) else len(inputs)


def flat(inputs: Tensor | Events) -> Tensor:
    """Static samples as rows [B, I]. ValueError where the task gives events."""
    if isinstance(inputs, Events):
        raise ValueError("this learner takes static samples, and the task gives events; choose a static task")
    return inputs.flatten(1)


def standardised(problem: Problem, inputs: Tensor | Events) -> Tensor:
    """Static samples as rows [B, I] with the training images' mean taken off, over their deviation."""
    return (flat(inputs) - problem.input_mean) / problem.input_std


def anneal(state: LearnerState, n_samples: int) -> None:
    """Set the rates of all optimisers for a batch of n_samples: half a cosine from their first rates to 0.

    It needs the tensor memory["seen"], the samples seen so far (int64), and advances it.
    Reference: loshchilov2017, without restarts.
    """
    part = min(state.memory["seen"].item() / state.problem.samples, 1.0)
    for optimiser in state.optimisers.values():
        for group in optimiser.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * 0.5 * (1.0 + math.cos(math.pi * part))
    state.memory["seen"] = state.memory["seen"] + n_samples


def descend(state: LearnerState, loss: Tensor, n_samples: int) -> None:
    """One step of every optimiser down the gradient of a loss, at the annealed rates of a batch of n_samples."""
    anneal(state, n_samples)
    for optimiser in state.optimisers.values():
        optimiser.zero_grad()
    loss.backward()
    for optimiser in state.optimisers.values():
        optimiser.step()


def follow(state: LearnerState, gradients: dict[str, Tensor], n_samples: int) -> None:
    """As `descend`, along gradients that were computed by other means, by names of weights."""
    anneal(state, n_samples)
    for name, gradient in gradients.items():
        set_gradient(state.weights[name], gradient)
    for optimiser in state.optimisers.values():
        optimiser.step()


def set_gradient(weight: Tensor, gradient: Tensor) -> None:
    """Give a weight its gradient, in the weight's own order in memory: torch's fused optimisers look at no strides."""
    weight.grad = gradient if gradient.stride() == weight.stride() else _laid_out(weight, gradient)


def n_weights(state: LearnerState) -> int:
    """Number of learned numbers, feedback networks included."""
    return sum(weight.numel() for weight in state.weights.values())


def to_tensors(state: LearnerState) -> dict[str, Tensor]:
    """Everything in a state that learning changes, as a flat dict of tensors (copies nothing)."""
    tensors = {f"weights/{name}": weight.detach() for name, weight in state.weights.items()}
    tensors |= {f"memory/{name}": value for name, value in state.memory.items()}
    for name, optimiser in state.optimisers.items():
        for index, entries in optimiser.state_dict()["state"].items():
            for key, value in entries.items():
                tensors[f"optimiser/{name}/{index}/{key}"] = torch.as_tensor(value)
    tensors["rng"] = state.rng.get_state()
    return tensors


def from_tensors(state: LearnerState, tensors: dict[str, Tensor]) -> None:
    """Put saved tensors back into a freshly initialised state, in place."""
    with torch.no_grad():
        for name, weight in state.weights.items():
            weight.copy_(tensors[f"weights/{name}"])
    for name, value in state.memory.items():
        state.memory[name] = _laid_out(value, tensors[f"memory/{name}"])
    for name, optimiser in state.optimisers.items():
        weights = [weight for group in optimiser.param_groups for weight in group["params"]]
        saved: dict[int, dict[str, Any]] = {}
        for key, value in tensors.items():
            parts = key.split("/")
            if parts[0] == "optimiser" and parts[1] == name:
                saved.setdefault(int(parts[2]), {})[parts[3]] = _laid_out(weights[int(parts[2])], value)
        groups = optimiser.state_dict()["param_groups"]
        optimiser.load_state_dict({"state": saved, "param_groups": groups})
    state.rng.set_state(tensors["rng"].to(torch.uint8).cpu())


def _laid_out(like: Tensor, value: Tensor) -> Tensor:
    """A copy of a tensor that lies in memory as another does, if it has its shape: sums keep their order."""
    return torch.empty_like(like, dtype=value.dtype).copy_(value) if like.shape == value.shape else value.clone()
