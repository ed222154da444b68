"""Recurrent, adaptive and heterogeneous layers: gradients against a program and finite differences, and other backends.

Axes: T step, B sample, C class, I input, J hidden neuron, K hidden neuron of the same layer.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from neuro import simulate
from neuro.audit import audit
from neuro.backends import torch_dense
from neuro.backends.job import make_job
from neuro.events import from_raster
from neuro.learners.base import Batch, Problem, from_tensors, to_tensors
from neuro.learners.bptt import BPTT
from neuro.learners.eprop import EProp
from neuro.learners.recurrent_bptt import RecurrentBPTT
from neuro.learners.surrogate import SURROGATES, spike_function
from neuro.learners.time_constants import LONGEST, SHORTEST, drawn, tau_at
from simulations.recipes import named_learner
from tasks import digits

PROBLEM = Problem(12, 4, 20, 2.0, 0.0, 1.0, (12,), 10_000)
SAMPLES = 16
TASK = digits.load()

KINDS = {
    "plain": {"recurrent": False},
    "recurrent": {},
    "alif": {"neuron": "alif", "tau_a": 30.0, "beta": 0.3},
    "drawn": {"tau_shape": 3.0, "recurrent": False},
    "heterogeneous": {"tau_shape": 3.0, "learn_tau": True},
    "all": {"neuron": "alif", "tau_a": 30.0, "beta": 0.3, "tau_shape": 3.0, "learn_tau": True},
}


def learner(kind, **settings):
    return RecurrentBPTT(**{"hidden": (9, 7), "tau_m": 10.0} | KINDS[kind] | settings)


def data(kind="events"):
    rng = np.random.default_rng(3)
    labels_B = torch.from_numpy(rng.integers(0, 4, SAMPLES))
    if kind == "direct":
        return torch.from_numpy(rng.random((SAMPLES, 12))), labels_B
    return from_raster(rng.random((PROBLEM.n_steps, SAMPLES, 12)) < 0.3, PROBLEM.dt), labels_B


def lively(model, dtype=torch.float64, seed=0):
    """A state whose weights make every layer fire."""
    state = model.init(PROBLEM, seed)
    scaled = {
        name: (tensor if "." in name else 2.5 * tensor).detach().to(dtype).requires_grad_()
        for name, tensor in state.weights.items()
    }
    state.weights = scaled
    state.memory = {name: tensor.to(dtype) if "." in name else tensor for name, tensor in state.memory.items()}
    return state


def written_out(model, state, raster_TBI, threshold_passes=True):
    """Scores [B, C] of the network as a loop, with nothing of the simulator."""
    spike = spike_function(model.surrogate, model.slope)
    held = state.weights | state.memory
    layers = [f"hidden{k}" for k in range(len(model.hidden))]
    zeros = {name: torch.zeros(SAMPLES, size).double() for name, size in zip(layers, model.hidden, strict=True)}
    v, z, theta, y_BC, total_BC = dict(zeros), dict(zeros), dict(zeros), 0.0, 0.0
    decay_theta = np.exp(-PROBLEM.dt / model.tau_a)
    decay_y = np.exp(-PROBLEM.dt / model.tau_m)
    for x_BJ in raster_TBI:
        below = "input"
        for name in layers:
            p_J = decay_y
            if f"{name}.tau_place" in held:
                low, high = np.exp(-4.0), np.exp(-0.005)
                p_J = low + (high - low) / (1.0 + torch.exp(-held[f"{name}.tau_place"]))
            arrived_BJ = x_BJ @ held[f"{below}->{name}"].T
            if model.recurrent:
                w_JK = held[f"{name}->{name}"]
                arrived_BJ = arrived_BJ + z[name] @ (w_JK - torch.diag(torch.diag(w_JK))).T
            v[name] = p_J * v[name] * (1.0 - z[name].detach()) + arrived_BJ
            if model.neuron == "alif":
                theta[name] = decay_theta * (
                    theta[name] + model.beta * (z[name] if threshold_passes else z[name].detach())
                )
            z[name] = spike(v[name] - model.v_th - theta[name])
            x_BJ, below = z[name], name
        y_BC = decay_y * y_BC + x_BJ @ held[f"{below}->readout"].T
        total_BC = total_BC + y_BC
    return total_BC / len(raster_TBI)


def gradients_of(scores_BC, state, labels_B):
    """By name; 0 where nothing depends on a weight."""
    values = list(state.weights.values())
    found = torch.autograd.grad(cross_entropy(scores_BC, labels_B), values, materialize_grads=True)
    return dict(zip(state.weights, found, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_scores_and_gradients_are_those_of_a_loop(kind):
    """float64; tolerance: order of sums over 20 steps, relative to the largest entry."""
    model, (events, labels_B) = learner(kind), data()
    state = lively(model)
    raster_TBI = torch.from_numpy(_raster(events)).double()
    scores_BC, record = model._run(state, events, np.random.default_rng(0))
    wanted_BC = written_out(model, state, raster_TBI)
    torch.testing.assert_close(scores_BC, wanted_BC, rtol=1e-12, atol=1e-12)
    assert 200 < record.counts.spikes < 0.8 * SAMPLES * PROBLEM.n_steps * 16
    found = gradients_of(scores_BC, state, labels_B)
    wanted = gradients_of(wanted_BC, state, labels_B)
    assert len(found) == 3 + 2 * model.recurrent + 2 * model.learn_tau
    for name, gradient in wanted.items():
        largest = gradient.abs().max().item()
        assert largest > 1e-6, "the test must see gradients"
        torch.testing.assert_close(found[name], gradient, rtol=0, atol=1e-11 * largest)


def test_what_a_spike_costs_later_is_in_the_gradient():
    """Thresholds that rise by given amounts, whatever the spikes, have another gradient, and the same scores."""
    model, (events, labels_B) = learner("alif", recurrent=False), data()
    state = lively(model)
    raster_TBI = torch.from_numpy(_raster(events)).double()
    whole, cut = (written_out(model, state, raster_TBI, passes) for passes in (True, False))
    assert torch.equal(whole, cut)
    found = gradients_of(model._run(state, events, np.random.default_rng(0))[0], state, labels_B)["input->hidden0"]
    other = gradients_of(cut, state, labels_B)["input->hidden0"]
    assert (found - other).norm() > 0.02 * found.norm()


def _raster(events):
    raster_TBI = np.zeros((PROBLEM.n_steps, SAMPLES, 12))
    for sample in range(SAMPLES):
        own = slice(events.offsets[sample], events.offsets[sample + 1])
        raster_TBI[np.floor(events.times[own] / PROBLEM.dt + 1e-6).astype(int), sample, events.units[own]] = 1.0
    return raster_TBI


@pytest.mark.parametrize("kind", ["heterogeneous", "all"])
def test_gradients_are_finite_differences_of_the_smoothed_network(kind):
    """With the smooth function as the spike, all entries, central differences.

    The reset is a test, and no neuron crosses it within the differences taken here.
    """
    model = learner(kind, hidden=(4, 3))
    state, (events, _) = lively(model), data()
    given = {"input": torch.from_numpy(_raster(events)[:, :2])}

    def loss():
        net, weights = model._network(state, lambda tensor: tensor)
        job = make_job(net, weights, given, PROBLEM.n_steps * PROBLEM.dt, record=("readout.output",))
        record = torch_dense.run(job, lambda x: SURROGATES["sigmoid"].smooth(x, 2.0))
        return record.traces["readout.output"].square().mean()

    gradients = dict(zip(state.weights, torch.autograd.grad(loss(), list(state.weights.values())), strict=True))
    h = 1e-6
    with torch.no_grad():
        for name, gradient in gradients.items():
            weight, numeric = state.weights[name], torch.zeros_like(state.weights[name])
            for index in np.ndindex(*weight.shape):
                weight[index] += h
                above = loss()
                weight[index] -= 2 * h
                numeric[index] = (above - loss()) / (2 * h)
                weight[index] += h
            torch.testing.assert_close(gradient, numeric, rtol=1e-6, atol=1e-8)
            assert gradient.abs().max() > 1e-4, name
    assert not gradients["hidden0->hidden0"].diagonal().any()


@pytest.mark.parametrize("code", ["events", "direct"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_network_runs_on_the_event_backend_with_the_same_spikes(kind, code):
    """After learning, in float64; tolerance of scores: order of sums."""
    model, (inputs, labels_B) = learner(kind, lr=1e-2), data(code)
    state = model.init(PROBLEM, 0)
    with torch.no_grad():
        for name, weight in state.weights.items():
            weight.mul_(1.0 if "." in name else 2.5)
    given = inputs if code == "events" else inputs.float()
    for _ in range(5):
        model.update(state, Batch(given, labels_B))
    net, weights = model.as_network(state)
    recorded = ("hidden0.spikes", "hidden1.spikes", "readout.output")
    duration = PROBLEM.n_steps * PROBLEM.dt
    dense, sparse = (
        simulate(net, weights, {"input": inputs}, duration=duration, backend=backend, record=recorded)
        for backend in ("torch_dense", "event")
    )
    for name in ("hidden0", "hidden1"):
        np.testing.assert_array_equal(dense.spikes[name].times, sparse.spikes[name].times)
        np.testing.assert_array_equal(dense.spikes[name].units, sparse.spikes[name].units)
    assert dense.counts.spikes == sparse.counts.spikes > 150
    assert dense.counts.synaptic_events == sparse.counts.synaptic_events
    scores_BC = np.asarray(sparse.traces["readout.output"]).mean(0)
    np.testing.assert_allclose(np.asarray(dense.traces["readout.output"]).mean(0), scores_BC, rtol=1e-11, atol=1e-12)
    for values in (state.weights, state.memory):
        values |= {name: tensor.double() for name, tensor in values.items() if name != "seen"}
    predicted_BC = model.predict(state, inputs).numpy()
    np.testing.assert_allclose(predicted_BC, scores_BC, rtol=1e-11, atol=1e-12)
    assert state.counts.spikes == sparse.counts.spikes


def test_without_options_it_is_bptt():
    """The same bits, after learning too."""
    inputs, labels = torch.from_numpy(TASK.train.inputs[:64]), torch.from_numpy(TASK.train.labels[:64])
    models = RecurrentBPTT(hidden=(20, 15), recurrent=False), BPTT(hidden=(20, 15))
    states = [model.init(TASK.problem, 0) for model in models]
    for mine, theirs in zip(states[0].weights.values(), states[1].weights.values(), strict=True):
        mine.detach().copy_(theirs.detach())
    for model, state in zip(models, states, strict=True):
        for _ in range(4):
            model.update(state, Batch(inputs, labels))
        model.predict(state, inputs)
    one, other = map(to_tensors, states)
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    assert states[0].counts.spikes == states[1].counts.spikes > 0


def test_the_recurrent_layer_is_that_of_eprop():
    """The same weights: the same scores (float32 sums: 1e-4), spikes and deliveries, none of a neuron to itself."""
    inputs = torch.from_numpy(TASK.train.inputs[:32])
    mine, theirs = RecurrentBPTT(hidden=(30,)), EProp(hidden=30)
    state, twin = mine.init(TASK.problem, 0), theirs.init(TASK.problem, 0)
    names = {"input->hidden0": "input", "hidden0->hidden0": "recurrent", "hidden0->readout": "readout"}
    with torch.no_grad():
        for name, other in names.items():
            state.weights[name].copy_(twin.weights[other])
    torch.testing.assert_close(mine.predict(state, inputs), theirs.predict(twin, inputs), rtol=1e-4, atol=1e-4)
    assert state.counts.spikes == twin.counts.spikes > 1000
    assert state.counts.synaptic_events == twin.counts.synaptic_events


def test_time_constants_are_gamma_distributed():
    """Mean tau_m and variance tau_m^2 / shape, within four standard errors; of a gamma of shape 3, kurtosis 5."""
    n, mean, shape = 20_000, 20.0, 3.0
    tau_J = tau_at(drawn(mean, shape, n, 0.5, torch.Generator().manual_seed(0)), 0.5).double().numpy()
    assert tau_J.mean() == pytest.approx(mean, abs=4 * mean / np.sqrt(shape * n))
    assert tau_J.var() == pytest.approx(mean**2 / shape, rel=4 * np.sqrt(4.0 / n))
    same_J = tau_at(drawn(mean, 0.0, 5, 0.5, torch.Generator()), 0.5)
    assert same_J.numpy() == pytest.approx(mean, rel=1e-5)  # places are float32


def test_time_constants_stay_within_bounds_wherever_their_places_go():
    """And come back: float64 places have a gradient far out."""
    place_J = torch.tensor([-1e4, -30.0, 0.0, 30.0, 1e4], dtype=torch.float64, requires_grad=True)
    tau_J = tau_at(place_J, 2.0)
    assert bool((tau_J.diff() >= 0).all())
    assert tau_J[0].item() == pytest.approx(2.0 * SHORTEST) and tau_J[-1].item() == pytest.approx(2.0 * LONGEST)
    (gradient_J,) = torch.autograd.grad(tau_J.sum(), place_J)
    assert bool((gradient_J[1:4] > 0).all())
    few_J = tau_at(drawn(395.0, 1.0, 1000, 2.0, torch.Generator().manual_seed(0)), 2.0)
    assert float(few_J.detach().max()) == pytest.approx(0.99 * 2.0 * LONGEST, rel=1e-4)


@pytest.mark.parametrize("tau_m", [0.4, 500.0])
def test_time_constants_out_of_reach_are_refused(tau_m):
    with pytest.raises(ValueError, match=f"tau_m = {tau_m} ms.*0.5 and 400 ms"):
        learner("heterogeneous", tau_m=tau_m).init(PROBLEM, 0)


def test_dropout_keeps_the_expectation_and_silences_for_all_receivers():
    """A neuron sends 0 or 1 / (1 - share) to whoever listens; the mean over draws is 1 (four standard errors)."""
    n, share = 4000, 0.4
    columns = learner("recurrent", dropout=share)._dropped(n, torch.Generator().manual_seed(0))
    ones_BK = torch.ones(n, 9)
    to_peers_BJ, up_BJ = (columns[name](ones_BK, torch.eye(9)) for name in ("hidden0->hidden0", "hidden0->hidden1"))
    assert torch.equal(to_peers_BJ, up_BJ)
    assert up_BJ.unique().tolist() == pytest.approx([0.0, 1.0 / (1.0 - share)])
    assert up_BJ.mean().item() == pytest.approx(1.0, abs=4 * np.sqrt(share / (1 - share) / up_BJ.numel()))
    assert (up_BJ.std(1) > 0).float().mean() > 0.9, "each sample has its own"


def test_dropout_acts_in_learning_alone():
    model, (events, labels_B) = learner("recurrent", dropout=0.5), data()
    plain = learner("recurrent")
    states = [lively(m, torch.float32) for m in (model, plain)]
    assert torch.equal(model.predict(states[0], events), plain.predict(states[1], events))
    losses = [m.update(m.init(PROBLEM, 0), Batch(events, labels_B))["loss"] for m in (model, plain)]
    assert losses[0] != losses[1]


VARIANTS = [named_learner(name) for name in ("bptt-recurrent", "bptt-alif", "bptt-heterogeneous")]


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_same_seed_gives_the_same_bits_and_goes_on_after_a_restart(variant, dropout):
    model, (events, labels_B) = replace(variant, hidden=(9, 7), v_th=0.3, dropout=dropout), data()
    batch = Batch(events, labels_B)
    states = [model.init(PROBLEM, seed) for seed in (1, 1, 2)]
    for state in states[1:]:
        for _ in range(4):
            model.update(state, batch)
    for _ in range(2):
        model.update(states[0], batch)
    resumed = model.init(PROBLEM, 99)
    from_tensors(resumed, {name: tensor.clone() for name, tensor in to_tensors(states[0]).items()})
    for _ in range(2):
        model.update(resumed, batch)
    found, whole, other = map(to_tensors, (resumed, *states[1:]))
    assert found.keys() == whole.keys() and all(torch.equal(found[name], whole[name]) for name in found)
    assert not torch.equal(whole["weights/input->hidden0"], other["weights/input->hidden0"])
    start = model.init(PROBLEM, 1)
    assert [name for name, w in start.weights.items() if torch.equal(w, states[1].weights[name])] == []
    assert not states[1].weights["hidden0->hidden0"].diagonal().any()


@pytest.mark.parametrize("variant", VARIANTS[1:])
def test_the_audit_finds_what_is_declared(variant):
    it = audit(replace(variant, hidden=(30,)), TASK.problem, TASK.train.batch(np.arange(64)))
    assert it.contradictions == []
    assert it.kept_over_time == it.crossing == it.backward_locking == "yes"
