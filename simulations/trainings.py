"""Run folders of trainings: found or made, and trained, each in a fresh process or one after the other in this one.

A fresh process keeps the peak memory and the caches of one learner away from the next. It takes seconds to start.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from pathlib import Path

from neuro.runs import Run, fingerprint
from tasks.harness import Training, open_training, to_json, train

POLL_S = 0.02
PATIENCE_S = 30.0  # for a process that was interrupted to write down where it stands


def run_of(training: Training, parent: Path, kind: str, threads: int) -> Run:
    """The run of a training in a folder: the one that exists, or a new one. kind: see `open_training`."""
    mark = fingerprint(to_json(training))
    for path in sorted(parent.glob(f"*_{mark}")):
        if (path / "manifest.json").exists():
            return Run(path)
    name = f"{training.task}_{training.name}".replace("-", "_")
    return open_training(training, name, parent, kind=kind, threads=threads)


def train_here(runs: Iterator[Run]) -> Generator[Run]:
    """Train runs in this process, and yield each as it is finished; see `train_each`."""
    for run in runs:
        if run.manifest()["status"] != "finished":
            train(run)
        yield run


def train_each(runs: Iterator[Run], processes: int) -> Generator[Run]:
    """Train runs, and yield each as it is finished; one that was finished before is yielded at once.

    The next run is asked for when a process is free, after those yielded have been dealt with. ValueError if
    a training fails. However this ends, by an error or an interrupt, no process is left behind.
    """
    active: dict[subprocess.Popen, Run] = {}
    try:
        while True:
            while len(active) < processes and (run := next(runs, None)) is not None:
                if run.manifest()["status"] == "finished":
                    yield run
                else:
                    active[_start(run, is_alone=processes == 1)] = run
            if not active:
                return
            process = _wait(active)
            run = active.pop(process)
            _check_status(process, run)
            yield run
    finally:
        for process in active:
            process.send_signal(signal.SIGINT)
        for process in active:
            _end(process)


def _start(run: Run, is_alone: bool) -> subprocess.Popen:
    """A process that trains a run. Alone, it shows its progress; of several, each writes into its run's log.

    A group of its own keeps the terminal's Ctrl-C away from it: the interrupt comes once, from `train_each`.
    """
    command = [sys.executable, "-m", "simulations.worker", str(run.path)]
    with open(run.path / "log.txt", "a") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=None if is_alone else log,
            process_group=0,
        )


def _wait(active: dict[subprocess.Popen, Run]) -> subprocess.Popen:
    """The first process that ends."""
    while True:
        for process in active:
            if process.poll() is not None:
                return process
        time.sleep(POLL_S)


def _check_status(process: subprocess.Popen, run: Run) -> None:
    if process.returncode == 0:
        return
    if process.returncode in (130, -signal.SIGINT):
        raise KeyboardInterrupt
    manifest, log = run.manifest(), (run.path / "log.txt").read_text().splitlines()
    reason = manifest["error"] if manifest["status"] == "failed" else log[-1] if log else f"status {process.returncode}"
    if process.returncode < 0:
        reason = f"killed by {signal.Signals(-process.returncode).name}; did the machine run out of memory?"
    raise ValueError(
        f"{run.path} failed: {reason}; the same command goes on from there, and, with --learners that name the others,"
        " without this one"
    )


def _end(process: subprocess.Popen) -> None:
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
