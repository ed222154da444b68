"""Hebbian rules find what algebra says: eigenvectors, principal subspaces, selectivity, unit norms."""

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d

from benchmarks.hlop import angles
from neuro.learners.hebbian import (
    LARGEST,
    bcm,
    hebbian_pair,
    oja,
    patches,
    quantised_response,
    sanger,
    soft_winner_take_all,
)
from neuro.learners.layers import Layer
from neuro.learners.spiking_mlp import SpikingMLP
from neuro.learners.spiking_network import layer_inputs
from tasks import digits
from tasks.base import stream

TASK = digits.load()
K = 6  # dimensions of the subspaces


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def activity():
    """Rates of a hidden layer that learned digits, and their first principal directions."""
    learner = SpikingMLP(hidden=(60, 60))
    state = learner.init(TASK.problem, 0)
    for _, batch in stream(TASK.train, 4000, 64, 0):
        learner.update(state, batch)
    inputs = (torch.from_numpy(TASK.train.inputs) - TASK.problem.input_mean) / TASK.problem.input_std
    x_BI = layer_inputs(learner.network(state), inputs)[1].mean(0)
    return x_BI, torch.from_numpy(np.linalg.svd(x_BI.numpy(), full_matrices=False)[2][:K])


def test_oja_finds_the_first_principal_component():
    x_BI = normal(4000, 5) @ torch.diag(torch.tensor([2.0, 1.5, 1.0, 1.0, 0.5])) @ torch.linalg.qr(normal(5, 5))[0]
    first = np.linalg.eigh((x_BI.T @ x_BI).numpy())[1][:, -1]
    w_JI = 0.1 * normal(3, 5, seed=1)
    for rows in x_BI.repeat(10, 1).split(50):
        w_JI = oja(w_JI, rows, 0.01)
    for w_I in w_JI:  # each neuron alone; noise of single batches leaves about a degree
        assert angles(w_I[None], torch.from_numpy(first)[None])[0] < 3
        assert w_I.norm() == pytest.approx(1.0, abs=0.05)


def test_sanger_finds_the_components_in_their_order(activity):
    x_BI, principal_KI = activity
    w_JI = 0.1 * normal(K, x_BI.shape[1])
    for _ in range(6000):
        w_JI = sanger(w_JI, x_BI, 0.1)
    assert angles(w_JI, principal_KI).max() < 5
    assert angles(w_JI[:1], principal_KI[:1])[0] < 5 and angles(w_JI[:2], principal_KI[:2]).max() < 5


@pytest.mark.parametrize("n_rows", [None, 30], ids=["moments", "rows"])
def test_the_pair_finds_the_principal_subspace(activity, n_rows):
    x_BI, principal_KI = activity
    if n_rows:  # few rows, which hold the same second moments
        _, sizes, vectors = torch.linalg.svd(x_BI, full_matrices=False)
        x_BI = (n_rows / len(x_BI)) ** 0.5 * sizes[:n_rows, None] * vectors[:n_rows]
    w_JI = torch.nn.init.orthogonal_(torch.empty(K, x_BI.shape[1]), generator=torch.Generator().manual_seed(0))
    old_HI, momentum_JI = w_JI[:0], torch.zeros_like(w_JI)
    for _ in range(600):
        w_JI, momentum_JI = hebbian_pair(w_JI, momentum_JI, x_BI, 0.1, old_HI=old_HI, n_steps=5)
    assert angles(w_JI, principal_KI).max() < 5
    torch.testing.assert_close(w_JI @ w_JI.T, torch.eye(K), atol=1e-2, rtol=0)


def test_rows_that_are_old_leave_the_rest_to_new_ones(activity):
    x_BI, principal_KI = activity
    old_HI = principal_KI[:3]
    w_JI = torch.nn.init.orthogonal_(torch.empty(3, x_BI.shape[1]), generator=torch.Generator().manual_seed(0))
    momentum_JI = torch.zeros_like(w_JI)
    for _ in range(600):
        w_JI, momentum_JI = hebbian_pair(w_JI, momentum_JI, x_BI, 0.1, old_HI=old_HI, n_steps=5)
    assert angles(w_JI, principal_KI[3:K]).max() < 5


@pytest.mark.parametrize("n_rows", [5, 400])
def test_the_pair_equals_its_sum_over_rows(n_rows):
    """Both ways of computing it (few rows, many rows), against one row after the other."""
    x_BI, w_JI, old_HI = normal(n_rows, 12), 0.5 * normal(3, 12, seed=1), 0.3 * normal(2, 12, seed=2)
    expected, momentum = w_JI.clone(), torch.zeros_like(w_JI)
    for _ in range(2):
        change = torch.zeros_like(w_JI)
        both = torch.cat([old_HI, expected])
        for x in x_BI:
            change += torch.outer(expected @ x, x - both.T @ (both @ x)) / n_rows
        momentum = 0.9 * momentum + 0.1 * change.clamp(-LARGEST, LARGEST)
        expected = expected + 0.05 * momentum
    found, kept = hebbian_pair(w_JI, torch.zeros_like(w_JI), x_BI, 0.05, old_HI=old_HI, n_steps=2)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(kept, momentum, atol=1e-5, rtol=1e-4)


def test_spiking_lateral_neurons_count_in_steps_and_saturate():
    found = quantised_response(torch.tensor([0.2, 0.3, -0.8, 33.0]), 20.0, 40)  # steps of 0.5
    torch.testing.assert_close(found, torch.tensor([0.0, 0.5, -1.0, 20.0]))


def test_a_bcm_neuron_becomes_selective():
    """Two patterns, each half of the time. Fixed point: y = theta = y^2 / 2 for one, hence 2, and 0 for the other."""
    x_BI = torch.tensor([[1.0, 0.2], [0.2, 1.0]])
    for start, chosen in ((0.6, 0), (0.3, 1)):
        w_JI, theta_J = torch.tensor([[start, 0.45]]), torch.zeros(1)
        for _ in range(5000):
            w_JI, theta_J = bcm(w_JI, theta_J, x_BI, 0.02, 0.1)
        y_B = (w_JI @ x_BI.T)[0]
        assert y_B[chosen] == pytest.approx(2.0, abs=0.02) and y_B[1 - chosen] == pytest.approx(0.0, abs=0.02)
        assert theta_J[0] == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize("is_anti", [False, True])
def test_soft_hebb_equals_its_sum_over_rows(is_anti):
    x_BI, w_JI = normal(7, 5), normal(4, 5, seed=1)
    expected = w_JI.double().clone()
    for x in x_BI.double():
        u = w_JI.double() @ x
        y = torch.exp(u / 0.5) / torch.exp(u / 0.5).sum()
        for j in range(4):
            sign = -1 if is_anti and j != u.argmax() else 1
            expected[j] += 0.1 / 7 * sign * y[j] * (x - u[j] * w_JI[j].double())
    found = soft_winner_take_all(w_JI, x_BI, 0.1, temperature=0.5, is_anti=is_anti)
    torch.testing.assert_close(found.double(), expected, atol=1e-6, rtol=1e-5)


def test_soft_hebb_brings_weights_to_the_unit_sphere():
    x_BI, w_JI = normal(20, 8).abs(), 0.5 * normal(3, 8, seed=1).abs()
    for _ in range(4000):
        w_JI = soft_winner_take_all(w_JI, x_BI, 0.1)
    torch.testing.assert_close(w_JI.norm(dim=1), torch.ones(3), atol=1e-2, rtol=0)


@pytest.mark.parametrize("stride", [1, 2])
def test_patches_are_what_a_convolution_multiplies(stride):
    layer, images = Layer((2, 6, 6), 4, 3, stride), normal(3, 2, 6, 6)
    kernel = normal(4, 2, 3, 3, seed=1)
    rows = patches(images.flatten(1), layer)
    expected = conv2d(images, kernel, None, stride, 1)
    torch.testing.assert_close(rows @ kernel.flatten(1).T, expected.permute(0, 2, 3, 1).flatten(0, 2))
    # A rule on the patches is the mean over images and pixels of the rule at each pixel.
    alone = torch.stack([oja(kernel.flatten(1), row[None], 0.1) for row in rows]).mean(0)
    torch.testing.assert_close(oja(kernel.flatten(1), rows, 0.1), alone, atol=1e-5, rtol=1e-4)
