"""The readout finds the minimum of its convex loss, from anywhere, and takes features as they are."""

import torch
from torch.nn.functional import cross_entropy

from neuro.learners import readout


def problem(n=400, n_features=12, n_classes=3, seed=0):
    rng = torch.Generator().manual_seed(seed)
    features = torch.randint(0, 40, (n, n_features), generator=rng).to(torch.uint8)
    features[:, 0] = 7  # one that does not vary
    truth = torch.randn(n_classes, n_features, generator=rng) / 10.0
    noise = torch.randn(n, n_classes, generator=rng)
    return features, (features.float() @ truth.T + noise).argmax(1)


def fitted(features, labels, l2, start=0.0):
    weight, bias = torch.full((3, features.shape[1]), start), torch.full((3,), start)
    return readout.fit(weight, bias, features, labels, l2).loss, weight, bias


def test_the_gradient_is_zero_at_the_minimum():
    """Of the loss as the module states it, written a second time, in standardised features and float64."""
    features, labels, l2 = *problem(), 0.01
    loss, weight, bias = fitted(features, labels, l2)
    x = features.double()
    deviation = x.std(0, correction=0)
    deviation[deviation < 1e-3] = 1.0
    w = (weight.double() * deviation).requires_grad_()
    b = (bias.double() + weight.double() @ x.mean(0)).requires_grad_()
    again = cross_entropy((x - x.mean(0)) / deviation @ w.T + b, labels) + 0.5 * l2 * w.square().sum()
    again.backward()
    assert abs(again.item() - loss) < 1e-5  # float32
    assert w.grad.abs().max() < 1e-3 and b.grad.abs().max() < 1e-3  # of slopes that are 0.2 at the start


def test_the_minimum_does_not_depend_on_the_start():
    features, labels = problem()
    found = [fitted(features, labels, 0.01, start)[:2] for start in (0.0, 0.05)]
    assert abs(found[0][0] - found[1][0]) < 1e-5
    torch.testing.assert_close(found[0][1], found[1][1], rtol=0, atol=2e-3)


def test_samples_in_parts_are_one_sum(monkeypatch):
    features, labels = problem()
    whole = fitted(features, labels, 0.01)
    monkeypatch.setattr(readout, "PART", 64)
    torch.testing.assert_close(fitted(features, labels, 0.01)[0], whole[0], rtol=1e-4, atol=0)


def test_a_penalty_shrinks_the_weights():
    features, labels = problem()
    norms = [fitted(features, labels, l2)[1].square().sum() for l2 in (1e-4, 1e-2, 1.0)]
    assert norms[0] > norms[1] > norms[2]
