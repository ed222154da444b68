"""Asynchronous updating against a solution in 40 digits, against the clock, and against counts by hand."""

import copy
import heapq

import mpmath as mp
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
from neuro.neurons import izhikevich, leaky_integrator, lif, lif_delta, lif_exc_inh
from neuro.plasticity.stdp import SONG_ABBOTT

LIF, DELTA, EXC_INH = lif.NEST_DEFAULT, lif_delta.NEST_DEFAULT, lif_exc_inh.VOGELS_ABBOTT_CUBA
EXACT = 1e-9  # ms
DT = 0.1

mp.mp.dps = 40


class Reference:
    """One neuron in 40 digits: what it is at `time`, and when it fires, found by stepping finely through the flow."""

    def __init__(self, model, v=None):
        self.m = {name: mp.mpf(float(value)) for name, value in vars(model).items() if not isinstance(value, str)}
        self.taus = [self.m[tau] for tau in model.FLOW.values()]
        self.v_inf = self.m["v_rest"] + self.m["r_m"] * self.m["i_ext"]
        self.time = self.held_until = mp.mpf(0)
        self.v = self.m["v_rest"] if v is None else mp.mpf(v)
        self.currents = [mp.mpf(0)] * len(self.taus)

    def flow(self, t):
        """v at t ms after `time`, if it is not held."""
        tau_m = self.m["tau_m"]
        v = self.v_inf + (self.v - self.v_inf) * mp.exp(-t / tau_m)
        for tau, current in zip(self.taus, self.currents, strict=True):
            if tau == tau_m:
                v += self.m["r_m"] * current * t / tau_m * mp.exp(-t / tau_m)
            else:
                v += self.m["r_m"] * current * tau / (tau - tau_m) * (mp.exp(-t / tau) - mp.exp(-t / tau_m))
        return v

    def slope(self, t):
        """tau_m dv/dt."""
        drive = sum(i * mp.exp(-t / tau) for i, tau in zip(self.currents, self.taus, strict=True))
        return self.v_inf - self.flow(t) + self.m["r_m"] * drive

    def advance(self, time):
        """Go on to a time before the next spike."""
        if self.time < self.held_until:
            wake = min(time, self.held_until)
            self._pass(wake, self.v)
        if time > self.time:
            self._pass(time, self.flow(time - self.time))

    def _pass(self, time, v):
        elapsed = time - self.time
        decayed = [i * mp.exp(-elapsed / tau) for i, tau in zip(self.currents, self.taus, strict=True)]
        self.time, self.v, self.currents = time, v, decayed

    def arrive(self, time, weight, receptor):
        self.advance(time)
        if self.taus:
            self.currents[receptor] += weight
        elif time > self.held_until or time == 0:
            self.v += weight

    def fire(self, time):
        self.advance(time)
        self.v, self.held_until = self.m["v_reset"], time + self.m["t_ref"]

    def next_spike(self, until, step=0.25):
        """The first time before `until` at which v >= v_th, or None; goes on to `until`, or to the spike."""
        if self.time < self.held_until:
            self.advance(min(self.held_until, until))
        a, slope_a = mp.mpf(0), self.slope(0)
        if self.time < until and self.above(0) >= 0:
            return self.time
        while self.time + a < until:
            b = min(a + step, until - self.time)
            top, slope_b = b, self.slope(b)
            if slope_a > 0 > slope_b:
                top = mp.findroot(self.slope, (a, b), solver="anderson", tol=1e-70)
            if self.above(top) >= 0:
                found = self.time + mp.findroot(self.above, (a, top), solver="anderson", tol=1e-70)
                self.advance(found)
                return found
            a, slope_a = b, slope_b
        self.advance(until)
        return None

    def above(self, t):
        return self.flow(t) - self.m["v_th"]


def solve(neurons, arrivals, synapses, duration):
    """Spikes (time, neuron) of Reference neurons.

    arrivals: (time, neuron, weight, receptor) from outside. synapses: neuron -> [(neuron, weight, receptor, delay)].
    """
    queue = [(mp.mpf(time), *rest) for time, *rest in arrivals]
    heapq.heapify(queue)
    spikes, now = [], mp.mpf(0)
    while now < duration:
        horizon = min(queue[0][0], mp.mpf(duration)) if queue else mp.mpf(duration)
        trials = [copy.deepcopy(neuron) for neuron in neurons]
        found = [(time, n) for n, trial in enumerate(trials) if (time := trial.next_spike(horizon)) is not None]
        if not found:
            neurons, now = trials, horizon
            if now < duration:
                _, n, weight, receptor = heapq.heappop(queue)
                neurons[n].arrive(now, weight, receptor)
            continue
        now, n = min(found)
        spikes.append((now, n))
        neurons[n].fire(now)
        for target, weight, receptor, delay in synapses.get(n, []):
            heapq.heappush(queue, (now + mp.mpf(delay), target, weight, receptor))
    return spikes


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


# Networks by hand. A relay fires at once when it is moved by 1 mV; it forgets over 100 ms.
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


def test_delta_synapses_lose_what_arrives_in_refractoriness_and_currents_keep_it():
    held = vary(RELAY, source="test", t_ref=2.0)
    one = np.full((1, 4), 1.0)
    train = [(1.0, 0), (1.0, 1), (2.5, 0), (3.0, 0), (3.0 + 1e-9, 0)]
    record = relays({"a": 1}, [(Projection("in", "a", Dense()), one)], {"in": train}, model=held)
    assert fired(record, "a") == [(1.0, 0), (3.0 + 1e-9, 0)]
    # A current that arrives while v is held still drives it afterwards.
    model = vary(LIF, source="test", t_ref=5.0, tau_syn=5.0)
    trains = [(4000.0, "input", np.array([1.0, 5.0]))]
    expected = solve([Reference(model)], arrivals(model, trains), {}, 60.0)
    assert len(expected) == 2 and expected[1][0] > expected[0][0] + 5
    compare(driven(model, trains, 60.0), "out", expected)


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
    np.testing.assert_allclose(spikes.sample(0).times, [0.0, rise(0.5)], atol=EXACT)
    longer = simulate(
        net, {}, {"in": events}, duration=90.0, record=("a.spikes",), initial=start, update="asynchronous"
    )
    assert longer.spikes["a"].sample(0).units.tolist() == [0, 1, 0, 2]
    np.testing.assert_allclose(longer.spikes["a"].sample(1).times[2:], [rise(0.0), 4.0 + rise(0.0)], atol=EXACT)


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


def test_a_network_that_goes_on_for_long_keeps_its_queue_and_its_times():
    """One neuron alone for 10^6 ms: the interval is exact to the end."""
    times = driven(vary(LIF, source="test", i_ext=400.0), [], 1e6).spikes["out"].times
    interval = 2.0 + 10.0 * np.log(16.0)
    np.testing.assert_allclose(times, 10.0 * np.log(16.0) + interval * np.arange(len(times)), rtol=0, atol=EXACT)


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


def test_a_state_that_is_not_finite_names_its_neuron():
    trains = [(1e308, "input", np.array([1.0, 1.1]))]
    with pytest.raises(FloatingPointError, match="neuron 0 of population 'out'"):
        driven(LIF, trains, 10.0)
