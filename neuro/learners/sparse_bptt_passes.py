"""The passes of sparse_bptt.py over a part of a batch: forward, loss, backward, sums of gradients.

Axes: B sample of the batch, S sample of a group, T step, Q end of a step, K spike, I input, J neuron, C class.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neuro.events import Events, check_units
from neuro.learners import sparse_bptt_kernels as kernels

GROUP = 8  # samples that go through the layers together; their potentials stay in the cache
PARTS = 8  # of a batch, each with a gradient of its own: sums do not depend on the number of threads


class Spikes(NamedTuple):
    """Spikes of a group, in the layout of sparse_bptt_kernels.py."""

    units_SK: NDArray[np.int32]
    offsets_SQ: NDArray[np.int32]


class Net(NamedTuple):
    """What a pass needs. share_T: weight of a spike of step t in the mean of what it makes the readout do."""

    weights: list[NDArray]
    readout_CJ: NDArray
    cell: kernels.Cell
    share_T: NDArray
    dt: float


class Given(NamedTuple):
    """Inputs of a batch: events, or none and drive_BJ, what arrives at the lowest layer in each step."""

    events: Events | None
    drive_BJ: NDArray


class Passed(NamedTuple):
    """A group after its way forward: spikes from below each layer, potentials, weighted counts of the last spikes."""

    below: list[Spikes]
    potentials: list[NDArray]
    counts_SJ: NDArray


class Learned(NamedTuple):
    """Gradients of layers (of the lowest, where its input is direct, nothing) and of the readout, as sums over samples.

    drive_BJ: that of the direct input's drive, or nothing. active: share of places where psi is not 0.
    """

    layers: list[NDArray]
    readout_CJ: NDArray
    loss: float
    active: int


def given_inputs(weights: dict[str, Tensor], inputs: Tensor | Events) -> Given:
    w_JI = next(iter(weights.values())).detach()
    if isinstance(inputs, Events):
        check_units(inputs, w_JI.shape[1])
        return Given(inputs, np.zeros((inputs.n_samples, len(w_JI)), w_JI.numpy().dtype))
    return Given(None, torch.nn.functional.linear(inputs.to(w_JI), w_JI).numpy())


def parts(n: int) -> list[slice]:
    """Up to PARTS runs of samples, which depend on their number alone."""
    size = -(-n // PARTS)
    return [slice(first, min(first + size, n)) for first in range(0, n, size)]


def groups(part: slice) -> list[slice]:
    return [slice(first, min(first + GROUP, part.stop)) for first in range(part.start, part.stop, GROUP)]


def forward(net: Net, given: Given, group: slice) -> Passed:
    """A group of samples through the hidden layers."""
    below = [_input_spikes(net, given.events, group)]
    drive_SJ, potentials = np.ascontiguousarray(given.drive_BJ[group]), []
    n_samples, n_steps = len(drive_SJ), len(net.share_T)
    for k, w_IJ in enumerate(net.weights):
        n_neurons = w_IJ.shape[1]
        if k:
            drive_SJ = np.zeros((n_samples, n_neurons), w_IJ.dtype)
        v_STJ = np.empty((n_samples, n_steps, n_neurons), w_IJ.dtype)
        spikes = _room(n_samples, n_steps, n_steps * n_neurons)
        kernels.advance(*below[k], w_IJ, drive_SJ, net.cell, v_STJ, *spikes)
        below.append(spikes)
        potentials.append(v_STJ)
    counts_SJ = np.empty((n_samples, net.readout_CJ.shape[1]), net.readout_CJ.dtype)
    kernels.weighted_counts(*below[-1], net.share_T, counts_SJ)
    return Passed(below, potentials, counts_SJ)


def _room(n_samples: int, n_steps: int, n_spikes: int) -> Spikes:
    return Spikes(np.empty((n_samples, n_spikes), np.int32), np.zeros((n_samples, n_steps + 1), np.int32))


def _input_spikes(net: Net, events: Events | None, group: slice) -> Spikes:
    n_samples, n_steps = group.stop - group.start, len(net.share_T)
    if events is None:
        return _room(n_samples, n_steps, 0)
    firsts = events.offsets[group.start : group.stop + 1]
    spikes = _room(n_samples, n_steps, int(np.diff(firsts).max()))
    kernels.list_spikes(events.times, events.units, firsts, len(net.weights[0]), net.dt, *spikes)
    return spikes


def learn(net: Net, given: Given, labels_B: NDArray, part: slice) -> Learned:
    """The gradients of a part of a batch; those of direct input replace its drive."""
    layers = [np.zeros_like(w_IJ) for w_IJ in net.weights]
    readout_CJ, total, active = np.zeros_like(net.readout_CJ), 0.0, 0
    for group in groups(part):
        passed = forward(net, given, group)
        loss, error_SC = cross_entropy(passed.counts_SJ @ net.readout_CJ.T, labels_B[group])
        total += loss
        readout_CJ += error_SC.T @ passed.counts_SJ
        active += _backward(net, passed, error_SC @ net.readout_CJ, layers)
        if given.events is None:
            given.drive_BJ[group] = passed.potentials[0].sum(1)
    return Learned(layers, readout_CJ, total, active)


def _backward(net: Net, passed: Passed, g_SJ: NDArray, layers: list[NDArray]) -> int:
    """Errors take the place of potentials, gradients are added to `layers`; g_SJ: error of a weighted count."""
    e_STJ = passed.potentials[-1]
    active = kernels.errors_from_readout(e_STJ, g_SJ, net.share_T, net.cell)
    for k in reversed(range(len(layers))):
        e_STJ = passed.potentials[k]
        if k < len(layers) - 1:
            active += kernels.errors_from_above(e_STJ, passed.potentials[k + 1], net.weights[k + 1], net.cell)
        kernels.add_weight_gradient(*passed.below[k], e_STJ, layers[k])
    return active


def cross_entropy(scores_SC: NDArray, labels_S: NDArray) -> tuple[float, NDArray]:
    """Its sum over samples, and the derivative of that."""
    scores = torch.from_numpy(scores_SC)
    log_SC = torch.log_softmax(scores, 1).numpy()
    error_SC, rows = np.exp(log_SC), np.arange(len(labels_S))
    error_SC[rows, labels_S] -= 1
    return -float(log_SC[rows, labels_S].sum()), error_SC
