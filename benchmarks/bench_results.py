"""From repetitions to medians, ratios and what became of the targets.

A run is one repetition: a dict with "simulator", "precision", "threads", "repetition", the seconds, "peak_mb" and
"spikes". Repetition 0 is the first start, with nothing compiled; medians are of those after it.
"""

import statistics
from collections.abc import Callable
from typing import Any

from benchmarks.bench_cases import PEERS, Case
from benchmarks.networks import DT, NETWORKS

Run = dict[str, Any]


def summary(case: Case, runs: list[Run], parts: list[dict[str, float]]) -> dict[str, Any]:
    """All that follows from the runs of a case, as it is written beside them."""
    medians = _medians(case, runs)
    by_threads = {}
    for threads in sorted({row["threads"] for row in medians}):
        by_threads[str(threads)] = _ratios(medians, threads)
    return {
        "median": medians,
        "ratio": next(iter(by_threads.values()), {}),
        "ratio_by_threads": by_threads,
        "target": case.targets,
        "speedup": _speedups(medians),
        "target_speedup": case.speedup,
        "rates_within": _rates_within(medians),
        "cost": _costs(case, medians, parts),
    }


def _medians(case: Case, runs: list[Run]) -> list[Run]:
    """A row for each simulator, precision and number of threads that has more than its first start.

    "counts": whether it is the fastest of its simulator, with this number of threads.
    """
    keys = list(dict.fromkeys(_key(run) for run in runs))
    groups = [[run for run in runs if _key(run) == key] for key in keys]
    rows = [_median_row(case, group) for group in groups if any(run["repetition"] for run in group)]
    for row in rows:
        alike = [r for r in rows if (r["simulator"], r["threads"]) == (row["simulator"], row["threads"])]
        row["counts"] = row is min(alike, key=lambda r: r["compared_s"])
    return rows


def _key(run: Run) -> tuple[str, str, int]:
    return run["simulator"], run["precision"], run["threads"]


def _median_row(case: Case, group: list[Run]) -> Run:
    """first_*: of the first start; its own "compile_s" is what compiling takes."""
    network = NETWORKS[case.network]
    first = next((run for run in group if run["repetition"] == 0), None)
    rest = sorted((run for run in group if run["repetition"]), key=lambda run: run["repetition"])
    names = ("build_s", "run_s", "process_s", "peak_mb", "rate_hz", "synaptic_events")
    row = {name: statistics.median(run[name] for run in rest) for name in names}
    # Where processes are compared, our run has the loading of its kernel in it.
    alone = row["run_s"] if case.measured == "run_s" else None
    neuron_steps, events = network.size * case.duration / DT, row["synaptic_events"]
    return {
        "simulator": rest[0]["simulator"],
        "precision": rest[0]["precision"],
        "threads": rest[0]["threads"],
        "repeats": len(rest),
        "first_compile_s": first["compile_s"] if first else None,
        "first_process_s": first["process_s"] if first else None,
        **row,
        "neuron_step_ns": None if alone is None else 1e9 * alone / neuron_steps,
        "synaptic_event_ns": None if alone is None or not events else 1e9 * alone / events,
        "compared_s": row[case.measured],
        "all_compared_s": [run[case.measured] for run in rest],
    }


def _fastest(medians: list[Run], simulator: str, threads: int) -> float | None:
    found = [r["compared_s"] for r in medians if r["counts"] and (r["simulator"], r["threads"]) == (simulator, threads)]
    return found[0] if found else None


def _ratios(medians: list[Run], threads: int) -> dict[str, float]:
    """Our time over that of each peer."""
    ours = _fastest(medians, "neuro", threads)
    theirs = {peer: _fastest(medians, peer, threads) for peer in PEERS}
    return {peer: ours / seconds for peer, seconds in theirs.items() if ours is not None and seconds is not None}


def _speedups(medians: list[Run]) -> dict[str, dict[str, float]]:
    """Simulator -> number of threads -> how many times as fast as with one."""
    found: dict[str, dict[str, float]] = {}
    for row in medians:
        alone = _fastest(medians, row["simulator"], 1)
        if row["counts"] and row["threads"] > 1 and alone is not None:
            found.setdefault(row["simulator"], {})[str(row["threads"])] = alone / row["compared_s"]
    return found


def _rates_within(medians: list[Run]) -> float | None:
    """The largest difference of a rate from ours, relative to ours: that all ran the same network."""
    ours = [row["rate_hz"] for row in medians if row["simulator"] == "neuro"]
    if not ours or not ours[0] or len(medians) == len(ours):
        return None
    return max(abs(row["rate_hz"] / ours[0] - 1.0) for row in medians)


def _costs(case: Case, medians: list[Run], parts: list[dict[str, float]]) -> dict[str, float] | None:
    """Of the event backend on one thread: its set-up, a neuron's step, that of its drive, and a synaptic event.

    A synaptic event is charged with what the others leave of the run; with plasticity, updates at postsynaptic
    spikes are in it. bandwidth_share: of the memory's, which its synapses take.
    """
    alone = [row for row in medians if (row["simulator"], row["threads"]) == ("neuro", 1)]
    if not parts or not alone or not alone[0]["synaptic_events"]:
        return None
    network = NETWORKS[case.network]
    cost = {name: statistics.median(part[name] for part in parts) for name in parts[0]}
    neuron_steps = network.size * case.duration / DT
    steps_s = 1e-9 * neuron_steps * (cost["neuron_step_ns"] + cost["drive_step_ns"])
    events_s = alone[0]["run_s"] - cost["setup_s"] - steps_s
    event_ns = 1e9 * events_s / alone[0]["synaptic_events"]
    gb_s = network.event_bytes / event_ns
    more = {"synaptic_event_ns": event_ns, "synaptic_event_bytes": network.event_bytes, "synapses_gb_s": gb_s}
    return cost | more | {"bandwidth_share": gb_s / cost["bandwidth_gb_s"]}


def verdicts(name: str, result: dict[str, Any]) -> list[str]:
    """Each target of a case with what was measured, and what could not be."""
    lines = [
        _verdict(f"{name} beside {peer}", result["ratio"].get(peer), target, lambda found, target: found <= target)
        for peer, target in result["target"].items()
    ]
    if result["target_speedup"] is not None:
        found = result["speedup"].get("neuro", {}).get("2")
        text = f"{name}, two threads over one"
        lines.append(_verdict(text, found, result["target_speedup"], lambda found, target: found >= target))
    return lines


def _verdict(what: str, found: float | None, target: float, is_met: Callable[[float, float], bool]) -> str:
    if found is None:
        return f"{what}: not measured, target {target:g}"
    outcome = "met" if is_met(found, target) else f"missed, {found / target:.2f} times the target"
    return f"{what}: {found:.3f}, target {target:g}: {outcome}"
