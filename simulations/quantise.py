"""Quantise a finished training of `bptt`, and evaluate it on the test split in the integers of Loihi."""

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from neuro.files import write_whole
from neuro.learners.base import Batch, LearnerState
from neuro.learners.bptt import BPTT
from neuro.learners.spiking_input import encoded
from neuro.quantise import Quantised, fine_tune, quantise, scores
from neuro.record import Counts
from neuro.runs import Run, load_run
from neuro.seeds import child
from neuro.units import check, param
from simulations.options import parse
from simulations.trained import load_trained
from tasks.base import Split, Task
from tasks.metrics import CHUNK, evaluate

N_MEASURED = 256  # training samples on which ranges of v are measured


@dataclass(frozen=True)
class Quantise:
    """How a trained network is rounded."""

    bits: int = param("1", "bits of a weight", default=8, minimum=2, maximum=8)
    fine_tune: int = param(
        "samples", "training samples shown again with rounded weights; 0: none", default=0, minimum=0
    )
    lr: float = param("1", "learning rate of that (Adam)", default=1e-4, above=0)


def command(path: str, arguments: list[str]) -> None:
    """`neuro quantise RUN ...`."""
    options = parse(Quantise(), arguments, "neuro quantise RUN")
    run = load_run(path)
    print(summary(quantise_run(run, options)))
    print(f"all of it: {run.path / 'quantised.json'}")


def quantise_run(run: Run, options: Quantise) -> dict[str, Any]:
    """Quantise the network of a run; writes quantised.json into its folder and returns what is in it."""
    check(options)
    training, learner, task, state = load_trained(run, BPTT, "only networks of bptt are quantised")
    before = evaluate(learner, state, task.test)
    weights: Any = {name: w.detach() for name, w in state.weights.items()}
    if options.fine_tune:
        shown = _batches(task, options.fine_tune, learner.batch_size, training.seed)
        weights = fine_tune(learner, task.problem, weights, shown, options.bits, options.lr)
    quantised = quantised_network(learner, task, weights, options.bits, training.seed)
    accuracy, counts = _evaluate(quantised, learner, state, task.test)
    n = len(task.test.labels)
    found = {
        **dataclasses.asdict(options),
        "test_accuracy": before.accuracy,
        "spikes_per_sample": before.spikes_per_sample,
        "synaptic_events_per_sample": before.synaptic_events_per_sample,
        "quantised_test_accuracy": accuracy,
        "quantised_spikes_per_sample": counts.spikes / n,
        "quantised_synaptic_events_per_sample": counts.synaptic_events / n,
        "saturations": counts.saturations,
        "layers": [layer._asdict() for layer in quantised.layers],
    }
    write_whole(run.path / "quantised.json", json.dumps(found, indent=1))
    return found


def quantised_network(learner: BPTT, task: Task, weights: Any, bits: int, seed: int) -> Quantised:
    """The network of a learner in whole numbers. seed: of the choice of training samples that are measured."""
    rows = child(seed, "quantise", "ranges").permutation(len(task.train.labels))[:N_MEASURED]
    inputs = encoded(task.train.batch(rows).inputs, task.problem, learner.code, np.random.default_rng(seed))
    duration = task.problem.n_steps * task.problem.dt
    return quantise(learner.network(task.problem), weights, {"input": inputs}, duration, bits)


def _evaluate(quantised: Quantised, learner: BPTT, state: LearnerState, split: Split) -> tuple[float, Counts]:
    """Accuracy, and the work done. Codes that draw numbers draw those of `predict`."""
    n, n_right, counts = len(split.labels), 0, Counts()
    for batch in split.batches(CHUNK):
        rng = np.random.default_rng(state.rng.initial_seed())
        scores_BC, work = scores(quantised, encoded(batch.inputs, state.problem, learner.code, rng), state.problem)
        n_right += int((torch.from_numpy(scores_BC.argmax(1)) == batch.labels).sum())
        counts += work
    return n_right / n, counts


def _batches(task: Task, samples: int, batch_size: int, seed: int) -> Iterator[Batch]:
    """Batches of training samples, drawn anew in each pass."""
    rng, rows = child(seed, "quantise", "fine-tune"), np.empty(0, np.int64)
    for first in range(0, samples, batch_size):
        if len(rows) < batch_size:
            rows = np.concatenate([rows, rng.permutation(len(task.train.labels))])
        n = min(batch_size, samples - first)
        yield task.train.batch(rows[:n])
        rows = rows[n:]


def summary(found: dict[str, Any]) -> str:
    """What came of it, in words."""
    lines = [
        f"test accuracy {100 * found['test_accuracy']:.2f} %, quantised {100 * found['quantised_test_accuracy']:.2f} %",
        f"spikes a sample {found['spikes_per_sample']:.1f}, quantised {found['quantised_spikes_per_sample']:.1f}",
        f"synaptic events a sample {found['synaptic_events_per_sample']:.0f},"
        f" quantised {found['quantised_synaptic_events_per_sample']:.0f}",
        f"saturations {found['saturations']}",
    ]
    lines += [
        f"{layer['projection']}: exponent {layer['exponent']}, threshold {layer['v_th']}, decay"
        f" {layer['voltage_decay']}, weights clipped {layer['n_clipped']}, largest error of a weight"
        f" {100 * layer['weight_error']:.2f} % of the largest"
        for layer in found["layers"]
    ]
    return "\n".join(lines)
