"""Random numbers of the connectors.

A statistic may lie 5 of its standard deviations from its mean; seeds are fixed, so a test that passes stays so.
"""

import numpy as np
import pytest

from neuro.connector_kernels import below, next_word, uniform


def check_chi_square(observed, expected, df):
    """Chi-square has mean df and variance 2 df; too good a fit is as wrong as a bad one."""
    chi_square = ((observed - expected) ** 2 / expected).sum()
    assert abs(chi_square - df) < 5 * np.sqrt(2 * df) + 5  # the second 5: its distribution is skewed at few df


def test_words_are_those_of_splitmix64():
    """The first outputs for seed 1234567, from the reference implementation in C (S. Vigna, prng.di.unimi.it)."""
    state = np.array([1234567], np.uint64)
    words = [int(next_word(state)) for _ in range(5)]
    assert words == [
        6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821,
    ]  # fmt: skip


def test_uniform_numbers_are_uniform_and_independent():
    state = np.array([1], np.uint64)
    u = np.array([uniform(state) for _ in range(200_000)])
    assert 0 <= u.min() and u.max() < 1
    check_chi_square(np.histogram(u, 256, (0, 1))[0], len(u) / 256, 255)
    pairs, _, _ = np.histogram2d(u[:-1:2], u[1::2], 16, [(0, 1), (0, 1)])
    check_chi_square(pairs, len(u) / 2 / 256, 255)
    fine = np.histogram((u * 2**40) % 1, 256, (0, 1))[0]  # the last 13 of 53 bits
    check_chi_square(fine, len(u) / 256, 255)


@pytest.mark.parametrize("n", [1, 2, 7, 1000])
def test_whole_numbers_are_uniform(n):
    state = np.array([2], np.uint64)
    counts = np.bincount([below(state, n) for _ in range(100_000)], minlength=n)
    assert len(counts) == n
    check_chi_square(counts, 100_000 / n, n - 1)


def test_whole_numbers_are_not_biased_where_n_divides_no_power_of_two():
    """Of 3 * 2^30 numbers, those divisible by 3 would be twice as likely without rejection."""
    state = np.array([3], np.uint64)
    numbers = np.array([below(state, 3 << 30) for _ in range(60_000)])
    check_chi_square(np.bincount(numbers % 3), 20_000, 2)
