"""Networks: what construction refuses, and how connectors connect."""

import numpy as np
import pytest

from neuro import (
    Dense,
    Events,
    FixedInDegree,
    FixedProbability,
    Network,
    OneToOne,
    Population,
    Projection,
    Source,
    Synapses,
    connect,
    simulate,
    vary,
)
from neuro.neurons.leaky_integrator import NORMALISED as READOUT
from neuro.neurons.lif import NEST_DEFAULT
from neuro.plasticity.stdp import SONG_ABBOTT
from neuro.weights import check_weights

POPULATIONS = (
    Population("in", 4, Source()),
    Population("exc", 3, NEST_DEFAULT),
    Population("inh", 2, NEST_DEFAULT),
    Population("readout", 1, READOUT),
)


def network(*projections, populations=POPULATIONS, dt=0.1):
    return Network(populations, projections, dt)


def neurons(**changes):
    return lambda: network(populations=(Population("cells", 3, vary(NEST_DEFAULT, source="test", **changes)),))


def projection(*arguments, **options):
    return lambda: network(Projection(*arguments, **options))


WRONG = {
    "delay no multiple": (
        projection("in", "exc", Dense(), 0.35),
        ["'in->exc'", "delay 0.35 ms", "dt = 0.1 ms", "use 0.3 or 0.4"],
    ),
    "delay negative": (projection("in", "exc", Dense(), -0.1), ["'in->exc'", "delay -0.1 ms", "not negative"]),
    "delay not finite": (projection("in", "exc", Dense(), np.nan), ["'in->exc'", "delay nan ms", "finite"]),
    "zero-delay cycle": (
        lambda: network(Projection("exc", "inh", Dense()), Projection("inh", "exc", Dense())),
        ["cycle", "'exc', 'inh'", "delay >= dt"],
    ),
    "zero-delay recurrence": (projection("exc", "exc", Dense()), ["cycle", "'exc'"]),
    "unknown population": (projection("in", "ecx", Dense()), ["unknown population 'ecx'", "did you mean 'exc'?"]),
    "projection onto a source": (projection("exc", "in", Dense(), 0.1), ["'in' is a source", "choose another"]),
    "projection twice": (
        lambda: network(Projection("in", "exc", Dense()), Projection("in", "exc", OneToOne())),
        ["'in->exc' appears twice"],
    ),
    "population twice": (lambda: network(populations=POPULATIONS[:1] * 2), ["'in' must be unique"]),
    "population with an arrow": (
        lambda: network(populations=(Population("a->b", 1, Source()),)), ["'a->b'", "without '->'"],
    ),
    "population with a dot": (lambda: network(populations=(Population("a.b", 1, Source()),)), ["'a.b'"]),
    "population without a name": (lambda: network(populations=(Population("", 1, Source()),)), ["not empty"]),
    "size zero": (lambda: network(populations=(Population("a", 0, Source()),)), ["'a'", "size 0", "positive"]),
    "size not whole": (lambda: network(populations=(Population("a", 2.0, Source()),)), ["'a'", "size 2.0", "whole"]),
    "dt zero": (lambda: network(dt=0.0), ["dt = 0.0 ms", "positive"]),
    "dt not finite": (lambda: network(dt=np.inf), ["dt = inf ms", "finite"]),
    "tau negative": (neurons(tau_m=-1.0), ["LIF.tau_m = -1.0 ms", "above 0 ms"]),
    "tau zero": (neurons(tau_syn=0.0), ["LIF.tau_syn", "above 0 ms"]),
    "parameter NaN": (neurons(v_rest=np.nan), ["LIF.v_rest = nan mV", "not finite"]),
    "parameter NaN in an array": (neurons(i_ext=np.array([0.0, np.nan, 1.0])), ["LIF.i_ext", "not finite"]),
    "parameter out of range in an array": (neurons(tau_m=np.array([1.0, -2.0, 1.0])), ["LIF.tau_m", "above 0 ms"]),
    "parameter for another size": (neurons(i_ext=np.ones(4)), ["'cells'", "i_ext has shape (4,)", "or 3 of them"]),
    "t_ref no multiple": (neurons(t_ref=0.25), ["t_ref 0.25 ms", "use 0.2 or 0.3"]),
    "unknown parameter": (neurons(tau_mem=1.0), ["unknown parameter of LIF 'tau_mem'", "did you mean 'tau_m'?"]),
    "in-degree too high": (
        projection("in", "exc", FixedInDegree(5)), ["'in->exc'", "in-degree 5", "4 presynaptic", "use fewer"],
    ),
    "in-degree negative": (projection("in", "exc", FixedInDegree(-1)), ["FixedInDegree.k = -1", "at least 0"]),
    "probability above one": (projection("in", "exc", FixedProbability(1.5)), ["p = 1.5", "at most 1"]),
    "one to one of two sizes": (projection("in", "exc", OneToOne()), ["'in->exc'", "one size, got 4 and 3"]),
    "rule out of range": (
        lambda: network(Projection("in", "exc", Dense(), rule=vary(SONG_ABBOTT, source="test", softness=2.0))),
        ["PairSTDP.softness = 2.0", "at most 1"],
    ),
    "modulator that spikes": (
        projection("in", "exc", Dense(), rule=SONG_ABBOTT, modulator="inh"), ["modulator 'inh'", "one graded neuron"],
    ),
    "modulator without a rule": (projection("in", "exc", Dense(), modulator="readout"), ["needs a rule"]),
    "rule onto graded values": (
        projection("in", "readout", Dense(), rule=SONG_ABBOTT), ["'in->readout'", "'readout' computes graded"],
    ),
    "rule with an array": (
        projection("in", "exc", Dense(), rule=vary(SONG_ABBOTT, source="test", a_plus=np.array([0.1, 0.2]))),
        ["PairSTDP.a_plus has shape (2,)", "one number"],
    ),
    "reset above the threshold": (
        neurons(t_ref=2.0, v_reset=-50.0), ["'cells'", "v_reset = -50 mV", "v_th = -55 mV", "every step"],
    ),
    "unknown modulator": (
        projection("in", "exc", Dense(), rule=SONG_ABBOTT, modulator="readuot"), ["did you mean 'readout'?"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_construction_refuses_with_a_clear_message(case):
    build, words = WRONG[case]
    with pytest.raises(ValueError) as error:
        build()
    for word in words:
        assert word in str(error.value)


DENSE = network(Projection("in", "exc", Dense()))
SPARSE = network(Projection("in", "exc", FixedProbability(0.5)))
OFFSETS, TARGETS = np.array([0, 2, 2, 3, 3]), np.array([0, 2, 1], np.int32)

WRONG_WEIGHTS = {
    "transposed": (DENSE, {"in->exc": np.zeros((4, 3))}, ["(4, 3)", "needs (3, 4)", "transpose"]),
    "not finite": (DENSE, {"in->exc": np.full((3, 4), np.nan)}, ["'in->exc'", "not finite"]),
    "missing": (DENSE, {}, ["differ in ['in->exc']"]),
    "for no projection": (DENSE, {"in->exc": np.zeros((3, 4)), "in->inh": 0}, ["differ in ['in->inh']"]),
    "a matrix for a sparse one": (SPARSE, {"in->exc": np.zeros((3, 4))}, ["'in->exc'", "must be Synapses"]),
    "of another length": (SPARSE, {"in->exc": Synapses(OFFSETS, TARGETS, np.zeros(2))}, ["have shape (4, 2, 3)"]),
    "of other rows": (SPARSE, {"in->exc": Synapses(OFFSETS[:-1], TARGETS, np.zeros(3))}, ["have shape (3, 3, 3)"]),
    "sparse, not finite": (SPARSE, {"in->exc": Synapses(OFFSETS, TARGETS, np.full(3, np.inf))}, ["not finite"]),
    "onto no neuron": (SPARSE, {"in->exc": Synapses(OFFSETS, TARGETS + 1, np.zeros(3))}, ["1 to 3", "3 neurons"]),
    "offsets that fall": (
        SPARSE, {"in->exc": Synapses(np.array([0, 2, 1, 3, 3]), TARGETS, np.zeros(3))}, ["offsets must rise"],
    ),
    "twice the same pair": (
        SPARSE, {"in->exc": Synapses(OFFSETS, np.array([2, 2, 1], np.int32), np.zeros(3))}, ["rise within a row"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_WEIGHTS)
def test_weights_that_do_not_fit_are_refused(case):
    net, weights, words = WRONG_WEIGHTS[case]
    with pytest.raises(ValueError) as error:
        check_weights(net, weights)
    for word in words:
        assert word in str(error.value)


def test_sparse_weights_that_fit_are_taken():
    check_weights(SPARSE, {"in->exc": Synapses(OFFSETS, TARGETS, np.zeros(3))})
    check_weights(SPARSE, {"in->exc": Synapses(np.zeros(5, int), TARGETS[:0], np.zeros(0))})
    check_weights(SPARSE, {"in->exc": Synapses(np.array([0, 0, 3, 3, 3]), np.arange(3), np.zeros(3))})


RUN = {"duration": 1.0, "backend": "torch_dense"}
RUNS = {
    "no input": ({}, {}, ["differ in ['in']"]),
    "input for no source": ({"in": np.zeros((1, 4)), "exc": np.zeros((1, 3))}, {}, ["differ in ['exc']"]),
    "input of another size": ({"in": np.zeros((1, 3))}, {}, ["'in' has shape (1, 3)", "[samples, 4]"]),
    "raster of another length": ({"in": np.zeros((9, 1, 4))}, {}, ["9 steps, the simulation 10"]),
    "input of no sample": ({"in": np.zeros((0, 4))}, {}, ["no sample"]),
    "input not finite": ({"in": np.full((1, 4), np.nan)}, {}, ["'in' is not finite"]),
    "input in a list": ({"in": [[0.0] * 4]}, {}, ["'in' is a list", "give Events"]),
    "input from no unit": (
        {"in": Events(np.zeros(1), np.array([-1], np.int32), np.array([0, 1]))}, {}, ["unit -1 does not exist"],
    ),
    "duration no multiple": ({"in": np.zeros((1, 4))}, {"duration": 1.05}, ["duration 1.05 ms", "use 1 or 1.1"]),
    "unknown backend": ({"in": np.zeros((1, 4))}, {"backend": "evnet"}, ["did you mean 'event'?"]),
    "unknown field": ({"in": np.zeros((1, 4))}, {"record": ("exc.spike",)}, ["did you mean 'spikes'?"]),
    "unknown population": ({"in": np.zeros((1, 4))}, {"record": ("ecx.v",)}, ["did you mean 'exc'?"]),
    "spikes of a graded one": ({"in": np.zeros((1, 4))}, {"record": ("readout.spikes",)}, ["'readout' 'spikes'"]),
    "unknown start": ({"in": np.zeros((1, 4))}, {"initial": {"exc.u": 0.0}}, ["field of population 'exc' 'u'"]),
    "start of another size": (
        {"in": np.zeros((1, 4))}, {"initial": {"exc.v": np.zeros(4)}}, ["shape (4,)", "one number or 3"],
    ),
    "start not finite": ({"in": np.zeros((1, 4))}, {"initial": {"exc.v": np.nan}}, ["'exc.v' is not finite"]),
    "plastic batch": ({"in": np.zeros((2, 4))}, {"plastic": True}, ["2 samples", "one after the other"]),
}  # fmt: skip


@pytest.mark.parametrize("case", RUNS)
def test_simulate_refuses_what_does_not_fit(case):
    inputs, options, words = RUNS[case]
    with pytest.raises(ValueError) as error:
        simulate(DENSE, {"in->exc": np.zeros((3, 4))}, inputs, **{**RUN, **options})
    for word in words:
        assert word in str(error.value)


# Connectors.


def drawn(connector, n_pre, n_post, seed=0, extra=()):
    populations = Population("a", n_pre, Source()), Population("b", n_post, NEST_DEFAULT)
    net = Network(populations, (Projection("a", "b", connector), *extra), 0.1)
    values = {name.name: lambda rng, n: rng.normal(size=n) for name in net.projections}
    return connect(net, values, seed)["a->b"]


def check_rows(synapses, n_pre, n_post):
    """CSR, with each pair at most once."""
    assert synapses.offsets[0] == 0 and synapses.offsets[-1] == len(synapses.targets) == len(synapses.weights)
    assert len(synapses.offsets) == n_pre + 1
    pairs = synapses.sources * n_post + synapses.targets
    assert (np.diff(pairs) > 0).all()
    assert len(pairs) == 0 or (pairs.min() >= 0 and pairs.max() < n_pre * n_post)


@pytest.mark.parametrize("p", [0.002, 0.1, 0.5, 0.98])
def test_fixed_probability_is_binomial(p):
    """Out-degrees are Binomial(n_post, p), in-degrees Binomial(n_pre, p): means and variances within 5 sigma,
    and so is the number of pairs that are both connected (which a wrong draw of gaps would correlate)."""
    n_pre, n_post = 400, 500
    synapses = drawn(FixedProbability(p), n_pre, n_post)
    check_rows(synapses, n_pre, n_post)
    for degrees, n in ((np.diff(synapses.offsets), n_post), (np.bincount(synapses.targets, minlength=n_post), n_pre)):
        variance = n * p * (1 - p)
        assert abs(degrees.mean() - n * p) < 5 * np.sqrt(variance / len(degrees))
        fourth = variance * (1 + 3 * variance * (1 - 2 / n))  # fourth central moment, up to terms of 6 p (1 - p)
        assert abs(degrees.var() - variance) < 5 * np.sqrt((fourth - variance**2) / len(degrees))
    dense = np.zeros((n_pre, n_post), bool)
    dense[synapses.sources, synapses.targets] = True
    both = np.count_nonzero(dense[:, 1:] & dense[:, :-1]) / (n_pre * (n_post - 1))
    # Neighbouring pairs share a cell, hence the second term.
    sigma = np.sqrt((p**2 * (1 - p**2) + 2 * p**3 * (1 - p)) / (n_pre * n_post))
    assert abs(both - p**2) < 5 * sigma


@pytest.mark.parametrize(("p", "n_synapses"), [(0.0, 0), (1e-18, 0), (1.0, 30)])
def test_fixed_probability_at_its_ends(p, n_synapses):
    synapses = drawn(FixedProbability(p), 5, 6)
    check_rows(synapses, 5, 6)
    assert len(synapses.targets) == n_synapses


@pytest.mark.parametrize("k", [0, 1, 20, 50])
def test_fixed_in_degree_is_exact(k):
    synapses = drawn(FixedInDegree(k), 50, 300)
    check_rows(synapses, 50, 300)
    assert (np.bincount(synapses.targets, minlength=300) == k).all()
    # Partners are uniform: each of 50 is drawn 300 k / 50 times, with binomial scatter at most.
    scatter = np.sqrt(300 * k / 50)
    assert np.abs(np.diff(synapses.offsets) - 300 * k / 50).max() <= 5 * scatter


def test_one_to_one_is_the_diagonal():
    synapses = drawn(OneToOne(), 7, 7)
    assert synapses.sources.tolist() == synapses.targets.tolist() == list(range(7))


@pytest.mark.parametrize("connector", [FixedProbability(0.3), FixedInDegree(4), OneToOne()])
def test_seeds_reproduce_and_differ(connector):
    first, again, other = (drawn(connector, 20, 20, seed) for seed in (1, 1, 2))
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert not np.array_equal(first.weights, other.weights[: len(first.weights)])


def test_another_projection_does_not_shift_the_draw():
    alone = drawn(FixedProbability(0.3), 20, 20)
    beside = drawn(FixedProbability(0.3), 20, 20, extra=(Projection("b", "b", FixedProbability(0.3), 0.1),))
    for one, two in zip(alone, beside, strict=True):
        np.testing.assert_array_equal(one, two)


def test_weights_are_numbers_arrays_or_draws():
    w_JI = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(connect(DENSE, {"in->exc": w_JI}, 0)["in->exc"], w_JI)
    np.testing.assert_array_equal(connect(DENSE, {"in->exc": 2.0}, 0)["in->exc"], np.full((3, 4), 2.0))
    drawn_JI = connect(DENSE, {"in->exc": lambda rng, n: rng.uniform(5.0, 6.0, n)}, 0)["in->exc"]
    assert drawn_JI.shape == (3, 4) and 5.0 <= drawn_JI.min() < drawn_JI.max() < 6.0
    with pytest.raises(ValueError, match="has no weights"):
        connect(DENSE, {}, 0)
    with pytest.raises(ValueError, match="did you mean 'in->exc'"):
        connect(DENSE, {"in->ecx": 1.0}, 0)
