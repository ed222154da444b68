"""Chains of SpikingJelly as networks and back: the same spikes over 120 steps, in float64."""

import numpy as np
import pytest
import torch
from spikingjelly.activation_based import functional, neuron
from torch import nn

from neuro import simulate
from neuro.interop.spikingjelly import from_spikingjelly, to_spikingjelly

T, B, N, DT = 120, 3, 20, 0.5


def chain(first, second, bias=True):
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(10, N, bias=bias), first, nn.Linear(N, N, bias=bias), second).double()
    for linear in (layers[0], layers[2]):
        linear.weight.data.mul_(4.0).add_(0.1)
    return layers


def inputs():
    return torch.as_tensor(np.random.default_rng(1).uniform(0.0, 1.0, (T, B, 10)))


def theirs(layers):
    functional.reset_net(layers)
    found = ([], [])
    with torch.no_grad():
        for x in inputs():
            first = layers[:2](x)
            found[0].append(first)
            found[1].append(layers[2:](first))
    return [torch.stack(kept).numpy() for kept in found]


def ours(imported):
    names = [population.name for population in imported.net.populations[1:]]
    weights = {name: torch.as_tensor(w) for name, w in imported.weights.items()}
    record = simulate(
        imported.net, weights, {"input": inputs()}, duration=T * DT, backend="torch_dense",
        record=tuple(f"{name}.output" for name in names), initial=imported.initial,
    )  # fmt: skip
    return [record.traces[f"{name}.output"].numpy() for name in names]


PAIRS = {
    "LIFNode": lambda: (neuron.LIFNode(tau=2.0), neuron.LIFNode(tau=5.0, v_threshold=0.3)),
    "LIFNode, input as it is": lambda: (
        neuron.LIFNode(tau=10.0, decay_input=False), neuron.LIFNode(tau=3.0, decay_input=False, v_reset=-0.2)
    ),
    "ParametricLIFNode": lambda: (neuron.ParametricLIFNode(init_tau=3.0), neuron.ParametricLIFNode(init_tau=2.0)),
    "reset by subtraction": lambda: (
        neuron.LIFNode(tau=4.0, v_reset=None), neuron.ParametricLIFNode(init_tau=2.0, v_reset=None, v_threshold=0.5)
    ),
    "IFNode": lambda: (neuron.IFNode(), neuron.IFNode(v_threshold=2.0, v_reset=-0.5)),
}  # fmt: skip


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", PAIRS)
def test_spikes_are_equal_there_and_back(name, bias):
    layers = chain(*PAIRS[name](), bias=bias)
    wanted = theirs(layers)
    imported = from_spikingjelly(layers, DT)
    found = ours(imported)
    again = theirs(to_spikingjelly(imported.net, imported.weights))
    for layer in range(2):
        assert 100 < wanted[layer].sum() < 0.95 * wanted[layer].size
        np.testing.assert_array_equal(found[layer], wanted[layer])
        np.testing.assert_array_equal(again[layer], wanted[layer])


def test_neurons_without_leak_by_subtraction():
    layers = chain(neuron.IFNode(v_reset=None), neuron.IFNode(v_reset=None, v_threshold=3.0), bias=False)
    wanted, imported = theirs(layers), from_spikingjelly(layers, DT)
    for found in (ours(imported), theirs(to_spikingjelly(imported.net, imported.weights))):
        for layer in range(2):
            assert wanted[layer].sum() > 100
            np.testing.assert_array_equal(found[layer], wanted[layer])


REFUSED = {
    "another neuron": (lambda: neuron.QIFNode(), ["'1' (QIFNode)", "LIFNode, ParametricLIFNode and IFNode"]),
    "another layer": (lambda: nn.ReLU(), ["'1' (ReLU)"]),
    "a sum without bound": (lambda: neuron.IFNode(v_reset=None), ["'1' (IFNode)", "bias", "v_reset"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_counterpart_is_refused_by_name(case):
    make, words = REFUSED[case]
    with pytest.raises(ValueError) as error:
        from_spikingjelly(nn.Sequential(nn.Linear(4, 4), make()), DT)
    for word in words:
        assert word in str(error.value)


def test_layers_out_of_turn_are_refused():
    for layers, word in (
        ([neuron.LIFNode()], "does not begin with a torch.nn.Linear"),
        ([nn.Linear(4, 4), neuron.LIFNode(), neuron.LIFNode()], "'2' .LIFNode.: a torch.nn.Linear is needed"),
        ([nn.Linear(4, 4), neuron.LIFNode(), nn.Linear(5, 4)], "'2' takes 5 values, and 4 come in"),
    ):
        with pytest.raises(ValueError, match=word):
            from_spikingjelly(nn.Sequential(*layers), DT)
