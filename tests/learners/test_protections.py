"""Protections of old tasks: penalties by hand, importances in closed form, memories counted, resuming bit for bit."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy

from neuro.learners import ewc, gradient_projection, replay, synaptic_intelligence
from neuro.learners.base import LearnerState, from_tensors, to_tensors
from neuro.learners.protection import Step, orthogonal, sprung
from neuro.learners.protections import PROTECTIONS
from neuro.learners.reservoir import keep, kept, reservoir
from neuro.learners.spiking_mlp import SpikingMLP
from neuro.learners.spiking_network import scores
from tests.learners.test_hlop import TASK, accuracy, learn

SMALL = SpikingMLP(
    hidden=(40, 40), n_tasks=2, subspaces=(20, 20, 20), subspace_growth=10, kept_samples=100, kept_per_class=5
)  # fmt: skip


def protected(name, **changes):
    return dataclasses.replace(SMALL, protection=name, **changes)


def empty_state(memory, seed=0):
    return LearnerState(TASK.problem, {}, {}, torch.Generator().manual_seed(seed), memory=memory)


@pytest.mark.parametrize("name", PROTECTIONS)
def test_going_on_in_the_middle_of_the_second_task_gives_the_same_bits(name, tmp_path):
    learner = protected(name)
    whole = learn(learner, learn(learner, learner.init(TASK.problem, 3), 0, 640), 1, 640)
    first = learn(learner, learn(learner, learner.init(TASK.problem, 3), 0, 640), 1, 320)
    save_file({key: tensor.contiguous() for key, tensor in to_tensors(first).items()}, tmp_path / "state")
    second = learner.init(TASK.problem, 99)
    from_tensors(second, load_file(tmp_path / "state"))
    learn(learner, second, 1, 640, start=320)
    a, b = to_tensors(whole), to_tensors(second)
    assert a.keys() == b.keys() and [key for key in a if not torch.equal(a[key], b[key])] == []


@pytest.mark.parametrize(
    "name", [name for name in PROTECTIONS if name not in ("none", "hlop", "synaptic-intelligence")]
)
def test_less_is_forgotten_than_without(name):
    """Unprotected, shuffled digits cost 0.2 to 0.3 of the accuracy on the first. (hlop: its own test; the strength of
    synaptic intelligence is that of long sequences: below.)"""
    forgotten = {}
    for protection in ("none", name):
        learner = protected(protection)
        state = learn(learner, learner.init(TASK.problem, 0), 0, 6000)
        first = accuracy(learner, state, 0)
        learn(learner, state, 1, 6000)
        forgotten[protection] = first - accuracy(learner, state, 0)
        assert accuracy(learner, state, 1) > 0.7
    assert forgotten[name] < 0.6 * forgotten["none"]


def test_a_context_that_falls_is_refused():
    state = learn(SMALL, SMALL.init(TASK.problem, 0), 1, 64)
    with pytest.raises(ValueError, match="a batch of task 0 came after one of task 1; tasks follow in order"):
        learn(SMALL, state, 0, 64)


def test_springs_of_two_tasks_pull_as_their_sum():
    learner = protected("ewc", ewc_strength=3.0)
    state = learner.init(TASK.problem, 0)
    rng, weight = torch.Generator().manual_seed(1), state.weights["layer_2"].detach()
    tasks = [(torch.rand(weight.shape, generator=rng), torch.randn(weight.shape, generator=rng)) for _ in range(2)]
    for stiffness, anchor in tasks:
        state.memory["fisher_1"] += stiffness
        state.memory["pull_1"] += stiffness * anchor
    zeros = [torch.zeros_like(w) for w in state.weights.values()]
    moving = weight.clone().requires_grad_()
    energy = 3.0 / 2 * sum((stiffness * (moving - anchor).square()).sum() for stiffness, anchor in tasks)
    found = ewc.transform(learner, state, zeros)
    pull = torch.autograd.grad(energy, moving)[0] / (1 + learner.lr * 3.0 * sum(stiffness for stiffness, _ in tasks))
    torch.testing.assert_close(found[1], pull, atol=1e-5, rtol=1e-5)
    assert not found[0].any()


def test_springs_act_as_they_are_where_a_step_ends():
    rng = torch.Generator().manual_seed(2)
    gradient, w, anchor = torch.randn(3, 50, dtype=torch.float64, generator=rng)
    stiffness = torch.logspace(-4, 8, 50, dtype=torch.float64)
    after = w - 0.1 * sprung(gradient, stiffness, stiffness * (w - anchor), 0.1)
    torch.testing.assert_close(after, w - 0.1 * (gradient + stiffness * (after - anchor)), rtol=1e-6, atol=1e-6)
    assert (after - anchor)[-1].abs() < 1e-6 and (after - (w - 0.1 * gradient))[0].abs() < 1e-4


def test_fisher_information_of_the_readout_in_closed_form():
    """For the top layer, d log p / d w = (onehot(y) - p) rate^T; its square is averaged over drawn labels y."""
    learner = protected("ewc", kept_samples=60)
    state = learn(learner, learner.init(TASK.problem, 0), 0, 640)
    x_BI, _ = kept(state, "recent", 1)
    state.rng.manual_seed(7)
    found = ewc.fisher(learner, state)[-1]
    net = learner.network(state)
    p_BC = scores(net, x_BI)[0].softmax(1)
    drawn_B = torch.multinomial(p_BC, 1, generator=torch.Generator().manual_seed(7))[:, 0]
    rates_BI = gradient_projection.layer_inputs(net, x_BI)[-1].mean(0)
    error_BC = torch.eye(10)[drawn_B] - p_BC
    expected = torch.einsum("bj,bi->ji", error_BC.square(), rates_BI.square()) / len(x_BI)
    torch.testing.assert_close(found, expected, atol=1e-7, rtol=1e-3)
    assert cross_entropy(scores(net, x_BI)[0], drawn_B) > 0 and expected.max() > 1e-4


def test_path_integrals_add_up_to_the_loss_that_was_lost():
    """Two weights on 1/2 sum a w^2: omega_i -> a_i (w_i(0)^2 - w_i(end)^2) / 2 as the rate goes to 0; and importance is
    that over the squared distance and damping."""
    learner = SimpleNamespace(lr=1e-3, si_damping=0.1, network=lambda state: SimpleNamespace(weights=[weight]))
    curvature, weight = torch.tensor([[1.0, 4.0]]), torch.tensor([[2.0, -1.0]])
    start = weight.clone()
    state = empty_state({f"{name}_0": torch.zeros(1, 2) for name in ("path", "importance", "anchor")})
    synaptic_intelligence.begin_task(learner, state, 0)
    for _ in range(500):
        gradient = curvature * weight
        synaptic_intelligence.after_update(learner, state, Step(None, None, [], [gradient], [gradient]))
        weight -= learner.lr * gradient
    lost = 0.5 * curvature * (start.square() - weight.square())
    torch.testing.assert_close(state.memory["path_0"], lost, rtol=5e-3, atol=0)  # first order in the rate
    expected = state.memory["path_0"] / ((weight - start).square() + 0.1)
    synaptic_intelligence.begin_task(learner, state, 1)
    torch.testing.assert_close(state.memory["importance_0"], expected)
    assert torch.equal(state.memory["anchor_0"], weight) and not state.memory["path_0"].any()


def test_synaptic_intelligence_holds_weights_more_the_stronger_it_is():
    moved = []
    for strength in (1e-3, 10.0):
        learner = protected("synaptic-intelligence", si_strength=strength)
        state = learn(learner, learner.init(TASK.problem, 0), 0, 6000)
        before = [weight.detach().clone() for weight in state.weights.values()]
        learn(learner, state, 1, 6000)
        importance = [state.memory[f"importance_{k}"] for k in range(3)]
        parts = zip(importance, state.weights.values(), before, strict=True)
        moved.append(sum(float((i * (w.detach() - b).square()).sum()) for i, w, b in parts))
    assert moved[1] < 0.3 * moved[0]


def test_kept_directions_are_the_fewest_that_hold_enough():
    rows = torch.randn(200, 12, generator=torch.Generator().manual_seed(0)) @ torch.diag(torch.logspace(0, -2, 12))
    sizes, vectors = np.linalg.svd(rows.double().numpy(), full_matrices=False)[1:]
    n = int(np.searchsorted(np.cumsum(sizes**2) / np.sum(sizes**2), 0.95)) + 1
    found = gradient_projection.new_directions(rows, rows.new_zeros(0, 12), 0.95)
    assert found.shape == (n, 12)
    torch.testing.assert_close(
        found.T @ found, torch.from_numpy(vectors[:n].T @ vectors[:n]).float(), atol=1e-4, rtol=0
    )
    more = gradient_projection.new_directions(rows, found, 0.9999)
    both = torch.cat([found, more])
    torch.testing.assert_close(both @ both.T, torch.eye(len(both)), atol=1e-5, rtol=0)
    assert orthogonal(rows, both).square().sum() <= 1.0001e-4 * rows.square().sum()
    assert len(gradient_projection.new_directions(rows, found, 0.9)) == 0


def test_gradient_projection_leaves_answers_to_kept_activity_alone():
    learner = protected("gpm", gpm_threshold_input=0.99)
    state = learn(learner, learner.init(TASK.problem, 0), 0, 3000)
    before = [weight.detach().clone() for weight in state.weights.values()]
    learn(learner, state, 1, 3000)
    for layer, (old, new) in enumerate(zip(before, state.weights.values(), strict=True)):
        along = (new.detach() - old) @ gradient_projection.directions(state, layer).T
        assert along.abs().max() < 1e-3 * old.abs().max() and (new - old).norm() > 1e-3 * old.norm()


def test_every_sample_has_the_same_chance_to_be_kept():
    """10 samples for 3 places, 3000 times: each is kept 900 times, with a deviation of 25."""
    counts, x_BI, group = torch.zeros(10), torch.arange(10.0)[:, None], torch.zeros(10, dtype=torch.int64)
    state = empty_state({})
    for _ in range(3000):
        state.memory = reservoir("some", 1, 3, 1)
        keep(state, "some", group, x_BI, group)
        counts[kept(state, "some", 1)[0][:, 0].long()] += 1
    assert counts.sum() == 9000 and (counts - 900).abs().max() < 100


def test_the_memory_of_replay_is_balanced_and_old_tasks_alone_are_rehearsed():
    learner = protected("replay")
    state = learn(learner, learner.init(TASK.problem, 0), 0, 1280)
    assert replay.rehearse(learner, state) is None
    learn(learner, state, 1, 1280)
    _, labels = kept(state, "replay", 20)
    assert labels.bincount().tolist() == [10] * 10  # 5 of each class and task
    assert state.memory["replay_seen"].reshape(2, 10).sum(1).tolist() == [1280, 1280]
    first = kept(state, "replay", 10)[0]
    drawn = replay.rehearse(learner, state)
    assert drawn.part == 0.5 and (drawn.x_BI[:, None] == first).all(2).any(1).all()


def test_joint_keeps_everything_and_weighs_tasks_alike():
    learner = protected("joint")
    state = learner.init(TASK.problem, 0)
    for context in range(3):
        learn(learner, state, context, 320)
    assert (int(state.memory["all_count"]), int(state.memory["all_old"])) == (960, 640)
    drawn = replay.rehearse_all(learner, state)
    assert drawn.part == pytest.approx(2 / 3)
    assert (drawn.x_BI[:, None] == state.memory["all_inputs"][:640]).all(2).any(1).all()


def test_joint_makes_room_when_it_is_full():
    learner = protected("joint")
    state = learn(learner, learner.init(TASK.problem, 0), 0, 4160)
    x_BI = state.memory["all_inputs"]
    assert len(x_BI) == 2 * replay.FIRST_ROOM and x_BI[:4160].any(1).all() and not x_BI[4160:].any()
