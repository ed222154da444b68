"""Liquids at the edge of chaos: accuracy, branching and other measures of NALSM and its baselines, over seeds.

    python -m benchmarks.liquids [--which baselines sweep large] [--only LIQUID ...] [--samples 54000] [--seeds 3]
                                 [--processes 2] --out DIR
    python -m benchmarks.liquids --which speed [--publish NAME]

baselines: no plasticity, STDP, AP-STDP, NALSM with w_astrocyte 0.0075 (the best of the published means) and 0.015 (that
of the authors' instructions), 1,000 neurons. sweep: NALSM with seven values of w_astrocyte, seed 0. large: 8,000
neurons, seed 0. Each training is a run in DIR, measured once it is finished; the same command goes on where it was
stopped, and ends by writing the report. --publish NAME writes it to docs/results.
speed: time of one pass with and without plasticity and of the liquid's steps, on one thread and on all.
"""

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.liquids_report import publish_together, report, speed_text
from benchmarks.published import show
from neuro import criticality
from neuro.events import Events
from neuro.files import write_whole
from neuro.learners.base import LearnerState
from neuro.learners.liquid import TYPES
from neuro.learners.liquid_state_machine import DT, LiquidStateMachine
from neuro.network import Synapses
from neuro.runs import Run, hardware, versions
from neuro.seeds import child
from neuro.spike_statistics import merge
from simulations.trainings import run_of, train_each
from tasks.base import Task
from tasks.checkpoint import load_tensors
from tasks.harness import Budget, Training, from_json, load_task

SWEEP = (0.002, 0.0075, 0.015, 0.025, 0.05, 0.1, 0.2)  # the publication's values of w_astrocyte
N_WATCHED = 20  # validation samples whose spikes are looked at, as in the publication
N_RANKED, PER_CLASS, SHUFFLES = (
    2000,
    100,
    10,
)  # validation samples of the kernel's rank; the publication draws 1,000 times
NOISE = 125.0 / 255.0  # deviation of the noise of the approximation rank, in grey values from 0 to 1
TWIN_AT = 50.0  # ms; where twin runs part
ONSET = 50  # ms after which activity is looked at
N_REPEATED, N_REPEATS = 10, 20  # images that are shown repeatedly, and how often


@dataclass(frozen=True)
class Case:
    """A liquid, and what the publication's results file has for it: means over ten networks (8,000 neurons: five)."""

    label: str
    learner: LiquidStateMachine
    accuracy: float
    branching: float | None


def nalsm(w_astrocyte: float, **changes: Any) -> LiquidStateMachine:
    return LiquidStateMachine(plasticity="astrocyte", w_astrocyte=w_astrocyte, **changes)


BASELINES = (
    Case("NALSM", nalsm(0.0075), 0.9600, 1.325),
    Case("NALSM 0.015", nalsm(0.015), 0.9596, 1.246),
    Case("no plasticity", LiquidStateMachine(), 0.9530, None),
    Case("AP-STDP", LiquidStateMachine(plasticity="ap-stdp"), 0.9549, 0.916),
    Case("STDP", LiquidStateMachine(plasticity="stdp"), 0.8946, 1.415),
)
PUBLISHED_SWEEP = (  # accuracy and branching factor
    (0.9591, 1.424), (0.9600, 1.325), (0.9596, 1.246), (0.9587, 1.179),
    (0.9594, 1.086), (0.9567, 0.988), (0.9522, 0.885),
)  # fmt: skip
CASES = {
    "baselines": BASELINES,
    "sweep": tuple(Case(f"NALSM {w:g}", nalsm(w), *found) for w, found in zip(SWEEP, PUBLISHED_SWEEP, strict=True)),
    "large": (Case("NALSM, 8,000 neurons", nalsm(0.0075, shape=(20, 20, 20)), 0.9749, None),),
}
LABELS = list(dict.fromkeys(case.label for cases in CASES.values() for case in cases))


def main() -> None:
    options = arguments()
    if options.which == ["speed"]:
        found = speed(options.task)
        show(found, speed_text(found), options.publish)
        return
    if options.out is None:
        sys.exit("--out DIR is missing: where the trainings go, and are found again")
    rows = []
    for which in options.which:
        seeds = options.seeds if which == "baselines" else 1
        cases = tuple(case for case in CASES[which] if case.label in (options.only or LABELS))
        rows += [row | {"group": which} for row in measured(cases, seeds, options)]
        write_whole(options.out / "results.json", json.dumps(rows, indent=1))
        report(rows, options.out)
    if options.publish:
        publish_together(options.publish, rows, _command(options))


def _command(options: argparse.Namespace) -> str:
    """What makes these rows again, wherever their trainings lie."""
    words = ["python -m benchmarks.liquids --which", *options.which]
    words += ["--only", *(f'"{label}"' for label in options.only)] if options.only else []
    words += ["--seeds", str(options.seeds)] if "baselines" in options.which else []
    return " ".join([*words, "--publish", options.publish])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--which", nargs="+", choices=[*CASES, "speed"], default=["baselines"])
    parser.add_argument("--only", nargs="+", metavar="LIQUID", choices=LABELS, help=", ".join(map(repr, LABELS)))
    parser.add_argument("--task", default="mnist")
    parser.add_argument("--samples", type=int, default=54_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--publish", metavar="NAME")
    return parser.parse_args()


def measured(cases: tuple[Case, ...], seeds: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each case and seed: its training and its measures. What exists is not made again."""
    wanted = [(case, seed) for case in cases for seed in range(seeds)]

    def runs() -> Iterator[Run]:
        for case, seed in wanted:
            training = Training(options.task, "lsm", case.learner, Budget(options.samples, evaluations=1), seed)
            yield run_of(training, options.out, "training", max(torch.get_num_threads() // options.processes, 1))

    task = load_task(options.task)
    rows: list[dict[str, Any]] = []
    for run in train_each(runs(), options.processes):
        path = run.path / "criticality.json"
        if not path.exists():
            write_whole(path, json.dumps(criticality_of(run, task)))
        training = from_json(run.manifest()["configuration"])
        case = next(case for case in cases if case.learner == training.learner)
        results = run.manifest()["results"]
        row = {
            "label": case.label,
            "seed": training.seed,
            "w_astrocyte": case.learner.w_astrocyte,
            "run": run.path.name,
        }
        if options.task == "mnist":
            row |= {"published_accuracy": case.accuracy, "published_branching": case.branching}
        rows.append(
            row | {key: results[key] for key in ("test_accuracy", "train_s", "waited_s")} | json.loads(path.read_text())
        )
        print(json.dumps(rows[-1]), flush=True)
    order = {case.label: place for place, case in enumerate(cases)}
    return sorted(rows, key=lambda row: (order[row["label"]], row["seed"]))


def criticality_of(run: Run, task: Task) -> dict[str, float]:
    """Measures of a trained liquid on validation samples; see neuro/criticality.py."""
    learner, state = _loaded(run, task)
    inputs = torch.from_numpy(task.val.inputs[:N_RANKED])
    given = learner.encoded(inputs, np.arange(N_WATCHED), np.zeros(N_WATCHED, np.int64), 0)
    state.problem = state.problem._replace(n_steps=round(learner.duration / DT), dt=DT)  # as events, for so long
    spikes = _spikes(learner, state, given)
    synapses = _liquid_synapses(learner, state)
    n, duration = len(synapses.offsets) - 1, learner.duration
    branching = [criticality.branching_factor(sample, synapses, duration) for sample in spikes]
    activity = np.stack([criticality.activity(sample, duration, 1.0)[0] for sample in spikes])
    repeated = _repeated_activity(learner, state, inputs)
    twins = _spikes(learner, state, _parted(given))
    rates = [criticality.lyapunov(a, b, n, duration, tau=20.0)[0] for a, b in zip(spikes, twins, strict=True)]
    found = {
        "rate_hz": activity.mean() / n * 1000.0,
        "branching": float(np.nanmean(branching)),
        "multistep": criticality.multistep(
            np.concatenate(repeated - repeated.mean(1, keepdims=True)), 1.0, 40
        ).branching,
        "lyapunov_per_s": float(np.mean(rates)) * 1000.0,
        "spectral_radius": criticality.spectral_radius(synapses),
    }
    avalanches = criticality.avalanches(activity[:, ONSET:], float(np.percentile(activity[:, ONSET:], 35.0)))
    found["avalanche_exponent"] = criticality.power_law_exponent(avalanches.sizes, int(np.median(avalanches.sizes)))
    noisy = (inputs + NOISE * torch.from_numpy(child(0, "noise").normal(size=inputs.shape)).float()).clamp(0.0, 1.0)
    for key, shown in (("separation_rank", inputs), ("approximation_rank", noisy)):
        parts = [learner.respond(state, part, np.zeros(len(part), np.int64))[0] for part in shown.split(500)]
        labels, rng = task.val.labels[:N_RANKED], child(0, "ranks")
        per_class = min(PER_CLASS, int(np.bincount(labels).min()))
        found[key] = criticality.kernel_rank(torch.cat(parts).numpy(), labels, per_class, SHUFFLES, rng)
    return found


def _repeated_activity(learner: LiquidStateMachine, state: LearnerState, inputs: torch.Tensor) -> np.ndarray:
    """Spikes of the liquid in each ms after the onset, [image, repeat, T]: each of some images several times."""
    rows, numbers = np.repeat(np.arange(N_REPEATED), N_REPEATS), np.tile(np.arange(N_REPEATS), N_REPEATED)
    spikes = _spikes(learner, state, learner.encoded(inputs, rows, numbers, 0))
    activity = np.stack([criticality.activity(sample, learner.duration, 1.0)[0] for sample in spikes])
    return activity[:, ONSET:].reshape(N_REPEATED, N_REPEATS, -1)


def _loaded(run: Run, task: Task) -> tuple[LiquidStateMachine, LearnerState]:
    training = from_json(run.manifest()["configuration"])
    state = training.learner.init(task.problem._replace(samples=training.budget.samples), training.seed)
    load_tensors(run.path / "checkpoint.safetensors", state)
    return training.learner, state


def _spikes(learner: LiquidStateMachine, state: LearnerState, given: Events) -> list[Events]:
    """The spikes of the whole liquid for each sample."""
    _, record = learner.respond(state, given, np.zeros(given.n_samples, np.int64))
    sizes = list(learner.liquid(state.problem, 0).sizes.values())
    return [merge([record.spikes[name].sample(k) for name in TYPES], sizes) for k in range(given.n_samples)]


def _liquid_synapses(learner: LiquidStateMachine, state: LearnerState) -> Synapses:
    """The liquid's synapses, with the weights with which every sample begins."""
    _, weights = learner.network(state, None)
    learned = {name: w.numpy() for name, w in state.weights.items()}
    blocks = [
        [weights[name]._replace(weights=learned.get(name, weights[name].weights)) for name in names]
        for names in [[f"{pre}->{post}" for post in TYPES] for pre in TYPES]
    ]
    return criticality.joined(blocks)


def _parted(given: Events) -> Events:
    """The same samples, without the first spike after TWIN_AT."""
    kept = np.ones(len(given.times), bool)
    for first, last in zip(given.offsets[:-1], given.offsets[1:], strict=True):
        kept[first + np.searchsorted(given.times[first:last], TWIN_AT)] = False
    removed = np.concatenate([[0], np.cumsum(~kept)])
    return Events(given.times[kept], given.units[kept], given.offsets - removed[given.offsets])


def speed(task_name: str, n_samples: int = 1000) -> dict[str, Any]:
    """A row for each liquid and number of threads: what a sample, a neuron's step and a synaptic event take."""
    task = load_task(task_name)
    inputs = torch.from_numpy(task.train.inputs[:n_samples])
    rows, most = [], torch.get_num_threads()
    for label, learner in (("no plasticity", LiquidStateMachine()), ("STDP and astrocyte", nalsm(0.0075))):
        learner = replace(learner, snapshots=5000)
        for threads in dict.fromkeys((1, most)):
            torch.set_num_threads(threads)
            state = learner.init(task.problem, 0)  # a liquid keeps the threads of the first time it is shown something
            learner.update(state, task.train.batch(np.arange(learner.batch_size)))
            start, events, spikes = time.perf_counter(), 0, 0
            for part in inputs.split(learner.batch_size):
                _, record = learner.respond(state, part, np.zeros(len(part), np.int64))
                events, spikes = events + record.counts.synaptic_events, spikes + record.counts.spikes
            seconds = time.perf_counter() - start
            steps = n_samples * math.prod(learner.shape) * learner.duration / DT
            row = {"liquid": label, "threads": threads, "ms_sample": 1e3 * seconds / n_samples}
            row |= {"ns_step": 1e9 * seconds / steps, "ns_event": 1e9 * seconds / events}
            rows.append(row | {"rate_hz": 1e3 * spikes / (steps * DT)})
    known = versions("python", "neuro", "numpy", "numba", "torch")
    about = {"task": task_name, "samples": n_samples, "load": os.getloadavg()[0]}
    return {"rows": rows} | about | {"hardware": hardware(), "versions": known}


if __name__ == "__main__":
    main()
