"""NoProp's noise schedules against derivations that do not use their formulas."""

import numpy as np
import pytest
import torch

from neuro.learners.noise_schedule import cosine, learned, level, noised, posterior, snr

STEPS = [(10, t) for t in range(2, 11)] + [(3, 3), (50, 25)]


def test_cosine_goes_from_noise_to_the_label():
    abar_T = cosine(10)
    assert abar_T[0] == pytest.approx(0, abs=1e-12) and 0.9998 < abar_T[-1] < 1
    assert torch.all(abar_T.diff() > 0)


@pytest.mark.parametrize("n_steps", [1, 2, 10, 1000])
def test_every_block_gains_signal_and_no_gain_is_clamped(n_steps):
    """Each gain weighs a block's loss; SNR = tan^2 of the cosine's complement, its closed form."""
    ratio_T = snr(cosine(n_steps))
    assert torch.all(ratio_T.diff() > 0)
    left = torch.arange(n_steps, -1, -1, dtype=torch.float64) / n_steps
    angle = np.pi / 2 * (left + 0.008) / 1.008
    torch.testing.assert_close(ratio_T, torch.tan(np.pi / 2 - angle) ** 2, rtol=1e-9, atol=1e-12)
    assert len(ratio_T.diff().unique()) == n_steps


@pytest.mark.parametrize(("n_steps", "t"), STEPS)
def test_posterior_is_the_normalised_product_of_prior_and_likelihood(n_steps, t):
    """Bayes on a grid: z_before = sqrt(alpha) z_after + noise (likelihood of the later, less noisy label), and
    z_after drawn directly from u. Mean and variance of z_after given z_before and u, by numerical integration."""
    before, after = cosine(n_steps)[t - 1], cosine(n_steps)[t]
    alpha, u, z_before = float(before / after), 0.7, -0.4
    centre, spread = float(after.sqrt()) * u, float((1 - after).sqrt())
    grid = np.linspace(centre - 10 * spread, centre + 10 * spread, 200_001)
    log_density = -((grid - centre) ** 2) / (2 * spread**2)
    log_density -= (z_before - np.sqrt(alpha) * grid) ** 2 / (2 * (1 - alpha))
    density = np.exp(log_density - log_density.max())
    density /= density.sum()
    mean = (density * grid).sum()
    variance = (density * (grid - mean) ** 2).sum()
    a, b, c = (float(number) for number in posterior(before, after))
    assert a * u + b * z_before == pytest.approx(mean, abs=1e-6)
    assert c == pytest.approx(variance, rel=1e-6)


def test_the_first_step_forgets_its_input_which_is_noise():
    a, b, c = posterior(*cosine(10)[:2])
    assert b == pytest.approx(0, abs=1e-9)
    assert a == pytest.approx(cosine(10)[1].sqrt()) and c == pytest.approx(1 - cosine(10)[1])


@pytest.mark.parametrize("n_steps", [3, 10])
def test_the_chain_of_steps_has_the_marginals_of_the_direct_draw(n_steps):
    """With the true label in place of a block, mean sqrt(abar) u and variance 1 - abar hold at every step."""
    abar_T, mean, variance = cosine(n_steps), 0.0, 1.0
    for t in range(1, n_steps + 1):
        a, b, c = (float(number) for number in posterior(abar_T[t - 1], abar_T[t]))
        mean, variance = a + b * mean, b**2 * variance + c
        assert mean == pytest.approx(float(abar_T[t].sqrt()), rel=1e-9)
        assert variance == pytest.approx(float(1 - abar_T[t]), rel=1e-9)


def test_a_noised_label_has_the_marginal_of_a_chain_that_adds_noise_step_by_step():
    """100,000 draws: the standard error of a mean is 0.003, of a variance 0.0045; tolerances are four times that."""
    rng = torch.Generator().manual_seed(0)
    abar_T, u_BN = cosine(5).float(), torch.full((100_000, 1), 0.8)
    z_BN = u_BN * abar_T[-1].sqrt() + (1 - abar_T[-1]).sqrt() * torch.randn(u_BN.shape, generator=rng)
    for t in range(5, 2, -1):  # from the label towards noise
        alpha = abar_T[t - 1] / abar_T[t]
        z_BN = alpha.sqrt() * z_BN + (1 - alpha).sqrt() * torch.randn(u_BN.shape, generator=rng)
    direct_BN = noised(u_BN, abar_T[2], torch.randn(u_BN.shape, generator=rng))
    assert float(z_BN.mean()) == pytest.approx(float(direct_BN.mean()), abs=0.018)
    assert float(z_BN.var()) == pytest.approx(float(direct_BN.var()), abs=0.025)


def test_learned_schedule_rises_from_its_ends_whatever_its_weights():
    rng = torch.Generator().manual_seed(1)
    weights = {name: weight.detach() for name, weight in learned(rng, 16).items()}
    for name in ("slope", "size", "steep", "place"):
        weights[name] = 2 * torch.randn(weights[name].shape, generator=rng)
    abar, slope = level(weights, torch.linspace(0, 1, 1001))
    assert torch.all(abar.diff() > 0) and torch.all(slope > 0)
    torch.testing.assert_close(abar[[0, -1]], torch.sigmoid(torch.tensor([-5.0, 5.0])))


def test_slope_of_the_learned_snr_against_finite_differences():
    weights = {name: w.detach().double() for name, w in learned(torch.Generator().manual_seed(2), 8).items()}
    times, h = torch.linspace(0.05, 0.95, 10, dtype=torch.float64), 1e-6
    numeric = (snr(level(weights, times + h).abar) - snr(level(weights, times - h).abar)) / (2 * h)
    torch.testing.assert_close(level(weights, times).snr_slope, numeric, rtol=1e-6, atol=1e-9)
