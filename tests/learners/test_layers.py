"""Layers: convolutions against sums over patches, counts against counting, and the same bits in bfloat16."""

import numpy as np
import pytest
import torch
from torch.nn.functional import pad

from neuro.learners import LEARNERS
from neuro.learners.cascaded_forward import CascadedForward
from neuro.learners.counter_current_cnn import CounterCurrentCNN
from neuro.learners.forward_forward_cnn import ForwardForwardCNN
from neuro.learners.layers import Layer, drive, normalised, pooled, shape_out, stack, synaptic_events, weight_shape
from neuro.learners.noprop import NoProp
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
    with pytest.raises(ValueError, match="need images"):
        stack(TASK.problem._replace(shape=(64,)), (4,), ())


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("cascaded-forward", "conv"),
        ("counter-current", "hidden"),
        ("forward-forward", "hidden"),
        ("forward-forward-unsupervised", "hidden"),
        ("forward-forward-spiking", "hidden"),
        ("forward-forward-cnn", "channels"),
        ("mono-forward", "hidden"),
    ],
)
def test_no_layers_are_refused_with_an_example(name, field):
    learner = LEARNERS[name](**{field: ()})
    with pytest.raises(ValueError, match=rf"{field} is empty; give at least one layer, as in \("):
        learner.init(TASK.problem, 0)


def test_one_value_a_channel_has_no_variance_and_is_normalised_by_the_running_moments():
    moments = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([4.0, 1.0, 9.0])
    alone = normalised(torch.zeros(1, 3, 1, 1), moments, is_learning=True, floor=0.0)
    torch.testing.assert_close(alone.flatten(), torch.tensor([-0.5, -2.0, -1.0]))
    assert moments[0].tolist() == [1, 2, 3] and moments[1].tolist() == [4, 1, 9]
    together = normalised(torch.tensor([[0.0], [2.0]]), (moments[0][:1], moments[1][:1]), is_learning=True, floor=1e-9)
    assert (
        together.flatten().tolist() == pytest.approx([-1.0, 1.0]) and moments[0][0] == 1.0
    )  # the mean of both is 1, too
    assert moments[1][0] == pytest.approx(0.9 * 4.0 + 0.1 * 2.0)  # the running variance is of n - 1


@pytest.mark.parametrize(
    "learner", [CascadedForward(conv=(4, 4, 4)), ForwardForwardCNN(channels=(1,) * 6), NoProp(blocks=1, conv=(4,))]
)
def test_a_last_batch_of_one_sample_can_be_learned(learner):
    """Three poolings leave one pixel of the digits."""
    losses = learner.update(learner.init(TASK.problem, 0), TASK.train.batch(np.arange(1)))
    assert all(np.isfinite(loss) for loss in losses.values())


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
