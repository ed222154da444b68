"""Compiled: one layer of EventProp, from event to event, forward and backward in time; float64.

Between two events, dt apart,   v <- v e_m + i q,   i <- i e_s      (e_m = exp(-dt / tau_m), e_s = exp(-dt / tau_syn),
q: what a current of 1 pA has made of v, r_m being 1 GOhm). When v reaches v_th is found as in closed_form.py, to
rounding. Backward in time, a = dL/dv and b = dL/di go   b <- b e_s + a q,   a <- a e_m,   and jump:

    own spike     a <- (a i - tau_m dL/dt_spike) / (i - v_th): those of a before it over those of after, by v' there
    arrival       dL/dw += b;   dL/dt_arrival += w (b / tau_syn - a / tau_m)

An arrival is a spike of the layer below, and so that layer learns what dL/dt_spike is. In the paper's letters,
lambda_V = -a / tau_m and lambda_I = -b / tau_syn.

Axes: J neuron, I input, C class, K arrival, M spike of the layer; arrivals and spikes are in the order of their times.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from neuro.backends.closed_form import DETUNING, FIRST, RATE, RATE_M, TAU_M, THETA, crossing, response

compiled: Any = njit(nogil=True, cache=True, error_model="numpy")
inlined: Any = njit(nogil=True, error_model="numpy")


class Spikes(NamedTuple):
    """Spikes in the order of their times: ms, which neuron, and its current then, pA (0 for those of the input)."""

    times_M: Any
    units_M: Any
    currents_M: Any


class Peaks(NamedTuple):
    """The highest potential of each class, mV, when it is reached, and if by force of an arrival, then by which.

    arrivals_C: that ends the rise of v, or -1 where v' is 0 or nothing more to come. slopes_C: v' before it, mV/ms.
    """

    v_C: Any
    times_C: Any
    arrivals_C: Any
    slopes_C: Any


@inlined
def _flow(dt, p):
    e_m, e_s = np.exp(-dt * p[0, RATE_M]), np.exp(-dt * p[0, FIRST + RATE])
    return e_m, e_s, response(dt, e_m, e_s, p[0, RATE_M], p[0, FIRST + DETUNING])


@inlined
def _flows(times_K, duration, p):
    """What happens until each arrival since the one before it, and then until duration; the same for all neurons."""
    flows_K, t = np.empty((len(times_K) + 1, 3)), 0.0
    for k in range(len(times_K) + 1):
        until = times_K[k] if k < len(times_K) else duration
        flows_K[k, 0], flows_K[k, 1], flows_K[k, 2] = _flow(until - t, p)
        t = until
    return flows_K


@inlined
def _of(flows_K, k):
    return flows_K[k, 0], flows_K[k, 1], flows_K[k, 2]


@inlined
def _longer(array):
    return np.concatenate((array, np.empty_like(array)))


@compiled
def fire(below, w_JI, p, duration):
    """The spikes of a layer, from rest to duration (ms). p: of closed_form.parameters, one row for all neurons."""
    times, units, currents, n = np.empty(64), np.empty(64, np.int64), np.empty(64), 0
    flows_K = _flows(below.times_M, duration, p)
    for j in range(len(w_JI)):
        t = v = i = 0.0
        for k in range(len(below.times_M) + 1):
            start, until = t, below.times_M[k] if k < len(below.times_M) else duration
            while True:
                wait, is_exact = crossing(v, i, 0.0, p, 0)
                if t + wait >= until:
                    break
                e_m, e_s, q = _flow(wait, p)
                t, v, i = t + wait, v * e_m + i * q, i * e_s
                if is_exact:
                    if n == len(times):
                        times, units, currents = _longer(times), _longer(units), _longer(currents)
                    times[n], units[n], currents[n] = t, j, i
                    v, n = 0.0, n + 1
            e_m, e_s, q = _of(flows_K, k) if t == start else _flow(until - t, p)
            t, v, i = until, v * e_m + i * q, i * e_s
            if k < len(below.times_M):
                i += w_JI[j, below.units_M[k]]
    order = np.argsort(times[:n])
    return times[order], units[order], currents[order]


@inlined
def _summit(v, i, p):
    """ms until a rising v is at its highest, if nothing arrives: where v = i."""
    if i <= 0.0:
        return np.inf  # v runs after i, to 0, and does not reach it
    y, r = 1.0 - v / i, 1.0 - p[0, RATE_M] / p[0, FIRST + RATE]
    x = y * r
    if x >= 1.0:
        return np.inf
    return y / p[0, FIRST + RATE] * (-np.log1p(-x) / x if x != 0.0 else 1.0)


@compiled
def find_peaks(below, w_CI, p, duration):
    """The highest potentials of neurons that never fire, from rest (v = 0, which counts) to duration."""
    n_classes, n = len(w_CI), len(below.times_M)
    v_C, times_C = np.zeros(n_classes), np.zeros(n_classes)
    arrivals_C, slopes_C = np.full(n_classes, -1), np.zeros(n_classes)
    flows_K = _flows(below.times_M, duration, p)
    for c in range(n_classes):
        t = v = i = 0.0
        for k in range(n + 1):
            until = below.times_M[k] if k < n else duration
            wait = _summit(v, i, p) if i > v else np.inf
            is_inside = t + wait < until
            e_m, e_s, q = _flow(wait, p) if is_inside else _of(flows_K, k)
            top, i_top = v * e_m + i * q, i * e_s
            if top > v_C[c]:
                v_C[c], times_C[c] = top, t + wait if is_inside else until
                arrivals_C[c] = -1 if is_inside or k == n else k
                slopes_C[c] = (i_top - top) * p[0, RATE_M]
            e_m, e_s, q = _of(flows_K, k)
            t, v, i = until, v * e_m + i * q, i * e_s
            if k < n:
                i += w_CI[c, below.units_M[k]]
    return v_C, times_C, arrivals_C, slopes_C


@inlined
def _by_neuron(units_M, n_neurons):
    """The spikes of neuron j are order[firsts[j]] to order[firsts[j + 1]]."""
    firsts = np.zeros(n_neurons + 1, np.int64)
    for unit in units_M:
        firsts[unit + 1] += 1
    return np.argsort(units_M, kind="mergesort"), np.cumsum(firsts)


@compiled
def send_back(below, w_JI, p, own, dtimes_M, ends_J, a_J, gradient_JI):
    """From dL/dt of a layer's spikes to that of its arrivals, which is returned; gradient_JI += dL/dw.

    own: the layer's spikes, none for a readout. ends_J: where each neuron begins its way back, a_J: its dL/dv there.
    Arrivals at that very time come too late to matter.
    """
    dtimes_K = np.zeros(len(below.times_M))
    order, firsts = _by_neuron(own.units_M, len(w_JI))
    rate_m, rate_s = p[0, RATE_M], p[0, FIRST + RATE]
    flows_K = _flows(below.times_M, np.inf, p)
    for j in range(len(w_JI)):
        t, a, b = ends_J[j], a_J[j], 0.0
        m, k = firsts[j + 1] - 1, len(below.times_M) - 1
        while k >= 0 and below.times_M[k] >= t:
            k -= 1
        while k >= 0:
            is_own = m >= firsts[j] and own.times_M[order[m]] > below.times_M[k]
            if a == 0.0 and b == 0.0 and not is_own:
                k -= 1
                continue
            then = own.times_M[order[m]] if is_own else below.times_M[k]
            is_next = not is_own and k + 1 < len(below.times_M) and t == below.times_M[k + 1]
            e_m, e_s, q = _of(flows_K, k + 1) if is_next else _flow(t - then, p)
            t, a, b = then, a * e_m, b * e_s + a * q
            if is_own:
                i = own.currents_M[order[m]]
                a = (a * i - p[0, TAU_M] * dtimes_M[order[m]]) / (i - p[0, THETA])
                m -= 1
            else:
                gradient_JI[j, below.units_M[k]] += b
                dtimes_K[k] += w_JI[j, below.units_M[k]] * (b * rate_s - a * rate_m)
                k -= 1
    return dtimes_K
