"""brian2, which never sees our code, against the other backends where synapses have all that they can have: delays of
their own, short-term plasticity, and rules with further variables and with changes at intervals.

Spikes are equal. Weights and v agree to rounding, since brian2 takes exponentials over other times and sums in
another order: some thousand changes of 1e-16, relative to the largest weight.
"""

import functools

import numpy as np
import pytest

from neuro import (
    Dense,
    FixedProbability,
    Network,
    PoissonSource,
    Population,
    Projection,
    Source,
    connect,
    make_events,
    simulate,
    vary,
)
from neuro.neurons import lif, lif_delta
from neuro.plasticity.modulated_stdp import DISTAL_REWARD
from neuro.plasticity.scaled_stdp import VAN_ROSSUM
from neuro.plasticity.stdp import SONG_ABBOTT
from neuro.plasticity.triplet_stdp import VISUAL_CORTEX
from neuro.plasticity.tsodyks_markram import DEPRESSING, FACILITATING

DT, DURATION, W_MAX = 0.1, 120.0, 200.0
PLASTIC = ("in->exc", "exc->exc", "exc->inh", "inh->exc")
RECORD = ("exc.spikes", "inh.spikes", "exc.v", "exc->exc.weights", "exc->inh.weights")


@functools.cache
def network():
    rng = np.random.default_rng(0)
    exc = vary(lif.NEST_DEFAULT, source="test", i_ext=rng.uniform(300.0, 400.0, 40))
    common = {"source": "test", "w_max": W_MAX}
    pair = vary(SONG_ABBOTT, a_plus=0.05, a_minus=0.052, softness=0.5, **common)
    triplet = vary(VISUAL_CORTEX, a2_plus=0.01, **common)
    # Intervals of 1 ms, of a number of steps that is no divisor of the last one, and longer than half of the run.
    eligible = vary(DISTAL_REWARD, a_plus=0.02, a_minus=0.02, interval=1.0, tau_eligibility=20.0, drift=0.001, **common)
    scaled = vary(VAN_ROSSUM, a_plus=0.02, a_minus=0.1, tau_activity=50.0, beta=0.3, interval=8.7, **common)
    late = vary(DISTAL_REWARD, a_plus=0.05, a_minus=0.02, interval=70.0, **common)
    net = Network(
        (Population("in", 40, Source()), Population("exc", 40, exc), Population("inh", 20, lif.NEST_DEFAULT)),
        (
            Projection("in", "exc", FixedProbability(0.3), rule=triplet, short_term=DEPRESSING),
            Projection("exc", "exc", FixedProbability(0.4), delay=DT, rule=eligible, short_term=FACILITATING),
            Projection("exc", "inh", FixedProbability(0.4), delay=0.2, rule=scaled),
            Projection("inh", "exc", Dense(), delay=0.5, rule=late, short_term=DEPRESSING),
            Projection("in", "inh", FixedProbability(0.3)),
            Projection("inh", "inh", FixedProbability(0.3), delay=1.5, rule=pair),
        ),
        DT,
    )
    values = {projection.name: lambda rng, n: rng.uniform(20.0, 180.0, n) for projection in net.projections}
    delays = {
        "in->exc": lambda rng, n: 0.5 * rng.integers(0, 7, n),
        "exc->exc": lambda rng, n: 0.1 + 0.4 * rng.integers(0, 6, n),
        "exc->inh": lambda rng, n: 0.2 + 0.9 * rng.integers(0, 4, n),
    }
    rng = np.random.default_rng(1)
    inputs = {"in": make_events(rng.uniform(0.0, DURATION, 2000), rng.integers(0, 40, 2000))}
    return net, connect(net, values, 3, delays), inputs


@functools.cache
def outcome(backend, plastic=True):
    net, weights, inputs = network()
    options = {"record": RECORD, "weights_every": 14.5, "plastic": plastic}
    return simulate(net, weights, inputs, duration=DURATION, backend=backend, **options)


def values(weights):
    return np.asarray(getattr(weights, "weights", weights))


@pytest.mark.parametrize(
    ("backend", "plastic"),
    [
        ("event", True),
        *(
            pytest.param(*rest, marks=pytest.mark.slow)
            for rest in (("torch_dense", True), ("event", False), ("torch_dense", False))
        ),
    ],
)
def test_spikes_and_voltages_are_those_of_brian(backend, plastic):
    wanted, found = outcome("brian", plastic), outcome(backend, plastic)
    assert wanted.counts.spikes > 400
    for name in ("exc", "inh"):
        np.testing.assert_array_equal(found.spikes[name].units, wanted.spikes[name].units)
        np.testing.assert_allclose(found.spikes[name].times, wanted.spikes[name].times, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.traces["exc.v"], wanted.traces["exc.v"], rtol=0, atol=1e-9)
    assert found.counts.spikes == wanted.counts.spikes
    assert found.counts.synaptic_events == wanted.counts.synaptic_events


@pytest.mark.parametrize("backend", ["torch_dense", "event"])
def test_weights_are_those_of_brian(backend):
    start = network()[1]
    for name in (*PLASTIC, "inh->inh"):
        wanted = values(outcome("brian").weights[name])
        np.testing.assert_allclose(values(outcome(backend).weights[name]), wanted, rtol=0, atol=1e-12 * W_MAX)
        assert np.abs(wanted - values(start[name])).max() > 5.0  # of 200: they did learn
        assert len(np.unique(wanted)) > 0.5 * wanted.size  # and do not lie at their bounds


@pytest.mark.parametrize("backend", ["torch_dense", "event"])
def test_looks_at_the_weights_are_those_of_brian(backend):
    for name in ("exc->exc", "exc->inh"):
        wanted = outcome("brian").traces[f"{name}.weights"]
        assert len(wanted) == 8 and (np.diff(wanted, axis=0) != 0).any(axis=1).all()
        np.testing.assert_allclose(outcome(backend).traces[f"{name}.weights"], wanted, rtol=0, atol=1e-12 * W_MAX)


def test_looks_at_weights_that_stay():
    weights = network()[1]
    for name in ("exc->exc", "exc->inh"):
        kept = outcome("brian", plastic=False).traces[f"{name}.weights"]
        np.testing.assert_array_equal(kept, np.tile(weights[name].weights, (8, 1)))


def test_short_term_plasticity_needs_spikes_and_poisson_sources_are_refused():
    cells = Population("cells", 2, lif_delta.NORMALISED)
    current = Network(
        (Population("in", 2, Source()), cells), (Projection("in", "cells", Dense(), short_term=DEPRESSING),), DT
    )
    weights = connect(current, {"in->cells": 1.0}, 0)
    with pytest.raises(ValueError, match="'in' is direct current, and .* of 'in->cells' needs spikes"):
        simulate(current, weights, {"in": np.ones((1, 2))}, duration=1.0, backend="brian")
    noisy = Network(
        (Population("noise", 2, PoissonSource(rate=10.0)), cells), (Projection("noise", "cells", Dense()),), DT
    )
    with pytest.raises(ValueError, match="'noise' is a Poisson source"):
        simulate(noisy, connect(noisy, {"noise->cells": 1.0}, 0), {}, duration=1.0, backend="brian")
