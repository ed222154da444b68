"""CIFAR-10: 50,000 + 10,000 colour photographs of 32 x 32 pixels in ten classes.

In $NEURO_DATA/cifar10 these are looked for, in this order:

    cifar-10-binary.tar.gz     the official archive, SHA-256 checked; downloaded if nothing is there
    cifar-10-batches-bin/      its six .bin files; their sums are not published: size and classes are checked
    cifar10_jpeg.zip           all images as JPEG files, train/CLASS/NAME.jpg: close to the original, not equal

JPEG files are decoded once; the pixels are kept, with their checksum, in $NEURO_CACHE (by default ~/.cache/neuro).
5,000 of the training images are held out for validation, by a fixed seed. Pixels stay bytes in memory.

A record of the binary format: a byte with the class, then 1,024 bytes each of red, green and blue, row by row.
References: krizhevsky2009.
"""

import hashlib
import io
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neuro.files import cache_root, write_whole
from tasks.base import DataError, Split, Task, data_dir, make_task, split_off
from tasks.download import download, sha256

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
ARCHIVE_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
ARCHIVE_SIZE = 170052171
JPEG_SHA256 = "2327ff2ae66c48970ab61c19fa0b6bbc6fb1f2fad433cdb1ea0440e7dc0f3f17"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FILES = (*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin")
PER_FILE = 10_000  # records
RECORD = 1 + 3 * 32 * 32  # bytes
N_HELD = 5000
REMEDY = "run `neuro data get cifar10`"


class Raw(NamedTuple):
    """All images as rows of bytes: the 50,000 for training first."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    data: str
    checksum: str


def load() -> Task:
    """The task; inputs_nI with I = 3 * 32 * 32: red, green, blue. Its own augmentation: crops and mirror images."""
    raw = _read()
    n_train = len(raw.labels) - PER_FILE
    train, test = (Split(raw.images[part], raw.labels[part]) for part in (slice(n_train), slice(n_train, None)))
    train, val = split_off(train, N_HELD, 0, "cifar10 validation")
    return make_task(
        "cifar10", train, val, test, shape=(3, 32, 32), n_steps=25, dt=1.0, source="krizhevsky2009",
        licence="none stated", data=raw.data, checksum=raw.checksum, augment="crop-flip",
    )  # fmt: skip


def folder() -> Path:
    return data_dir() / "cifar10"


def archive() -> Path:
    return folder() / "cifar-10-binary.tar.gz"


def jpeg_zip() -> Path:
    return folder() / "cifar10_jpeg.zip"


def is_there() -> bool:
    """Whether it need not be downloaded."""
    return any(path.exists() for path in (archive(), folder() / "cifar-10-batches-bin", jpeg_zip()))


def _read() -> Raw:
    bins = folder() / "cifar-10-batches-bin"
    if not archive().exists():
        if bins.exists():
            return _from_files(bins)
        if jpeg_zip().exists():
            return _from_jpeg()
        _download()
    return _from_archive()


def _download() -> None:
    try:
        download((URL,), archive(), ARCHIVE_SIZE)
    except DataError as error:
        raise DataError(
            f"CIFAR-10 is not in {folder()}: {error}; go online and {REMEDY}, or download {URL} by other means"
            f" and put it there"
        ) from None


def _from_archive() -> Raw:
    data = archive().read_bytes()
    if sha256(data) != ARCHIVE_SHA256:
        raise DataError(
            f"{archive()} does not have the checksum of CIFAR-10 ({len(data)} bytes; the whole one has"
            f" {ARCHIVE_SIZE}); remove it and {REMEDY}"
        )
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        contents = {Path(member.name).name: member for member in tar.getmembers() if member.isfile()}
        parts = [parse(tar.extractfile(contents[name]).read(), name) for name in FILES]  # type: ignore[union-attr]
    return _joined(parts, "CIFAR-10, official binary archive, checksum verified", ARCHIVE_SHA256)


def _from_files(bins: Path) -> Raw:
    digest, parts = hashlib.sha256(), []
    for name in FILES:
        if not (bins / name).exists():
            raise DataError(f"{bins / name} is missing; unpack {URL} once more, or remove {bins} and {REMEDY}")
        data = (bins / name).read_bytes()
        digest.update(data)
        parts.append(parse(data, str(bins / name)))
    raw = _joined(parts, "CIFAR-10, official binary files, size and classes checked", digest.hexdigest())
    n_train = len(raw.labels) - PER_FILE
    for what, labels in (("training", raw.labels[:n_train]), ("test", raw.labels[n_train:])):
        counts = np.bincount(labels, minlength=len(CLASSES))
        if counts.min() != counts.max():
            raise DataError(f"{bins}: the {what} files hold {counts.tolist()} images of the classes, not equally many")
    return raw


def _joined(parts: list[tuple[NDArray, NDArray]], data: str, checksum: str) -> Raw:
    images, labels = zip(*parts, strict=True)
    return Raw(np.concatenate(images), np.concatenate(labels), data, checksum)


def parse(data: bytes, name: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images as rows of bytes, and their labels, from a file of the binary format."""
    if len(data) != PER_FILE * RECORD:
        raise DataError(f"{name} is cut off or too long: {len(data)} bytes, not {PER_FILE * RECORD}; {REMEDY}")
    records = np.frombuffer(data, np.uint8).reshape(PER_FILE, RECORD)
    if records[:, 0].max() >= len(CLASSES):
        raise DataError(f"{name} is no file of CIFAR-10: it has a class {records[:, 0].max()}; {REMEDY}")
    return records[:, 1:], records[:, 0].astype(np.int64)


def _from_jpeg() -> Raw:
    data = jpeg_zip().read_bytes()
    if sha256(data) != JPEG_SHA256:
        raise DataError(
            f"{jpeg_zip()} does not have its checksum ({len(data)} bytes), so it is damaged or cut off; remove it"
            f" and {REMEDY}, which fetches the original"
        )
    cached = _cache()
    found = _cached(cached)
    if found is None:
        found = decoded(data)
        _keep(cached, *found)
    text = "CIFAR-10, JPEG-recompressed (pixels differ slightly from the original's), checksum verified"
    return Raw(*found, text, JPEG_SHA256)


def decoded(data: bytes) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images and labels of a zip of JPEG files, in the order of their names, those for training first."""
    from PIL import Image, UnidentifiedImageError

    from neuro.progress import Progress

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as files:
            names = sorted(name for name in files.namelist() if name.endswith(".jpg"))
            names.sort(key=lambda name: name.startswith("test/"))
            images = np.empty((len(names), RECORD - 1), np.uint8)
            with Progress("decoding CIFAR-10, once", len(names), "images") as bar:
                for place, name in enumerate(names):
                    pixels = np.asarray(Image.open(io.BytesIO(files.read(name))).convert("RGB"))
                    images[place] = pixels.transpose(2, 0, 1).reshape(-1)
                    bar.update(place)
    except (zipfile.BadZipFile, zlib.error, UnidentifiedImageError, OSError, ValueError) as error:
        raise DataError(f"{jpeg_zip()} is damaged ({error}); remove it and {REMEDY}") from None
    return images, np.array([CLASSES.index(name.split("/")[1]) for name in names], np.int64)


def _cache() -> Path:
    """Where decoded pixels lie."""
    return cache_root() / f"cifar10_{JPEG_SHA256[:16]}.safetensors"


def _cached(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]] | None:
    """Kept images and labels; None if there are none, or damaged ones."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            images, labels = file.get_tensor("images"), file.get_tensor("labels")
            whole = file.metadata() == {"sha256": _sum(images, labels)}
    except (OSError, SafetensorError):
        return None
    return (images, labels) if whole else None


def _keep(path: Path, images: NDArray, labels: NDArray) -> None:
    from safetensors.numpy import save

    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, save({"images": images, "labels": labels}, {"sha256": _sum(images, labels)}))


def _sum(images: NDArray, labels: NDArray) -> str:
    digest = hashlib.sha256(images.data)
    digest.update(labels.data)
    return digest.hexdigest()


def get() -> None:
    """Download the official archive if nothing is there, and check what is."""
    _read()


def status() -> list[str]:
    """What is there and whole, or what to do about it."""
    if not is_there():
        return [f"missing; `neuro data get cifar10` fetches it from {URL}"]
    try:
        return [f"{folder()}: {_read().data}"]
    except DataError as error:
        return [str(error)]
