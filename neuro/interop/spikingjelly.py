"""SpikingJelly's neurons as ours, in a torch.nn.Sequential of Linear and neurons, and back, with equal spikes.

    LIFNode            v <- v + (v_reset - v + x) / tau, or v - (v - v_reset) / tau + x without decay_input
                       lif_delta: exp(-dt / tau_m) = 1 - 1 / tau, rest and reset at v_reset; weights / tau, or as is
                       v_reset=None, reset by subtraction: lif_soft_reset, which drops v_threshold
    ParametricLIFNode  the same with tau = 1 / sigmoid(w)
    IFNode             integrate_and_fire; with v_reset=None lif_soft_reset that never forgets

Both fire where v >= threshold, and reset in the same step. Other neurons are refused by name.
References: fang2021 (parametric), fang2023 (SpikingJelly).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from neuro.interop.conventions import FOREVER, INSTANT
from neuro.interop.imported import Imported, plain
from neuro.interop.sequential import Cell, bias_of, constant_current, from_sequential, is_all, to_sequential
from neuro.network import Network, Population
from neuro.neurons.integrate_and_fire import IntegrateAndFire
from neuro.neurons.leaky_integrator import LeakyIntegrator
from neuro.neurons.lif_delta import LIFDelta
from neuro.neurons.lif_soft_reset import SoftResetLIF
from neuro.units import decay

SOURCE = "fang2023"


def from_spikingjelly(chain: nn.Sequential, dt: float) -> Imported:
    """The network of a chain of Linear and LIFNode, ParametricLIFNode or IFNode. dt: ms of its step."""
    return from_sequential(chain, dt, _cell)


def to_spikingjelly(net: Network, weights: Mapping[str, Any]) -> nn.Sequential:
    """A chain of neurons in single-step mode, which keep their state."""
    return to_sequential(net, weights, _module)


def _cell(module: Any, bias_J: NDArray[np.float64], dt: float) -> Cell:
    from spikingjelly.activation_based import neuron

    if type(module) is neuron.IFNode:
        return _without_leak(module, bias_J, dt)
    if type(module) not in (neuron.LIFNode, neuron.ParametricLIFNode):
        raise ValueError("it has no counterpart here; LIFNode, ParametricLIFNode and IFNode have one")
    rate = 1.0 / module.tau if type(module) is neuron.LIFNode else float(module.w.detach().double().sigmoid())
    p, gain = 1.0 - rate, rate if module.decay_input else 1.0
    common: dict[str, Any] = {
        "tau_m": -dt / float(np.log(p)) if p > 0.0 else INSTANT * dt,
        "r_m": 1.0,
        "v_th": float(module.v_threshold),
        "i_ext": constant_current(gain * bias_J, p),
        "source": SOURCE,
    }
    if module.v_reset is None:
        return Cell(SoftResetLIF(v_rest=0.0, v_drop=common["v_th"], **common), gain)
    v_reset = float(module.v_reset)
    return Cell(LIFDelta(v_rest=v_reset, v_reset=v_reset, t_ref=0.0, **common), gain)


def _without_leak(module: Any, bias_J: NDArray[np.float64], dt: float) -> Cell:
    v_th = float(module.v_threshold)
    if module.v_reset is not None:
        return Cell(IntegrateAndFire(1.0, v_th, float(module.v_reset), 0.0, plain(bias_J / dt), SOURCE))
    if np.any(bias_J):
        raise ValueError("reset by subtraction, no leak and a bias have no counterpart here; give it a v_reset")
    model = SoftResetLIF(tau_m=FOREVER * dt, r_m=1.0, v_rest=0.0, v_th=v_th, v_drop=v_th, i_ext=0.0, source=SOURCE)
    return Cell(model)


def _module(population: Population, dt: float) -> tuple[Any, Any, Any]:
    from spikingjelly.activation_based import neuron

    model: Any = population.model
    if isinstance(model, LeakyIntegrator) and np.all(decay(dt, model.tau_m) == 0.0):
        return None, 1.0, model.v_rest
    if not isinstance(model, LIFDelta | SoftResetLIF | IntegrateAndFire):
        raise ValueError("SpikingJelly's LIFNode and IFNode are no such neuron; leave it out")
    t_ref = float(np.max(getattr(model, "t_ref", 0.0)))
    if t_ref > 0.0:
        raise ValueError(f"t_ref = {t_ref:g} ms, and SpikingJelly has no refractoriness; set it to 0")
    v_th = _one(model, "v_th")
    if isinstance(model, IntegrateAndFire):
        bias = np.asarray(model.i_ext) * dt / np.asarray(model.c_m)
        return neuron.IFNode(v_threshold=v_th, v_reset=_one(model, "v_reset")), 1.0, bias
    p, v_rest = float(decay(dt, _one(model, "tau_m"))), _one(model, "v_rest")
    is_soft = isinstance(model, SoftResetLIF)
    v_reset = None if is_soft else _one(model, "v_reset")
    if not is_all(v_rest, 0.0 if is_soft else v_reset):
        raise ValueError(
            f"v_rest = {v_rest:g} mV differs from {v_reset or 0.0:g} mV, where SpikingJelly resets and rests"
        )
    if is_soft and not is_all(model.v_drop, v_th):
        raise ValueError(f"v_drop is not the threshold, {v_th:g} mV, as SpikingJelly's is; change it")
    if p == 1.0 and is_soft:
        return neuron.IFNode(v_threshold=v_th, v_reset=None), 1.0, 0.0
    module = neuron.LIFNode(tau=1.0 / (1.0 - p), decay_input=False, v_threshold=v_th, v_reset=v_reset)
    return module, 1.0, bias_of(model, dt)


def _one(model: Any, name: str) -> float:
    values = np.unique(getattr(model, name))
    if values.size != 1:
        raise ValueError(f"{name} differs between neurons, and SpikingJelly has one for all; split the population")
    return float(values[0])
