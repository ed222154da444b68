"""What a network trained with delays has become: whole delays, weights with the batch normalisation folded in.

    w'_ji = w_ji gain_j / sqrt(var_j + 1e-5),     b_j = shift_j - mean_j gain_j / sqrt(var_j + 1e-5)

A constant b_j a step is the current i_ext with r_m i_ext (1 - decay) = b_j. Delays are the places, rounded. Weights
are rounded to multiples of 2^-32 mV, far below what was learned: sums of them are then exact in float64, in any order,
so that every backend, and `potentials` below, finds the same bits.

Axes: T step, B sample, I input, J output, C class.
Reference: ioffe2015 (folding).
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from neuro.connectors import Dense
from neuro.learners.delay_layers import VARIANCE_FLOOR
from neuro.network import Network, Population, Projection, Source, Synapses, all_to_all
from neuro.neurons.leaky_integrator import LeakyIntegrator
from neuro.neurons.lif_delta import LIFDelta

GRID = 2.0**32


class Folded(NamedTuple):
    """One layer's synapses. shift_J: what every neuron receives in each step, mV; None: nothing (the readout)."""

    w_JI: NDArray[np.float64]
    delay_JI: NDArray[np.int64]
    shift_J: NDArray[np.float64] | None


def folded(w_JI: Tensor, places_JI: Tensor, normalisation: tuple[Tensor, ...] | None) -> Folded:
    """A layer as it answers. normalisation: gain, shift, running mean and running variance of each neuron."""
    w, delay_JI = _double(w_JI), np.rint(_double(places_JI)).astype(np.int64)
    if normalisation is None:
        return Folded(np.rint(w * GRID) / GRID, delay_JI, None)
    gain_J, shift_J, mean_J, var_J = map(_double, normalisation)
    scale_J = gain_J / np.sqrt(var_J + VARIANCE_FLOOR)
    return Folded(np.rint(w * scale_J[:, None] * GRID) / GRID, delay_JI, shift_J - mean_J * scale_J)


def repeated(layer: Folded, times: int) -> Folded:
    """A layer each of whose inputs is `times` inputs in succession, with the same synapses."""
    return layer._replace(w_JI=np.repeat(layer.w_JI, times, 1), delay_JI=np.repeat(layer.delay_JI, times, 1))


def _double(tensor: Tensor) -> NDArray[np.float64]:
    return tensor.detach().cpu().double().numpy()


def network(
    layers: list[Folded], cells: list[LIFDelta], readout: LeakyIntegrator, dt: float
) -> tuple[Network, dict[str, Synapses]]:
    """A network, and its weights, that run on any backend: input, hidden0, hidden1, .., readout."""
    models = [Source(), *cells, readout]
    names = ["input", *(f"hidden{k}" for k in range(len(cells))), "readout"]
    sizes = [layers[0].w_JI.shape[1], *(len(layer.w_JI) for layer in layers)]
    populations = tuple(Population(*each) for each in zip(names, sizes, models, strict=True))
    projections, weights = [], {}
    for layer, pre, post in zip(layers, names, names[1:], strict=False):
        projections.append(Projection(pre, post, Dense(), delay=float(layer.delay_JI.min()) * dt))
        weights[projections[-1].name] = _synapses(layer)
    return Network(populations, tuple(projections), dt), weights


def _synapses(layer: Folded) -> Synapses:
    return all_to_all(layer.w_JI)._replace(delays=layer.delay_JI.T.ravel().astype(np.uint16))


class Found(NamedTuple):
    """potentials of the readout, and the work that was done."""

    v_TBC: NDArray[np.float64]
    n_spikes: int
    n_events: int


def potentials(
    layers: list[Folded], cells: list[LIFDelta], readout: LeakyIntegrator, dt: float, spikes_BTI: NDArray[np.bool_]
) -> Found:
    """What `network` does, layer after layer for all steps: every spike is sent along the row of its neuron."""
    n_spikes = n_events = 0
    for layer, cell in zip(layers, cells, strict=False):
        x_BTJ, n = _arrivals(spikes_BTI, layer.w_JI.T.copy(), layer.delay_JI.T.copy())
        spikes_BTI = _fire(x_BTJ, np.broadcast_to(cell.coefficients(dt).v_inf, len(layer.w_JI)), cell, dt)
        n_spikes, n_events = n_spikes + int(spikes_BTI.sum()), n_events + n
    x_BTC, n = _arrivals(spikes_BTI, layers[-1].w_JI.T.copy(), layers[-1].delay_JI.T.copy())
    decay, v_TBC = readout.coefficients(dt).p_vv, np.zeros_like(x_BTC.transpose(1, 0, 2))
    for t in range(len(v_TBC)):
        v_TBC[t] = decay * v_TBC[t - 1] + x_BTC[:, t] if t else x_BTC[:, t]
    return Found(v_TBC, n_spikes, n_events + n)


def _fire(x_BTJ: NDArray, v_inf_J: NDArray, cell: LIFDelta, dt: float) -> NDArray[np.bool_]:
    """The steps of lif_delta.py without refractoriness, at rest at 0 before the first."""
    decay, v_BJ, fired_BTJ = cell.coefficients(dt).p_vv, np.zeros_like(x_BTJ[:, 0]), np.zeros(x_BTJ.shape, np.bool_)
    for t in range(x_BTJ.shape[1]):
        v_BJ = v_inf_J + decay * (v_BJ - v_inf_J) + x_BTJ[:, t]
        fired_BTJ[:, t] = v_BJ >= cell.v_th
        v_BJ = np.where(fired_BTJ[:, t], cell.v_reset, v_BJ)
    return fired_BTJ


@njit(cache=True)
def _arrivals(spikes_BTI, w_IJ, delay_IJ):
    """What arrives [B, T, J], and the number of spikes that crossed a synapse in time."""
    n_samples, n_steps, n_in = spikes_BTI.shape
    x_BTJ, n_events = np.zeros((n_samples, n_steps, w_IJ.shape[1])), 0
    for b in range(n_samples):
        for t in range(n_steps):
            for i in range(n_in):
                if spikes_BTI[b, t, i]:
                    for j in range(w_IJ.shape[1]):
                        arrival = t + delay_IJ[i, j]
                        if arrival < n_steps:
                            x_BTJ[b, arrival, j] += w_IJ[i, j]
                            n_events += 1
    return x_BTJ, n_events
