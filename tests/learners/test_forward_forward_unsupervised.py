"""Hybrid images and forward-forward without labels."""

import math

import pytest
import torch

from neuro.learners.forward_forward_unsupervised import ForwardForwardUnsupervised
from neuro.learners.goodness import goodness
from neuro.learners.negatives import blur_matrix, hybrids, masks
from tasks import digits

TASK = digits.load()
SMALL = ForwardForwardUnsupervised(hidden=(12, 10, 8), batch_size=20)


def noise_correlation(distance, blurs):
    """Of noise blurred by a binomial kernel: the kernel's own autocorrelation (Vandermonde's identity)."""
    return math.comb(4 * blurs, 2 * blurs + distance) / math.comb(4 * blurs, 2 * blurs)


@pytest.mark.parametrize("blurs", [2, 8])
def test_masks_are_binary_and_even_and_have_the_correlation_of_the_formula(blurs):
    """(2 / pi) arcsin r(d) along an axis, everywhere alike (tolerance: 4,000 masks, and noise only nearly Gaussian)."""
    m_BHW = masks(4000, 12, 16, blurs, torch.Generator().manual_seed(1))
    assert m_BHW.shape == (4000, 12, 16) and m_BHW.unique().tolist() == [0.0, 1.0]
    sign_BHW = 2 * m_BHW - 1
    for d in (1, 2, 4, 7):
        expected = 2 / math.pi * math.asin(noise_correlation(d, blurs))
        assert abs((sign_BHW[:, d:] * sign_BHW[:, :-d]).mean().item() - expected) < 0.03
        assert abs((sign_BHW[:, :, d:] * sign_BHW[:, :, :-d]).mean().item() - expected) < 0.03
        at_the_border = (sign_BHW[:, :, 0] * sign_BHW[:, :, d]).mean().item()
        assert abs(at_the_border - expected) < 0.04
    assert abs(m_BHW.mean().item() - 0.5) < 0.06  # bits have ties at 1/2, which become zeros


def test_blurring_once_is_the_kernel_of_the_paper_and_repeats():
    assert blur_matrix(1, 1).tolist() == [[0.25, 0.5, 0.25]]
    torch.testing.assert_close(blur_matrix(5, 1) @ blur_matrix(7, 1), blur_matrix(5, 2))


def test_a_hybrid_mixes_exactly_two_images_and_all_channels_alike():
    n = 6
    images = torch.arange(n, dtype=torch.float32)[:, None, None, None].expand(n, 3, 9, 7) + 10
    images = images + 100 * torch.arange(3)[:, None, None]
    mixed = hybrids(images, 3, torch.Generator().manual_seed(0))
    for b in range(n):
        sources = mixed[b] - 100 * torch.arange(3)[:, None, None] - 10
        assert set(sources.unique().tolist()) <= {float(b), float((b - 1) % n)}
        assert torch.equal(sources[0], sources[1]) and torch.equal(sources[0], sources[2])
    assert torch.equal(hybrids(images[:1], 3, torch.Generator()), images[:1])


def test_hybrids_hold_each_pixel_of_one_image_or_the_other():
    images = TASK.train.batch(range(50)).inputs.reshape(50, 1, 8, 8)
    mixed = hybrids(images, 4, torch.Generator().manual_seed(0))
    from_own, from_other = mixed == images, mixed == images.roll(1, 0)
    assert (from_own | from_other).all()
    assert 0.3 < (from_own & ~from_other).float().sum() / (from_own ^ from_other).float().sum() < 0.7


def test_labels_change_the_softmax_alone():
    states = [SMALL.init(TASK.problem, 0) for _ in range(2)]
    for k in range(5):
        batch = TASK.train.batch(range(20 * k, 20 * k + 20))
        SMALL.update(states[0], batch)
        SMALL.update(states[1], batch._replace(labels=(batch.labels + 3) % 10))
    differ = {n for n in states[0].weights if not torch.equal(states[0].weights[n], states[1].weights[n])}
    assert differ == {"softmax", "softmax_bias"}


def test_images_become_better_than_hybrids_in_every_layer():
    learner = ForwardForwardUnsupervised(hidden=(100, 100), lr=3e-3, blurs=2)
    problem = TASK.problem._replace(samples=30_000)
    state = learner.init(problem, 0)
    for _ in range(300):
        learner.update(state, TASK.train.batch(torch.randint(1287, (100,), generator=state.rng).numpy()))
    image_BI = torch.from_numpy(TASK.val.inputs)
    hybrid_BI = hybrids(image_BI.reshape(-1, 1, 8, 8), learner.blurs, state.rng).flatten(1)
    for true_BJ, false_BJ in zip(learner._run(state, image_BI), learner._run(state, hybrid_BI), strict=True):
        assert (goodness(true_BJ) > goodness(false_BJ)).float().mean() > 0.7


def test_samples_that_are_no_images_are_refused():
    with pytest.raises(ValueError, match="hybrids need images"):
        SMALL.init(TASK.problem._replace(shape=(64,)), 0)
