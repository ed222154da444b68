"""STDP, winner take all: the engines agree, weights and thresholds keep their laws, rivals are silenced."""

import dataclasses

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from neuro.learners.base import Batch, from_tensors, to_tensors
from neuro.learners.stdp_wta import STDPWinnerTakeAll, voters
from neuro.learners.winner_take_all import ENGINES, Spikes, WinnerTakeAll, encoded, learn, normalise, respond
from neuro.neurons import lif_adaptive_threshold
from neuro.plasticity import post_stdp
from neuro.units import vary
from tasks import digits
from tasks.base import stream

TASK = digits.load()
N_INPUTS, N_NEURONS, N_STEPS = 40, 12, 120
NEURON = vary(lif_adaptive_threshold.DIEHL_COOK, source="test", theta_plus=1.0, tau_theta=500.0)
RULE = vary(post_stdp.DIEHL_COOK, source="test", a_plus=0.05, a_minus=0.002, w_max=3.0)
LAYER = WinnerTakeAll(NEURON, RULE, inhibition=-15.0, n_steps=N_STEPS, total=20.0)


def start(layer=LAYER, dtype=np.float64):
    """Random weights and thresholds, and spikes of some samples."""
    rng = np.random.default_rng(4)
    w_IJ = rng.uniform(0.0, 1.0, (N_INPUTS, N_NEURONS))
    normalise(w_IJ, np.arange(N_NEURONS), layer)
    samples = encoded(rng.uniform(0.0, 1.0, (6, N_INPUTS)), range(6), 100.0, layer)
    return w_IJ.astype(dtype), rng.uniform(0.0, 3.0, N_NEURONS).astype(dtype), samples


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_engines_agree_bit_for_bit_one_sample_at_a_time(dtype):
    found = {}
    for engine in ENGINES:
        w_IJ, theta_J, samples = start(dtype=dtype)
        seen = [learn(LAYER, engine, w_IJ, theta_J, [sample]) for sample in samples]
        last = respond(LAYER, engine, w_IJ, theta_J, samples)
        found[engine] = (w_IJ, theta_J, *(part for response in (*seen, last) for part in response))
    for one, other in zip(found["batched"], found["event"], strict=True):
        np.testing.assert_array_equal(one, other)
    before = start(dtype=dtype)
    assert np.abs(found["event"][0] - before[0]).max() > 0.1  # much was learned
    assert found["event"][-2].sum() > 20


def test_samples_in_one_call_of_the_event_engine_follow_each_other():
    at_once, one_by_one = start(), start()
    learn(LAYER, "event", *at_once)
    for sample in one_by_one[2]:
        learn(LAYER, "event", *one_by_one[:2], [sample])
    np.testing.assert_array_equal(at_once[0], one_by_one[0])
    np.testing.assert_array_equal(at_once[1], one_by_one[1])


def test_a_column_becomes_the_mean_over_the_samples_that_changed_it():
    w_IJ, theta_J, samples = start()
    apart = []
    for sample in samples:
        w, theta = w_IJ.copy(), theta_J.copy()
        apart.append((w, theta, learn(LAYER, "batched", w, theta, [sample]).counts_BJ[0] > 0))
    merged, risen = w_IJ.copy(), theta_J.copy()
    learn(LAYER, "batched", merged, risen, samples)
    np.testing.assert_allclose(risen - theta_J, sum(theta - theta_J for _, theta, _ in apart), atol=1e-12)  # of 10 mV
    for j in range(N_NEURONS):
        n = sum(fired[j] for *_, fired in apart)
        if n == 0:
            np.testing.assert_array_equal(merged[:, j], w_IJ[:, j])
        if n == 1:  # scaled already, and so not changed by scaling again but by rounding
            np.testing.assert_allclose(merged[:, j], next(w[:, j] for w, _, f in apart if f[j]), rtol=1e-14)
    assert {sum(fired[j] for *_, fired in apart) for j in range(N_NEURONS)} > {1}


def test_sums_of_weights_are_kept_and_bounds_too():
    w_IJ, theta_J, samples = start()
    for _ in range(5):
        learn(LAYER, "batched", w_IJ, theta_J, samples)
    assert w_IJ.min() >= 0.0 and w_IJ.max() <= RULE.w_max
    free = w_IJ.max(0) < RULE.w_max
    assert free.sum() > N_NEURONS // 2
    np.testing.assert_allclose(w_IJ[:, free].sum(0), LAYER.total, rtol=1e-14)  # sums of 40 numbers
    assert (w_IJ.sum(0) <= LAYER.total * (1 + 1e-14)).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_threshold_rises_by_theta_plus_at_a_spike_and_decays_in_closed_form(engine):
    """One neuron, one input whose spike in step 10 makes it fire; dt is 1 ms, and the first step is the first decay."""
    layer = LAYER._replace(inhibition=0.0, total=50.0, rule=vary(RULE, source="test", w_max=50.0))
    w_IJ, theta_J = np.full((1, 1), 50.0), np.array([7.0])
    offsets = np.zeros(N_STEPS + 1, np.int64)
    offsets[11:] = 1
    response = learn(layer, engine, w_IJ, theta_J, [Spikes(np.zeros(1, np.int32), offsets)])
    assert response.counts_BJ.tolist() == [[1]] and response.n_events == 1
    left = np.exp(-np.array([N_STEPS, N_STEPS - 11]) / NEURON.tau_theta)
    np.testing.assert_allclose(theta_J, 7.0 * left[0] + NEURON.theta_plus * left[1], rtol=1e-13)  # 120 products


def test_the_winner_takes_all():
    """With inhibition that nothing overcomes only those fire that did so in the very first step with a spike."""
    w_IJ, theta_J, samples = start()
    cut = [Spikes(s.inputs, np.minimum(s.offsets, s.offsets[k])) for s in samples for k in range(N_STEPS + 1)]
    counts_BJ, free_BJ, until_BTJ = (
        respond(LAYER._replace(inhibition=inhibition), "batched", w_IJ, theta_J, shown).counts_BJ
        for inhibition, shown in ((-1e6, samples), (0.0, samples), (0.0, cut))
    )
    until_BTJ = until_BTJ.reshape(len(samples), N_STEPS + 1, N_NEURONS)
    for b in range(len(samples)):
        first_J = until_BTJ[b, np.argmax(until_BTJ[b].sum(1) > 0)] > 0
        np.testing.assert_array_equal(counts_BJ[b] > 0, first_J)
    assert (free_BJ > 0).sum(1).min() > 6 and (counts_BJ > 0).sum(1).max() <= 2


def test_a_neuron_comes_to_resemble_what_makes_it_fire():
    """Two patterns of four inputs: afterwards each of the neurons that fire has its weights on one of them."""
    layer = LAYER._replace(inhibition=-200.0, rule=vary(RULE, source="test", a_minus=0.0, x_target=0.1))
    w_IJ, theta_J, _ = start(layer)
    patterns_BI = np.kron(np.eye(2), np.ones((1, N_INPUTS // 2)))
    for k in range(150):
        learn(layer, "batched", w_IJ, theta_J, encoded(patterns_BI[k % 2][None], [k], 100.0, layer))
    won = respond(layer, "batched", w_IJ, theta_J, encoded(patterns_BI, [1000, 1001], 100.0, layer)).counts_BJ.argmax(1)
    assert won[0] != won[1]
    for b in range(2):
        assert w_IJ[patterns_BI[b] > 0, won[b]].sum() > 0.95 * LAYER.total


def test_encoding_has_its_rate_and_depends_on_the_key_alone():
    """Bernoulli numbers: mean n p, variance n p (1 - p), within five standard errors."""
    values_BI = np.tile([0.0, 0.25, 1.0], (200, 1))
    spikes = encoded(values_BI, range(200), 100.0, LAYER)
    found = sum(np.bincount(s.inputs, minlength=3) for s in spikes)
    n, p = 200 * N_STEPS, np.array([0.0, 0.025, 0.1])
    assert found[0] == 0 and (np.abs(found - n * p) <= 5.0 * np.sqrt(n * p * (1.0 - p))).all()
    (alone,) = encoded(values_BI[7:8], [7], 100.0, LAYER)
    np.testing.assert_array_equal(alone.inputs, spikes[7].inputs)
    assert not np.array_equal(spikes[6].inputs, spikes[7].inputs)


def test_threads_change_no_bit(monkeypatch):
    found = []
    for threads in (1, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        w_IJ, theta_J, samples = start()
        found.append((learn(LAYER, "batched", w_IJ, theta_J, samples).counts_BJ, w_IJ, theta_J))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


# The learner.

LEARNER = STDPWinnerTakeAll(hidden=30, batch_size=7)


def learned(learner, samples, seed=0, state=None, begin=0):
    state = learner.init(TASK.problem, seed) if state is None else state
    for _, batch in stream(TASK.train, samples, learner.batch_size, seed, begin):
        learner.update(state, batch)
    return state


@pytest.mark.parametrize("engine", ENGINES)
def test_going_on_from_a_checkpoint_gives_the_same_bits(engine, tmp_path):
    learner = dataclasses.replace(LEARNER, engine=engine)
    whole = to_tensors(learned(learner, 42))
    half = learned(learner, 21)
    save_file({name: tensor.contiguous() for name, tensor in to_tensors(half).items()}, tmp_path / "state")
    again = learner.init(TASK.problem, 5)
    from_tensors(again, load_file(tmp_path / "state"))
    found = to_tensors(learned(learner, 42, state=again, begin=21))
    assert whole.keys() == found.keys() and all(torch.equal(whole[name], found[name]) for name in whole)
    rows = torch.from_numpy(TASK.test.inputs[:5])
    assert torch.equal(learner.predict(again, rows), learner.predict(learned(learner, 42), rows))


def test_labels_name_neurons_and_do_nothing_else():
    states = [LEARNER.init(TASK.problem, 0) for _ in range(2)]
    for _, batch in stream(TASK.train, 70, 7, 0):
        LEARNER.update(states[0], batch)
        LEARNER.update(states[1], Batch(batch.inputs, (batch.labels + 1) % 10))
    one, other = (to_tensors(state) for state in states)
    differs = {name for name in one if not torch.equal(one[name], other[name])}
    assert differs == {"weights/responses", "memory/shown"}
    # A permutation of labels permutes the answers.
    rows = torch.from_numpy(TASK.test.inputs[:20])
    torch.testing.assert_close(LEARNER.predict(states[0], rows).roll(1, 1), LEARNER.predict(states[1], rows))


def test_the_answer_is_the_mean_of_the_neurons_of_a_class():
    state = LEARNER.init(TASK.problem, 0)
    state.weights["responses"][:3, 4] = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    state.weights["responses"][2, 7] = 30.0
    state.memory["shown"][:] = torch.tensor([5.0] * 7 + [50.0] + [5.0] * 2)
    votes_JC = voters(state)  # neuron 2 fired 3 times in 5 samples of class 4, and 30 times in 50 of class 7
    assert votes_JC[:2, 4].tolist() == [0.5, 0.5] or votes_JC[:3, 4].tolist() == [1 / 3] * 3
    assert votes_JC[3:].sum() == 0 and bool((votes_JC.sum(0)[4] - 1.0).abs() < 1e-12)


def test_failure_is_not_silent():
    learner = dataclasses.replace(LEARNER, rate=1.0)
    state = learner.init(TASK.problem, 0)
    batch = TASK.train.batch(np.arange(20))
    measured = learner.update(state, batch)
    assert measured == {"rate_hz": 0.0, "silent_neurons": 1.0}
    with pytest.warns(UserWarning, match="20 of 20 samples make no neuron fire.*raise rate"):
        assert learner.predict(state, batch.inputs).count_nonzero() == 0
    loud = LEARNER.update(LEARNER.init(TASK.problem, 0), batch)
    assert loud["rate_hz"] > 1.0 and loud["silent_neurons"] < 0.9
