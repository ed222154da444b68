"""Backpropagation has the networks of the learners that stand beside it, and their precision of products."""

from collections import Counter

import pytest
import torch

from neuro.learners.backprop import Backprop
from neuro.learners.base import Problem
from simulations.recipes import named_learner
from tasks import digits

TASK = digits.load()

MNIST = Problem(784, 10, 1, 1.0, 0.0, 1.0, (1, 28, 28), 1)


def matrices(name):
    """How many weights of each shape, biases left out."""
    weights = named_learner(name).init(MNIST, 0).weights.values()
    return Counter(tuple(weight.shape) for weight in weights if weight.dim() > 1)


@pytest.mark.parametrize(
    ("baseline", "learner"),
    [
        ("backprop", "mono-forward"),
        ("backprop-tanh", "feedback-alignment"),
        ("backprop-tanh", "direct-feedback-alignment"),
        ("backprop-1024", "pepita"),
        ("backprop-5x256", "counter-current"),
        ("backprop-cascaded", "cascaded-forward-dfa"),
        ("backprop-counter-current-cnn-bfloat16", "counter-current-cnn-bfloat16"),
    ],
)
def test_a_learner_has_all_weights_of_its_baseline(baseline, learner):
    """It may have more: feedback networks, predictors of lower layers."""
    assert matrices(baseline) <= matrices(learner)
    baseline, learner = named_learner(baseline), named_learner(learner)
    for field in ("activation", "precision"):
        own = getattr(baseline, field)
        assert getattr(learner, field, own) == own


def test_bfloat16_takes_nearly_the_same_step():
    """Products are rounded to 8 bits; the gradients of both precisions point the same way."""
    gradients = []
    for precision in ("float32", "bfloat16"):
        learner = Backprop(conv=(8,), hidden=(50,), precision=precision)
        state = learner.init(TASK.problem, 0)
        learner.update(state, TASK.train.batch(range(100)))
        assert all(weight.dtype == torch.float32 for weight in state.weights.values())
        gradients.append([weight.grad.flatten() for weight in state.weights.values()])
    for exact, rounded in zip(*gradients, strict=True):
        assert torch.nn.functional.cosine_similarity(exact, rounded, dim=0) > 0.99
        assert not torch.equal(exact, rounded)
