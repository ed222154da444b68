"""LIF with an adaptive threshold: growth of the intervals up to the closed form, and what it shares with LIF."""

import numpy as np
import pytest
import scipy.optimize

from neuro import Dense, Network, Population, Projection, Source, make_events, simulate, vary
from neuro.neurons import alif, lif

BACKENDS = ["torch_dense", "event", "brian"]
DT = 0.1
CELL = vary(alif.BELLEC_2018, source="test", i_ext=np.array([15.0, 25.0, 60.0, 200.0]))


def stationary_interval(cell, i_ext):
    """T at which v, from v_reset and held for t_ref, meets v_th + a, where a has jumped by beta every T before."""

    def above(interval):
        v = cell.v_rest + cell.r_m * i_ext
        v += (cell.v_reset - v) * np.exp(-(interval - cell.t_ref) / cell.tau_m)
        return v - cell.v_th - cell.beta / np.expm1(interval / cell.tau_a)

    return scipy.optimize.brentq(above, cell.t_ref, 1e4)


def run(cell, duration, backend, record):
    net = Network((Population("cells", np.size(cell.i_ext), cell),), (), DT)
    return simulate(net, {}, {}, duration=duration, backend=backend, record=record)


@pytest.mark.parametrize("backend", ["event", "torch_dense"])
def test_intervals_grow_towards_the_stationary_one(backend):
    """After 5 time constants of the threshold, the mean of ten intervals is that of the closed form, but for the
    rounding of a spike up to its step."""
    spikes = run(CELL, 5000.0, backend, ("cells.spikes",)).spikes["cells"]
    for j, i_ext in enumerate(CELL.i_ext):
        intervals = np.diff(spikes.times[spikes.units == j])
        assert (np.diff(intervals) > -1.5 * DT).all()  # it grows, but for the grid
        assert intervals[-1] > 1.5 * intervals[0]
        wanted = stationary_interval(CELL, i_ext)
        assert -0.01 < intervals[-10:].mean() - wanted < DT


def test_the_first_intervals_begin_the_same_on_brian():
    wanted, found = (run(CELL, 400.0, backend, ("cells.spikes",)).spikes["cells"] for backend in ("event", "brian"))
    np.testing.assert_array_equal(found.units, wanted.units)
    np.testing.assert_allclose(found.times, wanted.times, rtol=0, atol=1e-9)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_threshold_jumps_at_a_spike_and_decays(backend):
    """a(t) is the sum of beta exp(-(t - t_k) / tau_a) over the spikes so far, in refractoriness too."""
    record = run(CELL, 200.0, backend, ("cells.spikes", "cells.a"))
    spikes, a = record.spikes["cells"], np.asarray(record.traces["cells.a"])[:, 0]
    t = DT * np.arange(len(a))
    for j in range(len(CELL.i_ext)):
        since = t[:, None] - spikes.times[spikes.units == j]
        wanted = (CELL.beta * np.exp(-since / CELL.tau_a) * (since > -0.5 * DT)).sum(1)
        np.testing.assert_allclose(a[:, j], wanted, rtol=0, atol=1e-11)  # 2000 decays of some ulps of 50 mV
    assert a.max() > 10 * CELL.beta


@pytest.mark.parametrize("backend", ["torch_dense", "event"])
def test_without_jumps_it_is_lif(backend):
    """beta = 0: the arithmetic of LIF, bit for bit, with spikes that arrive."""
    shared = {"tau_syn": 2.0, "i_ext": np.linspace(9.0, 30.0, 8), "t_ref": 2.0}
    adaptive = vary(alif.BELLEC_2018, source="test", beta=0.0, **shared)
    names = ("tau_m", "r_m", "v_rest", "v_th", "v_reset")
    plain = vary(lif.NEST_DEFAULT, source="test", **shared, **{name: getattr(adaptive, name) for name in names})
    rng = np.random.default_rng(4)
    spikes = make_events(rng.uniform(0.0, 100.0, 60), rng.integers(0, 3, 60))
    traces = []
    for model in (adaptive, plain):
        populations = Population("in", 3, Source()), Population("cells", 8, model)
        net = Network(populations, (Projection("in", "cells", Dense()),), DT)
        weights = {"in->cells": np.random.default_rng(6).normal(0.0, 20.0, (8, 3))}
        record = simulate(net, weights, {"in": spikes}, duration=100.0, backend=backend, record=("cells.v",))
        assert record.counts.spikes > 20
        traces.append(np.asarray(record.traces["cells.v"]))
    np.testing.assert_array_equal(*traces)
