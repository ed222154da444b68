"""Memory of the event backend over 10^9 synaptic events: Brunel's network, nothing recorded.

    python -m benchmarks.event_memory [--events 1e9] [--publish]

A thread reads the resident memory of the process every 50 ms. Activity is stationary, so that a share of the run's
seconds is the same share of its simulated time. Growth is from the largest value in the second half of the first
simulated second, when all is built, to the largest after it. Linux only.
"""

import argparse
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.networks import NETWORKS, SEED, RandomNetwork
from benchmarks.on_neuro import random_network
from benchmarks.published import show
from neuro import simulate
from neuro.runs import hardware, made_with, versions

FIRST, LEAST = 1000.0, 5000.0  # ms
PERIOD_S = 0.05
TARGET = 0.02


class Watch:
    """Resident bytes over time, read by a thread while the context lasts."""

    def __enter__(self) -> "Watch":
        self.seconds: list[float] = []
        self.resident: list[int] = []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._read)
        self.thread.start()
        return self

    def _read(self) -> None:
        while not self.stop.wait(PERIOD_S):
            lines = Path("/proc/self/status").read_text().splitlines()
            self.seconds.append(time.perf_counter())
            self.resident.append(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS")))

    def __exit__(self, *exception: Any) -> None:
        self.stop.set()
        self.thread.join()


def measure(n_events: float) -> dict[str, Any]:
    """Run until there were as many events within the network, and compare the memory before and after FIRST."""
    case = NETWORKS["brunel"]
    assert isinstance(case, RandomNetwork)
    arguments = random_network(case, FIRST)
    trial = simulate(**arguments, duration=FIRST, seed=SEED).counts  # compiles, and tells how many events a second has
    wanted = n_events / case.synaptic_events(trial.spikes, FIRST) * FIRST
    duration = round(max(LEAST, 1.05 * wanted))
    with Watch() as watch:
        start = time.perf_counter()
        counts = simulate(**arguments, duration=float(duration), seed=SEED).counts
        seconds = time.perf_counter() - start
    ms = [(second - start) / seconds * duration for second in watch.seconds]
    early = max(value for value, at in zip(watch.resident, ms, strict=True) if FIRST / 2 < at <= FIRST)
    late = max(value for value, at in zip(watch.resident, ms, strict=True) if at > FIRST)
    return {
        "neurons": case.size,
        "synapses": case.n_synapses,
        "duration_ms": duration,
        "synaptic_events_within": case.synaptic_events(counts.spikes, duration),
        "synaptic_events_with_drive": counts.synaptic_events,
        "seconds": seconds,
        "readings": len(watch.resident),
        "resident_first_second_MiB": early / 2**20,
        "resident_after_MiB": late / 2**20,
        "growth": late / early - 1.0,
        "target": TARGET,
        "hardware": hardware(),
        "versions": versions("python", "neuro", "numpy", "numba"),
    }


def markdown(found: dict[str, Any]) -> str:
    made = "\n".join(made_with(found))
    return f"""# Memory of the event backend over {found["synaptic_events_within"]:.3g} synaptic events

Brunel's network, {found["neurons"]:,} neurons and {found["synapses"]:,} synapses, {found["duration_ms"]:,} ms, float32,
one thread, nothing recorded: {found["synaptic_events_within"]:.4g} events within the network,
{found["synaptic_events_with_drive"]:.4g} with those of the background, in {found["seconds"]:.1f} s.

| resident memory | MiB |
| --- | --- |
| largest from 0.5 to 1 s of simulated time | {found["resident_first_second_MiB"]:.1f} |
| largest after it | {found["resident_after_MiB"]:.1f} |
| growth | {100 * found["growth"]:.3f} % (target: below {100 * found["target"]:g} %) |

{found["readings"]} readings.

{made}
Command: `python -m benchmarks.event_memory --publish`
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=float, default=1e9, help="synaptic events within the network")
    parser.add_argument("--publish", action="store_true", help="write docs/results/event_memory.{json,md}")
    options = parser.parse_args()
    found = measure(options.events)
    show(found, markdown(found), "event_memory" if options.publish else None)


if __name__ == "__main__":
    main()
