"""Leaky integrate-and-fire neurons between two events, in closed form, and when they reach the threshold; compiled.

With t counted from a base time, and j_k, a constant until something arrives,

    v(t) - v_inf = a exp(-t / tau_m) + r_m sum_k j_k Q_k(t)          i_k(t) = j_k exp(-t / tau_k)

where Q_k is what a current exp(-t / tau_k) makes of v. Any solution of tau_m dQ/dt = -Q + exp(-t / tau_k) will
do: for tau_k unlike tau_m the pure exponential, else the one that starts at 0, which knows no singularity. So an
arrival of w adds to j and a two multiples of w that depend on time alone, and targets of one spike share them.

A threshold is found in two ways. `bound` is cheap: ms during which v surely stays below it. `crossing` is exact.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from neuro.backends.calendar_queue import OPTIONS
from neuro.neurons.exact import phi1

# Columns of the state of a neuron, 64 bytes: a in mV, j in pA, times in ms (NEVER: it does not happen). base: time
# from which t counts; wakes: end of refractoriness; due: v is below threshold until then; queued: first look that is
# on the calendar; fires: time of the spike, if nothing arrives before, or while v is held, by how much `wakes` is late.
A, J_1, J_2, BASE, WAKES, DUE, QUEUED, FIRES = range(8)
NEVER = np.inf

# Columns of parameters: for all (theta and rho are v_th and v_reset less v_inf), then for each of two currents.
RATE_M, TAU_M, R_M, THETA, RHO, T_REF, N_CURRENTS = range(7)
RATE, DETUNING, START, PEAK, BEND = range(5)
FIRST, SECOND, N_PARAMETERS = 7, 12, 17

ALIKE = 0.05  # |tau_m / tau_k - 1| below which Q_k starts at 0
CLOSE = 1e-13  # in tau_m: step at which a search for a crossing ends
# Cached where they are called. forceinline: handing over arrays takes longer than what is done at a synaptic event.
compiled: Any = njit(**OPTIONS)
inlined: Any = njit(**OPTIONS, forceinline=True)


def parameters(model: Any, size: int) -> NDArray[np.float64]:
    """Of a population, [1, N_PARAMETERS], or [size, ...] where a parameter of the model is an array."""
    taus = [getattr(model, tau) for tau in model.FLOW.values()]
    values = [model.tau_m, model.r_m, model.v_rest, model.v_th, model.v_reset, model.t_ref, model.i_ext, *taus]
    n_rows = size if any(np.ndim(value) for value in values) else 1
    tau_m, r_m, v_rest, v_th, v_reset, t_ref, i_ext, *taus = (np.broadcast_to(v, n_rows).astype(float) for v in values)
    p = np.zeros((n_rows, N_PARAMETERS))
    p[:, RATE_M], p[:, TAU_M], p[:, R_M], p[:, T_REF], p[:, N_CURRENTS] = 1 / tau_m, tau_m, r_m, t_ref, len(taus)
    p[:, THETA], p[:, RHO] = v_th - v_rest - r_m * i_ext, v_reset - v_rest - r_m * i_ext
    for k, tau in zip((FIRST, SECOND), taus, strict=False):
        ratio = (tau_m - tau) / tau
        p[:, k + RATE], p[:, k + DETUNING] = 1 / tau, ratio / tau_m
        p[:, k + START] = np.where(np.abs(ratio) < ALIKE, 0.0, -1.0 / np.where(ratio == 0.0, 1.0, ratio))
        # The highest v that a current of 1 makes from rest; a little more, for rounding.
        p[:, k + PEAK] = np.exp(-1.0 / phi1(np.log1p(ratio))) / (1.0 + ratio) * (1.0 + 1e-14)
        p[:, k + BEND] = 0.5 * (1.0 + ratio)
    return p


@compiled
def response(t, e_m, e_k, rate_m, detuning):
    """What a current exp(-t / tau_k) has made of v, in units of r_m, if it found v at rest at t = 0."""
    x = t * detuning
    if abs(x) < 1.0:
        return t * rate_m * e_k * (np.expm1(x) / x if x != 0.0 else 1.0)
    return (e_m - e_k) * rate_m / detuning


@compiled
def _particular(t, e_m, e_k, p, row, k):
    """r_m Q_k(t)."""
    if p[row, k + START] != 0.0:
        return p[row, R_M] * p[row, k + START] * e_k
    return p[row, R_M] * response(t, e_m, e_k, p[row, RATE_M], p[row, k + DETUNING])


@compiled
def factors(t, p, row):
    """exp(-t / tau_m), and of each current exp(-t / tau_k) and r_m Q_k(t); t in ms from the base time."""
    e_m, e_1, e_2, q_1, q_2 = np.exp(-t * p[row, RATE_M]), 1.0, 1.0, 0.0, 0.0
    if p[row, N_CURRENTS] > 0:
        e_1 = np.exp(-t * p[row, FIRST + RATE])
        q_1 = _particular(t, e_m, e_1, p, row, FIRST)
    if p[row, N_CURRENTS] > 1:
        e_2 = np.exp(-t * p[row, SECOND + RATE])
        q_2 = _particular(t, e_m, e_2, p, row, SECOND)
    return e_m, e_1, e_2, q_1, q_2


@inlined
def now(s, j, f, r_m):
    """v - v_inf and the two currents in mV, of a neuron with state s."""
    e_m, e_1, e_2, q_1, q_2 = f
    return s[j, A] * e_m + s[j, J_1] * q_1 + s[j, J_2] * q_2, r_m * s[j, J_1] * e_1, r_m * s[j, J_2] * e_2


@compiled
def rebase(s, j, p, row, base):
    """Count the time of a neuron from another base time."""
    e_m, e_1, e_2, q_1, q_2 = factors(base - s[j, BASE], p, row)
    r_m = p[row, R_M]
    s[j, A] = (
        s[j, A] * e_m
        + s[j, J_1] * (q_1 - r_m * p[row, FIRST + START] * e_1)
        + s[j, J_2] * (q_2 - r_m * p[row, SECOND + START] * e_2)
    )
    s[j, J_1] *= e_1
    s[j, J_2] *= e_2
    s[j, BASE] = base


@inlined
def bound(x, c_1, c_2, p, row):
    """ms during which v surely stays below v_th if nothing arrives; x = v - v_inf, c: currents times r_m, mV.

    With y = tau_m dv/dt: y' = -y / tau_m + c_1' + c_2', and only a negative c can have c' > 0, of at most |c| / tau_k.
    So v rises in t by no more than slope t / tau_m + bend (t / tau_m)^2, which is solved for the distance to v_th.
    """
    gap = p[row, THETA] - x
    if gap <= 0.0:
        return 0.0
    reach = max(x, 0.0) + max(c_1, 0.0) * p[row, FIRST + PEAK] + max(c_2, 0.0) * p[row, SECOND + PEAK]
    if reach < p[row, THETA] or (reach == 0.0 and p[row, THETA] == 0.0):
        return NEVER
    slope = c_1 + c_2 - x
    bend = max(-c_1, 0.0) * p[row, FIRST + BEND] + max(-c_2, 0.0) * p[row, SECOND + BEND]
    if slope > 0.0:
        return p[row, TAU_M] * 2.0 * gap / (slope + np.sqrt(slope * slope + 4.0 * bend * gap))
    if bend == 0.0:
        return NEVER
    bend -= 0.5 * slope
    return p[row, TAU_M] * (np.sqrt(slope * slope + 4.0 * bend * gap) - slope) / (2.0 * bend)


@compiled
def crossing(x, c_1, c_2, p, row):
    """ms until v first reaches v_th if nothing arrives, and whether that is exact or only a time before it.

    `bound` is Newton's step for a v that is bent upwards as far as it can be: from below it never passes a crossing,
    and comes close to it quadratically.
    """
    if c_1 == 0.0 and c_2 == 0.0:
        if x >= p[row, THETA]:
            return 0.0, True
        return (
            (p[row, TAU_M] * np.log1p((x - p[row, THETA]) / p[row, THETA]), True)
            if p[row, THETA] < 0.0
            else (NEVER, True)
        )
    t, now, now_1, now_2 = 0.0, x, c_1, c_2
    for _ in range(200):
        step = bound(now, now_1, now_2, p, row)
        t += step
        if step <= CLOSE * p[row, TAU_M] or step == NEVER:
            return t, True
        e_m, e_1, e_2 = (
            np.exp(-t * p[row, RATE_M]),
            np.exp(-t * p[row, FIRST + RATE]),
            np.exp(-t * p[row, SECOND + RATE]),
        )
        now = x * e_m + c_1 * response(t, e_m, e_1, p[row, RATE_M], p[row, FIRST + DETUNING])
        now += c_2 * response(t, e_m, e_2, p[row, RATE_M], p[row, SECOND + DETUNING])
        now_1, now_2 = c_1 * e_1, c_2 * e_2
    return t, False


@inlined
def gains(f, receptor):
    """What a weight of 1 adds to j of its receptor, and to a; receptor 0 is v itself."""
    e_m, e_1, e_2, q_1, q_2 = f
    if receptor == 0:
        return 0.0, 1.0 / e_m
    e_k, q_k = (e_1, q_1) if receptor == 1 else (e_2, q_2)
    return 1.0 / e_k, -q_k / (e_k * e_m)
