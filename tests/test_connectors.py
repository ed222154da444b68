"""Connectors: exact distributions, independence, and what is refused.

A statistic may lie 5 of its standard deviations from its mean; seeds are fixed, so a test that passes stays so.
"""

import itertools

import numpy as np
import pytest
import scipy.sparse

from neuro import (
    Dense,
    DistanceDependent,
    FixedInDegree,
    FixedOutDegree,
    FixedProbability,
    FromArrays,
    FromSparse,
    Network,
    Population,
    Projection,
    Source,
    connect,
    make_events,
    simulate,
)
from neuro.neurons.lif import NEST_DEFAULT
from tests.test_connector_kernels import check_chi_square

CUBE = np.random.default_rng(0).uniform(0, 3, (300, 3))
RANDOM = {
    "probability": FixedProbability(0.1),
    "in-degree": FixedInDegree(30),
    "out-degree": FixedOutDegree(30),
    "distance": DistanceDependent(CUBE, CUBE, 0.6, 1.0),
}


def drawn(connector, n_pre, n_post, seed=0):
    """w [n_post x n_pre], True where connected; checked to be CSR with rising rows."""
    connector.check(n_pre, n_post)
    offsets, targets = connector.connect(n_pre, n_post, np.random.default_rng(seed))
    assert offsets.dtype == np.int64 and targets.dtype == np.int32
    assert offsets.shape == (n_pre + 1,) and offsets[0] == 0 and offsets[-1] == len(targets)
    sources = np.repeat(np.arange(n_pre), np.diff(offsets))
    assert (np.diff(sources * n_post + targets) > 0).all(), "a multapse, or a row that falls"
    exists_JI = np.zeros((n_post, n_pre), bool)
    exists_JI[targets, sources] = True
    return exists_JI


def recurrent(connector, n=300):
    return Network((Population("a", n, NEST_DEFAULT),), (Projection("a", "a", connector, 0.1),), 0.1)


def between(connector, n_pre, n_post, **options):
    populations = Population("in", n_pre, Source()), Population("out", n_post, NEST_DEFAULT)
    return Network(populations, (Projection("in", "out", connector, **options),), 0.1)


# Distributions.


@pytest.mark.parametrize("connector", [FixedProbability(0.1), FixedInDegree(30), FixedOutDegree(40)])
def test_partners_are_uniform_and_degrees_have_the_right_scatter(connector):
    """Counts over the side that is free are binomial. Where the other side is fixed they have one degree of
    freedom less, and a pair's covariance -q (1 - q) / (n - 1) is what makes up for it."""
    n_pre, n_post = 300, 400
    exists_JI = drawn(connector, n_pre, n_post)
    q = connector.n_synapses(n_pre, n_post) / (n_pre * n_post)
    free = {FixedProbability: (0, 1), FixedInDegree: (0,), FixedOutDegree: (1,)}[type(connector)]
    for axis in free:
        degrees = exists_JI.sum(axis)
        n, trials = len(degrees), exists_JI.shape[axis]
        fixed = not isinstance(connector, FixedProbability)
        scatter = trials * q * (1 - q) * (n / (n - 1) if fixed else 1)
        chi_square, df = ((degrees - trials * q) ** 2).sum() / scatter, n - fixed
        assert abs(chi_square - df) < 5 * np.sqrt(2 * df)
        assert abs(degrees.mean() - trials * q) < (1e-9 if fixed else 5 * np.sqrt(scatter / n))


@pytest.mark.parametrize("connector", [FixedProbability(0.1), FixedInDegree(30), FixedOutDegree(40)])
def test_neurons_draw_independently_of_each_other(connector):
    """How many partners two neurons share is binomial (probability) or hypergeometric (degree)."""
    n_pre, n_post = 300, 400
    drawers = drawn(connector, n_pre, n_post)
    drawers = drawers if isinstance(connector, FixedInDegree) else drawers.T
    n = drawers.shape[1]
    q = connector.n_synapses(n_pre, n_post) / (n_pre * n_post)
    both = q * q * n
    variance = (
        both * (1 - q * q) if isinstance(connector, FixedProbability) else n * q * q * (1 - q) * (1 - q) * n / (n - 1)
    )
    for lag in (1, 2, 10, 50):
        first = np.flatnonzero(np.arange(len(drawers) - lag) // lag % 2 == 0)
        shared = (drawers[first] & drawers[first + lag]).sum(1)
        assert abs(shared.mean() - both) < 5 * np.sqrt(variance / len(shared))


@pytest.mark.parametrize("kind", [FixedInDegree, FixedOutDegree])
@pytest.mark.parametrize(("autapses", "k"), [(True, 2), (True, 4), (False, 2), (False, 3)])
def test_every_subset_of_partners_is_equally_likely(kind, autapses, k):
    n, seen = 5, {}
    rng = np.random.default_rng(4)
    for _ in range(3000):
        offsets, targets = kind(k, autapses).connect(n, n, rng)
        exists = np.zeros((n, n), bool)
        exists[np.repeat(np.arange(n), np.diff(offsets)), targets] = True
        for neuron, partners in enumerate(exists.T if kind is FixedInDegree else exists):
            key = (neuron, *np.flatnonzero(partners).tolist())
            seen[key] = seen.get(key, 0) + 1
    possible = [
        (neuron, *subset)
        for neuron in range(n)
        for subset in itertools.combinations([i for i in range(n) if autapses or i != neuron], k)
    ]
    assert set(seen) == set(possible)
    check_chi_square(np.array(list(seen.values())), 3000 * n / len(possible), len(possible) - n)


@pytest.mark.parametrize("p", [1e-19, 1e-300, 5e-324])
def test_gaps_longer_than_a_whole_number_holds_end_the_draw(p):
    """At 1e-19 the mean gap is 1e19, above 2^63."""
    assert all(drawn(FixedProbability(p), 5, 6, seed).sum() == 0 for seed in range(50))


@pytest.mark.parametrize("k", [0, 1, 3, 20, 50])
def test_degrees_are_exact(k):
    assert (drawn(FixedInDegree(k), 50, 300).sum(1) == k).all()
    assert (drawn(FixedOutDegree(k), 300, 50).sum(0) == k).all()


@pytest.mark.parametrize("n_dimensions", [1, 2, 3])
def test_distance_dependence_has_the_closed_form_on_a_periodic_lattice(n_dimensions):
    """On a lattice of spacing 1 a neuron has c (sqrt(pi) length)^d synapses on average; the sum over the lattice
    is the integral up to exp(-(pi length)^2), 4e-7 here, and the box ends at 5 lengths."""
    c, length, side = 0.6, 1.25, 13
    axes = np.meshgrid(*[np.arange(side)] * n_dimensions)
    lattice = np.stack([axis.ravel() for axis in axes], 1)
    connector = DistanceDependent(lattice, lattice, c, length, (float(side),) * n_dimensions)
    repeats = {1: 1000, 2: 20, 3: 1}[n_dimensions]
    n = len(lattice)
    total = sum(len(connector.connect(n, n, np.random.default_rng(seed))[1]) for seed in range(repeats))
    mean = c * (np.sqrt(np.pi) * length) ** n_dimensions
    mean_square = c * c * (np.sqrt(np.pi / 2) * length) ** n_dimensions
    assert abs(total - repeats * n * mean) < 5 * np.sqrt(repeats * n * (mean - mean_square))
    assert connector.n_synapses(n, n) == pytest.approx(n * mean, rel=1e-5)


@pytest.mark.parametrize("n_dimensions", [1, 2, 3])
@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("autapses", [False, True])
def test_probability_falls_with_distance(n_dimensions, periodic, autapses):
    rng = np.random.default_rng(5)
    side, c, length, n = 4.0, 0.9, 1.5, 600
    x = rng.uniform(-3, side - 3, (n, n_dimensions))
    connector = DistanceDependent(x, x, c, length, (side,) * n_dimensions if periodic else None, autapses)
    exists_JI = drawn(connector, n, n)
    difference = np.abs(x[:, None, :] - x[None, :, :])
    if periodic:
        difference = np.minimum(difference, side - difference)
    distance = np.sqrt((difference**2).sum(2))
    p = c * np.exp(-((distance / length) ** 2)) * (1 if autapses else 1 - np.eye(n))
    ring = np.digitize(distance, np.arange(0.25, 5, 0.25))
    count, mean, variance = (np.bincount(ring.ravel(), x.ravel()) for x in (exists_JI, p, p * (1 - p)))
    assert (np.abs(count - mean) <= 5 * np.sqrt(variance) + 3).all()  # 3: rings where a count is about 0
    assert autapses or not exists_JI.diagonal().any()


@pytest.mark.parametrize("kind", [FixedProbability, FixedInDegree, FixedOutDegree])
def test_autapses_can_be_left_out(kind):
    connector = kind(0.9 if kind is FixedProbability else 270, False)
    exists_JI = drawn(connector, 300, 300)
    assert not exists_JI.diagonal().any()
    assert abs(exists_JI.sum() - connector.n_synapses(300, 300)) < 5 * np.sqrt(300 * 300 * 0.9 * 0.1)
    assert drawn(kind(0.9 if kind is FixedProbability else 270), 300, 300).diagonal().any()


@pytest.mark.parametrize("name", RANDOM)
def test_draws_follow_the_seed_alone(name):
    net = recurrent(RANDOM[name])
    first, again, other = (connect(net, {"a->a": 1.0}, seed)["a->a"] for seed in (1, 1, 2))
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert not np.array_equal(first.targets, other.targets)
    drive = Population("drive", 300, Source())
    more = Network((drive, *net.populations), (Projection("drive", "a", RANDOM[name]), *net.projections), 0.1)
    beside = connect(more, {"a->a": 1.0, "drive->a": 1.0}, 1)
    for one, two in zip(first, beside["a->a"], strict=True):
        np.testing.assert_array_equal(one, two)
    assert not np.array_equal(first.targets, beside["drive->a"].targets)


# Connectivity that is given.


def test_pairs_in_any_order_keep_their_weights():
    rng = np.random.default_rng(6)
    w_JI = rng.normal(size=(40, 30)) * (rng.random((40, 30)) < 0.3)
    targets, sources = np.nonzero(w_JI)
    shuffled = rng.permutation(len(targets))
    targets, sources = targets[shuffled], sources[shuffled]
    net = between(FromArrays(sources, targets), 30, 40)
    for values in (w_JI[targets, sources], lambda rng, n: w_JI[targets, sources]):
        synapses = connect(net, {"in->out": values}, 0)["in->out"]
        found_JI = np.zeros((40, 30))
        found_JI[synapses.targets, synapses.sources] = synapses.weights
        np.testing.assert_array_equal(found_JI, w_JI)
    with pytest.raises(ValueError, match="weights have shape"):
        connect(net, {"in->out": np.ones(len(targets) + 1)}, 0)


@pytest.mark.parametrize("layout", ["coo", "csr", "csc", "lil", "bsr", "dok"])
def test_a_sparse_matrix_brings_its_weights(layout):
    rng = np.random.default_rng(7)
    w_JI = rng.normal(size=(40, 30)) * (rng.random((40, 30)) < 0.3)
    net = between(FromSparse(scipy.sparse.coo_array(w_JI).asformat(layout)), 30, 40)
    synapses = connect(net, {}, 0)["in->out"]
    found_JI = np.zeros((40, 30))
    found_JI[synapses.targets, synapses.sources] = synapses.weights
    np.testing.assert_array_equal(found_JI, w_JI)
    np.testing.assert_array_equal(connect(net, {"in->out": 2.0}, 0)["in->out"].weights, 2.0)


@pytest.mark.parametrize("backend", ["event", "torch_dense"])
def test_a_sparse_matrix_acts_like_a_dense_one(backend):
    rng = np.random.default_rng(8)
    w_JI = rng.uniform(200, 2000, (5, 20)) * (rng.random((5, 20)) < 0.5)
    inputs = {"in": make_events(rng.uniform(0, 90, 60), rng.integers(0, 20, 60))}
    options = {"duration": 100.0, "backend": backend, "record": ("out.v", "out.spikes")}
    sparse, dense = between(FromSparse(scipy.sparse.csr_array(w_JI)), 20, 5), between(Dense(), 20, 5)
    one = simulate(sparse, connect(sparse, {}, 0), inputs, **options)
    two = simulate(dense, connect(dense, {"in->out": w_JI}, 0), inputs, **options)
    assert len(two.spikes["out"].times) > 5
    np.testing.assert_array_equal(one.spikes["out"].times, two.spikes["out"].times)
    # Zeros of the dense matrix add nothing; the order of sums may differ.
    np.testing.assert_allclose(np.asarray(one.traces["out.v"]), np.asarray(two.traces["out.v"]), atol=1e-9)


def test_entries_stored_as_zero_are_synapses():
    matrix = scipy.sparse.coo_array(([0.0, 1.0], ([1, 0], [0, 2])), shape=(2, 3))
    assert connect(between(FromSparse(matrix), 3, 2), {}, 0)["in->out"].weights.tolist() == [0.0, 1.0]


def positions(*shape):
    return np.zeros(shape)


WRONG = {
    "out-degree too high": (FixedOutDegree(5), ["out-degree 5", "4 postsynaptic", "use fewer"]),
    "no neuron but oneself": (FixedInDegree(3, autapses=False), ["in-degree 3", "2 presynaptic"]),
    "half a synapse": (FixedInDegree(1.5), ["in-degree 1.5", "whole number", "1 or 2"]),
    "autapses of two populations": (FixedProbability(0.5, autapses=False), ["autapses", "'in' and 'out'"]),
    "rows of positions": (
        DistanceDependent(positions(5, 2), positions(4, 2), 0.3, 1.0), ["positions_pre has shape (5, 2)", "3 rows"],
    ),
    "positions after": (
        DistanceDependent(positions(3, 2), positions(3, 2), 0.3, 1.0), ["positions_post has shape (3, 2)", "4 rows"],
    ),
    "a flat list of positions": (
        DistanceDependent(positions(3), positions(4), 0.3, 1.0), ["shape (3,)", "1 to 3 coordinates"],
    ),
    "four dimensions": (DistanceDependent(positions(3, 4), positions(4, 4), 0.3, 1.0), ["shape (3, 4)", "1 to 3"]),
    "two spaces": (
        DistanceDependent(positions(3, 2), positions(4, 3), 0.3, 1.0), ["2 coordinates before and 3 after"],
    ),
    "nowhere": (
        DistanceDependent(np.array([[0.0], [1.0], [np.nan]]), positions(4, 1), 0.3, 1.0), ["positions_pre[2] = [nan]"],
    ),
    "sides": (
        DistanceDependent(positions(3, 2), positions(4, 2), 0.3, 1.0, (2.0,)), ["periodic = (2.0,)", "2 positive"],
    ),
    "side of zero": (
        DistanceDependent(positions(3, 1), positions(4, 1), 0.3, 1.0, (0.0,)), ["periodic = (0.0,)", "positive"],
    ),
    "c above one": (DistanceDependent(positions(3, 1), positions(4, 1), 1.3, 1.0), ["c = 1.3", "at most 1"]),
    "length zero": (DistanceDependent(positions(3, 1), positions(4, 1), 0.3, 0.0), ["length = 0.0", "above 0"]),
    "pair twice": (FromArrays([2, 0, 1, 2], [3, 1, 0, 3]), ["pair 2 -> 3", "more than once"]),
    "no such source": (FromArrays([0, 3], [0, 0]), ["source 3 of pair 1", "0 to 2"]),
    "no such target": (FromArrays([0, 1], [0, -1]), ["target -1 of pair 1", "0 to 3"]),
    "half a pair": (FromArrays([0, 1], [0]), ["2 sources and 1 targets"]),
    "no whole numbers": (FromArrays([0.5], [0]), ["sources", "float64", "whole numbers"]),
    "matrix transposed": (FromSparse(scipy.sparse.csr_array((3, 4))), ["shape (3, 4)", "post x pre, (4, 3)"]),
    "matrix not sparse": (FromSparse(np.zeros((4, 3))), ["ndarray is no sparse matrix"]),
    "matrix with an entry twice": (
        FromSparse(scipy.sparse.coo_array(([1.0, 2.0], ([3, 3], [1, 1])), shape=(4, 3))), ["pair 1 -> 3"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_construction_refuses_with_a_clear_message(case):
    connector, words = WRONG[case]
    with pytest.raises(ValueError) as error:
        between(connector, 3, 4)
    for word in ("'in->out'", *words):
        assert word in str(error.value)


def test_no_synapse_at_all_is_a_connectivity_too():
    for connector in (FromArrays([], []), FromSparse(scipy.sparse.csr_array((4, 3))), FixedOutDegree(0)):
        assert drawn(connector, 3, 4).sum() == 0


def test_weights_may_be_left_out_for_a_sparse_matrix_only():
    with pytest.raises(ValueError, match="'in->out' has no weights"):
        connect(between(FromArrays([0], [0]), 3, 4), {}, 0)
