"""neuro export and neuro import: a trained network goes out and comes back with the same answers."""

import re

import numpy as np
import pytest

from neuro.learners.backprop import Backprop
from neuro.learners.bptt import BPTT
from neuro.learners.recurrent_bptt import RecurrentBPTT
from simulations import cli, exchange
from tasks import digits
from tasks.harness import Budget, Training, open_training, train


def neuro(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["neuro", *map(str, words)])
    try:
        cli.main()
    except SystemExit as stop:
        return stop.code or 0
    return 0


def trained(learner, folder):
    made = open_training(Training("digits", "net", learner, Budget(samples=4000, evaluations=1)), "net", folder)
    train(made)
    return made


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(BPTT(hidden=(32,), tau_m=5.0), tmp_path_factory.mktemp("runs"))


@pytest.mark.parametrize("is_recurrent", [False, True])
def test_a_trained_network_comes_back_with_the_same_accuracy(run, is_recurrent, tmp_path, monkeypatch, capsys):
    if is_recurrent:
        run = trained(RecurrentBPTT(hidden=(32,), tau_m=5.0), tmp_path / "runs")
    assert neuro(monkeypatch, "export", run.path, tmp_path / "net.nir") == 0
    assert f"{8 if is_recurrent else 6} nodes" in capsys.readouterr().out
    n_test = len(digits.load().test.labels)
    assert neuro(monkeypatch, "import", tmp_path / "net.nir", "--task", "digits", "--samples", n_test) == 0
    said = capsys.readouterr().out
    assert "hidden0" in said and "LIFDelta" in said
    found = float(re.search(r"accuracy on \d+ test samples of digits: ([\d.]+) %", said)[1])
    assert found == pytest.approx(100 * run.manifest()["results"]["test_accuracy"], abs=0.01)


def test_scores_are_those_of_the_learner(run, tmp_path):
    from neuro.interop.nir import read_nir
    from tasks.checkpoint import load_tensors

    exchange.export_run(str(run.path), tmp_path / "net.nir", exchange.Export())
    imported = read_nir(tmp_path / "net.nir")
    task, learner = digits.load(), BPTT(hidden=(32,), tau_m=5.0)
    state = learner.init(task.problem._replace(samples=4000), 0)
    load_tensors(run.path / "checkpoint.safetensors", state)
    inputs = task.test.batch(np.arange(50)).inputs
    wanted = learner.predict(state, inputs).numpy()
    found = exchange.scores(imported, "input", "readout", inputs, task.problem.n_steps * task.problem.dt)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)  # float32, summed in another order


def test_a_learner_without_a_spiking_network_is_refused(tmp_path, monkeypatch, capsys):
    run = trained(Backprop(hidden=(8,)), tmp_path / "runs")
    assert neuro(monkeypatch, "export", run.path, tmp_path / "net.nir") == 2
    assert "no spiking network" in capsys.readouterr().err


BAD = [
    (["import"], "needs a file"),
    (["import", "nothing.nir"], "nothing.nir is no file"),
    (["import", "x.nir", "--spikes", "impuls"], "impuls"),
    (["import", "x.nir", "--samples", "0"], "above 0"),
    (["export", "nowhere"], "needs a file"),
    (["export", "nowhere", "net.nir"], "does not exist"),
]


@pytest.mark.parametrize(("words", "remedy"), BAD, ids=[" ".join(words) for words, _ in BAD])
def test_bad_input_is_one_line_with_a_remedy(monkeypatch, capsys, tmp_path, words, remedy):
    monkeypatch.chdir(tmp_path)
    assert neuro(monkeypatch, *words) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and remedy in said


def test_a_task_of_another_size_is_refused(run, tmp_path, monkeypatch, capsys):
    neuro(monkeypatch, "export", run.path, tmp_path / "net.nir")
    assert neuro(monkeypatch, "import", tmp_path / "net.nir", "--task", "digit") == 2
    assert "did you mean 'digits'" in capsys.readouterr().err
