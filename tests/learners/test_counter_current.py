"""Gradients of counter-current learning against formulas written independently; locality; the descent."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize, one_hot

from neuro.learners.base import Problem, standardised
from neuro.learners.counter_current import (
    CounterCurrent,
    feedback_drive,
    feedback_shape,
    run_feedback,
    run_forward,
)
from neuro.learners.counter_current_cnn import CounterCurrentCNN
from neuro.learners.layers import Layer
from tasks import digits

TASK = digits.load()
MLP = CounterCurrent(hidden=(20, 16, 12), clip_norm=1e6)
CNN = CounterCurrentCNN(
    conv=(6, 8, 10),
    momentum=0,
    weight_decay=0,
    warmup=1,
    loss_scale=0.5,
    filter_target=0,
    centralise=False,
    clip_norm=1e6,
)
POOLED = dataclasses.replace(CNN, down="pool")
BATCH = TASK.train.batch(np.arange(24))


def start(learner, samples=10**9):
    """A first state; with a huge budget the rate does not fall within a test."""
    return learner.init(TASK.problem._replace(samples=samples), 0)


def values(state):
    return {name: weight.detach().clone() for name, weight in state.weights.items()}


def changes(learner, state, batch=BATCH):
    """What one update adds to each weight."""
    before = values(state)
    learner.update(state, batch)
    return {name: state.weights[name].detach() - before[name] for name in before}


def test_gradients_of_dense_layers_equal_those_derived_by_hand():
    """loss_k by the chain rule in numpy, float64; the tolerance is float32's rounding over sums of hundreds."""
    state = start(MLP)
    w = {name: value.double().numpy() for name, value in values(state).items()}
    x = standardised(TASK.problem, BATCH.inputs).double().numpy()
    wanted = np.eye(10)[BATCH.labels.numpy()]

    def elu(z):
        return np.where(z > 0, z, np.expm1(z))

    def slope(z):
        return np.where(z > 0, 1.0, np.exp(np.minimum(z, 0.0)))

    a, z_up = [x], [None]
    for k in range(1, 5):
        z_up.append(a[-1] @ w[f"forward_{k}"].T)
        a.append(elu(z_up[-1]) if k < 4 else z_up[-1])
    c, z_down = {4: np.eye(10)}, {}
    for k in range(4, 0, -1):
        z_down[k - 1] = c[k] @ w[f"feedback_{k}"].T
        c[k - 1] = elu(z_down[k - 1]) if k > 1 else z_down[0]
    expected = {}
    for k in range(4):
        factor = 2.0 * 128.0 / a[k].shape[1] / wanted.size
        mismatch = factor * (a[k] @ c[k].T - wanted)
        if k:
            expected[f"forward_{k}"] = (mismatch @ c[k] * slope(z_up[k])).T @ a[k - 1]
        d_c = mismatch.T @ a[k] * (slope(z_down[k]) if k else 1.0)
        expected[f"feedback_{k + 1}"] = d_c.T @ c[k + 1]
    p = np.exp(a[4]) / np.exp(a[4]).sum(1, keepdims=True)
    expected["forward_4"] = (p - wanted).T @ a[3] / len(x)
    for name, change in changes(MLP, state).items():
        np.testing.assert_allclose(change.numpy(), -expected[name], rtol=1e-3, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("learner", [CNN, POOLED], ids=["stride", "pool"])
@pytest.mark.parametrize("filter_target", [0.0, 0.9], ids=["all samples", "some samples"])
def test_local_gradients_equal_those_of_normalised_rows(learner, filter_target):
    """The losses, written out with unit vectors and differentiated through both factors of every product."""
    state = start(learner)
    layers = learner._layers(TASK.problem)
    is_own_class = one_hot(BATCH.labels, 10).float()

    def run():
        forward = run_forward(layers, state.weights, standardised(TASK.problem, BATCH.inputs))
        return forward, run_feedback(layers, state.weights)

    forward, feedback = run()
    p_own = (forward[-1].softmax(1) * is_own_class).sum(1)
    mask = (p_own <= (p_own.median() if filter_target else 1.0)).float()
    assert mask.sum() == (12 if filter_target else 24)
    names = [name for name in state.weights if "4" not in name]
    found = torch.autograd.grad(
        sum(
            learner._local_loss(a.flatten(1), c.flatten(1), is_own_class, mask)
            for a, c in zip(forward[:-1], feedback[:-1], strict=True)
        ),
        [state.weights[name] for name in names],
    )
    forward, feedback = run()
    loss = torch.zeros(())
    for a, c in zip(forward[:-1], feedback[:-1], strict=True):
        rows = normalize(a.flatten(1) * mask[:, None], dim=1)
        targets = normalize(c.flatten(1), dim=1)
        loss = loss + 0.5 * (rows @ targets.T - is_own_class).square().mean()
        loss = loss + 0.5 * (rows @ rows.T - torch.eye(len(rows))).square().mean()
        loss = loss + 0.5 * (targets @ targets.T - torch.eye(10)).square().mean()
    expected = torch.autograd.grad(loss, [state.weights[name] for name in names])
    for name, ours, other in zip(names, found, expected, strict=True):
        # rounding of float32 sums, against the largest entry of the gradient
        torch.testing.assert_close(ours, other, rtol=1e-3, atol=1e-4 * other.abs().max().item(), msg=name)


@pytest.mark.parametrize("learner", [MLP, CNN, POOLED], ids=["dense", "stride", "pool"])
def test_a_local_loss_reaches_its_own_layer_alone(learner):
    state = start(learner)
    layers = learner._layers(TASK.problem)
    forward = run_forward(layers, state.weights, standardised(TASK.problem, BATCH.inputs))
    feedback = run_feedback(layers, state.weights)
    for k, (a, c) in enumerate(zip(forward[:-1], feedback[:-1], strict=True)):
        assert a.flatten(1).shape[1] == c.flatten(1).shape[1]  # so that they can be compared
        weights = list(state.weights.values())
        gradients = torch.autograd.grad((a.flatten(1) @ c.flatten(1).T).sum(), weights, allow_unused=True)
        reached = {name for name, gradient in zip(state.weights, gradients, strict=True) if gradient is not None}
        own = {f"forward_{k}", f"forward_bias_{k}", f"feedback_{k + 1}", f"feedback_bias_{k + 1}"}
        assert reached == own & state.weights.keys()


@pytest.mark.parametrize("side", [7, 8], ids=["odd", "even"])
def test_feedback_beside_a_strided_convolution_sees_each_value_in_a_square(side):
    """With a kernel that copies, the enlargement alone is left: pixel (y, x) shows the value at half of it."""
    layer = Layer((1, side, side), 1, kernel=3, stride=2)
    small = torch.rand(2, 1, 4, 4)
    copy = torch.zeros(feedback_shape(layer))
    copy[0, 0, 1, 1] = 1.0
    source = np.arange(side) * 4 // side
    expected = small[:, :, source][:, :, :, source]
    assert torch.equal(feedback_drive(layer, small.flatten(1), copy), expected)


@pytest.mark.parametrize(
    "learner", [dataclasses.replace(MLP, clip_norm=0.01), dataclasses.replace(CNN, clip_norm=0.01)]
)
def test_a_step_is_clipped_for_each_network_on_its_own(learner):
    found = changes(learner, start(learner))
    for network in ("forward", "feedback"):
        squares = [change.square().sum() for name, change in found.items() if name.startswith(network)]
        assert math.isclose(math.sqrt(sum(squares)), 0.01, rel_tol=1e-3)  # lr is 1


def test_losses_grow_over_the_warm_up():
    plain = changes(CNN, start(CNN))
    warm = dataclasses.replace(CNN, warmup=4)
    for name, change in changes(warm, start(warm)).items():
        torch.testing.assert_close(change, plain[name] / 4, rtol=1e-3, atol=1e-6)


def test_centralised_steps_leave_the_mean_of_every_row():
    learner = dataclasses.replace(CNN, centralise=True)
    plain = changes(CNN, start(CNN))
    for name, change in changes(learner, start(learner)).items():
        expected = plain[name]
        if "bias" not in name:
            assert change.flatten(1).mean(1).abs().max() < 1e-6  # rounding of weights near 1
            expected = expected - expected.flatten(1).mean(1).view(-1, *[1] * (expected.ndim - 1))
        torch.testing.assert_close(change, expected, rtol=1e-3, atol=1e-6)


def test_filtered_samples_teach_the_output_alone():
    """With a filter of 1 every sample counts as known."""
    for plain in (CNN, MLP):
        learner = dataclasses.replace(plain, filter_target=1.0)
        found = changes(learner, start(learner))
        assert all(not found[f"forward_{k}"].any() for k in (1, 2, 3)) and found["forward_4"].any()


@pytest.mark.parametrize("learner", [MLP, CNN], ids=["dense", "convolutional"])
def test_the_rate_falls_with_a_cosine_or_stays(learner):
    for rate, expected in (("cosine", 0.5), ("constant", 1.0)):
        held = dataclasses.replace(learner, rate=rate)
        state = start(held, samples=2 * len(BATCH.labels))
        for _ in range(2):  # the second begins half way
            held.update(state, BATCH)
        for optimiser in state.optimisers.values():
            assert optimiser.param_groups[0]["lr"] == pytest.approx(expected)


def test_bfloat16_activities_give_nearly_the_same_step():
    """bfloat16 keeps 8 bits: single products are wrong by 0.4 %, and the errors of many partly cancel."""
    rough = dataclasses.replace(CNN, precision="bfloat16")
    plain, found = changes(CNN, start(CNN)), changes(rough, start(rough))
    for network in ("forward", "feedback"):
        whole, other = (
            torch.cat([change.flatten() for name, change in steps.items() if name.startswith(network)])
            for steps in (plain, found)
        )
        assert (other - whole).norm() < 0.1 * whole.norm()


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="too small"):
        start(CounterCurrentCNN(down="pool"))
    rows = Problem(4, 2, 1, 1.0, 0.0, 1.0, (4,), 100)
    with pytest.raises(ValueError, match="need images"):
        CNN.init(rows, 0)
