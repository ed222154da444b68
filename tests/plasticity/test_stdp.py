"""Pair-based STDP: the window that it draws, its bounds and its limits."""

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro import Network, OneToOne, Population, Projection, Source, connect, make_events, simulate, vary
from neuro.neurons.lif_delta import NORMALISED
from neuro.plasticity import RULES, SETS, stdp

BACKENDS = ["torch_dense", "event", "brian"]
DT = 0.1
GAPS = np.round(np.arange(-40, 41) * 0.5, 10)  # t_post - t_arrival of each pair, ms
PRE = 30.0
RULE = vary(stdp.SONG_ABBOTT, source="test", tau_pre=17.0, tau_post=34.0)


def changes(backend, rule, delay=0.0, w=0.4, gaps=GAPS, pre_times=(PRE,)):
    """Weight changes of many pairs at once: neuron i is made to fire by its teacher, gaps[i] after an arrival."""
    n = len(gaps)
    populations = Population("pre", n, Source()), Population("teacher", n, Source()), Population("post", n, NORMALISED)
    projections = Projection("pre", "post", OneToOne(), delay, rule), Projection("teacher", "post", OneToOne())
    net = Network(populations, projections, DT)
    weights = connect(net, {"pre->post": w, "teacher->post": 1.0}, seed=0)
    units = np.arange(n)
    inputs = {
        "pre": make_events(np.repeat(pre_times, n), np.tile(units, len(pre_times))),
        "teacher": make_events(PRE + delay + np.asarray(gaps), units),
    }
    record = simulate(net, weights, inputs, duration=60.0, backend=backend, plastic=True, record=("post.spikes",))
    np.testing.assert_array_equal(record.spikes["post"].units[np.argsort(record.spikes["post"].times)], units)
    return record.weights["pre->post"].weights - w


def window(rule, gaps=GAPS):
    """A coincident pair counts as causal."""
    causal = rule.a_plus * np.exp(-gaps / rule.tau_pre)
    return np.where(gaps >= 0, causal, -rule.a_minus * np.exp(gaps / rule.tau_post))


@pytest.mark.parametrize("delay", [0.0, 2.0])
@pytest.mark.parametrize("backend", BACKENDS)
def test_pairs_draw_the_analytic_window(backend, delay):
    """The delay moves the presynaptic spike to its arrival. A trace is up to 200 products: 200 ulps of 0.005."""
    np.testing.assert_allclose(changes(backend, RULE, delay), window(RULE), rtol=0, atol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_multiplicative_window_depends_on_the_weight(backend):
    """softness 1: potentiation in proportion to w_max - w, depression in proportion to w."""
    rule = vary(RULE, source="test", softness=1.0)
    wanted = window(rule) * np.where(GAPS >= 0, 1.0 - 0.4, 0.4)
    np.testing.assert_allclose(changes(backend, rule), wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_all_pairs_add(backend):
    """Two arrivals, at 20 and 30 ms, and one postsynaptic spike between or after them: both pairs count."""
    gaps = np.array([-5.0, 3.0])
    found = changes(backend, RULE, w=0.2, gaps=gaps, pre_times=(20.0, PRE))
    np.testing.assert_allclose(found, window(RULE, gaps) + window(RULE, gaps + 10.0), rtol=0, atol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_bounds_hold_in_a_simulation(backend):
    strong = vary(RULE, source="test", a_plus=0.9, a_minus=0.9)
    w = changes(backend, strong, w=0.5) + 0.5
    assert w.min() == 0.0 and w.max() == 1.0


def test_nothing_changes_without_a_postsynaptic_spike():
    net = Network(
        (Population("pre", 1, Source()), Population("post", 1, NORMALISED)),
        (Projection("pre", "post", OneToOne(), rule=RULE),),
        DT,
    )
    weights = connect(net, {"pre->post": 0.01}, seed=0)
    spikes = make_events(np.arange(10.0), np.zeros(10, int))
    for backend in BACKENDS:
        record = simulate(net, weights, {"pre": spikes}, duration=20.0, backend=backend, plastic=True)
        assert record.weights["pre->post"].weights[0] == 0.01


def every_rule():
    return [pytest.param(rule, id=name) for key in RULES for name, rule in SETS[key].items()]


@functools.cache
def softened(rule, softness):
    return vary(rule, source="test", softness=softness)


unit_interval = st.floats(0.0, 1.0)
trace = st.floats(0.0, 100.0)


@pytest.mark.parametrize("rule", every_rule())
@given(w=unit_interval, x=trace, y=trace, m=st.floats(-10.0, 10.0), softness=unit_interval)
def test_bounds_are_never_left(rule, w, x, y, m, softness):
    rule = softened(rule, softness) if hasattr(rule, "softness") else rule
    c = rule.coefficients(DT)
    pre, post = rule.PreTraces(*[x] * len(rule.PreTraces._fields)), rule.PostTraces(*[y] * len(rule.PostTraces._fields))
    for change in (rule.on_pre, rule.on_post):
        synapse = rule.Synapse(c.w_min + w * (c.w_max - c.w_min), *[0.0] * (len(rule.Synapse._fields) - 1))
        assert c.w_min <= change(synapse, pre, post, m, c).w <= c.w_max


@given(w=st.floats(0.3, 0.7), x=unit_interval, y=unit_interval)
def test_softness_zero_does_not_look_at_the_weight(w, x, y):
    c, pre, post = RULE.coefficients(DT), stdp.PreTraces(x), stdp.PostTraces(y)
    # A difference of numbers below 1, each rounded: two ulps.
    assert stdp.on_post(stdp.Synapse(w), pre, post, 1.0, c).w - w == pytest.approx(RULE.a_plus * x, abs=3e-16)
    assert stdp.on_pre(stdp.Synapse(w), pre, post, 1.0, c).w - w == pytest.approx(-RULE.a_minus * y, abs=3e-16)


@given(x=trace, y=trace)
def test_softness_one_rests_at_its_bounds(x, y):
    c = softened(RULE, 1.0).coefficients(DT)
    pre, post = stdp.PreTraces(x), stdp.PostTraces(y)
    assert stdp.on_post(stdp.Synapse(1.0), pre, post, 1.0, c).w == 1.0
    assert stdp.on_pre(stdp.Synapse(0.0), pre, post, 1.0, c).w == 0.0


def test_third_factor_scales_and_turns_the_change():
    c, pre, post = RULE.coefficients(DT), stdp.PreTraces(0.5), stdp.PostTraces(0.25)
    for change in (stdp.on_pre, stdp.on_post):
        once = change(stdp.Synapse(0.5), pre, post, 1.0, c).w - 0.5
        assert once != 0.0
        assert change(stdp.Synapse(0.5), pre, post, 0.0, c).w == 0.5
        for m in (3.0, -3.0):
            assert change(stdp.Synapse(0.5), pre, post, m, c).w - 0.5 == pytest.approx(m * once, abs=3e-16)


@pytest.mark.parametrize("dt", [0.1, 0.5, 2.0])
def test_traces_jump_by_one_and_decay_exponentially(dt):
    c = RULE.coefficients(dt)
    x, y = stdp.spike_pre(stdp.PreTraces(0.0), c), stdp.spike_post(stdp.PostTraces(0.0), c)
    assert (x.x, y.y) == (1.0, 1.0)
    n = round(34.0 / dt)
    for _ in range(n):
        x, y = stdp.decay_pre(x, c), stdp.decay_post(y, c)
    assert x.x == pytest.approx(np.exp(-2.0), rel=1e-13)  # 34 ms are two tau_pre; up to 340 products
    assert y.y == pytest.approx(np.exp(-1.0), rel=1e-13)
