"""`neuro export` and `neuro import`: trained networks as NIR files, and NIR files as networks, tried on a task.

Axes: B sample, C class.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neuro.events import Events
from neuro.interop.imported import Imported
from neuro.units import check, choice, param, unknown
from simulations.options import parse


@dataclass(frozen=True)
class Export:
    """How a trained network is written."""

    discretisation: str = choice("of the reader; the network's own follow from it", ("euler", "exact"), default="euler")
    units: str = choice("si, or normalised: one unit of voltage is 1 mV", ("si", "normalised"), default="si")
    step: float = param("ms", "of the reader, 0: the network's; snnTorch 1.0 takes 0.1", default=0.0, minimum=0)
    readout: bool = param("1", "whether integrators at the end become LI; else their input is the output", default=True)


@dataclass(frozen=True)
class Import:
    """How a NIR file is read, and what it is tried on."""

    dt: float = param("ms", "step; 0: what the file says, if it was written here, else 0.1", default=0.0, minimum=0)
    discretisation: str = choice("how an equation becomes a step", ("file", "exact", "euler"), default="file")
    spikes: str = choice("a spike is a 1 for a step, or an impulse", ("file", "step", "impulse"), default="file")
    units: str = choice("of the file; normalised: 1 is 1 mV", ("file", "si", "normalised"), default="file")
    reset: str = choice("to v_reset, as NIR says, or by subtraction", ("value", "subtract"), default="value")
    layer_delay: float = param("ms", "added to what neurons send, a multiple of dt", default=0.0, minimum=0)
    task: str = param("1", "a task whose test samples it is shown; none: it is only described", default="none")
    samples: int = param("samples", "test samples shown", default=200, above=0)
    seed: int = param("1", "of the choice of samples", default=0, minimum=0)

    def conventions(self) -> dict[str, Any]:
        """What was asked for; the rest is the file's, or a default."""
        given = {"dt": self.dt, "discretisation": self.discretisation, "spikes": self.spikes, "units": self.units}
        asked = {name: value for name, value in given.items() if value not in (0.0, "file")}
        return asked | {"reset": self.reset, "layer_delay": self.layer_delay}


def export_command(path: str, target: str, arguments: list[str]) -> None:
    """`neuro export RUN FILE ...`."""
    print(export_run(path, Path(target), parse(Export(), arguments, "neuro export RUN FILE")))


def import_command(path: str, arguments: list[str]) -> None:
    """`neuro import FILE ...`."""
    options = parse(Import(), arguments, "neuro import FILE")
    check(options)
    print("\n".join(import_file(path, options)))


def export_run(path: str, target: Path, options: Export) -> str:
    """Write the network of a finished or stopped training. Returns what was written, in words."""
    from neuro.interop.nir import to_nir, write_graph
    from neuro.runs import load_run
    from tasks.checkpoint import load_tensors
    from tasks.harness import load_task
    from tasks.sequence import told
    from tasks.training import from_json

    run = load_run(path)
    if run.manifest().get("kind") != "training":
        raise ValueError(f"{path} is no training; only trained networks are exported")
    training = from_json(run.manifest()["configuration"])
    if not hasattr(training.learner, "as_network"):
        raise ValueError(f"the learner {training.name!r} has no spiking network that NIR could hold; train 'bptt'")
    task = load_task(training.task)
    state = training.learner.init(told(task, training.budget.samples), training.seed)
    load_tensors(run.path / "checkpoint.safetensors", state)
    graph = to_nir(
        *training.learner.as_network(state),
        step=options.step or None,
        discretisation=options.discretisation,
        units=options.units,
        readout=options.readout,
    )
    write_graph(graph, target)
    return f"{target}: {len(graph.nodes)} nodes, {len(graph.edges)} edges"


def import_file(path: str, options: Import) -> list[str]:
    """Lines that describe the network in a file, and what it made of a task."""
    from neuro.interop.nir import read_nir

    imported = read_nir(path, **options.conventions())
    lines = describe(imported)
    return lines if options.task == "none" else [*lines, trial(imported, options)]


def describe(imported: Imported) -> list[str]:
    """One line a population and a projection."""
    lines = [f"step {imported.net.dt:g} ms"]
    for population in imported.net.populations:
        lines.append(f"  {population.name:<16} {population.size:>6} {type(population.model).__name__}")
    for projection in imported.net.projections:
        given = imported.weights[projection.name]
        values = np.abs(np.asarray(getattr(given, "weights", given)))
        model: Any = imported.net.population(projection.post).model
        lines.append(
            f"  {projection.name:<16} {values.size:>6} synapses, delay {projection.delay:g} ms, largest weight"
            f" {values.max(initial=0.0):.4g} {model.arrival_unit}"
            + (f" (threshold {np.max(model.v_th):.4g} mV)" if hasattr(model, "v_th") else "")
        )
    outputs = ", ".join(f"{name}: {population}" for name, population in imported.outputs.items())
    return [*lines, f"outputs: {outputs}"]


def trial(imported: Imported, options: Import) -> str:
    """Show test samples of a task to the network; its answer is the output with most spikes, or the highest mean."""
    from neuro.seeds import child
    from tasks import TASKS

    if options.task not in TASKS:
        raise ValueError(unknown("task", options.task, TASKS))
    task = TASKS[options.task]()
    (source, *more), (target, *others) = imported.inputs, imported.outputs.values()
    n_in, n_out = imported.net.population(source).size, imported.net.population(target).size
    if more or others or (n_in, n_out) != (task.problem.n_inputs, task.problem.n_classes):
        raise ValueError(
            f"task {options.task!r} has {task.problem.n_inputs} inputs and {task.problem.n_classes} classes, and the"
            f" network {n_in} and {n_out}; choose a task that fits it"
        )
    n_test = len(task.test.labels)
    n = min(options.samples, n_test)
    rows = np.sort(child(options.seed, "import").choice(n_test, n, replace=False))
    batch = task.test.batch(rows)
    step = task.problem.dt if isinstance(batch.inputs, Events) else imported.net.dt
    scores_BC = scores(imported, source, target, batch.inputs, task.problem.n_steps * step)
    accuracy = (scores_BC.argmax(1) == np.asarray(batch.labels)).mean()
    return f"accuracy on {n} test samples of {options.task}: {100 * accuracy:.2f} %"


def scores(imported: Imported, source: str, target: str, inputs: Any, duration: float) -> Any:
    """Spikes of the output [B, C], or its mean over time where it sends values. duration: ms."""
    from neuro import simulate

    is_events = isinstance(inputs, Events)
    given = inputs if is_events else inputs.flatten(1).numpy()
    n_samples = given.n_samples if is_events else len(given)
    graded = imported.net.population(target).model.graded
    field = "output" if graded else "spikes"
    record = simulate(
        imported.net, imported.weights, {source: given}, duration=duration, record=(f"{target}.{field}",),
        initial=imported.initial,
    )  # fmt: skip
    if graded:
        return np.asarray(record.traces[f"{target}.output"]).mean(0)
    spikes = record.spikes[target]
    counts_BC = np.zeros((n_samples, imported.net.population(target).size))
    np.add.at(counts_BC, (spikes.samples, spikes.units), 1.0)
    return counts_BC
