"""Two classes at a time: five tasks of a ten-class set; the answer is one of all ten, or (NAME-task) of the task's two.

class-incremental    no word of which task a test sample comes from: the highest of all ten scores answers
task-incremental     the task is told at test time: the higher score of its two classes answers (NAME-task)

Learners see the same in both. Classes come in their order: 0 and 1, then 2 and 3, and so on.

References: zenke2017 (split MNIST, with a head for each task), vandeven2022 (scenarios).
Deviations: one head of ten scores in both scenarios, of which training is not told which are in use.
"""

import dataclasses

from tasks import cifar10, digits, mnist
from tasks.base import Task
from tasks.continual import of_classes, sequence_of

PER_TASK = 2  # classes


def load_mnist() -> Task:
    """MNIST, two digits at a time; the answer is one of ten."""
    return _split(mnist.load(), "split-mnist", "class-incremental")


def load_mnist_task() -> Task:
    """MNIST, two digits at a time; the answer is one of the two."""
    return _split(mnist.load(), "split-mnist-task", "task-incremental")


def load_cifar10() -> Task:
    """CIFAR-10, two classes at a time; the answer is one of ten. No augmentation."""
    return _split(dataclasses.replace(cifar10.load(), augment="none"), "split-cifar10", "class-incremental")


def load_digits() -> Task:
    """The embedded digits, two at a time; the answer is one of ten."""
    return _split(digits.load(), "split-digits", "class-incremental")


def _split(task: Task, name: str, scenario: str) -> Task:
    n_classes = task.problem.n_classes
    stages = [of_classes(task, range(first, first + PER_TASK)) for first in range(0, n_classes, PER_TASK)]
    how = f"{len(stages)} tasks of {PER_TASK} classes"
    return sequence_of(task, name, stages, scenario, "zenke2017", how)
