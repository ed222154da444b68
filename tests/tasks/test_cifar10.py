"""CIFAR-10: both formats are read as they were written, the official one first, and damage is named."""

import hashlib
import io
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tasks import cifar10
from tasks.base import DataError
from tasks.cifar10 import CLASSES, FILES

REAL = Path(os.environ.get("NEURO_DATA", "/nonexistent")) / "cifar10"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty data folder, no network, files of 20 images, 2 of each class, and 3 held out."""
    monkeypatch.setenv("NEURO_DATA", str(tmp_path))
    monkeypatch.setenv("NEURO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cifar10, "URL", "http://127.0.0.1:9/cifar-10-binary.tar.gz")  # nobody answers there
    monkeypatch.setattr(cifar10, "PER_FILE", 20)
    monkeypatch.setattr(cifar10, "N_HELD", 3)
    (tmp_path / "cifar10").mkdir()
    return tmp_path / "cifar10"


def pixels(name):
    return np.random.default_rng(len(name) + FILES.index(name)).integers(0, 256, (20, 3, 32, 32), np.uint8)


def binary(name):
    """A file of the official format, written from its description."""
    return b"".join(bytes([k % 10]) + image.tobytes() for k, image in enumerate(pixels(name)))


def write_archive(home, monkeypatch):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name in FILES:
            data = binary(name)
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    (home / "cifar-10-binary.tar.gz").write_bytes(buffer.getvalue())
    monkeypatch.setattr(cifar10, "ARCHIVE_SHA256", hashlib.sha256(buffer.getvalue()).hexdigest())


def write_zip(home, monkeypatch, quality=95):
    from PIL import Image

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as files:
        for part, n in (("test", 2), ("train", 10)):
            for place, kind in enumerate(CLASSES):
                for k in range(n):
                    grey = np.full((32, 32, 3), (20 * place, 10 * k, 100), np.uint8)
                    jpeg = io.BytesIO()
                    Image.fromarray(grey).save(jpeg, "JPEG", quality=quality)
                    files.writestr(f"{part}/{kind}/{k:04}.jpg", jpeg.getvalue())
    (home / "cifar10_jpeg.zip").write_bytes(buffer.getvalue())
    monkeypatch.setattr(cifar10, "JPEG_SHA256", hashlib.sha256(buffer.getvalue()).hexdigest())


def all_training(task):
    inputs, labels = (np.concatenate(parts) for parts in zip(task.train, task.val, strict=True))
    return {row.tobytes(): label for row, label in zip(inputs, labels, strict=True)}


@pytest.mark.parametrize("unpacked", [False, True])
def test_the_official_format_round_trips(home, monkeypatch, unpacked):
    if unpacked:
        (home / "cifar-10-batches-bin").mkdir()
        for name in FILES:
            (home / "cifar-10-batches-bin" / name).write_bytes(binary(name))
    else:
        write_archive(home, monkeypatch)
    task = cifar10.load()
    assert [len(split.labels) for split in (task.train, task.val, task.test)] == [97, 3, 20]
    np.testing.assert_array_equal(task.test.inputs, pixels("test_batch.bin").reshape(20, -1))
    np.testing.assert_array_equal(task.test.labels, np.arange(20) % 10)
    expected = {image.tobytes(): k % 10 for name in FILES[:5] for k, image in enumerate(pixels(name))}
    assert all_training(task) == expected
    assert task.problem.shape == (3, 32, 32) and task.train.inputs.dtype == np.uint8
    every = task.train.batch(np.arange(97)).inputs.double()
    assert task.problem.input_mean == pytest.approx(float(every.mean()), rel=1e-6)
    assert task.problem.input_std == pytest.approx(float(every.std(correction=0)), rel=1e-6)
    assert "JPEG" not in task.data


def test_jpeg_files_are_read_once_and_named_as_such(home, monkeypatch):
    write_zip(home, monkeypatch)
    task = cifar10.load()
    assert "JPEG-recompressed" in task.data
    np.testing.assert_array_equal(task.test.labels, np.repeat(np.arange(10), 2))
    for row, label in all_training(task).items():
        red, green, blue = np.frombuffer(row, np.uint8).reshape(3, -1).mean(1)
        assert abs(red - 20 * label) < 4 and green < 95 and abs(blue - 100) < 4
    monkeypatch.setattr(cifar10, "decoded", None)  # must not be called again
    np.testing.assert_array_equal(cifar10.load().train.inputs, task.train.inputs)
    (kept,) = (home.parent / "cache").iterdir()
    damaged = bytearray(kept.read_bytes())
    damaged[-5] ^= 1
    kept.write_bytes(bytes(damaged))
    monkeypatch.undo()
    monkeypatch.setenv("NEURO_CACHE", str(home.parent / "cache"))
    assert cifar10._cached(kept) is None


def test_the_official_one_is_preferred(home, monkeypatch):
    write_zip(home, monkeypatch)
    write_archive(home, monkeypatch)
    assert "official" in cifar10.load().data


def test_missing_data_offline_say_what_to_download_and_where(home):
    with pytest.raises(DataError) as error:
        cifar10.load()
    assert str(home) in str(error.value) and "cifar-10-binary.tar.gz" in str(error.value)
    assert "neuro data get cifar10" in str(error.value) and "missing" in cifar10.status()[0]


@pytest.mark.parametrize("harm", ["cut", "flip", "empty"])
@pytest.mark.parametrize("name", ["cifar-10-binary.tar.gz", "cifar10_jpeg.zip"])
def test_every_damage_is_found_and_named(home, monkeypatch, name, harm):
    (write_archive if name.endswith("gz") else write_zip)(home, monkeypatch)
    data = bytearray((home / name).read_bytes())
    data[1000] ^= 1
    (home / name).write_bytes({"cut": data[: len(data) // 2], "flip": data, "empty": b""}[harm])
    with pytest.raises(DataError, match=rf"{name}.*checksum.*neuro data get cifar10"):
        cifar10.load()
    assert "checksum" in cifar10.status()[0]


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda data: data[:-1], "cut off"),
        (lambda data: b"\x0a" + data[1:], "class 10"),
        (lambda data: b"\x01" + data[1:], "not equally many"),
        (None, "is missing"),
    ],
)
def test_damage_to_an_unpacked_file_is_named(home, harm, words):
    bins = home / "cifar-10-batches-bin"
    bins.mkdir()
    for name in FILES:
        (bins / name).write_bytes(binary(name))
    target = bins / "data_batch_3.bin"
    target.write_bytes(harm(target.read_bytes())) if harm else target.unlink()
    with pytest.raises(DataError, match=words):
        cifar10.load()


def test_a_zip_of_something_else_is_refused(home):
    for content in (b"not a zip", _zip_of_text()):
        with pytest.raises(DataError, match="damaged"):
            cifar10.decoded(content)


def _zip_of_text():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as files:
        files.writestr("train/cat/0.jpg", b"no image")
    return buffer.getvalue()


@pytest.mark.skipif(not REAL.exists(), reason="real CIFAR-10 is not in $NEURO_DATA")
def test_cifar10_is_the_real_one():
    task = cifar10.load()
    assert [len(split.labels) for split in (task.train, task.val, task.test)] == [45_000, 5_000, 10_000]
    assert np.bincount(task.test.labels).tolist() == [1000] * 10
    images = np.concatenate([task.train.inputs, task.val.inputs]).reshape(-1, 3, 1024)
    means = [images[:, channel].mean() / 255 for channel in range(3)]
    assert means == pytest.approx([0.4914, 0.4822, 0.4465], abs=3e-4)  # the well-known ones
