"""A trained network on the chip: what it answers, how rounding is learned through, and the command."""

import json
import sys

import numpy as np
import pytest
import torch

from neuro.backends import simulate, torch_dense
from neuro.backends.job import make_job
from neuro.learners.bptt import BPTT
from neuro.network import Network, Population
from neuro.neurons import izhikevich
from neuro.quantise import LARGEST_V_TH, fine_tune, on_grid, quantise, scores, with_chip_decays
from simulations import cli
from tasks import digits
from tasks.harness import Budget, open_training, train
from tasks.training import Training

LEARNER = BPTT(hidden=(64,))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of some seconds on the digits of scikit-learn."""
    training = Training("digits", "bptt", LEARNER, Budget(samples=12_000, evaluations=1))
    run = open_training(training, "digits_bptt", tmp_path_factory.mktemp("runs"))
    train(run)
    return run


def command(run, *words):
    """What `neuro quantise` writes."""
    sys.argv = ["neuro", "quantise", str(run.path), *words]
    cli.main()
    return json.loads((run.path / "quantised.json").read_text())


def test_eight_bits_keep_accuracy_and_spikes(run):
    found = command(run)
    assert found["test_accuracy"] > 0.9 and abs(found["quantised_test_accuracy"] - found["test_accuracy"]) < 0.01
    # Spikes differ where v comes near the threshold, by less than an error of weights of half a 127th.
    assert found["quantised_spikes_per_sample"] == pytest.approx(found["spikes_per_sample"], rel=0.01)
    assert found["quantised_synaptic_events_per_sample"] == pytest.approx(found["synaptic_events_per_sample"], rel=0.01)
    assert found["saturations"] == 0
    assert [layer["n_clipped"] for layer in found["layers"]] == [0, 0]
    assert found["layers"][0]["voltage_decay"] == round(4096 * (1 - np.exp(-1 / 20.0)))
    assert found["layers"][1]["v_th"] == LARGEST_V_TH


def test_fine_tuning_wins_back_what_two_bits_lose(run):
    rough, tuned = command(run, "--bits", "2"), command(run, "--bits", "2", "--fine-tune", "3000", "--lr", "1e-3")
    lost = rough["test_accuracy"] - rough["quantised_test_accuracy"]
    assert lost > 0.05
    assert tuned["quantised_test_accuracy"] > rough["quantised_test_accuracy"] + 0.5 * lost


@pytest.fixture(scope="module")
def drawn():
    """A network of drawn weights, and the task's problem and samples."""
    task = digits.load()
    return task.problem, LEARNER.init(task.problem, 3).weights, task.train.batch(np.arange(64))


def test_scores_are_those_of_the_same_chip_in_real_numbers(drawn):
    """What is rounded is v, by less than a least bit a step, and what arrives at the hidden layer, by 64 of them."""
    problem, weights, batch = drawn
    duration = problem.n_steps * problem.dt
    chip = quantise(LEARNER.network(problem), weights, {"input": batch.inputs}, duration)
    values = np.rint(batch.inputs.numpy() * 255.0)
    record = simulate(
        chip.net, chip.weights, {"input": values}, duration=duration, backend="torch_dense", record=("readout.v",)
    )
    wanted = record.traces["readout.v"].mean(0).numpy()
    found, counts = scores(chip, batch.inputs, problem)
    # 64 bits in each of some 20 steps are 1 % of the threshold, within which v seldom lies.
    assert counts.spikes == pytest.approx(record.counts.spikes, rel=2e-3) and counts.spikes > 1000
    # The readout, whose arrivals are whole, loses 1 in each of `lost` steps; in other samples a spike moved by a step.
    lost = 4096 / chip.layers[-1].voltage_decay
    assert lost < 1e-3 * np.abs(wanted).mean() and (np.abs(found - wanted) < lost).mean() > 0.6
    assert (found.argmax(1) == wanted.argmax(1)).mean() > 0.98


def test_decays_of_twelve_bits_are_those_of_the_chip(drawn):
    problem, weights, batch = drawn
    chip = quantise(LEARNER.network(problem), weights, {"input": batch.inputs}, 5.0)
    for population in with_chip_decays(LEARNER.network(problem)).populations[1:]:
        kept = float(population.model.coefficients(problem.dt).p_vv)
        assert 4096 * kept == pytest.approx(4096 - chip.layers[0].voltage_decay, abs=1e-9)


def test_fine_tuning_moves_the_real_weights_and_lowers_the_loss(drawn):
    problem, weights, batch = drawn
    before = {name: w.detach().clone() for name, w in weights.items()}
    tuned = fine_tune(LEARNER, problem, weights, [batch] * 30, bits=4, lr=1e-3)
    losses = []
    for these in (before, tuned):
        rounded = {name: torch.from_numpy(on_grid(w.numpy(), 4).mantissas * on_grid(w.numpy(), 4).unit).float()
                   for name, w in these.items()}  # fmt: skip
        job = make_job(
            LEARNER.network(problem), rounded, {"input": batch.inputs}, problem.n_steps * problem.dt,
            record=("readout.v",),
        )  # fmt: skip
        scores_BC = torch_dense.run(job).traces["readout.v"].mean(0)
        losses.append(float(torch.nn.functional.cross_entropy(scores_BC, batch.labels)))
    assert losses[1] < 0.7 * losses[0]
    assert all(torch.equal(before[name], weights[name].detach()) for name in weights)  # what was given stays


def test_what_cannot_be_quantised_is_named(run, capsys, tmp_path):
    net = Network((Population("a", 1, izhikevich.REGULAR_SPIKING),), (), 0.5)
    with pytest.raises(ValueError, match="'a': only lif_delta and leaky_integrator .* got Izhikevich"):
        quantise(net, {}, {}, 10.0)
    for words, message in (
        ((str(tmp_path),), "is no run folder"),
        ((str(run.path), "--bits", "9"), "at most 8"),
    ):
        sys.argv = ["neuro", "quantise", *words]
        with pytest.raises(SystemExit) as stop:
            cli.main()
        assert stop.value.code == 2 and message in capsys.readouterr().err
