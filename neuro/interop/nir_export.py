"""Networks of this project as NIR graphs.

    lif_delta            LIF           r such that a weight is the jump of v that it was
    integrate_and_fire   IF            the same
    leaky_integrator     LI            the same
    lif                  CubaLIF       under "exact"
    cuba_lif             CubaLIF       under "euler", r = tau_mem / dt, as snnTorch and SpikingJelly demand it
    projection           Linear; Affine where the population has a constant current; with a Delay before it

A reader that takes steps as `Conventions` says gets the neuron's own step: r of LIF is 1 / (1 - p) with p the decay of
v in a step, and tau is -dt / ln(p) (exact) or dt / (1 - p) (euler). The graph's metadata say which. `step` writes all
times for another step: snnTorch 1.0 takes 0.1 ms whatever a file says.

What NIR has no node for is refused by name: refractoriness, plasticity, Poisson sources and drives, other neurons.
References: pedersen2024.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import nir
import numpy as np

from neuro.interop.conventions import MS, Conventions
from neuro.interop.imported import matrix_of
from neuro.network import Network, PoissonSource, Population, Projection, Source
from neuro.neurons.cuba_lif import CubaLIF
from neuro.neurons.integrate_and_fire import IntegrateAndFire
from neuro.neurons.leaky_integrator import LeakyIntegrator
from neuro.neurons.lif import LIF
from neuro.neurons.lif_delta import LIFDelta
from neuro.units import check, decay


class _Graph(NamedTuple):
    """What is built."""

    nodes: dict[str, Any]
    edges: list[tuple[str, str]]


def to_nir(
    net: Network,
    weights: Mapping[str, Any],
    *,
    step: float | None = None,
    discretisation: str | None = None,
    units: str = "si",
    readout: bool = True,
    initial: Mapping[str, Any] | None = None,
) -> nir.NIRGraph:
    """A graph. ValueError names what NIR cannot say.

    step: ms, of the reader; None: the network's dt. discretisation: of the reader, "exact" or "euler"; None: what the
    neurons demand, else "euler". readout: whether graded populations that send nowhere become LI; else what reaches
    them is the output, for readers that have no LI. initial: as given to `simulate`.
    """
    given = _conventions(net, step, discretisation, units)
    _refuse(net)
    senders = {projection.pre for projection in net.projections}
    left_out = {p.name for p in net.populations if not readout and p.model.graded and p.name not in senders}
    kept = [population for population in net.populations if population.name not in left_out]
    graph = _Graph({population.name: _node(population, net.dt, given) for population in kept}, [])
    reached: set[str] = set()
    for projection in net.projections:
        post = net.population(projection.post)
        bias = None if post.name in reached else _bias(post, net.dt, given, initial or {})
        reached.add(post.name)
        _connect(graph, net, projection, weights[projection.name], bias, given)
    _end(graph)
    about = {field.name: getattr(given, field.name) for field in dataclasses.fields(given)}
    about["dtype"] = _dtype(weights)
    return nir.NIRGraph(graph.nodes, graph.edges, metadata={"neuro": about}, type_check=False)


def _end(graph: _Graph) -> None:
    """Give every node that sends nowhere an Output."""
    ends = [name for name in graph.nodes if name not in {pre for pre, _ in graph.edges}]
    for name in ends:
        own = "output" if len(ends) == 1 else f"output_{name}"
        graph.nodes[own] = nir.Output({"output": np.array(graph.nodes[name].output_type["output"])})
        graph.edges.append((name, own))


def _conventions(net: Network, step: float | None, discretisation: str | None, units: str) -> Conventions:
    models = [population.model for population in net.populations]
    demands = {"exact": any(isinstance(m, LIF) for m in models), "euler": any(isinstance(m, CubaLIF) for m in models)}
    if all(demands.values()):
        raise ValueError(
            "neurons lif and cuba_lif in one network: one solves its equations exactly, the other by Euler"
        )
    demanded = next((name for name, is_so in demands.items() if is_so), None)
    if discretisation is not None and demanded is not None and discretisation != demanded:
        raise ValueError(f"discretisation {discretisation!r}: this network's neurons with currents take {demanded!r}")
    chosen = discretisation or demanded or "euler"
    given = Conventions(dt=net.dt if step is None else step, discretisation=chosen, units=units)
    check(given)
    return given


def _refuse(net: Network) -> None:
    for drive in net.drives:
        raise ValueError(f"NIR has no Poisson drive, and {drive.post!r} has one; give its spikes through a source")
    for projection in net.projections:
        for field in ("rule", "short_term", "modulator"):
            if getattr(projection, field) is not None:
                raise ValueError(
                    f"projection {projection.name!r} has a {field}, and NIR has no plasticity; leave it out (None) to"
                    " export the weights as they are"
                )
    for population in net.populations:
        model: Any = population.model
        name = type(model).__name__
        if isinstance(model, PoissonSource):
            raise ValueError(f"NIR has no Poisson source, and {population.name!r} is one; use a Source")
        if not isinstance(model, Source | LIFDelta | IntegrateAndFire | LeakyIntegrator | LIF | CubaLIF):
            raise ValueError(f"NIR has no neuron like {name}, the model of {population.name!r}")
        t_ref = float(np.max(getattr(model, "t_ref", 0.0)))
        if t_ref > 0.0:
            raise ValueError(
                f"NIR has no refractoriness, and {population.name!r} has t_ref = {t_ref:g} ms; set it to 0"
            )
        alone = not any(projection.post == population.name for projection in net.projections)
        if alone and not isinstance(model, Source):
            raise ValueError(f"nothing projects onto {population.name!r}, and NIR needs a node that does")


def _times(dt: float, tau: Any, given: Conventions) -> tuple[Any, Any]:
    """tau (s) for the reader, and p, what is left after a step."""
    p = decay(dt, tau)
    if given.discretisation == "exact":
        return np.asarray(tau, float) * (given.dt / dt) / MS, p
    return given.dt / (1.0 - p) / MS, p


def _node(population: Population, dt: float, given: Conventions) -> nir.NIRNode:
    model: Any = population.model
    size = population.size

    def each(values: Any) -> Any:
        return np.broadcast_to(np.asarray(values, float), size).copy()

    if isinstance(model, Source):
        return nir.Input({"input": np.array([size])})
    if isinstance(model, LeakyIntegrator):
        tau, p = _times(dt, model.tau_m, given)
        return nir.LI(tau=each(tau), r=each(1.0 / (1.0 - p)), v_leak=each(np.asarray(model.v_rest) / given.voltage))
    spiking = {
        "v_threshold": each(np.asarray(model.v_th) / given.voltage),
        "v_reset": each(np.asarray(model.v_reset) / given.voltage),
    }
    if isinstance(model, IntegrateAndFire):
        return nir.IF(r=each(MS / given.dt), **spiking)
    v_leak = each(np.asarray(model.v_rest) / given.voltage)
    if isinstance(model, LIFDelta):
        tau, p = _times(dt, model.tau_m, given)
        return nir.LIF(tau=each(tau), r=each(1.0 / (1.0 - p)), v_leak=v_leak, **spiking)
    tau_syn, p_syn = _times(dt, model.tau_syn, given)
    tau_mem = np.asarray(model.tau_m, float) * (given.dt / dt) / MS
    r = np.asarray(model.r_m) * given.current / given.voltage
    r = tau_mem * MS / given.dt if isinstance(model, CubaLIF) else r
    return nir.CubaLIF(
        tau_syn=each(tau_syn), tau_mem=each(tau_mem), r=each(r), v_leak=v_leak, w_in=each(1.0 / (1.0 - p_syn)),
        **spiking,
    )  # fmt: skip


def _weight_scale(model: Any, dt: float, given: Conventions) -> Any:
    """What a weight is multiplied by: mV to the file's voltage, or pA to what its CubaLIF takes."""
    if isinstance(model, CubaLIF):
        return np.asarray(model.r_m) * dt / np.asarray(model.tau_m) / given.voltage
    return 1.0 / (given.current if isinstance(model, LIF) else given.voltage)


def _bias(population: Population, dt: float, given: Conventions, initial: Mapping[str, Any]) -> Any:
    """The constant input that an Affine node must add, or None."""
    model: Any = population.model
    i_ext = np.asarray(getattr(model, "i_ext", 0.0), float)
    if not np.any(i_ext):
        return None
    if isinstance(model, LIFDelta):
        p = decay(dt, model.tau_m)
        bias = np.asarray(model.r_m) * i_ext * (1.0 - p) / given.voltage
    elif isinstance(model, IntegrateAndFire):
        bias = i_ext * dt / np.asarray(model.c_m) / given.voltage
    else:
        start = initial.get(f"{population.name}.i_syn", 0.0)
        if np.any(np.asarray(start) != -i_ext):
            raise ValueError(
                f"population {population.name!r} has a current i_ext that acts at once, and NIR's pass a synapse; start"
                " its i_syn at -i_ext (initial), or set i_ext to 0"
            )
        bias = i_ext * (1.0 - decay(dt, model.tau_syn)) * _weight_scale(model, dt, given)
    return np.broadcast_to(bias, population.size).copy()


def _connect(graph: _Graph, net: Network, projection: Projection, weights: Any, bias: Any, given: Conventions) -> None:
    """Add the nodes of a projection: Delay, then Linear or Affine."""
    pre, post = net.population(projection.pre), net.population(projection.post)
    w_JI = matrix_of(net, projection, weights) * np.reshape(_weight_scale(post.model, net.dt, given), (-1, 1))
    w_JI = w_JI * given.voltage if pre.model.graded else w_JI
    own, sender = f"{pre.name}_{post.name}", pre.name
    delay = _delay(net, projection, weights) * given.dt / net.dt
    if delay:
        graph.nodes[f"{own}_delay"] = nir.Delay(np.full(pre.size, delay / MS))
        graph.edges.append((sender, f"{own}_delay"))
        sender = f"{own}_delay"
    graph.nodes[own] = nir.Linear(w_JI) if bias is None else nir.Affine(w_JI, bias)
    graph.edges.append((sender, own))
    if post.name in graph.nodes:
        graph.edges.append((own, post.name))


def _delay(net: Network, projection: Projection, weights: Any) -> float:
    delays = getattr(weights, "delays", None)
    if delays is not None and len(delays):
        return float(delays[0]) * net.dt
    return projection.delay


def _dtype(weights: Mapping[str, Any]) -> str:
    kinds = {str(getattr(given, "weights", given).dtype).removeprefix("torch.") for given in weights.values()}
    return "float32" if kinds == {"float32"} else "float64"
