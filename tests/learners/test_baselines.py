"""Backpropagation has the networks of the learners that stand beside it."""

from collections import Counter

import pytest

from neuro.learners.base import Problem
from simulations.recipes import named_learner

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
        ("backprop-counter-current-cnn", "counter-current-cnn"),
    ],
)
def test_a_learner_has_all_weights_of_its_baseline(baseline, learner):
    """It may have more: feedback networks, predictors of lower layers."""
    assert matrices(baseline) <= matrices(learner)
    activations = [getattr(named_learner(name), "activation", None) for name in (baseline, learner)]
    assert activations[1] in (None, activations[0])
