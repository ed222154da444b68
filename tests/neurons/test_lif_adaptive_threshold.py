"""LIF with delta synapses and a slow threshold, against closed forms."""

import numpy as np
import pytest

from neuro import Network, Population, simulate, vary
from neuro.neurons import lif_delta
from neuro.neurons.lif_adaptive_threshold import DIEHL_COOK

DRIVEN = vary(DIEHL_COOK, source="test", theta_plus=2.0, i_ext=60.0)
DT = 0.1


def run(model, duration, **options):
    net = Network((Population("cells", 1, model),), (), DT)
    return simulate(net, {}, {}, duration=duration, record=("cells.spikes", "cells.theta", "cells.v"), **options)


def test_intervals_grow_with_the_threshold_as_in_closed_form():
    """From reset, v needs tau_m ln((v_inf - v_reset) / (v_inf - threshold)), in whole steps, after t_ref + dt."""
    times, theta, at, k = run(DRIVEN, 1000.0).spikes["cells"].times, 0.0, -DT, 0
    while True:
        p = DRIVEN
        to_threshold = p.tau_m * np.log(p.i_ext / (p.i_ext - (p.v_th + theta - p.v_rest)))
        # theta decays by 1e-7 of itself in 1 ms, so that the climb is to a fixed level (to 1e-4 mV).
        at += (p.t_ref if k else 0.0) + DT * np.ceil(to_threshold / DT)
        if at >= 999.0:
            break
        assert times[k] == pytest.approx(at, abs=1e-6), k
        theta, k = theta + p.theta_plus, k + 1
    assert k == len(times) > 8


def test_the_threshold_rises_by_theta_plus_and_decays_in_closed_form():
    model = vary(DRIVEN, source="test", tau_theta=40.0)
    record = run(model, 300.0, initial={"cells.theta": 5.0})
    steps, spikes = np.arange(1, 3001), np.rint(record.spikes["cells"].times / DT)
    since = steps[:, None] - 1 - spikes
    rises = np.where(since >= 0, np.exp(-np.maximum(since, 0) * DT / 40.0), 0.0).sum(1) * model.theta_plus
    expected = 5.0 * np.exp(-steps * DT / 40.0) + rises
    np.testing.assert_allclose(record.traces["cells.theta"][:, 0, 0], expected, rtol=1e-11)  # 3,000 products
    assert len(spikes) > 5


def test_without_a_rise_it_is_the_plain_neuron():
    plain = lif_delta.LIFDelta(
        tau_m=100.0, r_m=1.0, v_rest=-65.0, v_th=-52.0, v_reset=-65.0, t_ref=5.0, i_ext=60.0, source="test"
    )
    net = Network((Population("cells", 1, plain),), (), DT)
    wanted = simulate(net, {}, {}, duration=200.0, record=("cells.v",)).traces["cells.v"]
    found = run(vary(DRIVEN, source="test", theta_plus=0.0), 200.0).traces["cells.v"]
    np.testing.assert_array_equal(found, wanted)
