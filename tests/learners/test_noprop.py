"""NoProp: what a block sees, what it learns from, and that its blocks need not know of each other."""

import dataclasses
import os
import signal
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d, max_pool2d

from neuro.audit import audit
from neuro.learners.base import Batch, from_tensors, to_tensors
from neuro.learners.denoising_block import Block, Run, as_images, draw
from neuro.learners.label_embedding import set_prototypes
from neuro.learners.noise_schedule import cosine, level, snr
from neuro.learners.noise_schedule import learned as learned_schedule
from neuro.learners.noprop import NoProp
from neuro.learners.noprop_backprop import NoPropBackprop
from neuro.learners.noprop_continuous import NoPropCT, NoPropFM, spread_times
from tasks import digits
from tasks.base import stream

TASK = digits.load()
SMALL = NoProp(blocks=3, conv=(4, 8), width=16, joined=(16,))
BACKPROP = NoPropBackprop(blocks=3, conv=(4, 8), width=16, joined=(16,))
BATCH: Any = TASK.train.batch(np.arange(64))


def changed(before, after):
    return {name.split("/")[1].split(".")[0] for name in before if not torch.equal(before[name], after[name])}


def snapshot(state):
    return {name: tensor.clone() for name, tensor in to_tensors(state).items() if name.startswith("weights")}


def learned(learner: Any, n_batches: int, seed: int = 0) -> Any:
    state = learner.init(TASK.problem, seed)
    for _, batch in stream(TASK.train, n_batches * learner.batch_size, learner.batch_size, seed):
        learner.update(state, batch)
    return state


def test_a_block_learns_the_same_alone_as_among_others():
    together, alone = (SMALL.init(TASK.problem, 0) for _ in range(2))
    before = snapshot(together)
    SMALL.learn(together, BATCH, (1, 2, 3, 4))
    SMALL.learn(alone, BATCH, (2,))
    assert changed(before, snapshot(alone)) == {"block_2"}
    assert changed(before, snapshot(together)) == {"block_1", "block_2", "block_3", "output"}
    for name, weight in alone.weights.items():
        if name.startswith("block_2"):
            assert torch.equal(weight, together.weights[name]), name


def test_no_error_leaves_a_block():
    """Within a block the error runs through its layers, which `uses` admits; between blocks none runs."""
    assert audit(SMALL, TASK.problem, BATCH).crossing == "within blocks"
    assert audit(BACKPROP, TASK.problem, BATCH).crossing == "yes"


@pytest.mark.parametrize("n_blocks", [1, 3])
def test_loss_of_a_block_that_knows_nothing(n_blocks):
    """Even scores: v = 1/C, so |v - u|^2 = 1 - 1/C, weighed by the gain of the signal-to-noise ratio."""
    learner = dataclasses.replace(SMALL, blocks=n_blocks)
    state = learner.init(TASK.problem, 0)
    with torch.no_grad():
        for t in range(1, n_blocks + 1):
            state.weights[f"block_{t}.scores"].zero_()
    losses_T = learner.learn(state, BATCH, tuple(range(1, n_blocks + 1)))
    expected = 0.5 * n_blocks * 0.1 * snr(cosine(n_blocks)).diff() * 0.9
    torch.testing.assert_close(losses_T.double(), expected, rtol=1e-5, atol=0)


def test_block_against_plain_functions():
    """Inference of one block with hand-written layers, maximum after the ReLU."""
    block = Block((1, 8, 8), 10, 10, (4, 8), 16, (12,), 0.5)
    weights, memory = draw(block, torch.Generator().manual_seed(0))
    memory = {name: torch.rand(value.shape) + 0.5 for name, value in memory.items()}
    rows_BI, z_BN = torch.rand(5, 64), torch.randn(5, 10)
    run = Run(block, weights, memory)
    found = run.scores(run.features(as_images(TASK.problem, rows_BI)), z_BN)

    def norm(name, x):
        x = (x @ weights[name].T - memory[f"{name}_mean"]) / (memory[f"{name}_variance"] + 1e-5).sqrt()
        return x * weights[f"{name}_gain"] + weights[f"{name}_bias"]

    x = ((rows_BI - TASK.problem.input_mean) / TASK.problem.input_std).reshape(5, 1, 8, 8)
    x = max_pool2d(conv2d(x, weights["conv_1"], weights["conv_1_bias"], padding=1).relu(), 2)
    x = conv2d(x, weights["conv_2"], weights["conv_2_bias"], padding=1).relu()
    features = norm("image", x.permute(0, 2, 3, 1).reshape(5, -1))
    first = norm("latent_1", z_BN).relu()
    latent = first + norm("latent_3", norm("latent_2", first).relu())
    joined = norm("joined_1", torch.cat([features, latent], 1)).relu()
    torch.testing.assert_close(found, joined @ weights["scores"].T + weights["scores_bias"], rtol=1e-4, atol=1e-5)


def test_the_answer_of_blocks_that_know_the_label_is_the_label():
    """Every block's scores are made to point at class 7: the chain must end at its embedding."""
    state = SMALL.init(TASK.problem, 0)
    with torch.no_grad():
        for t in range(1, 4):
            state.weights[f"block_{t}.scores"].zero_()
            state.weights[f"block_{t}.scores_bias"][7] = 50.0
    assert torch.all(SMALL.predict(state, BATCH.inputs).argmax(1) == 7)


def test_draws_differ_and_average():
    state = learned(SMALL, 3)
    one, many = SMALL.predict(state, BATCH.inputs), dataclasses.replace(SMALL, draws=16).predict(state, BATCH.inputs)
    assert not torch.allclose(one, many)
    torch.testing.assert_close(many.sum(1), torch.ones(64))


def test_a_batch_of_spread_times_holds_the_integral_of_the_loss_s_weight():
    """SNR'(t) rises by three orders of magnitude; over t it is SNR(1) - SNR(0), from which 128 free times stray far."""
    rng = torch.Generator().manual_seed(0)
    schedule = learned_schedule(rng, 64)
    first, last = level(schedule, torch.tensor([0.0, 1.0])).abar
    whole = (snr(last) - snr(first)).item()
    for _ in range(20):
        times_B = spread_times(128, rng)
        assert 0 <= times_B.min() and times_B.max() < 1
        assert level(schedule, times_B).snr_slope.mean().item() == pytest.approx(whole, rel=0.06)
    free = [level(schedule, torch.rand(128, generator=rng)).snr_slope.mean().item() for _ in range(20)]
    assert np.std(free) > 0.12 * whole


@pytest.mark.parametrize("learner", [SMALL, NoPropCT(conv=(4,), steps=5), NoPropFM(conv=(4,), steps=5)])
@pytest.mark.parametrize("kind", ["learned", "prototype"])
def test_learned_embeddings_move(learner, kind):
    learner = dataclasses.replace(learner, embedding=kind, **({"width": 16, "joined": (16,)}))
    state = learner.init(TASK.problem, 0)
    learner.update(state, BATCH)
    first = state.weights["output.embedding"].detach().clone()
    learner.update(state, BATCH)
    assert not torch.equal(first, state.weights["output.embedding"])
    if kind == "prototype":  # one of the samples of its class, but for the first step of the optimiser
        distances_CB = torch.cdist(first, BATCH.inputs, p=float("inf"))
        assert BATCH.labels[distances_CB.argmin(1)].tolist() == list(range(10))
        assert float(distances_CB.amin(1).max()) < 0.02


def test_prototypes_need_a_sample_of_each_class():
    learner = dataclasses.replace(SMALL, embedding="prototype")
    one_class = Batch(BATCH.inputs, torch.zeros_like(BATCH.labels))
    with pytest.raises(ValueError, match="no sample of class 1"):
        learner.update(learner.init(TASK.problem, 0), one_class)


def test_a_prototype_is_nearest_to_half_of_the_others_of_its_class():
    """On a line at 0, 1, 10 and 14 the medians of the distances to the others are 10, 9, 9 and 13, and the first of the
    smallest wins; with the distance to itself, 0, the one at 0 would. Of two medians the lower counts."""
    problem = TASK.problem._replace(n_inputs=1, n_classes=3, shape=(1,))
    learner = NoProp(blocks=1, conv=(), width=4, joined=(), embedding="prototype")
    state = learner.init(problem, 0)
    inputs_BI = torch.tensor([[0.0], [1.0], [10.0], [14.0], [100.0], [103.0], [104.0], [20.0]])
    set_prototypes("prototype", state, Batch(inputs_BI, torch.tensor([0, 0, 0, 0, 1, 1, 1, 2])))
    assert state.weights["output.embedding"].flatten().tolist() == [1.0, 103.0, 20.0]
    assert torch.equal(state.weights["output.map"], state.weights["output.embedding"])


def test_a_sure_and_wrong_chain_has_a_finite_gradient():
    """At scores 120 apart a probability of float32 is 0, and its logarithm infinite."""
    state = BACKPROP.init(TASK.problem, 0)
    with torch.no_grad():
        state.weights["output.bias"][3] = 200.0
    wrong = Batch(BATCH.inputs, torch.zeros_like(BATCH.labels))
    assert 100 < BACKPROP.update(state, wrong)["loss"] < 300
    assert all(torch.isfinite(weight).all() for weight in state.weights.values())


def test_half_a_pair_of_waves_is_refused():
    with pytest.raises(ValueError, match="n_time = 5.*even"):
        NoPropFM(n_time=5).init(TASK.problem, 0)


def test_bfloat16_learns_nearly_the_same():
    """One batch of a fresh block: 8 bits of mantissa leave about 1 % of a loss."""
    losses = []
    for precision in ("float32", "bfloat16"):
        learner = dataclasses.replace(SMALL, precision=precision)
        losses.append(learner.learn(learner.init(TASK.problem, 0), BATCH, (1, 2, 3)))
    assert not torch.equal(*losses)
    torch.testing.assert_close(*losses, rtol=0.03, atol=0)


def test_processes_that_share_an_embedding_are_refused():
    with pytest.raises(ValueError, match="share nothing"):
        dataclasses.replace(SMALL, processes=2, embedding="learned").init(TASK.problem, 0)
    with pytest.raises(ValueError, match="cannot share 3 blocks"):
        dataclasses.replace(SMALL, processes=4).init(TASK.problem, 0)


def test_two_processes_learn_the_same_bits_and_leave_nothing_behind():
    parallel = dataclasses.replace(SMALL, processes=2, dropout=0.3)
    serial = dataclasses.replace(parallel, processes=1)
    one, two = learned(serial, 6), learned(parallel, 6)
    expected, found = to_tensors(one), to_tensors(two)
    assert expected.keys() == found.keys()
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []
    assert torch.equal(serial.predict(one, BATCH.inputs), parallel.predict(two, BATCH.inputs))
    from_tensors(two, to_tensors(learned(serial, 2)))  # while the processes hold other numbers
    for state in (one := learned(serial, 2), two):
        (serial if state is one else parallel).update(state, BATCH)
    assert all(torch.equal(weight, two.weights[name]) for name, weight in one.weights.items())
    workers = list(two.crew.workers)
    assert len(workers) == 2 and all(worker.is_alive() for worker in workers)
    del state, two, found
    assert not any(worker.is_alive() for worker in workers)


def test_a_failing_process_is_reported_and_takes_the_others_with_it():
    learner = dataclasses.replace(SMALL, processes=2)
    state = learned(learner, 1)
    workers = list(state.crew.workers)
    learner.update(state, Batch(BATCH.inputs, BATCH.labels + 100))
    with pytest.raises(RuntimeError, match="IndexError|out of bounds|out of range"):
        _ = state.weights
    assert not any(worker.is_alive() for worker in workers)

    state = learned(learner, 1)
    workers = list(state.crew.workers)
    os.kill(workers[0].pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="has ended"):
        _ = state.weights
    assert not any(worker.is_alive() for worker in workers)
