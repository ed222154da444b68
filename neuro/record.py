"""What a simulation returns: spikes, traces, final weights, and counts of the work that was done."""

from dataclasses import dataclass
from typing import Any

from neuro.events import Events


@dataclass(frozen=True)
class Counts:
    """Work done, counted by the backend.

    spikes: emitted by populations that are not sources. synaptic_events: deliveries of one spike over
    one synapse; a graded value counts once a step for each synapse that it crosses, if it is not 0.
    saturations: numbers clipped to their range (fixed point only). wall_s: seconds of computing.
    """

    spikes: int = 0
    synaptic_events: int = 0
    saturations: int = 0
    wall_s: float = 0.0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.spikes + other.spikes,
            self.synaptic_events + other.synaptic_events,
            self.saturations + other.saturations,
            self.wall_s + other.wall_s,
        )


@dataclass(frozen=True)
class Record:
    """The outcome of `simulate`.

    spikes: population -> Events, for each "population.spikes" that was asked for; a spike of step k
        is stamped k * dt.
    traces: "population.field" -> values [T, B, N] after each step, in the backend's own array type
        (torch tensors with their gradients on torch_dense, else NumPy). The field "output" is what
        the population sent: 0 or 1 for spikes, a number for graded models.
    weights: projection -> its weights at the end, in the form in which they were given.
    """

    spikes: dict[str, Events]
    traces: dict[str, Any]
    weights: dict[str, Any]
    counts: Counts
