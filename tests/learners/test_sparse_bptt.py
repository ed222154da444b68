"""The sparse gradient is the dense one: against autograd through the reference backend."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from neuro.events import from_raster, make_events
from neuro.learners import sparse_bptt_kernels as kernels
from neuro.learners.base import Batch, Problem, to_tensors
from neuro.learners.eventprop import EventProp
from neuro.learners.sparse_bptt import SparseBPTT
from neuro.learners.surrogate import SURROGATES

PROBLEM = Problem(20, 4, 37, 1.0, 0.0, 1.0, (20,), 10_000)
SAMPLES = 21  # parts and groups of unequal size


def learner(**settings):
    return SparseBPTT(**{"hidden": (17, 13), "tau_m": 10.0, "surrogate": "triangle", "slope": 1.0} | settings)


def weights_on_a_grid(model, dtype):
    """Multiples of 2^-10, whose sums are exact in float32, so that no order of a sum moves a spike."""
    rng = torch.Generator().manual_seed(1)
    shapes = {name: weight.shape for name, weight in model.init(PROBLEM, 0).weights.items()}
    drawn = {name: torch.randint(-300, 400, shape, generator=rng) for name, shape in shapes.items()}
    return {name: (values / 1024).to(dtype).requires_grad_() for name, values in drawn.items()}


def data(kind, dtype=torch.float32):
    rng = np.random.default_rng(3)
    labels_B = torch.from_numpy(rng.integers(0, 4, SAMPLES))
    if kind == "events":
        return from_raster(rng.random((PROBLEM.n_steps, SAMPLES, 20)) < 0.1, 1.0), labels_B
    return torch.from_numpy(rng.integers(0, 300, (SAMPLES, 20)) / 512).to(dtype), labels_B


def dense(model, weights, inputs, labels_B):
    """Loss, gradients, scores and counts of the dense learner under autograd."""
    state = model.init(PROBLEM, 0)
    state.weights = weights
    scores_BC, record = model._run(state, inputs, np.random.default_rng(0))
    loss = cross_entropy(scores_BC, labels_B)
    return loss.item(), torch.autograd.grad(loss, list(weights.values())), scores_BC.detach(), record.counts


@pytest.mark.parametrize("kind", ["events", "direct"])
@pytest.mark.parametrize("surrogate", SURROGATES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_gradient_is_that_of_dense_bptt(kind, surrogate, dtype, tolerance):
    """Nothing is pruned: only the order of sums differs. Tolerance: relative to the largest entry."""
    model = learner(surrogate=surrogate)
    weights, (inputs, labels_B) = weights_on_a_grid(model, dtype), data(kind, dtype)
    loss, wanted, _, _ = dense(model, weights, inputs, labels_B)
    found, measured = model.gradients(PROBLEM, weights, inputs, labels_B)
    assert measured["loss"] == pytest.approx(loss, rel=1e-6)
    for gradient, other in zip(found.values(), wanted, strict=True):
        largest = other.abs().max().item()
        assert largest > 1e-4, "the test must see gradients"
        torch.testing.assert_close(gradient, other, rtol=0, atol=tolerance * largest)


@pytest.mark.parametrize("hidden", [(17,), (9, 8, 7)])
def test_any_number_of_layers(hidden):
    model = learner(hidden=hidden)
    weights, (inputs, labels_B) = weights_on_a_grid(model, torch.float64), data("events")
    _, wanted, _, _ = dense(model, weights, inputs, labels_B)
    found, _ = model.gradients(PROBLEM, weights, inputs, labels_B)
    for gradient, other in zip(found.values(), wanted, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", ["events", "direct"])
def test_scores_and_counts_are_those_of_the_dense_network(kind):
    model = learner()
    weights, (inputs, labels_B) = weights_on_a_grid(model, torch.float64), data(kind, torch.float64)
    _, _, scores_BC, counts = dense(model, weights, inputs, labels_B)
    state = model.init(PROBLEM, 0)
    state.weights = weights
    torch.testing.assert_close(model.predict(state, inputs), scores_BC, rtol=1e-12, atol=1e-12)
    assert state.counts.spikes == counts.spikes > 100
    assert state.counts.synaptic_events == counts.synaptic_events


@pytest.mark.parametrize("surrogate", SURROGATES)
def test_compiled_derivatives_are_those_of_the_registry(surrogate):
    v_J = np.linspace(-2.0, 4.0, 1001)
    psi_J = np.empty_like(v_J)
    kernels.derivatives(psi_J, v_J, kernels.cell(np.float64, 0.5, 1.0, surrogate, 2.5, 0.0))
    wanted = SURROGATES[surrogate].derivative(torch.from_numpy(v_J) - 1.0, 2.5)
    np.testing.assert_allclose(psi_J, wanted.numpy(), rtol=1e-12, atol=1e-15)


def test_pruning_leaves_out_what_is_small_and_no_more():
    """A fast sigmoid of slope 1 is above 1/4 where |v - v_th| < 1. The readout's gradient needs no derivative."""
    whole, pruned = learner(surrogate="fast_sigmoid"), learner(surrogate="fast_sigmoid", prune=0.25)
    weights, (inputs, labels_B) = weights_on_a_grid(whole, torch.float64), data("events")
    (all_, all_measured), (some, measured) = (m.gradients(PROBLEM, weights, inputs, labels_B) for m in (whole, pruned))
    assert all_measured["active"] == 1.0 and 0.2 < measured["active"] < 0.9
    inside = learner().gradients(PROBLEM, weights, inputs, labels_B)[1]["active"]  # a triangle: |v - v_th| < 1
    assert measured["active"] == pytest.approx(inside, abs=1e-12)
    assert torch.equal(all_["hidden1->readout"], some["hidden1->readout"])
    difference = (all_["input->hidden0"] - some["input->hidden0"]).norm() / all_["input->hidden0"].norm()
    assert 0.01 < difference < 0.6


def test_a_unit_fires_once_a_step_and_late_events_are_dropped():
    """As in `raster`: two events of a unit in a step are one spike, and what lies behind the last step is none."""
    plain = make_events(np.array([0.2, 3.0, 3.0]), np.array([1, 0, 2]))
    same = make_events(np.array([0.2, 0.9, 3.0, 3.5, 3.0, 37.0]), np.array([1, 1, 0, 0, 2, 5]))
    model = learner(v_th=0.1)
    weights, labels_B = weights_on_a_grid(model, torch.float64), torch.tensor([2])
    one, other = (model.gradients(PROBLEM, weights, events, labels_B)[0] for events in (plain, same))
    assert all(map(torch.equal, one.values(), other.values())) and one["input->hidden0"].abs().max() > 0


@pytest.mark.parametrize("model", [learner(), EventProp(hidden=(5,))])
def test_events_of_units_that_do_not_exist_are_refused(model):
    events = make_events(np.array([1.0, 2.0]), np.array([3, 20]))
    with pytest.raises(ValueError, match="unit 20 does not exist among 20 units"):
        model.update(model.init(PROBLEM, 0), Batch(events, torch.tensor([1])))


def test_the_same_bits_on_any_number_of_threads():
    model, (inputs, labels_B) = learner(), data("events")
    states, n_threads = [], torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            states.append(model.init(PROBLEM, 0))
            for _ in range(3):
                model.update(states[-1], Batch(inputs, labels_B))
    finally:
        torch.set_num_threads(n_threads)
    one, other = map(to_tensors, states)
    assert all(torch.equal(one[name], other[name]) for name in one)
