"""The fused kernels against the reference backend, whose loop over tensors and whose autograd are independent of them.

Without a GPU the kernels run in Triton's interpreter, in NumPy. Weights and spikes are whole numbers, so that sums of
arrivals are exact in any order; then spikes and states must be equal bit for bit in float32. Only exp is another
library's: 1e-5 mV is an ulp of 70 mV. Gradients are sums of some hundred products, of 1e-7 each.
"""

import functools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from neuro import (
    Dense,
    FixedProbability,
    Network,
    PoissonDrive,
    Population,
    Projection,
    Source,
    connect,
    simulate,
    vary,
)
from neuro.backends import torch_dense
from neuro.backends.job import make_job
from neuro.learners.surrogate import spike_function
from neuro.neurons import NEURONS, SETS, leaky_integrator, lif, lif_delta, lif_exc_inh

pytest.importorskip("triton", reason="Triton is not installed: pip install 'neuro[gpu]'")

from neuro.backends import triton_fused  # noqa: E402

N_IN, SIZE, N_STEPS, N_SAMPLES, DT = 9, 11, 14, 2, 0.5
LARGEST_WEIGHT = {"lif": 2000, "lif_alpha": 900}  # of what arrives, so that neurons fire some times; 60 for all others
USES_EXP = {"lif_conductance", "adex"}
DEVICE = "cuda" if torch.cuda.is_available() and os.environ.get("TRITON_INTERPRET") == "0" else "cpu"


def problem(key, dtype=torch.float32):
    """One population behind a source; the last receptor is reached by a source of its own."""
    rng = np.random.default_rng(1)
    model = next(iter(SETS[key].values()))
    names = ["in", "other"][: len(model.receptors)]
    populations = tuple(Population(name, N_IN, Source()) for name in names)
    projections = tuple(
        Projection(name, "n", Dense(), receptor=receptor, delay=delay)
        for name, receptor, delay in zip(names, model.receptors, (0.0, 1.0), strict=False)
    )
    net = Network((*populations, Population("n", SIZE, model)), projections, DT)
    largest = LARGEST_WEIGHT.get(key, 60)
    weights = {p.name: torch.tensor(rng.integers(0, largest, (SIZE, N_IN)), dtype=dtype) for p in projections}
    if len(names) > 1:
        weights["other->n"] = weights["other->n"] // 8
    rasters = {name: torch.tensor(rng.random((N_STEPS, N_SAMPLES, N_IN)) < 0.3).to(dtype) for name in names}
    return net, weights, rasters


@functools.cache
def outcome(key, backend):
    """Traces, counts and gradients of a loss of all of them."""
    net, weights, rasters = problem(key)
    weights = {name: w.to(DEVICE).requires_grad_() for name, w in weights.items()}
    fields = [field for field in NEURONS[key].State._fields if field != "refrac"]
    record = ("n.output", *(f"n.{field}" for field in fields))
    job = make_job(net, weights, rasters, duration=N_STEPS * DT, record=record)
    found = backend.run(job, spike_function("atan", 2.0))
    scale = {name: trace.detach().abs().mean() + 1e-3 for name, trace in found.traces.items()}
    mask = torch.linspace(0.5, 1.5, N_STEPS, device=DEVICE)[:, None, None]
    sum((mask * trace / scale[name]).sum() for name, trace in found.traces.items()).backward()
    traces = {name: trace.detach().cpu() for name, trace in found.traces.items()}
    return traces, found.counts, {name: w.grad.cpu() for name, w in weights.items()}


@pytest.mark.parametrize("key", NEURONS)
def test_spikes_and_states_equal_those_of_the_reference(key):
    wanted, counts, _ = outcome(key, torch_dense)
    found, own_counts, _ = outcome(key, triton_fused)
    assert NEURONS[key].graded or counts.spikes >= SIZE
    assert (own_counts.spikes, own_counts.synaptic_events) == (counts.spikes, counts.synaptic_events)
    for name, trace in wanted.items():
        atol = 1e-5 if key in USES_EXP and name != "n.output" else 0.0
        torch.testing.assert_close(found[name], trace, rtol=1e-6 if key == "li_rinzel" else 0.0, atol=atol)


@pytest.mark.parametrize("key", NEURONS)
def test_gradients_equal_those_of_autograd(key):
    wanted, found = outcome(key, torch_dense)[2], outcome(key, triton_fused)[2]
    for name, gradient in wanted.items():
        assert gradient.abs().max() > 0
        torch.testing.assert_close(found[name], gradient, rtol=0.0, atol=1e-5 * float(gradient.abs().max()))


def deep(code):
    """Two hidden layers and a readout, as they are trained; the second has a refractory period and a delay."""
    cell = vary(lif_delta.NORMALISED, source="test", v_th=16.0)
    slow = vary(cell, source="test", t_ref=1.0, tau_m=np.linspace(5.0, 20.0, 8))
    readout = vary(leaky_integrator.NORMALISED, source="test", tau_m=10.0)
    sizes, models = {"in": 6, "a": 10, "b": 8, "out": 3}, {"in": Source(), "a": cell, "b": slow, "out": readout}
    chain = list(zip(sizes, list(sizes)[1:], strict=False))
    net = Network(
        tuple(Population(name, size, models[name]) for name, size in sizes.items()),
        tuple(Projection(a, b, Dense(), delay=1.0 if b == "b" else 0.0) for a, b in chain), 1.0,
    )  # fmt: skip
    rng = np.random.default_rng(3)
    weights = {f"{a}->{b}": torch.tensor(rng.integers(-8, 20, (sizes[b], sizes[a])), dtype=torch.float32)
               for a, b in chain}  # fmt: skip
    values = torch.tensor(rng.integers(0, 2, (4, 6)), dtype=torch.float32)
    return net, weights, values if code == "direct" else values.expand(20, -1, -1).contiguous()


@functools.cache
def training_step(backend, code):
    net, weights, values = deep(code)
    weights = {name: w.to(DEVICE).requires_grad_() for name, w in weights.items()}
    record = ("out.output", "b.output", "b.v", "a.output")
    job = make_job(net, weights, {"in": values}, duration=20.0, record=record)
    found = backend.run(job, spike_function("fast_sigmoid", 0.25))
    scores_BC = found.traces["out.output"].mean(0)
    labels = torch.arange(4, device=DEVICE) % 3
    loss = torch.nn.functional.cross_entropy(scores_BC / 20.0, labels) + 1e-3 * found.traces["b.v"].square().mean()
    loss.backward()
    return found, loss.item(), {name: w.grad for name, w in weights.items()}


@pytest.mark.parametrize("code", ["direct", "raster"])
def test_a_deep_network_learns_as_on_the_reference(code):
    """Through several layers, a delay, refractoriness and parameters of single neurons."""
    (wanted, loss, gradients), (found, own_loss, own) = (training_step(b, code) for b in (torch_dense, triton_fused))
    assert wanted.counts.spikes > 40
    for name, trace in wanted.traces.items():
        torch.testing.assert_close(found.traces[name], trace, rtol=0.0, atol=0.0)
    assert own_loss == pytest.approx(loss, rel=1e-6)
    for name, gradient in gradients.items():
        torch.testing.assert_close(own[name], gradient, rtol=0.0, atol=1e-5 * float(gradient.abs().max()))
    assert found.counts.spikes == wanted.counts.spikes
    assert found.counts.synaptic_events == wanted.counts.synaptic_events


def test_direct_current_is_a_raster_that_does_not_change():
    direct, raster = (training_step(triton_fused, code)[0] for code in ("direct", "raster"))
    for name, trace in direct.traces.items():
        torch.testing.assert_close(raster.traces[name], trace, rtol=0.0, atol=0.0)


@pytest.mark.skipif(DEVICE == "cuda", reason="sparse weights are in NumPy, on the CPU")
def test_drives_delays_and_double_precision():
    """Sparse synapses of several delays and a Poisson drive; whole numbers in float64, through `simulate`."""
    net = Network(
        (Population("in", 20, Source()), Population("n", 15, lif_exc_inh.VOGELS_ABBOTT_CUBA)),
        (Projection("in", "n", FixedProbability(0.4), delay=0.5),),
        DT,
        (PoissonDrive("n", rate=800.0, weight=30.0, receptor="exc"),),
    )
    weights = connect(net, {"in->n": 150.0}, seed=1, delays={"in->n": lambda rng, n: rng.integers(1, 5, n) * DT})
    rng = np.random.default_rng(2)
    raster = (rng.random((60, 1, 20)) < 0.1).astype(float)
    runs = [
        simulate(net, weights, {"in": raster}, duration=30.0, backend=backend, record=("n.spikes", "n.v"), seed=7)
        for backend in ("torch_dense", "triton_fused")
    ]
    assert runs[0].counts.spikes > 10
    np.testing.assert_array_equal(runs[1].spikes["n"].times, runs[0].spikes["n"].times)
    np.testing.assert_array_equal(runs[1].traces["n.v"], runs[0].traces["n.v"])
    assert runs[1].counts.synaptic_events == runs[0].counts.synaptic_events


def test_a_loop_is_refused_with_its_populations():
    populations = (Population("in", 3, Source()), Population("a", 3, lif.NEST_DEFAULT))
    net = Network(populations, (Projection("in", "a", Dense()), Projection("a", "a", Dense(), delay=1.0)), 1.0)
    assert any("['a'] lie on a loop" in reason for reason in triton_fused.unsupported(net, False))


COMPILE = """
import sys
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from neuro.backends.triton_source import NeuronKind, kernels
from neuro.neurons import SETS
for key in sys.argv[1:]:
    model = next(iter(SETS[key].values()))
    module = kernels(NeuronKind(type(model), type(model.coefficients(0.5)), (), ("v",), learns=True))
    for name in ("forward", "backward"):
        kernel = getattr(module, name)
        whole = {n: "i32" for n in kernel.arg_names if n in ("n_steps", "n", "size") or n.startswith("stride_")}
        types = {n: whole.get(n, "*fp32") for n in kernel.arg_names} | {"BLOCK": "constexpr"}
        source = ASTSource(kernel, types, {"BLOCK": 256})
        ptx = compile(source, target=GPUTarget("cuda", 90, 32), options={"enable_fp_fusion": False}).asm["ptx"]
        print(key, name, ptx.count("st.global"), ptx.count("fma."))
"""


def test_kernels_compile_for_a_gpu(tmp_path):
    """For compute capability 9.0, which needs no GPU: they store something, and fuse no product with a sum."""
    environment = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", COMPILE, "lif_delta", "lif_exc_inh"]
    root = Path(__file__).parents[2]
    found = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=root)
    assert found.returncode == 0, found.stderr
    rows = [line.split() for line in found.stdout.splitlines()]
    assert len(rows) == 4
    assert all(int(stores) > 0 and int(fused) == 0 for _, _, stores, fused in rows)
