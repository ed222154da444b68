"""Fig. 8 from: Brunel (2000): four regimes of a sparse network of excitation and inhibition (model A).

doi:10.1023/A:1008925309027. All neurons are alike; each has C_E excitatory and C_I = C_E / 4 inhibitory
synapses of J and -g J, delay 1.5 ms, and external spikes of J at the rate C_E nu_ext, given as
eta = nu_ext / nu_thr with nu_thr = theta / (J C_E tau), which would just reach the threshold.

    SR        synchronous regular: almost all neurons fire together, like clocks, at high rates
    SI_fast   synchronous irregular, fast: the population oscillates faster than any neuron fires
    AI        asynchronous irregular: the rate of the population is nearly stationary
    SI_slow   synchronous irregular, slow: at low rates, the population oscillates at some 20 Hz

Beside it the mean field there, for inputs that are white noise: the rate nu at which

    1 / nu = tau_rp + tau sqrt(pi) int_{(V_r - mu) / sigma}^{(theta - mu) / sigma} exp(u^2) (1 + erf u) du
    mu = C_E J tau (nu_ext + nu (1 - g / 4))    sigma^2 = C_E J^2 tau (nu_ext + nu (1 + g^2 / 4))

and the CV of intervals at this mu and sigma. That of the network may be lower: its neurons, being more
regular than Poisson processes, send each other less noise at low frequencies.

Networks of scale s have C_E = 1000 s, connect with the same probability 0.1, and have J = 0.1 mV / s, which
keeps the mean of all inputs; their inputs, and so their intervals, are noisier.

The record: regimes_R, g_R, eta_R; of all neurons, after `settle`: rate_R (Hz), cv_R, correlation_R (counts
in 2 ms), peak_hz_R, where the spectrum of the population's rate is largest, and peak_strength_R, this power
over 2 rate (1 / size for independent Poisson processes); theory_rate_R (Hz), theory_cv_R; published_rate_R,
published_theory_R, published_peak_R (Hz; NaN where not given, and at any scale but 1); rate_RK (Hz, bins of
times_K, ms); spectrum_RF (Hz^2 / Hz) at frequencies_F (Hz); spikes of 50 neurons: raster_times,
raster_units, raster_regimes; size.

Axes: R regime, K bin, F frequency.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import erfcx

from neuro import FixedInDegree, Network, PoissonDrive, Population, Projection, connect
from neuro import simulate as run_network
from neuro import spike_statistics as statistics
from neuro.backends import UPDATES
from neuro.neurons.lif_delta import LIFDelta
from neuro.record import Record
from neuro.seeds import child
from neuro.units import choice, param, unknown
from simulations.run import run_simulation

NEURON = LIFDelta(
    tau_m=20.0, r_m=1.0, v_rest=0.0, v_th=20.0, v_reset=10.0, t_ref=2.0, i_ext=0.0, source="brunel2000",
)  # fmt: skip
N_EXC, N_INH, C_EXC, C_INH, J, DELAY = 10000, 2500, 1000, 250, 0.1, 1.5  # J: mV, DELAY: ms

BIN = 0.5  # ms, of the population's rate; resolves 1000 Hz
SEGMENT = 500.0  # ms, of the spectrum: frequencies 2 Hz apart
LOWEST = 5.0  # Hz; below lie drifts, which no segment resolves
COUNT_BIN = 2.0  # ms, of the correlation
N_PAIRED = 1000  # neurons whose pairs are correlated
N_DRAWN = 50


class Regime(NamedTuple):
    """g and eta, and what the paper gives: simulated rate, rate of its theory, frequency of the population (Hz).

    The paper could not be opened here. Its numbers are quoted alike by several public reproductions of
    the figure; the theory's are also what its equations give below, to all digits.
    """

    g: float
    eta: float
    rate: float = np.nan
    theory: float = np.nan
    peak: float = np.nan


REGIMES = {
    "SR": Regime(3.0, 2.0),
    "SI_fast": Regime(6.0, 4.0, rate=60.7, theory=55.8, peak=180.0),
    "AI": Regime(5.0, 2.0, rate=37.7, theory=38.0),
    "SI_slow": Regime(4.5, 0.9, rate=5.5, theory=6.5, peak=22.0),
}


@dataclass(frozen=True)
class Recipe:
    """One network a regime, all with the same connections."""

    regimes: tuple[str, ...] = param("1", f"regimes, of {', '.join(REGIMES)}", default=tuple(REGIMES))
    scale: float = param("1", "size of the network, 1: 12500 neurons", default=1.0, minimum=0.02, maximum=10.0)
    duration: float = param("ms", "time simulated, settle included", default=1200.0, above=0)
    settle: float = param("ms", "time before statistics begin", default=200.0, minimum=0)
    dt: float = param("ms", "step", default=0.1, above=0)
    backend: str = choice("what runs the network", ("event", "torch_dense"), default="event")
    update: str = choice("how time passes on the event backend", tuple(UPDATES), default="clock")
    threads: int = param("1", "threads of the event backend; the results are the same", default=1, minimum=1)
    seed: int = param("1", "of connections, initial potentials and the external spikes", default=0, minimum=0)


def models(recipe: Recipe) -> tuple:
    for name in recipe.regimes:
        if name not in REGIMES:
            raise ValueError(unknown("regime", name, REGIMES))
    if not recipe.regimes or len(set(recipe.regimes)) < len(recipe.regimes):
        raise ValueError(f"regimes {list(recipe.regimes)}: give at least one, each once")
    if recipe.duration < recipe.settle + SEGMENT:
        raise ValueError(f"duration {recipe.duration} ms is too short; give at least {recipe.settle + SEGMENT} ms")
    return (NEURON,)


def simulate(recipe: Recipe) -> dict[str, np.ndarray]:
    """The arrays of the record."""
    models(recipe)
    rows = [measure(recipe, name, record) for name, record in zip(recipe.regimes, run(recipe), strict=True)]
    arrays = {key: np.array([row[key] for row in rows]) for key in rows[0] if not key.startswith("raster")}
    n_drawn = [len(row["raster_times"]) for row in rows]
    return {
        "regimes_R": np.array(recipe.regimes),
        **arrays,
        "times_K": np.arange(arrays["rate_RK"].shape[1]) * BIN + recipe.settle,
        "frequencies_F": np.fft.rfftfreq(round(SEGMENT / BIN), BIN / 1e3),
        "raster_times": np.concatenate([row["raster_times"] for row in rows]),
        "raster_units": np.concatenate([row["raster_units"] for row in rows]),
        "raster_regimes": np.repeat(np.arange(len(rows)), n_drawn),
        "size": np.array(sum(sizes(recipe))),
    }


def sizes(recipe: Recipe) -> tuple[int, int]:
    return round(N_EXC * recipe.scale), round(N_INH * recipe.scale)


def run(recipe: Recipe) -> Iterator[Record]:
    """The record of each regime in turn, over one draw of connections; weights in float32."""
    n_exc, n_inh = sizes(recipe)
    degrees = {"exc": round(C_EXC * recipe.scale), "inh": round(C_INH * recipe.scale)}
    j = J / recipe.scale
    populations = Population("exc", n_exc, NEURON), Population("inh", n_inh, NEURON)
    projections = tuple(
        Projection(pre, post, FixedInDegree(degree), delay=DELAY)
        for pre, degree in degrees.items()
        for post in ("exc", "inh")
    )
    drawn = connect(Network(populations, projections, recipe.dt), {p.name: 0.0 for p in projections}, recipe.seed)
    rng = child(recipe.seed, "v")
    initial = {f"{p.name}.v": rng.uniform(NEURON.v_rest, NEURON.v_th, p.size) for p in populations}
    for g, eta, *_ in (REGIMES[name] for name in recipe.regimes):
        weight = {"exc": j, "inh": -g * j}
        weights = {
            name: synapses._replace(weights=np.full(len(synapses.targets), weight[name[:3]], np.float32))
            for name, synapses in drawn.items()
        }
        rate = 1e3 * external_rate(eta, j)
        drives = tuple(PoissonDrive(p.name, rate, j) for p in populations)
        yield run_network(
            Network(populations, projections, recipe.dt, drives),
            weights,
            {},
            duration=recipe.duration,
            backend=recipe.backend,
            update=recipe.update,
            threads=recipe.threads,
            record=("exc.spikes", "inh.spikes"),
            initial=initial,
            seed=recipe.seed,
        )


def measure(recipe: Recipe, name: str, record: Record) -> dict[str, Any]:
    """One regime's part of the arrays."""
    regime, n_exc_inh, duration = REGIMES[name], list(sizes(recipe)), recipe.duration - recipe.settle
    published = regime if recipe.scale == 1.0 else Regime(regime.g, regime.eta)
    parts = [statistics.window(record.spikes[p], recipe.settle, recipe.duration) for p in ("exc", "inh")]
    spikes, size = statistics.merge(parts, n_exc_inh), sum(n_exc_inh)
    rate = statistics.mean_rate(spikes, size, duration)
    rate_K = statistics.population_rate(spikes, size, BIN, duration)
    frequencies_F, spectrum_F = statistics.spectrum(rate_K, BIN, SEGMENT)
    peak_hz, power = statistics.peak(frequencies_F, spectrum_F, LOWEST)
    counts_NK = statistics.counts(spikes, min(N_PAIRED, size), COUNT_BIN, duration)
    theory_rate, theory_cv = mean_field(regime.g, regime.eta, round(C_EXC * recipe.scale), J / recipe.scale)
    drawn = spikes.units < N_DRAWN
    return {
        "g_R": regime.g,
        "eta_R": regime.eta,
        "rate_R": rate,
        "cv_R": statistics.interval_cv(spikes, size),
        "correlation_R": statistics.correlation(counts_NK),
        "peak_hz_R": peak_hz,
        "peak_strength_R": power / (2.0 * rate) if rate else np.nan,
        "theory_rate_R": theory_rate,
        "theory_cv_R": theory_cv,
        "published_rate_R": published.rate,
        "published_theory_R": published.theory,
        "published_peak_R": published.peak,
        "rate_RK": rate_K,
        "spectrum_RF": spectrum_F,
        "raster_times": spikes.times[drawn] + recipe.settle,
        "raster_units": spikes.units[drawn],
    }


def external_rate(eta: float, j: float) -> float:
    """C_E nu_ext, spikes a neuron and ms."""
    return eta * NEURON.v_th / (j * NEURON.tau_m)


def mean_field(g: float, eta: float, c_exc: int, j: float) -> tuple[float, float]:
    """The stationary rate (Hz) and the CV of intervals of a neuron that receives white noise of this mu and sigma."""

    def moments(nu: float) -> tuple[float, float]:
        recurrent, ratio = c_exc * nu, C_INH / C_EXC
        mu = j * NEURON.tau_m * (external_rate(eta, j) + recurrent * (1.0 - g * ratio))
        variance = j * j * NEURON.tau_m * (external_rate(eta, j) + recurrent * (1.0 + g * g * ratio))
        return mu, np.sqrt(variance)

    nu = brentq(lambda nu: siegert(*moments(nu)) - nu, 0.0, 1.0 / NEURON.t_ref)
    assert isinstance(nu, float)
    return 1e3 * nu, noise_cv(nu, *moments(nu))


def siegert(mu: float, sigma: float) -> float:
    """Rate (1/ms) under white noise; exp(u^2) (1 + erf u) = erfcx(-u)."""
    low, high = (NEURON.v_reset - mu) / sigma, (NEURON.v_th - mu) / sigma
    passage = quad(lambda u: erfcx(-u), low, high)[0]
    return 1.0 / (NEURON.t_ref + NEURON.tau_m * np.sqrt(np.pi) * passage)


def noise_cv(nu: float, mu: float, sigma: float) -> float:
    """CV of intervals under white noise, over the same interval of x:

    cv^2 = 2 pi (nu tau)^2 int exp(x^2) int_-inf^x exp(y^2) (1 + erf y)^2 dy dx
    """
    low, high = (NEURON.v_reset - mu) / sigma, (NEURON.v_th - mu) / sigma

    def inner(x: float) -> float:
        return quad(lambda y: np.exp(x * x - y * y) * erfcx(-y) ** 2, min(x, 0.0) - 10.0, x, limit=200)[0]

    return float(np.sqrt(2.0 * np.pi * quad(inner, low, high, limit=100)[0]) * nu * NEURON.tau_m)


if __name__ == "__main__":
    print(run_simulation("brunel", Recipe(), Path("runs")).path)
