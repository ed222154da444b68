"""Reading and writing NIR files, which are HDF5. A file is looked through before a number of it is read.

Nothing in such a file is code, and nothing of it is run: HDF5 holds numbers and text, and no pickle is ever loaded.
Refused are links to other files, data kept in other files, more numbers than fit into memory, and what is no graph.

References: pedersen2024. The file format: https://neuroir.org.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np

from neuro import memory
from neuro.files import write_whole

DEEPEST = 64  # groups within groups
MOST = 100_000  # groups and datasets


def read_graph(path: Path | str) -> nir.NIRGraph:
    """The graph in a file. ValueError names the file, and the node that is wrong."""
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} is no file; name a NIR file")
    try:
        with h5py.File(path, "r") as file:
            _look_through(file)
            root = file.get("node")
            if not isinstance(root, h5py.Group):
                raise ValueError("it has no group 'node'")
            graph = node_of(_values(root), "node")
    except ValueError as error:
        raise ValueError(f"{path} is no NIR graph that can be read: {error}") from None
    except Exception as error:  # HDF5 raises what it likes on a damaged file
        said = f"{type(error).__name__}: {error}"
        raise ValueError(f"{path} is damaged, or no NIR graph: {said[:300]}; export it again") from None
    if not isinstance(graph, nir.NIRGraph):
        raise ValueError(f"{path} holds a single {type(graph).__name__}, no graph; wrap it in nir.NIRGraph.from_list")
    return graph


def write_graph(graph: nir.NIRGraph, path: Path | str) -> None:
    """Write a file, whole or not at all."""
    temporary = Path(path).with_name(f".{Path(path).name}.{os.getpid()}.nir")
    try:
        nir.write(temporary, graph)
        write_whole(Path(path), temporary.read_bytes())
    except OSError as error:
        raise ValueError(f"{path} cannot be written: {error}") from None
    finally:
        temporary.unlink(missing_ok=True)


def _look_through(file: h5py.File) -> None:
    """Refuse what must not be read."""
    total, largest = 0, (0, "")
    for n_seen, (name, dataset) in enumerate(_datasets(file, "", 0)):
        if n_seen >= MOST:
            raise ValueError(f"it holds more than {MOST:,} datasets")
        if dataset.external or dataset.is_virtual:
            raise ValueError(f"{name!r} keeps its numbers in another file; write them into this one")
        kind = dataset.dtype.kind
        if kind not in "iufbSO" or (kind == "O" and h5py.check_string_dtype(dataset.dtype) is None):
            raise ValueError(f"{name!r} has type {dataset.dtype}; numbers or text are needed")
        size = math.prod(dataset.shape or (1,)) * max(dataset.dtype.itemsize, 8)
        total += size
        largest = max(largest, (size, name))
    memory.demand(
        4.0 * total, f"its numbers, most of them {largest[1]!r}, need", "it is damaged, or for a larger machine"
    )


def _datasets(group: h5py.Group, prefix: str, depth: int) -> Iterator[tuple[str, h5py.Dataset]]:
    if depth > DEEPEST:
        raise ValueError(f"{prefix!r} lies {depth} groups deep; at most {DEEPEST} are read")
    for key in group:
        name = f"{prefix}/{key}"
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            raise ValueError(f"{name!r} is a link; only numbers in the file itself are read")
        item = group[key]
        if isinstance(item, h5py.Group):
            yield from _datasets(item, name, depth + 1)
        elif isinstance(item, h5py.Dataset):
            yield name, item
        else:
            raise ValueError(f"{name!r} is neither a group nor a dataset")


def _values(group: h5py.Group) -> dict[str, Any]:
    """Groups as dicts, text as str, numbers as arrays."""
    found: dict[str, Any] = {}
    for key, item in group.items():
        value = _values(item) if isinstance(item, h5py.Group) else item[()]
        found[key] = value.decode("utf8") if isinstance(value, bytes) else value
    return found


def node_of(values: dict[str, Any], name: str) -> Any:
    """A node of `nir`, a graph too, from its fields. ValueError names what makes no sense."""
    kind = values.get("type")
    if not isinstance(kind, str):
        raise ValueError(f"node {name!r} has no type")
    if kind not in nir.ir.__all__ or kind in ("str2NIRNode", "dict2NIRNode"):
        raise ValueError(f"node {name!r} is of the unknown type {kind!r}; NIR {nir.version} has no such node")
    if kind == "NIRGraph":
        return _graph(values, name)
    fields = {key: value for key, value in values.items() if key != "metadata"}
    try:
        return nir.dict2NIRNode(fields)
    except Exception as error:  # assertions, missing and unknown fields, arithmetic with text
        said = f"{type(error).__name__}: {error}"
        raise ValueError(f"node {name!r} ({kind}) makes no sense: {said[:300]}") from None


def _graph(values: dict[str, Any], name: str) -> nir.NIRGraph:
    nodes, edges, about = values.get("nodes"), values.get("edges"), values.get("metadata", {})
    if not isinstance(nodes, dict) or not nodes:
        raise ValueError(f"graph {name!r} has no nodes")
    for key, value in nodes.items():
        if not isinstance(value, dict):
            raise ValueError(f"node {key!r} of graph {name!r} is no group of fields")
    pairs = np.asarray(edges)
    if edges is None or (pairs.size and (pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "OSU")):
        raise ValueError(f"graph {name!r} has no list of edges; pairs of names are needed")
    text = [(_text(a), _text(b)) for a, b in pairs.tolist()]
    inner = {key: node_of(value, key) for key, value in nodes.items()}
    return nir.NIRGraph(inner, text, metadata=about if isinstance(about, dict) else {}, type_check=False)


def _text(value: Any) -> str:
    return value.decode("utf8") if isinstance(value, bytes) else str(value)
