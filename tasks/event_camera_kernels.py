"""The loops of the event camera, compiled by numba; see tasks/event_camera.py. Imported only when a camera watches.

Axes: N pixel, T time, X direction (right, down).
"""

import math

import numpy as np
from numba import njit

from neuro.connector_kernels import uniform

IN_THE_LIGHT = 0.25  # share of the shot noise that is left at I = 1 (hu2021)


@njit(cache=True)
def show(strokes, margin, places_TX, ink, luminance_NT):
    """The luminance of every pixel over time; between its pixels the image is interpolated bilinearly.

    strokes: 0 to 1, with `margin` empty pixels around them. places_TX: of the image, right and down, px.
    """
    field = round(math.sqrt(len(luminance_NT)))
    least_x, most_x = places_TX[:, 0].min(), places_TX[:, 0].max()
    least_y, most_y = places_TX[:, 1].min(), places_TX[:, 1].max()
    for n in range(len(luminance_NT)):
        row, column = n // field + margin, n % field + margin
        rows = slice(int(math.floor(row - most_y)), int(math.floor(row - least_y)) + 2)
        columns = slice(int(math.floor(column - most_x)), int(math.floor(column - least_x)) + 2)
        if not strokes[rows, columns].any():
            luminance_NT[n] = 1.0
            continue
        for k in range(len(places_TX)):
            x, y = column - places_TX[k, 0], row - places_TX[k, 1]
            i, j = int(math.floor(y)), int(math.floor(x))
            a, b = y - i, x - j
            above = (1.0 - b) * strokes[i, j] + b * strokes[i, j + 1]
            below = (1.0 - b) * strokes[i + 1, j] + b * strokes[i + 1, j + 1]
            luminance_NT[n, k] = 1.0 - (1.0 - ink) * ((1.0 - a) * above + a * below)


@njit(cache=True)
def record(luminance_NT, times_T, start_N, pixels, camera, noise):
    """All events as sorted keys: the time in us above 16 bits of the unit. start_N: nan where it is to be drawn."""
    state = np.array([noise])
    keys = [np.int64(0) for _ in range(0)]
    n_pixels = len(luminance_NT)
    for n in range(n_pixels):
        on, off = pixels.on_N[n], pixels.off_N[n]
        d = start_N[n]
        if math.isnan(d):
            d = on * uniform(state)
        _pixel(luminance_NT[n], times_T, d, (on, off), camera, state, (n_pixels + n, n), keys)
    found = np.array(keys, np.int64)
    found.sort()
    return found


@njit(cache=True)
def _pixel(luminance_T, times_T, d, thresholds, camera, state, units, keys):
    """Append the events of one pixel. units: of its ON and its OFF events."""
    on, off = thresholds
    rate_on = 0.5 * camera.shot_rate * camera.threshold_on / on
    rate_off = 0.5 * camera.shot_rate * camera.threshold_off / off
    last = len(times_T) - 1
    is_still = (luminance_T == luminance_T[0]).all()
    t = free = times_T[0]
    t_noise = t + _waiting(state, rate_on + rate_off)
    k, now = 0, math.log(luminance_T[0])
    while k < last:
        following = last if is_still else k + 1
        end, then = times_T[following], math.log(luminance_T[following])
        slope = (then - now) / (end - times_T[k]) + camera.leak_rate * on
        while t < end:
            if t < free:
                t, d = min(free, end), 0.0
                while t_noise < t:
                    t_noise += _waiting(state, rate_on + rate_off)
                continue
            t_cross = t + _until_crossing(d, slope, on, off)
            if min(t_cross, t_noise) >= end:
                d += slope * (end - t)
                t = end
            elif t_cross <= t_noise:
                t, d, free = t_cross, 0.0, t_cross + camera.t_ref
                _emit(keys, t, units, slope > 0.0)
            else:
                d += slope * (t_noise - t)
                t = t_noise
                t_noise += _waiting(state, rate_on + rate_off)
                if uniform(state) < 1.0 - (1.0 - IN_THE_LIGHT) * luminance_T[k]:
                    d, free = 0.0, t + camera.t_ref
                    _emit(keys, t, units, uniform(state) * (rate_on + rate_off) < rate_on)
        k, now = following, then


@njit(cache=True)
def _emit(keys, t, units, is_on):
    keys.append((np.int64(1000.0 * t) << 16) | (units[0] if is_on else units[1]))


@njit(cache=True)
def _until_crossing(d, slope, on, off):
    """The time until d, which changes steadily, reaches a threshold."""
    if slope > 0.0:
        return max(on - d, 0.0) / slope
    if slope < 0.0:
        return max(off + d, 0.0) / -slope
    return math.inf


@njit(cache=True)
def _waiting(state, rate):
    """The time until the next event of a Poisson process."""
    return -math.log1p(-uniform(state)) / rate if rate > 0.0 else math.inf
