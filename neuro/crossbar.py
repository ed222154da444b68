"""Weights as pairs of conductances, programmed once and read later.

    w = scale (G+ - G-),  scale = (largest |w|) / (g_max - g_min)

A weight sets one device of its pair, by its sign; the other stays at g_min. `program` writes all pairs of a projection,
and `read` says what they have become at an age: a mean weight, and the variance of its reads. A sum over a column then
has the mean sum_i w_i x_i and the variance sum_i var_i x_i^2, exactly, since devices are independent.

`random_weights` leaves weights to chance: all devices get the same target, and differ by their errors; a liquid needs
no more.

References: joshi2020 (pairs, drift compensation by one factor), rasch2021, wang2023 (random devices as fixed weights).
Deviations: an array holds a whole projection; real ones have some 256 to 512 rows, whose sums are converted apart.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neuro.crossbar_devices import Clipped, Crossbar, Device

LEAST_G = 1e-7  # of g, where its logarithm is taken
Floats = NDArray[np.float64]


class Pairs(NamedTuple):
    """Devices [2, ...]: G+ and G- at t_0, their exponents of drift, which are stuck. scale: weights per nS."""

    g: Floats
    nu: Floats
    is_stuck: NDArray[np.bool_]
    scale: float


class Read(NamedTuple):
    """What is read of weights: mean, variance of one read, and the factor by which drift is made up for."""

    w: Floats
    variance: Floats
    gain: float


def targets(w: Floats, device: Device) -> tuple[Floats, float]:
    """Conductances [2, ...] that stand for weights, on the device's levels, and the scale back to weights."""
    span, largest = device.g_max - device.g_min, float(np.abs(w).max(initial=0.0))
    scale = largest / span if largest > 0 else 1.0
    part = np.stack([np.maximum(w, 0.0), np.maximum(-w, 0.0)]) / (scale * span)
    if device.levels:
        part = np.rint(part * (device.levels - 1)) / (device.levels - 1)
    return device.g_min + span * part, scale


def write(target: Floats, device: Device, rng: np.random.Generator) -> tuple[Floats, NDArray[np.bool_]]:
    """What devices have after programming, and which are stuck."""
    sigma = np.polynomial.polynomial.polyval(target / device.g_max, device.programming)
    g = np.maximum(target + np.maximum(sigma, 0.0) * rng.standard_normal(target.shape), 0.0)
    u = rng.random(target.shape)
    on, off = u < device.stuck_on, u >= 1.0 - device.stuck_off
    return np.where(on, device.g_max, np.where(off, device.g_min, g)), on | off


def program(w: Floats, device: Device, rng: np.random.Generator) -> Pairs:
    """Write weights of any shape into pairs of devices."""
    target, scale = targets(np.asarray(w, float), device)
    g, is_stuck = write(target, device, rng)
    relative = np.maximum(target / device.g_max, LEAST_G)
    spread = _clipped(device.drift_spread, relative) * rng.standard_normal(target.shape)
    return Pairs(g, np.abs(_clipped(device.drift_mean, relative) + spread), is_stuck, scale)


def read(pairs: Pairs, crossbar: Crossbar) -> Read:
    """Weights at an age, without those of one read: its noise is in the variance."""
    device, t = crossbar.device, max(crossbar.age, crossbar.device.t_0)
    g = np.where(pairs.is_stuck, pairs.g, pairs.g * (t / device.t_0) ** -pairs.nu)
    relative = np.maximum(pairs.g / device.g_max, LEAST_G)
    part = np.minimum(device.flicker / relative**0.65, 0.2)
    variance = device.read_noise**2 + (g * part) ** 2 * np.log((t + device.t_read) / (2.0 * device.t_read))
    fresh, w = pairs.scale * (pairs.g[0] - pairs.g[1]), pairs.scale * (g[0] - g[1])
    left = float(np.abs(w).sum())
    gain = float(np.abs(fresh).sum()) / left if crossbar.is_compensated and left > 0 else 1.0
    return Read(gain * w, (gain * pairs.scale) ** 2 * variance.sum(0), gain)


def random_weights(device: Device, weight: float, part: float = 0.5) -> Callable[[np.random.Generator, int], Floats]:
    """Initial weights for `connect`: one device a synapse, all with the same target, `part` of g_max.

    weight: that of a device which hit its target; its sign is that of all.
    """
    if not 0.0 < part <= 1.0:
        raise ValueError(f"part = {part} of g_max is no target; give more than 0 and at most 1")

    def draw(rng: np.random.Generator, n: int) -> Floats:
        target = np.full(n, part * device.g_max)
        return weight * write(target, device, rng)[0] / target

    return draw


def _clipped(form: Any, relative: Floats) -> Floats:
    given = Clipped(*form)
    return np.clip(given.offset + given.slope * np.log(relative), given.least, given.most)
