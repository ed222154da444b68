"""EventProp's gradients against differences of what it runs, and its spikes against the event backend."""

import numpy as np
import pytest
import torch

from neuro import Dense, Network, Population, Projection, Source, simulate
from neuro.events import make_events
from neuro.learners.base import Problem
from neuro.learners.eventprop import EventProp, backward, forward
from tasks import digits

PROBLEM = Problem(4, 3, 40, 1.0, 0.0, 1.0, (4,), 10_000)
H = 1e-6  # of central differences, whose error is H^2 times a third derivative, and 1e-16 / H
TAUS = [(20.0, 5.0), (10.0, 10.0), (7.0, 9.0)]  # the propagator's limit, and synapses slower than membranes


def learner(**settings):
    tau_syn = settings.get("tau_syn", 5.0)  # slower synapses carry more
    given = {"hidden": (6, 5), "w_sum": 45.0 / tau_syn, "w_spread": 30.0 / tau_syn} | settings
    return EventProp(**given)


def samples():
    rng = np.random.default_rng(0)
    events = make_events(rng.random(60) * 40.0, rng.integers(0, 4, 60), np.array([0, 20, 40, 60]))
    return events, torch.tensor([0, 2, 1])


@pytest.mark.parametrize("taus", TAUS)
@pytest.mark.parametrize("hidden", [(6,), (6, 5)])
def test_gradient_is_that_of_finite_differences(taus, hidden):
    """Relative to the largest entry. No spike appears or vanishes within the differences: they would jump."""
    model = learner(hidden=hidden, tau_m=taus[0], tau_syn=taus[1])
    state, (events, labels_B) = model.init(PROBLEM, 1), samples()
    found, _ = model.gradients(state, events, labels_B)
    for name, weight in state.weights.items():
        numeric, w_JI = torch.zeros_like(weight), weight.detach()
        for index in np.ndindex(*w_JI.shape):
            losses, old = [], w_JI[index].item()
            for moved in (old + H, old - H):
                w_JI[index] = moved
                losses.append(model.gradients(state, events, labels_B)[1])
            w_JI[index] = old
            numeric[index] = (losses[0] - losses[1]) / (2 * H)
        largest = found[name].abs().max().item()
        assert largest > 0.1, "the test must see gradients"
        torch.testing.assert_close(found[name], numeric, rtol=0, atol=1e-6 * largest)


@pytest.mark.parametrize("taus", TAUS)
def test_the_times_of_the_input_have_their_derivatives_too(taus):
    model = learner(tau_m=taus[0], tau_syn=taus[1])
    net, (events, _) = model._net(model.init(PROBLEM, 1)), samples()
    error_C = np.array([0.3, -1.0, 0.7])
    passed = forward(net, events, 1)
    found = backward(net, passed, error_C, [np.zeros_like(w_JI) for w_JI in net.weights])
    one = events.sample(1)
    for k in range(len(one.times)):
        ends = [forward(net, one._replace(times=one.times + H * sign * (np.arange(20) == k)), 0) for sign in (1, -1)]
        numeric = error_C @ (ends[0].peaks.v_C - ends[1].peaks.v_C) / (2 * H)
        assert found[k] == pytest.approx(numeric, abs=1e-6 * np.abs(found).max())


def test_one_spike_by_hand():
    """With tau_m = 2 tau_syn, v = w (u - u^2) after one arrival, u = e^(-t / tau_m): v_th at the larger root of u."""
    model = EventProp(hidden=(1,), tau_m=20.0, tau_syn=10.0)
    problem = PROBLEM._replace(n_inputs=1, n_classes=2, n_steps=100)
    state, w = model.init(problem, 0), 6.0
    state.weights["input->hidden0"].detach().fill_(w)
    state.weights["hidden0->readout"].detach()[:] = torch.tensor([[1.0], [-1.0]])
    passed = forward(model._net(state), make_events(np.array([3.0]), np.array([0])), 0)
    u = 0.5 + np.sqrt(0.25 - 1.0 / w)
    assert passed.spikes[1].times_M[0] == pytest.approx(3.0 - 20.0 * np.log(u), rel=1e-12)
    assert passed.spikes[1].currents_M[0] == pytest.approx(w * u * u, rel=1e-12)
    assert passed.peaks.v_C[1] == 0.0 and passed.peaks.times_C[1] == 0.0


def test_when_a_lone_spike_comes_matters_only_near_the_end():
    """The peak of a lone spike's potential is the same whenever it comes, but for what is cut off at the end."""
    model = EventProp(hidden=(1,), tau_m=20.0, tau_syn=10.0)
    problem = PROBLEM._replace(n_inputs=1, n_classes=2, n_steps=30)
    state = model.init(problem, 0)
    state.weights["input->hidden0"].detach().fill_(6.0)
    state.weights["hidden0->readout"].detach()[:] = torch.tensor([[1.0], [0.5]])
    early, _ = model.gradients(state, make_events(np.array([1.0]), np.array([0])), torch.tensor([0]))
    assert early["input->hidden0"].abs().max() < 1e-12 and early["hidden0->readout"].abs().max() > 0.05
    late, _ = model.gradients(state, make_events(np.array([20.0]), np.array([0])), torch.tensor([0]))
    assert late["input->hidden0"].item() < -1e-3, "a larger weight fires earlier, and leaves more time to rise"


@pytest.mark.parametrize("taus", TAUS)
def test_spikes_are_those_of_the_asynchronous_event_backend(taus):
    """The same equations, solved by other code that shares the search for a crossing; times agree to 1e-9 ms."""
    model = learner(hidden=(30,), tau_m=taus[0], tau_syn=taus[1])
    net, (events, _) = model._net(model.init(PROBLEM, 1)), samples()
    own = forward(net, events, 0).spikes[1]
    populations = Population("in", 4, Source()), Population("hidden", 30, model.neuron())
    net_ = Network(populations, (Projection("in", "hidden", Dense()),), 1.0)
    record = simulate(
        net_, {"in->hidden": net.weights[0]}, {"in": events.sample(0)}, duration=40.0, record=("hidden.spikes",),
        backend="event", update="asynchronous",
    )  # fmt: skip
    other = record.spikes["hidden"]
    assert len(other.times) > 30 and np.array_equal(other.units, own.units_M)
    np.testing.assert_allclose(own.times_M, other.times, rtol=0, atol=1e-9)


def test_silent_neurons_have_no_gradient():
    model = learner(hidden=(5,), w_sum=0.0, w_spread=0.01)
    state, (events, labels_B) = model.init(PROBLEM, 0), samples()
    found, loss = model.gradients(state, events, labels_B)
    assert loss == pytest.approx(np.log(3.0), rel=1e-12)
    assert all(gradient.abs().max() == 0.0 for gradient in found.values())


def test_static_samples_enter_by_their_latency():
    task = digits.load()
    image = torch.from_numpy(task.test.inputs[:1])
    events = EventProp()._events(task.problem, image)
    assert len(events.times) == int((image > 0).sum())
    np.testing.assert_allclose(events.times, (1.0 - image.double().numpy()[0, events.units]) * 25.0, atol=1e-12)
