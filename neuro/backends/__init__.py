"""The registry of backends, and the one way to run a network: `simulate(net, weights, inputs, ...)`.

Every backend is a module with two functions: `unsupported(net, plastic) -> list[str]`, reasons in words,
empty if it can run the network; and `run(job) -> Record`.
"""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neuro.backends.fixed_point_formats import Loihi, QFormat
from neuro.backends.job import Job, make_job
from neuro.crossbar_devices import Crossbar
from neuro.network import Network
from neuro.record import Record, State
from neuro.units import unknown

# Modules by name, imported when used: torch and brian2 take a second each.
BACKENDS = {
    "torch_dense": "neuro.backends.torch_dense",
    "event": "neuro.backends.event",
    "brian": "neuro.backends.brian",
    "fixed_point": "neuro.backends.fixed_point",
    "triton_fused": "neuro.backends.triton_fused",
    "triton_event": "neuro.backends.triton_event",
    "crossbar": "neuro.backends.crossbar",
}

# How the event backend lets time pass.
UPDATES = {
    "clock": "neuro.backends.event",
    "asynchronous": "neuro.backends.event_asynchronous",
}

__all__ = ["BACKENDS", "UPDATES", "Job", "simulate"]


def simulate(
    net: Network,
    weights: Mapping[str, Any],
    inputs: Mapping[str, Any],
    *,
    duration: float,
    backend: str = "event",
    plastic: bool = False,
    record: tuple[str, ...] = (),
    initial: Mapping[str, Any] | None = None,
    seed: int = 0,
    update: str = "clock",
    threads: int = 1,
    resume: State | None = None,
    weights_every: float | None = None,
    stream: Path | str | None = None,
    arithmetic: QFormat | Loihi | Crossbar | None = None,
) -> Record:
    """Run a network for `duration` ms and return its Record.

    weights: projection -> w_JI or Synapses, as from `network.connect`; their dtype (float32 or float64)
        is that of the simulation. They are not changed: the Record has the weights at the end.
    inputs: source population -> Events; or values [B, N] sent at every step (direct current); or a
        raster [T, B, N]. All inputs have the same number of samples B.
    plastic: whether the projections' rules act. Needs B = 1.
    record: what to keep, as "population.spikes" (Events), "population.field" (a trace) or, every
        `weights_every` ms, "projection.weights".
    initial: "population.field" -> starting values, one number or one a neuron, instead of the model's.
    seed: of Poisson drives and sources; the same seed gives the same spikes on every backend (with
        update="asynchronous" other ones, of the same rates).
    update: "clock": neurons step by dt. "asynchronous" (event backend only): neurons are touched when a spike
        reaches them or when they fire, at exact times; see neuro/backends/event_asynchronous.py.
    threads: of the event backend, each of which owns a part of every population. The results are the same for
        any number of them. Not with projections that have no delay, nor with modulators.
    resume: the `final` of an earlier Record, to go on from as if it had never stopped (event backend): times,
        those of the inputs too, are still counted from the start of the first, and `plastic` weights are the state's.
    stream: an empty folder to which what is recorded is written while it runs (event backend), as .npy files; the
        Record's arrays are then mapped from there, so that a long run need not fit into memory.
    arithmetic: of the backend fixed_point: QFormat(total, fraction), or Loihi() for networks of LoihiLIF; see
        neuro/backends/fixed_point_formats.py. Of the backend crossbar: Crossbar(device, age); see
        neuro/crossbar_devices.py.

    Raises ValueError where the network, its weights or its inputs do not fit, or where the backend
    cannot run it, with the reasons; nothing falls back silently.
    """
    if backend not in BACKENDS:
        raise ValueError(unknown("backend", backend, BACKENDS))
    if update not in UPDATES:
        raise ValueError(unknown("update", update, UPDATES))
    if update != "clock" and backend != "event":
        raise ValueError(f"backend {backend!r} steps by dt; for update={update!r} use backend='event'")
    module = importlib.import_module(BACKENDS[backend] if update == "clock" else UPDATES[update])
    job = make_job(
        net,
        weights,
        inputs,
        duration,
        plastic,
        record,
        initial,
        seed,
        threads,
        resume,
        weights_every,
        stream,
        arithmetic,
    )
    reasons = module.unsupported(net, plastic)
    if (backend, update) != ("event", "clock"):
        asked = {"threads": threads > 1, "resume": resume is not None, "stream": stream is not None}
        reasons += [
            f"{name} is for the event backend with update='clock' alone" for name, is_so in asked.items() if is_so
        ]
    if backend != "fixed_point":
        reasons += _in_integers(net, plastic, None if backend == "crossbar" else arithmetic)
    if reasons:
        raise ValueError(f"backend {backend!r} cannot run this network: {'; '.join(reasons)}")
    return module.run(job)


def _in_integers(net: Network, plastic: bool, arithmetic: QFormat | Loihi | Crossbar | None) -> list[str]:
    """What only the backend fixed_point has, in words."""
    learning = [p.name for p in net.projections if plastic and getattr(p.rule, "has_integers", False)]
    reasons = [f"the rule of projection {name!r} is in integers; use backend='fixed_point'" for name in learning]
    return reasons + (["arithmetic is for the backends 'fixed_point' and 'crossbar'"] if arithmetic is not None else [])
