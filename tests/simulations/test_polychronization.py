"""The network of Izhikevich (2006): its wiring, its first seconds, and the search for groups, checked on known ones."""

import dataclasses

import numpy as np
import pytest

from neuro import FromArrays, Network, OneToOne, Population, Projection, Source, connect, make_events, vary
from neuro import simulate as run_network
from neuro.neurons.izhikevich_half_steps import FAST_SPIKING, REGULAR_SPIKING
from simulations import polychronous_groups as polychronous
from simulations.polychronization import W_MAX, Recipe, draw, graph, groups, models, network, simulate

pytestmark = pytest.mark.slow  # minutes of simulated time; a short run is among those of test_run_simulation.py

RECIPE = Recipe(duration=20_000.0, every=5_000.0, mothers=3)


@pytest.fixture(scope="module")
def record():
    return simulate(RECIPE)


def test_wiring_is_the_published_one():
    targets, delays = draw(RECIPE)
    assert all(len(set(row)) == 100 and i not in row for i, row in enumerate(targets))
    assert targets[:800].max() > 990 and targets[800:].max() < 800
    np.testing.assert_array_equal(delays[:800], np.tile(np.repeat(np.arange(1, 21), 5), (800, 1)))
    assert (delays[800:] == 1).all()
    _, weights = network(RECIPE)
    among = weights["exc->exc"]
    for i in (0, 799):
        own = slice(among.offsets[i], among.offsets[i + 1])
        found = dict(zip(among.targets[own], among.delays[own], strict=True))
        assert found == {j: d for j, d in zip(targets[i], delays[i], strict=True) if j < 800}
    assert {name: set(np.unique(w.weights)) for name, w in weights.items() if "thalamus" not in name} == {
        "exc->exc": {6.0}, "exc->inh": {6.0}, "inh->exc": {-5.0},
    }  # fmt: skip


def test_a_delta_rhythm_comes_first_and_fades(record):
    """The power of the rate at 2 to 5 Hz, over that of Poisson processes: some 700 in the first 5 s, 20 in the last."""
    delta_K = record["strength_KB"][:, 0]
    assert delta_K[0] > 200.0
    assert delta_K[-1] < 0.2 * delta_K[0]
    first = record["raster_times"][record["raster_of"] == 0]
    counts = np.histogram(first, 20, (0.0, 1000.0))[0]
    assert counts.max() > 10 * np.median(counts)


def test_weights_leave_their_start_for_both_bounds(record):
    assert record["counts_KW"].sum(axis=1).tolist() == [80_000] * 4
    spread = [np.count_nonzero(row) for row in record["counts_KW"]]
    assert spread[0] < spread[-1]
    assert 0.01 < record["strong_K"][-1] < 0.2
    rate_P = record["rate_KP"].mean(axis=0)
    assert 1.0 < rate_P[0] < 5.0 and 5.0 < rate_P[1] < 30.0


def test_the_same_recipe_gives_the_same_record(record):
    again = simulate(dataclasses.replace(RECIPE, duration=5_000.0))
    for name in ("rate_KP", "spectrum_KF", "counts_KW"):
        np.testing.assert_array_equal(again[name][0], record[name][0])


def test_wrong_times_are_refused():
    with pytest.raises(ValueError, match="duration 5000 ms is not a multiple"):
        models(Recipe(duration=5_000.0, every=2_000.0))
    with pytest.raises(ValueError, match="every 2500 ms is not a multiple"):
        models(Recipe(duration=5_000.0, every=2_500.0))


def spike_latency(jump):
    """Steps from the arrival of `jump` mV at a neuron at rest to its spike."""
    net = Network(
        (Population("in", 1, Source()), Population("cell", 1, REGULAR_SPIKING)),
        (Projection("in", "cell", OneToOne()),),
        1.0,
    )
    weights, spike = connect(net, {"in->cell": jump}, 0), {"in": make_events(np.array([0.0]), np.array([0]))}
    found = run_network(net, weights, spike, duration=30.0, record=("cell.spikes",), initial=REST).spikes["cell"]
    return round(found.times[0])


REST = {"cell.v": -70.0, "cell.u": -14.0}


def chain(length, in_time=True):
    """Neuron k hears the three before it, at once if they fire in turn, or else one after the other.

    A synapse of weight 0 stands for another part that neuron 0 takes. Returns the graph, and the ms between spikes.
    """
    first = 2
    gap = first + spike_latency(30.0)
    rows = []
    for k in range(3, length):
        late = (0, 1, 2) if in_time or k == 3 else (2, 1, 0)
        rows += [(k - back, k, first + late[back - 1] * gap, 10.0) for back in (1, 2, 3)]
    rows += [(0, 4, first + 3 * gap, 0.0)]
    sources, targets, delays, weights = np.array(sorted(rows)).T
    assert delays.max() <= 20
    offsets = np.concatenate([[0], np.cumsum(np.bincount(sources.astype(int), minlength=length))])
    return polychronous.Graph(offsets, targets.astype(int), delays.astype(int), weights, length), gap


def test_a_chain_is_one_group():
    """Neuron 3 hears the anchors, and so on: 10 neurons are a path of 8, of which the first is an anchor."""
    graph, gap = chain(10)
    found = polychronous.search(graph, REGULAR_SPIKING, FAST_SPIKING, 4)
    assert found.anchors_GA.tolist() == [[0, 1, 2]]
    assert (found.sizes[0], found.paths[0], found.durations[0]) == (10, 8, 9 * gap)
    spikes = polychronous.replay(graph, REGULAR_SPIKING, FAST_SPIKING, found, 0)
    np.testing.assert_array_equal(spikes.units, np.arange(10))
    np.testing.assert_array_equal(spikes.times, gap * np.arange(10))
    np.testing.assert_array_equal(spikes.layers, np.maximum(np.arange(10) - 1, 1))
    links = polychronous.links(graph, spikes)
    assert {(a, b) for a, _, b in links} == {(k - back, k) for k in range(3, 10) for back in (1, 2, 3)} | {(0, 4)}
    assert (links[:, 1] <= spikes.times[links[:, 2]]).all()


@pytest.mark.parametrize(("length", "in_time"), [(8, True), (12, False)])
def test_short_paths_and_spikes_that_miss_each_other_are_no_groups(length, in_time):
    graph, _ = chain(length, in_time)
    assert len(polychronous.search(graph, REGULAR_SPIKING, FAST_SPIKING, length).sizes) == 0


def test_an_anchor_that_takes_one_part_alone_makes_no_group():
    graph, _ = chain(10)
    kept = graph.weights_S > 0.0
    offsets = np.concatenate([[0], np.cumsum(kept)[graph.offsets[1:] - 1]])
    alone = polychronous.Graph(offsets, graph.targets_S[kept], graph.delays_S[kept], graph.weights_S[kept], 10)
    assert len(polychronous.search(alone, REGULAR_SPIKING, FAST_SPIKING, 4).sizes) == 0


def strong_network():
    """The wiring of the simulation, with half of the synapses at the largest weight, and no others."""
    _, weights = network(RECIPE)
    rng = np.random.default_rng(0)
    for name in ("exc->exc", "exc->inh"):
        w = np.where(rng.random(len(weights[name].weights)) < 0.5, W_MAX, 0.0)
        weights[name] = weights[name]._replace(weights=w)
    return graph(weights)


def test_what_the_search_plays_is_what_the_network_does():
    """The spikes that follow those of three neurons, at rest, once by the search and once by the event backend."""
    strong = strong_network()
    sources = np.repeat(np.arange(1000), np.diff(strong.offsets))
    onto = np.flatnonzero((strong.targets_S == 7) & (sources < 800))
    longest, rng = None, np.random.default_rng(5)
    for _ in range(100):
        chosen = rng.choice(onto, 3, replace=False)
        least = strong.delays_S[chosen]
        rows = sources[chosen][None], (least.max() - least)[None], least[None]
        one = polychronous.Groups(*rows, *np.zeros((3, 1), np.int64))
        spikes = polychronous.replay(strong, REGULAR_SPIKING, FAST_SPIKING, one, 0)
        if longest is None or len(spikes.units) > len(longest[1].units):
            longest = one, spikes
    one, spikes = longest
    assert len(spikes.units) > 10
    anchors, starts, least = one.anchors_GA[0], one.starts_GA[0], one.least_GA[0]
    sent = [np.flatnonzero((sources == i) & (strong.delays_S >= d)) for i, d in zip(anchors, least, strict=True)]
    places = np.concatenate(sent)
    is_inh = np.arange(1000) >= 800
    kinds = {key: np.where(is_inh, getattr(FAST_SPIKING, key), getattr(REGULAR_SPIKING, key)) for key in "ad"}
    net = Network(
        (Population("anchors", 3, Source()), Population("cell", 1000, vary(REGULAR_SPIKING, source="test", **kinds))),
        (
            Projection("anchors", "cell", FromArrays(np.repeat(np.arange(3), [len(s) for s in sent]),
                                                     strong.targets_S[places]), delay=1.0),
            Projection("cell", "cell", FromArrays(sources, strong.targets_S), delay=1.0),
        ),
        1.0,
    )  # fmt: skip
    names = {"anchors->cell": places, "cell->cell": np.arange(len(sources))}
    weights = connect(
        net, {name: strong.weights_S[e] for name, e in names.items()}, 0,
        {name: strong.delays_S[e].astype(float) for name, e in names.items()},
    )  # fmt: skip
    begin = {"anchors": make_events(starts.astype(float), np.arange(3))}
    found = run_network(net, weights, begin, duration=150.0, record=("cell.spikes",), initial=REST).spikes["cell"]
    np.testing.assert_array_equal(np.rint(found.times), np.sort(spikes.times[3:]))
    assert set(zip(np.rint(found.times), found.units, strict=True)) == set(
        zip(spikes.times[3:], spikes.units[3:], strict=True)
    )


def test_shuffling_keeps_the_number_of_strong_synapses():
    _, weights = network(RECIPE)
    w = np.random.default_rng(1).uniform(0.0, W_MAX, len(weights["exc->exc"].weights))
    found = groups(
        dataclasses.replace(RECIPE, mothers=1), weights | {"exc->exc": weights["exc->exc"]._replace(weights=w)}
    )
    assert found["counts_L"].shape == (2,) and (found["counts_L"] >= 0).all()
    strong = graph(weights | {"exc->exc": weights["exc->exc"]._replace(weights=w)})
    assert np.count_nonzero(strong.weights_S == -5.0) == 200 * 100
    assert len(strong.weights_S) == 200 * 100 + np.count_nonzero(w > 0.95 * W_MAX)
