"""Tuning: the same number of trials for every learner, kept and repeated after a kill, on the validation split."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from neuro.runs import lock, read_manifest
from simulations import recipes, trainings, tuning
from simulations.recipes import NAMES, named_learner
from tasks import harness
from tasks.harness import Budget, Training

PLAN = tuning.Plan("digits", 4, Budget(samples=600, evaluations=2), processes=1, threads=1)
COMMAND = [sys.executable, "-m", "simulations.cli", "compare", "digits", "--learners", "backprop", "--samples", "8000"]
ENV = os.environ | {"OMP_NUM_THREADS": "1"}


def chosen(*names):
    return {name: named_learner(name) for name in names}


@pytest.mark.parametrize("name", NAMES)
def test_own_settings_lie_within_what_is_searched(name):
    for field, (low, high) in tuning.search_space(named_learner(name)).items():
        assert 0 < low < high and isinstance(getattr(named_learner(name), field), float)


def test_a_range_that_leaves_out_the_own_setting_is_refused(monkeypatch):
    monkeypatch.setitem(recipes.VARIANTS, "backprop-5x256", named_learner("backprop-5x256").__class__(lr=0.5))
    with pytest.raises(ValueError, match="lr = 0.5 lies outside its search range of 0.0001 to 0.01"):
        tuning.search_space(named_learner("backprop-5x256"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed")
    return tuning.tune(chosen("backprop", "backprop-5x256"), PLAN, out), out


def trials(out):
    return sorted(
        (manifest["configuration"]["name"], manifest["configuration"]["learner"]["lr"], manifest["results"])
        for manifest in map(read_manifest, (out / "trials").iterdir())
    )


def values(out):
    return [(name, lr, results["val_accuracy"]) for name, lr, results in trials(out)]


def test_every_learner_gets_the_same_trials_and_the_best_wins(undisturbed):
    found, out = undisturbed
    for name, tuned in found.items():
        own = named_learner(name).lr
        scores = {lr: results["val_accuracy"] for trial, lr, results in trials(out) if trial == name}
        assert len(scores) == tuned.trials == 4 and all(1e-4 <= lr <= 1e-2 for lr in scores)
        assert tuned.own_accuracy == scores[own]
        assert tuned.best_accuracy == max(scores.values()) == scores[tuned.values["lr"]]
    assert all(results["seen"] == 600 for _, _, results in trials(out))
    assert not list(out.glob("trials/*/*.safetensors"))


def test_a_second_call_trains_nothing(undisturbed, monkeypatch):
    found, out = undisturbed
    monkeypatch.setattr(harness, "fit", None)
    assert tuning.tune(chosen("backprop", "backprop-5x256"), PLAN, out) == found


@pytest.mark.parametrize("moments", [(1,), (2,), (3, 4), (8,)])
def test_an_interrupted_trial_is_repeated_with_the_same_values(undisturbed, tmp_path, monkeypatch, moments):
    """What stays behind in the study is what a kill leaves: a trial that runs."""
    fit, calls = harness.fit, []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) in moments:
            raise KeyboardInterrupt
        return fit(*arguments)

    monkeypatch.setattr(harness, "fit", interrupted)
    for _ in moments:
        with pytest.raises(KeyboardInterrupt):
            tuning.tune(chosen("backprop", "backprop-5x256"), PLAN, tmp_path)
    assert tuning.tune(chosen("backprop", "backprop-5x256"), PLAN, tmp_path) == undisturbed[0]
    assert values(tmp_path) == values(undisturbed[1])
    assert len(calls) == 8 + len(moments)


def test_a_trial_that_was_trained_but_not_noted_is_not_trained_again(undisturbed, tmp_path, monkeypatch):
    found, _ = undisturbed
    monkeypatch.setattr(tuning, "train_here", lambda runs: _killed_after_training(runs))
    with pytest.raises(KeyboardInterrupt):
        tuning.tune(chosen("backprop", "backprop-5x256"), PLAN, tmp_path)
    monkeypatch.undo()
    before = [manifest["end"] for manifest in map(read_manifest, (tmp_path / "trials").iterdir())]
    assert tuning.tune(chosen("backprop", "backprop-5x256"), PLAN, tmp_path) == found
    assert len(before) == 1 and before[0] in [read_manifest(run)["end"] for run in (tmp_path / "trials").iterdir()]


def _killed_after_training(runs):
    harness.train(next(runs))
    raise KeyboardInterrupt
    yield


def test_nothing_to_tune_is_no_error(tmp_path, monkeypatch):
    fixed = dataclasses.make_dataclass("Fixed", [("size", int, 3)], frozen=True)
    monkeypatch.setitem(recipes.VARIANTS, "backprop-5x256", fixed())
    assert tuning.tune(chosen("backprop-5x256"), PLAN, tmp_path) == {}


@pytest.mark.parametrize("changed", [{"lr": 2e-3}, {"precision": "bfloat16"}])
def test_other_settings_than_those_tuned_before_are_refused(undisturbed, monkeypatch, changed):
    """Searched or not."""
    learner = dataclasses.replace(named_learner("backprop-5x256"), **changed)
    monkeypatch.setitem(recipes.VARIANTS, "backprop-5x256", learner)
    with pytest.raises(ValueError, match="another --out"):
        tuning.tune(chosen("backprop-5x256"), PLAN, undisturbed[1])


def test_without_optuna_the_error_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ValueError, match=r"neuro\[tune\]"):
        tuning.check_possible(chosen("backprop"))


def start(out, *more):
    return subprocess.Popen(
        [*COMMAND, "--out", str(out), *more], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=ENV
    )


def wait_for(happened, process):
    end = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < end and not happened():
        time.sleep(0.005)
    assert process.poll() is None, "the process must still be at work"


def statuses(folder):
    return sorted(read_manifest(run)["status"] for run in folder.glob("*") if (run / "manifest.json").exists())


@pytest.mark.slow
def test_a_comparison_killed_in_tuning_and_interrupted_in_training_goes_on(tmp_path):
    out = tmp_path / "cmp"
    tune = ("--tune", "3", "--tune-samples", "2000")
    process = start(out, *tune)
    wait_for(lambda: statuses(out / "trials") == ["finished", "running"], process)
    process.kill()
    process.wait()
    process = start(out, *tune)
    wait_for(lambda: list(out.glob("runs/*/checkpoint.safetensors")), process)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    said = process.stderr.read().decode()
    assert said.count("\n") == 1 and f"the same command with --out {out} goes on" in said
    assert statuses(out / "runs") == ["interrupted"]
    process = start(out, *tune)
    assert process.wait(120) == 0, process.stderr.read().decode()
    results = json.loads((out / "results.json").read_text())
    assert statuses(out / "trials") == ["finished"] * 3
    assert results["learners"]["backprop"]["tuning"]["trials"] == 3
    assert results["learners"]["backprop"]["lr"] == results["learners"]["backprop"]["tuning"]["values"]["lr"]
    assert results["rows"][0]["seen"] == 8000


def test_several_processes_tune_at_once_and_each_learner_gets_its_trials(tmp_path):
    plan = PLAN._replace(trials=2, processes=2)
    found = tuning.tune(chosen("backprop"), plan, tmp_path)["backprop"]
    manifests = [read_manifest(run) for run in (tmp_path / "trials").iterdir()]
    assert [manifest["status"] for manifest in manifests] == ["finished"] * 2 and found.trials == 2
    assert len({manifest["process"] for manifest in manifests} | {os.getpid()}) == 3
    assert all(manifest["threads"] == 1 for manifest in manifests)


def test_a_training_ends_with_the_process_that_started_it(tmp_path):
    """That one holds the other end of standard input, which the system closes when it dies, however it dies."""
    long = Training("digits", "backprop", named_learner("backprop"), Budget(samples=10**7, evaluations=10**4))
    run = trainings.run_of(long, tmp_path, "training", threads=1)
    process = trainings._start(run, is_alone=True)
    wait_for(lambda: (run.path / "checkpoint.safetensors").exists(), process)
    process.stdin.close()
    assert process.wait(10) == 1


def test_a_training_that_fails_ends_the_others_and_says_why(tmp_path):
    long = Training("digits", "backprop", named_learner("backprop"), Budget(samples=10**7))
    wrong = dataclasses.replace(long, learner=dataclasses.replace(long.learner, conv=(4,) * 9))
    runs = [trainings.run_of(each, tmp_path, "training", threads=1) for each in (long, wrong)]
    with pytest.raises(ValueError, match="too small for 9 convolutions.*goes on from there"):
        list(trainings.train_each(iter(runs), 2))
    with lock(runs[0]):
        assert runs[0].manifest()["status"] in ("running", "interrupted")
