"""Synaptic weights of Loihi: mantissas of 8 bits that share an exponent within a projection.

    weight = mantissa 2^exponent        mantissas: 0 to 255 (excitatory), -255 to 0 (inhibitory),
                                        even numbers from -256 to 254 (mixed signs: the sign takes the lowest bit)

Weights are given as plain numbers, as to every backend; they must lie on such a grid, which is then found. Where
several exponents would do, what arrives is the same for all of them; a learning rule, to which it matters, names one.

References: lava (src/lava/utils/weightutils.py: ranges, mixed signs), nengo_loihi (range of the exponent).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LEAST_EXPONENT, LARGEST_EXPONENT = -7, 7


class Mantissas(NamedTuple):
    """values: int32, of the shape that was given. is_mixed: whether the weights have both signs."""

    values: NDArray[np.int32]
    exponent: int
    is_mixed: bool


def bounds(is_mixed: bool, is_inhibitory: bool) -> tuple[int, int]:
    """The smallest and the largest mantissa."""
    if is_mixed:
        return -256, 254
    return (-255, 0) if is_inhibitory else (0, 255)


def mantissas(weights: Any, where: str, wanted: int | None = None) -> Mantissas:
    """Weights on the chip's grid as mantissas and their exponent; ValueError where they are not on it.

    wanted: the exponent, if it is not to be found.
    """
    w = np.asarray(weights, float)
    is_mixed = bool(w.size and w.min() < 0 < w.max())
    exponent = _lowest_bit(w) - is_mixed
    is_fine = exponent < (LEAST_EXPONENT if wanted is None else wanted)
    exponent = min(exponent, LARGEST_EXPONENT) if wanted is None else wanted
    values = w * 2.0**-exponent
    low, high = bounds(is_mixed, bool(w.size and w.min() < 0))
    if is_fine or (w.size and (values.min() < low or values.max() > high)):
        exponents = (
            f"an exponent from {LEAST_EXPONENT} to {LARGEST_EXPONENT}" if wanted is None else f"exponent {wanted}"
        )
        raise ValueError(
            f"{where}: weights from {w.min():g} to {w.max():g} are no mantissas of 8 bits ({low} to {high}"
            f"{', even' if is_mixed else ''}) with {exponents}; make such with neuro.quantise.on_grid"
        )
    return Mantissas(values.astype(np.int32), exponent, is_mixed)


def _lowest_bit(w: NDArray) -> int:
    """The largest e such that all weights are whole multiples of 2^e; 0 where all are 0."""
    fraction, exponent = np.frexp(w[w != 0])
    if not fraction.size:
        return 0
    whole = np.abs(fraction * 2.0**53).astype(np.int64)
    lowest = np.log2((whole & -whole).astype(float)).astype(int)
    return int((exponent - 53 + lowest).min())
