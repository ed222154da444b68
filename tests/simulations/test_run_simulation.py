"""A simulation becomes a run folder, closed with a status, and its figure draws the numbers in it."""

import functools
import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from figures import FIGURES, learning_curves, style
from neuro.references import REFERENCES
from neuro.runs import RunError, open_run, read_manifest, read_record
from simulations import SIMULATIONS
from simulations.run import run_simulation

# Recipes that take less than a second once compiled.
SHORT = {
    "astrocyte_calcium": {"duration": 120_000.0, "step": 10.0, "n_drives": 5},
    "brunel": {"scale": 0.1, "duration": 700.0},
    "coba": {"duration": 400.0},
    "cortical_microcircuit": {"scale": 0.01, "duration": 200.0, "settle": 50.0},
    "counter_current_autoencoder": {"samples": 1000, "points": 4},
    "cuba": {"duration": 400.0},
    "event_frames": {"images": "digits", "number": 7},
    "izhikevich_network": {"duration": 1200.0},
    "izhikevich_patterns": {"duration": 160.0},
    "lif_fi_curve": {"duration": 200.0, "n_currents": 21},
    "polychronization": {"duration": 4000.0, "every": 2000.0, "mothers": 20},
    "saccades": {"images": "digits", "number": 7},
    "song_abbott": {"duration": 4000.0, "every": 500.0},
    "stdp_window": {"spacing": 20.0},
    "tripartite_synapse": {"duration": 40_000.0, "synapses": 10},
    "update_cost": {"size": 200, "n_drives": 2, "duration": 100.0, "settle": 50.0, "repeats": 1},
}


def run_short(name, out):
    recipe = importlib.import_module(SIMULATIONS[name]).Recipe(**SHORT[name])
    return run_simulation(name, recipe, out)


@pytest.fixture(scope="module")
def run_of(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    return functools.cache(lambda name: run_short(name, out).path)


@pytest.mark.parametrize("name", SIMULATIONS)
def test_run_holds_configuration_references_and_record(name, run_of):
    manifest = read_manifest(run_of(name))
    assert manifest["status"] == "finished" and manifest["end"] >= manifest["start"]
    assert manifest["configuration"]["simulation"] == name
    assert SHORT[name].items() <= manifest["configuration"].items()
    assert manifest["references"] and set(manifest["references"]) <= set(REFERENCES)
    module = importlib.import_module(SIMULATIONS[name])
    again = module.simulate(module.Recipe(**SHORT[name]))
    saved = read_record(run_of(name))
    assert saved.keys() == again.keys()
    for array in again.keys() - {"wall_s"}:
        np.testing.assert_array_equal(saved[array], again[array])


def test_every_simulation_has_a_figure():
    assert SIMULATIONS.keys() <= FIGURES.keys()


@pytest.mark.parametrize("name", SIMULATIONS)
def test_figure_is_written_beside_its_numbers(name, run_of, tmp_path):
    module = importlib.import_module(FIGURES[name])
    picture = style.write(name, module.draw, module.numbers, run_of(name), tmp_path)
    assert imread(picture)[..., :3].std() > 0.05  # something is drawn on the white
    table = json.loads(picture.with_suffix(".json").read_text())
    assert table["run"] == run_of(name).name and len(table) > 1


@pytest.mark.parametrize("name", SIMULATIONS)
def test_every_axis_has_a_unit_and_the_caption_names_the_run(name, run_of):
    figure = importlib.import_module(FIGURES[name]).draw(run_of(name))
    for ax in figure.findobj(lambda artist: hasattr(artist, "get_xlabel")):
        below = ax.get_xlabel() or not ax.xaxis.get_tick_params()["labelbottom"]
        assert below is True or below.endswith(")")
        assert ax.get_ylabel().endswith(")")
    caption = figure.get_supxlabel()
    manifest = read_manifest(run_of(name))
    step = ["dt 0.1 ms"] if "dt" in manifest["configuration"] else []  # else the publication's, named in the docstring
    backend = ["backend event"] if "backend" in manifest["configuration"] else []  # else no network of spiking neurons
    for part in (*step, *backend, "seed 0", f"neuro {manifest['versions']['neuro']}"):
        assert part in caption.replace("\n", " ")
    assert run_of(name).name in caption


def test_numbers_of_the_firing_patterns_are_those_of_the_record(run_of):
    from figures.izhikevich_patterns import numbers

    record, table = read_record(run_of("izhikevich_patterns")), numbers(run_of("izhikevich_patterns"))
    counts = np.bincount(record["spike_units"], minlength=len(record["labels_N"]))
    for label, count in zip(record["labels_N"], counts, strict=True):
        assert table[f"{label}: spikes"] == count
        assert len(table[f"{label}: intervals (ms)"]) == max(count - 1, 0)


def test_failure_and_interruption_close_the_run(tmp_path, monkeypatch):
    module = importlib.import_module(SIMULATIONS["stdp_window"])
    with pytest.raises(ValueError, match="too short"):
        run_simulation("stdp_window", module.Recipe(duration=10.0), tmp_path / "failed")

    def interrupted(recipe):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "simulate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_simulation("stdp_window", module.Recipe(), tmp_path / "interrupted")
    for status in ("failed", "interrupted"):
        (path,) = (tmp_path / status).iterdir()
        assert read_manifest(path)["status"] == status
        with pytest.raises(RunError, match="record.npz"):
            read_record(path)


def test_recipe_out_of_range_leaves_no_folder(tmp_path):
    module = importlib.import_module(SIMULATIONS["lif_fi_curve"])
    with pytest.raises(ValueError, match="backend"):
        run_simulation("lif_fi_curve", module.Recipe(backend="evnet"), tmp_path / "runs")
    with pytest.raises(ValueError, match="lif_fi_curve"):
        run_simulation("lif_fi_curv", module.Recipe(), tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_plain_files_run_and_draw(tmp_path):
    root = Path(style.__file__).parents[1]
    simulation, figure = root / "simulations" / "lif_fi_curve.py", root / "figures" / "lif_fi_curve.py"
    done = subprocess.run([sys.executable, simulation], cwd=tmp_path, capture_output=True, text=True, check=True)
    path = tmp_path / done.stdout.strip()
    assert read_manifest(path)["status"] == "finished"
    wrong = subprocess.run([sys.executable, figure, tmp_path / "nothing"], capture_output=True, text=True)
    assert wrong.returncode == 1 and "does not exist" in wrong.stderr and "Traceback" not in wrong.stderr


def training(path, rows):
    run = open_run(path, "digits_bptt", {"task": "digits", "seed": 4})
    for row in rows:
        run.metrics(**row)
    return run.path


def test_learning_curves_draw_validation_and_test_against_samples_and_time(tmp_path):
    rows = [{"split": "val", "seen": 100 * k, "train_s": 1.5 * k, "accuracy": 0.1 + 0.2 * k} for k in range(4)]
    path = training(tmp_path, [*rows, {"split": "test", "seen": 300, "train_s": 4.5, "accuracy": 0.65}])
    for ax, key in zip(learning_curves.draw(path).axes, ("seen", "train_s"), strict=True):
        validation, test = ax.lines
        np.testing.assert_array_equal(validation.get_xdata(), [row[key] for row in rows])
        np.testing.assert_allclose(validation.get_ydata(), [10.0, 30.0, 50.0, 70.0], rtol=1e-12)
        assert (test.get_xdata()[0], test.get_ydata()[0]) == (rows[-1][key], 65.0)
    table = learning_curves.numbers(path)
    assert table["test accuracy"] == 0.65 and table["samples seen"] == [0, 100, 200, 300]


def test_learning_curves_of_a_run_without_evaluation_are_refused(tmp_path):
    with pytest.raises(RunError, match="no evaluation"):
        learning_curves.draw(training(tmp_path, []))
