"""Energy: operations of training and inference against counts by hand, and the reading of a GPU's counter."""

import dataclasses
import sys
import types

import numpy as np
import pytest
import torch

from neuro.learners.backprop import Backprop
from neuro.learners.base import LearnerState, to_tensors
from neuro.learners.bptt import BPTT
from neuro.learners.forward_forward_cnn import ForwardForwardCNN
from neuro.learners.liquid_state_machine import LiquidStateMachine
from neuro.learners.noprop import NoProp
from neuro.learners.stdp_wta import STDPWinnerTakeAll
from neuro.record import Counts
from tasks import digits, energy

TASK = digits.load()
MAC_J, ADD_J = 4.6e-12, 0.9e-12  # horowitz2014, fig. 1.1.9: 3.7 + 0.9 pJ, and 0.9 pJ


def batch(n):
    return TASK.train.batch(np.arange(n))


def test_training_of_a_dense_network_by_hand():
    """Forward B I J a layer; backward B I J for its weights, and B I J for its input unless that is the image."""
    learner, n = Backprop(hidden=(7, 5)), 12
    layers = [(64, 7), (7, 5), (5, 10)]
    forward = sum(n * i * j for i, j in layers)
    backward = forward + sum(n * i * j for i, j in layers[1:])
    assert energy.update_work(learner, learner.init(TASK.problem, 0), batch(n))[0] == forward + backward


def test_training_of_a_convolution_by_hand():
    """8 x 8 pixels, 3 x 3 kernels padded to the same size, 4 channels, pooled to 4 x 4, then 10 classes."""
    learner, n = Backprop(conv=(4,), hidden=()), 6
    convolution, dense = n * 64 * 4 * 9, n * 4 * 16 * 10
    macs = energy.update_work(learner, learner.init(TASK.problem, 0), batch(n))[0]
    assert macs == 2 * convolution + 3 * dense  # no gradient for the image


def test_groups_of_a_convolution_share_nothing():
    """Of two convolutions, 8 x 8 pixels and 20 channels, the second has ten groups of two; no gradient is passed on."""
    learner, n = ForwardForwardCNN(channels=(2, 2)), 6
    macs = energy.update_work(learner, learner.init(TASK.problem, 0), batch(n))[0]
    convolutions, softmax = n * 64 * 9 * 20 * (1 + 2), n * 20 * 16 * 10
    assert macs == 2 * convolutions + 2 * softmax


class DeltaRule:
    """A learner with explicit products, without autograd; its matrix-vector product is counted too."""

    batch_size = 8

    def init(self, problem, seed):
        rng = torch.Generator().manual_seed(seed)
        return LearnerState(problem, {"w": torch.zeros(problem.n_classes, problem.n_inputs)}, {}, rng)

    def update(self, state, batch):
        w = state.weights["w"]
        error_BC = torch.eye(10)[batch.labels] - batch.inputs @ w.T
        w += 1e-3 * error_BC.T @ batch.inputs
        return {"mean": float((w @ batch.inputs.mean(0)).sum())}

    def predict(self, state, inputs):
        state.counts += Counts(spikes=3 * len(inputs), synaptic_events=30 * len(inputs))
        return inputs[:, :10]


def test_explicit_products_are_counted():
    learner, n = DeltaRule(), 8
    macs = energy.update_work(learner, learner.init(TASK.problem, 0), batch(n))[0]
    assert macs == n * 64 * 10 + n * 64 * 10 + 64 * 10


class Traces(DeltaRule):
    """The delta rule with an outer product for each sample, made by broadcasting, and a scaling that is none."""

    def update(self, state, batch):
        error_BC = torch.eye(10)[batch.labels] - batch.inputs @ state.weights["w"].T
        change_BCI = error_BC[:, :, None] * batch.inputs[:, None, :]
        state.weights["w"] += (1e-3 * change_BCI).mean(0) * torch.ones(10, 1)
        return {}


def test_outer_products_by_broadcasting_are_counted():
    learner = Traces()
    assert energy.update_work(learner, learner.init(TASK.problem, 0), batch(8))[0] == 2 * 8 * 64 * 10


A, B, V = torch.rand(3, 4), torch.rand(4, 5), torch.rand(4)
FORMS = {
    "mm": (lambda: A @ B, 60),
    "addmm": (lambda: torch.addmm(torch.zeros(3, 5), A, B), 60),
    "addmm_": (lambda: torch.zeros(3, 5).addmm_(A, B), 60),
    "mm out": (lambda: torch.mm(A, B, out=torch.empty(3, 5)), 60),
    "bmm": (lambda: A.expand(2, 3, 4) @ B, 120),
    "baddbmm_": (lambda: torch.zeros(2, 3, 5).baddbmm_(A.expand(2, 3, 4), B.expand(2, 4, 5)), 120),
    "einsum": (lambda: torch.einsum("ij,jk->ik", A, B), 60),
    "mv": (lambda: A @ V, 12),
    "addmv": (lambda: torch.addmv(torch.zeros(3), A, V), 12),
    "addmv_": (lambda: torch.zeros(3).addmv_(A, V), 12),
    "dot": (lambda: V @ V, 4),
    "outer": (lambda: torch.outer(V, V), 16),
    "addr_": (lambda: torch.zeros(4, 4).addr_(V, V), 16),
    "scaling": (lambda: A * V, 0),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_way_to_write_a_product_is_counted(form):
    class Once(DeltaRule):
        update = staticmethod(lambda state, batch: FORMS[form][0]())

    assert energy.update_work(Once(), Once().init(TASK.problem, 0), batch(8))[0] == FORMS[form][1]


def test_work_in_other_processes_is_counted():
    one, two = NoProp(blocks=2), NoProp(blocks=2, processes=2)
    macs = [energy.update_work(learner, learner.init(TASK.problem, 0), batch(10))[0] for learner in (one, two)]
    assert macs[0] == macs[1] > 0


def test_counting_changes_nothing():
    learner = BPTT(hidden=(20,))
    state = learner.init(TASK.problem, 0)
    learner.update(state, batch(30))
    before, counts = {name: tensor.clone() for name, tensor in to_tensors(state).items()}, state.counts
    energy.estimate(learner, state, batch(30), energy.watch(learner, state, batch(9)).spike_sums, 1000.0)
    assert all(torch.equal(before[name], tensor) for name, tensor in to_tensors(state).items())
    assert state.counts == counts


def test_spikes_add_weights_and_graded_inputs_multiply_them():
    """Of BPTT's synaptic events those of hidden spikes, one for each class, need no multiplication."""
    learner = BPTT(hidden=(20,))
    state = learner.init(TASK.problem, 0)
    learner.predict(state, batch(64).inputs)
    spikes, events = state.counts.spikes / 64, state.counts.synaptic_events / 64
    assert spikes > 0
    assert energy.watch(learner, state, batch(64)).spike_sums == pytest.approx(spikes * 10)
    found = energy.estimate(learner, state, batch(64), 10 * spikes, events)
    assert found.inference_j == pytest.approx((events - 10 * spikes) * MAC_J + 10 * spikes * ADD_J)
    assert found.training_j == pytest.approx(energy.update_work(learner, state, batch(64))[0] / 64 * MAC_J)
    assert found.how == "estimated"


def test_events_of_backends_and_rare_work_are_part_of_training():
    """A spike of a layer of 20 crosses 19 synapses; a readout fitted now and then is spread over all samples."""
    learner = STDPWinnerTakeAll(hidden=20, batch_size=8)
    state = learner.init(TASK.problem, 0)
    macs, events = energy.update_work(learner, state, batch(8))
    learner.update(state, batch(8))
    own = state.learning.spikes
    assert own > 0 and events == state.learning.synaptic_events > 19 * own
    found = energy.estimate(learner, state, batch(8), 0.0, 1000.0)
    assert found.training_j == pytest.approx((macs * MAC_J + events * ADD_J) / 8, rel=0.2)  # it has learned since
    state.memory |= {"rare_macs": torch.tensor(10**9), "seen": torch.tensor(200)}
    more = energy.estimate(learner, state, batch(8), 0.0, 1000.0).training_j - found.training_j
    assert more == pytest.approx(10**9 / 200 * MAC_J)


def test_networks_without_spikes_multiply_everything():
    learner = Backprop(hidden=(20,))
    state = learner.init(TASK.problem, 0)
    assert energy.watch(learner, state, batch(64)).spike_sums == 0


def test_a_learner_of_spikes_without_matrix_products_adds_everything():
    learner = DeltaRule()
    assert energy.watch(learner, learner.init(TASK.problem, 0), batch(16)).spike_sums == 30


def test_an_input_of_ones_is_told_from_a_graded_one():
    state = DeltaRule().init(TASK.problem, 0)
    w = state.weights["w"]
    spikes_BI = torch.zeros(4, 64)
    spikes_BI[0, :3], spikes_BI[1, 5:7] = 1.0, 0.3
    with energy._Products(state) as watch:
        spikes_BI @ w.T  # 3 + 2 spikes to 10 classes, those of the second sample scaled alike
        w @ spikes_BI.T  # the same with the weight in front
        w @ spikes_BI[0]
        torch.rand(4, 64) @ w.T
        torch.zeros(4, 64) @ w.T
    assert (watch.n_sums, watch.n_products) == (50 + 50 + 30, 5)


@pytest.fixture
def state_on_gpu(monkeypatch):
    """A state that says that it is on a GPU, whose counter grows by 2,500 mJ a reading."""
    nvml = types.SimpleNamespace(reading=0, NVMLError=RuntimeError, nvmlInit=lambda: None)

    def read(handle):
        assert handle == "handle of GPU-abc"
        nvml.reading += 2500
        return nvml.reading

    nvml.nvmlDeviceGetHandleByUUID = lambda uuid: f"handle of {uuid}"
    nvml.nvmlDeviceGetTotalEnergyConsumption = read
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: types.SimpleNamespace(uuid="abc"))
    weight = types.SimpleNamespace(is_cuda=True, device=torch.device("cuda", 0))
    return dataclasses.replace(DeltaRule().init(TASK.problem, 0), weights={"w": weight})


def test_a_meter_sums_what_the_counter_grew_by_while_it_watched(state_on_gpu):
    meter = energy.EnergyMeter(state_on_gpu)
    for _ in range(3):
        meter.resume()
        meter.pause()
    assert meter.works and meter.joules == pytest.approx(3 * 2.5)  # the counter is in mJ


@pytest.mark.parametrize("reason", ["no package", "no counter"])
def test_without_a_counter_there_is_no_measurement(state_on_gpu, monkeypatch, reason):
    if reason == "no package":
        monkeypatch.setitem(sys.modules, "pynvml", None)
    else:
        monkeypatch.setattr(sys.modules["pynvml"], "nvmlInit", lambda: (_ for _ in ()).throw(RuntimeError()))
    meter = energy.EnergyMeter(state_on_gpu)
    meter.pause()
    assert not meter.works and meter.joules == 0


def test_nothing_is_measured_on_a_cpu():
    assert not energy.EnergyMeter(DeltaRule().init(TASK.problem, 0)).works


def test_the_work_of_a_plastic_liquid_whose_synapses_are_as_many_as_its_seed_draws():
    learner = LiquidStateMachine(shape=(4, 4, 4), plasticity="stdp", duration=20.0, snapshots=40, batch_size=20)
    states = [learner.init(TASK.problem, seed) for seed in (0, 1)]
    assert len({len(state.weights["excitatory->excitatory"]) for state in states}) == 2
    found = [energy.update_work(learner, state, batch(20), seed)[1] for seed, state in enumerate(states)]
    for seed, (state, events) in enumerate(zip(states, found, strict=True)):
        learner.update(state, batch(20))
        assert events == state.learning.synaptic_events > 0, seed
