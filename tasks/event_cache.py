"""Event data that are costly to make or read are kept: flat files in neuro.files.cache_root(), read as memory.

A folder NAME_MARK holds times_us (uint32), units (uint16), counts (int64, events a sample), labels (int64) and
about.json. It appears when it is complete, so an interrupt leaves none (a kill leaves a hidden folder, of no use). The
mark stands for all that the content depends on. Several processes that read one folder share its pages, and only what
is used is read.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.events import EventStore
from neuro.files import cache_root
from neuro.progress import Progress
from neuro.runs import fingerprint
from tasks.base import DataError, Split

Sample = tuple[NDArray, NDArray, int]  # times_us, units, label


def kept(
    name: str, about: Mapping[str, Any], n_samples: int, make: Callable[[], Iterable[Sample]], title: str
) -> Split:
    """Samples from the cache; made first, one by one, if they are not there. about: all that they depend on."""
    folder = folder_of(name, about)
    if not folder.exists():
        _write(folder, about, n_samples, make, title)
    return _read(folder)


def folder_of(name: str, about: Mapping[str, Any]) -> Path:
    """Where samples are, or will be, kept."""
    return cache_root() / f"{name}_{fingerprint(about)}"


def _write(
    folder: Path, about: Mapping[str, Any], n_samples: int, make: Callable[[], Iterable[Sample]], title: str
) -> None:
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(unfinished, ignore_errors=True)  # of a process that was killed, and had the same number
    unfinished.mkdir(parents=True)
    counts, labels = [], []
    try:
        with (
            Progress(title, n_samples, "samples") as bar,
            open(unfinished / "times_us", "wb") as times_file,
            open(unfinished / "units", "wb") as units_file,
        ):
            for n_done, (times_us, units, label) in enumerate(make(), 1):
                times_file.write(np.asarray(times_us, np.uint32).tobytes())
                units_file.write(np.asarray(units, np.uint16).tobytes())
                counts.append(len(times_us))
                labels.append(label)
                bar.update(n_done)
        np.array(counts, np.int64).tofile(unfinished / "counts")
        np.array(labels, np.int64).tofile(unfinished / "labels")
        (unfinished / "about.json").write_text(json.dumps(about, indent=1))
        _appear(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _appear(unfinished: Path, folder: Path) -> None:
    """Give a complete folder its name, unless another process was faster."""
    try:
        os.replace(unfinished, folder)
    except OSError:
        if not folder.exists():
            raise


def _read(folder: Path) -> Split:
    missing = [name for name in ("counts", "labels", "times_us", "units") if not (folder / name).exists()]
    if missing:
        raise DataError(f"{folder} lacks {', '.join(missing)}; remove {folder}, it is made anew")
    counts, labels = np.fromfile(folder / "counts", np.int64), np.fromfile(folder / "labels", np.int64)
    n_events = int(counts.sum())
    sizes = {"times_us": 4 * n_events, "units": 2 * n_events, "labels": 8 * len(counts)}
    wrong = [name for name, size in sizes.items() if (folder / name).stat().st_size != size]
    if wrong:
        raise DataError(f"{folder / wrong[0]} is not {sizes[wrong[0]]} bytes long; remove {folder}, it is made anew")
    times_us = _in_memory(folder / "times_us", np.dtype(np.uint32))
    units = _in_memory(folder / "units", np.dtype(np.uint16))
    return Split(EventStore(times_us, units, np.cumsum(counts) - counts, counts), labels)


def _in_memory(path: Path, dtype: np.dtype) -> NDArray:
    return np.asarray(np.memmap(path, dtype, "r")) if path.stat().st_size else np.empty(0, dtype)
