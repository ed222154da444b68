"""The astrocyte against brian2, which solves its EQUATIONS by Runge-Kutta's method of fourth order; ours is of third.

One population holds a cell of every named set, so that brian2 need not run for each.
"""

import dataclasses

import numpy as np
import pytest

from neuro import Dense, Network, Population, Projection, Source, make_events, simulate
from neuro.neurons.li_rinzel import SETS, LiRinzel, LiRinzelState

DT = 0.5
# What decays fast goes to 1e-300, where a polynomial in place of an exponential is wrong by much of it: uM.
ABSOLUTE = {"glutamate": 1e-6, "gliotransmitter": 1e-6}


def all_sets():
    """A population's parameters, one value a set, with constant glutamate of 0.3 uM."""
    names = [field.name for field in dataclasses.fields(LiRinzel) if field.name != "source"]
    values = {name: np.array([getattr(item, name) for item in SETS.values()]) for name in names}
    return LiRinzel(**{**values, "glutamate_ext": np.full(len(SETS), 0.3)}, source="test")


def run(backend, duration):
    """Cells with spikes of 10 uM at some 1.4 Hz; values [T, set] by field."""
    populations = Population("in", 1, Source()), Population("astrocyte", len(SETS), all_sets())
    net = Network(populations, (Projection("in", "astrocyte", Dense()),), DT)
    times = np.random.default_rng(7).choice(int(duration), int(duration) // 700, replace=False)
    given = {"in": make_events(times, np.zeros(len(times), int))}
    record = tuple(f"astrocyte.{field}" for field in LiRinzelState._fields)
    weights = {"in->astrocyte": np.full((len(SETS), 1), 10.0)}
    traces = simulate(net, weights, given, duration=duration, backend=backend, record=record).traces
    return {key.partition(".")[2]: np.asarray(values)[:, 0] for key, values in traces.items()}


def assert_alike(duration):
    found, wanted = run("event", duration), run("brian", duration)
    for field in wanted:
        absolute = ABSOLUTE.get(field, 1e-9)
        np.testing.assert_allclose(found[field], wanted[field], rtol=1e-6, atol=absolute, err_msg=field)
    return wanted


def test_a_second_equals_that_of_brian2():
    assert np.ptp(assert_alike(1.5e3)["ip3"], axis=0).min() > 0.005


@pytest.mark.slow
def test_a_minute_equals_that_of_brian2():
    wanted = assert_alike(60e3)
    assert np.ptp(wanted["calcium"], axis=0).min() > 0.2
    assert wanted["gliotransmitter"].max() > 50.0  # it was released
