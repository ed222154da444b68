"""What is measured beside accuracy: how layers are written, memory of processes that a learner starts, waiting."""

import os
import subprocess
import sys
import time

import pytest
import torch

from neuro.learners.backprop import Backprop
from neuro.learners.base import LearnerState
from tasks import digits
from tasks.metrics import PeakMemory, architecture, waited_s

TASK = digits.load()


def test_architecture_of_dense_layers_and_convolutions():
    learner = Backprop(conv=(4, 4), hidden=(30, 30))
    assert architecture(learner.init(TASK.problem, 0)) == "64-2xc4k3-2x30-10"


@pytest.mark.parametrize(
    ("widths", "text"),
    [
        ([7], "64-7"),
        ([7, 5], "64-7-5"),
        ([7, 5, 7, 5, 7, 5, 3], "64-3x(7-5)-3"),
        ([9, 7, 7, 5, 7, 7, 5], "64-9-2x(2x7-5)"),
        ([], ""),
    ],
)
def test_what_repeats_is_written_once(widths, text):
    weights = {str(k): torch.zeros(width, 2) for k, width in enumerate(widths)}
    layers = tuple((name,) for name in weights)
    assert architecture(LearnerState(TASK.problem, weights, {}, torch.Generator(), layers)) == text


@pytest.mark.skipif(sys.platform != "linux", reason="peaks of other processes are read from /proc")
def test_peak_memory_includes_processes_that_were_started():
    memory = PeakMemory()
    code = "numbers = bytearray(60_000_000); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdin
        process.stdout.readline()
        memory.pause()
        process.stdin.close()
    assert 60 < memory.peak < 100  # MB: the numbers, and Python itself


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_waiting_for_a_core_is_all_the_time_that_is_not_spent_on_it():
    """Beside a process that keeps the one core busy, about half the time; what was not waited for was computed."""
    cores = os.sched_getaffinity(0)
    one = {min(cores)}
    spin = f"import os; os.sched_setaffinity(0, {one}); print(flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", spin], stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout is not None and other.stdout.readline()
            os.sched_setaffinity(0, one)
            wall, busy, waited = time.perf_counter(), time.thread_time(), waited_s()
            while time.perf_counter() < wall + 0.5:
                pass
            wall, busy, waited = time.perf_counter() - wall, time.thread_time() - busy, waited_s() - waited
        finally:
            os.sched_setaffinity(0, cores)
            other.kill()
    assert waited > 0.1 * wall
    assert waited + busy == pytest.approx(wall, rel=0.05)
