"""One trained network on every backend: what it answers, and what that takes.

    python -m benchmarks.one_network RUN [--samples 10000] [--publish NAME]

The network of a finished `bptt` training answers the first test samples: in 32-bit floats, step by step and by events;
in a Q-format; rounded to 8-bit weights in the integers of Loihi; in crossbars of exact and of phase-change devices; and
as a NIR graph that snnTorch has read, which knows no leaky integrator, so that the last part of the readout, v <- p v +
x, is done here. Equal answers: part of the samples to which a row gives the answer of the first row.
"""

import argparse
import contextlib
import io
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.published import described, show
from neuro.backends import simulate
from neuro.backends.fixed_point_formats import QFormat
from neuro.crossbar_devices import IDEAL, PCM_JOSHI_2020, Crossbar
from neuro.learners.bptt import BPTT
from neuro.learners.spiking_input import encoded
from neuro.quantise import scores as chip_scores
from neuro.runs import hardware, load_run, made_with, versions
from simulations.quantise import quantised_network
from simulations.trained import Trained, load_trained
from tasks.energy import ADD_J, MULTIPLY_J, loihi_j

CHUNK = 500
Q_FORMAT = QFormat(total=32, fraction=16)


class Answer(NamedTuple):
    """scores_BC, and the spikes and synaptic events of all samples."""

    scores: Any
    spikes: float
    events: float


def on_backend(trained: Trained, backend: str, arithmetic: Any = None) -> Callable[[Tensor], Answer]:
    """The network as it was trained."""
    problem, net = trained.task.problem, trained.learner.network(trained.task.problem)
    weights = {name: w.detach() for name, w in trained.state.weights.items()}

    def answer(inputs: Tensor) -> Answer:
        record = simulate(
            net, weights, {"input": inputs}, duration=problem.n_steps * problem.dt, backend=backend,
            record=("readout.output",), arithmetic=arithmetic,
        )  # fmt: skip
        scores = np.asarray(record.traces["readout.output"]).mean(0)
        return Answer(scores, record.counts.spikes, record.counts.synaptic_events)

    return answer


def on_chip(trained: Trained) -> Callable[[Tensor], Answer]:
    """8-bit weights, ranges measured on training samples."""
    weights = {name: w.detach() for name, w in trained.state.weights.items()}
    chip = quantised_network(trained.learner, trained.task, weights, 8, trained.training.seed)

    def answer(inputs: Tensor) -> Answer:
        scores, counts = chip_scores(chip, inputs, trained.task.problem)
        return Answer(scores, counts.spikes, counts.synaptic_events)

    return answer


def in_snntorch(trained: Trained) -> Callable[[Tensor], Answer]:
    """What snnTorch makes of the NIR graph; written for its step of 0.1 ms."""
    from snntorch import Leaky
    from snntorch.import_nir import import_from_nir

    from neuro.interop.nir import to_nir

    problem, net = trained.task.problem, trained.learner.network(trained.task.problem)
    weights = {name: w.detach() for name, w in trained.state.weights.items()}
    with contextlib.redirect_stdout(io.StringIO()):
        module = import_from_nir(to_nir(net, weights, readout=False, step=0.1))
    (cell,) = (each for each in module.modules() if isinstance(each, Leaky))
    readout: Any = net.population("readout").model
    p = float(readout.coefficients(problem.dt).p_vv)
    spikes: list[float] = []
    cell.register_forward_hook(
        lambda _, __, sent: spikes.append(float((sent[0] if isinstance(sent, tuple) else sent).sum()))
    )

    @torch.no_grad()
    def answer(inputs: Tensor) -> Answer:
        spikes.clear()
        cell.reset_mem()  # it would go on from the samples before
        state, v_BC, total_BC = None, torch.zeros(()), torch.zeros(())
        for _ in range(problem.n_steps):
            output = module(inputs, state) if state is not None else module(inputs)
            x_BC, state = output if isinstance(output, tuple) else (output, None)
            v_BC = p * v_BC + 1e3 * x_BC  # from volts to mV
            total_BC = total_BC + v_BC
        sent = sum(spikes)
        events = float(inputs.count_nonzero()) * cell_size * problem.n_steps + sent * problem.n_classes
        return Answer((total_BC / problem.n_steps).numpy(), sent, events)

    cell_size = trained.learner.hidden[0]
    return answer


def forms(trained: Trained) -> dict[str, Callable[[Tensor], Answer]]:
    """Row -> what answers."""
    return {
        "torch_dense, float32": on_backend(trained, "torch_dense"),
        "event, float32": on_backend(trained, "event"),
        f"fixed_point, {Q_FORMAT.total} bits, {Q_FORMAT.fraction} of them fraction": on_backend(
            trained, "fixed_point", Q_FORMAT
        ),
        "fixed_point, Loihi, 8-bit weights": on_chip(trained),
        "crossbar, exact devices": on_backend(trained, "crossbar", Crossbar(IDEAL)),
        "crossbar, phase-change memory, 20 s": on_backend(trained, "crossbar", Crossbar(PCM_JOSHI_2020)),
        "snnTorch, through NIR": in_snntorch(trained),
    }


def measure(path: str, samples: int) -> dict[str, Any]:
    """A row for each form."""
    run = load_run(path)
    trained = load_trained(run, BPTT, "only networks of bptt are run here")
    learner, task = trained.learner, trained.task
    if learner.code != "direct" or len(learner.hidden) != 1:
        raise ValueError(
            f"{path}: code {learner.code!r}, hidden {learner.hidden}; train with direct code and one layer"
        )
    n = min(samples, len(task.test.labels))
    parts = [*task.test.batches(CHUNK, n)]
    labels = torch.cat([part.labels for part in parts]).numpy()
    inputs: list[Any] = [encoded(part.inputs, task.problem, "direct", np.random.default_rng(0)) for part in parts]
    macs = sum(float(part.count_nonzero()) for part in inputs) * learner.hidden[0] * task.problem.n_steps / n
    updates = (learner.hidden[0] + task.problem.n_classes) * task.problem.n_steps
    rows, first = [], None
    for name, answer in forms(trained).items():
        answer(inputs[0][:2])  # compiles what is compiled
        start = time.perf_counter()
        found = [answer(part) for part in inputs]
        seconds = time.perf_counter() - start
        predicted = np.concatenate([each.scores.argmax(1) for each in found])
        first = predicted if first is None else first
        spikes, events = sum(each.spikes for each in found) / n, sum(each.events for each in found) / n
        energy_j = macs * (MULTIPLY_J + ADD_J) + (events - macs) * ADD_J
        rows.append(
            {
                "form": name,
                "accuracy": float((predicted == labels).mean()),
                "equal": float((predicted == first).mean()),
                "spikes_per_sample": spikes,
                "synaptic_events_per_sample": events,
                "acs_per_sample": events - macs,
                "energy_j_per_sample": energy_j,
                "loihi_j_per_sample": loihi_j(events, spikes, updates),
                "samples_per_s": n / seconds,
            }
        )
        print(f"{name:<42} {100 * rows[-1]['accuracy']:6.2f} %  {spikes:8.1f} spikes  {seconds:6.1f} s", flush=True)
    manifest = run.manifest()
    return {
        "task": task.name,
        "architecture": manifest["results"]["architecture"],
        "budget": manifest["configuration"]["budget"],
        "samples": n,
        "macs_per_sample": macs,
        "rows": rows,
        "hardware": hardware(),
        "versions": versions("python", "neuro", "numpy", "torch", "snntorch"),
    }


def markdown(found: dict[str, Any], name: str) -> str:
    titles = ["", "test accuracy, %", "equal answers, %", "spikes/sample", "synaptic operations/sample"]
    titles += ["of them additions alone", "digital, 45 nm, µJ/sample", "on Loihi, µJ/sample", "samples/s here"]
    lines = [
        "# One network everywhere", "", described(__doc__), "",
        f"{found['task']}, {found['architecture']}, trained on {found['budget']['samples']:,} samples; the first"
        f" {found['samples']:,} test samples.", "",
        f"| {' | '.join(titles)} |", "| --- " * len(titles) + "|",
    ]  # fmt: skip
    for row in found["rows"]:
        cells = [
            row["form"], f"{100 * row['accuracy']:.2f}", f"{100 * row['equal']:.2f}", f"{row['spikes_per_sample']:.1f}",
            f"{row['synaptic_events_per_sample']:,.0f}", f"{row['acs_per_sample']:,.0f}",
            f"{1e6 * row['energy_j_per_sample']:.2f}", f"{1e6 * row['loihi_j_per_sample']:.2f}",
            f"{row['samples_per_s']:,.0f}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "Synaptic operations: the image, a direct current, crosses its synapses in every step,"
        f" {found['macs_per_sample']:,.0f} multiply-accumulates a sample; a spike only adds a weight. Digital: 32-bit"
        " floats in 45 nm [horowitz2014]. On Loihi: [davies2018], simulated before silicon; the image is priced like"
        " spikes (tasks/energy.py). Both price the operations of the row, wherever they are done: what a crossbar"
        " itself takes is not estimated. Samples/s: one thread, on a machine that had other work to do.", "",
        *made_with(found),
        f"Command: `python -m benchmarks.one_network RUN --publish {name}`, RUN of"
        f" `neuro train mnist_bptt --learner.hidden 256 --budget.samples {found['budget']['samples']}`", "",
    ]  # fmt: skip
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", help="folder of a finished training of bptt")
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--publish", help="write docs/results/NAME.{json,md}")
    options = parser.parse_args(arguments)
    found = measure(options.run, options.samples)
    show(found, markdown(found, options.publish or "NAME"), options.publish)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
