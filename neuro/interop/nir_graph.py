"""The structure of a NIR graph: graphs within graphs laid flat, shapes of all nodes, and what reaches every neuron.

A signal is what a node sends, as a sum over populations and delays of M(population, delay) times what they sent, plus a
constant. Linear nodes are multiplied into it, so that only neurons are left.

References: pedersen2024.
"""

import graphlib
import math
from typing import Any, NamedTuple

import nir
import numpy as np
from numpy.typing import NDArray

from neuro import memory
from neuro.interop.nir_linear import LINEAR, Shape, delay_s, matrix, shape_after
from neuro.interop.nir_neurons import NEURONS, own_shape
from neuro.units import steps

DEEPEST = 32  # graphs within graphs


class Flat(NamedTuple):
    """Nodes by name, those that send to each, shapes of what they send. inputs, outputs: of the outermost graph."""

    nodes: dict[str, Any]
    before: dict[str, list[str]]
    shapes: dict[str, Shape]
    inputs: list[str]
    outputs: list[str]

    def size(self, name: str) -> int:
        return math.prod(self.shapes[name])


class Signal(NamedTuple):
    """parts: (population, steps of delay) -> matrix, rows: what arrives, columns: neurons. constant: of each row."""

    parts: dict[tuple[str, int], Any]
    constant: NDArray[np.float64]


class NodeError(ValueError):
    """Something that is wrong with one node, or cannot be represented."""

    def __init__(self, name: str, node: Any, problem: object):
        super().__init__(f"node {name!r} ({type(node).__name__}): {problem}")


def flatten(graph: nir.NIRGraph) -> Flat:
    """Lay a graph flat and find the shape of every node. ValueError names the node that makes no sense."""
    nodes, edges = _laid_flat(graph, "", 0)
    before: dict[str, list[str]] = {name: [] for name in nodes}
    for pre, post in edges:
        if post not in nodes or pre not in nodes:
            raise ValueError(f"edge {pre!r} -> {post!r}: there is no such node; nodes are {', '.join(sorted(nodes))}")
        if pre in before[post]:
            raise ValueError(f"edge {pre!r} -> {post!r} appears twice; leave one out, or double the weights")
        before[post].append(pre)
    for name, node in nodes.items():
        if not isinstance(node, NEURONS + LINEAR):
            raise NodeError(name, node, "there is no such model here")
        if not before[name] and not isinstance(node, nir.Input):
            raise NodeError(name, node, "nothing reaches it; add an edge, or an Input")
    nodes = _by_distance(nodes, before)
    inputs = [name for name, node in nodes.items() if isinstance(node, nir.Input) and not before[name]]
    outputs = [name for name, node in graph.nodes.items() if isinstance(node, nir.Output)]
    flat = Flat(nodes, before, _shapes(nodes, before), inputs, outputs)
    for name, shape in flat.shapes.items():
        remedy = "it is damaged, or for a larger machine"
        memory.demand(64.0 * flat.size(name), f"node {name!r} of shape {shape} needs", remedy)
    return flat


def _by_distance(nodes: dict[str, Any], before: dict[str, list[str]]) -> dict[str, Any]:
    """Nodes in the order of their distance from the inputs; a file has them by name."""
    wave = [name for name, node in nodes.items() if isinstance(node, nir.Input) and not before[name]]
    ordered: dict[str, Any] = {}
    while wave:
        ordered |= {name: nodes[name] for name in wave}
        reached = set(wave)
        wave = [name for name in nodes if name not in ordered and reached & set(before[name])]
    return ordered | {name: node for name, node in nodes.items() if name not in ordered}


def _laid_flat(graph: nir.NIRGraph, prefix: str, depth: int) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    if depth > DEEPEST:
        raise ValueError(f"graph {prefix!r} lies {depth} graphs deep; at most {DEEPEST} are read")
    nodes: dict[str, Any] = {}
    edges = [(prefix + str(pre), prefix + str(post)) for pre, post in graph.edges]
    for name, node in graph.nodes.items():
        if not isinstance(node, nir.NIRGraph):
            nodes[prefix + name] = node
            continue
        inner, inside = _laid_flat(node, f"{prefix}{name}/", depth + 1)
        entry, leave = (_only(node, f"{prefix}{name}", kind) for kind in (nir.Input, nir.Output))
        edges = [(leave if a == prefix + name else a, entry if b == prefix + name else b) for a, b in edges]
        nodes, edges = nodes | inner, edges + inside
    return nodes, edges


def _only(graph: nir.NIRGraph, name: str, kind: Any) -> str:
    found = [inner for inner, node in graph.nodes.items() if isinstance(node, kind)]
    if len(found) != 1:
        raise ValueError(f"graph {name!r} inside another has {len(found)} {kind.__name__} nodes; one is understood")
    return f"{name}/{found[0]}"


def _shapes(nodes: dict[str, Any], before: dict[str, list[str]]) -> dict[str, Shape]:
    """Found from the inputs on; where a loop has no other hint, a single parameter is a single neuron."""
    shapes: dict[str, Shape] = {}
    for alone in (False, True):
        progress = True
        while progress:
            progress = False
            for name in nodes.keys() - shapes.keys():
                found = _shape(name, nodes[name], [shapes[pre] for pre in before[name] if pre in shapes], alone)
                if found is not None:
                    shapes[name], progress = found, True
    missing = sorted(nodes.keys() - shapes.keys())
    if missing:
        raise NodeError(missing[0], nodes[missing[0]], "its shape follows from nothing; connect it to an Input")
    return shapes


def _shape(name: str, node: Any, arriving: list[Shape], alone: bool) -> Shape | None:
    first = arriving[0] if arriving else None
    if isinstance(node, NEURONS):
        return own_shape(node) or first or ((1,) if alone else None)
    try:
        if isinstance(node, nir.Input) and arriving or isinstance(node, nir.Output):
            return first
        found = shape_after(node, first)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError) as error:
        raise NodeError(name, node, error) from None
    return found


def arriving(flat: Flat, dt: float) -> dict[str, Signal]:
    """What reaches each neuron, and each output. dt: ms."""
    linear = {name for name, node in flat.nodes.items() if not isinstance(node, NEURONS) and flat.before[name]}
    order = graphlib.TopologicalSorter({name: [b for b in flat.before[name] if b in linear] for name in linear})
    try:
        names = list(order.static_order())
    except graphlib.CycleError as error:
        raise ValueError(f"nodes {' -> '.join(error.args[1])} are a loop without a neuron; put one into it") from None
    sent: dict[str, Signal] = {}
    for name in names:
        try:
            sent[name] = _through(flat, name, _sum(flat, name, sent), dt)
        except (ValueError, TypeError, AttributeError, IndexError, OverflowError) as error:
            raise error if isinstance(error, NodeError) else NodeError(name, flat.nodes[name], error) from None
    neurons = [name for name, node in flat.nodes.items() if isinstance(node, NEURONS)]
    return {name: _sum(flat, name, sent) for name in neurons} | {name: sent[name] for name in flat.outputs}


def _sum(flat: Flat, name: str, sent: dict[str, Signal]) -> Signal:
    """What the nodes before a node send, added up."""
    import scipy.sparse

    node = flat.nodes[name]
    own = flat.size(name) if isinstance(node, NEURONS) else flat.size(flat.before[name][0])
    parts: dict[tuple[str, int], Any] = {}
    constant = np.zeros(own)
    for pre in flat.before[name]:
        if flat.size(pre) != own:
            raise NodeError(name, node, f"{pre!r} sends shape {flat.shapes[pre]}, but {own} units are needed")
        signal = sent.get(pre) or Signal({(pre, 0): scipy.sparse.eye_array(own, format="csr")}, np.zeros(own))
        constant = constant + signal.constant
        for key, part in signal.parts.items():
            parts[key] = parts[key] + part if key in parts else part
    return Signal(parts, constant)


def _through(flat: Flat, name: str, signal: Signal, dt: float) -> Signal:
    """What a linear node sends."""
    node, before = flat.nodes[name], flat.shapes[flat.before[name][0]]
    if isinstance(node, nir.Delay):
        return _delayed(node, name, signal, dt)
    if isinstance(node, nir.Input | nir.Output | nir.Flatten):
        return signal
    if isinstance(node, nir.Conv1d | nir.Conv2d) and node.input_shape is not None:
        said = tuple(int(n) for n in np.ravel(node.input_shape))
        if said != before[1:]:
            raise ValueError(f"input_shape is {said}, but shape {before} comes in")
    m, bias = matrix(node, before)
    parts = {}
    for key, part in signal.parts.items():
        is_identity = part.shape[0] == part.shape[1] == part.nnz and (part.indices == np.arange(part.nnz)).all()
        parts[key] = m if is_identity and (part.data == 1.0).all() else m @ part
    return Signal(parts, m @ signal.constant + bias)


def _delayed(node: nir.Delay, name: str, signal: Signal, dt: float) -> Signal:
    import scipy.sparse

    delays_ms = delay_s(node, len(signal.constant)) * 1000.0
    parts: dict[tuple[str, int], Any] = {}
    for delay in np.unique(delays_ms):
        more = steps(round(float(delay), 9), dt, "delay")
        chosen = scipy.sparse.diags_array((delays_ms == delay).astype(float), format="csr")
        if more >= 2**16:
            raise ValueError(f"delay {delay:g} ms is longer than {2**16 - 1} steps of {dt:g} ms")
        for (population, before), part in signal.parts.items():
            selected = (chosen @ part).tocsr()
            selected.eliminate_zeros()  # rows of other delays; connections of weight 0 go too
            key = (population, before + more)
            parts[key] = parts[key] + selected if key in parts else selected
    return Signal(parts, signal.constant)
