"""Energy of training and of inference: measured on a GPU, else estimated from counted operations.

    measured     joules by which the GPU's own counter (NVML) grew; all that runs on the GPU counts, idle power too
    estimated    training     E = (M_update / B + M_rare / n) (e_multiply + e_add) + (S_update / B) e_add     a sample
                 inference    E = (S - A) (e_multiply + e_add) + A e_add                   a sample
                 on Loihi     E = S e_synapse + F (e_active + e_spike) + (U - F) e_inactive

M_update: multiply-accumulates of every matrix product, outer product and convolution in one update of B samples,
forward, backward and explicit ones, zeros included, as torch carries them out. A learner that can spread its
update over `processes` is counted with one: its arithmetic is the same.
S: synaptic events of one inference, that is, multiply-accumulates whose input is not zero (`neuro.record.Counts`).
A: those of them whose input is a spike, so that a weight is only added; the part of S that they are in some validation
samples. They are found by watching the matrix products of `predict`: within each of its sums, all inputs that are not
zero have the same value, by which the sum may be scaled once. A learner without a matrix product, whose events all
come from spikes, has A = S. What is not recognised is priced as a multiply-accumulate.
S_update: synaptic events that a backend delivered in the update (state.learning), without what rules do to weights.
M_rare: multiply-accumulates so far of what is done now and then, such as fitting a readout (memory "rare_macs"); n
samples were seen.

F: spikes of one inference. U: updates of neurons, one a neuron and step: what layers above the first are given, and
what the last one sends. A neuron is counted as active in the steps in which it fires.

Estimates leave out element-wise operations (activations, neurons, optimisers), all traffic with memory and all
communication. Every operation is priced as one on 32-bit floats in 45 nm, whatever the hardware at hand:
an estimate compares algorithms, it predicts no electricity bill. That for Loihi leaves out what spikes cost beyond
their tile, input, output, idle cores and management, and prices a value that enters in a step like a spike.

References: horowitz2014 (fig. 1.1.9: 3.7 pJ a multiplication, 0.9 pJ an addition of 32-bit floats, 45 nm, 0.9 V),
    davies2018 (table 2, simulated before silicon, 0.75 V: 23.6 pJ a synaptic operation at least, 81 and 52 pJ an update
    of an active and of an inactive neuron, 1.7 pJ a spike within its tile).
"""

import dataclasses
import importlib
import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from neuro.learners.base import Batch, Learner, LearnerState, from_tensors, to_tensors

MULTIPLY_J, ADD_J = 3.7e-12, 0.9e-12
SOURCE = "horowitz2014"
LOIHI_SYNAPSE_J, LOIHI_ACTIVE_J, LOIHI_INACTIVE_J, LOIHI_SPIKE_J = 23.6e-12, 81e-12, 52e-12, 1.7e-12
LOIHI_SOURCE = "davies2018"

aten = torch.ops.aten
FIRST_FACTOR = {  # of a matrix product: its place among the arguments
    aten.mm: 0, aten.addmm: 1, aten.addmm_: 1, aten.bmm: 0, aten.baddbmm: 1, aten.baddbmm_: 1,
    aten.mv: 0, aten.addmv: 1, aten.addmv_: 1, aten.convolution: 0,
}  # fmt: skip


def _added(_: Any, a: Any, b: Any, *__: Any, **___: Any) -> int:
    """Operations of a matrix product that is added to something: two for each multiply-accumulate."""
    return 2 * math.prod(a) * (b[-1] if len(b) > 1 else 1)


def _elementwise(a: Any, b: Any, *_: Any, out_shape: Any, **__: Any) -> int:
    """Operations of an outer product by broadcasting, larger than both factors, as post x pre is; 0 for a scaling."""
    sizes = [math.prod(factor) for factor in (a, b) if isinstance(factor, tuple)]
    return 2 * math.prod(out_shape) if math.prod(out_shape) > max(sizes) else 0


def _convolution_gradients(error: Any, x: Any, weight: Any, *rest: Any, **_: Any) -> int:
    """Operations of the gradients of a convolution: each takes what the convolution took.

    rest: bias, stride, padding, dilation, whether it is transposed, output padding, groups, and which gradients (of the
    input, of the weights) are wanted.
    """
    is_transposed, wanted = rest[4], rest[7]
    places = x if is_transposed else error
    return 2 * sum(wanted[:2]) * places[0] * math.prod(places[2:]) * math.prod(weight)


PRODUCTS = {  # those that torch's own counter leaves out, or overrates: it forgets the groups of a convolution
    aten.addmm_: _added,
    aten.baddbmm_: _added,
    aten.addmv: _added,
    aten.addmv_: _added,
    aten.addr: lambda _, a, b, **__: 2 * a[0] * b[0],
    aten.addr_: lambda _, a, b, **__: 2 * a[0] * b[0],
    aten.mv: lambda a, b, **_: 2 * a[0] * b[0],
    aten.dot: lambda a, b, **_: 2 * a[0],
    aten.mul: _elementwise,
    aten.convolution_backward: _convolution_gradients,
}


class Energy(NamedTuple):
    """Joules of one sample; how: "measured" or "estimated"."""

    training_j: float
    inference_j: float
    how: str


class Inference(NamedTuple):
    """What was seen of the inference of one sample, the mean of those watched.

    spike_sums: synaptic events in which a weight is added, not multiplied; events: all of them. units: numbers that
    layers above the first are given, active: those of them that are not 0. updates: units, and what the last layer
    sends; 0 where units were pooled, for then there are more neurons than what is given.
    """

    spike_sums: float
    events: float
    units: float
    active: float
    updates: float

    def sums_among(self, synaptic_events: float) -> float:
        """Additions alone among the synaptic events of other samples: the same part of them."""
        return synaptic_events * min(self.spike_sums / self.events, 1.0) if self.events else 0.0


def estimate(
    learner: Learner, state: LearnerState, batch: Batch, sums: float, synaptic_events: float, seed: int = 0
) -> Energy:
    """Joules of one sample by counted operations.

    batch: of the update that is counted. synaptic_events: of the inference of one sample; sums: those of them in which
    a weight is only added. seed: from which the state was drawn.
    """
    mac_j = MULTIPLY_J + ADD_J
    macs, events = update_work(learner, state, batch, seed)
    training_j = (macs * mac_j + events * ADD_J) / len(batch.labels)
    if "rare_macs" in state.memory:
        training_j += state.memory["rare_macs"].item() / max(state.memory["seen"].item(), 1) * mac_j
    return Energy(training_j, (synaptic_events - sums) * mac_j + sums * ADD_J, "estimated")


def update_work(learner: Learner, state: LearnerState, batch: Batch, seed: int = 0) -> tuple[int, int]:
    """Multiply-accumulates and synaptic events of one update, counted on a copy of the state.

    seed: from which the state was drawn, for shapes may depend on it: how many synapses a liquid has, say.
    """
    if hasattr(learner, "processes"):
        learner = dataclasses.replace(learner, processes=1)  # type: ignore[type-var]
    copy = learner.init(state.problem, seed)
    from_tensors(copy, {name: tensor.clone() for name, tensor in to_tensors(state).items()})
    with FlopCounterMode(display=False, custom_mapping=PRODUCTS) as counter:
        learner.update(copy, batch)
    return counter.get_total_flops() // 2, copy.learning.synaptic_events


def loihi_j(synaptic_events: float, spikes: float, updates: float) -> float:
    """Joules of the inference of one sample on Loihi. spikes: of neurons, at most one an update."""
    neurons_j = spikes * LOIHI_ACTIVE_J + (updates - spikes) * LOIHI_INACTIVE_J
    return synaptic_events * LOIHI_SYNAPSE_J + neurons_j + spikes * LOIHI_SPIKE_J


def watch(learner: Learner, state: LearnerState, batch: Batch) -> Inference:
    """Watch the matrix products of the inference of some samples."""
    before = state.counts
    seen = _Products(state)
    with seen:
        learner.predict(state, batch.inputs)
    events, spikes = state.counts.synaptic_events - before.synaptic_events, state.counts.spikes - before.spikes
    state.counts = before
    n_sums = events if spikes and not seen.n_products else seen.n_sums
    updates = seen.n_units + seen.n_sent if seen.n_units and not seen.is_pooled else 0
    found = (n_sums, events, seen.n_units, seen.n_active, updates)
    return Inference(*(number / len(batch.labels) for number in found))


class _Products(TorchDispatchMode):
    """Counts, in all matrix products, the terms whose input is a spike, and what layers above the first are given."""

    def __init__(self, state: LearnerState):
        super().__init__()
        self.weights = {_memory(weight) for weight in state.weights.values()}
        above = [{_memory(state.weights[name]) for name in names} for names in state.layers[1:]]
        self.above, self.last = set[int]().union(*above), above[-1] if above else set()
        self.n_products = self.n_sums = self.n_units = self.n_active = self.n_sent = 0
        self.is_pooled = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.is_pooled |= func.overloadpacket is aten.max_pool2d_with_indices
        first = FIRST_FACTOR.get(func.overloadpacket)
        if first is not None:
            factors = args[first : first + 2]
            self.n_products += 1
            is_weight_first = _memory(factors[0]) in self.weights
            self.n_sums += _sums(func.overloadpacket, factors, is_weight_first, result)
            inputs, weight = factors[::-1] if is_weight_first else factors
            if _memory(weight) in self.above:
                self.n_units += inputs.numel()
                self.n_active += int(inputs.count_nonzero())
                self.n_sent += result.numel() if _memory(weight) in self.last else 0
        return result


def _sums(product: Any, factors: Any, is_weight_first: bool, result: Tensor) -> int:
    """Non-zero terms of a matrix product or convolution whose inputs are spikes, else 0."""
    inputs = factors[1] if is_weight_first else factors[0]
    if product is aten.convolution:
        inputs = inputs.flatten(1)
    summed = -2 if is_weight_first and inputs.ndim > 1 else -1  # the axis over which the product sums
    if not bool(((inputs == 0) | (inputs == inputs.amax(summed, keepdim=True))).all()):
        return 0
    return int(inputs.count_nonzero()) * _macs(product, factors, result) // inputs.numel()


def _memory(tensor: Tensor) -> int:
    """Where a tensor's numbers lie; a view has the address of its base."""
    return tensor.untyped_storage().data_ptr()


def _macs(product: Any, factors: Any, result: Tensor) -> int:
    """Multiply-accumulates of a matrix product or convolution."""
    a, b = factors
    return result.numel() * (b[0].numel() if product is aten.convolution else a.shape[-1])


class EnergyMeter:
    """Joules of the GPU on which a learner's tensors lie, between `resume` and `pause`.

    `works` is false on a CPU, and on a GPU without NVML or the package nvidia-ml-py (extra "gpu").
    """

    def __init__(self, state: LearnerState) -> None:
        self.device = next((weight.device for weight in state.weights.values() if weight.is_cuda), None)
        self.handle = _nvml_handle(self.device) if self.device is not None else None
        self.works = self.handle is not None
        self.joules = 0.0
        self.start = self._read()

    def resume(self) -> None:
        """Begin to watch."""
        self.start = self._read()

    def pause(self) -> None:
        """Take what was used since `resume` into account."""
        self.joules += self._read() - self.start

    def _read(self) -> float:
        if not self.works:
            return 0.0
        torch.cuda.synchronize(self.device)
        return importlib.import_module("pynvml").nvmlDeviceGetTotalEnergyConsumption(self.handle) / 1000.0  # from mJ


def _nvml_handle(device: torch.device) -> Any:
    """NVML's handle of a GPU of torch, or None. Found by its UUID, because the two number GPUs differently."""
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
        handle = nvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
        nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except nvml.NVMLError:  # no driver, or a GPU older than Volta, which has no such counter
        return None
    return handle
