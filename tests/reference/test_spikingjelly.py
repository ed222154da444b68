"""LIFDelta against spikingjelly's LIFNode, which is other people's code.

Mapping, for dt: tau = 1 / (1 - exp(-dt / tau_m)), v_threshold = v_th, its v_reset is both our v_reset and our
v_rest, t_ref = 0. Its tau counts steps of an Euler scheme, ours is a time. With decay_input False the input is
a jump, as here; with True it is divided by tau, which a weight of 1 - exp(-dt / tau_m) does here. Both spike
where v >= v_th, reset in the same step, and record v after the reset.
"""

import numpy as np
import pytest
import torch
from spikingjelly.activation_based.neuron import LIFNode

from neuro import Dense, Network, Population, Projection, Source, simulate, vary
from neuro.neurons.lif_delta import NORMALISED

T, B, N, DT = 400, 3, 50, 0.5


def ours(values_TBN, weight=1.0, **changes):
    model = vary(NORMALISED, source="test", **changes)
    size = values_TBN.shape[-1]
    populations = Population("in", size, Source()), Population("cells", size, model)
    net = Network(populations, (Projection("in", "cells", Dense()),), DT)
    weights, record = {"in->cells": weight * torch.eye(size, dtype=values_TBN.dtype)}, ("cells.output", "cells.v")
    options = {"duration": len(values_TBN) * DT, "backend": "torch_dense", "record": record}
    traces = simulate(net, weights, {"in": values_TBN}, **options).traces
    return traces["cells.output"], traces["cells.v"]


def theirs(values_TBN, tau_m, **options):
    tau = 1.0 / (1.0 - np.exp(-DT / tau_m))
    node = LIFNode(tau=float(tau), step_mode="s", **options)
    node.v = torch.full_like(values_TBN[0], options.get("v_reset", 0.0))
    spikes, potentials = [], []
    for x in values_TBN:
        spikes.append(node(x))
        potentials.append(node.v)
    return torch.stack(spikes).detach(), torch.stack(potentials).detach()


def currents(mean, scatter):
    rng = np.random.default_rng(9)
    return torch.as_tensor(rng.normal(np.linspace(0.0, mean, N), scatter, (T, B, N)))


@pytest.mark.parametrize("tau_m", [2.0, 20.0])
def test_spikes_are_those_of_lif_node(tau_m):
    """v - v / tau + x against p v + x: some ulps a step, which decay. No threshold is met that closely."""
    values_TBN = currents(0.3, 0.3)
    spikes, v = ours(values_TBN, tau_m=tau_m)
    wanted, potential = theirs(values_TBN, tau_m, decay_input=False)
    assert 500 < wanted.sum() < 0.5 * wanted.numel()
    assert torch.equal(spikes, wanted)
    torch.testing.assert_close(v, potential, rtol=0, atol=1e-13)


@pytest.mark.parametrize("tau_m", [2.0, 20.0])
def test_decayed_input_is_a_current(tau_m):
    values_TBN = currents(3.0, 3.0)
    spikes, v = ours(values_TBN, weight=1.0 - np.exp(-DT / tau_m), tau_m=tau_m)
    wanted, potential = theirs(values_TBN, tau_m, decay_input=True)
    assert 500 < wanted.sum() < 0.5 * wanted.numel()
    assert torch.equal(spikes, wanted)
    torch.testing.assert_close(v, potential, rtol=0, atol=1e-13)


def test_in_millivolts():
    """Rest and reset at -70 mV, threshold at -55 mV; the ulp there is 1.4e-14."""
    values_TBN = currents(4.0, 5.0)
    spikes, v = ours(values_TBN, tau_m=10.0, v_rest=-70.0, v_reset=-70.0, v_th=-55.0)
    wanted, potential = theirs(values_TBN, 10.0, decay_input=False, v_threshold=-55.0, v_reset=-70.0)
    assert 500 < wanted.sum() < 0.5 * wanted.numel()
    assert torch.equal(spikes, wanted)
    torch.testing.assert_close(v, potential, rtol=0, atol=1e-12)


def test_both_fire_at_equality():
    values_TBN = torch.zeros(3, 1, 1, dtype=torch.float64)
    values_TBN[1] = 1.0
    for spikes, _ in (ours(values_TBN), theirs(values_TBN, 10.0, decay_input=False)):
        assert spikes.flatten().tolist() == [0.0, 1.0, 0.0]
