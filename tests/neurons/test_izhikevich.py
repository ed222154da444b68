"""The Izhikevich neuron: order of convergence, and the firing patterns of its named cells."""

import functools

import numpy as np
import pytest
import scipy.integrate

from neuro import Network, Population, simulate, vary
from neuro.neurons import izhikevich

DT = 0.1


@functools.cache
def patterns(backend):
    """All named cells as one population, from rest, with i_ext = 10 for a second. Intervals of each, ms."""
    names = list(izhikevich.SETS)
    cells = izhikevich.SETS.values()
    values = {name: np.array([getattr(cell, name) for cell in cells]) for name in ("a", "b", "c", "d")}
    model = vary(izhikevich.REGULAR_SPIKING, source="test", i_ext=10.0, **values)
    net = Network((Population("cells", len(names), model),), (), DT)
    spikes = simulate(net, {}, {}, duration=1000.0, backend=backend, record=("cells.spikes",)).spikes["cells"]
    return {name: np.diff(spikes.times[spikes.units == j]) for j, name in enumerate(names)}


def alone(cell, duration, **initial):
    """One cell from a state of one's own: v after each step, and its spike times."""
    net = Network((Population("cell", 1, cell),), (), DT)
    start = {f"cell.{field}": value for field, value in initial.items()}
    wanted = ("cell.v", "cell.spikes")
    record = simulate(net, {}, {}, duration=duration, backend="torch_dense", initial=start, record=wanted)
    return record.traces["cell.v"][:, 0, 0].numpy(), record.spikes["cell"].times


def test_patterns_are_the_same_on_torch_and_event():
    for name, intervals in patterns("event").items():
        np.testing.assert_array_equal(intervals, patterns("torch_dense")[name])


def test_patterns_begin_the_same_on_brian():
    """The first ten intervals: later, rounding has moved a spike of the fast cells by one step, to no effect on
    the pattern, since the number of spikes is that of the reference to 1 %."""
    for name, intervals in patterns("brian").items():
        wanted = patterns("torch_dense")[name]
        np.testing.assert_allclose(intervals[:10], wanted[:10], rtol=0, atol=1e-9)
        assert abs(len(intervals) - len(wanted)) <= 0.01 * len(wanted)


def test_converges_with_order_one_in_dt():
    """v at 2 ms, on the way to the first spike, against scipy's solution of the equations to 1e-12."""
    cell = vary(izhikevich.REGULAR_SPIKING, source="test", i_ext=10.0)

    def slope(_, y):
        v, u = y
        return 0.04 * v * v + 5.0 * v + 140.0 - u + cell.i_ext, cell.a * (cell.b * v - u)

    start = [-65.0, -65.0 * cell.b]
    exact = scipy.integrate.solve_ivp(slope, (0.0, 2.0), start, rtol=1e-12, atol=1e-12).y[0, -1]
    errors = []
    for dt in (0.1, 0.05, 0.025, 0.0125):
        net = Network((Population("cell", 1, cell),), (), dt)
        record = simulate(net, {}, {}, duration=2.0, backend="torch_dense", record=("cell.v",))
        errors.append(abs(float(record.traces["cell.v"][-1]) - exact))
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    # The next term of the error is smaller by dt times a rate of about 1/ms here: 0.1 at the coarsest step.
    assert (np.abs(orders - 1.0) < 0.1).all(), orders


def test_regular_spiking_adapts():
    intervals = patterns("event")["REGULAR_SPIKING"]
    assert intervals[0] < 0.6 * intervals[-1]
    assert 15 <= len(intervals) <= 30  # some 20 spikes/s at this current
    np.testing.assert_allclose(intervals[3:], intervals[-1], rtol=0.02)  # then regular, to some steps


def test_fast_spiking_is_fast_and_does_not_adapt():
    intervals = patterns("event")["FAST_SPIKING"]
    assert len(intervals) > 5 * len(patterns("event")["REGULAR_SPIKING"])
    np.testing.assert_allclose(intervals[2:], intervals[-1], rtol=0.03)  # from the third interval on, to 2 steps


def test_intrinsically_bursting_starts_with_a_burst():
    intervals = patterns("event")["INTRINSICALLY_BURSTING"]
    assert (intervals[:2] < 6.0).all()  # three spikes at once
    assert intervals[2] > 6 * intervals[1]
    np.testing.assert_allclose(intervals[3:], intervals[-1], rtol=0.02)  # then regular single spikes


def test_chattering_bursts_again_and_again():
    intervals = patterns("event")["CHATTERING"]
    pauses = np.flatnonzero(intervals > 30.0)
    assert len(pauses) > 10
    assert (np.delete(intervals, pauses) < 6.0).all()  # nothing between a burst and a pause
    assert (np.diff(pauses) >= 4).all()  # bursts of at least four spikes


def test_low_threshold_spiking_adapts_at_a_high_rate():
    intervals = patterns("event")["LOW_THRESHOLD_SPIKING"]
    assert (np.diff(intervals[:6]) > 0).all()
    assert 4 * intervals[0] < intervals[-1]
    assert len(patterns("event")["REGULAR_SPIKING"]) < len(intervals) < len(patterns("event")["FAST_SPIKING"])


@pytest.mark.parametrize(("name", "fewest", "most"), [("THALAMO_CORTICAL", 5, 10), ("FAST_SPIKING", 0, 0)])
def test_thalamo_cortical_rebounds_with_a_burst(name, fewest, most):
    """Let go from -87 mV, without any current. The spikes of the burst come further and further apart."""
    cell = izhikevich.SETS[name]
    v, times = alone(cell, 200.0, v=-87.0, u=-87.0 * cell.b)
    assert fewest <= len(times) <= most
    assert (np.diff(times, 2) > 0).all()
    assert v[-1] < -60.0


@pytest.mark.parametrize(("name", "rings"), [("RESONATOR", True), ("REGULAR_SPIKING", False)])
def test_resonator_rings(name, rings):
    """Pushed 2 mV from rest, v swings through to the other side (by half of that or more), or creeps back."""
    cell = izhikevich.SETS[name]
    rest = {"RESONATOR": -62.5, "REGULAR_SPIKING": -70.0}[name]  # 0.04 v^2 + (5 - b) v + 140 = 0
    assert 0.04 * rest**2 + (5.0 - cell.b) * rest + 140.0 == pytest.approx(0.0, abs=1e-9)
    v, times = alone(cell, 100.0, v=rest + 2.0, u=cell.b * rest)
    assert len(times) == 0
    assert v.min() < rest - 1.0 if rings else v.min() > rest - 0.1
