"""Liquids: geometry, what the readout sees, an astrocyte that holds the activity, and failures that are named."""

import dataclasses
import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from neuro.events import Events
from neuro.learners.base import Batch, from_tensors, to_tensors
from neuro.learners.liquid import PLASTIC, PLASTICITIES, TYPES, Liquid
from neuro.learners.liquid_state_machine import LiquidStateMachine, _windows
from tasks import digits
from tasks.base import stream

TASK = digits.load()
SMALL = LiquidStateMachine(shape=(4, 4, 4), duration=60.0, snapshots=120, batch_size=40, p_input=0.5, weight=3.0)


def learned(learner, samples, seed=0, problem=TASK.problem):
    state = learner.init(problem, seed)
    for _, batch in stream(TASK.train, samples, learner.batch_size, 0):
        measured = learner.update(state, batch)
    return state, measured


def test_connectivity_falls_with_distance_as_published():
    """Mean number of synapses between each pair of types, against the sum of c exp(-(d / 3)^2) over all pairs."""
    learner = LiquidStateMachine()
    found = {(pre, post): [] for pre in TYPES for post in TYPES}
    for seed in range(12):
        liquid = learner.liquid(TASK.problem, seed)
        net = liquid.network(None)
        weights = liquid.weights(net, 0.9, 0.0)
        for pre, post in found:
            found[pre, post].append(len(weights[f"{pre}->{post}"].targets))
    axis = np.arange(10)
    near = np.exp(-(((axis[:, None] - axis) / 3.0) ** 2)).sum()  # along one axis; the sum over pairs is its cube
    pairs = near**3 - 1000.0  # without autapses
    for (pre, post), counts in found.items():
        share = (0.8 if pre == "excitatory" else 0.2) * (0.8 if post == "excitatory" else 0.2)
        wanted = liquid.c[pre, post] * share * pairs
        assert np.mean(counts) == pytest.approx(wanted, rel=0.03)  # 12 draws of at least 170: 2 %
    inputs = sum(len(weights[f"input->{post}"].targets) for post in TYPES)
    assert inputs == int(0.15 * 1000 * TASK.problem.n_inputs)
    signs = np.concatenate([weights[f"input->{post}"].weights for post in TYPES])
    np.testing.assert_allclose(np.abs(signs), 0.9)
    assert abs(np.sign(signs).mean()) < 4.0 / np.sqrt(inputs)


@pytest.mark.parametrize("features", ["counts", "filtered"])
def test_the_readout_sees_the_spikes_of_the_liquid(features):
    """The features of a sample, against those of its spikes by the formula."""
    learner = dataclasses.replace(SMALL, features=features)
    state = learner.init(TASK.problem, 0)
    inputs = torch.from_numpy(TASK.test.inputs[:6])
    seen, record = learner.respond(state, inputs, np.zeros(6, np.int64))
    wanted = np.zeros((6, 64))
    for first, name in ((0, "excitatory"), (51, "inhibitory")):
        for sample in range(6):
            events = record.spikes[name].sample(sample)
            part = np.exp((events.times - 60.0) / learner.tau) if features == "filtered" else np.ones(len(events.times))
            np.add.at(wanted[sample], first + events.units, part)
    assert wanted.sum() > 100
    np.testing.assert_allclose(seen.float().numpy(), wanted, rtol=1e-3)  # float16


@pytest.mark.slow
def test_threads_do_not_change_the_bits():
    states, threads = [], torch.get_num_threads()
    try:
        for n in (1, 2):
            torch.set_num_threads(n)
            learner = dataclasses.replace(SMALL, plasticity="astrocyte")
            states.append(learned(learner, 80)[0].memory["features"])
    finally:
        torch.set_num_threads(threads)
    assert states[0].any() and torch.equal(*states)


@pytest.mark.parametrize(
    "plasticity", [*[pytest.param(name, marks=pytest.mark.slow) for name in ("stdp", "ap-stdp")], "astrocyte"]
)
def test_plastic_liquids_go_on_with_the_same_bits(plasticity, tmp_path):
    """Interrupted after the preparation, and in the middle of what the readout learns from."""
    learner = dataclasses.replace(SMALL, plasticity=plasticity)
    whole, _ = learned(learner, 160)
    first, _ = learned(learner, 80)
    save_file({name: tensor.contiguous() for name, tensor in to_tensors(first).items()}, tmp_path / "state")
    second = learner.init(TASK.problem, 0)
    from_tensors(second, load_file(tmp_path / "state"))
    for _, batch in stream(TASK.train, 160, learner.batch_size, 0, 80):
        learner.update(second, batch)
    found, wanted = to_tensors(second), to_tensors(whole)
    assert [name for name in wanted if not torch.equal(found[name], wanted[name])] == []
    inputs = torch.from_numpy(TASK.test.inputs[:20])
    assert torch.equal(learner.predict(second, inputs), learner.predict(whole, inputs))


@pytest.mark.slow
def test_only_a_plastic_liquid_changes_and_its_weights_keep_their_signs():
    for name, plasticity in PLASTICITIES.items():
        learner = dataclasses.replace(SMALL, plasticity=name)
        state, _ = learned(learner, 40)
        assert (plasticity.rules is not None) == set(PLASTIC).issubset(state.weights)
        for projection in set(PLASTIC) & set(state.weights):
            w = state.weights[projection]
            assert w.min() >= -3.0 and w.max() <= 3.0
            if not projection.startswith("input"):
                assert bool((w >= 0).all() if projection.startswith("excitatory") else (w <= 0).all())
                assert w.abs().std() > 0.01


def test_a_dead_liquid_is_named_and_a_full_one_too():
    batch = next(stream(TASK.train, 40, 40, 0))[1]
    dead = dataclasses.replace(SMALL, weight=0.01)
    with pytest.raises(
        ValueError, match=r"fires at 0\.000 Hz, and 100 % of its neurons never.*raise weight \(now 0\.01\)"
    ):
        dead.update(dead.init(TASK.problem, 0), batch)
    full = dataclasses.replace(SMALL, weight=500.0, c_ii=0.0, c_ie=0.0, c_ee=1.0)
    with pytest.warns(UserWarning, match=r"fires at 3\d\d Hz, of at most 333: .*lower weight"):
        full.update(full.init(TASK.problem, 0), batch)


def test_events_are_shown_as_they_are():
    """For the steps of the problem; scores of a sample do not depend on what else is shown."""
    rng = np.random.default_rng(0)
    problem = TASK.problem._replace(n_steps=50, dt=1.0, samples=30)
    n = 300
    times = np.sort(rng.uniform(0.0, 50.0, (30, n)), axis=1).ravel()
    events = Events(times, rng.integers(0, 64, 30 * n).astype(np.int32), np.arange(31) * n)
    state = SMALL.init(problem, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SMALL.update(state, Batch(events, torch.arange(30) % 10))
    scores = SMALL.predict(state, events)
    torch.testing.assert_close(SMALL.predict(state, events.sample(3)), scores[3:4], rtol=1e-4, atol=1e-4)


def test_counts_of_long_samples_end_at_the_largest_and_do_not_begin_anew():
    """Neurons with a refractory period of 2 ms and a step of 1 ms fire up to 333 times a second; a byte holds 255."""
    learner = dataclasses.replace(SMALL, duration=1000.0, weight=30.0, p_input=1.0)
    state = learner.init(TASK.problem, 0)
    times = np.arange(0.0, 1000.0)
    events = Events(np.repeat(times, 64), np.tile(np.arange(64, dtype=np.int32), 1000), np.array([0, 64_000]))
    problem = TASK.problem._replace(n_steps=1000, dt=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the liquid is full, as it should be here
        features_BN, record = learner.respond(dataclasses.replace(state, problem=problem), events, np.zeros(1, int))
    spikes_N = np.concatenate([np.bincount(record.spikes[name].units) for name in TYPES])
    assert spikes_N.max() > 255
    np.testing.assert_array_equal(features_BN[0].numpy(), np.minimum(spikes_N, 255))


def test_windows_are_cut_out_of_events():
    events = Events(np.array([1.0, 5.0, 9.0, 0.0, 6.0]), np.arange(5, dtype=np.int32), np.array([0, 3, 5]))
    cut = _windows(events, np.array([4.0, 0.0]), 5.5)
    np.testing.assert_allclose(cut.times, [1.0, 5.0, 0.0])
    np.testing.assert_array_equal(cut.units, [1, 2, 3])
    np.testing.assert_array_equal(cut.offsets, [0, 2, 3])


def test_a_liquid_is_drawn_from_its_seed():
    def drawn(seed) -> Liquid:
        liquid = SMALL.liquid(TASK.problem, seed)
        return liquid.weights(liquid.network(None), 1.0, 0.0)["excitatory->excitatory"].targets

    np.testing.assert_array_equal(drawn(1), drawn(1))
    assert not np.array_equal(drawn(1), drawn(2))
