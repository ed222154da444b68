"""MNIST: 60,000 + 10,000 handwritten digits of 28 x 28 pixels, from the four official IDX files.

They are looked for in $NEURO_DATA/mnist, plain or gzipped, else downloaded. What is checked is the SHA-256
of each unpacked file, since the gzip wrapping differs between mirrors. 6,000 of the training images are
held out for validation, by a fixed seed.
"""

import gzip
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tasks.base import DataError, Split, Task, data_dir, make_task, split_off
from tasks.download import download, sha256


class IDXFile(NamedTuple):
    name: str
    sha256: str  # of the unpacked file
    size: int  # bytes, gzipped


FILES = {
    "train images": IDXFile(
        "train-images-idx3-ubyte", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", 9912422
    ),
    "train labels": IDXFile(
        "train-labels-idx1-ubyte", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", 28881
    ),
    "test images": IDXFile(
        "t10k-images-idx3-ubyte", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", 1648877
    ),
    "test labels": IDXFile(
        "t10k-labels-idx1-ubyte", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", 4542
    ),
}
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)


def load() -> Task:
    """The task; inputs_nI with I = 784, grey values divided by 255."""
    raw = {part: parse_idx(read(part), FILES[part].name) for part in FILES}
    train = _split(raw["train images"], raw["train labels"])
    train, val = split_off(train, 6000, 0, "mnist validation")
    return make_task(
        "mnist", train, val, _split(raw["test images"], raw["test labels"]), shape=(1, 28, 28), n_steps=25, dt=1.0,
        source="lecun1998", licence="CC BY-SA 3.0", data="MNIST, official IDX files, checksums verified",
        checksum=FILES["train images"].sha256,
    )  # fmt: skip


def _split(images: np.ndarray, labels: np.ndarray) -> Split:
    return Split(images.reshape(len(images), -1).astype(np.float32) / 255.0, labels.astype(np.int64))


def folder() -> Path:
    return data_dir() / "mnist"


def find(part: str) -> Path | None:
    """The file of a part, if it is there."""
    name = FILES[part].name
    candidates = (folder() / f"{name}.gz", folder() / name)
    return next((path for path in candidates if path.exists()), None)


def read(part: str) -> bytes:
    """The unpacked bytes of a part, checked; downloaded first if it is not there."""
    path = find(part) or _download(part)
    data = path.read_bytes()
    remedy = f"remove {path} and run `neuro data get mnist`"
    if path.suffix == ".gz":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path} is damaged or cut off ({error}); {remedy}") from None
    if sha256(data) != FILES[part].sha256:
        raise DataError(f"{path} does not have the checksum of MNIST ({len(data)} bytes unpacked); {remedy}")
    return data


def _download(part: str) -> Path:
    path = folder() / f"{FILES[part].name}.gz"
    try:
        download(tuple(mirror + path.name for mirror in MIRRORS), path, FILES[part].size)
    except DataError as error:
        raise DataError(
            f"MNIST is not in {folder()}: {error}; go online and run `neuro data get mnist`,"
            " or set NEURO_DATA to a folder that holds mnist/ with the four IDX files"
        ) from None
    return path


def get() -> None:
    """Download what is missing, and check everything."""
    for part in FILES:
        read(part)


def parse_idx(data: bytes, name: str) -> np.ndarray:
    """An array of unsigned bytes from the IDX format."""
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise DataError(f"{name} is not an IDX file of bytes: it begins with {data[:4].hex() or 'nothing'}")
    n_axes = data[3]
    header = 4 + 4 * n_axes
    shape = struct.unpack(f">{n_axes}I", data[4:header]) if len(data) >= header else ()
    if len(data) != header + int(np.prod(shape, dtype=np.int64)) or not shape:
        raise DataError(f"{name} is cut off: {len(data)} bytes for shape {shape}")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def status() -> list[str]:
    """Which files are there and whole, and what to do about the others."""
    lines = []
    for part in FILES:
        path = find(part)
        if path is None:
            state = f"missing; `neuro data get mnist` fetches it from {MIRRORS[0]}"
        else:
            try:
                read(part)
                state = f"{path}, checksum verified"
            except DataError as error:
                state = str(error)
        lines.append(f"{part:<13} {state}")
    return lines
