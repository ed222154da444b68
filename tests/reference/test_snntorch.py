"""LIFDelta against snntorch.Leaky, which is other people's code.

Mapping, for dt and a membrane at rest at 0: beta = exp(-dt / tau_m), threshold = v_th, reset_mechanism "zero",
t_ref = 0. What differs by convention:

- snnTorch spikes where v > v_th, neuro where v >= v_th. They part only at equality (last test).
- By default, snnTorch resets at the start of the next step, and its `mem` of a spike's step is the potential
  that crossed. neuro records v after the reset, which is `reset_delay=False`. The spikes are the same.
"""

import numpy as np
import pytest
import snntorch
import torch

from neuro import Dense, Network, Population, Projection, Source, simulate, vary
from neuro.neurons.lif_delta import NORMALISED

T, B, N, DT = 400, 3, 50, 0.5


def ours(values_TBN, dtype, **changes):
    model = vary(NORMALISED, source="test", **changes)
    size = values_TBN.shape[-1]
    populations = Population("in", size, Source()), Population("cells", size, model)
    net = Network(populations, (Projection("in", "cells", Dense()),), DT)
    weights, record = {"in->cells": torch.eye(size, dtype=dtype)}, ("cells.output", "cells.v")
    options = {"duration": len(values_TBN) * DT, "backend": "torch_dense", "record": record}
    traces = simulate(net, weights, {"in": values_TBN}, **options).traces
    return traces["cells.output"], traces["cells.v"]


def theirs(values_TBN, tau_m, dtype, **options):
    beta = torch.tensor(np.exp(-DT / tau_m), dtype=dtype)
    leaky = snntorch.Leaky(beta=beta, reset_mechanism="zero", **options)
    mem, spikes, mems = torch.zeros_like(values_TBN[0]), [], []
    for x in values_TBN:
        spike, mem = leaky(x, mem)
        spikes.append(spike)
        mems.append(mem)
    return torch.stack(spikes), torch.stack(mems)


def currents(dtype):
    """Noise around a drive that makes some neurons fire often and some hardly."""
    rng = np.random.default_rng(8)
    values = rng.normal(np.linspace(0.0, 0.3, N), 0.3, (T, B, N))
    return torch.as_tensor(values).to(dtype)


@pytest.mark.parametrize("reset_delay", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("tau_m", [2.0, 20.0])
def test_spikes_are_those_of_leaky(tau_m, dtype, reset_delay):
    """beta v + x is the same arithmetic, so that all bits are equal."""
    values_TBN = currents(dtype)
    spikes, v = ours(values_TBN, dtype, tau_m=tau_m)
    wanted, mem = theirs(values_TBN, tau_m, dtype, reset_delay=reset_delay)
    assert 500 < wanted.sum() < 0.5 * wanted.numel()
    assert torch.equal(spikes, wanted)
    assert v.dtype == dtype
    assert torch.equal(v, mem * (1 - wanted))


def test_leaky_does_not_fire_at_equality():
    """The convention that is stated above: 1 mV at once, at a threshold of 1 mV."""
    values_TBN = torch.zeros(3, 1, 1, dtype=torch.float64)
    values_TBN[1] = 1.0
    assert ours(values_TBN, torch.float64)[0].flatten().tolist() == [0.0, 1.0, 0.0]
    assert theirs(values_TBN, 10.0, torch.float64)[0].flatten().tolist() == [0.0, 0.0, 0.0]
