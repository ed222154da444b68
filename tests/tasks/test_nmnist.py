"""N-MNIST: files are read event for event, from folders and zips alike; damage and absence are named."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tasks import nmnist
from tasks.base import DataError

SAMPLE = Path(os.environ.get("NEURO_DATA", "/nonexistent")) / "nmnist" / "sample_nmnist.bin"


def read_slowly(data):
    """The format, read from its description bit by bit: (microseconds, x, y, polarity) of each event."""
    found = []
    for first in range(0, len(data), 5):
        bits = "".join(f"{byte:08b}" for byte in data[first : first + 5])
        found.append((int(bits[17:], 2), int(bits[:8], 2), int(bits[8:16], 2), int(bits[16])))
    return found


def written(events):
    """Bytes of (microseconds, x, y, polarity), from the description."""
    return b"".join(
        int(f"{x:08b}{y:08b}{polarity:b}{time:023b}", 2).to_bytes(5, "big") for time, x, y, polarity in events
    )


def drawn(seed, n):
    rng = np.random.default_rng(seed)
    times = np.sort(rng.integers(0, 315_000, n))
    return [(int(t), int(rng.integers(34)), int(rng.integers(34)), int(rng.integers(2))) for t in times]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """20 recordings for training, 2 of each class, 10 for the test; 4 held out."""
    monkeypatch.setenv("NEURO_DATA", str(tmp_path))
    monkeypatch.setenv("NEURO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(nmnist, "N_FILES", {"Train": 20, "Test": 10})
    monkeypatch.setattr(nmnist, "N_HELD", 4)
    for part, n in nmnist.N_FILES.items():
        for number in range(n):
            path = tmp_path / "nmnist" / part / str(number % 10) / f"{number + 1:05}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(written(drawn(number + 100 * (part == "Test"), 5 + number)))
    return tmp_path / "nmnist"


def zipped(home):
    """The same as official zips."""
    for part in nmnist.N_FILES:
        with zipfile.ZipFile(home / f"{part}.zip", "w") as files:
            files.writestr(f"{part}/", "")
            for path in sorted((home / part).glob("*/*.bin")):
                files.write(path, f"{part}/{path.parent.name}/{path.name}")
        (home / part).rename(home / f"{part}_unpacked")


@pytest.mark.skipif(not SAMPLE.exists(), reason="no recording of N-MNIST in $NEURO_DATA/nmnist")
def test_a_real_recording_is_read_event_for_event():
    data = SAMPLE.read_bytes()
    times_us, units = nmnist.parse(data, SAMPLE.name)
    expected = read_slowly(data)
    assert len(times_us) == len(expected) == 4325
    assert expected[0] == (654, 7, 15, 1) and expected[-1][0] == 311_175
    y, x = np.divmod(units % 34**2, 34)
    found = zip(times_us.tolist(), x.tolist(), y.tolist(), (units // 34**2).tolist(), strict=True)
    assert list(found) == expected


@pytest.mark.parametrize("is_zip", [False, True])
def test_every_event_arrives_in_the_task(home, is_zip):
    if is_zip:
        zipped(home)
    task = nmnist.load()
    assert [len(split.labels) for split in (task.train, task.val, task.test)] == [16, 4, 10]
    assert task.problem.n_inputs == 2312 and task.problem.n_classes == 10
    assert task.problem.n_steps * task.problem.dt == 315.0
    for split, seed in ((task.train, 0), (task.val, 0), (task.test, 100)):
        events = split.batch(np.arange(len(split.labels))).inputs
        for row, label in enumerate(split.labels):
            sample = events.sample(row)
            number = len(sample.times) - 5  # sizes tell recordings apart
            expected = drawn(number + seed, 5 + number)
            assert label == number % 10
            np.testing.assert_allclose(sample.times, [t / 1000.0 for t, *_ in expected], rtol=1e-15)
            assert sample.units.tolist() == [p * 1156 + y * 34 + x for _, x, y, p in expected]


def test_folders_and_zips_are_the_same_and_are_read_once(home, monkeypatch):
    unpacked = nmnist.load()
    zipped(home)
    packed = nmnist.load()
    for one, other in ((unpacked.train, packed.train), (unpacked.test, packed.test)):
        np.testing.assert_array_equal(one.labels, other.labels)
        rows = np.arange(len(one.labels))
        for a, b in zip(one.batch(rows).inputs, other.batch(rows).inputs, strict=True):
            np.testing.assert_array_equal(a, b)
    monkeypatch.setattr(nmnist, "parse", None)  # must not be called again
    np.testing.assert_array_equal(nmnist.load().train.labels, packed.train.labels)
    (home / "Test.zip").unlink()
    (home / "Test_unpacked").rename(home / "Test")
    (home / "Test" / "3" / "00004.bin").write_bytes(written(drawn(7, 99)))
    with pytest.raises(TypeError):  # a file has changed, so the cache does not answer
        nmnist.load()


def test_events_out_of_order_are_sorted_and_ties_keep_the_order_of_the_file():
    times_us, units = nmnist.parse(written([(7, 1, 0, 0), (3, 5, 0, 1), (7, 0, 0, 0)]), "x")
    assert times_us.tolist() == [3, 7, 7] and units.tolist() == [1156 + 5, 1, 0]
    assert nmnist.parse(written([(2**23 - 1, 33, 33, 1)]), "x")[0].tolist() == [2**23 - 1]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "cut off: 0 bytes"),
        (written(drawn(0, 9))[:-2], "cut off: 43 bytes"),
        (written([(1, 3, 3, 0), (2, 34, 3, 0)]), "event 1 lies at x = 34, y = 3"),
        (written([(1, 3, 200, 0)]), "event 0 lies at x = 3, y = 200"),
    ],
)
def test_damaged_recordings_are_named(home, data, message):
    (home / "Test" / "2" / "00003.bin").write_bytes(data)
    with pytest.raises(DataError, match=message) as error:
        nmnist.load()
    assert "00003.bin" in str(error.value) and nmnist.SITE in str(error.value)
    assert [path.name for path in (home.parent / "cache").iterdir() if "test" in path.name] == []  # nothing half done


def test_missing_and_incomplete_data_say_what_to_do(home):
    (home / "Train" / "1" / "00002.bin").unlink()
    with pytest.raises(DataError, match="19 recordings, not 20"):
        nmnist.load()
    for path in home.glob("*/*/*.bin"):
        path.unlink()
    for path in (*home.glob("*/*"), *home.glob("*")):
        path.rmdir()
    with pytest.raises(DataError, match="nmnist-saccades") as error:
        nmnist.load()
    assert str(home) in str(error.value) and nmnist.SITE in str(error.value)
    assert len(nmnist.status()) == 1 and "nmnist-saccades" in nmnist.status()[0]
    (home / "Train.zip").write_bytes(b"<html>not found</html>")
    with pytest.raises(DataError, match="damaged or cut off"):
        nmnist.load()


def test_a_damaged_cache_is_named(home):
    nmnist.load()
    (folder,) = (path for path in (home.parent / "cache").iterdir() if "train" in path.name)
    (folder / "units").write_bytes(b"12")
    with pytest.raises(DataError, match="remove .*nmnist_train_"):
        nmnist.load()


def test_an_interrupt_leaves_no_cache(home, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(nmnist, "parse", interrupted)
    with pytest.raises(KeyboardInterrupt):
        nmnist.load()
    assert list((home.parent / "cache").iterdir()) == []
