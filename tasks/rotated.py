"""Rotated MNIST: the same digits in every task, turned by an angle of the task's own, from 0 to 180 degrees.

Scenario: domain-incremental. Images are turned when a batch is taken, interpolated, with black from outside.

References: lopezpaz2017 (MNIST rotations: 20 tasks of 1,000 images, angles at random between 0 and 180 degrees).
Deviations: ten tasks of all images, as many as permuted-mnist has; their angles are evenly spaced and rise.
"""

import numpy as np

from tasks import mnist
from tasks.base import Task
from tasks.continual import Rotate, seen_through, sequence_of

ANGLES = np.linspace(0.0, 180.0, 10)  # degrees


def load() -> Task:
    """Ten rotations of MNIST."""
    task = mnist.load()
    stages = [seen_through(task, f"{angle:g} degrees", Rotate(float(angle), task.problem.shape)) for angle in ANGLES]
    how = f"{len(ANGLES)} tasks, turned by 0 to 180 degrees"
    return sequence_of(task, "rotated-mnist", stages, "domain-incremental", "lopezpaz2017", how)
