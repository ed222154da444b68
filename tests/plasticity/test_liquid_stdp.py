"""The rules of liquids: alike on all backends, pair by pair in closed form, and NALSM as published, step by step."""

import numpy as np
import pytest

from neuro import Network, OneToOne, Population, Projection, Source, connect, make_events, simulate, vary
from neuro.learners.liquid import ASTROCYTE, PLASTIC, TYPES, Liquid
from neuro.neurons.leaky_integrator import NALSM_ASTROCYTE
from neuro.neurons.lif_delta import NORMALISED
from neuro.plasticity import SETS
from neuro.plasticity.activity_stdp import AP_EXCITATORY
from neuro.plasticity.liquid_stdp import NALSM_EXCITATORY, NALSM_INHIBITORY

DT, DURATION = 1.0, 300.0
FORCED = vary(NORMALISED, source="test", v_th=1e5)  # fires when its teacher does
RULES = {**SETS["liquid_stdp"], **SETS["activity_stdp"]}


def weights_after(rule, pre, post, backend, w):
    """pre, post: times for each pair of neurons, of emission; a presynaptic spike arrives a step later."""
    n = len(pre)
    net = Network(
        (Population("pre", n, Source()), Population("teacher", n, Source()), Population("post", n, FORCED)),
        (Projection("pre", "post", OneToOne(), DT, rule), Projection("teacher", "post", OneToOne())),
        DT,
    )
    inputs = {"pre": trains(pre), "teacher": trains(post)}
    start = connect(net, {"pre->post": w, "teacher->post": 1e9}, seed=0)
    record = simulate(net, start, inputs, duration=DURATION, plastic=True, backend=backend)
    return np.asarray(record.weights["pre->post"].weights)


def trains(times_of_units):
    units = np.repeat(np.arange(len(times_of_units)), [len(times) for times in times_of_units])
    return make_events(np.concatenate(times_of_units), units)


@pytest.mark.parametrize("name", RULES)
def test_backends_agree(name):
    """Random spikes of 40 pairs, with calcium on both sides of AP-STDP's goal. brian2 solves its own equations."""
    rng = np.random.default_rng(0)
    pre, post = ([np.unique(rng.integers(5, 295, n)).astype(float) for n in rng.integers(3, 90, 40)] for _ in range(2))
    rule = RULES[name]
    w = rng.uniform(rule.w_min, rule.w_max, 40)
    found = {backend: weights_after(rule, pre, post, backend, w) for backend in ("event", "torch_dense", "brian")}
    assert np.abs(found["event"] - w).max() > 0.05
    np.testing.assert_array_equal(found["torch_dense"], found["event"])
    np.testing.assert_allclose(found["brian"], found["event"], rtol=0, atol=1e-12)  # 100 sums of numbers below 3


@pytest.mark.parametrize("rule", [NALSM_EXCITATORY, NALSM_INHIBITORY], ids=["excitatory", "inhibitory"])
def test_one_pair_in_closed_form(rule):
    """By the publication's times of firing: 0.1 exp(-lag / tau) on either side, nothing at lag 0, rates that fall."""
    still = vary(rule, source="test", slowing=0.0)
    lags = np.array([-20.0, -2.0, -1.0, 0.0, 1.0, 2.0, 20.0])  # t_post - t_pre
    w = 0.5 * (rule.w_min + rule.w_max)
    found = weights_after(still, [[50.0]] * 7, [[50.0 + lag] for lag in lags], "event", w) - w
    size = 0.1 * np.exp(-np.abs(lags) / rule.tau) * np.sign(lags)
    rate = np.where((lags > 0) == (rule.inhibitory == 0), 0.15, 1.0)  # potentiation 0.15, depression m = 1
    sign = 1.0 if rule.inhibitory == 0 else -1.0
    np.testing.assert_allclose(found, sign * rate * size, rtol=1e-12, atol=1e-15)
    slowed = weights_after(rule, [[50.0]] * 7, [[50.0 + lag] for lag in lags], "event", w) - w
    changed_at = np.maximum(50.0 + lags, 50.0 + DT)
    np.testing.assert_allclose(slowed, found * 0.99 ** (changed_at + DT), rtol=1e-9, atol=1e-15)


def test_activity_decides_what_counts():
    """One causal pair after n spikes 20 ms apart: it counts while calcium is within the spread above the goal."""
    rule = vary(AP_EXCITATORY, source="test", goal=3.5, spread=3.0, a_minus=0.0, tau_activity=1e9)
    n_before = np.arange(10)
    post = [[*(20.0 * np.arange(n)), 205.0] for n in n_before]
    found = weights_after(rule, [[200.0]] * 10, post, "event", 1.0) - 1.0
    calcium = n_before + 1.0  # with the spike itself
    wanted = np.where((calcium > 3.5) & (calcium < 6.5), 0.15 * 0.1 * np.exp(-0.5), 0.0)
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-15)


def published(liquid, weights, input_TI, w_astrocyte):
    """NALSM as its code has it, step by step on dense matrices. Returns the liquid's spikes [T, N] and its weights.

    Our deviations are repeated here: a synapse's currents add up, the astrocyte decays by exp(-1 / 100), and a spike
    carries the weight that it finds on arrival, a step after it left. So what left in the last step has done nothing.
    """
    n_e, n = liquid.sizes["excitatory"], sum(liquid.sizes.values())
    w, mask = np.zeros((n, liquid.n_inputs + n)), np.zeros((n, liquid.n_inputs + n), bool)  # post x (input, liquid)
    first = {"input": 0, "excitatory": liquid.n_inputs, "inhibitory": liquid.n_inputs + n_e}
    row = {"excitatory": 0, "inhibitory": n_e}
    for name in PLASTIC:
        pre, post = name.split("->")
        s = weights[name]
        place = s.targets + row[post], s.sources + first[pre]
        w[place], mask[place] = s.weights, True
    inhibitory = np.arange(w.shape[1]) >= first["inhibitory"]
    low = np.where(inhibitory, -3.0, np.where(np.arange(w.shape[1]) < liquid.n_inputs, -3.0, 0.0))
    high = np.where(inhibitory, 0.0, 3.0)
    v, current, rest = np.zeros(n), np.zeros(n), np.zeros(n)
    pre_trace, post_trace = np.zeros(w.shape[1]), np.zeros(n)
    a = a_before = 0.15
    fired_TN = np.zeros((len(input_TI), n), bool)
    for t, given in enumerate(input_TI):
        fired = fired_TN[t] = (v >= 20.0) & (rest <= 0)
        v[fired] = 0.0
        rest = np.where(fired, 2.0, rest - 1.0)
        sent = np.concatenate([given, fired])
        rate = 0.99 ** (t + 1)
        causal = np.where(inhibitory, -a_before, 0.15) * rate
        acausal = np.where(inhibitory, 0.15, -a) * rate * 0.99  # ours acts when the spike arrives
        w = np.clip(w + np.outer(fired, causal * pre_trace), low, high) * mask
        current = current * np.exp(-1.0) + w @ sent
        v = v + current - v / 64.0
        if t + 1 < len(input_TI):
            w = np.clip(w + np.outer(post_trace, acausal * sent), low, high) * mask
        pre_trace = np.exp(-0.1) * (0.1 * sent + pre_trace)
        post_trace = np.exp(-0.1) * (0.1 * fired + post_trace)
        a_before = a
        a = 0.15 + (a - 0.15) * np.exp(-0.01) + w_astrocyte / 100.0 * (fired.sum() - given.sum())
    return fired_TN, w, first, row


def test_nalsm_is_the_published_algorithm():
    c = {(pre, post): 0.5 for pre in TYPES for post in TYPES}
    liquid = Liquid((4, 4, 4), 40, 0.5, c, 3.0, DT, seed=1)
    net = liquid.network(ASTROCYTE, NALSM_ASTROCYTE)
    weights = {
        name: w._replace(weights=w.weights.astype(float)) if hasattr(w, "weights") else w.astype(float)
        for name, w in liquid.weights(net, 2.0, 0.05 / 100.0).items()
    }
    input_TI = np.random.default_rng(2).random((250, 40)) < 0.1
    times, units = np.nonzero(input_TI)
    record = simulate(
        net, weights, {"input": make_events(times.astype(float), units)}, duration=250.0, plastic=True,
        record=tuple(f"{name}.spikes" for name in TYPES),
    )  # fmt: skip
    fired_TN, w, first, row = published(liquid, weights, input_TI, 0.05)
    found_TN = np.zeros_like(fired_TN)
    for name in TYPES:
        events = record.spikes[name]
        # The publication tests for spikes before it adds what arrives, so that it finds them a step later.
        later = np.rint(events.times).astype(int)
        found_TN[later, events.units + row[name]] = True
    assert fired_TN.sum() > 1000
    np.testing.assert_array_equal(found_TN, fired_TN)
    for name in PLASTIC:
        pre, post = name.split("->")
        s = record.weights[name]
        wanted = w[s.targets + row[post], s.sources + first[pre]]
        assert np.abs(s.weights - weights[name].weights).max() > 0.05
        np.testing.assert_allclose(s.weights, wanted, rtol=0, atol=1e-7, err_msg=name)  # of w_astrocyte, float32
