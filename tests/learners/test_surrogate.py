"""Surrogates: each derivative belongs to its smooth function, and BPTT differentiates what it runs."""

import numpy as np
import pytest
import torch

from neuro import Dense, Network, Population, Projection, Source
from neuro.backends import torch_dense
from neuro.backends.job import make_job
from neuro.learners.surrogate import SURROGATES, spike_function
from neuro.neurons import leaky_integrator, lif_delta


@pytest.mark.parametrize("name", SURROGATES)
@pytest.mark.parametrize("slope", [1.0, 2.0, 25.0])
def test_derivative_is_that_of_the_smooth_function(name, slope):
    """Central differences, away from kinks; their error is h^2 times the third derivative."""
    surrogate = SURROGATES[name]
    x = torch.linspace(-2, 2, 401, dtype=torch.float64)
    kinks = torch.tensor([0.0, 0.5 / slope, -0.5 / slope, 1 / slope, -1 / slope], dtype=torch.float64)
    x = x[(x[:, None] - kinks).abs().min(1).values > 1e-3]
    h = 1e-6
    numeric = (surrogate.smooth(x + h, slope) - surrogate.smooth(x - h, slope)) / (2 * h)
    torch.testing.assert_close(surrogate.derivative(x, slope), numeric, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", SURROGATES)
def test_forward_is_the_step_and_backward_the_derivative(name):
    x = torch.linspace(-1, 1, 21, dtype=torch.float64, requires_grad=True)
    spikes = spike_function(name, 3.0)(x)
    assert torch.equal(spikes, (x >= 0).to(x.dtype))
    (gradient,) = torch.autograd.grad(spikes.sum(), x)
    assert torch.equal(gradient, SURROGATES[name].derivative(x.detach(), 3.0))


def test_gradient_through_time_equals_finite_differences_of_the_smoothed_network():
    """With the smooth function as the spike, autograd through 12 steps against central differences.

    The reset is a test (v stays or is set) and passes no gradient; with v_reset far below and the smooth
    output compared with 0.5 no neuron crosses that test within the differences taken here.
    """
    net = Network(
        (
            Population("in", 3, Source()),
            Population("hid", 4, lif_delta.NORMALISED),
            Population("out", 2, leaky_integrator.NORMALISED),
        ),
        (Projection("in", "hid", Dense()), Projection("hid", "out", Dense())),
        1.0,
    )
    rng = np.random.default_rng(0)
    weights = {
        "in->hid": torch.tensor(rng.normal(0, 0.15, (4, 3)), requires_grad=True),
        "hid->out": torch.tensor(rng.normal(0, 0.5, (2, 4)), requires_grad=True),
    }
    inputs = {"in": torch.tensor(rng.random((2, 3)))}

    def smooth(x):
        return SURROGATES["sigmoid"].smooth(x, 2.0)

    def loss(given):
        job = make_job(net, given, inputs, 12.0, record=("out.output",))
        return torch_dense.run(job, smooth).traces["out.output"].square().mean()

    gradients = torch.autograd.grad(loss(weights), list(weights.values()))
    h = 1e-6
    for (name, w_JI), gradient in zip(weights.items(), gradients, strict=True):
        numeric = torch.zeros_like(w_JI)
        for index in np.ndindex(*w_JI.shape):
            ends = []
            for sign in (1, -1):
                moved = {key: value.detach().clone() for key, value in weights.items()}
                moved[name][index] += sign * h
                ends.append(loss(moved))
            numeric[index] = (ends[0] - ends[1]) / (2 * h)
        torch.testing.assert_close(gradient, numeric, rtol=1e-6, atol=1e-9)
    assert gradients[0].abs().max() > 1e-3, "the test must see gradients"
