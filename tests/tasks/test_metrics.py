"""What is measured beside accuracy: how layers are written, memory of processes that a learner starts."""

import subprocess
import sys

import pytest
import torch

from neuro.learners.backprop import Backprop
from neuro.learners.base import LearnerState
from tasks import digits
from tasks.metrics import PeakMemory, architecture

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
