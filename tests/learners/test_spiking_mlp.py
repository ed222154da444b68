"""The gradients of the spiking multilayer perceptron, against programs written a second time."""

import dataclasses
import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from neuro.audit import audit
from neuro.learners.base import Batch
from neuro.learners.spiking_layers import SpikingNetwork, as_it_is, at_rest, learning_linear, spikes
from neuro.learners.spiking_mlp import SpikingMLP
from neuro.learners.spiking_network import (
    gradients_at_once,
    gradients_of_rates,
    gradients_online,
    scores,
    step_weights,
    weighted_rates,
)
from simulations.recipes import named_learner
from tasks import digits

TASK = digits.load()
SIZES, DECAY, V_TH, SLOPE = (7, 9, 8, 3), 0.5, 1.0, 4.0


def network(n_steps, seed=0, backs=None, sizes=SIZES):
    rng = torch.Generator().manual_seed(seed)
    weights = [
        torch.randn(n_post, n_pre, generator=rng, dtype=torch.float32).requires_grad_()
        for n_pre, n_post in zip(sizes, sizes[1:], strict=False)
    ]
    return SpikingNetwork(weights, backs or [w.detach() for w in weights], DECAY, V_TH, SLOPE, n_steps)


def samples(n=6):
    rng = torch.Generator().manual_seed(5)
    return torch.randn(n, SIZES[0], generator=rng), torch.randint(SIZES[-1], (n,), generator=rng)


def soft_step(x):
    """A step whose derivative is that of a sigmoid: by adding what is 0, not by a function of its own."""
    smooth = torch.sigmoid(SLOPE * x)
    return (x >= 0).float() + smooth - smooth.detach()


def plain(net, x_BI, traces=False):
    """Outputs [T, B, C] step by step under plain autograd; traces: no gradient from step to step."""
    u, outputs = [0.0] * (len(net.weights) - 1), []
    for _ in range(net.n_steps):
        below = x_BI
        for k, weight in enumerate(net.weights[:-1]):
            v = DECAY * (u[k].detach() if traces and torch.is_tensor(u[k]) else u[k]) + below @ weight.T
            below = soft_step(v - V_TH)
            u[k] = v - V_TH * below.detach()
        outputs.append(below @ net.weights[-1].T)
    return torch.stack(outputs)


def close(found, expected):
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-4)  # order of float32 sums


def test_a_neuron_under_constant_current_fires_as_counted_by_hand():
    """Drive 0.6: v = 0.6, 0.9, 1.05 fires, leaves 0.05; 0.625, 0.9125, 1.05625 fires."""
    net = network(6, sizes=(1, 1, 1))
    z_TBJ, u_BJ = spikes(net, torch.full((6, 1, 1), 0.6), torch.zeros(1, 1))
    assert z_TBJ.flatten().tolist() == [0, 0, 1, 0, 0, 1]
    assert u_BJ.item() == pytest.approx(0.05625, abs=1e-6)


@pytest.mark.parametrize("n_steps", [1, 9])
def test_bptt_equals_autograd_through_a_plain_program(n_steps):
    net, (x_BI, labels_B) = network(n_steps), samples()
    output_BC = plain(net, x_BI).mean(0)
    loss = cross_entropy(output_BC, labels_B)
    found = gradients_at_once(net, x_BI, labels_B, as_it_is)
    assert found.loss.item() == pytest.approx(loss.item(), rel=1e-6)
    close(found.gradients, torch.autograd.grad(loss, net.weights))
    assert all(gradient.abs().max() > 1e-3 for gradient in found.gradients)
    found_BC, counts = scores(net, x_BI)
    torch.testing.assert_close(found_BC, output_BC.detach(), atol=1e-6, rtol=1e-5)
    assert counts[0] > 0


def test_online_learning_pairs_each_steps_error_with_traces():
    """delta_k[t] by autograd at the drives of a plain program whose steps are cut apart, times traces by hand."""
    net, (x_BI, labels_B) = network(7), samples()
    found = gradients_online(net, x_BI, labels_B, as_it_is)
    u, traces = [torch.zeros(6, n) for n in SIZES[1:3]], [torch.zeros(6, n) for n in SIZES[1:3]]
    expected, total = [torch.zeros_like(w) for w in net.weights], 0.0
    for _ in range(7):
        drives, inputs, below = [], [x_BI], x_BI
        for k, weight in enumerate(net.weights):
            drives.append((below @ weight.T).detach() if k == 0 else below @ weight.T)
            drives[k].requires_grad_() if k == 0 else drives[k].retain_grad()
            if k < 2:
                v = DECAY * u[k] + drives[k]
                below = soft_step(v - V_TH)
                u[k] = (v - V_TH * below).detach()
                traces[k] = DECAY * traces[k] + below.detach()
                inputs.append(traces[k])
        loss = cross_entropy(drives[-1], labels_B) / 7
        total += loss.item()
        for sum_, delta, trace in zip(expected, torch.autograd.grad(loss, drives), inputs, strict=True):
            sum_ += delta.T @ trace
    close(found.gradients, expected)
    assert found.loss.item() == pytest.approx(total, rel=1e-5)


def test_online_equals_bptt_in_one_step():
    net, (x_BI, labels_B) = network(1), samples()
    one, other = (way(net, x_BI, labels_B, as_it_is) for way in (gradients_at_once, gradients_online))
    close(one.gradients, other.gradients)
    close(one.rates, other.rates)


def test_fixed_feedback_equal_to_the_weights_gives_bptt_and_other_feedback_does_not():
    net, (x_BI, labels_B) = network(6), samples()
    true = gradients_at_once(net, x_BI, labels_B, as_it_is).gradients
    same = net._replace(backs=[w.detach().clone() for w in net.weights])
    assert all(map(torch.equal, gradients_at_once(same, x_BI, labels_B, as_it_is).gradients, true))
    random = net._replace(backs=network(6, seed=9).backs)
    other = gradients_at_once(random, x_BI, labels_B, as_it_is).gradients
    assert torch.equal(other[-1], true[-1]) and not torch.allclose(other[0], true[0], rtol=0.1)


def rate_network(n_steps=20, seed=0):
    """Fires at 0.3 of its threshold, and sends 6 a spike."""
    net = network(n_steps, seed)
    return net._replace(decay=0.951, v_th=6.15, fires_at=0.3, amplitude=6.0, fading=True)


def test_rates_have_the_gradient_of_the_clamp_representation():
    """Autograd through clamps, whose values are set to the rates that the spikes have."""
    net, (x_BI, labels_B) = rate_network(), samples()
    rates, a_BI = weighted_rates(net, x_BI), x_BI
    for k, weight in enumerate(net.weights[:-1], 1):
        clamped_BJ = 6.0 * (a_BI @ weight.T / 6.15).clamp(0.0, 1.0)
        a_BI = rates[k] + clamped_BJ - clamped_BJ.detach()
    loss = cross_entropy(a_BI @ net.weights[-1].T, labels_B)
    found = gradients_of_rates(net, x_BI, labels_B, as_it_is)
    assert found.loss.item() == pytest.approx(loss.item(), rel=1e-6)
    close(found.gradients, torch.autograd.grad(loss, net.weights))
    assert all(gradient.abs().max() > 1e-3 for gradient in found.gradients)
    torch.testing.assert_close(scores(net, x_BI)[0], (a_BI @ net.weights[-1].T).detach(), rtol=1e-4, atol=1e-4)


def test_a_rate_is_the_drive_less_what_is_left_in_the_membrane():
    """v_th times the mean spikes = mean drive - u[T] / (sum of the steps' weights), all means fading: exact."""
    net, (x_BI, _) = rate_network(), samples()
    drive_TBJ = (x_BI @ net.weights[0].T).detach().expand(20, -1, -1)
    z_TBJ, u_BJ = spikes(net, drive_TBJ, torch.zeros(6, SIZES[1]))
    weights_T = torch.tensor(step_weights(net))
    mean_BJ = torch.tensordot(weights_T, z_TBJ / 6.0, 1) / weights_T.sum()
    torch.testing.assert_close(6.15 * mean_BJ, drive_TBJ[0] - u_BJ / weights_T.sum(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(weighted_rates(net, x_BI)[1], 6.0 * mean_BJ, rtol=1e-5, atol=1e-5)


def test_the_rate_variant_is_the_published_network():
    """m <- b m + (1 - b) i, threshold 0.3, of which 0.3 is enough to fire, spikes of 0.3 / 0.05 (tau 1, dt 0.05)."""
    learner = dataclasses.replace(named_learner("hlop-dsr"), protection="none")  # HLOP's subspaces are for MNIST
    state = learner.init(TASK.problem, 0)
    net, x_BI = learner.network(state), torch.from_numpy(TASK.test.inputs[:20]) / 0.3
    b, m, rates, total = math.exp(-0.05), [torch.zeros(20, 800), torch.zeros(20, 800)], [0.0, 0.0], 0.0
    for left in range(net.n_steps - 1, -1, -1):
        below, weight = x_BI, math.exp(-0.05 * left)
        for k in range(2):
            m[k] = b * m[k] + (1 - b) * (below @ net.weights[k].detach().T)
            spike = (m[k] >= 0.3 * 0.3).float() * 0.3
            m[k], below = m[k] - spike, spike / 0.05
            rates[k] = rates[k] + weight * below
        total += weight
    for found, expected in zip(weighted_rates(net, x_BI)[1:], rates, strict=True):
        assert expected.max() / total > 0.5
        differs = (found - expected / total).abs() > 1e-3
        assert differs.float().mean() < 1e-3  # a spike at the threshold may fall either way in float32


def test_what_is_learned_from_replaces_the_input_and_nothing_else():
    x, other, weight, back = (torch.randn(2, 3, 4), torch.randn(2, 3, 4), torch.randn(5, 4), torch.randn(5, 4))
    x.requires_grad_(), weight.requires_grad_()
    out = learning_linear(x, other, weight, back)
    error = torch.randn_like(out)
    for_x, for_weight = torch.autograd.grad(out, (x, weight), error)
    torch.testing.assert_close(out, x @ weight.T)
    torch.testing.assert_close(for_x, error @ back)
    torch.testing.assert_close(for_weight, torch.einsum("tbj,tbi->ji", error, other))


def test_products_of_bfloat16_factors_err_as_their_rounding_does():
    """Eight bits: spikes are exact, weights and errors within 2^-9; where potentials come near 1, spikes may differ."""
    net, (x_BI, labels_B) = network(6), samples(60)
    exact = gradients_at_once(net, x_BI, labels_B, as_it_is)
    rough = gradients_at_once(net._replace(products=torch.bfloat16), x_BI, labels_B, as_it_is)
    assert rough.gradients[0].dtype == torch.float32
    for found, expected in zip(rough.gradients, exact.gradients, strict=True):
        assert 0 < (found - expected).norm() < 0.05 * expected.norm()


def test_scores_do_not_depend_on_how_many_samples_come_at_once():
    net, (x_BI, _) = network(6), samples(250)
    whole, spikes_of_all = scores(net, x_BI)
    parts = [scores(net, part) for part in x_BI.split(30)]
    torch.testing.assert_close(whole, torch.cat([part for part, _ in parts]))
    assert spikes_of_all == [sum(each) for each in zip(*(n for _, n in parts), strict=True)]


def test_the_default_membrane_halves_in_a_millisecond():
    learner = SpikingMLP()
    assert learner.network(learner.init(TASK.problem, 0)).decay == pytest.approx(0.5, rel=1e-12)
    assert at_rest(network(3), 2)[0].shape == (2, 9)


@pytest.mark.parametrize(
    ("method", "transport", "kept"),
    [("online", "yes", "no"), ("feedback-alignment", "no", "yes"), ("dsr", "yes", "no")],
)
def test_the_audit_finds_what_other_methods_declare(method, transport, kept):
    batch = Batch(torch.from_numpy(TASK.train.inputs[:64]), torch.from_numpy(TASK.train.labels[:64]))
    found = audit(SpikingMLP(hidden=(50, 50), method=method), TASK.problem, batch)
    assert found.contradictions == []
    assert (found.crossing, found.transport, found.kept_over_time) == ("yes", transport, kept)
