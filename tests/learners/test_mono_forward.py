"""Mono-forward: gradients against closed forms, and what a layer's update depends on."""

import dataclasses

import torch

from neuro.learners.base import Batch
from neuro.learners.mono_forward import MonoForward
from tasks import digits

TASK = digits.load()
LEARNER = MonoForward(hidden=(20, 15, 12))


def batch(n=32):
    return Batch(torch.from_numpy(TASK.train.inputs[:n]), torch.from_numpy(TASK.train.labels[:n]))


def updated(learner, scaled=()):
    """The state after one update, and the weights before; the named weights are tripled first."""
    state = learner.init(TASK.problem, 0)
    with torch.no_grad():
        for name in scaled:
            state.weights[name].mul_(3.0)
    before = {name: weight.detach().clone() for name, weight in state.weights.items()}
    learner.update(state, batch())
    return state, before


def test_the_gradient_of_a_layer_is_that_of_its_own_softmax():
    """dG = softmax(G) - label;  dM = dG^T a,  dW = (dG M * [a > 0])^T a_below, in float32."""
    state, before = updated(LEARNER)
    below = (batch().inputs - TASK.problem.input_mean) / TASK.problem.input_std
    for k in (1, 2, 3):
        a = torch.relu(below @ before[f"layer_{k}"].T + before[f"bias_{k}"])
        error = (a @ before[f"projection_{k}"].T).softmax(1) - torch.eye(10)[batch().labels]
        delta = error @ before[f"projection_{k}"] * (a > 0) / len(a)
        torch.testing.assert_close(state.weights[f"projection_{k}"].grad, error.T @ a / len(a), rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(state.weights[f"layer_{k}"].grad, delta.T @ below, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(state.weights[f"bias_{k}"].grad, delta.sum(0), rtol=1e-4, atol=1e-6)
        below = a


def test_no_layer_feels_what_lies_above_it():
    above = ["layer_2", "bias_2", "projection_2", "layer_3", "projection_3"]
    state, _ = updated(LEARNER)
    other, _ = updated(LEARNER, scaled=above)
    for name in ("layer_1", "bias_1", "projection_1"):
        assert torch.equal(state.weights[name], other.weights[name])
    assert not torch.equal(state.weights["layer_2"].grad, other.weights["layer_2"].grad)


def test_the_sum_of_scores_and_the_last_ones_answer():
    state = LEARNER.init(TASK.problem, 0)
    a, scores = (batch().inputs - TASK.problem.input_mean) / TASK.problem.input_std, []
    for k in (1, 2, 3):
        a = torch.relu(a @ state.weights[f"layer_{k}"].T + state.weights[f"bias_{k}"])
        scores.append((a @ state.weights[f"projection_{k}"].T).detach())
    last = dataclasses.replace(LEARNER, prediction="last")
    torch.testing.assert_close(LEARNER.predict(state, batch().inputs), sum(scores))
    torch.testing.assert_close(last.predict(state, batch().inputs), scores[-1])


def test_projections_that_do_not_answer_stand_in_no_layer():
    layers = dataclasses.replace(LEARNER, prediction="last").init(TASK.problem, 0).layers
    assert layers == (("layer_1", "bias_1"), ("layer_2", "bias_2"), ("layer_3", "bias_3", "projection_3"))


def test_synaptic_events_equal_a_hand_count():
    learner = MonoForward(hidden=(4, 3))
    state = learner.init(TASK.problem._replace(n_inputs=2, n_classes=2, input_mean=0.0, input_std=1.0), 0)
    with torch.no_grad():
        state.weights["layer_1"].copy_(torch.tensor([[1.0, 0], [0, 1], [1, 1], [-1, -1]]))
        state.weights["layer_2"].copy_(torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 1], [-1, 0, 0, 0]]))
    learner.predict(state, torch.tensor([[1.0, 0.0]]))
    # one input to 4 units; 2 units active (1 and 3): to 3 units and 2 classes; 1 unit active: to 2 classes
    assert state.counts.synaptic_events == 4 + 2 * (3 + 2) + 1 * 2
