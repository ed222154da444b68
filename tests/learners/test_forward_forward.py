"""Forward-forward: losses against hand-written gradients, locality, inference, peer normalisation."""

import dataclasses
import math

import pytest
import torch

from neuro.learners.forward_forward import ForwardForward, _draw_wrong
from neuro.learners.goodness import goodness, logistic, network_loss, normalise, peer_loss, symba
from tasks import digits

TASK = digits.load()
SMALL = ForwardForward(hidden=(12, 10, 8), batch_size=20)


def trained(learner, n_batches=3):
    state = learner.init(TASK.problem, 0)
    for k in range(n_batches):
        learner.update(state, TASK.train.batch(range(20 * k, 20 * k + 20)))
    return state


def layer_by_hand(weights, image_BI, labels_BC, n_layers, strength):
    """Activities of one pass, written out: the label stands beside the image as one long input."""
    a_BI = torch.cat([image_BI, strength * labels_BC], 1)
    inputs, activities = [], []
    for k in range(1, n_layers + 1):
        inputs.append(a_BI)
        a_BJ = (a_BI @ weights[f"layer_{k}"].T + weights[f"bias_{k}"]).clamp(min=0)
        activities.append(a_BJ)
        a_BI = a_BJ / (a_BJ.square().mean(1, keepdim=True).sqrt() + 1e-6)
    return inputs, activities


@pytest.mark.parametrize("loss", ["logistic", "symba"])
def test_the_gradient_of_each_layer_is_the_formula(loss):
    """dL/dW = (2 / J) sum over pairs of (dL/dg a x^T), for both passes, from quantities of one layer alone."""
    learner = dataclasses.replace(SMALL, loss=loss, sharpness=3.0, threshold=0.2)
    state = trained(learner)
    batch = TASK.train.batch(range(100, 120))
    rng = torch.Generator()
    rng.set_state(state.rng.get_state())
    weights = {name: weight.detach().clone() for name, weight in state.weights.items()}
    eye, n = torch.eye(10), len(batch.labels)
    _, neutral = layer_by_hand(weights, batch.inputs, torch.full((n, 10), 0.1), 3, learner.label_strength)
    h_BJ = torch.cat([normalise(a_BJ) for a_BJ in neutral[1:]], 1)
    wrong_B = _draw_wrong(h_BJ @ weights["softmax"].T + weights["softmax_bias"], batch.labels, rng)
    assert not (wrong_B == batch.labels).any()
    inputs, activities = zip(
        *(layer_by_hand(weights, batch.inputs, eye[y_B], 3, learner.label_strength) for y_B in (batch.labels, wrong_B)),
        strict=True,
    )
    learner.update(state, batch)
    for k in range(3):
        g_true, g_false = (activities[p][k].square().mean(1) for p in (0, 1))
        if loss == "symba":
            pull_B = torch.sigmoid(3.0 * (g_false - g_true))
            forces = -pull_B, pull_B
        else:
            forces = -torch.sigmoid(3.0 * (0.2 - g_true)), torch.sigmoid(3.0 * (g_false - 0.2))
        expected = sum(
            (3.0 * forces[p][:, None] * activities[p][k] * 2 / activities[p][k].shape[1] / n).T @ inputs[p][k]
            for p in (0, 1)
        )
        torch.testing.assert_close(state.weights[f"layer_{k + 1}"].grad, expected, rtol=1e-4, atol=1e-7)


def test_an_update_of_one_layer_leaves_all_others_alone():
    """A layer whose loss is the only one moves; the layers below and above and the softmax have no gradient."""
    for k in range(3):
        state = SMALL.init(TASK.problem, 0)
        batch = TASK.train.batch(range(20))
        label_PBC = torch.eye(10)[torch.stack([batch.labels, (batch.labels + 1) % 10])]
        image_BJ = batch.inputs @ state.weights["layer_1"][:, :64].T + state.weights["bias_1"]
        activities = SMALL._run(state, image_BJ, label_PBC)
        network_loss(SMALL.objective(), activities[k : k + 1], {}).backward()
        moved = {name for name, weight in state.weights.items() if weight.grad is not None}
        assert moved == {f"layer_{k + 1}", f"bias_{k + 1}"}


def test_symba_needs_no_threshold_and_pushes_both_samples_alike():
    true_B = torch.tensor([0.2, 1.0, 3.0], dtype=torch.float64, requires_grad=True)
    false_B = torch.tensor([0.9, 1.0, 0.1], dtype=torch.float64, requires_grad=True)
    loss = symba(true_B, false_B, 4.0, 1.0)
    loss.backward()
    torch.testing.assert_close(true_B.grad, -false_B.grad)
    torch.testing.assert_close(loss, symba(true_B + 7.0, false_B + 7.0, 4.0, 55.0))
    swapped = symba(false_B, true_B, 4.0, 1.0)
    torch.testing.assert_close(loss - swapped, 4.0 * (false_B - true_B).mean())  # softplus(x) - softplus(-x) = x


def test_logistic_is_the_cross_entropy_of_the_two_passes():
    true_B, false_B = torch.tensor([0.3, 1.4]), torch.tensor([0.8, 1.1])
    p_true, p_false = (torch.sigmoid(10.0 * (g_B - 1.0)) for g_B in (true_B, false_B))
    expected = -(p_true.log() + (1 - p_false).log()).mean()
    torch.testing.assert_close(logistic(true_B, false_B, 10.0, 1.0), expected)


def test_goodness_does_not_pass_to_the_next_layer():
    a_BJ = torch.rand(5, 30) + 0.1
    torch.testing.assert_close(goodness(normalise(a_BJ)), torch.ones(5), rtol=1e-4, atol=0)
    torch.testing.assert_close(normalise(a_BJ), normalise(100.0 * a_BJ), rtol=1e-4, atol=1e-6)


def test_label_inference_equals_brute_force():
    """The label whose own full pass has the largest goodness, summed over all layers but the first."""
    state = trained(SMALL, 10)
    inputs = torch.from_numpy(TASK.val.inputs[:30])
    scores = []
    for label in range(10):
        labels_BC = torch.eye(10)[[label] * 30]
        _, activities = layer_by_hand(state.weights, inputs, labels_BC, 3, SMALL.label_strength)
        scores.append(sum(a_BJ.square().mean(1) for a_BJ in activities[1:]))
    torch.testing.assert_close(SMALL.predict(state, inputs), torch.stack(scores, 1).detach(), rtol=1e-4, atol=1e-6)


def test_false_labels_follow_the_softmax():
    logits_BC = torch.tensor([[5.0, 2.0, 2.0 - math.log(3.0), -20.0]]).expand(20_000, 4)
    wrong_B = _draw_wrong(logits_BC, torch.zeros(20_000, dtype=torch.int64), torch.Generator().manual_seed(0))
    share = torch.bincount(wrong_B, minlength=4) / 20_000
    torch.testing.assert_close(share, torch.tensor([0.0, 0.75, 0.25, 0.0]), rtol=0, atol=0.01)  # 3 sigma


def test_peer_normalisation_pulls_every_unit_to_the_mean_of_its_layer():
    """Against its formula's gradient; zero where all units are equally active."""
    mean_J = torch.tensor([0.1, 0.5, 0.9])
    a_BJ = torch.tensor([[0.2, 0.4, 0.0], [0.0, 1.0, 0.2]], requires_grad=True)
    loss, new_J = peer_loss(mean_J, a_BJ, 0.9)
    torch.testing.assert_close(new_J, 0.9 * mean_J + 0.1 * a_BJ.detach().mean(0))
    torch.testing.assert_close(loss, new_J.var(correction=0))
    loss.backward()
    expected_J = 2.0 / 3 * (new_J - new_J.mean()) * 0.1 / 2
    torch.testing.assert_close(a_BJ.grad, expected_J.expand(2, 3))
    even, _ = peer_loss(torch.full((3,), 0.5), torch.full((2, 3), 0.7), 0.9)
    assert even < 1e-12


def test_the_peer_term_evens_out_activity():
    """The spread of the units' mean activities over true pairs, which is what it weighs."""
    spreads = []
    batch = TASK.train.batch(range(200))
    for weight in (0.0, 30.0):
        learner = dataclasses.replace(SMALL, peer_weight=weight)
        state = trained(learner, 60)
        image_BJ = batch.inputs @ state.weights["layer_1"][:, :64].T + state.weights["bias_1"]
        a_J = learner._run(state, image_BJ, torch.eye(10)[batch.labels][None])[0][0].mean(0).detach()
        spreads.append(a_J.std().item())
    assert spreads[1] < 0.7 * spreads[0]


def test_bfloat16_takes_nearly_the_same_step():
    """Products are rounded to 8 bits; the gradients of both precisions point the same way."""
    gradients = []
    for precision in ("float32", "bfloat16"):
        learner = dataclasses.replace(SMALL, hidden=(100, 100), precision=precision)
        state = learner.init(TASK.problem, 0)
        learner.update(state, TASK.train.batch(range(100)))
        gradients.append([state.weights[f"layer_{k}"].grad.flatten() for k in (1, 2)])
        assert all(weight.dtype == torch.float32 for weight in state.weights.values())
    for exact, rounded in zip(*gradients, strict=True):
        assert torch.nn.functional.cosine_similarity(exact, rounded, dim=0) > 0.99


def test_dropout_keeps_the_mean_and_prediction_knows_nothing_of_it():
    learner = dataclasses.replace(SMALL, dropout=0.4)
    image_BI = torch.full((200, 64), 0.5)
    silenced_BI = learner._silenced(image_BI, torch.Generator().manual_seed(0))
    assert abs(silenced_BI.mean().item() - 0.5) < 0.015  # 4 sigma
    assert abs((silenced_BI == 0).float().mean().item() - 0.4) < 0.02
    state, inputs = trained(SMALL), torch.from_numpy(TASK.val.inputs[:10])
    assert torch.equal(learner.predict(state, inputs), SMALL.predict(state, inputs))
