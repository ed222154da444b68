"""Layers: convolutions against sums over patches, counts against counting, and the same bits in bfloat16."""

import numpy as np
import pytest
import torch
from torch.nn.functional import pad

from neuro.learners.counter_current_cnn import CounterCurrentCNN
from neuro.learners.layers import Layer, drive, pooled, shape_out, stack, synaptic_events, weight_shape
from tasks import digits

TASK = digits.load()
CONVOLUTIONS = [Layer((2, 5, 6), 3, 3, stride, pool) for stride in (1, 2) for pool in (1, 2)] + [Layer((1, 4, 4), 2, 5)]


def patches(layer, images):
    """For each place of the output, the padded patch under the kernel [B, channel, kernel, kernel]."""
    reach = layer.kernel // 2
    padded = pad(images, (reach,) * 4)
    for top in range(0, layer.shape_in[1] - layer.kernel + 2 * reach + 1, layer.stride):
        for left in range(0, layer.shape_in[2] - layer.kernel + 2 * reach + 1, layer.stride):
            yield padded[:, :, top : top + layer.kernel, left : left + layer.kernel]


@pytest.mark.parametrize("layer", CONVOLUTIONS)
def test_a_convolution_is_the_sum_over_each_patch_and_its_work_is_counted(layer):
    rng = torch.Generator().manual_seed(0)
    images = torch.randn(4, *layer.shape_in, generator=rng).relu().double()
    weight = torch.randn(weight_shape(layer), generator=rng).double()
    driven = drive(layer, images.flatten(1), weight)
    expected = torch.stack([torch.einsum("bchw,ochw->bo", patch, weight) for patch in patches(layer, images)], -1)
    torch.testing.assert_close(driven.flatten(2), expected)
    n_active = sum(int((patch != 0).sum()) for patch in patches(layer, images))
    assert synaptic_events(layer, images) == n_active * layer.n_out > 0
    assert pooled(layer, driven).shape[1:] == shape_out(layer)


def test_the_work_of_a_dense_layer_is_a_product_for_each_active_input():
    layer = Layer((2, 3, 3), 5)
    images = torch.zeros(4, 2, 3, 3)
    images[0, 0, 1, 1] = images[3, 1, 2, 0] = 1.0
    assert synaptic_events(layer, images) == 2 * 5
    assert drive(layer, images, torch.ones(5, 18)).sum() == 2 * 5


def test_images_that_vanish_and_samples_that_are_no_images_are_refused():
    with pytest.raises(ValueError, match="too small for 4 convolutions"):
        stack(TASK.problem, (4, 4, 4, 4), ())
    with pytest.raises(ValueError, match="leave conv empty"):
        stack(TASK.problem._replace(shape=(64,)), (4,), ())


def test_learning_in_bfloat16_repeats_bit_for_bit_down_to_single_pixels():
    """torch's bfloat16 weight gradient of a strided convolution of one pixel reads memory that nobody has set."""
    learner, batch = CounterCurrentCNN(precision="bfloat16"), TASK.train.batch(np.arange(64))
    states = [learner.init(TASK.problem, 0) for _ in range(2)]
    for state in states:
        for _ in range(3):
            assert np.isfinite(learner.update(state, batch)["loss"])
            freed = [torch.full((size,), torch.nan) for size in (1000, 10_000, 100_000, 1_000_000)]
            del freed
    for name, weight in states[0].weights.items():
        assert torch.equal(weight, states[1].weights[name]), name
