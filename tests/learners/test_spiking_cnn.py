"""The convolutional spiking network against loops over samples, steps and pixels, and against autograd.

Axes: T step, B sample, C channel, Y row, X column.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d, cross_entropy, max_pool2d

from neuro.events import make_events
from neuro.learners.base import Batch, Problem, to_tensors
from neuro.learners.spiking_cnn import SpikingCNN
from neuro.learners.surrogate import spike_function

SHAPE, N_SAMPLES, STEP = (2, 7, 6), 3, 8.0
PROBLEM = Problem(math.prod(SHAPE), 4, 40, 1.0, 0.0, 1.0, SHAPE, 10**6)  # 5 steps of 8 ms
SMALL = SpikingCNN(conv=(3, 4), hidden=(9,), step=STEP, tau_m=20.0, v_th=0.3, precision="float32")
LABELS = torch.tensor([2, 0, 3])
RNG = np.random.default_rng(1)
N_EVENTS = (150, 0, 260)
EVENTS = make_events(RNG.uniform(0, 40.0, sum(N_EVENTS)), RNG.integers(0, 84, sum(N_EVENTS)), np.cumsum((0, *N_EVENTS)))
VALUES = torch.from_numpy(RNG.random((N_SAMPLES, 84)).astype(np.float32))
GIVEN = {"events": EVENTS, "constant": VALUES}


def state_of(learner, problem=PROBLEM, scale=2.0):
    """Weights large enough for all layers to fire."""
    state = learner.init(problem, 4)
    with torch.no_grad():
        for weight in state.weights.values():
            weight *= scale
    return state


def steps_of(given):
    """What enters in each step [T, B, C, Y, X]."""
    if torch.is_tensor(given):
        return given.reshape(N_SAMPLES, *SHAPE).expand(5, -1, -1, -1, -1)
    counts = torch.zeros(5, N_SAMPLES, 84)
    samples = np.repeat(np.arange(N_SAMPLES), np.diff(given.offsets))
    for t, b, unit in zip(given.times, samples, given.units, strict=True):
        counts[int(t // STEP), b, unit] += 1
    return counts.reshape(5, N_SAMPLES, *SHAPE)


def convolved(image, kernel, stride):
    """A 3 x 3 convolution of one image by a sum over taps."""
    channels, height, width = image.shape
    sides = [(side - 1) // stride + 1 for side in (height, width)]
    out, n_taps = np.zeros((len(kernel), *sides)), 0
    for j, y, x in np.ndindex(*out.shape):
        for c, dy, dx in np.ndindex(channels, 3, 3):
            row, column = stride * y + dy - 1, stride * x + dx - 1
            if 0 <= row < height and 0 <= column < width:
                out[j, y, x] += kernel[j, c, dy, dx] * image[c, row, column]
                n_taps += image[c, row, column] != 0
    return out, n_taps


def largest(image):
    """The maximum over squares of 2 x 2 pixels."""
    halves = [side // 2 for side in image.shape[1:]]
    return np.array(
        [
            [[c[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].max() for x in range(halves[1])] for y in range(halves[0])]
            for c in image
        ]
    )


def slow(learner, state, given):
    """Scores, spikes and synaptic events by loops in float64."""
    weights = [weight.detach().double().numpy() for weight in state.weights.values()]
    decay, stride = np.exp(-STEP / learner.tau_m), 2 if learner.down == "stride" else 1
    scores, n_spikes, n_events = np.zeros((N_SAMPLES, 4)), 0, 0
    for b in range(N_SAMPLES):
        u = [0.0] * (len(weights) - 1)
        for t, steps in enumerate(steps_of(given).numpy()):
            x = steps[b].astype(float)
            for k, weight in enumerate(weights):
                if weight.ndim == 4:
                    driven, n_taps = convolved(x, weight, stride)
                else:
                    driven, n_taps = weight @ x.ravel(), len(weight) * np.count_nonzero(x)
                n_events += n_taps if k or t == 0 or not torch.is_tensor(given) else 0  # a constant multiplies once
                if k == len(weights) - 1:
                    scores[b] += driven
                    break
                v = decay * u[k] + driven
                x = (v >= learner.v_th).astype(float)
                u[k], n_spikes = v * (1 - x), n_spikes + int(x.sum())
                x = largest(x) if weight.ndim == 4 and stride == 1 else x
    return scores, n_spikes, n_events


@pytest.mark.parametrize("kind", GIVEN)
@pytest.mark.parametrize("down", ["stride", "pool"])
def test_scores_and_counts_equal_loops(down, kind):
    learner = replace(SMALL, down=down)
    state = state_of(learner)
    found = learner.predict(state, GIVEN[kind])
    scores, n_spikes, n_events = slow(learner, state, GIVEN[kind])
    np.testing.assert_allclose(found, scores, rtol=1e-4, atol=1e-5)  # float32
    assert (state.counts.spikes, state.counts.synaptic_events) == (n_spikes, n_events)
    assert n_spikes > 200 and abs(scores).max() > 0.5


def by_autograd(learner, state, given):
    """The loss of a plain program, step by step."""
    decay, spike = np.exp(-STEP / learner.tau_m), spike_function(learner.surrogate, learner.slope)
    *hidden, readout = state.weights.values()
    v, scores = [torch.zeros(())] * len(hidden), torch.zeros(())
    for x in steps_of(given):
        for k, weight in enumerate(hidden):
            stride = 2 if learner.down == "stride" else 1
            driven = conv2d(x, weight, None, stride, 1) if weight.ndim == 4 else x.flatten(1) @ weight.T
            potential = decay * v[k] + driven
            x = spike(potential - learner.v_th)
            v[k] = torch.where(x > 0.5, 0.0, potential)
            x = max_pool2d(x, 2) if weight.ndim == 4 and stride == 1 else x
        scores = scores + x @ readout.T
    return cross_entropy(scores, LABELS)


@pytest.mark.parametrize("kind", GIVEN)
@pytest.mark.parametrize("down", ["stride", "pool"])
def test_gradients_equal_autograd(down, kind):
    learner = replace(SMALL, down=down)
    state = state_of(learner)
    loss = by_autograd(learner, state, GIVEN[kind])
    expected = torch.autograd.grad(loss, list(state.weights.values()))
    found = learner.update(state, Batch(GIVEN[kind], LABELS))["loss"]
    assert found == pytest.approx(loss.item(), rel=1e-5)
    for weight, gradient in zip(state.weights.values(), expected, strict=True):
        torch.testing.assert_close(weight.grad, gradient, rtol=1e-3, atol=1e-5 * gradient.abs().max().item())
        assert gradient.abs().max() > 1e-5


def test_bfloat16_learns_along_nearly_the_same_gradient():
    """Its 8 bits turn single spikes over, so not the same."""
    for kind in GIVEN:
        directions = []
        for precision in ("float32", "bfloat16"):
            learner = replace(SMALL, precision=precision)
            state = state_of(learner)
            learner.update(state, Batch(GIVEN[kind], LABELS))
            directions.append(torch.cat([weight.grad.flatten() for weight in state.weights.values()]))
        assert torch.cosine_similarity(*directions, dim=0) > 0.95


def test_a_constant_input_is_the_same_event_in_every_step():
    learner, is_on_BI = SMALL, VALUES > 0.5
    samples, units = is_on_BI.nonzero(as_tuple=True)
    times = np.tile(STEP * np.arange(5) + 3.0, len(units))
    counts = 5 * is_on_BI.sum(1).numpy()
    events = make_events(times, np.repeat(units.numpy(), 5), np.concatenate(([0], np.cumsum(counts))))
    state = state_of(learner)
    torch.testing.assert_close(learner.predict(state, events), learner.predict(state, is_on_BI.float()))


def test_within_a_step_times_do_not_matter_and_across_steps_they_do():
    state = state_of(SMALL)
    step_E = np.floor(EVENTS.times / STEP)
    within = EVENTS._replace(times=STEP * step_E + 0.5)
    later = EVENTS._replace(times=np.where(step_E < 4, EVENTS.times + STEP, EVENTS.times))
    scores = SMALL.predict(state, EVENTS)
    assert torch.equal(SMALL.predict(state, within), scores)
    assert not torch.allclose(SMALL.predict(state, later), scores)
    fine = replace(SMALL, step=0.0)
    assert fine.steps(PROBLEM) == (10, 4.0) and SMALL.steps(PROBLEM._replace(n_steps=41)) == (6, 8.0)


def test_without_events_nothing_happens():
    state = state_of(SMALL)
    empty = make_events(np.zeros(0), np.zeros(0, np.int32), np.zeros(3, np.int64))
    assert (SMALL.predict(state, empty) == 0).all() and state.counts.spikes == state.counts.synaptic_events == 0


def test_same_seed_same_bits_on_events():
    learner = replace(SMALL, precision="bfloat16")
    states = [learner.init(PROBLEM, seed) for seed in (1, 1, 2)]
    for state in states:
        for _ in range(3):
            learner.update(state, Batch(EVENTS, LABELS))
    first, second, other = (to_tensors(state) for state in states)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_samples_that_are_no_images_are_refused():
    with pytest.raises(ValueError, match="convolutions need images"):
        SMALL.init(PROBLEM._replace(shape=(84,)), 0)
