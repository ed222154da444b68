"""Spoken words as spikes: files of SHD's layout are read exactly, and damaged ones never as something else."""

import gzip
import io
import zipfile
from itertools import product

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import TASKS, shd
from tasks.base import DataError, data_dir
from tasks.spike_hdf5 import find, parse, unpacked

N_CHANNELS, N_CLASSES = 700, 10


def spikes(seed=0, n=12):
    """Times (s, of what float16 can hold) and channels of each recording, rising."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 60, n)
    times = [np.sort(rng.uniform(0.0, 1.2, size)).astype(np.float16) for size in sizes]
    return times, [rng.integers(0, N_CHANNELS, size).astype(np.uint16) for size in sizes]


def written(times, units, **changes):
    """The bytes of a file; changes: key -> array in place of what belongs there, or None to leave it out."""
    n = len(times)
    content = {"labels": np.arange(n) % N_CLASSES, "extra/speaker": np.arange(n) % 3}
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        for key, rows, dtype in (("spikes/times", times, np.float16), ("spikes/units", units, np.uint16)):
            if changes.get(key, rows) is not None:
                data = file.create_dataset(key, (n,), h5py.vlen_dtype(changes.get(f"{key} dtype", dtype)))
                for k, row in enumerate(rows):
                    data[k] = row
        for key, values in content.items():
            if changes.get(key, values) is not None:
                file.create_dataset(key, data=changes.get(key, values))
    return memory.getvalue()


def test_what_was_written_is_read():
    times, units = spikes()
    found = parse(written(times, units), "file", N_CHANNELS, N_CLASSES)
    np.testing.assert_array_equal(found.labels, np.arange(12) % N_CLASSES)
    np.testing.assert_array_equal(found.speakers, np.arange(12) % 3)
    for k in range(12):
        sample = found.events.take(np.array([k]))
        np.testing.assert_allclose(
            sample.times, 1000.0 * times[k].astype(float), rtol=0, atol=5.01e-4
        )  # whole microseconds
        np.testing.assert_array_equal(sample.units, units[k])


@pytest.mark.parametrize("suffix", [".h5", ".h5.gz", ".h5.zip"])
def test_every_packing_holds_the_same(tmp_path, suffix):
    data = written(*spikes())
    path = tmp_path / f"shd_train{suffix}"
    if suffix.endswith("zip"):
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("shd_train.h5", data)
    else:
        path.write_bytes(gzip.compress(data) if suffix.endswith("gz") else data)
    assert find(tmp_path, "shd_train") == path
    assert unpacked(path) == data


WRONG = {
    "a time before the start": (
        lambda t, u: t[3].__setitem__(0, np.float16(-0.5)),
        r"record 3: spike 0 has the time -0\.5",
    ),
    "a time that is no number": (
        lambda t, u: t[3].__setitem__(1, np.float16(np.nan)),
        r"record 3: spike 1 has the time nan",
    ),
    "a channel that does not exist": (
        lambda t, u: u[2].__setitem__(4, 700),
        r"record 2: spike 4 is of channel 700, of 700",
    ),
    "rows of two lengths": (lambda t, u: u.__setitem__(5, u[5][1:]), r"record 5: \d+ times \(float16\) and \d+ units"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_is_named_with_its_record(what):
    change, message = WRONG[what]
    rng = np.random.default_rng(0)
    times = [np.sort(rng.uniform(0.0, 1.0, 20)).astype(np.float16) for _ in range(8)]
    units = [rng.integers(0, 700, 20).astype(np.uint16) for _ in range(8)]
    change(times, units)
    with pytest.raises(DataError, match=rf"^a/file\.h5, {message}"):
        parse(written(times, units), "a/file.h5", N_CHANNELS, N_CLASSES)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": np.arange(12)}, r"record 10: label 10, of 10 classes"),
        ({"labels": np.arange(11)}, r"records that do not belong together: .*'labels': 11"),
        ({"labels": None}, r"has no 'labels'"),
        ({"labels": np.linspace(0, 1, 12)}, r"labels is float64 of shape \(12,\), not whole numbers"),
        ({"spikes/units": None}, r"has no 'spikes/units'"),
        ({"spikes/times dtype": np.int32}, r"record \d+: \d+ times \(int32\)"),
    ],
)
def test_a_file_of_another_layout_is_refused(changes, message):
    with pytest.raises(DataError, match=message):
        parse(written(*spikes(), **changes), "file", N_CHANNELS, N_CLASSES)


PACKED = gzip.compress(written(*spikes()), mtime=0)


@settings(max_examples=2000, deadline=None)
@given(st.data())
def test_a_damaged_file_is_never_read_as_another(tmp_path_factory, data):
    """Cut off, with bits turned over, with bytes that are others or in another order: an error, or what it was before
    (in bytes of the header that mean nothing)."""
    damaged = bytearray(PACKED)
    how = data.draw(st.sampled_from(["cut", "flip", "swap", "write"]))
    place = data.draw(st.integers(0, len(damaged) - 1))
    if how == "cut":
        del damaged[place:]
    elif how == "flip":
        damaged[place] ^= 1 << data.draw(st.integers(0, 7))
    elif how == "swap":
        other = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place], damaged[other] = damaged[other], damaged[place]
    else:
        damaged[place : place + 16] = data.draw(st.binary(min_size=16, max_size=16))
    path = tmp_path_factory.getbasetemp() / "shd_train.h5.gz"
    path.write_bytes(damaged)
    try:
        found = parse(unpacked(path), str(path), N_CHANNELS, N_CLASSES)
    except DataError as error:
        assert str(path) in str(error)
    else:
        wanted = parse(gzip.decompress(PACKED), "file", N_CHANNELS, N_CLASSES)
        for part, whole in zip(found.events, wanted.events, strict=True):
            np.testing.assert_array_equal(part, whole)
        np.testing.assert_array_equal(found.labels, wanted.labels)


@pytest.mark.parametrize(("entry", "size"), [(8, 0), *product(range(9), (2**64 - 32, 2**64 - 16, 2**20))])
def test_entries_of_a_heap_that_do_not_reach_its_end_are_refused(entry, size):
    """HDF5 reads for ever where an entry leads to itself or back: 8 rows, and the free space behind them."""
    damaged = bytearray(written(*spikes(n=4)))
    place = damaged.index(b"GCOL") + 16
    for _ in range(entry):
        place += 16 + (int.from_bytes(damaged[place + 8 : place + 16], "little") + 7) // 8 * 8
    assert (int.from_bytes(damaged[place : place + 2], "little") == 0) == (entry == 8)
    damaged[place + 8 : place + 16] = size.to_bytes(8, "little")
    with pytest.raises(DataError, match=f"file is damaged: byte {place} gives a size of {size}"):
        parse(bytes(damaged), "file", N_CHANNELS, N_CLASSES)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_unpacked_files_that_are_damaged_end_in_an_error_or_in_spikes(data):
    """Without a checksum a turned bit may be another number, but nothing crashes and nothing leaves its range."""
    damaged = bytearray(written(*spikes(n=4)))
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = parse(bytes(damaged), "file", N_CHANNELS, N_CLASSES)
    except DataError:
        return
    assert found.events.units.max(initial=0) < N_CHANNELS and found.labels.max() < N_CLASSES


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """SHD in small: 60 recordings of six speakers, 20 of others."""
    monkeypatch.setenv("NEURO_DATA", str(tmp_path))
    (tmp_path / "shd").mkdir()
    for part, n in (("train", 60), ("test", 20)):
        data = written(*spikes(n=n), **{"labels": np.arange(n) % 20, "extra/speaker": np.arange(n) % 6})
        (tmp_path / "shd" / f"shd_{part}.h5.gz").write_bytes(gzip.compress(data))


def test_nobody_is_heard_in_training_and_validation(corpus):
    task = TASKS["shd"]()
    assert (len(task.train.labels), len(task.val.labels), len(task.test.labels)) == (50, 10, 20)
    held = shd.read(shd.SHD, "train")
    val = {tuple(task.val.inputs.take(np.array([k])).times) for k in range(10)}
    speakers = {int(held.speakers[k]) for k in range(60) if tuple(held.events.take(np.array([k])).times) in val}
    assert len(speakers) == 1


def test_binning_adds_channels(corpus):
    whole, merged = shd.load(shd.SHD, channels=1, dt=1.0), shd.load(shd.SHD, channels=5, dt=10.0)
    assert (whole.problem.n_inputs, whole.problem.n_steps) == (700, 1400)
    assert (merged.problem.n_inputs, merged.problem.n_steps) == (140, 140)
    rows = np.arange(20)
    np.testing.assert_array_equal(merged.test.inputs.take(rows).units, whole.test.inputs.take(rows).units // 5)
    with pytest.raises(ValueError, match="channels = 3 do not divide the 700 channels"):
        shd.load(shd.SHD, channels=3)


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("NEURO_DATA", str(tmp_path))
    monkeypatch.setattr(shd, "MIRRORS", ("file:///nowhere/",))
    with pytest.raises(DataError, match=r"shd_train\.h5, \.h5\.gz or \.h5\.zip is not in .*`neuro data get shd`"):
        TASKS["shd"]()
    with pytest.raises(DataError, match=r"fsdd_train.*is not in .*set NEURO_DATA"):
        TASKS["fsdd"]()
    assert "missing" in shd.SHD.status()[0]


@pytest.mark.skipif(find(data_dir() / "fsdd", "fsdd_test") is None, reason="FSDD is not in NEURO_DATA")
def test_the_real_recordings():
    """300 of six speakers, 30 of each digit; about 10,300 spikes in each."""
    found = shd.read(shd.FSDD, "test")
    np.testing.assert_array_equal(np.bincount(found.labels), 30)
    np.testing.assert_array_equal(np.bincount(found.speakers), 50)
    assert found.events.counts.mean() == pytest.approx(10_122, abs=1)
    assert found.events.times_us.max() < 1_300_000
