"""E-prop: its update against backpropagation through time where both coincide, its dynamics against the simulator,
and memory that does not grow with time."""

import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from neuro.learners.base import Batch
from neuro.learners.bptt import BPTT
from neuro.learners.eprop import EProp
from neuro.learners.spiking_input import as_current, encoded
from neuro.learners.surrogate import spike_function
from tasks import digits

TASK = digits.load()
INPUTS, LABELS = torch.from_numpy(TASK.train.inputs[:16]), torch.from_numpy(TASK.train.labels[:16])
SMALL = EProp(hidden=30, tau_m=8.0, feedback="symmetric", surrogate="fast_sigmoid", slope=2.0)


def state_of(learner, dtype=torch.float64, n_steps=12):
    state = learner.init(TASK.problem._replace(n_steps=n_steps), 0)
    with torch.no_grad():
        state.weights["input"].mul_(4.0)  # every code makes the neurons fire
    state.weights = {name: weight.detach().to(dtype).requires_grad_() for name, weight in state.weights.items()}
    state.memory = {name: value.to(dtype) for name, value in state.memory.items()}
    return state


def current_of(learner, state, code="direct"):
    given = encoded(INPUTS, state.problem, code, np.random.default_rng(0))
    return as_current(given, state.problem, state.weights["input"])


def by_autograd(learner, state, current, recurrence_passes=True):
    """Gradients of the same loss through time. The reset subtracts v as a constant, as the theory has it."""
    w, decay = state.weights, np.exp(-state.problem.dt / learner.tau_m)
    spike = spike_function(learner.surrogate, learner.slope)
    v = z = torch.zeros(len(LABELS), learner.hidden, dtype=torch.float64)
    y, outputs = 0.0, []
    for t in range(state.problem.n_steps):
        x = current if current.ndim == 2 else current[t]
        v = decay * v + x @ w["input"].T
        if learner.recurrent:
            v = v + (z if recurrence_passes else z.detach()) @ w["recurrent"].T
        z = spike(v - learner.v_th)
        v = v - (v * z).detach()
        y = decay * y + z @ w["readout"].T
        outputs.append(y)
    if learner.error == "mean":
        loss = cross_entropy(torch.stack(outputs).mean(0), LABELS)
    else:
        loss = torch.stack([cross_entropy(y, LABELS) for y in outputs]).mean()
    return dict(zip(w, torch.autograd.grad(loss, list(w.values())), strict=True)), loss.item()


@pytest.mark.parametrize("error", ["mean", "steps"])
@pytest.mark.parametrize("code", ["direct", "rate", "latency"])
def test_without_recurrence_it_is_backpropagation_through_time(error, code):
    """Each neuron's own loop is all there is to unroll, and eligibility traces carry it exactly (float64)."""
    learner = replace(SMALL, recurrent=False, error=error)
    state = state_of(learner)
    current = current_of(learner, state, code)
    found, loss = learner.gradients(state, current, LABELS)
    truth, true_loss = by_autograd(learner, state, current)
    assert abs(loss - true_loss) < 1e-12 and found.keys() == truth.keys()
    for name in truth:
        assert truth[name].abs().max() > 1e-5
        torch.testing.assert_close(found[name], truth[name], rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("error", ["mean", "steps"])
def test_with_recurrence_only_the_paths_between_neurons_are_missing(error):
    """E-prop is the gradient in which a spike that another neuron receives counts as given (bellec2020, eq. 13)."""
    learner = replace(SMALL, error=error)
    state = state_of(learner)
    current = current_of(learner, state, "rate")
    found, _ = learner.gradients(state, current, LABELS)
    cut, _ = by_autograd(learner, state, current, recurrence_passes=False)
    full, _ = by_autograd(learner, state, current)
    cut["recurrent"].fill_diagonal_(0.0)
    for name in cut:
        torch.testing.assert_close(found[name], cut[name], rtol=1e-9, atol=1e-13)
    assert (found["input"] - full["input"]).norm() > 0.01 * full["input"].norm()
    assert torch.nn.functional.cosine_similarity(found["input"].flatten(), full["input"].flatten(), 0) > 0.5


@pytest.mark.parametrize("error", ["mean", "steps"])
def test_it_equals_one_eligibility_trace_a_synapse(error):
    """The sums as the paper writes them, with arrays [B, J, I], online: L^t times the trace filtered by the readout."""
    learner = replace(SMALL, feedback="random", error=error)
    state = state_of(learner)
    current = current_of(learner, state, "rate")
    found, _ = learner.gradients(state, current, LABELS)
    decay, n = np.exp(-1.0 / learner.tau_m), state.problem.n_steps
    y_TBC = torch.stack([y for _, y in learner._outputs(state, current)]).detach()
    seen_TBC = y_TBC.mean(0).expand_as(y_TBC) if error == "mean" else y_TBC
    error_TBC = (seen_TBC.softmax(2) - torch.eye(10)[LABELS]) / (n * len(LABELS))
    trace_BI, filtered_BJI, total_JI = 0.0, 0.0, 0.0
    for t, step in enumerate(learner._steps(state, current)):
        trace_BI = decay * trace_BI + step.x_BI
        psi_BJ = (1 + learner.slope * (step.v_BJ.detach() - learner.v_th).abs()) ** -2
        filtered_BJI = decay * filtered_BJI + psi_BJ[:, :, None] * trace_BI[:, None]
        signal_BJ = error_TBC[t] @ state.memory["feedback"]
        total_JI = total_JI + (signal_BJ[:, :, None] * filtered_BJI).sum(0)
    torch.testing.assert_close(found["input"], total_JI, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("code", ["direct", "rate"])
def test_the_layer_is_the_simulators(code):
    """Without recurrence, the same weights give BPTT's scores, spikes and synaptic events (float32 sums: 1e-4)."""
    learner = EProp(hidden=30, recurrent=False, code=code)
    other = BPTT(hidden=(30,), tau_m=learner.tau_m, v_th=learner.v_th, code=code)
    state, twin = learner.init(TASK.problem, 0), other.init(TASK.problem, 0)
    with torch.no_grad():
        for mine, theirs in zip(twin.weights.values(), state.weights.values(), strict=True):
            mine.copy_(theirs)
    torch.testing.assert_close(learner.predict(state, INPUTS), other.predict(twin, INPUTS), rtol=1e-4, atol=1e-4)
    assert state.counts.spikes == twin.counts.spikes > 0
    assert state.counts.synaptic_events == twin.counts.synaptic_events


def test_recurrent_deliveries_are_counted():
    """Two neurons that fire in every step: each sends one spike to the other, save those of the last step."""
    learner = EProp(hidden=2)
    state = learner.init(TASK.problem._replace(n_inputs=1, n_classes=3, n_steps=5), 0)
    with torch.no_grad():
        state.weights["input"].fill_(2.0)
        state.weights["recurrent"].zero_()
    learner.predict(state, torch.ones(1, 1))
    assert state.counts.spikes == 10
    assert state.counts.synaptic_events == 5 * 2 + 4 * 2 + 10 * 3


class LiveBytes(TorchDispatchMode):
    """The peak of the bytes of all tensors made inside."""

    def __init__(self):
        super().__init__()
        self.now = self.peak = 0
        self.known = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            storage = tensor.untyped_storage() if isinstance(tensor, torch.Tensor) else None
            if storage is not None and storage.data_ptr() not in self.known:
                self.known.add(storage.data_ptr())
                self.now += storage.nbytes()
                self.peak = max(self.peak, self.now)
                weakref.finalize(tensor, self._freed, storage.data_ptr(), storage.nbytes())
        return result

    def _freed(self, pointer, n_bytes):
        self.known.discard(pointer)
        self.now -= n_bytes


def test_memory_does_not_grow_with_steps_and_autograd_keeps_nothing():
    learner, peaks, saved = SMALL, {}, []
    for n_steps in (10, 80):
        state = state_of(learner, torch.float32, n_steps)
        current = current_of(learner, state)
        with torch.autograd.graph.saved_tensors_hooks(saved.append, lambda x: x), LiveBytes() as live:
            learner.gradients(state, current, LABELS)
        peaks[n_steps] = live.peak
    assert saved == []
    assert 0 < peaks[80] <= 1.05 * peaks[10]


def test_adaptive_feedback_comes_to_match_the_readout():
    """Both have the same update and decay: their difference shrinks by 1 - rate * decay a step (Kolen-Pollack)."""
    learner = EProp(hidden=20, feedback="adaptive", decay=10.0, lr=1e-3)
    state = learner.init(TASK.problem._replace(samples=10**9), 0)
    difference = [(state.weights["readout"] - state.weights["feedback"]).detach()]
    for _ in range(100):
        learner.update(state, Batch(INPUTS, LABELS))
    difference.append((state.weights["readout"] - state.weights["feedback"]).detach())
    torch.testing.assert_close(difference[1], difference[0] * (1 - 1e-2) ** 100, rtol=1e-3, atol=1e-5)


def test_no_neuron_comes_to_send_to_itself():
    learner = EProp(hidden=20)
    state = learner.init(TASK.problem, 0)
    for _ in range(3):
        learner.update(state, Batch(INPUTS, LABELS))
    assert not state.weights["recurrent"].diagonal().any() and state.weights["recurrent"].any()
