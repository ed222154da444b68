"""How near a network is to the edge of chaos: branching, avalanches, divergence of twins, and the rank of its kernel.

A branching factor of 1 means that a spike causes one more: activity neither dies out nor grows.

    branching_factor    sum over postsynaptic partners of a neuron's spikes just after its own, over that of its
                        presynaptic partners just before; mean over its spikes, then over neurons
    multistep           a(t): all spikes in bin t; slope r_k of a(t + k) against a(t); r_k = b m^k, branching ratio m
    avalanches          spikes between two empty bins: their number (size) and of how many bins (duration)
    lyapunov            two runs that differ in one spike: growth rate of the distance between their filtered spikes
    kernel_rank         rank of the matrix of responses (sample by neuron)

branching_factor looks at synapses, and counts what common input drives, too; multistep sees the activity alone, and
does not change if only some of the neurons are seen.

References: ivanov2021 (branching_factor and kernel_rank, from its code), wilting2018 (multistep), beggs2003
(avalanches), ma2019 (their threshold), legenstein2007 (kernel rank, twins).

Axes: T step or bin, N neuron, K lag, S sample.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neuro.events import Events, bin_times
from neuro.network import Synapses

Floats = NDArray[np.float64]


def branching_factor(
    events: Events, synapses: Synapses, duration: float, dt: float = 1.0, window: float = 4.0, margin: float = 25.0
) -> float:
    """The branching factor of one sample of a network of all neurons (see `spike_statistics.merge`).

    synapses: among these neurons. window: ms before and after a spike in which those of partners count. margin: ms at
    both ends of the sample in which all spikes are left out. A neuron that nobody sent to before counts as if one had.
    nan if no spike is left.
    """
    n, n_steps = len(synapses.offsets) - 1, round(duration / dt)
    wide, edge = round(window / dt), round(margin / dt)
    spikes_TN = np.zeros((n_steps, n))
    step = bin_times(events.times, dt)
    spikes_TN[step[step < n_steps], events.units[step < n_steps]] = 1.0
    spikes_TN[:edge] = spikes_TN[n_steps - edge :] = 0.0
    until_TN = np.concatenate([np.zeros((1, n)), np.cumsum(spikes_TN, axis=0)])  # before step t
    sources, targets = synapses.sources, synapses.targets
    total_N, n_spikes_N = np.zeros(n), np.zeros(n)
    for t in range(edge + wide, n_steps - edge - wide):
        fired = spikes_TN[t] > 0
        if not fired.any():
            continue
        before_N, after_N = until_TN[t] - until_TN[t - wide], until_TN[t + 1 + wide] - until_TN[t + 1]
        received_N = np.bincount(targets, before_N[sources], n)
        caused_N = np.bincount(sources, after_N[targets], n)
        total_N[fired] += caused_N[fired] / np.maximum(received_N[fired], 1.0)
        n_spikes_N += fired
    active = n_spikes_N > 0
    return float(np.mean(total_N[active] / n_spikes_N[active])) if active.any() else float("nan")


class Multistep(NamedTuple):
    """branching: m. amplitude: b. slopes_K: r_k of lags 1 to K. tau: -bin / ln m, ms (inf for m >= 1)."""

    branching: float
    amplitude: float
    slopes_K: Floats
    tau: float


def multistep(activity_ST: NDArray, bin_ms: float, n_lags: int) -> Multistep:
    """The multistep-regression estimate from the activity of trials that share one mean and one variance.

    activity_ST: spikes in each bin of each trial; where trials have a course in common, take its mean over trials off
    first. n_lags: of the slopes to which the exponential is fitted, several
    times the expected tau. ValueError if nothing varies.
    """
    from scipy.optimize import curve_fit

    activity_ST = np.asarray(activity_ST, float)
    if not 2 <= n_lags < activity_ST.shape[1]:
        raise ValueError(f"n_lags = {n_lags}: give 2 to {activity_ST.shape[1] - 1}, one less than there are bins")
    centred = activity_ST - activity_ST.mean()
    variance = centred.var()
    if variance == 0:
        raise ValueError("the activity does not vary, so that nothing can be said of what causes it; record more")
    lags = np.arange(1, n_lags + 1)
    slopes_K = np.array([np.mean(centred[:, :-k] * centred[:, k:]) for k in lags]) / variance
    begin = np.clip(slopes_K[0], 0.01, 1.0), np.clip(slopes_K[1] / slopes_K[0] if slopes_K[0] else 0.5, 0.05, 0.99)
    (amplitude, m), _ = curve_fit(lambda k, b, m: b * m**k, lags, slopes_K, begin, bounds=([-2.0, 1e-6], [2.0, 1.5]))
    tau = -bin_ms / np.log(m) if m < 1 else float("inf")
    return Multistep(float(m), float(amplitude), slopes_K, float(tau))


def activity(events: Events, duration: float, bin_ms: float) -> NDArray[np.int64]:
    """Spikes of all neurons in each bin of each sample, [S, T]."""
    n_bins = int(duration / bin_ms + 1e-6)
    sample = events.samples
    place = bin_times(events.times, bin_ms)
    kept = place < n_bins
    flat = np.bincount(sample[kept] * n_bins + place[kept], minlength=events.n_samples * n_bins)
    return flat.reshape(events.n_samples, n_bins)


class Avalanches(NamedTuple):
    """sizes: spikes of each avalanche; durations: its bins. Those cut off by the sample's ends are left out."""

    sizes: NDArray[np.int64]
    durations: NDArray[np.int64]


def avalanches(activity_ST: NDArray, threshold: float = 0.0) -> Avalanches:
    """Avalanches of all samples, in order.

    threshold: bins with no more spikes count as empty; of large networks, which are never silent, ma2019 takes the 35th
    percentile of the activity.
    """
    sizes, durations = [], []
    for bins in np.asarray(activity_ST):
        empty = np.flatnonzero(bins <= threshold)
        total = np.concatenate([[0], np.cumsum(bins)])
        gaps = np.diff(empty) > 1
        first, last = empty[:-1][gaps] + 1, empty[1:][gaps]
        sizes.append(total[last] - total[first])
        durations.append(last - first)
    empty_one = [np.zeros(0, np.int64)]
    return Avalanches(np.concatenate(sizes + empty_one), np.concatenate(durations + empty_one))


def power_law_exponent(sizes: NDArray, least: int = 1) -> float:
    """alpha of P(s) ~ s^-alpha for whole numbers s >= least, by maximum likelihood."""
    from scipy.optimize import minimize_scalar
    from scipy.special import zeta

    sizes = np.asarray(sizes)[np.asarray(sizes) >= least]
    if len(sizes) < 2 or sizes.max() == least:
        raise ValueError(f"{len(sizes)} avalanches of at least {least} spikes, and none larger; record more")
    mean_log = np.log(sizes).mean()
    found = minimize_scalar(lambda alpha: np.log(zeta(alpha, least)) + alpha * mean_log, bounds=(1.01, 10.0))
    return float(found.x)


def lyapunov(
    reference: Events, twin: Events, size: int, duration: float, tau: float, dt: float = 1.0
) -> tuple[float, Floats]:
    """Growth rate (1/ms) of the distance of two runs of one sample, and the distance [T] at each step.

    The distance is that between the spikes of all `size` neurons, each filtered with exp(-t / tau). The rate is the
    slope of its logarithm from where the runs first differ to its largest value; 0 if they never differ, or differ most
    where they first do: it tells how fast runs part, and not how fast they meet again.
    """
    n_steps = round(duration / dt)
    difference_TN = np.zeros((n_steps, size))
    for sign, events in ((1.0, reference), (-1.0, twin)):
        step = bin_times(events.times, dt)
        np.add.at(difference_TN, (step[step < n_steps], events.units[step < n_steps]), sign)
    decay, state_N, distance_T = np.exp(-dt / tau), np.zeros(size), np.zeros(n_steps)
    for t in range(n_steps):
        state_N = decay * state_N + difference_TN[t]
        distance_T[t] = np.linalg.norm(state_N)
    apart = np.flatnonzero(distance_T > 0)
    if len(apart) == 0:
        return 0.0, distance_T
    first, peak = apart[0], int(np.argmax(distance_T))
    if peak - first < 2:
        return 0.0, distance_T
    steps = np.arange(first, peak + 1)
    return float(np.polyfit(steps * dt, np.log(distance_T[steps]), 1)[0]), distance_T


def kernel_rank(
    responses_SN: NDArray, labels_S: NDArray, per_class: int, shuffles: int, rng: np.random.Generator
) -> float:
    """Mean rank of the responses to `per_class` samples of each class, drawn anew `shuffles` times.

    Of different samples it is the separation of the kernel; of noisy versions of samples, how little it generalises.
    """
    classes = np.unique(labels_S)
    if min(np.sum(labels_S == c) for c in classes) < per_class:
        raise ValueError(f"per_class = {per_class}: some class has fewer samples; give fewer, or more samples")
    ranks = []
    for _ in range(shuffles):
        rows = [rng.permutation(np.flatnonzero(labels_S == c))[:per_class] for c in classes]
        ranks.append(np.linalg.matrix_rank(responses_SN[np.concatenate(rows)].astype(float)))
    return float(np.mean(ranks))


def spectral_radius(synapses: Synapses) -> float:
    """The largest absolute eigenvalue of the matrix of weights."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.linalg import eigs

    n = len(synapses.offsets) - 1
    w = csr_matrix((np.asarray(synapses.weights, float), synapses.targets.astype(int), synapses.offsets), (n, n))
    if n <= 1000:
        return float(np.abs(np.linalg.eigvals(w.toarray())).max())
    start = np.ones(n)
    return float(np.abs(eigs(w, k=1, v0=start, return_eigenvectors=False)).max())


def joined(blocks: Sequence[Sequence[Synapses]]) -> Synapses:
    """The synapses of several populations as one network: blocks[pre][post]; neurons of each follow those before."""
    sizes = [len(row[0].offsets) - 1 for row in blocks]
    shifts = np.concatenate([[0], np.cumsum(sizes)])
    parts = [
        (one.sources + shifts[a], one.targets + shifts[b], one.weights)
        for a, row in enumerate(blocks)
        for b, one in enumerate(row)
    ]
    sources, targets, weights = (np.concatenate([part[which] for part in parts]) for which in range(3))
    order = np.lexsort((targets, sources))
    offsets = np.searchsorted(sources[order], np.arange(shifts[-1] + 1))
    return Synapses(offsets, targets[order].astype(np.int32), weights[order])
