"""NIR graphs as networks of this project, and back (see nir_export.py for the way out).

    node with a state, Threshold    a population (nir_neurons.py)
    Input                           a source; its values are sent at every step, or its events are spikes
    nodes that multiply and add     multiplied into the projections between populations (nir_linear.py)
    Delay                           the delay of the projection, or of its synapses
    Output                          the name of a population; behind linear nodes, one that relays what arrives

What is sent without a delay arrives in the same step, through all layers. In a loop, what goes back arrives in the next
step at the earliest, as in snnTorch, Norse and SpikingJelly.

NIR leaves step, discretisation, meaning of a spike and units open: see conventions.py. Files that were written here
carry theirs.

References: pedersen2024.
"""

import dataclasses
from pathlib import Path
from typing import Any

import nir
import numpy as np

from neuro.interop.conventions import Conventions
from neuro.interop.imported import Imported, projection
from neuro.interop.nir_export import to_nir
from neuro.interop.nir_file import read_graph, write_graph
from neuro.interop.nir_graph import Flat, NodeError, Signal, arriving, flatten
from neuro.interop.nir_neurons import NEURONS, Stage, relay, stages
from neuro.network import Network, Population, Source
from neuro.units import check, steps

__all__ = ["Conventions", "from_nir", "read_nir", "to_nir", "write_graph"]


def read_nir(path: Path | str, **conventions: Any) -> Imported:
    """The network in a NIR file. ValueError names the file, and what in it cannot be represented."""
    graph = read_graph(path)
    try:
        return from_nir(graph, **conventions)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def from_nir(graph: nir.NIRGraph, **conventions: Any) -> Imported:
    """The network of a NIR graph.

    conventions: fields of Conventions, where they differ from what the graph says of itself, or from the defaults.
    """
    written = graph.metadata.get("neuro") if isinstance(graph.metadata, dict) else None
    written = written if isinstance(written, dict) else {}
    given = _conventions(written, conventions)
    flat = flatten(graph)
    signals = arriving(flat, given.dt)
    names = _names(flat)
    populations = {names[name]: Population(names[name], flat.size(name), Source()) for name in flat.inputs}
    initial: dict[str, Any] = {}
    gains: dict[str, Any] = {}
    inner: list[tuple[str, str, Stage]] = []
    outputs = {name: _direct(signals[name]) for name in flat.outputs}
    for name in [*(n for n in signals if n not in outputs), *(n for n, pre in outputs.items() if pre is None)]:
        found = _stages(flat, name, signals[name], given)
        for stage in found:
            own = names[name] + stage.suffix
            populations[own] = Population(own, flat.size(name), stage.model)
            initial |= {f"{own}.{field}": value for field, value in stage.initial.items()}
        gains[name] = found[0].gain
        if len(found) == 2:
            inner.append((names[name] + found[0].suffix, names[name], found[0]))
    joined = _joined(flat, names, signals, gains, inner, given)
    found = [projection(pre, post, parts, given.dt) for (pre, post), parts in joined.items()]
    dtype = np.float32 if written.get("dtype") == "float32" else np.float64
    net = Network(tuple(populations.values()), tuple(made for made, _ in found), given.dt)
    return Imported(
        net,
        {made.name: _typed(weights, dtype) for made, weights in found},
        initial,
        {names[name]: flat.shapes[name] for name in flat.inputs},
        {name: names[pre or name] for name, pre in outputs.items()},
    )


def _conventions(written: dict[str, Any], asked: dict[str, Any]) -> Conventions:
    fields = {field.name: field.type for field in dataclasses.fields(Conventions)}
    kept: dict[str, Any] = {}
    for key, value in written.items():
        if key in fields:
            if isinstance(value, str) != (fields[key] is str) or np.size(value) != 1:
                raise ValueError(f"metadata neuro/{key} is {str(value)[:40]!r}, which makes no sense; export it again")
            kept[key] = value if isinstance(value, str) else float(value)
    wrong = sorted(asked.keys() - fields.keys())
    if wrong:
        raise ValueError(f"{wrong[0]!r} is no convention of NIR files; choose from {', '.join(sorted(fields))}")
    given = Conventions(**{**kept, **{key: value for key, value in asked.items() if value is not None}})
    check(given)
    steps(given.layer_delay, given.dt, "layer_delay")
    return given


def _names(flat: Flat) -> dict[str, str]:
    """Names of populations: '.' and '->' have a meaning there."""
    names = {name: name.replace("->", "_").replace(".", "_") or "_" for name in flat.nodes}
    for name, own in names.items():
        if list(names.values()).count(own) > 1:
            raise NodeError(name, flat.nodes[name], f"several nodes would be called {own!r} here; rename one")
    return names


def _direct(signal: Signal) -> str | None:
    """The population whose output a signal is, if it is nothing else."""
    if len(signal.parts) != 1 or np.any(signal.constant):
        return None
    ((population, delay), part), *_ = signal.parts.items()
    n = part.shape[0]
    same = part.shape == (n, n) and part.nnz == n and (part.indices == np.arange(n)).all() and (part.data == 1).all()
    return population if same and delay == 0 else None


def _stages(flat: Flat, name: str, signal: Signal, given: Conventions) -> list[Stage]:
    node = flat.nodes[name]
    if not isinstance(node, NEURONS):
        return [relay(signal.constant, given)]
    try:
        return stages(node, flat.size(name), signal.constant, given)
    except (ValueError, TypeError) as error:
        raise NodeError(name, node, error) from None


def _joined(
    flat: Flat,
    names: dict[str, str],
    signals: dict[str, Signal],
    gains: dict[str, Any],
    inner: list[tuple[str, str, Stage]],
    given: Conventions,
) -> dict[tuple[str, str], dict[int, Any]]:
    """Pairs of populations -> steps of delay -> weights."""
    import scipy.sparse

    extra = steps(given.layer_delay, given.dt, "layer_delay")
    entry = {post: pre for pre, post, _ in inner}
    graded = {name for name, node in flat.nodes.items() if isinstance(node, (nir.LI, nir.I, nir.CubaLI))}
    back = _back_edges(flat, {(pre, post) for post in gains for pre, _ in signals[post].parts})
    joined: dict[tuple[str, str], dict[int, Any]] = {}
    for post, gain in gains.items():
        for (pre, delay), part in signals[post].parts.items():
            # A graded population sends mV, and the file's weights are for its own unit.
            scaled = _times(part, gain / (given.voltage if pre in graded else 1.0))
            total = delay + (extra if pre not in flat.inputs else 0)
            total = max(total, 1) if (pre, post) in back else total
            by_delay = joined.setdefault((names[pre], entry.get(names[post], names[post])), {})
            by_delay[total] = by_delay[total] + scaled if total in by_delay else scaled
    for pre, post, stage in inner:
        size = flat.size(next(name for name, own in names.items() if own == post))
        link = scipy.sparse.diags_array(np.broadcast_to(stage.link, size).copy(), format="csr")
        joined[pre, post] = {stage.link_steps: link}
    return joined


def _times(matrix: Any, rows: Any) -> Any:
    """Each row times its factor; what is stored stays stored, so that a full matrix stays full."""
    import scipy.sparse

    matrix = scipy.sparse.csr_array(matrix)
    factors = np.repeat(np.broadcast_to(rows, matrix.shape[0]), np.diff(matrix.indptr))
    return scipy.sparse.csr_array((matrix.data * factors, matrix.indices, matrix.indptr), shape=matrix.shape)


def _back_edges(flat: Flat, edges: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Edges of loops that go to a population that comes no later, counted by its distance from the inputs."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    names = sorted({name for edge in edges for name in edge})
    place = {name: k for k, name in enumerate(names)}
    if not names:
        return set()
    pairs = np.array([(place[pre], place[post]) for pre, post in sorted(edges)])
    shape = len(names), len(names)
    _, loops = connected_components(coo_array((np.ones(len(pairs)), pairs.T), shape=shape), connection="strong")
    rank, wave = {name: 0 for name in flat.inputs}, list(flat.inputs)
    while wave:
        wave = sorted({post for pre, post in edges if pre in wave and post not in rank})
        rank |= {name: max(rank.values(), default=0) + 1 + k for k, name in enumerate(wave)}
    last = len(names) + len(rank)
    order = {name: rank.get(name, last + place[name]) for name in names}
    return {(a, b) for a, b in edges if loops[place[a]] == loops[place[b]] and order[a] >= order[b]}


def _typed(weights: Any, dtype: Any) -> Any:
    if isinstance(weights, np.ndarray):
        return weights.astype(dtype)
    return weights._replace(weights=weights.weights.astype(dtype))
