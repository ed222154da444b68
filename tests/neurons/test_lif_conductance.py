"""LIF with conductance synapses: steady state, reversal potentials, order of convergence."""

import numpy as np
import pytest
import scipy.integrate

from neuro import Dense, Network, Population, Projection, Source, make_events, simulate, vary
from neuro.neurons.lif_conductance import VOGELS_ABBOTT_COBA

BACKENDS = ["torch_dense", "event", "brian"]
QUIET = vary(VOGELS_ABBOTT_COBA, source="test", v_th=1e3)  # it never fires


def driven(model, dt, inputs, weights, duration, backend, **options):
    """v after each step, of one neuron with a source for each receptor."""
    net = Network(
        (Population("e", 1, Source()), Population("i", 1, Source()), Population("cell", 1, model)),
        (Projection("e", "cell", Dense(), receptor="exc"), Projection("i", "cell", Dense(), receptor="inh")),
        dt,
    )
    w = {"e->cell": np.array([[weights[0]]]), "i->cell": np.array([[weights[1]]])}
    given = {"e": inputs[0], "i": inputs[1]}
    record = simulate(net, w, given, duration=duration, backend=backend, record=("cell.v",), **options)
    return np.asarray(record.traces["cell.v"])[:, 0, 0]


@pytest.mark.parametrize("dt", [0.1, 1.0])
@pytest.mark.parametrize("backend", BACKENDS)
def test_steady_state_is_the_mean_of_potentials_weighted_by_conductances(backend, dt):
    """x nS a step hold a conductance at x / (1 - exp(-dt / tau)) at the start of each step. For any dt."""
    constant = np.ones((1, 1))
    v = driven(QUIET, dt, (constant, constant), (0.5, 0.8), 300.0, backend)[-1]
    g_exc, g_inh = 0.5 / -np.expm1(-dt / 5.0), 0.8 / -np.expm1(-dt / 10.0)
    wanted = (10.0 * -60.0 + g_exc * 0.0 + g_inh * -80.0) / (10.0 + g_exc + g_inh)
    assert -75.0 < wanted < -45.0
    assert v == pytest.approx(wanted, abs=1e-10)  # 300 ms are 15 time constants or more of what relaxes: e^-30 of 10 mV


@pytest.mark.parametrize("backend", BACKENDS)
def test_v_never_leaves_the_reversal_potentials(backend):
    """Spikes of 1e4 nS and more, of which a step of 1 ms is 50 time constants: forward Euler would diverge."""
    rng = np.random.default_rng(5)
    spikes = [make_events(rng.uniform(0.0, 200.0, 30), np.zeros(30, int)) for _ in range(2)]
    v = driven(QUIET, 1.0, spikes, (1e5, 1e4), 200.0, backend)
    assert v.min() >= -80.0 and v.max() <= 0.0
    assert v.min() < -79.0 and v.max() > -5.0  # it did get there


@pytest.mark.parametrize("backend", BACKENDS)
def test_inhibition_at_its_reversal_potential_only_shunts(backend):
    """Alone it does nothing to v; a conductance beside it then moves v less."""
    cell = vary(QUIET, source="test", v_rest=-80.0)
    one, none = (make_events(np.array([1.0] * n), np.zeros(n, int)) for n in (1, 0))
    alone = driven(cell, 0.1, (none, one), (2.0, 50.0), 30.0, backend)
    np.testing.assert_allclose(alone, -80.0, rtol=0, atol=1e-12)
    free, shunted = (driven(cell, 0.1, (one, inhibition), (2.0, 50.0), 30.0, backend) for inhibition in (none, one))
    assert free.max() > -77.6
    assert 0.1 < (shunted.max() + 80.0) / (free.max() + 80.0) < 0.6


def test_converges_with_order_one_in_dt():
    """v at 10 ms, while both conductances decay, against scipy's solution of the equations to 1e-11."""
    cell = QUIET

    def slope(t, v):
        g_exc, g_inh = 20.0 * np.exp(-t / cell.tau_exc), 30.0 * np.exp(-t / cell.tau_inh)
        return (cell.g_leak * (cell.v_rest - v) + g_exc * (cell.e_exc - v) + g_inh * (cell.e_inh - v)) / cell.c_m

    exact = scipy.integrate.solve_ivp(slope, (0.0, 10.0), [cell.v_rest], rtol=1e-12, atol=1e-11).y[0, -1]
    start, silent = {"cell.g_exc": 20.0, "cell.g_inh": 30.0}, np.zeros((1, 1))
    errors = []
    for dt in (0.2, 0.1, 0.05, 0.025):
        v = driven(cell, dt, (silent, silent), (1.0, 1.0), 10.0, "torch_dense", initial=start)
        errors.append(abs(v[-1] - exact))
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert errors[0] < 0.2
    assert (np.abs(orders - 1.0) < 0.05).all(), orders  # the next term is smaller by dt / 5 ms


def test_constant_conductance_relaxes_exactly():
    """Without decay (tau of 1e12 ms) there is nothing left to approximate: any dt lies on the exponential."""
    cell = vary(QUIET, source="test", tau_exc=1e12)
    silent = np.zeros((1, 1))
    v_inf, tau = 10.0 * -60.0 / 30.0, 200.0 / 30.0
    for dt in (0.1, 5.0):
        v = driven(cell, dt, (silent, silent), (1.0, 1.0), 50.0, "event", initial={"cell.g_exc": 20.0})
        t = dt * np.arange(1, len(v) + 1)
        np.testing.assert_allclose(v, v_inf + (-60.0 - v_inf) * np.exp(-t / tau), rtol=0, atol=1e-8)


@pytest.mark.parametrize("backend", BACKENDS)
def test_reset_and_refractory_interval(backend):
    """With i_ext = 500 pA, v tends to -10 mV with 20 ms; held at -60 mV for 5 ms, it takes 20 ln(50 / 40) to fire."""
    cell = vary(VOGELS_ABBOTT_COBA, source="test", i_ext=500.0)
    net = Network((Population("cell", 1, cell),), (), 0.1)
    record = simulate(net, {}, {}, duration=60.0, backend=backend, record=("cell.spikes", "cell.v"))
    times, v = record.spikes["cell"].times, np.asarray(record.traces["cell.v"])[:, 0, 0]
    wanted = 5.0 + 0.1 * np.ceil(20.0 * np.log(50.0 / 40.0) / 0.1)
    np.testing.assert_allclose(np.diff(times), wanted, rtol=0, atol=1e-9)
    for step in np.rint(times[:-1] / 0.1).astype(int):
        assert (v[step : step + 51] == -60.0).all()
        assert v[step + 51] > -60.0
