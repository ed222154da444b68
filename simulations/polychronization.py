"""From: Izhikevich (2006): delays and STDP turn a network's rhythms into polychronous groups.

doi:10.1162/089976606775093882. 800 regular spiking and 200 fast spiking neurons send 100 synapses each to neurons
chosen at random; inhibitory ones to excitatory neurons alone. Excitatory delays are 1 to 20 ms, five synapses of a
neuron for each, inhibitory ones 1 ms. Excitatory weights begin at 6 mV and learn, up to 10 mV; inhibitory ones stay at
-5 mV. In every ms one neuron, chosen at random, gets 20 mV from the thalamus. The paper tells of sleep-like
oscillations (delta) in the first seconds, of gamma rhythms (40 Hz) later, and of groups of neurons that fire in an
order of their own (polychronous_groups.py searches for them). With its program in MATLAB the author found 1973 groups
after 18,000 s, and 211 once the synapses among excitatory neurons were shuffled (https://modeldb.science/115968).

dt is 1 ms, and neurons are stepped as in the program. Deviations: traces decay with 20 ms (there by 0.95 a ms, which
is 19.5 ms), and a spike that arrives in the very ms in which its target fires potentiates (there it also depresses,
by more). The second makes rates rise earlier. The network is known to depend on such details (pauli2018).

The record: for each time times_K (ms): of the time since the one before, rate_KP (Hz), spectrum_KF (Hz^2 / Hz) of the
rate of all at frequencies_F (Hz), level_K, what it would be for independent Poisson processes, and peak_hz_KB and
strength_KB, where it is largest in a band, and how much there, over this level; counts_KW of excitatory weights between
edges (mV), weak_K and strong_K, parts of them below 0.05 and above 0.95 of the largest. Spikes of one second each,
raster_times (ms), raster_units (excitatory first), raster_of (which), from raster_starts on. Groups at the end:
counts_L, for weights as learned and shuffled; paths_G, sizes_G and durations_G (ms) of those learned; published_L. One
group, of the median size: group_units, group_times (ms), group_layers, its first three being the anchors, and
group_links: rows of spike, arrival (ms), spike.

Axes: K time, P population (excitatory, inhibitory), F frequency, B band (delta, gamma), W bin of weights, L weights
(learned, shuffled), G group.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neuro import FromArrays, Network, OneToOne, Population, Projection, Source, Synapses, connect, make_events
from neuro import simulate as run_network
from neuro import spike_statistics as statistics
from neuro.events import Events
from neuro.neurons.izhikevich_half_steps import FAST_SPIKING, REGULAR_SPIKING
from neuro.plasticity.modulated_stdp import POLYCHRONIZATION
from neuro.record import Record
from neuro.seeds import child
from neuro.units import choice, param, steps
from simulations import polychronous_groups as polychronous
from simulations.run import run_simulation

SIZES = {"exc": 800, "inh": 200}
N_SYNAPSES, LONGEST_DELAY = 100, 20  # of each neuron; ms
THALAMUS, W_EXC, W_INH, W_MAX = 20.0, 6.0, -5.0, POLYCHRONIZATION.w_max  # mV
DT = 1.0  # ms
PUBLISHED = 1973, 211  # groups

BINS = 50  # of weights
SEGMENT, HIGHEST = 1000.0, 100.0  # ms, Hz, of spectra
BANDS = {"delta": (2.0, 5.0), "gamma": (20.0, 70.0)}  # Hz
WEAK = 0.05  # of the largest weight
SHOWN = 1000.0  # ms


@dataclass(frozen=True)
class Recipe:
    """The network, and the search for groups at the end."""

    duration: float = param("ms", "time simulated, a multiple of `every`", default=1_800_000.0, above=0)
    every: float = param("ms", "between two looks at rates, spectra and weights", default=10_000.0, minimum=2 * SEGMENT)
    mothers: int = param(
        "1", "excitatory neurons, of 800, at which groups may begin", default=800, minimum=1, maximum=800
    )
    backend: str = choice("what runs the network", ("event",), default="event")
    seed: int = param("1", "of connectivity, thalamus and shuffling", default=0, minimum=0)


class Wiring(NamedTuple):
    """Targets and delays (ms) of all neurons [N, N_SYNAPSES]; excitatory neurons come first."""

    targets: NDArray[np.int64]
    delays: NDArray[np.int64]


def models(recipe: Recipe) -> tuple:
    steps(recipe.duration, recipe.every, "duration")
    steps(recipe.every, SEGMENT, "every")
    return REGULAR_SPIKING, FAST_SPIKING, POLYCHRONIZATION


def simulate(recipe: Recipe) -> dict[str, np.ndarray]:
    """The arrays of the record."""
    models(recipe)
    looks, rasters, weights = run(recipe)
    raster_times, raster_units, raster_of = (np.concatenate(parts) for parts in zip(*rasters, strict=True))
    return {
        "times_K": np.arange(1, len(looks) + 1) * recipe.every,
        "frequencies_F": np.arange(1, round(HIGHEST * SEGMENT / 1e3) + 1) * 1e3 / SEGMENT,
        "bands_BE": np.array(list(BANDS.values())),
        "edges": np.linspace(0.0, W_MAX, BINS + 1),
        "sizes_P": np.array(list(SIZES.values())),
        **{name: np.array([look[name] for look in looks]) for name in looks[0]},
        "raster_times": raster_times,
        "raster_units": raster_units,
        "raster_of": raster_of,
        "raster_starts": np.array(raster_starts(recipe)),
        **groups(recipe, weights),
    }


def run(recipe: Recipe) -> tuple[list[dict[str, Any]], list[tuple], dict[str, Synapses]]:
    """What `measure` says at each look, times, units and number of the rasters, and the weights at the end."""
    net, weights = network(recipe)
    looks, rasters, state = [], [], None
    for k in range(steps(recipe.duration, recipe.every, "duration")):
        begin, end = k * recipe.every, (k + 1) * recipe.every
        record = run_network(
            net, weights, thalamus(recipe, begin, end), duration=recipe.every, backend=recipe.backend, plastic=True,
            record=tuple(f"{name}.spikes" for name in SIZES), resume=state,
        )  # fmt: skip
        state, weights = record.final, record.weights
        looks.append(measure(record, begin, end))
        spikes = statistics.merge([record.spikes[name] for name in SIZES], list(SIZES.values()))
        for r, start in enumerate(raster_starts(recipe)):
            if begin <= start < end:
                cut = statistics.window(spikes, start, start + SHOWN)
                rasters.append((cut.times + start, cut.units, np.full(len(cut.units), r)))
    return looks, rasters, weights


def raster_starts(recipe: Recipe) -> tuple[float, float, float]:
    """At the start, after a tenth of the looks, and at the end."""
    tenth = recipe.duration / recipe.every // 10 * recipe.every
    return 0.0, tenth, recipe.duration - SHOWN


def network(recipe: Recipe) -> tuple[Network, dict[str, Any]]:
    """The network with its weights and delays; the thalamus is one source for each neuron."""
    wiring, delays, pairs = draw(recipe), {}, {}
    size, n_exc = sum(SIZES.values()), SIZES["exc"]
    sources, targets = np.repeat(np.arange(size), N_SYNAPSES), wiring.targets.ravel()
    for pre in SIZES:
        for post in SIZES:
            chosen = ((sources < n_exc) == (pre == "exc")) & ((targets < n_exc) == (post == "exc"))
            if chosen.any():
                name, shift = f"{pre}->{post}", {"exc": 0, "inh": n_exc}
                pairs[name] = FromArrays(sources[chosen] - shift[pre], targets[chosen] - shift[post])
                delays[name] = wiring.delays.ravel()[chosen].astype(float)
    cells = {"exc": REGULAR_SPIKING, "inh": FAST_SPIKING}
    net = Network(
        (
            *(Population(f"thalamus_{name}", n, Source()) for name, n in SIZES.items()),
            *(Population(name, n, cells[name]) for name, n in SIZES.items()),
        ),
        (
            *(Projection(f"thalamus_{name}", name, OneToOne()) for name in SIZES),
            Projection("exc", "exc", pairs["exc->exc"], delay=DT, rule=POLYCHRONIZATION),
            Projection("exc", "inh", pairs["exc->inh"], delay=DT, rule=POLYCHRONIZATION),
            Projection("inh", "exc", pairs["inh->exc"], delay=DT),
        ),
        DT,
    )
    values = {f"thalamus_{name}->{name}": THALAMUS for name in SIZES}
    values |= {"exc->exc": W_EXC, "exc->inh": W_EXC, "inh->exc": W_INH}
    return net, connect(net, values, recipe.seed, delays)


def draw(recipe: Recipe) -> Wiring:
    """Each neuron chooses its targets, none twice and not itself, and gives its delays out in turn."""
    rng, size, n_exc = child(recipe.seed, "wiring"), sum(SIZES.values()), SIZES["exc"]
    targets = np.empty((size, N_SYNAPSES), np.int64)
    for i in range(size):
        others = np.delete(np.arange(size), i) if i < n_exc else np.arange(n_exc)
        targets[i] = rng.choice(others, N_SYNAPSES, replace=False)
    delays = np.ones((size, N_SYNAPSES), np.int64)
    delays[:n_exc] = 1 + np.arange(N_SYNAPSES) * LONGEST_DELAY // N_SYNAPSES
    return Wiring(targets, delays)


def thalamus(recipe: Recipe, begin: float, end: float) -> dict[str, Events]:
    """One neuron in every ms from begin to end."""
    times = np.arange(begin, end, DT)
    units = child(recipe.seed, f"thalamus {begin:.0f}").integers(0, sum(SIZES.values()), len(times))
    is_exc = units < SIZES["exc"]
    return {
        "thalamus_exc": make_events(times[is_exc], units[is_exc]),
        "thalamus_inh": make_events(times[~is_exc], units[~is_exc] - SIZES["exc"]),
    }


def measure(record: Record, begin: float, end: float) -> dict[str, Any]:
    """One look's part of the arrays."""
    cut, sizes = [statistics.window(record.spikes[name], begin, end) for name in SIZES], list(SIZES.values())
    rate_T = statistics.population_rate(statistics.merge(cut, sizes), sum(sizes), DT, end - begin)
    frequencies_F, spectrum_F = statistics.spectrum(rate_T, DT, SEGMENT)
    level = 2.0 * rate_T.mean() / sum(sizes)
    within = [
        np.where((frequencies_F >= low) & (frequencies_F <= high), spectrum_F, 0.0) for low, high in BANDS.values()
    ]
    peaks = [statistics.peak(frequencies_F, band_F) for band_F in within]
    w = np.concatenate([record.weights[name].weights for name in ("exc->exc", "exc->inh")])
    return {
        "rate_KP": [statistics.mean_rate(spikes, n, end - begin) for spikes, n in zip(cut, sizes, strict=True)],
        "spectrum_KF": spectrum_F[(frequencies_F > 0) & (frequencies_F <= HIGHEST)],
        "level_K": level,
        "peak_hz_KB": [frequency for frequency, _ in peaks],
        "strength_KB": [power / level for _, power in peaks],
        "counts_KW": np.histogram(w, BINS, (0.0, W_MAX))[0],
        "weak_K": np.mean(w < WEAK * W_MAX),
        "strong_K": np.mean(w > polychronous.STRONG * W_MAX),
    }


def groups(recipe: Recipe, weights: dict[str, Synapses]) -> dict[str, np.ndarray]:
    """Groups with the weights as they are, and with those among excitatory neurons shuffled."""
    among = weights["exc->exc"]
    shuffled = child(recipe.seed, "shuffled").permutation(among.weights)
    graphs = [graph(weights | {"exc->exc": among._replace(weights=w)}) for w in (among.weights, shuffled)]
    cells = REGULAR_SPIKING, FAST_SPIKING
    learned, by_chance = (polychronous.search(each, *cells, recipe.mothers) for each in graphs)
    arrays = {
        "counts_L": np.array([len(learned.sizes), len(by_chance.sizes)]),
        "published_L": np.array(PUBLISHED),
        "paths_G": learned.paths,
        "sizes_G": learned.sizes,
        "durations_G": learned.durations,
    }
    if not len(learned.sizes):
        return arrays
    typical = int(np.argsort(learned.sizes, kind="stable")[len(learned.sizes) // 2])
    spikes = polychronous.replay(graphs[0], *cells, learned, typical)
    shown = {f"group_{name}": values for name, values in spikes._asdict().items()}
    return arrays | shown | {"group_links": polychronous.links(graphs[0], spikes)}


def graph(weights: dict[str, Synapses]) -> polychronous.Graph:
    """All neurons in one, with the synapses that the search looks at."""
    shift, parts = {"exc": 0, "inh": SIZES["exc"]}, []
    for name in ("exc->exc", "exc->inh", "inh->exc"):
        (pre, post), synapses = name.split("->"), weights[name]
        delays = np.ones(len(synapses.targets)) if synapses.delays is None else synapses.delays
        parts.append((synapses.sources + shift[pre], synapses.targets + shift[post], delays, synapses.weights))
    sources, targets, delays, values = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    order = np.argsort(sources, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(sources, minlength=sum(SIZES.values())))])
    ordered = targets[order].astype(np.int64), delays[order].astype(np.int64), values[order].astype(float)
    return polychronous.strong_part(polychronous.Graph(offsets, *ordered, SIZES["exc"]), W_MAX)


if __name__ == "__main__":
    print(run_simulation("polychronization", Recipe(), Path("runs")).path)
