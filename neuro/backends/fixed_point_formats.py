"""How numbers are held in the backend `fixed_point`: `simulate(..., backend="fixed_point", arithmetic=...)`.

The arithmetic is an argument of the call and not of the model, as the dtype of the weights is on other backends: one
network is to run in several widths, and none of them is a property of a neuron. Networks of LoihiLIF are in the chip's
own integers (`Loihi`, the default there); every other network needs a QFormat, one for all its numbers.

A number that leaves its range is clipped to the bound, never wrapped around. That stops the run, unless
`allow_saturation` is given: then `Counts.saturations` says how often it happened. A silent clip gives wrong spikes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.units import choice, param

ROUNDINGS = ("nearest", "down", "stochastic")


class SaturationError(ValueError):
    """A number left its range, and that was not allowed."""


@dataclass(frozen=True)
class Loihi:
    """The integers of Loihi: weights of 8 bits, decays of 12, u and v of 24 (see neuro/neurons/loihi_lif.py)."""

    allow_saturation: bool = False


@dataclass(frozen=True)
class QFormat:
    """Numbers of `total` bits with sign, of which `fraction` follow the binary point: k 2^-fraction.

    rounding: of products, quotients and exp; "nearest" (halves upwards), "down" (drops bits, as a plain shift does), or
    "stochastic" (up with the probability of what is dropped; hopkins2020), drawn from the seed of the simulation.
    Numbers that are given (weights, inputs, parameters) are rounded to nearest.
    """

    total: int = param("1", "bits in all, the sign among them", minimum=2, maximum=32)
    fraction: int = param("1", "bits after the binary point", minimum=0, maximum=31)
    allow_saturation: bool = False
    rounding: str = choice("of results that do not fit", ROUNDINGS, default="nearest")

    @property
    def largest(self) -> int:
        """The largest raw integer; the smallest is -largest - 1."""
        return 2 ** (self.total - 1) - 1

    def __str__(self) -> str:
        least, bound = 2.0**-self.fraction, 2.0 ** (self.total - 1 - self.fraction)
        return f"Q{self.total - self.fraction}.{self.fraction} (steps of {least:g}, from {-bound:g} to below {bound:g})"


def quantised(values: Any, form: QFormat, what: str) -> tuple[NDArray[np.int64], int]:
    """Given numbers as raw integers, rounded to nearest, and how many were clipped.

    SaturationError, which names what was given, unless that is allowed.
    """
    scaled = np.rint(np.asarray(values, float) * 2.0**form.fraction)
    clipped = np.clip(scaled, -form.largest - 1, form.largest)
    is_out = scaled != clipped
    if is_out.any() and not form.allow_saturation:
        worst = np.asarray(values, float).ravel()[np.argmax(np.abs(scaled).ravel())]
        raise SaturationError(f"{what} = {worst:g} does not fit {form}; give more bits in front of the binary point")
    return clipped.astype(np.int64), int(is_out.sum())
