"""The autoencoder of counter-current learning: locality, normalisation, mirrored targets, learning."""

import numpy as np
import pytest
import torch

from neuro.learners.base import from_tensors, to_tensors
from neuro.learners.counter_current_autoencoder import (
    RULES,
    CounterCurrentAutoencoder,
    map_shapes,
    orthogonal,
    run_network,
)
from tasks import digits
from tasks.base import stream

TASK = digits.load()
SMALL = CounterCurrentAutoencoder(channels=(6, 8))
IMAGES = torch.from_numpy(TASK.train.inputs[:48])


def start(learner=SMALL, seed=0):
    """A first state in which no weight is 0."""
    state = learner.init(TASK.problem, seed)
    with torch.no_grad():
        for name, weight in state.weights.items():
            if name.endswith("_4"):
                weight.uniform_(-0.1, 0.1, generator=state.rng)
    return state


def activities(state, network, is_local=True, learner=SMALL):
    images = IMAGES.reshape(-1, *TASK.problem.shape)
    layers = learner._layers(TASK.problem)
    return run_network(layers, state, network, images, is_local=is_local, is_learning=True)


def reached(loss, state):
    gradients = torch.autograd.grad(loss, list(state.weights.values()), allow_unused=True, retain_graph=True)
    return {name for name, gradient in zip(state.weights, gradients, strict=True) if gradient is not None}


def test_every_activity_has_a_mirror_image_of_its_size():
    state = start()
    forward, feedback = activities(state, "forward"), activities(state, "feedback")[::-1]
    assert [a.shape for a in forward] == [c.shape for c in feedback]
    assert torch.equal(forward[0], feedback[-1])  # the input of one is the target of the other


def test_a_local_loss_reaches_its_own_layer_alone():
    state = start()
    losses = SMALL._losses(activities(state, "forward"), activities(state, "feedback")[::-1])
    for k, loss in enumerate(losses):
        own = {f"forward_{k}", f"feedback_{4 - k}"}
        own |= {"forward_bias"} if k == 4 else {"feedback_bias"} if k == 0 else set()
        assert reached(loss, state) == own & state.weights.keys()


def test_backpropagation_reaches_every_layer_and_has_no_feedback_network():
    learner = CounterCurrentAutoencoder(channels=(6, 8), rule="backpropagation")
    state = start(learner)
    assert not any(name.startswith("feedback") for name in state.weights)
    out = activities(state, "forward", is_local=False, learner=learner)[-1]
    assert reached(out.square().mean(), state) == set(state.weights)


def test_losses_equal_a_formula_written_independently():
    """Height times the mean squared difference; inside, that of the maps' shapes is added (tolerance: float32 sums)."""
    state = start()
    forward, feedback = activities(state, "forward"), activities(state, "feedback")[::-1]
    losses = SMALL._losses(forward, feedback)
    for k, (a, c, loss) in enumerate(zip(forward, feedback, losses, strict=True)):
        a, c = a.detach().double().numpy(), c.detach().double().numpy()
        expected = np.square(a - c).mean()
        if 0 < k < 4:
            shapes = []
            for maps in (a, c):
                centred = maps - maps.mean((2, 3), keepdims=True)
                shapes.append(centred / (np.sqrt(np.square(centred).sum((2, 3), keepdims=True)) + 1e-8))
            expected += np.square(shapes[0] - shapes[1]).mean()
        assert loss.item() == pytest.approx(a.shape[2] * expected, rel=1e-4)


def test_shape_of_a_map_has_neither_size_nor_level():
    images = torch.rand(3, 2, 4, 4)
    shapes = map_shapes(images)
    torch.testing.assert_close(map_shapes(5.0 * images + 2.0), shapes, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(shapes.square().sum(2), torch.ones(3, 2))
    assert not map_shapes(torch.ones(3, 2, 1, 1)).any()  # a single pixel has no shape


@pytest.mark.parametrize("shape", [(12, 3, 3, 3), (3, 12, 3, 3)])
def test_first_weights_are_orthonormal_on_their_longer_side(shape):
    """Of the 12 vectors of 27 numbers; tolerance: rounding."""
    weight = orthogonal(shape, torch.Generator().manual_seed(0))
    rows = (weight if shape[0] > shape[1] else weight.transpose(0, 1)).flatten(1)
    torch.testing.assert_close(rows @ rows.T, torch.eye(12), rtol=0, atol=1e-5)


def test_running_moments_follow_those_of_the_batch():
    """They start at 0 and 1 and take a tenth of the batch's mean and unbiased variance."""
    state = start()
    images = IMAGES.reshape(-1, *TASK.problem.shape)
    driven = torch.nn.functional.conv2d(images, state.weights["forward_1"], stride=2, padding=1).detach()
    SMALL.update(state, IMAGES)
    torch.testing.assert_close(state.memory["forward_mean_1"], 0.1 * driven.mean((0, 2, 3)))
    variance = 0.9 + 0.1 * driven.transpose(0, 1).flatten(1).var(1)
    torch.testing.assert_close(state.memory["forward_variance_1"], variance)


@pytest.mark.parametrize("rule", RULES)
def test_images_are_learned_and_a_resumed_run_has_the_same_bits(rule):
    """From the zero image, whose error is the power of the images, to below the error of the mean image."""
    learner = CounterCurrentAutoencoder(channels=(16, 32), rule=rule)
    problem = TASK.problem._replace(samples=12_800)
    state, resumed = learner.init(problem, 0), learner.init(problem, 1)
    images = torch.from_numpy(TASK.val.inputs)
    assert not learner.reconstruct(state, images).any()  # the last layer starts at 0
    for seen, batch in stream(TASK.train, problem.samples, learner.batch_size, 0):
        learner.update(state, batch.inputs)
        if seen == problem.samples // 2:
            from_tensors(resumed, {name: tensor.clone() for name, tensor in to_tensors(state).items()})
    for _, batch in stream(TASK.train, problem.samples, learner.batch_size, 0, start=problem.samples // 2):
        learner.update(resumed, batch.inputs)
    saved, again = to_tensors(state), to_tensors(resumed)
    assert all(torch.equal(saved[name], again[name]) for name in saved)
    error = (learner.reconstruct(state, images) - images).square().mean()
    assert error < 0.7 * (images - images.mean(0)).square().mean()
    alone = torch.cat([learner.reconstruct(state, row[None]) for row in images[:4]])
    torch.testing.assert_close(learner.reconstruct(state, images)[:4], alone, rtol=1e-4, atol=1e-5)
