"""Recordings of an event camera as still images, for learners that take static samples.

    value(u) = min(n(u), MOST) / MOST,   n(u): number of events of unit u in the whole recording

A sample is one image with a channel for each polarity (OFF, ON). Its splits and labels are those of the task of events.

What is lost: all times, so which saccade an event belongs to and in which order pixels fired; and the number of events
above MOST. In the simulated recordings of 500 digits, 0.02 % of units had more, with 0.2 % of all events.
"""

import numpy as np
from numpy.typing import NDArray

from neuro.event_frames import count_frames
from neuro.events import EventStore
from tasks import nmnist, saccades
from tasks.base import Split, Task, make_task

MOST = 15  # 17 of these are the 255 of a byte
CHUNK = 500  # recordings a time
STEPS, DT = 25, 1.0  # of the task mnist, for learners that live in time


def load_nmnist() -> Task:
    """N-MNIST."""
    return still(nmnist.load())


def load_saccades() -> Task:
    """MNIST shown to a simulated event camera, which is not N-MNIST."""
    return still(saccades.load())


def still(task: Task) -> Task:
    """A task of events as one of images."""
    problem = task.problem
    train, val, test = (
        Split(images(split.inputs, problem.shape, problem.n_steps * problem.dt), split.labels)
        for split in (task.train, task.val, task.test)
        if isinstance(split.inputs, EventStore)
    )
    return make_task(
        f"{task.name}-frames", train, val, test, shape=problem.shape, n_steps=STEPS, dt=DT, source=task.source,
        licence=task.licence, data=f"{task.data}; one image of the numbers of events", checksum=task.checksum,
    )  # fmt: skip


def images(store: EventStore, shape: tuple[int, ...], duration: float) -> NDArray[np.uint8]:
    """Images of recordings [n, I], in 255ths. duration: ms; later events are left out."""
    n = len(store.counts)
    found = np.empty((n, int(np.prod(shape))), np.uint8)
    for first in range(0, n, CHUNK):
        rows = np.arange(first, min(first + CHUNK, n))
        counts = count_frames(store.take(rows), shape, 1, duration)[0]
        found[rows] = (255 // MOST) * np.minimum(counts, MOST).reshape(len(rows), -1)
    return found
