"""Learned delays: kernels, their gradients, folding, and the same answers on the event backend."""

import dataclasses
import sys

import numpy as np
import pytest
import torch
from torch.nn.functional import conv1d, pad

import neuro
from neuro.encode import latency
from neuro.events import from_raster, make_events, raster
from neuro.learners import delay_export, delay_layers
from neuro.learners.base import Batch, Problem, to_tensors
from neuro.learners.delay_convolution import bumps, convolve
from neuro.learners.delays import Delays, one_cycle
from neuro.learners.event_counts import counts, one_a_step
from neuro.units import decay

PROBLEM = Problem(
    n_inputs=12, n_classes=3, n_steps=20, dt=10.0, input_mean=0.0, input_std=1.0, shape=(12,), samples=640
)
SMALL = Delays(hidden=(9, 7), longest=60.0, batch_size=16, precision="float32")


def events(n=16, seed=0, density=0.3):
    rng = np.random.default_rng(seed)
    spikes_TBN = rng.random((4 * PROBLEM.n_steps, n, PROBLEM.n_inputs)) < density / 4  # some twice in a step
    return from_raster(spikes_TBN, PROBLEM.dt / 4), torch.from_numpy(rng.integers(0, 3, n))


def trained(learner=SMALL, updates=30, seed=0):
    state = learner.init(PROBLEM, seed)
    for k in range(updates):
        learner.update(state, Batch(*events(seed=k)))
    return state


def plain(x_TBI, kernel_DJI):
    """The convolution by torch's own, which knows no transform."""
    n_delays = len(kernel_DJI)
    return conv1d(pad(x_TBI.permute(1, 2, 0), (n_delays - 1, 0)), kernel_DJI.flip(0).permute(1, 2, 0)).permute(2, 0, 1)


@pytest.mark.parametrize("width", [12.0, 2.0, 0.5, 1e-3])
def test_a_bump_sums_to_one_and_peaks_at_its_place(width):
    places_JI = torch.tensor([[0.0, 3.0, 7.0]])
    spread_DJI = bumps(places_JI, width, 8)
    torch.testing.assert_close(spread_DJI.sum(0), torch.ones(1, 3))
    assert torch.equal(spread_DJI.argmax(0), places_JI.long())


def test_a_bump_is_a_gaussian():
    """Far from the ends, a step beside the place is exp(-1 / (2 width^2)) as high."""
    spread_D = bumps(torch.tensor([[10.0]]), 1.5, 21)[:, 0, 0]
    torch.testing.assert_close(spread_D[11] / spread_D[10], torch.tensor(-1 / (2 * 1.5**2)).exp())


def test_whole_places_are_delays():
    """y_j[t] = sum_i w_ji x_i[t - p_ji], summed by hand."""
    rng = torch.Generator().manual_seed(0)
    w_JI, places_JI = torch.randn(4, 5, generator=rng), torch.randint(0, 6, (4, 5), generator=rng)
    x_TBI = (torch.rand(15, 3, 5, generator=rng) < 0.4).float()
    expected_TBJ = torch.zeros(15, 3, 4)
    for j in range(4):
        for i in range(5):
            p = int(places_JI[j, i])
            expected_TBJ[p:, :, j] += w_JI[j, i] * x_TBI[: 15 - p, :, i]
    found = convolve(x_TBI, w_JI * bumps(places_JI.float(), 1e-3, 6))
    torch.testing.assert_close(found, expected_TBJ, atol=1e-5, rtol=0)  # order of float32 sums


@pytest.mark.parametrize(("n_steps", "n_delays"), [(20, 7), (21, 7), (3, 5), (9, 1)])
def test_convolution_and_its_gradients_equal_torchs_own(n_steps, n_delays):
    rng = torch.Generator().manual_seed(1)
    x_TBI = torch.randn(n_steps, 2, 3, generator=rng, dtype=torch.float64).requires_grad_()
    kernel_DJI = torch.randn(n_delays, 4, 3, generator=rng, dtype=torch.float64).requires_grad_()
    error = torch.randn(n_steps, 2, 4, generator=rng, dtype=torch.float64)
    found, expected = convolve(x_TBI, kernel_DJI, torch.float64), plain(x_TBI, kernel_DJI)
    torch.testing.assert_close(found, expected)
    for a, b in zip(*(torch.autograd.grad(y, (x_TBI, kernel_DJI), error) for y in (found, expected)), strict=True):
        torch.testing.assert_close(a, b)


def test_bfloat16_products_are_near():
    """bfloat16 has 8 bits: the root mean square of the error stays below 2 % of that of the result."""
    rng = torch.Generator().manual_seed(2)
    x_TBI = (torch.rand(60, 4, 50, generator=rng) < 0.3).float()
    kernel_DJI = torch.randn(20, 30, 50, generator=rng) * bumps(20 * torch.rand(30, 50, generator=rng), 1.0, 20)
    error = convolve(x_TBI, kernel_DJI, torch.bfloat16) - plain(x_TBI, kernel_DJI)
    assert error.square().mean().sqrt() < 0.02 * plain(x_TBI, kernel_DJI).square().mean().sqrt()


def test_gradient_of_places_against_finite_differences():
    rng = torch.Generator().manual_seed(3)
    w_JI, error = torch.randn(2, 3, generator=rng).double(), torch.randn(12, 2, 2, generator=rng).double()
    places_JI, x_TBI = 4 * torch.rand(2, 3, generator=rng).double(), torch.rand(12, 2, 3, generator=rng).double()

    def loss(places_JI):
        return (convolve(x_TBI, w_JI * bumps(places_JI, 0.7, 6), torch.float64) * error).sum()

    assert torch.autograd.gradcheck(loss, places_JI.requires_grad_())


def test_a_spike_resets_to_zero_and_its_surrogate_is_differentiated():
    """Drive 0.7, decay 0.5: v = 0.7, 1.05 fires, 0.7, 1.05 fires. Gradients by hand, without the reset's."""
    membrane = delay_layers.Membrane(0.5, 1.0, 2.0)
    x_TBJ = torch.full((4, 1, 1), 0.7, requires_grad=True)
    z_TBJ = delay_layers.spikes(x_TBJ, membrane)
    assert z_TBJ.flatten().tolist() == [0, 1, 0, 1]
    z_TBJ.sum().backward()
    low, high = (1 / (1 + (np.pi * (v - 1.0)) ** 2) for v in (0.7, 1.05))
    assert x_TBJ.grad is not None
    np.testing.assert_allclose(x_TBJ.grad.flatten(), [low + 0.5 * high, high] * 2, rtol=1e-5)


def test_dropout_silences_neurons_for_whole_samples():
    z_TBJ = delay_layers.dropped(torch.ones(7, 50, 40), 0.4, torch.Generator().manual_seed(0))
    assert torch.equal(z_TBJ, z_TBJ[:1].expand_as(z_TBJ))
    torch.testing.assert_close(z_TBJ.unique(), torch.tensor([0.0, 1 / 0.6]))
    assert (z_TBJ == 0).float().mean().item() == pytest.approx(0.4, abs=0.05)  # 2,000 draws


def test_folded_normalisation_equals_normalisation():
    """Of the running means: gain (x - mean) / sqrt(var + 1e-5) + shift, on the sums that the weights make."""
    state = trained()
    gain, shift, mean, var = SMALL._normalisation(state, 0)
    w_JI, spikes_SI = state.weights["layer_0"], (torch.rand(50, 12, generator=state.rng) < 0.3).float()
    x_SJ = spikes_SI @ w_JI.T
    expected = torch.nn.functional.batch_norm(x_SJ, mean, var, gain, shift)
    layer = delay_export.folded(w_JI, torch.zeros_like(w_JI), (gain, shift, mean, var))
    found = spikes_SI.double().numpy() @ layer.w_JI.T + layer.shift_J
    np.testing.assert_allclose(found, expected.detach(), atol=1e-5)  # of float32
    assert mean.abs().max() > 0.1 and shift.abs().max() > 1e-3


def on_event_backend(learner, state, inputs):
    net, weights = learner.as_network(state)
    duration = learner.n_steps(state.problem) * state.problem.dt
    record = neuro.simulate(
        net,
        weights,
        {"input": learner.entering(state.problem, inputs)},
        duration=duration,
        backend="event",
        record=("readout.output",),
    )
    scores_BC = delay_layers.summed_shares(torch.from_numpy(record.traces["readout.output"]))
    return scores_BC.float(), record.counts


@pytest.mark.parametrize("delays", ["learned", "random", "none"])
@pytest.mark.parametrize("duration", [200.0, 150.0])
def test_the_exported_network_gives_the_same_bits_on_the_event_backend(delays, duration):
    learner = dataclasses.replace(SMALL, delays=delays, duration=duration, tau_m=15.0)
    state, (inputs, _) = trained(learner), events(seed=99)
    scores_BC = learner.predict(state, inputs)
    found_BC, counts = on_event_backend(learner, state, inputs)
    assert torch.equal(found_BC, scores_BC)
    assert (counts.spikes, counts.synaptic_events) == (state.counts.spikes, state.counts.synaptic_events)
    assert counts.spikes > 100


def test_static_samples_enter_by_latency():
    state, values_BI = trained(), torch.rand(5, 12, generator=torch.Generator().manual_seed(4))
    scores_BC = SMALL.predict(state, values_BI)
    assert torch.equal(scores_BC, SMALL.predict(state, latency(values_BI.numpy(), 200.0)))


def test_learning_and_answering_agree():
    """Without dropout, with the running statistics of the batch itself and whole delays, both are one network."""
    learner = dataclasses.replace(SMALL, delays="random", dropout=0.0)
    state, (inputs, _) = trained(learner), events(n=64, seed=5)
    z_TBI = learner._counted(PROBLEM, inputs)
    for _ in range(200):  # running means come to those of this batch
        learning_BC = learner._learning_scores(state, z_TBI, 1e-3)
    # The running variance is that of n - 1 numbers, so single spikes may differ.
    assert (learner.predict(state, inputs) - learning_BC).abs().median() < 1e-2


def test_learned_delays_move_and_stay_within_bounds():
    state, before = trained(updates=60), SMALL.init(PROBLEM, 0)
    for k in range(3):
        places_JI = state.weights[f"places_{k}"].detach()
        assert places_JI.min() >= 0 and places_JI.max() <= 6
        assert (places_JI - before.weights[f"places_{k}"].detach()).abs().mean() > 0.2


def test_fixed_delays_are_not_learned_and_none_are_zero():
    for delays in ("random", "none"):
        learner = dataclasses.replace(SMALL, delays=delays)
        state, before = trained(learner), learner.init(PROBLEM, 0)
        assert not [name for name in state.weights if name.startswith("places")]
        assert all(torch.equal(state.memory[f"places_{k}"], before.memory[f"places_{k}"]) for k in range(3))
        assert bool(state.memory["places_0"].any()) == (delays == "random")


def test_width_and_rates_follow_the_budget():
    """640 samples in batches of 16: a width of 0.5 after 10 updates, the top rate after 12, whole delays after 28."""
    state, widths, rates = SMALL.init(PROBLEM, 0), [], []
    for k in range(40):
        widths.append(SMALL.update(state, Batch(*events(seed=k)))["width"])
        rates.append(state.optimisers["weights"].param_groups[0]["lr"])
        if k == 28:
            whole_JI = state.weights["places_0"].detach().clone()
            assert torch.equal(whole_JI, whole_JI.round())
    assert torch.equal(state.weights["places_0"], whole_JI)
    assert widths[0] == 3.0 and widths[10:28] == [0.5] * 18 and widths[28:] == [1e-3] * 12
    np.testing.assert_allclose(np.diff(np.log(widths[:11])), np.log(0.5 / 3.0) / 10)
    assert rates[12] == SMALL.lr == max(rates) and rates[0] == pytest.approx(SMALL.lr / 25)
    assert one_cycle(1.0) == pytest.approx(4e-6)


def test_the_default_membrane_decays_as_the_authors():
    """v <- v - v / 1.005 in a step of 10 ms."""
    assert decay(10.0, Delays().tau_m) == pytest.approx(1 - 1 / 1.005, rel=2e-3)


def test_counts_survive_as_units_of_one_spike_a_step():
    """300 spikes in 20 x 12 places: a sum over the units that stand for one is its count, up to the most."""
    rng = np.random.default_rng(0)
    given = make_events(rng.uniform(0, 200, 300), rng.integers(0, 12, 300), np.array([0, 180, 300]))
    times, units, samples = given.times, given.units, np.repeat([0, 1], [180, 120])
    expected_TBI = np.zeros((20, 2, 12))
    np.add.at(expected_TBI, (np.floor(times / 10).astype(int), samples, units), 1)
    assert expected_TBI.max() > 3
    np.testing.assert_array_equal(counts(given, 12, 20, 10.0, 3), np.minimum(expected_TBI, 3))
    spikes_TBN, _ = raster(one_a_step(given, 12, 10.0, 3), 36, 20, 10.0)
    np.testing.assert_array_equal(spikes_TBN.reshape(20, 2, 12, 3).sum(3), np.minimum(expected_TBI, 3))
    assert len(one_a_step(given, 12, 10.0, 100).times) == 300


def test_a_duration_below_a_step_is_refused():
    with pytest.raises(ValueError, match="duration = 5.0 ms is less than a step, 10.0 ms; give at least that"):
        dataclasses.replace(SMALL, duration=5.0).init(PROBLEM, 0)


def test_an_unknown_budget_leaves_width_and_rates_alone():
    state = SMALL.init(PROBLEM._replace(samples=sys.maxsize), 0)
    measured = [SMALL.update(state, Batch(*events(seed=k)))["width"] for k in range(3)]
    assert measured == [0.5] * 3
    assert state.optimisers["weights"].param_groups[0]["lr"] == pytest.approx(SMALL.lr / 25)
    assert state.optimisers["places"].param_groups[0]["lr"] == SMALL.lr_places


def test_same_seed_same_bits():
    one, two, other = (to_tensors(trained(dataclasses.replace(SMALL, precision="bfloat16"), 5, s)) for s in (1, 1, 2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["weights/places_0"], other["weights/places_0"])
