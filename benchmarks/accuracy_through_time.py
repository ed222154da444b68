"""Spoken digits learned by gradients through time, and by those that are cut off in time.

    python -m benchmarks.accuracy_through_time [--passes 60] [--seeds 1] [--processes 2] [--publish]

FSDD with every cochlear channel an input, 130 steps of 10 ms, recordings altered in training: 700-240-10, one setting
for all, the same samples in the same order. The last weights answer; the test split is read once, after training. SLTT
as published follows the cross-entropy of each step's output, not that of their mean; both are shown with either.
Membranes keep 1/11 of their potential in a step, as in the program of SLTT's authors, or 61 %, as in the defaults of
this package. Target: SLTT within one point of BPTT.
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from benchmarks.published import described, show
from neuro.learners.base import Batch, LearnerState, descend
from neuro.learners.bptt import BPTT
from neuro.learners.truncated_time import SLTT
from neuro.runs import hardware, made_with, versions
from simulations.tables import percent
from tasks import shd
from tasks.base import stream
from tasks.metrics import evaluate


class BPTTAtEveryStep(BPTT):
    """BPTT of SLTT's loss: (1/T) sum_t CE(o[t])."""

    def update(self, state: LearnerState, batch: Batch) -> dict[str, float]:
        """Learn from one batch, in place; returns its loss."""
        seed = int(torch.randint(2**62, (1,), generator=state.rng))
        _, record = self._run(state, batch.inputs, np.random.default_rng(seed))
        o_TBC = record.traces["readout.output"]
        loss = cross_entropy(o_TBC.flatten(0, 1), batch.labels.repeat(len(o_TBC)))
        descend(state, loss, len(batch.labels))
        return {"loss": loss.item()}


SETTINGS: dict[str, Any] = {"hidden": (240,), "lr": 1e-2, "batch_size": 64}
KINDS = {
    "bptt": BPTT,
    "sltt, loss of the mean": partial(SLTT, error="mean"),
    "bptt, loss of each step": BPTTAtEveryStep,
    "sltt": SLTT,
}
MEMBRANES = {  # name -> time constant, ms, and threshold, mV
    "1/11": (4.17, 0.5),  # tau = 1.1 steps: meng2023
    "61 %": (20.0, 1.0),
}


def train(name: str, membrane: str, seed: int, passes: int) -> dict[str, Any]:
    """One training, and what it came to."""
    torch.set_num_threads(1)
    tau_m, v_th = MEMBRANES[membrane]
    task, learner = shd.load(shd.FSDD, channels=1), KINDS[name](tau_m=tau_m, v_th=v_th, **SETTINGS)
    samples = passes * len(task.train.labels)
    state, start = learner.init(task.problem._replace(samples=samples), seed), time.process_time()
    for _, batch in stream(task.train, samples, learner.batch_size, seed, augment=task.augmentation("task")):
        learner.update(state, batch)
    seconds = time.process_time() - start
    found = {split: evaluate(learner, state, getattr(task, split)).accuracy for split in ("train", "val", "test")}
    print(name, membrane, seed, found, f"{seconds:.0f} s", flush=True)
    about = {"learner": name, "membrane": membrane, "seed": seed, "n_test": len(task.test.labels)}
    return {**about, "seconds": seconds, **found}


def measure(passes: int, seeds: int, processes: int) -> dict[str, Any]:
    """All learners from all seeds."""
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        cases = product(range(seeds), MEMBRANES, KINDS)
        jobs = [pool.submit(train, name, membrane, seed, passes) for seed, membrane, name in cases]
        rows = [job.result() for job in jobs]
    return {
        "rows": rows,
        "passes": passes,
        "seeds": seeds,
        "settings": SETTINGS,
        "hardware": hardware(),
        "versions": versions("python", "neuro", "numpy", "torch"),
    }


def markdown(found: dict[str, Any]) -> str:
    lines = ["# Accuracy through time", "", described(__doc__), ""]
    lines += ["| learner | kept in a step | test accuracy, % | validation, % | training set, % |"]
    lines += ["| --- | --- | --- | --- | --- |"]
    for membrane, name in product(MEMBRANES, KINDS):
        rows = [row for row in found["rows"] if (row["learner"], row["membrane"]) == (name, membrane)]
        cells = [percent([row[split] for row in rows]) for split in ("test", "val", "train")]
        lines.append(f"| {name} | {membrane} | {' | '.join(cells)} |")
    settings = ", ".join(f"{key}={value!r}" for key, value in found["settings"].items())
    shown = f"{found['passes']} passes, {found['seeds']} seeds, {found['rows'][0]['n_test']} test samples"
    lines += [
        "", f"{shown}; {settings}.", "",
        *made_with(found),
        f"Command: `python -m benchmarks.accuracy_through_time --passes {found['passes']} --seeds {found['seeds']}"
        " --publish`", "",
    ]  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--passes", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--publish", action="store_true", help="write docs/results/accuracy_through_time.{json,md}")
    options = parser.parse_args()
    found = measure(options.passes, options.seeds, options.processes)
    show(found, markdown(found), "accuracy_through_time" if options.publish else None)


if __name__ == "__main__":
    main()
