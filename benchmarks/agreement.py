"""Agreement of the event backend with NEST and brian2, in float64: spike for spike, and in the statistics of chaos.

    python -m benchmarks.agreement [--seeds 10] [--cases lif_500 cuba coba brunel] [--work FOLDER] [--publish]

lif_500 is deterministic (agreement_lif.py): the same networks, whose spikes must be equal one by one. The others
are chaotic (agreement_chaotic.py): networks drawn by each simulator, whose rate, CV of intervals and pairwise
correlation must agree within the standard error over seeds. Nothing is timed, so other work may go on.

Each run is a row that is added to FOLDER/metrics.jsonl when it is done, and not repeated by a later start unless the
code of neuro (or the version of the peer) has changed since. After a change of the networks, remove the folder.
"""

import argparse
import shlex
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import neuro
from benchmarks import agreement_chaotic, agreement_lif
from benchmarks.agreement_report import markdown, publish
from benchmarks.published import RESULTS
from neuro.runs import Run, fingerprint, hardware, read_metrics, versions

CASES = ("lif_500", "cuba", "coba", "brunel")
LEAST_SEEDS = 10  # of what is published
SURVIVAL_SEEDS = 6  # short runs for each seed asked for
TRIES = 3  # seeds tried for each that shall stay alive

Row = dict[str, Any]


def code_of_neuro() -> str:
    """Differs where neuro was changed."""
    root = Path(neuro.__file__).parent
    return fingerprint({str(path.relative_to(root)): path.read_text() for path in root.rglob("*.py")})


class Work(NamedTuple):
    """Where rows are kept. done: those that there are, by what names them; code: of each simulator."""

    run: Run
    done: dict[tuple, Row]
    code: dict[str, str]


def open_work(folder: Path) -> Work:
    folder.mkdir(parents=True, exist_ok=True)
    code = {"neuro": code_of_neuro(), "nest": metadata.version("nest-simulator"), "brian2": metadata.version("brian2")}
    code["all"] = "/".join(code.values())
    return Work(Run(folder), {_key(row): row for row in read_metrics(folder)}, code)


def _key(row: Row) -> tuple:
    return row["case"], row["simulator"], row["seed"], row["code"]


def get_row(work: Work, case: str, simulator: str, seed: int, make: Callable[[], Row]) -> Row:
    """The row of a run, which is made if it is not there."""
    head = {"case": case, "simulator": simulator, "seed": seed, "code": work.code[simulator]}
    if _key(head) not in work.done:
        start = time.perf_counter()
        row = head | make()
        work.run.metrics(**row)
        work.done[_key(row)] = row
        seconds = time.perf_counter() - start
        print(f"{case}, {simulator}, seed {seed}: {_brief(row)} ({seconds:.1f} s)", file=sys.stderr, flush=True)
    return work.done[_key(head)]


def _brief(row: Row) -> str:
    """What the progress line says of a row."""
    if "peers" in row:
        return f"{row['spikes']} spikes; " + ", ".join(f"{p}: {row['peers'][p]['differ']} differ" for p in row["peers"])
    numbers = [f"{name} {row[name]:.4g}" for name in ("rate_hz", "cv", "correlation") if name in row]
    return ", ".join(numbers) or ("alive" if row["alive"] else "fell silent")


def deterministic(work: Work, n_seeds: int) -> list[Row]:
    return [
        get_row(work, f"lif_500 {name}", "all", seed, partial(agreement_lif.measure, name, seed))
        for name in agreement_lif.STRENGTHS
        for seed in range(n_seeds)
    ]


def chaotic(work: Work, case: str, simulator: str, n_seeds: int) -> list[Row]:
    """Rows of the first seeds, until n_seeds of them were alive to the end."""
    found: list[Row] = []
    while sum(row["alive"] for row in found) < n_seeds:
        seed = len(found)
        if seed == TRIES * n_seeds:
            raise RuntimeError(f"{case} on {simulator}: fewer than {n_seeds} of {seed} seeds stayed alive")
        found.append(get_row(work, case, simulator, seed, partial(agreement_chaotic.measure, case, simulator, seed)))
    return found


def survival(work: Work, case: str, simulator: str, n_seeds: int) -> list[Row]:
    """Rows of short runs."""
    name, make = f"{case} survival", agreement_chaotic.survives
    return [get_row(work, name, simulator, seed, partial(make, case, simulator, seed)) for seed in range(n_seeds)]


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All results."""
    work, n_seeds = open_work(Path(options.work)), options.seeds
    simulators = list(agreement_chaotic.SIMULATORS)
    chosen = [name for name in agreement_chaotic.CASES if name.split()[0] in options.cases]
    short = simulators if "coba" in options.cases else []
    return {
        "command": shlex.join(["python", "-m", "benchmarks.agreement", *sys.argv[1:]]),
        "seeds": n_seeds,
        "code": work.code["neuro"],
        "deterministic": deterministic(work, n_seeds) if "lif_500" in options.cases else [],
        "chaotic": [row for name in chosen for who in simulators for row in chaotic(work, name, who, n_seeds)],
        "survival": [row for who in short for row in survival(work, "coba", who, SURVIVAL_SEEDS * n_seeds)],
        "hardware": hardware(),
        "versions": versions() | {"nest": metadata.version("nest-simulator"), "cython": metadata.version("cython")},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=LEAST_SEEDS, help="runs of each network and simulator; default 10")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES, help="default: all")
    parser.add_argument("--work", default="runs/agreement", help="folder where rows are kept; default: runs/agreement")
    parser.add_argument("--publish", action="store_true", help="write docs/results/agreement.json and .md")
    options = parser.parse_args()
    if options.seeds < 2:
        parser.error(f"--seeds {options.seeds}: a standard error needs 2 or more")
    if options.publish and (set(options.cases) != set(CASES) or options.seeds < LEAST_SEEDS):
        parser.error(f"--publish needs all cases and {LEAST_SEEDS} seeds or more; leave out --cases and --seeds")
    results = measure(options)
    print(markdown(results))
    if options.publish:
        publish(results, RESULTS)


if __name__ == "__main__":
    main()
