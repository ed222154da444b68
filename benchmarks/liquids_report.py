"""The report of liquids.py: a table, the sweep over the astrocyte's weight as a figure, and their publication."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.published import RESULTS, publish
from neuro.files import write_whole
from neuro.references import REFERENCES
from neuro.runs import hardware, made_with, versions

COLUMNS = {  # key of a row: heading, factor
    "test_accuracy": ("test accuracy, %", 100.0),
    "published_accuracy": ("published, %", 100.0),
    "branching": ("branching factor", 1.0),
    "published_branching": ("published", 1.0),
    "multistep": ("branching ratio by multistep regression", 1.0),
    "avalanche_exponent": ("exponent of avalanche sizes", 1.0),
    "lyapunov_per_s": ("Lyapunov exponent, 1/s", 1.0),
    "rate_hz": ("rate, Hz", 1.0),
    "spectral_radius": ("spectral radius, mV", 1.0),
    "separation_rank": ("separation rank", 1.0),
    "approximation_rank": ("approximation rank", 1.0),
    "train_s": ("training, s", 1.0),
    "waited_s": ("of it waiting for a core, s", 1.0),
}
GROUPS = ("baselines", "sweep", "large")
CITED = ("ivanov2021", "wilting2018", "ma2019", "legenstein2007", "lecun1998")


def report(rows: list[dict[str, Any]], out: Path) -> None:
    """Write the table and, if there is a sweep, the figure."""
    write_whole(out / "report.md", "\n".join(table(rows)) + "\n")
    if any(row["group"] == "sweep" for row in rows):
        sweep_figure(rows).savefig(out / "sweep.png", dpi=150)


def publish_together(name: str, rows: list[dict[str, Any]], command: str) -> None:
    """Write docs/results/NAME.md, .json and .png. What was published there of other liquids and seeds stays."""
    file, commands = RESULTS / f"{name}.json", [command]
    if file.exists():
        before = json.loads(file.read_text())
        rows, commands = together(before["rows"], rows), list(dict.fromkeys([*before["commands"], command]))
    about = {"commands": commands, "hardware": hardware(), "versions": versions()}
    figure = sweep_figure(rows) if any(row["group"] == "sweep" for row in rows) else None
    lines = [
        "# Liquids at the edge of chaos", "",
        "Liquid state machines on MNIST: without plasticity, shaped by STDP, by activity-dependent STDP, and by STDP"
        " whose depression an astrocyte sets (NALSM). One pass over 54,000 training images of 250 ms; the test images"
        " are read once. Measures on 20 (ranks: 2,000) validation images. Published: means over ten networks of other"
        " seeds (8,000 neurons: five), from the authors' results file. Other programs may have shared the cores, which"
        " lengthens times beyond the waiting that is shown. An exponent of 10 is the largest that is looked for: the"
        " avalanches are nearly all of one size.", "",
        *table(rows), "",
        f"Made by {', '.join(f'`{each}`' for each in commands)} on {about['hardware']['processor']}; versions and every"
        f" run in {name}.json.", "",
    ]  # fmt: skip
    if figure is not None:
        lines += [f"![accuracy and branching factor against the astrocyte's weight]({name}.png)", ""]
    lines += ["## References", "", *(f"- {REFERENCES[key]}" for key in CITED)]
    publish(name, about | {"rows": rows}, "\n".join(lines) + "\n", figure)


def together(before: list[dict[str, Any]], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows that were there before, unless they were measured anew, and the new ones, in the order of GROUPS."""
    found = {(row["group"], row["label"], row["seed"]): row for row in (*before, *rows)}
    return sorted(found.values(), key=lambda row: GROUPS.index(row["group"]))


def table(rows: list[dict[str, Any]]) -> list[str]:
    """A line for each case: mean and, over several seeds, standard deviation of each measure."""
    lines = ["| liquid | seeds | " + " | ".join(title for title, _ in COLUMNS.values()) + " |"]
    lines.append("| --- " * (len(COLUMNS) + 2) + "|")
    for group, label in dict.fromkeys((row["group"], row["label"]) for row in rows):
        own = [row for row in rows if (row["group"], row["label"]) == (group, label)]
        cells = [_cell([row.get(key) for row in own], factor) for key, (_, factor) in COLUMNS.items()]
        lines.append(f"| {label} | {len(own)} | " + " | ".join(cells) + " |")
    return lines


def _cell(values: list[float | None], factor: float) -> str:
    numbers = [factor * value for value in values if value is not None]
    if not numbers:
        return ""
    spread = f" ± {np.std(numbers, ddof=1):.2g}" if len(set(numbers)) > 1 else ""
    return f"{np.mean(numbers):.4g}{spread}"


def speed_text(found: dict[str, Any]) -> str:
    """The table of what a liquid's steps take."""
    rows = [
        f"| {row['liquid']} | {row['threads']} | {row['ms_sample']:.2f} | {row['ms_sample']:.1f} |"
        f" {row['ns_step']:.1f} | {row['ns_event']:.2f} | {row['rate_hz']:.1f} |"
        for row in found["rows"]
    ]
    lines = [
        "# Speed of a liquid", "",
        f"1,000 neurons, {found['task']}, {found['samples']:,} samples of 250 ms, each from the weights at the start;"
        f" drawing the input's spikes counts. Load {found['load']:.1f} at the end. A step of a neuron and a synaptic"
        " event each stand for the whole time. Limits for a pass of 60,000 on two cores: 5 minutes without plasticity,"
        " 12 with STDP and astrocyte.", "",
        "| liquid | threads | ms a sample | minutes of 60,000 | ns a neuron's step | ns a synaptic event | rate, Hz |",
        "| --- " * 7 + "|", *rows, "",
        *made_with(found),
        "Command: `python -m benchmarks.liquids --which speed --publish liquid_speed`", "",
    ]  # fmt: skip
    return "\n".join(lines)


def sweep_figure(rows: list[dict[str, Any]]) -> Figure:
    """Accuracy and branching factor against the astrocyte's weight, beside what was published."""
    sweep = [row for row in rows if row["group"] == "sweep"]
    w = [row["w_astrocyte"] for row in sweep]
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    panels = (("test_accuracy", "published_accuracy", 100.0, "test accuracy (%)"),)
    panels += (("branching", "published_branching", 1.0, "branching factor (1)"),)
    for ax, (key, published, factor, label) in zip(figure.subplots(1, 2), panels, strict=True):
        ax.plot(w, [factor * row[key] for row in sweep], "o-", color="#0072B2", label="here, one network")
        ax.plot(
            w,
            [factor * row.get(published, np.nan) for row in sweep],
            "s--",
            color="#777777",
            label="published, mean of ten",
        )
        ax.set(xscale="log", xlabel="weight of a spike on the astrocyte (1)", ylabel=label)
        ax.legend(frameon=False)
    figure.suptitle("NALSM, 1,000 neurons, MNIST", fontsize=10)
    return figure
