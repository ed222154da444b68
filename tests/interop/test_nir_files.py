"""Damaged and hostile NIR files end in one clear ValueError, and nothing in them is run."""

import ast
import copy
import inspect
from pathlib import Path

import h5py
import nir
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuro.interop import nir_file
from neuro.interop.nir import from_nir, read_nir, write_graph


def cases(n):
    return settings(max_examples=n, deadline=None, database=None)


def graph():
    """A node of every kind that is written often."""
    n = 4
    nodes = {
        "in": nir.Input({"input": np.array([1, 4, 4])}),
        "conv": nir.Conv2d((4, 4), np.ones((2, 1, 3, 3)), 1, 1, 1, 1, np.zeros(2)),
        "pool": nir.SumPool2d(*(np.array(x) for x in ([2, 2], [2, 2], [0, 0]))),
        "flat": nir.Flatten({"input": np.array([2, 2, 2])}, 0, -1),
        "w": nir.Affine(np.ones((n, 8)), np.zeros(n)),
        "lif": nir.LIF(*(np.full(n, x) for x in (0.01, 1.0, 0.0, 1.0))),
        "delay": nir.Delay(np.full(n, 1e-3)),
        "rec": nir.Linear(np.ones((n, n))),
        "cuba": nir.CubaLIF(*(np.full(n, x) for x in (0.01, 0.02, 1.0, 0.0, 1.0))),
        "out": nir.Output({"output": np.array([n])}),
    }
    chain = ["in", "conv", "pool", "flat", "w", "lif", "cuba", "out"]
    edges = [*zip(chain[:-1], chain[1:], strict=True), ("lif", "delay"), ("delay", "rec"), ("rec", "lif")]
    return nir.NIRGraph(nodes, edges, type_check=False)


def small():
    """Few nodes, since HDF5 takes its time."""
    nodes = {name: graph().nodes[name] for name in ("lif", "rec", "out")} | {"in": nir.Input({"input": np.array([4])})}
    return nir.NIRGraph(nodes, [("in", "lif"), ("lif", "rec"), ("rec", "lif"), ("lif", "out")], type_check=False)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("nir") / "whole.nir"
    write_graph(small(), path)
    read_nir(path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("broken") / "net.nir"


def reads_or_says(path):
    """A network, or a ValueError that names the file, in a few words."""
    try:
        read_nir(path)
    except ValueError as error:
        assert str(path) in str(error) and len(str(error)) < 1500


@cases(250)
@given(data=st.data())
def test_truncated_files(whole, place, data):
    place.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    reads_or_says(place)


@cases(250)
@given(data=st.data())
def test_flipped_bits(whole, place, data):
    damaged = bytearray(whole)
    for bit in data.draw(st.lists(st.integers(0, 8 * len(whole) - 1), min_size=1, max_size=8)):
        damaged[bit // 8] ^= 1 << bit % 8
    place.write_bytes(damaged)
    reads_or_says(place)


# What a file holds, as its reader hands it on; damaged here, since writing a file takes longer than all the rest.

FIELDS = graph().to_dict()


def runs_or_says(values):
    """A network, or a ValueError in a few words; what `read_nir` does with what it found in a file."""
    try:
        from_nir(nir_file.node_of(values, "node"))
    except ValueError as error:
        assert 10 < len(str(error)) < 1500


def test_the_fields_are_those_of_a_file(tmp_path):
    write_graph(graph(), tmp_path / "net.nir")
    assert len(read_nir(tmp_path / "net.nir").net.projections) == 3
    assert len(from_nir(nir_file.node_of(copy.deepcopy(FIELDS), "node")).net.projections) == 3


VALUES = st.one_of(
    st.just(np.array([])),
    st.just(np.zeros((3, 0))),
    st.just(np.array(np.nan)),
    st.just(np.array([np.inf, 1.0])),
    st.just("text"),
    st.just(np.array(1 + 2j)),
    st.just(np.array([True, False])),
    st.just(np.array([2**62])),
    st.just(np.array([-1, -1])),
    st.builds(lambda shape, x: np.full(shape, x), st.lists(st.integers(1, 5), max_size=5), st.floats(width=32)),
    st.builds(
        lambda shape, x: np.full(shape, x), st.lists(st.integers(1, 5), max_size=3), st.integers(-(2**40), 2**40)
    ),
)


@cases(400)
@given(data=st.data())
def test_fields_of_wrong_shapes_types_and_sizes(data):
    """One to three fields are replaced, removed, or added; the type of a node is a field too."""
    values = copy.deepcopy(FIELDS)
    places = [(name, field) for name, node in FIELDS["nodes"].items() for field in node]
    for name, field in data.draw(st.lists(st.sampled_from(places), min_size=1, max_size=3, unique=True)):
        node = values["nodes"][name]
        what = data.draw(st.sampled_from(["replace", "replace", "remove", "rename", "type", "whole"]))
        if what == "replace":
            node[field] = data.draw(VALUES)
        elif what == "remove":
            node.pop(field, None)
        elif what == "rename":
            node[field + "_"] = data.draw(VALUES)
        elif what == "type":
            node["type"] = data.draw(st.sampled_from(["LIF", "NIRGraph", "Conv2d", "IF", "NIRNode", "__import__", ""]))
        else:
            values["nodes"][name] = data.draw(VALUES)
            break
    runs_or_says(values)


@cases(300)
@given(data=st.data())
def test_edges_that_are_missing_wrong_or_too_many(data):
    names = st.sampled_from([*FIELDS["nodes"], "nowhere", "", "a/b", "ä"])
    dropped = data.draw(st.sets(st.integers(0, 20)))
    kept = [edge for k, edge in enumerate(FIELDS["edges"]) if k not in dropped]
    edges = kept + data.draw(st.lists(st.tuples(names, names), max_size=4))
    given_as = data.draw(st.sampled_from(["text", "bytes", "numbers", "none", "flat"]))
    array = np.array([[a.encode(), b.encode()] for a, b in edges], dtype=object)
    forms = {"text": edges, "bytes": array, "numbers": np.ones((3, 2)), "none": None, "flat": array.ravel()}
    runs_or_says(copy.deepcopy(FIELDS) | {"edges": forms[given_as]})


def changed(path, change):
    write_graph(graph(), path)
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def huge(file):
    del file["node/nodes/w/weight"]
    file["node/nodes/w"].create_dataset("weight", shape=(2**30, 2**20), dtype="f8", chunks=(1024, 1024))


def elsewhere(file):
    del file["node/nodes/w/weight"]
    file["node/nodes/w"].create_dataset("weight", (4, 8), "f8", external=[("/etc/hostname", 0, 256)])


def virtual(file):
    del file["node/nodes/w/weight"]
    layout = h5py.VirtualLayout((4, 8), "f8")
    layout[:] = h5py.VirtualSource("other.h5", "x", (4, 8))
    file["node/nodes/w"].create_virtual_dataset("weight", layout)


def linked(file):
    del file["node/nodes/w"]
    file["node/nodes/w"] = h5py.ExternalLink("/etc/other.h5", "/")


def endless(file):
    file["node/nodes/w/again"] = file["node"]


def unknown(file):
    del file["node/nodes/w/type"]
    file["node/nodes/w/type"] = "Sigmoid"


HOSTILE = {
    "more than memory": (huge, "GiB"),
    "numbers of another file": (elsewhere, "another file"),
    "a view of another file": (virtual, "another file"),
    "a link to another file": (linked, "is a link"),
    "a group inside itself": (endless, "groups deep"),
    "an unknown node": (unknown, "unknown type"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_are_refused(tmp_path, case):
    change, word = HOSTILE[case]
    path = tmp_path / "net.nir"
    with pytest.raises(ValueError) as error:
        read_nir(changed(path, change))
    assert str(path) in str(error.value) and word in str(error.value)


@pytest.mark.parametrize("value", ["text", np.array([1.0, 2.0]), np.nan, -1.0])
def test_metadata_that_makes_no_sense_is_refused(value):
    damaged = graph()
    damaged.metadata = {"neuro": {"dt": value}}
    with pytest.raises(ValueError, match="dt"):
        from_nir(damaged)


def test_a_shape_beyond_all_memory_is_refused():
    nodes = {
        "in": nir.Input({"input": np.array([2**31, 2**20])}),
        "s": nir.Scale(np.array(2.0)),
        "out": nir.Output(None),
    }
    with pytest.raises(ValueError, match="'in' of shape .* needs .* GiB"):
        from_nir(nir.NIRGraph(nodes, [("in", "s"), ("s", "out")], type_check=False))


def test_a_missing_file_and_a_node_alone(tmp_path):
    with pytest.raises(ValueError, match="is no file"):
        read_nir(tmp_path / "nothing.nir")
    nir.write(tmp_path / "node.nir", nir.Linear(np.ones((2, 2))))
    with pytest.raises(ValueError, match="single Linear"):
        read_nir(tmp_path / "node.nir")


def test_the_reader_of_nir_loads_no_pickle_and_runs_nothing():
    """Its source imports nothing that does, and calls neither eval nor exec; nodes are made by a table of names."""
    names = set()
    for path in Path(inspect.getfile(nir)).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names |= {alias.name for alias in node.names} | {getattr(node, "module", None)}
            if isinstance(node, ast.Call):
                names.add(ast.unparse(node.func))
    assert not names & {
        "pickle",
        "dill",
        "cloudpickle",
        "joblib",
        "subprocess",
        "eval",
        "exec",
        "__import__",
        "os.system",
    }


def test_writing_is_whole_or_not_at_all(tmp_path):
    with pytest.raises(ValueError, match="cannot be written"):
        nir_file.write_graph(graph(), tmp_path / "nowhere" / "net.nir")
    write_graph(graph(), tmp_path / "net.nir")
    assert [path.name for path in tmp_path.iterdir()] == ["net.nir"]
