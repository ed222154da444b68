"""What a task is: a problem, three splits of its samples, where the data come from.

Axes: n sample, I input.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from neuro.learners.base import Batch, Problem
from neuro.seeds import child

DEFAULT_PASSES = 20  # over the training split, where no budget says how many


class DataError(ValueError):
    """Data that are missing or damaged; the message says what to do."""


class Split(NamedTuple):
    """inputs_nI: float32 in [0, 1]; labels_n: int64."""

    inputs: NDArray[np.float32]
    labels: NDArray[np.int64]

    def batch(self, rows: NDArray) -> Batch:
        return Batch(torch.from_numpy(self.inputs[rows]), torch.from_numpy(self.labels[rows]))


@dataclass(frozen=True)
class Task:
    """A learning task. source is a key of neuro.references, checksum that of the raw data."""

    name: str
    problem: Problem
    train: Split
    val: Split
    test: Split
    source: str
    licence: str
    data: str
    checksum: str


def make_task(
    name: str,
    train: Split,
    val: Split,
    test: Split,
    *,
    shape: tuple[int, ...],
    n_steps: int,
    dt: float,
    **about: str,
) -> Task:
    """A task whose problem is read off its training split."""
    problem = Problem(
        n_inputs=train.inputs.shape[1],
        n_classes=int(train.labels.max()) + 1,
        n_steps=n_steps,
        dt=dt,
        input_mean=float(train.inputs.mean()),
        input_std=float(train.inputs.std()),
        shape=shape,
        samples=DEFAULT_PASSES * len(train.labels),
    )
    return Task(name, problem, train, val, test, **about)


def split_off(samples: Split, n_held: int, seed: int, name: str) -> tuple[Split, Split]:
    """Cut n_held random samples off. Returns (the rest, those held out)."""
    order = child(seed, name).permutation(len(samples.labels))
    held, rest = np.sort(order[:n_held]), np.sort(order[n_held:])
    return (
        Split(samples.inputs[rest], samples.labels[rest]),
        Split(samples.inputs[held], samples.labels[held]),
    )


def stream(split: Split, samples: int, batch_size: int, seed: int, start: int = 0) -> Iterator[tuple[int, Batch]]:
    """Batches until `samples` samples have been seen, each pass over the split in a new random order.

    The order depends on the seed alone, not on the batch size, and can be entered at any `start`.
    Yields (samples seen after the batch, batch).
    """
    n = len(split.labels)
    orders: dict[int, NDArray] = {}
    while start < samples:
        stop = min(start + batch_size, samples)
        passes = range(start // n, (stop - 1) // n + 1)
        orders = {p: orders[p] if p in orders else child(seed, "order", p).permutation(n) for p in passes}
        rows = np.concatenate([orders[p][max(start - p * n, 0) : stop - p * n] for p in passes])
        yield stop, split.batch(rows)
        start = stop


def data_dir() -> Path:
    """Where data lie: $NEURO_DATA, by default ~/.cache/neuro/data."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("NEURO_DATA") or cache / "neuro" / "data")
