"""Networks under asynchronous updating: by hand, against the clock, and what it cannot do."""

import numpy as np
import pytest

from neuro import (
    Dense,
    FixedProbability,
    Network,
    PoissonDrive,
    Population,
    Projection,
    Source,
    Synapses,
    connect,
    make_events,
    simulate,
    vary,
)
from neuro.network import PoissonSource
from neuro.neurons import izhikevich, leaky_integrator, lif_delta, lif_exc_inh
from neuro.plasticity.stdp import SONG_ABBOTT

DT = 0.1
DELTA, EXC_INH = lif_delta.NEST_DEFAULT, lif_exc_inh.VOGELS_ABBOTT_CUBA

# A relay fires at once when it is moved by 1 mV; it forgets over 100 ms.
RELAY = vary(lif_delta.NORMALISED, source="test", tau_m=100.0)


def relays(sizes, projections, trains, duration=10.0, model=RELAY, **options):
    """Populations of relays by name, and sources by name with their (time, unit)."""
    sources = [Population(name, 4, Source()) for name in trains]
    net = Network(
        (*sources, *(Population(name, n, model) for name, n in sizes.items())), tuple(p for p, _ in projections), DT
    )
    return simulate(
        net,
        {p.name: w for p, w in projections},
        {
            name: make_events(np.array([t for t, _ in train], float), np.array([u for _, u in train], int))
            for name, train in trains.items()
        },
        duration=duration,
        record=tuple(f"{name}.spikes" for name in sizes),
        update="asynchronous",
        **options,
    )


def fired(record, name):
    events = record.spikes[name]
    return list(zip(events.times.tolist(), events.units.tolist(), strict=True))


def test_counts_and_delays_by_hand():
    """Two relays, one to two more over 1.5 ms; what would arrive at the end of the simulation is not counted."""
    w = np.zeros((2, 4))
    w[0, 0] = w[1, 1] = 1.0
    into = Projection("in", "a", FixedProbability(0.5))
    synapses = Synapses(np.array([0, 1, 2, 2, 2]), np.array([0, 1], np.int32), np.array([1.0, 1.0]))
    onward = Projection("a", "b", FixedProbability(0.5), 1.5)
    to_b = Synapses(np.array([0, 2, 3]), np.array([0, 1, 1], np.int32), np.array([1.0, 0.6, 0.6]))
    record = relays(
        {"a": 2, "b": 2}, [(into, synapses), (onward, to_b)], {"in": [(1.03, 0), (2.01, 1), (3.0, 2), (8.5, 0)]}
    )
    assert fired(record, "a") == [(1.03, 0), (2.01, 1), (8.5, 0)]
    assert fired(record, "b") == [(1.03 + 1.5, 0), (2.01 + 1.5, 1)]
    assert (record.counts.spikes, record.counts.synaptic_events) == (5, 3 + 3)


def test_what_arrives_at_one_time_is_added_up_before_thresholds():
    """An excitatory and an inhibitory spike at 2 ms cancel, in whatever order they are listed; at 4 ms both help."""
    one = np.ones((1, 4)) * [[1.0, -0.5, 0.6, 0.6]]
    record = relays({"a": 1}, [(Projection("in", "a", Dense()), one)], {"in": [(2.0, 0), (2.0, 1), (4.0, 2), (4.0, 3)]})
    assert fired(record, "a") == [(4.0, 0)]


def test_no_delay_reaches_the_next_population_in_time_for_its_threshold():
    """a and b fire at 1 ms and both reach c at 1 ms, which then fires once; equal times are in order of neurons."""
    pairs = [("in", "a"), ("in", "b"), ("a", "c"), ("b", "c")]
    projections = [(Projection(x, y, Dense()), np.full((2, 4 if x == "in" else 2), 1.0)) for x, y in pairs]
    record = relays({"c": 2, "b": 2, "a": 2}, projections, {"in": [(1.0, 0)]})
    for name in "abc":
        assert fired(record, name) == [(1.0, 0), (1.0, 1)]
    assert record.counts.synaptic_events == 2 + 2 + 4 + 4


def test_delta_synapses_lose_what_arrives_in_refractoriness():
    held = vary(RELAY, source="test", t_ref=2.0)
    one = np.full((1, 4), 1.0)
    train = [(1.0, 0), (1.0, 1), (2.5, 0), (3.0, 0), (3.0 + 1e-9, 0)]
    record = relays({"a": 1}, [(Projection("in", "a", Dense()), one)], {"in": train}, model=held)
    assert fired(record, "a") == [(1.0, 0), (3.0 + 1e-9, 0)]


def test_initial_state_and_samples():
    """Sample by sample from the given state: v above threshold fires at 0 ms, a held neuron only when it is free."""
    net = Network((Population("in", 1, Source()), Population("a", 3, vary(RELAY, source="test", i_ext=2.0))), (), DT)
    events = make_events(np.array([]), np.array([], int), np.array([0, 0, 0]))
    start = {"a.v": np.array([1.5, 0.5, 0.5]), "a.refrac": np.array([0.0, 0.0, 4.0])}
    record = simulate(
        net, {}, {"in": events}, duration=60.0, record=("a.spikes",), initial=start, update="asynchronous"
    )
    spikes = record.spikes["a"]
    np.testing.assert_array_equal(spikes.sample(0).times, spikes.sample(1).times)
    rise = lambda v: 100.0 * np.log((2.0 - v) / 1.0)  # noqa: E731
    assert spikes.sample(0).units.tolist() == [0, 1]
    np.testing.assert_allclose(spikes.sample(0).times, [0.0, rise(0.5)], atol=1e-9)
    longer = simulate(
        net, {}, {"in": events}, duration=90.0, record=("a.spikes",), initial=start, update="asynchronous"
    )
    assert longer.spikes["a"].sample(0).units.tolist() == [0, 1, 0, 2]
    np.testing.assert_allclose(longer.spikes["a"].sample(1).times[2:], [rise(0.0), 4.0 + rise(0.0)], atol=1e-9)


def balanced(rate=20.0, dtype=float, seed=2, duration=400.0, **options):
    model = vary(EXC_INH, source="test", v_rest=-60.0)
    populations = (
        Population("exc", 80, model),
        Population("inh", 20, model),
        Population("noise", 20, PoissonSource(rate)),
    )
    projections = tuple(
        Projection(a, b, FixedProbability(0.2), 1.5, receptor="inh" if a == "inh" else "exc")
        for a in ("exc", "inh", "noise")
        for b in ("exc", "inh")
    )
    net = Network(populations, projections, DT, (PoissonDrive("exc", rate, 600.0, "exc"),))
    weights = connect(net, {p.name: -60.0 if p.pre == "inh" else 60.0 for p in projections}, 0)
    weights = {name: w._replace(weights=w.weights.astype(dtype)) for name, w in weights.items()}
    recorded = ("exc.spikes", "inh.spikes", "noise.spikes")
    return simulate(net, weights, {}, duration=duration, record=recorded, seed=seed, **options)


def test_same_seed_same_bits_and_float32_weights_are_taken_as_float64():
    first, again = balanced(update="asynchronous"), balanced(update="asynchronous", dtype=np.float32)
    other = balanced(update="asynchronous", seed=3)
    for name in first.spikes:
        np.testing.assert_array_equal(first.spikes[name].times, again.spikes[name].times)
        np.testing.assert_array_equal(first.spikes[name].units, again.spikes[name].units)
        assert len(first.spikes[name].times) > 10
        assert (np.diff(first.spikes[name].times) >= 0).all()
    assert not np.array_equal(first.spikes["noise"].times[:10], other.spikes["noise"].times[:10])


def test_rates_with_poisson_drives_and_sources_are_those_of_the_clock():
    """Over 2000 spikes of either; the standard deviation of their difference is below 5 %."""
    one, other = (balanced(update=update, duration=4000.0) for update in ("clock", "asynchronous"))
    for name in ("exc", "noise"):
        n_one, n_other = len(one.spikes[name].times), len(other.spikes[name].times)
        assert n_one > 1000 and abs(n_one - n_other) < 0.15 * n_one
    noise = other.spikes["noise"]
    assert abs(len(noise.times) - 1600) < 4 * np.sqrt(1600)
    assert np.bincount(noise.units, minlength=20).min() > 40  # 80 expected of each
    assert other.counts.spikes == sum(len(other.spikes[name].times) for name in ("exc", "inh"))


def refused(populations, projections=(), match="", **options):
    net = Network(tuple(populations), tuple(projections), DT)
    sizes = {p.name: p.size for p in populations}
    weights = {k.name: np.ones((sizes[k.post], sizes[k.pre])) for k in projections}
    inputs = {p.name: make_events(np.array([1.0]), np.array([0])) for p in populations if isinstance(p.model, Source)}
    with pytest.raises(ValueError, match=match):
        simulate(net, weights, {**inputs, **options.pop("inputs", {})}, duration=1.0, update="asynchronous", **options)


def test_what_it_cannot_do_is_refused_by_name():
    source, a = Population("in", 1, Source()), Population("a", 1, DELTA)
    into = Projection("in", "a", Dense())
    refused([Population("z", 1, izhikevich.REGULAR_SPIKING)], match="'z' .*Izhikevich.*update='clock'")
    refused([Population("z", 1, next(iter(leaky_integrator.SETS.values())))], match="'z' sends graded values")
    refused([Population("z", 1, vary(DELTA, source="test", t_ref=0.0, v_reset=-50.0))], match="'z' .*fires without end")
    refused([source, a], [Projection("in", "a", Dense(), rule=SONG_ABBOTT)], "'in->a' is plastic", plastic=True)
    refused([a], record=("a.v",), match="'a.v'.*update='clock'")
    refused([source, a], [into], "input 'in' holds values.*i_ext", inputs={"in": np.ones((1, 1))})
    with pytest.raises(ValueError, match="backend 'torch_dense' steps by dt"):
        simulate(Network((a,), (), DT), {}, {}, duration=1.0, backend="torch_dense", update="asynchronous")
