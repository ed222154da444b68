"""Compiled: layers of LIF neurons forward and backward in time, for a few samples, where something happens.

    forward     v^t = p v^{t-1} (1 - z^{t-1}) + drive + sum of the rows of w_IJ whose units fired,  z^t = [v^t >= v_th]
    backward    e_j^t = psi(v_j^t - v_th) g_j^t + p (1 - z_j^t) e_j^{t+1}              e = dE / dv before the reset
                g_i^t = sum_j w_ij e_j^t, the error of a spike, only where psi is not 0
    weights     dE / dw_ij = sum of e_j^t over the spikes t of i

e takes the place of v in memory, since it needs v only there. Of spikes, lists are kept. Arithmetic is in the type of
the weights; sums are in any order, which lets them be vectorised.

Axes: S sample, T step, I unit below, J neuron, K spike of a sample, ordered by step. Spikes are units_SK with
offsets_SQ: those of step t of sample s are units_SK[s, offsets_SQ[s, t]] to units_SK[s, offsets_SQ[s, t + 1]].
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from neuro.events import bin_times

BLOCK = 16  # steps whose errors go down together: a row of weights is then fetched once for all of them
CODES = ("fast_sigmoid", "sigmoid", "atan", "triangle", "rectangle", "straight_through")

compiled: Any = njit(nogil=True, cache=True, error_model="numpy")
inlined: Any = njit(nogil=True, error_model="numpy")
# Nothing that decides whether a neuron fires, but for the order of the sum of what arrives, is among these.
summing: Any = njit(nogil=True, error_model="numpy", fastmath={"reassoc", "nsz", "contract"})
binned: Any = njit(nogil=True)(bin_times)


class Cell(NamedTuple):
    """A neuron and its surrogate, in numbers of the type of the weights; code: place of the surrogate in CODES.

    least: derivatives that do not exceed it count as 0.
    """

    decay: Any
    v_th: Any
    slope: Any
    least: Any
    zero: Any
    half: Any
    one: Any
    half_pi: Any
    code: int


def cell(number: type, decay: float, v_th: float, surrogate: str, slope: float, least: float) -> Cell:
    """number: the type, such as np.float32."""
    return Cell(*map(number, (decay, v_th, slope, least, 0.0, 0.5, 1.0, 0.5 * np.pi)), code=CODES.index(surrogate))


@compiled
def list_spikes(times, units, firsts_S, n_units, dt, units_SK, offsets_SQ):
    """Bin events as `raster` does: a unit fires once a step at most, and what lies behind the last step is dropped.

    firsts_S: where the events of each sample begin, and where those of the last end.
    """
    n_steps = offsets_SQ.shape[1] - 1
    for s in range(len(firsts_S) - 1):
        first, n, done = firsts_S[s], 0, 0
        step_K, last_I = binned(times[first : firsts_S[s + 1]], dt), np.full(n_units, -1)
        for k in range(len(step_K)):
            step, unit = step_K[k], units[first + k]
            if step >= n_steps:
                break
            while done <= step:
                offsets_SQ[s, done] = n
                done += 1
            if last_I[unit] != step:
                last_I[unit] = step
                units_SK[s, n] = unit
                n += 1
        offsets_SQ[s, done:] = n


@summing
def _add_rows(x_J, w_KJ, rows, first, last):
    """x_J += the rows of a matrix that rows[first:last] names, four in one pass."""
    k = first
    while k + 4 <= last:
        a, b, c, d = rows[k], rows[k + 1], rows[k + 2], rows[k + 3]
        for j in range(len(x_J)):
            x_J[j] += (w_KJ[a, j] + w_KJ[b, j]) + (w_KJ[c, j] + w_KJ[d, j])
        k += 4
    while k < last:
        a = rows[k]
        for j in range(len(x_J)):
            x_J[j] += w_KJ[a, j]
        k += 1


@compiled
def advance(below_SK, below_SQ, w_IJ, drive_SJ, c, v_STJ, units_SK, offsets_SQ):
    """A layer through all steps, from rest. drive_SJ: what arrives in every step besides spikes."""
    n_samples, n_steps, n_neurons = v_STJ.shape
    x_J = np.empty_like(drive_SJ[0])
    for s in range(n_samples):
        after_J, n = np.zeros_like(x_J), 0
        offsets_SQ[s, 0] = 0
        for t in range(n_steps):
            v_J = v_STJ[s, t]
            x_J[:] = drive_SJ[s]
            _add_rows(x_J, w_IJ, below_SK[s], below_SQ[s, t], below_SQ[s, t + 1])
            for j in range(n_neurons):
                v_J[j] = c.decay * after_J[j] + x_J[j]
                after_J[j] = v_J[j] if v_J[j] < c.v_th else c.zero
            for j in range(n_neurons):
                units_SK[s, n] = j
                n += v_J[j] >= c.v_th
            offsets_SQ[s, t + 1] = n


@compiled
def weighted_counts(units_SK, offsets_SQ, share_T, counts_SJ):
    """counts_SJ: the sum of share_T over the spikes of each unit."""
    counts_SJ[:] = 0
    for s in range(len(counts_SJ)):
        for t in range(len(share_T)):
            for k in range(offsets_SQ[s, t], offsets_SQ[s, t + 1]):
                counts_SJ[s, units_SK[s, k]] += share_T[t]


@inlined
def derivatives(psi_J, v_J, c):
    """psi_J: the surrogate's derivative at each potential, as in surrogate.py, and 0 where it is small."""
    if c.code == 0:
        for j in range(len(v_J)):
            u = c.one + c.slope * abs(v_J[j] - c.v_th)
            psi_J[j] = c.one / (u * u)
    elif c.code == 1:
        for j in range(len(v_J)):
            u = np.exp(-c.slope * abs(v_J[j] - c.v_th))
            psi_J[j] = c.slope * u / ((c.one + u) * (c.one + u))
    elif c.code == 2:
        for j in range(len(v_J)):
            u = c.half_pi * c.slope * (v_J[j] - c.v_th)
            psi_J[j] = c.half * c.slope / (c.one + u * u)
    elif c.code == 3:
        for j in range(len(v_J)):
            psi_J[j] = max(c.one - c.slope * abs(v_J[j] - c.v_th), c.zero)
    elif c.code == 4:
        for j in range(len(v_J)):
            psi_J[j] = c.slope if abs(v_J[j] - c.v_th) < c.half / c.slope else c.zero
    else:
        psi_J[:] = c.one
    for j in range(len(v_J)):
        psi_J[j] = psi_J[j] if psi_J[j] > c.least else c.zero


@inlined
def _error(v_J, psi_J, g_J, later_J, c):
    """Put the error of a step into later_J, which holds that of the next one, and into the place of v_J."""
    for j in range(len(v_J)):
        kept = c.decay * later_J[j] if v_J[j] < c.v_th else c.zero
        later_J[j] = psi_J[j] * g_J[j] + kept
        v_J[j] = later_J[j]


@compiled
def errors_from_readout(v_STJ, g_SJ, share_T, c):
    """The errors of the highest layer, in place of its potentials; share_T[t] * g_SJ is that of a spike of step t.

    Returns at how many places psi is not 0.
    """
    n_samples, n_steps, n_neurons = v_STJ.shape
    psi_J, g_J, n_active = np.empty_like(g_SJ[0]), np.empty_like(g_SJ[0]), 0
    for s in range(n_samples):
        later_J = np.zeros_like(psi_J)
        for t in range(n_steps - 1, -1, -1):
            derivatives(psi_J, v_STJ[s, t], c)
            for j in range(n_neurons):
                n_active += psi_J[j] != c.zero
                g_J[j] = share_T[t] * g_SJ[s, j]
            _error(v_STJ[s, t], psi_J, g_J, later_J, c)
    return n_active


@summing
def _products(out_TI, i, w_J, e_TJ, steps, n, zero):
    """out_TI[t, i] = w_J . e_TJ[t] for the first n of `steps`, four in one pass."""
    k = 0
    while k + 4 <= n:
        t, u, v, w = steps[k], steps[k + 1], steps[k + 2], steps[k + 3]
        sum_t, sum_u, sum_v, sum_w = zero, zero, zero, zero
        for j in range(len(w_J)):
            sum_t += w_J[j] * e_TJ[t, j]
            sum_u += w_J[j] * e_TJ[u, j]
            sum_v += w_J[j] * e_TJ[v, j]
            sum_w += w_J[j] * e_TJ[w, j]
        out_TI[t, i], out_TI[u, i], out_TI[v, i], out_TI[w, i] = sum_t, sum_u, sum_v, sum_w
        k += 4
    while k < n:
        t, sum_t = steps[k], zero
        for j in range(len(w_J)):
            sum_t += w_J[j] * e_TJ[t, j]
        out_TI[t, i] = sum_t
        k += 1


@compiled
def errors_from_above(v_STI, e_STJ, w_IJ, c):
    """The errors of a layer, in place of its potentials, from those of the layer above it.

    Returns at how many places psi is not 0.
    """
    n_samples, n_steps, n_units = v_STI.shape
    psi_TI, g_TI = np.zeros((BLOCK, n_units), w_IJ.dtype), np.zeros((BLOCK, n_units), w_IJ.dtype)
    active_IT, n_I, n_active = np.empty((n_units, BLOCK + 1), np.uint8), np.empty(n_units, np.int64), 0
    for s in range(n_samples):
        later_I = np.zeros_like(psi_TI[0])
        for end in range(n_steps, 0, -BLOCK):
            first = max(end - BLOCK, 0)
            n_I[:] = 0
            for t in range(end - first):
                derivatives(psi_TI[t], v_STI[s, first + t], c)
                for i in range(n_units):
                    active_IT[i, n_I[i]] = t
                    n_I[i] += psi_TI[t, i] != c.zero
            for i in range(n_units):
                _products(g_TI, i, w_IJ[i], e_STJ[s, first:end], active_IT[i], n_I[i], c.zero)
                n_active += n_I[i]
            for t in range(end - 1, first - 1, -1):
                _error(v_STI[s, t], psi_TI[t - first], g_TI[t - first], later_I, c)
    return n_active


@compiled
def add_weight_gradient(units_SK, offsets_SQ, e_STJ, gradient_IJ):
    """gradient_IJ += the errors of the steps in which each unit fired; unit by unit, so that a row stays in cache."""
    n_samples, n_steps, _ = e_STJ.shape
    n_units = len(gradient_IJ)
    for s in range(n_samples):
        n_spikes = offsets_SQ[s, n_steps]
        ends_I, step_K = np.zeros(n_units + 1, np.int64), np.empty(n_spikes, np.int64)
        for k in range(n_spikes):
            ends_I[units_SK[s, k] + 1] += 1
        ends_I[:] = np.cumsum(ends_I)
        for t in range(n_steps):
            for k in range(offsets_SQ[s, t], offsets_SQ[s, t + 1]):
                step_K[ends_I[units_SK[s, k]]] = t
                ends_I[units_SK[s, k]] += 1
        first = 0
        for i in range(n_units):
            _add_rows(gradient_IJ[i], e_STJ[s], step_K, first, ends_I[i])
            first = ends_I[i]
