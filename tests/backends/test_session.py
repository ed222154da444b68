"""A session shows samples as separate simulations would, and keeps between them what it is told to keep."""

import numpy as np
import pytest

from neuro import (
    Dense,
    FixedProbability,
    Network,
    Population,
    Projection,
    Session,
    Source,
    connect,
    make_events,
    simulate,
    vary,
)
from neuro.neurons.leaky_integrator import NORMALISED as INTEGRATOR
from neuro.neurons.lif_delta import NORMALISED
from neuro.plasticity.stdp import SONG_ABBOTT

DURATION, DT, N_IN, N = 40.0, 1.0, 30, 70
RULE = vary(SONG_ABBOTT, source="test", a_plus=0.05, a_minus=0.052)
CELLS = vary(NORMALISED, source="test", t_ref=2.0)


def network():
    populations = (Population("in", N_IN, Source()), Population("cells", N, CELLS), Population("sum", 1, INTEGRATOR))
    projections = (
        Projection("in", "cells", Dense(), DT, RULE),
        Projection("cells", "cells", FixedProbability(0.1), 2.0, RULE),
        Projection("cells", "sum", Dense(), DT),
    )
    net = Network(populations, projections, DT)
    values = {
        "in->cells": lambda rng, n: rng.uniform(0.0, 0.4, n),
        "cells->cells": lambda rng, n: rng.uniform(0.0, 0.2, n),
        "cells->sum": 1.0,
    }
    return net, connect(net, values, seed=0)


def trains(n_samples, seed=0):
    rng, n = np.random.default_rng(seed), 400
    times = rng.uniform(0.0, DURATION, n * n_samples)
    return make_events(times, rng.integers(0, N_IN, n * n_samples), np.arange(n_samples + 1) * n)


def assert_same(found, wanted):
    for part in ("times", "units"):
        np.testing.assert_array_equal(getattr(found, part), getattr(wanted, part))


def values(weights):
    return weights.weights if hasattr(weights, "weights") else weights


RECORD = ("cells.spikes", "sum.v")


@pytest.mark.parametrize("threads", [1, 3])
def test_independent_samples_are_simulations_of_their_own(threads):
    """Each as by `simulate`, bit for bit, though another session changed its weights before; in any number of calls."""
    net, weights = network()
    events = trains(7)
    session = Session(net, weights, duration=DURATION, plastic=True, record=RECORD, independent=True, threads=threads)
    first = session.present({"in": events.sample(6)})
    batch = session.present({"in": events})
    for index in range(7):
        alone = simulate(net, weights, {"in": events.sample(index)}, duration=DURATION, plastic=True, record=RECORD)
        assert np.abs(alone.weights["in->cells"] - weights["in->cells"]).max() > 0.05  # it learned
        assert_same(batch.spikes["cells"].sample(index), alone.spikes["cells"])
        np.testing.assert_array_equal(batch.traces["sum.v"][:, index], alone.traces["sum.v"][:, 0])
    assert_same(first.spikes["cells"], batch.spikes["cells"].sample(6))
    for name, w in session.weights.items():
        np.testing.assert_array_equal(w, values(weights[name]))


def test_weights_go_on_from_sample_to_sample():
    """As simulations in turn, each with the weights that the last one left."""
    net, weights = network()
    events = trains(5)
    session = Session(net, weights, duration=DURATION, plastic=True, record=RECORD)
    record = session.present({"in": events})
    for index in range(5):
        alone = simulate(net, weights, {"in": events.sample(index)}, duration=DURATION, plastic=True, record=RECORD)
        weights = alone.weights
        assert_same(record.spikes["cells"].sample(index), alone.spikes["cells"])
    for name, w in session.weights.items():
        np.testing.assert_array_equal(w, values(weights[name]))
    assert record.counts.spikes == len(record.spikes["cells"].times)


def test_weights_of_synapses_with_delays_are_those_that_were_learned():
    net, _ = network()
    weights = connect(
        net,
        {"in->cells": 0.3, "cells->cells": 0.1, "cells->sum": 1.0},
        seed=0,
        delays={"cells->cells": lambda rng, n: rng.integers(2, 9, n) * DT},
    )
    session = Session(net, weights, duration=DURATION, plastic=True)
    for sample in range(2):
        events = trains(2).sample(sample)
        weights = simulate(net, weights, {"in": events}, duration=DURATION, plastic=True).weights
        record = session.present({"in": events})
        np.testing.assert_array_equal(record.weights["cells->cells"], weights["cells->cells"].weights)
    assert np.ptp(record.weights["cells->cells"]) > 0.05


def test_weights_can_be_written_between_samples():
    net, weights = network()
    events = trains(2)
    session = Session(net, weights, duration=DURATION, record=RECORD)
    before = session.present({"in": events.sample(0)})
    session.weights["in->cells"][:] = 0.0
    assert session.present({"in": events.sample(0)}).counts.spikes == 0
    session.weights["in->cells"][:] = weights["in->cells"]
    assert_same(session.present({"in": events.sample(0)}).spikes["cells"], before.spikes["cells"])
    assert weights["in->cells"].min() > 0.0  # those that were given are not touched


def test_what_is_kept_goes_on():
    """A membrane decays over the border between samples as within one; all others begin at rest."""
    net, weights = network()
    events = trains(3)
    kept, anew = (Session(net, weights, duration=DURATION, keep=keep, record=RECORD) for keep in (("sum.v",), ()))
    v_kept, v_anew = (session.present({"in": events}).traces["sum.v"][:, :, 0] for session in (kept, anew))
    decay = np.exp(-DT / INTEGRATOR.tau_m)
    np.testing.assert_array_equal(v_anew[0], 0.0)  # no spike arrives in the first step
    np.testing.assert_allclose(v_kept[0, 1:], decay * v_kept[-1, :-1], rtol=1e-15)


def test_kept_traces_pair_spikes_of_successive_samples():
    """Pre at the end of one sample, post at the beginning of the next: the pair counts if its traces are kept."""
    forced = vary(CELLS, source="test", v_th=100.0)
    net = Network(
        (Population("pre", 1, Source()), Population("teacher", 1, Source()), Population("post", 1, forced)),
        (Projection("pre", "post", Dense(), 3.0, RULE), Projection("teacher", "post", Dense(), DT)),
        DT,
    )
    weights = {"pre->post": np.array([[0.5]]), "teacher->post": np.array([[1e3]])}
    first = {
        "pre": make_events(np.array([DURATION - 5.0]), np.array([0])),
        "teacher": make_events([], np.array([], int)),
    }
    second = {"pre": first["teacher"], "teacher": make_events(np.array([1.0]), np.array([0]))}
    found = {}
    for keep in ((), ("pre->post.x",)):
        session = Session(net, weights, duration=DURATION, plastic=True, keep=keep)
        session.present(first)
        session.present(second)
        found[keep] = session.weights["pre->post"][0, 0] - 0.5
    lag = (1.0 + DT) - (-5.0 + 3.0)  # from the arrival to the postsynaptic spike
    assert found[()] == 0.0
    assert found["pre->post.x",] == pytest.approx(RULE.a_plus * np.exp(-lag / RULE.tau_pre), rel=1e-12)


def test_bad_requests_are_refused():
    net, weights = network()
    with pytest.raises(ValueError, match=r"unknown what to keep 'cells.w'; did you mean 'cells.v'"):
        Session(net, weights, duration=DURATION, keep=("cells.w",))
    with pytest.raises(ValueError, match="samples that follow each other take one thread"):
        Session(net, weights, duration=DURATION, threads=2)
    with pytest.raises(ValueError, match="independent samples leave nothing behind"):
        Session(net, weights, duration=DURATION, independent=True, keep=("cells.v",))
    with pytest.raises(ValueError, match="takes Events; encode values first"):
        Session(net, weights, duration=DURATION).present({"in": np.zeros((1, N_IN))})
