"""What the sequences of tasks are made of: images that several tasks share, and stages of a task's classes.

The images lie in memory once. A task of a sequence holds the numbers of its own images and a view: what is done to
them when a batch is taken (their pixels permuted, say).

Axes: N image of the whole set, n sample of a split, B sample of a batch, I input of the stored image.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.augment import N_NUMBERS, rotate
from tasks.base import Split, Stage, Task

View = Callable[[NDArray], NDArray]  # of rows [B, I], not changed, to rows that the task shows


class SharedImages(NamedTuple):
    """Some of the images of a set, as one task sees them. n_inputs: of an image as it is shown."""

    images_NI: NDArray
    rows_n: NDArray[np.int64]
    n_inputs: int
    view: View | None = None

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.rows_n), self.n_inputs

    def keep(self, rows: NDArray) -> "SharedImages":
        """The samples of some rows; no image is copied."""
        return self._replace(rows_n=self.rows_n[rows])

    def take(self, rows: NDArray) -> NDArray:
        """Images as the task shows them, made now."""
        images_BI = self.images_NI[self.rows_n[rows]]
        return images_BI if self.view is None else self.view(images_BI)


@dataclass(frozen=True)
class Permute:
    """Input k of what is shown is input order_I[k] of the image."""

    order_I: NDArray[np.int64]

    def __call__(self, images_BI: NDArray) -> NDArray:
        return np.ascontiguousarray(images_BI[:, self.order_I])


@dataclass(frozen=True)
class Rotate:
    """Images of a shape (channels, height, width), turned about the centre; interpolated, zeros from outside."""

    degrees: float
    shape: tuple[int, ...]

    def __call__(self, images_BI: NDArray) -> NDArray:
        images = torch.from_numpy(images_BI).reshape(-1, *self.shape)
        highest = torch.ones(len(images), N_NUMBERS)  # the number that stands for the largest angle
        return rotate(images, highest, degrees=self.degrees).flatten(1).numpy()


@dataclass(frozen=True)
class ToColour:
    """Grey images of a side, in three equal channels, in the middle of a black square of `to` pixels."""

    side: int
    to: int

    def __call__(self, images_BI: NDArray) -> NDArray:
        margin = self.to - self.side
        edge = margin // 2, margin - margin // 2
        images = np.pad(images_BI.reshape(-1, 1, self.side, self.side), ((0, 0), (0, 0), edge, edge))
        return np.repeat(images, 3, axis=1).reshape(len(images_BI), -1)


def shared(split: Split, n_inputs: int, view: View | None = None, rows: NDArray | None = None) -> Split:
    """A view of the images of a split, or of some rows of it. ValueError where it holds no array of images."""
    if not isinstance(split.inputs, np.ndarray):
        raise ValueError(f"{type(split.inputs).__name__} is no array of images, which tasks could share")
    rows = np.arange(len(split.labels)) if rows is None else rows
    return Split(SharedImages(split.inputs, rows, n_inputs, view), split.labels[rows])


def seen_through(task: Task, name: str, view: View | None) -> Stage:
    """All of a task as a stage, its images through a view that keeps their size."""
    train, val, test = (shared(split, task.problem.n_inputs, view) for split in (task.train, task.val, task.test))
    return Stage(name, train, val, test, tuple(range(task.problem.n_classes)))


def of_classes(task: Task, classes: Sequence[int]) -> Stage:
    """The samples of some classes of a task, which keep their labels, as a stage."""
    train, val, test = (
        shared(split, task.problem.n_inputs, rows=np.flatnonzero(np.isin(split.labels, classes)))
        for split in (task.train, task.val, task.test)
    )
    return Stage("/".join(map(str, classes)), train, val, test, tuple(classes))


def sequence_of(task: Task, name: str, stages: Sequence[Stage], scenario: str, source: str, how: str) -> Task:
    """A sequence made from a task, with that task's problem and augmentation. how: said of its data."""
    first, data = stages[0], f"{task.data}; {how}"
    return dataclasses.replace(
        task, name=name, train=first.train, val=first.val, test=first.test, source=source, data=data,
        stages=tuple(stages), scenario=scenario,
    )  # fmt: skip
