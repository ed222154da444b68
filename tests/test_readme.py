"""What README shows runs as it stands, and does what is said beside it."""

import re
from pathlib import Path

import numpy as np

BLOCKS = re.findall(r"```python\n(.*?)```", Path(__file__).parents[1].joinpath("README.md").read_text(), re.S)


def run(block):
    names = {}
    exec(block, names)
    return names


def test_the_simulation_has_the_same_spikes_on_another_backend():
    simulation = next(block for block in BLOCKS if "simulate(" in block)
    event, torch_dense = run(simulation), run(simulation.replace('backend="event"', 'backend="torch_dense"'))
    assert event["record"].counts.spikes == torch_dense["record"].counts.spikes > 1_000
    for field in ("times", "units"):
        ours, theirs = (getattr(names["record"].spikes["exc"], field) for names in (event, torch_dense))
        assert np.array_equal(ours, theirs)


def test_the_learner_learns(capsys):
    run(next(block for block in BLOCKS if "learner.update" in block))
    assert float(capsys.readouterr().out.split()[-1]) > 0.94
