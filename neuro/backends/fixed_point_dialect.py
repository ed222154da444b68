"""The dialect of the backend `fixed_point`: integers of a Q-format whose operators shift and saturate.

A Fixed holds k for the number k 2^-fraction. + and - saturate; * and / are exact in 64 bits, then rounded and
saturated; comparisons and `where` are exact. exp is taken in float64 and rounded, as a table of all its values is.
Both branches of a `where` are computed, and what saturates in either is counted.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro import poisson
from neuro.backends.fixed_point_formats import QFormat, quantised


class Meter:
    """The format of a simulation, how often numbers were clipped, and where random bits come from."""

    def __init__(self, form: QFormat, seed: int):
        self.form, self.saturations = form, 0
        self.key, self.n_draws = poisson.key(seed, "rounding", 0), 0

    def bounded(self, raw: NDArray[np.int64]) -> "Fixed":
        """Raw integers, clipped to the range of the format, and counted where that changed them."""
        clipped = np.clip(raw, -self.form.largest - 1, self.form.largest)
        self.saturations += int(np.count_nonzero(clipped != raw))
        return Fixed(clipped, self)

    def shifted(self, raw: NDArray[np.int64]) -> "Fixed":
        """raw 2^-fraction, rounded."""
        n_bits = self.form.fraction
        if n_bits and self.form.rounding != "down":
            raw = raw + (self.draw(np.shape(raw), n_bits) if self.form.rounding == "stochastic" else 1 << (n_bits - 1))
        return self.bounded(raw >> n_bits)

    def draw(self, shape: tuple[int, ...], n_bits: int) -> NDArray[np.int64]:
        """Random integers of n_bits."""
        self.n_draws += 1
        drawn = poisson.bits(int(np.prod(shape, dtype=int)), self.n_draws, self.key).astype(np.int64)
        return (drawn >> (32 - n_bits)).reshape(shape)

    def fixed(self, values: Any, what: str) -> "Fixed":
        """Given numbers."""
        raw, n_clipped = quantised(values, self.form, what)
        self.saturations += n_clipped
        return Fixed(raw, self)


class Fixed:
    """Numbers of a format; raw: int64, any shape."""

    __array_ufunc__ = None  # NumPy leaves operators with arrays of booleans to this class
    __slots__ = ("raw", "meter")

    def __init__(self, raw: Any, meter: Meter):
        self.raw, self.meter = np.asarray(raw, np.int64), meter

    def like(self, other: Any) -> NDArray[np.int64]:
        """The raw integers of another number, which may be a plain one."""
        if isinstance(other, Fixed):
            return other.raw
        return self.meter.fixed(other, "a number in a step").raw

    def __add__(self, other: Any) -> "Fixed":
        return self.meter.bounded(self.raw + self.like(other))

    def __sub__(self, other: Any) -> "Fixed":
        return self.meter.bounded(self.raw - self.like(other))

    def __rsub__(self, other: Any) -> "Fixed":
        return self.meter.bounded(self.like(other) - self.raw)

    def __neg__(self) -> "Fixed":
        return self.meter.bounded(-self.raw)

    def __mul__(self, other: Any) -> "Fixed":
        return self.meter.shifted(self.raw * self.like(other))

    def __truediv__(self, other: Any) -> "Fixed":
        return _quotient(self.raw, self.like(other), self.meter)

    def __rtruediv__(self, other: Any) -> "Fixed":
        return _quotient(self.like(other), self.raw, self.meter)

    __radd__, __rmul__ = __add__, __mul__

    def __lt__(self, other: Any) -> NDArray[np.bool_]:
        return self.raw < self.like(other)

    def __le__(self, other: Any) -> NDArray[np.bool_]:
        return self.raw <= self.like(other)

    def __gt__(self, other: Any) -> NDArray[np.bool_]:
        return self.raw > self.like(other)

    def __ge__(self, other: Any) -> NDArray[np.bool_]:
        return self.raw >= self.like(other)

    def __eq__(self, other: object) -> Any:
        return self.raw == self.like(other)

    def __ne__(self, other: object) -> Any:
        return self.raw != self.like(other)

    __hash__ = None  # type: ignore[assignment]


def _quotient(a: NDArray[np.int64], b: NDArray[np.int64], meter: Meter) -> Fixed:
    """a / b, rounded; by 0: the bound of a's sign, counted as saturated."""
    by_zero = b == 0
    numerator = np.where(by_zero, np.sign(a) * 2**62, a << meter.form.fraction)
    divisor = np.abs(np.where(by_zero, 1, b))
    numerator = np.where(b < 0, -numerator, numerator)
    if meter.form.rounding == "nearest":
        numerator = numerator + divisor // 2
    elif meter.form.rounding == "stochastic":
        numerator = numerator + (meter.draw(np.shape(numerator), 31) * divisor >> 31)
    return meter.bounded(np.floor_divide(numerator, divisor))


def _meter(*values: Any) -> Meter:
    return next(value.meter for value in values if isinstance(value, Fixed))


def _where(condition: Any, a: Any, b: Any) -> Any:
    if not isinstance(a, Fixed) and not isinstance(b, Fixed):
        return np.where(condition, a, b)
    meter = _meter(a, b)
    some = a if isinstance(a, Fixed) else b
    return Fixed(np.where(condition, some.like(a), some.like(b)), meter)


def _exp(x: Fixed) -> Fixed:
    form, meter = x.meter.form, x.meter
    # what is cut off here, lest it overflows in floats or in 64 bits, lies far beyond any bound
    scaled = np.minimum(np.exp(np.minimum(x.raw * 2.0**-form.fraction, 40.0)) * 2.0**form.fraction, 2.0**62)
    if form.rounding == "stochastic":
        scaled = scaled + meter.draw(np.shape(scaled), 31) * 2.0**-31
    return meter.bounded((np.rint(scaled) if form.rounding == "nearest" else np.floor(scaled)).astype(np.int64))


def _minimum(a: Any, b: Any) -> Fixed:
    some = a if isinstance(a, Fixed) else b
    return Fixed(np.minimum(some.like(a), some.like(b)), some.meter)


def _maximum(a: Any, b: Any) -> Fixed:
    some = a if isinstance(a, Fixed) else b
    return Fixed(np.maximum(some.like(a), some.like(b)), some.meter)


FIXED = {
    "dialect": "fixed_point",
    "where": _where,
    "exp": _exp,
    "heaviside": lambda x: x >= 0,
    "minimum": _minimum,
    "maximum": _maximum,
}
