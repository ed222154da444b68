"""Convert a finished training of `backprop` into a spiking network, and evaluate it against the number of steps."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from neuro.conversion import convert, scores
from neuro.files import write_whole
from neuro.learners.backprop import Backprop
from neuro.record import Counts
from neuro.runs import Run, load_run
from neuro.seeds import child
from neuro.units import check, param
from simulations.options import parse
from simulations.trained import load_trained
from tasks.metrics import CHUNK, evaluate

N_MEASURED = 1000  # training samples whose activities set the scales


@dataclass(frozen=True)
class Convert:
    """How a trained network is converted."""

    steps: int = param("1", "steps for which a sample is shown", default=256, minimum=1)
    percentile: float = param("1", "of activities, which a rate of one spike a step stands for", default=99.9, above=0)
    samples: int = param("samples", "test samples shown, the first ones; 0: all", default=0, minimum=0)


def command(path: str, arguments: list[str]) -> None:
    """`neuro convert RUN ...`."""
    options = parse(Convert(), arguments, "neuro convert RUN")
    run = load_run(path)
    print(summary(convert_run(run, options)))
    print(f"all of it: {run.path / 'converted.json'}")


def convert_run(run: Run, options: Convert) -> dict[str, Any]:
    """Convert the network of a run; writes converted.json into its folder and returns what is in it."""
    check(options)
    training, learner, task, state = load_trained(run, Backprop, "only networks of backprop are converted")
    rows = child(training.seed, "convert").permutation(len(task.train.labels))[:N_MEASURED]
    converted = convert(learner, state, task.train.batch(rows).inputs, options.percentile)
    n = min(options.samples or len(task.test.labels), len(task.test.labels))
    split = task.test._replace(labels=task.test.labels[:n])
    before = evaluate(learner, state, split)
    n_right_T, counts = np.zeros(options.steps), Counts()
    for batch in split.batches(CHUNK):
        scores_TBC, work = scores(converted, state.problem, torch.as_tensor(batch.inputs), options.steps)
        n_right_T += (scores_TBC.argmax(2) == batch.labels).sum(1).numpy()
        counts += work
    times = [2**k for k in range(options.steps.bit_length()) if 2**k < options.steps] + [options.steps]
    found = {
        **asdict(options),
        "samples": n,
        "test_accuracy": before.accuracy,
        "operations_per_sample": before.synaptic_events_per_sample,
        "scales": list(converted.scales),
        "accuracy_after": {str(t): float(n_right_T[t - 1] / n) for t in times},
        "spikes_per_sample": counts.spikes / n,
        "synaptic_events_per_sample": counts.synaptic_events / n,
    }
    write_whole(run.path / "converted.json", json.dumps(found, indent=1))
    return found


def summary(found: dict[str, Any]) -> str:
    """What came of it, in words."""
    lines = [f"test accuracy {100 * found['test_accuracy']:.2f} %, on {found['samples']:,} samples; converted:"]
    lines += [f"  {steps:>5} steps  {100 * value:6.2f} %" for steps, value in found["accuracy_after"].items()]
    lines.append(
        f"spikes a sample {found['spikes_per_sample']:.0f}, synaptic events a sample"
        f" {found['synaptic_events_per_sample']:.0f}; operations of the trained network"
        f" {found['operations_per_sample']:.0f}"
    )
    return "\n".join(lines)
