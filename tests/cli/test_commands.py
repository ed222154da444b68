"""The neuro command: what it prints, and that bad input is one clear line and status 2."""

import dataclasses
import json
import sys

import numpy as np
import pytest

from neuro.backends import BACKENDS
from neuro.neurons import NEURONS
from neuro.plasticity import RULES
from neuro.runs import open_run
from simulations import SIMULATIONS, cli, recipes, report
from simulations.compare import in_precision
from simulations.recipes import NAMES, training
from tasks import TASKS
from tasks.harness import Budget, from_json


def neuro(monkeypatch, *words):
    """Run the command in this process; returns its status."""
    monkeypatch.setattr(sys, "argv", ["neuro", *map(str, words)])
    try:
        cli.main()
    except SystemExit as stop:
        return stop.code or 0
    return 0


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEURO_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("tasks.mnist.MIRRORS", ("http://127.0.0.1:9/",))


BAD = [
    (["compare", "mnst"], "did you mean 'mnist'"),
    (["compare", "digits", "--learners", "bppt"], "did you mean 'bptt'"),
    (["compare", "digits", "--learners", "backprop-5x25"], "did you mean 'backprop-5x256'"),
    (["compare", "digits", "--tune", "0"], "above 0"),
    (["compare", "digits", "--tune", "-3"], "above 0"),
    (["compare", "digits", "--tune-samples", "500"], "needs --tune N"),
    (["compare", "digits", "--tune", "3", "--tune-samples", "90000000"], "give less"),
    (["compare", "digits", "--patience", "-1"], "at least 0"),
    (["compare", "digits", "--augment", "shif"], "did you mean 'shift'"),
    (["compare", "digits", "--processes", "0"], "above 0"),
    (["compare", "digits", "--processes", "10000"], "give at most"),
    (["compare", "digits", "--seeds", "0"], "above 0"),
    (["compare", "digits", "--seeds-within", "0"], "above 0"),
    (["compare", "digits", "--samples", "-5"], "above 0"),
    (["compare", "digits", "--smples", "5"], "did you mean '--samples'"),
    (["compare", "digits", "--publish", "../x"], "letters, digits"),
    (["compare", "mnist"], "neuro data get mnist"),
    (["train", "digits_bpt"], "did you mean 'digits_bptt'"),
    (["train", "digits_backprop_5x25"], "did you mean 'digits_backprop_5x256'"),
    (["train", "digits_bptt", "--budget.patience", "-1"], "at least 0"),
    (["train", "digits_bptt", "--learner.lrr", "1"], "did you mean '--learner.lr'"),
    (["train", "digits_bptt", "--learner.lr", "abc"], "--learner.lr"),
    (["train", "digits_bptt", "--learner.lr", "-1"], "above 0"),
    (["train", "digits_bptt", "--learner.lr", "nan"], "not finite"),
    (["train", "digits_bptt", "--learner.surrogate", "atn"], "did you mean 'atan'"),
    (["train", "digits_bptt", "--seed", "-3"], "at least 0"),
    (["train"], "needs a recipe"),
    (["simulate", "lif_fi_curv"], "did you mean 'lif_fi_curve'"),
    (["simulate", "lif_fi_curve", "--backend", "brain"], "did you mean 'brian'"),
    (["simulate", "lif_fi_curve", "--duration", "-1"], "duration"),
    (["simulate", "lif_fi_curve", "--duration", "inf"], "not finite"),
    (["plot", "nowhere"], "does not exist"),
    (["resume", "nowhere"], "does not exist"),
    (["data", "get", "mnis"], "did you mean 'mnist'"),
    (["data", "fetch"], "neuro data --help"),
    (["list", "all"], "neuro list --help"),
    (["cmpare"], "did you mean 'compare'"),
]


@pytest.mark.parametrize(("words", "remedy"), BAD, ids=[" ".join(words) for words, _ in BAD])
def test_bad_input_is_one_line_with_a_remedy_and_status_2(monkeypatch, capsys, tmp_path, words, remedy):
    assert neuro(monkeypatch, *words) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and remedy in said
    assert not (tmp_path / "runs").exists(), "bad input must leave nothing behind"


def test_help_shows_every_hyper_parameter_with_unit_and_meaning(monkeypatch, capsys):
    assert neuro(monkeypatch, "train", "digits_bptt", "--help") == 0
    text = " ".join(capsys.readouterr().out.split())
    for part in ("--learner.tau-m", "membrane time constant", "[ms]", "--learner.lr", "--budget.samples", "--seed"):
        assert part in text


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("quantise", "--bits"),
        ("convert", "--steps"),
        ("export", "--units"),
        ("import", "--task"),
        ("encode-audio", "--seed"),
    ],
)
def test_options_are_shown_before_a_run_or_file_is_named(monkeypatch, capsys, command, option):
    assert neuro(monkeypatch, command, "--help") == 0
    assert option in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["--help"], *([command, "--help"] for command in cli.COMMANDS)])
def test_every_command_has_help(monkeypatch, capsys, words):
    assert neuro(monkeypatch, *words) == 0
    assert "usage: neuro" in capsys.readouterr().out


def test_list_names_everything_that_is_registered(monkeypatch, capsys):
    assert neuro(monkeypatch, "list") == 0
    text = capsys.readouterr().out
    for name in (*TASKS, *NAMES, *NEURONS, *RULES, *BACKENDS, *SIMULATIONS, "mnist_bptt"):
        assert name in text


def test_compare_writes_its_results_and_goes_on_with_the_same_folder(monkeypatch, capsys, tmp_path):
    words = ["compare", "digits", "--learners", "counter-current", "--samples", 3000, "--out", "cmp"]
    assert neuro(monkeypatch, *words) == 0
    first = json.loads((tmp_path / "cmp" / "results.json").read_text())
    (row,) = first["rows"]
    keys = """learner seed test_accuracy val_accuracy seen answers_seen train_s waited_s samples_per_s peak_mb
        architecture n_weights spikes_per_sample synaptic_events_per_sample energy training_j_per_sample training_j
        inference_j_per_sample inference_j uses threads run footprint_bytes connection_sparsity activation_sparsity
        macs_per_sample acs_per_sample loihi_j_per_sample"""
    assert set(keys.split()) == set(row)
    assert (row["seen"], row["answers_seen"], row["architecture"]) == (3000, 3000, "64-5x256-10")
    dense_macs = 64 * 256 + 4 * 256 * 256 + 256 * 10  # no input of theirs is exactly zero
    assert row["inference_j_per_sample"] == pytest.approx(dense_macs * 4.6e-12) and row["energy"] == "estimated"
    assert row["n_weights"] == 2 * (64 * 256 + 4 * 256 * 256 + 256 * 10)
    assert (tmp_path / "cmp" / row["run"] / "manifest.json").exists()
    report = (tmp_path / "cmp" / "report.html").read_text()
    assert "counter-current" in report and report.count("data:image/png;base64,") == 2 and 'src="http' not in report
    assert neuro(monkeypatch, *words, "--seeds", 2, "--publish", "small") == 0
    second = json.loads((tmp_path / "cmp" / "results.json").read_text())
    assert second["rows"][0] == row and [r["seed"] for r in second["rows"]] == [0, 1]
    published = (tmp_path / "docs" / "results" / "small.md").read_text()
    assert "neuro compare digits" in published and "counter-current" in published
    public = json.loads((tmp_path / "docs" / "results" / "small.json").read_text())
    assert public.pop("command").startswith("neuro compare digits") and "--out" not in published and public == second
    for part in (second["data"]["checksum"], "loss_scale=128.0", "Seeds: [0, 1]", "torch 2", "estimated"):
        assert part in published
    assert "One seed where" not in published
    assert neuro(monkeypatch, *words, "--seeds", 2, "--seeds-within", 1e-9) == 0
    third = json.loads((tmp_path / "cmp" / "results.json").read_text())
    assert third["rows"] == [row] and "took more than 1e-09 minutes" in (tmp_path / "cmp" / "report.html").read_text()
    assert neuro(monkeypatch, *words[:-4], "--samples", 4000, "--out", "cmp") == 2
    assert "another --out" in capsys.readouterr().err


def test_a_variant_stands_wherever_a_learner_does(monkeypatch, capsys, tmp_path):
    assert neuro(monkeypatch, "train", "digits_backprop_5x256", "--budget.samples", 500, "--out", "runs") == 0
    (run,) = (tmp_path / "runs").iterdir()
    configuration = json.loads((run / "manifest.json").read_text())["configuration"]
    assert configuration["name"] == "backprop-5x256"
    assert from_json(configuration) == dataclasses.replace(
        training("digits", "backprop-5x256"), budget=Budget(samples=500, evaluations=15)
    )
    words = ["--learners", "backprop-5x256", "--samples", 500, "--patience", 2, "--augment", "shift", "--out", "cmp"]
    assert neuro(monkeypatch, "compare", "digits", *words) == 0
    results = json.loads((tmp_path / "cmp" / "results.json").read_text())
    assert [row["learner"] for row in results["rows"]] == list(results["learners"]) == ["backprop-5x256"]
    assert results["learners"]["backprop-5x256"]["kind"] == "backprop" and results["budget"]["patience"] == 2
    report = (tmp_path / "cmp" / "report.html").read_text()
    assert "activation=&#x27;elu&#x27;" in report and "samples are altered: shift" in report


def test_the_precision_of_products_is_that_of_all_learners_that_have_one():
    named = {name: recipes.named_learner(name) for name in recipes.NAMES}
    assert all(in_precision(learner, "own") is learner for learner in named.values())
    found = {name: in_precision(learner, "bfloat16") for name, learner in named.items()}
    assert {type(found[name]) for name in named} == {type(learner) for learner in named.values()}
    assert found["hlop"] == dataclasses.replace(named["hlop"], precision="bfloat16") != named["hlop"]
    assert found["mono-forward"] == named["mono-forward"]


def test_the_report_of_twenty_learners_keeps_its_width(tmp_path):
    """Twenty curves that differ in colour or line, and confusions in rows of five."""
    run = tmp_path / "run"
    run.mkdir()
    manifest = {"name": "r", "status": "finished", "configuration": {}}
    manifest["results"] = {"confusion": np.eye(10, dtype=int).tolist()}
    (run / "manifest.json").write_text(json.dumps(manifest))
    (run / "metrics.jsonl").write_text('{"split": "val", "seen": 1, "train_s": 1.0, "accuracy": 0.5}\n')
    rows = [{"learner": f"learner-{k}", "seed": 0, "run": "run", "threads": 1} for k in range(20)]
    results = {"task": "digits", "rows": rows, "hardware": {"processor": "a processor"}}
    for ax in report.learning_curves(results, tmp_path).axes:
        assert len({(line.get_color(), line.get_linestyle()) for line in ax.lines}) == 20
    figure = report.confusions(results, tmp_path)
    assert len(figure.axes) == 20 and figure.axes[0].get_gridspec().ncols == 5


def test_an_interrupted_simulation_promises_no_resuming(monkeypatch, capsys):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("simulations.run.run_simulation", interrupted)
    assert neuro(monkeypatch, "simulate", "stdp_window") == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_simulate_then_plot(monkeypatch, capsys, tmp_path):
    assert neuro(monkeypatch, "simulate", "stdp_window", "--out", "sims") == 0
    (run,) = (tmp_path / "sims").iterdir()
    assert neuro(monkeypatch, "plot", run) == 0
    assert (run / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_plot_of_a_run_without_data_says_so(monkeypatch, capsys, tmp_path):
    run = open_run(tmp_path, "stdp_window", {})
    run.finish("failed")
    assert neuro(monkeypatch, "plot", run.path) == 2
    assert "run it again" in capsys.readouterr().err
    assert np.size(list(run.path.glob("*.png"))) == 0
