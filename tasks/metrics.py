"""What is measured of a learner: accuracy, confusions, work of inference, peak memory."""

import contextlib
import resource
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neuro.learners.base import Learner, LearnerState
from tasks.base import Split

CHUNK = 256  # samples a call of predict, the same for all learners


class Evaluation(NamedTuple):
    """confusion_CC: number of samples of true class (row) that were taken for a class (column)."""

    accuracy: float
    confusion_CC: NDArray[np.int64]
    spikes_per_sample: float
    synaptic_events_per_sample: float


def evaluate(learner: Learner, state: LearnerState, split: Split) -> Evaluation:
    """Score a split. Labels are compared with the scores here, never shown to `predict`."""
    n_classes = state.problem.n_classes
    confusion_CC = np.zeros((n_classes, n_classes), np.int64)
    before = state.counts
    n = len(split.labels)
    for first in range(0, n, CHUNK):
        batch = split.batch(np.arange(first, min(first + CHUNK, n)))
        predicted = learner.predict(state, batch.inputs).argmax(1).numpy()
        np.add.at(confusion_CC, (batch.labels.numpy(), predicted), 1)
    return Evaluation(
        accuracy=float(np.trace(confusion_CC) / n),
        confusion_CC=confusion_CC,
        spikes_per_sample=(state.counts.spikes - before.spikes) / n,
        synaptic_events_per_sample=(state.counts.synaptic_events - before.synaptic_events) / n,
    )


class PeakMemory:
    """Peak resident memory of training above what the process held before it, in MB.

    `pause` and `resume` leave evaluations out. On Linux the peak is reset, so that what came before does
    not count; elsewhere it is the peak of the whole process.
    """

    def __init__(self) -> None:
        self.base = _resident_mb()
        self.peak = 0.0
        self.resume()

    def resume(self) -> None:
        """Begin to watch."""
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")

    def pause(self) -> None:
        """Take the peak since `resume` into account."""
        self.peak = max(self.peak, _peak_mb() - self.base)


def _status_mb(key: str) -> float | None:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(key):
                return int(line.split()[1]) * 1024 / 1e6
    return None


def _resident_mb() -> float:
    return _status_mb("VmRSS:") or 0.0


def _peak_mb() -> float:
    scale = 1e6 if sys.platform == "darwin" else 1e6 / 1024
    return _status_mb("VmHWM:") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale
