"""What HLOP's Hebbian subspaces hold, what they protect, and what they cost.

    python -m benchmarks.hlop [--samples 54000] [--rounds 3] [--publish]

The network of permuted MNIST, 784-800-800-10, 20 steps, trained by BPTT in float32. Subspaces: after one pass over
the first task, the lateral neurons of each layer beside the principal directions (PCA) of the activity from which they
learned, mean rates of training images. Then the second task is learned: how much of the change of the weights lies in
the old subspace, beside the change that the same updates would have made without projection, and what it changes in the
drive of old test images. Cost: time and memory of an update during tasks 1, 4, 7 and 10, for the room that subspaces
take grows with the tasks; every measurement is a process of its own on one thread, in alternation. Time is processor
time, medians of the updates, and of the rounds; memory is the peak above what a process held before.
"""

import argparse
import itertools
import json
import statistics
import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.published import described, show
from benchmarks.scripts import run_script
from neuro.learners.base import LearnerState, standardised
from neuro.learners.hlop import old_rows
from neuro.learners.protection import orthogonal
from neuro.learners.spiking_mlp import SpikingMLP
from neuro.learners.spiking_network import layer_inputs
from neuro.runs import hardware, made_with, versions
from tasks import permuted
from tasks.base import Task
from tasks.metrics import PeakMemory
from tasks.sequence import stream_stages, told

HLOP = SpikingMLP(protection="hlop")
COSTS = {
    f"{method}, {name}": SpikingMLP(method=method, protection=protection, lateral=lateral)
    for method in ("bptt", "online", "feedback-alignment")
    for name, protection, lateral in (
        ("unprotected", "none", "linear"), ("HLOP", "hlop", "linear"), ("HLOP, spiking", "hlop", "spiking"),
        ("GPM", "gpm", "linear"),
    )
    if method == "bptt" or name in ("unprotected", "HLOP")
}  # fmt: skip
TASKS = (0, 3, 6, 9)  # during which updates are timed
UPDATES = 8  # that are timed in each
N_WATCHED = 2000  # images whose activity is looked at
DIRECTIONS = (1, 5, 10, 20, 50)
LIMITS = {"time": 1.3, "memory": 1.2, "angle": 5.0, "removed": 0.99, "changed": 1e-3}


def cost(label: str) -> dict[str, Any]:
    """In this process: processor seconds of an update during some tasks, and peak memory (MB)."""
    task, learner = permuted.load_mnist(), COSTS[label]
    _, batch = next(stream_stages(task, 540_000, learner.batch_size, 0, 0, None))
    seconds, memory = [], PeakMemory()
    state = learner.init(told(task, 540_000), 0)
    for context in range(max(TASKS) + 1):
        learner.update(state, batch._replace(context=context))
        if context in TASKS:
            times = []
            for _ in range(UPDATES):
                start = time.process_time()
                learner.update(state, batch._replace(context=context))
                times.append(time.process_time() - start)
            seconds.append(statistics.median(times))
    memory.pause()
    return {"seconds": seconds, "peak_mb": memory.peak}


def costs(rounds: int) -> list[dict[str, Any]]:
    """All learners in alternation: a row each, with its ratios to the unprotected one of its method."""
    found: dict[str, list[dict[str, Any]]] = {label: [] for label in COSTS}
    for _, label in itertools.product(range(rounds), COSTS):
        found[label].append(run_script("benchmarks.hlop", ["--worker", label], 1, {}).found)
        print(label, found[label][-1], flush=True)
    rows = []
    for label, each in found.items():
        method, name = label.split(", ", 1)
        seconds = np.median([one["seconds"] for one in each], axis=0)
        row = {"method": method, "name": name, "ms": (1000 * seconds).tolist()}
        rows.append(row | {"peak_mb": statistics.median(one["peak_mb"] for one in each)})
    for row in rows:
        plain = next(other for other in rows if other["method"] == row["method"] and other["name"] == "unprotected")
        row["time"] = sum(row["ms"]) / sum(plain["ms"])
        row["memory"] = row["peak_mb"] / plain["peak_mb"]
    return rows


def learned(learner: SpikingMLP, state: LearnerState, task: Task, samples: int, context: int) -> None:
    """Show a learner the samples of one task of a sequence of ten."""
    whole = samples * len(task.stages)
    for _, batch in stream_stages(task, whole, learner.batch_size, 0, samples * context, None):
        if batch.context != context:
            return
        learner.update(state, batch)


def activity(state: LearnerState, task: Task, split: str) -> list[Tensor]:
    """Mean inputs of each layer [B, I] for images of the first task."""
    batch = getattr(task.stages[0], split).batch(np.arange(N_WATCHED))
    x, *above = layer_inputs(HLOP.network(state), standardised(state.problem, batch.inputs))
    return [x, *(x_TBI.mean(0) for x_TBI in above)]


def angles(a_KI: Tensor, b_HI: Tensor) -> np.ndarray:
    """Principal angles between the spans of rows, degrees; as many as the smaller has rows."""
    a, b = (torch.linalg.qr(rows.T.double())[0] for rows in (a_KI, b_HI))
    return np.degrees(np.arccos(np.clip(torch.linalg.svdvals(a.T @ b).numpy(), 0.0, 1.0)))


def subspaces(samples: int) -> list[dict[str, Any]]:
    """A row for each layer: its lateral neurons beside PCA after one task, and what a second task changes."""
    task = permuted.load_mnist()
    state = HLOP.init(told(task, 10 * samples), 0)
    learned(HLOP, state, task, samples, 0)
    rates, before = activity(state, task, "train"), [w.detach().clone() for w in state.weights.values()]
    shown = activity(state, task, "test")
    free = _unprotected(state)
    learned(HLOP, state, task, samples, 1)
    learned(replace(HLOP, protection="none"), free, task, samples, 1)
    rows = []
    for layer, (x_BI, test_BI, old_JI) in enumerate(zip(rates, shown, before, strict=True)):
        lateral_HI = old_rows(HLOP, state, layer)
        basis_HI = torch.linalg.qr(lateral_HI.T)[0].T
        _, sizes, principal_KI = torch.linalg.svd(x_BI, full_matrices=False)
        n = len(basis_HI)
        change_JI, free_JI = (list(s.weights.values())[layer].detach() - old_JI for s in (state, free))
        inside_BI = test_BI - orthogonal(test_BI, basis_HI)
        rows.append({
            "layer": layer + 1, "inputs": x_BI.shape[1], "lateral": n,
            "angles": [float(angles(principal_KI[:k], basis_HI).max()) for k in DIRECTIONS],
            "held": float((x_BI @ basis_HI.T).square().sum() / x_BI.square().sum()),
            "held_by_pca": float(sizes[:n].square().sum() / sizes.square().sum()),
            "orthonormal": float((lateral_HI @ lateral_HI.T - torch.eye(n)).abs().max()),
            "removed": 1.0 - float((change_JI @ basis_HI.T).square().sum() / (free_JI @ basis_HI.T).square().sum()),
            "moved": float(change_JI.norm() / old_JI.norm()),
            "changed_inside": float((inside_BI @ change_JI.T).norm() / (inside_BI @ old_JI.T).norm()),
            "changed": float((test_BI @ change_JI.T).norm() / (test_BI @ old_JI.T).norm()),
            "changed_free": float((test_BI @ free_JI.T).norm() / (test_BI @ old_JI.T).norm()),
        })  # fmt: skip
        print(rows[-1], flush=True)
    return rows


def _unprotected(state: LearnerState) -> LearnerState:
    """A copy of the weights, to be trained without protection."""
    learner = replace(HLOP, protection="none")
    copy = learner.init(state.problem, 0)
    with torch.no_grad():
        for weight, value in zip(copy.weights.values(), state.weights.values(), strict=True):
            weight.copy_(value)
    return copy


def markdown(found: dict[str, Any]) -> str:
    limits = found["limits"]
    head = " | ".join(f"{k}" for k in DIRECTIONS)
    space = [
        f"| {row['layer']} | {row['inputs']} | {row['lateral']} | "
        + " | ".join(f"{angle:.2f}" for angle in row["angles"])
        + f" | {100 * row['held']:.2f} | {100 * row['held_by_pca']:.2f} | {row['orthonormal']:.3f} |"
        for row in found["subspaces"]
    ]
    kept = [
        f"| {row['layer']} | {100 * row['removed']:.3f} | {row['moved']:.3f} | {row['changed_inside']:.2e}"
        f" | {row['changed']:.2e} | {row['changed_free']:.2e} |"
        for row in found["subspaces"]
    ]
    cost_rows = [
        f"| {row['method']} | {row['name']} | " + " | ".join(f"{ms:.1f}" for ms in row["ms"])
        + f" | {row['time']:.2f} | {row['peak_mb']:.1f} | {row['memory']:.2f} |"
        for row in found["costs"]
    ]  # fmt: skip
    lines = [
        "# Hebbian subspaces: what they hold, protect and cost", "",
        described(__doc__), "",
        f"## After one task ({found['samples']:,} samples)", "",
        "Largest angle (degrees) between the first principal directions of a layer's input and the Hebbian subspace"
        f" (target: below {limits['angle']:g}), the part of the activity that the subspace holds (%), the part that as"
        " many principal directions hold, and how far the lateral neurons are from orthonormal (largest entry of"
        " H H^T - I):", "",
        f"| layer | inputs | lateral neurons | {head} | held, % | by PCA, % | off |",
        "| --- " * (6 + len(DIRECTIONS)) + "|", *space, "",
        "## After a second task", "",
        "Removed: the part of an unprotected change (squares) along the old subspace that is gone (target:"
        f" {100 * limits['removed']:g} %). Moved: the change of the weights over the weights. Changed: the change of"
        " the drive over the drive, for the first task's test images: of their part inside the old subspace"
        f" (target: below {limits['changed']:g}), of the whole, and without HLOP.", "",
        "| layer | removed, % | moved | changed inside | changed | changed without HLOP |",
        "| --- | --- | --- | --- | --- | --- |", *kept, "",
        "## Cost of an update", "",
        f"Targets for HLOP: {limits['time']:g} times the time, {limits['memory']:g} times the memory of the same"
        " training without it.", "",
        "| method | protection | " + " | ".join(f"task {k + 1}, ms" for k in TASKS) + " | time, ratio | peak, MB |"
        " memory, ratio |",
        "| --- " * (5 + len(TASKS)) + "|", *cost_rows, "",
        *made_with(found),
        "Command: `python -m benchmarks.hlop --publish`", "",
    ]  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=54_000, help="of each of the two tasks")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--publish", action="store_true", help="write docs/results/hlop.{json,md}")
    parser.add_argument("--worker", choices=COSTS, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.worker:
        print(json.dumps(cost(options.worker)))
        return
    found = {
        "samples": options.samples, "subspaces": subspaces(options.samples), "costs": costs(options.rounds),
        "limits": LIMITS, "hardware": hardware(),
        "versions": versions("python", "neuro", "numpy", "torch"),
    }  # fmt: skip
    show(found, markdown(found), "hlop" if options.publish else None)


if __name__ == "__main__":
    main()
