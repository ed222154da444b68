"""How much faster NoProp's blocks learn in two processes than in one, on images of MNIST's size.

    python -m benchmarks.noprop_processes [--batches 8] [--rounds 3] [--precision bfloat16]

Each way learns the same random batches with the published blocks; the ways alternate, and the best round of each
counts. The start of the processes is left out: the first batches are not timed.
"""

import argparse
import time
from dataclasses import replace

import torch

from neuro.learners.base import Batch, Problem
from neuro.learners.layers import PRECISIONS
from neuro.learners.noprop import NoProp

PROBLEM = Problem(784, 10, 1, 1.0, 0.13, 0.31, (1, 28, 28), 10**9)
WAYS = {  # processes, threads of each
    "1 process, 1 thread": (1, 1),
    "1 process, 2 threads": (1, 2),
    "2 processes, 1 thread each": (2, 1),
}
WARM_UP = 2  # batches


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--batches", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--blocks", type=int, default=10)
    parser.add_argument("--precision", choices=PRECISIONS, default="bfloat16")
    options = parser.parse_args()
    learner = NoProp(blocks=options.blocks, precision=options.precision)
    rng = torch.Generator().manual_seed(0)
    images = torch.rand(learner.batch_size, 784, generator=rng)
    batch = Batch(images, torch.randint(10, (learner.batch_size,), generator=rng))
    learners = {way: replace(learner, processes=n) for way, (n, _) in WAYS.items()}
    states = {way: each.init(PROBLEM, 0) for way, each in learners.items()}
    best = dict.fromkeys(WAYS, float("inf"))
    for _ in range(options.rounds):
        for way, (n_processes, n_threads) in WAYS.items():
            torch.set_num_threads(n_processes * n_threads)  # of which each process takes its share
            _learn(learners[way], states[way], batch, WARM_UP)
            start = time.perf_counter()
            _learn(learners[way], states[way], batch, options.batches)
            best[way] = min(best[way], (time.perf_counter() - start) / options.batches)
    base = best["1 process, 1 thread"]
    for way, seconds in best.items():
        per_pass = seconds / learner.batch_size * 54_000
        print(f"{way:28} {1000 * seconds:7.0f} ms a batch {per_pass:7.0f} s a pass {base / seconds:6.2f} times as fast")


def _learn(learner: NoProp, state, batch: Batch, n_batches: int) -> None:
    for _ in range(n_batches):
        learner.update(state, batch)
    _ = state.weights  # waits until all processes have learned all batches


if __name__ == "__main__":
    main()
