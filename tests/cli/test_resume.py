"""A training killed at any moment and resumed ends with the bits of one that was left alone."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

NEURO = [sys.executable, "-m", "simulations.cli"]
ENV = os.environ | {"OMP_NUM_THREADS": "1"}
RECIPE = ["train", "digits_counter_current", "--budget.samples", "60000", "--budget.evaluations", "40", "--seed", "5"]


def start(arguments, **options):
    return subprocess.Popen([*NEURO, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENV, **options)


def only_run(parent: Path) -> Path:
    (run,) = parent.iterdir()
    return run


def manifest(run: Path) -> dict:
    return json.loads((run / "manifest.json").read_text())


def results(run: Path) -> dict:
    """What must not depend on interruptions: weights, curve and results, but not seconds and memory."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    final = {
        k: v
        for k, v in manifest(run)["results"].items()
        if k not in ("train_s", "waited_s", "samples_per_s", "peak_mb")
    }
    curve = [{k: v for k, v in row.items() if k != "train_s"} for row in rows]
    return {"weights": _tensors(run), "curve": curve, "results": final}


def _tensors(run: Path) -> dict[str, bytes]:
    from safetensors.numpy import load_file

    return {name: value.tobytes() for name, value in load_file(run / "checkpoint.safetensors").items()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    process = start([*RECIPE, "--out", str(out)])
    assert process.wait(120) == 0, process.stderr.read().decode()
    return only_run(out)


def _wait_for_checkpoints(out: Path, n: int, process) -> Path:
    """Wait until n evaluations have been written, or the process has ended."""
    while process.poll() is None:
        runs = list(out.iterdir())
        metrics = runs[0] / "metrics.jsonl" if runs else None
        if metrics and metrics.exists() and metrics.read_text().count("\n") >= n:
            break
        time.sleep(0.002)
    return only_run(out)


@pytest.mark.parametrize(
    "moments",
    [
        pytest.param((0,), marks=pytest.mark.slow),
        pytest.param((1,), marks=pytest.mark.slow),
        pytest.param((0, 3, 20, 39), marks=pytest.mark.slow),
        (11,),
    ],
)
def test_sigkill_and_resume_give_the_same_bits(undisturbed, tmp_path, moments):
    process = start([*RECIPE, "--out", str(tmp_path)])
    for n in moments:
        run = _wait_for_checkpoints(tmp_path, n, process) if n else _wait_for_folder(tmp_path)
        process.kill()
        process.wait(60)
        if manifest(run)["status"] == "finished":
            break
        process = start(["resume", str(run)])
    process.wait(120)
    assert manifest(run)["status"] == "finished"
    assert results(run) == results(undisturbed)


def _wait_for_folder(out: Path) -> Path:
    while not any((run / "manifest.json").exists() for run in out.iterdir()):
        time.sleep(0.002)
    return only_run(out)


def test_interrupt_is_noted_and_resumed(undisturbed, tmp_path):
    process = start([*RECIPE, "--out", str(tmp_path)])
    run = _wait_for_checkpoints(tmp_path, 5, process)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert manifest(run)["status"] == "interrupted"
    assert b"Traceback" not in process.stderr.read()
    again = start(["resume", str(run)])
    assert again.wait(120) == 0
    assert results(run) == results(undisturbed)


@pytest.mark.slow
def test_two_runs_started_at_once_do_not_disturb_each_other(undisturbed, tmp_path):
    processes = [start([*RECIPE, "--out", str(tmp_path)]) for _ in range(2)]
    assert [process.wait(120) for process in processes] == [0, 0]
    runs = list(tmp_path.iterdir())
    assert len(runs) == 2
    assert all(results(run) == results(undisturbed) for run in runs)


def test_a_finished_run_is_not_touched(undisturbed):
    before = (undisturbed / "checkpoint.safetensors").stat().st_mtime_ns
    process = start(["resume", str(undisturbed)])
    assert process.wait(60) == 2
    assert b"is finished" in process.stderr.read()
    assert (undisturbed / "checkpoint.safetensors").stat().st_mtime_ns == before
