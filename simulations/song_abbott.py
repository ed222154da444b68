"""Fig. 2 from: Song, Miller & Abbott (2000): additive STDP divides synapses into weak and strong ones.

doi:10.1038/78829. One conductance neuron has 1000 plastic excitatory synapses, from independent Poisson processes of
one rate, and 200 fixed inhibitory ones of 10 Hz; in units of its leak a synapse has at most g_max = 0.015, an
inhibitory one 0.05. Depression outweighs potentiation (A- tau- = 1.05 A+ tau+), so a synapse grows only if its spikes
take part in firing the neuron. All begin at w_start g_max, and the neuron as a fast clock. Then they weaken until

    balance = (leak + inhibitory current) / excitatory current,    mean conductances, v held at the threshold

has risen to a little more than 1. From there on only fluctuations make the neuron fire, irregularly, and synapses win
or lose against each other until most lie at one of their bounds. That happens at any rate of the inputs: STDP
regulates the rate of the output.

Spikes of one step count as causal here, pairs of which a continuous time has none. In steps of 0.1 ms this takes a
tenth of the 5 % by which depression is stronger, and makes the output 2 to 5 Hz faster; so a_minus is larger by
exp(dt / tau-), which gives potentiation and depression their published ratio, and rates that do not depend on dt. The
inhibitory synapses are one Poisson process of their summed rate, which is the same.

The record: rates_R (Hz), of each input; weights_RMI (fractions of g_max) at times_M (ms), the first at the start;
output_RK (Hz) and cv_RK of intervals, in the time before each of times_K (ms); balance_RM; of the last half:
output_R, cv_R, and the mean balance_R; at the end: weak_R and strong_R, the parts of synapses up to 0.2 and from 0.8
on; frozen_R (Hz), the output without plasticity, if the weights stay as learned at the first rate;
published_output_R, published_cv_R, published_balance_R, published_strong_R, read off Fig. 2c and d (NaN where they
show none).

Axes: R rate of inputs, M moment, K bin of time, I synapse.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neuro import Dense, Network, PoissonDrive, Population, Projection, vary
from neuro import simulate as run_network
from neuro import spike_statistics as statistics
from neuro.events import Events
from neuro.network import PoissonSource
from neuro.neurons.lif_conductance import LIFConductance
from neuro.plasticity.stdp import SONG_ABBOTT
from neuro.record import Record
from neuro.units import choice, decay, param, steps
from simulations.run import run_simulation

G_LEAK = 10.0  # nS, the paper's 100 MOhm; only ratios to it matter
NEURON = LIFConductance(
    c_m=20.0 * G_LEAK, g_leak=G_LEAK, tau_exc=5.0, tau_inh=5.0, e_exc=0.0, e_inh=-70.0, v_rest=-70.0, v_th=-54.0,
    v_reset=-60.0, t_ref=0.0, i_ext=0.0, source="song2000",
)  # fmt: skip
N_EXC, G_MAX = 1000, 0.015 * G_LEAK  # nS
N_INH, RATE_INH, G_INH = 200, 10.0, 0.05 * G_LEAK  # Hz, nS
RULE = vary(SONG_ABBOTT, source="song2000", w_max=G_MAX)
A_RATIO = RULE.a_minus / RULE.a_plus

WEAK, STRONG = 0.2, 0.8  # of g_max; the paper's strong synapses
FROZEN = 20000.0  # ms, without plasticity, at most


class Published(NamedTuple):
    """What Fig. 2c and d show at one rate of the inputs; read off, to 0.2 Hz, 0.01, 0.01 and 0.01."""

    output: float = np.nan  # Hz
    cv: float = np.nan
    balance: float = np.nan
    strong: float = np.nan


PUBLISHED = {
    10.0: Published(8.9, 0.89, 1.17, 0.44),
    15.0: Published(10.0, 0.89, 1.16, 0.33),
    20.0: Published(11.1, 0.89, 1.13, 0.25),
    25.0: Published(12.1, 0.89, 1.12, 0.20),
    30.0: Published(13.0, 0.89, 1.13, 0.16),
    35.0: Published(14.4, 0.88, 1.12, 0.12),
    40.0: Published(15.0, 0.89, 1.12, 0.11),
}


@dataclass(frozen=True)
class Recipe:
    """One neuron for each rate of the inputs."""

    rates: tuple[float, ...] = param("Hz", "rates of the excitatory inputs", default=(10.0, 20.0, 40.0), above=0)
    duration: float = param("ms", "time simulated, a multiple of twice `every`", default=2000000.0, above=0)
    every: float = param("ms", "between two looks at the weights, rates and CV", default=20000.0, above=0)
    dt: float = param("ms", "step", default=0.1, above=0)
    a_plus: float = param("1", "potentiation of a pair, relative to g_max", default=RULE.a_plus, above=0)
    a_ratio: float = param("1", "A- tau- / (A+ tau+)", default=A_RATIO, minimum=0)
    w_start: float = param("1", "initial weights, relative to g_max", default=1.0, minimum=0, maximum=1)
    backend: str = choice("what runs the network", ("event",), default="event")
    seed: int = param("1", "of the inputs", default=0, minimum=0)


def models(recipe: Recipe) -> tuple:
    n_bins = steps(recipe.duration, recipe.every, "duration")
    if n_bins < 2 or n_bins % 2:
        raise ValueError(f"duration {recipe.duration} ms: give an even multiple of every = {recipe.every} ms")
    if not recipe.rates:
        raise ValueError("no rates; give at least one")
    return NEURON, RULE


def simulate(recipe: Recipe) -> dict[str, np.ndarray]:
    """The arrays of the record."""
    models(recipe)
    w_start = np.full((1, N_EXC), recipe.w_start * G_MAX)
    records = [run(recipe, rate, w_start, recipe.duration, plastic=True) for rate in recipe.rates]
    rows = [measure(recipe, rate, record) for rate, record in zip(recipe.rates, records, strict=True)]
    learned = records[0].weights["exc->out"]
    while_frozen = min(FROZEN, 0.5 * recipe.duration)
    frozen = [run(recipe, rate, learned, while_frozen, plastic=False).spikes["out"] for rate in recipe.rates]
    times_M = np.arange(len(rows[0]["balance_RM"])) * recipe.every
    return {
        "rates_R": np.array(recipe.rates),
        "times_M": times_M,
        "times_K": times_M[1:],
        "frozen_R": np.array([statistics.mean_rate(spikes, 1, while_frozen) for spikes in frozen]),
        **{name: np.array([row[name] for row in rows]) for name in rows[0]},
    }


def run(recipe: Recipe, rate: float, weights: NDArray[np.float64], duration: float, *, plastic: bool) -> Record:
    """Spikes of the neuron, and where it learns its weights at every look."""
    net = network(recipe, rate, NEURON)
    looks: dict[str, Any] = {"weights_every": recipe.every} if plastic else {}
    recorded = ("out.spikes", "exc->out.weights") if plastic else ("out.spikes",)
    return run_network(
        net, {"exc->out": weights}, {}, duration=duration, backend=recipe.backend, seed=recipe.seed, plastic=plastic,
        record=recorded, **looks,
    )  # fmt: skip


def network(recipe: Recipe, rate: float, model: LIFConductance) -> Network:
    """One neuron and its inputs."""
    # Deviation: a_minus is a_ratio a_plus in the paper; see above.
    a_minus = recipe.a_ratio * recipe.a_plus / decay(recipe.dt, RULE.tau_post)
    rule = vary(RULE, source="chosen: a_plus and a_ratio of the recipe", a_plus=recipe.a_plus, a_minus=float(a_minus))
    return Network(
        (Population("exc", N_EXC, PoissonSource(rate)), Population("out", 1, model)),
        (Projection("exc", "out", Dense(), rule=rule, receptor="exc"),),
        recipe.dt,
        (PoissonDrive("out", N_INH * RATE_INH, G_INH, receptor="inh"),),
    )


def measure(recipe: Recipe, rate: float, record: Record) -> dict[str, Any]:
    """One rate's part of the arrays."""
    start = np.full((1, N_EXC), recipe.w_start)
    weights_MI = np.concatenate([start, record.traces["exc->out.weights"][:, 0] / G_MAX])
    spikes, edges = record.spikes["out"], np.arange(len(weights_MI)) * recipe.every
    bins = [irregularity(spikes, *span) for span in zip(edges, edges[1:], strict=False)]
    output, cv = irregularity(spikes, 0.5 * recipe.duration, recipe.duration)
    balance_M = balance(weights_MI.sum(axis=1) * G_MAX, rate)
    is_papers = (recipe.a_plus, recipe.a_ratio) == (RULE.a_plus, A_RATIO)
    published = PUBLISHED.get(rate, Published()) if is_papers else Published()
    return {
        "weights_RMI": weights_MI.astype(np.float32),
        "output_RK": [rate for rate, _ in bins],
        "cv_RK": [cv for _, cv in bins],
        "balance_RM": balance_M,
        "output_R": output,
        "cv_R": cv,
        "balance_R": balance_M[len(balance_M) // 2 :].mean(),
        "weak_R": np.mean(weights_MI[-1] <= WEAK),
        "strong_R": np.mean(weights_MI[-1] >= STRONG),
        **{f"published_{name}_R": value for name, value in published._asdict().items()},
    }


def irregularity(spikes: Events, start: float, stop: float) -> tuple[float, float]:
    """Rate (Hz) and CV of intervals of the neuron from start to stop (ms)."""
    cut = statistics.window(spikes, start, stop)
    return statistics.mean_rate(cut, 1, stop - start), statistics.interval_cv(cut, 1)


def balance(total: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """Outward over inward current at the threshold, of mean conductances; total: sum of excitatory weights (nS)."""
    g_exc = total * rate * NEURON.tau_exc / 1e3
    g_inh = N_INH * G_INH * RATE_INH * NEURON.tau_inh / 1e3
    outward = NEURON.g_leak * (NEURON.v_th - NEURON.v_rest) + g_inh * (NEURON.v_th - NEURON.e_inh)
    return outward / (g_exc * (NEURON.e_exc - NEURON.v_th))


if __name__ == "__main__":
    print(run_simulation("song_abbott", Recipe(), Path("runs")).path)
