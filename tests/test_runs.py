"""Run folders: never shared, never overwritten, readable whatever happened."""

import json
import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from neuro.runs import RunError, load_run, lock, open_run, read_metrics, read_record


def _open_many(parent, n):
    return [str(open_run(Path(parent), "same", {"seed": 0}).path) for _ in range(n)]


def test_runs_started_at_once_get_folders_of_their_own(tmp_path):
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        paths = sum(pool.starmap(_open_many, [(str(tmp_path), 10)] * 4), [])
    assert len(set(paths)) == 40
    assert all(json.loads((Path(path) / "manifest.json").read_text())["status"] == "running" for path in paths)


def test_name_tells_recipe_seed_and_configuration(tmp_path):
    a, b, c = (open_run(tmp_path, "recipe", {"seed": 3, "lr": lr}).path.name for lr in (1, 1, 2))
    assert a.split("_")[1:3] == ["recipe", "3"]
    assert a.split("_")[3][:8] == b.split("_")[3][:8] != c.split("_")[3][:8]


def test_a_run_in_use_is_refused_and_free_afterwards(tmp_path):
    run = open_run(tmp_path, "r", {})
    with lock(run), pytest.raises(RunError, match="another process"), lock(run):
        pass
    with lock(run):
        assert run.manifest()["name"] == "r"


def test_a_cut_off_line_of_metrics_is_left_out(tmp_path):
    run = open_run(tmp_path, "r", {})
    run.metrics(seen=1, accuracy=0.5)
    with open(run.path / "metrics.jsonl", "a") as file:
        file.write('{"seen": 2, "accu')
    assert read_metrics(run.path) == [{"seen": 1, "accuracy": 0.5}]


def test_record_returns_the_arrays_and_never_unpickles(tmp_path):
    run = open_run(tmp_path, "r", {})
    run.save_record({"v": np.linspace(0, 1, 5)})
    np.testing.assert_array_equal(read_record(run.path)["v"], np.linspace(0, 1, 5))
    np.savez(run.path / "record.npz", v=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="pickle"):
        read_record(run.path)
    run.save_record({"v": np.linspace(0, 1, 5)})
    whole = (run.path / "record.npz").read_bytes()
    (run.path / "record.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RunError, match="record.npz is damaged"):
        read_record(run.path)


@pytest.mark.parametrize(
    ("content", "text"),
    [(None, "no manifest.json"), ("{", "is damaged"), ("\x00\xff", "is damaged"), ("[]", "lacks name, status")],
)
def test_damage_is_named(tmp_path, content, text):
    if content is not None:
        (tmp_path / "manifest.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(RunError, match=text):
        load_run(tmp_path)


def test_manifest_says_what_made_the_run(tmp_path):
    manifest = open_run(tmp_path, "r", {"seed": 1}, references=["nest"]).manifest()
    assert {"versions", "hardware", "argv", "commit", "start", "references"} <= manifest.keys()
    assert manifest["versions"]["numpy"] == np.__version__
