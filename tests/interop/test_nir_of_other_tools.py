"""Graphs that snnTorch and SpikingJelly write: the same spikes here; and where their own export stops."""

import contextlib
import io

import numpy as np
import pytest
import snntorch
import torch
from snntorch.export_nir import export_to_nir as snntorch_writes
from spikingjelly.activation_based import functional, layer, neuron
from spikingjelly.activation_based.nir_exchange import export_to_nir as spikingjelly_writes
from torch import nn

from neuro import simulate
from neuro.interop.nir import from_nir

T, B = 80, 2


def ours(graph, inputs_TBI):
    imported = from_nir(graph, discretisation="euler")
    (source,), (target,) = imported.inputs, imported.outputs.values()
    given = {name: torch.as_tensor(w) if isinstance(w, np.ndarray) else w for name, w in imported.weights.items()}
    record = simulate(
        imported.net, given, {source: inputs_TBI}, duration=T * imported.net.dt, backend="torch_dense",
        record=(f"{target}.output",), initial=imported.initial,
    )  # fmt: skip
    return record.traces[f"{target}.output"].numpy()


def test_a_convolutional_network_of_spikingjelly():
    torch.manual_seed(0)
    net = nn.Sequential(
        layer.Conv2d(1, 3, 3, padding=1), neuron.LIFNode(tau=3.0), layer.AvgPool2d(2, 2), layer.Flatten(),
        layer.Linear(27, 20), neuron.ParametricLIFNode(init_tau=2.0, decay_input=False),
    ).double()  # fmt: skip
    net[0].weight.data.mul_(4.0)
    net[4].weight.data.mul_(5.0)
    with contextlib.redirect_stdout(io.StringIO()):
        graph = spikingjelly_writes(net, torch.rand(B, 1, 6, 6, dtype=torch.float64))
    inputs = torch.as_tensor(np.random.default_rng(1).uniform(0.0, 2.0, (T, B, 36)))
    functional.reset_net(net)
    with torch.no_grad():
        wanted = torch.stack([net(x.reshape(B, 1, 6, 6)) for x in inputs]).numpy()
    assert 200 < wanted.sum() < 0.7 * wanted.size
    np.testing.assert_array_equal(ours(graph, inputs), wanted)


def leaky(n, **options):
    """beta and threshold given for every neuron, without which snnTorch's export stops (last test)."""
    beta, threshold = torch.full((n,), 0.9, dtype=torch.float64), torch.full((n,), 1.0, dtype=torch.float64)
    options = {"reset_mechanism": "zero", "reset_delay": False, "init_hidden": True} | options
    return snntorch.Leaky(beta, threshold=threshold, **options)


def exported(*layers):
    with contextlib.redirect_stdout(io.StringIO()):
        return snntorch_writes(nn.Sequential(*layers).double(), torch.rand(1, 10).double(), ignore_dims=[0])


def test_a_chain_of_snntorch():
    torch.manual_seed(0)
    linear, cells = nn.Linear(10, 20), leaky(20)
    linear.weight.data.mul_(2.0)
    graph = exported(linear, cells)
    inputs = torch.as_tensor(np.random.default_rng(1).uniform(0.0, 1.0, (T, B, 10)))
    cells.reset_mem()
    wanted = torch.stack([cells(linear(x)).detach() for x in inputs]).numpy()
    assert 100 < wanted.sum() < 0.7 * wanted.size
    np.testing.assert_array_equal(ours(graph, inputs), wanted)


def test_a_recurrent_layer_of_snntorch():
    """RLeaky, whose own spikes come back a step later."""
    torch.manual_seed(0)
    linear = nn.Linear(10, 8)
    cells = snntorch.RLeaky(
        0.9, linear_features=8, init_hidden=True, output=True, reset_mechanism="zero", reset_delay=False
    )
    linear.weight.data.mul_(2.0)
    graph = exported(linear, cells)
    cells.recurrent.double()
    inputs = torch.as_tensor(np.random.default_rng(1).uniform(0.0, 1.0, (T, B, 10)))
    spikes, potential, wanted = torch.zeros(B, 8).double(), torch.zeros(B, 8).double(), []
    beta = float(cells.beta)
    for x in inputs:
        with torch.no_grad():
            potential = beta * potential + linear(x) + cells.recurrent(spikes)
        spikes = (potential > 1.0).double()
        potential = potential * (1.0 - spikes)
        wanted.append(spikes)
    wanted = torch.stack(wanted).numpy()
    assert 50 < wanted.sum() < 0.8 * wanted.size
    np.testing.assert_array_equal(ours(graph, inputs), wanted)


def test_where_the_export_of_snntorch_stops():
    scalar = snntorch.Leaky(0.9, init_hidden=True)
    with pytest.raises(ValueError, match=r"type mismatch: 0.output: \[\[8\]\] -> 1.input: \[\]"):
        exported(nn.Linear(10, 8), scalar)
    with pytest.raises(ValueError, match=r"type mismatch: input.output: \[\[ 1 10\]\] -> 0.input: \[\[10\]\]"):
        snntorch_writes(nn.Sequential(nn.Linear(10, 8), leaky(8)).double(), torch.rand(1, 10).double())
