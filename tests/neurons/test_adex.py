"""AdEx: rheobase against the closed form, order of convergence, and the firing patterns of its named cells."""

import functools

import numpy as np
import pytest
import scipy.integrate
import scipy.optimize

from neuro import Dense, Network, Population, Projection, Source, make_events, simulate, vary
from neuro.neurons import adex

DT = 0.1


def run(cell, duration, dt=DT, backend="event", **initial):
    """v after each step, and spike times, of one cell."""
    net = Network((Population("cell", 1, cell),), (), dt)
    start = {f"cell.{field}": value for field, value in initial.items()}
    wanted = ("cell.v", "cell.spikes")
    record = simulate(net, {}, {}, duration=duration, backend=backend, initial=start, record=wanted)
    return np.asarray(record.traces["cell.v"])[:, 0, 0], record.spikes["cell"].times


@functools.cache
def intervals(name, duration=600.0):
    """Latency and intervals of a named cell with its step of current, ms."""
    _, times = run(adex.SETS[name], duration)
    return times[0], np.diff(times)


def rheobase(cell):
    """Where the resting state ends in a saddle-node, or loses stability in a Hopf bifurcation if that comes first."""
    tau_m = cell.c_m / cell.g_leak
    hopf = cell.a / cell.g_leak > tau_m / cell.tau_w
    x = tau_m / cell.tau_w if hopf else cell.a / cell.g_leak
    i = (cell.g_leak + cell.a) * (cell.v_t - cell.v_rest - cell.delta_t + cell.delta_t * np.log(1.0 + x))
    return i + (cell.delta_t * cell.g_leak * (cell.a / cell.g_leak - tau_m / cell.tau_w) if hopf else 0.0)


def resting_state(cell):
    """The stable fixed point below rheobase, found by bisection below its knee; the knee above rheobase."""
    knee = cell.v_t + cell.delta_t * np.log(1.0 + cell.a / cell.g_leak)

    def slope(v):
        spike = cell.g_leak * cell.delta_t * np.exp((v - cell.v_t) / cell.delta_t)
        return cell.i_ext - (cell.g_leak + cell.a) * (v - cell.v_rest) + spike

    v = knee if slope(knee) > 0 else scipy.optimize.brentq(slope, cell.v_rest - 50.0, knee, xtol=1e-13)
    return v, cell.a * (v - cell.v_rest)


@pytest.mark.parametrize("name", ["TONIC", "INITIAL_BURST", "ADAPTING", "NEST_DEFAULT"])
def test_rheobase(name):
    """From the resting state, 0.02 mV off: it fires 0.5 % above rheobase, and never 0.5 % below. TONIC ends in a
    saddle-node, the others in a Hopf bifurcation, where Euler adds dt w^2 / 2 of 1e-5 / ms to the growth."""
    cell = adex.SETS[name]
    for factor, fires in ((0.995, False), (1.005, True)):
        near = vary(cell, source="test", i_ext=factor * rheobase(cell))
        v, i_w = resting_state(near)
        _, times = run(near, 2000.0, dt=0.01, v=v + 0.02, i_w=i_w)
        assert (len(times) > 0) == fires


def test_rheobase_of_a_step_without_adaptation():
    """a = b = 0: the exponential neuron, g_leak (v_t - v_rest - delta_t) = 180 pA for a step from rest."""
    for i_ext, fires in ((179.9, False), (180.1, True)):
        cell = vary(adex.TONIC, source="test", a=0.0, i_ext=i_ext)
        assert rheobase(cell) == pytest.approx(180.0)
        assert (len(run(cell, 3000.0)[1]) > 0) == fires


def test_converges_with_order_one_in_dt():
    """v at 8 ms on the way to the first spike, with conductances that decay, against scipy to 1e-12."""
    cell = vary(adex.ADAPTING, source="test", tau_exc=3.0, tau_inh=6.0)

    def slope(_, y):
        v, i_w, g_exc, g_inh = y
        spike = cell.g_leak * cell.delta_t * np.exp((v - cell.v_t) / cell.delta_t)
        i = cell.g_leak * (cell.v_rest - v) + spike - i_w + cell.i_ext
        i += g_exc * (cell.e_exc - v) + g_inh * (cell.e_inh - v)
        dw = (cell.a * (v - cell.v_rest) - i_w) / cell.tau_w
        return i / cell.c_m, dw, -g_exc / cell.tau_exc, -g_inh / cell.tau_inh

    start = {"v": -70.0, "i_w": 0.0, "g_exc": 4.0, "g_inh": 6.0}
    exact = scipy.integrate.solve_ivp(slope, (0.0, 8.0), list(start.values()), rtol=1e-12, atol=1e-12).y[0, -1]
    errors = [abs(run(cell, 8.0, dt, "torch_dense", **start)[0][-1] - exact) for dt in (0.1, 0.05, 0.025, 0.0125)]
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert (np.abs(orders - 1.0) < 0.05).all(), orders  # the next term is smaller by dt / 3 ms


def test_a_spike_converges_with_order_one_in_dt():
    """The fourth spike of the adapting cell: each spike is late by up to a step, and what follows moves with it."""
    fourth = [run(adex.ADAPTING, 80.0, dt)[1][3] for dt in (0.1, 0.05, 0.025, 0.00125)]
    errors = np.abs(np.array(fourth[:3]) - fourth[3])
    assert errors[0] < 1.5
    assert (errors[1:] < 0.65 * errors[:-1]).all(), errors  # a half, and the grid of spike times


def test_patterns_are_the_same_on_torch_and_event():
    for name, cell in adex.SETS.items():
        _, times = run(cell, 200.0, backend="torch_dense")
        np.testing.assert_array_equal(run(cell, 200.0)[1], times, err_msg=name)


@pytest.mark.parametrize("name", ["ADAPTING", "REGULAR_BURSTING", "DELAYED_ACCELERATING"])
def test_patterns_begin_the_same_on_brian(name):
    _, wanted = run(adex.SETS[name], 150.0)
    np.testing.assert_allclose(run(adex.SETS[name], 150.0, backend="brian")[1], wanted, rtol=0, atol=1e-9)


def adaptation_index(found):
    """Mean of (I[k+1] - I[k]) / (I[k+1] + I[k]) over the intervals I."""
    return float(np.mean(np.diff(found) / (found[1:] + found[:-1])))


def test_tonic():
    _, found = intervals("TONIC")
    assert len(found) > 50
    np.testing.assert_allclose(found[5:], found[-1], rtol=0.02)  # two steps of 0.1 ms in 10 ms
    assert abs(adaptation_index(found)) < 0.002


def test_adapting():
    _, found = intervals("ADAPTING")
    assert (np.diff(found[:7]) > 0).all()
    assert found[-1] > 5 * found[0]
    assert adaptation_index(found) > 0.08
    np.testing.assert_allclose(found[8:], found[-1], rtol=0.01)


def test_initial_burst():
    _, found = intervals("INITIAL_BURST")
    assert (found[:2] < 10.0).all()  # three spikes at once
    np.testing.assert_allclose(found[3:], found[-1], rtol=0.01)  # then single ones
    assert found[-1] > 50.0


def bursts(found, pause):
    """Spikes in each burst that is over: the number of intervals between pauses, and one."""
    ends = np.flatnonzero(found > pause)
    return np.diff(ends)


def test_regular_bursting():
    _, found = intervals("REGULAR_BURSTING")
    sizes = bursts(found, 60.0)
    assert len(sizes) >= 3 and (sizes == 2).all()
    pauses = found[found > 60.0]
    np.testing.assert_allclose(pauses[1:], pauses[-1], rtol=0.01)


def test_delayed_accelerating():
    latency, found = intervals("DELAYED_ACCELERATING")
    assert latency > 1.5 * found[0]
    assert (np.diff(found) < 0.5 * DT).all()  # faster and faster
    assert found[0] > 1.8 * found[-1]
    assert adaptation_index(found) < -0.005


def test_delayed_regular_bursting():
    latency, found = intervals("DELAYED_REGULAR_BURSTING")
    assert latency > 50.0
    sizes = bursts(found, 30.0)
    assert len(sizes) >= 5 and (sizes == 4).all()
    assert (found[found < 30.0] < 10.0).all()


def test_transient_spiking():
    """It fires at the step, and then no more."""
    latency, found = intervals("TRANSIENT_SPIKING", 1000.0)
    assert latency < 50.0 and len(found) == 0


def test_irregular_spiking():
    """A fixed current, and yet intervals that neither settle nor repeat: chaos."""
    _, found = intervals("IRREGULAR_SPIKING", 2000.0)
    late = found[10:]
    assert len(late) > 50
    assert late.std() / late.mean() > 0.3
    for period in range(1, 6):
        assert np.abs(late[period:] - late[:-period]).max() > 5.0


@pytest.mark.parametrize("backend", ["torch_dense", "event", "brian"])
def test_conductances_pull_to_their_reversal_potentials(backend):
    """10 nS of either, held (x = g dt / tau a step): v settles where the leak and the synapse balance."""
    cell = vary(adex.TONIC, source="test", i_ext=0.0, a=0.0, v_t=50.0, v_peak=60.0)  # the exponential is far off
    for receptor, wanted in (("exc", -35.0), ("inh", -77.5)):
        tau = getattr(cell, f"tau_{receptor}")
        projections = (Projection("in", "cell", Dense(), receptor=receptor),)
        net = Network((Population("in", 1, Source()), Population("cell", 1, cell)), projections, 0.05)
        options = {"duration": 400.0, "backend": backend, "record": ("cell.v",)}
        traces = simulate(net, {"in->cell": np.array([[10.0 * 0.05 / tau]])}, {"in": np.ones((1, 1))}, **options).traces
        assert float(traces["cell.v"][-1, 0, 0]) == pytest.approx(wanted, abs=1e-9)


def test_a_spike_reaches_the_receptor_of_its_projection():
    spike = make_events(np.array([1.0]), np.array([0]))
    for receptor, other in (("exc", "inh"), ("inh", "exc")):
        net = Network(
            (Population("in", 1, Source()), Population("cell", 1, adex.TONIC)),
            (Projection("in", "cell", Dense(), receptor=receptor),),
            DT,
        )
        record = ("cell.g_exc", "cell.g_inh")
        for backend in ("torch_dense", "event", "brian"):
            options = {"duration": 2.0, "backend": backend, "record": record}
            traces = simulate(net, {"in->cell": np.array([[3.0]])}, {"in": spike}, **options).traces
            assert float(traces[f"cell.g_{receptor}"].max()) == pytest.approx(3.0)
            assert not np.asarray(traces[f"cell.g_{other}"]).any()
