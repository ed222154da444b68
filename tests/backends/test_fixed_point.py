"""Loihi in whole numbers: against plain Python integers, closed bounds, and the same network in real numbers."""

import math
import os
from pathlib import Path

import numpy as np
import pytest

from neuro import (
    Dense,
    FixedProbability,
    FromArrays,
    Network,
    Population,
    Projection,
    Source,
    connect,
    make_events,
    simulate,
    vary,
)
from neuro.backends.fixed_point_formats import Loihi, QFormat, SaturationError
from neuro.backends.loihi_weights import mantissas
from neuro.neurons import lif_delta
from neuro.neurons.loihi_lif import LAVA_MNIST
from neuro.quantise import on_grid, quantise

DT = 1.0


# Loihi's compartment a second time: plain integers, one neuron, one step; written from the documentation of the chip.


def towards_zero(value, keep):
    magnitude = abs(value) * keep // 4096
    return magnitude if value >= 0 else -magnitude


def within_24_bits(value):
    return max(-(2**23) + 1, min(2**23 - 1, value))


def reference_step(state, a, cell):
    """state: [u, v, steps left in refractoriness]; returns (spike, number of saturations), and changes the state."""
    u = towards_zero(state[0], 4096 - (cell["current_decay"] + 1)) + 64 * a
    state[0] = within_24_bits(u)
    n_clipped = int(u != state[0])
    if state[2] > 0:
        state[1], state[2] = 0, state[2] - 1
        return 0, n_clipped
    v = towards_zero(state[1], 4096 - cell["voltage_decay"])
    v = v + state[0] + cell["bias_mantissa"] * 2 ** cell["bias_exponent"]
    n_clipped += int(v != within_24_bits(v))
    state[1] = within_24_bits(v)
    if state[1] > 64 * cell["v_th"]:
        state[1], state[2] = 0, cell["t_ref"]
        return 1, n_clipped
    return 0, n_clipped


def random_cells(rng, size):
    """Registers over their whole ranges; small decays and thresholds are as frequent as large ones."""

    def spread(low, high):
        return np.minimum(high, low + np.exp(rng.uniform(0, math.log(high - low + 1), size)).astype(int) - 1)

    return {
        "current_decay": spread(0, 4095),
        "voltage_decay": spread(0, 4095),
        "bias_mantissa": spread(0, 4095) * rng.choice([-1, 1], size),
        "bias_exponent": rng.integers(0, 8, size),
        "v_th": spread(0, 2**17 - 1),
        "t_ref": rng.integers(0, 5, size),
    }


def population(name, cells):
    values = {key: np.asarray(value, float if key == "t_ref" else int) for key, value in cells.items()}
    return Population(name, len(values["v_th"]), vary(LAVA_MNIST, source="test", **values))


def test_a_million_steps_of_random_neurons_equal_plain_integers():
    """Two synapses a neuron, with exponents 7 and -3; many saturate."""
    rng, size, n_units, n_steps = np.random.default_rng(1), 2000, 50, 500
    cells = random_cells(rng, size)
    units = np.arange(size) % n_units
    pairs = FromArrays(units, np.arange(size))
    net = Network(
        (Population("a", n_units, Source()), Population("b", n_units, Source()), population("cells", cells)),
        (Projection("a", "cells", pairs), Projection("b", "cells", pairs, delay=2 * DT)),
        DT,
    )
    high = 2 * rng.integers(-128, 128, size)
    low = 2 * rng.integers(-128, 128, size)
    given = {"a->cells": high * 2.0**7, "b->cells": low * 2.0**-3}
    spikes = rng.random((2, n_steps, n_units)) < 0.05
    inputs = {name: train(spikes[k]) for k, name in enumerate("ab")}
    fields = ("cells.u", "cells.v", "cells.output", "cells.spikes")
    record = simulate(
        net, connect(net, given, 0), inputs, duration=n_steps * DT, backend="fixed_point", record=fields,
        arithmetic=Loihi(allow_saturation=True),
    )  # fmt: skip
    u_TN, v_TN, fired_TN = (record.traces[field][:, 0].tolist() for field in fields[:3])
    arrived = spikes.tolist()
    n_clipped = n_spikes = 0
    for j in range(size):
        cell, state, k = {key: int(value[j]) for key, value in cells.items()}, [0, 0, 0], units[j]
        weights = int(high[j]) * 2**7, int(low[j])
        for t in range(n_steps):
            a = weights[0] * arrived[0][t][k] + (weights[1] * (t >= 2 and arrived[1][t - 2][k]) // 2**3)
            spike, clipped = reference_step(state, a, cell)
            n_clipped += clipped
            n_spikes += spike
            assert (state[0], state[1], spike) == (u_TN[t][j], v_TN[t][j], fired_TN[t][j]), (j, t, cell)
    assert record.counts.spikes == n_spikes == len(record.spikes["cells"].times) > 10_000
    assert record.counts.saturations == n_clipped > 1000
    assert record.counts.synaptic_events == 40 * (spikes[0].sum() + spikes[1][:-2].sum())


def train(spikes_TI):
    steps, units = np.nonzero(spikes_TI)
    return make_events(steps * DT, units)


def recurrent(rng, **changes):
    """Thirty cells that excite and inhibit each other with delays, driven by spikes and by values."""
    cells = random_cells(rng, 30) | {"v_th": rng.integers(5, 100, 30), "bias_mantissa": np.zeros(30, int)}
    cells |= {"current_decay": rng.integers(500, 4096, 30), "voltage_decay": rng.integers(200, 4096, 30)} | changes
    net = Network(
        (Population("in", 10, Source()), Population("on", 3, Source()), population("cells", cells)),
        (
            Projection("in", "cells", Dense(), delay=DT),
            Projection("on", "cells", Dense()),
            Projection("cells", "cells", FixedProbability(0.3), delay=DT),
        ),
        DT,
    )
    values = {
        "in->cells": rng.integers(0, 200, (30, 10)) * 1.0,
        "on->cells": 2 * rng.integers(-20, 20, (30, 3)) * 2.0**-4,
        "cells->cells": lambda g, n: 2.0 * g.integers(-100, 100, n),
    }
    weights = connect(net, values, 0, {"cells->cells": lambda g, n: g.integers(1, 9, n) * DT})
    inputs = {"in": train(rng.random((300, 10)) < 0.05), "on": np.array([[3, 0, 7.0]])}
    return net, cells, weights, inputs


def test_a_recurrent_network_equals_plain_integers():
    """Sums are shifted where they are complete, spikes arrive a delay later, every delivery is counted."""
    net, cells, weights, inputs = recurrent(np.random.default_rng(2))
    record = simulate(net, weights, inputs, duration=300.0, backend="fixed_point", record=("cells.v", "cells.spikes"))
    state = [[0, 0, 0] for _ in range(30)]
    w_in, w_on, synapses = weights["in->cells"], weights["on->cells"], weights["cells->cells"]
    direct = [math.floor(sum(w_on[j, i] * value for i, value in enumerate((3, 0, 7)))) for j in range(30)]
    arriving = [[0] * 30 for _ in range(310)]
    events = 300 * 30 * 2
    for t, i in zip(inputs["in"].times.astype(int) + 1, inputs["in"].units, strict=True):
        for j in range(30 if t < 300 else 0):
            arriving[t][j] += int(w_in[j, i])
            events += 1
    found = []
    for t in range(300):
        for j in range(30):
            spike, _ = reference_step(state[j], arriving[t][j] + direct[j], {k: int(c[j]) for k, c in cells.items()})
            if spike:
                found.append((t, j))
                for e in range(synapses.offsets[j], synapses.offsets[j + 1]):
                    arriving[t + synapses.delays[e]][synapses.targets[e]] += int(synapses.weights[e])
                    events += t + synapses.delays[e] < 300
        assert [s[1] for s in state] == record.traces["cells.v"][t, 0].tolist()
    times, ids = record.spikes["cells"].times, record.spikes["cells"].units
    assert found == list(zip(times.astype(int).tolist(), ids.tolist(), strict=True)) and len(found) > 100
    assert (record.counts.spikes, record.counts.synaptic_events) == (len(found), events)


def test_a_batch_is_its_samples_one_by_one():
    net, _, weights, inputs = recurrent(np.random.default_rng(2))
    more = {"in": np.stack([(np.arange(300)[:, None] + np.arange(10)) % k == 0 for k in (9, 7, 5)], 1).astype(float)}
    more["on"] = np.array([[1, 2, 3], [0, 0, 0], [5, 0, 1.0]])
    options = {"duration": 300.0, "backend": "fixed_point", "record": ("cells.u",)}
    together = simulate(net, weights, more, **options)
    for b in range(3):
        alone = simulate(net, weights, {"in": more["in"][:, b : b + 1], "on": more["on"][b : b + 1]}, **options)
        np.testing.assert_array_equal(together.traces["cells.u"][:, b], alone.traces["cells.u"][:, 0])


def test_rounding_loses_less_than_one_unit_a_step():
    """Against real numbers, without spikes: |error of u| < 1 / (1 - p_uu); v takes that up, and adds its own."""
    rng = np.random.default_rng(3)
    decays = {"current_decay": rng.integers(50, 4095, 30), "voltage_decay": rng.integers(50, 4095, 30)}
    net, _, weights, inputs = recurrent(rng, v_th=np.full(30, 2**17 - 1), **decays)
    weights["on->cells"] = 0 * weights["on->cells"]  # these are shifted down, which rounds as well
    traces = [
        simulate(net, weights, inputs, duration=300.0, backend=backend, record=("cells.u", "cells.v")).traces
        for backend in ("fixed_point", "event")
    ]
    bound_u = 4096 / (decays["current_decay"] + 1.0)
    bound_v = (1 + bound_u) * 4096 / decays["voltage_decay"]
    for field, bound in (("cells.u", bound_u), ("cells.v", bound_v)):
        error = np.abs(traces[0][field] - traces[1][field])[:, 0]
        assert (error <= bound).all() and error.max() > 0.5
        assert np.abs(traces[0][field]).max() > 1000


def test_what_leaves_24_bits_stops_the_run_by_name_unless_allowed():
    cells = population("cells", {key: np.zeros(2, int) for key in random_cells(np.random.default_rng(0), 1)})
    cells = Population("cells", 2, vary(cells.model, source="test", v_th=np.full(2, 2**17 - 1)))
    net = Network((Population("in", 1, Source()), cells), (Projection("in", "cells", Dense()),), DT)
    weights, spikes = {"in->cells": np.array([[0.0], [255.0 * 2**7]])}, {"in": np.ones((10, 1, 1))}
    options = {"duration": 10.0, "backend": "fixed_point"}
    # u grows by 64 * 255 * 2^7 = 2,088,960 a step, and v by u, so that v leaves 2^23 in step 2.
    with pytest.raises(SaturationError, match="v of neuron 1 in population 'cells' left 24 bits in step 2"):
        simulate(net, weights, spikes, **options)
    record = simulate(net, weights, spikes, arithmetic=Loihi(allow_saturation=True), record=("cells.u",), **options)
    assert record.traces["cells.u"].max() == 2**23 - 1 and record.counts.saturations > 5


def test_weights_lie_on_the_grid_of_the_chip():
    assert mantissas([0, 255, 7], "w")[1:] == (0, False)
    mixed = mantissas([-3.0, 5.0], "w")
    assert mixed.values.tolist() == [-6, 10] and mixed.exponent == -1 and mixed.is_mixed
    assert mantissas(np.array([-128.0, 127.0]), "w").values.tolist() == [-256, 254]
    assert mantissas([0.0, 255 * 2.0**7], "w").exponent == 7
    for bad in ([-1.0, 128.0], [0.1, 0.2], [256.0, 1.0], [2.0**-8], [255 * 2.0**8]):
        with pytest.raises(ValueError, match="neuro.quantise.on_grid"):
            mantissas(bad, "Projection 'a->b'")
    for bits in range(2, 9):
        for w in (np.linspace(-1, 0.9, 77), np.linspace(0, 0.9, 77)):
            grid = on_grid(w, bits)
            assert len(np.unique(grid.mantissas)) <= 2**bits and mantissas(grid.mantissas, "w")
            within = np.abs(w - grid.unit * grid.mantissas) <= grid.unit * 2.0 ** (8 - bits + (w.min() < 0)) / 2 + 1e-12
            assert within.sum() >= len(w) - grid.n_clipped


BAD = {
    "v_th": ({"v_th": 10.5}, {}, "no whole number"),
    "t_ref": ({"t_ref": 64.0}, {}, "t_ref in steps"),
    "arithmetic": ({}, {"arithmetic": QFormat(24, 16)}, r"give arithmetic=Loihi\(\)"),
    "resume": ({}, {"threads": 2}, "threads is for the event backend"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_of_a_chip_is_named(case):
    changes, options, message = BAD[case]
    net = Network((Population("cells", 1, vary(LAVA_MNIST, source="test", **changes)),), (), DT)
    with pytest.raises(ValueError, match=message):
        simulate(net, {}, {}, duration=5.0, backend="fixed_point", **options)


# A network from elsewhere.

NORSE = Path(os.environ.get("NEURO_DATA", "")) / "nir" / "lif_norse.nir"


def spikes_of(net, weights, inputs, duration, **options):
    return simulate(net, weights, inputs, duration=duration, record=("cells.spikes",), **options).spikes["cells"]


@pytest.mark.skipif(not NORSE.is_file(), reason="needs nir/lif_norse.nir in NEURO_DATA")
def test_norses_network_keeps_its_spikes_on_the_chip():
    """tau dv/dt = v_leak - v + R I, I = w s: input, weight and neuron as NIR has them, in Euler steps of 0.1 ms."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(NORSE) as file:
        nodes = file["node/nodes"]
        weight = float(nodes["0/weight"][0, 0])
        tau, r, v_th = (float(nodes[f"1/{name}"][0]) for name in ("tau", "r", "v_threshold"))
    dt = 0.1
    # A decay of 1 - dt / tau is that of an exponential with a time constant of its own.
    tau_m = -dt / math.log(1 - dt / (1000 * tau))
    cell = vary(lif_delta.NORMALISED, source="test", tau_m=tau_m, v_th=v_th)
    net = Network(
        (Population("in", 1, Source()), Population("cells", 1, cell)), (Projection("in", "cells", Dense()),), dt
    )
    weights = {"in->cells": np.array([[weight * r * dt / (1000 * tau)]])}
    rng = np.random.default_rng(8)
    spikes = (rng.random((5000, 4, 1)) < np.array([0.1, 0.3, 0.6, 1.0])[:, None]).astype(float)
    chip = quantise(net, weights, {"in": spikes}, 500.0)
    wanted = spikes_of(net, weights, {"in": spikes}, 500.0, backend="event")
    found = spikes_of(chip.net, chip.weights, {"in": spikes}, 500.0, backend="fixed_point")
    assert np.diff(wanted.offsets).min() > 10
    np.testing.assert_array_equal(found.offsets, wanted.offsets)
    np.testing.assert_array_equal(found.times, wanted.times)
