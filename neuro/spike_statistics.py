"""Statistics of spikes: rate, irregularity, correlation, and the spectrum of a population's rate.

All take the Events of one sample, with times from 0 to `duration` (ms), as `window` cuts them out.

References: softky1993 (coefficient of variation of intervals), cohen2011 (correlation of counts),
welch1967 (spectrum).

Axes: N neuron, K bin of time, M segment, L bin within a segment, F frequency.
"""

import numpy as np
from numpy.typing import NDArray

from neuro.events import Events, bin_times

Floats = NDArray[np.float64]

SLACK = 1e-6  # ms; recorded times are rounded products of a step and dt


def window(events: Events, start: float, stop: float) -> Events:
    """The events of one sample from start up to, without, stop (ms); their times count from start."""
    if events.n_samples != 1:
        raise ValueError(f"{events.n_samples} samples; give one of them, events.sample(k)")
    first, last = np.searchsorted(events.times, (start - SLACK, stop - SLACK))
    times = np.maximum(events.times[first:last] - start, 0.0)
    return Events(times, events.units[first:last], np.array([0, last - first]))


def merge(events: list[Events], sizes: list[int]) -> Events:
    """Several populations as one, in one sample; the units of each follow those of the one before."""
    shifts = np.concatenate([[0], np.cumsum(sizes)])
    times = np.concatenate([each.times for each in events])
    units = np.concatenate([each.units + shift for each, shift in zip(events, shifts, strict=False)])
    order = np.argsort(times, kind="stable")
    return Events(times[order], units[order].astype(np.int32), np.array([0, len(times)]))


def mean_rate(events: Events, size: int, duration: float) -> float:
    """Spikes per neuron and second (Hz), silent neurons included."""
    return len(events.times) / (size * duration) * 1e3


def interval_cv(events: Events, size: int, least: int = 3) -> float:
    """Mean over neurons of the standard deviation of a neuron's intervals, divided by their mean (softky1993).

    0: as regular as a clock; 1: a Poisson process. Only neurons with at least `least` intervals count; NaN
    if there is none. A window of few intervals misses long ones, which makes the value too low.
    """
    order = np.lexsort((events.times, events.units))
    times, units = events.times[order], events.units[order]
    same = units[1:] == units[:-1]
    intervals, owners = np.diff(times)[same], units[1:][same]
    n_N = np.bincount(owners, minlength=size)
    mean_N = np.bincount(owners, intervals, size) / np.maximum(n_N, 1)
    variance_N = np.bincount(owners, (intervals - mean_N[owners]) ** 2, size) / np.maximum(n_N, 1)
    enough = n_N >= least
    return float(np.mean(np.sqrt(variance_N[enough]) / mean_N[enough])) if enough.any() else float("nan")


def counts(events: Events, size: int, width: float, duration: float) -> Floats:
    """Spikes counts_NK of neurons 0 to size - 1 in bins of width ms; what is left of a whole bin is dropped."""
    n_bins = int(bin_times(np.array(duration), width))
    bins = bin_times(events.times, width)
    kept = (events.units < size) & (bins < n_bins)
    flat = np.bincount(events.units[kept] * n_bins + bins[kept], minlength=size * n_bins)
    return flat.reshape(size, n_bins).astype(float)


def correlation(counts_NK: Floats) -> float:
    """Mean over all pairs of neurons of Pearson's correlation of their counts (cohen2011).

    Neurons whose count never changes have none and are left out; NaN with fewer than two others. With z the
    counts normalised to mean 0 and variance 1, sum_{n != m} <z_n z_m> = <(sum_n z_n)^2> - N.
    """
    spread_N = counts_NK.std(axis=1)
    varied = spread_N > 0
    n = np.count_nonzero(varied)
    if n < 2:
        return float("nan")
    centred_NK = counts_NK[varied] - counts_NK[varied].mean(axis=1, keepdims=True)
    sum_K = (centred_NK / spread_N[varied, None]).sum(axis=0)
    return float((np.mean(sum_K**2) - n) / (n * (n - 1)))


def population_rate(events: Events, size: int, width: float, duration: float) -> Floats:
    """rate_K: spikes per neuron and second (Hz) in bins of width ms."""
    n_bins = int(bin_times(np.array(duration), width))
    bins = bin_times(events.times, width)
    return np.bincount(bins[bins < n_bins], minlength=n_bins) / (size * width) * 1e3


def spectrum(rate_K: Floats, width: float, segment: float) -> tuple[Floats, Floats]:
    """Frequencies_F (Hz) and one-sided power density_F (Hz^2 / Hz) of a rate in bins of width ms (welch1967).

    Segments of `segment` ms that overlap by half, each less its mean, under a Hann window. The density of a
    population of N independent Poisson processes of rate r is 2 r / N at every frequency.
    """
    length = int(bin_times(np.array(segment), width))
    if not 2 <= length <= len(rate_K):
        raise ValueError(f"segment of {segment} ms: give one from {2 * width} to {len(rate_K) * width} ms")
    segments_ML = np.lib.stride_tricks.sliding_window_view(rate_K, length)[:: length // 2]
    hann_L = np.hanning(length)
    waves_MF = np.fft.rfft((segments_ML - segments_ML.mean(axis=1, keepdims=True)) * hann_L)
    seconds = width / 1e3
    power_F = 2.0 * seconds * np.mean(np.abs(waves_MF) ** 2, axis=0) / np.sum(hann_L**2)
    return np.fft.rfftfreq(length, seconds).astype(np.float64), power_F


def peak(frequencies_F: Floats, power_F: Floats, lowest: float = 0.0) -> tuple[float, float]:
    """Frequency (Hz) of the largest power above `lowest` Hz, and that power."""
    allowed = frequencies_F > lowest
    best = int(np.argmax(np.where(allowed, power_F, -1.0)))
    return float(frequencies_F[best]), float(power_F[best])
