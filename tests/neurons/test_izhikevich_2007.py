"""The Izhikevich neuron of 2007: rheobase, f-I curve, order of convergence, and what its named cells do."""

import functools

import numpy as np
import pytest
import scipy.integrate

from neuro import Network, Population, simulate, vary
from neuro.neurons import izhikevich_2007

DT = 0.1
# Currents of the figures of chapter 8, pA.
CURRENTS = {
    "REGULAR_SPIKING": (60.0, 70.0, 85.0, 100.0),
    "INTRINSICALLY_BURSTING": (290.0, 370.0, 500.0, 550.0),
    "CHATTERING": (200.0, 300.0, 400.0, 600.0),
    "FAST_SPIKING": (73.2, 100.0, 200.0, 400.0),
    "LOW_THRESHOLD_SPIKING": (100.0, 125.0, 200.0, 300.0),
}


@functools.cache
def responses(name, backend="event", duration=1000.0):
    """Spike times of a cell at each of its currents, ms."""
    cells = vary(izhikevich_2007.SETS[name], source="test", i_ext=np.array(CURRENTS[name]))
    net = Network((Population("cells", 4, cells),), (), DT)
    spikes = simulate(net, {}, {}, duration=duration, backend=backend, record=("cells.spikes",)).spikes["cells"]
    return [spikes.times[spikes.units == j] for j in range(4)]


def fires(name, i_ext, duration=3000.0):
    cell = vary(izhikevich_2007.SETS[name], source="test", i_ext=i_ext)
    net = Network((Population("cell", 1, cell),), (), 0.02)
    return simulate(net, {}, {}, duration=duration, backend="event").counts.spikes


def test_rheobase_of_regular_spiking():
    """The two fixed points meet at (b + k (v_t - v_r))^2 / (4 k) = 51.43 pA; the recovery (b < 0) only amplifies."""
    cell = izhikevich_2007.REGULAR_SPIKING
    rheobase = (-cell.b + cell.k * (cell.v_t - cell.v_r)) ** 2 / (4.0 * cell.k)
    amplified = (cell.b + cell.k * (cell.v_t - cell.v_r)) ** 2 / (4.0 * cell.k)
    assert amplified == pytest.approx(51.43, abs=0.01) and rheobase > 90.0  # the sign of b matters
    assert fires("REGULAR_SPIKING", 0.995 * amplified) == 0
    assert fires("REGULAR_SPIKING", 1.005 * amplified) > 0


def test_rheobase_of_fast_spiking():
    """Its resting state does not end but turns unstable (Hopf), where d(dv/dt)/dv = a: at v = v_r + 9.5 mV, that is
    at 73.69 pA; the book shows 73.2 pA. Bistable as such a cell is, a step from rest fires for good a little below."""
    cell = izhikevich_2007.FAST_SPIKING
    y = ((cell.v_t - cell.v_r) + cell.a * cell.c_m / cell.k) / 2.0
    hopf = cell.k * y * (cell.v_t - cell.v_r - y) + cell.cubic * y**3
    assert hopf == pytest.approx(73.69, abs=0.01)
    assert fires("FAST_SPIKING", 0.97 * hopf) <= 1
    assert fires("FAST_SPIKING", 1.01 * hopf) > 20


@pytest.mark.parametrize("name", CURRENTS)
def test_rate_rises_with_current(name):
    counts = [len(times) for times in responses(name)]
    assert (np.diff(counts) > 0).all()


def test_regular_spiking_starts_from_low_rates():
    """Class 1: near the saddle-node, the rate grows as the root of the current above rheobase."""
    currents = np.array([52.0, 54.0, 58.0, 66.0])
    cells = vary(izhikevich_2007.REGULAR_SPIKING, source="test", i_ext=currents)
    net = Network((Population("cells", 4, cells),), (), DT)
    spikes = simulate(net, {}, {}, duration=6000.0, backend="event", record=("cells.spikes",)).spikes["cells"]
    rates = [1e3 / np.diff(spikes.times[spikes.units == j])[-1] for j in range(4)]
    assert rates[0] < 2.0 and (np.diff(rates) > 0).all()  # spikes/s
    slope = np.polyfit(np.log(currents - 51.43), np.log(rates), 1)[0]
    assert 0.4 < slope < 0.65


def test_regular_spiking_is_regular():
    for times in responses("REGULAR_SPIKING"):
        found = np.diff(times)
        np.testing.assert_allclose(found[1:], found[-1], rtol=0.01)
    assert np.diff(responses("REGULAR_SPIKING")[3])[-1] == pytest.approx(76.0, abs=1.0)


def test_intrinsically_bursting_starts_with_a_burst():
    found = np.diff(responses("INTRINSICALLY_BURSTING")[2])
    assert found[0] < 0.25 * found[-1]
    np.testing.assert_allclose(found[4:], found[-1], rtol=0.01)  # then regular single spikes


def test_chattering_bursts_again_and_again():
    for times, pause in zip(responses("CHATTERING")[:3], (60.0, 30.0, 25.0), strict=True):
        found = np.diff(times)
        ends = np.flatnonzero(found > pause)
        assert len(ends) >= 9
        assert (np.diff(ends) == 2).all()  # bursts of two, after a longer first one
        assert (np.delete(found, ends)[4:] < 6.0).all()


def test_fast_spiking_is_fast_and_does_not_adapt():
    found = np.diff(responses("FAST_SPIKING")[3])
    assert len(found) > 120
    early, late = found[2:30].mean(), found[-28:].mean()
    assert early == pytest.approx(late, rel=0.05)


def test_low_threshold_spiking_adapts_and_bounds_its_recovery():
    found = np.diff(responses("LOW_THRESHOLD_SPIKING")[3])
    assert (np.diff(found[:6]) > 0).all() and found[-1] > 1.2 * found[0]
    cell = vary(izhikevich_2007.LOW_THRESHOLD_SPIKING, source="test", i_ext=2000.0)
    net = Network((Population("cell", 1, cell),), (), DT)
    record = simulate(net, {}, {}, duration=300.0, backend="event", record=("cell.u", "cell.v", "cell.spikes"))
    u, v = (record.traces[f"cell.{field}"][:, 0, 0] for field in ("u", "v"))
    step = np.rint(record.spikes["cell"].times / DT).astype(int)
    assert len(step) > 100
    assert u[step].max() == 670.0  # the bound is reached
    before = u[step][u[step] < 670.0] - 20.0  # u as it crossed; v was reset from that
    np.testing.assert_allclose(v[step][u[step] < 670.0], -53.0 + 0.04 * before, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", CURRENTS)
def test_spikes_are_the_same_on_torch_and_event(name):
    for found, wanted in zip(responses(name, "torch_dense", 200.0), responses(name, "event", 200.0), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", ["FAST_SPIKING", "LOW_THRESHOLD_SPIKING"])
def test_spikes_are_the_same_on_brian(name):
    """The cells with the cubic recovery, the sloping peak and the bound of u. The first eight spikes: later, rounding
    moves one, for the cube of v in the last step before a spike sets the recovery of the fast cell. (On event too,
    1e-13 mV added to v at the start are 1 mV after ten spikes.)"""
    for found, wanted in zip(responses(name, "brian", 100.0), responses(name, "event", 100.0), strict=True):
        np.testing.assert_allclose(found[:8], wanted[:8], rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ["REGULAR_SPIKING", "FAST_SPIKING"])
def test_converges_with_order_one_in_dt(name):
    """v on the way to the first spike, against scipy's solution of the equations to 1e-12."""
    cell = vary(izhikevich_2007.SETS[name], source="test", i_ext=CURRENTS[name][2])
    duration, coarsest = {"REGULAR_SPIKING": (40.0, 0.1), "FAST_SPIKING": (3.0, 0.05)}[name]

    def slope(_, y):
        v, u = y
        above = max(v - cell.v_b, 0.0)
        i = cell.k * (v - cell.v_r) * (v - cell.v_t) - u + cell.i_ext
        return i / cell.c_m, cell.a * (cell.b * (v - cell.v_r) + cell.cubic * above**3 - u)

    exact = scipy.integrate.solve_ivp(slope, (0.0, duration), [cell.v_r, 0.0], rtol=1e-12, atol=1e-12).y[0, -1]
    errors = []
    for dt in coarsest / np.array([1, 2, 4, 8]):
        net = Network((Population("cell", 1, cell),), (), dt)
        record = simulate(net, {}, {}, duration=duration, backend="torch_dense", record=("cell.v",))
        assert record.counts.spikes == 0
        errors.append(abs(float(record.traces["cell.v"][-1]) - exact))
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert (np.abs(orders - 1.0) < 0.1).all(), orders  # as for the neuron of 2003
