"""`neuro compare` on a sequence of tasks: what plain backpropagation forgets, and that the report says so."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from matplotlib.figure import Figure

from neuro.runs import read_metrics
from simulations import cli, continual_report, tables
from tasks.continual_metrics import summary

NEURO = [sys.executable, "-m", "simulations.cli"]
ENV = os.environ | {"OMP_NUM_THREADS": "1"}


def neuro(monkeypatch, *words):
    """Run the command in this process; returns its status."""
    monkeypatch.setattr(sys, "argv", ["neuro", *map(str, words)])
    try:
        cli.main()
    except SystemExit as stop:
        return stop.code or 0
    return 0


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Backpropagation on five tasks of two digits, with the task's own budget, published."""
    folder = tmp_path_factory.mktemp("compared")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        words = ["compare", "split-digits", "--learners", "backprop", "--out", "cmp", "--publish", "split"]
        assert neuro(patch, *words) == 0
    return folder


@pytest.fixture(scope="module")
def results(compared):
    return json.loads((compared / "cmp" / "results.json").read_text())


def test_plain_backpropagation_forgets_all_but_the_last_task(results):
    """Class-incremental, without protection: only the classes seen last are ever answered (about 1 / 5 of all)."""
    (row,) = results["rows"]
    assert row["test_accuracy"] == row["average_accuracy"] == pytest.approx(0.2, abs=0.02)
    assert row["learning_accuracy"] > 0.95 and row["backward_transfer"] < -0.9 and row["forgetting"] > 0.9
    matrix = np.array(row["accuracy_matrix"])
    assert matrix.shape == (5, 5) and np.all(np.diagonal(matrix) > 0.9)
    assert np.all(matrix[np.triu_indices(5, 1)] == 0), "a class that was never shown is not answered"
    found = summary(matrix, np.array(row["accuracies_before"]))
    assert {key: row[key] for key in found} == found


def test_all_tasks_at_once_are_no_trouble(results, monkeypatch, tmp_path):
    """The same samples and learner on all ten digits together: the upper bound, far above the sequence."""
    monkeypatch.chdir(tmp_path)
    n = results["budget"]["samples"]
    assert neuro(monkeypatch, "train", "digits_backprop", "--budget.samples", n, "--out", "runs") == 0
    (run,) = (tmp_path / "runs").iterdir()
    joint = json.loads((run / "manifest.json").read_text())["results"]["test_accuracy"]
    (row,) = results["rows"]
    assert row["average_accuracy"] + 0.5 < joint <= 1.0 and joint > 0.95


def test_the_table_names_the_measures(results):
    drawn = tables.tables(results)
    assert list(drawn) == ["Result", "Learners", "Cost", "NeuroBench", "What a learner needs, measured"]
    columns = dict(zip(*drawn["Result"], strict=True))
    (row,) = results["rows"]
    for title, key in (
        ("average accuracy, %", "average_accuracy"),
        ("backward transfer, %", "backward_transfer"),
        ("forward transfer, %", "forward_transfer"),
        ("forgetting, %", "forgetting"),
        ("learning accuracy, %", "learning_accuracy"),
    ):
        assert columns[title] == f"{100 * row[key]:.2f}"
    assert "training, s" in columns and "peak memory, MB" in columns
    text = " ".join(tables.notes(results))
    assert "5 tasks, class-incremental" in text and "read once" not in text and "lopezpaz2017" in text


def test_the_report_shows_the_matrix_and_the_curves_of_each_task(compared):
    report = (compared / "cmp" / "report.html").read_text()
    assert report.count("data:image/png;base64,") == 4 and 'src="http' not in report
    assert "Accuracy matrices" in report and "Learning curves of each task" in report
    published = compared / "docs" / "results"
    for suffix in (".png", "_matrices.png", "_tasks.png"):
        assert (published / f"split{suffix}").read_bytes().startswith(b"\x89PNG")
        assert f"(split{suffix})" in (published / "split.md").read_text()
    assert "backward transfer, %" in (published / "split.md").read_text()


def test_the_matrix_is_drawn_as_it_is():
    percent = np.array([[10.0, 20.0], [100.0, 30.0], [60.0, 90.0]])
    ax = Figure().subplots()
    continual_report.draw_matrix(ax, percent)
    np.testing.assert_array_equal(ax.images[0].get_array(), percent)
    assert [text.get_text() for text in ax.texts] == ["10", "20", "100", "30", "60", "90"]
    frames = [(patch.get_x() + 0.5, patch.get_y() + 0.5) for patch in ax.patches]
    assert frames == [(0, 1), (1, 2)], "each task just after it was learned"
    assert ax.get_xlabel() == "tested on task (index)" and ax.get_ylabel() == "learned up to task (index)"


def test_curves_of_a_task_begin_with_it_and_go_on_to_the_end(compared, results):
    figure = continual_report.task_curves(results, compared / "cmp")
    (row,) = results["rows"]
    rows = read_metrics(compared / "cmp" / row["run"])
    tested = [line for line in figure.axes[0].lines if line.get_linestyle() == "-"]
    matrix = 100 * np.array(row["accuracy_matrix"])
    for k, line in enumerate(tested):
        np.testing.assert_allclose(line.get_ydata(), matrix[k:, k])
    ends = [row["seen"] for row in rows if row["split"] in ("stage", "test")]
    np.testing.assert_array_equal(tested[0].get_xdata(), ends)
    assert all(ax.get_xlabel().endswith(")") and ax.get_ylabel().endswith(")") for ax in figure.axes)


def test_early_stopping_of_a_sequence_is_refused_before_anything_is_written(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert neuro(monkeypatch, "compare", "split-digits", "--learners", "backprop", "--patience", 2) == 2
    assert "give patience 0" in capsys.readouterr().err and not (tmp_path / "runs").exists()


RECIPE = ["train", "permuted_digits_counter_current", "--budget.samples", "30000", "--seed", "5"]


def _started(arguments):
    return subprocess.Popen([*NEURO, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENV)


def _end_state(run):
    from safetensors.numpy import load_file

    tensors = {name: value.tobytes() for name, value in load_file(run / "checkpoint.safetensors").items()}
    rows = [{k: v for k, v in row.items() if k != "train_s"} for row in read_metrics(run)]
    return tensors, rows


@pytest.mark.slow  # three processes; tests/tasks/test_sequence.py interrupts in this one
def test_sigkill_within_a_task_and_resume_give_the_same_bits(tmp_path):
    process = _started([*RECIPE, "--budget.evaluations", "50", "--out", str(tmp_path / "whole")])
    assert process.wait(120) == 0, process.stderr.read().decode()
    (whole,) = (tmp_path / "whole").iterdir()
    process = _started([*RECIPE, "--budget.evaluations", "50", "--out", str(tmp_path / "killed")])
    metrics = None
    while process.poll() is None and (metrics is None or metrics.read_text().count('"val"') < 15):  # in the second task
        metrics = next(iter((tmp_path / "killed").glob("*/metrics.jsonl")), None)
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    (run,) = (tmp_path / "killed").iterdir()
    assert json.loads((run / "manifest.json").read_text())["status"] == "running", "it was killed before its end"
    process = _started(["resume", str(run)])
    assert process.wait(120) == 0, process.stderr.read().decode()
    assert _end_state(run) == _end_state(whole)
