"""Postsynaptic potentials of the models with alpha and with two exponential synapses against closed forms."""

import math

import numpy as np
import pytest

from neuro import Dense, Network, Population, Projection, Source, make_events, simulate, vary
from neuro.neurons import lif_alpha, lif_exc_inh
from neuro.neurons.exact import phi1, phi2

BACKENDS = ["torch_dense", "event", "brian"]
TAU_M, R_M, WEIGHT, ARRIVAL = 10.0, 0.04, 100.0, 1.0  # of both models: ms, GOhm, pA, ms


def psp(model, receptor, backend, dt, weight=WEIGHT):
    """Time since the arrival, at the end of each step, and v - v_rest, for a spike of one of two receptors."""
    other = next((name for name in model.receptors if name != receptor), receptor)
    populations = (Population("in", 1, Source()), Population("mute", 1, Source()), Population("cell", 1, model))
    projections = (
        Projection("in", "cell", Dense(), receptor=receptor),
        Projection("mute", "cell", Dense(), receptor=other),
    )
    inputs = {"in": make_events(np.array([ARRIVAL - dt]), np.array([0])), "mute": np.zeros((1, 1))}
    weights = {"in->cell": np.array([[weight]]), "mute->cell": np.ones((1, 1))}
    net = Network(populations, projections, dt)
    v = simulate(net, weights, inputs, duration=40.0, backend=backend, record=("cell.v",)).traces["cell.v"]
    v = np.asarray(v)[:, 0, 0]
    return dt * np.arange(1, len(v) + 1) - ARRIVAL, v - model.v_rest


def exponential(t, tau):
    """The effect on v of a current WEIGHT exp(-t / tau)."""
    t = np.maximum(t, 0.0)
    return WEIGHT * R_M * tau / (TAU_M - tau) * (np.exp(-t / TAU_M) - np.exp(-t / tau))


def alpha(t, tau):
    """The effect on v of a current WEIGHT t / tau exp(1 - t / tau)."""
    t = np.maximum(t, 0.0)
    rate = 1.0 / tau - 1.0 / TAU_M
    if rate == 0.0:
        return WEIGHT * math.e * R_M / TAU_M**2 * np.exp(-t / TAU_M) * t * t / 2.0
    shape = (1.0 - (1.0 + rate * t) * np.exp(-rate * t)) / rate**2
    return WEIGHT * math.e * R_M / (TAU_M * tau) * np.exp(-t / TAU_M) * shape


@pytest.mark.parametrize("dt", [0.1, 1.0])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("receptor", "tau", "sign"), [("exc", 2.0, 1.0), ("inh", 5.0, -1.0)])
def test_each_receptor_has_its_own_time_constant(receptor, tau, sign, backend, dt):
    """Exact for any dt. v is stored beside 70 mV, whose ulp is 1.4e-14; some hundred steps add up."""
    model = vary(lif_exc_inh.NEST_DEFAULT, source="test", tau_exc=2.0, tau_inh=5.0)
    t, v = psp(model, receptor, backend, dt, sign * WEIGHT)
    np.testing.assert_allclose(v, sign * exponential(t, tau), rtol=0, atol=1e-12)
    assert np.abs(v).max() > 0.5


@pytest.mark.parametrize("dt", [0.1, 1.0])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("tau", [0.5, 2.0, 25.0])
def test_alpha_psp(tau, backend, dt):
    model = vary(lif_alpha.NEST_DEFAULT, source="test", tau_syn=tau)
    t, v = psp(model, "input", backend, dt)
    np.testing.assert_allclose(v, alpha(t, tau), rtol=0, atol=1e-12)
    assert v.max() > 0.2


@pytest.mark.parametrize("backend", ["torch_dense", "event"])
@pytest.mark.parametrize("gap", [0.0, 1e-13, 1e-8, -1e-5])
def test_alpha_psp_where_the_time_constants_meet(gap, backend):
    """The limit t^2 e^-t differs from the solution by the order of the gap."""
    model = vary(lif_alpha.NEST_DEFAULT, source="test", tau_syn=TAU_M * (1.0 + gap))
    t, v = psp(model, "input", backend, 0.1)
    np.testing.assert_allclose(v, alpha(t, TAU_M), rtol=0, atol=1e-12 + 10.0 * abs(gap))


def test_alpha_current_peaks_at_the_weight():
    model = vary(lif_alpha.NEST_DEFAULT, source="test", tau_syn=3.0)
    net = Network(
        (Population("in", 1, Source()), Population("cell", 1, model)), (Projection("in", "cell", Dense()),), 0.1
    )
    spike = {"in": make_events(np.array([0.9]), np.array([0]))}
    record = ("cell.i_syn", "cell.i_rise")
    traces = simulate(
        net, {"in->cell": np.array([[50.0]])}, spike, duration=20.0, backend="event", record=record
    ).traces
    i_syn, t = traces["cell.i_syn"][:, 0, 0], 0.1 * np.arange(1, 201) - 1.0
    assert t[np.argmax(i_syn)] == pytest.approx(3.0)
    assert i_syn.max() == pytest.approx(50.0, rel=1e-13)
    wanted = 50.0 * math.e * np.exp(-np.maximum(t, 0.0) / 3.0) * (t > -0.05)
    np.testing.assert_allclose(traces["cell.i_rise"][:, 0, 0], wanted, rtol=1e-13, atol=0)


def test_propagators_are_accurate_to_rounding_everywhere():
    """Against the power series in exact rational arithmetic, through both branches of phi2 and both signs."""
    from fractions import Fraction

    for x in [*np.linspace(-3.0, 3.0, 61), 0.0, 1e-300, 1e-12, -1e-12, 1.0 - 1e-15, 1.0, -1.0]:
        terms = [Fraction(x) ** k / math.factorial(k + 1) for k in range(60)]
        assert float(phi1(x)) == pytest.approx(float(sum(terms)), rel=1e-15)
        terms = [Fraction(x) ** k / math.factorial(k + 2) for k in range(60)]
        assert float(phi2(x)) == pytest.approx(float(sum(terms)), rel=1e-15)  # a few ulps: 2e-16 each


def test_propagators_take_one_value_a_neuron():
    x = np.array([-2.0, 0.0, 0.3, 2.0])
    np.testing.assert_array_equal(phi2(x), [float(phi2(value)) for value in x])
    np.testing.assert_array_equal(phi1(x), [float(phi1(value)) for value in x])


@pytest.mark.parametrize("backend", BACKENDS)
def test_vogels_abbott_cell_fires_alone(backend):
    """v_rest lies above v_th: intervals of t_ref + tau_m ln((v_rest - v_reset) / (v_rest - v_th)), up to a step."""
    model = lif_exc_inh.VOGELS_ABBOTT_CUBA
    net = Network((Population("cell", 1, model),), (), 0.1)
    record = simulate(net, {}, {}, duration=250.0, backend=backend, initial={"cell.v": -60.0}, record=("cell.spikes",))
    free = 20.0 * np.log(11.0 / 1.0)
    np.testing.assert_allclose(np.diff(record.spikes["cell"].times), 5.0 + 0.1 * np.ceil(free / 0.1), rtol=0, atol=1e-9)
    assert record.counts.spikes == 4
