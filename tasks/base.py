"""What a task is: a problem, three splits of its samples, where the data come from.

Axes: n sample, B sample of a batch, I input, K number.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from neuro.events import EventStore
from neuro.learners.base import Batch, Problem
from neuro.seeds import child
from tasks.augment import AUGMENTATIONS, N_NUMBERS, augmented
from tasks.augment_events import EVENT_AUGMENTATIONS, partners, varied

DEFAULT_PASSES = 20  # over the training split, where no budget says how many
AUGMENTATION_NAMES = ("none", *AUGMENTATIONS, *EVENT_AUGMENTATIONS)
SCENARIOS = ("domain-incremental", "class-incremental", "task-incremental")


class DataError(ValueError):
    """Data that are missing or damaged; the message says what to do."""


class InputStore(Protocol):
    """Static samples [n, I] that are made when they are taken, such as one task's view of images shared by several."""

    @property
    def shape(self) -> tuple[int, int]: ...
    def take(self, rows: NDArray) -> NDArray[np.float32] | NDArray[np.uint8]: ...
    def keep(self, rows: NDArray) -> "InputStore": ...


class Split(NamedTuple):
    """inputs_nI: float32 in [0, 1], or uint8, which stands for 255ths; a store of them, or of all samples' events.

    labels_n: int64.
    """

    inputs: NDArray[np.float32] | NDArray[np.uint8] | EventStore | InputStore
    labels: NDArray[np.int64]

    def batch(self, rows: NDArray) -> Batch:
        """Samples as a learner sees them."""
        if isinstance(self.inputs, EventStore):
            inputs = self.inputs.take(rows)
        else:
            inputs = _as_float(_stored(self.inputs, rows))
        return Batch(inputs, torch.from_numpy(self.labels[rows]))

    def batches(self, size: int, n: int | None = None) -> Iterator[Batch]:
        """The first n samples in turn, or all, size at a time."""
        n = len(self.labels) if n is None else n
        for first in range(0, n, size):
            yield self.batch(np.arange(first, min(first + size, n)))

    def keep(self, rows: NDArray) -> "Split":
        """The samples of some rows."""
        inputs = self.inputs[rows] if isinstance(self.inputs, np.ndarray) else self.inputs.keep(rows)
        return Split(inputs, self.labels[rows])


class Augmentation(NamedTuple):
    """What is done to each training sample. name: one of AUGMENTATION_NAMES; shape: of one sample."""

    name: str
    shape: tuple[int, ...]

    def numbers(self, n: int, seed: int, n_pass: int) -> NDArray[np.float64]:
        """Those of every place in a pass over n samples [n, K]."""
        return child(seed, "augment", n_pass).random((n, N_NUMBERS))

    def batch(self, split: Split, rows: NDArray, numbers_BK: NDArray) -> Batch:
        """Altered copies of a split's samples, as a learner sees them."""
        if isinstance(split.inputs, EventStore):
            how, events = EVENT_AUGMENTATIONS[self.name], split.inputs.take(rows)
            others = split.inputs.take(partners(split.labels, rows, numbers_BK)) if how.blending else events
            inputs = varied(how, events, others, math.prod(self.shape), numbers_BK)
        else:
            stored = _stored(split.inputs, rows)
            inputs = _as_float(augmented(self.name, stored, self.shape, torch.from_numpy(numbers_BK)))
        return Batch(inputs, torch.from_numpy(split.labels[rows]))


def _stored(inputs: NDArray | InputStore, rows: NDArray) -> torch.Tensor:
    """Static samples as they are stored."""
    return torch.from_numpy(inputs[rows] if isinstance(inputs, np.ndarray) else inputs.take(rows))


def _as_float(inputs: torch.Tensor) -> torch.Tensor:
    return inputs.float().div_(255.0) if inputs.dtype == torch.uint8 else inputs


class Stage(NamedTuple):
    """One task of a sequence. classes: those of its labels, among all classes of the sequence's problem."""

    name: str
    train: Split
    val: Split
    test: Split
    classes: tuple[int, ...]


@dataclass(frozen=True)
class Task:
    """A learning task. source is a key of neuro.references, checksum that of the raw data.

    augment: what "task" stands for where an augmentation is chosen (one of AUGMENTATION_NAMES).
    stages: of a sequence of tasks, each of them; then train, val and test are those of the first, and the problem has
        the classes of all. scenario: one of SCENARIOS; in "task-incremental" alone, an answer is sought among the
        classes of the stage that a test sample comes from.
    """

    name: str
    problem: Problem
    train: Split
    val: Split
    test: Split
    source: str
    licence: str
    data: str
    checksum: str
    augment: str = "none"
    stages: tuple[Stage, ...] = ()
    scenario: str = ""

    def augmentation(self, chosen: str) -> Augmentation | None:
        """An augmentation by name, "task" for the task's own; None if nothing is altered.

        ValueError if it alters images and the task gives events, or the other way round.
        """
        name = self.augment if chosen == "task" else chosen
        if name == "none":
            return None
        altered, given = (
            "events" if is_events else "images"
            for is_events in (name in EVENT_AUGMENTATIONS, isinstance(self.train.inputs, EventStore))
        )
        if altered != given:
            raise ValueError(
                f"augmentation {name!r} alters {altered}, and the task {self.name} gives {given}; choose none"
            )
        if altered == "events" and len(self.problem.shape) > 1:
            raise ValueError(
                f"augmentation {name!r} shifts units along one row, and those of {self.name} have the shape"
                f" {self.problem.shape}; choose none"
            )
        return Augmentation(name, self.problem.shape)


def make_task(
    name: str,
    train: Split,
    val: Split,
    test: Split,
    *,
    shape: tuple[int, ...],
    n_steps: int,
    dt: float,
    **about: Any,
) -> Task:
    """A task whose problem is read off its training split; of events, shape is that of their units."""
    mean, std = _moments(train.inputs) if isinstance(train.inputs, np.ndarray) else (0.0, 1.0)
    problem = Problem(
        n_inputs=train.inputs.shape[1] if isinstance(train.inputs, np.ndarray) else math.prod(shape),
        n_classes=int(train.labels.max()) + 1,
        n_steps=n_steps,
        dt=dt,
        input_mean=mean,
        input_std=std,
        shape=shape,
        samples=DEFAULT_PASSES * len(train.labels),
    )
    return Task(name, problem, train, val, test, **about)


def _moments(inputs: NDArray) -> tuple[float, float]:
    """Mean and standard deviation of all inputs, as learners see them."""
    if inputs.dtype != np.uint8:
        return float(inputs.mean()), float(inputs.std())
    parts = np.array_split(inputs, max(len(inputs) // 1000, 1))  # a float of every byte would be a gigabyte
    counts = sum(np.bincount(part.ravel(), minlength=256) for part in parts)
    values = np.arange(256) / 255.0
    mean = np.average(values, weights=counts)
    return float(mean), float(np.sqrt(np.average((values - mean) ** 2, weights=counts)))


def split_off(samples: Split, n_held: int, seed: int, name: str) -> tuple[Split, Split]:
    """Cut n_held random samples off. Returns (the rest, those held out)."""
    order = child(seed, name).permutation(len(samples.labels))
    held, rest = np.sort(order[:n_held]), np.sort(order[n_held:])
    return samples.keep(rest), samples.keep(held)


def stream(
    split: Split, samples: int, batch_size: int, seed: int, start: int = 0, augment: Augmentation | None = None
) -> Iterator[tuple[int, Batch]]:
    """Batches until `samples` samples have been seen, each pass over the split in a new random order.

    The order and what is altered depend on the seed alone, not on the batch size, and can be entered at any `start`.
    Yields (samples seen after the batch, batch).
    """
    n = len(split.labels)
    orders: dict[int, NDArray] = {}
    numbers: dict[int, NDArray] = {}
    while start < samples:
        stop = min(start + batch_size, samples)
        passes = range(start // n, (stop - 1) // n + 1)
        places = {p: slice(max(start - p * n, 0), stop - p * n) for p in passes}
        orders = {p: orders[p] if p in orders else child(seed, "order", p).permutation(n) for p in passes}
        rows = np.concatenate([orders[p][places[p]] for p in passes])
        if augment:
            numbers = {p: numbers[p] if p in numbers else augment.numbers(n, seed, p) for p in passes}
            yield stop, augment.batch(split, rows, np.concatenate([numbers[p][places[p]] for p in passes]))
        else:
            yield stop, split.batch(rows)
        start = stop


def data_dir() -> Path:
    """Where data lie: $NEURO_DATA, by default ~/.cache/neuro/data."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("NEURO_DATA") or cache / "neuro" / "data")
