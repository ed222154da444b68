"""Permuted images: the same digits in every task, the pixels of each task in a random order of its own.

The orders are fixed by the name of the sequence; the first task is permuted too, as in the program of xiao2024. The
scenario is domain-incremental: ten classes, one answer, no word of which task a sample comes from.

References: goodfellow2013 (permuted MNIST), xiao2024 (ten tasks, one pass over each; pkuxmq/HLOP-SNN,
dataloader/pmnist.py), vandeven2022 (scenarios).
Deviations: 6,000 training images are held out for validation; the orders are drawn by our generator.
"""

import dataclasses

from neuro.seeds import child
from tasks import digits, mnist
from tasks.base import Task
from tasks.continual import Permute, seen_through, sequence_of

N_MNIST, N_DIGITS = 10, 5  # tasks; the embedded digits have fewer, for quick looks


def load_mnist() -> Task:
    """Ten permutations of MNIST, shown to networks that live in time for 20 steps, as in xiao2024."""
    task = mnist.load()
    task = dataclasses.replace(task, problem=task.problem._replace(n_steps=20))
    return _permuted(task, "permuted-mnist", N_MNIST)


def load_digits() -> Task:
    """Five permutations of the embedded digits."""
    return _permuted(digits.load(), "permuted-digits", N_DIGITS)


def _permuted(task: Task, name: str, n_stages: int) -> Task:
    orders = [child(0, name, k).permutation(task.problem.n_inputs) for k in range(n_stages)]
    stages = [seen_through(task, f"order {k}", Permute(order_I)) for k, order_I in enumerate(orders)]
    how = f"{n_stages} tasks, each with its pixels in an order of its own"
    return sequence_of(task, name, stages, "domain-incremental", "goodfellow2013", how)
