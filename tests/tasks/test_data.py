"""Tasks: the right data, disjoint splits, an order that depends on the seed alone, damage that is named."""

import gzip
import http.server
import os
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from neuro.seeds import child
from tasks import SEQUENCES, TASKS, digits, mnist
from tasks.base import DataError, Split, split_off, stream
from tasks.download import download, sha256

REAL = Path(os.environ.get("NEURO_DATA", "/nonexistent")) / "mnist"
needs_mnist = pytest.mark.skipif(not REAL.exists(), reason="real MNIST is not in $NEURO_DATA")
needs_cifar10 = pytest.mark.skipif(not (REAL.parent / "cifar10").exists(), reason="real CIFAR-10 is not in $NEURO_DATA")
needs = {"mnist": needs_mnist, "cifar10": needs_cifar10}


def idx(array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def fake_mnist(tmp_path, monkeypatch):
    """A small MNIST with true checksums, in the layout of the real one."""
    rng = np.random.default_rng(0)
    monkeypatch.setenv("NEURO_DATA", str(tmp_path))
    files = {}
    for part, file in mnist.FILES.items():
        n = 7000 if part.startswith("train") else 50
        array = rng.integers(0, 256, (n, 28, 28)) if part.endswith("images") else np.arange(n) % 10
        data = idx(array)
        path = tmp_path / "mnist" / f"{file.name}.gz"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(data))
        files[part] = file._replace(sha256=sha256(data))
    monkeypatch.setattr(mnist, "FILES", files)
    monkeypatch.setattr(mnist, "MIRRORS", ("http://127.0.0.1:9/",))  # nobody answers there
    return tmp_path / "mnist"


# Of events: test_nmnist.py, test_event_splits.py, test_shd.py. Images of them: test_event_images.py.
# Sequences: test_continual_tasks.py.
EVENTS = {"nmnist", "nmnist-saccades", "nmnist-frames", "nmnist-saccades-frames", "shd", "ssc", "fsdd"}
STATIC = [name for name in TASKS if name not in SEQUENCES and name not in EVENTS]


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs[name]) if name in needs else name for name in STATIC])
def test_splits_share_no_sample_and_lie_in_range(name):
    task = TASKS[name]()
    splits = task.train, task.val, task.test
    for split in splits:
        inputs = split.batch(np.arange(len(split.labels))[:1000]).inputs
        assert inputs.dtype == torch.float32 and 0 <= inputs.min() and inputs.max() <= 1
        assert set(np.unique(split.labels)) == set(range(task.problem.n_classes))
        assert split.inputs.shape == (len(split.labels), task.problem.n_inputs)
    rows = [{row.tobytes() for row in split.inputs} for split in splits]
    assert not rows[0] & rows[1] and not rows[0] & rows[2] and not rows[1] & rows[2]


def test_digits_are_all_there():
    task = digits.load()
    assert [len(s.labels) for s in (task.train, task.val, task.test)] == [1287, 150, 360]


@needs_mnist
def test_mnist_is_the_official_one():
    task = mnist.load()
    assert [len(s.labels) for s in (task.train, task.val, task.test)] == [54_000, 6_000, 10_000]
    assert task.test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert abs(np.concatenate([task.train.inputs, task.val.inputs]).mean() - 0.1307) < 5e-5  # the well-known mean


def test_idx_round_trip():
    array = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    np.testing.assert_array_equal(mnist.parse_idx(idx(array), "x"), array)


@pytest.mark.parametrize(
    "data", [b"", b"\0\0\x08", b"\0\0\x0d\x01\0\0\0\x01a", idx(np.zeros((3, 4)))[:-1], b"\0\0\x08\x03\0\0"]
)
def test_damaged_idx_is_refused(data):
    with pytest.raises(DataError):
        mnist.parse_idx(data, "x")


def test_loads_gzipped_and_plain(fake_mnist):
    task = mnist.load()
    assert [len(s.labels) for s in (task.train, task.val, task.test)] == [1000, 6000, 50]
    packed = fake_mnist / "t10k-labels-idx1-ubyte.gz"
    packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    np.testing.assert_array_equal(mnist.load().test.labels, task.test.labels)


@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "text"])
def test_every_damage_to_a_file_is_found_and_named(fake_mnist, harm):
    path = fake_mnist / "train-images-idx3-ubyte.gz"
    data = bytearray(path.read_bytes())
    if harm == "cut":
        data = data[: len(data) // 2]
    elif harm == "flip":
        raw = bytearray(gzip.decompress(data))
        raw[5000] ^= 1
        data = gzip.compress(bytes(raw))
    else:
        data = b"" if harm == "empty" else b"<html>not found</html>"
    path.write_bytes(bytes(data))
    with pytest.raises(DataError, match=r"train-images.*neuro data get mnist"):
        mnist.load()


def test_missing_data_offline_says_where_and_what_to_do(fake_mnist):
    (fake_mnist / "t10k-images-idx3-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"NEURO_DATA") as error:
        mnist.load()
    assert str(fake_mnist) in str(error.value) and "neuro data get mnist" in str(error.value)


class _Server(http.server.BaseHTTPRequestHandler):
    content = bytes(range(256)) * 4096
    ranges: list[str] = []
    most = 10**9  # bytes until the connection breaks

    def do_GET(self):
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        type(self).ranges.append(self.headers.get("Range", "whole"))
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(self.content) - start))
        self.end_headers()
        self.wfile.write(self.content[start:][: self.most])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def served(monkeypatch):
    """The address of a file."""
    monkeypatch.setattr(_Server, "ranges", [])
    server = http.server.HTTPServer(("127.0.0.1", 0), _Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/file"
    server.shutdown()
    server.server_close()


def test_download_goes_on_where_it_stopped(tmp_path, served):
    (tmp_path / "file.part").write_bytes(_Server.content[:100_000])
    download(("http://127.0.0.1:9/dead", served), tmp_path / "file", len(_Server.content))
    assert (tmp_path / "file").read_bytes() == _Server.content
    assert _Server.ranges == ["bytes=100000-"]
    download((served,), tmp_path / "again", len(_Server.content))
    assert (tmp_path / "again").read_bytes() == _Server.content and _Server.ranges[-1] == "whole"


def test_a_download_that_breaks_off_again_is_not_taken_for_whole(tmp_path, served, monkeypatch):
    monkeypatch.setattr(_Server, "most", 400_000)
    for reached in (400_000, 800_000):
        with pytest.raises(DataError, match=f"{reached} of {len(_Server.content)} bytes; call again"):
            download((served,), tmp_path / "file", len(_Server.content))
    download((served,), tmp_path / "file", len(_Server.content))
    assert (tmp_path / "file").read_bytes() == _Server.content


def numbered(n):
    return Split(np.arange(n, dtype=np.float32)[:, None], np.arange(n))


def test_each_pass_shows_every_sample_once_in_a_new_order():
    seen = np.concatenate([batch.labels.numpy() for _, batch in stream(numbered(50), 150, 7, seed=1)])
    passes = seen.reshape(3, 50)
    for order in passes:
        assert sorted(order) == list(range(50))
    assert not np.array_equal(passes[0], passes[1])


@pytest.mark.parametrize("batch_size", [1, 7, 50, 64, 200])
def test_order_depends_on_the_seed_alone_and_can_be_entered_anywhere(batch_size):
    def order(size, seed, start=0):
        return np.concatenate([b.labels.numpy() for _, b in stream(numbered(50), 150, size, seed, start)])

    whole = order(150, seed=1)
    np.testing.assert_array_equal(order(batch_size, seed=1), whole)
    np.testing.assert_array_equal(order(batch_size, seed=1, start=77), whole[77:])
    assert not np.array_equal(order(batch_size, seed=2), whole)


def test_split_off_is_a_partition():
    rest, held = split_off(numbered(100), 30, 0, "x")
    assert len(held.labels) == 30 and sorted([*rest.labels, *held.labels]) == list(range(100))


def test_children_of_a_seed_are_independent_and_stable():
    draws = [child(0, *names).random(4).tolist() for names in (("a",), ("b",), ("a", 1), ())]
    assert len({tuple(draw) for draw in draws}) == 4
    assert child(0, "a").random(4).tolist() == draws[0] != child(1, "a").random(4).tolist()
