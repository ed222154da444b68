"""Rates of a converted network against the activities that they stand for, and the command."""

import json
import sys

import numpy as np
import pytest
import torch

from neuro.conversion import convert, run, scores
from neuro.learners.backprop import Backprop
from neuro.learners.bptt import BPTT
from simulations import cli
from tasks import digits
from tasks.harness import Budget, open_training, train
from tasks.training import Training

TASK = digits.load()
BATCH = TASK.train.batch(np.arange(40)).inputs
MLP, CNN = Backprop(hidden=(30, 20)), Backprop(conv=(4, 6), stride=2, pool=1, hidden=(12,))


def trained(learner):
    """A little, so that activities differ; in float64."""
    state = learner.init(TASK.problem, 0)
    for first in range(0, 1000, 100):
        learner.update(state, TASK.train.batch(np.arange(first, first + 100)))
    return state


def exact(learner, state, inputs):
    """Activities of the first layer and scores in float64, by torch alone."""
    x = (inputs.double().flatten(1) - TASK.problem.input_mean) / TASK.problem.input_std
    weights = [state.weights[name].detach().double() for names in state.layers for name in names]
    first, a = None, x.reshape(-1, 1, 8, 8) if learner.conv else x
    for k in range(0, len(weights), 2):
        w, b = weights[k : k + 2]
        a = torch.conv2d(a, w, b, 2, 1) if w.ndim == 4 else a.flatten(1) @ w.T + b
        a = torch.relu(a) if k < len(weights) - 2 else a
        first = a if first is None else first
    return first.flatten(1), a


@pytest.mark.parametrize("learner", [MLP, CNN], ids=["dense", "convolutions"])
def test_rates_of_the_first_layer_are_within_one_spike(learner):
    """v stays between 0 and the threshold where 0 <= a <= lambda, so that T a / lambda and the spikes differ by < 1."""
    state = trained(learner)
    converted = convert(learner, state, BATCH, dtype=np.float64)
    first, _ = exact(learner, state, BATCH)
    for n_steps in (10, 100):
        record = run(converted, TASK.problem, BATCH.double(), n_steps, ("hidden1.output",), "torch_dense")
        rates = record.traces["hidden1.output"].mean(0)
        error = (rates - torch.clamp(first / converted.scales[0], max=1.0)).abs()
        assert error.max() < (1.0 + 1e-4) / n_steps  # the standardised inputs agree to float64
    assert (first > converted.scales[0]).any() and (rates > 0).any()


@pytest.mark.parametrize("learner", [MLP, CNN], ids=["dense", "convolutions"])
def test_the_error_of_scores_falls_with_the_number_of_steps(learner):
    """With scales of the largest activity nothing saturates, and the error is like 1 / T: slope -1 in logarithms."""
    state = trained(learner)
    converted = convert(learner, state, BATCH, percentile=100.0, dtype=np.float64)
    _, wanted = exact(learner, state, BATCH)
    found_TBC, _ = scores(converted, TASK.problem, BATCH.double(), 1024)
    times = np.array([16, 32, 64, 128, 256, 512, 1024])
    errors = np.array([float((found_TBC[t - 1] - wanted).square().mean().sqrt()) for t in times])
    slope = np.polyfit(np.log(times), np.log(errors), 1)[0]
    assert -1.15 < slope < -0.85
    assert errors[-1] < 0.02 * float(wanted.std())


def test_a_lower_percentile_makes_rates_higher():
    state = trained(MLP)
    low, high = (convert(MLP, state, BATCH, percentile) for percentile in (90.0, 100.0))
    spikes = [scores(each, TASK.problem, BATCH, 50)[1].spikes for each in (low, high)]
    assert low.scales < high.scales and spikes[0] > 1.2 * spikes[1]


def test_the_event_backend_gives_the_same_scores():
    state = trained(CNN)
    converted = convert(CNN, state, BATCH, dtype=np.float64)
    dense, events = (scores(converted, TASK.problem, BATCH[:5].double(), 30, name) for name in ("torch_dense", "event"))
    np.testing.assert_allclose(events[0], dense[0], atol=1e-9)
    assert events[1].spikes == dense[1].spikes > 100


def test_the_command_writes_accuracy_against_steps(tmp_path, monkeypatch, capsys):
    training = Training("digits", "backprop", Backprop(hidden=(64,), lr=5e-3), Budget(samples=12_000, evaluations=1))
    done = open_training(training, "digits_backprop", tmp_path)
    train(done)
    monkeypatch.setattr(sys, "argv", ["neuro", "convert", str(done.path), "--steps", "100"])
    cli.main()
    found = json.loads((done.path / "converted.json").read_text())
    after = {int(steps): accuracy for steps, accuracy in found["accuracy_after"].items()}
    assert list(after) == [1, 2, 4, 8, 16, 32, 64, 100]
    assert found["test_accuracy"] > 0.9 and abs(after[100] - found["test_accuracy"]) < 0.01
    assert after[1] < after[8] < after[64] + 0.005
    assert "100 steps" in capsys.readouterr().out


def test_what_cannot_be_converted_is_named():
    for learner, message in (
        (Backprop(hidden=(5,), activation="tanh"), "activation 'tanh' is no rate of spikes"),
        (Backprop(conv=(4,), hidden=()), "max pooling by 2 px has no spiking counterpart"),
    ):
        with pytest.raises(ValueError, match=message):
            convert(learner, learner.init(TASK.problem, 0), BATCH)
    with pytest.raises(ValueError, match="percentile = 0.0 must be above 0"):
        convert(MLP, MLP.init(TASK.problem, 0), BATCH, percentile=0.0)


def test_other_trainings_are_refused(tmp_path, monkeypatch, capsys):
    training = Training("digits", "bptt", BPTT(hidden=(8,)), Budget(samples=100, evaluations=1))
    done = open_training(training, "digits_bptt", tmp_path)
    train(done)
    monkeypatch.setattr(sys, "argv", ["neuro", "convert", str(done.path)])
    with pytest.raises(SystemExit):
        cli.main()
    assert "only networks of backprop are converted" in capsys.readouterr().err
