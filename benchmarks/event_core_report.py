"""The tables of event_core.py: on the terminal, and as docs/results/event_core.json and .md."""

import json
from pathlib import Path
from typing import Any

from neuro.references import REFERENCES
from neuro.runs import write_whole

# Our time over the peer's: what it shall be at most.
TARGETS = {
    ("brian2", "cuba_4000"): 0.25,
    ("brian2", "cuba_40000"): 0.25,
    ("brian2", "coba_4000"): 0.35,
    ("brian2", "brunel"): 0.4,
    ("brian2", "stdp"): 0.4,
    ("nest", "cuba_4000"): 0.1,
    ("nest", "cuba_40000"): 0.1,
    ("nest", "coba_4000"): 0.1,
    ("nest", "brunel"): 0.1,
    ("nest", "stdp"): 0.1,
}
START_TARGET = 0.4

NOTES = (
    "Seconds: of the simulation alone, built and compiled before; the best of the repeats. Synaptic events: spikes"
    " times the synapses that each reaches; the background drive of brunel is not among them. Ours/theirs: our time"
    " over that of the row. All run on one thread and compute the same networks: equal sizes, in-degrees, weights,"
    " delays, start and inputs, but random connections and background of their own, so that rates agree to a few"
    " per cent. brian2 runs in both precisions, and the faster one counts; NEST has float64 only. Conductance-based"
    " neurons are integrated by exponential Euler here and in brian2, by an adaptive Runge-Kutta method in NEST."
)


def table(results: dict[str, Any]) -> list[list[str]]:
    """Titles, then a row for each case and simulator."""
    ours = {row["case"]: row["seconds"] for row in results["rows"] if row["simulator"] == "neuro"}
    lines = [["case", "simulator", "seconds", "rate, Hz", "events/s", "ours/theirs", "target"]]
    for row in results["rows"]:
        name, simulator = row["case"], row["simulator"]
        compared = simulator != "neuro" and name in ours
        lines.append(
            [
                f"{name}, {row['duration_ms'] / 1000:g} s",
                f"{simulator} {row['precision']}",
                f"{row['seconds']:.4g}",
                f"{row['rate_hz']:.2f}",
                f"{row['synaptic_events_per_s']:.3g}",
                f"{ours[name] / row['seconds']:.3f}" if compared else "",
                f"{TARGETS[simulator, name]:g}" if compared else "",
            ]
        )
    return lines


def cost_table(results: dict[str, Any]) -> list[list[str]]:
    """Titles, then a row for each case: what a step and an event cost the event backend."""
    lines = [["case", "set-up, ms", "neuron step, ns", "drive step, ns", "synaptic event, ns", "bytes", "GB/s"]]
    for row in results["rows"]:
        if row["simulator"] == "neuro":
            lines.append(
                [
                    row["case"],
                    f"{1000 * row['setup_s']:.2f}",
                    f"{row['neuron_step_ns']:.2f}",
                    f"{row['drive_step_ns']:.2f}",
                    f"{row['synaptic_event_ns']:.2f}",
                    f"{row['synaptic_event_bytes']}",
                    f"{row['synaptic_event_bytes'] / row['synaptic_event_ns']:.2f}",
                ]
            )
    return lines


def start_line(results: dict[str, Any]) -> str:
    start = results["start"]
    neuro, brian2 = (f"{start[f'{who}_first_s']:.2f} / {start[f'{who}_second_s']:.2f} s" for who in ("neuro", "brian2"))
    return (
        f"Start, {start['case']} for {start['duration_ms'] / 1000:g} s, from `python script.py` to the last spike,"
        f" nothing compiled / compiled before: neuro {neuro}, brian2 {brian2}."
    )


def bandwidth_line(results: dict[str, Any]) -> str:
    return (
        f"Memory bandwidth of one core, measured by a copy of 256 MB: {results['bandwidth_gb_s']:.1f} GB/s. Bytes and"
        " GB/s of the table: of targets and weights; what arrives at a neuron is added up in the cache."
    )


def verdicts(results: dict[str, Any]) -> list[str]:
    """Each target with what was measured."""
    rows, lines = results["rows"], []
    for (peer, case), target in TARGETS.items():
        seconds = {
            who: [r["seconds"] for r in rows if r["case"] == case and r["simulator"] == who] for who in ("neuro", peer)
        }
        if all(seconds.values()):
            lines.append(_verdict(f"{case} beside {peer}", min(seconds["neuro"]) / min(seconds[peer]), target))
    if results["start"]:
        start = results["start"]
        for which in ("first", "second"):
            ratio = start[f"neuro_{which}_s"] / start[f"brian2_{which}_s"]
            lines.append(_verdict(f"{which} start beside brian2", ratio, START_TARGET))
    return lines


def _verdict(what: str, ratio: float, target: float) -> str:
    outcome = "met" if ratio <= target else f"missed, {ratio / target:.2f} times the target"
    return f"{what}: {ratio:.3f}, target {target:g}: {outcome}"


def _markdown_table(lines: list[list[str]]) -> list[str]:
    titles, *rows = [f"| {' | '.join(line)} |" for line in lines]
    return [titles, "|" + " --- |" * len(lines[0]), *rows, ""]


def _plain_table(lines: list[list[str]]) -> str:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def print_report(results: dict[str, Any]) -> None:
    """The tables and what became of the targets, on the terminal."""
    tables = [lines for lines in (table(results), cost_table(results)) if len(lines) > 1]
    parts = [*map(_plain_table, tables), bandwidth_line(results)]
    parts += [start_line(results)] if results["start"] else []
    parts += ["\n".join(verdicts(results))]
    parts += [f"failed: {name}: {error}" for name, error in results["failed"].items()]
    print("\n\n".join(part for part in parts if part))


def publish(results: dict[str, Any], folder: Path) -> None:
    """Write event_core.json and event_core.md."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "event_core.json", json.dumps(results, indent=1) + "\n")
    write_whole(folder / "event_core.md", _markdown(results))


def _markdown(results: dict[str, Any]) -> str:
    lines = ["# event_core", "", "```", results["command"], "```", "", *_markdown_table(table(results)), NOTES, ""]
    lines += ["## Start", "", start_line(results), "", "## Targets", ""]
    lines += [*[f"- {text}" for text in verdicts(results)], ""]
    lines += ["## What the event backend's time goes into", "", *_markdown_table(cost_table(results))]
    cited = ("brette2007", "vogels2005", "brunel2000", "song2000")
    lines += [bandwidth_line(results), "", *[f"[{key}] {REFERENCES[key]}" for key in cited], ""]
    load = " / ".join(f"{value:.1f}" for value in results["load"])
    lines += [
        f"Seed: {results['seed']}; repeats: {results['repeats']}; load before / after: {load}  ",
        f"Hardware: {', '.join(f'{key} {value}' for key, value in results['hardware'].items())}  ",
        f"Versions: {', '.join(f'{key} {value}' for key, value in results['versions'].items())}",
        "",
    ]
    return "\n".join(lines)
