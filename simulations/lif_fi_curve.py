"""Rate of leaky integrate-and-fire neurons against constant current, beside its closed form.

One neuron for each current, with exponential (LIF) and with delta synapses (LIFDelta); NEST's default
parameters. A neuron fires where r_m i_ext reaches the threshold, every

    t_ref + dt + tau_m ln(r_m i_ext / (r_m i_ext + v_rest - v_th))        (reset to v_rest)

to one step: from its reset, v needs the logarithm's time, rounded up to whole steps, after t_ref.

The record: models_M; i_ext_N (pA); rate_MN (Hz; 0 where fewer than two spikes); interval_MN (ms, mean,
NaN where fewer than two) and the spread of intervals_MN within a neuron; closed_interval_N (ms, infinite
below rheobase), closed_rate_N (Hz); grid_interval_N, with the logarithm rounded up; max_deviation_M and
max_grid_deviation_M (ms), the largest distance of an interval from either.

Axes: M model, N neuron, one for each current.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neuro import Network, Population, vary
from neuro import simulate as run_network
from neuro.neurons import lif, lif_delta
from neuro.units import choice, param
from simulations.run import run_simulation

MODELS = (("LIF", lif.NEST_DEFAULT), ("LIFDelta", lif_delta.NEST_DEFAULT))


@dataclass(frozen=True)
class Recipe:
    """Rates at evenly spaced currents."""

    duration: float = param("ms", "time simulated", default=1000.0, above=0)
    dt: float = param("ms", "step", default=0.1, above=0)
    t_ref: float = param("ms", "refractory period, a multiple of dt", default=2.0, minimum=0)
    i_max: float = param("pA", "largest current", default=2000.0, above=0)
    n_currents: int = param("1", "number of currents, from 0 to the largest", default=401, minimum=2)
    backend: str = choice("what runs the network", ("event", "torch_dense", "brian"), default="event")
    seed: int = param("1", "names the run; nothing is drawn at random", default=0, minimum=0)


def models(recipe: Recipe) -> tuple:
    return tuple(model for _, model in MODELS)


def simulate(recipe: Recipe) -> dict[str, np.ndarray]:
    """The arrays of the record."""
    i_ext_N = np.linspace(0.0, recipe.i_max, recipe.n_currents)
    source = "chosen: the refractory period and the currents of the recipe"
    populations = tuple(
        Population(name, recipe.n_currents, vary(model, source=source, i_ext=i_ext_N, t_ref=recipe.t_ref))
        for name, model in MODELS
    )
    net = Network(populations, (), dt=recipe.dt)
    names = [name for name, _ in MODELS]
    record = run_network(
        net, {}, {}, duration=recipe.duration, backend=recipe.backend, record=tuple(f"{name}.spikes" for name in names)
    )
    spikes = [record.spikes[name] for name in names]
    measured = [intervals(events.times, events.units, recipe.n_currents) for events in spikes]
    interval_MN = np.stack([mean for mean, _ in measured])
    if np.isnan(interval_MN).all():
        raise ValueError(f"no neuron fired twice within {recipe.duration} ms; give a larger i_max or duration")
    closed_interval_N, grid_interval_N = closed_form(recipe, i_ext_N)
    return {
        "models_M": np.array(names),
        "i_ext_N": i_ext_N,
        "rate_MN": np.nan_to_num(1e3 / interval_MN),
        "interval_MN": interval_MN,
        "interval_spread_MN": np.stack([spread for _, spread in measured]),
        "closed_interval_N": closed_interval_N,
        "closed_rate_N": 1e3 / closed_interval_N,
        "grid_interval_N": grid_interval_N,
        "max_deviation_M": np.nanmax(np.abs(interval_MN - closed_interval_N), axis=1),
        "max_grid_deviation_M": np.nanmax(np.abs(interval_MN - grid_interval_N), axis=1),
    }


def intervals(times: NDArray, units: NDArray, n_neurons: int) -> tuple[NDArray, NDArray]:
    """Mean interval of each neuron (ms), and its longest less its shortest; NaN with fewer than two spikes."""
    mean_N, spread_N = np.full(n_neurons, np.nan), np.full(n_neurons, np.nan)
    for neuron in range(n_neurons):
        between = np.diff(times[units == neuron])
        if len(between):
            mean_N[neuron], spread_N[neuron] = between.mean(), np.ptp(between)
    return mean_N, spread_N


def closed_form(recipe: Recipe, i_ext_N: NDArray) -> tuple[NDArray, NDArray]:
    """The interval at each current (ms), and with the time to threshold rounded up to whole steps."""
    model = lif.NEST_DEFAULT
    drive_N, threshold = model.r_m * i_ext_N, model.v_th - model.v_rest
    rise_N = np.full(len(i_ext_N), np.inf)
    fires = drive_N > threshold
    rise_N[fires] = model.tau_m * np.log(drive_N[fires] / (drive_N[fires] - threshold))
    return recipe.t_ref + recipe.dt + rise_N, recipe.t_ref + np.ceil(rise_N / recipe.dt) * recipe.dt


if __name__ == "__main__":
    print(run_simulation("lif_fi_curve", Recipe(), Path("runs")).path)
