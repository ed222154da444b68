"""Learning through time without storing it: BPTT's network, with gradients cut off in time.

    SLTT       at each step the gradient of that step's loss goes down through the layers, not back in time
    SLTT-K     the same at K steps, drawn at random for each batch; the others only run
    OTTT       SLTT whose weights learn from traces of their inputs, p[t] = a p[t-1] + x[t],  a = exp(-dt / tau_m)
    truncated  windows of k steps: BPTT within them; potentials go on to the next window, gradients do not

1. The network of `neuro.learners.bptt` runs window by window; a window of SLTT and OTTT is one step. Its events are
   binned when it comes. Nothing of earlier windows is kept but potentials, traces and summed gradients.
2. The loss is the mean over windows of the cross-entropy of a window's mean output: (1/T) sum_t CE(o[t]) for windows of
   one step (meng2023, xiao2022), BPTT's loss for a window of all steps. With error="mean" SLTT and OTTT follow BPTT's
   loss too: each step is told dCE(mean_t o)/do, which the sample finds in a run before, without gradients.
3. Adam takes a step after the last window, at BPTT's falling rate.

`neuro.learners.spiking_network` has the equations. What answers is BPTT's network, with the same `predict`.

References: meng2023 (SLTT; program: qymeng94/SLTT), xiao2022 (OTTT; program: pkuxmq/OTTT-SNN), williams1990
(truncation), neftci2019 (network), kingma2015 (Adam), loshchilov2017 (cosine).
Deviations: the network is BPTT's (theirs: convolutions, reset by subtraction, a readout without memory), trained by
Adam (theirs: SGD; OTTT's program for DVS-Gesture: Adam), with cross-entropy alone (theirs: a little squared error too).
The readout is leaky: its potential of the step before enters a step's loss as a constant, and under OTTT its weights
learn from traces too, which for them alone is the exact gradient. Events have traces under OTTT, as in its equations;
constant inputs have none, as in its program. Adam follows one gradient a batch (a form of OTTT: one at each step).
error="mean" is in neither paper.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from neuro.events import Events
from neuro.learners.base import Batch, LearnerState, follow
from neuro.learners.bptt import BPTT
from neuro.learners.spiking_input import encoded, in_windows
from neuro.learners.spiking_layers import SpikingNetwork, as_it_is
from neuro.learners.spiking_network import Learned, Windows, gradients_in_windows
from neuro.neurons import lif_delta
from neuro.units import choice, param, vary

ERROR, ERRORS = "whose cross-entropy: of each step's output, or of the mean output", ("steps", "mean")
USES = frozenset({"labels", "global_error", "weight_transport", "whole_pass"})


@dataclass(frozen=True)
class SLTT(BPTT):
    """Spatial learning through time: gradients go down through the layers at each step, and never back in time."""

    error: str = choice(ERROR, ERRORS, default="steps")
    learned_steps: int = param("1", "K, random steps of a batch that are learned from; 0: all", default=0, minimum=0)

    source: ClassVar[str] = "meng2023"
    uses: ClassVar[frozenset[str]] = USES

    def update(self, state: LearnerState, batch: Batch) -> dict[str, float]:
        """Learn from one batch, in place; returns its loss."""
        return learn(self, state, batch, self.windows(state))

    def windows(self, state: LearnerState) -> Windows:
        """Steps one by one, of which K are drawn from the state's generator. ValueError if there are fewer than K."""
        n_steps = state.problem.n_steps
        if self.learned_steps > n_steps:
            raise ValueError(f"learned_steps = {self.learned_steps}, and a sample has {n_steps}; give at most as many")
        if not self.learned_steps:
            return Windows(of_mean=self.error == "mean")
        drawn = torch.randperm(n_steps, generator=state.rng)[: self.learned_steps]
        return Windows(learned=frozenset(drawn.tolist()), of_mean=self.error == "mean")


@dataclass(frozen=True)
class OTTT(BPTT):
    """Online training through time: each step's error meets traces of the inputs."""

    error: str = choice(ERROR, ERRORS, default="steps")

    source: ClassVar[str] = "xiao2022"
    uses: ClassVar[frozenset[str]] = USES

    def update(self, state: LearnerState, batch: Batch) -> dict[str, float]:
        """Learn from one batch, in place; returns its loss."""
        return learn(self, state, batch, Windows(traced=True, of_mean=self.error == "mean"))


@dataclass(frozen=True)
class TruncatedBPTT(BPTT):
    """Backpropagation through the last steps: window by window, states carried on."""

    window: int = param("1", "k, steps of a window", default=10, minimum=1)

    source: ClassVar[str] = "williams1990"
    uses: ClassVar[frozenset[str]] = USES

    def update(self, state: LearnerState, batch: Batch) -> dict[str, float]:
        """Learn from one batch, in place; returns its loss."""
        return learn(self, state, batch, Windows(self.window))


def learn(learner: BPTT, state: LearnerState, batch: Batch, windows: Windows) -> dict[str, float]:
    """One step of Adam along what the windows found."""
    seed = int(torch.randint(2**62, (1,), generator=state.rng))
    given = encoded(batch.inputs, state.problem, learner.code, np.random.default_rng(seed))
    learned = gradients(learner, state, given, batch.labels, windows)
    follow(state, dict(zip(state.weights, learned.gradients, strict=True)), len(batch.labels))
    return {"loss": learned.loss.item()}


def gradients(
    learner: BPTT, state: LearnerState, given: Tensor | Events, labels_B: Tensor, windows: Windows
) -> Learned:
    """What stands in for the gradient. given: constant values_BI, or events."""
    weights = list(state.weights.values())
    cell = vary(lif_delta.NORMALISED, source=learner.source, tau_m=learner.tau_m, v_th=learner.v_th)
    decay = float(cell.coefficients(state.problem.dt).p_vv)
    net = SpikingNetwork(
        weights, [weight.detach() for weight in weights], decay, learner.v_th, learner.slope, state.problem.n_steps,
        learner.surrogate, to_zero=True, readout_decay=decay,
    )  # fmt: skip
    x = in_windows(given, state.problem, weights[0]) if isinstance(given, Events) else given.to(weights[0])
    return gradients_in_windows(net, x, labels_B, as_it_is, windows)
