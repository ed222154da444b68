"""One set of checks that every registered learner must pass."""

import dataclasses

import pytest
import torch
from safetensors.torch import load_file, save_file

from neuro.learners import LEARNERS
from neuro.learners.base import USES, from_tensors, n_weights, to_tensors
from tasks import digits
from tasks.base import stream
from tasks.metrics import evaluate

TASK = digits.load()
BLOCK = {"conv": (8, 16), "width": 32, "joined": (32,)}
SMALL: dict[str, dict] = {  # learners whose defaults are made for larger images
    "bptt-recurrent": {"hidden": (100,)},
    "counter-current-cnn": {"conv": (32, 32, 64, 64)},
    "delays": {"hidden": (50, 50), "longest": 10.0, "batch_size": 64},
    "stdp-wta": {"hidden": 100, "batch_size": 16},
    "spiking-cnn": {"conv": (16, 32)},
    "spiking-mlp": {"hidden": (100, 100)},
    "eventprop": {"hidden": (50,)},
    "lsm": {"shape": (5, 5, 4), "duration": 60.0, "p_input": 0.5, "weight": 3.0, "batch_size": 100},
    "noprop-dt": {"blocks": 3, **BLOCK},
    "noprop-backprop": {"blocks": 3, **BLOCK},
    "noprop-ct": {"conv": (8, 16), "width": 64, "joined": (64,), "steps": 10, "draws": 16},
    "noprop-fm": {"conv": (8, 16), "steps": 10, "draws": 16},
}


def learn(learner, state, samples, seed=0, start=0):
    for _, batch in stream(TASK.train, samples, learner.batch_size, seed, start):
        learner.update(state, batch)
    return state


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(params=LEARNERS)
def learner(request):
    return LEARNERS[request.param](**SMALL.get(request.param, {}))


def test_same_seed_same_weights(learner):
    states = [learn(learner, learner.init(TASK.problem, seed), 600) for seed in (1, 1, 2)]
    assert same(to_tensors(states[0]), to_tensors(states[1]))
    assert not same(to_tensors(states[0]), to_tensors(states[2]))


def test_learning_changes_every_weight(learner):
    state = learner.init(TASK.problem, 0)
    before = {name: weight.detach().clone() for name, weight in state.weights.items()}
    learn(learner, state, 600)
    assert [name for name in before if torch.equal(before[name], state.weights[name])] == []
    assert n_weights(state) == sum(weight.numel() for weight in before.values())


def test_beats_chance_on_samples_it_never_saw(learner):
    """Chance is 10 %. 12,000 samples bring every learner far above it; 65 % leaves room for none that fails."""
    state = learn(learner, learner.init(TASK.problem, 0), 12_000)
    assert evaluate(learner, state, TASK.test).accuracy > 0.65


def test_goes_on_with_the_same_bits_after_save_and_load(learner, tmp_path):
    half, all_samples = 3 * learner.batch_size, 6 * learner.batch_size
    whole = learn(learner, learner.init(TASK.problem, 3), all_samples, seed=3)
    first = learn(learner, learner.init(TASK.problem, 3), half, seed=3)
    save_file({name: tensor.contiguous() for name, tensor in to_tensors(first).items()}, tmp_path / "state")
    second = learner.init(TASK.problem, 99)
    from_tensors(second, load_file(tmp_path / "state"))
    learn(learner, second, all_samples, seed=3, start=half)
    assert same(to_tensors(whole), to_tensors(second))


def test_prediction_leaves_learning_alone(learner):
    inputs = torch.from_numpy(TASK.test.inputs[:64])
    watched, plain = (learn(learner, learner.init(TASK.problem, 0), 300) for _ in range(2))
    scores = [learner.predict(watched, inputs) for _ in range(2)]
    assert torch.equal(*scores)
    assert scores[0].shape == (64, TASK.problem.n_classes) and not scores[0].requires_grad
    assert same(to_tensors(learn(learner, watched, 900, start=300)), to_tensors(learn(learner, plain, 900, start=300)))


def test_a_sample_is_scored_alone(learner):
    """Scores do not depend on what else is in the batch (tolerance: order of float32 sums in a matrix product)."""
    state = learn(learner, learner.init(TASK.problem, 0), 600)
    inputs = torch.from_numpy(TASK.test.inputs[:8])
    alone = torch.cat([learner.predict(state, row[None]) for row in inputs])
    torch.testing.assert_close(learner.predict(state, inputs), alone, rtol=1e-4, atol=1e-5)


def test_counts_grow_with_samples(learner):
    state = learner.init(TASK.problem, 0)
    inputs = torch.from_numpy(TASK.test.inputs[:32])
    learner.predict(state, inputs)
    once = state.counts.synaptic_events
    learner.predict(state, inputs)
    assert once > 0 and state.counts.synaptic_events == 2 * once


def test_uses_are_named(learner):
    assert learner.uses and learner.uses <= set(USES)


def test_every_hyper_parameter_has_unit_meaning_and_default(learner):
    for field in dataclasses.fields(learner):
        assert field.metadata["unit"] and field.metadata["doc"], field.name
        assert field.default is not dataclasses.MISSING, field.name
