"""Spike times of asynchronous updating against a solution in 40 digits, closed forms, and the clock."""

import mpmath as mp
import numpy as np
import pytest

from neuro import Dense, FixedProbability, Network, Population, Projection, Source, connect, make_events, simulate, vary
from neuro.neurons import lif, lif_delta, lif_exc_inh
from tests.backends.forty_digits import Reference, solve

LIF, DELTA, EXC_INH = lif.NEST_DEFAULT, lif_delta.NEST_DEFAULT, lif_exc_inh.VOGELS_ABBOTT_CUBA
EXACT = 1e-9  # ms
DT = 0.1


def compare(record, name, expected):
    """Same neurons in the same order, at times within EXACT."""
    events = record.spikes[name]
    assert events.units.tolist() == [n for _, n in expected]
    assert (
        max((abs(mp.mpf(t) - e) for t, (e, _) in zip(events.times.tolist(), expected, strict=True)), default=0) < EXACT
    )


def driven(model, trains, duration, initial=None):
    """A population on its own source: trains are (weight, receptor, times) of one unit each, to all neurons."""
    sources = [Population(f"in{k}", 1, Source()) for k in range(len(trains))]
    size = max((np.size(v) for v in vars(model).values()), default=1)
    net = Network(
        (*sources, Population("out", size, model)),
        tuple(Projection(f"in{k}", "out", Dense(), receptor=r) for k, (_, r, _) in enumerate(trains)),
        DT,
    )
    return simulate(
        net,
        {f"in{k}->out": np.full((size, 1), float(w)) for k, (w, _, _) in enumerate(trains)},
        {f"in{k}": make_events(times, np.zeros(len(times), int)) for k, (_, _, times) in enumerate(trains)},
        duration=duration,
        record=("out.spikes",),
        initial=initial,
        update="asynchronous",
    )


def arrivals(model, trains, neuron=0):
    receptors = list(model.receptors)
    return [(t, neuron, w, 0 if r is None else receptors.index(r)) for w, r, times in trains for t in times]


# Model, excitatory and inhibitory weight.
MODELS = {
    "LIF": (LIF, 1500.0, -700.0),
    "LIF, tau_syn = tau_m": (vary(LIF, source="test", tau_syn=10.0), 400.0, -200.0),
    "LIF, tau_syn near tau_m": (vary(LIF, source="test", tau_syn=10.0 * (1 + 1e-9)), 400.0, -200.0),
    "LIF, slow synapse": (vary(LIF, source="test", tau_syn=60.0), 150.0, -90.0),
    "LIF, i_ext above rheobase": (vary(LIF, source="test", i_ext=420.0, t_ref=0.0), 100.0, -150.0),
    "LIFDelta": (DELTA, 6.0, -3.0),
    "LIFDelta, i_ext above rheobase": (vary(DELTA, source="test", i_ext=400.0), 2.0, -2.0),
    "LIFExcInh": (EXC_INH, 40.0, -20.0),
    "LIFExcInh, fast": (lif_exc_inh.POTJANS_DIESMANN_2014, 6000.0, -2000.0),
    "LIFExcInh, one tau = tau_m": (vary(EXC_INH, source="test", tau_inh=20.0), 40.0, -10.0),
}


@pytest.mark.parametrize("name", MODELS)
def test_spike_times_are_those_of_40_digits(name):
    """One neuron under excitation and inhibition at random times."""
    model, exc, inh = MODELS[name]
    rng, duration = np.random.default_rng(3), 200.0
    trains = [
        (w, model.receptors[place], np.sort(rng.uniform(0.0, duration, 70))) for w, place in ((exc, 0), (inh, -1))
    ]
    record = driven(model, trains, duration)
    expected = solve([Reference(model)], arrivals(model, trains), {}, duration)
    assert len(expected) > 3
    compare(record, "out", expected)


RECURRENT = {
    "LIF": (LIF, 3000.0, 1800.0, -1500.0),
    "LIFDelta": (DELTA, 10.0, 8.0, -5.0),
    "LIFExcInh": (vary(EXC_INH, source="test", v_rest=-60.0), 400.0, 200.0, -60.0),
}


@pytest.mark.parametrize("name", RECURRENT)
@pytest.mark.parametrize("delayed", [False, True])
def test_recurrent_network_is_that_of_40_digits(name, delayed):
    """Three excitatory and two inhibitory neurons, all to all, with one delay a projection or one a synapse."""
    model, w_in, w_exc, w_inh = RECURRENT[name]
    rng, duration, sizes = np.random.default_rng(5), 100.0, {"exc": 3, "inh": 2}
    inputs = make_events(np.sort(rng.uniform(0.0, duration, 60)), rng.integers(5, size=60))
    own = [np.flatnonzero(inputs.units < 3), np.flatnonzero(inputs.units >= 3)]
    sources = [make_events(inputs.times[m], inputs.units[m] - s) for m, s in zip(own, (0, 3), strict=True)]
    recurrent = [
        Projection(a, b, FixedProbability(1.0), 0.7 + 0.5 * k, receptor=a if len(model.receptors) > 1 else None)
        for k, (a, b) in enumerate([("exc", "exc"), ("exc", "inh"), ("inh", "exc"), ("inh", "inh")])
    ]
    net = Network(
        (
            *(Population(f"in_{p}", n, Source()) for p, n in sizes.items()),
            *(Population(p, n, model) for p, n in sizes.items()),
        ),
        (*(Projection(f"in_{p}", p, Dense()) for p in sizes), *recurrent),
        DT,
    )
    weights = connect(
        net, {k.name: w_in if "in_" in k.pre else w_exc if k.pre == "exc" else w_inh for k in net.projections}, 0
    )
    weights |= {f"in_{p}->{p}": w_in * np.eye(n) for p, n in sizes.items()}
    synapses = {n: [] for n in range(5)}
    first = {"exc": 0, "inh": 3}
    for k in recurrent:
        w = weights[k.name]
        steps = rng.integers(round(k.delay / DT), 40, len(w.targets)) if delayed else None
        if steps is not None:
            weights[k.name] = w = w._replace(delays=steps.astype(np.uint16))
        for e, (i, j) in enumerate(zip(w.sources, w.targets, strict=True)):
            delay = k.delay if steps is None else float(steps[e]) * DT
            place = model.receptors.index(net.receptor(k))
            synapses[int(i) + first[k.pre]].append((int(j) + first[k.post], float(w.weights[e]), place, delay))
    record = simulate(
        net,
        weights,
        {f"in_{p}": events for p, events in zip(sizes, sources, strict=True)},
        duration=duration,
        record=("exc.spikes", "inh.spikes"),
        update="asynchronous",
    )
    outside = [(t, n, w_in, 0) for t, n in zip(inputs.times.tolist(), inputs.units.tolist(), strict=True)]
    expected = solve([Reference(model) for _ in range(5)], outside, synapses, duration)
    assert len(expected) > 20
    compare(record, "exc", [(t, n) for t, n in expected if n < 3])
    compare(record, "inh", [(t, n - 3) for t, n in expected if n >= 3])


def test_inhibition_that_ends_lets_a_neuron_fire_late():
    """Neither the first peak nor what seems to fall decides: v dips, rises with the slower current, and crosses."""
    model = vary(EXC_INH, source="test", v_rest=-60.0, tau_exc=30.0, tau_inh=5.0)
    trains = [(330.0, "exc", np.array([0.0])), (-500.0, "inh", np.array([0.01]))]
    expected = solve([Reference(model)], arrivals(model, trains), {}, 150.0)
    assert len(expected) == 1 and expected[0][0] > 25
    compare(driven(model, trains, 150.0), "out", expected)


@pytest.mark.parametrize("excess", [-1e-9, 1e-9, 1e-6])
@pytest.mark.parametrize("name", ["LIF", "LIF, tau_syn = tau_m", "LIFExcInh, fast"])
def test_a_peak_that_grazes_threshold(name, excess):
    """v_th is put `excess` mV below the highest v: one spike, or none."""
    model = MODELS[name][0]
    trains = [(1000.0, model.receptors[0], np.array([1.0, 3.0])), (-300.0, model.receptors[-1], np.array([3.5]))]
    reference = Reference(vary(model, source="test", v_th=1e3))
    for t, _, w, place in sorted(arrivals(model, trains)):
        reference.arrive(mp.mpf(t), w, place)
    top = reference.flow(mp.findroot(reference.slope, (0, 20), solver="anderson", tol=1e-60))
    model = vary(model, source="test", v_th=float(top) - excess, v_reset=-1000.0)
    record = driven(model, trains, 60.0)
    compare(record, "out", solve([Reference(model)], arrivals(model, trains), {}, 60.0))
    assert len(record.spikes["out"].times) == (excess > 0)


@pytest.mark.parametrize("model", [LIF, DELTA, lif_exc_inh.NEST_DEFAULT], ids=lambda model: type(model).__name__)
def test_constant_current_gives_the_closed_form_of_the_rate(model):
    """An interval is exactly t_ref + tau_m ln(r_m i / (r_m i - v_th + v_reset)), for each neuron its own."""
    i_ext, tau_m, t_ref = (
        np.array([300.0, 376.0, 500.0, 2000.0]),
        np.array([10.0, 12.0, 20.0, 5.0]),
        np.array([2, 0, 1, 0.5]),
    )
    model = vary(model, source="test", i_ext=i_ext, tau_m=tau_m, t_ref=t_ref)
    events = driven(model, [], 2000.0).spikes["out"]
    assert 0 not in events.units
    for neuron in (1, 2, 3):
        drive = model.r_m * i_ext[neuron]
        rise = tau_m[neuron] * np.log(drive / (drive - 15.0))
        times = events.times[events.units == neuron]
        assert len(times) == 1 + (2000.0 - rise) // (rise + t_ref[neuron])
        np.testing.assert_allclose(times, rise + (rise + t_ref[neuron]) * np.arange(len(times)), rtol=0, atol=EXACT)


def test_the_clock_converges_to_asynchronous_times_with_order_one():
    """A spike of the clock is late by up to dt, of which a part is handed on to the next; inputs lie on every grid."""
    rng = np.random.default_rng(1)
    times = np.sort(rng.choice(np.arange(1, 250), 60, replace=False)) * 0.4
    inputs, weights = {"in": make_events(times, np.zeros(60, int))}, {"in->out": np.full((1, 1), 1200.0)}
    steps, errors = np.array([0.1, 0.025, 0.00625]), []
    for dt in steps:
        populations = Population("in", 1, Source()), Population("out", 1, vary(LIF, source="test", v_reset=-75.0))
        net = Network(populations, (Projection("in", "out", Dense()),), float(dt))
        clock, exact = (
            simulate(net, weights, inputs, duration=100.0, record=("out.spikes",), update=update).spikes["out"].times
            for update in ("clock", "asynchronous")
        )
        late = (clock[:3] - exact[:3]) / dt  # before a peak that grazes threshold makes much of little
        assert -1e-6 <= late[0] <= 1 + 1e-6
        errors.append(np.abs(late).max() * dt)
    assert (errors <= 5 * steps).all()
    assert np.polyfit(np.log(steps), np.log(errors), 1)[0] == pytest.approx(1.0, abs=0.25)


def test_currents_that_arrive_in_refractoriness_drive_afterwards():
    model = vary(LIF, source="test", t_ref=5.0, tau_syn=5.0)
    trains = [(4000.0, "input", np.array([1.0, 5.0]))]
    expected = solve([Reference(model)], arrivals(model, trains), {}, 60.0)
    assert len(expected) == 2 and expected[1][0] > expected[0][0] + 5
    compare(driven(model, trains, 60.0), "out", expected)


def test_a_network_that_goes_on_for_long_keeps_its_queue_and_its_times():
    """One neuron alone for 10^6 ms: the interval is exact to the end."""
    times = driven(vary(LIF, source="test", i_ext=400.0), [], 1e6).spikes["out"].times
    interval = 2.0 + 10.0 * np.log(16.0)
    np.testing.assert_allclose(times, 10.0 * np.log(16.0) + interval * np.arange(len(times)), rtol=0, atol=EXACT)


def test_a_state_that_is_not_finite_names_its_neuron():
    trains = [(1e308, "input", np.array([1.0, 1.1]))]
    with pytest.raises(FloatingPointError, match="neuron 0 of population 'out'"):
        driven(LIF, trains, 10.0)
