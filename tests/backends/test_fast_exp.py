"""The exp of compiled steps, against the longer arithmetic of NumPy."""

import numpy as np
import pytest
from numba import njit

from neuro.backends.fast_exp import exp


@njit
def exponentials(x):
    y = np.empty_like(x)
    for place in range(len(x)):
        y[place] = exp(x[place])
    return y


@pytest.mark.parametrize(("dtype", "largest"), [(np.float32, 87.0), (np.float64, 708.0)])
def test_relative_error_is_below_two_units_in_the_last_place(dtype, largest):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-largest, largest, 200_000), rng.normal(0.0, 1.0, 200_000)]).astype(dtype)
    wanted = np.exp(x.astype(np.longdouble))
    error = np.abs(exponentials(x) - wanted) / wanted
    assert error.max() < 2.0 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_cannot_be_written_is_zero_or_infinite(dtype):
    x = np.array([-np.inf, -1e4, 0.0, -0.0, 1e4, np.inf, np.nan], dtype)
    np.testing.assert_array_equal(exponentials(x), np.array([0.0, 0.0, 1.0, 1.0, np.inf, np.inf, np.nan], dtype))
