"""Loihi's learning engine: a weight changes by a sum of products of traces, in integers.

    w <- w + sum_k  scale_k 2^exponent_k  factor * factor ...           factors: x0 x1 x2 y0 y1 y2 y3 w
    x0, y0: 1 in a step in which the presynaptic, the postsynaptic neuron fires, else 0
    x1, x2, y1, y2, y3: traces of 7 bits; a step leaves exp(-dt / tau) of them, a spike adds an impulse

Each product has an x0 or a y0, so that nothing happens without a spike. A step: traces decay, take up the spikes of
this step, then weights change. The sum is taken with 7 bits below the weight's; the new weight is rounded to the grid
of its mantissas (stochastically: up with the probability of what is dropped) and stays within their range. Traces
are rounded likewise, or cut off. It runs on the backend `fixed_point` alone; w is the weight's mantissa.

    pair STDP:  dw = 2^-a x1 y0 - 2^-b y1 x0            (a pair of one step counts for both, as in Lava)

References: davies2018 (sum of products, widths), lava (order, accumulator: src/lava/magma/core/learning).
Deviations: an epoch of learning is one step. Products are exact before they are scaled, where Lava, whose rounding is
itself an approximation of the chip's, drops bits of products of several traces. No delays and tags are learned.
"""

from dataclasses import dataclass
from typing import ClassVar

from neuro.units import param, reference, unknown

FACTORS = ("x0", "y0", "x1", "x2", "y1", "y2", "y3", "w")


@dataclass(frozen=True)
class Product:
    """scale 2^exponent times the product of its factors, in steps of the weight's mantissa."""

    scale: int
    exponent: int
    factors: tuple[str, ...]

    def __post_init__(self) -> None:
        for factor in self.factors:
            if factor not in FACTORS:
                raise ValueError(unknown("factor", factor, FACTORS))
        if not {"x0", "y0"} & set(self.factors) or len(self.factors) > 4:
            raise ValueError(f"a product needs x0 or y0, and at most four factors; got {self.factors}")
        if not -8 <= self.scale <= 7 or not -14 <= self.exponent <= 7:
            raise ValueError(f"scale {self.scale} and exponent {self.exponent} must lie in -8 to 7 and -14 to 7")


@dataclass(frozen=True)
class SumOfProducts:
    """A learning rule of Loihi. Numbers of traces are given as (x1, x2) and (y1, y2, y3)."""

    products: tuple[Product, ...]
    tau_x: tuple[float, float] = param("ms", "time constants of x1 and x2", above=0)
    tau_y: tuple[float, float, float] = param("ms", "time constants of y1, y2 and y3", above=0)
    impulse_x: tuple[int, int] = param("1", "what a presynaptic spike adds", minimum=0, maximum=127)
    impulse_y: tuple[int, int, int] = param("1", "what a postsynaptic spike adds", minimum=0, maximum=127)
    weight_exponent: int = param(
        "1", "exponent that the weights share: what one step of a mantissa is", minimum=-7, maximum=7
    )
    is_stochastic: bool = param("1", "whether traces and weights are rounded stochastically")
    source: str = reference()

    has_integers: ClassVar[bool] = True  # it has no functions of one synapse in the dialect


# The form is Lava's example of STDP; impulses of 16 and exponents of -2 are chosen, so that a pair moves a weight by
# at most 4 of its 255 steps. x2, y2 and y3 are not used.
PAIR_STDP = SumOfProducts(
    products=(Product(1, -2, ("x1", "y0")), Product(-1, -2, ("y1", "x0"))),
    tau_x=(20.0, 20.0), tau_y=(20.0, 20.0, 20.0), impulse_x=(16, 0), impulse_y=(16, 0, 0), weight_exponent=0,
    is_stochastic=True, source="lava",
)  # fmt: skip
