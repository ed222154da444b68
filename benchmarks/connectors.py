"""Seconds and memory to draw 15.6 million synapses: this package beside plain NumPy, and NEST where it is installed.

    python benchmarks/connectors.py [--neurons 12500]

Every construction runs in a process of its own, twice; the second is timed, so that no compilation counts. Memory
is the peak above what the process held before, per synapse (Linux only). The final arrays of this package take
4 bytes a synapse; NumPy's are the same arrays; NEST builds its synapse objects, weights and delays included.
"""

import argparse
import importlib.util
import multiprocessing
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from neuro.connectors import DistanceDependent, FixedInDegree, FixedOutDegree, FixedProbability

SHARE = 0.1  # of all pairs that is connected


def numpy_probability(n: int, k: int, rng: np.random.Generator) -> Any:
    rows = [np.flatnonzero(rng.random(n) < k / n).astype(np.int32) for _ in range(n)]
    return np.cumsum([0] + [len(row) for row in rows]), np.concatenate(rows)


def numpy_out_degree(n: int, k: int, rng: np.random.Generator) -> Any:
    rows = [np.sort(rng.choice(n, k, replace=False)).astype(np.int32) for _ in range(n)]
    return np.arange(n + 1) * k, np.concatenate(rows)


def numpy_in_degree(n: int, k: int, rng: np.random.Generator) -> Any:
    sources = np.concatenate([rng.choice(n, k, replace=False).astype(np.int32) for _ in range(n)])
    targets = np.repeat(np.arange(n, dtype=np.int32), k)
    order = np.argsort(sources, kind="stable")
    return np.searchsorted(sources[order], np.arange(n + 1)), targets[order]


def numpy_distance(n: int, k: int, rng: np.random.Generator) -> Any:
    x, rows = positions(n), []
    for i in range(n):
        distance2 = ((x - x[i]) ** 2).sum(1)
        rows.append(np.flatnonzero(rng.random(n) < 0.3 * np.exp(-distance2)).astype(np.int32))
    return np.cumsum([0] + [len(row) for row in rows]), np.concatenate(rows)


def positions(n: int) -> np.ndarray:
    """In a cube of side 1.6 lengths, where c = 0.3 connects about a tenth of all pairs."""
    return np.random.default_rng(0).uniform(0, 1.6, (n, 3))


NUMPY = {
    "FixedProbability": numpy_probability,
    "FixedInDegree": numpy_in_degree,
    "FixedOutDegree": numpy_out_degree,
    "DistanceDependent": numpy_distance,
}
NEST = {
    "FixedProbability": lambda k, n: {"rule": "pairwise_bernoulli", "p": k / n},
    "FixedInDegree": lambda k, n: {"rule": "fixed_indegree", "indegree": k, "allow_multapses": False},
    "FixedOutDegree": lambda k, n: {"rule": "fixed_outdegree", "outdegree": k, "allow_multapses": False},
}


def ours(what: str, n: int, k: int) -> int:
    x = positions(n)
    connector = {
        "FixedProbability": FixedProbability(k / n),
        "FixedInDegree": FixedInDegree(k),
        "FixedOutDegree": FixedOutDegree(k),
        "DistanceDependent": DistanceDependent(x, x, 0.3, 1.0),
    }[what]
    return len(connector.connect(n, n, np.random.default_rng(0))[1])


def plain_numpy(what: str, n: int, k: int) -> int:
    return len(NUMPY[what](n, k, np.random.default_rng(0))[1])


def nest_kernel(what: str, n: int, k: int) -> int:
    import nest  # pyright: ignore[reportMissingImports]

    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    cells = nest.Create("iaf_psc_exp", n)
    nest.Connect(cells, cells, NEST[what](k, n))
    return nest.num_connections


def measure(work: Callable[[str, int, int], int], what: str, n: int, k: int, answer: Any) -> None:
    """Send seconds, synapses and bytes at the peak, of the second of two runs."""
    work(what, min(n, 1000), min(k, 100))
    clear, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    if clear.exists():
        clear.write_text("5")  # the peak starts again from what is held now
    before = _held(status, "VmRSS")
    start = time.perf_counter()
    n_synapses = work(what, n, k)
    answer.send((time.perf_counter() - start, n_synapses, _held(status, "VmHWM") - before))


def _held(status: Path, what: str) -> float:
    if not status.exists():
        return float("nan")
    return next(float(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith(what))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--neurons", type=int, default=12_500)
    n = parser.parse_args().neurons
    k = round(SHARE * n)
    has_nest = importlib.util.find_spec("nest") is not None
    print(f"{n} neurons, about {k} synapses each; {platform.machine()}, Python {platform.python_version()}")
    print(f"{'':20}{'':8}{'synapses':>12}{'s':>8}{'GB':>8}{'bytes a synapse':>17}")
    processes = multiprocessing.get_context("spawn")
    for what in NUMPY:
        tools = {"neuro": ours, "NumPy": plain_numpy, "NEST": nest_kernel}
        for tool, work in tools.items():
            if tool == "NEST" and not (has_nest and what in NEST):
                continue
            receive, answer = processes.Pipe(duplex=False)
            process = processes.Process(target=measure, args=(work, what, n, k, answer))
            process.start()
            answer.close()
            seconds, n_synapses, peak = receive.recv()
            process.join()
            print(f"{what:20}{tool:8}{n_synapses:12}{seconds:8.2f}{peak / 1e9:8.3f}{peak / n_synapses:17.1f}")
    if not has_nest:
        print("NEST is not installed (pip install nest-simulator), so it is not compared.")


if __name__ == "__main__":
    main()
