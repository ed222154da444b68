"""A Job: one simulation, checked and put in order. Every backend runs Jobs and nothing else.

Axes: T step, B sample, N neuron.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neuro import memory
from neuro.events import Events, check_units
from neuro.network import Network, Population, Projection, Source, Synapses, update_order
from neuro.record import State
from neuro.units import steps, unknown
from neuro.weights import check_weights


@dataclass(frozen=True)
class Job:
    """One simulation.

    order: populations as they advance within a step. inputs: source -> Events, values [B, N] or raster
    [T, B, N]. recorded: population -> names of what is kept ("spikes", "output" or fields of the state).
    initial: population -> state, as the model's State of floats or arrays. seed: of Poisson drives and sources.
    threads: of the event backend. resume: the state to go on from. weights_every: steps between two recordings
    of weights, 0 for none. stream: folder for what is recorded. arithmetic: of the backends fixed_point and crossbar.
    """

    net: Network
    weights: dict[str, Any]
    inputs: dict[str, Any]
    order: list[Population]
    recorded: dict[str, list[str]]
    initial: dict[str, Any]
    n_steps: int
    n_samples: int
    plastic: bool
    seed: int
    threads: int
    resume: State | None
    weights_every: int
    stream: Path | None
    arithmetic: Any = None

    @property
    def first_step(self) -> int:
        """Steps that were done before."""
        return 0 if self.resume is None else self.resume.step

    def records(self, population: str, field: str) -> bool:
        return field in self.recorded.get(population, [])

    def longest_delay(self, projection: Projection) -> int:
        """Steps until a spike has crossed all synapses of a projection."""
        given = self.weights[projection.name]
        delays = given.delays if isinstance(given, Synapses) else None
        return self.net.delay_steps(projection) if delays is None or not len(delays) else int(delays.max())


def is_direct(given: Any) -> bool:
    """Whether an input is values [B, N], sent at every step: a direct current."""
    return given is not None and not isinstance(given, Events) and given.ndim == 2


def make_job(
    net: Network,
    weights: Mapping[str, Any],
    inputs: Mapping[str, Any],
    duration: float,
    plastic: bool = False,
    record: tuple[str, ...] = (),
    initial: Mapping[str, Any] | None = None,
    seed: int = 0,
    threads: int = 1,
    resume: State | None = None,
    weights_every: float | None = None,
    stream: Path | str | None = None,
    arithmetic: Any = None,
) -> Job:
    """Check what `simulate` was given against the network; ValueError names what does not fit."""
    check_weights(net, weights)
    n_samples = check_inputs(net, inputs)
    n_steps = steps(duration, net.dt, "duration")
    if plastic and n_samples > 1:
        raise ValueError(
            f"a plastic simulation changes one set of weights, but {n_samples} samples were given;"
            " show them one after the other with neuro.Session"
        )
    for name, given in inputs.items():
        if isinstance(given, Events) or given.ndim == 2:
            continue
        if given.shape[0] != n_steps:
            raise ValueError(f"input {name!r} has {given.shape[0]} steps, the simulation {n_steps}")
        if resume is not None:
            raise ValueError(f"input {name!r} is a raster, and resume needs Events, with times from the first start")
    _check_direct_current(net, weights, inputs, plastic)
    recorded = _parse_record(net, record)
    every = _weights_every(net, recorded, weights_every)
    if not isinstance(threads, int) or threads < 1:
        raise ValueError(f"threads = {threads!r} must be a positive whole number")
    folder = _stream_folder(stream, n_samples)
    _check_resume(net, resume, initial, n_samples)
    _demand_memory(net, inputs, recorded if folder is None else {}, n_steps, n_samples)
    starts = _initial_states(net, initial or {})
    return Job(
        net, dict(weights), dict(inputs), update_order(net), recorded, starts, n_steps, n_samples, plastic, seed,
        threads, resume, every, folder, arithmetic,
    )  # fmt: skip


def _check_direct_current(net: Network, weights: Mapping[str, Any], inputs: Mapping[str, Any], plastic: bool) -> None:
    """Refuse values that are sent at every step where spikes are needed.

    That is where something changes at each of them, or where synapses have several delays: they would begin one by one.
    """
    for projection in net.projections:
        if not is_direct(inputs.get(projection.pre)):
            continue
        if projection.short_term is not None or (plastic and projection.rule is not None):
            raise ValueError(
                f"input {projection.pre!r} is direct current, and the rule or short_term of {projection.name!r} needs"
                " spikes; give the input as Events or a raster"
            )
        delays = getattr(weights[projection.name], "delays", None)
        if delays is not None and len(np.unique(delays)) > 1:
            raise ValueError(
                f"input {projection.pre!r} is direct current, and synapses of {projection.name!r} differ in their"
                " delays; give it a delay of its own for all, or the input as Events or a raster"
            )


def _weights_every(net: Network, recorded: dict[str, list[str]], weights_every: float | None) -> int:
    wanted = [name for name in recorded if "->" in name]
    if bool(wanted) != (weights_every is not None):
        raise ValueError(
            f"weights are recorded of {wanted}, every {weights_every} ms; give both record='PROJECTION.weights' and"
            " weights_every, or neither"
        )
    if weights_every is None:
        return 0
    found = steps(weights_every, net.dt, "weights_every")
    if found < 1:
        raise ValueError(f"weights_every = {weights_every} ms must be at least dt = {net.dt} ms")
    return found


def _stream_folder(stream: Path | str | None, n_samples: int) -> Path | None:
    if stream is None:
        return None
    folder = Path(stream)
    if n_samples > 1:
        raise ValueError(f"stream takes one sample, got {n_samples}; simulate them one after the other")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"stream: {folder} exists and is not an empty folder; choose another one")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _check_resume(net: Network, resume: State | None, initial: Mapping[str, Any] | None, n_samples: int) -> None:
    if resume is None:
        return
    if not isinstance(resume, State):
        raise ValueError(f"resume is a {type(resume).__name__}; give the `final` of a Record, or load_state(path)")
    if resume.dt != net.dt:
        raise ValueError(f"resume: the state has dt = {resume.dt} ms, the network {net.dt} ms")
    if initial:
        raise ValueError(f"initial {sorted(initial)} and resume exclude each other; the state holds all values")
    if n_samples > 1:
        raise ValueError(f"resume takes one sample, got {n_samples}; simulate them one after the other")


def _demand_memory(
    net: Network, inputs: Mapping[str, Any], recorded: dict[str, list[str]], n_steps: int, n_samples: int
) -> None:
    """Refuse traces, or an index of the input's steps, that do not fit into memory."""
    populations = {name: fields for name, fields in recorded.items() if "->" not in name}
    traced = sum(net.population(name).size for name, fields in populations.items() for f in fields if f != "spikes")
    memory.demand(
        8.0 * n_steps * (n_samples * traced + len(inputs)),
        f"recording {traced} traces over {n_steps:,} steps of {n_samples} samples needs",
        "record fewer fields, or simulate in parts, each from the end of the last (`resume`)",
    )


def check_inputs(net: Network, inputs: Mapping[str, Any]) -> int:
    """The number of samples of the inputs; ValueError if they do not fit the sources."""
    sources = {p.name: p.size for p in net.populations if isinstance(p.model, Source)}
    if set(inputs) != set(sources):
        wrong = sorted(set(inputs) ^ set(sources))
        raise ValueError(f"inputs and source populations differ in {wrong}; give inputs for exactly {sorted(sources)}")
    n_samples = {1} if not inputs else set()
    for name, given in inputs.items():
        wanted = f"give Events, values [samples, {sources[name]}] or a raster [steps, samples, {sources[name]}]"
        if isinstance(given, Events):
            check_units(given, sources[name], f"input {name!r}")
            n_samples.add(given.n_samples)
            continue
        if not hasattr(given, "ndim"):
            raise ValueError(f"input {name!r} is a {type(given).__name__}; {wanted}")
        if given.ndim not in (2, 3) or given.shape[-1] != sources[name]:
            raise ValueError(f"input {name!r} has shape {tuple(given.shape)}; {wanted}")
        if not (np.isfinite(given) if isinstance(given, np.ndarray) else given.isfinite()).all():
            raise ValueError(f"input {name!r} is not finite; look at how it was made")
        n_samples.add(given.shape[-2])
    if len(n_samples) != 1:
        raise ValueError(f"inputs have different numbers of samples: {sorted(n_samples)}")
    n = n_samples.pop()
    if n < 1:
        raise ValueError("inputs hold no sample; give at least one")
    return n


def _fields(population: Population) -> tuple[str, ...]:
    model: Any = population.model
    return () if population.is_source else model.State._fields


def _parse_record(net: Network, record: tuple[str, ...]) -> dict[str, list[str]]:
    recorded: dict[str, list[str]] = {}
    for entry in dict.fromkeys(record):
        name, _, field = entry.partition(".")
        if "->" in name:
            _check_recorded_weights(net, name, field)
            recorded.setdefault(name, []).append(field)
            continue
        population = net.population(name)
        if isinstance(population.model, Source):
            raise ValueError(f"cannot record {entry!r}: {name!r} is a source, and sends what the inputs hold")
        known = [*_fields(population), "output", "spikes"]
        if population.model.graded:
            known.remove("spikes")
        if field not in known:
            raise ValueError(unknown(f"field of population {name!r}", field, known))
        recorded.setdefault(name, []).append(field)
    return recorded


def _check_recorded_weights(net: Network, name: str, field: str) -> None:
    projections = [projection.name for projection in net.projections]
    if name not in projections:
        raise ValueError(unknown("projection", name, projections))
    if field != "weights":
        raise ValueError(unknown(f"record of projection {name!r}", field, ["weights"]))


def _initial_states(net: Network, initial: Mapping[str, Any]) -> dict[str, Any]:
    models: dict[str, Any] = {p.name: p.model for p in net.populations if not p.is_source}
    states = {name: model.initial() for name, model in models.items()}
    for entry, value in initial.items():
        name, _, field = entry.partition(".")
        population = net.population(name)
        if field not in _fields(population):
            raise ValueError(unknown(f"field of population {name!r}", field, _fields(population)))
        if np.shape(value) not in ((), (population.size,)):
            raise ValueError(f"initial {entry!r} has shape {np.shape(value)}; give one number or {population.size}")
        if not np.isfinite(value).all():
            raise ValueError(f"initial {entry!r} is not finite; give finite numbers")
        states[name] = states[name]._replace(**{field: value})
    return states
