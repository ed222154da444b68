"""Fig. 3 from: Izhikevich (2003): 1000 neurons of many types, all connected to all, kept awake by noise.

doi:10.1109/TNN.2003.820440. 800 excitatory neurons lie between regular spiking and chattering, at r^2 of the way,
200 inhibitory ones between low-threshold spiking and fast spiking, at r; r is uniform in 0 to 1, one draw a neuron.
A spike adds 0.5 r (excitatory) or -r (inhibitory) mV to v of every neuron, one draw a synapse, and the thalamus adds
noise of standard deviation 5 or 2 mV in 1 ms. The paper speaks of rates around 8 Hz and of episodes of
synchronous firing in the alpha and gamma range (10 and 40 Hz). It calls the spike trains Poisson; in its own script,
too, intervals are more regular, with a CV of 0.4 to 0.6.

Beside it the paper's script, in NumPy, with the same neurons and weights. In each step of 1 ms, neurons above v_peak
are reset, and what they send is a current in this step, as is the noise; v takes two half steps, then u one, from the
new v. Deviations from it here: v and u take Euler steps of dt, and v is reset as soon as it reaches v_peak (in the
script it rises far beyond, which raises u); a spike is a jump of v, 1 ms after; the noise is white instead of constant
for 1 ms each. It consists of Poisson spikes, so many that their sum is nearly Gaussian, and a constant current that
takes their mean away. Together these make excitatory neurons fire some 20 % faster than in the script, inhibitory ones
40 %, and move the gamma peak from some 30 to some 38 Hz.

The record, of the time after `settle`, for both simulations: rate_MP (Hz); cv_MP of intervals; spectrum_MF
(Hz^2 / Hz) of the rate of all, at frequencies_F (Hz), and level_M, what it would be for independent Poisson processes;
strength_MB, the mean power in a band over this level, and peak_hz_MB, where it is largest in and around the band.
Of this simulator's: rate_PK (Hz, bins of times_K, ms); the last second of all spikes, raster_times (ms) and
raster_units (excitatory first), and v_TC (mV) after each step, which ends at times_T, of neurons cells_C, which fire
at cell_rate_C (Hz). names_M, names_B, bands_BE (Hz, lowest and highest), sizes_P, v_peak, published_rate (Hz).

Axes: M simulation (here, script), P population (excitatory, inhibitory), B band (alpha, gamma), K bin, F frequency,
T step, C cell (nearest to regular spiking, chattering, low-threshold spiking, fast spiking).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neuro import Dense, Network, PoissonDrive, Population, Projection, connect, make_events, vary
from neuro import simulate as run_network
from neuro import spike_statistics as statistics
from neuro.events import Events
from neuro.neurons.izhikevich import CHATTERING, FAST_SPIKING, LOW_THRESHOLD_SPIKING, REGULAR_SPIKING, Izhikevich
from neuro.record import Record
from neuro.seeds import child
from neuro.units import choice, param
from simulations.run import run_simulation

SIZES = {"exc": 800, "inh": 200}
STRONGEST = {"exc": 0.5, "inh": -1.0}  # mV, weights are uniform from 0 to this
NOISE = {"exc": 5.0, "inh": 2.0}  # mV, standard deviation of what the thalamus adds in 1 ms
EVENTS = 900.0  # Poisson spikes a neuron and ms; a skewness of 1/30 is left, which raises rates by 1 %
DELAY = 1.0  # ms
PUBLISHED_RATE = 8.0  # Hz, of all neurons ("around")

BIN = 1.0  # ms, of the rate
SEGMENT = 500.0  # ms, of the spectrum: frequencies 2 Hz apart
BANDS = {"alpha": (8.0, 12.0), "gamma": (30.0, 50.0)}  # Hz, around the paper's 10 and 40
PEAKS = {"alpha": (5.0, 15.0), "gamma": (20.0, 80.0)}  # Hz, where the peak is looked for
SHOWN = 1000.0  # ms at the end, with traces


@dataclass(frozen=True)
class Recipe:
    """The network, and the same without what its neurons send (coupling 0)."""

    coupling: float = param("1", "multiplies all weights; 0: neurons that hear the thalamus alone", default=1.0)
    duration: float = param("ms", "time simulated, settle included", default=10200.0, above=0)
    settle: float = param("ms", "time before statistics begin", default=200.0, minimum=0)
    dt: float = param("ms", "step", default=0.1, above=0, maximum=0.5)
    backend: str = choice("what runs the network", ("event",), default="event")
    seed: int = param("1", "of neurons, weights and noise", default=0, minimum=0)


class Drawn(NamedTuple):
    """What the seed decides: neurons without noise, and weights."""

    models: dict[str, Izhikevich]
    weights: dict[str, NDArray[np.float64]]


def models(recipe: Recipe) -> tuple:
    least = recipe.settle + max(SHOWN, SEGMENT)
    if recipe.duration < least:
        raise ValueError(f"duration {recipe.duration} ms is too short; give at least {least} ms")
    return REGULAR_SPIKING, CHATTERING, LOW_THRESHOLD_SPIKING, FAST_SPIKING


def simulate(recipe: Recipe) -> dict[str, np.ndarray]:
    """The arrays of the record."""
    models(recipe)
    drawn = draw(recipe)
    spikes, arrays = run(recipe, drawn)
    rows = [measure(recipe, events) for events in (spikes, script(recipe, drawn))]
    both = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    duration = recipe.duration - recipe.settle
    cut = [statistics.window(spikes[name], recipe.settle, recipe.duration) for name in SIZES]
    sizes = list(SIZES.values())
    rate_PK = np.stack([statistics.population_rate(c, n, BIN, duration) for c, n in zip(cut, sizes, strict=True)])
    return {
        "names_M": np.array(["here", "script"]),
        "names_B": np.array(list(BANDS)),
        "bands_BE": np.array(list(BANDS.values())),
        "sizes_P": np.array(sizes),
        "published_rate": np.array(PUBLISHED_RATE),
        "v_peak": np.array(REGULAR_SPIKING.v_peak),
        **both,
        "frequencies_F": np.fft.rfftfreq(round(SEGMENT / BIN), BIN / 1e3),
        "rate_PK": rate_PK,
        "times_K": np.arange(rate_PK.shape[1]) * BIN + recipe.settle,
        **arrays,
    }


def draw(recipe: Recipe) -> Drawn:
    """Neurons between two types each, and weights."""
    rng = child(recipe.seed, "neurons")
    r_exc, r_inh = rng.random(SIZES["exc"]) ** 2, rng.random(SIZES["inh"])
    cells = {
        "exc": between(REGULAR_SPIKING, CHATTERING, r_exc),
        "inh": between(LOW_THRESHOLD_SPIKING, FAST_SPIKING, r_inh),
    }
    values = {
        p.name: lambda rng, n, high=recipe.coupling * STRONGEST[p.pre]: high * rng.random(n) for p in projections()
    }
    net = Network(populations(cells), projections(), recipe.dt)
    return Drawn(cells, connect(net, values, recipe.seed))


def between(low: Izhikevich, high: Izhikevich, part_N: NDArray[np.float64]) -> Izhikevich:
    """A neuron for each part of the way from one set to the other."""
    ways = {name: (getattr(low, name), getattr(high, name)) for name in "abcd"}
    return vary(low, source="izhikevich2003", **{k: a + (b - a) * part_N for k, (a, b) in ways.items()})


def populations(cells: dict[str, Izhikevich]) -> tuple[Population, ...]:
    return tuple(Population(name, SIZES[name], model) for name, model in cells.items())


def projections() -> tuple[Projection, ...]:
    return tuple(Projection(pre, post, Dense(), delay=DELAY) for pre in SIZES for post in SIZES)


def run(recipe: Recipe, drawn: Drawn) -> tuple[dict[str, Events], dict[str, np.ndarray]]:
    """All spikes, and what is shown of the end."""
    net, common = network(recipe, drawn), {"backend": recipe.backend, "seed": recipe.seed}
    spikes, potentials = tuple(f"{name}.spikes" for name in SIZES), tuple(f"{name}.v" for name in SIZES)
    before = run_network(net, drawn.weights, {}, duration=recipe.duration - SHOWN, record=spikes, **common)
    end = run_network(net, drawn.weights, {}, duration=SHOWN, record=spikes + potentials, resume=before.final, **common)
    whole = {name: joined(before.spikes[name], end.spikes[name]) for name in SIZES}
    return whole, shown(recipe, drawn, whole, end)


def network(recipe: Recipe, drawn: Drawn) -> Network:
    """The neurons with their noise: spikes of one size, and a current that takes their mean away."""
    jump = {name: deviation / np.sqrt(EVENTS) for name, deviation in NOISE.items()}
    noisy = {
        name: vary(model, source="izhikevich2003", i_ext=-EVENTS * jump[name]) for name, model in drawn.models.items()
    }
    drives = tuple(PoissonDrive(name, 1e3 * EVENTS, jump[name]) for name in SIZES)
    return Network(populations(noisy), projections(), recipe.dt, drives)


def joined(first: Events, then: Events) -> Events:
    """Events of one sample, and those that follow."""
    return make_events(np.concatenate([first.times, then.times]), np.concatenate([first.units, then.units]))


def shown(recipe: Recipe, drawn: Drawn, whole: dict[str, Events], end: Record) -> dict[str, np.ndarray]:
    """Spikes of the last second, and the traces of four neurons."""
    sizes, start = list(SIZES.values()), recipe.duration - SHOWN
    part, rest = (
        statistics.merge([statistics.window(whole[name], begin, recipe.duration) for name in SIZES], sizes)
        for begin in (start, recipe.settle)
    )
    of_exc, of_inh = (drawn.models[name] for name in SIZES)
    cells = {"exc": [np.argmin(of_exc.c), np.argmax(of_exc.c)], "inh": [np.argmin(of_inh.a), np.argmax(of_inh.a)]}
    cells_C = np.concatenate([cells["exc"], np.add(cells["inh"], SIZES["exc"])])
    v_TC = np.concatenate([np.asarray(end.traces[f"{name}.v"])[:, 0, cells[name]] for name in SIZES], axis=1)
    return {
        "raster_times": part.times + start,
        "raster_units": part.units,
        "cells_C": cells_C,
        "cell_rate_C": np.bincount(rest.units, minlength=sum(sizes))[cells_C] / (recipe.duration - recipe.settle) * 1e3,
        "v_TC": v_TC,
        "times_T": start + recipe.dt * np.arange(1, len(v_TC) + 1),
    }


def script(recipe: Recipe, drawn: Drawn) -> dict[str, Events]:
    """Spikes of the publication's algorithm; one that is found in step t of 1 ms is stamped t ms."""
    a, b, c, d = (np.concatenate([getattr(model, name) for model in drawn.models.values()]) for name in "abcd")
    w_JI = np.block([[drawn.weights[f"{pre}->{post}"] for pre in SIZES] for post in SIZES])
    noise = np.repeat(list(NOISE.values()), list(SIZES.values()))
    rng = child(recipe.seed, "script")
    v = np.full(len(b), -65.0)
    u = b * v
    fired_T = []
    for _ in range(round(recipe.duration)):
        fired = np.flatnonzero(v >= REGULAR_SPIKING.v_peak)
        fired_T.append(fired)
        v[fired] = c[fired]
        u[fired] += d[fired]
        current = noise * rng.standard_normal(len(v)) + w_JI[:, fired].sum(axis=1)
        for _ in range(2):
            v += 0.5 * (0.04 * v * v + 5.0 * v + 140.0 - u + current)
        u += a * (b * v - u)
    times = np.repeat(np.arange(len(fired_T)), [len(fired) for fired in fired_T])
    units = np.concatenate(fired_T)
    exc = units < SIZES["exc"]
    return {
        "exc": make_events(times[exc], units[exc]),
        "inh": make_events(times[~exc], units[~exc] - SIZES["exc"]),
    }


def measure(recipe: Recipe, spikes: dict[str, Events]) -> dict[str, Any]:
    """One simulation's part of the arrays."""
    duration, size = recipe.duration - recipe.settle, sum(SIZES.values())
    cut = {name: statistics.window(spikes[name], recipe.settle, recipe.duration) for name in SIZES}
    rate_K = statistics.population_rate(statistics.merge(list(cut.values()), list(SIZES.values())), size, BIN, duration)
    frequencies_F, spectrum_F = statistics.spectrum(rate_K, BIN, SEGMENT)
    level = 2.0 * rate_K.mean() / size
    within = [(frequencies_F >= low) & (frequencies_F <= high) for low, high in BANDS.values()]
    around = [
        np.where((frequencies_F >= low) & (frequencies_F <= high), spectrum_F, 0.0) for low, high in PEAKS.values()
    ]
    return {
        "rate_MP": [statistics.mean_rate(cut[name], n, duration) for name, n in SIZES.items()],
        "cv_MP": [statistics.interval_cv(cut[name], n) for name, n in SIZES.items()],
        "spectrum_MF": spectrum_F,
        "level_M": level,
        "strength_MB": [spectrum_F[band].mean() / level for band in within],
        "peak_hz_MB": [statistics.peak(frequencies_F, power_F)[0] for power_F in around],
    }


if __name__ == "__main__":
    print(run_simulation("izhikevich_network", Recipe(), Path("runs")).path)
