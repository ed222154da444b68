"""From a trained network to one of 8-bit weights: a feedforward network of `lif_delta` and `leaky_integrator` on Loihi.

    mantissa m = round(w / unit)                        unit: the largest weight of a layer takes the largest mantissa
    voltage_decay = round(4096 (1 - exp(-dt / tau_m)))
    v of the chip = scale v,  scale = 64 2^exponent input_scale / unit;  v_th = round(scale v_th / 64)

Every layer has a scale of its own, since its spikes carry none. The exponent is the largest that leaves `HEADROOM`
times the range of v within 24 bits, where the range is measured on samples; where even the least exponent does not, the
unit grows until it does, and mantissas use less of their range. Values that enter as direct current become graded
spikes of 8 bits (input_scale 255). A readout becomes a neuron whose threshold is the highest there is; its v is read.

`fine_tune` goes on training for a while with weights as they will be rounded: forwards they are on the grid, backwards
the rounding is taken for the identity (straight through), and so the real weights beneath learn.

Axes: B sample, C class, I presynaptic, J postsynaptic, T step.
References: davies2018, lava (widths), bengio2013 (straight through), jacob2018 (training with rounded weights).
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neuro.backends import simulate, torch_dense
from neuro.backends.fixed_point_formats import Loihi
from neuro.backends.job import make_job
from neuro.backends.loihi_weights import LARGEST_EXPONENT, LEAST_EXPONENT
from neuro.events import Events
from neuro.learners.base import Batch, Problem
from neuro.learners.bptt import BPTT
from neuro.learners.spiking_input import encoded
from neuro.learners.surrogate import spike_function
from neuro.network import Network, Population, Projection
from neuro.neurons.leaky_integrator import LeakyIntegrator
from neuro.neurons.lif_delta import LIFDelta
from neuro.neurons.loihi_lif import LARGEST, ONE_ARRIVAL, UNITY, LoihiLIF
from neuro.record import Counts
from neuro.units import vary

HEADROOM = 1.5  # chosen: v before a reset, and samples that were not measured, may lie beyond the range
INPUT_SCALE = 255.0  # of direct current; 8 bits
LARGEST_V_TH = 2**17 - 1


class Grid(NamedTuple):
    """mantissas: whole numbers; weights are about unit times them. n_clipped: weights beyond the largest mantissa."""

    mantissas: NDArray[np.float64]
    unit: float
    n_clipped: int


class Layer(NamedTuple):
    """What became of a population and the projection onto it. weight_error: largest, relative to the largest weight."""

    projection: str
    exponent: int
    scale: float  # least bits per mV
    voltage_decay: int
    v_th: int
    n_clipped: int
    weight_error: float


class Quantised(NamedTuple):
    """A network for the backend fixed_point, with its weights. input_scale: what values are multiplied by."""

    net: Network
    weights: dict[str, NDArray[np.float64]]
    input_scale: float
    layers: tuple[Layer, ...]


def on_grid(w: Any, bits: int = 8, largest: float | None = None) -> Grid:
    """Weights as mantissas of `bits` bits on Loihi's grid: 0 to 255 or even numbers from -256 to 254, and coarser.

    largest: the magnitude that takes the largest mantissa, by default that of the largest weight.
    """
    if not 2 <= bits <= 8:
        raise ValueError(f"bits = {bits}: a weight has 2 to 8 bits")
    w = np.asarray(w, float)
    is_mixed = bool(w.size and w.min() < 0 < w.max())
    spacing = 2.0 ** (8 - bits + is_mixed)
    top = 256.0 - spacing
    reach = float(np.abs(w).max(initial=0.0)) if largest is None else largest
    unit = reach / top if reach > 0 else 1.0
    rounded = np.rint(w / unit / spacing) * spacing
    clipped = np.clip(rounded, -256.0 if is_mixed else -top, top)
    return Grid(clipped, unit, int(np.count_nonzero(rounded != clipped)))


def quantise(net: Network, weights: Mapping[str, Any], inputs: Mapping[str, Any], duration: float, bits: int = 8):
    """The Quantised of a network. inputs: samples on which ranges of v are measured, for `duration` ms."""
    incoming = _check(net)
    largest_v = _ranges(net, weights, inputs, duration)
    is_direct = any(not isinstance(given, Events) and given.ndim == 2 for given in inputs.values())
    input_scale = INPUT_SCALE if is_direct else 1.0
    populations, on_chip, layers = [], {}, []
    for population in net.populations:
        projection = incoming.get(population.name)
        if projection is None:
            populations.append(population)
            continue
        w_JI = torch.as_tensor(weights[projection.name]).detach().cpu().numpy()
        carried = input_scale if net.population(projection.pre).is_source else 1.0
        room = _room(population, on_grid(w_JI, bits).unit, carried, largest_v[population.name])
        exponent = min(max(math.floor(room), LEAST_EXPONENT), LARGEST_EXPONENT)
        grid = on_grid(w_JI, bits, largest=float(np.abs(w_JI).max()) * 2.0 ** max(exponent - room, 0.0))
        scale = ONE_ARRIVAL * 2.0**exponent * carried / grid.unit
        model = _on_chip(population, scale, net.dt)
        populations.append(Population(population.name, population.size, model))
        on_chip[projection.name] = grid.mantissas * 2.0**exponent
        error = np.abs(w_JI - grid.unit * grid.mantissas).max() / max(np.abs(w_JI).max(), 1e-300)
        layers.append(
            Layer(
                projection.name, exponent, scale, model.voltage_decay, model.v_th, grid.n_clipped, float(error),
            )
        )  # fmt: skip
    return Quantised(Network(tuple(populations), net.projections, net.dt), on_chip, input_scale, tuple(layers))


def _check(net: Network) -> dict[str, Projection]:
    """The one projection onto each population; ValueError for networks that are not of this kind."""
    incoming: dict[str, Projection] = {}
    for projection in net.projections:
        if projection.post in incoming:
            raise ValueError(
                f"population {projection.post!r} has two projections, whose units would differ; merge them"
            )
        incoming[projection.post] = projection
    for population in net.populations:
        model: Any = population.model
        if population.is_source:
            continue
        if not isinstance(model, LIFDelta | LeakyIntegrator) or model.v_rest != 0 or getattr(model, "v_reset", 0) != 0:
            raise ValueError(
                f"population {population.name!r}: only lif_delta and leaky_integrator with rest and reset at 0 mV are"
                f" quantised, got {type(model).__name__}"
            )
    return incoming


def _ranges(net: Network, weights: Any, inputs: Any, duration: float) -> dict[str, float]:
    """The largest |v| of each population, mV."""
    names = [population.name for population in net.populations if not population.is_source]
    given = {name: torch.as_tensor(w).detach() for name, w in weights.items()}
    record = simulate(
        net, given, inputs, duration=duration, backend="torch_dense", record=tuple(f"{name}.v" for name in names)
    )
    return {name: float(torch.as_tensor(record.traces[f"{name}.v"]).abs().max()) for name in names}


def _room(population: Population, unit: float, carried: float, largest_v: float) -> float:
    """The exponent, not yet a whole number, with which v and the threshold of a population just fit."""
    v_th = float(np.max(getattr(population.model, "v_th", 0.0)))
    per_power = ONE_ARRIVAL * carried / unit  # least bits per mV with exponent 0
    fits = LARGEST / (HEADROOM * max(largest_v, v_th, 1e-300) * per_power)
    return math.log2(min(fits, LARGEST_V_TH * ONE_ARRIVAL / (v_th * per_power)) if v_th else fits)


def _on_chip(population: Population, scale: float, dt: float) -> LoihiLIF:
    model: Any = population.model
    is_readout = isinstance(model, LeakyIntegrator)
    c = model.coefficients(dt)
    constant = 0.0 if is_readout else scale * model.r_m * model.i_ext * (1.0 - float(c.p_vv))
    bias_exponent = max(0, math.ceil(math.log2(max(abs(constant), 1.0) / 4095.0)))
    return LoihiLIF(
        current_decay=UNITY - 1,
        voltage_decay=round(UNITY * (1.0 - float(c.p_vv))),
        bias_mantissa=round(constant / 2**bias_exponent),
        bias_exponent=bias_exponent,
        v_th=LARGEST_V_TH if is_readout else max(round(scale * model.v_th / ONE_ARRIVAL), 1),
        t_ref=0.0 if is_readout else model.t_ref,
        source=model.source,
    )


def scores(quantised: Quantised, inputs: Tensor | Events, problem: Problem) -> tuple[NDArray[np.float64], Counts]:
    """Scores [B, C] on the backend fixed_point, the mean v of the readout in least bits, and the work done.

    inputs: as `encoded` gives them. What saturates is clipped, and counted.
    """
    if not isinstance(inputs, Events):
        inputs = torch.from_numpy(np.rint(inputs.numpy() * quantised.input_scale))
    record = simulate(
        quantised.net, quantised.weights, {"input": inputs}, duration=problem.n_steps * problem.dt,
        backend="fixed_point", record=("readout.v",), arithmetic=Loihi(allow_saturation=True),
    )  # fmt: skip
    return record.traces["readout.v"].mean(0), record.counts


def fine_tune(
    learner: BPTT,
    problem: Problem,
    weights: Mapping[str, Tensor],
    batches: Iterable[Batch],
    bits: int = 8,
    lr: float = 1e-4,
) -> dict[str, Tensor]:
    """Weights trained further, as they will be rounded. lr: of Adam; a tenth of the learner's default was chosen."""
    tuned = {name: w.detach().clone().requires_grad_() for name, w in weights.items()}
    optimiser, rng = torch.optim.Adam(tuned.values(), lr=lr), np.random.default_rng(0)
    net, spike = with_chip_decays(learner.network(problem)), spike_function(learner.surrogate, learner.slope)
    for batch in batches:
        rounded = {name: _straight_through(w, bits) for name, w in tuned.items()}
        inputs = {"input": encoded(batch.inputs, problem, learner.code, rng)}
        job = make_job(net, rounded, inputs, problem.n_steps * problem.dt, record=("readout.output",))
        scores_BC = torch_dense.run(job, spike).traces["readout.output"].mean(0)
        loss = torch.nn.functional.cross_entropy(scores_BC, batch.labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return {name: w.detach() for name, w in tuned.items()}


def with_chip_decays(net: Network) -> Network:
    """The network with time constants that are decays of 12 bits."""

    def rounded(population: Population) -> Population:
        if population.is_source:
            return population
        model: Any = population.model
        left = (UNITY - round(UNITY * (1.0 - math.exp(-net.dt / model.tau_m)))) / UNITY
        changed = vary(model, source=model.source, tau_m=-net.dt / math.log(left))
        return Population(population.name, population.size, changed)

    return Network(tuple(rounded(population) for population in net.populations), net.projections, net.dt)


def _straight_through(w: Tensor, bits: int) -> Tensor:
    """The weights as rounded, with the gradient of the weights."""
    grid = on_grid(w.detach().numpy(), bits)
    return w + (torch.from_numpy(grid.unit * grid.mantissas).to(w) - w).detach()
