"""Convolutional forward-forward: competition of the classes' channels."""

import numpy as np
import pytest
import torch
from torch.nn.functional import softmax

from neuro.learners.forward_forward_cnn import ForwardForwardCNN
from tasks import digits

TASK = digits.load()
SMALL = ForwardForwardCNN(channels=(1, 2, 2), batch_size=20)


def activities(learner, state, batch):
    return learner._run(state, batch.inputs, learning=True)


def test_goodness_is_the_mean_square_of_the_channels_of_a_class():
    state = SMALL.init(TASK.problem, 0)
    y = torch.randn(4, 20, 3, 3)
    g_BC = SMALL._goodness(state, y)
    for c in range(10):
        torch.testing.assert_close(g_BC[:, c], y[:, 2 * c : 2 * c + 2].square().mean((1, 2, 3)))


def test_the_force_on_goodness_is_that_of_competition_between_classes():
    """dL/dy = 2 y / n (softmax(g)_c - [c is the label]) / B: the own class up, the others down, in sum zero."""
    state = SMALL.init(TASK.problem, 0)
    batch = TASK.train.batch(range(20))
    y = torch.randn(20, 20, 4, 4, requires_grad=True)
    g_BC = SMALL._goodness(state, y)
    torch.nn.functional.cross_entropy(g_BC, batch.labels).backward()
    force_BC = (softmax(g_BC.detach(), 1) - torch.eye(10)[batch.labels]) / 20
    expected = 2 * y.detach() / 32 * force_BC.repeat_interleave(2, 1)[:, :, None, None]
    torch.testing.assert_close(y.grad, expected)
    torch.testing.assert_close(force_BC.sum(1), torch.zeros(20), rtol=0, atol=1e-7)


def test_the_loss_of_a_layer_reaches_its_own_weights_alone():
    for k in range(3):
        state = SMALL.init(TASK.problem, 0)
        batch = TASK.train.batch(range(20))
        SMALL._goodness(state, activities(SMALL, state, batch)[k + 1])[:, 0].sum().backward()
        moved = {name for name, weight in state.weights.items() if weight.grad is not None}
        assert moved == set(state.layers[k])


def test_every_second_layer_keeps_the_classes_apart():
    """Changing a class's channels below changes that class's channels above, and no others."""
    state = SMALL.init(TASK.problem, 0)
    weight = state.weights["layer_2"]
    y = torch.rand(2, 10, 8, 8)
    changed = y.clone()
    changed[:, 3] += 1.0
    above = [torch.nn.functional.conv2d(a, weight, None, 1, 1, 1, 10) for a in (y, changed)]
    moved = (above[0] != above[1]).any(0).flatten(1).any(1).reshape(10, 2).any(1)
    assert moved.nonzero().flatten().tolist() == [3]
    assert weight.shape == (20, 1, 3, 3)


def test_events_are_those_of_a_hand_count():
    """One white pixel in the middle: 9 taps, each to all channels of layer 1; layer 2 reaches a class's channels."""
    learner = ForwardForwardCNN(channels=(1, 2), inference="goodness")
    problem = TASK.problem._replace(input_mean=0.0, input_std=1.0)
    state = learner.init(problem, 0)
    with torch.no_grad():
        state.weights["layer_1"].fill_(1.0)
        state.weights["shift_1"].zero_()
    image_BI = torch.zeros(1, 64)
    image_BI[0, 3 * 8 + 3] = 1.0
    learner.predict(state, image_BI)
    # Layer 1 answers in a 3 x 3 patch of all 10 channels; each active pixel sends 9 taps to 2 channels.
    assert state.counts.synaptic_events == 9 * 10 + 9 * 10 * 9 * 2


def test_running_statistics_are_those_of_the_batches():
    learner = ForwardForwardCNN(channels=(1,), momentum=1.0, batch_size=50)
    state = learner.init(TASK.problem, 0)
    batch = TASK.train.batch(np.arange(50))
    weight, bias = state.weights["layer_1"].detach().clone(), state.weights["bias_1"].detach().clone()
    learner.update(state, batch)
    image = (batch.inputs.reshape(-1, 1, 8, 8) - TASK.problem.input_mean) / TASK.problem.input_std
    y = torch.relu(torch.nn.functional.conv2d(image, weight, bias, padding=1)).transpose(0, 1).flatten(1)
    torch.testing.assert_close(state.memory["mean_1"], y.mean(1), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(state.memory["variance_1"], y.var(1), rtol=1e-4, atol=1e-6)


def test_images_that_are_too_small_are_refused():
    with pytest.raises(ValueError, match="too small"):
        ForwardForwardCNN(channels=(1,) * 8).init(TASK.problem, 0)
