"""LIF of every current synapse against closed forms, on every backend."""

import functools

import numpy as np
import pytest

from neuro import Dense, Network, Population, Projection, Source, make_events, simulate, vary
from neuro.neurons import lif, lif_alpha, lif_delta, lif_exc_inh

BACKENDS = ["torch_dense", "event", "brian"]
# Their membranes are the same, and no synapse takes part in what they are all asked.
MODELS = {
    "lif": lif.NEST_DEFAULT,
    "lif_delta": lif_delta.NEST_DEFAULT,
    "lif_exc_inh": lif_exc_inh.NEST_DEFAULT,
    "lif_alpha": lif_alpha.NEST_DEFAULT,
}


@functools.cache
def driven(neuron, backend):
    """20 neurons, each with a constant current from 376 pA (just above the rheobase of 375 pA) to 1000 pA."""
    i_ext = np.linspace(376.0, 1000.0, 20)
    model = vary(MODELS[neuron], source="test", i_ext=i_ext)
    net = Network((Population("cells", 20, model),), (), 0.1)
    record = ("cells.spikes", "cells.v")
    return model, simulate(net, {}, {}, duration=300.0, backend=backend, record=record)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("neuron", MODELS)
def test_f_i_curve(neuron, backend):
    """Interval = t_ref + tau_m ln((v_inf - v_reset) / (v_inf - v_th)), rounded up to a step: v is held in the
    t_ref / dt steps after that of the spike, and flows from v_reset in the next. So it is at least t_ref + dt."""
    model, record = driven(neuron, backend)
    spikes = record.spikes["cells"]
    for j, i_ext in enumerate(model.i_ext):
        v_inf = model.v_rest + model.r_m * i_ext
        free = model.tau_m * np.log((v_inf - model.v_reset) / (v_inf - model.v_th))
        times = spikes.times[spikes.units == j]
        assert len(times) >= 4
        wanted = model.t_ref + 0.1 * np.ceil(free / 0.1)
        np.testing.assert_allclose(np.diff(times), wanted, rtol=0, atol=1e-9)  # times are k * dt, to rounding
        assert times[0] == pytest.approx(wanted - model.t_ref - 0.1)  # from rest; step 0 ends at 0.1 ms


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("neuron", MODELS)
def test_reset_and_refractory_interval(neuron, backend):
    """v is v_reset in the step of a spike and in the t_ref / dt = 20 steps after it, and has left it in the next."""
    model, record = driven(neuron, backend)
    v_TN = np.asarray(record.traces["cells.v"])[:, 0]
    spikes = record.spikes["cells"]
    assert v_TN.max() < model.v_th  # a trace is taken after the reset
    for step, j in zip(np.rint(spikes.times / 0.1).astype(int), spikes.units, strict=True):
        if step + 21 < len(v_TN):
            assert (v_TN[step : step + 21, j] == model.v_reset).all()
            assert v_TN[step + 21, j] > model.v_reset


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("neuron", MODELS)
def test_without_refractoriness_a_strong_drive_fires_every_step(neuron, backend):
    model = vary(MODELS[neuron], source="test", t_ref=0.0, i_ext=1e6)
    net = Network((Population("cells", 20, model),), (), 0.1)
    record = simulate(net, {}, {}, duration=2.0, backend=backend, record=("cells.spikes", "cells.v"))
    assert record.counts.spikes == 20 * 20


def psp(backend, dt, tau_syn, weight=100.0):
    """v - v_rest and i_syn after one spike that arrives in the step that ends at 1 ms."""
    model = vary(lif.NEST_DEFAULT, source="test", tau_syn=tau_syn)
    cells = Population("in", 1, Source()), Population("cell", 1, model)
    net = Network(cells, (Projection("in", "cell", Dense()),), dt)
    spike = make_events(np.array([1.0 - dt]), np.array([0]))
    weights, fields = {"in->cell": np.array([[weight]])}, ("cell.v", "cell.i_syn")
    traces = simulate(net, weights, {"in": spike}, duration=60.0, backend=backend, record=fields).traces
    v, i_syn = (np.asarray(traces[field])[:, 0, 0] for field in fields)
    return v - model.v_rest, i_syn


def analytic_psp(t, tau_m, tau_syn, weight=100.0, r_m=0.04):
    t = np.maximum(t, 0.0)
    if tau_m == tau_syn:
        return weight * r_m * t / tau_m * np.exp(-t / tau_m)
    return weight * r_m * tau_syn / (tau_m - tau_syn) * (np.exp(-t / tau_m) - np.exp(-t / tau_syn))


@pytest.mark.parametrize("backend", BACKENDS)
def test_psp_is_a_difference_of_exponentials(backend):
    v, i_syn = psp(backend, 0.1, 2.0)
    t = 0.1 * np.arange(1, len(v) + 1) - 1.0  # since the arrival, at the end of each step
    # v is stored beside 70 mV, whose ulp is 1.4e-14; some hundred steps add up while they decay.
    np.testing.assert_allclose(v, analytic_psp(t, 10.0, 2.0), rtol=0, atol=1e-12)
    np.testing.assert_allclose(i_syn, 100.0 * np.exp(-t / 2.0) * (t > -0.05), rtol=0, atol=1e-12)
    # The peak lies at tau_m tau_syn / (tau_m - tau_syn) ln(tau_m / tau_syn), to one step.
    peak = 10.0 * 2.0 / 8.0 * np.log(10.0 / 2.0)
    assert abs(t[np.argmax(v)] - peak) <= 0.1
    # Near the peak v falls off as the square of the distance: less than (0.1 ms)^2 v'' / 2 = 2e-3 mV.
    assert v.max() == pytest.approx(analytic_psp(np.array(peak), 10.0, 2.0), abs=2e-3)


@pytest.mark.parametrize("backend", ["torch_dense", "event"])
def test_equal_time_constants_are_no_singularity(backend):
    """brian2's own solution divides by tau_m - tau_syn. The alpha function t e^-t is the limit."""
    v, _ = psp(backend, 0.1, 10.0)
    t = 0.1 * np.arange(1, len(v) + 1) - 1.0
    np.testing.assert_allclose(v, analytic_psp(t, 10.0, 10.0), rtol=0, atol=1e-12)
    assert abs(t[np.argmax(v)] - 10.0) <= 0.1


def test_the_propagator_is_smooth_near_equal_time_constants():
    """p_vi(tau_syn) is analytic: a step of relative size h changes it by about h / 2. The naive form
    tau_syn / (tau_m - tau_syn) (p_vv - p_ii) loses all digits there."""
    limit = vary(lif.NEST_DEFAULT, source="test", tau_syn=10.0).coefficients(0.1).p_vi
    assert limit == pytest.approx(0.04 * 0.1 / 10.0 * np.exp(-0.01), rel=1e-15)
    for h in 10.0 ** np.arange(-15, -3):
        for sign in (-1, 1):
            near = vary(lif.NEST_DEFAULT, source="test", tau_syn=10.0 * (1 + sign * h)).coefficients(0.1).p_vi
            assert abs(near / limit - 1) < h + 1e-15


def test_exact_integration_does_not_depend_on_dt():
    """The flow is exact: dt = 0.1 and 1 ms agree where both have a value, to the rounding of ten times the steps."""
    (fine, _), (coarse, _) = psp("event", 0.1, 2.0), psp("event", 1.0, 2.0)
    assert coarse.max() > 0.5
    np.testing.assert_allclose(fine[9::10], coarse, rtol=0, atol=1e-12)


@pytest.mark.parametrize("neuron", MODELS)
def test_exact_relaxation_does_not_depend_on_dt(neuron):
    """From -90 mV towards v_inf = -60 mV, below threshold."""
    model = vary(MODELS[neuron], source="test", i_ext=250.0)
    traces = {}
    for dt in (0.1, 1.0):
        net = Network((Population("cells", 20, model),), (), dt)
        start = {"cells.v": -90.0}
        record = simulate(net, {}, {}, duration=50.0, backend="torch_dense", initial=start, record=("cells.v",))
        traces[dt] = np.asarray(record.traces["cells.v"])[:, 0, 0]
    t = np.arange(1.0, 51.0)
    np.testing.assert_allclose(traces[1.0], -60.0 - 30.0 * np.exp(-t / 10.0), rtol=0, atol=1e-12)
    np.testing.assert_allclose(traces[0.1][9::10], traces[1.0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_delta_arrivals_are_lost_in_refractoriness(backend):
    """Spikes of 4 mV at steps 0 to 3 lift v to threshold at the fourth; those of steps 10 and 23 arrive in the
    20 steps of refractoriness, that of step 24 after it."""
    net = Network(
        (Population("in", 1, Source()), Population("cell", 1, lif_delta.NEST_DEFAULT)),
        (Projection("in", "cell", Dense()),),
        0.1,
    )
    steps = np.array([0, 1, 2, 3, 10, 23, 24])
    inputs = {"in": make_events(steps * 0.1, np.zeros(7, int))}
    weights = {"in->cell": np.array([[4.0]])}
    record = simulate(net, weights, inputs, duration=3.0, backend=backend, record=("cell.spikes", "cell.v"))
    np.testing.assert_allclose(record.spikes["cell"].times, [0.3])
    v = np.asarray(record.traces["cell.v"])[:, 0, 0]
    assert (v[3:24] == -70.0).all()
    assert v[24] == -66.0
    # Before it: jumps of 4 mV that decay with 10 ms; 1e-13 is some ulps of 70 mV.
    np.testing.assert_allclose(v[2], -70.0 + 4.0 * np.exp(-0.01 * np.arange(3)).sum(), rtol=0, atol=1e-13)
