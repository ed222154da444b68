"""Peak memory and time of one update against the number of steps, for learners that store time and that do not.

    python -m benchmarks.memory_through_time [--steps 50 100 200 400 800] [--publish]

The same 128 recordings of FSDD, 1300 ms each, are binned into more and more steps, so that the events stay the same.
Networks are 140-256-256-10; that of e-prop, which has one layer, is 140-256-10 with 256 x 256 recurrent weights. Each
learner and number of steps has a process of its own, on one thread; memory is its peak above what it held before the
first update, of three; time is the processor time of one update, the least of these. E-prop keeps the raster of its
input, and bptt that and all activities; the others bin a window of events at a time.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from benchmarks.published import described, show
from benchmarks.scripts import run_script
from neuro.events import Events
from neuro.learners.base import Batch, Problem
from neuro.learners.bptt import BPTT
from neuro.learners.eprop import EProp
from neuro.learners.truncated_time import OTTT, SLTT, TruncatedBPTT
from neuro.runs import hardware, made_with, versions
from tasks import shd
from tasks.metrics import PeakMemory

STEPS = (50, 100, 200, 400, 800)
BATCH, UPDATES = 128, 3
FLAT = 0.1  # growth of SLTT's memory from the fewest steps to the most
HIDDEN = (256, 256)
LEARNERS: dict[str, Any] = {
    "bptt": BPTT(hidden=HIDDEN),
    "truncated-bptt": TruncatedBPTT(hidden=HIDDEN),
    "sltt": SLTT(hidden=HIDDEN),
    "ottt": OTTT(hidden=HIDDEN),
    "eprop": EProp(hidden=HIDDEN[0]),
}
MARKERS = ("o", "s", "^", "v", "D")


def measure(name: str, n_steps: int, file: Path) -> dict[str, float]:
    """In this process: memory (MB) and processor seconds of an update from the batch in a file."""
    with np.load(file) as arrays:
        events = Events(arrays["times"], arrays["units"], arrays["offsets"])
        labels = torch.from_numpy(arrays["labels"])
    learner, problem = LEARNERS[name], _problem(n_steps)
    first = Batch(events.sample(0), labels[:1])
    learner.update(learner.init(_problem(1), 0), first)  # loads what is loaded once
    state, seconds = learner.init(problem, 0), []
    memory = PeakMemory()
    for _ in range(UPDATES):
        start = time.process_time()
        learner.update(state, Batch(events, labels))
        seconds.append(time.process_time() - start)
    memory.pause()
    return {"peak_mb": memory.peak, "seconds": min(seconds)}


def _problem(n_steps: int) -> Problem:
    n_inputs = shd.N_CHANNELS // 5
    return Problem(
        n_inputs, shd.FSDD.n_classes, n_steps, shd.FSDD.longest / n_steps, 0.0, 1.0, (n_inputs,), sys.maxsize
    )


def compare(steps: list[int]) -> dict[str, Any]:
    """All learners at all numbers of steps."""
    batch = shd.FSDD.load().train.batch(np.arange(BATCH))
    assert isinstance(batch.inputs, Events)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "batch.npz"
        np.savez(file, labels=batch.labels.numpy(), **batch.inputs._asdict())
        for name in LEARNERS:
            for n_steps in steps:
                arguments = ["--worker", name, "--steps", str(n_steps), "--file", str(file)]
                found = run_script("benchmarks.memory_through_time", arguments, 1, {}).found
                rows.append({"learner": name, "steps": n_steps, **found})
                print(f"{name:<15} {n_steps:>4} steps  {rows[-1]['peak_mb']:8.1f} MB  {rows[-1]['seconds']:6.2f} s")
    return {
        "rows": rows,
        "growth": {name: growth(rows, name) for name in LEARNERS},
        "flat": FLAT,
        "hardware": hardware(),
        "versions": versions("python", "neuro", "numpy", "torch"),
    }


def growth(rows: list[dict[str, Any]], name: str) -> float:
    """Memory at the most steps over that at the fewest, less 1."""
    peaks = {row["steps"]: row["peak_mb"] for row in rows if row["learner"] == name}
    return peaks[max(peaks)] / peaks[min(peaks)] - 1.0


def markdown(found: dict[str, Any]) -> str:
    steps = sorted({row["steps"] for row in found["rows"]})
    cells = {(row["learner"], row["steps"]): row for row in found["rows"]}
    head = "| learner | " + " | ".join(f"{n} steps" for n in steps)
    memory, seconds = [], []
    for name in LEARNERS:
        row = [cells[name, n] for n in steps]
        memory.append(f"| {name} | " + " | ".join(f"{cell['peak_mb']:.0f}" for cell in row))
        memory[-1] += f" | {100 * found['growth'][name]:+.1f} % |"
        seconds.append(f"| {name} | " + " | ".join(f"{cell['seconds']:.2f}" for cell in row) + " |")
    rule = "| --- " * (len(steps) + 1) + "|"
    lines = [
        "# Memory through time", "", described(__doc__), "",
        "Peak memory of updates (MB), and its growth from the fewest steps to the most"
        f" (target for sltt: below {100 * found['flat']:g} %):", "", f"{head} | growth |", f"{rule} --- |", *memory, "",
        "Processor time of one update (s):", "", f"{head} |", rule, *seconds, "", "![](memory_through_time.png)", "",
        *made_with(found),
        "Command: `python -m benchmarks.memory_through_time --publish`", "",
    ]  # fmt: skip
    return "\n".join(lines)


def draw(found: dict[str, Any]) -> Figure:
    steps = sorted({row["steps"] for row in found["rows"]})
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    titles = {"peak_mb": "peak memory of an update (MB)", "seconds": "processor time of an update (s)"}
    for ax, (key, label) in zip(figure.subplots(1, 2), titles.items(), strict=True):
        for name, marker in zip(LEARNERS, MARKERS, strict=True):
            rows = [row for row in found["rows"] if row["learner"] == name]
            ax.plot([row["steps"] for row in rows], [row[key] for row in rows], marker=marker, label=name)
        ax.set(xscale="log", yscale="log", xlabel="steps of a sample (count)", ylabel=label)
        ax.set_xticks(steps, labels=[str(n) for n in steps])
        ax.minorticks_off()
        ax.grid(alpha=0.3)
    figure.axes[0].legend(fontsize=8)
    figure.suptitle(f"FSDD, 140-256-256-10, {BATCH} samples, one thread; each point is one process", fontsize=10)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS)
    parser.add_argument("--publish", action="store_true", help="write docs/results/memory_through_time.{json,md,png}")
    parser.add_argument("--worker", choices=LEARNERS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        torch.set_num_threads(options.threads)
        print(json.dumps(measure(options.worker, options.steps[0], options.file)))
        return
    found = compare(list(options.steps))
    show(found, markdown(found), "memory_through_time" if options.publish else None, lambda: draw(found))


if __name__ == "__main__":
    main()
