"""Gradients cut off in time: against slow programs, against BPTT where they must agree, and their memory.

Axes: T step, B sample, I input, J hidden neuron, C class.
"""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from neuro.audit_measures import warmed_up
from neuro.audit_probes import peak_kept
from neuro.events import from_raster, make_events, raster
from neuro.learners.base import Batch, Problem
from neuro.learners.bptt import BPTT
from neuro.learners.spiking_input import in_windows
from neuro.learners.spiking_network import Windows
from neuro.learners.surrogate import SURROGATES, spike_function
from neuro.learners.truncated_time import OTTT, SLTT, TruncatedBPTT, gradients

N_INPUTS, N_STEPS, N_SAMPLES = 7, 12, 5
PROBLEM = Problem(N_INPUTS, 3, N_STEPS, 2.0, 0.0, 1.0, (N_INPUTS,), 10**6)
SMALL = SLTT(hidden=(9, 8), tau_m=8.0, v_th=0.6)
RNG = np.random.default_rng(0)
EVENTS = from_raster((RNG.random((N_STEPS, N_SAMPLES, N_INPUTS)) < 0.4).astype(np.float32), PROBLEM.dt)
VALUES = torch.from_numpy(RNG.random((N_SAMPLES, N_INPUTS)))
LABELS = torch.tensor([0, 1, 2, 0, 1])
GIVEN = {"events": EVENTS, "constant": VALUES}


def bptt_of(learner):
    return BPTT(**{field.name: getattr(learner, field.name) for field in fields(BPTT)})


def state_of(learner, problem=PROBLEM, dtype=torch.float64):
    state = learner.init(problem, 3)
    state.weights = {name: (3 * weight).detach().to(dtype).requires_grad_() for name, weight in state.weights.items()}
    return state


def steps_of(given, n_steps=N_STEPS):
    if torch.is_tensor(given):
        return given.expand(n_steps, -1, -1)
    return torch.from_numpy(raster(given, N_INPUTS, n_steps, PROBLEM.dt)[0]).double()


def by_autograd(state, given, length, of_mean=False):
    """Gradients of a plain program whose potentials are cut from the graph every `length` steps."""
    decay, spike = np.exp(-PROBLEM.dt / SMALL.tau_m), spike_function(SMALL.surrogate, SMALL.slope)
    *hidden, readout = state.weights.values()
    v, o, outputs = [torch.zeros(())] * len(hidden), torch.zeros(()), []
    n_steps = state.problem.n_steps
    for t, below in enumerate(steps_of(given, n_steps)):
        for k, weight in enumerate(hidden):
            potential = decay * v[k] + below @ weight.T
            below = spike(potential - SMALL.v_th)
            v[k] = torch.where(below > 0.5, 0.0, potential)
        o = decay * o + below @ readout.T
        outputs.append(o)
        if (t + 1) % length == 0:
            v, o = [potential.detach() for potential in v], o.detach()
    windows = torch.stack(outputs).split(n_steps if of_mean else length)
    loss = sum(cross_entropy(o_TBC.mean(0), LABELS) * len(o_TBC) / n_steps for o_TBC in windows)
    return torch.autograd.grad(loss, list(state.weights.values())), loss.item()


def close(found, expected):
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-13)  # float64, other orders of sums
        assert b.abs().max() > 1e-6


@pytest.mark.parametrize("kind", GIVEN)
@pytest.mark.parametrize("length", [1, 5, 12, 30])
def test_windows_equal_autograd_through_a_program_cut_into_windows(kind, length):
    """5 does not divide the 12 steps; 12 and 30 are BPTT."""
    state = state_of(SMALL)
    found = gradients(SMALL, state, GIVEN[kind], LABELS, Windows(length))
    expected, loss = by_autograd(state, GIVEN[kind], length)
    close(found.gradients, expected)
    assert found.loss.item() == pytest.approx(loss, rel=1e-12)


@pytest.mark.parametrize("kind", GIVEN)
def test_sltt_of_the_mean_equals_autograd_through_a_program_cut_in_time(kind):
    state = state_of(SMALL)
    found = gradients(SMALL, state, GIVEN[kind], LABELS, replace(SMALL, error="mean").windows(state))
    expected, loss = by_autograd(state, GIVEN[kind], 1, of_mean=True)
    close(found.gradients, expected)
    assert found.loss.item() == pytest.approx(loss, rel=1e-12)


def test_one_window_of_the_mean_is_bptt():
    state = state_of(SMALL)
    of_mean = gradients(SMALL, state, EVENTS, LABELS, Windows(N_STEPS, of_mean=True))
    whole = gradients(SMALL, state, EVENTS, LABELS, Windows(N_STEPS))
    assert of_mean.loss.item() == pytest.approx(whole.loss.item(), rel=1e-12)
    close(of_mean.gradients, whole.gradients)


def slow(state, given, traced):
    """dW by loops over samples and steps: that step's errors, times the inputs of the step or their traces."""
    decay, derivative = np.exp(-PROBLEM.dt / SMALL.tau_m), SURROGATES[SMALL.surrogate].derivative
    weights = [weight.detach() for weight in state.weights.values()]
    found = [torch.zeros_like(weight) for weight in weights]
    for b, label in enumerate(LABELS.tolist()):
        u, traces = [torch.zeros(len(w)).double() for w in weights], [torch.zeros(w.shape[1]).double() for w in weights]
        for x in steps_of(given)[:, b]:
            slopes = []
            for k, weight in enumerate(weights):
                has_trace = traced and not (k == 0 and torch.is_tensor(given))
                traces[k] = (decay * traces[k] if has_trace else 0.0) + x
                v = decay * u[k] + weight @ x
                x = (v >= SMALL.v_th).double()
                u[k] = v * (1 - x) if k < len(weights) - 1 else v
                slopes.append(derivative(v - SMALL.v_th, SMALL.slope))
            error = (v.softmax(0) - torch.eye(3)[label]) / (N_STEPS * N_SAMPLES)
            for k in range(len(weights) - 1, -1, -1):
                error = error if k == len(weights) - 1 else (weights[k + 1].T @ error) * slopes[k]
                found[k] += torch.outer(error, traces[k])
    return found


@pytest.mark.parametrize("kind", GIVEN)
@pytest.mark.parametrize("traced", [False, True])
def test_sltt_and_ottt_equal_loops_over_samples_and_steps(kind, traced):
    state = state_of(SMALL)
    close(
        gradients(SMALL, state, GIVEN[kind], LABELS, Windows(traced=traced)).gradients, slow(state, GIVEN[kind], traced)
    )


def after_an_update(learner, given, problem=PROBLEM):
    state = learner.init(problem, 3)
    loss = learner.update(state, Batch(given, LABELS))["loss"]
    return loss, torch.cat([(weight.grad / weight.grad.norm()).flatten() for weight in state.weights.values()])


def same_update(one, other, given, problem=PROBLEM):
    """In float32, as they learn."""
    losses, grads = zip(*(after_an_update(learner, given, problem) for learner in (one, other)), strict=True)
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", GIVEN)
@pytest.mark.parametrize("hidden", [(40,), (40, 30)])
def test_a_window_of_all_steps_is_bptt(kind, hidden):
    given = GIVEN[kind] if kind == "events" else VALUES.float()
    learner = TruncatedBPTT(hidden=hidden, v_th=0.2, window=N_STEPS)
    same_update(learner, bptt_of(learner), given)
    _, whole = after_an_update(learner, given)
    _, cut = after_an_update(replace(learner, window=2), given)
    assert (whole - cut).norm() > 0.05


@pytest.mark.parametrize("learner", [SLTT(), SLTT(learned_steps=1), OTTT(), TruncatedBPTT()])
def test_in_one_step_all_are_bptt(learner):
    learner = replace(learner, v_th=0.2)  # one step is enough for a spike
    same_update(learner, bptt_of(learner), EVENTS, PROBLEM._replace(n_steps=1))


def test_k_of_all_steps_is_sltt_and_fewer_are_a_part_of_it():
    state = state_of(SMALL)
    every = gradients(SMALL, state, EVENTS, LABELS, Windows())
    drawn = [replace(SMALL, learned_steps=k).windows(state).learned for k in (N_STEPS, 5)]
    assert drawn[0] == set(range(N_STEPS)) and len(drawn[1]) == 5 and drawn[1] < drawn[0]
    close(gradients(SMALL, state, EVENTS, LABELS, Windows(learned=drawn[0])).gradients, every.gradients)
    one_each = [gradients(SMALL, state, EVENTS, LABELS, Windows(learned=frozenset({t}))) for t in range(N_STEPS)]
    close([sum(parts) for parts in zip(*(one.gradients for one in one_each), strict=True)], every.gradients)
    assert all(one.loss == every.loss for one in one_each)  # the network runs through all steps


def test_more_learned_steps_than_there_are_are_refused():
    learner = replace(SMALL, learned_steps=13)
    with pytest.raises(ValueError, match="learned_steps = 13, and a sample has 12; give at most as many"):
        learner.update(learner.init(PROBLEM, 0), Batch(EVENTS, LABELS))


def test_ottt_is_exact_for_the_readout():
    """Without a threshold the past acts through the leak alone, so traces carry the whole gradient of the losses."""
    state = state_of(SMALL)
    online = gradients(SMALL, state, EVENTS, LABELS, Windows(traced=True)).gradients[-1]
    decay, (*_, readout) = np.exp(-PROBLEM.dt / SMALL.tau_m), state.weights.values()
    spikes_TBI, o, loss = [], 0.0, 0.0
    v = [torch.zeros(()), torch.zeros(())]
    for below in steps_of(EVENTS):
        for k, weight in enumerate(list(state.weights.values())[:-1]):
            potential = decay * v[k] + below @ weight.detach().T
            below = (potential >= SMALL.v_th).double()
            v[k] = potential * (1 - below)
        spikes_TBI.append(below)
    for below in spikes_TBI:
        o = decay * o + below @ readout.T
        loss = loss + cross_entropy(o, LABELS) / N_STEPS
    close([online], torch.autograd.grad(loss, readout))


def test_windows_of_events_are_slices_of_their_raster():
    """Two events in a step count once, and those behind the last step are dropped, as in the raster."""
    times = np.concatenate([EVENTS.times[:40], [0.0, 0.1, 23.9, 24.0, 99.0]])
    units = np.concatenate([EVENTS.units[:40], [2, 2, 6, 1, 1]])
    events = make_events(times, units.astype(np.int32), np.array([0, 20, 20, 45]))
    window, whole_TBI = in_windows(events, PROBLEM, VALUES), raster(events, N_INPUTS, N_STEPS, PROBLEM.dt)[0]
    for first, stop in ((0, 1), (3, 7), (11, 12), (0, 12)):
        np.testing.assert_array_equal(window(first, stop).numpy(), whole_TBI[first:stop])
    assert whole_TBI[11, 2, 6] == 1.0 and window(0, 1).dtype == VALUES.dtype


@pytest.mark.parametrize("kind", GIVEN)
@pytest.mark.parametrize(
    "learner", [SLTT(), SLTT(error="mean"), SLTT(learned_steps=3), OTTT(), OTTT(error="mean"), TruncatedBPTT(window=6)]
)
def test_memory_does_not_grow_with_steps_as_that_of_bptt_does(learner, kind):
    learner = replace(learner, hidden=(40,))
    batch = Batch(GIVEN[kind] if kind == "events" else VALUES.float(), LABELS)
    peaks = {
        (one, n_steps): peak_kept(warmed_up(one, PROBLEM._replace(n_steps=n_steps), batch, 0).subject)
        for one in (learner, bptt_of(learner))
        for n_steps in (12, 120)
    }
    assert peaks[learner, 120] <= 1.02 * peaks[learner, 12]
    assert peaks[bptt_of(learner), 120] > 3 * peaks[bptt_of(learner), 12]
