"""HLOP: subspaces grow as published, updates stay out of old ones, and less is forgotten.

The sequence: digits, then digits whose pixels were shuffled once.
"""

import dataclasses

import pytest
import torch

from neuro.learners.base import Problem
from neuro.learners.hlop import old_rows, subspace_ends
from neuro.learners.protections import PROTECTIONS
from neuro.learners.spiking_mlp import SpikingMLP
from neuro.learners.spiking_network import GRADIENTS, as_it_is, layer_inputs
from tasks import digits
from tasks.base import stream

TASK = digits.load()
SMALL = SpikingMLP(  # Hebbian rates ten times the published ones: 47 batches a task, not 938
    hidden=(60, 60), protection="hlop", n_tasks=3, subspaces=(30, 36, 20), subspace_growth=8, subspace_shrink=0,
    lr_lateral_input=0.01, lr_lateral=0.1,
)  # fmt: skip
PIXELS = torch.randperm(64, generator=torch.Generator().manual_seed(0))
TEST_BI, TEST_B = torch.from_numpy(TASK.test.inputs), torch.from_numpy(TASK.test.labels)


def shuffled(inputs_BI, context):
    return inputs_BI[:, PIXELS] if context else inputs_BI


def learn(learner, state, context, samples=3000, start=0):
    """Samples of one task."""
    for _, batch in stream(TASK.train, samples, learner.batch_size, context, start):
        learner.update(state, batch._replace(inputs=shuffled(batch.inputs, context), context=context))
    return state


def accuracy(learner, state, context):
    return (learner.predict(state, shuffled(TEST_BI, context)).argmax(1) == TEST_B).float().mean().item()


def standard(inputs_BI):
    return (inputs_BI - TASK.problem.input_mean) / TASK.problem.input_std


def weights_of(state):
    return [weight.detach().clone() for weight in state.weights.values()]


@pytest.fixture(scope="module")
def after_one():
    """A state at the end of the first task."""
    return learn(SMALL, SMALL.init(TASK.problem, 0), 0)


def second_task(learner, samples=3000):
    """The same first task, and a second; returns weights before the second, and the state."""
    state = learn(learner, learner.init(TASK.problem, 0), 0)
    before = weights_of(state)
    return before, learn(learner, state, 1, samples)


def test_subspaces_grow_as_published():
    learner = SpikingMLP(protection="hlop")
    ends = [subspace_ends(learner, layer) for layer in range(3)]
    assert ends[0] == [80, 150, 220, 270, 320, 370, 400, 430, 460, 470]
    assert [rows[-1] for rows in ends] == [470, 590, 490]
    problem = Problem(784, 10, 20, 1.0, 0.0, 1.0, (1, 28, 28), 1)
    assert learner.init(problem, 0).memory["lateral_1"].shape == (590, 800)


def test_lateral_rows_become_orthonormal_and_hold_most_of_the_activity(after_one):
    """Of images and spikes never seen, at least 70 % of the squares (the best subspaces of that size: 95 to 98 %)."""
    for layer, x in enumerate(layer_inputs(SMALL.network(after_one), standard(TEST_BI))):
        x_BI, rows = x.flatten(0, -2), SMALL.subspaces[layer]
        lateral_MI = after_one.memory[f"lateral_{layer}"][:rows]
        torch.testing.assert_close(lateral_MI @ lateral_MI.T, torch.eye(rows), atol=0.05, rtol=0)
        assert (x_BI @ lateral_MI.T).square().sum() > 0.7 * x_BI.square().sum()
        assert not after_one.memory[f"lateral_{layer}"][rows:].any()


def test_the_projected_gradient_equals_the_projected_inputs():
    """Linear lateral neurons: G (I - H^T H) against the form of each sample and step."""
    state = learn(SMALL, SMALL.init(TASK.problem, 0), 0, 640)
    learn(SMALL, state, 1, 64)
    net, labels_B = SMALL.network(state), TEST_B[:50]
    x_BI = standard(shuffled(TEST_BI[:50], 1))

    def each(k, x_TBI):
        lateral_HI = old_rows(SMALL, state, k)
        return torch.stack([torch.stack([x - lateral_HI.T @ (lateral_HI @ x) for x in x_BI]) for x_BI in x_TBI])

    hlop = PROTECTIONS["hlop"]
    for method in GRADIENTS:
        expected = GRADIENTS[method](net, x_BI, labels_B, each).gradients
        found = GRADIENTS[method](net, x_BI, labels_B, hlop.learned_from(SMALL, state)).gradients
        for a, b in zip(hlop.transform(SMALL, state, found), expected, strict=True):
            torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-4)


def test_fine_spiking_lateral_neurons_equal_linear_ones_and_coarse_ones_do_not():
    found = {}
    for name, changes in {
        "linear": {},
        "fine": {"lateral": "spiking", "lateral_steps": 10**6, "lateral_largest": 100.0},
        "coarse": {"lateral": "spiking"},
    }.items():
        learner = dataclasses.replace(SMALL, **changes)
        state = learner.init(TASK.problem, 0)
        for context in (0, 1):
            learn(learner, state, context, 640)
        found[name] = torch.cat([weight.flatten() for weight in weights_of(state)])
    assert (found["fine"] - found["linear"]).abs().max() < 2e-5  # measured: 1e-6, rounding of float32
    assert (found["coarse"] - found["linear"]).abs().max() > 2e-4


def test_a_whole_task_leaves_the_old_subspace_alone():
    """Of what an unprotected task changes along the old rows, at least 99 % (of the squares) is gone."""
    before, state = second_task(SMALL)
    plain = learn(dataclasses.replace(SMALL, protection="none"), _unprotected(before, state), 1)
    for layer, (old, new, free) in enumerate(zip(before, weights_of(state), weights_of(plain), strict=True)):
        basis_HI = torch.linalg.qr(state.memory[f"lateral_{layer}"][: SMALL.subspaces[layer]].T)[0].T
        kept, lost = ((changed - old) @ basis_HI.T for changed in (new, free))
        assert kept.square().sum() < 0.01 * lost.square().sum()


def _unprotected(weights, like):
    """A state with given weights, that has seen the first task."""
    state = dataclasses.replace(SMALL, protection="none").init(TASK.problem, 0)
    with torch.no_grad():
        for weight, value in zip(state.weights.values(), weights, strict=True):
            weight.copy_(value)
    state.memory["tasks"], state.memory["context"] = torch.tensor(1), torch.tensor(0)
    return state


def test_exact_subspaces_keep_the_answers_to_old_inputs():
    """With principal directions in place of learned rows, what weights make of old inputs within them stays."""
    state = learn(SMALL, SMALL.init(TASK.problem, 0), 0)
    held = []
    for layer, x in enumerate(layer_inputs(SMALL.network(state), standard(TEST_BI))):
        x_nI, rows = x.flatten(0, -2), SMALL.subspaces[layer]
        basis_HI = torch.linalg.svd(x_nI, full_matrices=False)[2][:rows]
        state.memory[f"lateral_{layer}"][:rows] = basis_HI
        held.append(x_nI @ basis_HI.T @ basis_HI)
    before = weights_of(state)
    learn(SMALL, state, 1)
    for x_nI, old, new in zip(held, before, weights_of(state), strict=True):
        assert ((x_nI @ (new - old).T).abs().max() / (x_nI @ old.T).abs().max()) < 1e-3
        assert (new - old).norm() > 0.01 * old.norm()


@pytest.mark.parametrize("method", GRADIENTS)
def test_less_is_forgotten(method):
    results = {}
    for protection in ("none", "hlop"):
        learner = dataclasses.replace(SMALL, protection=protection, method=method)
        state = learn(learner, learner.init(TASK.problem, 0), 0, 6000)
        first = accuracy(learner, state, 0)
        learn(learner, state, 1, 6000)
        results[protection] = first - accuracy(learner, state, 0)
    assert results["hlop"] < 0.75 * results["none"]


def test_old_rows_stay_bit_for_bit_and_new_ones_learn(after_one):
    state = learn(SMALL, SMALL.init(TASK.problem, 0), 0)
    learn(SMALL, state, 1, 640)
    for layer, rows in enumerate(SMALL.subspaces):
        now, then = state.memory[f"lateral_{layer}"], after_one.memory[f"lateral_{layer}"]
        assert torch.equal(now[:rows], then[:rows])
        assert now[rows : rows + 8].any() and not now[rows + 8 :].any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"subspaces": (30, 30)}, "are for 2 layers of 3"),
        ({"subspaces": (60, 30, 20)}, "need 76 lateral neurons at layer 1, which has 64 inputs; lower subspaces"),
    ],
)
def test_subspaces_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMALL, **changes).init(TASK.problem, 0)


def test_more_tasks_than_there_is_room_for_are_refused():
    learner = dataclasses.replace(SMALL, n_tasks=1)
    state = learn(learner, learner.init(TASK.problem, 0), 0, 64)
    with pytest.raises(ValueError, match="task 2 of the sequence began, and HLOP has room for 1; raise n_tasks"):
        learn(learner, state, 1, 64)


def test_no_projection_before_the_second_task():
    plain, hlop = (dataclasses.replace(SMALL, protection=name) for name in ("none", "hlop"))
    states = [learn(learner, learner.init(TASK.problem, 0), 0, 640) for learner in (plain, hlop)]
    assert all(map(torch.equal, weights_of(states[0]), weights_of(states[1])))
    net, x_BI = hlop.network(states[1]), standard(TEST_BI[:9])
    assert torch.equal(PROTECTIONS["hlop"].learned_from(hlop, states[1])(0, x_BI), as_it_is(0, x_BI))
    assert len(net.weights) == 3
