"""Networks with everything that a projection can have: delays of its own for each synapse, short-term and long-term
plasticity, Poisson sources and drives. torch_dense is the reference; threads, resuming and streaming change nothing.

torch_dense and event take the arrivals of a neuron in different orders, so that v differs by rounding, which a
short run of some 10 spikes a neuron does not blow up; numbers on the event backend alone are equal bit for bit.
"""

import functools

import numpy as np
import pytest

from neuro import (
    Dense,
    FixedProbability,
    Network,
    PoissonDrive,
    PoissonSource,
    Population,
    Projection,
    Source,
    connect,
    load_state,
    make_events,
    save_state,
    simulate,
    vary,
)
from neuro.neurons import lif, lif_delta
from neuro.plasticity.stdp import SONG_ABBOTT
from neuro.plasticity.triplet_stdp import VISUAL_CORTEX
from neuro.plasticity.tsodyks_markram import DEPRESSING, FACILITATING

DT, DURATION = 0.1, 80.0
RECORD = ("exc.spikes", "inh.spikes", "exc.v", "noise.spikes", "exc->exc.weights")
OPTIONS = {"plastic": True, "record": RECORD, "weights_every": 20.0, "seed": 5}


@functools.cache
def network(n_exc=150, n_inh=70):
    rng = np.random.default_rng(0)
    exc = vary(lif.NEST_DEFAULT, source="test", i_ext=rng.uniform(300.0, 400.0, n_exc))
    rule = vary(SONG_ABBOTT, source="test", w_max=200.0, a_plus=0.05, a_minus=0.052, softness=0.5)
    triplet = vary(VISUAL_CORTEX, source="test", w_max=200.0, a2_plus=0.01)
    net = Network(
        (
            Population("in", 40, Source()),
            Population("noise", 30, PoissonSource(rate=rng.uniform(20.0, 100.0, 30))),
            Population("exc", n_exc, exc),
            Population("inh", n_inh, lif.NEST_DEFAULT),
        ),
        (
            Projection("in", "exc", FixedProbability(0.2), rule=triplet, short_term=DEPRESSING),
            Projection("noise", "exc", Dense(), delay=DT, rule=rule),
            Projection("exc", "exc", FixedProbability(0.2), delay=0.3, rule=rule, short_term=FACILITATING),
            Projection("exc", "inh", FixedProbability(0.2), delay=0.2),
            Projection("inh", "exc", FixedProbability(0.3), delay=1.5, short_term=DEPRESSING),
            Projection("in", "inh", FixedProbability(0.2), delay=0.0),
        ),
        DT,
        (PoissonDrive("inh", 800.0, 60.0),),
    )
    values = {name: lambda rng, n: rng.uniform(20.0, 120.0, n) for name in (p.name for p in net.projections)}
    values["inh->exc"] = lambda rng, n: rng.uniform(-400.0, -100.0, n)
    values["exc->exc"] = lambda rng, n: rng.uniform(20.0, 180.0, n)
    delays = {
        "in->exc": lambda rng, n: rng.uniform(0.0, 3.0, n),
        "exc->exc": lambda rng, n: np.maximum(0.3, rng.normal(1.5, 0.7, n)),
        "noise->exc": lambda rng, n: rng.uniform(0.1, 1.0, n),
        "in->inh": lambda rng, n: rng.uniform(0.0, 1.0, n),
    }
    rng = np.random.default_rng(1)
    inputs = {"in": make_events(rng.uniform(0.0, DURATION, 900), rng.integers(0, 40, 900))}
    return net, connect(net, values, 3, delays), inputs


@functools.cache
def outcome(backend="event", threads=1):
    net, weights, inputs = network()
    return simulate(net, weights, inputs, duration=DURATION, backend=backend, threads=threads, **OPTIONS)


def assert_same_bits(found, wanted):
    for name in wanted.spikes:
        np.testing.assert_array_equal(found.spikes[name].times, wanted.spikes[name].times)
        np.testing.assert_array_equal(found.spikes[name].units, wanted.spikes[name].units)
    for name in wanted.traces:
        np.testing.assert_array_equal(found.traces[name], wanted.traces[name])
    for name in wanted.weights:
        given, expected = (getattr(w, "weights", w) for w in (found.weights[name], wanted.weights[name]))
        np.testing.assert_array_equal(given, expected)
    assert found.counts.spikes == wanted.counts.spikes
    assert found.counts.synaptic_events == wanted.counts.synaptic_events


def test_event_equals_the_reference():
    event, dense = outcome(), outcome("torch_dense")
    assert event.counts.spikes > 1000
    for name in event.spikes:
        np.testing.assert_array_equal(event.spikes[name].times, dense.spikes[name].times)
        np.testing.assert_array_equal(event.spikes[name].units, dense.spikes[name].units)
    np.testing.assert_allclose(event.traces["exc.v"], dense.traces["exc.v"].numpy(), rtol=0, atol=1e-9)
    assert event.counts.synaptic_events == dense.counts.synaptic_events
    for name in ("in->exc", "noise->exc", "exc->exc"):
        found, wanted, start = (
            getattr(w[name], "weights", w[name]) for w in (event.weights, dense.weights, network()[1])
        )
        np.testing.assert_array_equal(found, wanted)
        assert np.abs(found - start).max() > 10.0  # of 200: they did learn
    np.testing.assert_array_equal(event.traces["exc->exc.weights"], dense.traces["exc->exc.weights"])


def test_recorded_weights_end_with_the_final_ones():
    kept = outcome().traces["exc->exc.weights"]
    assert len(kept) == 4
    np.testing.assert_array_equal(kept[-1], outcome().weights["exc->exc"].weights)
    assert all((kept[i] != kept[i + 1]).any() for i in range(3))


@pytest.mark.parametrize("backend", ["event", "torch_dense"])
def test_recorded_weights_stay_where_nothing_is_plastic(backend):
    net, weights, inputs = network()
    options = OPTIONS | {"plastic": False, "record": ("exc->exc.weights", "exc->inh.weights")}
    kept = simulate(net, weights, inputs, duration=41.0, backend=backend, **options).traces
    for name in ("exc->exc", "exc->inh"):
        np.testing.assert_array_equal(kept[f"{name}.weights"], np.tile(weights[name].weights, (2, 1)))


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_no_bit(threads):
    assert_same_bits(outcome(threads=threads), outcome())


@pytest.mark.parametrize(("threads", "then"), [(1, 1), (2, 1), (1, 2)])
def test_a_resumed_run_is_the_whole_one_bit_for_bit(tmp_path, threads, then):
    net, weights, inputs = network()
    options = OPTIONS | {"record": ("exc.spikes", "inh.spikes", "exc.v", "noise.spikes"), "weights_every": None}
    first = simulate(net, weights, inputs, duration=33.3, threads=threads, **options)
    save_state(first.final, tmp_path / "state.safetensors")
    state = load_state(tmp_path / "state.safetensors")
    rest = simulate(net, weights, inputs, duration=DURATION - 33.3, threads=then, resume=state, **options)
    whole = outcome()
    for name in rest.spikes:
        for part in ("times", "units"):
            joined = np.concatenate([getattr(record.spikes[name], part) for record in (first, rest)])
            np.testing.assert_array_equal(joined, getattr(whole.spikes[name], part))
    joined = np.concatenate([first.traces["exc.v"], rest.traces["exc.v"]])
    np.testing.assert_array_equal(joined, whole.traces["exc.v"])
    for name in ("in->exc", "noise->exc", "exc->exc"):
        given, expected = (getattr(w[name], "weights", w[name]) for w in (rest.weights, whole.weights))
        np.testing.assert_array_equal(given, expected)
    assert first.counts.synaptic_events + rest.counts.synaptic_events == whole.counts.synaptic_events


def test_streamed_records_are_the_same(tmp_path):
    net, weights, inputs = network()
    found = simulate(net, weights, inputs, duration=DURATION, stream=tmp_path / "out", **OPTIONS)
    assert_same_bits(found, outcome())
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "exc.times.npy"), outcome().spikes["exc"].times)
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "exc.units.npy"), outcome().spikes["exc"].units)


def test_bad_requests_are_refused(tmp_path):
    net, weights, inputs = network()
    call = functools.partial(simulate, net, weights, inputs, duration=1.0)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("x")
    other = Network((Population("a", 3, lif_delta.NORMALISED),), (), DT)
    (tmp_path / "broken").write_bytes(b"1234")
    cases = [
        ({"threads": 0}, "positive whole number"),
        ({"threads": 2, "backend": "torch_dense"}, "threads is for the event backend"),
        ({"record": ("exc->exc.weights",)}, "weights_every"),
        ({"weights_every": 1.0}, "weights_every"),
        ({"record": ("exc->exc.weights",), "weights_every": 0.05}, "multiple of dt"),
        ({"record": ("exc->ex.weights",)}, "did you mean 'exc->exc'"),
        ({"record": ("exc->exc.w",)}, "choose from: weights|did you mean"),
        ({"stream": tmp_path / "full"}, "not an empty folder"),
        ({"resume": {}}, "final"),
        ({"resume": simulate(other, {}, {}, duration=1.0).final}, "another network"),
        ({"resume": outcome().final, "initial": {"exc.v": -70.0}}, "exclude"),
        ({"update": "sometimes"}, "unknown update"),
    ]
    for options, text in cases:
        with pytest.raises(ValueError, match=text):
            call(**options)
    with pytest.raises(ValueError, match="broken is no saved state"):
        load_state(tmp_path / "broken")
    with pytest.raises(ValueError, match="missing is no saved state"):
        load_state(tmp_path / "missing")


def test_threads_need_delays():
    net = Network(
        (Population("a", 3, lif_delta.NORMALISED), Population("b", 3, lif_delta.NORMALISED)),
        (Projection("a", "b", Dense()),),
        DT,
    )
    with pytest.raises(ValueError, match="no delay"):
        simulate(net, connect(net, {"a->b": 1.0}, 0), {}, duration=1.0, threads=2)


def test_poisson_source_has_its_rate():
    """A Bernoulli number a step: mean n p, variance n p (1 - p); within five standard errors."""
    rates = np.array([0.0, 20.0, 500.0, 10_000.0])
    net = Network((Population("noise", 4, PoissonSource(rate=rates)),), (), DT)
    spikes = simulate(net, {}, {}, duration=20_000.0, record=("noise.spikes",), seed=1).spikes["noise"]
    found, n, p = np.bincount(spikes.units, minlength=4), 200_000, rates * DT / 1000.0
    assert found[0] == 0 and found[3] == n
    assert (np.abs(found - n * p)[1:3] < 5.0 * np.sqrt(n * p * (1.0 - p))[1:3]).all()
    with pytest.raises(ValueError, match="at most 10000 Hz"):
        Network((Population("noise", 4, PoissonSource(rate=10_001.0)),), (), DT)


def test_delays_are_checked():
    net, *_ = network()
    values = {projection.name: 1.0 for projection in net.projections}
    with pytest.raises(ValueError, match="from 0.1 to 0.1 ms; give 0.3 ms"):
        connect(net, values, 0, {"exc->exc": 0.1})
    with pytest.raises(ValueError, match="did you mean 'exc->exc'"):
        connect(net, values, 0, {"exc->exx": 1.0})
    weights = connect(net, values, 0, {"exc->exc": 1.0})
    weights["exc->exc"] = weights["exc->exc"]._replace(delays=np.zeros(len(weights["exc->exc"].targets), np.uint16))
    with pytest.raises(ValueError, match="0 steps is below the projection's, 3"):
        simulate(net, weights, network()[2], duration=1.0)
