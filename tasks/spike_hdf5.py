"""HDF5 files of the layout of the Spiking Heidelberg Digits: read into memory, checked record by record, and written.

    spikes/times [B]   seconds from the start of the sample, float16, a row of its own length each, rising
    spikes/units [B]   which channel fired, uint16, likewise
    labels [B], extra/speaker [B]
    extra/keys, extra/meta_info/speaker   names of the classes and speakers; written, not read

A file may lie as it is, gzipped (.h5.gz) or zipped (.h5.zip), as its publishers have it.
References: cramer2020 (the layout).
"""

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuro.events import EventStore
from neuro.files import write_whole
from tasks.base import DataError

SUFFIXES = (".h5", ".h5.gz", ".h5.zip")
HEAP = b"GCOL\x01\0\0\0"  # how a heap of HDF5 starts, then its size (8 bytes), then its entries
LATEST_S = 4000.0  # an EventStore counts microseconds in 32 bits


class Recordings(NamedTuple):
    """Samples of a file: their spikes, what was said, and by whom."""

    events: EventStore
    labels: NDArray[np.int64]
    speakers: NDArray[np.int64]
    made_by: str = ""  # how, if it was made by `write`


def find(folder: Path, name: str) -> Path | None:
    """The file of a name in a folder, whatever its packing."""
    return next((path for suffix in SUFFIXES if (path := folder / f"{name}{suffix}").exists()), None)


def unpacked(path: Path) -> bytes:
    """The bytes of the HDF5 file. DataError if it is damaged or cut off."""
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            return gzip.decompress(data)
        if path.suffix != ".zip":
            return data
        with zipfile.ZipFile(io.BytesIO(data)) as files:
            inside = [name for name in files.namelist() if name.endswith(".h5")]
            if len(inside) != 1:
                raise DataError(f"{path} holds {len(inside)} files *.h5, not one; get it once more")
            return files.read(inside[0])
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path} is damaged or cut off ({error}); remove it and get it once more") from None


def parse(data: bytes, name: str, n_channels: int, n_classes: int) -> Recordings:
    """All samples of an HDF5 file. DataError, which names the file and the record, for what cannot be."""
    import h5py

    _check_heaps(data, name)
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            labels, speakers = _whole(file, "labels", name), _whole(file, "extra/speaker", name)
            times, units = _rows(file, "spikes/times", name), _rows(file, "spikes/units", name)
            made_by = str(file.attrs.get("made_by", ""))
    except DataError:
        raise
    except Exception as error:  # HDF5 has many ways to say that its bytes make no sense
        raise DataError(f"{name} is no whole HDF5 file ({type(error).__name__}: {error}); get it once more") from None
    lengths = {"labels": len(labels), "extra/speaker": len(speakers), "spikes/times": len(times)}
    lengths["spikes/units"] = len(units)
    if len(set(lengths.values())) > 1 or not len(labels):
        raise DataError(f"{name} has records that do not belong together: {lengths}; get it once more")
    if labels.max() >= n_classes:
        wrong = int(np.argmax(labels >= n_classes))
        raise DataError(f"{name}, record {wrong}: label {labels[wrong]}, of {n_classes} classes; get it once more")
    parts = [
        _sample(of_times, of_units, f"{name}, record {k}", n_channels)
        for k, (of_times, of_units) in enumerate(zip(times, units, strict=True))
    ]
    counts = np.array([len(times_us) for times_us, _ in parts], np.int64)
    times_us, channels = (np.concatenate([part[which] for part in parts]) for which in (0, 1))
    events = EventStore(times_us, channels, np.cumsum(counts) - counts, counts)
    return Recordings(events, labels, speakers, made_by)


def _check_heaps(data: bytes, name: str) -> None:
    """DataError where entries of a heap, which holds the rows, do not follow each other to its end.

    HDF5 would go round for ever in them. An entry: index (2 bytes), references (2), nothing (4), size (8), then as many
    bytes, filled up to eights; with the index 0 it is free space, whose size has the header in it.
    """
    heap = data.find(HEAP)
    while heap >= 0:
        end = heap + int.from_bytes(data[heap + 8 : heap + 16], "little")
        place = heap + 16
        while place + 16 <= min(end, len(data)):
            index, size = struct.unpack_from("<H6xQ", data, place)
            step = 16 + -(-size // 8) * 8 if index else size
            if not step or place + step > end:
                raise DataError(f"{name} is damaged: byte {place} gives a size of {size}; get it once more")
            place += step
        heap = data.find(HEAP, heap + 4)


class Sample(NamedTuple):
    """One recording to be written. times: ms, rising; units: which channel fired."""

    times: NDArray[np.float64]
    units: ArrayLike
    label: int
    speaker: int


def write(path: Path, samples: Sequence[Sample], classes: Sequence[str], speakers: Sequence[str], made_by: str) -> None:
    """Write a file in one step: an interrupt leaves the old one or none. made_by: an attribute that says how."""
    import h5py

    columns = (
        ("spikes/times", np.float16, [np.asarray(sample.times) / 1000.0 for sample in samples]),
        ("spikes/units", np.uint16, [sample.units for sample in samples]),
    )
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        file.attrs["made_by"] = made_by
        for key, dtype, rows in columns:
            rows_B = file.create_dataset(key, (len(samples),), h5py.vlen_dtype(dtype))
            for k, row in enumerate(rows):
                rows_B[k] = np.asarray(row, dtype)
        file["labels"] = np.array([sample.label for sample in samples], np.uint16)
        file["extra/speaker"] = np.array([sample.speaker for sample in samples], np.uint16)
        file["extra/keys"] = np.array([name.encode() for name in classes])
        file["extra/meta_info/speaker"] = np.array([name.encode() for name in speakers])
    write_whole(path, memory.getvalue())


def _whole(file: Any, key: str, name: str) -> NDArray[np.int64]:
    """A flat array of whole numbers that are not negative."""
    values = np.asarray(_dataset(file, key, name)[:])
    if values.ndim != 1 or values.dtype.kind not in "iu" or (values.size and values.min() < 0):
        raise DataError(f"{name}: {key} is {values.dtype} of shape {values.shape}, not whole numbers; get it once more")
    return values.astype(np.int64)


def _rows(file: Any, key: str, name: str) -> NDArray:
    values = _dataset(file, key, name)[:]
    if values.ndim != 1 or values.dtype != object:
        raise DataError(f"{name}: {key} does not hold a row for each sample; get it once more")
    return values


def _dataset(file: Any, key: str, name: str) -> Any:
    if key not in file or not hasattr(file[key], "dtype"):
        raise DataError(f"{name} has no {key!r}, so it is not of the layout of SHD; get it once more")
    return file[key]


def _sample(times_s: NDArray, units: NDArray, name: str, n_channels: int) -> tuple[NDArray, NDArray]:
    """Times (us) and units of one sample, by time."""
    if times_s.dtype.kind != "f" or units.dtype.kind not in "iu" or len(times_s) != len(units):
        raise DataError(
            f"{name}: {len(times_s)} times ({times_s.dtype}) and {len(units)} units ({units.dtype}); get it once more"
        )
    seconds = times_s.astype(np.float64)
    if not np.isfinite(seconds).all() or seconds.min(initial=0.0) < 0 or seconds.max(initial=0.0) > LATEST_S:
        wrong = int(np.argmax(~np.isfinite(seconds) | (seconds < 0) | (seconds > LATEST_S)))
        raise DataError(f"{name}: spike {wrong} has the time {times_s[wrong]} s; get it once more")
    if units.size and (units.min() < 0 or units.max() >= n_channels):
        wrong = int(np.argmax((units < 0) | (units >= n_channels)))
        raise DataError(f"{name}: spike {wrong} is of channel {units[wrong]}, of {n_channels}; get it once more")
    order = np.argsort(seconds, kind="stable")
    return np.rint(1e6 * seconds[order]).astype(np.uint32), units[order].astype(np.uint16)
