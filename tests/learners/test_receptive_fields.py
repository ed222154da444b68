"""The figure of receptive fields reads a training's checkpoint, and says what is wrong with others."""

import json

import numpy as np
import pytest

from figures import receptive_fields
from neuro.learners.stdp_wta import STDPWinnerTakeAll
from neuro.runs import RunError
from tasks import digits
from tasks.base import stream
from tasks.checkpoint import save_tensors
from tasks.harness import Training, open_training
from tests.learners.test_conformance import LEARNERS

TASK = digits.load()


def training(path, learner):
    """A run folder with a checkpoint after 50 samples."""
    run = open_training(Training("digits", "stdp-wta", learner), "digits_stdp_wta", path)
    state = learner.init(TASK.problem, 0)
    for _, batch in stream(TASK.train, 50, learner.batch_size, 0):
        learner.update(state, batch)
    save_tensors(run.path / "checkpoint.safetensors", state, {})
    return run.path, state


def test_every_neuron_has_its_picture(tmp_path):
    path, state = training(tmp_path, STDPWinnerTakeAll(hidden=11, batch_size=10))
    sheet = receptive_fields.draw(path).axes[0].images[0].get_array()
    pictures_JI = state.weights["input"].numpy()
    assert sheet.shape == (27, 36)  # 3 rows of 4, 8 pixels and a line each
    tiles = np.ma.filled(sheet.reshape(3, 9, 4, 9).transpose(0, 2, 1, 3)[:, :, :8, :8], np.nan).reshape(12, 64)
    assert {tile.tobytes() for tile in tiles[:11]} == {picture.tobytes() for picture in pictures_JI}
    assert np.isnan(tiles[11]).all()
    table = json.loads(json.dumps(receptive_fields.numbers(path)))
    assert sum(table["neurons of each class"]) + table["neurons without a class"] == table["neurons"] == 11


def test_other_runs_are_refused(tmp_path):
    path, _ = training(tmp_path / "other", LEARNERS["mono-forward"]())
    with pytest.raises(RunError, match="no receptive fields; name a training of stdp-wta"):
        receptive_fields.numbers(path)
    (path / "checkpoint.safetensors").unlink()
    with pytest.raises(RunError, match="no checkpoint yet"):
        receptive_fields.draw(path)
