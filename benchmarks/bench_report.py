"""The tables of `neuro bench`: on the terminal, and as docs/results/event_core.json and .md."""

import json
from pathlib import Path
from typing import Any

from benchmarks.bench_cases import CASES
from benchmarks.bench_results import verdicts
from neuro.files import write_whole
from neuro.references import REFERENCES
from neuro.runs import made_with

NOTES = (
    "Each repetition is a process of its own; the simulators take turns. Run: of the simulation alone, which is"
    " compared; of `start`, whole processes are. Seconds are medians, but for compile (neuro's kernel, brian2's C++)"
    " and first start, which are those of one process that found nothing compiled; in the second start everything"
    " was. Build: of the network, its connectivity and, for brian2, its C++ sources; for NEST also the first ms, in"
    " which connections are sorted. Peak memory: of the process or its largest child, imports included. ns: all of"
    " the run over the neurons' steps, and over the synaptic events, which are spikes times the synapses that each"
    " reaches; background drives are not among them. Ours/theirs: our time over that of the row. brian2 (C++"
    " standalone) runs in both precisions, and the faster one counts; NEST has float64 only. All compute the same"
    " networks: equal sizes, in-degrees, weights, delays, start and inputs, but random connections and background"
    " of their own, so that rates agree to a few per cent. The network of Izhikevich has the same parameters and"
    " weights everywhere, forward Euler steps, and as noise Poisson spikes of equal variance, less their mean."
    " Conductance-based neurons are integrated by exponential Euler here and in brian2, by an adaptive Runge-Kutta"
    " method in NEST. A machine that does other work spoils all of this: see the load, which is about the number of"
    " threads where nothing else ran."
)
COST_NOTES = (
    "Of one thread. A neuron's step and its drive's: from runs without synapses. A synaptic event: what these and the"
    " set-up leave of the run; with plasticity, updates at postsynaptic spikes are in it. Bytes and GB/s: of targets"
    " and weights; what arrives at a neuron is added up in the cache. Share: of the bandwidth that a copy of 256 MB"
    " has on one core."
)
CITED = ("brette2007", "vogels2005", "brunel2000", "song2000", "izhikevich2003")
Results = dict[str, dict[str, Any]]


def table(results: Results) -> list[list[str]]:
    """Titles, then a row for each case, simulator and number of threads."""
    titles = ["case", "simulator", "threads", "build, s", "compile, s", "first start, s", "second start, s", "run, s"]
    titles += ["peak, MB", "ns/neuron step", "ns/event", "rate, Hz", "ours/theirs", "target"]
    return [titles, *(_row(name, result, row) for name, result in results.items() for row in result["median"])]


def _row(name: str, result: dict[str, Any], row: dict[str, Any]) -> list[str]:
    """A ratio stands beside the variant that counts."""
    peer, threads = row["simulator"], str(row["threads"])
    ratio = result["ratio_by_threads"][threads].get(peer) if row["counts"] else None
    target = result["target"].get(peer) if ratio is not None else None
    return [
        f"{name}, {result['configuration']['duration_ms'] / 1000:g} s",
        f"{peer} {row['precision']}",
        threads,
        _number(row["build_s"], ".2f"),
        _number(row["first_compile_s"], ".2f"),
        _number(row["first_process_s"], ".2f"),
        _number(row["process_s"], ".2f"),
        _number(row["run_s"], ".4g"),
        _number(row["peak_mb"], ".0f"),
        _number(row["neuron_step_ns"], ".2f"),
        _number(row["synaptic_event_ns"], ".2f"),
        _number(row["rate_hz"], ".2f"),
        _number(ratio, ".3f"),
        _number(target, "g"),
    ]


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def cost_table(results: Results) -> list[list[str]]:
    """Titles, then a row for each case: what the event backend's time goes into."""
    titles = ["case", "set-up, ms", "neuron step, ns", "drive step, ns", "synaptic event, ns", "bytes", "GB/s"]
    lines = [[*titles, "of the memory's GB/s", "share"]]
    for name, result in results.items():
        if (cost := result["cost"]) is not None:
            lines.append(
                [
                    name,
                    f"{1000 * cost['setup_s']:.2f}",
                    f"{cost['neuron_step_ns']:.2f}",
                    f"{cost['drive_step_ns']:.2f}",
                    f"{cost['synaptic_event_ns']:.2f}",
                    f"{cost['synaptic_event_bytes']}",
                    f"{cost['synapses_gb_s']:.2f}",
                    f"{cost['bandwidth_gb_s']:.1f}",
                    f"{100 * cost['bandwidth_share']:.0f} %",
                ]
            )
    return lines


def remarks(results: Results) -> list[str]:
    """Targets, agreement of rates, speed-ups, the load, and what is missing or failed."""
    lines = [line for name, result in results.items() for line in verdicts(name, result)]
    for name, result in results.items():
        if result["rates_within"] is not None:
            lines.append(f"{name}: rates of the peers differ from ours by at most {100 * result['rates_within']:.1f} %")
        for simulator, found in result["speedup"].items():
            times = ", ".join(f"{threads} threads {speedup:.2f} times" for threads, speedup in found.items())
            lines.append(f"{name}: {simulator} against one thread: {times} as fast")
    missing = {peer: install for result in results.values() for peer, install in result["missing"].items()}
    lines += [f"{peer} is missing, so it is not compared: {install}" for peer, install in missing.items()]
    lines += [f"{name}: {what} failed: {why}" for name, r in results.items() for what, why in r["failed"].items()]
    loads = [run["load"] for result in results.values() for run in result["runs"]]
    return [*lines, f"load while measuring: {min(loads):.1f} to {max(loads):.1f}"] if loads else lines


def print_report(results: Results) -> None:
    """The tables and the remarks, on the terminal."""
    tables = [_plain_table(lines) for lines in (table(results), cost_table(results)) if len(lines) > 1]
    print("\n\n".join([*tables, "\n".join(remarks(results))]))


def _plain_table(lines: list[list[str]]) -> str:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def _markdown_table(lines: list[list[str]]) -> list[str]:
    titles, *rows = [f"| {' | '.join(line)} |" for line in lines]
    return [titles, "|" + " --- |" * len(lines[0]), *rows, ""]


def publish(out: Path, folder: Path = Path("docs") / "results") -> list[Path]:
    """Write event_core.json and event_core.md, of all cases that were measured in a folder; returns their paths."""
    files = {name: out / f"{name}.json" for name in CASES if (out / f"{name}.json").exists()}
    results = {name: json.loads(file.read_text()) for name, file in files.items()}
    _check_alike(results, out)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "event_core.json", json.dumps(results, indent=1) + "\n")
    write_whole(folder / "event_core.md", _markdown(results))
    return [folder / "event_core.json", folder / "event_core.md"]


def _check_alike(results: Results, out: Path) -> None:
    """What is published together was measured on one machine with one code, in full."""
    first = next(iter(results.values()))
    for name, result in results.items():
        code = result["configuration"]["code"]
        for what, found, wanted in (
            ("duration_ms", result["configuration"]["duration_ms"], CASES[name].duration),
            ("code", code, first["configuration"]["code"]),
            ("hardware", result["hardware"], first["hardware"]),
            ("versions", result["versions"], first["versions"]),
        ):
            if found != wanted:
                file = out / f"{name}.json"
                raise ValueError(f"{file} has {what} {found}, but to publish it must be {wanted}; measure {name} again")


def _markdown(results: Results) -> str:
    first = next(iter(results.values()))
    commands = [result["command"] for result in results.values()]
    lines = ["# event_core", "", "```", *commands, "```", "", *_markdown_table(table(results)), NOTES, ""]
    lines += ["## Targets and remarks", "", *[f"- {text}" for text in remarks(results)], ""]
    lines += ["## What the event backend's time goes into", "", *_markdown_table(cost_table(results)), COST_NOTES, ""]
    lines += [*[f"[{key}] {REFERENCES[key]}" for key in CITED], ""]
    lines += [
        f"Seed: {first['configuration']['seed']}  ",
        *made_with(first),
        "",
    ]
    return "\n".join(lines)
