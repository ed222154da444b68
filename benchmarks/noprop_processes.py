"""How much faster NoProp's blocks learn in two processes than in one, on images of MNIST's size.

    python -m benchmarks.noprop_processes [--batches 8] [--rounds 3] [--precision bfloat16] [--publish]

Each way learns the same random batches with the published blocks; the ways alternate, and the best round of each
counts. The start of the processes is left out: the first batches are not timed. Target: two processes at least 1.6
times as fast as one, of one thread each.
"""

import argparse
import os
import time
from dataclasses import replace
from typing import Any

import torch

from benchmarks.published import show
from neuro.learners.base import Batch, Problem
from neuro.learners.layers import PRECISIONS
from neuro.learners.noprop import NoProp
from neuro.runs import hardware, made_with, versions

PROBLEM = Problem(784, 10, 1, 1.0, 0.13, 0.31, (1, 28, 28), 10**9)
WAYS = {  # processes, threads of each
    "1 process, 1 thread": (1, 1),
    "1 process, 2 threads": (1, 2),
    "2 processes, 1 thread each": (2, 1),
}
WARM_UP = 2  # batches
TARGET = 1.6


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--batches", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--blocks", type=int, default=10)
    parser.add_argument("--precision", choices=PRECISIONS, default="bfloat16")
    parser.add_argument("--publish", action="store_true", help="write docs/results/noprop_processes.{json,md}")
    options = parser.parse_args()
    found = measured(options)
    show(found, markdown(found), "noprop_processes" if options.publish else None)


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of a batch, of every round and way."""
    learner = NoProp(blocks=options.blocks, precision=options.precision)
    rng = torch.Generator().manual_seed(0)
    images = torch.rand(learner.batch_size, 784, generator=rng)
    batch = Batch(images, torch.randint(10, (learner.batch_size,), generator=rng))
    learners = {way: replace(learner, processes=n) for way, (n, _) in WAYS.items()}
    states = {way: each.init(PROBLEM, 0) for way, each in learners.items()}
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(options.rounds):
        for way, (n_processes, n_threads) in WAYS.items():
            torch.set_num_threads(n_processes * n_threads)  # of which each process takes its share
            _learn(learners[way], states[way], batch, WARM_UP)
            start = time.perf_counter()
            _learn(learners[way], states[way], batch, options.batches)
            seconds[way].append((time.perf_counter() - start) / options.batches)
    known = versions("python", "neuro", "torch")
    return {
        "seconds": seconds, "blocks": options.blocks, "precision": options.precision, "batch": learner.batch_size,
        "batches": options.batches, "load": os.getloadavg()[0], "hardware": hardware(), "versions": known,
    }  # fmt: skip


def markdown(found: dict[str, Any]) -> str:
    best = {way: min(seconds) for way, seconds in found["seconds"].items()}
    base = best["1 process, 1 thread"]
    rows = [
        f"| {way} | {1000 * seconds:.0f} | {seconds / found['batch'] * 54_000:.0f} | {base / seconds:.2f} |"
        for way, seconds in best.items()
    ]
    lines = [
        "# NoProp's blocks in two processes", "",
        f"{found['blocks']} published blocks, {found['precision']}, batches of {found['batch']} random images of 28 x"
        f" 28; best of {len(found['seconds']['1 process, 1 thread'])} rounds of {found['batches']} batches, in turns;"
        f" load {found['load']:.1f} at the end. Target: {TARGET:g} times as fast in two processes as in one.", "",
        "| way | ms a batch | s a pass of 54,000 | times as fast |", "| --- | --- | --- | --- |", *rows, "",
        *made_with(found),
        "Command: `python -m benchmarks.noprop_processes --publish`", "",
    ]  # fmt: skip
    return "\n".join(lines)


def _learn(learner: NoProp, state, batch: Batch, n_batches: int) -> None:
    for _ in range(n_batches):
        learner.update(state, batch)
    _ = state.weights  # waits until all processes have learned all batches


if __name__ == "__main__":
    main()
