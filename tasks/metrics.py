"""What is measured of a learner: accuracy, confusions, work of inference, its layers, peak memory, waiting."""

import contextlib
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
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


def evaluate(learner: Learner, state: LearnerState, split: Split, classes: Sequence[int] = ()) -> Evaluation:
    """Score a split. Labels are compared with the scores here, never shown to `predict`.

    classes: among which the highest score is sought; empty: among all.
    """
    n_classes = state.problem.n_classes
    is_out_C = torch.ones(n_classes, dtype=torch.bool)
    is_out_C[list(classes or range(n_classes))] = False
    confusion_CC = np.zeros((n_classes, n_classes), np.int64)
    before = state.counts
    n = len(split.labels)
    for batch in split.batches(CHUNK):
        scores_BC = learner.predict(state, batch.inputs)
        if classes:
            scores_BC = scores_BC.masked_fill(is_out_C.to(scores_BC.device), -torch.inf)
        predicted = scores_BC.argmax(1).numpy()
        np.add.at(confusion_CC, (batch.labels.numpy(), predicted), 1)
    return Evaluation(
        accuracy=float(np.trace(confusion_CC) / n),
        confusion_CC=confusion_CC,
        spikes_per_sample=(state.counts.spikes - before.spikes) / n,
        synaptic_events_per_sample=(state.counts.synaptic_events - before.synaptic_events) / n,
    )


def architecture(state: LearnerState) -> str:
    """Inputs and units of each layer of the network that answers, lowest first; c8k3: 8 channels, kernels of 3 x 3.

    What repeats is written once, as in 784-5x256-10 or 784-3x(c32k3-256)-10. Empty where a learner names no layers.
    """
    shapes = [tuple(state.weights[names[0]].shape) for names in state.layers]
    sizes = [f"c{shape[0]}k{shape[-1]}" if len(shape) == 4 else str(shape[0]) for shape in shapes]
    return f"{state.problem.n_inputs}-{_folded(sizes)}" if sizes else ""


def _folded(sizes: list[str]) -> str:
    """Sizes joined by dashes; a sequence that follows itself is written once, with the number of times."""
    best_period, best_times = 1, 1
    for period in range(1, len(sizes) // 2 + 1):
        times = 1
        while sizes[times * period : (times + 1) * period] == sizes[:period]:
            times += 1
        if times > 1 and times * period > best_times * best_period:
            best_period, best_times = period, times
    first, rest = sizes[:best_period], sizes[best_period * best_times :]
    unit = first[0] if best_period == 1 else f"({_folded(first)})"
    text = unit if best_times == 1 else f"{best_times}x{unit}"
    return f"{text}-{_folded(rest)}" if rest else text


def settle(state: LearnerState) -> None:
    """Wait until all that updates have begun is done, in other processes and on a GPU, so that times are true."""
    weights = state.weights  # a state that other processes change waits here
    for device in {weight.device for weight in weights.values() if weight.is_cuda}:
        torch.cuda.synchronize(device)


def waited_s() -> float:
    """Seconds that this thread was ready to run, and other programs had the cores (on Linux; elsewhere 0)."""
    with contextlib.suppress(OSError):
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    return 0.0


class PeakMemory:
    """Peak resident memory of training above what the process held before it, in MB.

    `pause` and `resume` leave evaluations out. On Linux the peak is reset, so that what came before does
    not count, and processes that the learner started are added, each with its own peak, in which memory that
    they share counts again; elsewhere it is the peak of this process since its start.
    """

    def __init__(self) -> None:
        self.base = _resident_mb()
        self.peak = 0.0
        self.resume()

    def resume(self) -> None:
        """Begin to watch."""
        for process in ("self", *_children()):
            with contextlib.suppress(OSError):
                Path(f"/proc/{process}/clear_refs").write_text("5")

    def pause(self) -> None:
        """Take the peak since `resume` into account."""
        children = sum(_status_mb("VmHWM:", process) or 0.0 for process in _children())
        self.peak = max(self.peak, _peak_mb() + children - self.base)


def _children() -> list[str]:
    """Processes that this one has started and that still run (Linux)."""
    found: list[str] = []
    for thread in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += thread.read_text().split()
    return found


def _status_mb(key: str, process: str = "self") -> float | None:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith(key):
                return int(line.split()[1]) * 1024 / 1e6
    return None


def _resident_mb() -> float:
    return _status_mb("VmRSS:") or 0.0


def _peak_mb() -> float:
    scale = 1e6 if sys.platform == "darwin" else 1e6 / 1024
    return _status_mb("VmHWM:") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale
