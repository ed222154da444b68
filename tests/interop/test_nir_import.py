"""NIR graphs as networks: every node against its own equation, computed here by other means."""

import nir
import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from neuro import make_events, simulate
from neuro.interop.nir import Conventions, from_nir

DT = 1e-4  # s, the step that other tools take
N, T = 6, 300


def each(*values):
    return np.resize(np.asarray(values, float), N)


def driven(node, weight=None, bias=None, size=N):
    """Input -> Linear or Affine -> node -> Output."""
    weight = np.eye(size) if weight is None else weight
    linear = nir.Linear(weight) if bias is None else nir.Affine(weight, bias)
    nodes = {
        "in": nir.Input({"input": np.array([weight.shape[1]])}),
        "w": linear,
        "cell": node,
        "out": nir.Output({"output": np.array([size])}),
    }
    return nir.NIRGraph(nodes, [("in", "w"), ("w", "cell"), ("cell", "out")], type_check=False)


def values(seed=0, scale=1.0, n=N):
    return np.random.default_rng(seed).normal(0.6, 1.0, (T, 1, n)) * scale


def run(imported, inputs, field="output", backend="torch_dense", name="cell"):
    steps = len(inputs)
    given = {"in": torch.as_tensor(inputs)} if backend == "torch_dense" else {"in": inputs}
    record = (f"{name}.{field}",)
    found = simulate(
        imported.net, imported.weights, given, duration=steps * imported.net.dt, backend=backend, record=record,
        initial=imported.initial,
    )  # fmt: skip
    return np.asarray(found.traces[record[0]])[:, 0]


def euler_lif(node, inputs, leak=True, reset="value"):
    """dt of NIR's own equation, as snnTorch, Norse and SpikingJelly step it, in SI."""
    v = node.v_leak.copy() if leak else np.zeros(N)
    spikes = []
    for x in inputs[:, 0]:
        slope = (node.v_leak - v + node.r * x) / node.tau if leak else node.r * x
        v = v + DT * slope
        fired = v > node.v_threshold
        v = np.where(fired, node.v_reset if reset == "value" else v - node.v_threshold, v)
        spikes.append(fired)
    return np.array(spikes, float)


LIF = nir.LIF(each(2e-3, 5e-3), each(0.5, 4.0), each(0.0, -0.02), each(0.05, 0.1), each(0.0, -0.01))
IF = nir.IF(each(1.0, 30.0) / DT, each(5.0, 12.0), each(0.0, 0.5))


@pytest.mark.parametrize("reset", ["value", "subtract"])
def test_lif_under_euler_is_the_step_of_other_tools(reset):
    graph, inputs = driven(LIF), values()
    wanted = euler_lif(LIF, inputs, reset=reset)
    assert 50 < wanted.sum() < 0.7 * wanted.size
    np.testing.assert_array_equal(run(from_nir(graph, discretisation="euler", reset=reset), inputs), wanted)


@pytest.mark.parametrize("discretisation", ["exact", "euler"])
def test_if_is_a_sum_in_either_discretisation(discretisation):
    graph, inputs = driven(IF), values()
    wanted = euler_lif(IF, inputs, leak=False)
    assert 20 < wanted.sum() < 0.7 * wanted.size
    np.testing.assert_array_equal(run(from_nir(graph, discretisation=discretisation), inputs), wanted)


def test_exact_is_the_solution_of_the_differential_equation():
    """A current that is held for each step, by an adaptive solver of order 8. No spikes, which fall between steps."""
    node = nir.LIF(each(2e-3, 5e-3), each(1.0, 20.0), each(0.0, -0.02), each(1e3), each(0.0))
    inputs, v, found = values(), node.v_leak.copy(), []
    for x in inputs[:60, 0]:
        slope = lambda t, v, x=x: (node.v_leak - v + node.r * x) / node.tau  # noqa: E731
        v = solve_ivp(slope, (0.0, DT), v, method="DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
        found.append(1e3 * v)
    np.testing.assert_allclose(run(from_nir(driven(node)), inputs[:60], "v"), found, rtol=1e-9, atol=1e-9)


def synaptic(node, inputs, bias):
    """(i, v) of CubaLI by the solver. The input of a step arrives at its end, held by nobody: an impulse."""
    i, v, found = np.zeros(N), node.v_leak.copy(), []
    for x in inputs[:, 0]:

        def slope(t, s):
            i, v = s[:N], s[N:]
            return np.concatenate(
                [(-i + node.w_in * bias) / node.tau_syn, (node.v_leak - v + node.r * i) / node.tau_mem]
            )

        end = solve_ivp(slope, (0.0, DT), np.concatenate([i, v]), method="DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
        i, v = end[:N] + node.w_in * x / node.tau_syn, end[N:]
        found.append(1e3 * v)
    return np.array(found)


def test_synapse_and_membrane_are_solved_exactly_together():
    """CubaLI as two integrators in a row, and CubaLIF; with a constant current that passes the synapse from t = 0."""
    parameters = each(1e-3, 3e-3), each(4e-3, 1e-3), each(2.0), each(0.0, -0.01)
    bias, inputs = 0.1 * np.arange(N), values(scale=1e-5)[:60]
    wanted = synaptic(nir.CubaLI(*parameters, each(0.7)), inputs, bias)
    graphs = (
        driven(nir.CubaLI(*parameters, each(0.7)), bias=bias),
        driven(nir.CubaLIF(*parameters, each(1e3), each(0.0), each(0.7)), bias=bias),
    )
    for graph in graphs:
        found = run(from_nir(graph, spikes="impulse"), inputs, "v")
        np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-9)


def test_cuba_under_euler_updates_the_current_first():
    """As snnTorch, Norse and SpikingJelly do."""
    tau_syn, tau_mem, w_in, bias = each(1e-3, 3e-3), each(4e-3, 1e-3), each(0.7, 3.0), 0.02 * np.arange(N)
    node = nir.CubaLIF(tau_syn, tau_mem, each(2.0), each(0.0), each(0.3, 0.5), each(0.0), w_in)
    inputs, i, v, spikes, potentials = values(), np.zeros(N), np.zeros(N), [], []
    quiet = np.zeros(N)
    for x in inputs[:, 0]:
        i = i + DT / tau_syn * (-i + w_in * (x + bias))
        v, quiet = v + DT / tau_mem * (-v + 2.0 * i), quiet + DT / tau_mem * (-quiet + 2.0 * i)
        fired = v > node.v_threshold
        v = np.where(fired, 0.0, v)
        spikes.append(fired)
        potentials.append(1e3 * quiet)
    assert 20 < np.sum(spikes) < 0.7 * np.size(spikes)
    np.testing.assert_array_equal(run(from_nir(driven(node, bias=bias), discretisation="euler"), inputs), spikes)
    integrator = nir.CubaLI(tau_syn, tau_mem, each(2.0), each(0.0), w_in)
    found = run(from_nir(driven(integrator, bias=bias), discretisation="euler"), inputs)
    np.testing.assert_allclose(found, potentials, rtol=1e-9, atol=1e-9)


def test_integrators_and_threshold():
    inputs, bias = values(), 0.1 * np.arange(N)
    v, total, leaky = np.full(N, 0.2), np.zeros(N), []
    p = np.exp(-DT / 2e-3)
    for x in inputs[:, 0]:
        v = 0.2 + (v - 0.2) * p + 3.0 * (1 - p) * (x + bias)
        leaky.append(1e3 * v)
    node = nir.LI(each(2e-3), each(3.0), each(0.2))
    np.testing.assert_allclose(run(from_nir(driven(node, bias=bias)), inputs), leaky, rtol=1e-10, atol=1e-9)
    total = 1e3 * np.cumsum(4.0 * DT * inputs[:, 0], axis=0)
    np.testing.assert_allclose(run(from_nir(driven(nir.I(each(4.0)))), inputs), total, rtol=1e-9, atol=1e-9)
    above = inputs[:, 0] + bias > 0.7
    np.testing.assert_array_equal(run(from_nir(driven(nir.Threshold(each(0.7)), bias=bias)), inputs), above)


def test_linear_nodes_without_a_neuron_are_an_output():
    inputs, weight, scale = values(), np.random.default_rng(1).normal(size=(3, N)), np.array([1.0, 2.0, -1.0])
    nodes = {
        "in": nir.Input({"input": np.array([N])}), "w": nir.Affine(weight, np.ones(3)), "s": nir.Scale(scale),
        "out": nir.Output({"output": np.array([3])}),
    }  # fmt: skip
    graph = nir.NIRGraph(nodes, [("in", "w"), ("w", "s"), ("s", "out")])
    imported = from_nir(graph, units="normalised")
    wanted = (inputs[:, 0] @ weight.T + 1.0) * scale
    np.testing.assert_allclose(run(imported, inputs, name=imported.outputs["out"]), wanted, rtol=1e-12)


def looped(delays_s=None):
    """Input -> w -> cells, which excite each other through a Linear, with a Delay before it if there are delays."""
    rng = np.random.default_rng(5)
    nodes = {
        "in": nir.Input({"input": np.array([N])}), "w": nir.Linear(np.eye(N)), "cell": LIF,
        "rec": nir.Linear(rng.normal(0.0, 0.3, (N, N))), "out": nir.Output({"output": np.array([N])}),
    }  # fmt: skip
    edges = [("in", "w"), ("w", "cell"), ("rec", "cell"), ("cell", "out")]
    if delays_s is None:
        return nir.NIRGraph(nodes, [*edges, ("cell", "rec")], type_check=False)
    nodes["d"] = nir.Delay(delays_s)
    return nir.NIRGraph(nodes, [*edges, ("cell", "d"), ("d", "rec")], type_check=False)


@pytest.mark.parametrize("in_steps", [None, [1] * N, [3] * N, [1, 2, 5, 1, 4, 9]], ids=str)
def test_loops_see_the_last_step_and_delays_are_kept(in_steps):
    """Against a loop over steps with the spikes of earlier ones; without a Delay what goes back takes one step."""
    graph = looped(None if in_steps is None else np.array(in_steps) * DT)
    delays = np.array(in_steps or [1] * N)
    inputs, weight = values(), graph.nodes["rec"].weight
    v, spikes = LIF.v_leak.copy(), np.zeros((T, N))
    for t, x in enumerate(inputs[:, 0]):
        back = np.array([spikes[t - d, k] if t >= d else 0.0 for k, d in enumerate(delays)])
        v = v + DT / LIF.tau * (LIF.v_leak - v + LIF.r * (x + weight @ back))
        spikes[t] = v > LIF.v_threshold
        v = np.where(spikes[t], LIF.v_reset, v)
    assert 50 < spikes.sum() < 0.7 * spikes.size
    np.testing.assert_array_equal(run(from_nir(graph, discretisation="euler"), inputs), spikes)


def test_only_what_goes_back_is_delayed():
    """in -> a, in -> b -> a is no loop, though a is as near to the input as b."""
    cells = {name: nir.LIF(*(np.ones(1) for _ in range(4))) for name in "ab"}
    nodes = {"in": nir.Input({"input": np.array([1])}), **cells, "out": nir.Output({"output": np.array([1])})}
    edges = [("in", "a"), ("in", "b"), ("b", "a"), ("a", "out")]
    imported = from_nir(nir.NIRGraph(nodes, edges))
    assert [projection.delay for projection in imported.net.projections] == [0.0, 0.0, 0.0]
    back = from_nir(nir.NIRGraph(nodes, [*edges, ("a", "b")]))
    assert sum(projection.delay for projection in back.net.projections) == pytest.approx(0.1)


def nested():
    """looped(), with cells and their loop in a graph of their own, as snnTorch writes RLeaky."""
    flat = looped()
    inner = nir.NIRGraph(
        {"i": nir.Input({"input": np.array([N])}), "lif": flat.nodes["cell"], "rec": flat.nodes["rec"],
         "o": nir.Output({"output": np.array([N])})},
        [("i", "lif"), ("lif", "rec"), ("rec", "lif"), ("lif", "o")], type_check=False,
    )  # fmt: skip
    nodes = {name: flat.nodes[name] for name in ("in", "w", "out")} | {"layer": inner}
    return nir.NIRGraph(nodes, [("in", "w"), ("w", "layer"), ("layer", "out")], type_check=False)


def test_a_graph_inside_a_graph_is_laid_flat():
    found = from_nir(nested(), discretisation="euler")
    assert found.outputs == {"out": "layer/lif"}
    wanted = run(from_nir(looped(), discretisation="euler"), values())
    np.testing.assert_array_equal(run(found, values(), name="layer/lif"), wanted)


def convolutional():
    """Events -> conv -> LIF -> sum pool -> flatten -> affine -> LIF with a loop."""
    rng = np.random.default_rng(6)
    field = {"tau": 3e-3, "r": 60.0, "v_leak": 0.0, "v_threshold": 0.5}
    nodes = {
        "in": nir.Input({"input": np.array([2, 6, 6])}),
        "conv": nir.Conv2d((6, 6), rng.normal(0.1, 0.3, (3, 2, 3, 3)), 1, 1, 1, 1, 0.01 * rng.normal(size=3)),
        "a": nir.LIF(**{name: np.full((3, 6, 6), value) for name, value in field.items()}),
        "pool": nir.SumPool2d(*(np.array(x) for x in ([2, 2], [2, 2], [0, 0]))),
        "flat": nir.Flatten({"input": np.array([3, 3, 3])}, 0, -1),
        "dense": nir.Affine(rng.normal(0.0, 0.3, (5, 27)), np.full(5, 0.01)),
        "cell": nir.LIF(**{name: np.full(5, value) for name, value in field.items()}),
        "rec": nir.Linear(rng.normal(0.0, 0.2, (5, 5))),
        "out": nir.Output({"output": np.array([5])}),
    }
    chain = ["in", "conv", "a", "pool", "flat", "dense", "cell", "out"]
    edges = [*zip(chain[:-1], chain[1:], strict=True), ("cell", "rec"), ("rec", "cell")]
    return nir.NIRGraph(nodes, edges, type_check=False)


@pytest.mark.parametrize("discretisation", ["exact", "euler"])
def test_every_backend_runs_an_imported_network(discretisation):
    """brian2 delivers in the next step at the earliest, so each layer takes one here."""
    imported = from_nir(convolutional(), discretisation=discretisation, layer_delay=0.1)
    rng = np.random.default_rng(7)
    events = make_events(rng.uniform(0.0, 30.0, 3000), rng.integers(0, 72, 3000))
    spikes = {
        backend: simulate(
            imported.net, imported.weights, {"in": events}, duration=30.0, backend=backend,
            record=("a.spikes", "cell.spikes"), initial=imported.initial,
        ).spikes
        for backend in ("torch_dense", "event", "brian")
    }  # fmt: skip
    for name in ("a", "cell"):
        wanted = spikes["torch_dense"][name]
        assert len(wanted.times) > 50
        for backend in ("event", "brian"):
            np.testing.assert_array_equal(spikes[backend][name].times, wanted.times)
            np.testing.assert_array_equal(spikes[backend][name].units, wanted.units)


def one(node, **conventions):
    return lambda: from_nir(driven(node), **conventions)


REFUSED = {
    "an unstable step": (one(LIF, dt=10.0, discretisation="euler"), ["'cell'", "tau", "smaller dt"]),
    "no time constant": (one(nir.LI(each(0.0), each(1.0), each(0.0))), ["'cell' (LI)", "tau = 0", "positive"]),
    "not finite": (one(nir.LI(each(np.nan), each(1.0), each(0.0))), ["'cell' (LI)", "tau", "not finite"]),
    "a delay between steps": (lambda: from_nir(looped(np.full(N, 1.5 * DT))), ["'d' (Delay)", "0.15 ms", "0.1 or 0.2"]),
    "another size": (
        lambda: from_nir(driven(LIF, weight=np.ones((4, N)))), ["'cell' (LIF)", "'w' sends shape (4,)", "6 units"]
    ),
    "a bias without bound": (lambda: from_nir(driven(nir.I(each(1.0)), bias=np.ones(N))), ["'cell' (I)", "bias"]),
    "an unknown convention": (one(LIF, discretization="euler"), ["'discretization'", "discretisation"]),
    "an unknown value": (one(LIF, spikes="impulses"), ["impulses", "did you mean 'impulse'"]),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_represented_is_named(case):
    make, words = REFUSED[case]
    with pytest.raises(ValueError) as error:
        make()
    for word in words:
        assert word in str(error.value)


def test_two_ways_of_different_delay_between_a_pair_are_refused():
    nodes = looped(np.full(N, 3 * DT)).nodes
    edges = [("in", "w"), ("w", "cell"), ("rec", "cell"), ("cell", "out"), ("cell", "d"), ("d", "rec"), ("cell", "rec")]
    with pytest.raises(ValueError, match="'cell' reaches 'cell' twice.*0.3 and 0.1 ms"):
        from_nir(nir.NIRGraph(nodes, edges, type_check=False))


def test_a_loop_without_a_neuron_is_refused():
    nodes = driven(LIF).nodes | {"again": nir.Linear(np.eye(N))}
    edges = [("in", "w"), ("w", "cell"), ("cell", "out"), ("w", "again"), ("again", "w")]
    with pytest.raises(ValueError, match="loop without a neuron"):
        from_nir(nir.NIRGraph(nodes, edges, type_check=False))


def test_units_are_converted():
    """2 ms, 20 GOhm, threshold 15 mV above a rest of -70 mV; a spike of weight 3 pA for 0.1 ms."""
    node = nir.LIF(each(2e-3), each(2e10), each(-0.07), each(-0.055), each(-0.065))
    imported = from_nir(driven(node, weight=3e-12 * np.eye(N), bias=np.full(N, 1e-12)))
    model = imported.net.population("cell").model
    found = [model.tau_m, model.r_m, model.v_rest, model.v_th, model.v_reset, model.i_ext]
    np.testing.assert_allclose(found, [2.0, 20.0, -70.0, -55.0, -65.0, 1.0], rtol=1e-12)
    np.testing.assert_allclose(np.diag(imported.weights["in->cell"]), 60.0 * (1 - np.exp(-0.05)), rtol=1e-12)


def test_euler_and_exact_agree_where_the_step_is_short():
    given = Conventions(dt=1e-4, discretisation="euler")
    assert given.time_constant(2e-3, "tau") == pytest.approx(2.0, rel=1e-4)
    assert given.gain(2e-3, "tau") == pytest.approx(1e-4 / 2.0, rel=1e-4)
