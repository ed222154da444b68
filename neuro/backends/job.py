"""A Job: one simulation, checked and put in order. Every backend runs Jobs and nothing else.

Axes: T step, B sample, N neuron.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuro import memory
from neuro.events import Events
from neuro.network import Network, Population, Source, check_weights, update_order
from neuro.units import steps, unknown


@dataclass(frozen=True)
class Job:
    """One simulation.

    order: populations as they advance within a step. inputs: source -> Events, values [B, N] or raster
    [T, B, N]. recorded: population -> names of what is kept ("spikes", "output" or fields of the state).
    initial: population -> state, as the model's State of floats or arrays. seed: of Poisson drives.
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

    def records(self, population: str, field: str) -> bool:
        return field in self.recorded.get(population, [])


def make_job(
    net: Network,
    weights: Mapping[str, Any],
    inputs: Mapping[str, Any],
    duration: float,
    plastic: bool = False,
    record: tuple[str, ...] = (),
    initial: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Job:
    """Check what `simulate` was given against the network; ValueError names what does not fit."""
    check_weights(net, weights)
    n_samples = _check_inputs(net, inputs)
    n_steps = steps(duration, net.dt, "duration")
    if plastic and n_samples > 1:
        raise ValueError(
            f"a plastic simulation changes one set of weights, but {n_samples} samples were given;"
            " simulate them one after the other"
        )
    for name, given in inputs.items():
        if not isinstance(given, Events) and given.ndim == 3 and given.shape[0] != n_steps:
            raise ValueError(f"input {name!r} has {given.shape[0]} steps, the simulation {n_steps}")
    recorded = _parse_record(net, record)
    _demand_memory(net, inputs, recorded, n_steps, n_samples)
    starts = _initial_states(net, initial or {})
    order = update_order(net)
    return Job(net, dict(weights), dict(inputs), order, recorded, starts, n_steps, n_samples, plastic, seed)


def _demand_memory(
    net: Network, inputs: Mapping[str, Any], recorded: dict[str, list[str]], n_steps: int, n_samples: int
) -> None:
    """Refuse traces, or an index of the input's steps, that do not fit into memory."""
    traced = sum(net.population(name).size for name, fields in recorded.items() for f in fields if f != "spikes")
    memory.demand(
        8.0 * n_steps * (n_samples * traced + len(inputs)),
        f"recording {traced} traces over {n_steps:,} steps of {n_samples} samples needs",
        "record fewer fields, or simulate in parts, each from the last state (`initial`)",
    )


def _check_inputs(net: Network, inputs: Mapping[str, Any]) -> int:
    sources = {p.name: p.size for p in net.populations if isinstance(p.model, Source)}
    if set(inputs) != set(sources):
        wrong = sorted(set(inputs) ^ set(sources))
        raise ValueError(f"inputs and source populations differ in {wrong}; give inputs for exactly {sorted(sources)}")
    n_samples = {1} if not inputs else set()
    for name, given in inputs.items():
        if isinstance(given, Events):
            if given.units.size and given.units.max() >= sources[name]:
                raise ValueError(
                    f"input {name!r}: unit {given.units.max()} does not exist; its size is {sources[name]}"
                )
            n_samples.add(given.n_samples)
            continue
        if given.ndim not in (2, 3) or given.shape[-1] != sources[name]:
            raise ValueError(
                f"input {name!r} has shape {tuple(given.shape)}; give Events, values [samples, {sources[name]}]"
                f" or a raster [steps, samples, {sources[name]}]"
            )
        n_samples.add(given.shape[-2])
    if len(n_samples) != 1:
        raise ValueError(f"inputs have different numbers of samples: {sorted(n_samples)}")
    return n_samples.pop()


def _fields(population: Population) -> tuple[str, ...]:
    return () if isinstance(population.model, Source) else population.model.State._fields


def _parse_record(net: Network, record: tuple[str, ...]) -> dict[str, list[str]]:
    recorded: dict[str, list[str]] = {}
    for entry in record:
        name, _, field = entry.partition(".")
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


def _initial_states(net: Network, initial: Mapping[str, Any]) -> dict[str, Any]:
    states = {p.name: p.model.initial() for p in net.populations if not isinstance(p.model, Source)}
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
