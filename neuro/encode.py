"""Turn static values in [0, 1] into input over time.

Three codes: rate (Poisson-like, with or without refractoriness), latency (the brighter, the earlier), and direct
current, which sends the values themselves at every step and needs no function: give them to `simulate` as they are.

Axes: T step, B sample, N unit.
"""

import numpy as np
from numpy.typing import NDArray

from neuro.events import Events, make_events
from neuro.units import steps


def rate(values_BN: NDArray, n_steps: int, dt: float, rng: np.random.Generator, max_rate: float = 1.0) -> Events:
    """Rate code: in each step a unit fires with probability value * max_rate * dt.

    max_rate: 1/ms, the rate of a unit whose value is 1. ValueError where max_rate * dt exceeds 1.
    """
    values_BN = _checked(values_BN)
    if not 0 < max_rate * dt <= 1:
        raise ValueError(f"max_rate = {max_rate} /ms times dt = {dt} ms must lie in (0, 1]; lower either")
    fires_TBN = rng.random((n_steps, *values_BN.shape)) < values_BN * (max_rate * dt)
    step, sample, unit = np.nonzero(fires_TBN)
    return _batch(step * dt, sample, unit, len(values_BN))


def refractory_rate(values_BN: NDArray, n_steps: int, dt: float, seeds_B: NDArray[np.uint64], t_ref: float) -> Events:
    """Rate code of neurons that each step drives to threshold with probability value, and that are refractory.

    A neuron that fired waits t_ref (ms, a multiple of dt); what drives it meanwhile fires it right after. So the
    intervals are the larger of t_ref + dt and a geometric number of steps. seeds_B: one a sample, so that the spikes
    of a sample do not depend on what else is in the batch.
    """
    from neuro.encode_kernels import refractory_trains

    values_BN = _checked(values_BN)
    if len(seeds_B) != len(values_BN):
        raise ValueError(f"{len(seeds_B)} seeds for {len(values_BN)} samples; give one a sample")
    shortest = steps(t_ref, dt, "refractory period t_ref") + 1
    trains = [
        refractory_trains(values, n_steps, shortest, seed) for values, seed in zip(values_BN, seeds_B, strict=True)
    ]
    step, unit = (np.concatenate([train[part] for train in trains]) for part in (0, 1))
    return Events(
        np.multiply(step, dt, dtype=np.float64),
        unit,
        np.concatenate([[0], np.cumsum([len(step) for step, _ in trains])]),
    )


def latency(values_BN: NDArray, duration: float, threshold: float = 0.0) -> Events:
    """Latency code: a unit fires once, at (1 - value) * duration (ms); never if value <= threshold."""
    values_BN = _checked(values_BN)
    if not (np.isfinite(duration) and duration > 0):
        raise ValueError(f"duration = {duration} ms must be finite and positive")
    sample, unit = np.nonzero(values_BN > threshold)
    return _batch((1.0 - values_BN[sample, unit]) * duration, sample, unit, len(values_BN))


def _checked(values_BN: NDArray) -> NDArray[np.float64]:
    values_BN = np.asarray(values_BN, np.float64)
    if values_BN.ndim != 2:
        raise ValueError(f"values have shape {values_BN.shape}; give [samples, units]")
    if not (np.isfinite(values_BN).all() and values_BN.min(initial=0) >= 0 and values_BN.max(initial=0) <= 1):
        raise ValueError("values to encode must lie in [0, 1]; scale them first")
    return values_BN


def _batch(times: NDArray, sample: NDArray, unit: NDArray, n_samples: int) -> Events:
    order = np.argsort(sample, kind="stable")
    offsets = np.searchsorted(sample[order], np.arange(n_samples + 1))
    return make_events(times[order], unit[order], offsets)
