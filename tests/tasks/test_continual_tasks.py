"""Sequences made of image sets: which pixels and labels each task has, and that images lie in memory once."""

import gzip
import hashlib
import io
import os
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks import SEQUENCES, digits, five_datasets, image_sets, permuted, split_classes
from tasks.base import SCENARIOS, DataError, Split, split_off
from tasks.continual import Rotate, SharedImages, ToColour

HOME = Path(os.environ.get("NEURO_DATA", "/nonexistent"))
NEEDS = {name: ("cifar10" if "cifar10" in name else "mnist") for name in SEQUENCES if "digits" not in name}
DIGITS = digits.load()


def marked(name):
    is_missing = name in NEEDS and not (HOME / NEEDS[name]).exists()
    return pytest.param(name, marks=pytest.mark.skipif(is_missing, reason=f"{name} needs data in $NEURO_DATA"))


def identities(split):
    """What tells samples of one task apart: their rows among the shared images, or the images themselves."""
    return {image.tobytes() for image in split.inputs.images_NI[split.inputs.rows_n]}


@pytest.mark.parametrize("name", [marked(name) for name in sorted(SEQUENCES)])
def test_stages_are_whole_and_disjoint(name):
    task = SEQUENCES[name]()
    assert task.name == name and task.scenario in SCENARIOS and len(task.stages) > 1
    assert (task.train, task.val, task.test) == task.stages[0][1:4]
    assert set().union(*(stage.classes for stage in task.stages)) == set(range(task.problem.n_classes))
    for stage in task.stages:
        for split in stage[1:4]:
            assert set(np.unique(split.labels)) == set(stage.classes)
            assert split.inputs.shape == (len(split.labels), task.problem.n_inputs)
            inputs = split.batch(np.arange(len(split.labels))[:500]).inputs
            assert inputs.dtype == torch.float32 and 0 <= inputs.min() and inputs.max() <= 1
            assert inputs.shape[1:] == (task.problem.n_inputs,)
    if len(task.train.labels) < 10_000:
        train, val, test = map(identities, task.stages[0][1:4])
        assert not train & val and not train & test and not val & test


def test_every_task_permutes_the_same_images_by_an_order_of_its_own():
    task = permuted.load_digits()
    rows = np.array([5, 0, 900])
    orders = [stage.train.inputs.view.order_I for stage in task.stages]
    assert len({order.tobytes() for order in orders}) == 5 and all(sorted(order) == list(range(64)) for order in orders)
    assert not np.array_equal(orders[0], np.arange(64)), "the first task is permuted, too"
    for stage, order in zip(task.stages, orders, strict=True):
        batch = stage.train.batch(rows)
        np.testing.assert_array_equal(batch.inputs, DIGITS.train.inputs[rows][:, order])
        np.testing.assert_array_equal(batch.labels, DIGITS.train.labels[rows])
    again = permuted.load_digits()
    assert all(np.array_equal(stage.val.inputs.view.order_I, o) for stage, o in zip(again.stages, orders, strict=True))


@pytest.mark.parametrize("load", [permuted.load_digits, split_classes.load_digits])
def test_images_lie_in_memory_once(load):
    stages = load().stages
    for k in (1, 2, 3):  # train, val, test
        stores = [stage[k].inputs for stage in stages]
        assert all(store.images_NI is stores[0].images_NI for store in stores)
    part, _ = split_off(stages[0].train, 10, 0, "x")
    assert part.inputs.images_NI is stages[0].train.inputs.images_NI


def test_classes_are_split_without_loss():
    task = split_classes.load_digits()
    assert [stage.classes for stage in task.stages] == [(0, 1), (2, 3), (4, 5), (6, 7), (8, 9)]
    for k, whole in ((1, DIGITS.train), (2, DIGITS.val), (3, DIGITS.test)):
        rows = np.concatenate([stage[k].inputs.rows_n for stage in task.stages])
        assert sorted(rows) == list(range(len(whole.labels)))
        for stage in task.stages:
            np.testing.assert_array_equal(stage[k].labels, whole.labels[stage[k].inputs.rows_n])


def test_quarter_and_half_turns_are_exact():
    """Where pixels fall on pixels, interpolation leaves nothing but rounding."""
    images = DIGITS.train.inputs[:20]
    square = images.reshape(-1, 8, 8)
    turned = {angle: Rotate(angle, (1, 8, 8))(images).reshape(-1, 8, 8) for angle in (0.0, 90.0, 180.0)}
    np.testing.assert_allclose(turned[0.0], square, atol=1e-6)
    np.testing.assert_allclose(turned[180.0], square[:, ::-1, ::-1], atol=1e-5)
    quarters = [np.rot90(square, direction, axes=(1, 2)) for direction in (1, -1)]
    assert any(np.allclose(turned[90.0], quarter, atol=1e-5) for quarter in quarters)


def test_grey_images_stand_in_the_middle_of_three_equal_channels():
    images = DIGITS.train.inputs[:5]
    shown = ToColour(8, 11)(images).reshape(5, 3, 11, 11)
    np.testing.assert_array_equal(shown[:, 0, 1:9, 1:9], images.reshape(5, 8, 8))
    np.testing.assert_allclose(shown.sum((1, 2, 3)), 3 * images.sum(1), rtol=1e-5)
    assert np.array_equal(shown[:, 0], shown[:, 1]) and np.array_equal(shown[:, 0], shown[:, 2])


@pytest.fixture
def three_sets(tmp_path, monkeypatch):
    """Small sets in the official formats, with true checksums: Fashion-MNIST, SVHN and notMNIST."""
    from PIL import Image
    from scipy.io import savemat

    rng = np.random.default_rng(0)
    monkeypatch.setenv("NEURO_DATA", str(tmp_path))
    contents = {"fashion-mnist": {}, "svhn": {}, "notmnist": {}}
    pixels = {}
    for file in image_sets.FASHION_MD5:
        n = 200 if file.startswith("train") else 40
        array = rng.integers(0, 256, (n, 28, 28), np.uint8) if "images" in file else np.arange(n, dtype=np.uint8) % 10
        pixels[file] = array
        header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
        contents["fashion-mnist"][file] = gzip.compress(header + array.tobytes())
    for file, n in zip(image_sets.SVHN_MD5, (200, 40), strict=True):
        pixels[file] = rng.integers(0, 256, (32, 32, 3, n), np.uint8)
        buffer = io.BytesIO()
        savemat(buffer, {"X": pixels[file], "y": (np.arange(n) % 10 + 1)[:, None].astype(np.uint8)})
        contents["svhn"][file] = buffer.getvalue()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for k in range(101):
            png = io.BytesIO()
            grey = np.full((28, 28), 25 * (k % 10), np.uint8)
            Image.fromarray(grey).save(png, "PNG")
            data = png.getvalue() if k < 100 else b""  # the real archive, too, has files that hold no image
            member = tarfile.TarInfo(f"notMNIST_small/{'ABCDEFGHIJ'[k % 10]}/{k}.png")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    contents["notmnist"]["notMNIST_small.tar.gz"] = buffer.getvalue()
    for name, files in contents.items():
        (tmp_path / name).mkdir()
        for file, data in files.items():
            (tmp_path / name / file).write_bytes(data)
            monkeypatch.setitem(image_sets.FILES[name], file, hashlib.md5(data).hexdigest())
    return tmp_path, pixels


def test_sets_that_are_there_follow_each_other_with_classes_of_their_own(three_sets):
    _, pixels = three_sets
    task = five_datasets.load()
    assert [stage.name for stage in task.stages] == ["svhn", "fashion-mnist", "notmnist"]
    assert task.scenario == "task-incremental" and task.problem.n_classes == 30 and "3 of the five" in task.data
    assert [stage.classes[0] for stage in task.stages] == [0, 10, 20]
    numbers = [[len(split.labels) for split in stage[1:4]] for stage in task.stages]
    assert numbers == [[180, 20, 40], [180, 20, 40], [81, 9, 10]]
    svhn, fashion, letters = (stage.test for stage in task.stages)
    assert svhn.labels[:3].tolist() == [1, 2, 3] and svhn.labels[9] == 0, "SVHN writes 10 for the digit 0"
    np.testing.assert_array_equal(
        svhn.inputs.take(np.array([7])).reshape(3, 32, 32), pixels["test_32x32.mat"][..., 7].transpose(2, 0, 1)
    )
    shown = fashion.inputs.take(np.arange(40)).reshape(40, 3, 32, 32)
    np.testing.assert_array_equal(shown[:, 1, 2:30, 2:30], pixels["t10k-images-idx3-ubyte.gz"])
    centre = letters.inputs.take(np.arange(10)).reshape(10, 3, 32, 32)[:, 0, 16, 16]
    np.testing.assert_array_equal(centre, 25 * (letters.labels - 20))


def test_moments_are_those_of_all_images_as_they_are_shown(three_sets):
    task = five_datasets.load()
    every = np.concatenate([stage.train.batch(np.arange(len(stage.train.labels))).inputs for stage in task.stages])
    assert task.problem.input_mean == pytest.approx(every.mean(dtype=float), rel=1e-6)
    assert task.problem.input_std == pytest.approx(every.std(dtype=float), rel=1e-6)


def test_missing_and_damaged_sets_are_named(three_sets):
    home, _ = three_sets
    damaged = home / "svhn" / "test_32x32.mat"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"test_32x32\.mat does not have its published MD5"):
        five_datasets.load()
    damaged.unlink()
    assert [stage.name for stage in five_datasets.load().stages] == ["fashion-mnist", "notmnist"]
    (home / "notmnist" / "notMNIST_small.tar.gz").unlink()
    with pytest.raises(DataError, match="holds fashion-mnist; `neuro data get mnist`"):
        five_datasets.load()


def test_events_cannot_be_shared_as_images():
    from neuro.events import EventStore
    from tasks.continual import shared

    nothing = np.zeros(0, np.int64)
    with pytest.raises(ValueError, match="EventStore is no array of images"):
        shared(Split(EventStore(nothing, nothing, nothing, nothing), nothing), 4)


@pytest.mark.skipif(not (HOME / "mnist").exists(), reason="real MNIST is not in $NEURO_DATA")
def test_ten_tasks_of_mnist_hold_its_images_once():
    stages = permuted.load_mnist().stages
    held = {id(split.inputs.images_NI): split.inputs.images_NI.nbytes for stage in stages for split in stage[1:4]}
    assert sum(held.values()) == 70_000 * 784 * 4 and isinstance(stages[3].train.inputs, SharedImages)
    assert [len(stages[9][k].labels) for k in (1, 2, 3)] == [54_000, 6_000, 10_000]
