"""The state of the event backend, as arrays that depend neither on the number of threads nor on where rings begin."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neuro.backends.event_arrays import Arrays
from neuro.network import Source
from neuro.record import State


class Kept(NamedTuple):
    """An array that is kept. where: dicts of the simulation that hold it, as `key`."""

    name: str
    key: str
    where: list[dict[str, Any]]
    projection: int = -1
    kind: str = "neurons"  # or "synapses", or "ring": one row for each of the last steps


def save(arrays: Arrays, step: int) -> State:
    """All that changes, after `step` steps."""
    found = {}
    for kept in _all_kept(arrays):
        array = kept.where[0][kept.key]
        if kept.kind == "synapses":
            array = arrays.as_given(kept.projection, array)
        elif kept.kind == "ring":
            array = _ring(arrays, kept, step)[0]
        found[kept.name] = array
    for name, p in _spiking(arrays):
        found[f"{name}.recent"] = _recent_spikes(arrays, name, p, step)
    return State(step, arrays.job.net.dt, found)


def restore(arrays: Arrays, state: State) -> None:
    """Put a state back. ValueError if it is that of another network."""
    wanted = {kept.name: kept for kept in _all_kept(arrays)}
    spiking = {f"{name}.recent": (name, p) for name, p in _spiking(arrays)}
    if set(state.arrays) != wanted.keys() | spiking.keys():
        wrong = sorted(set(state.arrays) ^ (wanted.keys() | spiking.keys()))
        raise ValueError(f"resume: the state is that of another network, or of another `plastic`: {', '.join(wrong)}")
    for name, kept in wanted.items():
        given, array = state.arrays[name], kept.where[0][kept.key]
        place: Any = slice(None)
        if kept.kind == "synapses":
            given = arrays.as_stored(kept.projection, given)
        elif kept.kind == "ring":
            array, place = _ring(arrays, kept, state.step)
        if given.shape != array.shape:
            raise ValueError(f"resume: {name} has shape {given.shape}, the network {array.shape}")
        for where in kept.where:
            whole = where[kept.key]
            (whole.reshape(-1, given.shape[1]) if kept.kind == "ring" else whole)[place] = given
    for key, (name, p) in spiking.items():
        _put_recent_spikes(arrays, name, p, state.arrays[key])


def _all_kept(arrays: Arrays) -> Iterator[Kept]:
    job, shared = arrays.job, [arrays.shared]
    for name, initial in job.initial.items():
        p = arrays.place[name]
        for field in initial._fields:
            yield Kept(f"{name}.{field}", f"all_{field}{p}", shared)
        if job.net.population(name).model.graded:
            yield Kept(f"{name}.output", f"all_output{p}", shared)
    for k, projection in enumerate(job.net.projections):
        keepers = arrays.keepers(k)
        if projection.short_term is not None:
            yield Kept(f"{projection.name}.released", f"released{k}", keepers, k, "ring")
            yield Kept(f"{projection.name}.last_sent", f"last_sent{k}", keepers)
            for field in projection.short_term.State._fields:
                yield Kept(f"{projection.name}.{field}", f"state{k}_{field}", keepers)
        if projection.rule is None or not job.plastic:
            continue
        yield Kept(f"{projection.name}.w", f"w{k}", shared, k, "synapses")
        for field in projection.rule.Synapse._fields[1:]:
            yield Kept(f"{projection.name}.{field}", f"s{k}_{field}", shared, k, "synapses")
        for field in projection.rule.PreTraces._fields:
            yield Kept(f"{projection.name}.pre_{field}", f"pre{k}_{field}", keepers, k, "ring")
        for field in projection.rule.PostTraces._fields:
            yield Kept(f"{projection.name}.post_{field}", f"post{k}_{field}", shared)


def _ring(arrays: Arrays, kept: Kept, step: int) -> tuple[NDArray, NDArray[np.int64]]:
    """The last rows of a ring, one a step, and their places; without those that others may run ahead."""
    ring = kept.where[0][kept.key].reshape(arrays.shared[f"ring{kept.projection}"], -1)
    steps = np.arange(step - len(ring) + arrays.block, step)
    return ring[steps % len(ring)], steps % len(ring)


def _spiking(arrays: Arrays) -> Iterator[tuple[str, int]]:
    for population in arrays.job.order:
        if not isinstance(population.model, Source) and not population.model.graded:
            yield population.name, arrays.place[population.name]


def _recent_spikes(arrays: Arrays, name: str, p: int, now: int) -> NDArray[np.int64]:
    """Steps and units [2, n] of the spikes that have not arrived everywhere."""
    history, fired = _history(arrays, p)
    found = [np.zeros((2, 0), np.int64)]
    for step in range(now - arrays.longest_delay(name), now):
        slot = step % history.shape[0]
        for first, n in zip(arrays.starts[name], fired[:, slot], strict=False):
            found.append(np.stack([np.full(n, step), history[slot, first : first + n]]))
    return np.concatenate(found, axis=1)


def _put_recent_spikes(arrays: Arrays, name: str, p: int, recent: NDArray[np.int64]) -> None:
    history, fired = _history(arrays, p)
    starts = arrays.starts[name]
    for step in np.unique(recent[0]):
        slot, units = step % history.shape[0], recent[1, recent[0] == step]
        for thread, (first, last) in enumerate(zip(starts[:-1], starts[1:], strict=True)):
            own = units[(units >= first) & (units < last)]
            history[slot, first : first + len(own)] = own
            fired[thread, slot] = len(own)


def _history(arrays: Arrays, p: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    shared = arrays.shared
    return shared[f"history{p}"].reshape(shared[f"depth{p}"], -1), shared[f"fired{p}"]
