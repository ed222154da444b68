"""Chains of snnTorch as networks and back: the same spikes over 120 steps, in float64."""

import numpy as np
import pytest
import snntorch
import torch
from torch import nn

from neuro import simulate
from neuro.interop.snntorch import from_snntorch, to_snntorch
from neuro.neurons.lif_delta import NORMALISED as LIF_DELTA
from neuro.units import vary

T, B, N, DT = 120, 3, 20, 1.0


def passed(spike):
    """float64 from end to end; snnTorch's own spikes are float32."""
    return (spike > 0).double()


def chain(first, second, bias=True, seed=0):
    torch.manual_seed(seed)
    layers = nn.Sequential(
        nn.Flatten(), nn.Linear(10, N, bias=bias), first, nn.Linear(N, N, bias=bias), second
    ).double()
    for linear in (layers[1], layers[3]):
        linear.weight.data.mul_(3.0).add_(0.1)
    return layers


def inputs():
    return torch.as_tensor(np.random.default_rng(1).uniform(0.0, 1.0, (T, B, 10)))


def theirs(layers, inputs_TBI):
    """Spikes of both layers; neurons keep their state (init_hidden)."""
    linears = [m for m in layers if isinstance(m, nn.Linear)]
    neurons = [m for m in layers if isinstance(m, snntorch.SpikingNeuron)]
    for neuron in neurons:
        neuron.reset_mem()
    found = ([], [])
    for x in inputs_TBI:
        for linear, neuron, kept in zip(linears, neurons, found, strict=True):
            x = passed(neuron(linear(x)))
            kept.append(x.detach())
    return [torch.stack(kept).numpy() for kept in found]


def ours(imported, inputs_TBI):
    names = [population.name for population in imported.net.populations[1:]]
    weights = {name: torch.as_tensor(w) for name, w in imported.weights.items()}
    record = simulate(
        imported.net, weights, {"input": inputs_TBI}, duration=T * imported.net.dt, backend="torch_dense",
        record=tuple(f"{name}.output" for name in names), initial=imported.initial,
    )  # fmt: skip
    return [record.traces[f"{name}.output"].numpy() for name in names]


def leaky(beta, **options):
    return snntorch.Leaky(torch.as_tensor(beta, dtype=torch.float64), init_hidden=True, **options)


def synaptic(alpha, beta, **options):
    alpha, beta = (torch.as_tensor(x, dtype=torch.float64) for x in (alpha, beta))
    options = {"reset_mechanism": "zero", "reset_delay": False} | options
    return snntorch.Synaptic(alpha, beta, init_hidden=True, **options)


PAIRS = {
    "reset to zero": lambda: (leaky(0.9, reset_mechanism="zero"), leaky(0.7, reset_mechanism="zero", threshold=1.5)),
    "at once": lambda: (leaky(0.9, reset_mechanism="zero", reset_delay=False), leaky(0.8, reset_mechanism="zero")),
    "by subtraction, the default": lambda: (leaky(0.9), leaky(0.7, threshold=2.0)),
    "one beta a neuron": lambda: (
        leaky(np.linspace(0.5, 0.95, N)), leaky(np.linspace(0.0, 0.9, N), reset_mechanism="zero")
    ),
    "with a synapse": lambda: (synaptic(0.8, 0.9, threshold=4.0), synaptic(0.5, 0.7, threshold=3.0)),
    "no leak": lambda: (leaky(1.0, reset_mechanism="zero"), leaky(1.0, reset_mechanism="zero")),
}  # fmt: skip


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", PAIRS)
def test_spikes_are_equal_there_and_back(name, bias):
    layers = chain(*PAIRS[name](), bias=bias)
    wanted = theirs(layers, inputs())
    imported = from_snntorch(layers, DT)
    found = ours(imported, inputs())
    back = to_snntorch(imported.net, imported.weights, imported.initial)
    again = theirs(back.double(), inputs())
    for layer in range(2):
        assert 100 < wanted[layer].sum() < 0.95 * wanted[layer].size
        np.testing.assert_array_equal(found[layer], wanted[layer])
        np.testing.assert_array_equal(again[layer], wanted[layer])


def test_a_readout_at_the_end():
    """A membrane without reset, whose potential is the output; and a Linear alone."""
    torch.manual_seed(2)
    cell = leaky(0.9, reset_mechanism="zero", reset_delay=False)
    readout = leaky(0.8, reset_mechanism="none", output=True)
    layers = nn.Sequential(nn.Linear(10, N), cell, nn.Linear(N, 3, bias=False), readout).double()
    layers[0].weight.data.mul_(3.0)
    imported = from_snntorch(layers, DT)
    potential, plain = [], []
    for x in inputs():
        spikes = passed(cell(layers[0](x)))
        plain.append(layers[2](spikes).detach())
        potential.append(readout(plain[-1])[1].detach())
    spikes, found = ours(imported, inputs())
    assert spikes.sum() > 100
    np.testing.assert_allclose(found, torch.stack(potential), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(ours(from_snntorch(layers[:3], DT), inputs())[1], torch.stack(plain), rtol=1e-12)
    assert type(to_snntorch(imported.net, imported.weights)[3]) is snntorch.Leaky


REFUSED = {
    "Alpha": (lambda: snntorch.Alpha(0.9, 0.8), ["'2' (Alpha)", "no counterpart"]),
    "subtraction at once": (lambda: leaky(0.9, reset_delay=False), ["'subtract'", "reset_delay=True"]),
    "Synaptic, delayed": (lambda: synaptic(0.9, 0.8, reset_delay=True), ["reset_delay=False"]),
    "Synaptic, subtraction": (lambda: synaptic(0.9, 0.8, reset_mechanism="subtract"), ["reset_mechanism='zero'"]),
    "graded spikes": (lambda: leaky(0.9, graded_spikes_factor=2.0), ["graded_spikes_factor"]),
    "another layer": (lambda: nn.ReLU(), ["'2' (ReLU)"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_counterpart_is_refused_by_name(case):
    make, words = REFUSED[case]
    with pytest.raises(ValueError) as error:
        from_snntorch(nn.Sequential(nn.Flatten(), nn.Linear(4, 4), make()), DT)
    for word in words:
        assert word in str(error.value)


def test_parameters_that_snntorch_does_not_know_are_refused():
    imported = from_snntorch(chain(leaky(0.9), leaky(0.9)), DT)
    from neuro import Network, Population

    for changes, word in (({"v_rest": -1.0}, "v_rest = -1"), ({"t_ref": 2.0}, "t_ref = 2")):
        first, _, last = imported.net.populations
        middle = Population("layer2", N, vary(LIF_DELTA, source="test", **changes))
        net = Network((first, middle, last), imported.net.projections, DT)
        with pytest.raises(ValueError, match=f"'layer2' .LIFDelta.: {word}"):
            to_snntorch(net, imported.weights)
