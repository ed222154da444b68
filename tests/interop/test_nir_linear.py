"""The linear nodes of NIR as matrices, against torch's own convolutions and pools."""

import nir
import numpy as np
import pytest
import torch

from neuro.interop import nir_linear

CONV = [
    {}, {"stride": 2}, {"padding": 1}, {"padding": (2, 0)}, {"stride": (2, 1), "padding": (0, 2)}, {"dilation": 2},
    {"padding": "same", "dilation": (1, 2)}, {"padding": "valid"}, {"groups": 2}, {"groups": 4, "padding": 1},
]  # fmt: skip


@pytest.mark.parametrize("options", CONV, ids=str)
def test_conv2d_is_torchs(options):
    rng, settings = np.random.default_rng(2), {"stride": 1, "padding": 0, "dilation": 1, "groups": 1} | options
    x, bias = rng.normal(size=(4, 9, 8)), rng.normal(size=8)
    weight = rng.normal(size=(8, 4 // settings["groups"], 3, 2))
    wanted = torch.nn.functional.conv2d(*(torch.as_tensor(a) for a in (x, weight, bias)), **options)
    node = nir.Conv2d((9, 8), weight, bias=bias, **settings)
    assert nir_linear.shape_after(node, x.shape) == nir_linear.shape_after(node, None) == tuple(wanted.shape)
    m, b = nir_linear.matrix(node, x.shape)
    np.testing.assert_allclose(m @ x.ravel() + b, wanted.numpy().ravel(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"stride": 3}, {"padding": 2}, {"padding": "same"}, {"groups": 2}], ids=str)
def test_conv1d_is_torchs(options):
    rng, settings = np.random.default_rng(3), {"stride": 1, "padding": 0, "dilation": 1, "groups": 1} | options
    x, bias, weight = rng.normal(size=(4, 11)), rng.normal(size=6), rng.normal(size=(6, 4 // settings["groups"], 3))
    wanted = torch.nn.functional.conv1d(*(torch.as_tensor(a) for a in (x, weight, bias)), **options)
    node = nir.Conv1d(11, weight, bias=bias, **settings)
    assert nir_linear.shape_after(node, x.shape) == tuple(wanted.shape)
    m, b = nir_linear.matrix(node, x.shape)
    np.testing.assert_allclose(m @ x.ravel() + b, wanted.numpy().ravel(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kernel, stride, padding", [((2, 2), (2, 2), (0, 0)), ((3, 2), (2, 1), (1, 1))])
def test_pools_are_torchs(kernel, stride, padding):
    x = np.random.default_rng(4).normal(size=(3, 7, 6))
    average = torch.nn.functional.avg_pool2d(torch.as_tensor(x), kernel, stride, padding).numpy()
    for kind, factor in ((nir.AvgPool2d, 1.0), (nir.SumPool2d, kernel[0] * kernel[1])):
        node = kind(*(np.array(a) for a in (kernel, stride, padding)))
        m, _ = nir_linear.matrix(node, x.shape)
        assert nir_linear.shape_after(node, x.shape) == average.shape
        np.testing.assert_allclose(m @ x.ravel(), factor * average.ravel(), rtol=1e-12, atol=1e-14)
