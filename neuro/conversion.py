"""From a trained ReLU network to one of integrate-and-fire neurons whose rates are its activities.

    lambda_k = percentile of the activities a_k of training samples,  lambda_0 = lambda_L = 1
    w_k <- w_k lambda_{k-1} / lambda_k,   b_k <- b_k / lambda_k
    v <- v + w_k s_{k-1} + b_k;   v >= 1:  spike, v <- v - 1

In each step the image acts as a direct current and the bias as the spike of a neuron that always fires. What is above
the threshold is kept, so that after T steps the rate of a neuron of the first layer lies within 1 / T of a_1 /
lambda_1, if that is below 1; in deeper layers the error falls like 1 / T, too. The last layer adds up: its v / T is the
score.

Axes: B sample, C class, I presynaptic, J postsynaptic, T step.
References: diehl2015b (normalising by activities of training data), rueckauer2017 (by a percentile of them; biases;
    reset by subtraction; input as a current).
Deviations: there is no spiking max pooling: train with pool=1, and stride to make images smaller.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from neuro import memory
from neuro.backends import simulate
from neuro.connectors import Dense
from neuro.events import Events
from neuro.interop.conventions import FOREVER
from neuro.interop.imported import projection
from neuro.learners.backprop import Backprop
from neuro.learners.base import LearnerState, Problem, standardised
from neuro.learners.layers import Layer, drive, shape_out, stack
from neuro.network import Network, Population, Projection, Source
from neuro.neurons.leaky_integrator import LeakyIntegrator
from neuro.neurons.lif_soft_reset import SoftResetLIF
from neuro.record import Counts

SOURCE = "rueckauer2017"


class Converted(NamedTuple):
    """The network and its weights. scales: lambda of each hidden layer, by which a rate of 1 stands for an activity."""

    net: Network
    weights: dict[str, Any]
    scales: tuple[float, ...]


def convert(
    learner: Backprop, state: LearnerState, inputs: Tensor | Events, percentile: float = 99.9, dtype: Any = np.float32
) -> Converted:
    """The spiking network of a trained one. inputs: training samples, whose activities set the scales."""
    layers = _layers(learner, state.problem)
    scales = _scales(state, layers, inputs, percentile)
    dt = state.problem.dt
    cell = SoftResetLIF(tau_m=FOREVER * dt, r_m=1.0, v_rest=0.0, v_th=1.0, v_drop=1.0, i_ext=0.0, source=SOURCE)
    readout = LeakyIntegrator(tau_m=FOREVER * dt, v_rest=0.0, source=SOURCE)
    populations = [Population("input", state.problem.n_inputs, Source()), Population("one", 1, Source())]
    projections, weights, before = [], {}, "input"
    for k, layer in enumerate(layers, 1):
        name, scale = ("readout", 1.0) if k == len(layers) else (f"hidden{k}", scales[k - 1])
        w_JI, b_J = _map(layer, state.weights[f"layer_{k}"].detach(), state.weights[f"bias_{k}"].detach())
        w_JI = w_JI * ((scales[k - 2] if k > 1 else 1.0) / scale)
        populations.append(Population(name, len(b_J), readout if k == len(layers) else cell))
        for pre, values_JI in ((before, w_JI), ("one", (b_J / scale)[:, None])):
            made, given = _projection(pre, name, values_JI.astype(dtype), dt, pre == before and layer.kernel > 0)
            projections.append(made)
            weights[made.name] = given
        before = name
    return Converted(Network(tuple(populations), tuple(projections), dt), weights, scales)


def scores(
    converted: Converted, problem: Problem, inputs: Tensor, n_steps: int, backend: str = "torch_dense"
) -> tuple[Tensor, Counts]:
    """Scores after each step [T, B, C], which tend to those of the trained network, and the work done."""
    record = run(converted, problem, inputs, n_steps, ("readout.v",), backend)
    v_TBC = torch.as_tensor(record.traces["readout.v"])
    return v_TBC / torch.arange(1, n_steps + 1)[:, None, None], record.counts


def run(
    converted: Converted, problem: Problem, inputs: Tensor, n_steps: int, record: tuple[str, ...], backend: str
) -> Any:
    """The Record of static samples, shown for n_steps."""
    x_BI = standardised(problem, inputs)
    return simulate(
        converted.net, converted.weights, {"input": x_BI, "one": torch.ones(len(x_BI), 1).to(x_BI)},
        duration=n_steps * converted.net.dt, backend=backend, record=record,
    )  # fmt: skip


def _layers(learner: Backprop, problem: Problem) -> tuple[Layer, ...]:
    if learner.activation != "relu":
        raise ValueError(f"activation {learner.activation!r} is no rate of spikes; train with activation='relu'")
    if learner.conv and learner.pool > 1:
        raise ValueError(
            f"max pooling by {learner.pool} px has no spiking counterpart here; train with pool=1, stride=2"
        )
    return stack(problem, learner.conv, learner.hidden, stride=learner.stride, pool=learner.pool)


def _scales(
    state: LearnerState, layers: tuple[Layer, ...], inputs: Tensor | Events, percentile: float
) -> tuple[float, ...]:
    """The percentile of each hidden layer's activities."""
    if not 0.0 < percentile <= 100.0:
        raise ValueError(f"percentile = {percentile} must be above 0 and at most 100")
    activity, found = standardised(state.problem, inputs), []
    for k, layer in enumerate(layers[:-1], 1):
        with torch.no_grad():
            activity = torch.relu(drive(layer, activity, state.weights[f"layer_{k}"], state.weights[f"bias_{k}"]))
        found.append(float(np.percentile(activity.numpy(), percentile)))
        if found[-1] <= 0.0:
            raise ValueError(f"layer {k}: the {percentile}th percentile of its activities is 0; give a higher one")
    return tuple(found)


def _map(layer: Layer, weight: Tensor, bias: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """w_JI and b_J of a layer; a convolution is what it makes of every single pixel."""
    if not layer.kernel:
        return weight.double().numpy(), bias.double().numpy()
    n_in = math.prod(layer.shape_in)
    memory.demand(
        8.0 * n_in * (n_in + 2 * math.prod(shape_out(layer))),
        "a convolution as a matrix needs",
        "use smaller images, or fewer channels",
    )
    images_IJ = drive(layer, torch.eye(n_in, dtype=torch.float64), weight.double())
    per_channel = images_IJ.shape[2] * images_IJ.shape[3]
    return images_IJ.flatten(1).T.numpy(), bias.double().repeat_interleave(per_channel).numpy()


def _projection(pre: str, post: str, w_JI: np.ndarray, dt: float, is_sparse: bool) -> tuple[Projection, Any]:
    """A convolution has no synapses where its matrix is 0."""
    import scipy.sparse

    if not is_sparse:
        return Projection(pre, post, Dense()), torch.from_numpy(np.ascontiguousarray(w_JI))
    return projection(pre, post, {0: scipy.sparse.csc_array(w_JI)}, dt)
