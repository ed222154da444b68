"""The chaotic part of agreement.py: networks whose single spikes depend on rounding, compared by statistics.

CUBA and COBA of networks.py, and the four regimes of Brunel's network at a scale of 0.4 (simulations/brunel.py).
Each simulator draws connections, start and background for itself, from a seed of its own: nothing is shared but the
distributions. So the means over seeds differ by no more than their standard errors tell.

COBA may fall silent, mostly within some 30 ms of its start. Runs that do are left out, and further seeds take their
place, alike in all simulators; and how often it happens soon is compared over more seeds, in short runs.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.networks import BRUNEL, COBA, CUBA, RandomNetwork
from neuro import spike_statistics as statistics
from neuro.events import Events
from neuro.seeds import child
from simulations import brunel, cuba

SCALE = 0.4  # of Brunel's network: 5,000 neurons with 500 inputs each
SETTLE, DURATION = 200.0, 1200.0  # ms; statistics are taken between
SURVIVAL_DURATION = 100.0  # ms
SILENCE = 50.0  # ms without a spike at the end of a run that has fallen silent


class Case(NamedTuple):
    """count_bin: of the correlation, ms. has_peak: whether the spectrum of the population's rate is of interest."""

    network: RandomNetwork
    count_bin: float
    has_peak: bool = False


def _brunel(regime: brunel.Regime) -> Case:
    j = brunel.J / SCALE
    network = BRUNEL._replace(
        n_exc=round(brunel.N_EXC * SCALE),
        n_inh=round(brunel.N_INH * SCALE),
        k_exc=round(brunel.C_EXC * SCALE),
        k_inh=round(brunel.C_INH * SCALE),
        w_exc=j,
        w_inh=-regime.g * j,
        drive_rate=1000.0 * brunel.external_rate(regime.eta, j),
        drive_weight=j,
    )
    return Case(network, brunel.COUNT_BIN, has_peak=True)


CASES = {"cuba": Case(CUBA, cuba.COUNT_BIN), "coba": Case(COBA, cuba.COUNT_BIN)} | {
    f"brunel {name}": _brunel(regime) for name, regime in brunel.REGIMES.items()
}


def started(case: RandomNetwork, simulator: str, seed: int) -> RandomNetwork:
    """The network with a start drawn for this simulator and seed."""
    rng = child(seed, simulator, "start")
    drawn = {name: draw(rng, case.size) for name, draw in case.start.items()}
    return case._replace(start={name: lambda _rng, _n, values=values: values for name, values in drawn.items()})


def run_neuro(case: RandomNetwork, duration: float, seed: int) -> Events:
    """The spikes of a network on the event backend, in float64."""
    from benchmarks.on_neuro import random_network
    from neuro import connect, simulate

    arguments = random_network(case, duration)
    jumps = {"exc": case.w_exc, "inh": case.w_inh}
    values = {projection.name: jumps[projection.pre] for projection in arguments["net"].projections}
    arguments["weights"] = connect(arguments["net"], values, seed)
    record = simulate(**arguments, duration=duration, record=("exc.spikes", "inh.spikes"), seed=seed)
    return statistics.merge([record.spikes["exc"], record.spikes["inh"]], [case.n_exc, case.n_inh])


def _run_nest(case: RandomNetwork, duration: float, seed: int) -> Events:
    from benchmarks.agreement_nest import run_nest

    return run_nest(case, duration, seed)


def _run_brian2(case: RandomNetwork, duration: float, seed: int) -> Events:
    from benchmarks.agreement_brian2 import run_brian2

    return run_brian2(case, duration, seed)


# Each imports its simulator when it is first called.
SIMULATORS: dict[str, Callable[[RandomNetwork, float, int], Events]] = {
    "neuro": run_neuro,
    "nest": _run_nest,
    "brian2": _run_brian2,
}


def run(name: str, simulator: str, seed: int, duration: float) -> Events:
    return SIMULATORS[simulator](started(CASES[name].network, simulator, seed), duration, seed)


def is_alive(spikes: Events, duration: float) -> bool:
    return bool(len(spikes.times)) and bool(spikes.times[-1] > duration - SILENCE)


def survives(name: str, simulator: str, seed: int) -> dict[str, Any]:
    """A row of a short run: whether the network has fallen silent."""
    return {"alive": is_alive(run(name, simulator, seed, SURVIVAL_DURATION), SURVIVAL_DURATION)}


def measure(name: str, simulator: str, seed: int) -> dict[str, Any]:
    """A row of a run; of one that has fallen silent no more than that."""
    spikes = run(name, simulator, seed, DURATION)
    if not is_alive(spikes, DURATION):
        return {"alive": False}
    case, size, duration = CASES[name], CASES[name].network.size, DURATION - SETTLE
    spikes = statistics.window(spikes, SETTLE, DURATION)
    rate_hz = statistics.mean_rate(spikes, size, duration)
    counts_NK = statistics.counts(spikes, min(brunel.N_PAIRED, size), case.count_bin, duration)
    row = {
        "alive": True,
        "rate_hz": rate_hz,
        "cv": statistics.interval_cv(spikes, size),
        "correlation": statistics.correlation(counts_NK),
    }
    if case.has_peak:
        rate_K = statistics.population_rate(spikes, size, brunel.BIN, duration)
        frequencies_F, power_F = statistics.spectrum(rate_K, brunel.BIN, brunel.SEGMENT)
        row["peak_hz"], power = statistics.peak(frequencies_F, power_F, brunel.LOWEST)
        row["peak_strength"] = power / (2.0 * rate_hz)
    return row
