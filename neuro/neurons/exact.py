"""The two functions of which exact propagators are made, accurate to rounding for every argument.

A membrane of time constant tau_m driven over dt by what decays with tau involves x = dt / tau - dt / tau_m:
int_0^dt exp(-(dt - s) / tau_m) exp(-s / tau) ds = dt exp(-dt / tau) phi1(x), and with a further factor s under
the integral, dt^2 exp(-dt / tau) phi2(x). Their textbook forms divide by tau_m - tau; these have no singularity.

References: rotter1999.
"""

import math
from typing import Any

import numpy as np


def phi1(x: Any) -> Any:
    """(e^x - 1) / x, and 1 at 0."""
    x = np.asarray(x, float)
    return np.where(x == 0.0, 1.0, np.expm1(x) / np.where(x == 0.0, 1.0, x))


def phi2(x: Any) -> Any:
    """(e^x - 1 - x) / x^2, and 1/2 at 0. A power series where |x| < 1, where the numerator cancels."""
    x = np.asarray(x, float)
    series = sum(x**k / math.factorial(k + 2) for k in range(18))  # the rest is below 1 / 20! = 4e-19
    far = np.where(np.abs(x) < 1.0, 1.0, x)
    return np.where(np.abs(x) < 1.0, series, (np.expm1(far) - far) / (far * far))
