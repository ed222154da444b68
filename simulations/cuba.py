"""Benchmark 2 from: Brette et al. (2007), after Vogels & Abbott (2005): a network kept alive by itself (CUBA).

doi:10.1007/s10827-007-0038-6, doi:10.1523/JNEUROSCI.3508-05.2005. 4 of 5 neurons are excitatory; each pair is
connected with probability 0.02, through exponential currents. Alone, a neuron would fire on: its rest lies
1 mV above its threshold. Equations, weights and initial potentials are those of brian2's examples/CUBA.py
(1.62 and -9 mV, here over r_m); NEST's cuba.py has inhibition of -139.5 pA instead of -90.

The record, of the time after `settle`: rate_P (Hz); cv_P of intervals; correlation (counts in 5 ms); reference_P,
the lowest and highest rate (Hz) of brian2's own script; alive_until (ms), the last spike; rate_PK (Hz, bins of
times_K, ms); spikes of 50 neurons, 4 of 5 excitatory: raster_times, raster_units; sizes_P.

Axes: P population (excitatory, inhibitory), K bin.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neuro import FixedProbability, Network, Population, Projection, connect
from neuro import simulate as run_network
from neuro import spike_statistics as statistics
from neuro.backends import UPDATES
from neuro.neurons import lif_exc_inh
from neuro.neurons.lif_conductance import LIFConductance
from neuro.neurons.lif_exc_inh import LIFExcInh
from neuro.record import Record
from neuro.seeds import child
from neuro.units import choice, param
from simulations.run import run_simulation

NEURON = lif_exc_inh.VOGELS_ABBOTT_CUBA
WEIGHTS = {"exc": 16.2, "inh": -90.0}  # pA: 0.27 nS at a driving force of 60 mV, 4.5 nS at -20 mV
REFERENCE = (5.46, 5.73)  # Hz; examples/CUBA.py in brian2 2.9, all neurons, 200 to 1000 ms, three seeds

BIN = 1.0  # ms, of the populations' rates
COUNT_BIN = 5.0  # ms, of the correlation
N_PAIRED = 1000  # neurons whose pairs are correlated
N_DRAWN = {"exc": 40, "inh": 10}


@dataclass(frozen=True)
class Recipe:
    """The network at any size; a smaller one with a higher probability keeps the number of inputs."""

    size: int = param("1", "number of neurons, 4 of 5 excitatory", default=4000, minimum=5)
    probability: float = param("1", "that a pair is connected", default=0.02, minimum=0, maximum=1)
    duration: float = param("ms", "time simulated, settle included", default=1200.0, above=0)
    settle: float = param("ms", "time before statistics begin", default=200.0, minimum=0)
    dt: float = param("ms", "step, and delay of all synapses", default=0.1, above=0)
    backend: str = choice("what runs the network", ("event", "torch_dense", "brian"), default="event")
    update: str = choice("how time passes on the event backend", tuple(UPDATES), default="clock")
    threads: int = param("1", "threads of the event backend; the results are the same", default=1, minimum=1)
    seed: int = param("1", "of connections and of what neurons start from", default=0, minimum=0)


# Field of the state -> its initial values, from a generator and a number of neurons.
Start = dict[str, Callable[[np.random.Generator, int], NDArray]]
START: Start = {"v": lambda rng, n: rng.uniform(NEURON.v_reset, NEURON.v_th, n)}


def models(recipe: Recipe) -> tuple:
    return (NEURON,)


def simulate(recipe: Recipe) -> dict[str, np.ndarray]:
    """The arrays of the record."""
    return measure(recipe, run(recipe, NEURON, WEIGHTS, START), REFERENCE)


def run(recipe: Recipe, model: LIFExcInh | LIFConductance, values: dict[str, float], start: Start) -> Record:
    """Excitatory and inhibitory neurons of one model, each connected to all; coba.py runs it too."""
    if recipe.settle >= recipe.duration:
        raise ValueError(f"duration {recipe.duration} ms is too short; give more than settle, {recipe.settle} ms")
    n_exc = round(0.8 * recipe.size)
    populations = Population("exc", n_exc, model), Population("inh", recipe.size - n_exc, model)
    projections = tuple(
        Projection(pre, post, FixedProbability(recipe.probability), delay=recipe.dt, receptor=pre)
        for pre in values
        for post in values
    )
    net = Network(populations, projections, recipe.dt)
    rng = child(recipe.seed, "start")
    initial = {f"{p.name}.{field}": draw(rng, p.size) for p in populations for field, draw in start.items()}
    return run_network(
        net,
        connect(net, {p.name: values[p.pre] for p in projections}, recipe.seed),
        {},
        duration=recipe.duration,
        backend=recipe.backend,
        update=recipe.update,
        threads=recipe.threads,
        record=("exc.spikes", "inh.spikes"),
        initial=initial,
    )


def measure(recipe: Recipe, record: Record, reference: tuple[float, float]) -> dict[str, np.ndarray]:
    """The arrays of the record."""
    n_exc, duration = round(0.8 * recipe.size), recipe.duration - recipe.settle
    sizes_P = [n_exc, recipe.size - n_exc]
    spikes_P = [statistics.window(record.spikes[p], recipe.settle, recipe.duration) for p in ("exc", "inh")]
    populations = list(zip(spikes_P, sizes_P, strict=True))
    rate_PK = np.stack([statistics.population_rate(spikes, n, BIN, duration) for spikes, n in populations])
    counts_NK = statistics.counts(spikes_P[0], min(N_PAIRED, n_exc), COUNT_BIN, duration)
    shown = [spikes.units < n for spikes, n in zip(spikes_P, N_DRAWN.values(), strict=True)]
    whole = [record.spikes[p].times[-1:] for p in ("exc", "inh")]
    return {
        "rate_P": np.array([statistics.mean_rate(spikes, n, duration) for spikes, n in populations]),
        "cv_P": np.array([statistics.interval_cv(spikes, n) for spikes, n in populations]),
        "correlation": np.array(statistics.correlation(counts_NK)),
        "reference_P": np.array(reference),
        "alive_until": np.array(max([0.0, *np.concatenate(whole)])),
        "rate_PK": rate_PK,
        "times_K": np.arange(rate_PK.shape[1]) * BIN + recipe.settle,
        "raster_times": np.concatenate([s.times[m] for s, m in zip(spikes_P, shown, strict=True)]) + recipe.settle,
        "raster_units": np.concatenate([spikes_P[0].units[shown[0]], spikes_P[1].units[shown[1]] + N_DRAWN["exc"]]),
        "sizes_P": np.array(sizes_P),
    }


if __name__ == "__main__":
    print(run_simulation("cuba", Recipe(), Path("runs")).path)
