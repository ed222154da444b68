"""Any network in a Q-format: operators against fractions, steps and networks against real numbers."""

import math
from fractions import Fraction

import numpy as np
import pytest

from neuro import Dense, FixedProbability, Network, Population, Projection, Source, connect, make_events, simulate, vary
from neuro.backends.fixed_point_dialect import FIXED, Meter
from neuro.backends.fixed_point_formats import QFormat, SaturationError
from neuro.dialect import exp, rebind
from neuro.neurons import NEURONS, SETS, izhikevich, lif_delta

DT = 1.0


def train(spikes_TI):
    steps, units = np.nonzero(spikes_TI)
    return make_events(steps * DT, units)


@pytest.mark.parametrize("rounding", ["nearest", "down"])
def test_operators_equal_fractions_rounded_and_clipped(rounding):
    form = QFormat(total=12, fraction=5, allow_saturation=True, rounding=rounding)
    meter, rng = Meter(form, 0), np.random.default_rng(5)
    raw_a, raw_b = rng.integers(-2048, 2048, (2, 3000))
    raw_b[:10] = 0
    a, b = meter.bounded(raw_a), meter.bounded(raw_b)
    found = {"+": (a + b).raw, "-": (a - b).raw, "*": (a * b).raw, "/": (a / b).raw}
    half = Fraction(1, 2) if rounding == "nearest" else 0
    n_clipped = 0
    for i, (p, q) in enumerate(zip(raw_a.tolist(), raw_b.tolist(), strict=True)):
        bound = 10**6 * (p > 0) - 10**6 * (p < 0)
        exact = {"+": p + q, "-": p - q, "*": Fraction(p * q, 32), "/": Fraction(32 * p, q) if q else bound}
        for name, value in exact.items():
            wanted = max(-2048, min(2047, math.floor(value + half)))
            n_clipped += wanted != math.floor(value + half)
            assert found[name][i] == wanted, (name, p, q)
    assert meter.saturations == n_clipped > 500


@pytest.mark.parametrize("fraction", [5, 16, 24])
def test_exponentials_of_large_numbers_end_at_the_bound(fraction):
    """exp(x) 2^fraction has more than 63 bits from x = 33 at 16 bits of fraction on, and from 28 at 24."""
    meter = Meter(QFormat(total=32, fraction=fraction, allow_saturation=True), 0)
    x = np.array([10.0, 28.0, 33.0, 40.0, 60.0])
    found = rebind(_exponential, FIXED)(meter.fixed(x, "x")).raw
    wanted = np.minimum(np.exp(x) * 2.0**fraction, 2**31 - 1)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def _exponential(x):
    return exp(x)


def test_stochastic_rounding_keeps_the_mean():
    form = QFormat(total=24, fraction=8, rounding="stochastic")
    meter = Meter(form, 0)
    product = meter.fixed(np.full(100_000, 3 / 256), "a") * meter.fixed(0.125, "b")  # 3/8 of the least bit
    assert set(product.raw.tolist()) == {0, 1}
    assert abs(product.raw.mean() - 0.375) < 5 * math.sqrt(0.375 * 0.625 / 100_000)


@pytest.mark.parametrize("key", NEURONS)
def test_every_step_runs_on_integers_and_is_near_that_in_real_numbers(key):
    """A hundred steps of 0.1 ms from the start, each from the real state: errors of some least bits of the numbers."""
    model = next(iter(SETS[key].values()))
    c, state = model.coefficients(0.1), model.initial()
    fraction = min(16, 30 - math.ceil(math.log2(np.abs(c).max())))
    meter, bit = Meter(QFormat(total=32, fraction=fraction, allow_saturation=True), 0), 2.0**-fraction
    fixed_c = type(c)(*(meter.fixed(value, "c") for value in c))
    step, n_receptors = rebind(model.step, FIXED), len(model.receptors)
    rng = np.random.default_rng(6)
    assert meter.saturations == 0
    for _ in range(100):
        x = rng.uniform(0, 1.0, n_receptors).tolist()
        fixed_x = [meter.fixed(value, "x") for value in x]
        fixed_state = type(state)(*(meter.fixed(value, "state") for value in state))
        given, fixed_given = (x[0], fixed_x[0]) if n_receptors == 1 else (model.Arrivals(*x), model.Arrivals(*fixed_x))
        (_, state), (_, found) = model.step(state, given, c), step(fixed_state, fixed_given, fixed_c)
        for field, value, raw in zip(state._fields, state, found, strict=True):
            # A coefficient is off by half a bit, which products multiply by values of up to some 100.
            assert abs(float(raw.raw) * bit - value) < 1000 * bit + 1e-3 * abs(value), field
    assert meter.saturations == 0


def spikes_of(net, weights, inputs, duration, **options):
    return simulate(net, weights, inputs, duration=duration, record=("cells.spikes",), **options).spikes["cells"]


def test_24_bits_are_too_few_for_the_izhikevich_neuron_and_say_so():
    """In steps of 1 ms, 140 + 10 leaves Q8.16; with 32 bits the neuron fires as in real numbers."""
    model = vary(izhikevich.REGULAR_SPIKING, source="test", i_ext=10.0)
    coarse = Network((Population("cells", 1, model),), (), 1.0)
    with pytest.raises(SaturationError, match=r"constant of population 'cells' = 150 does not fit Q8\.16"):
        spikes_of(coarse, {}, {}, 200.0, backend="fixed_point", arithmetic=QFormat(24, 16))
    allowed = QFormat(24, 16, allow_saturation=True)
    assert simulate(coarse, {}, {}, duration=200.0, backend="fixed_point", arithmetic=allowed).counts.saturations > 0
    net = Network((Population("cells", 1, model),), (), 0.25)
    wanted = spikes_of(net, {}, {}, 200.0, backend="event").times
    found = spikes_of(net, {}, {}, 200.0, backend="fixed_point", arithmetic=QFormat(32, 20)).times
    assert len(found) == len(wanted) > 3
    np.testing.assert_allclose(found, wanted, rtol=0, atol=0.25)  # a step: v near threshold crosses early or late


def test_a_number_that_leaves_its_range_in_a_step_stops_the_run():
    """Two arrivals of 5 mV in one step are 10 mV, beyond the 8 of Q4.4."""
    cell = vary(lif_delta.NORMALISED, source="test", v_th=7.0)
    net = Network(
        (Population("in", 2, Source()), Population("cells", 1, cell)), (Projection("in", "cells", Dense()),), DT
    )
    given = {"in->cells": np.array([[5.0, 5.0]])}, {"in": train(np.arange(6)[:, None] // 3 * np.ones(2))}
    with pytest.raises(SaturationError, match=r"population 'cells' left Q4\.4 .* in step 3"):
        spikes_of(net, *given, 6.0, backend="fixed_point", arithmetic=QFormat(8, 4))
    options = {"backend": "fixed_point", "arithmetic": QFormat(8, 4, allow_saturation=True)}
    record = simulate(net, *given, duration=6.0, **options)
    assert (record.counts.saturations, record.counts.spikes, record.counts.synaptic_events) == (3, 3, 6)


def test_a_network_in_32_bits_fires_as_in_real_numbers():
    """Sparse and dense projections, delays, a batch, events counted alike; weights are multiples of 2^-20."""
    rng = np.random.default_rng(7)
    cell = vary(lif_delta.NORMALISED, source="test", tau_m=20.0)
    net = Network(
        (Population("in", 20, Source()), Population("cells", 40, cell)),
        (Projection("in", "cells", Dense(), delay=0.5), Projection("cells", "cells", FixedProbability(0.2), delay=0.5)),
        0.5,
    )
    values = {"in->cells": rng.uniform(0, 0.3, (40, 20)), "cells->cells": lambda g, n: g.normal(0.0, 0.1, n)}
    weights = connect(net, values, 0, {"cells->cells": lambda g, n: g.integers(1, 6, n) * 0.5})
    raster = (rng.random((200, 3, 20)) < 0.05).astype(float)
    records = [
        simulate(net, weights, {"in": raster}, duration=100.0, record=("cells.spikes",), **options)
        for options in ({"backend": "event"}, {"backend": "fixed_point", "arithmetic": QFormat(32, 24)})
    ]
    wanted, found = (record.spikes["cells"] for record in records)
    np.testing.assert_array_equal(found.units, wanted.units)
    np.testing.assert_allclose(found.times, wanted.times)
    assert len(found.times) > 500 and records[1].counts.saturations == 0
    assert records[0].counts.synaptic_events == records[1].counts.synaptic_events
