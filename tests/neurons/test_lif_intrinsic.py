"""LIF with intrinsic plasticity: what its threshold adds up to, the rate that this enforces, and the rest of LIF."""

import numpy as np
import pytest

from neuro import Dense, Network, PoissonDrive, Population, Projection, Source, make_events, simulate, vary
from neuro.neurons import lif, lif_intrinsic

BACKENDS = ["torch_dense", "event", "brian"]
DT = 0.1
# From no input at all to one that lifts v far above the threshold, and refractoriness.
CELL = vary(lif_intrinsic.LIF_SORN, source="test", i_ext=np.array([0.0, 8.0, 20.0, 60.0]), t_ref=2.0)


def run(cell, duration, backend, record=("cells.spikes", "cells.a"), drives=(), dt=DT):
    net = Network((Population("cells", 4, cell),), (), dt, drives)
    return simulate(net, {}, {}, duration=duration, backend=backend, record=record)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_threshold_counts_spikes_against_time(backend):
    """a = eta (n - rate_target t) after every step, whatever the input; 3,000 sums of some mV."""
    fast = vary(CELL, source="test", eta=0.5, rate_target=20.0)
    record = run(fast, 300.0, backend)
    spikes, a_TN = record.spikes["cells"], np.asarray(record.traces["cells.a"])[:, 0]
    t = DT * np.arange(1, len(a_TN) + 1)
    for j in range(4):
        n = np.searchsorted(spikes.times[spikes.units == j], t - 0.5 * DT)
        np.testing.assert_allclose(a_TN[:, j], fast.eta * (n - 20.0 * t / 1000.0), rtol=0, atol=1e-11)
    assert n[-1] > 20


@pytest.mark.parametrize("rate_target", [3.0, 12.0])
def test_the_rate_comes_to_the_target_from_above_and_below(rate_target):
    """In the second half, once thresholds have arrived. Without noise they then saw by eta: one spike in 100 s."""
    cell, duration = vary(CELL, source="test", rate_target=rate_target), 200_000.0
    early = np.bincount(run(vary(cell, source="test", eta=0.0), 1000.0, "event").spikes["cells"].units, minlength=4)
    assert early[0] == 0 and early[3] > 4 * rate_target  # from below and above
    spikes = run(cell, duration, "event", ("cells.spikes",)).spikes["cells"]
    late = np.bincount(spikes.units[spikes.times >= duration / 2], minlength=4)
    assert np.abs(late - rate_target * duration / 2000.0).max() <= 1


def test_noise_changes_the_threshold_and_not_the_rate():
    """Fluctuations of the threshold, at most 3 mV over 100 s, are worth at most 30 spikes of 300."""
    noise = (PoissonDrive("cells", 2000.0, 8.0),)
    record = run(CELL, 200_000.0, "event", drives=noise)
    spikes, a_TN = record.spikes["cells"], np.asarray(record.traces["cells.a"])[:, 0]
    half = len(a_TN) // 2
    late = np.bincount(spikes.units[spikes.times >= 100_000.0], minlength=4)
    np.testing.assert_allclose(late, 300.0 + (a_TN[-1] - a_TN[half - 1]) / CELL.eta, atol=1e-6)
    assert np.abs(late - 300.0).max() < 30
    assert np.ptp(a_TN[-1]) > 20.0  # each has found its own


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_threshold_below_the_reset_waits_for_refractoriness(backend):
    """The shortest interval is t_ref + dt, as for every LIF."""
    cell = vary(CELL, source="test", eta=1e-3, v_th=-100.0)
    spikes = run(cell, 50.0, backend, ("cells.spikes",)).spikes["cells"]
    for j in range(4):
        np.testing.assert_allclose(np.diff(spikes.times[spikes.units == j]), CELL.t_ref + DT, atol=1e-9)


@pytest.mark.parametrize("backend", ["torch_dense", "event"])
def test_without_learning_it_is_lif(backend):
    """eta = 0: the arithmetic of LIF, bit for bit, with spikes that arrive."""
    shared = {"i_ext": np.linspace(5.0, 30.0, 8), "t_ref": 2.0}
    learner = vary(lif_intrinsic.LIF_SORN, source="test", eta=0.0, **shared)
    names = ("tau_m", "tau_syn", "r_m", "v_rest", "v_th", "v_reset")
    plain = vary(lif.NEST_DEFAULT, source="test", **shared, **{name: getattr(learner, name) for name in names})
    rng = np.random.default_rng(4)
    spikes = make_events(rng.uniform(0.0, 100.0, 60), rng.integers(0, 3, 60))
    traces = []
    for model in (learner, plain):
        populations = Population("in", 3, Source()), Population("cells", 8, model)
        net = Network(populations, (Projection("in", "cells", Dense()),), DT)
        weights = {"in->cells": np.random.default_rng(6).normal(0.0, 20.0, (8, 3))}
        record = simulate(net, weights, {"in": spikes}, duration=100.0, backend=backend, record=("cells.v",))
        assert record.counts.spikes > 20
        traces.append(np.asarray(record.traces["cells.v"]))
    np.testing.assert_array_equal(*traces)
