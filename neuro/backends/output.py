"""Where a long simulation puts what it records: in memory, or in files of a folder while it runs."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neuro import memory
from neuro.events import Events

REMEDY = "record fewer populations, give `stream` a folder, or simulate in parts (`resume`)"


class SpikeOutput:
    """The spikes of one population, appended part by part. folder: None for memory."""

    def __init__(self, name: str, dt: float, folder: Path | None):
        self.name, self.dt = name, dt
        self.parts: list[tuple[NDArray, NDArray]] = []
        self.files = None
        if folder is not None:
            self.files = (
                _GrowingArray(folder / f"{name}.times.npy", np.float64),
                _GrowingArray(folder / f"{name}.units.npy", np.int32),
            )

    def append(self, steps: NDArray[np.int64], units: NDArray[np.int32]) -> int:
        """Keep copies of spikes, ordered by step. Returns the bytes that this took in memory."""
        if self.files is not None:
            self.files[0].append(steps * self.dt)
            self.files[1].append(units)
            return 0
        self.parts.append((steps * self.dt, units.copy()))
        return 12 * len(steps)

    def events(self) -> Events:
        """All of them, as one sample; arrays that are mapped from their files where there are files."""
        if self.files is not None:
            times, units = (file.mapped() for file in self.files)
        else:
            times = np.concatenate([times for times, _ in self.parts] or [np.empty(0)])
            units = np.concatenate([units for _, units in self.parts] or [np.empty(0, np.int32)])
        return Events(times, units, np.array([0, len(times)]))


class _GrowingArray:
    """A .npy file of one axis that grows; it can be read at any time, also after a crash."""

    def __init__(self, path: Path, dtype: type):
        self.path, self.dtype, self.size = path, np.dtype(dtype), 0
        path.parent.mkdir(parents=True, exist_ok=True)  # names of populations may have a slash
        with path.open("wb") as file:
            self._write_header(file)

    def _write_header(self, file) -> None:
        # NumPy leaves room in the header for the axis to grow, so that it keeps its length.
        header = {"descr": self.dtype.str, "fortran_order": False, "shape": (self.size,)}
        np.lib.format.write_array_header_1_0(file, header)

    def append(self, values: NDArray) -> None:
        with self.path.open("r+b") as file:
            file.seek(0, 2)
            file.write(np.ascontiguousarray(values, self.dtype).tobytes())
            self.size += len(values)
            file.seek(0)
            self._write_header(file)

    def mapped(self) -> NDArray:
        return np.load(self.path, mmap_mode="r") if self.size else np.empty(0, self.dtype)


def new_array(name: str, shape: tuple[int, ...], dtype: np.dtype, folder: Path | None) -> NDArray:
    """An array to be filled, in memory or mapped to a file."""
    if folder is None:
        n_bytes = float(np.prod(shape, dtype=float)) * dtype.itemsize
        memory.demand(n_bytes, f"recording {name!r} {shape} needs", REMEDY)
        return np.empty(shape, dtype)
    path = folder / f"{name}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    return np.lib.format.open_memmap(path, "w+", dtype, shape)
