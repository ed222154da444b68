"""Fig. 6 from: Potjans & Diesmann (2014): the spontaneous activity of a column of cortex, 1 mm^2 of four layers.

doi:10.1093/cercor/bhs358. Eight populations, excitatory and inhibitory ones in the layers 2/3, 4, 5 and 6, of
neurons that are all alike (LIF with exponential currents); what differs is who is connected to whom. From I to J

    K_JI = ln(1 - p_JI) / ln(1 - 1 / (N_I N_J))

synapses are drawn, each between any two neurons, several between some: p_JI is the probability that two are
connected at all. A spike makes a PSP of J = 0.15 mV (L4E->L23E: 2 J), an inhibitory one of -4 J; weights vary
with a standard deviation of 10 %. Delays are 1.5 +- 0.75 ms (inhibitory: 0.75 +- 0.375 ms), none below dt. Each
neuron has K_ext synapses more, of J, from neurons outside that fire at 8 Hz, as independent Poisson processes.

A network with N scaled by n and in-degrees by k (van Albada et al. 2015, doi:10.1371/journal.pcbi.1004490) has
synapses of w / sqrt(k), which keeps the variance of a neuron's input, and a direct current that keeps its mean,

    I_J = tau_syn (1 - sqrt(k)) (sum_I w_JI (K_JI / N_J) nu_I + w K_ext 8 Hz)

where nu_I are the rates of the full network. Few strong inputs are not white noise, though, and neurons have more
inputs in common: the rates fall with k, in NEST as here, and synchrony grows. With background "dc" a current
replaces the mean of the Poisson input too; its fluctuations are missing, and silence is stable where the whole
current stays below threshold: a network of scale 0.1 ends there, in NEST as here, one of 0.2 does not.

Deviations. The synapses of two neurons are one here: with the sum of their weights, but a single delay for the
9 % that have company (full scale). A synaptic event is thus one spike over all synapses between two neurons. The
number of synapses of a projection is not K_JI, but a Poisson number of this mean.

The record, of the time after `settle`: rate_P (Hz), rate_sd_P over neurons; cv_P of intervals (a window of few
intervals misses long ones: at 1 Hz it takes a minute to come near its limit); synchrony_P, variance over mean of
the spike count in 3 ms; both of at most 1000 neurons. Beside them, of the full network: full_rate_P in NEST;
published_rate_P of the paper (NaN where not found); published_cv_P and published_synchrony_P in NEURON. rate_PK
(Hz, bins of times_K, ms); sizes_P; current_P (pA), the direct current; n_synapses (those of two neurons as one);
spikes, synaptic_events and wall_s of the whole run (the seconds that it took, those of compiling included where
the kernel is new); spikes of a share of each population: raster_times, raster_units (numbered through all of them)
and drawn_P, the neurons drawn.

Axes: P population, J postsynaptic and I presynaptic population, K bin.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

from neuro import Events, FixedProbability, memory, vary
from neuro import simulate as run_network
from neuro import spike_statistics as statistics
from neuro.network import Network, PoissonDrive, Population, Projection, Synapses
from neuro.neurons.lif import LIF
from neuro.record import Record
from neuro.seeds import child
from neuro.units import choice, param
from neuro.weights import connect, memory_estimate
from simulations.run import run_simulation

# With one time constant for excitation and inhibition, the two currents of POTJANS_DIESMANN_2014 add up to one.
NEURON = LIF(
    tau_m=10.0, tau_syn=0.5, r_m=0.04, v_rest=-65.0, v_th=-50.0, v_reset=-65.0, t_ref=2.0, i_ext=0.0,
    source="potjans2014",
)  # fmt: skip

POPULATIONS = ("L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I")
SIZES_P = np.array([20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948])
PROBABILITIES_JI = np.array([
    [0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0000, 0.0076, 0.0000],
    [0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0000, 0.0042, 0.0000],
    [0.0077, 0.0059, 0.0497, 0.1350, 0.0067, 0.0003, 0.0453, 0.0000],
    [0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0000, 0.1057, 0.0000],
    [0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0000],
    [0.0548, 0.0269, 0.0257, 0.0022, 0.0600, 0.3158, 0.0086, 0.0000],
    [0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252],
    [0.0364, 0.0010, 0.0034, 0.0005, 0.0277, 0.0080, 0.0658, 0.1443],
])  # fmt: skip
K_EXT_P = np.array([1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100])
BACKGROUND_RATE = 8.0  # Hz
PSP, INHIBITION, WEIGHT_SD = 0.15, -4.0, 0.1  # mV; relative to excitation; relative to the mean
DELAYS, DELAY_SD = {"E": 1.5, "I": 0.75}, 0.5  # ms; relative to the mean

# Initial potentials (mV) near those of the stationary state, which shortens the transient, and rates (Hz) of the full
# network: from the reference implementation in NEST, https://github.com/INM-6/microcircuit-PD14-model. The paper
# starts all populations at -58 +- 10 mV.
V_MEAN_P = np.array([-68.28, -63.16, -63.33, -63.45, -63.11, -61.66, -66.72, -61.43])
V_SD_P = np.array([5.36, 4.57, 4.74, 4.94, 4.94, 4.55, 5.46, 4.48])
FULL_RATES_P = np.array([0.903, 2.965, 4.414, 5.876, 7.569, 8.633, 1.105, 7.829])

# The paper could not be opened here. Romaro et al. (2021), doi:10.1162/neco_a_01400, quote its excitatory rates (table
# A.1), and give CV (tables A.3, A.4) and synchrony (A.5, A.6) of the full network in NEURON: 60 s, 1000 neurons.
PUBLISHED_RATES_P = np.array([0.86, np.nan, 4.45, np.nan, 7.59, np.nan, 1.09, np.nan])
PUBLISHED_CV_P = {
    "poisson": np.array([0.938, 0.916, 0.891, 0.873, 0.847, 0.809, 0.924, 0.819]),
    "dc": np.array([0.936, 0.909, 0.875, 0.862, 0.820, 0.775, 0.923, 0.788]),
}
PUBLISHED_SYNCHRONY_P = {
    "poisson": np.array([2.9, 1.8, 3.0, 1.7, 4.4, 1.1, 1.2, 1.0]),
    "dc": np.array([5.1, 3.3, 5.5, 2.7, 8.0, 2.0, 1.5, 1.3]),
}

BIN = 3.0  # ms, of the populations' rates and of synchrony, as in the paper
N_MEASURED = 1000  # neurons whose CV and synchrony are taken, as in the paper
N_DRAWN = 1850  # neurons of the raster, about as many as in the paper


@dataclass(frozen=True)
class Recipe:
    """The column at any size; in-degrees are scaled with it, or by a factor of their own."""

    scale: float = param("1", "size of the network, 1: 77169 neurons", default=0.1, minimum=0.01, maximum=1)
    k_scale: float | None = param(
        "1", "factor of all in-degrees, 1: as published; none: the scale", default=None, minimum=0.01, maximum=1
    )
    background: str = choice("what comes from outside", ("poisson", "dc"), default="poisson")
    duration: float = param("ms", "time simulated, settle included", default=1500.0, above=0)
    settle: float = param("ms", "time before statistics begin", default=500.0, minimum=0)
    dt: float = param("ms", "step, and the least delay", default=0.1, above=0)
    backend: str = choice("what runs it; torch_dense: very slowly", ("event", "torch_dense"), default="event")
    threads: int = param("1", "threads of the backend; the results do not depend on them", default=1, minimum=1)
    seed: int = param("1", "of connections, initial potentials and the external spikes", default=0, minimum=0)

    @property
    def k(self) -> float:
        """The factor of all in-degrees."""
        return self.scale if self.k_scale is None else self.k_scale


def models(recipe: Recipe) -> tuple:
    if recipe.duration < recipe.settle + BIN:
        raise ValueError(f"duration {recipe.duration} ms is too short; give at least {recipe.settle + BIN} ms")
    return (NEURON,)


def simulate(recipe: Recipe) -> dict[str, np.ndarray]:
    """The arrays of the record."""
    models(recipe)
    return measure(recipe, run(recipe))


def psc(psp: float) -> float:
    """The weight (pA) of a synapse whose PSP is that high (mV)."""
    tau_m, tau_syn = NEURON.tau_m, NEURON.tau_syn
    t_peak = tau_m * tau_syn / (tau_m - tau_syn) * np.log(tau_m / tau_syn)
    height = np.exp(-t_peak / tau_m) - np.exp(-t_peak / tau_syn)
    return psp * (tau_m - tau_syn) / (NEURON.r_m * tau_syn * height)


def synapse_numbers() -> NDArray[np.float64]:
    """K_JI, synapses of each projection of the full network."""
    return np.log1p(-PROBABILITIES_JI) / np.log1p(-1.0 / np.outer(SIZES_P, SIZES_P))


def mean_weights() -> NDArray[np.float64]:
    """The mean weight_JI (pA) of each projection of the full network."""
    of_pre_I = np.array([1.0 if name.endswith("E") else INHIBITION for name in POPULATIONS])
    relative_JI = np.tile(of_pre_I, (len(POPULATIONS), 1))
    relative_JI[POPULATIONS.index("L23E"), POPULATIONS.index("L4E")] = 2.0
    return psc(PSP) * relative_JI


def direct_current(k: float, background: str) -> NDArray[np.float64]:
    """current_P (pA), which replaces the mean of what in-degrees scaled by k, or no Poisson input, leave out."""
    recurrent_P = (mean_weights() * synapse_numbers() / SIZES_P[:, None]) @ FULL_RATES_P
    external_P = psc(PSP) * K_EXT_P * BACKGROUND_RATE
    left_out = 1.0 - np.sqrt(k)
    missing_P = left_out * recurrent_P + (left_out if background == "poisson" else 1.0) * external_P
    return NEURON.tau_syn / 1e3 * missing_P


def network(recipe: Recipe) -> Network:
    """Populations, projections, and the Poisson input."""
    sizes_P = np.rint(SIZES_P * recipe.scale).astype(int)
    current_P = direct_current(recipe.k, recipe.background)
    reason = "potjans2014, and the current of van Albada et al. (2015)"
    populations = tuple(
        Population(name, int(size), vary(NEURON, source=reason, i_ext=float(current)))
        for name, size, current in zip(POPULATIONS, sizes_P, current_P, strict=True)
    )
    projections = tuple(
        Projection(pre, post, FixedProbability(float(-np.expm1(-multiplicity))), delay=recipe.dt)
        for (pre, post), multiplicity in multiplicities(recipe).items()
    )
    rates_P = K_EXT_P * recipe.k * BACKGROUND_RATE
    weight = psc(PSP) / np.sqrt(recipe.k)
    drives = tuple(
        PoissonDrive(name, float(rate), weight)
        for name, rate in zip(POPULATIONS, rates_P, strict=True)
        if recipe.background == "poisson"
    )
    return Network(populations, projections, recipe.dt, drives)


def multiplicities(recipe: Recipe) -> dict[tuple[str, str], float]:
    """Presynaptic and postsynaptic population -> mean number of synapses between two of their neurons."""
    mean_JI = synapse_numbers() / np.outer(SIZES_P, SIZES_P) * recipe.k / recipe.scale
    return {
        (pre, post): float(mean_JI[j, i])
        for j, post in enumerate(POPULATIONS)
        for i, pre in enumerate(POPULATIONS)
        if mean_JI[j, i] > 0.0
    }


def connections(recipe: Recipe, net: Network) -> dict[str, Synapses]:
    """The synapses of all projections, in float32; one projection at a time, for the sake of memory."""
    memory.demand(
        memory_estimate(net), f"the network of scale {recipe.scale:g} needs", "give a smaller scale, or more memory"
    )
    weights_JI, drawn = mean_weights() / np.sqrt(recipe.k), {}
    for projection, multiplicity in zip(net.projections, multiplicities(recipe).values(), strict=True):
        pre, post, name = projection.pre, projection.post, projection.name
        mean = float(weights_JI[POPULATIONS.index(post), POPULATIONS.index(pre)])
        ends = dict.fromkeys((net.population(pre), net.population(post)))
        alone = Network(tuple(ends), (projection,), recipe.dt)
        draw_weight, draw_delay = weights_of(mean, multiplicity), delays_of(DELAYS[pre[-1]], recipe.dt)
        synapses = connect(alone, {name: draw_weight}, recipe.seed, delays={name: draw_delay})[name]
        drawn[name] = synapses._replace(weights=synapses.weights.astype(np.float32))
    return drawn


Draw = Callable[[np.random.Generator, int], NDArray]


def weights_of(mean: float, multiplicity: float) -> Draw:
    """Weights (pA) of n connected pairs: the sum of m normal weights each, where m >= 1 is a Poisson number.

    The total of Poisson numbers has a standard deviation of sqrt(K), where the paper has exactly K synapses. It cuts
    weights of the wrong sign, which lie ten standard deviations away.
    """
    most = poisson.isf(1e-12, multiplicity) + 1
    none = np.exp(-multiplicity)
    cumulative = (poisson.cdf(np.arange(1, most), multiplicity) - none) / (1.0 - none)

    def draw(rng: np.random.Generator, n: int) -> NDArray:
        m = 1 + np.searchsorted(cumulative, rng.random(n), side="right")
        return mean * (m + WEIGHT_SD * np.sqrt(m) * rng.standard_normal(n))

    return draw


def delays_of(mean: float, dt: float) -> Draw:
    """Delays (ms) from a normal distribution, drawn again where they would be rounded to less than dt."""

    def draw(rng: np.random.Generator, n: int) -> NDArray:
        delays = rng.normal(mean, DELAY_SD * mean, n)
        while (low := np.flatnonzero(delays <= 0.5 * dt)).size:
            delays[low] = rng.normal(mean, DELAY_SD * mean, low.size)
        return delays

    return draw


def run(recipe: Recipe) -> Record:
    net = network(recipe)
    rng = child(recipe.seed, "v")
    initial = {
        f"{population.name}.v": rng.normal(mean, sd, population.size)
        for population, mean, sd in zip(net.populations, V_MEAN_P, V_SD_P, strict=True)
    }
    return run_network(
        net,
        connections(recipe, net),
        {},
        duration=recipe.duration,
        backend=recipe.backend,
        record=tuple(f"{name}.spikes" for name in POPULATIONS),
        initial=initial,
        seed=recipe.seed,
        threads=recipe.threads,
    )


def measure(recipe: Recipe, record: Record) -> dict[str, np.ndarray]:
    """The arrays of the record."""
    duration = recipe.duration - recipe.settle
    sizes_P = np.rint(SIZES_P * recipe.scale).astype(int)
    spikes_P = [statistics.window(record.spikes[name], recipe.settle, recipe.duration) for name in POPULATIONS]
    populations = list(zip(spikes_P, sizes_P, strict=True))
    counts_PN = [np.bincount(spikes.units, minlength=n) for spikes, n in populations]
    rate_PK = np.stack([statistics.population_rate(spikes, n, BIN, duration) for spikes, n in populations])
    drawn_P = np.maximum(np.rint(sizes_P * min(1.0, N_DRAWN / sizes_P.sum())), 1).astype(int)
    raster = statistics.merge([first(s, n) for s, n in zip(spikes_P, drawn_P, strict=True)], list(drawn_P))
    return {
        "rate_P": np.array([counts.mean() / duration * 1e3 for counts in counts_PN]),
        "rate_sd_P": np.array([counts.std() / duration * 1e3 for counts in counts_PN]),
        "cv_P": np.array([statistics.interval_cv(first(spikes, N_MEASURED), n) for spikes, n in populations]),
        "synchrony_P": np.array([synchrony(spikes, n, duration) for spikes, n in populations]),
        "full_rate_P": FULL_RATES_P,
        "published_rate_P": PUBLISHED_RATES_P,
        "published_cv_P": PUBLISHED_CV_P[recipe.background],
        "published_synchrony_P": PUBLISHED_SYNCHRONY_P[recipe.background],
        "rate_PK": rate_PK,
        "times_K": np.arange(rate_PK.shape[1]) * BIN + recipe.settle,
        "sizes_P": sizes_P,
        "current_P": direct_current(recipe.k, recipe.background),
        "n_synapses": np.array(sum(len(synapses.targets) for synapses in record.weights.values())),
        "spikes": np.array(record.counts.spikes),
        "synaptic_events": np.array(record.counts.synaptic_events),
        "wall_s": np.array(record.counts.wall_s),
        "raster_times": raster.times + recipe.settle,
        "raster_units": raster.units,
        "drawn_P": drawn_P,
    }


def first(spikes: Events, n: int) -> Events:
    """The spikes of neurons 0 to n - 1, one sample."""
    kept = spikes.units < n
    return Events(spikes.times[kept], spikes.units[kept], np.array([0, np.count_nonzero(kept)]))


def synchrony(spikes: Events, size: int, duration: float) -> float:
    """Variance over mean of the count of at most N_MEASURED neurons in BIN; 1 for independent Poisson processes."""
    count_K = statistics.counts(spikes, min(size, N_MEASURED), BIN, duration).sum(axis=0)
    return float(count_K.var() / count_K.mean()) if count_K.any() else float("nan")


if __name__ == "__main__":
    print(run_simulation("cortical_microcircuit", Recipe(), Path("runs")).path)
