"""Cascaded-forward: predictors against autograd, blocks against an independent formula, and what is fixed."""

import pytest
import torch
from torch.nn.functional import batch_norm, conv2d, cross_entropy, max_pool2d, one_hot

from neuro.learners.base import Batch
from neuro.learners.cascaded_forward import ERRORS, CascadedForward, sparsemax
from tasks import digits

TASK = digits.load()
BATCH = Batch(torch.from_numpy(TASK.train.inputs[:32]), torch.from_numpy(TASK.train.labels[:32]))
RANDOM = CascadedForward(conv=(4, 6, 8), blocks="random")
ALIGNED = CascadedForward(conv=(4, 6, 8), blocks="dfa")


def block(h, weight, bias):
    """conv 3 x 3, relu, maximum of 2 x 2, normalisation over the batch."""
    h = max_pool2d(torch.relu(conv2d(h, weight, bias, padding=1)), 2)
    return batch_norm(h, None, None, training=True, eps=1e-4)


def standardised(inputs):
    return ((inputs - TASK.problem.input_mean) / TASK.problem.input_std).reshape(-1, 1, 8, 8)


def test_random_blocks_are_memory_and_never_change():
    state = RANDOM.init(TASK.problem, 0)
    fixed = {name: value.clone() for name, value in state.memory.items() if name.startswith("block")}
    for _ in range(3):
        RANDOM.update(state, BATCH)
    assert set(state.weights) == {"predictor_1", "predictor_2", "predictor_3"} and len(fixed) == 6
    assert all(torch.equal(fixed[name], state.memory[name]) for name in fixed)


def test_the_block_is_the_papers():
    state = ALIGNED.init(TASK.problem, 0)
    h = standardised(BATCH.inputs)
    activities = ALIGNED._run(state, BATCH.inputs, is_learning=True)
    for k in (1, 2, 3):
        h = block(h, state.weights[f"block_{k}"], state.weights[f"block_bias_{k}"])
        torch.testing.assert_close(activities[k], h)


@pytest.mark.parametrize(
    ("loss", "function"),
    [
        ("cross_entropy", lambda o, y: cross_entropy(o, y, reduction="sum")),
        ("squares", lambda o, y: (o - one_hot(y, 10)).square().sum()),
    ],
)
def test_the_error_is_the_gradient_of_the_loss(loss, function):
    output = torch.randn(8, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.arange(8)
    truth = torch.autograd.grad(function(output, labels), output)[0]
    torch.testing.assert_close(ERRORS[loss](output.detach(), one_hot(labels, 10).double()), truth)


def test_sparsemax_is_the_nearest_point_of_the_simplex():
    """It lies on the simplex, and z - p makes no obtuse angle with any corner as seen from p (projection theorem)."""
    z = 2.0 * torch.randn(50, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    p = sparsemax(z)
    assert (p >= 0).all() and (p == 0).any()
    torch.testing.assert_close(p.sum(1), torch.ones(50, dtype=torch.float64))
    corners = torch.eye(10, dtype=torch.float64)
    towards = ((z - p)[:, None] * (corners - p[:, None])).sum(2)
    assert towards.max() < 1e-12


def test_the_error_of_sparsemax_is_the_gradient_of_its_loss():
    """loss = -z_y + 1/2 sum over the support of (z^2 - tau^2) + 1/2, by central differences (martins2016, eq. 13)."""
    z = torch.tensor([[0.3, -0.5, 0.9, 0.2]], dtype=torch.float64)
    label = torch.tensor([[1.0, 0, 0, 0]], dtype=torch.float64)

    def loss(z):
        p = sparsemax(z)
        tau = (z - p)[p > 0][0]
        return -(z * label).sum() + 0.5 * ((z[p > 0] ** 2) - tau**2).sum() + 0.5

    h = 1e-6 * torch.eye(4, dtype=torch.float64)
    numeric = torch.stack([(loss(z + h[i]) - loss(z - h[i])) / 2e-6 for i in range(4)])
    torch.testing.assert_close(ERRORS["sparsemax"](z, label)[0], numeric, rtol=1e-6, atol=1e-8)


def test_a_predictor_follows_its_own_gradient_and_no_other():
    state = ALIGNED.init(TASK.problem, 0)
    ALIGNED.update(state, BATCH)
    predictors = {f"predictor_{k}": state.weights[f"predictor_{k}"].detach().clone() for k in (1, 2, 3)}
    activities = ALIGNED._run(state, BATCH.inputs, is_learning=True)
    ALIGNED.update(state, BATCH)
    for k in (1, 2, 3):
        weight = predictors[f"predictor_{k}"].requires_grad_()
        loss = cross_entropy(activities[k].detach().flatten(1) @ weight.T, BATCH.labels)
        truth = torch.autograd.grad(loss, weight)[0]
        torch.testing.assert_close(state.weights[f"predictor_{k}"].grad, truth, rtol=1e-4, atol=1e-6)


def test_a_block_feels_the_top_error_through_its_own_feedback():
    """dV_k is the gradient of sum(h_k * (error B_k)) with h_{k-1} held, in an independent block."""
    state = ALIGNED.init(TASK.problem, 0)
    for _ in range(5):
        ALIGNED.update(state, BATCH)
    before = {name: weight.detach().clone().requires_grad_() for name, weight in state.weights.items()}
    h, activities = standardised(BATCH.inputs), []
    for k in (1, 2, 3):
        h = block(h.detach(), before[f"block_{k}"], before[f"block_bias_{k}"])
        activities.append(h)
    error = ((h.flatten(1) @ before["predictor_3"].T).softmax(1) - one_hot(BATCH.labels, 10)).detach() / 32
    ALIGNED.update(state, BATCH)
    for k, h in enumerate(activities, 1):
        felt = (h.flatten(1) * (error @ state.memory[f"feedback_{k}"])).sum()
        truth = torch.autograd.grad(felt, before[f"block_{k}"])[0]
        torch.testing.assert_close(state.weights[f"block_{k}"].grad, truth, rtol=1e-3, atol=1e-6)


def test_an_answer_uses_running_statistics_and_leaves_them():
    state = ALIGNED.init(TASK.problem, 0)
    start = {name: weight.detach().clone() for name, weight in state.weights.items()}
    ALIGNED.update(state, BATCH)
    kept = {name: state.memory[name].clone() for name in ("mean_1", "variance_1")}
    ALIGNED.predict(state, BATCH.inputs)
    assert all(torch.equal(kept[name], state.memory[name]) for name in kept)
    h = standardised(BATCH.inputs)
    driven = max_pool2d(torch.relu(conv2d(h, start["block_1"], start["block_bias_1"], padding=1)), 2)
    torch.testing.assert_close(kept["mean_1"], 0.1 * driven.mean((0, 2, 3)))  # a tenth of the batch's, from 0


def test_answers_are_sums_of_shares():
    for loss in ERRORS:
        learner = CascadedForward(conv=(4, 6), loss=loss)
        state = learner.init(TASK.problem, 0)
        learner.update(state, BATCH)
        scores = learner.predict(state, BATCH.inputs)
        torch.testing.assert_close(scores.sum(1), torch.full((32,), 2.0))
        assert (scores >= 0).all()
