"""Chains of torch layers, Linear and a spiking neuron in turn, as networks, and networks as such chains.

Every step, x = W s + b reaches a neuron. A model of this project takes W times a gain as its weights; b becomes a
constant current. What is sent arrives in the same step, in all layers. Other layers are refused, but for those that do
nothing to a flat sample once trained (Flatten, Dropout, Identity).

Axes: I presynaptic neuron, J postsynaptic neuron.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from neuro.connectors import Dense
from neuro.interop.conventions import INSTANT
from neuro.interop.imported import Imported, matrix_of, plain
from neuro.network import Network, Population, Projection, Source
from neuro.neurons.leaky_integrator import LeakyIntegrator
from neuro.units import decay

SILENT = nn.Flatten, nn.Dropout, nn.Identity


class Cell(NamedTuple):
    """A model, what weights are multiplied by, and starting values by field."""

    model: Any
    gain: Any = 1.0
    initial: Mapping[str, Any] = {}


def from_sequential(chain: nn.Sequential, dt: float, cell_of: Callable[..., Cell]) -> Imported:
    """cell_of(module, bias_J, dt) gives the neuron, or raises ValueError. A Linear at the end is relayed."""
    if not isinstance(chain, nn.Sequential):
        raise ValueError(
            f"{type(chain).__name__} is no torch.nn.Sequential, whose order is known; wrap its layers in one"
        )
    layers = [(name, module) for name, module in chain.named_children() if not isinstance(module, SILENT)]
    if not layers or not isinstance(layers[0][1], nn.Linear):
        raise ValueError("the chain does not begin with a torch.nn.Linear; Linear and neurons must take turns")
    populations = [Population("input", layers[0][1].in_features, Source())]
    projections, weights, initial = [], {}, {}
    while layers:
        name, linear = layers.pop(0)
        if not isinstance(linear, nn.Linear):
            raise ValueError(f"layer {name!r} ({type(linear).__name__}): a torch.nn.Linear is needed here")
        own, neuron = layers.pop(0) if layers else (name, None)
        n_post, n_pre = linear.weight.shape
        bias_J = np.zeros(n_post) if linear.bias is None else linear.bias.detach().double().numpy()
        if n_pre != populations[-1].size:
            raise ValueError(f"layer {name!r} takes {n_pre} values, and {populations[-1].size} come in")
        try:
            cell = _relay(bias_J, dt) if neuron is None else cell_of(neuron, bias_J, dt)
        except ValueError as error:
            raise ValueError(f"layer {own!r} ({type(neuron).__name__}): {error}") from None
        population = Population(f"layer{own}", n_post, cell.model)
        projection = Projection(populations[-1].name, population.name, Dense())
        gain_J1 = np.reshape(np.broadcast_to(cell.gain, n_post), (-1, 1))
        weights[projection.name] = (linear.weight.detach().double().numpy() * gain_J1).astype(_numpy(linear.weight))
        initial |= {f"{population.name}.{field}": value for field, value in cell.initial.items()}
        populations.append(population)
        projections.append(projection)
    net = Network(tuple(populations), tuple(projections), dt)
    return Imported(net, weights, initial, {"input": (populations[0].size,)}, {"output": populations[-1].name})


def to_sequential(net: Network, weights: Mapping[str, Any], module_of: Callable[..., tuple]) -> nn.Sequential:
    """module_of(population, dt) gives a module, what weights are multiplied by, and bias_J, or raises ValueError."""
    layers: list[nn.Module] = []
    for projection in in_order(net):
        population = net.population(projection.post)
        try:
            module, gain, bias_J = module_of(population, net.dt)
        except ValueError as error:
            raise ValueError(f"population {population.name!r} ({type(population.model).__name__}): {error}") from None
        given = weights[projection.name]
        w_JI = matrix_of(net, projection, given) * np.reshape(np.broadcast_to(gain, population.size), (-1, 1))
        dtype = torch.as_tensor(getattr(given, "weights", given)).dtype
        linear = nn.Linear(w_JI.shape[1], w_JI.shape[0], bias=bool(np.any(bias_J)), dtype=dtype)
        with torch.no_grad():
            linear.weight.copy_(torch.as_tensor(w_JI))
            if linear.bias is not None:
                linear.bias.copy_(torch.as_tensor(np.broadcast_to(bias_J, population.size).copy()))
        layers += [linear] if module is None else [linear, module]
    return nn.Sequential(*layers)


def in_order(net: Network) -> list[Projection]:
    """The projections of a chain, from its source on. ValueError if the network is no chain without delays."""
    sources = [population for population in net.populations if isinstance(population.model, Source)]
    if len(sources) != 1 or len(net.projections) != len(net.populations) - 1 or net.drives:
        raise ValueError("the network is no chain from one source through its populations; export it as a NIR graph")
    order, last = [], sources[0].name
    while len(order) < len(net.projections):
        following = [projection for projection in net.projections if projection.pre == last]
        if len(following) != 1:
            raise ValueError(f"{last!r} sends to {len(following)} populations, and a chain to one; export a NIR graph")
        (projection,) = following
        if projection.delay or projection.rule is not None or projection.short_term is not None:
            raise ValueError(
                f"projection {projection.name!r} has a delay or plasticity, and layers have none; leave it out"
            )
        order.append(projection)
        last = projection.post
    return order


def constant_current(bias_J: NDArray[np.float64], p: Any) -> Any:
    """pA through 1 GOhm that add bias_J mV to v in every step of which p of v is left."""
    return plain(np.where(bias_J == 0.0, 0.0, bias_J / np.where(p == 1.0, np.nan, 1.0 - np.asarray(p, float))))


def bias_of(model: Any, dt: float) -> Any:
    """What a constant current adds to v in every step, mV; for models of leaky neurons with delta synapses."""
    return np.asarray(model.r_m, float) * np.asarray(model.i_ext, float) * (1.0 - decay(dt, model.tau_m))


def is_all(values: Any, wanted: Any) -> bool:
    """Whether all values are the wanted one, to rounding."""
    return bool(np.allclose(values, wanted, rtol=1e-12, atol=0.0))


def _relay(bias_J: NDArray[np.float64], dt: float) -> Cell:
    """A Linear at the end: what arrives is sent on."""
    return Cell(LeakyIntegrator(tau_m=INSTANT * dt, v_rest=plain(bias_J), source="pedersen2024"))


def _numpy(like: torch.Tensor) -> Any:
    return np.float32 if like.dtype == torch.float32 else np.float64
