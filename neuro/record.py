"""What a simulation returns: spikes, traces, final weights, counts of the work that was done, and its last state."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neuro.events import Events
from neuro.files import write_whole


@dataclass(frozen=True)
class Counts:
    """Work done, counted by the backend.

    spikes: emitted by populations that are not sources. synaptic_events: deliveries of one spike over
    one synapse; a graded value counts once a step for each synapse that it crosses, if it is not 0.
    saturations: numbers clipped to their range (fixed point only). wall_s: seconds of computing, without
    those of compiling. Events of Poisson drives count too.
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


class State(NamedTuple):
    """All that a simulation needs to go on as if it had never stopped; handed to `simulate(resume=...)`.

    step: steps done. dt: ms. arrays: what changes, by names such as "exc.v" and "in->exc.w"; the spikes that
    are still under way, traces and the weights of plastic projections are among them.
    """

    step: int
    dt: float
    arrays: dict[str, NDArray]


@dataclass(frozen=True)
class Record:
    """The outcome of `simulate`.

    spikes: population -> Events, for each "population.spikes" that was asked for; a spike of step k
        is stamped k * dt. With update="asynchronous", times are exact.
    traces: "population.field" -> values [T, B, N] after each step, in the backend's own array type
        (torch tensors with their gradients on torch_dense, else NumPy). The field "output" is what
        the population sent: 0 or 1 for spikes, a number for graded models. "projection.weights" -> the
        weights after every `weights_every` ms, [K, synapses], or [K, J, I] where they are w_JI.
    weights: projection -> its weights at the end, in the form in which they were given.
    final: the state at the end (event backend, one sample; else None).
    """

    spikes: dict[str, Events]
    traces: dict[str, Any]
    weights: dict[str, Any]
    counts: Counts
    final: State | None = field(default=None, repr=False)


def save_state(state: State, path: Path | str) -> None:
    """Write a state as one safetensors file, whole or not at all."""
    from safetensors.numpy import save

    arrays = {name: np.ascontiguousarray(array) for name, array in state.arrays.items()}
    write_whole(Path(path), save(arrays, {"step": json.dumps(state.step), "dt": json.dumps(state.dt)}))


def load_state(path: Path | str) -> State:
    """Read what save_state wrote. ValueError, which names the file, if it is missing or broken."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            about = file.metadata()
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        return State(json.loads(about["step"]), json.loads(about["dt"]), arrays)
    except (OSError, SafetensorError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no saved state of a simulation ({error}); make one with save_state") from None
