"""N-MNIST: 60,000 + 10,000 recordings of MNIST digits by an event camera that moved, 34 x 34 pixels, two polarities.

Looked for in $NEURO_DATA/nmnist: the folders Train and Test, each with a folder for each digit, or the official
Train.zip and Test.zip. They are not downloaded: the official site hands them out by links for a browser.
What is read is kept, in neuro.files.cache_root(). 6,000 recordings are held out for validation: of the same digits
as those of the task mnist, whose order the files' names follow.

A recording is a file NUMBER.bin of 5 bytes an event: x, y, then 1 bit of polarity (1: ON) and 23 bits of microseconds.
Units are numbered polarity * 34 * 34 + y * 34 + x.
References: orchard2015.
Deviation: events after 315 ms, three saccades of 105 ms, are dropped where events are binned.
"""

import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.base import DataError, Split, Task, data_dir, make_task, split_off
from tasks.event_cache import Sample, kept

SITE = "https://www.garrickorchard.com/datasets/n-mnist"
REMEDY = f"get Train.zip and Test.zip from {SITE}"
FIELD = 34  # pixels a side
RECORD = 5  # bytes of an event
N_FILES = {"Train": 60_000, "Test": 10_000}
N_HELD = 6000


def load() -> Task:
    """The task; inputs of 2 x 34 x 34 units: polarity (OFF, ON), row, column."""
    sources = {part: _find(part) for part in N_FILES}
    train, test = (_read(sources[part], part) for part in ("Train", "Test"))
    train, val = split_off(train, N_HELD, 0, "mnist validation")
    return make_task(
        "nmnist", train, val, test, shape=(2, FIELD, FIELD), n_steps=315, dt=1.0, source="orchard2015",
        licence="CC BY-SA 4.0", data="N-MNIST, official recordings, format, number and classes checked",
        checksum=_digest(sources["Train"]),
    )  # fmt: skip


class Recording(NamedTuple):
    """One file: its place inside the folder or zip, its digit, its size and, in a zip, its check sum."""

    name: str
    label: int
    mark: str


class Source(NamedTuple):
    """Where a part lies, and its recordings in the order of MNIST."""

    path: Path
    recordings: list[Recording]


def folder() -> Path:
    return data_dir() / "nmnist"


def _find(part: str) -> Source:
    """The recordings of a part. DataError if they are missing or not as many as they should be."""
    unpacked, packed = folder() / part, folder() / f"{part}.zip"
    if unpacked.is_dir():
        found = [(f"{path.parent.name}/{path.name}", f"{path.stat().st_size}") for path in unpacked.glob("[0-9]/*.bin")]
        path = unpacked
    elif packed.exists():
        path, found = packed, _listed(packed)
    else:
        raise DataError(
            f"N-MNIST is not in {folder()}: neither {part}/ nor {part}.zip is there; {REMEDY} into that folder (set"
            " NEURO_DATA for another), or use the task nmnist-saccades, which simulates such recordings from MNIST"
        )
    recordings = [Recording(name, int(name.split("/")[-2]), mark) for name, mark in found]
    if len(recordings) != N_FILES[part]:
        raise DataError(f"{path} holds {len(recordings)} recordings, not {N_FILES[part]}; {REMEDY} once more")
    return Source(path, sorted(recordings, key=lambda each: each.name.split("/")[-1]))


def _listed(packed: Path) -> list[tuple[str, str]]:
    try:
        with zipfile.ZipFile(packed) as files:
            entries = [entry for entry in files.infolist() if Path(entry.filename).match("[0-9]/*.bin")]
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{packed} is damaged or cut off ({error}); remove it and {REMEDY} once more") from None
    return [(entry.filename, f"{entry.file_size} {entry.CRC:08x}") for entry in entries]


def _digest(source: Source) -> str:
    """Of all names and sizes, and in a zip the sums of all contents."""
    return hashlib.sha256("\n".join(f"{each.name} {each.mark}" for each in source.recordings).encode()).hexdigest()


def _read(source: Source, part: str) -> Split:
    about = {"path": str(source.path), "digest": _digest(source)}
    n_files = len(source.recordings)
    return kept(f"nmnist_{part.lower()}", about, n_files, lambda: _parsed(source), f"reading N-MNIST, {part}, once")


def _parsed(source: Source) -> Iterator[Sample]:
    with ExitStack() as stack:
        files = stack.enter_context(zipfile.ZipFile(source.path)) if source.path.suffix == ".zip" else None
        for each in source.recordings:
            try:
                data = files.read(each.name) if files else (source.path / each.name).read_bytes()
            except (zipfile.BadZipFile, zlib.error, OSError) as error:
                raise DataError(f"{each.name} in {source.path} is damaged ({error}); {REMEDY} once more") from None
            yield *parse(data, f"{source.path / each.name}"), each.label


def parse(data: bytes, name: str) -> tuple[NDArray[np.uint32], NDArray[np.uint16]]:
    """Times (us) and units of the events of a recording, in the order of the file, which is that of time."""
    if not data or len(data) % RECORD:
        raise DataError(f"{name} is cut off: {len(data)} bytes are not whole events of {RECORD}; {REMEDY} once more")
    x, y, high, middle, low = np.frombuffer(data, np.uint8).reshape(-1, RECORD).T.astype(np.uint32)
    if x.max() >= FIELD or y.max() >= FIELD:
        outside = int(np.argmax((x >= FIELD) | (y >= FIELD)))
        raise DataError(
            f"{name} is no recording of N-MNIST: event {outside} lies at x = {x[outside]}, y = {y[outside]}, outside"
            f" {FIELD} x {FIELD} pixels; {REMEDY} once more"
        )
    times_us = (high & 0x7F) << 16 | middle << 8 | low
    units = (high >> 7) * FIELD**2 + y * FIELD + x
    order = np.argsort(times_us, kind="stable")
    return times_us[order].astype(np.uint32), units[order].astype(np.uint16)


def get() -> None:
    """Read all that is there into the cache. DataError says where it comes from if it is missing."""
    for part in N_FILES:
        _read(_find(part), part)


def status() -> list[str]:
    """What is there, or what to do about it."""
    lines = []
    for part in N_FILES:
        try:
            source = _find(part)
            lines.append(f"{part:<5} {source.path}, {len(source.recordings)} recordings")
        except DataError as error:
            return [*lines, str(error)]
    return lines
