"""NeuroBench's metrics against counts by hand, and the price of an inference on Loihi."""

import numpy as np
import pytest
import torch

from neuro.learners.backprop import Backprop
from neuro.learners.bptt import BPTT
from neuro.learners.eprop import EProp
from neuro.learners.stdp_wta import STDPWinnerTakeAll
from tasks import digits, energy
from tasks.metrics import evaluate
from tasks.neurobench import neurobench

TASK = digits.load()
N = 50


def metrics(learner, state):
    """Of the first test samples, all of which are watched."""
    split = TASK.test._replace(inputs=TASK.test.inputs[:N], labels=TASK.test.labels[:N])
    watched = energy.watch(learner, state, split.batch(np.arange(N)))
    found = evaluate(learner, state, split)
    return neurobench(state, watched, found), found, split.batch(np.arange(N)).inputs


def test_a_dense_network_by_hand():
    """Backprop 64-20-15-10: its hidden activities are computed again, and every operation follows from them."""
    learner = Backprop(hidden=(20, 15))
    state = learner.init(TASK.problem, 1)
    with torch.no_grad():
        state.weights["layer_2"][:5] = 0.0
    found, _, inputs = metrics(learner, state)
    weights = [(state.weights[f"layer_{k}"].detach(), state.weights[f"bias_{k}"].detach()) for k in (1, 2, 3)]
    x = (inputs.flatten(1) - TASK.problem.input_mean) / TASK.problem.input_std
    a = torch.relu(x @ weights[0][0].T + weights[0][1])
    b = torch.relu(a @ weights[1][0].T + weights[1][1])
    n_weights, n_biases = 64 * 20 + 20 * 15 + 15 * 10, 20 + 15 + 10
    assert found["footprint_bytes"] == 4 * (n_weights + n_biases)
    assert found["connection_sparsity"] == 5 * 20 / n_weights
    n_active = int((a != 0).sum()) + int((b != 0).sum())
    assert found["activation_sparsity"] == pytest.approx(1 - n_active / (N * 35))
    macs = (int((x != 0).sum()) * 20 + int((a != 0).sum()) * 15 + int((b != 0).sum()) * 10) / N
    assert found["macs_per_sample"] == pytest.approx(macs) and found["acs_per_sample"] == 0
    assert found["loihi_j_per_sample"] is None


def test_a_spiking_network_by_hand():
    """BPTT 64-20-10 on direct current: the image is multiplied in every step, spikes are only added."""
    learner = BPTT(hidden=(20,))
    state = learner.init(TASK.problem, 0)
    found, seen, inputs = metrics(learner, state)
    n_steps, spikes = TASK.problem.n_steps, seen.spikes_per_sample
    assert spikes > 1
    assert found["activation_sparsity"] == pytest.approx(1 - spikes / (20 * n_steps))
    assert found["acs_per_sample"] == pytest.approx(10 * spikes)
    assert found["macs_per_sample"] == pytest.approx(float((inputs != 0).sum()) / N * 20 * n_steps)
    synapses = (found["macs_per_sample"] + found["acs_per_sample"]) * 23.6e-12  # davies2018, table 2
    neurons = spikes * 81e-12 + ((20 + 10) * n_steps - spikes) * 52e-12
    assert found["loihi_j_per_sample"] == pytest.approx(synapses + neurons + spikes * 1.7e-12)


def test_recurrent_spikes_count_once_as_activations():
    learner = EProp(hidden=12)
    state = learner.init(TASK.problem, 0)
    found, seen, _ = metrics(learner, state)
    assert found["activation_sparsity"] == pytest.approx(1 - seen.spikes_per_sample / (12 * TASK.problem.n_steps))
    assert found["macs_per_sample"] + found["acs_per_sample"] == pytest.approx(seen.synaptic_events_per_sample)


def test_what_is_not_seen_is_not_made_up():
    """The steps of winner-take-all networks are a kernel's own."""
    learner = STDPWinnerTakeAll(hidden=20, batch_size=8)
    found, seen, _ = metrics(learner, learner.init(TASK.problem, 0))
    assert found["activation_sparsity"] is None and found["loihi_j_per_sample"] is None
    assert found["macs_per_sample"] == 0 and found["acs_per_sample"] == seen.synaptic_events_per_sample > 0


def test_additions_of_other_samples_are_the_same_part_of_their_events():
    seen = energy.Inference(spike_sums=30.0, events=120.0, units=0.0, active=0.0, updates=0.0)
    assert seen.sums_among(400.0) == 100.0
    assert seen._replace(events=0.0).sums_among(400.0) == 0.0


def test_prices_of_loihi_add_up():
    assert energy.loihi_j(1000, 10, 500) == pytest.approx(23.6e-9 + 10 * 81e-12 + 490 * 52e-12 + 10 * 1.7e-12)
