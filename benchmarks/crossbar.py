"""A trained network in memristive crossbars: accuracy against errors of programming, levels, drift and converters.

    python -m benchmarks.crossbar RUN [--chips 5] [--samples 10000] [--publish NAME]

The weights of a finished `bptt` training are programmed into chips that differ in their seed alone, and each answers
the first test samples. Devices have no other error than the one that is varied, unless the curve says so; drift is
shown with all errors of phase-change memory together. Nothing was retrained.
"""

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from benchmarks.published import show
from neuro.backends import simulate
from neuro.crossbar_devices import IDEAL, PCM_JOSHI_2020, RERAM_WAN_2022, RERAM_WAN_2022_DAY, Crossbar, Device
from neuro.learners.bptt import BPTT
from neuro.learners.spiking_input import encoded
from neuro.runs import hardware, load_run, made_with, versions
from neuro.units import vary
from simulations.trained import Trained, load_trained

CHUNK = 1000
MS_PER_DAY = 86.4e6
ERRORS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)  # of g_max
LEVELS = (2, 3, 4, 5, 8, 16, 32, 64)
AGES = {"20 s": 20e3, "1 h": 3.6e6, "1 day": MS_PER_DAY, "1 month": 30 * MS_PER_DAY, "1 year": 365 * MS_PER_DAY}
BITS = (3, 4, 5, 6, 8, 10)
STUCK = (0.0, 0.001, 0.01, 0.03, 0.1)
OWN = "chosen: one error alone, see the figure"


@dataclass(frozen=True)
class Case:
    """A point of a curve: x is what is varied."""

    panel: str
    curve: str
    x: float
    crossbar: Crossbar


def cases() -> list[Case]:
    """All points."""
    found = []

    def add(panel: str, curve: str, x: float, device: Device, *how: Any) -> None:
        found.append(Case(panel, curve, x, Crossbar(device, *how)))

    error = vary(IDEAL, source="joshi2020", programming=PCM_JOSHI_2020.programming)
    for part in ERRORS:
        add("programming", "equal for all", part, vary(IDEAL, source=OWN, programming=(part * IDEAL.g_max,)))
    for n in LEVELS:
        add("levels", "exact otherwise", n, vary(IDEAL, source=OWN, levels=n))
        add("levels", "programming error of PCM", n, vary(error, source=OWN, levels=n))
    for age in AGES.values():
        add("drift", "one factor makes up for drift", age, PCM_JOSHI_2020, age)
        add("drift", "nothing does", age, PCM_JOSHI_2020, age, False)
    for bits in BITS:
        add("converter", "exact otherwise", bits, vary(IDEAL, source=OWN, adc_bits=bits))
    for part in STUCK:
        add("stuck", "half on, half off", part, vary(IDEAL, source=OWN, stuck_on=part / 2, stuck_off=part / 2))
    for k, device in enumerate((IDEAL, PCM_JOSHI_2020, RERAM_WAN_2022, RERAM_WAN_2022_DAY)):
        add("sets", ("ideal", "PCM, 20 s", "RRAM, 1 s", "RRAM, 1 day")[k], k, device)
    return found


def answered(trained: Trained, n: int, backend: str, seed: int = 0, arithmetic: Any = None) -> tuple[float, float]:
    """Accuracy on the first n test samples, and spikes a sample."""
    learner, state, split = trained.learner, trained.state, trained.task.test
    net, weights = learner.network(state.problem), {name: w.detach() for name, w in state.weights.items()}
    n_right = n_spikes = 0
    for k, batch in enumerate(split.batches(CHUNK, n)):
        inputs = encoded(batch.inputs, state.problem, learner.code, np.random.default_rng(k * CHUNK))
        record = simulate(
            net, weights, {"input": inputs}, duration=state.problem.n_steps * state.problem.dt, backend=backend,
            record=("readout.output",), seed=seed, arithmetic=arithmetic,
        )  # fmt: skip
        n_right += int((record.traces["readout.output"].mean(0).argmax(1) == batch.labels).sum())
        n_spikes += record.counts.spikes
    return n_right / n, n_spikes / n


def measure(path: str, chips: int, samples: int) -> dict[str, Any]:
    """Accuracy of every chip at every point."""
    run = load_run(path)
    trained = load_trained(run, BPTT, "only networks of bptt are put into crossbars")
    n = min(samples, len(trained.task.test.labels))
    rows = []
    for case in cases():
        is_random = case.crossbar.device.programming != (0.0,) or case.panel in ("stuck", "drift")
        seeds = range(chips if is_random else 1)
        found, spikes = zip(*(answered(trained, n, "crossbar", seed, case.crossbar) for seed in seeds), strict=True)
        row = {"panel": case.panel, "curve": case.curve, "x": case.x}
        rows.append(row | {"accuracies": list(found), "spikes_per_sample": statistics.fmean(spikes)})
        print(f"{case.panel:<12} {case.curve:<30} {case.x:<12g} {100 * statistics.fmean(found):6.2f} %", flush=True)
    manifest, wanted = run.manifest(), answered(trained, n, "torch_dense")
    return {
        "task": manifest["configuration"]["task"],
        "architecture": manifest["results"]["architecture"],
        "budget": manifest["configuration"]["budget"],
        "samples": n,
        "chips": chips,
        "float_accuracy": wanted[0],
        "float_spikes_per_sample": wanted[1],
        "rows": rows,
        "hardware": hardware(),
        "versions": versions("python", "neuro", "numpy", "torch"),
    }


def _curve(found: dict[str, Any], panel: str) -> dict[str, list[dict[str, Any]]]:
    curves: dict[str, list[dict[str, Any]]] = {}
    for row in found["rows"]:
        if row["panel"] == panel:
            curves.setdefault(row["curve"], []).append(row)
    return curves


LABELS = {
    "programming": "standard deviation of conductances (part of g_max)",
    "levels": "levels of a device (count)",
    "drift": "time since programming (s)",
    "converter": "bits of the converter (count)",
}
SCALES = {"programming": "linear", "levels": "log", "drift": "log", "converter": "linear"}


def draw(found: dict[str, Any]) -> Figure:
    figure = Figure(figsize=(10, 7), layout="constrained")
    for ax, (panel, label) in zip(figure.subplots(2, 2).flat, LABELS.items(), strict=True):
        for marker, (curve, rows) in zip("os", _curve(found, panel).items(), strict=False):
            x = np.array([row["x"] for row in rows]) / (1000.0 if panel == "drift" else 1.0)
            y = [100 * np.array(row["accuracies"]) for row in rows]
            ends = [[v.mean() - v.min() for v in y], [v.max() - v.mean() for v in y]]
            ax.errorbar(x, [v.mean() for v in y], yerr=ends, marker=marker, label=curve, capsize=3)
        ax.axhline(100 * found["float_accuracy"], color="0.5", linestyle=":", label="float weights")
        ax.set(xlabel=label, ylabel="test accuracy (%)", xscale=SCALES[panel])
        if panel == "levels":
            ax.set_xticks(LEVELS, labels=[str(n) for n in LEVELS])
            ax.minorticks_off()
        ax.grid(alpha=0.3)
        ax.legend(fontsize=8)
    figure.suptitle(
        f"{found['task']}, {found['architecture']}, first {found['samples']} test samples; mean and range of"
        f" {found['chips']} chips",
        fontsize=10,
    )
    return figure


def markdown(found: dict[str, Any], name: str) -> str:
    doc = (__doc__ or "").split("\n\n")
    lines = [
        "# Trained networks in memristive crossbars", "", " ".join(doc[2].split()), "",
        f"{found['task']}, {found['architecture']}, trained on {found['budget']['samples']:,} samples; accuracy on the"
        f" first {found['samples']:,} test samples with float weights: {100 * found['float_accuracy']:.2f} %, with"
        f" {found['float_spikes_per_sample']:.0f} spikes a sample. {found['chips']} chips a point (one where nothing is"
        " random).", "",
        "| varied | curve | value | test accuracy, mean % | worst chip % | best chip % | spikes/sample |",
        "| --- " * 7 + "|",
    ]  # fmt: skip
    ages = {age: text for text, age in AGES.items()}
    for row in found["rows"]:
        value = ages[row["x"]] if row["panel"] == "drift" else f"{row['x']:g}" if row["panel"] != "sets" else "-"
        numbers = (statistics.fmean(row["accuracies"]), min(row["accuracies"]), max(row["accuracies"]))
        shown = " | ".join(f"{100 * number:.2f}" for number in numbers)
        lines.append(f"| {row['panel']} | {row['curve']} | {value} | {shown} | {row['spikes_per_sample']:.0f} |")
    lines += [
        "", "programming: standard deviation of a conductance, part of g_max. converter: bits of a column's sum, range"
        " +-10 largest weights. stuck: part of the devices. Sets: joshi2020, wan2022, with all their errors.", "",
        f"![accuracy against errors of devices]({name}.png)", "",
        *made_with(found),
        f"Command: `python -m benchmarks.crossbar RUN --publish {name}`, RUN of"
        f" `neuro train mnist_bptt --learner.hidden 256 --budget.samples {found['budget']['samples']}`", "",
    ]  # fmt: skip
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", help="folder of a finished training of bptt")
    parser.add_argument("--chips", type=int, default=5)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--publish", help="write docs/results/NAME.{json,md,png}")
    options = parser.parse_args(arguments)
    found = measure(options.run, options.chips, options.samples)
    show(found, markdown(found, options.publish or "crossbar"), options.publish, lambda: draw(found))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
