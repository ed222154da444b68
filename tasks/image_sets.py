"""Fashion-MNIST, SVHN and notMNIST, from their official files: three of the sets of five-datasets.

They are read from $NEURO_DATA if they are there, and never downloaded:

    fashion-mnist/   train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-..., t10k-labels-...
    svhn/            train_32x32.mat, test_32x32.mat      colour photographs of 32 x 32 pixels; the digit 0 is class 0
    notmnist/        notMNIST_small.tar.gz                28 x 28 grey letters A to J, as PNG files

The MD5 of each file, which its distributors give, is checked. A tenth of the training images is held out for
validation, and of notMNIST, which has one part, first a tenth for test, by fixed seeds.

Axes: n image, I input.
References: xiao2017 (Fashion-MNIST), netzer2011 (SVHN), bulatov2011 (notMNIST).
"""

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.base import DataError, Split, Task, data_dir, make_task, split_off
from tasks.mnist import parse_idx

FASHION_MD5 = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}
SVHN_MD5 = {
    "train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
    "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3",
}
NOTMNIST_MD5 = {"notMNIST_small.tar.gz": "c9890a473a9769fda4bdf314aaf500dd"}
FILES = {"fashion-mnist": FASHION_MD5, "svhn": SVHN_MD5, "notmnist": NOTMNIST_MD5}


def is_there(name: str) -> bool:
    """Whether all files of a set are there."""
    return all((data_dir() / name / file).exists() for file in FILES[name])


def load_fashion_mnist() -> Task:
    """Fashion-MNIST; inputs_nI with I = 28 * 28."""
    train_images, train_labels, test_images, test_labels = (
        parse_idx(gzip.decompress(_read("fashion-mnist", file)), file) for file in FASHION_MD5
    )
    splits = (_split(train_images, train_labels), _split(test_images, test_labels))
    return _task("fashion-mnist", *splits, (1, 28, 28), "xiao2017", "MIT")


def load_svhn() -> Task:
    """SVHN; inputs_nI with I = 3 * 32 * 32: red, green, blue."""
    from scipy.io import loadmat

    parts = [loadmat(io.BytesIO(_read("svhn", file))) for file in SVHN_MD5]
    train, test = (_split(part["X"].transpose(3, 2, 0, 1), part["y"].ravel() % 10) for part in parts)
    return _task("svhn", train, test, (3, 32, 32), "netzer2011", "for non-commercial use only")


def load_notmnist() -> Task:
    """notMNIST, the small set; files that hold no image are left out. inputs_nI with I = 28 * 28."""
    from PIL import Image, UnidentifiedImageError

    images, labels = [], []
    (file,) = NOTMNIST_MD5
    with tarfile.open(fileobj=io.BytesIO(_read("notmnist", file))) as archive:
        for member in sorted(archive.getmembers(), key=lambda member: member.name):
            letter, held = Path(member.name).parent.name, archive.extractfile(member)
            if held is None or not member.name.endswith(".png"):
                continue
            try:
                images.append(np.asarray(Image.open(held).convert("L"), np.uint8))
            except (UnidentifiedImageError, OSError):  # the archive has two such files
                continue
            labels.append(ord(letter) - ord("A"))
    everything = _split(np.stack(images), np.array(labels))
    rest, test = split_off(everything, len(labels) // 10, 0, "notmnist test")
    return _task("notmnist", rest, test, (1, 28, 28), "bulatov2011", "none stated")


def _read(name: str, file: str) -> bytes:
    path = data_dir() / name / file
    data = path.read_bytes()
    if hashlib.md5(data, usedforsecurity=False).hexdigest() != FILES[name][file]:
        raise DataError(f"{path} does not have its published MD5 ({len(data)} bytes), so it is damaged; fetch it again")
    return data


def _split(images: NDArray, labels: NDArray) -> Split:
    return Split(np.ascontiguousarray(images.reshape(len(images), -1), np.uint8), labels.astype(np.int64))


def _task(name: str, rest: Split, test: Split, shape: tuple[int, ...], source: str, licence: str) -> Task:
    train, val = split_off(rest, len(rest.labels) // 10, 0, f"{name} validation")
    checksum = ", ".join(f"MD5 {md5}" for md5 in FILES[name].values())
    data = f"{name}, official files, checksums verified"
    return make_task(
        name, train, val, test, shape=shape, n_steps=25, dt=1.0, source=source, licence=licence, data=data,
        checksum=checksum,
    )  # fmt: skip
