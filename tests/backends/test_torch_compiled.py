"""torch_dense with steps that torch.compile has fused, against its plain steps: the same spikes, the same gradient."""

import shutil

import pytest
import torch

from neuro import Dense, Network, Population, Projection, Source, vary
from neuro.backends import torch_dense
from neuro.backends.job import make_job
from neuro.learners.surrogate import spike_function
from neuro.neurons import leaky_integrator, lif_delta


@pytest.mark.slow  # ten seconds of compiling
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU")
def test_compiled_steps_give_the_same_spikes_and_gradient():
    cell = vary(lif_delta.NORMALISED, source="none", t_ref=2.0)
    populations = (
        Population("in", 7, Source()),
        Population("n", 9, cell),
        Population("out", 3, leaky_integrator.NORMALISED),
    )
    net = Network(populations, (Projection("in", "n", Dense()), Projection("n", "out", Dense())), 1.0)
    rng = torch.Generator().manual_seed(0)
    start = {"in->n": torch.rand(9, 7, generator=rng), "n->out": torch.randn(3, 9, generator=rng)}
    x_TBI = (torch.rand(12, 4, 7, generator=rng) < 0.3).float()
    found = []
    for compiled in (False, True):
        weights = {name: w.clone().requires_grad_() for name, w in start.items()}
        job = make_job(net, weights, {"in": x_TBI}, duration=12.0, record=("n.output", "out.output"))
        record = torch_dense.run(job, spike_function("atan", 2.0), compiled=compiled)
        record.traces["out.output"].square().mean().backward()
        found.append((record.traces["n.output"].detach(), [w.grad for w in weights.values()]))
    (plain, plain_gradients), (fused, fused_gradients) = found
    assert 20 < plain.sum() < plain.numel() and torch.equal(plain, fused)
    for plain_JI, fused_JI in zip(plain_gradients, fused_gradients, strict=True):
        assert plain_JI.abs().max() > 1e-3
        torch.testing.assert_close(fused_JI, plain_JI, rtol=1e-5, atol=1e-7)
