"""Feedback alignment: backpropagation as its special case, alignment in learning, feedback that stays as it is."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from neuro.learners.feedback_alignment import DirectFeedbackAlignment, FeedbackAlignment, forward_network, gradients
from tasks import digits
from tasks.base import Batch, stream

TASK = digits.load()
NETWORKS = [
    {"hidden": (20, 15), "activation": "tanh"},
    {"hidden": (20, 15)},
    {"conv": (4, 6), "hidden": (15,), "activation": "elu"},
    {"conv": (4, 6), "hidden": (), "stride": 2, "pool": 1},
]


def batch(n=32):
    return Batch(torch.from_numpy(TASK.train.inputs[:n]), torch.from_numpy(TASK.train.labels[:n]))


def true_gradients(learner, state, n=32):
    """Autograd's gradient of the same network's loss."""
    network = forward_network(learner)
    loss = cross_entropy(network._run(state, batch(n).inputs)[-1], batch(n).labels)
    return dict(zip(state.weights, torch.autograd.grad(loss, list(state.weights.values())), strict=True))


def angle(a, b):
    """Degrees between two tensors."""
    return math.degrees(math.acos(float((a * b).sum() / (a.norm() * b.norm()))))


@pytest.mark.parametrize("network", NETWORKS)
def test_with_the_transposed_weights_it_is_backpropagation(network):
    """Tolerance: float32 sums of up to 2,000 terms in another order."""
    learner = FeedbackAlignment(**network)
    state = learner.init(TASK.problem, 0)
    for name in state.memory.keys() - {"seen"}:
        state.memory[name] = state.weights[name.removeprefix("feedback_")].detach().clone()
    found, _ = gradients(learner, state, batch())
    for name, gradient in true_gradients(learner, state).items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("network", [{"hidden": (20,)}, {"conv": (4,), "hidden": ()}])
def test_direct_feedback_of_the_readout_is_backpropagation_below_it(network):
    learner = DirectFeedbackAlignment(**network)
    state = learner.init(TASK.problem, 0)
    state.memory["feedback_layer_2"] = state.weights["layer_2"].detach().clone()
    found, _ = gradients(learner, state, batch())
    for name, gradient in true_gradients(learner, state).items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 8, 8), (4, 4, 4)])
@pytest.mark.parametrize("cls", [FeedbackAlignment, DirectFeedbackAlignment])
def test_the_first_step_of_adam_has_the_rate_as_its_size_and_leads_down_the_gradient(cls, shape):
    """m / sqrt(v) is the gradient's sign, whatever the order in which kernels and their gradients lie in memory."""
    learner = cls(conv=(6, 5), hidden=())
    state = learner.init(TASK.problem._replace(shape=shape), 0)
    before = {name: weight.detach().clone() for name, weight in state.weights.items()}
    found, _ = gradients(learner, state, batch())
    learner.update(state, batch())
    for name, gradient in found.items():
        is_clear = gradient.abs() > 1e-4  # Adam adds 1e-8 to sqrt(v)
        step = (state.weights[name].detach() - before[name])[is_clear]
        torch.testing.assert_close(step, -learner.lr * gradient[is_clear].sign(), rtol=1e-2, atol=0)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("cls", [FeedbackAlignment, DirectFeedbackAlignment])
def test_learning_turns_the_update_towards_the_gradient(cls, activation):
    """Random directions lie at 90 degrees, those before learning at 88 to 102 in three seeds of each case; after
    12,000 samples all lay at 62 to 85."""
    learner = cls(hidden=(60, 60), activation=activation)
    state = learner.init(TASK.problem._replace(samples=40_000), 0)
    fixed = {name: value.clone() for name, value in state.memory.items()}
    angles = []
    for samples in (0, 12_000):
        for _, drawn in stream(TASK.train, samples, learner.batch_size, 0):
            learner.update(state, drawn)
        (found, _), truth = gradients(learner, state, batch(1000)), true_gradients(learner, state, 1000)
        angles.append([angle(found[name], truth[name]) for name in ("layer_1", "layer_2")])
    assert min(angles[0]) > 80.0 and max(angles[1]) < 87.0
    assert all(torch.equal(fixed[name], state.memory[name]) for name in fixed if name != "seen")


def test_the_readout_always_follows_its_true_gradient():
    for cls in (FeedbackAlignment, DirectFeedbackAlignment):
        learner = cls(hidden=(20, 15))
        state = learner.init(TASK.problem, 0)
        found, truth = gradients(learner, state, batch())[0], true_gradients(learner, state)
        for name in ("layer_3", "bias_3"):
            torch.testing.assert_close(found[name], truth[name], rtol=1e-4, atol=1e-6)
