"""exp for the event backend: arithmetic alone, so that the compiler turns a loop over neurons into vector instructions.

    exp(x) = 2^n exp(r),   n = round(x / ln 2),   r = x - n ln 2, |r| <= ln 2 / 2

exp(r) is its Taylor polynomial, of degree 7 in float32 (error 5e-9) and 13 in float64 (error 4e-18), and 2^n is made
of its bits. Relative error: below 2 units in the last place, for n up to 127 (float32) or 1023; above, from x = 88.4 or
709.4 on, it is inf, a little before it must be. ln 2 is taken in two parts, the first of which has so few
digits that n times it is exact (Cody and Waite 1980, "Software Manual for the Elementary Functions").
"""

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload


def _float_of_bits(typing_context, bits):
    """The floating-point number that has these bits."""
    wide = bits == types.int64
    found = types.float64 if wide else types.float32

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.DoubleType() if wide else ir.FloatType())

    return found(bits), generate


float_of_bits: Any = intrinsic(_float_of_bits)


def exp(x):
    """exp of a float32 or float64, to be called in compiled code."""
    return math.exp(x)


@overload(exp)
def _exp(x):
    if x == types.float32:
        return _variant(np.float32, np.int32, 23, 127, 7, 0.693359375, -2.12194440e-4, 88.72, -87.33)
    if x == types.float64:
        return _variant(
            np.float64, np.int64, 52, 1023, 13, 6.93145751953125e-1, 1.42860682030941723212e-6, 709.78, -708.39
        )
    return None


def _variant(number, integer, mantissa, bias, degree, high, low, largest, smallest):
    """exp for one kind of numbers. mantissa: its bits; largest, smallest: x beyond which exp is inf or 0."""
    per_ln2, ln2_high, ln2_low = number(1.0 / math.log(2.0)), number(high), number(low)
    magic = number(1.5 * 2.0**mantissa)  # adding it rounds to a whole number
    largest, smallest, infinite, zero = number(largest), number(smallest), number(np.inf), number(0.0)
    bias, mantissa = integer(bias), integer(mantissa)
    c = tuple(number(1.0 / math.factorial(power)) for power in range(14))
    c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13 = c

    def single(x):
        inside = x if x < largest else largest
        inside = inside if inside > smallest else smallest
        n = (inside * per_ln2 + magic) - magic
        r = (inside - n * ln2_high) - n * ln2_low
        p = c0 + r * (c1 + r * (c2 + r * (c3 + r * (c4 + r * (c5 + r * (c6 + r * c7))))))
        value = p * float_of_bits(integer((integer(n) + bias) << mantissa))
        value = infinite if x > largest else value
        value = zero if x < smallest else value
        return value if x == x else x

    def double(x):
        inside = x if x < largest else largest
        inside = inside if inside > smallest else smallest
        n = (inside * per_ln2 + magic) - magic
        r = (inside - n * ln2_high) - n * ln2_low
        p = c7 + r * (c8 + r * (c9 + r * (c10 + r * (c11 + r * (c12 + r * c13)))))
        p = c0 + r * (c1 + r * (c2 + r * (c3 + r * (c4 + r * (c5 + r * (c6 + r * p))))))
        value = p * float_of_bits(integer((integer(n) + bias) << mantissa))
        value = infinite if x > largest else value
        value = zero if x < smallest else value
        return value if x == x else x

    return single if degree == 7 else double
