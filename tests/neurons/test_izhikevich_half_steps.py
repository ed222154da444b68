"""The Izhikevich neuron of the publications' programs: their algorithm written down plainly, and NEST's version."""

import numpy as np
import pytest

from neuro import Dense, Network, Population, Projection, Source, connect, make_events, simulate, vary
from neuro.neurons import izhikevich_half_steps
from neuro.neurons.izhikevich_half_steps import FAST_SPIKING, REGULAR_SPIKING

BACKENDS = ["torch_dense", "event", "brian"]
N, DURATION = 30, 400
rng = np.random.default_rng(3)
W_JI, DELAY_JI = rng.uniform(-2.0, 3.0, (N, N)), rng.integers(1, 8, (N, N))
I_EXT = rng.uniform(2.0, 8.0, N)
EXTERNAL = np.unique(np.stack([rng.integers(0, DURATION, 300), rng.integers(0, N, 300)], axis=1), axis=0)


def program():
    """The algorithm of the programs. In step t of 1 ms: what is above 30 mV has fired and is reset; spikes that left
    d ms ago, and the input, are a current; v takes two half steps, u one. Rows of t and neuron."""
    v = np.full(N, -65.0)
    u = REGULAR_SPIKING.b * v
    fired_TN = np.zeros((DURATION + 2, N), bool)
    for t in range(DURATION + 2):
        fired_TN[t] = v >= 30.0
        v[fired_TN[t]] = REGULAR_SPIKING.c
        u[fired_TN[t]] += REGULAR_SPIKING.d
        current = I_EXT.copy()
        for d in range(1, min(t, 7) + 1):
            current += (W_JI * (DELAY_JI == d)) @ fired_TN[t - d]
        current[EXTERNAL[EXTERNAL[:, 0] == t, 1]] += 20.0
        for _ in range(2):
            v += 0.5 * ((0.04 * v + 5.0) * v + 140.0 - u + current)
        u += REGULAR_SPIKING.a * (REGULAR_SPIKING.b * v - u)
    return np.argwhere(fired_TN)


def network(dt=1.0):
    cells = vary(REGULAR_SPIKING, source="test", i_ext=I_EXT)
    net = Network(
        (Population("in", N, Source()), Population("cells", N, cells)),
        (Projection("in", "cells", Dense()), Projection("cells", "cells", Dense(), delay=dt)),
        dt,
    )
    weights = connect(net, {"in->cells": 20.0 * np.eye(N), "cells->cells": W_JI}, 0, {"cells->cells": DELAY_JI * 1.0})
    return net, weights


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_network_is_that_of_the_program(backend):
    """A spike that the program finds at the beginning of step t is one of step t - 1 here; what arrives acts in the
    step after, so that the input comes a step earlier. The programs multiply in another order: 0.04 v + 5, then v."""
    net, weights = network()
    seen = EXTERNAL[EXTERNAL[:, 0] > 0]
    inputs = {"in": make_events(seen[:, 0] - 1.0, seen[:, 1])}
    initial = {"cells.jump": np.bincount(EXTERNAL[EXTERNAL[:, 0] == 0, 1], minlength=N) * 20.0}
    record = simulate(
        net, weights, inputs, duration=float(DURATION), backend=backend, record=("cells.spikes",), initial=initial
    )
    spikes, wanted = record.spikes["cells"], program()
    wanted = wanted[(wanted[:, 0] > 0) & (wanted[:, 0] <= DURATION)]
    assert len(wanted) > 5 * N
    np.testing.assert_array_equal(np.rint(spikes.times).astype(int), wanted[:, 0] - 1)
    np.testing.assert_array_equal(spikes.units, wanted[:, 1])


@pytest.mark.parametrize(("cell", "until"), [(REGULAR_SPIKING, DURATION), (FAST_SPIKING, 100)], ids=["regular", "fast"])
def test_nest_takes_the_same_steps(cell, until):
    """NEST's izhikevich with consistent_integration off. What arrives acts in the same step there: a step earlier."""
    nest = pytest.importorskip("nest", reason="nest-simulator is not installed (extra: dev)")
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    nest.set(resolution=1.0)
    theirs = nest.Create("izhikevich", N)
    theirs.set(a=cell.a, b=cell.b, c=cell.c, d=cell.d, V_th=cell.v_peak, V_m=-65.0, U_m=-65.0 * cell.b)
    theirs.set(consistent_integration=False)
    theirs.set([{"I_e": float(i)} for i in I_EXT])
    times = [np.unique(EXTERNAL[(EXTERNAL[:, 1] == j) & (EXTERNAL[:, 0] > 2), 0]).astype(float) for j in range(N)]
    generators = nest.Create("spike_generator", N, [{"spike_times": t} for t in times])
    nest.Connect(generators, theirs, "one_to_one", {"weight": 5.0, "delay": 1.0})
    meter = nest.Create("multimeter", params={"record_from": ["V_m", "U_m"], "interval": 1.0})
    nest.Connect(meter, theirs)
    nest.Simulate(DURATION + 1.0)
    by_cell = np.lexsort((meter.events["times"], meter.events["senders"]))
    v_NT, u_NT = (meter.events[name][by_cell].reshape(N, -1) for name in ("V_m", "U_m"))
    model = vary(cell, source="test", i_ext=I_EXT)
    net = Network(
        (Population("in", N, Source()), Population("cells", N, model)), (Projection("in", "cells", Dense()),), 1.0
    )
    units = np.repeat(np.arange(N), [len(t) for t in times])
    # NEST stamps with the end of a step, and 1 ms is its shortest delay: a spike at t acts in the step from t on.
    inputs = {"in": make_events(np.concatenate(times) - 1.0, units)}
    record = simulate(
        net, {"in->cells": 5.0 * np.eye(N)}, inputs, duration=float(DURATION), record=("cells.v", "cells.u")
    )
    # Upstrokes multiply rounding, by up to 1e6 each; after 100 ms this shows in some of the fast cells.
    np.testing.assert_allclose(record.traces["cells.v"][:, 0][:until].T, v_NT[:, :until], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(record.traces["cells.u"][:, 0][:until].T, u_NT[:, :until], rtol=1e-6, atol=1e-6)


def test_a_jump_does_not_depend_on_dt():
    """Below threshold, a spike of 5 mV lifts v by 5 mV, less what the membrane does in that time: order one in dt."""
    lifts = []
    for dt in (0.02, 0.01):
        net = Network(
            (Population("in", 1, Source()), Population("cell", 1, REGULAR_SPIKING)),
            (Projection("in", "cell", Dense()),),
            dt,
        )
        rest = {"cell.v": -70.0, "cell.u": -14.0}
        spike = {"in": make_events(np.array([1.0]), np.array([0]))}
        v = simulate(
            net, {"in->cell": np.array([[5.0]])}, spike, duration=2.0, record=("cell.v",), initial=rest
        ).traces["cell.v"][:, 0, 0]
        lifts.append(v.max() + 70.0)
    assert 4.9 < lifts[0] < lifts[1] < 5.0
    assert (5.0 - lifts[0]) / (5.0 - lifts[1]) == pytest.approx(2.0, rel=0.05)


def test_its_sets_are_those_of_izhikevich():
    from neuro.neurons import izhikevich

    assert {name: vars(cell) for name, cell in izhikevich_half_steps.SETS.items()} == {
        name: vars(cell) for name, cell in izhikevich.SETS.items()
    }
