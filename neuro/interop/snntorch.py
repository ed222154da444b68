"""snnTorch's neurons as ours, in a torch.nn.Sequential of Linear and neurons, and back, with equal spikes.

    Leaky     mem <- beta mem + x           beta = exp(-dt / tau_m)
              reset "zero"                  lif_delta
              reset "subtract", delayed     lif_soft_reset; mem <- beta mem + x - threshold in the step after a spike is
                                            a drop of threshold / beta in the step of the spike
              reset "none", the last layer  leaky_integrator
    Synaptic  syn <- alpha syn + x, mem <- beta mem + syn; reset "zero", reset_delay=False:
              cuba_lif, alpha = exp(-dt / tau_syn), beta = 1 - dt / tau_m

Not matched, and refused: "subtract" with reset_delay=False (what is left above the threshold is taken off before the
next spike is looked for), Synaptic with a delayed reset (the step after a spike loses its input) or by subtraction,
Alpha (its reset empties the synapse too), inhibition, quantised states, graded spikes.

Deviation: snnTorch fires where mem > threshold, these where v >= v_th.
References: eshraghian2023.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from neuro.interop.conventions import FOREVER, INSTANT
from neuro.interop.imported import Imported, plain
from neuro.interop.sequential import Cell, bias_of, constant_current, from_sequential, is_all, to_sequential
from neuro.network import Network, Population
from neuro.neurons.cuba_lif import CubaLIF
from neuro.neurons.integrate_and_fire import IntegrateAndFire
from neuro.neurons.leaky_integrator import LeakyIntegrator
from neuro.neurons.lif_delta import LIFDelta
from neuro.neurons.lif_soft_reset import SoftResetLIF
from neuro.units import decay

SOURCE = "eshraghian2023"


def from_snntorch(chain: nn.Sequential, dt: float) -> Imported:
    """The network of a chain of Linear and Leaky or Synaptic. dt: ms of its step."""
    return from_sequential(chain, dt, _cell)


def to_snntorch(net: Network, weights: Mapping[str, Any], initial: Mapping[str, Any] | None = None) -> nn.Sequential:
    """A chain whose neurons keep their state (init_hidden). A readout at the end returns (nothing, its potential).

    initial: as given to `simulate`.
    """
    return to_sequential(net, weights, lambda population, dt: _module(population, dt, initial or {}))


def _cell(module: Any, bias_J: NDArray[np.float64], dt: float) -> Cell:
    import snntorch

    if type(module) not in (snntorch.Leaky, snntorch.Synaptic):
        raise ValueError("its reset or its synapse has no counterpart here; Leaky and Synaptic have one")
    for name, is_so in (("inhibition", module.inhibition), ("state_quant", module.state_quant)):
        if is_so:
            raise ValueError(f"{name} has no counterpart here; leave it out")
    if not is_all(_numbers(module.graded_spikes_factor), 1.0):
        raise ValueError("graded_spikes_factor is not 1, and spikes here are 0 or 1; multiply the next weights by it")
    beta, v_th = np.clip(_numbers(module.beta), 0.0, 1.0), plain(_numbers(module.threshold))
    return (_leaky if type(module) is snntorch.Leaky else _synaptic)(module, beta, v_th, bias_J, dt)


def _leaky(module: Any, beta: NDArray, v_th: Any, bias_J: NDArray[np.float64], dt: float) -> Cell:
    common: dict[str, Any] = {"tau_m": _time_constant(beta, dt), "v_rest": 0.0, "source": SOURCE}
    if module.reset_mechanism == "none":
        if not module.output:
            raise ValueError("without a reset it is read as a readout; give it output=True, as the last layer")
        if np.any(bias_J):
            raise ValueError("a readout without reset has a bias; leave it out of the Linear before it")
        return Cell(LeakyIntegrator(**common))
    if np.any(beta == 1.0) and np.any(bias_J):
        if not np.all(beta == 1.0) or module.reset_mechanism == "subtract":
            raise ValueError("beta = 1 and a bias have no counterpart here; take a beta below 1")
        return Cell(IntegrateAndFire(1.0, v_th, 0.0, 0.0, plain(bias_J / dt), SOURCE))
    common |= {"r_m": 1.0, "v_th": v_th, "i_ext": constant_current(bias_J, beta)}
    if module.reset_mechanism == "zero":
        return Cell(LIFDelta(v_reset=0.0, t_ref=0.0, **common))
    if not module.reset_delay:
        raise ValueError("reset 'subtract' without delay has no counterpart here; take reset_delay=True, or 'zero'")
    if np.any(beta == 0.0):
        raise ValueError("reset 'subtract' with beta = 0 has no counterpart here; take 'zero'")
    return Cell(SoftResetLIF(v_drop=plain(np.asarray(v_th) / beta), **common))


def _synaptic(module: Any, beta: NDArray, v_th: Any, bias_J: NDArray[np.float64], dt: float) -> Cell:
    if module.reset_mechanism != "zero" or module.reset_delay:
        raise ValueError(
            "only reset_mechanism='zero' with reset_delay=False has a counterpart here; train it with these"
        )
    if np.any(beta == 1.0):
        raise ValueError("beta = 1 is a membrane without leak, which has no counterpart here; take less")
    alpha = np.clip(_numbers(module.alpha), 0.0, 1.0)
    if np.any(alpha == 1.0) and np.any(bias_J):
        raise ValueError("alpha = 1 adds the bias up without bound; take less")
    i_ext = constant_current(bias_J, alpha)
    tau_m = plain(dt / (1.0 - beta))
    model = CubaLIF(
        tau_m=tau_m,
        tau_syn=_time_constant(alpha, dt),
        r_m=plain(np.asarray(tau_m) / dt),
        v_rest=0.0,
        v_th=v_th,
        v_reset=0.0,
        t_ref=0.0,
        i_ext=i_ext,
        source=SOURCE,
    )
    return Cell(model, initial={"i_syn": plain(-np.asarray(i_ext))} if np.any(i_ext) else {})


def _time_constant(left: NDArray, dt: float) -> Any:
    """Of which exp(-dt / tau) is left."""
    inside = (left > 0.0) & (left < 1.0)
    return plain(
        np.where(inside, -dt / np.log(np.where(inside, left, 0.5)), np.where(left > 0.0, FOREVER, INSTANT) * dt)
    )


def _module(population: Population, dt: float, initial: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    import snntorch

    model: Any = population.model
    if isinstance(model, LeakyIntegrator):
        beta = decay(dt, model.tau_m)
        if np.all(beta == 0.0):
            return None, 1.0, model.v_rest
        _demand(model, "v_rest", 0.0)
        return snntorch.Leaky(_tensor(beta), reset_mechanism="none", init_hidden=True, output=True), 1.0, 0.0
    if not isinstance(model, LIFDelta | SoftResetLIF | IntegrateAndFire | CubaLIF):
        raise ValueError("snnTorch has no such neuron")
    for name in ("v_rest", "v_reset", "t_ref"):
        _demand(model, name, 0.0)
    options: dict[str, Any] = {"threshold": _tensor(model.v_th), "init_hidden": True}
    if isinstance(model, CubaLIF):
        if np.any(np.asarray(initial.get(f"{population.name}.i_syn", 0.0)) != -np.asarray(model.i_ext, float)):
            raise ValueError("its i_ext acts at once, and a bias passes the synapse; start i_syn at -i_ext (initial)")
        alpha, beta = decay(dt, model.tau_syn), 1.0 - dt / np.asarray(model.tau_m)
        gain = np.asarray(model.r_m) * dt / np.asarray(model.tau_m)
        module = snntorch.Synaptic(_tensor(alpha), _tensor(beta), reset_mechanism="zero", reset_delay=False, **options)
        return module, gain, gain * np.asarray(model.i_ext) * (1.0 - alpha)
    if isinstance(model, IntegrateAndFire):
        bias = np.asarray(model.i_ext) * dt / np.asarray(model.c_m)
        return snntorch.Leaky(1.0, reset_mechanism="zero", **options), 1.0, bias
    beta = decay(dt, model.tau_m)
    if isinstance(model, SoftResetLIF) and not is_all(model.v_drop * beta, model.v_th):
        raise ValueError(f"v_drop is not v_th / exp(-dt / tau_m) = {np.max(model.v_th / beta):g} mV, as snnTorch's is")
    mechanism = "subtract" if isinstance(model, SoftResetLIF) else "zero"
    return snntorch.Leaky(_tensor(beta), reset_mechanism=mechanism, **options), 1.0, bias_of(model, dt)


def _demand(model: Any, name: str, wanted: float) -> None:
    value = getattr(model, name, wanted)
    if not is_all(value, wanted):
        raise ValueError(f"{name} = {np.max(value):g}, and snnTorch knows only {wanted:g}; change the parameter")


def _numbers(tensor: torch.Tensor) -> NDArray[np.float64]:
    return tensor.detach().double().numpy()


def _tensor(values: Any) -> torch.Tensor:
    return torch.as_tensor(np.asarray(values, float))
