"""The window of pair STDP, measured pair by pair, beside its closed form.

The additive window is Fig. 1 from: Song, Miller & Abbott (2000). doi:10.1038/78829. Softer ones depend on
the weight, up to the multiplicative rule (softness 1); the models compared by Gutig et al. (2003),
doi:10.1523/JNEUROSCI.23-09-03697.2003, which go from one to the other by a power of the weight instead.

For each difference and each initial weight there is one synapse: its presynaptic neuron fires once, and
its postsynaptic neuron once, through a strong drive. With t = t_post - t_pre,

    t >= 0:  dw =  a_plus  exp(-t / tau_pre)  (w_max - softness w)
    t < 0:   dw = -a_minus exp( t / tau_post) ((1 - softness) w_max + softness w)

and w stays in [0, w_max].

The record: softness_S; differences_D (ms); w_start_W, change_SWD and closed_change_SWD (fractions of
w_max); fired_SWD, spikes of each postsynaptic neuron, all 1 in a valid run; max_deviation.

Axes: S softness, W initial weight, D difference of spike times.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neuro import Network, OneToOne, Population, Projection, Source, connect, make_events, vary
from neuro import simulate as run_network
from neuro.neurons import lif_delta
from neuro.plasticity import stdp
from neuro.units import choice, param, steps
from simulations.run import run_simulation

RULE = stdp.SONG_ABBOTT  # w_max = 1: weights of up to 1 mV, far below threshold
NEURON = lif_delta.NEST_DEFAULT
DRIVE = 2.0 * (NEURON.v_th - NEURON.v_rest)  # mV; one spike of it makes the neuron fire


@dataclass(frozen=True)
class Recipe:
    """One pair of spikes for each difference, initial weight and softness."""

    duration: float = param("ms", "time simulated, longer than twice the span", default=130.0, above=0)
    dt: float = param("ms", "step", default=0.1, above=0)
    span: float = param("ms", "largest difference of spike times, a multiple of spacing", default=60.0, above=0)
    spacing: float = param("ms", "between differences, a multiple of dt", default=2.0, above=0)
    softness: tuple[float, ...] = param(
        "1", "0: additive, 1: multiplicative", default=(0.0, 0.5, 1.0), minimum=0, maximum=1
    )
    w_start: tuple[float, ...] = param(
        "1", "initial weights, fractions of w_max", default=(0.1, 0.3, 0.5, 0.7, 0.9), minimum=0, maximum=1
    )
    backend: str = choice("what runs the network", ("event", "torch_dense", "brian"), default="event")
    seed: int = param("1", "names the run; nothing is drawn at random", default=0, minimum=0)


def models(recipe: Recipe) -> tuple:
    return RULE, NEURON


def simulate(recipe: Recipe) -> dict[str, np.ndarray]:
    """The arrays of the record."""
    differences_D = differences(recipe)
    w_start_W = np.asarray(recipe.w_start)
    measured = [pairs(recipe, softness, w_start_W, differences_D) for softness in recipe.softness]
    change_SWD = np.stack([change for change, _ in measured])
    closed = [closed_form(softness, w_start_W[:, None], differences_D) for softness in recipe.softness]
    return {
        "softness_S": np.asarray(recipe.softness),
        "differences_D": differences_D,
        "w_start_W": w_start_W,
        "change_SWD": change_SWD,
        "closed_change_SWD": np.stack(closed),
        "fired_SWD": np.stack([fired for _, fired in measured]),
        "max_deviation": np.abs(change_SWD - np.stack(closed)).max(),
    }


def differences(recipe: Recipe) -> NDArray[np.float64]:
    """t_post - t_pre, ms, whole steps each. ValueError where the recipe does not fit together."""
    if not (recipe.softness and recipe.w_start):
        raise ValueError("nothing to measure; give at least one softness and one w_start")
    if recipe.duration <= 2.0 * recipe.span:
        raise ValueError(f"duration {recipe.duration} ms is too short; give more than {2.0 * recipe.span} ms")
    n_spacing = steps(recipe.spacing, recipe.dt, "spacing")
    n_span = steps(recipe.span, recipe.spacing, "span")
    return np.arange(-n_span, n_span + 1) * n_spacing * recipe.dt


def pairs(recipe: Recipe, softness: float, w_start_W: NDArray, differences_D: NDArray) -> tuple[NDArray, NDArray]:
    """Change of weight_WD, and spikes_WD of each postsynaptic neuron, through the backend."""
    shape = len(w_start_W), len(differences_D)
    size = shape[0] * shape[1]
    rule = vary(RULE, source="chosen: softness of the recipe", softness=softness)
    net = Network(
        (Population("pre", size, Source()), Population("drive", size, Source()), Population("post", size, NEURON)),
        (Projection("pre", "post", OneToOne(), rule=rule), Projection("drive", "post", OneToOne())),
        dt=recipe.dt,
    )
    w = np.repeat(w_start_W, shape[1]) * RULE.w_max
    weights = connect(net, {"pre->post": w, "drive->post": DRIVE}, recipe.seed)
    t_post = round(0.5 * recipe.duration / recipe.dt) * recipe.dt
    t_pre = t_post - np.tile(differences_D, shape[0])
    units = np.arange(size)
    inputs = {"pre": make_events(t_pre, units), "drive": make_events(np.full(size, t_post), units)}
    record = run_network(
        net, weights, inputs, duration=recipe.duration, backend=recipe.backend, plastic=True, record=("post.spikes",)
    )
    change = (record.weights["pre->post"].weights - w) / RULE.w_max
    fired = np.bincount(record.spikes["post"].units, minlength=size)
    return change.reshape(shape), fired.reshape(shape)


def closed_form(softness: float, w_start: NDArray, difference: NDArray) -> NDArray[np.float64]:
    """The change of a weight by one pair, as a fraction of w_max; arguments broadcast."""
    up = RULE.a_plus * np.exp(-difference / RULE.tau_pre) * (1.0 - softness * w_start)
    down = -RULE.a_minus * np.exp(difference / RULE.tau_post) * (1.0 - softness + softness * w_start)
    change = np.where(difference >= 0, up, down)
    return np.clip(w_start + change, 0.0, 1.0) - w_start


if __name__ == "__main__":
    print(run_simulation("stdp_window", Recipe(), Path("runs")).path)
