"""Five data sets, one after the other: photographs, digits, house numbers, clothes and letters, of ten classes each.

    CIFAR-10, MNIST, SVHN, Fashion-MNIST, notMNIST      all as 3 x 32 x 32; set s has the classes 10 s to 10 s + 9

Grey images are put into the middle of a black square, in three equal channels. Sets whose files are not in $NEURO_DATA
are left out; `Task.data` says which are there. Scenario: task-incremental, so an answer is sought among the ten classes
of the set that a test sample comes from.

References: ebrahimi2020 (the five sets), xiao2024 (this order; pkuxmq/HLOP-SNN, dataloader/five_datasets.py).
Deviations: one head with the classes of all sets, of which training is not told which are in use (published: a head for
each set). Inputs are standardised by the moments of all sets together, not each by its own. notMNIST is split by our
seed. CIFAR-10 may come from JPEG files (tasks/cifar10.py).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from neuro.learners.base import Problem
from tasks import cifar10, image_sets, mnist
from tasks.base import DEFAULT_PASSES, DataError, Split, Stage, Task, data_dir
from tasks.continual import ToColour, shared

SHAPE = (3, 32, 32)


class ImageSet(NamedTuple):
    """One of the sets. is_there: without downloading anything."""

    is_there: Callable[[], bool]
    load: Callable[[], Task]


SETS = {
    "cifar10": ImageSet(cifar10.is_there, cifar10.load),
    "mnist": ImageSet(lambda: all(map(mnist.find, mnist.FILES)), mnist.load),
    "svhn": ImageSet(lambda: image_sets.is_there("svhn"), image_sets.load_svhn),
    "fashion-mnist": ImageSet(lambda: image_sets.is_there("fashion-mnist"), image_sets.load_fashion_mnist),
    "notmnist": ImageSet(lambda: image_sets.is_there("notmnist"), image_sets.load_notmnist),
}


def load() -> Task:
    """The sequence of those sets that are there. DataError if they are fewer than two."""
    found = [name for name, each in SETS.items() if each.is_there()]
    if len(found) < 2:
        raise DataError(
            f"five-datasets needs two of {', '.join(SETS)}, and {data_dir()} holds {', '.join(found) or 'none'};"
            " `neuro data get mnist` and `neuro data get cifar10` fetch two"
        )
    tasks = [SETS[name].load() for name in found]
    stages = tuple(_stage(task, 10 * k) for k, task in enumerate(tasks))
    return Task(
        "five-datasets", _problem(tasks), stages[0].train, stages[0].val, stages[0].test, source="ebrahimi2020",
        licence="; ".join(f"{task.name}: {task.licence}" for task in tasks),
        data=f"{len(found)} of the five sets: " + "; ".join(task.data for task in tasks),
        checksum="; ".join(task.checksum for task in tasks), stages=stages, scenario="task-incremental",
    )  # fmt: skip


def _stage(task: Task, first: int) -> Stage:
    """A set as a stage; its classes begin with `first`."""
    side = task.problem.shape[-1]
    view = None if task.problem.shape == SHAPE else ToColour(side, SHAPE[-1])
    train, val, test = (
        shared(Split(split.inputs, split.labels + first), math.prod(SHAPE), view)
        for split in (task.train, task.val, task.test)
    )
    return Stage(task.name, train, val, test, tuple(range(first, first + task.problem.n_classes)))


def _problem(tasks: list[Task]) -> Problem:
    """The classes of all sets, and the moments of all their training images as they are shown."""
    numbers = [len(task.train.labels) for task in tasks]
    mean = square = 0.0
    for task, n in zip(tasks, numbers, strict=True):
        problem = task.problem
        part = n / sum(numbers) * math.prod(problem.shape[-2:]) / math.prod(SHAPE[-2:])  # what is not black margin
        mean += part * problem.input_mean
        square += part * (problem.input_std**2 + problem.input_mean**2)
    return tasks[0].problem._replace(
        n_inputs=math.prod(SHAPE), n_classes=10 * len(tasks), input_mean=mean, input_std=math.sqrt(square - mean**2),
        shape=SHAPE, samples=DEFAULT_PASSES * sum(numbers),
    )  # fmt: skip
