"""Sums of products on the chip: against plain Python integers, and the mean of what is drawn."""

import math

import numpy as np
import pytest

from neuro import Dense, Network, Population, Projection, Source, make_events, simulate, vary
from neuro.backends.fixed_point_formats import Loihi
from neuro.neurons.loihi_lif import LAVA_MNIST
from neuro.plasticity.sum_of_products import PAIR_STDP, Product

DT = 1.0


def paired(rule, w, pre, post, n_steps, n_pre=1, n_post=1):
    """Weights_JI after the given spikes of all presynaptic and, by force, of all postsynaptic neurons, by step."""
    cell = vary(LAVA_MNIST, source="test", voltage_decay=4095, v_th=2**17 - 1)
    net = Network(
        (Population("pre", n_pre, Source()), Population("force", 5, Source()), Population("post", n_post, cell)),
        (Projection("pre", "post", Dense(), rule=rule), Projection("force", "post", Dense())),
        DT,
    )
    inputs = {
        name: make_events(np.tile(np.array(steps, float), size), np.repeat(np.arange(size), len(steps)))
        for name, steps, size in (("pre", pre, n_pre), ("force", post, 5))
    }
    weights = {"pre->post": np.full((n_post, n_pre), float(w)), "force->post": np.full((n_post, 5), 255.0 * 2**7)}
    record = simulate(
        net, weights, inputs, duration=float(n_steps), backend="fixed_point", plastic=True, record=("post.spikes",),
        arithmetic=Loihi(allow_saturation=True),
    )  # fmt: skip
    assert np.unique(record.spikes["post"].times).tolist() == post
    return record.weights["pre->post"]


def test_pair_stdp_equals_plain_integers_where_nothing_is_drawn():
    rule = vary(PAIR_STDP, source="test", is_stochastic=False)
    rng = np.random.default_rng(4)
    pre, post = (sorted(rng.choice(np.arange(1, 400), 60, replace=False).tolist()) for _ in range(2))
    keep, x, y, w, moved = round(4096 * math.exp(-1 / 20.0)), 0, 0, 2, set()
    for t in range(400):
        x, y = x * keep // 4096, y * keep // 4096
        x, y = min(127, x + 16 * (t in pre)), min(127, y + 16 * (t in post))
        if t in pre or t in post:
            total = w * 128 + (32 * x if t in post else 0) - (32 * y if t in pre else 0)
            w = max(0, min(255, (total + 64) // 128))
            moved.add(w)
    assert len(moved) > 5
    assert paired(rule, 2, pre, post, 400) == [[w]]


@pytest.mark.parametrize("difference", [-30, -10, -1, 1, 10, 30])
def test_the_mean_window_of_stochastic_stdp_is_exponential(difference):
    """w changes by +- 2^-2 * 16 exp(-|t| / 20) on average; traces are drawn by neuron, weights by synapse."""
    w = paired(PAIR_STDP, 100, [50 - difference], [50], 100, n_pre=500 if difference > 0 else 5,
               n_post=5 if difference > 0 else 500)  # fmt: skip
    wanted = math.copysign(4.0 * math.exp(-abs(difference) / 20.0), difference)
    # The trace ends with a deviation of at most sqrt(16) / 2, and w moves by a quarter of it: 500 such means deviate by
    # 0.022; decays of 12 bits change the mean by less than 0.01.
    assert abs(w.mean() - 100 - wanted) < 0.1
    assert w.std() > 0 and np.array_equal(w, np.rint(w))


def test_a_rule_in_integers_is_refused_by_the_other_backends():
    with pytest.raises(ValueError, match="use backend='fixed_point'"):
        net = Network(
            (Population("a", 1, Source()), Population("b", 1, LAVA_MNIST)),
            (Projection("a", "b", Dense(), rule=PAIR_STDP),),
            DT,
        )
        simulate(net, {"a->b": np.ones((1, 1))}, {"a": make_events([1.0], [0])}, duration=5.0, plastic=True)


def test_a_product_without_a_spike_is_refused():
    with pytest.raises(ValueError, match="needs x0 or y0"):
        Product(1, -2, ("x1", "y1"))
    with pytest.raises(ValueError, match="did you mean 'x1'"):
        Product(1, -2, ("x11", "y0"))
