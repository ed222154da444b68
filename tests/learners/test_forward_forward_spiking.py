"""Spiking forward-forward: rates, locality, gradients through a layer's own time."""

import dataclasses

import numpy as np
import torch

from neuro.encode import latency
from neuro.learners.forward_forward_spiking import ForwardForwardSpiking
from neuro.learners.goodness import Objective, goodness, network_loss
from neuro.learners.surrogate import SURROGATES
from tasks import digits

TASK = digits.load()
SMALL = ForwardForwardSpiking(hidden=(12, 8), batch_size=20)


def labels(batch):
    return torch.eye(10)[torch.stack([batch.labels, (batch.labels + 1) % 10])]


def lif_by_hand(drive_TNJ, tau_m, v_th, dt):
    """Spikes and potentials before the reset, in float64."""
    v, spikes, potentials = torch.zeros_like(drive_TNJ[0]), [], []
    for x in drive_TNJ:
        v = v * np.exp(-dt / tau_m) + x
        potentials.append(v)
        spikes.append((v >= v_th).to(v))
        v = torch.where(v >= v_th, torch.zeros_like(v), v)
    return torch.stack(spikes), torch.stack(potentials)


def test_rates_are_those_of_neurons_written_out():
    state = SMALL.init(TASK.problem, 0)
    batch = TASK.train.batch(range(20))
    rates, _ = SMALL._run(state, batch.inputs, labels(batch))
    weights = {name: weight.detach().double() for name, weight in state.weights.items()}
    label_NC = SMALL.label_strength * labels(batch).double().flatten(0, 1)
    drive_NJ = batch.inputs.double().repeat(2, 1) @ weights["input->hidden1"].T + label_NC @ weights["label->hidden1"].T
    drive_TNJ = drive_NJ.expand(TASK.problem.n_steps, -1, -1)
    for k, rate_PBJ in enumerate(rates, 1):
        spikes_TNJ, _ = lif_by_hand(drive_TNJ, SMALL.tau_m, SMALL.v_th, TASK.problem.dt)
        rate_NJ = spikes_TNJ.mean(0)
        # A potential within float32 rounding of the threshold may spike a step earlier or later.
        assert ((rate_PBJ.flatten(0, 1) - rate_NJ).abs() > 1e-6).float().mean() < 0.01
        h_TNJ = spikes_TNJ / (rate_NJ.square().mean(1).sqrt() + 1e-3)[:, None]
        if k < len(rates):
            drive_TNJ = h_TNJ @ weights["hidden1->hidden2"].T


def test_the_gradient_runs_through_the_layers_own_time():
    """dL/dW of layer 1 against the sum over steps of surrogate slopes, decays and inputs, by hand (one neuron)."""
    learner = dataclasses.replace(SMALL, hidden=(1,), loss="symba", sharpness=5.0)
    state = learner.init(TASK.problem, 3)
    batch = TASK.train.batch(range(20))
    rates, _ = learner._run(state, batch.inputs, labels(batch))
    network_loss(Objective("symba", 5.0, 0.0), rates, {}).backward()
    x_NI = batch.inputs.double().repeat(2, 1)
    label_NC = learner.label_strength * labels(batch).double().flatten(0, 1)
    weights = {name: weight.detach().double() for name, weight in state.weights.items()}
    drive_NJ = x_NI @ weights["input->hidden1"].T + label_NC @ weights["label->hidden1"].T
    n_steps, dt = TASK.problem.n_steps, TASK.problem.dt
    spikes_TNJ, v_TNJ = lif_by_hand(drive_NJ.expand(n_steps, -1, -1), learner.tau_m, learner.v_th, dt)
    slope_TN = SURROGATES[learner.surrogate].derivative(v_TNJ - learner.v_th, learner.slope)[:, :, 0]
    trace_N, total_N = torch.zeros(40, dtype=torch.float64), torch.zeros(40, dtype=torch.float64)
    for t in range(n_steps):  # trace: d v(t) / d drive, forgotten at a spike
        trace_N = trace_N * np.exp(-dt / learner.tau_m) + 1.0
        total_N += slope_TN[t] * trace_N
        trace_N = torch.where(spikes_TNJ[t, :, 0] > 0.5, torch.zeros_like(trace_N), trace_N)
    rate_N = spikes_TNJ.mean(0)[:, 0]
    g_true, g_false = rate_N.square().reshape(2, 20)
    pull_B = 5.0 * torch.sigmoid(5.0 * (g_false - g_true)) / 20
    force_N = torch.cat([-pull_B, pull_B]) * 2 * rate_N * total_N / n_steps
    found = state.weights["input->hidden1"].grad
    assert found.abs().max() > 1e-4
    torch.testing.assert_close(found.double(), (force_N @ x_NI)[None], rtol=1e-3, atol=1e-6)


def test_the_loss_of_a_layer_reaches_its_own_weights_alone():
    for k in range(2):
        state = SMALL.init(TASK.problem, 0)
        batch = TASK.train.batch(range(20))
        rates, _ = SMALL._run(state, batch.inputs, labels(batch))
        network_loss(Objective("symba", 50.0, 0.0), rates[k : k + 1], {}).backward()
        assert {n for n, w in state.weights.items() if w.grad is not None} == set(state.layers[k])


def test_label_inference_equals_brute_force():
    state = SMALL.init(TASK.problem, 0)
    inputs = torch.from_numpy(TASK.val.inputs[:15])
    scores_BC = SMALL.predict(state, inputs)
    for label in range(10):
        rates, _ = SMALL._run(state, inputs, torch.eye(10)[torch.full((1, 15), label)])
        expected_B = sum(goodness(rate_PBJ[0]) for rate_PBJ in rates)
        torch.testing.assert_close(scores_BC[:, label], expected_B.detach(), rtol=1e-4, atol=1e-6)


def test_it_learns_from_events():
    """The same digits as spikes, one a pixel: the loss falls, and every weight moves."""
    learner = dataclasses.replace(SMALL, hidden=(60, 40), lr=3e-3)
    state = learner.init(TASK.problem, 0)
    batch = TASK.train.batch(range(60))
    events = batch._replace(inputs=latency(batch.inputs.numpy(), TASK.problem.n_steps * TASK.problem.dt))
    losses = [learner.update(state, events)["loss"] for _ in range(40)]
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    assert learner.predict(state, events.inputs).shape == (60, 10)
