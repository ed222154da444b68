"""When asynchronous updating wins over a clock: the cost of either against the mean rate of a network.

Neurons of two models, 4 of 5 excitatory, each with the same number of synapses on the average, connected at random
as in the network of Vogels & Abbott (doi:10.1523/JNEUROSCI.3508-05.2005), whose neurons and weights LIFExcInh has,
but for a rest below threshold, so that they are silent alone; LIFDelta has NEST's defaults and the weights of
Brunel (2000), with more inhibition. Every neuron gets a source of its own, whose Poisson spikes, at drive_K (Hz), make
it fire one by one; they are drawn beforehand, and both get the same. A clock pays for every neuron and step, and a
little for every spike; asynchronous updating for spikes alone.

Time is counted from `settle` on: what building and the first `settle` ms take is measured alone, and taken off; of
either the least of `repeats` runs. float32 stands for the dtype of the weights; asynchronous updating has one.

The record: models_M, ways_W; drive_K (Hz); rate_MWK (Hz) and events_MWK (synaptic events per neuron and second), of
the time after `settle`; wall_s [M, W, K], seconds for `duration` ms.

Axes: M model, W way to run, K strength of the drive.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from neuro import (
    Events,
    FixedProbability,
    Network,
    OneToOne,
    Population,
    Projection,
    Source,
    connect,
    make_events,
    vary,
)
from neuro import simulate as run_network
from neuro.neurons import lif_delta, lif_exc_inh
from neuro.record import Counts
from neuro.seeds import child
from neuro.units import choice, param
from simulations.cuba import WEIGHTS
from simulations.run import run_simulation

DELAY = 1.5  # ms


class Case(NamedTuple):
    """A model and its weights, in the unit of what arrives: of excitation, inhibition and the drive."""

    name: str
    model: Any
    weights: dict[str, float]
    drive: float


CUBA_AT_REST = vary(
    lif_exc_inh.VOGELS_ABBOTT_CUBA, source="chosen: a rest 10 mV below threshold, so that the drive sets the rate",
    v_rest=-60.0,
)  # fmt: skip
CASES = (
    Case("LIFExcInh", CUBA_AT_REST, WEIGHTS, 800.0),  # a drive of 800 pA lifts v by 12.6 mV
    Case("LIFDelta", lif_delta.NEST_DEFAULT, {"exc": 0.1, "inh": -0.6}, 16.0),  # threshold: 15 mV above rest
)
WAYS = (("clock, float64", "clock", np.float64), ("clock, float32", "clock", np.float32),
        ("asynchronous", "asynchronous", np.float64))  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """Networks of one size under drives of rising strength."""

    size: int = param("1", "number of neurons, 4 of 5 excitatory", default=4000, minimum=5)
    inputs: int = param("1", "mean number of synapses onto a neuron", default=80, minimum=0)
    slowest: float = param("Hz", "rate of the weakest drive", default=0.1, above=0)
    fastest: float = param("Hz", "rate of the strongest drive", default=160.0, above=0)
    n_drives: int = param("1", "number of drives, evenly spaced on a logarithmic axis", default=10, minimum=2)
    duration: float = param("ms", "time that is measured", default=1000.0, above=0)
    settle: float = param("ms", "time before it", default=100.0, above=0)
    repeats: int = param("1", "runs of which the fastest counts", default=3, minimum=1)
    dt: float = param("ms", "step of the clock", default=0.1, above=0)
    backend: str = choice("what runs the network", ("event",), default="event")
    seed: int = param("1", "of connections and drives", default=0, minimum=0)


def models(recipe: Recipe) -> tuple:
    return lif_exc_inh.VOGELS_ABBOTT_CUBA, lif_delta.NEST_DEFAULT


def simulate(recipe: Recipe) -> dict[str, np.ndarray]:
    """The arrays of the record."""
    if recipe.inputs > recipe.size:
        raise ValueError(f"{recipe.inputs} inputs of {recipe.size} neurons; give at most as many")
    drive_K = np.geomspace(recipe.slowest, recipe.fastest, recipe.n_drives)
    found = np.array([_measure(recipe, case, float(drive)) for case in CASES for drive in drive_K])
    rate_MWK, events_MWK, wall_s = found.reshape(len(CASES), len(drive_K), len(WAYS), 3).transpose(3, 0, 2, 1)
    return {
        "models_M": np.array([case.name for case in CASES]),
        "ways_W": np.array([name for name, _, _ in WAYS]),
        "drive_K": drive_K,
        "rate_MWK": rate_MWK,
        "events_MWK": events_MWK,
        "wall_s": wall_s,
    }


def build(recipe: Recipe, case: Case) -> tuple[Network, dict[str, Any]]:
    """A network and its weights."""
    n_exc = round(0.8 * recipe.size)
    sizes = {"exc": n_exc, "inh": recipe.size - n_exc}
    sources = tuple(Population(f"to_{name}", n, Source()) for name, n in sizes.items())
    populations = tuple(Population(name, n, case.model) for name, n in sizes.items())
    several = len(case.model.receptors) > 1
    connector = FixedProbability(recipe.inputs / recipe.size)
    driving = tuple(Projection(f"to_{name}", name, OneToOne()) for name in sizes)
    recurrent = tuple(
        Projection(pre, post, connector, delay=DELAY, receptor=pre if several else None)
        for pre in sizes
        for post in sizes
    )
    net = Network(sources + populations, driving + recurrent, recipe.dt)
    values = {p.name: case.drive for p in driving} | {p.name: case.weights[p.pre] for p in recurrent}
    return net, connect(net, values, recipe.seed)


def spikes_of(net: Network, drive: float, duration: float, seed: int) -> dict[str, Events]:
    """Poisson spikes of all sources, at `drive` (Hz) each."""
    inputs = {}
    for population in net.populations:
        if population.is_source:
            rng = child(seed, population.name, str(drive))
            n = rng.poisson(drive * population.size * duration / 1e3)
            inputs[population.name] = make_events(rng.uniform(0.0, duration, n), rng.integers(population.size, size=n))
    return inputs


def _measure(recipe: Recipe, case: Case, drive: float) -> list[tuple[float, float, float]]:
    """Rate (Hz), synaptic events (per neuron and second) and seconds of every way to run."""
    net, weights = build(recipe, case)
    inputs = spikes_of(net, drive, recipe.settle + recipe.duration, recipe.seed)
    per_second, found = 1e3 / (recipe.size * recipe.duration), []
    for _, update, dtype in WAYS:
        given = {name: w._replace(weights=w.weights.astype(dtype)) for name, w in weights.items()}
        run_network(net, given, inputs, duration=recipe.dt, update=update)  # compiles
        first, whole = (
            _fastest(recipe.repeats, net, given, inputs, duration, update)
            for duration in (recipe.settle, recipe.settle + recipe.duration)
        )
        spikes, events = whole.spikes - first.spikes, whole.synaptic_events - first.synaptic_events
        found.append((spikes * per_second, events * per_second, whole.wall_s - first.wall_s))
    return found


def _fastest(repeats: int, net: Network, weights: Any, inputs: Any, duration: float, update: str) -> Counts:
    runs = [run_network(net, weights, inputs, duration=duration, update=update).counts for _ in range(repeats)]
    return min(runs, key=lambda counts: counts.wall_s)


if __name__ == "__main__":
    print(run_simulation("update_cost", Recipe(), Path("runs")).path)
