"""What holds for every named set of every model, from the registry: backends agree, types and gradients are sound."""

import numpy as np
import pytest
import torch

from neuro import Dense, Network, Population, Projection, Source, make_events, simulate
from neuro.backends import torch_dense
from neuro.backends.job import make_job
from neuro.learners.surrogate import spike_function
from neuro.neurons import NEURONS, SETS

NAMED = [(key, name) for key, named in SETS.items() for name in named]
# Enough to move v by some mV, and some cells to fire; glutamate for astrocytes.
STRENGTH = {"pA": 200.0, "mV": 2.0, "nS": 5.0, "uM": 5.0, "1": 2.0}


def network(key, name, dtype):
    """Two sources, one at the first receptor and one at the last; weights, and spikes of both."""
    model = SETS[key][name]
    net = Network(
        (Population("a", 4, Source()), Population("b", 2, Source()), Population("cells", 3, model)),
        (
            Projection("a", "cells", Dense(), receptor=model.receptors[0]),
            Projection("b", "cells", Dense(), delay=0.5, receptor=model.receptors[-1]),
        ),
        0.05,
    )
    rng, strength = np.random.default_rng(3), STRENGTH[model.arrival_unit]
    weights = {
        "a->cells": rng.uniform(0.2, 1.0, (3, 4)) * strength,
        "b->cells": rng.uniform(0.0, 0.2, (3, 2)) * strength,
    }
    weights = {projection: torch.as_tensor(w, dtype=dtype) for projection, w in weights.items()}
    spikes = {
        source: make_events(rng.uniform(0.0, 30.0, 20 * n), rng.integers(0, n, 20 * n))
        for source, n in (("a", 4), ("b", 2))
    }
    return net, weights, spikes


def traces(key, name, backend, dtype=torch.float64):
    net, weights, spikes = network(key, name, dtype)
    if backend != "torch_dense":
        weights = {projection: w.numpy() for projection, w in weights.items()}
    fields = [*NEURONS[key].State._fields, *([] if NEURONS[key].graded else ["output"])]
    if backend == "brian" and "refrac" in fields:
        fields.remove("refrac")  # brian2 keeps the time of the last spike instead
    fields = tuple(f"cells.{field}" for field in fields)
    return simulate(net, weights, spikes, duration=30.0, backend=backend, record=fields).traces


def assert_alike(found, wanted):
    """Spikes are equal. The rest is so to rounding, which the upstroke of a spike multiplies by up to 1e6."""
    for field in found:
        tolerance = (0.0, 0.0) if field == "cells.output" else (1e-8, 1e-6)
        given, reference = np.asarray(found[field]), np.asarray(wanted[field])
        np.testing.assert_allclose(given, reference, *tolerance, err_msg=field)


@pytest.mark.parametrize(("key", "name"), NAMED)
def test_event_is_torch_dense(key, name):
    wanted = traces(key, name, "torch_dense")
    watched = ["cells.v"] if "cells.v" in wanted else list(wanted)
    assert max(float(wanted[field].std()) for field in watched) > 0.01  # something happens
    assert_alike(traces(key, name, "event"), wanted)


@pytest.mark.parametrize("key", NEURONS)
def test_brian_is_torch_dense(key):
    name = next(iter(SETS[key]))
    assert_alike(traces(key, name, "brian"), traces(key, name, "torch_dense"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("key", "name"), NAMED)
def test_every_field_has_the_type_of_the_weights(key, name, dtype):
    for field, values in traces(key, name, "torch_dense", dtype).items():
        assert values.dtype == dtype, field


@pytest.mark.parametrize("key", NEURONS)
def test_a_gradient_reaches_the_weights(key):
    """With a surrogate, from the output to every weight of both receptors, and finite."""
    net, weights, spikes = network(key, next(iter(SETS[key])), torch.float64)
    weights = {projection: w.requires_grad_() for projection, w in weights.items()}
    fields = "cells.output", f"cells.{NEURONS[key].State._fields[0]}"  # of nearly all: v
    record = torch_dense.run(
        make_job(net, weights, spikes, 30.0, record=fields), surrogate=spike_function("fast_sigmoid", 1.0)
    )
    (record.traces[fields[0]] + record.traces[fields[1]]).sum().backward()
    for w in weights.values():
        assert bool(w.grad.isfinite().all()) and bool((w.grad != 0).all())


def test_what_adds_to_a_field_is_seen_by_nothing_else_in_the_same_step():
    """ADDS_TO: a step with arrivals is the step without them, and then the arrivals added, up to one rounding."""
    rng = np.random.default_rng(0)
    models = {key: next(iter(named.values())) for key, named in SETS.items()}
    declared = {key: model for key, model in models.items() if hasattr(model, "ADDS_TO")}
    assert set(declared) >= {"lif", "lif_exc_inh", "lif_conductance", "alif", "adex"}
    for model in declared.values():
        assert set(model.ADDS_TO) == set(model.receptors)
        c, start = model.coefficients(0.1), model.initial()
        for _ in range(200):
            state = type(start)(*(value + rng.uniform(0.0, 10.0) for value in start))
            x = dict(zip(model.receptors, rng.uniform(0.0, 5.0, len(model.receptors)), strict=True))
            several = len(x) > 1
            given, none = (model.Arrivals(**x), model.Arrivals(*[0.0] * len(x))) if several else (x["input"], 0.0)
            (spike, found), (wanted_spike, wanted) = model.step(state, given, c), model.step(state, none, c)
            for receptor, field in model.ADDS_TO.items():
                wanted = wanted._replace(**{field: getattr(wanted, field) + x[receptor]})
            assert spike == wanted_spike
            np.testing.assert_allclose(found, wanted, rtol=1e-15)
