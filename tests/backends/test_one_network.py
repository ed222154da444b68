"""One trained network on all backends and in snnTorch: equal answers and equal work where numbers are exact enough."""

import pytest

from benchmarks.one_network import measure
from neuro.learners.bptt import BPTT
from tasks.harness import Budget, open_training, train
from tasks.training import Training


def test_all_forms_of_one_network_agree(tmp_path):
    run = open_training(
        Training("digits", "bptt", BPTT(hidden=(64,)), Budget(samples=12_000, evaluations=1)), "x", tmp_path
    )
    train(run)
    rows = {row["form"]: row for row in measure(str(run.path), 150)["rows"]}
    first = rows["torch_dense, float32"]
    assert first["accuracy"] > 0.8 and first["spikes_per_sample"] > 20
    exact = ["event, float32", "crossbar, exact devices", "snnTorch, through NIR"]
    exact += [name for name in rows if name.startswith("fixed_point, 32 bits")]
    assert len(exact) == 4 and len(rows) == 7
    for name in exact:
        assert rows[name]["equal"] >= 0.99, name
        # A spike at the threshold may move by the last bit of a sum.
        assert rows[name]["spikes_per_sample"] == pytest.approx(first["spikes_per_sample"], rel=5e-3), name
        assert rows[name]["synaptic_events_per_sample"] == pytest.approx(first["synaptic_events_per_sample"], rel=1e-3)
    for row in rows.values():
        assert row["acs_per_sample"] == pytest.approx(10 * row["spikes_per_sample"])
