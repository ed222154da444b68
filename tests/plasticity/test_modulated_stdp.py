"""Reward-modulated STDP: eligibility in closed form, and changes that a reward makes, however late it comes."""

import numpy as np
import pytest

from neuro import Dense, Network, OneToOne, Population, Projection, Source, connect, make_events, simulate, vary
from neuro.neurons.leaky_integrator import NORMALISED as DOPAMINE
from neuro.neurons.lif_delta import NORMALISED
from neuro.plasticity import SETS
from neuro.plasticity.modulated_stdp import DISTAL_REWARD, POLYCHRONIZATION

BACKENDS = ["torch_dense", "event", "brian"]
DT = 0.5
RULE = vary(DISTAL_REWARD, source="test", tau_post=30.0, tau_eligibility=80.0, drift=0.003)
GATED = vary(RULE, source="test", drift=0.0, baseline=0.0)


UNTOUCHED = vary(NORMALISED, source="test", v_th=1e5)  # fires when its teacher does, whatever the plastic synapses send
FOR_GOOD = 1.0, 1e15


def run(backend, rule, pre, post, duration, rewards=None, pulse=FOR_GOOD, w=1.0, dt=DT, every=None):
    """pre, post: times for each pair of neurons, whose weight is w. rewards: times at which the third factor gains
    pulse[0], which decays with pulse[1] ms; None: no modulator. every: ms between looks; None: as the rule acts.
    Returns the weights at each look, [K, pairs]."""
    n, modulated = len(pre), rewards is not None
    populations = [
        Population("pre", n, Source()),
        Population("teacher", n, Source()),
        Population("post", n, UNTOUCHED),
    ]
    modulator = "dopamine" if modulated else None
    projections = [Projection("pre", "post", OneToOne(), 0.0, rule, modulator)]
    projections += [Projection("teacher", "post", OneToOne())]
    weights = {"pre->post": w, "teacher->post": 1e6}
    inputs = {"pre": events(pre), "teacher": events(post)}
    if modulated:
        dopamine = vary(DOPAMINE, source="test", tau_m=pulse[1])
        populations += [Population("reward", 1, Source()), Population("dopamine", 1, dopamine)]
        projections += [Projection("reward", "dopamine", Dense())]
        weights["reward->dopamine"], inputs["reward"] = pulse[0], events([rewards])
    net = Network(tuple(populations), tuple(projections), dt)
    options = {
        "record": ("pre->post.weights",),
        "weights_every": every or rule.interval,
        "plastic": True,
        "backend": backend,
    }
    record = simulate(net, connect(net, weights, seed=0), inputs, duration=duration, **options)
    return record.traces["pre->post.weights"]


def events(times_of_units):
    units = np.repeat(np.arange(len(times_of_units)), [len(times) for times in times_of_units])
    return make_events(np.concatenate(times_of_units), units)


def eligibility(rule, gap):
    """What a lone pair adds. gap: t_post - t_arrival."""
    if gap >= 0:
        return rule.w_max * rule.a_plus * np.exp(-gap / rule.tau_pre)
    return -rule.w_max * rule.a_minus * np.exp(gap / rule.tau_post)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_eligibility_decays_while_it_changes_the_weight(backend):
    """A pair at 20 ms, whose eligibility is used in full at 30 ms and then loses the same part every interval."""
    gaps = np.array([-7.0, -1.0, 0.0, 1.0, 7.0])
    found = run(backend, RULE, [[20.0]] * 5, [[20.0 + gap] for gap in gaps], 200.0)
    intervals = np.arange(20)  # of 10 ms
    left = np.exp(-(intervals - 2) * RULE.interval / RULE.tau_eligibility) * (intervals >= 2)
    steps_KP = (RULE.baseline + 1.0) * left[:, None] * [eligibility(RULE, gap) for gap in gaps]
    wanted = 1.0 + np.cumsum(steps_KP + RULE.drift * RULE.w_max, axis=0)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-14 * 20 * RULE.w_max)  # 20 sums


@pytest.mark.parametrize("backend", BACKENDS)
def test_nearest_neighbours_alone_count(backend):
    """Of two arrivals only the later one, and it depresses by the last spike before it alone."""
    rule = vary(GATED, source="test", interval=100.0)
    found = run(backend, rule, [[20.0, 30.0]], [[12.0, 15.0, 33.0]], 100.0)[0, 0] - 1.0
    wanted = eligibility(rule, 33.0 - 30.0) + eligibility(rule, 15.0 - 20.0) + eligibility(rule, 15.0 - 30.0)
    assert found == pytest.approx(wanted, abs=1e-14)
    everything = run(backend, vary(rule, source="test", memory=1.0), [[20.0, 30.0]], [[12.0, 15.0, 33.0]], 100.0)
    more = eligibility(rule, 33.0 - 20.0) + eligibility(rule, 12.0 - 20.0) + eligibility(rule, 12.0 - 30.0)
    assert everything[0, 0] - 1.0 == pytest.approx(wanted + more, abs=1e-14)


@pytest.mark.parametrize("backend", ["torch_dense", "event"])
def test_no_reward_no_change(backend):
    found = run(backend, GATED, [[20.0], [20.0]], [[25.0], [15.0]], 100.0, rewards=[])
    np.testing.assert_array_equal(found, 1.0)


@pytest.mark.parametrize("delay", [5.0, 95.0, 205.0])
@pytest.mark.parametrize("backend", ["torch_dense", "event"])
def test_a_late_reward_changes_what_is_left(backend, delay):
    """From the reward on, every interval adds the eligibility that is left. The pair is in the third interval."""
    found = run(backend, GATED, [[20.0]], [[24.0]], 400.0, rewards=[20.0 + delay])[:, 0]
    intervals = np.arange(40)
    rewarded = (intervals + 1) * GATED.interval > 20.0 + delay
    left = np.exp(-(intervals - 2) * GATED.interval / GATED.tau_eligibility) * (intervals >= 2)
    wanted = 1.0 + eligibility(GATED, 4.0) * np.cumsum(left * rewarded)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-13)


def test_distal_reward_finds_the_synapse_that_earned_it():
    """Izhikevich 2007, fig. 1, in small: 50 pairs of neurons fire at random, at 2 Hz; whenever the second neuron of
    pair 0 fires within 20 ms after the first, a pulse of dopamine comes 0.5 to 1 s later, when all others fire too."""
    rng, n, duration = np.random.default_rng(4), 50, 800_000.0
    trains = [np.unique(rng.integers(0, int(duration), 1600)).astype(float) for _ in range(2 * n)]
    pre, post = trains[:n], trains[n:]
    earned = np.array([t for t in post[0] if ((t - pre[0] >= 0) & (t - pre[0] <= 20.0)).any()])
    rewards = earned + rng.uniform(500.0, 1000.0, len(earned))
    slower = {"a_plus": 0.15 * DISTAL_REWARD.a_plus, "a_minus": 0.15 * DISTAL_REWARD.a_minus}
    rule = vary(DISTAL_REWARD, source="test", **slower)
    (w,) = run("event", rule, pre, post, duration, rewards, dt=1.0, pulse=(0.5, 200.0), every=duration)
    assert len(rewards) > 40
    assert w[0] > 2.0  # from 1, of at most 4
    assert w[1:].max() < w[0]
    assert (w[0] - w[1:].mean()) / w[1:].std() > 4.0  # standard deviations


@pytest.mark.parametrize("name", SETS["modulated_stdp"])
def test_weights_stay_within_bounds(name):
    rule = SETS["modulated_stdp"][name]
    c = rule.coefficients(1.0)
    for e in (-1e3, 0.0, 1e3):
        for w in (0.0, 0.5 * rule.w_max, rule.w_max):
            after = rule.on_interval(rule.Synapse(w, e), rule.PostTraces(0.0), 1.0, c)
            assert 0.0 <= after.w <= rule.w_max
            assert after.eligibility == e * np.exp(-rule.interval / rule.tau_eligibility)


def test_polychronization_gathers_over_seconds():
    """0.9 of the eligibility is left after a second: one pair of full size ends as ten times its eligibility."""
    found = run("event", POLYCHRONIZATION, [[20.0]], [[20.0]], 100_000.0, w=1.0, dt=1.0)
    gain = found[-1, 0] - 1.0 - 100 * 0.01
    assert gain == pytest.approx(0.1 * (1.0 - 0.9**100) / (1.0 - 0.9), rel=1e-12)
