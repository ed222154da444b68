"""Release at synapses that an astrocyte covers, under Poisson input: gliotransmission decreases or increases it.

After De Pitta, Volman, Berry & Ben-Jacob (2011), doi:10.1371/journal.pcbi.1002293. A depressing synapse has alpha = 0,
so that gliotransmission decreases its release, and a facilitating one has alpha = 1, so that it is increased. Each is
also simulated without gliotransmission, on the same spikes. The astrocyte (FM) oscillates under a constant glutamate
from elsewhere; whenever its calcium rises through the threshold, gliotransmitter binds to the presynaptic receptors,
and leaves them within minutes. Every input rate has synapses of its own; all that they release is added up.

For comparison the mean field, where u, r and the spikes are independent: at rate f, and with
U = (1 - gamma) u_release + alpha gamma, a spike releases this share of the resources; gamma is the simulated one.

    U (1 + f tau_facil) / (1 + U f tau_facil + U (1 + f tau_facil) f tau_rec)

The record: rates_R (Hz); names_S; release_SWR and mean_field_SWR, mean share of the resources that a spike releases in
the second half; times_T (s), over_time_SWRT (the same in bins), calcium_T (uM), gamma_T.

Axes: S synapse, W without or with gliotransmission, R rate, T bin of time.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neuro import FromArrays, Network, PoissonSource, Population, Projection, connect, vary
from neuro import simulate as run_network
from neuro.neurons import lif_delta
from neuro.neurons.li_rinzel import DE_PITTA_FM
from neuro.plasticity.tsodyks_markram import RELEASE_DECREASING, RELEASE_INCREASING, TripartiteSynapse
from neuro.units import param, steps
from simulations.run import run_simulation

SYNAPSES = {"decreasing": RELEASE_DECREASING, "increasing": RELEASE_INCREASING}
# A membrane that forgets nothing and never fires: it adds up what arrives.
SUM = vary(lif_delta.NORMALISED, source="chosen: adds up releases", tau_m=1e30, v_th=1e30)


@dataclass(frozen=True)
class Recipe:
    """Synapses with and without gliotransmission, at several input rates."""

    duration: float = param("ms", "time simulated, whose second half counts", default=400_000.0, above=0)
    step: float = param("ms", "step", default=1.0, above=0, maximum=1)
    bin: float = param("ms", "width of the bins of time, a multiple of step", default=2_000.0, above=0)
    rates: tuple[float, ...] = param(
        "Hz", "of presynaptic spikes", default=(0.3, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0), above=0
    )
    synapses: int = param("1", "at each rate", default=100, minimum=1)
    glutamate: float = param("uM", "constant, around the astrocyte", default=0.1, minimum=0)
    seed: int = param("1", "of the presynaptic spikes", default=0, minimum=0)


def models(recipe: Recipe) -> tuple:
    return DE_PITTA_FM, *SYNAPSES.values()


def simulate(recipe: Recipe) -> dict[str, np.ndarray]:
    """The arrays of the record."""
    every = steps(recipe.bin, recipe.step, "bin")
    n_bins = round(recipe.duration / recipe.step) // every
    if n_bins < 4:
        raise ValueError(f"duration {recipe.duration} ms has {n_bins} bins of {recipe.bin} ms; give at least four")
    net, weights = network(recipe)
    record = tuple(f"{name}.v" for name in _targets()) + ("pre.spikes", "astrocyte.calcium", "astrocyte.gamma_synapse")
    found = run_network(net, weights, {}, duration=recipe.duration, record=record, seed=recipe.seed)
    n_rates = len(recipe.rates)
    groups = found.spikes["pre"].units // recipe.synapses
    bins = np.rint(found.spikes["pre"].times / recipe.step).astype(np.int64) // every
    inside = bins < n_bins
    spikes_RT = np.bincount(groups[inside] * n_bins + bins[inside], minlength=n_rates * n_bins).reshape(n_rates, -1)
    released_SWRT = np.stack([_in_bins(found.traces[f"{name}.v"][:, 0], every, n_bins) for name in _targets()])
    released_SWRT = released_SWRT.reshape(len(SYNAPSES), 2, n_rates, n_bins)
    calcium_T, gamma_T = (
        found.traces[f"astrocyte.{field}"][: n_bins * every, 0, 0].reshape(n_bins, every).mean(1)
        for field in ("calcium", "gamma_synapse")
    )
    half = slice(n_bins // 2, None)
    with np.errstate(invalid="ignore"):  # a bin without a spike is NaN
        over_time_SWRT = released_SWRT / spikes_RT
    return {
        "rates_R": np.asarray(recipe.rates),
        "names_S": np.array(list(SYNAPSES)),
        "release_SWR": released_SWRT[..., half].sum(-1) / spikes_RT[:, half].sum(-1),
        "mean_field_SWR": np.stack([_mean_fields(s, recipe.rates, gamma_T[half]) for s in SYNAPSES.values()]),
        "times_T": (np.arange(n_bins) + 0.5) * recipe.bin / 1000.0,
        "over_time_SWRT": over_time_SWRT,
        "calcium_T": calcium_T,
        "gamma_T": gamma_T,
    }


def network(recipe: Recipe) -> tuple[Network, dict]:
    """Presynaptic neurons, the astrocyte, and for each synapse a population that adds up what a rate's group sends."""
    n_rates, size = len(recipe.rates), len(recipe.rates) * recipe.synapses
    astrocyte = vary(DE_PITTA_FM, source="chosen: glutamate of the recipe", glutamate_ext=recipe.glutamate)
    pre = PoissonSource(np.repeat(recipe.rates, recipe.synapses))  # pyright: ignore[reportArgumentType]
    groups = FromArrays(np.arange(size), np.arange(size) // recipe.synapses)
    net = Network(
        (
            Population("pre", size, pre),
            Population("astrocyte", 1, astrocyte),
            *(Population(name, n_rates, SUM) for name in _targets()),
        ),
        tuple(
            Projection("pre", name, groups, short_term=SYNAPSES[synapse], modulator=modulator)
            for name, (synapse, modulator) in _targets().items()
        ),
        recipe.step,
    )
    return net, connect(net, {f"pre->{name}": 1.0 for name in _targets()}, recipe.seed)


def _targets() -> dict[str, tuple[str, str | None]]:
    """Populations that add up releases -> the synapse, and the modulator."""
    pairs = [(synapse, modulator) for synapse in SYNAPSES for modulator in (None, "astrocyte")]
    return {
        f"{synapse}_{'without' if modulator is None else 'with'}": (synapse, modulator) for synapse, modulator in pairs
    }


def _in_bins(sum_TR: NDArray, every: int, n_bins: int) -> NDArray:
    """What was added in each bin, [R, T]."""
    ends = np.concatenate([np.zeros((1, sum_TR.shape[1])), sum_TR[every - 1 : n_bins * every : every]])
    return np.diff(ends, axis=0).T


def _mean_fields(synapse: TripartiteSynapse, rates: tuple[float, ...], gamma_T: NDArray) -> NDArray:
    """Without and with gliotransmission, [2, R]."""
    return np.array([[mean_field(synapse, rate, gamma).mean() for rate in rates] for gamma in (np.zeros(1), gamma_T)])


def mean_field(synapse: TripartiteSynapse, rate_hz: float, gamma: NDArray) -> NDArray:
    """The share of the resources that a spike releases, where u, r and the spikes are independent."""
    f = rate_hz / 1000.0
    u = (1.0 - gamma) * synapse.u_release + synapse.alpha * gamma
    raised = u * (1.0 + f * synapse.tau_facil)
    return raised / (1.0 + u * f * synapse.tau_facil + raised * f * synapse.tau_rec)


if __name__ == "__main__":
    print(run_simulation("tripartite_synapse", Recipe(), Path("runs")).path)
