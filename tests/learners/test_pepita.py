"""PEPITA: the two passes against closed forms and finite differences."""

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from neuro.learners.pepita import PEPITA, gradients, run
from tasks import digits

TASK = digits.load()
LEARNER = PEPITA(hidden=(20, 15), dropout=0.0)
INPUTS, LABELS = torch.from_numpy(TASK.train.inputs[:32]).double(), torch.from_numpy(TASK.train.labels[:32])


def double_state(learner=LEARNER):
    state = learner.init(TASK.problem, 0)
    state.weights = {name: weight.detach().double() for name, weight in state.weights.items()}
    state.memory["feedback"] = state.memory["feedback"].double()
    return state


def test_without_feedback_hidden_layers_stay_and_the_output_descends():
    """F = 0: both passes are one, and dW of the output is the gradient of the cross-entropy."""
    state = double_state()
    state.memory["feedback"].zero_()
    found, loss = gradients(state, INPUTS, LABELS, None)
    readout = state.weights["layer_3"].requires_grad_()
    truth = cross_entropy(run(state, INPUTS, None)[-1], LABELS)
    torch.testing.assert_close(found["layer_3"], torch.autograd.grad(truth, readout)[0])
    assert not found["layer_1"].any() and not found["layer_2"].any()
    assert abs(loss - truth.item()) < 1e-12


def test_the_hidden_update_is_linear_in_a_small_feedback():
    """For F -> 0:  dW_1 -> -(relu'(z) W_1 F e) x^T, the first order of the difference of the passes."""
    state = double_state()
    state.memory["feedback"] *= 1e-6
    activities = run(state, INPUTS, None)
    error = activities[-1].softmax(1) - torch.eye(10, dtype=torch.float64)[LABELS]
    felt = error @ state.memory["feedback"].T @ state.weights["layer_1"].T * (activities[1] > 0)
    found, _ = gradients(state, INPUTS, LABELS, None)
    torch.testing.assert_close(found["layer_1"], -felt.T @ INPUTS / len(INPUTS), rtol=1e-4, atol=1e-14)


def test_a_layer_learns_from_its_own_two_activities():
    """The update of layer 1 is the outer product of what its own units and inputs did in the two passes."""
    state = double_state()
    first = run(state, INPUTS, None)
    error = first[-1].softmax(1) - torch.eye(10, dtype=torch.float64)[LABELS]
    second = run(state, INPUTS + error @ state.memory["feedback"].T, None)
    found, _ = gradients(state, INPUTS, LABELS, None)
    for k in (1, 2):
        expected = torch.einsum("bj,bi->ji", first[k] - second[k], second[k - 1]) / len(INPUTS)
        torch.testing.assert_close(found[f"layer_{k}"], expected)


def test_units_dropped_in_an_update_do_not_learn():
    state = double_state()
    masks = [torch.ones(32, 20).double(), torch.ones(32, 15).double()]
    masks[0][:, 3] = masks[1][:, 7] = 0.0
    found, _ = gradients(state, INPUTS, LABELS, masks)
    assert not found["layer_1"][3].any() and not found["layer_2"][7].any() and not found["layer_3"][:, 7].any()
    assert found["layer_1"][4].any()


def test_dropout_keeps_the_mean_drive():
    """Kept units are scaled by 1 / kept share: the mean of 4,000 x 20 masks is 1 within 5 standard errors."""
    learner = PEPITA(hidden=(20,), dropout=0.1)
    (mask,) = learner._masks(learner.init(TASK.problem, 0), 4000)
    assert set(mask.unique().tolist()) == {0.0, float(torch.tensor(1.0) / 0.9)}
    assert abs(mask.mean().item() - 1.0) < 5 * (1 / 9 / mask.numel()) ** 0.5


def test_feedback_is_fixed_and_bounded():
    learner = PEPITA()
    state = learner.init(TASK.problem, 0)
    before = state.memory["feedback"].clone()
    assert before.abs().max() <= 0.05 * (6 / 64) ** 0.5
    learner.update(state, TASK.train.batch(np.arange(64)))
    assert torch.equal(before, state.memory["feedback"]) and "feedback" not in state.weights
