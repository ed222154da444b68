"""Speed of the event backend beside brian2 (C++ standalone) and NEST, in one run, on one thread.

    python benchmarks/event_core.py [--cases cuba_4000 stdp ...] [--simulators neuro brian2 nest] [--publish]

Each simulator runs each network of networks.py in a process of its own (on_neuro.py, on_brian2.py, on_nest.py).
What is timed is the simulation alone, after the network is built and compiled; the best of the repeats,
since other work can only make a run slower. The case `start` times whole processes instead, from
`python script.py` to the last spike. Run it on a machine that does nothing else.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from event_core_report import print_report, publish
from networks import DT, NETWORKS, SEED, PlasticNetwork

from neuro.runs import hardware, versions

HERE = Path(__file__).parent
# Simulator and precision -> script and its arguments. Of brian2's two the faster one counts.
VARIANTS = {
    ("neuro", "float32"): ["on_neuro.py"],
    ("brian2", "float32"): ["on_brian2.py", "--dtype", "float32"],
    ("brian2", "float64"): ["on_brian2.py", "--dtype", "float64"],
    ("nest", "float64"): ["on_nest.py"],
}
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
START_CASE, START_DURATION = "cuba_4000", 1000.0


class ChildFailed(RuntimeError):
    """A simulator's process ended with an error; the message is its last line."""


def run_script(script: str, *arguments: Any, caches: dict[str, str] | None = None) -> dict[str, Any]:
    """What a script of this folder prints in its last line, and the seconds of its whole process.

    caches: variables of the environment that say where numba's machine code lies.
    """
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | ONE_THREAD | (caches or {}))
    process_s = time.perf_counter() - start
    if done.returncode:
        raise ChildFailed((done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1])
    return json.loads(done.stdout.strip().splitlines()[-1]) | {"process_s": process_s}


def measure_case(name: str, simulator: str, precision: str, options: argparse.Namespace) -> dict[str, Any]:
    """A row of the results."""
    case = NETWORKS[name]
    duration = options.duration or case.duration
    script, *arguments = VARIANTS[simulator, precision]
    found = run_script(script, name, *arguments, "--duration", duration, "--repeats", options.repeats)
    events = case.synaptic_events(found["spikes"], duration)
    row = {
        "case": name,
        "neurons": case.size,
        "synapses": case.n_synapses,
        "duration_ms": duration,
        "simulator": simulator,
        "precision": precision,
        "seconds": found["seconds"],
        "rate_hz": 1000.0 * found["spikes"] / case.size / duration,
        "synaptic_events_per_s": events / found["seconds"],
        "process_s": found["process_s"],
    }
    return row | (costs(name, found, events, duration) if simulator == "neuro" else {})


def costs(name: str, found: dict[str, Any], events: float, duration: float) -> dict[str, Any]:
    """Of the event backend: ns of a neuron and of its background drive each step, and of a synaptic event.

    Bytes: what each event reads and writes of the synapses themselves: its target, and its weight where that is
    not one for all, twice where it changes. With plasticity, updates at postsynaptic spikes are in ns of an event.
    """
    case, steps = NETWORKS[name], ("neuron_step_ns", "drive_step_ns")
    steps_s = 1e-9 * sum(found[step] for step in steps) * case.size * duration / DT
    return {step: found[step] for step in steps} | {
        "setup_s": found["setup_s"],
        "synaptic_event_ns": 1e9 * (found["seconds"] - found["setup_s"] - steps_s) / events,
        "synaptic_event_bytes": 4 + 8 if isinstance(case, PlasticNetwork) else 4,
    }


def measure_start(repeats: int) -> dict[str, Any]:
    """Seconds of whole processes. First: nothing is compiled; second: the best of those after it."""
    found: dict[str, Any] = {"case": START_CASE, "duration_ms": START_DURATION}
    with tempfile.TemporaryDirectory() as folder:
        caches = {"NEURO_CACHE": f"{folder}/neuro", "NUMBA_CACHE_DIR": f"{folder}/numba"}
        for simulator, script, more in (
            ("neuro", "on_neuro.py", ["--start"]),
            ("brian2", "on_brian2.py", ["--repeats", 1, "--folder", f"{folder}/brian2"]),
        ):
            arguments = START_CASE, "--duration", START_DURATION, *more
            runs = [run_script(script, *arguments, caches=caches)["process_s"] for _ in range(1 + repeats)]
            found |= {f"{simulator}_first_s": runs[0], f"{simulator}_second_s": min(runs[1:])}
    return found


def memory_bandwidth() -> float:
    """GB/s of a large copy on one core, what is read and what is written both counted."""
    source = np.ones(64_000_000, np.float32)
    target = np.zeros_like(source)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        np.copyto(target, source)
        seconds.append(time.perf_counter() - start)
    return 2 * source.nbytes / min(seconds) / 1e9


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All results, one line on stderr for each; what fails is named under "failed"."""
    rows, failed = [], {}
    load_before = os.getloadavg()[0]
    jobs = [(name, *variant) for name in options.cases if name in NETWORKS for variant in VARIANTS]
    for name, simulator, precision in jobs:
        if simulator not in options.simulators:
            continue
        label = f"{name} on {simulator} {precision}"
        try:
            rows.append(measure_case(name, simulator, precision, options))
            text = f"{rows[-1]['seconds']:.4g} s, {rows[-1]['rate_hz']:.2f} Hz"
        except ChildFailed as error:
            text = failed[label] = str(error)
        print(f"{label}: {text} (load {os.getloadavg()[0]:.1f})", file=sys.stderr, flush=True)
    results = {"rows": rows, "failed": failed, "bandwidth_gb_s": memory_bandwidth(), "start": None}
    if "start" in options.cases:
        results["start"] = measure_start(options.repeats)
        print(f"start: {results['start']}", file=sys.stderr, flush=True)
    return results | {
        "command": shlex.join(["python", "benchmarks/event_core.py", *sys.argv[1:]]),
        "seed": SEED,
        "repeats": options.repeats,
        "load": [load_before, os.getloadavg()[0]],
        "hardware": hardware(),
        "versions": versions() | {"nest": metadata.version("nest-simulator"), "g++": compiler()},
    }


def compiler() -> str:
    return subprocess.run(["g++", "-dumpfullversion"], capture_output=True, text=True).stdout.strip()


def main() -> None:
    cases, simulators = [*NETWORKS, "start"], list(dict.fromkeys(simulator for simulator, _ in VARIANTS))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=cases, default=cases, help="networks, and start; default: all")
    parser.add_argument("--simulators", nargs="+", choices=simulators, default=simulators, help="default: all")
    parser.add_argument("--repeats", type=int, default=3, help="runs of which the best counts; default: 3")
    parser.add_argument("--duration", type=float, help="ms to simulate in every case, for a trial")
    parser.add_argument("--publish", action="store_true", help="write docs/results/event_core.json and .md")
    options = parser.parse_args()
    if options.publish and (options.duration or {*options.cases, *options.simulators} != {*cases, *simulators}):
        parser.error("--publish needs all of it; leave out --cases, --simulators and --duration")
    results = measure(options)
    print_report(results)
    if results["failed"]:
        sys.exit("some simulators failed; nothing is published" if options.publish else 1)
    if options.publish:
        publish(results, HERE.parent / "docs" / "results")


if __name__ == "__main__":
    main()
